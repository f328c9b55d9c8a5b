//! A record that is only read: derived files live in memory, the disk is left alone.
//!
//! For copies, read-only disks, and a data directory whose writer is another process.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use crate::storage::{Storage, StoredFile};

/// A file in memory.
#[derive(Debug, Clone, Default)]
struct MemoryFile(Arc<RwLock<Vec<u8>>>);

impl StoredFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(offset).map_err(|_too_large| io::ErrorKind::UnexpectedEof)?;
        let range = bytes.get(from..from.saturating_add(buffer.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(range);
        Ok(())
    }

    fn write_at(&self, written: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(offset).map_err(|_too_large| io::ErrorKind::FileTooLarge)?;
        let end = from.saturating_add(written.len());
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        if let Some(place) = bytes.get_mut(from..end) {
            place.copy_from_slice(written);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(|_too_large| io::ErrorKind::FileTooLarge)?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).resize(length, 0);
        Ok(())
    }
}

/// Reads from `disk`; what would be written beside the record stays in memory.
#[derive(Debug)]
pub struct Snapshot<S> {
    disk: S,
    derived: Mutex<HashMap<String, MemoryFile>>,
}

impl<S: Storage> Snapshot<S> {
    /// Over `disk`.
    pub fn new(disk: S) -> Self {
        Self { disk, derived: Mutex::default() }
    }
}

const DERIVED: &str = "derived/";

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "the record is opened for reading alone")
}

impl<S: Storage> Storage for Snapshot<S> {
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn StoredFile>>> {
        if name.starts_with(DERIVED) {
            let derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(derived.get(name).cloned().map(|file| Box::new(file) as Box<dyn StoredFile>));
        }
        self.disk.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        if !name.starts_with(DERIVED) {
            return Err(refused());
        }
        let file = MemoryFile::default();
        self.derived.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), file.clone());
        Ok(Box::new(file))
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(refused())
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Err(refused())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }
}
