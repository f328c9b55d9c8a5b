//! A history in memory: one pass over a record, everything at hand.
//!
//! What the verifier judges from, and tests. Promises the answers of the ledger's index, made another way: events are looked
//! through, not looked up, so that one bug can't both give a verdict and approve it; and that a verdict looks at what it asks
//! for, however many corrections and observations there are beside that. Never keeps what it is not told.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    rc::Rc,
};

use lineal_schemas::{
    digest::{EventDigest, KeyId},
    entry::Entry,
    facts::Facts,
    registry::{LEDGER_SCHEME, Registry},
    strong::StrongDigest,
    timestamp::Timestamp,
    vocabulary::{Payload, artifact::Artifact, gate::GateVerdict, lineage::Relation, values::Time},
};

use crate::history::{Evidence, History, Identity, IsAllowed, IsWanted, MAX_LAST, MAX_POLICIES, State, Wanted};

mod seen;
mod told;

use seen::Sightings;

/// The events of a record, as they were admitted.
#[derive(Debug, Default)]
pub struct Memory {
    events: Vec<Kept>,
    by_digest: HashMap<EventDigest, usize>,
    by_subject: BTreeMap<String, HashMap<&'static str, Vec<usize>>>,
    /// Events that describe what has a digest or join it to another, or that some correction would have do so.
    by_artifact: HashMap<StrongDigest, Vec<usize>>,
    /// What corrects an event, the last said last.
    corrections: HashMap<EventDigest, Vec<usize>>,
    sightings: Sightings,
    /// The entries that revoke a key, and since when somebody else may have had it.
    revocations: HashMap<KeyId, Vec<(u64, Option<Timestamp>)>>,
}

/// An event that was admitted.
#[derive(Debug)]
struct Kept {
    index: u64,
    received: Timestamp,
    keys: Vec<KeyId>,
    facts: Facts,
}

impl Kept {
    fn order(&self) -> (Timestamp, &str, u64) {
        (self.facts.time.min(self.received), &self.facts.source, self.facts.sequence)
    }
}

impl Memory {
    /// Takes the next admitted event; one that its schema refuses says nothing.
    pub fn push(&mut self, index: u64, entry: &Entry, facts: Facts) {
        let keys = entry.signatures.iter().map(|signature| signature.keyid).collect();
        self.push_signed(index, entry.received, keys, facts);
    }

    /// As [`Self::push`], from what an entry says.
    pub fn push_signed(&mut self, index: u64, received: Timestamp, keys: Vec<KeyId>, facts: Facts) {
        let Ok(payload) = &facts.payload else { return };
        let at = self.events.len();
        let mut subjects = BTreeSet::from([facts.subject.clone()]);
        let mut corrected = None;
        match payload {
            Payload::InventoryObserved(inventory) => {
                subjects.extend(inventory.services().map(|(service, _sets)| service.to_string()));
                self.sightings.take_inventory(at, &facts.subject, inventory, facts.time);
            }
            Payload::RecordCorrected(correction) => corrected = Some(correction.corrects),
            Payload::KeyRevoked(revoked) => {
                let since = revoked.compromised_since.as_ref().and_then(Time::timestamp);
                self.revocations.entry(revoked.keyid).or_default().push((index, since));
            }
            _ => {}
        }
        for subject in subjects {
            self.by_subject.entry(subject).or_default().entry(payload.name()).or_default().push(at);
        }
        let digest = facts.digest;
        self.by_digest.insert(digest, at);
        self.events.push(Kept { index, received, keys, facts });
        self.find_by(at, None);
        match corrected {
            Some(corrected) => self.correct(corrected, at),
            // What corrects it may have come first.
            None => {
                for correction in self.corrections.get(&digest).cloned().unwrap_or_default() {
                    self.find_by(at, Some(correction));
                }
            }
        }
    }

