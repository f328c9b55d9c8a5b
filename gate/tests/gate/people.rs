//! What people say: approvals, waivers, the way back, the broken glass.

use lineal_gate::{
    judge::Asked,
    verdict::Outcome::{Fail, NoEvidence, Pass, Waived},
};
use lineal_schemas::{
    digest::EventDigest,
    vocabulary::{gate::GateVerdict, policy::PolicyText},
};
use serde_json::{Value, json};

use crate::world::{HEAD, SERVICE, World, file, got, rule, serving};

const AUC: &str = "[[metric]]\nname = \"auc\"\nmin = \"0.90\"\n";
const APPROVAL: &str = "[approval]\ncount = 1\nrole = \"model-risk\"\nnot = [\"trainer\", \"evaluator\"]\n";

fn digest_of(rules: &str) -> String {
    format!("{HEAD}{rules}").parse::<PolicyText>().unwrap().digest()
}

fn approve(world: &mut World, who: &str, more: Value) -> EventDigest {
    let mut approval = json!({"service": SERVICE, "artifact": file("new"), "role": "model-risk"});
    approval.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.say(who, "approval.granted", SERVICE, approval)
}

fn waive(world: &mut World, rules: &str, rule: &str, minutes: i64) -> EventDigest {
    let waiver = json!({"service": SERVICE, "artifact": file("new"), "policy": digest_of(rules), "rule": rule,
        "reason": "small-market", "expires": world.later(minutes)});
    world.say("risk-team", "waiver.granted", SERVICE, waiver)
}

#[test]
fn an_approval_is_asked_for_and_found() {
    let mut world = World::new();
    assert_eq!(got(&world.verdict(APPROVAL), "approval"), (NoEvidence, "0 of 1"));
    approve(&mut world, "risk-team", json!({"role": "another-role"}));
    assert_eq!(rule(&world.verdict(APPROVAL), "approval").outcome, NoEvidence);
    approve(&mut world, "risk-team", json!({}));
    assert_eq!(got(&world.verdict(APPROVAL), "approval"), (Pass, "approved by risk-team"));
    assert_eq!(rule(&world.verdict_on(file("another"), APPROVAL), "approval").outcome, NoEvidence);
    let two = APPROVAL.replace("count = 1", "count = 2");
    approve(&mut world, "risk-team", json!({}));
    assert_eq!(rule(&world.verdict(&two), "approval").outcome, NoEvidence, "twice the same");
    approve(&mut world, "second-risk", json!({}));
    assert_eq!(rule(&world.verdict(&two), "approval").outcome, Pass);
}

#[test]
fn a_refusal_stands_until_the_same_producer_grants() {
    let mut world = World::new();
    approve(&mut world, "risk-team", json!({}));
    let no = json!({"service": SERVICE, "artifact": file("new"), "role": "model-risk"});
    world.say("second-risk", "approval.refused", SERVICE, no);
    assert_eq!(got(&world.verdict(APPROVAL), "approval"), (Fail, "refused by second-risk"));
    approve(&mut world, "second-risk", json!({}));
    assert_eq!(rule(&world.verdict(APPROVAL), "approval").outcome, Pass);
}

#[test]
fn an_approval_ends_and_has_conditions_that_the_policy_takes_or_not() {
    let mut world = World::new();
    let end = world.later(3);
    approve(&mut world, "risk-team", json!({"expires": end, "conditions": ["canary-only"]}));
    assert_eq!(rule(&world.verdict(APPROVAL), "approval").outcome, NoEvidence);
    let takes = format!("{APPROVAL}conditions = [\"canary-only\"]\n");
    assert_eq!(rule(&world.verdict(&takes), "approval").outcome, Pass);
    world.minute += 3;
    assert_eq!(rule(&world.verdict(&takes), "approval").outcome, NoEvidence);
}

