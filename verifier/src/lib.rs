//! Checks a ledger's record from its first byte to its last, offline, trusting nothing but a trust file.
//!
//! Lines are read, hashed and their signatures checked in parallel; chain, tree, authority and sequence are judged in
//! order. Promises that each thing that does not hold is a finding with a stable name and a place, and that a verdict
//! of "verified" means that none was found. Never repairs, never asks a network or a clock, never panics on what it
//! reads. The modules stand in the order in which a record passes through them. (docs/AUDIT.md)
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod rule;
pub mod finding;
pub mod record;
mod chunk;
mod keyring;
mod prepare;
mod tree;
mod verdicts;
mod judge;
mod belt;
pub mod report;
pub mod log;
pub mod answer;
pub mod receipt;
pub mod event;
pub mod checkpoint;
