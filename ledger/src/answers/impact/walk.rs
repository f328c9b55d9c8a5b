//! The walk downstream: breadth first, each artifact, run and service once.
//!
//! An artifact leads to the runs that used it, and these to what they made; to the snapshots that were derived from it or
//! are a part of it; to models that go back to it; to the services that named it. What only measured with it is listed and
//! not followed. Never follows what an artifact was made from: that is the trace.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use foldhash::{HashMap, HashSet, HashSetExt as _};
use lineal_schemas::{
    strong::StrongDigest,
    vocabulary::{
        Payload,
        artifact::{Artifact, Basis, Influence},
        lineage::{Mention, Place, Relation},
    },
};

use super::MAX_NODES;
use crate::answers::{
    AnswerError, EventRef, InListing,
    graph::{AHEAD, Identity, Reader, Told},
    resolve::{Target, main_artifact},
    trace::{Edge, EdgeKind, Node, NodeKind, artifact_node, facts},
};

/// What the walk found.
#[derive(Debug, Default)]
pub(in crate::answers) struct Walked {
    pub(in crate::answers) nodes: Vec<Node>,
    pub(in crate::answers) edges: Vec<Edge>,
    pub(super) evaluations: Vec<EventRef>,
    /// Services about which something is said that is in the graph, with the digests of that.
    pub(super) services: BTreeMap<String, BTreeSet<StrongDigest>>,
    /// Batch jobs whose runs are in the graph: the runs by their entries, with their nodes.
    pub(super) batches: BTreeMap<String, BTreeMap<u64, usize>>,
    /// Steps from what was asked for, node by node.
    pub(super) distances: Vec<usize>,
    pub(in crate::answers) truncated: bool,
    places: HashMap<Key, usize>,
}

impl Walked {
    /// Adds a node, at so many steps from what was asked for.
    pub(super) fn add(&mut self, node: Node, distance: usize) -> usize {
        self.nodes.push(node);
        self.distances.push(distance);
        self.nodes.len() - 1
    }

    /// Makes room for so many more nodes at once, within the limit: growing by and by copies them again and again.
    fn reserve(&mut self, nodes: usize, limit: usize) {
        let nodes = nodes.min(limit.saturating_sub(self.nodes.len()));
        self.nodes.reserve(nodes);
        self.distances.reserve(nodes);
        self.edges.reserve(nodes);
        self.places.reserve(nodes);
    }

    /// The node of an artifact, if it is in the graph.
    pub(in crate::answers) fn place_of(&self, identity: &Identity) -> Option<usize> {
        let first = identity.digests.first()?;
        self.places.get(&Key::Digest(*first)).copied()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Digest(StrongDigest),
    Run(u64),
}

mod begin;
mod brief;
mod events;

/// How much of the graph is walked, and how much is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most nodes.
    pub nodes: usize,
    /// From so many nodes on completed runs are told of in brief: which they were, and not how they ran.
    pub told: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nodes: MAX_NODES, told: 1000 }
    }
}

impl Limits {
    /// For who only looks where things lead.
    pub(in crate::answers) const fn brief(nodes: usize) -> Self {
        Self { nodes, told: 0 }
    }
}

struct Walk<'r, 'v> {
    reader: &'r mut Reader<'v>,
    walked: Walked,
    open: VecDeque<(usize, Rc<Identity>)>,
    drawn: HashSet<(usize, usize, EdgeKind)>,
    measured: BTreeSet<u64>,
    limits: Limits,
}

/// Walks downstream from `target`.
pub(in crate::answers) fn walk(
    reader: &mut Reader<'_>,
    target: &Target,
    limits: Limits,
) -> Result<Walked, AnswerError> {
    walk_from(reader, std::slice::from_ref(target), &[], limits)
}

/// Walks downstream from a file and from the folders whose listings have it.
pub(in crate::answers) fn walk_listed(
    reader: &mut Reader<'_>,
    target: &Target,
    listings: &[InListing],
    limits: Limits,
) -> Result<Walked, AnswerError> {
    walk_from(reader, std::slice::from_ref(target), listings, limits)
}

/// Walks downstream from several targets; each is at no distance, and none needs to lead anywhere.
pub(in crate::answers) fn walk_all(
    reader: &mut Reader<'_>,
    targets: &[Target],
    limits: Limits,
) -> Result<Walked, AnswerError> {
    walk_from(reader, targets, &[], limits)
}

fn walk_from(
    reader: &mut Reader<'_>,
    targets: &[Target],
    listings: &[InListing],
    limits: Limits,
) -> Result<Walked, AnswerError> {
    let mut walk = Walk {
        reader,
        walked: Walked::default(),
        open: VecDeque::new(),
        drawn: HashSet::new(),
        measured: BTreeSet::new(),
        limits,
    };
    for target in targets {
        walk.begin(target)?;
    }
    for listing in listings {
        walk.listed(listing)?;
    }
    while !walk.open.is_empty() {
        let some: Vec<_> = walk.open.drain(..walk.open.len().min(AHEAD)).collect();
        walk.read_ahead(&some)?;
        for (at, identity) in some {
            walk.artifact(at, &identity)?;
        }
    }
    Ok(walk.walked)
}

