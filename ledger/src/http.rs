//! The ledger over HTTP: intake, receipts, tiles, attachments, health, and the answers, on TCP and on the local socket.
//!
//! Two listeners share one router; what changes how the ledger works is on the local socket alone. Everything that may
//! wait for a disk, the index or the writer runs off the asynchronous threads. What a request may do is decided by
//! signatures, never by where it comes from. (docs/FORMAT.md, HTTP)

use std::{
    fs,
    future::Future,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, Uri},
    response::Response,
    routing::{get, post, put},
    serve::ListenerExt,
};
use lineal_schemas::digest::EventDigest;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{Semaphore, watch},
};

use crate::{
    answers::workload::Clusters, attachments::Attachments, data_dir::DataDir, ledger::Ledger, local, nats,
    storage::Storage,
};

mod admin;
mod admission;
mod answers;
mod attachments;
mod body;
mod events;
mod gate;
mod gatekeeper;
mod health;
mod receipts;
mod status;
mod tiles;
mod tls;

pub use tls::{Tls, TlsError};

use health::Metrics;
use status::{Problem, respond};

/// How long requests may take to end once the server is told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// How long an answer may wait for the index.
const INDEX_PATIENCE: Duration = Duration::from_secs(20);

/// What all requests share.
#[derive(Debug)]
struct Shared {
    ledger: Arc<Ledger>,
    attachments: Arc<Attachments>,
    storage: Arc<dyn Storage>,
    metrics: Metrics,
    nats: OnceLock<Arc<nats::Status>>,
    many: Semaphore,
    uploads: Semaphore,
    clusters: Clusters,
    turns: admission::Turns,
}

/// How a server is set up.
#[derive(Debug, Default)]
pub struct Serving {
    /// The public address, whose port may be 0 for any; none for the local socket alone.
    pub http: Option<SocketAddr>,
    /// What the public address speaks TLS with; plain HTTP without.
    pub tls: Option<Tls>,
    /// Which clusters may ask about their objects.
    pub clusters: Clusters,
}

type App = Arc<Shared>;

/// A server that listens but does not answer yet.
#[derive(Debug)]
pub struct Server {
    app: App,
    tcp: Option<TcpListener>,
    tls: Option<Tls>,
    socket: UnixListener,
    socket_path: PathBuf,
}

impl Server {
    /// Takes the addresses: the local socket of `dir`, and the public one.
    pub async fn bind(ledger: Arc<Ledger>, dir: &DataDir, serving: Serving) -> io::Result<Self> {
        let tcp = match serving.http {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        let shared = Shared {
            ledger,
            attachments: Arc::new(Attachments::open(dir)?),
            storage: Arc::new(dir.storage()),
            metrics: Metrics::default(),
            nats: OnceLock::new(),
            many: Semaphore::new(events::MANY_AT_ONCE),
            uploads: Semaphore::new(attachments::UPLOADS_AT_ONCE),
            clusters: serving.clusters,
            turns: admission::Turns::default(),
        };
        let socket_path = dir.socket();
        let (tls, socket) = (serving.tls, local::bind(&socket_path)?);
        Ok(Self { app: Arc::new(shared), tcp, tls, socket, socket_path })
    }

    /// The TCP address, with the port that was taken.
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|tcp| tcp.local_addr().ok())
    }

    /// Where attachments are kept.
    pub fn attachments(&self) -> Arc<Attachments> {
        self.app.attachments.clone()
    }

    /// Says how it goes on NATS, too. Said once.
    pub fn tell_of_nats(&self, status: Arc<nats::Status>) {
        self.app.nats.get_or_init(|| status);
    }

    /// Answers requests until `stop` ends; those under way are finished, within a limit.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let (stopping, _) = watch::channel(false);
        let stopped = |mut heard: watch::Receiver<bool>| async move {
            if heard.wait_for(|stopping| *stopping).await.is_err() {
                tracing::debug!("whoever could have said stop is gone, which says the same");
            }
        };
        let local = axum::serve(self.socket, router().merge(admin_router()).with_state(self.app.clone()))
            .with_graceful_shutdown(stopped(stopping.subscribe()));
        let public = async {
            let Some(tcp) = self.tcp else { return Ok(()) };
            let router = router().with_state(self.app.clone());
            if let Some(tls) = self.tls {
                let secured = axum::serve(tls.over(tcp)?, router);
                return secured.with_graceful_shutdown(stopped(stopping.subscribe())).await;
            }
            let tcp = tcp.tap_io(|stream| {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "answers of this connection may be late");
                }
            });
            axum::serve(tcp, router).with_graceful_shutdown(stopped(stopping.subscribe())).await
        };
        let serving = async { tokio::try_join!(local, public).map(|((), ())| ()) };
        tokio::pin!(serving);
        let result = tokio::select! {
            ended = &mut serving => ended,
            () = stop => {
                stopping.send_replace(true);
                tokio::time::timeout(GRACE, &mut serving).await.unwrap_or_else(|_elapsed| {
                    tracing::warn!("some requests were not finished");
                    Ok(())
                })
            }
        };
        fs::remove_file(&self.socket_path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        result
    }
}

