//! The identity of files and folders: `sha256` of a file's bytes, `dirHash` of a tree (docs/FORMAT.md; docs/EVENTS.md).
//!
//! Comes before the first event: what a producer says is about digests made here, and who has a file or a folder in hand
//! asks about it by them. A tree's digest is the SHA-256 of its listing, one `<hex>  <path>\n` a file, so `sha256sum` and
//! `sort` reproduce it and a moved file changes it. The listing that is returned is exactly the bytes that were hashed.
//! What two readers could understand differently (links to directories, names that are not UTF-8) is refused with its
//! path, never skipped. Nothing is ever written here.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
};

use lineal_schemas::{digest::sha256, listing};
use rayon::iter::{ParallelBridge, ParallelIterator};
use sha2::{Digest, Sha256};

/// Bytes read at a time: large enough that the hash, not the system call, is the cost.
const BUFFER_SIZE: usize = 1024 * 1024;

/// The digest of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedFile {
    /// SHA-256 of its bytes, as lower-case hex.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The digest of a tree, with what was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedTree {
    /// SHA-256 of the listing, as lower-case hex: the tree's `dirHash`.
    pub dir_hash: String,
    /// One `<hex>  <path>\n` a file, sorted bytewise by path.
    pub listing: Vec<u8>,
    /// Number of files.
    pub file_count: u64,
    /// Bytes of all files together.
    pub size: u64,
}

/// How far hashing has come, told while it runs and from several threads at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The walk is over: this many files, of this many bytes, will be hashed.
    Found {
        /// Number of files.
        file_count: u64,
        /// Bytes of all files together.
        size: u64,
    },
    /// This many more bytes are hashed.
    Hashed(u64),
}

/// Receives every [`Step`].
pub type Progress<'a> = &'a (dyn Fn(Step) + Sync);

/// Why a file or a tree has no digest. Every variant carries the path at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The file system refused.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// What could not be read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder with no file in it has no identity.
    #[error("{} holds no files, and an empty tree has no digest", path.display())]
    EmptyTree {
        /// The root.
        path: PathBuf,
    },
    /// A link to a directory: tools differ in whether they follow it.
    #[error("{} is a link to a directory", path.display())]
    LinkToDirectory {
        /// The link.
        path: PathBuf,
    },
    /// A link to nothing.
    #[error("{} is a dangling link", path.display())]
    DanglingLink {
        /// The link.
        path: PathBuf,
    },
    /// A device, a socket or a pipe.
    #[error("{} is neither a regular file nor a directory", path.display())]
    NotAFile {
        /// The thing.
        path: PathBuf,
    },
    /// A name that is not UTF-8.
    #[error("the name of {} is not UTF-8", path.display())]
    NameNotUtf8 {
        /// The file, its name shown with replacement characters.
        path: PathBuf,
    },
    /// A name with a backslash or a control character, which `sha256sum` would escape.
    #[error("the name of {path:?} holds {character:?}, and backslashes and control characters are refused")]
    NameCharacter {
        /// The file.
        path: PathBuf,
        /// The character at fault.
        character: char,
    },
    /// The file was written to while it was read, so the digest would be of no version of it.
    #[error("{} changed while it was hashed", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

impl TreeError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable-path",
            Self::EmptyTree { .. } => "empty-tree",
            Self::LinkToDirectory { .. } => "link-to-directory",
            Self::DanglingLink { .. } => "dangling-link",
            Self::NotAFile { .. } => "not-a-file",
            Self::NameNotUtf8 { .. } => "name-not-utf8",
            Self::NameCharacter { .. } => "name-character",
            Self::Changed { .. } => "changed-while-hashed",
        }
    }
}

/// Hashes one regular file (or what a link leads to).
pub fn hash_file(path: &Path, progress: Progress<'_>) -> Result<HashedFile, TreeError> {
    let metadata = fs::metadata(path).map_err(unreadable(path))?;
    if !metadata.is_file() {
        return Err(TreeError::NotAFile { path: path.to_owned() });
    }
    progress(Step::Found { file_count: 1, size: metadata.len() });
    let digest = hash_contents(path, &mut vec![0; BUFFER_SIZE], progress)?;
    Ok(HashedFile { sha256: hex::encode(digest), size: metadata.len() })
}

