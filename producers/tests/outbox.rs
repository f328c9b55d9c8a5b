//! What is on disk after each step of an emission: a crash at any of them loses no event and gives no number twice.
#![expect(clippy::unwrap_used, reason = "a test fails where its own set-up does")]

use std::{fs, path::Path};

use lineal_producers::{
    Draft, EmitError, Emitter, Settings,
    delivery::{Courier, Delivery},
    outbox::{Attachment, Outbox, OutboxError, Settlement},
    target::Target,
};
use lineal_schemas::{
    digest::EventDigest, dsse::Signed, event::Event, key::SecretKey, note::VerifierKey, trust::Trust,
};

const SOURCE: &str = "https://ci.example.com/payments";

fn trust() -> Trust {
    let ledger = SecretKey::from_seed([1; 32]).unwrap();
    let key = VerifierKey::new("example.com/ledger", ledger.public().clone()).unwrap();
    Trust::new(EventDigest::of(b"genesis"), &[key]).unwrap()
}

fn settings(folder: &Path, source: &str, to: Option<&str>) -> Settings {
    Settings {
        key: SecretKey::from_seed([2; 32]).unwrap(),
        trust: trust(),
        source: source.to_owned(),
        target: to.map(|to| to.parse().unwrap()),
        outbox: folder.join("outbox"),
    }
}

fn emitter(folder: &Path, to: Option<&str>) -> Emitter {
    Emitter::open(settings(folder, SOURCE, to)).unwrap()
}

fn draft(seed: &str) -> Draft {
    let data = format!(r#"{{"dataset":{{"digest":{{"sha256":"{}"}}}}, "version": "{seed}"}}"#, EventDigest::of(b"x"));
    Draft::new("dataset.snapshotted", "dataset/payments/transactions", data)
}

/// Every file below a folder, by its path.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

fn lines(path: &Path) -> Vec<Signed> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| Signed::from_envelope(line.as_bytes()).unwrap()).collect()
}

fn file_target(folder: &Path) -> (std::path::PathBuf, String) {
    let path = folder.join("events.jsonl");
    let to = format!("file:{}", path.display());
    (path, to)
}

#[test]
fn an_event_is_on_disk_before_it_is_sent_and_is_still_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    // The crash: the emitter is dropped between the write and any send, since it has nowhere to send to.
    let first = emitter(folder.path(), None).emit(draft("1")).unwrap();
    assert!(matches!(first.delivery, Delivery::Pending(_)));

    let mut again = emitter(folder.path(), None);
    let second = again.emit(draft("2")).unwrap();
    assert_eq!((first.sequence, second.sequence), (1, 2));
    drop(again);

    let (path, to) = file_target(folder.path());
    let target: Target = to.parse().unwrap();
    let courier =
        Courier { outbox: Outbox::open(&folder.path().join("outbox")).unwrap(), target: Some(target), trust: trust() };
    let flushed = courier.flush().unwrap();
    assert!(flushed.sent.iter().all(|(_, sent)| sent.delivery == Delivery::HandedOver));
    let envelopes = lines(&path);
    assert_eq!([first.event, second.event], [envelopes[0].digest(), envelopes[1].digest()]);
    assert_eq!(Event::parse(&envelopes[1].event).unwrap().previous, Some(first.event));
    assert!(files(&folder.path().join("outbox/pending")).is_empty());

    // Numbers go on from what was handed over.
    let third = emitter(folder.path(), Some(&to)).emit(draft("3")).unwrap();
    assert_eq!((third.sequence, third.delivery), (3, Delivery::HandedOver));
    assert_eq!(Event::parse(&lines(&path)[2].event).unwrap().previous, Some(second.event));
}

