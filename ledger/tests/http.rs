//! The real server over a real ledger in a temporary folder, asked in plain HTTP on a port of its own.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use lineal_ledger::{
    client::{Client, ClientError},
    clock::Clock,
    data_dir::{self, Beginning, DataDir},
    export::{self, ExportError},
    http::Server,
    ledger::{Ledger, Settings},
};
use lineal_schemas::{
    checkpoint::SignedCheckpoint,
    digest::EventDigest,
    dsse::Signed,
    entry::Entry,
    event::{dataschema_of, type_of},
    key::SecretKey,
    merkle::{leaf_hash, node_hash},
    receipt::Receipt,
    tile::{self, TileLevel, TilePath},
    timestamp::Timestamp,
    trust::Trust,
};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};

const ORIGIN: &str = "ledger.example/http";
const SUBJECT: &str = "dataset/payments/transactions";
const EVENT: &str = "application/cloudevents+json";
const LINES: &str = "application/x-ndjson";

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32]).unwrap()
}

/// A clock that stands still until it is told to jump.
#[derive(Debug)]
struct StoppedClock(AtomicI64);

impl Clock for StoppedClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

/// What a source says, one event after the other.
struct Source {
    name: String,
    keys: Vec<SecretKey>,
    ledger: EventDigest,
    sequence: u64,
    previous: Option<EventDigest>,
}

impl Source {
    fn says(&mut self, name: &str, subject: &str, data: &Value) -> Signed {
        static IDS: AtomicU64 = AtomicU64::new(0);
        self.sequence += 1;
        let mut members = vec![
            ("specversion", json!("1.0")),
            ("id", json!(format!("0199aabb-ccdd-7eef-8123-{:012x}", IDS.fetch_add(1, Ordering::SeqCst)))),
            ("source", json!(self.name)),
            ("type", json!(type_of(name))),
            ("subject", json!(subject)),
            ("time", json!("2026-11-23T21:50:12Z")),
            ("datacontenttype", json!("application/json")),
            ("dataschema", json!(dataschema_of(name))),
            ("ledger", json!(self.ledger)),
            ("sequence", json!(format!("{:012}", self.sequence))),
        ];
        members.extend(self.previous.map(|previous| ("previous", json!(previous))));
        members.push(("data", data.clone()));
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let event = format!("{{{}}}", members.join(",")).into_bytes();
        self.previous = Some(EventDigest::of(&event));
        Signed::sign(event, &self.keys.iter().collect::<Vec<_>>())
    }

    fn snapshot(&mut self) -> Signed {
        let digest = EventDigest::of(&self.sequence.to_be_bytes());
        self.says("dataset.snapshotted", SUBJECT, &json!({"dataset": {"digest": {"sha256": digest}}}))
    }
}

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _value)| key.eq_ignore_ascii_case(name)).map(|(_key, value)| value)
    }
}

