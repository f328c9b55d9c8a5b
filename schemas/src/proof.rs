//! C2SP tlog-proof: an entry's place in the tree, the hashes up to the root, and the checkpoint that signs the root.
//!
//! A file that anybody can check years later, with nothing else but a trust file. Promises one spelling. Never trusts
//! its extra data: only what is hashed into the leaf is proved. (C2SP tlog-proof; docs/FORMAT.md, Receipts)

use std::fmt;

use crate::{
    checkpoint::{CheckpointError, SignedCheckpoint},
    digest::LeafHash,
    merkle::{self, ProofError},
    note::MAX_NOTE_BYTES,
    spelling::{has_leading_zero, parse_base64, parse_hash, parse_integer, print_base64},
};

/// The first line of every proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The most hashes that a proof may carry: a tree of 2^63 entries needs no more.
pub const MAX_PROOF_HASHES: usize = 63;

/// The longest extra data, in bytes: that of the longest entry in a tile.
pub const MAX_EXTRA_BYTES: usize = 65_535;

/// The longest proof that is read, in bytes: its parts at their longest, and more.
pub const MAX_PROOF_BYTES: usize = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES;

/// Why a text is not a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Over [`MAX_PROOF_BYTES`].
    #[error("proof of {0} bytes, at most {MAX_PROOF_BYTES} are read")]
    TooLong(usize),
    /// Some other file, or another version.
    #[error("first line is not `{HEADER}`")]
    Header,
    /// Not the canonical base64 of 1 to [`MAX_EXTRA_BYTES`] bytes.
    #[error("extra data are not the base64 of 1 to {MAX_EXTRA_BYTES} bytes")]
    Extra,
    /// No index line where one belongs.
    #[error("no `index` line where one belongs, found `{0}`")]
    MissingIndex(String),
    /// A zero before the index.
    #[error("index `{0}` has a leading zero")]
    LeadingZero(String),
    /// Not a decimal of at most 64 bits.
    #[error("index `{0}` is not a decimal below 2^64")]
    MalformedIndex(String),
    /// Not the base64 of 32 bytes.
    #[error("hash {0} is not the base64 of 32 bytes")]
    MalformedHash(usize),
    /// Over [`MAX_PROOF_HASHES`].
    #[error("more than {MAX_PROOF_HASHES} hashes")]
    TooManyHashes,
    /// No blank line and nothing after the hashes.
    #[error("no blank line between hashes and checkpoint")]
    MissingCheckpoint,
    /// The checkpoint itself.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl TlogProofError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "proof-file-too-long",
            Self::Header => "proof-header",
            Self::Extra => "proof-malformed-extra",
            Self::MissingIndex(_) => "proof-missing-index",
            Self::LeadingZero(_) => "proof-leading-zero",
            Self::MalformedIndex(_) => "proof-malformed-index",
            Self::MalformedHash(_) => "proof-malformed-hash",
            Self::TooManyHashes => "proof-too-many-hashes",
            Self::MissingCheckpoint => "proof-missing-checkpoint",
            Self::Checkpoint(error) => error.code(),
        }
    }
}

/// A proof as read: nothing in it has been checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Whatever its maker wanted to send along; not authenticated.
    pub extra: Option<Vec<u8>>,
    /// The entry's index.
    pub index: u64,
    /// The leaf's sibling first, the root's child last.
    pub hashes: Vec<[u8; 32]>,
    /// The tree that the entry is said to be in.
    pub checkpoint: SignedCheckpoint,
}

impl TlogProof {
    /// Reads a whole proof.
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        if text.len() > MAX_PROOF_BYTES {
            return Err(TlogProofError::TooLong(text.len()));
        }
        let (extra, rest) = parse_head(text)?;
        let (index, mut rest) = rest.split_once('\n').ok_or(TlogProofError::MissingCheckpoint)?;
        let index = parse_index(index)?;
        let mut hashes = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(TlogProofError::MissingCheckpoint)?;
            rest = after;
            if line.is_empty() {
                break;
            }
            if hashes.len() == MAX_PROOF_HASHES {
                return Err(TlogProofError::TooManyHashes);
            }
            hashes.push(parse_hash(line).ok_or(TlogProofError::MalformedHash(hashes.len()))?);
        }
        Ok(Self { extra, index, hashes, checkpoint: SignedCheckpoint::parse(rest)? })
    }

    /// Checks that the leaf stands at the index in the checkpoint's tree; the checkpoint is verified elsewhere.
    pub fn verify_inclusion(&self, leaf: &LeafHash) -> Result<(), ProofError> {
        let tree = self.checkpoint.checkpoint();
        merkle::verify_inclusion(self.index, tree.size, leaf, &self.hashes, &tree.root)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, self.extra.as_deref(), self.index, &self.hashes, &self.checkpoint)
    }
}

