//! A ledger, and machines that say one thing after another with `lineal-emit` while a fault is made.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use lineal_schemas::{digest::EventDigest, event::Event, receipt::Receipt};
use lineal_tests::{
    programs::{LedgerHome, LedgerProcess, Process, emit, eventually, recorded, run},
    signing::{key, snapshot_data},
};
use serde_json::Value;

/// Machines that send at the same time.
const MACHINES: u8 = 3;

/// Events that one run of `lineal-emit` says.
pub(super) const A_RUN: u64 = 25;

/// A machine whose events wait tries again after so long.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Scene {
    pub(super) home: LedgerHome,
    machines: Vec<Machine>,
    serve: Vec<String>,
}

impl Scene {
    /// Machines that send to `producers`, and a ledger that reads from `ledger`, with more options.
    pub(super) fn new(producers: &str, ledger: &str, options: &[&str]) -> Self {
        let home = LedgerHome::init();
        let machines = (1..=MACHINES).map(|number| Machine::new(&home, number, producers)).collect();
        let options = ["--nats", ledger].into_iter().chain(options.iter().copied());
        Self { home, machines, serve: options.map(str::to_owned).collect() }
    }

    /// The ledger's process.
    pub(super) fn serve(&self) -> LedgerProcess {
        let mut command = self.home.serve_command();
        command.args(&self.serve);
        LedgerProcess::start(command)
    }

    /// Makes faults while the machines work.
    pub(super) fn under_load<T>(&self, faults: impl FnOnce() -> T) -> T {
        self.work(faults, |machine, stop| {
            while !stop.load(Ordering::SeqCst) {
                if machine.is_waiting() {
                    run(&mut machine.emit(&["flush"]));
                    thread::park_timeout(PAUSE);
                } else {
                    run(&mut machine.say());
                }
            }
        })
    }

    /// Kills every machine's program again and again, so many times, and a different while after it was started.
    pub(super) fn with_killed_producers(&self, rounds: u64) {
        self.work(
            || {},
            |machine, _stop| {
                for round in 1..=rounds {
                    let running = Process::spawn(machine.say(), "nothing that it says");
                    running.live_for(Duration::from_millis(round * 7919 % 120));
                    running.kill();
                }
            },
        );
    }

