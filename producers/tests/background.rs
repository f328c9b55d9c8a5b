//! The emitter that sends in the background: what it promises to work that must not wait.
#![expect(clippy::unwrap_used, reason = "a test fails where its own set-up does")]

use std::{fs, net::TcpListener, path::Path, time::Duration};

use lineal_producers::{Draft, Emitter, Settings, background::Background, delivery::Courier, outbox::Outbox};
use lineal_schemas::{
    digest::EventDigest, dsse::Signed, event::Event, key::SecretKey, note::VerifierKey, trust::Trust,
};

const SOURCE: &str = "https://ci.example.com/payments";

/// Far more than any of this takes.
const PLENTY: Duration = Duration::from_mins(1);

fn trust() -> Trust {
    let ledger = SecretKey::from_seed([1; 32]).unwrap();
    let key = VerifierKey::new("example.com/ledger", ledger.public().clone()).unwrap();
    Trust::new(EventDigest::of(b"genesis"), &[key]).unwrap()
}

fn background(folder: &Path, to: Option<&str>) -> Background {
    let settings = Settings {
        key: SecretKey::from_seed([2; 32]).unwrap(),
        trust: trust(),
        source: SOURCE.to_owned(),
        target: to.map(|to| to.parse().unwrap()),
        outbox: folder.join("outbox"),
    };
    Background::start(Emitter::open(settings).unwrap()).unwrap()
}

fn draft(seed: u64) -> Draft {
    let data = format!(r#"{{"dataset":{{"digest":{{"sha256":"{}"}}}},"version":"{seed}"}}"#, EventDigest::of(b"x"));
    Draft::new("dataset.snapshotted", "dataset/payments/transactions", data)
}

fn sequences(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap();
    let events = text.lines().map(|line| Signed::from_envelope(line.as_bytes()).unwrap());
    events.map(|signed| Event::parse(&signed.event).unwrap().sequence).collect()
}

fn waiting(folder: &Path) -> Vec<u64> {
    Outbox::open(&folder.join("outbox")).unwrap().status().unwrap().remove(0).pending
}

#[test]
fn closing_sends_all_that_was_emitted_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let events = background(folder.path(), Some(&format!("file:{}", path.display())));
    for number in 1..=20 {
        assert_eq!(events.emit(&draft(number)).unwrap().sequence, number);
    }
    events.emit_all(&(21..=60).map(draft).collect::<Vec<_>>()).unwrap();
    let standing = events.close(PLENTY);
    assert_eq!((standing.settled, standing.waiting, standing.problem), (60, 0, None));
    assert_eq!(sequences(&path), (1..=60).collect::<Vec<_>>());
}

#[test]
fn what_could_not_be_sent_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later/events.jsonl");
    let events = background(folder.path(), Some(&format!("file:{}", path.display())));
    let stored = events.emit_all(&[draft(1), draft(2)]).unwrap();
    assert_eq!(waiting(folder.path()), [1, 2]);
    assert_eq!(stored[1].sequence, 2);
    fs::create_dir(folder.path().join("later")).unwrap();
    let standing = events.close(PLENTY);
    assert_eq!((standing.settled, standing.waiting), (2, 0));
    assert_eq!(sequences(&path), [1, 2]);
}

#[test]
fn a_ledger_that_never_answers_holds_up_neither_an_event_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let events = background(folder.path(), Some(&format!("http://{}", listener.local_addr().unwrap())));
    events.emit(&draft(1)).unwrap();
    // The sender has connected, and waits for an answer.
    let _connection = listener.accept().unwrap();
    events.emit(&draft(2)).unwrap();
    assert_eq!(waiting(folder.path()), [1, 2]);
    assert_eq!(events.close(Duration::ZERO).waiting, 2);
    assert_eq!(waiting(folder.path()), [1, 2]);
}

#[test]
fn what_was_left_is_sent_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let first = background(folder.path(), None);
    first.emit(&draft(1)).unwrap();
    let standing = first.close(PLENTY);
    assert_eq!(standing.waiting, 1);
    assert!(standing.problem.unwrap().contains("no target"));

    let path = folder.path().join("events.jsonl");
    let second = background(folder.path(), Some(&format!("file:{}", path.display())));
    assert_eq!(second.emit(&draft(2)).unwrap().sequence, 2);
    drop(second);
    assert_eq!(sequences(&path), [1, 2]);
    let outbox = Outbox::open(&folder.path().join("outbox")).unwrap();
    assert!(Courier { outbox, target: None, trust: trust() }.flush().unwrap().sent.is_empty());
}

#[test]
fn a_wrong_event_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let events = background(folder.path(), None);
    let error = events.emit(&Draft::new("dataset.snapshotted", "dataset/a/b", "{}")).unwrap_err();
    assert_eq!(error.code(), "schema-violation");
    assert_eq!(events.emit(&draft(1)).unwrap().sequence, 1);
}
