//! Rules about what live models were made from and measured on: flags, leaks, transforms, gaps in the ancestry.
//!
//! Each model is traced once, whatever serves it. Promises that an ancestry which could not be followed to its end is
//! said: what is not seen is not clean.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lineal_schemas::vocabulary::{
    Payload,
    artifact::{Artifact, Influence, Input},
    deployment::{ComponentRole, ServedSet},
    flag::FlagSeverity,
    lineage::{Place, Relation},
};

use super::{
    Rule, Severity,
    deployed::{Live, named},
    draft::{Draft, Gathered, MAX_EVIDENCE},
};
use crate::answers::{
    AnswerError, NamedDigest,
    flags::Tainted,
    graph::{Identity, Reader, Told, strong},
    print::{self, flag_line, list},
    resolve::{Target, artifact_of},
    running::all_digests,
    trace::{self, Edge, EdgeKind, NodeKind, Trace, Verdict, described::Described, walk::spelling},
};

mod measured;

/// The most nodes of one model's ancestry that are looked at.
const MAX_NODES: usize = 10_000;

/// Live models that were looked at, by how they are spelled.
#[derive(Debug, Default)]
pub(super) struct Made {
    models: BTreeMap<String, Rc<Model>>,
}

/// What is known of a live model.
#[derive(Debug)]
struct Model {
    /// What is wrong with it, wherever it serves.
    drafts: Vec<Draft>,
    /// What its training ran behind.
    transforms: Vec<Transform>,
    /// What could not be looked at.
    undecided: Option<String>,
}

/// A transform, and the event that says that it was used.
#[derive(Debug, Clone)]
struct Transform {
    label: String,
    digests: Vec<NamedDigest>,
    name: Option<String>,
    kind: Option<String>,
    told: Option<Rc<Told>>,
}

/// Every rule about what a service's components were made from.
pub(super) fn rules(
    reader: &mut Reader<'_>,
    live: &Live,
    tainted: &Tainted,
    made: &mut Made,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    for component in live.components() {
        flagged(reader, live, &component.artifact, tainted, gathered)?;
    }
    for set in live.newest.sets() {
        for component in &set.components {
            if !matches!(component.role, ComponentRole::Model | ComponentRole::Adapter) {
                continue;
            }
            let model = made.model(reader, &component.artifact)?;
            for draft in model.drafts.clone() {
                let evidence = draft.evidence.into_iter().chain([live.observed()]).collect();
                gathered.add(reader, Draft { service: Some(live.service.clone()), evidence, ..draft });
            }
            if let Some(what) = &model.undecided {
                gathered.undecided(what.clone());
            }
            transforms(reader, live, set, (&component.artifact, &model), gathered)?;
        }
    }
    Ok(())
}

fn flagged(
    reader: &mut Reader<'_>,
    live: &Live,
    artifact: &Artifact,
    tainted: &Tainted,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    for flagged in tainted.of(reader, artifact)? {
        let is_error = flagged.flags.iter().any(|flag| flag.severity == FlagSeverity::Error);
        let flags: Vec<String> = flagged.flags.iter().map(flag_line).collect();
        let (service, way) = (&live.service, flagged.way.join(" <- "));
        let line = format!("{service} is live on {way}: {}", flags.join("; "));
        let mut draft = Draft::of(Rule::LiveOnFlaggedData, service, line);
        draft.severity = (!is_error).then_some(Severity::Medium);
        draft.about.extend(flagged.digests.first().map(|digest| format!("{}:{}", digest.algorithm, digest.value)));
        for flag in &flagged.flags {
            draft.evidence.extend(reader.told(flag.event.index)?.map(|told| ("flagged", told)));
        }
        for index in flagged.entries.iter().rev().take(MAX_EVIDENCE) {
            let told = reader.told(*index)?;
            draft.evidence.extend(told.filter(|told| !draft.has(told)).map(|told| ("leads to it", told)));
        }
        draft.evidence.push(live.observed());
        draft.artifact = Some((flagged.what, flagged.digests));
        gathered.add(reader, draft);
    }
    Ok(())
}

impl Made {
    fn model(&mut self, reader: &mut Reader<'_>, artifact: &Artifact) -> Result<Rc<Model>, AnswerError> {
        let key = spelling(artifact);
        if let Some(known) = self.models.get(&key) {
            return Ok(known.clone());
        }
        let model = Rc::new(Model::read(reader, artifact)?);
        self.models.insert(key, model.clone());
        Ok(model)
    }
}

impl Model {
    fn read(reader: &mut Reader<'_>, artifact: &Artifact) -> Result<Self, AnswerError> {
        let label = named(reader, artifact)?;
        let target = Target::Artifact(Box::new(artifact.clone()));
        let trace = trace::of_target(reader, &label, &target, Vec::new(), MAX_NODES)?;
        let draft = |rule, line| Draft {
            rule,
            severity: None,
            about: vec![spelling(artifact)],
            line,
            service: None,
            artifact: Some((label.clone(), all_digests(artifact))),
            evidence: Vec::new(),
        };
        let mut drafts = Vec::new();
        if trace.verdict == Verdict::Broken && !trace.truncated {
            let mut broken = draft(Rule::LineageBroken, format!("{label}: {}", list(&trace.missing)));
            for index in trace.nodes.first().into_iter().flat_map(|node| &node.events).map(|event| event.index) {
                let told = reader.told(index)?.filter(|told| !told.kind.starts_with("artifact."));
                broken.evidence.extend(told.map(|told| ("described", told)));
            }
            drafts.push(broken);
        }
        drafts.extend(suspects(reader, &trace, &label, &draft)?);
        if let Some(identity) = reader.identity(artifact)? {
            drafts.extend(measured::leaks(reader, &identity, &trace, &label, &draft)?);
            drafts.extend(measured::repeats(reader, &identity, &label, &draft));
        }
        let transforms = trained_behind(reader, &trace)?;
        let cut = || format!("{label}: more than {MAX_NODES} artifacts and runs are upstream of it");
        Ok(Self { drafts, transforms, undecided: trace.truncated.then(cut) })
    }
}

