//! How long to wait before another try: twice as long each time, and never in step with others.

use std::time::Duration;

use rand_core::{OsRng, RngCore};

const FIRST: Duration = Duration::from_millis(500);

const LONGEST: Duration = Duration::from_mins(1);

/// Pauses between tries.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The pause before the next try. At random between half of what it may be and all of it: a thousand producers that
    /// lost the same ledger must not come back at the same moment.
    pub fn pause(&mut self) -> Duration {
        let most = self.next;
        self.next = (most * 2).min(LONGEST);
        most / 2 + most / 2 * (OsRng.next_u32() >> 16) / (1 << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_never_all_alike() {
        let mut backoff = Backoff::default();
        let mut most = FIRST;
        for _try in 0..12 {
            let pause = backoff.pause();
            assert!(pause >= most / 2 && pause <= most, "{pause:?} of at most {most:?}");
            most = (most * 2).min(LONGEST);
        }
        let many: std::collections::BTreeSet<_> = (0..20).map(|_try| backoff.pause()).collect();
        assert!(many.len() > 1);
    }
}
