//! `/v1/admission`: what an API server asks before it stores an object.
//!
//! The step from an `AdmissionReview` to the gate and back. Promises a denial for whatever can't be decided, an answer with the
//! request's uid for whatever is a review, and that what is let through because of a verdict is on the record first, once
//! for each request. A dry run is judged and leaves nothing. (docs/GATE.md, In a cluster)

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::post,
};
use lineal_gate::judge::Question;
use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{Payload, gate::GateVerdict, names::EnvironmentName},
};

use super::{
    App, blocking, body, caught_up,
    gate::goes_on,
    status::{Problem, respond},
};
use crate::{
    answers::{self as asked, Gate, gate::decision, workload::Asks},
    ledger::Ledger,
};

mod review;

use review::{Operation, Request, Review, Ruling};

/// The largest review: two objects of the 1.5 MiB that an API server stores, and room for how it writes them.
const MAX_REVIEW_BYTES: usize = 8 * 1024 * 1024;

/// How long after a decision the same request is the same request. An API server gives up after 30 s at most.
const SAME_REQUEST_MS: i64 = 10 * 60 * 1000;

/// How many requests may be decided at once; those with one uid wait for each other.
const STRIPES: usize = 64;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/admission", post(of_the_only_one))
        .route("/v1/admission/{cluster}/{environment}", post(of_one))
}

/// One request is decided by one thread at a time, so that it is recorded once.
#[derive(Debug)]
pub(super) struct Turns([Mutex<()>; STRIPES]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_stripe| Mutex::default()))
    }
}

impl Turns {
    fn of(&self, uid: &str) -> Option<&Mutex<()>> {
        let stripe = uid.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.0.get(stripe % STRIPES)
    }
}

async fn of_the_only_one(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    review(&app, None, &headers, body).await
}

async fn of_one(
    State(app): State<App>,
    Path((cluster, environment)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    review(&app, Some(format!("{cluster}/{environment}")), &headers, body).await
}

async fn review(app: &App, named: Option<String>, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    let bytes = body::read(headers, body, MAX_REVIEW_BYTES, "an AdmissionReview").await?;
    let review = blocking(move || Review::read(&bytes)).await?;
    let (head, request) = review.parts();
    // From here on there is a uid to answer to: a problem is a denial, so that nobody has to look at a status.
    let ruling = rule(app, named.as_deref(), request).await;
    let ruling = ruling.unwrap_or_else(|problem| Ruling::undecided(&problem.to_string()));
    Ok(respond(StatusCode::OK, "application/json", head.answer(ruling)?))
}

async fn rule(app: &App, named: Option<&str>, request: Request) -> Result<Ruling, Problem> {
    if request.operation == Operation::Delete {
        return Ok(Ruling::allowed());
    }
    if let Some(part) = request.is_no_change() {
        let warning = format!("lineal: a change of `{part}` starts nothing: let the webhook's rules leave it out");
        return Ok(Ruling::allowed().warning(warning));
    }
    let environment = match app.clusters.environment(named) {
        Ok(environment) => environment.clone(),
        Err(why) => return Ok(Ruling::undecided(&why)),
    };
    if let Err(why) = request.fits() {
        return Ok(Ruling::malformed(&why));
    }
    caught_up(app).await?;
    let app = app.clone();
    blocking(move || judge(&app, &environment, &request)).await
}

fn judge(app: &App, environment: &EnvironmentName, request: &Request) -> Result<Ruling, Problem> {
    let ledger = &*app.ledger;
    let now = ledger.now();
    goes_on(ledger, now.into())?;
    let (question, open) = match app.clusters.asks(&ledger.view, environment, &request.object, now.into())? {
        Asks::Nothing => return Ok(Ruling::no_model()),
        Asks::Undecidable(why) => return Ok(Ruling::undecided(&why)),
        Asks::Gate { question, open } => (question, open),
    };
    let (entry, gate) = if request.dry_run {
        (None, asked::gate_set(&ledger.view, &question, now)?)
    } else {
        let turn = app.turns.of(request.uid.as_str());
        let _turn = turn.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        let (entry, gate) = decide(ledger, &question, request, now)?;
        (Some(entry), gate)
    };
    Ok(ruling(&gate, entry, &open))
}

/// The decision about a request, which is on the record once this returns.
fn decide(ledger: &Ledger, question: &Question, request: &Request, now: Timestamp) -> Result<(u64, Gate), Problem> {
    // Another thread may just have recorded it.
    ledger.wait_for_index();
    let since = Timestamp::from_millis(now.as_millis().saturating_sub(SAME_REQUEST_MS));
    if let Some(known) = asked::gate_again(&ledger.view, question, &request.uid, since, now)? {
        return Ok(known);
    }
    let gate = asked::gate_set(&ledger.view, question, now)?;
    let (subject, mut decided) = decision(&gate, "kubernetes")?;
    decided.request = Some(request.uid.clone());
    let index = ledger.say(&subject, Payload::from(decided)).map_err(Problem::NotRecorded)?;
    Ok((index, gate))
}

fn ruling(gate: &Gate, entry: Option<u64>, open: &[String]) -> Ruling {
    let verdict = &gate.document;
    let mut annotations = BTreeMap::from([
        ("verdict".to_owned(), verdict.verdict.as_str().to_owned()),
        ("document".to_owned(), format!("sha256:{}", gate.digest)),
        ("tree-size".to_owned(), verdict.tree_size.to_string()),
    ]);
    annotations.extend(gate.data.policy.clone().map(|policy| ("policy".to_owned(), policy)));
    annotations.extend(entry.map(|entry| ("entry".to_owned(), entry.to_string())));
    let waiver = verdict.overridden.as_ref();
    annotations.extend(waiver.map(|waiver| ("overridden".to_owned(), waiver.waiver.to_string())));
    let mut warnings: Vec<String> = Vec::new();
    warnings.extend(waiver.map(|waiver| format!("DENIED, and overridden until {}: {}", waiver.expires, waiver.reason)));
    warnings.extend(verdict.notes.iter().cloned());
    warnings.extend(open.iter().map(|open| format!("not judged: {open}")));
    let message = [&gate.answer, &gate.data.reasons.join("; ")].map(String::as_str).join(": ");
    let see = entry.map_or_else(String::new, |entry| format!(". See entry {entry}: `lineal get {entry}`."));
    let mut ruled = match verdict.verdict {
        _ if verdict.may_run() => Ruling::allowed(),
        GateVerdict::Undecided => Ruling::undecided(&message),
        _ => Ruling::denied(StatusCode::FORBIDDEN, &message),
    };
    (ruled.annotations, ruled.warnings) = (annotations, warnings);
    ruled.with(&see)
}
