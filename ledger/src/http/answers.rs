//! `/v1/...`: questions to the index, answered as JSON. A command that finds the ledger running asks here.

use axum::{
    Router,
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use serde_json::json;

use super::{
    App, blocking, caught_up,
    status::{Problem, respond},
};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/source", get(source))
}

/// The head of a source: what the next event of it builds on.
async fn source(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let name = parameter(query.as_deref(), "name").ok_or(Problem::MissingParameter("name"))?;
    caught_up(&app).await?;
    let view = app.ledger.view.clone();
    let state = blocking(move || Ok(view.index.source(&name)?)).await?.map(|tracked| tracked.state);
    let (sequence, digest) = state.map_or((0, None), |state| (state.head(), state.head_digest()));
    Ok(respond(StatusCode::OK, "application/json", json!({"sequence": sequence, "digest": digest}).to_string()))
}

/// A parameter of a query, decoded.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(key, _value)| key == name).map(|(_key, value)| value.into_owned())
}