/// A ledger that is served.
struct Served {
    folder: tempfile::TempDir,
    runtime: Runtime,
    trust: Trust,
    clock: Arc<StoppedClock>,
    ledger: Arc<Ledger>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
    root: Source,
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_millis(1_795_000_000_000);
        let (root, ledger_key) = (key(1), key(200));
        let dir = folder.path().join("data");
        let beginning = Beginning { dir: &dir, origin: ORIGIN, roots: &[root], threshold: 1, key: &ledger_key, now };
        let trust = data_dir::init(&beginning).unwrap();
        let root_source = format!("lineal://{ORIGIN}/root/{}", key(1).keyid());
        let root =
            Source { name: root_source, keys: vec![key(1)], ledger: trust.genesis(), sequence: 0, previous: None };
        Self::open(folder, trust, root, now)
    }

    fn open(folder: tempfile::TempDir, trust: Trust, root: Source, now: Timestamp) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = Arc::new(StoppedClock(AtomicI64::new(now.as_millis())));
        let dir = DataDir::find(&folder.path().join("data")).unwrap();
        let ledger = Ledger::open(&dir, clock.clone(), Settings { mirror: None, follow: true }).unwrap();
        let ledger = Arc::new(ledger);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = runtime.block_on(Server::bind(ledger.clone(), &dir, Some(any_port))).unwrap();
        let address = server.address().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = runtime.spawn(server.run(async move { stopped.await.unwrap_or_default() }));
        Self { folder, runtime, trust, clock, ledger, address, stop, running, root }
    }

    fn dir(&self) -> DataDir {
        DataDir::find(&self.folder.path().join("data")).unwrap()
    }

    fn client(&self) -> Client {
        Client::connect(&self.dir().socket()).unwrap()
    }

    /// Enrols a key for data snapshots, and gives a source that it may use.
    fn producer(&mut self, seed: u8) -> Source {
        let keyid = key(seed).keyid();
        let data = json!({
            "keyid": keyid, "publicKey": key(seed).public().to_pem(), "producer": "payments-ci",
            "sources": ["https://ci.example/payments/**"], "roles": ["data"],
            "types": ["dataset.snapshotted"], "names": ["dataset/payments/**"],
        });
        let enrolled = self.root.says("key.enrolled", &format!("key/{keyid}"), &data);
        assert_eq!(self.post(&enrolled).status, 201);
        self.source(&format!("https://ci.example/payments/{seed}"), &[seed])
    }

    fn source(&self, name: &str, seeds: &[u8]) -> Source {
        let keys = seeds.iter().map(|seed| key(*seed)).collect();
        Source { name: name.to_owned(), keys, ledger: self.trust.genesis(), sequence: 0, previous: None }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let end = reply.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let body = reply.split_off(end + 4);
        let head = String::from_utf8(reply).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(length.and_then(|length| length.parse().ok()), Some(body.len()), "{method} {path}");
        Reply { status, head, body }
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], b"")
    }

    fn found(&self, path: &str) -> Vec<u8> {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.body
    }

    /// Sends one event in structured mode.
    fn post(&self, signed: &Signed) -> Reply {
        let mut headers = vec![("content-type", EVENT.to_owned())];
        headers.extend(signed.signatures.iter().map(|signature| ("Lineal-Signature", signature.to_string())));
        self.ask("POST", "/events", &headers, &signed.event)
    }

    /// Sends lines.
    fn post_lines(&self, lines: &[String]) -> Reply {
        self.ask("POST", "/events", &[("content-type", LINES.to_owned())], lines.concat().as_bytes())
    }

    fn receipt(&self, answer: &Value) -> Receipt {
        let receipt = Receipt::parse(answer["receipt"].as_str().unwrap()).unwrap();
        receipt.verify(&self.trust).unwrap();
        assert_eq!(answer["index"], receipt.index());
        receipt
    }

    fn stop(self) -> (tempfile::TempDir, Trust, Source) {
        self.stop.send(()).unwrap();
        self.runtime.block_on(self.running).unwrap().unwrap();
        drop(self.runtime);
        Arc::try_unwrap(self.ledger).expect("nothing of the server is left").close();
        (self.folder, self.trust, self.root)
    }
}

fn lines_of(events: &[Signed]) -> Vec<String> {
    events.iter().map(|signed| signed.to_envelope() + "\n").collect()
}

fn outcome(reply: &Reply) -> (u16, String, String) {
    let answer = reply.json();
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    (reply.status, text("outcome"), text("code"))
}

fn said(status: u16, outcome: &str, code: &str) -> (u16, String, String) {
    (status, outcome.to_owned(), code.to_owned())
}

