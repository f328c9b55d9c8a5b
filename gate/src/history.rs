//! What the gate asks of a history: a record as it was at one size, looked at from one moment.
//!
//! Promises to name everything that a verdict can depend on: two histories that answer these questions alike give the same
//! verdict. Never says where events are kept: the ledger answers from its index, the verifier from one pass over the record.

use std::{collections::BTreeSet, rc::Rc, sync::Arc};

use lineal_schemas::{
    digest::EventDigest,
    strong::StrongDigest,
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        artifact::Artifact,
        deployment::ServedSet,
        gate::GateVerdict,
        lineage::{Mention, Relation},
        policy::PolicyText,
    },
};

use crate::policy::{Policy, PolicyError};

/// A committed event, as corrections leave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Its entry.
    pub index: u64,
    /// Its digest.
    pub event: EventDigest,
    /// When the ledger took it.
    pub received: Timestamp,
    /// When it happened, as the producer says.
    pub time: Timestamp,
    /// The source that said it.
    pub source: String,
    /// Its number there.
    pub sequence: u64,
    /// What it is about.
    pub subject: String,
    /// Who signed it, by the names under which the keys are enrolled.
    pub producers: BTreeSet<String>,
    /// Whether the ledger itself said it.
    pub is_ledgers: bool,
    /// What it says; where a correction counts, what that says.
    pub payload: Payload,
    /// The correction that counts.
    pub corrected_by: Option<EventDigest>,
    /// Who signed that correction.
    pub correctors: BTreeSet<String>,
    /// Whether that correction makes a measurement one of another model: then this is what was said first.
    pub is_moved: bool,
    /// A later correction under a key that somebody else may have had: it is not taken, and nobody knows whether it is true.
    pub disputed_by: Option<EventDigest>,
    /// Whether it, or something that corrects it, came under a key at a time at which somebody else may have had it.
    pub is_suspect: bool,
}

impl Evidence {
    /// When it happened: as the producer says, but never after the ledger took it.
    pub fn when(&self) -> Timestamp {
        self.time.min(self.received)
    }

    /// Whether anybody said since that it is otherwise.
    pub const fn is_corrected(&self) -> bool {
        self.corrected_by.is_some() || self.disputed_by.is_some()
    }

    /// The order of what was said last: by time, and of the same time by source and number.
    pub fn order(&self) -> (Timestamp, &str, u64) {
        (self.when(), &self.source, self.sequence)
    }

    /// What it allowed, as a decision of the ledger itself that had happened by then and that nobody corrected.
    pub fn allowed(&self, now: Timestamp) -> Option<&[ServedSet]> {
        let Payload::GateDecided(decided) = &self.payload else { return None };
        let counts = self.is_ledgers && !self.is_corrected() && self.when() <= now;
        (counts && decided.verdict == GateVerdict::Allow).then_some(decided.serving_set.as_slice())
    }
}

/// Whether the gate takes corrections of such an event from those who said it alone.
///
/// Else whoever may say such events could correct away what speaks against their own model.
pub const fn is_corrected_by_its_own_alone(payload: &Payload) -> bool {
    matches!(
        payload,
        Payload::ArtifactFlagged(_)
            | Payload::ArtifactCleared(_)
            | Payload::ApprovalGranted(_)
            | Payload::ApprovalRefused(_)
            | Payload::EvaluationStarted(_)
            | Payload::EvaluationCompleted(_)
            | Payload::EvaluationRetracted(_)
    )
}

/// A correction that counts for an event: those who signed it could all have said the event themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction<C> {
    /// Which.
    pub by: C,
    /// What it puts in the event's place.
    pub replacement: Payload,
    /// Whether somebody else may have had a key of it when the ledger took it.
    pub is_suspect: bool,
}

/// An event as its corrections leave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Corrected<C> {
    /// What it says.
    pub payload: Payload,
    /// The correction that is taken.
    pub by: Option<C>,
    /// Whether that one makes a measurement one of another model, so that the payload is what was said first.
    pub is_moved: bool,
    /// The newest correction that came after the one that is taken, and is in dispute.
    pub disputed_by: Option<C>,
}

/// What becomes of an event by its corrections, of which the newest comes first.
///
/// The newest is taken. One under a key that somebody else may have had is not: a thief would make evidence better than it was.
/// But it may be an honest one that makes it worse, so the event is in dispute, and no yes rests on what it says, until a newer
/// correction settles it.
pub fn corrected<C>(said: &Payload, newest_first: impl Iterator<Item = Correction<C>>) -> Corrected<C> {
    let mut disputed_by = None;
    for Correction { by, replacement, is_suspect } in newest_first {
        if is_suspect {
            disputed_by = disputed_by.or(Some(by));
            continue;
        }
        let is_moved = moves(said, &replacement);
        let payload = if is_moved { said.clone() } else { replacement };
        return Corrected { payload, by: Some(by), is_moved, disputed_by };
    }
    Corrected { payload: said.clone(), by: None, is_moved: false, disputed_by }
}

/// Whether a correction takes a measurement away from the model that it was of.
///
/// Then the gate leaves what was said first where it was, as an attempt without evidence.
fn moves(said: &Payload, replacement: &Payload) -> bool {
    let Some(model) = measured(said) else { return false };
    let left: BTreeSet<StrongDigest> = measured(replacement).into_iter().flat_map(StrongDigest::all_of).collect();
    StrongDigest::all_of(model).any(|digest| !left.contains(&digest))
}

