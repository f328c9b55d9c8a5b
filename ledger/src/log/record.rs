//! The committed record as readers see it: entries, bodies and proofs, by index, while the one writer goes on.
//!
//! Shared by every reader. Promises to show nothing that is not committed. Never writes.

use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
};

use lineal_schemas::{
    checkpoint::SignedCheckpoint,
    digest::{EventDigest, RootHash},
    entry::{Entry, MAX_ENTRY_BYTES},
    facts::Facts,
    head::Head,
    line::Line,
    merkle::{empty_root, leaf_hash, verify_inclusion},
    receipt::Receipt,
};

use super::{
    derived::Derived,
    lines::{Lines, MAX_LINE_BYTES, Next},
    tree::Hashes,
};
use crate::storage::StoredFile;

/// The folder of the segments, within the data directory.
pub const FOLDER: &str = "record";

/// The name of the segment that begins with entry `first`.
pub fn segment_name(first: u64) -> String {
    format!("{FOLDER}/{first:020}.log")
}

/// Why something committed could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk failed.
    #[error("reading the record: {0}")]
    Io(#[from] io::Error),
    /// There is no such entry.
    #[error("there is no entry {index}: the record holds {size}")]
    NoSuchEntry {
        /// Asked for.
        index: u64,
        /// Entries committed.
        size: u64,
    },
    /// What is read is not what was committed: the record is damaged, or a derived file is.
    #[error("entry {index} does not read as it was committed: {found}")]
    Damaged {
        /// The entry.
        index: u64,
        /// What was found.
        found: String,
    },
}

/// How far the record is committed.
#[derive(Debug, Clone)]
pub struct Committed {
    /// As in the head file.
    pub head: Head,
    /// Batches.
    pub batches: u64,
    /// The newest checkpoint's text.
    pub checkpoint: Arc<str>,
}

/// A committed line, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// The entry's index.
    pub index: u64,
    entry: Entry,
    line: Vec<u8>,
    tab: usize,
}

impl StoredEntry {
    /// A line read from disk, if it is that of entry `index`, with its event or none.
    fn check(index: u64, line: Vec<u8>) -> Result<Self, ReadError> {
        let damaged = |found: String| ReadError::Damaged { index, found };
        match Line::parse(&line).map_err(|error| damaged(error.to_string()))? {
            Line::Entry { entry, .. } if entry.index != index => {
                Err(damaged(format!("the line of entry {}", entry.index)))
            }
            Line::Entry { entry, body: Some(body), .. } if EventDigest::of(body) != entry.event => {
                Err(damaged(format!("an event with the digest {}", EventDigest::of(body))))
            }
            Line::Entry { entry, entry_bytes, .. } => {
                let tab = entry_bytes.len();
                Ok(Self { index, entry, line, tab })
            }
            Line::Checkpoint(_) => Err(damaged("a checkpoint".to_owned())),
        }
    }

    /// The entry's bytes: the Merkle leaf.
    pub fn entry_bytes(&self) -> &[u8] {
        self.line.get(..self.tab).unwrap_or_default()
    }

    /// The event's bytes; `None` where they have been erased.
    pub fn body(&self) -> Option<&[u8]> {
        self.line.get(self.tab + 1..).filter(|body| !body.is_empty())
    }

    /// The entry.
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The entry, without its line.
    pub fn into_entry(self) -> Entry {
        self.entry
    }

    /// What the event says; nothing where its body is erased.
    pub fn facts(&self) -> Option<Facts> {
        self.body().and_then(|body| Facts::read(body, self.entry.event).ok())
    }

    /// As [`Self::facts`], of an entry that the index holds: its event was scanned when it was put there, and has the same
    /// digest still.
    pub fn facts_again(&self) -> Option<Facts> {
        self.body().and_then(|body| Facts::read_again(body, self.entry.event).ok())
    }
}

/// A segment that is open.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Index of its first entry.
    pub first: u64,
    /// Its file.
    pub file: Arc<dyn StoredFile>,
}

/// The committed record.
#[derive(Debug)]
pub struct Record {
    origin: String,
    derived: Derived,
    segments: RwLock<Vec<Segment>>,
    committed: RwLock<Committed>,
}