#[test]
fn a_committed_event_gets_a_receipt_that_verifies_and_a_repeat_gets_the_same_bytes() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let event = source.snapshot();
    let first = served.post(&event);
    assert_eq!(outcome(&first), said(201, "committed", ""));
    assert_eq!(first.header("content-type"), Some("application/json"));
    let answer = first.json();
    assert_eq!(answer["event"], json!(event.digest()));
    assert_eq!(answer["retry"], false);
    assert!(served.receipt(&answer).is_for(&event.digest()));
    served.post(&source.snapshot());
    let again = served.post(&event);
    assert_eq!(outcome(&again), said(200, "duplicate", ""));
    assert_eq!(again.json()["receipt"], answer["receipt"]);
    assert_eq!(served.found(&format!("/receipts/{}", event.digest())), answer["receipt"].as_str().unwrap().as_bytes());
}

#[test]
fn a_rejected_event_gets_the_receipt_of_the_signed_refusal() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let event = source.says(
        "dataset.snapshotted",
        "dataset/other/owner",
        &json!({"dataset": {"digest": {"sha256": EventDigest::of(b"")}}}),
    );
    let reply = served.post(&event);
    assert_eq!(outcome(&reply), said(422, "rejected", "name-not-allowed"));
    let answer = reply.json();
    let refusal = answer["refusal"].as_str().unwrap();
    assert!(served.receipt(&answer).is_for(&EventDigest::of(refusal.as_bytes())));
    assert!(refusal.contains(&event.digest().to_string()));
    let path = format!("/receipts/{}", event.digest());
    let receipt = served.get(&path);
    assert_eq!((receipt.status, receipt.header("lineal-outcome")), (200, Some("rejected")));
    assert_eq!(receipt.text(), answer["receipt"].as_str().unwrap());
    let asked = served.ask("GET", &path, &[("accept", "application/json".to_owned())], b"");
    assert_eq!(asked.json()["refusal"], answer["refusal"]);
    assert_eq!(served.post(&event).json(), answer, "once a digest");
}

#[test]
fn what_contradicts_its_source_is_a_conflict() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    assert_eq!(served.post(&source.snapshot()).status, 201);
    (source.sequence, source.previous) = (0, None);
    let event = source.says(
        "dataset.snapshotted",
        SUBJECT,
        &json!({"dataset": {"digest": {"sha256": EventDigest::of(b"else")}}}),
    );
    let reply = served.post(&event);
    assert_eq!(outcome(&reply), said(409, "conflicted", "sequence-taken"));
    served.receipt(&reply.json());
    let receipt = served.get(&format!("/receipts/{}", event.digest()));
    assert_eq!(receipt.header("lineal-outcome"), Some("conflicted"));
}

#[test]
fn what_nobody_authenticated_is_refused_without_a_receipt() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let event = source.snapshot();
    let refused = |signed: &Signed| {
        let reply = served.post(signed);
        let answer = reply.json();
        assert_eq!((answer.get("receipt"), &answer["retry"]), (None, &json!(false)));
        outcome(&reply)
    };
    assert_eq!(refused(&Signed { signatures: Vec::new(), ..event.clone() }), said(401, "refused", "unsigned"));
    let mut forged = event.clone();
    forged.signatures[0].bytes[5] ^= 1;
    assert_eq!(refused(&forged), said(401, "refused", "wrong-signature"));
    let keys: Vec<_> = (20..29).map(key).collect();
    let nine = Signed::sign(event.event.clone(), &keys.iter().collect::<Vec<_>>());
    assert_eq!(refused(&nine), said(400, "refused", "too-many-signatures"));
    let headers = [("content-type", EVENT.to_owned()), ("lineal-signature", "abc".to_owned())];
    let reply = served.ask("POST", "/events", &headers, &event.event);
    assert_eq!(outcome(&reply), said(400, "refused", "malformed-signature"));
    assert_eq!(reply.json()["event"], json!(event.digest()));
    assert_eq!(served.post(&event).status, 201, "and nothing else stops");
}

