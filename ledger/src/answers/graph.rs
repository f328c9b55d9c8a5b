//! Reading for answers: events with their corrections, and artifacts as what their strong digests join.
//!
//! One reader serves one answer, at one tree size. Promises that joins run on strong digests only, that a correction
//! counts only where its signers could have said the corrected event themselves, and that the record's own time bounds
//! what a producer claims. Never follows an edge: that is the trace's part.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use foldhash::{HashMap, HashMapExt as _};
use lineal_schemas::{
    digest::{EventDigest, KeyId},
    entry::Entry,
    facts::Facts,
    registry::{Enrolment, Registry},
    strong::StrongDigest,
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        artifact::Artifact,
        lineage::{Mention, Relation},
    },
};

use super::{AnswerError, AsOf, EventRef, Moment, Signer, When, flags::Flags};
use crate::{
    index::{Mentions, is_description},
    ledger::View,
    log::record::ReadError,
};

mod ahead;
mod briefly;
mod corrections;

pub(super) use ahead::AHEAD;
pub(super) use briefly::{InBrief, look_up};
use corrections::Corrections;

/// Events kept in memory while an answer is made.
const MAX_CACHED: usize = 8192;

/// A committed event as answers take it: corrected where a correction counts.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) index: u64,
    pub(super) entry: Entry,
    source: String,
    sequence: u64,
    pub(super) kind: &'static str,
    pub(super) subject: String,
    pub(super) time: Timestamp,
    pub(super) payload: Payload,
    pub(super) corrected_by: Option<u64>,
    /// Where corrections are taken as the gate does: a later one that is in dispute.
    pub(super) disputed_by: Option<u64>,
    /// The same: whether the correction makes a measurement one of another model.
    pub(super) is_moved: bool,
}

impl Told {
    /// When it happened: as the producer says, but never after the ledger took it.
    pub(super) fn when(&self) -> Timestamp {
        self.time.min(self.entry.received)
    }

    /// The order of what was said last: by time, and of the same time by source and number. The order of arrival has no
    /// part in it: what is late gives the same answers.
    pub(super) fn order(&self) -> (Timestamp, &str, u64) {
        self.order_at(self.when())
    }

    /// As [`Told::order`], of something that was at another time than it was said.
    pub(super) fn order_at(&self, at: Timestamp) -> (Timestamp, &str, u64) {
        (at, &self.source, self.sequence)
    }
}

/// The strong digests of an artifact in one event.
pub(super) fn strong(artifact: &Artifact) -> Vec<StrongDigest> {
    StrongDigest::all_of(artifact).collect()
}

/// One artifact: every digest that events join, and what they say about it. Events that merely use it are left out.
#[derive(Debug)]
pub(super) struct Identity {
    /// Sorted.
    pub(super) digests: Vec<StrongDigest>,
    /// What describes it, in the order in which it happened.
    pub(super) said: Vec<Rc<Told>>,
}

impl Identity {
    /// Whether an artifact is this one.
    pub(super) fn is(&self, artifact: &Artifact) -> bool {
        StrongDigest::all_of(artifact).any(|digest| self.digests.binary_search(&digest).is_ok())
    }

    /// What an event says of this artifact: its mentions of it.
    pub(super) fn mentions<'t>(&self, told: &'t Told) -> impl Iterator<Item = Mention<'t>> {
        told.payload.artifacts().into_iter().filter(|mention| self.is(mention.artifact))
    }
}

/// Reads for one answer.
pub(super) struct Reader<'v> {
    view: &'v View,
    registry: Arc<Registry>,
    moment: Moment,
    told: HashMap<u64, Option<Rc<Told>>>,
    mentions: HashMap<StrongDigest, Rc<Mentions>>,
    describing: HashMap<StrongDigest, Rc<[u64]>>,
    briefs: HashMap<u64, Option<Rc<InBrief>>>,
    corrections: HashMap<String, Rc<Corrections>>,
    identities: HashMap<StrongDigest, Rc<Identity>>,
    flags: Option<Rc<Flags>>,
    entries: HashMap<EventDigest, Option<u64>>,
    /// Whether some events are corrected by those who said them alone.
    is_strict: bool,
}

