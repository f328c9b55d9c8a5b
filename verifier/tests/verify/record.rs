//! Builds small records in memory, line by line, with the formats' own signing functions: good ones, and on request
//! ones that no honest ledger would write. Never used outside tests and benchmarks.

use std::collections::BTreeMap;

use lineal_schemas::{
    checkpoint::Checkpoint,
    digest::{EntryHash, EventDigest, LeafHash, RootHash},
    dsse::{Signature, Signed},
    entry::Entry,
    head::{HEAD_BYTES, Head, SLOT_BYTES},
    key::SecretKey,
    line,
    merkle::{empty_root, leaf_hash, node_hash},
    note::{self, Note, VerifierKey},
    timestamp::Timestamp,
    trust::Trust,
};
use lineal_verifier::{
    log::{Question, verify},
    record::Record,
    report::Report,
};
use serde_json::{Value, json};

pub(crate) const ORIGIN: &str = "example.com/ledger";
pub(crate) const START_MS: i64 = 1_795_470_612_345;

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32]).unwrap()
}

/// RFC 6962 section 2.1.
pub(crate) fn defined_root(leaves: &[LeafHash]) -> RootHash {
    fn mth(leaves: &[LeafHash]) -> [u8; 32] {
        if let [one] = leaves {
            return *one.as_bytes();
        }
        let k = 1 << (leaves.len() - 1).ilog2();
        node_hash(&mth(&leaves[..k]), &mth(&leaves[k..]))
    }
    if leaves.is_empty() { empty_root() } else { RootHash::from_bytes(mth(leaves)) }
}

/// What an event says besides its place.
pub(crate) struct Says<'a> {
    pub(crate) source: &'a str,
    pub(crate) name: &'a str,
    pub(crate) subject: String,
    pub(crate) data: Value,
}

/// The bytes of a record and of its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) segments: Vec<(u64, Vec<u8>)>,
    pub(crate) head: Option<Vec<u8>>,
}

impl Bytes {
    pub(crate) fn record(&self) -> Record {
        Record::in_memory(self.segments.clone(), self.head.clone())
    }

    pub(crate) fn verify(&self, trust: &Trust) -> Report {
        verify(&self.record(), trust, &Question::default(), &|_| {}).unwrap().report
    }
}

/// A line of a record: where it is, and the entry that it is or the last that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) segment: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) index: u64,
    pub(crate) is_checkpoint: bool,
}

pub(crate) struct Ledger {
    pub(crate) root: SecretKey,
    /// Those that sign checkpoints now.
    pub(crate) keys: Vec<SecretKey>,
    pub(crate) genesis: EventDigest,
    pub(crate) received: Timestamp,
    pub(crate) next: u64,
    pub(crate) previous: EntryHash,
    pub(crate) leaves: Vec<LeafHash>,
    pub(crate) bytes: Bytes,
    pub(crate) lines: Vec<Line>,
    sources: BTreeMap<String, (u64, Option<EventDigest>)>,
    heads: Vec<Head>,
    ids: u64,
}

impl Ledger {
    /// A ledger whose first batch is its genesis.
    pub(crate) fn new() -> Self {
        let mut ledger = Self {
            root: key(1),
            keys: vec![key(2)],
            genesis: EventDigest::of(b""),
            received: Timestamp::from_millis(START_MS),
            next: 0,
            previous: EntryHash::before_genesis(ORIGIN),
            leaves: Vec::new(),
            bytes: Bytes { segments: vec![(0, Vec::new())], head: None },
            lines: Vec::new(),
            sources: BTreeMap::new(),
            heads: vec![Head { batch: 0, size: 0, root: empty_root(), segment: 0, length: 0 }],
            ids: 0,
        };
        let genesis = ledger.genesis_event();
        ledger.genesis = genesis.digest();
        ledger.append(&genesis);
        ledger.commit();
        ledger
    }

