//! The parallel part: each line read, hashed, and its signatures checked, whatever stands around it.
//!
//! Promises that nothing here depends on the order of lines, but for the keys: once a chunk is settled, those that key
//! events up to its end have shown. Never judges authority, sequence, chain or tree: that is [`crate::judge`], in order.

use std::{
    ops::Range,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use lineal_schemas::{
    admission::{self, Authentic, Inspected, Unauthentic},
    checkpoint::{CheckpointError, SignedCheckpoint},
    digest::{EntryHash, EventDigest, KeyId, LeafHash},
    dsse::{SignatureError, Signed},
    entry::Entry,
    facts::Facts,
    line::Line,
    merkle::leaf_hash,
};

use crate::{
    chunk::{Chunk, End},
    keyring::KeyRing,
    rule::Rule,
};

/// A chunk with all that can be known of each of its lines alone.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub segment: u64,
    pub begins: bool,
    pub ends: bool,
    pub length: u64,
    /// How many keys the ring had been shown before the first line.
    pub shown: u64,
    pub lines: Vec<PreparedLine>,
}

/// A line and where it is in its segment.
#[derive(Debug)]
pub(crate) struct PreparedLine {
    pub offset: u64,
    /// Offset of what follows it.
    pub end: u64,
    pub content: Content,
}

/// What a line is.
#[derive(Debug)]
pub(crate) enum Content {
    Entry(Box<EntryLine>),
    Checkpoint(Box<CheckpointLine>),
    /// Neither, with what is wrong in words.
    Unreadable {
        shape: Shape,
        rule: Rule,
        found: String,
    },
}

/// What an unreadable line was meant to be, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Entry,
    Checkpoint,
    Neither,
}

#[derive(Debug)]
pub(crate) struct EntryLine {
    pub entry: Entry,
    pub hash: EntryHash,
    pub leaf: LeafHash,
    pub body: Body,
}

#[derive(Debug)]
pub(crate) struct CheckpointLine {
    pub signed: Result<SignedCheckpoint, CheckpointError>,
    /// Whose signature on it verifies.
    pub signers: Vec<KeyId>,
}

/// An entry's event as checked.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every body is of the largest variant, and its line is boxed")]
pub(crate) enum Body {
    /// There is none.
    Withheld,
    /// Its digest is not the entry's.
    Altered { found: EventDigest, facts: Option<Box<Facts>> },
    /// All signatures verify.
    Authentic(Authentic),
    /// One does not.
    Wrong { error: SignatureError, facts: Option<Box<Facts>> },
    /// One is by a key that no key event has shown; the others verify.
    Unknown { keyid: KeyId, inspected: Box<Inspected> },
}

/// Lines that a core reads, and then checks the signatures of: the tables of the curve stay in its cache meanwhile.
const LINES_A_PIECE: usize = 32;

/// Works through a chunk with the keys that are known by now.
pub(crate) fn prepare(ring: &RwLock<KeyRing>, chunk: &Chunk) -> Prepared {
    let place = |at: usize| chunk.offset.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
    let ranges = chunk.lines();
    let (mut lines, mut message) = (Vec::with_capacity(ranges.len()), Vec::new());
    let shown = read(ring).shown();
    for piece in ranges.chunks(LINES_A_PIECE) {
        let first = lines.len();
        lines.extend(piece.iter().map(|range| PreparedLine {
            offset: place(range.start),
            end: place(range.end),
            content: read_line(chunk, range.clone()),
        }));
        let ring = read(ring);
        for line in lines.iter_mut().skip(first) {
            ring.check_signatures(&mut line.content, &mut message);
        }
    }
    Prepared { segment: chunk.segment, begins: chunk.begins, ends: chunk.ends, length: chunk.length(), shown, lines }
}

impl Prepared {
    /// Learns the keys that the chunk shows, all chunks before it having been settled, and checks again what had to
    /// wait for a key, of this chunk or of one that was settled since.
    pub(crate) fn settle(&mut self, ring: &RwLock<KeyRing>) {
        let facts = self.lines.iter().filter_map(|line| match &line.content {
            Content::Entry(line) => line.body.facts().filter(|facts| KeyRing::shows_keys(facts)),
            _ => None,
        });
        for facts in facts {
            ring.write().unwrap_or_else(PoisonError::into_inner).learn(facts);
        }
        let ring = read(ring);
        if ring.shown() != self.shown {
            let mut message = Vec::new();
            self.lines.iter_mut().for_each(|line| ring.check_signatures(&mut line.content, &mut message));
        }
    }
}

