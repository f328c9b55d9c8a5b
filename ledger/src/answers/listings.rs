//! Which stored listings have a file: the way from one file in hand to the folders that it is a part of.
//!
//! Reads the listings of all trees that the record knows, on all cores. Promises that a listing counts only where its
//! bytes are those of the tree's digest, and that what was not read is said.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
};

use lineal_schemas::{digest::EventDigest, listing::Listed, vocabulary::artifact::Artifact};
use memchr::{memmem, memrchr};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{AnswerError, NamedDigest, graph::Reader, resolve::artifact_of};
use crate::attachments::Stored;

/// The most trees whose listings one answer reads.
const MAX_TREES: usize = 1_000_000;

/// The most bytes of listings that one answer reads.
const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// The most listings that one answer names.
const MAX_LISTINGS: usize = 10_000;

/// The most paths that are named in one listing.
const MAX_PATHS: usize = 20;

const BUFFER_BYTES: usize = 1024 * 1024;

/// A listing that has a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InListing {
    /// The tree.
    pub tree: NamedDigest,
    /// Where in the tree the file is; the first of them.
    pub paths: Vec<String>,
}

impl InListing {
    pub(super) fn artifact(&self) -> Option<Artifact> {
        artifact_of(&self.tree)
    }
}

/// Listings that have a file, and whether all of them were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InListings {
    /// Those that have it, by the tree's digest.
    pub found: Vec<InListing>,
    /// Why some were not read, where they weren't.
    pub unread: Vec<String>,
}

/// The stored listings that have the file of this SHA-256.
pub(super) fn containing(reader: &Reader<'_>, sha256: &str) -> Result<InListings, AnswerError> {
    let (mut found, unread) = containing_any(reader, &[sha256])?;
    Ok(InListings { found: found.pop().unwrap_or_default(), unread })
}

/// For each of these files the stored listings that have it, all read once; and why some were not read.
pub(super) fn containing_any(
    reader: &Reader<'_>,
    files: &[&str],
) -> Result<(Vec<Vec<InListing>>, Vec<String>), AnswerError> {
    let (mut found, mut unread) = (vec![Vec::new(); files.len()], Vec::new());
    let stored = &reader.view().attachments;
    let trees = reader.view().index.trees(reader.moment().size, MAX_TREES)?;
    if trees.len() >= MAX_TREES {
        unread.push(format!("the record knows {MAX_TREES} folders or more: the listings of some were not read"));
    }
    let known = trees.len();
    let there: Vec<(EventDigest, u64)> =
        trees.into_iter().filter_map(|tree| Some((tree, stored.path(&tree).metadata().ok()?.len()))).collect();
    if there.len() < known {
        let missing = known - there.len();
        unread.push(format!("of {missing} folders no listing is stored: whether the file is in them is unknown"));
    }
    let mut left = MAX_BYTES;
    let readable = there.iter().take_while(|(_tree, size)| {
        left = left.saturating_sub(*size);
        left > 0
    });
    let readable: Vec<EventDigest> = readable.map(|(tree, _size)| *tree).collect();
    if readable.len() < there.len() {
        let more = there.len() - readable.len();
        unread.push(format!("{more} listings were not read: the limit of {MAX_BYTES} bytes is reached"));
    }
    let looked: Vec<Result<Vec<(usize, InListing)>, String>> =
        readable.par_iter().map(|tree| look(stored, tree, files)).collect();
    for one in looked {
        match one {
            Ok(some) => {
                for (file, listing) in some {
                    found.get_mut(file).into_iter().for_each(|listings| listings.push(listing.clone()));
                }
            }
            Err(unreadable) => unread.push(unreadable),
        }
    }
    if found.iter().any(|listings| listings.len() > MAX_LISTINGS) {
        unread.push(format!("only the first {MAX_LISTINGS} listings that have it are told"));
        for listings in &mut found {
            listings.truncate(MAX_LISTINGS);
        }
    }
    Ok((found, unread))
}

