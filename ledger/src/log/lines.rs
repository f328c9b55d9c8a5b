//! Reads a segment line by line, from an offset to a limit, through one buffer.
//!
//! Never reads past the limit and never holds more than the longest line and a buffer.

use std::io;

use lineal_schemas::{entry::MAX_ENTRY_BYTES, event::MAX_EVENT_BYTES};

use crate::storage::StoredFile;

/// The longest line: an entry, a tab and the largest event. (A checkpoint's line is far shorter.)
pub const MAX_LINE_BYTES: usize = MAX_ENTRY_BYTES + 1 + MAX_EVENT_BYTES;

const BUFFER_BYTES: usize = 1 << 20;

/// A line and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located<'a> {
    /// Offset of its first byte in the segment.
    pub offset: u64,
    /// Its bytes, without the newline.
    pub line: &'a [u8],
}

/// What comes next in a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A line that ends in a newline.
    Line(Located<'a>),
    /// The limit, right after a newline or at the start.
    End,
    /// Bytes without a newline before the limit or within the longest line.
    Torn,
}

/// Reads lines of one file.
#[derive(Debug)]
pub struct Lines<'f> {
    file: &'f dyn StoredFile,
    limit: u64,
    buffer: Vec<u8>,
    /// Offset in the file of the buffer's first byte.
    base: u64,
    /// Where in the buffer the next line begins.
    start: usize,
}

impl<'f> Lines<'f> {
    /// Lines of `file` from `offset` to `limit`.
    pub fn new(file: &'f dyn StoredFile, offset: u64, limit: u64) -> Self {
        Self { file, limit, buffer: Vec::new(), base: offset, start: 0 }
    }

    /// Offset of the next line.
    pub fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// The next line.
    pub fn next_line(&mut self) -> io::Result<Next<'_>> {
        let mut searched = 0;
        loop {
            let unread = self.buffer.get(self.start + searched..).unwrap_or_default();
            if let Some(found) = memchr::memchr(b'\n', unread) {
                let (from, to) = (self.start, self.start + searched + found);
                let offset = self.offset();
                self.start = to + 1;
                return Ok(Next::Line(Located { offset, line: self.buffer.get(from..to).unwrap_or_default() }));
            }
            searched = self.buffer.len() - self.start;
            if searched > MAX_LINE_BYTES {
                return Ok(Next::Torn);
            }
            if !self.fill()? {
                return Ok(if searched == 0 { Next::End } else { Next::Torn });
            }
        }
    }

    /// Reads on; false at the limit.
    fn fill(&mut self) -> io::Result<bool> {
        let end = self.base + self.buffer.len() as u64;
        let wanted = usize::try_from(self.limit.saturating_sub(end)).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
        if wanted == 0 {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.base += self.start as u64;
        self.start = 0;
        let kept = self.buffer.len();
        self.buffer.resize(kept + wanted, 0);
        let (_kept, new) = self.buffer.split_at_mut(kept);
        self.file.read_at(new, end)?;
        Ok(true)
    }
}
