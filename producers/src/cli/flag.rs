//! `flag` and `clear`: an artifact is bad, or is not.

use clap::Args;
use lineal_producers::object::Object;

use super::{
    console::{self, Failure},
    reference::{REFERENCE, Reference},
    session::Session,
};

/// Flag an artifact: say that it is bad, in which way, and since when.
///
/// What is flagged is its digest. A file is hashed here, so one file out of a folder that was snapshotted is flagged by
/// itself, and every folder with that file in its listing with it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit flag data/part-0017.csv --category poisoned --reason label-flipping-found \\
    --known-since 2026-11-20T00:00:00Z --subject artifact/payments/part-0017
  lineal-emit flag hf.co/org/base@sha256:9f86…0a08 --category licence --reason licence-forbids-training \\
    --known-since 2026-11-20T00:00:00Z --severity warn --advisory https://advisories.example.com/117")]
pub(crate) struct FlagArguments {
    #[arg(help = format!("What is bad: {REFERENCE}"))]
    artifact: String,
    /// In which way: poisoned, licence, consent, leakage, quality, other.
    #[arg(long)]
    category: String,
    /// Why, as a code: label-flipping-found, licence-forbids-training, …
    #[arg(long, value_name = "CODE")]
    reason: String,
    /// Since when it is bad; where that is not known, since when it is known to be.
    #[arg(long, value_name = "TIME")]
    known_since: String,
    /// How much it matters: error (as where nothing is said) or warn.
    #[arg(long)]
    severity: Option<String>,
    /// Where more is said about it.
    #[arg(long, value_name = "URI")]
    advisory: Option<String>,
    /// What the event is about, `artifact/<owner>/<name>`; needed unless the artifact has an owner in its name.
    #[arg(long)]
    subject: Option<String>,
}

pub(crate) fn flag(session: &Session<'_>, arguments: FlagArguments) -> Result<u8, Failure> {
    let artifact = identified(&arguments.artifact)?;
    let payload = Object::new()
        .with("artifact", artifact.object())
        .with("category", arguments.category)
        .with("justification", arguments.reason)
        .with("knownSince", arguments.known_since)
        .with_some("severity", arguments.severity)
        .with_some("advisory", arguments.advisory);
    let subject = arguments.subject.map_or_else(|| artifact.subject("artifact", "--subject"), Ok)?;
    session.emit_one(session.draft("artifact.flagged", &subject, payload, Vec::new()), None)
}

/// Clear an artifact that was flagged: one of its flags, or all that there are.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit clear data/part-0017.csv --reason false-alarm --flag 9f86…0a08 --subject artifact/payments/part-0017")]
pub(crate) struct ClearArguments {
    #[arg(help = format!("What was flagged: {REFERENCE}"))]
    artifact: String,
    /// Why, as a code: false-alarm, licence-granted, …
    #[arg(long, value_name = "CODE")]
    reason: String,
    /// Digest of the flag that is taken back; every flag of the artifact, if nothing is said.
    #[arg(long, value_name = "EVENT")]
    flag: Option<String>,
    /// What the event is about, `artifact/<owner>/<name>`; needed unless the artifact has an owner in its name.
    #[arg(long)]
    subject: Option<String>,
}

pub(crate) fn clear(session: &Session<'_>, arguments: ClearArguments) -> Result<u8, Failure> {
    let artifact = identified(&arguments.artifact)?;
    let payload = Object::new()
        .with("artifact", artifact.object())
        .with("justification", arguments.reason)
        .with_some("flag", arguments.flag);
    let subject = arguments.subject.map_or_else(|| artifact.subject("artifact", "--subject"), Ok)?;
    session.emit_one(session.draft("artifact.cleared", &subject, payload, Vec::new()), None)
}

/// An artifact with a digest; a weak one is allowed, and not in silence.
fn identified(text: &str) -> Result<Reference, Failure> {
    let artifact = Reference::resolve(text)?;
    if !artifact.has_digest() {
        return Err(Failure::usage(format!("`{text}` is a place, and what is there can change"))
            .with_hint("name what is bad by `sha256:HEX`, `IMAGE@sha256:HEX` or a path"));
    }
    if !artifact.is_strong() {
        console::status(format!("warning: `{text}` is no digest of the full content: nothing else is found by it"));
    }
    Ok(artifact)
}
