//! The gate: should this model run there? One pure function over a policy, a history of events and a question.
//!
//! The step from what is on the record to a decision about it. Promises that the same record, at the same size and moment,
//! gives the same verdict to the byte, whoever asks and whatever holds the record; that numbers are compared exactly; and
//! that what is not known is never a yes. Never reads a file, a clock or a network. The modules stand in the order in
//! which a question passes through them. (docs/GATE.md)
#![cfg_attr(not(test), deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod exact;
pub mod policy;
pub mod age;
pub mod history;
pub mod memory;
pub mod judge;
pub mod verdict;
