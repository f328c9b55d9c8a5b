//! The ledger's own look at an event, taken before it is signed or sent.
//!
//! Promises the verdict of the ledger's strict parser and vocabulary, with field, rule and place. What only the ledger
//! knows is not looked at: whether the key may say it, and whether the number follows. (docs/FORMAT.md)

use lineal_schemas::{
    digest::EventDigest,
    event::{Event, EventError},
    timestamp::Timestamp,
    vocabulary::{Payload, VocabularyError},
};

use crate::draft::{Draft, Place};

/// Why an event would be refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The bytes are no event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The payload is none of the vocabulary, or not for that subject.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
}

impl CheckError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Event(error) => error.code(),
            Self::Vocabulary(error) => error.code(),
        }
    }
}

/// Reads an event's exact bytes as the ledger will.
pub fn check_event(bytes: &[u8]) -> Result<(Event<'_>, Payload), CheckError> {
    let event = Event::parse(bytes)?;
    let payload = Payload::parse(event.kind, event.data)?;
    payload.check_subject(event.subject)?;
    Ok((event, payload))
}

/// Reads the event that a draft would become, with a stand-in for what an emitter adds.
pub fn check_draft(draft: &Draft) -> Result<(), CheckError> {
    let ledger = EventDigest::from_bytes([0; 32]);
    let now = Timestamp::from_millis(0);
    let line = draft.to_line(&Place { source: "lineal://check", ledger, sequence: 1, previous: None, now });
    check_event(&line).map(|_sound| ())
}
