//! A ledger that counts what an answer reads of its record and of its index.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use lineal_ledger::{
    index::{
        Index,
        store::{Batch, RedbStore, Store, StoreError, Visit},
    },
    ledger::View,
    log::recover::{self, Mode},
    snapshot::Snapshot,
    storage::{Storage, StoredFile},
};

use super::*;

/// Lines of the record that were read, and keys of the index that were looked at.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    lines: AtomicU64,
    keys: AtomicU64,
}

impl Counts {
    pub(crate) fn take(&self) -> (u64, u64) {
        (self.lines.swap(0, Ordering::SeqCst), self.keys.swap(0, Ordering::SeqCst))
    }
}

#[derive(Debug)]
struct CountedStore(RedbStore, Arc<Counts>);

impl CountedStore {
    fn count(&self) {
        self.1.keys.fetch_add(1, Ordering::SeqCst);
    }
}

impl Store for CountedStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.count();
        self.0.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.0.scan(prefix, from, &mut |key, value| {
            self.count();
            visit(key, value)
        })
    }

    fn scan_back(&self, prefix: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.0.scan_back(prefix, end, &mut |key, value| {
            self.count();
            visit(key, value)
        })
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.0.apply(batch)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush()
    }

    fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}

#[derive(Debug)]
struct CountedDisk(lineal_ledger::storage::Disk, Arc<Counts>);

impl Storage for CountedDisk {
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn StoredFile>>> {
        let file = self.0.open(name)?;
        Ok(file.map(|file| Box::new(CountedFile(file, self.1.clone())) as Box<dyn StoredFile>))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        self.0.create(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.0.list(folder)
    }
}

#[derive(Debug)]
struct CountedFile(Box<dyn StoredFile>, Arc<Counts>);

impl StoredFile for CountedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.lines.fetch_add(1, Ordering::SeqCst);
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }
}

/// A ledger that counts what is read of it.
pub(crate) struct Counted {
    pub(crate) view: View,
    pub(crate) counts: Arc<Counts>,
    pub(crate) now: Timestamp,
}

impl Counted {
    /// Of a world whose ledger is closed.
    pub(crate) fn open(world: &World, keys: Arc<std::sync::RwLock<Arc<lineal_schemas::registry::Registry>>>) -> Self {
        let (dir, counts) = (world.data_dir(), Arc::<Counts>::default());
        let store = CountedStore(RedbStore::open(&dir.index()).unwrap(), counts.clone());
        let disk: Arc<dyn Storage> = Arc::new(Snapshot::new(CountedDisk(dir.storage(), counts.clone())));
        let (log, _recovery) = recover::open(&disk, ORIGIN, Mode::Read, &|_checkpoint| true).unwrap();
        let attachments = lineal_ledger::attachments::Stored::of(&dir);
        let index = Index::new(Arc::new(store)).unwrap();
        let record = log.record().clone();
        let view = View { record, index, registry: keys, attachments, policies: Arc::default() };
        Self { view, counts, now: world.clock.wall() }
    }
}
