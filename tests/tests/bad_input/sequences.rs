//! The rules of a source's numbers, from outside: duplicates, equivocation, gaps, late events, the end, too many gaps.

use lineal_schemas::digest::EventDigest;
use lineal_tests::signing::{Parts, Producer};

use crate::scene::{Expected, Scene, is_no_acknowledgement, with_data};

/// The next event of `producer`, as it would be if it had said something else.
fn otherwise(producer: &Producer) -> Parts {
    let draft = producer.draft();
    Parts { data: draft.data.replace("\"name\"", "\"version\":\"other\",\"name\""), ..draft }
}

fn conflict<'a>(code: &'a str, says: &'a [&'a str]) -> Expected<'a> {
    Expected { status: 409, code, says }
}

#[test]
fn the_same_event_is_a_duplicate_and_another_one_is_a_conflict() {
    let mut scene = Scene::new();
    let mut worker = scene.worker("a");
    let equivocation = otherwise(&worker).sign(worker.key());
    let first = worker.next_event();
    let receipt = scene.is_committed(&first).receipt;
    let again = scene.http().post_event(&first);
    assert_eq!((again.status, &*again.answer().outcome), (200, "duplicate"));
    assert_eq!(again.answer().receipt, receipt);
    scene.is_conflicting(&equivocation, &conflict("sequence-taken", &["sequence 1"]));

    let elsewhere = Parts { previous: Some(EventDigest::of(b"elsewhere")), ..worker.draft() };
    let elsewhere = elsewhere.sign(worker.key());
    let digest = EventDigest::of(b"elsewhere").to_string();
    scene
        .is_conflicting(&elsewhere, &conflict("wrong-previous", &[&digest, &first.digest().to_string(), "`previous`"]));
    // A conflict fills nothing.
    scene.is_committed(&worker.next_event());
    scene.restart();
    scene.is_conflicting(&equivocation, &conflict("sequence-taken", &[]));
    scene.others_go_on();
    scene.is_verified();
}

#[test]
fn a_gap_is_filled_only_by_what_its_neighbours_know() {
    let mut scene = Scene::new();
    let mut worker = scene.worker("a");
    let events = worker.clone().next_events(6);
    let mut other_fourth = worker.clone();
    worker.next_events(3);
    scene.is_committed(&events[0]);
    scene.is_committed(&events[4]);
    scene.others_go_on();
    scene.restart();

    // The fifth names the fourth as its previous: another fourth is none.
    other_fourth.next_events(3);
    let (forged, right) = (otherwise(&worker).sign(worker.key()), events[3].digest().to_string());
    scene.is_conflicting(&forged, &conflict("wrong-next", &["sequence 4", &right]));
    scene.is_committed(&events[3]);
    // The first is there, and the second names something else.
    let forged = Parts { previous: Some(events[3].digest()), sequence: 2, ..worker.draft() }.sign(worker.key());
    scene.is_conflicting(&forged, &conflict("wrong-previous", &["sequence 2", &events[0].digest().to_string()]));
    scene.is_committed(&events[1]);
    scene.is_committed(&events[5]);

    let report = scene.is_verified();
    assert!(report.contains("sequence-gap"), "{report}");
    let words = scene.home.verify::<&str>(&[]).succeeded();
    assert!(words.contains("sequence-gap") && words.contains(worker.source()), "{words}");
    assert!(words.lines().last().is_some_and(|line| line.starts_with("VERIFIED")), "{words}");
    scene.is_committed(&events[2]);
    assert!(!scene.is_verified().contains("sequence-gap"));
}

#[test]
fn nothing_follows_the_end_of_a_source() {
    let mut scene = Scene::new();
    let mut worker = scene.worker("a");
    let first = worker.next_event();
    let ended_early = worker.say(&Parts { end: true, ..worker.draft() });
    let went_on = worker.next_event();
    scene.is_committed(&first);
    scene.is_committed(&went_on);
    scene.is_conflicting(&ended_early, &conflict("end-before-head", &["`sequenceend`", "sequence 2", "gone on to 3"]));

    let late = worker.next_event();
    scene.is_committed(&worker.say(&Parts { end: true, ..worker.draft() }));
    let after = worker.next_event();
    let expected = Expected { status: 422, code: "after-end", says: &["sequence 6", "ended at 5"] };
    assert!(!scene.is_rejected(&after, &expected).fills);
    // What was missing before the end may still come.
    scene.is_committed(&late);
    scene.others_go_on();
    scene.is_verified();
}

/// An event of `producer` that many numbers after its first.
fn later(producer: &Producer, numbers: u64, previous: Option<EventDigest>) -> Parts {
    let draft = producer.draft();
    Parts { sequence: draft.sequence + numbers, previous, ..draft }
}

#[test]
fn a_source_with_too_many_open_numbers_waits() {
    let mut scene = Scene::new();
    let worker = scene.worker("a");
    let far = later(&worker, 1025, Some(EventDigest::of(b"1025"))).sign(worker.key());
    let size = scene.http().size();
    let response = scene.http().post_event(&far);
    let answer = response.answer();
    assert_eq!((response.status, &*answer.outcome, answer.retry), (429, "refused", true), "{answer:?}");
    assert_eq!((answer.code.as_deref(), scene.http().size()), (Some("too-many-open"), size));
    assert!(answer.message.as_ref().is_some_and(|said| said.contains("1025 open numbers") && said.contains("1024")));
    assert!(response.header("retry-after").is_some());
    is_no_acknowledgement(&answer);
    scene.others_go_on();
    // One fewer is a gap; once something is filled, the far one has its place.
    scene.is_committed(&later(&worker, 1024, Some(EventDigest::of(b"1024"))).sign(worker.key()));
    let next = later(&worker, 1026, Some(EventDigest::of(b"1026"))).sign(worker.key());
    assert_eq!(scene.http().post_event(&next).status, 429);
    scene.is_committed(&worker.draft().sign(worker.key()));
    scene.is_committed(&next);
    scene.is_verified();
}

#[test]
fn a_refusal_stands_where_the_event_would_have_stood() {
    let mut scene = Scene::new();
    let mut worker = scene.worker("a");
    let first = worker.next_event();
    scene.is_committed(&first);
    let around = Parts { sequence: 3, previous: Some(first.digest()), ..worker.draft() }.sign(worker.key());
    let bad = worker.say(&with_data(&worker, "{}"));
    scene.is_rejected(&bad, &Expected { status: 422, code: "schema-violation", says: &["dataset"] });
    scene.restart();
    // Whoever leaves it out contradicts the record.
    let says = [&*bad.digest().to_string()];
    scene.is_conflicting(&around, &conflict("wrong-previous", &says));
    // Whoever says something better under its number does as well.
    let better = Parts { sequence: 2, previous: Some(first.digest()), ..worker.draft() }.sign(worker.key());
    scene.is_conflicting(&better, &conflict("sequence-taken", &["sequence 2"]));
    scene.is_committed(&worker.next_event());
    scene.others_go_on();
    scene.is_verified();
}
