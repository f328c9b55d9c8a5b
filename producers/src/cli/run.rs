//! `run`: a training run (or fine-tuning, quantising, indexing, scoring) around its command, from start to end.
//!
//! `run.started` is on disk before the command starts; what the command made is hashed when it has ended. A ledger that
//! is away changes nothing for the command, and a failed command is a `run.failed` and the wrapper's own exit code.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use lineal_producers::{
    Draft,
    capture::{code, environment, hardware, machine},
    object::Object,
    outbox::Attachment,
};
use lineal_schemas::vocabulary::artifact::InputRole;

use super::{
    child::{self, Ended},
    console::{self, Failure},
    reference::{REFERENCE, Reference},
    session::{Answer, Session, report},
    values::{pair, read_json, read_results, seeds, table},
};

/// Run a command and record it: inputs, outputs, code, environment, hardware, seeds, and how it ended.
///
/// The command finds the run's id in `LINEAL_RUN_ID`. Values of environment variables are never recorded, the command
/// line only with --record-command.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit run --job payments/train --input training=data/train --seed numpy=7 --param lr=0.10 \\
    --output model/payments/fraud=model.bin -- python train.py
  lineal-emit run --job payments/quantize --kind quantize --input source-model=sha256:9f86…0a08 \\
    --output model.q8 -- ./quantize.sh")]
pub(crate) struct Arguments {
    /// The job, `NAMESPACE/NAME`.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    job: String,
    /// train, finetune, quantize, merge, index, score or transform.
    #[arg(long, default_value = "train")]
    kind: String,
    /// What is used, as ROLE=ARTIFACT (training, validation, test, base-model, tokenizer, …); repeatable.
    #[arg(long = "input", value_name = "ROLE=ARTIFACT", long_help = format!(
        "What is used, as ROLE=ARTIFACT; repeatable. ROLE is one of the vocabulary's (training, validation, test, \
         base-model, tokenizer, …); ARTIFACT is {REFERENCE}."))]
    inputs: Vec<String>,
    /// What is made: a path that the command writes, optionally with its name; repeatable, at least one.
    #[arg(long = "output", value_name = "[NAME=]PATH", required = true)]
    outputs: Vec<String>,
    /// A setting; repeatable.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// A JSON file with all settings.
    #[arg(long, value_name = "FILE", conflicts_with = "parameters")]
    params_file: Option<PathBuf>,
    /// A seed, by library; repeatable. With none, the run says that they were not recorded.
    #[arg(long = "seed", value_name = "NAME=VALUE", value_parser = pair)]
    seeds: Vec<(String, String)>,
    /// A JSON file with metrics that the command writes.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// The container image that it runs in, `IMAGE@sha256:HEX`.
    #[arg(long, env = "LINEAL_IMAGE", value_name = "ARTIFACT")]
    image: Option<String>,
    /// Whether deterministic algorithms were asked for.
    #[arg(long, value_name = "true|false")]
    deterministic: Option<bool>,
    /// Id of the run; by default a new one.
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,
    /// Id of the run that this one belongs to.
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// Record the command line, too.
    #[arg(long)]
    record_command: bool,
    /// Don't look at git, packages and hardware.
    #[arg(long)]
    no_capture: bool,
    /// The command.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<u8, Failure> {
    let run_id = arguments.run_id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let circumstances = Circumstances::gather(arguments, &run_id)?;
    let mut emitter = session.emitter()?;
    console::status(format!("run {run_id}"));
    let started = circumstances.draft(session, "run.started", Vec::new(), Object::new());
    let mut events = vec![("run.started".to_owned(), emitter.emit(started)?)];
    report(&events);

    let ended = child::run(&arguments.command, &[("LINEAL_RUN_ID", run_id.as_ref())])
        .map_err(|error| Failure::usage(format!("the command was lost: {error}")))?;
    if let Some(message) = &ended.message {
        console::status(format!("error: the command did not start: {message}"));
    }
    let (last, code) = circumstances.outcome(session, arguments, &ended);
    let (name, answer) = (last.draft.name.clone(), last.answer);
    let sent = (name, emitter.emit(session.last(last.draft))?);
    report(std::slice::from_ref(&sent));
    events.push(sent);
    session.print_after(answer, &events, emitter.source())?;
    Ok(code)
}

/// The end of a run, as an event and as an answer.
struct Last {
    draft: Draft,
    answer: Answer,
}

