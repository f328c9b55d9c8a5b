//! `GET /receipts/<event digest>`: the receipt of a committed event, or of the ledger's signed refusal of it.
//!
//! As a tlog-proof; with `Accept: application/json` as the answer that its sender got, which for a refusal carries the
//! ledger's own event too. Asked for again it is the same bytes.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use lineal_schemas::{admission::Refusal, digest::EventDigest, facts::Facts, vocabulary::Payload};

use super::{
    App, blocking, caught_up, digest_of,
    status::{Problem, respond},
};
use crate::{
    ledger::View,
    outcome::{Answer, Outcome},
};

pub(super) async fn get(
    State(app): State<App>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let digest = digest_of(&digest)?;
    caught_up(&app).await?;
    let view = app.ledger.view.clone();
    let answer = blocking(move || find(&view, &digest)?.ok_or(Problem::NoSuchEvent(digest))).await?;
    let wants_json = |value: &HeaderValue| value.as_bytes().starts_with(b"application/json");
    if headers.get(header::ACCEPT).is_some_and(wants_json) {
        return Ok(respond(StatusCode::OK, "application/json", serde_json::to_vec(&answer)?));
    }
    let mut response = respond(StatusCode::OK, "text/plain; charset=utf-8", answer.receipt.unwrap_or_default());
    if let Ok(outcome) = HeaderValue::from_str(&answer.outcome) {
        response.headers_mut().insert("lineal-outcome", outcome);
    }
    Ok(response)
}

/// What the record has on an event, as the answer to its sender.
fn find(view: &View, digest: &EventDigest) -> Result<Option<Answer>, Problem> {
    let outcome = match committed(view, digest)? {
        Some(index) => Some(Outcome::Committed { index }),
        None => view.index.refusal(digest)?.map(|index| refused(view, index)).transpose()?,
    };
    Ok(outcome.map(|outcome| view.answer(Some(*digest), &outcome)).transpose()?)
}

fn committed(view: &View, digest: &EventDigest) -> Result<Option<u64>, Problem> {
    for index in view.index.by_digest(digest.as_bytes())? {
        if view.record.get(index)?.entry()?.event == *digest {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// The refusal that entry `index` is.
fn refused(view: &View, index: u64) -> Result<Outcome, Problem> {
    let stored = view.record.get(index)?;
    let body = stored.body().unwrap_or_default();
    let facts = Facts::read(body, EventDigest::of(body)).ok();
    Ok(match facts.and_then(|facts| facts.payload.ok()) {
        Some(Payload::EventConflicted(said)) => {
            let message = format!("sequence {} of {} was told otherwise before", said.sequence.get(), said.source);
            Outcome::Conflicted { index, refusal: Refusal { code: said.reason.to_string().into(), message } }
        }
        Some(Payload::EventRejected(said)) => {
            let message = said.message.as_ref().map(ToString::to_string).unwrap_or_default();
            Outcome::Rejected { index, refusal: Refusal { code: said.reason.to_string().into(), message } }
        }
        _ => Outcome::Rejected { index, refusal: Refusal { code: "erased".into(), message: String::new() } },
    })
}
