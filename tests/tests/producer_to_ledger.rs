//! `lineal-emit` against a ledger that runs: what is signed here arrives, its attachments follow, its receipts are kept;
//! a ledger that is away, wrong or unwilling costs nothing but a line of words.
#![cfg(test)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lineal_schemas::{
    digest::{EventDigest, sha256},
    dsse::Signed,
    facts::Facts,
    key::SecretKey,
    note::VerifierKey,
    receipt::Receipt,
    trust::Trust,
    vocabulary::Payload,
};
use lineal_tests::{
    programs::{Http, LedgerHome, emit, isolated, recorded, run},
    signing::key,
};
use serde_json::Value;

/// A producer's machine: its key, its outbox, its data, and the ledger that it sends to.
struct Site {
    home: LedgerHome,
    folder: PathBuf,
}

impl Site {
    /// The key may speak of `dataset/site/**` and of its jobs.
    fn new() -> Self {
        let home = LedgerHome::init();
        let folder = home.folder().join("site");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("key.pem"), key(5).to_pem().unwrap().as_bytes()).unwrap();
        fs::copy(home.trust_path(), folder.join("ledger.trust")).unwrap();
        let scope = ["--name", "dataset/site/**", "--name", "job/site/**", "--source", "https://site.example/**"];
        home.enrol(key(5).public(), "site", &[&scope[..], &["--role", "data", "--role", "trainer"]].concat());
        Self { home, folder }
    }

    /// `lineal-emit --json …`, sending to `base`.
    fn emit(&self, base: &str, command: &[&str]) -> Command {
        let mut program = emit();
        program.current_dir(&self.folder).env("HOME", &self.folder);
        program.args(["--json", "--key", "key.pem", "--trust", "ledger.trust", "--outbox", "outbox"]);
        program.args(["--source", "https://site.example/ci", "--to", base]).args(command);
        program
    }

    /// A file of the outbox.
    fn outbox(&self, path: &str) -> PathBuf {
        self.folder.join("outbox").join(path)
    }

    /// Names of the files somewhere in the outbox.
    fn kept(&self, folder: &str) -> Vec<String> {
        names(&self.outbox(folder))
    }

    /// The receipt that the outbox keeps for an event, verified and compared with the record.
    fn receipt(&self, event: &str) -> Receipt {
        let text = fs::read_to_string(self.outbox(&format!("receipts/{event}.tlog-proof"))).unwrap();
        let receipt = Receipt::parse(&text).unwrap();
        receipt.verify(&self.home.trust()).unwrap();
        let entry = recorded(self.home.dir()).swap_remove(usize::try_from(receipt.index()).unwrap());
        assert_eq!((receipt.event().to_string(), EventDigest::of(&entry.event)), (event.to_owned(), receipt.event()));
        receipt
    }

    /// What an entry of the record says.
    fn said(&self, index: u64) -> Facts {
        let entry = recorded(self.home.dir()).swap_remove(usize::try_from(index).unwrap());
        Facts::read(&entry.event, EventDigest::of(&entry.event)).unwrap()
    }

    /// A folder with two files.
    fn data(&self) -> PathBuf {
        let data = self.folder.join("data");
        fs::create_dir_all(data.join("part")).unwrap();
        fs::write(data.join("part/0.csv"), "a,b\n1,2\n").unwrap();
        fs::write(data.join("label.csv"), "good\n").unwrap();
        data
    }
}

/// Files below a folder, by their paths relative to it, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(names(&path).into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// The one JSON document on standard output.
fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_snapshot_of_a_folder_arrives_with_its_listing() {
    let site = Site::new();
    let process = site.home.serve();
    site.data();
    let command = ["dataset", "data", "--name", "dataset/site/train", "--version", "1"];
    let told = document(&run(&mut site.emit(process.http().base(), &command)).succeeded());
    let listing = "sha256sum part/0.csv label.csv | LC_ALL=C sort -k2";
    let listing = run(isolated("sh").args(["-c", listing]).current_dir(site.folder.join("data"))).succeeded();
    let digest = EventDigest::from_bytes(sha256(listing.as_bytes())).to_string();
    assert_eq!(told["artifact"]["digest"]["dirHash"].as_str(), Some(&*digest), "{told}");
    assert_eq!(
        (&told["events"][0]["delivery"], &told["events"][0]["type"]),
        (&"committed".into(), &"dataset.snapshotted".into())
    );
    let receipt = site.receipt(told["events"][0]["event"].as_str().unwrap());
    assert_eq!(told["events"][0]["index"].as_u64(), Some(receipt.index()));
    let facts = site.said(receipt.index());
    assert!(facts.sequence_end && facts.source.starts_with("https://site.example/ci/jobs/"), "{facts:?}");

    let stored = process.http().get(&format!("/attachments/{digest}"));
    assert_eq!((stored.status, stored.text()), (200, listing.as_str()));
    let stored = site.home.dir().join("attachments").join(&digest[..2]).join(&digest);
    assert_eq!(fs::read_to_string(stored).unwrap(), listing);
    // Nothing is left to send.
    for folder in ["pending", "attachments", "owed"] {
        assert_eq!(site.kept(folder), [""; 0], "{folder}");
    }
    unwanted_attachments(process.http(), &digest);
    site.home.verify(&["--quiet"]).succeeded();
}

