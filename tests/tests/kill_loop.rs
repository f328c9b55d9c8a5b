//! The promise of an acknowledgement, under SIGKILL: eight clients post signed events to `lineal serve`, which is killed
//! at random moments, while it commits and while it opens. After each kill it is opened again, and then
//!
//! - every receipt that a client holds verifies, and its entry stands in the record byte for byte, with its event,
//! - no event stands there twice, and every source has its events in their order without a gap,
//! - a receipt asked for again is the same bytes,
//! - `lineal-verify log` says verified, and the newest checkpoint that anybody holds is part of the history.
//!
//! The first kill may come before anything is acknowledged; the test once took that for a failure.
//!
//! Six rounds by default. `LINEAL_KILL_ROUNDS=100` for more, `LINEAL_SEED=N` for the same random choices again (the
//! moments of threads and disks stay their own). Every run prints its seed.
#![cfg(test)]

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    str::FromStr,
    sync::mpsc,
    thread,
    time::Duration,
};

use lineal_schemas::{digest::EventDigest, dsse::Signed, receipt::Receipt, trust::Trust};
use lineal_tests::{
    programs::{Http, LedgerHome, LedgerProcess, PATIENCE, Recorded, Response, recorded, run, verify_log},
    signing::{Producer, key},
};

const CLIENTS: u64 = 8;

/// The most events that a client sends at a time.
const MANY: u64 = 12;

/// The most acknowledgements before a kill.
const ACKNOWLEDGED: u64 = 150;

#[test]
fn no_acknowledged_event_is_lost_or_doubled_by_sigkill() {
    let seed = variable("LINEAL_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let rounds = variable("LINEAL_KILL_ROUNDS").unwrap_or(6);
    println!("{rounds} rounds, LINEAL_SEED={seed}");
    let mut random = Random(seed);
    let home = LedgerHome::init();
    let sources = ["--source", "https://clients.example/**", "--role", "data", "--name", "dataset/clients/**"];
    home.enrol(key(1).public(), "clients", &sources);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|number| Client::new(number, &home, &mut random)).collect();
    let mut process = home.serve();
    for round in 1..=rounds {
        kill_under_load(process, &mut clients, &mut random);
        process = reopen(&home, &mut random);
        let held = clients.iter().map(|client| client.held.len()).sum::<usize>();
        check(&home, process.http(), &mut clients);
        println!("round {round}: {held} receipts hold");
    }
    assert!(clients.iter().any(|client| !client.held.is_empty()), "something was acknowledged");
}

#[expect(clippy::disallowed_methods, reason = "a test has no `main` that could read its configuration")]
fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_error| panic!("{name}={text} is no number")))
}

/// Lets the clients work until so many events are acknowledged, and a little longer, and kills.
fn kill_under_load(process: LedgerProcess, clients: &mut [Client], random: &mut Random) {
    let (count, longer) = (random.up_to(ACKNOWLEDGED), Duration::from_micros(random.up_to(20_000)));
    let http = process.http().clone();
    let (acknowledged, acknowledgements) = mpsc::channel();
    let missing = thread::scope(|scope| {
        for client in clients {
            let (http, acknowledged) = (http.clone(), acknowledged.clone());
            scope.spawn(move || client.work(&http, &acknowledged));
        }
        drop(acknowledged);
        let missing = (1..=count).find(|_number| acknowledgements.recv_timeout(PATIENCE).is_err());
        process.live_for(longer);
        process.kill();
        missing
    });
    assert_eq!(missing, None, "the ledger stopped to answer before {count} acknowledgements");
}

/// Opens it again; now and then it is killed while it opens, too.
fn reopen(home: &LedgerHome, random: &mut Random) -> LedgerProcess {
    let left = run(&mut verify_log(home.dir(), &home.trust_path()));
    assert!(matches!(left.code, Some(0 | 2)), "a kill leaves no damage:\n{}{}", left.stdout, left.stderr);
    while random.up_to(3) == 0 {
        let opening = LedgerProcess::spawn(home.serve_command());
        opening.live_for(Duration::from_micros(random.up_to(100_000)));
        opening.kill();
    }
    home.serve()
}

