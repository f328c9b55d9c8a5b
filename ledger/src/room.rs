//! Notices when the disk gets full while there is still room for what follows behind the record.
//!
//! Intake ends before the last byte is written, and goes on by itself once there is room. The index lags behind the
//! record: had it no room to catch up, it could not be asked any more either. Promises nothing against others who fill the
//! same disk, nor where a quota counts: there a write fails, and the log refuses everything until it is opened again.

use std::{
    io,
    path::{Path, PathBuf},
};

/// What is kept free, at most: as much as the index may need to catch up.
const KEPT_BYTES: u64 = 64 * 1024 * 1024;

/// The part of a small disk that is kept free, at most.
const KEPT_PART: u64 = 8;

/// What an entry, its checkpoint and its hashes may take beside its event.
const ENTRY_BYTES: u64 = 2048;

/// The disk under a data directory.
#[derive(Debug)]
pub struct Room {
    folder: PathBuf,
}

/// Bytes of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    free: u64,
    total: u64,
}

impl Room {
    /// The disk that `folder` is on.
    pub fn under(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Why a batch of events of so many bytes can't be taken in, if it can't. A disk that does not say has room.
    pub fn shortage(&self, events: usize, bytes: u64) -> Option<String> {
        let needed = bytes.saturating_add(ENTRY_BYTES.saturating_mul(events as u64));
        match self.space() {
            Ok(space) => space.shortage(needed).map(|shortage| format!("{}: {shortage}", self.folder.display())),
            Err(error) => {
                tracing::debug!(%error, "how much room is left is not known");
                None
            }
        }
    }

    fn space(&self) -> io::Result<Space> {
        let found = rustix::fs::statvfs(&self.folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }
}

impl Space {
    fn shortage(self, needed: u64) -> Option<String> {
        let kept = KEPT_BYTES.min(self.total / KEPT_PART);
        let is_short = self.total > 0 && self.free < kept.saturating_add(needed);
        is_short.then(|| {
            let Self { free, .. } = self;
            format!("the disk is full: {free} bytes are free, and {kept} are kept for the index; intake goes on once there is room")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_must_fit_beside_what_is_kept_free() {
        let large = |free| Space { free, total: 1 << 40 };
        assert_eq!(large(KEPT_BYTES + 5000).shortage(5000), None);
        assert!(large(KEPT_BYTES + 4999).shortage(5000).is_some_and(|said| said.contains("the disk is full")));
        let small = |free| Space { free, total: 16 << 20 };
        assert_eq!(small(2 << 20).shortage(0), None);
        assert!(small((2 << 20) - 1).shortage(0).is_some());
        assert_eq!(Space { free: 0, total: 0 }.shortage(5000), None);
    }

    #[test]
    fn this_machine_says_how_much_room_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let space = Room::under(folder.path()).space().unwrap();
        assert!(space.total >= space.free && space.total > 0);
        assert!(Room::under(folder.path()).shortage(1, u64::MAX).is_some());
        assert_eq!(Room::under(Path::new("/no/such/folder")).shortage(1, u64::MAX), None);
    }
}