impl Record {
    pub(super) fn new(origin: String, derived: Derived, segments: Vec<Segment>, committed: Committed) -> Self {
        Self { origin, derived, segments: RwLock::new(segments), committed: RwLock::new(committed) }
    }

    /// The ledger's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How far it is committed.
    pub fn committed(&self) -> Committed {
        self.committed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Entries committed.
    pub fn size(&self) -> u64 {
        self.committed.read().unwrap_or_else(PoisonError::into_inner).head.size
    }

    pub(super) fn publish(&self, committed: Committed) {
        *self.committed.write().unwrap_or_else(PoisonError::into_inner) = committed;
    }

    pub(super) fn add_segment(&self, segment: Segment) {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).push(segment);
    }

    /// The derived files.
    pub const fn derived(&self) -> &Derived {
        &self.derived
    }

    /// All segments, in order.
    pub fn segments(&self) -> Vec<Segment> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The segment that holds entry `index`.
    pub fn segment_of(&self, index: u64) -> Option<Segment> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.iter().rev().find(|segment| segment.first <= index).cloned()
    }

    /// Entry `index`, with its body.
    pub fn get(&self, index: u64) -> Result<StoredEntry, ReadError> {
        let size = self.size();
        if index >= size {
            return Err(ReadError::NoSuchEntry { index, size });
        }
        let (offset, next) = self.derived.offsets(index, size)?;
        let segment = self.segment_of(index).ok_or(ReadError::NoSuchEntry { index, size })?;
        StoredEntry::check(index, read_line(&*segment.file, offset, next, index)?)
    }

    /// Entries from `from` to `to`, each given to `visit` in order, read in one go.
    pub fn scan(
        &self,
        from: u64,
        to: u64,
        visit: &mut dyn FnMut(StoredEntry) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let to = to.min(self.size());
        let mut index = from;
        while index < to {
            let segment = self.segment_of(index).ok_or(ReadError::NoSuchEntry { index, size: to })?;
            let mut lines = Lines::new(&*segment.file, self.derived.offset(index)?, self.end_of(&segment, to)?);
            while index < to {
                let Next::Line(located) = lines.next_line()? else { break };
                if located.line.first() == Some(&b'"') {
                    continue;
                }
                visit(StoredEntry::check(index, located.line.to_vec())?)?;
                index += 1;
            }
            if self.segment_of(index).is_some_and(|next| next.first == segment.first) && index < to {
                return Err(ReadError::Damaged { index, found: "the segment ends before it".to_owned() });
            }
        }
        Ok(())
    }

    /// Where reading `segment` for entries below `to` ends.
    fn end_of(&self, segment: &Segment, to: u64) -> Result<u64, ReadError> {
        let same = to < self.size() && self.segment_of(to).is_some_and(|next| next.first == segment.first);
        Ok(if same { self.derived.offset(to)? } else { segment.file.length()? })
    }

    fn line_at(&self, index: u64, offset: u64) -> Result<Vec<u8>, ReadError> {
        let segment = self.segment_of(index).ok_or_else(|| ReadError::NoSuchEntry { index, size: self.size() })?;
        read_line(&*segment.file, offset, None, index)
    }

    /// The text of the checkpoint that ended the batch of entry `index`, and the tree size that it signs.
    fn checkpoint_of(&self, index: u64, batches: u64) -> Result<(u64, String), ReadError> {
        let (_number, size, offset) = self.derived.batch_of(index, batches)?;
        let line = self.line_at(size - 1, offset)?;
        match Line::parse(&line) {
            Ok(Line::Checkpoint(text)) => Ok((size, text)),
            Ok(Line::Entry { .. }) => Err(ReadError::Damaged { index, found: "no checkpoint".to_owned() }),
            Err(error) => Err(ReadError::Damaged { index, found: error.to_string() }),
        }
    }

    /// The receipt of entry `index`: always the same bytes, against the checkpoint of its own batch. It is checked before
    /// it is given: a damaged derived file makes an error, never a receipt that does not hold.
    pub fn receipt(&self, index: u64) -> Result<String, ReadError> {
        self.receipt_of(&self.get(index)?, &mut Proofs::new(&self.derived))
    }

    /// The receipts of the entries from `from` to `to`, read in one go.
    pub fn receipts(&self, from: u64, to: u64) -> Result<Vec<String>, ReadError> {
        let mut proofs = Proofs::new(&self.derived);
        let mut receipts = Vec::new();
        self.scan(from, to, &mut |stored| {
            receipts.push(self.receipt_of(&stored, &mut proofs)?);
            Ok(())
        })?;
        Ok(receipts)
    }

    fn receipt_of(&self, stored: &StoredEntry, proofs: &mut Proofs<'_>) -> Result<String, ReadError> {
        let index = stored.index;
        if index >= proofs.size {
            let (size, checkpoint) = self.checkpoint_of(index, self.committed().batches)?;
            let signed = SignedCheckpoint::parse(&checkpoint);
            let signed = signed.map_err(|error| ReadError::Damaged { index, found: error.to_string() })?;
            (proofs.size, proofs.root, proofs.checkpoint) = (size, signed.checkpoint().root, checkpoint);
        }
        let path = proofs.hashes.inclusion(index, proofs.size)?;
        let checked = verify_inclusion(index, proofs.size, &leaf_hash(stored.entry_bytes()), &path, &proofs.root);
        checked.map_err(|error| ReadError::Damaged { index, found: error.to_string() })?;
        Ok(Receipt::build(stored.entry_bytes(), index, &path, &proofs.checkpoint))
    }

    /// The inclusion proof of entry `index` in the tree of `size` entries.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, ReadError> {
        Ok(self.derived.hashes().inclusion(index, size)?)
    }

    /// The root of the tree of `size` entries, compared with the checkpoint where a batch ends there.
    pub fn root(&self, size: u64) -> Result<RootHash, ReadError> {
        let root = self.derived.hashes().frontier(size)?.root();
        let Some(last) = size.checked_sub(1) else { return Ok(root) };
        let (ends, checkpoint) = self.checkpoint_of(last, self.committed().batches)?;
        let damaged = |found: String| ReadError::Damaged { index: last, found };
        let signed = SignedCheckpoint::parse(&checkpoint).map_err(|error| damaged(error.to_string()))?;
        if ends == size && signed.checkpoint().root != root {
            return Err(damaged(format!("the root {root} in the derived files")));
        }
        Ok(root)
    }
}

