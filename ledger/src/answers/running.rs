//! What runs: from `deployment.observed` alone, never from what was asked for.
//!
//! Promises that an observer that fell silent makes its service unknown and never "still running", and that a request
//! is only ever compared with what was seen. (docs/DESIGN.md)

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{
        artifact::{Artifact, Strength},
        deployment::{Binding, Component, ComponentRole, ServedSet},
        values::Count,
    },
};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, EventRef, NamedDigest, When,
    admission::{Decisions, SetAdmission},
    flags::{self, Flag, Flagged, Tainted},
    graph::Reader,
    incidents,
    trace::described::Described,
};
use crate::ledger::View;

mod absent;
pub(super) mod history;
mod requests;
mod sets;

use history::{History, Seen};
use requests::requested;
pub(super) use requests::{asks, requests};
pub(super) use sets::{are_same, holds, same_set, sets_of};

/// The most services of one answer.
pub(super) const MAX_SERVICES: usize = 100_000;

/// The most artifacts and runs that are looked at downstream of what is flagged.
const MAX_TAINTED: usize = 20_000;

/// The answer to `lineal running`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// The answer in one line.
    pub answer: String,
    /// The environment asked for, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The moment for which it is true.
    pub at: Timestamp,
    /// What runs or may run, sorted by service.
    pub services: Vec<ServiceState>,
    /// Services that ended, or at which nothing was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<Ended>,
    /// What puts the answer in doubt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How far the record had come.
    pub as_of: AsOf,
}

impl Running {
    /// 0: something runs; 1: nothing does; 2: of some service it is unknown.
    pub fn exit_code(&self) -> u8 {
        match self.services.iter().map(|service| service.status).max() {
            None => 1,
            Some(Status::Running) => 0,
            Some(Status::Partial | Status::Unknown) => 2,
        }
    }
}

/// Whether it is known that a service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was seen, and the next observation is not due yet.
    Running,
    /// Only a part of its instances was ever seen.
    Partial,
    /// The next observation is overdue.
    Unknown,
}

/// What is known of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceState {
    /// Its name: `service/owner/name@cluster/environment`.
    pub service: String,
    /// Whether it is known to run.
    pub status: Status,
    /// The first observation of just this serving set, without others between.
    pub since: Timestamp,
    /// The last observation.
    pub last_observed: Timestamp,
    /// When the next observation was due, where that has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
    /// Who saw it, as a pseudonym.
    pub observer: String,
    /// The observation.
    pub observation: EventRef,
    /// What was seen: the parts of the serving set.
    pub serving_sets: Vec<SetState>,
    /// The last request for just this serving set; absent where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Requested>,
    /// What is flagged of what serves, or of what it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flagged: Vec<Flagged>,
    /// What else should be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A request for what runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requested {
    /// Whether it still stands: no later request asks for something else.
    pub standing: bool,
    /// Through what it was asked, where the event says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// The request, or the declared rollback.
    pub event: EventRef,
}

/// A part of the serving set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetState {
    /// Its part of the traffic, as the observer wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// How many instances there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<u64>,
    /// The first observation of this part, without one that lacks it between.
    pub since: Timestamp,
    /// What the gate decided about it.
    pub admission: SetAdmission,
    /// What it consists of.
    pub components: Vec<ComponentState>,
}

/// What a part of the serving set consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentState {
    /// What it does.
    pub role: ComponentRole,
    /// What the record calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which version of it, as the record says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its digests as observed.
    pub digests: Vec<NamedDigest>,
    /// Where it was loaded from, as observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// What its identity is good for.
    pub strength: Strength,
    /// Whether it can change under the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// Flags that stand on it itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
}

/// A service at which nothing runs any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// Its name.
    pub service: String,
    /// Since when.
    pub since: Timestamp,
    /// The event that says so: `deployment.removed`, an observation of nothing, or a whole inventory that does not list
    /// it.
    pub event: EventRef,
}

/// What runs, or ran at the moment that `when` names, in all environments or in those that `environment` names: `prod`,
/// `eu-1`, `eu-1/prod`.
pub fn running(view: &View, environment: Option<&str>, when: impl Into<When>) -> Result<Running, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let now = reader.moment().at;
    let (mut services, mut ended) = (Vec::new(), Vec::new());
    let tainted = Tainted::find(&mut reader, MAX_TAINTED)?;
    for service in view.index.subjects("service/", MAX_SERVICES)? {
        if !environment.is_none_or(|wanted| is_in(&service, wanted)) {
            continue;
        }
        match state(&mut reader, &service, &tainted)? {
            Some(Found::State(state)) => services.push(*state),
            Some(Found::Ended(gone)) => ended.push(*gone),
            None => {}
        }
    }
    let cut = format!("more is flagged than the {MAX_TAINTED} artifacts and runs that were looked at");
    let warnings = if tainted.is_cut { vec![cut] } else { Vec::new() };
    let mut running = Running {
        answer: String::new(),
        environment: environment.map(str::to_owned),
        at: now,
        services,
        ended,
        warnings,
        as_of: reader.as_of(),
    };
    running.answer = super::print::running_line(&running);
    Ok(running)
}

pub(super) fn is_in(service: &str, wanted: &str) -> bool {
    let place = service.split_once('@').map_or("", |(_name, place)| place);
    place == wanted || place.split('/').any(|part| part == wanted)
}

