//! `/v1/gatekeeper`: verdicts for Gatekeeper, as a provider of external data, version v1beta1.
//!
//! A key is `CLUSTER/ENVIRONMENT|OBJECT`, the object as JSON, as the `ConstraintTemplate` under docs/deploy/ sends it; or
//! `SERVICE|MODEL`. Promises a verdict or an error for each key, and an error of all where nothing can be decided. Never
//! commits anything: Gatekeeper asks when it audits, too, and names no request. (docs/GATE.md, In a cluster)

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::post,
};
use lineal_gate::judge::Asked as AskedPolicy;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    App, blocking, body, caught_up,
    gate::{goes_on, malformed},
    status::{Problem, respond},
};
use crate::answers::{self as asked, Gate, GateQuestion, When, workload::Asks};

/// The version that is spoken.
const VERSION: &str = "externaldata.gatekeeper.sh/v1beta1";

/// The largest request: some objects of the size that an API server stores.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// How many keys one request may have.
const MAX_KEYS: usize = 256;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/gatekeeper", post(provide))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProviderRequest {
    api_version: String,
    kind: String,
    request: Keys,
}

#[derive(Debug, Deserialize)]
struct Keys {
    keys: Vec<String>,
}

/// What becomes of one key: Gatekeeper takes a text in `error` for an error, whatever the value says.
#[derive(Debug, Serialize)]
struct Item {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

async fn provide(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let bytes = body::read(&headers, body, MAX_BYTES, "a ProviderRequest").await?;
    let keys = blocking(move || read(&bytes)).await?;
    let answered = match caught_up(&app).await {
        Ok(()) => blocking(move || items(&app, keys)).await,
        Err(problem) => Err(problem),
    };
    let (items, error) = match answered {
        Ok(items) => (items, String::new()),
        Err(problem) => (Vec::new(), problem.to_string()),
    };
    let response = json!({"idempotent": true, "items": items, "systemError": error});
    let answer = json!({"apiVersion": VERSION, "kind": "ProviderResponse", "response": response});
    Ok(respond(StatusCode::OK, "application/json", answer.to_string()))
}

fn read(bytes: &[u8]) -> Result<Vec<String>, Problem> {
    let wrong = |why: &str| malformed(format!("no ProviderRequest: {why}"));
    // Of bytes, members that nobody reads would be passed over without a look.
    let text = std::str::from_utf8(bytes).map_err(|error| wrong(&error.to_string()))?;
    let asked: ProviderRequest = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
    if asked.api_version != VERSION || asked.kind != "ProviderRequest" {
        return Err(wrong(&format!("expected one of {VERSION}")));
    }
    if asked.request.keys.len() > MAX_KEYS {
        return Err(wrong(&format!("more than {MAX_KEYS} keys")));
    }
    Ok(asked.request.keys)
}

fn items(app: &App, keys: Vec<String>) -> Result<Vec<Item>, Problem> {
    let now = app.ledger.now().into();
    goes_on(&app.ledger, now)?;
    let item = |key: String| match verdict(app, &key, now) {
        Ok(value) => Item { key, value: Some(value), error: None },
        Err(error) => Item { key, value: None, error: Some(error) },
    };
    Ok(keys.into_iter().map(item).collect())
}

/// The verdict about a key, or why there is none.
fn verdict(app: &App, key: &str, now: When) -> Result<Value, String> {
    let view = &app.ledger.view;
    let wrong =
        "a key is `CLUSTER/ENVIRONMENT|OBJECT`, an object in JSON, or `service/OWNER/NAME@CLUSTER/ENVIRONMENT|MODEL`";
    let (place, what) = key.split_once('|').ok_or(wrong)?;
    if place.starts_with("service/") {
        let question =
            GateQuestion { model: what.to_owned(), service: place.to_owned(), policy: AskedPolicy::Registered };
        return asked::gate(view, &question, now).map(|gate| short(&gate)).map_err(|error| error.to_string());
    }
    let environment = app.clusters.environment(Some(place))?;
    let object: Value = serde_json::from_str(what).map_err(|error| format!("{wrong}: {error}"))?;
    match app.clusters.asks(view, environment, &object, now).map_err(|error| error.to_string())? {
        Asks::Nothing => Ok(json!({"ok": true, "verdict": "no-model", "reasons": []})),
        Asks::Undecidable(why) => Ok(json!({"ok": false, "verdict": "undecided", "reasons": [why]})),
        Asks::Gate { question, open: _ } => {
            asked::gate_set(view, &question, now).map(|gate| short(&gate)).map_err(|error| error.to_string())
        }
    }
}

/// As `/v1/verdict` has it in `data`.
fn short(gate: &Gate) -> Value {
    json!(gate.data)
}
