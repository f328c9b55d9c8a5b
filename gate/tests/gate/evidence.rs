//! Where the numbers come from: attempts, data, lineage, flags, identity.

use lineal_gate::verdict::Outcome::{Fail, NoEvidence, Pass};
use lineal_schemas::vocabulary::gate::GateVerdict;
use serde_json::json;

use crate::world::{MODEL, SERVICE, World, file, got, hex, rule};

const AUC: &str = "[[metric]]\nname = \"auc\"\nmin = \"0.90\"\n";

fn with(evaluation: &str) -> String {
    format!("[evaluation]\n{evaluation}\n{AUC}")
}

#[test]
fn wrong_evaluation_data_do_not_count() {
    let mut world = World::new();
    world.data("another");
    world.measured("new", "another", json!([{"metric": "auc", "value": "0.99"}]));
    for pinned in
        [format!("data = [\"sha256:{}\"]", hex("held-out")), "data = [\"dataset/payments/held-out\"]".to_owned()]
    {
        let verdict = world.verdict(&with(&pinned));
        let (outcome, found) = got(&verdict, "evaluation");
        assert_eq!(outcome, NoEvidence);
        assert!(found.contains("other data: another"), "{found}");
        assert_eq!(verdict.verdict, GateVerdict::Deny);
    }
    assert_eq!(rule(&world.verdict(&with("data = [\"dataset/payments/another\"]")), "evaluation").outcome, Pass);
}

#[test]
fn evaluation_data_inside_the_training_ancestry_fail() {
    let policy = with("disjoint_from_training = true");
    let mut world = World::new();
    world.measured("new", "transactions", json!([{"metric": "auc", "value": "0.99"}]));
    let verdict = world.verdict(&policy);
    assert_eq!(rule(&verdict, "evaluation/disjoint").outcome, Fail);
    assert_eq!(verdict.verdict, GateVerdict::Deny);
    assert_eq!(rule(&World::new().auc(json!("0.99")).verdict(&policy), "evaluation/disjoint").outcome, Pass);
}

#[test]
fn data_deeper_in_the_ancestry_are_found_and_sister_splits_are_not() {
    let policy = with("disjoint_from_training = true");
    let mut world = World::new();
    let derived = json!({"dataset": file("features"), "derivedFrom": [file("held-out")]});
    world.say("data-team", "dataset.snapshotted", "dataset/payments/features", derived);
    world.trained("deep", &["features"]);
    world.measured("deep", "held-out", json!([{"metric": "auc", "value": "0.99"}]));
    assert_eq!(rule(&world.verdict_on(file("deep"), &policy), "evaluation/disjoint").outcome, Fail);
    let whole = json!({"dataset": file("whole"), "splits": [
        {"name": "train", "artifact": file("train-part")}, {"name": "test", "artifact": file("test-part")}]});
    world.say("data-team", "dataset.snapshotted", "dataset/payments/whole", whole);
    world.trained("sister", &["train-part"]);
    world.measured("sister", "test-part", json!([{"metric": "auc", "value": "0.99"}]));
    assert_eq!(rule(&world.verdict_on(file("sister"), &policy), "evaluation/disjoint").outcome, Pass);
    world.trained("greedy", &["train-part", "whole"]);
    world.measured("greedy", "test-part", json!([{"metric": "auc", "value": "0.99"}]));
    assert_eq!(rule(&world.verdict_on(file("greedy"), &policy), "evaluation/disjoint").outcome, Fail);
}

#[test]
fn whoever_trained_it_is_no_independent_evaluator() {
    let policy = with("independent_signer = true");
    let mut world = World::new();
    // The same owner with another key would be the same producer.
    world.finished("train-team", "own", "new", "held-out", json!([{"metric": "auc", "value": "0.99"}]));
    assert_eq!(got(&world.verdict(&policy), "evaluation/independent-signer"), (Fail, "train-team did both"));
    let verdict = World::new().auc(json!("0.99")).verdict(&policy);
    assert_eq!(rule(&verdict, "evaluation/independent-signer").outcome, Pass);
    let mut unknown = World::empty();
    unknown.measured("new", "held-out", json!([{"metric": "auc", "value": "0.99"}]));
    assert_eq!(rule(&unknown.verdict(&policy), "evaluation/independent-signer").outcome, NoEvidence);
}

