//! `impact`: from a file, a snapshot, a transform or a base model downstream to every run, model and live deployment.
//!
//! The trace's graph, walked the other way: nodes and edges mean the same, edges go upstream. Promises to walk all of
//! it, once, finitely; that live deployments come first and are taken from what was seen to run, never from what was
//! asked for; that a silent observer is never a no. Never joins on anything but strong digests. (docs/DESIGN.md)

use std::collections::BTreeSet;

use lineal_schemas::{timestamp::Timestamp, vocabulary::artifact::Strength};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, EventRef, InListing, InListings, When,
    graph::Reader,
    incidents,
    listings::containing,
    resolve::{self, Resolved, Target},
    running::Status,
    trace::{Edge, EdgeKind, Node},
};
use crate::ledger::View;

mod deployed;
pub(super) mod walk;

pub use walk::Limits;

/// The most nodes of one answer.
pub const MAX_NODES: usize = 100_000;

/// The answer to `lineal impact X`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Impact {
    /// As asked.
    pub asked: String,
    /// The answer in one line.
    pub answer: String,
    /// Where it serves now, or did when it was last seen; what runs for sure first.
    pub live: Vec<LiveUse>,
    /// Services that asked for it or ran it, and were seen without it since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<FormerUse>,
    /// The graph: what was asked for comes first, edges go upstream.
    pub nodes: Vec<Node>,
    /// What each node rests on.
    pub edges: Vec<Edge>,
    /// Folders whose stored listings have the file that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listings: Vec<InListing>,
    /// Evaluations that measured with something in the graph: their results may be worth less.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluations: Vec<EventRef>,
    /// Runs in the graph.
    pub runs: usize,
    /// Models and adapters in the graph, without what was asked for.
    pub models: usize,
    /// What puts the answer in doubt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether the limit of nodes was reached: the rest is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// How far the record had come.
    pub as_of: AsOf,
}

impl Impact {
    /// 0: something that runs rests on it; 1: nothing does; 2: it is unknown of something, or of the rest.
    pub fn exit_code(&self) -> u8 {
        let seen = |status| self.live.iter().any(|one| one.status == status);
        let is_unknown = seen(Status::Unknown) || self.truncated || self.unjoined().is_some();
        match (seen(Status::Running) || seen(Status::Partial), is_unknown) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        }
    }

    /// What its identity is good for, where that is not enough to join anything to it: then finding nothing says nothing.
    pub(super) fn unjoined(&self) -> Option<Strength> {
        let strength = self.nodes.first().and_then(|node| node.strength);
        strength.filter(|strength| *strength != Strength::Strong)
    }
}

/// What kind of use it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UseKind {
    /// A service answers with it.
    Service,
    /// A batch job scores with it.
    Batch,
}

/// A deployment that rests on what was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveUse {
    /// What kind of use it is.
    pub kind: UseKind,
    /// The service, or the job.
    pub name: String,
    /// Who answers for it, as the last `service.registered` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whom to call, as an entry of the organisation's own register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Whether it is known to run.
    pub status: Status,
    /// Position of its node.
    pub node: usize,
    /// Position of the artifact that it serves.
    pub serves: usize,
    /// What the artifact does there; absent for a batch job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Its part of the traffic, as the observer wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// How many instances there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<u64>,
    /// Since when it has been seen there without a break.
    pub since: Timestamp,
    /// The last observation, or the last run.
    pub last_observed: Timestamp,
    /// When the next observation was due, where that has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
    /// Steps from what was asked for.
    pub distance: usize,
}

/// A service that has moved on, or never came to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FormerUse {
    /// The service.
    pub name: String,
    /// Position of the artifact.
    pub serves: usize,
    /// When it was last seen there, or asked for.
    pub at: Timestamp,
    /// The event that says so.
    pub event: EventRef,
    /// Whether it was seen there, and not only asked for.
    pub observed: bool,
}

/// What rests on what `asked` means, at a moment.
pub fn impact(view: &View, asked: &str, when: impl Into<When>) -> Result<Impact, AnswerError> {
    impact_within(view, asked, when, Limits::default())
}

