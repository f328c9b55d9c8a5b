//! The one gate function: a history and a question give a verdict.
//!
//! Three-valued: a rule passes, fails, or has no evidence, and only where all pass is the verdict `allow`. Without one policy
//! that can be read it is `undecided`. Promises that every rule of the policy stands in the verdict with what was wanted
//! and what was found. Never takes a producer's word for what runs: the incumbent is what was observed.

use std::rc::Rc;

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{
        artifact::Artifact,
        deployment::{ComponentRole, ServedSet},
        gate::{GatePolicy, GateVerdict},
        names::{PolicyName, ServiceName},
        policy::PolicyText,
        values::Sha256Hex,
    },
};

use crate::{
    history::{Evidence, History, Identity, Used},
    policy::Policy,
    verdict::{AppliedPolicy, FORMAT, Outcome, RuleResult, Verdict},
};

mod attempts;
mod evaluation;
mod incumbent;
mod joins;
mod lineage;
mod metric;
mod people;
mod select;

use attempts::Attempts;
use incumbent::Incumbents;
use lineage::Ancestry;
pub use select::is_spoken_for;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Where it would run.
    pub service: ServiceName,
    /// What would run: the serving set.
    pub serving_set: Vec<ServedSet>,
    /// Under which policy.
    pub policy: Asked,
}

/// Which policy is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// The registered one that speaks for the service.
    Registered,
    /// The registered one of that name.
    Named(PolicyName),
    /// This text, registered or not.
    Text(PolicyText),
}

/// A policy that is applied, and where it stands on the record.
struct Applied {
    policy: Policy,
    registered: Option<Rc<Evidence>>,
}

/// A model of the serving set.
struct Model {
    artifact: Artifact,
    label: String,
    identity: Option<Rc<Identity>>,
    ancestry: Ancestry,
    attempts: Attempts,
}

/// Everything that the rules look at.
struct Case {
    now: Timestamp,
    service: ServiceName,
    applied: Applied,
    models: Vec<Model>,
    /// Other parts of the serving set: images, configuration.
    others: Vec<Model>,
    incumbents: Incumbents,
}

/// Judges a question over a history.
pub fn judge<H: History>(history: &mut H, question: &Question) -> Result<Verdict, H::Error> {
    let mut verdict = blank(history, question);
    let applied = match select::policy(history, question)? {
        Ok(applied) => applied,
        Err(why) => {
            verdict.notes.push(why);
            return Ok(verdict);
        }
    };
    verdict.policy = applied.named();
    let case = Case::read(history, question, applied)?;
    let mut used = Used::default();
    if let Some(registered) = &case.applied.registered {
        used.put(registered);
    }
    verdict.rules = case.rules(&mut verdict.notes);
    verdict.incumbent = case.incumbents.sets();
    case.incumbents.put(&mut used);
    joins::tell(&case, &mut verdict.notes, &mut used);
    people::waive(&case, &mut verdict, &mut used);
    verdict.verdict = decide(&verdict.rules);
    people::roll_back(history, &case, &mut verdict, &mut used)?;
    people::break_glass(&case, &mut verdict, &mut used);
    for result in &mut verdict.rules {
        result.evidence.sort_unstable();
        result.evidence.dedup();
        result.evidence.iter().for_each(|event| used.put_digest(*event));
    }
    verdict.inputs = used.all();
    Ok(verdict)
}

/// Only where every rule passes, or is waived, may it run.
fn decide(rules: &[RuleResult]) -> GateVerdict {
    let is_fine = |rule: &RuleResult| matches!(rule.outcome, Outcome::Pass | Outcome::Waived);
    if !rules.is_empty() && rules.iter().all(is_fine) { GateVerdict::Allow } else { GateVerdict::Deny }
}

fn blank<H: History>(history: &H, question: &Question) -> Verdict {
    Verdict {
        format: FORMAT.to_owned(),
        ledger: history.ledger(),
        tree_size: history.size(),
        judged_at: history.moment(),
        service: question.service.clone(),
        serving_set: question.serving_set.clone(),
        policy: None,
        verdict: GateVerdict::Undecided,
        overridden: None,
        rules: Vec::new(),
        notes: Vec::new(),
        incumbent: None,
        inputs: Vec::new(),
    }
}

