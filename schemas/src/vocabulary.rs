//! The vocabulary: what an event's `data` can say, one Rust type for each event type.
//!
//! Promises the same verdict on a payload as its JSON Schema gives (`schemas/json`): unknown members are refused in
//! the event's own objects and allowed under `annotations`. Never checks who signed: [`TYPES`] says who may, the
//! registry judges. (docs/EVENTS.md)

mod object;
mod violation;

pub mod artifact;
pub mod dataset;
pub mod deployment;
pub mod evaluation;
pub mod flag;
pub mod gate;
pub mod incident;
pub mod inventory;
pub mod key;
pub mod ledger;
pub mod lineage;
pub mod model;
pub mod names;
pub mod policy;
pub mod run;
pub mod schemas;
pub mod service;
pub mod table;
pub mod values;

use serde::de::DeserializeOwned;

use self::{
    artifact::{ArtifactDestroyed, ArtifactEquated, ArtifactLocated, Attachment, Origin},
    dataset::{DatasetSnapshotted, TransformPublished},
    deployment::{DeploymentObserved, DeploymentRemoved, DeploymentRequested, DeploymentRolledback},
    evaluation::{EvaluationCompleted, EvaluationRetracted, EvaluationStarted},
    flag::{ArtifactCleared, ArtifactFlagged},
    gate::GateDecided,
    incident::{IncidentClosed, IncidentOpened, IncidentUpdated},
    inventory::InventoryObserved,
    key::{KeyEnrolled, KeyRevoked, KeyRotated},
    ledger::{EventConflicted, EventRejected, LedgerCreated, LedgerKeyRotated, ProducerHeartbeat, RecordCorrected},
    lineage::{Common, Mention, Mentions, Says},
    model::{AliasMoved, ModelRegistered},
    names::{Handle, shown},
    policy::{ApprovalGranted, ApprovalRefused, PolicyRegistered, WaiverGranted},
    run::{RunCompleted, RunFailed, RunStarted},
    service::{DecisionsRecorded, DriftObserved, ServiceRegistered},
    values::JsonObject,
    violation::{LONGEST_SHOWN, locate},
};
pub use self::{
    key::Role,
    schemas::json_schema,
    table::{Signer, Subject, TYPES, TypeRule, rule},
};

/// A payload that the vocabulary does not have, or not for that subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    /// The type is not one of [`TYPES`].
    #[error("`{kind}` is no event type of this vocabulary")]
    UnknownType {
        /// The type as found, hidden characters escaped, cut at 80 characters.
        kind: String,
    },
    /// The payload breaks its schema.
    #[error("`data` of {kind} at `{path}`: {rule}")]
    SchemaViolation {
        /// The name of the type.
        kind: &'static str,
        /// Where, as a path of members and positions; `.` is the payload itself.
        path: String,
        /// Which rule is broken.
        rule: String,
        /// All of this as the record may hold it: see [`Self::without_values`].
        without_values: String,
    },
    /// The event's subject is not what the payload is about.
    #[error("`subject` of {kind} is `{found}`, expected {expected}")]
    SubjectMismatch {
        /// The name of the type.
        kind: &'static str,
        /// The event's subject.
        found: String,
        /// What it has to be.
        expected: String,
    },
}

impl VocabularyError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownType { .. } => "unknown-type",
            Self::SchemaViolation { .. } => "schema-violation",
            Self::SubjectMismatch { .. } => "subject-mismatch",
        }
    }

    /// Which member breaks which rule, without any word of the event's own: what the record may hold for good.
    pub fn without_values(&self) -> String {
        match self {
            Self::UnknownType { .. } => "`type` is no event type of this vocabulary".to_owned(),
            Self::SchemaViolation { without_values, .. } => without_values.clone(),
            Self::SubjectMismatch { kind, .. } => {
                format!("`subject` of {kind} is not what its type and its `data` ask for")
            }
        }
    }
}

