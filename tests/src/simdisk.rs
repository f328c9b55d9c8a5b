//! A simulated disk under the log: it counts every durable step, fails the one that it is told to, and forgets what
//! was not synced when the machine crashes.
//!
//! What it models:
//! - written bytes are seen at once by whoever reads (the page cache) and last only when their file has been synced;
//! - a failed sync leaves the cache as it is and marks it clean: no later sync makes those bytes last (Linux does so);
//! - names are made, changed and removed durably before the call returns, as [`Storage`] promises;
//! - a crash, after any step, with unsynced sectors kept, lost, torn or read as zeros (see [`Tail`]).
//!
//! What it does not: directories (only names), sectors that fail to read, two programs at one file, metadata
//! that lasts in another order than it was written; and a disk that lies about syncs only as a canary
//! ([`SimDisk::lie_about`]). One thread drives it; the same calls give the same bytes.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lineal_ledger::storage::{Storage, StoredFile};

mod image;

pub use self::image::{Image, SECTOR_BYTES, Tail};

/// What the system says when it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errno {
    /// `EIO`.
    Io,
    /// `ENOSPC`.
    NoSpace,
}

impl Errno {
    fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Self::Io => 5,
            Self::NoSpace => 28,
        })
    }
}

/// What happens at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails and changes nothing; a sync makes nothing last, now or later.
    Failed(Errno),
    /// The call does all of its work and reports a failure.
    FailedButApplied(Errno),
    /// A write stops after so many bytes and reports a failure. (Any other call: as [`Fault::Failed`].)
    Short {
        /// Bytes that were written.
        bytes: usize,
        /// The failure.
        errno: Errno,
    },
    /// The call does its work and then the machine is off: this call and all later ones fail.
    CrashedAfter,
}

/// How much of its work a call does.
#[derive(Debug, Clone, Copy)]
enum Done {
    All,
    First(usize),
    Nothing,
}

/// A call that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `write_at`, with the offset and the number of bytes.
    Write(String, u64, usize),
    /// `sync`.
    Sync(String),
    /// `set_length`.
    SetLength(String, u64),
    /// `create`.
    Create(String),
    /// `rename`, from and to.
    Rename(String, String),
    /// `remove`.
    Remove(String),
}

/// The disk. Clones are the same disk; an [`Image`] is a copy.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    image: Image,
    trace: Vec<Step>,
    plan: Option<(usize, Fault)>,
    history: Option<Vec<Image>>,
    off: bool,
    lies_about: Option<String>,
}

impl SimDisk {
    /// A disk that begins as `image`.
    pub fn of(image: Image) -> Self {
        let state = State { image, trace: Vec::new(), plan: None, history: None, off: false, lies_about: None };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// As the log takes it.
    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(self.clone())
    }

    /// From now on, keeps what the disk looked like after each step.
    pub fn keep_history(&self) {
        self.state().history = Some(Vec::new());
    }

    /// The disk after each step since [`Self::keep_history`].
    pub fn take_history(&self) -> Vec<Image> {
        self.state().history.take().unwrap_or_default()
    }

    /// Lets step `number`, counted from 0 since the disk was made, go wrong.
    pub fn fail_at(&self, number: usize, fault: Fault) {
        self.state().plan = Some((number, fault));
    }

    /// From now on, says that it has synced files whose names begin so, and does not: what a test must notice.
    pub fn lie_about(&self, prefix: &str) {
        self.state().lies_about = Some(prefix.to_owned());
    }

    /// Steps so far.
    pub fn steps(&self) -> usize {
        self.state().trace.len()
    }

    /// All steps so far.
    pub fn trace(&self) -> Vec<Step> {
        self.state().trace.clone()
    }

    /// The disk as it is, cache included: what a program finds that is started again while the machine stays up.
    pub fn image(&self) -> Image {
        self.state().image.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, read: impl FnOnce(&Image) -> io::Result<T>) -> io::Result<T> {
        let state = self.state();
        if state.off { Err(machine_off()) } else { read(&state.image) }
    }

    fn step(&self, step: Step, work: impl FnOnce(&mut Image, Done)) -> io::Result<()> {
        let mut state = self.state();
        if state.off {
            return Err(machine_off());
        }
        let number = state.trace.len();
        state.trace.push(step);
        let fault = state.plan.filter(|(at, _fault)| *at == number).map(|(_at, fault)| fault);
        let (done, result) = match fault {
            None => (Done::All, Ok(())),
            Some(Fault::Failed(errno)) => (Done::Nothing, Err(errno.error())),
            Some(Fault::FailedButApplied(errno)) => (Done::All, Err(errno.error())),
            Some(Fault::Short { bytes, errno }) => (Done::First(bytes), Err(errno.error())),
            Some(Fault::CrashedAfter) => (Done::All, Err(machine_off())),
        };
        work(&mut state.image, done);
        state.off = fault == Some(Fault::CrashedAfter);
        let now = state.image.clone();
        if let Some(history) = &mut state.history {
            history.push(now);
        }
        result
    }

    fn file(&self, name: &str, inode: u64) -> Box<dyn StoredFile> {
        Box::new(SimFile { disk: self.clone(), name: name.to_owned(), inode })
    }
}

fn machine_off() -> io::Error {
    io::Error::other("the machine is off")
}

