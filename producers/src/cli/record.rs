//! `correct` and `heartbeat`: an event that replaces another, and one that says only "still here".

use std::path::PathBuf;

use clap::Args;
use lineal_producers::{Draft, object::Object};

use super::{console::Failure, session::Session, values::read_json};

/// Replace what an earlier event said. The earlier one stays in the record.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit correct 9f86…0a08 --subject dataset/payments/transactions --data corrected.json --reason wrong-licence")]
pub(crate) struct CorrectArguments {
    /// Digest of the event that is corrected.
    event: String,
    /// What both events are about.
    #[arg(long)]
    subject: String,
    /// A JSON file with the full `data` that takes the place of the earlier one's.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Why.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
}

pub(crate) fn correct(session: &Session<'_>, arguments: &CorrectArguments) -> Result<u8, Failure> {
    let payload = Object::new()
        .with("corrects", &arguments.event)
        .with("data", read_json(&arguments.data)?)
        .with_some("reason", arguments.reason.as_ref());
    session.emit_one(session.draft("record.corrected", &arguments.subject, payload, Vec::new()), None)
}

/// Say that a producer is still there. Makes most sense with --fixed-source.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit --fixed-source heartbeat --subject service/payments/fraud@eu-1/prod --next-within 600")]
pub(crate) struct HeartbeatArguments {
    /// What the producer speaks of: any subject of its key.
    #[arg(long)]
    subject: String,
    /// When the next event is due at the latest.
    #[arg(long, value_name = "SECONDS")]
    next_within: Option<u64>,
}

pub(crate) fn heartbeat(session: &Session<'_>, arguments: HeartbeatArguments) -> Result<u8, Failure> {
    let payload = Object::new().with_some("nextWithinSeconds", arguments.next_within);
    session.emit_one(Draft::new("producer.heartbeat", arguments.subject, payload.to_json()), None)
}
