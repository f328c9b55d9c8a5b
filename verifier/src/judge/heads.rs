//! The head: what it says is committed must be what the record holds.
//!
//! Both slots are read. Promises that each whole slot is compared with the checkpoint that it was written after, and
//! that a slot which is not whole is reported. Never believes a slot for its checksum alone.

use lineal_schemas::{
    digest::RootHash,
    head::{HEAD_BYTES, Head, HeadError, SLOT_BYTES},
    merkle::empty_root,
};

use crate::{
    finding::{Findings, Place},
    record::Record,
    rule::Rule,
};

/// Where a batch ends, and the tree there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchEnd {
    pub segment: u64,
    pub length: u64,
    pub size: u64,
    pub root: RootHash,
}

/// The slots, and what has been seen of them in the record.
#[derive(Debug)]
pub(crate) struct Heads {
    /// Whether there is a head file.
    is_there: bool,
    /// The whole slots, the newest first.
    whole: Vec<Slot>,
    /// What is wrong with the others, and where.
    damaged: Vec<(u64, HeadError)>,
}

#[derive(Debug)]
struct Slot {
    head: Head,
    /// How many checkpoints the record holds up to the batch's end that the slot describes.
    met_after: Option<u64>,
    /// A batch's end that has the size or the place, but not all.
    near: Option<BatchEnd>,
}

impl Heads {
    pub(crate) fn read(file: Option<&[u8]>) -> Self {
        let mut heads = Self { is_there: file.is_some(), whole: Vec::new(), damaged: Vec::new() };
        let Some(file) = file else { return heads };
        if file.len() != HEAD_BYTES {
            heads.damaged.push((0, HeadError::Length { found: file.len(), expected: HEAD_BYTES }));
            return heads;
        }
        let mut empty = Vec::new();
        for (offset, slot) in [0, 4096].into_iter().zip(file.chunks(SLOT_BYTES)) {
            match Head::from_slot(slot) {
                Ok(head) if head.slot_offset() == offset => {
                    heads.whole.push(Slot { head, met_after: None, near: None });
                }
                Ok(head) => heads.damaged.push((offset, HeadError::Misplaced(head.batch))),
                Err(error) if slot.iter().all(|byte| *byte == 0) => empty.push((offset, error)),
                Err(error) => heads.damaged.push((offset, error)),
            }
        }
        heads.whole.sort_by_key(|slot| std::cmp::Reverse(slot.head.batch));
        // A new ledger writes batch 0 and leaves the other slot empty.
        if heads.newest().is_none_or(|head| head.batch > 0) {
            heads.damaged.append(&mut empty);
        }
        heads.see(BatchEnd { segment: 0, length: 0, size: 0, root: empty_root() }, 0);
        heads
    }

    pub(crate) fn newest(&self) -> Option<&Head> {
        self.whole.first().map(|slot| &slot.head)
    }

    /// Whether what begins there was not committed, as far as the head says.
    pub(crate) fn is_before(&self, segment: u64, offset: u64) -> bool {
        self.newest().is_some_and(|head| (head.segment, head.length) <= (segment, offset))
    }

    /// Compares a batch's end, under the valid checkpoint that is number `batches`, with the slots.
    pub(crate) fn see(&mut self, end: BatchEnd, batches: u64) {
        for slot in &mut self.whole {
            let head = &slot.head;
            let said = BatchEnd { segment: head.segment, length: head.length, size: head.size, root: head.root };
            if said == end {
                slot.met_after = Some(batches);
            } else if said.size == end.size || (said.segment, said.length) == (end.segment, end.length) {
                slot.near = Some(end);
            }
        }
    }

    /// Reports what the whole record has not met. `covered` is the end of its last batch.
    pub(crate) fn finish(&self, record: &Record, covered: &BatchEnd, findings: &mut Findings) {
        if !self.is_there {
            let found = "the segments alone";
            findings.add(Rule::NoHead, Place::default(), "a head file beside the record", found);
        }
        self.report_damage(covered, findings);
        for slot in self.whole.iter().filter(|slot| slot.met_after.is_none()) {
            slot.report(record, findings);
        }
        for (slot, batches) in self.whole.iter().filter_map(|slot| slot.met_after.map(|batches| (slot, batches))) {
            if slot.head.batch != batches {
                let (expected, found) = (format!("{} checkpoints", slot.head.batch), batches.to_string());
                findings.add_in_head(Rule::HeadBatches, slot_place(&slot.head), expected, found);
            }
        }
    }

    fn report_damage(&self, covered: &BatchEnd, findings: &mut Findings) {
        // A slot is written after its batch is synced: torn, it leaves a whole batch beyond the other slot.
        let may_be_torn =
            self.newest().is_some_and(|head| (head.segment, head.length) < (covered.segment, covered.length));
        let rule = if may_be_torn { Rule::HeadTorn } else { Rule::HeadDamaged };
        for (offset, error) in &self.damaged {
            let place = Place { offset: Some(*offset), index: covered.size.checked_sub(1), ..Place::default() };
            findings.add_in_head(rule, place, "a whole slot", format_args!("{}: {error}", error.code()));
        }
    }
}

impl Slot {
    fn report(&self, record: &Record, findings: &mut Findings) {
        let head = &self.head;
        let expected = describe(head.segment, head.length, head.size, &head.root);
        let segment = record.segments().iter().find(|segment| segment.first == head.segment);
        let place = Place { index: head.size.checked_sub(1), ..slot_place(head) };
        match segment {
            None => findings.add_in_head(Rule::RecordShortened, place, expected, "no such segment"),
            Some(segment) if segment.length < head.length => {
                findings.add_in_head(
                    Rule::RecordShortened,
                    place,
                    expected,
                    format_args!("a segment of {} bytes", segment.length),
                );
            }
            Some(_) => {
                let found = self.near.map_or_else(
                    || "no valid checkpoint of that size or at that place".to_owned(),
                    |near| describe(near.segment, near.length, near.size, &near.root),
                );
                findings.add_in_head(Rule::HeadMismatch, place, expected, found);
            }
        }
    }
}

fn slot_place(head: &Head) -> Place {
    Place { offset: Some(head.slot_offset()), ..Place::default() }
}

fn describe(segment: u64, length: u64, size: u64, root: &RootHash) -> String {
    format!("size {size}, root {root}, ending at byte {length} of {segment:020}.log")
}