/// As [`impact`], with other limits.
pub fn impact_within(view: &View, asked: &str, when: impl Into<When>, limits: Limits) -> Result<Impact, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let resolved = resolve::resolve_with(&mut reader, asked)?;
    let listings = listings(&reader, &resolved.target)?;
    let mut walked = walk::walk_listed(&mut reader, &resolved.target, &listings.found, limits)?;
    let found = deployed::find(&mut reader, &mut walked)?;
    let (nodes, edges) = (walked.nodes, walked.edges);
    let mut warnings = notes(resolved, listings.unread);
    warnings.extend(nodes.first().into_iter().flat_map(|node| &node.flags).map(super::print::flag_line));
    warnings.extend(open_incidents(&mut reader, &nodes, &found.live)?);
    let mut impact = Impact {
        asked: asked.to_owned(),
        answer: String::new(),
        live: found.live,
        former: found.former,
        runs: nodes.iter().filter(|node| node.run.is_some()).count(),
        models: nodes.iter().skip(1).filter(|node| node.kind == super::trace::NodeKind::Model).count(),
        nodes,
        edges,
        listings: listings.found,
        evaluations: walked.evaluations,
        warnings,
        truncated: walked.truncated,
        as_of: reader.as_of(),
    };
    impact.answer = super::print::impact_line(&impact);
    Ok(impact)
}

/// Open incidents about what was asked for, and at the services that rest on it.
fn open_incidents(reader: &mut Reader<'_>, nodes: &[Node], live: &[LiveUse]) -> Result<Vec<String>, AnswerError> {
    let mut open = Vec::new();
    let first = nodes.first().and_then(|node| node.digests.iter().find_map(resolve::artifact_of));
    if let Some(identity) = first.map(|artifact| reader.identity(&artifact)).transpose()?.flatten() {
        open.extend(incidents::open_about(reader, &identity)?);
    }
    let services: BTreeSet<&str> = live.iter().map(|one| one.name.as_str()).collect();
    for service in services {
        open.extend(incidents::open_at(reader, service)?.iter().map(|note| format!("{service}: {note}")));
    }
    Ok(open)
}

/// What of a walked graph is live; what runs for sure first.
pub(super) fn live(reader: &mut Reader<'_>, walked: &mut walk::Walked) -> Result<Vec<LiveUse>, AnswerError> {
    Ok(deployed::find(reader, walked)?.live)
}

/// From a node of the graph upstream to what was asked for, the shortest way.
pub(super) fn way(edges: &[Edge], from: usize) -> Vec<usize> {
    let mut way = vec![from];
    let mut at = from;
    while at != 0 {
        // Nodes are in the order of the walk: the first that leads here is the nearest to what was asked for.
        let up = edges.iter().filter(|edge| edge.from == at && edge.relation != EdgeKind::Component);
        let Some(next) = up.map(|edge| edge.to).filter(|to| *to < at).min() else { break };
        way.push(next);
        at = next;
    }
    way
}

/// The stored listings that have the file that was asked for.
fn listings(reader: &Reader<'_>, target: &Target) -> Result<InListings, AnswerError> {
    match target {
        Target::Listed(_file, listings) => Ok(listings.clone()),
        Target::Artifact(artifact) => {
            match artifact.strong_digests().find(|(algorithm, _hex)| *algorithm == "sha256") {
                Some((_algorithm, hex)) => containing(reader, hex),
                None => Ok(InListings::default()),
            }
        }
        _ => Ok(InListings::default()),
    }
}

/// What puts the answer in doubt, whatever it is.
fn notes(resolved: Resolved, unread: Vec<String>) -> Vec<String> {
    let mut notes = resolved.notes;
    if let Target::Library { .. } = resolved.target {
        notes.push(
            "a library is known from what runs declare of their environment: a run that declares none may have had it"
                .to_owned(),
        );
    }
    notes.extend(unread.into_iter().filter(|why| !notes.contains(why)).collect::<Vec<_>>());
    notes
}
