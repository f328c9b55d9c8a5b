//! Policies that were read: a verdict asks for every policy of the service's owners, and these hardly ever change.
//!
//! Promises what reading the entry, or the text, gives, whoever asks and whenever: what is committed stays as it is, and a policy
//! is its text. Memory is bounded. Never knows which registration counts; that is the gate's part.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, PoisonError, RwLock},
};

use lineal_gate::policy::{Policy, PolicyError};
use lineal_schemas::{entry::Entry, facts::Facts, vocabulary::policy::PolicyText};

use crate::log::record::{ReadError, Record};

/// What a text says, or why it is none.
pub type Read = Arc<Result<Policy, PolicyError>>;

/// An entry with what its event says.
pub type Registration = Arc<(Entry, Facts)>;

/// Texts and entries that are kept, of 32 KiB each at most: beyond them all are read anew.
const MAX_KEPT: usize = 1024;

/// Policies by their texts, and their registrations by their entries.
#[derive(Debug, Default)]
pub struct Policies {
    texts: RwLock<HashMap<String, Read>>,
    registrations: RwLock<HashMap<u64, Registration>>,
}

impl Policies {
    /// What a text says.
    pub fn read(&self, text: &PolicyText) -> Read {
        kept(&self.texts, text.as_str()).unwrap_or_else(|| {
            let read = Arc::new(Policy::parse(text));
            keep(&self.texts, text.as_str().to_owned(), &read);
            read
        })
    }

    /// The registration of a policy in an entry of the record; nothing where its body is erased.
    pub fn registration(&self, record: &Record, index: u64) -> Result<Option<Registration>, ReadError> {
        if let Some(known) = kept(&self.registrations, &index) {
            return Ok(Some(known));
        }
        let stored = record.get(index)?;
        let Some(facts) = stored.facts() else { return Ok(None) };
        let read = Arc::new((stored.into_entry(), facts));
        keep(&self.registrations, index, &read);
        Ok(Some(read))
    }
}

fn kept<K: Borrow<Q> + Eq + Hash, Q: Eq + Hash + ?Sized, V: Clone>(all: &RwLock<HashMap<K, V>>, key: &Q) -> Option<V> {
    all.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
}

fn keep<K: Eq + Hash, V: Clone>(all: &RwLock<HashMap<K, V>>, key: K, value: &V) {
    let mut all = all.write().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= MAX_KEPT {
        all.clear();
    }
    all.insert(key, value.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_and_however_many_there_are_memory_is_bounded() {
        let policies = Policies::default();
        let text = |number: usize| format!("schema = {number}").parse::<PolicyText>().unwrap();
        let first = policies.read(&text(0));
        assert_eq!(*first, Policy::parse(&text(0)));
        assert!(Arc::ptr_eq(&first, &policies.read(&text(0))));
        for number in 0..=MAX_KEPT {
            assert_eq!(*policies.read(&text(number)), Policy::parse(&text(number)));
        }
        assert_eq!(policies.texts.read().unwrap().len(), 1);
    }
}
