//! The synthetic history as a ledger has it: signed events, taken in by a real ledger.
//!
//! Besides the runs and snapshots there are every day ten registrations of fine-tunes, which somebody else measures under policies
//! of ten services; these are seen to run them; and as long as the hot snapshot is used one service that runs a model of it. One more
//! service, [`quiet`], runs the same model all the time and is looked at every two hours. What somebody decided and approved is on
//! the record of each. The ledger's clock goes with the history, so that nothing in it is late.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
};

use lineal_ledger::{
    clock::Clock,
    data_dir::{self, Beginning, DataDir},
    ledger::{Ledger, Settings},
    outcome::Outcome,
    own,
};
use lineal_schemas::{
    digest::{EventDigest, sha256},
    dsse::Signed,
    key::SecretKey,
    timestamp::Timestamp,
};

use serde_json::json;

use super::{Artifact, DATA_LEVELS, DATA_RUNS, Kind, RUNS_A_DAY, Run, Shape, Use};
use crate::signing::key;

/// The first day: 2024-01-01.
const BEGIN_MS: i64 = 1_704_067_200_000;

const DAY_MS: i64 = 86_400_000;

/// Registrations and observations a day.
const SERVED: u64 = 10;

/// The hex SHA-256 of an artifact.
pub fn digest(artifact: Artifact) -> String {
    EventDigest::from_bytes(sha256(format!("artifact {artifact}").as_bytes())).to_string()
}

/// When a day begins.
pub fn day(number: u64) -> Timestamp {
    Timestamp::from_millis(BEGIN_MS + i64::try_from(number).expect("few days") * DAY_MS)
}

/// A service that runs fine-tunes.
pub fn service(line: u64) -> String {
    format!("service/history/line-{}@eu-1/prod", line % SERVED)
}

/// A service that has run the same model since the first day: [`registered`] of day 0, line 0.
pub fn quiet() -> String {
    "service/history/quiet@eu-1/prod".to_owned()
}

/// How often a day it is looked at, and asked about.
const LOOKS: u64 = 12;

/// A clock that goes with the history.
#[derive(Debug)]
struct HistoryClock(AtomicI64);

impl Clock for HistoryClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }
}

/// A ledger in `folder` that has all of the history; tells `progress` each finished day.
pub fn fill(folder: &Path, shape: Shape, progress: &mut dyn FnMut(u64)) -> Ledger {
    let clock = Arc::new(HistoryClock(AtomicI64::new(BEGIN_MS)));
    let root = key(2);
    let beginning = Beginning {
        dir: &folder.join(DIR),
        origin: "history.example/ledger",
        roots: &[SecretKey::from_seed([2; 32]).expect("any 32 bytes are a seed")],
        threshold: 1,
        key: &key(3),
        now: clock.wall(),
    };
    let genesis = data_dir::init(&beginning).expect("the folder is new").genesis();
    let ledger = open(folder, clock.clone());
    let mut root = Teller::new(root, genesis, |key| format!("lineal://history.example/ledger/root/{}", key.keyid()));
    let mut company = Teller::new(key(1), genesis, |_key| "https://history.example/all".to_owned());
    let mut judges = Teller::new(key(4), genesis, |_key| "https://history.example/judges".to_owned());
    root.enrol(&company.key, "history", &["data", "trainer", "observer"], COMPANY);
    root.enrol(&judges.key, "judges", &["data", "evaluator", "approver"], JUDGES);
    root.send(&ledger);
    judges.prepare();
    judges.send(&ledger);
    for number in 0..shape.days() {
        clock.0.store(day(number + 1).as_millis(), Ordering::SeqCst);
        company.tell(shape, number);
        company.send(&ledger);
        judges.measure(shape, number);
        judges.send(&ledger);
        progress(number);
    }
    ledger.wait_for_index();
    ledger
}

/// A model that was registered on a day, and measured, and has served since that evening.
pub fn registered(shape: Shape, number: u64, line: u64) -> Artifact {
    shape.run(number, RUNS_A_DAY - 1 - line % SERVED).output
}

/// The policy of a service.
pub fn policy(service: &str) -> String {
    let name = service.split('@').next().unwrap_or(service);
    format!("{}-prod", name.replacen("service/", "policy/", 1))
}

/// A fresh entry at the end of a record that ended long ago: nothing is decided over one that does not go on.
pub fn go_on(folder: &Path, clock: Arc<dyn Clock>) {
    let dir = DataDir::find(&folder.join(DIR)).expect("a ledger is there");
    let (now, genesis) = (clock.wall(), dir.trust().expect("it has a trust file").genesis());
    let ledger = open(folder, clock);
    let mut company = Teller::new(key(1), genesis, |_key| format!("https://history.example/at/{}", now.as_millis()));
    let data = json!({"dataset": {"digest": {"sha256": digest(Artifact::MAX - 1)}}, "name": "dataset/history/last"});
    company.say(now, "dataset.snapshotted", "dataset/history/last", &data.to_string());
    company.send(&ledger);
}

