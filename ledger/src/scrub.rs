//! Checks the whole record again in the background, line by line, while the ledger serves.
//!
//! Opening checks what was written last; this finds what has rotted since long ago. Damage is reported and stops intake;
//! nothing is repaired.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::log::{
    lines::{Lines, Next},
    record::{ReadError, Record},
    walk::{Damage, Position},
};

/// What the check found.
#[derive(Debug)]
pub enum Scrubbed {
    /// All entries up to this size are as they were committed.
    Sound(u64),
    /// A line is not.
    Damaged(Damage),
    /// It was told to stop.
    Stopped,
}

/// Walks everything that is committed now. `stop` ends it early; `seen` hears how many entries were walked.
pub fn scrub(record: &Record, stop: &AtomicBool, seen: &mut dyn FnMut(u64)) -> Result<Scrubbed, ReadError> {
    let head = record.committed().head;
    let mut position = Position::start(record.origin());
    for segment in record.segments() {
        if segment.first > head.segment {
            break;
        }
        let limit = if segment.first == head.segment { head.length } else { segment.file.length()? };
        let mut lines = Lines::new(&*segment.file, 0, limit);
        loop {
            let offset = lines.offset();
            match lines.next_line()? {
                Next::Line(located) => {
                    if let Err(damage) = position.step(located.line, segment.first, located.offset) {
                        return Ok(Scrubbed::Damaged(damage));
                    }
                }
                Next::End => break,
                Next::Torn => {
                    let (index, segment) = (position.size(), segment.first);
                    let (expected, found) = ("a line that ends in a newline".to_owned(), "none".to_owned());
                    return Ok(Scrubbed::Damaged(Damage { index, segment, offset, rule: "line-end", expected, found }));
                }
            }
            if position.size().is_multiple_of(4096) {
                seen(position.size());
                if stop.load(Ordering::Acquire) {
                    return Ok(Scrubbed::Stopped);
                }
            }
        }
    }
    Ok(Scrubbed::Sound(position.size()))
}
