//! The record's one writer: batches of events become entries, a checkpoint signs them, and two syncs commit them.
//!
//! Commit is: append the batch with its signed checkpoint in one write, `fdatasync`; write the head slot, `fdatasync`;
//! only then may anything be acknowledged. A crash before the first sync leaves a torn tail beyond the head; between
//! the two, a whole batch beyond it; the next open settles either (`recover`). After any failed write or sync the log
//! refuses everything until it is opened again: what the page cache holds then is not what the disk holds.
//! Synchronous, with storage brought from outside. (docs/FORMAT.md, Record; docs/ARCHITECTURE.md, Commit)

use std::{io, sync::Arc};

use lineal_schemas::{
    checkpoint::Checkpoint,
    digest::{EntryHash, EventDigest},
    dsse::{self, Signature},
    entry::Entry,
    event::MAX_EVENT_BYTES,
    head::Head,
    line,
    merkle::leaf_hash,
    timestamp::Timestamp,
};

use crate::storage::{Storage, StoredFile};

pub mod derived;
pub mod lines;
pub mod record;
pub mod recover;
pub mod tree;
pub mod walk;

use self::{
    derived::{Additions, Stamp},
    record::{Committed, Record, Segment, segment_name},
    tree::Frontier,
};

/// A segment is not begun anew before it has this many bytes.
pub const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;

/// The file of the two head slots.
pub const HEAD_FILE: &str = "head";

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk failed; the log refuses everything from now on.
    #[error("{doing}: {source}")]
    Io {
        /// What the log was doing.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier write or sync failed.
    #[error("intake is stopped since a write failed ({0}): restart to recover")]
    Failed(String),
}

/// An event with its place in time, ready to become the next entry.
#[derive(Debug, Clone)]
pub struct Sequenced {
    /// When it was received.
    pub received: Timestamp,
    /// SHA-256 of its bytes.
    pub digest: EventDigest,
    /// Its exact bytes.
    pub event: Vec<u8>,
    /// All of its signatures.
    pub signatures: Vec<Signature>,
}

/// The writer.
#[derive(Debug)]
pub struct Log {
    storage: Arc<dyn Storage>,
    record: Arc<Record>,
    head_file: Box<dyn StoredFile>,
    segment: Arc<dyn StoredFile>,
    head: Head,
    batches: u64,
    previous: EntryHash,
    received: Timestamp,
    frontier: Frontier,
    segment_bytes: u64,
    failed: Option<String>,
}

impl Log {
    /// What readers see.
    pub const fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Entries committed: the index of the next.
    pub const fn size(&self) -> u64 {
        self.head.size
    }

    /// When the last entry was received.
    pub const fn last_received(&self) -> Timestamp {
        self.received
    }

    /// Why the log refuses everything, if it does.
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Rolls segments at another size than [`SEGMENT_BYTES`].
    pub const fn roll_at(&mut self, bytes: u64) {
        self.segment_bytes = bytes;
    }

    /// Commits a batch, and returns the index of its first entry. An empty batch is none.
    pub fn commit(&mut self, batch: &[Sequenced], sign: &dyn Fn(&Checkpoint) -> String) -> Result<u64, LogError> {
        if let Some(reason) = &self.failed {
            return Err(LogError::Failed(reason.clone()));
        }
        if batch.is_empty() {
            return Ok(self.head.size);
        }
        self.try_commit(batch, sign).inspect_err(|error| self.failed = Some(error.to_string()))
    }

