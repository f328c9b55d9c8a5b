//! The two sides of a comparison: what each is, and what it was made from.
//!
//! Of two serving sets, what both have is left out, so that a canary is compared with what it stands beside. Promises
//! that a service is what was seen there, and never what was asked for.

use std::{collections::BTreeSet, rc::Rc};

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{Payload, artifact::Strength, deployment::ServedSet},
};

use super::{Part, Sameness, Seen, Side};
use crate::answers::{
    AnswerError, NamedDigest,
    graph::{Reader, Told},
    print,
    resolve::{self, Target},
    running::{self, history::History, sets_of},
    spells,
    trace::{self, EdgeKind, MAX_NODES, Node, NodeKind, Walked},
};

/// A side with its walk.
pub(super) struct Sided {
    pub(super) side: Side,
    pub(super) walked: Walked,
    /// Positions of what is compared: a service's models and adapters, or what was asked for.
    pub(super) subjects: Vec<usize>,
    /// Of a service: the whole serving set.
    pub(super) sets: Option<Vec<ServedSet>>,
    pub(super) notes: Vec<String>,
}

impl Sided {
    /// What is compared.
    pub(super) fn subjects(&self) -> impl Iterator<Item = &Node> {
        self.subjects.iter().filter_map(|at| self.walked.nodes.get(*at))
    }
}

/// What a question means, before anything is walked.
struct Found {
    asked: String,
    target: Target,
    serving: Option<Serving>,
    notes: Vec<String>,
}

/// A serving set with the event that names it.
struct Serving {
    service: String,
    told: Rc<Told>,
    at: Timestamp,
    unknown_since: Option<Timestamp>,
}

/// Finds both sides; where one is given, what ran there before and what runs now.
pub(super) fn find(reader: &mut Reader<'_>, one: &str, other: Option<&str>) -> Result<(Sided, Sided), AnswerError> {
    let first = found(reader, one)?;
    let (before, after) = match other {
        Some(other) => (first, found(reader, other)?),
        None => (earlier(reader, &first)?, first),
    };
    let mine = before.serving.as_ref().map(Serving::sets);
    let theirs = after.serving.as_ref().map(Serving::sets);
    let (ours, others) = match (&mine, &theirs) {
        (Some(mine), Some(theirs)) => apart(reader, mine, theirs)?,
        _ => (mine.clone().unwrap_or_default(), theirs.clone().unwrap_or_default()),
    };
    Ok((walked(reader, before, ours)?, walked(reader, after, others)?))
}

impl Serving {
    fn sets(&self) -> Vec<ServedSet> {
        sets_of(&self.told.payload, &self.service).to_vec()
    }
}

fn found(reader: &mut Reader<'_>, asked: &str) -> Result<Found, AnswerError> {
    let resolved = resolve::resolve_with(reader, asked)?;
    let serving = match &resolved.target {
        Target::Service(service) => Some(seen(reader, service)?),
        Target::Event(index) => named(reader, *index)?,
        Target::Artifact(_) => None,
        other @ (Target::Listed(..) | Target::Commit(_) | Target::Library { .. }) => return Err(other.unfit(asked)),
    };
    Ok(Found { asked: asked.to_owned(), target: resolved.target, serving, notes: resolved.notes })
}

fn seen(reader: &mut Reader<'_>, service: &str) -> Result<Serving, AnswerError> {
    let history = History::read(reader, service)?;
    let newest = history.newest().filter(|newest| !newest.sets().is_empty());
    let Some(newest) = newest else {
        let why = "nothing is seen to run there".to_owned();
        return Err(AnswerError::NothingToCompare { what: service.to_owned(), why });
    };
    let unknown_since = newest.glimpse.due().filter(|due| *due < reader.moment().at);
    Ok(Serving { service: service.to_owned(), told: newest.told.clone(), at: newest.at(), unknown_since })
}

/// The serving set of an entry that names one.
fn named(reader: &mut Reader<'_>, index: u64) -> Result<Option<Serving>, AnswerError> {
    let told = reader.told(index)?.ok_or(AnswerError::Erased { index })?;
    let at = match &told.payload {
        Payload::DeploymentObserved(observed) => observed.observed_at.timestamp().unwrap_or(told.time),
        _ => told.when(),
    };
    let serving = Serving { service: told.subject.clone(), told, at, unknown_since: None };
    Ok(Some(serving).filter(|serving| !serving.sets().is_empty()))
}

/// What ran at a service before other parts came.
fn earlier(reader: &mut Reader<'_>, now: &Found) -> Result<Found, AnswerError> {
    let (Target::Service(service), Some(serving)) = (&now.target, &now.serving) else {
        let why = "give a second thing, or a service alone".to_owned();
        return Err(AnswerError::NothingToCompare { what: now.asked.clone(), why });
    };
    let own = serving.sets();
    let mut history = History::read(reader, service)?;
    let before =
        history.before(reader, |reader, seen| Ok(seen.is_empty() || running::are_same(reader, seen, &own)?))?;
    let Some(before) = before else {
        let why = "nothing else was ever seen to run there".to_owned();
        return Err(AnswerError::NothingToCompare { what: service.clone(), why });
    };
    let serving = Serving { service: service.clone(), at: before.at(), told: before.told, unknown_since: None };
    let target = now.target.clone();
    Ok(Found { asked: now.asked.clone(), target, serving: Some(serving), notes: Vec::new() })
}