impl<'v> Reader<'v> {
    /// At a question's moment.
    pub(super) fn new(view: &'v View, when: When) -> Result<Self, AnswerError> {
        let moment = Moment::find(view, when)?;
        let registry = if moment.is_known_asked {
            Arc::new(view.registry_at(moment.size).map_err(Box::new)?)
        } else {
            view.registry()
        };
        Ok(Self {
            view,
            registry,
            moment,
            told: HashMap::new(),
            mentions: HashMap::new(),
            describing: HashMap::new(),
            briefs: HashMap::new(),
            corrections: HashMap::new(),
            identities: HashMap::new(),
            flags: None,
            entries: HashMap::new(),
            is_strict: false,
        })
    }

    pub(super) const fn view(&self) -> &'v View {
        self.view
    }

    pub(super) fn as_of(&self) -> AsOf {
        let Moment { at, size, known_at, is_asked, is_known_asked } = self.moment;
        let origin = self.view.record.origin().to_owned();
        AsOf { origin, tree_size: size, known_at, at, asked: is_asked || is_known_asked }
    }

    /// What bounds the answer in time.
    pub(super) const fn moment(&self) -> Moment {
        self.moment
    }

    /// The keys as they are known.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether what an event says had happened by the answer's moment.
    pub(super) fn has_happened(&self, told: &Told) -> bool {
        self.moment.is_past(told.when())
    }

    /// Subjects that begin with `prefix`, of which something is known; looks at `limit` at most.
    pub(super) fn subjects(&self, prefix: &str, limit: usize) -> Result<Vec<String>, AnswerError> {
        let mut subjects = Vec::new();
        for subject in self.view.index.subjects(prefix, limit)? {
            if !self.moment.is_known_asked || self.is_known(&subject)? {
                subjects.push(subject);
            }
        }
        Ok(subjects)
    }

    /// Whether anything about this subject is known.
    pub(super) fn is_known(&self, subject: &str) -> Result<bool, AnswerError> {
        Ok(self.view.index.first_about(subject)?.is_some_and(|index| index < self.moment.size))
    }

    /// The event of an entry; nothing where its body is erased.
    pub(super) fn told(&mut self, index: u64) -> Result<Option<Rc<Told>>, AnswerError> {
        if let Some(told) = self.told.get(&index) {
            return Ok(told.clone());
        }
        let told = self.read(index)?.map(Rc::new);
        self.keep_told(index, told.clone());
        Ok(told)
    }

    fn keep_told(&mut self, index: u64, told: Option<Rc<Told>>) {
        if self.told.len() >= MAX_CACHED {
            self.told.clear();
        }
        self.told.insert(index, told);
    }

    /// As [`Self::told`], of the registration of a policy: these are asked for again and again.
    pub(super) fn registration(&mut self, index: u64) -> Result<Option<Rc<Told>>, AnswerError> {
        if let Some(told) = self.told.get(&index) {
            return Ok(told.clone());
        }
        let kept = self.view.policies.registration(&self.view.record, index)?;
        let told = self.tell(index, kept.map(|kept| (*kept).clone()))?.map(Rc::new);
        self.told.insert(index, told.clone());
        Ok(told)
    }

    fn read(&mut self, index: u64) -> Result<Option<Told>, AnswerError> {
        let stored = stored(self.view, index, self.moment.size)?;
        self.tell(index, stored)
    }

    /// What an event says, corrected where a correction counts.
    fn tell(&mut self, index: u64, stored: Stored) -> Result<Option<Told>, AnswerError> {
        let Some((entry, facts)) = stored else { return Ok(None) };
        let corrected = self.corrected(&facts)?;
        let (corrected_by, disputed_by, is_moved) =
            corrected.as_ref().map_or((None, None, false), |found| (found.by, found.disputed_by, found.is_moved));
        let payload = corrected.map_or(facts.payload, |found| Ok(found.payload));
        let Ok(payload) = payload else { return Ok(None) };
        let Facts { subject, time, source, sequence, .. } = facts;
        let kind = payload.name();
        let told =
            Told { index, entry, source, sequence, kind, subject, time, payload, corrected_by, disputed_by, is_moved };
        Ok(Some(told))
    }

    /// Entries about a subject with their types, in the order of the record.
    pub(super) fn about(&self, subject: &str) -> Result<Vec<(u64, &'static str)>, AnswerError> {
        let mut found = self.view.index.by_subject(subject)?;
        found.retain(|(index, _kind)| *index < self.moment.size);
        Ok(found)
    }

    /// Events about a service that had happened and have one of these types, none of which sees it; the last said first.
    pub(super) fn happened(&mut self, service: &str, kinds: &[&str]) -> Result<Vec<Rc<Told>>, AnswerError> {
        let mut happened = Vec::new();
        for index in self.view.index.beside(service, kinds, self.moment.size)? {
            happened.extend(self.told(index)?.filter(|told| self.has_happened(told)));
        }
        happened.sort_by(|one, other| other.order().cmp(&one.order()));
        Ok(happened)
    }

    /// Events about a subject that have one of these types, the last said first, whenever they happened.
    pub(super) fn told_about(&mut self, subject: &str, kinds: &[&str]) -> Result<Vec<Rc<Told>>, AnswerError> {
        let mut told = Vec::new();
        for (index, kind) in self.about(subject)? {
            if kinds.contains(&kind) {
                told.extend(self.told(index)?);
            }
        }
        told.sort_by(|one, other| other.order().cmp(&one.order()));
        Ok(told)
    }

    /// Where an artifact is mentioned.
    pub(super) fn mentions(&mut self, digest: &StrongDigest) -> Result<Rc<Mentions>, AnswerError> {
        if let Some(known) = self.mentions.get(digest) {
            return Ok(known.clone());
        }
        let found = Rc::new(self.view.index.mentions(digest)?);
        if self.mentions.len() >= MAX_CACHED {
            self.mentions.clear();
        }
        self.mentions.insert(*digest, found.clone());
        Ok(found)
    }

    /// The events that describe an artifact, and none that only used it.
    fn describing(&mut self, digest: &StrongDigest) -> Result<Rc<[u64]>, AnswerError> {
        if let Some(known) = self.describing.get(digest) {
            return Ok(known.clone());
        }
        let found: Rc<[u64]> = match self.mentions.get(digest) {
            Some(known) => known.describing.as_slice().into(),
            None => self.view.index.describing(digest)?.into(),
        };
        if self.describing.len() >= MAX_CACHED {
            self.describing.clear();
        }
        self.describing.insert(*digest, found.clone());
        Ok(found)
    }

    /// The services about which something is said that mentions an artifact, whenever it was said.
    pub(super) fn services_of(&mut self, identity: &Identity) -> Result<BTreeSet<String>, AnswerError> {
        let mut services = BTreeSet::new();
        for digest in &identity.digests {
            if self.mentions(digest)?.has_services {
                services.extend(self.view.index.services_of(digest)?);
            }
        }
        Ok(services)
    }

    /// Every flag that stands at the moment, read once.
    pub(super) fn flags(&mut self) -> Result<Rc<Flags>, AnswerError> {
        if let Some(flags) = &self.flags {
            return Ok(flags.clone());
        }
        let flags = Rc::new(Flags::read(self)?);
        self.flags = Some(flags.clone());
        Ok(flags)
    }

    /// Whether any run that is known declares that version of a library.
    pub(super) fn is_declared(&self, library: &str, version: &str) -> Result<bool, AnswerError> {
        let first = self.view.index.by_library(library, version)?.first().copied();
        Ok(first.is_some_and(|index| index < self.moment.size))
    }

    /// The entry of an event by its digest.
    pub(super) fn by_event(&mut self, digest: &EventDigest) -> Result<Option<u64>, AnswerError> {
        if let Some(known) = self.entries.get(digest) {
            return Ok(*known);
        }
        let found = self.find_event(digest)?;
        self.entries.insert(*digest, found);
        Ok(found)
    }

    /// Looks through all events, which an answer does once for each that it needs.
    fn find_event(&self, digest: &EventDigest) -> Result<Option<u64>, AnswerError> {
        for index in self.view.index.by_digest(digest.as_bytes())? {
            if index < self.moment.size && self.view.record.get(index)?.entry().event == *digest {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// The artifact that strong digests name; nothing where it has none.
    pub(super) fn identity(&mut self, artifact: &Artifact) -> Result<Option<Rc<Identity>>, AnswerError> {
        let own = strong(artifact);
        let Some(first) = own.first() else { return Ok(None) };
        if let Some(known) = self.identities.get(first) {
            return Ok(Some(known.clone()));
        }
        let identity = Rc::new(self.join(own)?);
        for digest in &identity.digests {
            self.identities.insert(*digest, identity.clone());
        }
        Ok(Some(identity))
    }

    /// Everything that strong digests join: several digests of one artifact in one event, and both sides of an equation.
    fn join(&mut self, own: Vec<StrongDigest>) -> Result<Identity, AnswerError> {
        let mut digests: BTreeSet<StrongDigest> = own.iter().copied().collect();
        let mut said = BTreeMap::new();
        let mut open = own;
        while let Some(digest) = open.pop() {
            for index in self.describing(&digest)?.iter().copied() {
                let Some(told) = self.mentioning(index)? else { continue };
                let mut new = Vec::new();
                let mut describes = false;
                for mention in told.payload.artifacts() {
                    let same = mention.relation == Relation::Same;
                    let is_it = strong(mention.artifact).contains(&digest);
                    describes |= is_it && is_description(mention.relation);
                    if is_it
                        || (same && told.payload.artifacts().iter().any(|side| strong(side.artifact).contains(&digest)))
                    {
                        new.extend(strong(mention.artifact));
                    }
                }
                if describes {
                    said.insert(told.index, told);
                }
                open.extend(new.into_iter().filter(|digest| digests.insert(*digest)));
            }
        }
        let mut said: Vec<Rc<Told>> = said.into_values().collect();
        said.sort_by(|one, other| one.order().cmp(&other.order()));
        Ok(Identity { digests: digests.into_iter().collect(), said })
    }

    /// The event of an entry that mentions an artifact; a correction that does leads to what it corrects.
    pub(super) fn mentioning(&mut self, index: u64) -> Result<Option<Rc<Told>>, AnswerError> {
        if index >= self.moment.size {
            return Ok(None);
        }
        let Some(told) = self.told(index)? else { return Ok(None) };
        let Payload::RecordCorrected(correction) = &told.payload else { return Ok(Some(told)) };
        match self.by_event(&correction.corrects)? {
            Some(corrected) => self.told(corrected),
            None => Ok(None),
        }
    }

    /// Whether two artifacts are the same: by what strong digests join, or where neither has one, by spelling.
    pub(super) fn same(&mut self, one: &Artifact, other: &Artifact) -> Result<bool, AnswerError> {
        let (mine, theirs) = (strong(one), strong(other));
        if mine.iter().any(|digest| theirs.contains(digest)) {
            return Ok(true);
        }
        if mine.is_empty() || theirs.is_empty() {
            let spelling = mine.is_empty() && theirs.is_empty() && one.digest == other.digest && one.uri == other.uri;
            return Ok(spelling);
        }
        Ok(self.identity(one)?.is_some_and(|identity| identity.is(other)))
    }

    /// An event as an answer names it.
    pub(super) fn event_ref(&self, told: &Told) -> EventRef {
        EventRef {
            index: told.index,
            event: told.entry.event,
            kind: told.kind.into(),
            subject: told.subject.clone(),
            time: told.time,
            received: told.entry.received,
            signers: signers(&self.registry, &told.entry),
            corrected_by: told.corrected_by,
        }
    }
}

/// What is stored of an event: nothing where its body is erased.
type Stored = Option<(Entry, Facts)>;

/// The event of an entry, one of the first `size`.
fn stored(view: &View, index: u64, size: u64) -> Result<Stored, AnswerError> {
    if index >= size {
        return Err(ReadError::NoSuchEntry { index, size }.into());
    }
    let stored = view.record.get(index)?;
    Ok(stored.facts_again().map(|facts| (stored.into_entry(), facts)))
}

/// Who signed an entry's event, with what is known of the keys now.
pub(super) fn signers(registry: &Registry, entry: &Entry) -> Vec<Signer> {
    entry.signatures.iter().map(|signature| signer(registry, signature.keyid, entry.received)).collect()
}

pub(super) fn signer(registry: &Registry, keyid: KeyId, received: Timestamp) -> Signer {
    let enrolment = registry.enrolment(&keyid);
    let own = || {
        let is_root = registry.roots().any(|root| root.keyid() == keyid);
        registry.key(&keyid).map(|_key| if is_root { "root" } else { "ledger" }.to_owned())
    };
    let revocation = enrolment.and_then(Enrolment::revocation);
    let compromised_since = enrolment.and_then(Enrolment::compromised_since);
    Signer {
        keyid,
        producer: enrolment.map(|key| key.producer().to_owned()).or_else(own),
        revoked_at: revocation.map(|(at, _reason)| at),
        revoked_for: revocation.and_then(|(_at, reason)| reason.map(str::to_owned)),
        compromised_since,
        suspect: compromised_since.is_some_and(|since| received >= since),
    }
}
