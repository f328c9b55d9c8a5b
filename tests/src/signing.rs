//! Events as a producer signs them, and as one that is broken or hostile would: any bytes, under any keys.
//!
//! Promises that the same producer says the same bytes each time: keys come from seeds, ids from what they name. What it
//! builds is text, so that a test can spoil any part of it before it is signed.

use std::{fmt::Write as _, sync::Arc};

use lineal_schemas::{
    digest::{EventDigest, sha256},
    dsse::{self, PAYLOAD_TYPE, Signature, Signed},
    event::{dataschema_of, type_of},
    key::SecretKey,
};

/// The key of a seed.
pub fn key(seed: u8) -> Arc<SecretKey> {
    Arc::new(SecretKey::from_seed([seed; 32]).expect("any 32 bytes are an Ed25519 seed"))
}

/// An event before it is text.
#[derive(Debug, Clone)]
pub struct Parts {
    /// `source`.
    pub source: String,
    /// The name of the type, like `dataset.snapshotted`.
    pub name: String,
    /// `subject`.
    pub subject: String,
    /// `ledger`: the genesis of the ledger that it is meant for.
    pub ledger: EventDigest,
    /// `sequence`.
    pub sequence: u64,
    /// `previous`.
    pub previous: Option<EventDigest>,
    /// Whether `sequenceend` is there.
    pub end: bool,
    /// `data`, as its text.
    pub data: String,
}

impl Parts {
    /// The event's text, its attributes in a fixed order and `data` last.
    pub fn text(&self) -> String {
        let (kind, schema) = (type_of(&self.name), dataschema_of(&self.name));
        let mut text = format!(
            r#"{{"specversion":"1.0","id":"{}","source":"{}","type":"{kind}","subject":"{}","time":"2026-11-23T21:50:12Z","datacontenttype":"application/json","dataschema":"{schema}","ledger":"{}","sequence":"{:012}""#,
            self.id(),
            self.source,
            self.subject,
            self.ledger,
            self.sequence,
        );
        let previous = self.previous.map(|previous| write!(text, r#","previous":"{previous}""#));
        previous.transpose().expect("writing into a string does not fail");
        if self.end {
            text.push_str(r#","sequenceend":true"#);
        }
        text.push_str(r#","data":"#);
        text.push_str(&self.data);
        text.push('}');
        text
    }

    /// The event's text, signed.
    pub fn sign(&self, key: &SecretKey) -> Signed {
        sign(&self.text(), key)
    }

    /// A `UUIDv7` that stands for what the event says.
    fn id(&self) -> String {
        let hex = EventDigest::from_bytes(sha256(format!("{self:?}").as_bytes())).to_string();
        format!("{}-{}-7{}-8{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..30])
    }
}

/// Any text, signed under one key.
pub fn sign(text: &str, key: &SecretKey) -> Signed {
    Signed::sign(text.as_bytes().to_vec(), &[key])
}

/// A signature under `key` that is not over `event`.
pub fn wrong_signature(event: &[u8], key: &SecretKey) -> Signature {
    let mut other = event.to_vec();
    other.push(b' ');
    Signature { keyid: key.keyid(), bytes: key.sign(&dsse::pae(PAYLOAD_TYPE, &other)) }
}

/// The `data` of a snapshot of something that nobody else snapshotted.
pub fn snapshot_data(name: &str, what: &str) -> String {
    let digest = EventDigest::of(what.as_bytes());
    format!(r#"{{"dataset":{{"digest":{{"sha256":"{digest}"}}}},"name":"{name}"}}"#)
}

/// A producer of one source that says one snapshot after another.
#[derive(Debug, Clone)]
pub struct Producer {
    key: Arc<SecretKey>,
    genesis: EventDigest,
    source: String,
    subject: String,
    sequence: u64,
    previous: Option<EventDigest>,
}

impl Producer {
    /// A producer that has said nothing yet.
    pub fn new(key: Arc<SecretKey>, genesis: EventDigest, source: &str, subject: &str) -> Self {
        let (source, subject) = (source.to_owned(), subject.to_owned());
        Self { key, genesis, source, subject, sequence: 0, previous: None }
    }

    /// The source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The key.
    pub const fn key(&self) -> &Arc<SecretKey> {
        &self.key
    }

    /// How many numbers it has given.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Its next event, which it has not said yet.
    pub fn draft(&self) -> Parts {
        let sequence = self.sequence + 1;
        Parts {
            source: self.source.clone(),
            name: "dataset.snapshotted".to_owned(),
            subject: self.subject.clone(),
            ledger: self.genesis,
            sequence,
            previous: self.previous,
            end: false,
            data: snapshot_data(&self.subject, &format!("{} {sequence}", self.source)),
        }
    }

    /// Takes `event` as said: the next one names it as its previous.
    pub fn said(&mut self, event: EventDigest) {
        self.sequence += 1;
        self.previous = Some(event);
    }

    /// Signs something as the next event, and takes it as said.
    pub fn say(&mut self, parts: &Parts) -> Signed {
        let signed = parts.sign(&self.key);
        self.said(signed.digest());
        signed
    }

    /// The next event.
    pub fn next_event(&mut self) -> Signed {
        self.say(&self.draft())
    }

    /// The next `count` events.
    pub fn next_events(&mut self, count: usize) -> Vec<Signed> {
        (0..count).map(|_number| self.next_event()).collect()
    }
}

#[cfg(test)]
mod tests {
    use lineal_schemas::facts::Facts;

    use super::*;

    #[test]
    fn what_a_producer_says_is_sound_and_counts_up() {
        let genesis = EventDigest::of(b"genesis");
        let mut producer = Producer::new(key(1), genesis, "https://ci.example/a", "dataset/a/b");
        let events = producer.next_events(3);
        for (before, after) in events.iter().zip(&events[1..]) {
            let facts = Facts::read(&after.event, after.digest()).unwrap();
            assert_eq!(facts.previous, Some(before.digest()));
            assert!(facts.payload.is_ok(), "{:?}", facts.payload);
        }
        let again = Producer::new(key(1), genesis, "https://ci.example/a", "dataset/a/b").next_events(3);
        assert_eq!(again, events);
    }
}
