//! A ledger that reads from a real NATS server: what comes in, what goes back, who may do what, and what the ledger makes
//! of a stream that is not what it was.
//!
//! The client here is a plain one, with nothing of the project's own producer: what any tool could do.
#![cfg(test)]

use std::{fs, path::Path, sync::Arc, time::Duration};

use async_nats::{
    Client, ConnectOptions, Event, HeaderMap,
    jetstream::{
        self,
        stream::{Config, StorageType},
    },
};
use futures_util::StreamExt as _;
use lineal_ledger::outcome::Answer;
use lineal_schemas::{digest::EventDigest, dsse::Signed, receipt::Receipt};
use lineal_tests::{
    nats::{NatsServer, Options},
    programs::{LedgerHome, LedgerProcess, eventually, recorded, run},
    road::{reading, standing},
    signing::{Producer, key},
};
use serde_json::Value;
use tokio::time::timeout;

const SUBJECT: &str = "dataset/tests/nats";
const STREAM: &str = "LINEAL";
const SOON: Duration = Duration::from_secs(10);

/// A ledger with enrolled producers, whose names and keys are numbered.
fn home(producers: u8) -> LedgerHome {
    let home = LedgerHome::init();
    for number in 1..=producers {
        let source = format!("https://nats.example/p{number}/**");
        let options = ["--source", &source, "--role", "data", "--name", "dataset/tests/**"];
        home.enrol(key(number).public(), &name(number), &options);
    }
    home
}

fn name(number: u8) -> String {
    format!("producer-{number}")
}

fn producer(home: &LedgerHome, number: u8) -> Producer {
    Producer::new(key(number), home.genesis(), &format!("https://nats.example/p{number}/a"), SUBJECT)
}

fn serve(home: &LedgerHome, url: &str, options: &[&str]) -> LedgerProcess {
    let mut command = home.serve_command();
    command.args(["--nats", url]).args(options);
    reading(LedgerProcess::start(command))
}

/// Waits until all that the stream has was dealt with, up to a number.
fn wait_for(process: &LedgerProcess, sequence: u64) {
    eventually(&format!("message {sequence} was dealt with"), || {
        let now = standing(process);
        (now["sequence"] == sequence && now["problem"].is_null()).then_some(())
    });
}

/// A plain client of one producer.
struct Plain {
    client: Client,
    name: String,
    answers: async_nats::Subscriber,
}

impl Plain {
    async fn connect(options: ConnectOptions, url: &str, name: &str) -> Self {
        let client = options.custom_inbox_prefix(format!("_INBOX_{name}")).connect(url).await.unwrap();
        let answers = client.subscribe(format!("lineal.receipts.{name}.>")).await.unwrap();
        client.flush().await.unwrap();
        Self { client, name: name.to_owned(), answers }
    }

    /// Publishes an event as the binding says, and gives its number in the stream.
    async fn publish(&self, signed: &Signed) -> u64 {
        let mut headers = HeaderMap::new();
        headers.insert("Content-Type", "application/cloudevents+json");
        for signature in &signed.signatures {
            headers.append("Lineal-Signature", signature.to_string());
        }
        self.publish_raw(headers, signed.event.clone()).await
    }

    async fn publish_raw(&self, headers: HeaderMap, body: Vec<u8>) -> u64 {
        let subject = format!("lineal.events.{}.dataset.snapshotted", self.name);
        let jetstream = jetstream::new(self.client.clone());
        let acknowledged = jetstream.publish_with_headers(subject, headers, body.into()).await.unwrap();
        acknowledged.await.unwrap().sequence
    }

    /// The next answer, and the event that its subject names.
    async fn answer(&mut self) -> (EventDigest, Answer) {
        let message = timeout(SOON, self.answers.next()).await.expect("an answer comes").unwrap();
        let digest = message.subject.rsplit('.').next().unwrap().parse().unwrap();
        (digest, serde_json::from_slice(&message.payload).unwrap())
    }

    /// The answer, which must come for that event with that outcome.
    async fn answered(&mut self, signed: &Signed, outcome: &str) -> Answer {
        let (digest, answer) = self.answer().await;
        assert_eq!((digest, &*answer.outcome), (signed.digest(), outcome), "{answer:?}");
        answer
    }

    async fn ask(&self, subject: &str) -> Value {
        let asked = self.client.request(subject.to_owned(), "".into()).await;
        serde_json::from_slice(&asked.expect("the service answers").payload).unwrap()
    }
}

fn check_receipt(home: &LedgerHome, signed: &Signed, answer: &Answer) {
    let receipt = Receipt::parse(answer.receipt.as_ref().expect("an acknowledgement has a receipt")).unwrap();
    receipt.verify(&home.trust()).unwrap();
    assert_eq!(receipt.entry().event, signed.digest());
}

