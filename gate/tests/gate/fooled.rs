//! Ways to fool a gate: each is a story of somebody who tries, and what the gate says.

use lineal_gate::{
    history::MAX_POLICIES,
    judge::Asked,
    verdict::Outcome::{Fail, NoEvidence, Pass},
};
use lineal_schemas::{digest::EventDigest, vocabulary::gate::GateVerdict};
use serde_json::{Value, json};

use crate::world::{HEAD, MODEL, SERVICE, World, file, got, rule, serving};

const AUC: &str = "[[metric]]\nname = \"auc\"\nmin = \"0.90\"\n";
const DISJOINT: &str = "[evaluation]\ndisjoint_from_training = true\n[[metric]]\nname = \"auc\"\nmin = \"0.90\"\n";
const APPROVAL: &str = "[approval]\ncount = 1\nrole = \"model-risk\"\nnot = [\"trainer\", \"evaluator\"]\n";

fn good() -> Value {
    json!([{"metric": "auc", "value": "0.99", "sampleSize": 120_000}])
}

fn bad() -> Value {
    json!([{"metric": "auc", "value": "0.10", "sampleSize": 120_000}])
}

fn flag(world: &mut World, name: &str, category: &str) -> EventDigest {
    let flag = json!({"artifact": file(name), "category": category, "justification": "labels-flipped",
        "knownSince": "2026-11-20T00:00:00Z"});
    world.say("data-team", "artifact.flagged", &format!("artifact/payments/{name}"), flag)
}

fn correct(world: &mut World, who: &str, subject: &str, (event, data): (EventDigest, Value)) {
    world.say(who, "record.corrected", subject, json!({"corrects": event, "data": data}));
}

fn say_yes(world: &mut World, who: &str, artifact: Value) -> EventDigest {
    let approval = json!({"service": SERVICE, "artifact": artifact, "role": "model-risk"});
    world.say(who, "approval.granted", SERVICE, approval)
}

#[test]
fn a_lineage_too_large_to_walk_hides_no_flag() {
    let mut world = World::new();
    for run in 0..1001 {
        let inputs: Vec<Value> = (0..20)
            .map(|input| json!({"artifact": file(&format!("part-{run}-{input}")), "role": "training"}))
            .collect();
        let run = json!({"runId": format!("wide-{run}"), "outputs": [file("wide")], "inputs": inputs,
            "job": {"namespace": "payments", "name": "train", "kind": "train"}});
        world.say("train-team", "run.completed", "job/payments/train", run);
    }
    world.measured("wide", "held-out", good());
    let rules = format!("[lineage]\nreach = [\"dataset.snapshotted\"]\nunknown_inputs = 1000000\n{DISJOINT}");
    let verdict = world.verdict_on(file("wide"), &rules);
    for name in ["flags", "lineage", "evaluation/disjoint"] {
        assert_eq!(rule(&verdict, name).outcome, NoEvidence, "{name}: {}", got(&verdict, name).1);
    }
}

#[test]
fn nobody_corrects_away_what_somebody_else_flagged() {
    let mut world = World::new().auc(json!("0.99"));
    let event = flag(&mut world, "transactions", "poisoned");
    let mild = json!({"artifact": file("elsewhere"), "category": "poisoned", "justification": "labels-flipped",
        "knownSince": "2026-11-20T00:00:00Z"});
    correct(&mut world, "train-team", "artifact/payments/transactions", (event, mild.clone()));
    assert_eq!(rule(&world.verdict(AUC), "flags").outcome, Fail);
    correct(&mut world, "data-team", "artifact/payments/transactions", (event, mild));
    assert_eq!(rule(&world.verdict(AUC), "flags").outcome, Pass, "its own");
}

#[test]
fn nobody_corrects_away_what_somebody_else_refused() {
    let mut world = World::new();
    let no = json!({"service": SERVICE, "artifact": file("new"), "role": "model-risk"});
    let event = world.say("second-risk", "approval.refused", SERVICE, no);
    say_yes(&mut world, "risk-team", file("new"));
    let other = json!({"service": SERVICE, "artifact": file("another"), "role": "model-risk"});
    correct(&mut world, "risk-team", SERVICE, (event, other.clone()));
    assert_eq!(got(&world.verdict(APPROVAL), "approval"), (Fail, "refused by second-risk"));
    correct(&mut world, "second-risk", SERVICE, (event, other));
    assert_eq!(rule(&world.verdict(APPROVAL), "approval").outcome, Pass);
}

