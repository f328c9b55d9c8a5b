//! Seven images in an hour, none of them asked for: `kubectl set image`, past a gate that was there.
//!
//! After a published incident (Scale AI, MLI-6574): an image that had run for 57 days was replaced by hand, five patched
//! images followed within 34 minutes, and then the old one again. No request and no rollback reached the record. All that
//! the ledger has is what an observer saw in the pods.
//!
//! Told must be: at each instant just the image that ran then; at each of the seven a finding that nobody had asked for
//! it, with the observation that shows it, and one that the gate never let it through; and the way from one to the next,
//! back to the first. The gate was asked about one of them, and said no: that one came up after a refusal. While the last
//! patch runs, the plan names the image of 57 days, and what was done by hand is declared from that plan in the end. Wrong
//! would be an image of another instant, one change that swallows another, a patch of minutes to go back to, or silence
//! because the gate saw nothing.

use lineal_tests::programs::run;
use serde_json::{Value, json};

use super::stage::{DAY, Stage};

const POLICY: &str = "schema = 1
name = \"policy/scale/inference\"
applies = { service = \"service/scale/inference\", environment = \"prod\" }
[lineage]
reach = [\"dataset.snapshotted\"]
";

/// Of the seven, the one that the gate was asked about, and refused.
const REFUSED: char = '5';

const SERVICE: &str = "service/scale/inference@eu-1/prod";

/// The images in their order, each by the digit that its digest is made of, with when it came up, in minutes back.
const IMAGES: [(char, i64); 7] = [('b', 90), ('1', 82), ('2', 74), ('3', 67), ('4', 60), ('5', 55), ('a', 48)];

/// A pod of the workload whose image `kubectl set image` has just replaced.
fn pod(number: u32, digit: char) -> Value {
    let (hash, image) = (format!("6d4b{digit}"), format!("registry.example/inference:{digit}"));
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("inference-{hash}-{number}"), "namespace": "scale",
            "labels": {"app": "inference", "pod-template-hash": hash},
            "ownerReferences": [{"kind": "ReplicaSet", "name": format!("inference-{hash}"), "controller": true}]},
        "spec": {"containers": [{"name": "serve", "image": image}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "serve", "image": image, "state": {"running": {}},
            "imageID": format!("registry.example/inference@sha256:{}", digit.to_string().repeat(64))}]},
    })
}

fn pods(digit: char) -> Vec<Value> {
    (1..=3).map(|number| pod(number, digit)).collect()
}

/// How answers show the digest.
fn shown(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(12))
}

