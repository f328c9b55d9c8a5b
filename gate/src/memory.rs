//! A history in memory: one pass over a record, everything at hand.
//!
//! What the verifier judges from, and tests. Promises the answers of the ledger's index, made another way: events are looked
//! through, not looked up, so that one bug can't both give a verdict and approve it. Never keeps what it is not told.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    rc::Rc,
};

use lineal_schemas::{
    digest::{EventDigest, KeyId},
    entry::Entry,
    facts::Facts,
    registry::{Enrolment, Registry},
    timestamp::Timestamp,
    vocabulary::{Payload, artifact::Artifact, lineage::Relation, values::Time},
};

use crate::history::{
    Evidence, History, Identity, IsWanted, MAX_LAST, MAX_POLICIES, State, Strong, Wanted,
    is_corrected_by_its_own_alone, moves, strong,
};

mod seen;

/// The events of a record, as they were admitted.
#[derive(Debug, Default)]
pub struct Memory {
    events: Vec<Kept>,
    by_digest: HashMap<EventDigest, usize>,
    by_subject: BTreeMap<String, Vec<usize>>,
    by_artifact: HashMap<Strong, Vec<usize>>,
    corrections: HashMap<EventDigest, Vec<usize>>,
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
            }
            Payload::RecordCorrected(correction) => corrected = Some(correction.corrects),
            Payload::KeyRevoked(revoked) => {
                let since = revoked.compromised_since.as_ref().and_then(Time::timestamp);
                self.revocations.entry(revoked.keyid).or_default().push((index, since));
            }
            _ => {}
        }
        let digests: BTreeSet<Strong> =
            payload.artifacts().iter().flat_map(|mention| strong(mention.artifact).collect::<Vec<_>>()).collect();
        for subject in subjects {
            self.by_subject.entry(subject).or_default().push(at);
        }
        for digest in digests {
            self.by_artifact.entry(digest).or_default().push(at);
        }
        if let Some(corrected) = corrected {
            self.corrections.entry(corrected).or_default().push(at);
        }
        self.by_digest.insert(facts.digest, at);
        self.events.push(Kept { index, received, keys, facts });
    }

    /// The record at a size, looked at from a moment, with the keys that were enrolled by then.
    pub fn at<'m>(&'m self, registry: &'m Registry, size: u64, moment: Timestamp) -> AtSize<'m> {
        AtSize { memory: self, registry, size, moment, told: HashMap::new(), identities: HashMap::new() }
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
    identities: HashMap<Strong, Rc<Identity>>,
}

