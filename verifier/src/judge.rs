//! The sequential part: chain, tree, authority, sequence, batches and head, in the order of the record.
//!
//! Promises that a line is judged by what the lines before it say and by the trust file, and by nothing else. Beyond
//! the head findings are held back until a checkpoint covers them: what was never acknowledged may be torn. Never
//! stops at a finding before the head, and never believes a line because another one was right.

use std::collections::{BTreeMap, BTreeSet};

use lineal_schemas::{
    checkpoint::SignedCheckpoint, digest::EventDigest, merkle::empty_root, note::VerifierKey, trust::Trust,
};

use crate::{
    finding::{Findings, Place},
    prepare::{CheckpointLine, Content, EntryLine, Prepared, PreparedLine, Shape},
    record::Record,
    rule::Rule,
    tree::Subtrees,
};

mod authority;
mod batch;
mod chain;
mod finish;
mod heads;
mod ids;
mod rollbacks;

pub(crate) use self::finish::Judged;
use self::{
    authority::{At, Authority},
    batch::Given,
    chain::{Chain, Standing},
    heads::{BatchEnd, Heads},
    rollbacks::Rollbacks,
};

/// Everything known after the lines so far.
pub(crate) struct Judge<'r> {
    record: &'r Record,
    trust: &'r Trust,
    findings: Findings,
    chain: Chain,
    tree: Subtrees,
    /// The tree misses or has a leaf too many; its root is that of no checkpoint.
    tree_is_off: bool,
    /// Checkpoints that were not compared for that.
    roots_unchecked: u64,
    authority: Authority,
    rollbacks: Rollbacks,
    heads: Heads,
    batch: Batch,
    /// Checkpoints, valid or not.
    batches: u64,
    covered: Covered,
    /// Whole batches beyond the head.
    beyond_head: u64,
    given: Vec<Given<'r>>,
    watched: &'r BTreeSet<EventDigest>,
    places: BTreeMap<EventDigest, u64>,
    /// The torn tail was reached: nothing after it is looked at.
    has_stopped: bool,
}

/// The lines since the last checkpoint.
#[derive(Debug, Default)]
struct Batch {
    /// Where its first line begins: segment and offset; nothing between batches.
    start: Option<(u64, u64)>,
    /// Index of its first entry, and the keys that must sign its checkpoint.
    first: Option<(u64, Option<Vec<VerifierKey>>)>,
    /// Where its last line ends.
    end: (u64, u64),
    /// A line of it was not readable.
    is_damaged: bool,
}

/// The end of the last batch under a valid checkpoint.
#[derive(Debug)]
struct Covered {
    end: BatchEnd,
    signed: Option<SignedCheckpoint>,
}

impl<'r> Judge<'r> {
    pub(crate) fn new(
        record: &'r Record,
        trust: &'r Trust,
        given: &'r [SignedCheckpoint],
        watched: &'r BTreeSet<EventDigest>,
    ) -> Self {
        Self {
            record,
            trust,
            findings: Findings::default(),
            chain: Chain::start(trust.origin()),
            tree: Subtrees::default(),
            tree_is_off: false,
            roots_unchecked: 0,
            authority: Authority::default(),
            rollbacks: Rollbacks::default(),
            heads: Heads::read(record.head()),
            batch: Batch::default(),
            batches: 0,
            covered: Covered { end: BatchEnd { segment: 0, length: 0, size: 0, root: empty_root() }, signed: None },
            beyond_head: 0,
            given: Given::sorted(given),
            watched,
            places: BTreeMap::new(),
            has_stopped: false,
        }
    }

    /// Whether the rest of the record needs no look.
    pub(crate) const fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// Judges the lines of a chunk.
    pub(crate) fn take(&mut self, chunk: Prepared) {
        if chunk.begins {
            self.begin_segment(chunk.segment);
        }
        for line in chunk.lines {
            if self.has_stopped {
                return;
            }
            self.line(line, chunk.segment);
        }
        let is_last = self.record.segments().last().is_some_and(|last| last.first == chunk.segment);
        if chunk.ends && !is_last && self.batch.start.is_some() {
            let place =
                Place { segment: Some(chunk.segment), index: self.chain.next().checked_sub(1), ..Place::default() };
            self.findings.add(Rule::SegmentUnfinished, place, "a checkpoint at its end", "lines that none covers");
        }
    }

    fn begin_segment(&mut self, first: u64) {
        if self.chain.may_be_next(first) {
            return self.chain.settle(first);
        }
        let next = self.chain.next();
        // Between two batches nothing is held back yet; a segment out of order beyond the head is no damage before it.
        if self.heads.is_before(first, 0) {
            self.findings.hold();
        }
        let rule = if first > next { Rule::SegmentMissing } else { Rule::SegmentName };
        let place = Place { segment: Some(first), index: Some(next), ..Place::default() };
        self.findings.add(rule, place, format_args!("a segment named {next:020}.log"), format_args!("{first:020}.log"));
    }

