//! `lineal-emit`: signs events about data, training, evaluation and deployment, and sends them to a ledger.
//!
//! The program around the library: arguments in, one answer on standard output, everything else on standard error. The
//! environment is read here, once. Exit codes: 0 done, 1 refused or failed, 2 could not be tried; `run` and
//! `evaluation` end with the code of their command.

mod cli;

use std::{collections::BTreeMap, process::ExitCode};

fn main() -> ExitCode {
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    cli::main(&variables)
}
