//! Where events are sent: a ledger over HTTP, or a file that is carried to one.
//!
//! The step out of the outbox. Promises nothing about what is admitted: it moves envelopes and brings answers back. A
//! target that fails leaves every event where it was. (docs/FORMAT.md; `lineal-emit --to`)

pub mod file;
pub mod http;

use std::{io, path::PathBuf, str::FromStr};

pub use file::FileTarget;
pub use http::{Answer, HttpTarget, Outcome};

use crate::outbox::Pending;

/// Where events are sent.
#[derive(Debug, Clone)]
pub enum Target {
    /// `http://HOST:PORT`.
    Http(HttpTarget),
    /// `file:PATH`.
    File(FileTarget),
}

/// Why a target has not taken what it was sent. The events are still in the outbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Not an address that this crate sends to.
    #[error("`{found}` is no target: `http://HOST:PORT` or `file:PATH`")]
    Address {
        /// The text as found.
        found: String,
    },
    /// No connection, or none that lasted.
    #[error("ledger at {base} can't be reached")]
    Unreachable {
        /// Its address.
        base: String,
        /// What went wrong.
        source: Box<ureq::Error>,
    },
    /// The ledger answered something else than answers.
    #[error("the ledger answered with status {status}: {what}")]
    Answer {
        /// HTTP status.
        status: u16,
        /// What is wrong with the answer.
        what: String,
    },
    /// The ledger did not take an attachment.
    #[error("the ledger answered attachment {digest} with status {status}: {said}")]
    Attachment {
        /// HTTP status.
        status: u16,
        /// SHA-256 of the attachment.
        digest: String,
        /// The beginning of its answer.
        said: String,
    },
    /// The file can't be written.
    #[error("cannot append to {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file ends in part of a line that no emitter wrote.
    #[error("{} does not end in a whole line, and what stands there is no envelope", path.display())]
    TornFile {
        /// The file.
        path: PathBuf,
    },
}

impl TargetError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "unknown-target",
            Self::Unreachable { .. } => "ledger-unreachable",
            Self::Answer { .. } => "malformed-answer",
            Self::Attachment { .. } => "attachment-not-taken",
            Self::File { .. } => "target-file",
            Self::TornFile { .. } => "torn-target-file",
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let host = text.strip_prefix("http://").filter(|host| !host.is_empty() && !host.starts_with('/'));
        match (host, text.strip_prefix("file:")) {
            (Some(_), _) => Ok(Self::Http(HttpTarget::new(text))),
            (None, Some(path)) if !path.is_empty() => {
                Ok(Self::File(FileTarget::new(path.strip_prefix("//").unwrap_or(path))))
            }
            _ => Err(TargetError::Address { found: text.to_owned() }),
        }
    }
}

impl Target {
    /// Sends as many of the events, from the first, as go at once. A ledger's answers are about the first events, in
    /// order; a file keeps all of them and answers nothing.
    pub(crate) fn send(&self, events: &[Pending]) -> Result<Vec<Answer>, TargetError> {
        match self {
            Self::Http(target) => target.post(events),
            Self::File(target) => target.append(events).map(|()| Vec::new()),
        }
    }

    /// Sends an attachment.
    pub(crate) fn attach(&self, digest: &str, bytes: &[u8]) -> Result<(), TargetError> {
        match self {
            Self::Http(target) => target.put(digest, bytes),
            Self::File(target) => target.attach(digest, bytes),
        }
    }
}