    fn genesis_event(&mut self) -> Signed {
        let (root, own) = (self.root.public().clone(), self.keys[0].public().clone());
        let vkey = VerifierKey::new(ORIGIN, own.clone()).unwrap().to_string();
        let data = json!({
            "origin": ORIGIN, "formatVersion": 1, "threshold": 1,
            "ledgerKey": {"verifierKey": vkey, "publicKey": own.to_pem()},
            "roots": [{"keyid": root.keyid().to_string(), "publicKey": root.to_pem()}],
        });
        let source = own_source();
        let says = Says { source: &source, name: "ledger.created", subject: format!("ledger/{ORIGIN}"), data };
        let mut event = self.event(&says);
        event.as_object_mut().unwrap().remove("ledger");
        let signed = Signed::sign(event.to_string().into_bytes(), &[&key(1)]);
        self.sources.insert(source, (1, Some(signed.digest())));
        signed
    }

    pub(crate) fn trust(&self) -> Trust {
        let vkey = VerifierKey::new(ORIGIN, self.keys.last().unwrap().public().clone()).unwrap();
        Trust::new(self.genesis, &[vkey]).unwrap()
    }

    /// The next event of its source, as JSON whose text is compact.
    pub(crate) fn event(&mut self, says: &Says<'_>) -> Value {
        let (number, previous) = self.sources.get(says.source).copied().unwrap_or_default();
        self.ids += 1;
        let mut event = json!({
            "specversion": "1.0", "id": format!("0192f3a0-0000-7000-8000-{:012x}", self.ids),
            "source": says.source, "type": format!("dev.lineal.{}.v1", says.name), "subject": says.subject,
            "time": "2026-11-23T21:50:12Z", "datacontenttype": "application/json",
            "dataschema": format!("https://lineal.dev/schemas/{}.v1.json", says.name),
            "ledger": self.genesis.to_string(), "sequence": format!("{:012}", number + 1), "data": says.data,
        });
        if let Some(previous) = previous {
            event["previous"] = previous.to_string().into();
        }
        event
    }

    /// Signs an event and counts it as its source's newest.
    pub(crate) fn sign(&mut self, event: &Value, keys: &[&SecretKey]) -> Signed {
        let signed = Signed::sign(event.to_string().into_bytes(), keys);
        let number = event["sequence"].as_str().unwrap().parse().unwrap();
        self.sources.insert(event["source"].as_str().unwrap().to_owned(), (number, Some(signed.digest())));
        signed
    }

    /// Makes, signs and appends an event.
    pub(crate) fn say(&mut self, says: &Says<'_>, keys: &[&SecretKey]) -> Signed {
        let event = self.event(says);
        let signed = self.sign(&event, keys);
        self.append(&signed);
        signed
    }

    /// The root enrols a key for everything below `//producer/` and `dataset/`.
    pub(crate) fn enrol(&mut self, new: &SecretKey) {
        let root = key(1);
        let source = format!("{}/root/{}", own_source(), root.keyid());
        let data = json!({
            "keyid": new.keyid().to_string(), "publicKey": new.public().to_pem(), "producer": "pipeline",
            "sources": ["//producer/**"], "roles": ["data"], "types": ["dataset.snapshotted"], "names": ["dataset/**"],
        });
        self.say(
            &Says { source: &source, name: "key.enrolled", subject: format!("key/{}", new.keyid()), data },
            &[&root],
        );
    }

    /// A snapshot by a producer.
    pub(crate) fn snapshot(&mut self, source: &str, by: &SecretKey, pad: usize) -> Signed {
        self.say(&snapshot(source, pad), &[by])
    }

    pub(crate) fn append(&mut self, signed: &Signed) {
        let entry = self.entry_of(signed.digest(), &signed.signatures);
        self.append_entry(&entry, &signed.event);
    }