#[test]
fn of_two_runs_the_one_that_fails_counts() {
    let world = World::new().auc(json!("0.80")).auc(json!("0.99"));
    let verdict = world.verdict(AUC);
    assert_eq!(rule(&verdict, "metric/auc").outcome, Fail);
    assert_eq!(verdict.verdict, GateVerdict::Deny);
}

#[test]
fn an_attempt_that_was_announced_and_not_finished_counts() {
    let mut world = World::new().auc(json!("0.99"));
    world.announced("hidden", "new", "held-out");
    let verdict = world.verdict(AUC);
    assert_eq!(got(&verdict, "evaluation"), (NoEvidence, "announced and not finished: hidden"));
    assert_eq!(verdict.verdict, GateVerdict::Deny);
}

#[test]
fn a_retracted_evaluation_does_not_count_and_is_shown() {
    let mut world = World::new();
    world.announced("bad", "new", "held-out");
    world.finished("eval-team", "bad", "new", "held-out", json!([{"metric": "auc", "value": "0.10"}]));
    let mut world = world.auc(json!("0.99"));
    assert_eq!(world.verdict(AUC).verdict, GateVerdict::Deny);
    let retraction = json!({"evaluationId": "bad", "model": file("new"), "reason": "wrong-data"});
    world.say("eval-team", "evaluation.retracted", "model/payments/other", retraction.clone());
    assert_eq!(world.verdict(AUC).verdict, GateVerdict::Deny, "under another name");
    world.say("eval-team", "evaluation.retracted", MODEL, retraction);
    let verdict = world.verdict(AUC);
    assert_eq!(verdict.verdict, GateVerdict::Allow, "{verdict:?}");
    assert!(
        verdict.notes.iter().any(|note| note == "evaluation bad is retracted by eval-team: wrong-data"),
        "{:?}",
        verdict.notes
    );
    assert_eq!(rule(&world.verdict(&with("max_retracted = 0")), "evaluation").outcome, Fail);
    // What comes after a retraction is not retracted.
    world.finished("eval-team", "bad", "new", "held-out", json!([{"metric": "auc", "value": "0.10"}]));
    assert_eq!(world.verdict(AUC).verdict, GateVerdict::Deny);
}

#[test]
fn repeats_are_asked_for_and_become_one_number() {
    let world = World::new().auc(json!("0.89")).auc(json!("0.92"));
    assert_eq!(rule(&world.verdict(&with("repeats = 3")), "evaluation").outcome, NoEvidence);
    let verdict = world.verdict(&with("repeats = 2\naggregate = \"mean\""));
    assert_eq!(got(&verdict, "metric/auc"), (Pass, "0.905 (mean of 2)"));
    let median = World::new().auc(json!("0.1")).auc(json!("0.92")).auc(json!("0.93"));
    let verdict = median.verdict(&with("repeats = 3\naggregate = \"median\""));
    assert_eq!(got(&verdict, "metric/auc"), (Pass, "0.92 (median of 3)"));
    assert_eq!(rule(&world.verdict(&with("repeats = 2")), "metric/auc").outcome, Fail);
}

#[test]
fn an_old_evaluation_is_too_old() {
    let mut world = World::new().auc(json!("0.99"));
    assert_eq!(rule(&world.verdict(&with("max_age = \"1h\"")), "evaluation/max-age").outcome, Pass);
    world.minute += 60;
    assert_eq!(rule(&world.verdict(&with("max_age = \"1h\"")), "evaluation/max-age").outcome, Pass);
    world.minute += 1;
    assert_eq!(rule(&world.verdict(&with("max_age = \"1h\"")), "evaluation/max-age").outcome, Fail);
}

