//! `doctor`: the mistakes that leave a gate open, found in the files that ask it.
//!
//! Beside the way of an event: it reads files of Argo CD, Argo Rollouts, Flux, Gatekeeper, Kubernetes, GitHub Actions and
//! GitLab, and knows of each how it lets through what it should stop. Promises that a file which it cannot read, or in
//! which it knows nothing, is undecided and never clean. Never asks a ledger or a cluster, and never changes a file.
//! (docs/DEPLOY.md)

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

mod argo;
mod flux;
mod gatekeeper;
mod jobs;
mod pipelines;
mod rule;
mod shell;
mod webhooks;

use lineal_workload::yaml::{self, Node};

pub use rule::{Mistake as Rule, Severity};

/// The largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// What was found in files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// The answer in one line.
    pub answer: String,
    /// The mistakes, by file and line.
    pub findings: Vec<Found>,
    /// The files that were looked at.
    pub files: Vec<Looked>,
}

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The file as it was named.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The rule.
    pub rule: Rule,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong here.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Looked {
    /// As it was named.
    pub file: String,
    /// How many documents of it were known.
    pub known: usize,
    /// Why nothing can be said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Diagnosis {
    /// 0: nothing was found; 1: something was; 2: nothing was, and of some file nothing can be said.
    pub fn exit_code(&self) -> u8 {
        let unread = self.files.iter().any(|file| file.problem.is_some());
        if !self.findings.is_empty() {
            1
        } else if unread {
            2
        } else {
            0
        }
    }

    /// As text: the answer, then each mistake with how to mend it.
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\n", self.answer);
        for Found { file, line, rule, severity, what, mend } in &self.findings {
            writeln!(out, "\n{file}:{line}: {}: {}: {what}\n  mend: {mend}", severity.as_str(), rule.name())
                .unwrap_or_default();
        }
        for Looked { file, problem, .. } in &self.files {
            if let Some(problem) = problem {
                writeln!(out, "\n{file}: undecided: {problem}").unwrap_or_default();
            }
        }
        out
    }
}

/// Looks at files: each as it was named, with its text or why it could not be read.
pub fn examine(files: Vec<(String, Result<String, String>)>) -> Diagnosis {
    let mut diagnosis = Diagnosis { answer: String::new(), findings: Vec::new(), files: Vec::new() };
    for (file, text) in files {
        let looked = match text.and_then(|text| yaml::parse(&text).map_err(|error| error.to_string())) {
            Ok(documents) => look(&file, &documents, &mut diagnosis.findings),
            Err(problem) => Looked { file, known: 0, problem: Some(problem) },
        };
        diagnosis.files.push(looked);
    }
    diagnosis.answer = answer(&diagnosis);
    diagnosis
}

fn answer(diagnosis: &Diagnosis) -> String {
    let count = |number: usize, what: &str| if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") };
    let of = |severity| diagnosis.findings.iter().filter(|found| found.severity == severity).count();
    let unread = diagnosis.files.iter().filter(|file| file.problem.is_some()).count();
    let all = count(diagnosis.files.len(), "file");
    let undecided =
        if unread == 0 { String::new() } else { format!("; nothing can be said of {}", count(unread, "file")) };
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    if errors + warnings == 0 {
        return format!("no known mistake in {all}{undecided}");
    }
    let found = count(errors + warnings, "mistake");
    format!("{found} in {all}: {}, {}{undecided}", count(errors, "error"), count(warnings, "warning"))
}

/// What is found in the documents of one file.
struct Findings {
    found: Vec<(usize, Rule, String)>,
}

impl Findings {
    fn add(&mut self, node: &Node, rule: Rule, what: impl Into<String>) {
        self.found.push((node.line, rule, what.into()));
    }
}

fn look(file: &str, documents: &[Node], into: &mut Vec<Found>) -> Looked {
    let items: Vec<&Node> = documents.iter().flat_map(yaml::items).collect();
    let mut findings = Findings { found: Vec::new() };
    let known = items.iter().filter(|item| document(item, &items, &mut findings)).count();
    findings.found.sort();
    findings.found.dedup();
    into.extend(findings.found.into_iter().map(|(line, rule, what)| Found {
        file: file.to_owned(),
        line,
        rule,
        severity: rule.severity(),
        what,
        mend: rule.mend().to_owned(),
    }));
    let problem = (known == 0).then(|| "it has nothing in it that is known here".to_owned());
    Looked { file: file.to_owned(), known, problem }
}

/// Looks at one document; whether it is of a kind that is known.
fn document(node: &Node, all: &[&Node], findings: &mut Findings) -> bool {
    let kind = node.text_at("kind").unwrap_or_default();
    let api = node.text_at("apiVersion").unwrap_or_default();
    let group = api.split_once('/').map_or("", |(group, _version)| group);
    match (group, kind) {
        ("argoproj.io", "AnalysisTemplate" | "ClusterAnalysisTemplate" | "AnalysisRun") => {
            argo::analysis(node, findings);
        }
        ("argoproj.io", "Application") => argo::application(node, findings),
        ("", "ConfigMap") if argo::is_notifications(node) => argo::notifications(node, findings),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => webhooks::validating(node, findings),
        ("templates.gatekeeper.sh", "ConstraintTemplate") => gatekeeper::template(node, findings),
        ("externaldata.gatekeeper.sh", "Provider") => gatekeeper::provider(node, findings),
        ("constraints.gatekeeper.sh", _) => gatekeeper::constraint(node, findings),
        ("kustomize.toolkit.fluxcd.io", "Kustomization") => flux::kustomization(node, all, findings),
        ("notification.toolkit.fluxcd.io", "Alert") => flux::alert(node, findings),
        ("notification.toolkit.fluxcd.io", "Provider") => {}
        ("batch", "Job" | "CronJob") => jobs::job(node, findings),
        ("", "") if pipelines::is_known(node) => pipelines::pipeline(node, findings),
        _ => return false,
    }
    true
}
