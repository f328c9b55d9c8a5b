//! The road of an event over NATS as its users travel it: the machine of producer `ci`, a ledger, and whatever server a
//! test puts between them.
//!
//! Both programs are told the way by their options. What they made of it is read from what they print, and held against
//! the record: every event of the machine is there once, with a receipt that verifies.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lineal_schemas::{digest::EventDigest, event::Event, receipt::Receipt};
use serde_json::Value;

use crate::{
    programs::{Ended, LedgerHome, LedgerProcess, emit, eventually, recorded, run},
    signing::{key, snapshot_data},
};

/// The machine's key, by its seed.
pub const KEY: u8 = 5;

/// The machine's source.
pub const SOURCE: &str = "https://ci.example/fixed";

/// What its events are about.
pub const SUBJECT: &str = "dataset/road/x";

/// A ledger, and the machine of producer `ci`, which is enrolled there like `other` is.
#[derive(Debug)]
pub struct Road {
    home: LedgerHome,
    machine: PathBuf,
    users: String,
    seeds: PathBuf,
}

impl Road {
    /// Begins a ledger, enrols the producers, and makes the NATS users that ship.
    #[track_caller]
    pub fn new() -> Self {
        let home = LedgerHome::init();
        let machine = home.folder().join("ci");
        fs::create_dir(&machine).expect("the test's folder can be written");
        let pem = key(KEY).to_pem().expect("a key can be written");
        fs::write(machine.join("key.pem"), pem.as_bytes()).expect("the test's folder can be written");
        let scope = ["--name", "dataset/road/**", "--source", "https://ci.example/**", "--role", "data"];
        home.enrol(key(KEY).public(), "ci", &scope);
        let scope = ["--name", "dataset/other/**", "--source", "https://other.example/**", "--role", "data"];
        home.enrol(key(KEY + 1).public(), "other", &scope);
        let (users, seeds) = home.nats_users();
        Self { home, machine, users, seeds }
    }

    /// The ledger.
    pub const fn home(&self) -> &LedgerHome {
        &self.home
    }

    /// The machine's folder.
    pub fn machine(&self) -> &Path {
        &self.machine
    }

    /// The users that `lineal nats-config` prints, for a server's configuration.
    pub fn users(&self) -> &str {
        &self.users
    }

    /// The file with the seed of one of them; the ledger's is `_ledger`.
    pub fn seed(&self, user: &str) -> String {
        self.seeds.join(format!("{user}.nk")).display().to_string()
    }

    /// `lineal serve --nats URL …`.
    pub fn serve_command(&self, url: &str, options: &[&str]) -> Command {
        let mut command = self.home.serve_command();
        command.args(["--nats", url]).args(options);
        command
    }

    /// Serves, and waits until it is ready and reads from NATS.
    #[track_caller]
    pub fn serve(&self, url: &str, options: &[&str]) -> LedgerProcess {
        reading(LedgerProcess::start(self.serve_command(url, options)))
    }

    /// Serves where it must not come so far that it listens: it ends with 1.
    #[track_caller]
    pub fn cannot_serve(&self, url: &str, options: &[&str]) -> Ended {
        match LedgerProcess::spawn(self.serve_command(url, options)).settled() {
            Ok(process) => panic!("it serves:\n{}", process.said()),
            Err(ended) => ended.with_code(1).clone(),
        }
    }

    /// `lineal-emit --to URL …` on the machine, as producer `ci` unless the options say otherwise.
    pub fn emit_command(&self, url: &str, options: &[&str], command: &[&str]) -> Command {
        let mut program = emit();
        program.current_dir(&self.machine).env("HOME", &self.machine).env("LINEAL_PRODUCER", "ci");
        program.args(["--json", "--key", "key.pem", "--outbox", "outbox", "--fixed-source", "--source", SOURCE]);
        program.arg("--trust").arg(self.home.trust_path()).args(["--to", url]).args(options).args(command);
        program
    }

    /// `lineal-emit …` on the machine.
    pub fn emit(&self, url: &str, options: &[&str], command: &[&str]) -> Ended {
        run(&mut self.emit_command(url, options, command))
    }

    /// Says so many new events.
    pub fn send(&self, url: &str, options: &[&str], count: usize) -> Ended {
        self.emit(url, options, &["send", &self.drafts(count)])
    }