#[test]
fn a_result_that_nobody_announced_is_named() {
    let mut world = World::new();
    world.finished("eval-team", "sudden", "new", "held-out", json!([{"metric": "auc", "value": "0.99"}]));
    let verdict = world.verdict(&with("announced = true"));
    assert_eq!(got(&verdict, "evaluation/announced"), (Fail, "sudden was not announced"));
    assert_eq!(
        rule(&World::new().auc(json!("0.99")).verdict(&with("announced = true")), "evaluation/announced").outcome,
        Pass
    );
}

#[test]
fn evaluations_of_others_do_not_count_where_the_policy_names_whose_do() {
    let mut world = World::new();
    world.finished("other-evals", "theirs", "new", "held-out", json!([{"metric": "auc", "value": "0.99"}]));
    assert_eq!(got(&world.verdict(&with("from = [\"eval-team\"]")), "evaluation").0, NoEvidence);
    assert_eq!(got(&world.verdict(&with("from = [\"other-evals\"]")), "evaluation").0, Pass);
}

#[test]
fn flagged_data_deny_until_they_are_cleared() {
    let mut world = World::new().auc(json!("0.99"));
    let flag = json!({"artifact": file("transactions"), "category": "poisoned", "justification": "labels-flipped",
        "knownSince": "2026-11-20T00:00:00Z"});
    world.say("data-team", "artifact.flagged", "artifact/payments/transactions", flag);
    let verdict = world.verdict(AUC);
    let (outcome, found) = got(&verdict, "flags");
    assert_eq!(outcome, Fail);
    assert!(
        found.starts_with("transactions sha256:") && found.ends_with("is flagged poisoned: labels-flipped"),
        "{found}"
    );
    assert_eq!(verdict.verdict, GateVerdict::Deny);
    let clear = json!({"artifact": file("transactions"), "justification": "false-alarm"});
    world.say("eval-team", "artifact.cleared", "artifact/payments/transactions", clear);
    assert_eq!(world.verdict(AUC).verdict, GateVerdict::Allow);
}

#[test]
fn a_warning_stops_only_where_the_policy_refuses_warnings() {
    let mut world = World::new().auc(json!("0.99"));
    let flag = json!({"artifact": file("held-out"), "category": "quality", "justification": "stale", "severity": "warn",
        "knownSince": "2026-11-20T00:00:00Z"});
    world.say("data-team", "artifact.flagged", "artifact/payments/held-out", flag);
    assert_eq!(rule(&world.verdict(AUC), "flags").outcome, Pass);
    let strict = format!("[lineage]\nreach = [\"dataset.snapshotted\"]\nrefuse = [\"warn\", \"error\"]\n{AUC}");
    let verdict = world.verdict(&strict);
    let (outcome, found) = got(&verdict, "flags");
    assert_eq!(outcome, Fail);
    assert!(found.contains("on which it was measured"), "{found}");
}

#[test]
fn a_weak_identity_is_denied_unless_the_policy_takes_it() {
    let world = World::new().auc(json!("0.99"));
    let place = json!({"uri": "s3://models/payments/fraud/latest"});
    let verdict = world.verdict_on(place.clone(), AUC);
    let (outcome, found) = got(&verdict, "identity");
    assert_eq!(outcome, Fail);
    assert!(found.contains("identity weak: s3://models/payments/fraud/latest"), "{found}");
    assert_eq!(rule(&verdict, "metric/auc").outcome, NoEvidence);
    let verdict = world.verdict_on(place, &format!("[identity]\ndigest = \"weak-ok\"\n{AUC}"));
    assert_eq!(rule(&verdict, "identity").outcome, Pass);
    assert_eq!(verdict.verdict, GateVerdict::Deny, "evidence is joined on strong digests alone");
}

const LINEAGE: &str = "[lineage]\nreach = [\"dataset.snapshotted\"]\n";

