//! Values of an event's payload: times, counts, addresses, keys as text, shares and JSON that is kept as it came.
//!
//! Promises the forms that the JSON Schemas give, character for character. Never checks a key's point on the curve
//! (that is the registry's part) and never reads inside `annotations` and `parameters`.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess},
};
use serde_json::value::RawValue;

use super::{
    names::{MAX_NAME, Name, is_ascii_of},
    object::{number, text},
    violation::TWICE_IN_OBJECT,
};
use crate::{decimal::Decimal, timestamp::Timestamp};

/// RFC 3986: what stands in a URI, percent signs included.
const fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

fn is_uri(text: &str) -> bool {
    let scheme = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-'))
    };
    is_ascii_of(text, 2048, is_uri_byte)
        && text.split_once(':').is_some_and(|(name, rest)| scheme(name) && !rest.is_empty())
}

fn is_media_type(text: &str) -> bool {
    let token =
        |text: &str| is_ascii_of(text, 127, |byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte));
    text.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

const fn is_base64_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// The PEM of an Ed25519 `SubjectPublicKeyInfo` as OpenSSL writes it: 12 fixed bytes, then the 32 of the key.
fn is_public_key_pem(text: &str) -> bool {
    text.strip_prefix("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA")
        .and_then(|rest| rest.strip_suffix("=\n-----END PUBLIC KEY-----\n"))
        .is_some_and(|key| key.len() == 43 && is_ascii_of(key, 43, is_base64_byte) && key.ends_with(is_last_digit))
}

/// The last base64 digit before one `=` carries four bits: the two others are zero.
const fn is_last_digit(digit: char) -> bool {
    matches!(digit, 'A' | 'E' | 'I' | 'M' | 'Q' | 'U' | 'Y' | 'c' | 'g' | 'k' | 'o' | 's' | 'w' | '0' | '4' | '8')
}

/// `<name>+<8 hex digits>+<base64 of 0x01 and 32 bytes>`, as C2SP signed-note has it.
fn is_verifier_key(text: &str) -> bool {
    let mut parts = text.split('+');
    let (name, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let key: &str = text.get(name.len().saturating_add(id.len()).saturating_add(2)..).unwrap_or_default();
    is_ascii_of(name, MAX_NAME, |byte| byte.is_ascii_graphic())
        && id.len() == 8
        && id.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
        && key.len() == 44
        && key.bytes().all(is_base64_byte)
        && key.strip_prefix('A').is_some_and(|rest| rest.starts_with(|second| matches!(second, 'Q'..='Z' | 'a'..='f')))
}

text! {
    /// Where something is: a URI with its scheme.
    pub struct Uri; "a URI with a scheme, at most 2048 ASCII characters", is_uri
}
text! {
    /// A producer's CloudEvents source: a URI or a reference to one.
    pub struct SourceUri; "a URI reference, at most 1024 ASCII characters", |text| is_ascii_of(text, 1024, is_uri_byte)
}
text! {
    /// A media type without parameters.
    pub struct MediaType; "a media type like `text/csv`", is_media_type
}
text! {
    /// An Ed25519 public key as `openssl pkey -pubout` writes it.
    pub struct PublicKeyPem; "the PEM of an Ed25519 public key as OpenSSL writes it", is_public_key_pem
}
text! {
    /// A checkpoint key as C2SP signed-note spells it.
    pub struct VerifierKeyText; "a C2SP verifier key `<name>+<hex>+<base64>` of type Ed25519", is_verifier_key
}
text! {
    /// SHA-256 of a file's bytes, in hex.
    pub struct Sha256Hex; "64 lower-case hexadecimal digits", |text| is_hex(text, &[64])
}
text! {
    /// A moment as RFC 3339 writes it in UTC, in the producer's own precision.
    pub struct Time; "a time in UTC like `2026-11-23T21:50:12Z`", |text| Timestamp::from_rfc3339(text).is_ok()
}
number! {
    /// How many: up to 2^53 - 1, which every JSON reader holds exactly.
    pub struct Count; 0..=9_007_199_254_740_991
}
number! {
    /// A time span in whole seconds, up to a year.
    pub struct Seconds; 1..=31_536_000
}
number! {
    /// How many signatures a decision of the roots needs.
    pub struct Threshold; 1..=8
}
number! {
    /// The number of a part, or how many parts there are.
    pub struct PartNumber; 1..=10_000
}
number! {
    /// The version of the record's format.
    pub struct FormatVersion; 1..=1
}

impl Time {
    /// The moment, to the millisecond.
    pub fn timestamp(&self) -> Option<Timestamp> {
        Timestamp::from_rfc3339(self.as_str()).ok()
    }
}

/// Lower-case hexadecimal digits, as many as one of `lengths` says.
pub(super) fn is_hex(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

/// Whether a text is a git commit or tree: 40 or 64 lower-case hexadecimal digits.
pub fn is_commit(text: &str) -> bool {
    is_hex(text, &[40, 64])
}

/// Any JSON value, kept as it came.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The JSON text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// Any JSON object, kept as it came.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct JsonObject(Json);

impl JsonObject {
    /// The JSON text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        if json.as_str().starts_with('{') { Ok(Self(json)) } else { Err(de::Error::custom("expected an object")) }
    }
}

/// A number or a short text: a seed.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// An exact number.
    Number(Decimal),
    /// A word, such as `not-recorded`.
    Text(Name),
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        let scalar = if json.as_str().starts_with('"') {
            serde_json::from_str(json.as_str()).map(Self::Text)
        } else {
            serde_json::from_str(json.as_str()).map(Self::Number)
        };
        scalar.map_err(de::Error::custom)
    }
}

