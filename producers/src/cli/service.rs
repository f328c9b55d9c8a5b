//! `service`, `decisions` and `drift`: who answers for a service, what it decided, and how far its data moved.

use std::path::PathBuf;

use clap::Args;
use lineal_producers::object::Object;

use super::{
    console::Failure,
    reference::{REFERENCE, Reference},
    run::inputs,
    session::Session,
    values::read_list,
};

/// Register a service: say who answers for it, how much depends on it, and whom to call.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit service service/payments/fraud@eu-1/prod --owner team-fraud --tier tier-1 --contact-ref oncall-fraud")]
pub(crate) struct ServiceArguments {
    /// Which, `service/<owner>/<name>@<cluster>/<environment>`.
    service: String,
    /// Who answers for it, as a pseudonym.
    #[arg(long, value_name = "HANDLE")]
    owner: Option<String>,
    /// How much depends on it: tier-1, critical, …
    #[arg(long, value_name = "CODE")]
    tier: Option<String>,
    /// Whom to call: an entry of your own register, never a person's name or address.
    #[arg(long, value_name = "HANDLE")]
    contact_ref: Option<String>,
}

pub(crate) fn service(session: &Session<'_>, arguments: ServiceArguments) -> Result<u8, Failure> {
    let payload = Object::new()
        .with("service", &arguments.service)
        .with_some("owner", arguments.owner)
        .with_some("tier", arguments.tier)
        .with_some("contactRef", arguments.contact_ref);
    session.emit_one(session.draft("service.registered", &arguments.service, payload, Vec::new()), None)
}

/// Record where a service's decisions of a span of time are. None of them is read or sent; a file is hashed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit decisions s3://decisions/fraud/2026-11-22.parquet --digest sha256:9f86…0a08 --count 1840021 \\
    --service service/payments/fraud@eu-1/prod --from 2026-11-22T00:00:00Z --until 2026-11-23T00:00:00Z
  lineal-emit decisions scores.parquet --service service/payments/fraud-batch@eu-1/prod --count 1840021 \\
    --from 2026-11-22T00:00:00Z --until 2026-11-23T00:00:00Z --input model=model.bin --output scores.parquet")]
pub(crate) struct DecisionsArguments {
    /// Where the batch is: a URI, or a file or folder, which is hashed.
    pointer: String,
    /// Digest of what is at a URI, such as sha256:HEX.
    #[arg(long, value_name = "ALGORITHM:HEX")]
    digest: Option<String>,
    /// Which service, `service/<owner>/<name>@<cluster>/<environment>`.
    #[arg(long)]
    service: String,
    /// The first moment of the batch.
    #[arg(long, value_name = "TIME")]
    from: String,
    /// The moment after its last.
    #[arg(long, value_name = "TIME")]
    until: String,
    /// How many decisions it holds.
    #[arg(long, value_name = "N")]
    count: u64,
    /// Digest of the deployment event whose serving set decided.
    #[arg(long, value_name = "EVENT")]
    deployment: Option<String>,
    /// What decided and on what, as ROLE=ARTIFACT (of a batch that was scored: model=…); repeatable.
    #[arg(long = "input", value_name = "ROLE=ARTIFACT")]
    inputs: Vec<String>,
    /// What was made of it, as [NAME=]ARTIFACT; repeatable.
    #[arg(long = "output", value_name = "[NAME=]ARTIFACT")]
    outputs: Vec<String>,
}

pub(crate) fn decisions(session: &Session<'_>, arguments: DecisionsArguments) -> Result<u8, Failure> {
    let pointer = pointer(&arguments)?;
    let resolve = |text: &String| Reference::resolve_named(text);
    let outputs = arguments.outputs.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
    let objects: Vec<Object> = outputs.iter().map(Reference::object).collect();
    let payload = Object::new()
        .with("service", &arguments.service)
        .with("from", arguments.from)
        .with("to", arguments.until)
        .with("count", arguments.count)
        .with("pointer", pointer.object())
        .with_some("deployment", arguments.deployment)
        .with_list("inputs", &inputs(&arguments.inputs, None)?)
        .with_list("outputs", &objects);
    let listings = outputs.into_iter().filter_map(|output| output.listing).collect();
    session.emit_one(session.draft("decisions.recorded", &arguments.service, payload, listings), None)
}

fn pointer(arguments: &DecisionsArguments) -> Result<Reference, Failure> {
    let found = Reference::resolve(&arguments.pointer)?;
    if found.uri.is_none() {
        return Err(Failure::usage(format!("`{}` is no place", arguments.pointer))
            .with_hint("say where the batch is: s3://…, kafka://…, or a path; --digest says what is there"));
    }
    let Some(digest) = &arguments.digest else { return Ok(found) };
    if found.has_digest() {
        return Err(Failure::usage("--digest is for what is at a URI; a file is hashed here"));
    }
    let mut pointer = Reference::of_digest(digest)?;
    pointer.uri = found.uri;
    Ok(pointer)
}

/// Record how far the data of a service is from data to compare with.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit drift --service service/payments/fraud@eu-1/prod --reference data/train --current s3://requests/2026-11-22 \\
    --from 2026-11-22T00:00:00Z --until 2026-11-23T00:00:00Z --statistics drift.json

drift.json:
  [{\"feature\":\"amount\",\"test\":\"psi\",\"value\":\"0.271\",\"threshold\":\"0.2\",\"status\":\"fail\"},
   {\"test\":\"share-of-drifted-columns\",\"value\":0.04,\"status\":\"pass\"}]")]
pub(crate) struct DriftArguments {
    /// Which service, `service/<owner>/<name>@<cluster>/<environment>`.
    #[arg(long)]
    service: String,
    #[arg(long, value_name = "ARTIFACT", help = format!("The data that it is compared with: {REFERENCE}"))]
    reference: String,
    /// The data that was looked at.
    #[arg(long, value_name = "ARTIFACT")]
    current: Option<String>,
    /// The first moment that was looked at.
    #[arg(long, value_name = "TIME")]
    from: String,
    /// The moment after the last.
    #[arg(long, value_name = "TIME")]
    until: String,
    /// The file with what was found (`-` for standard input): a JSON list, or an object with it under `statistics`.
    #[arg(long, value_name = "FILE")]
    statistics: PathBuf,
}

pub(crate) fn drift(session: &Session<'_>, arguments: DriftArguments) -> Result<u8, Failure> {
    let reference = Reference::resolve(&arguments.reference)?;
    let current = arguments.current.map(|text| Reference::resolve(&text)).transpose()?;
    let payload = Object::new()
        .with("service", &arguments.service)
        .with("referenceData", reference.object())
        .with("window", Object::new().with("from", arguments.from).with("to", arguments.until))
        .with("statistics", read_list(&arguments.statistics, "statistics")?)
        .with_some("currentData", current.map(|current| current.object()));
    session.emit_one(session.draft("drift.observed", &arguments.service, payload, Vec::new()), None)
}
