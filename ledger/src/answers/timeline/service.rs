//! The lines of one service: what was asked for, what was seen, and where the two part ways.
//!
//! A request stands until another replaces it, and what is declared or done past it does not replace it. So when what
//! is seen had fulfilled the standing request, went elsewhere, and is back, something has put the request through again.
//! So it has when what a request through one door had brought about is gone, and what another door was asked for before
//! is back: no door knows of another. Both are said as REVERTED. Never says who did it: that is not on the record.

use std::rc::Rc;

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        artifact::Artifact,
        deployment::{Component, ComponentRole, ServedSet},
        gate::GateVerdict,
    },
};

use super::{Draft, LineKind, line, parts};
use crate::answers::{
    AnswerError,
    about::About,
    graph::{Reader, Told},
    running::{are_same, asks, requests},
    spells::{Spell, spells},
};

/// What a line is made from.
enum Fact {
    Seen { spell: Spell, before: Vec<ServedSet> },
    Silent { spell: Spell, until: Option<Timestamp> },
    Asked(Rc<Told>),
    Judged(Rc<Told>),
    Corrected(Rc<Told>),
}

impl Fact {
    fn order(&self) -> (Timestamp, &str, u64) {
        match self {
            Self::Seen { spell, .. } => spell.told.order_at(spell.first.at),
            Self::Silent { spell, .. } => spell.told.order_at(spell.silent_since.unwrap_or(spell.last.at)),
            Self::Asked(told) | Self::Judged(told) | Self::Corrected(told) => told.order(),
        }
    }
}

/// What stands, whether it was seen to be there since it was asked for, and what was seen last.
#[derive(Default)]
struct Standing {
    /// The last request of each door, the newest of all last: that one stands.
    requests: Vec<Request>,
    is_fulfilled: bool,
    seen: Vec<ServedSet>,
}

struct Request {
    index: u64,
    door: Option<String>,
    wanted: Vec<ServedSet>,
}

impl Standing {
    fn ask(&mut self, request: Request) {
        self.requests.retain(|earlier| earlier.door != request.door);
        self.requests.push(request);
    }

    /// The request that something has put through again, where what was seen went from `before` to `now`.
    fn put_through_again(
        &self,
        reader: &mut Reader<'_>,
        before: &[ServedSet],
        now: &[ServedSet],
    ) -> Result<Option<u64>, AnswerError> {
        let Some((standing, others)) = self.requests.split_last().filter(|_some| self.is_fulfilled) else {
            return Ok(None);
        };
        let was_there = are_same(reader, before, &standing.wanted)?;
        if are_same(reader, now, &standing.wanted)? {
            return Ok((!was_there).then_some(standing.index));
        }
        for other in others.iter().rev().filter(|_other| was_there) {
            if are_same(reader, now, &other.wanted)? {
                return Ok(Some(other.index));
            }
        }
        Ok(None)
    }
}

/// Everything that happened at a service.
pub(super) fn lines(reader: &mut Reader<'_>, service: &str, about: &About) -> Result<Vec<Draft>, AnswerError> {
    let mut facts = seen(reader, service)?;
    facts.extend(requests(reader, service)?.into_iter().map(Fact::Asked));
    for told in reader.happened(service, &["record.corrected"])? {
        facts.push(Fact::Corrected(told));
    }
    let said = ["gate.decided", "approval.granted", "approval.refused", "waiver.granted"];
    facts.extend(reader.happened(service, &said)?.into_iter().map(Fact::Judged));
    facts.sort_by(|one, other| one.order().cmp(&other.order()));
    let mut standing = Standing::default();
    let mut drafts = Vec::new();
    for fact in facts {
        drafts.push(match fact {
            Fact::Seen { spell, before } => observed(reader, about, &spell, &before, &mut standing)?,
            Fact::Silent { spell, until } => silent(reader, about, &spell, until),
            Fact::Asked(told) => asked(reader, about, told, &mut standing)?,
            Fact::Judged(told) => judged(reader, about, told)?,
            Fact::Corrected(told) => corrected(reader, told)?,
        });
    }
    Ok(drafts)
}

fn seen(reader: &mut Reader<'_>, service: &str) -> Result<Vec<Fact>, AnswerError> {
    let spells = spells(reader, service)?;
    let mut facts = Vec::new();
    let mut before: Vec<ServedSet> = Vec::new();
    for (at, spell) in spells.iter().enumerate() {
        facts.push(Fact::Seen { spell: spell.clone(), before });
        before = spell.sets().to_vec();
        if spell.silent_since.is_some() {
            let until = spells.get(at + 1).map(|next| next.first.at);
            facts.push(Fact::Silent { spell: spell.clone(), until });
        }
    }
    Ok(facts)
}

