//! `dataset` and `transform`: this is the data, and this is what it went through.

use clap::Args;
use lineal_producers::object::Object;

use super::{
    console::Failure,
    reference::{REFERENCE, Reference},
    session::{Answer, Session},
    values::read_json,
};

/// Snapshot data: hash a file (`sha256`) or a folder (`dirHash`), and say what it is.
///
/// A folder's digest is that of its `sha256sum` listing, which goes along as an attachment: `find`, `sha256sum` and
/// `sort` reproduce it, and a renamed file changes it. All cores hash.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit dataset data/train --name dataset/payments/transactions --version 2026-11
  lineal-emit dataset holdout.csv --name dataset/payments/holdout --derived-from sha256:9f86…0a08 --row-count 10000 --licence CC-BY-4.0")]
pub(crate) struct DatasetArguments {
    /// The data: a file or a folder (or a digest that was made elsewhere).
    path: String,
    /// What the data set is called, `dataset/<owner>/<name>`; needed unless its own name has an owner.
    #[arg(long)]
    name: Option<String>,
    /// Which version of it.
    #[arg(long)]
    version: Option<String>,
    /// Where the bytes are; by default a `file://` address.
    #[arg(long)]
    uri: Option<String>,
    /// Its media type, `text/csv`.
    #[arg(long)]
    media_type: Option<String>,
    /// Its rows.
    #[arg(long, value_name = "N")]
    row_count: Option<u64>,
    /// A snapshot that it was made from; repeatable.
    #[arg(long, value_name = "ARTIFACT")]
    derived_from: Vec<String>,
    /// The pipeline that made it.
    #[arg(long, value_name = "ARTIFACT")]
    transform: Option<String>,
    /// Where it came from, outside of what the ledger sees; repeatable.
    #[arg(long = "from", value_name = "ARTIFACT")]
    sources: Vec<String>,
    /// Its licence, an SPDX expression where there is one.
    #[arg(long)]
    licence: Option<String>,
    /// Whether it contains personal data; left out where nobody knows.
    #[arg(long, value_name = "true|false")]
    contains_personal_data: Option<bool>,
    /// Who answers for it, as a pseudonym.
    #[arg(long, value_name = "HANDLE")]
    steward: Option<String>,
}

pub(crate) fn dataset(session: &Session<'_>, arguments: DatasetArguments) -> Result<u8, Failure> {
    let mut data = Reference::resolve(&arguments.path)?;
    let subject = arguments.name.clone().map_or_else(|| data.subject("dataset", "--name"), Ok)?;
    data.uri = arguments.uri.clone().or(data.uri);
    data.media_type.clone_from(&arguments.media_type);
    let payload = payload_of(&arguments, &data)?.with("name", &subject);
    let answer = answer("dataset", &data);
    let draft = session.draft("dataset.snapshotted", &subject, payload, data.listing.into_iter().collect());
    session.emit_one(draft, Some(answer))
}

fn payload_of(arguments: &DatasetArguments, data: &Reference) -> Result<Object, Failure> {
    let stats = Object::new()
        .with_some("rowCount", arguments.row_count)
        .with_some("size", data.size)
        .with_some("fileCount", data.file_count);
    let transform = arguments.transform.as_ref().map(|text| Reference::resolve(text)).transpose()?;
    Ok(Object::new()
        .with("dataset", data.object())
        .with_some("version", arguments.version.as_ref())
        .with_object("stats", stats)
        .with_list("sources", &objects(&arguments.sources)?)
        .with_list("derivedFrom", &objects(&arguments.derived_from)?)
        .with_some("transform", transform.map(|transform| transform.object()))
        .with_some("licence", arguments.licence.as_ref())
        .with_some("containsPersonalData", arguments.contains_personal_data)
        .with_some("steward", arguments.steward.as_ref()))
}

/// Artifacts as events write them.
pub(crate) fn objects(texts: &[String]) -> Result<Vec<Object>, Failure> {
    texts.iter().map(|text| Ok(Reference::resolve(text)?.object())).collect()
}

/// `dataset sha256:HEX`, and the artifact in JSON.
pub(crate) fn answer(what: &str, artifact: &Reference) -> Answer {
    Answer { line: format!("{what} {}", artifact.text()), object: Object::new().with("artifact", artifact.object()) }
}

/// Publish a feature pipeline, a preprocessor, a tokenizer or a prompt.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit transform features/ --kind feature-pipeline --name transform/payments/features --version 43")]
pub(crate) struct TransformArguments {
    #[arg(help = format!("What it is: {REFERENCE}"))]
    artifact: String,
    /// feature-pipeline, preprocessor, postprocessor, tokenizer or prompt.
    #[arg(long)]
    kind: String,
    /// What it is called, `transform/<owner>/<name>`; needed unless its own name has an owner.
    #[arg(long)]
    name: Option<String>,
    /// Which version of it.
    #[arg(long)]
    version: Option<String>,
    /// A JSON file with the schema of what it takes.
    #[arg(long, value_name = "FILE")]
    input_schema: Option<std::path::PathBuf>,
    /// A JSON file with the schema of what it gives.
    #[arg(long, value_name = "FILE")]
    output_schema: Option<std::path::PathBuf>,
    /// What it was built from.
    #[arg(long, value_name = "ARTIFACT")]
    code: Option<String>,
}

pub(crate) fn transform(session: &Session<'_>, arguments: TransformArguments) -> Result<u8, Failure> {
    let artifact = Reference::resolve(&arguments.artifact)?;
    let subject = arguments.name.map_or_else(|| artifact.subject("transform", "--name"), Ok)?;
    let code = arguments.code.map(|text| Reference::resolve(&text)).transpose()?;
    let schema = |path: Option<std::path::PathBuf>| path.map(|path| read_json(&path)).transpose();
    let payload = Object::new()
        .with("kind", arguments.kind)
        .with("artifact", artifact.object())
        .with("name", &subject)
        .with_some("version", arguments.version)
        .with_some("inputSchema", schema(arguments.input_schema)?)
        .with_some("outputSchema", schema(arguments.output_schema)?)
        .with_some("code", code.map(|code| code.object()));
    let answer = answer("transform", &artifact);
    let draft = session.draft("transform.published", &subject, payload, artifact.listing.into_iter().collect());
    session.emit_one(draft, Some(answer))
}
