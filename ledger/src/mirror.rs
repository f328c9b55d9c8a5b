//! The newest head, written to a second place now and then, so that a restored backup is noticed.
//!
//! A ledger that goes on from a backup would sign a second history under the same sizes. The mirror can lag, never lead:
//! a record that is shorter than its mirror, or another one of the same size, is not opened.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lineal_schemas::{digest::EventDigest, head::Head};

/// Why a record does not agree with its mirror.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The mirror could not be read.
    #[error("the mirrored head {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The record is older than its mirror, or another one.
    #[error(
        "the record ends at {size} entries, but {mirrored} were committed ({path} says so): was it restored from a backup? Remove that file to go on from here all the same"
    )]
    Behind {
        /// Entries in the record.
        size: u64,
        /// Entries that the mirror knows.
        mirrored: u64,
        /// The mirror's file.
        path: PathBuf,
    },
    /// Same size, another history.
    #[error("the record has another root at {size} entries than {path} says: it is another history")]
    Forked {
        /// Entries in both.
        size: u64,
        /// The mirror's file.
        path: PathBuf,
    },
}

/// A folder of mirrored heads, one file a ledger.
#[derive(Debug, Clone)]
pub struct Mirror {
    folder: PathBuf,
}

impl Mirror {
    /// In this folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn path(&self, genesis: EventDigest) -> PathBuf {
        self.folder.join(format!("{genesis}.head"))
    }

    /// Refuses a record that is behind its mirror.
    pub fn check(&self, genesis: EventDigest, head: &Head) -> Result<(), MirrorError> {
        let path = self.path(genesis);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(MirrorError::Io { path, source }),
        };
        // A torn mirror says nothing: it is written lazily and without a second slot.
        let Ok(mirrored) = Head::from_slot(&bytes) else { return Ok(()) };
        if mirrored.size > head.size {
            return Err(MirrorError::Behind { size: head.size, mirrored: mirrored.size, path });
        }
        if mirrored.size == head.size && mirrored.root != head.root {
            return Err(MirrorError::Forked { size: head.size, path });
        }
        Ok(())
    }

    /// Writes the newest head.
    pub fn write(&self, genesis: EventDigest, head: &Head) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let path = self.path(genesis);
        let new = path.with_extension("new");
        fs::write(&new, head.to_slot())?;
        fs::rename(new, path)
    }
}
