//! Sound events of keys that may not say this, not here, or not any more. Each is rejected in the record.

use lineal_schemas::{digest::EventDigest, key::SecretKey};
use lineal_tests::{
    programs::run,
    signing::{Parts, Producer, key},
};

use crate::scene::{Expected, Scene};

const RUN: &str = r#"{"runId":"r-1","job":{"namespace":"worker","name":"train","kind":"train"}}"#;

/// What a producer says next.
type Draft = fn(&Producer) -> Parts;

fn run_started(producer: &Producer) -> Parts {
    let (name, subject) = ("run.started".to_owned(), "job/worker/train".to_owned());
    Parts { name, subject, data: RUN.to_owned(), ..producer.draft() }
}

/// Something sound about what belongs to others.
fn of_others(producer: &Producer) -> Parts {
    let data = producer.draft().data.replace("dataset/worker/claims", "dataset/good/a");
    Parts { subject: "dataset/good/a".to_owned(), data, ..producer.draft() }
}

#[test]
fn what_a_key_may_not_say_is_rejected_and_fills_its_number() {
    let mut scene = Scene::new();
    let clerk = key(3);
    let options = ["--source", "https://clerk.example/**", "--role", "data", "--name", "dataset/clerk/**"];
    let types = ["--name", "job/**", "--type", "run.started", "--type", "dataset.snapshotted"];
    scene.home.enrol(clerk.public(), "clerk", &[&options[..], &types[..]].concat());
    let mut worker = scene.worker("claims");
    let mut clerk = scene.producer(&clerk, "clerk", "a");
    let mut worker_again = worker_again(&scene);
    let cases: [(&mut Producer, Draft, &str, &str); 3] = [
        (&mut worker, run_started, "type-not-allowed", "run.started"),
        (&mut clerk, run_started, "role-not-allowed", "run.started"),
        (&mut worker_again, of_others, "name-not-allowed", "dataset/good/a"),
    ];
    for (producer, parts, code, says) in cases {
        scene.others_go_on();
        let event = producer.say(&parts(producer));
        assert!(scene.is_rejected(&event, &Expected { status: 422, code, says: &[says] }).fills, "{code}");
        scene.is_committed(&producer.next_event());
    }
    scene.is_verified();
}

/// The worker on another source, whose subjects are those of the first.
fn worker_again(scene: &Scene) -> Producer {
    let worker = scene.worker("claims");
    Producer::new(worker.key().clone(), scene.trust.genesis(), "https://worker.example/again", "dataset/worker/claims")
}

#[test]
fn another_source_or_another_ledger_is_rejected_and_touches_nothing() {
    let mut scene = Scene::new();
    let mut worker = scene.worker("a");
    scene.is_committed(&worker.next_event());
    let foreign = Parts { source: "https://good.example/b".to_owned(), previous: None, sequence: 1, ..worker.draft() };
    let staging = Parts { ledger: EventDigest::of(b"staging"), ..worker.draft() };
    let ledgers_own = Parts { source: "lineal://ledger.example/test".to_owned(), ..worker.draft() };
    let cases = [
        (foreign, "source-not-allowed", "https://good.example/b".to_owned()),
        (staging, "wrong-ledger", EventDigest::of(b"staging").to_string()),
        (ledgers_own, "not-the-ledger", worker.key().keyid().to_string()),
    ];
    for (parts, code, says) in cases {
        scene.others_go_on();
        let event = parts.sign(worker.key());
        assert!(!scene.is_rejected(&event, &Expected { status: 422, code, says: &[&says] }).fills, "{code}");
    }
    scene.is_committed(&worker.next_event());
    scene.is_verified();
}

#[test]
fn keys_speak_only_while_they_are_valid() {
    let mut scene = Scene::new();
    let enrol = |scene: &Scene, key: &SecretKey, name: &str, more: &[&str]| {
        let (source, subject) = (format!("https://{name}.example/**"), format!("dataset/{name}/**"));
        let options = ["--source", &source, "--role", "data", "--name", &subject];
        scene.home.enrol(key.public(), name, &[&options[..], more].concat());
    };
    let [expired, early, revoked, retired] = [key(20), key(21), key(22), key(23)];
    enrol(&scene, &expired, "expired", &["--not-after", "2020-01-01T00:00:00Z"]);
    enrol(&scene, &early, "early", &["--not-before", "9000-01-01T00:00:00Z"]);
    enrol(&scene, &revoked, "revoked", &[]);
    enrol(&scene, &retired, "retired", &[]);
    let mut before = scene.producer(&revoked, "revoked", "a");
    scene.is_committed(&before.next_event());
    scene.home.revoke(revoked.public());
    let new = scene.home.key_file(key(24).public());
    let mut rotate = scene.home.lineal("rotate");
    rotate.arg("--root-key").arg(scene.home.root_key()).arg("--key").arg(new);
    run(rotate.args(["--old", &retired.keyid().to_string()])).succeeded();
    for (key, name, code, says) in [
        (&expired, "expired", "key-expired", "2020-01-01T00:00:00.000Z"),
        (&early, "early", "key-not-yet-valid", "9000-01-01T00:00:00.000Z"),
        (&revoked, "revoked", "key-revoked", "is revoked"),
        (&retired, "retired", "key-retired", "was replaced by"),
    ] {
        scene.others_go_on();
        let event = scene.producer(key, name, "b").next_event();
        let expected = Expected { status: 422, code, says: &[&key.keyid().to_string(), says] };
        assert!(!scene.is_rejected(&event, &expected).fills, "{code}");
    }
    // The successor has the rights of the key that it replaced.
    scene.is_committed(&scene.producer(&key(24), "retired", "c").next_event());
    scene.restart();
    let event = before.next_event();
    let expected = Expected { status: 422, code: "key-revoked", says: &["is revoked"] };
    scene.is_rejected(&event, &expected);
    scene.is_verified();
}
