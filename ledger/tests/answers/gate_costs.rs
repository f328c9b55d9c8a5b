//! What a verdict reads, whatever a service has behind it: decisions, looks, measurements on the same data, words about others.
//!
//! A verdict once read every decision about its service five times over, and every look at a model that did not change.

use lineal_ledger::answers::gate::decision;
use lineal_schemas::vocabulary::{Payload, gate::GateVerdict};

use super::{
    counted::Counted,
    gate::{RULES, alike, asked, measure, register},
    *,
};

impl Counted {
    /// What a verdict is, and how many lines and keys are read for it.
    fn ask(&self, model: &str) -> (GateVerdict, u64, u64) {
        self.counts.take();
        let gate = answers::gate(&self.view, &asked(model), self.now).unwrap();
        let (lines, keys) = self.counts.take();
        (gate.document.verdict, lines, keys)
    }
}

/// What costs what, of a model that runs already, of one that may come back, and of one that nobody measured.
fn costs(world: &mut World) -> Vec<(GateVerdict, u64, u64)> {
    let keys = world.view().registry;
    world.ledger.take().unwrap().close();
    let counted = Counted::open(world, keys);
    let costs = ["weights-2", "weights-1", "weights-3"].map(|model| counted.ask(model));
    drop(counted);
    world.open();
    costs.to_vec()
}

fn decide(world: &mut World, by: &str, set: &str, verdict: &str) -> lineal_schemas::dsse::Signed {
    let at = world.clock.wall();
    let data = format!(
        r#"{{"service":"{SERVICE}","servingSet":[{}],"verdict":"{verdict}","treeSize":1,"judgedAt":"{at}","document":"{}"}}"#,
        serving(set),
        hash(set)
    );
    world.sign(by, "gate.decided", SERVICE, &data, at)
}

