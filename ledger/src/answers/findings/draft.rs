//! Findings as rules draft them, gathered by what they are about: the same one found at two services is one.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lineal_schemas::digest::sha256;

use super::{Evidence, Finding, Rule, Severity};
use crate::answers::{
    NamedDigest,
    graph::{Reader, Told},
};

/// The most findings of one answer.
const MAX_FINDINGS: usize = 10_000;

/// The most events that a rule shows one finding by; what was seen of services comes on top.
pub(super) const MAX_EVIDENCE: usize = 20;

/// What a rule found.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) rule: Rule,
    /// Where it differs from the rule's own.
    pub(super) severity: Option<Severity>,
    /// What it is about, in texts that stay the same whatever arrives: names and digests.
    pub(super) about: Vec<String>,
    pub(super) line: String,
    pub(super) service: Option<String>,
    pub(super) artifact: Option<(String, Vec<NamedDigest>)>,
    /// Events with what they are to the finding, in the order to be read in.
    pub(super) evidence: Vec<(&'static str, Rc<Told>)>,
}

impl Draft {
    /// Of a rule, about a service.
    pub(super) fn of(rule: Rule, service: &str, line: String) -> Self {
        let (about, service) = (vec![service.to_owned()], Some(service.to_owned()));
        Self { rule, severity: None, about, line, service, artifact: None, evidence: Vec::new() }
    }

    /// Whether an event shows it already.
    pub(super) fn has(&self, told: &Told) -> bool {
        self.evidence.iter().any(|(_role, known)| known.index == told.index)
    }

    fn id(&self) -> String {
        let mut text = self.rule.as_str().to_owned();
        for part in &self.about {
            text.push('\0');
            text.push_str(part);
        }
        let digits: String = hex::encode(sha256(text.as_bytes())).chars().take(super::ID_DIGITS).collect();
        format!("{}{digits}", super::ID_PREFIX)
    }
}

/// Findings by their ids.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    found: BTreeMap<String, Finding>,
    undecided: BTreeSet<String>,
}

impl Gathered {
    /// Takes a finding in, or one more service of a known one.
    pub(super) fn add(&mut self, reader: &Reader<'_>, draft: Draft) {
        let id = draft.id();
        let shown =
            |(role, told): &(&str, Rc<Told>)| Evidence { role: (*role).to_owned(), event: reader.event_ref(told) };
        if let Some(known) = self.found.get_mut(&id) {
            known.services.extend(draft.service);
            known.services.sort();
            known.services.dedup();
            for evidence in draft.evidence.iter().map(shown) {
                if known.evidence.len() < 2 * MAX_EVIDENCE && !known.evidence.contains(&evidence) {
                    known.evidence.push(evidence);
                }
            }
            return;
        }
        if self.found.len() >= MAX_FINDINGS {
            self.undecided(format!("only the first {MAX_FINDINGS} findings are given"));
            return;
        }
        let (artifact, digests) = draft.artifact.unzip();
        let finding = Finding {
            id: id.clone(),
            rule: draft.rule,
            severity: draft.severity.unwrap_or_else(|| draft.rule.severity()),
            line: draft.line,
            services: draft.service.into_iter().collect(),
            artifact,
            digests: digests.unwrap_or_default(),
            evidence: draft.evidence.iter().map(shown).collect(),
        };
        self.found.insert(id, finding);
    }

    /// Says what could not be looked at.
    pub(super) fn undecided(&mut self, what: String) {
        self.undecided.insert(what);
    }

    /// The most severe first, then by rule and what they are about.
    pub(super) fn finish(self) -> (Vec<Finding>, Vec<String>) {
        let mut found: Vec<Finding> = self.found.into_values().collect();
        found.sort_by(|one, other| {
            let key = |finding: &Finding| (std::cmp::Reverse(finding.severity), finding.rule);
            key(one).cmp(&key(other)).then_with(|| (&one.services, &one.line).cmp(&(&other.services, &other.line)))
        });
        (found, self.undecided.into_iter().collect())
    }
}
