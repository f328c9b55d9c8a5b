//! The only door to the disk: files that are read and written at offsets, synced, and renamed.
//!
//! The log core takes a [`Storage`] from outside: [`Disk`] in a program, a simulated one in tests that fails, tears and
//! forgets. Promises that a name survives a crash once [`Storage::create`] or [`Storage::rename`] has returned, and
//! bytes once [`StoredFile::sync`] has. Never retries: after a failed sync nothing that was written may be trusted.

use std::{
    fmt, fs, io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// An open file.
pub trait StoredFile: Send + Sync + fmt::Debug {
    /// Reads exactly `buffer.len()` bytes at `offset`; an error of kind `UnexpectedEof` if the file ends before.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes what was written durable, with the length (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
    /// Bytes in the file.
    fn length(&self) -> io::Result<u64>;
    /// Cuts the file, or extends it with zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;
}

/// A folder of files, named by paths relative to it.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Opens a file for reading and writing (for reading alone where the disk allows no more); `None` if there is none.
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn StoredFile>>>;
    /// Makes an empty file, and its folders, durably; an error if it exists.
    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>>;
    /// Gives a file another name, durably; a file of that name is replaced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file, durably.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Names of the files in a folder, sorted; empty if there is no such folder.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
}

/// A folder of the machine's file system.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// The folder `root`, which must exist.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn sync_folder_of(&self, name: &str) -> io::Result<()> {
        let path = self.root.join(name);
        fs::File::open(path.parent().unwrap_or(&self.root))?.sync_all()
    }

    /// Makes the folders that lead to a file, each synced in its parent.
    fn make_folders(&self, name: &str) -> io::Result<()> {
        let mut folder = self.root.clone();
        for part in Path::new(name).parent().unwrap_or_else(|| Path::new("")).components() {
            let parent = folder.clone();
            folder.push(part);
            match fs::create_dir(&folder) {
                Ok(()) => fs::File::open(&parent)?.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Storage for Disk {
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn StoredFile>>> {
        let path = self.root.join(name);
        let opened = match fs::File::options().read(true).write(true).open(&path) {
            // A copy on a read-only disk, or one that belongs to somebody else, is still there to be read.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) =>
            {
                fs::File::open(&path)
            }
            other => other,
        };
        match opened {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        self.make_folders(name)?;
        let file = fs::File::options().read(true).write(true).create_new(true).open(self.root.join(name))?;
        self.sync_folder_of(name)?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.make_folders(to)?;
        fs::rename(self.root.join(from), self.root.join(to))?;
        self.sync_folder_of(to)?;
        self.sync_folder_of(from)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.root.join(name))?;
        self.sync_folder_of(name)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

impl StoredFile for fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Writes a whole small file durably: to a temporary name, synced, then renamed over the old one.
pub fn replace(storage: &dyn Storage, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{name}.new");
    let file = match storage.open(&temporary)? {
        Some(file) => file,
        None => storage.create(&temporary)?,
    };
    file.set_length(0)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    storage.rename(&temporary, name)
}

/// Reads a whole file; `None` if there is none.
pub fn read_all(storage: &dyn Storage, name: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = storage.open(name)? else { return Ok(None) };
    let length = usize::try_from(file.length()?).map_err(|_too_large| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    file.read_at(&mut bytes, 0)?;
    Ok(Some(bytes))
}
