//! The file target: envelopes are appended to a file that a person carries to `lineal append`.
//!
//! Once the file is synced it holds the events, so they leave the outbox: from then on the file is the outbox, and
//! nobody tells the producer how it went. A crash between the sync and that leaves an event in both places; the second
//! copy is a duplicate to the ledger. Attachments go to `<file>.attachments/<sha256>`. (docs/FORMAT.md, envelopes in files)

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use lineal_schemas::dsse::Signed;

use super::TargetError;
use crate::outbox::Pending;

/// What every envelope begins with: the sign of a line that a crash cut short.
const ENVELOPE_START: &[u8] = b"{\"payload\":\"";

/// A file of envelopes, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTarget {
    path: PathBuf,
}

impl FileTarget {
    /// The file at `path`, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Appends envelopes and syncs. Others that append wait for the lock.
    pub(crate) fn append(&self, events: &[Pending]) -> Result<(), TargetError> {
        let mut options = File::options();
        let mut file =
            options.create(true).truncate(false).read(true).write(true).open(&self.path).map_err(self.failed())?;
        file.lock().map_err(self.failed())?;
        self.mend(&mut file)?;
        let lines: String = events.iter().flat_map(|event| [event.envelope.as_str(), "\n"]).collect();
        file.write_all(lines.as_bytes()).and_then(|()| file.sync_all()).map_err(self.failed())?;
        sync_parent(&self.path).map_err(self.failed())
    }

    /// Keeps an attachment beside the file.
    pub(crate) fn attach(&self, digest: &str, bytes: &[u8]) -> Result<(), TargetError> {
        let directory = self.attachments();
        fs::create_dir_all(&directory).map_err(self.failed())?;
        let write = || {
            let (unfinished, path) = (directory.join(format!(".new-{digest}")), directory.join(digest));
            let mut file = File::create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(unfinished, &path)?;
            sync_parent(&path)
        };
        write().map_err(self.failed())
    }

    /// Where attachments go.
    pub fn attachments(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".attachments");
        PathBuf::from(name)
    }

    /// Leaves the file at the end of a whole line. What a crash cut short is still in an outbox, so it may go; a last
    /// line that was not ours is not touched.
    fn mend(&self, file: &mut File) -> Result<(), TargetError> {
        let (at, line) = last_line(file).map_err(self.failed())?;
        if line.is_empty() {
            return Ok(());
        }
        if Signed::from_envelope(&line).is_ok() {
            return file.write_all(b"\n").map_err(self.failed());
        }
        if !line.starts_with(ENVELOPE_START) && !ENVELOPE_START.starts_with(&line) {
            return Err(TargetError::TornFile { path: self.path.clone() });
        }
        file.set_len(at).and_then(|()| file.seek(SeekFrom::Start(at)).map(drop)).map_err(self.failed())
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> TargetError + use<> {
        let path = self.path.clone();
        |source| TargetError::File { path, source }
    }
}

/// What stands after the last newline, with its offset; leaves the file at its end.
fn last_line(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let mut at = file.seek(SeekFrom::End(0))?;
    let mut line = Vec::new();
    while at > 0 {
        let start = at.saturating_sub(64 * 1024);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(at - start).read_to_end(&mut block)?;
        let cut = block.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let rest = block.split_off(cut);
        at = start + cut as u64;
        line.splice(0..0, rest);
        if cut > 0 {
            break;
        }
    }
    file.seek(SeekFrom::End(0))?;
    Ok((at, line))
}

/// A new file is there after a crash only once its directory is synced.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(parent)?.sync_all()
}
