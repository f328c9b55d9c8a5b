//! Inventories: what a whole environment lists runs, and what it does not list is gone. Incidents beside it.

use lineal_ledger::answers::{When, timeline::LineKind, windows::WindowState};

use super::*;

const NAME: &str = "service/wine/quality";
const OTHER: &str = "service/wine/other@eu-1/prod";

#[test]
fn what_an_inventory_lists_runs_as_if_it_was_observed() {
    let mut world = World::deployed();
    let since = world.running().services[0].since;
    let index = world.inventory(
        &[(NAME, &serving("weights-1")), ("service/wine/other", &serving("weights-1"))],
        true,
        r#","nextWithinSeconds":60"#,
    );
    let running = world.running();
    assert_eq!(running.services.len(), 2);
    let (other, own) = (&running.services[0], &running.services[1]);
    assert_eq!((other.service.as_str(), other.status, other.observer.as_str()), (OTHER, Status::Running, "agent"));
    assert_eq!((own.since, own.observation.index), (since, index), "the same set runs on");
    let trace = world.trace(OTHER);
    assert_eq!((trace.verdict, trace.nodes[0].name.as_deref()), (Verdict::Complete, Some(OTHER)));
    let impact = answers::impact(&world.view(), "dataset/wine/red", world.clock.wall()).unwrap();
    assert_eq!(impact.live.len(), 2);
    world.clock.advance(62);
    assert_eq!(world.running().exit_code(), 2, "the next inventory is overdue");
}

#[test]
fn what_a_whole_inventory_does_not_list_is_gone_from_the_first_one_on() {
    let mut world = World::deployed();
    world.observe(OTHER, &serving("weights-1"), "");
    let first = world.inventory(&[("service/wine/other", &serving("weights-1"))], true, "");
    world.inventory(&[("service/wine/other", &serving("weights-1"))], true, "");
    let running = world.running();
    assert_eq!((running.services.len(), running.ended.len()), (1, 1));
    let ended = &running.ended[0];
    assert_eq!((ended.service.as_str(), ended.event.index), (SERVICE, first));
    assert!(world.trace(SERVICE).answer.contains("runs nothing since"));
    let timeline = world.timeline(SERVICE);
    assert_eq!(timeline.lines.last().unwrap().kind, LineKind::Absent);
    assert_eq!(timeline.lines.len(), 2, "absent once");
    let windows = world.windows(SERVICE).windows;
    assert_eq!((windows.len(), windows[0].state), (1, WindowState::Closed));
    assert_eq!((windows[0].until, windows[0].closed_by.as_ref().map(|by| by.index)), (Some(ended.since), Some(first)));
    let impact = answers::impact(&world.view(), "dataset/wine/red", world.clock.wall()).unwrap();
    assert_eq!((impact.live.len(), impact.former.len()), (1, 1));
    // It is back once somebody sees it, and was gone between.
    world.observe(SERVICE, &serving("weights-1"), "");
    assert_eq!(world.running().services.len(), 2);
    assert_eq!(world.windows(SERVICE).windows.len(), 2);
    // Before, it was there.
    let at = Timestamp::from_millis(ended.since.as_millis() - 1);
    let past = answers::running(&world.view(), None, When { at: Some(at), ..world.clock.wall().into() }).unwrap();
    assert_eq!(past.services.len(), 2);
    let explained = answers::explain(&world.view(), &first.to_string(), world.clock.wall()).unwrap().event.unwrap();
    assert!(explained.says.contains("saw all of environment/eu-1/prod"), "{}", explained.says);
}

