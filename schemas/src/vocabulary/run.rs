//! Runs: training, fine-tuning, quantising, merging, indexing, batch scoring, from start to end.
//!
//! Promises that what was not recorded stays visible as unknown. Never holds command lines or values of the
//! environment. What was really used belongs on `run.completed`.

use super::{
    artifact::{Artifact, Input},
    evaluation::MetricResult,
    lineage::{Mentions, Place, Relation, Says},
    model::RunReference,
    names::{Code, Id, Name, PathName},
    object::{event, object, words},
    values::{Count, Json, Scalar, Table},
};

/// The members that the three events of a run share.
macro_rules! run {
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
                    /// What the tool calls this run.
                    run_id: Id,
                    /// What is run; the event's subject is `job/<namespace>/<name>`.
                    job: Job,
                    $($required)*
                }
                optional {
                    $($optional)*
                    /// What it is made from; answers read it on `run.completed` alone.
                    inputs: Vec<Input>,
                    /// Its settings, by name.
                    parameters: Table<Json>,
                    /// Its seeds, by library; `{"unknown": "not-recorded"}` says that nobody knows.
                    seeds: Table<Scalar>,
                    /// Its source code.
                    code: CodeState,
                    /// What it runs in.
                    environment: Environment,
                    /// What it runs on.
                    hardware: Hardware,
                    /// The run that this one belongs to, of a sweep for instance.
                    parent: RunReference,
                }
            }
        }

        impl $name {
            fn mention_circumstances<'a>(&'a self, mentions: &mut Mentions<'a>) {
                mentions.inputs(self.inputs.as_ref());
                mentions.place(Place::Code, self.code.iter().map(|code| &code.artifact));
                mentions.place(Place::Image, self.environment.iter().flat_map(|environment| &environment.image));
                mentions.place(Place::Lockfile, self.environment.iter().flat_map(|environment| &environment.lockfile));
            }
        }
    };
}

run! {
    /// `run.started`: a run begins.
    pub struct RunStarted {
        required {}
        optional {}
    }
}

run! {
    /// `run.completed`: a run ended, with what it made.
    pub struct RunCompleted {
        required {
            /// What it made; an empty list says nothing.
            outputs: Vec<Artifact>,
        }
        optional {
            /// What it measured by itself; evidence for a gate comes from evaluations.
            metrics: Vec<MetricResult>,
        }
    }
}

run! {
    /// `run.failed`: a run ended without a result, or was given up.
    pub struct RunFailed {
        required {}
        optional {
            /// Why: `out-of-memory`, `aborted`.
            error_code: Code,
        }
    }
}

object! {
    /// What is run again and again.
    pub struct Job {
        required {
            /// Whose it is.
            namespace: PathName,
            /// What it is called there.
            name: PathName,
            /// What it does.
            kind: JobKind,
        }
        optional {}
    }
}

words! {
    /// What a job does.
    pub enum JobKind {
        /// Fits weights from the start.
        Train = "train",
        /// Fits the weights of a model further.
        Finetune = "finetune",
        /// Makes weights smaller.
        Quantize = "quantize",
        /// Makes one model of several.
        Merge = "merge",
        /// Builds an index.
        Index = "index",
        /// Scores a batch.
        Score = "score",
        /// Makes data of data.
        Transform = "transform",
    }
}

object! {
    /// Source code as it was when it ran.
    pub struct CodeState {
        required {
            /// The repository and the commit.
            artifact: Artifact,
        }
        optional {
            /// Whether the work tree had changes that the commit does not have.
            dirty: bool,
        }
    }
}

object! {
    /// What a run runs in.
    pub struct Environment {
        required {}
        optional {
            /// The container image.
            image: Artifact,
            /// The list of exact package versions.
            lockfile: Artifact,
            /// Versions by name, of the runtime and of the libraries that matter.
            versions: Table<Name>,
        }
    }
}

object! {
    /// What a run runs on.
    pub struct Hardware {
        required {}
        optional {
            /// The accelerator's model.
            accelerator: Name,
            /// How many of it.
            count: Count,
            /// The driver's version.
            driver: Name,
            /// Whether deterministic algorithms were asked for.
            deterministic: bool,
        }
    }
}

impl Says for RunStarted {
    fn subject(&self) -> Option<String> {
        Some(self.job.subject())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        self.mention_circumstances(mentions);
    }
}

impl Says for RunCompleted {
    fn subject(&self) -> Option<String> {
        Some(self.job.subject())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.add(Relation::Output, &self.outputs);
        self.mention_circumstances(mentions);
    }
}

impl Says for RunFailed {
    fn subject(&self) -> Option<String> {
        Some(self.job.subject())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        self.mention_circumstances(mentions);
    }
}

impl Job {
    /// The subject of this job's runs.
    pub fn subject(&self) -> String {
        format!("job/{}/{}", self.namespace, self.name)
    }
}