/// Part of a service's traffic: a number from 0 to 1, as a JSON number or as a plain decimal string (`"0.10"`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Share(Decimal);

impl Share {
    /// The number.
    pub const fn as_decimal(&self) -> &Decimal {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = Decimal::deserialize(deserializer)?;
        let plain = !share.is_quoted() || !share.as_str().contains(['-', 'e', 'E']);
        if plain && !share.is_negative() && share <= Decimal::from(1) {
            return Ok(Self(share));
        }
        Err(de::Error::custom(format_args!("expected a share from 0 to 1, found `{share}`")))
    }
}

/// Named values: an object whose member names are a producer's own.
///
/// A copy shares what it holds: answers show the settings of runs as their events have them.
#[derive(Debug, PartialEq)]
pub struct Table<V>(Arc<BTreeMap<Name, V>>);

impl<V> Table<V> {
    /// The values by name.
    pub fn as_map(&self) -> &BTreeMap<Name, V> {
        &self.0
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V> Clone for Table<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V: Serialize> Serialize for Table<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Table<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(std::marker::PhantomData)).map(|map| Self(Arc::new(map)))
    }
}

/// Reads an object's members; a name that stands twice is refused.
pub(super) struct Members<K, V>(pub(super) std::marker::PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> de::Visitor<'de> for Members<K, V> {
    type Value = BTreeMap<K, V>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(name) = members.next_key()? {
            match map.entry(name) {
                Entry::Vacant(free) => free.insert(members.next_value()?),
                Entry::Occupied(_) => return Err(de::Error::custom(TWICE_IN_OBJECT)),
            };
        }
        Ok(map)
    }
}

/// As [`Members`], as pairs sorted by name: for objects of very few.
pub(super) struct Pairs<K, V>(pub(super) std::marker::PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> de::Visitor<'de> for Pairs<K, V> {
    type Value = Vec<(K, V)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Vec<(K, V)> = Vec::with_capacity(1);
        while let Some(pair) = members.next_entry()? {
            pairs.push(pair);
        }
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        if pairs.iter().zip(pairs.iter().skip(1)).any(|((one, _), (next, _))| one == next) {
            return Err(de::Error::custom(TWICE_IN_OBJECT));
        }
        Ok(pairs)
    }
}
