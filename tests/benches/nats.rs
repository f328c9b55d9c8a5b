//! From a signed event to its verified receipt over NATS: producers, server and ledger on one machine, as ratios in one run.
//!
//! `cargo bench -p lineal-tests --bench nats [-- --events N --rounds N | --idle]`. What each part costs in CPU is measured
//! by itself first: JetStream (a batch published, and read in order by a client), the answers' way back, a producer
//! without a ledger, and the ledger's own intake. The cores divided by the sum is the ceiling. Then all of it together:
//! real `nats-server`, real `lineal serve`, and producers with an outbox on disk. It prints, and never fails on a number.
//! (docs/PERFORMANCE.md)
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![expect(clippy::cast_precision_loss, reason = "rates are printed, not computed with")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use async_nats::{
    Client, ConnectOptions, HeaderMap, Request, Subscriber,
    header::{NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE},
    jetstream::{
        self,
        consumer::{AckPolicy, DeliverPolicy, pull},
        stream::Config,
    },
};
use futures_util::StreamExt as _;
use lineal_producers::{
    Draft, Emitter, Settings,
    delivery::Delivery,
    target::{NatsSettings, Target},
};
use lineal_schemas::{dsse::Signed, key::SecretKey};
use lineal_tests::{
    nats::{NatsServer, Options, Sync},
    programs::{LedgerHome, LedgerProcess},
    signing::{Producer, key},
};
use tokio::runtime::Runtime;

const SUBJECT: &str = "dataset/bench/a";
const BATCH: usize = 1000;
const PRODUCERS: usize = 2;

/// As large as an answer with a receipt.
const ANSWER_BYTES: usize = 1900;

fn main() {
    if std::env::args().any(|argument| argument == "--idle") {
        return idle();
    }
    let events = argument("--events").unwrap_or(40_000);
    let rounds = argument("--rounds").unwrap_or(3);
    let cores = std::thread::available_parallelism().unwrap().get();
    println!(
        "machine: {cores} cores; {rounds} rounds of {events} events of about 1 KiB, {PRODUCERS} producers, batches of {BATCH}"
    );
    for sync in [Sync::Usual, Sync::Always] {
        println!("\nserver with {} sync", if sync == Sync::Always { "every" } else { "its usual" });
        let mut rounds: Vec<Round> = (0..rounds).map(|_round| Round::measure(sync, events, cores)).collect();
        rounds.iter().for_each(Round::print);
        rounds.sort_by(|one, other| one.of_ceiling().total_cmp(&other.of_ceiling()));
        let median = &rounds[rounds.len() / 2];
        println!(
            "median: {:.0}/s, {:.2} of the ceiling, {:.2} of that without the outbox, {:.2} of raw JetStream, {:.2} of the \
             ledger's own intake",
            median.whole.rate,
            median.of_ceiling(),
            median.whole.rate / median.ceiling_without_outbox(),
            median.whole.rate / median.raw.stream.rate,
            median.whole.rate / median.intake.rate
        );
    }
    idle();
}

/// Each part by itself and all of it together, one after the other.
struct Round {
    cores: usize,
    signature: f64,
    producer: Cost,
    intake: Cost,
    raw: Raw,
    whole: Cost,
}

impl Round {
    fn measure(sync: Sync, events: usize, cores: usize) -> Self {
        let home = home();
        let (signature, signed) = signed(&home, events);
        let (producer, intake) = (producer(&home, events), intake(&home, &signed));
        let raw = raw(sync, &signed);
        Self { cores, signature, producer, intake, raw, whole: end_to_end(sync, events) }
    }

    /// Events a second that the cores could do if nothing but the parts took time, and nobody ever waited.
    fn ceiling(&self) -> f64 {
        self.cores as f64 * 1e6 / (self.producer.cpu + self.intake.cpu + self.raw.stream.cpu + self.raw.answers.cpu)
    }

    /// The same if producers signed and kept nothing.
    fn ceiling_without_outbox(&self) -> f64 {
        self.cores as f64 * 1e6 / (self.signature + self.intake.cpu + self.raw.stream.cpu + self.raw.answers.cpu)
    }

    fn of_ceiling(&self) -> f64 {
        self.whole.rate / self.ceiling()
    }

    fn print(&self) {
        println!(
            "CPU an event: producer {:.1} us (the signature alone {:.1}), JetStream publish + consume {:.1}, intake {:.1}, \
             answers {:.1}: ceiling {:.0}/s; all together {:.1} us, {:.0}/s",
            self.producer.cpu,
            self.signature,
            self.raw.stream.cpu,
            self.intake.cpu,
            self.raw.answers.cpu,
            self.ceiling(),
            self.whole.cpu,
            self.whole.rate
        );
    }
}

/// The producer by itself: events drafted, checked, signed and synced into an outbox, with nowhere to send them.
fn producer(home: &LedgerHome, events: usize) -> Cost {
    let mut emitter = emitter_to(home, None, 1, "nowhere");
    cost(events, &[], || {
        for from in (0..events).step_by(AT_ONCE) {
            emitter.emit_all(&drafts(from, events)).unwrap();
        }
    })
}

fn argument(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).and_then(|value| value.parse().ok())
}

