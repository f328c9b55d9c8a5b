//! The commands of `lineal-emit`, and what they share.
//!
//! One file per kind of command. A command gathers what its event says, hands over a draft, and prints; it never signs,
//! numbers or sends by itself.

mod artifact;
mod check;
mod child;
mod console;
mod convert;
mod dataset;
mod deployment;
mod documents;
mod evaluation;
mod flag;
mod gate;
mod hints;
mod incident;
mod inventory;
mod keygen;
mod model;
mod nats;
mod observe;
mod options;
mod outbox;
mod receipt;
mod record;
mod reference;
mod run;
mod send;
mod service;
mod session;
mod values;

use std::{collections::BTreeMap, io, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use self::{console::Failure, options::Options, session::Session};

const EXAMPLES: &str = "\
Examples:
  lineal-emit keygen ci.pem
  lineal-emit dataset data/train --name dataset/payments/transactions
  lineal-emit run --job payments/train --input training=data/train --output model/payments/fraud=model.bin -- python train.py
  lineal-emit evaluation --name model/payments/fraud --model model.bin --data data/holdout -- python evaluate.py
  lineal-emit observe --service service/payments/fraud@eu-1/prod --model model.bin
  lineal-emit flag data/train/7.csv --category poisoned --reason labels-flipped --known-since 2026-11-20T00:00:00Z \\
    --subject artifact/payments/7
  lineal-emit flush

Settings come from options, then from the environment (LINEAL_KEY and so on), then from the nearest
`lineal-emit.toml` in this folder or one above:

  key = \"ci.pem\"
  trust = \"ledger.trust\"
  source = \"https://ci.example.com/payments\"
  to = \"nats://127.0.0.1:4222\"          # or http://127.0.0.1:7311, or file:events.jsonl
  producer = \"ci\"                       # for NATS: the name that the key was enrolled under
  nats.nkey = \"ci.nk\"                   # and who we are there: nats.creds, nats.nkey, nats.user; nats.ca, …

Exit codes: 0 done (or kept in the outbox), 1 refused or failed, 2 could not be tried.
`run` and `evaluation` end with the code of their command.";

/// Sign events about data, training, evaluation, deployment and what went wrong, and send them to a ledger.
///
/// Every event is checked, signed, synced to an outbox on disk and only then sent. It stays there until the ledger's
/// receipt is verified, and a ledger that is away never fails the work that the event is about.
#[derive(Debug, Parser)]
#[command(name = "lineal-emit", version, after_help = EXAMPLES, max_term_width = 110, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Keygen(keygen::Arguments),
    Dataset(dataset::DatasetArguments),
    Transform(dataset::TransformArguments),
    Alias(artifact::AliasArguments),
    Equate(artifact::EquateArguments),
    Locate(artifact::LocateArguments),
    Destroy(artifact::DestroyArguments),
    Model(model::Arguments),
    Run(run::Arguments),
    Evaluation(evaluation::Arguments),
    Deploy(deployment::DeployArguments),
    Observe(Box<observe::ObserveArguments>),
    Hints(hints::Arguments),
    Rollback(deployment::RollbackArguments),
    Remove(deployment::RemoveArguments),
    Flag(flag::FlagArguments),
    Clear(flag::ClearArguments),
    Policy(gate::PolicyArguments),
    Approve(gate::ApproveArguments),
    Refuse(gate::RefuseArguments),
    Waive(gate::WaiveArguments),
    Retract(gate::RetractArguments),
    Service(service::ServiceArguments),
    Decisions(service::DecisionsArguments),
    Drift(service::DriftArguments),
    Incident(incident::Arguments),
    Inventory(inventory::Arguments),
    Correct(record::CorrectArguments),
    Heartbeat(record::HeartbeatArguments),
    Check(check::Arguments),
    Send(send::Arguments),
    Flush(outbox::FlushArguments),
    Outbox(outbox::StatusArguments),
    Receipt(receipt::Arguments),
    Convert(convert::Arguments),
    /// Print completions for a shell: `lineal-emit completions bash > /etc/bash_completion.d/lineal-emit`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, of one command if it is named: `lineal-emit man | man -l -`.
    Man {
        /// The command.
        command: Option<String>,
    },
}

