//! Every answer is the same wherever it is asked for: of a data directory, of a copy that nobody may write to, of the ledger that
//! runs on it, and over HTTP; as text, as JSON that its schema knows, and for other programs.
#![cfg(test)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lineal_tests::{
    programs::{Ended, LedgerHome, LedgerProcess, emit, lineal, run},
    signing::key,
};
use serde_json::Value;

const SERVICE: &str = "service/site/fraud@eu-1/prod";
const MODEL: &str = "model/site/fraud";

const POLICY: &str = "schema = 1\nname = \"policy/site/fraud\"\napplies = { service = \"service/site/fraud\" }\n";

/// A record with data, two runs, two models, an evaluation, observations, a request, a flag, a policy and decisions.
struct Site {
    home: LedgerHome,
    folder: PathBuf,
}

impl Site {
    fn filled() -> Self {
        let home = LedgerHome::init();
        let folder = home.folder().join("site");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("key.pem"), key(5).to_pem().unwrap().as_bytes()).unwrap();
        let roles = ["data", "trainer", "evaluator", "deployer", "observer", "approver"];
        let names = ["dataset", "model", "job", "artifact", "service", "policy"].map(|kind| format!("{kind}/site/**"));
        let mut scope = vec!["--source", "https://site.example/**"];
        scope.extend(roles.iter().flat_map(|role| ["--role", role]));
        scope.extend(names.iter().flat_map(|name| ["--name", name.as_str()]));
        home.enrol(key(5).public(), "site", &scope);
        let site = Self { home, folder };
        site.fill();
        site
    }

    fn fill(&self) {
        fs::create_dir(self.folder.join("train")).unwrap();
        for part in 0..3 {
            fs::write(self.folder.join(format!("train/part-{part}.csv")), format!("amount\n{part}\n")).unwrap();
        }
        self.emit(&["dataset", "train", "--name", "dataset/site/train"]);
        for (version, command) in [("1", "echo one > model.bin"), ("2", "echo two > model.bin")] {
            self.emit(
                &[
                    &[
                        "run",
                        "--job",
                        "site/train",
                        "--input",
                        "training=train",
                        "--param",
                        "lr=0.10",
                        "--seed",
                        "numpy=7",
                    ][..],
                    &["--output", "model/site/fraud=model.bin", "--", "sh", "-c", command][..],
                ]
                .concat(),
            );
            self.emit(&["model", "model.bin", "--name", MODEL, "--version", version]);
            self.emit(&["observe", "--service", SERVICE, "--model", "model.bin", "--observer", "probe"]);
        }
        self.emit(&["deploy", "--service", SERVICE, "--model", "model.bin", "--door", "argo-cd"]);
        fs::write(self.folder.join("results.json"), r#"[{"metric":"auc","value":"0.912","sampleSize":1000}]"#).unwrap();
        let evaluation = ["--model", "model.bin", "--data", "train", "--results", "results.json"];
        self.emit(&[&["evaluation", "--name", MODEL][..], &evaluation].concat());
        let flag = ["flag", "train/part-1.csv", "--category", "poisoned", "--reason", "label-flipping-found"];
        let more = ["--known-since", "2026-11-01T00:00:00Z", "--subject", "artifact/site/part-1"];
        self.emit(&[&flag[..], &more].concat());
        fs::write(self.folder.join("policy.toml"), POLICY).unwrap();
        self.emit(&["policy", "policy.toml"]);
        run(self.home.lineal("append").arg(self.folder.join("events.dsse"))).succeeded();
        for (model, code) in [("model.bin", 0), ("s3://models/latest", 1)] {
            let mut gate = self.home.lineal("gate");
            gate.current_dir(&self.folder).args(["--model", model, "--service", SERVICE, "--record"]);
            run(&mut gate).with_code(code);
        }
    }

    fn emit(&self, command: &[&str]) {
        let mut program = emit();
        program.current_dir(&self.folder).env("HOME", &self.folder);
        let trust = self.home.trust_path();
        program.args(["--key", "key.pem", "--outbox", "outbox", "--to", "file:events.dsse", "--trust"]).arg(trust);
        program.args(["--source", "https://site.example/ci"]).args(command);
        run(&mut program).succeeded();
    }

    /// `lineal …` in the site's folder.
    fn ask(&self, of: &[&str], question: &[&str]) -> Ended {
        let mut program = lineal();
        program.current_dir(&self.folder).args(question).args(of);
        run(&mut program)
    }
}

