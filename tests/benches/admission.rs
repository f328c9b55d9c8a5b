//! Admission under load, over a synthetic history: see docs/PERFORMANCE.md.
//!
//! `cargo bench -p lineal-tests --bench admission [-- --runs 1000000] [--folder /DIR] [--rate 200] [--seconds 30] [--json /FILE]`. The
//! history is that of the benchmark of the answers, and is used again where a folder is given. Eight clients send reviews of
//! `InferenceService`s at a steady rate, each with a uid of its own, so that every decision is committed to the record. A request is
//! timed from when it was due, not from when a client came to send it. Prints, and fails on no number.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use lineal_tests::{
    history::{
        Shape,
        ledger::{self, DIR, digest, registered, service},
    },
    programs::{Http, LedgerProcess, lineal},
};
use serde_json::{Value, json};

/// Who asks at the same time.
const CLIENTS: u32 = 8;

/// Services that are asked about; as many as the history measures models for every day.
const SERVICES: u64 = 10;

fn main() {
    let number = |name: &str, usual: u64| argument(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (rate, seconds) = (number("--rate", 200), number("--seconds", 30));
    let shape = Shape::of(number("--runs", 1_000_000));
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target");
    let temporary = tempfile::tempdir_in(target).unwrap();
    let folder = argument("--folder").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    if !folder.join(DIR).exists() {
        fs::create_dir_all(&folder).unwrap();
        drop(ledger::fill(&folder, shape, &mut |_day| {}));
    }
    let dir = folder.join(DIR);
    let mut command = lineal();
    command.args(["serve", "--http", "127.0.0.1:0", "--dir"]).arg(&dir);
    let process = LedgerProcess::start(command);
    // The history ends in the past, and nothing is decided over a record that does not go on.
    let newest = |line| digest(registered(shape, shape.days() - 1, line));
    let first = lineal()
        .args(["gate", "--record", "--service", &service(0), "--model"])
        .arg(newest(0))
        .arg("--dir")
        .arg(&dir)
        .status();
    assert!(first.unwrap().success(), "the models of the last day are allowed");
    let base = process.http().base().to_owned();
    let count = u32::try_from(rate * seconds).unwrap();
    let gap = Duration::from_secs(1) / u32::try_from(rate).unwrap();
    let bodies: Vec<String> = (0..SERVICES).map(newest).collect();
    let begin = Instant::now() + Duration::from_millis(200);
    let mut times: Vec<(Duration, bool)> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (base, bodies) = (&base, &bodies);
                scope.spawn(move || {
                    let http = Http::new(base);
                    let numbers = (client..count).step_by(usize::try_from(CLIENTS).unwrap());
                    numbers.map(|number| ask(&http, number, bodies, begin + gap * number)).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let took = begin.elapsed();
    let allowed = times.iter().filter(|(_time, allowed)| *allowed).count();
    times.sort_unstable();
    let at = |permille: usize| times[(times.len() * permille / 1000).min(times.len() - 1)].0;
    println!(
        "{count} reviews at {rate} a second, {allowed} allowed, over {} events, in {:.1} s: p50 {:.2?}, p99 {:.2?}, longest {:.2?}",
        process.http().size(),
        took.as_secs_f64(),
        at(500),
        at(990),
        at(1000)
    );
    if let Some(file) = argument("--json") {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let numbers =
            json!({"reviews": count, "rate": rate, "allowed": allowed, "p50Ms": ms(at(500)), "p99Ms": ms(at(990))});
        fs::write(file, numbers.to_string()).unwrap();
    }
    process.stop();
}

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// Sends one review when it is due; how long after that it was answered, and whether with a yes.
fn ask(http: &Http, number: u32, digests: &[String], due: Instant) -> (Duration, bool) {
    let line = usize::try_from(number).unwrap() % digests.len();
    thread::sleep(due.saturating_duration_since(Instant::now()));
    let answer = http.post_json("/v1/admission/eu-1/prod", &review(number, line, &digests[line]));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    (due.elapsed(), answer["response"]["allowed"] == true)
}

fn review(number: u32, line: usize, digest: &str) -> String {
    let kind = json!({"group": "serving.kserve.io", "version": "v1beta1", "kind": "InferenceService"});
    let resource = json!({"group": "serving.kserve.io", "version": "v1beta1", "resource": "inferenceservices"});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": format!("0c9a8d74-9cb7-44dd-b98e-{number:012x}"),
        "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
        "name": format!("line-{line}"), "namespace": "history", "operation": "UPDATE",
        "userInfo": {"username": "system:serviceaccount:argocd:argocd-application-controller"},
        "object": {
            "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": format!("line-{line}"), "namespace": "history"},
            "spec": {"predictor": {"model": {
                "modelFormat": {"name": "sklearn"},
                "storageUri": format!("oci://registry.example/history/line-{line}@sha256:{digest}"),
            }}},
        },
        "oldObject": null, "dryRun": false, "options": null,
    }})
    .to_string()
}
