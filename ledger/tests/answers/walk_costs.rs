//! What a trace and an impact read for each step: how fast they are is a matter of this, and of nothing that a test can time.
//!
//! A trace once read an event to learn which one came next, and looked each run up to learn what it was made from; an impact
//! read the event of every run, and looked up once more what nothing but its run mentions.

use lineal_ledger::answers::impact::{Limits, impact_within};

use super::{counted::Counted, *};

/// What `ask` reads of a world, in lines and keys.
fn costs(world: &mut World, ask: impl FnOnce(&Counted)) -> (u64, u64) {
    world.ledger.as_ref().unwrap().wait_for_index();
    let keys = world.view().registry;
    world.ledger.take().unwrap().close();
    let counted = Counted::open(world, keys);
    counted.counts.take();
    ask(&counted);
    let costs = counted.counts.take();
    drop(counted);
    world.open();
    costs
}

#[test]
fn a_trace_reads_each_event_once_and_looks_each_artifact_up_once() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "made-0", "");
    let mut length = 0;
    let mut costs_after = |more: u64| {
        for _run in 0..more {
            world.train(&format!("run-{length}"), &format!("made-{length}"), &format!("made-{}", length + 1));
            length += 1;
        }
        let asked = hash(&format!("made-{length}"));
        costs(&mut world, |counted| {
            let trace = answers::trace(&counted.view, &format!("sha256:{asked}"), counted.now).unwrap();
            assert_eq!(trace.edges.iter().filter(|edge| edge.relation == EdgeKind::Run).count() as u64, length);
        })
    };
    let (short, long) = (costs_after(10), costs_after(50));
    let (lines, keys) = (long.0 - short.0, long.1 - short.1);
    assert!(lines <= 50, "a line a step: {short:?}, {long:?}");
    assert!(keys <= 50, "a key a step: {short:?}, {long:?}");
}

#[test]
fn an_impact_in_brief_reads_no_event_and_looks_each_run_up_once() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    let mut runs = 0;
    let mut costs_after = |more: usize| {
        for _run in 0..more {
            world.train(&format!("run-{runs}"), "red", &format!("made-{runs}"));
            runs += 1;
        }
        costs(&mut world, |counted| {
            let limits = Limits { told: 0, ..Limits::default() };
            let impact = impact_within(&counted.view, "dataset/wine/red", counted.now, limits).unwrap();
            assert_eq!(impact.runs, runs);
        })
    };
    let (few, many) = (costs_after(10), costs_after(1500));
    assert_eq!(few.0, many.0, "lines of the record: {few:?}, {many:?}");
    // Its use of the snapshot, the run in brief, and what it made; and the shelves of what has no key of its own.
    assert!(many.1 - few.1 <= 3 * 1500 + 20, "keys of the index: {few:?}, {many:?}");
}