    fn correct(&mut self, corrected: EventDigest, correction: usize) {
        let events = &self.events;
        let order = |at: &usize| events.get(*at).map(Kept::order);
        let known = self.corrections.entry(corrected).or_default();
        let place = known.partition_point(|other| order(other) <= order(&correction));
        known.insert(place, correction);
        if let Some(at) = self.by_digest.get(&corrected).copied() {
            self.find_by(at, Some(correction));
        }
    }

    /// Has an event found by what it says, or by what a correction would have it say. Whether the correction counts is asked
    /// when it is found.
    fn find_by(&mut self, at: usize, correction: Option<usize>) {
        let Some(kept) = self.events.get(at) else { return };
        let replacement = correction.and_then(|correction| match &self.events.get(correction)?.facts.payload {
            Ok(Payload::RecordCorrected(says)) => says.replacement(&kept.facts.kind).ok(),
            _ => None,
        });
        let said = if correction.is_some() { replacement.as_ref() } else { kept.facts.payload.as_ref().ok() };
        let Some(payload) = said else { return };
        let mut digests = BTreeSet::new();
        for mention in payload.artifacts() {
            let own: Vec<StrongDigest> = StrongDigest::all_of(mention.artifact).collect();
            if own.len() > 1 || describes(mention.relation) {
                digests.extend(own);
            }
        }
        for digest in digests {
            self.by_artifact.entry(digest).or_default().push(at);
        }
        self.sightings.take(at, &kept.facts.subject, payload, (kept.facts.time, kept.received));
    }

    /// The record at a size, looked at from a moment, with the keys that were enrolled by then.
    pub fn at<'m>(&'m self, registry: &'m Registry, size: u64, moment: Timestamp) -> AtSize<'m> {
        let (told, identities, looked_at) = (HashMap::new(), HashMap::new(), Cell::new(0));
        AtSize { memory: self, registry, size, moment, told, identities, looked_at }
    }
}

/// A record in memory at one size.
#[derive(Debug)]
pub struct AtSize<'m> {
    memory: &'m Memory,
    registry: &'m Registry,
    size: u64,
    moment: Timestamp,
    told: HashMap<usize, Rc<Evidence>>,
    identities: HashMap<StrongDigest, Rc<Identity>>,
    looked_at: Cell<u64>,
}

impl<'m> AtSize<'m> {
    /// How many events were looked at so far: what a verdict costs.
    pub fn looked_at(&self) -> u64 {
        self.looked_at.get()
    }

    fn kept(&self, at: usize) -> Option<&Kept> {
        self.looked_at.set(self.looked_at.get().saturating_add(1));
        self.memory.events.get(at).filter(|kept| kept.index < self.size)
    }

    /// Events that describe what has a digest or join it to another, as they are, or as corrections may leave them.
    fn mentioning(&mut self, digest: &StrongDigest) -> Vec<Rc<Evidence>> {
        let places: BTreeSet<usize> = self.memory.by_artifact.get(digest).into_iter().flatten().copied().collect();
        places.into_iter().filter_map(|at| self.told(at)).collect()
    }

    /// Everything that strong digests join.
    fn join(&mut self, own: BTreeSet<StrongDigest>) -> Identity {
        let mut identity = Identity { digests: own.clone(), said: Vec::new() };
        let (mut open, mut said) = (Vec::from_iter(own), BTreeMap::new());
        while let Some(digest) = open.pop() {
            for told in self.mentioning(&digest) {
                let has = |artifact: &Artifact| StrongDigest::all_of(artifact).any(|other| other == digest);
                let artifacts = told.payload.artifacts();
                let is_side =
                    artifacts.iter().any(|mention| mention.relation == Relation::Same && has(mention.artifact));
                let mut new = BTreeSet::new();
                for mention in &artifacts {
                    let is_it = has(mention.artifact);
                    if is_it || (is_side && mention.relation == Relation::Same) {
                        new.extend(StrongDigest::all_of(mention.artifact));
                    }
                    if is_it && describes(mention.relation) {
                        said.insert(told.index, told.clone());
                    }
                }
                open.extend(new.into_iter().filter(|digest| identity.digests.insert(*digest)));
            }
        }
        identity.said = said.into_values().collect();
        identity.said.sort_by(|one, other| one.order().cmp(&other.order()));
        identity
    }

