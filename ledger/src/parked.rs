//! Events under a key that nobody enrolled yet: sound, kept on disk, unacknowledged, and part of no state.
//!
//! Once the key is enrolled they are admitted as if just received, and removed. A crash between the two leaves them
//! here, and the next open finds that they are duplicates. At most 10,000.

use std::{io, sync::Arc};

use lineal_schemas::{
    digest::{EventDigest, KeyId},
    dsse::Signed,
};

use crate::storage::{self, Storage};

/// The most events that wait.
pub const MAX_PARKED: usize = 10_000;

const FOLDER: &str = "parked";

/// The waiting events.
#[derive(Debug)]
pub struct Parked {
    storage: Arc<dyn Storage>,
    /// The key that each waits for, and its digest.
    waiting: std::collections::BTreeSet<(KeyId, EventDigest)>,
}

impl Parked {
    /// Finds what waits.
    pub fn open(storage: Arc<dyn Storage>) -> io::Result<Self> {
        let names = storage.list(FOLDER)?;
        let waiting = names.iter().filter_map(|name| {
            let (keyid, digest) = name.strip_suffix(".dsse")?.split_once('-')?;
            Some((keyid.parse().ok()?, digest.parse().ok()?))
        });
        Ok(Self { waiting: waiting.collect(), storage })
    }

    /// What waits: the key that each waits for, and its digest.
    pub fn waiting(&self) -> impl Iterator<Item = &(KeyId, EventDigest)> {
        self.waiting.iter()
    }

    /// Keeps an event, durably; false if there is no room. One that waited for another key waits for this one now.
    pub fn keep(&mut self, keyid: KeyId, signed: &Signed) -> io::Result<bool> {
        let place = (keyid, signed.digest());
        if self.waiting.contains(&place) {
            return Ok(true);
        }
        let waits = self.waiting.iter().any(|(_keyid, waiting)| *waiting == place.1);
        if self.waiting.len() >= MAX_PARKED && !waits {
            return Ok(false);
        }
        storage::replace(&*self.storage, &name(&place), format!("{}\n", signed.to_envelope()).as_bytes())?;
        self.waiting.insert(place);
        self.remove(|waiting| waiting.1 == place.1 && waiting.0 != keyid)?;
        Ok(true)
    }

    /// The events that wait for this key.
    pub fn of(&self, keyid: &KeyId) -> io::Result<Vec<Signed>> {
        let places = self.waiting.iter().filter(|(waits_for, _digest)| waits_for == keyid);
        places.map(|place| self.read(place)).filter_map(Result::transpose).collect()
    }

    /// One event, if it waits.
    pub fn find(&self, digest: &EventDigest) -> io::Result<Option<(KeyId, Signed)>> {
        let Some(place) = self.waiting.iter().find(|(_keyid, waiting)| waiting == digest) else { return Ok(None) };
        Ok(self.read(place)?.map(|signed| (place.0, signed)))
    }

    fn read(&self, place: &(KeyId, EventDigest)) -> io::Result<Option<Signed>> {
        let Some(bytes) = storage::read_all(&*self.storage, &name(place))? else { return Ok(None) };
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        Ok(Signed::from_envelope(line).ok().filter(|signed| signed.digest() == place.1))
    }

    /// Forgets an event that waits no more.
    pub fn release(&mut self, digest: &EventDigest) -> io::Result<()> {
        self.remove(|(_keyid, waiting)| waiting == digest)
    }

    fn remove(&mut self, wanted: impl Fn(&(KeyId, EventDigest)) -> bool) -> io::Result<()> {
        let places: Vec<_> = self.waiting.iter().filter(|place| wanted(place)).copied().collect();
        for place in places {
            self.storage.remove(&name(&place))?;
            self.waiting.remove(&place);
        }
        Ok(())
    }
}

fn name((keyid, digest): &(KeyId, EventDigest)) -> String {
    format!("{FOLDER}/{keyid}-{digest}.dsse")
}
