//! The tamper matrix: whatever is done to a record is found, and named where it was done. Zero survivors.

use lineal_schemas::{
    checkpoint::SignedCheckpoint,
    digest::{EntryHash, EventDigest},
    dsse::Signed,
    entry::Entry,
    line,
};
use lineal_verifier::{
    finding::{Finding, Severity},
    log::{Question, verify},
    report::{Report, Verdict},
};
use proptest::prelude::*;
use rayon::prelude::*;

use crate::{
    authority::finds,
    record::{Bytes, Ledger, Line, defined_root, key, small},
};

/// Three entries in three batches.
fn smallest() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.enrol(&key(11));
    ledger.commit();
    ledger.snapshot("//producer/a", &key(11), 0);
    ledger.commit();
    ledger
}

fn errors(report: &Report) -> impl Iterator<Item = &Finding> {
    report.findings.iter().filter(|finding| finding.severity == Severity::Error)
}

/// Unless it is not verified, and some error names the entry of that line or a link to it: what survived.
fn survivor(report: &Report, line: &Line, what: &str) -> Option<String> {
    let is_named = errors(report).any(|finding| [finding.index, finding.other_end].contains(&Some(line.index)));
    let is_found = report.verdict == Verdict::NotVerified && is_named;
    (!is_found).then(|| format!("{what} of {line:?}: {:?} {:#?}", report.verdict, report.findings))
}

#[track_caller]
fn names(report: &Report, line: &Line, what: &str) {
    assert_eq!(survivor(report, line, what), None);
}

/// Changes every byte of the record with each of the masks, on all cores.
#[track_caller]
fn flip_all(ledger: &Ledger, masks: impl Fn(usize) -> Vec<u8> + Sync) {
    let trust = ledger.trust();
    let places: Vec<_> =
        ledger.lines.iter().flat_map(|line| (line.start..line.end).map(move |at| (line, at))).collect();
    let survivors = places.par_iter().flat_map_iter(|(line, at)| {
        let survives = |mask| {
            let report = flipped(ledger, line, *at, mask).verify(&trust);
            survivor(&report, line, &format!("byte {at} ^ {mask:#x}"))
        };
        masks(*at).into_iter().filter_map(survives).collect::<Vec<_>>()
    });
    let survivors: Vec<_> = survivors.collect();
    assert!(survivors.is_empty(), "{} survivors; {}", survivors.len(), survivors[0]);
}

fn flipped(ledger: &Ledger, line: &Line, at: usize, mask: u8) -> Bytes {
    let mut bytes = ledger.bytes.clone();
    bytes.segments[line.segment].1[at] ^= mask;
    bytes
}

#[test]
fn a_flipped_bit_of_any_byte_is_found_and_named() {
    flip_all(&small(), |at| vec![1 << (at % 8)]);
}

#[test]
fn every_bit_of_the_smallest_record_is_found_with_its_head_and_without() {
    let mut ledger = smallest();
    flip_all(&ledger, |_| (0..8).map(|bit| 1 << bit).collect());
    ledger.bytes.head = None;
    flip_all(&ledger, |_| (0..8).map(|bit| 1 << bit).collect());
}

/// The record made of these lines; `lines` may repeat, leave out or reorder.
fn of_lines(ledger: &Ledger, segment: usize, lines: &[&[u8]]) -> Bytes {
    let mut bytes = ledger.bytes.clone();
    bytes.segments[segment].1 = lines.concat();
    bytes
}

fn lines_of(ledger: &Ledger, segment: usize) -> (Vec<Line>, Vec<&[u8]>) {
    let lines: Vec<_> = ledger.lines.iter().filter(|line| line.segment == segment).copied().collect();
    let texts = lines.iter().map(|line| &ledger.bytes.segments[segment].1[line.start..line.end]).collect();
    (lines, texts)
}

