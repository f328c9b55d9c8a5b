//! The outbox: a directory where an event stays from before its first send until a receipt for it is verified.
//!
//! The step between signing and the ledger. Promises that an event which was given out is on disk before anybody else
//! sees it, and that it leaves `pending/` only when settled: with a receipt, with a signed refusal, or handed to a file
//! that takes the outbox's place. Never resumes a source whose state it lost, never sends, never judges a receipt.
//!
//! ```text
//! pending/<source>/<first>[-<last>].dsse      envelopes, one a line, that are not settled yet
//! sources/<source>/{name,head,lock}           the source's text; its newest settled event; who has it open
//! receipts/<event digest>.tlog-proof          a receipt that was verified
//! receipts/<sha256>.jsonl                     many of them, one a line
//! refused/<source>/<12-digit sequence>.*      refused events (.dsse) with the ledger's event (.json) and receipt
//! attachments/<sha256>                        bytes that events name, until the ledger has them
//! owed/<event digest>                         which attachments that event still has to send
//! observed/<environment>.json                 what an observer last said to run there
//! ```
//! (docs/FORMAT.md, "An outbox on disk")

mod attachments;
mod durable;
mod observed;
mod receipts;
mod source;
mod waiting;

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use lineal_schemas::digest::sha256;

pub use attachments::{Attachment, Owed};
pub use source::{Head, Settlement, SourceBox};
pub(crate) use waiting::EVENTS_A_FILE;
pub use waiting::{Pending, Span};

/// Readable characters of a source in the name of its directory; the digest after them tells sources apart.
const READABLE_CHARS: usize = 100;

/// A directory of events that no receipt has settled yet.
#[derive(Debug, Clone)]
pub struct Outbox {
    directory: PathBuf,
}

/// Why the outbox can't keep an event, or give one back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The file system refused.
    #[error("outbox: {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another emitter has this source open: two of them would number events alike.
    #[error("source `{source_name}` is open in another process")]
    SourceInUse {
        /// The source.
        source_name: String,
    },
    /// The source was closed by `sequenceend`.
    #[error("source `{source_name}` is closed, nothing may follow its last event")]
    SourceEnded {
        /// The source.
        source_name: String,
    },
    /// Two events of one source under one number.
    #[error("another event {sequence} of source `{source_name}` is pending")]
    NumberTaken {
        /// The source.
        source_name: String,
        /// The number.
        sequence: u64,
    },
    /// A write failed before, so what is on disk is unknown until the source is opened again.
    #[error("a write to the outbox of source `{source_name}` failed earlier, open it again")]
    Stale {
        /// The source.
        source_name: String,
    },
    /// A file does not hold what it must.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl OutboxError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "outbox-io",
            Self::SourceInUse { .. } => "source-in-use",
            Self::SourceEnded { .. } => "source-ended",
            Self::NumberTaken { .. } => "number-taken",
            Self::Stale { .. } => "outbox-stale",
            Self::Damaged { .. } => "outbox-damaged",
        }
    }
}

/// What one source has in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// The source.
    pub source: String,
    /// Sequence numbers of events without a receipt, in order.
    pub pending: Vec<u64>,
    /// Sequence numbers of events that the ledger refused with its signature.
    pub refused: Vec<u64>,
}

impl Outbox {
    /// Opens the directory, and makes it if it is not there.
    pub fn open(directory: &Path) -> Result<Self, OutboxError> {
        let outbox = Self { directory: directory.to_owned() };
        for name in ["pending", "sources", "receipts", "refused", "attachments", "owed"] {
            durable::create_directory(&directory.join(name))?;
        }
        Ok(outbox)
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Opens one source and locks it, until the value is dropped.
    pub fn source(&self, source: &str) -> Result<SourceBox, OutboxError> {
        let name = directory_name(source);
        let directory = self.directory.join("sources").join(&name);
        durable::create_directory(&directory)?;
        durable::create_directory(&self.directory.join("pending").join(&name))?;
        let lock = lock(&directory.join("lock"), source)?;
        SourceBox::open(self.clone(), source, name, lock)
    }

    /// The sources with state here, sorted by the names of their directories.
    pub fn sources(&self) -> Result<Vec<String>, OutboxError> {
        let directory = self.directory.join("sources");
        let mut sources = Vec::new();
        for name in durable::names(&directory)? {
            // A crash before `name` was written leaves a source that never had an event.
            sources.extend(durable::read_text(&directory.join(name).join("name"))?);
        }
        Ok(sources)
    }

    /// What every source has here.
    pub fn status(&self) -> Result<Vec<SourceStatus>, OutboxError> {
        self.sources()?
            .into_iter()
            .map(|source| {
                let name = directory_name(&source);
                let numbers = |kind: &str| waiting::numbers(&self.directory.join(kind).join(&name));
                Ok(SourceStatus { pending: numbers("pending")?, refused: numbers("refused")?, source })
            })
            .collect()
    }
}

fn damaged(path: &Path, what: String) -> OutboxError {
    OutboxError::Damaged { path: path.to_owned(), what }
}

/// A name that is readable, fits a file system and is the source's alone.
fn directory_name(source: &str) -> String {
    let readable = |byte: u8| if byte.is_ascii_alphanumeric() || byte == b'.' { char::from(byte) } else { '-' };
    let start: String = source.trim_start_matches("lineal://").bytes().take(READABLE_CHARS).map(readable).collect();
    let digest = hex::encode(sha256(source.as_bytes()));
    format!("{}-{}", start.trim_start_matches('.'), digest.get(..16).unwrap_or_default())
}

/// The lock is the operating system's, so it ends with its process whatever happens.
fn lock(path: &Path, source: &str) -> Result<File, OutboxError> {
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(durable::failed(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OutboxError::SourceInUse { source_name: source.to_owned() }),
        Err(TryLockError::Error(error)) => Err(durable::failed(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_look_alike_have_directories_of_their_own() {
        let names = ["ci/a", "ci-a", "lineal://ci/a", "../..", &"x".repeat(500)].map(directory_name);
        for (at, name) in names.iter().enumerate() {
            assert!(name.len() < 200 && !name.contains('/') && !name.starts_with('.'), "{name}");
            assert!(!names[..at].contains(name), "{name}");
        }
    }
}
