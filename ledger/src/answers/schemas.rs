//! The JSON Schemas of the answers: what each member means, for whoever reads `--json` or `/v1/…`.
//!
//! Promises that a real answer has no member that its schema does not describe (`ledger/tests/answers/schemas.rs`).
//! Members may be added; readers ignore those that they do not know.

/// A schema's name, and its text.
pub type Schema = (&'static str, &'static str);

/// Every schema, by the name under which `/v1/schemas/<name>` serves it.
pub const SCHEMAS: &[Schema] = &[
    ("common.v1.json", include_str!("../../schemas/answers/common.v1.json")),
    ("running.v1.json", include_str!("../../schemas/answers/running.v1.json")),
    ("trace.v1.json", include_str!("../../schemas/answers/trace.v1.json")),
    ("impact.v1.json", include_str!("../../schemas/answers/impact.v1.json")),
    ("diff.v1.json", include_str!("../../schemas/answers/diff.v1.json")),
    ("evals.v1.json", include_str!("../../schemas/answers/evals.v1.json")),
    ("gate.v1.json", include_str!("../../schemas/answers/gate.v1.json")),
    ("gate-running.v1.json", include_str!("../../schemas/answers/gate-running.v1.json")),
    ("findings.v1.json", include_str!("../../schemas/answers/findings.v1.json")),
    ("explain.v1.json", include_str!("../../schemas/answers/explain.v1.json")),
    ("key-impact.v1.json", include_str!("../../schemas/answers/key-impact.v1.json")),
    ("timeline.v1.json", include_str!("../../schemas/answers/timeline.v1.json")),
    ("windows.v1.json", include_str!("../../schemas/answers/windows.v1.json")),
    ("rollback-plan.v1.json", include_str!("../../schemas/answers/rollback-plan.v1.json")),
    ("doctor.v1.json", include_str!("../../schemas/answers/doctor.v1.json")),
    ("entry.v1.json", include_str!("../../schemas/answers/entry.v1.json")),
    ("log.v1.json", include_str!("../../schemas/answers/log.v1.json")),
    ("keys.v1.json", include_str!("../../schemas/answers/keys.v1.json")),
];

/// The schema of that name.
pub fn schema(name: &str) -> Option<&'static str> {
    SCHEMAS.iter().find(|(known, _text)| *known == name).map(|(_name, text)| *text)
}