/// So many more decisions, looks, measurements on the same data, and approvals of others.
fn grow(world: &mut World, count: usize) {
    let mut batch = Vec::new();
    for number in 0..count {
        world.clock.advance(1);
        let at = world.clock.wall();
        let verdict = if number % 3 == 0 { "allow" } else { "deny" };
        batch.push(decide(world, "approver", "weights-3", verdict));
        let look = format!(
            r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{at}","observer":"probe-1","complete":true}}"#,
            serving("weights-2")
        );
        batch.push(world.sign("observer", "deployment.observed", SERVICE, &look, at));
        let other = format!(r#"{{"digest":{{"sha256":"DIGEST(other-{number})"}}}}"#);
        let measured = format!(
            r#"{{"evaluationId":"other-{number}","model":{other},"results":[{{"metric":"accuracy","value":"0.5"}}],"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST(held-out)"}}}},"role":"test"}}]}}"#
        );
        batch.push(world.sign("assessor", "evaluation.completed", "model/wine/other", &measured, at));
        let approved = format!(r#"{{"service":"{SERVICE}","artifact":{other},"role":"model-risk"}}"#);
        batch.push(world.sign("approver", "approval.granted", SERVICE, &approved, at));
    }
    let ledger = world.ledger.as_ref().unwrap();
    for outcome in ledger.submit_and_wait(batch) {
        assert!(matches!(outcome, lineal_ledger::outcome::Outcome::Committed { .. }), "{outcome:?}");
    }
    ledger.wait_for_index();
}

#[test]
fn a_verdict_reads_no_more_however_much_is_behind_a_service() {
    let mut world = World::deployed().with_approver();
    world.snapshot("dataset/wine/held-out", "held-out", "");
    register(&mut world, RULES);
    for (run, model) in [("run-2", "weights-2"), ("run-3", "weights-3")] {
        world.train(run, "red", model);
    }
    measure(&mut world, "ev-1", "weights-1", "0.95");
    measure(&mut world, "ev-2", "weights-2", "0.96");
    for model in ["weights-1", "weights-2"] {
        let data = format!(
            r#"{{"service":"{SERVICE}","artifact":{{"digest":{{"sha256":"DIGEST({model})"}}}},"role":"model-risk"}}"#
        );
        world.send("approver", "approval.granted", SERVICE, &data);
    }
    let gate = answers::gate(&world.view(), &asked("weights-1"), world.clock.wall());
    let (subject, allowed) = decision(&gate.unwrap(), "cli").unwrap();
    measure(&mut world, "ev-3", "weights-1", "0.10");
    world.observe(SERVICE, &serving("weights-2"), "");
    let mut costs_after = |count| {
        grow(&mut world, count);
        world.ledger.as_ref().unwrap().say(&subject, Payload::from(allowed.clone())).unwrap();
        costs(&mut world)
    };
    let (few, many) = (costs_after(10), costs_after(5000));
    let verdicts: Vec<GateVerdict> = many.iter().map(|cost| cost.0).collect();
    assert_eq!(verdicts, [GateVerdict::Allow, GateVerdict::Allow, GateVerdict::Deny]);
    for (few, many) in few.iter().zip(&many) {
        assert_eq!(few.0, many.0);
        assert!(many.1 <= few.1 + 2, "lines of the record: {few:?}, {many:?}");
        // Of those that came meanwhile each kind has keys of shelves.
        assert!(many.2 <= few.2 + 20, "keys of the index: {few:?}, {many:?}");
    }
}

#[test]
fn what_ran_before_is_found_past_days_of_the_same_model_late_looks_and_corrections() {
    let mut world = World::deployed().with_approver();
    world.inventory(&[], true, "");
    register(&mut world, "[incumbent]\\nabsent = \\\"note\\\"\\n[rollback]\\nallow = \\\"previously-admitted\\\"\\n");
    let look = |world: &World, model: &str, hours: i64, complete: bool| {
        let at = Timestamp::from_millis(world.clock.wall().as_millis() - hours * 3_600_000);
        format!(
            r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{at}","observer":"probe-1","complete":{complete}}}"#,
            serving(model)
        )
    };
    for model in ["weights-2", "weights-1", "weights-1", "weights-1", "weights-3", "weights-1"] {
        world.clock.advance(20 * 3600);
        world.observe(SERVICE, &serving(model), "");
    }
    let late = look(&world, "weights-4", 30, true);
    let (_index, late) = world.send_event("observer", "deployment.observed", SERVICE, &late);
    let part = look(&world, "weights-5", 1, false);
    world.send("observer", "deployment.observed", SERVICE, &part);
    for (model, hours) in [("weights-1", 30), ("weights-5", 70), ("weights-4", 1)] {
        let corrected = format!(r#"{{"corrects":"{late}","data":{}}}"#, look(&world, model, hours, true));
        world.send("observer", "record.corrected", SERVICE, &corrected);
    }
    world.inventory(&[("service/wine/quality", &serving("weights-1"))], true, "");
    world.inventory(&[], true, "");
    world.observe(SERVICE, &serving("weights-1"), "");
    alike(&world, &["weights-1", "weights-2", "weights-3", "weights-4"]);
}

/// `running` read a thousand decisions of each service, whoever had made them and whenever: over a million runs that took a
/// tenth of a second for ten services, and a question about the past read all that was decided since to leave it out.
#[test]
fn running_reads_no_decision_that_was_made_after_its_moment_or_by_others() {
    let mut world = World::deployed().with_approver();
    admitted::decide(&world, "weights-1", "allow", "");
    let then = world.clock.wall();
    world.clock.advance(60);
    let mut lines_after = |count: usize| {
        for _decision in 0..count {
            admitted::decide(&world, "weights-9", "deny", "");
            let signed = decide(&mut world, "approver", "weights-1", "deny");
            world.submit(signed);
        }
        world.ledger.as_ref().unwrap().wait_for_index();
        let keys = world.view().registry;
        world.ledger.take().unwrap().close();
        let counted = Counted::open(&world, keys);
        counted.counts.take();
        let when = answers::When { at: Some(then), ..counted.now.into() };
        let running = answers::running(&counted.view, None, when).unwrap();
        let (lines, _keys) = counted.counts.take();
        drop(counted);
        world.open();
        let gated: Vec<_> =
            running.services.iter().flat_map(|service| &service.serving_sets).map(|set| set.admission.gated).collect();
        (lines, gated)
    };
    let (few, many) = (lines_after(1), lines_after(100));
    assert_eq!(few.1, [answers::Gated::Admitted]);
    assert_eq!(many.1, few.1);
    assert!(many.0 <= few.0 + 2, "lines of the record: {few:?}, {many:?}");
}
