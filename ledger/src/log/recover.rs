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

mod settle;

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
    /// A segment that the head needs is not there, or ends too early, though with a whole line.
    #[error(
        "damaged record: from index {index} on: segment {segment:020}.log holds {found} bytes, the head covers {expected}"
    )]
    Short {
        /// The first entry that is missing; for a checkpoint, the size that it should have.
        index: u64,
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

impl OpenError {
    /// The entry that is damaged, or the first that is missing; `None` where no entry is to blame.
    pub const fn index(&self) -> Option<u64> {
        match self {
            Self::Short { index, .. } | Self::Damaged(Damage { index, .. }) => Some(*index),
            Self::Io { .. } | Self::NoRecord | Self::Head(_) => None,
        }
    }
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

/// Makes the files of a new, empty record; an error if there is one.
pub fn create(storage: &dyn Storage) -> io::Result<()> {
    let segment = match storage.open(&segment_name(0))? {
        Some(file) => file,
        None => storage.create(&segment_name(0))?,
    };
    if segment.length()? > 0 || storage.open(HEAD_FILE)?.is_some() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    segment.sync()?;
    // A crash up to here leaves an empty segment and no head: no record, and the next attempt uses the segment.
    let head = Head { batch: 0, size: 0, root: Frontier::default().root(), segment: 0, length: 0 };
    let mut slots = [0; HEAD_BYTES];
    let (even, _odd) = slots.split_at_mut(HEAD_BYTES / 2);
    even.copy_from_slice(&head.to_slot());
    storage::replace(storage, HEAD_FILE, &slots)
}

/// How to open a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As the one writer: what lies beyond the head is settled.
    Write,
    /// For reading alone: what lies beyond the head is left as it is.
    Read,
}

/// Opens the record of the ledger `origin`. `is_ours` tells whether a checkpoint is signed by a key that is, or was,
/// the ledger's.
pub fn open(
    storage: &Arc<dyn Storage>,
    origin: &str,
    mode: Mode,
    is_ours: &dyn Fn(&SignedCheckpoint) -> bool,
) -> Result<(Log, Recovery), OpenError> {
    let head_file = storage.open(HEAD_FILE)?.ok_or(OpenError::NoRecord)?;
    let head = Head::newest(&storage::read_all(&**storage, HEAD_FILE)?.ok_or(OpenError::NoRecord)?)?;
    let segments = open_segments(&**storage)?;
    let (derived, relied) = Derived::open(storage.clone(), head.size)?;
    let small = head.segment == 0 && head.length <= WHOLE_CHECK_BYTES;
    let mut opening = Opening::new(origin, segments, derived, is_ours);
    if let Some((stamp, frontier)) = relied.filter(|(stamp, _frontier)| !small && stamp.size > 0) {
        opening.resume(stamp, frontier, &head);
    }
    let before = opening.position.size();
    opening.walk_to(&head)?;
    let mut recovery = Recovery { checked: head.size - before, ..Recovery::default() };
    let head = match mode {
        Mode::Write => opening.settle(&**storage, &*head_file, head, &mut recovery)?,
        Mode::Read => head,
    };
    Ok((opening.finish(storage.clone(), head_file, head)?, recovery))
}

/// All segments that there are.
fn open_segments(storage: &dyn Storage) -> Result<Vec<Segment>, OpenError> {
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
    Ok(segments)
}

/// Where the walk goes on behind a stamp.
struct Resumed {
    previous: EntryHash,
    received: Timestamp,
    end: u64,
    checkpoint: String,
}

/// The walk from the last stamp to the end.
struct Opening<'o> {
    is_ours: &'o dyn Fn(&SignedCheckpoint) -> bool,
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

impl<'o> Opening<'o> {
    fn new(
        origin: &str,
        segments: Vec<Segment>,
        derived: Derived,
        is_ours: &'o dyn Fn(&SignedCheckpoint) -> bool,
    ) -> Self {
        Self {
            is_ours,
            position: Position::start(origin),
            segments,
            derived,
            batches: 0,
            at: (0, 0),
            additions: Additions::default(),
            unwritten: (0, 0),
            checkpoint: String::new(),
        }
    }

    /// Goes to the end of the batch of the stamp. Where the derived files and the record do not fit, it stays at the
    /// start: the whole walk then makes the files again, or says what in the record is damaged.
    fn resume(&mut self, stamp: Stamp, frontier: Frontier, head: &Head) {
        let last = stamp.size - 1;
        let covered = |segment: &Segment| segment.first <= last && segment.first <= head.segment;
        let Some(number) = self.segments.iter().rposition(covered) else { return };
        let Some(segment) = self.segments.get(number) else { return };
        let Some(resumed) = self.stamped(stamp, segment) else { return };
        self.position = Position {
            frontier,
            previous: resumed.previous,
            received: resumed.received,
            batch_start: stamp.size,
            ..self.position.clone()
        };
        (self.at, self.batches) = ((number, resumed.end), stamp.batches);
        (self.unwritten, self.checkpoint) = ((stamp.size, stamp.batches), resumed.checkpoint);
    }

    /// The last entry that the stamp covers, and its checkpoint; `None` unless they are what the derived files say.
    fn stamped(&self, stamp: Stamp, segment: &Segment) -> Option<Resumed> {
        let last = stamp.size - 1;
        let at = (self.derived.offset(last), self.derived.batch(stamp.batches.checked_sub(1)?));
        let (Ok(entry_at), Ok((_size, checkpoint_at))) = at else { return None };
        let lines =
            (read_line(&*segment.file, entry_at, None, last), read_line(&*segment.file, checkpoint_at, None, last));
        let (Ok(entry_line), Ok(checkpoint_line)) = lines else { return None };
        let parsed = (Line::parse(&entry_line), Line::parse(&checkpoint_line));
        let (Ok(Line::Entry { entry, entry_bytes, .. }), Ok(Line::Checkpoint(checkpoint))) = parsed else {
            return None;
        };
        let signed = SignedCheckpoint::parse(&checkpoint);
        let fits = signed.is_ok_and(|signed| {
            let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
            size == stamp.size && root == stamp.root && (self.is_ours)(&signed)
        });
        (fits && entry.index == last).then(|| Resumed {
            previous: EntryHash::of(entry_bytes),
            received: entry.received,
            end: checkpoint_at + checkpoint_line.len() as u64 + 1,
            checkpoint,
        })
    }

    /// Walks everything that the head covers.
    fn walk_to(&mut self, head: &Head) -> Result<(), OpenError> {
        let mut found = 0;
        while let Some(segment) = self.segments.get(self.at.0).cloned().filter(|next| next.first <= head.segment) {
            if segment.first != self.position.size() && self.at.1 == 0 {
                return Err(self.damage(&segment, "segment-name", &self.position.size(), &segment.first).into());
            }
            let length = segment.file.length()?;
            if segment.first < head.segment {
                self.walk_segment(&segment, length)?;
                if self.position.batch_start != self.position.size() {
                    return Err(self.damage(&segment, "segment-end", &"a checkpoint at its end", &"none").into());
                }
                self.at = (self.at.0 + 1, 0);
                continue;
            }
            self.walk_segment(&segment, length.min(head.length))?;
            found = length;
            if length >= head.length {
                return self.arrived(head, &segment);
            }
            break;
        }
        let (index, segment, expected) = (self.position.size(), head.segment, head.length);
        Err(OpenError::Short { index, segment, found, expected })
    }

    /// What was walked must be what the head says.
    fn arrived(&self, head: &Head, segment: &Segment) -> Result<(), OpenError> {
        let (size, root) = (self.position.size(), self.position.frontier.root());
        // A checkpoint that is gone leaves a chain and a tree without fault, but a batch less.
        let whole = self.position.batch_start == size && self.batches == head.batch;
        if whole && size == head.size && root == head.root {
            return Ok(());
        }
        let found = format!("{} batches, size {size} and root {root}", self.batches);
        let expected = format!("{} batches, size {} and root {} as the head says", head.batch, head.size, head.root);
        Err(self.damage(segment, "head", &expected, &found).into())
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
                    if matches!(&step, Step::Checkpoint { signed, .. } if !(self.is_ours)(signed)) {
                        let found = "none that verifies, or a known one that does not";
                        let expected = "a signature of the ledger";
                        return Err(self.damage(segment, "checkpoint-signature", &expected, &found).into());
                    }
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

    fn finish(
        mut self,
        storage: Arc<dyn Storage>,
        head_file: Box<dyn StoredFile>,
        head: Head,
    ) -> Result<Log, OpenError> {
        self.write_derived()?;
        // A segment beyond the head's holds nothing committed, whatever its name: rolling opens it when it is due.
        self.segments.retain(|segment| segment.first <= head.segment);
        let missing = OpenError::Short { index: head.size, segment: head.segment, found: 0, expected: head.length };
        let segment = self.segments.last().ok_or(missing)?.file.clone();
        let (previous, received) = (self.position.previous, self.position.received);
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