#[test]
fn an_event_under_an_unknown_key_is_parked_and_shown_to_the_owner_alone() {
    let mut served = Served::start();
    let mut source = served.source("https://ci.example/payments/11", &[11]);
    let event = source.snapshot();
    assert_eq!(outcome(&served.post(&event)), said(202, "parked", "unknown-key"));
    assert_eq!(served.get("/admin/parked").status, 404, "never on TCP");
    let (status, body) = served.client().get("/admin/parked").unwrap();
    let waiting: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &waiting), (200, &json!({"parked": [{"keyid": key(11).keyid(), "event": event.digest()}]})));
    let digest = event.digest().to_string();
    let (status, body) = served.client().get(&format!("/admin/parked/{}", &digest[..12])).unwrap();
    assert_eq!((status, String::from_utf8(body).unwrap()), (200, event.to_envelope() + "\n"));
    assert_eq!(served.client().get("/admin/parked/ffff").unwrap().0, 404);
    assert_eq!(served.get(&format!("/receipts/{digest}")).status, 404);
    served.producer(11);
    assert_eq!(outcome(&served.post(&event)), said(200, "duplicate", ""), "taken up with the enrolment");
}

#[test]
fn what_comes_too_often_or_too_far_ahead_is_told_to_come_back() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    source.snapshot();
    source.sequence = 2000;
    let reply = served.post(&source.snapshot());
    assert_eq!(outcome(&reply), said(429, "refused", "too-many-open"));
    assert_eq!((reply.header("retry-after"), &reply.json()["retry"]), (Some("5"), &json!(true)));
    let wrong = |number: u32| {
        let mut other = served.source(&format!("https://elsewhere.example/{number}"), &[10]);
        other.snapshot()
    };
    let events: Vec<_> = (0..70).map(wrong).collect();
    let answers = served.post_lines(&lines_of(&events)).lines();
    assert_eq!(answers[0]["outcome"], "rejected");
    assert_eq!(answers[69]["outcome"], "refused");
    assert_eq!(outcome(&served.post(&events[69])), said(429, "refused", "too-many-refusals"));
}

#[test]
fn a_clock_that_jumps_stops_intake_until_the_owner_accepts_it() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    served.clock.0.fetch_add(3_600_000, Ordering::SeqCst);
    let event = source.snapshot();
    assert_eq!(outcome(&served.post(&event)), said(503, "refused", "clock-jumped"));
    let ready = served.get("/readyz");
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &json!(false)));
    assert!(ready.json()["intakeStopped"].as_str().unwrap().contains("clock"));
    assert_eq!(served.get("/checkpoint").status, 200, "reads go on");
    assert_eq!(served.ask("POST", "/admin/clock/accept", &[], b"").status, 404, "never on TCP");
    assert_eq!(served.client().post("/admin/clock/accept", "text/plain", Vec::new()).unwrap().0, 200);
    assert_eq!(served.post(&event).status, 201);
    assert_eq!(served.get("/readyz").status, 200);
}

#[test]
fn forms_that_cannot_carry_signatures_are_refused_with_the_reason() {
    let served = Served::start();
    let refused = |headers: &[(&str, String)]| {
        let reply = served.ask("POST", "/events", headers, b"[]");
        (outcome(&reply), reply.json()["message"].as_str().unwrap().to_owned())
    };
    let header = |name, value: &str| (name, value.to_owned());
    let (answer, message) = refused(&[header("content-type", "application/json"), header("ce-specversion", "1.0")]);
    assert_eq!(answer, said(415, "refused", "binary-mode"));
    assert!(message.contains("can't be signed as sent"), "{message}");
    let (answer, message) = refused(&[header("content-type", "application/cloudevents-batch+json; charset=utf-8")]);
    assert_eq!(answer, said(415, "refused", "batch-mode"));
    assert!(message.contains("no place for the signatures"), "{message}");
    assert_eq!(refused(&[header("content-type", "text/html")]).0, said(415, "refused", "media-type"));
    assert_eq!(refused(&[]).0, said(415, "refused", "media-type"));
    assert_eq!(served.get("/events").status, 405);
    assert_eq!(served.get("/nothing").status, 404);
}

