//! `lineal serve`: the ledger as a server, until it is told to stop.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::Args;
use lineal_schemas::{trust::Trust, vocabulary::names::EnvironmentName};
use lineal_workload::naming::Naming;
use tokio::sync::watch;

use super::{Failure, Place, access, note};
use crate::{
    answers::workload::Clusters,
    clock::SystemClock,
    data_dir::DataDir,
    http::{Server, Serving, Tls},
    ledger::{Ledger, Settings, is_signed_by},
    nats::{self, Nats, NatsError},
    scrub::{Scrub, Scrubbed},
};

/// How long answers on their way out over NATS may take at the end.
const NATS_GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal serve --dir ledger --http 127.0.0.1:7311\n  lineal serve --dir ledger --nats nats://127.0.0.1:4222 --nats-creds ledger.creds\n  lineal serve --dir ledger --http 0.0.0.0:7443 --tls-cert tls.crt --tls-key tls.key --environment environment/eu-1/prod\n  curl http://127.0.0.1:7311/checkpoint\n\nPOST /events takes CloudEvents (structured mode) with Lineal-Signature headers, or DSSE envelopes, one a line.\nSet LINEAL_LOG=debug to hear more."
)]
pub(super) struct Serve {
    #[command(flatten)]
    place: Place,
    /// The address to serve on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7311")]
    http: SocketAddr,
    #[command(flatten)]
    faces: Faces,
    #[command(flatten, next_help_heading = "NATS")]
    connection: nats::Connection,
    #[command(flatten)]
    stream: nats::StreamSettings,
}

/// How clusters ask.
#[derive(Debug, Args)]
#[command(next_help_heading = "Clusters")]
struct Faces {
    /// Speak TLS on that address, with this certificate and those that certify it (PEM); read when the ledger starts
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Answer the API server of this place, and record what is decided for it; repeatable
    #[arg(long = "environment", value_name = "environment/CLUSTER/ENVIRONMENT")]
    environments: Vec<EnvironmentName>,
    /// What services are called there, as `lineal-emit observe` has it: NAMESPACE=OWNER, or NAMESPACE/WORKLOAD=OWNER/NAME;
    /// repeatable
    #[arg(long = "map", value_name = "FROM=TO", requires = "environments")]
    mapped: Vec<String>,
}

impl Faces {
    fn serving(self, http: SocketAddr) -> Result<Serving, Failure> {
        let pair = self.tls_cert.zip(self.tls_key);
        let tls = pair.map(|(certificate, key)| Tls::read(&certificate, &key)).transpose().map_err(|error| {
            Failure::new(error.to_string()).hint("--tls-cert and --tls-key take PEM files that belong together")
        })?;
        let naming = Naming::new(Vec::new(), &self.mapped).map_err(Failure::new)?;
        Ok(Serving { http: Some(http), tls, clusters: Clusters { environments: self.environments, naming } })
    }
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
        let served = runtime.block_on(self.serve(&ledger, &dir));
        stop.store(true, Ordering::Release);
        if scrubbing.join().is_err() {
            tracing::error!("the background check panicked");
        }
        drop(runtime);
        match Arc::try_unwrap(ledger) {
            Ok(ledger) => ledger.close(),
            Err(_shared) => tracing::warn!("the ledger is still in use at the end"),
        }
        served?;
        note("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

impl Serve {
    /// Serves until the program is told to stop, or NATS can't be used as it is set up.
    async fn serve(self, ledger: &Arc<Ledger>, dir: &DataDir) -> Result<(), Failure> {
        let http = self.http;
        let in_use = |error: std::io::Error| {
            Failure::new(format!("serving on {http}: {error}")).hint("is another program using that address?")
        };
        let serving = self.faces.serving(self.http)?;
        let scheme = if serving.tls.is_some() { "https" } else { "http" };
        let server = Server::bind(ledger.clone(), dir, serving).await.map_err(in_use)?;
        let (stop, stopping) = watch::channel(false);
        let nats = if self.connection.nats.is_empty() {
            None
        } else {
            let (ledger, attachments) = (ledger.clone(), server.attachments());
            let nats =
                Nats::connect(&self.connection, self.stream, ledger, attachments, dir).await.map_err(nats_failed)?;
            server.tell_of_nats(nats.status());
            Some(tokio::spawn(nats.run(stopping.clone())))
        };
        if let Some(address) = server.address() {
            tracing::info!("listening on {scheme}://{address}");
        }
        let http = server.run(async move {
            let mut stopping = stopping;
            drop(stopping.wait_for(|stop| *stop).await);
        });
        let mut stopping = stop.subscribe();
        let ended = async {
            if let Some(nats) = nats {
                return nats.await.unwrap_or_else(|error| Err(NatsError::Panicked(error.to_string())));
            }
            drop(stopping.wait_for(|stop| *stop).await);
            Ok(())
        };
        tokio::pin!(http, ended);
        let read = tokio::select! {
            served = &mut http => return served.map_err(in_use),
            read = &mut ended => read,
            () = stopped() => {
                stop.send_replace(true);
                tokio::time::timeout(NATS_GRACE, &mut ended).await.unwrap_or(Ok(()))
            }
        };
        stop.send_replace(true);
        http.await.map_err(in_use)?;
        read.map_err(nats_failed)
    }
}

fn nats_failed(error: NatsError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        NatsError::StreamDiffers { .. } => failure.hint(
            "the ledger never changes a stream that somebody made: name another with --nats-stream, or mend this one",
        ),
        NatsError::Tls { .. } => failure.hint(
            "--nats-ca names the authority that certified the server, --nats-cert and --nats-key the ledger's own \
             certificate where the server asks for one",
        ),
        NatsError::Connect { .. } => failure.hint("`lineal nats-config` prints a configuration with the ledger's user"),
        _ => failure,
    }
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LINEAL_LOG");
    let filter = filter.unwrap_or_else(|_unset| tracing_subscriber::EnvFilter::new("info,async_nats=warn"));
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