#[test]
fn a_crash_in_the_middle_of_a_write_leaves_the_number_free() {
    let folder = tempfile::tempdir().unwrap();
    emitter(folder.path(), None).emit(draft("1")).unwrap();
    let pending = files(&folder.path().join("outbox/pending"));
    let unfinished = pending[0].replace("000000000001.dsse", ".new-000000000002.dsse");
    fs::write(&unfinished, "{\"payload\":\"half").unwrap();
    assert_eq!(emitter(folder.path(), None).emit(draft("2")).unwrap().sequence, 2);
}

/// A producer that was killed while it wrote a thousand events left a megabyte behind each time, for ever.
#[test]
fn what_a_killed_process_left_half_written_goes_with_the_next() {
    let folder = tempfile::tempdir().unwrap();
    emitter(folder.path(), None).emit(draft("1")).unwrap();
    let pending = fs::read_dir(folder.path().join("outbox/pending")).unwrap().next().unwrap().unwrap().path();
    let half = pending.join(".new-000000000002-000000001001.dsse");
    fs::write(&half, "{\"payload\":\"").unwrap();
    drop(emitter(folder.path(), None));
    assert!(!half.exists());
    assert_eq!(waiting(folder.path()), [vec![1]]);
}

#[test]
fn a_crash_between_settling_and_taking_away_sends_the_event_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = file_target(folder.path());
    emitter(folder.path(), None).emit(draft("1")).unwrap();
    let pending = files(&folder.path().join("outbox/pending"))[0].clone();
    let envelope = fs::read(&pending).unwrap();
    emitter(folder.path(), Some(&to)).emit(draft("2")).unwrap();
    // The crash: the first event's file is there again, as if it had never been taken away.
    fs::write(&pending, envelope).unwrap();
    let third = emitter(folder.path(), Some(&to)).emit(draft("3")).unwrap();
    let sequences: Vec<u64> = lines(&path).iter().map(|line| Event::parse(&line.event).unwrap().sequence).collect();
    assert_eq!((third.sequence, sequences), (3, vec![1, 2, 1, 3]));
}

#[test]
fn a_ledger_that_is_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let sent = emitter(folder.path(), Some("http://127.0.0.1:1")).emit(draft("1")).unwrap();
    assert!(matches!(sent.delivery, Delivery::Pending(reason) if reason.contains("can't be reached")));
}

#[test]
fn a_wrong_event_is_neither_signed_nor_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut emitter = emitter(folder.path(), None);
    for (data, code) in [
        (r#"{"dataset":{"uri":"s3://b/k"}}"#, "schema-violation"),
        (r#"{"dataset":{},"dataset":{}}"#, "duplicate-key"),
        ("[]", "attribute-malformed"),
    ] {
        let error = emitter.emit(Draft::new("dataset.snapshotted", "dataset/a/b", data)).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    assert!(files(&folder.path().join("outbox/pending")).is_empty());
    assert_eq!(emitter.emit(draft("1")).unwrap().sequence, 1);
}

#[test]
fn a_source_belongs_to_one_emitter_and_ends_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = emitter(folder.path(), None);
    let second = Emitter::open(settings(folder.path(), SOURCE, None)).unwrap_err();
    assert!(matches!(second, EmitError::Outbox(OutboxError::SourceInUse { .. })));
    first.emit(draft("1").closing()).unwrap();
    assert_eq!(first.emit(draft("2")).unwrap_err().code(), "source-ended");
    drop(first);
    assert_eq!(emitter(folder.path(), None).emit(draft("2")).unwrap_err().code(), "source-ended");
}

#[test]
fn a_job_that_is_done_leaves_nothing_but_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = file_target(folder.path());
    let job = format!("{SOURCE}/jobs/01938f6e-5c7a-7000-8000-000000000001");
    let mut emitter = Emitter::open(settings(folder.path(), &job, Some(&to))).unwrap();
    emitter.emit(draft("1").closing()).unwrap();
    drop(emitter);
    assert!(Event::parse(&lines(&path)[0].event).unwrap().sequence_end);
    assert_eq!(files(&folder.path().join("outbox")), Vec::<String>::new());
}

