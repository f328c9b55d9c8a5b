//! What one committed entry changes: the keys that its event puts, and what they say of artifacts.
//!
//! The step from a committed entry to the projections. Promises the same keys for the same entry, whether it was just
//! committed or is read again. Never reads the store, but for the shelves that many entries share.

use std::collections::BTreeMap;

use lineal_schemas::{
    strong::{StrongDigest, StrongKind},
    timestamp::Timestamp,
    vocabulary::{
        Payload, TYPES,
        artifact::{Artifact, Attachment},
        deployment::ServedSet,
        incident::IncidentUpdated,
        inventory::InventoryObserved,
        lineage::{Place, Relation},
        names::ServiceName,
    },
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    LATE_MINUTES, Projected, Shelves, beside,
    brief::{Brief, uses},
    days, id_bytes,
    inventories::Part,
    key, made_with,
    mentions::made_from,
    places,
    seen::{Glimpse, Span},
    store::{Batch, StoreError},
    tagged,
};

/// Puts what an entry changes into a batch.
pub(super) fn project(entry: &Projected, batch: &mut Batch, shelves: &mut Shelves<'_>) -> Result<(), StoreError> {
    for touch in &entry.touches {
        let number = touch.tracked.number.to_be_bytes();
        let mut value = number.to_vec();
        value.extend(touch.tracked.state.to_bytes());
        batch.put(key(b's', &[touch.source.as_bytes()]), value);
        shelves.put(key(b'q', &[&number]), touch.sequence, &(entry.index + 1).to_be_bytes())?;
    }
    let payload = entry.facts.as_ref().and_then(|facts| facts.payload.as_ref().ok());
    let kind = payload.and_then(|payload| TYPES.iter().position(|rule| rule.name == payload.name()));
    let kind = kind.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or_default();
    for keyid in &entry.signers {
        let kind = if kind == 0 { UNKNOWN } else { kind };
        shelves.put(key(b'w', &[keyid.as_bytes()]), entry.index, &[kind])?;
    }
    let Some(facts) = &entry.facts else { return Ok(()) };
    let id = id_bytes(&facts.id).unwrap_or_default();
    let name = [facts.digest.as_bytes().get(..8).unwrap_or_default(), id.get(8..).unwrap_or_default()].concat();
    shelves.put(vec![b'd'], entry.index, &name)?;
    let Some(payload) = payload else { return Ok(()) };
    batch.puts.extend(Brief::pair(entry));
    let span = if matches!(payload, Payload::RecordCorrected(_)) { Span::ALWAYS } else { Span::NEVER };
    let (index, subject, source) = (entry.index, &facts.subject, &facts.source);
    let mut event = Event { index, subject, source, kind, payload, span, batch, shelves };
    event.put_late(facts.time, entry.received)?;
    event.put_about(event.subject)?;
    event.put_seen((facts.time, entry.received))?;
    event.put_mentioned()?;
    event.put_typed()
}

/// An event that can be read, and where its keys go.
struct Event<'e, 's> {
    index: u64,
    subject: &'e str,
    source: &'e str,
    kind: u8,
    payload: &'e Payload,
    /// When it saw the service that it is about; of a correction, that is only known from the other event.
    span: Span,
    batch: &'e mut Batch,
    shelves: &'e mut Shelves<'s>,
}

impl Event<'_, '_> {
    fn put_late(&mut self, time: Timestamp, received: Timestamp) -> Result<(), StoreError> {
        let minutes = received.as_millis().saturating_sub(time.as_millis()) / 60_000;
        let minutes = u32::try_from(minutes.max(0)).unwrap_or(u32::MAX);
        if minutes >= LATE_MINUTES {
            self.shelves.put(vec![b'l'], self.index, &minutes.to_be_bytes())?;
        }
        Ok(())
    }

    fn put_about(&mut self, subject: &str) -> Result<(), StoreError> {
        self.shelves.put(key(b'n', &[subject.as_bytes(), b"\0"]), self.index, &[self.kind])
    }

