//! A producer that shares no code with us: Python, `cryptography` and `nats-py`, written from docs/PRODUCERS.md
//! (`tests/foreign/producer.py`). What it signs is accepted over HTTP and NATS, what it gets back it verifies itself, and
//! the page shows the very code that does so.
#![cfg(test)]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use lineal_schemas::{digest::EventDigest, key::PublicKey};
use lineal_tests::{
    nats::{NatsServer, Options, Sync},
    programs::{LedgerHome, LedgerProcess, isolated, run, verify},
    road::reading,
    venv,
};
use serde_json::{Value, json};

fn foreign(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(file)
}

/// A machine with the producer on it, and the ledger that it is enrolled at.
struct Site {
    home: LedgerHome,
    python: PathBuf,
}

/// An event, as the producer tells of it: its number, its digest, and what became of it.
type Told = (u64, String, String);

impl Site {
    /// The key is made by `openssl`, and may speak of `dataset/foreign/**`.
    fn new() -> Self {
        let home = LedgerHome::init();
        let openssl =
            |arguments: &[&str]| run(isolated("openssl").args(arguments).current_dir(home.folder())).succeeded();
        openssl(&["genpkey", "-algorithm", "ed25519", "-out", "foreign.pem"]);
        let public = PublicKey::from_pem(&openssl(&["pkey", "-in", "foreign.pem", "-pubout"])).unwrap();
        let scope = ["--source", "https://foreign.example/**", "--role", "data", "--name", "dataset/foreign/**"];
        home.enrol(&public, "foreign", &scope);
        let programs = venv::programs("foreign", &foreign("requirements.txt"));
        Self { home, python: programs.unwrap_or_else(|error| panic!("{error}")).join("python") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.folder().join(name)
    }

    /// The producer, sending to `to`, with further settings.
    fn producer(&self, to: &str, more: &Value, command: &[&str]) -> Command {
        let mut settings = json!({
            "key": self.path("foreign.pem"), "trust": self.home.trust_path(), "outbox": self.path("foreign-outbox"),
            "source": "https://foreign.example/1", "producer": "foreign", "name": "dataset/foreign/a",
            "to": to, "patience": 60,
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let file = self.path("settings.json");
        fs::write(&file, settings.to_string()).unwrap();
        let mut program = isolated(&self.python);
        program.arg(foreign("producer.py")).arg(file).args(command);
        program
    }

    #[track_caller]
    fn make(&self, more: &Value, count: usize) {
        run(&mut self.producer("", more, &["make", &count.to_string()])).succeeded();
    }

    #[track_caller]
    fn send(&self, to: &str, more: &Value) -> Vec<Told> {
        let told = run(&mut self.producer(to, more, &["send"])).succeeded();
        let read = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            (words[0].parse().unwrap(), words[1].to_owned(), words[2].to_owned())
        };
        told.lines().map(read).collect()
    }

    fn receipt(&self, number: u64) -> PathBuf {
        self.path(&format!("foreign-outbox/{number:012}.receipt"))
    }

    /// Whether the producer takes a receipt for one of the event.
    fn accepts(&self, receipt: &str, event: &str) -> bool {
        let mut check = self.producer("", &json!({}), &["check", event]);
        let mut child = check.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(receipt.as_bytes()).unwrap();
        child.wait().unwrap().success()
    }

    /// What an auditor says of the receipts, and of the record.
    #[track_caller]
    fn audit(&self, committed: &[Told]) {
        for (number, _digest, _became) in committed {
            run(verify().arg("receipt").arg(self.receipt(*number)).arg("--trust").arg(self.home.trust_path()))
                .succeeded();
        }
        self.home.verify(&["--quiet"]).succeeded();
    }
}

#[track_caller]
fn expect(told: &[Told], expected: &[(u64, &str)]) {
    let short: Vec<(u64, &str)> = told.iter().map(|(number, _digest, became)| (*number, became.as_str())).collect();
    assert_eq!(short, expected);
}

#[test]
fn over_http_it_is_accepted_and_refused_and_can_tell_a_forged_receipt() {
    let site = Site::new();
    let process = site.home.serve();
    let (here, elsewhere) = (json!({}), json!({"name": "dataset/others/a"}));
    site.make(&here, 2);
    site.make(&elsewhere, 1);
    site.make(&here, 1);
    let told = site.send(process.http().base(), &here);
    expect(&told, &[(1, "committed"), (2, "committed"), (3, "name-not-allowed"), (4, "committed")]);
    expect(&site.send(process.http().base(), &here), &[]);
    same_receipts(&site, &process, &told);
    brings_along(&site, &process, process.http().base(), &here, 5);
    let receipt = fs::read_to_string(site.receipt(2)).unwrap();
    assert!(site.accepts(&receipt, &told[1].1));
    assert!(!site.accepts(&receipt, &told[0].1), "it is a receipt of another event");
    for (number, line) in receipt.lines().enumerate().filter(|(_number, line)| !line.is_empty()) {
        assert!(!site.accepts(&receipt.replacen(line, &forged(line), 1), &told[1].1), "line {number} is forged");
    }
    site.audit(&told);
}

/// An event comes with an attachment.
#[track_caller]
fn brings_along(site: &Site, process: &LedgerProcess, to: &str, settings: &Value, number: u64) {
    let mut settings = settings.clone();
    fs::write(site.path("original.txt"), format!("attached to {number}")).unwrap();
    settings["attachment"] = json!(site.path("original.txt"));
    site.make(&settings, 1);
    expect(&site.send(to, &settings), &[(number, "committed")]);
    let digest = EventDigest::of(&fs::read(site.path("original.txt")).unwrap());
    assert_eq!(process.http().get(&format!("/attachments/{digest}")).text(), format!("attached to {number}"));
    let left = fs::read_dir(site.path("foreign-outbox")).unwrap();
    assert!(left.into_iter().all(|file| !file.unwrap().file_name().to_string_lossy().ends_with(".attachment")));
}

/// What the producer kept is what the ledger gives to anyone.
#[track_caller]
fn same_receipts(site: &Site, process: &LedgerProcess, told: &[Told]) {
    for (number, digest, _became) in told {
        let kept = fs::read_to_string(site.receipt(*number)).unwrap();
        assert_eq!(kept, process.http().get(&format!("/receipts/{digest}")).text());
    }
}

/// The line with another letter or digit at its end.
fn forged(line: &str) -> String {
    let at = line.rfind(|letter: char| letter.is_ascii_alphanumeric()).unwrap() - usize::from(line.len() > 20) * 5;
    let other = if &line[at..=at] == "1" { "2" } else { "1" };
    format!("{}{other}{}", &line[..at], &line[at + 1..])
}

#[test]
fn over_nats_it_is_accepted_and_refused_and_waits_out_a_ledger_that_is_away() {
    let site = Site::new();
    let (configuration, seeds) = site.home.nats_users();
    let server = NatsServer::start(&Options { sync: Sync::Always, configuration });
    let serve = || {
        let mut command = site.home.serve_command();
        command.args(["--nats", &server.url(), "--nats-nkey"]).arg(seeds.join("_ledger.nk"));
        reading(LedgerProcess::start(command))
    };
    let process = serve();
    let here = json!({"nkey": seeds.join("foreign.nk")});
    let elsewhere = json!({"nkey": seeds.join("foreign.nk"), "name": "dataset/others/a"});
    site.make(&here, 1);
    expect(&site.send(&server.url(), &here), &[(1, "committed")]);
    site.make(&here, 2);
    site.make(&elsewhere, 1);
    let batch = site.send(&server.url(), &here);
    expect(&batch, &[(2, "committed"), (3, "committed"), (4, "name-not-allowed")]);
    process.kill();
    site.make(&here, 2);
    let hasty = json!({"nkey": seeds.join("foreign.nk"), "patience": 2});
    expect(&site.send(&server.url(), &hasty), &[(5, "unanswered"), (6, "unanswered")]);
    let process = serve();
    let late = site.send(&server.url(), &here);
    expect(&late, &[(5, "committed"), (6, "committed")]);
    brings_along(&site, &process, &server.url(), &here, 7);
    same_receipts(&site, &process, &late);
    site.audit(&[batch, late].concat());
}

#[test]
fn the_page_shows_the_code_that_was_proved() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PRODUCERS.md");
    let (page, code) = (fs::read_to_string(page).unwrap(), fs::read_to_string(foreign("producer.py")).unwrap());
    let shown: Vec<&str> = page.split("```python\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!shown.is_empty());
    for block in shown {
        assert!(code.contains(block), "no code of the producer:\n{block}");
    }
}
