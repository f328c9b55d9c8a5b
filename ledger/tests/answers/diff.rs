//! What differs between two things: five blocks, and what is not known is never the same.

use lineal_ledger::answers::{
    Diff, When,
    diff::{BlockState, Change, Sameness},
};

use super::*;

impl World {
    pub(crate) fn diff(&self, one: &str, other: Option<&str>) -> Diff {
        let diff = answers::diff(&self.view(), one, other, self.clock.wall()).unwrap();
        let json = serde_json::to_string(&diff).unwrap();
        assert_eq!(serde_json::from_str::<Diff>(&json).unwrap(), diff, "the JSON holds all of it");
        let text = diff.to_text(Style::Plain);
        assert_eq!(text.lines().next(), Some(diff.answer.as_str()), "line 1 is the answer");
        assert!(text.trim_end().ends_with(ORIGIN), "{text}");
        diff
    }

    /// Stores the listing of a folder of these files (path and content), and gives the folder's `dirHash`.
    pub(crate) fn store_listing(&self, files: &[(&str, &str)]) -> String {
        let mut listing = Vec::new();
        for (path, content) in files {
            lineal_schemas::listing::write_line(&mut listing, &hash(content), path);
        }
        let digest = EventDigest::of(&listing);
        let path = self.view().attachments.path(&digest);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, listing).unwrap();
        digest.to_string()
    }

    pub(crate) fn run(&mut self, id: &str, data: &str, model: &str, more: &str) -> u64 {
        let run = format!(
            r#"{{"runId":"{id}","job":{{"namespace":"wine","name":"train","kind":"train"}},"outputs":[{{"digest":{{"sha256":"DIGEST({model})"}}}}],"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST({data})"}}}},"role":"training"}}]{more}}}"#
        );
        self.send("trainer", "run.completed", "job/wine/train", &run)
    }

    pub(crate) fn evaluate(&mut self, id: &str, model: &str, data: &str, results: &str) -> u64 {
        let evaluation = format!(
            r#"{{"evaluationId":"{id}","model":{{"digest":{{"sha256":"DIGEST({model})"}}}},"inputs":[{{"artifact":{{"name":"held-out","digest":{{"sha256":"DIGEST({data})"}}}},"role":"test"}}],"harness":{{"name":"evalkit","version":"2.1"}},"results":[{results}]}}"#
        );
        self.send("evaluator", "evaluation.completed", "model/wine/quality", &evaluation)
    }
}

/// Everything that a run can declare; `depth`, the commit's last digit and numpy's version are given.
fn declared(depth: &str, commit: &str, numpy: &str) -> String {
    format!(
        r#","parameters":{{"depth":{depth},"optimizer":{{"lr":0.10}}}},"seeds":{{"rng":42}},"code":{{"artifact":{{"uri":"git+https://git.example/wine","digest":{{"gitCommit":"012345678901234567890123456789012345678{commit}"}}}},"dirty":false}},"environment":{{"image":{{"uri":"oci://wine","digest":{{"sha256":"DIGEST(image)"}}}},"lockfile":{{"digest":{{"sha256":"DIGEST(lock)"}}}},"versions":{{"numpy":"{numpy}","python":"3.12.1"}}}},"hardware":{{"accelerator":"A100","count":2,"deterministic":true}}"#
    )
}

fn states(diff: &Diff) -> [BlockState; 5] {
    diff.blocks().map(|(_name, state)| state)
}

fn rows(changes: &[Change]) -> Vec<(&str, Option<&str>, Option<&str>)> {
    changes.iter().map(|change| (change.what.as_str(), change.before.as_deref(), change.after.as_deref())).collect()
}

use BlockState::{Changed, None as Nothing, Same, Unknown};

