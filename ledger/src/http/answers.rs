//! `/v1/...`: the answers, as JSON. A command that finds the ledger running asks here and prints what it gets.
//!
//! An answer reflects at least all that was committed when it was asked for, and names the size that it reflects.

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use lineal_schemas::timestamp::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{
    App, blocking, caught_up,
    status::{Problem, respond},
};
use crate::{
    answers::{self, AnswerError, When, moment::spelling},
    ledger::{Ledger, View},
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .merge(super::gate::routes())
        .route("/v1/trace", get(trace))
        .route("/v1/diff", get(diff))
        .route("/v1/evals", get(evals))
        .route("/v1/running", get(running))
        .route("/v1/findings", get(findings))
        .route("/v1/gate/running", get(gate_running))
        .route("/v1/explain", get(explain))
        .route("/v1/key-impact", get(key_impact))
        .route("/v1/timeline", get(timeline))
        .route("/v1/windows", get(windows))
        .route("/v1/rollback-plan", get(rollback_plan))
        .route("/v1/schemas/{name}", get(schema))
        .route("/v1/impact", get(impact))
        .route("/v1/entries/{*what}", get(entry))
        .route("/v1/source", get(source))
        .route("/v1/keys", get(keys))
}

/// What something came from.
async fn trace(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let what = required(query.as_deref(), "x")?;
    answer(&app, move |ledger| Ok(answers::trace(&ledger.view, &what, when(ledger, query.as_deref())?)?)).await
}

/// What rests on something.
async fn impact(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let what = required(query.as_deref(), "x")?;
    answer(&app, move |ledger| Ok(answers::impact(&ledger.view, &what, when(ledger, query.as_deref())?)?)).await
}

/// What differs between two things.
async fn diff(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let (one, other) = (required(query.as_deref(), "x")?, parameter(query.as_deref(), "y"));
    answer(&app, move |ledger| {
        Ok(answers::diff(&ledger.view, &one, other.as_deref(), when(ledger, query.as_deref())?)?)
    })
    .await
}

/// How a model was measured.
async fn evals(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let what = required(query.as_deref(), "x")?;
    answer(&app, move |ledger| {
        let parts = all(query.as_deref(), "slice");
        let slice = answers::slice_of(parts.iter().map(String::as_str))?;
        Ok(answers::evals(&ledger.view, &what, &slice, when(ledger, query.as_deref())?)?)
    })
    .await
}

/// What runs.
async fn running(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let env = parameter(query.as_deref(), "env");
    answer(&app, move |ledger| Ok(answers::running(&ledger.view, env.as_deref(), when(ledger, query.as_deref())?)?))
        .await
}

/// What is wrong.
async fn findings(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let env = parameter(query.as_deref(), "env");
    answer(&app, move |ledger| {
        let least = parameter(query.as_deref(), "severity").map(|text| text.parse()).transpose()?;
        Ok(answers::findings(&ledger.view, env.as_deref(), least, when(ledger, query.as_deref())?)?)
    })
    .await
}

/// What runs, judged afresh.
async fn gate_running(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let env = parameter(query.as_deref(), "env");
    answer(&app, move |ledger| {
        Ok(answers::gate_running(&ledger.view, env.as_deref(), when(ledger, query.as_deref())?)?)
    })
    .await
}

/// What led to a finding, or what an event led to.
async fn explain(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let what = required(query.as_deref(), "x")?;
    answer(&app, move |ledger| Ok(answers::explain(&ledger.view, &what, when(ledger, query.as_deref())?)?)).await
}

/// What rests on a key.
async fn key_impact(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let key = required(query.as_deref(), "x")?;
    answer(&app, move |ledger| {
        let when = when(ledger, query.as_deref())?;
        Ok(answers::key_impact(&ledger.view, &key, time(query.as_deref(), "since", when)?, when)?)
    })
    .await
}

/// What happened to something.
async fn timeline(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let what = required(query.as_deref(), "x")?;
    answer(&app, move |ledger| {
        let when = when(ledger, query.as_deref())?;
        let bounds = (time(query.as_deref(), "from", when)?, time(query.as_deref(), "to", when)?);
        Ok(answers::timeline(&ledger.view, &what, bounds, when)?)
    })
    .await
}

