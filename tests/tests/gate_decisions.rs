//! Decisions of the gate from end to end: asked by program and over HTTP, recorded by the ledger, made again by the verifier;
//! and one that somebody invented, found.
#![cfg(test)]

use std::{fs, path::PathBuf};

use lineal_tests::{
    programs::{Ended, LedgerHome, emit, lineal, run, verify_log},
    signing::key,
};
use serde_json::{Value, json};

const SERVICE: &str = "service/site/fraud@eu-1/prod";
const MODEL: &str = "model/site/fraud";
const POLICY: &str = r#"schema = 1
name = "policy/site/fraud-prod"
applies = { service = "service/site/fraud", environment = "prod" }

[lineage]
reach = ["dataset.snapshotted"]
[evaluation]
disjoint_from_training = true
independent_signer = true
announced = true
registered_before = true
[[metric]]
name = "auc"
min = "0.90"
min_n = 500
[override]
expires = "4h"
"#;

/// Who there is: the seed of the key, the producer, and what it does.
const PRODUCERS: [(u8, &str, &[&str]); 3] =
    [(5, "ci", &["data", "trainer", "deployer", "observer"]), (6, "evals", &["evaluator"]), (7, "risk", &["approver"])];

struct Site {
    home: LedgerHome,
    folder: PathBuf,
}

impl Site {
    fn new() -> Self {
        let home = LedgerHome::init();
        let folder = home.folder().join("site");
        fs::create_dir(&folder).unwrap();
        for (seed, producer, roles) in PRODUCERS {
            fs::write(folder.join(format!("{producer}.pem")), key(seed).to_pem().unwrap().as_bytes()).unwrap();
            let names =
                ["dataset", "model", "job", "artifact", "service", "policy"].map(|kind| format!("{kind}/site/**"));
            let source = format!("https://{producer}.example/**");
            let mut scope = vec!["--source", source.as_str()];
            scope.extend(roles.iter().flat_map(|role| ["--role", role]));
            scope.extend(names.iter().flat_map(|name| ["--name", name.as_str()]));
            home.enrol(key(seed).public(), producer, &scope);
        }
        fs::write(folder.join("fraud.toml"), POLICY).unwrap();
        fs::write(folder.join("train.csv"), "amount\n1\n").unwrap();
        fs::write(folder.join("held-out.csv"), "amount\n2\n").unwrap();
        Self { home, folder }
    }

    /// Data, a model, a policy, and a measurement with this AUC.
    fn with_auc(auc: &str) -> Self {
        let site = Self::new();
        site.emit("ci", &["dataset", "train.csv", "--name", "dataset/site/train"]);
        site.emit("ci", &["dataset", "held-out.csv", "--name", "dataset/site/held-out"]);
        site.emit("risk", &["policy", "fraud.toml"]);
        let run =
            ["run", "--job", "site/train", "--input", "training=train.csv", "--output", "model.bin", "--no-capture"];
        site.emit("ci", &[&run[..], &["--", "sh", "-c", "echo one > model.bin"]].concat());
        site.emit("ci", &["model", "model.bin", "--name", MODEL, "--version", "1"]);
        site.append();
        site.measure(auc);
        site
    }

    fn measure(&self, auc: &str) {
        let results = json!([{"metric": "auc", "value": auc, "sampleSize": 1000}]);
        fs::write(self.folder.join("results.json"), results.to_string()).unwrap();
        let measured = ["--model", "model.bin", "--data", "held-out.csv", "--results", "results.json"];
        self.emit("evals", &[&["evaluation", "--name", MODEL][..], &measured].concat());
        self.append();
    }

    fn emit(&self, producer: &str, command: &[&str]) {
        let mut program = emit();
        program.current_dir(&self.folder).env("HOME", &self.folder);
        let (key, source) = (format!("{producer}.pem"), format!("https://{producer}.example/pipeline"));
        program.args(["--key", &key, "--outbox", &format!("outbox-{producer}"), "--to", "file:events.dsse", "--trust"]);
        program.arg(self.home.trust_path()).args(["--source", &source]).args(command);
        run(&mut program).succeeded();
    }

    fn append(&self) {
        let events = self.folder.join("events.dsse");
        run(self.home.lineal("append").arg(&events)).succeeded();
        fs::remove_file(events).unwrap();
    }

    fn gate(&self, more: &[&str]) -> Ended {
        let mut program = lineal();
        program.current_dir(&self.folder).args(["gate", "--model", "model.bin", "--service", SERVICE]);
        run(program.args(more).arg("--dir").arg(self.home.dir()))
    }

    fn verify(&self) -> Ended {
        run(&mut verify_log(self.home.dir(), &self.home.trust_path()))
    }
}