fn observed(
    reader: &mut Reader<'_>,
    about: &About,
    spell: &Spell,
    before: &[ServedSet],
    standing: &mut Standing,
) -> Result<Draft, AnswerError> {
    let mut kind = match &spell.told.payload {
        Payload::InventoryObserved(_) if spell.is_end() => LineKind::Absent,
        _ if spell.is_end() => LineKind::Removed,
        _ => LineKind::Observed,
    };
    let regarding = standing.put_through_again(reader, before, spell.sets())?;
    if regarding.is_some() {
        kind = LineKind::Reverted;
    }
    if let Some(request) = standing.requests.last() {
        standing.is_fulfilled |= are_same(reader, spell.sets(), &request.wanted)?;
    }
    standing.seen = spell.sets().to_vec();
    let mut line = line(reader, &spell.told, kind);
    line.at = spell.first.at;
    line.until = Some(spell.last.at);
    line.observations = Some(spell.observations);
    line.regarding = regarding;
    line.before = parts(reader, before)?;
    line.after = parts(reader, spell.sets())?;
    let is_about = holds(about, before) || holds(about, spell.sets());
    Ok(Draft { line, told: spell.told.clone(), is_about })
}

fn silent(reader: &Reader<'_>, about: &About, spell: &Spell, until: Option<Timestamp>) -> Draft {
    let mut line = line(reader, &spell.told, LineKind::Unknown);
    line.at = spell.silent_since.unwrap_or(spell.last.at);
    line.until = until;
    Draft { line, told: spell.told.clone(), is_about: holds(about, spell.sets()) }
}

fn asked(
    reader: &mut Reader<'_>,
    about: &About,
    told: Rc<Told>,
    standing: &mut Standing,
) -> Result<Draft, AnswerError> {
    let (door, wanted) = asks(reader, &told)?.unwrap_or_default();
    let before = standing.requests.last().map(|request| request.wanted.clone()).unwrap_or_default();
    let kind = match &told.payload {
        Payload::DeploymentRolledback(_) => LineKind::RolledBack,
        _ => LineKind::Requested,
    };
    let mut line = line(reader, &told, kind);
    line.door.clone_from(&door);
    line.before = parts(reader, &before)?;
    line.after = parts(reader, &wanted)?;
    let is_about = holds(about, &before) || holds(about, &wanted) || about.artifacts.is_empty();
    if kind == LineKind::Requested {
        standing.is_fulfilled = are_same(reader, &standing.seen, &wanted)?;
        standing.ask(Request { index: told.index, door, wanted });
    } else if let Payload::DeploymentRolledback(rollback) = &told.payload {
        line.regarding = match &rollback.restores {
            Some(event) => reader.by_event(event)?,
            None => None,
        };
    }
    Ok(Draft { line, told, is_about })
}

/// What the gate or somebody said about something running there.
fn judged(reader: &mut Reader<'_>, about: &About, told: Rc<Told>) -> Result<Draft, AnswerError> {
    let of = |artifact: &Artifact| {
        let component = Component { role: ComponentRole::Model, artifact: artifact.clone(), binding: None };
        vec![ServedSet { components: vec![component], share: None, instances: None }]
    };
    let (kind, sets) = match &told.payload {
        Payload::ApprovalGranted(granted) => (LineKind::Approved, of(&granted.artifact)),
        Payload::ApprovalRefused(refused) => (LineKind::Refused, of(&refused.artifact)),
        Payload::WaiverGranted(waived) => (LineKind::Waived, of(&waived.artifact)),
        Payload::GateDecided(decided) => {
            let kind = match decided.verdict {
                GateVerdict::Allow => LineKind::Allowed,
                GateVerdict::Deny => LineKind::Denied,
                GateVerdict::Undecided => LineKind::Undecided,
            };
            (kind, decided.serving_set.clone())
        }
        _ => (LineKind::Said, Vec::new()),
    };
    let mut line = line(reader, &told, kind);
    line.after = parts(reader, &sets)?;
    let is_about = holds(about, &sets);
    Ok(Draft { line, told, is_about })
}

/// That an event was corrected, and which.
pub(super) fn corrected(reader: &mut Reader<'_>, told: Rc<Told>) -> Result<Draft, AnswerError> {
    let mut line = line(reader, &told, LineKind::Corrected);
    if let Payload::RecordCorrected(correction) = &told.payload {
        line.regarding = reader.by_event(&correction.corrects)?;
    }
    Ok(Draft { line, told, is_about: true })
}

/// Whether what is asked about has a part in these; a service's own history holds all.
fn holds(about: &About, sets: &[ServedSet]) -> bool {
    about.artifacts.is_empty() || sets.iter().any(|set| about.holds(set))
}
