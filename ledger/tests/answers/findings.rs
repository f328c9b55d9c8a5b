//! What is wrong: each rule finds what it names, and nothing where nothing is the matter.

use lineal_ledger::answers::{
    Findings, When,
    findings::{Finding, Rule, Severity},
};

use super::*;

pub(crate) fn findings(world: &World) -> Findings {
    let found = answers::findings(&world.view(), None, None, world.clock.wall()).unwrap();
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Findings>(&json).unwrap(), found, "the JSON holds all of it");
    let text = found.to_text(Style::Plain);
    assert_eq!(text.lines().next(), Some(found.answer.as_str()), "line 1 is the answer");
    assert!(text.trim_end().ends_with(ORIGIN), "{text}");
    assert!(found.findings.iter().all(|finding| !finding.evidence.is_empty()), "{text}");
    found
}

pub(crate) fn rules(world: &World) -> Vec<Rule> {
    findings(world).findings.iter().map(|finding| finding.rule).collect()
}

pub(crate) fn one(world: &World, rule: Rule) -> Finding {
    let mut found = findings(world).findings;
    found.retain(|finding| finding.rule == rule);
    assert_eq!(found.len(), 1, "{}", findings(world).to_text(Style::Plain));
    found.remove(0)
}

pub(crate) fn roles(finding: &Finding) -> Vec<&str> {
    finding.evidence.iter().map(|evidence| evidence.role.as_str()).collect()
}

