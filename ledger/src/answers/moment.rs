//! The moment of an answer: what was true then (valid time), as it was known then (record time).
//!
//! Everything that an answer takes into account is bounded here, once: entries at or beyond the known size do not exist,
//! with their corrections, names and keys; and what happened after the moment has not happened yet. Promises that the
//! same moment gives the same answer whenever it is asked for. Never guesses at the future. (docs/DESIGN.md)

use lineal_schemas::timestamp::Timestamp;

use super::AnswerError;
use crate::{ledger::View, log::record::ReadError};

pub mod spelling;

/// A question's place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    /// When it is asked.
    pub now: Timestamp,
    /// The moment that it is about; where none is given, the moment of what is known.
    pub at: Option<Timestamp>,
    /// What may be known; all of it where nothing is given.
    pub known: Option<Known>,
}

/// How much of the record may be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// What the ledger had taken at that time.
    At(Timestamp),
    /// Everything up to that entry, itself included.
    Entry(u64),
}

impl From<Timestamp> for When {
    /// The present.
    fn from(now: Timestamp) -> Self {
        Self { now, at: None, known: None }
    }
}

/// How far an asker's clock may be ahead of ours, in milliseconds.
const SKEW_MS: i64 = 60_000;

/// A question's place in time, found in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The moment that the answer is about.
    pub at: Timestamp,
    /// Entries that are known.
    pub size: u64,
    /// When the ledger took the last of them.
    pub known_at: Timestamp,
    /// Whether the moment was asked for, or is the present.
    pub is_asked: bool,
    /// Whether the known size was asked for, or is all of it.
    pub is_known_asked: bool,
}

impl Moment {
    /// Finds a question's place in the record, as far as the index reflects it.
    pub fn find(view: &View, when: When) -> Result<Self, AnswerError> {
        let all = view.index.stamp()?.size;
        let size = match when.known {
            None => all,
            Some(Known::Entry(index)) if index < all => index + 1,
            Some(Known::Entry(index)) => return Err(ReadError::NoSuchEntry { index, size: all }.into()),
            Some(Known::At(time)) => received_by(view, all, not_ahead(time, when.now)?)?,
        };
        let Some(last) = size.checked_sub(1) else {
            let Some(Known::At(at)) = when.known else { return Err(ReadError::NoSuchEntry { index: 0, size }.into()) };
            return Err(AnswerError::BeforeTheRecord { at, begins: received(view, 0)? });
        };
        let known_at = received(view, last)?;
        let at = match (when.at, when.known) {
            (Some(at), _) => not_ahead(at, when.now)?,
            (None, Some(Known::At(time))) => time,
            (None, Some(Known::Entry(_))) => known_at,
            (None, None) => when.now,
        };
        Ok(Self { at, size, known_at, is_asked: when.at.is_some(), is_known_asked: when.known.is_some() })
    }

    /// Whether what happened at `time` has happened. What the ledger knows without a moment asked for has.
    pub fn is_past(&self, time: Timestamp) -> bool {
        !self.is_asked || time <= self.at
    }

    /// The first moment that has not come yet; none where no moment was asked for.
    pub fn next(&self) -> Option<Timestamp> {
        self.is_asked.then(|| Timestamp::from_millis(self.at.as_millis().saturating_add(1)))
    }
}

fn not_ahead(at: Timestamp, now: Timestamp) -> Result<Timestamp, AnswerError> {
    if at.as_millis().saturating_sub(now.as_millis()) > SKEW_MS {
        return Err(AnswerError::Future { at, now });
    }
    Ok(at)
}

/// How many entries the ledger had taken by then. `received` never goes back, so it can be searched for.
pub(super) fn received_by(view: &View, all: u64, time: Timestamp) -> Result<u64, AnswerError> {
    let (mut low, mut high) = (0, all);
    while low < high {
        let middle = low + (high - low) / 2;
        if received(view, middle)? <= time {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

fn received(view: &View, index: u64) -> Result<Timestamp, AnswerError> {
    Ok(view.record.get(index)?.entry().received)
}
