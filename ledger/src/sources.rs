//! The states of all sources as the one writer sees them: the index's, and over it what the index does not reflect yet.
//!
//! Exact although the index lags. Promises memory bounded by the lag and not by the number of events: what the index
//! has caught up with is dropped here. Never reads a lagging answer: the overlay is asked first.

use std::collections::{HashMap, VecDeque};

use lineal_schemas::{
    digest::EventDigest,
    facts::Facts,
    sequence::{Claim, SourceState},
    vocabulary::{Payload, ledger::EventRejected},
};

use crate::index::{Index, Touch, Tracked, store::StoreError};

/// The most entries that the index may lag behind; then intake waits for it.
pub const MAX_LAG: u64 = 16_384;

/// Who holds a number, or the refusal of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The entry.
    pub index: u64,
    /// The event that it admits or refuses.
    pub digest: EventDigest,
}

#[derive(Debug)]
enum Step {
    Source(String),
    Number(u32, u64),
    Refusal(EventDigest),
}

/// All sources.
#[derive(Debug)]
pub struct Sources {
    index: Index,
    numbered: u32,
    tracked: HashMap<String, (Tracked, u64)>,
    held: HashMap<(u32, u64), Held>,
    refusals: HashMap<EventDigest, u64>,
    steps: VecDeque<(u64, Step)>,
}

impl Sources {
    /// Over an index that reflects `numbered` sources.
    pub fn new(index: Index, numbered: u32) -> Self {
        Self {
            index,
            numbered,
            tracked: HashMap::new(),
            held: HashMap::new(),
            refusals: HashMap::new(),
            steps: VecDeque::new(),
        }
    }

    /// How many sources have a number.
    pub const fn numbered(&self) -> u32 {
        self.numbered
    }

    /// A source's number and state; for a new one the number that it would get.
    pub fn get(&self, source: &str) -> Result<Tracked, StoreError> {
        if let Some((tracked, _index)) = self.tracked.get(source) {
            return Ok(tracked.clone());
        }
        let stored = self.index.source(source)?;
        Ok(stored.unwrap_or_else(|| Tracked { number: self.numbered, state: SourceState::default() }))
    }

    /// Who holds a number, as far as the overlay knows; else the index of the entry, for the caller to look into.
    pub fn holder(&self, number: u32, sequence: u64) -> Result<Option<Result<Held, u64>>, StoreError> {
        if let Some(held) = self.held.get(&(number, sequence)) {
            return Ok(Some(Ok(*held)));
        }
        Ok(self.index.holder(number, sequence)?.map(Err))
    }

    /// The index of the refusal of an event.
    pub fn refusal(&self, digest: &EventDigest) -> Result<Option<u64>, StoreError> {
        match self.refusals.get(digest) {
            Some(index) => Ok(Some(*index)),
            None => self.index.refusal(digest),
        }
    }

    /// Follows a committed entry, or one about to be: the number that it takes at its source, and for a refusal that
    /// fills one, the number of the refused event.
    pub fn follow(&mut self, index: u64, facts: &Facts) -> Result<Vec<Touch>, StoreError> {
        let mut touches = vec![self.take(&facts.source, &facts.claim(), index)?];
        match &facts.payload {
            Ok(Payload::EventRejected(refused)) => {
                self.refuse(refused.event, index);
                if let Some((source, claim)) = filled_by(refused) {
                    touches.push(self.take(source, &claim, index)?);
                }
            }
            Ok(Payload::EventConflicted(refused)) => self.refuse(refused.event, index),
            _ => {}
        }
        Ok(touches)
    }

    fn take(&mut self, source: &str, claim: &Claim, index: u64) -> Result<Touch, StoreError> {
        let Tracked { number, mut state } = self.get(source)?;
        let misplaced = |error| StoreError(format!("entry {index} has no place in `{source}`: {error}"));
        state.place(claim).map_err(misplaced)?;
        self.numbered = self.numbered.max(number + 1);
        let tracked = Tracked { number, state };
        self.tracked.insert(source.to_owned(), (tracked.clone(), index));
        self.held.insert((number, claim.sequence), Held { index, digest: claim.digest });
        self.steps.push_back((index, Step::Source(source.to_owned())));
        self.steps.push_back((index, Step::Number(number, claim.sequence)));
        Ok(Touch { source: source.to_owned(), tracked, sequence: claim.sequence })
    }

    fn refuse(&mut self, digest: EventDigest, index: u64) {
        self.refusals.insert(digest, index);
        self.steps.push_back((index, Step::Refusal(digest)));
    }

    /// Drops what the index reflects: all entries below `size`.
    pub fn forget(&mut self, size: u64) {
        while self.steps.front().is_some_and(|(index, _step)| *index < size) {
            match self.steps.pop_front() {
                Some((_, Step::Source(source)))
                    if self.tracked.get(&source).is_some_and(|(_tracked, index)| *index < size) =>
                {
                    self.tracked.remove(&source);
                }
                Some((_, Step::Number(number, sequence))) => {
                    self.held.remove(&(number, sequence));
                }
                Some((_, Step::Refusal(digest))) => {
                    self.refusals.remove(&digest);
                }
                // It was touched again since.
                Some((_, Step::Source(_))) | None => {}
            }
        }
    }

    /// Entries held in the overlay, at most.
    pub fn overlay(&self) -> usize {
        self.held.len()
    }
}

/// The number that a refusal fills. A refused event never ends its source.
fn filled_by(refused: &EventRejected) -> Option<(&str, Claim)> {
    let source = refused.source.as_ref().filter(|_source| refused.fills)?;
    let sequence = refused.sequence?.get();
    Some((source.as_str(), Claim { sequence, previous: refused.previous, digest: refused.event, end: false }))
}
