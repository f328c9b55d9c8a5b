//! What the record calls an artifact: names and versions that events established.

use std::{collections::BTreeSet, rc::Rc};

use lineal_schemas::vocabulary::{Payload, run::JobKind};

use super::NodeKind;
use crate::answers::{
    Moment,
    graph::{Identity, Told},
};

/// Kind, name and version of an artifact, as the last event that gave it one says.
#[derive(Debug, Default, Clone)]
pub(in crate::answers) struct Described {
    pub(in crate::answers) kind: Option<NodeKind>,
    pub(in crate::answers) name: Option<String>,
    pub(in crate::answers) version: Option<String>,
    pub(in crate::answers) others: Vec<String>,
}

struct Naming {
    rank: u8,
    kind: NodeKind,
    name: String,
    version: Option<String>,
}

impl Described {
    /// What it was called at that moment; where nothing called it anything yet, what it was called later.
    pub(in crate::answers) fn of(identity: &Identity, moment: Moment) -> Self {
        let named = |told| Some((naming(told)?, told.order()));
        let mut namings: Vec<_> = identity.said.iter().filter_map(named).collect();
        if namings.iter().any(|(_naming, said)| moment.is_past(said.0)) {
            namings.retain(|(_naming, said)| moment.is_past(said.0));
        }
        namings.sort_by(|(one, said), (other, later)| one.rank.cmp(&other.rank).then_with(|| said.cmp(later)));
        let Some((best, _order)) = namings.pop() else {
            return Self { kind: made_by(identity), ..Self::default() };
        };
        let full = |naming: &Naming| match &naming.version {
            Some(version) => format!("{} {}", naming.name, crate::answers::text::version(version)),
            None => naming.name.clone(),
        };
        let own = full(&best);
        let others: BTreeSet<String> = namings
            .iter()
            .map(|(naming, _order)| full(naming))
            .filter(|name| *name != own && *name != best.name)
            .collect();
        Self {
            kind: Some(best.kind),
            name: Some(best.name),
            version: best.version,
            others: others.into_iter().collect(),
        }
    }
}

/// A registration names better than a snapshot, a snapshot better than an evaluation's subject, that better than an
/// alias.
fn naming(told: &Rc<Told>) -> Option<Naming> {
    let text = |name: &lineal_schemas::vocabulary::names::Name| name.as_str().to_owned();
    let (rank, kind, version) = match &told.payload {
        Payload::ModelRegistered(registered) => (3, NodeKind::Model, registered.version.as_ref().map(text)),
        Payload::DatasetSnapshotted(snapshot) => (2, NodeKind::Dataset, snapshot.version.as_ref().map(text)),
        Payload::TransformPublished(published) => (2, NodeKind::Transform, published.version.as_ref().map(text)),
        Payload::EvaluationStarted(_) | Payload::EvaluationCompleted(_) => (1, NodeKind::Model, None),
        _ => return None,
    };
    Some(Naming { rank, kind, name: told.subject.clone(), version })
}

fn made_by(identity: &Identity) -> Option<NodeKind> {
    identity.said.iter().rev().find_map(|told| match &told.payload {
        Payload::RunCompleted(run) => Some(made_by_job(run.job.kind)),
        _ => None,
    })
}

/// What a job makes.
pub(in crate::answers) const fn made_by_job(kind: JobKind) -> NodeKind {
    match kind {
        JobKind::Train | JobKind::Finetune | JobKind::Quantize | JobKind::Merge => NodeKind::Model,
        JobKind::Index => NodeKind::Index,
        JobKind::Score | JobKind::Transform => NodeKind::Dataset,
    }
}