/// Each event is in the record once, and an auditor agrees.
fn check_record(home: &LedgerHome, events: &[Signed]) {
    let record = recorded(home.dir());
    for signed in events {
        let found = record.iter().filter(|entry| entry.event == signed.event).count();
        assert_eq!(found, 1, "{}", String::from_utf8_lossy(&signed.event));
    }
    home.verify(&["--quiet"]).succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_committed_and_answered_and_a_poisonous_one_stops_nothing() {
    let (home, server) = (home(2), NatsServer::start(&Options::default()));
    let (mut first, mut stranger) = (producer(&home, 1), producer(&home, 9));
    let process = serve(&home, &server.url(), &[]);
    let mut plain = Plain::connect(ConnectOptions::new(), &server.url(), &name(1)).await;
    let events = first.next_events(3);
    for signed in &events {
        plain.publish(signed).await;
        let answer = plain.answered(signed, "committed").await;
        check_receipt(&home, signed, &answer);
    }
    // No event, no signature, a wrong one, one by a key that nobody enrolled.
    plain.publish_raw(HeaderMap::new(), b"poison".to_vec()).await;
    let (digest, answer) = plain.answer().await;
    assert_eq!((digest, answer.code.as_deref()), (EventDigest::of(b"poison"), Some("unsigned")));
    let mut wrong = first.draft().sign(first.key());
    wrong.signatures[0].bytes[7] ^= 1;
    plain.publish(&wrong).await;
    assert_eq!(plain.answered(&wrong, "refused").await.code.as_deref(), Some("wrong-signature"));
    let strange = stranger.next_event();
    plain.publish(&strange).await;
    assert!(plain.answered(&strange, "parked").await.receipt.is_none());
    // A resend long after is a duplicate, and gets the same receipt.
    plain.publish(&events[0]).await;
    let again = plain.answered(&events[0], "duplicate").await;
    check_receipt(&home, &events[0], &again);

    // Asked for later, by whoever signed it and by nobody else.
    let receipt = |asker: u8, digest| format!("lineal.ask.{}.receipt.{digest}", name(asker));
    let asked = plain.ask(&receipt(1, events[0].digest())).await;
    assert_eq!((asked["outcome"].as_str(), asked["receipt"].as_str()), (Some("committed"), again.receipt.as_deref()));
    assert_eq!(plain.ask(&receipt(2, events[0].digest())).await["outcome"], "unknown");
    assert_eq!(plain.ask(&receipt(1, strange.digest())).await["outcome"], "parked");
    assert_eq!(plain.ask(&receipt(1, EventDigest::of(b"?"))).await["outcome"], "unknown");
    process.stop();
    check_record(&home, &events);
}

/// A receipt that went to a subject of the sender's choosing could be used to say something in the ledger's name.
#[tokio::test(flavor = "multi_thread")]
async fn answers_go_to_the_enrolled_producer_and_replies_to_inboxes_alone() {
    let (home, server) = (home(2), NatsServer::start(&Options::default()));
    let mut second = producer(&home, 2);
    let process = serve(&home, &server.url(), &[]);
    let mut plain = Plain::connect(ConnectOptions::new(), &server.url(), &name(1)).await;
    let mut other = Plain::connect(ConnectOptions::new(), &server.url(), &name(2)).await;
    // The second one's event, on the first one's subject.
    let event = second.next_event();
    plain.publish(&event).await;
    check_receipt(&home, &event, &other.answered(&event, "committed").await);
    assert!(timeout(Duration::from_millis(300), plain.answer()).await.is_err(), "it was not the first one's");
    // A reply to a subject that is no inbox.
    let mut elsewhere = plain.client.subscribe("lineal.receipts.elsewhere").await.unwrap();
    let ask = format!("lineal.ask.{}.receipt.{}", name(2), event.digest());
    plain.client.publish_with_reply(ask, "lineal.receipts.elsewhere", "".into()).await.unwrap();
    assert!(timeout(Duration::from_millis(300), elsewhere.next()).await.is_err(), "no reply goes there");
    process.stop();
}

fn with_seed(seeds: &Path, user: &str) -> ConnectOptions {
    let seed = fs::read_to_string(seeds.join(format!("{user}.nk"))).unwrap();
    ConnectOptions::with_nkey(seed.trim().to_owned())
}

/// With the configuration that ships, a producer can neither publish as another nor read receipts of another.
#[tokio::test(flavor = "multi_thread")]
async fn the_permissions_that_ship_keep_producers_apart() {
    let home = home(2);
    let (configuration, seeds) = home.nats_users();
    let server = NatsServer::start(&Options { configuration, ..Options::default() });
    let ledger_seed = seeds.join("_ledger.nk");
    let process = serve(&home, &server.url(), &["--nats-nkey", ledger_seed.to_str().unwrap()]);
    let (refusals, mut refused) = tokio::sync::mpsc::unbounded_channel();
    let options = with_seed(&seeds, &name(1)).event_callback(move |event| {
        if let Event::ServerError(error) = &event {
            refusals.send(error.to_string()).unwrap_or_default();
        }
        std::future::ready(())
    });
    let mut plain = Plain::connect(options, &server.url(), &name(1)).await;
    let mut other = Plain::connect(with_seed(&seeds, &name(2)), &server.url(), &name(2)).await;

    // Its own road is open, to the end.
    let mut own = producer(&home, 1);
    let event = own.next_event();
    plain.publish(&event).await;
    let answer = plain.answered(&event, "committed").await;
    check_receipt(&home, &event, &answer);
    let asked = plain.ask(&format!("lineal.ask.{}.receipt.{}", name(1), event.digest())).await;
    assert_eq!(asked["receipt"].as_str(), answer.receipt.as_deref());

    // The other's is closed: publishing as it, hearing its receipts, asking as it, and the stream itself.
    let mut denied = async |what: &str| {
        let said =
            timeout(SOON, refused.recv()).await.unwrap_or_else(|_late| panic!("{what} was not refused")).unwrap();
        assert!(said.to_lowercase().contains("permissions violation"), "{what}: {said}");
    };
    let jetstream = jetstream::new(plain.client.clone());
    let as_other = format!("lineal.events.{}.dataset.snapshotted", name(2));
    drop(jetstream.publish(as_other, "forged".into()).await.unwrap());
    denied("publishing as another").await;
    let mut overheard = plain.client.subscribe(format!("lineal.receipts.{}.>", name(2))).await.unwrap();
    denied("hearing another's receipts").await;
    let mut all = plain.client.subscribe("lineal.receipts.>").await.unwrap();
    denied("hearing all receipts").await;
    plain.client.publish(format!("lineal.ask.{}.receipt.{}", name(2), event.digest()), "".into()).await.unwrap();
    denied("asking as another").await;
    plain.client.publish(format!("lineal.receipts.{}.{}", name(2), event.digest()), "{}".into()).await.unwrap();
    denied("answering as the ledger").await;
    plain.client.publish(format!("$JS.API.STREAM.DELETE.{STREAM}"), "".into()).await.unwrap();
    denied("deleting the stream").await;

    let theirs = producer(&home, 2).next_event();
    other.publish(&theirs).await;
    other.answered(&theirs, "committed").await;
    let nothing = Duration::from_millis(300);
    assert!(
        timeout(nothing, overheard.next()).await.is_ok_and(|message| message.is_none())
            || timeout(nothing, all.next()).await.is_err()
    );
    process.stop();
    check_record(&home, &[event, theirs]);
}

/// An operator who made a stream by hand is told in what it differs, and it stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_differs_is_an_error_and_is_not_changed() {
    let (home, server) = (home(1), NatsServer::start(&Options::default()));
    let client = async_nats::connect(server.url()).await.unwrap();
    let made = Config {
        name: STREAM.to_owned(),
        subjects: vec!["lineal.events.>".to_owned()],
        storage: StorageType::Memory,
        ..Config::default()
    };
    jetstream::new(client.clone()).create_stream(made).await.unwrap();
    let mut command = home.serve_command();
    command.args(["--nats", &server.url()]);
    let ended = run(&mut command);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for said in ["storage is Memory and must be File", "deny_purge", "allow_atomic", "hint: "] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    let stream = jetstream::new(client).get_stream(STREAM).await.unwrap();
    assert_eq!(stream.cached_info().config.storage, StorageType::Memory);
    // Another name is another stream, but two streams can't have the same subjects: the server says so.
    let mut command = home.serve_command();
    command.args(["--nats", &server.url(), "--nats-creds", "/no/such/file"]);
    assert!(run(&mut command).stderr.contains("/no/such/file"));
}