fn router() -> Router<App> {
    Router::new()
        .route("/", get(front))
        .route("/events", post(events::post))
        .route("/receipts/{digest}", get(receipts::get))
        .route("/attachments/{digest}", put(attachments::put).get(attachments::get))
        .route("/checkpoint", get(tiles::checkpoint))
        .route("/tile/{*path}", get(tiles::tile))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .merge(answers::routes())
        .merge(admission::routes())
        .merge(gatekeeper::routes())
        .fallback(nowhere)
}

fn admin_router() -> Router<App> {
    Router::new()
        .route("/admin/clock/accept", post(admin::accept_clock))
        .route("/admin/parked", get(admin::list))
        .route("/admin/gate", post(gate::record))
        .route("/admin/parked/{digest}", get(admin::show))
}

const FRONT: &str = "\
Lineal: an audit ledger. Which data did this running model come from?

POST /events                    signed events: application/cloudevents+json with Lineal-Signature headers,
                                or application/x-ndjson with a DSSE envelope on each line
GET  /receipts/<event digest>   the receipt of an event, or of its signed refusal
PUT  /attachments/<sha256>      bytes that a committed event names; GET reads them
GET  /checkpoint                the newest signed checkpoint (C2SP tlog-checkpoint)
GET  /tile/<L>/<N>[.p/<W>]      hashes of the tree (C2SP tlog-tiles)
GET  /tile/entries/<N>[.p/<W>]  its entries
GET  /tile/bodies/<N>[.p/<W>]   the events of these entries, one a line
GET  /v1/trace?x=<name>         what it came from: a service, a digest or its beginning, a name
GET  /v1/diff?x=<name>&y=<name>  what differs between two things; of a service alone, since what ran before
GET  /v1/evals?x=<name>         every attempt to measure it, against what ran then; [&slice=<name>=<value>]
GET  /v1/running[?env=<name>]   what runs
GET  /v1/timeline?x=<name>      what happened to it, a line a change; [&from=<time>] [&to=<time>]
GET  /v1/windows?x=<name>       from when to when it served
GET  /v1/rollback-plan?x=<service>  what it can go back to
     [&at=<time>]               ... at that moment, as in 2026-11-24T03:12:00Z or 03:12
     [&knownAt=<time or index>] ... as it was known then
GET  /v1/verdict?model=<name>&service=<service>  whether it may run; POST takes JSON
POST /v1/admission[/<cluster>/<environment>]  an AdmissionReview of Kubernetes
POST /v1/gatekeeper             a ProviderRequest of Gatekeeper
GET  /v1/entries/<index or id>  one entry
GET  /v1/keys                   who may say what
GET  /v1/schemas/<name>         the JSON Schema of an answer, as running.v1.json
GET  /v1/source?name=<source>     the head of a source: what its next event builds on
GET  /healthz, /readyz, /metrics

Trust none of it: `lineal-verify` checks the record, and a receipt proves itself.
";

async fn front() -> Response {
    respond(StatusCode::OK, "text/plain; charset=utf-8", FRONT)
}

async fn nowhere(uri: Uri) -> Problem {
    Problem::NoSuchPath(uri.path().chars().take(80).collect())
}

/// Does work that may wait, off the asynchronous threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await?
}

/// Waits until the index reflects all that is committed now.
async fn caught_up(app: &App) -> Result<(), Problem> {
    let ledger = app.ledger.clone();
    if ledger.progress.applied() < ledger.view.record.size() {
        let waiting = tokio::task::spawn_blocking(move || ledger.wait_for_index());
        tokio::time::timeout(INDEX_PATIENCE, waiting).await.map_err(|_elapsed| Problem::IndexLags)??;
    }
    match app.ledger.progress.failed() {
        Some(reason) => Err(Problem::IndexStopped(reason)),
        None => Ok(()),
    }
}

fn digest_of(text: &str) -> Result<EventDigest, Problem> {
    text.parse().map_err(|_not_hex| Problem::NotADigest(text.chars().take(80).collect()))
}
