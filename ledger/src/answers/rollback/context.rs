//! What of the old model's context is not as it was: what it answered with then, against what is there now.
//!
//! Three looks: at what was seen to serve beside it, at the transforms that its training went through, and at the columns
//! of the data that it learnt from. Promises that what is the same has the same strong digest, that a transform which was
//! published since is no proof of what serves, and that columns nobody declared are unknown.

use std::rc::Rc;

use lineal_schemas::vocabulary::{
    Payload,
    artifact::{Artifact, Strength},
    deployment::{Component, ComponentRole, ServedSet},
};

use super::{
    Difference, DifferenceBasis,
    candidates::Found,
    now::SeenNow,
    restored::{is_context, kind_of},
};
use crate::answers::{
    AnswerError,
    diff::pairs::{Which, take},
    graph::{Identity, Reader, Told},
    resolve::artifact_of,
    text,
    trace::{self, EdgeKind, NodeKind, Walked, described::Described, facts::identified},
};

mod columns;

/// The most artifacts and runs upstream of either side that are looked at.
const MAX_NODES: usize = 10_000;

/// What came of comparing.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) differences: Vec<Difference>,
    pub(super) same: Vec<String>,
    pub(super) unknown: Vec<String>,
}

/// An artifact with what the record calls it.
#[derive(Clone)]
struct Named {
    role: Option<ComponentRole>,
    artifact: Artifact,
    identity: Option<Rc<Identity>>,
    kind: String,
    name: Option<String>,
    version: Option<String>,
}

impl Named {
    fn of(reader: &mut Reader<'_>, artifact: &Artifact, role: Option<ComponentRole>) -> Result<Self, AnswerError> {
        let identity = reader.identity(artifact)?;
        let described = identity.as_ref().map(|identity| Described::of(identity, reader.moment())).unwrap_or_default();
        let kind = identity.as_ref().and_then(|identity| kind_of(identity)).map(|kind| kind.to_string());
        let role_name = || role.map_or_else(|| "transform".to_owned(), |role| role.to_string());
        Ok(Self {
            role,
            kind: kind.unwrap_or_else(role_name),
            name: described.name.or_else(|| artifact.name.as_ref().map(ToString::to_string)),
            version: described.version,
            artifact: artifact.clone(),
            identity,
        })
    }

    fn label(&self) -> String {
        let version = self.version.as_deref().map(text::version);
        match (&self.name, version) {
            (Some(name), Some(version)) => format!("{name} {version}"),
            (Some(name), None) => {
                let digest = self.artifact.strong_digests().next();
                let digest = digest.map(|(name, hex)| format!(" {name}:{}", text::short_hex(hex)));
                format!("{name}{}", digest.unwrap_or_default())
            }
            (None, _) => identified(&self.artifact),
        }
    }

    fn is(&self, other: &Self) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.is(&other.artifact))
    }

    /// Whether both do the same job: one has the other's name, or both are of one kind.
    fn is_like(&self, other: &Self) -> bool {
        (self.name.is_some() && self.name == other.name) || self.kind == other.kind
    }
}

/// Compares what a candidate ran with to what is there now.
pub(super) fn compare(
    reader: &mut Reader<'_>,
    service: &str,
    past: &Found,
    now: &SeenNow,
) -> Result<Compared, AnswerError> {
    let mut compared = Compared::default();
    compared.unknown.extend(now.doubt());
    let (was, is) = (beside(reader, &past.sets)?, beside(reader, now.sets())?);
    if !now.sets().is_empty() {
        serving(reader, was.clone(), is.clone(), &mut compared);
    }
    let models = models(&past.sets);
    let older = walked(reader, service, &past.told, &models)?;
    let newer = walked(reader, service, &now.told, now.sets())?;
    if older.truncated || newer.truncated {
        compared.unknown.push(format!("more than {MAX_NODES} artifacts and runs are upstream"));
    }
    for node in older.nodes.iter().filter(|node| node.kind == NodeKind::Missing) {
        compared.unknown.extend(node.name.clone());
    }
    let mut there = is;
    for transform in transforms(reader, &newer)? {
        if !there.iter().any(|known| known.is(&transform)) {
            there.push(transform);
        }
    }
    for trained in transforms(reader, &older)? {
        if !was.iter().any(|known| known.is(&trained)) {
            training(reader, &trained, &there, &mut compared)?;
        }
    }
    learnt_from(reader, &older, &mut compared)?;
    compared.unknown.sort();
    compared.unknown.dedup();
    Ok(compared)
}

