//! What observers and stolen keys say, as the gate sees it: the index and one pass over the record see the same.

use super::{
    gate::{RULES, alike, measure, register, say},
    *,
};

/// A model that ran, and one that could take its place.
fn two_models() -> World {
    let mut world = World::begin().with_approver();
    register(&mut world, RULES);
    world.snapshot("dataset/wine/red", "red", "");
    world.snapshot("dataset/wine/held-out", "held-out", "");
    for (at, value) in [(1, "0.95"), (2, "0.96")] {
        let model = format!("weights-{at}");
        world.train(&format!("run-{at}"), "red", &model);
        measure(&mut world, &format!("ev-{at}"), &model, value);
        say(&mut world, "approval.granted", &model, r#","role":"model-risk""#);
    }
    world.observe(SERVICE, &serving("weights-1"), "");
    world
}

/// An inventory of all of the place by somebody, at a moment.
fn looked(world: &mut World, (by, observer): (&str, &str), at: Timestamp, listed: &str, more: &str) -> EventDigest {
    let listed = if listed.is_empty() {
        String::new()
    } else {
        format!(r#"{{"service":"service/wine/quality","servingSet":[{listed}]}}"#)
    };
    let data = format!(
        r#"{{"environment":"environment/eu-1/prod","observedAt":"{at}","observer":"{observer}","services":[{listed}]{more}}}"#
    );
    world.send_event(by, "inventory.observed", "environment/eu-1/prod", &data).1
}

const WHOLE: &str = r#","complete":true"#;
const PART: &str = r#","complete":false"#;

/// The index knows observers by a hash, one pass by their names: which of them is first may not depend on either.
#[test]
fn of_several_who_looked_at_one_moment_the_same_is_first_for_both() {
    let all = [("observer", "alpha"), ("second", "bravo"), ("observer", "charlie"), ("second", "delta")];
    for turn in 0..all.len() {
        let mut world = two_models();
        let mut in_turn = all;
        in_turn.rotate_left(turn);
        let gone = world.clock.wall();
        for who in in_turn {
            looked(&mut world, who, gone, "", WHOLE);
        }
        let back = world.clock.wall();
        for (who, listed) in in_turn.into_iter().zip(["weights-2", "weights-1", "", "weights-2"]) {
            let listed = if listed.is_empty() { String::new() } else { serving(listed) };
            looked(&mut world, who, back, &listed, WHOLE);
        }
        assert_eq!(
            alike(&world, &["weights-1", "weights-2"]).len(),
            3,
            "before the policy nothing is decided, then some are allowed, and some are not"
        );
    }
}

/// What was seen in part, what was corrected, and what an observer whose clock is ahead says.
#[test]
fn looks_that_prove_little_prove_it_to_both() {
    let mut world = two_models();
    let who = ("observer", "alpha");
    let at = |world: &World, seconds: i64| Timestamp::from_millis(world.clock.wall().as_millis() + seconds * 1000);
    let now = at(&world, 0);
    looked(&mut world, who, now, "", PART);
    let now = at(&world, 0);
    looked(&mut world, ("second", "bravo"), now, "", WHOLE);
    world.observe(SERVICE, &serving("weights-2"), "");
    let nothing = format!(
        r#"{{"service":"{SERVICE}","servingSet":[],"observedAt":"{}","observer":"probe","complete":false}}"#,
        at(&world, 0)
    );
    world.send("observer", "deployment.observed", SERVICE, &nothing);
    let now = at(&world, 0);
    looked(&mut world, who, now, "", WHOLE);
    world.observe(SERVICE, &serving("weights-1"), "");
    // Ahead of the ledger's clock.
    let ahead = at(&world, 40);
    looked(&mut world, who, ahead, "", WHOLE);
    world.observe(SERVICE, &serving("weights-2"), "");
    // One that is moved to another time by a correction, and one that is made incomplete.
    for (seconds, complete) in [(-3, true), (0, false)] {
        let now = at(&world, 0);
        let event = looked(&mut world, who, now, "", WHOLE);
        let moved = Timestamp::from_millis(now.as_millis() + seconds * 1000);
        let data = format!(
            r#"{{"corrects":"{event}","data":{{"environment":"environment/eu-1/prod","observedAt":"{moved}","observer":"alpha","services":[],"complete":{complete}}}}}"#
        );
        world.send("observer", "record.corrected", "environment/eu-1/prod", &data);
        world.observe(SERVICE, &serving("weights-1"), "");
    }
    alike(&world, &["weights-1", "weights-2"]);
}

/// A stolen key corrects a result, an observation and a run; the honest owner says afterwards what is so.
#[test]
fn what_a_stolen_key_corrects_is_in_dispute_for_both() {
    let mut world = two_models();
    let (event, results) = measure(&mut world, "ev-3", "weights-2", "0.10");
    let seen = format!(
        r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{}","observer":"probe","complete":true}}"#,
        serving("weights-1"),
        world.clock.wall()
    );
    let (_index, observed) = world.send_event("observer", "deployment.observed", SERVICE, &seen);
    world.clock.advance(10);
    let since = world.clock.wall();
    let corrected = format!(r#"{{"corrects":"{event}","data":{}}}"#, results.replace("0.10", "0.99"));
    world.send("assessor", "record.corrected", "model/wine/quality", &corrected);
    let corrected = format!(r#"{{"corrects":"{observed}","data":{}}}"#, seen.replace("weights-1", "weights-0"));
    world.send("observer", "record.corrected", SERVICE, &corrected);
    for who in ["assessor", "observer"] {
        let keyid = world.senders[who].key.keyid();
        let data = format!(r#"{{"keyid":"{keyid}","reason":"stolen","compromisedSince":"{since}"}}"#);
        world.send("root", "key.revoked", &format!("key/{keyid}"), &data);
    }
    alike(&world, &["weights-1", "weights-2"]);
    let asked = answers::GateQuestion {
        model: format!("sha256:{}", hash("weights-2")),
        service: SERVICE.to_owned(),
        policy: lineal_gate::judge::Asked::Registered,
    };
    let gate = answers::gate(&world.view(), &asked, world.clock.wall()).unwrap();
    let text = gate.to_text(Style::Plain);
    assert!(text.contains("ev-3: its result was corrected under a key that somebody else may have had"), "{text}");
}
