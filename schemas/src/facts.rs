//! What an event says, taken out of its bytes once: the owned form that travels between threads.
//!
//! Promises to hold nothing that the bytes do not say. Never judges: a payload that breaks its schema is kept as that
//! error, because the refusal must still name the event's source and number.

use crate::{
    digest::EventDigest,
    event::{Event, EventError},
    sequence::Claim,
    timestamp::Timestamp,
    vocabulary::{Payload, VocabularyError},
};

/// An event's attributes and payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The event's digest.
    pub digest: EventDigest,
    /// `id`.
    pub id: String,
    /// `source`.
    pub source: String,
    /// `type`, in full.
    pub kind: String,
    /// `subject`.
    pub subject: String,
    /// `time`, as the producer says.
    pub time: Timestamp,
    /// `ledger`.
    pub ledger: Option<EventDigest>,
    /// `sequence`.
    pub sequence: u64,
    /// `previous`.
    pub previous: Option<EventDigest>,
    /// `sequenceend`.
    pub sequence_end: bool,
    /// `data`, or why it is not what `type` and `subject` ask for.
    pub payload: Result<Payload, VocabularyError>,
}

impl Facts {
    /// Reads an event's exact bytes, of that digest.
    pub fn read(bytes: &[u8], digest: EventDigest) -> Result<Self, EventError> {
        Ok(Self::of(&Event::parse(bytes)?, digest))
    }

    /// As [`Self::read`], of bytes that were read before and are known by that digest to be the same.
    pub fn read_again(bytes: &[u8], digest: EventDigest) -> Result<Self, EventError> {
        Ok(Self::of(&Event::parse_again(bytes)?, digest))
    }

    fn of(event: &Event<'_>, digest: EventDigest) -> Self {
        let payload = Payload::parse(event.kind, event.data)
            .and_then(|payload| payload.check_subject(event.subject).map(|()| payload));
        Self {
            digest,
            id: event.id.to_owned(),
            source: event.source.to_owned(),
            kind: event.kind.to_owned(),
            subject: event.subject.to_owned(),
            time: event.time,
            ledger: event.ledger,
            sequence: event.sequence,
            previous: event.previous,
            sequence_end: event.sequence_end,
            payload,
        }
    }

    /// The place that it claims among its source's events.
    pub const fn claim(&self) -> Claim {
        Claim { sequence: self.sequence, previous: self.previous, digest: self.digest, end: self.sequence_end }
    }
}