/// What proofs of entries in order share: the checkpoint of the batch at hand, and the hashes read so far.
struct Proofs<'a> {
    size: u64,
    root: RootHash,
    checkpoint: String,
    hashes: Hashes<'a>,
}

impl<'a> Proofs<'a> {
    fn new(derived: &'a Derived) -> Self {
        Self { size: 0, root: empty_root(), checkpoint: String::new(), hashes: derived.hashes() }
    }
}

/// Reads one line at `offset`. Where it is known where the `next` entry begins, it is read in one go; else in small steps, as
/// most lines are short.
pub(super) fn read_line(
    file: &dyn StoredFile,
    offset: u64,
    next: Option<u64>,
    index: u64,
) -> Result<Vec<u8>, ReadError> {
    // A checkpoint may stand between two entries.
    const MOST: u64 = (MAX_LINE_BYTES + MAX_ENTRY_BYTES) as u64;
    if let Some(count) = next.and_then(|next| next.checked_sub(offset)).filter(|count| *count <= MOST) {
        let mut line = vec![0; usize::try_from(count).unwrap_or(0)];
        if file.read_at(&mut line, offset).is_ok()
            && let Some(end) = memchr::memchr(b'\n', &line)
        {
            line.truncate(end);
            return Ok(line);
        }
    }
    let length = file.length()?;
    let (mut line, mut at, mut step) = (Vec::new(), offset, 4096_u64);
    loop {
        let count = usize::try_from(length.saturating_sub(at).min(step)).unwrap_or(0);
        if count == 0 {
            return Err(ReadError::Damaged { index, found: "a line without its end".to_owned() });
        }
        let start = line.len();
        line.resize(start + count, 0);
        let (_before, new) = line.split_at_mut(start);
        file.read_at(new, at)?;
        if let Some(end) = memchr::memchr(b'\n', new) {
            line.truncate(start + end);
            return Ok(line);
        }
        at += count as u64;
        step *= 4;
    }
}
