//! The answers over a synthetic history of 1,000,000 runs: see docs/PERFORMANCE.md.
//!
//! `cargo bench -p lineal-tests --bench answers [-- --runs 1000000] [--folder /DIR] [--json /FILE] [--only PART]`, where PART is
//! `trace`, `impact`, `moments`, `gate`, `http` or `rebuild`. The history is made in `target/`, and made again each time unless a folder is
//! given, which is kept and used again. A hop is an edge from what was made over the run that made it to what that run used. Prints, and
//! fails on no number; `--json` writes the numbers for who compares.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use lineal_gate::judge::Asked;
use lineal_ledger::{
    answers::{self, GateQuestion, When},
    clock::{Clock as _, SystemClock},
    ledger::{Ledger, View},
};
use lineal_tests::{
    history::{
        Shape,
        ledger::{self, DIR, day, digest, policy, quiet, registered, service},
    },
    programs::{LedgerProcess, lineal},
};
use serde_json::{Map, Value, json};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Models that are traced.
const TRACED: u64 = 1000;

/// The numbers, by name.
type Numbers = Map<String, Value>;

/// A part that asks an open ledger.
type Ask = fn(&View, Shape, &mut Numbers);

fn main() {
    let runs = argument("--runs").and_then(|runs| runs.parse().ok()).unwrap_or(1_000_000);
    let shape = Shape::of(runs);
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target");
    let temporary = tempfile::tempdir_in(target).unwrap();
    let folder = argument("--folder").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    if std::env::args().any(|argument| argument == "--fill") {
        return fill(&folder, shape);
    }
    let mut numbers = Numbers::new();
    numbers.insert("runs".to_owned(), json!(shape.runs()));
    let only = argument("--only");
    let is_wanted = |part: &str| only.as_ref().is_none_or(|only| only == part);
    let ledger = open(&folder, shape, &mut numbers);
    for (part, ask) in [("trace", traces as Ask), ("impact", impacts), ("moments", moments), ("gate", verdicts)] {
        if is_wanted(part) {
            ask(&ledger.view, shape, &mut numbers);
        }
    }
    drop(ledger);
    if is_wanted("http") {
        over_http(&folder, shape, &mut numbers);
    }
    if is_wanted("rebuild") {
        rebuild(&folder, &mut numbers);
    }
    if let Some(file) = argument("--json") {
        fs::write(file, serde_json::to_string_pretty(&numbers).unwrap()).unwrap();
    }
}

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// Makes the history in the folder.
fn fill(folder: &Path, shape: Shape) {
    fs::create_dir_all(folder).unwrap();
    let start = Instant::now();
    let ledger = ledger::fill(folder, shape, &mut |_day| {});
    let (events, seconds) = (ledger.view.record.size(), start.elapsed().as_secs_f64());
    println!("{events} events signed, taken in and indexed in {seconds:.0} s");
}

/// The ledger in the folder, filled if it is not there yet.
fn open(folder: &Path, shape: Shape, numbers: &mut Numbers) -> Ledger {
    if !folder.join(DIR).exists() {
        // By a process of its own: one that has signed and taken in a million events is in no state in which anybody asks.
        let mut filling = Command::new(std::env::current_exe().unwrap());
        filling.args(["--fill", "--runs", &shape.runs().to_string(), "--folder"]).arg(folder);
        let start = Instant::now();
        assert!(filling.status().unwrap().success());
        numbers.insert("fillSeconds".to_owned(), json!(start.elapsed().as_secs_f64()));
    }
    let ledger = ledger::open(folder, Arc::new(SystemClock::start()));
    let events = ledger.view.record.size();
    let index = ledger.view.index.bytes();
    println!(
        "{} runs, {events} events; the index has {} MiB, {:.0} bytes an event",
        shape.runs(),
        index >> 20,
        per(index, events)
    );
    // What is still on its way to the disk is no part of an answer: the peers' stores are synced before they are asked, too.
    assert!(Command::new("sync").status().unwrap().success());
    numbers.insert("events".to_owned(), json!(events));
    numbers.insert("indexBytesAnEvent".to_owned(), json!(per(index, events)));
    ledger
}

fn now() -> When {
    SystemClock::start().wall().into()
}

/// The data of models, ten levels up.
fn traces(view: &View, shape: Shape, numbers: &mut Numbers) {
    let mut times = Times::default();
    let (mut hops, mut nodes) = (0, 0);
    for place in 0..TRACED {
        let asked = format!("sha256:{}", digest(shape.deep(place)));
        let trace = times.time(|| answers::trace(view, &asked, now()).unwrap());
        hops += trace.edges.iter().filter(|edge| edge.relation == answers::trace::EdgeKind::Input).count();
        nodes += trace.nodes.len();
        assert!(!trace.truncated);
    }
    let per_hop = times.sum().as_secs_f64() * 1e6 / hops as f64;
    println!(
        "trace of {TRACED} models to their data: {}; {:.0} nodes and {:.1} hops each, {per_hop:.1} us a hop",
        times.said(),
        nodes as f64 / TRACED as f64,
        hops as f64 / TRACED as f64
    );
    times.note("trace", numbers);
    numbers.insert("traceMicrosAHop".to_owned(), json!(per_hop));
}

