//! Which bytes a data set had at a place, in the order of when they were snapshotted: the key `u`.
//!
//! The step from entry to answer that makes "does this place hold other bytes since?" a look at the next key, however often
//! the place was written. Promises one key for each snapshot that says where its data are. Never judges whether the place is right.

use lineal_schemas::{
    digest::sha256,
    timestamp::Timestamp,
    vocabulary::{artifact::Artifact, dataset::DatasetSnapshotted},
};

use super::{Index, StoreError, key, last_index, seen::ordered};

/// A digest of an artifact's strong digests: equal ones are the same artifact, unequal ones may be.
pub type Print = [u8; 16];

/// The print of an artifact.
pub fn print_of(artifact: &Artifact) -> Print {
    let mut digests: Vec<String> = artifact.strong_digests().map(|(name, hex)| format!("{name}:{hex}")).collect();
    digests.sort();
    half(digests.join("\n").as_bytes())
}

/// What a snapshot puts: nothing where it does not say where it is.
pub(super) fn pair(name: &str, snapshot: &DatasetSnapshotted, at: Timestamp, index: u64) -> Option<(Vec<u8>, Print)> {
    let uri = snapshot.dataset.uri.as_ref()?;
    let key = key(b'u', &[&place_of(name, uri.as_str()), &ordered(at), &index.to_be_bytes()]);
    Some((key, print_of(&snapshot.dataset)))
}

/// Two data sets at one place may be two parts of what is there: they say nothing of each other.
fn place_of(name: &str, uri: &str) -> [u8; 16] {
    half(format!("{name}\n{uri}").as_bytes())
}

fn half(bytes: &[u8]) -> [u8; 16] {
    sha256(bytes).first_chunk().copied().unwrap_or_default()
}

impl Index {
    /// Snapshots of other bytes of a data set at a place after a moment, as entries below `size` say: indices in order, until `visit` says
    /// that it is enough.
    pub fn others_at(
        &self,
        (name, uri): (&str, &str),
        (after, own): (Timestamp, Print),
        size: u64,
        visit: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), StoreError> {
        let prefix = key(b'u', &[&place_of(name, uri)]);
        let after = ordered(after);
        let from = [prefix.as_slice(), &after, &[u8::MAX; 9]].concat();
        self.store.scan(&prefix, &from, &mut |key, value| {
            let other = last_index(key).filter(|index| *index < size && value != own);
            other.is_none_or(&mut *visit)
        })
    }
}
