//! `trace`: from a service, a model or any artifact upstream to the snapshots and sources that it was made from.
//!
//! A graph: artifacts are nodes named by digest, runs are nodes, events are edges. Promises to walk all of it, once,
//! finitely, and to say what is missing instead of giving a shorter tree. Never joins on anything but strong digests.
//! (docs/DESIGN.md, docs/EVENTS.md)

use std::{borrow::Cow, collections::BTreeMap};

use lineal_schemas::vocabulary::{
    artifact::{Basis, Influence, Strength},
    names::Name,
    values::{Json, Scalar, Table},
};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, EventRef, NamedDigest, When,
    flags::Flag,
    graph::Reader,
    recheck::{Recheck, RecheckState},
    resolve,
};
use crate::ledger::View;

pub(super) mod described;
pub(super) mod ends;
pub(super) mod facts;
mod measured;
pub(super) mod walk;

pub(super) use walk::{Walked, artifact_node, walk, walk_served};

/// The most nodes of one answer.
pub const MAX_NODES: usize = 100_000;

/// The answer to `lineal trace X`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// As asked.
    pub asked: String,
    /// The answer in one line.
    pub answer: String,
    /// How the walk ended.
    pub verdict: Verdict,
    /// The graph: node 0 is what was asked for, edges go upstream.
    pub nodes: Vec<Node>,
    /// What each node rests on.
    pub edges: Vec<Edge>,
    /// Positions of the snapshots that the walk ends at.
    pub snapshots: Vec<usize>,
    /// What lies outside, by declaration; named.
    pub boundaries: Vec<String>,
    /// What is missing; named.
    pub missing: Vec<String>,
    /// Circles in the declared lineage, each as the positions of its nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycles: Vec<Vec<usize>>,
    /// Measurements of the models in the graph. They are no ancestry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<Measurement>,
    /// Events that the graph rests on.
    pub events: usize,
    /// What puts the answer in doubt: revoked and compromised keys, names that moved, silent observers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether the limit of nodes was reached: the rest is left out, and the verdict is `broken`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// How far the record had come.
    pub as_of: AsOf,
}

impl Trace {
    /// 0: complete, or up to a declared boundary; 1: broken, or other bytes were found where its own should be.
    pub fn exit_code(&self) -> u8 {
        let mut rechecks = self.nodes.iter().flat_map(|node| &node.rechecks);
        if rechecks.any(|recheck| recheck.state == RecheckState::Mismatch) {
            return 1;
        }
        match self.verdict {
            Verdict::Complete | Verdict::Boundary => 0,
            Verdict::Broken => 1,
        }
    }
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All leaves are snapshots with strong digests.
    Complete,
    /// Nothing is missing, and something named lies outside.
    Boundary,
    /// Something is missing, and named.
    Broken,
}

impl Verdict {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Boundary => "ends at a declared boundary",
            Self::Broken => "broken",
        }
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Where something serves.
    Service,
    /// A model or an adapter.
    Model,
    /// Data.
    Dataset,
    /// A feature pipeline, a preprocessor, a tokenizer, a prompt.
    Transform,
    /// A retrieval index.
    Index,
    /// An artifact of another kind.
    Artifact,
    /// A run.
    Run,
    /// Something outside of what Lineal sees.
    Source,
    /// Something that should be here.
    Missing,
}

impl NodeKind {
    /// As prose names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Model => "model",
            Self::Dataset => "dataset",
            Self::Transform => "transform",
            Self::Index => "index",
            Self::Artifact => "artifact",
            Self::Run => "run",
            Self::Source => "source",
            Self::Missing => "missing",
        }
    }
}

/// Why a node has nothing upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// A snapshot with a digest of its full content.
    Snapshot,
    /// A published transform.
    Published,
    /// Outside, by declaration.
    Boundary,
    /// Missing.
    Missing,
}

