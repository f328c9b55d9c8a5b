//! The data directory: what is where, who may write in it, and how it begins.
//!
//! One writer at a time: the lock file is held as long as a writer lives, and falls with its process. `init` builds the
//! directory under another name and renames it at the end, so that a half-made one is never opened.

use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use lineal_schemas::{
    checkpoint::SignedCheckpoint,
    digest::EventDigest,
    dsse::Signed,
    event::GENESIS_TYPE,
    facts::Facts,
    head::Head,
    key::{KeyError, PublicKey, SecretKey},
    note::VerifierKey,
    registry::{LEDGER_SCHEME, Registry},
    timestamp::Timestamp,
    trust::Trust,
    vocabulary::{
        Payload,
        ledger::{LedgerCreated, LedgerKey, RootKey},
    },
};

use crate::{
    log::{Sequenced, recover},
    own,
    storage::{self, Disk, Storage},
};

/// Why a data directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    /// It is there already.
    #[error("{0} exists already: a ledger begins in a folder of its own")]
    Exists(PathBuf),
    /// No ledger was begun here.
    #[error("{0} is no data directory: `ledger.trust` is missing (`lineal init` makes one)")]
    NotADataDir(PathBuf),
    /// Another process writes here.
    #[error("{0} is open in another process")]
    InUse(PathBuf),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key file.
    #[error("{path}: {source}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A file of the ledger's own that does not hold what it must.
    #[error("{path}: {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl DirError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }
}

/// A data directory.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

/// Held by the one writer.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is held, not looked at")] fs::File);

