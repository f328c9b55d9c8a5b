//! `POST /events`: the door for signed events, by the CloudEvents HTTP binding or as DSSE envelopes, one a line.
//!
//! Promises one answer for each event, in order, and that a malformed one stops none of the others. The bytes are taken
//! as they are: what is signed is the body itself. Binary mode is refused, because attributes that travel as headers
//! can't be signed as sent. (docs/FORMAT.md, HTTP)

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use lineal_schemas::{
    admission::Refusal,
    digest::EventDigest,
    dsse::{Signature, SignatureError, Signed},
};
use rayon::prelude::*;
use tokio::sync::oneshot;

use super::{
    App, blocking, body,
    status::{self, Problem, respond},
};
use crate::{
    binding::{self, Form},
    outcome::{Answer, Outcome},
};

/// The largest body with a single event, in bytes. More than an event may have, so that a signed one that is too large
/// gets its signed refusal.
const SINGLE_BYTES: usize = 1024 * 1024;

/// The largest body with many events, in bytes.
const MANY_BYTES: usize = 64 * 1024 * 1024;

/// The most events of one request.
const MANY_EVENTS: usize = 10_000;

/// How many requests with many events are held in memory at a time; others wait.
pub(super) const MANY_AT_ONCE: usize = 8;

pub(super) async fn post(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let taken = match form_of(&headers) {
        Ok(Form::Single) => single(&app, &headers, body).await,
        Ok(Form::Many) => many(&app, &headers, body).await,
        Err(problem) => {
            body::drain(&headers, body).await;
            Err(problem)
        }
    };
    taken.unwrap_or_else(|problem| refuse(&app, problem))
}

fn form_of(headers: &HeaderMap) -> Result<Form, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Ok(binding::form_of(&content_type.unwrap_or_default(), headers.contains_key("ce-specversion"))?)
}

/// A request of which nothing was taken in.
fn refuse(app: &App, problem: Problem) -> Response {
    let status = problem.status();
    let outcome = problem.into_outcome();
    app.metrics.count(&outcome);
    match line(&Answer::new(None, &outcome)) {
        Ok(line) => respond(status, "application/json", line),
        Err(problem) => problem.into_response(),
    }
}

async fn single(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    let what = "an event has at most 256 KiB";
    let event = body::read(headers, body, SINGLE_BYTES, what).await?;
    let (digest, signatures) = (EventDigest::of(&event), signatures_of(headers));
    let signed = signatures.map(|signatures| Signed { event, signatures }).map_err(|error| Refusal::from(&error));
    let (answers, status) = judge(app, vec![signed.map_err(|refusal| (Some(digest), refusal))]).await?;
    Ok(respond(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), "application/json", answers))
}

fn signatures_of(headers: &HeaderMap) -> Result<Vec<Signature>, SignatureError> {
    let values = headers.get_all(binding::SIGNATURE).iter();
    binding::signatures_of(values.map(|value| String::from_utf8_lossy(value.as_bytes())))
}

async fn many(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    // Nobody closes the semaphore, so this only waits for its turn.
    let _turn = app.many.acquire().await;
    let what = "send fewer events at a time";
    let body = body::read(headers, body, MANY_BYTES, what).await?;
    let sent = blocking(move || envelopes(&body)).await?;
    let (answers, _status) = judge(app, sent).await?;
    Ok(respond(StatusCode::OK, "application/x-ndjson", answers))
}

/// What was sent for one event: the event, or why it is none, with its digest where it has one.
type Sent = Result<Signed, (Option<EventDigest>, Refusal)>;

fn envelopes(body: &[u8]) -> Result<Vec<Sent>, Problem> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    if body.is_empty() {
        return Err(Problem::NoEvents);
    }
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    if lines.len() > MANY_EVENTS {
        return Err(Problem::TooManyEvents { found: lines.len(), limit: MANY_EVENTS });
    }
    let read = |line: &&[u8]| Signed::from_envelope(line).map_err(|error| (None, Refusal::from(&error)));
    Ok(lines.par_iter().with_min_len(64).map(read).collect())
}

/// Hands events to the ledger and gives the answers, a line each, with the status of the first.
async fn judge(app: &App, sent: Vec<Sent>) -> Result<(String, Option<StatusCode>), Problem> {
    let mut places = Vec::with_capacity(sent.len());
    let mut events = Vec::with_capacity(sent.len());
    for one in sent {
        match one {
            Ok(signed) => {
                places.push((Some(signed.digest()), None));
                events.push(signed);
            }
            Err((digest, refusal)) => {
                app.ledger.quarantine.count(&refusal);
                places.push((digest, Some(Outcome::Refused { refusal, retry: false })));
            }
        }
    }
    let mut judged = submit(app, events).await?.into_iter();
    let stopped = || Outcome::closed("intake-stopped", "the writer has stopped");
    let outcomes = places
        .into_iter()
        .map(|(digest, refused)| (digest, refused.unwrap_or_else(|| judged.next().unwrap_or_else(stopped))));
    let outcomes: Vec<_> = outcomes.collect();
    for (_digest, outcome) in &outcomes {
        app.metrics.count(outcome);
    }
    let status = outcomes.first().map(|(_digest, outcome)| status::of_outcome(outcome));
    let view = app.ledger.view.clone();
    let answers = blocking(move || {
        let pieces = outcomes.par_chunks(ANSWERS_A_PIECE).map(|piece| lines(&view.answers(piece)));
        Ok(pieces.collect::<Result<Vec<_>, _>>()?.concat())
    });
    Ok((answers.await?, status))
}

async fn submit(app: &App, events: Vec<Signed>) -> Result<Vec<Outcome>, Problem> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let (ledger, (reply, replied)) = (app.ledger.clone(), oneshot::channel());
    blocking(move || {
        ledger.submit(events, move |outcomes| {
            if reply.send(outcomes).is_err() {
                // What was committed stays so: the sender asks again, and gets the same receipt.
                tracing::debug!("a sender went away before its answer");
            }
        });
        Ok(())
    })
    .await?;
    Ok(replied.await.unwrap_or_default())
}

/// Answers made by one core at a time.
const ANSWERS_A_PIECE: usize = 128;

fn lines(answers: &[Answer]) -> Result<String, Problem> {
    answers.iter().map(line).collect()
}

fn line(answer: &Answer) -> Result<String, Problem> {
    let mut line = serde_json::to_string(answer)?;
    line.push('\n');
    Ok(line)
}
