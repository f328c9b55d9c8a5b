//! A record in memory for tests: producers with keys, events by the minute, and a question at the end of it.

use std::collections::BTreeMap;

use lineal_gate::{
    judge::{Asked, Question, judge},
    memory::Memory,
    verdict::{Outcome, RuleResult, Verdict},
};
use lineal_schemas::{
    digest::{EventDigest, KeyId, sha256},
    dsse::Signature,
    facts::Facts,
    key::SecretKey,
    note::VerifierKey,
    registry::Registry,
    timestamp::Timestamp,
    vocabulary::{Payload, TYPES, policy::PolicyText},
};
use serde_json::{Value, json};

pub(crate) const SERVICE: &str = "service/payments/fraud@eu-1/prod";
pub(crate) const MODEL: &str = "model/payments/fraud";
/// The minute 0 of every world.
const BEGIN: i64 = 1_790_000_000_000;

/// The beginning of every policy of these tests.
pub(crate) const HEAD: &str = "schema = 1\nname = \"policy/payments/fraud-prod\"\n\
    applies = { service = \"service/payments/fraud\", environment = \"prod\" }\n";

pub(crate) fn hex(name: &str) -> String {
    EventDigest::from_bytes(sha256(name.as_bytes())).to_string()
}

pub(crate) fn file(name: &str) -> Value {
    json!({"name": name, "digest": {"sha256": hex(name)}})
}

pub(crate) fn serving(artifact: Value) -> Value {
    json!([{"components": [{"role": "model", "artifact": artifact}]}])
}

pub(crate) struct World {
    pub(crate) memory: Memory,
    registry: Registry,
    keys: BTreeMap<String, KeyId>,
    sequence: u64,
    pub(crate) minute: i64,
    /// How many minutes before the ledger takes it an event says that it happened.
    pub(crate) backdated: i64,
}

/// Who there is, and what they may say.
const PRODUCERS: [(&str, &str); 8] = [
    ("data-team", "data"),
    ("train-team", "trainer"),
    ("eval-team", "evaluator"),
    ("other-evals", "evaluator"),
    ("agent", "observer"),
    ("risk-team", "approver"),
    ("second-risk", "approver"),
    ("deployers", "deployer"),
];

fn facts(kind: &str, subject: &str, source: &str, (sequence, time): (u64, Timestamp), data: &Value) -> Facts {
    let kind = format!("dev.lineal.{kind}.v1");
    let payload = Payload::parse(&kind, &data.to_string());
    let payload = payload.and_then(|payload| payload.check_subject(subject).map(|()| payload));
    let digest = EventDigest::from_bytes(sha256(format!("{kind} {sequence} {data}").as_bytes()));
    Facts {
        digest,
        id: String::new(),
        source: source.to_owned(),
        kind,
        subject: subject.to_owned(),
        time,
        ledger: None,
        sequence,
        previous: None,
        sequence_end: false,
        payload,
    }
}

impl World {
    /// Nothing but keys.
    pub(crate) fn empty() -> Self {
        let (root, own) = (SecretKey::from_seed([100; 32]).unwrap(), SecretKey::from_seed([101; 32]).unwrap());
        let verifier = VerifierKey::new("gate.example/log", own.public().clone()).unwrap().to_string();
        let genesis = json!({"origin": "gate.example/log", "formatVersion": 1, "threshold": 1,
            "ledgerKey": {"verifierKey": verifier, "publicKey": own.public().to_pem()},
            "roots": [{"keyid": root.keyid(), "publicKey": root.public().to_pem()}]});
        let time = Timestamp::from_millis(BEGIN);
        let genesis =
            facts("ledger.created", "ledger/gate.example/log", "lineal://gate.example/log", (1, time), &genesis);
        let signature = Signature { keyid: root.keyid(), bytes: [0; 64] };
        let registry = Registry::create(&genesis, &[signature]).unwrap();
        let mut world =
            Self { memory: Memory::default(), registry, keys: BTreeMap::new(), sequence: 1, minute: 0, backdated: 0 };
        world.memory.push_signed(0, time, vec![root.keyid()], genesis);
        for (seed, (producer, role)) in (1..).zip(PRODUCERS) {
            world.enrol(seed, producer, role);
        }
        world
    }