impl AtSize<'_> {
    fn kept(&self, at: usize) -> Option<&Kept> {
        self.memory.events.get(at).filter(|kept| kept.index < self.size)
    }

    /// An event as corrections leave it.
    fn told(&mut self, at: usize) -> Option<Rc<Evidence>> {
        if let Some(told) = self.told.get(&at) {
            return Some(told.clone());
        }
        let kept = self.kept(at)?;
        let (payload, corrected_by) = match self.corrected(kept) {
            Some((by, payload)) => (payload, Some(by)),
            None => (kept.facts.payload.clone().ok()?, None),
        };
        let correction = corrected_by.and_then(|by| self.memory.by_digest.get(&by)).and_then(|at| self.kept(*at));
        let is_moved = correction.is_some_and(|correction| match &correction.facts.payload {
            Ok(Payload::RecordCorrected(says)) => {
                says.replacement(&kept.facts.kind).is_ok_and(|replacement| moves(&payload, &replacement))
            }
            _ => false,
        });
        let signed = [Some(kept), correction];
        let is_suspect = signed.into_iter().flatten().any(|kept| self.is_suspect(kept));
        let producer = |keyid: &KeyId| self.registry.enrolment(keyid).map(|enrolment| enrolment.producer().to_owned());
        let told = Rc::new(Evidence {
            index: kept.index,
            event: kept.facts.digest,
            received: kept.received,
            time: kept.facts.time,
            source: kept.facts.source.clone(),
            sequence: kept.facts.sequence,
            subject: kept.facts.subject.clone(),
            producers: kept.keys.iter().filter_map(producer).collect(),
            is_ledgers: kept.facts.source == self.registry.ledger_source(),
            payload,
            corrected_by,
            correctors: correction.iter().flat_map(|correction| &correction.keys).filter_map(producer).collect(),
            is_moved,
            is_suspect,
        });
        self.told.insert(at, told.clone());
        Some(told)
    }

    /// Whether somebody else may have had a key of it when the ledger took it, as far as is known at the size.
    fn is_suspect(&self, kept: &Kept) -> bool {
        kept.keys.iter().any(|keyid| {
            let mut revocations = self.memory.revocations.get(keyid).into_iter().flatten();
            let last = revocations.rfind(|(index, _since)| *index < self.size);
            last.and_then(|(_index, since)| *since).is_some_and(|since| kept.received >= since)
        })
    }

    fn producers(&self, keys: &[KeyId]) -> BTreeSet<&str> {
        keys.iter().filter_map(|keyid| self.registry.enrolment(keyid)).map(Enrolment::producer).collect()
    }

    /// The newest correction of an event whose signers could all have said that event themselves.
    fn corrected(&self, kept: &Kept) -> Option<(EventDigest, Payload)> {
        let payload = kept.facts.payload.as_ref().ok()?;
        if matches!(payload, Payload::RecordCorrected(_)) {
            return None;
        }
        let known = self.memory.corrections.get(&kept.facts.digest)?;
        let mut all: Vec<&Kept> = known.iter().filter_map(|at| self.kept(*at)).collect();
        all.retain(|correction| correction.facts.subject == kept.facts.subject);
        all.sort_by(|one, other| one.order().cmp(&other.order()));
        all.into_iter().rev().find_map(|correction| {
            let Ok(Payload::RecordCorrected(says)) = &correction.facts.payload else { return None };
            if !correction.keys.iter().all(|keyid| self.registry.may_say(keyid, payload, &kept.facts.subject)) {
                return None;
            }
            let of_its_own = || self.producers(&correction.keys).is_subset(&self.producers(&kept.keys));
            if is_corrected_by_its_own_alone(payload) && !of_its_own() {
                return None;
            }
            let replacement = says.replacement(&kept.facts.kind).ok()?;
            replacement.check_subject(&kept.facts.subject).ok()?;
            let stays = moves(payload, &replacement);
            Some((correction.facts.digest, if stays { payload.clone() } else { replacement }))
        })
    }

    /// Events that mention a digest, or that are corrected so that they do.
    fn mentioning(&mut self, digest: &Strong) -> Vec<Rc<Evidence>> {
        let known = self.memory.by_artifact.get(digest).cloned().unwrap_or_default();
        let mut places: BTreeSet<usize> = known.into_iter().collect();
        let corrections: Vec<EventDigest> = self.memory.corrections.keys().copied().collect();
        places.extend(corrections.iter().filter_map(|event| self.memory.by_digest.get(event)));
        places.into_iter().filter_map(|at| self.told(at)).collect()
    }

    /// Everything that strong digests join.
    fn join(&mut self, own: BTreeSet<Strong>) -> Identity {
        let mut identity = Identity { digests: own.clone(), said: Vec::new() };
        let (mut open, mut said) = (Vec::from_iter(own), BTreeMap::new());
        while let Some(digest) = open.pop() {
            for told in self.mentioning(&digest) {
                let has = |artifact: &Artifact| strong(artifact).any(|other| other == digest);
                let artifacts = told.payload.artifacts();
                let is_side =
                    artifacts.iter().any(|mention| mention.relation == Relation::Same && has(mention.artifact));
                let mut new = BTreeSet::new();
                for mention in &artifacts {
                    let is_it = has(mention.artifact);
                    if is_it || (is_side && mention.relation == Relation::Same) {
                        new.extend(strong(mention.artifact));
                    }
                    if is_it && describes(mention.relation) {
                        said.insert(told.index, told.clone());
                    }
                }
                open.extend(new.into_iter().filter(|digest| identity.digests.insert(digest.clone())));
            }
        }
        identity.said = said.into_values().collect();
        identity.said.sort_by(|one, other| one.order().cmp(&other.order()));
        identity
    }
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
        let own: BTreeSet<Strong> = strong(artifact).collect();
        let Some(first) = own.first().cloned() else { return Ok(None) };
        if let Some(known) = self.identities.get(&first) {
            return Ok(Some(known.clone()));
        }
        let identity = Rc::new(self.join(own));
        for digest in &identity.digests {
            self.identities.insert(digest.clone(), identity.clone());
        }
        Ok(Some(identity))
    }

    fn about(&mut self, subject: &str, types: &[&str]) -> Result<Vec<Rc<Evidence>>, Infallible> {
        let places = self.memory.by_subject.get(subject).cloned().unwrap_or_default();
        let told = places.into_iter().filter_map(|at| self.told(at));
        Ok(told.filter(|told| types.contains(&told.payload.name())).collect())
    }

    fn last_about(
        &mut self,
        subject: &str,
        kind: &str,
        wanted: IsWanted<'_>,
    ) -> Result<Option<Rc<Evidence>>, Infallible> {
        let about = self.about(subject, &[kind])?;
        Ok(about.into_iter().rev().take(MAX_LAST).find(|told| wanted(told)))
    }

    fn subjects(&mut self, prefix: &str) -> Result<Vec<String>, Infallible> {
        let from = self.memory.by_subject.range(prefix.to_owned()..);
        let below = from.take_while(|(subject, _places)| subject.starts_with(prefix));
        let known = below.filter(|(_subject, places)| places.iter().any(|at| self.kept(*at).is_some()));
        Ok(known.map(|(subject, _places)| subject.clone()).take(MAX_POLICIES + 1).collect())
    }

    fn state(&mut self, service: &str, wanted: Wanted<'_>) -> Result<Option<State>, Infallible> {
        let states = seen::states(self, service);
        let Some(wanted) = wanted else { return Ok(seen::newest(&states).cloned()) };
        let mut complete = states.into_iter().filter(|seen| seen.is_whole);
        Ok(complete.find(|seen| wanted(&seen.state.sets)).map(|seen| seen.state))
    }
}
