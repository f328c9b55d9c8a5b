//! What a model was made from: the walk upstream to snapshots, what is missing on it, and what is flagged.
//!
//! Promises to follow what had an influence on what was learnt or is answered, as `lineal trace` does, and to name every end
//! that is none. Never follows code, environments or what only measured. (docs/DESIGN.md)

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use lineal_schemas::{
    strong::StrongDigest,
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        artifact::{Artifact, Influence, Input, InputRole},
        flag::{ArtifactFlagged, FlagSeverity},
        lineage::{Place, Relation},
    },
};

use super::{Case, Model, label, result};
use crate::{
    history::{Evidence, History, Identity},
    policy::{DigestRule, Lineage, OnBoundary, Severity},
    verdict::{Outcome, RuleResult},
};

/// The most artifacts of one walk: beyond them the lineage is unknown.
const MAX_NODES: usize = 20_000;

/// What there is to say of a walk that was cut off.
const CUT: &str = "its ancestry is more than 20000 artifacts, and was not walked to its end";

/// What there is to say of what nobody knows to be true.
pub(super) const DISPUTED: &str = "was corrected under a key that somebody else may have had";

/// Everything that an artifact was made from.
#[derive(Debug, Default)]
pub(super) struct Ancestry {
    /// All digests on the way, its own included.
    pub(super) digests: BTreeSet<StrongDigest>,
    /// Digests that it was made from as a part of a whole; the whole itself was not used.
    wholes: BTreeSet<StrongDigest>,
    /// The snapshots that it ends in.
    snapshots: usize,
    /// Ends that are none, in words.
    unknown: Vec<String>,
    /// Whether there is more of it than was walked: then nothing can be said of what is missing.
    is_cut: bool,
    /// What on the way is in dispute: then there may be more of it than is known.
    disputed: Option<String>,
    /// Where it was made elsewhere, in words.
    boundaries: Vec<String>,
    /// Whether a run says what made the artifact itself.
    pub(super) is_made: bool,
    /// Whoever signed the runs that made it or a model that it was made from, or corrected them.
    pub(super) trainers: BTreeSet<String>,
    /// The events on the way.
    evidence: Vec<Rc<Evidence>>,
    /// What was cleared on the way under a key that somebody else may have had, by whom.
    pub(super) suspect: BTreeSet<String>,
    /// Flags that stand on something on the way.
    flags: Vec<(String, Rc<Evidence>)>,
}

/// What something upstream is, and so what must be known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Model,
    /// A tokenizer, a prompt, an index: its digest is enough.
    Other,
    /// The whole that a part belongs to.
    Whole,
    /// A part of a whole that was used.
    Part,
}

const fn kind_of(role: InputRole) -> Kind {
    match role {
        InputRole::BaseModel | InputRole::SourceModel | InputRole::Adapter | InputRole::Teacher | InputRole::Model => {
            Kind::Model
        }
        InputRole::Tokenizer | InputRole::Preprocessor | InputRole::Index | InputRole::Prompt => Kind::Other,
        _ => Kind::Data,
    }
}

impl Ancestry {
    /// Walks upstream from a model.
    pub(super) fn walk<H: History>(history: &mut H, artifact: &Artifact) -> Result<Self, H::Error> {
        let mut found = Self::default();
        let mut open = VecDeque::from([(artifact.clone(), Kind::Model)]);
        let mut nodes = 0;
        while let Some((artifact, kind)) = open.pop_front() {
            if StrongDigest::all_of(&artifact).any(|digest| found.digests.contains(&digest)) {
                if kind != Kind::Whole {
                    // Known as the whole of a part, and used whole as well.
                    let identity = history.identity(&artifact)?;
                    open.extend(found.unpart(identity.as_deref(), history.moment()));
                }
                continue;
            }
            nodes += 1;
            if nodes > MAX_NODES {
                found.is_cut = true;
                found.unknown.push(format!("more than {MAX_NODES} artifacts"));
                break;
            }
            let Some(identity) = history.identity(&artifact)? else {
                found.unknown.push(format!("{} has no digest of its full content", label(&artifact)));
                continue;
            };
            let is_first = nodes == 1;
            found.digests.extend(identity.digests.iter().copied());
            if kind == Kind::Whole {
                found.wholes.extend(identity.digests.iter().copied());
            }
            let next = found.node(&identity, &label(&artifact), kind, (history.moment(), is_first));
            open.extend(next);
        }
        Ok(found)
    }

