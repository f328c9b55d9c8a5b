//! `lineal export --tiles DIR`: the log as static files, for any web server, by C2SP tlog-tiles.
//!
//! Promises that a reader who begins with the exported checkpoint finds every tile that it needs: new files come first,
//! the checkpoint after them, and parts that no checkpoint needs any more go last. A folder that holds anything else, or
//! another history, is left alone. Files that are right already are not written again. (docs/FORMAT.md, Tiles)

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use lineal_schemas::{
    checkpoint::{CheckpointError, SignedCheckpoint},
    digest::RootHash,
    tile::{TileLevel, TilePath},
};

use crate::{
    log::record::{ReadError, Record},
    tiles,
};

const CHECKPOINT: &str = "checkpoint";

const TILES: &str = "tile";

/// A file on its way; what a killed export left of it is written over.
const UNFINISHED: &str = ".unfinished";

/// Why nothing, or not all, was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The record.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file of the export.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a folder of ours.
    #[error("{path} is not part of an export: choose a new folder, or the one of an earlier export")]
    Foreign {
        /// What stands in the way.
        path: PathBuf,
    },
    /// The folder's checkpoint can't be read.
    #[error("{path}: {source}")]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// The folder holds the history of another ledger, or another history of this one.
    #[error(
        "{path} holds another history: `{origin}` with the root {found} at {size} entries, where this record has {expected}"
    )]
    OtherHistory {
        /// The folder.
        path: PathBuf,
        /// Its origin.
        origin: String,
        /// Its size.
        size: u64,
        /// Its root.
        found: RootHash,
        /// What the record has at that size.
        expected: String,
    },
}

/// Writes the record as tiles into `folder`, or brings an earlier export up to date; the number of entries.
pub fn tiles(record: &Record, folder: &Path) -> Result<u64, ExportError> {
    let export = Export { record, folder };
    let committed = record.committed();
    let size = committed.head.size;
    export.check(size)?;
    let mut wanted = BTreeSet::new();
    for tile in TilePath::all(size) {
        if tile.level() == TileLevel::Entries {
            let (bundle, bodies) = tiles::bundle_and_bodies(record, &tile)?;
            export.write(&tile.to_string(), &bundle, &mut wanted)?;
            export.write(&tiles::path_of_bodies(&tile), &bodies, &mut wanted)?;
        } else {
            export.write(&tile.to_string(), &tiles::read(record, &tile)?, &mut wanted)?;
        }
    }
    // A reader may come at any moment: up to here it sees the older checkpoint, with all of its tiles.
    export.write(CHECKPOINT, committed.checkpoint.as_bytes(), &mut wanted)?;
    remove_parts(&folder.join(TILES), &wanted)?;
    Ok(size)
}

struct Export<'a> {
    record: &'a Record,
    folder: &'a Path,
}

impl Export<'_> {
    /// The folder is new, empty, or an earlier export of this very history.
    fn check(&self, size: u64) -> Result<(), ExportError> {
        fs::create_dir_all(self.folder).map_err(failed(self.folder))?;
        for entry in fs::read_dir(self.folder).map_err(failed(self.folder))? {
            let entry = entry.map_err(failed(self.folder))?;
            if ![CHECKPOINT, TILES, UNFINISHED].map(std::ffi::OsString::from).contains(&entry.file_name()) {
                return Err(ExportError::Foreign { path: entry.path() });
            }
        }
        let path = self.folder.join(CHECKPOINT);
        let Some(text) = read(&path)? else { return Ok(()) };
        let earlier = SignedCheckpoint::parse(&String::from_utf8_lossy(&text));
        let earlier = earlier.map_err(|source| ExportError::Checkpoint { path, source })?;
        let earlier = earlier.checkpoint();
        let same_origin = earlier.origin == self.record.origin();
        let expected = match earlier.size <= size {
            true if same_origin && self.record.root(earlier.size)? == earlier.root => return Ok(()),
            true if same_origin => self.record.root(earlier.size)?.to_string(),
            true => format!("the origin `{}`", self.record.origin()),
            false => format!("only {size} entries"),
        };
        Err(ExportError::OtherHistory {
            path: self.folder.to_owned(),
            origin: earlier.origin.clone(),
            size: earlier.size,
            found: earlier.root,
            expected,
        })
    }

    /// Writes a file, whole or not at all, unless it is as it should be.
    fn write(&self, name: &str, bytes: &[u8], wanted: &mut BTreeSet<PathBuf>) -> Result<(), ExportError> {
        let path = self.folder.join(name);
        if read(&path)?.as_deref() != Some(bytes) {
            let parent = path.parent().unwrap_or(self.folder);
            fs::create_dir_all(parent).map_err(failed(parent))?;
            let unfinished = self.folder.join(UNFINISHED);
            fs::write(&unfinished, bytes).map_err(failed(&unfinished))?;
            fs::rename(&unfinished, &path).map_err(failed(&path))?;
        }
        if path.parent().is_some_and(is_partial) {
            wanted.insert(path);
        }
        Ok(())
    }
}

/// Removes the parts of tiles that belong to older sizes.
fn remove_parts(folder: &Path, wanted: &BTreeSet<PathBuf>) -> Result<(), ExportError> {
    let mut left = 0;
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.is_dir() {
            remove_parts(&path, wanted)?;
        } else if is_partial(folder) && !wanted.contains(&path) {
            fs::remove_file(&path).map_err(failed(&path))?;
            continue;
        }
        left += 1;
    }
    if left == 0 && is_partial(folder) {
        fs::remove_dir(folder).map_err(failed(folder))?;
    }
    Ok(())
}

/// Whether this is the folder of a tile's parts: `000.p`.
fn is_partial(folder: &Path) -> bool {
    folder.extension().is_some_and(|extension| extension == "p")
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, ExportError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ExportError::Io { path: path.to_owned(), source }),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ExportError {
    let path = path.to_owned();
    |source| ExportError::Io { path, source }
}
