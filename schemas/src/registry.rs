//! Who may say what, at an index of the history: the keys as the events before it left them.
//!
//! The registry is the genesis and the key events, applied in order. Promises that authority is judged against the
//! ledger's `received` and never against the time that a producer claims. Never checks a signature: that has happened
//! before. (docs/FORMAT.md, Authority)

use std::collections::BTreeMap;

use crate::{
    digest::{EventDigest, KeyId},
    dsse::Signature,
    facts::Facts,
    key::PublicKey,
    note::VerifierKey,
    scope::{Pattern, Scope},
    timestamp::Timestamp,
    vocabulary::{Payload, Role, Signer, values::Time},
};

mod error;
mod keys;

pub use error::AuthorityError;
pub use keys::{Enrolment, LedgerKey};

/// The scheme of the sources that only roots and the ledger itself may use.
pub const LEDGER_SCHEME: &str = "lineal://";

/// The keys of one ledger as they stand after some entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    genesis: EventDigest,
    origin: String,
    threshold: usize,
    roots: BTreeMap<KeyId, PublicKey>,
    ledger_keys: Vec<LedgerKey>,
    keys: BTreeMap<KeyId, Enrolment>,
}

impl Registry {
    /// The registry right after the genesis: it must be signed by exactly its own roots.
    pub fn create(genesis: &Facts, signatures: &[Signature]) -> Result<Self, AuthorityError> {
        let Ok(Payload::LedgerCreated(created)) = &genesis.payload else {
            return Err(AuthorityError::NotAGenesis(genesis.kind.clone()));
        };
        if genesis.sequence != 1 || genesis.sequence_end {
            return Err(AuthorityError::NotAGenesis(format!("{} as number {}", genesis.kind, genesis.sequence)));
        }
        let origin = created.origin.to_string();
        if genesis.source != format!("{LEDGER_SCHEME}{origin}") {
            return Err(AuthorityError::SourceNotAllowed { name: genesis.source.clone() });
        }
        let mut roots = BTreeMap::new();
        for root in &created.roots {
            roots.insert(root.keyid, keys::sound(root.keyid, root.public_key.as_str())?);
        }
        if !signatures.iter().map(|signature| &signature.keyid).eq(roots.keys()) {
            return Err(AuthorityError::NotSignedByAllRoots);
        }
        let threshold = usize::try_from(created.threshold.get()).unwrap_or(usize::MAX);
        if threshold > roots.len() {
            return Err(AuthorityError::ThresholdNotMet { found: roots.len(), threshold });
        }
        let ledger_key = LedgerKey::new(&created.ledger_key.verifier_key, &created.ledger_key.public_key, &origin)?;
        let registry = Self {
            genesis: genesis.digest,
            origin,
            threshold,
            roots,
            ledger_keys: vec![ledger_key],
            keys: BTreeMap::new(),
        };
        match registry.roots.keys().find(|keyid| registry.ledger_keys.iter().any(|key| key.keyid() == **keyid)) {
            Some(keyid) => Err(AuthorityError::AlreadyKnown(*keyid)),
            None => Ok(registry),
        }
    }

    /// Digest of the genesis event.
    pub const fn genesis(&self) -> EventDigest {
        self.genesis
    }

    /// The ledger's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The source of everything that the ledger itself says.
    pub fn ledger_source(&self) -> String {
        format!("{LEDGER_SCHEME}{}", self.origin)
    }

    /// The source under which a root speaks.
    pub fn root_source(&self, root: &KeyId) -> String {
        format!("{LEDGER_SCHEME}{}/root/{root}", self.origin)
    }

    /// The root keys.
    pub fn roots(&self) -> impl Iterator<Item = &PublicKey> {
        self.roots.values()
    }

    /// Every key that was ever enrolled, with its rights.
    pub fn enrolments(&self) -> impl Iterator<Item = &Enrolment> {
        self.keys.values()
    }

    /// The rights of an enrolled key.
    pub fn enrolment(&self, keyid: &KeyId) -> Option<&Enrolment> {
        self.keys.get(keyid)
    }

    /// Whether the scope of a key that was ever enrolled has such an event about that subject, whatever may speak against the
    /// key by now: only then its correction of one counts.
    pub fn may_say(&self, keyid: &KeyId, payload: &Payload, subject: &str) -> bool {
        let Some((scope, rule)) = self.enrolment(keyid).map(Enrolment::scope).zip(payload.rule()) else {
            return false;
        };
        scope.types.iter().any(|name| name == rule.name)
            && scope.roles.iter().any(|role| rule.roles.contains(role))
            && scope.names.iter().any(|pattern| pattern.matches(subject))
    }