/// Not verified; unless nothing committed has changed, for then it is a tail beyond the head.
#[track_caller]
fn is_found(bytes: &Bytes, ledger: &Ledger, what: &str) {
    let report = bytes.verify(&ledger.trust());
    let (last, honest) = (&bytes.segments[1].1, &ledger.bytes.segments[1].1);
    let is_tail = bytes.segments[0] == ledger.bytes.segments[0] && last.starts_with(honest) && last != honest;
    let expected = if is_tail { Verdict::CouldNotTell } else { Verdict::NotVerified };
    assert_eq!(report.verdict, expected, "{what} survives");
}

#[test]
fn a_deleted_duplicated_or_swapped_line_is_found() {
    let ledger = small();
    for segment in 0..2 {
        let (places, texts) = lines_of(&ledger, segment);
        for (at, place) in places.iter().enumerate() {
            let mut deleted = texts.clone();
            deleted.remove(at);
            is_found(&of_lines(&ledger, segment, &deleted), &ledger, &format!("deleted {place:?}"));
            let mut doubled = texts.clone();
            doubled.insert(at, texts[at]);
            is_found(&of_lines(&ledger, segment, &doubled), &ledger, &format!("doubled {place:?}"));
            for other in at + 1..places.len() {
                let mut swapped = texts.clone();
                swapped.swap(at, other);
                is_found(&of_lines(&ledger, segment, &swapped), &ledger, &format!("swapped {place:?} with {other}"));
            }
        }
    }
}

#[test]
fn a_deleted_entry_is_named_without_a_head_too() {
    let mut ledger = small();
    ledger.bytes.head = None;
    for segment in 0..2 {
        let (places, texts) = lines_of(&ledger, segment);
        for (at, place) in places.iter().enumerate().filter(|(_, place)| !place.is_checkpoint) {
            let mut deleted = texts.clone();
            deleted.remove(at);
            names(&of_lines(&ledger, segment, &deleted).verify(&ledger.trust()), place, "deleted");
        }
    }
}

#[test]
fn a_line_from_elsewhere_is_found_wherever_it_is_put() {
    let (ledger, mut other) = (small(), small());
    other.snapshot("//producer/b", &key(12), 3);
    other.commit();
    let (_, foreign) = lines_of(&other, 1);
    for segment in 0..2 {
        let (places, texts) = lines_of(&ledger, segment);
        for at in 0..=places.len() {
            for line in foreign.iter().chain([&&b"\n"[..], &&b"{}\t{}\n"[..]]) {
                let mut inserted = texts.clone();
                inserted.insert(at, line);
                is_found(&of_lines(&ledger, segment, &inserted), &ledger, &format!("inserted at {at}"));
            }
        }
    }
}

#[test]
fn a_cut_at_any_byte_is_found() {
    let ledger = small();
    let trust = ledger.trust();
    for segment in 0..2 {
        let survives = |cut: &usize| {
            let mut bytes = ledger.bytes.clone();
            bytes.segments[segment].1.truncate(*cut);
            bytes.verify(&trust).verdict != Verdict::NotVerified
        };
        let cuts = (0..ledger.bytes.segments[segment].1.len()).into_par_iter();
        assert_eq!(cuts.filter(survives).collect::<Vec<_>>(), [0_usize; 0], "segment {segment}");
    }
}

/// Without a head a record cut at the end of a batch is a shorter history, and only a checkpoint from elsewhere shows it.
#[test]
fn a_cut_export_is_found_unless_at_the_end_of_a_batch_and_there_by_a_checkpoint() {
    let mut ledger = smallest();
    let last = SignedCheckpoint::parse(&ledger.checkpoint(&[&key(2)])).unwrap();
    ledger.bytes.head = None;
    let ends: Vec<_> = ledger.lines.iter().filter(|line| line.is_checkpoint).map(|line| line.end).collect();
    let question = Question { checkpoints: vec![last], ..Question::default() };
    for cut in 1..ledger.bytes.segments[0].1.len() {
        let mut bytes = ledger.bytes.clone();
        bytes.segments[0].1.truncate(cut);
        let alone = bytes.verify(&ledger.trust()).verdict;
        assert_eq!(alone, if ends.contains(&cut) { Verdict::Verified } else { Verdict::NotVerified }, "{cut}");
        let asked = verify(&bytes.record(), &ledger.trust(), &question, &|_| {}).unwrap().report;
        assert_eq!(asked.verdict, Verdict::NotVerified, "{cut}");
    }
}

