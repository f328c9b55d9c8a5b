//! `timeline`: what happened to a service, or to an artifact and where it served, one line a change.
//!
//! Asked for, seen, taken back, ended and corrected are different facts and different lines; silence is a line of its
//! own. Promises the same lines in whatever order events arrived. Never takes a request for what runs. (docs/ANSWERS.md)

use std::{collections::BTreeMap, rc::Rc};

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{Payload, deployment::ServedSet, values::Count},
};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, EventRef, When,
    about::{About, about},
    graph::{Reader, Told},
    incidents, print,
    running::{ComponentState, components},
};
use crate::ledger::View;

mod service;

/// The answer to `lineal timeline X`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// As asked.
    pub asked: String,
    /// The answer in one line.
    pub answer: String,
    /// The services that it is about, sorted.
    pub services: Vec<String>,
    /// From when on lines are given, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when lines are given, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// What happened, in the order in which it happened.
    pub lines: Vec<Line>,
    /// What the asker should know: that the name has meant several things, or that it can't be followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How far the record had come.
    pub as_of: AsOf,
}

impl Timeline {
    /// 0: something happened; 1: nothing did; 2: what runs at its end is unknown.
    pub fn exit_code(&self) -> u8 {
        let is_unknown = self.lines.iter().any(|line| line.kind == LineKind::Unknown && line.until.is_none());
        if is_unknown { 2 } else { u8::from(self.lines.is_empty()) }
    }
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    /// Somebody or something asked for it.
    Requested,
    /// It was seen, and was not what was seen before.
    Observed,
    /// It was seen to be again what the standing request asks for, though something else had taken its place.
    Reverted,
    /// The next observation was due and did not come.
    Unknown,
    /// Somebody declared to go back.
    RolledBack,
    /// The service ended.
    Removed,
    /// A whole inventory of its environment did not list the service.
    Absent,
    /// The gate allowed it.
    Allowed,
    /// The gate denied it.
    Denied,
    /// The gate could not decide.
    Undecided,
    /// Somebody who may approved it.
    Approved,
    /// Somebody who may refused it.
    Refused,
    /// Somebody who may waived a rule of a policy, or broke the glass.
    Waived,
    /// An artifact was said to be bad.
    Flagged,
    /// An artifact was said not to be bad.
    Cleared,
    /// Something was said of an incident: it was opened, updated, closed.
    Incident,
    /// An event was corrected.
    Corrected,
    /// Something was said of the artifact: it was made, registered, measured, moved.
    Said,
}

impl LineKind {
    /// As prose says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Observed => "observed",
            Self::Reverted => "REVERTED",
            Self::Unknown => "UNKNOWN",
            Self::RolledBack => "rolled back",
            Self::Removed => "removed",
            Self::Absent => "absent",
            Self::Allowed => "allowed",
            Self::Denied => "DENIED",
            Self::Undecided => "undecided",
            Self::Approved => "approved",
            Self::Refused => "REFUSED",
            Self::Waived => "WAIVED",
            Self::Flagged => "FLAGGED",
            Self::Cleared => "cleared",
            Self::Incident => "incident",
            Self::Corrected => "corrected",
            Self::Said => "said",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: LineKind,
    /// Of silence: until when it lasted, if it ended. Of what was seen: when it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The service, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Through what it was asked, where the event says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// Of what was seen or asked for: what was there before, in the same sense.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Part>,
    /// What is there from then on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Part>,
    /// How many observations saw just this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observations: Option<u64>,
    /// The entry that it undoes, corrects or goes against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regarding: Option<u64>,
    /// The event; of silence, the observation that promised another.
    pub event: EventRef,
}

/// A part of a serving set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Its part of the traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// How many instances there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<u64>,
    /// What it consists of.
    pub components: Vec<ComponentState>,
}

/// A line with what orders it and what it is about.
struct Draft {
    line: Line,
    told: Rc<Told>,
    /// Whether what is asked about has a part in it.
    is_about: bool,
}

impl Draft {
    fn order(&self) -> ((Timestamp, &str, u64), LineKind) {
        (self.told.order_at(self.line.at), self.line.kind)
    }
}

