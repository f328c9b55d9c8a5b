//! What is wrong between what runs and what the gate decided: each rule finds what it names, and is silent elsewhere.

use lineal_ledger::answers::{
    Explanation, GateQuestion,
    findings::{Finding, Rule, Severity},
    gate::decision,
};
use lineal_schemas::vocabulary::Payload;

use super::{
    admitted::{broken, decide, decide_sets, under},
    findings::{ask, findings, one, roles, rules, sound},
    gate::{RULES, measure, register},
    *,
};

/// A sound service that a policy speaks for.
fn gated() -> World {
    let mut world = sound().with_approver();
    register(&mut world, "[lineage]\\nreach = [\\\"dataset.snapshotted\\\"]\\n");
    world
}

/// The events of a finding by what they are to it.
fn shown(finding: &Finding, role: &str) -> Vec<u64> {
    let evidence = finding.evidence.iter().filter(|evidence| evidence.role == role);
    evidence.map(|evidence| evidence.event.index).collect()
}

fn explained(world: &World, asked: &str) -> Explanation {
    let explanation = answers::explain(&world.view(), asked, world.clock.wall()).unwrap();
    schemas::check("explain.v1.json", &explanation);
    explanation
}

/// It comes up as something else, which the gate was not asked about.
fn serve(world: &mut World, model: &str) -> u64 {
    ask(world, &serving(model));
    world.observe(SERVICE, &serving(model), "")
}

#[test]
fn what_runs_where_a_policy_speaks_and_the_gate_was_never_asked_is_high() {
    let mut world = gated();
    let finding = one(&world, Rule::ObservedNeverAdmitted);
    assert_eq!((finding.severity, roles(&finding)), (Severity::High, vec!["observed"]));
    assert!(finding.line.contains(&format!("{SERVICE}: model/wine/quality v1 sha256:")), "{}", finding.line);
    let id = finding.id;
    let undecided = decide(&world, "weights-1", "undecided", "");
    let finding = one(&world, Rule::ObservedNeverAdmitted);
    assert_eq!((finding.id, finding.evidence[0].event.index), (id.clone(), undecided), "undecided is no decision");
    schemas::check("findings.v1.json", &findings(&world));
    let explained = explained(&world, &id).finding.unwrap();
    assert!(explained.mend.contains("lineal gate --record"), "{}", explained.mend);
    decide(&world, "weights-1", "allow", "");
    assert!(rules(&world).is_empty(), "{}", findings(&world).to_text(Style::Plain));
    // Another one came up past the gate: the one that was admitted is not it.
    world.train("run-2", "red", "weights-2");
    serve(&mut world, "weights-2");
    assert_ne!(one(&world, Rule::ObservedNeverAdmitted).id, id, "a finding of its own");
}

/// Whoever can have the ledger record a verdict about yesterday lets in what was flagged since.
#[test]
fn a_yes_about_a_record_of_long_before_is_high_and_a_prompt_one_is_nothing() {
    let decision = |world: &World, size: u64, at: Timestamp| {
        let data = format!(
            r#"{{"service":"{SERVICE}","servingSet":[{}],"verdict":"allow","treeSize":{size},"judgedAt":"{at}","document":"{}"}}"#,
            serving("weights-1"),
            hash("verdict")
        );
        let payload = Payload::parse("dev.lineal.gate.decided.v1", &world::filled(&data)).unwrap();
        let index = world.ledger.as_ref().unwrap().say(SERVICE, payload).unwrap();
        world.ledger.as_ref().unwrap().wait_for_index();
        index
    };
    let mut world = gated();
    let (size, then) = (world.view().record.size(), world.clock.wall());
    let left_out = world.observe(SERVICE, &serving("weights-1"), "");
    world.clock.advance(25 * 60);
    decision(&world, size, world.clock.wall());
    assert!(rules(&world).is_empty(), "{}", findings(&world).to_text(Style::Plain));
    world.clock.advance(1);
    // What it left out had been on the record for longer.
    let index = decision(&world, size, world.clock.wall());
    let finding = one(&world, Rule::DecidedOnOldRecord);
    assert_eq!((finding.severity, roles(&finding)), (Severity::High, vec!["decided", "observed"]));
    assert_eq!(shown(&finding, "decided"), [index]);
    assert!(finding.line.ends_with(&format!("by a verdict of the first {size} entries")), "{}", finding.line);
    assert_eq!(left_out, size, "the first that it left out");
    schemas::check("findings.v1.json", &findings(&world));
    // All of the record, and a moment of long before.
    world.clock.advance(1);
    let size = world.view().record.size();
    decision(&world, size, then);
    let line = one(&world, Rule::DecidedOnOldRecord).line;
    assert!(line.ends_with(&format!("by a verdict as of {then}")), "{line}");
    world.clock.advance(1);
    let size = world.view().record.size();
    decision(&world, size, world.clock.wall());
    assert!(rules(&world).is_empty(), "the newest counts");
}