    pub(crate) fn entry_of(&self, event: EventDigest, signatures: &[Signature]) -> Entry {
        let (index, previous) = (self.next, self.previous);
        Entry { index, received: self.received, previous, event, signatures: signatures.to_vec() }
    }

    pub(crate) fn append_entry(&mut self, entry: &Entry, body: &[u8]) {
        let bytes = entry.to_bytes();
        self.line(self.next, |into| line::write_entry(into, &bytes, body));
        self.previous = EntryHash::of(&bytes);
        self.leaves.push(leaf_hash(&bytes));
        self.next += 1;
    }

    fn line(&mut self, index: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let segment = self.bytes.segments.len() - 1;
        let bytes = &mut self.bytes.segments[segment].1;
        let start = bytes.len();
        write(bytes);
        let is_checkpoint = bytes[start] == b'"';
        self.lines.push(Line { segment, start, end: bytes.len(), index, is_checkpoint });
    }

    /// The checkpoint of the entries so far, signed by `keys`.
    pub(crate) fn checkpoint(&self, keys: &[&SecretKey]) -> String {
        let size = self.leaves.len() as u64;
        let text = Checkpoint { origin: ORIGIN.to_owned(), size, root: defined_root(&self.leaves) }.to_string();
        let signatures = keys.iter().map(|key| note::sign(&text, ORIGIN, key)).collect();
        Note { text, signatures }.to_string()
    }

    pub(crate) fn commit(&mut self) {
        let keys: Vec<_> = self.keys.iter().collect();
        let note = self.checkpoint(&keys);
        self.commit_with(&note);
    }

    /// Ends the batch with that checkpoint, and moves the head.
    pub(crate) fn commit_with(&mut self, note: &str) {
        self.line(self.next - 1, |into| line::write_checkpoint(into, note));
        let (segment, bytes) = self.bytes.segments.last().unwrap();
        let (segment, length) = (*segment, bytes.len() as u64);
        let batch = self.heads.last().unwrap().batch + 1;
        self.heads.push(Head { batch, size: self.next, root: defined_root(&self.leaves), segment, length });
        self.write_head(self.heads.len());
    }

    /// Writes the head file as it stood after the first `count` heads.
    pub(crate) fn write_head(&mut self, count: usize) {
        let mut file = vec![0; HEAD_BYTES];
        for head in &self.heads[count.saturating_sub(2)..count] {
            let at = usize::try_from(head.slot_offset()).unwrap();
            file[at..at + SLOT_BYTES].copy_from_slice(&head.to_slot());
        }
        self.bytes.head = Some(file);
    }

    pub(crate) fn heads(&self) -> usize {
        self.heads.len()
    }

    pub(crate) fn roll(&mut self) {
        self.bytes.segments.push((self.next, Vec::new()));
    }

    pub(crate) fn verify(&self) -> Report {
        self.bytes.verify(&self.trust())
    }
}

pub(crate) fn own_source() -> String {
    format!("lineal://{ORIGIN}")
}

pub(crate) fn snapshot(source: &str, pad: usize) -> Says<'_> {
    let data = json!({"dataset": {"digest": {"sha256": "5a".repeat(32)}}, "annotations": {"pad": "x".repeat(pad)}});
    Says { source, name: "dataset.snapshotted", subject: "dataset/payments/transactions".to_owned(), data }
}

/// Seven entries in five batches and two segments, by two producers.
pub(crate) fn small() -> Ledger {
    let mut ledger = Ledger::new();
    let (first, second) = (key(11), key(12));
    ledger.enrol(&first);
    ledger.enrol(&second);
    ledger.commit();
    ledger.received = Timestamp::from_millis(START_MS + 5);
    ledger.snapshot("//producer/a", &first, 0);
    ledger.snapshot("//producer/b", &second, 0);
    ledger.commit();
    ledger.roll();
    ledger.snapshot("//producer/a", &first, 0);
    ledger.commit();
    ledger.snapshot("//producer/b", &second, 0);
    ledger.commit();
    ledger
}
