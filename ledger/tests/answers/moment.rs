//! Any past instant: what was true then, and what was known then.

use super::*;
use lineal_ledger::answers::{Known, When};

fn at(now: Timestamp, at: Timestamp) -> When {
    When { at: Some(at), ..now.into() }
}

fn known(now: Timestamp, known: Known) -> When {
    When { known: Some(known), ..now.into() }
}

fn later(time: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_millis(time.as_millis() + seconds * 1000)
}

fn model(running: &answers::Running) -> &str {
    &running.services[0].serving_sets[0].components[0].digests[0].value
}

#[test]
fn what_ran_then_is_not_what_runs_now() {
    let mut world = World::deployed();
    let then = world.clock.wall();
    world.clock.advance(3600);
    world.train("run-2", "red", "weights-2");
    world.observe(SERVICE, &serving("weights-2"), "");
    let (view, now) = (world.view(), world.clock.wall());
    assert_eq!(model(&world.running()), hash("weights-2"));
    let past = answers::running(&view, None, at(now, later(then, 1))).unwrap();
    assert_eq!((model(&past), past.at, past.exit_code()), (hash("weights-1").as_str(), later(then, 1), 0));
    assert!(past.answer.starts_with(&format!("at {}: {SERVICE}", later(then, 1))), "{}", past.answer);
    let text = past.to_text(Style::Plain);
    assert!(text.contains(&format!("; true at {}", later(then, 1))), "{text}");
    let trace = answers::trace(&view, SERVICE, at(now, later(then, 1))).unwrap();
    assert_eq!(trace.nodes[1].digests[0].value, hash("weights-1"));
    let before = answers::running(&view, None, at(now, later(then, -60))).unwrap();
    assert_eq!((before.services.len(), before.exit_code()), (0, 1));
    let unseen = answers::trace(&view, SERVICE, at(now, later(then, -60))).unwrap();
    assert!(unseen.answer.contains("was never observed"), "{}", unseen.answer);
    // The last moment before the change, and the first of it.
    let changed = world.running().services[0].since;
    assert_eq!(model(&answers::running(&view, None, at(now, later(changed, -1))).unwrap()), hash("weights-1"));
    assert_eq!(model(&answers::running(&view, None, at(now, changed)).unwrap()), hash("weights-2"));
}

