//! The projections: what answers are looked up in, made from the record and never the other way round.
//!
//! One ordered map, a first byte for each kind of key. It follows the record behind the acknowledgement, and carries
//! the tree size that it reflects in the same batch as its keys. Losing it loses nothing.
//!
//! | key | value |
//! |---|---|
//! | `z` | format, entries reflected, sources numbered |
//! | `s` source | its number, its state |
//! | `q` number sequence/64 | 64 places of 8 bytes: one more than the index that holds it, the event or its refusal |
//! | `x` digest | index of the refusal of that event |
//! | `d` index/64 | 64 places of 16 bytes: the first 8 of the event's digest, the last 8 of its id |
//! | `a` algorithm digest says index | an event that mentions that artifact: says is 0 where it describes it or gives it another digest, 1 where it used it, 2 where the event is about a service; of a completed run that used it 3 bytes for each use, the places of role, influence and basis among their kind; of an event that says what it was made from algorithm and digest of each of these |
//! | `r` index | a completed run in brief: 8 bytes each of its time and of when it was taken in, 32 of its digest, 1 of how many keys signed it and 32 each, 1 of the job's kind, the run's id, the subject; of each artifact that it made algorithm and digest, name, address; texts with 2 bytes of length before them |
//! | `u` place moment index | 16 bytes of a digest of what was snapshotted then, the place as 16 bytes of a digest of the data set's name and its address |
//! | `h` dirHash | index of the first event that mentions that tree |
//! | `v` algorithm digest subject | a service about which an event mentions that artifact: the first and the last moment at which it was seen there |
//! | `n` subject `\0` index/64 | 64 places of 1 byte: one more than the event's type's place in the vocabulary |
//! | `t` digest | index of an event that names this attachment, itself or in the data of a correction |
//! | `k` index | a key event |
//! | `g` commit `\0` index | an event that mentions that commit |
//! | `p` library `\0` version `\0` index | an event about a run that declares that version of it, by its name in one spelling |
//! | `y` subject | nothing, of a subject that a correction is about |
//! | `c` subject `\0` type index | a correction of an event about that subject, and every event about a service that sees nothing of it: the type is 1 byte of its place |
//! | `m` service `\0` verdict index | a decision of the ledger itself: the verdict is 1 byte, 0 for allow, 1 for deny, 2 for undecided; 8 bytes of its moment, 16 of a digest of the serving set |
//! | `j` request index | a decision about a service that was asked for by a tool for its request: 16 bytes of a digest of the service and of what the tool calls the request |
//! | `b` service `\0` day set | the first and the last moment of that day at which just this was seen as all that runs there: 8 bytes of the day, 16 of a digest of the serving set |
//! | `f` index | the type's place, of an event that flags an artifact or clears it |
//! | `e` environment `\0` moment index | an inventory that was seen then: 1 byte of whether all was, 4 of its part's number, 4 of how many there are, 8 of a digest of its observer |
//! | `i` `s` service `\0` index, `i` `a` algorithm digest index | an incident's event that says that it touches that service, that artifact |
//! | `l` index/64 | 64 places of 4 bytes: how many minutes after it happened an event arrived, where that is [`LATE_MINUTES`] or more |
//! | `w` keyid index/64 | 64 places of 1 byte: one more than the type's place of an event that this key signed, 255 where that is not known |
//! | `o` service `\0` moment index | what an event saw of a service at that moment: 1 byte of kind, 8 of the seconds until the next look, 16 of a digest of what was seen |
//!
//! What every event has a place in stands 64 together under one key: a store pays by the key, in time and in room. The
//! places are fixed by index and number, so that an index made again is the same byte for byte.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Arc, PoisonError, RwLock},
};

use foldhash::HashSet;
use lineal_schemas::{
    digest::{EventDigest, KeyId, sha256},
    facts::Facts,
    sequence::SourceState,
    strong::{StrongDigest, StrongKind},
    timestamp::Timestamp,
    vocabulary::TYPES,
};

pub mod beside;
pub mod brief;
mod days;
pub mod inventories;
mod lists;
pub mod made_with;
pub mod mentions;
pub mod places;
mod project;
pub mod seen;
pub mod store;

pub use self::mentions::Mentions;
pub(crate) use self::{mentions::is_ancestor, project::is_description};
use self::{
    project::project,
    seen::Span,
    store::{Batch, Store, StoreError},
};

/// Changes whenever keys or values change: another number means making it again.
const FORMAT: u32 = 16;

/// The most subjects of corrections that are kept in memory.
const MOST_CORRECTED: usize = 100_000;