#[test]
fn an_old_checkpoint_in_place_of_a_later_one_is_found() {
    let ledger = small();
    for segment in 0..2 {
        let (places, texts) = lines_of(&ledger, segment);
        for (at, place) in places.iter().enumerate().filter(|(_, place)| place.is_checkpoint) {
            for old in ledger.lines.iter().filter(|old| old.is_checkpoint && old.index < place.index) {
                let mut replayed = texts.clone();
                replayed[at] = &ledger.bytes.segments[old.segment].1[old.start..old.end];
                names(&of_lines(&ledger, segment, &replayed).verify(&ledger.trust()), place, "replayed");
            }
        }
    }
}

/// Another history from entry 3 on, by the ledger's own key, and the head of the first.
#[test]
fn a_fork_is_found_by_the_head_and_by_a_checkpoint_from_elsewhere() {
    let ledger = small();
    let mut fork = Ledger::new();
    fork.enrol(&key(11));
    fork.enrol(&key(12));
    fork.commit();
    fork.snapshot("//producer/a", &key(11), 7);
    fork.snapshot("//producer/b", &key(12), 0);
    fork.commit();
    assert_eq!(fork.genesis, ledger.genesis);
    let given = SignedCheckpoint::parse(&fork.checkpoint(&[&key(2)])).unwrap();
    let question = Question { checkpoints: vec![given], ..Question::default() };
    let report = verify(&ledger.bytes.record(), &ledger.trust(), &question, &|_| {}).unwrap().report;
    finds(&report, "given-checkpoint", 4);
    let mut forked = Bytes { segments: fork.bytes.segments, head: ledger.bytes.head.clone() };
    forked.segments.push((5, Vec::new()));
    is_found(&forked, &ledger, "a fork under another head");
}

/// Changes an event and makes everything right again, up to but not including its signature.
#[test]
fn an_event_that_is_changed_with_all_hashes_fixed_is_found_by_its_signature() {
    for index in 1..7 {
        let honest = small();
        let ledger = rewritten(&honest, index, |event, _| {
            let text = String::from_utf8(event.to_vec()).unwrap();
            text.replace("2026-11-23T21:50:12Z", "2026-11-23T21:50:13Z").into_bytes()
        });
        finds(&ledger.verify(), "signature-wrong", index);
    }
}

/// Signs a changed event again with a key that is enrolled, but not for the roots' or the ledger's source.
#[test]
fn an_event_that_another_key_signs_again_is_found() {
    for index in 1..=3 {
        let by = if index == 3 { key(1) } else { key(12) };
        let ledger = rewritten(&small(), index, |event, signatures| {
            *signatures = Signed::sign(event.to_vec(), &[&by]).signatures;
            event.to_vec()
        });
        finds(&ledger.verify(), "authority", index);
    }
}

/// The record with one event changed, and chain, tree, checkpoints and head made to fit.
fn rewritten(
    honest: &Ledger,
    changed: u64,
    change: impl Fn(&[u8], &mut Vec<lineal_schemas::dsse::Signature>) -> Vec<u8>,
) -> Ledger {
    let mut ledger = Ledger::new();
    for line in honest.lines.iter().skip(2) {
        if line.segment > 0 && ledger.bytes.segments.len() == 1 {
            ledger.roll();
        }
        let text = &honest.bytes.segments[line.segment].1[line.start..line.end - 1];
        if line.is_checkpoint {
            ledger.commit();
            continue;
        }
        let (entry, body) = line::split(text).unwrap();
        let Entry { received, mut signatures, .. } = Entry::parse(entry).unwrap();
        let body = if line.index == changed { change(body, &mut signatures) } else { body.to_vec() };
        ledger.received = received;
        let entry = ledger.entry_of(EventDigest::of(&body), &signatures);
        ledger.append_entry(&entry, &body);
    }
    assert_eq!(ledger.next, honest.next);
    ledger
}

