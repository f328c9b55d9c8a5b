//! Where an event stands among its source's events: the numbers that make a withheld event visible.
//!
//! Identity is (source, sequence). A source's state is its head and its open numbers, each with what is known of its
//! two neighbours; the rules read nothing else. Promises that the same events in any admissible order end in the same
//! state. Never asks who sent the event: only events of a key enrolled for the source come here.
//! (docs/FORMAT.md, Sequences)

use std::collections::BTreeMap;

use crate::digest::EventDigest;

/// The most open numbers of a source; one more is refused until some are filled.
pub const MAX_OPEN: u64 = 1024;

/// How an event finds its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// The number after the head.
    Next,
    /// Beyond the next number: this many numbers were opened.
    Skip(u64),
    /// A number that was open.
    Fill,
}

/// Why an event has no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// The number is taken: a duplicate if by the same digest, else a conflict.
    #[error("sequence {sequence} is taken already")]
    Filled {
        /// The number.
        sequence: u64,
    },
    /// `previous` is not the digest of the event before.
    #[error("`previous` of sequence {sequence} is {found}, but the event before it is {expected}")]
    WrongPrevious {
        /// The number.
        sequence: u64,
        /// What the event says.
        found: EventDigest,
        /// What is known.
        expected: EventDigest,
    },
    /// The event after it calls another digest its previous.
    #[error("the event after sequence {sequence} names {expected} as its previous, not {found}")]
    WrongNext {
        /// The number.
        sequence: u64,
        /// The event's digest.
        found: EventDigest,
        /// What the event after it says.
        expected: EventDigest,
    },
    /// `sequenceend` on an event with later ones.
    #[error("`sequenceend` at sequence {sequence}, but the source has gone on to {head}")]
    EndBeforeHead {
        /// The number.
        sequence: u64,
        /// The source's head.
        head: u64,
    },
    /// After the event that ended the source.
    #[error("sequence {sequence} after the source ended at {end}")]
    AfterEnd {
        /// The number.
        sequence: u64,
        /// The last number.
        end: u64,
    },
    /// It would open more than 1,024 numbers.
    #[error("sequence {sequence} would leave {open} open numbers, at most {MAX_OPEN}: send the missing events first")]
    TooManyOpen {
        /// The number.
        sequence: u64,
        /// How many would be open.
        open: u64,
    },
}

impl SequenceError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Filled { .. } => "sequence-taken",
            Self::WrongPrevious { .. } => "wrong-previous",
            Self::WrongNext { .. } => "wrong-next",
            Self::EndBeforeHead { .. } => "end-before-head",
            Self::AfterEnd { .. } => "after-end",
            Self::TooManyOpen { .. } => "too-many-open",
        }
    }

    /// Which rule is broken, without what the event says.
    pub fn without_values(&self) -> String {
        match self {
            Self::Filled { .. } => "the number is taken already".to_owned(),
            Self::WrongPrevious { .. } => "`previous` is not the event before it".to_owned(),
            Self::WrongNext { .. } => "the event after it names another as its previous".to_owned(),
            Self::EndBeforeHead { head, .. } => format!("`sequenceend`, but the source has gone on to {head}"),
            Self::AfterEnd { end, .. } => format!("after the source ended at {end}"),
            Self::TooManyOpen { .. } => format!("it would leave more than {MAX_OPEN} open numbers"),
        }
    }
}

/// An event's place as it claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The number, from 1.
    pub sequence: u64,
    /// What it calls the event before; absent for number 1 alone.
    pub previous: Option<EventDigest>,
    /// The event itself.
    pub digest: EventDigest,
    /// Nothing follows.
    pub end: bool,
}

/// What is known around an open number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Open {
    /// The event before, where it is there.
    before: Option<EventDigest>,
    /// What the event after calls its previous, where it is there.
    after: Option<EventDigest>,
}

/// One source's head and open numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceState {
    head: u64,
    head_digest: Option<EventDigest>,
    end: Option<u64>,
    open: BTreeMap<u64, Open>,
}

