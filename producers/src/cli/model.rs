//! `model`: a digest gets a name and a version.

use clap::Args;
use lineal_producers::object::Object;

use super::{
    console::Failure,
    dataset::answer,
    reference::{REFERENCE, Reference},
    session::Session,
};

/// Register a model: give a digest a name and a version.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit model model.bin --name model/payments/fraud --version 3 --run 0193…
  lineal-emit model hf.co/org/base@sha256:9f86…0a08 --name model/vendor/base --external --supplier \"Example Inc.\"")]
pub(crate) struct Arguments {
    #[arg(help = format!("The model: {REFERENCE}"))]
    model: String,
    /// Its name, `model/<owner>/<name>`; needed unless its own name has an owner.
    #[arg(long)]
    name: Option<String>,
    /// Which version of it.
    #[arg(long)]
    version: Option<String>,
    /// Id of the run that made it.
    #[arg(long, value_name = "RUN-ID")]
    run: Option<String>,
    /// The model that it goes back to.
    #[arg(long, value_name = "ARTIFACT")]
    base_model: Option<String>,
    /// Who supplied it, where somebody else did.
    #[arg(long)]
    supplier: Option<String>,
    /// It was made elsewhere: a trace ends here.
    #[arg(long)]
    external: bool,
    /// Where the bytes are; by default a `file://` address.
    #[arg(long)]
    uri: Option<String>,
}

pub(crate) fn model(session: &Session<'_>, arguments: Arguments) -> Result<u8, Failure> {
    let mut model = Reference::resolve(&arguments.model)?;
    model.uri = arguments.uri.or(model.uri);
    let subject = arguments.name.map_or_else(|| model.subject("model", "--name"), Ok)?;
    let base = arguments.base_model.map(|text| Reference::resolve(&text)).transpose()?;
    let payload = Object::new()
        .with("model", model.object())
        .with("name", &subject)
        .with_some("version", arguments.version)
        .with_some("run", arguments.run.map(|id| Object::new().with("runId", id)))
        .with_some("baseModel", base.map(|base| base.object()))
        .with_some("supplier", arguments.supplier)
        .with_some("external", arguments.external.then_some(true));
    let answer = answer("model", &model);
    let draft = session.draft("model.registered", &subject, payload, model.listing.into_iter().collect());
    session.emit_one(draft, Some(answer))
}