impl Command {
    /// Whether it always signs an event.
    const fn emits(&self) -> bool {
        if let Self::Policy(arguments) = self {
            return !arguments.only_checks();
        }
        !matches!(
            self,
            Self::Keygen(_)
                | Self::Check(_)
                | Self::Send(_)
                | Self::Flush(_)
                | Self::Outbox(_)
                | Self::Receipt(_)
                | Self::Convert(_)
                | Self::Completions { .. }
                | Self::Man { .. }
        )
    }

    /// Whether what it says can have happened before: what it runs itself happens now.
    fn can_be_told_later(&self) -> bool {
        match self {
            Self::Run(_) | Self::Hints(_) => false,
            Self::Evaluation(arguments) => !arguments.measures_now(),
            other => other.emits(),
        }
    }
}

/// Runs the program. `variables` is the environment.
pub(crate) fn main(variables: &BTreeMap<String, String>) -> ExitCode {
    let cli = Cli::parse();
    let session = Session { options: cli.options, variables };
    match session.dispatch(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            console::fail(&failure);
            ExitCode::from(failure.code())
        }
    }
}

impl Session<'_> {
    fn dispatch(&self, command: Command) -> Result<u8, Failure> {
        if self.options.time.is_some() && !command.can_be_told_later() {
            return Err(Failure::usage("--time is for one event that is told later, and not for this command")
                .with_hint("`lineal-emit send` takes drafts with a `time` of their own"));
        }
        if command.emits() {
            self.settings()?;
        }
        match command {
            Command::Keygen(arguments) => keygen::keygen(self, &arguments),
            Command::Dataset(arguments) => dataset::dataset(self, arguments),
            Command::Transform(arguments) => dataset::transform(self, arguments),
            Command::Alias(arguments) => artifact::alias(self, arguments),
            Command::Equate(arguments) => artifact::equate(self, arguments),
            Command::Locate(arguments) => artifact::locate(self, arguments),
            Command::Destroy(arguments) => artifact::destroy(self, arguments),
            Command::Model(arguments) => model::model(self, arguments),
            Command::Run(arguments) => run::run(self, &arguments),
            Command::Evaluation(arguments) => evaluation::evaluation(self, &arguments),
            Command::Deploy(arguments) => deployment::deploy(self, arguments),
            Command::Observe(arguments) => observe::observe(self, *arguments),
            Command::Hints(arguments) => hints::hints(self, &arguments),
            Command::Rollback(arguments) => deployment::rollback(self, arguments),
            Command::Remove(arguments) => deployment::remove(self, arguments),
            Command::Flag(arguments) => flag::flag(self, arguments),
            Command::Clear(arguments) => flag::clear(self, arguments),
            Command::Policy(arguments) => gate::policy(self, &arguments),
            Command::Approve(arguments) => gate::approve(self, arguments),
            Command::Refuse(arguments) => gate::refuse(self, arguments),
            Command::Waive(arguments) => gate::waive(self, arguments),
            Command::Retract(arguments) => gate::retract(self, arguments),
            Command::Service(arguments) => service::service(self, arguments),
            Command::Decisions(arguments) => service::decisions(self, arguments),
            Command::Drift(arguments) => service::drift(self, arguments),
            Command::Incident(arguments) => incident::incident(self, &arguments),
            Command::Inventory(arguments) => inventory::inventory(self, &arguments),
            Command::Correct(arguments) => record::correct(self, &arguments),
            Command::Heartbeat(arguments) => record::heartbeat(self, arguments),
            Command::Check(arguments) => check::check(self, &arguments),
            Command::Send(arguments) => send::send(self, &arguments),
            Command::Flush(arguments) => outbox::flush(self, &arguments),
            Command::Outbox(arguments) => outbox::status(self, &arguments),
            Command::Receipt(arguments) => receipt::receipt(self, &arguments),
            Command::Convert(arguments) => convert::convert(&arguments),
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Cli::command(), "lineal-emit", &mut io::stdout());
                Ok(0)
            }
            Command::Man { command } => manual(command.as_deref()),
        }
    }
}

fn manual(name: Option<&str>) -> Result<u8, Failure> {
    let mut program = Cli::command();
    program.build();
    let page = match name {
        None => program,
        Some(name) => program
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Failure::usage(format!("there is no command `{name}`")))?,
    };
    clap_mangen::Man::new(page).render(&mut io::stdout()).map_err(Failure::console)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
