//! Rules about one service: what was seen of it, against what was asked for and what it is called.
//!
//! Promises to take what runs from what was seen alone. An incomplete look counts as one: what it saw, runs.

use std::rc::Rc;

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        artifact::{Artifact, Strength},
        deployment::{Binding, Component, ServedSet},
    },
};

use super::{
    Rule,
    draft::{Draft, Gathered},
};
use crate::answers::{
    AnswerError,
    graph::{Reader, Told, strong},
    print,
    resolve::{main_artifact, version_of},
    running::{
        all_digests, are_same, asks,
        history::{History, Seen, Standing},
        holds, requests,
    },
    trace::{NodeKind, artifact_node, described::Described, walk::spelling},
};

/// How long what was asked for may take to be seen.
pub(super) const GRACE_SECONDS: i64 = 15 * 60;

/// Events that say what a version is.
const NAMING: [&str; 3] = ["model.registered", "dataset.snapshotted", "transform.published"];

/// A service that runs, or may.
pub(super) struct Live {
    pub(super) service: String,
    pub(super) newest: Seen,
    standing: Standing,
    /// Since when it was seen with just what it serves.
    since: Timestamp,
}

impl Live {
    /// What is live at a service; nothing where nothing was seen, or it ended.
    pub(super) fn read(reader: &mut Reader<'_>, service: &str) -> Result<Option<Self>, AnswerError> {
        let mut history = History::read(reader, service)?;
        let Some(newest) = history.newest().cloned() else { return Ok(None) };
        let standing = newest.standing(reader.moment().at);
        if matches!(standing, Standing::Ended(_)) {
            return Ok(None);
        }
        let since = history.since(reader, |reader, seen| are_same(reader, seen, newest.sets()))?;
        Ok(Some(Self { service: service.to_owned(), newest, standing, since }))
    }

    /// The components of all that was seen.
    pub(super) fn components(&self) -> impl Iterator<Item = &Component> {
        self.newest.sets().iter().flat_map(|set| &set.components)
    }

    /// The observation, as evidence.
    pub(super) fn observed(&self) -> (&'static str, Rc<Told>) {
        ("observed", self.newest.told.clone())
    }
}

/// How prose names an artifact.
pub(super) fn named(reader: &mut Reader<'_>, artifact: &Artifact) -> Result<String, AnswerError> {
    let identity = reader.identity(artifact)?;
    Ok(print::label(&artifact_node(reader, artifact, identity.as_deref(), NodeKind::Artifact)?))
}

/// What was asked for: the request, or the rollback, and the serving set.
type AskedFor = (Rc<Told>, Vec<ServedSet>);

/// Everything that was asked for at a service with the serving set that it asks for, the last said first.
fn asked_for(reader: &mut Reader<'_>, service: &str) -> Result<Vec<AskedFor>, AnswerError> {
    let mut asked = Vec::new();
    for told in requests(reader, service)? {
        asked.extend(asks(reader, &told)?.map(|(_door, sets)| (told, sets)));
    }
    Ok(asked)
}

/// What was asked for last and was not seen since.
pub(super) fn asked(reader: &mut Reader<'_>, service: &str, gathered: &mut Gathered) -> Result<(), AnswerError> {
    let Some((told, wanted)) = asked_for(reader, service)?.into_iter().next() else { return Ok(()) };
    let from = told.when();
    if reader.moment().at.as_millis().saturating_sub(from.as_millis()) < GRACE_SECONDS * 1000 {
        return Ok(());
    }
    let mut history = History::read(reader, service)?;
    let newest = history.newest().cloned();
    let was_removed = |seen: &Seen| matches!(seen.told.payload, Payload::DeploymentRemoved(_)) && seen.at() >= from;
    if newest.as_ref().is_some_and(was_removed) {
        return Ok(());
    }
    for set in &wanted {
        let in_part = match history.partial.clone() {
            Some(part) => holds(reader, part.sets(), set)?,
            None => false,
        };
        if in_part || history.any_since(reader, from, |reader, seen| holds(reader, seen, set))? {
            continue;
        }
        let parts = part_named(reader, set)?;
        let line = format!("{service}: {parts} was asked for at {from}, and not seen since");
        let mut draft = Draft::of(Rule::RequestedNeverObserved, service, line);
        draft.about.extend(spellings(set));
        draft.evidence = vec![("requested", told.clone())];
        draft.evidence.extend(newest.as_ref().map(|seen| ("observed", seen.told.clone())));
        gathered.add(reader, draft);
    }
    Ok(())
}

