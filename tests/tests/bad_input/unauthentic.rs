//! What nobody can be held to, and requests that carry no event: never acknowledged, never in the record.

use lineal_schemas::dsse::Signed;
use lineal_tests::signing::{key, sign, wrong_signature};

use crate::scene::{Expected, Scene, is_no_acknowledgement};

/// Sorted by key id, as an event's signatures must be.
fn sorted(mut signed: Signed) -> Signed {
    signed.signatures.sort_by_key(|signature| signature.keyid);
    signed
}

#[test]
fn what_is_not_authentic_is_refused_counted_and_kept_aside() {
    let mut scene = Scene::new();
    let worker = scene.worker("unauthentic");
    let event = worker.draft().text().into_bytes();
    let signed = |signatures| Signed { event: event.clone(), signatures };
    let (right, wrong) = (worker.draft().sign(worker.key()).signatures[0], wrong_signature(&event, worker.key()));
    let other = wrong_signature(&event, &key(1));
    let many: Vec<_> = (1..=9).flat_map(|seed| sign(&worker.draft().text(), &key(seed)).signatures).collect();
    let mut unsorted = sign(&worker.draft().text(), &key(1)).signatures;
    unsorted.push(right);
    unsorted.sort_by_key(|signature| std::cmp::Reverse(signature.keyid));
    let keyid = worker.key().keyid().to_string();
    let other_keyid = other.keyid.to_string();
    let cases: [(Signed, u16, &str, &[&str]); 6] = [
        (signed(vec![]), 401, "unsigned", &["no signature", "1 to 8"]),
        (signed(vec![wrong]), 401, "wrong-signature", &[&keyid, "does not verify"]),
        (sorted(signed(vec![right, other])), 401, "wrong-signature", &[&other_keyid, "does not verify"]),
        (sorted(signed(many)), 400, "too-many-signatures", &["9 signatures", "1 to 8"]),
        (signed(unsorted), 400, "unsorted-signatures", &["sorted by keyid"]),
        (signed(vec![right, right]), 400, "unsorted-signatures", &[&keyid, "distinct"]),
    ];
    for (bad, status, code, says) in cases {
        scene.others_go_on();
        // One event gets one place in the quarantine, under the first rule that it broke.
        std::fs::remove_file(scene.quarantined(&bad)).unwrap_or_default();
        scene.is_refused(&bad, &Expected { status, code, says });
        scene.is_kept(&bad, code);
    }
    // None of them has touched the state of its source.
    scene.is_committed(&signed(vec![right]));
    scene.is_verified();
}

#[test]
fn an_unknown_key_vouches_for_nothing_that_is_unsound() {
    let mut scene = Scene::new();
    let stranger = scene.producer(&key(77), "stranger", "a");
    let text = stranger.draft().text();
    for (bad, code, says) in [
        (format!("{text} "), "trailing-bytes", "trailing"),
        (text.replace(r#""name""#, r#""nome""#), "schema-violation", "nome"),
    ] {
        scene.others_go_on();
        let bad = sign(&bad, stranger.key());
        scene.is_refused(&bad, &Expected { status: 400, code, says: &[says] });
        scene.is_kept(&bad, code);
    }
    assert_eq!(scene.counted("unknown-key"), 0);
}

type Headers<'a> = &'a [(&'a str, &'a str)];

#[test]
fn a_request_without_an_event_is_answered_and_stops_nothing() {
    let mut scene = Scene::new();
    let worker = scene.worker("requests");
    let (event, signature) = (worker.draft().text(), worker.draft().sign(worker.key()).signatures[0].to_string());
    let structured = ("content-type", "application/cloudevents+json");
    let large = vec![b' '; 2 * 1024 * 1024];
    let cases: [(Headers<'_>, &[u8], u16, &str, &str); 7] = [
        (&[structured, ("lineal-signature", "abc")], event.as_bytes(), 400, "malformed-signature", "`abc`"),
        (&[("ce-specversion", "1.0"), ("content-type", "application/json")], b"{}", 415, "binary-mode", "structured"),
        (&[("content-type", "application/cloudevents-batch+json")], b"[]", 415, "batch-mode", "one a line"),
        (&[("content-type", "text/plain")], event.as_bytes(), 415, "media-type", "text/plain"),
        (&[structured, ("lineal-signature", &signature)], &large, 413, "body-too-large", "1048576"),
        (&[("content-type", "application/x-ndjson")], b"\n", 400, "no-events", "one a line"),
        (&[("content-type", "application/x-ndjson")], b"{\"payload\":1}\n", 200, "malformed-envelope", "DSSE"),
    ];
    for (headers, body, status, code, says) in cases {
        scene.others_go_on();
        let size = scene.http().size();
        let response = scene.http().post(headers, body);
        let answer = response.answer();
        assert_eq!((response.status, answer.code.as_deref()), (status, Some(code)), "{}", response.text());
        assert!(answer.message.as_ref().is_some_and(|message| message.contains(says)), "{}", response.text());
        is_no_acknowledgement(&answer);
        assert_eq!((&*answer.outcome, scene.http().size()), ("refused", size), "{code}");
    }
    scene.others_go_on();
}

#[test]
fn a_line_that_is_no_envelope_stops_none_of_the_others() {
    let scene = Scene::new();
    let mut worker = scene.worker("lines");
    let [first, second, third] = [worker.next_event(), worker.next_event(), worker.next_event()];
    let text = worker.draft().text();
    let forged = Signed { signatures: vec![wrong_signature(text.as_bytes(), worker.key())], event: text.into_bytes() };
    let lines = [
        first.to_envelope(),
        "nothing".to_owned(),
        second.to_envelope(),
        forged.to_envelope(),
        first.to_envelope(),
        third.to_envelope().replacen('{', r#"{"payload":"","#, 1),
        third.to_envelope(),
    ];
    let response = scene.http().post(&[("content-type", "application/x-ndjson")], (lines.join("\n") + "\n").as_bytes());
    let outcomes: Vec<_> = response.answers().iter().map(|answer| (answer.outcome.to_string(), answer.event)).collect();
    let expected = [
        ("committed", Some(first.digest())),
        ("refused", None),
        ("committed", Some(second.digest())),
        ("refused", Some(forged.digest())),
        ("duplicate", Some(first.digest())),
        ("refused", None),
        ("committed", Some(third.digest())),
    ];
    assert_eq!(outcomes, expected.map(|(outcome, event)| (outcome.to_owned(), event)));
    assert_eq!((response.status, scene.counted("malformed-envelope")), (200, 2));
    scene.is_verified();
}
