//! `alias`, `equate`, `locate` and `destroy`: what names mean, which artifacts are the same, and where bytes are.

use clap::Args;
use lineal_producers::object::Object;

use super::{
    console::Failure,
    reference::{REFERENCE, Reference},
    session::Session,
};

/// Say that a name or a floating reference points elsewhere now.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit alias alias/payments/fraud-champion sha256:9f86…0a08 --from sha256:5e88…42d8")]
pub(crate) struct AliasArguments {
    /// The name, `alias/<owner>/<name>`.
    alias: String,
    #[arg(value_name = "ARTIFACT", help = format!("Where it points now: {REFERENCE}"))]
    target: String,
    /// The floating reference itself, where the name stands for one: `oci://registry.example/fraud:latest`.
    #[arg(long)]
    uri: Option<String>,
    /// Where it pointed before.
    #[arg(long, value_name = "ARTIFACT")]
    from: Option<String>,
}

pub(crate) fn alias(session: &Session<'_>, arguments: AliasArguments) -> Result<u8, Failure> {
    let to = Reference::resolve(&arguments.target)?;
    let from = arguments.from.map(|text| Reference::resolve(&text)).transpose()?;
    let payload = Object::new()
        .with("alias", &arguments.alias)
        .with("to", to.object())
        .with_some("uri", arguments.uri)
        .with_some("from", from.map(|from| from.object()));
    session.emit_one(session.draft("alias.moved", &arguments.alias, payload, Vec::new()), None)
}

/// Say that two artifacts are the same thing in two forms.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit equate registry.example.com/payments/fraud@sha256:9f86…0a08 model/ --method oci-unpacked")]
pub(crate) struct EquateArguments {
    #[arg(help = format!("The one: {REFERENCE}"))]
    a: String,
    /// The other.
    b: String,
    /// Why they are the same: oci-unpacked, copied, converted-lossless, …
    #[arg(long)]
    method: String,
    /// `declared` or `observed`.
    #[arg(long)]
    basis: Option<String>,
    /// What the event is about, `artifact/<owner>/<name>`; needed unless the first one has an owner in its name.
    #[arg(long)]
    subject: Option<String>,
}

pub(crate) fn equate(session: &Session<'_>, arguments: EquateArguments) -> Result<u8, Failure> {
    let a = Reference::resolve(&arguments.a)?;
    let b = Reference::resolve(&arguments.b)?;
    for (text, side) in [(&arguments.a, &a), (&arguments.b, &b)] {
        if !side.has_digest() {
            return Err(Failure::usage(format!("`{text}` is a place, and what is there can change")).with_hint(
                "two things are the same by their digests: name it by `sha256:HEX`, `IMAGE@sha256:HEX` or a path",
            ));
        }
    }
    let payload = Object::new()
        .with("a", a.object())
        .with("b", b.object())
        .with("method", arguments.method)
        .with_some("basis", arguments.basis);
    let subject = arguments.subject.map_or_else(|| a.subject("artifact", "--subject"), Ok)?;
    session.emit_one(session.draft("artifact.equated", &subject, payload, Vec::new()), None)
}

/// Say where an artifact's bytes are.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit locate model.bin s3://models/fraud/model.bin --subject artifact/payments/fraud --version-id 3HL4kqt")]
pub(crate) struct LocateArguments {
    #[arg(help = format!("The artifact: {REFERENCE}"))]
    artifact: String,
    /// The place.
    uri: String,
    /// The store's own version of the object at that place.
    #[arg(long, value_name = "ID")]
    version_id: Option<String>,
    /// Whether the place can come to hold other bytes.
    #[arg(long, value_name = "true|false")]
    mutable: Option<bool>,
    /// What the event is about, `artifact/<owner>/<name>`; needed unless the artifact has an owner in its name.
    #[arg(long)]
    subject: Option<String>,
}

pub(crate) fn locate(session: &Session<'_>, arguments: LocateArguments) -> Result<u8, Failure> {
    let artifact = Reference::resolve(&arguments.artifact)?;
    let payload = Object::new()
        .with("artifact", artifact.object())
        .with("uri", arguments.uri)
        .with_some("versionId", arguments.version_id)
        .with_some("mutable", arguments.mutable);
    let subject = arguments.subject.map_or_else(|| artifact.subject("artifact", "--subject"), Ok)?;
    session.emit_one(session.draft("artifact.located", &subject, payload, Vec::new()), None)
}

/// Say that an artifact's bytes are no longer at a place. Deletes nothing itself.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit destroy sha256:9f86…0a08 s3://models/fraud/model.bin --subject artifact/payments/fraud --reason retention")]
pub(crate) struct DestroyArguments {
    #[arg(help = format!("The artifact: {REFERENCE}"))]
    artifact: String,
    /// The place.
    uri: String,
    /// The store's own version of the object at that place.
    #[arg(long, value_name = "ID")]
    version_id: Option<String>,
    /// Why: retention, erasure-request, …
    #[arg(long)]
    reason: Option<String>,
    /// What the event is about, `artifact/<owner>/<name>`; needed unless the artifact has an owner in its name.
    #[arg(long)]
    subject: Option<String>,
}

pub(crate) fn destroy(session: &Session<'_>, arguments: DestroyArguments) -> Result<u8, Failure> {
    let artifact = Reference::resolve(&arguments.artifact)?;
    let payload = Object::new()
        .with("artifact", artifact.object())
        .with("uri", arguments.uri)
        .with_some("versionId", arguments.version_id)
        .with_some("reason", arguments.reason);
    let subject = arguments.subject.map_or_else(|| artifact.subject("artifact", "--subject"), Ok)?;
    session.emit_one(session.draft("artifact.destroyed", &subject, payload, Vec::new()), None)
}