/// What the company's key may say.
const COMPANY: &[&str] = &["dataset.snapshotted", "run.completed", "model.registered", "deployment.observed"];

/// What the key of those who measure may say.
const JUDGES: &[&str] = &[
    "dataset.snapshotted",
    "policy.registered",
    "evaluation.started",
    "evaluation.completed",
    "approval.granted",
    "gate.decided",
];

/// What all models are measured on.
const HELD_OUT: &str = "dataset/history/held-out";

/// The data directory within the folder.
pub const DIR: &str = "ledger";

/// Opens the ledger in a folder that [`fill`] made.
pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Ledger {
    let dir = DataDir::find(&folder.join(DIR)).expect("a ledger is there");
    Ledger::open(&dir, clock, Settings { mirror: None, follow: true }).expect("it opens")
}

/// Who says what happened, one event after another.
struct Teller {
    key: Arc<SecretKey>,
    genesis: EventDigest,
    source: String,
    sequence: u64,
    previous: Option<EventDigest>,
    waiting: Vec<Vec<u8>>,
}

impl Teller {
    fn new(key: Arc<SecretKey>, genesis: EventDigest, source: impl FnOnce(&SecretKey) -> String) -> Self {
        let source = source(&key);
        Self { key, genesis, source, sequence: 0, previous: None, waiting: Vec::new() }
    }

    fn say(&mut self, time: Timestamp, name: &str, subject: &str, data: &str) {
        self.sequence += 1;
        let place = own::Place {
            source: &self.source,
            sequence: self.sequence,
            previous: self.previous,
            ledger: Some(self.genesis),
            time,
        };
        let event = own::event_bytes(&place, subject, name, data);
        self.previous = Some(EventDigest::of(&event));
        self.waiting.push(event);
    }

    fn enrol(&mut self, key: &SecretKey, producer: &str, roles: &[&str], types: &[&str]) {
        let data = json!({
            "keyid": key.keyid().to_string(),
            "publicKey": key.public().to_pem(),
            "producer": producer,
            "sources": ["https://history.example/**"],
            "roles": roles,
            "types": types,
            "names": ["dataset/**", "model/**", "job/**", "service/**", "policy/**"],
        });
        self.say(day(0), "key.enrolled", &format!("key/{}", key.keyid()), &data.to_string());
    }

    /// The policies, and what is measured on, before anything is.
    fn prepare(&mut self) {
        let data = json!({"dataset": held_out(), "name": HELD_OUT, "version": "1"});
        self.say(day(0), "dataset.snapshotted", HELD_OUT, &data.to_string());
        for service in (0..SERVED).map(service).chain([quiet()]) {
            let name = policy(&service);
            let applies = service.split('@').next().unwrap_or_default();
            let text = format!(
                r#"schema = 1
name = "{name}"
applies = {{ service = "{applies}", environment = "prod" }}

[lineage]
reach = ["dataset.snapshotted"]
unknown_inputs = 0
[evaluation]
data = ["{HELD_OUT}"]
disjoint_from_training = true
independent_signer = true
announced = true
registered_before = true
[incumbent]
from = "deployment.observed"
absent = "note"

[[metric]]
name = "auc"
better = "higher"
min = "0.90"
max_drop = "0.10"
"#
            );
            self.say(day(0), "policy.registered", &name, &json!({"policy": name, "text": text}).to_string());
        }
    }

    /// The measurements of what a day's fine-tunes made.
    fn measure(&mut self, shape: Shape, number: u64) {
        for line in 0..SERVED {
            let model = registered(shape, number, line);
            let name = format!("model/history/line-{line}");
            let mut data = json!({
                "evaluationId": format!("release-{line}-{number}"),
                "model": {"digest": {"sha256": digest(model)}},
                "inputs": [{"artifact": held_out(), "role": "evaluation"}],
                "harness": {"name": "evalkit", "version": "2.1"},
            });
            self.say(moment(number, RUNS_A_DAY), "evaluation.started", &name, &data.to_string());
            data["results"] =
                json!([{"metric": "auc", "value": format!("0.9{}", 10 + model % 80), "sampleSize": 10_000}]);
            self.say(moment(number, RUNS_A_DAY), "evaluation.completed", &name, &data.to_string());
            let model = digest(model);
            let approved =
                json!({"service": service(line), "artifact": {"digest": {"sha256": model}}, "role": "release"});
            self.say(moment(number, RUNS_A_DAY), "approval.granted", &service(line), &approved.to_string());
            for verdict in ["deny", "allow"] {
                self.decide(moment(number, RUNS_A_DAY), &service(line), &model, verdict);
            }
        }
        let model = digest(registered(shape, 0, 0));
        for look in 0..LOOKS {
            self.decide(moment(number, RUNS_A_DAY + look), &quiet(), &model, "allow");
        }
    }

