//! What ran before, the newest first, and what speaks against going back to it.
//!
//! Promises that the same serving set is one candidate however often it ran, that silence is not counted as running, and
//! that what holds all of what runs now is no way out of it.

use std::rc::Rc;

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{
        artifact::Artifact,
        deployment::{Component, ServedSet},
        flag::FlagSeverity,
    },
};

use super::{Admission, Candidate, now::SeenNow};
use crate::answers::{
    AnswerError,
    admission::Decisions,
    flags::Tainted,
    graph::{Identity, Reader, Told},
    incidents::{self, Incident},
    resolve::{self, Target},
    running::{are_same, holds},
    spells::{are_alike, spells},
    text,
    timeline::parts,
};

/// The most candidates that are told; the newest are.
const MAX_CANDIDATES: usize = 50;

/// The most artifacts and runs that are looked at downstream of what is flagged.
const MAX_TAINTED: usize = 20_000;

/// A candidate with what it is made of.
pub(super) struct Found {
    pub(super) candidate: Candidate,
    pub(super) sets: Vec<ServedSet>,
    pub(super) told: Rc<Told>,
}

/// Everything that ran before.
pub(super) struct Past {
    pub(super) found: Vec<Found>,
    pub(super) tainted: Tainted,
    pub(super) warnings: Vec<String>,
}

/// A serving set with the times in which it ran.
struct Ran {
    sets: Vec<ServedSet>,
    told: Rc<Told>,
    times: Vec<(Timestamp, Timestamp)>,
}

impl Ran {
    fn seconds(&self) -> u64 {
        let ms = self.times.iter().map(|(from, until)| until.as_millis().saturating_sub(from.as_millis()).max(0));
        u64::try_from(ms.sum::<i64>()).unwrap_or(0) / 1000
    }

    fn components(&self) -> impl Iterator<Item = &Component> {
        self.sets.iter().flat_map(|set| &set.components)
    }
}

/// Finds what ran at a service before what runs now.
pub(super) fn find(
    reader: &mut Reader<'_>,
    service: &str,
    now: &SeenNow,
    min_run_seconds: u64,
) -> Result<Past, AnswerError> {
    let tainted = Tainted::find(reader, MAX_TAINTED)?;
    let incidents = incidents::of_service(reader, service)?;
    let decisions = Decisions::read(reader, service)?;
    let mut all = ran(reader, service)?;
    let mut found = Vec::new();
    let mut warnings = Vec::new();
    while let Some(one) = all.pop() {
        if are_same(reader, &one.sets, now.sets())? {
            continue;
        }
        if found.len() == MAX_CANDIDATES {
            warnings.push(format!("{} that ran before are left out", text::count(all.len() + 1, "serving set")));
            break;
        }
        let admission = decisions.about(reader, &one.sets)?.ever();
        let mut against = Vec::new();
        if one.seconds() < min_run_seconds {
            against.push(format!("ran for {} only", span(one.seconds())));
        }
        if !now.sets().is_empty() && holds_all(reader, &one.sets, now.sets())? {
            against.push("has all of what runs now".to_owned());
        }
        if admission == Admission::Refused {
            against.push("was refused by the gate, and never allowed".to_owned());
        }
        against.extend(troubled(reader, &one, &incidents)?);
        against.extend(flagged(reader, &one, &tainted)?);
        let (from, until) = one.times.last().copied().unwrap_or((now.at, now.at));
        let candidate = Candidate {
            restores: reader.event_ref(&one.told),
            parts: parts(reader, &one.sets)?,
            from,
            until,
            ran_seconds: one.seconds(),
            times: u64::try_from(one.times.len()).unwrap_or(u64::MAX),
            admission,
            against,
        };
        found.push(Found { candidate, told: one.told, sets: one.sets });
    }
    Ok(Past { found, tainted, warnings })
}

