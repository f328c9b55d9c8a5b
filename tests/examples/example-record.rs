//! Writes the files of docs/example again, for a change of the format:
//!
//!     rm -r docs/example && cargo run -p lineal-tests --example example-record -- docs/example
//!
//! A test compares what is committed with what this writes (tests/tests/docs.rs).

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

#[path = "../tests/docs/example_record.rs"]
mod example_record;

fn main() -> Result<()> {
    let dir: PathBuf = std::env::args_os().nth(1).context("usage: example-record DIR")?.into();
    fs::create_dir_all(&dir)?;
    example_record::write(&dir).with_context(|| dir.display().to_string())
}
