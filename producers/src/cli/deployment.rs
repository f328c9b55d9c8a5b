//! `deploy`, `rollback` and `remove`: what was asked for, what it went back to, and that it ends.

use std::path::PathBuf;

use clap::Args;
use lineal_producers::object::Object;
use lineal_schemas::vocabulary::artifact::InputRole;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{console::Failure, reference::Reference, run::inputs, session::Session, values::read_json};

mod plan;

/// A serving set on the command line.
#[derive(Debug, Args)]
pub(crate) struct ServingSet {
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
    pub(crate) fn read(&self) -> Result<Box<RawValue>, Failure> {
        self.read_with(Vec::new())
    }

    /// The same with more components, which make a set with those that were named.
    pub(crate) fn read_with(&self, more: Vec<Box<RawValue>>) -> Result<Box<RawValue>, Failure> {
        if let Some(path) = &self.file {
            return if more.is_empty() { read_json(path) } else { Err(both()) };
        }
        let model = self.model.iter().map(|model| format!("model={model}"));
        let texts: Vec<String> = model.chain(self.components.iter().cloned()).collect();
        let mut components = texts.iter().map(|text| raw(component(text)?)).collect::<Result<Vec<_>, _>>()?;
        components.extend(more);
        let set = Object::new()
            .with_some("share", self.share.as_ref())
            .with_some("instances", self.instances)
            .with("components", &components);
        let sets = if components.is_empty() { Vec::new() } else { vec![set] };
        raw(sets)
    }

    /// Whether anything was named.
    pub(crate) const fn is_given(&self) -> bool {
        self.model.is_some()
            || !self.components.is_empty()
            || self.file.is_some()
            || self.share.is_some()
            || self.instances.is_some()
    }

    /// Whether a model was named.
    pub(crate) fn names_a_model(&self) -> bool {
        self.model.is_some() || self.components.iter().any(|component| component.starts_with("model="))
    }
}

/// Anything as the JSON that it has in an event.
pub(crate) fn raw(value: impl Serialize) -> Result<Box<RawValue>, Failure> {
    to_raw_value(&value).map_err(|error| Failure::usage(error.to_string()))
}

fn both() -> Failure {
    Failure::usage("--serving-set says all that serves, and leaves nothing to look up")
        .with_hint("name the parts instead")
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