    fn work<T>(&self, faults: impl FnOnce() -> T, job: impl Fn(&Machine, &AtomicBool) + Sync) -> T {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for machine in &self.machines {
                let (job, stop) = (&job, &stop);
                scope.spawn(move || job(machine, stop));
            }
            // A fault that fails must not leave the machines working for ever.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(faults));
            stop.store(true, Ordering::SeqCst);
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Receipts that the machines hold.
    pub(super) fn receipts(&self) -> usize {
        self.machines.iter().map(|machine| machine.receipts().len()).sum()
    }

    /// Waits until the machines hold so many more receipts.
    #[track_caller]
    pub(super) fn wait_for_more(&self, count: usize) {
        let before = self.receipts();
        eventually("more receipts", || (self.receipts() >= before + count).then_some(()));
    }

    /// Waits until some machine has so many events without a receipt.
    #[track_caller]
    pub(super) fn wait_for_unsettled(&self) {
        eventually("events that wait", || self.machines.iter().any(Machine::is_waiting).then_some(()));
    }

    /// Lets every outbox send what is left, stops the ledger, and holds the record against the outboxes: every event of a
    /// machine is there once, without a gap; there is a receipt of each, and it is true; an auditor agrees.
    ///
    /// A stream whose leader was killed may have none for a moment after all servers are up again: then events wait, and are
    /// sent a moment later. Once that was taken for a failure here, where anything but waiting is one.
    #[track_caller]
    pub(super) fn check(&self, ledger: LedgerProcess) {
        for machine in &self.machines {
            eventually("an empty outbox", || {
                let flushed = run(&mut machine.emit(&["flush"]));
                let waits = |line: &str| line.contains(": waits in the outbox: ");
                let all_wait = flushed.code == Some(1) && flushed.stderr.lines().all(waits) && machine.is_waiting();
                assert!(flushed.code == Some(0) || all_wait, "{}", flushed.stderr);
                (!machine.is_waiting()).then_some(())
            });
        }
        ledger.stop();
        let (record, trust) = (recorded(self.home.dir()), self.home.trust());
        let mut said: HashMap<String, Vec<(u64, u64, EventDigest)>> = HashMap::new();
        for (entry, index) in record.iter().zip(0..) {
            let event = Event::parse(&entry.event).unwrap();
            let (source, digest) = (event.source.to_owned(), EventDigest::of(&entry.event));
            said.entry(source).or_default().push((event.sequence, index, digest));
        }
        for machine in &self.machines {
            let held = machine.receipts();
            let events = said.get(&machine.source).map_or(&[][..], Vec::as_slice);
            // A batch that was sent again may have come after the next one.
            let mut numbers: Vec<u64> = events.iter().map(|(sequence, ..)| *sequence).collect();
            numbers.sort_unstable();
            let expected: Vec<u64> = (1..).take(events.len()).collect();
            assert_eq!(numbers, expected, "{} has its events once, without a gap", machine.source);
            assert_eq!(held.len(), events.len(), "{} has a receipt for each of its events", machine.source);
            for (_sequence, index, digest) in events {
                let receipt = Receipt::parse(&held[digest]).unwrap();
                receipt.verify(&trust).unwrap();
                assert_eq!((receipt.index(), receipt.event()), (*index, *digest));
            }
        }
        self.home.verify(&["--quiet"]).succeeded();
        println!("{} receipts hold", self.receipts());
    }
}

/// A producer's machine: a key, a source, and an outbox that outlives its programs.
struct Machine {
    folder: PathBuf,
    name: String,
    source: String,
    to: String,
    trust: PathBuf,
}

impl Machine {
    fn new(home: &LedgerHome, number: u8, to: &str) -> Self {
        let name = format!("machine-{number}");
        let folder = home.folder().join(&name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("key.pem"), key(number).to_pem().unwrap().as_bytes()).unwrap();
        let source = format!("https://faults.example/{number}");
        home.enrol(
            key(number).public(),
            &name,
            &["--source", &source, "--role", "data", "--name", "dataset/faults/**"],
        );
        let drafts = (1..=A_RUN).map(|what| draft(&format!("{name} {what}"))).collect::<Vec<_>>().join("\n");
        fs::write(folder.join("drafts.jsonl"), drafts).unwrap();
        Self { folder, name, source, to: to.to_owned(), trust: home.trust_path() }
    }

    fn emit(&self, command: &[&str]) -> Command {
        let mut program = emit();
        program.current_dir(&self.folder).env("HOME", &self.folder);
        program.args(["--key", "key.pem", "--outbox", "outbox", "--fixed-source", "--source", &self.source]);
        program.arg("--trust").arg(&self.trust);
        program.args(["--to", &self.to, "--producer", &self.name]).args(command);
        program
    }

    /// Some events: they are new each time, as their numbers and times are.
    fn say(&self) -> Command {
        self.emit(&["send", "drafts.jsonl"])
    }

    fn is_waiting(&self) -> bool {
        !files(&self.folder.join("outbox/pending")).is_empty()
    }

    /// All receipts that the outbox keeps, alone in a file or with others.
    fn receipts(&self) -> HashMap<EventDigest, String> {
        let mut held = HashMap::new();
        for path in files(&self.folder.join("outbox/receipts")) {
            // A file that is half written has another name, which begins with a dot, and does not count.
            let Some(name) = path.file_stem().and_then(OsStr::to_str).filter(|name| !name.starts_with('.')) else {
                continue;
            };
            let text = fs::read_to_string(&path).unwrap();
            if path.extension().is_some_and(|kind| kind == "tlog-proof") {
                held.insert(name.parse().unwrap(), text);
            } else if path.extension().is_some_and(|kind| kind == "jsonl") {
                for line in text.lines() {
                    let line: Value = serde_json::from_str(line).unwrap();
                    let text = |member: &str| line[member].as_str().unwrap().to_owned();
                    held.insert(text("event").parse().unwrap(), text("receipt"));
                }
            }
        }
        held
    }
}

fn draft(what: &str) -> String {
    let data = snapshot_data("dataset/faults/a", what);
    format!(r#"{{"type":"dataset.snapshotted","subject":"dataset/faults/a","data":{data}}}"#)
}

/// Files below a folder that may not be there yet, or change meanwhile.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] }).collect()
}
