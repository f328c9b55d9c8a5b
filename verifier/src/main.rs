//! `lineal-verify`: checks a ledger's record, a receipt, an event or a checkpoint, offline.
//!
//! Promises that the last line is the verdict and the exit code says the same: 0 verified, 1 not verified, 2 could not
//! tell. Never opens a network connection and never writes a file. (docs/AUDIT.md)
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

use std::process::ExitCode;

use clap::Parser as _;

mod cli;

fn main() -> ExitCode {
    cli::run(cli::Arguments::parse())
}
