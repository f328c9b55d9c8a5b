//! What crosses a boundary of Lineal, as bytes and as types: events, signatures, entries, checkpoints and proofs.
//!
//! Everything here is pure: bytes and values go in, values or named errors come out. There is no I/O, no clock, no
//! randomness and no async in this crate, and no tree is built here: proofs are only *checked*. The modules stand in
//! the order in which data flows.
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod digest;
pub mod json;
pub mod timestamp;
pub mod decimal;
pub mod key;
pub mod dsse;
pub mod event;
pub mod vocabulary;
pub mod strong;
pub mod listing;
pub mod entry;
pub mod line;
mod spelling;
pub mod note;
pub mod checkpoint;
pub mod merkle;
pub mod tile;
pub mod proof;
pub mod trust;
pub mod receipt;
pub mod head;
pub mod scope;
pub mod facts;
pub mod registry;
pub mod sequence;
pub mod admission;