#[test]
fn seven_images_that_nobody_asked_for_are_seven_observations_and_seven_findings() {
    let stage = Stage::begin();
    stage.enrol("cluster", &["observer"], &["service/**".to_owned(), "environment/**".to_owned()]);
    // Looked at every week, with a promise that holds for two.
    for days in [57, 50, 43, 36, 29, 22, 15, 8, 1] {
        stage.look("cluster", days * DAY, &pods('a'), &["--next-within", "1209600"]);
    }
    stage.enrol("risk", &["approver"], &["policy/scale/**".to_owned()]);
    stage.write("policy.toml", POLICY);
    stage.tell("risk", &["policy", "policy.toml"]);
    let mut seen = Vec::new();
    let mut past_the_gate = Vec::new();
    for (digit, ago) in IMAGES {
        if digit == REFUSED {
            refuse(&stage, digit);
        }
        // A look between two images sees what it saw before, and says nothing new.
        let said = stage.look("cluster", ago, &pods(digit), &[]);
        assert_eq!(said.indices("deployment.observed").len(), 1, "{digit}");
        assert!(stage.look("cluster", ago - 1, &pods(digit), &[]).indices("deployment.observed").is_empty());
        // Where an inventory is due as well, it is of the same look, and shows the same.
        let look = [said.indices("deployment.observed"), said.indices("inventory.observed")].concat();
        past_the_gate.push(gated(&stage, digit, &look));
        if digit == REFUSED {
            plan(&stage);
        }
        seen.push((digit, ago, look));
    }
    past_the_gate.sort();
    past_the_gate.dedup();
    assert_eq!(past_the_gate.len(), 7, "each of them went past the gate by itself");
    let mut ids = Vec::new();
    for (digit, ago, look) in &seen {
        let at = stage.ago(ago - 1);
        let running = stage.ask(&["running", "--at", &at]);
        running.exits(0).answers(&[SERVICE, &shown(*digit)]);
        for (other, ..) in seen.iter().filter(|(other, ..)| other != digit) {
            running.is_silent_on(&[&shown(*other)]);
        }
        let findings = stage.ask(&["findings", "--at", &at]);
        findings.exits(1).has_line(&[SERVICE, &shown(*digit), "was never asked for"]);
        let never = findings.list("findings").iter().filter(|finding| finding["rule"] == "observed-never-requested");
        let never: Vec<&Value> = never.collect();
        assert_eq!(never.len(), 1, "{digit}");
        let shows = never[0]["evidence"][0]["event"]["index"].as_u64().unwrap();
        assert!(look.contains(&shows), "{look:?}: {}", never[0]);
        ids.push(never[0]["id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 7, "each of them is a finding of its own");
    // Before the first, the old one ran; and after the last, it has for less than an hour.
    stage.ask(&["running", "--at", &stage.ago(91)]).exits(0).answers(&[SERVICE, &shown('a')]);
    let timeline = stage.ask(&["timeline", SERVICE, "--since", &stage.ago(100), "--at", &stage.ago(40)]);
    let before = std::iter::once('a').chain(IMAGES.map(|(digit, _ago)| digit));
    for (before, (after, _ago)) in before.zip(IMAGES) {
        timeline.has_line(&["observed", &format!("{}… -> ", shown(before)), &shown(after)]);
    }
    timeline.exits(0).is_silent_on(&["requested", "UNKNOWN"]);
    // Nobody has looked since: what runs now is not known from what ran then.
    stage.ask(&["running"]).exits(2).answers(&[SERVICE, "UNKNOWN since", &shown('a'), "NOT ADMITTED: never gated"]);
    declare(&stage);
    stage.end();
}

/// Somebody asks the gate about an image, and is told no: nothing says what it was made from.
fn refuse(stage: &Stage, digit: char) {
    let model = format!("sha256:{}", digit.to_string().repeat(64));
    let mut gate = stage.operator("gate");
    run(gate.args(["--model", &model, "--service", SERVICE, "--record"])).with_code(1);
}

/// What is found of the gate while this image is the last that was seen; its id.
#[track_caller]
fn gated(stage: &Stage, digit: char, look: &[u64]) -> String {
    let (rule, severity, says) = if digit == REFUSED {
        ("observed-after-refusal", "critical", "the gate refused it")
    } else {
        ("observed-never-admitted", "high", "the gate never decided about it")
    };
    let findings = stage.ask(&["findings"]);
    findings.exits(1).has_line(&[SERVICE, &shown(digit), says]);
    let rules = ["observed-after-refusal", "observed-never-admitted"];
    let found = findings.list("findings").iter().filter(|found| rules.iter().any(|rule| found["rule"] == *rule));
    let found: Vec<&Value> = found.collect();
    assert_eq!(found.len(), 1, "{digit}: {found:?}");
    assert_eq!((&found[0]["rule"], &found[0]["severity"]), (&json!(rule), &json!(severity)), "{digit}");
    let evidence = found[0]["evidence"].as_array().unwrap();
    let observed = evidence.iter().find(|evidence| evidence["role"] == "observed").unwrap();
    assert!(look.contains(&observed["event"]["index"].as_u64().unwrap()), "{look:?}: {observed}");
    let id = found[0]["id"].as_str().unwrap();
    stage.ask(&["explain", id]).exits(0).has_line(&[&shown(digit), says]);
    id.to_owned()
}

/// While the last patch runs: the image of 57 days, and none of those that ran for minutes.
fn plan(stage: &Stage) {
    let plan = stage.ask(&["rollback-plan", SERVICE]);
    plan.exits(2).answers(&[SERVICE, &shown('a')]).has_line(&[
        "back to",
        &shown('a'),
        "no gate decision on the record",
    ]);
    let candidates = plan.list("candidates");
    let chosen = &candidates[usize::try_from(plan.json["choice"]["candidate"].as_u64().unwrap()).unwrap()];
    assert!(chosen["ranSeconds"].as_u64().unwrap() > 55 * 24 * 3600, "{chosen}");
    assert_eq!(candidates.len(), 6, "every other one that ran is told, and what speaks against it");
    for patch in candidates.iter().filter(|other| *other != chosen) {
        assert!(patch["against"].to_string().contains("only"), "{patch}");
    }
    stage.write("plan.json", &plan.json.to_string());
}

/// What was done by hand at three in the morning is declared from the plan; the record holds together.
fn declare(stage: &Stage) {
    stage.enrol("night", &["deployer"], &["service/scale/**".to_owned()]);
    let said =
        stage.tell("night", &["rollback", "--plan", "plan.json", "--reason", "bad-image", "--incident", "MLI-6574"]);
    let back = said.index();
    stage.ask(&["explain", &format!("#{back}")]).exits(0).has_line(&["rollback-declared"]);
    let timeline = stage.ask(&["timeline", SERVICE]);
    timeline.has_line(&["rolled back", &shown('a'), &format!("#{back}")]);
    timeline.has_line(&["DENIED", &shown(REFUSED)]);
}
