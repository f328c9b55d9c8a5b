//! The one place of this crate that asks for the time.
//!
//! What a producer says about time is a claim: the ledger judges by its own `received`. (docs/FORMAT.md)

use std::time::{SystemTime, UNIX_EPOCH};

use lineal_schemas::timestamp::Timestamp;

/// The time now, to the millisecond.
#[expect(clippy::disallowed_methods, reason = "the crate's clock: nothing is decided by it, it only fills `time`")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