    /// The key behind an id, of whatever kind.
    pub fn key(&self, keyid: &KeyId) -> Option<&PublicKey> {
        let ledger = || self.ledger_keys.iter().map(LedgerKey::key).find(|key| key.keyid() == *keyid);
        self.keys.get(keyid).map(Enrolment::key).or_else(|| self.roots.get(keyid)).or_else(ledger)
    }

    /// Whether this is a source of that key's, whatever may speak against the key by now.
    pub fn is_source_of(&self, source: &str, keyid: &KeyId) -> bool {
        match self.keys.get(keyid) {
            Some(enrolment) => enrolment.scope().sources.iter().any(|pattern| pattern.matches(source)),
            None if self.roots.contains_key(keyid) => source == self.root_source(keyid),
            None => source == self.ledger_source(),
        }
    }

    /// The keys that must all sign the checkpoint of a batch that begins at `received`.
    pub fn checkpoint_keys(&self, received: Timestamp) -> Vec<VerifierKey> {
        self.ledger_keys.iter().filter(|key| key.is_current(received)).map(|key| key.verifier().clone()).collect()
    }

    /// Whether the signers may send as this event's source at all: only then may it touch the source's state.
    pub fn authorise_source(
        &self,
        facts: &Facts,
        signatures: &[Signature],
        received: Timestamp,
    ) -> Result<(), AuthorityError> {
        if facts.ledger != Some(self.genesis) {
            return Err(AuthorityError::WrongLedger { found: facts.ledger, expected: self.genesis });
        }
        if facts.source.starts_with(LEDGER_SCHEME) {
            return self.authorise_reserved_source(facts, signatures, received);
        }
        for signature in signatures {
            let enrolment = self.keys.get(&signature.keyid).ok_or(AuthorityError::UnknownKey(signature.keyid))?;
            enrolment.check_valid(received)?;
            if !enrolment.scope().sources.iter().any(|pattern| pattern.matches(&facts.source)) {
                return Err(AuthorityError::SourceNotAllowed { name: facts.source.clone() });
            }
        }
        Ok(())
    }

    fn authorise_reserved_source(
        &self,
        facts: &Facts,
        signatures: &[Signature],
        received: Timestamp,
    ) -> Result<(), AuthorityError> {
        if facts.source == self.ledger_source() {
            let by_ledger = |signature: &Signature| {
                self.ledger_keys.iter().any(|key| key.keyid() == signature.keyid && key.is_current(received))
            };
            return match signatures.iter().find(|signature| !by_ledger(signature)) {
                Some(other) => Err(AuthorityError::NotTheLedger(other.keyid)),
                None => Ok(()),
            };
        }
        if let Some(other) = signatures.iter().find(|signature| !self.roots.contains_key(&signature.keyid)) {
            return Err(AuthorityError::NotARoot(other.keyid));
        }
        if !signatures.iter().any(|signature| self.root_source(&signature.keyid) == facts.source) {
            return Err(AuthorityError::SourceNotAllowed { name: facts.source.clone() });
        }
        if signatures.len() < self.threshold {
            return Err(AuthorityError::ThresholdNotMet { found: signatures.len(), threshold: self.threshold });
        }
        Ok(())
    }

    /// Whether the signers may say this about that. The source has been judged before.
    pub fn authorise_claim(
        &self,
        facts: &Facts,
        payload: &Payload,
        signatures: &[Signature],
    ) -> Result<(), AuthorityError> {
        let rule = payload.rule().ok_or_else(|| AuthorityError::TypeNotAllowed { name: payload.name().to_owned() })?;
        let by_ledger = facts.source == self.ledger_source();
        let by_root = !by_ledger && facts.source.starts_with(LEDGER_SCHEME);
        let signer_fits = match rule.signer {
            Signer::Ledger => by_ledger,
            Signer::Root => by_root,
            Signer::RootOrProducer => !by_ledger,
            Signer::ProducerOrLedger => !by_root,
            Signer::Producer => !by_root && !by_ledger,
        };
        // A genesis stands at entry 0 alone, and was judged there.
        if !signer_fits || matches!(payload, Payload::LedgerCreated(_)) {
            return Err(AuthorityError::TypeNotAllowed { name: rule.name.to_owned() });
        }
        if by_ledger || by_root {
            self.check_own_subject(facts, payload)?;
        } else {
            for enrolment in signatures.iter().filter_map(|signature| self.keys.get(&signature.keyid)) {
                check_scope(enrolment.scope(), rule.name, rule.roles, facts)?;
                if let Payload::KeyEnrolled(_) = payload {
                    keys::check_delegation(enrolment, payload)?;
                }
            }
        }
        self.check_key_event(payload)
    }

