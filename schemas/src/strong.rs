//! Strong digests: what identities are joined on, in the 33 bytes that they are.
//!
//! Promises the same order and the same spelling as in-toto's names and digits have. Never is a weak digest, a commit or
//! a place: these join nothing. (docs/EVENTS.md, Artifacts)

use std::{fmt, str::FromStr as _};

use crate::{
    digest::EventDigest,
    vocabulary::artifact::{Artifact, DigestSet},
};

/// How a digest of the full content is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StrongKind {
    /// `dirHash`: of a tree, by its listing.
    DirHash,
    /// `sha256`: of a file's bytes.
    Sha256,
}

impl StrongKind {
    /// Both, sorted by name.
    pub const ALL: [Self; 2] = [Self::DirHash, Self::Sha256];

    /// in-toto's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DirHash => "dirHash",
            Self::Sha256 => "sha256",
        }
    }

    /// The kind of that name; nothing of weak ones.
    pub fn of(algorithm: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == algorithm)
    }
}

/// A digest of the full content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrongDigest {
    /// How it is made.
    pub kind: StrongKind,
    /// Its 32 bytes.
    pub bytes: [u8; 32],
}

impl StrongDigest {
    /// A digest by the name of how it was made and its hexadecimal digits; nothing where it is not strong.
    pub fn of(algorithm: &str, hex: &str) -> Option<Self> {
        let kind = StrongKind::of(algorithm)?;
        Some(Self { kind, bytes: *EventDigest::from_str(hex).ok()?.as_bytes() })
    }

    /// The strong digests of an artifact in one event, sorted.
    pub fn all_of(artifact: &Artifact) -> impl Iterator<Item = Self> + '_ {
        artifact.digest.iter().flat_map(DigestSet::strong)
    }

    /// in-toto's name of how it was made.
    pub const fn algorithm(&self) -> &'static str {
        self.kind.as_str()
    }

    /// Its 64 lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        let mut digits = vec![0; 64];
        // Into a place of its own length, which never fails; `hex::encode` goes by characters, and is ten times slower.
        let written = hex::encode_to_slice(self.bytes, &mut digits);
        debug_assert!(written.is_ok(), "64 digits are 32 bytes");
        String::from_utf8(digits).unwrap_or_default()
    }
}

impl fmt::Display for StrongDigest {
    /// As a question spells it: `sha256:…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), EventDigest::from_bytes(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::artifact::Strength;

    #[test]
    fn what_is_strong_is_what_the_vocabulary_calls_strong() {
        for algorithm in ["sha256", "dirHash", "omsRoot", "gitCommit", "md5", "s3Version", "SHA256", ""] {
            let is_strong = Strength::of(algorithm) == Strength::Strong;
            assert_eq!(StrongDigest::of(algorithm, &"ab".repeat(32)).is_some(), is_strong, "{algorithm}");
        }
        for hex in ["", "ab", &"AB".repeat(32), &"zz".repeat(32)] {
            assert_eq!(StrongDigest::of("sha256", hex), None, "{hex}");
        }
    }

    #[test]
    fn they_are_spelled_and_sorted_as_their_names_and_digits_are() {
        let spelled = |algorithm: &str, pair: &str| format!("{algorithm}:{}", pair.repeat(32));
        let all =
            [spelled("dirHash", "00"), spelled("dirHash", "f0"), spelled("sha256", "0a"), spelled("sha256", "a0")];
        let read: Vec<_> = all
            .iter()
            .filter_map(|text| text.split_once(':'))
            .map(|(name, hex)| StrongDigest::of(name, hex).unwrap())
            .collect();
        assert!(read.is_sorted());
        assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), all);
    }
}