#[test]
fn a_rewritten_chain_is_found_by_the_roots_that_were_signed() {
    let honest = small();
    let mut ledger = Ledger::new();
    let (places, texts) = lines_of(&honest, 0);
    // All entries of the first segment again with another time, linked anew; the checkpoints as they were.
    let mut lines = vec![texts[0].to_vec(), texts[1].to_vec()];
    for (place, text) in places.iter().zip(texts).skip(2) {
        if place.is_checkpoint {
            lines.push(text.to_vec());
            continue;
        }
        let (entry, body) = line::split(&text[..text.len() - 1]).unwrap();
        let mut entry = Entry::parse(entry).unwrap();
        (entry.previous, entry.received) =
            (ledger.previous, lineal_schemas::timestamp::Timestamp::from_millis(1_795_470_699_000));
        ledger.append_entry(&entry, body);
        let mut line = Vec::new();
        line::write_entry(&mut line, &entry.to_bytes(), body);
        lines.push(line);
    }
    let mut bytes = honest.bytes.clone();
    bytes.segments[0].1 = lines.concat();
    assert_ne!(defined_root(&ledger.leaves), defined_root(&honest.leaves[..5]));
    finds(&bytes.verify(&honest.trust()), "checkpoint-root", 2);
    assert_ne!(ledger.previous, EntryHash::before_genesis("x"));
}

#[test]
fn noise_of_any_kind_neither_panics_nor_hangs_nor_passes() {
    let ledger = smallest();
    let noise: [&[u8]; 8] = [
        b"",
        b"\n",
        b"\n\n\n",
        b"\"\"\n",
        b"{",
        b"{\"index\":",
        b"\xff\xfe\n\x00",
        b"{\"index\":18446744073709551615,\n",
    ];
    for bytes in noise {
        let record = Bytes { segments: vec![(0, bytes.to_vec())], head: ledger.bytes.head.clone() };
        assert_eq!(record.verify(&ledger.trust()).verdict, Verdict::NotVerified, "{bytes:?}");
        let record = Bytes { segments: vec![(u64::MAX, bytes.to_vec())], head: None };
        assert_ne!(record.verify(&ledger.trust()).verdict, Verdict::Verified, "{bytes:?}");
    }
}

#[test]
fn a_million_findings_are_counted_and_a_thousand_kept() {
    let ledger = smallest();
    let mut bytes = ledger.bytes.clone();
    bytes.segments[0].1.extend(b"x\n".repeat(100_000));
    bytes.head = None;
    let report = bytes.verify(&ledger.trust());
    assert_eq!(errors(&report).count(), 1000);
    let lines = report.counts.iter().find(|(rule, _)| rule.name() == "unreadable-line").unwrap().1;
    assert_eq!(*lines, 100_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any stretch of either segment replaced by anything, or by another stretch of the record.
    #[test]
    fn any_other_bytes_are_not_verified(
        segment in 0..2_usize,
        at in any::<prop::sample::Index>(),
        length in 0..3000_usize,
        other in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Ok),
            (any::<prop::sample::Index>(), 0..3000_usize).prop_map(Err),
        ],
    ) {
        let ledger = small();
        let honest = &ledger.bytes.segments[segment].1;
        let start = at.index(honest.len());
        let end = (start + length).min(honest.len());
        let other = match other {
            Ok(bytes) => bytes,
            Err((from, length)) => honest.iter().skip(from.index(honest.len())).take(length).copied().collect(),
        };
        let mut bytes = ledger.bytes.clone();
        bytes.segments[segment].1.splice(start..end, other);
        let verdict = bytes.verify(&ledger.trust()).verdict;
        prop_assert_eq!(verdict == Verdict::Verified, bytes == ledger.bytes);
    }
}
