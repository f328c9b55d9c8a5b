//! Records that are whole, chained and signed, and say what they must not: the ledger itself did wrong.

use lineal_schemas::{dsse::Signed, timestamp::Timestamp};
use lineal_verifier::report::{Report, Verdict};
use serde_json::json;

use crate::{
    good::rotate,
    record::{Ledger, START_MS, Says, key, own_source, snapshot},
};

#[track_caller]
pub(crate) fn finds(report: &Report, rule: &str, index: u64) {
    assert_eq!(report.verdict, Verdict::NotVerified, "{report:#?}");
    let found = report.findings.iter().any(|finding| finding.rule == rule && finding.index == Some(index));
    assert!(found, "{rule} at {index}: {:#?}", report.findings);
}

/// A ledger with key 11 enrolled at entry 1, and nothing more.
fn enrolled() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.enrol(&key(11));
    ledger.commit();
    ledger
}

#[test]
fn a_key_that_nobody_enrolled_is_found() {
    let mut ledger = enrolled();
    ledger.snapshot("//producer/a", &key(12), 0);
    ledger.commit();
    finds(&ledger.verify(), "unknown-key", 2);
}

/// Its key event stands in the record, so its signature can be checked; but it came too late.
#[test]
fn a_key_that_is_enrolled_only_later_is_found() {
    let mut ledger = enrolled();
    ledger.snapshot("//producer/a", &key(12), 0);
    ledger.enrol(&key(12));
    ledger.commit();
    finds(&ledger.verify(), "authority", 2);
}

#[test]
fn another_source_type_or_name_is_found() {
    let mut ledger = enrolled();
    ledger.snapshot("//elsewhere/a", &key(11), 0);
    let mut says = snapshot("//producer/a", 0);
    says.subject = "dataset-of/others".to_owned();
    ledger.say(&says, &[&key(11)]);
    let heartbeat = Says { name: "producer.heartbeat", data: json!({}), ..snapshot("//producer/a", 0) };
    ledger.say(&heartbeat, &[&key(11)]);
    ledger.commit();
    let report = ledger.verify();
    finds(&report, "authority", 2);
    finds(&report, "event-invalid", 3);
    finds(&report, "authority", 4);
}

#[test]
fn an_event_for_another_ledger_is_found() {
    let mut ledger = enrolled();
    let mut event = ledger.event(&snapshot("//producer/a", 0));
    event["ledger"] = "5a".repeat(32).into();
    let signed = ledger.sign(&event, &[&key(11)]);
    ledger.append(&signed);
    ledger.commit();
    finds(&ledger.verify(), "authority", 2);
}

#[test]
fn an_event_that_breaks_its_form_or_schema_is_found() {
    let mut ledger = enrolled();
    ledger.say(&Says { data: json!({"dataset": {}}), ..snapshot("//producer/a", 0) }, &[&key(11)]);
    ledger.append(&Signed::sign(b"{\"a\":1,\"a\":2}".to_vec(), &[&key(11)]));
    ledger.commit();
    let report = ledger.verify();
    finds(&report, "event-invalid", 2);
    finds(&report, "event-invalid", 3);
}

#[test]
fn a_second_story_about_a_number_is_found() {
    let mut ledger = enrolled();
    let event = ledger.event(&snapshot("//producer/a", 0));
    let other = ledger.event(&snapshot("//producer/a", 1));
    for event in [&event, &other, &event] {
        let signed = ledger.sign(event, &[&key(11)]);
        ledger.append(&signed);
    }
    ledger.commit();
    let report = ledger.verify();
    finds(&report, "sequence", 3);
    finds(&report, "sequence", 4);
}

#[test]
fn a_refusal_that_fills_a_taken_number_is_found() {
    let mut ledger = enrolled();
    let event = ledger.snapshot("//producer/a", &key(11), 0);
    let data = json!({
        "event": "5a".repeat(32), "keyid": key(11).keyid().to_string(), "reason": "schema-violation", "fills": true,
        "source": "//producer/a", "sequence": 1,
    });
    let source = own_source();
    ledger.say(
        &Says { source: &source, name: "event.rejected", subject: format!("event/{}", "5a".repeat(32)), data },
        &[&key(2)],
    );
    ledger.commit();
    assert_ne!(event.digest().to_string(), "5a".repeat(32));
    finds(&ledger.verify(), "rejection-fills", 3);
}

