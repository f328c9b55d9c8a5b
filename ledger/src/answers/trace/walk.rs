//! The walk upstream: breadth first, each artifact and each run once.
//!
//! An artifact leads to the runs that made it, to what its snapshot was derived from, and to the model that it goes back
//! to; a run leads to its inputs. What measures, and code, images and transforms, are shown and not followed. Where
//! nothing says what something was made from, a node says that. (docs/DESIGN.md)

use std::{borrow::Cow, collections::VecDeque, rc::Rc};

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};
use lineal_schemas::{
    strong::StrongDigest,
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        artifact::{Artifact, Basis, Influence, InputRole},
        deployment::{ComponentRole, ServedSet},
        lineage::Relation,
        run::{JobKind, RunCompleted},
    },
};

use super::{Edge, EdgeKind, End, Measurement, Node, NodeKind, described::Described, facts, measured};
use crate::{
    answers::{
        AnswerError, NamedDigest, flags,
        graph::{AHEAD, Identity, Reader, Told, strong},
        resolve::Target,
        running::all_digests,
    },
    index::is_ancestor,
};

mod artifact;
mod begin;
mod place;

/// What the walk found.
#[derive(Debug, Default)]
pub(in crate::answers) struct Walked {
    pub(in crate::answers) nodes: Vec<Node>,
    pub(in crate::answers) edges: Vec<Edge>,
    pub(super) measurements: Vec<Measurement>,
    pub(super) serving: Option<Serving>,
    pub(in crate::answers) truncated: bool,
}

/// What is known of a service that a trace begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::answers) enum Serving {
    /// Seen, and not overdue.
    Runs,
    /// Only a part of it was seen.
    Partly,
    /// Overdue since then.
    Unknown(Timestamp),
    /// It ended, or nothing was seen there.
    Ended(Timestamp),
    /// What a request asks for.
    Asked,
    /// Nobody ever saw it.
    Unseen,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Digest(StrongDigest),
    Loose(String),
    Run(u64),
}

enum Step {
    Artifact(usize, Option<Rc<Identity>>),
    Run(usize, Rc<Told>),
}

/// How an edge is drawn; the ends are filled in.
#[derive(Debug, Clone)]
struct Link {
    relation: EdgeKind,
    role: Option<Cow<'static, str>>,
    influence: Option<Influence>,
    serving: Option<(usize, Option<String>)>,
    basis: Basis,
    ancestry: bool,
    event: Option<u64>,
}

impl Link {
    const fn declared(relation: EdgeKind, event: u64) -> Self {
        Self {
            relation,
            role: None,
            influence: None,
            serving: None,
            basis: Basis::Declared,
            ancestry: true,
            event: Some(event),
        }
    }

    fn aside(relation: EdgeKind, event: u64) -> Self {
        Self { ancestry: false, ..Self::declared(relation, event) }
    }
}