    /// A whole that was used whole after all: its parts were used, too.
    fn unpart(&mut self, identity: Option<&Identity>, now: Timestamp) -> Vec<(Artifact, Kind)> {
        let Some(identity) = identity else { return Vec::new() };
        let before = self.wholes.len();
        self.wholes.retain(|digest| !identity.digests.contains(digest));
        if self.wholes.len() == before { Vec::new() } else { parts(identity, now) }
    }

    /// Takes one artifact, and gives what it was made from.
    fn node(
        &mut self,
        identity: &Identity,
        name: &str,
        kind: Kind,
        (now, is_first): (Timestamp, bool),
    ) -> Vec<(Artifact, Kind)> {
        let (mut next, mut is_known) = (Vec::new(), matches!(kind, Kind::Other | Kind::Whole | Kind::Part));
        if kind == Kind::Data {
            next.extend(parts(identity, now));
        }
        for told in identity.said.iter().filter(|told| told.when() <= now) {
            let is_subject = identity.has(told, Relation::Subject);
            if told.disputed_by.is_some() && is_origin(&told.payload) {
                self.disputed.get_or_insert_with(|| format!("{name}: {} {DISPUTED}", told.payload.name()));
                self.evidence.push(told.clone());
            }
            match &told.payload {
                Payload::RunCompleted(run) if identity.has(told, Relation::Output) => {
                    is_known = true;
                    self.evidence.push(told.clone());
                    self.is_made |= is_first;
                    if kind == Kind::Model {
                        self.trainers.extend(told.producers.union(&told.correctors).cloned());
                    }
                    match &run.inputs {
                        Some(inputs) => next.extend(inputs.iter().filter(|input| is_ancestry(input)).map(of_input)),
                        None => self.unknown.push(format!("run {} of {name} names no inputs", run.run_id)),
                    }
                }
                Payload::DatasetSnapshotted(snapshot) if is_subject => {
                    is_known |= kind == Kind::Data;
                    self.snapshots += usize::from(kind == Kind::Data);
                    self.evidence.push(told.clone());
                    next.extend(snapshot.derived_from.iter().flatten().map(|from| (from.clone(), Kind::Data)));
                    let whole = snapshot.subset.iter().filter_map(|subset| subset.of.clone());
                    next.extend(whole.map(|whole| (whole, Kind::Whole)));
                }
                Payload::DatasetSnapshotted(snapshot) if identity.has(told, Relation::Other(Place::Split)) => {
                    is_known |= kind == Kind::Data;
                    self.snapshots += usize::from(kind == Kind::Data);
                    self.evidence.push(told.clone());
                    next.push((snapshot.dataset.clone(), Kind::Whole));
                }
                Payload::ModelRegistered(registered) if is_subject => {
                    next.extend(registered.base_model.iter().map(|base| (base.clone(), Kind::Model)));
                    if registered.external == Some(true) {
                        is_known = true;
                        self.evidence.push(told.clone());
                        self.boundaries.push(format!("{} was made elsewhere", registered.name));
                    }
                }
                Payload::ArtifactCleared(_) if told.is_suspect => self.suspect.extend(told.producers.iter().cloned()),
                _ => {}
            }
        }
        self.flags.extend(standing(identity, now).into_iter().map(|told| (name.to_owned(), told)));
        if !is_known {
            let what = if kind == Kind::Data { "no snapshot says what it is" } else { "no run says what made it" };
            self.unknown.push(format!("{name}: {what}"));
        }
        next
    }