/// Of two serving sets, the parts that only one has; where that leaves nothing of one, all of it.
fn apart(
    reader: &mut Reader<'_>,
    mine: &[ServedSet],
    theirs: &[ServedSet],
) -> Result<(Vec<ServedSet>, Vec<ServedSet>), AnswerError> {
    let mut ours = Vec::new();
    for set in mine {
        if !running::holds(reader, theirs, set)? {
            ours.push(set.clone());
        }
    }
    let mut others = Vec::new();
    for set in theirs {
        if !running::holds(reader, mine, set)? {
            others.push(set.clone());
        }
    }
    let or_all = |some: Vec<ServedSet>, all: &[ServedSet]| if some.is_empty() { all.to_vec() } else { some };
    Ok((or_all(ours, mine), or_all(others, theirs)))
}

fn walked(reader: &mut Reader<'_>, found: Found, parts: Vec<ServedSet>) -> Result<Sided, AnswerError> {
    let walked = match &found.serving {
        Some(serving) => trace::walk_served(reader, &serving.service, &serving.told, &parts, MAX_NODES)?,
        None => trace::walk(reader, &found.target, MAX_NODES)?,
    };
    let subjects = subjects(&walked);
    let label = walked.nodes.first().map_or_else(String::new, print::label);
    let seen = found.serving.as_ref().map(|serving| Seen {
        event: reader.event_ref(&serving.told),
        at: serving.at,
        unknown_since: serving.unknown_since,
        partial: is_partial(&serving.told),
    });
    let parts = shown(&walked, &subjects);
    let sets = found.serving.as_ref().map(Serving::sets);
    Ok(Sided { side: Side { asked: found.asked, label, parts, seen }, walked, subjects, sets, notes: found.notes })
}

fn is_partial(told: &Told) -> bool {
    matches!(&told.payload, Payload::DeploymentObserved(observed) if !observed.complete)
}

fn subjects(walked: &Walked) -> Vec<usize> {
    if walked.nodes.first().is_none_or(|node| node.kind != NodeKind::Service) {
        return vec![0];
    }
    let served = || walked.edges.iter().filter(|edge| edge.from == 0 && edge.relation == EdgeKind::Component);
    let models: BTreeSet<usize> =
        served().filter(|edge| matches!(edge.role.as_deref(), Some("model" | "adapter"))).map(|edge| edge.to).collect();
    if models.is_empty() { served().map(|edge| edge.to).collect() } else { models.into_iter().collect() }
}

fn shown(walked: &Walked, subjects: &[usize]) -> Vec<Part> {
    let label = |at: usize| walked.nodes.get(at).map_or_else(String::new, print::label);
    let served = walked.edges.iter().filter(|edge| edge.relation == EdgeKind::Component);
    let parts: Vec<Part> = served
        .map(|edge| Part {
            role: edge.role.as_deref().map(str::to_owned),
            share: edge.share.clone(),
            label: label(edge.to),
        })
        .collect();
    if parts.is_empty() {
        return subjects.iter().map(|at| Part { role: None, share: None, label: label(*at) }).collect();
    }
    parts
}

/// Whether both sides are the same thing.
pub(super) fn sameness(reader: &mut Reader<'_>, before: &Sided, after: &Sided) -> Result<Sameness, AnswerError> {
    if let (Some(mine), Some(theirs)) = (&before.sets, &after.sets) {
        if !spells::are_alike(reader, mine, theirs)? {
            return Ok(Sameness::Other);
        }
        let components = mine.iter().chain(theirs).flat_map(|set| &set.components);
        let all_strong = components.into_iter().all(|component| component.artifact.strength() == Strength::Strong);
        return Ok(if all_strong { Sameness::Same } else { Sameness::Unknown });
    }
    if before.subjects.len() != after.subjects.len() {
        return Ok(Sameness::Other);
    }
    let each = before.subjects().map(|mine| after.subjects().map(|theirs| are_same(mine, theirs)).max());
    Ok(each.map(|best| best.unwrap_or(Sameness::Other)).min().unwrap_or(Sameness::Unknown))
}

/// Whether two nodes are the same artifact, or the same run.
pub(super) fn are_same(one: &Node, other: &Node) -> Sameness {
    if one.run.is_some() || other.run.is_some() {
        let entry = |node: &Node| node.events.first().map(|event| event.index);
        return if entry(one) == entry(other) { Sameness::Same } else { Sameness::Other };
    }
    let (mine, theirs) = (strong(one), strong(other));
    match (mine.is_empty() || theirs.is_empty(), mine.is_disjoint(&theirs)) {
        (true, _) if one.uri != other.uri => Sameness::Other,
        (true, _) => Sameness::Unknown,
        (false, true) => Sameness::Other,
        (false, false) => Sameness::Same,
    }
}

/// A node's strong digests.
pub(super) fn strong(node: &Node) -> BTreeSet<&NamedDigest> {
    node.digests.iter().filter(|digest| Strength::of(&digest.algorithm) == Strength::Strong).collect()
}