#[test]
fn attachments_are_kept_until_they_are_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let attachment =
        Attachment { role: "listing".to_owned(), media_type: "text/plain".to_owned(), bytes: b"listing".to_vec() };
    let digest = attachment.sha256();
    emitter(folder.path(), None).emit(draft("1").with_attachments([attachment])).unwrap();
    assert_eq!(files(&folder.path().join("outbox/attachments")).len(), 1);

    let (path, to) = file_target(folder.path());
    emitter(folder.path(), Some(&to)).emit(draft("2")).unwrap();
    let kept = path.with_file_name("events.jsonl.attachments").join(digest);
    assert_eq!(fs::read(kept).unwrap(), b"listing");
    assert!(files(&folder.path().join("outbox/attachments")).is_empty());
    assert!(files(&folder.path().join("outbox/owed")).is_empty());
}

#[test]
fn a_torn_end_of_the_file_is_cut_only_if_it_was_ours() {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = file_target(folder.path());
    emitter(folder.path(), Some(&to)).emit(draft("1")).unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    for (torn, after) in [
        (format!("{whole}{}", &whole[..whole.len() / 2]), 2),
        (format!("{whole}{}", whole.trim_end()), 3),
        (whole[..5].to_owned(), 1),
    ] {
        fs::write(&path, &torn).unwrap();
        let sent = emitter(folder.path(), Some(&to)).emit(draft("more")).unwrap();
        assert_eq!((sent.delivery, lines(&path).len()), (Delivery::HandedOver, after), "{torn}");
    }
    fs::write(&path, "notes of a person").unwrap();
    let sent = emitter(folder.path(), Some(&to)).emit(draft("last")).unwrap();
    assert!(matches!(sent.delivery, Delivery::Pending(_)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "notes of a person");
}

#[test]
fn an_sdk_event_is_written_once_and_signed() {
    use cloudevents::{EventBuilder, EventBuilderV10};
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = file_target(folder.path());
    let data = serde_json::json!({"dataset": {"digest": {"sha256": EventDigest::of(b"x").to_string()}}});
    let event = |id: &str, source: &str| {
        EventBuilderV10::new()
            .id(id)
            .source(source)
            .ty("dev.lineal.dataset.snapshotted.v1")
            .subject("dataset/a/b")
            .time("2026-11-23T22:50:12.5+01:00")
            .extension("build", 7)
            .data("application/json", data.clone())
            .build()
            .unwrap()
    };
    let id = "01938f6e-5c7a-7000-8000-000000000001";
    let mut emitter = emitter(folder.path(), Some(&to));
    let sent = emitter.emit_cloudevent(&event(id, SOURCE)).unwrap();
    let signed = &lines(&path)[0];
    let text = std::str::from_utf8(&signed.event).unwrap();
    assert_eq!(sent.event, signed.digest());
    assert!(
        text.contains(id) && text.contains("\"time\":\"2026-11-23T21:50:12.500Z\"") && text.contains("\"build\":7")
    );
    assert_eq!(emitter.emit_cloudevent(&event(id, "other")).unwrap_err().code(), "sdk-event");
    let error = emitter.emit_cloudevent(&event("4b1e2f0c-0000-4000-8000-000000000000", SOURCE)).unwrap_err();
    assert_eq!(error.code(), "attribute-malformed");
}

#[test]
fn an_envelope_that_was_signed_elsewhere_is_forwarded_under_its_own_number() {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = file_target(folder.path());
    emitter(folder.path(), Some(&to)).emit(draft("1")).unwrap();
    let signed = lines(&path).remove(0);

    let other = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(&other.path().join("outbox")).unwrap();
    let courier = Courier { outbox, target: None, trust: trust() };
    let sent = courier.forward(std::slice::from_ref(&signed), &mut |_sent| {}).unwrap().remove(0);
    assert!(matches!(sent.delivery, Delivery::Pending(_)));
    assert_eq!(courier.forward(std::slice::from_ref(&signed), &mut |_sent| {}).unwrap()[0].event, signed.digest());
    let changed = String::from_utf8(signed.event).unwrap().replace("\"version\":\"1\"", "\"version\":\"2\"");
    let second = Signed::sign(changed.into_bytes(), &[&SecretKey::from_seed([2; 32]).unwrap()]);
    assert_eq!(courier.forward(&[second], &mut |_sent| {}).unwrap_err().code(), "number-taken");
}

#[test]
fn events_that_are_emitted_together_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = file_target(folder.path());
    let drafts: Vec<Draft> = (0..50).map(|number| draft(&number.to_string())).collect();
    let sent = emitter(folder.path(), Some(&to)).emit_all(&drafts).unwrap();
    let written: Vec<EventDigest> = lines(&path).iter().map(Signed::digest).collect();
    assert_eq!(sent.iter().map(|one| one.event).collect::<Vec<_>>(), written);
    assert!((1..).zip(&sent).all(|(number, one)| one.sequence == number && one.delivery == Delivery::HandedOver));
}

