//! How far the stream was read, remembered across restarts.
//!
//! A derived file: written after the commit of what it stands for and never synced, so it can lag and be lost, but never
//! lead. Whatever does not fit (another stream, one that lost its tail, a record that is shorter than it was) means
//! reading again from the first message, and dedup does the rest.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lineal_schemas::digest::EventDigest;
use serde::{Deserialize, Serialize};

/// The last message whose event was dealt with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The stream's name.
    pub(super) stream: String,
    /// When the stream was created, as its server says.
    pub(super) created: String,
    /// The message's stream sequence.
    pub(super) sequence: u64,
    /// SHA-256 of its body.
    pub(super) digest: EventDigest,
    /// Entries of the record then.
    pub(super) size: u64,
}

/// What a stream says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamState {
    pub(super) name: String,
    pub(super) created: String,
    pub(super) first: u64,
    pub(super) last: u64,
}

/// Where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// After the last message that was dealt with.
    After(u64),
    /// At the first message that there is, because of this.
    Anew(&'static str),
}

impl Position {
    /// Where to go on in a stream, in front of a record of `size` entries. `at` is the digest of the body that the stream
    /// has at this position, if it has one.
    pub(super) fn resume(&self, stream: &StreamState, at: Option<EventDigest>, size: u64) -> Start {
        if self.size > size {
            return Start::Anew("the record is shorter than it was");
        }
        if self.stream != stream.name || self.created != stream.created {
            return Start::Anew("the stream is another one");
        }
        if self.sequence > stream.last {
            return Start::Anew("the stream lost its tail");
        }
        match at {
            Some(found) if found == self.digest => Start::After(self.sequence),
            Some(_other) => Start::Anew("the stream holds another message there"),
            // Its limits took it away, and nothing that came after it.
            None if self.sequence < stream.first => Start::After(self.sequence),
            None => Start::Anew("the stream holds no message there"),
        }
    }
}

/// The file of the position.
#[derive(Debug)]
pub(super) struct PositionFile(PathBuf);

impl PositionFile {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self(data_dir.join("derived/nats-position.json"))
    }

    /// What it says; nothing if it is lost or torn.
    pub(super) fn read(&self) -> Option<Position> {
        let read = fs::read(&self.0).ok()?;
        serde_json::from_slice(&read).inspect_err(|error| tracing::warn!(%error, "the position on NATS is lost")).ok()
    }

    pub(super) fn write(&self, position: &Position) -> io::Result<()> {
        let unfinished = self.0.with_extension("new");
        fs::write(&unfinished, serde_json::to_vec(position)?)?;
        fs::rename(unfinished, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        let (stream, created) = ("LINEAL".to_owned(), "2026-11-25T00:00:00Z".to_owned());
        Position { stream, created, sequence: 7, digest: EventDigest::of(b"seven"), size: 4 }
    }

    fn stream() -> StreamState {
        StreamState { name: "LINEAL".to_owned(), created: "2026-11-25T00:00:00Z".to_owned(), first: 1, last: 9 }
    }

    #[test]
    fn the_same_stream_goes_on_after_the_position() {
        let seven = Some(EventDigest::of(b"seven"));
        assert_eq!(position().resume(&stream(), seven, 4), Start::After(7));
        let limited = StreamState { first: 8, ..stream() };
        assert_eq!(position().resume(&limited, None, 9), Start::After(7));
        let emptied = StreamState { first: 10, last: 9, ..stream() };
        assert_eq!(position().resume(&emptied, None, 9), Start::After(7));
    }

    #[test]
    fn whatever_does_not_fit_is_read_anew() {
        let seven = Some(EventDigest::of(b"seven"));
        let anew = |stream: &StreamState, at, size| matches!(position().resume(stream, at, size), Start::Anew(_));
        assert!(anew(&StreamState { created: "2026-11-25T00:00:01Z".to_owned(), ..stream() }, seven, 4));
        assert!(anew(&StreamState { name: "OTHER".to_owned(), ..stream() }, seven, 4));
        assert!(anew(&StreamState { last: 6, ..stream() }, None, 4));
        assert!(anew(&stream(), Some(EventDigest::of(b"other")), 4));
        assert!(anew(&stream(), None, 4));
        assert!(anew(&stream(), seven, 3));
    }

    #[test]
    fn a_torn_file_is_no_position() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("derived")).unwrap();
        let file = PositionFile::new(folder.path());
        assert_eq!(file.read(), None);
        file.write(&position()).unwrap();
        assert_eq!(file.read(), Some(position()));
        let text = fs::read(&file.0).unwrap();
        fs::write(&file.0, &text[..text.len() / 2]).unwrap();
        assert_eq!(file.read(), None);
    }
}
