//! The table of event types: which roles may say what, about which subjects, by which kind of key.
//!
//! Promises one line a type, in the order of docs/EVENTS.md. The index keeps a type's place in this table: new types stand
//! at its end. Never looks at a payload or a key.

use std::fmt;

use super::{
    key::Role::{self, Admin, Approver, Data, Deployer, Enroller, Evaluator, Observer, Trainer},
    names::{is_path, is_path_of},
};

/// What holds for every event of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeRule {
    /// The name, as `key.enrolled` lists it: `dataset.snapshotted`.
    pub name: &'static str,
    /// The CloudEvents `type`.
    pub kind: &'static str,
    /// The CloudEvents `dataschema`.
    pub dataschema: &'static str,
    /// The kind of key that signs.
    pub signer: Signer,
    /// The roles of which a producer's key has to have one; empty where no producer's key signs.
    pub roles: &'static [Role],
    /// What the event can be about.
    pub subject: Subject,
}

/// The kind of key that signs an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// A producer's key with one of the roles.
    Producer,
    /// A producer's key with one of the roles, or the ledger's.
    ProducerOrLedger,
    /// Root keys, or a key with one of the roles within its own scope.
    RootOrProducer,
    /// Root keys.
    Root,
    /// The ledger's key.
    Ledger,
}

/// What the subject of an event can be. [`super::Payload::required_subject`] narrows it where the payload fixes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// `<kind>/<owner>/<name>`: `dataset` for `dataset/payments/transactions`.
    Owned(&'static str),
    /// A path below this kind, whose things have no owner: `key` for `key/<keyid>`.
    Below(&'static str),
    /// Any path that the key may speak of.
    AnyInScope,
}

impl Subject {
    /// Whether `subject` has this form.
    pub(super) fn fits(self, subject: &str) -> bool {
        match self {
            Self::Owned(kind) => is_path_of(kind, subject),
            Self::Below(kind) => {
                subject.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/')).is_some_and(is_path)
            }
            Self::AnyInScope => is_path(subject),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owned(kind) => write!(f, "`{kind}/<owner>/<name>`"),
            Self::Below(kind) => write!(f, "`{kind}/…`"),
            Self::AnyInScope => f.write_str("a path"),
        }
    }
}

/// The rule of the type that CloudEvents call `kind` (`dev.lineal.<name>.v1`).
pub fn rule(kind: &str) -> Option<&'static TypeRule> {
    TYPES.iter().find(|rule| rule.kind == kind)
}

const ANY: &[Role] = &[Data, Trainer, Evaluator, Approver, Deployer, Observer, Enroller, Admin];
/// Everybody who answers for what is made and what runs; whoever only enrols keys does not.
const RESPONSIBLE: &[Role] = &[Data, Trainer, Evaluator, Approver, Deployer, Observer, Admin];

macro_rules! rules {
    ($($name:literal, $signer:ident, $roles:expr, $subject:expr;)*) => {
        /// Every event type.
        pub const TYPES: &[TypeRule] = &[$(TypeRule {
            name: $name,
            kind: concat!("dev.lineal.", $name, ".v1"),
            dataschema: concat!("https://lineal.dev/schemas/", $name, ".v1.json"),
            signer: Signer::$signer,
            roles: $roles,
            subject: $subject,
        },)*];
    };
}

rules! {
    "dataset.snapshotted", Producer, &[Data, Trainer], Subject::Owned("dataset");
    "transform.published", Producer, &[Data, Trainer], Subject::Owned("transform");
    "artifact.equated", Producer, &[Data, Trainer, Deployer], Subject::Owned("artifact");
    "artifact.located", Producer, &[Data, Trainer, Deployer], Subject::Owned("artifact");
    "artifact.destroyed", Producer, &[Data, Trainer, Deployer], Subject::Owned("artifact");
    "alias.moved", Producer, &[Data, Trainer, Deployer], Subject::Owned("alias");
    "run.started", Producer, &[Trainer], Subject::Owned("job");
    "run.completed", Producer, &[Trainer], Subject::Owned("job");
    "run.failed", Producer, &[Trainer], Subject::Owned("job");
    "model.registered", Producer, &[Trainer, Deployer], Subject::Owned("model");
    "evaluation.started", Producer, &[Evaluator], Subject::Owned("model");
    "evaluation.completed", Producer, &[Evaluator], Subject::Owned("model");
    "deployment.requested", Producer, &[Deployer], Subject::Owned("service");
    "deployment.observed", Producer, &[Observer], Subject::Owned("service");
    "deployment.rolledback", Producer, &[Deployer], Subject::Owned("service");
    "deployment.removed", Producer, &[Deployer], Subject::Owned("service");
    "record.corrected", Producer, ANY, Subject::AnyInScope;
    "producer.heartbeat", ProducerOrLedger, ANY, Subject::AnyInScope;
    "key.enrolled", RootOrProducer, &[Enroller], Subject::Below("key");
    "key.rotated", Root, &[], Subject::Below("key");
    "key.revoked", Root, &[], Subject::Below("key");
    "ledger.created", Root, &[], Subject::Below("ledger");
    "ledgerkey.rotated", Root, &[], Subject::Below("ledger");
    "event.rejected", Ledger, &[], Subject::Below("event");
    "event.conflicted", Ledger, &[], Subject::Below("event");
    "artifact.flagged", Producer, &[Data, Trainer, Evaluator, Approver, Admin], Subject::Owned("artifact");
    "artifact.cleared", Producer, &[Evaluator, Approver, Admin], Subject::Owned("artifact");
    "service.registered", Producer, &[Deployer, Admin], Subject::Owned("service");
    "decisions.recorded", Producer, &[Deployer, Observer], Subject::Owned("service");
    "drift.observed", Producer, &[Evaluator, Observer], Subject::Owned("service");
    "incident.opened", Producer, RESPONSIBLE, Subject::Owned("incident");
    "incident.updated", Producer, RESPONSIBLE, Subject::Owned("incident");
    "incident.closed", Producer, &[Approver, Deployer, Admin], Subject::Owned("incident");
    "inventory.observed", Producer, &[Observer], Subject::Owned("environment");
    "policy.registered", Producer, &[Approver, Admin], Subject::Owned("policy");
    "gate.decided", ProducerOrLedger, &[Approver, Deployer], Subject::Owned("service");
    "approval.granted", Producer, &[Approver], Subject::Owned("service");
    "approval.refused", Producer, &[Approver], Subject::Owned("service");
    "waiver.granted", Producer, &[Approver], Subject::Owned("service");
    "evaluation.retracted", Producer, &[Evaluator, Approver], Subject::Owned("model");
}
