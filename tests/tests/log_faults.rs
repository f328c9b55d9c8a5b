//! R2: every durable step of the log, failed, failed but applied, cut short, and crashed after; then the same batch
//! again or another one, and everything compared with the model each time.
//!
//! A failed step is never retried and never forgotten: the log refuses until it is opened again, and goes on serving
//! what it has committed.
#![cfg(test)]

use std::panic::{self, AssertUnwindSafe};

use lineal_ledger::log::{Log, LogError, Sequenced, recover::OpenError};
use lineal_schemas::{event::MAX_EVENT_BYTES, timestamp::Timestamp};
use lineal_tests::{
    model::Model,
    simdisk::{Errno, Fault, Image, SimDisk, Tail},
    workload::{commit, events, new_record, open, received_by},
};

const FAULTS: [Fault; 6] = [
    Fault::Failed(Errno::Io),
    Fault::Failed(Errno::NoSpace),
    Fault::FailedButApplied(Errno::Io),
    Fault::Short { bytes: 700, errno: Errno::NoSpace },
    Fault::Short { bytes: 4095, errno: Errno::Io },
    Fault::CrashedAfter,
];

/// What comes after the fault and before the next opening.
#[derive(Debug, Clone, Copy)]
enum Between {
    Restart,
    Crash(Tail),
}

const BETWEEN: [Between; 4] =
    [Between::Restart, Between::Crash(Tail::Kept), Between::Crash(Tail::Dropped), Between::Crash(Tail::EvenSectors)];

impl Between {
    fn apply(self, disk: &SimDisk) -> SimDisk {
        SimDisk::of(match self {
            Self::Restart => disk.image(),
            Self::Crash(tail) => disk.image().crash(tail),
        })
    }
}

/// A log in the middle of its life: two segments, the derived files stamped once, and the next batch rolls or not.
struct Scene {
    disk: SimDisk,
    log: Log,
    model: Model,
}

fn scene(batches: u64) -> Scene {
    let disk = SimDisk::of(new_record());
    let (mut log, _recovery) = open(&disk).unwrap();
    let mut model = Model::default();
    for number in 0..batches {
        let batch = events(number * 3, 3);
        commit(&mut log, &batch).unwrap();
        model.push(&batch);
        if number == 1 {
            log.stamp_derived().unwrap();
        }
    }
    Scene { disk, log, model }
}

/// Batches before the one that fails. After 4 of them the segment is full, so that the fifth begins a new one.
const SCENES: [u64; 3] = [0, 4, 5];

/// Steps of a commit after so many batches.
fn steps_of_commit(batches: u64) -> usize {
    let mut scene = scene(batches);
    let before = scene.disk.steps();
    commit(&mut scene.log, &events(100, 3)).unwrap();
    scene.disk.steps() - before
}

/// Opens after a fault: all that was acknowledged is there, the batch that failed is whole or absent, the log goes on.
fn check_reopened(what: &str, disk: &SimDisk, acknowledged: &Model, failed: &[u64; 2], next: &[u64; 2]) {
    let (mut log, _recovery) = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut held = acknowledged.clone();
    if log.size() > acknowledged.size() {
        held.push(&events(failed[0], failed[1]));
    }
    held.check(&log);
    held.check_disk(&disk.image());
    let batch = received_by(&log, events(next[0], next[1]));
    commit(&mut log, &batch).unwrap_or_else(|error| panic!("{what}: {error}"));
    held.push(&batch);
    held.check(&log);
    let disk = SimDisk::of(disk.image().crash(Tail::Dropped));
    let (log, _recovery) = open(&disk).unwrap_or_else(|error| panic!("{what}, later: {error}"));
    held.check(&log);
    held.check_disk(&disk.image());
}

/// The log after a failed commit: it says why, refuses, touches nothing, and serves what it has.
fn check_refusing(what: &str, scene: &mut Scene, fault: Fault) {
    assert!(scene.log.failure().is_some(), "{what}");
    let before = scene.disk.steps();
    let refused = commit(&mut scene.log, &events(200, 1));
    assert!(matches!(refused, Err(LogError::Failed(_))), "{what}: {refused:?}");
    assert_eq!(scene.disk.steps(), before, "{what}: the refusing log touched the disk");
    if fault != Fault::CrashedAfter {
        scene.model.check(&scene.log);
    }
}

