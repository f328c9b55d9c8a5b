//! What must hold for any bytes that are taken around the record: they are refused, or what was read of them holds together.
//!
//! One function for each, shared by `tests/tests/parsers.rs`, which always runs, and by the targets of `tests/fuzz/`. Each says
//! whether the bytes were read, so that a test can see that some were. What clusters ask goes over HTTP to a ledger with
//! nothing on its record: there it can never be a yes about a model.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use lineal_gate::{
    judge::{Asked, Question},
    policy::Policy,
    verdict::Verdict,
};
use lineal_ledger::{
    answers::{
        self, RollbackPlan, Style,
        rollback::patch::{Format, patch},
        workload::Clusters,
    },
    clock::{Clock as _, SystemClock},
    data_dir::{self, Beginning, DataDir},
    doctor::{Diagnosis, examine},
    http::{Server, Serving},
    ledger::{Ledger, Settings},
};
use lineal_schemas::{
    key::SecretKey,
    vocabulary::{deployment::ServedSet, gate::GateVerdict, names::EnvironmentName, policy::PolicyText},
};
use lineal_workload::{
    hint::{self, Heard},
    kubeconfig::{Context, User, VERSIONS},
    listing,
    look::Look,
    naming::Naming,
};
use serde_json::{Value, json};

/// A property of a parser: whether the bytes were read.
pub type Property = fn(&[u8]) -> bool;

/// Every one, by the name of its fuzz target.
pub const ALL: [(&str, Property); 8] = [
    ("policy", policy),
    ("admission", admission),
    ("gatekeeper", gatekeeper),
    ("pods", pods),
    ("hint", hint),
    ("doctor", doctor),
    ("kubeconfig", kubeconfig),
    ("plan", plan),
];

/// A policy that is taken says its rules, and judges an empty record without a yes: the verdict comes back from its bytes, has
/// a line for each rule of a policy that speaks for the service, and is the same the second time.
pub fn policy(bytes: &[u8]) -> bool {
    let text = String::from_utf8(bytes.to_vec()).ok().and_then(|text| PolicyText::try_from(text).ok());
    let Some(text) = text else { return false };
    let Ok(policy) = Policy::parse(&text) else { return false };
    assert_eq!(Policy::parse(&text).as_ref(), Ok(&policy));
    assert_eq!(policy.digest(), text.digest());
    let ledger = &LEDGER.ledger;
    let serving = json!([{"components": [{"role": "model", "artifact": {"digest": {"sha256": "a".repeat(64)}}}]}]);
    let question = Question {
        service: "service/payments/fraud@eu-1/prod".parse().unwrap(),
        serving_set: serde_json::from_value(serving).unwrap(),
        policy: Asked::Text(text),
    };
    let judge = || answers::gate_set(&ledger.view, &question, LEDGER.opened).unwrap();
    let gate = judge();
    assert_eq!(gate, judge());
    assert!(!gate.data.ok && gate.document.verdict != GateVerdict::Allow, "{}", gate.answer);
    let bytes = gate.document.bytes().unwrap();
    assert_eq!(serde_json::from_slice::<Verdict>(&bytes).unwrap(), gate.document);
    // One that speaks for another service is no policy to judge by.
    for rule in policy.rules().iter().filter(|_rule| policy.applies_to(&question.service)) {
        assert!(gate.document.rules.iter().any(|result| result.rule == *rule), "no word about {rule}");
    }
    true
}

/// A body is a review, and is answered to its uid, or it is none, and that is said; an object is let through only where it
/// serves no model.
pub fn admission(bytes: &[u8]) -> bool {
    let (status, answer) = LEDGER.post("/v1/admission", bytes);
    if status == 400 {
        return false;
    }
    assert_eq!(status, 200, "{answer}");
    let review: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(answer["apiVersion"], review["apiVersion"]);
    assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
    let allowed = answer["response"]["allowed"].as_bool().unwrap();
    assert!(!allowed || answer["response"]["auditAnnotations"]["verdict"] != "allow", "{answer}");
    assert!(allowed || answer["response"]["status"]["message"].is_string(), "{answer}");
    true
}

/// Each key has a value or an error, and none of them is a yes about a model.
pub fn gatekeeper(bytes: &[u8]) -> bool {
    let (status, answer) = LEDGER.post("/v1/gatekeeper", bytes);
    if status == 400 {
        return false;
    }
    assert_eq!((status, &answer["response"]["systemError"]), (200, &json!("")), "{answer}");
    let request: Value = serde_json::from_slice(bytes).unwrap();
    let (keys, items) = (request["request"]["keys"].as_array(), answer["response"]["items"].as_array());
    let (keys, items) = (keys.unwrap(), items.unwrap());
    assert_eq!(keys.len(), items.len());
    for (key, item) in keys.iter().zip(items) {
        assert_eq!(key, &item["key"]);
        assert_ne!(item.get("value").is_some(), item.get("error").is_some(), "{item}");
        assert!(item["value"]["ok"] != true || item["value"]["verdict"] == "no-model", "{item}");
    }
    true
}

/// What is seen can be said: names are names, and serving sets come back from their own JSON.
pub fn pods(bytes: &[u8]) -> bool {
    let Ok(looks) = listing::read(bytes) else { return false };
    let naming = Naming::default();
    for pods in &looks {
        let mut look = Look::of(&pods.items, pods.whole, &naming);
        pods.services.iter().for_each(|service| look.split(service));
        let services = look.services(&naming);
        for seen in services.values() {
            assert!(!seen.complete || look.whole);
            seen.sets.iter().for_each(comes_back);
        }
    }
    true
}