#[test]
fn what_is_too_large_is_refused_and_a_signed_event_gets_its_signed_refusal() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let filled = |bytes: usize| json!({"dataset": {"digest": {"sha256": EventDigest::of(b"")}}, "annotations": {"x": "x".repeat(bytes)}});
    let large = source.says("dataset.snapshotted", SUBJECT, &filled(257 * 1024));
    let reply = served.post(&large);
    assert_eq!(outcome(&reply), said(422, "rejected", "too-large"));
    served.receipt(&reply.json());
    let answers = served.post_lines(&lines_of(&[large])).lines();
    assert_eq!((&answers[0]["outcome"], &answers[0]["code"]), (&json!("rejected"), &json!("too-large")));
    let headers = [("content-type", EVENT.to_owned())];
    let reply = served.ask("POST", "/events", &headers, &vec![b'x'; 2 * 1024 * 1024]);
    assert_eq!(outcome(&reply), said(413, "refused", "body-too-large"));
    assert!(reply.json()["message"].as_str().unwrap().contains("1048576"));
    assert_eq!(outcome(&served.post_lines(&vec!["{}\n".to_owned(); 10_001])), said(413, "refused", "too-many-events"));
    assert_eq!(outcome(&served.post_lines(&[])), said(400, "refused", "no-events"));
}

