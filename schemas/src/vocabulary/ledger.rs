//! What is said about the record itself: its genesis, its own keys, refusals, heartbeats and corrections.
//!
//! Promises that a refusal or an equivocation stands in the record like everything else. Never edits: a correction is
//! an event of its own.

use super::{
    Payload, VocabularyError,
    lineage::{Common, Says},
    names::{Code, LedgerOrigin, Text},
    object::{distinct, event, object},
    values::{Count, FormatVersion, JsonObject, PublicKeyPem, Seconds, SourceUri, Threshold, Time, VerifierKeyText},
};
use crate::digest::{EventDigest, KeyId};

object! {
    /// `ledger.created`: entry 0, signed by all roots.
    pub struct LedgerCreated {
        required {
            /// The ledger's name in its checkpoints.
            origin: LedgerOrigin,
            /// The version of the record's format.
            format_version: FormatVersion,
            /// The key that signs checkpoints and what the ledger itself says.
            ledger_key: LedgerKey,
            /// The keys that decide about keys, 1 to 8.
            #[serde(deserialize_with = "roots")]
            roots: Vec<RootKey>,
            /// How many of them a decision needs.
            threshold: Threshold,
        }
        optional {}
    }
}

/// The most roots: as many as an event can have signatures.
const MAX_ROOTS: usize = 8;

fn roots<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<RootKey>, D::Error> {
    let roots = distinct(deserializer)?;
    if roots.len() > MAX_ROOTS { Err(serde::de::Error::custom("expected 1 to 8 roots")) } else { Ok(roots) }
}

object! {
    /// A ledger's key, in both of its spellings.
    pub struct LedgerKey {
        required {
            /// As C2SP signed-note spells it.
            verifier_key: VerifierKeyText,
            /// As PEM.
            public_key: PublicKeyPem,
        }
        optional {}
    }
}

object! {
    /// A root key.
    #[derive(Eq, PartialOrd, Ord)]
    pub struct RootKey {
        required {
            /// SHA-256 of the key's DER `SubjectPublicKeyInfo`.
            keyid: KeyId,
            /// The key.
            public_key: PublicKeyPem,
        }
        optional {}
    }
}

event! {
    /// `ledgerkey.rotated`: the ledger signs with another key from the next batch on.
    pub struct LedgerKeyRotated {
        required {
            /// The new key, as C2SP signed-note spells it.
            verifier_key: VerifierKeyText,
            /// The new key, as PEM.
            public_key: PublicKeyPem,
            /// The old key's id.
            replaces: KeyId,
        }
        optional {
            /// Until when the old one signs beside it.
            retires_at: Time,
        }
    }
}

event! {
    /// `event.rejected`: an event of an enrolled key was refused.
    pub struct EventRejected {
        required {
            /// The refused event's digest.
            event: EventDigest,
            /// The key that signed it.
            keyid: KeyId,
            /// The code of the refusal.
            reason: Code,
            /// Whether the refusal fills the event's number: the source's next event then names it as the previous one.
            fills: bool,
        }
        optional {
            /// The refusal in words: which member breaks which rule, never what was found.
            message: Text,
            /// The event's source, if it is one of the key's.
            source: SourceUri,
            /// The event's number at its source.
            sequence: Count,
            /// What the event called its source's previous one.
            previous: EventDigest,
        }
    }
}

event! {
    /// `event.conflicted`: an event contradicts what its source said before.
    pub struct EventConflicted {
        required {
            /// The conflicting event's digest.
            event: EventDigest,
            /// The key that signed it.
            keyid: KeyId,
            /// Its source.
            source: SourceUri,
            /// Its number at its source.
            sequence: Count,
            /// The code of the conflict.
            reason: Code,
        }
        optional {
            /// The event that holds the number.
            accepted: EventDigest,
        }
    }
}

event! {
    /// `producer.heartbeat`: nothing to say, and still here.
    #[derive(Default)]
    pub struct ProducerHeartbeat {
        required {}
        optional {
            /// When the next event is due at the latest.
            next_within_seconds: Seconds,
        }
    }
}

event! {
    /// `record.corrected`: replaces what an earlier event said.
    pub struct RecordCorrected {
        required {
            /// The corrected event's digest.
            corrects: EventDigest,
            /// The full payload that takes the place of its payload, of the same type.
            data: JsonObject,
        }
        optional {
            /// Why.
            reason: Code,
        }
    }
}

impl RecordCorrected {
    /// The replacement, read as the payload of the corrected event's type (`dev.lineal.<name>.v1`).
    pub fn replacement(&self, kind: &str) -> Result<Payload, VocabularyError> {
        Payload::parse(kind, self.data.as_str())
    }
}

impl Common for LedgerCreated {}

impl Says for LedgerCreated {
    fn subject(&self) -> Option<String> {
        Some(format!("ledger/{}", self.origin))
    }
}

impl Says for EventRejected {
    fn subject(&self) -> Option<String> {
        Some(format!("event/{}", self.event))
    }
}

impl Says for EventConflicted {
    fn subject(&self) -> Option<String> {
        Some(format!("event/{}", self.event))
    }
}

impl Says for LedgerKeyRotated {}
impl Says for ProducerHeartbeat {}
impl Says for RecordCorrected {}
