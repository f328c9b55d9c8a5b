//! What went in: the data sets of both sides, and whatever else ancestry leads to, down to the files.
//!
//! What has the same strong digest is the same, whatever it is called; the rest is compared by name, and the last one
//! left in a role with the other. Promises that a listing or a schema that nobody has is said to be unknown.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lineal_schemas::vocabulary::{
    Payload,
    artifact::Artifact,
    dataset::{DatasetSnapshotted, DatasetStats},
    lineage::Relation,
    values::Count,
};

use super::{
    BlockState, DataBlock, DataChange, Sameness, artifacts,
    files::{self, Listings},
    pairs::{self, Which},
    rows::Rows,
    sides::{Sided, are_same, strong},
};
use crate::answers::{
    AnswerError, NamedDigest,
    graph::{Reader, Told},
    print,
    resolve::artifact_of,
    trace::{EdgeKind, Node, NodeKind},
};

/// Something that went in.
#[derive(Clone, Copy)]
struct Given<'s> {
    node: &'s Node,
    role: Option<&'s str>,
}

/// What went in, compared.
pub(super) fn block(reader: &mut Reader<'_>, before: &Sided, after: &Sided) -> Result<DataBlock, AnswerError> {
    let (mut mine, mut theirs) = (given(before), given(after));
    let unchanged = take_same(&mut mine, &mut theirs);
    let same_name = |given: &Given<'_>| given.node.name.clone().map(|name| (given.node.kind.as_str(), name));
    let mut pairs = pairs::take(&mut mine, &mut theirs, same_name, Which::InOrder);
    let same_role = |given: &Given<'_>| given.role.map(|role| (given.node.kind.as_str(), role.to_owned()));
    pairs.extend(pairs::take(&mut mine, &mut theirs, same_role, Which::TheOnly));
    let mut listings = Listings::new(reader.view().attachments.clone());
    let (mut changes, mut unknown) = (Vec::new(), Vec::new());
    for (one, other) in pairs {
        match are_same(one.node, other.node) {
            Sameness::Same => {}
            Sameness::Unknown => {
                unknown.push(format!("{} has no strong digest on both sides", print::label(other.node)));
            }
            Sameness::Other => changes.push(change(reader, &mut listings, one.node, other.node)?),
        }
    }
    changes.extend(mine.iter().map(|gone| DataChange { before: Some(print::label(gone.node)), ..alone(gone.node) }));
    changes.extend(theirs.iter().map(|new| DataChange { after: Some(print::label(new.node)), ..alone(new.node) }));
    unknown.extend(gaps(before, "before"));
    unknown.extend(gaps(after, "after"));
    let state = match (changes.is_empty(), unknown.is_empty(), unchanged) {
        (false, ..) => BlockState::Changed,
        (true, false, _) => BlockState::Unknown,
        (true, true, 0) => BlockState::None,
        (true, true, _) => BlockState::Same,
    };
    Ok(DataBlock { state, changes, unchanged, unknown })
}

/// What is missing upstream of a side.
fn gaps(side: &Sided, which: &str) -> Vec<String> {
    let missing = side.walked.nodes.iter().filter(|node| node.kind == NodeKind::Missing);
    missing.filter_map(|node| node.name.as_ref()).map(|name| format!("{which}: {name}")).collect()
}

fn given(side: &Sided) -> Vec<Given<'_>> {
    let mut roles: BTreeMap<usize, Option<&str>> = BTreeMap::new();
    for edge in side.walked.edges.iter().filter(|edge| edge.ancestry || edge.relation == EdgeKind::Transform) {
        let role = roles.entry(edge.to).or_default();
        *role = role.or(edge.role.as_deref());
    }
    let is_given = |(at, node): &(usize, &Node)| match node.kind {
        NodeKind::Dataset | NodeKind::Transform | NodeKind::Index => {
            roles.contains_key(at) || side.subjects.contains(at)
        }
        NodeKind::Model | NodeKind::Artifact => roles.contains_key(at) && !side.subjects.contains(at),
        NodeKind::Service | NodeKind::Run | NodeKind::Source | NodeKind::Missing => false,
    };
    let nodes = side.walked.nodes.iter().enumerate().filter(is_given);
    nodes.map(|(at, node)| Given { node, role: roles.get(&at).copied().flatten() }).collect()
}

/// Takes out what both sides have; how many there are.
fn take_same(mine: &mut Vec<Given<'_>>, theirs: &mut Vec<Given<'_>>) -> usize {
    fn digests<'s>(all: &[Given<'s>]) -> BTreeSet<&'s NamedDigest> {
        all.iter().flat_map(|given| strong(given.node)).collect()
    }
    let (ours, others) = (digests(mine), digests(theirs));
    let count = mine.len();
    mine.retain(|given| strong(given.node).is_disjoint(&others));
    theirs.retain(|given| strong(given.node).is_disjoint(&ours));
    count - mine.len()
}

/// A change without its sides.
fn alone(node: &Node) -> DataChange {
    DataChange { kind: node.kind, before: None, after: None, changes: Vec::new(), files: None, unknown: Vec::new() }
}