fn digest(ended: &Ended) -> String {
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout));
    answer["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_decision_is_recorded_by_the_ledger_and_made_again_by_the_verifier() {
    let site = Site::with_auc("0.914");
    let allowed = site.gate(&[]);
    let said = allowed.with_code(0).stdout.clone();
    assert!(said.starts_with("ALLOW: 9 rules passed or were waived (sha256:"), "{said}");
    site.gate(&["--record"]).with_code(0).saying(&["recorded as entry "]);
    site.measure("0.50");
    site.gate(&["--record"]).with_code(1).saying(&["recorded as entry "]);
    let verified = site.verify();
    assert!(verified.with_code(0).stdout.contains("VERIFIED"), "{}", verified.stdout);
    let timeline = run(site.home.lineal("timeline").arg(SERVICE)).succeeded();
    assert!(
        timeline.contains("  allowed      model/site/fraud v1")
            && timeline.contains("  DENIED       model/site/fraud v1"),
        "{timeline}"
    );
    // What was decided then is decided again at its size, and the later measurement does not exist there.
    let then = site.gate(&["--known-at", "14", "--json"]);
    let again = site.gate(&["--known-at", "14", "--json"]);
    assert_eq!(digest(&then), digest(&again));
}

#[test]
fn a_decision_that_somebody_invented_is_found() {
    let site = Site::with_auc("0.50");
    let denied = site.gate(&["--json"]);
    let answer: Value = serde_json::from_str(&denied.with_code(1).stdout).unwrap();
    let mut document = answer["document"].clone();
    let data = json!({"service": SERVICE, "servingSet": document["servingSet"].take(), "verdict": "allow",
        "treeSize": document["treeSize"], "judgedAt": document["judgedAt"], "document": answer["digest"],
        "policy": {"name": document["policy"]["name"], "sha256": document["policy"]["sha256"]}});
    let draft = json!({"type": "gate.decided", "subject": SERVICE, "data": data});
    fs::write(site.folder.join("draft.jsonl"), format!("{draft}\n")).unwrap();
    site.emit("ci", &["send", "draft.jsonl"]);
    site.append();
    let found = site.verify();
    let said = &found.with_code(1).stdout;
    assert!(said.contains("verdict-differs") && said.contains("expected deny, document "), "{said}");
    assert!(said.lines().last().unwrap().starts_with("NOT VERIFIED"), "{said}");
}

#[test]
fn a_broken_glass_lets_it_run_and_is_loud() {
    let site = Site::with_auc("0.50");
    site.gate(&[]).with_code(1);
    let soon = run(std::process::Command::new("date").args(["-u", "-d", "+1 hour", "+%Y-%m-%dT%H:%M:%SZ"])).succeeded();
    let waiver = ["waive", "model.bin", "--service", SERVICE, "--policy", "fraud.toml", "--rule", "override"];
    site.emit("risk", &[&waiver[..], &["--reason", "fraud-wave", "--expires", soon.trim()]].concat());
    site.append();
    let glass = site.gate(&["--record"]);
    let said = &glass.with_code(0).stdout;
    assert!(said.starts_with("DENY, OVERRIDDEN until ") && said.contains("! OVERRIDDEN by risk: fraud-wave"), "{said}");
    site.verify().with_code(0);
}

#[test]
fn over_http_a_decision_is_200_and_what_is_undecided_503() {
    let site = Site::with_auc("0.914");
    let process = site.home.serve();
    let http = process.http();
    let path = |service: &str| format!("/v1/verdict?model={MODEL}&service={service}");
    let allowed = http.get(&path(SERVICE));
    let body: Value = serde_json::from_slice(&allowed.body).unwrap();
    assert_eq!((allowed.status, &body["data"]["ok"], &body["data"]["verdict"]), (200, &json!(true), &json!("allow")));
    assert_eq!(body["data"]["size"], json!(http.size()));
    let unknown = format!("sha256:{}", "ab".repeat(32));
    let denied = http.post_json("/v1/verdict", &json!({"model": unknown, "service": SERVICE}).to_string());
    let body: Value = serde_json::from_slice(&denied.body).unwrap();
    assert_eq!((denied.status, &body["data"]["ok"], &body["data"]["verdict"]), (200, &json!(false), &json!("deny")));
    assert!(
        body["data"]["reasons"].to_string().contains("nothing was measured")
            || body["data"]["reasons"].to_string().contains("0 finished"),
        "{body}"
    );
    let undecided = http.get(&path("service/site/other@eu-1/prod"));
    assert_eq!(undecided.status, 503);
    for body in
        ["", "[]", "{}", r#"{"model":"x"}"#, r#"{"model":null,"service":null}"#, r#"{"model":"x","service":"y","z":1}"#]
    {
        let response = http.post_json("/v1/verdict", body);
        assert_eq!((response.status, response.header("lineal-error")), (400, Some("malformed-question")), "{body}");
    }
    assert_eq!(
        http.post_json("/admin/gate", "{}").status,
        404,
        "only the owner of the data directory commits decisions"
    );
    // The same question to the running ledger by the program, and a decision that it commits.
    let before = http.size();
    site.gate(&[]).with_code(0);
    site.gate(&["--policy", "fraud.toml"]).with_code(0);
    assert_eq!(http.size(), before);
    site.gate(&["--record"]).with_code(0).saying(&["recorded as entry "]);
    assert_eq!(http.size(), before + 1);
    let schema = http.get("/v1/schemas/gate.v1.json");
    assert_eq!(schema.status, 200);
    process.stop();
    site.verify().with_code(0);
}
