//! `lineal-emit` and a ledger with a real NATS server between them: what is signed arrives once, whoever is away or killed
//! on the way, and what the server does not allow is said in words.
#![cfg(test)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use lineal_schemas::{digest::EventDigest, event::Event, receipt::Receipt};
use lineal_tests::{
    nats::{NatsServer, Options},
    programs::{Ended, LedgerHome, LedgerProcess, Process, emit, recorded, run},
    signing::key,
};
use serde_json::Value;

const SOURCE: &str = "https://ci.example/fixed";

/// A ledger, a server with the permissions that ship, and the machine of producer `ci`.
struct Site {
    home: LedgerHome,
    server: NatsServer,
    folder: PathBuf,
    seeds: PathBuf,
}

impl Site {
    fn new() -> Self {
        let home = LedgerHome::init();
        let folder = home.folder().join("ci");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("key.pem"), key(5).to_pem().unwrap().as_bytes()).unwrap();
        let scope = ["--name", "dataset/site/**", "--source", "https://ci.example/**", "--role", "data"];
        home.enrol(key(5).public(), "ci", &scope);
        home.enrol(
            key(6).public(),
            "other",
            &["--name", "dataset/other/**", "--source", "https://other.example/**", "--role", "data"],
        );
        let (configuration, seeds) = home.nats_users();
        let server = NatsServer::start(&Options { configuration, ..Options::default() });
        Self { home, server, folder, seeds }
    }

    fn serve(&self) -> LedgerProcess {
        let mut command = self.home.serve_command();
        command.args(["--nats", &self.server.url(), "--nats-nkey"]).arg(self.seeds.join("_ledger.nk"));
        LedgerProcess::start(command)
    }

    /// `lineal-emit …` as producer `name`.
    fn emit_as(&self, name: &str, command: &[&str]) -> Command {
        let mut program = emit();
        program.current_dir(&self.folder).env("HOME", &self.folder);
        program.args(["--json", "--key", "key.pem", "--outbox", "outbox", "--source", SOURCE, "--trust"]);
        program.arg(self.home.trust_path()).args(["--to", &self.server.url(), "--producer", name, "--nats-nkey"]);
        program.arg(self.seeds.join("ci.nk")).args(command);
        program
    }

    fn emit(&self, command: &[&str]) -> Ended {
        run(&mut self.emit_as("ci", command))
    }

    /// A file of drafts, each a snapshot of data of its own.
    fn drafts(&self, name: &str, count: usize) -> String {
        let draft = |number: usize| {
            let digest = EventDigest::of(format!("{name}{number}").as_bytes());
            format!(
                "{{\"type\":\"dataset.snapshotted\",\"subject\":\"dataset/site/x\",\
                 \"data\":{{\"dataset\":{{\"digest\":{{\"sha256\":\"{digest}\"}}}}}}}}\n"
            )
        };
        fs::write(self.folder.join(name), (0..count).map(draft).collect::<String>()).unwrap();
        name.to_owned()
    }

    /// The receipt that the outbox gives for an event, verified.
    fn receipt(&self, event: &str) -> Receipt {
        let receipt = Receipt::parse(&self.emit(&["receipt", event]).succeeded()).unwrap();
        receipt.verify(&self.home.trust()).unwrap();
        assert_eq!(receipt.event().to_string(), event);
        receipt
    }

    /// Sequence numbers of the fixed source in the record, sorted.
    fn committed(&self) -> Vec<u64> {
        let record = recorded(self.home.dir());
        let events = record.iter().filter_map(|entry| Event::parse(&entry.event).ok());
        let mut numbers: Vec<u64> = events.filter(|event| event.source == SOURCE).map(|event| event.sequence).collect();
        numbers.sort_unstable();
        numbers
    }
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What became of the events of a command, and why, without repetition.
fn fates(ended: &Ended) -> Vec<(String, String)> {
    let told = document(&ended.stdout);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = told["events"].as_array().unwrap().iter();
    let mut fates: Vec<_> = events.map(|event| (text(&event["delivery"]), text(&event["reason"]))).collect();
    fates.dedup();
    fates
}

fn waits(ended: &Ended, words: &str) {
    let fates = fates(ended);
    assert!(
        fates.iter().all(|(delivery, reason)| delivery == "pending" && reason.contains(words)) && fates.len() == 1,
        "{fates:?}"
    );
}

