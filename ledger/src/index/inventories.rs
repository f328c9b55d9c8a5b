//! Inventories of each environment, in the order of when they were seen: the key `e`.
//!
//! The step that makes absence an answer: what a whole inventory does not list was not there. Promises all parts of a
//! moment together, as far as they are known. Never says that something was absent: an inventory can be corrected, and
//! that is the answers' part.

use lineal_schemas::{digest::sha256, timestamp::Timestamp, vocabulary::inventory::InventoryObserved};

use super::{
    Index, StoreError, key, last_index,
    seen::{moment_of, ordered},
    take_u32, take_u64,
};

/// One event of an inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// When it was seen, as its observer says.
    pub at: Timestamp,
    /// Whether everything was seen.
    pub complete: bool,
    /// Which part it is, from 1; 0 where there are no parts.
    pub number: u32,
    /// Of how many; 0 where there are no parts.
    pub of: u32,
    /// A digest of who saw it.
    pub observer: [u8; 8],
}

/// The events of one moment, each with its entry.
pub type Parts = Vec<(u64, Part)>;

impl Part {
    /// What an inventory says of itself.
    pub(super) fn of(inventory: &InventoryObserved, time: Timestamp) -> Self {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let part = inventory.part.as_ref();
        let observer = sha256(inventory.observer.as_str().as_bytes());
        Self {
            at: inventory.observed_at.timestamp().unwrap_or(time),
            complete: inventory.complete,
            number: part.map_or(0, |part| small(part.number.get())),
            of: part.map_or(0, |part| small(part.of.get())),
            observer: observer.first_chunk().copied().unwrap_or_default(),
        }
    }

    pub(super) fn pair(&self, environment: &str, index: u64) -> (Vec<u8>, Vec<u8>) {
        let mut value = vec![u8::from(self.complete)];
        value.extend(self.number.to_be_bytes());
        value.extend(self.of.to_be_bytes());
        value.extend(self.observer);
        (key(b'e', &[environment.as_bytes(), b"\0", &ordered(self.at), &index.to_be_bytes()]), value)
    }

    fn read(at: Timestamp, value: &[u8]) -> Option<Self> {
        let (complete, mut rest) = value.split_first()?;
        let (number, of) = (take_u32(&mut rest)?, take_u32(&mut rest)?);
        Some(Self { at, complete: *complete == 1, number, of, observer: rest.try_into().ok()? })
    }
}

fn take_moment(mut bytes: &[u8]) -> Option<Timestamp> {
    moment_of(take_u64(&mut bytes)?)
}

impl Index {
    /// The first moment after `after` at which an environment was looked at as a whole, as entries below `size` say: all
    /// of its parts.
    pub fn next_inventory(&self, environment: &str, after: Timestamp, size: u64) -> Result<Option<Parts>, StoreError> {
        let prefix = key(b'e', &[environment.as_bytes(), b"\0"]);
        let next = Timestamp::from_millis(after.as_millis().saturating_add(1));
        let from = [prefix.as_slice(), &ordered(next)].concat();
        let mut parts: Parts = Vec::new();
        self.store.scan(&prefix, &from, &mut |key, value| {
            let moment = key.get(prefix.len()..prefix.len() + 8).and_then(take_moment);
            let part = moment.and_then(|at| Part::read(at, value));
            let Some((index, part)) = last_index(key).zip(part).filter(|(index, _part)| *index < size) else {
                return true;
            };
            let same = parts.first().is_none_or(|(_index, first)| first.at == part.at);
            if same {
                parts.push((index, part));
            }
            same
        })?;
        Ok(Some(parts).filter(|parts| !parts.is_empty()))
    }
}
