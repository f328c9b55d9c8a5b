//! What the gate said of what serves: the one place where answers ask whether it was admitted.
//!
//! By the ledger's own decisions alone, about just the models of a serving set, or all of it where it has none. The newest
//! that decided counts for what runs; for going back, as the gate's rollback clause has it, one that allowed it is enough,
//! whatever was asked of it since. Promises that what no decision speaks of was never gated and not taken for admitted,
//! and that an undecided one is no yes. Never judges: what a verdict would be now is the gate's part. (docs/ANSWERS.md)

use std::rc::Rc;

use lineal_gate::history::MAX_LAST;
use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        deployment::{Component, ComponentRole, ServedSet},
        gate::{GateDecided, GateVerdict},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, EventRef, gate,
    graph::{Reader, Told},
};

/// What a gate said of a serving set that could come back.
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

/// Whether what serves was admitted, by the newest decision about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gated {
    /// It was allowed.
    Admitted,
    /// It was denied, and somebody broke the glass, for a time that has not ended.
    Overridden,
    /// It was denied, and the time for which somebody broke the glass has ended.
    OverrideEnded,
    /// It was denied.
    Refused,
    /// The gate was asked, and could not decide: no yes.
    Undecided,
    /// No decision about it is on the record.
    NeverGated,
    /// No decision about the service is on the record, and no policy speaks for it: the gate has no part in it.
    NotCovered,
}

impl Gated {
    /// Whether it may run, as far as was decided.
    pub const fn may_run(self) -> bool {
        matches!(self, Self::Admitted | Self::Overridden)
    }

    /// Whether it is known not to be let in by a gate that has a say in it.
    pub const fn is_missed(self) -> bool {
        !self.may_run() && !matches!(self, Self::NotCovered)
    }
}

/// What was decided about a part of what serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetAdmission {
    /// Whether it was admitted.
    pub gated: Gated,
    /// The decision that says so; absent where it was never gated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<EventRef>,
    /// The policy that was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Why the glass was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Of what is refused now: the newest decision that had allowed it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_before: Option<EventRef>,
}

/// The ledger's own decisions about one service that had happened, the last said first; of each verdict the last
/// [`MAX_LAST`].
pub(super) struct Decisions {
    service: String,
    all: Vec<Rc<Told>>,
    /// Entries that are not read yet, the last one last.
    unread: Vec<u64>,
    /// Whether the gate has a say in the service, once that was asked.
    is_covered: Option<bool>,
}

/// How many decisions are read first; then twice as many, and so on.
const FIRST_READ: usize = 8;

/// What decisions say of one serving set: of each kind, the last said.
#[derive(Default)]
pub(super) struct Said {
    pub(super) allowed: Option<Rc<Told>>,
    pub(super) denied: Option<Rc<Told>>,
    pub(super) undecided: Option<Rc<Told>>,
}

impl Decisions {
    /// Reads them. One that was corrected is none, and so is what others say that a gate decided.
    pub(super) fn read(reader: &mut Reader<'_>, service: &str) -> Result<Self, AnswerError> {
        let mut decisions = Self::unread(reader, service)?;
        while decisions.read_more(reader)? {}
        decisions.all.sort_by(|one, other| other.order().cmp(&one.order()));
        Ok(decisions)
    }

    /// Reads none of them yet: [`Self::admission`] reads as far back as it has to.
    pub(super) fn unread(reader: &Reader<'_>, service: &str) -> Result<Self, AnswerError> {
        let size = reader.moment().size;
        let mut unread = Vec::new();
        for verdict in [GateVerdict::Allow, GateVerdict::Deny, GateVerdict::Undecided] {
            let decisions = reader.view().index.decisions(service, verdict, size, MAX_LAST)?;
            // Of what was decided after the moment nothing is read.
            let had_happened = decisions.iter().filter(|decision| reader.moment().is_past(decision.when));
            unread.extend(had_happened.map(|decision| decision.index));
        }
        unread.sort_unstable();
        Ok(Self { service: service.to_owned(), all: Vec::new(), unread, is_covered: None })
    }

    /// Reads some more of them, the newest first: the ledger's own events stand in the order in which it said them. False
    /// where all are read.
    fn read_more(&mut self, reader: &mut Reader<'_>) -> Result<bool, AnswerError> {
        let own = reader.registry().ledger_source();
        let some = self.unread.split_off(self.unread.len().saturating_sub(self.all.len().max(FIRST_READ)));
        reader.read_ahead(&some)?;
        for entry in some.iter().rev() {
            let Some(told) = reader.told(*entry)?.filter(|told| reader.has_happened(told)) else { continue };
            if told.order().1 == own && told.corrected_by.is_none() {
                self.all.push(told);
            }
        }
        Ok(!some.is_empty())
    }

    /// Whether a part of what serves was admitted: where nothing was decided, it also says whether the gate has a say there,
    /// which it has where it was asked about the service or a policy speaks for it.
    pub(super) fn admission(
        &mut self,
        reader: &mut Reader<'_>,
        part: &ServedSet,
        whole: &[ServedSet],
    ) -> Result<SetAdmission, AnswerError> {
        let (mut said, mut at) = (Said::default(), 0);
        // Whatever is older than one that allowed it changes nothing.
        while said.allowed.is_none() && (at < self.all.len() || self.read_more(reader)?) {
            for told in self.all.iter().skip(at) {
                said.take(told, |decided| is_about_part(reader, decided, part, whole))?;
            }
            at = self.all.len();
        }
        let admission = said.admission(reader);
        if admission.gated != Gated::NeverGated {
            return Ok(admission);
        }
        let is_covered = match self.is_covered {
            Some(is_covered) => is_covered,
            None => !self.is_empty() || gate::is_gated(reader, &self.service)?,
        };
        self.is_covered = Some(is_covered);
        Ok(if is_covered { admission } else { SetAdmission { gated: Gated::NotCovered, ..admission } })
    }

