//! What was seen of each service, in the order of when it was seen: the key `o`.
//!
//! The step from entry to answer that makes "what ran at that moment" a look backwards from a moment, instead of a
//! replay. Promises that everything in a key and its value comes from one entry alone, so that the order in which
//! entries arrive changes nothing but their indices. Never judges: what a correction puts in an event's place is the
//! answers' part.

use lineal_schemas::{
    digest::sha256,
    strong::StrongDigest,
    timestamp::Timestamp,
    vocabulary::{Payload, deployment::ServedSet, inventory::InventoryObserved},
};

use super::{Index, StoreError, key, tagged, take_u64};

/// What kind of state was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// All of the service.
    Whole,
    /// A part of it.
    Part,
    /// Its end.
    End,
}

/// From when to when something was seen, as the key `v` holds it: two moments of 8 bytes, which sort as they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    first: [u8; 8],
    last: [u8; 8],
}

impl Span {
    /// Nothing was seen.
    pub(super) const NEVER: Self = Self { first: [u8::MAX; 8], last: [0; 8] };

    /// It may have been seen at any time.
    pub(super) const ALWAYS: Self = Self { first: [0; 8], last: [u8::MAX; 8] };

    pub(super) fn of(at: Timestamp) -> Self {
        Self { first: ordered(at), last: ordered(at) }
    }

    /// The shortest that has both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        [self.first, self.last].concat()
    }

    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let (first, last) = value.split_first_chunk()?;
        Some(Self { first: *first, last: last.try_into().ok()? })
    }
}

/// A digest of serving sets: equal ones have equal parts and shares; unequal ones may still be the same artifacts.
pub type SetsPrint = [u8; 16];

/// What the index holds of one state of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glimpse {
    /// When it was seen; never after the ledger took it.
    pub at: Timestamp,
    /// The entry that says so.
    pub index: u64,
    /// What kind of state it is.
    pub sight: Sight,
    /// In how many seconds the next observation was promised.
    pub next_within: Option<u64>,
    /// What was seen, in short.
    pub sets: SetsPrint,
}

impl Glimpse {
    /// What an event says was seen of a service; nothing of events that see nothing of it.
    pub fn of(index: u64, payload: &Payload, service: &str, (time, received): (Timestamp, Timestamp)) -> Option<Self> {
        match payload {
            Payload::InventoryObserved(inventory) => {
                let sets = inventory.listed(service)?;
                Some(Self::listed(index, inventory, sets, (time, received)))
            }
            Payload::DeploymentObserved(observed) => Some(Self {
                at: observed.observed_at.timestamp().unwrap_or(time).min(received),
                index,
                sight: if observed.complete { Sight::Whole } else { Sight::Part },
                next_within: observed.next_within_seconds.map(|seconds| seconds.get().min(LONGEST)),
                sets: print_of(&observed.serving_set),
            }),
            Payload::DeploymentRemoved(_) => Some(Self::end(index, time.min(received))),
            _ => None,
        }
    }

    /// What an inventory lists of a service. Whether all of a service was seen is what the inventory says of everything.
    pub(super) fn listed(
        index: u64,
        inventory: &InventoryObserved,
        sets: &[ServedSet],
        (time, received): (Timestamp, Timestamp),
    ) -> Self {
        Self {
            at: inventory.observed_at.timestamp().unwrap_or(time).min(received),
            index,
            sight: if inventory.complete { Sight::Whole } else { Sight::Part },
            next_within: inventory.next_within_seconds.map(|seconds| seconds.get().min(LONGEST)),
            sets: print_of(sets),
        }
    }

    /// That a service was not there any more: nothing is due after that.
    pub fn end(index: u64, at: Timestamp) -> Self {
        Self { at, index, sight: Sight::End, next_within: None, sets: print_of(&[]) }
    }

    /// Whether all of the service was seen, and nothing was there.
    pub fn is_empty(&self) -> bool {
        self.sight != Sight::Part && self.sets == print_of(&[])
    }

    /// Until when it holds: its promised next one; without an end where none was promised.
    pub fn due(&self) -> Option<Timestamp> {
        let millis = i64::try_from(self.next_within?).unwrap_or(i64::MAX).saturating_mul(1000);
        Some(Timestamp::from_millis(self.at.as_millis().saturating_add(millis)))
    }

    pub(super) fn pair(&self, service: &str) -> (Vec<u8>, Vec<u8>) {
        let mut value = vec![match self.sight {
            Sight::Whole => b'w',
            Sight::Part => b'p',
            Sight::End => b'e',
        }];
        value.extend(self.next_within.unwrap_or(NONE).to_be_bytes());
        value.extend(self.sets);
        (key(b'o', &[service.as_bytes(), b"\0", &ordered(self.at), &self.index.to_be_bytes()]), value)
    }

    fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let mut end = key.get(key.len().checked_sub(16)?..)?;
        let (millis, index) = (take_u64(&mut end)?, take_u64(&mut end)?);
        let (sight, mut rest) = value.split_first()?;
        let sight = match sight {
            b'w' => Sight::Whole,
            b'p' => Sight::Part,
            b'e' => Sight::End,
            _ => return None,
        };
        let next_within = Some(take_u64(&mut rest)?).filter(|seconds| *seconds != NONE);
        Some(Self { at: moment_of(millis)?, index, sight, next_within, sets: rest.try_into().ok()? })
    }
}

/// No promise of a next observation.
const NONE: u64 = u64::MAX;

/// The longest promise that is kept.
const LONGEST: u64 = u64::MAX - 1;

