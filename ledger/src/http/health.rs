//! `/healthz`, `/readyz` and `/metrics`: how the ledger is, for whoever watches it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;

use super::{
    App, blocking,
    status::{Problem, respond},
};
use crate::{nats::Standing, outcome::Outcome};

/// How long the writer may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of the events of this process, by outcome.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    outcomes: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    pub(super) fn count(&self, outcome: &Outcome) {
        *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome.name()).or_default() += 1;
    }

    fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(super) async fn alive() -> Response {
    respond(StatusCode::OK, "text/plain; charset=utf-8", "ok\n")
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Readiness {
    /// Whether events are taken in.
    ready: bool,
    /// Entries committed.
    size: u64,
    /// Milliseconds since the last entry was received.
    checkpoint_age_ms: i64,
    /// Entries that the index reflects.
    index_size: u64,
    /// Entries that it does not reflect yet.
    index_lag: u64,
    /// Why the index does not follow any more.
    index_failed: Option<String>,
    /// Why intake is stopped.
    intake_stopped: Option<String>,
    /// Whether the record was found damaged.
    damaged: bool,
    /// How it goes on NATS, where events come from there too. Reads, and intake over HTTP, don't depend on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    nats: Option<Standing>,
}

pub(super) async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    let asked = blocking(move || readiness(&app));
    let readiness = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(readiness) => readiness?,
        Err(_elapsed) => {
            let hangs = "the writer does not answer: the disk may hang\n";
            return Ok(respond(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", hangs));
        }
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(respond(status, "application/json", serde_json::to_string(&readiness)? + "\n"))
}

fn readiness(app: &App) -> Result<Readiness, Problem> {
    let ledger = &app.ledger;
    let size = ledger.view.record.size();
    let newest = ledger.view.record.get(size.saturating_sub(1))?.entry().received;
    let (index_size, index_failed) = (ledger.progress.applied(), ledger.progress.failed());
    let (intake_stopped, damaged) = (ledger.stopped(), ledger.is_damaged());
    Ok(Readiness {
        ready: intake_stopped.is_none() && index_failed.is_none() && !damaged,
        size,
        checkpoint_age_ms: ledger.now().as_millis() - newest.as_millis(),
        index_size,
        index_lag: size.saturating_sub(index_size),
        index_failed,
        intake_stopped,
        damaged,
        nats: app.nats.get().map(|nats| nats.standing()),
    })
}

pub(super) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let text = blocking(move || Ok(prometheus(&app))).await?;
    Ok(respond(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text))
}

fn prometheus(app: &App) -> String {
    let ledger = &app.ledger;
    let committed = ledger.view.record.committed();
    let reflected = ledger.progress.applied();
    let mut page = Page::default();
    page.one("lineal_entries", "gauge", "Entries committed.", committed.head.size);
    page.one("lineal_batches", "gauge", "Batches committed.", committed.batches);
    page.one("lineal_index_entries", "gauge", "Entries that the index reflects.", reflected);
    let lag = committed.head.size.saturating_sub(reflected);
    page.one("lineal_index_lag", "gauge", "Entries that the index does not reflect yet.", lag);
    page.one("lineal_index_bytes", "gauge", "Bytes of the index on disk.", ledger.view.index.bytes());
    let damaged = u64::from(ledger.is_damaged());
    page.one("lineal_damaged", "gauge", "1 if the record was found damaged.", damaged);
    let outcomes = app.metrics.outcomes();
    page.many("lineal_events_total", "Events received over HTTP, by outcome.", "outcome", outcomes);
    let refused = ledger.quarantine.counts();
    page.many("lineal_quarantined_total", "Events refused or rejected, by rule.", "code", refused);
    if let Some(nats) = app.nats.get() {
        nats_page(&mut page, &nats.standing(), nats.outcomes());
    }
    page.text
}

fn nats_page(page: &mut Page, now: &Standing, outcomes: BTreeMap<&'static str, u64>) {
    page.one("lineal_nats_connected", "gauge", "1 if connected to NATS.", u64::from(now.connected));
    page.one("lineal_nats_sequence", "gauge", "The last message of the stream that was dealt with.", now.sequence);
    let waiting = now.last_sequence.saturating_sub(now.sequence);
    page.one("lineal_nats_waiting", "gauge", "Messages that are known to wait in the stream.", waiting);
    page.one("lineal_nats_missing_total", "counter", "Messages that the stream lost unread.", now.missing);
    page.many("lineal_nats_events_total", "Events received over NATS, by outcome.", "outcome", outcomes);
}

/// Metrics in the text format of Prometheus.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.line(format_args!("{name} {value}\n"));
    }

    fn many(&mut self, name: &str, help: &str, label: &str, values: BTreeMap<impl AsRef<str>, u64>) {
        self.head(name, "counter", help);
        for (key, value) in values {
            self.line(format_args!("{name}{{{label}=\"{}\"}} {value}\n", key.as_ref()));
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let written = self.text.write_fmt(line);
        debug_assert!(written.is_ok(), "writing into a string does not fail");
    }
}
