//! Many corrections, observations and inventories beside what is asked: a verdict looks at what it asks for, and no further.

use lineal_gate::judge::Asked;
use serde_json::{Value, json};

use crate::world::{HEAD, SERVICE, World, file, serving};

const AGAINST: &str =
    "[incumbent]\nabsent = \"note\"\n[[metric]]\nname = \"auc\"\nbetter = \"higher\"\nmax_drop = \"0.005\"\n";

fn seen(world: &World, next_within: i64) -> Value {
    json!({"service": SERVICE, "servingSet": serving(file("old")), "observedAt": world.later(1),
        "observer": "agent", "complete": true, "nextWithinSeconds": next_within})
}

/// What runs is seen again and again, every look is corrected once, and between the looks somebody sees a part of the place.
fn looked_at_again_and_again(count: i64) -> World {
    let mut world = World::new().auc(json!("0.95"));
    for look in 0..count {
        let (said, corrected) = (seen(&world, 86_000), seen(&world, 86_400 + look));
        let event = world.say("agent", "deployment.observed", SERVICE, said);
        world.say("agent", "record.corrected", SERVICE, json!({"corrects": event, "data": corrected}));
        let part = json!({"environment": "environment/eu-1/prod", "observedAt": world.later(1), "observer": "agent",
            "complete": false, "services": []});
        world.say("agent", "inventory.observed", "environment/eu-1/prod", part);
    }
    world
}

/// How many events three verdicts look at, two of them at sizes of before.
fn looked_at(world: &World) -> u64 {
    let text = format!("{HEAD}{AGAINST}");
    let question = World::asked_about(file("new"), Asked::Text(text.parse().unwrap()));
    let sizes = [world.size(), world.size() - 1, world.size() / 2];
    sizes.into_iter().map(|size| world.looked_at(&question, size)).sum()
}

#[test]
fn a_verdict_does_not_look_at_corrections_and_observations_that_it_does_not_ask_for() {
    let (few, many) = (looked_at(&looked_at_again_and_again(20)), looked_at(&looked_at_again_and_again(2_000)));
    assert!(many <= few + few / 2, "{few} events with 20 looks, {many} with 2000");
}

/// The candidate runs already, and has for long: what ran before it is looked for, once through all of it.
#[test]
fn looking_for_what_ran_before_grows_with_the_looks_and_not_with_their_square() {
    let work = |count: i64| {
        let world = looked_at_again_and_again(count);
        let text = format!("{HEAD}{AGAINST}");
        world.looked_at(&World::asked_about(file("old"), Asked::Text(text.parse().unwrap())), world.size())
    };
    let (one, four) = (work(250), work(1_000));
    assert!(four <= 5 * one, "{one} events with 250 looks, {four} with 1000");
}
