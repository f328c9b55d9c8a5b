//! `policy`, `approve`, `refuse`, `waive` and `retract`: what people say about what may run.

use std::{fs, path::PathBuf};

use clap::Args;
use lineal_gate::policy::Policy;
use lineal_producers::object::Object;
use lineal_schemas::vocabulary::policy::PolicyText;

use super::{
    console::{self, Failure},
    reference::{REFERENCE, Reference},
    session::Session,
};

/// Register a policy: from then on, the gate judges by it what its `applies` names.
///
/// Its whole text is signed. What is no policy is refused here, with line and column: the record would take it, and the gate
/// could decide nothing by it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit policy fraud-prod.toml
  lineal-emit policy fraud-prod.toml --check")]
pub(crate) struct PolicyArguments {
    /// The policy's file, TOML.
    file: PathBuf,
    /// Say whether it is one, with its rules, and sign nothing.
    #[arg(long)]
    check: bool,
}

pub(crate) fn policy(session: &Session<'_>, arguments: &PolicyArguments) -> Result<u8, Failure> {
    let (text, policy) = read(&arguments.file)?;
    if arguments.check {
        return check(&policy);
    }
    console::status(format!("policy sha256:{}", policy.digest()));
    let name = policy.name().as_str();
    let payload = Object::new().with("policy", name).with("text", text.as_str());
    session.emit_one(session.draft("policy.registered", name, payload, Vec::new()), None)
}

impl PolicyArguments {
    /// Whether it only looks, without a key or a ledger.
    pub(crate) const fn only_checks(&self) -> bool {
        self.check
    }
}

fn check(policy: &Policy) -> Result<u8, Failure> {
    console::answer(format!("{} sha256:{}", policy.name(), policy.digest()))?;
    for rule in policy.rules() {
        console::answer(format!("  {rule}"))?;
    }
    Ok(0)
}

fn read(file: &PathBuf) -> Result<(PolicyText, Policy), Failure> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
    let text: PolicyText = text.parse().map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
    let policy = Policy::parse(&text).map_err(|error| Failure::refused(format!("{shown}, {error}")))?;
    Ok((text, policy))
}

/// Approve that an artifact runs at a service.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit approve model.bin --service service/payments/fraud@eu-1/prod --role model-risk
  lineal-emit approve model.bin --service service/payments/fraud@eu-1/prod --role model-risk \\
    --condition canary-only --expires 2026-12-01T00:00:00Z")]
pub(crate) struct ApproveArguments {
    #[command(flatten)]
    said: Said,
    /// As what, in the policy's words: model-risk, …
    #[arg(long, value_name = "CODE")]
    role: String,
    /// A condition; where the policy does not accept it, this is no approval. Repeatable.
    #[arg(long = "condition", value_name = "CODE")]
    conditions: Vec<String>,
    /// Until when it counts.
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Why, as a code.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
}

/// What is spoken about: an artifact at a service.
#[derive(Debug, Args)]
struct Said {
    #[arg(help = format!("What: {REFERENCE}"))]
    artifact: String,
    /// Where, `service/<owner>/<name>@<cluster>/<environment>`.
    #[arg(long)]
    service: String,
}

impl Said {
    fn object(&self) -> Result<Object, Failure> {
        let artifact = Reference::resolve(&self.artifact)?;
        if !artifact.is_strong() {
            return Err(Failure::usage(format!("`{}` has no digest of its full content", self.artifact))
                .with_hint("name it by `sha256:HEX`, `dirHash:HEX`, `IMAGE@sha256:HEX` or a path"));
        }
        Ok(Object::new().with("service", &self.service).with("artifact", artifact.object()))
    }
}

pub(crate) fn approve(session: &Session<'_>, arguments: ApproveArguments) -> Result<u8, Failure> {
    let payload = arguments.said.object()?.with("role", arguments.role).with_list("conditions", &arguments.conditions);
    let payload = payload.with_some("expires", arguments.expires).with_some("reason", arguments.reason);
    session.emit_one(session.draft("approval.granted", &arguments.said.service, payload, Vec::new()), None)
}

/// Refuse that an artifact runs at a service: it stands until the same producer approves.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit refuse model.bin --service service/payments/fraud@eu-1/prod --role model-risk --reason drift-unexplained")]
pub(crate) struct RefuseArguments {
    #[command(flatten)]
    said: Said,
    /// As what, in the policy's words: model-risk, …
    #[arg(long, value_name = "CODE")]
    role: String,
    /// Why, as a code.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
}

pub(crate) fn refuse(session: &Session<'_>, arguments: RefuseArguments) -> Result<u8, Failure> {
    let payload = arguments.said.object()?.with("role", arguments.role).with_some("reason", arguments.reason);
    session.emit_one(session.draft("approval.refused", &arguments.said.service, payload, Vec::new()), None)
}

/// Waive a rule of a policy, of one artifact at one service, for a time.
///
/// The rule `override` breaks the glass: what is denied may run, and the verdict says who let it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit waive model.bin --service service/payments/fraud@eu-1/prod --policy fraud-prod.toml \\
    --rule 'metric/recall[country=BR]' --reason small-market --expires 2026-12-01T00:00:00Z
  lineal-emit waive model.bin --service service/payments/fraud@eu-1/prod --policy fraud-prod.toml \\
    --rule override --reason fraud-wave --expires 2026-11-24T01:50:00Z --incident INC-2291")]
pub(crate) struct WaiveArguments {
    #[command(flatten)]
    said: Said,
    /// The policy's file; the waiver is for its very text.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Which rule, as verdicts name it; `override` for the whole verdict.
    #[arg(long)]
    rule: String,
    /// Why, as a code.
    #[arg(long, value_name = "CODE")]
    reason: String,
    /// Until when.
    #[arg(long, value_name = "TIME")]
    expires: String,
    /// The incident that caused it.
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
}

pub(crate) fn waive(session: &Session<'_>, arguments: WaiveArguments) -> Result<u8, Failure> {
    let (_text, policy) = read(&arguments.policy)?;
    if let Some(why) = policy.refuses_waiver(&arguments.rule) {
        return Err(Failure::refused(why));
    }
    let payload = arguments.said.object()?.with("policy", policy.digest()).with("rule", arguments.rule);
    let payload = payload.with("reason", arguments.reason).with("expires", arguments.expires);
    let payload = payload.with_some("incident", arguments.incident);
    session.emit_one(session.draft("waiver.granted", &arguments.said.service, payload, Vec::new()), None)
}

/// Retract an evaluation: it does not count any more, and every verdict says so.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit retract eval-17 --model model.bin --name model/payments/fraud --reason wrong-data")]
pub(crate) struct RetractArguments {
    /// What the tool called the evaluation.
    evaluation: String,
    #[arg(long, help = format!("The model that was measured: {REFERENCE}"))]
    model: String,
    /// The name that the evaluation was about, `model/<owner>/<name>`.
    #[arg(long)]
    name: String,
    /// Why, as a code: wrong-data, harness-bug, …
    #[arg(long, value_name = "CODE")]
    reason: String,
    /// Digest of the one event that does not count; every event of this id, if nothing is said.
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
}

pub(crate) fn retract(session: &Session<'_>, arguments: RetractArguments) -> Result<u8, Failure> {
    let model = Reference::resolve(&arguments.model)?;
    let payload = Object::new()
        .with("evaluationId", arguments.evaluation)
        .with("model", model.object())
        .with("reason", arguments.reason)
        .with_some("event", arguments.event);
    session.emit_one(session.draft("evaluation.retracted", &arguments.name, payload, Vec::new()), None)
}
