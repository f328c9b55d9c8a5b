//! What becomes of events that are sent, and of what is none.

use std::sync::atomic::Ordering;

use lineal_schemas::{digest::EventDigest, dsse::Signed, note::VerifierKey};
use serde_json::{Value, json};

use crate::served::{EVENT, LINES, ORIGIN, SUBJECT, Served, key, lines_of, outcome, said};

#[test]
fn a_committed_event_gets_a_receipt_that_verifies_and_a_repeat_gets_the_same_bytes() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let event = source.snapshot();
    let first = served.post(&event);
    assert_eq!(outcome(&first), said(201, "committed", ""));
    assert_eq!(first.header("content-type"), Some("application/json"));
    let answer = first.json();
    assert_eq!(answer["event"], json!(event.digest()));
    assert_eq!(answer["retry"], false);
    assert!(served.receipt(&answer).is_for(&event.digest()));
    served.post(&source.snapshot());
    let again = served.post(&event);
    assert_eq!(outcome(&again), said(200, "duplicate", ""));
    assert_eq!(again.json()["receipt"], answer["receipt"]);
    assert_eq!(served.found(&format!("/receipts/{}", event.digest())), answer["receipt"].as_str().unwrap().as_bytes());
}

#[test]
fn a_rejected_event_gets_the_receipt_of_the_signed_refusal() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let event = source.says(
        "dataset.snapshotted",
        "dataset/other/owner",
        &json!({"dataset": {"digest": {"sha256": EventDigest::of(b"")}}}),
    );
    let reply = served.post(&event);
    assert_eq!(outcome(&reply), said(422, "rejected", "name-not-allowed"));
    let answer = reply.json();
    let refusal = answer["refusal"].as_str().unwrap();
    assert!(served.receipt(&answer).is_for(&EventDigest::of(refusal.as_bytes())));
    assert!(refusal.contains(&event.digest().to_string()));
    let path = format!("/receipts/{}", event.digest());
    let receipt = served.get(&path);
    assert_eq!((receipt.status, receipt.header("lineal-outcome")), (200, Some("rejected")));
    assert_eq!(receipt.text(), answer["receipt"].as_str().unwrap());
    let asked = served.ask("GET", &path, &[("accept", "application/json".to_owned())], b"");
    assert_eq!(asked.json()["refusal"], answer["refusal"]);
    let again = served.post(&event).json();
    assert_eq!(again["receipt"], answer["receipt"], "once a digest");
    let recorded = "`subject` is not among the names of the signing key";
    assert_eq!((again["code"].as_str(), again["message"].as_str()), (Some("name-not-allowed"), Some(recorded)));
    assert!(answer["message"].as_str().unwrap().contains("dataset/other/owner"), "only the first answer has the value");
}

#[test]
fn what_contradicts_its_source_is_a_conflict() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    assert_eq!(served.post(&source.snapshot()).status, 201);
    (source.sequence, source.previous) = (0, None);
    let event = source.says(
        "dataset.snapshotted",
        SUBJECT,
        &json!({"dataset": {"digest": {"sha256": EventDigest::of(b"else")}}}),
    );
    let reply = served.post(&event);
    assert_eq!(outcome(&reply), said(409, "conflicted", "sequence-taken"));
    served.receipt(&reply.json());
    let receipt = served.get(&format!("/receipts/{}", event.digest()));
    assert_eq!(receipt.header("lineal-outcome"), Some("conflicted"));
}

#[test]
fn what_nobody_authenticated_is_refused_without_a_receipt() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let event = source.snapshot();
    let refused = |signed: &Signed| {
        let reply = served.post(signed);
        let answer = reply.json();
        assert_eq!((answer.get("receipt"), &answer["retry"]), (None, &json!(false)));
        outcome(&reply)
    };
    assert_eq!(refused(&Signed { signatures: Vec::new(), ..event.clone() }), said(401, "refused", "unsigned"));
    let mut forged = event.clone();
    forged.signatures[0].bytes[5] ^= 1;
    assert_eq!(refused(&forged), said(401, "refused", "wrong-signature"));
    let keys: Vec<_> = (20..29).map(key).collect();
    let nine = Signed::sign(event.event.clone(), &keys.iter().collect::<Vec<_>>());
    assert_eq!(refused(&nine), said(400, "refused", "too-many-signatures"));
    let headers = [("content-type", EVENT.to_owned()), ("lineal-signature", "abc".to_owned())];
    let reply = served.ask("POST", "/events", &headers, &event.event);
    assert_eq!(outcome(&reply), said(400, "refused", "malformed-signature"));
    assert_eq!(reply.json()["event"], json!(event.digest()));
    assert_eq!(served.post(&event).status, 201, "and nothing else stops");
}

