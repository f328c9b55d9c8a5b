//! Why a key may not say what it said.

use crate::{
    digest::{EventDigest, KeyId},
    key::KeyError,
    timestamp::Timestamp,
    vocabulary::Role,
};

/// A claim that its signers have no authority for. Each names the values concerned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// Entry 0 is something else.
    #[error("the first event of a ledger is its genesis, found `{0}`")]
    NotAGenesis(String),
    /// A root is missing among the signers of the genesis, or another key signed it.
    #[error("a genesis is signed by exactly its own roots")]
    NotSignedByAllRoots,
    /// The event is meant for another ledger.
    #[error("meant for the ledger {}, this one is {expected}", found.map_or_else(|| "(none named)".to_owned(), |found| found.to_string()))]
    WrongLedger {
        /// The genesis that it names.
        found: Option<EventDigest>,
        /// The genesis of this ledger.
        expected: EventDigest,
    },
    /// Nobody enrolled this key.
    #[error("key {0} is not enrolled")]
    UnknownKey(KeyId),
    /// Before the key's validity.
    #[error("key {keyid} is valid from {from}, received at {received}")]
    NotYetValid {
        /// The key.
        keyid: KeyId,
        /// `notBefore`.
        from: Timestamp,
        /// When the event was received.
        received: Timestamp,
    },
    /// After the key's validity.
    #[error("key {keyid} expired at {until}, received at {received}")]
    Expired {
        /// The key.
        keyid: KeyId,
        /// `notAfter`.
        until: Timestamp,
        /// When the event was received.
        received: Timestamp,
    },
    /// Another key has taken its place.
    #[error("key {keyid} was replaced by {by} and retired at {at}")]
    Retired {
        /// The key.
        keyid: KeyId,
        /// Its successor.
        by: KeyId,
        /// Since when.
        at: Timestamp,
    },
    /// The key was revoked.
    #[error("key {0} is revoked")]
    Revoked(KeyId),
    /// Its keys may not send as this source.
    #[error("source `{name}` is not among the sources of the signing key")]
    SourceNotAllowed {
        /// The source.
        name: String,
    },
    /// Its keys may not say this type.
    #[error("type `{name}` is not among the types of the signing key")]
    TypeNotAllowed {
        /// The name of the type.
        name: String,
    },
    /// None of the key's roles says this type.
    #[error("no role of the signing key ({}) says `{name}`", roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", "))]
    RoleNotAllowed {
        /// The name of the type.
        name: String,
        /// The key's roles.
        roles: Vec<Role>,
    },
    /// The subject is outside the key's names.
    #[error("subject `{subject}` is not among the names of the signing key")]
    NameNotAllowed {
        /// The subject.
        subject: String,
    },
    /// A root's source under another key.
    #[error("key {0} is not a root of this ledger")]
    NotARoot(KeyId),
    /// The ledger's source under another key.
    #[error("key {0} is not the current key of this ledger")]
    NotTheLedger(KeyId),
    /// Too few roots signed.
    #[error("{found} root signatures, the threshold is {threshold}")]
    ThresholdNotMet {
        /// Signatures by roots.
        found: usize,
        /// How many it takes.
        threshold: usize,
    },
    /// The key is a key of this ledger already.
    #[error("key {0} is known to this ledger already")]
    AlreadyKnown(KeyId),
    /// `keyid` is not that of the key.
    #[error("`keyid` is {found}, the key's own is {expected}")]
    WrongKeyId {
        /// As said.
        found: KeyId,
        /// As computed.
        expected: KeyId,
    },
    /// The key can't be used.
    #[error("`publicKey`: {0}")]
    Key(#[from] KeyError),
    /// A verifier key that does not belong to the ledger or to the key beside it.
    #[error("`verifierKey` is not the C2SP form of `publicKey` under the name `{origin}`")]
    VerifierKey {
        /// The ledger's origin.
        origin: String,
    },
    /// A pattern that can't be read.
    #[error("`{0}` is not a pattern: a literal, optionally ending in `/**`")]
    Pattern(String),
    /// An enroller enrolled more than it may say itself.
    #[error("the enrolled scope is wider than the enroller's own, or can enrol others")]
    OutsideDelegation,
}

impl AuthorityError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAGenesis(_) => "not-a-genesis",
            Self::NotSignedByAllRoots => "not-signed-by-all-roots",
            Self::WrongLedger { .. } => "wrong-ledger",
            Self::UnknownKey(_) => "unknown-key",
            Self::NotYetValid { .. } => "key-not-yet-valid",
            Self::Expired { .. } => "key-expired",
            Self::Retired { .. } => "key-retired",
            Self::Revoked(_) => "key-revoked",
            Self::SourceNotAllowed { .. } => "source-not-allowed",
            Self::TypeNotAllowed { .. } => "type-not-allowed",
            Self::RoleNotAllowed { .. } => "role-not-allowed",
            Self::NameNotAllowed { .. } => "name-not-allowed",
            Self::NotARoot(_) => "not-a-root",
            Self::NotTheLedger(_) => "not-the-ledger",
            Self::ThresholdNotMet { .. } => "threshold-not-met",
            Self::AlreadyKnown(_) => "key-already-known",
            Self::WrongKeyId { .. } => "wrong-keyid",
            Self::Key(error) => error.code(),
            Self::VerifierKey { .. } => "wrong-verifier-key",
            Self::Pattern(_) => "malformed-pattern",
            Self::OutsideDelegation => "outside-delegation",
        }
    }

    /// Which rule is broken, without any word of the event's own: what the record may hold for good. Ids of
    /// keys and times of the registry it may.
    pub fn without_values(&self) -> String {
        match self {
            Self::NotAGenesis(_) => "the first event of a ledger is its genesis".to_owned(),
            Self::WrongLedger { .. } => "meant for another ledger".to_owned(),
            Self::SourceNotAllowed { .. } => "`source` is not among the sources of the signing key".to_owned(),
            Self::NameNotAllowed { .. } => "`subject` is not among the names of the signing key".to_owned(),
            Self::WrongKeyId { .. } => "`keyid` is not the key's own".to_owned(),
            Self::Key(error) => format!("`publicKey`: {}", error.without_values()),
            Self::Pattern(_) => "a pattern is a literal, optionally ending in `/**`".to_owned(),
            Self::NotSignedByAllRoots
            | Self::UnknownKey(_)
            | Self::NotYetValid { .. }
            | Self::Expired { .. }
            | Self::Retired { .. }
            | Self::Revoked(_)
            | Self::TypeNotAllowed { .. }
            | Self::RoleNotAllowed { .. }
            | Self::NotARoot(_)
            | Self::NotTheLedger(_)
            | Self::ThresholdNotMet { .. }
            | Self::AlreadyKnown(_)
            | Self::VerifierKey { .. }
            | Self::OutsideDelegation => self.to_string(),
        }
    }
}
