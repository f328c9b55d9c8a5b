//! The files of a record: segments by their first index, and the head.
//!
//! Promises to read no other file and to change none. The head is read before the segments' lengths are taken, so a
//! ledger that goes on writing never makes a whole record look shortened. (docs/FORMAT.md, Record)

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

/// More than a head file has: a longer one is read no further.
const HEAD_LIMIT: u64 = 65_536;

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The system said no.
    #[error("reading {path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// No `*.log` in it.
    #[error("{0} holds no segment (`<20 digits>.log`), and no folder `record` that does")]
    NoSegments(String),
}

impl RecordError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "unreadable-file",
            Self::NoSegments(_) => "no-segments",
        }
    }
}

/// A ledger's record, in files or in memory.
#[derive(Debug, Clone)]
pub struct Record {
    segments: Vec<Segment>,
    head: Option<Vec<u8>>,
    extra: Vec<String>,
}

/// One segment: named by the index of its first entry.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The index that it is named by.
    pub first: u64,
    /// How many bytes it had when the record was opened; no more are read.
    pub length: u64,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

impl Record {
    /// Opens a ledger's data directory (`record/*.log` and `head`), or a folder that holds the segments themselves.
    pub fn open(dir: &Path) -> Result<Self, RecordError> {
        let inner = dir.join("record");
        let folder = if inner.is_dir() { inner } else { dir.to_owned() };
        let head = read_head(&dir.join("head"))?;
        let (mut segments, mut extra) = (Vec::new(), Vec::new());
        let failing = |source| io_error(&folder, source);
        for file in fs::read_dir(&folder).map_err(failing)? {
            let file = file.map_err(failing)?;
            let name = file.file_name().to_string_lossy().into_owned();
            match segment_first(&name) {
                Some(first) => segments.push(Segment::of_file(first, file.path())?),
                None if folder == dir && name == "head" => {}
                None => extra.push(name),
            }
        }
        if segments.is_empty() {
            return Err(RecordError::NoSegments(dir.display().to_string()));
        }
        segments.sort_by_key(|segment| segment.first);
        extra.sort();
        Ok(Self { segments, head, extra })
    }

    /// A record in memory: its segments by first index, and the bytes of its head file.
    pub fn in_memory(segments: Vec<(u64, Vec<u8>)>, head: Option<Vec<u8>>) -> Self {
        let mut segments: Vec<_> = segments.into_iter().map(|(first, bytes)| Segment::of_bytes(first, bytes)).collect();
        segments.sort_by_key(|segment| segment.first);
        Self { segments, head, extra: Vec::new() }
    }

    /// The segments, by their first index.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The head file, if there is one.
    pub fn head(&self) -> Option<&[u8]> {
        self.head.as_deref()
    }

    /// Names of files among the segments that are none.
    pub fn extra(&self) -> &[String] {
        &self.extra
    }

    /// All bytes of all segments.
    pub fn length(&self) -> u64 {
        self.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.length))
    }
}

impl Segment {
    fn of_file(first: u64, path: PathBuf) -> Result<Self, RecordError> {
        let length = fs::metadata(&path).map_err(|source| io_error(&path, source))?.len();
        Ok(Self { first, length, content: Content::File(path) })
    }

    fn of_bytes(first: u64, bytes: Vec<u8>) -> Self {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { first, length, content: Content::Memory(bytes.into()) }
    }

    /// The file's name.
    pub fn name(&self) -> String {
        format!("{:020}.log", self.first)
    }

    /// Its bytes, from the first to the last that it had when the record was opened.
    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>, RecordError> {
        match &self.content {
            Content::File(path) => {
                let file = File::open(path).map_err(|source| io_error(path, source))?;
                Ok(Box::new(file.take(self.length)))
            }
            Content::Memory(bytes) => Ok(Box::new(io::Cursor::new(Arc::clone(bytes)))),
        }
    }

    pub(crate) fn failed(&self, source: io::Error) -> RecordError {
        RecordError::Io { path: self.name(), source }
    }
}

fn io_error(path: &Path, source: io::Error) -> RecordError {
    RecordError::Io { path: path.display().to_string(), source }
}

fn read_head(path: &Path) -> Result<Option<Vec<u8>>, RecordError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error(path, source)),
    };
    let mut bytes = Vec::new();
    file.take(HEAD_LIMIT).read_to_end(&mut bytes).map_err(|source| io_error(path, source))?;
    Ok(Some(bytes))
}

/// The index that a file's name stands for, if it is a segment's.
fn segment_first(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_named_by_twenty_digits() {
        assert_eq!(segment_first("00000000000000004711.log"), Some(4711));
        for other in ["4711.log", "00000000000000004711.log~", "0000000000000000471x.log", "99999999999999999999.log"] {
            assert_eq!(segment_first(other), None, "{other}");
        }
    }

    #[test]
    fn a_data_directory_and_a_bare_folder_are_both_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::open(dir.path()).unwrap_err().code(), "no-segments");
        assert_eq!(Record::open(&dir.path().join("none")).unwrap_err().code(), "unreadable-file");
        fs::create_dir(dir.path().join("record")).unwrap();
        fs::write(dir.path().join("record/00000000000000000000.log"), b"abc").unwrap();
        fs::write(dir.path().join("record/notes.txt"), b"").unwrap();
        fs::write(dir.path().join("head"), b"head").unwrap();
        let record = Record::open(dir.path()).unwrap();
        assert_eq!(
            (record.length(), record.head(), record.extra()),
            (3, Some(&b"head"[..]), &["notes.txt".to_owned()][..])
        );
        let record = Record::open(&dir.path().join("record")).unwrap();
        assert_eq!((record.length(), record.head()), (3, None));
    }
}
