//! The whole of Lineal in one command: real data, real models, the three real programs, one poisoned snapshot.
//!
//!     cargo run --release -p lineal-tests --example demo [-- --dir demo-data]
//!
//! The demo builds `lineal`, `lineal-emit` and `lineal-verify`, then only ever talks to them as a pipeline and an auditor
//! would: as programs. It never writes an event itself. Training and evaluation are hidden commands of this same program
//! (`train`, `evaluate`), so that `lineal-emit` wraps a real job from outside. Any step that does not go as told ends the
//! demo with an error.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

#[path = "demo/check.rs"]
mod check;
#[path = "demo/model.rs"]
mod model;
#[path = "demo/pipeline.rs"]
mod pipeline;
#[path = "demo/programs.rs"]
mod programs;
#[path = "demo/road.rs"]
mod road;
#[path = "demo/say.rs"]
mod say;
#[path = "demo/scores.rs"]
mod scores;
#[path = "demo/story.rs"]
mod story;
#[path = "demo/wine.rs"]
mod wine;

/// Train, poison, deploy, trace, verify, tamper: the record of two real models.
#[derive(Parser)]
struct Arguments {
    /// Where to leave the ledger, the keys, the data and the models.
    #[arg(long, value_name = "DIR", default_value = "demo-data")]
    dir: PathBuf,
    /// Send events straight to the ledger over HTTP, as where no nats-server can be had.
    #[arg(long)]
    no_nats: bool,
    #[command(subcommand)]
    job: Option<Job>,
}

/// The jobs that the story wraps in `lineal-emit`.
#[derive(Subcommand)]
enum Job {
    /// Train a classifier of good wines.
    #[command(hide = true)]
    Train {
        #[arg(long)]
        data: PathBuf,
        #[arg(long)]
        model: PathBuf,
        #[arg(long)]
        seed: u64,
    },
    /// Measure a classifier on held-out wines.
    #[command(hide = true)]
    Evaluate {
        #[arg(long)]
        model: PathBuf,
        #[arg(long)]
        data: PathBuf,
        #[arg(long)]
        results: PathBuf,
    },
}

fn main() -> Result<()> {
    let Arguments { dir, no_nats, job } = Arguments::parse();
    match job {
        None => story::tell(&dir, no_nats, std::env::var_os("CARGO").map(PathBuf::from)),
        Some(Job::Train { data, model, seed }) => {
            let trained = model::Model::train(&wine::Wines::read(&data)?, seed)?;
            std::fs::write(&model, trained.to_json()?).with_context(|| model.display().to_string())
        }
        Some(Job::Evaluate { model, data, results }) => {
            let scores = scores::evaluate(&model::Model::read(&model)?, &wine::Wines::read(&data)?)?;
            std::fs::write(&results, serde_json::to_string_pretty(&scores)? + "\n")
                .with_context(|| results.display().to_string())
        }
    }
}