    fn line(&mut self, line: PreparedLine, segment: u64) {
        if self.batch.start.is_none() {
            self.batch.start = Some((segment, line.offset));
            if self.heads.is_before(segment, line.offset) {
                self.findings.hold();
            }
        }
        self.batch.end = (segment, line.end);
        let place = Place { segment: Some(segment), offset: Some(line.offset), ..Place::default() };
        match line.content {
            Content::Entry(entry) => self.entry(&entry, place),
            Content::Checkpoint(checkpoint) => self.checkpoint(*checkpoint, place),
            Content::Unreadable { shape, rule, found } => self.unreadable(shape, rule, &found, place),
        }
    }

    fn entry(&mut self, line: &EntryLine, place: Place) {
        let entry = &line.entry;
        let index = match self.chain.link(entry, line.hash, place, &mut self.findings) {
            Standing::Next(index) => index,
            Standing::After(index) => {
                self.tree_is_off = true;
                index
            }
            Standing::Stray => return,
        };
        self.tree.push(&line.leaf);
        self.compare_given();
        if self.batch.first.is_none() && index > 0 {
            self.batch.first = Some((index, self.authority.checkpoint_keys(entry.received)));
        }
        let at = At { index, place: Place { index: Some(index), ..place }, trust: self.trust };
        self.authority.take(entry, &line.body, &at, &mut self.findings);
        self.rollbacks.take(entry.event, line.body.facts(), at.place, &mut self.findings);
        if self.batch.first.is_none() {
            // Before the genesis there is no key: its own one signs its batch.
            self.batch.first = Some((index, self.authority.checkpoint_keys(entry.received)));
        }
        if let Some(event) = authority::proven_event(entry, &line.body).filter(|event| self.watched.contains(event)) {
            self.places.entry(event).or_insert(index);
        }
    }

    fn unreadable(&mut self, shape: Shape, rule: Rule, found: &str, place: Place) {
        let before = self.chain.next().checked_sub(1);
        let (index, other_end) = match shape {
            Shape::Checkpoint => (before, None),
            Shape::Entry => (Some(self.chain.lose()), None),
            // It may have been either: named are the entries on both sides.
            Shape::Neither => (Some(self.chain.lose()), before),
        };
        let place = Place { index, other_end, ..place };
        self.findings.add(rule, place, "an entry or a checkpoint in its one spelling", found);
        if shape == Shape::Checkpoint {
            self.batches = self.batches.saturating_add(1);
            self.end_batch(false);
        } else {
            (self.tree_is_off, self.batch.is_damaged) = (true, true);
        }
    }

    fn checkpoint(&mut self, line: CheckpointLine, place: Place) {
        self.batches = self.batches.saturating_add(1);
        let is_valid = self.check_checkpoint(&line, place);
        if let (true, Ok(signed)) = (is_valid, line.signed) {
            let (segment, length) = self.batch.end;
            let end = BatchEnd { segment, length, size: signed.checkpoint().size, root: signed.checkpoint().root };
            if !self.findings.holds_damage() {
                self.heads.see(end, self.batches);
                self.covered = Covered { end, signed: Some(signed) };
            }
        }
        self.end_batch(is_valid);
    }

    /// Beyond the head, the first batch that no valid checkpoint covers is where the torn tail begins.
    fn end_batch(&mut self, is_valid: bool) {
        if self.findings.is_holding() {
            if !is_valid || self.findings.holds_damage() {
                return self.stop();
            }
            self.findings.release();
            self.beyond_head = self.beyond_head.saturating_add(1);
        }
        self.batch = Batch { end: self.batch.end, ..Batch::default() };
    }

    /// Reports the torn tail.
    fn stop(&mut self) {
        self.has_stopped = true;
        let damage = self.findings.drop_held().unwrap_or_else(|| "no checkpoint after it".to_owned());
        let (segment, offset) = self.batch.start.unwrap_or(self.batch.end);
        let bytes = self.bytes_after(segment, offset);
        let index = Some(self.covered.end.size);
        let place = Place { index, segment: Some(segment), offset: Some(offset), ..Place::default() };
        let found = format!("{bytes} bytes that no valid checkpoint covers ({damage})");
        self.findings.add(Rule::UncoveredTail, place, "nothing, or whole batches, beyond the head", found);
    }

    /// How many bytes the record has from there on.
    fn bytes_after(&self, segment: u64, offset: u64) -> u64 {
        let later = self.record.segments().iter().filter(|other| other.first >= segment);
        later.fold(0_u64, |sum, other| sum.saturating_add(other.length)).saturating_sub(offset)
    }
}
