//! Thresholds, changes, slices: exact, and never without a number.

use lineal_gate::verdict::Outcome::{Fail, NoEvidence, Pass};
use lineal_schemas::vocabulary::{Payload, gate::GateVerdict};
use serde_json::json;

use crate::world::{World, file, got, rule, serving};

const AUC: &str = "[[metric]]\nname = \"auc\"\nmin = \"0.90\"\n";
const INCUMBENT: &str = "[incumbent]\nabsent = \"note\"\n";

fn change(condition: &str) -> String {
    format!("{INCUMBENT}[[metric]]\nname = \"auc\"\nbetter = \"higher\"\n{condition}\n")
}

#[test]
fn a_number_that_is_high_enough_is_allowed() {
    let verdict = World::new().auc(json!("0.914")).verdict(AUC);
    assert_eq!(got(&verdict, "metric/auc"), (Pass, "0.914 (n 120000)"));
    assert_eq!(verdict.verdict, GateVerdict::Allow, "{verdict:?}");
    assert!(verdict.may_run());
}

#[test]
fn a_number_that_is_too_low_is_denied() {
    let verdict = World::new().auc(json!("0.8999999999999999999999")).verdict(AUC);
    assert_eq!(rule(&verdict, "metric/auc").outcome, Fail);
    assert_eq!(verdict.verdict, GateVerdict::Deny);
}