    /// Gives a producer another key, which signs from now on.
    pub(crate) fn enrol(&mut self, seed: u8, producer: &str, role: &str) {
        let key = SecretKey::from_seed([seed; 32]).unwrap();
        let types: Vec<&str> = TYPES.iter().map(|rule| rule.name).collect();
        let enrolled = json!({"keyid": key.keyid(), "publicKey": key.public().to_pem(), "producer": producer,
            "sources": ["https://gate.example/**"], "roles": [role], "types": types,
            "names": ["model/payments/**", "service/payments/**", "dataset/payments/**", "job/payments/**", "artifact/payments/**"]});
        let payload = Payload::parse("dev.lineal.key.enrolled.v1", &enrolled.to_string()).unwrap();
        self.registry.apply(0, Timestamp::from_millis(BEGIN), &payload).unwrap();
        self.keys.insert(producer.to_owned(), key.keyid());
    }

    /// A trained model of known data, its evaluation, and an incumbent that runs and was measured on the same data.
    pub(crate) fn new() -> Self {
        let mut world = Self::empty();
        world.data("transactions");
        world.data("held-out");
        world.trained("old", &["transactions"]);
        world.trained("new", &["transactions"]);
        world.measured(
            "old",
            "held-out",
            json!([
            {"metric": "auc", "value": "0.917", "sampleSize": 120_000},
            {"metric": "recall", "value": "0.85", "slice": {"country": "BR"}, "sampleSize": 900}]),
        );
        world.observed("old");
        world
    }

    pub(crate) fn say(&mut self, who: &str, kind: &str, subject: &str, data: Value) -> EventDigest {
        self.minute += 1;
        let minute = self.minute;
        let time = Timestamp::from_millis(BEGIN + (minute - self.backdated) * 60_000);
        self.say_at(who, kind, subject, data, (time, minute))
    }

    fn say_at(
        &mut self,
        who: &str,
        kind: &str,
        subject: &str,
        data: Value,
        (time, minute): (Timestamp, i64),
    ) -> EventDigest {
        self.sequence += 1;
        let source = if who == "ledger" {
            "lineal://gate.example/log".to_owned()
        } else {
            format!("https://gate.example/{who}")
        };
        let facts = facts(kind, subject, &source, (self.sequence, time), &data);
        if let Err(error) = &facts.payload {
            panic!("{error}");
        }
        let keys = self.keys.get(who).copied().into_iter().collect();
        let digest = facts.digest;
        let received = Timestamp::from_millis(BEGIN + minute * 60_000);
        self.memory.push_signed(self.sequence - 1, received, keys, facts);
        digest
    }