    fn try_commit(&mut self, batch: &[Sequenced], sign: &dyn Fn(&Checkpoint) -> String) -> Result<u64, LogError> {
        assert!(self.frontier.size() == self.head.size, "the tree grows from the head");
        assert!(self.frontier.root() == self.head.root, "the tree is the head's");
        assert!(self.batches == self.head.batch, "the head counts the batches");
        if self.head.length >= self.segment_bytes {
            self.roll()?;
        }
        let first = self.head.size;
        let written = self.compose(batch, sign);
        let failing = |doing| move |source| LogError::Io { doing, source };
        self.segment.write_at(&written.bytes, self.head.length).map_err(failing("writing the batch"))?;
        // A crash up to here leaves bytes beyond the head: a torn tail, or a whole batch that the next open keeps.
        self.segment.sync().map_err(failing("syncing the batch"))?;
        let head = Head {
            batch: self.head.batch + 1,
            size: written.frontier.size(),
            root: written.frontier.root(),
            segment: self.head.segment,
            length: self.head.length + written.bytes.len() as u64,
        };
        assert!(head.size == first + batch.len() as u64, "a batch makes one entry of each event");
        self.head_file.write_at(&head.to_slot(), head.slot_offset()).map_err(failing("writing the head"))?;
        // A crash up to here leaves a whole batch beyond the older slot: it is kept, though nobody has a receipt.
        self.head_file.sync().map_err(failing("syncing the head"))?;
        // Committed. What follows is derived, and made again where a crash eats it.
        let derived = self.record.derived();
        derived.write(first, self.batches, &written.additions).map_err(failing("writing derived files"))?;
        (self.head, self.previous, self.received, self.frontier) =
            (head, written.previous, written.received, written.frontier);
        self.batches += 1;
        self.record.publish(Committed { head, batches: self.batches, checkpoint: written.checkpoint.into() });
        Ok(first)
    }

    /// The bytes of a batch, and all that they change.
    fn compose(&self, batch: &[Sequenced], sign: &dyn Fn(&Checkpoint) -> String) -> Written {
        let bodies: usize = batch.iter().map(|event| event.event.len() + 512).sum();
        let mut written = Written {
            bytes: Vec::with_capacity(bodies + 512),
            additions: Additions::default(),
            previous: self.previous,
            received: self.received,
            frontier: self.frontier.clone(),
            checkpoint: String::new(),
        };
        for event in batch {
            let index = written.frontier.size();
            assert!(event.received >= written.received, "time does not go back in the record");
            // A line that recovery could not read again would damage the record for good.
            assert!((1..=MAX_EVENT_BYTES).contains(&event.event.len()), "an event fits into a line");
            assert!(!event.event.contains(&b'\n'), "an event is one line");
            assert!(dsse::check_list(&event.signatures).is_ok(), "an entry's signatures are distinct and sorted");
            let entry = Entry {
                index,
                received: event.received,
                previous: written.previous,
                event: event.digest,
                signatures: event.signatures.clone(),
            };
            let entry_bytes = entry.to_bytes();
            written.additions.offsets.push(self.head.length + written.bytes.len() as u64);
            line::write_entry(&mut written.bytes, &entry_bytes, &event.event);
            written.previous = EntryHash::of(&entry_bytes);
            written.received = event.received;
            written.frontier.push(leaf_hash(&entry_bytes), &mut written.additions.hashes);
        }
        let (size, root) = (written.frontier.size(), written.frontier.root());
        written.checkpoint = sign(&Checkpoint { origin: self.record.origin().to_owned(), size, root });
        written.additions.batches.push((size, self.head.length + written.bytes.len() as u64));
        line::write_checkpoint(&mut written.bytes, &written.checkpoint);
        written
    }

    /// Begins a new segment, durably, before anything is written to it.
    fn roll(&mut self) -> Result<(), LogError> {
        let first = self.head.size;
        let name = segment_name(first);
        let failing = |source| LogError::Io { doing: "creating a segment", source };
        // A crash after the creation leaves an empty segment, which the next open finds and uses.
        let file = match self.storage.open(&name).map_err(failing)? {
            Some(file) => file,
            None => self.storage.create(&name).map_err(failing)?,
        };
        if file.length().map_err(failing)? > 0 {
            return Err(failing(io::ErrorKind::AlreadyExists.into()));
        }
        self.segment = file.into();
        self.record.add_segment(Segment { first, file: self.segment.clone() });
        (self.head.segment, self.head.length) = (first, 0);
        Ok(())
    }

    /// Syncs the derived files, so that the next open begins from here.
    pub fn stamp_derived(&self) -> io::Result<()> {
        self.record.stamp_derived()
    }
}

impl Record {
    /// Syncs the derived files and stamps them with the committed size.
    pub fn stamp_derived(&self) -> io::Result<()> {
        let committed = self.committed();
        let stamp = Stamp { size: committed.head.size, batches: committed.batches, root: committed.head.root };
        self.derived().stamp(stamp)
    }
}

struct Written {
    bytes: Vec<u8>,
    additions: Additions,
    previous: EntryHash,
    received: Timestamp,
    frontier: Frontier,
    checkpoint: String,
}
