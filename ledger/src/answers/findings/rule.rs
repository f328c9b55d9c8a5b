//! The rules: a name each, how much it matters, what it says in words, and how to mend what it finds.
//!
//! A name is never used again for another rule.

use serde::{Deserialize, Serialize};

use super::Severity;

macro_rules! rules {
    ($($(#[$meta:meta])* $rule:ident = $id:literal, $severity:ident, $words:literal, $mend:literal;)*) => {
        /// What a finding is found by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Rule {
            $($(#[$meta])* #[serde(rename = $id)] $rule,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$rule,)*];

            /// Its name, as findings spell it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$rule => $id,)* }
            }

            /// How much what it finds matters; a flag that only warns matters less.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$rule => Severity::$severity,)* }
            }

            /// What it says, in words.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$rule => $words,)* }
            }

            /// How to mend what it finds.
            pub const fn mend(self) -> &'static str {
                match self { $(Self::$rule => $mend,)* }
            }
        }
    };
}

rules! {
    /// Flagged data or artifacts are under what is live.
    LiveOnFlaggedData = "live-on-flagged-data", Critical,
        "what serves is flagged, or was made from something that is",
        "serve something else, or clear the flag if it is wrong (`lineal-emit clear`)";
    /// What runs calls itself what was asked for, and is other bytes.
    DigestMismatch = "digest-mismatch", Critical,
        "what was seen has the name, version or place of what was asked for, and another digest",
        "find out who put other bytes there; ask for artifacts by digest";
    /// It runs, and the gate has refused it.
    ObservedAfterRefusal = "observed-after-refusal", Critical,
        "a part of what was seen was refused by the gate, and not allowed since",
        "put back what was admitted (`lineal rollback-plan`), or find the evidence that is missing (`lineal gate`)";
    /// It runs, and nobody asked for it.
    ObservedNeverRequested = "observed-never-requested", High,
        "a part of what was seen was never asked for at this service, by a request or a rollback",
        "find out by which door it came; ask for it, or for what should run instead";
    /// It runs, and the gate has let nobody through.
    ObservedNeverAdmitted = "observed-never-admitted", High,
        "a part of what was seen runs where the gate is asked, and the gate never decided about it",
        "find out by which door it came; ask the gate about it (`lineal gate --record`), and put back what was admitted";
    /// It runs because somebody broke the glass.
    AdmittedByOverride = "admitted-by-override", High,
        "a part of what was seen was denied, and runs because somebody broke the glass",
        "find the evidence that is missing, or put back what was admitted, before the time ends";
    /// It was judged on what was known long before.
    DecidedOnOldRecord = "decided-on-old-record", High,
        "a live part was admitted by a verdict over the record as it was more than 25 minutes before",
        "ask the gate again about it (`lineal gate --record`); find out who had an old record judged";
    /// A rollback was declared, and what it left is back.
    RollbackUndone = "rollback-undone", High,
        "a rollback was declared after the request that stands, and what that request asks for runs again",
        "ask for what the rollback restored, so that the request that stands is the right one";
    /// A version means two things.
    VersionWithTwoDigests = "version-with-two-digests", High,
        "a name and version of something that serves was given to artifacts with different digests",
        "register the other one under a version of its own, or equate the two if they are the same";
    /// It was measured on what it was made from.
    EvaluatedOnTrainingData = "evaluated-on-training-data", High,
        "data of an evaluation is in the ancestry of the model that it measures",
        "measure on data that the model was not made from; what was measured proves little";
    /// It serves behind another transform than it was trained behind.
    TransformDiffers = "transform-differs", High,
        "a transform that serves beside a model differs from the one of its training",
        "serve the transform of the training, or train again behind the one that serves";
    /// Somebody else may have said it.
    SuspectKey = "suspect-key", High,
        "an event that what runs rests on was signed by a key that may have been somebody else's by then",
        "ask `lineal key-impact` what else rests on it; have it said again by a sound key";
    /// The observer is overdue.
    ObserverSilent = "observer-silent", High,
        "the next observation is overdue: what runs is unknown",
        "look after the observer; nothing is known of the service until it speaks";
    /// It was asked for and does not run.
    RequestedNeverObserved = "requested-never-observed", Medium,
        "what the standing request asks for was not seen within 15 minutes of it, nor since",
        "find out why it did not come up, or ask for what runs";
    /// It was admitted, and does not run.
    AdmittedNeverObserved = "admitted-never-observed", Medium,
        "what the gate let through last was not seen within 15 minutes of it, nor since",
        "find out why it did not come up; what was admitted and waits may go live at any time";
    /// The rules were made when the numbers were known.
    PolicyAfterEvaluation = "policy-after-evaluation", Medium,
        "the policy that a live part was decided by was registered after the first evaluation that it judged",
        "register a policy before anything is measured; `registered_before = true` makes the gate ask for it";
    /// It cannot be traced.
    LineageBroken = "lineage-broken", Medium,
        "something of what a live model was made from is missing: flags on it would not be seen",
        "record the missing run or snapshot (`lineal trace` names it)";
    /// What runs can change without a trace.
    WeakIdentity = "weak-identity", Medium,
        "a component in production is known by no digest of its full content, or can move under the service",
        "deploy by digest, and have the observer report it";
    /// An evaluation was made until it passed, perhaps.
    RepeatedEvaluation = "repeated-evaluation", Medium,
        "the same evaluation of a live model was made more than once",
        "look at every result, not at the last one";
    /// A measurement was announced and never reported.
    EvaluationWithoutResult = "evaluation-without-result", Medium,
        "an evaluation of a live model was announced more than a day ago, and has no result",
        "record the result, whatever it is";
    /// Numbers of a source never arrived.
    ProducerGap = "producer-gap", Medium,
        "numbers of a source are missing below its last one: events were withheld or lost",
        "have the producer send what its outbox holds (`lineal-emit flush`)";
    /// The gate is used, but not here.
    Ungated = "ungated", Low,
        "policies are registered, and none speaks for a service that runs in this environment, nor was the gate asked",
        "register a policy that speaks for it (`lineal-emit policy`)";
    /// Events came long after they happened.
    LateArrival = "late-arrival", Low,
        "events arrived an hour or more after they happened: answers given between did not know them",
        "look after the producer's way to the ledger";
}