/// What something took.
struct Cost {
    /// Microseconds of CPU an event, of all processes that took part.
    cpu: f64,
    /// Events a second.
    rate: f64,
}

/// Measures `work` on `events` events, with the CPU of this process and of others.
fn cost(events: usize, others: &[u32], work: impl FnOnce()) -> Cost {
    let cpu =
        || std::iter::once("self".to_owned()).chain(others.iter().map(u32::to_string)).map(|id| cpu_of(&id)).sum();
    let (before, start): (f64, _) = (cpu(), Instant::now());
    work();
    let (time, after): (_, f64) = (start.elapsed().as_secs_f64(), cpu());
    Cost { cpu: (after - before) * 1e6 / events as f64, rate: events as f64 / time }
}

/// Seconds of CPU that a process has taken, its threads and system calls included.
fn cpu_of(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    // Fields 14 and 15 of proc(5), in hundredths of a second.
    (ticks(11) + ticks(12)) / 100.0
}

fn home() -> LedgerHome {
    // On the machine's disk, like the work of the other benchmarks.
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/bench-nats");
    fs::create_dir_all(&target).unwrap();
    let home = LedgerHome::init_below(&target);
    for number in 1..=PRODUCERS {
        let source = format!("https://bench.example/p{number}/**");
        let options = ["--source", &source, "--role", "data", "--name", "dataset/bench/**"];
        home.enrol(bench_key(number).public(), &format!("p{number}"), &options);
    }
    home
}

fn bench_key(number: usize) -> std::sync::Arc<SecretKey> {
    key(u8::try_from(number).unwrap())
}

/// A payload that makes an event of about 1 KiB.
fn data(number: usize) -> String {
    let digest = lineal_schemas::digest::EventDigest::of(&number.to_be_bytes());
    let padding = "x".repeat(400);
    format!(r#"{{"dataset":{{"digest":{{"sha256":"{digest}"}}}},"annotations":{{"padding":"{padding}"}}}}"#)
}

/// Events of one producer, and what a signature of one costs.
fn signed(home: &LedgerHome, events: usize) -> (f64, Vec<Signed>) {
    let mut producer = Producer::new(bench_key(1), home.genesis(), "https://bench.example/p1/raw", SUBJECT);
    let mut signed = Vec::with_capacity(events);
    let making = cost(events, &[], || {
        for number in 0..events {
            let mut parts = producer.draft();
            parts.data = data(number);
            signed.push(producer.say(&parts));
        }
    });
    (making.cpu, signed)
}

/// The ledger's own road: envelopes in a file, `lineal append` without a server.
fn intake(home: &LedgerHome, signed: &[Signed]) -> Cost {
    let path = home.folder().join("events.dsse");
    let lines: String = signed.iter().map(|one| one.to_envelope() + "\n").collect();
    fs::write(&path, lines).unwrap();
    let before = cpu_of_children();
    let start = Instant::now();
    lineal_tests::programs::run(home.lineal("append").arg(&path)).succeeded();
    let time = start.elapsed().as_secs_f64();
    let cpu = (cpu_of_children() - before) * 1e6 / signed.len() as f64;
    Cost { cpu, rate: signed.len() as f64 / time }
}

/// Seconds of CPU of all processes that this one has waited for.
fn cpu_of_children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(13) + ticks(14)) / 100.0
}

struct Raw {
    stream: Cost,
    answers: Cost,
}

