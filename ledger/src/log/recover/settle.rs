//! What a crash left beyond the head: whole batches, signed by the ledger, are kept; the rest is set aside.
//!
//! Promises that everything is on disk again before the head says so, that a good head slot is there at every moment,
//! and that nothing that was set aside is ever replaced. Never touches what the head covers. (docs/FORMAT.md, Recovery)

use std::io;

use lineal_schemas::head::Head;

use super::{OpenError, Opening, Recovery};
use crate::{
    log::{
        derived::Additions,
        lines::{Lines, Next},
        record::{Segment, segment_name},
        walk::Step,
    },
    storage::{self, Storage, StoredFile},
};

impl Opening<'_> {
    /// Keeps whole batches beyond the head and sets the rest aside; gives the head that results.
    pub(super) fn settle(
        &mut self,
        storage: &dyn Storage,
        head_file: &dyn StoredFile,
        head: Head,
        recovery: &mut Recovery,
    ) -> Result<Head, OpenError> {
        let mut heads = vec![head];
        while let Some(segment) = self.segments.get(self.at.0).cloned() {
            let begin = self.at.1;
            let kept = self.whole_batches(&segment, begin, &mut heads)?;
            if kept > begin {
                rewrite(&*segment.file, begin, kept)?;
            }
            let length = segment.file.length()?;
            if length > kept {
                recovery.torn.push(set_aside(storage, &segment, kept, length)?);
                segment.file.set_length(kept)?;
                segment.file.sync()?;
            }
            if self.segments.get(self.at.0 + 1).is_none_or(|next| next.first != self.position.size()) {
                break;
            }
            self.at = (self.at.0 + 1, 0);
        }
        for segment in self.segments.split_off((self.at.0 + 1).min(self.segments.len())) {
            let name = unused_name(storage, &format!("torn/{:020}.log", segment.first))?;
            storage.rename(&segment_name(segment.first), &name)?;
            recovery.torn.push((name, segment.file.length()?));
        }
        let settled = write_heads(head_file, &heads)?;
        recovery.kept = settled.size - head.size;
        Ok(settled)
    }

    /// Walks on from `begin` as far as whole, signed batches go, and gives their end, and the head after each.
    fn whole_batches(&mut self, segment: &Segment, begin: u64, heads: &mut Vec<Head>) -> Result<u64, OpenError> {
        let mut lines = Lines::new(&*segment.file, begin, segment.file.length()?);
        let (mut end, mut trial) = (begin, self.position.clone());
        let mut batch = Additions::default();
        while let Next::Line(located) = lines.next_line()? {
            let offset = located.offset;
            match trial.step(located.line, segment.first, offset) {
                Ok(Step::Entry { hashes, .. }) => {
                    batch.offsets.push(offset);
                    batch.hashes.extend(hashes);
                }
                Ok(Step::Checkpoint { text, signed }) => {
                    if !(self.is_ours)(&signed) {
                        break;
                    }
                    end = offset + located.line.len() as u64 + 1;
                    self.additions.offsets.append(&mut batch.offsets);
                    self.additions.hashes.append(&mut batch.hashes);
                    self.additions.batches.push((trial.size(), offset));
                    self.batches += 1;
                    self.checkpoint = text;
                    self.position = trial.clone();
                    let (size, root) = (trial.size(), trial.frontier.root());
                    heads.push(Head { batch: self.batches, size, root, segment: segment.first, length: end });
                }
                Err(_damage) => break,
            }
        }
        self.at.1 = end;
        Ok(end)
    }
}

/// Writes the last of `heads`, which begin with the one that was read, and gives it.
///
/// The one that was read may be in the page cache alone, so it is written again where nothing was kept. Its slot is
/// written over only once the other one is good, since that may be the damaged one of the two.
fn write_heads(head_file: &dyn StoredFile, heads: &[Head]) -> io::Result<Head> {
    let [read, .., last] = heads else {
        let [read] = heads else { return Err(io::ErrorKind::InvalidInput.into()) };
        return write_head(head_file, *read);
    };
    if last.slot_offset() == read.slot_offset()
        && let [.., before, _last] = heads
    {
        write_head(head_file, *before)?;
    }
    write_head(head_file, *last)
}

fn write_head(head_file: &dyn StoredFile, head: Head) -> io::Result<Head> {
    head_file.write_at(&head.to_slot(), head.slot_offset())?;
    head_file.sync()?;
    Ok(head)
}

/// Writes what stands from `begin` to `end` again in place, and syncs it.
fn rewrite(file: &dyn StoredFile, begin: u64, end: u64) -> io::Result<()> {
    const PIECE: u64 = 1 << 20;
    let mut at = begin;
    while at < end {
        let mut piece = vec![0; usize::try_from((end - at).min(PIECE)).unwrap_or(0)];
        file.read_at(&mut piece, at)?;
        file.write_at(&piece, at)?;
        at += piece.len() as u64;
    }
    file.sync()
}

/// Copies a torn tail to `torn/`, durably, beside all that was set aside before.
fn set_aside(storage: &dyn Storage, segment: &Segment, from: u64, to: u64) -> io::Result<(String, u64)> {
    let count = usize::try_from(to - from).map_err(|_too_large| io::ErrorKind::FileTooLarge)?;
    let mut tail = vec![0; count];
    segment.file.read_at(&mut tail, from)?;
    let plain = format!("torn/{:020}.log.{from}", segment.first);
    let mut name = plain.clone();
    for number in 1_u64.. {
        match storage::read_all(storage, &name)? {
            // Copied by a recovery that crashed before it cut.
            Some(copied) if copied == tail => return Ok((name, to - from)),
            Some(_another) => name = format!("{plain}-{number}"),
            None => break,
        }
    }
    storage::replace(storage, &name, &tail)?;
    Ok((name, to - from))
}

/// `plain`, or with a number behind it where there is such a file.
fn unused_name(storage: &dyn Storage, plain: &str) -> io::Result<String> {
    let mut name = plain.to_owned();
    for number in 1_u64.. {
        if storage.open(&name)?.is_none() {
            break;
        }
        name = format!("{plain}-{number}");
    }
    Ok(name)
}
