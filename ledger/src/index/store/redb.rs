//! The store on disk: one table of a redb database in one file.
//!
//! Batches are applied without a sync and made durable by [`Store::flush`]: a crash loses the newest ones, and the record
//! brings them back. redb checks no page that it reads, so all of them are checked when the file is opened: a second for
//! each million events, and no answer from a damaged index. (docs/DESIGN.md)

use std::{
    fmt,
    fs::{create_dir_all, metadata},
    os::unix::fs::MetadataExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase as _, TableDefinition, WriteTransaction};

use super::{Batch, Store, StoreError, Visit};

const PAIRS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("pairs");

/// The file, in the folder of the index.
const FILE: &str = "pairs.redb";

/// Pages that are kept in memory, in bytes. The system keeps the rest of the file as far as it has room.
const CACHE_BYTES: usize = 128 * 1024 * 1024;

/// The pairs as they are after one batch, as long as somebody reads them.
type Pairs = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// redb 4: one table, explicit flushes.
pub struct RedbStore {
    // Before the database, so that it is dropped before: a file that is closed while it is read isn't closed properly.
    pairs: RwLock<Arc<Pairs>>,
    db: Database,
    path: PathBuf,
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").field("path", &self.path).finish_non_exhaustive()
    }
}

fn failed(error: impl Into<redb::Error>) -> StoreError {
    StoreError(error.into().to_string())
}

fn newest(db: &Database) -> Result<Arc<Pairs>, StoreError> {
    Ok(Arc::new(db.begin_read().map_err(failed)?.open_table(PAIRS).map_err(failed)?))
}

impl RedbStore {
    /// Opens the store in `folder`, or makes it.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        create_dir_all(folder).map_err(|error| StoreError(format!("{}: {error}", folder.display())))?;
        let path = folder.join(FILE);
        // On some damage it panics where it should return an error; to us both are the same.
        catch_unwind(AssertUnwindSafe(|| Self::open_file(path)))
            .unwrap_or_else(|_panic| Err(StoreError("redb gave up on its file".to_owned())))
    }

    fn open_file(path: PathBuf) -> Result<Self, StoreError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let db = builder.create(&path).map_err(failed)?;
        let begin = db.begin_write().map_err(failed)?;
        begin.open_table(PAIRS).map_err(failed)?;
        begin.commit().map_err(failed)?;
        Ok(Self { pairs: RwLock::new(newest(&db)?), db, path })
    }

    fn pairs(&self) -> Arc<Pairs> {
        self.pairs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn begin(&self, durability: Durability) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.db.begin_write().map_err(failed)?;
        transaction.set_durability(durability).map_err(failed)?;
        Ok(transaction)
    }
}

impl Store for RedbStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.pairs().get_owned(key).map_err(failed)?.map(|value| value.value().to_vec()))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for pair in self.pairs().range_owned::<&[u8]>(from..).map_err(failed)? {
            let (key, value) = pair.map_err(failed)?;
            if !key.value().starts_with(prefix) || !visit(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn scan_back(&self, prefix: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for pair in self.pairs().range_owned::<&[u8]>(..end).map_err(failed)?.rev() {
            let (key, value) = pair.map_err(failed)?;
            if !key.value().starts_with(prefix) || !visit(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, mut batch: Batch) -> Result<(), StoreError> {
        // In the order of the keys, which keeps to the pages at hand; the sort is stable, so a later pair still wins.
        batch.puts.sort_by(|one, other| one.0.cmp(&other.0));
        let transaction = self.begin(Durability::None)?;
        let mut pairs = transaction.open_table(PAIRS).map_err(failed)?;
        for (key, value) in &batch.puts {
            pairs.insert(key.as_slice(), value.as_slice()).map_err(failed)?;
        }
        drop(pairs);
        transaction.commit().map_err(failed)?;
        *self.pairs.write().unwrap_or_else(PoisonError::into_inner) = newest(&self.db)?;
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.begin(Durability::Immediate)?.commit().map_err(failed)
    }

    fn bytes(&self) -> u64 {
        // The file has holes: what it takes of the disk is its blocks of 512 bytes.
        metadata(&self.path).map_or(0, |file| file.blocks() * 512)
    }
}
