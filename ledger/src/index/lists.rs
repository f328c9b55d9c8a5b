//! Lists that findings are looked up in: who signed what, what is flagged, what came late, what never came.
//!
//! Promises that each is read at the size that is known, and as far as it is asked for. Never reads an event.

use lineal_schemas::{digest::KeyId, strong::StrongDigest};

use super::{Index, SHELF, StoreError, key, last_index, shelf_of, tagged, take_u32, take_u64, type_at};

impl Index {
    /// Indices of events that this key signed, `from` to below `size`, with their types where these are known, in order.
    pub fn signed_by(
        &self,
        keyid: &KeyId,
        from: u64,
        size: u64,
    ) -> Result<Vec<(u64, Option<&'static str>)>, StoreError> {
        let prefix = key(b'w', &[keyid.as_bytes()]);
        let begin = key(b'w', &[keyid.as_bytes(), &shelf_of(from).0]);
        let mut found = Vec::new();
        self.store.scan(&prefix, &begin, &mut |key, value| {
            let first = last_index(key).unwrap_or_default() * SHELF;
            let places = (first..).zip(value).filter(|(index, kind)| (from..size).contains(index) && **kind != 0);
            found.extend(places.map(|(index, kind)| (index, type_at(*kind))));
            first < size
        })?;
        Ok(found)
    }

    /// Indices of incidents' events that say that they touch this service, in order.
    pub fn incidents_at(&self, service: &str) -> Result<Vec<u64>, StoreError> {
        self.indices(&key(b'i', &[b"s", service.as_bytes(), b"\0"]))
    }

    /// Indices of incidents' events that say that they are about the artifact of this strong digest, in order.
    pub fn incidents_about(&self, artifact: &StrongDigest) -> Result<Vec<u64>, StoreError> {
        self.indices(&key(b'i', &[b"a", &tagged(artifact)]))
    }

    /// Indices of all events below `size` that flag an artifact or clear it, the newest first, at most `limit`.
    pub fn flag_events(&self, size: u64, limit: usize) -> Result<Vec<u64>, StoreError> {
        let mut found = Vec::new();
        self.store.scan_back(b"f", &key(b'f', &[&size.to_be_bytes()]), &mut |key, _value| {
            found.extend(last_index(key));
            found.len() < limit
        })?;
        Ok(found)
    }

    /// Indices of events below `size` that arrived late, with how many minutes, the newest first, at most `limit`.
    pub fn late(&self, size: u64, limit: usize) -> Result<Vec<(u64, u32)>, StoreError> {
        let mut found = Vec::new();
        self.store.scan_back(b"l", b"m", &mut |key, value| {
            let first = last_index(key).unwrap_or_default() * SHELF;
            let minutes = value.chunks_exact(4).map(|mut place| take_u32(&mut place).unwrap_or_default());
            let mut late: Vec<(u64, u32)> = (first..).zip(minutes).collect();
            late.retain(|(index, minutes)| *index < size && *minutes > 0);
            found.extend(late.into_iter().rev());
            found.len() < limit
        })?;
        found.truncate(limit);
        Ok(found)
    }

    /// The numbers of a source that entries below `size` leave open under its head, and the head, as `q` has them.
    pub fn open_numbers(&self, number: u32, size: u64) -> Result<(u64, Vec<u64>), StoreError> {
        let prefix = key(b'q', &[&number.to_be_bytes()]);
        let (mut head, mut open) = (0, Vec::new());
        self.store.scan(&prefix, &prefix, &mut |key, value| {
            let first = last_index(key).unwrap_or_default() * SHELF;
            for (sequence, mut held) in (first..).zip(value.chunks_exact(8)) {
                let holder = take_u64(&mut held).and_then(|held| held.checked_sub(1));
                if holder.is_some_and(|index| index < size) {
                    open.extend(head + 1..sequence);
                    head = sequence;
                }
            }
            true
        })?;
        Ok((head, open))
    }
}