/// What happened to what `asked` means, from `from` until `to`, where these are given.
pub fn timeline(
    view: &View,
    asked: &str,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    when: impl Into<When>,
) -> Result<Timeline, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let about = about(&mut reader, asked)?;
    let mut drafts = said(&mut reader, &about)?;
    drafts.extend(incidents(&mut reader, &about)?);
    for service in &about.services {
        drafts.extend(service::lines(&mut reader, service, &about)?);
    }
    drafts.sort_by(|one, other| one.order().cmp(&other.order()));
    let lines = drafts.into_iter().filter(|draft| draft.is_about && is_within(&draft.line, from, to));
    let mut timeline = Timeline {
        asked: asked.to_owned(),
        answer: String::new(),
        services: about.services.iter().cloned().collect(),
        from,
        to,
        lines: lines.map(|draft| draft.line).collect(),
        warnings: about.warnings(asked),
        as_of: reader.as_of(),
    };
    timeline.answer = print::timeline_line(&timeline);
    Ok(timeline)
}

/// Silence counts wherever it reaches into the time; everything else where it happened.
fn is_within(line: &Line, from: Option<Timestamp>, to: Option<Timestamp>) -> bool {
    let end = if line.kind == LineKind::Unknown { line.until.unwrap_or(Timestamp::MAX) } else { line.at };
    from.is_none_or(|from| end >= from) && to.is_none_or(|to| line.at <= to)
}

/// What was said of the artifacts themselves.
fn said(reader: &mut Reader<'_>, about: &About) -> Result<Vec<Draft>, AnswerError> {
    let mut told: Vec<Rc<Told>> = about.artifacts.iter().flat_map(|identity| identity.said.iter().cloned()).collect();
    told.extend(about.named.iter().cloned());
    told.sort_by_key(|told| told.index);
    told.dedup_by_key(|told| told.index);
    told.retain(|told| reader.has_happened(told) && !told.subject.starts_with("service/"));
    let mut drafts = Vec::new();
    for told in told {
        drafts.push(match &told.payload {
            Payload::RecordCorrected(_) => service::corrected(reader, told)?,
            payload => Draft { line: line(reader, &told, kind_of(payload)), told, is_about: true },
        });
    }
    Ok(drafts)
}

fn kind_of(payload: &Payload) -> LineKind {
    match payload {
        Payload::ArtifactFlagged(_) => LineKind::Flagged,
        Payload::ArtifactCleared(_) => LineKind::Cleared,
        _ => LineKind::Said,
    }
}

/// What was said of incidents that ever touched a service or an artifact that is asked about, each once.
fn incidents(reader: &mut Reader<'_>, about: &About) -> Result<Vec<Draft>, AnswerError> {
    let mut said: BTreeMap<u64, Rc<Told>> = BTreeMap::new();
    let mut found = Vec::new();
    for identity in &about.artifacts {
        found.extend(incidents::of_artifact(reader, identity)?);
    }
    // A model's history is its own: what befell one of its services is that service's.
    for service in about.services.iter().filter(|_service| about.artifacts.is_empty()) {
        found.extend(incidents::of_service(reader, service)?);
    }
    for told in found.into_iter().flat_map(|incident| incident.said) {
        said.insert(told.index, told);
    }
    let draft = |told: Rc<Told>| Draft { line: line(reader, &told, LineKind::Incident), told, is_about: true };
    Ok(said.into_values().map(draft).collect())
}

fn line(reader: &Reader<'_>, told: &Told, kind: LineKind) -> Line {
    let service = told.subject.starts_with("service/").then(|| told.subject.clone());
    Line {
        at: told.when(),
        kind,
        until: None,
        service,
        door: None,
        before: Vec::new(),
        after: Vec::new(),
        observations: None,
        regarding: None,
        event: reader.event_ref(told),
    }
}

/// Parts as answers show them.
pub(super) fn parts(reader: &mut Reader<'_>, sets: &[ServedSet]) -> Result<Vec<Part>, AnswerError> {
    let mut parts = Vec::new();
    for set in sets {
        let share = set.share.as_ref().map(|share| share.as_decimal().as_str().to_owned());
        parts.push(Part { share, instances: set.instances.map(Count::get), components: components(reader, set)? });
    }
    Ok(parts)
}