pub(crate) fn ask(world: &mut World, sets: &str) -> u64 {
    let data = format!(r#"{{"service":"{SERVICE}","servingSet":[{sets}],"door":"argo-cd"}}"#);
    world.send("deployer", "deployment.requested", SERVICE, &data)
}

/// Asked for, trained, registered and seen: nothing is the matter.
pub(crate) fn sound() -> World {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", r#","version":"2026-11""#);
    world.train("run-1", "red", "weights-1");
    world.register("model/wine/quality", "1", "weights-1", "");
    ask(&mut world, &serving("weights-1"));
    world.observe(SERVICE, &serving("weights-1"), "");
    world
}

#[test]
fn nothing_is_found_where_nothing_is_the_matter() {
    let world = sound();
    let found = findings(&world);
    assert_eq!((found.findings.len(), found.exit_code()), (0, 0), "{}", found.to_text(Style::Plain));
    assert_eq!(found.answer, "nothing was found");
}

#[test]
fn what_is_live_on_flagged_data_is_critical_and_shown_with_the_way_to_it() {
    let mut world = sound();
    let (flag, _event) = world.flag("red", "poisoned", "");
    let finding = one(&world, Rule::LiveOnFlaggedData);
    assert_eq!((finding.severity, roles(&finding)), (Severity::Critical, vec!["flagged", "leads to it", "observed"]));
    assert_eq!(finding.evidence[0].event.index, flag);
    assert!(finding.line.contains("<- job/wine/train run run-1 <- dataset/wine/red"), "{}", finding.line);
    assert_eq!(finding.evidence[1].event.kind, "run.completed", "once, though two steps of the way are its own");
    assert_eq!(finding.services, [SERVICE]);
    assert_eq!(findings(&world).exit_code(), 1);
    // The same as long as it is about the same; another flag on the same data changes nothing of that.
    world.flag("red", "licence", "");
    assert_eq!(one(&world, Rule::LiveOnFlaggedData).id, finding.id);
    world.clear("red", "");
    assert!(rules(&world).is_empty());
    world.flag("red", "quality", r#","severity":"warn""#);
    assert_eq!(one(&world, Rule::LiveOnFlaggedData).severity, Severity::Medium);
}

#[test]
fn what_nobody_asked_for_is_found_part_by_part() {
    let mut world = sound();
    world.train("run-2", "red", "weights-2");
    ask(&mut world, &serving("weights-2"));
    // On the way from one to the next: both parts were asked for.
    world.observe(SERVICE, &format!("{},{}", shared("0.9", "weights-1"), shared("0.1", "weights-2")), "");
    assert!(rules(&world).is_empty(), "{:?}", findings(&world).answer);
    world.train("run-3", "red", "weights-3");
    world.observe(SERVICE, &serving("weights-3"), "");
    let finding = one(&world, Rule::ObservedNeverRequested);
    assert!(finding.line.contains(&hash("weights-3")[..12]), "{}", finding.line);
    // What a rollback restores was asked for.
    let mut world = World::begin();
    let first = format!(r#"{{"service":"{SERVICE}","servingSet":[{}]}}"#, serving("weights-1"));
    let (_index, event) = world.send_event("deployer", "deployment.requested", SERVICE, &first);
    ask(&mut world, &serving("weights-2"));
    world.send(
        "deployer",
        "deployment.rolledback",
        SERVICE,
        &format!(r#"{{"service":"{SERVICE}","restores":"{event}"}}"#),
    );
    world.observe(SERVICE, &serving("weights-1"), "");
    assert!(!rules(&world).contains(&Rule::ObservedNeverRequested));
}

#[test]
fn what_was_asked_for_and_never_seen_is_found_after_a_while() {
    let mut world = sound();
    world.train("run-2", "red", "weights-2");
    let index = ask(&mut world, &serving("weights-2"));
    world.clock.advance(14 * 60);
    assert!(rules(&world).is_empty(), "it may be on its way");
    world.clock.advance(60);
    let finding = one(&world, Rule::RequestedNeverObserved);
    assert_eq!((finding.evidence[0].event.index, roles(&finding)), (index, vec!["requested", "observed"]));
    world.observe(SERVICE, &serving("weights-2"), "");
    assert!(rules(&world).is_empty());
    // It was seen once; that something else came after it is not this rule's.
    world.observe(SERVICE, &serving("weights-1"), "");
    assert!(rules(&world).is_empty());
    // Of a service that nobody ever saw, too; unless it was ended.
    let other = "service/wine/other@eu-1/prod";
    let data = format!(r#"{{"service":"{other}","servingSet":[{}]}}"#, serving("weights-1"));
    world.send("deployer", "deployment.requested", other, &data);
    world.clock.advance(3600);
    assert_eq!(one(&world, Rule::RequestedNeverObserved).services, [other]);
    world.send("deployer", "deployment.removed", other, &format!(r#"{{"service":"{other}"}}"#));
    assert!(rules(&world).is_empty());
}

#[test]
fn other_bytes_under_the_name_that_was_asked_for_are_critical() {
    let placed = |content: &str| {
        format!(
            r#"{{"components":[{{"role":"model","artifact":{{"uri":"s3://models/42","digest":{{"sha256":"DIGEST({content})"}}}},"binding":"pinned"}}]}}"#
        )
    };
    let mut world = sound();
    world.train("run-2", "red", "weights-2");
    ask(&mut world, &placed("weights-1"));
    world.observe(SERVICE, &placed("weights-1"), "");
    assert!(rules(&world).is_empty());
    world.observe(SERVICE, &placed("weights-2"), "");
    let finding = one(&world, Rule::DigestMismatch);
    assert!(finding.line.contains("the model called s3://models/42"), "{}", finding.line);
    assert_eq!(findings(&world).findings[0].rule, Rule::DigestMismatch, "the most severe comes first");
}

#[test]
fn a_version_that_means_two_things_is_found() {
    let mut world = sound();
    world.register("model/wine/quality", "2", "weights-2", "");
    assert!(rules(&world).is_empty());
    world.register("model/wine/quality", "1", "weights-2", "");
    let finding = one(&world, Rule::VersionWithTwoDigests);
    assert_eq!(roles(&finding), ["this", "other"]);
    // Two digests of one thing are no two things.
    let same = r#"{"a":{"digest":{"sha256":"DIGEST(weights-1)"}},"b":{"digest":{"sha256":"DIGEST(weights-2)"}},"method":"copied"}"#;
    world.send("data", "artifact.equated", "artifact/wine/copy", same);
    assert!(rules(&world).is_empty());
}

#[test]
fn a_rollback_that_something_undid_is_found() {
    let mut world = sound();
    world.train("run-2", "red", "weights-2");
    let (_index, first) = {
        let data = format!(r#"{{"service":"{SERVICE}","servingSet":[{}]}}"#, serving("weights-1"));
        world.send_event("deployer", "deployment.requested", SERVICE, &data)
    };
    ask(&mut world, &serving("weights-2"));
    world.observe(SERVICE, &serving("weights-2"), "");
    world.send(
        "deployer",
        "deployment.rolledback",
        SERVICE,
        &format!(r#"{{"service":"{SERVICE}","restores":"{first}"}}"#),
    );
    assert!(rules(&world).is_empty(), "it takes a moment");
    world.observe(SERVICE, &serving("weights-1"), "");
    assert!(rules(&world).is_empty());
    world.observe(SERVICE, &serving("weights-2"), "");
    assert_eq!(roles(&one(&world, Rule::RollbackUndone)), ["requested", "rolled back", "observed"]);
    ask(&mut world, &serving("weights-2"));
    assert!(rules(&world).is_empty(), "it was asked for again");
}

fn evaluated(world: &mut World, id: &str, data: &str) {
    let evaluation = format!(
        r#"{{"evaluationId":"{id}","model":{{"digest":{{"sha256":"DIGEST(weights-1)"}}}},"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST({data})"}}}},"role":"test"}}],"results":[{{"metric":"accuracy","value":"0.914"}}]}}"#
    );
    world.send("evaluator", "evaluation.completed", "model/wine/quality", &evaluation);
}

#[test]
fn an_evaluation_on_what_the_model_was_made_from_is_found() {
    let mut world = sound();
    evaluated(&mut world, "ev-1", "held-out");
    assert!(rules(&world).is_empty());
    evaluated(&mut world, "ev-2", "red");
    let finding = one(&world, Rule::EvaluatedOnTrainingData);
    assert_eq!(roles(&finding), ["measured", "used", "observed"]);
    assert_eq!(finding.evidence[1].event.kind, "run.completed");
    assert!(finding.line.contains("ev-2"), "{}", finding.line);
}

/// A snapshot of features is data, as the gate has it: measured on what was learnt from, the number proves nothing.
#[test]
fn features_that_were_learnt_from_leak_as_other_data_do_and_a_tokenizer_does_not() {
    for (role, leaks) in [("features", true), ("corpus", true), ("tokenizer", false), ("preprocessor", false)] {
        let mut world = World::begin();
        world.snapshot("dataset/wine/red", "red", "");
        world.snapshot("dataset/wine/features", "features", "");
        let data = format!(
            r#"{{"runId":"run-1","job":{{"namespace":"wine","name":"train","kind":"train"}},"outputs":[{{"digest":{{"sha256":"DIGEST(weights-1)"}}}}],"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST(red)"}}}},"role":"training"}},{{"artifact":{{"digest":{{"sha256":"DIGEST(features)"}}}},"role":"{role}","influence":"weights"}}]}}"#
        );
        world.send("trainer", "run.completed", "job/wine/train", &data);
        ask(&mut world, &serving("weights-1"));
        world.observe(SERVICE, &serving("weights-1"), "");
        let measured = format!(
            r#"{{"evaluationId":"ev-1","model":{{"digest":{{"sha256":"DIGEST(weights-1)"}}}},"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST(features)"}}}},"role":"{role}"}}],"results":[{{"metric":"auc","value":"0.9"}}]}}"#
        );
        world.send("evaluator", "evaluation.completed", "model/wine/quality", &measured);
        assert_eq!(rules(&world).contains(&Rule::EvaluatedOnTrainingData), leaks, "{role}");
    }
}

/// The parts of a data set are measured on and trained on: what leaks is a part of what was used whole.
#[test]
fn a_part_leaks_where_the_whole_was_used_and_not_where_another_part_was() {
    let parts = r#","splits":[{"name":"train","artifact":{"digest":{"sha256":"DIGEST(red-train)"}}},{"name":"test","artifact":{"digest":{"sha256":"DIGEST(red-test)"}}}]"#;
    for (used, leaks) in [("red", true), ("red-train", false)] {
        let mut world = World::begin();
        world.snapshot("dataset/wine/red", "red", parts);
        world.train("run-1", used, "weights-1");
        ask(&mut world, &serving("weights-1"));
        world.observe(SERVICE, &serving("weights-1"), "");
        evaluated(&mut world, "ev-1", "red-test");
        assert_eq!(rules(&world), if leaks { vec![Rule::EvaluatedOnTrainingData] } else { vec![] }, "{used}");
    }
}

#[test]
fn an_evaluation_that_was_made_again_and_one_without_a_result_are_found() {
    let mut world = sound();
    evaluated(&mut world, "ev-1", "held-out");
    evaluated(&mut world, "ev-1", "other");
    assert!(rules(&world).is_empty(), "of other data");
    evaluated(&mut world, "ev-2", "held-out");
    assert_eq!(roles(&one(&world, Rule::RepeatedEvaluation)), ["measured", "measured", "observed"]);
    let mut world = sound();
    let started = r#"{"evaluationId":"ev-7","model":{"digest":{"sha256":"DIGEST(weights-1)"}}}"#;
    world.send("evaluator", "evaluation.started", "model/wine/quality", started);
    world.clock.advance(23 * 3600);
    assert!(rules(&world).is_empty());
    world.clock.advance(3600);
    assert_eq!(roles(&one(&world, Rule::EvaluationWithoutResult)), ["announced", "observed"]);
    evaluated(&mut world, "ev-7", "held-out");
    assert!(rules(&world).is_empty());
}

#[test]
fn a_transform_that_differs_from_the_one_of_the_training_is_found() {
    let published = |content: &str| {
        format!(
            r#"{{"kind":"preprocessor","artifact":{{"digest":{{"sha256":"DIGEST({content})"}}}},"name":"transform/wine/scale"}}"#
        )
    };
    let behind = |transform: &str| {
        format!(
            r#"{{"components":[{{"role":"model","artifact":{{"digest":{{"sha256":"DIGEST(weights-1)"}}}}}},{{"role":"transform","artifact":{{"digest":{{"sha256":"DIGEST({transform})"}}}}}},{{"role":"transform","artifact":{{"digest":{{"sha256":"DIGEST(prompt)"}}}}}}]}}"#
        )
    };
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    world.send("data", "transform.published", "transform/wine/scale", &published("scale-1"));
    world.send("data", "transform.published", "transform/wine/scale", &published("scale-2"));
    let run = r#"{"runId":"run-1","job":{"namespace":"wine","name":"train","kind":"train"},"outputs":[{"digest":{"sha256":"DIGEST(weights-1)"}}],"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"role":"training"},{"artifact":{"digest":{"sha256":"DIGEST(scale-1)"}},"role":"preprocessor"}]}"#;
    world.send("trainer", "run.completed", "job/wine/train", run);
    ask(&mut world, &behind("scale-1"));
    world.observe(SERVICE, &behind("scale-1"), "");
    assert!(rules(&world).is_empty(), "{}", findings(&world).to_text(Style::Plain));
    ask(&mut world, &behind("scale-2"));
    world.observe(SERVICE, &behind("scale-2"), "");
    let finding = one(&world, Rule::TransformDiffers);
    assert_eq!(roles(&finding), ["trained", "observed"]);
    assert!(finding.line.contains(&hash("scale-2")[..12]) && finding.line.contains(&hash("scale-1")[..12]));
}

#[test]
fn a_weak_identity_matters_in_production() {
    let part =
        |artifact: &str, more: &str| format!(r#"{{"components":[{{"role":"image","artifact":{artifact}{more}}}]}}"#);
    let strong = r#"{"digest":{"sha256":"DIGEST(image)"}}"#;
    for (artifact, more, weak) in [
        (strong, "", false),
        (strong, r#","binding":"floating""#, true),
        (r#"{"uri":"oci://images/wine:latest"}"#, "", true),
        (r#"{"digest":{"md5":"abc"}}"#, "", true),
    ] {
        for (service, counts) in [(SERVICE, weak), ("service/wine/quality@eu-1/test", false)] {
            let mut world = World::begin();
            let set = part(artifact, more);
            let data = format!(r#"{{"service":"{service}","servingSet":[{set}]}}"#);
            world.send("deployer", "deployment.requested", service, &data);
            world.observe(service, &set, "");
            assert_eq!(rules(&world), if counts { vec![Rule::WeakIdentity] } else { vec![] }, "{artifact} {service}");
            // Where an environment is asked about, it is the one that matters.
            let asked = answers::findings(&world.view(), Some("eu-1"), None, world.clock.wall()).unwrap();
            assert_eq!(asked.findings.len(), usize::from(weak), "{artifact} {service}");
            let elsewhere = answers::findings(&world.view(), Some("eu-2"), None, world.clock.wall()).unwrap();
            assert_eq!(elsewhere.exit_code(), 0);
        }
    }
}

#[test]
fn a_silent_observer_alone_leaves_it_undecided() {
    let mut world = sound();
    world.observe(SERVICE, &serving("weights-1"), r#","nextWithinSeconds":60"#);
    assert!(rules(&world).is_empty());
    world.clock.advance(62);
    assert_eq!(rules(&world), [Rule::ObserverSilent]);
    assert_eq!(findings(&world).exit_code(), 2);
    world.flag("red", "poisoned", "");
    assert_eq!(rules(&world), [Rule::LiveOnFlaggedData, Rule::ObserverSilent]);
    assert_eq!(findings(&world).exit_code(), 1, "what was seen last counts until it is known better");
}

#[test]
fn a_broken_ancestry_is_not_a_clean_one() {
    let mut world = World::begin();
    ask(&mut world, &serving("weights-1"));
    world.observe(SERVICE, &serving("weights-1"), "");
    let finding = {
        let mut found = findings(&world).findings;
        assert_eq!(found.len(), 1);
        found.remove(0)
    };
    assert_eq!(finding.rule, Rule::LineageBroken);
    assert!(finding.line.contains("no run.completed says what made"), "{}", finding.line);
    world.train("run-1", "red", "weights-1");
    world.snapshot("dataset/wine/red", "red", "");
    assert!(rules(&world).is_empty());
}

#[test]
fn a_gap_is_found_as_it_was_known_and_is_gone_once_it_is_filled() {
    let mut world = sound();
    let data = |content: &str| format!(r#"{{"dataset":{{"digest":{{"sha256":"DIGEST({content})"}}}}}}"#);
    let time = world.clock.wall();
    let withheld = world.sign("data", "dataset.snapshotted", "dataset/wine/a", &data("a"), time);
    let next = world.sign("data", "dataset.snapshotted", "dataset/wine/b", &data("b"), time);
    let before = world.view().record.size() - 1;
    let index = world.submit(next);
    let finding = one(&world, Rule::ProducerGap);
    assert!(finding.line.ends_with(": 1 number never arrived (2)"), "{}", finding.line);
    assert_eq!(roles(&finding), ["before", "after"]);
    world.submit(withheld);
    assert!(rules(&world).is_empty());
    let known = |entry| {
        let when = When { known: Some(answers::Known::Entry(entry)), ..world.clock.wall().into() };
        answers::findings(&world.view(), None, None, when).unwrap().findings
    };
    assert_eq!(known(index), [finding], "as it was known then");
    assert!(known(before).is_empty());
}

#[test]
fn what_arrives_an_hour_late_is_found_by_its_source() {
    let mut world = sound();
    let data = r#"{"dataset":{"digest":{"sha256":"DIGEST(late)"}}}"#;
    let time = world.clock.wall();
    let late = world.sign("data", "dataset.snapshotted", "dataset/wine/late", data, time);
    let later = world.sign("data", "dataset.snapshotted", "dataset/wine/late", data, time);
    world.clock.advance(59 * 60 + 59);
    world.submit(late);
    assert!(rules(&world).is_empty());
    world.clock.advance(1);
    let index = world.submit(later);
    let finding = one(&world, Rule::LateArrival);
    assert!(finding.line.ends_with(": 1 event arrived late, by 60 min at the most"), "{}", finding.line);
    assert_eq!((finding.severity, finding.evidence[0].event.index), (Severity::Low, index));
    let severe = answers::findings(&world.view(), None, Some(Severity::Medium), world.clock.wall()).unwrap();
    assert_eq!((severe.findings.len(), severe.answer.as_str()), (0, "nothing of severity medium or more was found"));
    assert_eq!("urgent".parse::<Severity>().unwrap_err().code(), "unknown-severity");
}

#[test]
fn what_a_stolen_key_said_is_found_under_what_runs() {
    let mut world = sound();
    let keyid = world.senders["trainer"].key.keyid();
    let revoke = |since: &str| format!(r#"{{"keyid":"{keyid}","reason":"stolen","compromisedSince":"{since}"}}"#);
    world.send("root", "key.revoked", &format!("key/{keyid}"), &revoke("2020-01-01T00:00:00Z"));
    let finding = one(&world, Rule::SuspectKey);
    assert!(finding.line.contains(&keyid.to_string()), "{}", finding.line);
    assert_eq!(roles(&finding), ["signed", "signed", "observed"], "the run, the registration");
}

#[test]
fn what_could_not_be_looked_at_is_no_health() {
    let mut found = findings(&sound());
    found.undecided.push("model/wine/quality: more than 10000 artifacts and runs are upstream of it".to_owned());
    assert_eq!(found.exit_code(), 2);
}

/// Whoever reads a finding looks its rule up.
#[test]
fn every_rule_is_in_the_schema_and_on_the_page() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ANSWERS.md")).unwrap();
    let common = answers::schemas::schema("common.v1.json").unwrap();
    let common: serde_json::Value = serde_json::from_str(common).unwrap();
    let rules = common["$defs"]["rule"]["oneOf"].as_array().unwrap();
    assert_eq!(rules.len(), Rule::ALL.len());
    for rule in Rule::ALL {
        let row = format!("| `{}` | {}", rule.as_str(), rule.severity().as_str());
        assert!(page.contains(&row), "{row}");
        assert!(rules.iter().any(|known| known["const"] == rule.as_str()), "{row}");
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
    }
}

/// A model that two services serve is wrong once.
#[test]
fn a_model_is_found_once_whatever_serves_it() {
    let mut world = sound();
    let other = "service/wine/other@eu-1/prod";
    let data = format!(r#"{{"service":"{other}","servingSet":[{}]}}"#, serving("weights-1"));
    world.send("deployer", "deployment.requested", other, &data);
    world.observe(other, &serving("weights-1"), "");
    evaluated(&mut world, "ev-2", "red");
    let finding = one(&world, Rule::EvaluatedOnTrainingData);
    assert_eq!(finding.services, [other, SERVICE]);
    assert_eq!(roles(&finding), ["measured", "used", "observed", "observed"]);
    assert!(findings(&world).to_text(Style::Plain).contains(&format!("live at {other}, {SERVICE}")));
}
