//! Artifacts: what events say things about, named by digest, as in-toto's `ResourceDescriptor`.
//!
//! Promises that every artifact has a digest or at least a URI, and that a digest whose name fixes its form has it.
//! Never compares contents: a digest is what somebody declared, and [`Strength`] says what it is good for.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    lineage::{Mentions, Relation, Says},
    names::{Code, Name, TextError, is_ascii_of},
    object::{event, object, words},
    values::{Count, JsonObject, MediaType, Pairs, Sha256Hex, Uri, is_commit, is_hex},
    violation::NO_IDENTITY,
};
use crate::strong::{StrongDigest, StrongKind};

object! {
    /// Something that has bytes: a data set, a model, code, an image.
    pub struct Artifact [check: Artifact::has_identity] {
        required {}
        optional {
            /// What it is called here.
            name: Name,
            /// Where it is.
            uri: Uri,
            /// What it is, by the name of how each digest was made.
            digest: DigestSet,
            /// Its media type.
            media_type: MediaType,
            /// Where to fetch it, where that is not the URI.
            download_location: Uri,
            /// Whatever the producer wants to add.
            annotations: JsonObject,
        }
    }
}

impl Artifact {
    fn has_identity(&self) -> Result<(), &'static str> {
        if self.uri.is_some() || self.digest.is_some() { Ok(()) } else { Err(NO_IDENTITY) }
    }

    /// How much its digests prove.
    pub fn strength(&self) -> Strength {
        self.digests().map(|(algorithm, _)| Strength::of(algorithm)).max().unwrap_or(Strength::Pointer)
    }

    /// Its digests, as (name of how it was made, digest), sorted by name.
    pub fn digests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.digest.iter().flat_map(DigestSet::iter)
    }

    /// The digests that identities are joined on: full-content SHA-256 of a file or of a tree.
    pub fn strong_digests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.digests().filter(|(algorithm, _)| Strength::of(algorithm) == Strength::Strong)
    }
}

/// Reads an artifact that has a digest of its full content.
pub(super) fn strong<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Artifact, D::Error> {
    let artifact = Artifact::deserialize(deserializer)?;
    match artifact.strength() {
        Strength::Strong => Ok(artifact),
        _ => Err(de::Error::custom("expected a digest of the full content, `sha256` or `dirHash`")),
    }
}

/// Reads an artifact that has an address.
pub(super) fn located<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Artifact, D::Error> {
    let artifact = Artifact::deserialize(deserializer)?;
    if artifact.uri.is_some() { Ok(artifact) } else { Err(de::Error::custom("expected a place, a `uri`")) }
}

/// Reads an artifact that has a digest.
pub(super) fn identified<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Artifact, D::Error> {
    let artifact = Artifact::deserialize(deserializer)?;
    if artifact.digest.is_some() {
        Ok(artifact)
    } else {
        Err(de::Error::custom("expected a digest: a place can change"))
    }
}

words! {
    /// What a digest is good for, weakest first.
    pub enum Strength {
        /// Says where, not what: a URI, a commit id, a version of a store.
        Pointer = "pointer",
        /// Covers part of the content, or is made with a broken hash.
        Weak = "weak",
        /// SHA-256 over the full content.
        Strong = "strong",
    }
}

impl Strength {
    /// The strength of a digest by the name of how it was made.
    pub fn of(algorithm: &str) -> Self {
        match algorithm {
            "sha256" | "dirHash" => Self::Strong,
            "gitCommit" | "gitTree" => Self::Pointer,
            other if other.ends_with("Commit") || other.ends_with("Version") => Self::Pointer,
            _ => Self::Weak,
        }
    }
}

/// Digests of one artifact by in-toto's names; at least one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DigestSet {
    /// Names and digests, sorted by name, each name once.
    digests: Box<[(String, String)]>,
    /// Those of the full content, read once: everything that joins asks for them again and again.
    strong: [Option<StrongDigest>; StrongKind::ALL.len()],
}

impl DigestSet {
    /// Takes digests by name, at least one.
    pub fn new(digests: BTreeMap<String, String>) -> Result<Self, TextError> {
        Self::of_sorted(digests.into_iter().collect())
    }

    fn of_sorted(digests: Vec<(String, String)>) -> Result<Self, TextError> {
        if digests.is_empty() {
            return Err(TextError::new("at least one digest", ""));
        }
        let mut strong = [None; StrongKind::ALL.len()];
        for (algorithm, digest) in &digests {
            match StrongKind::ALL.iter().position(|kind| kind.as_str() == algorithm).and_then(|at| strong.get_mut(at)) {
                Some(place) => {
                    let read = StrongDigest::of(algorithm, digest);
                    *place = Some(read.ok_or_else(|| TextError::new(Sha256Hex::RULE, digest))?);
                }
                None => check_digest(algorithm, digest)?,
            }
        }
        Ok(Self { digests: digests.into(), strong })
    }