    /// A file of so many drafts.
    pub fn drafts(&self, count: usize) -> String {
        let data = |number: usize| snapshot_data(SUBJECT, &number.to_string());
        let draft = |number| {
            format!(r#"{{"type":"dataset.snapshotted","subject":"{SUBJECT}","data":{}}}"#, data(number)) + "\n"
        };
        let drafts: String = (0..count).map(draft).collect();
        fs::write(self.machine.join("drafts.jsonl"), drafts).expect("the machine's folder can be written");
        "drafts.jsonl".to_owned()
    }

    /// The command that says one event about a folder, whose listing has to follow it.
    #[track_caller]
    pub fn dataset(&self) -> [&'static str; 4] {
        let folder = self.machine.join("data");
        fs::create_dir_all(&folder).expect("the machine's folder can be written");
        fs::write(folder.join("a.csv"), "1\n").expect("the machine's folder can be written");
        ["dataset", "data", "--name", SUBJECT]
    }

    /// Whether no attachment waits in the outbox.
    pub fn owes_nothing(&self) -> bool {
        let is_empty = |name: &str| {
            let folder = fs::read_dir(self.machine.join("outbox").join(name));
            folder.map_or(true, |mut files| files.next().is_none())
        };
        is_empty("attachments") && is_empty("owed")
    }

    /// Stops the ledger. So many events of the machine must be in the record, once each and without a gap; the machine must
    /// have a receipt of each that verifies; and an auditor must agree.
    #[track_caller]
    pub fn check(&self, ledger: LedgerProcess, count: u64) {
        ledger.stop();
        let record = recorded(self.home.dir());
        let said = record.iter().zip(0..).filter_map(|(entry, index)| {
            let event = Event::parse(&entry.event).ok()?;
            (event.source == SOURCE).then(|| (event.sequence, index, EventDigest::of(&entry.event)))
        });
        let mut said: Vec<(u64, u64, EventDigest)> = said.collect();
        said.sort_unstable_by_key(|(sequence, ..)| *sequence);
        let numbers: Vec<u64> = said.iter().map(|(sequence, ..)| *sequence).collect();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "each event is in the record once, without a gap");
        for (_sequence, index, event) in said {
            let kept = self.emit("file:nowhere", &[], &["receipt", &event.to_string()]).succeeded();
            let receipt = Receipt::parse(&kept).expect("a receipt can be read");
            receipt.verify(&self.home.trust()).expect("a receipt that was kept verifies");
            assert_eq!((receipt.index(), receipt.event()), (index, event));
        }
        self.home.verify(&["--quiet"]).succeeded();
    }
}

impl Default for Road {
    fn default() -> Self {
        Self::new()
    }
}

/// How a ledger stands on NATS, as `/readyz` says.
#[track_caller]
pub fn standing(process: &LedgerProcess) -> Value {
    let ready: Value = serde_json::from_slice(&process.http().get("/readyz").body).expect("/readyz is JSON");
    ready["nats"].clone()
}

/// Waits until a ledger has come to its stream. It answers over HTTP before that, and what a plain client publishes until
/// then finds no stream: on a slow machine a test sent too early.
#[track_caller]
pub fn reading(process: LedgerProcess) -> LedgerProcess {
    eventually("the ledger reads from NATS", || (standing(&process)["reading"] == true).then_some(()));
    process
}

/// What became of the events of a command, and why, without repetition.
#[track_caller]
pub fn fates(ended: &Ended) -> Vec<(String, String)> {
    let told: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = told["events"].as_array().unwrap_or_else(|| panic!("no events: {told}")).iter();
    let mut fates: Vec<_> = events.map(|event| (text(&event["delivery"]), text(&event["reason"]))).collect();
    fates.dedup();
    fates
}

/// All of them are in the record, and their receipts were verified.
#[track_caller]
pub fn all_committed(ended: &Ended) {
    let fates = fates(ended.with_code(0));
    assert_eq!(fates, [("committed".to_owned(), String::new())], "{}", ended.stderr);
}

/// All of them wait in the outbox, for one reason that says all of these words.
#[track_caller]
pub fn all_wait(ended: &Ended, words: &[&str]) {
    let fates = fates(ended);
    let [(delivery, reason)] = &fates[..] else { panic!("{fates:?}") };
    assert_eq!(delivery, "pending");
    for word in words {
        assert!(reason.contains(word), "nothing of `{word}` in: {reason}");
    }
}
