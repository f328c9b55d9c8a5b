//! What a gate said of a serving set: the one place where a plan asks for it.
//!
//! By the ledger's own decisions, about just the models of the set, or all of it where it has none; as the gate's rollback
//! clause has it, one that allowed it is enough, whatever was asked of it since. Promises that a set of which no decision
//! is on the record is unknown, and never taken for an admitted one.

use lineal_schemas::vocabulary::{
    Payload,
    deployment::{Component, ComponentRole, ServedSet},
    gate::GateVerdict,
};
use serde::{Deserialize, Serialize};

use crate::answers::{AnswerError, graph::Reader};

/// What a gate said of a serving set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// A decision allowed it.
    Admitted,
    /// There were decisions, and none allowed it.
    Refused,
    /// No decision about it is on the record.
    Unknown,
}

impl Admission {
    /// As prose has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted by the gate",
            Self::Refused => "REFUSED by the gate",
            Self::Unknown => "no gate decision on the record",
        }
    }
}

/// What the record says of a serving set at a service.
pub(super) fn of(reader: &mut Reader<'_>, service: &str, sets: &[ServedSet]) -> Result<Admission, AnswerError> {
    let own = reader.registry().ledger_source();
    let mut admission = Admission::Unknown;
    for told in reader.happened(service, &["gate.decided"])? {
        let Payload::GateDecided(decided) = &told.payload else { continue };
        let (_when, source, _number) = told.order();
        if source != own || told.corrected_by.is_some() || !is_about(reader, &decided.serving_set, sets)? {
            continue;
        }
        match decided.verdict {
            GateVerdict::Allow => return Ok(Admission::Admitted),
            GateVerdict::Deny => admission = Admission::Refused,
            GateVerdict::Undecided => {}
        }
    }
    Ok(admission)
}

/// Whether a decision was about just what is judged of serving sets.
fn is_about(reader: &mut Reader<'_>, decided: &[ServedSet], sets: &[ServedSet]) -> Result<bool, AnswerError> {
    let (theirs, ours) = (judged(decided), judged(sets));
    Ok(!ours.is_empty() && are_in(reader, &theirs, &ours)? && are_in(reader, &ours, &theirs)?)
}

/// The models of serving sets; everything where there are none.
fn judged(sets: &[ServedSet]) -> Vec<&Component> {
    let components = || sets.iter().flat_map(|set| &set.components);
    let is_model = |part: &&Component| matches!(part.role, ComponentRole::Model | ComponentRole::Adapter);
    let models: Vec<&Component> = components().filter(is_model).collect();
    if models.is_empty() { components().collect() } else { models }
}

fn are_in(reader: &mut Reader<'_>, some: &[&Component], others: &[&Component]) -> Result<bool, AnswerError> {
    for one in some {
        let mut is_in = false;
        for other in others {
            is_in = is_in || reader.same(&one.artifact, &other.artifact)?;
        }
        if !is_in {
            return Ok(false);
        }
    }
    Ok(true)
}