    /// A key is revoked, and somebody else may have had it since then.
    pub(crate) fn revoked(&mut self, who: &str, since: &str) {
        let data = json!({"keyid": self.keys[who], "reason": "compromised", "compromisedSince": since});
        self.say("root", "key.revoked", &format!("key/{}", self.keys[who]), data);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN + self.minute * 60_000)
    }

    /// A moment so many minutes from now.
    pub(crate) fn later(&self, minutes: i64) -> String {
        Timestamp::from_millis(BEGIN + (self.minute + minutes) * 60_000).to_string()
    }

    pub(crate) fn data(&mut self, name: &str) -> EventDigest {
        let subject = format!("dataset/payments/{name}");
        self.say("data-team", "dataset.snapshotted", &subject, json!({"dataset": file(name), "name": subject}))
    }

    pub(crate) fn trained(&mut self, model: &str, data: &[&str]) -> EventDigest {
        let inputs: Vec<Value> = data.iter().map(|name| json!({"artifact": file(name), "role": "training"})).collect();
        let run = json!({"runId": format!("train-{model}"), "outputs": [file(model)], "inputs": inputs,
            "job": {"namespace": "payments", "name": "train", "kind": "train"}});
        self.say("train-team", "run.completed", "job/payments/train", run)
    }

    pub(crate) fn announced(&mut self, id: &str, model: &str, data: &str) -> EventDigest {
        let evaluation = json!({"evaluationId": id, "model": file(model), "harness": {"name": "evalkit"},
            "inputs": [{"artifact": file(data), "role": "evaluation"}]});
        self.say("eval-team", "evaluation.started", MODEL, evaluation)
    }

    pub(crate) fn finished(&mut self, who: &str, id: &str, model: &str, data: &str, results: Value) -> EventDigest {
        let evaluation = json!({"evaluationId": id, "model": file(model), "harness": {"name": "evalkit"},
            "inputs": [{"artifact": file(data), "role": "evaluation"}], "results": results});
        self.say(who, "evaluation.completed", MODEL, evaluation)
    }

    /// Announced, then finished.
    pub(crate) fn measured(&mut self, model: &str, data: &str, results: Value) -> EventDigest {
        let id = format!("eval-{}", self.minute);
        self.announced(&id, model, data);
        self.finished("eval-team", &id, model, data, results)
    }

    /// The candidate, with this AUC.
    pub(crate) fn auc(mut self, value: Value) -> Self {
        self.measured("new", "held-out", json!([{"metric": "auc", "value": value, "sampleSize": 120_000}]));
        self
    }

    pub(crate) fn observed(&mut self, model: &str) -> EventDigest {
        let seen = json!({"service": SERVICE, "servingSet": serving(file(model)), "observedAt": self.later(1),
            "observer": "agent", "complete": true});
        self.say("agent", "deployment.observed", SERVICE, seen)
    }

    pub(crate) fn registered(&mut self, text: &str) -> EventDigest {
        self.say(
            "risk-team",
            "policy.registered",
            "policy/payments/fraud-prod",
            json!({"policy": "policy/payments/fraud-prod", "text": text}),
        )
    }

    pub(crate) fn asked_about(artifact: Value, policy: Asked) -> Question {
        let sets = serving(artifact);
        Question { service: SERVICE.parse().unwrap(), serving_set: serde_json::from_value(sets).unwrap(), policy }
    }

    /// The verdict on the candidate under this policy, its rules after [`HEAD`].
    pub(crate) fn verdict(&self, rules: &str) -> Verdict {
        self.verdict_on(file("new"), rules)
    }

    pub(crate) fn verdict_on(&self, artifact: Value, rules: &str) -> Verdict {
        let text: PolicyText = format!("{HEAD}{rules}").parse().unwrap();
        self.judged(&Self::asked_about(artifact, Asked::Text(text)))
    }

    pub(crate) fn judged(&self, question: &Question) -> Verdict {
        self.judged_at(question, self.sequence, self.now())
    }

    pub(crate) fn judged_at(&self, question: &Question, size: u64, moment: Timestamp) -> Verdict {
        let Ok(verdict) = judge(&mut self.memory.at(&self.registry, size, moment), question);
        verdict
    }

    /// How many events a verdict looks at, made when the record had that size: an entry a minute.
    pub(crate) fn looked_at(&self, question: &Question, size: u64) -> u64 {
        let minutes = i64::try_from(size).unwrap() - 1;
        let moment = Timestamp::from_millis(BEGIN + minutes * 60_000);
        let mut history = self.memory.at(&self.registry, size, moment);
        let Ok(_verdict) = judge(&mut history, question);
        history.looked_at()
    }

    pub(crate) fn size(&self) -> u64 {
        self.sequence
    }
}

/// The result of a rule.
pub(crate) fn rule<'v>(verdict: &'v Verdict, name: &str) -> &'v RuleResult {
    let found = verdict.rules.iter().find(|result| result.rule == name);
    found.unwrap_or_else(|| panic!("no rule {name}: {:?} {:?}", verdict.rules, verdict.notes))
}

/// What became of a rule, and what was found.
pub(crate) fn got<'v>(verdict: &'v Verdict, name: &str) -> (Outcome, &'v str) {
    let result = rule(verdict, name);
    (result.outcome, &result.got)
}