#[test]
fn not_a_number_never_reaches_the_gate() {
    let result = |value: &str| {
        let data =
            format!(r#"{{"evaluationId":"1","model":{},"results":[{{"metric":"auc","value":{value}}}]}}"#, file("new"));
        Payload::parse("dev.lineal.evaluation.completed.v1", &data)
    };
    for wrong in
        ["NaN", "\"NaN\"", "Infinity", "\"Infinity\"", "-Infinity", "[]", "{}", "null", "true", "\"\"", "\" 0.9\""]
    {
        assert!(result(wrong).is_err(), "{wrong}");
    }
    assert!(result("0.9").is_ok() && result("\"0.9\"").is_ok());
}

#[test]
fn a_decimal_string_is_its_number() {
    // Other engines order a string above every number: "0.10" would pass a minimum of 0.9.
    let verdict = World::new().auc(json!("0.10")).verdict(AUC);
    assert_eq!(got(&verdict, "metric/auc"), (Fail, "0.10 (n 120000) < 0.90"));
}

#[test]
fn one_is_one_point_zero() {
    for (value, bound) in [(json!(1), "1.0"), (json!("1.0"), "1"), (json!(1.0), "1.000"), (json!("1"), "1e0")] {
        let verdict = World::new()
            .auc(value)
            .verdict(&format!("[[metric]]\nname = \"auc\"\nmin = \"{bound}\"\nmax = \"{bound}\"\n"));
        assert_eq!(rule(&verdict, "metric/auc").outcome, Pass, "{bound}");
    }
}

#[test]
fn three_tenths_are_not_below_one_tenth_and_two_tenths() {
    let mut world = World::empty();
    world.trained("old", &[]);
    world.measured("old", "held-out", json!([{"metric": "auc", "value": "0.1"}]));
    world.observed("old");
    world.measured("new", "held-out", json!([{"metric": "auc", "value": "0.3"}]));
    let verdict = world.verdict(&change("min_gain = \"0.2\"\nmax_gain = \"0.2\""));
    assert_eq!(rule(&verdict, "metric/auc").outcome, Pass, "{:?}", got(&verdict, "metric/auc"));
}

#[test]
fn a_drop_is_compared_with_what_runs() {
    let world = World::new().auc(json!("0.912"));
    let verdict = world.verdict(&change("max_drop = \"0.005\""));
    let (outcome, found) = got(&verdict, "metric/auc");
    assert_eq!(outcome, Pass);
    assert!(found.starts_with("0.912 (n 120000) against 0.917 (n 120000) of old sha256:"), "{found}");
    let verdict = world.verdict(&change("max_drop = \"0.004999\""));
    let (outcome, found) = got(&verdict, "metric/auc");
    assert_eq!(outcome, Fail);
    assert!(found.ends_with(": a drop of 0.005"), "{found}");
}

fn against(baseline: &str, candidate: &str, condition: &str) -> (lineal_gate::verdict::Outcome, String) {
    let mut world = World::empty();
    world.measured("old", "held-out", json!([{"metric": "auc", "value": baseline}]));
    world.observed("old");
    world.measured("new", "held-out", json!([{"metric": "auc", "value": candidate}]));
    let verdict = world.verdict(&change(condition));
    let (outcome, found) = got(&verdict, "metric/auc");
    (outcome, found.to_owned())
}

#[test]
fn a_negative_baseline_does_not_turn_worse_into_better() {
    // Divided by a signed baseline, -2.0 after -0.5 would be a change of +3.
    assert_eq!(against("-0.5", "-2.0", "max_drop_relative = \"0.1\"").0, Fail);
    assert_eq!(against("-0.5", "-0.55", "max_drop_relative = \"0.1\"").0, Pass);
    assert_eq!(against("-0.5", "-0.5500001", "max_drop_relative = \"0.1\"").0, Fail);
}

#[test]
fn a_relative_change_from_zero_is_no_evidence() {
    let (outcome, found) = against("0", "0.5", "max_drop_relative = \"0.1\"");
    assert_eq!(outcome, NoEvidence);
    assert!(found.ends_with("a relative change from 0 is none"), "{found}");
    assert_eq!(against("0.00", "0.5", "max_drop = \"0.1\"").0, Pass);
}

#[test]
fn a_gain_that_is_too_good_to_be_true_is_denied() {
    assert_eq!(against("0.90", "0.99", "max_gain = \"0.05\"").0, Fail);
    assert_eq!(against("0.90", "0.95", "max_gain = \"0.05\"").0, Pass);
}

#[test]
fn where_less_is_better_a_rise_is_a_drop() {
    let lower = |condition: &str| format!("{INCUMBENT}[[metric]]\nname = \"auc\"\nbetter = \"lower\"\n{condition}\n");
    let world = World::new().auc(json!("0.920"));
    assert_eq!(rule(&world.verdict(&lower("max_drop = \"0.002\"")), "metric/auc").outcome, Fail);
    assert_eq!(rule(&world.verdict(&lower("max_drop = \"0.003\"")), "metric/auc").outcome, Pass);
}

const RECALL: &str = "[[metric]]\nname = \"recall\"\nslice = { country = \"BR\" }\nmin = \"0.80\"\nmin_n = 500\n";

#[test]
fn a_missing_slice_is_no_evidence_and_denies() {
    let verdict = World::new().auc(json!("0.99")).verdict(RECALL);
    assert_eq!(got(&verdict, "metric/recall[country=BR]"), (NoEvidence, "no result for slice country=BR"));
    assert_eq!(verdict.verdict, GateVerdict::Deny);
}

#[test]
fn an_empty_list_of_slices_passes_nothing() {
    let mut world = World::new();
    world.measured("new", "held-out", json!([{"metric": "recall", "value": "0.99", "sampleSize": 9000}]));
    assert_eq!(rule(&world.verdict(RECALL), "metric/recall[country=BR]").outcome, NoEvidence);
    let verdict = World::new().verdict(RECALL);
    assert_eq!(got(&verdict, "metric/recall[country=BR]"), (NoEvidence, "nothing was measured"));
}

#[test]
fn a_missing_slice_is_explained() {
    let mut world = World::new();
    let missing =
        json!([{"metric": "recall", "slice": {"country": "BR"}, "missing": {"reason": "below-min-n", "n": 41}}]);
    world.measured("new", "held-out", missing);
    let verdict = world.verdict(RECALL);
    assert_eq!(got(&verdict, "metric/recall[country=BR]"), (NoEvidence, "n=41 < 500, by the evaluator"));
}

#[test]
fn too_few_examples_are_no_evidence() {
    for (n, outcome) in [(499, NoEvidence), (500, Pass)] {
        let mut world = World::new();
        let results = json!([{"metric": "recall", "value": "0.9", "slice": {"country": "BR"}, "sampleSize": n}]);
        world.measured("new", "held-out", results);
        assert_eq!(rule(&world.verdict(RECALL), "metric/recall[country=BR]").outcome, outcome, "{n}");
    }
    let mut world = World::new();
    world.measured("new", "held-out", json!([{"metric": "recall", "value": "0.9", "slice": {"country": "BR"}}]));
    assert_eq!(rule(&world.verdict(RECALL), "metric/recall[country=BR]").outcome, NoEvidence);
}

#[test]
fn a_finer_slice_is_another_slice() {
    let mut world = World::new();
    let results =
        json!([{"metric": "recall", "value": "0.9", "slice": {"country": "BR", "age": "old"}, "sampleSize": 900}]);
    world.measured("new", "held-out", results);
    assert_eq!(rule(&world.verdict(RECALL), "metric/recall[country=BR]").outcome, NoEvidence);
}

#[test]
fn the_same_number_twice_in_one_evaluation_is_no_evidence() {
    let mut world = World::new();
    world.measured("new", "held-out", json!([{"metric": "auc", "value": "0.10"}, {"metric": "auc", "value": "0.99"}]));
    assert_eq!(got(&world.verdict(AUC), "metric/auc"), (NoEvidence, "more than one result in one evaluation"));
}

#[test]
fn no_incumbent_is_noted_or_denied_as_the_policy_says() {
    let mut world = World::empty();
    world.measured("new", "held-out", json!([{"metric": "auc", "value": "0.91"}]));
    let verdict = world.verdict(&change("max_drop = \"0.005\""));
    assert_eq!(rule(&verdict, "metric/auc").outcome, Pass);
    assert!(verdict.notes.iter().any(|note| note.starts_with("NO INCUMBENT")), "{:?}", verdict.notes);
    let verdict = world.verdict(&change("max_drop = \"0.005\"").replace("note", "deny"));
    assert_eq!(rule(&verdict, "metric/auc").outcome, NoEvidence);
}

#[test]
fn an_overdue_observation_is_no_incumbent_and_no_absence_of_one() {
    let mut world = World::new();
    let seen = json!({"service": crate::world::SERVICE, "servingSet": serving(file("old")), "observedAt": world.later(1),
        "observer": "agent", "complete": true, "nextWithinSeconds": 60});
    world.say("agent", "deployment.observed", crate::world::SERVICE, seen);
    let verdict = world.auc(json!("0.99")).verdict(&change("max_drop = \"0.005\""));
    let (outcome, found) = got(&verdict, "metric/auc");
    assert_eq!(outcome, NoEvidence);
    assert!(found.contains("the next observation is overdue"), "{found}");
}

#[test]
fn a_model_that_went_past_the_gate_is_compared_with_what_ran_before_it() {
    let mut world = World::new();
    world.observed("new");
    let verdict = world.auc(json!("0.80")).verdict(&change("max_drop = \"0.005\""));
    assert_eq!(rule(&verdict, "metric/auc").outcome, Fail);
}

#[test]
fn an_incumbent_that_was_measured_on_other_data_is_not_comparable() {
    let mut world = World::new();
    world.data("another");
    world.measured("new", "another", json!([{"metric": "auc", "value": "0.99"}]));
    let verdict = world.verdict(&change("max_drop = \"0.005\""));
    let (outcome, found) = got(&verdict, "metric/auc");
    assert_eq!(outcome, NoEvidence);
    assert!(found.contains("not comparable") && found.contains("other data"), "{found}");
}

#[test]
fn a_gap_across_slices_is_measured_exactly() {
    let gap = "[[gap]]\nname = \"fpr\"\nbetween = [{ sex = \"f\" }, { sex = \"m\" }]\nmax = \"0.02\"\n";
    let name = "gap/fpr[sex=f|sex=m]";
    for (other, outcome) in [("0.12", Pass), ("0.1200001", Fail), ("0.08", Pass)] {
        let mut world = World::new();
        let results = json!([{"metric": "fpr", "value": "0.10", "slice": {"sex": "f"}},
            {"metric": "fpr", "value": other, "slice": {"sex": "m"}}]);
        world.measured("new", "held-out", results);
        assert_eq!(rule(&world.verdict(gap), name).outcome, outcome, "{other}");
    }
    let mut world = World::new();
    world.measured("new", "held-out", json!([{"metric": "fpr", "value": "0.10", "slice": {"sex": "f"}}]));
    assert_eq!(got(&world.verdict(gap), name), (NoEvidence, "sex=m: no result for slice sex=m"));
}