    /// What was seen of services, and of places.
    fn put_seen(&mut self, times: (Timestamp, Timestamp)) -> Result<(), StoreError> {
        if let Payload::InventoryObserved(inventory) = self.payload {
            let (key, value) = Part::of(inventory, times.0).pair(inventory.environment.as_str(), self.index);
            self.batch.put(key, value);
            for (service, sets) in inventory.services() {
                let glimpse = Glimpse::listed(self.index, inventory, sets, times);
                self.put_glimpse(service.as_str(), &glimpse)?;
                self.put_listed(service.as_str(), sets, Span::of(glimpse.at))?;
            }
        } else if let Some(glimpse) = Glimpse::of(self.index, self.payload, self.subject, times) {
            self.put_glimpse(self.subject, &glimpse)?;
            self.span = Span::of(glimpse.at);
        } else if let Payload::DatasetSnapshotted(snapshot) = self.payload {
            if let Some((key, print)) = places::pair(self.subject, snapshot, times.0.min(times.1), self.index) {
                self.batch.put(key, print);
            }
        } else if self.is_about_a_service() || matches!(self.payload, Payload::RecordCorrected(_)) {
            if matches!(self.payload, Payload::RecordCorrected(_)) {
                self.batch.put(key(b'y', &[self.subject.as_bytes()]), []);
            }
            self.batch.puts.extend(beside::pairs(
                (self.subject, self.source),
                (self.kind, self.payload),
                times.0.min(times.1),
                self.index,
            ));
        }
        Ok(())
    }

    fn put_glimpse(&mut self, service: &str, glimpse: &Glimpse) -> Result<(), StoreError> {
        let (key, value) = glimpse.pair(service);
        self.batch.put(key, value);
        match days::day_key(service, glimpse) {
            Some(day) => self.shelves.widen(day, Span::of(glimpse.at)),
            None => Ok(()),
        }
    }

    fn is_about_a_service(&self) -> bool {
        self.subject.starts_with("service/")
    }

    /// An inventory is about each service that it lists, as an observation of it would be.
    fn put_listed(&mut self, service: &str, sets: &[ServedSet], span: Span) -> Result<(), StoreError> {
        self.put_about(service)?;
        for component in sets.iter().flat_map(|set| &set.components) {
            for artifact in StrongDigest::all_of(&component.artifact) {
                self.put_served(&artifact, service, span)?;
            }
        }
        Ok(())
    }

    fn put_mentioned(&mut self) -> Result<(), StoreError> {
        for (artifact, says) in mentioned(self.payload) {
            let value = match self.payload {
                Payload::RunCompleted(run) if says == Says::Uses => uses(run, &artifact),
                _ if says == Says::Describes => made_from(self.payload, &artifact),
                _ => Vec::new(),
            };
            self.batch.put(key(b'a', &[&tagged(&artifact), &[says as u8], &self.index.to_be_bytes()]), value);
            self.put_tree(&artifact)?;
            if self.is_about_a_service() {
                self.put_served(&artifact, self.subject, self.span)?;
            }
        }
        for prefix in made_with::keys(self.payload) {
            self.batch.put([prefix.as_slice(), &self.index.to_be_bytes()].concat(), []);
        }
        for attachment in self.payload.attachments() {
            self.batch.put(attachment_key(attachment), self.index.to_be_bytes());
        }
        Ok(())
    }

    /// Lists what is a tree.
    fn put_tree(&mut self, artifact: &StrongDigest) -> Result<(), StoreError> {
        match artifact.kind {
            StrongKind::DirHash => self.shelves.first(key(b'h', &[&artifact.bytes]), self.index),
            StrongKind::Sha256 => Ok(()),
        }
    }

    /// Leads from an artifact to a service.
    fn put_served(&mut self, artifact: &StrongDigest, service: &str, span: Span) -> Result<(), StoreError> {
        self.put_tree(artifact)?;
        let index = self.index.to_be_bytes();
        self.batch.put(key(b'a', &[&tagged(artifact), &[Says::OfService as u8], &index]), []);
        self.shelves.widen(key(b'v', &[&tagged(artifact), service.as_bytes()]), span)
    }

    /// What only some types put.
    fn put_typed(&mut self) -> Result<(), StoreError> {
        let index = self.index.to_be_bytes();
        match self.payload {
            Payload::RecordCorrected(corrected) => return self.put_corrected(corrected.data.as_str()),
            Payload::EventRejected(refused) => self.batch.put(key(b'x', &[refused.event.as_bytes()]), index),
            Payload::EventConflicted(refused) => self.batch.put(key(b'x', &[refused.event.as_bytes()]), index),
            Payload::KeyEnrolled(_)
            | Payload::KeyRotated(_)
            | Payload::KeyRevoked(_)
            | Payload::LedgerKeyRotated(_) => self.batch.put(key(b'k', &[&index]), []),
            Payload::IncidentOpened(incident) => {
                self.put_incident(incident.services.as_deref(), incident.artifacts.as_deref());
            }
            Payload::IncidentUpdated(incident) => {
                self.put_incident(incident.services.as_deref(), incident.artifacts.as_deref());
            }
            Payload::ArtifactFlagged(_) | Payload::ArtifactCleared(_) => {
                self.batch.put(key(b'f', &[&index]), [self.kind]);
            }
            _ => {}
        }
        Ok(())
    }

