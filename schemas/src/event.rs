//! The first step, an event: a CloudEvents 1.0 event in structured JSON mode, one line of compact JSON.
//!
//! [`Event`] is a borrowed view over the exact bytes, with `data` left as the text that it is. Promises that each
//! attribute is well formed and that two readers can't understand the bytes differently. Never copies, normalises or
//! re-serialises; what `data` means is [`crate::vocabulary`]. (docs/FORMAT.md, Events; CloudEvents 1.0.2 section 3)

use std::fmt;

use crate::{
    digest::EventDigest,
    json::{self, JsonError, Member},
    timestamp::Timestamp,
    vocabulary::names::is_hidden,
};

/// The most bytes of an event.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;

/// The most characters of any one attribute.
pub const MAX_ATTRIBUTE_CHARS: usize = 1024;

/// The most characters of an extension attribute's name (CloudEvents recommends 20).
pub const MAX_ATTRIBUTE_NAME_CHARS: usize = 20;

/// The largest sequence number: twelve digits.
pub const MAX_SEQUENCE: u64 = 999_999_999_999;

/// What every `dataschema` begins with.
pub const SCHEMA_BASE: &str = "https://lineal.dev/schemas/";

/// What every `type` begins with.
pub const TYPE_BASE: &str = "dev.lineal.";

/// The type of a ledger's first event, the only one that names no ledger.
pub const GENESIS_TYPE: &str = "dev.lineal.ledger.created.v1";

/// Why bytes are not an event. Each names the field and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// More than 256 KiB.
    #[error("an event of {found} bytes: at most {MAX_EVENT_BYTES}")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Not strict compact JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// An attribute's name is outside `[a-z0-9]{1,20}`.
    #[error("attribute name `{name}` at byte {at}: names are 1 to {MAX_ATTRIBUTE_NAME_CHARS} of a-z and 0-9")]
    AttributeName {
        /// The name as found.
        name: String,
        /// Offset of its value.
        at: usize,
    },
    /// A required attribute is absent.
    #[error("attribute `{name}` is missing")]
    Missing {
        /// The attribute.
        name: &'static str,
    },
    /// An attribute that must not be there.
    #[error("attribute `{name}` at byte {at}: {rule}")]
    Forbidden {
        /// The attribute.
        name: String,
        /// Offset of its value.
        at: usize,
        /// Why not.
        rule: &'static str,
    },
    /// An attribute is the empty string.
    #[error("attribute `{name}` at byte {at} is empty")]
    Empty {
        /// The attribute.
        name: String,
        /// Offset of its value.
        at: usize,
    },
    /// An attribute holds a character that it must not: of ours outside printable ASCII without space, of an extension a
    /// control or bidirectional one.
    #[error("attribute `{name}` at byte {at} holds a character that is not allowed there")]
    Characters {
        /// The attribute.
        name: String,
        /// Offset of its value.
        at: usize,
    },
    /// An attribute is not what its definition asks for.
    #[error("attribute `{name}` at byte {at} is {found}: {rule}")]
    Attribute {
        /// The attribute.
        name: String,
        /// Offset of its value.
        at: usize,
        /// The value, cut at 80 characters.
        found: String,
        /// What it must be.
        rule: &'static str,
    },
}

impl EventError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::Json(error) => error.code(),
            Self::AttributeName { .. } => "attribute-name",
            Self::Missing { .. } => "attribute-missing",
            Self::Forbidden { .. } => "attribute-forbidden",
            Self::Empty { .. } => "attribute-empty",
            Self::Characters { .. } => "attribute-characters",
            Self::Attribute { .. } => "attribute-malformed",
        }
    }

    /// Which attribute breaks which rule, without any word of the event's own: what the record may hold for good.
    pub fn without_values(&self) -> String {
        let named = |name: &str, at: &usize| match slot(name) {
            Some(_) => format!("attribute `{name}` at byte {at}"),
            None => format!("the extension at byte {at}"),
        };
        match self {
            Self::Json(error) => error.without_values(),
            Self::AttributeName { at, .. } => {
                format!("attribute name at byte {at}: names are 1 to {MAX_ATTRIBUTE_NAME_CHARS} of a-z and 0-9")
            }
            Self::Empty { name, at } => format!("{} is empty", named(name, at)),
            Self::Characters { name, at } => {
                format!("{} holds a character that is not allowed there", named(name, at))
            }
            Self::Attribute { name, at, rule, .. } => format!("{}: {rule}", named(name, at)),
            // These name attributes of ours alone.
            Self::TooLarge { .. } | Self::Missing { .. } | Self::Forbidden { .. } => self.to_string(),
        }
    }
}

