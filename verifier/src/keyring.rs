//! Which key has which id: everything that is needed to check a signature, and nothing about who may sign what.
//!
//! A key id is the hash of the key, so whatever event a key is found in, rightful or not, id and key belong together.
//! That is why signatures can be checked in parallel, ahead of the registry. Never says that a key may speak: the
//! registry judges that later, at the entry's index.

use std::collections::{BTreeMap, HashMap};

use lineal_schemas::{
    checkpoint::SignedCheckpoint, digest::KeyId, facts::Facts, key::PublicKey, note::VerifierKey, vocabulary::Payload,
};

/// The keys that key events of the record have shown so far.
#[derive(Debug, Default)]
pub(crate) struct KeyRing {
    keys: HashMap<KeyId, PublicKey>,
    /// Keys that may turn out to be the ledger's, by the short id that notes use.
    verifiers: BTreeMap<u32, Vec<VerifierKey>>,
    /// Key events that were learnt from.
    shown: u64,
}

impl KeyRing {
    pub(crate) fn key(&self, keyid: &KeyId) -> Option<PublicKey> {
        self.keys.get(keyid).cloned()
    }

    /// How many key events it was shown: what was checked under the same number was checked under the same keys.
    pub(crate) const fn shown(&self) -> u64 {
        self.shown
    }

    /// Whether there is something to learn from an event.
    pub(crate) const fn shows_keys(facts: &Facts) -> bool {
        matches!(
            &facts.payload,
            Ok(Payload::LedgerCreated(_)
                | Payload::LedgerKeyRotated(_)
                | Payload::KeyEnrolled(_)
                | Payload::KeyRotated(_))
        )
    }

    /// Takes the keys out of a key event. A key that can't be used is left out: the registry says why.
    pub(crate) fn learn(&mut self, facts: &Facts) {
        match &facts.payload {
            Ok(Payload::LedgerCreated(event)) => {
                for root in &event.roots {
                    self.add(root.public_key.as_str());
                }
                self.add_verifier(event.ledger_key.verifier_key.as_str(), event.ledger_key.public_key.as_str());
            }
            Ok(Payload::LedgerKeyRotated(event)) => {
                self.add_verifier(event.verifier_key.as_str(), event.public_key.as_str());
            }
            Ok(Payload::KeyEnrolled(event)) => self.add(event.public_key.as_str()),
            Ok(Payload::KeyRotated(event)) => self.add(event.public_key.as_str()),
            _ => return,
        }
        self.shown = self.shown.saturating_add(1);
    }

    fn add(&mut self, pem: &str) {
        if let Ok(key) = PublicKey::from_pem(pem) {
            self.keys.insert(key.keyid(), key);
        }
    }

    fn add_verifier(&mut self, vkey: &str, pem: &str) {
        self.add(pem);
        if let Ok(verifier) = vkey.parse::<VerifierKey>() {
            let known = self.verifiers.entry(verifier.id()).or_default();
            if !known.contains(&verifier) {
                known.push(verifier);
            }
        }
    }

    /// The keys among these whose signature on the checkpoint verifies.
    pub(crate) fn signers(&self, signed: &SignedCheckpoint) -> Vec<KeyId> {
        let mut signers = Vec::with_capacity(1);
        for line in &signed.note().signatures {
            for key in self.verifiers.get(&line.id).into_iter().flatten().filter(|key| key.name() == line.name) {
                if signed.note().verify(std::slice::from_ref(key)).is_ok() {
                    signers.push(key.key().keyid());
                }
            }
        }
        signers
    }
}
