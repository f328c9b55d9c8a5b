//! DSSE v1.0.2: the signature over an event's exact bytes, detached on the wire and as an envelope in files.
//!
//! Promises that what is verified is what was sent: the signed bytes are `PAE(payload type, event bytes)` and nothing
//! is parsed, normalised or written again on the way. Never decides whether a key may say what it said: that is
//! [`crate::registry`]. (docs/FORMAT.md, Signatures)

use std::{fmt, marker::PhantomData, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    digest::{EventDigest, KeyId},
    event::MAX_EVENT_BYTES,
    json,
    key::{PublicKey, SecretKey},
};

/// The payload type that every signature of Lineal commits to.
pub const PAYLOAD_TYPE: &str = "application/vnd.lineal.event.v1+json";

/// The most signatures that one event may carry.
pub const MAX_SIGNATURES: usize = 8;

/// The longest envelope line read: the largest event in base64, eight signatures, and the names around them.
pub const MAX_ENVELOPE_BYTES: usize = MAX_EVENT_BYTES / 3 * 4 + 4096;

/// Why a signature, a list of them, or an envelope was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not `<keyid>:<base64>`.
    #[error("a signature is `<64 hex digits of keyid>:<base64 of 64 bytes>`, found `{0}`")]
    Malformed(String),
    /// No signature at all.
    #[error("no signature: an event carries 1 to {MAX_SIGNATURES}")]
    Unsigned,
    /// More than eight.
    #[error("{0} signatures: an event carries 1 to {MAX_SIGNATURES}")]
    TooMany(usize),
    /// Not sorted by key id, or the same key twice.
    #[error("signatures are sorted by keyid and distinct: `{0}` stands out of order or twice")]
    Unsorted(KeyId),
    /// Under this key the signature does not verify.
    #[error("the signature by key {0} does not verify over the event's bytes")]
    Wrong(KeyId),
    /// The envelope is not JSON as DSSE writes it.
    #[error("not a DSSE envelope: {0}")]
    Envelope(String),
    /// The envelope signs something else.
    #[error("payloadType is `{0}`, expected `{PAYLOAD_TYPE}`")]
    PayloadType(String),
    /// The payload or a signature is not canonical standard base64.
    #[error("`{0}` is not canonical base64")]
    Base64(&'static str),
}

impl SignatureError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed-signature",
            Self::Unsigned => "unsigned",
            Self::TooMany(_) => "too-many-signatures",
            Self::Unsorted(_) => "unsorted-signatures",
            Self::Wrong(_) => "wrong-signature",
            Self::Envelope(_) => "malformed-envelope",
            Self::PayloadType(_) => "wrong-payload-type",
            Self::Base64(_) => "malformed-base64",
        }
    }

    /// Which rule is broken, without what was found.
    pub fn without_values(&self) -> String {
        match self {
            Self::Malformed(_) => "a signature is `<64 hex digits of keyid>:<base64 of 64 bytes>`".to_owned(),
            Self::Envelope(_) => "not a DSSE envelope".to_owned(),
            Self::PayloadType(_) => format!("payloadType is not `{PAYLOAD_TYPE}`"),
            Self::Unsigned | Self::TooMany(_) | Self::Unsorted(_) | Self::Wrong(_) | Self::Base64(_) => {
                self.to_string()
            }
        }
    }
}

/// DSSE's pre-authentication encoding: the bytes that are really signed.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_pae(&mut bytes, payload_type, payload);
    bytes
}

/// As [`pae`], into a buffer that can be used again: what it held is gone.
pub fn write_pae(bytes: &mut Vec<u8>, payload_type: &str, payload: &[u8]) {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    bytes.clear();
    bytes.reserve(head.len().saturating_add(payload.len()));
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(payload);
}

/// One Ed25519 signature and the key that it claims.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The key.
    pub keyid: KeyId,
    /// R and S of RFC 8032.
    pub bytes: [u8; 64],
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.keyid, STANDARD.encode(self.bytes))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let malformed = || SignatureError::Malformed(text.chars().take(160).collect());
        let (keyid, base64) = text.split_once(':').ok_or_else(malformed)?;
        let keyid = keyid.parse().map_err(|_not_hex| malformed())?;
        let bytes = STANDARD.decode(base64).map_err(|_not_base64| malformed())?;
        Ok(Self { keyid, bytes: bytes.try_into().map_err(|_wrong_length| malformed())? })
    }
}

/// Checks the form of a list of signatures: 1 to 8, sorted by key id, distinct.
pub fn check_list(signatures: &[Signature]) -> Result<(), SignatureError> {
    match signatures.len() {
        0 => return Err(SignatureError::Unsigned),
        1..=MAX_SIGNATURES => {}
        more => return Err(SignatureError::TooMany(more)),
    }
    for (before, after) in signatures.iter().zip(signatures.iter().skip(1)) {
        if before.keyid >= after.keyid {
            return Err(SignatureError::Unsorted(after.keyid));
        }
    }
    Ok(())
}

/// Checks one signature over an event's bytes under `key`.
pub fn verify(event: &[u8], signature: &Signature, key: &PublicKey) -> Result<(), SignatureError> {
    if key.keyid() == signature.keyid && key.verify(&pae(PAYLOAD_TYPE, event), &signature.bytes) {
        Ok(())
    } else {
        Err(SignatureError::Wrong(signature.keyid))
    }
}

