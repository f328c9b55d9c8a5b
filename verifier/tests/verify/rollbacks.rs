//! Declared rollbacks against what the record has of the deployments that they restore.

use lineal_schemas::digest::EventDigest;
use lineal_verifier::{finding::Finding, report::Report};
use serde_json::{Value, json};

use crate::{
    good::verified,
    record::{Ledger, Says, key, own_source},
};

const SERVICE: &str = "service/payments/fraud@eu-1/prod";
const RULES: [&str; 3] = ["rollback-unfounded", "rollback-differs", "rollback-unseen"];

fn part(role: &str, content: &str) -> Value {
    json!({"role": role, "artifact": {"digest": {"sha256": EventDigest::of(content.as_bytes())}}})
}

fn say(ledger: &mut Ledger, name: &'static str, service: &str, mut data: Value) -> EventDigest {
    data["service"] = service.into();
    let event = ledger.event(&Says { source: "//producer/a", name, subject: service.to_owned(), data });
    let signed = ledger.sign(&event, &[&key(11)]);
    ledger.append(&signed);
    signed.digest()
}

fn observe(ledger: &mut Ledger, service: &str, model: &str, features: &str) -> EventDigest {
    let set = json!([{"components": [part("model", model), part("features", features)]}]);
    let data = json!({
        "servingSet": set, "observedAt": "2026-11-23T21:50:12Z", "observer": "probe", "complete": true
    });
    say(ledger, "deployment.observed", service, data)
}

fn roll_back(ledger: &mut Ledger, restores: EventDigest, features: &str) {
    let mut input = part("features", features);
    input["role"] = "features".into();
    let data = json!({"restores": restores.to_string(), "dataContext": [input]});
    say(ledger, "deployment.rolledback", SERVICE, data);
}

fn begun() -> Ledger {
    let mut ledger = Ledger::new();
    let (root, new) = (key(1), key(11));
    let source = format!("{}/root/{}", own_source(), root.keyid());
    let data = json!({
        "keyid": new.keyid().to_string(), "publicKey": new.public().to_pem(), "producer": "pipeline",
        "sources": ["//producer/**"], "roles": ["deployer", "observer"],
        "types": ["deployment.observed", "deployment.rolledback"], "names": ["service/**"],
    });
    ledger
        .say(&Says { source: &source, name: "key.enrolled", subject: format!("key/{}", new.keyid()), data }, &[&root]);
    ledger
}

/// The findings about rollbacks: rule, and what was found.
fn found(ledger: &mut Ledger) -> Vec<(&'static str, String)> {
    ledger.commit();
    let report: Report = ledger.verify();
    verified(&report);
    let told = |finding: &Finding| (finding.rule, finding.found.clone());
    report.findings.iter().filter(|finding| RULES.contains(&finding.rule)).map(told).collect()
}

#[test]
fn a_rollback_to_the_bundle_that_ran_before_is_clean() {
    let mut ledger = begun();
    let first = observe(&mut ledger, SERVICE, "m1", "f1");
    observe(&mut ledger, SERVICE, "m2", "f2");
    roll_back(&mut ledger, first, "f1");
    observe(&mut ledger, SERVICE, "m2", "f2");
    observe(&mut ledger, SERVICE, "m1", "f1");
    assert_eq!(found(&mut ledger), []);
}

#[test]
fn another_data_context_than_that_of_what_is_restored_is_reported() {
    let mut ledger = begun();
    let first = observe(&mut ledger, SERVICE, "m1", "f1");
    roll_back(&mut ledger, first, "f2");
    let other = format!("features sha256:{}", EventDigest::of(b"f2"));
    assert_eq!(found(&mut ledger), [("rollback-differs", other)]);
}

#[test]
fn what_never_served_there_is_no_ground() {
    for elsewhere in [false, true] {
        let mut ledger = begun();
        let restores = if elsewhere {
            observe(&mut ledger, "service/payments/other@eu-1/prod", "m1", "f1")
        } else {
            EventDigest::of(b"nowhere")
        };
        roll_back(&mut ledger, restores, "f1");
        let found = found(&mut ledger);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "rollback-unfounded");
    }
}

#[test]
fn what_was_never_seen_after_its_rollback_is_noted() {
    let mut ledger = begun();
    let first = observe(&mut ledger, SERVICE, "m1", "f1");
    observe(&mut ledger, SERVICE, "m2", "f2");
    roll_back(&mut ledger, first, "f1");
    for _look in 0..3 {
        observe(&mut ledger, SERVICE, "m1", "f2");
    }
    assert_eq!(found(&mut ledger), [("rollback-unseen", "3 looks since, none of which saw it".to_owned())]);
}
