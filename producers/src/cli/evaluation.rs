//! `evaluation`: a measurement of a model, announced before it is made.
//!
//! `evaluation.started` is on disk before the command runs, so a measurement that came out badly can't be left out
//! unnoticed. A command that fails leaves the announcement standing without a result, and the source open.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use lineal_producers::object::Object;
use lineal_schemas::vocabulary::artifact::InputRole;
use serde_json::value::RawValue;

use super::{
    child,
    console::{self, Failure},
    reference::{REFERENCE, Reference},
    run::inputs,
    session::{Answer, Session, report},
    values::{pair, read_results, table},
};

/// Evaluate a model: announce the measurement, run it, and record what it found.
///
/// The command writes its results as JSON to the file that `LINEAL_RESULTS` names: a list of
/// `{"metric","value","slice","sampleSize",…}`, values as numbers or decimal strings, read exactly.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit evaluation --name model/payments/fraud --model model.bin --data data/holdout -- python evaluate.py
  lineal-emit evaluation --name model/payments/fraud --model sha256:9f86…0a08 --data sha256:5e88…42d8 \\
    --results results.json

results.json:
  [{\"metric\":\"auc\",\"value\":\"0.912\",\"sampleSize\":18211},
   {\"metric\":\"recall\",\"value\":\"0.71\",\"sampleSize\":902,\"slice\":{\"country\":\"FR\"}},
   {\"metric\":\"recall\",\"slice\":{\"country\":\"BR\"},\"missing\":{\"reason\":\"below-min-n\",\"n\":41}}]")]
pub(crate) struct Arguments {
    #[arg(long, value_name = "ARTIFACT", help = format!("The model: {REFERENCE}"))]
    model: String,
    /// The model's name, `model/<owner>/<name>`; needed unless its own name has an owner.
    #[arg(long)]
    name: Option<String>,
    /// Data that it is measured on, as [ROLE=]ARTIFACT (role `evaluation` unless said); repeatable.
    #[arg(long = "data", value_name = "[ROLE=]ARTIFACT", required = true)]
    data: Vec<String>,
    /// The file with the results (`-` for standard input); with a command, where the command writes them.
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// The program that measures; by default the command's name.
    #[arg(long, value_name = "NAME[@VERSION]")]
    harness: Option<String>,
    /// The preprocessing that the measurement runs through.
    #[arg(long, value_name = "ARTIFACT")]
    transform: Option<String>,
    /// The model that it is compared with.
    #[arg(long, value_name = "ARTIFACT")]
    baseline: Option<String>,
    /// The policy that it is made for.
    #[arg(long, value_name = "ARTIFACT")]
    policy: Option<String>,
    /// How often each measurement is made.
    #[arg(long, value_name = "N")]
    repeats: Option<u64>,
    /// A seed, by library; repeatable.
    #[arg(long = "seed", value_name = "NAME=VALUE", value_parser = pair)]
    seeds: Vec<(String, String)>,
    /// Id of the evaluation; by default a new one.
    #[arg(long, value_name = "ID")]
    evaluation_id: Option<String>,
    /// The command that measures.
    #[arg(last = true, required_unless_present = "results")]
    command: Vec<OsString>,
}

impl Arguments {
    /// Whether it measures itself, or only tells what was measured.
    pub(crate) const fn measures_now(&self) -> bool {
        !self.command.is_empty()
    }
}

pub(crate) fn evaluation(session: &Session<'_>, arguments: &Arguments) -> Result<u8, Failure> {
    let id = arguments.evaluation_id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let place = ResultsPlace::of(arguments)?;
    let model = Reference::resolve(&arguments.model)?;
    let subject = arguments.name.clone().map_or_else(|| model.subject("model", "--name"), Ok)?;
    let announced = announced(arguments, &model)?;
    let identity = Object::new().with("evaluationId", &id).with("model", model.object());

    let mut emitter = session.emitter()?;
    let started =
        session.draft("evaluation.started", &subject, identity.clone().extended(announced.clone()), Vec::new());
    let mut events = vec![("evaluation.started".to_owned(), emitter.emit(started)?)];
    report(&events);
    if arguments.measures_now() {
        let code = measure(arguments, &place, &id)?;
        if code != 0 {
            return Ok(code);
        }
    }
    let results = place.read()?;
    let payload = identity.with("results", &results).extended(announced);
    let completed = session.last(session.draft("evaluation.completed", &subject, payload, Vec::new()));
    let sent = ("evaluation.completed".to_owned(), emitter.emit(completed)?);
    let refused = report(std::slice::from_ref(&sent));
    events.push(sent);
    session.print_after(answer(&model, &id, &results), &events, emitter.source())?;
    Ok(refused)
}

fn answer(model: &Reference, id: &str, results: &RawValue) -> Answer {
    Answer {
        line: format!("evaluation of {}", model.text()),
        object: Object::new().with("evaluationId", id).with("model", model.object()).with("results", results),
    }
}

/// What both events say alike, beside who they are about.
fn announced(arguments: &Arguments, model: &Reference) -> Result<Object, Failure> {
    let artifact = |text: &Option<String>| {
        let found = text.as_ref().map(|text| Reference::resolve(text)).transpose()?;
        Ok::<_, Failure>(found.map(|found| found.object()))
    };
    if model.text().is_empty() {
        return Err(Failure::usage("the model has neither a digest nor an address"));
    }
    Ok(Object::new()
        .with_list("inputs", &inputs(&arguments.data, Some(InputRole::Evaluation))?)
        .with_some("harness", harness(arguments))
        .with_some("transform", artifact(&arguments.transform)?)
        .with_some("baseline", artifact(&arguments.baseline)?)
        .with_some("policy", artifact(&arguments.policy)?)
        .with_some("repeats", arguments.repeats)
        .with_object("seeds", table(&arguments.seeds)))
}

fn harness(arguments: &Arguments) -> Option<Object> {
    if let Some(text) = &arguments.harness {
        let (name, version) =
            text.rsplit_once('@').map_or((text.as_str(), None), |(name, version)| (name, Some(version)));
        return Some(Object::new().with("name", name).with_some("version", version));
    }
    let program = Path::new(arguments.command.first()?).file_name()?.to_str()?;
    Some(Object::new().with("name", program))
}

/// Runs the command and gives its exit code.
fn measure(arguments: &Arguments, place: &ResultsPlace, id: &str) -> Result<u8, Failure> {
    let variables = [("LINEAL_EVALUATION_ID", id.as_ref()), ("LINEAL_RESULTS", place.path.as_os_str())];
    let ended = child::run(&arguments.command, &variables)
        .map_err(|error| Failure::usage(format!("the command was lost: {error}")))?;
    if let Some(failure) = &ended.failure {
        let message = ended.message.unwrap_or_else(|| failure.clone());
        console::status(format!("error: the measurement failed: {message}"));
        console::status("hint: its announcement stands; announce it again to measure again");
    }
    Ok(ended.code)
}

/// Where the results are, or will be.
struct ResultsPlace {
    path: PathBuf,
    /// A folder of our own, which goes when we are done.
    own_folder: Option<PathBuf>,
}

impl ResultsPlace {
    /// Results that are there before the command runs would be another measurement's.
    fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let Some(path) = &arguments.results else {
            // Not after the evaluation: two teams can choose the same id, and one that was killed leaves its folder.
            let folder = std::env::temp_dir().join(format!("lineal-evaluation-{}", uuid::Uuid::now_v7()));
            fs::create_dir(&folder).map_err(|error| Failure::unreadable(&folder, &error))?;
            return Ok(Self { path: folder.join("results.json"), own_folder: Some(folder) });
        };
        let path = if path == Path::new("-") { path.clone() } else { absolute(path)? };
        if !arguments.command.is_empty() && (path.exists() || path == Path::new("-")) {
            return Err(Failure::usage(format!("{} is there before the command has run", path.display()))
                .with_hint("results of an earlier measurement can't be told from the new ones: remove the file"));
        }
        Ok(Self { path, own_folder: None })
    }

    fn read(&self) -> Result<Box<RawValue>, Failure> {
        read_results(&self.path)
            .map_err(|failure| failure.with_hint("the command writes its results to $LINEAL_RESULTS"))
    }
}

impl Drop for ResultsPlace {
    fn drop(&mut self) {
        if let Some(folder) = &self.own_folder {
            // What stays in the temporary folder harms nobody.
            fs::remove_dir_all(folder).unwrap_or_default();
        }
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error: io::Error| Failure::unreadable(path, &error))
}
