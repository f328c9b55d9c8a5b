//! `/v1/verdict` and `/v1/gate`: verdicts of the gate over HTTP; and, on the local socket, decisions that are committed.
//!
//! Promises that a decision is always 200, whatever it is: a tool that looks at the status alone must not take a denial for
//! an outage. What could not be decided is 503, and so is a record that does not go on. Never commits anything for whoever
//! asks from afar. (docs/GATE.md)

use axum::{
    Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use lineal_schemas::vocabulary::{Payload, gate::GateVerdict};
use serde_json::json;

use super::{
    App, answers, blocking, caught_up,
    status::{Problem, respond},
};
use crate::{
    answers::{
        self as asked, AnswerError, Gate, GateQuestion, When,
        gate::{GateMembers, decision_on},
    },
    ledger::Ledger,
};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/verdict", get(verdict).post(verdict_posted)).route("/v1/gate", post(whole))
}

/// The verdict, for tools: 200 for a decision.
async fn verdict(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let question = question(query.as_deref())?;
    decided(&app, question, query).await
}

/// The same, asked as JSON.
async fn verdict_posted(State(app): State<App>, RawQuery(query): RawQuery, body: Bytes) -> Result<Response, Problem> {
    decided(&app, read(&body)?, query).await
}

/// The verdict for the program `lineal`, which tells an undecided one by itself.
async fn whole(State(app): State<App>, RawQuery(query): RawQuery, body: Bytes) -> Result<Response, Problem> {
    let question = read(&body)?;
    answers::answer(&app, move |ledger| {
        let when = answers::when(ledger, query.as_deref())?;
        goes_on(ledger, when)?;
        Ok(asked::gate(&ledger.view, &question, when)?)
    })
    .await
}

/// Judges, and commits the decision: for the owner of the data directory alone.
pub(super) async fn record(State(app): State<App>, body: Bytes) -> Result<Response, Problem> {
    let question = read(&body)?;
    caught_up(&app).await?;
    let ledger = app.ledger.clone();
    let text = blocking(move || {
        goes_on(&ledger, ledger.now().into())?;
        let gate = asked::gate(&ledger.view, &question, ledger.now())?;
        let (subject, payload) = decision_on(&question, &gate, "cli")?;
        let index = ledger.say(&subject, Payload::from(payload)).map_err(Problem::NotRecorded)?;
        let mut members = serde_json::to_value(&gate)?;
        if let Some(members) = members.as_object_mut() {
            members.insert("index".to_owned(), json!(index));
        }
        Ok(members.to_string())
    })
    .await?;
    Ok(respond(StatusCode::CREATED, "application/json", text))
}

async fn decided(app: &App, question: GateQuestion, query: Option<String>) -> Result<Response, Problem> {
    caught_up(app).await?;
    let ledger = app.ledger.clone();
    let (status, text) = blocking(move || {
        let when = answers::when(&ledger, query.as_deref())?;
        goes_on(&ledger, when)?;
        let gate: Gate = asked::gate(&ledger.view, &question, when)?;
        let is_undecided = gate.document.verdict == GateVerdict::Undecided;
        let status = if is_undecided { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        Ok((status, serde_json::to_string(&gate)? + "\n"))
    })
    .await?;
    Ok(respond(status, "application/json", text))
}

/// A record that stands still may lack the flag that would stop a model: then nothing is decided about now.
pub(super) fn goes_on(ledger: &Ledger, when: When) -> Result<(), Problem> {
    if when.at.is_some() || when.known.is_some() {
        return Ok(());
    }
    if let Some(reason) = ledger.stopped() {
        return Err(Problem::Stale(format!("intake is stopped: {reason}")));
    }
    match asked::gate::stale(&ledger.view, when)? {
        Some(why) => Err(Problem::Stale(why)),
        None => Ok(()),
    }
}

fn question(query: Option<&str>) -> Result<GateQuestion, Problem> {
    let members = GateMembers {
        model: answers::parameter(query, "model"),
        service: answers::parameter(query, "service"),
        policy: answers::parameter(query, "policy"),
        policy_text: answers::parameter(query, "policyText"),
    };
    members.question().map_err(malformed)
}

fn read(body: &[u8]) -> Result<GateQuestion, Problem> {
    let members: GateMembers = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    members.question().map_err(malformed)
}

pub(super) const fn malformed(why: String) -> Problem {
    Problem::Answer(AnswerError::Question(why))
}
