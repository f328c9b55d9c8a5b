//! What led to a finding, by which right an event was said, and what it led to.

use lineal_ledger::answers::{
    Explanation, When,
    explain::{EventExplained, Standing},
    findings::Rule,
};

use super::*;

fn explain(world: &World, asked: &str) -> Explanation {
    let explanation = answers::explain(&world.view(), asked, world.clock.wall()).unwrap();
    let json = serde_json::to_string(&explanation).unwrap();
    assert_eq!(serde_json::from_str::<Explanation>(&json).unwrap(), explanation, "the JSON holds all of it");
    let text = explanation.to_text(Style::Plain);
    assert_eq!(text.lines().next(), Some(explanation.answer.as_str()), "line 1 is the answer");
    assert!(text.trim_end().ends_with(ORIGIN), "{text}");
    explanation
}

fn event(world: &World, index: u64) -> EventExplained {
    explain(world, &index.to_string()).event.unwrap()
}

fn led(world: &World, index: u64) -> Vec<String> {
    event(world, index).led_to.into_iter().map(|led| led.rule).collect()
}

#[test]
fn a_finding_is_explained_by_its_rule_and_its_events_in_order() {
    let mut world = World::deployed();
    let (flag, _event) = world.flag("red", "poisoned", "");
    let found = answers::findings(&world.view(), None, None, world.clock.wall()).unwrap();
    let finding = found.findings.iter().find(|finding| finding.rule == Rule::LiveOnFlaggedData).unwrap();
    let explained = explain(&world, &finding.id).finding.unwrap();
    assert_eq!(explained.finding.id, finding.id);
    let order: Vec<u64> = explained.finding.evidence.iter().map(|evidence| evidence.event.index).collect();
    assert_eq!(order, [flag - 3, flag - 1, flag], "it was trained, seen, and flagged after that");
    assert!(explained.ask_on.contains(&format!("lineal impact sha256:{}", hash("red"))), "{:?}", explained.ask_on);
    assert!(!explained.mend.is_empty());
    // At the moment that it was given for; before, and once it is mended, there is none of that id.
    let before = When { known: Some(answers::Known::Entry(flag - 1)), ..world.clock.wall().into() };
    assert_eq!(answers::explain(&world.view(), &finding.id, before).unwrap_err().code(), "unknown-name");
    world.clear("red", "");
    let now = world.clock.wall();
    assert_eq!(answers::explain(&world.view(), &finding.id, now).unwrap_err().code(), "unknown-name");
    let then = When { known: Some(answers::Known::Entry(flag)), ..now.into() };
    assert!(answers::explain(&world.view(), &finding.id, then).unwrap().finding.is_some());
}