/// What rests on one snapshot that a hundredth of the runs used.
fn impacts(view: &View, shape: Shape, numbers: &mut Numbers) {
    let asked = format!("sha256:{}", digest(shape.hot()));
    let mut times = Times::default();
    let mut found = (0, 0, 0);
    for _round in 0..5 {
        let impact = times.time(|| answers::impact(view, &asked, now()).unwrap());
        assert!(!impact.truncated);
        found = (impact.runs, impact.nodes.len(), impact.live.len());
    }
    let (runs, nodes, live) = found;
    let per_hit = times.median().as_secs_f64() * 1e6 / runs as f64;
    println!(
        "impact of one snapshot on {runs} runs ({nodes} nodes, {live} live): {}; {per_hit:.1} us a run",
        times.said()
    );
    times.note("impact", numbers);
    numbers.insert("impactRuns".to_owned(), json!(runs));
    numbers.insert("impactMicrosARun".to_owned(), json!(per_hit));
}

/// A moment in the past against the present.
fn moments(view: &View, shape: Shape, numbers: &mut Numbers) {
    let then = |back: u64| When { at: Some(day(shape.days() - back)), ..now() };
    let mut known = now();
    known.known = Some(answers::Known::Entry(view.record.size() / 2));
    for (what, when) in [("now", now()), ("a third back", then(shape.days() / 3)), ("known half-way", known)] {
        let (mut running, mut traced) = (Times::default(), Times::default());
        for round in 0..50 {
            running.time(|| answers::running(view, None, when).unwrap());
            traced.time(|| answers::trace(view, &service(round), when).unwrap());
        }
        println!("{what}: running, all services: {}; trace of a service: {}", running.said(), traced.said());
        running.note(&format!("running {what}"), numbers);
        traced.note(&format!("trace of a service {what}"), numbers);
    }
}

/// The question whether a model may replace the one that runs, and the moment of it: on the evening when it was measured. Every
/// eleventh is about the service that never changes.
fn gate_question(shape: Shape, place: u64) -> (u64, String, String) {
    let number = 1 + (shape.days() - 2) * place / TRACED;
    let (model, service) = match place % 11 {
        0 => (registered(shape, 0, 0), quiet()),
        _ => (registered(shape, number, place), service(place)),
    };
    (number, format!("sha256:{}", digest(model)), service)
}

/// Verdicts over the whole record, at moments all over it.
fn verdicts(view: &View, shape: Shape, numbers: &mut Numbers) {
    let (mut times, mut allowed) = (Times::default(), 0);
    for place in 0..TRACED {
        let (number, model, service) = gate_question(shape, place);
        let question = GateQuestion { model, service, policy: Asked::Registered };
        let when = When { at: Some(day(number + 1)), ..now() };
        let gate = times.time(|| answers::gate(view, &question, when).unwrap());
        allowed += u64::from(gate.exit_code() == 0);
    }
    println!("gate, {TRACED} verdicts of which {allowed} allow: {}", times.said());
    assert!(allowed > 0);
    times.note("gate", numbers);
}

/// The same questions to a ledger that serves, and what memory it takes.
fn over_http(folder: &Path, shape: Shape, numbers: &mut Numbers) {
    let mut command = lineal();
    command.args(["serve", "--http", "127.0.0.1:0", "--dir"]).arg(folder.join(DIR));
    let process = LedgerProcess::start(command);
    let (mut traced, mut hit) = (Times::default(), Times::default());
    for place in 0..TRACED {
        let path = format!("/v1/trace?x=sha256:{}", digest(shape.deep(place)));
        let answer = traced.time(|| process.http().get(&path));
        assert_eq!(answer.status, 200);
    }
    let mut judged = Times::default();
    for place in 0..TRACED {
        let (number, model, service) = gate_question(shape, place);
        let (at, policy) = (day(number + 1), policy(&service));
        let path = format!("/v1/verdict?model={model}&service={service}&policy={policy}&at={at}");
        let answer = judged.time(|| process.http().get(&path));
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }
    println!("over HTTP: gate {}", judged.said());
    judged.note("gate over HTTP", numbers);
    let mut bytes = 0;
    for _round in 0..5 {
        let path = format!("/v1/impact?x=sha256:{}", digest(shape.hot()));
        let answer = hit.time(|| process.http().get(&path));
        assert_eq!(answer.status, 200);
        bytes = answer.body.len();
    }
    println!("over HTTP: trace {}; impact {}, {} MiB of JSON", traced.said(), hit.said(), bytes >> 20);
    let resident = resident_kib(process.id());
    println!("the ledger that answered them is {} MiB resident", resident / 1024);
    traced.note("trace over HTTP", numbers);
    hit.note("impact over HTTP", numbers);
    numbers.insert("residentKib".to_owned(), json!(resident));
    process.stop();
}

fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// `lineal rebuild`.
fn rebuild(folder: &Path, numbers: &mut Numbers) {
    let start = Instant::now();
    let status = lineal().args(["rebuild", "--dir"]).arg(folder.join(DIR)).status().unwrap();
    assert!(status.success());
    let seconds = start.elapsed().as_secs_f64();
    println!("rebuild: {seconds:.1} s");
    numbers.insert("rebuildSeconds".to_owned(), json!(seconds));
}

fn per(total: u64, count: u64) -> f64 {
    total as f64 / count as f64
}

/// How long something took, again and again.
#[derive(Debug, Default)]
struct Times(Vec<Duration>);

impl Times {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        self.0.push(start.elapsed());
        done
    }

    fn sum(&self) -> Duration {
        self.0.iter().sum()
    }

    fn permille(&self, permille: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * permille / 1000).min(sorted.len() - 1)]
    }

    fn median(&self) -> Duration {
        self.permille(500)
    }

    fn said(&self) -> String {
        format!("p50 {:.2?}, p99 {:.2?}", self.median(), self.permille(990))
    }

    fn note(&self, name: &str, numbers: &mut Numbers) {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        numbers.insert(name.to_owned(), json!({"p50Ms": ms(self.median()), "p99Ms": ms(self.permille(990))}));
    }
}