/// Events that wait: their numbers, file by file.
fn waiting(folder: &Path) -> Vec<Vec<u64>> {
    let source = Outbox::open(&folder.join("outbox")).unwrap().source(SOURCE).unwrap();
    let spans = source.waiting().unwrap();
    spans.into_iter().map(|span| source.read(span).unwrap().iter().map(|one| one.sequence).collect()).collect()
}

fn settle(folder: &Path, numbers: impl Fn(u64) -> bool) {
    let outbox = Outbox::open(&folder.join("outbox")).unwrap();
    let mut source = outbox.source(SOURCE).unwrap();
    let spans = source.waiting().unwrap();
    let events = spans.into_iter().flat_map(|span| source.read(span).unwrap());
    let settled: Vec<_> = events.filter(|one| numbers(one.sequence)).collect();
    let proof = |event: &EventDigest| format!("receipt of {event}\n");
    let with: Vec<_> = settled.into_iter().map(|one| (one.clone(), Settlement::Receipt(proof(&one.event)))).collect();
    source.settle(&with).unwrap();
    assert!(with.iter().all(|(one, _)| outbox.receipt(&one.event).unwrap() == Some(proof(&one.event))));
}

#[test]
fn events_that_are_emitted_together_are_a_few_files() {
    let folder = tempfile::tempdir().unwrap();
    let drafts: Vec<Draft> = (0..2_050).map(|number| draft(&number.to_string())).collect();
    let sent = emitter(folder.path(), None).emit_all(&drafts).unwrap();
    assert!((1..).zip(&sent).all(|(number, one)| one.sequence == number));
    assert_eq!(files(&folder.path().join("outbox/pending")).len(), 3);
    assert_eq!(waiting(folder.path()).concat(), (1..=2_050).collect::<Vec<_>>());
    let status = Outbox::open(&folder.path().join("outbox")).unwrap().status().unwrap();
    assert_eq!(status[0].pending, (1..=2_050).collect::<Vec<_>>());

    settle(folder.path(), |number| number <= 2_000 || number == 2_030);
    assert_eq!(files(&folder.path().join("outbox/receipts")).len(), 1);
    assert_eq!(waiting(folder.path()), [(2_001..=2_050).filter(|number| *number != 2_030).collect::<Vec<_>>()]);
    assert_eq!(emitter(folder.path(), None).emit(draft("next")).unwrap().sequence, 2_051);
    settle(folder.path(), |_number| true);
    assert!(waiting(folder.path()).is_empty());
    assert_eq!(emitter(folder.path(), None).emit(draft("next")).unwrap().sequence, 2_052);
}

