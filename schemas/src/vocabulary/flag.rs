//! Flags: `artifact.flagged` says that an artifact is bad, `artifact.cleared` that it is not.
//!
//! Promises a digest for everything that is flagged: a place can come to hold other bytes. Never decides what becomes of
//! what was made from it: that is for answers and gates.

use super::{
    artifact::{Artifact, identified},
    lineage::{Mentions, Relation, Says},
    names::Code,
    object::{event, words},
    values::{Time, Uri},
};
use crate::digest::EventDigest;

event! {
    /// `artifact.flagged`: an artifact is bad, and since when.
    pub struct ArtifactFlagged {
        required {
            /// What is bad, with a digest: a file, a folder, or one file of a folder's listing.
            #[serde(deserialize_with = "identified")]
            artifact: Artifact,
            /// In which way.
            category: FlagCategory,
            /// Why: `label-flipping-found`, `licence-forbids-training`.
            justification: Code,
            /// Since when it is bad; where that is not known, since when it is known to be.
            known_since: Time,
        }
        optional {
            /// How much it matters; `error`, where nothing is said.
            severity: FlagSeverity,
            /// Where more is said about it.
            advisory: Uri,
        }
    }
}

words! {
    /// In which way an artifact is bad.
    pub enum FlagCategory {
        /// Somebody put something into it, to change what is learnt or answered.
        Poisoned = "poisoned",
        /// Its licence does not allow what it is used for.
        Licence = "licence",
        /// Somebody whose data it holds did not agree, or does not any more.
        Consent = "consent",
        /// It holds what it is measured on, or what nobody can know at the time of an answer.
        Leakage = "leakage",
        /// It is wrong, broken or incomplete.
        Quality = "quality",
        /// In another way, which the justification names.
        Other = "other",
    }
}

words! {
    /// How much a flag matters, least first.
    pub enum FlagSeverity {
        /// To be looked at.
        Warn = "warn",
        /// Not to be used.
        Error = "error",
    }
}

impl ArtifactFlagged {
    /// How much it matters.
    pub fn severity(&self) -> FlagSeverity {
        self.severity.unwrap_or(FlagSeverity::Error)
    }
}

event! {
    /// `artifact.cleared`: an artifact that was flagged is not bad.
    pub struct ArtifactCleared {
        required {
            /// What was flagged, with a digest.
            #[serde(deserialize_with = "identified")]
            artifact: Artifact,
            /// Why: `false-alarm`, `licence-granted`.
            justification: Code,
        }
        optional {
            /// The flag that is taken back; every flag of the artifact up to now, where nothing is said.
            flag: EventDigest,
        }
    }
}

impl Says for ArtifactFlagged {
    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.add(Relation::Subject, [&self.artifact]);
    }
}

impl Says for ArtifactCleared {
    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.add(Relation::Subject, [&self.artifact]);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Role, artifact::Strength, rule},
        *,
    };

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn flag(artifact: &str, more: &str) -> Result<ArtifactFlagged, serde_json::Error> {
        serde_json::from_str(&format!(
            r#"{{"artifact":{artifact},"category":"poisoned","justification":"labels-flipped",
                "knownSince":"2026-11-23T21:50:12Z"{more}}}"#
        ))
    }

    #[test]
    fn a_flag_names_bytes_and_says_how_surely() {
        let strength = |artifact: &str| flag(artifact, "").map(|flag| flag.artifact.strength());
        assert_eq!(strength(&format!(r#"{{"digest":{{"sha256":"{DIGEST}"}}}}"#)).unwrap(), Strength::Strong);
        assert_eq!(strength(r#"{"digest":{"mlflowDigest":"653f63f1"}}"#).unwrap(), Strength::Weak);
        assert!(strength(r#"{"uri":"s3://lake/part-0017"}"#).unwrap_err().to_string().contains("a place can change"));
    }

    #[test]
    fn a_flag_that_says_nothing_of_its_severity_is_an_error() {
        let severity = |more: &str| flag(r#"{"digest":{"md5":"x"}}"#, more).unwrap().severity();
        assert_eq!(severity(""), FlagSeverity::Error);
        assert_eq!(severity(r#","severity":"warn""#), FlagSeverity::Warn);
        assert!(FlagSeverity::Warn < FlagSeverity::Error);
    }
    #[test]
    fn whoever_makes_or_uses_data_flags_it_and_somebody_else_clears_it() {
        let may = |name: &str, role: Role| rule(name).unwrap().roles.contains(&role);
        for role in [Role::Data, Role::Trainer] {
            assert!(may("dev.lineal.artifact.flagged.v1", role) && !may("dev.lineal.artifact.cleared.v1", role));
        }
        assert!(may("dev.lineal.artifact.cleared.v1", Role::Approver));
    }
}