/// Hashes a directory's files on all cores.
pub fn hash_tree(root: &Path, progress: Progress<'_>) -> Result<HashedTree, TreeError> {
    let mut found = Vec::new();
    walk(root, "", &mut found)?;
    if found.is_empty() {
        return Err(TreeError::EmptyTree { path: root.to_owned() });
    }
    let file_count = found.len() as u64;
    let size = found.iter().map(|file| file.size).sum();
    progress(Step::Found { file_count, size });
    let mut hashed = hash_all(root, found, progress)?;
    hashed.sort_unstable_by(|(left, _), (right, _)| left.as_bytes().cmp(right.as_bytes()));
    let listing = write(&hashed);
    Ok(HashedTree { dir_hash: hex::encode(sha256(&listing)), listing, file_count, size })
}

fn write(hashed: &[(String, [u8; 32])]) -> Vec<u8> {
    let length = hashed.iter().map(|(path, _)| path.len() + 67).sum();
    let mut written = Vec::with_capacity(length);
    for (path, digest) in hashed {
        listing::write_line(&mut written, &hex::encode(digest), path);
    }
    written
}

/// A file to hash, by its path relative to the root.
struct Found {
    path: String,
    size: u64,
}

/// The largest files go first, so that none of them starts when the other cores are done.
fn hash_all(root: &Path, mut found: Vec<Found>, progress: Progress<'_>) -> Result<Vec<(String, [u8; 32])>, TreeError> {
    found.sort_unstable_by_key(|file| std::cmp::Reverse(file.size));
    found
        .into_iter()
        .par_bridge()
        .map_init(
            || vec![0; BUFFER_SIZE],
            |buffer, file| {
                let digest = hash_contents(&root.join(&file.path), buffer, progress)?;
                Ok((file.path, digest))
            },
        )
        .collect()
}

fn walk(root: &Path, relative: &str, found: &mut Vec<Found>) -> Result<(), TreeError> {
    let directory = root.join(relative);
    for entry in fs::read_dir(&directory).map_err(unreadable(&directory))? {
        let path = entry.map_err(unreadable(&directory))?.path();
        let relative = child(relative, &path)?;
        let metadata = fs::symlink_metadata(&path).map_err(unreadable(&path))?;
        if metadata.is_dir() {
            walk(root, &relative, found)?;
        } else {
            found.push(Found { path: relative, size: regular(path, metadata)?.len() });
        }
    }
    Ok(())
}

/// The path of an entry below the root, when its name has one reading only.
fn child(parent: &str, path: &Path) -> Result<String, TreeError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| TreeError::NameNotUtf8 { path: path.to_owned() })?;
    if let Some(character) = listing::refused_character(name) {
        return Err(TreeError::NameCharacter { path: path.to_owned(), character });
    }
    Ok(if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") })
}

