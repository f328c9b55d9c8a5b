//! Where an entry stands: its index, its link to the entry before, and its time.
//!
//! Promises that a damaged line costs a finding or two, not one for every line after it: the next whole entry is taken
//! up where it says it stands, or where its link says so. Never looks at a body.

use lineal_schemas::{digest::EntryHash, entry::Entry, timestamp::Timestamp};

use crate::{
    finding::{Findings, Place},
    rule::Rule,
};

/// Where the next entry has to stand, and what it has to name.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Index of the next entry.
    next: u64,
    /// Lines since the last whole entry that were not readable: so many entries may be missing.
    lost: u64,
    /// The last entry's index and hash; no index before entry 0, nothing after a line that was not readable.
    last: Option<(Option<u64>, EntryHash)>,
    received: Timestamp,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is the next.
    Next(u64),
    /// It is taken as this one, but not all before it are there.
    After(u64),
    /// It does not belong here at all.
    Stray,
}

impl Chain {
    pub(crate) fn start(origin: &str) -> Self {
        Self { next: 0, lost: 0, last: Some((None, EntryHash::before_genesis(origin))), received: Timestamp::MIN }
    }

    /// Index of the next entry, as far as it can be known.
    pub(crate) const fn next(&self) -> u64 {
        self.next.saturating_add(self.lost)
    }

    /// Whether the next entry may have this index: after unreadable lines there are several.
    pub(crate) fn may_be_next(&self, index: u64) -> bool {
        (self.next..=self.next()).contains(&index)
    }

    /// When the last entry was received.
    pub(crate) const fn received(&self) -> Timestamp {
        self.received
    }

    /// A line was not readable that may have been an entry. Gives the index that it may have had.
    pub(crate) const fn lose(&mut self) -> u64 {
        let index = self.next();
        self.lost = self.lost.saturating_add(1);
        self.last = None;
        index
    }

    /// A checkpoint or a segment's name settles how many entries the unreadable lines were.
    pub(crate) const fn settle(&mut self, next: u64) {
        self.next = next;
        self.lost = 0;
    }

    /// Takes the entry in, with all that does not fit.
    pub(crate) fn link(&mut self, entry: &Entry, hash: EntryHash, place: Place, findings: &mut Findings) -> Standing {
        let fits = self.may_be_next(entry.index);
        let place = Place { index: Some(if fits { entry.index } else { self.next }), ..place };
        if !fits {
            findings.add(
                Rule::EntryIndex,
                place,
                format_args!("index {}", self.next),
                format_args!("index {}", entry.index),
            );
        }
        let linked = self.check_link(entry, place, findings);
        let standing = self.stand(entry, fits, linked);
        self.last = Some((Some(entry.index), hash));
        if let Standing::Next(index) | Standing::After(index) = standing {
            self.settle(index.saturating_add(1));
            if entry.received < self.received {
                let place = Place { index: Some(index), ..place };
                findings.add(Rule::ReceivedOrder, place, format_args!("not before {}", self.received), entry.received);
            }
            self.received = entry.received;
        }
        standing
    }

    /// Whether it names the entry before; unknown after a line that was not readable.
    fn check_link(&self, entry: &Entry, place: Place, findings: &mut Findings) -> Option<bool> {
        let (before, hash) = self.last?;
        if hash == entry.previous {
            return Some(true);
        }
        let what = before.map_or_else(|| "the origin and a newline".to_owned(), |before| format!("entry {before}"));
        let expected = format!("`previous` is {hash}, the SHA-256 of {what}");
        let place = Place { other_end: before, ..place };
        findings.add(
            Rule::ChainBroken,
            place,
            expected,
            format_args!("entry {} names {}", entry.index, entry.previous),
        );
        Some(false)
    }

    fn stand(&self, entry: &Entry, fits: bool, linked: Option<bool>) -> Standing {
        let follows_last =
            self.last.is_some_and(|(last, _)| last.is_some_and(|last| last.checked_add(1) == Some(entry.index)));
        match linked {
            _ if fits && self.lost == 0 => Standing::Next(entry.index),
            _ if fits => Standing::After(entry.index),
            // The link holds, so it is the index that is wrong: here, or on a line before that was believed.
            Some(true) if follows_last => Standing::After(entry.index),
            Some(true) => Standing::Next(self.next),
            _ if entry.index > self.next => Standing::After(entry.index),
            _ => Standing::Stray,
        }
    }
}
