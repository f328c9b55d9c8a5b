//! The ledger: takes signed events, makes an append-only history of them that anyone can check, and answers from it.
//!
//! The modules stand in the order of an event's life: received, checked, judged, committed, projected, asked for.
#![cfg_attr(not(test), deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod clock;
pub mod storage;
pub mod snapshot;
pub mod outcome;
pub mod quarantine;
pub mod intake;
pub mod parked;
pub mod time_guard;
pub mod room;
pub mod own;
pub mod writer;
pub mod sources;
pub mod log;
pub mod index;
pub mod mirror;
pub mod data_dir;
pub mod ledger;
mod scrub;
pub mod tiles;
pub mod export;
pub mod attachments;
mod local;
pub mod receipts;
pub mod binding;
pub mod http;
pub mod nats;
pub mod client;
pub mod remote;
pub mod stores;
pub mod answers;
pub mod doctor;
pub mod cli;
