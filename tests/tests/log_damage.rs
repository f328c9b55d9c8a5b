//! R9 for the ledger itself: a small record is damaged in every way that a line or a byte can be, and opening it for
//! writing refuses, names the damaged entry, and repairs nothing; a head slot is covered by the other one.
#![cfg(test)]

use lineal_ledger::log::recover::{OpenError, Recovery};
use lineal_schemas::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    key::SecretKey,
};
use lineal_tests::{
    model::Model,
    simdisk::{Image, SimDisk},
    workload::{commit, events, new_record, open},
};

/// A line of the record, and the indices that may be named when it is damaged.
#[derive(Debug, Clone)]
struct LineAt {
    segment: String,
    from: usize,
    to: usize,
    named: Vec<u64>,
}

struct Small {
    image: Image,
    model: Model,
    lines: Vec<LineAt>,
}

const HEAD: &str = "head";

/// Five entries in three batches, in one segment or in one each. No derived files, so that all of it is walked.
fn small(roll_at: u64) -> Small {
    let disk = SimDisk::of(new_record());
    let (mut log, _recovery) = open(&disk).unwrap();
    log.roll_at(roll_at);
    let mut model = Model::default();
    for batch in [events(0, 1), events(1, 2), events(3, 2)] {
        commit(&mut log, &batch).unwrap();
        model.push(&batch);
    }
    model.check(&log);
    let mut image = disk.image();
    image.names().iter().filter(|name| name.starts_with("derived/")).for_each(|name| image.remove(name));
    let lines = lines(&image);
    assert_eq!(lines.len(), 8);
    Small { image, model, lines }
}

impl Small {
    fn segments(&self) -> usize {
        self.image.list("record").len()
    }
}

fn one_segment() -> Small {
    small(u64::MAX)
}

fn three_segments() -> Small {
    let small = small(1);
    assert_eq!(small.image.list("record").len(), 3);
    small
}

/// The chain shows damage in entry i at entry i or at the link behind it, so both ends are right; a checkpoint is named
/// by its size.
fn lines(image: &Image) -> Vec<LineAt> {
    let (mut lines, mut index) = (Vec::new(), 0);
    for name in image.list("record") {
        let (segment, mut from) = (format!("record/{name}"), 0);
        for line in image.read(&segment).unwrap().split_inclusive(|byte| *byte == b'\n') {
            let is_entry = line.starts_with(b"{");
            let named = if is_entry { vec![index, index + 1] } else { vec![index] };
            lines.push(LineAt { segment: segment.clone(), from, to: from + line.len(), named });
            (from, index) = (from + line.len(), index + u64::from(is_entry));
        }
    }
    lines
}

/// Opens a damaged record, which must refuse, name one of these entries, and leave segments and head as they are.
fn check_refused(what: &str, image: Image, named: &[u64]) {
    let disk = SimDisk::of(image.clone());
    let error = open(&disk).map(|(log, recovery)| (log.size(), recovery));
    let error = error.expect_err(&format!("{what}: opened"));
    assert!(error.index().is_some_and(|index| named.contains(&index)), "{what}: not one of {named:?}: {error}");
    check_untouched(what, &image, &disk.image());
}

fn check_untouched(what: &str, before: &Image, after: &Image) {
    let kept = |image: &Image| {
        let names = image.names().into_iter().filter(|name| !name.starts_with("derived/"));
        names.map(|name| (image.read(&name).unwrap().to_vec(), name)).collect::<Vec<_>>()
    };
    assert!(kept(before) == kept(after), "{what}: something was repaired");
}

