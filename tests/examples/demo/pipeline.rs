//! The pipeline that the demo plays: five producers, each with a key of its own, and what each of them says.
//!
//! Every event is made, signed and sent by `lineal-emit`, under the key of the producer that it is about. All options of
//! the programs that the demo relies on are spelled here and in `programs.rs`, once.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::{
    programs::{Call, Programs},
    road::Nats,
};

/// The name of the ledger.
pub(crate) const ORIGIN: &str = "wine.example/demo";
/// What is deployed, where.
pub(crate) const SERVICE: &str = "service/wine/quality@eu-1/prod";
/// What all randomness in the demo comes from.
pub(crate) const SEED: u64 = 7;

const TRAINING: &str = "dataset/wine/quality";
const HOLDOUT: &str = "dataset/wine/holdout";
const MODEL: &str = "model/wine/quality";

/// Somebody with a key, and what that key may say.
pub(crate) struct Producer {
    /// Its name in the registry, and the name of its key file.
    pub(crate) name: &'static str,
    role: &'static str,
    /// What its events may be about.
    scopes: &'static [&'static str],
}

const DATA_TEAM: Producer = Producer { name: "data-team", role: "data", scopes: &["dataset/wine/**"] };
const TRAINER: Producer = Producer { name: "trainer", role: "trainer", scopes: &["job/wine/**"] };
const EVALUATOR: Producer = Producer { name: "evaluator", role: "evaluator", scopes: &["model/wine/**"] };
const DEPLOYER: Producer = Producer { name: "deployer", role: "deployer", scopes: &["service/wine/**"] };
const OBSERVER: Producer = Producer { name: "observer", role: "observer", scopes: &["service/wine/**"] };

/// Everybody who has something to say.
pub(crate) const PRODUCERS: [Producer; 5] = [DATA_TEAM, TRAINER, EVALUATOR, DEPLOYER, OBSERVER];

/// The folders of the demo.
pub(crate) struct Places {
    /// The ledger's data directory.
    pub(crate) ledger: PathBuf,
    /// A copy of it, to be tampered with.
    pub(crate) copy: PathBuf,
    pub(crate) keys: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) models: PathBuf,
    pub(crate) outboxes: PathBuf,
    /// The NATS server's configuration, its users' seeds and its store.
    pub(crate) nats: PathBuf,
    /// What `lineal serve` printed.
    pub(crate) log: PathBuf,
}

impl Places {
    /// Their paths under the directory of the demo.
    pub(crate) fn under(dir: &Path) -> Self {
        Self {
            ledger: dir.join("ledger"),
            copy: dir.join("tampered-copy"),
            keys: dir.join("keys"),
            data: dir.join("data"),
            models: dir.join("models"),
            outboxes: dir.join("outboxes"),
            nats: dir.join("nats"),
            log: dir.join("serve.log"),
        }
    }

    /// The key that enrols the others. It stays outside the data directory.
    pub(crate) fn root_key(&self) -> PathBuf {
        self.keys.join("root.pem")
    }

    /// What an auditor is given.
    pub(crate) fn trust(&self) -> PathBuf {
        self.ledger.join("ledger.trust")
    }

    fn key(&self, producer: &Producer) -> PathBuf {
        self.keys.join(producer.name).with_extension("pem")
    }
}

/// One version of the model: its number, what it learns from, and the files that it leaves.
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) snapshot: PathBuf,
    pub(crate) model: PathBuf,
    pub(crate) results: PathBuf,
}

impl Version {
    /// The files of version `number`.
    pub(crate) fn new(number: u64, places: &Places) -> Self {
        Self {
            number,
            snapshot: places.data.join(format!("training-{number}.csv")),
            model: places.models.join(format!("model-{number}.json")),
            results: places.models.join(format!("results-{number}.json")),
        }
    }
}

/// Makes a ledger with a root key of its own.
pub(crate) fn init(programs: &Programs, places: &Places) -> Result<()> {
    let init = programs.lineal("init").with("--dir", &places.ledger).with("--origin", ORIGIN);
    init.with("--root-key", places.root_key()).succeed().map(drop)
}

/// Makes a producer's key, and lets the root enrol it for its role and scopes.
pub(crate) fn enrol(programs: &Programs, places: &Places, producer: &Producer) -> Result<()> {
    let key = places.key(producer);
    programs.emit("keygen").args([&key]).succeed()?;
    let mut enroll = programs
        .lineal("enroll")
        .with("--dir", &places.ledger)
        .with("--root-key", places.root_key())
        .with("--key", key.with_extension("pub"))
        .with("--producer", producer.name)
        .with("--source", format!("{}/**", source(producer)))
        .with("--role", producer.role);
    for scope in producer.scopes {
        enroll = enroll.with("--name", scope);
    }
    enroll.succeed().map(drop)
}