#[test]
fn whoever_trained_or_measured_it_does_not_approve_it() {
    let mut world = World::new();
    approve(&mut world, "train-team", json!({}));
    let (outcome, found) =
        (rule(&world.verdict(APPROVAL), "approval").outcome, got(&world.verdict(APPROVAL), "approval").1.to_owned());
    assert_eq!(outcome, NoEvidence);
    assert!(found.contains("train-team made or measured it"), "{found}");
}

const RECALL: &str = "[waivers]\nrules = [\"metric/recall[country=BR]\"]\nexpires = \"7d\"\n\
    [[metric]]\nname = \"recall\"\nslice = { country = \"BR\" }\nmin = \"0.80\"\n";

#[test]
fn a_waiver_is_for_one_rule_and_a_time_and_stays_visible() {
    let mut world = World::new().auc(json!("0.99"));
    assert_eq!(world.verdict(RECALL).verdict, GateVerdict::Deny);
    waive(&mut world, RECALL, "metric/recall[country=BR]", 10);
    let verdict = world.verdict(RECALL);
    assert_eq!(rule(&verdict, "metric/recall[country=BR]").outcome, Waived);
    assert_eq!(verdict.verdict, GateVerdict::Allow);
    assert!(
        verdict
            .notes
            .iter()
            .any(|note| note.starts_with("WAIVED: metric/recall[country=BR] by risk-team: small-market"))
    );
    let other = RECALL.replace("0.80", "0.81");
    assert_eq!(world.verdict(&other).verdict, GateVerdict::Deny, "of another policy text");
}

#[test]
fn an_expired_waiver_is_none() {
    let mut world = World::new().auc(json!("0.99"));
    waive(&mut world, RECALL, "metric/recall[country=BR]", 2);
    assert_eq!(world.verdict(RECALL).verdict, GateVerdict::Allow);
    world.minute += 1;
    let verdict = world.verdict(RECALL);
    assert_eq!(verdict.verdict, GateVerdict::Deny);
    assert!(got(&verdict, "metric/recall[country=BR]").1.contains("a waiver ended"), "{verdict:?}");
}

#[test]
fn a_waiver_never_lasts_longer_than_the_policy_allows() {
    let mut world = World::new().auc(json!("0.99"));
    waive(&mut world, RECALL, "metric/recall[country=BR]", 60 * 24 * 365);
    world.minute += 60 * 24 * 7;
    assert_eq!(world.verdict(RECALL).verdict, GateVerdict::Deny);
}

#[test]
fn a_rule_that_the_policy_lets_nobody_waive_is_not_waived() {
    let mut world = World::new().auc(json!("0.10"));
    let rules = RECALL.replace("[[metric]]", &format!("{AUC}[[metric]]"));
    waive(&mut world, &rules, "metric/auc", 10);
    assert_eq!(rule(&world.verdict(&rules), "metric/auc").outcome, Fail);
}

const GLASS: &str =
    "[override]\nfrom = [\"risk-team\"]\nexpires = \"4h\"\n[[metric]]\nname = \"auc\"\nmin = \"0.90\"\n";

#[test]
fn a_broken_glass_leaves_the_verdict_and_is_loud() {
    let mut world = World::new().auc(json!("0.10"));
    let question = |world: &World| world.verdict(GLASS);
    assert!(!question(&world).may_run());
    let event = waive(&mut world, GLASS, "override", 60 * 24);
    let verdict = question(&world);
    assert_eq!(verdict.verdict, GateVerdict::Deny);
    assert!(verdict.may_run() && verdict.overridden.as_ref().unwrap().waiver == event);
    assert!(verdict.notes.iter().any(|note| note.starts_with("OVERRIDDEN by risk-team: small-market, until")));
    assert_eq!(verdict.decided().unwrap().overridden.unwrap().waiver, event);
    world.minute += 4 * 60;
    assert!(!question(&world).may_run(), "a day was asked for, four hours are allowed");
}

#[test]
fn only_who_may_breaks_the_glass_and_only_where_there_is_one() {
    let mut world = World::new().auc(json!("0.10"));
    waive(&mut world, AUC, "override", 10);
    assert!(!world.verdict(AUC).may_run());
    let theirs = GLASS.replace("risk-team", "second-risk");
    waive(&mut world, &theirs, "override", 10);
    assert!(!world.verdict(&theirs).may_run());
}

