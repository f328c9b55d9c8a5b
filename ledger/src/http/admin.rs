//! What only the owner of the data directory may ask, over the local socket and never over TCP.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde_json::json;

use super::{
    App, blocking,
    status::{Problem, respond},
};
use crate::parked::Parked;

pub(super) async fn accept_clock(State(app): State<App>) -> Result<Response, Problem> {
    let ledger = app.ledger.clone();
    let stopped = blocking(move || {
        ledger.accept_clock();
        Ok(ledger.stopped())
    })
    .await?;
    Ok(respond(StatusCode::OK, "application/json", json!({"accepted": true, "intakeStopped": stopped}).to_string()))
}

pub(super) async fn list(State(app): State<App>) -> Result<Response, Problem> {
    let ledger = app.ledger.clone();
    let waiting = blocking(move || Ok(ledger.parked())).await?;
    let waiting: Vec<_> = waiting.iter().map(|(keyid, event)| json!({"keyid": keyid, "event": event})).collect();
    Ok(respond(StatusCode::OK, "application/json", json!({"parked": waiting}).to_string()))
}

/// The envelopes of waiting events, by digest or the beginning of one.
pub(super) async fn show(State(app): State<App>, Path(prefix): Path<String>) -> Result<Response, Problem> {
    let envelopes = blocking(move || {
        // Files come and go under the writer; each read here is whole, because it was renamed into its place.
        let parked = Parked::open(app.storage.clone())?;
        let found = parked.waiting().filter(|(_keyid, event)| event.to_string().starts_with(&prefix));
        let mut envelopes = String::new();
        for (_keyid, event) in found {
            if let Some((_keyid, signed)) = parked.find(event)? {
                envelopes.push_str(&signed.to_envelope());
                envelopes.push('\n');
            }
        }
        if envelopes.is_empty() { Err(Problem::NotParked(prefix.chars().take(80).collect())) } else { Ok(envelopes) }
    })
    .await?;
    Ok(respond(StatusCode::OK, "application/x-ndjson", envelopes))
}
