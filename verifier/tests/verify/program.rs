//! The program itself: verdict on the last line, exit codes, JSON.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use lineal_schemas::{line, merkle::leaf_hash, receipt::Receipt};

use crate::record::{Ledger, key, small};

fn run(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lineal-verify")).current_dir(dir).args(arguments).output().unwrap()
}

fn last_line(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap().lines().last().unwrap_or_default().to_owned()
}

/// The ledger's files: `D/record`, `D/head`, `trust`.
fn written(ledger: &Ledger) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("D/record")).unwrap();
    for (first, bytes) in &ledger.bytes.segments {
        fs::write(dir.path().join(format!("D/record/{first:020}.log")), bytes).unwrap();
    }
    fs::write(dir.path().join("D/head"), ledger.bytes.head.as_ref().unwrap()).unwrap();
    fs::write(dir.path().join("trust"), ledger.trust().to_string()).unwrap();
    dir
}

#[track_caller]
fn answers(output: &Output, code: i32, verdict: &str) {
    let text = last_line(output);
    assert!(text.starts_with(verdict), "{output:?}");
    assert_eq!(output.status.code(), Some(code), "{output:?}");
}

#[test]
fn a_good_record_is_verified_and_a_flipped_byte_is_not() {
    let mut ledger = small();
    let dir = written(&ledger);
    let good = run(dir.path(), &["log", "D", "--trust", "trust"]);
    answers(&good, 0, "VERIFIED  7 entries, 4 sources, root ");
    answers(&run(dir.path(), &["log", "D/record", "--trust", "trust", "--quiet"]), 0, "VERIFIED");
    let at = ledger.lines[4].start + 400;
    ledger.bytes.segments[0].1[at] ^= 1;
    fs::write(dir.path().join("D/record/00000000000000000000.log"), &ledger.bytes.segments[0].1).unwrap();
    let bad = run(dir.path(), &["log", "D", "--trust", "trust"]);
    answers(&bad, 1, "NOT VERIFIED  ");
    let json = run(dir.path(), &["log", "D", "--trust", "trust", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["verdict"], "not-verified");
    assert_eq!(report["findings"][0]["severity"], "error");
}

#[test]
fn a_tail_beyond_the_head_exits_with_2() {
    let mut ledger = small();
    ledger.snapshot("//producer/a", &key(11), 0);
    let dir = written(&ledger);
    answers(&run(dir.path(), &["log", "D", "--trust", "trust"]), 2, "COULD NOT TELL  uncovered-tail");
}

#[test]
fn what_can_not_be_read_is_an_error_with_a_hint() {
    let dir = written(&small());
    for arguments in [&["log", "none", "--trust", "trust"][..], &["log", "D", "--trust", "D/head"], &["log", "D"]] {
        let output = run(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "), "{output:?}");
    }
}

#[test]
fn receipts_events_and_checkpoints_are_checked_one_by_one() {
    let mut ledger = small();
    let event = ledger.snapshot("//producer/a", &key(11), 0);
    ledger.commit();
    let dir = written(&ledger);
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("event.dsse", event.to_envelope().as_bytes());
    write("event.json", &event.event);
    write("event.json.sig", event.signatures[0].to_string().as_bytes());
    write("key.pem", key(11).public().to_pem().as_bytes());
    write("checkpoint", ledger.checkpoint(&[&key(2)]).as_bytes());
    write("receipt", receipt_of_last(&ledger).as_bytes());

    answers(&run(dir.path(), &["receipt", "receipt", "--trust", "trust", "--event", "event.dsse"]), 0, "VERIFIED");
    write("receipt-2", receipt_of_last(&ledger).replacen("index 7", "index 6", 1).as_bytes());
    answers(&run(dir.path(), &["receipt", "receipt-2", "--trust", "trust"]), 1, "NOT VERIFIED  receipt-index-mismatch");
    answers(
        &run(dir.path(), &["receipt", "receipt", "--trust", "trust", "--event", "trust"]),
        1,
        "NOT VERIFIED  receipt-other-event",
    );

    answers(&run(dir.path(), &["event", "event.dsse", "--key", "key.pem"]), 0, "VERIFIED");
    answers(&run(dir.path(), &["event", "event.json", "--key", "key.pem"]), 0, "VERIFIED");
    answers(&run(dir.path(), &["event", "event.json"]), 2, "COULD NOT TELL");
    answers(&run(dir.path(), &["event", "event.json", "--trust", "trust", "--record", "D"]), 0, "VERIFIED");

    answers(&run(dir.path(), &["checkpoint", "checkpoint", "--trust", "trust", "--record", "D"]), 0, "VERIFIED");
    answers(&run(dir.path(), &["log", "D", "--trust", "trust", "--checkpoint", "checkpoint"]), 0, "VERIFIED");
}

/// Entry 7 of 8: its path in the tree is three hashes to the left.
fn receipt_of_last(ledger: &Ledger) -> String {
    let root = |range: std::ops::Range<usize>| *crate::record::defined_root(&ledger.leaves[range]).as_bytes();
    let place = ledger.lines.iter().rev().find(|line| !line.is_checkpoint).unwrap();
    let text = &ledger.bytes.segments[place.segment].1[place.start..place.end];
    let (entry, _) = line::split(text).unwrap();
    assert_eq!(leaf_hash(entry), ledger.leaves[7]);
    Receipt::build(entry, 7, &[root(6..7), root(4..6), root(0..4)], &ledger.checkpoint(&[&key(2)]))
}

#[test]
fn completions_and_a_manual_page_are_printed() {
    let dir = tempfile::tempdir().unwrap();
    assert!(String::from_utf8_lossy(&run(dir.path(), &["completions", "bash"]).stdout).contains("lineal-verify"));
    assert!(String::from_utf8_lossy(&run(dir.path(), &["man"]).stdout).contains(".TH"));
}

/// The auditors' page promises that its commands work as they stand.
#[test]
fn the_commands_by_hand_say_what_the_page_says() {
    // As on a ledger just set up: the genesis, one enrolment, then what its key signs from entry 2 on.
    let mut ledger = Ledger::new();
    ledger.enrol(&key(11));
    ledger.snapshot("//producer/a", &key(11), 0);
    ledger.snapshot("//producer/a", &key(11), 0);
    ledger.commit();
    let dir = written(&ledger);
    fs::rename(dir.path().join("D"), dir.path().join("copy")).unwrap();
    fs::rename(dir.path().join("trust"), dir.path().join("ledger.trust")).unwrap();
    let page = include_str!("../../../docs/AUDIT.md");
    let (_, page) = page.split_once("\n## By hand\n").unwrap();
    let (page, _) = page.split_once("\n## ").unwrap();
    let blocks: Vec<_> = page.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect();
    let script = format!("set -e\n{}", blocks.concat());
    let output = Command::new("bash").current_dir(dir.path()).args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // Digest twice, verified, key id twice, link twice, verified, leaf.
    assert_eq!(lines.len(), 9, "{text}");
    assert_eq!((lines[0], lines[3], lines[5]), (lines[1], lines[4], lines[6]));
    assert_eq!([lines[2], lines[7]], ["Signature Verified Successfully"; 2]);
    assert_eq!(lines[8].split(' ').next(), Some(ledger.leaves[2].to_string().as_str()));
}