    /// Why there may be more that it was made from than is known of, if there may.
    pub(super) fn hidden(&self) -> Option<&str> {
        if self.is_cut { Some(CUT) } else { self.disputed.as_deref() }
    }

    /// Whether data are something that it was made from; a whole of which only another part was used is not.
    pub(super) fn has(&self, identity: &Identity) -> bool {
        identity.digests.iter().any(|digest| self.digests.contains(digest) && !self.wholes.contains(digest))
    }

    /// Whether data are something that it was made from, or the whole of which a part was used.
    pub(super) fn has_any_of(&self, identity: &Identity) -> bool {
        identity.digests.iter().any(|digest| self.digests.contains(digest))
    }
}

/// The parts that snapshots name of a whole.
fn parts(identity: &Identity, now: Timestamp) -> Vec<(Artifact, Kind)> {
    let mut parts = Vec::new();
    for told in identity.said.iter().filter(|told| told.when() <= now) {
        let Payload::DatasetSnapshotted(snapshot) = &told.payload else { continue };
        if identity.has(told, Relation::Subject) {
            let splits = snapshot.splits.iter().flatten().filter_map(|split| split.artifact.clone());
            parts.extend(splits.map(|part| (part, Kind::Part)));
        }
    }
    parts
}

/// Whether an event says what something was made from.
const fn is_origin(payload: &Payload) -> bool {
    matches!(payload, Payload::RunCompleted(_) | Payload::DatasetSnapshotted(_) | Payload::ModelRegistered(_))
}

fn is_ancestry(input: &Input) -> bool {
    let beside = matches!(input.role, InputRole::Code | InputRole::Environment);
    !beside && input.influence() != Influence::Measurement
}

fn of_input(input: &Input) -> (Artifact, Kind) {
    (input.artifact.clone(), kind_of(input.role))
}

/// The flags that stand on an artifact: from when they were said until they are cleared.
///
/// Nobody clears what the ledger did not have yet: a flag that it took after the clear stands.
pub(super) fn standing(identity: &Identity, now: Timestamp) -> Vec<Rc<Evidence>> {
    let (mut standing, mut taken_back) = (Vec::<Rc<Evidence>>::new(), BTreeMap::new());
    for told in identity.said.iter().filter(|told| told.when() <= now) {
        match &told.payload {
            // Somebody else may have had the key.
            Payload::ArtifactCleared(_) if told.is_suspect => {}
            Payload::ArtifactFlagged(_) => standing.push(told.clone()),
            Payload::ArtifactCleared(cleared) => match cleared.flag {
                Some(flag) => {
                    let last: &mut u64 = taken_back.entry(flag).or_default();
                    *last = told.index.max(*last);
                }
                None => standing.retain(|flagged| flagged.index > told.index),
            },
            _ => {}
        }
    }
    standing.retain(|told| taken_back.get(&told.event).is_none_or(|last| told.index > *last));
    standing
}

/// `identity`: every part has a digest of its full content.
pub(super) fn identity_rule(case: &Case, notes: &mut Vec<String>) -> RuleResult {
    let all = || case.models.iter().chain(&case.others);
    let weak: Vec<&str> = all().filter(|part| part.identity.is_none()).map(|part| part.label.as_str()).collect();
    let want = "a digest of the full content of every part".to_owned();
    let doubled = |model: &Model| {
        let kinds = model.doubled(case.now);
        (!kinds.is_empty()).then(|| format!("{} has two values of {}", model.label, kinds.join(", ")))
    };
    let doubled: Vec<String> = case.models.iter().filter_map(doubled).collect();
    if !doubled.is_empty() {
        let got = format!("{}, and nobody but its makers says that they are the same", doubled.join("; "));
        return result("identity", None, Outcome::NoEvidence, want, got);
    }
    if weak.is_empty() {
        let parts: Vec<&str> = all().map(|part| part.label.as_str()).collect();
        return result("identity", None, Outcome::Pass, want, parts.join(", "));
    }
    let got = format!("identity weak: {} has none", weak.join(", "));
    let accepts = case.applied.policy.table.identity.as_ref().is_some_and(|asked| asked.digest == DigestRule::WeakOk);
    if accepts {
        notes.push(got.clone());
        return result("identity", None, Outcome::Pass, want, format!("{got}, which the policy accepts"));
    }
    result("identity", None, Outcome::Fail, want, got)
}

