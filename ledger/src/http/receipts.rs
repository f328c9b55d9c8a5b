//! `GET /receipts/<event digest>`: the receipt of a committed event, or of the ledger's signed refusal of it.
//!
//! As a tlog-proof; with `Accept: application/json` as the answer that its sender got, which for a refusal carries the
//! ledger's own event too. Asked for again it is the same bytes.

use super::{
    App, blocking, caught_up, digest_of,
    status::{Problem, respond},
};
use crate::receipts;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};

pub(super) async fn get(
    State(app): State<App>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let digest = digest_of(&digest)?;
    caught_up(&app).await?;
    let view = app.ledger.view.clone();
    let answer = blocking(move || receipts::answer_about(&view, &digest)?.ok_or(Problem::NoSuchEvent(digest))).await?;
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