#[test]
fn a_bad_result_that_is_moved_to_another_model_leaves_no_evidence_behind() {
    let mut world = World::new().auc(json!("0.99"));
    let event = world.finished("eval-team", "moved", "new", "held-out", bad());
    let data = json!({"evaluationId": "moved", "model": file("another"), "harness": {"name": "evalkit"},
        "inputs": [{"artifact": file("held-out"), "role": "evaluation"}], "results": bad()});
    correct(&mut world, "eval-team", MODEL, (event, data));
    let verdict = world.verdict(AUC);
    let expected = (NoEvidence, "moved: its result was corrected to one of another model");
    assert_eq!((got(&verdict, "evaluation"), verdict.verdict), (expected, GateVerdict::Deny));
    assert_eq!(rule(&verdict, "metric/auc").outcome, Pass, "and no number");
}

#[test]
fn an_announced_attempt_is_not_finished_as_another_one() {
    let pinned = format!("[evaluation]\ndata = [\"dataset/payments/held-out\"]\nharness = \"evalkit\"\n{AUC}");
    let mut world = World::new().auc(json!("0.99"));
    world.announced("turned", "new", "held-out");
    world.finished("eval-team", "turned", "new", "transactions", bad());
    let verdict = world.verdict(&pinned);
    let (outcome, found) = got(&verdict, "evaluation");
    assert!(
        outcome == NoEvidence && found.starts_with("turned: finished otherwise than announced: other data"),
        "{found}"
    );
    // One that was announced on other data is another one.
    let mut world = World::new().auc(json!("0.99"));
    world.announced("other", "new", "transactions");
    world.finished("eval-team", "other", "new", "transactions", bad());
    assert_eq!(world.verdict(&pinned).verdict, GateVerdict::Allow);
}

#[test]
fn an_announcement_is_not_finished_by_another_source() {
    let mut world = World::new().auc(json!("0.99"));
    world.announced("theirs", "new", "held-out");
    world.finished("other-evals", "theirs", "new", "held-out", good());
    assert_eq!(got(&world.verdict(AUC), "evaluation"), (NoEvidence, "announced and not finished: theirs"));
}

#[test]
fn what_runs_is_not_measured_again_until_it_is_poor() {
    let rules =
        "[incumbent]\nabsent = \"note\"\n[[metric]]\nname = \"auc\"\nbetter = \"higher\"\nmax_drop = \"0.005\"\n";
    let mut world = World::new().auc(json!("0.80"));
    world.measured("old", "held-out", bad());
    let verdict = world.verdict(rules);
    let (outcome, found) = got(&verdict, "metric/auc");
    assert!(outcome == Fail && found.contains("against 0.917"), "{found}");
}

#[test]
fn results_without_a_program_are_not_comparable() {
    let rules =
        "[incumbent]\nabsent = \"note\"\n[[metric]]\nname = \"auc\"\nbetter = \"higher\"\nmax_drop = \"0.005\"\n";
    let mut world = World::empty();
    for model in ["old", "new"] {
        let evaluation = json!({"evaluationId": model, "model": file(model),
            "inputs": [{"artifact": file("held-out"), "role": "evaluation"}], "results": good()});
        world.say("eval-team", "evaluation.completed", MODEL, evaluation);
    }
    world.observed("old");
    let verdict = world.verdict(rules);
    let (outcome, found) = got(&verdict, "metric/auc");
    assert!(outcome == NoEvidence && found.ends_with("not both say with which program"), "{found}");
}

fn split(world: &mut World, whole: &str, parts: [&str; 2]) {
    let splits: Vec<Value> = parts.iter().map(|part| json!({"name": part, "artifact": file(part)})).collect();
    let snapshot = json!({"dataset": file(whole), "splits": splits});
    world.say("data-team", "dataset.snapshotted", &format!("dataset/payments/{whole}"), snapshot);
}

#[test]
fn the_whole_of_what_was_trained_on_is_no_test_data() {
    let mut world = World::new();
    split(&mut world, "whole", ["train-part", "test-part"]);
    split(&mut world, "test-part", ["test-1", "test-2"]);
    world.trained("sly", &["train-part"]);
    world.measured("sly", "whole", good());
    assert_eq!(rule(&world.verdict_on(file("sly"), DISJOINT), "evaluation/disjoint").outcome, Fail);
    world.trained("greedy", &["whole"]);
    world.measured("greedy", "test-1", good());
    assert_eq!(rule(&world.verdict_on(file("greedy"), DISJOINT), "evaluation/disjoint").outcome, Fail);
    world.trained("fair", &["train-part"]);
    world.measured("fair", "test-1", good());
    assert_eq!(rule(&world.verdict_on(file("fair"), DISJOINT), "evaluation/disjoint").outcome, Pass);
}