    /// The digest of that name.
    pub fn get(&self, algorithm: &str) -> Option<&str> {
        self.iter().find(|(name, _digest)| *name == algorithm).map(|(_name, digest)| digest)
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.digests.iter().map(|(algorithm, digest)| (algorithm.as_str(), digest.as_str()))
    }

    /// Those of the full content, sorted.
    pub fn strong(&self) -> impl Iterator<Item = StrongDigest> + use<> {
        self.strong.into_iter().flatten()
    }
}

/// A digest that is not of the full content.
fn check_digest(algorithm: &str, digest: &str) -> Result<(), TextError> {
    let named = algorithm.starts_with(|first: char| first.is_ascii_lowercase())
        && is_ascii_of(algorithm, 64, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !named {
        return Err(TextError::new("a digest name like `sha256` or `gitCommit`", algorithm));
    }
    let (rule, fits) = match algorithm {
        "omsRoot" => (Sha256Hex::RULE, is_hex(digest, &[64])),
        "gitCommit" | "gitTree" => ("40 or 64 lower-case hexadecimal digits", is_commit(digest)),
        _ => ("1 to 256 printable ASCII characters", is_ascii_of(digest, 256, |byte| byte.is_ascii_graphic())),
    };
    if fits { Ok(()) } else { Err(TextError::new(rule, digest)) }
}

impl Serialize for DigestSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for DigestSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digests = deserializer.deserialize_map(Pairs(std::marker::PhantomData))?;
        Self::of_sorted(digests).map_err(de::Error::custom)
    }
}

object! {
    /// Bytes beside the record, addressed by digest.
    pub struct Attachment {
        required {
            /// What it is to the event: `listing`, `lockfile`, `diff`, `card`, `original`.
            role: Code,
            /// Of its bytes.
            digest: AttachmentDigest,
            /// Its length in bytes.
            size: Count,
        }
        optional {
            /// Its media type.
            media_type: MediaType,
        }
    }
}

object! {
    /// The digest of an attachment: always SHA-256 of its bytes.
    pub struct AttachmentDigest {
        required {
            /// 64 hexadecimal digits.
            sha256: Sha256Hex,
        }
        optional {}
    }
}

object! {
    /// One attempt of the tool that speaks.
    pub struct Origin {
        required {
            /// The tool: `github-actions`, `gitlab`, `airflow`, `kubeflow`, `notebook`, `cli`.
            kind: Code,
        }
        optional {
            /// The pipeline, as the tool names it.
            workflow: Name,
            /// Which run of it.
            run_number: Count,
            /// Which attempt of that run.
            attempt: Count,
            /// Where to look at it.
            url: Uri,
        }
    }
}

object! {
    /// An artifact that something was made or measured with.
    pub struct Input {
        required {
            /// The artifact.
            artifact: Artifact,
            /// What it was used as.
            role: InputRole,
        }
        optional {
            /// What it had influence on, where that is not what its role implies.
            influence: Influence,
            /// How the producer knows; declared, where nothing is said.
            basis: Basis,
        }
    }
}

impl Input {
    /// What it had influence on: as stated, else as its role implies.
    pub fn influence(&self) -> Influence {
        self.influence.unwrap_or_else(|| self.role.implies())
    }

    /// How the producer knows.
    pub fn basis(&self) -> Basis {
        self.basis.unwrap_or(Basis::Declared)
    }
}

words! {
    /// What an input was used as.
    pub enum InputRole {
        /// Data that weights were fitted to.
        Training = "training",
        /// Data that settings were chosen on.
        Validation = "validation",
        /// Held-out data.
        Test = "test",
        /// Data of a measurement.
        Evaluation = "evaluation",
        /// Data to compare with.
        Reference = "reference",
        /// Data of quantisation or of probability calibration.
        Calibration = "calibration",
        /// A snapshot of features.
        Features = "features",
        /// Documents of an index.
        Corpus = "corpus",
        /// The model that was fine-tuned.
        BaseModel = "base-model",
        /// A model that was merged, quantised or converted.
        SourceModel = "source-model",
        /// An adapter (`LoRA` and the like).
        Adapter = "adapter",
        /// The teacher of a distillation.
        Teacher = "teacher",
        /// The model that answered or scored.
        Model = "model",
        /// A tokenizer.
        Tokenizer = "tokenizer",
        /// A preprocessor.
        Preprocessor = "preprocessor",
        /// A retrieval index.
        Index = "index",
        /// A prompt.
        Prompt = "prompt",
        /// Source code.
        Code = "code",
        /// An image or a lockfile.
        Environment = "environment",
    }
}

