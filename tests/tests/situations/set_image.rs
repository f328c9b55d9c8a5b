//! Seven images in an hour, none of them asked for: `kubectl set image`, past a gate that was there.
//!
//! After a published incident (Scale AI, MLI-6574): an image that had run for 57 days was replaced by hand, five patched
//! images followed within 34 minutes, and then the old one again. No request and no rollback reached the record. All that
//! the ledger has is what an observer saw in the pods.
//!
//! Told must be: at each instant just the image that ran then; at each of the seven a finding that nobody had asked for
//! it, with the observation that shows it; and the way from one to the next, back to the first. Wrong would be an image of
//! another instant, one change that swallows another, or silence because the gate saw nothing.

use serde_json::{Value, json};

use super::stage::{DAY, Stage};

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
    let mut seen = Vec::new();
    for (digit, ago) in IMAGES {
        // A look between two images sees what it saw before, and says nothing new.
        let said = stage.look("cluster", ago, &pods(digit), &[]);
        assert_eq!(said.indices("deployment.observed").len(), 1, "{digit}");
        assert!(stage.look("cluster", ago - 1, &pods(digit), &[]).indices("deployment.observed").is_empty());
        // Where an inventory is due as well, it is of the same look, and shows the same.
        seen.push((digit, ago, [said.indices("deployment.observed"), said.indices("inventory.observed")].concat()));
    }
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
    stage.ask(&["running"]).exits(2).answers(&[SERVICE, "UNKNOWN since", &shown('a')]);
    stage.end();
}