#[test]
fn what_was_seen_in_part_proves_nothing_of_the_rest() {
    let mut world = World::deployed();
    world.inventory(&[], false, "");
    assert_eq!(world.running().services.len(), 1, "incomplete");
    let elsewhere = "service/wine/quality@eu-2/prod";
    world.observe(elsewhere, &serving("weights-1"), "");
    world.inventory(&[], true, r#","part":{"number":1,"of":2}"#);
    assert_eq!(world.running().services.len(), 2, "a part is missing");
    world.inventory(&[], true, r#","part":{"number":2,"of":2}"#);
    assert_eq!(world.running().services.len(), 2, "of another moment");
    let part = |number: u32, services: &str, at: Timestamp| {
        format!(
            r#"{{"environment":"environment/eu-1/prod","observedAt":"{at}","observer":"agent","complete":true,"services":[{services}],"part":{{"number":{number},"of":2}}}}"#
        )
    };
    let at = world.clock.wall();
    let name = "environment/eu-1/prod";
    let listed = format!(r#"{{"service":"{NAME}","servingSet":[{}]}}"#, serving("weights-1"));
    world.send("observer", "inventory.observed", name, &part(1, "", at));
    world.send("observer", "inventory.observed", name, &part(2, &listed, at));
    assert_eq!(world.running().services.len(), 2, "one of its parts lists it");
    let at = world.clock.wall();
    world.send("observer", "inventory.observed", name, &part(2, "", at));
    assert_eq!(world.running().services.len(), 2, "the first one is not there yet");
    world.send("observer", "inventory.observed", name, &part(1, "", at));
    let running = world.running();
    assert_eq!(
        (running.services.len(), running.services[0].service.as_str()),
        (1, elsewhere),
        "of its own place alone"
    );
    // Said twice is said; what another part says of another number of parts is not whole.
    world.observe(SERVICE, &serving("weights-1"), "");
    let at = world.clock.wall();
    world.send("observer", "inventory.observed", name, &part(1, "", at));
    world.send("observer", "inventory.observed", name, &part(2, "", at).replace(r#""of":2"#, r#""of":3"#));
    assert_eq!(world.running().services.len(), 2);
    let at = world.clock.wall();
    for number in [1, 1, 2] {
        world.send("observer", "inventory.observed", name, &part(number, "", at));
    }
    assert_eq!(world.running().services.len(), 1);
    // What is seen of it in part is back.
    world.inventory(&[(NAME, &serving("weights-1"))], false, "");
    let running = world.running();
    let back = running.services.iter().find(|service| service.service == SERVICE).unwrap();
    assert_eq!(back.status, Status::Partial);
}

#[test]
fn what_was_seen_to_have_ended_has_ended_then_and_not_when_it_is_not_listed() {
    for removed in [true, false] {
        let mut world = World::deployed();
        let end = if removed {
            world.send("deployer", "deployment.removed", SERVICE, &format!(r#"{{"service":"{SERVICE}"}}"#))
        } else {
            world.observe(SERVICE, "", "")
        };
        world.clock.advance(60);
        world.inventory(&[], true, "");
        assert_eq!(world.running().ended[0].event.index, end);
        assert_eq!(world.timeline(SERVICE).lines.len(), 2);
    }
}

/// A correction of an inventory is one of each service that it lists.
#[test]
fn an_inventory_is_corrected_for_its_services() {
    let mut world = World::deployed();
    let name = "environment/eu-1/prod";
    let at = world.clock.wall();
    let data = |listed: &str| {
        format!(
            r#"{{"environment":"{name}","observedAt":"{at}","observer":"agent","complete":true,"services":[{listed}]}}"#
        )
    };
    let listed = |service: &str, model: &str| format!(r#"{{"service":"{service}","servingSet":[{}]}}"#, serving(model));
    world.clock.advance(5);
    let wrong = data(&listed(NAME, "weights-0"));
    let (_index, event) = world.send_event("observer", "inventory.observed", name, &wrong);
    let digest = |world: &World| world.running().services[0].serving_sets[0].components[0].digests[0].value.clone();
    assert_eq!(digest(&world), hash("weights-0"));
    let right = data(&format!("{},{}", listed(NAME, "weights-1"), listed("service/wine/z", "weights-1")));
    world.send("observer", "record.corrected", name, &format!(r#"{{"corrects":"{event}","data":{right}}}"#));
    assert_eq!((digest(&world), world.running().services.len()), (hash("weights-1"), 2));
    world.send("observer", "record.corrected", name, &format!(r#"{{"corrects":"{event}","data":{}}}"#, data("")));
    assert_eq!(world.running().ended.len(), 1, "it was not listed after all");
    let moved = data("").replace(&at.to_string(), &world.clock.wall().to_string());
    world.send("observer", "record.corrected", name, &format!(r#"{{"corrects":"{event}","data":{moved}}}"#));
    assert!(world.running().ended.is_empty(), "nobody looked then");
}

#[test]
fn an_open_incident_is_told_at_what_it_touches_until_it_is_closed() {
    let mut world = World::deployed();
    let notes = |world: &World| world.running().services[0].notes.join("\n");
    let touches = format!(r#","severity":"sev-1","services":["{SERVICE}"]"#);
    let index = world.incident("opened", &touches);
    assert!(notes(&world).contains("incident/wine/INC-7 is open since"), "{}", notes(&world));
    assert!(notes(&world).ends_with(&format!("(#{index}), sev-1")), "{}", notes(&world));
    let impact = |world: &World| answers::impact(&world.view(), "dataset/wine/red", world.clock.wall()).unwrap();
    assert!(impact(&world).warnings[0].starts_with(&format!("{SERVICE}: incident/wine/INC-7")));
    // A list takes the place of the one before, as a whole.
    world.incident("updated", r#","services":[],"artifacts":[{"digest":{"sha256":"DIGEST(red)"}}]"#);
    assert!(!notes(&world).contains("INC-7"));
    assert!(impact(&world).warnings[0].starts_with("incident/wine/INC-7 is open"));
    world.incident("updated", r#","artifacts":[{"digest":{"sha256":"DIGEST(weights-1)"}}]"#);
    assert!(impact(&world).warnings.is_empty());
    assert!(notes(&world).contains("INC-7"), "it is about what runs");
    let before = world.clock.wall();
    world.clock.advance(60);
    world.incident("closed", r#","resolution":"rolled-back""#);
    assert!(!notes(&world).contains("INC-7"));
    let then = When { at: Some(before), ..world.clock.wall().into() };
    let past = answers::running(&world.view(), None, then).unwrap();
    assert!(past.services[0].notes.join("").contains("INC-7"));
    let incidents = |asked: &str| {
        let lines = world.timeline(asked).lines;
        lines.iter().filter(|line| line.kind == LineKind::Incident).count()
    };
    assert_eq!((incidents(SERVICE), incidents("model/wine/quality"), incidents("dataset/wine/red")), (4, 4, 4));
    let other = World::deployed();
    assert!(other.timeline(SERVICE).lines.iter().all(|line| line.kind != LineKind::Incident));
}

#[test]
fn flags_and_their_clearing_are_lines_of_an_artifacts_history() {
    let mut world = World::deployed();
    world.flag("red", "poisoned", "");
    world.clear("red", "");
    let lines = world.timeline("dataset/wine/red").lines;
    let kinds: Vec<LineKind> = lines.iter().map(|line| line.kind).collect();
    assert!(kinds.contains(&LineKind::Flagged) && kinds.contains(&LineKind::Cleared), "{kinds:?}");
}
