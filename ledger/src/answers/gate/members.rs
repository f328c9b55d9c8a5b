//! A question to the gate as JSON, as tools send it and as the program hands it to a ledger that runs.
//!
//! Promises that a member which is missing, unknown or malformed is named. Never judges. (docs/GATE.md, Over HTTP)

use lineal_gate::judge::Asked;
use serde::Deserialize;
use serde_json::json;

use super::GateQuestion;

/// A question as JSON: `model`, `service`, and `policy` by name or `policyText`.
pub fn to_json(question: &GateQuestion) -> serde_json::Value {
    let mut members = json!({"model": question.model, "service": question.service});
    if let Some(members) = members.as_object_mut() {
        match &question.policy {
            Asked::Registered => None,
            Asked::Named(name) => members.insert("policy".to_owned(), json!(name)),
            Asked::Text(text) => members.insert("policyText".to_owned(), json!(text)),
        };
    }
    members
}

/// The members of a question, as a tool sends them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateMembers {
    /// The model; required.
    pub model: Option<String>,
    /// The service; required.
    pub service: Option<String>,
    /// The name of a registered policy.
    pub policy: Option<String>,
    /// A policy's text.
    pub policy_text: Option<String>,
}

impl GateMembers {
    /// The question, or which member is missing or malformed, and why.
    pub fn question(self) -> Result<GateQuestion, String> {
        let missing = |member: &str| format!("the question has no `{member}`");
        let policy = match (self.policy, self.policy_text) {
            (None, None) => Asked::Registered,
            (Some(name), None) => Asked::Named(name.parse().map_err(|error| format!("`policy`: {error}"))?),
            (None, Some(text)) => Asked::Text(text.parse().map_err(|error| format!("`policyText`: {error}"))?),
            (Some(_), Some(_)) => return Err("the question has both `policy` and `policyText`".to_owned()),
        };
        Ok(GateQuestion {
            model: self.model.ok_or_else(|| missing("model"))?,
            service: self.service.ok_or_else(|| missing("service"))?,
            policy,
        })
    }
}
