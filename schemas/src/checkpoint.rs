//! C2SP checkpoints: origin, size and root of the tree, signed as a note. Every batch of the record ends with one.
//!
//! Promises three lines and no more: extension lines are refused, because cosigners disagree on whether they cover
//! them, and the root commits to everything already. Never checks a proof: see [`crate::merkle`].
//! (C2SP tlog-checkpoint v1.0.0; docs/FORMAT.md, Checkpoints)

use std::fmt;

use crate::{
    digest::RootHash,
    key::SecretKey,
    merkle::empty_root,
    note::{self, KeyKind, Note, NoteError, Verified, VerifierKey, is_key_name},
    spelling::{has_leading_zero, parse_hash, parse_integer, print_base64},
};

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text does not end in a newline.
    #[error("checkpoint does not end in a newline")]
    Unterminated,
    /// Fewer than three lines.
    #[error("checkpoint has {0} of its three lines")]
    MissingLine(usize),
    /// More than three lines.
    #[error("checkpoint has an extension line `{0}`")]
    Extension(String),
    /// Not something that can be the name of a key.
    #[error("impossible origin `{0}`")]
    Origin(String),
    /// A zero before the size.
    #[error("size `{0}` has a leading zero")]
    LeadingZero(String),
    /// Not a decimal of at most 64 bits.
    #[error("size `{0}` is not a decimal below 2^64")]
    MalformedSize(String),
    /// Not the base64 of 32 bytes.
    #[error("root `{0}` is not the base64 of 32 bytes")]
    MalformedRoot(String),
    /// Size 0 with the root of some other tree.
    #[error("size is 0 but the root is not that of the empty tree")]
    EmptyTreeRoot,
    /// Verified, but by cosigners alone.
    #[error("no known key of the log `{0}` has signed")]
    NotByLog(String),
}

impl CheckpointError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Note(error) => error.code(),
            Self::Unterminated => "checkpoint-unterminated",
            Self::MissingLine(_) => "checkpoint-missing-line",
            Self::Extension(_) => "checkpoint-extension",
            Self::Origin(_) => "checkpoint-origin",
            Self::LeadingZero(_) => "checkpoint-leading-zero",
            Self::MalformedSize(_) => "checkpoint-malformed-size",
            Self::MalformedRoot(_) => "checkpoint-malformed-root",
            Self::EmptyTreeRoot => "checkpoint-empty-tree-root",
            Self::NotByLog(_) => "checkpoint-not-by-log",
        }
    }
}

/// The tree at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger's name, which is also its key's name.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The Merkle root over them.
    pub root: RootHash,
}

impl Checkpoint {
    /// Reads a checkpoint's text, with its last newline and without signatures.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Unterminated)?.split('\n');
        let mut line = |before| lines.next().ok_or(CheckpointError::MissingLine(before));
        let (origin, size, root) = (line(0)?, line(1)?, line(2)?);
        if let Some(extension) = lines.next() {
            return Err(CheckpointError::Extension(extension.to_owned()));
        }
        if !is_key_name(origin) {
            return Err(CheckpointError::Origin(origin.to_owned()));
        }
        let checkpoint = Self { origin: origin.to_owned(), size: parse_size(size)?, root: parse_root(root)? };
        if checkpoint.size == 0 && checkpoint.root != empty_root() {
            return Err(CheckpointError::EmptyTreeRoot);
        }
        Ok(checkpoint)
    }
}

fn parse_size(text: &str) -> Result<u64, CheckpointError> {
    if has_leading_zero(text) {
        return Err(CheckpointError::LeadingZero(text.to_owned()));
    }
    parse_integer(text).ok_or_else(|| CheckpointError::MalformedSize(text.to_owned()))
}

fn parse_root(text: &str) -> Result<RootHash, CheckpointError> {
    let root = parse_hash(text).ok_or_else(|| CheckpointError::MalformedRoot(text.to_owned()))?;
    Ok(RootHash::from_bytes(root))
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, print_base64(self.root.as_bytes()))
    }
}

/// A checkpoint and the note that carries it, read but not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Reads a note whose text is a checkpoint.
    pub fn parse(note: &str) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        Ok(Self { checkpoint: Checkpoint::parse(&note.text)?, note })
    }

    /// The note of a checkpoint that the log signs, ready to be written.
    pub fn sign(checkpoint: &Checkpoint, key: &SecretKey) -> String {
        let text = checkpoint.to_string();
        let signatures = vec![note::sign(&text, &checkpoint.origin, key)];
        Note { text, signatures }.to_string()
    }

    /// What is signed. Not to be believed before [`Self::verify`].
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note around it.
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// Checks every signature by one of `keys`; at least one must be by a log key that is called like the origin.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Verified<'k>>, CheckpointError> {
        let verified = self.note.verify(keys)?;
        let origin = &self.checkpoint.origin;
        if !verified.iter().any(|by| by.key.kind() == KeyKind::Log && by.key.name() == origin) {
            return Err(CheckpointError::NotByLog(origin.clone()));
        }
        Ok(verified)
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::note::tests::{CHECKPOINT, LOG, WITNESS, log_key};

    #[test]
    fn the_vector_reads_verifies_and_prints_back() {
        let signed = SignedCheckpoint::parse(CHECKPOINT).unwrap();
        assert_eq!(signed.to_string(), CHECKPOINT);
        let root = "d4186e3c05a620ce61397e838bfbd76e6f27e6d7daa13c59eb82a8e094608e1c".parse().unwrap();
        assert_eq!(*signed.checkpoint(), Checkpoint { origin: "example.com/ledger".to_owned(), size: 3, root });
        assert_eq!(signed.verify(&[LOG.parse().unwrap()]).unwrap().len(), 1);
    }

    #[test]
    fn signing_gives_the_vectors_first_signature() {
        let signed = SignedCheckpoint::parse(CHECKPOINT).unwrap();
        let again = SignedCheckpoint::sign(signed.checkpoint(), &log_key());
        assert!(CHECKPOINT.starts_with(&again));
    }

    #[test]
    fn a_witness_alone_does_not_speak_for_the_log() {
        let signed = SignedCheckpoint::parse(CHECKPOINT).unwrap();
        assert_eq!(signed.verify(&[WITNESS.parse().unwrap()]).unwrap_err().code(), "checkpoint-not-by-log");
    }

    #[test]
    fn a_log_does_not_speak_for_another_origin() {
        let text = CHECKPOINT.split_once("\n\n").unwrap().0.replace("example.com/ledger", "example.com/other") + "\n";
        let signatures = vec![note::sign(&text, "example.com/ledger", &log_key())];
        let signed = SignedCheckpoint::parse(&Note { text, signatures }.to_string()).unwrap();
        assert_eq!(signed.verify(&[LOG.parse().unwrap()]).unwrap_err().code(), "checkpoint-not-by-log");
    }

    proptest! {
        #[test]
        fn every_checkpoint_prints_and_reads_back(origin in "[!-*,-~]{1,40}", size in 1..=u64::MAX, root: [u8; 32]) {
            let checkpoint = Checkpoint { origin, size, root: RootHash::from_bytes(root) };
            prop_assert_eq!(Checkpoint::parse(&checkpoint.to_string()), Ok(checkpoint));
        }

        #[test]
        fn what_is_read_prints_back(text in "[a+ ]{0,2}\n[+0-3 ]{0,4}\n[A]{42,43}[A-D]?={0,2}\n[a\n]{0,2}") {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_string(), text);
            }
        }
    }
}