impl SourceState {
    /// The highest number taken; 0 before the first event.
    pub const fn head(&self) -> u64 {
        self.head
    }

    /// The digest of the event at the head.
    pub const fn head_digest(&self) -> Option<EventDigest> {
        self.head_digest
    }

    /// The number of the event that ended the source.
    pub const fn end(&self) -> Option<u64> {
        self.end
    }

    /// The numbers below the head that never arrived.
    pub fn open(&self) -> impl Iterator<Item = u64> {
        self.open.keys().copied()
    }

    /// Takes the event into its place, or says why it has none and changes nothing.
    pub fn place(&mut self, claim: &Claim) -> Result<Placement, SequenceError> {
        let sequence = claim.sequence;
        if let Some(end) = self.end.filter(|end| sequence > *end) {
            return Err(SequenceError::AfterEnd { sequence, end });
        }
        if sequence > self.head {
            return self.extend(claim);
        }
        let open = *self.open.get(&sequence).ok_or(SequenceError::Filled { sequence })?;
        agree(claim, open.before)?;
        if let Some(expected) = open.after.filter(|after| *after != claim.digest) {
            return Err(SequenceError::WrongNext { sequence, found: claim.digest, expected });
        }
        if claim.end {
            return Err(SequenceError::EndBeforeHead { sequence, head: self.head });
        }
        self.open.remove(&sequence);
        self.tell_neighbours(claim);
        Ok(Placement::Fill)
    }

    fn extend(&mut self, claim: &Claim) -> Result<Placement, SequenceError> {
        let sequence = claim.sequence;
        let first_open = self.head.saturating_add(1);
        let skipped = sequence.saturating_sub(first_open);
        if skipped == 0 {
            agree(claim, self.head_digest)?;
        }
        let open = skipped.saturating_add(u64::try_from(self.open.len()).unwrap_or(u64::MAX));
        if skipped > 0 && open > MAX_OPEN {
            return Err(SequenceError::TooManyOpen { sequence, open });
        }
        for number in first_open..sequence {
            self.open.insert(number, Open::default());
        }
        if let Some(first) = self.open.get_mut(&first_open) {
            first.before = self.head_digest;
        }
        self.head = sequence;
        self.head_digest = Some(claim.digest);
        self.end = claim.end.then_some(sequence);
        self.tell_neighbours(claim);
        Ok(if skipped == 0 { Placement::Next } else { Placement::Skip(skipped) })
    }

    fn tell_neighbours(&mut self, claim: &Claim) {
        if let Some(before) = self.open.get_mut(&claim.sequence.saturating_sub(1)) {
            before.after = claim.previous;
        }
        if let Some(after) = self.open.get_mut(&claim.sequence.saturating_add(1)) {
            after.before = Some(claim.digest);
        }
    }

    /// The state as bytes, for derived storage: integers big-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend(self.head.to_be_bytes());
        bytes.extend(self.end.unwrap_or(0).to_be_bytes());
        write_digest(&mut bytes, self.head_digest);
        for (number, open) in &self.open {
            bytes.extend(number.to_be_bytes());
            write_digest(&mut bytes, open.before);
            write_digest(&mut bytes, open.after);
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; nothing if it is not that.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let head = read_u64(&mut bytes)?;
        let end = Some(read_u64(&mut bytes)?).filter(|end| *end > 0);
        let mut state = Self { head, end, head_digest: read_digest(&mut bytes).ok()?, open: BTreeMap::new() };
        while !bytes.is_empty() {
            let number = read_u64(&mut bytes)?;
            let open = Open { before: read_digest(&mut bytes).ok()?, after: read_digest(&mut bytes).ok()? };
            state.open.insert(number, open);
        }
        Some(state)
    }
}

/// The first event has nothing before it; any other agrees with what is known.
fn agree(claim: &Claim, known: Option<EventDigest>) -> Result<(), SequenceError> {
    match (claim.previous, known) {
        (Some(found), Some(expected)) if found != expected => {
            Err(SequenceError::WrongPrevious { sequence: claim.sequence, found, expected })
        }
        _ => Ok(()),
    }
}