fn change(
    reader: &mut Reader<'_>,
    listings: &mut Listings,
    before: &Node,
    after: &Node,
) -> Result<DataChange, AnswerError> {
    let mut rows = Rows::default();
    let mut files = None;
    if after.kind == NodeKind::Dataset {
        match (snapshot(reader, before)?, snapshot(reader, after)?) {
            (Some(mine), Some(theirs)) => facts(&mut rows, reader, &mine, &theirs)?,
            _ => rows.unknown("version, rows, columns, sources: no dataset.snapshotted describes both".to_owned()),
        }
        match files::compare(listings, before, after) {
            Ok(found) => files = found,
            Err(why) => rows.unknown(why),
        }
    } else {
        rows.compare_declared("version", before.version.clone(), after.version.clone());
    }
    let (kind, before, after) = (after.kind, Some(print::label(before)), Some(print::label(after)));
    Ok(DataChange { kind, before, after, changes: rows.changes, files, unknown: rows.unknown })
}

/// The last snapshot event of data.
fn snapshot(reader: &mut Reader<'_>, node: &Node) -> Result<Option<Rc<Told>>, AnswerError> {
    let Some(artifact) = strong(node).into_iter().next().and_then(artifact_of) else { return Ok(None) };
    let Some(identity) = reader.identity(&artifact)? else { return Ok(None) };
    let describes = |told: &&Rc<Told>| {
        matches!(told.payload, Payload::DatasetSnapshotted(_))
            && identity.mentions(told).any(|mention| mention.relation == Relation::Subject)
    };
    Ok(identity.said.iter().rev().find(describes).cloned())
}

fn facts(rows: &mut Rows, reader: &mut Reader<'_>, mine: &Told, theirs: &Told) -> Result<(), AnswerError> {
    let (Payload::DatasetSnapshotted(mine), Payload::DatasetSnapshotted(theirs)) = (&mine.payload, &theirs.payload)
    else {
        return Ok(());
    };
    let version = |snapshot: &DatasetSnapshotted| snapshot.version.as_ref().map(ToString::to_string);
    rows.compare_declared("version", version(mine), version(theirs));
    stats(rows, mine.stats.as_ref(), theirs.stats.as_ref());
    columns(rows, mine, theirs);
    sources(rows, mine.sources.as_deref(), theirs.sources.as_deref());
    artifacts::row(rows, reader, "transform", (mine.transform.as_ref(), theirs.transform.as_ref()))?;
    let licence = |snapshot: &DatasetSnapshotted| snapshot.licence.as_ref().map(ToString::to_string);
    rows.compare_declared("licence", licence(mine), licence(theirs));
    partitions(rows, mine, theirs);
    Ok(())
}

fn stats(rows: &mut Rows, mine: Option<&DatasetStats>, theirs: Option<&DatasetStats>) {
    let counts = |stats: Option<&DatasetStats>| {
        let stats = stats.map(|stats| [stats.row_count, stats.size, stats.file_count]).unwrap_or_default();
        stats.map(|count| count.map(|count: Count| count.get().to_string()))
    };
    for ((what, before), after) in ["rows", "bytes", "files"].into_iter().zip(counts(mine)).zip(counts(theirs)) {
        rows.compare_declared(what, before, after);
    }
    let is_told = |stats: Option<&DatasetStats>| stats.is_some_and(|stats| stats.row_count.is_some());
    if !is_told(mine) && !is_told(theirs) {
        rows.unknown("rows: not declared".to_owned());
    }
}

fn columns(rows: &mut Rows, mine: &DatasetSnapshotted, theirs: &DatasetSnapshotted) {
    let columns = |snapshot: &DatasetSnapshotted| {
        let fields = &snapshot.schema.as_ref()?.fields;
        let named = fields.iter().map(|field| {
            let kind = field.r#type.as_ref().map_or("of a type that is not declared", |kind| kind.as_str());
            (format!("column {}", field.name), kind.to_owned())
        });
        Some(named.collect::<BTreeMap<_, _>>())
    };
    match (columns(mine), columns(theirs)) {
        (Some(mine), Some(theirs)) => {
            rows.compare_all(&mine, &theirs, PartialEq::eq, Clone::clone);
        }
        (None, None) => rows.unknown("columns: not declared".to_owned()),
        (Some(_), None) => rows.unknown("columns: declared before, not declared after".to_owned()),
        (None, Some(_)) => rows.unknown("columns: not declared before, declared after".to_owned()),
    }
}

fn sources(rows: &mut Rows, mine: Option<&[Artifact]>, theirs: Option<&[Artifact]>) {
    let named = |sources: &[Artifact]| sources.iter().map(artifacts::shown).collect::<BTreeSet<String>>();
    match (mine.map(named), theirs.map(named)) {
        (Some(mine), Some(theirs)) => {
            for gone in mine.difference(&theirs) {
                rows.compare("source", Some(gone.clone()), None);
            }
            for new in theirs.difference(&mine) {
                rows.compare("source", None, Some(new.clone()));
            }
        }
        (None, None) => {}
        (Some(_), None) => rows.unknown("sources: declared before, not declared after".to_owned()),
        (None, Some(_)) => rows.unknown("sources: not declared before, declared after".to_owned()),
    }
}

fn partitions(rows: &mut Rows, mine: &DatasetSnapshotted, theirs: &DatasetSnapshotted) {
    let named = |snapshot: &DatasetSnapshotted| {
        let partitions = snapshot.subset.as_ref()?.partitions.as_ref()?;
        Some(partitions.iter().map(ToString::to_string).collect::<BTreeSet<String>>())
    };
    if let (Some(mine), Some(theirs)) = (named(mine), named(theirs)) {
        for gone in mine.difference(&theirs) {
            rows.compare("partition", Some(gone.clone()), None);
        }
        for new in theirs.difference(&mine) {
            rows.compare("partition", None, Some(new.clone()));
        }
    }
}