impl InputRole {
    /// What an input of this role has influence on, where nothing is said. Data that settings were chosen on counts
    /// as an influence on the weights: poisoned validation data choose a poisoned model.
    pub const fn implies(self) -> Influence {
        match self {
            Self::Test | Self::Evaluation | Self::Reference => Influence::Measurement,
            Self::Index | Self::Corpus | Self::Prompt | Self::Model => Influence::Serving,
            _ => Influence::Weights,
        }
    }

    /// Whether it is data: what something was fitted to, chosen on, measured on or indexed from, and not what that was done
    /// with.
    pub const fn is_data(self) -> bool {
        matches!(
            self,
            Self::Training
                | Self::Validation
                | Self::Test
                | Self::Evaluation
                | Self::Reference
                | Self::Calibration
                | Self::Features
                | Self::Corpus
        )
    }
}

words! {
    /// What an input had influence on. Ancestry and flags follow `weights` and `serving`.
    pub enum Influence {
        /// On what was learnt.
        Weights = "weights",
        /// On what is answered.
        Serving = "serving",
        /// On what was measured only.
        Measurement = "measurement",
    }
}

words! {
    /// How the producer knows.
    pub enum Basis {
        /// Somebody configured or said it.
        Declared = "declared",
        /// It was seen happening.
        Observed = "observed",
    }
}

event! {
    /// `artifact.equated`: two artifacts are the same thing in two forms.
    pub struct ArtifactEquated {
        required {
            /// The one, with a digest.
            #[serde(deserialize_with = "identified")]
            a: Artifact,
            /// The other, with a digest.
            #[serde(deserialize_with = "identified")]
            b: Artifact,
            /// Why they are the same: `oci-unpacked`, `copied`, `converted-lossless`.
            method: Code,
        }
        optional {
            /// How the producer knows.
            basis: Basis,
        }
    }
}

event! {
    /// `artifact.located`: bytes are at a place.
    pub struct ArtifactLocated {
        required {
            /// Which bytes.
            artifact: Artifact,
            /// The place.
            uri: Uri,
        }
        optional {
            /// The store's own version of the object at that place.
            version_id: Name,
            /// Whether the place can come to hold other bytes.
            mutable: bool,
        }
    }
}

event! {
    /// `artifact.destroyed`: bytes are no longer at a place.
    pub struct ArtifactDestroyed {
        required {
            /// Which bytes.
            artifact: Artifact,
            /// The place.
            uri: Uri,
        }
        optional {
            /// The store's own version of the object at that place.
            version_id: Name,
            /// Why: `retention`, `erasure-request`.
            reason: Code,
        }
    }
}

impl Says for ArtifactEquated {
    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.add(Relation::Same, [&self.a, &self.b]);
    }
}

impl Says for ArtifactLocated {
    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.add(Relation::Subject, [&self.artifact]);
    }
}

impl Says for ArtifactDestroyed {
    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.add(Relation::Subject, [&self.artifact]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests were a map, which kept names apart and in order by itself. They are a sorted list now, so that both is ours.
    #[test]
    fn digests_are_sorted_whatever_their_order_and_no_name_stands_twice() {
        let (one, other, commit) = ("a0".repeat(32), "b1".repeat(32), "c2".repeat(20));
        let read = |text: &str| serde_json::from_str::<DigestSet>(text);
        let digests = read(&format!(r#"{{"sha256":"{one}","gitCommit":"{commit}","dirHash":"{other}"}}"#)).unwrap();
        let sorted = format!(r#"{{"dirHash":"{other}","gitCommit":"{commit}","sha256":"{one}"}}"#);
        assert_eq!(serde_json::to_string(&digests).unwrap(), sorted);
        assert_eq!(digests, read(&sorted).unwrap());
        assert_eq!((digests.get("sha256"), digests.get("md5")), (Some(one.as_str()), None));
        let strong: Vec<_> = digests.strong().collect();
        let of = |algorithm, hex| StrongDigest::of(algorithm, hex).unwrap();
        assert_eq!(strong, [of("dirHash", &other), of("sha256", &one)]);
        for refused in [
            format!(r#"{{"sha256":"{one}","sha256":"{one}"}}"#),
            format!(r#"{{"sha256":"{one}","gitCommit":"{commit}","sha256":"{other}"}}"#),
            format!(r#"{{"sha256":"{}"}}"#, one.to_uppercase()),
            format!(r#"{{"dirHash":"{commit}"}}"#),
            "{}".to_owned(),
        ] {
            assert!(read(&refused).is_err(), "{refused}");
        }
    }
}