fn all_committed(ended: &Ended) {
    assert_eq!(fates(ended), [("committed".to_owned(), String::new())], "{}", ended.stderr);
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn events_go_and_their_receipts_come_back_one_by_one_and_in_batches() {
    let site = Site::new();
    let process = site.serve();
    fs::create_dir(site.folder.join("data")).unwrap();
    fs::write(site.folder.join("data/a.csv"), "1\n").unwrap();
    let one = site.emit(&["dataset", "data", "--name", "dataset/site/x"]);
    all_committed(&one);
    // The listing of the folder has followed.
    assert!(is_empty(&site.folder.join("outbox/attachments")) && is_empty(&site.folder.join("outbox/owed")));
    let told = document(&one.stdout);
    let digest = told["artifact"]["digest"]["dirHash"].as_str().expect("the folder's digest is printed");
    let listing = process.http().get(&format!("/attachments/{digest}"));
    assert_eq!((listing.status, &*EventDigest::of(&listing.body).to_string()), (200, digest));

    let many = site.emit(&["send", &site.drafts("many.jsonl", 2_500), "--fixed-source"]);
    all_committed(&many);
    assert!(site.emit(&["outbox"]).succeeded().contains("\"pending\":[]"));
    let told = document(&many.stdout);
    let events: Vec<_> = told["events"].as_array().unwrap().iter().collect();
    for event in [&document(&one.stdout)["events"][0], events[0], events[1_234], events[2_499]] {
        let receipt = site.receipt(event["event"].as_str().unwrap());
        assert_eq!(Some(receipt.index()), event["index"].as_u64());
    }
    process.stop();
    assert_eq!(site.committed(), (1..=2_500).collect::<Vec<_>>());
    site.home.verify(&["--quiet"]).succeeded();
}

#[test]
fn whoever_is_away_costs_nothing_and_flush_delivers() {
    let mut site = Site::new();
    let send = |site: &Site, name: &str| site.emit(&["send", &site.drafts(name, 20), "--fixed-source"]);
    // Before the ledger ever was there, nobody has made the stream.
    waits(&send(&site, "1.jsonl"), "is `lineal serve --nats` running?");
    site.server.stop();
    waits(&send(&site, "2.jsonl"), "can't be reached");
    site.server.restart();
    let process = site.serve();
    all_committed(&site.emit(&["flush"]));
    // The stream takes it, and nobody reads.
    process.stop();
    waits(&send(&site, "3.jsonl"), "no ledger is there");
    let process = site.serve();
    // Whether it comes out of the stream or of the outbox first: it is in the record once.
    all_committed(&site.emit(&["flush", "--follow"]));
    all_committed(&send(&site, "4.jsonl"));
    process.stop();
    assert_eq!(site.committed(), (1..=80).collect::<Vec<_>>());
    site.home.verify(&["--quiet"]).succeeded();
}

#[test]
fn a_server_that_forgot_everything_loses_no_event() {
    let mut site = Site::new();
    let process = site.serve();
    all_committed(&site.emit(&["send", &site.drafts("1.jsonl", 20), "--fixed-source"]));
    process.stop();
    waits(&site.emit(&["send", &site.drafts("2.jsonl", 20), "--fixed-source"]), "no ledger is there");
    site.server.kill();
    site.server.wipe_store();
    site.server.restart();
    let process = site.serve();
    all_committed(&site.emit(&["flush"]));
    process.stop();
    assert_eq!(site.committed(), (1..=40).collect::<Vec<_>>());
}

#[test]
fn what_the_server_does_not_allow_is_said_with_its_subject() {
    let site = Site::new();
    let process = site.serve();
    let (draft, seed) = (site.drafts("1.jsonl", 1), site.folder.join("kept.nk"));
    fs::copy(site.seeds.join("ci.nk"), &seed).unwrap();
    let ended = run(&mut site.emit_as("other", &["send", &draft, "--fixed-source"]));
    waits(&ended, "does not let producer `other` use the subject `lineal.");
    fs::remove_file(site.seeds.join("ci.nk")).unwrap();
    waits(&site.emit(&["flush"]), "ci.nk: ");
    fs::copy(site.seeds.join("other.nk"), site.seeds.join("ci.nk")).unwrap();
    waits(&site.emit(&["flush"]), "does not let producer `ci` use the subject `lineal.");
    fs::copy(&seed, site.seeds.join("ci.nk")).unwrap();
    all_committed(&site.emit(&["flush"]));
    process.stop();
}

/// The crash comes at any moment: before anything is on disk, between two files, in the middle of a batch, between the
/// acknowledgement and the answers, between the receipts and the envelopes.
#[test]
fn a_producer_that_is_killed_at_any_point_neither_loses_nor_doubles_an_event() {
    let site = Site::new();
    let process = site.serve();
    for round in 0..20_u64 {
        let draft = site.drafts("drafts.jsonl", if round % 2 == 0 { 1_500 } else { 3 });
        let command = if round % 5 == 4 { vec!["flush"] } else { vec!["send", &draft, "--fixed-source"] };
        let producer = Process::spawn(site.emit_as("ci", &command), "nothing that it says");
        producer.live_for(Duration::from_millis(3 + round * round));
        producer.kill();
    }
    run(&mut site.emit_as("ci", &["flush", "--follow"])).with_code(0);
    let last = site.emit(&["send", &site.drafts("last.jsonl", 1), "--fixed-source"]);
    all_committed(&last);
    process.stop();
    let last = document(&last.stdout)["events"][0]["sequence"].as_u64().unwrap();
    assert!(last > 1, "no producer lived long enough to store anything");
    assert_eq!(site.committed(), (1..=last).collect::<Vec<_>>());
    site.home.verify(&["--quiet"]).succeeded();
}
