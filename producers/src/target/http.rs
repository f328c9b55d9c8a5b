//! The HTTP target: envelopes to a ledger's `POST /events`, its answers back, attachments to `PUT /attachments/…`.
//!
//! Promises one answer for each event that the ledger answered, matched by digest and in order. An answer is a claim
//! until its receipt is verified, which happens in [`crate::delivery`]. Waits at most [`TIMEOUT`] for a request, so
//! that a ledger that hangs can't hold up a training run for long.

use std::{io::Read, time::Duration};

use lineal_schemas::digest::EventDigest;
use serde::Deserialize;

use super::TargetError;
use crate::{outbox::Pending, tls};

/// The most envelopes in one request.
pub const MAX_EVENTS: usize = 1000;

/// The most bytes of envelopes in one request, unless a single one is larger.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// The most bytes of answers to one request that are read: a receipt is a few KiB.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one request may take.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// How long an attachment may take, which can be 1 GiB.
const ATTACHMENT_TIMEOUT: Duration = Duration::from_mins(10);

/// A ledger reached over HTTP.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    /// `http://HOST:PORT`, without a slash at its end.
    base: String,
    agent: ureq::Agent,
}

/// What a ledger did with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is in the record.
    Committed,
    /// It was there already.
    Duplicate,
    /// Refused for good, with the ledger's signature.
    Rejected,
    /// It contradicts another event of its source; refused for good, with the ledger's signature.
    Conflicted,
    /// Kept until its key is enrolled.
    Parked,
    /// Refused without a signature.
    Refused,
}

/// One line of a ledger's answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// The event that it is about; absent when the ledger could not read one.
    pub event: Option<EventDigest>,
    /// What became of it.
    pub outcome: Outcome,
    /// The entry's index: of the event, or of the ledger's refusal.
    pub index: Option<u64>,
    /// Receipt of the event, or of the ledger's refusal.
    pub receipt: Option<String>,
    /// Exact text of the ledger's event that refuses, which that receipt is for.
    pub refusal: Option<String>,
    /// Stable name of the reason.
    pub code: Option<String>,
    /// The reason.
    pub message: Option<String>,
    /// Whether sending it again may help.
    #[serde(default)]
    pub retry: bool,
}

impl HttpTarget {
    /// The ledger at `http://HOST:PORT`.
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("lineal-emit/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls::trusting_nobody())
            .build();
        Self { base: base.trim_end_matches('/').to_owned(), agent: config.into() }
    }

    /// How many of these events go into one request.
    fn fitting(events: &[Pending]) -> usize {
        let mut bytes = 0;
        let fits = events.iter().take(MAX_EVENTS).take_while(|event| {
            bytes += event.envelope.len() + 1;
            bytes <= MAX_REQUEST_BYTES
        });
        fits.count().max(1)
    }

    /// Sends one request with as many events as fit. The ledger may answer fewer, when it stops on the way.
    pub(super) fn post(&self, events: &[Pending]) -> Result<Vec<Answer>, TargetError> {
        let (events, _later) = events.split_at(Self::fitting(events).min(events.len()));
        let body: String = events.iter().flat_map(|event| [event.envelope.as_str(), "\n"]).collect();
        let url = format!("{}/events", self.base);
        let response =
            self.agent.post(&url).content_type("application/x-ndjson").send(body).map_err(self.unreachable())?;
        let status = response.status().as_u16();
        let mut text = String::new();
        let mut body = response.into_body().into_reader().take(MAX_ANSWER_BYTES);
        body.read_to_string(&mut text).map_err(|error| self.unreachable()(error.into()))?;
        parse_answers(&text, events).map_err(|what| TargetError::Answer { status, what })
    }

    /// Sends an attachment that a committed event names.
    pub(super) fn put(&self, digest: &str, bytes: &[u8]) -> Result<(), TargetError> {
        let url = format!("{}/attachments/{digest}", self.base);
        let request = self.agent.put(&url).content_type("application/octet-stream").config();
        let request = request.timeout_global(Some(ATTACHMENT_TIMEOUT)).build();
        let mut response = request.send(bytes).map_err(self.unreachable())?;
        if response.status().is_success() {
            return Ok(());
        }
        let said = response.body_mut().with_config().limit(4096).read_to_string().unwrap_or_default();
        Err(TargetError::Attachment {
            status: response.status().as_u16(),
            digest: digest.to_owned(),
            said: excerpt(&said),
        })
    }

    fn unreachable(&self) -> impl FnOnce(ureq::Error) -> TargetError + use<> {
        let base = self.base.clone();
        |source| TargetError::Unreachable { base, source: Box::new(source) }
    }
}

/// One JSON line per event, in order; each must be about the event in its place.
fn parse_answers(text: &str, events: &[Pending]) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    for (line, event) in text.lines().filter(|line| !line.trim().is_empty()).zip(events) {
        let answer: Answer = serde_json::from_str(line).map_err(|error| format!("{error} in `{}`", excerpt(line)))?;
        if answer.event.is_some_and(|found| found != event.event) {
            return Err(format!("an answer about {:?} where {} was sent", answer.event, event.event));
        }
        answers.push(answer);
    }
    if answers.is_empty() { Err("no answer".to_owned()) } else { Ok(answers) }
}

/// The beginning of what somebody else wrote, on one line.
fn excerpt(text: &str) -> String {
    text.chars().take(200).map(|character| if character.is_control() { ' ' } else { character }).collect()
}