fn check_commit(batches: u64, step: usize, fault: Fault, between: Between) {
    for (again, next) in [("the same batch", [100, 3]), ("another batch", [300, 2])] {
        let what = format!("batch {batches}, step {step} {fault:?}, {between:?}, then {again}");
        let mut scene = scene(batches);
        scene.disk.fail_at(scene.disk.steps() + step, fault);
        let failed = commit(&mut scene.log, &events(100, 3));
        assert!(matches!(failed, Err(LogError::Io { .. })), "{what}: {failed:?}");
        check_refusing(&what, &mut scene, fault);
        check_reopened(&what, &between.apply(&scene.disk), &scene.model, &[100, 3], &next);
    }
}

#[test]
fn every_step_of_a_commit_may_fail() {
    let mut cases = 0;
    for batches in SCENES {
        for step in 0..steps_of_commit(batches) {
            for fault in FAULTS {
                for between in BETWEEN {
                    check_commit(batches, step, fault, between);
                    cases += 2;
                }
            }
        }
    }
    assert!(cases >= 3 * 7 * FAULTS.len() * BETWEEN.len() * 2, "{cases} cases");
}

/// Images whose opening has something to do: a torn tail, a whole batch beyond the head, a stray segment, no derived.
fn to_recover() -> Vec<(&'static str, Image, Model)> {
    let mut images = Vec::new();
    for (what, step) in [("a torn tail", 0), ("a batch beyond the head", 1), ("a head that was not synced", 2)] {
        let mut scene = scene(5);
        scene.disk.fail_at(scene.disk.steps() + step, Fault::CrashedAfter);
        commit(&mut scene.log, &events(100, 3)).unwrap_err();
        let tail = if step == 0 { Tail::Prefix(2) } else { Tail::Kept };
        images.push((what, scene.disk.image().crash(tail), scene.model));
    }
    let scene = scene(5);
    let (mut stray, mut bare) = (scene.disk.image(), scene.disk.image());
    stray.edit("record/00000000000000000099.log", |bytes| bytes.extend(b"stray"));
    bare.names().iter().filter(|name| name.starts_with("derived/")).for_each(|name| bare.remove(name));
    images.push(("a stray segment", stray, scene.model.clone()));
    images.push(("no derived files", bare, scene.model));
    images
}

#[test]
fn every_step_of_an_opening_may_fail() {
    let mut cases = 0;
    for (scene, image, model) in to_recover() {
        let whole = SimDisk::of(image.clone());
        open(&whole).unwrap();
        assert!(whole.steps() >= 2, "{scene}: the head is written and synced at least");
        for step in 0..whole.steps() {
            for (fault, between) in FAULTS.iter().flat_map(|fault| BETWEEN.map(|between| (*fault, between))) {
                let what = format!("{scene}, step {step} {fault:?}, {between:?}");
                let disk = SimDisk::of(image.clone());
                disk.fail_at(step, fault);
                let failed = open(&disk);
                assert!(matches!(failed, Err(OpenError::Io { .. })), "{what}: {failed:?}");
                check_reopened(&what, &between.apply(&disk), &model, &[100, 3], &[300, 2]);
                cases += 1;
            }
        }
    }
    assert!(cases > 250, "{cases} cases");
    println!("{cases} cases");
}

#[test]
fn every_step_of_a_stamp_may_fail() {
    for step in 0..steps_of_a_stamp() {
        for (fault, between) in FAULTS.iter().flat_map(|fault| BETWEEN.map(|between| (*fault, between))) {
            let what = format!("stamp step {step} {fault:?}, {between:?}");
            let mut scene = scene(5);
            scene.disk.fail_at(scene.disk.steps() + step, fault);
            scene.log.stamp_derived().unwrap_err();
            if fault != Fault::CrashedAfter {
                // What is derived does not stop intake.
                commit(&mut scene.log, &events(100, 3)).unwrap_or_else(|error| panic!("{what}: {error}"));
                scene.model.push(&events(100, 3));
                scene.model.check(&scene.log);
            }
            check_reopened(&what, &between.apply(&scene.disk), &scene.model, &[0, 0], &[300, 2]);
        }
    }
}

