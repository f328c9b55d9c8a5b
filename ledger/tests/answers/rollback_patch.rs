//! The patch of a rollback plan: what it says, what it leaves out, and the places that it never names.

use lineal_ledger::answers::{
    recheck::{Recheck, RecheckState},
    rollback::{
        Restorable::Yes,
        patch::{Format, PatchError, patch},
    },
};

use super::{
    rollback::{behind, part, set},
    *,
};

/// A part that was seen to come from a place.
fn part_at(role: &str, content: &str, uri: &str) -> String {
    part(role, content).replacen("}}", &format!(r#"}},"uri":"{uri}"}}"#), 1)
}

/// A model of a place, then another one.
fn served_from(uri: &str) -> World {
    let mut world = World::begin();
    world.made("1");
    world.runs(&set(&[part_at("model", "weights-1", uri)]), 24);
    world.made("2");
    world.runs(&serving("weights-2"), 1);
    world
}

/// Whoever may register something could say later that the bytes are at a place of their own, and have a rollback load from there.
#[test]
fn a_place_that_somebody_merely_said_later_is_in_no_patch() {
    let mut world = served_from("s3://models/one");
    world.locate("weights-1", "s3://attacker/weights");
    world.locate("weights-1", "https://attacker.example/weights");
    let evil = r#"{"model":{"digest":{"sha256":"DIGEST(weights-1)"},"uri":"gs://attacker/weights"},"name":"model/wine/quality"}"#;
    world.send("trainer", "model.registered", "model/wine/quality", evil);
    let plan = world.plan();
    assert_eq!(plan.choice.as_ref().unwrap().restore[0].places.len(), 5, "the plan tells of all of them");
    for format in [Format::Kustomize, Format::HelmValues, Format::Json] {
        let found = patch(&plan, format).unwrap();
        assert!(found.contains("\"s3://models/one\"") && !found.contains("attacker"), "{found}");
    }
    // Once it is gone from where it was seen, nothing of what is said is taken for it, and the document says why.
    world.destroy("weights-1", "s3://models/one");
    let plan = world.plan();
    assert_eq!(plan.model.state, Yes, "{:?}", plan.model);
    for format in [Format::Kustomize, Format::HelmValues] {
        assert_eq!(patch(&plan, format), Err(PatchError::NoPlace));
    }
    let json: serde_json::Value = serde_json::from_str(&patch(&plan, Format::Json).unwrap()).unwrap();
    assert_eq!(json["storageUri"], serde_json::Value::Null);
    let why = json["leftOut"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("no place is known to hold it; `--check` reads what is said to: gs://attacker"), "{why}");
}

#[test]
fn a_place_with_the_digest_in_it_is_in_a_patch_whoever_said_it_and_another_digest_is_not() {
    let mut world = served_from("file:///models/1");
    let pinned = format!("oci://r.example/models@sha256:{}", hash("weights-1"));
    world.locate("weights-1", &format!("oci://attacker.example/models@sha256:{}", hash("weights-0")));
    world.locate("weights-1", &format!("https://attacker.example/models@sha256:{}", hash("weights-1")));
    world.locate("weights-1", "oci://attacker.example/models:latest");
    assert_eq!(patch(&world.plan(), Format::HelmValues), Err(PatchError::NoPlace));
    world.locate("weights-1", &pinned);
    let found = patch(&world.plan(), Format::HelmValues).unwrap();
    assert!(found.ends_with(&format!("model:\n  storageUri: \"{pinned}\"\n")), "{found}");
}

#[test]
fn a_place_that_was_just_read_is_in_a_patch_and_one_with_other_bytes_is_not() {
    let mut world = served_from("s3://models/one");
    world.locate("weights-1", "https://mirror.example/weights");
    let mut plan = world.plan();
    let check = |place: &str, state| Recheck { place: place.to_owned(), state, found: None, problem: None };
    let checks = &mut plan.choice.as_mut().unwrap().restore[0].checks;
    checks.push(check("https://mirror.example/weights", RecheckState::Rechecked));
    let found = patch(&plan, Format::HelmValues).unwrap();
    assert!(found.ends_with("storageUri: \"https://mirror.example/weights\"\n"), "read just now: {found}");
    let checks = &mut plan.choice.as_mut().unwrap().restore[0].checks;
    *checks = vec![check("s3://models/one", RecheckState::Mismatch)];
    assert_eq!(patch(&plan, Format::HelmValues), Err(PatchError::NoPlace), "other bytes where it was seen");
}

#[test]
fn a_patch_says_what_it_leaves_out() {
    let mut world = World::begin();
    world.pipeline("41", &["acid", "sugar"]);
    world.made("1");
    world.runs(&set(&[part_at("model", "weights-1", "s3://models/1"), part("transform", "pipeline-41")]), 24);
    world.pipeline("43", &["acid"]);
    world.made("2");
    world.runs(&behind("weights-2", "pipeline-43"), 1);
    let plan = world.plan();
    let kustomize = patch(&plan, Format::Kustomize).unwrap();
    for expected in [
        "# Context NO: feature-pipeline",
        "# Not in this patch, restore it too: transform transform/wine/features v41",
        "kind: Component\npatches:\n",
        "      name: \"quality\"\n",
        "        path: /spec/predictor/model/storageUri\n        value: \"s3://models/1\"\n",
    ] {
        assert!(kustomize.contains(expected), "{expected} in\n{kustomize}");
    }
    assert!(patch(&plan, Format::HelmValues).unwrap().ends_with("model:\n  storageUri: \"s3://models/1\"\n"));
    let json: serde_json::Value = serde_json::from_str(&patch(&plan, Format::Json).unwrap()).unwrap();
    assert_eq!(
        (json["storageUri"].as_str(), json["leftOut"].as_array().map(Vec::len)),
        (Some("s3://models/1"), Some(1))
    );
}
