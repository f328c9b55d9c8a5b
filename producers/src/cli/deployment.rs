//! `deploy`, `observe`, `rollback` and `remove`: what was asked for, what runs, and what it went back to.

use std::path::PathBuf;

use clap::Args;
use lineal_producers::{clock, object::Object};
use lineal_schemas::vocabulary::artifact::InputRole;
use serde_json::value::{RawValue, to_raw_value};

use super::{console::Failure, reference::Reference, run::inputs, session::Session, values::read_json};

mod plan;

/// A serving set on the command line.
#[derive(Debug, Args)]
struct ServingSet {
    /// The model that serves.
    #[arg(long, value_name = "ARTIFACT")]
    model: Option<String>,
    /// Another part that serves, as ROLE=ARTIFACT (adapter, index, transform, features, image, config, guardrail);
    /// repeatable.
    #[arg(long = "component", value_name = "ROLE=ARTIFACT")]
    components: Vec<String>,
    /// Its part of the traffic, from 0 to 1.
    #[arg(long, value_name = "DECIMAL")]
    share: Option<String>,
    /// How many instances of it there are.
    #[arg(long, value_name = "N")]
    instances: Option<u64>,
    /// A JSON file with the whole serving set, for more than one part.
    #[arg(long = "serving-set", value_name = "FILE", conflicts_with_all = ["model", "components", "share", "instances"])]
    file: Option<PathBuf>,
}

impl ServingSet {
    /// The list as events write it; empty if nothing was named.
    fn read(&self) -> Result<Box<RawValue>, Failure> {
        if let Some(path) = &self.file {
            return read_json(path);
        }
        let model = self.model.iter().map(|model| format!("model={model}"));
        let texts: Vec<String> = model.chain(self.components.iter().cloned()).collect();
        let components = texts.iter().map(|text| component(text)).collect::<Result<Vec<_>, _>>()?;
        let set = Object::new()
            .with_some("share", self.share.as_ref())
            .with_some("instances", self.instances)
            .with("components", &components);
        let sets = if components.is_empty() { Vec::new() } else { vec![set] };
        to_raw_value(&sets).map_err(|error| Failure::usage(error.to_string()))
    }
}

/// What is named by digest can't change under the service.
fn component(text: &str) -> Result<Object, Failure> {
    let (role, rest) =
        text.split_once('=').ok_or_else(|| Failure::usage(format!("component `{text}` is not ROLE=ARTIFACT")))?;
    let artifact = Reference::resolve(rest)?;
    let binding = if artifact.text().contains("://") { "floating" } else { "pinned" };
    Ok(Object::new().with("role", role).with("artifact", artifact.object()).with("binding", binding))
}

/// Say that a deployment was asked for. It stands until another one takes its place.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit deploy --service service/payments/fraud@eu-1/prod --model model.bin \\
    --component image=registry.example.com/serve@sha256:9f86…0a08 --door argo-cd --change-ref 4f2a…")]
pub(crate) struct DeployArguments {
    /// Where, `service/<owner>/<name>@<cluster>/<environment>`.
    #[arg(long)]
    service: String,
    #[command(flatten)]
    serving: ServingSet,
    /// Through what: argo-cd, flux, kubectl, helm, api, …
    #[arg(long)]
    door: Option<String>,
    /// The change that asked: a commit, a ticket.
    #[arg(long)]
    change_ref: Option<String>,
    /// Digest of the gate's decision.
    #[arg(long, value_name = "EVENT")]
    gate: Option<String>,
}

pub(crate) fn deploy(session: &Session<'_>, arguments: DeployArguments) -> Result<u8, Failure> {
    let payload = Object::new()
        .with("service", &arguments.service)
        .with("servingSet", arguments.serving.read()?)
        .with_some("door", arguments.door)
        .with_some("changeRef", arguments.change_ref)
        .with_some("gate", arguments.gate);
    session.emit_one(session.draft("deployment.requested", &arguments.service, payload, Vec::new()), None)
}

/// Say what runs: a complete state, not a change. With nothing named, it says that nothing runs.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit observe --service service/payments/fraud@eu-1/prod --model sha256:9f86…0a08 --instances 3 \\
    --observer eu-1-agent --next-within 3600")]
