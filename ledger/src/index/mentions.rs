//! Where artifacts are mentioned, by strong digest: the keys `a`, `h` and `v`.
//!
//! Promises every event that describes an artifact or used it, in order, and every service about which an event mentions
//! it. Never reads an event: what it says of the artifact is the answers' part.

use lineal_schemas::digest::EventDigest;

use super::{
    Index, STRONG, StoreError, artifact_key,
    brief::{InputUse, read_uses},
    key, last_index,
    project::Says,
};

/// An event that used an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Using {
    /// Its index.
    pub index: u64,
    /// What the artifact was to it, where it is a completed run; nothing where it is no input of one.
    pub inputs: Vec<InputUse>,
}

/// Where an artifact is mentioned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Indices of the events that describe it, or give it another digest, in order.
    pub describing: Vec<u64>,
    /// Those that used it, in order.
    pub using: Vec<Using>,
    /// Whether there are also events about services that mention it.
    pub has_services: bool,
}

impl Index {
    /// The events that mention the artifact of this strong digest. Those that only see it serve are not listed: there
    /// may be any number of observations of one model, and [`Self::services_of`] leads to these.
    pub fn mentions(&self, algorithm: &str, hex: &str) -> Result<Mentions, StoreError> {
        let mut found = Mentions::default();
        let Some(prefix) = artifact_key(algorithm, hex) else { return Ok(found) };
        self.store.scan(&prefix, &prefix, &mut |key, value| {
            match key.get(prefix.len()).copied().and_then(Says::of) {
                Some(Says::Describes) => found.describing.extend(last_index(key)),
                Some(Says::Uses) => {
                    found.using.extend(last_index(key).map(|index| Using { index, inputs: read_uses(value) }));
                }
                Some(Says::OfService) | None => found.has_services = true,
            }
            !found.has_services
        })?;
        Ok(found)
    }

    /// Services about which events mention an artifact by this strong digest, sorted.
    pub fn services_of(&self, algorithm: &str, hex: &str) -> Result<Vec<String>, StoreError> {
        let Some(artifact) = artifact_key(algorithm, hex) else { return Ok(Vec::new()) };
        let prefix = key(b'v', &[artifact.get(1..).unwrap_or_default()]);
        let mut found = Vec::new();
        self.store.scan(&prefix, &prefix, &mut |key, _value| {
            let subject = key.get(prefix.len()..).unwrap_or_default();
            found.push(String::from_utf8_lossy(subject).into_owned());
            true
        })?;
        Ok(found)
    }

    /// Strong digests that begin with these hex digits and that entries below `size` mention, at most `limit`: algorithm
    /// and digest.
    pub fn artifacts(
        &self,
        hex_prefix: &str,
        size: u64,
        limit: usize,
    ) -> Result<Vec<(&'static str, String)>, StoreError> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for (at, algorithm) in STRONG.iter().enumerate() {
            let tag = [u8::try_from(at).unwrap_or(0)];
            let even = hex_prefix.get(..hex_prefix.len() / 2 * 2).unwrap_or_default();
            let Ok(bytes) = hex::decode(even) else { continue };
            let prefix = key(b'a', &[&tag, &bytes]);
            self.store.scan(&prefix, &prefix, &mut |key, _value| {
                let digest = hex::encode(key.get(2..34).unwrap_or_default());
                let known = last_index(key).is_some_and(|index| index < size);
                if known && digest.starts_with(hex_prefix) && found.last().is_none_or(|last| last.1 != digest) {
                    found.push((algorithm, digest));
                }
                found.len() < limit
            })?;
        }
        Ok(found)
    }

    /// Trees that entries below `size` mention, by `dirHash`, at most `limit`.
    pub fn trees(&self, size: u64, limit: usize) -> Result<Vec<EventDigest>, StoreError> {
        let mut found = Vec::new();
        self.store.scan(b"h", b"h", &mut |key, first| {
            let tree = key.get(1..).and_then(<[u8]>::first_chunk);
            if last_index(first).is_some_and(|first| first < size) {
                found.extend(tree.map(|tree| EventDigest::from_bytes(*tree)));
            }
            found.len() < limit
        })?;
        Ok(found)
    }
}