    /// Whether the gate was never asked about the service.
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Each with what it says, the last said first.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Rc<Told>, &GateDecided)> {
        self.all.iter().filter_map(|told| decided(told).map(|decided| (told, decided)))
    }

    /// What they say of just these serving sets.
    pub(super) fn about(&self, reader: &mut Reader<'_>, sets: &[ServedSet]) -> Result<Said, AnswerError> {
        self.said(reader, |reader, decided| is_about(reader, &decided.serving_set, sets))
    }

    /// What they say of a part of what serves: of it alone, of all that serves, or where all was allowed, of it beside others.
    pub(super) fn about_part(
        &self,
        reader: &mut Reader<'_>,
        part: &ServedSet,
        whole: &[ServedSet],
    ) -> Result<Said, AnswerError> {
        self.said(reader, |reader, decided| is_about_part(reader, decided, part, whole))
    }

    fn said(
        &self,
        reader: &mut Reader<'_>,
        mut is_it: impl FnMut(&mut Reader<'_>, &GateDecided) -> Result<bool, AnswerError>,
    ) -> Result<Said, AnswerError> {
        let mut said = Said::default();
        for told in &self.all {
            said.take(told, |decided| is_it(reader, decided))?;
        }
        Ok(said)
    }
}

impl Said {
    /// Takes a decision, where there is none of its kind yet and it is about what is asked.
    fn take(
        &mut self,
        told: &Rc<Told>,
        is_it: impl FnOnce(&GateDecided) -> Result<bool, AnswerError>,
    ) -> Result<(), AnswerError> {
        let Some(decided) = decided(told) else { return Ok(()) };
        let place = match decided.verdict {
            GateVerdict::Allow => &mut self.allowed,
            GateVerdict::Deny => &mut self.denied,
            GateVerdict::Undecided => &mut self.undecided,
        };
        if place.is_none() && is_it(decided)? {
            *place = Some(told.clone());
        }
        Ok(())
    }

    /// The newest that allowed or denied it.
    pub(super) fn last(&self) -> Option<&Rc<Told>> {
        [&self.allowed, &self.denied].into_iter().flatten().max_by(|one, other| one.order().cmp(&other.order()))
    }

    /// Whether it may come back.
    pub(super) const fn ever(&self) -> Admission {
        match (&self.allowed, &self.denied) {
            (Some(_), _) => Admission::Admitted,
            (None, Some(_)) => Admission::Refused,
            (None, None) => Admission::Unknown,
        }
    }

    /// Whether it was admitted, and by which decision; not whether the gate has a say where there is none.
    pub(super) fn admission(&self, reader: &Reader<'_>) -> SetAdmission {
        let counts = self.last().or(self.undecided.as_ref());
        let what = counts.and_then(|told| decided(told));
        let glass = what.and_then(|decided| decided.overridden.as_ref());
        let until = glass.and_then(|glass| glass.expires.timestamp());
        let gated = match what.map(|decided| decided.verdict) {
            None => Gated::NeverGated,
            Some(GateVerdict::Undecided) => Gated::Undecided,
            Some(GateVerdict::Allow) => Gated::Admitted,
            Some(GateVerdict::Deny) if glass.is_none() => Gated::Refused,
            Some(GateVerdict::Deny) if until.is_some_and(|until| until > reader.moment().at) => Gated::Overridden,
            Some(GateVerdict::Deny) => Gated::OverrideEnded,
        };
        let before = self.allowed.as_ref().filter(|_allowed| gated == Gated::Refused);
        SetAdmission {
            gated,
            decision: counts.map(|told| reader.event_ref(told)),
            policy: what.and_then(|decided| decided.policy.as_ref()).map(|policy| policy.name.to_string()),
            reason: glass.map(|glass| glass.reason.to_string()),
            until,
            allowed_before: before.map(|told| reader.event_ref(told)),
        }
    }
}

/// Whether a decision is about a part of what serves: about it alone, about all that serves, or where all was allowed, about
/// it beside others.
fn is_about_part(
    reader: &mut Reader<'_>,
    decided: &GateDecided,
    part: &ServedSet,
    whole: &[ServedSet],
) -> Result<bool, AnswerError> {
    let part = std::slice::from_ref(part);
    if is_about(reader, &decided.serving_set, part)? || is_about(reader, &decided.serving_set, whole)? {
        return Ok(true);
    }
    for set in decided.serving_set.iter().filter(|_set| decided.verdict == GateVerdict::Allow) {
        if is_about(reader, std::slice::from_ref(set), part)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The decision that an event is.
pub(super) fn decided(told: &Told) -> Option<&GateDecided> {
    match &told.payload {
        Payload::GateDecided(decided) => Some(decided),
        _ => None,
    }
}

/// Whether a decision was about just what is judged of serving sets.
pub(super) fn is_about(
    reader: &mut Reader<'_>,
    decided: &[ServedSet],
    sets: &[ServedSet],
) -> Result<bool, AnswerError> {
    let (theirs, ours) = (judged(decided), judged(sets));
    Ok(!ours.is_empty() && are_in(reader, &theirs, &ours)? && are_in(reader, &ours, &theirs)?)
}

/// The models of serving sets; everything where there are none.
pub(super) fn judged(sets: &[ServedSet]) -> Vec<&Component> {
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
