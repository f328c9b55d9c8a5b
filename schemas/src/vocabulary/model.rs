//! Names for models: `model.registered` gives a digest a name and a version, `alias.moved` points a name elsewhere.
//!
//! Promises nothing about what a name points to later: names are aliases that events established. (docs/EVENTS.md)

use super::{
    artifact::Artifact,
    lineage::{Mentions, Place, Relation, Says},
    names::{AliasName, Id, ModelName, Name},
    object::{event, object},
    values::Uri,
};
use crate::digest::EventDigest;

event! {
    /// `model.registered`: a digest gets a name and a version.
    pub struct ModelRegistered {
        required {
            /// The model.
            model: Artifact,
            /// Its name; the event's subject.
            name: ModelName,
        }
        optional {
            /// Which version of it.
            version: Name,
            /// The run that made it.
            run: RunReference,
            /// The model that it goes back to.
            base_model: Artifact,
            /// Who supplied it, where somebody else did.
            supplier: Name,
            /// Whether it was made elsewhere: a trace ends here, at a declared boundary.
            external: bool,
        }
    }
}

object! {
    /// A run, by its id.
    pub struct RunReference {
        required {
            /// What the tool calls it.
            run_id: Id,
        }
        optional {
            /// The event that started or completed it.
            event: EventDigest,
        }
    }
}

event! {
    /// `alias.moved`: a name or a floating reference now points elsewhere.
    pub struct AliasMoved {
        required {
            /// The name; the event's subject.
            alias: AliasName,
            /// Where it points now.
            to: Artifact,
        }
        optional {
            /// The floating reference itself, as its own tool spells it.
            uri: Uri,
            /// Where it pointed before.
            from: Artifact,
        }
    }
}

impl Says for ModelRegistered {
    fn subject(&self) -> Option<String> {
        Some(self.name.to_string())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.add(Relation::Subject, [&self.model]);
        mentions.place(Place::BaseModel, &self.base_model);
    }
}

impl Says for AliasMoved {
    fn subject(&self) -> Option<String> {
        Some(self.alias.to_string())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.add(Relation::AliasTo, [&self.to]);
        mentions.add(Relation::AliasFrom, &self.from);
    }
}
