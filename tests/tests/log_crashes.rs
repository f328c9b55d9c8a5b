//! R3: the machine crashes after every durable step of a scripted workload, with the unsynced sectors kept, dropped,
//! torn or zeroed, and again after every durable step of the recovery. Exhaustive, no randomness.
//!
//! Each time: the record opens; every acknowledged entry is there with its bytes and its receipt; what nobody has a
//! receipt for is there as a whole batch or not at all; the log goes on; and what it then acknowledges outlasts a crash
//! that forgets everything unsynced.
#![cfg(test)]

use std::{collections::HashSet, panic};

use lineal_tests::{
    model::Model,
    simdisk::{Fault, Image, SimDisk, Tail},
    workload::{commit, events, new_record, open, open_to_read},
};

/// The disk after every step of a workload, and how many batches had been acknowledged by then.
struct Workload {
    steps: Vec<(Image, usize)>,
    model: Model,
}

/// Commits batches of 1 to 4 events, with the derived files stamped after some.
fn run(batches: u64, stamp_every: u64) -> Workload {
    let disk = SimDisk::of(new_record());
    disk.keep_history();
    let (mut log, _recovery) = open(&disk).unwrap();
    let (mut model, mut steps, mut first) = (Model::default(), vec![(new_record(), 0)], 0);
    for number in 0..batches {
        let batch = events(first, 1 + number % 4);
        commit(&mut log, &batch).unwrap();
        if number % stamp_every == stamp_every - 1 {
            log.stamp_derived().unwrap();
        }
        let taken = disk.take_history();
        disk.keep_history();
        // Acknowledged once `commit` returns: from the last of its seven steps on, but not while it goes on.
        steps.extend(taken.into_iter().map(|image| (image, model.batches().len())));
        model.push(&batch);
        steps.push((disk.image(), model.batches().len()));
        first += batch.len() as u64;
    }
    assert!(disk.image().list("record").len() >= 2, "a segment was rolled");
    model.check(&log);
    Workload { steps, model }
}

/// Every kind of crash that an image can suffer.
fn tails(image: &Image) -> Vec<Tail> {
    let sectors = image.unsynced_sectors("record/").max(image.unsynced_sectors("head"));
    let torn = (1..sectors).flat_map(|count| [Tail::Prefix(count), Tail::PrefixThenZeros(count)]);
    [Tail::Kept, Tail::Dropped, Tail::PrefixThenZeros(0), Tail::EvenSectors, Tail::OddSectors]
        .into_iter()
        .chain(torn)
        .collect()
}

/// What a crash leaves, each different image once.
fn crashes(image: &Image, seen: &mut HashSet<([u8; 32], usize)>, acknowledged: usize) -> Vec<(String, Image)> {
    let mut after: Vec<_> = tails(image).into_iter().map(|tail| (format!("{tail:?}"), image.crash(tail))).collect();
    after.push(("the program killed, the machine up".to_owned(), image.clone()));
    after.push(("names lost".to_owned(), image.without_new_names().crash(Tail::Dropped)));
    after.retain(|(_what, image)| seen.insert((image.fingerprint(), acknowledged)));
    after
}

/// Opens what a crash left and goes on; panics unless all promises hold.
fn check(what: &str, image: &Image, acknowledged: usize, model: &Model) {
    let disk = SimDisk::of(image.clone());
    let (mut log, _recovery) = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let kept = model.batches_in(log.size()).unwrap_or_else(|| panic!("{what}: a part of a batch: {}", log.size()));
    assert!(kept >= acknowledged, "{what}: {acknowledged} batches were acknowledged, {kept} are there");
    assert!(kept <= acknowledged + 1, "{what}: {kept} batches");
    let mut held = model.prefix(kept);
    held.check_disk(&disk.image());
    held.check(&log);
    let batch = events(1000 + held.size(), 2);
    commit(&mut log, &batch).unwrap_or_else(|error| panic!("{what}: {error}"));
    held.push(&batch);
    let after = SimDisk::of(disk.image().crash(Tail::Dropped));
    let (log, recovery) = open(&after).unwrap_or_else(|error| panic!("{what}, and again: {error}"));
    assert!(recovery.torn.is_empty() && recovery.kept == 0, "{what}: {recovery:?}");
    held.check_disk(&after.image());
    held.check(&log);
}

fn check_every_crash(workload: &Workload, which: impl Fn(usize) -> bool) {
    let (mut seen, mut count) = (HashSet::new(), 0);
    for (number, (image, acknowledged)) in workload.steps.iter().enumerate().filter(|(number, _step)| which(*number)) {
        for (what, image) in crashes(image, &mut seen, *acknowledged) {
            check(&format!("step {number}, {what}"), &image, *acknowledged, &workload.model);
            count += 1;
        }
    }
    println!("{} steps, {count} different images", workload.steps.len());
}

#[test]
fn a_crash_after_any_even_step_loses_nothing_acknowledged() {
    check_every_crash(&run(30, 7), |number| number % 2 == 0);
}

#[test]
fn a_crash_after_any_odd_step_loses_nothing_acknowledged() {
    check_every_crash(&run(30, 7), |number| number % 2 == 1);
}

