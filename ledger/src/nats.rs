//! Intake from NATS JetStream, and what goes back over it: answers with receipts, and a service that is asked for them.
//!
//! The road that most events take. JetStream is transport and never the record: its acknowledgement means nothing here,
//! the position in its stream is derived, and whatever happens to the stream, what was committed is committed and what
//! was not comes again from an outbox. Reads and HTTP go on whatever becomes of NATS. (docs/FORMAT.md, NATS)

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use async_nats::jetstream;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::{attachments::Attachments, data_dir::DataDir, ledger::Ledger, outcome::Outcome};

mod answers;
mod attachments;
pub mod config;
mod connection;
mod message;
mod monitor;
mod position;
mod reader;
mod service;
mod stream;

pub use connection::Connection;
pub use stream::StreamSettings;

/// Why NATS can't be used.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// A file of the settings.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No connection, and trying on would not help.
    #[error("connecting to NATS at {servers}: {problem}")]
    Connect {
        /// The servers.
        servers: String,
        /// What went wrong.
        problem: String,
    },
    /// No TLS, or none that can be trusted.
    #[error("TLS with NATS at {servers}: {problem}")]
    Tls {
        /// The servers.
        servers: String,
        /// What went wrong.
        problem: String,
    },
    /// Somebody made the stream in another way.
    #[error("the stream {stream} is not as a ledger needs it: {differences}")]
    StreamDiffers {
        /// Its name.
        stream: String,
        /// In what.
        differences: String,
    },
    /// The server refused, or did not answer.
    #[error("{what}: {problem}")]
    Server {
        /// What was asked.
        what: &'static str,
        /// What came back.
        problem: String,
    },
    /// The ledger takes nothing in.
    #[error("the ledger takes nothing in ({code}): {problem}")]
    Closed {
        /// The stable name of the reason.
        code: String,
        /// The reason.
        problem: String,
    },
    /// A part of the program ended that never does.
    #[error("reading from NATS ended: {0}")]
    Panicked(String),
    /// Messages may have been missed: reading goes on from the position.
    #[error("reading was disturbed")]
    Disturbed,
}

impl NatsError {
    fn server(what: &'static str, error: &dyn std::error::Error) -> Self {
        Self::Server { what, problem: chain(error) }
    }
}

/// An error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| (*error).source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Says whether the server syncs always. Without it a power cut of the server costs resends, and nothing else.
async fn tell_syncing(monitor: Option<&str>) {
    let Some(monitor) = monitor else {
        tracing::info!("whether NATS syncs before it acknowledges is not known: --nats-monitor looks");
        return;
    };
    match monitor::syncs_always(monitor).await {
        Ok(true) => tracing::info!("NATS syncs before it acknowledges"),
        Ok(false) => tracing::warn!(
            "NATS acknowledges before it syncs: a power cut there loses events that producers then send again; \
             `sync_interval: always` in its jetstream block mends that"
        ),
        Err(problem) => tracing::warn!(problem, "whether NATS syncs before it acknowledges is not known"),
    }
}

/// How it goes on NATS, for `/readyz`, `/metrics` and the log.
#[derive(Debug, Default)]
pub struct Status {
    now: Mutex<Standing>,
    outcomes: Mutex<BTreeMap<&'static str, u64>>,
}

/// A moment of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Whether there is a connection.
    pub connected: bool,
    /// Whether the stream is being read.
    pub reading: bool,
    /// The stream.
    pub stream: String,
    /// The last message of it that was dealt with.
    pub sequence: u64,
    /// The last message that it is known to have.
    pub last_sequence: u64,
    /// Messages that the stream lost before they were read. Outboxes bring their events back.
    pub missing: u64,
    /// What is wrong now, if something is.
    pub problem: Option<String>,
}

impl Status {
    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What became of the events that came over NATS, by outcome.
    pub fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn connected(&self, connected: bool) {
        self.change(|now| {
            now.connected = connected;
            now.problem = if connected { None } else { Some("not connected".to_owned()) };
        });
    }

    /// The server is away, or refuses something.
    fn server_trouble(&self, problem: String) {
        self.change(|now| now.problem = Some(problem));
    }

    /// Work that failed. Without a connection it can't but fail, and it is the connection that is wrong.
    fn trouble(&self, problem: String) {
        self.change(|now| {
            if now.connected {
                now.problem = Some(problem);
            }
        });
    }

    fn count(&self, outcomes: &[Outcome]) {
        let mut counts = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        for outcome in outcomes {
            *counts.entry(outcome.name()).or_default() += 1;
        }
    }
}

/// What the parts that work over NATS share.
#[derive(Debug, Clone)]
struct Shared {
    ledger: Arc<Ledger>,
    attachments: Arc<Attachments>,
    client: async_nats::Client,
    jetstream: jetstream::Context,
    status: Arc<Status>,
}

/// The ledger's side of NATS.
#[derive(Debug)]
pub struct Nats {
    shared: Shared,
    reader: reader::Reader,
    judged: mpsc::Receiver<answers::Judged>,
    replicas: usize,
}

impl Nats {
    /// Connects, or goes on trying in the background.
    pub async fn connect(
        connection: &Connection,
        settings: StreamSettings,
        ledger: Arc<Ledger>,
        attachments: Arc<Attachments>,
        dir: &DataDir,
    ) -> Result<Self, NatsError> {
        let status = Arc::new(Status::default());
        status.change(|now| now.stream.clone_from(&settings.name));
        let (disturbed, disturbances) = watch::channel(0);
        let client = connection.open(&status, &disturbed).await?;
        tell_syncing(connection.nats_monitor.as_deref()).await;
        let shared = Shared { ledger, attachments, jetstream: jetstream::new(client.clone()), client, status };
        let replicas = settings.replicas;
        let (answering, judged) = answers::queue();
        let reader = reader::Reader::new(shared.clone(), settings, dir.root(), disturbances, answering);
        Ok(Self { shared, reader, judged, replicas })
    }

    /// How it goes.
    pub fn status(&self) -> Arc<Status> {
        self.shared.status.clone()
    }

    /// Reads, answers and serves until `stop` says so. An error is one that only a person can mend.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> Result<(), NatsError> {
        let Self { shared, mut reader, judged, replicas } = self;
        let answering = tokio::spawn(answers::run(shared.clone(), judged));
        let serving = tokio::spawn(service::serve(shared.clone()));
        let fetching = tokio::spawn(attachments::fetch(shared.clone(), replicas));
        let read = tokio::select! {
            read = reader.run() => read,
            _stopped = stop.wait_for(|stop| *stop) => Ok(()),
        };
        reader.save();
        drop(reader);
        if let Err(error) = answering.await {
            tracing::error!(%error, "the last answers were not sent: producers will ask for them");
        }
        serving.abort();
        fetching.abort();
        // What was answered is on its way out; a connection that hangs holds up nobody's end.
        if let Err(error) = shared.client.drain().await {
            tracing::debug!(%error, "NATS was gone already");
        }
        read
    }
}