#[test]
fn an_event_under_an_unknown_key_is_parked_and_shown_to_the_owner_alone() {
    let mut served = Served::start();
    let mut source = served.source("https://ci.example/payments/11", &[11]);
    let event = source.snapshot();
    assert_eq!(outcome(&served.post(&event)), said(202, "parked", "unknown-key"));
    assert_eq!(served.get("/admin/parked").status, 404, "never on TCP");
    let (status, body) = served.client().get("/admin/parked").unwrap();
    let waiting: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &waiting), (200, &json!({"parked": [{"keyid": key(11).keyid(), "event": event.digest()}]})));
    let digest = event.digest().to_string();
    let (status, body) = served.client().get(&format!("/admin/parked/{}", &digest[..12])).unwrap();
    assert_eq!((status, String::from_utf8(body).unwrap()), (200, event.to_envelope() + "\n"));
    assert_eq!(served.client().get("/admin/parked/ffff").unwrap().0, 404);
    assert_eq!(served.get(&format!("/receipts/{digest}")).status, 404);
    served.producer(11);
    assert_eq!(outcome(&served.post(&event)), said(200, "duplicate", ""), "taken up with the enrolment");
}

#[test]
fn what_comes_too_often_or_too_far_ahead_is_told_to_come_back() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    source.snapshot();
    source.sequence = 2000;
    let reply = served.post(&source.snapshot());
    assert_eq!(outcome(&reply), said(429, "refused", "too-many-open"));
    assert_eq!((reply.header("retry-after"), &reply.json()["retry"]), (Some("5"), &json!(true)));
    let wrong = |number: u32| {
        let mut other = served.source(&format!("https://elsewhere.example/{number}"), &[10]);
        other.snapshot()
    };
    let events: Vec<_> = (0..70).map(wrong).collect();
    let answers = served.post_lines(&lines_of(&events)).lines();
    assert_eq!(answers[0]["outcome"], "rejected");
    assert_eq!(answers[69]["outcome"], "refused");
    assert_eq!(outcome(&served.post(&events[69])), said(429, "refused", "too-many-refusals"));
}

#[test]
fn a_clock_that_jumps_stops_intake_until_the_owner_accepts_it() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    served.clock.0.fetch_add(3_600_000, Ordering::SeqCst);
    let event = source.snapshot();
    assert_eq!(outcome(&served.post(&event)), said(503, "refused", "clock-jumped"));
    let ready = served.get("/readyz");
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &json!(false)));
    assert!(ready.json()["intakeStopped"].as_str().unwrap().contains("clock"));
    assert_eq!(served.get("/checkpoint").status, 200, "reads go on");
    assert_eq!(served.ask("POST", "/admin/clock/accept", &[], b"").status, 404, "never on TCP");
    assert_eq!(served.client().post("/admin/clock/accept", "text/plain", Vec::new()).unwrap().0, 200);
    assert_eq!(served.post(&event).status, 201);
    assert_eq!(served.get("/readyz").status, 200);
}

#[test]
fn forms_that_cannot_carry_signatures_are_refused_with_the_reason() {
    let served = Served::start();
    let refused = |headers: &[(&str, String)]| {
        let reply = served.ask("POST", "/events", headers, b"[]");
        (outcome(&reply), reply.json()["message"].as_str().unwrap().to_owned())
    };
    let header = |name, value: &str| (name, value.to_owned());
    let (answer, message) = refused(&[header("content-type", "application/json"), header("ce-specversion", "1.0")]);
    assert_eq!(answer, said(415, "refused", "binary-mode"));
    assert!(message.contains("can't be signed as sent"), "{message}");
    let (answer, message) = refused(&[header("content-type", "application/cloudevents-batch+json; charset=utf-8")]);
    assert_eq!(answer, said(415, "refused", "batch-mode"));
    assert!(message.contains("no place for the signatures"), "{message}");
    assert_eq!(refused(&[header("content-type", "text/html")]).0, said(415, "refused", "media-type"));
    assert_eq!(refused(&[]).0, said(415, "refused", "media-type"));
    assert_eq!(served.get("/events").status, 405);
    assert_eq!(served.get("/nothing").status, 404);
}