#[test]
fn one_good_and_one_wrong_signature_is_found() {
    let mut ledger = enrolled();
    ledger.enrol(&key(12));
    let event = ledger.event(&snapshot("//producer/a", 0));
    let mut signed = ledger.sign(&event, &[&key(11), &key(12)]);
    signed.signatures[1].bytes[3] ^= 1;
    ledger.append(&signed);
    ledger.commit();
    finds(&ledger.verify(), "signature-wrong", 3);
}

#[test]
fn time_that_goes_back_is_found() {
    let mut ledger = enrolled();
    ledger.received = Timestamp::from_millis(START_MS - 1);
    ledger.snapshot("//producer/a", &key(11), 0);
    ledger.commit();
    finds(&ledger.verify(), "received-order", 2);
}

#[test]
fn a_body_that_is_gone_is_withheld_with_its_digest_proven() {
    let mut ledger = enrolled();
    let signed = Signed::sign(b"{}".to_vec(), &[&key(11)]);
    let entry = ledger.entry_of(signed.digest(), &signed.signatures);
    ledger.append_entry(&entry, b"");
    ledger.commit();
    let report = ledger.verify();
    finds(&report, "body-withheld", 2);
    assert!(report.findings[0].found.contains("withheld, digest proven"));
    assert_eq!((report.withheld, report.entries), (1, 3));
}

#[test]
fn a_checkpoint_by_another_key_or_one_too_many_is_found() {
    let mut ledger = enrolled();
    ledger.snapshot("//producer/a", &key(11), 0);
    let note = ledger.checkpoint(&[&key(9)]);
    ledger.commit_with(&note);
    finds(&ledger.verify(), "checkpoint-signature", 2);

    let mut ledger = enrolled();
    ledger.snapshot("//producer/a", &key(11), 0);
    let note = ledger.checkpoint(&[&key(2), &key(9)]);
    ledger.commit_with(&note);
    finds(&ledger.verify(), "checkpoint-signature", 2);
}

#[test]
fn after_a_rotation_one_of_both_signatures_is_not_enough() {
    for missing in [0, 1] {
        let mut ledger = Ledger::new();
        rotate(&mut ledger, Some("2026-11-23T22:00:00Z"));
        ledger.commit();
        ledger.keys.push(key(3));
        ledger.enrol(&key(11));
        let note = ledger.checkpoint(&[&ledger.keys[1 - missing]]);
        ledger.commit_with(&note);
        finds(&ledger.verify(), "checkpoint-signature", 2);
    }
}

/// The batch that carries the rotation is signed by the key that was current when it began.
#[test]
fn a_rotation_does_not_sign_its_own_batch() {
    let mut ledger = Ledger::new();
    let trust = ledger.trust();
    rotate(&mut ledger, None);
    let note = ledger.checkpoint(&[&key(3)]);
    ledger.commit_with(&note);
    finds(&ledger.bytes.verify(&trust), "checkpoint-signature", 1);
}

#[test]
fn a_batch_without_entries_is_found() {
    let mut ledger = enrolled();
    ledger.commit();
    finds(&ledger.verify(), "empty-batch", 1);
}

#[test]
fn another_genesis_than_the_trusted_one_is_found() {
    let ledger = enrolled();
    let vkey = ledger.trust().log_keys().next().unwrap().clone();
    let other =
        lineal_schemas::trust::Trust::new(lineal_schemas::digest::EventDigest::of(b"another"), &[vkey]).unwrap();
    finds(&ledger.bytes.verify(&other), "genesis-mismatch", 0);
}

#[test]
fn a_trust_file_of_other_keys_is_found() {
    let ledger = enrolled();
    let vkey = lineal_schemas::note::VerifierKey::new(crate::record::ORIGIN, key(9).public().clone()).unwrap();
    let other = lineal_schemas::trust::Trust::new(ledger.genesis, &[vkey]).unwrap();
    finds(&ledger.bytes.verify(&other), "trust-key", 1);
}
