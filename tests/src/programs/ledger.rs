//! A ledger of a test's own: its folder, the commands of its operator, and the process that serves it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use lineal_schemas::{digest::EventDigest, key::PublicKey, trust::Trust};
use tempfile::TempDir;

use super::{Ended, Http, Process, lineal, run};

/// The name of the ledgers of all tests.
const ORIGIN: &str = "ledger.example/test";

/// A data directory with its root key, in a folder that goes with it.
#[derive(Debug)]
pub struct LedgerHome {
    folder: TempDir,
    dir: PathBuf,
    mirror: Option<PathBuf>,
}

impl LedgerHome {
    /// Begins a ledger.
    pub fn init() -> Self {
        Self::init_at(|folder| folder.join("ledger"))
    }

    /// Begins a ledger in a place within the new folder that `place` gives.
    pub fn init_at(place: impl FnOnce(&Path) -> PathBuf) -> Self {
        Self::init_into(tempfile::tempdir().expect("a folder for the test"), place)
    }

    fn init_into(folder: TempDir, place: impl FnOnce(&Path) -> PathBuf) -> Self {
        let dir = place(folder.path());
        let home = Self { folder, dir, mirror: None };
        run(home.lineal("init").args(["--origin", ORIGIN, "--root-key"]).arg(home.root_key())).succeeded();
        home
    }

    /// Begins a ledger in a new folder below `parent`, and so on its disk.
    pub fn init_below(parent: &Path) -> Self {
        let folder = tempfile::tempdir_in(parent).expect("a folder for the test");
        Self::init_into(folder, |folder| folder.join("ledger"))
    }

    /// From now on heads are mirrored to `folder`.
    pub fn mirror_to(&mut self, folder: PathBuf) {
        self.mirror = Some(folder);
    }

    /// The folder around the data directory, for whatever else a test needs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The root's private key.
    pub fn root_key(&self) -> PathBuf {
        self.folder().join("root.pem")
    }

    /// The trust file.
    pub fn trust_path(&self) -> PathBuf {
        self.dir().join("ledger.trust")
    }

    /// The trust file, read.
    pub fn trust(&self) -> Trust {
        let text = std::fs::read_to_string(self.trust_path()).expect("init wrote a trust file");
        Trust::parse(&text).expect("init wrote a sound trust file")
    }

    /// Digest of the genesis.
    pub fn genesis(&self) -> EventDigest {
        self.trust().genesis()
    }

    /// `lineal COMMAND… --dir DIR`, for more arguments.
    pub fn lineal(&self, command: &str) -> Command {
        let mut program = lineal();
        program.args(command.split(' ')).arg("--dir").arg(&self.dir);
        if let Some(mirror) = &self.mirror {
            program.env("LINEAL_MIRROR", mirror);
        }
        program
    }

    /// The users that `lineal nats-config` makes, as configuration for a server that has a store of its own, and the folder
    /// with their seeds.
    #[track_caller]
    pub fn nats_users(&self) -> (String, PathBuf) {
        let seeds = self.folder().join("seeds");
        let printed = run(self.lineal("nats-config").arg("--seeds").arg(&seeds)).succeeded();
        let users = printed.find("authorization {").expect("the configuration has users");
        (printed[users..].to_owned(), seeds)
    }

    /// A file with a public key.
    pub fn key_file(&self, key: &PublicKey) -> PathBuf {
        let path = self.folder().join(format!("{}.pub.pem", key.keyid()));
        std::fs::write(&path, key.to_pem()).expect("a key file can be written");
        path
    }

    /// Enrols a key as the producer `name`, with further options of `lineal enroll`.
    #[track_caller]
    pub fn enrol(&self, key: &PublicKey, name: &str, options: &[&str]) {
        self.decide("enroll", &["--producer", name], options, key);
    }

    /// Revokes a key.
    #[track_caller]
    pub fn revoke(&self, key: &PublicKey) {
        self.decide("revoke", &["--reason", "compromised"], &[], key);
    }

    #[track_caller]
    fn decide(&self, command: &str, arguments: &[&str], options: &[&str], key: &PublicKey) {
        let mut program = self.lineal(command);
        program.arg("--root-key").arg(self.root_key()).arg("--key").arg(self.key_file(key));
        run(program.args(arguments).args(options)).succeeded();
    }

    /// Serves on a free port, and waits until it is ready.
    #[track_caller]
    pub fn serve(&self) -> LedgerProcess {
        LedgerProcess::start(self.serve_command())
    }

    /// `lineal serve` on a free port.
    pub fn serve_command(&self) -> Command {
        let mut command = self.lineal("serve");
        command.args(["--http", "127.0.0.1:0"]);
        command
    }

    /// Runs `lineal serve` where it must end by itself.
    #[track_caller]
    pub fn serve_to_its_end(&self) -> Ended {
        match LedgerProcess::spawn(self.serve_command()).settled() {
            Ok(process) => panic!("it serves:\n{}", process.said()),
            Err(ended) => ended,
        }
    }

    /// Checks the record as an auditor does.
    pub fn verify<O: AsRef<OsStr>>(&self, options: &[O]) -> Ended {
        run(super::verify_log(self.dir(), &self.trust_path()).args(options))
    }
}

/// A ledger that serves, until it is stopped or killed.
#[derive(Debug)]
pub struct LedgerProcess {
    process: Process,
    http: Http,
}

/// What the ledger says once it listens.
const LISTENS: &str = "listening on ";

impl LedgerProcess {
    /// Starts a command that serves, and waits until it is ready.
    #[track_caller]
    pub fn start(command: Command) -> Self {
        let process = Self::listening(command);
        let ready = process.http.get("/readyz");
        assert_eq!(ready.status, 200, "{}\n{}", ready.text(), process.said());
        process
    }

    /// Starts a command that serves, and waits until it answers, ready or not.
    #[track_caller]
    pub fn listening(command: Command) -> Self {
        match Self::spawn(command).settled() {
            Ok(process) => process,
            Err(ended) => panic!("it ended:\n{}", ended.stderr),
        }
    }

    /// Starts a command that serves, and waits for nothing.
    #[track_caller]
    pub fn spawn(command: Command) -> Self {
        Self { process: Process::spawn(command, LISTENS), http: Http::new("") }
    }

    /// Waits until it listens, or has ended.
    #[track_caller]
    pub fn settled(mut self) -> Result<Self, Ended> {
        self.http = Http::new(&self.process.settled()?);
        Ok(self)
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A client of it.
    pub const fn http(&self) -> &Http {
        &self.http
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// Lets it live on for a while, as a crash comes at any moment.
    pub fn live_for(&self, time: Duration) {
        self.process.live_for(time);
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    pub fn kill(self) {
        self.process.kill();
    }

    /// Waits until it ends by itself, having served or not.
    #[track_caller]
    pub fn ends(self) -> Ended {
        self.process.ends()
    }

    /// Stops it (SIGTERM); it must end with 0.
    #[track_caller]
    pub fn stop(self) {
        self.process.stop().with_code(0);
    }
}
