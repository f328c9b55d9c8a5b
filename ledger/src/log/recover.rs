//! Opening a record: what the head covers must be whole; what lies beyond it is kept if it is whole batches, else set
//! aside.
//!
//! The walk begins where the derived files were last synced, and over everything when the record is small. Damage up
//! to the head is an error that names its place, and is never repaired. Whole batches beyond the head, signed by the
//! ledger, are written again in place and synced before anything is acknowledged, since the page cache may hold what
//! the disk does not. The rest is copied to `torn/` before it is cut off. (docs/FORMAT.md, Recovery)

use std::{io, sync::Arc};

use lineal_schemas::{
    checkpoint::SignedCheckpoint,
    digest::EntryHash,
    head::{HEAD_BYTES, Head, HeadError},
    line::Line,
    timestamp::Timestamp,
};

use super::{
    HEAD_FILE, Log, SEGMENT_BYTES,
    derived::{Additions, Derived, Stamp},
    lines::{Lines, Next},
    record::{Committed, FOLDER, Record, Segment, read_line, segment_name},
    tree::Frontier,
    walk::{Damage, Position, Step},
};
use crate::storage::{self, Storage, StoredFile};

/// A record of at most so many bytes is checked whole before it is opened.
pub const WHOLE_CHECK_BYTES: u64 = 64 * 1024 * 1024;

/// Derived files are written in pieces of so many entries while they are made again.
const REBUILD_ENTRIES: usize = 16_384;

/// Why a record was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// No record here.
    #[error("no record here: there is no `{HEAD_FILE}`")]
    NoRecord,
    /// Neither slot of the head can be believed.
    #[error("damaged head: {0}")]
    Head(#[from] HeadError),
    /// A segment that the head needs is not there, or too short.
    #[error("damaged record: segment {segment:020}.log holds {found} bytes, the head covers {expected}")]
    Short {
        /// The segment.
        segment: u64,
        /// Bytes there; 0 where it is missing.
        found: u64,
        /// Bytes that the head covers.
        expected: u64,
    },
    /// A line up to the head is not what it was when it was committed.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl From<io::Error> for OpenError {
    fn from(source: io::Error) -> Self {
        Self::Io { doing: "opening the record".to_owned(), source }
    }
}

/// What opening found beyond the head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Entries in whole batches beyond the head, which were kept.
    pub kept: u64,
    /// Bytes that were set aside, and where.
    pub torn: Vec<(String, u64)>,
    /// Entries walked, of those that the head covers.
    pub checked: u64,
}

/// Makes the files of a new, empty record.
pub fn create(storage: &dyn Storage) -> io::Result<()> {
    storage.create(&segment_name(0))?.sync()?;
    let head = Head { batch: 0, size: 0, root: Frontier::default().root(), segment: 0, length: 0 };
    let file = storage.create(HEAD_FILE)?;
    let mut slots = [0; HEAD_BYTES];
    let (even, _odd) = slots.split_at_mut(HEAD_BYTES / 2);
    even.copy_from_slice(&head.to_slot());
    file.write_at(&slots, 0)?;
    file.sync()
}

/// How to open a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As the one writer: what lies beyond the head is settled.
    Write,
    /// For reading alone: what lies beyond the head is left as it is.
    Read,
}

/// Opens the record of the ledger `origin`. `is_ours` tells whether a checkpoint is signed by the ledger.
pub fn open(
    storage: &Arc<dyn Storage>,
    origin: &str,
    mode: Mode,
    is_ours: &dyn Fn(&SignedCheckpoint) -> bool,
) -> Result<(Log, Recovery), OpenError> {
    let head_file = storage.open(HEAD_FILE)?.ok_or(OpenError::NoRecord)?;
    let mut slots = vec![0; HEAD_BYTES];
    head_file.read_at(&mut slots, 0)?;
    let head = Head::newest(&slots)?;
    let segments = open_segments(&**storage, &head)?;
    let (derived, relied) = Derived::open(storage.clone(), head.size)?;
    let small = head.segment == 0 && head.length <= WHOLE_CHECK_BYTES;
    let relied = relied.filter(|_| !small);
    let mut opening = Opening::start(origin, &segments, derived, relied)?;
    let before = opening.position.size();
    opening.walk_to(&head)?;
    let mut recovery = Recovery { checked: head.size - before, ..Recovery::default() };
    let head = match mode {
        Mode::Write => opening.settle(&**storage, &*head_file, head, is_ours, &mut recovery)?,
        Mode::Read => head,
    };
    Ok((opening.finish(storage.clone(), head_file, head)?, recovery))
}

