//! The first stage, before the one writer: events are read and their signatures checked, on all cores.
//!
//! What cannot be authenticated is refused here, counted, and kept in the quarantine while there is room; it never
//! reaches the writer and never touches any state.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use lineal_schemas::{
    admission::{self, Authentic, Inspected, Refusal, Unauthentic},
    digest::KeyId,
    dsse::Signed,
    key::PublicKey,
};

/// Every key of the registry, by its id. A key never changes, so a lagging copy is only ever incomplete.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: RwLock<HashMap<KeyId, PublicKey>>,
}

impl Keyring {
    /// The key behind an id.
    pub fn get(&self, keyid: &KeyId) -> Option<PublicKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(keyid).cloned()
    }

    /// Adds keys.
    pub fn add(&self, keys: impl IntoIterator<Item = PublicKey>) {
        let mut ring = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        ring.extend(keys.into_iter().map(|key| (key.keyid(), key)));
    }
}

/// An event that the writer may look at.
#[derive(Debug)]
pub enum Checked {
    /// All signatures verify.
    Authentic(Box<Authentic>),
    /// One key was unknown when the signatures were checked; it may have been enrolled since.
    UnknownKey(Box<Inspected>, KeyId),
}

impl Checked {
    /// The event as read.
    pub const fn inspected(&self) -> &Inspected {
        match self {
            Self::Authentic(authentic) => authentic.inspected(),
            Self::UnknownKey(inspected, _keyid) => inspected,
        }
    }
}

/// An event that the writer never sees, and why.
#[derive(Debug)]
pub struct Unfit {
    /// The event as it came.
    pub signed: Signed,
    /// What is wrong with it.
    pub refusal: Refusal,
}

/// Reads an event and checks its signatures.
pub fn check(signed: Signed, keyring: &Keyring) -> Result<Checked, Box<Unfit>> {
    let unfit = |signed: Signed, refusal: Refusal| Box::new(Unfit { signed, refusal });
    let inspected = match admission::inspect_or_return(signed) {
        Ok(inspected) => inspected,
        Err((signed, error)) => return Err(unfit(signed, (&error).into())),
    };
    match inspected.verify(|keyid| keyring.get(keyid)) {
        Ok(authentic) => Ok(Checked::Authentic(Box::new(authentic))),
        Err(Unauthentic::Wrong(inspected, error)) => Err(unfit(inspected.into_signed(), (&error).into())),
        Err(Unauthentic::UnknownKey(inspected, keyid)) => match unknown_is_sound(&inspected) {
            Ok(()) => Ok(Checked::UnknownKey(inspected, keyid)),
            Err(refusal) => Err(unfit(inspected.into_signed(), refusal)),
        },
    }
}

/// An event under an unknown key may only wait if nothing else is wrong with it.
fn unknown_is_sound(inspected: &Inspected) -> Result<(), Refusal> {
    match inspected.facts() {
        Err(error) => Err(error.into()),
        Ok(facts) => facts.payload.as_ref().map(|_payload| ()).map_err(Refusal::from),
    }
}