macro_rules! payloads {
    ($($(#[$meta:meta])* $name:literal => $variant:ident,)*) => {
        /// What an event says: the `data` of one of the event types.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Payload {
            $($(#[$meta])* $variant(Box<$variant>),)*
        }

        impl Payload {
            /// Reads the `data` of an event of type `kind` (`dev.lineal.<name>.v1`).
            pub fn parse(kind: &str, data: &str) -> Result<Self, VocabularyError> {
                let rule = rule(kind).ok_or_else(|| unknown(kind))?;
                match rule.name {
                    $($name => read(rule, data).map(Self::$variant),)*
                    _ => Err(unknown(kind)),
                }
            }

            /// The name of the event type, like `dataset.snapshotted`.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// The CloudEvents `type`, like `dev.lineal.dataset.snapshotted.v1`.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => concat!("dev.lineal.", $name, ".v1"),)* }
            }

            /// The payload as compact JSON, members in the order of the declaration.
            pub fn to_json(&self) -> Result<String, serde_json::Error> {
                match self { $(Self::$variant(payload) => serde_json::to_string(payload),)* }
            }

            fn says(&self) -> &dyn Says {
                match self { $(Self::$variant(payload) => payload.as_ref(),)* }
            }

            fn common(&self) -> &dyn Common {
                match self { $(Self::$variant(payload) => payload.as_ref(),)* }
            }
        }

        $(
            impl From<$variant> for Payload {
                fn from(payload: $variant) -> Self {
                    Self::$variant(Box::new(payload))
                }
            }
        )*
    };
}

payloads! {
    /// This is the data.
    "dataset.snapshotted" => DatasetSnapshotted,
    /// A feature pipeline, preprocessor, tokenizer or prompt.
    "transform.published" => TransformPublished,
    /// Two digests are the same thing.
    "artifact.equated" => ArtifactEquated,
    /// Bytes are at a place.
    "artifact.located" => ArtifactLocated,
    /// Bytes are no longer at a place.
    "artifact.destroyed" => ArtifactDestroyed,
    /// A name or a floating reference points elsewhere.
    "alias.moved" => AliasMoved,
    /// A run begins.
    "run.started" => RunStarted,
    /// A run ended, with what it made.
    "run.completed" => RunCompleted,
    /// A run ended without a result.
    "run.failed" => RunFailed,
    /// A digest gets a name and a version.
    "model.registered" => ModelRegistered,
    /// A measurement is going to be made.
    "evaluation.started" => EvaluationStarted,
    /// A measurement was made.
    "evaluation.completed" => EvaluationCompleted,
    /// Somebody or something asked for a deployment.
    "deployment.requested" => DeploymentRequested,
    /// It runs.
    "deployment.observed" => DeploymentObserved,
    /// A declared going back.
    "deployment.rolledback" => DeploymentRolledback,
    /// A service ends.
    "deployment.removed" => DeploymentRemoved,
    /// An event is replaced.
    "record.corrected" => RecordCorrected,
    /// A producer is still there.
    "producer.heartbeat" => ProducerHeartbeat,
    /// A key may speak.
    "key.enrolled" => KeyEnrolled,
    /// A key takes the place of another.
    "key.rotated" => KeyRotated,
    /// A key may not speak any more.
    "key.revoked" => KeyRevoked,
    /// The genesis of a ledger.
    "ledger.created" => LedgerCreated,
    /// The ledger signs with another key.
    "ledgerkey.rotated" => LedgerKeyRotated,
    /// An event was refused.
    "event.rejected" => EventRejected,
    /// An event contradicts its source.
    "event.conflicted" => EventConflicted,
    /// An artifact is bad.
    "artifact.flagged" => ArtifactFlagged,
    /// An artifact that was flagged is not bad.
    "artifact.cleared" => ArtifactCleared,
    /// A service has an owner, a tier and somebody to call.
    "service.registered" => ServiceRegistered,
    /// A service decided.
    "decisions.recorded" => DecisionsRecorded,
    /// The data of a service was compared.
    "drift.observed" => DriftObserved,
    /// Something is wrong.
    "incident.opened" => IncidentOpened,
    /// More is known about it.
    "incident.updated" => IncidentUpdated,
    /// It is over.
    "incident.closed" => IncidentClosed,
    /// What runs in an environment, and that nothing else does.
    "inventory.observed" => InventoryObserved,
    /// What a gate asks for.
    "policy.registered" => PolicyRegistered,
    /// A gate decided.
    "gate.decided" => GateDecided,
    /// Somebody who may says yes.
    "approval.granted" => ApprovalGranted,
    /// Somebody who may says no.
    "approval.refused" => ApprovalRefused,
    /// A rule is not asked for, for a time.
    "waiver.granted" => WaiverGranted,
    /// A measurement does not count.
    "evaluation.retracted" => EvaluationRetracted,
}

impl Payload {
    /// The rule of this type: who may say it, about what.
    pub fn rule(&self) -> Option<&'static TypeRule> {
        rule(self.kind())
    }

    /// The subject that the event must have, where the payload fixes it.
    pub fn required_subject(&self) -> Option<String> {
        self.says().subject()
    }

    /// Checks an event's subject against the type's rule and against the payload.
    pub fn check_subject(&self, subject: &str) -> Result<(), VocabularyError> {
        let mismatch = |expected| {
            Err(VocabularyError::SubjectMismatch { kind: self.name(), found: shown(subject, LONGEST_SHOWN), expected })
        };
        match (self.required_subject(), self.rule().map(|rule| rule.subject)) {
            (Some(required), _) if required != subject => mismatch(format!("`{required}`")),
            (None, Some(form)) if !form.fits(subject) => mismatch(form.to_string()),
            _ => Ok(()),
        }
    }

    /// Every artifact that the event speaks of, with what it is to the event.
    pub fn artifacts(&self) -> Vec<Mention<'_>> {
        let mut mentions = Mentions::default();
        self.says().mention(&mut mentions);
        mentions.0
    }

    /// The attachments that the event names.
    pub fn attachments(&self) -> &[Attachment] {
        self.common().attachments()
    }

    /// The attempt of the tool that speaks.
    pub fn origin(&self) -> Option<&Origin> {
        self.common().origin()
    }

    /// Who or what caused it, as a pseudonym.
    pub fn actor(&self) -> Option<&Handle> {
        self.common().actor()
    }

    /// What the producer added.
    pub fn annotations(&self) -> Option<&JsonObject> {
        self.common().annotations()
    }
}

