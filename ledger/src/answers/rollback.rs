//! `rollback-plan`: what a service can go back to, and whether what the old model answered with is there still.
//!
//! Rollbacks are derived from observation: what was seen to run, long enough and without an incident or a flag, newest
//! first. Two lines, model and data context, because an old model behind a new feature pipeline is a third thing that
//! nobody ever ran. Promises that what the record does not say is unknown and never a yes, and that nothing is asked of
//! the places themselves here: that is `--check`'s part, on the asker's own side. Never changes anything. (docs/ANSWERS.md)

use lineal_schemas::{timestamp::Timestamp, vocabulary::artifact::InputRole};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, EventRef, When,
    flags::Flagged,
    graph::Reader,
    print,
    recheck::Recheck,
    resolve::{self, Target},
    running::ComponentState,
    timeline::{Part, parts},
};
use crate::ledger::View;

mod candidates;
pub mod check;
mod context;
mod now;
pub mod patch;
mod restored;
mod standing;

pub use super::admission::Admission;
pub(super) use candidates::span;

/// How long a serving set has run before it counts as one that works, where the asker says nothing.
pub const MIN_RUN_SECONDS: u64 = 3600;

/// The answer to `lineal rollback-plan SERVICE`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RollbackPlan {
    /// The service as asked.
    pub asked: String,
    /// What to go back to, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The answer in one line.
    pub answer: String,
    /// The service.
    pub service: String,
    /// What runs there.
    pub now: Now,
    /// Whether the model, and what it runs in, can be put back.
    pub model: Line,
    /// Whether what it answered with is as it was: feature pipeline, preprocessing, schema, feature snapshot, index.
    pub context: Line,
    /// What to go back to; absent where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// What ran before, the newest first.
    pub candidates: Vec<Candidate>,
    /// What was asked for last through each door, the newest first.
    pub requests: Vec<Standing>,
    /// How long a serving set must have run to be chosen.
    pub min_run_seconds: u64,
    /// What else should be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How far the record had come.
    pub as_of: AsOf,
}

impl RollbackPlan {
    /// 0: the model can be put back, and its context is as it was; 1: one of the two is a no; 2: one is unknown.
    pub fn exit_code(&self) -> u8 {
        match self.model.state.max(self.context.state) {
            Restorable::Yes => 0,
            Restorable::No => 1,
            Restorable::Unknown => 2,
        }
    }
}

/// What is known of one of the two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Restorable {
    /// Yes.
    Yes,
    /// It cannot be told.
    Unknown,
    /// No.
    No,
}

impl Restorable {
    /// As line 1 has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Unknown => "UNKNOWN",
            Self::No => "NO",
        }
    }
}

/// One of the two lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The answer.
    pub state: Restorable,
    /// Why it is not yes; what is a no stands first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Line {
    /// A no where anything says no, else unknown where anything is, else a yes.
    fn of(no: Vec<String>, unknown: Vec<String>) -> Self {
        let state = match (no.is_empty(), unknown.is_empty()) {
            (false, _) => Restorable::No,
            (true, false) => Restorable::Unknown,
            (true, true) => Restorable::Yes,
        };
        Self { state, reasons: no.into_iter().chain(unknown).collect() }
    }

    /// With what else was found: nothing that was said before is taken back.
    fn add(&mut self, other: Self) {
        let first = other.state > self.state;
        self.state = self.state.max(other.state);
        let before = std::mem::take(&mut self.reasons);
        self.reasons = if first { [other.reasons, before] } else { [before, other.reasons] }.concat();
    }
}

/// What runs at the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Now {
    /// What was seen last; empty where nothing runs.
    pub parts: Vec<Part>,
    /// The observation, or the service's end.
    pub observation: EventRef,
    /// When it was seen.
    pub observed_at: Timestamp,
    /// Since when it is unknown what runs, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
    /// Whether only a part of it was seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// A serving set that ran before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The last event that first saw it: what a declared rollback names as `restores`.
    pub restores: EventRef,
    /// What it was.
    pub parts: Vec<Part>,
    /// Since when it ran, the last time that it did.
    pub from: Timestamp,
    /// When it was no longer seen, or when silence began.
    pub until: Timestamp,
    /// How long it ran in all, from the first observation until it was no longer seen, silence left out.
    pub ran_seconds: u64,
    /// How often it came to run.
    pub times: u64,
    /// What a gate said of it.
    pub admission: Admission,
    /// Why it is not what to go back to by itself; empty where it is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<String>,
}

/// What to go back to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// Its position among the candidates.
    pub candidate: usize,
    /// Everything that belongs together, part by part.
    pub restore: Vec<Restored>,
    /// What of it differs from what runs now, and what it expects that is not there any more.
    pub differences: Vec<Difference>,
    /// What of its context is as it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same: Vec<String>,
    /// What of its context nobody can tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// A component of what to go back to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// The component as it was seen.
    pub component: ComponentState,
    /// Its share of the traffic, where there were several parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// Whether it is data context: feature pipeline, preprocessing, features, index.
    pub is_context: bool,
    /// What it is in the `dataContext` of a declared rollback; absent for the model itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_role: Option<InputRole>,
    /// Whether just this runs there now.
    pub in_place: bool,
    /// Where its bytes are said to be, by anybody and at any time.
    pub places: Vec<String>,
    /// Of these, where they were observed to come from when it ran: what a patch may name unread.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_places: Vec<String>,
    /// Where they are said to be gone from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Gone>,
    /// What is flagged of it, or of what it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flagged: Vec<Flagged>,
    /// What was found at its places, where the asker looked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Recheck>,
}