#[test]
fn what_is_too_large_is_refused_and_a_signed_event_gets_its_signed_refusal() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let filled = |bytes: usize| json!({"dataset": {"digest": {"sha256": EventDigest::of(b"")}}, "annotations": {"x": "x".repeat(bytes)}});
    let large = source.says("dataset.snapshotted", SUBJECT, &filled(257 * 1024));
    let reply = served.post(&large);
    assert_eq!(outcome(&reply), said(422, "rejected", "too-large"));
    served.receipt(&reply.json());
    let answers = served.post_lines(&lines_of(&[large])).lines();
    assert_eq!((&answers[0]["outcome"], &answers[0]["code"]), (&json!("rejected"), &json!("too-large")));
    let headers = [("content-type", EVENT.to_owned())];
    let reply = served.ask("POST", "/events", &headers, &vec![b'x'; 2 * 1024 * 1024]);
    assert_eq!(outcome(&reply), said(413, "refused", "body-too-large"));
    assert!(reply.json()["message"].as_str().unwrap().contains("1048576"));
    assert_eq!(outcome(&served.post_lines(&vec!["{}\n".to_owned(); 10_001])), said(413, "refused", "too-many-events"));
    assert_eq!(outcome(&served.post_lines(&[])), said(400, "refused", "no-events"));
}

#[test]
fn a_bad_envelope_among_good_ones_stops_none_of_them() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let events = [source.snapshot(), source.snapshot(), source.snapshot()];
    let mut lines = lines_of(&events);
    lines.insert(1, "{\"payload\":\"?\"}\n".to_owned());
    lines.insert(3, "\n".to_owned());
    lines.push(lines[0].clone().trim_end().to_owned());
    let reply = served.post_lines(&lines);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some(LINES)));
    let answers = reply.lines();
    let outcomes: Vec<_> = answers.iter().map(|answer| answer["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["committed", "refused", "committed", "refused", "committed", "duplicate"]);
    assert_eq!(answers[1]["code"], "malformed-envelope");
    assert_eq!(answers[1].get("event"), None);
    for (answer, event) in [0, 2, 4].map(|at| &answers[at]).iter().zip(&events) {
        assert!(served.receipt(answer).is_for(&event.digest()));
    }
    assert_eq!(answers[5]["receipt"], answers[0]["receipt"]);
}

#[test]
fn signature_headers_are_one_list_however_they_are_spelled() {
    let mut served = Served::start();
    served.producer(10);
    served.producer(11);
    let mut source = served.source("https://ci.example/payments/both", &[10, 11]);
    let event = source.snapshot();
    let all: Vec<_> = event.signatures.iter().map(ToString::to_string).collect();
    let typed = ("CONTENT-TYPE", "Application/CloudEvents+JSON; charset=UTF-8".to_owned());
    let reply = served.ask("POST", "/events", &[typed.clone(), ("LINEAL-SIGNATURE", all.join(", "))], &event.event);
    assert_eq!(reply.status, 201, "{}", reply.text());
    let headers = [typed, ("lineal-signature", all[0].clone()), ("Lineal-Signature", all[1].clone())];
    let reply = served.ask("POST", "/events", &headers, &event.event);
    assert_eq!(reply.status, 200);
    assert_eq!(served.receipt(&reply.json()).entry().signatures, event.signatures);
}

/// A root could rotate the ledger's key by hand, though no command gives the ledger the new one: from then on every
/// checkpoint would have lacked a signature, and the record would never have verified again.
#[test]
fn a_ledger_key_that_the_ledger_does_not_hold_is_not_rotated_in() {
    let mut served = Served::start();
    let (old, new) = (key(200), key(201));
    let verifier = VerifierKey::new(ORIGIN, new.public().clone()).unwrap();
    let data = json!({
        "verifierKey": verifier.to_string(), "publicKey": new.public().to_pem(), "replaces": old.keyid(),
    });
    let rotation = served.root.says("ledgerkey.rotated", &format!("ledger/{ORIGIN}"), &data);
    assert_eq!(outcome(&served.post(&rotation)), said(503, "refused", "ledger-key-absent"));
    assert_eq!(served.ledger.view.record.size(), 1, "nothing became of it");
}