/// What parts of a serving set were made from; nothing where there are none.
fn walked(reader: &mut Reader<'_>, service: &str, told: &Rc<Told>, sets: &[ServedSet]) -> Result<Walked, AnswerError> {
    if sets.is_empty() { Ok(Walked::default()) } else { trace::walk_served(reader, service, told, sets, MAX_NODES) }
}

/// What serves beside the models. Where there are none, what serves is itself what is put back.
fn beside(reader: &mut Reader<'_>, sets: &[ServedSet]) -> Result<Vec<Named>, AnswerError> {
    let components = || sets.iter().flat_map(|set| &set.components);
    if !components().any(is_model) {
        return Ok(Vec::new());
    }
    let others = components().filter(|component| !is_model(component));
    let mut named: Vec<Named> = Vec::new();
    for component in others {
        let one = Named::of(reader, &component.artifact, Some(component.role))?;
        if !named.iter().any(|known| known.role == one.role && known.is(&one)) {
            named.push(one);
        }
    }
    Ok(named)
}

fn is_model(component: &Component) -> bool {
    matches!(component.role, ComponentRole::Model | ComponentRole::Adapter)
}

/// Serving sets with what ancestry is told of alone.
fn models(sets: &[ServedSet]) -> Vec<ServedSet> {
    if !sets.iter().flat_map(|set| &set.components).any(is_model) {
        return Vec::new();
    }
    let mut sets = sets.to_vec();
    for set in &mut sets {
        set.components.retain(is_model);
    }
    sets.retain(|set| !set.components.is_empty());
    sets
}

/// What was seen to serve beside the models, then and now.
fn serving(reader: &Reader<'_>, mut was: Vec<Named>, mut is: Vec<Named>, compared: &mut Compared) {
    was.retain(|one| match is.iter().position(|other| one.role == other.role && one.is(other)) {
        Some(at) => {
            is.remove(at);
            compared.same.push(format!("{} {}", one.kind, one.label()));
            false
        }
        None => true,
    });
    let by_name = |one: &Named| one.name.clone().map(|name| (one.role.map(ComponentRole::as_str), name));
    let mut pairs = take(&mut was, &mut is, by_name, Which::InOrder);
    pairs.extend(take(&mut was, &mut is, |one| one.role.map(ComponentRole::as_str), Which::TheOnly));
    for (before, after) in pairs {
        let strong = |one: &Named| one.artifact.strength() == Strength::Strong;
        if !strong(&before) || !strong(&after) {
            let what = format!("{} {}: no digest of the full content on both sides", before.kind, before.label());
            compared.unknown.push(what);
            continue;
        }
        let mut difference = differs(Some(&before), Some(&after), DifferenceBasis::Serving);
        columns::of_transforms(before.identity.as_ref(), after.identity.as_ref(), &mut difference.details);
        columns::of_data(reader, before.identity.as_ref(), after.identity.as_ref(), &mut difference.details);
        compared.differences.push(difference);
    }
    compared.differences.extend(was.iter().map(|gone| differs(Some(gone), None, DifferenceBasis::Serving)));
    compared.differences.extend(is.iter().map(|new| differs(None, Some(new), DifferenceBasis::Serving)));
}

fn differs(before: Option<&Named>, after: Option<&Named>, basis: DifferenceBasis) -> Difference {
    let one = before.or(after);
    Difference {
        what: one.map_or_else(String::new, |one| one.kind.clone()),
        before: before.map(Named::label),
        after: after.map(Named::label),
        details: Vec::new(),
        basis,
        is_context: one.and_then(|one| one.role).is_none_or(is_context),
    }
}

/// The transforms that runs and data in an ancestry went through.
fn transforms(reader: &mut Reader<'_>, walked: &Walked) -> Result<Vec<Named>, AnswerError> {
    let is_role = |role: Option<&str>| matches!(role, Some("preprocessor" | "tokenizer" | "prompt"));
    let used = walked.edges.iter().filter(|edge| {
        edge.relation == EdgeKind::Transform || (edge.relation == EdgeKind::Input && is_role(edge.role.as_deref()))
    });
    let mut found: Vec<Named> = Vec::new();
    for edge in used {
        let artifact = walked.nodes.get(edge.to).and_then(|node| node.digests.iter().find_map(artifact_of));
        let Some(artifact) = artifact else { continue };
        let one = Named::of(reader, &artifact, None)?;
        if !found.iter().any(|known| known.is(&one)) {
            found.push(one);
        }
    }
    Ok(found)
}

