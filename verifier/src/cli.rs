//! The program's arguments, and what each command does with them.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

mod commands;
mod input;

use self::input::CliError;

/// Check a ledger's record offline, trusting nothing but a trust file
///
/// Everything is checked again from the bytes: every signature, who had the authority, the order of every source's
/// events, the hash chain, the Merkle tree, every checkpoint. The last line is the verdict.
#[derive(Debug, Parser)]
#[command(name = "lineal-verify", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 verified, 1 not verified, 2 could not tell (or wrong usage).")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a whole record, from its genesis to its last byte
    #[command(after_help = "Examples:
  lineal-verify log /var/lib/lineal --trust ledger.trust
  lineal-verify log ./copy --trust ledger.trust --json > findings.json
  lineal-verify log ./copy --trust ledger.trust --checkpoint from-last-year.txt

DIR is a ledger's data directory or a copy of it (`record/*.log` and `head`), or a folder that holds the
`*.log` files themselves. Without a head file the whole record counts as committed.")]
    Log(LogArguments),
    /// Check a receipt, by itself and against its event
    #[command(after_help = "Examples:
  lineal-verify receipt run-42.receipt --trust ledger.trust
  lineal-verify receipt run-42.receipt --trust ledger.trust --event run-42.dsse.json")]
    Receipt(ReceiptArguments),
    /// Check events: their form, their signatures, and their place in a record
    #[command(after_help = "Examples:
  lineal-verify event run-42.dsse.json --key trainer.pub.pem
  lineal-verify event run-42.json --key trainer.pub.pem     (signatures are read from run-42.json.sig)
  lineal-verify event run-42.dsse.json --trust ledger.trust --record /var/lib/lineal

FILE holds DSSE envelopes, one a line, or one event with `<keyid>:<base64>` lines in FILE.sig.")]
    Event(EventArguments),
    /// Check a checkpoint, alone, beside an older one, or against a record
    #[command(after_help = "Examples:
  lineal-verify checkpoint checkpoint.txt --trust ledger.trust
  lineal-verify checkpoint checkpoint.txt --trust ledger.trust --old last-year.txt --record ./copy")]
    Checkpoint(CheckpointArguments),
    /// Print shell completions
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

/// How to answer.
#[derive(Debug, Clone, Copy, Args)]
struct Format {
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
    /// Print the verdict alone, and no progress
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct LogArguments {
    /// The ledger's data directory, or a folder of segments
    dir: PathBuf,
    /// The trust file: which ledger is meant, and whose signatures count
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// A checkpoint obtained elsewhere that must be part of this history; may be given more than once
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
struct ReceiptArguments {
    /// The receipt
    file: PathBuf,
    /// The trust file
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// The event, as a DSSE envelope or as its bytes
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
struct EventArguments {
    /// The event or events
    file: PathBuf,
    /// A public key (PEM) of a signer; may be given more than once
    #[arg(long, value_name = "PEM")]
    key: Vec<PathBuf>,
    /// The trust file of the ledger whose record is given
    #[arg(long, value_name = "FILE", requires = "record")]
    trust: Option<PathBuf>,
    /// A record to find the events and their keys in; all of it is verified first
    #[arg(long, value_name = "DIR", requires = "trust")]
    record: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
struct CheckpointArguments {
    /// The checkpoint
    file: PathBuf,
    /// The trust file
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// An older checkpoint of the same ledger
    #[arg(long, value_name = "FILE")]
    old: Option<PathBuf>,
    /// A record that must contain both trees; all of it is verified first
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// Runs a command; whatever keeps it from an answer is an error and "could not tell".
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let result = match arguments.command {
        Command::Log(arguments) => commands::log(&arguments),
        Command::Receipt(arguments) => commands::receipt(&arguments),
        Command::Event(arguments) => commands::event(&arguments),
        Command::Checkpoint(arguments) => commands::checkpoint(&arguments),
        Command::Completions { shell } => completions(shell),
        Command::Man => man(),
    };
    result.map_or_else(|error| report(&error), ExitCode::from)
}

/// Prints an error and what to do about it.
fn report(error: &CliError) -> ExitCode {
    let could_not_tell = ExitCode::from(2);
    if error.is_broken_pipe() {
        // A reader who closed the pipe has seen enough, and no verdict.
        return could_not_tell;
    }
    match writeln!(io::stderr().lock(), "error: {error}\nhint: {}", error.hint()) {
        Ok(()) | Err(_) => could_not_tell,
    }
}

fn completions(shell: Shell) -> Result<u8, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "lineal-verify", &mut text);
    io::stdout().lock().write_all(&text).map_err(CliError::Output)?;
    Ok(0)
}

fn man() -> Result<u8, CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command()).render(&mut page).map_err(CliError::Output)?;
    io::stdout().lock().write_all(&page).map_err(CliError::Output)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