/// Other bytes than the digest says, and bytes that no event names, are not taken.
fn unwanted_attachments(http: &Http, digest: &str) {
    let other = http.put(&format!("/attachments/{digest}"), b"other");
    assert_eq!((other.status, other.header("lineal-error")), (422, Some("attachment-digest")), "{}", other.text());
    let unnamed = http.put(&format!("/attachments/{}", EventDigest::of(b"unnamed")), b"unnamed");
    assert_eq!(
        (unnamed.status, unnamed.header("lineal-error")),
        (404, Some("unnamed-attachment")),
        "{}",
        unnamed.text()
    );
}

#[test]
fn a_failed_command_is_a_failed_run_and_its_exit_code_is_passed_on() {
    let site = Site::new();
    let process = site.home.serve();
    site.data();
    let start = ["run", "--job", "site/train", "--input", "training=data", "--output", "model/site/m=model.bin", "--"];
    let failing = ["sh", "-c", "echo half > model.bin; exit 7"];
    let ended = run(&mut site.emit(process.http().base(), &[&start[..], &failing[..]].concat()));
    let told = document(&ended.with_code(7).stdout);
    let types: Vec<_> =
        told["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["run.started", "run.failed"]);
    let last = site.receipt(told["events"][1]["event"].as_str().unwrap());
    let Ok(Payload::RunFailed(failed)) = site.said(last.index()).payload else { panic!("{told}") };
    assert_eq!(failed.error_code.map(|code| code.to_string()).as_deref(), Some("exit-7"));

    let working = ["sh", "-c", "echo whole > model.bin"];
    let ended = run(&mut site.emit(process.http().base(), &[&start[..], &working[..]].concat()));
    let told = document(&ended.succeeded());
    let last = site.receipt(told["events"][1]["event"].as_str().unwrap());
    let Ok(Payload::RunCompleted(completed)) = site.said(last.index()).payload else { panic!("{told}") };
    let output = serde_json::to_string(&completed.outputs).unwrap();
    assert!(output.contains(&EventDigest::of(b"whole\n").to_string()), "{output}");
    site.home.verify(&["--quiet"]).succeeded();
}

#[test]
fn a_ledger_that_is_away_costs_nothing_and_flush_delivers() {
    let site = Site::new();
    // Nobody listens there.
    let away = "http://127.0.0.1:1";
    site.data();
    let dataset = ["dataset", "data", "--name", "dataset/site/train"];
    let ended = run(&mut site.emit(away, &dataset));
    let told = document(&ended.succeeded());
    assert_eq!(told["events"][0]["delivery"].as_str(), Some("pending"), "{told}");
    assert!(told["events"][0]["reason"].as_str().is_some_and(|reason| reason.contains("can't be reached")), "{told}");
    ended.saying(&["waits in the outbox", "lineal-emit flush"]);
    let command = ["run", "--job", "site/train", "--output", "o=out", "--", "sh", "-c", "echo 1 > out; exit 3"];
    run(&mut site.emit(away, &command)).with_code(3);
    assert_eq!((site.kept("pending").len(), site.kept("receipts").len()), (3, 0));
    let fixed = ["--fixed-source", "heartbeat", "--subject", "dataset/site/train"];
    run(&mut site.emit(away, &fixed)).succeeded();
    run(&mut site.emit(away, &["flush"])).with_code(1);
    assert_eq!(site.kept("pending").len(), 4);

    let process = site.home.serve();
    let flushed = document(&run(&mut site.emit(process.http().base(), &["flush"])).succeeded());
    for event in flushed["events"].as_array().unwrap() {
        assert_eq!(event["delivery"].as_str(), Some("committed"), "{event}");
        site.receipt(event["event"].as_str().unwrap());
    }
    assert_eq!((site.kept("pending"), site.kept("owed"), site.kept("receipts").len()), (vec![], vec![], 4));
    assert_eq!(names(&site.home.dir().join("attachments")).len(), 1);
    // A source that stays goes on where it was.
    run(&mut site.emit(process.http().base(), &fixed)).succeeded();
    let verified = site.home.verify::<&str>(&[]).succeeded();
    assert!(!verified.contains("sequence-gap"), "{verified}");
}

#[test]
fn a_ledger_that_the_trust_file_does_not_know_settles_nothing() {
    let site = Site::new();
    let process = site.home.serve();
    site.data();
    let dataset = ["dataset", "data/label.csv", "--name", "dataset/site/train"];
    let is_not_settled = |trust: &Trust, words: &str| {
        fs::write(site.folder.join("ledger.trust"), trust.to_string()).unwrap();
        let before = site.kept("pending").len();
        let told = document(&run(&mut site.emit(process.http().base(), &dataset)).succeeded());
        let event = &told["events"][0];
        assert_eq!(event["delivery"].as_str(), Some("pending"), "{told}");
        assert!(event["reason"].as_str().is_some_and(|reason| reason.contains(words)), "{told}");
        assert_eq!((site.kept("pending").len(), site.kept("receipts").len()), (before + 1, 0));
    };
    let trust_in = |genesis: EventDigest, origin: &str, key: &SecretKey| {
        Trust::new(genesis, &[VerifierKey::new(origin, key.public().clone()).unwrap()]).unwrap()
    };
    let genuine = site.home.trust();
    // Another key under the right name: somebody in between would look like this.
    is_not_settled(&trust_in(genuine.genesis(), genuine.origin(), &key(6)), "the ledger's receipt");
    // Another ledger altogether: this one refuses what is meant for that one, and nobody takes its word for it.
    is_not_settled(&trust_in(EventDigest::of(b"other"), "ledger.example/other", &key(6)), "ledger.example/other");

    // With the right file, what the ledger has taken is settled, and what it has refused is, too.
    fs::write(site.folder.join("ledger.trust"), genuine.to_string()).unwrap();
    let flushed = run(&mut site.emit(process.http().base(), &["flush"]));
    let told = document(&flushed.with_code(1).stdout);
    let mut fates: Vec<_> = told["events"].as_array().unwrap().iter().map(|event| event["delivery"].clone()).collect();
    fates.sort_by_key(ToString::to_string);
    assert_eq!(fates, ["committed", "refused"]);
    assert_eq!(site.kept("pending"), [""; 0]);
}

#[test]
fn a_refused_event_is_set_aside_with_the_ledgers_signature_on_it() {
    let site = Site::new();
    let process = site.home.serve();
    site.data();
    let ended = run(&mut site.emit(process.http().base(), &["dataset", "data/label.csv", "--name", "dataset/other/x"]));
    let told = document(&ended.with_code(1).stdout);
    let event = &told["events"][0];
    assert_eq!((event["delivery"].as_str(), event["code"].as_str()), (Some("refused"), Some("name-not-allowed")));
    ended.saying(&["refused by the ledger: name-not-allowed", "dataset/other/x"]);
    assert_eq!(site.kept("pending"), [""; 0]);
    let refused = site.kept("refused");
    let [envelope, refusal, receipt] = refused.as_slice() else { panic!("{refused:?}") };
    let read = |name: &str| fs::read_to_string(site.outbox("refused").join(name)).unwrap();
    let signed = Signed::from_envelope(read(envelope).trim_end().as_bytes()).unwrap();
    assert_eq!(event["event"].as_str(), Some(&*signed.digest().to_string()));
    let (refusal, receipt) = (read(refusal), Receipt::parse(&read(receipt)).unwrap());
    receipt.verify(&site.home.trust()).unwrap();
    assert_eq!(receipt.event(), EventDigest::of(refusal.as_bytes()));
    let Ok(Payload::EventRejected(said)) = site.said(receipt.index()).payload else { panic!("{refusal}") };
    assert_eq!((said.event, said.reason.to_string()), (signed.digest(), "name-not-allowed".to_owned()));
    // An auditor comes to the same with the two files alone.
    let (proof, event) = (site.folder.join("proof"), site.folder.join("event"));
    fs::write(&proof, receipt.to_string()).unwrap();
    fs::write(&event, &refusal).unwrap();
    let mut auditor = lineal_tests::programs::verify();
    auditor.arg("receipt").arg(proof).arg("--trust").arg(site.home.trust_path()).arg("--event").arg(event);
    run(&mut auditor).succeeded();
    site.home.verify(&["--quiet"]).succeeded();
}