#[test]
fn a_bad_envelope_among_good_ones_stops_none_of_them() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let events = [source.snapshot(), source.snapshot(), source.snapshot()];
    let mut lines = lines_of(&events);
    lines.insert(1, "{\"payload\":\"?\"}\n".to_owned());
    lines.insert(3, "\n".to_owned());
    lines.push(lines[0].clone().trim_end().to_owned());
    let reply = served.post_lines(&lines);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some(LINES)));
    let answers = reply.lines();
    let outcomes: Vec<_> = answers.iter().map(|answer| answer["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["committed", "refused", "committed", "refused", "committed", "duplicate"]);
    assert_eq!(answers[1]["code"], "malformed-envelope");
    assert_eq!(answers[1].get("event"), None);
    for (answer, event) in [0, 2, 4].map(|at| &answers[at]).iter().zip(&events) {
        assert!(served.receipt(answer).is_for(&event.digest()));
    }
    assert_eq!(answers[5]["receipt"], answers[0]["receipt"]);
}

#[test]
fn signature_headers_are_one_list_however_they_are_spelled() {
    let mut served = Served::start();
    served.producer(10);
    served.producer(11);
    let mut source = served.source("https://ci.example/payments/both", &[10, 11]);
    let event = source.snapshot();
    let all: Vec<_> = event.signatures.iter().map(ToString::to_string).collect();
    let typed = ("CONTENT-TYPE", "Application/CloudEvents+JSON; charset=UTF-8".to_owned());
    let reply = served.ask("POST", "/events", &[typed.clone(), ("LINEAL-SIGNATURE", all.join(", "))], &event.event);
    assert_eq!(reply.status, 201, "{}", reply.text());
    let headers = [typed, ("lineal-signature", all[0].clone()), ("Lineal-Signature", all[1].clone())];
    let reply = served.ask("POST", "/events", &headers, &event.event);
    assert_eq!(reply.status, 200);
    assert_eq!(served.receipt(&reply.json()).entry().signatures, event.signatures);
}

/// MTH of RFC 6962 section 2.1, as it is defined there.
fn root_of(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => panic!("no leaves"),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// Reads a log through its tiles alone, and checks everything against everything.
fn check_log(trust: &Trust, read: &dyn Fn(&str) -> Vec<u8>) -> Vec<Entry> {
    let checkpoint = SignedCheckpoint::parse(&String::from_utf8(read("checkpoint")).unwrap()).unwrap();
    trust.verify_checkpoint(&checkpoint).unwrap();
    let size = checkpoint.checkpoint().size;
    let (mut entries, mut leaves) = (Vec::new(), Vec::new());
    for path in TilePath::all(size) {
        let bytes = read(&path.to_string());
        let TileLevel::Hashes(level) = path.level() else {
            let bodies = read(&path.to_string().replace("tile/entries/", "tile/bodies/"));
            let bodies: Vec<_> = bodies.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
            let bundle = tile::parse_bundle(&bytes, path.width()).unwrap();
            assert_eq!(bodies.len(), bundle.len());
            for (entry, body) in bundle.into_iter().zip(bodies) {
                leaves.push(*leaf_hash(entry).as_bytes());
                let entry = Entry::parse(entry).unwrap();
                assert_eq!((entry.index, entry.event), (entries.len() as u64, EventDigest::of(body)));
                entries.push(entry);
            }
            continue;
        };
        let hashes = tile::parse_tile(&bytes, path.width()).unwrap();
        let span = 256_usize.pow(u32::from(level));
        for (at, hash) in hashes.iter().enumerate() {
            let first = (usize::try_from(path.index()).unwrap() * 256 + at) * span;
            assert_eq!(*hash, root_of(&leaves[first..first + span]), "{path}, hash {at}");
        }
    }
    assert_eq!(root_of(&leaves), *checkpoint.checkpoint().root.as_bytes());
    entries
}

#[test]
fn all_of_the_log_is_there_through_its_tiles_and_gives_the_root_that_is_signed() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let events: Vec<_> = (0..598).map(|_| source.snapshot()).collect();
    served.post_lines(&lines_of(&events[..250]));
    served.post_lines(&lines_of(&events[250..]));
    let entries = check_log(&served.trust, &|path| served.found(&format!("/{path}")));
    assert_eq!(entries.len(), 600);
    assert!(entries[2..].iter().zip(&events).all(|(entry, event)| entry.event == event.digest()));
    let part = served.found("/tile/0/000.p/252");
    assert_eq!(part, served.found("/tile/0/000")[..252 * 32], "parts stay there after their tile is full");
    assert_eq!(served.found("/tile/entries/002.p/7").len(), served.found("/tile/entries/002.p/88").len() / 88 * 7);
    for nowhere in [
        "/tile/0/003",
        "/tile/0/002",
        "/tile/0/002.p/89",
        "/tile/1/000",
        "/tile/1/000.p/3",
        "/tile/2/000.p/1",
        "/tile/0/0",
        "/tile/00/000",
        "/tile/0/000.p/256",
        "/tile/0/000.p/0",
        "/tile/8/data/000",
        "/tile/bodies/0",
        "/tile/bodies/003",
        "/tile/bodies/002",
        "/tile/63/000",
        "/tile/0/x018/x446/x744/x073/x709/x551/615",
    ] {
        assert_eq!(served.get(nowhere).status, 404, "{nowhere}");
    }
}

#[test]
fn only_what_never_changes_may_be_cached_for_good() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    served.post(&source.snapshot());
    let headers = |path: &str| {
        let reply = served.get(path);
        (reply.header("content-type").unwrap().to_owned(), reply.header("cache-control").unwrap().to_owned())
    };
    let said = |kind: &str, cached: &str| (kind.to_owned(), cached.to_owned());
    let forever = "public, max-age=31536000, immutable";
    assert_eq!(headers("/checkpoint"), said("text/plain; charset=utf-8", "no-cache"));
    assert_eq!(headers("/tile/0/000.p/3"), said("application/octet-stream", forever));
    assert_eq!(headers("/tile/entries/000.p/3"), said("application/octet-stream", forever));
    assert_eq!(headers("/tile/bodies/000.p/3"), said(LINES, "no-cache"));
    assert_eq!(headers("/tile/0/000").1, "no-store", "it may be there soon");
}

