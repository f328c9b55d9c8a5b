//! Bad input, against a ledger that runs: each kind gets an error that names the field and the rule, goes where it should
//! go, and is acknowledged only where it should be; good events before and after it go on being committed.
//!
//! - Authentic, but refused for good: a signed `event.rejected` or `event.conflicted` in the record, and its receipt.
//! - Not authentic: no receipt; its bytes in the quarantine while room lasts, and counted.
//! - No event at all, or a request that is none: counted, or answered and forgotten.
//! - Under a key that nobody enrolled yet, otherwise sound: parked.
#![cfg(test)]

#[path = "bad_input/authority.rs"]
mod authority;
#[path = "bad_input/flood.rs"]
mod flood;
#[path = "bad_input/malformed.rs"]
mod malformed;
#[path = "bad_input/parked.rs"]
mod parked;
#[path = "bad_input/scene.rs"]
mod scene;
#[path = "bad_input/sequences.rs"]
mod sequences;
#[path = "bad_input/unauthentic.rs"]
mod unauthentic;