/// JetStream and core NATS by themselves, with messages like ours.
fn raw(sync: Sync, signed: &[Signed]) -> Raw {
    let server = NatsServer::start(&Options { sync, ..Options::default() });
    let runtime = Runtime::new().unwrap();
    let (url, id) = (server.url(), server.id());
    let publishing = runtime.block_on(async_nats::connect(&url)).unwrap();
    // A client that is held up for a moment drops what does not fit, and would wait for it for ever.
    let roomy = ConnectOptions::new().subscription_capacity(2 * signed.len());
    let reading = runtime.block_on(roomy.connect(&url)).unwrap();
    let stream = cost(signed.len(), &[id], || runtime.block_on(publish_and_consume(&publishing, &reading, signed)));
    let answers = cost(signed.len(), &[id], || runtime.block_on(send_answers(&publishing, &reading, signed.len())));
    Raw { stream, answers }
}

async fn publish_and_consume(publishing: &Client, reading: &Client, signed: &[Signed]) {
    let config = Config {
        name: "RAW".to_owned(),
        subjects: vec!["raw.>".to_owned()],
        allow_atomic_publish: true,
        ..Config::default()
    };
    let stream = jetstream::new(reading.clone()).create_stream(config).await.unwrap();
    let config = pull::Config {
        ack_policy: AckPolicy::None,
        deliver_policy: DeliverPolicy::All,
        memory_storage: true,
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.stream().max_messages_per_batch(2 * BATCH).messages().await.unwrap();
    let count = signed.len();
    let read = tokio::spawn(async move {
        for _message in 0..count {
            messages.next().await.unwrap().unwrap();
        }
    });
    for (number, batch) in signed.chunks(BATCH).enumerate() {
        publish_batch(publishing, number, batch).await;
    }
    read.await.unwrap();
}

async fn publish_batch(client: &Client, number: usize, batch: &[Signed]) {
    let message = |at: usize, one: &Signed| {
        let mut headers = HeaderMap::new();
        headers.insert("Content-Type", "application/cloudevents+json");
        headers.append("Lineal-Signature", one.signatures[0].to_string());
        headers.insert(NATS_BATCH_ID, format!("raw-{number}"));
        headers.insert(NATS_BATCH_SEQUENCE, (at + 1).to_string());
        if at + 1 == batch.len() {
            headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
        }
        headers
    };
    for (at, one) in batch.iter().enumerate() {
        let (subject, headers, body) = ("raw.p1.dataset.snapshotted", message(at, one), one.event.clone().into());
        if at == 0 || at + 1 == batch.len() {
            let request = Request::new().headers(headers).payload(body);
            client.send_request(subject, request).await.unwrap();
        } else {
            client.publish_with_headers(subject, headers, body).await.unwrap();
        }
    }
}

async fn send_answers(sending: &Client, hearing: &Client, count: usize) {
    // More of them unread, and the server would cut the hearing client off.
    const UNREAD: usize = 8 * BATCH;
    let mut heard = hearing.subscribe("raw-answers.>").await.unwrap();
    hearing.flush().await.unwrap();
    let answer = answer_like_bytes();
    for from in (0..count).step_by(UNREAD) {
        let some = UNREAD.min(count - from);
        let publish = async {
            for number in from..from + some {
                sending.publish(format!("raw-answers.{number:064}"), answer.clone().into()).await.unwrap();
            }
            sending.flush().await.unwrap();
        };
        let hear = async {
            for _answer in 0..some {
                heard.next().await.unwrap();
            }
        };
        tokio::join!(publish, hear);
    }
}

fn answer_like_bytes() -> Vec<u8> {
    vec![b'x'; ANSWER_BYTES]
}

/// All of it together.
fn end_to_end(sync: Sync, events: usize) -> Cost {
    let (home, server) = (home(), NatsServer::start(&Options { sync, ..Options::default() }));
    let process = serve(&home, &server);
    let mut emitters: Vec<Emitter> =
        (1..=PRODUCERS).map(|number| emitter(&home, &server.url(), number, "sustained")).collect();
    let each = events / PRODUCERS;
    cost(each * PRODUCERS, &[server.id(), process.id()], || {
        std::thread::scope(|scope| {
            for emitter in &mut emitters {
                scope.spawn(move || emit(emitter, each));
            }
        });
    })
}

fn serve(home: &LedgerHome, server: &NatsServer) -> LedgerProcess {
    let mut command = home.serve_command();
    command.args(["--nats", &server.url()]);
    LedgerProcess::start(command)
}

fn emitter(home: &LedgerHome, url: &str, number: usize, source: &str) -> Emitter {
    let settings = NatsSettings { producer: format!("p{number}"), ..NatsSettings::default() };
    emitter_to(home, Some(Target::parse(url, settings).unwrap()), number, source)
}

fn emitter_to(home: &LedgerHome, target: Option<Target>, number: usize, source: &str) -> Emitter {
    Emitter::open(Settings {
        key: SecretKey::from_seed([u8::try_from(number).unwrap(); 32]).unwrap(),
        trust: home.trust(),
        source: format!("https://bench.example/p{number}/{source}"),
        target,
        outbox: outbox(home.folder(), number),
    })
    .unwrap()
}

fn outbox(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("outbox-{number}"))
}

