//! `receipt`: a verified receipt out of the outbox, as the file that an auditor takes.

use clap::Args;
use lineal_schemas::digest::EventDigest;

use super::{
    console::{self, Failure},
    session::Session,
};

/// Print the verified receipt of an event: a C2SP tlog-proof, which anybody can check offline.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit receipt b5ab75ed… > snapshot.tlog-proof
  lineal-verify receipt snapshot.tlog-proof --trust ledger.trust --event snapshot.dsse")]
pub(crate) struct Arguments {
    /// Digest of the event, as every command prints it.
    event: String,
}

pub(crate) fn receipt(session: &Session<'_>, arguments: &Arguments) -> Result<u8, Failure> {
    let event: EventDigest = arguments.event.parse().map_err(|_malformed| {
        Failure::usage(format!("`{}` is no digest: 64 lower-case hexadecimal digits", arguments.event))
    })?;
    let receipt = session.outbox()?.receipt(&event)?.ok_or_else(|| {
        Failure::refused(format!("the outbox has no receipt of event {event}"))
            .with_hint("`lineal-emit flush` sends what waits; `GET /receipts/<digest>` of the ledger gives it, too")
    })?;
    console::print(&receipt)?;
    Ok(0)
}