/// All segments, the ones that the head covers checked for their lengths.
fn open_segments(storage: &dyn Storage, head: &Head) -> Result<Vec<Segment>, OpenError> {
    let mut segments = Vec::new();
    for name in storage.list(FOLDER)? {
        let first =
            name.strip_suffix(".log").filter(|digits| digits.len() == 20).and_then(|digits| digits.parse().ok());
        let Some(first) = first else { continue };
        if let Some(file) = storage.open(&segment_name(first))? {
            segments.push(Segment { first, file: file.into() });
        }
    }
    segments.sort_by_key(|segment| segment.first);
    let last = segments.iter().find(|segment| segment.first == head.segment);
    let found = last.map_or(Ok(0), |segment| segment.file.length())?;
    if last.is_none() || found < head.length {
        return Err(OpenError::Short { segment: head.segment, found, expected: head.length });
    }
    Ok(segments)
}

/// The walk from the last stamp to the end.
struct Opening {
    position: Position,
    segments: Vec<Segment>,
    derived: Derived,
    batches: u64,
    /// The segment that the walk is in, and where.
    at: (usize, u64),
    /// Derived facts of entries that were walked and are not written yet; the first is that of entry `unwritten`.
    additions: Additions,
    unwritten: (u64, u64),
    checkpoint: String,
}

impl Opening {
    fn start(
        origin: &str,
        segments: &[Segment],
        derived: Derived,
        relied: Option<(Stamp, Frontier)>,
    ) -> Result<Self, OpenError> {
        let mut opening = Self {
            position: Position::start(origin),
            segments: segments.to_vec(),
            derived,
            batches: 0,
            at: (0, 0),
            additions: Additions::default(),
            unwritten: (0, 0),
            checkpoint: String::new(),
        };
        if let Some((stamp, frontier)) = relied.filter(|(stamp, _frontier)| stamp.size > 0) {
            opening.resume(stamp, frontier)?;
        }
        Ok(opening)
    }

    /// Goes to the end of the batch of the stamp.
    fn resume(&mut self, stamp: Stamp, frontier: Frontier) -> Result<(), OpenError> {
        let last = stamp.size - 1;
        let number = self.segments.iter().rposition(|segment| segment.first <= last).unwrap_or(0);
        let Some(segment) = self.segments.get(number) else { return Ok(()) };
        let damaged = |found: String| Damage {
            index: last,
            segment: segment.first,
            offset: 0,
            rule: "stamped-entry",
            expected: "the last entry that the derived files reflect, and its checkpoint".to_owned(),
            found,
        };
        let entry_line = read_line(&*segment.file, self.derived.offset(last)?, last);
        let entry_line = entry_line.map_err(|error| damaged(error.to_string()))?;
        let (_size, offset) = self.derived.batch(stamp.batches - 1)?;
        let checkpoint_line = read_line(&*segment.file, offset, last).map_err(|error| damaged(error.to_string()))?;
        let (previous, received) = match Line::parse(&entry_line) {
            Ok(Line::Entry { entry, entry_bytes, .. }) if entry.index == last => {
                (EntryHash::of(entry_bytes), entry.received)
            }
            _ => return Err(damaged("another line".to_owned()).into()),
        };
        let Ok(Line::Checkpoint(text)) = Line::parse(&checkpoint_line) else {
            return Err(damaged("no checkpoint".to_owned()).into());
        };
        let signed = SignedCheckpoint::parse(&text).map_err(|error| damaged(error.to_string()))?;
        if signed.checkpoint().root != stamp.root || signed.checkpoint().size != stamp.size {
            return Err(damaged(format!("a checkpoint of size {}", signed.checkpoint().size)).into());
        }
        self.position = Position { frontier, previous, received, batch_start: stamp.size, ..self.position.clone() };
        (self.at, self.batches) = ((number, offset + checkpoint_line.len() as u64 + 1), stamp.batches);
        (self.unwritten, self.checkpoint) = ((stamp.size, stamp.batches), text);
        Ok(())
    }