fn write_digest(bytes: &mut Vec<u8>, digest: Option<EventDigest>) {
    bytes.push(u8::from(digest.is_some()));
    if let Some(digest) = digest {
        bytes.extend(digest.as_bytes());
    }
}

fn read_u64(bytes: &mut &[u8]) -> Option<u64> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_be_bytes(*taken))
}

/// Bytes that end too early.
struct Short;

fn read_digest(bytes: &mut &[u8]) -> Result<Option<EventDigest>, Short> {
    let (flag, rest) = bytes.split_first().ok_or(Short)?;
    *bytes = rest;
    if *flag == 0 {
        return Ok(None);
    }
    let (taken, rest) = bytes.split_first_chunk().ok_or(Short)?;
    *bytes = rest;
    Ok(Some(EventDigest::from_bytes(*taken)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(number: u64) -> EventDigest {
        EventDigest::of(&number.to_be_bytes())
    }

    /// The honest event of that number.
    fn claim(sequence: u64) -> Claim {
        let previous = (sequence > 1).then(|| digest(sequence - 1));
        Claim { sequence, previous, digest: digest(sequence), end: false }
    }

    #[track_caller]
    fn after(numbers: &[u64]) -> SourceState {
        let mut state = SourceState::default();
        for number in numbers {
            state.place(&claim(*number)).unwrap();
        }
        state
    }

    #[track_caller]
    fn refuses(state: &SourceState, claim: Claim, code: &str) {
        let mut changed = state.clone();
        assert_eq!(changed.place(&claim).unwrap_err().code(), code);
        assert_eq!(changed, *state, "a refusal changes nothing");
    }

    #[test]
    fn a_second_story_about_a_number_is_refused() {
        let state = after(&[1, 2]);
        refuses(&state, claim(2), "sequence-taken");
        refuses(&state, Claim { previous: Some(digest(9)), ..claim(3) }, "wrong-previous");
        let gap = after(&[1, 4]);
        refuses(&gap, Claim { previous: Some(digest(9)), ..claim(2) }, "wrong-previous");
        refuses(&gap, Claim { digest: digest(9), ..claim(3) }, "wrong-next");
        refuses(&gap, Claim { end: true, ..claim(3) }, "end-before-head");
    }

    #[test]
    fn nothing_follows_the_end_but_gaps_before_it_are_filled() {
        let mut state = after(&[1]);
        state.place(&Claim { end: true, ..claim(3) }).unwrap();
        refuses(&state, claim(4), "after-end");
        assert_eq!(state.place(&claim(2)), Ok(Placement::Fill));
    }

    #[test]
    fn at_most_1024_numbers_are_open() {
        let mut state = after(&[1]);
        refuses(&state, claim(1027), "too-many-open");
        assert_eq!(state.place(&claim(1026)), Ok(Placement::Skip(1024)));
        refuses(&state, claim(1028), "too-many-open");
        assert_eq!(state.place(&claim(1027)), Ok(Placement::Next));
    }

    proptest! {
        #[test]
        fn any_order_ends_in_the_same_state(order in Just((1..=40_u64).collect::<Vec<_>>()).prop_shuffle()) {
            let state = after(&order);
            prop_assert_eq!(state.open().count(), 0);
            prop_assert_eq!(state, after(&(1..=40).collect::<Vec<_>>()));
        }

        #[test]
        fn a_state_comes_back_as_it_went(numbers in prop::collection::btree_set(1..60_u64, 0..20)) {
            let state = after(&numbers.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(SourceState::from_bytes(&state.to_bytes()), Some(state));
        }

        #[test]
        fn a_filled_gap_never_accepts_a_forgery(numbers in prop::collection::btree_set(1..30_u64, 1..15), at in 1..30_u64) {
            let mut state = after(&numbers.iter().copied().collect::<Vec<_>>());
            let forged = Claim { digest: digest(1000), ..claim(at) };
            if numbers.contains(&(at + 1)) {
                prop_assert!(state.place(&forged).is_err());
            }
        }
    }
}
