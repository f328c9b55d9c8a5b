//! Policies, and the decisions of people about them: `policy.registered`, `approval.granted`, `approval.refused`,
//! `waiver.granted`.
//!
//! Promises that a policy's whole text is in the signed event, so that a verdict can be made again from the record alone.
//! Never reads that text: whether it is a policy at all, the gate says.

use super::{
    artifact::{Artifact, strong},
    lineage::{Mentions, Relation, Says},
    names::{Code, Id, Name, PolicyName, ServiceName, is_hidden},
    object::{event, text},
    values::{Sha256Hex, Time},
};
use crate::digest::sha256;

/// The longest policy, in characters: an event has 256 KiB, and a character up to six bytes in it.
pub const MAX_POLICY: usize = 32_768;

/// The rule that a waiver names to break the glass: the whole verdict, where the policy has an `[override]`.
pub const OVERRIDE: &str = "override";

fn is_policy_text(text: &str) -> bool {
    let fits = |c: char| !is_hidden(c) || matches!(c, '\n' | '\t');
    !text.is_empty() && text.chars().count() <= MAX_POLICY && text.chars().all(fits)
}

text! {
    /// A policy's text: lines of TOML.
    pub struct PolicyText; "1 to 32768 characters, of control characters only newline and tab", is_policy_text
}

impl PolicyText {
    /// SHA-256 of its bytes: what verdicts and waivers call the policy by.
    pub fn digest(&self) -> String {
        hex::encode(sha256(self.as_str().as_bytes()))
    }
}

event! {
    /// `policy.registered`: what a gate asks for, from now on.
    pub struct PolicyRegistered {
        required {
            /// What it is called; the event's subject, and the `name` in its text.
            policy: PolicyName,
            /// The policy itself, TOML. Its SHA-256 is the policy's digest.
            text: PolicyText,
        }
        optional {}
    }
}

event! {
    /// `approval.granted`: somebody who may says yes to something running somewhere.
    pub struct ApprovalGranted {
        required {
            /// Where it may run; the event's subject.
            service: ServiceName,
            /// What may run, with a digest of the full content.
            #[serde(deserialize_with = "strong")]
            artifact: Artifact,
            /// As what they approve, in a policy's words: `model-risk`.
            role: Code,
        }
        optional {
            /// Under which conditions; one that a policy does not accept is no approval for it.
            conditions: Vec<Code>,
            /// Until when it counts; for good, where nothing is said.
            expires: Time,
            /// Why.
            reason: Code,
        }
    }
}

event! {
    /// `approval.refused`: somebody who may approve says no.
    pub struct ApprovalRefused {
        required {
            /// Where it may not run; the event's subject.
            service: ServiceName,
            /// What may not run, with a digest of the full content.
            #[serde(deserialize_with = "strong")]
            artifact: Artifact,
            /// As what they refuse, in a policy's words: `model-risk`.
            role: Code,
        }
        optional {
            /// Why.
            reason: Code,
        }
    }
}

event! {
    /// `waiver.granted`: a rule of a policy is not asked for, of one thing, for a time.
    pub struct WaiverGranted {
        required {
            /// Where; the event's subject.
            service: ServiceName,
            /// Of what, with a digest of the full content.
            #[serde(deserialize_with = "strong")]
            artifact: Artifact,
            /// The digest of the policy's text.
            policy: Sha256Hex,
            /// Which rule, as verdicts name it; [`OVERRIDE`] breaks the glass, where the policy allows that.
            rule: Name,
            /// Why.
            reason: Code,
            /// Until when it counts.
            expires: Time,
        }
        optional {
            /// The incident that caused it.
            incident: Id,
        }
    }
}

impl Says for PolicyRegistered {
    fn subject(&self) -> Option<String> {
        Some(self.policy.to_string())
    }
}

/// What is said about an artifact at a service.
macro_rules! at_a_service {
    ($($name:ident),*) => {
        $(
            impl Says for $name {
                fn subject(&self) -> Option<String> {
                    Some(self.service.to_string())
                }

                fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
                    mentions.add(Relation::Subject, [&self.artifact]);
                }
            }
        )*
    };
}

at_a_service!(ApprovalGranted, ApprovalRefused, WaiverGranted);

impl WaiverGranted {
    /// Whether it breaks the glass: the whole verdict, and no single rule.
    pub fn is_override(&self) -> bool {
        self.rule.as_str() == OVERRIDE
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Payload, Role, rule},
        *,
    };

    #[test]
    fn the_digest_of_a_policy_is_that_of_its_text() {
        let text: PolicyText = "abc".parse().unwrap();
        assert_eq!(text.digest(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_policy_has_lines_and_hides_nothing() {
        for right in ["schema = 1\n\tname = \"x\"\n", &"é".repeat(MAX_POLICY)] {
            assert!(right.parse::<PolicyText>().is_ok());
        }
        for wrong in ["", "a\r\nb", "a\u{202e}b", "a\0", &"a".repeat(MAX_POLICY + 1)] {
            assert!(wrong.parse::<PolicyText>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn whoever_trains_or_measures_neither_approves_nor_waives() {
        for name in ["policy.registered", "approval.granted", "approval.refused", "waiver.granted"] {
            let roles = rule(&format!("dev.lineal.{name}.v1")).unwrap().roles;
            assert!(roles.contains(&Role::Approver), "{name}");
            for role in [Role::Data, Role::Trainer, Role::Evaluator, Role::Deployer, Role::Observer, Role::Enroller] {
                assert!(!roles.contains(&role), "{name}: {role}");
            }
        }
    }

    #[test]
    fn an_approval_is_of_bytes() {
        let text = r#"{"service":"service/payments/fraud@eu-1/prod","artifact":{"uri":"s3://m"},"role":"model-risk"}"#;
        let error = Payload::parse("dev.lineal.approval.granted.v1", text).unwrap_err();
        assert!(error.to_string().contains("a digest of the full content"), "{error}");
    }
}
