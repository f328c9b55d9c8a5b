//! `gate`: whether something may run somewhere, by the one gate function over the ledger's index.
//!
//! Promises the verdict that anybody makes from the record alone, at the size and the moment that it names. Never says what
//! runs, and never lets anything run: that is for whoever asks. (docs/GATE.md)

use lineal_gate::{
    age::is_behind,
    history::MAX_POLICIES,
    judge::{Asked, Question, is_spoken_for, judge},
    verdict::{Outcome, Verdict},
};
use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        artifact::Artifact,
        deployment::{ComponentRole, ServedSet},
        gate::{GateDecided, GateVerdict},
        names::{Id, ServiceName},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    AnswerError, AsOf, Known, When,
    graph::Reader,
    print,
    resolve::{self, Target, main_artifact},
};
use crate::ledger::View;

mod indexed;
mod members;
pub mod running;

use indexed::Indexed;
pub use members::{GateMembers, to_json};

/// The answer to `lineal gate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// The answer in one line.
    pub answer: String,
    /// The verdict in short, for tools that read no more.
    pub data: Short,
    /// SHA-256 of the verdict's bytes.
    pub digest: String,
    /// The verdict itself (docs/GATE.md).
    pub document: Verdict,
    /// How far the record had come.
    pub as_of: AsOf,
}

/// A verdict in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Short {
    /// Whether it may run: allowed, or denied and overridden.
    pub ok: bool,
    /// What was decided.
    pub verdict: GateVerdict,
    /// Why not, a line a rule, and what should be known.
    pub reasons: Vec<String>,
    /// The digest of the policy's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What was asked about.
    pub model: String,
    /// What was observed running there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incumbent: Option<String>,
    /// The tree size that was judged.
    pub size: u64,
}

impl Gate {
    /// 0: it may run; 1: it may not; 2: it could not be decided.
    pub const fn exit_code(&self) -> u8 {
        match self.document.verdict {
            GateVerdict::Undecided => 2,
            _ if self.data.ok => 0,
            _ => 1,
        }
    }
}

/// What is asked of the gate, as a person or a tool spells it.
#[derive(Debug, Clone, PartialEq)]
pub struct GateQuestion {
    /// The model: a name, a digest, an entry, or a place.
    pub model: String,
    /// The service, with its place.
    pub service: String,
    /// Under which policy.
    pub policy: Asked,
}

/// Why nothing can be decided about now: a record that stands still may lack the flag that would stop a model. Whoever asks
/// about a moment is told of that moment.
pub fn stale(view: &View, when: When) -> Result<Option<String>, AnswerError> {
    let asked = when.at.is_some() || when.known.is_some();
    let Some(last) = view.record.size().checked_sub(1).filter(|_last| !asked) else { return Ok(None) };
    let received = view.record.get(last)?.entry().received;
    Ok(is_behind(received, when.now)
        .then(|| format!("the last entry was taken at {received}: has the ledger stopped?")))
}

/// Judges what is asked.
pub fn gate(view: &View, asked: &GateQuestion, when: impl Into<When>) -> Result<Gate, AnswerError> {
    let when = when.into();
    let mut reader = reader(view, when)?;
    let service = service(&mut reader, &asked.service)?;
    let serving_set = vec![model(&mut reader, &asked.model)?];
    let question = Question { service, serving_set, policy: asked.policy.clone() };
    let verdict = judged(&mut reader, &question)?;
    Ok(answer(verdict, as_of(&reader, when)))
}

/// Judges a serving set, as an admission check has it.
pub fn gate_set(view: &View, question: &Question, when: impl Into<When>) -> Result<Gate, AnswerError> {
    let when = when.into();
    let mut reader = reader(view, when)?;
    let verdict = judged(&mut reader, question)?;
    Ok(answer(verdict, as_of(&reader, when)))
}

/// Judges over the index, once what the question leads to is read on all cores.
fn judged(reader: &mut Reader<'_>, question: &Question) -> Result<Verdict, AnswerError> {
    let mut history = Indexed::new(reader);
    history.read_ancestry(question)?;
    judge(&mut history, question)
}

