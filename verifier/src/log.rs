//! The whole check: each core takes the next chunk of the record and works through it; what is ready is judged in order.
//!
//! Promises the same report whatever the number of cores. Memory is a few chunks a core, each source's state, the keys,
//! and 16 bytes an event for ids.

use std::collections::{BTreeMap, BTreeSet};

use lineal_schemas::{checkpoint::SignedCheckpoint, digest::EventDigest, registry::Registry, trust::Trust};

use crate::{
    belt::Belt,
    chunk::Reader,
    judge::{Judge, Judged},
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
    let judge = Judge::new(record, trust, &question.checkpoints, &question.events);
    let belt = Belt::new(Reader::new(record), judge, progress);
    std::thread::scope(|scope| {
        for _ in 1..rayon::current_num_threads() {
            scope.spawn(|| belt.work());
        }
        belt.work();
    });
    let Judged { report, registry, places } = belt.finish()?.finish();
    Ok(Verification { report, registry, places })
}