    /// What the data of a correction may lead to, whatever type it corrects: that is only known from the other event.
    fn put_corrected(&mut self, data: &str) -> Result<(), StoreError> {
        if let Ok(inventory) = serde_json::from_str::<InventoryObserved>(data) {
            for (service, sets) in inventory.services() {
                self.put_listed(service.as_str(), sets, self.span)?;
            }
        }
        if let Ok(incident) = serde_json::from_str::<IncidentUpdated>(data) {
            self.put_incident(incident.services.as_deref(), incident.artifacts.as_deref());
        }
        for attachment in corrected_attachments(data) {
            self.batch.put(attachment_key(&attachment), self.index.to_be_bytes());
        }
        Ok(())
    }

    /// What an incident's event touches: services by name, artifacts by strong digest.
    fn put_incident(&mut self, services: Option<&[ServiceName]>, artifacts: Option<&[Artifact]>) {
        let index = self.index.to_be_bytes();
        for service in services.into_iter().flatten() {
            self.batch.put(key(b'i', &[b"s", service.as_str().as_bytes(), b"\0", &index]), []);
        }
        for artifact in artifacts.into_iter().flatten().flat_map(StrongDigest::all_of) {
            self.batch.put(key(b'i', &[b"a", &tagged(&artifact), &index]), []);
        }
    }
}

/// In the place of a type: an event whose type is not known.
const UNKNOWN: u8 = u8::MAX;

/// Whether an event that stands in this relation to an artifact describes it, rather than uses it.
pub(crate) const fn is_description(relation: Relation) -> bool {
    matches!(
        relation,
        Relation::Subject | Relation::Output | Relation::Same | Relation::AliasTo | Relation::Other(Place::Split)
    )
}

/// What an event says of an artifact, in the order in which the `a` keys have it: the most telling first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Says {
    /// What it is, or another digest of it.
    Describes,
    /// That it was used.
    Uses,
    /// Something about a service, beside what else it says: of one artifact there may be any number of such events.
    OfService,
}

impl Says {
    /// From its place in a key.
    pub(super) const fn of(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Describes),
            1 => Some(Self::Uses),
            2 => Some(Self::OfService),
            _ => None,
        }
    }
}

/// Every strong digest that an event mentions, and the most that it says of that artifact.
fn mentioned(payload: &Payload) -> BTreeMap<StrongDigest, Says> {
    let mut mentioned = BTreeMap::new();
    for mention in payload.artifacts() {
        let digests: Vec<StrongDigest> = StrongDigest::all_of(mention.artifact).collect();
        let says = if is_description(mention.relation) || digests.len() > 1 {
            Says::Describes
        } else if matches!(mention.relation, Relation::Component { .. }) {
            Says::OfService
        } else {
            Says::Uses
        };
        for digest in digests {
            let known = mentioned.entry(digest).or_insert(says);
            *known = says.min(*known);
        }
    }
    if let Payload::RecordCorrected(corrected) = payload {
        mentioned
            .extend(corrected_digests(corrected.data.as_str()).into_iter().map(|digest| (digest, Says::Describes)));
    }
    mentioned
}

/// Every strong digest in the data of a correction, whatever type it corrects: that is only known from the other event.
fn corrected_digests(data: &str) -> Vec<StrongDigest> {
    let mut digests = Vec::new();
    let mut waiting = vec![serde_json::from_str(data).unwrap_or_default()];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    digests.extend(value.as_str().and_then(|digest| StrongDigest::of(&name, digest)));
                    waiting.push(value);
                }
            }
            Value::Array(values) => waiting.extend(values),
            _ => {}
        }
    }
    digests
}

/// The attachments that the data of a correction names, as the payload that it replaces would.
fn corrected_attachments(data: &str) -> Vec<Attachment> {
    #[derive(Default, Deserialize)]
    struct Named {
        #[serde(default)]
        attachments: Vec<Attachment>,
    }
    serde_json::from_str::<Named>(data).unwrap_or_default().attachments
}

fn attachment_key(attachment: &Attachment) -> Vec<u8> {
    key(b't', &[attachment.digest.sha256.as_str().as_bytes()])
}
