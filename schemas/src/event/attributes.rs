//! An event's attributes, one after the other: each read by its own rule.
//!
//! Promises that each has one spelling, and that what is not defined here is kept as an extension. Never reads `data`.

use super::{EventError, MAX_ATTRIBUTE_CHARS, MAX_ATTRIBUTE_NAME_CHARS, SCHEMA_BASE, name_of};
use crate::{
    digest::EventDigest,
    json::{self, Member},
    timestamp::Timestamp,
    vocabulary::names::is_hidden,
};

/// How many attributes this page defines; all others are extensions that are kept and signed like the rest.
const KNOWN: usize = 13;

/// The place of an attribute that this page defines.
pub(super) fn slot(name: &str) -> Option<usize> {
    Some(match name {
        "specversion" => 0,
        "id" => 1,
        "source" => 2,
        "type" => 3,
        "subject" => 4,
        "time" => 5,
        "datacontenttype" => 6,
        "dataschema" => 7,
        "ledger" => 8,
        "sequence" => 9,
        "previous" => 10,
        "sequenceend" => 11,
        "data" => 12,
        _ => return None,
    })
}

pub(super) struct Attributes<'a> {
    known: [Option<Member<'a>>; KNOWN],
    extensions: Vec<Member<'a>>,
}

impl<'a> Attributes<'a> {
    pub(super) fn sort(members: Vec<Member<'a>>) -> Result<Self, EventError> {
        let (mut known, mut extensions) = ([None; KNOWN], Vec::new());
        for member in members {
            let length_fits = (1..=MAX_ATTRIBUTE_NAME_CHARS).contains(&member.name.len());
            if member.name == "data_base64" {
                let rule = "binary data can't be checked: `data` is a JSON object";
                return Err(EventError::Forbidden { name: member.name.to_owned(), at: member.at, rule });
            }
            if !length_fits || !member.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
                let name = member.name.chars().take(80).collect();
                return Err(EventError::AttributeName { name, at: member.at });
            }
            match slot(member.name).and_then(|slot| known.get_mut(slot)) {
                Some(place) => *place = Some(member),
                None => extensions.push(member),
            }
        }
        Ok(Self { known, extensions })
    }

    fn find(&self, name: &str) -> Option<&Member<'a>> {
        self.known.get(slot(name)?)?.as_ref()
    }

    fn require(&self, name: &'static str) -> Result<&Member<'a>, EventError> {
        self.find(name).ok_or(EventError::Missing { name })
    }

    /// A required attribute that is a string of printable ASCII.
    pub(super) fn text(&self, name: &'static str) -> Result<&'a str, EventError> {
        plain_text(self.require(name)?)
    }

    pub(super) fn check_fixed(&self) -> Result<(), EventError> {
        for (name, value, rule) in
            [("specversion", "1.0", "it is `1.0`"), ("datacontenttype", "application/json", "it is `application/json`")]
        {
            if self.text(name)? != value {
                return Err(malformed(self.require(name)?, rule));
            }
        }
        Ok(())
    }

    /// The type, with a `dataschema` that names the same.
    pub(super) fn kind(&self) -> Result<&'a str, EventError> {
        let kind = self.text("type")?;
        let rule = "it is `dev.lineal.<noun>.<past participle>.v1`";
        let name = name_of(kind).ok_or_else(|| self.malformed("type", rule))?;
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.') {
            return Err(self.malformed("type", rule));
        }
        let schema = self.text("dataschema")?;
        let named = schema.strip_prefix(SCHEMA_BASE).and_then(|rest| rest.strip_suffix(".v1.json"));
        if named != Some(name) {
            return Err(self.malformed("dataschema", "it is `https://lineal.dev/schemas/<name of the type>.v1.json`"));
        }
        Ok(kind)
    }

    fn malformed(&self, name: &'static str, rule: &'static str) -> EventError {
        self.find(name).map_or(EventError::Missing { name }, |member| malformed(member, rule))
    }

    pub(super) fn id(&self) -> Result<&'a str, EventError> {
        let id = self.text("id")?;
        if is_uuid_v7(id.as_bytes()) { Ok(id) } else { Err(self.malformed("id", "it is a UUIDv7 in lower case")) }
    }

    pub(super) fn source(&self) -> Result<&'a str, EventError> {
        let source = self.text("source")?;
        if source.bytes().any(|byte| matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')) {
            return Err(self.malformed("source", "it is a URI reference (RFC 3986)"));
        }
        Ok(source)
    }

    pub(super) fn time(&self) -> Result<Timestamp, EventError> {
        let rule = "it is a time in UTC as RFC 3339 writes it, ending in `Z`";
        Timestamp::from_rfc3339(self.text("time")?).map_err(|_malformed| self.malformed("time", rule))
    }

    pub(super) fn sequence(&self) -> Result<u64, EventError> {
        let text = self.text("sequence")?;
        let digits = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(sequence) if digits && sequence > 0 => Ok(sequence),
            _ => Err(self.malformed("sequence", "it is 12 digits, zero-padded, from 000000000001")),
        }
    }

    /// A digest that is required unless `absent`, and forbidden then.
    pub(super) fn digest_unless(
        &self,
        name: &'static str,
        absent: bool,
        rule: &'static str,
    ) -> Result<Option<EventDigest>, EventError> {
        match (self.find(name), absent) {
            (None, true) => Ok(None),
            (None, false) => Err(EventError::Missing { name }),
            (Some(member), true) => Err(EventError::Forbidden { name: name.to_owned(), at: member.at, rule }),
            (Some(member), false) => match plain_text(member)?.parse() {
                Ok(digest) => Ok(Some(digest)),
                Err(_malformed) => Err(malformed(member, "it is 64 lower-case hexadecimal digits")),
            },
        }
    }

    pub(super) fn sequence_end(&self) -> Result<bool, EventError> {
        match self.find("sequenceend") {
            None => Ok(false),
            Some(member) if member.value == "true" => Ok(true),
            Some(member) => Err(malformed(member, "it is `true` or absent")),
        }
    }

    pub(super) fn data(&self) -> Result<&'a str, EventError> {
        let member = self.require("data")?;
        if member.value.starts_with('{') { Ok(member.value) } else { Err(malformed(member, "it is a JSON object")) }
    }

    /// Extensions have CloudEvents types: a non-empty string without control characters (and without bidirectional
    /// ones), a boolean, or an integer of 32 bits.
    pub(super) fn check_extensions(&self) -> Result<(), EventError> {
        for member in &self.extensions {
            let value = member.value;
            if value.starts_with('"') {
                if json::unescape(quoted(member)?).contains(is_hidden) {
                    return Err(EventError::Characters { name: member.name.to_owned(), at: member.at });
                }
            } else if value != "true" && value != "false" && value.parse::<i32>().is_err() {
                return Err(malformed(member, "an extension is a string, a boolean or an integer of 32 bits"));
            }
        }
        Ok(())
    }
}