#[test]
fn silence_counts_from_the_moment_asked_about() {
    let mut world = World::deployed();
    world.observe(SERVICE, &serving("weights-1"), r#","nextWithinSeconds":60"#);
    let seen = world.running().services[0].last_observed;
    world.clock.advance(3600);
    world.observe(SERVICE, &serving("weights-1"), "");
    let (view, now) = (world.view(), world.clock.wall());
    let status = |seconds| answers::running(&view, None, at(now, later(seen, seconds))).unwrap().services[0].status;
    assert_eq!((status(60), status(61)), (Status::Running, Status::Unknown));
    let unknown = answers::running(&view, None, at(now, later(seen, 600))).unwrap();
    assert_eq!(unknown.exit_code(), 2);
    assert!(unknown.answer.contains(&format!("UNKNOWN since {}; last seen {seen}", later(seen, 60))));
}

#[test]
fn what_arrived_later_was_not_known() {
    let mut world = World::deployed();
    let answer_then = world.running();
    let trace_then = world.trace(SERVICE);
    let size = world.view().record.size();
    let then = world.clock.wall();
    world.clock.advance(3600);
    // Seen an hour ago, and said only now.
    let observed_at = later(then, -1);
    let late = format!(
        r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{observed_at}","observer":"probe-2","complete":true}}"#,
        serving("weights-0")
    );
    let index = world.send("observer", "deployment.observed", SERVICE, &late);
    world.snapshot("dataset/wine/red", "other", "");
    let (view, now) = (world.view(), world.clock.wall());
    // Now it is known what ran then; then it was not.
    let now_known = answers::running(&view, None, at(now, then)).unwrap();
    assert_eq!(model(&now_known), hash("weights-0"));
    for known_then in [Known::Entry(size - 1), Known::At(then)] {
        let running = answers::running(&view, None, When { at: Some(then), ..known(now, known_then) }).unwrap();
        assert_eq!(running.services, answer_then.services, "{known_then:?}");
        assert_eq!((running.as_of.tree_size, running.as_of.known_at), (size, answer_then.as_of.known_at));
        let trace = answers::trace(&view, SERVICE, known(now, known_then)).unwrap();
        assert_eq!((trace.nodes, trace.edges), (trace_then.nodes.clone(), trace_then.edges.clone()));
        // A name that only came later is not found, not even as one that is near.
        let error = answers::get(&view, &index.to_string(), known(now, known_then)).unwrap_err();
        assert_eq!(error.code(), "no-such-entry");
    }
}

#[test]
fn a_correction_and_a_revocation_are_known_from_their_entries_on() {
    let mut world = World::deployed();
    let (index, event) = world.train("run-2", "red", "weights-2");
    let before = world.view().record.size();
    let data = r#"{"runId":"run-2","job":{"namespace":"wine","name":"train","kind":"train"},"outputs":[{"digest":{"sha256":"DIGEST(weights-2)"}}],"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(white)"}},"role":"training"}]}"#;
    let correction = format!(r#"{{"corrects":"{event}","data":{data}}}"#);
    let corrected_by = world.send("trainer", "record.corrected", "job/wine/train", &correction);
    let keyid = world.senders["trainer"].key.keyid();
    world.send("root", "key.revoked", &format!("key/{keyid}"), &format!(r#"{{"keyid":"{keyid}","reason":"lost"}}"#));
    let (view, now) = (world.view(), world.clock.wall());
    let input = |when: When| {
        let trace = answers::trace(&view, &hash("weights-2"), when).unwrap();
        (trace.nodes.last().unwrap().clone(), trace)
    };
    let (node, trace) = input(now.into());
    assert!(
        node.digests
            .iter()
            .chain(trace.nodes.iter().flat_map(|node| &node.digests))
            .any(|own| own.value == hash("white"))
    );
    assert!(trace.warnings.iter().any(|warning| warning.contains("revoked")), "{:?}", trace.warnings);
    let (_node, trace) = input(known(now, Known::Entry(before - 1)));
    assert!(trace.nodes.iter().any(|node| node.name.as_deref() == Some("dataset/wine/red")));
    assert!(trace.warnings.is_empty(), "{:?}", trace.warnings);
    // Between the two, the correction is known and the revocation is not.
    let (_node, trace) = input(known(now, Known::Entry(corrected_by)));
    assert!(trace.nodes.iter().all(|node| node.name.as_deref() != Some("dataset/wine/red")));
    assert!(trace.warnings.is_empty());
    let entry = |when: When| answers::get(&view, &index.to_string(), when).unwrap();
    assert_eq!(entry(now.into()).corrected_by, Some(corrected_by));
    assert_eq!(entry(known(now, Known::Entry(before - 1))).corrected_by, None);
    let state = |when: When| {
        let keys = answers::keys(&view, when).unwrap();
        let all = keys["keys"].as_array().unwrap().clone();
        all.into_iter().find(|key| key["keyid"] == keyid.to_string()).unwrap()["state"].clone()
    };
    assert_ne!(state(now.into()), "valid");
    assert_eq!(state(known(now, Known::Entry(corrected_by))), "valid");
}

/// A corrected observation stands where its correction says, in every answer.
#[test]
fn a_corrected_observation_stands_at_its_corrected_time() {
    let mut world = World::begin();
    let first = world.clock.wall();
    world.observe(SERVICE, &serving("weights-1"), "");
    world.clock.advance(600);
    let at_wrong = world.clock.wall();
    let data = |at: Timestamp| {
        format!(
            r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{at}","observer":"probe-1","complete":true}}"#,
            serving("weights-2")
        )
    };
    let (_index, event) = world.send_event("observer", "deployment.observed", SERVICE, &data(at_wrong));
    let right = later(first, 100);
    world.clock.advance(600);
    let correction = format!(r#"{{"corrects":"{event}","data":{}}}"#, data(right));
    world.send("observer", "record.corrected", SERVICE, &correction);
    let (view, now) = (world.view(), world.clock.wall());
    assert_eq!(world.running().services[0].since, right);
    assert_eq!(model(&answers::running(&view, None, at(now, later(right, -1))).unwrap()), hash("weights-1"));
    assert_eq!(model(&answers::running(&view, None, at(now, right)).unwrap()), hash("weights-2"));
}

#[test]
fn a_name_means_what_it_meant_then() {
    let mut world = World::deployed();
    let then = world.clock.wall();
    world.clock.advance(60);
    world.train("run-2", "red", "weights-2");
    let second = world.register("model/wine/quality", "2", "weights-2", "");
    let (view, now) = (world.view(), world.clock.wall());
    let digest =
        |when: When| answers::trace(&view, "model/wine/quality", when).unwrap().nodes[0].digests[0].value.clone();
    assert_eq!(digest(now.into()), hash("weights-2"));
    assert_eq!(digest(at(now, then)), hash("weights-1"));
    let trace = answers::trace(&view, "model/wine/quality", at(now, then)).unwrap();
    assert!(trace.warnings[0].contains("it names another since"), "{:?}", trace.warnings);
    assert!(trace.warnings[0].contains(&format!("(#{second})")), "{:?}", trace.warnings);
    let error = answers::trace(&view, "model/wine/quality", at(now, later(then, -600))).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("not-yet-named", 2));
}

#[test]
fn moments_outside_of_the_record_are_refused() {
    let world = World::deployed();
    let (view, now) = (world.view(), world.clock.wall());
    let code = |when: When| answers::running(&view, None, when).unwrap_err().code();
    assert_eq!(code(at(now, later(now, 61))), "moment-in-the-future");
    assert_eq!(code(known(now, Known::At(later(now, 61)))), "moment-in-the-future");
    assert_eq!(code(known(now, Known::At(later(now, -86_400)))), "before-the-record");
    assert_eq!(code(known(now, Known::Entry(4711))), "no-such-entry");
    let all = answers::running(&view, None, known(now, Known::At(now))).unwrap();
    assert_eq!(all.services, world.running().services);
}
