//! What decisions say of what runs: whether each part was admitted, by which decision, at any moment.

use lineal_ledger::answers::{Gated, Running, SetAdmission};
use lineal_schemas::vocabulary::Payload;

use super::*;

/// The ledger's own decision about serving sets; `more` can hold further members.
pub(crate) fn decide_sets(world: &World, service: &str, sets: &str, verdict: &str, more: &str) -> u64 {
    let (document, at, size) = (hash("verdict"), world.clock.wall(), world.view().record.size());
    let data = format!(
        r#"{{"service":"{service}","servingSet":[{sets}],"verdict":"{verdict}","treeSize":{size},"judgedAt":"{at}","document":"{document}"{more}}}"#
    );
    let payload = Payload::parse("dev.lineal.gate.decided.v1", &world::filled(&data)).unwrap();
    world.clock.advance(1);
    let index = world.ledger.as_ref().unwrap().say(service, payload).unwrap();
    world.ledger.as_ref().unwrap().wait_for_index();
    index
}

pub(crate) fn decide(world: &World, model: &str, verdict: &str, more: &str) -> u64 {
    decide_sets(world, SERVICE, &serving(model), verdict, more)
}

/// The policy that a decision names.
pub(crate) fn under(policy: &str) -> String {
    format!(r#","policy":{{"name":"policy/wine/prod","sha256":"DIGEST({policy})"}}"#)
}

/// Somebody breaks the glass for so many seconds.
pub(crate) fn broken(world: &World, seconds: i64) -> String {
    let until = Timestamp::from_millis(world.clock.wall().as_millis() + seconds * 1000);
    format!(r#","overridden":{{"waiver":"DIGEST(waiver)","reason":"fraud-wave","expires":"{until}"}}"#)
}

fn admissions(running: &Running) -> Vec<&SetAdmission> {
    running.services.iter().flat_map(|service| &service.serving_sets).map(|set| &set.admission).collect()
}

fn gated(world: &World) -> Vec<Gated> {
    admissions(&world.running()).into_iter().map(|admission| admission.gated).collect()
}

/// Line 1 ends with it, and the part's own line does.
#[track_caller]
fn says(world: &World, words: &str) {
    let running = world.running();
    assert!(running.answer.ends_with(&format!(", {words}")), "{}", running.answer);
    let text = running.to_text(Style::Plain);
    let part = text.lines().find(|line| line.starts_with("  since ")).unwrap();
    assert!(part.ends_with(&format!(", {words}")), "{text}");
    schemas::check("running.v1.json", &running);
}

#[test]
fn what_runs_says_whether_it_was_admitted_and_by_which_decision() {
    let mut world = World::deployed().with_approver();
    says(&world, "never gated: no policy speaks for it");
    gate::register(&mut world, "");
    says(&world, "NOT ADMITTED: never gated");
    let index = decide(&world, "weights-1", "undecided", "");
    says(&world, &format!("NOT ADMITTED: the gate could not decide (#{index})"));
    let denied = decide(&world, "weights-1", "deny", &under("p"));
    says(&world, &format!("NOT ADMITTED: refused (#{denied}, policy/wine/prod)"));
    let allowed = decide(&world, "weights-1", "allow", &under("p"));
    says(&world, &format!("ADMITTED (#{allowed}, policy/wine/prod)"));
    decide(&world, "weights-1", "undecided", "");
    decide(&world, "weights-2", "deny", "");
    decide_sets(&world, "service/wine/other@eu-1/prod", &serving("weights-1"), "deny", "");
    says(&world, &format!("ADMITTED (#{allowed}, policy/wine/prod)"));
    let again = decide(&world, "weights-1", "deny", "");
    says(&world, &format!("NOT ADMITTED: refused (#{again}), allowed before (#{allowed})"));
}

#[test]
fn a_broken_glass_admits_for_a_time() {
    let world = World::deployed();
    let glass = broken(&world, 100);
    let index = decide(&world, "weights-1", "deny", &glass);
    let running = world.running();
    let until = admissions(&running)[0].until.unwrap();
    says(&world, &format!("ADMITTED BY OVERRIDE (#{index}) for fraud-wave, until {until}"));
    world.clock.advance(99);
    assert_eq!(gated(&world), [Gated::OverrideEnded]);
    says(&world, &format!("NOT ADMITTED: the override ended {until} (#{index})"));
}

#[test]
fn whether_it_was_admitted_is_told_of_any_moment() {
    let world = World::deployed();
    let before = world.clock.wall();
    world.clock.advance(10);
    let index = decide(&world, "weights-1", "allow", "");
    world.clock.advance(10);
    decide(&world, "weights-1", "deny", "");
    let ask = |when: answers::When| {
        let running = answers::running(&world.view(), None, when).unwrap();
        admissions(&running)[0].gated
    };
    let now = world.clock.wall();
    let at = |at: Timestamp| answers::When { at: Some(at), ..now.into() };
    let known = |entry| answers::When { known: Some(answers::Known::Entry(entry)), ..now.into() };
    assert_eq!(ask(at(before)), Gated::NotCovered);
    assert_eq!(ask(at(Timestamp::from_millis(before.as_millis() + 11_000))), Gated::Admitted);
    assert_eq!(ask(now.into()), Gated::Refused);
    assert_eq!((ask(known(index - 1)), ask(known(index))), (Gated::NotCovered, Gated::Admitted));
}

/// Whoever was never asked to let anything in has not refused it.
#[test]
fn what_no_policy_speaks_for_is_not_called_refused_and_is_not_admitted_either() {
    let mut world = World::deployed().with_approver();
    world.observe("service/vendor/other@eu-1/prod", &serving("weights-1"), "");
    assert_eq!(gated(&world), [Gated::NotCovered, Gated::NotCovered]);
    let answer = world.running().answer;
    assert!(answer.ends_with("2 services run"), "{answer}");
    gate::register(&mut world, "");
    assert_eq!(gated(&world), [Gated::NotCovered, Gated::NeverGated], "the policy speaks for one of the two");
    let answer = world.running().answer;
    assert!(answer.ends_with("2 services run, 1 NOT ADMITTED"), "{answer}");
    // Whoever asks the gate about a service has it judged there: then the parts that it was not asked about are missed.
    decide_sets(&world, "service/vendor/other@eu-1/prod", &serving("weights-9"), "deny", "");
    assert_eq!(gated(&world), [Gated::NeverGated, Gated::NeverGated]);
    assert!(!Gated::NotCovered.may_run());
}

/// Each part has an answer of its own; what was allowed together was allowed part by part.
#[test]
fn the_parts_of_a_canary_are_told_apart() {
    let mut world = World::deployed();
    let both = format!("{},{}", shared("0.90", "weights-1"), shared("0.10", "weights-2"));
    world.observe(SERVICE, &both, "");
    let first = decide(&world, "weights-1", "allow", "");
    assert_eq!(gated(&world), [Gated::Admitted, Gated::NeverGated]);
    let answer = world.running().answer;
    assert!(answer.ends_with(&format!(", 0.90 ADMITTED (#{first}), 0.10 NOT ADMITTED: never gated")), "{answer}");
    decide_sets(&world, SERVICE, &both, "allow", "");
    assert_eq!(gated(&world), [Gated::Admitted, Gated::Admitted]);
    decide_sets(&world, SERVICE, &format!("{},{}", serving("weights-3"), serving("weights-2")), "deny", "");
    assert_eq!(gated(&world), [Gated::Admitted, Gated::Admitted], "which of the others was refused is not said");
    world.observe("service/wine/other@eu-1/prod", &serving("weights-1"), "");
    let answer = world.running().answer;
    assert!(answer.ends_with("2 services run"), "the gate has no part in the other one: {answer}");
}

/// Whoever may deploy could say that a gate allowed it. What the ledger did not decide itself admits nothing.
#[test]
fn what_others_say_that_a_gate_decided_admits_nothing() {
    let mut world = World::deployed().with_approver();
    let at = world.clock.wall();
    let document = hash("verdict");
    let data = format!(
        r#"{{"service":"{SERVICE}","servingSet":[{}],"verdict":"allow","treeSize":1,"judgedAt":"{at}","document":"{document}"}}"#,
        serving("weights-1")
    );
    world.send("approver", "gate.decided", SERVICE, &data);
    assert_eq!(gated(&world), [Gated::NotCovered]);
}
