//! Every attempt to measure a model, never only the best, against what was seen to run then.

use lineal_ledger::answers::{Evals, Slice, When, evals::IncumbentState, slice_of};

use super::*;

impl World {
    pub(crate) fn evals(&self, asked: &str, slice: &[&str]) -> Evals {
        let slice = slice_of(slice.iter().copied()).unwrap();
        let evals = answers::evals(&self.view(), asked, &slice, self.clock.wall()).unwrap();
        let json = serde_json::to_string(&evals).unwrap();
        assert_eq!(serde_json::from_str::<Evals>(&json).unwrap(), evals, "the JSON holds all of it");
        let text = evals.to_text(Style::Plain);
        assert_eq!(text.lines().next(), Some(evals.answer.as_str()), "line 1 is the answer");
        assert!(text.trim_end().ends_with(ORIGIN), "{text}");
        evals
    }

    pub(crate) fn announce(&mut self, id: &str, model: &str, data: &str) -> u64 {
        let started = format!(
            r#"{{"evaluationId":"{id}","model":{{"digest":{{"sha256":"DIGEST({model})"}}}},"inputs":[{{"artifact":{{"name":"held-out","digest":{{"sha256":"DIGEST({data})"}}}},"role":"test"}}],"harness":{{"name":"evalkit","version":"2.1"}}}}"#
        );
        self.send("evaluator", "evaluation.started", "model/wine/quality", &started)
    }
}

const WHOLE: &str = r#"{"metric":"auc","value":"0.914","sampleSize":120000}"#;

fn auc(value: &str) -> String {
    WHOLE.replace("0.914", value)
}

#[test]
fn every_attempt_is_told_and_the_last_counts_whatever_it_found() {
    let mut world = World::deployed();
    world.announce("ev-1", "weights-1", "test");
    world.evaluate("ev-1", "weights-1", "test", &auc("0.95"));
    let open = world.announce("ev-2", "weights-1", "test");
    world.announce("ev-3", "weights-1", "test");
    world.evaluate("ev-3", "weights-1", "test", &auc("0.80"));
    world.evaluate("ev-4", "weights-1", "other", &auc("0.70"));
    world.evaluate("ev-5", "elsewhere", "test", &auc("0.99"));
    // The same data under another name are no other suite.
    let renamed = r#"{"evaluationId":"ev-6","model":{"digest":{"sha256":"DIGEST(weights-9)"}},"inputs":[{"artifact":{"name":"NAME","digest":{"sha256":"DIGEST(test)"}},"role":"test"}],"results":[{"metric":"auc","value":"0.9"}]}"#;
    for name in ["held-out", "lucky-draw"] {
        world.send("evaluator", "evaluation.completed", "model/wine/other", &renamed.replace("NAME", name));
    }
    let suites = world.evals("model/wine/other", &[]).suites;
    assert_eq!((suites.len(), suites[0].attempts), (1, 2));
    let found = world.evals("model/wine/quality@1", &[]);
    let ids: Vec<&str> = found.attempts.iter().map(|attempt| attempt.evaluation_id.as_str()).collect();
    assert_eq!(ids, ["ev-1", "ev-2", "ev-3", "ev-4"]);
    let second = &found.attempts[1];
    assert_eq!((second.announced.as_ref().unwrap().index, &second.finished), (open, &None));
    assert!(found.attempts[3].announced.is_none());
    assert!(found.answer.starts_with("auc 0.70 (n 120000)"), "{}", found.answer);
    assert!(found.answer.contains("the last result of 4 attempts of model/wine/quality v1"), "{}", found.answer);
    assert!(found.answer.ends_with(", 1 NOT FINISHED"), "{}", found.answer);
    let counts: Vec<_> = found.suites.iter().map(|suite| (suite.attempts, suite.finished)).collect();
    assert_eq!((counts, found.exit_code()), (vec![(3, 2), (1, 1)], 0));
    let text = found.to_text(Style::Plain);
    assert!(text.contains("ev-4, evalkit 2.1 on held-out sha256:"), "{text}");
    assert!(text.contains(": never announced, finished (#"), "{text}");
    assert!(text.contains(": 3 attempts, 2 finished"), "{text}");
}

