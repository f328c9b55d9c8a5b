//! The committed record as readers see it: entries, bodies and proofs, by index, while the one writer goes on.
//!
//! Shared by every reader. Promises to show nothing that is not committed. Never writes.

use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
};

use lineal_schemas::{
    digest::RootHash,
    head::Head,
    line::{self, Line, LineError},
    receipt::Receipt,
};

use super::{
    derived::Derived,
    lines::{Lines, Next},
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
    /// The line is not what it was when it was committed.
    #[error("the line of entry {index} is damaged: {found}")]
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
    line: Vec<u8>,
    tab: usize,
}

impl StoredEntry {
    /// The entry's bytes: the Merkle leaf.
    pub fn entry_bytes(&self) -> &[u8] {
        self.line.get(..self.tab).unwrap_or_default()
    }

    /// The event's bytes; `None` where they have been erased.
    pub fn body(&self) -> Option<&[u8]> {
        self.line.get(self.tab + 1..).filter(|body| !body.is_empty())
    }

    /// The entry, read.
    pub fn entry(&self) -> Result<lineal_schemas::entry::Entry, ReadError> {
        match Line::parse(&self.line) {
            Ok(Line::Entry { entry, .. }) if entry.index == self.index => Ok(entry),
            Ok(_) => Err(ReadError::Damaged { index: self.index, found: "another line".to_owned() }),
            Err(error) => Err(ReadError::Damaged { index: self.index, found: error.to_string() }),
        }
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
        let line = self.line_at(index, self.derived.offset(index)?)?;
        let damaged = |error: LineError| ReadError::Damaged { index, found: error.to_string() };
        let tab = line::split(&line).ok_or(LineError::NoTab).map_err(damaged)?.0.len();
        Ok(StoredEntry { index, line, tab })
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
            let mut lines = Lines::new(&*segment.file, self.derived.offset(index)?, segment.file.length()?);
            while index < to {
                let Next::Line(located) = lines.next_line()? else { break };
                if located.line.first() != Some(&b'{') {
                    continue;
                }
                let tab = line::split(located.line).map(|(entry, _body)| entry.len());
                let tab = tab.ok_or_else(|| ReadError::Damaged { index, found: LineError::NoTab.to_string() })?;
                visit(StoredEntry { index, line: located.line.to_vec(), tab })?;
                index += 1;
            }
            if self.segment_of(index).is_some_and(|next| next.first == segment.first) && index < to {
                return Err(ReadError::Damaged { index, found: "the segment ends before it".to_owned() });
            }
        }
        Ok(())
    }

    fn line_at(&self, index: u64, offset: u64) -> Result<Vec<u8>, ReadError> {
        let segment = self.segment_of(index).ok_or_else(|| ReadError::NoSuchEntry { index, size: self.size() })?;
        read_line(&*segment.file, offset, index)
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

    /// The receipt of entry `index`: always the same bytes, against the checkpoint of its own batch.
    pub fn receipt(&self, index: u64) -> Result<String, ReadError> {
        let entry = self.get(index)?;
        let (size, checkpoint) = self.checkpoint_of(index, self.committed().batches)?;
        let path = self.derived.hashes().inclusion(index, size)?;
        Ok(Receipt::build(entry.entry_bytes(), index, &path, &checkpoint))
    }

    /// The inclusion proof of entry `index` in the tree of `size` entries.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, ReadError> {
        Ok(self.derived.hashes().inclusion(index, size)?)
    }

    /// The root of the tree of `size` entries.
    pub fn root(&self, size: u64) -> Result<RootHash, ReadError> {
        Ok(self.derived.hashes().frontier(size)?.root())
    }
}

/// Reads one line at `offset`, in small steps: most lines are short.
pub(super) fn read_line(file: &dyn StoredFile, offset: u64, index: u64) -> Result<Vec<u8>, ReadError> {
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
        if let Some(end) = new.iter().position(|byte| *byte == b'\n') {
            line.truncate(start + end);
            return Ok(line);
        }
        at += count as u64;
        step *= 4;
    }
}
