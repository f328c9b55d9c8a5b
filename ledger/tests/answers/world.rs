//! A small world to ask about: a ledger in a folder of its own, five enrolled producers, and what they say.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use lineal_ledger::{
    answers::{self, Running, Style, Trace},
    clock::Clock,
    data_dir::{self, Beginning, DataDir},
    ledger::{Ledger, Settings, View},
    outcome::Outcome,
    own,
};
use lineal_schemas::{
    digest::{EventDigest, sha256},
    dsse::Signed,
    key::SecretKey,
    timestamp::Timestamp,
};

pub(crate) const ORIGIN: &str = "ledger.example/test";
pub(crate) const SERVICE: &str = "service/wine/quality@eu-1/prod";

/// A clock that a test moves; both of its hands move alike.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Somebody who signs, with a source of their own.
pub(crate) struct Sender {
    pub(crate) key: SecretKey,
    source: String,
    sequence: u64,
    previous: Option<EventDigest>,
}

pub(crate) struct World {
    pub(crate) ledger: Option<Ledger>,
    pub(crate) clock: Arc<TestClock>,
    genesis: EventDigest,
    pub(crate) senders: BTreeMap<&'static str, Sender>,
    pub(crate) dir: tempfile::TempDir,
}

const SENDERS: [(&str, &str, &[&str]); 6] = [
    (
        "data",
        "data",
        &[
            "dataset.snapshotted",
            "transform.published",
            "alias.moved",
            "artifact.equated",
            "artifact.located",
            "artifact.destroyed",
            "artifact.flagged",
            "record.corrected",
        ],
    ),
    ("trainer", "trainer", &["run.completed", "run.started", "model.registered", "record.corrected"]),
    (
        "evaluator",
        "evaluator",
        &["evaluation.started", "evaluation.completed", "artifact.flagged", "artifact.cleared", "record.corrected"],
    ),
    (
        "deployer",
        "deployer",
        &[
            "deployment.requested",
            "deployment.removed",
            "deployment.rolledback",
            "service.registered",
            "decisions.recorded",
            "incident.opened",
            "incident.updated",
            "incident.closed",
        ],
    ),
    ("observer", "observer", &["deployment.observed", "inventory.observed", "record.corrected"]),
    ("second", "observer", &["deployment.observed", "inventory.observed"]),
];