/// Crashes the recovery of `image` after each of its steps.
fn check_every_second_crash(
    what: &str,
    image: &Image,
    acknowledged: usize,
    model: &Model,
    seen: &mut HashSet<([u8; 32], usize)>,
) {
    let whole = SimDisk::of(image.clone());
    whole.keep_history();
    open(&whole).unwrap_or_else(|error| panic!("{what}: {error}"));
    for (step, image) in whole.take_history().iter().enumerate() {
        for (how, image) in crashes(image, seen, acknowledged) {
            check(&format!("{what}, recovery step {step}, {how}"), &image, acknowledged, model);
        }
    }
}

#[test]
fn a_second_crash_after_any_step_of_the_recovery_loses_nothing_acknowledged() {
    let workload = run(6, 2);
    let (mut first, mut seen) = (HashSet::new(), HashSet::new());
    for (number, (image, acknowledged)) in workload.steps.iter().enumerate() {
        for (what, image) in crashes(image, &mut first, *acknowledged) {
            let what = format!("step {number}, {what}");
            check_every_second_crash(&what, &image, *acknowledged, &workload.model, &mut seen);
        }
    }
    println!("{} first images, {} second ones", first.len(), seen.len());
}

/// A reader may open what a crash left, or what the writer is at: it shows what the head covers and settles nothing.
#[test]
fn a_reader_shows_what_is_committed_and_touches_neither_segments_nor_head() {
    let workload = run(12, 5);
    for (number, (image, acknowledged)) in workload.steps.iter().enumerate() {
        let disk = SimDisk::of(image.clone());
        let (log, _recovery) = open_to_read(&disk).unwrap_or_else(|error| panic!("step {number}: {error}"));
        let seen = workload.model.batches_in(log.size()).unwrap();
        assert!((*acknowledged..=acknowledged + 1).contains(&seen), "step {number}: {seen} batches");
        workload.model.prefix(seen).check(&log);
        let after = disk.image();
        for name in image.names().iter().filter(|name| !name.starts_with("derived/")) {
            assert_eq!(after.read(name), image.read(name), "step {number}: {name}");
        }
    }
}

/// The canary: on a disk that only says that it syncs the segments, these checks must fail.
#[test]
fn a_disk_that_lies_about_its_syncs_is_noticed() {
    for tail in [Tail::Dropped, Tail::Prefix(2), Tail::PrefixThenZeros(2), Tail::EvenSectors] {
        let disk = SimDisk::of(new_record());
        let (mut log, _recovery) = open(&disk).unwrap();
        disk.lie_about("record/");
        commit(&mut log, &events(0, 3)).unwrap();
        let mut model = Model::default();
        model.push(&events(0, 3));
        let image = disk.image().crash(tail);
        assert!(panic::catch_unwind(|| check("a lying disk", &image, 1, &model)).is_err(), "{tail:?}");
    }
}

/// A crash while the record is made leaves a record, or nothing that calls itself one.
#[test]
fn a_crash_while_the_record_is_made_can_be_told_and_is_begun_again() {
    let disk = SimDisk::of(Image::default());
    disk.keep_history();
    lineal_ledger::log::recover::create(&disk).unwrap();
    for (step, image) in disk.take_history().iter().enumerate() {
        for tail in tails(image) {
            let disk = SimDisk::of(image.crash(tail));
            if open(&disk).is_err() {
                lineal_ledger::log::recover::create(&disk)
                    .unwrap_or_else(|error| panic!("step {step}, {tail:?}: {error}"));
            }
            let (mut log, _recovery) = open(&disk).unwrap_or_else(|error| panic!("step {step}, {tail:?}: {error}"));
            let mut model = Model::default();
            model.push(&events(0, 2));
            commit(&mut log, &events(0, 2)).unwrap();
            model.check(&log);
        }
    }
}

/// A crash right after a segment was made leaves it empty; a release that rolls later goes on in the one before.
#[test]
fn an_empty_segment_that_is_not_used_after_all_hides_no_entry() {
    let disk = SimDisk::of(new_record());
    let (mut log, _recovery) = open(&disk).unwrap();
    let mut model = Model::default();
    model.push(&events(0, 3));
    commit(&mut log, &events(0, 3)).unwrap();
    log.roll_at(1);
    // Creating the new segment is the first step of the second batch.
    disk.fail_at(disk.steps(), Fault::CrashedAfter);
    commit(&mut log, &events(3, 1)).unwrap_err();
    let disk = SimDisk::of(disk.image().crash(Tail::Dropped));
    assert_eq!(disk.image().list("record").len(), 2);
    let (mut log, _recovery) = open(&disk).unwrap();
    // Rolls later now: the batch goes behind the first, and entry 3 is not in the segment that is called so.
    model.push(&events(3, 2));
    commit(&mut log, &events(3, 2)).unwrap();
    model.check(&log);
    let (log, _recovery) = open_to_read(&disk).unwrap();
    model.check(&log);
    let (log, _recovery) = open(&disk).unwrap();
    model.check(&log);
    model.check_disk(&disk.image());
}
