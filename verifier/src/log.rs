//! The whole check: chunks of the record go through the parallel part and, one behind, through the sequential part.
//!
//! While one chunk is judged in order, the next is hashed and its signatures are checked on all cores, and the one after
//! that is read. Promises the same report whatever the number of cores. Memory is three chunks, each source's
//! state, the keys, and 16 bytes an event for ids.

use std::collections::{BTreeMap, BTreeSet};

use lineal_schemas::{checkpoint::SignedCheckpoint, digest::EventDigest, registry::Registry, trust::Trust};

use crate::{
    chunk::Reader,
    judge::{Judge, Judged},
    keyring::KeyRing,
    prepare::Prepared,
    record::{Record, RecordError},
    report::Report,
};

/// What else to find out while the record is read.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Checkpoints from elsewhere, their signatures checked already: the record's history must contain them.
    pub checkpoints: Vec<SignedCheckpoint>,
    /// Events whose index is wanted.
    pub events: BTreeSet<EventDigest>,
}

/// A checked record.
#[derive(Debug, Clone)]
pub struct Verification {
    /// The verdict and all that led to it.
    pub report: Report,
    /// The keys as the last entry left them, where the genesis could be read.
    pub registry: Option<Registry>,
    /// Where the asked-for events stand.
    pub places: BTreeMap<EventDigest, u64>,
}

/// Checks a record against a trust file. `progress` is told how many more bytes are done.
pub fn verify(
    record: &Record,
    trust: &Trust,
    question: &Question,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Verification, RecordError> {
    let mut reader = Reader::new(record);
    let mut ring = KeyRing::default();
    let mut judge = Judge::new(record, trust, &question.checkpoints, &question.events);
    let (mut raw, mut prepared) = (reader.next_chunk()?, None::<Prepared>);
    while (raw.is_some() || prepared.is_some()) && !judge.has_stopped() {
        let (next_prepared, next_raw) = rayon::join(
            || raw.map(|chunk| ring.prepare(&chunk)),
            || {
                if let Some(chunk) = prepared {
                    let length = chunk.length;
                    judge.take(chunk);
                    progress(length);
                }
                reader.next_chunk()
            },
        );
        (prepared, raw) = (next_prepared, next_raw?);
    }
    let Judged { report, registry, places } = judge.finish();
    Ok(Verification { report, registry, places })
}
