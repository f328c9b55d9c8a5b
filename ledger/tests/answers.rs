//! The answers over real ledgers: what was sent through intake, signed and enrolled, comes back as lineage.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it breaks")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use lineal_ledger::{
    answers::{
        self, AnswerError, Running, Trace, Verdict,
        print::Style,
        running::Status,
        trace::{EdgeKind, End, NodeKind},
    },
    clock::Clock,
    data_dir::{self, Beginning, DataDir},
    index::Index,
    ledger::{Ledger, Settings, View, read_only},
    outcome::Outcome,
    own,
};
use lineal_schemas::{
    digest::{EventDigest, sha256},
    dsse::Signed,
    key::SecretKey,
    timestamp::Timestamp,
};

const ORIGIN: &str = "ledger.example/test";
const SERVICE: &str = "service/wine/quality@eu-1/prod";

/// A clock that a test moves; both of its hands move alike.
#[derive(Debug)]
struct TestClock(AtomicI64);

impl TestClock {
    fn advance(&self, seconds: i64) {
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
struct Sender {
    key: SecretKey,
    source: String,
    sequence: u64,
    previous: Option<EventDigest>,
}

struct World {
    ledger: Option<Ledger>,
    clock: Arc<TestClock>,
    genesis: EventDigest,
    senders: BTreeMap<&'static str, Sender>,
    dir: tempfile::TempDir,
}

const SENDERS: [(&str, &str, &[&str]); 5] = [
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
            "record.corrected",
        ],
    ),
    ("trainer", "trainer", &["run.completed", "run.started", "model.registered", "record.corrected"]),
    ("evaluator", "evaluator", &["evaluation.started", "evaluation.completed", "record.corrected"]),
    ("deployer", "deployer", &["deployment.requested", "deployment.removed", "deployment.rolledback"]),
    ("observer", "observer", &["deployment.observed"]),
];

