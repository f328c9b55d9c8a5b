//! The parallel part: each line read, hashed, and its signatures checked, whatever stands around it.
//!
//! Promises that nothing here depends on the order of lines, but for the keys: those that key events up to the end of
//! this chunk have shown. Never judges authority, sequence, chain or tree: that is [`crate::judge`], in order.

use std::ops::Range;

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
use rayon::prelude::*;

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

impl KeyRing {
    /// Works through a chunk on all cores, and learns the keys that it shows.
    ///
    /// A line that had to wait for one of these keys is checked again then, so a key may be shown in the same chunk
    /// as what it signs.
    pub(crate) fn prepare(&mut self, chunk: &Chunk) -> Prepared {
        let place = |at: usize| chunk.offset.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
        let (ring, ranges) = (&*self, chunk.lines());
        let read = |range: &Range<usize>| {
            let (offset, end) = (place(range.start), place(range.end));
            PreparedLine { offset, end, content: ring.read_line(chunk, range.clone()) }
        };
        let prepared = ranges.par_chunks(LINES_A_PIECE).flat_map_iter(|piece| {
            let mut lines: Vec<_> = piece.iter().map(read).collect();
            let mut message = Vec::new();
            for line in &mut lines {
                ring.check_signatures(&mut line.content, &mut message);
            }
            lines
        });
        let mut lines: Vec<_> = prepared.collect();
        if self.learn_from(&lines) {
            lines.par_iter_mut().for_each(|line| self.check_signatures(&mut line.content, &mut Vec::new()));
        }
        Prepared { segment: chunk.segment, begins: chunk.begins, ends: chunk.ends, length: chunk.length(), lines }
    }

    /// Learns the keys that these lines show; whether there were any.
    fn learn_from(&mut self, lines: &[PreparedLine]) -> bool {
        let mut has_learnt = false;
        for line in lines {
            let Content::Entry(line) = &line.content else { continue };
            if let Some(facts) = line.body.facts() {
                has_learnt |= self.learn(facts);
            }
        }
        has_learnt
    }

    fn read_line(&self, chunk: &Chunk, range: Range<usize>) -> Content {
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
            Ok(Line::Entry { entry, entry_bytes, body }) => match Self::read_body(&entry, body) {
                Ok(body) => {
                    let (hash, leaf) = (EntryHash::of(entry_bytes), leaf_hash(entry_bytes));
                    Content::Entry(Box::new(EntryLine { entry, hash, leaf, body }))
                }
                Err(error) => unreadable(line, Rule::UnreadableLine, format!("{}: {error}", error.code())),
            },
            Ok(Line::Checkpoint(text)) => {
                let signed = SignedCheckpoint::parse(&text);
                let signers = signed.as_ref().map(|signed| self.signers(signed)).unwrap_or_default();
                Content::Checkpoint(Box::new(CheckpointLine { signed, signers }))
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
