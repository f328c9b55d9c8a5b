//! Walks the record line by line and checks that each belongs where it stands: index, time, chain, body, tree, batch.
//!
//! Recovery, rebuilding and the background scrub are this one walk. Promises to name the first line that does not fit,
//! with what was expected and what was found. Never repairs and never skips.

use lineal_schemas::{
    checkpoint::SignedCheckpoint,
    digest::{EntryHash, EventDigest},
    line::Line,
    merkle::leaf_hash,
    timestamp::Timestamp,
};

use super::tree::Frontier;

/// A line that does not belong where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "damaged record: at index {index} (segment {segment:020}.log, byte {offset}), {rule}: expected {expected}, found {found}"
)]
pub struct Damage {
    /// The entry concerned; for a checkpoint, the size that it should have.
    pub index: u64,
    /// The segment, by its first index.
    pub segment: u64,
    /// Offset of the line in the segment.
    pub offset: u64,
    /// The rule, a stable name.
    pub rule: &'static str,
    /// What should stand there.
    pub expected: String,
    /// What does.
    pub found: String,
}

/// Where the walk stands: all that the next line must agree with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The ledger's origin, which every checkpoint names.
    pub origin: String,
    /// The right edge of the tree so far.
    pub frontier: Frontier,
    /// What the next entry must call `previous`.
    pub previous: EntryHash,
    /// When the last entry was received.
    pub received: Timestamp,
    /// The size at the last checkpoint.
    pub batch_start: u64,
}

/// A line that belongs.
#[derive(Debug)]
pub enum Step<'a> {
    /// An entry and its event.
    Entry {
        /// The line.
        line: Line<'a>,
        /// The hashes that it adds to the file of hashes.
        hashes: Vec<u8>,
    },
    /// The end of a batch.
    Checkpoint {
        /// Its text.
        text: String,
        /// As read: of the entries before, but its signatures are the caller's to judge.
        signed: SignedCheckpoint,
    },
}

impl Position {
    /// Before the first entry of the ledger `origin`.
    pub fn start(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            frontier: Frontier::default(),
            previous: EntryHash::before_genesis(origin),
            received: Timestamp::MIN,
            batch_start: 0,
        }
    }

    /// Entries so far.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Takes the next line, at `offset` of `segment`.
    pub fn step<'a>(&mut self, line: &'a [u8], segment: u64, offset: u64) -> Result<Step<'a>, Damage> {
        let index = self.size();
        let damage = |rule, expected: &dyn std::fmt::Display, found: &dyn std::fmt::Display| Damage {
            index,
            segment,
            offset,
            rule,
            expected: expected.to_string(),
            found: found.to_string(),
        };
        let parsed = Line::parse(line).map_err(|error| damage(error.code(), &"a line of the record", &error))?;
        match parsed {
            Line::Entry { ref entry, entry_bytes, body } => {
                if entry.index != index {
                    return Err(damage("entry-index", &index, &entry.index));
                }
                if entry.previous != self.previous {
                    return Err(damage("chain", &self.previous, &entry.previous));
                }
                if entry.received < self.received {
                    return Err(damage(
                        "received-order",
                        &format_args!("not before {}", self.received),
                        &entry.received,
                    ));
                }
                // The grammar has room for a body that was erased; nothing erases yet, so one that is not there is damage.
                let body = body.ok_or_else(|| damage("event-missing", &entry.event, &"no body"))?;
                let digest = EventDigest::of(body);
                if digest != entry.event {
                    return Err(damage("event-digest", &entry.event, &digest));
                }
                self.received = entry.received;
                self.previous = EntryHash::of(entry_bytes);
                let mut hashes = Vec::with_capacity(64);
                self.frontier.push(leaf_hash(entry_bytes), &mut hashes);
                Ok(Step::Entry { line: parsed, hashes })
            }
            Line::Checkpoint(text) => {
                let signed = SignedCheckpoint::parse(&text)
                    .map_err(|error| damage(error.code(), &"a signed checkpoint", &error))?;
                let checkpoint = signed.checkpoint();
                if checkpoint.origin != self.origin {
                    return Err(damage("checkpoint-origin", &self.origin, &checkpoint.origin));
                }
                if checkpoint.size != index || index == self.batch_start {
                    return Err(damage("checkpoint-size", &index, &checkpoint.size));
                }
                let root = self.frontier.root();
                if checkpoint.root != root {
                    return Err(damage("checkpoint-root", &root, &checkpoint.root));
                }
                self.batch_start = index;
                Ok(Step::Checkpoint { text, signed })
            }
        }
    }
}