/// A view over an event's exact bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// All of it: what is signed, hashed, sent and stored.
    pub bytes: &'a [u8],
    /// `id`, a `UUIDv7`.
    pub id: &'a str,
    /// `source`, who sends: identity is (source, sequence).
    pub source: &'a str,
    /// `type`, `dev.lineal.<noun>.<past participle>.v1`.
    pub kind: &'a str,
    /// `subject`, what it is about.
    pub subject: &'a str,
    /// `time`, when the producer says it happened, to the millisecond.
    pub time: Timestamp,
    /// `ledger`, the digest of the genesis of the ledger it is meant for; absent only in a genesis.
    pub ledger: Option<EventDigest>,
    /// `sequence`, from 1, counted per source.
    pub sequence: u64,
    /// `previous`, the digest of the source's event before; absent only on the first.
    pub previous: Option<EventDigest>,
    /// `sequenceend`: nothing follows from this source.
    pub sequence_end: bool,
    /// `data`, a JSON object, as its exact text.
    pub data: &'a str,
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({} {} {} of {})", self.kind, self.subject, self.sequence, self.source)
    }
}

impl<'a> Event<'a> {
    /// Reads an event from its exact bytes, without a trailing newline.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EventError> {
        if bytes.len() > MAX_EVENT_BYTES {
            return Err(EventError::TooLarge { found: bytes.len() });
        }
        Self::read(bytes, Attributes::sort(json::scan_object(bytes)?)?)
    }

    /// Reads an event from bytes that [`Self::parse`] has taken before, without scanning them again. The caller knows by
    /// their digest that they are the same; of others it is undefined which are refused.
    pub fn parse_again(bytes: &'a [u8]) -> Result<Self, EventError> {
        match json::split_object(bytes) {
            Some(members) => Self::read(bytes, Attributes::sort(members)?),
            None => Self::parse(bytes),
        }
    }

    fn read(bytes: &'a [u8], attributes: Attributes<'a>) -> Result<Self, EventError> {
        attributes.check_fixed()?;
        let kind = attributes.kind()?;
        let sequence = attributes.sequence()?;
        let event = Self {
            bytes,
            id: attributes.id()?,
            source: attributes.source()?,
            kind,
            subject: attributes.text("subject")?,
            time: attributes.time()?,
            ledger: attributes.digest_unless("ledger", kind == GENESIS_TYPE, "a genesis names no ledger")?,
            sequence,
            previous: attributes.digest_unless("previous", sequence == 1, "the first event has none before it")?,
            sequence_end: attributes.sequence_end()?,
            data: attributes.data()?,
        };
        attributes.check_extensions()?;
        Ok(event)
    }

    /// SHA-256 of the bytes.
    pub fn digest(&self) -> EventDigest {
        EventDigest::of(self.bytes)
    }

    /// The name within the vocabulary: `dataset.snapshotted` of `dev.lineal.dataset.snapshotted.v1`.
    pub fn name(&self) -> &'a str {
        name_of(self.kind).unwrap_or(self.kind)
    }
}

/// The name within the vocabulary of a full type.
pub fn name_of(kind: &str) -> Option<&str> {
    kind.strip_prefix(TYPE_BASE)?.strip_suffix(".v1")
}

/// The full type of a name within the vocabulary.
pub fn type_of(name: &str) -> String {
    format!("{TYPE_BASE}{name}.v1")
}

/// The `dataschema` of a name within the vocabulary.
pub fn dataschema_of(name: &str) -> String {
    format!("{SCHEMA_BASE}{name}.v1.json")
}

/// How many attributes this page defines; all others are extensions that are kept and signed like the rest.
const KNOWN: usize = 13;

