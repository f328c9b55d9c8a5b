//! Reads segments in big chunks that end at the end of a line, so that lines can be worked on in parallel.
//!
//! Promises that each byte of each segment is in exactly one line, that a line without end is given up on after
//! [`MAX_LINE_BYTES`], and that memory does not grow with the record. Never looks into a line.

use std::{
    io::{BufRead as _, Read},
    ops::Range,
};

use crate::record::{Record, RecordError, Segment};

/// How much a core works on at once: much beside the cost of handing it on, little beside the record.
const CHUNK_BYTES: usize = 256 << 10;

/// No line is longer: the longest is a checkpoint's note of a million bytes with every byte escaped.
pub(crate) const MAX_LINE_BYTES: usize = 2_100_000;

/// Lines of one segment.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The segment, by its first index.
    pub segment: u64,
    /// The first lines of their segment.
    pub begins: bool,
    /// The last lines of their segment.
    pub ends: bool,
    /// The segment's first byte is 0.
    pub offset: u64,
    pub bytes: Vec<u8>,
    pub end: End,
}

/// How the last line of a chunk ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a newline.
    Newline,
    /// With its file.
    File,
    /// Not within the longest line: so many bytes were skipped up to its end.
    Skipped(u64),
}

impl Chunk {
    /// The lines' places in the bytes, without newlines; the last one may have none.
    pub(crate) fn lines(&self) -> Vec<Range<usize>> {
        let (mut lines, mut start, mut rest) = (Vec::new(), 0_usize, self.bytes.as_slice());
        // Reading from memory does not fail; `skip_until` looks at many bytes at a time.
        while let Ok(length @ 1..) = rest.skip_until(b'\n') {
            let end = start.saturating_add(length);
            lines.push(start..end);
            start = end;
        }
        lines
    }

    /// How many bytes of the segment it stands for.
    pub(crate) fn length(&self) -> u64 {
        let skipped = if let End::Skipped(skipped) = self.end { skipped } else { 0 };
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX).saturating_add(skipped)
    }
}

/// Reads a record's segments one after the other.
pub(crate) struct Reader<'r> {
    segments: std::slice::Iter<'r, Segment>,
    open: Option<Open<'r>>,
    chunk_bytes: usize,
}

struct Open<'r> {
    segment: &'r Segment,
    file: Box<dyn Read + Send>,
    /// Offset of the first byte of `rest`.
    offset: u64,
    /// Read already, and belongs to the next chunk.
    rest: Vec<u8>,
}

impl<'r> Reader<'r> {
    pub(crate) fn new(record: &'r Record) -> Self {
        Self { segments: record.segments().iter(), open: None, chunk_bytes: CHUNK_BYTES }
    }

    /// The next chunk; nothing after the last.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Chunk>, RecordError> {
        let begins = self.open.is_none();
        if begins {
            let Some(segment) = self.segments.next() else { return Ok(None) };
            self.open = Some(Open { segment, file: segment.open()?, offset: 0, rest: Vec::new() });
        }
        let Some(open) = &mut self.open else { return Ok(None) };
        let (mut chunk, is_over) = open.next_chunk(self.chunk_bytes).map_err(|source| open.segment.failed(source))?;
        (chunk.begins, chunk.ends) = (begins, is_over);
        if is_over {
            self.open = None;
        }
        Ok(Some(chunk))
    }
}