/// The verdict that the ledger recorded for a request of a tool about the same serving set, made again as it was then, with
/// its entry. Only decisions that were taken at `since` or later are looked at.
pub fn gate_again(
    view: &View,
    question: &Question,
    request: &Id,
    since: Timestamp,
    now: Timestamp,
) -> Result<Option<(u64, Gate)>, AnswerError> {
    let mut reader = Reader::new(view, now.into())?;
    let size = reader.moment().size;
    let decided = view.index.decided_for(question.service.as_str(), request.as_str())?;
    for index in decided.into_iter().rev().filter(|index| *index < size) {
        let Some(told) = reader.told(index)? else { continue };
        if told.entry.received < since {
            break;
        }
        let Payload::GateDecided(decided) = &told.payload else { continue };
        let is_it = decided.request.as_ref() == Some(request) && decided.serving_set == question.serving_set;
        if !is_it || told.order().1 != reader.registry().ledger_source() {
            continue;
        }
        let known = decided.tree_size.get().checked_sub(1).map(Known::Entry);
        let at = decided.judged_at.timestamp();
        return Ok(Some((index, gate_set(view, question, When { now, at, known })?)));
    }
    Ok(None)
}

/// Whether a registered policy speaks for a service, or may: one that can't be read.
pub fn has_policy(view: &View, service: &ServiceName, when: When) -> Result<bool, AnswerError> {
    let mut reader = reader(view, when)?;
    is_spoken_for(&mut Indexed::new(&mut reader), service)
}

/// A verdict has a moment in any case: ages and ends are counted at it.
fn reader(view: &View, when: When) -> Result<Reader<'_>, AnswerError> {
    let at = if when.known.is_some() { when.at } else { when.at.or(Some(when.now)) };
    Reader::new(view, When { at, ..when })
}

fn as_of(reader: &Reader<'_>, when: When) -> AsOf {
    AsOf { asked: when.at.is_some() || when.known.is_some(), ..reader.as_of() }
}

fn answer(verdict: Verdict, as_of: AsOf) -> Gate {
    let reasons = verdict.reasons().map(|rule| format!("{}: {}", rule.rule, rule.got));
    let data = Short {
        ok: verdict.may_run(),
        verdict: verdict.verdict,
        reasons: reasons.chain(verdict.notes.iter().cloned()).collect(),
        policy: verdict.policy.as_ref().map(|applied| format!("sha256:{}", applied.policy.sha256)),
        model: named(&verdict.serving_set),
        incumbent: verdict.incumbent.as_deref().filter(|sets| !sets.is_empty()).map(named),
        size: verdict.tree_size,
    };
    // A verdict is plain data: it can always be written.
    let digest = verdict.digest().unwrap_or_default();
    let mut gate = Gate { answer: String::new(), data, digest, document: verdict, as_of };
    gate.answer = print::gate_line(&gate);
    gate
}