/// Questions, and how their programs end.
fn questions() -> Vec<(Vec<&'static str>, i32)> {
    vec![
        (vec!["running"], 0),
        (vec!["gate", "--running"], 0),
        (vec!["gate", "--model", "model.bin", "--service", SERVICE], 0),
        (vec!["gate", "--model", "s3://models/latest", "--service", SERVICE], 1),
        (vec!["gate", "--model", "model.bin", "--service", "service/other/x@eu-1/prod"], 2),
        (vec!["running", "--env", "nowhere"], 1),
        (vec!["trace", SERVICE], 0),
        (vec!["trace", "model.bin"], 0),
        (vec!["impact", "./train"], 0),
        (vec!["impact", "model.bin"], 0),
        (vec!["timeline", SERVICE], 0),
        (vec!["windows", "model.bin"], 0),
        (vec!["diff", SERVICE], 1),
        (vec!["diff", "model.bin", "model/site/fraud@2"], 0),
        (vec!["evals", MODEL], 0),
        (vec!["findings"], 1),
        (vec!["rollback-plan", SERVICE, "--min-run", "0"], 0),
        (vec!["rollback-plan", MODEL], 2),
        (vec!["explain", "#3"], 0),
        (vec!["key-impact", "site"], 0),
        (vec!["keys"], 0),
        (vec!["get", "3"], 0),
        (vec!["trace", "model/site/frod"], 2),
    ]
}

/// An answer, and the moment that all of them are about: then none depends on when it was asked for.
fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if from.is_dir() {
            copy(&from, &to);
        } else {
            let _bytes = fs::copy(&from, &to).unwrap();
        }
    }
}

#[test]
fn every_answer_is_the_same_wherever_it_is_asked_for() {
    let site = Site::filled();
    let dir = site.home.dir().to_str().unwrap().to_owned();
    let copied = site.home.folder().join("copied");
    copy(site.home.dir(), &copied);
    fs::remove_dir_all(copied.join("derived")).unwrap();
    let at = json(&site.ask(&["--json", "--dir", &dir], &["running"]))["asOf"]["at"].as_str().unwrap().to_owned();
    let ask = |of: &[&str], question: &[&str]| {
        let moment = ["--at", at.as_str()];
        let moment = if question[0] == "get" { ["--known-at", "14"] } else { moment };
        site.ask(of, &[question, &moment].concat())
    };
    let before: Vec<Ended> =
        questions().iter().map(|(question, _code)| ask(&["--json", "--dir", &dir], question)).collect();
    let process = LedgerProcess::start(site.home.serve_command());
    let url = process.http().base().to_owned();
    let copied = copied.to_str().unwrap();
    for ((question, code), before) in questions().iter().zip(&before) {
        assert_eq!(before.code, Some(*code), "{question:?}\n{}{}", before.stdout, before.stderr);
        for of in [["--json", "--dir", &dir], ["--json", "--dir", copied], ["--json", "--url", &url]] {
            let other = ask(&of, question);
            assert_eq!(other.code, Some(*code), "{question:?} {of:?}\n{}{}", other.stdout, other.stderr);
            assert_eq!((&other.stdout, &other.stderr), (&before.stdout, &before.stderr), "{question:?} {of:?}");
        }
        let (text, elsewhere) = (ask(&["--dir", &dir], question), ask(&["--url", &url], question));
        assert_eq!((&text.stdout, &text.stderr), (&elsewhere.stdout, &elsewhere.stderr), "{question:?}");
        if *code != 2 && !before.stdout.starts_with('[') {
            let answer = json(before)["answer"].as_str().map(str::to_owned);
            assert!(answer.is_none_or(|answer| text.stdout.lines().next() == Some(&answer)), "{}", text.stdout);
        }
    }
    process.stop();
}

/// The graph of a trace for other programs, whole and with the words in it kept from being read as their syntax.
#[test]
fn a_trace_is_a_graph_for_other_programs() {
    let site = Site::filled();
    let dir = site.home.dir().to_str().unwrap().to_owned();
    let process = LedgerProcess::start(site.home.serve_command());
    let trace = json(&site.ask(&["--json", "--dir", &dir], &["trace", SERVICE]));
    let count = trace["nodes"].as_array().unwrap().len();
    for of in [["--dir", &dir], ["--url", process.http().base()]] {
        let dot = site.ask(&of, &["trace", SERVICE, "--dot"]).stdout;
        assert!(dot.contains("\ndigraph trace {\n") && dot.trim_end().ends_with('}'), "{dot}");
        assert_eq!(
            dot.lines().filter(|line| line.contains("label=") && !line.contains("->")).count(),
            count,
            "{dot}{trace:#}"
        );
        let mermaid = site.ask(&of, &["trace", SERVICE, "--mermaid"]).stdout;
        assert!(mermaid.contains("\nflowchart "), "{mermaid}");
        assert!(mermaid.contains("model/site/fraud"), "{mermaid}");
    }
    let drawn = Command::new("dot").arg("-V").output();
    if drawn.is_ok() {
        let dot = site.ask(&["--dir", &dir], &["trace", SERVICE, "--dot"]).stdout;
        fs::write(site.folder.join("trace.dot"), dot).unwrap();
        let mut draw = Command::new("dot");
        draw.current_dir(&site.folder).args(["-Tsvg", "-otrace.svg", "trace.dot"]);
        run(&mut draw).succeeded();
    }
    process.stop();
}
