//! The first step, an event: a CloudEvents 1.0 event in structured JSON mode, one line of compact JSON.
//!
//! [`Event`] is a borrowed view over the exact bytes, with `data` left as the text that it is. Promises that each
//! attribute is well formed and that two readers can't understand the bytes differently. Never copies, normalises or
//! re-serialises; what `data` means is [`crate::vocabulary`]. (docs/FORMAT.md, Events; CloudEvents 1.0.2 section 3)

use std::fmt;

use crate::{
    digest::EventDigest,
    json::{self, JsonError},
    timestamp::Timestamp,
};

mod attributes;

use attributes::{Attributes, slot};

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
