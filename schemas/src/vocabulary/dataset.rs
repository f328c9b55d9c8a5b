//! Data: `dataset.snapshotted`, the event that every trace ends at, and `transform.published`, what data went through.
//!
//! Promises a digest of the full content for every snapshot. Never holds rows: listings and samples are attachments.

use super::{
    artifact::{Artifact, InputRole, strong},
    lineage::{Mentions, Place, Relation, Says},
    names::{Code, DatasetName, Handle, Name, TransformName},
    object::{event, object, words},
    values::{Count, JsonObject, Time},
};

event! {
    /// `dataset.snapshotted`: this is the data.
    pub struct DatasetSnapshotted {
        required {
            /// The data, with a digest of the full content.
            #[serde(deserialize_with = "strong")]
            dataset: Artifact,
        }
        optional {
            /// What the data set is called; the event's subject.
            name: DatasetName,
            /// Which version of it.
            version: Name,
            /// How much it is.
            stats: DatasetStats,
            /// Its columns.
            schema: DatasetSchema,
            /// Where it came from, outside of what Lineal sees.
            sources: Vec<Artifact>,
            /// The snapshots that it was made from.
            derived_from: Vec<Artifact>,
            /// The pipeline that made it.
            transform: Artifact,
            /// Its named parts.
            splits: Vec<Split>,
            /// The part of a larger data set that it is.
            subset: Subset,
            /// When it was collected.
            collected: Period,
            /// Its licence, as an SPDX expression where there is one.
            licence: Name,
            /// Whether it contains personal data; absent where nobody knows.
            contains_personal_data: bool,
            /// Who answers for it, as a pseudonym.
            steward: Handle,
        }
    }
}

object! {
    /// How much data.
    pub struct DatasetStats {
        required {}
        optional {
            /// Rows, or examples.
            row_count: Count,
            /// Bytes.
            size: Count,
            /// Files.
            file_count: Count,
        }
    }
}

object! {
    /// The columns of a data set.
    pub struct DatasetSchema {
        required {
            /// In their order.
            fields: Vec<Field>,
        }
        optional {}
    }
}

object! {
    /// A column.
    pub struct Field {
        required {
            /// Its name.
            name: Name,
        }
        optional {
            /// Its type, as the tool names it.
            r#type: Name,
        }
    }
}

object! {
    /// A named part of a data set.
    pub struct Split {
        required {
            /// Its name.
            name: Name,
        }
        optional {
            /// What it is meant for.
            role: InputRole,
            /// The part itself.
            artifact: Artifact,
            /// Its rows.
            row_count: Count,
        }
    }
}

object! {
    /// Which part of a larger data set a snapshot is.
    pub struct Subset {
        required {}
        optional {
            /// The larger one.
            of: Artifact,
            /// The partitions that were taken.
            partitions: Vec<Name>,
            /// By which rule the rest was left out; the rule itself is an attachment with the role `filter`.
            filter: Code,
        }
    }
}

object! {
    /// A span of time.
    pub struct Period {
        required {}
        optional {
            /// Its first moment.
            from: Time,
            /// The moment after its last.
            to: Time,
        }
    }
}

event! {
    /// `transform.published`: a feature pipeline, a preprocessor, a tokenizer or a prompt.
    pub struct TransformPublished {
        required {
            /// What it is.
            kind: TransformKind,
            /// Its bytes.
            artifact: Artifact,
        }
        optional {
            /// What it is called; the event's subject.
            name: TransformName,
            /// Which version of it.
            version: Name,
            /// What it takes, in the schema language of the tool.
            input_schema: JsonObject,
            /// What it gives.
            output_schema: JsonObject,
            /// What it was built from.
            code: Artifact,
        }
    }
}

words! {
    /// Kinds of transforms.
    pub enum TransformKind {
        /// Computes features.
        FeaturePipeline = "feature-pipeline",
        /// Prepares inputs.
        Preprocessor = "preprocessor",
        /// Works on outputs.
        Postprocessor = "postprocessor",
        /// Cuts text into tokens.
        Tokenizer = "tokenizer",
        /// Instructs a language model.
        Prompt = "prompt",
    }
}

impl Says for DatasetSnapshotted {
    fn subject(&self) -> Option<String> {
        self.name.as_ref().map(ToString::to_string)
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.add(Relation::Subject, [&self.dataset]);
        mentions.place(Place::Source, self.sources.iter().flatten());
        mentions.place(Place::DerivedFrom, self.derived_from.iter().flatten());
        mentions.place(Place::Transform, &self.transform);
        mentions.place(Place::Split, self.splits.iter().flatten().flat_map(|split| &split.artifact));
        mentions.place(Place::SubsetOf, self.subset.iter().flat_map(|subset| &subset.of));
    }
}

impl Says for TransformPublished {
    fn subject(&self) -> Option<String> {
        self.name.as_ref().map(ToString::to_string)
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.add(Relation::Subject, [&self.artifact]);
        mentions.place(Place::Code, &self.code);
    }
}