fn unknown(kind: &str) -> VocabularyError {
    VocabularyError::UnknownType { kind: shown(kind, 80) }
}

/// Reads a payload; only a broken one is read a second time, slowly, to say where it is broken.
fn read<T: DeserializeOwned>(rule: &TypeRule, data: &str) -> Result<Box<T>, VocabularyError> {
    serde_json::from_str(data).map(Box::new).map_err(|error| locate::<T>(rule.name, data, &error))
}

#[cfg(test)]
mod tests {
    use super::{
        artifact::{Basis, Influence, InputRole, Strength},
        deployment::ComponentRole,
        lineage::{Place, Relation},
        *,
    };

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn parse(name: &str, data: &str) -> Result<Payload, VocabularyError> {
        Payload::parse(&format!("dev.lineal.{name}.v1"), &data.replace("DIGEST", DIGEST))
    }

    fn violation(name: &str, data: &str) -> (String, String) {
        match parse(name, data).unwrap_err() {
            VocabularyError::SchemaViolation { path, rule, .. } => (path, rule),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_violation_names_its_member_and_its_rule() {
        let (path, rule) = violation("deployment.removed", r#"{"service":"service/fraud"}"#);
        assert_eq!(path, "service");
        assert!(rule.contains("service/owner/name@cluster/environment"), "{rule}");
        let served = r#"{"service":"service/payments/f@eu/prod","servingSet":[{"components":[{"role":"model","artifact":{"digest":{"sha256":"AB"}}}]}]}"#;
        let (path, rule) = violation("deployment.requested", served);
        assert_eq!(path, "servingSet[0].components[0].artifact.digest");
        assert!(rule.contains("64 lower-case hexadecimal digits, found `AB`"), "{rule}");
        let (_, rule) = violation("producer.heartbeat", r#"{"next":1}"#);
        assert!(rule.contains("unknown field `next`"), "{rule}");
        let (path, rule) = violation("dataset.snapshotted", r#"{"dataset":{"digest":{"gitCommit":"x"}}}"#);
        assert_eq!(path, "dataset.digest");
        assert!(rule.contains("40 or 64"), "{rule}");
        assert_eq!(violation("dataset.snapshotted", r#"{"dataset":{"digest":{"omsRoot":"DIGEST"}}}"#).0, "dataset");
        assert_eq!(
            violation("dataset.snapshotted", r#"{"dataset":{"digest":{"sha256":"DIGEST"}},"stats":{"size":1.0}}"#).0,
            "stats.size"
        );
    }

    #[test]
    fn a_message_never_hides_or_reorders_itself() {
        let (_, rule) = violation("producer.heartbeat", r#"{"a\u202eb":1}"#);
        assert!(rule.contains("a\\u{202e}b"), "{rule}");
        let long = format!(r#"{{"{}":1}}"#, "a".repeat(100_000));
        assert!(violation("producer.heartbeat", &long).1.len() <= LONGEST_SHOWN);
    }

    #[test]
    fn an_unknown_type_is_refused() {
        for kind in ["dev.lineal.dataset.snapshotted.v2", "dataset.snapshotted", ""] {
            assert_eq!(Payload::parse(kind, "{}").unwrap_err().code(), "unknown-type");
        }
    }

    #[test]
    fn a_member_that_stands_twice_is_refused() {
        assert!(parse("producer.heartbeat", r#"{"nextWithinSeconds":1,"nextWithinSeconds":2}"#).is_err());
        assert!(
            parse("dataset.snapshotted", r#"{"dataset":{"digest":{"sha256":"DIGEST","sha256":"DIGEST"}}}"#).is_err()
        );
        assert!(
            parse(
                "run.started",
                r#"{"runId":"1","job":{"namespace":"a","name":"b","kind":"train"},"seeds":{"a":1,"a":2}}"#
            )
            .is_err()
        );
    }

    #[test]
    fn the_subject_is_what_the_payload_is_about() {
        let run =
            parse("run.started", r#"{"runId":"1","job":{"namespace":"payments","name":"train/eu","kind":"train"}}"#)
                .unwrap();
        assert_eq!(run.required_subject().as_deref(), Some("job/payments/train/eu"));
        assert!(run.check_subject("job/payments/train/eu").is_ok());
        assert_eq!(run.check_subject("job/payments/train").unwrap_err().code(), "subject-mismatch");
        let data = parse("dataset.snapshotted", r#"{"dataset":{"digest":{"sha256":"DIGEST"}}}"#).unwrap();
        assert!(data.check_subject("dataset/payments/transactions").is_ok());
        for other in
            ["dataset/", "dataset/a", "datasets/a/x", "model/a/x", "dataset/a//b", "dataset/a b", "dataset/a/.."]
        {
            assert!(data.check_subject(other).is_err(), "{other}");
        }
    }

    #[test]
    fn every_artifact_is_mentioned_with_its_relation() {
        let text = r#"{"runId":"1","job":{"namespace":"a","name":"b","kind":"train"},"outputs":[{"uri":"s3://m"}],
            "inputs":[{"artifact":{"uri":"s3://d"},"role":"training","basis":"observed"},{"artifact":{"uri":"s3://t"},"role":"test"}],
            "code":{"artifact":{"uri":"git+https://c"}}}"#;
        let payload = parse("run.completed", text).unwrap();
        let relations: Vec<Relation> = payload.artifacts().iter().map(|mention| mention.relation).collect();
        let input = |role, influence, basis| Relation::Input { role, influence, basis };
        assert_eq!(
            relations,
            [
                Relation::Output,
                input(InputRole::Training, Influence::Weights, Basis::Observed),
                input(InputRole::Test, Influence::Measurement, Basis::Declared),
                Relation::Other(Place::Code),
            ]
        );
        let text = r#"{"service":"service/payments/f@eu/prod","servingSet":[{"components":[{"role":"model","artifact":{"uri":"s3://m"}}]}]}"#;
        let relation = parse("deployment.requested", text).unwrap().artifacts()[0].relation;
        assert_eq!(relation, Relation::Component { set: 0, role: ComponentRole::Model, binding: None });
    }

    #[test]
    fn identities_are_joined_on_full_content_digests_only() {
        let strength = |digest: &str| {
            let text = format!(r#"{{"alias":"alias/a/b","to":{{"uri":"s3://b","digest":{{{digest}}}}}}}"#);
            let payload = parse("alias.moved", &text).unwrap();
            let artifact = payload.artifacts()[0].artifact;
            (artifact.strength(), artifact.strong_digests().count())
        };
        assert_eq!(strength(r#""sha256":"DIGEST","dirHash":"DIGEST","md5":"x""#), (Strength::Strong, 2));
        assert_eq!(strength(r#""omsRoot":"DIGEST""#), (Strength::Weak, 0));
        assert_eq!(strength(r#""lakefsCommit":"x""#), (Strength::Pointer, 0));
    }

    #[test]
    fn the_table_has_one_rule_for_each_type() {
        let names: std::collections::BTreeSet<&str> = TYPES.iter().map(|rule| rule.name).collect();
        assert_eq!((names.len(), TYPES.len()), (40, 40));
        assert!(TYPES.iter().all(|rule| json_schema(rule.kind).is_some()));
    }
}
