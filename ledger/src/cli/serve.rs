//! `lineal serve`: the ledger as a server, until it is told to stop.

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::Args;
use lineal_schemas::trust::Trust;

use super::{Failure, Place, access, note};
use crate::{
    clock::SystemClock,
    data_dir::DataDir,
    http,
    ledger::{Ledger, Settings, is_signed_by},
    scrub::{Scrub, Scrubbed},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal serve --dir ledger --http 127.0.0.1:7311\n  curl http://127.0.0.1:7311/checkpoint\n\nPOST /events takes CloudEvents (structured mode) with Lineal-Signature headers, or DSSE envelopes, one a line.\nSet LINEAL_LOG=debug to hear more."
)]
pub(super) struct Serve {
    #[command(flatten)]
    place: Place,
    /// The address to serve on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7311")]
    http: SocketAddr,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        start_log();
        let dir = DataDir::find(&self.place.dir)?;
        let settings = Settings { mirror: access::mirror(), follow: true };
        let ledger = Arc::new(Ledger::open(&dir, Arc::new(SystemClock::start()), settings)?);
        tell_recovery(&ledger);
        let stop = Arc::new(AtomicBool::new(false));
        let scrubbing = spawn_scrub(ledger.clone(), dir.trust()?, stop.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let served = runtime.block_on(http::serve(ledger.clone(), &dir, self.http, stopped()));
        stop.store(true, Ordering::Release);
        if scrubbing.join().is_err() {
            tracing::error!("the background check panicked");
        }
        drop(runtime);
        match Arc::try_unwrap(ledger) {
            Ok(ledger) => ledger.close(),
            Err(_shared) => tracing::warn!("the ledger is still in use at the end"),
        }
        served.map_err(|error| {
            Failure::new(format!("serving on {}: {error}", self.http)).hint("is another program using that address?")
        })?;
        note("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LINEAL_LOG");
    let filter = filter.unwrap_or_else(|_unset| tracing_subscriber::EnvFilter::new("info,sled=warn"));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
}

fn tell_recovery(ledger: &Ledger) {
    let recovery = &ledger.recovery;
    let size = ledger.view.record.size();
    tracing::info!(origin = ledger.view.record.origin(), size, checked = recovery.checked, "record opened");
    if recovery.kept > 0 {
        tracing::warn!(entries = recovery.kept, "whole batches beyond the head were kept");
    }
    for (name, bytes) in &recovery.torn {
        tracing::warn!(%name, bytes, "a torn tail beyond the head was set aside");
    }
}

fn spawn_scrub(ledger: Arc<Ledger>, trust: Trust, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        if ledger.recovery.checked == ledger.view.record.size() {
            return;
        }
        let is_ours = is_signed_by(&trust);
        match (Scrub { record: &ledger.view.record, is_ours: &is_ours, stop: &stop }).run() {
            Ok(Scrubbed::Sound(size)) => tracing::info!(size, "the whole record was checked in the background"),
            Ok(Scrubbed::Damaged(damage)) => {
                tracing::error!(%damage, "intake is stopped");
                ledger.stop_intake(damage.to_string());
            }
            Ok(Scrubbed::Stopped) => {}
            Err(error) => {
                tracing::error!(%error, "intake is stopped: the record could not be read");
                ledger.stop_intake(error.to_string());
            }
        }
    })
}

/// Ends at the first SIGINT or SIGTERM.
async fn stopped() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::error!(%error, "SIGTERM can't be heard");
            return;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        heard = tokio::signal::ctrl_c() => {
            if let Err(error) = heard {
                tracing::error!(%error, "SIGINT can't be heard");
            }
        }
    }
}
