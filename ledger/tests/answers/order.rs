//! The order of arrival: whatever it was, what is known in the end gives the same answers.

use std::collections::BTreeMap;

use lineal_schemas::dsse::Signed;
use proptest::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::{
    admitted::{broken, decide, decide_sets},
    *,
};

/// Events of each source in the order of their numbers, all said before any arrives.
type Said = BTreeMap<&'static str, Vec<Signed>>;

fn history(world: &mut World) -> Said {
    let begin = world.clock.wall();
    let at = |seconds: i64| Timestamp::from_millis(begin.as_millis() + seconds * 1000);
    let observed = |seconds: i64, sets: &str, more: &str| {
        let at = at(seconds);
        format!(
            r#"{{"service":"{SERVICE}","servingSet":[{sets}],"observedAt":"{at}","observer":"probe","complete":true{more}}}"#
        )
    };
    let snapshot = |content: &str| {
        format!(r#"{{"dataset":{{"digest":{{"sha256":"DIGEST({content})"}}}},"name":"dataset/wine/red"}}"#)
    };
    let run = |id: &str, data: &str, model: &str| {
        format!(
            r#"{{"runId":"{id}","job":{{"namespace":"wine","name":"train","kind":"train"}},"outputs":[{{"digest":{{"sha256":"DIGEST({model})"}}}}],"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST({data})"}}}},"role":"training"}}]}}"#
        )
    };
    let registered = |version: &str, model: &str| {
        format!(
            r#"{{"model":{{"digest":{{"sha256":"DIGEST({model})"}}}},"name":"model/wine/quality","version":"{version}"}}"#
        )
    };
    let requested =
        |model: &str| format!(r#"{{"service":"{SERVICE}","servingSet":[{}],"door":"flux"}}"#, serving(model));
    let canary = format!("{},{}", shared("0.9", "weights-1"), shared("0.1", "weights-2"));
    let mut said = Said::new();
    let mut say = |world: &mut World, by: &'static str, seconds: i64, name: &str, subject: &str, data: &str| {
        let signed = world.sign(by, name, subject, data, at(seconds));
        let digest = signed.digest();
        said.entry(by).or_default().push(signed);
        digest
    };
    say(world, "data", 1, "dataset.snapshotted", "dataset/wine/red", &snapshot("red"));
    // Two of the same second: the source's numbers say which is later.
    say(world, "data", 2, "dataset.snapshotted", "dataset/wine/red", &snapshot("white"));
    say(world, "data", 2, "dataset.snapshotted", "dataset/wine/red", &snapshot("blend"));
    let same = r#"{"a":{"digest":{"sha256":"DIGEST(weights-2)"}},"b":{"digest":{"sha256":"DIGEST(weights-2b)"}},"method":"copied"}"#;
    say(world, "data", 3, "artifact.equated", "artifact/wine/copy", same);
    say(world, "trainer", 5, "run.completed", "job/wine/train", &run("run-1", "red", "weights-1"));
    say(world, "trainer", 6, "model.registered", "model/wine/quality", &registered("1", "weights-1"));
    say(world, "trainer", 7, "run.completed", "job/wine/train", &run("run-2", "white", "weights-2"));
    say(world, "trainer", 7, "model.registered", "model/wine/quality", &registered("2", "weights-2"));
    measurements(world, &mut say);
    let first = say(world, "deployer", 8, "deployment.requested", SERVICE, &requested("weights-1"));
    say(world, "deployer", 40, "deployment.requested", SERVICE, &requested("weights-2"));
    let back = format!(r#"{{"service":"{SERVICE}","restores":"{first}"}}"#);
    say(world, "deployer", 70, "deployment.rolledback", SERVICE, &back);
    let seen = "deployment.observed";
    say(world, "observer", 10, seen, SERVICE, &observed(10, &serving("weights-1"), r#","nextWithinSeconds":20"#));
    say(world, "observer", 45, seen, SERVICE, &observed(45, &canary, r#","nextWithinSeconds":60"#));
    let wrong = observed(50, &serving("weights-0"), "");
    let wrong = say(world, "observer", 50, seen, SERVICE, &wrong);
    say(world, "observer", 75, seen, SERVICE, &observed(75, &serving("weights-1"), ""));
    say(world, "observer", 90, seen, SERVICE, &observed(90, &serving("weights-2b"), r#","nextWithinSeconds":60"#));
    let right = observed(55, &serving("weights-2"), "");
    let correction = format!(r#"{{"corrects":"{wrong}","data":{right}}}"#);
    say(world, "observer", 95, "record.corrected", SERVICE, &correction);
    for (by, seconds, name, subject, data) in surroundings(at).into_iter().chain(words(at)) {
        say(world, by, seconds, name, subject, &data);
    }
    // The other one looks at the same moments, at one of them with another result.
    say(world, "second", 10, seen, SERVICE, &observed(10, &serving("weights-1"), ""));
    say(world, "second", 75, seen, SERVICE, &observed(75, &serving("weights-2"), ""));
    say(world, "second", 90, seen, SERVICE, &observed(90, &serving("weights-2"), r#","nextWithinSeconds":30"#));
    said
}

/// A producer, when, a type, a subject, and data.
type Event = (&'static str, i64, &'static str, &'static str, String);

/// Flags, inventories and an incident beside what happens to the service.
fn surroundings(at: impl Fn(i64) -> Timestamp) -> Vec<Event> {
    let flag = |content: &str| {
        let since = at(60);
        format!(
            r#"{{"artifact":{{"digest":{{"sha256":"DIGEST({content})"}}}},"category":"poisoned","justification":"labels","knownSince":"{since}"}}"#
        )
    };
    let cleared = r#"{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"justification":"false-alarm"}"#;
    // All of the place at once, in two parts: at first the service is there, then it is not.
    let inventory = |seconds: i64, number: u32, listed: &str| {
        let at = at(seconds);
        format!(
            r#"{{"environment":"environment/eu-1/prod","observedAt":"{at}","observer":"agent","complete":true,"services":[{listed}],"part":{{"number":{number},"of":2}}}}"#
        )
    };
    // Others who look at the same moments, all of it by themselves: at one they see another set, at the other the same.
    let alone = |seconds: i64, observer: &str, listed: &str| {
        let at = at(seconds);
        format!(
            r#"{{"environment":"environment/eu-1/prod","observedAt":"{at}","observer":"{observer}","complete":true,"services":[{listed}]}}"#
        )
    };
    let other = format!(r#"{{"service":"service/wine/other","servingSet":[{}]}}"#, serving("weights-1"));
    let listed = format!(r#"{{"service":"service/wine/quality","servingSet":[{}]}}"#, serving("weights-2"));
    let touched = format!(r#"{{"incident":"incident/wine/INC-7","services":["{SERVICE}"]}}"#);
    let over = r#"{"incident":"incident/wine/INC-7","resolution":"rolled-back"}"#;
    let (part, place, whole, incident) =
        ("artifact/wine/part", "environment/eu-1/prod", "inventory.observed", "incident/wine/INC-7");
    vec![
        ("data", 60, "artifact.flagged", part, flag("red")),
        ("data", 61, "artifact.flagged", part, flag("white")),
        ("evaluator", 80, "artifact.cleared", part, cleared.to_owned()),
        ("observer", 96, whole, place, inventory(65, 1, &other)),
        ("second", 0, whole, place, inventory(65, 2, &listed)),
        ("observer", 97, whole, place, inventory(82, 1, &other)),
        ("second", 1, whole, place, inventory(82, 2, "")),
        ("second", 2, whole, place, alone(65, "aardvark", &listed.replace("weights-2", "weights-1"))),
        ("second", 3, whole, place, alone(82, "aardvark", &other)),
        ("observer", 98, whole, place, alone(82, "bravo", &other)),
        ("second", 4, whole, place, alone(82, "charlie", &other)),
        ("deployer", 76, "incident.opened", incident, touched),
        ("deployer", 98, "incident.closed", incident, over.to_owned()),
    ]
}

/// A policy, and what people say of what may run; one says for the ledger what the gate decided.
fn words(at: impl Fn(i64) -> Timestamp) -> Vec<Event> {
    let text = r#"schema = 1\nname = \"policy/wine/prod\"\napplies = { service = \"service/wine/quality\" }\n"#;
    let policy = format!(r#"{{"policy":"policy/wine/prod","text":"{text}"}}"#);
    let approved = format!(
        r#"{{"service":"{SERVICE}","artifact":{{"digest":{{"sha256":"DIGEST(weights-1)"}}}},"role":"model-risk"}}"#
    );
    let claimed = format!(
        r#"{{"service":"{SERVICE}","servingSet":[{}],"verdict":"allow","treeSize":1,"judgedAt":"{}","document":"DIGEST(verdict)"}}"#,
        serving("weights-2"),
        at(50)
    );
    vec![
        ("approver", 4, "policy.registered", "policy/wine/prod", policy),
        ("approver", 50, "gate.decided", SERVICE, claimed),
        ("approver", 55, "approval.granted", SERVICE, approved),
    ]
}

/// The gate's decisions before anything arrives: the ledger says them itself, so what arrives is put around them.
fn decided_before(world: &World) {
    let canary = format!("{},{}", shared("0.9", "weights-1"), shared("0.1", "weights-2"));
    decide(world, "weights-1", "allow", "");
    decide_sets(world, SERVICE, &canary, "allow", "");
}

/// And when all has arrived.
fn decided_after(world: &World) {
    decide(world, "weights-2", "deny", &broken(world, 10));
    decide_sets(world, "service/wine/other@eu-1/prod", &serving("weights-1"), "deny", "");
    decide(world, "weights-3", "allow", "");
}

/// Says an event: by whom, at which second, of which type, about what.
type Say<'s> = dyn FnMut(&mut World, &'static str, i64, &str, &str, &str) -> EventDigest + 's;

fn measurements(world: &mut World, say: &mut Say<'_>) {
    let measured = |id: &str, model: &str, results: &str| {
        format!(
            r#"{{"evaluationId":"{id}","model":{{"digest":{{"sha256":"DIGEST({model})"}}}},"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST(held-out)"}}}},"role":"test"}}]{results}}}"#
        )
    };
    let found = r#","results":[{"metric":"auc","value":"0.9"}]"#;
    for (seconds, id, model, more) in [
        (8, "ev-1", "weights-1", ""),
        (9, "ev-1", "weights-1", found),
        (60, "ev-2", "weights-2", ""),
        (80, "ev-3", "weights-2", ""),
        (85, "ev-3", "weights-2b", found),
    ] {
        let name = if more.is_empty() { "evaluation.started" } else { "evaluation.completed" };
        say(world, "evaluator", seconds, name, "model/wine/quality", &measured(id, model, more));
    }
}

/// An answer without what the order of arrival decides: indices, and when the ledger took what.
fn plain(answer: &impl Serialize) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for name in ["index", "received", "treeSize", "knownAt", "regarding", "correctedBy", "entries"] {
                    members.remove(name);
                }
                members.retain(|name, value| name != "event" || !value.is_number());
                // The ledger's own events have ids of their own in each ledger.
                if members.get("signers").is_some_and(|signers| signers[0]["producer"] == "ledger") {
                    members.remove("event");
                }
                members.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            Value::String(text) => {
                let mut parts = text.split('#');
                let mut plain = parts.next().unwrap_or_default().to_owned();
                for part in parts {
                    plain.push('#');
                    plain.push_str(part.trim_start_matches(|found: char| found.is_ascii_digit()));
                }
                *text = plain;
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(answer).unwrap();
    strip(&mut value);
    value
}

fn answers_of(world: &World) -> Vec<Value> {
    let (view, now) = (world.view(), world.clock.wall());
    let mut all = vec![plain(&world.running())];
    for asked in [SERVICE, "model/wine/quality", "dataset/wine/red"] {
        all.push(plain(&world.trace(asked)));
        all.push(plain(&world.timeline(asked)));
        all.push(plain(&world.windows(asked)));
    }
    all.push(plain(&answers::findings(&view, None, None, now).unwrap()));
    all.push(plain(&world.evals(SERVICE, &[])));
    all.push(plain(&world.diff(SERVICE, None)));
    all.push(plain(&world.diff("model/wine/quality@1", Some("model/wine/quality@2"))));
    for back in [900, 2_000, 2_030, 2_060, 2_080, 2_100] {
        let at = Timestamp::from_millis(now.as_millis() - back * 1000);
        let when = answers::When { at: Some(at), ..now.into() };
        all.push(plain(&answers::running(&view, None, when).unwrap()));
    }
    all
}

/// Takes each source's events in their order; `picks` says whose is next.
fn arrive(base: &World, said: &Said, picks: &[usize], end: i64) -> Vec<Value> {
    let world = base.fork();
    world.clock.advance(500);
    let mut waiting: Vec<std::collections::VecDeque<Signed>> =
        said.values().map(|signed| signed.iter().cloned().collect()).collect();
    let mut picks = picks.iter().cycle();
    while !waiting.is_empty() {
        let at = picks.next().unwrap() % waiting.len();
        if let Some(signed) = waiting[at].pop_front() {
            world.clock.advance(1);
            world.submit(signed);
        } else {
            waiting.remove(at);
        }
    }
    let left = |world: &World| end - world.clock.wall().as_millis() / 1000;
    world.clock.advance(left(&world) - 1000);
    decided_after(&world);
    world.clock.advance(left(&world));
    // When several look at once, in the silence after it, and now.
    let moments = [65, 66, 75, 82, 84, 90, 2_100].map(|second| Timestamp::from_millis((end - 2_100 + second) * 1000));
    gate::alike_at(&world, &["weights-1", "weights-2", "weights-3"], &moments);
    answers_of(&world)
}

#[test]
fn late_and_disordered_events_give_the_same_answers() {
    let mut base = World::begin().with_approver();
    decided_before(&base);
    let said = history(&mut base);
    base.ledger.take().unwrap().close();
    let end = base.clock.wall().as_millis() / 1000 + 2_100;
    let in_order = arrive(&base, &said, &[0], end);
    assert!(in_order[0].to_string().contains("unknownSince"), "{}", in_order[0]);
    for rule in ["admitted-by-override", "admitted-never-observed"] {
        assert!(in_order.iter().any(|answer| answer.to_string().contains(&format!("\"{rule}\""))), "{rule}");
    }
    for kind in ["reverted", "absent", "incident"] {
        assert!(in_order[2].to_string().contains(&format!("\"{kind}\"")), "{kind}: {}", in_order[2]);
    }
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(12));
    let ran = runner.run(&prop::collection::vec(0..7_usize, 1..24), |picks| {
        for (expected, found) in in_order.iter().zip(arrive(&base, &said, &picks, end)) {
            prop_assert_eq!(expected, &found);
        }
        Ok(())
    });
    ran.unwrap();
}
