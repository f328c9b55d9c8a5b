//! Decisions of the gate: `gate.decided`.
//!
//! Promises everything that it takes to make the same verdict again from the record: what was asked, under which policy, at
//! which size and moment. Never the evidence itself: that is what the record is for.

use super::{
    deployment::ServedSet,
    lineage::{Mentions, Says},
    names::{Code, Id, Name, PolicyName, ServiceName, Text},
    object::{event, non_empty, object, words},
    values::{Count, Sha256Hex, Time},
};
use crate::digest::EventDigest;

/// The most events that a decision lists as its inputs; the verdict's document lists all of them.
pub const MAX_INPUTS: usize = 1000;

event! {
    /// `gate.decided`: a gate decided whether something may run somewhere.
    pub struct GateDecided {
        required {
            /// Where it would run; the event's subject.
            service: ServiceName,
            /// What was asked about: the serving set, of at least one part.
            #[serde(deserialize_with = "non_empty")]
            serving_set: Vec<ServedSet>,
            /// What was decided.
            verdict: GateVerdict,
            /// How much of the record was judged: its first so many entries.
            tree_size: Count,
            /// The moment that ages and ends are counted at.
            judged_at: Time,
            /// SHA-256 of the verdict's bytes, which anybody with the record makes again.
            document: Sha256Hex,
        }
        optional {
            /// The policy that was applied; absent where none was found.
            policy: GatePolicy,
            /// What was observed running there then; an empty list says that nothing was.
            incumbent: Vec<ServedSet>,
            /// Every event that the decision rests on; absent where they are more than [`MAX_INPUTS`].
            inputs: Vec<EventDigest>,
            /// Why not: the rules that did not pass.
            reasons: Vec<GateReason>,
            /// Who breaks the glass all the same: the verdict stays what it is.
            overridden: GateOverride,
            /// Through what it was asked: `cli`, `http`, `kubernetes`.
            door: Code,
            /// What asked, as its tool calls it: the `uid` of an admission request.
            request: Id,
        }
    }
}

words! {
    /// What a gate decides.
    pub enum GateVerdict {
        /// It may run.
        Allow = "allow",
        /// It may not.
        Deny = "deny",
        /// The gate could not tell: never a yes.
        Undecided = "undecided",
    }
}

words! {
    /// What became of a rule that did not simply pass.
    pub enum RuleOutcome {
        /// The evidence says no.
        Fail = "fail",
        /// There is no evidence either way.
        NoEvidence = "no-evidence",
        /// It did not pass, and a waiver says that it is not asked for.
        Waived = "waived",
    }
}

object! {
    /// A policy, by its name and its bytes.
    pub struct GatePolicy {
        required {
            /// What it is called.
            name: PolicyName,
            /// SHA-256 of its text.
            sha256: Sha256Hex,
        }
        optional {}
    }
}

object! {
    /// A rule that did not pass.
    pub struct GateReason {
        required {
            /// Which, as verdicts name it: `metric/recall[country=BR]`.
            rule: Name,
            /// What became of it.
            outcome: RuleOutcome,
            /// What was wanted and what was found.
            reason: Text,
        }
        optional {}
    }
}

object! {
    /// A broken glass.
    pub struct GateOverride {
        required {
            /// The `waiver.granted` that breaks it.
            waiver: EventDigest,
            /// Why.
            reason: Code,
            /// Until when.
            expires: Time,
        }
        optional {}
    }
}

impl Says for GateDecided {
    fn subject(&self) -> Option<String> {
        Some(self.service.to_string())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.serving(&self.serving_set);
        mentions.serving(self.incumbent.as_deref().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Payload, Signer, rule};

    #[test]
    fn a_decision_is_about_its_service_and_names_what_was_judged_and_what_ran() {
        let set = r#"[{"components":[{"role":"model","artifact":{"uri":"s3://m/1"}}]}]"#;
        let text = format!(
            r#"{{"service":"service/payments/fraud@eu-1/prod","servingSet":{set},"verdict":"deny","treeSize":17,
                "judgedAt":"2026-11-23T21:50:12Z","document":"{}","incumbent":{set}}}"#,
            "ab".repeat(32)
        );
        let decided = Payload::parse("dev.lineal.gate.decided.v1", &text).unwrap();
        assert_eq!(decided.required_subject().as_deref(), Some("service/payments/fraud@eu-1/prod"));
        assert_eq!(decided.artifacts().len(), 2);
        assert!(Payload::parse("dev.lineal.gate.decided.v1", &text.replace("deny", "maybe")).is_err());
        assert!(Payload::parse("dev.lineal.gate.decided.v1", &text.replacen(set, "[]", 1)).is_err());
    }

    #[test]
    fn the_ledger_may_decide_by_itself() {
        assert_eq!(rule("dev.lineal.gate.decided.v1").unwrap().signer, Signer::ProducerOrLedger);
    }
}
