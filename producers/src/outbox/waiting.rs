//! The files of `pending/`: events of one source that wait for their receipts, one envelope a line.
//!
//! Events that were stored together stand in one file, so that a thousand of them cost as many syncs as one. A file is
//! named by its first and its last number; what is settled is taken out of it, so it may hold fewer. Promises sequence
//! order within a file. Never appends: a file is replaced whole. (docs/FORMAT.md, "An outbox on disk")

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use lineal_schemas::{digest::EventDigest, dsse::Signed, event::Event};

use super::{OutboxError, damaged, durable};

/// The most events in one file: as many as a ledger takes at once.
pub(crate) const EVENTS_A_FILE: usize = 1000;

/// An event without a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its sequence number.
    pub sequence: u64,
    /// Its digest.
    pub event: EventDigest,
    /// Its DSSE envelope, one line without the newline.
    pub envelope: String,
    /// Its exact bytes with its signatures.
    pub signed: Signed,
    /// The file that it is in.
    pub(crate) span: Span,
}

impl Pending {
    /// An event that was signed just now, as it stands in its file.
    pub(super) fn new(sequence: u64, signed: Signed, span: Span) -> Self {
        Self { sequence, event: signed.digest(), envelope: signed.to_envelope(), signed, span }
    }
}

/// The numbers that a file of pending events is named by, `<first>[-<last>].dsse`. In the order of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    first: u64,
    last: u64,
}

impl Span {
    pub(crate) const fn new(first: u64, last: u64) -> Self {
        Self { first, last }
    }

    /// The next `count` numbers after `sequence`.
    pub(super) fn following(sequence: u64, count: usize) -> Self {
        Self { first: sequence + 1, last: sequence.saturating_add(count as u64) }
    }

    /// The last number.
    pub(super) const fn last(self) -> u64 {
        self.last
    }

    /// Whether the number may be in the file.
    pub(super) fn covers(self, sequence: u64) -> bool {
        (self.first..=self.last).contains(&sequence)
    }

    /// Whether so many events are all that the file was named for.
    fn is_full(self, count: usize) -> bool {
        u64::try_from(count).is_ok_and(|count| count == self.last - self.first + 1)
    }

    pub(super) fn path(self, directory: &Path) -> PathBuf {
        directory.join(self.file_name())
    }

    fn file_name(self) -> String {
        let Self { first, last } = self;
        if first == last { format!("{first:012}.dsse") } else { format!("{first:012}-{last:012}.dsse") }
    }

    /// Other files that lie there are not ours.
    fn parse(name: &str) -> Option<Self> {
        let numbers = name.strip_suffix(".dsse")?;
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let span = Self { first: first.parse().ok()?, last: last.parse().ok()? };
        (span.first <= span.last && span.file_name() == name).then_some(span)
    }
}

/// The files in a directory of pending events, by their numbers.
pub(super) fn spans(directory: &Path) -> Result<Vec<Span>, OutboxError> {
    let mut spans: Vec<_> = durable::names(directory)?.iter().filter_map(|name| Span::parse(name)).collect();
    spans.sort_unstable();
    Ok(spans)
}

/// The events of one file, in sequence order; none if it is gone.
pub(super) fn read(directory: &Path, span: Span) -> Result<Vec<Pending>, OutboxError> {
    let path = span.path(directory);
    let text = durable::read_text(&path)?.unwrap_or_default();
    // Where all are there, each stands at its place.
    let is_full = span.is_full(text.lines().count());
    let numbered = (span.first..).zip(text.lines());
    numbered
        .map(|(place, line)| {
            let signed = Signed::from_envelope(line.as_bytes()).map_err(|error| damaged(&path, error.to_string()))?;
            let sequence = if is_full { place } else { number(&signed).map_err(|what| damaged(&path, what))? };
            Ok(Pending { sequence, event: signed.digest(), envelope: line.to_owned(), signed, span })
        })
        .collect()
}

/// The sequence numbers of all that waits in a directory, in order.
pub(super) fn numbers(directory: &Path) -> Result<Vec<u64>, OutboxError> {
    let mut numbers = Vec::new();
    for span in spans(directory)? {
        let count =
            durable::read(&span.path(directory))?.map_or(0, |text| text.split(|byte| *byte == b'\n').count() - 1);
        if span.is_full(count) {
            numbers.extend(span.first..=span.last);
        } else {
            numbers.extend(read(directory, span)?.into_iter().map(|pending| pending.sequence));
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Takes settled events out of their file, of which they were read.
pub(super) fn take_out(directory: &Path, span: Span, settled: &BTreeSet<EventDigest>) -> Result<(), OutboxError> {
    let path = span.path(directory);
    let is_all = || Ok(durable::read_text(&path)?.unwrap_or_default().lines().count() <= settled.len());
    if span.is_full(settled.len()) || is_all()? {
        return durable::remove(&path);
    }
    let mut left = read(directory, span)?;
    left.retain(|pending| !settled.contains(&pending.event));
    durable::write(&path, lines_of(left.iter().map(|pending| pending.envelope.as_str())).as_bytes())
}

/// Envelopes as the text of a file.
pub(super) fn lines_of<'e>(envelopes: impl IntoIterator<Item = &'e str>) -> String {
    envelopes.into_iter().fold(String::new(), |mut text, envelope| {
        text.push_str(envelope);
        text.push('\n');
        text
    })
}

fn number(signed: &Signed) -> Result<u64, String> {
    Event::parse(&signed.event).map(|event| event.sequence).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_has_one_spelling() {
        for (name, span) in [
            ("000000000007.dsse", Some(Span::new(7, 7))),
            ("000000000007-000000000012.dsse", Some(Span::new(7, 12))),
            ("7.dsse", None),
            ("000000000007-000000000007.dsse", None),
            ("000000000012-000000000007.dsse", None),
            ("notes.dsse", None),
            ("000000000007.json", None),
        ] {
            assert_eq!(Span::parse(name), span, "{name}");
            assert!(span.is_none_or(|span| span.file_name() == name));
        }
    }
}
