//! What runs: from observations alone, and never from what was asked for.

use super::*;

/// It was answered as if the service had ended, though most of it had not been looked at.
#[test]
fn nothing_in_the_part_that_was_seen_is_not_nothing() {
    let mut world = World::begin();
    let at = world.clock.wall();
    let data = format!(
        r#"{{"service":"{SERVICE}","servingSet":[],"observedAt":"{at}","observer":"probe-1","complete":false}}"#
    );
    world.send("observer", "deployment.observed", SERVICE, &data);
    let running = world.running();
    assert_eq!((running.services[0].status, running.exit_code()), (Status::Partial, 2));
    assert!(running.ended.is_empty() && running.answer.contains("seen in part: nothing"), "{}", running.answer);
    let trace = world.trace(SERVICE);
    assert!(trace.answer.starts_with(&format!("{SERVICE} runs, as far as it was seen, nothing")), "{}", trace.answer);
    assert_eq!(trace.missing, [format!("{SERVICE} was seen in part, with nothing that serves")]);
    world.observe(SERVICE, "", "");
    assert_eq!(world.running().ended.len(), 1, "once all of it was seen");
}

#[test]
fn two_services_and_a_canary_are_told_apart() {
    let mut world = World::deployed();
    world.train("run-2", "red", "weights-2");
    world.clock.advance(600);
    let both = format!("{},{}", shared("0.90", "weights-1"), shared("0.10", "weights-2"));
    world.observe(SERVICE, &both, "");
    world.observe("service/wine/other@eu-1/stage", &serving("weights-2"), "");
    let running = world.running();
    assert_eq!((running.services.len(), running.exit_code()), (2, 0));
    let canary = running.services.iter().find(|service| service.service == SERVICE).unwrap();
    let (old, new) = (&canary.serving_sets[0], &canary.serving_sets[1]);
    assert_eq!((old.share.as_deref(), new.share.as_deref()), (Some("0.90"), Some("0.10")));
    assert!(old.since < new.since, "the old set has run on");
    assert_eq!(canary.since, new.since);
    assert_eq!(old.components[0].name.as_deref(), Some("model/wine/quality"));
    let only = answers::running(&world.view(), Some("stage"), world.clock.wall()).unwrap();
    assert_eq!(only.services.len(), 1);
    let trace = world.trace(SERVICE);
    assert!(trace.answer.contains("(share 0.90)") && trace.answer.contains("(share 0.10)"), "{}", trace.answer);
    assert_eq!(trace.verdict, Verdict::Complete);
}

#[test]
fn a_silent_observer_makes_its_service_unknown() {
    let mut world = World::deployed();
    world.observe(SERVICE, &serving("weights-1"), r#","nextWithinSeconds":60"#);
    let running = world.running();
    assert_eq!((running.services[0].status, running.exit_code()), (Status::Running, 0));
    world.clock.advance(62);
    let running = world.running();
    assert_eq!((running.services[0].status, running.exit_code()), (Status::Unknown, 2));
    let due = Timestamp::from_millis(running.services[0].last_observed.as_millis() + 60_000);
    assert_eq!(running.services[0].unknown_since, Some(due));
    assert!(running.answer.contains(&format!("UNKNOWN since {due}; last seen")), "{}", running.answer);
    assert!(world.trace(SERVICE).answer.contains("is UNKNOWN since"));
}

#[test]
fn what_was_asked_for_never_runs_by_that() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    world.train("run-1", "red", "weights-1");
    let ask = |model: &str| format!(r#"{{"service":"{SERVICE}","servingSet":[{}],"door":"argo-cd"}}"#, serving(model));
    world.send("deployer", "deployment.requested", SERVICE, &ask("weights-1"));
    assert_eq!(world.running().exit_code(), 1);
    let trace = world.trace(SERVICE);
    assert_eq!(trace.verdict, Verdict::Broken);
    assert!(trace.answer.contains("was never observed"), "{}", trace.answer);
    world.observe(SERVICE, &serving("weights-1"), "");
    let requested = world.running().services[0].requested.clone().unwrap();
    assert_eq!((requested.standing, requested.door.as_deref()), (true, Some("argo-cd")));
    world.send("deployer", "deployment.requested", SERVICE, &ask("weights-2"));
    assert!(!world.running().services[0].requested.as_ref().unwrap().standing);
    world.observe(SERVICE, &serving("weights-3"), "");
    assert_eq!(world.running().services[0].requested, None);
    assert!(world.running().answer.contains("NEVER REQUESTED"));
}

#[test]
fn a_removed_service_does_not_run_and_late_observations_change_nothing() {
    let mut world = World::deployed();
    let since = world.running().services[0].since;
    world.clock.advance(3600);
    world.observe(SERVICE, &serving("weights-1"), "");
    assert_eq!(world.running().services[0].since, since, "the same set runs on");
    // It arrives late: it was seen before the last one, and saw something else.
    let at = Timestamp::from_millis(since.as_millis() + 1000);
    let late = format!(
        r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{at}","observer":"probe-2","complete":true}}"#,
        serving("weights-0")
    );
    world.send("observer", "deployment.observed", SERVICE, &late);
    let running = world.running();
    assert_eq!(running.services[0].serving_sets[0].components[0].digests[0].value, hash("weights-1"));
    assert!(running.services[0].since > at, "something else ran between");
    world.send("deployer", "deployment.removed", SERVICE, &format!(r#"{{"service":"{SERVICE}"}}"#));
    let running = world.running();
    assert_eq!((running.services.len(), running.ended.len(), running.exit_code()), (0, 1, 1));
    assert!(world.trace(SERVICE).answer.contains("runs nothing since"));
}

#[test]
fn since_when_is_found_far_back_among_many_observations() {
    let mut world = World::deployed();
    world.observe(SERVICE, &serving("weights-0"), "");
    let first = world.observe(SERVICE, &serving("weights-1"), "");
    let since = world.view().record.get(first).unwrap().entry().received;
    for _again in 0..200 {
        world.observe(SERVICE, &serving("weights-1"), "");
    }
    assert_eq!(world.running().services[0].since.as_millis(), since.as_millis() - 1000);
    // A canary is new; what it stands beside has run on.
    for _again in 0..70 {
        let both = format!("{},{}", shared("0.9", "weights-1"), shared("0.1", "weights-0"));
        world.observe(SERVICE, &both, "");
    }
    let service = world.running().services.remove(0);
    assert_eq!(service.serving_sets[0].since.as_millis(), since.as_millis() - 1000);
    assert_eq!(service.since, service.serving_sets[1].since);
    assert!(service.since > since);
}
