//! Verifier keys: a name, an id and an Ed25519 key on one line, as a trust file lists them.
//!
//! Promises that the id is the one that name, kind and key give, and that a weak key is refused. Never holds a private
//! key. (C2SP signed-note v1.0.0, Verifier keys)

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

use super::{Verified, cosigned, is_key_name};
use crate::{
    key::PublicKey,
    spelling::{parse_base64, print_base64},
};

/// What a key signs, and so how its signatures are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Type 0x01: a log, which signs the note's text.
    Log,
    /// Type 0x04: a cosigner, which signs the text and the time at which it saw it.
    Cosignature,
}

impl KeyKind {
    /// The byte that stands for this kind before a public key.
    pub const fn type_byte(self) -> u8 {
        match self {
            Self::Log => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// Why a verifier key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifierKeyError {
    /// Not three parts with a plus between them, or not in their one spelling.
    #[error("a verifier key is `<name>+<8 hex digits>+<base64>`, found `{0}`")]
    Malformed(String),
    /// Empty, or with a space, plus or control character.
    #[error("impossible key name `{0}`")]
    Name(String),
    /// A kind of key that is not spoken here.
    #[error("verifier key `{name}` has type 0x{kind:02x}, only 0x01 and 0x04 (Ed25519) are known")]
    UnknownType {
        /// The key's name.
        name: String,
        /// The type byte as found.
        kind: u8,
    },
    /// Not 32 bytes of a sound Ed25519 key.
    #[error("verifier key `{name}`: {reason}")]
    Key {
        /// The key's name.
        name: String,
        /// What is wrong with the key.
        reason: String,
    },
    /// The id is not the hash of name, kind and key.
    #[error("verifier key `{name}` gives itself the id {found:08x}, its hash is {expected:08x}")]
    Id {
        /// The key's name.
        name: String,
        /// The id as found.
        found: u32,
        /// The id that follows from the rest.
        expected: u32,
    },
}

impl VerifierKeyError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "vkey-malformed",
            Self::Name(_) => "vkey-name",
            Self::UnknownType { .. } => "vkey-unknown-type",
            Self::Key { .. } => "vkey-bad-key",
            Self::Id { .. } => "vkey-wrong-id",
        }
    }
}

/// A public key with the name under which it signs notes. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    kind: KeyKind,
    key: PublicKey,
}

impl VerifierKey {
    /// The key of a log; its name is the origin of the log's checkpoints.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, VerifierKeyError> {
        Self::of_kind(name, KeyKind::Log, key)
    }

    /// The key of a cosigner, such as a witness.
    pub fn cosigner(name: &str, key: PublicKey) -> Result<Self, VerifierKeyError> {
        Self::of_kind(name, KeyKind::Cosignature, key)
    }

    fn of_kind(name: &str, kind: KeyKind, key: PublicKey) -> Result<Self, VerifierKeyError> {
        if !is_key_name(name) {
            return Err(VerifierKeyError::Name(name.to_owned()));
        }
        Ok(Self { name: name.to_owned(), id: key_id(name, kind, &key), kind, key })
    }

    /// The name under which it signs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256 over name, newline, type byte and key, as a big-endian integer.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// What it signs.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The Ed25519 key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Checks the bytes of a signature line over a note's text; nothing when they do not verify.
    pub(super) fn check(&self, text: &str, bytes: &[u8]) -> Option<Verified<'_>> {
        match self.kind {
            KeyKind::Log => {
                let signature = bytes.try_into().ok()?;
                self.key.verify(text.as_bytes(), signature).then_some(Verified { key: self, timestamp: None })
            }
            KeyKind::Cosignature => {
                let (timestamp, signature) = bytes.split_first_chunk()?;
                let timestamp = u64::from_be_bytes(*timestamp);
                // Times stay below 2^63 (tlog-cosignature), so that every reader can hold them.
                i64::try_from(timestamp).ok()?;
                let message = cosigned(text, timestamp);
                let verifies = self.key.verify(message.as_bytes(), signature.try_into().ok()?);
                verifies.then_some(Verified { key: self, timestamp: Some(timestamp) })
            }
        }
    }
}

