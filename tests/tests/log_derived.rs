//! R9 for what is derived: offsets, hashes and the stamp are damaged in every byte, cut, or gone; they are made again or
//! an answer is refused, and no answer is ever wrong.
#![cfg(test)]

use lineal_ledger::log::Log;
use lineal_tests::{
    model::Model,
    simdisk::{Image, SimDisk},
    workload::{commit, events, new_record, open},
};

fn edited(image: &Image, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Image {
    let mut image = image.clone();
    image.edit(name, change);
    image
}

/// A record in three segments whose derived files are stamped at its second batch or its last, which opening relies on.
fn stamped(at_end: bool) -> (Image, Model) {
    let disk = SimDisk::of(new_record());
    let (mut log, _recovery) = open(&disk).unwrap();
    let mut model = Model::default();
    for number in 0..14 {
        let batch = events(number * 2, 1 + number % 2);
        commit(&mut log, &batch).unwrap();
        model.push(&batch);
        if number == 12 || at_end {
            log.stamp_derived().unwrap();
        }
    }
    assert!(disk.image().list("record").len() >= 2);
    let (log, recovery) = open(&disk).unwrap();
    model.check(&log);
    assert!(recovery.checked <= 2, "the stamp is relied on: {recovery:?}");
    (disk.image(), model)
}

/// Answers about a record with damaged derived files: right, or none.
fn check_answers(what: &str, log: &Log, model: &Model) {
    let record = log.record();
    assert_eq!(record.committed().head.root, model.batches().last().unwrap().root, "{what}");
    let mut index = 0;
    for batch in model.batches() {
        if let Ok(root) = record.root(batch.size) {
            assert_eq!(root, batch.root, "{what}: root of {}", batch.size);
        }
        for (entry, event, receipt) in &batch.entries {
            if let Ok(stored) = record.get(index) {
                assert_eq!(
                    (stored.entry_bytes(), stored.body()),
                    (&entry[..], Some(&event[..])),
                    "{what}: entry {index}"
                );
            }
            if let Ok(given) = record.receipt(index) {
                assert_eq!(given, *receipt, "{what}: receipt of {index}");
            }
            index += 1;
        }
    }
}

/// Opens with damaged derived files. Whatever the log goes on to do with them, the record stays right.
fn check_derived(what: &str, image: Image, model: &Model) {
    let disk = SimDisk::of(image);
    let (mut log, recovery) = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    if recovery.checked == model.size() {
        model.check(&log);
    }
    check_answers(what, &log, model);
    let (before, batch) = (disk.image(), events(100, 2));
    commit(&mut log, &batch).unwrap();
    let last = model.batches().last().unwrap().size;
    assert_eq!(log.record().get(last + 1).unwrap().body(), Some(&batch[1].event[..]), "{what}");
    let grown = |image: &Image| {
        image.list("record").iter().map(|name| image.read(&format!("record/{name}")).unwrap().len()).sum::<usize>()
    };
    assert!(grown(&disk.image()) > grown(&before), "{what}");
}

fn check_every_derived_damage(at_end: bool) {
    let (image, model) = stamped(at_end);
    let names: Vec<_> = image.names().into_iter().filter(|name| name.starts_with("derived/")).collect();
    assert_eq!(names, ["derived/batches", "derived/hashes", "derived/offsets", "derived/stamp"]);
    for name in names {
        let length = image.read(&name).unwrap().len();
        let mut missing = image.clone();
        missing.remove(&name);
        check_derived(&format!("{name} missing"), missing, &model);
        check_derived(&format!("{name} zeroed"), edited(&image, &name, |bytes| bytes.fill(0)), &model);
        check_derived(&format!("{name} longer"), edited(&image, &name, |bytes| bytes.extend([0xff; 100])), &model);
        for at in 0..length {
            let damaged = edited(&image, &name, |bytes| bytes[at] ^= 1 << (at % 8));
            check_derived(&format!("{name}: byte {at} flipped"), damaged, &model);
        }
        for at in (0..length).step_by(13) {
            check_derived(&format!("{name} cut at {at}"), edited(&image, &name, |bytes| bytes.truncate(at)), &model);
        }
    }
}

#[test]
fn damaged_derived_files_never_make_a_wrong_answer() {
    check_every_derived_damage(true);
}

#[test]
fn derived_files_damaged_behind_the_stamp_never_make_a_wrong_answer() {
    check_every_derived_damage(false);
}

/// The last offset and the last pair are read to find where the stamp ends. Damaged, they made opening fail or call the
/// record damaged, although nothing but derived files was: now the whole record is walked and they are made again.
#[test]
fn a_stamp_that_does_not_fit_is_walked_again_and_not_called_damage() {
    let (image, model) = stamped(true);
    let last = usize::try_from(model.size()).unwrap() - 1;
    for (name, at) in [("derived/offsets", last * 8 + 7), ("derived/batches", (model.batches().len() - 1) * 16 + 15)] {
        let disk = SimDisk::of(edited(&image, name, |bytes| bytes[at] ^= 1));
        let (log, recovery) = open(&disk).unwrap();
        assert_eq!(recovery.checked, model.size());
        model.check(&log);
    }
}

/// Files of another ledger, or of an older copy, are no better than none.
#[test]
fn derived_files_of_another_history_are_made_again() {
    let (image, _model) = stamped(true);
    let disk = SimDisk::of(new_record());
    let (mut log, _recovery) = open(&disk).unwrap();
    let mut model = Model::default();
    for number in 0..14 {
        let batch = events(500 + number * 3, 2);
        commit(&mut log, &batch).unwrap();
        model.push(&batch);
    }
    let mut mixed = disk.image();
    for name in image.names().iter().filter(|name| name.starts_with("derived/")) {
        mixed.edit(name, |bytes| *bytes = image.read(name).unwrap().to_vec());
    }
    let (log, recovery) = open(&SimDisk::of(mixed)).unwrap();
    model.check(&log);
    assert_eq!(recovery.checked, model.size());
}
