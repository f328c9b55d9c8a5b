//! Evaluations: measurements of a model, announced before they are made.
//!
//! Promises that numbers are exact and that evidence which could not be made is said. Never says whether a number is
//! good enough: that is the gate's part.

use super::{
    artifact::{Artifact, Input},
    lineage::{Mentions, Place, Relation, Says},
    names::{Code, Id, Name},
    object::{event, non_empty, object, words},
    values::{Count, Scalar, Table},
    violation::{EMPTY_SLICE, NO_OUTCOME},
};
use crate::{decimal::Decimal, digest::EventDigest};

/// The members that the two events of an evaluation share.
macro_rules! evaluation {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            required { $($required:tt)* }
            optional { $($optional:tt)* }
        }
    ) => {
        event! {
            $(#[$meta])*
            pub struct $name {
                required {
                    /// What the tool calls this evaluation; the same in both events.
                    evaluation_id: Id,
                    /// The model that is measured.
                    model: Artifact,
                    $($required)*
                }
                optional {
                    $($optional)*
                    /// The data that it is measured on, and whatever else goes in.
                    inputs: Vec<Input>,
                    /// The program that measures.
                    harness: Harness,
                    /// The preprocessing that the measurement runs through.
                    transform: Artifact,
                    /// The model that it is compared with.
                    baseline: Artifact,
                    /// The policy that it is made for.
                    policy: Artifact,
                    /// How often each measurement is made.
                    repeats: Count,
                    /// Its seeds, by library.
                    seeds: Table<Scalar>,
                }
            }
        }

        impl Says for $name {
            fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
                mentions.add(Relation::Subject, [&self.model]);
                mentions.inputs(self.inputs.as_ref());
                mentions.place(Place::Harness, self.harness.iter().flat_map(|harness| &harness.artifact));
                mentions.place(Place::Transform, &self.transform);
                mentions.place(Place::Baseline, &self.baseline);
                mentions.place(Place::Policy, &self.policy);
            }
        }
    };
}

evaluation! {
    /// `evaluation.started`: a measurement is going to be made.
    pub struct EvaluationStarted {
        required {}
        optional {}
    }
}

evaluation! {
    /// `evaluation.completed`: a measurement was made.
    pub struct EvaluationCompleted {
        required {
            /// What was found; at least one.
            #[serde(deserialize_with = "non_empty")]
            results: Vec<MetricResult>,
        }
        optional {}
    }
}

event! {
    /// `evaluation.retracted`: a measurement does not count.
    pub struct EvaluationRetracted {
        required {
            /// What the tool called the evaluation.
            evaluation_id: Id,
            /// The model that was measured.
            model: Artifact,
            /// Why: `wrong-data`, `harness-bug`.
            reason: Code,
        }
        optional {
            /// The one event that does not count; every event of this id up to now, where nothing is said.
            event: EventDigest,
        }
    }
}

impl Says for EvaluationRetracted {
    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.add(Relation::Subject, [&self.model]);
    }
}

object! {
    /// The program that measures.
    pub struct Harness {
        required {
            /// Its name.
            name: Name,
        }
        optional {
            /// Its version.
            version: Name,
            /// The program itself.
            artifact: Artifact,
        }
    }
}

object! {
    /// One number, over everything or over one slice; or why there is none.
    pub struct MetricResult [check: MetricResult::has_one_outcome] {
        required {
            /// What was measured: `auc`, `recall`.
            metric: Name,
        }
        optional {
            /// The number.
            value: Decimal,
            /// Why there is no number.
            missing: Missing,
            /// The part of the data that this is about; everything, where nothing is said.
            slice: Table<Name>,
            /// How many examples it was measured on.
            sample_size: Count,
            /// Where the true value lies.
            confidence_interval: ConfidenceInterval,
            /// How the value is meant to stand to the threshold.
            comparator: Comparator,
            /// What the producer compared with. A gate compares with its policy's own.
            threshold: Decimal,
        }
    }
}

impl MetricResult {
    fn has_one_outcome(&self) -> Result<(), &'static str> {
        if self.value.is_some() == self.missing.is_some() {
            return Err(NO_OUTCOME);
        }
        if self.slice.as_ref().is_some_and(|slice| slice.as_map().is_empty()) {
            return Err(EMPTY_SLICE);
        }
        Ok(())
    }
}

object! {
    /// Why there is no number.
    pub struct Missing {
        required {
            /// Why: `below-min-n`, `not-measured`.
            reason: Code,
        }
        optional {
            /// How many examples there were.
            n: Count,
        }
    }
}

object! {
    /// Where the true value lies.
    pub struct ConfidenceInterval {
        required {
            /// Its lower end.
            lower_bound: Decimal,
            /// Its upper end.
            upper_bound: Decimal,
        }
        optional {
            /// How sure: `0.95`.
            level: Decimal,
        }
    }
}

words! {
    /// How a value is meant to stand to a threshold.
    pub enum Comparator {
        /// Greater.
        Greater = "gt",
        /// Greater or equal.
        GreaterOrEqual = "gte",
        /// Less.
        Less = "lt",
        /// Less or equal.
        LessOrEqual = "lte",
        /// Equal.
        Equal = "eq",
    }
}
