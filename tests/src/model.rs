//! The record by its definition: a list of batches, every root and proof worked out from RFC 6962's recursion.
//!
//! Slow and plain on purpose: it shares no tree and no bookkeeping with the ledger. [`Model::check`] compares all that
//! a log shows with it.

use std::sync::Arc;

use lineal_ledger::log::{Log, Sequenced};
use lineal_schemas::{
    checkpoint::Checkpoint,
    digest::{EntryHash, LeafHash, RootHash},
    entry::Entry,
    line,
    merkle::{empty_root, leaf_hash, node_hash, verify_consistency},
    receipt::Receipt,
};

use crate::{
    simdisk::Image,
    workload::{ORIGIN, sign, trust},
};

/// A batch, with all that it means.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Tree size after it.
    pub size: u64,
    /// Root after it.
    pub root: RootHash,
    /// Its lines in the record.
    pub text: Vec<u8>,
    /// Its checkpoint.
    pub checkpoint: String,
    /// Each entry's bytes, event and receipt.
    pub entries: Vec<(Vec<u8>, Vec<u8>, String)>,
}

/// Whole batches, in order.
#[derive(Debug, Clone, Default)]
pub struct Model {
    batches: Vec<Arc<Batch>>,
    leaves: Vec<LeafHash>,
}

impl Model {
    /// Adds a batch.
    pub fn push(&mut self, events: &[Sequenced]) {
        let (first, mut text, mut entries) = (self.leaves.len(), Vec::new(), Vec::new());
        let mut previous = self
            .batches
            .last()
            .and_then(|batch| batch.entries.last())
            .map_or_else(|| EntryHash::before_genesis(ORIGIN), |(entry, _event, _receipt)| EntryHash::of(entry));
        for event in events {
            let entry = Entry {
                index: self.size(),
                received: event.received,
                previous,
                event: event.digest,
                signatures: event.signatures.clone(),
            };
            let bytes = entry.to_bytes();
            line::write_entry(&mut text, &bytes, &event.event);
            previous = EntryHash::of(&bytes);
            self.leaves.push(leaf_hash(&bytes));
            entries.push((bytes, event.event.clone(), String::new()));
        }
        let root = RootHash::from_bytes(root_of(&self.leaves));
        let checkpoint = sign(&Checkpoint { origin: ORIGIN.to_owned(), size: self.size(), root });
        line::write_checkpoint(&mut text, &checkpoint);
        for (at, (entry, _event, receipt)) in entries.iter_mut().enumerate() {
            let path = path_of(first + at, &self.leaves);
            *receipt = Receipt::build(entry, (first + at) as u64, &path, &checkpoint);
            let read = Receipt::parse(receipt).expect("a receipt is read as it was written");
            read.verify(&trust()).expect("the model's receipts hold");
        }
        self.batches.push(Arc::new(Batch { size: self.size(), root, text, checkpoint, entries }));
    }

    /// Entries.
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The batches.
    pub fn batches(&self) -> &[Arc<Batch>] {
        &self.batches
    }

    /// The first `count` batches.
    #[must_use]
    pub fn prefix(&self, count: usize) -> Self {
        let batches: Vec<_> = self.batches.iter().take(count).cloned().collect();
        let size = batches.iter().map(|batch| batch.entries.len()).sum();
        Self { batches, leaves: self.leaves.iter().take(size).copied().collect() }
    }

    /// How many batches make `size` entries, if whole batches do.
    pub fn batches_in(&self, size: u64) -> Option<usize> {
        let sizes = self.batches.iter().map(|batch| batch.size);
        std::iter::once(0).chain(sizes).position(|whole| whole == size)
    }

    /// Every line of the record.
    pub fn text(&self) -> Vec<u8> {
        self.batches.iter().flat_map(|batch| batch.text.iter().copied()).collect()
    }

    /// Panics unless the log shows exactly this: sizes, roots, checkpoint, entries, events, receipts, growth.
    pub fn check(&self, log: &Log) {
        let record = log.record();
        let committed = record.committed();
        assert_eq!((log.size(), record.size()), (self.size(), self.size()), "size");
        assert_eq!(committed.batches, self.batches.len() as u64, "batches");
        let mut older = (0, empty_root());
        for batch in &self.batches {
            assert_eq!(record.root(batch.size).expect("a root"), batch.root, "root of {}", batch.size);
            let path = record.derived().hashes().consistency(older.0, batch.size).expect("a proof");
            verify_consistency(older.0, &older.1, batch.size, &batch.root, &path).expect("a tree only grows");
            older = (batch.size, batch.root);
        }
        assert_eq!(committed.head.root, older.1, "root of the head");
        if let Some(last) = self.batches.last() {
            assert_eq!(*committed.checkpoint, *last.checkpoint, "the newest checkpoint");
        }
        self.check_entries(log);
    }

    fn check_entries(&self, log: &Log) {
        let record = log.record();
        let entries = || (0..).zip(self.batches.iter().flat_map(|batch| &batch.entries));
        for (index, (entry, event, receipt)) in entries() {
            let stored = record.get(index).expect("a committed entry");
            assert_eq!((stored.entry_bytes(), stored.body()), (&entry[..], Some(&event[..])), "entry {index}");
            assert_eq!(record.receipt(index).expect("a receipt"), *receipt, "receipt of {index}");
        }
        let mut scanned = Vec::new();
        let scan = record.scan(0, u64::MAX, &mut |stored| {
            scanned.push((stored.entry_bytes().to_vec(), stored.body().unwrap_or_default().to_vec()));
            Ok(())
        });
        scan.expect("a scan");
        let expected = entries().map(|(_index, (entry, event, _receipt))| (entry.clone(), event.clone()));
        assert_eq!(scanned, expected.collect::<Vec<_>>(), "scan");
    }

    /// Panics unless the segments hold exactly these lines, each segment named by its first entry.
    pub fn check_disk(&self, image: &Image) {
        let mut all = Vec::new();
        for name in image.list("record") {
            let segment = image.read(&format!("record/{name}")).unwrap_or_default();
            let first = all.split(|byte| *byte == b'\n').filter(|line| line.first() == Some(&b'{')).count();
            assert!(segment.is_empty() || name == format!("{first:020}.log"), "{name} begins with entry {first}");
            all.extend_from_slice(segment);
        }
        assert!(all == self.text(), "the segments hold the batches and nothing else");
    }
}

/// MTH of RFC 6962 section 2.1.
fn root_of(leaves: &[LeafHash]) -> [u8; 32] {
    match leaves {
        [] => *empty_root().as_bytes(),
        [leaf] => *leaf.as_bytes(),
        _ => {
            let (left, right) = leaves.split_at(split_of(leaves.len()));
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// PATH of RFC 6962 section 2.1.1.
fn path_of(index: usize, leaves: &[LeafHash]) -> Vec<[u8; 32]> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let split = split_of(leaves.len());
    let (left, right) = leaves.split_at(split);
    let (mut path, sibling) = if index < split {
        (path_of(index, left), root_of(right))
    } else {
        (path_of(index - split, right), root_of(left))
    };
    path.push(sibling);
    path
}

/// The largest power of two below `count`.
fn split_of(count: usize) -> usize {
    count.next_power_of_two() / 2
}