/// Keys that may have been somebody else's when they signed what the ancestry rests on.
fn suspects(
    reader: &mut Reader<'_>,
    trace: &Trace,
    label: &str,
    draft: &dyn Fn(Rule, String) -> Draft,
) -> Result<Vec<Draft>, AnswerError> {
    let mut keys: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for event in trace.nodes.iter().flat_map(|node| &node.events) {
        for signer in event.signers.iter().filter(|signer| signer.suspect) {
            keys.entry(signer.keyid.to_string()).or_default().insert(event.index);
        }
    }
    let mut drafts = Vec::new();
    for (keyid, events) in keys {
        let line =
            format!("{label}: its ancestry rests on what key {keyid} said when it may have been somebody else's");
        let mut found = draft(Rule::SuspectKey, line);
        found.about.push(keyid);
        for index in events.into_iter().take(MAX_EVIDENCE) {
            found.evidence.extend(reader.told(index)?.map(|told| ("signed", told)));
        }
        drafts.push(found);
    }
    Ok(drafts)
}

/// The transforms of the runs that made a model, and of the data in its ancestry.
fn trained_behind(reader: &mut Reader<'_>, trace: &Trace) -> Result<Vec<Transform>, AnswerError> {
    let runs: BTreeSet<usize> = trace
        .edges
        .iter()
        .filter(|edge| edge.from == 0 && edge.relation == EdgeKind::Run)
        .map(|edge| edge.to)
        .collect();
    let is_role = |edge: &Edge| matches!(edge.role.as_deref(), Some("preprocessor" | "tokenizer" | "prompt"));
    let was_used = |edge: &&Edge| edge.relation == EdgeKind::Transform || (runs.contains(&edge.from) && is_role(edge));
    let mut found = Vec::new();
    for edge in trace.edges.iter().filter(was_used) {
        let Some(node) = trace.nodes.get(edge.to) else { continue };
        let Some(artifact) = node.digests.iter().find_map(artifact_of).filter(|one| !strong(one).is_empty()) else {
            continue;
        };
        let mut transform = Transform::of(reader, &artifact)?;
        transform.label = print::label(node);
        transform.told = edge.event.map(|index| reader.told(index)).transpose()?.flatten();
        found.push(transform);
    }
    Ok(found)
}

impl Transform {
    fn of(reader: &mut Reader<'_>, artifact: &Artifact) -> Result<Self, AnswerError> {
        let identity = reader.identity(artifact)?;
        let described = identity.as_ref().map(|identity| Described::of(identity, reader.moment()));
        let described = described.filter(|described| described.kind == Some(NodeKind::Transform));
        let published = identity.iter().flat_map(|identity| identity.said.iter().rev());
        let kind = published.clone().find_map(|told| match &told.payload {
            Payload::TransformPublished(published) => Some(published.kind.to_string()),
            _ => None,
        });
        let digests =
            identity.as_ref().map(|identity| identity.digests.iter().copied().map(NamedDigest::from).collect());
        Ok(Self {
            label: named(reader, artifact)?,
            digests: digests.unwrap_or_default(),
            name: described.and_then(|described| described.name),
            kind,
            told: None,
        })
    }

    fn is(&self, other: &Self) -> bool {
        self.digests.iter().any(|digest| other.digests.contains(digest))
    }

    /// Whether the two do the same job: one has the other's name, or both are of one kind.
    fn is_like(&self, other: &Self) -> bool {
        let same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        same(&self.name, &other.name) || same(&self.kind, &other.kind)
    }
}

/// What serves beside a model, against what its training ran behind. Where both have one alone, these are compared
/// whatever they are called.
fn transforms(
    reader: &mut Reader<'_>,
    live: &Live,
    set: &ServedSet,
    (artifact, model): (&Artifact, &Model),
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    let mut serving = Vec::new();
    for component in set.components.iter().filter(|component| component.role == ComponentRole::Transform) {
        if !strong(&component.artifact).is_empty() {
            serving.push((Transform::of(reader, &component.artifact)?, spelling(&component.artifact)));
        }
    }
    let alone = serving.len() == 1 && model.transforms.len() == 1;
    for (own, spelled) in &serving {
        if model.transforms.iter().any(|trained| trained.is(own)) {
            continue;
        }
        let Some(trained) = model.transforms.iter().find(|trained| alone || trained.is_like(own)) else { continue };
        let (service, label) = (&live.service, named(reader, artifact)?);
        let line = format!("{service}: {label} serves behind {}, and was trained behind {}", own.label, trained.label);
        let mut draft = Draft::of(Rule::TransformDiffers, service, line);
        draft.about.extend([spelled.clone(), spelling(artifact)]);
        draft.artifact = Some((own.label.clone(), own.digests.clone()));
        draft.evidence = trained.told.iter().map(|told| ("trained", told.clone())).chain([live.observed()]).collect();
        gathered.add(reader, draft);
    }
    Ok(())
}
