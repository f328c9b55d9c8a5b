//! Records that are as they should be.

use lineal_schemas::{checkpoint::SignedCheckpoint, dsse::Signed, timestamp::Timestamp};
use lineal_verifier::{
    event::Given,
    finding::Severity,
    log::{Question, verify},
    report::{Report, Verdict},
};
use serde_json::json;

use crate::record::{Ledger, START_MS, Says, key, own_source, small, snapshot};

#[track_caller]
pub(crate) fn verified(report: &Report) {
    assert_eq!(report.verdict, Verdict::Verified, "{:#?}", report.findings);
}

fn has_note(report: &Report, rule: &str) -> bool {
    report.findings.iter().any(|finding| finding.rule == rule && finding.severity == Severity::Note)
}

#[test]
fn a_good_record_is_verified_and_nothing_is_noted() {
    let report = small().verify();
    verified(&report);
    assert_eq!(report.findings, []);
    assert_eq!((report.entries, report.batches, report.segments, report.keys), (7, 5, 2, 2));
    assert_eq!(report.sources.len(), 4);
}

#[test]
fn an_export_without_a_head_is_verified_and_says_so() {
    let mut ledger = small();
    ledger.bytes.head = None;
    let report = ledger.verify();
    verified(&report);
    assert!(has_note(&report, "no-head"));
}

#[test]
fn a_record_longer_than_many_chunks_is_verified() {
    let mut ledger = Ledger::new();
    let producers: Vec<_> = (20..30).map(key).collect();
    for round in 0..100_usize {
        if let Some(producer) = producers.get(round) {
            ledger.enrol(producer);
        }
        for number in 0..40 {
            let producer = &producers[number % (round + 1).min(producers.len())];
            let source = format!("//producer/{}", producer.keyid());
            ledger.snapshot(&source, producer, 600);
        }
        ledger.commit();
    }
    let report = ledger.verify();
    verified(&report);
    assert!(report.bytes > 4_000_000 && report.entries > 4000);
}

#[test]
fn gaps_and_ended_sources_are_notes() {
    let mut ledger = Ledger::new();
    ledger.enrol(&key(11));
    ledger.snapshot("//producer/a", &key(11), 0);
    for number in 2..=5 {
        let mut event = ledger.event(&snapshot("//producer/a", 0));
        if number == 5 {
            event["sequenceend"] = true.into();
        }
        let signed = ledger.sign(&event, &[&key(11)]);
        if number == 2 || number == 5 {
            ledger.append(&signed);
        }
    }
    ledger.commit();
    let report = ledger.verify();
    verified(&report);
    assert!(has_note(&report, "sequence-gap") && has_note(&report, "sources-ended"));
    let source = report.sources.iter().find(|seen| seen.source == "//producer/a").unwrap();
    assert_eq!((source.head, &source.missing[..], source.has_ended), (5, &[(3, 4)][..], true));
}

#[test]
fn a_refusal_fills_its_number_and_never_ends_its_source() {
    let mut ledger = Ledger::new();
    ledger.enrol(&key(11));
    ledger.snapshot("//producer/a", &key(11), 0);
    let mut refused = ledger.event(&snapshot("//producer/a", 0));
    (refused["data"], refused["sequenceend"]) = (json!({"no": "dataset"}), true.into());
    let refused = ledger.sign(&refused, &[&key(11)]);
    let previous = serde_json::from_slice::<serde_json::Value>(&refused.event).unwrap()["previous"].clone();
    let data = json!({
        "event": refused.digest().to_string(), "keyid": key(11).keyid().to_string(), "reason": "schema-violation",
        "fills": true, "source": "//producer/a", "sequence": 2, "previous": previous,
    });
    let source = own_source();
    let says = Says { source: &source, name: "event.rejected", subject: format!("event/{}", refused.digest()), data };
    ledger.say(&says, &[&key(2)]);
    ledger.snapshot("//producer/a", &key(11), 0);
    ledger.commit();
    let report = ledger.verify();
    verified(&report);
    assert_eq!((report.rejected, report.counts.len()), (1, 1));
    assert!(has_note(&report, "refusals"));
}

#[test]
fn an_id_used_twice_is_a_warning_that_names_both() {
    let mut ledger = Ledger::new();
    ledger.enrol(&key(11));
    let first = ledger.event(&snapshot("//producer/a", 0));
    let signed = ledger.sign(&first, &[&key(11)]);
    ledger.append(&signed);
    let mut second = ledger.event(&snapshot("//producer/a", 0));
    second["id"] = first["id"].clone();
    let signed = ledger.sign(&second, &[&key(11)]);
    ledger.append(&signed);
    ledger.commit();
    let report = ledger.verify();
    verified(&report);
    let finding = &report.findings[0];
    assert_eq!((finding.rule, finding.other_end, finding.index), ("id-twice", Some(2), Some(3)));
}

/// A rotation: its own batch by the old key, later ones by both until the old one retires, then by the new one.
#[test]
fn a_ledger_key_rotates_under_its_root() {
    let mut ledger = Ledger::new();
    rotate(&mut ledger, Some("2026-11-23T21:50:13Z"));
    ledger.commit();
    ledger.keys.push(key(3));
    ledger.enrol(&key(11));
    ledger.commit();
    ledger.received = Timestamp::from_millis(START_MS + 10_000);
    ledger.keys.remove(0);
    ledger.snapshot("//producer/a", &key(11), 0);
    ledger.commit();
    verified(&ledger.verify());
}

pub(crate) fn rotate(ledger: &mut Ledger, retires: Option<&str>) {
    let new = key(3);
    let vkey = lineal_schemas::note::VerifierKey::new(crate::record::ORIGIN, new.public().clone()).unwrap();
    let mut data = json!({
        "verifierKey": vkey.to_string(), "publicKey": new.public().to_pem(), "replaces": key(2).keyid().to_string(),
    });
    if let Some(retires) = retires {
        data["retiresAt"] = retires.into();
    }
    let source = format!("{}/root/{}", own_source(), key(1).keyid());
    let subject = format!("ledger/{}", crate::record::ORIGIN);
    ledger.say(&Says { source: &source, name: "ledgerkey.rotated", subject, data }, &[&key(1)]);
}

#[test]
fn asked_for_events_and_checkpoints_are_found() {
    let mut ledger = small();
    let event: Signed = ledger.snapshot("//producer/a", &key(11), 0);
    ledger.commit();
    let given = SignedCheckpoint::parse(&ledger.checkpoint(&[&key(2)])).unwrap();
    ledger.snapshot("//producer/a", &key(11), 0);
    ledger.commit();
    let question = Question { checkpoints: vec![given], events: [event.digest()].into() };
    let verification = verify(&ledger.bytes.record(), &ledger.trust(), &question, &|_| {}).unwrap();
    verified(&verification.report);
    assert_eq!(verification.places[&event.digest()], 7);

    let given = &Given::read(event.to_envelope().as_bytes(), None).unwrap()[0];
    let answer = lineal_verifier::event::check(given, &[], Some(&verification));
    assert_eq!(answer.verdict, Verdict::Verified, "{answer:?}");
    let alone = lineal_verifier::event::check(given, &[], None);
    assert_eq!(alone.verdict, Verdict::CouldNotTell);
    let with_key = lineal_verifier::event::check(given, &[key(11).public().clone()], None);
    assert_eq!(with_key.verdict, Verdict::Verified);
}