#[test]
fn unknown_inputs_are_no_evidence() {
    let mut world = World::new();
    assert_eq!(rule(&world.verdict(LINEAGE), "lineage").outcome, Pass);
    world.trained("half", &["transactions", "nobody-knows"]);
    let verdict = world.verdict_on(file("half"), LINEAGE);
    let (outcome, found) = got(&verdict, "lineage");
    assert_eq!(outcome, NoEvidence);
    assert!(found.starts_with("nobody-knows sha256:") && found.ends_with("no snapshot says what it is"), "{found}");
    let verdict = world.verdict_on(file("half"), &format!("{LINEAGE}unknown_inputs = 1\n"));
    assert_eq!(rule(&verdict, "lineage").outcome, Pass);
    assert_eq!(rule(&world.verdict_on(file("stranger"), LINEAGE), "lineage").outcome, NoEvidence);
}

#[test]
fn a_run_that_names_no_inputs_has_an_unknown_lineage() {
    let mut world = World::new();
    let run = json!({"runId": "silent", "outputs": [file("silent")], "job": {"namespace": "payments", "name": "train", "kind": "train"}});
    world.say("train-team", "run.completed", "job/payments/train", run);
    assert_eq!(rule(&world.verdict_on(file("silent"), LINEAGE), "lineage").outcome, NoEvidence);
}

#[test]
fn a_model_of_a_vendor_is_a_boundary_that_a_policy_takes_or_not() {
    let mut world = World::new();
    let vendors = json!({"model": file("vendor"), "name": "model/payments/vendor", "external": true});
    world.say("train-team", "model.registered", "model/payments/vendor", vendors);
    assert_eq!(rule(&world.verdict_on(file("vendor"), LINEAGE), "lineage").outcome, Fail);
    let accepts = format!("{LINEAGE}boundary = \"accept\"\n");
    assert_eq!(rule(&world.verdict_on(file("vendor"), &accepts), "lineage").outcome, Pass);
}

#[test]
fn a_copy_under_another_digest_is_the_same_model() {
    let mut world = World::new().auc(json!("0.99"));
    let same = json!({"a": file("new"), "b": file("new-as-oci"), "method": "oci-unpacked"});
    world.say("deployers", "artifact.equated", "artifact/payments/new", same);
    assert_eq!(world.verdict_on(file("new-as-oci"), AUC).verdict, GateVerdict::Allow);
}

#[test]
fn what_comes_later_changes_no_verdict_of_before() {
    let mut world = World::new().auc(json!("0.99"));
    let (size, moment) = (world.size(), world.now());
    let text = format!("{}{AUC}", crate::world::HEAD);
    let question = World::asked_about(file("new"), lineal_gate::judge::Asked::Text(text.parse().unwrap()));
    let before = world.judged(&question).bytes().unwrap();
    world.minute += 100_000;
    let flag = json!({"artifact": file("new"), "category": "other", "justification": "bad", "knownSince": "2026-11-20T00:00:00Z"});
    world.say("data-team", "artifact.flagged", "artifact/payments/new", flag);
    let world = world.auc(json!("0.01"));
    assert_eq!(world.judged_at(&question, size, moment).bytes().unwrap(), before);
    assert_ne!(world.judged(&question).bytes().unwrap(), before);
    let seen: serde_json::Value = serde_json::from_slice(&before).unwrap();
    assert_eq!((seen["service"].as_str(), seen["format"].as_str()), (Some(SERVICE), Some("lineal-verdict/1")));
}

#[test]
fn whoever_measured_it_corrects_the_result_and_nobody_else_does() {
    let mut world = World::new();
    let event = world.finished("eval-team", "1", "new", "held-out", json!([{"metric": "auc", "value": "0.10"}]));
    let data = json!({"evaluationId": "1", "model": file("new"), "harness": {"name": "evalkit"},
        "inputs": [{"artifact": file("held-out"), "role": "evaluation"}], "results": [{"metric": "auc", "value": "0.99"}]});
    world.say("other-evals", "record.corrected", MODEL, json!({"corrects": event, "data": data}));
    assert_eq!(rule(&world.verdict(AUC), "metric/auc").outcome, Fail);
    world.say("eval-team", "record.corrected", MODEL, json!({"corrects": event, "data": data}));
    assert_eq!(world.verdict(AUC).verdict, GateVerdict::Allow);
}