impl Open<'_> {
    /// The next chunk, and whether the file is over.
    fn next_chunk(&mut self, chunk_bytes: usize) -> std::io::Result<(Chunk, bool)> {
        let mut bytes = std::mem::take(&mut self.rest);
        let (end, is_over) = loop {
            let searched = bytes.len();
            let is_over = fill(&mut *self.file, &mut bytes, chunk_bytes)?;
            if is_over {
                break (if bytes.ends_with(b"\n") || bytes.is_empty() { End::Newline } else { End::File }, true);
            }
            let last = bytes.iter().skip(searched).rposition(|byte| *byte == b'\n');
            if let Some(last) = last {
                self.rest = bytes.split_off(searched.saturating_add(last).saturating_add(1));
                break (End::Newline, false);
            }
            if bytes.len() > MAX_LINE_BYTES {
                let (skipped, is_over) = self.skip_line(chunk_bytes)?;
                break (End::Skipped(skipped), is_over);
            }
        };
        let chunk = Chunk { segment: self.segment.first, begins: false, ends: false, offset: self.offset, bytes, end };
        self.offset = self.offset.saturating_add(chunk.length());
        Ok((chunk, is_over))
    }

    /// Skips what is left of a line that is too long. Gives its bytes, newline included, and whether the file is over.
    fn skip_line(&mut self, chunk_bytes: usize) -> std::io::Result<(u64, bool)> {
        let mut skipped = 0_u64;
        loop {
            let mut bytes = Vec::new();
            let is_over = fill(&mut *self.file, &mut bytes, chunk_bytes)?;
            let newline = bytes.iter().position(|byte| *byte == b'\n');
            let length = newline.map_or(bytes.len(), |at| at.saturating_add(1));
            skipped = skipped.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            if newline.is_some() {
                self.rest = bytes.split_off(length);
            }
            // What follows the newline is a chunk of its own, even where the file is over.
            if newline.is_some() || is_over {
                return Ok((skipped, is_over && self.rest.is_empty()));
            }
        }
    }
}

/// Appends up to `count` bytes; true when there are no more.
fn fill(file: &mut dyn Read, bytes: &mut Vec<u8>, count: usize) -> std::io::Result<bool> {
    bytes.reserve(count.saturating_add(1));
    let read = file.take(u64::try_from(count).unwrap_or(u64::MAX)).read_to_end(bytes)?;
    Ok(read < count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every line with its segment and offset, as it comes out of chunks of that size.
    fn lines_of(record: &Record, chunk_bytes: usize) -> Vec<(u64, u64, Vec<u8>)> {
        let mut reader = Reader { chunk_bytes, ..Reader::new(record) };
        let mut lines = Vec::new();
        while let Some(chunk) = reader.next_chunk().unwrap() {
            for line in chunk.lines() {
                lines.push((chunk.segment, chunk.offset + line.start as u64, chunk.bytes[line].to_vec()));
            }
        }
        lines
    }

    proptest! {
        #[test]
        fn every_byte_is_in_one_line_whatever_the_chunks(first in "[a\n]{0,40}", second in "[a\n]{0,40}", chunk in 1..20_usize) {
            let record = Record::in_memory(vec![(0, first.clone().into()), (7, second.clone().into())], None);
            let lines = lines_of(&record, chunk);
            let text = |segment| lines.iter().filter(|line| line.0 == segment).flat_map(|line| line.2.clone()).collect::<Vec<_>>();
            prop_assert_eq!(text(0), first.into_bytes());
            prop_assert_eq!(text(7), second.into_bytes());
            for (_, _, line) in &lines {
                let newline = line.iter().position(|byte| *byte == b'\n');
                prop_assert!(newline.is_none_or(|at| at + 1 == line.len()));
            }
            prop_assert_eq!(lines_of(&record, 1 << 20), lines);
        }
    }

    #[test]
    fn a_line_without_end_is_given_up_on_and_the_next_is_read() {
        let mut bytes = vec![b'a'; MAX_LINE_BYTES * 2];
        bytes.extend(b"\nnext\n");
        let total = bytes.len() as u64;
        let record = Record::in_memory(vec![(0, bytes)], None);
        let mut reader = Reader { chunk_bytes: 1000, ..Reader::new(&record) };
        let long = reader.next_chunk().unwrap().unwrap();
        assert!(matches!(long.end, End::Skipped(_)) && long.bytes.len() > MAX_LINE_BYTES);
        let next = reader.next_chunk().unwrap().unwrap();
        assert_eq!((&next.bytes[..], next.offset, next.ends), (&b"next\n"[..], total - 5, true));
        assert!(reader.next_chunk().unwrap().is_none());
    }

    #[test]
    fn an_empty_segment_is_a_chunk_without_lines() {
        let record = Record::in_memory(vec![(0, Vec::new())], None);
        let chunk = Reader::new(&record).next_chunk().unwrap().unwrap();
        assert!(chunk.begins && chunk.ends && chunk.lines().is_empty() && chunk.end == End::Newline);
    }
}