#[test]
fn a_last_step_by_somebody_else_does_not_make_its_trainer_independent() {
    let rules = format!("[evaluation]\nindependent_signer = true\n{AUC}");
    let mut world = World::new();
    let run = json!({"runId": "quantize", "outputs": [file("small")],
        "inputs": [{"artifact": file("new"), "role": "source-model"}],
        "job": {"namespace": "payments", "name": "quantize", "kind": "quantize"}});
    world.say("deployers", "run.completed", "job/payments/quantize", run);
    world.finished("train-team", "own", "small", "held-out", good());
    let verdict = world.verdict_on(file("small"), &rules);
    assert_eq!(got(&verdict, "evaluation/independent-signer"), (Fail, "train-team did both"));
}

#[test]
fn what_is_flagged_after_a_clear_is_not_cleared_by_it() {
    let mut world = World::new().auc(json!("0.99"));
    let clear = json!({"artifact": file("transactions"), "justification": "false-alarm"});
    world.say("train-team", "artifact.cleared", "artifact/payments/transactions", clear);
    // Said to have been known before the clear, and taken after it.
    world.backdated = 2;
    flag(&mut world, "transactions", "poisoned");
    world.backdated = 0;
    assert_eq!(rule(&world.verdict(AUC), "flags").outcome, Fail);
}

#[test]
fn a_flag_on_a_part_of_a_snapshot_that_was_used_counts() {
    let mut world = World::new();
    split(&mut world, "whole", ["train-part", "test-part"]);
    world.trained("model", &["whole"]);
    world.trained("sister", &["test-part"]);
    flag(&mut world, "train-part", "poisoned");
    assert_eq!(rule(&world.verdict_on(file("model"), AUC), "flags").outcome, Fail);
    assert_eq!(rule(&world.verdict_on(file("sister"), AUC), "flags").outcome, Pass);
}

#[test]
fn a_model_does_not_get_somebody_elses_approval_by_calling_itself_the_same() {
    let mut world = World::new();
    say_yes(&mut world, "risk-team", file("new"));
    world.trained("mine", &["transactions"]);
    let same = json!({"a": file("mine"), "b": file("new"), "method": "copied"});
    world.say("train-team", "artifact.equated", "artifact/payments/mine", same.clone());
    let verdict = world.verdict_on(file("mine"), APPROVAL);
    let (outcome, found) = got(&verdict, "approval");
    assert!(outcome == NoEvidence && found.contains("is of another digest"), "{found}");
    let (outcome, found) = got(&verdict, "identity");
    assert!(outcome == NoEvidence && found.contains("has two values of sha256"), "{found}");
    assert!(verdict.notes.iter().any(|note| note.starts_with("JOINED: mine sha256:")), "{:?}", verdict.notes);
    // Somebody else says so, too late for what was approved before, and in time for what is approved now.
    let event = world.say("deployers", "artifact.equated", "artifact/payments/mine", same);
    let verdict = world.verdict_on(file("mine"), APPROVAL);
    assert_eq!((rule(&verdict, "identity").outcome, rule(&verdict, "approval").outcome), (Pass, NoEvidence));
    assert!(verdict.inputs.contains(&event) || verdict.notes.iter().any(|note| note.contains("train-team")));
    say_yes(&mut world, "risk-team", file("new"));
    assert_eq!(rule(&world.verdict_on(file("mine"), APPROVAL), "approval").outcome, Pass);
}

#[test]
fn a_key_that_somebody_else_may_have_had_approves_nothing() {
    let mut world = World::new();
    say_yes(&mut world, "risk-team", file("new"));
    assert_eq!(rule(&world.verdict(APPROVAL), "approval").outcome, Pass);
    let (size, since) = (world.size(), world.later(0));
    world.revoked("risk-team", &since);
    let verdict = world.verdict(APPROVAL);
    let (outcome, found) = got(&verdict, "approval");
    assert!(outcome == NoEvidence && found.contains("came under a key that somebody else may have had"), "{found}");
    let text = format!("{HEAD}{APPROVAL}").parse().unwrap();
    let then = world.judged_at(&World::asked_about(file("new"), Asked::Text(text)), size, world.now());
    assert_eq!(rule(&then, "approval").outcome, Pass, "as it was known then");
}