/// Every serving set that was seen in whole, the one that ran last at the end.
fn ran(reader: &mut Reader<'_>, service: &str) -> Result<Vec<Ran>, AnswerError> {
    let spells = spells(reader, service)?;
    let mut all: Vec<Ran> = Vec::new();
    for (at, spell) in spells.iter().enumerate() {
        if spell.is_end() || spell.sets().is_empty() {
            continue;
        }
        let next = spells.get(at + 1).map(|next| next.first.at);
        let until = spell.silent_since.or(next).unwrap_or(spell.last.at);
        let mut known = None;
        for (position, one) in all.iter().enumerate() {
            if are_alike(reader, &one.sets, spell.sets())? {
                known = Some(position);
                break;
            }
        }
        let mut times = known.map(|position| all.remove(position).times).unwrap_or_default();
        times.push((spell.first.at, until));
        all.push(Ran { sets: spell.sets().to_vec(), told: spell.told.clone(), times });
    }
    Ok(all)
}

fn holds_all(reader: &mut Reader<'_>, sets: &[ServedSet], others: &[ServedSet]) -> Result<bool, AnswerError> {
    for other in others {
        if !holds(reader, sets, other)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Incidents of the service that were opened while it ran, and open ones that are about something of it.
fn troubled(reader: &mut Reader<'_>, one: &Ran, incidents: &[Incident]) -> Result<Vec<String>, AnswerError> {
    let mut why = Vec::new();
    for told in incidents.iter().flat_map(Incident::opened) {
        let at = told.when();
        if one.times.iter().any(|(from, until)| (*from..*until).contains(&at)) {
            why.push(format!("ran when {} was opened at {at} (#{})", told.subject, told.index));
        }
    }
    for component in one.components() {
        if let Some(identity) = reader.identity(&component.artifact)? {
            why.extend(
                incidents::open_about(reader, &identity)?.into_iter().map(|note| format!("has a part of which {note}")),
            );
        }
    }
    why.sort();
    why.dedup();
    Ok(why)
}

fn flagged(reader: &mut Reader<'_>, one: &Ran, tainted: &Tainted) -> Result<Vec<String>, AnswerError> {
    let mut why = Vec::new();
    for component in one.components() {
        for flagged in tainted.of(reader, &component.artifact)? {
            for flag in flagged.flags.iter().filter(|flag| flag.severity == FlagSeverity::Error) {
                why.push(format!("rests on {}, FLAGGED {} (#{})", flagged.what, flag.category, flag.event.index));
            }
        }
    }
    why.sort();
    why.dedup();
    Ok(why)
}

/// `34 min`, of a number of seconds.
pub(in crate::answers) fn span(seconds: u64) -> String {
    let ms = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    text::age(Timestamp::from_millis(0), Timestamp::from_millis(ms))
}

/// What somebody asked to go back to.
pub(super) enum Wanted {
    /// What has this artifact.
    Artifact(Option<Rc<Identity>>, Box<Artifact>),
    /// What this event names.
    Event(Rc<Told>),
}

/// Finds what `--to` means.
pub(super) fn wanted(reader: &mut Reader<'_>, to: &str) -> Result<Wanted, AnswerError> {
    match resolve::resolve_with(reader, to)?.target {
        Target::Artifact(artifact) => Ok(Wanted::Artifact(reader.identity(&artifact)?, artifact)),
        Target::Event(index) => {
            let told = reader.told(index)?.ok_or(AnswerError::Erased { index })?;
            Ok(match resolve::main_artifact(&told.payload).cloned() {
                Some(artifact) => Wanted::Artifact(reader.identity(&artifact)?, Box::new(artifact)),
                None => Wanted::Event(told),
            })
        }
        Target::Service(service) => Err(AnswerError::NotRestorable { what: service }),
        other @ (Target::Listed(..) | Target::Commit(_) | Target::Library { .. }) => Err(other.unfit(to)),
    }
}

/// The newest candidate that is what was asked for.
pub(super) fn matching(reader: &mut Reader<'_>, past: &Past, wanted: &Wanted) -> Result<Option<usize>, AnswerError> {
    for (at, one) in past.found.iter().enumerate() {
        let is_it = match wanted {
            Wanted::Artifact(identity, artifact) => one.sets.iter().flat_map(|set| &set.components).any(|component| {
                identity.as_ref().is_some_and(|identity| identity.is(&component.artifact))
                    || (identity.is_none() && component.artifact == **artifact)
            }),
            Wanted::Event(told) => {
                let sets = crate::answers::running::sets_of(&told.payload, &one.told.subject).to_vec();
                !sets.is_empty() && are_same(reader, &sets, &one.sets)?
            }
        };
        if is_it {
            return Ok(Some(at));
        }
    }
    Ok(None)
}