/// A transform of the old model's training, against what does its job now.
fn training(
    reader: &mut Reader<'_>,
    trained: &Named,
    there: &[Named],
    compared: &mut Compared,
) -> Result<(), AnswerError> {
    let label = format!("{} {}", trained.kind, trained.label());
    if there.iter().any(|one| one.is(trained)) {
        compared.same.push(label);
        return Ok(());
    }
    if let Some(other) = there.iter().find(|one| is_transform(one) && trained.is_like(one)) {
        let mut difference = differs(Some(trained), Some(other), DifferenceBasis::Training);
        columns::of_transforms(trained.identity.as_ref(), other.identity.as_ref(), &mut difference.details);
        difference.is_context = true;
        compared.differences.push(difference);
        return Ok(());
    }
    let newest = match &trained.name {
        Some(name) => reader.told_about(name, &["transform.published"])?,
        None => Vec::new(),
    };
    let newest = newest.iter().find(|told| reader.has_happened(told));
    match newest.map(|told| &told.payload) {
        Some(Payload::TransformPublished(published))
            if trained.identity.as_ref().is_some_and(|identity| identity.is(&published.artifact)) =>
        {
            compared.same.push(label);
        }
        Some(Payload::TransformPublished(published)) => {
            let version = published.version.as_ref().map(|version| text::version(version.as_str()));
            let version = version.unwrap_or_else(|| "another one".to_owned());
            compared.unknown.push(format!("{label}: {version} was published since, and nothing says what serves now"));
        }
        _ => compared.unknown.push(format!("{label}: nothing says what does its job now")),
    }
    Ok(())
}

fn is_transform(named: &Named) -> bool {
    matches!(named.role, None | Some(ComponentRole::Transform))
}

/// The columns of the data that the old model learnt from, as its newest snapshots have them.
fn learnt_from(reader: &mut Reader<'_>, walked: &Walked, compared: &mut Compared) -> Result<(), AnswerError> {
    let is_learnt = |role: Option<&str>| matches!(role, Some("training" | "features"));
    let edges = walked.edges.iter().filter(|edge| edge.relation == EdgeKind::Input && is_learnt(edge.role.as_deref()));
    let mut seen = Vec::new();
    for edge in edges {
        let Some(node) = walked.nodes.get(edge.to).filter(|_node| !seen.contains(&edge.to)) else { continue };
        seen.push(edge.to);
        let (Some(name), Some(artifact)) = (&node.name, node.digests.iter().find_map(artifact_of)) else { continue };
        let newest = reader.told_about(name, &["dataset.snapshotted"])?;
        let Some(newest) = newest.into_iter().find(|told| reader.has_happened(told)) else { continue };
        let identity = reader.identity(&artifact)?;
        let Payload::DatasetSnapshotted(now) = &newest.payload else { continue };
        if identity.as_ref().is_some_and(|identity| identity.is(&now.dataset)) {
            compared.same.push(format!("schema {name}"));
            continue;
        }
        let then = identity.as_ref().and_then(|identity| snapshot(reader, identity));
        schema(name, (then.as_deref(), &newest), compared);
    }
    Ok(())
}

fn schema(name: &str, (then, newest): (Option<&Told>, &Told), compared: &mut Compared) {
    let columns = |told: &Told| match &told.payload {
        Payload::DatasetSnapshotted(snapshot) => columns::of_snapshot(snapshot),
        _ => None,
    };
    let version = |told: &Told| {
        let version = match &told.payload {
            Payload::DatasetSnapshotted(snapshot) => snapshot.version.as_ref(),
            _ => None,
        };
        let version = version.map(|version| text::version(version.as_str()));
        format!("{name} {}", version.unwrap_or_else(|| format!("#{}", told.index)))
    };
    let Some((then, before, after)) = then.and_then(|then| Some((then, columns(then)?, columns(newest)?))) else {
        compared.unknown.push(format!("schema {name}: columns are not declared of both snapshots"));
        return;
    };
    let details = columns::changes(&before, &after);
    let breaks = details.iter().any(|detail| columns::breaks(detail));
    if details.is_empty() {
        compared.same.push(format!("schema {name}"));
    } else {
        compared.differences.push(Difference {
            what: "schema".to_owned(),
            before: Some(version(then)),
            after: Some(version(newest)),
            details,
            basis: DifferenceBasis::Schema,
            is_context: breaks,
        });
    }
}

/// The last snapshot event of data.
pub(super) fn snapshot(reader: &Reader<'_>, identity: &Identity) -> Option<Rc<Told>> {
    let is_it = |told: &&Rc<Told>| match &told.payload {
        Payload::DatasetSnapshotted(snapshot) => identity.is(&snapshot.dataset) && reader.has_happened(told),
        _ => false,
    };
    identity.said.iter().rev().find(is_it).cloned()
}