fn edited(image: &Image, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Image {
    let mut image = image.clone();
    image.edit(name, change);
    image
}

/// Flips bits of every byte of every line.
fn check_flips(small: &Small, masks: &[u8]) {
    for line in &small.lines {
        for at in line.from..line.to {
            for mask in masks {
                let image = edited(&small.image, &line.segment, |bytes| bytes[at] ^= mask);
                check_refused(&format!("{}: byte {at} ^ {mask:#04x}", line.segment), image, &line.named);
            }
        }
    }
}

#[test]
fn a_flipped_high_bit_anywhere_in_a_segment_is_refused_by_its_index() {
    check_flips(&one_segment(), &[0x80, 0x40, 0x20, 0x10]);
}

#[test]
fn a_flipped_low_bit_anywhere_in_a_segment_is_refused_by_its_index() {
    check_flips(&one_segment(), &[0x08, 0x04, 0x02, 0x01]);
}

#[test]
fn a_flipped_bit_anywhere_in_rolled_segments_is_refused_by_its_index() {
    check_flips(&three_segments(), &[0x01, 0x20]);
}

/// One byte more or less, at every place. At the start of a line the line before may be the one that is named.
fn check_shifts(small: &Small) {
    for line in &small.lines {
        for at in line.from..line.to {
            let what = |how: &str| format!("{}: byte {at} {how}", line.segment);
            let mut removed = small.image.clone();
            removed.edit(&line.segment, |bytes| _ = bytes.remove(at));
            check_refused(&what("removed"), removed, &line.named);
            // A newline before the last one only stands behind it, beyond the head.
            let is_last = small.image.read(&line.segment).unwrap().len() == at + 1;
            for byte in *if is_last { b"x\t" } else { b"x\n" } {
                let mut inserted = small.image.clone();
                inserted.edit(&line.segment, |bytes| bytes.insert(at, byte));
                check_refused(&what("has one before it"), inserted, &line.named);
            }
        }
    }
}

#[test]
fn a_byte_more_or_less_anywhere_is_refused_by_its_index() {
    check_shifts(&one_segment());
}

#[test]
fn a_byte_more_or_less_anywhere_in_rolled_segments_is_refused_by_its_index() {
    check_shifts(&three_segments());
}

/// Whole lines deleted, repeated, and swapped with the next.
fn check_lines(small: &Small) {
    for (number, line) in small.lines.iter().enumerate() {
        let what = |how: &str| format!("line {number} {how}");
        let cut = |bytes: &Vec<u8>| bytes[line.from..line.to].to_vec();
        let deleted = edited(&small.image, &line.segment, |bytes| drop(bytes.drain(line.from..line.to)));
        // Without its checkpoint, a batch reads as one with the next: only the head's count of batches shows it.
        let is_inner_checkpoint = line.named.len() == 1 && small.segments() == 1;
        check_refused(&what("deleted"), deleted, if is_inner_checkpoint { &[5] } else { &line.named });
        let next = small.lines.get(number + 1);
        let after = next.map_or_else(|| line.named.clone(), |next| [&line.named[..], &next.named].concat());
        if next.is_some_and(|next| next.segment == line.segment) {
            let repeated = edited(&small.image, &line.segment, |bytes| {
                let copy = cut(bytes);
                drop(bytes.splice(line.to..line.to, copy));
            });
            check_refused(&what("repeated"), repeated, &after);
            let swapped = edited(&small.image, &line.segment, |bytes| {
                let copy = cut(bytes);
                drop(bytes.splice(next.unwrap().to..next.unwrap().to, copy));
                drop(bytes.drain(line.from..line.to));
            });
            check_refused(&what("swapped"), swapped, &after);
        }
    }
}

#[test]
fn a_line_deleted_repeated_or_swapped_is_refused_by_its_index() {
    check_lines(&one_segment());
    check_lines(&three_segments());
}

/// Cut at every byte. At the end of a line it is the next one that is missing.
fn check_cuts(small: &Small) {
    for line in &small.lines {
        for at in line.from..line.to {
            let image = edited(&small.image, &line.segment, |bytes| bytes.truncate(at));
            check_refused(&format!("{} cut at {at}", line.segment), image, &line.named);
        }
    }
}

#[test]
fn a_segment_cut_anywhere_is_refused_by_its_index() {
    check_cuts(&one_segment());
    check_cuts(&three_segments());
}

#[test]
fn a_segment_that_is_missing_or_misnamed_is_refused_by_its_index() {
    let small = three_segments();
    for (number, first) in [(0, 0), (1, 1), (2, 3)] {
        let name = format!("record/{first:020}.log");
        let mut missing = small.image.clone();
        missing.remove(&name);
        check_refused(&format!("segment {number} missing"), missing, &[first]);
        let mut misnamed = small.image.clone();
        misnamed.rename(&name, &format!("record/{:020}.log", first + 1));
        if number != 2 {
            check_refused(&format!("segment {number} misnamed"), misnamed, &[first]);
        }
    }
}

#[test]
fn what_stands_between_two_segments_is_refused_and_what_follows_the_last_is_set_aside() {
    let small = three_segments();
    let mut between = small.image.clone();
    between.edit("record/00000000000000000002.log", |bytes| bytes.extend(b"stray"));
    check_refused("a stray segment in the middle", between, &[2, 3]);
    let mut behind = small.image.clone();
    behind.edit("record/00000000000000000004.log", |bytes| bytes.extend(b"stray"));
    let (log, recovery) = open(&SimDisk::of(behind)).unwrap();
    small.model.check(&log);
    assert_eq!(recovery.torn, [("torn/00000000000000000004.log".to_owned(), 5)]);
}

/// In a segment that is not the last, no length of the head's tells: every chain and root is as it was, but receipts
/// would come from another checkpoint. The record opened; the head's count of batches shows it.
#[test]
fn a_checkpoint_that_is_gone_from_an_older_segment_is_refused() {
    let disk = SimDisk::of(new_record());
    let (mut log, _recovery) = open(&disk).unwrap();
    for number in 0..12 {
        commit(&mut log, &events(number * 2, 2)).unwrap();
    }
    let mut image = disk.image();
    assert!(image.list("record").len() >= 2);
    image.names().iter().filter(|name| name.starts_with("derived/")).for_each(|name| image.remove(name));
    let checkpoints =
        lines(&image).into_iter().filter(|line| line.segment.contains("000000.log") && line.named.len() == 1);
    let checkpoints: Vec<_> = checkpoints.collect();
    let (last, inner) = checkpoints.split_last().unwrap();
    for line in inner {
        let gone = edited(&image, &line.segment, |bytes| drop(bytes.drain(line.from..line.to)));
        check_refused("an inner checkpoint", gone, &[24]);
    }
    let gone = edited(&image, &last.segment, |bytes| drop(bytes.drain(last.from..last.to)));
    check_refused("a segment's last checkpoint", gone, &last.named);
}

/// Opens with one damaged head slot: the other one and the record bring everything committed back.
fn check_covered(small: &Small, at: usize, mask: u8) {
    let disk = SimDisk::of(edited(&small.image, HEAD, |bytes| bytes[at] ^= mask));
    let (log, recovery) = open(&disk).unwrap_or_else(|error| panic!("head byte {at} ^ {mask:#04x}: {error}"));
    small.model.check(&log);
    assert!(recovery.torn.is_empty(), "head byte {at}");
    // Batch 3, of two entries, stands in the odd slot.
    assert_eq!(recovery.kept, if at < 4096 { 0 } else { 2 }, "head byte {at}");
    let (log, again) = open(&disk).unwrap();
    assert_eq!(again, Recovery { checked: log.size(), ..Recovery::default() }, "the second opening keeps nothing new");
}

/// Every bit of the bytes that say something, and of the zeros between them one bit in a hundred. (That a slot with any
/// flipped bit is not believed is tested where slots are read.)
fn bits_of_the_head(image: &Image) -> Vec<(usize, u8)> {
    let bytes = image.read(HEAD).unwrap();
    let bits = (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)));
    bits.enumerate()
        .filter(|(number, (at, _mask))| bytes[*at] != 0 || number % 101 == 0)
        .map(|(_number, bit)| bit)
        .collect()
}