pub(super) fn spellings(set: &ServedSet) -> Vec<String> {
    let mut spelled: Vec<String> = set
        .components
        .iter()
        .map(|component| format!("{} {}", component.role, spelling(&component.artifact)))
        .collect();
    spelled.sort();
    spelled
}

pub(super) fn part_named(reader: &mut Reader<'_>, set: &ServedSet) -> Result<String, AnswerError> {
    let named: Result<Vec<_>, _> = set.components.iter().map(|component| named(reader, &component.artifact)).collect();
    Ok(named?.join(" + "))
}

/// Every rule about a service that is live.
pub(super) fn rules(
    reader: &mut Reader<'_>,
    live: &Live,
    is_production: bool,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    silent(reader, live, gathered);
    suspect(reader, live, gathered);
    let asked = asked_for(reader, &live.service)?;
    never_requested(reader, live, &asked, gathered)?;
    if let Some((told, sets)) = asked.first() {
        mismatch(reader, live, told, sets, gathered)?;
    }
    undone(reader, live, &asked, gathered)?;
    for component in live.components() {
        two_digests(reader, live, &component.artifact, gathered)?;
        if is_production {
            weak(reader, live, component, gathered)?;
        }
    }
    Ok(())
}

fn silent(reader: &Reader<'_>, live: &Live, gathered: &mut Gathered) {
    if let Standing::Unknown(due) = live.standing {
        let (service, seen) = (&live.service, live.newest.at());
        let line = format!("{service}: UNKNOWN since {due}, last seen {seen}");
        let draft = Draft::of(Rule::ObserverSilent, service, line);
        gathered.add(reader, Draft { evidence: vec![live.observed()], ..draft });
    }
}

fn suspect(reader: &Reader<'_>, live: &Live, gathered: &mut Gathered) {
    let event = reader.event_ref(&live.newest.told);
    for signer in event.signers.iter().filter(|signer| signer.suspect) {
        let (service, keyid) = (&live.service, signer.keyid);
        let line =
            format!("{service}: what is seen to run was said by key {keyid}, which may have been somebody else's");
        let mut draft = Draft::of(Rule::SuspectKey, service, line);
        draft.about.push(keyid.to_string());
        gathered.add(reader, Draft { evidence: vec![live.observed()], ..draft });
    }
}

/// A part counts as asked for once anybody asked for it: what runs on the way from one to the next was never asked for
/// as a whole.
fn never_requested(
    reader: &mut Reader<'_>,
    live: &Live,
    asked: &[AskedFor],
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    for set in live.newest.sets() {
        let mut found = false;
        for (_told, sets) in asked {
            found = found || holds(reader, sets, set)?;
        }
        if found {
            continue;
        }
        let parts = part_named(reader, set)?;
        let line = format!("{}: {parts} runs, and was never asked for", live.service);
        let mut draft = Draft::of(Rule::ObservedNeverRequested, &live.service, line);
        draft.about.extend(spellings(set));
        draft.evidence = vec![live.observed()];
        draft.evidence.extend(asked.first().map(|(told, _sets)| ("requested", told.clone())));
        gathered.add(reader, draft);
    }
    Ok(())
}

fn mismatch(
    reader: &mut Reader<'_>,
    live: &Live,
    told: &Rc<Told>,
    wanted: &[ServedSet],
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    for component in live.components() {
        let of_role = wanted.iter().flat_map(|set| &set.components).filter(|other| other.role == component.role);
        let (mut same, mut called) = (false, None);
        for other in of_role {
            same = same || reader.same(&component.artifact, &other.artifact)?;
            called = called.or(called_alike(reader, &component.artifact, &other.artifact)?);
        }
        let Some(called) = called.filter(|_called| !same) else { continue };
        let service = &live.service;
        let (seen, role) = (named(reader, &component.artifact)?, component.role);
        let line = format!("{service}: the {role} called {called} was asked for with another digest than {seen}");
        let mut draft = Draft::of(Rule::DigestMismatch, service, line);
        draft.about.push(spelling(&component.artifact));
        draft.artifact = Some((seen, all_digests(&component.artifact)));
        draft.evidence = vec![("requested", told.clone()), live.observed()];
        gathered.add(reader, draft);
    }
    Ok(())
}

