//! One enrolled key and its life: enrolled, perhaps replaced, perhaps revoked; and the ledger's own keys.

use super::AuthorityError;
use crate::{
    digest::KeyId,
    key::PublicKey,
    note::VerifierKey,
    scope::{Pattern, Scope},
    timestamp::Timestamp,
    vocabulary::{
        Payload, Role,
        key::{KeyEnrolled, KeyRevoked, KeyRotated},
        values::{PublicKeyPem, Time, VerifierKeyText},
    },
};

/// A key that may speak, or might.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    key: PublicKey,
    producer: String,
    scope: Scope,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    replaced: Option<(KeyId, Timestamp)>,
    revoked: Option<Revocation>,
    enrolled_at: (u64, Timestamp),
}

/// When a key was revoked, and why, where that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Revocation {
    received: Timestamp,
    reason: Option<String>,
    compromised_since: Option<Timestamp>,
}

impl Enrolment {
    pub(super) fn new(event: &KeyEnrolled, index: u64, received: Timestamp) -> Result<Self, AuthorityError> {
        Ok(Self {
            key: sound(event.keyid, event.public_key.as_str())?,
            producer: event.producer.to_string(),
            scope: scope_of(event)?,
            not_before: event.not_before.as_ref().and_then(Time::timestamp),
            not_after: event.not_after.as_ref().and_then(Time::timestamp),
            replaced: None,
            revoked: None,
            enrolled_at: (index, received),
        })
    }

    /// The key that takes this one's place, with the same rights.
    pub(super) fn succeed(
        &mut self,
        event: &KeyRotated,
        index: u64,
        received: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let retires = event.retires_at.as_ref().and_then(Time::timestamp).unwrap_or(received);
        let next = Self {
            key: sound(event.keyid, event.public_key.as_str())?,
            replaced: None,
            revoked: None,
            enrolled_at: (index, received),
            ..self.clone()
        };
        self.replaced = Some((event.keyid, retires));
        Ok(next)
    }

    pub(super) fn revoke(&mut self, event: &KeyRevoked, received: Timestamp) {
        self.revoked = Some(Revocation {
            received,
            reason: event.reason.as_ref().map(ToString::to_string),
            compromised_since: event.compromised_since.as_ref().and_then(Time::timestamp),
        });
    }

    /// Whether the key may speak at all at `received`.
    pub fn check_valid(&self, received: Timestamp) -> Result<(), AuthorityError> {
        let keyid = self.key.keyid();
        if self.revoked.is_some() {
            return Err(AuthorityError::Revoked(keyid));
        }
        if let Some(from) = self.not_before.filter(|from| received < *from) {
            return Err(AuthorityError::NotYetValid { keyid, from, received });
        }
        if let Some(until) = self.not_after.filter(|until| received >= *until) {
            return Err(AuthorityError::Expired { keyid, until, received });
        }
        match self.replaced {
            Some((by, at)) if received >= at => Err(AuthorityError::Retired { keyid, by, at }),
            _ => Ok(()),
        }
    }

    /// Whether it can still have a successor: a second one would let it speak again after it retired.
    pub(super) const fn check_current(&self) -> Result<(), AuthorityError> {
        match self.replaced {
            _ if self.revoked.is_some() => Err(AuthorityError::Revoked(self.key.keyid())),
            Some((by, at)) => Err(AuthorityError::Retired { keyid: self.key.keyid(), by, at }),
            None => Ok(()),
        }
    }

    /// The key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whose it is.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// What it may say.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The entry that enrolled it, and when that was received.
    pub const fn enrolled_at(&self) -> (u64, Timestamp) {
        self.enrolled_at
    }

    /// From and until when it is valid.
    pub const fn validity(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.not_before, self.not_after)
    }

    /// The key that took its place, and since when this one is retired.
    pub const fn replaced(&self) -> Option<(KeyId, Timestamp)> {
        self.replaced
    }

    /// Whether it was revoked.
    pub const fn is_revoked(&self) -> bool {
        self.revoked.is_some()
    }

    /// When it was revoked, and why, where that was said.
    pub fn revocation(&self) -> Option<(Timestamp, Option<&str>)> {
        self.revoked.as_ref().map(|revoked| (revoked.received, revoked.reason.as_deref()))
    }

    /// Since when somebody else may have had it.
    pub fn compromised_since(&self) -> Option<Timestamp> {
        self.revoked.as_ref().and_then(|revoked| revoked.compromised_since)
    }
}

/// A key that signs checkpoints and what the ledger itself says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerKey {
    verifier: VerifierKey,
    retires: Option<Timestamp>,
}

impl LedgerKey {
    /// Both spellings must be of one key, and its name the ledger's origin.
    pub fn new(vkey: &VerifierKeyText, pem: &PublicKeyPem, origin: &str) -> Result<Self, AuthorityError> {
        let key = PublicKey::from_pem(pem.as_str())?;
        let wrong = || AuthorityError::VerifierKey { origin: origin.to_owned() };
        let verifier = VerifierKey::new(origin, key).map_err(|_name| wrong())?;
        if verifier.to_string() != vkey.as_str() {
            return Err(wrong());
        }
        Ok(Self { verifier, retires: None })
    }

    /// The key.
    pub const fn key(&self) -> &PublicKey {
        self.verifier.key()
    }

    /// Its id.
    pub const fn keyid(&self) -> KeyId {
        self.verifier.key().keyid()
    }

    /// As C2SP notes name it.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// From when on it does not sign any more.
    pub const fn retires(&self) -> Option<Timestamp> {
        self.retires
    }

    /// Whether it signs at `received`.
    pub fn is_current(&self, received: Timestamp) -> bool {
        self.retires.is_none_or(|retires| received < retires)
    }

    pub(super) const fn retire(&mut self, at: Timestamp) {
        self.retires = Some(at);
    }
}

/// A key that is not weak and has the id that is said of it.
pub(super) fn sound(keyid: KeyId, pem: &str) -> Result<PublicKey, AuthorityError> {
    let key = PublicKey::from_pem(pem)?;
    if key.keyid() == keyid { Ok(key) } else { Err(AuthorityError::WrongKeyId { found: keyid, expected: key.keyid() }) }
}

/// The scope that an enrolment gives.
pub(super) fn scope_of(event: &KeyEnrolled) -> Result<Scope, AuthorityError> {
    let pattern = |text: &str| text.parse::<Pattern>().map_err(|error| AuthorityError::Pattern(error.found));
    Ok(Scope {
        sources: event.sources.iter().map(|source| pattern(source.as_str())).collect::<Result<_, _>>()?,
        roles: event.roles.clone(),
        types: event.types.iter().map(ToString::to_string).collect(),
        names: event.names.iter().map(|name| pattern(name.as_str())).collect::<Result<_, _>>()?,
    })
}

/// An enroller gives what it has, for no longer than it has it itself, and never the right to enrol.
pub(super) fn check_delegation(own: &Enrolment, payload: &Payload) -> Result<(), AuthorityError> {
    let Payload::KeyEnrolled(event) = payload else { return Ok(()) };
    let given = scope_of(event)?;
    let enrols = given.roles.iter().any(|role| matches!(role, Role::Enroller | Role::Admin));
    let until = event.not_after.as_ref().and_then(Time::timestamp);
    let outlives = until.is_none_or(|until| own.not_after.is_some_and(|own| until > own));
    if enrols || outlives || !own.scope.contains(&given) {
        return Err(AuthorityError::OutsideDelegation);
    }
    Ok(())
}