#[test]
fn a_wrong_event_among_many_leaves_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut emitter = emitter(folder.path(), None);
    let wrong = Draft::new("dataset.snapshotted", "dataset/a/b", "{}");
    assert_eq!(emitter.emit_all(&[draft("1"), wrong]).unwrap_err().code(), "schema-violation");
    let error = emitter.emit_all(&[draft("1").closing(), draft("2")]).unwrap_err();
    assert_eq!(error.code(), "source-ended");
    assert!(files(&folder.path().join("outbox/pending")).is_empty());
    assert_eq!(emitter.emit_all(&[draft("1"), draft("2").closing()]).unwrap()[1].sequence, 2);
}

/// Everything that a crash can leave of one group on its way through the outbox: no event is lost, no number given twice.
#[test]
fn a_crash_at_any_step_of_many_leaves_them_pending() {
    let folder = tempfile::tempdir().unwrap();
    let drafts: Vec<Draft> = (1..=20).map(|number| draft(&number.to_string())).collect();
    let pending = folder.path().join("outbox/pending");
    let sent = emitter(folder.path(), None).emit_all(&drafts).unwrap();
    let file = files(&pending).remove(0);
    let whole = fs::read(&file).unwrap();

    // In the middle of the write of the next group: it is as if that had never been begun.
    let unfinished = file.replace("000000000001-000000000020", ".new-000000000021-000000000040");
    fs::write(&unfinished, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(waiting(folder.path()), [(1..=20).collect::<Vec<_>>()]);
    assert_eq!(emitter(folder.path(), None).emit(draft("21")).unwrap().sequence, 21);

    // Between the receipts and the envelopes: all that was settled waits again, and is settled again.
    settle(folder.path(), |number| number <= 12);
    let receipts = files(&folder.path().join("outbox/receipts"));
    fs::write(&file, &whole).unwrap();
    assert_eq!(waiting(folder.path()), [(1..=20).collect::<Vec<_>>(), vec![21]]);
    settle(folder.path(), |number| number <= 12);
    assert_eq!(files(&folder.path().join("outbox/receipts")), receipts);
    settle(folder.path(), |_number| true);
    assert!(waiting(folder.path()).is_empty());
    let outbox = Outbox::open(&folder.path().join("outbox")).unwrap();
    assert!(sent.iter().all(|one| outbox.receipt(&one.event).unwrap().is_some()));

    // The same once more when everything is settled: numbers go on from the head.
    fs::write(&file, &whole).unwrap();
    assert_eq!(emitter(folder.path(), None).emit(draft("22")).unwrap().sequence, 22);
}

#[test]
fn envelopes_of_many_numbers_are_adopted_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = file_target(folder.path());
    let drafts: Vec<Draft> = (1..=9).map(|number| draft(&number.to_string())).collect();
    emitter(folder.path(), Some(&to)).emit_all(&drafts).unwrap();
    let all = lines(&path);

    let other = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(&other.path().join("outbox")).unwrap();
    let courier = Courier { outbox, target: None, trust: trust() };
    let pick = |numbers: &[usize]| numbers.iter().map(|number| all[number - 1].clone()).collect::<Vec<_>>();
    courier.forward(&pick(&[7, 3, 5]), &mut |_sent| {}).unwrap();
    assert_eq!(waiting(other.path()), [[3, 5, 7]]);
    settle(other.path(), |number| number != 5);
    courier.forward(&pick(&[5, 3, 4, 7, 7]), &mut |_sent| {}).unwrap();
    assert_eq!(waiting(other.path()), [[3, 4, 5, 7]]);
    courier.forward(&pick(&[6]), &mut |_sent| {}).unwrap();
    assert_eq!(waiting(other.path()).concat(), [3, 4, 5, 7, 6]);
    let sent = courier.forward(&pick(&[9, 4]), &mut |_sent| {}).unwrap();
    assert_eq!(sent.iter().map(|one| one.sequence).collect::<Vec<_>>(), [9, 4]);
    assert_eq!(emitter(other.path(), None).emit(draft("10")).unwrap().sequence, 10);
}