fn malformed(member: &Member<'_>, rule: &'static str) -> EventError {
    let found = member.value.chars().take(80).collect();
    EventError::Attribute { name: member.name.to_owned(), at: member.at, found, rule }
}

/// The inside of a string attribute that is not empty and not too long.
fn quoted<'a>(member: &Member<'a>) -> Result<&'a str, EventError> {
    let inside = member.value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let inside = inside.ok_or_else(|| malformed(member, "it is a string"))?;
    if inside.is_empty() {
        return Err(EventError::Empty { name: member.name.to_owned(), at: member.at });
    }
    if inside.len() > MAX_ATTRIBUTE_CHARS {
        return Err(malformed(member, "it is at most 1024 characters"));
    }
    Ok(inside)
}

/// As [`quoted`], of printable ASCII without space and without escapes, so that it has one spelling.
fn plain_text<'a>(member: &Member<'a>) -> Result<&'a str, EventError> {
    let inside = quoted(member)?;
    if inside.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        Ok(inside)
    } else {
        Err(EventError::Characters { name: member.name.to_owned(), at: member.at })
    }
}

/// RFC 9562 section 5.7, lower case.
fn is_uuid_v7(id: &[u8]) -> bool {
    id.len() == 36
        && id.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'7',
            19 => matches!(*byte, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(*byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}
