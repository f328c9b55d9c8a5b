//! Notices when the clock jumps: one jump forward would expire keys for good.
//!
//! Wall minus monotonic time may drift by 60 s between two looks; a start may not lie more than 60 s before the last
//! `received`. Anything more stops intake until a person says which time is right (`lineal clock accept`).

use lineal_schemas::timestamp::Timestamp;

use crate::clock::Clock;

/// The largest step that is taken without asking, in milliseconds.
pub const MAX_STEP_MS: i64 = 60_000;

/// Watches a clock.
#[derive(Debug)]
pub struct TimeGuard {
    /// Wall minus monotonic at the last look.
    difference_ms: i64,
    stopped: Option<String>,
}

impl TimeGuard {
    /// Begins to watch; `last` is when the last entry was received.
    pub fn start(clock: &dyn Clock, last: Timestamp) -> Self {
        let mut guard = Self { difference_ms: difference(clock), stopped: None };
        let now = clock.wall();
        if last.as_millis() - now.as_millis() > MAX_STEP_MS {
            guard.stopped =
                Some(format!("the clock says {now}, but the last entry was received at {last}, over 60 s later"));
        }
        guard
    }

    /// Why intake is stopped, if it is.
    pub fn check(&mut self, clock: &dyn Clock) -> Option<&str> {
        let difference = difference(clock);
        let step = difference - self.difference_ms;
        if step.abs() > MAX_STEP_MS && self.stopped.is_none() {
            let direction = if step > 0 { "forward" } else { "back" };
            self.stopped = Some(format!("the clock jumped {direction} by {} s", step.abs() / 1000));
        } else if self.stopped.is_none() {
            self.difference_ms = difference;
        }
        self.stopped.as_deref()
    }

    /// Takes the time as it is now.
    pub fn accept(&mut self, clock: &dyn Clock) {
        *self = Self { difference_ms: difference(clock), stopped: None };
    }
}

fn difference(clock: &dyn Clock) -> i64 {
    clock.wall().as_millis() - i64::try_from(clock.monotonic_ms()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Hands(AtomicI64, AtomicU64);

    impl Clock for Hands {
        fn wall(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed))
        }

        fn monotonic_ms(&self) -> u64 {
            self.1.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_jump_stops_until_it_is_accepted_and_time_that_passes_does_not() {
        let clock = Hands::default();
        let mut guard = TimeGuard::start(&clock, Timestamp::from_millis(0));
        clock.0.store(3_600_000, Ordering::Relaxed);
        clock.1.store(3_600_000, Ordering::Relaxed);
        assert_eq!(guard.check(&clock), None);
        clock.0.store(3_661_000, Ordering::Relaxed);
        assert_eq!(guard.check(&clock), Some("the clock jumped forward by 61 s"));
        guard.accept(&clock);
        assert_eq!(guard.check(&clock), None);
        clock.0.store(3_600_000 - 1, Ordering::Relaxed);
        assert_eq!(guard.check(&clock), Some("the clock jumped back by 61 s"));
    }

    #[test]
    fn a_start_before_the_last_entry_stops() {
        let mut guard = TimeGuard::start(&Hands::default(), Timestamp::from_millis(60_001));
        assert!(guard.check(&Hands::default()).is_some());
    }
}