#[test]
fn where_no_policy_speaks_it_is_one_low_finding_an_environment() {
    let mut world = sound();
    assert!(rules(&world).is_empty(), "a record without a policy misses none");
    let other = "service/vendor/other@eu-1/prod";
    let data = format!(r#"{{"service":"{other}","servingSet":[{}]}}"#, serving("weights-1"));
    world.send("deployer", "deployment.requested", other, &data);
    world.observe(other, &serving("weights-1"), "");
    let mut world = world.with_approver();
    let text = r#"schema = 1\nname = \"policy/beer/prod\"\napplies = { service = \"service/beer/x\" }\n[lineage]\nreach = [\"dataset.snapshotted\"]\n"#;
    let before = world.clock.wall();
    let data = format!(r#"{{"policy":"policy/beer/prod","text":"{text}"}}"#);
    world.send("approver", "policy.registered", "policy/beer/prod", &data);
    let finding = one(&world, Rule::Ungated);
    assert_eq!((finding.severity, finding.services.len()), (Severity::Low, 2), "{finding:?}");
    assert_eq!(rules(&world), [Rule::Ungated], "one for both");
    let when = answers::When { at: Some(before), ..world.clock.wall().into() };
    assert!(
        answers::findings(&world.view(), None, None, when).unwrap().findings.is_empty(),
        "there was no policy then"
    );
    // Asked once about the service, the gate is used there, whatever it was asked about.
    decide(&world, "weights-9", "deny", "");
    assert_eq!(rules(&world), [Rule::ObservedNeverAdmitted, Rule::Ungated]);
    assert_eq!(one(&world, Rule::Ungated).services, [other]);
}

#[test]
fn what_runs_although_it_was_refused_is_critical() {
    let mut world = gated();
    world.clock.advance(60);
    let reasons = r#","reasons":[{"rule":"metric/auc","outcome":"fail","reason":"0.7, wanted 0.9"}]"#;
    let denied = decide(&world, "weights-1", "deny", reasons);
    let finding = one(&world, Rule::ObservedAfterRefusal);
    assert_eq!((finding.severity, roles(&finding)), (Severity::Critical, vec!["refused", "observed"]));
    assert_eq!(shown(&finding, "refused"), [denied]);
    assert!(finding.line.ends_with(": metric/auc"), "{}", finding.line);
    assert_eq!(rules(&world), [Rule::ObservedAfterRefusal], "and not as one that was never decided about");
    let about = explained(&world, &format!("#{denied}")).event.unwrap();
    assert_eq!(about.findings, std::slice::from_ref(&finding), "the decision says what it shows");
    decide(&world, "weights-1", "allow", "");
    assert!(rules(&world).is_empty());
    // Admitted when it came up, and refused since: it did not get past the gate.
    let again = decide(&world, "weights-1", "deny", "");
    let after = one(&world, Rule::ObservedAfterRefusal);
    assert_eq!((&after.id, after.severity), (&finding.id, Severity::High));
    assert_eq!((roles(&after), shown(&after, "refused")), (vec!["allowed", "refused", "observed"], vec![again]));
    // It went, and came up again after it was refused.
    decide(&world, "weights-2", "allow", "");
    world.train("run-2", "red", "weights-2");
    serve(&mut world, "weights-2");
    assert!(rules(&world).is_empty(), "{}", findings(&world).to_text(Style::Plain));
    serve(&mut world, "weights-1");
    assert_eq!(one(&world, Rule::ObservedAfterRefusal).severity, Severity::Critical);
}

#[test]
fn what_runs_by_a_broken_glass_is_loud_and_louder_when_its_time_has_ended() {
    let mut world = gated();
    let artifact = r#""artifact":{"digest":{"sha256":"DIGEST(weights-1)"}}"#;
    let until = Timestamp::from_millis(world.clock.wall().as_millis() + 100_000);
    let waiver = format!(
        r#"{{"service":"{SERVICE}",{artifact},"policy":"DIGEST(p)","rule":"override","reason":"fraud-wave","expires":"{until}"}}"#
    );
    let (index, waiver) = world.send_event("approver", "waiver.granted", SERVICE, &waiver);
    let glass = format!(r#","overridden":{{"waiver":"{waiver}","reason":"fraud-wave","expires":"{until}"}}"#);
    let denied = decide(&world, "weights-1", "deny", &glass);
    let finding = one(&world, Rule::AdmittedByOverride);
    assert_eq!((finding.severity, rules(&world).len()), (Severity::High, 1));
    assert_eq!(roles(&finding), ["waived", "overridden", "observed"]);
    assert_eq!((shown(&finding, "waived"), shown(&finding, "overridden")), (vec![index], vec![denied]));
    assert!(finding.line.ends_with(&format!("OVERRIDDEN for fraud-wave, until {until}")), "{}", finding.line);
    world.clock.advance(100);
    let over = one(&world, Rule::AdmittedByOverride);
    assert_eq!((over.severity, over.id), (Severity::Critical, finding.id));
    assert!(over.line.ends_with(&format!("ENDED {until}")), "{}", over.line);
    // One that nobody can find is found all the same.
    decide(&world, "weights-1", "deny", &broken(&world, 100));
    assert_eq!(roles(&one(&world, Rule::AdmittedByOverride)), ["overridden", "observed"]);
}

#[test]
fn what_was_let_through_and_never_came_up_is_found() {
    let mut world = gated();
    decide(&world, "weights-1", "allow", "");
    world.clock.advance(3600);
    assert!(rules(&world).is_empty(), "it ran already");
    world.train("run-2", "red", "weights-2");
    let allowed = decide(&world, "weights-2", "allow", "");
    world.clock.advance(15 * 60 - 1);
    assert!(rules(&world).is_empty());
    world.clock.advance(1);
    let finding = one(&world, Rule::AdmittedNeverObserved);
    assert_eq!((finding.severity, roles(&finding)), (Severity::Medium, vec!["admitted", "observed"]));
    assert_eq!(shown(&finding, "admitted"), [allowed]);
    // As a part of what runs, with an image beside it, it is there.
    let image = r#"{"role":"image","artifact":{"digest":{"sha256":"DIGEST(image)"}},"binding":"pinned"}"#;
    let beside = shared("0.1", "weights-2").replace(r#""components":["#, &format!(r#""components":[{image},"#));
    let both = format!("{},{beside}", shared("0.9", "weights-1"));
    ask(&mut world, &both);
    world.observe(SERVICE, &both, "");
    assert!(rules(&world).is_empty(), "{}", findings(&world).to_text(Style::Plain));
    // Of a service that nobody ever saw, too.
    let other = "service/wine/other@eu-1/stage";
    decide_sets(&world, other, &serving("weights-2"), "allow", "");
    world.clock.advance(3600);
    assert_eq!(one(&world, Rule::AdmittedNeverObserved).services, [other]);
    world.send("deployer", "deployment.removed", other, &format!(r#"{{"service":"{other}"}}"#));
    assert!(rules(&world).is_empty());
}

/// The real gate, whose decisions name what they rest on.
fn judged(world: &World) {
    let question = GateQuestion {
        model: format!("sha256:{}", hash("weights-1")),
        service: SERVICE.to_owned(),
        policy: lineal_gate::judge::Asked::Registered,
    };
    let gate = answers::gate(&world.view(), &question, world.clock.wall()).unwrap();
    let (subject, payload) = decision(&gate, "cli").unwrap();
    world.clock.advance(1);
    world.ledger.as_ref().unwrap().say(&subject, Payload::from(payload)).unwrap();
    world.ledger.as_ref().unwrap().wait_for_index();
}

#[test]
fn a_policy_that_came_after_the_numbers_that_it_judged_is_found() {
    let without_approval = RULES.split("[approval]").next().unwrap();
    for is_late in [true, false] {
        let mut world = sound().with_approver();
        world.snapshot("dataset/wine/held-out", "held-out", "");
        if !is_late {
            register(&mut world, without_approval);
        }
        measure(&mut world, "ev-1", "weights-1", "0.95");
        if is_late {
            register(&mut world, without_approval);
        }
        judged(&world);
        if !is_late {
            assert!(rules(&world).is_empty(), "{}", findings(&world).to_text(Style::Plain));
            // Registered again with the same text, it was there before all the same: for the decisions that rest on that.
            register(&mut world, without_approval);
            assert!(rules(&world).is_empty(), "{}", findings(&world).to_text(Style::Plain));
            continue;
        }
        let finding = one(&world, Rule::PolicyAfterEvaluation);
        assert_eq!((finding.severity, rules(&world).len()), (Severity::Medium, 1));
        assert_eq!(roles(&finding), ["measured", "registered", "decided", "observed"]);
        assert_eq!(finding.evidence[0].event.kind, "evaluation.started", "the first that was heard of it");
        // Where a decision does not say what it rests on, it is what the record had.
        decide(&world, "weights-1", "allow", &under("another text"));
        assert!(rules(&world).is_empty(), "of a policy that is not there, nothing is known");
    }
}

/// What was there when the gate was used nowhere is as it was.
#[test]
fn findings_of_decisions_are_of_the_moment() {
    let world = gated();
    let before = world.clock.wall();
    world.clock.advance(10);
    decide(&world, "weights-1", "allow", "");
    let found = |at: Timestamp| {
        let when = answers::When { at: Some(at), ..world.clock.wall().into() };
        let found = answers::findings(&world.view(), None, None, when).unwrap().findings;
        found.into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    assert_eq!(found(before), [Rule::ObservedNeverAdmitted]);
    assert!(found(world.clock.wall()).is_empty());
}
