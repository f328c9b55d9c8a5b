//! The three durable steps that the outbox is made of: write a file, make a folder, take a file away.
//!
//! A file appears under its name whole or not at all: written beside it, synced, renamed, and the directory synced. A
//! crash in between leaves at most a `.new-…` file that nobody reads. (docs/FORMAT.md: synced before the first send)

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::OutboxError;

/// What a half-written file is called until it is whole.
pub(super) const UNFINISHED: &str = ".new-";

/// Writes a whole file, so that it is there after a crash, or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), OutboxError> {
    write_many(&[(path.to_owned(), bytes)])
}

/// Writes files of one directory with one sync of that directory.
pub(super) fn write_many(files: &[(PathBuf, &[u8])]) -> Result<(), OutboxError> {
    for (path, bytes) in files {
        replace(path, bytes).map_err(failed(path))?;
    }
    files.first().and_then(|(path, _)| path.parent()).map_or(Ok(()), sync_directory)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = path.with_file_name(format!("{UNFINISHED}{name}"));
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

/// Makes a directory and those above it, and syncs where each new one is named.
pub(super) fn create_directory(path: &Path) -> Result<(), OutboxError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_directory(parent)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(path)(error)),
        _made => sync_directory(parent.unwrap_or_else(|| Path::new("."))),
    }
}

/// Takes a file away, without a sync: where coming back after a crash does no harm. One that is gone is no error.
pub(super) fn remove(path: &Path) -> Result<(), OutboxError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path)(error)),
        _gone => Ok(()),
    }
}

/// Takes files of one directory away; one that is gone already is no error.
pub(super) fn remove_many(paths: &[PathBuf]) -> Result<(), OutboxError> {
    for path in paths {
        remove(path)?;
    }
    paths.first().and_then(|path| path.parent()).map_or(Ok(()), sync_directory)
}

/// Until this returns, a new name in the directory may be lost in a crash.
pub(super) fn sync_directory(path: &Path) -> Result<(), OutboxError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(failed(path))
}

/// Takes away what a process left half-written that was killed. Only for who has the directory to itself.
pub(super) fn remove_unfinished(directory: &Path) -> Result<(), OutboxError> {
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let entry = entry.map_err(failed(directory))?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// The names in a directory, sorted; none if there is no such directory. Half-written files are left out.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, OutboxError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed(directory))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed(directory))?.file_name().to_string_lossy().into_owned();
        if !name.starts_with(UNFINISHED) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// A file's bytes, or none if it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, OutboxError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

/// A file's text, or none if it is not there.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, OutboxError> {
    let damaged = |_not_utf8| OutboxError::Damaged { path: path.to_owned(), what: "not UTF-8".to_owned() };
    read(path)?.map(String::from_utf8).transpose().map_err(damaged)
}

/// Names the path in what the system said.
pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> OutboxError + use<> {
    let path = path.to_owned();
    |source| OutboxError::Io { path, source }
}
