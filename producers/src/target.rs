//! Where events are sent: a ledger over NATS or HTTP, or a file that is carried to one.
//!
//! The step out of the outbox. Promises nothing about what is admitted: it moves envelopes and brings answers back. A
//! target that fails leaves every event where it was. (docs/FORMAT.md; `lineal-emit --to`)

pub mod file;
pub mod http;
pub mod nats;

use std::{
    io,
    path::PathBuf,
    str::FromStr,
    sync::mpsc::{self, TryRecvError},
};

pub use file::FileTarget;
pub use http::{Answer, HttpTarget, Outcome};
pub use nats::{Heard, Listener, NatsError, NatsSettings, NatsTarget};

use crate::outbox::Pending;

/// Where events are sent.
#[derive(Debug, Clone)]
pub enum Target {
    /// `http://HOST:PORT`.
    Http(HttpTarget),
    /// `nats://HOST:PORT` or `tls://HOST:PORT`.
    Nats(NatsTarget),
    /// `file:PATH`.
    File(FileTarget),
}

/// What a ledger answered about one event, or why there is no answer.
pub(crate) type Reply = Result<Answer, String>;

/// Why a target has not taken what it was sent. The events are still in the outbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Not an address that this crate sends to.
    #[error("`{found}` is no target: `nats://HOST:PORT`, `tls://HOST:PORT`, `http://HOST:PORT` or `file:PATH`")]
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
    /// NATS has not taken it, or brought no answer.
    #[error(transparent)]
    Nats(#[from] NatsError),
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
            Self::Nats(error) => error.code(),
            Self::File { .. } => "target-file",
            Self::TornFile { .. } => "torn-target-file",
        }
    }

    /// Whether others of its events would fare no better just now.
    pub(crate) const fn is_about_the_target(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Nats(NatsError::Unreachable { .. } | NatsError::File { .. } | NatsError::Gone)
        )
    }
}

/// The servers of `nats://HOST:PORT,…`.
pub fn servers(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

/// A group that was sent, and whose replies come later.
#[derive(Debug)]
pub(crate) enum Sending {
    /// They are there.
    Done(Result<Vec<Reply>, TargetError>),
    /// A thread will send them here.
    UnderWay(mpsc::Receiver<Result<Vec<Reply>, NatsError>>),
}

impl Sending {
    /// The replies, however long they take.
    fn wait(self) -> Result<Vec<Reply>, TargetError> {
        self.replies(true).unwrap_or_else(|_not_waited| Err(NatsError::Gone.into()))
    }

    /// The replies once they are there; whoever must not `wait` gets this back when they are not.
    pub(crate) fn replies(self, wait: bool) -> Result<Result<Vec<Reply>, TargetError>, Self> {
        match self {
            Self::Done(replies) => Ok(replies),
            Self::UnderWay(replies) if wait => {
                Ok(replies.recv().map_err(|_hung_up| NatsError::Gone).flatten().map_err(Into::into))
            }
            Self::UnderWay(replies) => match replies.try_recv() {
                Ok(replies) => Ok(replies.map_err(Into::into)),
                Err(TryRecvError::Disconnected) => Ok(Err(NatsError::Gone.into())),
                Err(TryRecvError::Empty) => Err(Self::UnderWay(replies)),
            },
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    /// NATS needs to be told more, above all the producer's name: [`Target::parse`].
    fn from_str(text: &str) -> Result<Self, TargetError> {
        Self::parse(text, NatsSettings::default())
    }
}

impl Target {
    /// The target that `text` names; `nats` says what NATS needs beside its servers, which may be several, by comma.
    pub fn parse(text: &str, nats: NatsSettings) -> Result<Self, TargetError> {
        if ["nats://", "tls://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Ok(Self::Nats(NatsTarget::new(NatsSettings { servers: servers(text), ..nats })?));
        }
        let host = text.strip_prefix("http://").filter(|host| !host.is_empty() && !host.starts_with('/'));
        match (host, text.strip_prefix("file:")) {
            (Some(_), _) => Ok(Self::Http(HttpTarget::new(text))),
            (None, Some(path)) if !path.is_empty() => {
                Ok(Self::File(FileTarget::new(path.strip_prefix("//").unwrap_or(path))))
            }
            _ => Err(TargetError::Address { found: text.to_owned() }),
        }
    }

    /// The most events that may be under way to it at the same time; 0 where it takes one group after the other.
    pub(crate) const fn window(&self) -> usize {
        match self {
            Self::Http(_) | Self::File(_) => 0,
            Self::Nats(_) => nats::MAX_EVENTS,
        }
    }

    /// Sends a group without waiting, to a target with a window.
    pub(crate) fn start(&self, events: &[Pending]) -> Sending {
        match self {
            Self::Nats(target) => target.start(events),
            Self::Http(_) | Self::File(_) => Sending::Done(self.send(events)),
        }
    }

    /// Sends as many of the events, from the first, as go at once. A ledger's replies are about the first events, in
    /// order; a file keeps all of them and answers nothing.
    pub(crate) fn send(&self, events: &[Pending]) -> Result<Vec<Reply>, TargetError> {
        match self {
            Self::Http(target) => Ok(target.post(events)?.into_iter().map(Ok).collect()),
            Self::Nats(target) => target.start(events).wait(),
            Self::File(target) => target.append(events).map(|()| Vec::new()),
        }
    }

    /// Sends an attachment.
    pub(crate) fn attach(&self, digest: &str, bytes: &[u8]) -> Result<(), TargetError> {
        match self {
            Self::Http(target) => target.put(digest, bytes),
            Self::Nats(target) => target.attach(digest, bytes),
            Self::File(target) => target.attach(digest, bytes),
        }
    }
}
