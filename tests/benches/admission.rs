//! Verdicts and admission under load, over a synthetic history: see docs/PERFORMANCE.md.
//!
//! `cargo bench -p lineal-tests --bench admission [-- --runs 1000000] [--folder /DIR] [--rate 200] [--seconds 30] [--json /FILE]`. The
//! history is that of the benchmark of the answers, and is used again where a folder is given. Eight clients ask at a steady rate: first
//! `/v1/verdict`, then `/v1/admission` with reviews of `InferenceService`s, each with a uid of its own, so that every decision is
//! committed to the record. A request is timed from when it was due, not from when a client came to send it. Prints, and fails on no
//! number.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use lineal_ledger::clock::SystemClock;
use lineal_tests::{
    history::{
        Shape,
        ledger::{self, DIR, digest, policy, registered, service},
    },
    programs::{Http, LedgerProcess, lineal},
};
use serde_json::{Map, Value, json};

/// Who asks at the same time.
const CLIENTS: u32 = 8;

/// Services that are asked about; as many as the history measures models for every day.
const SERVICES: u64 = 10;

fn main() {
    let number = |name: &str, usual: u64| argument(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let load = Load { rate: number("--rate", 200), seconds: number("--seconds", 30) };
    let shape = Shape::of(number("--runs", 1_000_000));
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target");
    let temporary = tempfile::tempdir_in(target).unwrap();
    let folder = argument("--folder").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    if !folder.join(DIR).exists() {
        fs::create_dir_all(&folder).unwrap();
        drop(ledger::fill(&folder, shape, &mut |_day| {}));
    }
    ledger::go_on(&folder, Arc::new(SystemClock::start()));
    let mut command = lineal();
    command.args(["serve", "--http", "127.0.0.1:0", "--environment", "environment/eu-1/prod", "--dir"]);
    command.arg(folder.join(DIR));
    let process = LedgerProcess::start(command);
    let models: Vec<String> = (0..SERVICES).map(|line| digest(registered(shape, shape.days() - 1, line))).collect();
    let mut numbers = Map::new();
    let verdicts = load.put(process.http().base(), &|http, number| verdict(http, &models, number));
    load.say("verdicts", (process.http().size(), &verdicts), &mut numbers);
    let reviews = load.put(process.http().base(), &|http, number| admission(http, &models, number));
    load.say("reviews", (process.http().size(), &reviews), &mut numbers);
    if let Some(file) = argument("--json") {
        fs::write(file, Value::Object(numbers).to_string()).unwrap();
    }
    process.stop();
}

/// Requests at a steady rate.
struct Load {
    rate: u64,
    seconds: u64,
}

/// How long each took, whether it was a yes, and how long all of them took.
struct Answered(Vec<(Duration, bool)>, Duration);

impl Load {
    /// Asks, each time when it is due, and takes the time of every answer from then on.
    fn put(&self, base: &str, ask: &(dyn Fn(&Http, u32) -> bool + Sync)) -> Answered {
        let count = u32::try_from(self.rate * self.seconds).unwrap();
        let gap = Duration::from_secs(1) / u32::try_from(self.rate).unwrap();
        let begin = Instant::now() + Duration::from_millis(200);
        let mut times: Vec<(Duration, bool)> = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    scope.spawn(move || {
                        let http = Http::new(base);
                        let numbers = (client..count).step_by(usize::try_from(CLIENTS).unwrap());
                        let asked = numbers.map(|number| {
                            let due = begin + gap * number;
                            thread::sleep(due.saturating_duration_since(Instant::now()));
                            let is_yes = ask(&http, number);
                            (due.elapsed(), is_yes)
                        });
                        asked.collect::<Vec<_>>()
                    })
                })
                .collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        let took = begin.elapsed();
        times.sort_unstable();
        Answered(times, took)
    }

    /// Prints, and notes.
    fn say(&self, what: &str, (events, answered): (u64, &Answered), numbers: &mut Map<String, Value>) {
        let Answered(times, took) = answered;
        let allowed = times.iter().filter(|(_time, allowed)| *allowed).count();
        assert!(allowed > 0, "the models of the last day are allowed");
        let at = |permille: usize| times[(times.len() * permille / 1000).min(times.len() - 1)].0;
        println!(
            "{} {what} at {} a second, {allowed} allowed, over {events} events, in {:.1} s: p50 {:.2?}, p99 {:.2?}, longest {:.2?}",
            times.len(),
            self.rate,
            took.as_secs_f64(),
            at(500),
            at(990),
            at(1000)
        );
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let said = json!({"count": times.len(), "rate": self.rate, "allowed": allowed, "p50Ms": ms(at(500)), "p99Ms": ms(at(990))});
        numbers.insert(what.to_owned(), said);
    }
}

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// Which service a request is about, and which model.
fn line(models: &[String], number: u32) -> (usize, &str) {
    let line = usize::try_from(number).unwrap() % models.len();
    (line, &models[line])
}

/// Asks for one verdict; whether it is a yes.
fn verdict(http: &Http, models: &[String], number: u32) -> bool {
    let (line, model) = line(models, number);
    let service = service(u64::try_from(line).unwrap());
    let policy = policy(&service);
    let answer = http.get(&format!("/v1/verdict?model=sha256:{model}&service={service}&policy={policy}"));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    answer["data"]["ok"] == true
}

/// Sends one review; whether it is answered with a yes.
fn admission(http: &Http, models: &[String], number: u32) -> bool {
    let (line, model) = line(models, number);
    let answer = http.post_json("/v1/admission/eu-1/prod", &review(number, line, model));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    answer["response"]["allowed"] == true
}

fn review(number: u32, line: usize, digest: &str) -> String {
    let kind = json!({"group": "serving.kserve.io", "version": "v1beta1", "kind": "InferenceService"});
    let resource = json!({"group": "serving.kserve.io", "version": "v1beta1", "resource": "inferenceservices"});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": format!("{:08x}-9cb7-44dd-b98e-{number:012x}", std::process::id()),
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