    fn check_own_subject(&self, facts: &Facts, payload: &Payload) -> Result<(), AuthorityError> {
        let about_itself = matches!(payload, Payload::ProducerHeartbeat(_) | Payload::LedgerKeyRotated(_));
        if about_itself && facts.subject != format!("ledger/{}", self.origin) {
            return Err(AuthorityError::NameNotAllowed { subject: facts.subject.clone() });
        }
        Ok(())
    }

    /// What a key event asks for must be possible on the registry as it stands.
    fn check_key_event(&self, payload: &Payload) -> Result<(), AuthorityError> {
        let new = |keyid: &KeyId| match self.key(keyid) {
            Some(_) => Err(AuthorityError::AlreadyKnown(*keyid)),
            None => Ok(()),
        };
        let enrolled = |keyid: &KeyId| self.keys.get(keyid).ok_or(AuthorityError::UnknownKey(*keyid));
        match payload {
            Payload::KeyEnrolled(event) => {
                new(&event.keyid)?;
                keys::sound(event.keyid, event.public_key.as_str())?;
                keys::scope_of(event).map(|_scope| ())
            }
            Payload::KeyRotated(event) => {
                new(&event.keyid)?;
                keys::sound(event.keyid, event.public_key.as_str())?;
                enrolled(&event.replaces)?.check_current()
            }
            Payload::KeyRevoked(event) => {
                let old = enrolled(&event.keyid)?;
                if old.is_revoked() { Err(AuthorityError::Revoked(event.keyid)) } else { Ok(()) }
            }
            Payload::LedgerKeyRotated(event) => {
                let next = LedgerKey::new(&event.verifier_key, &event.public_key, &self.origin)?;
                new(&next.keyid())?;
                let current = |key: &LedgerKey| key.keyid() == event.replaces && key.retires().is_none();
                if self.ledger_keys.iter().any(current) {
                    Ok(())
                } else {
                    Err(AuthorityError::UnknownKey(event.replaces))
                }
            }
            _ => Ok(()),
        }
    }

    /// Takes an admitted event into account. Events that are not about keys change nothing.
    pub fn apply(&mut self, index: u64, received: Timestamp, payload: &Payload) -> Result<(), AuthorityError> {
        match payload {
            Payload::KeyEnrolled(event) => {
                let enrolment = Enrolment::new(event, index, received)?;
                self.keys.insert(event.keyid, enrolment);
            }
            Payload::KeyRotated(event) => {
                let old = self.keys.get_mut(&event.replaces).ok_or(AuthorityError::UnknownKey(event.replaces))?;
                let next = old.succeed(event, index, received)?;
                self.keys.insert(event.keyid, next);
            }
            Payload::KeyRevoked(event) => {
                let old = self.keys.get_mut(&event.keyid).ok_or(AuthorityError::UnknownKey(event.keyid))?;
                old.revoke(event, received);
            }
            Payload::LedgerKeyRotated(event) => {
                let next = LedgerKey::new(&event.verifier_key, &event.public_key, &self.origin)?;
                let retires = event.retires_at.as_ref().and_then(Time::timestamp).unwrap_or(received);
                for key in self.ledger_keys.iter_mut().filter(|key| key.keyid() == event.replaces) {
                    key.retire(retires);
                }
                self.ledger_keys.push(next);
            }
            _ => {}
        }
        Ok(())
    }
}

fn check_scope(scope: &Scope, name: &str, roles: &[Role], facts: &Facts) -> Result<(), AuthorityError> {
    if !scope.types.iter().any(|kind| kind == name) {
        return Err(AuthorityError::TypeNotAllowed { name: name.to_owned() });
    }
    if !scope.roles.iter().any(|role| roles.contains(role)) {
        return Err(AuthorityError::RoleNotAllowed { name: name.to_owned(), roles: scope.roles.clone() });
    }
    // A new key has no name yet that an enroller's scope could hold: its enrolment is held to the scope that it gives.
    let about_a_new_key = name == "key.enrolled";
    if !about_a_new_key && !scope.names.iter().any(|pattern: &Pattern| pattern.matches(&facts.subject)) {
        return Err(AuthorityError::NameNotAllowed { subject: facts.subject.clone() });
    }
    Ok(())
}
