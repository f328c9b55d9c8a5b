//! The library's emitter for work that must not wait, and its answers, over a real NATS server: whatever is away comes back
//! without a further call, whatever is lost is asked for, and whoever drops it loses nothing.
#![cfg(test)]

use async_nats::jetstream;
use lineal_ledger::clock::{Clock as _, SystemClock};
use lineal_producers::{
    Draft, Emitter, Settings,
    background::{Background, Standing},
    target::{NatsSettings, Target},
};
use lineal_schemas::key::SecretKey;
use lineal_tests::{
    nats::{NatsServer, Options, Proxy},
    programs::{PATIENCE, eventually},
    road::{KEY, Road, SOURCE, SUBJECT, all_committed},
    signing::snapshot_data,
};

const STREAM: &str = "LINEAL";

/// What a tool does that uses the library on the machine.
fn background(road: &Road, url: &str) -> Background {
    let nats = NatsSettings { producer: "ci".to_owned(), ..NatsSettings::default() };
    let settings = Settings {
        key: SecretKey::from_seed([KEY; 32]).unwrap(),
        trust: road.home().trust(),
        source: SOURCE.to_owned(),
        target: Some(Target::parse(url, nats).unwrap()),
        outbox: road.machine().join("outbox"),
    };
    Background::start(Emitter::open(settings).unwrap()).unwrap()
}

fn draft(number: u64) -> Draft {
    Draft::new("dataset.snapshotted", SUBJECT, snapshot_data(SUBJECT, &number.to_string()))
}

/// Waits until so many are settled and nothing waits any more.
fn wait_for_settled(events: &Background, count: u64) {
    eventually(&format!("{count} settled events"), || {
        let Standing { settled, waiting, problem, .. } = events.standing();
        (settled == count && waiting == 0 && problem.is_none()).then_some(())
    });
}

/// Waits until so many wait, and until it says why.
fn wait_for_problem(events: &Background, count: u64, words: &str) {
    eventually(words, || {
        let Standing { waiting, problem, .. } = events.standing();
        (waiting == count && problem.is_some_and(|problem| problem.contains(words))).then_some(())
    });
}

#[test]
fn whatever_is_away_comes_back_and_events_go_without_a_further_call() {
    let (road, mut server) = (Road::new(), NatsServer::start(&Options::default()));
    let events = background(&road, &server.url());
    events.emit_all(&[draft(1), draft(2), draft(3)]).unwrap();
    wait_for_problem(&events, 3, "is `lineal serve --nats` running?");
    let process = road.serve(&server.url(), &[]);
    wait_for_settled(&events, 3);
    // The stream is there, and nobody reads it.
    process.kill();
    events.emit(&draft(4)).unwrap();
    wait_for_problem(&events, 1, "no ledger is there");
    let process = road.serve(&server.url(), &[]);
    wait_for_settled(&events, 4);
    server.kill();
    events.emit(&draft(5)).unwrap();
    wait_for_problem(&events, 1, "can't be reached");
    server.restart();
    wait_for_settled(&events, 5);
    let standing = events.close(PATIENCE);
    assert_eq!((standing.settled, standing.waiting, standing.problem), (5, 0, None));
    road.check(process, 5);
}

#[test]
fn dropping_it_loses_nothing() {
    let (road, mut server) = (Road::new(), NatsServer::start(&Options::default()));
    let url = server.url();
    let said = |numbers: std::ops::RangeInclusive<u64>| {
        let events = background(&road, &url);
        events.emit_all(&numbers.map(draft).collect::<Vec<_>>()).unwrap();
    };
    // Nobody has made the stream; nobody is there at all; all are there.
    said(1..=20);
    server.stop();
    said(21..=40);
    server.restart();
    let process = road.serve(&url, &[]);
    said(41..=60);
    // What the last one had no time for is sent by whoever comes next.
    all_flushed(&road, &url);
    road.check(process, 60);
}

/// Nothing waits any more, now or after a flush.
fn all_flushed(road: &Road, url: &str) {
    let flushed = road.emit(url, &[], &["flush", "--follow"]);
    flushed.with_code(0);
    assert!(flushed.stdout.contains("\"inUse\":[]"), "{}", flushed.stdout);
}

/// The ledger's answers are lost, and nothing else is: the producer asks for them after a moment, and sends nothing again.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_are_asked_for_and_no_event_is_sent_again() {
    let (road, server) = (Road::new(), NatsServer::start(&Options::default()));
    let proxy = Proxy::to(server.port());
    let process = road.serve(&server.url(), &[]);
    proxy.lose_messages_on("lineal.receipts.");
    let jetstream = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let mut stream = jetstream.get_stream(STREAM).await.unwrap();
    let mut said = 0;
    // One, a few, and more than are asked about at the same time.
    for count in [1, 7, 200] {
        let started = SystemClock::start();
        all_committed(&road.send(&proxy.url(), &[], count));
        let took = started.monotonic_ms();
        said += count;
        assert_eq!(proxy.lost(), said, "every answer was lost");
        assert_eq!(stream.info().await.unwrap().state.last_sequence, said as u64, "each event was sent once");
        assert!(took < 10_000, "{count} answers took {took} ms");
    }
    let metrics = process.http().get("/metrics").text().to_owned();
    assert!(!metrics.contains(r#"outcome="duplicate""#), "{metrics}");
    road.check(process, said as u64);
}