impl World {
    pub(crate) fn begin() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(1_795_470_612_000)));
        let root = SecretKey::from_seed([1; 32]).unwrap();
        let beginning = Beginning {
            dir: &dir.path().join("ledger"),
            origin: ORIGIN,
            roots: std::slice::from_ref(&root),
            threshold: 1,
            key: &SecretKey::from_seed([2; 32]).unwrap(),
            now: clock.wall(),
        };
        let genesis = data_dir::init(&beginning).unwrap().genesis();
        let source = format!("lineal://{ORIGIN}/root/{}", root.keyid());
        let root = Sender { key: root, source, sequence: 0, previous: None };
        let mut world = Self { ledger: None, clock, genesis, senders: [("root", root)].into(), dir };
        world.open();
        for (seed, (name, role, types)) in (3..).zip(SENDERS) {
            world.enrol(seed, name, role, types);
        }
        world
    }

    /// Another ledger with the same past: a copy of a closed one, at the same time.
    pub(crate) fn fork(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&self.path(), &dir.path().join("ledger"));
        let clock = Arc::new(TestClock(AtomicI64::new(self.clock.wall().as_millis())));
        let mut world = Self { ledger: None, clock, genesis: self.genesis, senders: BTreeMap::new(), dir };
        world.open();
        world
    }

    pub(crate) fn open(&mut self) {
        let settings = Settings { mirror: None, follow: true };
        self.ledger = Some(Ledger::open(&self.data_dir(), self.clock.clone(), settings).unwrap());
    }

    pub(crate) fn data_dir(&self) -> DataDir {
        DataDir::find(&self.path()).unwrap()
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("ledger")
    }

    fn enrol(&mut self, seed: u8, name: &'static str, role: &str, types: &[&str]) {
        let key = SecretKey::from_seed([seed; 32]).unwrap();
        let source = format!("https://{name}.example/pipeline");
        let names = [
            "dataset",
            "model",
            "job",
            "transform",
            "alias",
            "artifact",
            "service",
            "incident",
            "environment",
            "policy",
        ];
        let names = names.map(|kind| format!("{kind}/**"));
        let data = serde_json::json!({
            "keyid": key.keyid().to_string(), "publicKey": key.public().to_pem(), "producer": format!("wine-{name}"),
            "sources": [source], "roles": [role], "types": types, "names": names,
        });
        let subject = format!("key/{}", key.keyid());
        self.send("root", "key.enrolled", &subject, &data.to_string());
        self.senders.insert(name, Sender { key, source, sequence: 0, previous: None });
    }

    /// Somebody who registers policies, approves and waives, and one more who measures and takes back.
    pub(crate) fn with_approver(mut self) -> Self {
        let says = [
            "policy.registered",
            "approval.granted",
            "approval.refused",
            "waiver.granted",
            "gate.decided",
            "record.corrected",
        ];
        self.enrol(20, "approver", "approver", &says);
        self.enrol(
            21,
            "assessor",
            "evaluator",
            &["evaluation.started", "evaluation.completed", "evaluation.retracted", "record.corrected"],
        );
        self
    }

    /// Sends an event; `DIGEST(x)` in its data stands for the hex SHA-256 of `x`.
    pub(crate) fn send(&mut self, by: &str, name: &str, subject: &str, data: &str) -> u64 {
        let (index, _digest) = self.send_event(by, name, subject, data);
        index
    }

    pub(crate) fn send_event(&mut self, by: &str, name: &str, subject: &str, data: &str) -> (u64, EventDigest) {
        self.clock.advance(1);
        let signed = self.sign(by, name, subject, data, self.clock.wall());
        let digest = signed.digest();
        (self.submit(signed), digest)
    }

    /// The sender's next event, signed and not sent.
    pub(crate) fn sign(&mut self, by: &str, name: &str, subject: &str, data: &str, time: Timestamp) -> Signed {
        let sender = self.senders.get_mut(by).unwrap();
        sender.sequence += 1;
        let place = own::Place {
            source: &sender.source,
            sequence: sender.sequence,
            previous: sender.previous,
            ledger: Some(self.genesis),
            time,
        };
        let event = own::event_bytes(&place, subject, name, &filled(data));
        let signed = Signed::sign(event, &[&sender.key]);
        sender.previous = Some(signed.digest());
        signed
    }

    pub(crate) fn submit(&self, signed: Signed) -> u64 {
        let ledger = self.ledger.as_ref().unwrap();
        let outcome = ledger.submit_and_wait(vec![signed]).remove(0);
        ledger.wait_for_index();
        match outcome {
            Outcome::Committed { index } => index,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn view(&self) -> View {
        self.ledger.as_ref().unwrap().view.clone()
    }

    pub(crate) fn trace(&self, asked: &str) -> Trace {
        let trace = answers::trace(&self.view(), asked, self.clock.wall()).unwrap();
        let json = serde_json::to_string(&trace).unwrap();
        assert_eq!(serde_json::from_str::<Trace>(&json).unwrap(), trace, "the JSON holds all of it");
        assert_eq!(trace.to_text(Style::Plain).lines().next(), Some(trace.answer.as_str()), "line 1 is the answer");
        trace
    }

    pub(crate) fn running(&self) -> Running {
        let running = answers::running(&self.view(), None, self.clock.wall()).unwrap();
        let json = serde_json::to_string(&running).unwrap();
        assert_eq!(serde_json::from_str::<Running>(&json).unwrap(), running, "the JSON holds all of it");
        running
    }

    pub(crate) fn snapshot(&mut self, name: &str, content: &str, more: &str) -> u64 {
        let data = format!(r#"{{"dataset":{{"digest":{{"sha256":"DIGEST({content})"}}}},"name":"{name}"{more}}}"#);
        self.send("data", "dataset.snapshotted", name, &data)
    }

    pub(crate) fn train(&mut self, run: &str, data: &str, model: &str) -> (u64, EventDigest) {
        let data = format!(
            r#"{{"runId":"{run}","job":{{"namespace":"wine","name":"train","kind":"train"}},"outputs":[{{"digest":{{"sha256":"DIGEST({model})"}}}}],"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST({data})"}}}},"role":"training","basis":"observed"}}],"parameters":{{"depth":3}},"seeds":{{"rng":42}},"code":{{"artifact":{{"uri":"git+https://git.example/wine","digest":{{"gitCommit":"0123456789012345678901234567890123456789"}}}},"dirty":false}}}}"#
        );
        self.send_event("trainer", "run.completed", "job/wine/train", &data)
    }

    pub(crate) fn register(&mut self, name: &str, version: &str, model: &str, more: &str) -> u64 {
        let data = format!(
            r#"{{"model":{{"digest":{{"sha256":"DIGEST({model})"}}}},"name":"{name}","version":"{version}"{more}}}"#
        );
        self.send("trainer", "model.registered", name, &data)
    }

    pub(crate) fn observe(&mut self, service: &str, sets: &str, more: &str) -> u64 {
        let at = self.clock.wall();
        let data = format!(
            r#"{{"service":"{service}","servingSet":[{sets}],"observedAt":"{at}","observer":"probe-1","complete":true{more}}}"#
        );
        self.send("observer", "deployment.observed", service, &data)
    }

    /// Looks at all of `eu-1/prod` at once: names without their place, with their serving sets.
    pub(crate) fn inventory(&mut self, services: &[(&str, &str)], complete: bool, more: &str) -> u64 {
        let at = self.clock.wall();
        let listed: Vec<String> = services
            .iter()
            .map(|(service, sets)| format!(r#"{{"service":"{service}","servingSet":[{sets}]}}"#))
            .collect();
        let data = format!(
            r#"{{"environment":"environment/eu-1/prod","observedAt":"{at}","observer":"agent","complete":{complete},"services":[{}]{more}}}"#,
            listed.join(",")
        );
        self.send("observer", "inventory.observed", "environment/eu-1/prod", &data)
    }

    /// Says something of an incident: `opened`, `updated` or `closed`.
    pub(crate) fn incident(&mut self, what: &str, more: &str) -> u64 {
        let data = format!(r#"{{"incident":"incident/wine/INC-7"{more}}}"#);
        self.send("deployer", &format!("incident.{what}"), "incident/wine/INC-7", &data)
    }

    /// Says that something is bad; `more` can hold further members.
    pub(crate) fn flag(&mut self, content: &str, category: &str, more: &str) -> (u64, EventDigest) {
        let since = self.clock.wall();
        let data = format!(
            r#"{{"artifact":{{"digest":{{"sha256":"DIGEST({content})"}}}},"category":"{category}","justification":"labels-flipped","knownSince":"{since}"{more}}}"#
        );
        self.send_event("data", "artifact.flagged", "artifact/wine/part", &data)
    }

    /// Says that something is not bad after all.
    pub(crate) fn clear(&mut self, content: &str, more: &str) -> u64 {
        let data = format!(
            r#"{{"artifact":{{"digest":{{"sha256":"DIGEST({content})"}}}},"justification":"false-alarm"{more}}}"#
        );
        self.send("evaluator", "artifact.cleared", "artifact/wine/part", &data)
    }

    /// Data, a run, a registration and an observation.
    pub(crate) fn deployed() -> Self {
        let mut world = Self::begin();
        world.snapshot("dataset/wine/red", "red", r#","version":"2026-11","stats":{"rowCount":1599}"#);
        world.train("run-1", "red", "weights-1");
        world.register("model/wine/quality", "1", "weights-1", "");
        world.observe(SERVICE, &serving("weights-1"), "");
        world
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

pub(crate) fn filled(data: &str) -> String {
    let mut parts = data.split("DIGEST(");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (content, rest) = part.split_once(')').unwrap();
        text.push_str(&hash(content));
        text.push_str(rest);
    }
    text
}

pub(crate) fn hash(content: &str) -> String {
    hex::encode(sha256(content.as_bytes()))
}

pub(crate) fn serving(model: &str) -> String {
    format!(
        r#"{{"components":[{{"role":"model","artifact":{{"digest":{{"sha256":"DIGEST({model})"}}}},"binding":"pinned"}}]}}"#
    )
}

pub(crate) fn shared(share: &str, model: &str) -> String {
    serving(model).replacen('{', &format!(r#"{{"share":"{share}","#), 1)
}