/// A moment as bytes that sort as it does.
pub(super) fn ordered(at: Timestamp) -> [u8; 8] {
    u64::try_from(at.as_millis().saturating_sub(Timestamp::MIN.as_millis())).unwrap_or(0).to_be_bytes()
}

/// The moment that [`ordered`] wrote as this number.
pub(super) fn moment_of(ordered: u64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(i64::try_from(ordered).ok()?.checked_add(Timestamp::MIN.as_millis())?))
}

/// Parts in an order of their own, each with its share; how many instances there are is left out.
pub fn print_of(sets: &[ServedSet]) -> SetsPrint {
    let mut parts: Vec<String> = sets
        .iter()
        .map(|set| {
            let share = set.share.as_ref().map_or("", |share| share.as_decimal().as_str());
            let written = |component| serde_json::to_string(component).unwrap_or_default();
            let mut components: Vec<String> = set.components.iter().map(written).collect();
            components.sort();
            format!("{share}\n{}\n\n", components.join("\n"))
        })
        .collect();
    parts.sort();
    sha256(parts.concat().as_bytes()).first_chunk().copied().unwrap_or_default()
}

impl Index {
    /// From when to when an artifact was seen at a service; wider where that is not known so exactly.
    pub fn span(&self, artifact: &StrongDigest, service: &str) -> Result<Span, StoreError> {
        let key = key(b'v', &[&tagged(artifact), service.as_bytes()]);
        Ok(self.store.get(&key)?.map_or(Span::NEVER, |value| Span::read(&value).unwrap_or(Span::ALWAYS)))
    }

    /// What was seen of a service within a span and before the moment `before`, as entries below `size` say: the newest
    /// first, until `visit` says that it is enough.
    pub fn seen_within(
        &self,
        service: &str,
        span: Span,
        before: Option<Timestamp>,
        size: u64,
        visit: &mut dyn FnMut(Glimpse) -> bool,
    ) -> Result<(), StoreError> {
        let prefix = key(b'o', &[service.as_bytes(), b"\0"]);
        let end = before.map_or([u8::MAX; 8], ordered);
        // All of the last moment: its keys go on with an index.
        let last = [span.last.as_slice(), &[u8::MAX; 9]].concat();
        let end = [prefix.as_slice(), end.as_slice().min(&last)].concat();
        self.store.scan_back(&prefix, &end, &mut |key, value| {
            let Some(glimpse) = Glimpse::read(key, value) else { return true };
            ordered(glimpse.at) >= span.first && (glimpse.index >= size || visit(glimpse))
        })
    }

    /// What was seen of a service before the moment `before` (all of it where that is none), as entries below `size`
    /// say: the newest first, at least `least` where there are as many, and all of the oldest moment among them.
    pub fn seen(
        &self,
        service: &str,
        before: Option<Timestamp>,
        size: u64,
        least: usize,
    ) -> Result<Vec<Glimpse>, StoreError> {
        let prefix = key(b'o', &[service.as_bytes(), b"\0"]);
        let end = match before {
            Some(before) => [prefix.as_slice(), &ordered(before)].concat(),
            None => key(b'o', &[service.as_bytes(), b"\x01"]),
        };
        let mut found: Vec<Glimpse> = Vec::new();
        self.store.scan_back(&prefix, &end, &mut |key, value| {
            let Some(glimpse) = Glimpse::read(key, value).filter(|glimpse| glimpse.index < size) else { return true };
            if found.len() >= least && found.last().is_some_and(|last| last.at != glimpse.at) {
                return false;
            }
            found.push(glimpse);
            true
        })?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::index::store::{Batch, MemoryStore, RedbStore, Store};

    fn glimpse(at: i64, index: u64) -> Glimpse {
        let next_within = index.is_multiple_of(2).then_some(60);
        Glimpse { at: Timestamp::from_millis(at), index, sight: Sight::Part, next_within, sets: [7; 16] }
    }

    fn filled(store: Arc<dyn Store>) -> Index {
        let mut batch = Batch::default();
        for (service, at, index) in [("s", -5, 9), ("s", 0, 4), ("s", 70, 3), ("s", 70, 8), ("sa", 1, 1), ("r", 2, 2)] {
            let (key, value) = glimpse(at, index).pair(service);
            batch.put(key, value);
        }
        store.apply(batch).unwrap();
        Index::new(store).unwrap()
    }

    #[test]
    fn what_was_seen_is_read_backwards_from_any_moment_in_both_stores() {
        let folder = tempfile::tempdir().unwrap();
        let stores: [Arc<dyn Store>; 2] =
            [Arc::new(MemoryStore::default()), Arc::new(RedbStore::open(folder.path()).unwrap())];
        for index in stores.map(filled) {
            let seen = |before: Option<i64>, size, least| {
                index.seen("s", before.map(Timestamp::from_millis), size, least).unwrap()
            };
            assert_eq!(seen(None, 100, 9), [glimpse(70, 8), glimpse(70, 3), glimpse(0, 4), glimpse(-5, 9)]);
            assert_eq!(seen(None, 100, 1), [glimpse(70, 8), glimpse(70, 3)], "all of the oldest moment");
            assert_eq!(seen(Some(70), 100, 1), [glimpse(0, 4)], "what is before a moment");
            assert_eq!(seen(Some(71), 8, 9), [glimpse(70, 3), glimpse(0, 4)], "entries that are known");
            assert_eq!(seen(Some(-5), 100, 9), [], "and nothing before the first");
        }
    }
}
