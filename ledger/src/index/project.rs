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
    Projected, Shelves, artifact_key, id_bytes, key,
    seen::Glimpse,
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
    let Some(facts) = &entry.facts else { return Ok(()) };
    let id = id_bytes(&facts.id).unwrap_or_default();
    let name = [facts.digest.as_bytes().get(..8).unwrap_or_default(), id.get(8..).unwrap_or_default()].concat();
    shelves.put(vec![b'd'], entry.index, &name)?;
    let Ok(payload) = &facts.payload else { return Ok(()) };
    let kind = TYPES.iter().position(|rule| rule.name == payload.name()).and_then(|at| u8::try_from(at + 1).ok());
    shelves.put(key(b'n', &[facts.subject.as_bytes(), b"\0"]), entry.index, &[kind.unwrap_or_default()])?;
    if let Some(glimpse) = Glimpse::of(entry.index, payload, facts.time, entry.received) {
        let (key, value) = glimpse.pair(&facts.subject);
        batch.put(key, value);
    } else if facts.subject.starts_with("service/") || matches!(payload, Payload::RecordCorrected(_)) {
        batch.put(key(b'c', &[facts.subject.as_bytes(), b"\0", &index]), [kind.unwrap_or_default()]);
    }
    for (prefix, says) in mentioned(payload) {
        if facts.subject.starts_with("service/") {
            let digest = prefix.get(1..).unwrap_or_default();
            batch.put(key(b'v', &[digest, facts.subject.as_bytes()]), []);
        }
        batch.put([prefix, index.to_vec()].concat(), [says]);
    }
    if let Payload::RecordCorrected(corrected) = payload {
        for prefix in corrected_keys(corrected.data.as_str()) {
            if facts.subject.starts_with("service/") {
                let digest = prefix.get(1..).unwrap_or_default();
                batch.put(key(b'v', &[digest, facts.subject.as_bytes()]), []);
            }
            batch.put([prefix, index.to_vec()].concat(), [DESCRIBES]);
        }
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
        _ => {}
    }
    Ok(())
}

/// Whether an event that stands in this relation to an artifact describes it, rather than uses it.
pub(crate) const fn is_description(relation: Relation) -> bool {
    matches!(
        relation,
        Relation::Subject | Relation::Output | Relation::Same | Relation::AliasTo | Relation::Other(Place::Split)
    )
}

/// What an event says of an artifact, in its `a` key: that it serves.
pub(super) const SERVES: u8 = 0;

/// That it was used.
const USES: u8 = 1;

/// What it is, or another digest of it.
pub(super) const DESCRIBES: u8 = 2;

/// Every strong digest that an event mentions, and the most that it says of that artifact.
fn mentioned(payload: &Payload) -> BTreeMap<Vec<u8>, u8> {
    let mut mentioned = BTreeMap::new();
    for mention in payload.artifacts() {
        let keys: Vec<Vec<u8>> = strong_keys(mention.artifact).collect();
        let says = if is_description(mention.relation) || keys.len() > 1 {
            DESCRIBES
        } else if matches!(mention.relation, Relation::Component { .. }) {
            SERVES
        } else {
            USES
        };
        for key in keys {
            let known = mentioned.entry(key).or_insert(says);
            *known = says.max(*known);
        }
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
