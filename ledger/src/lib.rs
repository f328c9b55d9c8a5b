//! The ledger: takes signed events, makes an append-only history of them that anyone can check, and answers from it.
//!
//! The modules stand in the order of an event's life: received, admitted, sequenced, committed, projected, asked for.
#![cfg_attr(not(test), deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod clock;
pub mod storage;
pub mod log;