impl World {
    fn begin() -> Self {
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

    fn open(&mut self) {
        let settings = Settings { mirror: None, follow: true };
        self.ledger = Some(Ledger::open(&self.data_dir(), self.clock.clone(), settings).unwrap());
    }

    fn data_dir(&self) -> DataDir {
        DataDir::find(&self.path()).unwrap()
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("ledger")
    }

    fn enrol(&mut self, seed: u8, name: &'static str, role: &str, types: &[&str]) {
        let key = SecretKey::from_seed([seed; 32]).unwrap();
        let source = format!("https://{name}.example/pipeline");
        let names = ["dataset", "model", "job", "transform", "alias", "artifact", "service"];
        let names = names.map(|kind| format!("{kind}/**"));
        let data = serde_json::json!({
            "keyid": key.keyid().to_string(), "publicKey": key.public().to_pem(), "producer": format!("wine-{name}"),
            "sources": [source], "roles": [role], "types": types, "names": names,
        });
        let subject = format!("key/{}", key.keyid());
        self.send("root", "key.enrolled", &subject, &data.to_string());
        self.senders.insert(name, Sender { key, source, sequence: 0, previous: None });
    }

    /// Sends an event; `DIGEST(x)` in its data stands for the hex SHA-256 of `x`.
    fn send(&mut self, by: &str, name: &str, subject: &str, data: &str) -> u64 {
        let (index, _digest) = self.send_event(by, name, subject, data);
        index
    }

    fn send_event(&mut self, by: &str, name: &str, subject: &str, data: &str) -> (u64, EventDigest) {
        self.clock.advance(1);
        let sender = self.senders.get_mut(by).unwrap();
        sender.sequence += 1;
        let place = own::Place {
            source: &sender.source,
            sequence: sender.sequence,
            previous: sender.previous,
            ledger: Some(self.genesis),
            time: self.clock.wall(),
        };
        let event = own::event_bytes(&place, subject, name, &filled(data));
        let signed = Signed::sign(event, &[&sender.key]);
        let digest = signed.digest();
        sender.previous = Some(digest);
        let ledger = self.ledger.as_ref().unwrap();
        let outcome = ledger.submit_and_wait(vec![signed]).remove(0);
        ledger.wait_for_index();
        match outcome {
            Outcome::Committed { index } => (index, digest),
            other => panic!("{name} about {subject}: {other:?}"),
        }
    }

    fn view(&self) -> View {
        self.ledger.as_ref().unwrap().view.clone()
    }

    fn trace(&self, asked: &str) -> Trace {
        let trace = answers::trace(&self.view(), asked, self.clock.wall()).unwrap();
        let json = serde_json::to_string(&trace).unwrap();
        assert_eq!(serde_json::from_str::<Trace>(&json).unwrap(), trace, "the JSON holds all of it");
        assert_eq!(trace.to_text(Style::Plain).lines().next(), Some(trace.answer.as_str()), "line 1 is the answer");
        trace
    }

    fn running(&self) -> Running {
        let running = answers::running(&self.view(), None, self.clock.wall()).unwrap();
        let json = serde_json::to_string(&running).unwrap();
        assert_eq!(serde_json::from_str::<Running>(&json).unwrap(), running, "the JSON holds all of it");
        running
    }

    fn snapshot(&mut self, name: &str, content: &str, more: &str) -> u64 {
        let data = format!(r#"{{"dataset":{{"digest":{{"sha256":"DIGEST({content})"}}}},"name":"{name}"{more}}}"#);
        self.send("data", "dataset.snapshotted", name, &data)
    }

    fn train(&mut self, run: &str, data: &str, model: &str) -> (u64, EventDigest) {
        let data = format!(
            r#"{{"runId":"{run}","job":{{"namespace":"wine","name":"train","kind":"train"}},"outputs":[{{"digest":{{"sha256":"DIGEST({model})"}}}}],"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST({data})"}}}},"role":"training","basis":"observed"}}],"parameters":{{"depth":3}},"seeds":{{"rng":42}},"code":{{"artifact":{{"uri":"git+https://git.example/wine","digest":{{"gitCommit":"0123456789012345678901234567890123456789"}}}},"dirty":false}}}}"#
        );
        self.send_event("trainer", "run.completed", "job/wine/train", &data)
    }

    fn register(&mut self, name: &str, version: &str, model: &str, more: &str) -> u64 {
        let data = format!(
            r#"{{"model":{{"digest":{{"sha256":"DIGEST({model})"}}}},"name":"{name}","version":"{version}"{more}}}"#
        );
        self.send("trainer", "model.registered", name, &data)
    }

    fn observe(&mut self, service: &str, sets: &str, more: &str) -> u64 {
        let at = self.clock.wall();
        let data = format!(
            r#"{{"service":"{service}","servingSet":[{sets}],"observedAt":"{at}","observer":"probe-1","complete":true{more}}}"#
        );
        self.send("observer", "deployment.observed", service, &data)
    }

    /// Data, a run, a registration and an observation.
    fn deployed() -> Self {
        let mut world = Self::begin();
        world.snapshot("dataset/wine/red", "red", r#","version":"2026-11","stats":{"rowCount":1599}"#);
        world.train("run-1", "red", "weights-1");
        world.register("model/wine/quality", "1", "weights-1", "");
        world.observe(SERVICE, &serving("weights-1"), "");
        world
    }
}

fn filled(data: &str) -> String {
    let mut parts = data.split("DIGEST(");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (content, rest) = part.split_once(')').unwrap();
        text.push_str(&hash(content));
        text.push_str(rest);
    }
    text
}

fn hash(content: &str) -> String {
    hex::encode(sha256(content.as_bytes()))
}

fn serving(model: &str) -> String {
    format!(
        r#"{{"components":[{{"role":"model","artifact":{{"digest":{{"sha256":"DIGEST({model})"}}}},"binding":"pinned"}}]}}"#
    )
}

fn shared(share: &str, model: &str) -> String {
    serving(model).replacen('{', &format!(r#"{{"share":"{share}","#), 1)
}

fn kinds(trace: &Trace) -> Vec<NodeKind> {
    trace.nodes.iter().map(|node| node.kind).collect()
}

#[test]
fn a_running_model_is_traced_to_its_exact_snapshot() {
    let mut world = World::deployed();
    let evaluation = r#"{"evaluationId":"ev-1","model":{"digest":{"sha256":"DIGEST(weights-1)"}},"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(held-out)"}},"role":"test"}],"results":[{"metric":"accuracy","value":"0.914"},{"metric":"accuracy","value":"0.80","slice":{"colour":"red"}}]}"#;
    world.send("evaluator", "evaluation.completed", "model/wine/quality", evaluation);
    let trace = world.trace(SERVICE);
    assert_eq!(trace.verdict, Verdict::Complete);
    assert_eq!(trace.exit_code(), 0);
    assert_eq!(kinds(&trace), [NodeKind::Service, NodeKind::Model, NodeKind::Run, NodeKind::Dataset]);
    let data = &trace.nodes[3];
    assert_eq!(data.digests[0].value, hash("red"), "the digest that sha256sum prints");
    assert_eq!((data.name.as_deref(), data.end), (Some("dataset/wine/red"), Some(End::Snapshot)));
    assert_eq!(data.events[0].signers[0].producer.as_deref(), Some("wine-data"));
    let (short_model, short_data) = (&hash("weights-1")[..12], &hash("red")[..12]);
    assert_eq!(
        trace.answer,
        format!(
            "{SERVICE} runs model/wine/quality v1 sha256:{short_model}…, made from dataset/wine/red v2026-11 sha256:{short_data}… (complete, 4 events)"
        )
    );
    assert_eq!(trace.measurements.len(), 1);
    assert_eq!(trace.measurements[0].overall["accuracy"], "0.914");
    assert!(!trace.measurements[0].inputs[0].in_ancestry);
    let run = trace.nodes[2].run.as_ref().unwrap();
    assert_eq!(
        (run.job_kind.as_str(), run.dirty, run.unknown.as_slice()),
        ("train", Some(false), &["environment".to_owned()][..])
    );
    let text = trace.to_text(Style::Plain);
    for expected in
        ["└─ made by: job/wine/train run run-1", "training, observed", "seeds: rng=42", "1599 rows", "strong, declared"]
    {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    let size = world.view().index.stamp().unwrap().size;
    assert_eq!(text.lines().last(), Some(format!("as of tree size {size} of {ORIGIN}").as_str()));
}

#[test]
fn the_same_thing_is_found_under_every_name() {
    let mut world = World::deployed();
    world.send(
        "data",
        "alias.moved",
        "alias/wine/live",
        r#"{"alias":"alias/wine/live","to":{"digest":{"sha256":"DIGEST(weights-1)"}}}"#,
    );
    let model = hash("weights-1");
    let names = [
        "model/wine/quality".to_owned(),
        "model/wine/quality@1".to_owned(),
        "model/wine/quality@v1".to_owned(),
        "alias/wine/live".to_owned(),
        "wine/live".to_owned(),
        format!("sha256:{model}"),
        model[..8].to_owned(),
        format!("sha256:{}", &model[..9]),
    ];
    for name in names {
        let trace = world.trace(&name);
        assert_eq!(trace.nodes[0].digests[0].value, model, "{name}");
        assert_eq!(trace.verdict, Verdict::Complete, "{name}");
    }
    for name in ["service/wine/quality", "wine/quality@prod", "wine/quality@eu-1", "wine/quality@eu-1/prod"] {
        assert_eq!(world.trace(name).nodes[0].name.as_deref(), Some(SERVICE), "{name}");
    }
    let run = world.trace("job/wine/train");
    assert_eq!(run.nodes[0].kind, NodeKind::Run);
    let index = run.nodes[0].events[0].index;
    let digest = run.nodes[0].events[0].event.to_string();
    for name in [format!("#{index}"), digest[..10].to_owned(), digest] {
        assert_eq!(world.trace(&name).nodes, run.nodes, "{name}");
    }
    assert!(run.answer.starts_with("job/wine/train run run-1 used dataset/wine/red"), "{}", run.answer);
}

#[test]
fn data_made_of_data_leads_to_the_first_snapshot_and_its_source() {
    let mut world = World::begin();
    world.snapshot(
        "dataset/wine/raw",
        "raw",
        r#","sources":[{"name":"public archive","uri":"https://archive.example/wine"}]"#,
    );
    world.snapshot(
        "dataset/wine/clean",
        "clean",
        r#","derivedFrom":[{"digest":{"sha256":"DIGEST(raw)"}}],"transform":{"uri":"git+https://git.example/clean"}"#,
    );
    world.train("run-1", "clean", "weights-1");
    let trace = world.trace(&hash("weights-1"));
    assert_eq!(trace.verdict, Verdict::Boundary);
    assert_eq!(trace.exit_code(), 0);
    assert_eq!(trace.boundaries, ["public archive"]);
    assert!(trace.answer.contains("was made from dataset/wine/clean"), "{}", trace.answer);
    assert!(trace.answer.contains("which goes back to dataset/wine/raw"), "{}", trace.answer);
    let transform = trace.edges.iter().find(|edge| edge.relation == EdgeKind::Transform).unwrap();
    assert!(!transform.ancestry, "a transform is shown and not followed");
}

#[test]
fn a_missing_run_breaks_the_trace_and_is_named() {
    let mut world = World::begin();
    world.register("model/wine/quality", "1", "weights-1", "");
    world.observe(SERVICE, &serving("weights-1"), "");
    let trace = world.trace(SERVICE);
    assert_eq!(trace.verdict, Verdict::Broken);
    assert_eq!(trace.exit_code(), 1);
    assert_eq!(trace.missing.len(), 1);
    assert!(
        trace.missing[0].starts_with("no run.completed says what made model/wine/quality v1"),
        "{:?}",
        trace.missing
    );
    assert!(trace.to_text(Style::Plain).contains("MISSING no run.completed"));
}

#[test]
fn a_run_whose_data_nobody_described_is_broken_and_so_is_one_without_data() {
    let mut world = World::begin();
    world.train("run-1", "unseen", "weights-1");
    let trace = world.trace(&hash("weights-1"));
    assert!(trace.missing[0].starts_with("no dataset.snapshotted and no run describes"), "{:?}", trace.missing);
    let bare = r#"{"runId":"run-2","job":{"namespace":"wine","name":"train","kind":"train"},"outputs":[{"digest":{"sha256":"DIGEST(weights-2)"}}]}"#;
    world.send("trainer", "run.completed", "job/wine/train", bare);
    let trace = world.trace(&hash("weights-2"));
    assert_eq!(trace.missing, ["run run-2 names nothing that it used"]);
}

#[test]
fn a_vendors_model_ends_at_a_declared_boundary() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    world.register("model/vendor/base", "7", "base", r#","supplier":"Acme Models","external":true"#);
    let tuned = r#"{"runId":"run-1","job":{"namespace":"wine","name":"tune","kind":"finetune"},"outputs":[{"digest":{"sha256":"DIGEST(tuned)"}}],"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(base)"}},"role":"base-model"},{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"role":"training"}]}"#;
    world.send("trainer", "run.completed", "job/wine/tune", tuned);
    let trace = world.trace(&hash("tuned"));
    assert_eq!(trace.verdict, Verdict::Boundary);
    assert!(trace.boundaries[0].starts_with("model/vendor/base v7"), "{:?}", trace.boundaries);
    assert!(trace.answer.contains("ends at a declared boundary: model/vendor/base v7"), "{}", trace.answer);
    assert!(trace.to_text(Style::Plain).contains("supplied by Acme Models"));
}

#[test]
fn a_circle_in_declared_lineage_is_finite_and_reported() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/a", "a", r#","derivedFrom":[{"digest":{"sha256":"DIGEST(b)"}}]"#);
    world.snapshot("dataset/wine/b", "b", r#","derivedFrom":[{"digest":{"sha256":"DIGEST(a)"}}]"#);
    let trace = world.trace("dataset/wine/a");
    assert_eq!((trace.verdict, trace.nodes.len()), (Verdict::Broken, 2));
    assert_eq!(trace.cycles, [vec![0, 1]]);
    assert!(trace.missing[0].contains("goes in a circle: dataset/wine/a"), "{:?}", trace.missing);
    assert!(trace.to_text(Style::Plain).contains("(closes a circle)"));
}

#[test]
fn a_weak_digest_never_joins() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    let weak = r#"{"dataset":{"digest":{"sha256":"DIGEST(other)","md5":"abc123"}},"name":"dataset/wine/other"}"#;
    world.send("data", "dataset.snapshotted", "dataset/wine/other", weak);
    let run = r#"{"runId":"run-1","job":{"namespace":"wine","name":"train","kind":"train"},"outputs":[{"digest":{"sha256":"DIGEST(weights-1)"}}],"inputs":[{"artifact":{"digest":{"md5":"abc123"}},"role":"training"},{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"role":"training"}]}"#;
    world.send("trainer", "run.completed", "job/wine/train", run);
    let trace = world.trace(&hash("weights-1"));
    assert_eq!(trace.verdict, Verdict::Broken);
    assert!(trace.nodes.iter().all(|node| node.name.as_deref() != Some("dataset/wine/other")));
    assert!(trace.missing[0].contains("no strong digest (weak)"), "{:?}", trace.missing);
    assert!(trace.to_text(Style::Plain).contains("md5:abc123 (weak)"));
}

#[test]
fn equated_digests_and_digests_of_one_event_join() {
    let mut world = World::deployed();
    let equated = r#"{"a":{"digest":{"sha256":"DIGEST(image-manifest)"}},"b":{"digest":{"sha256":"DIGEST(unpacked)"}},"method":"oci-unpacked"}"#;
    world.send("data", "artifact.equated", "artifact/wine/quality", equated);
    let two = r#"{"a":{"digest":{"sha256":"DIGEST(unpacked)","dirHash":"DIGEST(tree)"}},"b":{"digest":{"sha256":"DIGEST(weights-1)"}},"method":"copied"}"#;
    world.send("data", "artifact.equated", "artifact/wine/quality", two);
    let other = "service/wine/quality@eu-2/prod";
    world.observe(other, &serving("image-manifest"), "");
    let trace = world.trace(other);
    assert_eq!(trace.verdict, Verdict::Complete);
    let model = &trace.nodes[1];
    assert_eq!(model.name.as_deref(), Some("model/wine/quality"));
    assert_eq!(model.digests[0].value, hash("image-manifest"), "the digest that was observed comes first");
    assert_eq!(model.digests.len(), 4);
    assert_eq!(world.trace(&format!("dirHash:{}", hash("tree"))).nodes[0].digests.len(), 4);
}

#[test]
fn a_correction_by_somebody_who_may_replaces_what_was_said() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    let (_index, wrong) = world.train("run-1", "wrong", "weights-1");
    assert_eq!(world.trace(&hash("weights-1")).verdict, Verdict::Broken);
    let right = r#"{"runId":"run-1","job":{"namespace":"wine","name":"train","kind":"train"},"outputs":[{"digest":{"sha256":"DIGEST(weights-1)"}}],"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"role":"training"}]}"#;
    let correction = format!(r#"{{"corrects":"{wrong}","data":{right}}}"#);
    // The evaluator may speak of this subject, but not say that a run completed.
    world.send("evaluator", "record.corrected", "job/wine/train", &correction);
    assert_eq!(world.trace(&hash("weights-1")).verdict, Verdict::Broken);
    let by = world.send("trainer", "record.corrected", "job/wine/train", &correction);
    let trace = world.trace(&hash("weights-1"));
    assert_eq!(trace.verdict, Verdict::Complete, "{}", trace.answer);
    assert_eq!(trace.nodes[1].events[0].corrected_by, Some(by));
}

#[test]
fn a_name_that_moved_is_said_to_have_moved() {
    let mut world = World::deployed();
    world.train("run-2", "red", "weights-2");
    world.register("model/wine/quality", "2", "weights-2", "");
    let trace = world.trace("model/wine/quality");
    assert_eq!(trace.nodes[0].digests[0].value, hash("weights-2"));
    assert!(trace.warnings[0].contains("has named 2 different digests"), "{:?}", trace.warnings);
    assert_eq!(world.trace("model/wine/quality@1").nodes[0].digests[0].value, hash("weights-1"));
}

#[test]
fn an_unknown_name_comes_with_near_ones_and_an_ambiguous_one_with_all() {
    let mut world = World::deployed();
    let now = world.clock.wall();
    let error = answers::trace(&world.view(), "model/wine/qualty", now).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("unknown-name", 2));
    assert_eq!(error.hints()[0], "did you mean `model/wine/quality`?");
    world.observe("service/wine/quality@eu-2/prod", &serving("weights-1"), "");
    let AnswerError::Ambiguous { found, .. } = answers::trace(&world.view(), "service/wine/quality", now).unwrap_err()
    else {
        panic!("not ambiguous")
    };
    assert_eq!(found.len(), 2);
    for (asked, code) in [
        ("#4711", "no-such-entry"),
        ("sha256:ab", "prefix-too-short"),
        ("#0", "not-traceable"),
        ("00000000", "unknown-name"),
    ] {
        assert_eq!(answers::trace(&world.view(), asked, now).unwrap_err().code(), code, "{asked}");
    }
}

#[test]
fn a_file_in_hand_is_asked_for_by_its_digest() {
    let world = World::deployed();
    let file = world.dir.path().join("model.bin");
    std::fs::write(&file, "weights-1").unwrap();
    let asked = answers::in_hand(file.to_str().unwrap()).unwrap().unwrap();
    assert_eq!(world.trace(&asked).nodes[0].name.as_deref(), Some("model/wine/quality"));
    assert_eq!(answers::in_hand(world.dir.path().to_str().unwrap()).unwrap_err().code(), "folder-in-hand");
    assert_eq!(answers::in_hand("model/wine/quality").unwrap(), None);
}

#[test]
fn two_services_and_a_canary_are_told_apart() {
    let mut world = World::deployed();
    world.train("run-2", "red", "weights-2");
    world.clock.advance(600);
    let both = format!("{},{}", shared("0.90", "weights-1"), shared("0.10", "weights-2"));
    world.observe(SERVICE, &both, "");
    world.observe("service/wine/other@eu-1/stage", &serving("weights-2"), "");
    let running = world.running();
    assert_eq!((running.services.len(), running.exit_code()), (2, 0));
    let canary = running.services.iter().find(|service| service.service == SERVICE).unwrap();
    let (old, new) = (&canary.serving_sets[0], &canary.serving_sets[1]);
    assert_eq!((old.share.as_deref(), new.share.as_deref()), (Some("0.90"), Some("0.10")));
    assert!(old.since < new.since, "the old set has run on");
    assert_eq!(canary.since, new.since);
    assert_eq!(old.components[0].name.as_deref(), Some("model/wine/quality"));
    let only = answers::running(&world.view(), Some("stage"), world.clock.wall()).unwrap();
    assert_eq!(only.services.len(), 1);
    let trace = world.trace(SERVICE);
    assert!(trace.answer.contains("(share 0.90)") && trace.answer.contains("(share 0.10)"), "{}", trace.answer);
    assert_eq!(trace.verdict, Verdict::Complete);
}

#[test]
fn a_silent_observer_makes_its_service_unknown() {
    let mut world = World::deployed();
    world.observe(SERVICE, &serving("weights-1"), r#","nextWithinSeconds":60"#);
    let running = world.running();
    assert_eq!((running.services[0].status, running.exit_code()), (Status::Running, 0));
    world.clock.advance(62);
    let running = world.running();
    assert_eq!((running.services[0].status, running.exit_code()), (Status::Unknown, 2));
    let due = Timestamp::from_millis(running.services[0].last_observed.as_millis() + 60_000);
    assert_eq!(running.services[0].unknown_since, Some(due));
    assert!(running.answer.contains(&format!("UNKNOWN since {due}; last seen")), "{}", running.answer);
    assert!(world.trace(SERVICE).answer.contains("is UNKNOWN since"));
}

#[test]
fn what_was_asked_for_never_runs_by_that() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    world.train("run-1", "red", "weights-1");
    let ask = |model: &str| format!(r#"{{"service":"{SERVICE}","servingSet":[{}],"door":"argo-cd"}}"#, serving(model));
    world.send("deployer", "deployment.requested", SERVICE, &ask("weights-1"));
    assert_eq!(world.running().exit_code(), 1);
    let trace = world.trace(SERVICE);
    assert_eq!(trace.verdict, Verdict::Broken);
    assert!(trace.answer.contains("was never observed"), "{}", trace.answer);
    world.observe(SERVICE, &serving("weights-1"), "");
    let requested = world.running().services[0].requested.clone().unwrap();
    assert_eq!((requested.standing, requested.door.as_deref()), (true, Some("argo-cd")));
    world.send("deployer", "deployment.requested", SERVICE, &ask("weights-2"));
    assert!(!world.running().services[0].requested.as_ref().unwrap().standing);
    world.observe(SERVICE, &serving("weights-3"), "");
    assert_eq!(world.running().services[0].requested, None);
    assert!(world.running().answer.contains("NEVER REQUESTED"));
}

#[test]
fn a_removed_service_does_not_run_and_late_observations_change_nothing() {
    let mut world = World::deployed();
    let since = world.running().services[0].since;
    world.clock.advance(3600);
    world.observe(SERVICE, &serving("weights-1"), "");
    assert_eq!(world.running().services[0].since, since, "the same set runs on");
    // It arrives late: it was seen before the last one, and saw something else.
    let at = Timestamp::from_millis(since.as_millis() + 1000);
    let late = format!(
        r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{at}","observer":"probe-2","complete":true}}"#,
        serving("weights-0")
    );
    world.send("observer", "deployment.observed", SERVICE, &late);
    let running = world.running();
    assert_eq!(running.services[0].serving_sets[0].components[0].digests[0].value, hash("weights-1"));
    assert!(running.services[0].since > at, "something else ran between");
    world.send("deployer", "deployment.removed", SERVICE, &format!(r#"{{"service":"{SERVICE}"}}"#));
    let running = world.running();
    assert_eq!((running.services.len(), running.ended.len(), running.exit_code()), (0, 1, 1));
    assert!(world.trace(SERVICE).answer.contains("runs nothing since"));
}

#[test]
fn a_compromised_key_is_said_wherever_an_answer_rests_on_it() {
    let mut world = World::deployed();
    let keyid = world.senders["data"].key.keyid();
    let since = Timestamp::from_millis(world.clock.wall().as_millis() - 3_600_000);
    let revoked = format!(r#"{{"keyid":"{keyid}","reason":"compromised","compromisedSince":"{since}"}}"#);
    world.send("root", "key.revoked", &format!("key/{keyid}"), &revoked);
    let trace = world.trace(SERVICE);
    assert_eq!(trace.verdict, Verdict::Complete, "what was admitted stays");
    assert!(trace.warnings[0].contains("(wine-data), revoked since: compromised"), "{:?}", trace.warnings);
    assert!(trace.to_text(Style::Plain).contains("COMPROMISED when it signed"));
}

#[test]
fn bytes_that_are_gone_are_said_to_be_gone() {
    let mut world = World::deployed();
    let at = r#"{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"uri":"s3://bucket/red.csv"}"#;
    world.send("data", "artifact.destroyed", "artifact/wine/red", &at.replace("}\"}", "}\"}"));
    let trace = world.trace("dataset/wine/red");
    assert_eq!(trace.verdict, Verdict::Complete);
    assert!(trace.nodes[0].notes[0].starts_with("its bytes are gone from s3://bucket/red.csv"));
    world.send("data", "artifact.located", "artifact/wine/red", at);
    assert!(world.trace("dataset/wine/red").nodes[0].notes.is_empty());
}

#[test]
fn a_limit_of_nodes_is_said_when_it_is_hit() {
    let world = World::deployed();
    let trace = answers::trace_within(&world.view(), SERVICE, world.clock.wall(), 2).unwrap();
    assert!(trace.truncated);
    assert_eq!(trace.verdict, Verdict::Broken);
    assert!(trace.missing[0].starts_with("the limit of 2 nodes"), "{:?}", trace.missing);
}

#[test]
fn a_long_chain_is_walked_and_printed_without_recursion() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/day-0", "0", "");
    for day in 1..300 {
        let from = format!(r#","derivedFrom":[{{"digest":{{"sha256":"DIGEST({})"}}}}]"#, day - 1);
        world.snapshot(&format!("dataset/wine/day-{day}"), &day.to_string(), &from);
    }
    let trace = world.trace("dataset/wine/day-299");
    assert_eq!((trace.nodes.len(), trace.snapshots.as_slice()), (300, &[299][..]));
    assert!(trace.answer.contains("which goes back to dataset/wine/day-0"), "{}", trace.answer);
}

#[test]
fn an_entry_is_given_whole_and_in_a_line() {
    let world = World::deployed();
    let view = world.view();
    let index = world.trace("dataset/wine/red").nodes[0].events[0].index;
    let entry = answers::get(&view, &index.to_string()).unwrap();
    let body = entry.body.as_ref().unwrap().as_str();
    assert_eq!(EventDigest::of(body.as_bytes()), entry.event, "the bytes that were signed");
    assert_eq!(entry.signers[0].producer.as_deref(), Some("wine-data"));
    lineal_schemas::receipt::Receipt::parse(&entry.receipt).unwrap();
    let json = serde_json::to_string(&entry).unwrap();
    assert_eq!(serde_json::from_str::<answers::EntryAnswer>(&json).unwrap(), entry);
    let id = serde_json::from_str::<serde_json::Value>(body).unwrap()["id"].as_str().unwrap().to_owned();
    for asked in [format!("#{index}"), id, entry.event.to_string(), entry.event.to_string()[..9].to_owned()] {
        assert_eq!(answers::get(&view, &asked).unwrap().index, index, "{asked}");
    }
    assert_eq!(answers::get(&view, "4711").unwrap_err().code(), "no-such-entry");
    let line = answers::log_line(&view.registry(), &view.record.get(index).unwrap()).unwrap();
    let digest = &entry.event.to_string()[..12];
    let (received, subject) = (entry.received, "dataset/wine/red");
    assert_eq!(line.to_string(), format!("#{index}  {received}  wine-data  dataset.snapshotted  {subject}  {digest}…"));
    let genesis = answers::log_line(&view.registry(), &view.record.get(0).unwrap()).unwrap();
    assert_eq!(genesis.producers, ["root"]);
}

fn fingerprint(index: &Index) -> [u8; 32] {
    index.fingerprint().unwrap()
}

fn remove_index(path: &Path) {
    std::fs::remove_dir_all(path.join("derived/index")).unwrap();
}

#[test]
fn an_index_made_again_is_the_live_one() {
    let mut world = World::deployed();
    let live = fingerprint(&world.view().index);
    let now = world.clock.wall();
    let (trace, running) = (world.trace(SERVICE), world.running());
    let read = read_only(&world.data_dir()).unwrap();
    assert_eq!(fingerprint(&read.index), live, "read beside the writer");
    assert_eq!(answers::trace(&read, SERVICE, now).unwrap(), trace);
    assert_eq!(answers::running(&read, None, now).unwrap(), running);
    world.ledger.take().unwrap().close();
    world.open();
    assert_eq!(fingerprint(&world.view().index), live, "opened again");
    world.ledger.take().unwrap().close();
    remove_index(&world.path());
    world.open();
    world.ledger.as_ref().unwrap().wait_for_index();
    assert_eq!(fingerprint(&world.view().index), live, "made again from the record");
    assert_eq!(world.trace(SERVICE), trace);
}

#[test]
fn zz_print() {
    let mut world = World::deployed();
    let evaluation = r#"{"evaluationId":"ev-1","model":{"digest":{"sha256":"DIGEST(weights-1)"}},"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"role":"test"}],"results":[{"metric":"accuracy","value":"0.914"}]}"#;
    world.send("evaluator", "evaluation.completed", "model/wine/quality", evaluation);
    let both = format!("{},{}", shared("0.90", "weights-1"), shared("0.10", "weights-2"));
    world.clock.advance(700);
    world.observe(SERVICE, &both, "");
    println!("{}", world.trace(SERVICE).to_text(Style::Plain));
    println!("{}", world.running().to_text(Style::Plain));
    println!("{}", serde_json::to_string_pretty(&world.trace(SERVICE)).unwrap());
    println!("{}", answers::get(&world.view(), "6").unwrap().to_text());
}