/// It was given for an environment that does not call itself production.
#[test]
fn a_finding_is_found_again_whichever_environment_it_was_given_for() {
    let mut world = World::begin();
    let service = "service/wine/quality@eu-1/test";
    world.observe(service, r#"{"components":[{"role":"image","artifact":{"uri":"oci://wine:latest"}}]}"#, "");
    let found = answers::findings(&world.view(), Some("test"), None, world.clock.wall()).unwrap();
    let weak = found.findings.iter().find(|finding| finding.rule == Rule::WeakIdentity).unwrap();
    assert!(explain(&world, &weak.id).finding.is_some());
}

#[test]
fn who_said_it_and_by_which_right() {
    let mut world = World::deployed();
    let index = world.snapshot("dataset/wine/white", "white", "");
    let explained = event(&world, index);
    let right = &explained.rights[0];
    assert_eq!((right.standing, right.producer.as_deref()), (Standing::Producer, Some("wine-data")));
    assert_eq!((right.roles.as_slice(), right.name.as_deref()), (&["data".to_owned()][..], Some("dataset/**")));
    assert_eq!(right.enrolled, Some(1));
    assert_eq!(event(&world, 1).rights[0].standing, Standing::Root);
    assert_eq!(explained.late_minutes, None);
    let at = world.clock.wall();
    let late = world.sign(
        "data",
        "dataset.snapshotted",
        "dataset/wine/late",
        r#"{"dataset":{"digest":{"sha256":"DIGEST(x)"}}}"#,
        at,
    );
    world.clock.advance(2 * 3600);
    let index = world.submit(late);
    assert_eq!(event(&world, index).late_minutes, Some(120));
    assert!(event(&world, index).findings.iter().any(|finding| finding.rule == Rule::LateArrival));
}

#[test]
fn an_observation_opens_keeps_and_ends_intervals() {
    let mut world = World::begin();
    let first = world.observe(SERVICE, &serving("weights-1"), "");
    let again = world.observe(SERVICE, &serving("weights-1"), "");
    let other = world.observe(SERVICE, &serving("weights-2"), r#","nextWithinSeconds":60"#);
    assert_eq!(led(&world, first), ["window-opened"]);
    assert_eq!(led(&world, again), ["window-kept"]);
    assert_eq!(event(&world, again).led_to[0].event.as_ref().map(|event| event.index), Some(first));
    assert_eq!(led(&world, other), ["window-opened", "window-closed"]);
    world.clock.advance(62);
    assert_eq!(led(&world, other), ["window-opened", "window-closed", "silence"]);
    let end = world.send("deployer", "deployment.removed", SERVICE, &format!(r#"{{"service":"{SERVICE}"}}"#));
    assert_eq!(led(&world, end), ["service-ended"]);
}

#[test]
fn a_request_stands_is_met_and_is_replaced() {
    let mut world = World::begin();
    let ask = |model: &str| format!(r#"{{"service":"{SERVICE}","servingSet":[{}]}}"#, serving(model));
    let (first, digest) = world.send_event("deployer", "deployment.requested", SERVICE, &ask("weights-1"));
    assert_eq!(led(&world, first), ["request-stands", "request-not-met"]);
    world.observe(SERVICE, &serving("weights-1"), "");
    assert_eq!(led(&world, first), ["request-stands", "request-met"]);
    let second = world.send("deployer", "deployment.requested", SERVICE, &ask("weights-2"));
    assert_eq!(led(&world, first), ["request-replaced", "request-met"]);
    assert_eq!(event(&world, first).led_to[0].event.as_ref().map(|event| event.index), Some(second));
    let back = format!(r#"{{"service":"{SERVICE}","restores":"{digest}"}}"#);
    let back = world.send("deployer", "deployment.rolledback", SERVICE, &back);
    let explained = event(&world, back);
    assert_eq!((explained.names[0].role.as_str(), explained.names[0].event.index), ("restores", first));
    assert_eq!(led(&world, back)[0], "rollback-declared");
}

#[test]
fn a_flag_stands_until_it_is_cleared_and_a_correction_counts_or_does_not() {
    let mut world = World::deployed();
    let (flag, _event) = world.flag("red", "poisoned", "");
    assert_eq!(led(&world, flag), ["flag-stands", "live"]);
    assert!(event(&world, flag).led_to[1].what.contains(SERVICE));
    world.clear("red", "");
    assert_eq!(led(&world, flag), ["flag-cleared", "live"]);
    let (wrong, digest) = world.train("run-9", "red", "weights-9");
    assert_eq!(led(&world, wrong), ["not-live"]);
    let data = r#"{"runId":"run-9","job":{"namespace":"wine","name":"train","kind":"train"},"outputs":[{"digest":{"sha256":"DIGEST(weights-1)"}}]}"#;
    let correction = format!(r#"{{"corrects":"{digest}","data":{data}}}"#);
    let void = world.send("evaluator", "record.corrected", "job/wine/train", &correction);
    assert_eq!(led(&world, void), ["correction-void"]);
    let counts = world.send("trainer", "record.corrected", "job/wine/train", &correction);
    assert_eq!(led(&world, counts), ["correction-counts"]);
    assert_eq!(led(&world, wrong), ["corrected", "live"], "what was put in its place runs");
}

#[test]
fn every_entry_can_be_explained() {
    let world = World::deployed();
    for index in 0..world.view().record.size() {
        explain(&world, &format!("#{index}"));
    }
    let now = world.clock.wall();
    for (asked, code) in [("#4711", "no-such-entry"), ("f-000000000000", "unknown-name"), ("nonsense", "unknown-name")]
    {
        assert_eq!(answers::explain(&world.view(), asked, now).unwrap_err().code(), code, "{asked}");
    }
}