impl DataDir {
    /// The directory `root`, if a ledger was begun there.
    pub fn find(root: &Path) -> Result<Self, DirError> {
        if root.join("ledger.trust").is_file() {
            Ok(Self { root: root.to_owned() })
        } else {
            Err(DirError::NotADataDir(root.to_owned()))
        }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The local socket on which the writer answers.
    pub fn socket(&self) -> PathBuf {
        self.root.join("lineal.sock")
    }

    /// The folder of the index.
    pub fn index(&self) -> PathBuf {
        self.root.join("derived/index")
    }

    /// The trust file's path.
    pub fn trust_path(&self) -> PathBuf {
        self.root.join("ledger.trust")
    }

    /// The trust file.
    pub fn trust(&self) -> Result<Trust, DirError> {
        let path = self.trust_path();
        let text = fs::read_to_string(&path).map_err(DirError::io(&path))?;
        Trust::parse(&text).map_err(|error| DirError::Malformed { path, problem: error.to_string() })
    }

    /// The ledger's own key.
    pub fn ledger_key(&self) -> Result<SecretKey, DirError> {
        read_secret_key(&self.root.join("keys/ledger.pem"))
    }

    /// The head as it is on disk now.
    pub fn head(&self) -> Result<Head, DirError> {
        let path = self.root.join(crate::log::HEAD_FILE);
        let bytes = fs::read(&path).map_err(DirError::io(&path))?;
        Head::newest(&bytes).map_err(|error| DirError::Malformed { path, problem: error.to_string() })
    }

    /// The directory as storage of the log.
    pub fn storage(&self) -> Disk {
        Disk::new(&self.root)
    }

    /// Becomes the one writer.
    pub fn lock(&self) -> Result<Lock, DirError> {
        let path = self.root.join("lock");
        let file = fs::File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(DirError::io(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(fs::TryLockError::WouldBlock) => Err(DirError::InUse(self.root.clone())),
            Err(fs::TryLockError::Error(source)) => Err(DirError::Io { path, source }),
        }
    }
}

/// Reads a private key from a PKCS#8 PEM file.
pub fn read_secret_key(path: &Path) -> Result<SecretKey, DirError> {
    let pem = fs::read_to_string(path).map_err(DirError::io(path))?;
    SecretKey::from_pem(&pem).map_err(|source| DirError::Key { path: path.to_owned(), source })
}

/// Reads a public key from a PEM file.
pub fn read_public_key(path: &Path) -> Result<PublicKey, DirError> {
    let pem = fs::read_to_string(path).map_err(DirError::io(path))?;
    PublicKey::from_pem(&pem).map_err(|source| DirError::Key { path: path.to_owned(), source })
}

/// Writes a new file that only its owner may read.
pub fn write_private(path: &Path, text: &str) -> Result<(), DirError> {
    use io::Write as _;
    let file = fs::File::options().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(DirError::io(path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(DirError::io(path))
}

/// A ledger that is to begin.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// Its data directory.
    pub dir: &'a Path,
    /// Its origin: a name like a URL without its scheme.
    pub origin: &'a str,
    /// The roots' private keys, 1 to 8.
    pub roots: &'a [SecretKey],
    /// How many of them a decision about keys needs.
    pub threshold: u64,
    /// The ledger's own key.
    pub key: &'a SecretKey,
    /// When.
    pub now: Timestamp,
}

/// Begins a ledger: keys, genesis, trust file.
pub fn init(beginning: &Beginning<'_>) -> Result<Trust, DirError> {
    let dir = beginning.dir;
    if dir.exists() && fs::read_dir(dir).map_err(DirError::io(dir))?.next().is_some() {
        return Err(DirError::Exists(dir.to_owned()));
    }
    let malformed = |problem: String| DirError::Malformed { path: dir.to_owned(), problem };
    let genesis = genesis(beginning).map_err(malformed)?;
    let verifier = VerifierKey::new(beginning.origin, beginning.key.public().clone());
    let verifier = verifier.map_err(|error| malformed(error.to_string()))?;
    let trust = Trust::new(genesis.digest(), &[verifier]).map_err(|error| malformed(error.to_string()))?;
    let making = making_of(dir);
    if making.exists() {
        // Left by an init that was stopped: nothing in it was ever in use.
        fs::remove_dir_all(&making).map_err(DirError::io(&making))?;
    }
    fs::create_dir_all(making.join("keys")).map_err(DirError::io(&making))?;
    fs::set_permissions(making.join("keys"), fs::Permissions::from_mode(0o700)).map_err(DirError::io(&making))?;
    let pem = beginning.key.to_pem().map_err(|error| malformed(error.to_string()))?;
    write_private(&making.join("keys/ledger.pem"), &pem)?;
    first_entry(&making, beginning, &genesis).map_err(malformed)?;
    storage::replace(&Disk::new(&making), "ledger.trust", trust.to_string().as_bytes())
        .map_err(DirError::io(&making))?;
    sync_folder(&making.join("keys"))?;
    if dir.exists() {
        fs::remove_dir(dir).map_err(DirError::io(dir))?;
    }
    fs::rename(&making, dir).map_err(DirError::io(dir))?;
    sync_folder(dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")))?;
    Ok(trust)
}

/// Where a data directory is made before it gets its name: beside it, `ledger.d.making` for `ledger.d`.
fn making_of(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().map_or_else(|| "lineal".into(), std::ffi::OsStr::to_os_string);
    name.push(".making");
    dir.with_file_name(name)
}

fn sync_folder(folder: &Path) -> Result<(), DirError> {
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(DirError::io(folder))
}

fn genesis(beginning: &Beginning<'_>) -> Result<Signed, String> {
    let verifier = VerifierKey::new(beginning.origin, beginning.key.public().clone());
    let public_key = |key: &PublicKey| key.to_pem().parse().map_err(|error| format!("{error}"));
    let mut roots = Vec::new();
    for root in beginning.roots {
        roots.push(RootKey { keyid: root.keyid(), public_key: public_key(root.public())? });
    }
    roots.sort_by_key(|root| root.keyid);
    let created = LedgerCreated {
        origin: beginning.origin.parse().map_err(|error| format!("origin: {error}"))?,
        format_version: 1.try_into().map_err(|error| format!("{error}"))?,
        ledger_key: LedgerKey {
            verifier_key: verifier
                .map_err(|error| error.to_string())?
                .to_string()
                .parse()
                .map_err(|error| format!("{error}"))?,
            public_key: public_key(beginning.key.public())?,
        },
        roots,
        threshold: beginning.threshold.try_into().map_err(|error| format!("threshold: {error}"))?,
    };
    let source = format!("{LEDGER_SCHEME}{}", beginning.origin);
    let place = own::Place { source: &source, sequence: 1, previous: None, ledger: None, time: beginning.now };
    let keys: Vec<&SecretKey> = beginning.roots.iter().collect();
    let subject = format!("ledger/{}", beginning.origin);
    let signed = own::sign(&place, &subject, &Payload::from(created), &keys).map_err(|error| error.to_string())?;
    // The same judgement that every reader will make of it.
    let facts = Facts::read(&signed.event, signed.digest()).map_err(|error| error.to_string())?;
    debug_assert_eq!(facts.kind, GENESIS_TYPE);
    Registry::create(&facts, &signed.signatures).map_err(|error| error.to_string())?;
    Ok(signed)
}

fn first_entry(making: &Path, beginning: &Beginning<'_>, genesis: &Signed) -> Result<(), String> {
    let storage: Arc<dyn Storage> = Arc::new(Disk::new(making));
    recover::create(&*storage).map_err(|error| error.to_string())?;
    let opened = recover::open(&storage, beginning.origin, recover::Mode::Write, &|_signed| false);
    let (mut log, _recovery) = opened.map_err(|error| error.to_string())?;
    let entry = Sequenced {
        received: beginning.now,
        digest: genesis.digest(),
        event: genesis.event.clone(),
        signatures: genesis.signatures.clone(),
    };
    log.commit(&[entry], &|checkpoint| SignedCheckpoint::sign(checkpoint, beginning.key))
        .map_err(|error| error.to_string())?;
    log.stamp_derived().map_err(|error| error.to_string())
}

/// The genesis that a trust file pins, as this record has it at entry 0.
pub fn check_genesis(trust: &Trust, facts: &Facts) -> Result<(), (EventDigest, EventDigest)> {
    if facts.digest == trust.genesis() { Ok(()) } else { Err((trust.genesis(), facts.digest)) }
}
