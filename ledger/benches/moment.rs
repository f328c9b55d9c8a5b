//! What ran at a moment, among many observations of many services: see docs/PERFORMANCE.md.
//!
//! `cargo bench -p lineal-ledger --bench moment [-- --services 1000 --observations 1000]`. Each service serves one model
//! for the first half of its observations and another for the second; one observation a minute. Prints, never fails.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::time::Instant;

use lineal_ledger::{
    answers::{self, When},
    ledger::View,
    own,
};
use lineal_schemas::{
    digest::EventDigest,
    dsse::Signed,
    key::SecretKey,
    timestamp::Timestamp,
    vocabulary::{Role, TYPES},
};

#[path = "support/workload.rs"]
#[expect(dead_code, reason = "the other benchmarks send data snapshots")]
mod workload;

use workload::{Bench, begin_as, key};

const BEGIN_MS: i64 = 1_790_000_000_000;

fn main() {
    let count = |name| argument(name).and_then(|count| count.parse().ok()).unwrap_or(1000);
    let (services, observations): (u64, u64) = (count("--services"), count("--observations"));
    let key = key(1);
    let kind = TYPES.iter().find(|rule| rule.name.starts_with("deployment.observed")).unwrap();
    let bench = begin_as(std::slice::from_ref(&key), true, Role::Observer, kind.name, "service/bench/**");
    let start = Instant::now();
    fill(&bench, &key, services, observations);
    bench.ledger.wait_for_index();
    let rate = seconds_of(start);
    println!("{services} services x {observations} observations taken in and indexed in {rate:.1} s");
    let view = &bench.ledger.view;
    let (index, bytes) = (view.index.bytes(), view.record.size());
    println!("index {} MiB on disk, {bytes} entries", index / 1024 / 1024);
    let end = BEGIN_MS + i64::try_from(observations).unwrap() * 60_000;
    for (what, at) in [
        ("running", None),
        ("running --at, the end", Some(end)),
        ("running --at, three quarters back", Some(BEGIN_MS + (end - BEGIN_MS) / 4)),
        ("running --at, just after the change", Some(BEGIN_MS + (end - BEGIN_MS) / 2 + 120_000)),
    ] {
        ask(view, what, at.map(Timestamp::from_millis), usize::try_from(services).unwrap());
    }
    let first = Instant::now();
    let found = answers::windows(view, "service/bench/s0@eu-1/prod", bench.ledger.now()).unwrap();
    println!("windows of one service: {} in {:.2} ms", found.windows.len(), seconds_of(first) * 1000.0);
}

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn seconds_of(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}

fn ask(view: &View, what: &str, at: Option<Timestamp>, services: usize) {
    let now = Timestamp::from_millis(BEGIN_MS + 86_400_000 * 365);
    for round in ["cold", "warm"] {
        let start = Instant::now();
        let running = answers::running(view, None, When { at, ..now.into() }).unwrap();
        assert_eq!(running.services.len(), services, "{what}");
        let ms = seconds_of(start) * 1000.0;
        println!("{what} ({round}): {ms:.0} ms");
    }
}

/// Observations of all services, minute after minute.
fn fill(bench: &Bench, key: &SecretKey, services: u64, observations: u64) {
    let mut previous = None;
    let mut sequence = 0;
    for minute in 0..observations {
        let at = Timestamp::from_millis(BEGIN_MS + i64::try_from(minute).unwrap() * 60_000);
        let model = EventDigest::of(if minute < observations / 2 { b"one" } else { b"two" });
        let mut events = Vec::new();
        for service in 0..services {
            sequence += 1;
            let place = own::Place {
                source: "https://bench.example/observer",
                sequence,
                previous,
                ledger: Some(bench.genesis),
                time: at,
            };
            let name = format!("service/bench/s{service}@eu-1/prod");
            let data = format!(
                r#"{{"service":"{name}","servingSet":[{{"components":[{{"role":"model","artifact":{{"digest":{{"sha256":"{model}"}}}}}}]}}],"observedAt":"{at}","observer":"bench","complete":true,"nextWithinSeconds":120}}"#
            );
            let signed = Signed::sign(own::event_bytes(&place, &name, "deployment.observed", &data), &[key]);
            previous = Some(signed.digest());
            events.push(signed);
        }
        for group in events.chunks(500) {
            let outcomes = bench.ledger.submit_and_wait(group.to_vec());
            assert!(outcomes.iter().all(|outcome| outcome.name() == "committed"), "{outcomes:?}");
        }
    }
}
