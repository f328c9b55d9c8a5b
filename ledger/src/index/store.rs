//! The narrow door to a key-value store: what the projections need of one, and no more.
//!
//! Two stores stand behind it: [`RedbStore`] on disk, and a map in memory for reading a record that can't be written
//! beside (a copy, a read-only disk). Promises that a batch is applied as a whole, stamp included.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

mod redb;

pub use self::redb::RedbStore;

/// A failing store. The projections are derived: the answer to any failure is to make them again.
#[derive(Debug, thiserror::Error)]
#[error("the index failed: {0}; `lineal rebuild` makes it again")]
pub struct StoreError(pub String);

/// Keys and values to be put together.
#[derive(Debug, Default)]
pub struct Batch {
    /// What to put; a later pair for the same key wins.
    pub puts: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Batch {
    /// Adds a pair.
    pub fn put(&mut self, key: Vec<u8>, value: impl Into<Vec<u8>>) {
        self.puts.push((key, value.into()));
    }
}

/// Visits pairs in key order; it returns false to stop.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> bool + 'a;

/// An ordered map of bytes.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// All pairs whose key begins with `prefix`, from the one at `from` on, in key order.
    fn scan(&self, prefix: &[u8], from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError>;
    /// All pairs whose key begins with `prefix`, from the last one before `end` on backwards.
    fn scan_back(&self, prefix: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError>;
    /// Puts all of a batch or nothing.
    fn apply(&self, batch: Batch) -> Result<(), StoreError>;
    /// Makes what was applied durable.
    fn flush(&self) -> Result<(), StoreError>;
    /// Bytes on disk, where it is on disk.
    fn bytes(&self) -> u64;
}

/// A map in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    map: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in map.range(from.to_vec()..) {
            if !key.starts_with(prefix) || !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn scan_back(&self, prefix: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in map.range(..end.to_vec()).rev() {
            if !key.starts_with(prefix) || !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.map.write().unwrap_or_else(PoisonError::into_inner).extend(batch.puts);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn bytes(&self) -> u64 {
        0
    }
}
