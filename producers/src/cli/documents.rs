//! What `check` and `send` read: events, envelopes and drafts, one a line, or one spread over several lines.

use std::collections::BTreeMap;

use lineal_producers::Draft;
use lineal_schemas::{dsse::Signed, event::name_of};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One document, with where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Document<'a> {
    /// Its first line, from 1.
    pub(crate) line: usize,
    /// Its exact bytes, without the newline.
    pub(crate) bytes: &'a [u8],
}

/// What a document is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A DSSE envelope.
    Envelope(Signed),
    /// An event without signatures, or something that is meant to be one.
    Event,
    /// `{type, subject, data}`.
    Draft(Draft),
}

/// Cuts a file into documents: by lines, unless its first line is not a document by itself.
pub(crate) fn documents(bytes: &[u8]) -> Vec<Document<'_>> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n')).map(|(line, bytes)| Document { line, bytes });
    let mut lines: Vec<_> = lines.filter(|document| !document.bytes.trim_ascii().is_empty()).collect();
    let spread = lines.first().is_some_and(|first| members(first.bytes).is_none()) && members(bytes).is_some();
    if spread {
        lines = vec![Document { line: 1, bytes: bytes.trim_ascii() }];
    }
    lines
}

/// The members of a document, loosely: what it is, not whether it is sound.
fn members(bytes: &[u8]) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_slice(bytes).ok()
}

impl Document<'_> {
    /// Finds out what the document is. The error has a code and a message.
    pub(crate) fn kind(&self) -> Result<Kind, (&'static str, String)> {
        let members = members(self.bytes).unwrap_or_default();
        if members.contains_key("payload") {
            let signed = Signed::from_envelope(self.bytes).map_err(|error| (error.code(), error.to_string()))?;
            return Ok(Kind::Envelope(signed));
        }
        if members.contains_key("specversion") || !members.contains_key("data") {
            return Ok(Kind::Event);
        }
        self.draft().map(Kind::Draft).map_err(|error| ("malformed-draft", error.to_string()))
    }

    fn draft(&self) -> Result<Draft, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Text<'a> {
            r#type: String,
            subject: String,
            #[serde(borrow)]
            data: &'a RawValue,
            id: Option<String>,
            time: Option<String>,
        }
        let text: Text<'_> = serde_json::from_slice(self.bytes)?;
        let name = name_of(&text.r#type).unwrap_or(&text.r#type).to_owned();
        let draft = Draft::new(name, text.subject, text.data.get());
        Ok(Draft { id: text.id, time: text.time, ..draft })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_lines_of_documents_or_one_document() {
        let lines = |text: &'static str| documents(text.as_bytes()).iter().map(|one| one.line).collect::<Vec<_>>();
        assert_eq!(lines("{\"a\":1}\n\n{\"b\":2}\n"), [1, 3]);
        assert_eq!(lines("{\n \"a\": 1\n}\n"), [1]);
        assert_eq!(lines("{\"a\":1}\n{\n"), [1, 2]);
        assert_eq!(lines("not JSON\n"), [1]);
    }

    #[test]
    fn the_text_of_a_drafts_data_is_kept() {
        let text = r#"{"type":"dev.lineal.x.y.v1","subject":"s","data":{"n":0.10}}"#;
        let Ok(Kind::Draft(draft)) = (Document { line: 1, bytes: text.as_bytes() }).kind() else { panic!("no draft") };
        assert_eq!((draft.name.as_str(), draft.data.as_str()), ("x.y", r#"{"n":0.10}"#));
    }
}