#[test]
fn an_attachment_is_stored_once_an_event_names_it_and_only_as_it_was_named() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let listing: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_be_bytes).collect();
    let digest = EventDigest::of(&listing);
    let path = format!("/attachments/{digest}");
    let early = served.ask("PUT", &path, &[], &listing);
    assert_eq!((early.status, early.header("lineal-error")), (404, Some("unnamed-attachment")));
    assert!(early.text().contains("no committed event names the attachment"));
    let data = json!({
        "dataset": {"digest": {"sha256": EventDigest::of(b"")}},
        "attachments": [{"role": "listing", "digest": {"sha256": digest}, "size": listing.len(), "mediaType": "text/plain"}],
    });
    let event = served.post(&source.says("dataset.snapshotted", SUBJECT, &data));
    assert_eq!(event.status, 201, "{}", event.text());
    assert_eq!(served.get(&path).header("lineal-error"), Some("no-such-attachment"));
    let changed = served.ask("PUT", &path, &[], &listing[1..]);
    assert_eq!((changed.status, changed.header("lineal-error")), (422, Some("attachment-digest")));
    assert_eq!(served.get(&path).status, 404);
    let stored = served.ask("PUT", &path, &[], &listing);
    assert_eq!((stored.status, stored.json()), (201, json!({"attachment": digest, "size": listing.len()})));
    assert_eq!(served.ask("PUT", &path, &[], &listing).status, 200);
    assert!(served.found(&path) == listing);
    let hex = digest.to_string();
    assert!(fs::read(served.dir().root().join("attachments").join(&hex[..2]).join(&hex)).unwrap() == listing);
    assert_eq!(served.get("/attachments/ABC").status, 400);
    let too_large = ("x-unused", String::new());
    let mut stream = TcpStream::connect(served.address).unwrap();
    write!(stream, "PUT {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 1073741825\r\n{}:\r\n\r\n", too_large.0).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
}

#[test]
fn it_says_how_it_is() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    served.post(&source.snapshot());
    served.post(&Signed { signatures: Vec::new(), ..source.snapshot() });
    served.ledger.wait_for_index();
    assert_eq!(served.found("/healthz"), b"ok\n");
    let ready = served.get("/readyz").json();
    let expected = json!({"ready": true, "size": 3, "checkpointAgeMs": 0, "indexSize": 3, "indexLag": 0,
        "indexFailed": null, "intakeStopped": null, "damaged": false});
    assert_eq!(ready, expected);
    let metrics = served.get("/metrics").text();
    for line in [
        "lineal_entries 3\n",
        "lineal_batches 3\n",
        "lineal_index_lag 0\n",
        "lineal_events_total{outcome=\"committed\"} 2\n",
        "lineal_events_total{outcome=\"refused\"} 1\n",
        "lineal_quarantined_total{code=\"unsigned\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(served.get("/").text().contains("POST /events"));
    served.ledger.stop_intake("a flipped byte".to_owned());
    let ready = served.get("/readyz");
    assert_eq!((ready.status, &ready.json()["damaged"]), (503, &json!(true)));
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn a_command_learns_the_head_of_a_source() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let head = |name: &str| served.get(&format!("/v1/source?name={name}")).json();
    assert_eq!(head("https%3A//nobody.example"), json!({"sequence": 0, "digest": null}));
    let event = source.snapshot();
    served.post(&event);
    assert_eq!(head("https%3A%2F%2Fci.example/payments/10"), json!({"sequence": 1, "digest": event.digest()}));
    assert_eq!(served.get("/v1/source").status, 400);
}

#[test]
fn the_socket_is_its_owner_s_and_outlives_no_server() {
    let served = Served::start();
    let socket = served.dir().socket();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(served.client().get("/healthz").unwrap(), (200, b"ok\n".to_vec()));
    let (folder, trust, root) = served.stop();
    assert!(!socket.exists());
    assert!(Client::connect(&socket).is_none());
    // What a killed process leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(Client::connect(&socket).is_none());
    let served = Served::open(folder, trust, root, Timestamp::from_millis(1_795_000_000_000));
    let client = served.client();
    assert_eq!(client.get("/readyz").unwrap().0, 200);
    served.stop();
    assert!(matches!(client.get("/healthz"), Err(ClientError::NotRunning(_))));
}