enum Found {
    State(Box<ServiceState>),
    Ended(Box<Ended>),
}

fn state(reader: &mut Reader<'_>, service: &str, tainted: &Tainted) -> Result<Option<Found>, AnswerError> {
    let mut history = History::read(reader, service)?;
    let Some(newest) = history.newest().cloned() else { return Ok(None) };
    let Some((status, unknown_since)) = newest.standing(reader.moment().at).status() else {
        return Ok(Some(ended(reader, service, &newest)));
    };
    let mut serving_sets = Vec::new();
    let mut decisions = Decisions::unread(reader, service)?;
    for set in newest.sets() {
        let since = history.since(reader, |reader, seen| holds(reader, seen, set))?;
        let admission = decisions.admission(reader, set, newest.sets())?;
        serving_sets.push(set_state(reader, set, since, admission)?);
    }
    let since = history.since(reader, |reader, seen| are_same(reader, seen, newest.sets()))?;
    Ok(Some(Found::State(Box::new(ServiceState {
        service: service.to_owned(),
        status,
        since,
        last_observed: newest.at(),
        unknown_since,
        observer: newest.observer().map(ToString::to_string).unwrap_or_default(),
        observation: reader.event_ref(&newest.told),
        requested: requested(reader, service, newest.sets())?,
        flagged: flagged(reader, newest.sets(), tainted)?,
        notes: notes(reader, &history, &newest)?,
        serving_sets,
    }))))
}

/// What is flagged of everything that serves, each once.
fn flagged(reader: &mut Reader<'_>, sets: &[ServedSet], tainted: &Tainted) -> Result<Vec<Flagged>, AnswerError> {
    let mut found: Vec<Flagged> = Vec::new();
    for component in sets.iter().flat_map(|set| &set.components) {
        for flagged in tainted.of(reader, &component.artifact)? {
            if !found.iter().any(|known| known.way == flagged.way) {
                found.push(flagged);
            }
        }
    }
    Ok(found)
}

fn ended(reader: &Reader<'_>, service: &str, seen: &Seen) -> Found {
    let event = reader.event_ref(&seen.told);
    Found::Ended(Box::new(Ended { service: service.to_owned(), since: seen.at(), event }))
}

fn notes(reader: &mut Reader<'_>, history: &History, newest: &Seen) -> Result<Vec<String>, AnswerError> {
    let mut notes = Vec::new();
    if let Some(part) = history.partial.as_ref().filter(|part| part.order() > newest.order())
        && !are_same(reader, part.sets(), newest.sets())?
    {
        let (index, at) = (part.told.index, part.at());
        notes.push(format!("a later incomplete observation, #{index} at {at}, saw something else"));
    }
    if newest.glimpse.next_within.is_none() {
        notes.push("the observer promised no next observation: its silence would not be noticed".to_owned());
    }
    for signer in reader.event_ref(&newest.told).signers.iter().filter(|signer| signer.suspect) {
        notes.push(format!("the observing key {} may have been somebody else's when it signed", signer.keyid));
    }
    let components: Vec<&Artifact> =
        newest.sets().iter().flat_map(|set| &set.components).map(|component| &component.artifact).collect();
    for incident in open_incidents(reader, &newest.service, &components)? {
        notes.push(incident);
    }
    Ok(notes)
}

/// Open incidents that touch a service or something that it serves, each once.
fn open_incidents(
    reader: &mut Reader<'_>,
    service: &str,
    components: &[&Artifact],
) -> Result<Vec<String>, AnswerError> {
    let mut open = incidents::open_at(reader, service)?;
    for artifact in components {
        if let Some(identity) = reader.identity(artifact)? {
            open.extend(incidents::open_about(reader, &identity)?);
        }
    }
    open.sort();
    open.dedup();
    Ok(open)
}

/// What a part of a serving set consists of.
pub(super) fn components(reader: &mut Reader<'_>, set: &ServedSet) -> Result<Vec<ComponentState>, AnswerError> {
    set.components.iter().map(|component| component_state(reader, component)).collect()
}

fn set_state(
    reader: &mut Reader<'_>,
    set: &ServedSet,
    since: Timestamp,
    admission: SetAdmission,
) -> Result<SetState, AnswerError> {
    let components = components(reader, set)?;
    let share = set.share.as_ref().map(|share| share.as_decimal().as_str().to_owned());
    Ok(SetState { share, instances: set.instances.map(Count::get), since, admission, components })
}

fn component_state(reader: &mut Reader<'_>, component: &Component) -> Result<ComponentState, AnswerError> {
    let artifact = &component.artifact;
    let identity = reader.identity(artifact)?;
    let described = identity.as_ref().map(|identity| Described::of(identity, reader.moment())).unwrap_or_default();
    Ok(ComponentState {
        role: component.role,
        name: described.name.or_else(|| artifact.name.as_ref().map(ToString::to_string)),
        version: described.version,
        digests: all_digests(artifact),
        uri: artifact.uri.as_ref().map(ToString::to_string),
        strength: artifact.strength(),
        binding: component.binding,
        flags: flags::of(reader, artifact, identity.as_deref())?,
    })
}

pub(super) fn all_digests(artifact: &Artifact) -> Vec<NamedDigest> {
    artifact.digests().map(|(algorithm, value)| NamedDigest::new(algorithm, value)).collect()
}