    /// The events about a subject of one type, in the order of the record.
    fn of_type(&self, subject: &str, kind: &str) -> &'m [usize] {
        let of_types = self.memory.by_subject.get(subject);
        of_types.and_then(|types| types.get(kind)).map_or(&[], Vec::as_slice)
    }
}

/// Whether an event is a decision of a ledger that allows something, as it was said.
fn allows(kept: &Kept) -> bool {
    let Ok(Payload::GateDecided(decided)) = &kept.facts.payload else { return false };
    kept.facts.source.starts_with(LEDGER_SCHEME) && decided.verdict == GateVerdict::Allow
}

/// Whether an event that stands in this relation to an artifact describes it, rather than uses it.
const fn describes(relation: Relation) -> bool {
    use lineal_schemas::vocabulary::lineage::Place;
    matches!(
        relation,
        Relation::Subject | Relation::Output | Relation::Same | Relation::AliasTo | Relation::Other(Place::Split)
    )
}

impl History for AtSize<'_> {
    type Error = Infallible;

    fn ledger(&self) -> EventDigest {
        self.registry.genesis()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn moment(&self) -> Timestamp {
        self.moment
    }

    fn identity(&mut self, artifact: &Artifact) -> Result<Option<Rc<Identity>>, Infallible> {
        let own: BTreeSet<StrongDigest> = StrongDigest::all_of(artifact).collect();
        let Some(first) = own.first().copied() else { return Ok(None) };
        if let Some(known) = self.identities.get(&first) {
            return Ok(Some(known.clone()));
        }
        let identity = Rc::new(self.join(own));
        for digest in &identity.digests {
            self.identities.insert(*digest, identity.clone());
        }
        Ok(Some(identity))
    }

    fn last_about(
        &mut self,
        subject: &str,
        kind: &str,
        wanted: IsWanted<'_>,
    ) -> Result<Option<Rc<Evidence>>, Infallible> {
        let mut told = self.of_type(subject, kind).iter().rev().filter_map(|at| self.told(*at));
        Ok(told.find(|told| wanted(told)))
    }

    fn last_allowed(&mut self, service: &str, wanted: IsAllowed<'_>) -> Result<Option<Rc<Evidence>>, Infallible> {
        let now = self.moment;
        let decided = self.of_type(service, "gate.decided").iter().rev().copied();
        let allowed: Vec<usize> = decided.filter(|at| self.kept(*at).is_some_and(allows)).take(MAX_LAST).collect();
        let mut told = allowed.into_iter().filter_map(|at| self.told(at));
        Ok(told.find(|told| told.allowed(now).is_some_and(|sets| wanted(sets, told.index))))
    }

    fn subjects(&mut self, prefix: &str) -> Result<Vec<String>, Infallible> {
        let from = self.memory.by_subject.range(prefix.to_owned()..);
        let below = from.take_while(|(subject, _types)| subject.starts_with(prefix));
        let is_known = |types: &HashMap<_, Vec<usize>>| {
            types.values().filter_map(|places| places.first()).any(|at| self.kept(*at).is_some())
        };
        let known = below.filter(|(_subject, types)| is_known(types));
        Ok(known.map(|(subject, _types)| subject.clone()).take(MAX_POLICIES + 1).collect())
    }

    fn state(&mut self, service: &str, wanted: Wanted<'_>) -> Result<Option<State>, Infallible> {
        Ok(match wanted {
            None => seen::newest(self, service),
            Some(wanted) => seen::last(self, service, wanted),
        })
    }
}
