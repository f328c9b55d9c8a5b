//! A draft: what an event says, before it has a source, a number and a signature.
//!
//! The first thing a producer makes. Promises that a draft becomes one line of compact JSON with its attributes in one
//! order and `data` last, and that the text of `data` is kept as it was given, whitespace outside strings aside: no
//! number is ever read and written again. Whether the line is a sound event is for the strict parser. (docs/FORMAT.md)

use std::fmt::Write;

use lineal_schemas::{
    digest::EventDigest,
    event::{dataschema_of, type_of},
    timestamp::Timestamp,
};

use crate::outbox::Attachment;

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The type's name within the vocabulary: `dataset.snapshotted`.
    pub name: String,
    /// What it is about: `dataset/payments/transactions`.
    pub subject: String,
    /// A JSON object, as the vocabulary defines it for the type.
    pub data: String,
    /// Bytes that `data` names and that are sent after the event.
    pub attachments: Vec<Attachment>,
    /// Whether the source is closed by this event.
    pub last: bool,
    /// The id, if it is settled already: a lower-case `UUIDv7`.
    pub id: Option<String>,
    /// When it happened, if not now: RFC 3339 in UTC.
    pub time: Option<String>,
    /// Further attributes: a name, and a JSON string, boolean or integer.
    pub extensions: Vec<(String, serde_json::Value)>,
}

/// What the emitter adds to a draft.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) source: &'a str,
    pub(crate) ledger: EventDigest,
    pub(crate) sequence: u64,
    pub(crate) previous: Option<EventDigest>,
    pub(crate) now: Timestamp,
}

impl Draft {
    /// An event of type `name` about `subject` that says `data`.
    pub fn new(name: impl Into<String>, subject: impl Into<String>, data: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            subject: subject.into(),
            data: data.into(),
            attachments: Vec::new(),
            last: false,
            id: None,
            time: None,
            extensions: Vec::new(),
        }
    }

    /// With bytes that `data` names.
    #[must_use]
    pub fn with_attachments(mut self, attachments: impl IntoIterator<Item = Attachment>) -> Self {
        self.attachments.extend(attachments);
        self
    }

    /// The last event of its source.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.last = true;
        self
    }

    /// The event's bytes. They are what is checked, signed, stored and sent; nothing writes them a second time.
    pub(crate) fn to_line(&self, place: &Place<'_>) -> Vec<u8> {
        let id = self.id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let time = self.time.clone().unwrap_or_else(|| place.now.to_string());
        let mut line = String::with_capacity(self.data.len() + 1024);
        line.push_str("{\"specversion\":\"1.0\"");
        attribute(&mut line, "id", &id.into());
        attribute(&mut line, "source", &place.source.into());
        attribute(&mut line, "type", &type_of(&self.name).into());
        attribute(&mut line, "subject", &self.subject.as_str().into());
        attribute(&mut line, "time", &time.into());
        attribute(&mut line, "datacontenttype", &"application/json".into());
        attribute(&mut line, "dataschema", &dataschema_of(&self.name).into());
        attribute(&mut line, "ledger", &place.ledger.to_string().into());
        attribute(&mut line, "sequence", &format!("{:012}", place.sequence).into());
        if let Some(previous) = place.previous {
            attribute(&mut line, "previous", &previous.to_string().into());
        }
        if self.last {
            attribute(&mut line, "sequenceend", &true.into());
        }
        for (name, value) in &self.extensions {
            attribute(&mut line, name, value);
        }
        line.push_str(",\"data\":");
        compact(&self.data, &mut line);
        line.push('}');
        line.into_bytes()
    }
}

fn attribute(line: &mut String, name: &str, value: &serde_json::Value) {
    // Writing to a String can't fail.
    write!(line, ",{}:{value}", serde_json::Value::from(name)).unwrap_or_default();
}

/// Copies JSON text without the whitespace outside its strings. Text that is not JSON stays text that is not JSON.
fn compact(text: &str, into: &mut String) {
    let (mut in_string, mut escaped, mut from) = (false, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            // Before and after an ASCII byte are borders of characters.
            into.push_str(text.get(from..at).unwrap_or_default());
            from = at + 1;
        } else {
            in_string = byte == b'"';
        }
    }
    into.push_str(text.get(from..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(draft: &Draft) -> String {
        let place = Place {
            source: "ci/train",
            ledger: EventDigest::of(b"genesis"),
            sequence: 2,
            previous: Some(EventDigest::of(b"one")),
            now: Timestamp::from_millis(0),
        };
        String::from_utf8(draft.to_line(&place)).unwrap()
    }

    #[test]
    fn attributes_come_in_one_order_and_data_last() {
        let mut draft = Draft::new("dataset.snapshotted", "dataset/a/b", "{\"n\": 1.0e2}").closing();
        draft.id = Some("id".to_owned());
        draft.extensions = vec![("build".to_owned(), 7.into())];
        let (ledger, previous) = (EventDigest::of(b"genesis"), EventDigest::of(b"one"));
        assert_eq!(
            line(&draft),
            format!(
                "{{\"specversion\":\"1.0\",\"id\":\"id\",\"source\":\"ci/train\",\
                 \"type\":\"dev.lineal.dataset.snapshotted.v1\",\"subject\":\"dataset/a/b\",\
                 \"time\":\"1970-01-01T00:00:00.000Z\",\"datacontenttype\":\"application/json\",\
                 \"dataschema\":\"https://lineal.dev/schemas/dataset.snapshotted.v1.json\",\"ledger\":\"{ledger}\",\
                 \"sequence\":\"000000000002\",\"previous\":\"{previous}\",\"sequenceend\":true,\"build\":7,\
                 \"data\":{{\"n\":1.0e2}}}}"
            )
        );
    }

    #[test]
    fn only_whitespace_outside_strings_is_taken_away() {
        let mut compacted = String::new();
        compact("{ \"a b\" :\t\"\\\" \\\\\" ,\r\n \"n\" : 0.10 , \"n\" : [ ] }", &mut compacted);
        assert_eq!(compacted, "{\"a b\":\"\\\" \\\\\",\"n\":0.10,\"n\":[]}");
    }
}