/// `flags`: nothing that it is or was made from is flagged, and no data that it was measured on.
pub(super) fn flags_rule(case: &Case) -> RuleResult {
    let asked = case.applied.policy.table.lineage.as_ref().and_then(|lineage| lineage.refuse.as_ref());
    let refuses_warnings = asked.is_some_and(|refuse| refuse.contains(&Severity::Warn));
    let stops = |flagged: &ArtifactFlagged| refuses_warnings || flagged.severity() == FlagSeverity::Error;
    let (mut found, mut evidence) = (Vec::new(), Vec::new());
    let parts = case.models.iter().chain(&case.others);
    let flags = parts.flat_map(|part| part.ancestry.flags.iter().chain(&part.attempts.flags));
    for (what, told) in flags {
        let Payload::ArtifactFlagged(flagged) = &told.payload else { continue };
        if stops(flagged) && !evidence.contains(&told.event) {
            evidence.push(told.event);
            found.push(format!("{what} is flagged {}: {}", flagged.category, flagged.justification));
        }
    }
    let hidden = case.models.iter().chain(&case.others).find_map(|part| part.ancestry.hidden());
    let (outcome, got) = match (found.is_empty(), hidden) {
        (false, _) => (Outcome::Fail, found.join("; ")),
        (true, Some(why)) => (Outcome::NoEvidence, why.to_owned()),
        (true, None) => (Outcome::Pass, "nothing flagged".to_owned()),
    };
    let want = if refuses_warnings { "nothing flagged, not even as a warning" } else { "nothing flagged as an error" };
    RuleResult { evidence, ..result("flags", None, outcome, want.to_owned(), got) }
}

/// `lineage`: the walk ends in snapshots.
pub(super) fn lineage_rule(model: &Model, asked: &Lineage) -> RuleResult {
    let ancestry = &model.ancestry;
    let want = format!("snapshots at every end, at most {} unknown", asked.unknown_inputs);
    let evidence = ancestry.evidence.iter().map(|told| told.event).collect();
    let answer = |outcome, got: String| RuleResult { evidence, ..result("lineage", None, outcome, want, got) };
    let elsewhere = !ancestry.boundaries.is_empty();
    if elsewhere && asked.boundary == OnBoundary::Refuse {
        return answer(Outcome::Fail, ancestry.boundaries.join("; "));
    }
    if let Some(why) = ancestry.hidden() {
        return answer(Outcome::NoEvidence, why.to_owned());
    }
    if ancestry.unknown.len() > usize::try_from(asked.unknown_inputs).unwrap_or(usize::MAX) {
        let more = ancestry.unknown.len().saturating_sub(SHOWN);
        let shown: Vec<&str> = ancestry.unknown.iter().take(SHOWN).map(String::as_str).collect();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        return answer(Outcome::NoEvidence, format!("{}{more}", shown.join("; ")));
    }
    if ancestry.snapshots == 0 && !elsewhere {
        return answer(Outcome::NoEvidence, "no snapshot was reached".to_owned());
    }
    let elsewhere = if elsewhere { format!(", and {}", ancestry.boundaries.join("; ")) } else { String::new() };
    let (count, plural) = (ancestry.snapshots, if ancestry.snapshots == 1 { "" } else { "s" });
    answer(Outcome::Pass, format!("{count} snapshot{plural}, {} unknown{elsewhere}", ancestry.unknown.len()))
}

/// The most unknown ends that a line shows.
const SHOWN: usize = 5;
