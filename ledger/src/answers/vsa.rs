//! A verdict as an attestation that other tools read: a SLSA verification summary in an in-toto statement, signed (DSSE).
//!
//! The step from a verdict to whoever checks it without asking the ledger. Promises a summary only of a verdict that says yes
//! or no, about models that have digests, and never PASSED but for `allow`: a broken glass is FAILED, and says so. Signed
//! by a key that whoever asks gives. (SLSA 1.0, Verification Summary)

use lineal_gate::verdict::Verdict;
use lineal_schemas::{
    dsse,
    key::SecretKey,
    vocabulary::{artifact::Artifact, deployment::ComponentRole, gate::GateVerdict},
};
use serde_json::{Map, Value, json};

use super::Gate;

/// What DSSE envelopes of in-toto statements say.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The predicate.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/verification_summary/v1";

/// What an `allow` is called among levels: one of our own, since the gate asks for no level of SLSA's.
const ALLOWED: &str = "LINEAL_GATE_ALLOW";

/// What SLSA calls a policy that was not met.
const FAILED: &str = "FAILED";

/// The extension field with what a summary has no field for: producers name theirs by a URI.
const EXTENSION: &str = "https://lineal.dev/verdict/v1";

/// Why there is no summary.
#[derive(Debug, thiserror::Error)]
pub enum VsaError {
    /// Neither passed nor failed.
    #[error("no summary of an undecided verdict: it is neither PASSED nor FAILED")]
    Undecided,
    /// A model without a digest.
    #[error("no summary: {0} has no digest, and an attestation is about digests")]
    NoDigest(String),
    /// No model at all.
    #[error("no summary: the serving set names no model")]
    NoModel,
    /// It can't be written.
    #[error("a summary that can't be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// The envelope of the statement, one line.
pub fn signed(gate: &Gate, key: &SecretKey) -> Result<String, VsaError> {
    let statement = serde_json::to_vec(&statement(gate)?)?;
    Ok(dsse::sign_as(PAYLOAD_TYPE, &statement, key))
}

/// The statement.
fn statement(gate: &Gate) -> Result<Value, VsaError> {
    let verdict = &gate.document;
    let Some(policy) = verdict.policy.as_ref().filter(|_policy| verdict.verdict != GateVerdict::Undecided) else {
        return Err(VsaError::Undecided);
    };
    let models: Vec<&Artifact> = models(verdict).collect();
    let first = models.first().ok_or(VsaError::NoModel)?;
    let ledger = format!("lineal://{}", gate.as_of.origin);
    let passed = verdict.verdict == GateVerdict::Allow;
    let inputs = verdict
        .inputs
        .iter()
        .map(|event| json!({"uri": format!("{ledger}/events/{event}"), "digest": {"sha256": event}}));
    let mut own = Map::new();
    own.insert("service".to_owned(), json!(verdict.service));
    own.insert("document".to_owned(), json!({"sha256": gate.digest}));
    own.insert("treeSize".to_owned(), json!(verdict.tree_size));
    if let Some(overridden) = &verdict.overridden {
        own.insert("overridden".to_owned(), serde_json::to_value(overridden)?);
    }
    let predicate = json!({
        "verifier": {"id": ledger},
        "timeVerified": verdict.judged_at,
        "resourceUri": resource(first)?,
        "policy": {"uri": format!("{ledger}/{}", policy.policy.name), "digest": {"sha256": policy.policy.sha256}},
        "inputAttestations": inputs.collect::<Vec<_>>(),
        "verificationResult": if passed { "PASSED" } else { "FAILED" },
        "verifiedLevels": [if passed { ALLOWED } else { FAILED }],
        "slsaVersion": "1.0",
        EXTENSION: own,
    });
    let subjects = models.iter().map(|model| subject(model)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }))
}

fn models(verdict: &Verdict) -> impl Iterator<Item = &Artifact> {
    let parts = verdict.serving_set.iter().flat_map(|set| &set.components);
    let models = parts.filter(|part| matches!(part.role, ComponentRole::Model | ComponentRole::Adapter));
    models.map(|part| &part.artifact)
}

fn subject(model: &Artifact) -> Result<Value, VsaError> {
    let digests: Map<String, Value> =
        model.digests().map(|(algorithm, digest)| (algorithm.to_owned(), json!(digest))).collect();
    if digests.is_empty() {
        return Err(VsaError::NoDigest(resource(model)?));
    }
    Ok(match &model.name {
        Some(name) => json!({"name": name, "digest": digests}),
        None => json!({"digest": digests}),
    })
}

/// What is being verified, as a URI: its place, else its digest.
fn resource(model: &Artifact) -> Result<String, VsaError> {
    let digest = model.digests().next().map(|(algorithm, digest)| format!("{algorithm}:{digest}"));
    let place = model.uri.as_ref().map(ToString::to_string);
    place.or(digest).ok_or(VsaError::NoModel)
}