/// An edge by its ends, its kind, its role and its part of the serving set.
type Drawn = (usize, usize, EdgeKind, Option<Cow<'static, str>>, Option<usize>);

/// Where an artifact's node is, and what its strong digests join.
type Placed = (usize, Option<Rc<Identity>>);

struct Walk<'r, 'v> {
    reader: &'r mut Reader<'v>,
    walked: Walked,
    places: HashMap<Key, usize>,
    open: VecDeque<Step>,
    stepped: HashSet<usize>,
    drawn: HashSet<Drawn>,
    max_nodes: usize,
}

/// Walks upstream from `target`.
pub(in crate::answers) fn walk(
    reader: &mut Reader<'_>,
    target: &Target,
    max_nodes: usize,
) -> Result<Walked, AnswerError> {
    let mut walk = Walk::new(reader, max_nodes);
    walk.begin(target)?;
    walk.finish()
}

/// Walks upstream from parts of a serving set that an event names.
pub(in crate::answers) fn walk_served(
    reader: &mut Reader<'_>,
    service: &str,
    told: &Rc<Told>,
    sets: &[ServedSet],
    max_nodes: usize,
) -> Result<Walked, AnswerError> {
    let basis = if matches!(told.payload, Payload::DeploymentRequested(_)) { Basis::Declared } else { Basis::Observed };
    let mut walk = Walk::new(reader, max_nodes);
    walk.service(service, told, sets, basis, Serving::Runs)?;
    walk.finish()
}

impl<'r, 'v> Walk<'r, 'v> {
    fn new(reader: &'r mut Reader<'v>, max_nodes: usize) -> Self {
        Self {
            reader,
            walked: Walked::default(),
            places: HashMap::new(),
            open: VecDeque::new(),
            stepped: HashSet::new(),
            drawn: HashSet::new(),
            max_nodes: max_nodes.max(1),
        }
    }

    fn finish(mut self) -> Result<Walked, AnswerError> {
        while !self.open.is_empty() {
            let some: Vec<Step> = self.open.drain(..self.open.len().min(AHEAD)).collect();
            self.look_ahead(&some)?;
            for step in some {
                match step {
                    Step::Artifact(at, identity) => self.artifact(at, identity.as_ref())?,
                    Step::Run(at, told) => self.run(at, &told)?,
                }
            }
        }
        Ok(self.walked)
    }

    /// Looks up and reads what the inputs of the next runs will need.
    fn look_ahead(&mut self, next: &[Step]) -> Result<(), AnswerError> {
        let mut inputs = Vec::new();
        for step in next {
            if let Step::Run(_at, told) = step
                && let Payload::RunCompleted(run) = &told.payload
            {
                inputs.extend(run.inputs.iter().flatten().flat_map(|input| strong(&input.artifact)));
            }
        }
        self.reader.look_ahead(inputs.into_iter())
    }
}

impl Walk<'_, '_> {
    fn run(&mut self, at: usize, told: &Rc<Told>) -> Result<(), AnswerError> {
        let Payload::RunCompleted(run) = &told.payload else { return Ok(()) };
        let (mut any, mut data) = (false, false);
        for input in run.inputs.iter().flatten() {
            let ancestry = is_ancestor(input);
            any |= ancestry;
            data |= ancestry && matches!(input.role, InputRole::Training | InputRole::Features | InputRole::Corpus);
            let link = Link {
                role: Some(input.role.as_str().into()),
                influence: Some(input.influence()),
                basis: input.basis(),
                ancestry,
                ..Link::declared(EdgeKind::Input, told.index)
            };
            self.follow(at, &input.artifact, kind_of_input(input.role), link)?;
        }
        let fits = matches!(run.job.kind, JobKind::Train | JobKind::Finetune);
        if !any {
            self.missing(at, format!("run {} names nothing that it used", run.run_id));
        } else if fits && !data {
            self.missing(at, format!("run {} names no training data", run.run_id));
        }
        Ok(())
    }

    fn place_run(&mut self, told: &Rc<Told>, run: &RunCompleted) -> Option<usize> {
        let key = Key::Run(told.index);
        if let Some(at) = self.places.get(&key) {
            return Some(*at);
        }
        let node = Node {
            name: Some(told.subject.clone()),
            events: vec![self.reader.event_ref(told)],
            run: Some(Box::new(facts::of_run(run))),
            ..Node::new(NodeKind::Run)
        };
        let at = self.place(key, node)?;
        self.stepped.insert(at);
        self.open.push_back(Step::Run(at, told.clone()));
        Some(at)
    }

    fn follow(&mut self, from: usize, artifact: &Artifact, hint: NodeKind, link: Link) -> Result<(), AnswerError> {
        let Some((to, identity)) = self.place_artifact(artifact, hint)? else { return Ok(()) };
        let ancestry = link.ancestry;
        self.draw(from, to, link);
        if ancestry {
            self.step_into(to, identity);
        }
        Ok(())
    }

    fn step_into(&mut self, at: usize, identity: Option<Rc<Identity>>) {
        if self.stepped.insert(at) {
            self.open.push_back(Step::Artifact(at, identity));
        }
    }

    fn draw(&mut self, from: usize, to: usize, link: Link) {
        let (serving_set, share) = link.serving.map_or((None, None), |(set, share)| (Some(set), share));
        if !self.drawn.insert((from, to, link.relation, link.role.clone(), serving_set)) {
            return;
        }
        self.walked.edges.push(Edge {
            from,
            to,
            relation: link.relation,
            role: link.role,
            influence: link.influence,
            serving_set,
            share,
            basis: link.basis,
            ancestry: link.ancestry,
            cycle: false,
            event: link.event,
        });
    }

    /// The place of an artifact's node, made if it is new; nothing once the limit is reached.
    fn place_artifact(&mut self, artifact: &Artifact, hint: NodeKind) -> Result<Option<Placed>, AnswerError> {
        let identity = self.reader.identity(artifact)?;
        let first = identity.as_ref().and_then(|identity| identity.digests.first());
        let key = first.map_or_else(|| Key::Loose(spelling(artifact)), |digest| Key::Digest(*digest));
        if let Some(at) = self.places.get(&key) {
            return Ok(Some((*at, identity)));
        }
        let node = artifact_node(self.reader, artifact, identity.as_deref(), hint)?;
        Ok(self.place(key, node).map(|at| (at, identity)))
    }

    fn place(&mut self, key: Key, node: Node) -> Option<usize> {
        if self.walked.nodes.len() >= self.max_nodes {
            self.walked.truncated = true;
            return None;
        }
        let at = self.add(node);
        self.places.insert(key, at);
        Some(at)
    }

    fn add(&mut self, node: Node) -> usize {
        self.walked.nodes.push(node);
        self.walked.nodes.len() - 1
    }

    /// Says that something should be upstream of a node and is not.
    fn missing(&mut self, from: usize, what: String) {
        let node = Node { name: Some(what), end: Some(End::Missing), ..Node::new(NodeKind::Missing) };
        let to = self.add(node);
        let link = Link { event: None, ..Link::declared(EdgeKind::Missing, 0) };
        self.draw(from, to, link);
    }

    fn node(&mut self, at: usize) -> Option<&mut Node> {
        self.walked.nodes.get_mut(at)
    }

    fn note(&mut self, at: usize, note: String) {
        if let Some(node) = self.node(at) {
            node.notes.push(note);
        }
    }
}

pub(in crate::answers) fn artifact_node(
    reader: &mut Reader<'_>,
    artifact: &Artifact,
    identity: Option<&Identity>,
    hint: NodeKind,
) -> Result<Node, AnswerError> {
    let moment = reader.moment();
    let described = identity.map(|identity| Described::of(identity, moment)).unwrap_or_default();
    let mut joined: Vec<StrongDigest> =
        identity.into_iter().flat_map(|identity| identity.digests.iter().copied()).collect();
    let own = strong(artifact);
    joined.sort_by_key(|digest| !own.contains(digest));
    let mut digests: Vec<NamedDigest> = joined.into_iter().map(NamedDigest::from).collect();
    let others: Vec<_> = all_digests(artifact).into_iter().filter(|digest| !digests.contains(digest)).collect();
    digests.extend(others);
    Ok(Node {
        name: described.name.or_else(|| artifact.name.as_ref().map(ToString::to_string)),
        version: described.version,
        other_names: described.others,
        digests,
        uri: artifact.uri.as_ref().map(ToString::to_string),
        strength: Some(artifact.strength()),
        flags: flags::of(reader, artifact, identity)?,
        ..Node::new(described.kind.unwrap_or(hint))
    })
}

/// An artifact without a strong digest is only ever itself as spelled.
pub(in crate::answers) fn spelling(artifact: &Artifact) -> String {
    let digests = all_digests(artifact).into_iter().map(|digest| format!("{}:{}", digest.algorithm, digest.value));
    let uri = artifact.uri.as_ref().map(ToString::to_string);
    uri.into_iter().chain(digests).collect::<Vec<_>>().join(" ")
}

const fn kind_of_component(role: ComponentRole) -> NodeKind {
    match role {
        ComponentRole::Model | ComponentRole::Adapter => NodeKind::Model,
        ComponentRole::Index => NodeKind::Index,
        ComponentRole::Transform => NodeKind::Transform,
        ComponentRole::Features => NodeKind::Dataset,
        ComponentRole::Image | ComponentRole::Config | ComponentRole::Guardrail => NodeKind::Artifact,
    }
}

const fn kind_of_input(role: InputRole) -> NodeKind {
    match role {
        InputRole::BaseModel | InputRole::SourceModel | InputRole::Adapter | InputRole::Teacher | InputRole::Model => {
            NodeKind::Model
        }
        InputRole::Tokenizer | InputRole::Preprocessor | InputRole::Prompt => NodeKind::Transform,
        InputRole::Index => NodeKind::Index,
        InputRole::Code | InputRole::Environment => NodeKind::Artifact,
        _ => NodeKind::Dataset,
    }
}

/// What an event says of an artifact that the walk is at: nothing, where it only uses it.
fn says_of(identity: &Identity, told: &Told, relation: Relation) -> bool {
    identity.mentions(told).any(|mention| mention.relation == relation)
}
