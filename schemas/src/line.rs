//! A line of the record: an entry with its event's bytes, or the signed checkpoint that ends a batch.
//!
//! The record can be read with `less`, `cut` and `sha256sum`. Promises one spelling for each line; an erased body
//! leaves its entry, a tab and nothing. Never decides whether a line belongs where it stands. (docs/FORMAT.md, Record)

use crate::entry::{Entry, EntryError};

/// Why bytes are not a line of the record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It begins with neither `{` nor `"`.
    #[error("neither an entry (`{{`) nor a checkpoint (`\"`): the line begins with byte {0:#04x}")]
    Unknown(u8),
    /// No bytes.
    #[error("an empty line")]
    Empty,
    /// An entry without the tab that ends it.
    #[error("an entry without its tab")]
    NoTab,
    /// The first column is not an entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A checkpoint string that is not in its one spelling.
    #[error("a checkpoint line that is not one JSON string in its one spelling")]
    Checkpoint,
}

impl LineError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) | Self::Empty => "unknown-line",
            Self::NoTab => "line-without-tab",
            Self::Entry(error) => error.code(),
            Self::Checkpoint => "malformed-checkpoint-line",
        }
    }
}

/// A line without its newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// An entry.
    Entry {
        /// As read.
        entry: Entry,
        /// Its exact bytes: the Merkle leaf.
        entry_bytes: &'a [u8],
        /// The event's exact bytes, or nothing where they have been erased.
        body: Option<&'a [u8]>,
    },
    /// The text of a signed checkpoint.
    Checkpoint(String),
}

impl<'a> Line<'a> {
    /// Reads a line, without its newline.
    pub fn parse(line: &'a [u8]) -> Result<Self, LineError> {
        match line.first() {
            Some(b'{') => {
                let (entry_bytes, body) = split(line).ok_or(LineError::NoTab)?;
                let entry = Entry::parse(entry_bytes)?;
                Ok(Self::Entry { entry, entry_bytes, body: (!body.is_empty()).then_some(body) })
            }
            Some(b'"') => parse_checkpoint(line).map(Self::Checkpoint),
            Some(other) => Err(LineError::Unknown(*other)),
            None => Err(LineError::Empty),
        }
    }
}

/// The two columns: an entry has no tab of its own.
pub fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    Some((line.get(..tab)?, line.get(tab.checked_add(1)?..)?))
}

/// Appends an entry's line, newline included; no body where it is erased.
pub fn write_entry(into: &mut Vec<u8>, entry_bytes: &[u8], body: &[u8]) {
    into.extend_from_slice(entry_bytes);
    into.push(b'\t');
    into.extend_from_slice(body);
    into.push(b'\n');
}

/// Appends a checkpoint's line, newline included. Only newline, quote and backslash are escaped.
pub fn write_checkpoint(into: &mut Vec<u8>, note: &str) {
    into.push(b'"');
    for byte in note.bytes() {
        match byte {
            b'\n' => into.extend_from_slice(b"\\n"),
            b'"' => into.extend_from_slice(b"\\\""),
            b'\\' => into.extend_from_slice(b"\\\\"),
            other => into.push(other),
        }
    }
    into.extend_from_slice(b"\"\n");
}

fn parse_checkpoint(line: &[u8]) -> Result<String, LineError> {
    let inside = line.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).ok_or(LineError::Checkpoint)?;
    let mut note = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(byte) = bytes.next() {
        note.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(quoted @ (b'"' | b'\\')) => *quoted,
                _ => return Err(LineError::Checkpoint),
            },
            b'"' | 0..=0x1f => return Err(LineError::Checkpoint),
            other => *other,
        });
    }
    String::from_utf8(note).map_err(|_not_text| LineError::Checkpoint)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::tests::any_entry;

    proptest! {
        #[test]
        fn a_checkpoint_line_comes_back_as_it_went(note in "[^\x00-\x09\x0b-\x1f]{0,200}") {
            let mut line = Vec::new();
            write_checkpoint(&mut line, &note);
            let without = line.strip_suffix(b"\n").unwrap();
            prop_assert_eq!(Line::parse(without), Ok(Line::Checkpoint(note)));
        }

        #[test]
        fn an_entry_line_comes_back_as_it_went(entry in any_entry(), body in "[ -~]{0,60}") {
            let (bytes, mut line) = (entry.to_bytes(), Vec::new());
            write_entry(&mut line, &bytes, body.as_bytes());
            let read = Line::parse(line.strip_suffix(b"\n").unwrap()).unwrap();
            let expected = (!body.is_empty()).then_some(body.as_bytes());
            prop_assert_eq!(read, Line::Entry { entry, entry_bytes: &bytes, body: expected });
        }

        #[test]
        fn any_line_that_is_read_has_one_spelling(line in "[\"{][\\x00-\\x7f]{0,60}\"?") {
            if let Ok(Line::Checkpoint(note)) = Line::parse(line.as_bytes()) {
                let mut again = Vec::new();
                write_checkpoint(&mut again, &note);
                prop_assert_eq!(again.strip_suffix(b"\n").unwrap(), line.as_bytes());
            }
        }
    }

    #[test]
    fn other_lines_are_refused() {
        assert_eq!(Line::parse(b"").unwrap_err().code(), "unknown-line");
        assert_eq!(Line::parse(b"x").unwrap_err().code(), "unknown-line");
        assert_eq!(Line::parse(b"{}").unwrap_err().code(), "line-without-tab");
        assert_eq!(Line::parse(b"{}\t").unwrap_err().code(), "malformed-entry");
        assert_eq!(Line::parse(br#""a\u006eb""#).unwrap_err().code(), "malformed-checkpoint-line");
    }
}
