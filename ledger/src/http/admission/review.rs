//! `AdmissionReview`, versions v1 and v1beta1, as an API server writes and reads it.
//!
//! Promises that an answer has the version and the uid of its request, and stays within the limits that API servers keep:
//! warnings of 120 characters, 4096 in all. (kubernetes/api, admission/v1/types.go)

use std::collections::BTreeMap;

use axum::http::StatusCode;
use lineal_schemas::vocabulary::names::Id;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{answers::AnswerError, http::status::Problem};

/// What API servers cut a warning to.
const MAX_WARNING: usize = 120;

/// How many warnings are given: all of them together are within what API servers keep.
const MAX_WARNINGS: usize = 16;

/// How long a reason may become; `kubectl` prints all of it.
const MAX_MESSAGE: usize = 1000;

const V1: &str = "admission.k8s.io/v1";
const V1_BETA1: &str = "admission.k8s.io/v1beta1";

/// A review that asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Review {
    api_version: String,
    kind: String,
    request: Request,
}

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    /// The API server's name of this request.
    pub(super) uid: Id,
    kind: GroupVersionKind,
    #[serde(default)]
    sub_resource: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    /// What is done to the object.
    pub(super) operation: Operation,
    /// The object as it would be stored; null where there is none.
    #[serde(default)]
    pub(super) object: Value,
    /// Whether nothing is to be stored.
    #[serde(default, deserialize_with = "or_false")]
    pub(super) dry_run: bool,
}

#[derive(Debug, Deserialize)]
struct GroupVersionKind {
    group: String,
    version: String,
    kind: String,
}

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Operation {
    /// It is new.
    Create,
    /// It changes.
    Update,
    /// It goes: nothing starts.
    Delete,
    /// Something connects to it.
    Connect,
}

fn or_false<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(false))
}

/// What the answer repeats of the request.
#[derive(Debug)]
pub(super) struct Head {
    api_version: String,
    uid: String,
}

impl Review {
    /// Reads a review. What is none has no uid that could be answered to.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let wrong = |why: String| Problem::Answer(AnswerError::Question(format!("no AdmissionReview: {why}")));
        // Of bytes, members that nobody reads would be passed over without a look.
        let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let review: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let is_known = review.kind == "AdmissionReview" && matches!(review.api_version.as_str(), V1 | V1_BETA1);
        if !is_known {
            let expected = format!("expected an AdmissionReview of {V1} or {V1_BETA1}");
            let (kind, version) = (short(&review.kind, 80), short(&review.api_version, 80));
            return Err(wrong(format!("{expected}, found `{kind}` of `{version}`")));
        }
        Ok(review)
    }

    /// What is answered to, and what is asked.
    pub(super) fn parts(self) -> (Head, Request) {
        (Head { api_version: self.api_version, uid: self.request.uid.to_string() }, self.request)
    }
}

impl Request {
    /// The part of an object that changes alone, where such a change starts nothing.
    pub(super) fn is_no_change(&self) -> Option<&str> {
        self.sub_resource.as_deref().filter(|part| matches!(*part, "status" | "scale"))
    }

    /// Whether the object is the one that the request tells of; why not.
    pub(super) fn fits(&self) -> Result<(), String> {
        if !matches!(self.operation, Operation::Create | Operation::Update) {
            return Err(
                "an operation that stores nothing is not judged: let the webhook be asked about CREATE and UPDATE"
                    .to_owned(),
            );
        }
        if !self.object.is_object() {
            return Err("the request has no object to judge".to_owned());
        }
        let text = |at: &str| self.object.pointer(at).and_then(Value::as_str);
        let version = match &*self.kind.group {
            "" => self.kind.version.clone(),
            group => format!("{group}/{}", self.kind.version),
        };
        let told = [
            ("apiVersion", text("/apiVersion"), Some(version.as_str())),
            ("kind", text("/kind"), Some(self.kind.kind.as_str())),
            ("metadata.namespace", text("/metadata/namespace"), self.namespace.as_deref()),
            ("metadata.name", text("/metadata/name"), self.name.as_deref().filter(|name| !name.is_empty())),
        ];
        for (member, found, told) in told {
            // A name that is made up later stands in neither.
            let is_open = member == "metadata.name" && (found.is_none() || told.is_none());
            if !is_open && found != told {
                return Err(format!("the object's `{member}` is not that of the request"));
            }
        }
        Ok(())
    }
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Ruling {
    denied: Option<(StatusCode, String)>,
    /// For the API server's audit log.
    pub(super) annotations: BTreeMap<String, String>,
    /// For whoever sent the object.
    pub(super) warnings: Vec<String>,
}

impl Ruling {
    /// It may be stored.
    pub(super) const fn allowed() -> Self {
        Self { denied: None, annotations: BTreeMap::new(), warnings: Vec::new() }
    }

    /// It is none of the gate's business.
    pub(super) fn no_model() -> Self {
        let annotations = BTreeMap::from([("lineal".to_owned(), "no model".to_owned())]);
        Self { annotations, ..Self::allowed() }
    }

    /// It may not.
    pub(super) fn denied(status: StatusCode, why: &str) -> Self {
        Self { denied: Some((status, short(why, MAX_MESSAGE))), ..Self::allowed() }
    }

    /// It can't be told whether it may: never a yes.
    pub(super) fn undecided(why: &str) -> Self {
        let why = why.strip_prefix("undecided: ").unwrap_or(why);
        Self::denied(StatusCode::SERVICE_UNAVAILABLE, &format!("undecided, which is no yes: {why}"))
    }

    /// A review that contradicts itself.
    pub(super) fn malformed(why: &str) -> Self {
        Self::denied(StatusCode::BAD_REQUEST, why)
    }

    /// With something to warn of.
    pub(super) fn warning(mut self, warning: String) -> Self {
        self.warnings.push(warning);
        self
    }

    /// With a sentence at the end of the reason.
    pub(super) fn with(mut self, sentence: &str) -> Self {
        self.denied.iter_mut().for_each(|(_status, why)| why.push_str(sentence));
        self
    }
}

impl Head {
    /// The answer, as JSON.
    pub(super) fn answer(&self, ruling: Ruling) -> Result<String, serde_json::Error> {
        let mut response = Map::new();
        response.insert("uid".to_owned(), json!(self.uid));
        response.insert("allowed".to_owned(), json!(ruling.denied.is_none()));
        if let Some((status, message)) = ruling.denied {
            response.insert("status".to_owned(), json!({"code": status.as_u16(), "message": message}));
        }
        if !ruling.annotations.is_empty() {
            response.insert("auditAnnotations".to_owned(), json!(ruling.annotations));
        }
        if !ruling.warnings.is_empty() {
            let warnings = ruling.warnings.iter().take(MAX_WARNINGS).map(|warning| short(warning, MAX_WARNING));
            response.insert("warnings".to_owned(), warnings.collect());
        }
        serde_json::to_string(&json!({"apiVersion": self.api_version, "kind": "AdmissionReview", "response": response}))
    }
}

/// A text that a header and a terminal can hold: hidden characters escaped, what is too long cut off.
fn short(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        let piece: String = if character.is_control() { character.escape_debug().collect() } else { character.into() };
        // Counted in bytes, as API servers do.
        if shown.len() + piece.len() > most {
            let end = most.saturating_sub("…".len());
            let end = (0..=end.min(shown.len())).rev().find(|end| shown.is_char_boundary(*end)).unwrap_or_default();
            shown.truncate(end);
            shown.push('…');
            break;
        }
        shown.push_str(&piece);
    }
    shown
}