fn comes_back(set: &ServedSet) {
    assert!(!set.components.is_empty());
    let again: ServedSet = serde_json::from_str(&serde_json::to_string(set).unwrap()).unwrap();
    assert_eq!(again, *set);
}

/// What is asked for can be said.
pub fn hint(bytes: &[u8]) -> bool {
    let environment: EnvironmentName = "environment/eu-1/prod".parse().unwrap();
    match hint::read(bytes, &environment, &Naming::default()) {
        Ok(Heard::Asked(hint)) => {
            comes_back(&hint.set);
            assert_eq!(hint.service.as_str().parse().as_ref(), Ok(&hint.service));
            true
        }
        Ok(Heard::Nothing(_why)) => true,
        Err(error) => {
            assert!(!error.code().is_empty());
            false
        }
    }
}

/// A file of which nothing can be said is never clean, and a mistake is at a line that there is.
pub fn doctor(bytes: &[u8]) -> bool {
    let Ok(text) = String::from_utf8(bytes.to_vec()) else { return false };
    let lines = text.split('\n').count();
    let diagnosis = examine(vec![("file".to_owned(), Ok(text))]);
    let again: Diagnosis = serde_json::from_str(&serde_json::to_string(&diagnosis).unwrap()).unwrap();
    assert_eq!(again, diagnosis);
    assert!(diagnosis.to_text().starts_with(&diagnosis.answer));
    for found in &diagnosis.findings {
        assert!((1..=lines).contains(&found.line), "{found:?} of {lines} lines");
    }
    let is_read = diagnosis.files.iter().all(|file| file.problem.is_none());
    assert_eq!(diagnosis.exit_code() == 0, is_read && diagnosis.findings.is_empty());
    is_read
}

/// A context that is followed has a server, and a program that can be asked, in variables that there can be.
pub fn kubeconfig(bytes: &[u8]) -> bool {
    let context = std::str::from_utf8(bytes).ok().and_then(|text| Context::parse(text).ok());
    let Some(Context { server, user, .. }) = context else { return false };
    assert!(!server.is_empty());
    if let User::Told(program) = user {
        let asked = program.asked(Some(b"ca"));
        assert_eq!((&asked["kind"], &asked["apiVersion"]), (&json!("ExecCredential"), &json!(program.version)));
        assert!(!program.command.is_empty() && VERSIONS.contains(&program.version.as_str()));
        assert!(program.variables.iter().all(|(name, _value)| !name.is_empty() && !name.contains(['=', '\0'])));
    }
    true
}

/// A plan, as another ledger may answer it: its JSON holds all of it, it is printed, and each patch is made or refused.
pub fn plan(bytes: &[u8]) -> bool {
    let Ok(plan) = serde_json::from_slice::<RollbackPlan>(bytes) else { return false };
    assert_eq!(serde_json::from_str::<RollbackPlan>(&serde_json::to_string(&plan).unwrap()).unwrap(), plan);
    assert!(!plan.to_text(Style::Plain).is_empty() && plan.exit_code() <= 2);
    for format in [Format::Kustomize, Format::HelmValues, Format::Json] {
        assert!(patch(&plan, format).is_ok_and(|text| !text.is_empty()) || patch(&plan, format).is_err());
    }
    true
}

/// A ledger that was only begun, and is served.
static LEDGER: LazyLock<Begun> = LazyLock::new(Begun::open);

struct Begun {
    ledger: Arc<Ledger>,
    opened: lineal_schemas::timestamp::Timestamp,
    address: SocketAddr,
}

impl Begun {
    fn open() -> Self {
        // Nobody is left to remove it at the end: in tests the next run does.
        let folder = option_env!("CARGO_TARGET_TMPDIR").map_or_else(
            || std::env::temp_dir().join(format!("lineal-fuzz-{}", std::process::id())),
            |folder| PathBuf::from(folder).join("parsers"),
        );
        std::fs::remove_dir_all(&folder).unwrap_or_default();
        std::fs::create_dir_all(&folder).unwrap();
        let (clock, dir) = (Arc::new(SystemClock::start()), folder.join("ledger"));
        let key = |seed| SecretKey::from_seed([seed; 32]).unwrap();
        let (roots, ledger_key, now) = ([key(1)], key(200), clock.wall());
        let origin = "ledger.example/parsers";
        data_dir::init(&Beginning { dir: &dir, origin, roots: &roots, threshold: 1, key: &ledger_key, now }).unwrap();
        let dir = DataDir::find(&dir).unwrap();
        let ledger = Arc::new(Ledger::open(&dir, clock, Settings { mirror: None, follow: true }).unwrap());
        ledger.wait_for_index();
        let environments = vec!["environment/eu-1/prod".parse().unwrap()];
        let clusters = Clusters { environments, naming: Naming::default() };
        let serving = Serving { http: Some(SocketAddr::from(([127, 0, 0, 1], 0))), tls: None, clusters };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(Server::bind(ledger.clone(), &dir, serving)).unwrap();
        let address = server.address().unwrap();
        std::thread::spawn(move || runtime.block_on(server.run(std::future::pending())).unwrap());
        Self { opened: ledger.now(), ledger, address }
    }

    /// The status and the JSON of an answer; a refusal says why, as text.
    fn post(&self, path: &str, body: &[u8]) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let text = String::from_utf8(reply).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(!body.is_empty(), "{status}");
        (status, if status == 200 { serde_json::from_str(body).unwrap() } else { Value::from(body) })
    }
}