/// From how many minutes on an event arrives late. An outbox may well wait for a network that is gone for a while.
pub const LATE_MINUTES: u32 = 60;

const STAMP_KEY: &[u8] = b"z";

/// What the index says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexStamp {
    /// Entries reflected.
    pub size: u64,
    /// Sources that have a number.
    pub sources: u32,
}

/// A source's number and state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// Given in the order of first appearance.
    pub number: u32,
    /// As [`SourceState`] defines it.
    pub state: SourceState,
}

/// What one entry changes about a source.
#[derive(Debug, Clone)]
pub struct Touch {
    /// The source.
    pub source: String,
    /// Its number and state with the entry.
    pub tracked: Tracked,
    /// The sequence number that the entry holds.
    pub sequence: u64,
}

/// One committed entry, ready to be projected.
#[derive(Debug)]
pub struct Projected {
    /// Its index.
    pub index: u64,
    /// When the ledger took it.
    pub received: Timestamp,
    /// The keys that signed its event.
    pub signers: Vec<KeyId>,
    /// What its event says; nothing where the body is erased.
    pub facts: Option<Arc<Facts>>,
    /// The sources that it touches: its own, and for a filling refusal the refused event's.
    pub touches: Vec<Touch>,
}

/// The projections over one store.
#[derive(Debug, Clone)]
pub struct Index {
    store: Arc<dyn Store>,
    corrected: Arc<RwLock<Corrected>>,
}

/// The subjects of corrections, as far as they fit: an answer asks for nearly every event whether it was corrected, and
/// nearly none was.
#[derive(Debug, Default)]
struct Corrected {
    subjects: HashSet<String>,
    is_cut: bool,
}

impl Corrected {
    fn add(&mut self, subject: &[u8]) {
        self.is_cut |= self.subjects.len() >= MOST_CORRECTED;
        if !self.is_cut {
            self.subjects.insert(String::from_utf8_lossy(subject).into_owned());
        }
    }
}

impl Index {
    /// Over this store, which must be empty or made by this format.
    pub fn new(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let mut corrected = Corrected::default();
        store.scan(b"y", b"y", &mut |key, _value| {
            corrected.add(key.get(1..).unwrap_or_default());
            !corrected.is_cut
        })?;
        let index = Self { store, corrected: Arc::new(RwLock::new(corrected)) };
        index.stamp()?;
        Ok(index)
    }

    /// What it reflects.
    pub fn stamp(&self) -> Result<IndexStamp, StoreError> {
        let Some(value) = self.store.get(STAMP_KEY)? else { return Ok(IndexStamp::default()) };
        let mut rest = value.as_slice();
        let read = (|| Some((take_u32(&mut rest)?, take_u64(&mut rest)?, take_u32(&mut rest)?)))();
        match read {
            Some((FORMAT, size, sources)) => Ok(IndexStamp { size, sources }),
            _ => Err(StoreError("made by another version".to_owned())),
        }
    }