/// The place of an attribute that this page defines.
fn slot(name: &str) -> Option<usize> {
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

struct Attributes<'a> {
    known: [Option<Member<'a>>; KNOWN],
    extensions: Vec<Member<'a>>,
}

impl<'a> Attributes<'a> {
    fn sort(members: Vec<Member<'a>>) -> Result<Self, EventError> {
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
    fn text(&self, name: &'static str) -> Result<&'a str, EventError> {
        plain_text(self.require(name)?)
    }

    fn check_fixed(&self) -> Result<(), EventError> {
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
    fn kind(&self) -> Result<&'a str, EventError> {
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

    fn id(&self) -> Result<&'a str, EventError> {
        let id = self.text("id")?;
        if is_uuid_v7(id.as_bytes()) { Ok(id) } else { Err(self.malformed("id", "it is a UUIDv7 in lower case")) }
    }

    fn source(&self) -> Result<&'a str, EventError> {
        let source = self.text("source")?;
        if source.bytes().any(|byte| matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')) {
            return Err(self.malformed("source", "it is a URI reference (RFC 3986)"));
        }
        Ok(source)
    }

    fn time(&self) -> Result<Timestamp, EventError> {
        let rule = "it is a time in UTC as RFC 3339 writes it, ending in `Z`";
        Timestamp::from_rfc3339(self.text("time")?).map_err(|_malformed| self.malformed("time", rule))
    }

    fn sequence(&self) -> Result<u64, EventError> {
        let text = self.text("sequence")?;
        let digits = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(sequence) if digits && sequence > 0 => Ok(sequence),
            _ => Err(self.malformed("sequence", "it is 12 digits, zero-padded, from 000000000001")),
        }
    }

    /// A digest that is required unless `absent`, and forbidden then.
    fn digest_unless(
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

    fn sequence_end(&self) -> Result<bool, EventError> {
        match self.find("sequenceend") {
            None => Ok(false),
            Some(member) if member.value == "true" => Ok(true),
            Some(member) => Err(malformed(member, "it is `true` or absent")),
        }
    }

    fn data(&self) -> Result<&'a str, EventError> {
        let member = self.require("data")?;
        if member.value.starts_with('{') { Ok(member.value) } else { Err(malformed(member, "it is a JSON object")) }
    }

    /// Extensions have CloudEvents types: a non-empty string without control characters (and without bidirectional
    /// ones), a boolean, or an integer of 32 bits.
    fn check_extensions(&self) -> Result<(), EventError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = concat!(
        r#"{"specversion":"1.0","id":"0199aabb-ccdd-7eef-8123-456789abcdef","source":"https://ci.example/payments","#,
        r#""type":"dev.lineal.dataset.snapshotted.v1","subject":"dataset/payments/transactions","#,
        r#""time":"2026-11-23T21:50:12Z","datacontenttype":"application/json","#,
        r#""dataschema":"https://lineal.dev/schemas/dataset.snapshotted.v1.json","#,
        r#""ledger":"00000000000000000000000000000000000000000000000000000000000000aa","#,
        r#""sequence":"000000000002","previous":"00000000000000000000000000000000000000000000000000000000000000bb","#,
        r#""traceparent":"00-ab","data":{"dataset":{}}}"#
    );

    #[track_caller]
    fn refuses(from: &str, to: &str, code: &str) {
        assert!(EVENT.contains(from), "{from}");
        let text = EVENT.replacen(from, to, 1);
        match Event::parse(text.as_bytes()) {
            Ok(_) => panic!("accepted with {to}"),
            Err(error) => assert_eq!(error.code(), code, "{error}"),
        }
    }

    #[test]
    fn attributes_are_read_and_data_is_left_as_it_is() {
        let event = Event::parse(EVENT.as_bytes()).unwrap();
        assert_eq!((event.sequence, event.name()), (2, "dataset.snapshotted"));
        assert_eq!(event.data, r#"{"dataset":{}}"#);
        assert_eq!(event.bytes, EVENT.as_bytes());
        assert!(!event.sequence_end);
    }

    #[test]
    fn a_malformed_attribute_is_refused_by_name() {
        refuses(r#""specversion":"1.0""#, r#""specversion":"0.3""#, "attribute-malformed");
        refuses(r#""id":"0199aabb-ccdd-7eef"#, r#""id":"0199aabb-ccdd-4eef"#, "attribute-malformed");
        refuses(r#""id":"0199aabb-ccdd-7eef-8123-456789abcdef","#, "", "attribute-missing");
        refuses(r#""id""#, r#""ID""#, "attribute-name");
        refuses(r#""traceparent":"00-ab""#, r#""traceparent":"""#, "attribute-empty");
        refuses(r#""traceparent":"00-ab""#, r#""traceparent":1.5"#, "attribute-malformed");
        refuses(r#""subject":"dataset/payments/transactions""#, r#""subject":"""#, "attribute-empty");
        refuses("dataset/payments/transactions", "dataset/payments/trans\\u0061ctions", "attribute-characters");
        refuses("dataset/payments/transactions", "dataset/payments/trän", "attribute-characters");
        refuses("dataset/payments/transactions", "dataset/payments/a\u{202e}b", "attribute-characters");
        refuses("https://ci.example/payments", "https://ci.example/{payments}", "attribute-malformed");
        refuses("21:50:12Z", "21:50:12+00:00", "attribute-malformed");
        refuses("schemas/dataset.snapshotted", "schemas/run.started", "attribute-malformed");
        refuses("dev.lineal.dataset.snapshotted.v1", "com.example.snapshotted", "attribute-malformed");
        refuses("000000000002", "2", "attribute-malformed");
        refuses("000000000002", "000000000000", "attribute-malformed");
        refuses("000000000002", "000000000001", "attribute-forbidden");
        refuses("00aa", "00AA", "attribute-malformed");
        refuses(r#""data":{"dataset":{}}"#, r#""data":[]"#, "attribute-malformed");
        refuses(r#""data":{"dataset":{}}"#, r#""data_base64":"""#, "attribute-forbidden");
        refuses(r#""traceparent":"00-ab""#, r#""sequenceend":false"#, "attribute-malformed");
    }

    #[test]
    fn an_event_of_257_kib_is_refused() {
        let text = EVENT.replace("{}", &format!("{{\"a\":\"{}\"}}", "a".repeat(257 * 1024)));
        assert_eq!(Event::parse(text.as_bytes()).unwrap_err().code(), "too-large");
    }
}
