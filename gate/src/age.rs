//! How far behind a decision may be: the one limit for whoever decides, records a decision or checks one.
//!
//! Promises that a decision over a record that stood still, or over an old part of one, is known as that wherever it is met: what
//! came since may be the flag that would have stopped it. Never reads a clock. (docs/GATE.md)

use lineal_schemas::timestamp::Timestamp;

/// So far behind may be what is judged, in milliseconds: two heartbeats of an idle ledger, and a little.
pub const MAX_AGE_MS: i64 = 25 * 60 * 1000;

/// Whether `then` lies so far behind `now` that what was known then says nothing about now.
pub const fn is_behind(then: Timestamp, now: Timestamp) -> bool {
    now.as_millis().saturating_sub(then.as_millis()) > MAX_AGE_MS
}
