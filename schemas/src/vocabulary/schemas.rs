//! The JSON Schemas of the vocabulary (draft 2020-12), for editors and for producers in other languages.
//!
//! Promises the same verdicts as the Rust types; `tests/vocabulary.rs` holds the two against each other on every
//! mutation of every sample. Two things a schema cannot say, the types do: a whole number has no fraction and no
//! exponent (`3`, not `3.0`), and a number read exactly has at most 64 characters and 3 digits of exponent.

/// The `$id` of [`COMMON`].
pub const COMMON_ID: &str = "https://lineal.dev/schemas/common.v1.json";
/// What the schemas refer to: artifacts, names, values.
pub const COMMON: &str = include_str!("../../json/common.v1.json");

/// The JSON Schema of the type that CloudEvents call `kind` (`dev.lineal.<name>.v1`).
pub fn json_schema(kind: &str) -> Option<&'static str> {
    let name = kind.strip_prefix("dev.lineal.")?.strip_suffix(".v1")?;
    SCHEMAS.iter().find(|(of, _)| *of == name).map(|(_, schema)| *schema)
}

macro_rules! schemas {
    ($($name:literal,)*) => {
        const SCHEMAS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../json/", $name, ".v1.json"))),)*];
    };
}

schemas! {
    "dataset.snapshotted",
    "transform.published",
    "artifact.equated",
    "artifact.located",
    "artifact.destroyed",
    "alias.moved",
    "run.started",
    "run.completed",
    "run.failed",
    "model.registered",
    "evaluation.started",
    "evaluation.completed",
    "deployment.requested",
    "deployment.observed",
    "deployment.rolledback",
    "deployment.removed",
    "record.corrected",
    "producer.heartbeat",
    "key.enrolled",
    "key.rotated",
    "key.revoked",
    "ledger.created",
    "ledgerkey.rotated",
    "event.rejected",
    "event.conflicted",
    "artifact.flagged",
    "artifact.cleared",
    "service.registered",
    "decisions.recorded",
    "drift.observed",
    "incident.opened",
    "incident.updated",
    "incident.closed",
    "inventory.observed",
    "policy.registered",
    "gate.decided",
    "approval.granted",
    "approval.refused",
    "waiver.granted",
    "evaluation.retracted",
}