fn check(home: &LedgerHome, http: &Http, clients: &mut [Client]) {
    let (record, trust) = (recorded(home.dir()), home.trust());
    let mut indices: HashMap<EventDigest, u64> = HashMap::new();
    for (entry, index) in record.iter().zip(0..) {
        let before = indices.insert(EventDigest::of(&entry.event), index);
        assert_eq!(before, None, "entry {index} is there already");
    }
    for client in clients.iter_mut() {
        client.check(&record, &indices, &trust, http);
    }
    let newest = clients.iter().filter_map(|client| client.held.last()).max_by_key(|held| held.receipt.index());
    // A kill can come before the first acknowledgement of all.
    let checkpoint = newest.map(|newest| {
        let checkpoint = home.folder().join("checkpoint.txt");
        std::fs::write(&checkpoint, newest.receipt.checkpoint().to_string()).unwrap();
        checkpoint
    });
    let arguments = checkpoint.iter().flat_map(|checkpoint| ["--checkpoint".as_ref(), checkpoint.as_os_str()]);
    home.verify(&arguments.collect::<Vec<_>>()).succeeded();
}

/// An acknowledged event.
struct Held {
    event: Signed,
    text: String,
    receipt: Receipt,
}

/// A producer with a source of its own, that resends in order what has no receipt.
struct Client {
    producer: Producer,
    random: Random,
    unsettled: VecDeque<Signed>,
    held: Vec<Held>,
    /// How many of `held` were verified.
    verified: usize,
}

impl Client {
    fn new(number: u64, home: &LedgerHome, random: &mut Random) -> Self {
        let (source, subject) = (format!("https://clients.example/{number}"), format!("dataset/clients/{number}"));
        let producer = Producer::new(key(1), home.genesis(), &source, &subject);
        Self { producer, random: Random(random.next()), unsettled: VecDeque::new(), held: Vec::new(), verified: 0 }
    }

    /// Sends until the ledger is gone.
    fn work(&mut self, http: &Http, acknowledged: &mpsc::Sender<()>) {
        loop {
            let count = 1 + usize::try_from(self.random.up_to(MANY)).unwrap();
            while self.unsettled.len() < count {
                self.unsettled.push_back(self.producer.next_event());
            }
            let Ok(response) = self.send(http, count) else { return };
            for answer in response.answers() {
                let event = self.unsettled.pop_front().expect("no more answers than events");
                assert!(matches!(&*answer.outcome, "committed" | "duplicate"), "{answer:?}");
                assert_eq!(answer.event, Some(event.digest()));
                let text = answer.receipt.expect("an acknowledgement has a receipt");
                let receipt = Receipt::parse(&text).expect("a receipt can be read");
                self.held.push(Held { event, text, receipt });
                // The last ones come after the kill, when nobody counts any more.
                match acknowledged.send(()) {
                    Ok(()) | Err(_) => {}
                }
            }
        }
    }

    fn send(&self, http: &Http, count: usize) -> Result<Response, String> {
        match self.unsettled.front() {
            Some(single) if count == 1 => http.try_post_event(single),
            _ => http.try_post_events(self.unsettled.iter().take(count)),
        }
    }

    fn check(&mut self, record: &[Recorded], indices: &HashMap<EventDigest, u64>, trust: &Trust, http: &Http) {
        for held in &self.held[self.verified..] {
            held.receipt.verify(trust).unwrap();
        }
        self.verified = self.held.len();
        let mut last = 0;
        for held in &self.held {
            let index = held.receipt.index();
            let entry = &record[usize::try_from(index).unwrap()];
            assert_eq!(entry.entry_bytes, held.receipt.entry_bytes());
            assert_eq!(entry.event, held.event.event);
            assert_eq!(indices[&held.event.digest()], index);
            assert!(index > last, "the events of a source stand in their order");
            last = index;
        }
        self.check_again(http);
    }

    /// What was acknowledged before the kill is acknowledged again, byte for byte.
    fn check_again(&mut self, http: &Http) {
        let Some(count) = u64::try_from(self.held.len()).ok().filter(|count| *count > 0) else { return };
        let some = &self.held[usize::try_from(self.random.next() % count).unwrap()];
        let answer = http.post_event(&some.event).answer();
        assert_eq!((&*answer.outcome, answer.receipt.as_ref()), ("duplicate", Some(&some.text)));
        let newest = &self.held[self.held.len() - 1];
        assert_eq!(http.get(&format!("/receipts/{}", newest.event.digest())).text(), newest.text);
    }
}

/// `SplitMix64`: the same seed makes the same choices.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `most`, but for a bias that is of no matter here.
    fn up_to(&mut self, most: u64) -> u64 {
        self.next() % (most + 1)
    }
}
