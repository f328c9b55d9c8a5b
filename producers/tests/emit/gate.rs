//! What people say about what may run: policies, approvals, waivers, retractions.

use lineal_schemas::digest::EventDigest;
use serde_json::json;

use crate::place::Place;

const SERVICE: &str = "service/payments/fraud@eu-1/prod";
const POLICY: &str = "schema = 1\nname = \"policy/payments/fraud-prod\"\n\
    applies = { service = \"service/payments/fraud\" }\n[[metric]]\nname = \"auc\"\nmin = \"0.90\"\n\
    [waivers]\nrules = [\"metric/auc\"]\n";

#[test]
fn a_policy_is_signed_with_its_whole_text() {
    let place = Place::new();
    place.write("fraud.toml", POLICY);
    let (code, out, err) = place.run(&["policy", "fraud.toml", "--check"]);
    let digest = EventDigest::of(POLICY.as_bytes());
    assert_eq!(out.lines().next(), Some(format!("policy/payments/fraud-prod sha256:{digest}").as_str()), "{err}");
    assert!(code == 0 && out.contains("\n  metric/auc\n"), "{out}");
    let (code, _, err) = place.run(&["policy", "fraud.toml"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains(&format!("policy sha256:{digest}")), "{err}");
    let (name, subject, _, _, data) = place.events().remove(0);
    assert_eq!((name.as_str(), subject.as_str()), ("policy.registered", "policy/payments/fraud-prod"));
    assert_eq!(data["text"], json!(POLICY));
}

#[test]
fn a_text_that_is_no_policy_is_refused_with_its_place() {
    let place = Place::new();
    for (text, what) in [
        (POLICY.replace("min =", "minn ="), "line 6, column 1: unknown field `minn`"),
        (POLICY.replace("min = \"0.90\"\n", ""), "line 4, column 1: `auc` has no condition"),
        (POLICY.replace("\"0.90\"", "0.90"), "line 6, column 7: "),
    ] {
        place.write("fraud.toml", &text);
        for more in [&["--check"][..], &[]] {
            let (code, _, err) = place.run(&[&["policy", "fraud.toml"], more].concat());
            assert!(code == 1 && err.contains(what), "{code} {err}");
        }
    }
    assert!(place.events().is_empty());
}

#[test]
fn what_people_say_is_sound() {
    let place = Place::new();
    place.write("fraud.toml", POLICY);
    place.write("model.bin", "m");
    let at = ["model.bin", "--service", SERVICE];
    let soon = ["--expires", "2026-12-01T00:00:00Z"];
    let said = [
        (vec!["approve", "--role", "model-risk", "--condition", "canary-only", soon[0], soon[1]], "approval.granted"),
        (vec!["refuse", "--role", "model-risk", "--reason", "drift"], "approval.refused"),
        (
            vec![
                "waive",
                "--policy",
                "fraud.toml",
                "--rule",
                "metric/auc",
                "--reason",
                "small-market",
                soon[0],
                soon[1],
            ],
            "waiver.granted",
        ),
    ];
    for (arguments, name) in said {
        let (code, _, err) = place.run(&[&arguments[..], &at].concat());
        assert_eq!(code, 0, "{name}: {err}");
        let (said, subject, _, _, data) = place.events().pop().unwrap();
        assert_eq!((said.as_str(), subject.as_str()), (name, SERVICE));
        assert_eq!(data["artifact"]["digest"]["sha256"], json!(EventDigest::of(b"m").to_string()));
    }
    assert_eq!(place.events().pop().unwrap().4["policy"], json!(EventDigest::of(POLICY.as_bytes()).to_string()));
    let retract =
        ["retract", "eval-17", "--model", "model.bin", "--name", "model/payments/fraud", "--reason", "wrong-data"];
    let (code, _, err) = place.run(&retract);
    assert_eq!(code, 0, "{err}");
    assert_eq!(place.names().pop().unwrap(), "evaluation.retracted");
}

#[test]
fn what_could_never_count_is_not_signed() {
    let place = Place::new();
    place.write("fraud.toml", POLICY);
    place.write("model.bin", "m");
    let waive = |rule: &str| {
        let said = ["--policy", "fraud.toml", "--rule", rule, "--reason", "x", "--expires", "2026-12-01T00:00:00Z"];
        place.run(&[&["waive", "model.bin", "--service", SERVICE], &said[..]].concat())
    };
    let (code, _, err) = waive("override");
    assert!(code == 1 && err.contains("has no `[override]`"), "{err}");
    let (code, _, err) = waive("metric/recall");
    assert!(code == 1 && err.contains("lets nobody waive `metric/recall`: its `[waivers]` have metric/auc"), "{err}");
    let (code, _, err) = place.run(&["approve", "s3://models/1", "--service", SERVICE, "--role", "model-risk"]);
    assert!(code == 2 && err.contains("no digest of its full content"), "{err}");
    assert!(place.events().is_empty());
}