/// What a producer's sources begin with.
fn source(producer: &Producer) -> String {
    format!("https://wine.example/{}", producer.name)
}

/// The producers at work, against a ledger that serves.
pub(crate) struct Pipeline<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) places: &'a Places,
    /// The ledger over HTTP.
    pub(crate) url: String,
    /// The road that events take, if there is a server.
    pub(crate) nats: Option<&'a Nats>,
}

impl Pipeline<'_> {
    /// The data team: this is the data to learn from.
    pub(crate) fn snapshot_training(&self, version: &Version, rows: usize) -> Result<()> {
        self.snapshot(TRAINING, version.number, &version.snapshot, rows)
    }

    /// The data team: this is the data to measure on.
    pub(crate) fn snapshot_holdout(&self, holdout: &Path, rows: usize) -> Result<()> {
        self.snapshot(HOLDOUT, 1, holdout, rows)
    }

    fn snapshot(&self, name: &str, number: u64, path: &Path, rows: usize) -> Result<()> {
        let dataset = self.emit("dataset", &DATA_TEAM).args([path]).with("--name", name);
        let dataset = dataset.with("--version", number.to_string()).with("--row-count", rows.to_string());
        committed(dataset.with("--media-type", "text/csv").with("--licence", "CC-BY-4.0"))
    }

    /// The trainer: a real training job, wrapped.
    pub(crate) fn train(&self, version: &Version) -> Result<()> {
        let run = self.emit("run", &TRAINER).with("--job", "wine/train").with("--kind", "train");
        let run = run
            .with("--input", named("training", &version.snapshot))
            .with("--output", named(MODEL, &version.model))
            .with("--seed", format!("split={SEED}"));
        let train = self.programs.own("train").with("--data", &version.snapshot).with("--model", &version.model);
        committed(run.wrapping(train.with("--seed", SEED.to_string())))
    }

    /// The evaluator: a measurement on the holdout, announced before it is made.
    pub(crate) fn evaluate(&self, version: &Version, holdout: &Path) -> Result<()> {
        let evaluation = self
            .emit("evaluation", &EVALUATOR)
            .with("--name", MODEL)
            .with("--model", &version.model)
            .with("--data", holdout)
            .with("--results", &version.results);
        let evaluate = self.programs.own("evaluate").with("--model", &version.model).with("--data", holdout);
        committed(evaluation.wrapping(evaluate.with("--results", &version.results)))
    }

    /// The deployer: this should run.
    pub(crate) fn deploy(&self, version: &Version) -> Result<()> {
        committed(self.emit("deploy", &DEPLOYER).with("--service", SERVICE).with("--model", &version.model))
    }

    /// The observer: this does run.
    pub(crate) fn observe(&self, version: &Version) -> Result<()> {
        let observe = self.emit("observe", &OBSERVER).with("--service", SERVICE).with("--model", &version.model);
        committed(observe.with("--observer", OBSERVER.name))
    }

    /// A call of `lineal-emit` as one producer.
    fn emit(&self, command: &str, producer: &Producer) -> Call {
        let call = self.programs.emit(command).args(["--json"]);
        let call = match self.nats {
            Some(nats) => nats.send(call, producer),
            None => call.with("--to", &self.url),
        };
        call.with("--trust", self.places.trust())
            .with("--key", self.places.key(producer))
            .with("--source", format!("{}/demo", source(producer)))
            .with("--outbox", self.places.outboxes.join(producer.name))
    }
}

/// Runs a call of `lineal-emit`; each of its events must be in the record, with a verified receipt. (By itself it also ends
/// well when events wait in the outbox: a ledger that is away never fails the work.)
fn committed(call: Call) -> Result<()> {
    #[derive(Deserialize)]
    struct Answer {
        events: Vec<Event>,
    }
    #[derive(Deserialize)]
    struct Event {
        delivery: String,
    }
    let printed = call.succeed()?;
    let answer: Answer = serde_json::from_str(&printed).with_context(|| printed.clone())?;
    let all = !answer.events.is_empty() && answer.events.iter().all(|event| event.delivery == "committed");
    ensure!(all, "not every event was committed:\n{printed}");
    Ok(())
}

/// A file under a name or a role.
fn named(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}