pub(crate) struct ObserveArguments {
    /// Where, `service/<owner>/<name>@<cluster>/<environment>`.
    #[arg(long)]
    service: String,
    #[command(flatten)]
    serving: ServingSet,
    /// Who saw it, as a pseudonym.
    #[arg(long, value_name = "HANDLE", env = "LINEAL_OBSERVER", default_value = "lineal-emit")]
    observer: String,
    /// When it was seen; by default now.
    #[arg(long, value_name = "TIME")]
    observed_at: Option<String>,
    /// Not every instance was seen.
    #[arg(long)]
    partial: bool,
    /// When the next observation is due at the latest; silence after that is unknown.
    #[arg(long, value_name = "SECONDS")]
    next_within: Option<u64>,
}

pub(crate) fn observe(session: &Session<'_>, arguments: ObserveArguments) -> Result<u8, Failure> {
    let payload = Object::new()
        .with("service", &arguments.service)
        .with("servingSet", arguments.serving.read()?)
        .with("observedAt", arguments.observed_at.unwrap_or_else(|| clock::now().to_string()))
        .with("observer", arguments.observer)
        .with("complete", !arguments.partial)
        .with_some("nextWithinSeconds", arguments.next_within);
    session.emit_one(session.draft("deployment.observed", &arguments.service, payload, Vec::new()), None)
}

/// Say that a service goes back to what it was.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit rollback --service service/payments/fraud@eu-1/prod --restores 9f86…0a08 --reason recall-drop \\
    --incident INC-7 --context features=sha256:5e88…42d8
  lineal rollback-plan service/payments/fraud@eu-1/prod --json > plan.json
  lineal-emit rollback --plan plan.json --reason recall-drop --incident INC-7")]
pub(crate) struct RollbackArguments {
    /// Where, `service/<owner>/<name>@<cluster>/<environment>`; with a plan, only to be sure that it is the plan's.
    #[arg(long, required_unless_present = "plan")]
    service: Option<String>,
    /// Digest of the earlier deployment event whose serving set is restored.
    #[arg(long, value_name = "EVENT", conflicts_with = "plan")]
    restores: Option<String>,
    /// What `lineal rollback-plan --json` printed: says what is restored, with its data context; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "context")]
    plan: Option<PathBuf>,
    /// Why.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// The incident that caused it.
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// The data context that is restored with it, as ROLE=ARTIFACT; repeatable.
    #[arg(long = "context", value_name = "ROLE=ARTIFACT")]
    context: Vec<String>,
}

pub(crate) fn rollback(session: &Session<'_>, arguments: RollbackArguments) -> Result<u8, Failure> {
    let (service, restores, context) = if let Some(path) = &arguments.plan {
        let plan = plan::read(path, session.settings()?.trust.origin(), arguments.service.as_deref())?;
        (plan.service, Some(plan.restores), plan.data_context)
    } else {
        let context = inputs(&arguments.context, None::<InputRole>)?;
        (arguments.service.unwrap_or_default(), arguments.restores, context)
    };
    let payload = Object::new()
        .with("service", &service)
        .with_some("restores", restores)
        .with_some("reason", arguments.reason)
        .with_some("incident", arguments.incident)
        .with_list("dataContext", &context);
    session.emit_one(session.draft("deployment.rolledback", &service, payload, Vec::new()), None)
}

/// Say that a service ends.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lineal-emit remove --service service/payments/fraud@eu-1/prod --reason retired")]
pub(crate) struct RemoveArguments {
    /// Where, `service/<owner>/<name>@<cluster>/<environment>`.
    #[arg(long)]
    service: String,
    /// Why.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// The incident that caused it.
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
}

pub(crate) fn remove(session: &Session<'_>, arguments: RemoveArguments) -> Result<u8, Failure> {
    let payload = Object::new()
        .with("service", &arguments.service)
        .with_some("reason", arguments.reason)
        .with_some("incident", arguments.incident);
    session.emit_one(session.draft("deployment.removed", &arguments.service, payload, Vec::new()), None)
}
