//! The table of a policy, key by key. The JSON Schema (`gate/json/policy.v1.json`) is for editors.

use lineal_schemas::vocabulary::names::{Code, Name, ProducerName};
use serde::Deserialize;
use toml::Spanned;

use super::{Number, Slice, Span};

/// A policy's text, as a table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    pub(crate) schema: Spanned<u32>,
    pub(crate) name: Spanned<String>,
    pub(crate) applies: Spanned<Applies>,
    pub(crate) identity: Option<Identity>,
    pub(crate) lineage: Option<Lineage>,
    pub(crate) evaluation: Option<Spanned<Evaluation>>,
    pub(crate) incumbent: Option<Incumbent>,
    #[serde(default)]
    pub(crate) metric: Vec<Spanned<Metric>>,
    #[serde(default)]
    pub(crate) gap: Vec<Spanned<Gap>>,
    pub(crate) approval: Option<Spanned<Approval>>,
    pub(crate) waivers: Option<Spanned<Waivers>>,
    pub(crate) rollback: Option<RollbackClause>,
    #[serde(rename = "override")]
    pub(crate) override_: Option<Override>,
}

/// For which services it speaks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Applies {
    pub(crate) service: String,
    pub(crate) environment: Option<String>,
}

/// What exactly is being deployed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) digest: DigestRule,
}

/// Whether every part needs a digest of its full content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DigestRule {
    /// It does.
    Required,
    /// It does not; what cannot be joined to evidence has none.
    WeakOk,
}

/// What it was made from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lineage {
    pub(crate) reach: Vec<Reach>,
    #[serde(default)]
    pub(crate) unknown_inputs: u32,
    #[serde(default)]
    pub(crate) boundary: OnBoundary,
    pub(crate) refuse: Option<Vec<Severity>>,
}

/// What a walk upstream must end in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Reach {
    #[serde(rename = "dataset.snapshotted")]
    DatasetSnapshotted,
}

/// What becomes of a model that was made elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnBoundary {
    /// Its lineage is not complete.
    #[default]
    Refuse,
    /// Its lineage ends there, and that is accepted.
    Accept,
}

/// Flags of which severity stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    Warn,
    Error,
}

/// Which measurements count, and how many there must be.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own, and a reader of the policy knows it so")]
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evaluation {
    pub(crate) data: Option<Vec<Spanned<String>>>,
    pub(crate) harness: Option<Name>,
    pub(crate) harness_version: Option<Name>,
    pub(crate) from: Option<Vec<ProducerName>>,
    pub(crate) repeats: Option<u32>,
    #[serde(default)]
    pub(crate) aggregate: Aggregate,
    pub(crate) max_retracted: Option<u32>,
    pub(crate) max_age: Option<Span>,
    #[serde(default)]
    pub(crate) disjoint_from_training: bool,
    #[serde(default)]
    pub(crate) independent_signer: bool,
    #[serde(default)]
    pub(crate) announced: bool,
    #[serde(default)]
    pub(crate) registered_before: bool,
}

/// How the results of several attempts become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    /// Each of them must pass.
    #[default]
    Every,
    /// Their mean must.
    Mean,
    /// Their median must.
    Median,
}

/// What it is compared with: what was observed running.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Incumbent {
    pub(crate) from: Option<IncumbentFrom>,
    pub(crate) absent: OnAbsent,
}

/// Where the incumbent comes from: never the producer's own choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum IncumbentFrom {
    #[serde(rename = "deployment.observed")]
    DeploymentObserved,
}

/// What becomes of a comparison when nothing runs yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnAbsent {
    /// It passes, and the verdict says so.
    Note,
    /// There is no evidence.
    Deny,
}

/// What is asked of one metric.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    pub(crate) name: Name,
    #[serde(default)]
    pub(crate) slice: Slice,
    pub(crate) better: Option<Better>,
    pub(crate) min: Option<Number>,
    pub(crate) max: Option<Number>,
    pub(crate) max_drop: Option<Number>,
    pub(crate) max_drop_relative: Option<Number>,
    pub(crate) min_gain: Option<Number>,
    pub(crate) max_gain: Option<Number>,
    pub(crate) min_n: Option<u64>,
}

impl Metric {
    /// Whether it compares with what runs.
    pub(crate) const fn compares(&self) -> bool {
        self.max_drop.is_some()
            || self.max_drop_relative.is_some()
            || self.min_gain.is_some()
            || self.max_gain.is_some()
    }
}

/// Which way a metric is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// What is asked of a metric across slices.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gap {
    pub(crate) name: Name,
    pub(crate) between: Vec<Slice>,
    pub(crate) max: Number,
    pub(crate) min_n: Option<u64>,
}

/// Who has to say yes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approval {
    pub(crate) count: u32,
    pub(crate) role: Code,
    pub(crate) from: Option<Vec<ProducerName>>,
    #[serde(default)]
    pub(crate) not: Vec<NotWho>,
    #[serde(default)]
    pub(crate) conditions: Vec<Code>,
}

/// Whose approval does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NotWho {
    Trainer,
    Evaluator,
}

/// Which rules may be waived.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waivers {
    pub(crate) rules: Vec<Spanned<String>>,
    pub(crate) from: Option<Vec<ProducerName>>,
    pub(crate) expires: Option<Span>,
}

/// The way back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollbackClause {
    pub(crate) allow: Rollback,
}

/// What may return without fresh evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rollback {
    /// What the ledger's gate allowed there before, and what was observed running there since.
    PreviouslyAdmitted,
}

/// Who may break the glass.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Override {
    pub(crate) from: Option<Vec<ProducerName>>,
    pub(crate) expires: Span,
}
