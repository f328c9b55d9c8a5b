//! Full verification of a record against the raw rate of strict signature checks, both on all cores, in one run.
//!
//! Prints the ratio (raw time over full time; checkpoint signatures are counted as signature checks) beside criterion's
//! own figures. The aim is 0.85 at large batches.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lineal_schemas::{
    dsse::{PAYLOAD_TYPE, pae},
    entry::Entry,
    key::PublicKey,
    line,
};
use lineal_verifier::{
    log::{Question, verify},
    record::Record,
    report::Verdict,
};
use rayon::prelude::*;

#[path = "../tests/verify/record.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "written for the tests, which use all of it")]
mod record;

use record::{Ledger, key};

const ENTRIES: usize = 60_000;
const BATCH: usize = 1000;
const PRODUCERS: u8 = 12;

/// One signature to check: whose, over what.
type Check = (PublicKey, Vec<u8>, [u8; 64]);

fn build() -> Ledger {
    let mut ledger = Ledger::new();
    let producers: Vec<_> = (0..PRODUCERS).map(|seed| key(100 + seed)).collect();
    for producer in &producers {
        ledger.enrol(producer);
    }
    ledger.commit();
    for number in 0..ENTRIES {
        let by = &producers[number % producers.len()];
        // About 1 KiB of event with the attributes around it.
        ledger.snapshot(&format!("//producer/{}", by.keyid()), by, 230);
        if (number + 1) % BATCH == 0 {
            ledger.commit();
        }
    }
    ledger
}

fn checks(ledger: &Ledger) -> Vec<Check> {
    let keys: Vec<_> = (0..PRODUCERS).map(|seed| key(100 + seed)).chain([key(1), key(2)]).collect();
    let mut checks = Vec::new();
    for place in &ledger.lines {
        let text = &ledger.bytes.segments[place.segment].1[place.start..place.end - 1];
        if place.is_checkpoint {
            // As long as a checkpoint's text, and as much work.
            let (own, text) = (key(2), [b'x'; 80].to_vec());
            checks.push((own.public().clone(), text.clone(), own.sign(&text)));
            continue;
        }
        let (entry, body) = line::split(text).expect("an entry's line");
        for signature in Entry::parse(entry).expect("an entry").signatures {
            let by = keys.iter().find(|key| key.keyid() == signature.keyid).expect("a known key");
            checks.push((by.public().clone(), pae(PAYLOAD_TYPE, body), signature.bytes));
        }
    }
    checks
}

fn raw(checks: &[Check]) {
    let all = checks.par_iter().all(|(key, message, signature)| key.verify(message, signature));
    assert!(black_box(all), "every signature verifies");
}

fn full(record: &Record, ledger: &Ledger) {
    let report = verify(record, &ledger.trust(), &Question::default(), &|_| {}).expect("in memory").report;
    assert_eq!(black_box(report.verdict), Verdict::Verified, "{:?}", report.findings);
}

/// The shortest of some runs: what the machine can do when nothing else disturbs it.
fn shortest(mut work: impl FnMut()) -> Duration {
    let timed = |work: &mut dyn FnMut()| {
        #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..5).map(|_| timed(&mut work)).min().unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "the ratio is what is wanted, and criterion has no place for it")]
fn benchmark(criterion: &mut Criterion) {
    let ledger = build();
    let (checks, record) = (checks(&ledger), ledger.bytes.record());
    let event_bytes = ledger.bytes.segments[0].1.len() / ENTRIES;
    let (raw_time, full_time) = (shortest(|| raw(&checks)), shortest(|| full(&record, &ledger)));
    println!(
        "{ENTRIES} events, {event_bytes} bytes a line, batches of {BATCH}: raw {raw_time:?}, full {full_time:?}, ratio {:.3}",
        raw_time.as_secs_f64() / full_time.as_secs_f64()
    );
    let mut group = criterion.benchmark_group("verify");
    group.sample_size(10).throughput(Throughput::Elements(checks.len() as u64));
    group.bench_function("raw verify_strict", |bench| bench.iter(|| raw(&checks)));
    group.bench_function("full verification", |bench| bench.iter(|| full(&record, &ledger)));
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
