//! Single entries: one in full for `get`, one in a line for `log`.

use lineal_schemas::{
    digest::{EntryHash, EventDigest},
    event::Event,
    registry::Registry,
    timestamp::Timestamp,
    vocabulary::values::Json,
};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, Signer, When,
    graph::{self, Reader},
    resolve::{self, Target},
    text,
};
use crate::{
    ledger::View,
    log::record::{ReadError, StoredEntry},
};

/// The answer to `lineal get`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryAnswer {
    /// The entry.
    pub index: u64,
    /// When the ledger took the event.
    pub received: Timestamp,
    /// SHA-256 of the entry before.
    pub previous: EntryHash,
    /// SHA-256 of the event's bytes.
    pub event: EventDigest,
    /// `<keyid>:<base64>` each.
    pub signatures: Vec<String>,
    /// Who signed.
    pub signers: Vec<Signer>,
    /// The event, byte for byte; absent where it has been erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Json>,
    /// The entry of the `record.corrected` whose data stand in for the event's, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected_by: Option<u64>,
    /// The entry's receipt: a tlog-proof.
    pub receipt: String,
    /// How far the record had come.
    pub as_of: AsOf,
}

/// Gives an entry by its index (`17`, `#17`), or by its event's id, digest, or at least 8 digits of its digest, with what
/// was known of it. An entry is no fact that holds at a time: of `when`, what is known counts alone.
pub fn get(view: &View, asked: &str, when: impl Into<When>) -> Result<EntryAnswer, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let index = index_of(&reader, asked)?;
    entry(&mut reader, index)
}

/// The entry that an index (`17`, `#17`), or its event's id, digest, or at least 8 digits of its digest names.
pub(super) fn index_of(reader: &Reader<'_>, asked: &str) -> Result<u64, AnswerError> {
    let digits = asked.strip_prefix('#').unwrap_or(asked);
    // Eight digits and more could be the beginning of a digest: an entry of that index comes first.
    if let Ok(index) = digits.parse::<u64>() {
        let size = reader.moment().size;
        let is_hash = digits.len() >= 8 && digits.len() == asked.len();
        if index < size || !is_hash {
            return Ok(index);
        }
    }
    let target = if resolve::is_id(asked) {
        resolve::by_id(reader, asked)?
    } else if resolve::is_hex(asked) {
        resolve::event_by_prefix(reader, asked)?
    } else {
        return Err(AnswerError::Unknown { asked: asked.to_owned(), near: Vec::new() });
    };
    match target {
        Target::Event(index) => Ok(index),
        _ => Err(AnswerError::Unknown { asked: asked.to_owned(), near: Vec::new() }),
    }
}

fn entry(reader: &mut Reader<'_>, index: u64) -> Result<EntryAnswer, AnswerError> {
    let size = reader.moment().size;
    if index >= size {
        return Err(ReadError::NoSuchEntry { index, size }.into());
    }
    let view = reader.view();
    let stored = view.record.get(index)?;
    let entry = stored.entry();
    let told = reader.told(index)?;
    Ok(EntryAnswer {
        index,
        received: entry.received,
        previous: entry.previous,
        event: entry.event,
        signatures: entry.signatures.iter().map(ToString::to_string).collect(),
        signers: graph::signers(reader.registry(), entry),
        body: stored.body().map(|body| raw(index, body)).transpose()?,
        corrected_by: told.and_then(|told| told.corrected_by),
        receipt: view.record.receipt(index)?,
        as_of: reader.as_of(),
    })
}

fn raw(index: u64, body: &[u8]) -> Result<Json, ReadError> {
    serde_json::from_slice(body).map_err(|error| ReadError::Damaged { index, found: error.to_string() })
}

/// One entry in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// The entry.
    pub index: u64,
    /// When the ledger took the event.
    pub received: Timestamp,
    /// Whose keys signed it.
    pub producers: Vec<String>,
    /// The name of its type; absent where the event has been erased.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What it is about; absent where the event has been erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// SHA-256 of the event's bytes.
    pub event: EventDigest,
}

/// The line of an entry, with the producers' names as the registry has them now.
pub fn log_line(registry: &Registry, stored: &StoredEntry) -> Result<LogLine, ReadError> {
    let entry = stored.entry();
    let event = stored.body().and_then(|body| Event::parse(body).ok());
    let producer = |signer: Signer| signer.producer.unwrap_or_else(|| text::short_hex(&signer.keyid.to_string()));
    Ok(LogLine {
        index: stored.index,
        received: entry.received,
        producers: graph::signers(registry, entry).into_iter().map(producer).collect(),
        kind: event.as_ref().map(|event| event.name().to_owned()),
        subject: event.as_ref().map(|event| event.subject.to_owned()),
        event: entry.event,
    })
}

impl std::fmt::Display for LogLine {
    /// `#17  2026-11-23T21:50:12.345Z  wine-trainer  run.completed  job/wine/train  ab12cd34ef56…`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (index, received, producers) = (self.index, self.received, self.producers.join("+"));
        let kind = self.kind.as_deref().unwrap_or("(erased)");
        let subject = self.subject.as_deref().unwrap_or("-");
        write!(f, "#{index}  {received}  {producers}  {kind}  {subject}  {}", text::short_hex(&self.event.to_string()))
    }
}
