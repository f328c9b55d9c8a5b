//! Prints the synthetic history for other systems to load: a line a snapshot, a line a run, and what to ask about.
//!
//! `cargo run --release -p lineal-tests --example history -- 1000000 > history.csv`:
//!
//! ```csv
//! snapshot,ARTIFACT
//! run,NUMBER,JOB,OUTPUT,INPUT;INPUT
//! deep,ARTIFACT        a model whose data is asked for
//! hot,ARTIFACT         a snapshot whose models are asked for
//! ```

use std::io::{self, BufWriter, Write as _};

use anyhow::Context as _;
use lineal_tests::history::Shape;

fn main() -> anyhow::Result<()> {
    let runs = std::env::args().nth(1).context("how many runs? for instance 1000000")?;
    let shape = Shape::of(runs.parse().context("a number of runs")?);
    let mut out = BufWriter::new(io::stdout().lock());
    for day in 0..shape.days() {
        for snapshot in Shape::snapshots(day) {
            writeln!(out, "snapshot,{snapshot}")?;
        }
        for run in shape.runs_of(day) {
            let inputs: Vec<String> = run.inputs.iter().map(|(input, _use)| input.to_string()).collect();
            writeln!(out, "run,{},{},{},{}", run.number, run.job, run.output, inputs.join(";"))?;
        }
    }
    for place in 0..1000 {
        writeln!(out, "deep,{}", shape.deep(place))?;
    }
    writeln!(out, "hot,{}", shape.hot())?;
    Ok(out.flush()?)
}
