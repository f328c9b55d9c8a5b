//! Reopening a large record after `kill -9`, and memory while it grows: see docs/PERFORMANCE.md.
//!
//! `cargo bench -p lineal-ledger --bench reopen [-- --events 1000000]`. A child process fills a ledger and is killed by
//! SIGKILL while it goes on; the parent opens the record and times it.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Instant,
};

use lineal_ledger::{
    clock::SystemClock,
    data_dir::DataDir,
    ledger::{Ledger, Settings},
};
use lineal_schemas::key::SecretKey;

#[path = "support/workload.rs"]
mod workload;

use workload::{begin, key};

/// Events signed and sent at a time.
const PIECE: usize = 20_000;

fn main() {
    let events = argument("--events").and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    if std::env::args().any(|argument| argument == "--child") {
        fill(events);
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--child", "--events", &events.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut folder = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.strip_prefix("folder ") {
            Some(path) => path.clone_into(&mut folder),
            None if line == "full" => break,
            None => println!("{line}"),
        }
    }
    // It is still taking in events when it is killed.
    child.kill().unwrap();
    child.wait().unwrap();
    reopen(Path::new(&folder));
    std::fs::remove_dir_all(Path::new(&folder)).unwrap();
}

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn reopen(folder: &Path) {
    let dir = DataDir::find(&folder.join("ledger")).unwrap();
    let start = Instant::now();
    let settings = Settings { mirror: None, follow: true };
    let ledger = Ledger::open(&dir, Arc::new(SystemClock::start()), settings).unwrap();
    let size = ledger.view.record.size();
    let receipt = ledger.view.record.receipt(size - 1).unwrap();
    let opened = start.elapsed();
    println!(
        "reopened {size} entries after kill -9 in {:.2} s, first receipt ({} bytes) included; {} entries checked first, {} kept beyond the head",
        opened.as_secs_f64(),
        receipt.len(),
        ledger.recovery.checked,
        ledger.recovery.kept
    );
    ledger.wait_for_index();
    println!("the index had caught up after {:.2} s; resident {} MiB", start.elapsed().as_secs_f64(), resident_mib());
    ledger.close();
}

/// Fills a ledger, says so, and goes on.
fn fill(events: usize) {
    let keys: Vec<SecretKey> = (1..=8).map(key).collect();
    let mut bench = begin(&keys, true);
    bench.folder.disable_cleanup(true);
    println!("folder {}", bench.folder.path().display());
    let (mut sent, mut round) = (0, 0);
    loop {
        let piece = bench.events(&keys, PIECE, round);
        for own in piece {
            for group in own.chunks(500) {
                let outcomes = bench.ledger.submit_and_wait(group.to_vec());
                assert!(outcomes.iter().all(|outcome| outcome.name() == "committed"), "{outcomes:?}");
            }
        }
        sent += PIECE;
        round += 1;
        if sent % (events / 5).max(PIECE) == 0 && sent <= events {
            let lag = bench.ledger.view.record.size() - bench.ledger.progress.applied();
            println!("{sent} events taken in: resident {} MiB, index lag {lag}", resident_mib());
        }
        if sent == events {
            println!("full");
        }
    }
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
