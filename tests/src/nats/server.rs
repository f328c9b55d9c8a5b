//! One NATS server: its place, its process, and what befalls it.

use std::{
    fs,
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{Options, Sync, server_binary};
use crate::programs::{Ended, Process};

/// What the server says once it answers.
const READY: &str = "Server is ready";

/// What it says where somebody else has its port.
const TAKEN: &str = "address already in use";

/// How often another port is tried.
const PORTS_TRIED: usize = 10;

/// A server with a port and a store that stay its own while it is away.
#[derive(Debug)]
pub struct NatsServer {
    folder: TempDir,
    port: u16,
    process: Option<Process>,
}

impl NatsServer {
    /// Starts a server on a free port of loopback, with JetStream, and waits until it is ready.
    #[track_caller]
    pub fn start(options: &Options) -> Self {
        for port in free_ports(PORTS_TRIED) {
            let mut server = Self::new("nats", port, options);
            match server.try_start() {
                Ok(()) => return server,
                Err(ended) => assert!(ended.stderr.contains(TAKEN), "nats-server ended:\n{}", ended.stderr),
            }
        }
        panic!("others were faster on {PORTS_TRIED} ports");
    }

    /// A server that has its configuration, and does not run yet.
    pub(super) fn new(name: &str, port: u16, options: &Options) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let sync = match options.sync {
            Sync::Usual => "",
            Sync::Always => "sync_interval: always",
        };
        let (store, more) = (folder.path().join("store"), &options.configuration);
        let jetstream = format!("jetstream {{\n  store_dir: \"{}\"\n  {sync}\n}}", store.display());
        let configuration = format!("server_name: {name}\nlisten: \"127.0.0.1:{port}\"\n{jetstream}\n{more}\n");
        fs::write(folder.path().join("nats.conf"), configuration).expect("the folder can be written");
        Self { folder, port, process: None }
    }

    /// Starts it and waits until it is ready, or tells how it ended.
    pub(super) fn try_start(&mut self) -> Result<(), Ended> {
        let mut process = self.spawn();
        process.settled()?;
        self.process = Some(process);
        Ok(())
    }

    fn spawn(&self) -> Process {
        let mut command = Command::new(server_binary());
        command.arg("--config").arg(self.folder.path().join("nats.conf"));
        Process::spawn(command, READY)
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where clients find it that want TLS.
    pub fn tls_url(&self) -> String {
        format!("tls://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The number of its process, which must run.
    #[track_caller]
    pub fn id(&self) -> u32 {
        self.running().id()
    }

    /// What it has said since it was started last.
    #[track_caller]
    pub fn said(&self) -> String {
        self.running().said()
    }

    /// Whether it was started and neither killed nor stopped since.
    pub const fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Starts it again, on the same port and over the same store, and waits until it is ready. Stops it before, if need be.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        if let Err(ended) = self.try_start() {
            panic!("nats-server ended:\n{}", ended.stderr);
        }
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// Stops it (SIGTERM).
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            let ended = process.stop();
            assert!(ended.code.is_some(), "{}", ended.stderr);
        }
    }

    /// Stops it in its tracks (SIGSTOP). To its clients this is a connection that was cut and told nobody.
    #[track_caller]
    pub fn pause(&self) {
        self.running().signal("STOP");
    }

    /// Lets it go on after [`Self::pause`].
    #[track_caller]
    pub fn resume(&self) {
        self.running().signal("CONT");
    }

    /// Where it keeps its streams.
    pub fn store(&self) -> PathBuf {
        self.folder().join("store")
    }

    /// Removes all that it has stored. It must be down.
    #[track_caller]
    pub fn wipe_store(&self) {
        assert!(!self.is_up(), "a server that runs writes its store again");
        fs::remove_dir_all(self.store()).expect("a server that ran has a store");
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    #[track_caller]
    fn running(&self) -> &Process {
        self.process.as_ref().expect("the server runs")
    }
}

/// Free ports of loopback, below those that systems give to outgoing connections. Above, a client that keeps trying to
/// reach a server that is away will one day be given that very port, connect to itself, and so keep the server out.
pub(super) fn free_ports(count: usize) -> Vec<u16> {
    let start = RandomState::new().hash_one(0) % PORTS;
    let candidates = (0..PORTS).filter_map(|step| u16::try_from(FIRST_PORT + (start + step) % PORTS).ok());
    let bound = candidates.filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    // All are held until all are found, so that none is found twice.
    let held: Vec<TcpListener> = bound.take(count).collect();
    let ports: Vec<u16> =
        held.iter().filter_map(|bound| bound.local_addr().ok()).map(|address| address.port()).collect();
    assert_eq!(ports.len(), count, "some of many ports are free");
    ports
}

const FIRST_PORT: u64 = 20_000;
const PORTS: u64 = 10_000;