/// The models of a serving set, by their first digests or their places.
fn named(sets: &[ServedSet]) -> String {
    let components = sets.iter().flat_map(|set| &set.components);
    let models = components.filter(|part| matches!(part.role, ComponentRole::Model | ComponentRole::Adapter));
    let each = models.map(|component| {
        let digest = component.artifact.digests().next().map(|(algorithm, value)| format!("{algorithm}:{value}"));
        digest.or_else(|| component.artifact.uri.as_ref().map(ToString::to_string)).unwrap_or_default()
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The service that is meant: one that nothing is known of yet is one all the same.
fn service(reader: &mut Reader<'_>, asked: &str) -> Result<ServiceName, AnswerError> {
    for spelled in [asked.to_owned(), format!("service/{asked}")] {
        if let Ok(service) = spelled.parse() {
            return Ok(service);
        }
    }
    match resolve::resolve_with(reader, asked)?.target {
        Target::Service(service) => service.parse().map_err(|_not_a_service| unknown(asked)),
        _ => Err(unknown(asked)),
    }
}

/// The model that is meant. A digest or a place that the record does not know is judged, and has no evidence.
fn model(reader: &mut Reader<'_>, asked: &str) -> Result<ServedSet, AnswerError> {
    let artifact = match resolve::resolve_with(reader, asked) {
        Ok(resolved) => match resolved.target {
            Target::Artifact(artifact) => *artifact,
            Target::Event(index) => {
                let told = reader.told(index)?.ok_or(AnswerError::Erased { index })?;
                main_artifact(&told.payload).cloned().ok_or_else(|| unknown(asked))?
            }
            other => return Err(other.unfit(asked)),
        },
        Err(error @ AnswerError::Unknown { .. }) => elsewhere(asked).ok_or(error)?,
        Err(error) => return Err(error),
    };
    let set = json!({"components": [{"role": "model", "artifact": artifact}]});
    serde_json::from_value(set).map_err(|_not_a_set| unknown(asked))
}

/// A full digest, or a place: `sha256:…`, `dirHash:…`, `oci://registry/model@sha256:…`, `s3://bucket/model`.
fn elsewhere(asked: &str) -> Option<Artifact> {
    let (place, digest) = match asked.split_once("://") {
        Some(_) => (Some(asked), asked.rsplit_once('@').map(|(_place, digest)| digest)),
        None => (None, Some(asked)),
    };
    let digest = digest.and_then(|digest| digest.split_once(':'));
    let digest = digest.filter(|(algorithm, _hex)| matches!(*algorithm, "sha256" | "dirHash"));
    let mut artifact = serde_json::Map::new();
    artifact.extend(place.map(|place| ("uri".to_owned(), json!(place))));
    artifact.extend(digest.map(|(algorithm, hex)| ("digest".to_owned(), json!({ algorithm: hex }))));
    serde_json::from_value(artifact.into()).ok()
}

fn unknown(asked: &str) -> AnswerError {
    AnswerError::Unknown { asked: asked.to_owned(), near: Vec::new() }
}

/// Whether a registered policy speaks for a service, or may.
pub(super) fn is_gated(reader: &mut Reader<'_>, service: &str) -> Result<bool, AnswerError> {
    let Ok(service) = service.parse() else { return Ok(false) };
    // How flags and measurements are corrected has no part in it, and the answer that asks goes on reading as it did.
    is_spoken_for(&mut Indexed::as_read(reader), &service)
}

/// Whether any policy had been registered.
pub(super) fn is_any_registered(reader: &mut Reader<'_>) -> Result<bool, AnswerError> {
    let at = reader.moment().at;
    for policy in reader.subjects("policy/", MAX_POLICIES)? {
        let registered = reader.told_about(&policy, &["policy.registered"])?;
        if registered.iter().any(|told| told.entry.received <= at) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What became of a rule, as a line has it.
pub(super) const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "FAIL",
        Outcome::NoEvidence => "NO EVIDENCE",
        Outcome::Waived => "waived",
    }
}

/// The event that records a verdict on what was asked. Under a policy that was asked for by a name that nothing bears, nobody
/// could make it again: an auditor asks which policy speaks for the service.
pub fn decision_on(asked: &GateQuestion, gate: &Gate, door: &str) -> Result<(String, GateDecided), AnswerError> {
    if gate.document.policy.is_none() && asked.policy != Asked::Registered {
        return Err(AnswerError::Unregistered);
    }
    decision(gate, door)
}

/// The event that records a verdict: its subject and its payload. Only what can be made again from the record is recorded.
pub fn decision(gate: &Gate, door: &str) -> Result<(String, GateDecided), AnswerError> {
    let policy = gate.document.policy.as_ref();
    if policy.is_some_and(|applied| applied.registered.is_none()) {
        return Err(AnswerError::Unregistered);
    }
    let mut decided = gate.document.decided().map_err(|error| AnswerError::Decision(error.to_string()))?;
    decided.door = door.parse().ok();
    Ok((decided.service.to_string(), decided))
}