#[test]
fn a_flipped_bit_in_one_head_slot_costs_nothing() {
    let (one, three) = (one_segment(), three_segments());
    for (number, (at, mask)) in bits_of_the_head(&one.image).into_iter().enumerate() {
        // Both layouts, each at every other bit: the slot is checked whole before anything depends on the layout.
        check_covered(if number % 2 == 0 { &one } else { &three }, at, mask);
    }
}

#[test]
fn a_head_without_a_whole_slot_or_of_another_length_is_refused() {
    let small = one_segment();
    let refused = |what: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let image = edited(&small.image, HEAD, change);
        let disk = SimDisk::of(image.clone());
        let error = open(&disk).map(|(log, _recovery)| log.size()).unwrap_err();
        assert!(matches!(error, OpenError::Head(_)), "{what}: {error}");
        check_untouched(what, &image, &disk.image());
    };
    refused("both slots flipped", &|bytes| [100, 5000].iter().for_each(|at| bytes[*at] ^= 1));
    refused("zeros", &|bytes| bytes.fill(0));
    refused("swapped slots", &|bytes| bytes.rotate_left(4096));
    for length in [0, 1, 4095, 4096, 8191] {
        refused("too short", &|bytes| bytes.truncate(length));
    }
    refused("too long", &|bytes| bytes.push(0));
    let mut missing = small.image.clone();
    missing.remove(HEAD);
    assert!(matches!(open(&SimDisk::of(missing)).unwrap_err(), OpenError::NoRecord));
}