/// The id of a key in signature lines: short, and no protection; what verifies is the whole key.
pub(super) fn key_id(name: &str, kind: KeyKind, key: &PublicKey) -> u32 {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([b'\n', kind.type_byte()]);
    hasher.update(key.raw());
    let [first, second, third, fourth, ..] = <[u8; 32]>::from(hasher.finalize());
    u32::from_be_bytes([first, second, third, fourth])
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.kind.type_byte()];
        key.extend_from_slice(&self.key.raw());
        write!(f, "{}+{:08x}+{}", self.name, self.id, print_base64(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        let malformed = || VerifierKeyError::Malformed(text.chars().take(160).collect());
        // Base64 may hold a plus as well: only the first two separate.
        let (name, rest) = text.split_once('+').ok_or_else(malformed)?;
        let (id, key) = rest.split_once('+').ok_or_else(malformed)?;
        let found = parse_id(id).ok_or_else(malformed)?;
        let key = parse_base64(key).ok_or_else(malformed)?;
        let (&kind, raw) = key.split_first().ok_or_else(malformed)?;
        let parsed = Self::of_kind(name, kind_of(name, kind)?, public_key(name, raw)?)?;
        if parsed.id != found {
            return Err(VerifierKeyError::Id { name: parsed.name, found, expected: parsed.id });
        }
        Ok(parsed)
    }
}

fn parse_id(text: &str) -> Option<u32> {
    let lower_hex = text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    lower_hex.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

fn kind_of(name: &str, byte: u8) -> Result<KeyKind, VerifierKeyError> {
    [KeyKind::Log, KeyKind::Cosignature]
        .into_iter()
        .find(|kind| kind.type_byte() == byte)
        .ok_or_else(|| VerifierKeyError::UnknownType { name: name.to_owned(), kind: byte })
}

fn public_key(name: &str, raw: &[u8]) -> Result<PublicKey, VerifierKeyError> {
    let refused = |reason: String| VerifierKeyError::Key { name: name.to_owned(), reason };
    let raw = raw.try_into().map_err(|_wrong_length| refused(format!("{} bytes instead of 32", raw.len())))?;
    PublicKey::from_raw(raw).map_err(|error| refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        key::SecretKey,
        note::tests::{LOG, WITNESS, log_key, witness_key},
    };

    #[test]
    fn the_vectors_keys_read_and_print_back() {
        for (text, key) in [
            (LOG, VerifierKey::new("example.com/ledger", log_key().public().clone()).unwrap()),
            (WITNESS, VerifierKey::cosigner("witness.example/w1", witness_key().public().clone()).unwrap()),
        ] {
            assert_eq!(text.parse(), Ok(key.clone()));
            assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn a_verifier_key_has_one_spelling() {
        let base64 = LOG.splitn(3, '+').last().unwrap();
        for (wrong, code) in [
            (String::new(), "vkey-malformed"),
            ("example.com/ledger".to_owned(), "vkey-malformed"),
            (format!("example.com/ledger+93727DE6+{base64}"), "vkey-malformed"),
            (format!("example.com/ledger+093727de6+{base64}"), "vkey-malformed"),
            (LOG.replace("TG4", "TG5"), "vkey-wrong-id"),
            (format!("{LOG}="), "vkey-malformed"),
            (LOG.replace("93727de6", "93727de7"), "vkey-wrong-id"),
            (format!("+93727de6+{base64}"), "vkey-name"),
            (format!("a b+93727de6+{base64}"), "vkey-name"),
            (LOG.replace("+AQ", "+BQ"), "vkey-unknown-type"),
            ("example.com/ledger+93727de6+AQ==".to_owned(), "vkey-bad-key"),
            (format!("n+93727de6+AQEA{}", "A".repeat(40)), "vkey-bad-key"),
        ] {
            assert_eq!(wrong.parse::<VerifierKey>().map_err(|error| error.code()), Err(code), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_key_prints_and_reads_back(seed: [u8; 32], name in "[!-*,-~]{1,30}", cosigner: bool) {
            let public = SecretKey::from_seed(seed).unwrap().public().clone();
            let make = if cosigner { VerifierKey::cosigner } else { VerifierKey::new };
            let key = make(&name, public).unwrap();
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }
    }
}