impl Storage for SimDisk {
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn StoredFile>>> {
        let inode = self.read(|image| Ok(image.inode(name)))?;
        Ok(inode.map(|inode| self.file(name, inode)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        if self.read(|image| Ok(image.inode(name)))?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.step(Step::Create(name.to_owned()), |image, done| {
            if let Done::All = done {
                image.create(name);
            }
        })?;
        let inode = self.read(|image| image.inode(name).ok_or_else(|| io::ErrorKind::NotFound.into()))?;
        Ok(self.file(name, inode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.read(|image| image.inode(from).ok_or_else(|| io::ErrorKind::NotFound.into()))?;
        self.step(Step::Rename(from.to_owned(), to.to_owned()), |image, done| {
            if let Done::All = done {
                image.rename(from, to);
            }
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.read(|image| image.inode(name).ok_or_else(|| io::ErrorKind::NotFound.into()))?;
        self.step(Step::Remove(name.to_owned()), |image, done| {
            if let Done::All = done {
                image.remove(name);
            }
        })
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.read(|image| Ok(image.list(folder)))
    }
}

/// An open file: it follows its file through a rename, as an open descriptor does.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    name: String,
    inode: u64,
}

impl StoredFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.disk.read(|image| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let bytes = image.visible(self.inode).get(from..).and_then(|rest| rest.get(..buffer.len()));
            buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.disk.step(Step::Write(self.name.clone(), offset, bytes.len()), |image, done| {
            let count = match done {
                Done::All => bytes.len(),
                Done::First(count) => count.min(bytes.len()),
                Done::Nothing => 0,
            };
            image.write(self.inode, offset, bytes.get(..count).unwrap_or_default());
        })
    }

    fn sync(&self) -> io::Result<()> {
        let lies = self.disk.state().lies_about.as_ref().is_some_and(|prefix| self.name.starts_with(prefix));
        self.disk.step(Step::Sync(self.name.clone()), |image, done| match done {
            _ if lies => {}
            Done::All => image.sync(self.inode),
            Done::First(_) | Done::Nothing => image.fail_sync(self.inode),
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.read(|image| Ok(image.visible(self.inode).len() as u64))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.step(Step::SetLength(self.name.clone(), length), |image, done| {
            if let Done::All = done {
                image.set_length(self.inode, length);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk_with(durable: &[u8]) -> (SimDisk, Box<dyn StoredFile>) {
        let disk = SimDisk::of(Image::default());
        let file = disk.create("a/b").unwrap();
        file.write_at(durable, 0).unwrap();
        file.sync().unwrap();
        (disk, file)
    }

    fn check(disk: &SimDisk, tail: Tail, expected: &[u8]) {
        let after = disk.image().crash(tail);
        assert_eq!(after.read("a/b").unwrap(), expected, "{tail:?}");
        assert_eq!(after.crash(Tail::Dropped).read("a/b").unwrap(), expected, "a crash leaves nothing unsynced");
    }

    #[test]
    fn only_what_was_synced_is_sure_to_survive() {
        let (disk, file) = disk_with(b"old");
        file.write_at(b"new!", 1).unwrap();
        check(&disk, Tail::Kept, b"onew!");
        check(&disk, Tail::Dropped, b"old");
        check(&disk, Tail::Prefix(0), b"old");
        check(&disk, Tail::PrefixThenZeros(0), b"old\0\0");
        assert_eq!(disk.image().read("a/b").unwrap(), b"onew!", "a program started again sees the cache");
        file.sync().unwrap();
        check(&disk, Tail::Dropped, b"onew!");
    }

    #[test]
    fn a_write_is_torn_at_sectors_of_the_file() {
        let (disk, file) = disk_with(&[1; 500]);
        file.write_at(&[2; 1000], 100).unwrap();
        assert_eq!(disk.image().unsynced_sectors("a"), 3);
        let first = [&[1; 100][..], &[2; 412]].concat();
        check(&disk, Tail::Prefix(1), &first);
        check(&disk, Tail::PrefixThenZeros(1), &[&first[..], &[0; 588]].concat());
        check(&disk, Tail::EvenSectors, &[&first[..], &[0; 512], &[2; 76]].concat());
        check(&disk, Tail::OddSectors, &[&[1; 500][..], &[0; 12], &[2; 512]].concat());
    }

    #[test]
    fn what_a_failed_sync_leaves_in_the_cache_never_lasts() {
        let (disk, file) = disk_with(b"old");
        file.write_at(b"new", 0).unwrap();
        disk.fail_at(disk.steps(), Fault::Failed(Errno::Io));
        assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(5));
        file.sync().unwrap();
        assert_eq!(disk.image().read("a/b").unwrap(), b"new");
        check(&disk, Tail::Kept, b"old");
        file.write_at(b"new", 0).unwrap();
        file.sync().unwrap();
        check(&disk, Tail::Dropped, b"new");
    }

    #[test]
    fn a_crashed_machine_answers_nothing() {
        let (disk, file) = disk_with(b"old");
        disk.fail_at(disk.steps(), Fault::CrashedAfter);
        file.write_at(b"new", 0).unwrap_err();
        file.length().unwrap_err();
        disk.list("a").unwrap_err();
        check(&disk, Tail::Kept, b"new");
    }

    #[test]
    fn a_short_write_leaves_its_first_bytes() {
        let (disk, file) = disk_with(b"old");
        disk.fail_at(disk.steps(), Fault::Short { bytes: 2, errno: Errno::NoSpace });
        assert_eq!(file.write_at(b"new", 3).unwrap_err().kind(), io::ErrorKind::StorageFull);
        check(&disk, Tail::Kept, b"oldne");
    }

    #[test]
    fn a_name_that_was_never_synced_may_be_lost() {
        let (disk, _file) = disk_with(b"old");
        disk.create("a/c").unwrap();
        let image = disk.image();
        assert_eq!(image.list("a"), ["b", "c"]);
        assert_eq!(image.without_new_names().list("a"), ["b"]);
    }
}
