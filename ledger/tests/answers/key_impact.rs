//! What rests on a key: what it told of, what was made of that, and what it says that runs.

use lineal_ledger::answers::{KeyImpact, When, key_impact::Rests};

use super::*;

fn key_impact(world: &World, asked: &str, since: Option<Timestamp>) -> KeyImpact {
    let impact = answers::key_impact(&world.view(), asked, since, world.clock.wall()).unwrap();
    let json = serde_json::to_string(&impact).unwrap();
    assert_eq!(serde_json::from_str::<KeyImpact>(&json).unwrap(), impact, "the JSON holds all of it");
    let text = impact.to_text(Style::Plain);
    assert_eq!(text.lines().next(), Some(impact.answer.as_str()), "line 1 is the answer");
    assert!(text.trim_end().ends_with(ORIGIN), "{text}");
    impact
}

#[test]
fn what_runs_rests_on_whoever_told_of_its_data_made_it_or_saw_it() {
    let world = World::deployed();
    for (producer, rests, events) in [
        ("wine-data", Some(Rests::Made), 1),
        ("wine-trainer", Some(Rests::Made), 2),
        ("wine-observer", Some(Rests::Seen), 1),
        ("wine-evaluator", None, 0),
    ] {
        let found = key_impact(&world, producer, None);
        assert_eq!(found.events, events, "{producer}");
        assert_eq!(found.live.first().map(|live| live.rests), rests, "{}", found.answer);
        assert_eq!(found.exit_code(), u8::from(rests.is_none()), "{producer}");
    }
    let found = key_impact(&world, "wine-data", None);
    assert_eq!((found.models.len(), found.runs.len(), found.artifacts.len()), (1, 1, 1));
    assert!(found.live[0].way[0].starts_with("model/wine/quality"), "{:?}", found.live[0].way);
    assert!(found.answer.contains(&format!("1 LIVE rests on them: {SERVICE} (1 model, 1 run)")), "{}", found.answer);
}

#[test]
fn a_key_is_found_by_its_id_its_subject_and_its_producer() {
    let world = World::deployed();
    let keyid = world.senders["trainer"].key.keyid().to_string();
    let expected = key_impact(&world, "wine-trainer", None);
    assert_eq!(expected.by_type, [("model.registered".to_owned(), 1), ("run.completed".to_owned(), 1)].into());
    for asked in [keyid.as_str(), &keyid[..8], &format!("key/{keyid}")] {
        assert_eq!(key_impact(&world, asked, None).live, expected.live, "{asked}");
    }
    let root = key_impact(&world, &world.senders["root"].key.keyid().to_string(), None);
    assert_eq!((root.key_events.len(), root.exit_code()), (6, 1));
    let error = |asked: &str| answers::key_impact(&world.view(), asked, None, world.clock.wall()).unwrap_err();
    assert_eq!(error("wine-trainr").hints(), ["did you mean `wine-trainer`?"]);
    assert_eq!(error(&keyid[..7]).code(), "prefix-too-short");
    assert_eq!(error(&"0".repeat(64)).code(), "unknown-name");
}

#[test]
fn what_a_key_said_before_or_after_is_told_apart() {
    let mut world = World::deployed();
    world.clock.advance(60);
    let since = world.clock.wall();
    let found = key_impact(&world, "wine-trainer", Some(since));
    assert_eq!((found.events, found.exit_code()), (0, 1), "{}", found.answer);
    world.train("run-2", "red", "weights-2");
    let found = key_impact(&world, "wine-trainer", Some(since));
    assert_eq!((found.events, found.exit_code()), (1, 1), "what it made does not run");
    world.observe(SERVICE, &serving("weights-2"), "");
    assert_eq!(key_impact(&world, "wine-trainer", Some(since)).exit_code(), 0);
    // The ledger took it in the very millisecond that is asked about.
    let index = world.register("model/wine/quality", "2", "weights-2", "");
    let at = world.view().record.get(index).unwrap().entry().received;
    assert_eq!(key_impact(&world, "wine-trainer", Some(at)).events, 1);
    let then = When { known: Some(answers::Known::Entry(index - 1)), ..world.clock.wall().into() };
    let known = answers::key_impact(&world.view(), "wine-trainer", None, then).unwrap();
    assert_eq!((known.events, known.by_type.get("model.registered")), (3, Some(&1)), "the third is not known yet");
}

#[test]
fn a_service_that_somebody_else_saw_since_does_not_rest_on_the_key() {
    let mut world = World::deployed();
    let at = world.clock.wall();
    let data = format!(
        r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{at}","observer":"probe-2","complete":true}}"#,
        serving("weights-1")
    );
    world.send("second", "deployment.observed", SERVICE, &data);
    assert_eq!(key_impact(&world, "wine-observer", None).exit_code(), 1);
    assert_eq!(key_impact(&world, "wine-second", None).exit_code(), 0);
}

#[test]
fn many_events_are_counted_over_all_shelves() {
    let mut world = World::begin();
    for day in 0..150 {
        world.snapshot("dataset/wine/day", &day.to_string(), "");
        if day % 3 == 0 {
            world.train(&format!("run-{day}"), &day.to_string(), &format!("weights-{day}"));
        }
    }
    let found = key_impact(&world, "wine-data", None);
    assert_eq!((found.events, found.by_type["dataset.snapshotted"]), (150, 150));
    assert_eq!((found.models.len(), found.runs.len()), (50, 50));
}
