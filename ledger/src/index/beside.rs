//! What is said beside what is seen: corrections, and of services approvals, requests and decisions; the keys `c`, `m` and `j`.
//!
//! The step from entry to answer that lets a service have any number of recorded decisions: each question asks for its own
//! kind of event, the newest first where it can. Never reads an event, and never judges one.

use lineal_schemas::{
    digest::sha256,
    registry::LEDGER_SCHEME,
    timestamp::Timestamp,
    vocabulary::{
        Payload, TYPES,
        gate::{GateDecided, GateVerdict},
    },
};

use super::{
    Index, StoreError, key, last_index,
    seen::{SetsPrint, print_of},
};

/// A decision of the ledger's own gate, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Its entry.
    pub index: u64,
    /// When it was decided: as it says, but never after the ledger took it.
    pub when: Timestamp,
    /// The serving set that was decided about.
    pub sets: SetsPrint,
}

impl Decision {
    fn read(index: u64, value: &[u8]) -> Option<Self> {
        let (when, sets) = value.split_first_chunk()?;
        let when = Timestamp::from_millis(i64::from_be_bytes(*when));
        Some(Self { index, when, sets: sets.try_into().ok()? })
    }
}

impl Index {
    /// Entries below `size` that say something of these types about this subject, in order: corrections of what was said about
    /// it, and where it is a service everything but what was seen of it.
    pub fn beside(&self, subject: &str, kinds: &[&str], size: u64) -> Result<Vec<u64>, StoreError> {
        let mut found = Vec::new();
        for kind in kinds {
            let prefix = prefix_of(subject, kind);
            self.store.scan(&prefix, &prefix, &mut |key, _value| {
                found.extend(last_index(key).filter(|index| *index < size));
                true
            })?;
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The ledger's own decisions of one kind about a service in entries below `size`, the newest first, at most `limit`:
    /// whatever else was decided meanwhile, and whatever others say that was, nothing of that is looked at.
    pub fn decisions(
        &self,
        service: &str,
        verdict: GateVerdict,
        size: u64,
        limit: usize,
    ) -> Result<Vec<Decision>, StoreError> {
        let prefix = decided_key(service, verdict);
        let end = [prefix.as_slice(), &size.to_be_bytes()].concat();
        let mut found = Vec::new();
        self.store.scan_back(&prefix, &end, &mut |key, value| {
            found.extend(last_index(key).and_then(|index| Decision::read(index, value)));
            found.len() < limit
        })?;
        Ok(found)
    }

    /// The decisions that somebody's tool asked for by this name for its request, in order.
    pub fn decided_for(&self, service: &str, request: &str) -> Result<Vec<u64>, StoreError> {
        self.indices(&request_key(service, request))
    }
}

/// What the keys `c` of one type about a subject begin with; a type that there isn't has none.
fn prefix_of(subject: &str, kind: &str) -> Vec<u8> {
    let at = TYPES.iter().position(|rule| rule.name == kind).and_then(|at| u8::try_from(at + 1).ok());
    key(b'c', &[subject.as_bytes(), b"\0", &[at.unwrap_or_default()]])
}

/// What the keys of the ledger's own decisions of one kind about a service begin with.
fn decided_key(service: &str, verdict: GateVerdict) -> Vec<u8> {
    let kind = match verdict {
        GateVerdict::Allow => 0,
        GateVerdict::Deny => 1,
        GateVerdict::Undecided => 2,
    };
    key(b'm', &[service.as_bytes(), b"\0", &[kind]])
}

fn request_key(service: &str, request: &str) -> Vec<u8> {
    let digest = sha256(&[service.as_bytes(), b"\0", request.as_bytes()].concat());
    key(b'j', &[digest.first_chunk::<16>().map_or(&[], <[u8; 16]>::as_slice)])
}

/// The pairs of an event that is said beside what is seen.
pub(super) fn pairs(
    (subject, source): (&str, &str),
    (kind, payload): (u8, &Payload),
    when: Timestamp,
    index: u64,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let index = index.to_be_bytes();
    let said = key(b'c', &[subject.as_bytes(), b"\0", &[kind], &index]);
    let Payload::GateDecided(decided) = payload else { return vec![(said, Vec::new())] };
    let mut pairs = vec![(said, Vec::new())];
    if source.starts_with(LEDGER_SCHEME) {
        let decision = [decided_key(subject, decided.verdict).as_slice(), &index].concat();
        let value = [when.as_millis().to_be_bytes().as_slice(), &print_of(&decided.serving_set)].concat();
        pairs.push((decision, value));
    }
    pairs.extend(asked_for(decided).map(|prefix| ([prefix.as_slice(), &index].concat(), Vec::new())));
    pairs
}

fn asked_for(decided: &GateDecided) -> Option<Vec<u8>> {
    decided.request.as_ref().map(|request| request_key(decided.service.as_str(), request.as_str()))
}
