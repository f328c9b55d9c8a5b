//! Which files of two folders differ: their stored listings, read side by side.
//!
//! A listing is stored under the digest of its bytes, which is the folder's `dirHash`. Promises to read each line once,
//! in little memory, and that a listing which is not there, or not what its name says, is no answer.

use std::{
    cmp::Ordering,
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
};

use lineal_schemas::{digest::EventDigest, listing::Listed};
use sha2::{Digest as _, Sha256};

use super::{FileChange, Files, MAX_FILES};
use crate::{
    answers::{print, trace::Node},
    attachments::Stored,
};

/// The most pairs of folders whose listings one answer reads.
const MAX_PAIRS: usize = 100;

/// The longest line of a listing that is read.
const MAX_LINE_BYTES: u64 = 64 * 1024;

const BUFFER_BYTES: usize = 256 * 1024;

/// The listings that an answer may read.
pub(super) struct Listings {
    stored: Stored,
    left: usize,
}

impl Listings {
    pub(super) const fn new(stored: Stored) -> Self {
        Self { stored, left: MAX_PAIRS }
    }
}

/// How the files of two folders differ; nothing where neither is a folder. An error says why it is unknown.
pub(super) fn compare(listings: &mut Listings, before: &Node, after: &Node) -> Result<Option<Files>, String> {
    let (mine, theirs) = match (dir_hash(before), dir_hash(after)) {
        (Some(mine), Some(theirs)) => (mine, theirs),
        (None, None) => return Ok(None),
        _ => return Err("files: only one of the two is a folder".to_owned()),
    };
    let Some(left) = listings.left.checked_sub(1) else {
        return Err(format!("files: not compared, {MAX_PAIRS} pairs of folders were before"));
    };
    listings.left = left;
    let mut one = Lines::open(&listings.stored, &mine, before)?;
    let mut other = Lines::open(&listings.stored, &theirs, after)?;
    merged(&mut one, &mut other).map(Some)
}

fn dir_hash(node: &Node) -> Option<EventDigest> {
    node.digests.iter().find(|digest| digest.algorithm == "dirHash").and_then(|digest| digest.value.parse().ok())
}

fn merged(mine: &mut Lines, theirs: &mut Lines) -> Result<Files, String> {
    let mut files = Files::default();
    let (mut one, mut other) = (mine.next()?, theirs.next()?);
    loop {
        let order = match (&one, &other) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.path.as_bytes().cmp(other.path.as_bytes()),
        };
        let before = if order == Ordering::Greater { None } else { one.take() };
        let after = if order == Ordering::Less { None } else { other.take() };
        if before.is_some() {
            one = mine.next()?;
        }
        if after.is_some() {
            other = theirs.next()?;
        }
        count(&mut files, before, after);
    }
    Ok(files)
}

fn count(files: &mut Files, before: Option<Line>, after: Option<Line>) {
    let counted = match (&before, &after) {
        (Some(before), Some(after)) if before.sha256 == after.sha256 => {
            files.unchanged += 1;
            return;
        }
        (Some(_), Some(_)) => &mut files.changed,
        (Some(_), None) => &mut files.removed,
        _ => &mut files.added,
    };
    *counted += 1;
    if files.listed.len() >= MAX_FILES {
        files.truncated = true;
        return;
    }
    let path = after.as_ref().or(before.as_ref()).map(|line| line.path.clone()).unwrap_or_default();
    let sha256 = |line: Option<Line>| line.map(|line| line.sha256);
    files.listed.push(FileChange { path, before: sha256(before), after: sha256(after) });
}

/// A file of a listing.
struct Line {
    sha256: String,
    path: String,
}

/// The lines of a stored listing, in order; at its end, that it is what its name says.
struct Lines {
    reader: BufReader<File>,
    digest: EventDigest,
    hasher: Sha256,
    last: Option<String>,
    label: String,
}

impl Lines {
    fn open(stored: &Stored, digest: &EventDigest, node: &Node) -> Result<Self, String> {
        let label = print::label(node);
        match stored.open(digest) {
            Ok(Some(file)) => Ok(Self {
                reader: BufReader::with_capacity(BUFFER_BYTES, file),
                digest: *digest,
                hasher: Sha256::new(),
                last: None,
                label,
            }),
            Ok(None) => Err(format!("files: unknown, the listing of {label} is not stored")),
            Err(error) => Err(format!("files: unknown, the listing of {label} can't be read: {error}")),
        }
    }

    fn next(&mut self) -> Result<Option<Line>, String> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        read.map_err(|error: io::Error| self.unreadable(&error.to_string()))?;
        self.hasher.update(&line);
        if line.is_empty() {
            let found = EventDigest::from_bytes(self.hasher.clone().finalize().into());
            return if found == self.digest {
                Ok(None)
            } else {
                Err(self.unreadable("its bytes are not those of its name"))
            };
        }
        let text = line.strip_suffix(b"\n").ok_or_else(|| self.unreadable("a line has no end"))?;
        let listed = Listed::parse(text).map_err(|error| self.unreadable(&error.to_string()))?;
        if self.last.as_ref().is_some_and(|last| last.as_bytes() >= listed.path.as_bytes()) {
            return Err(self.unreadable("its paths are not sorted"));
        }
        self.last = Some(listed.path.to_owned());
        Ok(Some(Line { sha256: listed.sha256.to_owned(), path: listed.path.to_owned() }))
    }

    fn unreadable(&self, why: &str) -> String {
        format!("files: unknown, the listing of {} can't be read: {why}", self.label)
    }
}