/// A service, an artifact, a run, or a gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// What the record calls it; of a gap, what is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which version of it, as the record says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Other names that events gave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// Its digests, joined ones included, strong ones first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<NamedDigest>,
    /// Where it is, as the event that led here says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Where else its bytes are said to be, as the events that describe it say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// What its places hold, where the asker looked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rechecks: Vec<Recheck>,
    /// What its identity is good for; absent where the node is no artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<Strength>,
    /// The events that describe it, in the order of the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventRef>,
    /// Of a run: how it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Box<RunFacts>>,
    /// Of data: how much it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataFacts>,
    /// Why nothing is upstream of it, where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// Flags that stand on it itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// What else should be known of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Node {
    pub(super) fn new(kind: NodeKind) -> Self {
        Self {
            kind,
            name: None,
            version: None,
            other_names: Vec::new(),
            digests: Vec::new(),
            uri: None,
            places: Vec::new(),
            rechecks: Vec::new(),
            strength: None,
            events: Vec::new(),
            run: None,
            data: None,
            end: None,
            flags: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// How a run ran, in short.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunFacts {
    /// What the tool calls it.
    pub run_id: String,
    /// What the job does: `train`, `finetune`, `quantize`, ….
    pub job_kind: Cow<'static, str>,
    /// Whether the rest is left out here, whatever the event says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub brief: bool,
    /// Its source code: a commit where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether the work tree had changes that the commit does not have; absent where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// Its settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Table<Json>>,
    /// Its seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<Table<Scalar>>,
    /// The container image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The list of exact package versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lockfile: Option<String>,
    /// Versions of the runtime and of the libraries that matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Table<Name>>,
    /// What it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<String>,
    /// The run that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What nobody recorded: `code`, `seeds`, `parameters`, `environment`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// How much data it is, as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataFacts {
    /// Rows, or examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_count: Option<u64>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_count: Option<u64>,
}

/// One step upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// Position of the node downstream.
    pub from: usize,
    /// Position of the node upstream.
    pub to: usize,
    /// What the upstream node is to the other.
    pub relation: EdgeKind,
    /// Of an input or a component: its role there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Cow<'static, str>>,
    /// Of an input: what it had influence on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub influence: Option<Influence>,
    /// Of a component: the position of its part in the serving set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving_set: Option<usize>,
    /// Of a component: its part's share of the traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// How the producer knows.
    pub basis: Basis,
    /// Whether ancestry goes through it. What does not is shown, and not followed.
    pub ancestry: bool,
    /// Whether it closes a circle.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cycle: bool,
    /// The entry whose event says so; absent where the edge leads to a gap, or where a stored listing says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

/// Whether a digest says what the bytes are.
pub(super) fn is_strong(digest: &NamedDigest) -> bool {
    Strength::of(&digest.algorithm) == Strength::Strong
}

/// What an upstream node is to the one downstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EdgeKind {
    /// It serves there.
    Component,
    /// The run that made it.
    Run,
    /// The run used it.
    Input,
    /// The data set was made from it.
    DerivedFrom,
    /// It came from there, outside.
    Source,
    /// The data set that it is a named part of.
    PartOf,
    /// The named part that the data set has.
    Part,
    /// The larger data set that it is a selection of.
    SubsetOf,
    /// The model that it goes back to.
    BaseModel,
    /// The pipeline that it went through.
    Transform,
    /// What it was built from.
    Code,
    /// What it ran with: a library.
    Environment,
    /// It should be here.
    Missing,
}

/// A measurement of a model in the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// Position of the model.
    pub model: usize,
    /// What the tool calls it.
    pub evaluation_id: String,
    /// Whether results were recorded; an announced measurement can stay without.
    pub completed: bool,
    /// What went in: role, and name or digest.
    pub inputs: Vec<MeasuredOn>,
    /// Results over everything, `metric` to value as written.
    pub overall: BTreeMap<String, String>,
    /// How many results there are, slices included.
    pub results: usize,
    /// The event.
    pub event: EventRef,
}

/// An input of a measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredOn {
    /// What it was used as.
    pub role: String,
    /// What the event calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its digests.
    pub digests: Vec<NamedDigest>,
    /// Whether it is also in the ancestry of what was asked for: then the measurement proves little.
    pub in_ancestry: bool,
}

/// Traces what `asked` means at the moment that `when` names; of a service, what was seen to run then. What an artifact
/// was made from belongs to its digest, and is told as it is known, whenever it was said.
pub fn trace(view: &View, asked: &str, when: impl Into<When>) -> Result<Trace, AnswerError> {
    trace_within(view, asked, when, MAX_NODES)
}

/// As [`trace`], with at most so many nodes.
pub fn trace_within(view: &View, asked: &str, when: impl Into<When>, max_nodes: usize) -> Result<Trace, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let resolved = resolve::resolve_with(&mut reader, asked)?;
    of_target(&mut reader, asked, &resolved.target, resolved.notes, max_nodes)
}

/// Traces a target that was found, with what should be known about how.
pub(super) fn of_target(
    reader: &mut Reader<'_>,
    asked: &str,
    target: &resolve::Target,
    notes: Vec<String>,
    max_nodes: usize,
) -> Result<Trace, AnswerError> {
    let walked = walk(reader, target, max_nodes)?;
    Ok(ends::conclude(asked, walked, notes, reader.as_of()))
}
