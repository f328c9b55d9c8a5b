//! What one committed entry changes: the keys that its event puts, and what they say of artifacts.
//!
//! The step from a committed entry to the projections. Promises the same keys for the same entry, whether it was just
//! committed or is read again. Never reads the store, but for the shelves that many entries share.

use std::collections::BTreeMap;

use lineal_schemas::vocabulary::{
    Payload, TYPES,
    artifact::Attachment,
    lineage::{Place, Relation},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    LATE_MINUTES, Projected, Shelves, artifact_key, id_bytes, key,
    seen::{Glimpse, Span},
    store::{Batch, StoreError},
    strong_keys,
};

/// Puts what an entry changes into a batch.
pub(super) fn project(entry: &Projected, batch: &mut Batch, shelves: &mut Shelves<'_>) -> Result<(), StoreError> {
    let index = entry.index.to_be_bytes();
    for touch in &entry.touches {
        let number = touch.tracked.number.to_be_bytes();
        let mut value = number.to_vec();
        value.extend(touch.tracked.state.to_bytes());
        batch.put(key(b's', &[touch.source.as_bytes()]), value);
        shelves.put(key(b'q', &[&number]), touch.sequence, &(entry.index + 1).to_be_bytes())?;
    }
    let payload = entry.facts.as_ref().and_then(|facts| facts.payload.as_ref().ok());
    let kind = payload.and_then(|payload| TYPES.iter().position(|rule| rule.name == payload.name()));
    let kind = kind.and_then(|at| u8::try_from(at + 1).ok());
    for keyid in &entry.signers {
        shelves.put(key(b'w', &[keyid.as_bytes()]), entry.index, &[kind.unwrap_or(UNKNOWN)])?;
    }
    let Some(facts) = &entry.facts else { return Ok(()) };
    let id = id_bytes(&facts.id).unwrap_or_default();
    let name = [facts.digest.as_bytes().get(..8).unwrap_or_default(), id.get(8..).unwrap_or_default()].concat();
    shelves.put(vec![b'd'], entry.index, &name)?;
    let Some(payload) = payload else { return Ok(()) };
    let minutes = entry.received.as_millis().saturating_sub(facts.time.as_millis()) / 60_000;
    let minutes = u32::try_from(minutes.max(0)).unwrap_or(u32::MAX);
    if minutes >= LATE_MINUTES {
        shelves.put(vec![b'l'], entry.index, &minutes.to_be_bytes())?;
    }
    shelves.put(key(b'n', &[facts.subject.as_bytes(), b"\0"]), entry.index, &[kind.unwrap_or_default()])?;
    let glimpse = Glimpse::of(entry.index, payload, facts.time, entry.received);
    if let Some(glimpse) = &glimpse {
        let (key, value) = glimpse.pair(&facts.subject);
        batch.put(key, value);
    } else if facts.subject.starts_with("service/") || matches!(payload, Payload::RecordCorrected(_)) {
        batch.put(key(b'c', &[facts.subject.as_bytes(), b"\0", &index]), [kind.unwrap_or_default()]);
    }
    for (artifact, says) in mentioned(payload) {
        batch.put([artifact.as_slice(), &[says as u8], &index].concat(), []);
        if facts.subject.starts_with("service/") {
            let digest = artifact.get(1..).unwrap_or_default();
            let span = match (&glimpse, payload) {
                (Some(glimpse), _) => Span::of(glimpse.at),
                // When what it corrects was seen is only known from the other event.
                (None, Payload::RecordCorrected(_)) => Span::ALWAYS,
                (None, _) => Span::NEVER,
            };
            shelves.widen(key(b'v', &[digest, facts.subject.as_bytes()]), span)?;
            batch.put([artifact.as_slice(), &[Says::OfService as u8], &index].concat(), []);
        }
    }
    if let Payload::RecordCorrected(corrected) = payload {
        for attachment in corrected_attachments(corrected.data.as_str()) {
            batch.put(attachment_key(&attachment), index);
        }
    }
    for attachment in payload.attachments() {
        batch.put(attachment_key(attachment), index);
    }
    match payload {
        Payload::EventRejected(refused) => batch.put(key(b'x', &[refused.event.as_bytes()]), index),
        Payload::EventConflicted(refused) => batch.put(key(b'x', &[refused.event.as_bytes()]), index),
        Payload::KeyEnrolled(_) | Payload::KeyRotated(_) | Payload::KeyRevoked(_) | Payload::LedgerKeyRotated(_) => {
            batch.put(key(b'k', &[&index]), []);
        }
        Payload::ArtifactFlagged(_) | Payload::ArtifactCleared(_) => {
            batch.put(key(b'f', &[&index]), [kind.unwrap_or_default()]);
        }
        _ => {}
    }
    Ok(())
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
fn mentioned(payload: &Payload) -> BTreeMap<Vec<u8>, Says> {
    let mut mentioned = BTreeMap::new();
    for mention in payload.artifacts() {
        let keys: Vec<Vec<u8>> = strong_keys(mention.artifact).collect();
        let says = if is_description(mention.relation) || keys.len() > 1 {
            Says::Describes
        } else if matches!(mention.relation, Relation::Component { .. }) {
            Says::OfService
        } else {
            Says::Uses
        };
        for key in keys {
            let known = mentioned.entry(key).or_insert(says);
            *known = says.min(*known);
        }
    }
    if let Payload::RecordCorrected(corrected) = payload {
        mentioned.extend(corrected_keys(corrected.data.as_str()).into_iter().map(|key| (key, Says::Describes)));
    }
    mentioned
}

/// Every strong digest in the data of a correction, whatever type it corrects: that is only known from the other event.
fn corrected_keys(data: &str) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut waiting = vec![serde_json::from_str(data).unwrap_or_default()];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    keys.extend(value.as_str().and_then(|digest| artifact_key(&name, digest)));
                    waiting.push(value);
                }
            }
            Value::Array(values) => waiting.extend(values),
            _ => {}
        }
    }
    keys
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
