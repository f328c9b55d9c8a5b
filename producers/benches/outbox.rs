//! What an event costs a producer on its own disk: events a second, and CPU an event.
//!
//! `cargo bench -p lineal-producers --bench outbox [-- --events N]`. Work happens in `target/` so that the disk is the
//! machine's and not memory. Not a timed test: it prints and never fails on a number.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![expect(clippy::cast_precision_loss, reason = "rates are printed, not computed with")]

use std::{fs, path::Path, time::Instant};

use lineal_producers::{
    Draft, Emitter, Settings,
    outbox::{Outbox, Settlement},
};
use lineal_schemas::{
    digest::EventDigest, dsse::Signed, event::Event, key::SecretKey, note::VerifierKey, trust::Trust,
};

const SOURCE: &str = "https://ci.example.com/payments";

fn main() {
    let asked = std::env::args().skip_while(|argument| argument != "--events").nth(1);
    let counts = asked.map_or_else(|| vec![1_000, 20_000], |count| vec![count.parse().unwrap()]);
    for count in counts {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        emit_all(folder.path(), count);
        store_and_settle(folder.path(), count);
    }
}

/// Drafted, checked, signed, stored and read back, with nowhere to send.
fn emit_all(folder: &Path, count: usize) {
    let drafts: Vec<Draft> = (0..count).map(draft).collect();
    let mut emitter = Emitter::open(settings(&folder.join("signed"))).unwrap();
    measured("emit_all", count, || {
        emitter.emit_all(&drafts).unwrap();
    });
}

/// The outbox alone: signed events in, receipts of a usual size out.
fn store_and_settle(folder: &Path, count: usize) {
    let signed = envelopes(&folder.join("signed/pending"));
    assert_eq!(signed.len(), count);
    let bytes: usize = signed.iter().map(|one| one.event.len()).sum();
    println!("  {} bytes an event", bytes / count);
    let receipt = format!("c2sp.org/tlog-proof@v1\n{}", format!("{}\n", "A".repeat(60)).repeat(20));
    let outbox = Outbox::open(&folder.join("outbox")).unwrap();
    let mut source = outbox.source(SOURCE).unwrap();
    let (first, last) = (signed[0].digest(), signed[count - 1].digest());
    let events: Vec<_> = signed.into_iter().map(|one| (one, [].as_slice())).collect();
    measured("store_all", count, || drop(source.store_all(events).unwrap()));
    let waiting: Vec<_> = source.waiting().unwrap().into_iter().map(|span| source.read(span).unwrap()).collect();
    let settled: Vec<Vec<_>> = waiting
        .into_iter()
        .map(|events| events.into_iter().map(|event| (event, Settlement::Receipt(receipt.clone()))).collect())
        .collect();
    measured("settle", count, || settled.iter().for_each(|events| source.settle(events).unwrap()));
    measured("receipt, found twice", 2, || {
        assert!([first, last].iter().all(|event| outbox.receipt(event).unwrap().is_some()));
    });
}

fn measured(name: &str, count: usize, work: impl FnOnce()) {
    let (cpu, start) = (cpu_seconds(), Instant::now());
    work();
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!(
        "{name} of {count}: {:.0} events/s, {:.1} us of CPU an event",
        count as f64 / seconds,
        cpu * 1e6 / count as f64
    );
}

/// The CPU seconds that this process has used.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = [fields[11], fields[12]].iter().map(|text| text.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

fn settings(outbox: &Path) -> Settings {
    let ledger = SecretKey::from_seed([1; 32]).unwrap();
    let key = VerifierKey::new("example.com/ledger", ledger.public().clone()).unwrap();
    Settings {
        key: SecretKey::from_seed([2; 32]).unwrap(),
        trust: Trust::new(EventDigest::of(b"genesis"), &[key]).unwrap(),
        source: SOURCE.to_owned(),
        target: None,
        outbox: outbox.to_owned(),
    }
}

fn draft(number: usize) -> Draft {
    let digest = EventDigest::of(&number.to_be_bytes());
    let note = "n".repeat(340);
    let data = format!(
        "{{\"dataset\":{{\"digest\":{{\"sha256\":\"{digest}\"}}}},\"version\":\"{number}\",\"annotations\":{{\"note\":\"{note}\"}}}}"
    );
    Draft::new("dataset.snapshotted", "dataset/payments/transactions", data)
}

/// Every envelope below a folder, in the order of the source.
fn envelopes(folder: &Path) -> Vec<Signed> {
    let mut found = Vec::new();
    for source in fs::read_dir(folder).unwrap() {
        let mut files: Vec<_> =
            fs::read_dir(source.unwrap().path()).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            let text = fs::read_to_string(file).unwrap();
            found.extend(text.lines().map(|line| Signed::from_envelope(line.as_bytes()).unwrap()));
        }
    }
    found.sort_by_key(|signed| Event::parse(&signed.event).unwrap().sequence);
    found
}