/// A place that no longer has the bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gone {
    /// The place.
    pub uri: String,
    /// Why, where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The event that says so.
    pub event: EventRef,
}

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// What it is: `feature-pipeline`, `features`, `image`, `schema`.
    pub what: String,
    /// What it was; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is now; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What that means: columns that are dropped, or of another type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// How that is known: `serving`, `training` or `schema`.
    pub basis: DifferenceBasis,
    /// Whether it is data context: then the model does not get what it expects.
    pub is_context: bool,
}

/// How a difference is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DifferenceBasis {
    /// Both were seen to serve.
    Serving,
    /// The one was used in the old model's training, the other serves or was used in the new one's.
    Training,
    /// The columns of the newest snapshot of data that the old model learnt from.
    Schema,
}

/// What was asked for last through a door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The door, where the event names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// What is asked for.
    pub parts: Vec<Part>,
    /// The request.
    pub event: EventRef,
    /// Whether it undoes going back.
    pub undoes: Undoes,
}

/// Whether a request undoes going back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Undoes {
    /// It asks for what to go back to, or nothing asks a second time.
    No,
    /// Its door does not say whether it asks again.
    Unknown,
    /// It asks for something else again and again.
    Yes,
}

/// What a plan is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The service, by its name.
    pub service: &'a str,
    /// What to go back to: a model, a digest, an entry; by default the newest that worked.
    pub to: Option<&'a str>,
    /// How long it must have run to count as one that worked.
    pub min_run_seconds: u64,
}

/// What a service can go back to.
pub fn rollback_plan(view: &View, ask: Ask<'_>, when: impl Into<When>) -> Result<RollbackPlan, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let resolved = resolve::resolve_with(&mut reader, ask.service)?;
    let Target::Service(service) = resolved.target else {
        return Err(AnswerError::NoService { asked: ask.service.to_owned() });
    };
    let seen = now::seen(&mut reader, &service)?;
    let wanted = ask.to.map(|to| candidates::wanted(&mut reader, to)).transpose()?;
    let past = candidates::find(&mut reader, &service, &seen, ask.min_run_seconds)?;
    let chosen = match &wanted {
        Some(wanted) => candidates::matching(&mut reader, &past, wanted)?,
        None => fittest(&past.found),
    };
    let mut warnings = resolved.notes;
    warnings.extend(past.warnings.iter().cloned());
    let (mut model, mut context, mut choice) = nothing(&past, ask, &service);
    let mut requests = Vec::new();
    if let Some((at, one)) = chosen.and_then(|at| Some((at, past.found.get(at)?))) {
        let restore = restored::all(&mut reader, &one.sets, seen.sets(), &past.tainted)?;
        let compared = context::compare(&mut reader, &service, one, &seen)?;
        model = restored::model_line(&restore, past.tainted.is_cut);
        context = restored::context_line(&restore, &compared);
        requests = standing::requests(&mut reader, &service, &one.sets)?;
        if wanted.is_some() {
            warnings.extend(one.candidate.against.iter().map(|why| format!("what was asked for {why}")));
        }
        let context::Compared { differences, same, unknown } = compared;
        choice = Some(Choice { candidate: at, restore, differences, same, unknown });
    }
    let mut plan = RollbackPlan {
        asked: ask.service.to_owned(),
        to: ask.to.map(str::to_owned),
        answer: String::new(),
        now: Now {
            parts: parts(&mut reader, seen.sets())?,
            observation: reader.event_ref(&seen.told),
            observed_at: seen.at,
            unknown_since: seen.unknown_since,
            partial: seen.partial,
        },
        service,
        model,
        context,
        choice,
        candidates: past.found.into_iter().map(|one| one.candidate).collect(),
        requests,
        min_run_seconds: ask.min_run_seconds,
        warnings,
        as_of: reader.as_of(),
    };
    plan.answer = print::rollback_line(&plan);
    Ok(plan)
}

/// The newest of those that the gate allowed, else the newest; of those that nothing speaks against.
fn fittest(found: &[candidates::Found]) -> Option<usize> {
    let fit = |one: &candidates::Found| one.candidate.against.is_empty();
    let allowed = |one: &candidates::Found| fit(one) && one.candidate.admission == Admission::Admitted;
    found.iter().position(allowed).or_else(|| found.iter().position(fit))
}

/// The lines where there is nothing to go back to.
fn nothing(past: &candidates::Past, ask: Ask<'_>, service: &str) -> (Line, Line, Option<Choice>) {
    let why = match (ask.to, past.found.is_empty()) {
        (Some(to), _) => format!("{to} was not seen to run at {service} before what runs now"),
        (None, true) => "nothing else was ever seen to run there".to_owned(),
        (None, false) => "nothing that ran before is fit to go back to by itself: choose one with --to".to_owned(),
    };
    let context = Line::of(Vec::new(), vec!["there is nothing to compare".to_owned()]);
    (Line::of(vec![why], Vec::new()), context, None)
}
