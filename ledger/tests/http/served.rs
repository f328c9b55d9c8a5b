//! A ledger in a temporary folder that is served on a port of its own, and producers that send to it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use lineal_ledger::{
    answers::workload::Clusters,
    client::Client,
    clock::Clock,
    data_dir::{self, Beginning, DataDir},
    http::{Server, Serving},
    ledger::{Ledger, Settings},
};
use lineal_schemas::{
    digest::EventDigest,
    dsse::Signed,
    event::{dataschema_of, type_of},
    key::SecretKey,
    receipt::Receipt,
    timestamp::Timestamp,
    trust::Trust,
};
use lineal_workload::naming::Naming;
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};

pub(crate) const ORIGIN: &str = "ledger.example/http";
pub(crate) const SUBJECT: &str = "dataset/payments/transactions";
pub(crate) const EVENT: &str = "application/cloudevents+json";
pub(crate) const LINES: &str = "application/x-ndjson";

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32]).unwrap()
}

/// A clock that stands still until it is told to jump.
#[derive(Debug)]
pub(crate) struct StoppedClock(pub(crate) AtomicI64);

impl Clock for StoppedClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

/// What a source says, one event after the other.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) keys: Vec<SecretKey>,
    pub(crate) ledger: EventDigest,
    pub(crate) sequence: u64,
    pub(crate) previous: Option<EventDigest>,
}

impl Source {
    pub(crate) fn says(&mut self, name: &str, subject: &str, data: &Value) -> Signed {
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

    pub(crate) fn snapshot(&mut self) -> Signed {
        let digest = EventDigest::of(&self.sequence.to_be_bytes());
        self.says("dataset.snapshotted", SUBJECT, &json!({"dataset": {"digest": {"sha256": digest}}}))
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _value)| key.eq_ignore_ascii_case(name)).map(|(_key, value)| value)
    }
}

/// A ledger that is served.
pub(crate) struct Served {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) runtime: Runtime,
    pub(crate) trust: Trust,
    pub(crate) clock: Arc<StoppedClock>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) address: SocketAddr,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) running: JoinHandle<std::io::Result<()>>,
    pub(crate) root: Source,
}

impl Served {
    pub(crate) fn start() -> Self {
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

    pub(crate) fn open(folder: tempfile::TempDir, trust: Trust, root: Source, now: Timestamp) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = Arc::new(StoppedClock(AtomicI64::new(now.as_millis())));
        let dir = DataDir::find(&folder.path().join("data")).unwrap();
        let ledger = Ledger::open(&dir, clock.clone(), Settings { mirror: None, follow: true }).unwrap();
        let ledger = Arc::new(ledger);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let environments = vec!["environment/eu-1/prod".parse().unwrap()];
        let naming = Naming::new(Vec::new(), &["prod=payments".to_owned()]).unwrap();
        let serving = Serving { http: Some(any_port), tls: None, clusters: Clusters { environments, naming } };
        let server = runtime.block_on(Server::bind(ledger.clone(), &dir, serving)).unwrap();
        let address = server.address().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = runtime.spawn(server.run(async move { stopped.await.unwrap_or_default() }));
        Self { folder, runtime, trust, clock, ledger, address, stop, running, root }
    }

    pub(crate) fn dir(&self) -> DataDir {
        DataDir::find(&self.folder.path().join("data")).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.dir().socket()).unwrap()
    }

    /// Enrols a key for data snapshots, and gives a source that it may use.
    pub(crate) fn producer(&mut self, seed: u8) -> Source {
        let keyid = key(seed).keyid();
        let data = json!({
            "keyid": keyid, "publicKey": key(seed).public().to_pem(), "producer": "payments-ci",
            "sources": ["https://ci.example/payments/**"], "roles": ["data"],
            "types": ["dataset.snapshotted", "record.corrected"], "names": ["dataset/payments/**"],
        });
        let enrolled = self.root.says("key.enrolled", &format!("key/{keyid}"), &data);
        assert_eq!(self.post(&enrolled).status, 201);
        self.source(&format!("https://ci.example/payments/{seed}"), &[seed])
    }

    pub(crate) fn source(&self, name: &str, seeds: &[u8]) -> Source {
        let keys = seeds.iter().map(|seed| key(*seed)).collect();
        Source { name: name.to_owned(), keys, ledger: self.trust.genesis(), sequence: 0, previous: None }
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.extend(["content-length: ", &body.len().to_string(), "\r\n\r\n"]);
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

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn found(&self, path: &str) -> Vec<u8> {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.body
    }

    /// Sends one event in structured mode.
    pub(crate) fn post(&self, signed: &Signed) -> Reply {
        let mut headers = vec![("content-type", EVENT.to_owned())];
        headers.extend(signed.signatures.iter().map(|signature| ("Lineal-Signature", signature.to_string())));
        self.ask("POST", "/events", &headers, &signed.event)
    }

    /// Sends lines.
    pub(crate) fn post_lines(&self, lines: &[String]) -> Reply {
        self.ask("POST", "/events", &[("content-type", LINES.to_owned())], lines.concat().as_bytes())
    }

    pub(crate) fn receipt(&self, answer: &Value) -> Receipt {
        let receipt = Receipt::parse(answer["receipt"].as_str().unwrap()).unwrap();
        receipt.verify(&self.trust).unwrap();
        assert_eq!(answer["index"], receipt.index());
        receipt
    }

    pub(crate) fn stop(self) -> (tempfile::TempDir, Trust, Source) {
        self.stop.send(()).unwrap();
        self.runtime.block_on(self.running).unwrap().unwrap();
        drop(self.runtime);
        Arc::try_unwrap(self.ledger).expect("nothing of the server is left").close();
        (self.folder, self.trust, self.root)
    }
}

pub(crate) fn lines_of(events: &[Signed]) -> Vec<String> {
    events.iter().map(|signed| signed.to_envelope() + "\n").collect()
}

pub(crate) fn outcome(reply: &Reply) -> (u16, String, String) {
    let answer = reply.json();
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    (reply.status, text("outcome"), text("code"))
}

pub(crate) fn said(status: u16, outcome: &str, code: &str) -> (u16, String, String) {
    (status, outcome.to_owned(), code.to_owned())
}
