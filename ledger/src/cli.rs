//! The program `lineal`: what an operator and an incident responder type.
//!
//! Line 1 is the answer; `--json` everywhere; exit 0 yes, 1 no, 2 could not decide. A command asks the running ledger
//! over its local socket, or opens the data directory itself where none runs.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};

mod access;
mod append;
mod compare;
mod doctor;
mod failure;
mod findings;
mod gate;
mod history;
mod init;
mod key_impact;
mod keys;
mod maintain;
mod nats_config;
mod read;
mod refused;
mod rollback;
mod serve;
mod when;

pub use failure::Failure;

/// Exit status for an answer that is no, or a command that did not do what it was asked to.
const NO: u8 = 1;

/// Exit status for a question that could not be decided, or a command line that makes no sense.
const UNDECIDED: u8 = 2;

#[derive(Debug, Parser)]
#[command(
    name = "lineal",
    version,
    about = "An audit ledger of data, training, evaluation and deployment: which data did this running model come from?",
    after_help = "Examples:\n  lineal init --dir ledger --origin ledger.example/prod --root-key root.pem\n  lineal serve --dir ledger --http 127.0.0.1:7311\n  lineal running --dir ledger\n  lineal running --at 03:12 --dir ledger\n  lineal timeline service/payments/fraud@eu-1/prod --dir ledger\n  lineal diff service/payments/fraud@eu-1/prod --dir ledger\n  lineal trace service/payments/fraud@eu-1/prod --dir ledger\n\nExit status: 0 yes or done, 1 no or failed, 2 could not decide."
)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

/// Where the ledger is.
#[derive(Debug, Clone, clap::Args)]
struct Place {
    /// The ledger's data directory
    #[arg(long, value_name = "DIR", env = "LINEAL_DIR", default_value = "lineal-data", global = true)]
    dir: PathBuf,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
}

/// Which ledger is asked.
#[derive(Debug, Clone, clap::Args)]
struct Asked {
    #[command(flatten)]
    place: Place,
    /// Ask the ledger that serves at this address instead, like `http://ledger.example:7311`
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a ledger: its keys, its genesis and its trust file
    Init(init::Init),
    /// Enrol a producer's key: from then on it may speak, within its scope
    Enroll(keys::Enroll),
    /// Put another key in the place of an enrolled one, with the same rights
    Rotate(keys::Rotate),
    /// Revoke a key: it may not speak any more
    Revoke(keys::Revoke),
    /// List the keys that may speak, and those that no longer may
    Keys(keys::Keys),
    /// Take in signed events from a file: DSSE envelopes, one a line
    Append(append::Append),
    /// Serve over HTTP: take in events, answer with receipts, publish tiles
    Serve(serve::Serve),
    /// Print a NATS server configuration in which each producer may only speak as itself
    NatsConfig(nats_config::NatsConfig),
    /// Show one entry, by index, event id or event digest
    Get(read::Get),
    /// List the history, a line an entry
    Log(read::Log),
    /// Trace something to the data that it came from
    Trace(read::Trace),
    /// What rests on something: live deployments first
    Impact(read::Impact),
    /// What differs between two things: data, code, parameters, environment, metrics
    Diff(compare::Diff),
    /// Every attempt to measure a model, against what ran then
    Evals(compare::Evals),
    /// Whether a model has the evidence to run somewhere
    Gate(gate::Gate),
    /// What runs now, or ran at a moment
    Running(read::Running),
    /// What is wrong with what runs and with the record of it
    Findings(findings::Findings),
    /// What led to a finding, or by which right an event was said and what it led to
    Explain(findings::Explain),
    /// What rests on events that a key signed
    KeyImpact(key_impact::KeyImpact),
    /// What happened to a service, a model or anything else, a line a change
    Timeline(history::Timeline),
    /// From when to when something served
    Windows(history::Windows),
    /// What a service can go back to, and whether its data context is still the same
    RollbackPlan(rollback::RollbackPlan),
    /// Find the mistakes that leave a gate open, in the files that ask it
    Doctor(doctor::Doctor),
    /// Events that were refused
    #[command(subcommand)]
    Rejected(refused::Rejected),
    /// Events that wait for their key to be enrolled
    #[command(subcommand)]
    Parked(refused::Parked),
    /// Write the history as C2SP tiles that any static server can serve
    Export(maintain::Export),
    /// Make the index and the other derived files again from the record
    Rebuild(maintain::Rebuild),
    /// Say that the clock is right after it jumped
    #[command(subcommand)]
    Clock(maintain::ClockCommand),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions {
        /// bash, zsh, fish, ...
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

/// Runs the program, and gives its exit status.
pub fn main() -> ExitCode {
    let program = Program::parse();
    let result = match program.command {
        Command::Init(command) => command.run(),
        Command::Enroll(command) => command.run(),
        Command::Rotate(command) => command.run(),
        Command::Revoke(command) => command.run(),
        Command::Keys(command) => command.run(),
        Command::Append(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::NatsConfig(command) => command.run(),
        Command::Get(command) => command.run(),
        Command::Log(command) => command.run(),
        Command::Trace(command) => command.run(),
        Command::Impact(command) => command.run(),
        Command::Diff(command) => command.run(),
        Command::Evals(command) => command.run(),
        Command::Gate(command) => command.run(),
        Command::Running(command) => command.run(),
        Command::Findings(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::KeyImpact(command) => command.run(),
        Command::Timeline(command) => command.run(),
        Command::Windows(command) => command.run(),
        Command::RollbackPlan(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Rejected(command) => command.run(),
        Command::Parked(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Rebuild(command) => command.run(),
        Command::Clock(command) => command.run(),
        Command::Completions { shell } => completions(shell),
        Command::Man => manual(),
    };
    match result {
        Ok(status) => status,
        Err(failure) => failure.report(),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Program::command(), "lineal", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

fn manual() -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(Program::command()).render(&mut text)?;
    print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints to standard output; a reader that has gone away is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(value).map_err(|error| Failure::new(error.to_string()))?)
}

/// A line for the person in front of it, beside the answer.
#[expect(clippy::print_stderr, reason = "the one place that talks beside the answer")]
fn note(text: &str) {
    eprintln!("{text}");
}