/// What one listing has of the files, by their places.
fn look(stored: &Stored, tree: &EventDigest, files: &[&str]) -> Result<Vec<(usize, InListing)>, String> {
    let unreadable = |error: io::Error| format!("the listing of dirHash:{tree} can't be read: {error}");
    let Some(file) = stored.open(tree).map_err(unreadable)? else { return Ok(Vec::new()) };
    let found = paths(file, files).map_err(unreadable)?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    if !is_whole(stored, tree).map_err(unreadable)? {
        return Err(format!("the listing of dirHash:{tree} is not what its name says"));
    }
    let digest = NamedDigest { algorithm: "dirHash".into(), value: tree.to_string() };
    let listing = |(file, paths)| (file, InListing { tree: digest.clone(), paths });
    Ok(found.into_iter().map(listing).collect())
}

/// The paths of files in a listing, by the files' places. The digests are looked for as bytes, a few lines at a time: nearly
/// all have none of them.
fn paths(mut listing: File, files: &[&str]) -> io::Result<BTreeMap<usize, Vec<String>>> {
    let finders: Vec<_> = files.iter().map(|sha256| memmem::Finder::new(*sha256)).collect();
    let (mut bytes, mut kept, mut paths) = (vec![0; BUFFER_BYTES], 0, BTreeMap::<usize, Vec<String>>::new());
    loop {
        let count = listing.read(bytes.get_mut(kept..).unwrap_or_default())?;
        let filled = bytes.get(..kept + count).unwrap_or_default();
        // What comes after the last line's end is looked at with what follows.
        let whole = memrchr(b'\n', filled).map_or(0, |at| at + 1);
        if count == 0 || (whole == 0 && filled.len() == BUFFER_BYTES) {
            return Ok(paths);
        }
        let lines = filled.get(..whole).unwrap_or_default();
        for (file, finder) in finders.iter().enumerate() {
            for path in finder.find_iter(lines).filter_map(|at| path_at(lines, at)) {
                let paths = paths.entry(file).or_default();
                if paths.len() < MAX_PATHS {
                    paths.push(path.to_owned());
                }
            }
        }
        kept = filled.len() - whole;
        bytes.copy_within(whole..whole + kept, 0);
    }
}

/// The path in the line that begins at a place; nothing where none does.
fn path_at(lines: &[u8], at: usize) -> Option<&str> {
    let begins = at == 0 || lines.get(at - 1) == Some(&b'\n');
    let line = lines.get(at..).filter(|_rest| begins)?.split(|byte| *byte == b'\n').next()?;
    Listed::parse(line).ok().map(|listed| listed.path)
}

fn is_whole(stored: &Stored, tree: &EventDigest) -> io::Result<bool> {
    let Some(mut file) = stored.open(tree)? else { return Ok(false) };
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; BUFFER_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(EventDigest::from_bytes(hasher.finalize().into()) == *tree),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// A file that only listings know.
pub(super) fn file(sha256: &str, path: Option<&String>) -> Option<Artifact> {
    let name = path.and_then(|path| path.rsplit('/').next()).and_then(|name| name.parse().ok());
    let artifact = artifact_of(&NamedDigest { algorithm: "sha256".into(), value: sha256.to_owned() })?;
    Some(Artifact { name, ..artifact })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_wherever_it_stands_in_a_listing_and_only_as_a_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("listing");
        let hex = |number: usize| format!("{number:064x}");
        let mut listing = Vec::new();
        for number in 0..30_000 {
            // A path may look like another file's digest.
            lineal_schemas::listing::write_line(&mut listing, &hex(number), &format!("part/{}", hex(number + 40_000)));
        }
        assert!(listing.len() > 3 * BUFFER_BYTES);
        std::fs::write(&path, &listing).unwrap();
        let found = |number: usize| {
            // Among others that are looked for in the same reading.
            let others = [hex(31_000), hex(number), hex(123)];
            let files: Vec<&str> = others.iter().map(String::as_str).collect();
            let mut found = paths(File::open(&path).unwrap(), &files).unwrap();
            assert!(!found.contains_key(&0));
            found.remove(&1).unwrap_or_default()
        };
        for number in (0..30_000).step_by(1009).chain([29_999]) {
            assert_eq!(found(number), [format!("part/{}", hex(number + 40_000))]);
        }
        for absent in [30_000, 40_000, 69_999] {
            assert_eq!(found(absent), Vec::<String>::new());
        }
        let twice = listing.repeat(2);
        std::fs::write(&path, twice).unwrap();
        assert_eq!(found(7).len(), 2);
        std::fs::write(&path, vec![b'0'; 2 * BUFFER_BYTES]).unwrap();
        assert_eq!(found(0), Vec::<String>::new(), "no line in sight");
    }
}
