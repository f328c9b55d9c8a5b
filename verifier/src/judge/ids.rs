//! Ids used twice: 16 bytes are kept of every event, 80 bits of its id's hash and its index, and sorted at the end.
//!
//! Promises to find every pair; two different ids of one mark would take 2^40 tries to make, and give a warning only.

use lineal_schemas::digest::sha256;
use rayon::slice::ParallelSliceMut as _;

use crate::{
    finding::{Findings, Place},
    rule::Rule,
};

const INDEX_BITS: u128 = (1 << 48) - 1;

/// A mark for each event.
#[derive(Debug, Default)]
pub(crate) struct Ids(Vec<u128>);

impl Ids {
    /// `id` is the event's, at `index`.
    pub(crate) fn add(&mut self, id: &str, index: u64) {
        let hash = sha256(id.as_bytes());
        let high = hash.first_chunk().map_or(0, |high| u128::from_be_bytes(*high));
        self.0.push((high & !INDEX_BITS) | (u128::from(index) & INDEX_BITS));
    }

    /// Reports each event whose id an earlier one has.
    pub(crate) fn finish(mut self, findings: &mut Findings) {
        self.0.par_sort_unstable();
        for (earlier, later) in self.0.iter().zip(self.0.iter().skip(1)) {
            if earlier & !INDEX_BITS == later & !INDEX_BITS {
                let (other_end, index) = (index_of(*earlier), index_of(*later));
                let place = Place { index, other_end, ..Place::default() };
                findings.add(Rule::IdTwice, place, "an `id` of its own", "the `id` of the earlier event");
            }
        }
    }
}

fn index_of(mark: u128) -> Option<u64> {
    u64::try_from(mark & INDEX_BITS).ok()
}
