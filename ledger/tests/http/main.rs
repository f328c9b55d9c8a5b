//! The real server over a real ledger in a temporary folder, asked in plain HTTP.
#![cfg(test)]

mod admission;
mod intake;
mod local;
mod log;
mod served;
mod tls;