/// An event's exact bytes and the signatures that came with them, as sent: nothing of it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The event: one line of compact JSON.
    pub event: Vec<u8>,
    /// The signatures, in the order sent.
    pub signatures: Vec<Signature>,
}

impl Signed {
    /// Signs `event` with each of `keys`.
    pub fn sign(event: Vec<u8>, keys: &[&SecretKey]) -> Self {
        let message = pae(PAYLOAD_TYPE, &event);
        let mut signatures: Vec<_> =
            keys.iter().map(|key| Signature { keyid: key.keyid(), bytes: key.sign(&message) }).collect();
        signatures.sort_by_key(|signature| signature.keyid);
        Self { event, signatures }
    }

    /// The event's digest.
    pub fn digest(&self) -> EventDigest {
        EventDigest::of(&self.event)
    }

    /// Reads one DSSE JSON envelope, without a trailing newline. Refuses duplicate and unknown members.
    pub fn from_envelope(line: &[u8]) -> Result<Self, SignatureError> {
        if line.len() > MAX_ENVELOPE_BYTES {
            return Err(SignatureError::Envelope(format!("longer than {MAX_ENVELOPE_BYTES} bytes")));
        }
        let text = json::scan_relaxed(line).map_err(|error| SignatureError::Envelope(error.to_string()))?;
        let Objects(envelope): Objects<Envelope<'_>> =
            serde_json::from_str(text).map_err(|error| SignatureError::Envelope(error.to_string()))?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(SignatureError::PayloadType(envelope.payload_type.chars().take(160).collect()));
        }
        let event =
            STANDARD.decode(envelope.payload.as_bytes()).map_err(|_base64| SignatureError::Base64("payload"))?;
        let signatures =
            envelope.signatures.iter().map(|Objects(signature)| signature.read()).collect::<Result<_, _>>()?;
        Ok(Self { event, signatures })
    }

    /// The standard DSSE JSON envelope: one line, no newline at its end.
    pub fn to_envelope(&self) -> String {
        envelope(PAYLOAD_TYPE, &self.event, &self.signatures)
    }
}

/// Signs something of another type than an event, such as an in-toto statement, and gives its envelope.
pub fn sign_as(payload_type: &str, payload: &[u8], key: &SecretKey) -> String {
    let signature = Signature { keyid: key.keyid(), bytes: key.sign(&pae(payload_type, payload)) };
    envelope(payload_type, payload, &[signature])
}

fn envelope(payload_type: &str, payload: &[u8], signatures: &[Signature]) -> String {
    let mut line = String::with_capacity(payload.len().saturating_mul(3) / 2);
    line.push_str(r#"{"payload":""#);
    STANDARD.encode_string(payload, &mut line);
    line.push_str(r#"","payloadType":""#);
    line.push_str(payload_type);
    line.push_str(r#"","signatures":["#);
    for (position, signature) in signatures.iter().enumerate() {
        line.push_str(if position == 0 { r#"{"keyid":""# } else { r#",{"keyid":""# });
        line.push_str(&signature.keyid.to_string());
        line.push_str(r#"","sig":""#);
        STANDARD.encode_string(signature.bytes, &mut line);
        line.push_str(r#""}"#);
    }
    line.push_str("]}");
    line
}

/// What is read from a JSON object only: serde alone would also take an array of the members' values.
struct Objects<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Objects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    payload: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    payload_type: std::borrow::Cow<'a, str>,
    signatures: Vec<Objects<EnvelopeSignature>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    keyid: String,
    sig: String,
}

impl EnvelopeSignature {
    fn read(&self) -> Result<Signature, SignatureError> {
        format!("{}:{}", self.keyid, self.sig).parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32]).unwrap()
    }

    #[test]
    fn pae_is_as_the_specification_shows_it() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn an_envelope_comes_back_as_it_went() {
        let signed = Signed::sign(b"{}".to_vec(), &[&key(1), &key(2)]);
        let line = signed.to_envelope();
        assert_eq!(Signed::from_envelope(line.as_bytes()).unwrap(), signed);
        check_list(&signed.signatures).unwrap();
        for signature in &signed.signatures {
            assert_eq!(signature.to_string().parse::<Signature>().unwrap(), *signature);
            let signer = if signature.keyid == key(1).keyid() { key(1) } else { key(2) };
            verify(&signed.event, signature, signer.public()).unwrap();
            assert_eq!(verify(b"{ }", signature, signer.public()), Err(SignatureError::Wrong(signature.keyid)));
        }
    }

    #[test]
    fn an_envelope_with_a_member_twice_is_refused() {
        let line = Signed::sign(b"{}".to_vec(), &[&key(1)]).to_envelope();
        let twice = line.replacen('{', r#"{"payload":"e30=","#, 1);
        assert_eq!(Signed::from_envelope(twice.as_bytes()).unwrap_err().code(), "malformed-envelope");
    }

    #[test]
    fn a_list_is_sorted_distinct_and_of_one_to_eight() {
        let one = Signed::sign(b"{}".to_vec(), &[&key(1)]).signatures;
        assert_eq!(check_list(&[]), Err(SignatureError::Unsigned));
        assert_eq!(check_list(&[one[0], one[0]]), Err(SignatureError::Unsorted(one[0].keyid)));
        assert_eq!(check_list(&[one[0]; 9]), Err(SignatureError::TooMany(9)));
    }
}