/// Events of one call.
const AT_ONCE: usize = 20 * BATCH;

/// The next events of one call.
fn drafts(from: usize, events: usize) -> Vec<Draft> {
    let draft = |number| Draft::new("dataset.snapshotted", SUBJECT, data(number));
    (from..events.min(from + AT_ONCE)).map(draft).collect()
}

fn emit(emitter: &mut Emitter, events: usize) {
    for from in (0..events).step_by(AT_ONCE) {
        for sent in emitter.emit_all(&drafts(from, events)).unwrap() {
            assert!(matches!(sent.delivery, Delivery::Committed { .. }), "{sent:?}");
        }
    }
}

/// One event at a time with nothing else going on, from publish to receipt, against one acknowledged publish, with every
/// sync; and what an emitter with an outbox on disk takes for the same.
fn idle() {
    const TIMES: usize = 300;
    let (home, server) = (home(), NatsServer::start(&Options { sync: Sync::Always, ..Options::default() }));
    let _process = serve(&home, &server);
    let runtime = Runtime::new().unwrap();
    let client = runtime.block_on(async_nats::connect(server.url())).unwrap();
    let acknowledged = {
        let _entered = runtime.enter();
        let jetstream = jetstream::new(client.clone());
        let config = Config { name: "IDLE".to_owned(), subjects: vec!["idle".to_owned()], ..Config::default() };
        runtime.block_on(jetstream.create_stream(config)).unwrap();
        let body: Vec<u8> = vec![b'x'; 1000];
        median(TIMES, || {
            let published = async { jetstream.publish("idle", body.clone().into()).await.unwrap().await.unwrap() };
            runtime.block_on(published);
        })
    };
    let (_cost, signed) = signed(&home, TIMES);
    let mut receipts = runtime.block_on(client.subscribe("lineal.receipts.p1.*")).unwrap();
    runtime.block_on(client.flush()).unwrap();
    let mut events = signed.iter();
    let receipt = median(TIMES, || runtime.block_on(publish_and_hear(&client, &mut receipts, events.next().unwrap())));
    let mut emitter = emitter(&home, &server.url(), 2, "idle");
    let emitted = median(TIMES, || emit(&mut emitter, 1));
    let ratio = |time: Duration| time.as_secs_f64() / acknowledged.as_secs_f64();
    println!(
        "\nidle, every sync: a JetStream publish is acknowledged in {acknowledged:.2?}; publish to receipt {receipt:.2?} ({:.1}); \
         from the call to the settled outbox {emitted:.2?} ({:.1})",
        ratio(receipt),
        ratio(emitted)
    );
}

/// Publishes one event and waits for the answer, as any producer without an outbox would.
async fn publish_and_hear(client: &Client, receipts: &mut Subscriber, event: &Signed) {
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", "application/cloudevents+json");
    headers.append("Lineal-Signature", event.signatures[0].to_string());
    let subject = "lineal.events.p1.dataset.snapshotted";
    client.publish_with_headers(subject, headers, event.event.clone().into()).await.unwrap();
    let answer = receipts.next().await.unwrap();
    assert!(answer.subject.ends_with(&event.digest().to_string()), "{}", answer.subject);
    assert!(answer.payload.windows(9).any(|window| window == b"committed"));
}

fn median(times: usize, mut work: impl FnMut()) -> Duration {
    let mut taken: Vec<Duration> = (0..times)
        .map(|_time| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    taken.sort_unstable();
    taken[times / 2]
}
