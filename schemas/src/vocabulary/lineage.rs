//! What the lineage index reads from a payload: which artifacts it speaks of, and in which relation.
//!
//! Promises every artifact of an event exactly once, in the order of the event's members. Never joins or judges.

use super::{
    artifact::{Artifact, Attachment, Basis, Influence, Input, InputRole, Origin},
    deployment::{Binding, ComponentRole, ServedSet},
    names::Handle,
    object::words,
    values::JsonObject,
};

/// An artifact that an event speaks of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mention<'a> {
    /// What it is to the event.
    pub relation: Relation,
    /// The artifact.
    pub artifact: &'a Artifact,
}

/// What an artifact is to the event that speaks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// What the event is about: the data set, the model, the transform, the located bytes.
    Subject,
    /// Something was made or measured with it.
    Input {
        /// What it was used as.
        role: InputRole,
        /// What it had influence on.
        influence: Influence,
        /// How the producer knows.
        basis: Basis,
    },
    /// It was made.
    Output,
    /// It serves.
    Component {
        /// The position of its part in its service's serving set, from 0.
        set: usize,
        /// What it does there.
        role: ComponentRole,
        /// Whether it can change under the service.
        binding: Option<Binding>,
    },
    /// One of the two sides of `artifact.equated`.
    Same,
    /// Where an alias points now.
    AliasTo,
    /// Where an alias pointed before.
    AliasFrom,
    /// It belonged to the data context that a rollback names.
    Context {
        /// What it was there.
        role: InputRole,
    },
    /// In one of the other places that events have for an artifact.
    Other(Place),
}

words! {
    /// Members that hold an artifact of their own.
    pub enum Place {
        /// The data that a data set was made from, within reach of Lineal.
        DerivedFrom = "derivedFrom",
        /// Where data came from, outside.
        Source = "source",
        /// The pipeline that made a data set, or that a measurement ran through.
        Transform = "transform",
        /// A named part of a data set.
        Split = "split",
        /// The data set that this one is a part of.
        SubsetOf = "subsetOf",
        /// Source code.
        Code = "code",
        /// The image that a run ran in.
        Image = "image",
        /// The lockfile of a run.
        Lockfile = "lockfile",
        /// The model that a registered one goes back to.
        BaseModel = "baseModel",
        /// The program that measured.
        Harness = "harness",
        /// The model that a measurement compares with.
        Baseline = "baseline",
        /// The policy that a measurement is made for.
        Policy = "policy",
        /// Where a batch of decisions is.
        Pointer = "pointer",
        /// The data that a service's data is compared with.
        ReferenceData = "referenceData",
        /// The data of a service that was looked at.
        CurrentData = "currentData",
        /// An artifact that an incident is about.
        Affected = "artifacts",
    }
}

impl Place {
    /// Whether ancestry goes through this place: what stands there went into what the event is about.
    pub const fn is_ancestry(self) -> bool {
        matches!(self, Self::DerivedFrom | Self::Source | Self::Split | Self::SubsetOf | Self::BaseModel)
    }
}

/// Collects mentions in the order of an event's members.
#[derive(Debug, Default)]
pub(super) struct Mentions<'a>(pub(super) Vec<Mention<'a>>);

impl<'a> Mentions<'a> {
    pub(super) fn add(&mut self, relation: Relation, artifacts: impl IntoIterator<Item = &'a Artifact>) {
        self.0.extend(artifacts.into_iter().map(|artifact| Mention { relation, artifact }));
    }

    pub(super) fn place(&mut self, place: Place, artifacts: impl IntoIterator<Item = &'a Artifact>) {
        self.add(Relation::Other(place), artifacts);
    }

    pub(super) fn inputs(&mut self, inputs: Option<&'a Vec<Input>>) {
        for input in inputs.into_iter().flatten() {
            let (role, influence, basis) = (input.role, input.influence(), input.basis());
            self.add(Relation::Input { role, influence, basis }, [&input.artifact]);
        }
    }

    pub(super) fn serving(&mut self, sets: &'a [ServedSet]) {
        for (set, served) in sets.iter().enumerate() {
            for component in &served.components {
                let (role, binding) = (component.role, component.binding);
                self.add(Relation::Component { set, role, binding }, [&component.artifact]);
            }
        }
    }
}

/// The members that every event but a genesis may have.
pub(super) trait Common {
    fn origin(&self) -> Option<&Origin> {
        None
    }

    fn actor(&self) -> Option<&Handle> {
        None
    }

    fn attachments(&self) -> &[Attachment] {
        &[]
    }

    fn annotations(&self) -> Option<&JsonObject> {
        None
    }
}

/// What one type of event says about subjects and artifacts.
pub(super) trait Says {
    /// The subject, where the payload fixes it.
    fn subject(&self) -> Option<String> {
        None
    }

    fn mention<'a>(&'a self, _mentions: &mut Mentions<'a>) {}
}
