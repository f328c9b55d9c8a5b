//! Flags: which artifacts are said to be bad at an answer's moment, and what rests on them.
//!
//! A flag stands from when it was said until it is cleared, whatever arrived first. Promises that it follows strong
//! digests wherever they are joined, and a weak one only what is called by that digest; and that what rests on something
//! flagged is what `impact` finds. Never decides what becomes of it: that is for people and gates. (docs/ANSWERS.md)

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lineal_schemas::{
    strong::StrongKind,
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        artifact::{Artifact, Strength},
        flag::{FlagCategory, FlagSeverity},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, EventRef, InListing, NamedDigest,
    graph::{Identity, Reader, Told, strong},
    impact::{Limits, walk, way},
    listings::containing_any,
    print,
    resolve::{Target, main_artifact},
    trace::{NodeKind, artifact_node},
};

/// The most events of flags that are read; the newest are.
const MAX_FLAG_EVENTS: usize = 20_000;

/// A flag that stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flag {
    /// In which way the artifact is bad.
    pub category: FlagCategory,
    /// How much it matters.
    pub severity: FlagSeverity,
    /// Why, as a code.
    pub justification: String,
    /// Since when it is bad.
    pub known_since: Timestamp,
    /// Where more is said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advisory: Option<String>,
    /// The event.
    pub event: EventRef,
}

/// Something flagged that serves, or that what serves was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flagged {
    /// What is flagged, as prose names it.
    pub what: String,
    /// Its digests.
    pub digests: Vec<NamedDigest>,
    /// From what serves upstream to what is flagged; one step where that serves itself.
    pub way: Vec<String>,
    /// The entries whose events lead from each step to the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<u64>,
    /// The flags that stand on it.
    pub flags: Vec<Flag>,
}

/// The flags that stand on an artifact itself, the first said first.
pub(super) fn of(
    reader: &mut Reader<'_>,
    artifact: &Artifact,
    identity: Option<&Identity>,
) -> Result<Vec<Flag>, AnswerError> {
    let mut told = identity.map(|identity| on(reader, identity)).unwrap_or_default();
    let weak = weak_digests(artifact);
    if !weak.is_empty() {
        let flags = reader.flags()?;
        told.extend(weak.iter().filter_map(|digest| flags.weak.get(digest)).flatten().cloned());
    }
    Ok(told.iter().filter_map(|told| flag(reader, told)).collect())
}

fn weak_digests(artifact: &Artifact) -> Vec<NamedDigest> {
    let weak = artifact.digests().filter(|(algorithm, _value)| Strength::of(algorithm) != Strength::Strong);
    weak.map(|(algorithm, value)| NamedDigest::new(algorithm, value)).collect()
}

fn on(reader: &Reader<'_>, identity: &Identity) -> Vec<Rc<Told>> {
    standing(identity.said.iter().filter(|told| reader.has_happened(told)))
}

/// What is left of flags once they are cleared, from events in the order in which they were said. Who takes one flag
/// back knew it, whatever their clocks say.
fn standing<'t>(said: impl Iterator<Item = &'t Rc<Told>>) -> Vec<Rc<Told>> {
    let (mut standing, mut taken_back) = (Vec::new(), BTreeSet::new());
    for told in said {
        match &told.payload {
            Payload::ArtifactFlagged(_) => standing.push(told.clone()),
            Payload::ArtifactCleared(cleared) => match cleared.flag {
                Some(flag) => {
                    taken_back.insert(flag);
                }
                None => standing.clear(),
            },
            _ => {}
        }
    }
    standing.retain(|told| !taken_back.contains(&told.entry.event));
    standing
}

fn flag(reader: &Reader<'_>, told: &Told) -> Option<Flag> {
    let Payload::ArtifactFlagged(flagged) = &told.payload else { return None };
    Some(Flag {
        category: flagged.category,
        severity: flagged.severity(),
        justification: flagged.justification.to_string(),
        known_since: flagged.known_since.timestamp().unwrap_or_else(|| told.when()),
        advisory: flagged.advisory.as_ref().map(ToString::to_string),
        event: reader.event_ref(told),
    })
}

/// Every flag that stands at a moment.
#[derive(Debug, Default)]
pub(super) struct Flags {
    /// Flagged artifacts that have a strong digest, each once.
    strong: Vec<Artifact>,
    /// The flags on digests that join nothing.
    weak: BTreeMap<NamedDigest, Vec<Rc<Told>>>,
    /// Whether there are more than are read.
    pub(super) is_cut: bool,
}