/// Damaged twice, the last batch and the slot that covers it cannot be told from a crash: even then nothing is deleted.
#[test]
fn a_damaged_last_batch_under_a_damaged_slot_is_set_aside_whole() {
    let small = one_segment();
    let line = small.lines[5].clone();
    let mut image = edited(&small.image, HEAD, |bytes| bytes[5000] ^= 1);
    image.edit(&line.segment, |bytes| bytes[line.from + 30] ^= 1);
    let disk = SimDisk::of(image.clone());
    let (log, recovery) = open(&disk).unwrap();
    small.model.prefix(2).check(&log);
    let damaged = &image.read(&line.segment).unwrap()[line.from..];
    let [(name, length)] = &recovery.torn[..] else { panic!("{recovery:?}") };
    assert_eq!((disk.image().read(name).unwrap(), *length), (damaged, damaged.len() as u64));
}

/// Batches that fit in everything but the signature: refused where the head covers them, set aside beyond it.
#[test]
fn a_batch_signed_by_somebody_else_is_refused_or_set_aside() {
    let other = SecretKey::from_seed([8; 32]).unwrap();
    let sign = |checkpoint: &Checkpoint| SignedCheckpoint::sign(checkpoint, &other);
    let disk = SimDisk::of(new_record());
    let (mut log, _recovery) = open(&disk).unwrap();
    commit(&mut log, &events(0, 2)).unwrap();
    let before = disk.image();
    log.commit(&events(2, 2), &sign).unwrap();
    let (covered, mut beyond) = (disk.image(), disk.image());
    check_refused("signed by another key", covered, &[4]);
    beyond.edit(HEAD, |bytes| *bytes = before.read(HEAD).unwrap().to_vec());
    let (log, recovery) = open(&SimDisk::of(beyond)).unwrap();
    assert_eq!((log.size(), recovery.kept, recovery.torn.len()), (2, 0, 1));
}

/// Longer than any line and than the reader's buffer: set aside like any other tail.
#[test]
fn a_long_tail_of_zeros_is_set_aside() {
    let small = one_segment();
    let disk =
        SimDisk::of(edited(&small.image, &small.lines[0].segment, |bytes| bytes.resize(bytes.len() + 3_000_000, 0)));
    let (log, recovery) = open(&disk).unwrap();
    small.model.check(&log);
    small.model.check_disk(&disk.image());
    assert_eq!(recovery.torn.iter().map(|(_name, length)| *length).collect::<Vec<_>>(), [3_000_000]);
}