fn measured(payload: &Payload) -> Option<&Artifact> {
    match payload {
        Payload::EvaluationStarted(started) => Some(&started.model),
        Payload::EvaluationCompleted(completed) => Some(&completed.model),
        Payload::EvaluationRetracted(retracted) => Some(&retracted.model),
        _ => None,
    }
}

/// One artifact: every strong digest that events join, and what they say of it.
///
/// Joined are several digests of one artifact in one event, and both sides of an `artifact.equated`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Identity {
    /// Its digests.
    pub digests: BTreeSet<StrongDigest>,
    /// The events that describe it rather than use it, in the order of [`Evidence::order`], whenever they happened.
    pub said: Vec<Rc<Evidence>>,
}

impl Identity {
    /// Whether an artifact is this one.
    pub fn is(&self, artifact: &Artifact) -> bool {
        StrongDigest::all_of(artifact).any(|digest| self.digests.contains(&digest))
    }

    /// What an event says of this artifact: its mentions of it.
    pub fn mentions<'t>(&self, told: &'t Evidence) -> impl Iterator<Item = Mention<'t>> {
        told.payload.artifacts().into_iter().filter(|mention| self.is(mention.artifact))
    }

    /// Whether an event has this artifact in that relation.
    pub fn has(&self, told: &Evidence, relation: Relation) -> bool {
        self.mentions(told).any(|mention| mention.relation == relation)
    }
}

/// What was seen of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// How sure it is at the moment.
    pub standing: Standing,
    /// What was seen: the serving set.
    pub sets: Vec<ServedSet>,
    /// The observation.
    pub event: EventDigest,
    /// Whether it was corrected under a key that somebody else may have had: then it is not known what was seen.
    pub is_disputed: bool,
}

/// What a state says at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// All of it was seen, and the next look is not overdue.
    Runs,
    /// Only a part was ever seen.
    Partly,
    /// The next look is overdue.
    Unknown,
    /// It ended, or nothing was seen there.
    Ended,
}

/// A record at one size, looked at from one moment.
pub trait History {
    /// Why a question could not be answered; then there is no verdict.
    type Error;

    /// The digest of the ledger's genesis.
    fn ledger(&self) -> EventDigest;

    /// How many entries there are.
    fn size(&self) -> u64;

    /// The moment: what happened after it has not happened.
    fn moment(&self) -> Timestamp;

    /// What an artifact's strong digests join; nothing where it has none.
    fn identity(&mut self, artifact: &Artifact) -> Result<Option<Rc<Identity>>, Self::Error>;

    /// The last event about this subject of this type that is wanted, by entry. The subject is no service.
    fn last_about(
        &mut self,
        subject: &str,
        kind: &str,
        wanted: IsWanted<'_>,
    ) -> Result<Option<Rc<Evidence>>, Self::Error>;

    /// What a policy's text says: always what [`Policy::parse`] makes of it, which a history may keep.
    fn policy(&mut self, text: &PolicyText) -> Arc<Result<Policy, PolicyError>> {
        Arc::new(Policy::parse(text))
    }

    /// The last decision that [`Evidence::allowed`] something at this service and whose serving set is wanted, by entry; of the
    /// last [`MAX_LAST`] in which the ledger allowed something there, however often it denied something since.
    ///
    /// `wanted` is given a serving set and the entry that it is decided in. What it refuses in one entry, it refuses in
    /// every earlier one.
    fn last_allowed(&mut self, service: &str, wanted: IsAllowed<'_>) -> Result<Option<Rc<Evidence>>, Self::Error>;

    /// Subjects that begin with `prefix`, sorted; of more than [`MAX_POLICIES`], the first so many and one more.
    fn subjects(&mut self, prefix: &str) -> Result<Vec<String>, Self::Error>;

    /// What was last seen of a service at the moment; where `wanted` is given, the last complete state in
    /// which something ran and that it takes.
    fn state(&mut self, service: &str, wanted: Wanted<'_>) -> Result<Option<State>, Self::Error>;
}

/// How many decisions [`History::last_allowed`] looks at: there may be any number of them about a service.
pub const MAX_LAST: usize = 1000;

/// How many policies of one owner are looked at to find the one that speaks for a service; of more, none is.
pub const MAX_POLICIES: usize = 10_000;

/// How many moments at which an environment was looked at are gone through for an end after one sighting.
pub const MAX_INVENTORIES: usize = 10_000;

/// Which event is wanted.
pub type IsWanted<'w> = &'w mut dyn FnMut(&Evidence) -> bool;

/// Which decided serving set is wanted, by the entry of the decision.
pub type IsAllowed<'w> = &'w mut dyn FnMut(&[ServedSet], u64) -> bool;

/// Which state of a service is wanted, by its serving set; the last one, where nothing is said.
pub type Wanted<'w> = Option<&'w mut dyn FnMut(&[ServedSet]) -> bool>;

/// Events by digest, each once.
#[derive(Debug, Clone, Default)]
pub struct Used(BTreeSet<EventDigest>);

impl Used {
    /// Takes an event into account, with the correction that counts and the one that is in dispute.
    pub fn put(&mut self, told: &Evidence) {
        self.put_digest(told.event);
        [told.corrected_by, told.disputed_by].into_iter().flatten().for_each(|correction| self.put_digest(correction));
    }

    /// Takes an event into account by its digest.
    pub fn put_digest(&mut self, event: EventDigest) {
        self.0.insert(event);
    }

    /// All of them, sorted.
    pub fn all(&self) -> Vec<EventDigest> {
        self.0.iter().copied().collect()
    }
}