const BACK: &str = "[rollback]\nallow = \"previously-admitted\"\n[[metric]]\nname = \"auc\"\nmin = \"0.90\"\n";

fn decided(world: &mut World, who: &str, verdict: &str) {
    decided_about(world, who, verdict, "old");
}

fn decided_about(world: &mut World, who: &str, verdict: &str, model: &str) {
    let decision = json!({"service": SERVICE, "servingSet": serving(file(model)), "verdict": verdict, "treeSize": 1,
        "judgedAt": "2026-11-23T21:50:12Z", "document": "ab".repeat(32)});
    world.say(who, "gate.decided", SERVICE, decision);
}

#[test]
fn what_was_admitted_and_ran_may_come_back_and_the_verdict_says_so() {
    let mut world = World::new();
    world.measured("old", "held-out", json!([{"metric": "auc", "value": "0.10"}]));
    world.observed("new");
    assert_eq!(world.verdict_on(file("old"), BACK).verdict, GateVerdict::Deny);
    decided(&mut world, "deployers", "allow");
    assert_eq!(world.verdict_on(file("old"), BACK).verdict, GateVerdict::Deny, "anybody could say so");
    decided(&mut world, "ledger", "deny");
    assert_eq!(world.verdict_on(file("old"), BACK).verdict, GateVerdict::Deny);
    decided(&mut world, "ledger", "allow");
    let verdict = world.verdict_on(file("old"), BACK);
    assert_eq!(verdict.verdict, GateVerdict::Allow);
    assert_eq!(rule(&verdict, "metric/auc").outcome, Waived);
    assert!(verdict.notes.iter().any(|note| note.starts_with("ROLLBACK: allowed there on")), "{:?}", verdict.notes);
    assert_eq!(world.verdict_on(file("old"), AUC).verdict, GateVerdict::Deny, "without the clause");
    assert_eq!(world.verdict_on(file("new"), BACK).verdict, GateVerdict::Deny, "another model");
}

/// A verdict as it was at a moment knows nothing of a decision of later, though the record has it by now.
#[test]
fn what_is_allowed_later_is_no_way_back_at_a_moment_before() {
    let mut world = World::new();
    world.measured("old", "held-out", json!([{"metric": "auc", "value": "0.10"}]));
    world.observed("new");
    let before = world.now();
    decided(&mut world, "ledger", "allow");
    let text = format!("{HEAD}{BACK}").parse().unwrap();
    let question = World::asked_about(file("old"), Asked::Text(text));
    assert_eq!(world.judged_at(&question, world.size(), before).verdict, GateVerdict::Deny);
    assert_eq!(world.judged_at(&question, world.size(), world.now()).verdict, GateVerdict::Allow);
}

#[test]
fn what_is_flagged_since_does_not_come_back() {
    let mut world = World::new();
    world.measured("old", "held-out", json!([{"metric": "auc", "value": "0.10"}]));
    decided(&mut world, "ledger", "allow");
    assert_eq!(world.verdict_on(file("old"), BACK).verdict, GateVerdict::Allow);
    let flag = json!({"artifact": file("transactions"), "category": "poisoned", "justification": "x", "knownSince": "2026-11-20T00:00:00Z"});
    world.say("data-team", "artifact.flagged", "artifact/payments/transactions", flag);
    assert_eq!(world.verdict_on(file("old"), BACK).verdict, GateVerdict::Deny);
}

#[test]
fn what_was_allowed_and_never_ran_is_no_way_back() {
    let mut world = World::new();
    let decision = json!({"service": SERVICE, "servingSet": serving(file("new")), "verdict": "allow", "treeSize": 1,
        "judgedAt": "2026-11-23T21:50:12Z", "document": "ab".repeat(32)});
    world.say("ledger", "gate.decided", SERVICE, decision);
    assert_eq!(world.auc(json!("0.10")).verdict_on(file("new"), BACK).verdict, GateVerdict::Deny);
}