impl Applied {
    fn named(&self) -> Option<AppliedPolicy> {
        let sha256 = Sha256Hex::try_from(self.policy.digest().to_owned()).ok()?;
        let policy = GatePolicy { name: self.policy.name().clone(), sha256 };
        Some(AppliedPolicy { policy, registered: self.registered.as_ref().map(|told| told.event) })
    }
}

impl Case {
    fn read<H: History>(history: &mut H, question: &Question, applied: Applied) -> Result<Self, H::Error> {
        let (mut models, mut others) = (Vec::new(), Vec::<Model>::new());
        for component in question.serving_set.iter().flat_map(|set| &set.components) {
            let is_model = matches!(component.role, ComponentRole::Model | ComponentRole::Adapter);
            let list: &mut Vec<Model> = if is_model { &mut models } else { &mut others };
            let identity = history.identity(&component.artifact)?;
            let same = |other: &Model| match (&other.identity, &identity) {
                (Some(known), Some(_)) => known.is(&component.artifact),
                (None, None) => other.artifact == component.artifact,
                _ => false,
            };
            if list.iter().any(same) {
                continue;
            }
            let ancestry = Ancestry::walk(history, &component.artifact)?;
            let attempts = match (&identity, is_model) {
                (Some(identity), true) => Attempts::read(history, identity, &applied.policy)?,
                _ => Attempts::default(),
            };
            let (artifact, label) = (component.artifact.clone(), label(&component.artifact));
            list.push(Model { artifact, label, identity, ancestry, attempts });
        }
        let incumbents = Incumbents::read(history, &question.service, &models, &applied.policy)?;
        let (now, service) = (history.moment(), question.service.clone());
        Ok(Self { now, service, applied, models, others, incumbents })
    }

    /// Every rule of the policy, in its order.
    fn rules(&self, notes: &mut Vec<String>) -> Vec<RuleResult> {
        if self.models.is_empty() {
            let want = "a model".to_owned();
            return vec![result("identity", None, Outcome::NoEvidence, want, "a serving set without one")];
        }
        let mut results = Vec::new();
        let policy = &self.applied.policy;
        results.push(lineage::identity_rule(self, notes));
        results.push(lineage::flags_rule(self));
        let parts = self.models.iter().chain(&self.others);
        let suspects = parts.flat_map(|part| part.ancestry.suspect.iter().chain(&part.attempts.suspect));
        notes.extend(suspects.map(|who| {
            format!("NOT COUNTED: a clear or a retraction of {who} under a key that somebody else may have had")
        }));
        for model in &self.models {
            let of = (self.models.len() > 1).then(|| model.label.clone());
            let mut own = Vec::new();
            if let Some(asked) = &policy.table.lineage {
                own.push(lineage::lineage_rule(model, asked));
            }
            evaluation::rules(self, model, &mut own, notes);
            for asked in &policy.table.metric {
                own.push(metric::metric_rule(self, model, asked.get_ref(), notes));
            }
            for asked in &policy.table.gap {
                own.push(metric::gap_rule(self, model, asked.get_ref()));
            }
            if let Some(asked) = &policy.table.approval {
                own.push(people::approval_rule(self, model, asked.get_ref()));
            }
            results.extend(own.into_iter().map(|result| RuleResult { of: of.clone(), ..result }));
        }
        let mut known = std::collections::BTreeSet::new();
        notes.retain(|note| known.insert(note.clone()));
        results
    }
}

fn result(
    rule: &str,
    evidence: Option<&Evidence>,
    outcome: Outcome,
    want: String,
    got: impl Into<String>,
) -> RuleResult {
    let evidence = evidence.map(|told| told.event).into_iter().collect();
    RuleResult { rule: rule.to_owned(), of: None, outcome, want, got: got.into(), evidence }
}

/// An artifact in words: its name, and the beginning of its digest or its place.
fn label(artifact: &Artifact) -> String {
    let digest = artifact.digests().next().map(|(algorithm, digest)| {
        let short: String = digest.chars().take(12).collect();
        format!("{algorithm}:{short}")
    });
    let place = || artifact.uri.as_ref().map(ToString::to_string);
    let parts = [artifact.name.as_ref().map(ToString::to_string), digest.or_else(place)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