    /// A decision that somebody says a gate took.
    fn decide(&mut self, at: Timestamp, service: &str, model: &str, verdict: &str) {
        let data = json!({
            "service": service,
            "servingSet": [{"components": [{"role": "model", "artifact": {"digest": {"sha256": model}}}]}],
            "verdict": verdict,
            "treeSize": 1,
            "judgedAt": at.to_string(),
            "document": model,
        });
        self.say(at, "gate.decided", service, &data.to_string());
    }

    /// All that happened on a day.
    fn tell(&mut self, shape: Shape, number: u64) {
        for (line, snapshot) in Shape::snapshots(number).enumerate() {
            let name = format!("dataset/history/raw-{line}");
            let data = json!({
                "dataset": {"name": name, "uri": format!("s3://lake/raw/{line}/{number}"), "digest": {"sha256": digest(snapshot)}},
                "name": name,
                "version": number.to_string(),
                "stats": {"rowCount": 100_000 + snapshot},
            });
            self.say(moment(number, 0), "dataset.snapshotted", &name, &data.to_string());
        }
        for run in shape.runs_of(number) {
            let time = moment(number, 1 + run.number % RUNS_A_DAY);
            self.say(time, "run.completed", &format!("job/history/{}", run.job), &run_data(&run));
        }
        let evening = RUNS_A_DAY + 1;
        for line in 0..SERVED {
            let model = digest(registered(shape, number, line));
            let name = format!("model/history/line-{line}");
            let data = json!({"model": {"digest": {"sha256": model}}, "name": name, "version": number.to_string()});
            self.say(moment(number, evening), "model.registered", &name, &data.to_string());
            self.observe(moment(number, evening), &service(line), &model);
        }
        if shape.is_hot(number, 0) {
            let model = digest(shape.run(number, DATA_LEVELS * DATA_RUNS).output);
            self.observe(moment(number, evening), &format!("service/history/hot-{number}@eu-1/prod"), &model);
        }
        let model = digest(registered(shape, 0, 0));
        for look in 0..LOOKS {
            self.observe(moment(number, evening + look * 80), &quiet(), &model);
        }
    }

    fn observe(&mut self, at: Timestamp, service: &str, model: &str) {
        let data = json!({
            "service": service,
            "servingSet": [{"share": "1", "instances": 3, "components": [{"role": "model", "artifact": {"digest": {"sha256": model}}, "binding": "pinned"}]}],
            "observedAt": at.to_string(),
            "observer": "history",
            "complete": true,
        });
        self.say(at, "deployment.observed", service, &data.to_string());
    }

    /// Signs all that waits, on all cores, and sends it.
    fn send(&mut self, ledger: &Ledger) {
        let waiting = std::mem::take(&mut self.waiting);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let key = &*self.key;
        let signed: Vec<Signed> = thread::scope(|scope| {
            let parts = waiting.chunks(waiting.len().div_ceil(cores).max(1));
            let parts = parts.map(|part| {
                scope.spawn(move || part.iter().map(|event| Signed::sign(event.clone(), &[key])).collect::<Vec<_>>())
            });
            let parts: Vec<_> = parts.collect();
            parts.into_iter().flat_map(|part| part.join().expect("signing does not fail")).collect()
        });
        let outcomes = ledger.submit_and_wait(signed);
        for outcome in outcomes {
            assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}");
        }
    }
}

fn held_out() -> serde_json::Value {
    json!({"name": HELD_OUT, "digest": {"sha256": digest(Artifact::MAX)}})
}

/// A moment of a day: so many steps after it began.
fn moment(number: u64, step: u64) -> Timestamp {
    let step = i64::try_from(step).expect("few steps");
    Timestamp::from_millis(day(number).as_millis() + step * (DAY_MS / 2000))
}

/// What a run says, as a tool would that looks at its own process.
fn run_data(run: &Run) -> String {
    let kind = match run.kind {
        Kind::Transform => "transform",
        Kind::Train => "train",
        Kind::Finetune => "finetune",
    };
    let inputs: Vec<_> = run
        .inputs
        .iter()
        .map(|(input, used)| {
            let role = match used {
                Use::Data => "training",
                Use::BaseModel => "base-model",
            };
            json!({"artifact": {"digest": {"sha256": digest(*input)}}, "role": role, "basis": "observed"})
        })
        .collect();
    json!({
        "runId": format!("run-{}", run.number),
        "job": {"namespace": "history", "name": run.job, "kind": kind},
        "outputs": [{"uri": format!("s3://lake/made/{}", run.output), "digest": {"sha256": digest(run.output)}}],
        "inputs": inputs,
        "parameters": {"learningRate": "0.001", "depth": 6, "epochs": 10},
        "seeds": {"numpy": run.number, "torch": 42},
        "code": {
            "artifact": {
                "uri": "git+https://git.example/history/pipelines",
                "digest": {"gitCommit": &digest(run.day)[..40]},
            },
            "dirty": false,
        },
    })
    .to_string()
}