/// From when to when something served.
async fn windows(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let what = required(query.as_deref(), "x")?;
    answer(&app, move |ledger| Ok(answers::windows(&ledger.view, &what, when(ledger, query.as_deref())?)?)).await
}

/// What a service can go back to.
async fn rollback_plan(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let service = required(query.as_deref(), "x")?;
    answer(&app, move |ledger| {
        let to = parameter(query.as_deref(), "to");
        let min_run = parameter(query.as_deref(), "minRun");
        let min_run_seconds = match min_run {
            Some(text) => text.parse().map_err(|_not_a_number| Problem::NotANumber {
                name: "minRun",
                found: text.chars().take(80).collect(),
            })?,
            None => answers::rollback::MIN_RUN_SECONDS,
        };
        let ask = answers::rollback::Ask { service: &service, to: to.as_deref(), min_run_seconds };
        Ok(answers::rollback_plan(&ledger.view, ask, when(ledger, query.as_deref())?)?)
    })
    .await
}

/// One entry, by index, id, digest or the beginning of one.
async fn entry(
    State(app): State<App>,
    Path(what): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    answer(&app, move |ledger| Ok(answers::get(&ledger.view, &what, when(ledger, query.as_deref())?)?)).await
}

/// The JSON Schema of an answer.
async fn schema(Path(name): Path<String>) -> Result<Response, Problem> {
    let nowhere = || Problem::NoSuchPath(format!("/v1/schemas/{name}").chars().take(80).collect());
    let text = answers::schemas::schema(&name).ok_or_else(nowhere)?;
    Ok(respond(StatusCode::OK, "application/schema+json", text))
}

/// Who may say what.
async fn keys(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    answer(&app, move |ledger| Ok(answers::keys(&ledger.view, when(ledger, query.as_deref())?)?)).await
}

/// The head of a source: what its next event builds on.
async fn source(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let name = required(query.as_deref(), "name")?;
    answer(&app, move |ledger| head(&ledger.view, &name)).await
}

fn head(view: &View, source: &str) -> Result<serde_json::Value, Problem> {
    let state = view.index.source(source)?.map(|tracked| tracked.state);
    let (sequence, digest) = state.map_or((0, None), |state| (state.head(), state.head_digest()));
    Ok(json!({"sequence": sequence, "digest": digest}))
}

/// Asks the index once it has caught up.
pub(super) async fn answer<T: Serialize>(
    app: &App,
    ask: impl FnOnce(&Ledger) -> Result<T, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    caught_up(app).await?;
    let ledger = app.ledger.clone();
    let text = blocking(move || Ok(serde_json::to_string(&ask(&ledger)?)? + "\n")).await?;
    Ok(respond(StatusCode::OK, "application/json", text))
}

/// The place in time that `at` and `knownAt` name, in any spelling, by the ledger's own clock.
pub(super) fn when(ledger: &Ledger, query: Option<&str>) -> Result<When, AnswerError> {
    let now = ledger.now();
    let at = parameter(query, "at").map(|text| spelling::moment(&text, now)).transpose()?;
    let known = parameter(query, "knownAt").map(|text| spelling::known(&text, now)).transpose()?;
    Ok(When { now, at, known })
}

/// The time that a parameter names, in any spelling.
fn time(query: Option<&str>, name: &str, when: When) -> Result<Option<Timestamp>, AnswerError> {
    let text = parameter(query, name);
    text.map(|text| spelling::moment(&text, when.now)).transpose().map_err(AnswerError::Moment)
}

fn required(query: Option<&str>, name: &'static str) -> Result<String, Problem> {
    parameter(query, name).ok_or(Problem::MissingParameter(name))
}

/// Every parameter of that name, decoded.
fn all(query: Option<&str>, name: &str) -> Vec<String> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.filter(|(key, _value)| key == name).map(|(_key, value)| value.into_owned()).collect()
}

/// A parameter of a query, decoded.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(key, _value)| key == name).map(|(_key, value)| value.into_owned())
}
