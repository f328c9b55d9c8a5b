//! The road that events take to the ledger: a real `nats-server` where one can be had, else straight over HTTP.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use lineal_tests::nats;

use crate::{
    pipeline::{Places, Producer},
    programs::{Call, Programs},
};

/// How often a starting server is asked whether it listens, and the pause between: ten seconds in all.
const ASKED: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// A NATS server with the configuration that `lineal nats-config` prints: each producer may only speak as itself.
pub(crate) struct Nats {
    child: Child,
    address: SocketAddr,
    seeds: PathBuf,
}

impl Nats {
    /// Starts one. An error says why there is none.
    pub(crate) fn start(programs: &Programs, places: &Places) -> Result<Self> {
        let program = nats::find_server().map_err(anyhow::Error::msg)?;
        let (folder, seeds) = (&places.nats, places.nats.join("seeds"));
        fs::create_dir_all(folder)?;
        let config = programs.lineal("nats-config").with("--dir", &places.ledger).with("--seeds", &seeds).succeed()?;
        fs::write(folder.join("nats.conf"), config)?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let output = File::create(folder.join("nats.log"))?;
        let mut command = Command::new(program);
        command.args(["--config", "nats.conf", "--addr", "127.0.0.1", "--port", &address.port().to_string()]);
        command.current_dir(folder).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| program.display().to_string())?;
        let mut nats = Self { child, address, seeds };
        for _ in 0..ASKED {
            if TcpStream::connect_timeout(&address, PAUSE).is_ok() {
                return Ok(nats);
            }
            ensure!(nats.child.try_wait()?.is_none(), "nats-server ended: {}", folder.join("nats.log").display());
            std::thread::park_timeout(PAUSE);
        }
        bail!("nats-server does not listen: {}", folder.join("nats.log").display())
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Lets `lineal serve` read from it.
    pub(crate) fn serve(&self, call: Call) -> Call {
        call.with("--nats", self.url()).with("--nats-nkey", self.seeds.join("_ledger.nk"))
    }

    /// Lets a producer send over it.
    pub(crate) fn send(&self, call: Call, producer: &Producer) -> Call {
        let seed = self.seeds.join(producer.name).with_extension("nk");
        call.with("--to", self.url()).with("--producer", producer.name).with("--nats-nkey", seed)
    }
}

impl Drop for Nats {
    /// The demo leaves no server running.
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}