impl Walk<'_, '_> {
    fn begin(&mut self, target: &Target) -> Result<(), AnswerError> {
        match target {
            Target::Artifact(artifact) => self.place_artifact(artifact, NodeKind::Artifact, 0).map(drop),
            Target::Listed(file, _listings) => self.place_artifact(file, NodeKind::Artifact, 0).map(drop),
            Target::Commit(commit) => self.begin_at_commit(commit),
            Target::Library { name, version } => self.begin_at_library(name, version.as_deref()),
            Target::Service(service) => Err(AnswerError::NothingDownstream { what: service.clone() }),
            Target::Event(index) => {
                let told = self.reader.told(*index)?.ok_or(AnswerError::Erased { index: *index })?;
                if matches!(told.payload, Payload::RunCompleted(_)) {
                    return self.run(&told, None, 0);
                }
                match main_artifact(&told.payload) {
                    Some(artifact) => self.place_artifact(artifact, NodeKind::Artifact, 0).map(drop),
                    None => Err(AnswerError::NothingDownstream { what: format!("{} {}", told.kind, told.subject) }),
                }
            }
        }
    }

    /// What an event that mentions the artifact at a node leads to.
    fn mention(&mut self, at: usize, told: &Rc<Told>, mention: Mention<'_>) -> Result<(), AnswerError> {
        let distance = self.distance(at) + 1;
        match (&told.payload, mention.relation) {
            (Payload::RunCompleted(_) | Payload::RunStarted(_), Relation::Input { influence, role, basis })
                if influence != Influence::Measurement =>
            {
                let edge = Edge { role: Some(role.as_str().into()), influence: Some(influence), basis, ..edge(told) };
                self.run(told, Some((at, edge)), distance)
            }
            (Payload::EvaluationStarted(_) | Payload::EvaluationCompleted(_), relation) => {
                if relation != Relation::Subject && self.measured.insert(told.index) {
                    self.walked.evaluations.push(self.reader.event_ref(told));
                }
                Ok(())
            }
            (Payload::DatasetSnapshotted(_) | Payload::ModelRegistered(_), Relation::Other(place)) => {
                match kind_of(place) {
                    Some(kind) => self.descend(at, told, kind, distance),
                    None => Ok(()),
                }
            }
            // What is wrong with the whole may be wrong with each of its named parts.
            (Payload::DatasetSnapshotted(_), Relation::Subject) => {
                let split = Relation::Other(Place::Split);
                for part in told.payload.artifacts().into_iter().filter(|mention| mention.relation == split) {
                    self.follow(at, part.artifact, NodeKind::Dataset, edge_of(told.index, EdgeKind::PartOf), distance)?;
                }
                Ok(())
            }
            (Payload::DecisionsRecorded(_), Relation::Input { influence, role, basis }) => {
                let edge = Edge { role: Some(role.as_str().into()), influence: Some(influence), basis, ..edge(told) };
                for made in outputs(told) {
                    self.follow(at, made, NodeKind::Dataset, edge.clone(), distance)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What an event is about descends from the artifact at a node.
    fn descend(&mut self, at: usize, told: &Rc<Told>, kind: EdgeKind, distance: usize) -> Result<(), AnswerError> {
        match main_artifact(&told.payload) {
            Some(artifact) => {
                let hint = if kind == EdgeKind::BaseModel { NodeKind::Model } else { NodeKind::Dataset };
                self.follow(at, artifact, hint, edge_of(told.index, kind), distance)
            }
            None => Ok(()),
        }
    }

    fn run(&mut self, told: &Rc<Told>, used: Option<(usize, Edge)>, distance: usize) -> Result<(), AnswerError> {
        let known = self.walked.places.get(&Key::Run(told.index)).copied();
        if known.is_none() && matches!(told.payload, Payload::RunStarted(_)) && self.is_over(told)? {
            return Ok(());
        }
        let at = match known {
            Some(at) => at,
            None => match self.place(Key::Run(told.index), self.run_node(told), distance) {
                Some(at) => at,
                None => return Ok(()),
            },
        };
        if let Some((upstream, edge)) = used {
            self.draw(Edge { from: at, to: upstream, ..edge });
        }
        if known.is_some() {
            return Ok(());
        }
        if is_batch(told) {
            self.walked.batches.entry(told.subject.clone()).or_default().insert(told.index, at);
        }
        for made in outputs(told) {
            self.follow(at, made, NodeKind::Artifact, edge_of(told.index, EdgeKind::Run), distance + 1)?;
        }
        Ok(())
    }

    fn run_node(&self, told: &Rc<Told>) -> Node {
        let is_open = matches!(told.payload, Payload::RunStarted(_));
        Node {
            name: Some(told.subject.clone()),
            events: vec![self.reader.event_ref(told)],
            run: run_facts(told),
            notes: is_open.then(|| "started, and not finished".to_owned()).into_iter().collect(),
            ..Node::new(NodeKind::Run)
        }
    }

    /// Whether a run that was started has ended since: then the event of its end says more.
    fn is_over(&mut self, started: &Told) -> Result<bool, AnswerError> {
        let Some(id) = run_id(&started.payload) else { return Ok(false) };
        let ends = self.reader.told_about(&started.subject, &["run.completed", "run.failed"])?;
        Ok(ends.iter().any(|end| run_id(&end.payload) == Some(id)))
    }

    /// An artifact downstream of the one at a node.
    fn follow(
        &mut self,
        upstream: usize,
        artifact: &Artifact,
        hint: NodeKind,
        edge: Edge,
        distance: usize,
    ) -> Result<(), AnswerError> {
        if let Some(at) = self.place_artifact(artifact, hint, distance)?
            && at != upstream
        {
            self.draw(Edge { from: at, to: upstream, ..edge });
        }
        Ok(())
    }

    /// The place of an artifact's node; a new one is walked from. Nothing comes after what has no strong digest.
    fn place_artifact(
        &mut self,
        artifact: &Artifact,
        hint: NodeKind,
        distance: usize,
    ) -> Result<Option<usize>, AnswerError> {
        let identity = self.reader.identity(artifact)?;
        let Some((identity, first)) =
            identity.and_then(|identity| identity.digests.first().copied().map(|first| (identity, first)))
        else {
            let node = artifact_node(self.reader, artifact, None, hint)?;
            return Ok((!self.is_full()).then(|| self.walked.add(node, distance)));
        };
        let key = Key::Digest(first);
        if let Some(at) = self.walked.places.get(&key) {
            return Ok(Some(*at));
        }
        let node = artifact_node(self.reader, artifact, Some(&identity), hint)?;
        let placed = self.place(key, node, distance);
        if let Some(at) = placed {
            self.open.push_back((at, identity));
        }
        Ok(placed)
    }

    fn place(&mut self, key: Key, node: Node, distance: usize) -> Option<usize> {
        if self.is_full() {
            return None;
        }
        let at = self.walked.add(node, distance);
        self.walked.places.insert(key, at);
        Some(at)
    }

    fn is_full(&mut self) -> bool {
        self.walked.truncated |= self.walked.nodes.len() >= self.limits.nodes.max(1);
        self.walked.truncated
    }

    fn distance(&self, at: usize) -> usize {
        self.walked.distances.get(at).copied().unwrap_or_default()
    }

    fn draw(&mut self, edge: Edge) {
        if self.drawn.insert((edge.from, edge.to, edge.relation)) {
            self.walked.edges.push(edge);
        }
    }
}

/// What an event says was made.
fn outputs(told: &Told) -> impl Iterator<Item = &Artifact> {
    let made = told.payload.artifacts().into_iter().filter(|mention| mention.relation == Relation::Output);
    made.map(|mention| mention.artifact)
}

/// What stands in this place went into what the event is about.
const fn kind_of(place: Place) -> Option<EdgeKind> {
    Some(match place {
        Place::DerivedFrom => EdgeKind::DerivedFrom,
        Place::Source => EdgeKind::Source,
        Place::Split => EdgeKind::Part,
        Place::SubsetOf => EdgeKind::SubsetOf,
        Place::Transform => EdgeKind::Transform,
        Place::BaseModel => EdgeKind::BaseModel,
        Place::Code
        | Place::Image
        | Place::Lockfile
        | Place::Harness
        | Place::Baseline
        | Place::Policy
        | Place::Pointer
        | Place::ReferenceData
        | Place::CurrentData
        | Place::Affected => return None,
    })
}

/// An edge that an event declares; its ends and its kind are filled in.
const fn edge(told: &Told) -> Edge {
    edge_of(told.index, EdgeKind::Input)
}

pub(super) const fn edge_of(event: u64, relation: EdgeKind) -> Edge {
    Edge {
        from: 0,
        to: 0,
        relation,
        role: None,
        influence: None,
        serving_set: None,
        share: None,
        basis: Basis::Declared,
        ancestry: true,
        cycle: false,
        event: Some(event),
    }
}

fn run_facts(told: &Told) -> Option<Box<crate::answers::trace::RunFacts>> {
    match &told.payload {
        Payload::RunCompleted(run) => Some(Box::new(facts::of_run(run))),
        _ => None,
    }
}

fn run_id(payload: &Payload) -> Option<&str> {
    match payload {
        Payload::RunStarted(run) => Some(run.run_id.as_str()),
        Payload::RunCompleted(run) => Some(run.run_id.as_str()),
        Payload::RunFailed(run) => Some(run.run_id.as_str()),
        _ => None,
    }
}

fn is_batch(told: &Told) -> bool {
    use lineal_schemas::vocabulary::run::JobKind;
    matches!(&told.payload, Payload::RunCompleted(run) if run.job.kind == JobKind::Score)
}
