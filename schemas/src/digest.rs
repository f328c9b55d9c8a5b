//! Digests as types: an event, an entry, a Merkle leaf, a tree root and a key are all 32 bytes, and never one another.
//!
//! Promises one spelling, 64 lower-case hexadecimal digits. Never hashes anything but the bytes it is given.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 lower-case hexadecimal digits, found `{found}`")]
pub struct DigestError {
    /// The text as found, cut at 80 characters.
    pub found: String,
}

impl DigestError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        "malformed-digest"
    }
}

/// Reads exactly 64 lower-case hexadecimal digits.
fn parse_hex(text: &str) -> Result<[u8; 32], DigestError> {
    let refused = || DigestError { found: text.chars().take(80).collect() };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return Err(refused());
    }
    let (mut bytes, mut seen) = ([0; 32], 0);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (nibble(*high), nibble(*low));
        seen |= high | low;
        *byte = high << 4 | low & 0x0f;
    }
    if seen & NO_DIGIT != 0 { Err(refused()) } else { Ok(bytes) }
}

/// A value that no digit has.
const NO_DIGIT: u8 = 0x80;

/// The value of a lower-case hexadecimal digit, without a branch.
const fn nibble(digit: u8) -> u8 {
    let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
    if number < 10 {
        number
    } else if letter < 6 {
        letter.wrapping_add(10)
    } else {
        NO_DIGIT
    }
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes 32 bytes that are this digest already.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 64];
                hex::encode_to_slice(self.0, &mut text).map_err(|_wrong_length| fmt::Error)?;
                f.write_str(std::str::from_utf8(&text).map_err(|_not_ascii| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                parse_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

digest! {
    /// SHA-256 of an event's exact bytes: what `sha256sum` prints for them.
    EventDigest
}
digest! {
    /// SHA-256 of an entry's bytes: what the next entry calls `previous`.
    EntryHash
}
digest! {
    /// RFC 6962 hash of a Merkle leaf: SHA-256 of 0x00 and the entry's bytes.
    LeafHash
}
digest! {
    /// RFC 6962 hash of a whole tree.
    RootHash
}
digest! {
    /// SHA-256 of a key's DER `SubjectPublicKeyInfo`: what `openssl pkey -pubin -outform DER | sha256sum` prints.
    KeyId
}

impl EventDigest {
    /// The digest of an event's exact bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }
}

impl EntryHash {
    /// The hash of an entry's bytes.
    pub fn of(entry: &[u8]) -> Self {
        Self(sha256(entry))
    }

    /// What entry 0 calls `previous`: the hash of the ledger's origin and a newline.
    pub fn before_genesis(origin: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(origin.as_bytes());
        hasher.update(b"\n");
        Self(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_spelling() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(EventDigest::of(b"abc").to_string(), text);
        assert_eq!(text.parse(), Ok(EventDigest::of(b"abc")));
        for wrong in ["", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace('b', "g")] {
            assert!(wrong.parse::<EventDigest>().is_err(), "{wrong}");
        }
    }
}