/// From the next minute on somebody else may have the key; it becomes known when the story is over.
fn stolen(world: &mut World, who: &str, story: impl FnOnce(&mut World)) {
    let since = world.later(1);
    story(world);
    world.revoked(who, &since);
}

const DISPUTED: &str = "was corrected under a key that somebody else may have had";

#[test]
fn a_stolen_key_corrects_no_bad_result_into_a_good_one() {
    let mut world = World::new();
    let results = |results: Value| {
        json!({"evaluationId": "ev", "model": file("new"), "harness": {"name": "evalkit"},
            "inputs": [{"artifact": file("held-out"), "role": "evaluation"}], "results": results})
    };
    world.announced("ev", "new", "held-out");
    let event = world.say("eval-team", "evaluation.completed", MODEL, results(bad()));
    stolen(&mut world, "eval-team", |world| correct(world, "eval-team", MODEL, (event, results(good()))));
    let verdict = world.verdict(AUC);
    assert_eq!(got(&verdict, "evaluation"), (NoEvidence, format!("ev: its result {DISPUTED}").as_str()));
    assert_eq!(rule(&verdict, "metric/auc").outcome, NoEvidence, "and no number: it may have been an honest one");
    // The honest owner says under another key which of the two it is.
    world.enrol(50, "eval-team", "evaluator");
    correct(&mut world, "eval-team", MODEL, (event, results(json!([{"metric": "auc", "value": "0.93"}]))));
    let verdict = world.verdict(AUC);
    assert_eq!((rule(&verdict, "evaluation").outcome, rule(&verdict, "metric/auc").outcome), (Pass, Pass));
}

#[test]
fn an_honest_correction_is_not_undone_by_a_stolen_key_either() {
    let mut world = World::new().auc(json!("0.99"));
    let event = world.finished("eval-team", "twice", "new", "held-out", good());
    let results = |results: Value| {
        json!({"evaluationId": "twice", "model": file("new"), "harness": {"name": "evalkit"},
            "inputs": [{"artifact": file("held-out"), "role": "evaluation"}], "results": results})
    };
    correct(&mut world, "eval-team", MODEL, (event, results(bad())));
    assert_eq!(rule(&world.verdict(AUC), "metric/auc").outcome, Fail);
    stolen(&mut world, "eval-team", |world| correct(world, "eval-team", MODEL, (event, results(good()))));
    assert_eq!(world.verdict(AUC).verdict, GateVerdict::Deny);
}

#[test]
fn a_stolen_key_corrects_no_flag_and_no_refusal_away() {
    let mut world = World::new().auc(json!("0.99"));
    let event = flag(&mut world, "transactions", "poisoned");
    let mild = json!({"artifact": file("elsewhere"), "category": "poisoned", "justification": "labels-flipped",
        "knownSince": "2026-11-20T00:00:00Z"});
    stolen(&mut world, "data-team", |world| {
        correct(world, "data-team", "artifact/payments/transactions", (event, mild));
    });
    assert_eq!(rule(&world.verdict(AUC), "flags").outcome, Fail);
    let no = json!({"service": SERVICE, "artifact": file("new"), "role": "model-risk"});
    let event = world.say("second-risk", "approval.refused", SERVICE, no);
    say_yes(&mut world, "risk-team", file("new"));
    let other = json!({"service": SERVICE, "artifact": file("another"), "role": "model-risk"});
    stolen(&mut world, "second-risk", |world| correct(world, "second-risk", SERVICE, (event, other)));
    assert_eq!(got(&world.verdict(APPROVAL), "approval"), (Fail, "refused by second-risk"));
}

