//! Durable intake as ratios taken in one run on the same cores: see docs/PERFORMANCE.md for how to read them.
//!
//! `cargo bench -p lineal-ledger --bench intake [-- --events N]`. Work happens in `target/` so that the disk is the
//! machine's and not memory. Not a timed test: it prints and never fails on a number.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![expect(clippy::cast_precision_loss, reason = "rates are printed, not computed with")]

use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::mpsc,
    time::{Duration, Instant},
};

use lineal_ledger::{ledger::Ledger, outcome::Outcome};
use lineal_schemas::{
    dsse::{self, Signed},
    key::SecretKey,
};
use rayon::prelude::*;

#[path = "support/workload.rs"]
mod workload;

use workload::{begin, key};

const PRODUCERS: usize = 8;
const GROUP: usize = 250;

fn main() {
    let events = argument("--events").unwrap_or(40_000);
    let keys: Vec<SecretKey> = (1..=PRODUCERS).map(|seed| key(u8::try_from(seed).unwrap())).collect();
    println!(
        "machine: {} cores; {events} events of about 1 KiB by {PRODUCERS} producers",
        rayon::current_num_threads()
    );
    let paused = run("index paused", &keys, events, false);
    let following = run("index keeping pace", &keys, events, true);
    println!("\nratio to raw verify_strict on all cores: index paused {paused:.2}, index keeping pace {following:.2}");
    idle(&keys);
}

fn argument(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).and_then(|value| value.parse().ok())
}

fn run(name: &str, keys: &[SecretKey], count: usize, follow: bool) -> f64 {
    let bench = begin(keys, follow);
    let events = bench.events(keys, count, 0);
    let total: usize = events.iter().map(Vec::len).sum();
    let bytes: usize = events.iter().flatten().map(|signed| signed.event.len()).sum();
    let raw = raw_rate(&events, keys);
    let before = bench.ledger.view.record.committed().head.length;
    let cpu = cpu_seconds();
    let start = Instant::now();
    send_all(&bench.ledger, &events);
    if follow {
        bench.ledger.wait_for_index();
    }
    let rate = total as f64 / start.elapsed().as_secs_f64();
    let spent = (cpu_seconds() - cpu) / total as f64 * 1e6;
    let after = bench.ledger.view.record.committed();
    println!("\n{name}");
    println!("  raw verify_strict, all cores  {raw:>9.0} /s");
    println!("  durable intake                {rate:>9.0} /s   ratio {:.2}", rate / raw);
    println!("  CPU per event                 {spent:>9.1} us");
    println!("  events per batch              {:>9.0}", total as f64 / after.batches as f64);
    println!("  mean event                    {:>9} bytes", bytes / total);
    println!("  record / event bytes          {:>9.3}", (after.head.length - before) as f64 / bytes as f64);
    if follow {
        println!("  index on disk per event       {:>9} bytes", bench.ledger.view.index.bytes() / total as u64);
    }
    bench.ledger.close();
    drop(bench.folder);
    rate / raw
}

/// Every producer sends groups and goes on when one is answered; two groups are under way at any time.
fn send_all(ledger: &Ledger, events: &[Vec<Signed>]) {
    std::thread::scope(|scope| {
        for own in events {
            scope.spawn(move || {
                let (sender, receiver) = mpsc::channel();
                let mut under_way = 0;
                for group in own.chunks(GROUP) {
                    let sender = sender.clone();
                    let view = ledger.view.clone();
                    ledger.submit(group.to_vec(), move |outcomes| {
                        drop(view);
                        sender.send(outcomes).unwrap();
                    });
                    under_way += 1;
                    while under_way > 1 {
                        check(ledger, receiver.recv().unwrap());
                        under_way -= 1;
                    }
                }
                for _ in 0..under_way {
                    check(ledger, receiver.recv().unwrap());
                }
            });
        }
    });
}

/// Every event is committed, and gets the answer that a producer gets.
fn check(ledger: &Ledger, outcomes: Vec<Outcome>) {
    let outcomes: Vec<_> = outcomes.into_iter().map(|outcome| (None, outcome)).collect();
    for answer in ledger.view.answers(&outcomes) {
        assert!(answer.outcome == "committed" && answer.receipt.is_some(), "{answer:?}");
    }
}

fn raw_rate(events: &[Vec<Signed>], keys: &[SecretKey]) -> f64 {
    let all: Vec<(&Signed, &SecretKey)> =
        events.iter().zip(keys).flat_map(|(own, key)| own.iter().take(2500).map(move |signed| (signed, key))).collect();
    let start = Instant::now();
    let verified = all
        .par_iter()
        .filter(|(signed, key)| dsse::verify(&signed.event, &signed.signatures[0], key.public()).is_ok())
        .count();
    assert_eq!(verified, all.len());
    verified as f64 / start.elapsed().as_secs_f64()
}

/// One event at a time against one `fdatasync`, interleaved.
fn idle(keys: &[SecretKey]) {
    let bench = begin(keys, true);
    let events = bench.events(&keys[..1], 300, 0);
    let path = bench.folder.path().join("plain");
    let plain = File::create_new(path).unwrap();
    let (mut answers, mut syncs) = (Vec::new(), Vec::new());
    for (at, signed) in events[0].iter().enumerate() {
        let start = Instant::now();
        plain.write_all_at(&signed.event, (at * 1024) as u64).unwrap();
        plain.sync_data().unwrap();
        syncs.push(start.elapsed());
        let start = Instant::now();
        let outcomes = bench.ledger.submit_and_wait(vec![signed.clone()]);
        check(&bench.ledger, outcomes);
        answers.push(start.elapsed());
    }
    let (answer, sync) = (median(answers), median(syncs));
    println!("\none event at idle, with its receipt  {:>7.0} us", answer.as_secs_f64() * 1e6);
    println!("one append and fdatasync of 1 KiB    {:>7.0} us", sync.as_secs_f64() * 1e6);
    println!("ratio                                {:>7.2}", answer.as_secs_f64() / sync.as_secs_f64());
    bench.ledger.close();
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse().unwrap())
        .collect();
    fields.iter().sum::<f64>() / 100.0
}