fn read(ring: &RwLock<KeyRing>) -> RwLockReadGuard<'_, KeyRing> {
    ring.read().unwrap_or_else(PoisonError::into_inner)
}

fn read_line(chunk: &Chunk, range: Range<usize>) -> Content {
    let is_last = range.end == chunk.bytes.len();
    let line = chunk.bytes.get(range).unwrap_or_default();
    let Some(line) = line.strip_suffix(b"\n") else {
        return match chunk.end {
            End::Skipped(skipped) if is_last => {
                let length = u64::try_from(line.len()).unwrap_or(u64::MAX).saturating_add(skipped);
                unreadable(line, Rule::LineTooLong, format!("a line of {length} bytes"))
            }
            _ => {
                let found = format!("{} bytes without a newline at the end", line.len());
                unreadable(line, Rule::UnterminatedLine, found)
            }
        };
    };
    match Line::parse(line) {
        Ok(Line::Entry { entry, entry_bytes, body }) => match read_body(&entry, body) {
            Ok(body) => {
                let (hash, leaf) = (EntryHash::of(entry_bytes), leaf_hash(entry_bytes));
                Content::Entry(Box::new(EntryLine { entry, hash, leaf, body }))
            }
            Err(error) => unreadable(line, Rule::UnreadableLine, format!("{}: {error}", error.code())),
        },
        Ok(Line::Checkpoint(text)) => {
            // No key has been looked for yet: `check_signatures` comes next.
            let signed = SignedCheckpoint::parse(&text);
            Content::Checkpoint(Box::new(CheckpointLine { signed, signers: Vec::new() }))
        }
        Err(error) => unreadable(line, Rule::UnreadableLine, format!("{}: {error}", error.code())),
    }
}

fn read_body(entry: &Entry, body: Option<&[u8]>) -> Result<Body, SignatureError> {
    let Some(body) = body else { return Ok(Body::Withheld) };
    let inspected = admission::inspect(Signed { event: body.to_vec(), signatures: entry.signatures.clone() })?;
    let found = inspected.digest();
    Ok(if found == entry.event {
        // No key has been looked for yet: `check_signatures` comes next.
        let keyid = entry.signatures.first().map_or(KeyId::from_bytes([0; 32]), |signature| signature.keyid);
        Body::Unknown { keyid, inspected: Box::new(inspected) }
    } else {
        // What follows must still find its neighbours: the digest is the one that the entry commits to.
        Body::Altered { found, facts: Facts::read(body, entry.event).ok().map(Box::new) }
    })
}

impl KeyRing {
    fn check(&self, inspected: Inspected, message: &mut Vec<u8>) -> Body {
        match inspected.verify_with(message, |keyid| self.key(keyid)) {
            Ok(authentic) => Body::Authentic(authentic),
            Err(Unauthentic::Wrong(inspected, error)) => {
                Body::Wrong { error, facts: inspected.facts().ok().cloned().map(Box::new) }
            }
            Err(Unauthentic::UnknownKey(inspected, keyid)) => Body::Unknown { keyid, inspected },
        }
    }

    /// Checks the signatures of an event that is read, or that waited for a key.
    fn check_signatures(&self, content: &mut Content, message: &mut Vec<u8>) {
        match content {
            Content::Entry(line) if matches!(line.body, Body::Unknown { .. }) => {
                line.body = match std::mem::replace(&mut line.body, Body::Withheld) {
                    Body::Unknown { inspected, .. } => self.check(*inspected, message),
                    other => other,
                };
            }
            Content::Checkpoint(line) => {
                line.signers = line.signed.as_ref().map(|signed| self.signers(signed)).unwrap_or_default();
            }
            _ => {}
        }
    }
}

impl Body {
    /// What the event says, as far as it can be read.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Withheld => None,
            Self::Altered { facts, .. } | Self::Wrong { facts, .. } => facts.as_deref(),
            Self::Authentic(event) => event.inspected().facts().ok(),
            Self::Unknown { inspected, .. } => inspected.facts().ok(),
        }
    }
}

fn unreadable(line: &[u8], rule: Rule, found: String) -> Content {
    let shape = match line.first() {
        Some(b'{') => Shape::Entry,
        Some(b'"') => Shape::Checkpoint,
        _ => Shape::Neither,
    };
    Content::Unreadable { shape, rule, found }
}