/// The place, the version or the name that two artifacts share; nothing where one of them has no digest to compare.
fn called_alike(reader: &mut Reader<'_>, one: &Artifact, other: &Artifact) -> Result<Option<String>, AnswerError> {
    if strong(one).is_empty() || strong(other).is_empty() {
        return Ok(None);
    }
    if let Some(uri) = one.uri.as_ref().filter(|uri| other.uri.as_ref() == Some(*uri)) {
        return Ok(Some(uri.to_string()));
    }
    let (mine, theirs) = (version(reader, one)?, version(reader, other)?);
    if let Some((name, version)) = mine.filter(|mine| theirs.as_ref() == Some(mine)) {
        return Ok(Some(format!("{name} {version}")));
    }
    Ok(None)
}

/// The name and the version that the record gives to an artifact.
fn version(reader: &mut Reader<'_>, artifact: &Artifact) -> Result<Option<(String, String)>, AnswerError> {
    let Some(identity) = reader.identity(artifact)? else { return Ok(None) };
    let described = Described::of(&identity, reader.moment());
    Ok(described.name.zip(described.version))
}

/// A rollback that was declared after the request that stands, and what that request asks for is back since.
fn undone(
    reader: &mut Reader<'_>,
    live: &Live,
    asked: &[AskedFor],
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    let is_request = |told: &Told| matches!(told.payload, Payload::DeploymentRequested(_));
    let Some((request, wanted)) = asked.iter().find(|(told, _sets)| is_request(told)) else { return Ok(()) };
    let all = requests(reader, &live.service)?;
    let Some(back) = all.iter().find(|told| !is_request(told) && told.order() > request.order()) else {
        return Ok(());
    };
    if live.since <= back.when() || !are_same(reader, live.newest.sets(), wanted)? {
        return Ok(());
    }
    let (service, since) = (&live.service, live.since);
    let line = format!("{service}: what the request of {} asks for is back since {since}", request.when());
    let mut draft = Draft::of(Rule::RollbackUndone, service, line);
    draft.about.extend(wanted.iter().flat_map(spellings));
    draft.evidence = vec![("requested", request.clone()), ("rolled back", back.clone()), live.observed()];
    gathered.add(reader, draft);
    Ok(())
}

fn two_digests(
    reader: &mut Reader<'_>,
    live: &Live,
    artifact: &Artifact,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    let Some((name, version)) = version(reader, artifact)? else { return Ok(()) };
    let (mut mine, mut others) = (Vec::new(), Vec::new());
    for told in reader.told_about(&name, &NAMING)? {
        let is_version = version_of(&told.payload) == Some(version.as_str()) && reader.has_happened(&told);
        let Some(other) = main_artifact(&told.payload).filter(|other| is_version && !strong(other).is_empty()) else {
            continue;
        };
        if reader.same(artifact, other)? {
            mine.push(("this", told));
        } else {
            others.push(("other", told));
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    let line = format!("{name} {version} was said of artifacts with different digests");
    let mut draft = Draft::of(Rule::VersionWithTwoDigests, &live.service, line);
    draft.about = vec![name.clone(), version];
    draft.artifact = Some((name, all_digests(artifact)));
    draft.evidence = mine.into_iter().chain(others).collect();
    draft.evidence.sort_by(|one, other| one.1.order().cmp(&other.1.order()));
    gathered.add(reader, draft);
    Ok(())
}

fn weak(
    reader: &mut Reader<'_>,
    live: &Live,
    component: &Component,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    let strength = component.artifact.strength();
    let why = match (strength, component.binding) {
        (Strength::Weak | Strength::Pointer, _) => format!("is known by a {} identity alone", strength.as_str()),
        (Strength::Strong, Some(Binding::Floating)) => "is named by something that can move".to_owned(),
        (Strength::Strong, _) => return Ok(()),
    };
    let (what, role) = (named(reader, &component.artifact)?, component.role);
    let line = format!("{}: the {role} {what} {why}", live.service);
    let mut draft = Draft::of(Rule::WeakIdentity, &live.service, line);
    draft.about.push(format!("{role} {}", spelling(&component.artifact)));
    draft.artifact = Some((what, all_digests(&component.artifact)));
    draft.evidence = vec![live.observed()];
    gathered.add(reader, draft);
    Ok(())
}