fn steps_of_a_stamp() -> usize {
    let scene = scene(5);
    let before = scene.disk.steps();
    scene.log.stamp_derived().unwrap();
    scene.disk.steps() - before
}

/// A sync of a derived file failed, which leaves its cache clean; the next stamp's sync then succeeded without a write,
/// and the stamp vouched for hashes and offsets that the disk never held: after a crash, zeros.
#[test]
fn after_a_failed_sync_no_stamp_vouches_for_what_the_disk_does_not_hold() {
    for step in 0..3 {
        let mut scene = scene(5);
        scene.disk.fail_at(scene.disk.steps() + step, Fault::Failed(Errno::Io));
        scene.log.stamp_derived().unwrap_err();
        for number in [6, 7] {
            let batch = events(number * 100, 3);
            commit(&mut scene.log, &batch).unwrap();
            scene.model.push(&batch);
            let again = scene.log.stamp_derived();
            assert!(again.is_err(), "step {step}: stamped although a sync had failed");
        }
        for between in BETWEEN {
            let disk = between.apply(&scene.disk);
            let (log, _recovery) = open(&disk).unwrap();
            scene.model.check(&log);
            log.stamp_derived().unwrap();
            let disk = SimDisk::of(disk.image().crash(Tail::Dropped));
            scene.model.check(&open(&disk).unwrap().0);
        }
    }
}

/// Torn tails carry the offset where they were cut, and a batch is often written again at the same one: the second torn
/// tail replaced the first, although nothing that was set aside may be lost.
#[test]
fn a_second_torn_tail_at_the_same_place_does_not_replace_the_first() {
    let mut disk = scene(2).disk;
    let mut tails: Vec<Vec<u8>> = Vec::new();
    for first in [100, 200, 100, 300] {
        let (mut log, _recovery) = open(&disk).unwrap();
        let before = disk.image();
        disk.fail_at(disk.steps(), Fault::CrashedAfter);
        commit(&mut log, &events(first, 3)).unwrap_err();
        let name = before.list("record").pop().map(|name| format!("record/{name}")).unwrap();
        disk = SimDisk::of(disk.image().crash(Tail::Prefix(1)));
        let torn = disk.image().read(&name).unwrap()[before.read(&name).unwrap().len()..].to_vec();
        assert!(!torn.is_empty());
        if !tails.contains(&torn) {
            tails.push(torn);
        }
        open(&disk).unwrap();
        let image = disk.image();
        let kept: Vec<_> =
            image.list("torn").iter().map(|name| image.read(&format!("torn/{name}")).unwrap().to_vec()).collect();
        assert!(tails.iter().all(|tail| kept.contains(tail)), "a tail that was set aside is gone");
        assert_eq!(kept.len(), tails.len(), "the same tail is kept once");
    }
}

/// Hands the log what admission never lets through; it stops before a byte is written.
fn check_never_written(why: &str, change: impl FnOnce(&mut Sequenced)) {
    let mut scene = scene(1);
    let mut batch = received_by(&scene.log, events(50, 2));
    change(&mut batch[1]);
    let before = scene.disk.steps();
    let panic = panic::catch_unwind(AssertUnwindSafe(|| commit(&mut scene.log, &batch))).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&why));
    assert_eq!(scene.disk.steps(), before, "{why}");
}

/// Such a line would be committed and then make the record refuse to open, for good.
#[test]
fn what_recovery_would_call_damage_is_never_written() {
    check_never_written("time does not go back in the record", |event| event.received = Timestamp::MIN);
    check_never_written("an event is one line", |event| event.event.push(b'\n'));
    check_never_written("an event fits into a line", |event| event.event.clear());
    check_never_written("an event fits into a line", |event| event.event.resize(MAX_EVENT_BYTES + 1, b'x'));
    check_never_written("an entry's signatures are distinct and sorted", |event| event.signatures.clear());
    check_never_written("an entry's signatures are distinct and sorted", |event| {
        event.signatures.extend_from_within(..);
    });
}