#[test]
fn a_data_directory_deep_down_has_a_socket_too() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(90)).join("data");
    fs::create_dir_all(deep.parent().unwrap()).unwrap();
    let now = Timestamp::from_millis(1_795_000_000_000);
    data_dir::init(&Beginning { dir: &deep, origin: ORIGIN, roots: &[key(1)], threshold: 1, key: &key(200), now })
        .unwrap();
    let dir = DataDir::find(&deep).unwrap();
    let clock = Arc::new(StoppedClock(AtomicI64::new(now.as_millis())));
    let ledger = Arc::new(Ledger::open(&dir, clock, Settings { mirror: None, follow: true }).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::bind(ledger, &dir, None)).unwrap();
    assert_eq!(server.address(), None);
    let (stop, stopped) = oneshot::channel::<()>();
    let running = runtime.spawn(server.run(async move { stopped.await.unwrap_or_default() }));
    assert_eq!(Client::connect(&dir.socket()).unwrap().get("/healthz").unwrap().0, 200);
    stop.send(()).unwrap();
    runtime.block_on(running).unwrap().unwrap();
}

fn files_in(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files.extend(files_in(&path).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            files.push(name);
        }
    }
    files.sort();
    files
}

#[test]
fn an_export_is_the_log_as_files_and_is_brought_up_to_date() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let folder = served.folder.path().join("public");
    let read = |path: &str| fs::read(folder.join(path)).unwrap();
    let events: Vec<_> = (0..298).map(|_| source.snapshot()).collect();
    served.post_lines(&lines_of(&events[..100]));
    assert_eq!(export::tiles(&served.ledger.view.record, &folder).unwrap(), 102);
    assert_eq!(check_log(&served.trust, &read).len(), 102);
    served.post_lines(&lines_of(&events[100..]));
    assert_eq!(export::tiles(&served.ledger.view.record, &folder).unwrap(), 300);
    assert_eq!(check_log(&served.trust, &read).len(), 300);
    let expected = [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/bodies/000",
        "tile/bodies/001.p/44",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ];
    assert_eq!(files_in(&folder), expected, "one part a level at most");
    let untouched = fs::metadata(folder.join("tile/0/000")).unwrap().modified().unwrap();
    fs::write(folder.join("tile/entries/000"), "rotten").unwrap();
    assert_eq!(export::tiles(&served.ledger.view.record, &folder).unwrap(), 300);
    assert_eq!(check_log(&served.trust, &read).len(), 300);
    assert_eq!(fs::metadata(folder.join("tile/0/000")).unwrap().modified().unwrap(), untouched);
}

#[test]
fn an_export_leaves_alone_what_is_not_its_own() {
    let mut served = Served::start();
    let folder = served.folder.path().join("public");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("thesis.txt"), "years of work").unwrap();
    let refused = export::tiles(&served.ledger.view.record, &folder).unwrap_err();
    assert!(matches!(refused, ExportError::Foreign { .. }), "{refused}");
    assert_eq!(files_in(&folder), ["thesis.txt"]);
    fs::remove_file(folder.join("thesis.txt")).unwrap();
    let mut source = served.producer(10);
    served.post(&source.snapshot());
    export::tiles(&served.ledger.view.record, &folder).unwrap();
    let before = files_in(&folder);
    let mut other = Served::start();
    let refused = export::tiles(&other.ledger.view.record, &folder).unwrap_err();
    assert!(refused.to_string().contains("only 1 entries"), "{refused}");
    let mut source = other.producer(11);
    other.post_lines(&lines_of(&[source.snapshot(), source.snapshot()]));
    let refused = export::tiles(&other.ledger.view.record, &folder).unwrap_err();
    assert!(matches!(refused, ExportError::OtherHistory { size: 3, .. }), "{refused}");
    assert_eq!(files_in(&folder), before);
}
