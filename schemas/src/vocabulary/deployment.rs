//! Deployments: requested, observed, rolled back, removed. Three facts, never one: asking is not running.
//!
//! Promises that what serves is a list of parts, because a service is more than one model: that list is the serving set,
//! the unit of rollback, of diff and of release (the first observation of a new one). Never says what runs from what was
//! asked for.

use super::{
    artifact::{Artifact, Input},
    lineage::{Mentions, Relation, Says},
    names::{Code, Handle, Id, Name, ServiceName},
    object::{event, non_empty, object, words},
    values::{Count, Seconds, Share, Time},
};
use crate::digest::EventDigest;

object! {
    /// A part of a serving set: what answers one share of the traffic together.
    pub struct ServedSet {
        required {
            /// What it consists of; at least one.
            #[serde(deserialize_with = "non_empty")]
            components: Vec<Component>,
        }
        optional {
            /// Its part of the traffic, from 0 to 1.
            share: Share,
            /// How many instances of it there are.
            instances: Count,
        }
    }
}

object! {
    /// What a part of a serving set consists of.
    pub struct Component {
        required {
            /// What it does there.
            role: ComponentRole,
            /// The part itself.
            artifact: Artifact,
        }
        optional {
            /// Whether it can change under the service.
            binding: Binding,
        }
    }
}

words! {
    /// What a component does.
    pub enum ComponentRole {
        /// The model.
        Model = "model",
        /// An adapter on a model.
        Adapter = "adapter",
        /// A retrieval index.
        Index = "index",
        /// Preprocessing, a tokenizer, a prompt.
        Transform = "transform",
        /// A snapshot or a store of features.
        Features = "features",
        /// The container image that serves.
        Image = "image",
        /// Its configuration.
        Config = "config",
        /// What checks inputs or outputs.
        Guardrail = "guardrail",
    }
}

words! {
    /// Whether a component can change under a service.
    pub enum Binding {
        /// Named by digest.
        Pinned = "pinned",
        /// Named by something that can move.
        Floating = "floating",
    }
}

event! {
    /// `deployment.requested`: somebody or something asked; it stands until replaced.
    pub struct DeploymentRequested {
        required {
            /// Where; the event's subject.
            service: ServiceName,
            /// What: the serving set, of at least one part.
            #[serde(deserialize_with = "non_empty")]
            serving_set: Vec<ServedSet>,
        }
        optional {
            /// Through what: `argo-cd`, `flux`, `kubectl`, `helm`, `api`.
            door: Code,
            /// The change that asked: a commit, a ticket.
            change_ref: Name,
            /// The gate's decision that allowed it.
            gate: EventDigest,
        }
    }
}

event! {
    /// `deployment.observed`: it runs. A complete state, not a delta.
    pub struct DeploymentObserved {
        required {
            /// Where; the event's subject.
            service: ServiceName,
            /// What runs: the serving set. An empty list says that nothing does, or with `complete: false` that nothing was
            /// seen.
            serving_set: Vec<ServedSet>,
            /// When it was seen.
            observed_at: Time,
            /// Who saw it.
            observer: Handle,
            /// Whether every instance was seen.
            complete: bool,
        }
        optional {
            /// When the next observation is due at the latest; silence after that is unknown, never "still running".
            next_within_seconds: Seconds,
        }
    }
}

event! {
    /// `deployment.rolledback`: a declared going back.
    pub struct DeploymentRolledback {
        required {
            /// Where; the event's subject.
            service: ServiceName,
        }
        optional {
            /// The earlier deployment event whose serving set is restored.
            restores: EventDigest,
            /// Why.
            reason: Code,
            /// The incident that caused it.
            incident: Id,
            /// The data context that is restored with it.
            data_context: Vec<Input>,
        }
    }
}

event! {
    /// `deployment.removed`: the service ends.
    pub struct DeploymentRemoved {
        required {
            /// Where; the event's subject.
            service: ServiceName,
        }
        optional {
            /// Why.
            reason: Code,
            /// The incident that caused it.
            incident: Id,
        }
    }
}

impl Says for DeploymentRequested {
    fn subject(&self) -> Option<String> {
        Some(self.service.to_string())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.serving(&self.serving_set);
    }
}

impl Says for DeploymentObserved {
    fn subject(&self) -> Option<String> {
        Some(self.service.to_string())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.serving(&self.serving_set);
    }
}

impl Says for DeploymentRolledback {
    fn subject(&self) -> Option<String> {
        Some(self.service.to_string())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        for input in self.data_context.iter().flatten() {
            mentions.add(Relation::Context { role: input.role }, [&input.artifact]);
        }
    }
}

impl Says for DeploymentRemoved {
    fn subject(&self) -> Option<String> {
        Some(self.service.to_string())
    }
}