    /// Makes what was applied durable.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.store.bytes()
    }

    /// Takes entries in, all or none; the first must be the one after those reflected.
    pub fn apply(&self, entries: &[Projected], stamp: IndexStamp) -> Result<(), StoreError> {
        let mut shelves = Shelves { store: &*self.store, open: BTreeMap::new() };
        let mut batch = Batch::default();
        for entry in entries {
            project(entry, &mut batch, &mut shelves)?;
        }
        batch.puts.extend(shelves.open);
        let mut value = FORMAT.to_be_bytes().to_vec();
        value.extend(stamp.size.to_be_bytes());
        value.extend(stamp.sources.to_be_bytes());
        batch.put(STAMP_KEY.to_vec(), value);
        let corrected: Vec<Vec<u8>> =
            batch.puts.iter().filter_map(|(key, _value)| key.strip_prefix(b"y")).map(<[u8]>::to_vec).collect();
        // Before the keys are there: who knows too early only looks in vain.
        if !corrected.is_empty() {
            let mut known = self.corrected.write().unwrap_or_else(PoisonError::into_inner);
            for subject in &corrected {
                known.add(subject);
            }
        }
        self.store.apply(batch)
    }

    /// Whether any event about this subject may have a correction.
    pub fn is_corrected(&self, subject: &str) -> bool {
        let known = self.corrected.read().unwrap_or_else(PoisonError::into_inner);
        known.is_cut || known.subjects.contains(subject)
    }

    /// A source's number and state.
    pub fn source(&self, source: &str) -> Result<Option<Tracked>, StoreError> {
        let Some(value) = self.store.get(&key(b's', &[source.as_bytes()]))? else { return Ok(None) };
        read_tracked(&value).map(Some).ok_or_else(|| StoreError(format!("malformed state of `{source}`")))
    }

    /// Every source with its number and state, sorted.
    pub fn sources(&self) -> Result<Vec<(String, Tracked)>, StoreError> {
        let mut sources = Vec::new();
        self.store.scan(b"s", b"s", &mut |key, value| {
            let name = String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned();
            sources.extend(read_tracked(value).map(|tracked| (name, tracked)));
            true
        })?;
        Ok(sources)
    }

    /// The index that holds a number of a source.
    pub fn holder(&self, number: u32, sequence: u64) -> Result<Option<u64>, StoreError> {
        let (shelf, place) = shelf_of(sequence);
        let value = self.store.get(&key(b'q', &[&number.to_be_bytes(), &shelf]))?.unwrap_or_default();
        let held = value.get(place * 8..).and_then(|mut held| take_u64(&mut held));
        Ok(held.and_then(|held| held.checked_sub(1)))
    }

    /// The index of the refusal of an event.
    pub fn refusal(&self, digest: &EventDigest) -> Result<Option<u64>, StoreError> {
        Ok(self.store.get(&key(b'x', &[digest.as_bytes()]))?.and_then(|value| take_u64(&mut value.as_slice())))
    }

    /// The index of an event that names this attachment.
    pub fn attachment(&self, sha256: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.store.get(&key(b't', &[sha256.as_bytes()]))?.and_then(|value| take_u64(&mut value.as_slice())))
    }

    /// Indices whose event's digest begins with these bytes; where more than 8 are given, the caller compares the rest.
    /// Looks through all events, 16 bytes each.
    pub fn by_digest(&self, prefix: &[u8]) -> Result<Vec<u64>, StoreError> {
        let prefix = prefix.get(..8).unwrap_or(prefix);
        self.named(&|name| name.starts_with(prefix))
    }

    /// Indices whose event may have this id: the caller compares it. Looks through all events, 16 bytes each.
    pub fn by_id(&self, id: &str) -> Result<Vec<u64>, StoreError> {
        match id_bytes(id) {
            Some(bytes) => self.named(&|name| name.get(8..) == bytes.get(8..)),
            None => Ok(Vec::new()),
        }
    }

    fn named(&self, fits: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u64>, StoreError> {
        let mut found = Vec::new();
        self.store.scan(b"d", b"d", &mut |key, value| {
            let first = last_index(key).unwrap_or_default() * SHELF;
            let places = (first..).zip(value.chunks(NAME_BYTES));
            found.extend(
                places
                    .filter(|(_index, name)| name.iter().any(|byte| *byte != 0) && fits(name))
                    .map(|(index, _)| index),
            );
            true
        })?;
        Ok(found)
    }

    /// Indices of events about this subject, with their types, in order.
    pub fn by_subject(&self, subject: &str) -> Result<Vec<(u64, &'static str)>, StoreError> {
        let prefix = key(b'n', &[subject.as_bytes(), b"\0"]);
        let mut found = Vec::new();
        self.store.scan(&prefix, &prefix, &mut |key, value| {
            let first = last_index(key).unwrap_or_default() * SHELF;
            for (index, kind) in (first..).zip(value) {
                found.extend(type_at(*kind).map(|name| (index, name)));
            }
            true
        })?;
        Ok(found)
    }

    /// The first entry about this subject.
    pub fn first_about(&self, subject: &str) -> Result<Option<u64>, StoreError> {
        let prefix = key(b'n', &[subject.as_bytes(), b"\0"]);
        let mut found = None;
        self.store.scan(&prefix, &prefix, &mut |key, value| {
            let first = last_index(key).unwrap_or_default() * SHELF;
            found = (first..).zip(value).find(|(_index, kind)| **kind != 0).map(|(index, _kind)| index);
            found.is_none()
        })?;
        Ok(found)
    }

    /// Subjects that begin with `prefix`, at most `limit`.
    pub fn subjects(&self, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut found: Vec<String> = Vec::new();
        let mut from = key(b'n', &[prefix.as_bytes()]);
        let wanted = from.clone();
        while found.len() < limit {
            let mut next = None;
            self.store.scan(&wanted, &from, &mut |key, _value| {
                next = key.get(1..).and_then(|rest| rest.split(|byte| *byte == 0).next()).map(<[u8]>::to_vec);
                false
            })?;
            let Some(subject) = next else { break };
            from = key(b'n', &[&subject, b"\x01"]);
            found.push(String::from_utf8_lossy(&subject).into_owned());
        }
        Ok(found)
    }

    /// Indices of all key events, in order.
    pub fn key_events(&self) -> Result<Vec<u64>, StoreError> {
        self.indices(b"k")
    }

    fn indices(&self, prefix: &[u8]) -> Result<Vec<u64>, StoreError> {
        let mut found = Vec::new();
        self.store.scan(prefix, prefix, &mut |key, _value| {
            found.extend(last_index(key));
            true
        })?;
        Ok(found)
    }

    /// A digest of all keys and values: two indexes of the same record have the same.
    pub fn fingerprint(&self) -> Result<[u8; 32], StoreError> {
        let mut chain = [0; 32];
        self.store.scan(b"", b"", &mut |key, value| {
            chain = sha256(&[&chain, sha256(key).as_slice(), sha256(value).as_slice()].concat());
            true
        })?;
        Ok(chain)
    }
}

