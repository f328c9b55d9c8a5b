//! A broken producer cannot fill the record with its refusals: a key may cause so many at a time, then it is told to wait.

use lineal_tests::signing::{Producer, key};

use crate::scene::{Scene, is_no_acknowledgement, with_data};

/// Refusals that a key may cause at once.
const BURST: usize = 60;

#[test]
fn a_flood_of_refusals_meets_its_budget_and_nobody_else_does() {
    let mut scene = Scene::new();
    let flooder = key(30);
    let options = ["--source", "https://flood.example/**", "--role", "data", "--name", "dataset/flood/**"];
    scene.home.enrol(flooder.public(), "flood", &options);
    let bad = |number: usize| {
        let producer: Producer = scene.producer(&flooder, "flood", &format!("bad-{number}"));
        with_data(&producer, "{}").sign(producer.key())
    };
    // All of one request, so that no second passes in which the key may cause one more.
    let mut events: Vec<_> = (0..100).map(bad).collect();
    events.push(scene.producer(&flooder, "flood", "good").next_event());
    events.push(scene.worker("meanwhile").next_event());
    let size = scene.http().size();
    let answers = scene.http().post_events(&events);
    let outcomes: Vec<_> = answers.iter().map(|answer| &*answer.outcome).collect();
    assert_eq!(outcomes[..BURST], ["rejected"; BURST]);
    assert_eq!(outcomes[BURST..100], ["refused"; 100 - BURST]);
    assert_eq!(outcomes[100..], ["committed"; 2]);
    assert_eq!(scene.http().size(), size + 62);
    for answer in &answers[BURST..100] {
        is_no_acknowledgement(answer);
        assert_eq!((answer.code.as_deref(), answer.retry), (Some("too-many-refusals"), true));
        let message = answer.message.as_deref().unwrap_or_default();
        assert!(message.contains("too many refused events of this key") && message.contains("dataset"), "{message}");
    }
    assert_eq!(scene.counted("schema-violation"), 100);

    // What was refused on the record is answered from there, whatever the budget.
    let again = scene.http().post_event(&events[0]);
    assert_eq!((again.status, again.answer().receipt), (422, answers[0].receipt.clone()));
    // A key that has used up its budget gets one refusal more a second: of many, one at least is told to wait.
    let told = (100..150).map(|number| scene.http().post_event(&bad(number)));
    let told = told.into_iter().find(|response| response.status == 429).expect("the budget holds for single events");
    assert!(told.header("retry-after").is_some());
    scene.others_go_on();
    scene.is_verified();
}
