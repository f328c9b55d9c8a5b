//! Real NATS servers for tests: one, or a cluster, on loopback, with stores of their own, that a test restarts, kills,
//! stops in their tracks and robs of their data.
//!
//! A `nats-server` on `PATH` is taken where it is new enough. Otherwise the pinned one is fetched, once, so that no test
//! has to be skipped.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::venv;

mod server;
mod cluster;
mod frames;
mod proxy;
mod certificates;
mod operator;

pub use self::{
    certificates::{Authority, Certificate},
    cluster::NatsCluster,
    operator::{Operator, Permissions},
    proxy::Proxy,
    server::NatsServer,
};

/// The oldest server that Lineal speaks to: major and minor version.
const OLDEST: (u32, u32) = (2, 14);

/// When a server writes what it stores through to the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sync {
    /// Every two minutes, as a server does unless it is told otherwise.
    #[default]
    Usual,
    /// Before it acknowledges.
    Always,
}

/// How a server is to run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// When it writes through.
    pub sync: Sync,
    /// More of its configuration, like users and TLS.
    pub configuration: String,
}

impl Options {
    /// A usual server with more of its configuration.
    pub fn with(configuration: impl Into<String>) -> Self {
        Self { configuration: configuration.into(), ..Self::default() }
    }
}

/// The program, found or fetched once.
#[track_caller]
pub fn server_binary() -> &'static Path {
    find_server().unwrap_or_else(|error| panic!("{error}"))
}

/// The program, found or fetched once, or why there is none.
pub fn find_server() -> Result<&'static Path, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let installed = PathBuf::from("nats-server");
        if version_of(&installed).is_some_and(|version| version >= OLDEST) {
            return Ok(installed);
        }
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/nats/requirements.txt");
        let (major, minor) = OLDEST;
        let programs = venv::programs("nats-server", &requirements);
        let programs =
            programs.map_err(|error| format!("no nats-server {major}.{minor} or newer is on PATH, and {error}"))?;
        Ok(programs.join("nats-server"))
    });
    found.as_deref().map_err(Clone::clone)
}

fn version_of(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    read_version(&String::from_utf8_lossy(&output.stdout))
}

/// Major and minor version out of `nats-server: v2.15.1`.
fn read_version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.trim().strip_prefix("nats-server: v")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_told_from_a_new_one() {
        assert!(read_version("nats-server: v2.9.10\n").is_some_and(|version| version < OLDEST));
        assert!(read_version("nats-server: v2.14.0-RC.1\n").is_some_and(|version| version >= OLDEST));
        assert_eq!((read_version(""), read_version("nats-server: v2")), (None, None));
    }
}