#[test]
fn a_slice_that_nobody_measured_has_no_result() {
    let mut world = World::deployed();
    let country =
        |result: &str, value: &str| format!(r#"{{"metric":"recall",{result},"slice":{{"country":"{value}"}}}}"#);
    world.evaluate("ev-1", "weights-1", "test", &format!("{WHOLE},{}", country(r#""value":0.7"#, "FR")));
    let found = world.evals(SERVICE, &["country=BR"]);
    let model = format!("model/wine/quality v1 sha256:{}…", &hash("weights-1")[..12]);
    assert_eq!(found.answer, format!("no result for [country=BR]: 1 attempt of {model}; overall auc 0.914 (n 120000)"));
    assert_eq!((found.exit_code(), found.attempts[0].results.len(), found.attempts[0].result_count), (1, 1, 2));
    assert_eq!(world.evals(SERVICE, &["country=FR"]).exit_code(), 0);
    assert_eq!(world.evals(SERVICE, &["country=FR", "age=old"]).exit_code(), 1, "a finer slice is another one");
    // Why there is no number is told, and is no number.
    let missing = country(r#""missing":{"reason":"below-min-n","n":41}"#, "BR");
    world.evaluate("ev-2", "weights-1", "test", &missing);
    let found = world.evals(SERVICE, &["country=BR"]);
    assert!(found.answer.starts_with("recall [country=BR] no number: below-min-n (n 41)"), "{}", found.answer);
    assert_eq!(found.exit_code(), 1);
    // What is under way may still find it.
    world.announce("ev-3", "weights-1", "test");
    assert_eq!(world.evals(SERVICE, &["country=BR"]).exit_code(), 2);
    let error = slice_of(["country"]).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("malformed-slice", 2));
}

#[test]
fn the_incumbent_is_what_was_seen_to_run_when_it_was_measured() {
    let mut world = World::deployed();
    world.evaluate("ev-1", "weights-1", "test", &auc("0.917"));
    world.train("run-2", "red", "weights-2");
    let ask = format!(r#"{{"service":"{SERVICE}","servingSet":[{}]}}"#, serving("weights-2"));
    world.send("deployer", "deployment.requested", SERVICE, &ask);
    world.evaluate("ev-2", "weights-2", "test", &auc("0.914"));
    world.evaluate("ev-3", "weights-2", "other", &auc("0.99"));
    world.clock.advance(1);
    world.observe(SERVICE, &serving("weights-2"), "");
    world.evaluate("ev-4", "weights-2", "test", &auc("0.915"));
    let found = world.evals(&hash("weights-2"), &[]);
    let states: Vec<_> = found.attempts.iter().map(|attempt| attempt.incumbents[0].state).collect();
    assert_eq!(states, [IncumbentState::Other, IncumbentState::Other, IncumbentState::Itself]);
    let first = &found.attempts[0].incumbents[0];
    assert_eq!(first.results[0].measured.value.as_deref(), Some("0.917"));
    assert!(first.model.as_ref().unwrap().starts_with("model/wine/quality v1"), "{first:?}");
    let second = &found.attempts[1].incumbents[0];
    assert_eq!((second.results.len(), second.not_comparable.as_deref()), (0, Some("not comparable: other data")));
    assert!(found.answer.contains("it ran itself then"), "{}", found.answer);
    let text = found.to_text(Style::Plain);
    assert!(text.contains("had auc 0.917 (n 120000)") && text.contains("not comparable: other data"), "{text}");
    // As of a moment, what was measured later is not there.
    let when = When { at: Some(found.attempts[0].at), ..world.clock.wall().into() };
    let then = answers::evals(&world.view(), &hash("weights-2"), &Slice::new(), when).unwrap();
    assert_eq!(then.attempts.len(), 1);
}

#[test]
fn silence_is_no_incumbent() {
    let mut world = World::deployed();
    world.observe(SERVICE, &serving("weights-1"), r#","nextWithinSeconds":60"#);
    world.clock.advance(600);
    world.train("run-2", "red", "weights-2");
    let ask = format!(r#"{{"service":"{SERVICE}","servingSet":[{}]}}"#, serving("weights-2"));
    world.send("deployer", "deployment.requested", SERVICE, &ask);
    world.evaluate("ev-1", "weights-2", "test", WHOLE);
    let found = world.evals(&hash("weights-2"), &[]);
    assert_eq!(found.attempts[0].incumbents[0].state, IncumbentState::Unknown);
    assert!(found.answer.contains("what ran then is UNKNOWN"), "{}", found.answer);
    // Nobody asked for the other one anywhere: there is nothing to compare it with, and nothing is made up.
    world.evaluate("ev-2", "weights-3", "test", WHOLE);
    assert!(world.evals(&hash("weights-3"), &[]).attempts[0].incumbents.is_empty());
}

#[test]
fn what_was_never_measured_has_no_attempt() {
    let world = World::deployed();
    let found = world.evals("model/wine/quality", &[]);
    assert_eq!((found.attempts.len(), found.exit_code()), (0, 1));
    assert!(found.answer.starts_with("no result: 0 attempts of model/wine/quality v1"), "{}", found.answer);
}
