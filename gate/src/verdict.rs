//! Verdicts: what was decided, rule by rule, with everything that it rests on; and their bytes.
//!
//! Promises one spelling: the members in the order of their declaration, no spaces, no line end; absent members are left
//! out. SHA-256 of these bytes is the `document` of a `gate.decided`. Never holds a time that nobody gave it. (docs/GATE.md)

use lineal_schemas::{
    digest::{EventDigest, sha256},
    timestamp::Timestamp,
    vocabulary::{
        deployment::ServedSet,
        gate::{GateDecided, GateOverride, GatePolicy, GateReason, GateVerdict, MAX_INPUTS, RuleOutcome},
        names::{Name, ServiceName, Text},
        values::{Count, Sha256Hex, Time},
    },
};
use serde::{Deserialize, Serialize};

/// What the first member of a verdict says.
pub const FORMAT: &str = "lineal-verdict/1";

/// How the note begins that says that the way back alone lets something through.
pub(crate) const WAY_BACK: &str = "ROLLBACK: ";

/// The most reasons that an event holds; the document has all of them.
const MAX_REASONS: usize = 100;

/// A verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// [`FORMAT`].
    pub format: String,
    /// The digest of the ledger's genesis.
    pub ledger: EventDigest,
    /// How much of the record was judged: its first so many entries.
    pub tree_size: u64,
    /// The moment that ages and ends are counted at.
    pub judged_at: Timestamp,
    /// Where it would run.
    pub service: ServiceName,
    /// What was asked about.
    pub serving_set: Vec<ServedSet>,
    /// The policy that was applied; absent where none was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<AppliedPolicy>,
    /// What was decided.
    pub verdict: GateVerdict,
    /// Who breaks the glass all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<GateOverride>,
    /// Every rule, in the order of [`crate::policy::Policy::rules`], for each model.
    pub rules: Vec<RuleResult>,
    /// What should be known beside the rules.
    pub notes: Vec<String>,
    /// What was observed running there; absent where nothing was ever seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incumbent: Option<Vec<ServedSet>>,
    /// Every event that it rests on, sorted.
    pub inputs: Vec<EventDigest>,
}

/// The policy of a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedPolicy {
    /// Its name and its bytes.
    #[serde(flatten)]
    pub policy: GatePolicy,
    /// The event that registered it; absent where it is not on the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<EventDigest>,
}

/// What became of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The evidence says yes.
    Pass,
    /// The evidence says no.
    Fail,
    /// There is no evidence either way: never a yes.
    NoEvidence,
    /// It did not pass, and somebody who may says that it is not asked for.
    Waived,
}

impl Outcome {
    /// The word that verdicts write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NoEvidence => "no-evidence",
            Self::Waived => "waived",
        }
    }
}

/// A rule, what it wants and what was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleResult {
    /// Which rule.
    pub rule: String,
    /// Of what, where a serving set has several models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// What the policy wants.
    pub want: String,
    /// What the record has.
    pub got: String,
    /// The events that say so, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EventDigest>,
}

impl Verdict {
    /// The bytes of the verdict.
    pub fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// SHA-256 of its bytes, in hex.
    pub fn digest(&self) -> Result<String, serde_json::Error> {
        Ok(hex(&sha256(&self.bytes()?)))
    }

    /// Whether it may run: allowed, or denied and overridden.
    pub const fn may_run(&self) -> bool {
        matches!(self.verdict, GateVerdict::Allow) || self.overridden.is_some()
    }

    /// Whether it is allowed as the way back alone: it was allowed there before, and is not judged afresh.
    pub fn is_way_back(&self) -> bool {
        self.notes.iter().any(|note| note.starts_with(WAY_BACK))
    }

    /// The rules that did not simply pass.
    pub fn reasons(&self) -> impl Iterator<Item = &RuleResult> {
        self.rules.iter().filter(|rule| rule.outcome != Outcome::Pass)
    }

    /// The payload of the event that records it.
    pub fn decided(&self) -> Result<GateDecided, serde_json::Error> {
        let reasons: Vec<GateReason> = self.reasons().take(MAX_REASONS).filter_map(reason).collect();
        let document = Sha256Hex::try_from(self.digest()?).map_err(serde::de::Error::custom)?;
        Ok(GateDecided {
            service: self.service.clone(),
            serving_set: self.serving_set.clone(),
            verdict: self.verdict,
            tree_size: Count::try_from(self.tree_size).map_err(serde::de::Error::custom)?,
            judged_at: time(self.judged_at).ok_or_else(|| serde::de::Error::custom("a moment of no calendar"))?,
            document,
            policy: self.policy.as_ref().map(|applied| applied.policy.clone()),
            incumbent: self.incumbent.clone(),
            inputs: (self.inputs.len() <= MAX_INPUTS).then(|| self.inputs.clone()),
            reasons: (!reasons.is_empty()).then_some(reasons),
            overridden: self.overridden.clone(),
            door: None,
            request: None,
            origin: None,
            actor: None,
            attachments: None,
            annotations: None,
        })
    }
}

fn reason(result: &RuleResult) -> Option<GateReason> {
    let outcome = match result.outcome {
        Outcome::Pass => return None,
        Outcome::Fail => RuleOutcome::Fail,
        Outcome::NoEvidence => RuleOutcome::NoEvidence,
        Outcome::Waived => RuleOutcome::Waived,
    };
    let of = result.of.as_ref().map_or_else(String::new, |of| format!("{of}: "));
    // A rule's name is as long as its metric and its slices; the document has all of it.
    let rule = Name::try_from(result.rule.chars().take(256).collect::<String>()).ok()?;
    Some(GateReason { rule, outcome, reason: Text::cut(&format!("{of}{}, wanted {}", result.got, result.want)) })
}

/// A moment as verdicts write it.
pub(crate) fn time(moment: Timestamp) -> Option<Time> {
    Time::try_from(moment.to_string()).ok()
}

fn hex(bytes: &[u8]) -> String {
    EventDigest::from_bytes(bytes.try_into().unwrap_or_default()).to_string()
}