/// What all events of a run say alike.
struct Circumstances {
    subject: String,
    identity: Object,
    surroundings: Vec<(&'static str, Object)>,
    inputs: Vec<Object>,
    annotations: Object,
    parent: Option<String>,
    parameters: Option<Box<serde_json::value::RawValue>>,
    attachments: Vec<Attachment>,
}

impl Circumstances {
    fn gather(arguments: &Arguments, run_id: &str) -> Result<Self, Failure> {
        let (namespace, name) = arguments
            .job
            .rsplit_once('/')
            .ok_or_else(|| Failure::usage(format!("job `{}` is not NAMESPACE/NAME", arguments.job)))?;
        let job = Object::new().with("namespace", namespace).with("name", name).with("kind", &arguments.kind);
        let here = std::env::current_dir().map_err(|error| Failure::usage(error.to_string()))?;
        let image = arguments.image.as_ref().map(|text| Reference::resolve(text)).transpose()?;
        let image = image.map(|image| image.object());
        let (mut environment_object, mut attachments) = (Object::new().with_some("image", image.clone()), Vec::new());
        let (mut code_state, mut accelerators, mut annotations) = (Object::new(), Object::new(), Object::new());
        if !arguments.no_capture {
            let found = environment(&here, &arguments.command, image);
            (environment_object, attachments) = (found.object, found.attachments);
            code_state = code(&here).unwrap_or_default();
            accelerators = hardware();
            annotations = annotations.with("machine", machine());
        }
        if arguments.record_command {
            let words: Vec<_> = arguments.command.iter().map(|word| word.to_string_lossy()).collect();
            annotations = annotations.with("command", words);
        }
        Ok(Self {
            subject: format!("job/{}", arguments.job),
            identity: Object::new().with("runId", run_id).with("job", job),
            surroundings: vec![
                ("seeds", seeds(&arguments.seeds)),
                ("code", code_state),
                ("environment", environment_object),
                ("hardware", accelerators.with_some("deterministic", arguments.deterministic)),
            ],
            inputs: inputs(&arguments.inputs, None)?,
            annotations,
            parent: arguments.parent.clone(),
            parameters: parameters(arguments)?,
            attachments,
        })
    }

    /// An event of this run; `own` is what only this one says.
    fn draft(&self, session: &Session<'_>, name: &str, listings: Vec<Attachment>, own: Object) -> Draft {
        let mut payload = self.identity.clone().extended(own).with_list("inputs", &self.inputs);
        payload = payload.with_some("parameters", self.parameters.as_ref());
        for (member, object) in &self.surroundings {
            payload = payload.with_object(member, object.clone());
        }
        let parent = self.parent.as_ref().map(|id| Object::new().with("runId", id));
        let payload = payload.with_some("parent", parent).with_object("annotations", self.annotations.clone());
        // The lists of packages belong to the start; the end names its own.
        let attachments = if name == "run.started" { self.attachments.clone() } else { listings };
        session.draft(name, &self.subject, payload, attachments)
    }

    /// What to say about the end, and the exit code.
    fn outcome(&self, session: &Session<'_>, arguments: &Arguments, ended: &Ended) -> (Last, u8) {
        if let Some(failure) = &ended.failure {
            return (self.failed(session, failure, Some(ended.code)), ended.code);
        }
        match self.completed(session, arguments) {
            Ok(last) => (last, 0),
            Err(failure) => {
                console::fail(&failure);
                (self.failed(session, "output-missing", None), 1)
            }
        }
    }

    fn completed(&self, session: &Session<'_>, arguments: &Arguments) -> Result<Last, Failure> {
        let resolve = |text: &String| Reference::resolve_named(text);
        let outputs = arguments.outputs.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
        let metrics = arguments.metrics.as_ref().map(|path| read_results(path)).transpose()?;
        let objects: Vec<Object> = outputs.iter().map(Reference::object).collect();
        let own = Object::new().with("outputs", &objects).with_some("metrics", metrics);
        let line = |output: &Reference| format!("output {} {}", output.name.as_deref().unwrap_or("-"), output.text());
        let lines: Vec<String> = outputs.iter().map(line).collect();
        let listings = outputs.into_iter().filter_map(|output| output.listing).collect();
        let answer = Answer { line: lines.join("\n"), object: self.identity.clone().with("outputs", objects) };
        Ok(Last { draft: self.draft(session, "run.completed", listings, own), answer })
    }

    fn failed(&self, session: &Session<'_>, reason: &str, code: Option<u8>) -> Last {
        let answer = self.identity.clone().with("errorCode", reason).with_some("exitCode", code);
        let draft = self.draft(session, "run.failed", Vec::new(), Object::new().with("errorCode", reason));
        Last { draft, answer: Answer { line: format!("run failed: {reason}"), object: answer } }
    }
}

/// Inputs as events write them; `ROLE=` may be left out where there is a default role.
pub(crate) fn inputs(texts: &[String], default_role: Option<InputRole>) -> Result<Vec<Object>, Failure> {
    let input = |text: &String| {
        let named = text.split_once('=').and_then(|(role, rest)| Some((role.parse::<InputRole>().ok()?, rest)));
        let (role, rest) = named.or_else(|| Some((default_role?, text.as_str()))).ok_or_else(|| {
            let roles: Vec<_> = InputRole::ALL.iter().map(|role| role.as_str()).collect();
            Failure::usage(format!("input `{text}` is not ROLE=ARTIFACT"))
                .with_hint(format!("roles: {}", roles.join(", ")))
        })?;
        let artifact = Reference::resolve(rest)?;
        Ok(Object::new().with("artifact", artifact.object()).with("role", role.as_str()))
    };
    texts.iter().map(input).collect()
}

fn parameters(arguments: &Arguments) -> Result<Option<Box<serde_json::value::RawValue>>, Failure> {
    if let Some(path) = &arguments.params_file {
        return read_json(path).map(Some);
    }
    let table = table(&arguments.parameters);
    Ok(if table.is_empty() { None } else { serde_json::value::RawValue::from_string(table.to_json()).ok() })
}