/// Places under one key.
const SHELF: u64 = 64;

/// Bytes of an event's place under `d`.
const NAME_BYTES: usize = 16;

/// The last part of a shelf's key, and the place in it.
fn shelf_of(number: u64) -> ([u8; 8], usize) {
    ((number / SHELF).to_be_bytes(), usize::try_from(number % SHELF).unwrap_or(0))
}

/// The name of the type whose place in the vocabulary is one less.
fn type_at(kind: u8) -> Option<&'static str> {
    kind.checked_sub(1).and_then(|at| TYPES.get(usize::from(at))).map(|rule| rule.name)
}

/// The shelves that a batch puts something on.
struct Shelves<'a> {
    store: &'a dyn Store,
    open: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Shelves<'_> {
    /// The value of a key, as the batch will leave it.
    fn open_at(&mut self, key: Vec<u8>) -> Result<&mut Vec<u8>, StoreError> {
        Ok(match self.open.entry(key) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(vacant) => {
                let stored = self.store.get(vacant.key())?;
                vacant.insert(stored.unwrap_or_default())
            }
        })
    }

    /// Widens the span that stands under a key.
    fn widen(&mut self, key: Vec<u8>, span: Span) -> Result<(), StoreError> {
        let value = self.open_at(key)?;
        let known = Span::read(value).unwrap_or(Span::NEVER);
        *value = known.and(span).bytes();
        Ok(())
    }

    /// Puts an index under a key that has none yet.
    fn first(&mut self, key: Vec<u8>, index: u64) -> Result<(), StoreError> {
        let value = self.open_at(key)?;
        if value.is_empty() {
            value.extend(index.to_be_bytes());
        }
        Ok(())
    }

    /// Puts `bytes` on the place of `number`, on the shelf whose key begins with `prefix`.
    fn put(&mut self, mut prefix: Vec<u8>, number: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let (shelf, place) = shelf_of(number);
        prefix.extend(shelf);
        let value = self.open_at(prefix)?;
        let at = place * bytes.len();
        if value.len() < at + bytes.len() {
            value.resize(at + bytes.len(), 0);
        }
        if let Some(place) = value.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        Ok(())
    }
}

/// An artifact as keys have it: 1 byte of how its digest is made, and the digest.
fn tagged(artifact: &StrongDigest) -> [u8; 33] {
    let mut tagged = [0; 33];
    if let Some((tag, digest)) = tagged.split_first_mut() {
        *tag = u8::from(artifact.kind == StrongKind::DirHash);
        digest.copy_from_slice(&artifact.bytes);
    }
    tagged
}

/// The artifact of which these are the bytes in a key.
fn untagged(tagged: &[u8; 33]) -> Option<StrongDigest> {
    let (tag, bytes) = tagged.split_first_chunk::<1>()?;
    let kind = match tag {
        [0] => StrongKind::Sha256,
        [1] => StrongKind::DirHash,
        _ => return None,
    };
    Some(StrongDigest { kind, bytes: *bytes.first_chunk()? })
}

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(kind);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

fn last_index(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

fn read_tracked(value: &[u8]) -> Option<Tracked> {
    let (number, state) = value.split_first_chunk()?;
    Some(Tracked { number: u32::from_be_bytes(*number), state: SourceState::from_bytes(state)? })
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*taken))
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_be_bytes(*taken))
}

fn id_bytes(id: &str) -> Option<Vec<u8>> {
    hex::decode(id.replace('-', "")).ok().filter(|bytes| bytes.len() == 16)
}
