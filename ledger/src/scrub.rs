//! Checks the whole record again in the background, line by line, while the ledger serves.
//!
//! Opening checks what was written last; this finds what has rotted since long ago. Damage is reported and stops intake;
//! nothing is repaired.

use std::sync::atomic::{AtomicBool, Ordering};

use lineal_schemas::{checkpoint::SignedCheckpoint, head::Head};

use crate::log::{
    lines::{Lines, Next},
    record::{ReadError, Record},
    walk::{Damage, Position, Step},
};

/// What the check found.
#[derive(Debug)]
pub(crate) enum Scrubbed {
    /// All entries up to this size are as they were committed.
    Sound(u64),
    /// A line is not.
    Damaged(Damage),
    /// It was told to stop.
    Stopped,
}

/// What the check needs to know.
pub(crate) struct Scrub<'a> {
    /// The record.
    pub(crate) record: &'a Record,
    /// Whether a checkpoint is signed by a key that the ledger has, or had.
    pub(crate) is_ours: &'a dyn Fn(&SignedCheckpoint) -> bool,
    /// Ends it early.
    pub(crate) stop: &'a AtomicBool,
}

impl Scrub<'_> {
    /// Walks everything that is committed now.
    pub(crate) fn run(&self) -> Result<Scrubbed, ReadError> {
        let head = self.record.committed().head;
        let (mut position, mut batches) = (Position::start(self.record.origin()), 0);
        for segment in self.record.segments().into_iter().filter(|segment| segment.first <= head.segment) {
            let limit = if segment.first == head.segment { head.length } else { segment.file.length()? };
            let mut lines = Lines::new(&*segment.file, 0, limit);
            loop {
                if self.stop.load(Ordering::Acquire) {
                    return Ok(Scrubbed::Stopped);
                }
                let offset = lines.offset();
                let damage = |rule, expected: String, found: String, index| {
                    Ok(Scrubbed::Damaged(Damage { index, segment: segment.first, offset, rule, expected, found }))
                };
                match lines.next_line()? {
                    Next::Line(located) => match position.step(located.line, segment.first, located.offset) {
                        Ok(Step::Checkpoint { signed, .. }) if !(self.is_ours)(&signed) => {
                            let (expected, index) = ("a signature of the ledger".to_owned(), position.size());
                            return damage("checkpoint-signature", expected, "none that verifies".to_owned(), index);
                        }
                        Ok(Step::Checkpoint { .. }) => batches += 1,
                        Ok(Step::Entry { .. }) => {}
                        Err(damage) => return Ok(Scrubbed::Damaged(damage)),
                    },
                    Next::End => break,
                    Next::Torn => {
                        let expected = "a line that ends in a newline".to_owned();
                        return damage("line-end", expected, "none".to_owned(), position.size());
                    }
                }
            }
        }
        Ok(ended(&position, batches, &head))
    }
}

/// The walk must end where the head says that the record does.
fn ended(position: &Position, batches: u64, head: &Head) -> Scrubbed {
    let (size, root) = (position.size(), position.frontier.root());
    if (size, root, batches) == (head.size, head.root, head.batch) {
        return Scrubbed::Sound(size);
    }
    let (index, segment, offset) = (size, head.segment, head.length);
    let expected = format!("size {}, root {}, {} batches as the head says", head.size, head.root, head.batch);
    let found = format!("size {size}, root {root}, {batches} batches");
    Scrubbed::Damaged(Damage { index, segment, offset, rule: "head", expected, found })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lineal_schemas::{digest::EventDigest, dsse::Signed, key::SecretKey, timestamp::Timestamp};

    use super::*;
    use crate::{
        log::{Sequenced, recover},
        storage::{Disk, Storage},
    };

    /// The record of three batches of one entry, opened, with the folder that holds it.
    fn record() -> (tempfile::TempDir, Arc<Record>) {
        let folder = tempfile::tempdir().unwrap();
        let storage: Arc<dyn Storage> = Arc::new(Disk::new(folder.path()));
        recover::create(&*storage).unwrap();
        let key = SecretKey::from_seed([7; 32]).unwrap();
        let (mut log, _recovery) = recover::open(&storage, "scrub.example", recover::Mode::Write, &|_| true).unwrap();
        for number in 0..3 {
            let Signed { event, signatures } = Signed::sign(format!("{{\"number\":{number}}}").into_bytes(), &[&key]);
            let (received, digest) = (Timestamp::from_millis(number), EventDigest::of(&event));
            let entry = Sequenced { received, digest, event, signatures };
            log.commit(&[entry], &|checkpoint| SignedCheckpoint::sign(checkpoint, &key)).unwrap();
        }
        (folder, log.record().clone())
    }

    fn scrubbed(record: &Record, is_ours: &dyn Fn(&SignedCheckpoint) -> bool) -> Scrubbed {
        Scrub { record, is_ours, stop: &AtomicBool::new(false) }.run().unwrap()
    }

    #[test]
    fn rot_after_the_opening_is_found_and_named() {
        let (folder, record) = record();
        assert!(matches!(scrubbed(&record, &|_| true), Scrubbed::Sound(3)));
        assert!(matches!(
            scrubbed(&record, &|_| false),
            Scrubbed::Damaged(Damage { rule: "checkpoint-signature", .. })
        ));
        let path = folder.path().join("record/00000000000000000000.log");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(11).position(|window| window == b"\"number\":1}").unwrap();
        bytes[at + 9] = b'7';
        std::fs::write(&path, bytes).unwrap();
        let found = scrubbed(&record, &|_| true);
        assert!(matches!(found, Scrubbed::Damaged(Damage { index: 1, rule: "event-digest", .. })), "{found:?}");
    }
}
