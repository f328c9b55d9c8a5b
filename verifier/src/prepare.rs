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
    pub content: Content<Body>,
}

/// What a line is. `B` is what is known of an entry's body.
#[derive(Debug)]
pub(crate) enum Content<B> {
    Entry(Box<EntryLine<B>>),
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
pub(crate) struct EntryLine<B> {
    pub entry: Entry,
    pub hash: EntryHash,
    pub leaf: LeafHash,
    pub body: B,
}

#[derive(Debug)]
pub(crate) struct CheckpointLine {
    pub signed: Result<SignedCheckpoint, CheckpointError>,
    /// Whose signature on it verifies.
    pub signers: Vec<KeyId>,
}

/// An entry's event as read.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every body is of the largest variant, and its line is boxed")]
enum Read {
    Withheld,
    Altered { found: EventDigest, facts: Option<Box<Facts>> },
    Inspected(Inspected),
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
    /// One is by a key that no key event has shown.
    Unknown { keyid: KeyId, inspected: Box<Inspected> },
}

/// A chunk whose lines have been read and hashed; no signature has been checked.
#[derive(Debug)]
pub(crate) struct ReadChunk {
    chunk: Chunk,
    lines: Vec<(Range<usize>, Content<Read>)>,
}

impl ReadChunk {
    /// Reads and hashes the lines of a chunk on all cores.
    pub(crate) fn of(chunk: Chunk) -> Self {
        let lines = chunk.lines().into_par_iter().map(|range| {
            let content = read_line(&chunk, &range);
            (range, content)
        });
        let lines = lines.collect();
        Self { chunk, lines }
    }

    /// Checks the signatures of its lines on all cores. The ring has learnt from it before.
    pub(crate) fn check(self, ring: &KeyRing) -> Prepared {
        let Self { chunk, lines } = self;
        let place = |at: usize| chunk.offset.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
        let checked = lines.into_par_iter().map(|(range, content)| PreparedLine {
            offset: place(range.start),
            end: place(range.end),
            content: ring.check(content, &chunk, &range),
        });
        Prepared {
            segment: chunk.segment,
            begins: chunk.begins,
            ends: chunk.ends,
            length: chunk.length(),
            lines: checked.collect(),
        }
    }
}

impl KeyRing {
    /// Learns the keys that a chunk shows: whatever they sign in it or after it can be checked then.
    pub(crate) fn learn_from(&mut self, chunk: &ReadChunk) {
        for facts in chunk.lines.iter().filter_map(|(_, content)| facts_of(content)) {
            self.learn(facts);
        }
    }

    fn check(&self, content: Content<Read>, chunk: &Chunk, range: &Range<usize>) -> Content<Body> {
        match content {
            Content::Entry(line) => {
                let EntryLine { entry, hash, leaf, body } = *line;
                let body = self.check_body(body, || facts_again(chunk, range, entry.event));
                Content::Entry(Box::new(EntryLine { entry, hash, leaf, body }))
            }
            Content::Checkpoint(mut line) => {
                line.signers = line.signed.as_ref().map(|signed| self.signers(signed)).unwrap_or_default();
                Content::Checkpoint(line)
            }
            Content::Unreadable { shape, rule, found } => Content::Unreadable { shape, rule, found },
        }
    }

    fn check_body(&self, body: Read, facts: impl FnOnce() -> Option<Box<Facts>>) -> Body {
        match body {
            Read::Withheld => Body::Withheld,
            Read::Altered { found, facts } => Body::Altered { found, facts },
            Read::Inspected(inspected) => match inspected.verify(|keyid| self.key(keyid)) {
                Ok(authentic) => Body::Authentic(authentic),
                Err(Unauthentic::Wrong(error)) => Body::Wrong { error, facts: facts() },
                Err(Unauthentic::UnknownKey(inspected, keyid)) => Body::Unknown { keyid, inspected },
            },
        }
    }
}

fn read_line(chunk: &Chunk, range: &Range<usize>) -> Content<Read> {
    let line = chunk.bytes.get(range.clone()).unwrap_or_default();
    let unreadable = |rule, found: String| {
        let shape = match line.first() {
            Some(b'{') => Shape::Entry,
            Some(b'"') => Shape::Checkpoint,
            _ => Shape::Neither,
        };
        Content::Unreadable { shape, rule, found }
    };
    let is_last = range.end == chunk.bytes.len();
    let Some(line) = line.strip_suffix(b"\n") else {
        return match chunk.end {
            End::Skipped(skipped) if is_last => {
                let length = u64::try_from(line.len()).unwrap_or(u64::MAX).saturating_add(skipped);
                unreadable(Rule::LineTooLong, format!("a line of {length} bytes"))
            }
            _ => unreadable(Rule::UnterminatedLine, format!("{} bytes without a newline at the end", line.len())),
        };
    };
    match Line::parse(line) {
        Ok(Line::Entry { entry, entry_bytes, body }) => match read_body(&entry, body) {
            Ok(body) => {
                let (hash, leaf) = (EntryHash::of(entry_bytes), leaf_hash(entry_bytes));
                Content::Entry(Box::new(EntryLine { entry, hash, leaf, body }))
            }
            Err(error) => unreadable(Rule::UnreadableLine, format!("{}: {error}", error.code())),
        },
        Ok(Line::Checkpoint(text)) => {
            let signed = SignedCheckpoint::parse(&text);
            Content::Checkpoint(Box::new(CheckpointLine { signed, signers: Vec::new() }))
        }
        Err(error) => unreadable(Rule::UnreadableLine, format!("{}: {error}", error.code())),
    }
}

fn read_body(entry: &Entry, body: Option<&[u8]>) -> Result<Read, SignatureError> {
    let Some(body) = body else { return Ok(Read::Withheld) };
    let inspected = admission::inspect(Signed { event: body.to_vec(), signatures: entry.signatures.clone() })?;
    let found = inspected.digest();
    if found == entry.event {
        return Ok(Read::Inspected(inspected));
    }
    // What follows must still find its neighbours: the digest is the one that the entry commits to.
    Ok(Read::Altered { found, facts: Facts::read(body, entry.event).ok().map(Box::new) })
}

/// What the event on a line says, read once more: only where a signature is wrong.
fn facts_again(chunk: &Chunk, range: &Range<usize>, digest: EventDigest) -> Option<Box<Facts>> {
    let line = chunk.bytes.get(range.clone())?.strip_suffix(b"\n")?;
    let (_entry, body) = lineal_schemas::line::split(line)?;
    Facts::read(body, digest).ok().map(Box::new)
}

fn facts_of(content: &Content<Read>) -> Option<&Facts> {
    let Content::Entry(line) = content else { return None };
    match &line.body {
        Read::Withheld => None,
        Read::Altered { facts, .. } => facts.as_deref(),
        Read::Inspected(inspected) => inspected.facts().ok(),
    }
}
