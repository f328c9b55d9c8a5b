//! Flat files that can be made again from the record: where each line is, and every hash of the tree.
//!
//! `derived/offsets` holds 8 bytes an entry (its offset in its segment), `derived/batches` 16 bytes a batch (the size
//! that its checkpoint signs, and the checkpoint's offset), `derived/hashes` the tree's hashes (see [`super::tree`]).
//! They are written behind the commit without a sync; `derived/stamp` says up to which size they have been synced, so
//! that what a crash may have eaten is made again from there. Losing them loses nothing.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use lineal_schemas::digest::{RootHash, sha256};

use super::tree::{Frontier, HASH_BYTES, Hashes, stored_count};
use crate::storage::{self, Storage, StoredFile};

const STAMP: &str = "derived/stamp";

/// Up to where the derived files have been synced: always the end of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Entries.
    pub size: u64,
    /// Batches.
    pub batches: u64,
    /// The root at that size.
    pub root: RootHash,
}

impl Stamp {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = b"LINSTMP1".to_vec();
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(self.batches.to_be_bytes());
        bytes.extend(self.root.as_bytes());
        bytes.extend(sha256(&bytes));
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk::<32>()?;
        let rest = content.strip_prefix(b"LINSTMP1").filter(|_| *sum == sha256(content))?;
        let (size, rest) = rest.split_first_chunk()?;
        let (batches, root) = rest.split_first_chunk()?;
        Some(Self {
            size: u64::from_be_bytes(*size),
            batches: u64::from_be_bytes(*batches),
            root: RootHash::from_bytes(root.try_into().ok()?),
        })
    }
}

/// What one or more batches add to the files.
#[derive(Debug, Default)]
pub struct Additions {
    /// Offsets of entries in their segments.
    pub offsets: Vec<u64>,
    /// Size and checkpoint offset of each batch.
    pub batches: Vec<(u64, u64)>,
    /// Hashes in the order of their file.
    pub hashes: Vec<u8>,
}

/// The open files.
#[derive(Debug)]
pub struct Derived {
    storage: Arc<dyn Storage>,
    offsets: Box<dyn StoredFile>,
    batches: Box<dyn StoredFile>,
    hashes: Box<dyn StoredFile>,
    /// A write or a sync failed: the cache may call clean what the disk does not hold, so nothing is stamped any more.
    failed: AtomicBool,
}

impl Derived {
    /// Opens the files, or makes them, and tells how much of them can be relied on (before that: checked by its root).
    pub fn open(storage: Arc<dyn Storage>, at_most: u64) -> io::Result<(Self, Option<(Stamp, Frontier)>)> {
        let file = |name: &str| match storage.open(name)? {
            Some(file) => Ok::<_, io::Error>(file),
            None => storage.create(name),
        };
        let (offsets, batches, hashes) = (file("derived/offsets")?, file("derived/batches")?, file("derived/hashes")?);
        let stamp = storage::read_all(&*storage, STAMP)?.and_then(|bytes| Stamp::from_bytes(&bytes));
        let derived = Self { storage, offsets, batches, hashes, failed: AtomicBool::new(false) };
        let relied = match stamp.filter(|stamp| stamp.size <= at_most) {
            Some(stamp) => derived.check(stamp).unwrap_or(None).map(|frontier| (stamp, frontier)),
            None => None,
        };
        Ok((derived, relied))
    }

    fn check(&self, stamp: Stamp) -> io::Result<Option<Frontier>> {
        let frontier = Hashes::new(&*self.hashes).frontier(stamp.size)?;
        let batch = stamp.batches.checked_sub(1).map(|last| self.batch(last)).transpose()?;
        let fits = frontier.root() == stamp.root && batch.is_none_or(|(size, _offset)| size == stamp.size);
        Ok((fits && self.offsets.length()? >= stamp.size * 8).then_some(frontier))
    }

    /// Writes what batches add, behind `size` entries and `batches` batches.
    pub fn write(&self, size: u64, batches: u64, additions: &Additions) -> io::Result<()> {
        let offsets: Vec<u8> = additions.offsets.iter().flat_map(|offset| offset.to_be_bytes()).collect();
        let pairs = additions.batches.iter().flat_map(|(size, offset)| [size.to_be_bytes(), offset.to_be_bytes()]);
        let ends: Vec<u8> = pairs.flatten().collect();
        let written = self
            .hashes
            .write_at(&additions.hashes, stored_count(size) * HASH_BYTES)
            .and_then(|()| self.offsets.write_at(&offsets, size * 8))
            .and_then(|()| self.batches.write_at(&ends, batches * 16));
        written.inspect_err(|_error| self.failed.store(true, Ordering::Release))
    }

    /// Syncs the files and then says so in the stamp. After any failed write or sync of them it refuses, until the
    /// record is opened again and they are written again from the last stamp on.
    pub fn stamp(&self, stamp: Stamp) -> io::Result<()> {
        if self.failed.load(Ordering::Acquire) {
            return Err(io::Error::other("a derived file could not be written: opening the record makes it again"));
        }
        let synced = [&self.hashes, &self.offsets, &self.batches].into_iter().try_for_each(|file| file.sync());
        synced.inspect_err(|_error| self.failed.store(true, Ordering::Release))?;
        storage::replace(&*self.storage, STAMP, &stamp.to_bytes())
    }

    /// Where entry `index` begins in its segment.
    pub fn offset(&self, index: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.offsets.read_at(&mut bytes, index * 8)?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// Where entry `index` of `size` begins in its segment, and where the next one does in its own, if there is one.
    pub fn offsets(&self, index: u64, size: u64) -> io::Result<(u64, Option<u64>)> {
        if index + 1 >= size {
            return Ok((self.offset(index)?, None));
        }
        let mut bytes = [[0; 8]; 2];
        self.offsets.read_at(bytes.as_flattened_mut(), index * 8)?;
        let [offset, next] = bytes.map(u64::from_be_bytes);
        Ok((offset, Some(next)))
    }

    /// The size that batch `number` ends at, and where its checkpoint begins.
    pub fn batch(&self, number: u64) -> io::Result<(u64, u64)> {
        let mut bytes = [[0; 8]; 2];
        self.batches.read_at(bytes.as_flattened_mut(), number * 16)?;
        let [size, offset] = bytes.map(u64::from_be_bytes);
        Ok((size, offset))
    }

    /// The first of `batches` batches that ends beyond entry `index`: its number, size and checkpoint's offset.
    pub fn batch_of(&self, index: u64, batches: u64) -> io::Result<(u64, u64, u64)> {
        let (mut low, mut high) = (0, batches.saturating_sub(1));
        while low < high {
            let middle = u64::midpoint(low, high);
            if self.batch(middle)?.0 > index { high = middle } else { low = middle + 1 }
        }
        let (size, offset) = self.batch(low)?;
        Ok((low, size, offset))
    }

    /// The tree's hashes.
    pub fn hashes(&self) -> Hashes<'_> {
        Hashes::new(&*self.hashes)
    }
}
