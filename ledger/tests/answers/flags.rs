//! Flags: what is bad, what rests on it, and what is not bad any more.

use lineal_ledger::answers::{Running, When};

use super::*;

fn flagged(running: &Running) -> Vec<Vec<String>> {
    running.services[0].flagged.iter().map(|flagged| flagged.way.clone()).collect()
}

/// A model made of derived data, live.
fn deep() -> World {
    let mut world = World::begin();
    world.snapshot("dataset/wine/raw", "raw", "");
    world.snapshot("dataset/wine/clean", "clean", r#","derivedFrom":[{"digest":{"sha256":"DIGEST(raw)"}}]"#);
    world.train("run-1", "clean", "weights-1");
    world.register("model/wine/quality", "1", "weights-1", "");
    world.observe(SERVICE, &serving("weights-1"), "");
    world
}

#[test]
fn a_flag_deep_in_the_ancestry_shows_at_the_live_service_until_it_is_cleared() {
    let mut world = deep();
    assert!(flagged(&world.running()).is_empty());
    let (index, _event) = world.flag("raw", "poisoned", "");
    let running = world.running();
    let ways = flagged(&running);
    assert_eq!(ways.len(), 1);
    assert_eq!(ways[0].len(), 4, "model, run, clean, raw: {ways:?}");
    assert!(ways[0][0].starts_with("model/wine/quality") && ways[0][3].starts_with("dataset/wine/raw"), "{ways:?}");
    assert_eq!(running.services[0].flagged[0].flags[0].event.index, index);
    assert!(running.answer.ends_with(", on FLAGGED artifacts (poisoned)"), "{}", running.answer);
    assert_eq!(running.exit_code(), 0, "it runs, flagged or not");
    let text = running.to_text(Style::Plain);
    assert!(text.contains(": FLAGGED poisoned: labels-flipped, known since"), "{text}");
    let trace = world.trace(SERVICE);
    assert!(trace.answer.contains("; FLAGGED: dataset/wine/raw"), "{}", trace.answer);
    assert!(trace.warnings.iter().any(|warning| warning.contains("FLAGGED poisoned")), "{:?}", trace.warnings);
    assert!(trace.to_dot().contains(" FLAGGED poisoned") && trace.to_mermaid().contains(" FLAGGED poisoned"));
    let impact = answers::impact(&world.view(), "dataset/wine/clean", world.clock.wall()).unwrap();
    assert!(impact.nodes.iter().all(|node| node.flags.is_empty()), "what is upstream of the question is the trace's");
    let impact = answers::impact(&world.view(), "dataset/wine/raw", world.clock.wall()).unwrap();
    assert_eq!(impact.nodes[0].flags.len(), 1);
    assert!(impact.to_text(Style::Plain).contains("warning: FLAGGED poisoned"));
    world.clear("raw", "");
    assert!(flagged(&world.running()).is_empty());
    assert!(!world.trace(SERVICE).answer.contains("FLAGGED"));
}

#[test]
fn what_only_measured_is_no_taint() {
    let mut world = deep();
    let evaluation = r#"{"evaluationId":"ev-1","model":{"digest":{"sha256":"DIGEST(weights-1)"}},"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(held-out)"}},"role":"test"}],"results":[{"metric":"accuracy","value":"0.914"}]}"#;
    world.send("evaluator", "evaluation.completed", "model/wine/quality", evaluation);
    world.flag("held-out", "poisoned", "");
    assert!(flagged(&world.running()).is_empty());
}

#[test]
fn one_flag_of_two_is_taken_back_and_the_other_stands() {
    let mut world = deep();
    let (_first, event) = world.flag("weights-1", "quality", "");
    let (second, _event) = world.flag("weights-1", "licence", r#","severity":"warn""#);
    assert_eq!(world.running().services[0].serving_sets[0].components[0].flags.len(), 2);
    world.clear("weights-1", &format!(r#","flag":"{event}""#));
    let running = world.running();
    let left = &running.services[0].serving_sets[0].components[0].flags;
    assert_eq!((left.len(), left[0].event.index), (1, second));
    assert!(running.to_text(Style::Plain).contains(" flagged licence"), "a warning is not loud");
    world.clear("weights-1", "");
    assert!(flagged(&world.running()).is_empty());
    // What is flagged anew is flagged.
    world.flag("weights-1", "quality", "");
    assert_eq!(flagged(&world.running()).len(), 1);
}

#[test]
fn a_flag_follows_what_strong_digests_join_and_a_weak_one_only_its_digest() {
    let mut world = deep();
    let same = r#"{"a":{"digest":{"sha256":"DIGEST(weights-1)"}},"b":{"digest":{"dirHash":"DIGEST(tree)"}},"method":"oci-unpacked"}"#;
    world.send("data", "artifact.equated", "artifact/wine/copy", same);
    let tree = world.clock.wall();
    let data = format!(
        r#"{{"artifact":{{"digest":{{"dirHash":"DIGEST(tree)"}}}},"category":"other","justification":"backdoor","knownSince":"{tree}"}}"#
    );
    world.send("data", "artifact.flagged", "artifact/wine/tree", &data);
    assert_eq!(flagged(&world.running()).len(), 1);
    world.clear("weights-1", "");
    assert!(flagged(&world.running()).is_empty(), "cleared under its other digest");
    let weak = |md5: &str| {
        format!(
            r#"{{"artifact":{{"digest":{{"md5":"{md5}"}}}},"category":"quality","justification":"empty","knownSince":"{tree}"}}"#
        )
    };
    world.send("data", "artifact.flagged", "artifact/wine/weak", &weak("abc"));
    let part =
        |md5: &str| format!(r#"{{"components":[{{"role":"model","artifact":{{"digest":{{"md5":"{md5}"}}}}}}]}}"#);
    world.observe(SERVICE, &part("abd"), "");
    assert!(flagged(&world.running()).is_empty());
    world.observe(SERVICE, &part("abc"), "");
    assert_eq!(flagged(&world.running()).len(), 1);
}

#[test]
fn a_flag_counts_from_when_it_was_said() {
    let mut world = deep();
    let before = world.clock.wall();
    world.clock.advance(60);
    let (index, _event) = world.flag("raw", "poisoned", "");
    let at = |when: When| answers::running(&world.view(), None, when).unwrap();
    assert!(flagged(&at(When { at: Some(before), ..world.clock.wall().into() })).is_empty());
    let known = |entry| When { known: Some(answers::Known::Entry(entry)), ..world.clock.wall().into() };
    assert!(flagged(&at(known(index - 1))).is_empty());
    assert_eq!(flagged(&at(known(index))).len(), 1);
}