#[test]
fn a_stolen_key_corrects_no_lineage_clean() {
    let rules = format!("[lineage]\nreach = [\"dataset.snapshotted\"]\nunknown_inputs = 9\n{DISJOINT}");
    let run = |data: &str| {
        json!({"runId": "sly", "outputs": [file("sly")], "inputs": [{"artifact": file(data), "role": "training"}],
            "job": {"namespace": "payments", "name": "train", "kind": "train"}})
    };
    let mut world = World::new();
    world.data("dirty");
    let event = world.say("train-team", "run.completed", "job/payments/train", run("dirty"));
    world.measured("sly", "held-out", good());
    assert_eq!(world.verdict_on(file("sly"), &rules).verdict, GateVerdict::Allow);
    stolen(&mut world, "train-team", |world| {
        correct(world, "train-team", "job/payments/train", (event, run("transactions")));
    });
    let verdict = world.verdict_on(file("sly"), &rules);
    for name in ["flags", "lineage", "evaluation/disjoint"] {
        let (outcome, found) = got(&verdict, name);
        assert!(outcome == NoEvidence && found.ends_with(DISPUTED), "{name}: {outcome:?} {found}");
    }
    flag(&mut world, "dirty", "poisoned");
    assert_eq!(rule(&world.verdict_on(file("sly"), &rules), "flags").outcome, Fail, "what was said first stands");
}

/// Whoever has the observer's key would say that something poor runs, which anything is better than.
#[test]
fn a_stolen_key_corrects_nothing_poor_into_what_runs() {
    let rules =
        "[incumbent]\nabsent = \"note\"\n[[metric]]\nname = \"auc\"\nbetter = \"higher\"\nmax_drop = \"0.005\"\n";
    let mut world = World::new().auc(json!("0.80"));
    world.trained("poor", &["transactions"]);
    world.measured("poor", "held-out", bad());
    let event = world.observed("old");
    let poor = json!({"service": SERVICE, "servingSet": serving(file("poor")), "observedAt": world.later(0),
        "observer": "agent", "complete": true});
    assert_eq!(rule(&world.verdict(rules), "metric/auc").outcome, Fail);
    stolen(&mut world, "agent", |world| correct(world, "agent", SERVICE, (event, poor)));
    let verdict = world.verdict(rules);
    let (outcome, found) = got(&verdict, "metric/auc");
    assert!(outcome == NoEvidence && found.contains(DISPUTED), "{outcome:?} {found}");
    assert!(verdict.inputs.contains(&event));
}

#[test]
fn more_policies_than_are_looked_at_leave_it_undecided_until_one_is_asked_for_by_name() {
    let mut world = World::new().auc(json!("0.99"));
    world.registered(&format!("{HEAD}{AUC}"));
    let other = |at: usize| {
        let name = format!("policy/payments/other-{at:05}");
        let text = format!("schema = 1\nname = \"{name}\"\napplies = {{ service = \"service/payments/other\" }}\n");
        (name.clone(), json!({"policy": name, "text": text}))
    };
    for at in 1..MAX_POLICIES {
        let (name, data) = other(at);
        world.say("risk-team", "policy.registered", &name, data);
    }
    let question = World::asked_about(file("new"), Asked::Registered);
    assert_eq!(world.judged(&question).verdict, GateVerdict::Allow, "{MAX_POLICIES} are looked at");
    let (name, data) = other(MAX_POLICIES);
    world.say("risk-team", "policy.registered", &name, data);
    let verdict = world.judged(&question);
    assert_eq!(verdict.verdict, GateVerdict::Undecided);
    assert!(verdict.notes[0].starts_with("more than 10000 policies of payments are not all"), "{:?}", verdict.notes);
    let named = Asked::Named("policy/payments/fraud-prod".parse().unwrap());
    assert_eq!(world.judged(&World::asked_about(file("new"), named)).verdict, GateVerdict::Allow);
}

#[test]
fn a_first_deployment_into_an_environment_with_inventories_has_no_incumbent() {
    let mut world = World::empty();
    let inventory = |world: &World, services: Value| {
        json!({"environment": "environment/eu-1/prod", "observedAt": world.later(1), "observer": "agent",
            "complete": true, "services": services})
    };
    let nothing = inventory(&world, json!([]));
    world.say("agent", "inventory.observed", "environment/eu-1/prod", nothing);
    let verdict = world.verdict(AUC);
    assert_eq!(verdict.incumbent, None, "what was never seen has not ended");
    let seen = inventory(&world, json!([{"service": "service/payments/fraud", "servingSet": serving(file("old"))}]));
    world.say("agent", "inventory.observed", "environment/eu-1/prod", seen);
    let nothing = inventory(&world, json!([]));
    let first = world.say("agent", "inventory.observed", "environment/eu-1/prod", nothing);
    let nothing = inventory(&world, json!([]));
    world.say("agent", "inventory.observed", "environment/eu-1/prod", nothing);
    let verdict = world.verdict_on(file("old"), AUC);
    assert!(verdict.incumbent == Some(Vec::new()) && verdict.inputs.contains(&first), "{verdict:?}");
}