/// Deleted and made anew under the ledger: recognised by when it was created, and read from its first message.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_deleted_is_made_and_read_anew() {
    let (home, server) = (home(1), NatsServer::start(&Options::default()));
    let process = serve(&home, &server.url(), &[]);
    let mut plain = Plain::connect(ConnectOptions::new(), &server.url(), &name(1)).await;
    let mut first = producer(&home, 1);
    let events = first.next_events(4);
    for signed in &events[..3] {
        plain.publish(signed).await;
        plain.answered(signed, "committed").await;
    }
    jetstream::new(plain.client.clone()).delete_stream(STREAM).await.unwrap();
    eventually("the stream is there again", || {
        let said = process.said();
        said.contains("the stream is read from its first message").then_some(())
    });
    // The resend of an outbox gets its receipt again, and what is new comes in.
    plain.publish(&events[0]).await;
    plain.answered(&events[0], "duplicate").await;
    plain.publish(&events[3]).await;
    plain.answered(&events[3], "committed").await;
    process.stop();
    check_record(&home, &events);
}

/// The position is derived: with it nothing is read twice, without it everything is, and nothing is doubled.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_position_costs_a_second_reading_and_nothing_else() {
    let (home, server) = (home(1), NatsServer::start(&Options::default()));
    let events = producer(&home, 1).next_events(5);
    let process = serve(&home, &server.url(), &[]);
    let plain = Plain::connect(ConnectOptions::new(), &server.url(), &name(1)).await;
    for signed in &events {
        plain.publish(signed).await;
    }
    wait_for(&process, 5);
    // It is written a moment later, not with each event: a kill before that costs a second reading as well.
    let position = home.dir().join("derived/nats-position.json");
    eventually("the position is written", || {
        fs::read_to_string(&position).ok()?.contains("\"sequence\":5").then_some(())
    });
    process.kill();

    let process = serve(&home, &server.url(), &[]);
    wait_for(&process, 5);
    assert!(!process.http().get("/metrics").text().contains("lineal_nats_events_total{"));
    process.stop();

    fs::write(&position, r#"{"stream":"LINE"#).unwrap();
    let process = serve(&home, &server.url(), &[]);
    wait_for(&process, 5);
    let metrics = process.http().get("/metrics").text().to_owned();
    assert!(metrics.contains(r#"lineal_nats_events_total{outcome="duplicate"} 5"#), "{metrics}");
    process.stop();
    check_record(&home, &events);
}

/// What the stream's limits took away before it was read is counted and said, and what comes after it is taken in.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_the_stream_lost_are_noticed() {
    let (home, server) = (home(1), NatsServer::start(&Options::default()));
    let options = ["--nats-max-bytes", "8000"];
    let process = serve(&home, &server.url(), &options);
    let plain = Plain::connect(ConnectOptions::new(), &server.url(), &name(1)).await;
    let events = producer(&home, 1).next_events(20);
    plain.publish(&events[0]).await;
    wait_for(&process, 1);
    process.stop();
    for signed in &events[1..] {
        plain.publish(signed).await;
    }
    let process = serve(&home, &server.url(), &options);
    wait_for(&process, 20);
    let missing = standing(&process)["missing"].as_u64().unwrap();
    assert!((1..19).contains(&missing), "{missing}\n{}", process.said());
    assert!(process.said().contains("the stream lost messages"), "{}", process.said());
    // Their outbox brings them back, and the hole closes.
    for signed in &events {
        plain.publish(signed).await;
    }
    wait_for(&process, 40);
    process.stop();
    check_record(&home, &events);
}

/// An attachment is fetched once an event names it, and its object goes; what is not what its name says goes as well.
#[tokio::test(flavor = "multi_thread")]
async fn attachments_come_through_the_bucket() {
    let home = home(1);
    let (configuration, seeds) = home.nats_users();
    let server = NatsServer::start(&Options { configuration, ..Options::default() });
    let ledger_seed = seeds.join("_ledger.nk");
    let process = serve(&home, &server.url(), &["--nats-nkey", ledger_seed.to_str().unwrap()]);
    let mut plain = Plain::connect(with_seed(&seeds, &name(1)), &server.url(), &name(1)).await;
    let listing: Arc<Vec<u8>> = Arc::new((0..300_000_u32).flat_map(u32::to_be_bytes).collect());
    let (digest, other) = (EventDigest::of(&listing), EventDigest::of(b"other"));
    let mut first = producer(&home, 1);
    let mut parts = first.draft();
    let attachment = |digest: EventDigest, size: usize| {
        format!(r#"{{"role":"listing","digest":{{"sha256":"{digest}"}},"size":{size},"mediaType":"text/plain"}}"#)
    };
    parts
        .data
        .insert_str(1, &format!(r#""attachments":[{},{}],"#, attachment(digest, listing.len()), attachment(other, 5)));
    let event = first.say(&parts);
    plain.publish(&event).await;
    plain.answered(&event, "committed").await;

    let stored = async |digest: EventDigest| {
        plain.ask(&format!("lineal.ask.{}.attachment.{digest}", name(1))).await["stored"] == true
    };
    assert!(!stored(digest).await);
    let bucket = jetstream::new(plain.client.clone()).get_object_store("lineal-attachments").await.unwrap();
    bucket.put(digest.to_string().as_str(), &mut listing.as_slice()).await.unwrap();
    bucket.put(other.to_string().as_str(), &mut b"not it".as_slice()).await.unwrap();
    let deadline = timeout(SOON, async {
        while !stored(digest).await || bucket.info(other.to_string()).await.is_ok_and(|object| !object.deleted) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    deadline.await.expect("the attachment arrives");
    assert!(!stored(other).await);
    assert_eq!(process.http().get(&format!("/attachments/{digest}")).body, *listing);
    process.stop();
    check_record(&home, &[event]);
}
