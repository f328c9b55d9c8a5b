//! First contact: sound events under a key that nobody enrolled yet wait, unacknowledged and outside of the record, and
//! are admitted as if just received once it is; over restarts, and over a crash in between.

use std::{collections::BTreeMap, path::PathBuf};

use lineal_schemas::dsse::Signed;
use lineal_tests::{
    programs::{LedgerHome, recorded, run},
    signing::{Producer, key, snapshot_data, wrong_signature},
};

use crate::scene::{Scene, is_no_acknowledgement};

/// The waiting events as they lie on disk.
fn waiting(home: &LedgerHome) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(home.dir().join("parked")).into_iter().flatten();
    files.map(|file| file.unwrap().path()).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[track_caller]
fn is_parked(scene: &Scene, event: &Signed) {
    let size = scene.http().size();
    let response = scene.http().post_event(event);
    let answer = response.answer();
    assert_eq!((response.status, &*answer.outcome, answer.retry), (202, "parked", true), "{answer:?}");
    assert_eq!(answer.code.as_deref(), Some("unknown-key"));
    let keyid = event.signatures[0].keyid.to_string();
    assert!(answer.message.as_ref().is_some_and(|said| said.contains(&keyid)), "{answer:?}");
    is_no_acknowledgement(&answer);
    assert_eq!(scene.http().size(), size);
}

fn newcomer(scene: &Scene, source: &str) -> Producer {
    scene.producer(&key(40), "newcomer", source)
}

fn enrol(scene: &Scene) {
    let options = ["--source", "https://newcomer.example/**", "--role", "data", "--name", "dataset/newcomer/**"];
    scene.home.enrol(key(40).public(), "newcomer", &options);
}

#[test]
fn events_of_a_key_wait_until_it_is_enrolled() {
    let mut scene = Scene::new();
    let events = newcomer(&scene, "a").next_events(12);
    let mut unwelcome = newcomer(&scene, "b").draft();
    unwelcome.subject = "dataset/good/a".to_owned();
    unwelcome.data = snapshot_data("dataset/good/a", "not theirs");
    let unwelcome = unwelcome.sign(&key(40));
    for event in events.iter().chain([&unwelcome]) {
        is_parked(&scene, event);
    }
    // Sent again, it waits as before.
    is_parked(&scene, &events[0]);
    assert_eq!(waiting(&scene.home).len(), 13);
    scene.others_go_on();
    assert_eq!(scene.http().get(&format!("/receipts/{}", events[0].digest())).status, 404);
    scene.restart();
    let listed = run(&mut scene.home.lineal("parked list")).succeeded();
    let shown = run(scene.home.lineal("parked show").arg(events[3].digest().to_string())).succeeded();
    assert_eq!(listed.lines().count(), 14, "{listed}");
    assert_eq!(shown.trim_end(), events[3].to_envelope());

    enrol(&scene);
    let record = recorded(scene.home.dir());
    let index = |event: &Signed| record.iter().position(|entry| entry.event == event.event);
    let indices: Vec<_> = events.iter().map(index).collect();
    assert!(indices.is_sorted() && indices.iter().all(Option::is_some), "in the order of their source: {indices:?}");
    assert_eq!(waiting(&scene.home), BTreeMap::new());
    for event in &events {
        let again = scene.http().post_event(event);
        assert_eq!((again.status, &*again.answer().outcome), (200, "duplicate"));
        assert!(scene.receipt(&again.answer()).is_for(&event.digest()));
        assert_eq!(scene.http().get(&format!("/receipts/{}", event.digest())).status, 200);
    }
    // Enrolled does not mean that it may say everything.
    assert!(!scene.has(&unwelcome));
    let refused = scene.http().post_event(&unwelcome);
    assert_eq!((refused.status, refused.answer().code.as_deref()), (422, Some("name-not-allowed")));
    scene.refusal(&refused.answer());
    scene.is_verified();
}

#[test]
fn a_crash_between_enrolment_and_tidying_up_admits_nothing_twice() {
    let mut scene = Scene::new();
    let mut producer = newcomer(&scene, "a");
    let early = producer.next_events(2);
    for event in &early {
        is_parked(&scene, event);
    }
    let left = waiting(&scene.home);
    enrol(&scene);
    assert_eq!(waiting(&scene.home), BTreeMap::new());
    let size = scene.http().size();
    // What the crash leaves behind.
    scene.restart_after(|_home| left.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap()));
    scene.is_committed(&producer.next_event());
    assert_eq!(scene.http().size(), size + 1);
    assert_eq!(waiting(&scene.home), BTreeMap::new());
    scene.is_verified();
}

#[test]
fn what_a_key_never_signed_is_dropped_once_it_is_known() {
    let mut scene = Scene::new();
    let text = newcomer(&scene, "a").draft().text().into_bytes();
    let forged = Signed { signatures: vec![wrong_signature(&text, &key(40))], event: text };
    is_parked(&scene, &forged);
    let left = waiting(&scene.home);
    enrol(&scene);
    assert_eq!(waiting(&scene.home), BTreeMap::new());
    scene.is_kept(&forged, "wrong-signature");
    scene.restart_after(|_home| left.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap()));
    scene.is_committed(&newcomer(&scene, "a").next_event());
    assert_eq!(waiting(&scene.home), BTreeMap::new());
    scene.is_verified();
}

#[test]
fn two_signatures_wait_for_both_keys() {
    for [first, second] in [[40, 41], [41, 40]].map(|seeds| seeds.map(key)) {
        let mut scene = Scene::new();
        let text = newcomer(&scene, "a").draft().text();
        let event = Signed::sign(text.into_bytes(), &[&first, &second]);
        let options = ["--source", "https://newcomer.example/**", "--role", "data", "--name", "dataset/newcomer/**"];
        is_parked(&scene, &event);
        scene.home.enrol(first.public(), "first", &options);
        assert_eq!(waiting(&scene.home).len(), 1);
        assert!(!scene.has(&event));
        scene.others_go_on();
        scene.home.enrol(second.public(), "second", &options);
        assert!(scene.has(&event));
        assert_eq!(waiting(&scene.home), BTreeMap::new());
        scene.is_verified();
    }
}
