//! Attachments: the bytes that committed events name by digest, beside the record and each erasable by itself.
//!
//! Promises that a file under a digest's name holds exactly the bytes of that digest, whole and durable, whatever was
//! interrupted: it is written elsewhere, hashed on the way, synced, and then renamed. Admission never waits for
//! attachments, and whether anybody may store one is asked of the index, not here. (docs/FORMAT.md, Attachments)

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use lineal_schemas::digest::EventDigest;
use sha2::{Digest as _, Sha256};

use crate::{
    data_dir::DataDir,
    room::Room,
    storage::{Disk, Storage},
};

/// The largest attachment, in bytes.
pub const MAX_ATTACHMENT_BYTES: u64 = 1024 * 1024 * 1024;

/// How many bytes are written before the room on the disk is looked at again.
const LOOK_BYTES: u64 = 1024 * 1024;

const FOLDER: &str = "attachments";

/// Where attachments are written before they have their name. No digest begins like this.
const ARRIVING: &str = "attachments/arriving";

/// Why an attachment was not stored.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentError {
    /// Other bytes than its name says.
    #[error("these bytes have the SHA-256 {found}, not {named}: they were changed or cut on the way")]
    Digest {
        /// What the sender called it.
        named: EventDigest,
        /// What was received.
        found: EventDigest,
    },
    /// Over [`MAX_ATTACHMENT_BYTES`].
    #[error("more than {MAX_ATTACHMENT_BYTES} bytes: larger data stay where they are, and events name them by digest")]
    TooLarge,
    /// It does not fit beside what is kept free.
    #[error("{0}")]
    Full(String),
    /// The disk.
    #[error("storing the attachment: {0}")]
    Io(#[from] io::Error),
}

/// The stored attachments of a data directory, for readers.
#[derive(Debug, Clone)]
pub struct Stored {
    root: PathBuf,
}

impl Stored {
    /// Those of a data directory, of which there may be none.
    pub fn of(dir: &DataDir) -> Self {
        Self { root: dir.root().to_owned() }
    }

    /// The file of an attachment, whether it is there or not.
    pub fn path(&self, digest: &EventDigest) -> PathBuf {
        self.root.join(name(digest))
    }

    /// An attachment's bytes; nothing where they are not stored, or have been erased.
    pub fn open(&self, digest: &EventDigest) -> io::Result<Option<fs::File>> {
        match fs::File::open(self.path(digest)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The blob store of a data directory.
#[derive(Debug)]
pub struct Attachments {
    root: PathBuf,
    stored: Stored,
    disk: Disk,
    room: Room,
    arrivals: AtomicU64,
}

impl Attachments {
    /// The store of a data directory, as its one writer: what an earlier process left half-written is removed.
    pub fn open(dir: &DataDir) -> io::Result<Self> {
        let arriving = dir.root().join(ARRIVING);
        match fs::remove_dir_all(&arriving) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&arriving)?;
        Ok(Self {
            root: dir.root().to_owned(),
            stored: Stored::of(dir),
            disk: dir.storage(),
            room: Room::under(dir.root()),
            arrivals: AtomicU64::new(0),
        })
    }

    /// The file of an attachment, whether it is there or not.
    pub fn path(&self, digest: &EventDigest) -> PathBuf {
        self.stored.path(digest)
    }

    /// Whether it is there.
    pub fn has(&self, digest: &EventDigest) -> bool {
        self.path(digest).is_file()
    }

    /// Stores what `next` gives, piece by piece, if it is what the digest says; its length. Storing it again changes
    /// nothing, but wrong bytes are refused all the same.
    pub fn store(
        &self,
        digest: &EventDigest,
        next: &mut dyn FnMut() -> Option<axum::body::Bytes>,
    ) -> Result<u64, AttachmentError> {
        let name = name(digest);
        let mut arrival = if self.has(digest) { None } else { Some(self.arrival()?) };
        let (mut hash, mut length, mut room) = (Sha256::new(), 0_u64, 0_u64);
        while let Some(piece) = next() {
            length += piece.len() as u64;
            if length > MAX_ATTACHMENT_BYTES {
                return Err(AttachmentError::TooLarge);
            }
            hash.update(&piece);
            if let Some(arrival) = &mut arrival {
                if length > room {
                    room = length + LOOK_BYTES;
                    if let Some(shortage) = self.room.shortage(0, piece.len() as u64 + LOOK_BYTES) {
                        return Err(AttachmentError::Full(shortage));
                    }
                }
                arrival.file.write_all(&piece)?;
            }
        }
        let found = EventDigest::from_bytes(hash.finalize().into());
        if found != *digest {
            return Err(AttachmentError::Digest { named: *digest, found });
        }
        if let Some(arrival) = arrival {
            arrival.file.sync_all()?;
            // A crash before this leaves a file that the next open removes; after it, the whole attachment.
            self.disk.rename(&arrival.name, &name)?;
        }
        Ok(length)
    }

    fn arrival(&self) -> io::Result<Arrival> {
        let name = format!("{ARRIVING}/{}", self.arrivals.fetch_add(1, Ordering::Relaxed));
        let path = self.root.join(&name);
        Ok(Arrival { file: fs::File::create(&path)?, path, name })
    }
}

/// An attachment on its way in. Unless it got its name, nothing of it stays.
struct Arrival {
    file: fs::File,
    path: PathBuf,
    name: String,
}

impl Drop for Arrival {
    fn drop(&mut self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "half an attachment stays until the next start");
            }
            _ => {}
        }
    }
}

fn name(digest: &EventDigest) -> String {
    let hex = digest.to_string();
    format!("{FOLDER}/{}/{hex}", hex.get(..2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(attachments: &Attachments, digest: &EventDigest, bytes: &[u8]) -> Result<u64, AttachmentError> {
        let mut pieces = bytes.chunks(3).map(axum::body::Bytes::copy_from_slice);
        attachments.store(digest, &mut || pieces.next())
    }

    #[test]
    fn only_the_bytes_of_the_digest_are_stored_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ledger.trust"), "").unwrap();
        let dir = DataDir::find(folder.path()).unwrap();
        fs::create_dir_all(folder.path().join(ARRIVING)).unwrap();
        fs::write(folder.path().join(ARRIVING).join("7"), "half").unwrap();
        let attachments = Attachments::open(&dir).unwrap();
        let digest = EventDigest::of(b"listing");
        assert!(matches!(store(&attachments, &digest, b"listinG"), Err(AttachmentError::Digest { .. })));
        assert!(!attachments.has(&digest));
        assert_eq!(store(&attachments, &digest, b"listing").unwrap(), 7);
        assert_eq!(fs::read(attachments.path(&digest)).unwrap(), b"listing");
        assert_eq!(store(&attachments, &digest, b"listing").unwrap(), 7);
        assert!(store(&attachments, &digest, b"other").is_err());
        assert_eq!(fs::read(attachments.path(&digest)).unwrap(), b"listing");
        assert_eq!(fs::read_dir(folder.path().join(ARRIVING)).unwrap().count(), 0);
    }
}