#[test]
fn a_service_is_compared_with_what_ran_there_before() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", r#","version":"1","stats":{"rowCount":1599}"#);
    world.snapshot("dataset/wine/red", "red-2", r#","version":"2","stats":{"rowCount":1600}"#);
    world.run("run-1", "red", "weights-1", &declared("3", "9", "2.1.0"));
    world.run("run-2", "red-2", "weights-2", &declared("4", "9", "2.1.0"));
    world.evaluate("ev-1", "weights-1", "test", r#"{"metric":"accuracy","value":"0.90","sampleSize":100}"#);
    world.evaluate("ev-2", "weights-2", "test", r#"{"metric":"accuracy","value":"0.91","sampleSize":100}"#);
    let error = answers::diff(&world.view(), "model/wine/quality", None, world.clock.wall()).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("nothing-to-compare", 2), "a model has no before");
    world.observe(SERVICE, &serving("weights-1"), "");
    let error = answers::diff(&world.view(), SERVICE, None, world.clock.wall()).unwrap_err();
    assert_eq!(error.code(), "nothing-to-compare", "nothing else ran");
    world.observe(SERVICE, &serving("weights-1"), "");
    world.observe(SERVICE, &serving("weights-2"), "");
    world.observe(SERVICE, &serving("weights-2"), "");
    let diff = world.diff(SERVICE, None);
    assert_eq!(states(&diff), [Changed, Same, Changed, Same, Changed], "{}", diff.to_text(Style::Plain));
    assert_eq!((diff.sameness, diff.exit_code()), (Sameness::Other, 1));
    assert!(
        diff.answer.starts_with("3 of 5 blocks changed: data, parameters, metrics (service/wine"),
        "{}",
        diff.answer
    );
    assert_eq!(rows(&diff.parameters.changes), [("depth", Some("3"), Some("4"))]);
    let data = &diff.data.changes[0];
    assert_eq!(rows(&data.changes), [("version", Some("1"), Some("2")), ("rows", Some("1599"), Some("1600"))]);
    assert_eq!(data.unknown, ["columns: not declared"]);
    let number = &diff.metrics.numbers[0];
    assert_eq!((number.differs, number.not_comparable.as_deref()), (true, None));
    let text = diff.to_text(Style::Plain);
    for line in ["code: the same", "environment: the same", "  depth: 3 -> 4", "    rows: 1599 -> 1600"] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(text.contains("accuracy: 0.90 (n 100) -> 0.91 (n 100)\n"), "{text}");
    // As of then, the other way round did not exist yet.
    let when = When { at: Some(diff.before.seen.as_ref().unwrap().at), ..world.clock.wall().into() };
    let error = answers::diff(&world.view(), SERVICE, None, when).unwrap_err();
    assert_eq!(error.code(), "nothing-to-compare");
}

#[test]
fn the_same_thing_is_the_same_and_exact_numbers_are_compared_by_value() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    world.run("run-1", "red", "weights-1", &declared("3", "9", "2.1.0"));
    world.run("run-2", "red", "weights-2", &declared("3.0", "9", "2.1.0").replace("0.10", "1e-1"));
    world.evaluate("ev-1", "weights-1", "test", r#"{"metric":"accuracy","value":"0.90"}"#);
    world.evaluate("ev-2", "weights-2", "test", r#"{"metric":"accuracy","value":0.9}"#);
    let (one, two) = (format!("sha256:{}", hash("weights-1")), format!("sha256:{}", hash("weights-2")));
    let diff = world.diff(&one, Some(&two));
    assert_eq!(states(&diff), [Same; 5], "{}", diff.to_text(Style::Plain));
    assert_eq!((diff.sameness, diff.exit_code()), (Sameness::Other, 1), "the same was done, and other bytes came out");
    assert!(diff.answer.starts_with("none of 5 blocks is known to differ ("), "{}", diff.answer);
    let same = world.diff(&one, Some(&one));
    assert_eq!((same.sameness, same.exit_code()), (Sameness::Same, 0));
    assert!(same.answer.starts_with("the same ("), "{}", same.answer);
}

#[test]
fn what_a_side_does_not_declare_is_unknown_and_never_the_same() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    world.run("run-1", "red", "weights-1", &declared("3", "9", "2.1.0"));
    world.run("run-2", "red", "weights-2", "");
    let (one, two) = (format!("sha256:{}", hash("weights-1")), format!("sha256:{}", hash("weights-2")));
    let diff = world.diff(&one, Some(&two));
    assert_eq!(states(&diff), [Same, Unknown, Unknown, Unknown, Nothing]);
    assert_eq!(diff.code.unknown, ["code: declared before, not declared after"]);
    assert!(diff.answer.contains("UNKNOWN: code, parameters, environment"), "{}", diff.answer);
    assert!(diff.to_text(Style::Plain).contains("  ? seeds: declared before, not declared after"));
    // Both ran with changes that nobody has kept: the same commit is not the same code.
    let dirty = declared("3", "9", "2.1.0").replace(r#""dirty":false"#, r#""dirty":true"#);
    world.run("run-3", "red", "weights-3", &dirty);
    world.run("run-4", "red", "weights-4", &dirty);
    let (three, four) = (format!("sha256:{}", hash("weights-3")), format!("sha256:{}", hash("weights-4")));
    assert_eq!(world.diff(&three, Some(&four)).code.state, Unknown);
    assert_eq!(rows(&world.diff(&one, Some(&three)).code.changes)[0].2, Some("some"));
    let patch = |content: &str| {
        format!(r#"{dirty},"attachments":[{{"role":"diff","digest":{{"sha256":"DIGEST({content})"}},"size":1}}]"#)
    };
    world.run("run-5", "red", "weights-5", &patch("a"));
    world.run("run-6", "red", "weights-6", &patch("a"));
    world.run("run-7", "red", "weights-7", &patch("b"));
    let named = |model: &str| format!("sha256:{}", hash(model));
    assert_eq!(world.diff(&named("weights-5"), Some(&named("weights-6"))).code.state, Same);
    assert_eq!(world.diff(&named("weights-6"), Some(&named("weights-7"))).code.state, Changed);
}

#[test]
fn code_and_environment_are_told_apart_to_the_library() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    world.run("run-1", "red", "weights-1", &declared("3", "9", "2.1.0"));
    let other = declared("3", "8", "2.2.0").replace("A100", "H100").replace("DIGEST(image)", "DIGEST(image-2)");
    world.run("run-2", "red", "weights-2", &other);
    let diff = world.diff(&hash("weights-1"), Some(&hash("weights-2")));
    assert_eq!(states(&diff), [Same, Changed, Same, Changed, Nothing]);
    assert_eq!(rows(&diff.code.changes)[0].0, "commit");
    let changed: Vec<&str> = diff.environment.changes.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(changed, ["image", "numpy", "accelerator"]);
    assert_eq!(rows(&diff.environment.changes)[1], ("numpy", Some("2.1.0"), Some("2.2.0")));
}

#[test]
fn data_are_told_apart_down_to_the_files() {
    let mut world = World::begin();
    let columns = |amount: &str| {
        format!(r#","schema":{{"fields":[{{"name":"id","type":"int"}},{{"name":"amount","type":"{amount}"}}]}}"#)
    };
    let before = world.store_listing(&[("a", "1"), ("b", "2"), ("c/d", "3")]);
    let after = world.store_listing(&[("a", "1"), ("b", "two"), ("e", "5")]);
    let gone = hash("a listing that nobody stored");
    for (version, digest, amount) in [("1", &before, "float"), ("2", &after, "string"), ("3", &gone, "string")] {
        let data = format!(
            r#"{{"dataset":{{"digest":{{"dirHash":"{digest}"}}}},"name":"dataset/wine/red","version":"{version}","stats":{{"rowCount":3}},"sources":[{{"uri":"s3://archive/{version}"}}]{}}}"#,
            columns(amount)
        );
        world.send("data", "dataset.snapshotted", "dataset/wine/red", &data);
    }
    let diff = world.diff("dataset/wine/red@1", Some("dataset/wine/red@2"));
    assert_eq!(states(&diff), [Changed, Nothing, Nothing, Nothing, Nothing], "{}", diff.to_text(Style::Plain));
    let change = &diff.data.changes[0];
    assert_eq!(
        rows(&change.changes),
        [
            ("version", Some("1"), Some("2")),
            ("column amount", Some("float"), Some("string")),
            ("source", Some("s3://archive/1"), None),
            ("source", None, Some("s3://archive/2"))
        ]
    );
    let files = change.files.as_ref().unwrap();
    assert_eq!((files.added, files.removed, files.changed, files.unchanged, files.truncated), (1, 1, 1, 1, false));
    let listed: Vec<&str> = files.listed.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(listed, ["b", "c/d", "e"]);
    assert_eq!(files.listed[0].after.as_deref(), Some(hash("two").as_str()));
    let text = diff.to_text(Style::Plain);
    for line in ["    files: 1 added, 1 removed, 1 changed, 1 the same", "      ~ b", "      - c/d", "      + e"] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let diff = world.diff("dataset/wine/red@2", Some("dataset/wine/red@3"));
    let change = &diff.data.changes[0];
    assert!(change.files.is_none() && change.unknown[0].contains("is not stored"), "{:?}", change.unknown);
    // Bytes that are not those of the name are no listing.
    let path = world.view().attachments.path(&after.parse().unwrap());
    std::fs::write(path, format!("{}  a\n", hash("1"))).unwrap();
    let diff = world.diff("dataset/wine/red@1", Some("dataset/wine/red@2"));
    assert!(diff.data.changes[0].unknown[0].contains("its bytes are not those of its name"));
}

#[test]
fn numbers_that_were_measured_otherwise_are_not_compared() {
    let mut world = World::deployed();
    world.train("run-2", "red", "weights-2");
    let sliced = |value: &str| {
        format!(
            r#"{{"metric":"recall","value":"{value}"}},{{"metric":"recall","value":"0.5","slice":{{"country":"BR"}}}}"#
        )
    };
    world.evaluate("ev-1", "weights-1", "test", &sliced("0.7"));
    world.evaluate("ev-2", "weights-2", "other-test", &sliced("0.9"));
    let (one, two) = (hash("weights-1"), hash("weights-2"));
    let diff = world.diff(&one, Some(&two));
    assert_eq!(diff.metrics.state, Unknown, "{}", diff.to_text(Style::Plain));
    assert_eq!(diff.metrics.numbers.len(), 2);
    assert!(
        diff.metrics.numbers.iter().all(|pair| pair.not_comparable.as_deref() == Some("not comparable: other data"))
    );
    assert!(diff.to_text(Style::Plain).contains("recall: 0.7 -> 0.9 (not comparable: other data)"));
    // On the same data, the last measurement counts, and what has no number is unknown.
    world.evaluate("ev-3", "weights-2", "test", &sliced("0.6"));
    let none = r#"{"metric":"recall","value":"0.7"},{"metric":"recall","missing":{"reason":"below-min-n","n":4},"slice":{"country":"BR"}}"#;
    world.evaluate("ev-4", "weights-2", "test", none);
    let diff = world.diff(&one, Some(&two));
    let same = diff.metrics.numbers.iter().find(|pair| pair.slice.is_empty() && pair.not_comparable.is_none()).unwrap();
    assert!(!same.differs, "0.7 twice");
    assert_eq!(diff.metrics.state, Unknown);
    assert!(
        diff.to_text(Style::Plain)
            .contains("recall [country=BR]: 0.5 -> no number: below-min-n (n 4) (no number after)")
    );
}

#[test]
fn a_canary_is_compared_with_what_it_stands_beside() {
    let mut world = World::deployed();
    world.train("run-2", "red", "weights-2");
    let both = |old: &str, new: &str| format!("{},{}", shared(old, "weights-1"), shared(new, "weights-2"));
    world.observe(SERVICE, &both("0.9", "0.1"), "");
    let diff = world.diff(SERVICE, None);
    let labels = |diff: &Diff| [&diff.before, &diff.after].map(|side| side.parts.len());
    assert_eq!(labels(&diff), [1, 1], "{}", diff.answer);
    assert!(diff.answer.contains("weights") || diff.answer.contains("(share 0.1)"), "{}", diff.answer);
    // Other shares alone are no other serving set; two of them are told apart all the same.
    let tenth = world.running().services[0].observation.index;
    world.observe(SERVICE, &both("0.5", "0.5"), "");
    assert_eq!(world.diff(SERVICE, None).before.parts.len(), 1);
    let diff = world.diff(&format!("#{tenth}"), Some(SERVICE));
    assert_eq!((diff.sameness, diff.exit_code()), (Sameness::Other, 1));
    assert!(diff.answer.starts_with("the shares differ, and none of 5 blocks"), "{}", diff.answer);
    // What is there no longer leaves the one that stayed.
    world.observe(SERVICE, &serving("weights-2"), "");
    let diff = world.diff(SERVICE, None);
    assert!(diff.before.parts[0].label.contains("model/wine/quality v1"), "{:?}", diff.before);
    assert_eq!(labels(&diff), [1, 1]);
}

#[test]
fn a_silent_observer_leaves_it_unknown_what_is_compared() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    world.run("run-1", "red", "weights-1", &declared("3", "9", "2.1.0"));
    let seen = world.observe(SERVICE, &serving("weights-1"), r#","nextWithinSeconds":60"#);
    let seen = format!("#{seen}");
    assert_eq!(world.diff(&seen, Some(SERVICE)).exit_code(), 0);
    world.clock.advance(600);
    let diff = world.diff(&seen, Some(SERVICE));
    assert_eq!(diff.exit_code(), 2);
    assert!(diff.answer.contains(&format!("; what runs at {SERVICE} is UNKNOWN since ")), "{}", diff.answer);
    assert!(diff.to_text(Style::Plain).contains(", UNKNOWN since"));
}

#[test]
fn a_missing_run_is_unknown_and_an_outside_model_has_none() {
    let mut world = World::begin();
    world.register("model/wine/quality", "1", "weights-1", "");
    world.register("model/wine/quality", "2", "weights-2", "");
    let diff = world.diff("model/wine/quality@1", Some("model/wine/quality@2"));
    assert_eq!(states(&diff), [Unknown, Unknown, Unknown, Unknown, Nothing]);
    assert!(diff.code.unknown[0].starts_with("no run is recorded that made model/wine/quality"), "{:?}", diff.code);
    let outside = r#","supplier":"Vendor","external":true"#;
    world.register("model/vendor/base", "1", "base-1", outside);
    world.register("model/vendor/base", "2", "base-2", outside);
    let diff = world.diff("model/vendor/base@1", Some("model/vendor/base@2"));
    assert_eq!(states(&diff), [Nothing; 5]);
    assert_eq!(diff.exit_code(), 1, "they are other models");
}
