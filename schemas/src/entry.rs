//! The second step, an entry: the Merkle leaf and chain link that the ledger makes of an admitted event.
//!
//! One spelling, fixed key order: what is parsed here and written again is the same bytes. An entry commits to the
//! event's digest and not to its body, so that a body can be erased by law while chain, tree and proofs still hold.
//! Never looks into the body. (docs/FORMAT.md, Entries)

use std::fmt::Write as _;

use crate::{
    digest::{EntryHash, EventDigest},
    dsse::{self, Signature, SignatureError},
    timestamp::Timestamp,
};

/// The most bytes of an entry: eight signatures and the fixed fields, well under the 65,535 of tlog-tiles.
pub const MAX_ENTRY_BYTES: usize = 2048;

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not the fixed form.
    #[error("not an entry: expected {expected} at byte {at}")]
    Malformed {
        /// What should stand there.
        expected: &'static str,
        /// Offset in the entry.
        at: usize,
    },
    /// The signatures are not a well-formed list.
    #[error("in the entry's signatures: {0}")]
    Signatures(#[from] SignatureError),
}

impl EntryError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed-entry",
            Self::Signatures(error) => error.code(),
        }
    }
}

/// One place in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From 0, without holes.
    pub index: u64,
    /// When the ledger took the event; never before the entry before.
    pub received: Timestamp,
    /// SHA-256 of the entry before: the hash chain.
    pub previous: EntryHash,
    /// SHA-256 of the event's bytes.
    pub event: EventDigest,
    /// All of the event's signatures, sorted by key id.
    pub signatures: Vec<Signature>,
}

impl Entry {
    /// The entry's bytes: the first column of its line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::with_capacity(256_usize.saturating_add(self.signatures.len().saturating_mul(160)));
        let head = write!(
            text,
            r#"{{"index":{},"received":"{}","previous":"{}","event":"{}","signatures":["#,
            self.index, self.received, self.previous, self.event
        );
        let mut comma = "";
        let all = self.signatures.iter().try_for_each(|signature| {
            let written = write!(text, r#"{comma}"{signature}""#);
            comma = ",";
            written
        });
        // Writing into a string does not fail, and every value here has a spelling.
        debug_assert!(head.is_ok() && all.is_ok(), "an entry is always written");
        text.push_str("]}");
        text.into_bytes()
    }

    /// Reads an entry's exact bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        let mut reader = Reader { bytes, rest: bytes };
        reader.literal("{\"index\":", "`{\"index\":`")?;
        let index = reader.index()?;
        reader.literal(",\"received\":\"", "`,\"received\":\"`")?;
        let received = reader.field(24, "a time as `2026-11-23T21:50:12.345Z`")?;
        reader.literal("\",\"previous\":\"", "`\",\"previous\":\"`")?;
        let previous = reader.field(64, "64 lower-case hex digits of `previous`")?;
        reader.literal("\",\"event\":\"", "`\",\"event\":\"`")?;
        let event = reader.field(64, "64 lower-case hex digits of `event`")?;
        reader.literal("\",\"signatures\":[", "`\",\"signatures\":[`")?;
        let signatures = reader.signatures()?;
        if !reader.rest.is_empty() {
            return Err(reader.malformed("nothing after the closing brace"));
        }
        dsse::check_list(&signatures)?;
        Ok(Self { index, received, previous, event, signatures })
    }

    /// What the next entry calls `previous`.
    pub fn hash(&self) -> EntryHash {
        EntryHash::of(&self.to_bytes())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn malformed(&self, expected: &'static str) -> EntryError {
        EntryError::Malformed { expected, at: self.bytes.len().saturating_sub(self.rest.len()) }
    }

    fn literal(&mut self, text: &str, expected: &'static str) -> Result<(), EntryError> {
        self.rest = self.rest.strip_prefix(text.as_bytes()).ok_or_else(|| self.malformed(expected))?;
        Ok(())
    }

    fn take(&mut self, length: usize, expected: &'static str) -> Result<&'a str, EntryError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.malformed(expected))?;
        let text = std::str::from_utf8(taken).map_err(|_not_text| self.malformed(expected))?;
        self.rest = rest;
        Ok(text)
    }

    fn field<T: std::str::FromStr>(&mut self, length: usize, expected: &'static str) -> Result<T, EntryError> {
        let before = self.malformed(expected);
        self.take(length, expected)?.parse().map_err(|_refused| before)
    }

    /// Decimal without leading zeros.
    fn index(&mut self) -> Result<u64, EntryError> {
        let expected = "a decimal index without leading zeros";
        let before = self.malformed(expected);
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = self.take(digits, expected)?;
        if text.len() > 1 && text.starts_with('0') {
            return Err(before);
        }
        text.parse().map_err(|_too_large| before)
    }

    fn signatures(&mut self) -> Result<Vec<Signature>, EntryError> {
        let mut signatures = Vec::with_capacity(1);
        if self.rest.starts_with(b"]}") {
            self.literal("]}", "`]}`")?;
            return Ok(signatures);
        }
        loop {
            self.literal("\"", "a quoted signature")?;
            // 64 hex digits, a colon, and 64 bytes in base64.
            let text = self.take(64_usize.saturating_add(1).saturating_add(88), "a signature `<keyid>:<base64>`")?;
            signatures.push(text.parse()?);
            self.literal("\"", "a quote after the signature")?;
            if self.rest.starts_with(b",") {
                self.literal(",", "`,`")?;
            } else {
                self.literal("]}", "`]}`")?;
                return Ok(signatures);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::KeyId;

    pub(crate) fn any_entry() -> impl Strategy<Value = Entry> {
        let signatures = prop::collection::btree_map(any::<[u8; 32]>(), any::<[u8; 64]>(), 1..=8);
        let times = Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis();
        (any::<u64>(), times, any::<[u8; 32]>(), any::<[u8; 32]>(), signatures).prop_map(
            |(index, received, previous, event, signatures)| Entry {
                index,
                received: Timestamp::from_millis(received),
                previous: EntryHash::from_bytes(previous),
                event: EventDigest::from_bytes(event),
                signatures: signatures
                    .into_iter()
                    .map(|(keyid, bytes)| Signature { keyid: KeyId::from_bytes(keyid), bytes })
                    .collect(),
            },
        )
    }

    proptest! {
        #[test]
        fn an_entry_comes_back_as_it_went(entry in any_entry()) {
            let bytes = entry.to_bytes();
            prop_assert!(bytes.len() <= MAX_ENTRY_BYTES);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
            prop_assert_eq!(Entry::parse(&bytes), Ok(entry));
        }

        #[test]
        fn any_changed_byte_is_another_entry_or_none(entry in any_entry(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let mut bytes = entry.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(other) = Entry::parse(&bytes) {
                prop_assert_ne!(&other, &entry);
                prop_assert_eq!(other.to_bytes(), bytes);
            }
        }
    }
}