impl Flags {
    /// Reads them all.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, AnswerError> {
        let indices = reader.view().index.flag_events(reader.moment().size, MAX_FLAG_EVENTS)?;
        let mut flags = Self { is_cut: indices.len() >= MAX_FLAG_EVENTS, ..Self::default() };
        let (mut seen, mut said) = (BTreeSet::new(), Vec::new());
        for index in indices {
            let Some(told) = reader.told(index)?.filter(|told| reader.has_happened(told)) else { continue };
            let Some(artifact) = main_artifact(&told.payload) else { continue };
            let Some(identity) = reader.identity(artifact)? else {
                said.push(told);
                continue;
            };
            let is_new = identity.digests.first().is_some_and(|first| seen.insert(*first));
            if is_new && !on(reader, &identity).is_empty() {
                flags.strong.push(artifact.clone());
            }
        }
        flags.strong.sort_by_key(strong);
        said.sort_by(|one: &Rc<Told>, other| one.order().cmp(&other.order()));
        let mut weak: BTreeMap<NamedDigest, Vec<Rc<Told>>> = BTreeMap::new();
        for told in said {
            for digest in main_artifact(&told.payload).map(weak_digests).unwrap_or_default() {
                weak.entry(digest).or_default().push(told.clone());
            }
        }
        flags.weak = weak.into_iter().map(|(digest, said)| (digest, standing(said.iter()))).collect();
        Ok(flags)
    }
}

/// For each flagged artifact the folders that have it as a file, as far as their listings are stored: what is wrong with a
/// file is wrong with them. Folders whose listings nobody stored are `impact`'s to name.
fn listed(reader: &Reader<'_>, artifacts: &[Artifact]) -> Result<Vec<Vec<InListing>>, AnswerError> {
    let file = |artifact| strong(artifact).into_iter().find(|digest| digest.kind == StrongKind::Sha256);
    let files: Vec<String> =
        artifacts.iter().map(|artifact| file(artifact).map_or_else(String::new, |digest| digest.hex())).collect();
    let asked: Vec<&str> = files.iter().map(String::as_str).filter(|file| !file.is_empty()).collect();
    if asked.is_empty() {
        return Ok(vec![Vec::new(); artifacts.len()]);
    }
    let mut found = containing_any(reader, &asked)?.0.into_iter();
    Ok(files.iter().map(|file| if file.is_empty() { None } else { found.next() }.unwrap_or_default()).collect())
}

/// What rests on flagged artifacts.
#[derive(Debug, Default)]
pub(super) struct Tainted {
    walks: Vec<walk::Walked>,
    /// Whether a limit was reached: more may rest on them.
    pub(super) is_cut: bool,
}

impl Tainted {
    /// Walks downstream from everything that is flagged, over at most so many nodes.
    pub(super) fn find(reader: &mut Reader<'_>, max_nodes: usize) -> Result<Self, AnswerError> {
        let flags = reader.flags()?;
        let mut tainted = Self { walks: Vec::new(), is_cut: flags.is_cut };
        let listings = listed(reader, &flags.strong)?;
        let mut left = max_nodes;
        for (artifact, listings) in flags.strong.iter().zip(&listings) {
            let target = Target::Artifact(Box::new(artifact.clone()));
            let walked = walk::walk_listed(reader, &target, listings, Limits::brief(left))?;
            left = left.saturating_sub(walked.nodes.len());
            tainted.is_cut |= walked.truncated || left == 0;
            tainted.walks.push(walked);
            if left == 0 {
                break;
            }
        }
        Ok(tainted)
    }

    /// What is flagged of what an artifact is or was made from.
    pub(super) fn of(&self, reader: &mut Reader<'_>, artifact: &Artifact) -> Result<Vec<Flagged>, AnswerError> {
        let identity = reader.identity(artifact)?;
        let Some(identity) = identity else {
            let node = artifact_node(reader, artifact, None, NodeKind::Artifact)?;
            let what = print::label(&node);
            let (way, entries) = (vec![what.clone()], Vec::new());
            let flagged = Flagged { way, entries, what, digests: node.digests, flags: node.flags };
            return Ok(Some(flagged).filter(|flagged| !flagged.flags.is_empty()).into_iter().collect());
        };
        let found = self.walks.iter().filter_map(|walked| {
            let steps = way(&walked.edges, walked.place_of(&identity)?);
            let root = walked.nodes.first()?;
            let pairs = steps.iter().zip(steps.iter().skip(1));
            let edges =
                pairs.filter_map(|(from, to)| walked.edges.iter().find(|edge| edge.from == *from && edge.to == *to));
            Some(Flagged {
                what: print::label(root),
                digests: root.digests.clone(),
                entries: edges.filter_map(|edge| edge.event).collect(),
                way: steps.iter().filter_map(|at| walked.nodes.get(*at)).map(print::label).collect(),
                flags: root.flags.clone(),
            })
        });
        Ok(found.collect())
    }
}