/// The metadata of a regular file, or of the regular file behind a link.
fn regular(path: PathBuf, metadata: Metadata) -> Result<Metadata, TreeError> {
    if metadata.is_file() {
        return Ok(metadata);
    }
    if !metadata.is_symlink() {
        return Err(TreeError::NotAFile { path });
    }
    match fs::metadata(&path) {
        Ok(target) if target.is_file() => Ok(target),
        Ok(target) if target.is_dir() => Err(TreeError::LinkToDirectory { path }),
        Ok(_device) => Err(TreeError::NotAFile { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(TreeError::DanglingLink { path }),
        Err(source) => Err(TreeError::Unreadable { path, source }),
    }
}

fn hash_contents(path: &Path, buffer: &mut [u8], progress: Progress<'_>) -> Result<[u8; 32], TreeError> {
    let mut file = File::open(path).map_err(unreadable(path))?;
    let before = file.metadata().map_err(unreadable(path))?;
    let mut hasher = Sha256::new();
    let mut hashed: u64 = 0;
    loop {
        let count = match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.map_err(unreadable(path))?,
        };
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
        hashed += bytes.len() as u64;
        progress(Step::Hashed(bytes.len() as u64));
    }
    let after = file.metadata().map_err(unreadable(path))?;
    if hashed != before.len() || after.len() != before.len() || after.modified().ok() != before.modified().ok() {
        return Err(TreeError::Changed { path: path.to_owned() });
    }
    Ok(hasher.finalize().into())
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> TreeError + use<> {
    let path = path.to_owned();
    |source| TreeError::Unreadable { path, source }
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        os::unix::{ffi::OsStrExt, fs::symlink},
        process::Command,
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, contents) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        root
    }

    fn hash(root: &Path) -> Result<HashedTree, TreeError> {
        hash_tree(root, &|_| {})
    }

    fn refused(root: &Path) -> &'static str {
        hash(root).expect_err("must be refused").code()
    }

    /// What a person does by hand, with no code of ours.
    fn by_hand(root: &Path) -> String {
        let script = "cd \"$1\" && find . \\( -type f -o -type l \\) -print0 | sed -z 's|^\\./||' | LC_ALL=C sort -z \
                      | xargs -0 sha256sum -- ";
        let output = Command::new("sh").args(["-c", script, "sh"]).arg(root).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn sha256sum_and_sort_reproduce_the_listing() {
        let files =
            [("b/c", "1"), ("b.d", "2"), ("b/.hidden", "3"), ("a b", ""), ("ünï", "5"), ("-x", "6"), ("B", "7")];
        let root = tree(&files);
        fs::create_dir(root.path().join("empty")).unwrap();
        symlink("../b.d", root.path().join("b/link")).unwrap();
        let hashed = hash(root.path()).unwrap();
        let expected = by_hand(root.path());
        assert_eq!(String::from_utf8(hashed.listing).unwrap(), expected);
        assert_eq!(hashed.dir_hash, hex::encode(sha256(expected.as_bytes())));
        assert_eq!((hashed.file_count, hashed.size), (8, 7));
    }

    #[test]
    fn a_moved_file_changes_the_digest() {
        let before = tree(&[("label=0/9.png", "nine"), ("label=1/1.png", "one")]);
        let after = tree(&[("label=1/0.png", "nine"), ("label=1/1.png", "one")]);
        assert_ne!(hash(before.path()).unwrap().dir_hash, hash(after.path()).unwrap().dir_hash);
    }

    #[test]
    fn a_large_file_is_hashed_and_all_its_bytes_are_reported() {
        let root = tree(&[("small", "s")]);
        let contents = vec![7; 3 * BUFFER_SIZE + 5];
        fs::write(root.path().join("large"), &contents).unwrap();
        let reported = AtomicU64::new(0);
        let progress = |step| {
            if let Step::Hashed(count) = step {
                reported.fetch_add(count, Ordering::Relaxed);
            }
        };
        let hashed = hash_tree(root.path(), &progress).unwrap();
        assert_eq!(reported.load(Ordering::Relaxed), hashed.size);
        let file = hash_file(&root.path().join("large"), &|_| {}).unwrap();
        assert_eq!(file, HashedFile { sha256: hex::encode(sha256(&contents)), size: contents.len() as u64 });
    }

    #[test]
    fn an_empty_tree_has_no_digest() {
        let root = tree(&[]);
        fs::create_dir(root.path().join("empty")).unwrap();
        assert_eq!(refused(root.path()), "empty-tree");
        assert_eq!(refused(&root.path().join("nowhere")), "unreadable-path");
    }

    #[test]
    fn links_that_do_not_lead_to_files_are_refused() {
        let root = tree(&[("d/f", "1")]);
        symlink("d", root.path().join("to-directory")).unwrap();
        assert_eq!(refused(root.path()), "link-to-directory");
        fs::remove_file(root.path().join("to-directory")).unwrap();
        symlink("nothing", root.path().join("dangling")).unwrap();
        assert_eq!(refused(root.path()), "dangling-link");
        fs::remove_file(root.path().join("dangling")).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
        assert_eq!(refused(root.path()), "not-a-file");
    }

    #[test]
    fn names_with_two_readings_are_refused_with_their_path() {
        for (name, code) in [
            (b"back\\slash".as_slice(), "name-character"),
            (b"new\nline", "name-character"),
            (b"del\x7f", "name-character"),
            (b"latin\xe9", "name-not-utf8"),
        ] {
            let root = tree(&[("d/f", "1")]);
            fs::write(root.path().join("d").join(OsStr::from_bytes(name)), "x").unwrap();
            let error = hash(root.path()).expect_err("must be refused");
            assert_eq!(error.code(), code);
            assert!(error.to_string().contains("/d/"), "{error}");
        }
    }
}