    /// Walks everything that the head covers.
    fn walk_to(&mut self, head: &Head) -> Result<(), OpenError> {
        loop {
            let Some(segment) = self.segments.get(self.at.0).cloned() else { break };
            let covers_end = segment.first == head.segment;
            if segment.first != self.position.size() && self.at.1 == 0 {
                return Err(self.damage(&segment, "segment-name", &self.position.size(), &segment.first).into());
            }
            let limit = if covers_end { head.length } else { segment.file.length()? };
            self.walk_segment(&segment, limit)?;
            if covers_end {
                break;
            }
            self.at = (self.at.0 + 1, 0);
        }
        let (size, root) = (self.position.size(), self.position.frontier.root());
        let last = self.segments.get(self.at.0).cloned();
        match last {
            Some(segment) if size != head.size || root != head.root || self.position.batch_start != size => {
                let found = format!("size {size} and root {root}");
                let expected = format!("size {} and root {} as the head says", head.size, head.root);
                Err(self.damage(&segment, "head", &expected, &found).into())
            }
            _ => Ok(()),
        }
    }

    fn damage(
        &self,
        segment: &Segment,
        rule: &'static str,
        expected: &dyn std::fmt::Display,
        found: &dyn std::fmt::Display,
    ) -> Damage {
        Damage {
            index: self.position.size(),
            segment: segment.first,
            offset: self.at.1,
            rule,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    fn walk_segment(&mut self, segment: &Segment, limit: u64) -> Result<(), OpenError> {
        let mut lines = Lines::new(&*segment.file, self.at.1, limit);
        loop {
            self.at.1 = lines.offset();
            match lines.next_line()? {
                Next::Line(located) => {
                    let step = self.position.step(located.line, segment.first, located.offset)?;
                    self.note(step, located.offset)?;
                }
                Next::End => return Ok(()),
                Next::Torn => {
                    return Err(self.damage(segment, "line-end", &"a line that ends in a newline", &"none").into());
                }
            }
        }
    }

    /// Remembers what a line adds to the derived files.
    fn note(&mut self, step: Step<'_>, offset: u64) -> io::Result<()> {
        match step {
            Step::Entry { hashes, .. } => {
                self.additions.offsets.push(offset);
                self.additions.hashes.extend(hashes);
            }
            Step::Checkpoint { text, .. } => {
                self.additions.batches.push((self.position.size(), offset));
                self.batches += 1;
                self.checkpoint = text;
                if self.additions.offsets.len() >= REBUILD_ENTRIES {
                    self.write_derived()?;
                }
            }
        }
        Ok(())
    }

    fn write_derived(&mut self) -> io::Result<()> {
        self.derived.write(self.unwritten.0, self.unwritten.1, &self.additions)?;
        self.unwritten = (self.position.size(), self.batches);
        self.additions = Additions::default();
        Ok(())
    }

    /// Keeps whole batches beyond the head and sets the rest aside; gives the head that results.
    fn settle(
        &mut self,
        storage: &dyn Storage,
        head_file: &dyn StoredFile,
        head: Head,
        is_ours: &dyn Fn(&SignedCheckpoint) -> bool,
        recovery: &mut Recovery,
    ) -> Result<Head, OpenError> {
        let mut settled = head;
        while let Some(segment) = self.segments.get(self.at.0).cloned() {
            if segment.first != settled.segment && segment.first != self.position.size() {
                break;
            }
            let begin = self.at.1;
            let kept = self.whole_batches(&segment, begin, is_ours)?;
            if kept > begin {
                rewrite(&*segment.file, begin, kept)?;
                settled = self.head_after(settled, segment.first, kept);
            }
            let length = segment.file.length()?;
            if length > kept {
                recovery.torn.push(set_aside(storage, &segment, kept, length)?);
                segment.file.set_length(kept)?;
                segment.file.sync()?;
            }
            if self.segments.get(self.at.0 + 1).is_none_or(|next| next.first != self.position.size()) {
                break;
            }
            self.at = (self.at.0 + 1, 0);
        }
        for segment in self.segments.split_off((self.at.0 + 1).min(self.segments.len())) {
            let name = format!("torn/{:020}.log", segment.first);
            storage.rename(&segment_name(segment.first), &name)?;
            recovery.torn.push((name, segment.file.length()?));
        }
        recovery.kept = settled.size - head.size;
        // The newest slot may be in the page cache alone as well: write and sync it before anything is acknowledged.
        head_file.write_at(&settled.to_slot(), settled.slot_offset())?;
        head_file.sync()?;
        Ok(settled)
    }

    fn head_after(&self, head: Head, segment: u64, length: u64) -> Head {
        Head {
            batch: head.batch + u64::from(self.position.size() != head.size),
            size: self.position.size(),
            root: self.position.frontier.root(),
            segment,
            length,
        }
    }

    /// Walks on from `begin` as far as whole, signed batches go, and gives their end.
    fn whole_batches(
        &mut self,
        segment: &Segment,
        begin: u64,
        is_ours: &dyn Fn(&SignedCheckpoint) -> bool,
    ) -> Result<u64, OpenError> {
        let mut lines = Lines::new(&*segment.file, begin, segment.file.length()?);
        let (mut end, mut trial) = (begin, self.position.clone());
        let mut batch = Additions::default();
        while let Next::Line(located) = lines.next_line()? {
            let offset = located.offset;
            match trial.step(located.line, segment.first, offset) {
                Ok(Step::Entry { hashes, .. }) => {
                    batch.offsets.push(offset);
                    batch.hashes.extend(hashes);
                }
                Ok(Step::Checkpoint { text, .. }) => {
                    if !SignedCheckpoint::parse(&text).is_ok_and(|signed| is_ours(&signed)) {
                        break;
                    }
                    end = offset + located.line.len() as u64 + 1;
                    self.additions.offsets.append(&mut batch.offsets);
                    self.additions.hashes.append(&mut batch.hashes);
                    self.additions.batches.push((trial.size(), offset));
                    self.batches += 1;
                    self.checkpoint = text;
                    self.position = trial.clone();
                }
                Err(_damage) => break,
            }
        }
        self.at.1 = end;
        Ok(end)
    }

    fn finish(
        mut self,
        storage: Arc<dyn Storage>,
        head_file: Box<dyn StoredFile>,
        head: Head,
    ) -> Result<Log, OpenError> {
        self.write_derived()?;
        let segment = self.segments.iter().find(|segment| segment.first == head.segment);
        let missing = OpenError::Short { segment: head.segment, found: 0, expected: head.length };
        let segment = segment.ok_or(missing)?.file.clone();
        let (previous, received) = (self.position.previous, self.position.received.max(Timestamp::MIN));
        let committed = Committed { head, batches: self.batches, checkpoint: self.checkpoint.into() };
        let record = Record::new(self.position.origin.clone(), self.derived, self.segments, committed);
        Ok(Log {
            storage,
            record: Arc::new(record),
            head_file,
            segment,
            head,
            batches: self.batches,
            previous,
            received,
            frontier: self.position.frontier,
            segment_bytes: SEGMENT_BYTES,
            failed: None,
        })
    }
}

/// Writes what stands from `begin` to `end` again in place, and syncs it.
fn rewrite(file: &dyn StoredFile, begin: u64, end: u64) -> io::Result<()> {
    const PIECE: u64 = 1 << 20;
    let mut at = begin;
    while at < end {
        let mut piece = vec![0; usize::try_from((end - at).min(PIECE)).unwrap_or(0)];
        file.read_at(&mut piece, at)?;
        file.write_at(&piece, at)?;
        at += piece.len() as u64;
    }
    file.sync()
}

/// Copies a torn tail to `torn/`, durably.
fn set_aside(storage: &dyn Storage, segment: &Segment, from: u64, to: u64) -> io::Result<(String, u64)> {
    let count = usize::try_from(to - from).map_err(|_too_large| io::ErrorKind::FileTooLarge)?;
    let mut tail = vec![0; count];
    segment.file.read_at(&mut tail, from)?;
    let name = format!("torn/{:020}.log.{from}", segment.first);
    storage::replace(storage, &name, &tail)?;
    Ok((name, to - from))
}