/// Writes a proof, with a checkpoint's note exactly as it is given.
pub(crate) fn print(
    out: &mut impl fmt::Write,
    extra: Option<&[u8]>,
    index: u64,
    hashes: &[[u8; 32]],
    note: impl fmt::Display,
) -> fmt::Result {
    writeln!(out, "{HEADER}")?;
    if let Some(extra) = extra {
        writeln!(out, "extra {}", print_base64(extra))?;
    }
    writeln!(out, "index {index}")?;
    hashes.iter().try_for_each(|hash| writeln!(out, "{}", print_base64(hash)))?;
    write!(out, "\n{note}")
}

/// Reads the header and the extra data; gives back what follows.
fn parse_head(text: &str) -> Result<(Option<Vec<u8>>, &str), TlogProofError> {
    let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')).ok_or(TlogProofError::Header)?;
    let Some(extra) = rest.strip_prefix("extra ") else {
        return Ok((None, rest));
    };
    let (extra, rest) = extra.split_once('\n').ok_or(TlogProofError::Extra)?;
    let extra = parse_base64(extra).filter(|extra| (1..=MAX_EXTRA_BYTES).contains(&extra.len()));
    Ok((Some(extra.ok_or(TlogProofError::Extra)?), rest))
}

fn parse_index(line: &str) -> Result<u64, TlogProofError> {
    let number =
        line.strip_prefix("index ").ok_or_else(|| TlogProofError::MissingIndex(line.chars().take(80).collect()))?;
    if has_leading_zero(number) {
        return Err(TlogProofError::LeadingZero(number.to_owned()));
    }
    parse_integer(number).ok_or_else(|| TlogProofError::MalformedIndex(number.to_owned()))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        merkle::leaf_hash,
        note::tests::{CHECKPOINT, LOG, WITNESS},
    };

    pub(crate) const HEAD: &str = "c2sp.org/tlog-proof@v1\nindex 1\n\
        KhWNiv1I4/iMtBld/bKp5IF9lfpX/TREDZP5quXE+Cs=\n\
        +TGWLwkXw0bURyk8B7aHrhYJ9wA/ikSganXEFFseGSk=\n\n";

    #[test]
    fn the_vector_reads_verifies_and_prints_back() {
        let text = format!("{HEAD}{CHECKPOINT}");
        let proof = TlogProof::parse(&text).unwrap();
        assert_eq!(proof.to_string(), text);
        assert_eq!((proof.index, proof.hashes.len(), &proof.extra), (1, 2, &None));
        assert_eq!(proof.verify_inclusion(&leaf_hash(b"bravo")), Ok(()));
        assert_eq!(proof.verify_inclusion(&leaf_hash(b"alpha")).unwrap_err().code(), "proof-root-mismatch");
        let keys = [LOG.parse().unwrap(), WITNESS.parse().unwrap()];
        assert_eq!(proof.checkpoint.verify(&keys).unwrap().len(), 2);
    }

    #[test]
    fn extra_data_stand_before_the_index_and_prove_nothing() {
        let text = format!("{HEAD}{CHECKPOINT}").replace("index 1", "extra bm90ZQ==\nindex 1");
        let proof = TlogProof::parse(&text).unwrap();
        assert_eq!(proof.extra.as_deref(), Some(&b"note"[..]));
        assert_eq!(proof.to_string(), text);
        let after = format!("{HEAD}{CHECKPOINT}").replace("index 1", "index 1\nextra bm90ZQ==");
        assert_eq!(TlogProof::parse(&after).unwrap_err().code(), "proof-malformed-hash");
    }

    #[test]
    fn sixty_three_hashes_are_read_and_one_more_is_not() {
        let hash = format!("{}\n", print_base64(&[7; 32]));
        let text = |count: usize| format!("{HEADER}\nindex 0\n{}\n{CHECKPOINT}", hash.repeat(count));
        assert_eq!(TlogProof::parse(&text(63)).unwrap().hashes.len(), 63);
        assert_eq!(TlogProof::parse(&text(64)).unwrap_err(), TlogProofError::TooManyHashes);
    }

    #[test]
    fn every_prefix_is_refused() {
        let text = format!("{HEAD}{CHECKPOINT}");
        let first_signature = text.find("\u{2014} witness").unwrap();
        for (end, _) in text.char_indices().filter(|&(end, _)| end != first_signature) {
            assert!(TlogProof::parse(&text[..end]).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn every_proof_prints_and_reads_back(
            extra in prop::option::of(prop::collection::vec(any::<u8>(), 1..99)),
            index: u64,
            hashes in prop::collection::vec(any::<[u8; 32]>(), 0..=MAX_PROOF_HASHES),
        ) {
            let checkpoint = SignedCheckpoint::parse(CHECKPOINT).unwrap();
            let proof = TlogProof { extra, index, hashes, checkpoint };
            prop_assert_eq!(TlogProof::parse(&proof.to_string()), Ok(proof));
        }

        #[test]
        fn what_is_read_prints_back(at in 0..HEAD.len(), with in "[ \nA0=]{0,2}", cut in 0..2_usize) {
            let mut text = format!("{HEAD}{CHECKPOINT}");
            text.replace_range(at..(at + cut).min(HEAD.len()), &with);
            if let Ok(proof) = TlogProof::parse(&text) {
                prop_assert_eq!(proof.to_string(), text);
            }
        }
    }
}