#[test]
fn the_registered_policy_judges_and_a_late_one_is_marked() {
    let mut world = World::new().auc(json!("0.99"));
    let ask = |world: &World| world.judged(&World::asked_about(file("new"), Asked::Registered));
    let undecided = ask(&world);
    assert_eq!(undecided.verdict, GateVerdict::Undecided);
    assert!(undecided.notes[0].starts_with("no policy speaks for"), "{:?}", undecided.notes);
    let late = format!("{HEAD}[evaluation]\nregistered_before = true\n{AUC}");
    let event = world.registered(&late);
    let verdict = ask(&world);
    assert_eq!(verdict.policy.as_ref().unwrap().registered, Some(event));
    assert_eq!(rule(&verdict, "evaluation/registered-before").outcome, Fail);
    world.registered(&format!("{HEAD}{AUC}"));
    let verdict = ask(&world);
    assert_eq!(verdict.verdict, GateVerdict::Allow);
    assert!(verdict.notes.iter().any(|note| note.starts_with("NOT PRE-REGISTERED")), "{:?}", verdict.notes);
    let mut early = World::new();
    early.registered(&late);
    let verdict = ask(&early.auc(json!("0.99")));
    assert_eq!((rule(&verdict, "evaluation/registered-before").outcome, verdict.verdict), (Pass, GateVerdict::Allow));
}

#[test]
fn a_registered_text_that_is_no_policy_leaves_it_undecided() {
    let mut world = World::new().auc(json!("0.99"));
    world.registered(&format!("{HEAD}{AUC}"));
    world.registered(&format!("{HEAD}[[metric]]\nname = \"auc\"\n"));
    let verdict = world.judged(&World::asked_about(file("new"), Asked::Registered));
    assert_eq!(verdict.verdict, GateVerdict::Undecided);
    assert!(!verdict.may_run() && verdict.notes[0].contains("has no condition"), "{:?}", verdict.notes);
}

#[test]
fn nobody_changes_what_somebody_else_approved() {
    let mut world = World::new();
    let event = approve(&mut world, "second-risk", json!({"artifact": file("another")}));
    let data = json!({"service": SERVICE, "artifact": file("new"), "role": "model-risk"});
    world.say("risk-team", "record.corrected", SERVICE, json!({"corrects": event, "data": data}));
    let verdict = world.verdict(APPROVAL);
    assert_eq!(rule(&verdict, "approval").outcome, NoEvidence);
    assert_eq!(got(&verdict, "approval").1, "0 of 1");
    // Whoever changes their own grants it again.
    let event = approve(&mut world, "risk-team", json!({"artifact": file("another")}));
    let data = json!({"service": SERVICE, "artifact": file("new"), "role": "model-risk"});
    world.say("risk-team", "record.corrected", SERVICE, json!({"corrects": event, "data": data}));
    let verdict = world.verdict(APPROVAL);
    assert_eq!(rule(&verdict, "approval").outcome, NoEvidence);
    assert!(got(&verdict, "approval").1.contains("was corrected"), "{verdict:?}");
}

#[test]
fn the_way_back_is_looked_for_among_the_last_thousand_that_were_allowed() {
    let mut world = World::new();
    world.measured("old", "held-out", json!([{"metric": "auc", "value": "0.10"}]));
    decided(&mut world, "ledger", "allow");
    // A webhook that is asked again and again denies a thousand times in an hour: the way back stays open.
    for _ in 0..=lineal_gate::history::MAX_LAST {
        decided(&mut world, "ledger", "deny");
    }
    assert_eq!(world.verdict_on(file("old"), BACK).verdict, GateVerdict::Allow);
    for _ in 1..lineal_gate::history::MAX_LAST {
        decided_about(&mut world, "ledger", "allow", "another");
    }
    assert_eq!(world.verdict_on(file("old"), BACK).verdict, GateVerdict::Allow);
    decided_about(&mut world, "ledger", "allow", "another");
    assert_eq!(world.verdict_on(file("old"), BACK).verdict, GateVerdict::Deny);
}
