//! Keys: who may say what, from when to when. The registry of keys is these events, applied in order.
//!
//! Promises the form of a key only. Whether it is a sound key, and whether `keyid` is its own, the registry judges.

use super::{
    lineage::Says,
    names::{Code, NamePattern, ProducerName, TypeName},
    object::{distinct, event, words},
    values::{PublicKeyPem, SourceUri, Time},
};
use crate::digest::KeyId;

words! {
    /// What a key's holder does.
    pub enum Role {
        /// Makes data.
        Data = "data",
        /// Trains.
        Trainer = "trainer",
        /// Measures.
        Evaluator = "evaluator",
        /// Approves.
        Approver = "approver",
        /// Deploys.
        Deployer = "deployer",
        /// Sees what runs.
        Observer = "observer",
        /// Enrols keys within its own scope.
        Enroller = "enroller",
        /// Keeps the ledger's settings.
        Admin = "admin",
    }
}

event! {
    /// `key.enrolled`: a key may speak from now on.
    pub struct KeyEnrolled {
        required {
            /// SHA-256 of the key's DER `SubjectPublicKeyInfo`.
            keyid: KeyId,
            /// The key.
            public_key: PublicKeyPem,
            /// Whose key it is; kept across its keys.
            producer: ProducerName,
            /// The CloudEvents sources that it may use: literals, or `…/**` for all below.
            #[serde(deserialize_with = "distinct")]
            sources: Vec<SourceUri>,
            /// What its holder does.
            #[serde(deserialize_with = "distinct")]
            roles: Vec<Role>,
            /// The event types that it may sign.
            #[serde(deserialize_with = "distinct")]
            types: Vec<TypeName>,
            /// The subjects that it may speak of.
            #[serde(deserialize_with = "distinct")]
            names: Vec<NamePattern>,
        }
        optional {
            /// From when it is valid, against the ledger's clock.
            not_before: Time,
            /// Until when it is valid; required where an `enroller` enrols.
            not_after: Time,
        }
    }
}

event! {
    /// `key.rotated`: a key takes the place of another, with the same rights.
    pub struct KeyRotated {
        required {
            /// The new key's id.
            keyid: KeyId,
            /// The new key.
            public_key: PublicKeyPem,
            /// The old key's id.
            replaces: KeyId,
        }
        optional {
            /// Until when the old one is still valid; at once invalid, where nothing is said.
            retires_at: Time,
        }
    }
}

event! {
    /// `key.revoked`: a key may not speak any more.
    pub struct KeyRevoked {
        required {
            /// The key's id.
            keyid: KeyId,
        }
        optional {
            /// Why: `compromised`, `retired`.
            reason: Code,
            /// Since when somebody else may have had it: answers that rest on it say so.
            compromised_since: Time,
        }
    }
}

impl Says for KeyEnrolled {
    fn subject(&self) -> Option<String> {
        Some(format!("key/{}", self.keyid))
    }
}

impl Says for KeyRotated {
    fn subject(&self) -> Option<String> {
        Some(format!("key/{}", self.keyid))
    }
}

impl Says for KeyRevoked {
    fn subject(&self) -> Option<String> {
        Some(format!("key/{}", self.keyid))
    }
}
