//! The head, and what lies beyond it.

use lineal_verifier::report::{Report, Verdict};
use rayon::prelude::*;

use crate::{
    authority::finds,
    good::verified,
    record::{Ledger, key, small},
};

fn undecided(report: &Report, rule: &str) {
    assert_eq!(report.verdict, Verdict::CouldNotTell, "{:#?}", report.findings);
    assert!(report.findings.iter().any(|finding| finding.rule == rule), "{:#?}", report.findings);
}

/// The small record with one more batch of two, which the head does not know.
fn beyond() -> Ledger {
    let mut ledger = small();
    ledger.snapshot("//producer/a", &key(11), 0);
    ledger.snapshot("//producer/b", &key(12), 0);
    ledger.commit();
    ledger.write_head(ledger.heads() - 1);
    ledger
}

#[test]
fn whole_batches_beyond_the_head_count() {
    let report = beyond().verify();
    verified(&report);
    assert_eq!(report.entries, 9);
    assert!(report.findings.iter().any(|finding| finding.rule == "beyond-head"));
}

#[test]
fn a_tail_cut_anywhere_beyond_the_head_can_not_be_told() {
    let ledger = beyond();
    let committed = small().bytes.segments[1].1.len();
    let full = ledger.bytes.segments[1].1.len();
    for length in committed..full {
        let mut bytes = ledger.bytes.clone();
        bytes.segments[1].1.truncate(length);
        let report = bytes.verify(&ledger.trust());
        if length == committed {
            verified(&report);
        } else {
            undecided(&report, "uncovered-tail");
            assert_eq!(report.entries, 7);
        }
    }
}

#[test]
fn a_tail_with_any_byte_flipped_or_zeroed_beyond_the_head_can_not_be_told() {
    let ledger = beyond();
    let committed = small().bytes.segments[1].1.len();
    let trust = ledger.trust();
    let survives = |at: &usize| {
        [|byte: u8| byte ^ 1, |_: u8| 0].iter().any(|change| {
            let mut bytes = ledger.bytes.clone();
            bytes.segments[1].1[*at] = change(bytes.segments[1].1[*at]);
            let report = bytes.verify(&trust);
            report.verdict != Verdict::CouldNotTell || report.findings[0].rule != "uncovered-tail"
        })
    };
    let places = (committed..ledger.bytes.segments[1].1.len()).into_par_iter();
    assert_eq!(places.filter(survives).collect::<Vec<_>>(), [0_usize; 0]);
}

#[test]
fn a_whole_batch_beyond_the_head_that_should_not_be_is_an_error_all_the_same() {
    let mut ledger = small();
    ledger.snapshot("//producer/a", &key(99), 0);
    ledger.commit();
    ledger.write_head(ledger.heads() - 1);
    finds(&ledger.verify(), "unknown-key", 7);
}

/// The older slot can't have been torn by a crash: the record says nothing beyond the newest. The newest can.
#[test]
fn every_flipped_bit_of_the_head_is_found() {
    let ledger = small();
    let trust = ledger.trust();
    let survives = |at: &usize| {
        let mut bytes = ledger.bytes.clone();
        bytes.head.as_mut().unwrap()[*at] ^= 1 << (at % 8);
        let report = bytes.verify(&trust);
        let (rule, verdict) = match at {
            ..4096 => ("head-damaged", Verdict::NotVerified),
            _ => ("head-torn", Verdict::CouldNotTell),
        };
        (report.verdict, report.findings[0].rule, report.findings[0].index) != (verdict, rule, Some(6))
    };
    let survivors: Vec<_> = (0..8192_usize).into_par_iter().filter(survives).collect();
    assert_eq!(survivors, [0_usize; 0]);
}

#[test]
fn a_torn_slot_beside_a_whole_batch_beyond_the_other_can_not_be_told() {
    let mut ledger = beyond();
    // Batch 6 was being written into the even slot.
    ledger.bytes.head.as_mut().unwrap()[..4096].fill(0xff);
    undecided(&ledger.verify(), "head-torn");
}

#[test]
fn both_slots_bad_or_a_head_of_another_length_is_found() {
    let mut ledger = small();
    ledger.bytes.head = Some(vec![0; 8192]);
    assert_eq!(ledger.verify().findings[0].rule, "head-damaged");
    ledger.bytes.head = Some(Vec::new());
    assert_eq!(ledger.verify().findings[0].rule, "head-damaged");
}

#[test]
fn a_record_that_ends_before_its_head_is_found_wherever_it_is_cut() {
    let ledger = small();
    for length in 0..ledger.bytes.segments[1].1.len() {
        let mut bytes = ledger.bytes.clone();
        bytes.segments[1].1.truncate(length);
        finds(&bytes.verify(&ledger.trust()), "record-shortened", 6);
    }
    let mut bytes = ledger.bytes.clone();
    bytes.segments.pop();
    finds(&bytes.verify(&ledger.trust()), "record-shortened", 6);
}

#[test]
fn a_missing_first_segment_is_found() {
    let ledger = small();
    let mut bytes = ledger.bytes.clone();
    bytes.segments.remove(0);
    finds(&bytes.verify(&ledger.trust()), "segment-missing", 0);
}

#[test]
fn a_segment_of_another_name_is_found() {
    let mut ledger = small();
    ledger.bytes.segments[1].0 = 4;
    finds(&ledger.verify(), "segment-name", 5);
}

#[test]
fn a_new_ledger_and_an_empty_next_segment_are_verified() {
    verified(&Ledger::new().verify());
    let mut ledger = small();
    ledger.roll();
    verified(&ledger.verify());
}

#[test]
fn a_record_without_an_entry_can_not_be_told() {
    let mut ledger = Ledger::new();
    ledger.bytes.segments[0].1.clear();
    ledger.write_head(1);
    undecided(&ledger.verify(), "no-entries");
}
