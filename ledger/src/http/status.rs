//! The one place where an outcome or a problem gets its HTTP status.
//!
//! A status only helps tools that look no further: what counts is the answer in the body, its code, and whether to send
//! again. (docs/FORMAT.md, HTTP)

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use lineal_schemas::{admission::Refusal, digest::EventDigest};

use crate::{
    answers::AnswerError, attachments::AttachmentError, binding::BindingError, index::store::StoreError,
    log::record::ReadError, outcome::Outcome, receipts::ReceiptError,
};

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("nothing is at `{0}`: the page at `/` lists what is here")]
    NoSuchPath(String),
    #[error("the tree of {size} entries has no `{path}`")]
    NoSuchTile { path: String, size: u64 },
    #[error("no committed entry is about the event {0}")]
    NoSuchEvent(EventDigest),
    #[error("no event {0} is waiting for its key")]
    NotParked(String),
    #[error("no committed event names the attachment {0}: the event goes first, its attachments after the receipt")]
    UnnamedAttachment(EventDigest),
    #[error("the attachment {0} is not here: it was never sent, or it was erased")]
    NoSuchAttachment(EventDigest),
    #[error("`{0}` is not a SHA-256 in 64 lower-case hex digits")]
    NotADigest(String),
    #[error("the question has no `{0}`")]
    MissingParameter(&'static str),
    #[error("`{name}` is a number of seconds, found `{found}`")]
    NotANumber { name: &'static str, found: String },
    #[error("a body of more than {limit} bytes: {what}")]
    BodyTooLarge { limit: usize, what: &'static str },
    #[error("{found} events in one request: at most {limit}")]
    TooManyEvents { found: usize, limit: usize },
    #[error("no event in the request: envelopes go one a line")]
    NoEvents,
    #[error(transparent)]
    Binding(#[from] BindingError),
    #[error("the body broke off: {0}")]
    Interrupted(axum::Error),
    #[error("the body did not arrive: nothing for {} s", .0.as_secs())]
    Slow(Duration),
    #[error("the decision was not recorded: {0}")]
    NotRecorded(String),
    #[error("undecided: {0}")]
    Stale(String),
    #[error("the index lags: ask again later")]
    IndexLags,
    #[error("the index does not follow any more ({0}): restart the ledger to make it again")]
    IndexStopped(String),
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Index(#[from] StoreError),
    #[error("the disk: {0}")]
    Disk(#[from] std::io::Error),
    #[error("an answer that can't be written: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the work ended without an answer: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<ReceiptError> for Problem {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::Read(error) => Self::Read(error),
            ReceiptError::Index(error) => Self::Index(error),
        }
    }
}

impl Problem {
    /// The stable name of this problem.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchPath(_) => "no-such-path",
            Self::NoSuchTile { .. } => "no-such-tile",
            Self::NoSuchEvent(_) => "no-such-event",
            Self::NotParked(_) => "not-parked",
            Self::UnnamedAttachment(_) => "unnamed-attachment",
            Self::NoSuchAttachment(_) => "no-such-attachment",
            Self::NotADigest(_) => "not-a-digest",
            Self::MissingParameter(_) => "missing-parameter",
            Self::NotANumber { .. } => "not-a-number",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::TooManyEvents { .. } => "too-many-events",
            Self::NoEvents => "no-events",
            Self::Binding(error) => error.code(),
            Self::Interrupted(_) => "body-interrupted",
            Self::Slow(_) => "body-timeout",
            Self::NotRecorded(_) => "not-recorded",
            Self::Stale(_) => "stale-record",
            Self::IndexLags => "index-lags",
            Self::IndexStopped(_) | Self::Index(_) => "index-failed",
            Self::Attachment(AttachmentError::Digest { .. }) => "attachment-digest",
            Self::Attachment(AttachmentError::TooLarge) => "attachment-too-large",
            Self::Attachment(AttachmentError::Full(_)) => "disk-full",
            Self::Attachment(AttachmentError::Io(_)) | Self::Disk(_) => "disk-failed",
            Self::Answer(error) => error.code(),
            Self::Read(_) => "record-unreadable",
            Self::Json(_) | Self::Task(_) => "internal",
        }
    }

    /// Its status.
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Answer(error) => of_answer(error),
            Self::NoSuchPath(_)
            | Self::NoSuchTile { .. }
            | Self::NoSuchEvent(_)
            | Self::NotParked(_)
            | Self::UnnamedAttachment(_)
            | Self::NoSuchAttachment(_) => StatusCode::NOT_FOUND,
            Self::NotADigest(_)
            | Self::MissingParameter(_)
            | Self::NotANumber { .. }
            | Self::NoEvents
            | Self::Interrupted(_) => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge { .. } | Self::TooManyEvents { .. } | Self::Attachment(AttachmentError::TooLarge) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Binding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Attachment(AttachmentError::Digest { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::IndexLags
            | Self::NotRecorded(_)
            | Self::Stale(_)
            | Self::IndexStopped(_)
            | Self::Disk(_)
            | Self::Attachment(AttachmentError::Full(_) | AttachmentError::Io(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Read(_) | Self::Index(_) | Self::Json(_) | Self::Task(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the same request may do better later.
    pub(super) fn is_passing(&self) -> bool {
        self.status().is_server_error() || matches!(self, Self::Interrupted(_) | Self::Slow(_))
    }

    /// As the outcome of an event that nobody got to see.
    pub(super) fn into_outcome(self) -> Outcome {
        let retry = self.is_passing();
        Outcome::Refused { refusal: Refusal::new(self.code(), self.to_string()), retry }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status().is_server_error() {
            tracing::warn!(code = self.code(), problem = %self, "a request was not answered");
        }
        let mut text = format!("{self}\n");
        if let Self::Answer(error) = &self {
            text.extend(error.hints().iter().flat_map(|hint| ["hint: ", hint, "\n"]));
        }
        let mut response = respond(self.status(), "text/plain; charset=utf-8", text);
        response.headers_mut().insert("lineal-error", HeaderValue::from_static(self.code()));
        response
    }
}

/// A question without an answer: about nothing (404), or not about one thing (409).
const fn of_answer(error: &AnswerError) -> StatusCode {
    match error {
        AnswerError::Unknown { .. }
        | AnswerError::NotYet { .. }
        | AnswerError::BeforeTheRecord { .. }
        | AnswerError::Erased { .. }
        | AnswerError::Read(ReadError::NoSuchEntry { .. }) => StatusCode::NOT_FOUND,
        AnswerError::Ambiguous { .. }
        | AnswerError::TooShort { .. }
        | AnswerError::NotTraceable { .. }
        | AnswerError::NothingDownstream { .. }
        | AnswerError::NothingToCompare { .. }
        | AnswerError::NoService { .. }
        | AnswerError::NeverSeen { .. }
        | AnswerError::NotRestorable { .. }
        | AnswerError::InListings { .. }
        | AnswerError::NotAbout { .. }
        | AnswerError::Unregistered => StatusCode::CONFLICT,
        AnswerError::Slice { .. }
        | AnswerError::Question(_)
        | AnswerError::InHand(_)
        | AnswerError::Future { .. }
        | AnswerError::Severity { .. }
        | AnswerError::Moment(_) => StatusCode::BAD_REQUEST,
        AnswerError::Decision(_) | AnswerError::Keys(_) | AnswerError::Read(_) | AnswerError::Index(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// A response, with the headers that its status asks for.
pub(super) fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match status {
        // RFC 9110 section 15.5.2 asks for a challenge. Ours is a signature over the event.
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Lineal-Signature"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
    response
}

/// The status of a single event's outcome.
pub(super) fn of_outcome(outcome: &Outcome) -> StatusCode {
    match outcome {
        Outcome::Committed { .. } => StatusCode::CREATED,
        Outcome::Duplicate { .. } => StatusCode::OK,
        Outcome::Parked { .. } => StatusCode::ACCEPTED,
        Outcome::Rejected { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Outcome::Conflicted { .. } => StatusCode::CONFLICT,
        Outcome::Refused { refusal, retry } => of_refusal(&refusal.code, *retry),
        Outcome::Closed { .. } => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn of_refusal(code: &str, retry: bool) -> StatusCode {
    match code {
        "too-many-refusals" | "too-many-open" | "parked-full" => StatusCode::TOO_MANY_REQUESTS,
        _ if retry => StatusCode::SERVICE_UNAVAILABLE,
        "unsigned" | "wrong-signature" | "unknown-key" => StatusCode::UNAUTHORIZED,
        "too-large" => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    }
}
