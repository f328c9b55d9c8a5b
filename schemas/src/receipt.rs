//! A receipt: proof that the ledger has committed an event, which its producer keeps and anybody can check offline.
//!
//! A tlog-proof against the checkpoint of the entry's own batch, with the entry as its extra data; asked for again it
//! is the same bytes. Promises that a verified receipt names an entry of the trusted ledger. Never carries the event
//! itself: its holder compares the digest. (C2SP tlog-proof; docs/FORMAT.md, Receipts)

use std::fmt;

use crate::{
    checkpoint::SignedCheckpoint,
    digest::EventDigest,
    entry::{Entry, EntryError},
    merkle::{ProofError, leaf_hash},
    proof::{self, TlogProof, TlogProofError},
    trust::{Trust, TrustError},
};

/// Why a receipt was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not a tlog-proof.
    #[error(transparent)]
    Format(#[from] TlogProofError),
    /// A proof of something that it does not carry.
    #[error("receipt carries no entry in its extra data")]
    NoEntry,
    /// The extra data are not an entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The entry calls itself by another index than the proof does.
    #[error("entry says index {entry}, the proof is for index {proof}")]
    IndexMismatch {
        /// What the entry says.
        entry: u64,
        /// What the proof says.
        proof: u64,
    },
    /// The checkpoint is not one to trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The entry is not in the checkpoint's tree.
    #[error(transparent)]
    Inclusion(#[from] ProofError),
}

impl ReceiptError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Format(error) => error.code(),
            Self::NoEntry => "receipt-no-entry",
            Self::Entry(error) => error.code(),
            Self::IndexMismatch { .. } => "receipt-index-mismatch",
            Self::Trust(error) => error.code(),
            Self::Inclusion(error) => error.code(),
        }
    }
}

/// A receipt as read: believe it only after [`Receipt::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    entry: Entry,
    proof: TlogProof,
}

impl Receipt {
    /// Reads a receipt whose entry and proof agree on the index.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        let proof = TlogProof::parse(text)?;
        let entry = Entry::parse(proof.extra.as_deref().ok_or(ReceiptError::NoEntry)?)?;
        if entry.index != proof.index {
            return Err(ReceiptError::IndexMismatch { entry: entry.index, proof: proof.index });
        }
        Ok(Self { entry, proof })
    }

    /// Writes the receipt of the entry at `index`, with the hashes from its leaf to the root that the note signs.
    pub fn build(entry: &[u8], index: u64, hashes: &[[u8; 32]], checkpoint: &str) -> String {
        let mut text = String::with_capacity(checkpoint.len().saturating_add(4096));
        let written = proof::print(&mut text, Some(entry), index, hashes, checkpoint);
        debug_assert!(written.is_ok(), "writing into a string does not fail");
        text
    }

    /// Checks the checkpoint's signatures and quorum under `trust`, and that the entry is in its tree.
    pub fn verify(&self, trust: &Trust) -> Result<(), ReceiptError> {
        Receipts::under(trust).verify(self)
    }

    /// The digest of the event that was committed.
    pub const fn event(&self) -> EventDigest {
        self.entry.event
    }

    /// Whether this is the receipt of that event.
    pub fn is_for(&self, event: &EventDigest) -> bool {
        self.entry.event == *event
    }

    /// The entry.
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The entry's exact bytes: the Merkle leaf.
    pub fn entry_bytes(&self) -> &[u8] {
        // Read from there, so it is there; nothing at all would be in no tree.
        self.proof.extra.as_deref().unwrap_or_default()
    }

    /// Where the entry stands in the history.
    pub const fn index(&self) -> u64 {
        self.proof.index
    }

    /// The whole proof.
    pub const fn proof(&self) -> &TlogProof {
        &self.proof
    }

    /// The checkpoint of the entry's batch.
    pub const fn checkpoint(&self) -> &SignedCheckpoint {
        &self.proof.checkpoint
    }
}

/// Verifies receipts one after the other: those of one batch share a checkpoint, whose signatures are verified once.
#[derive(Debug)]
pub struct Receipts<'t> {
    trust: &'t Trust,
    /// The checkpoint that was verified last.
    verified: Option<SignedCheckpoint>,
}

impl<'t> Receipts<'t> {
    /// Verifies under `trust`.
    pub const fn under(trust: &'t Trust) -> Self {
        Self { trust, verified: None }
    }

    /// The verdict of [`Receipt::verify`].
    pub fn verify(&mut self, receipt: &Receipt) -> Result<(), ReceiptError> {
        let checkpoint = &receipt.proof.checkpoint;
        if self.verified.as_ref() != Some(checkpoint) {
            self.trust.verify_checkpoint(checkpoint)?;
            self.verified = Some(checkpoint.clone());
        }
        Ok(receipt.proof.verify_inclusion(&leaf_hash(receipt.entry_bytes()))?)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.proof.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        checkpoint::Checkpoint,
        digest::{EntryHash, RootHash},
        dsse::Signature,
        merkle::node_hash,
        note::tests::{CHECKPOINT, LOG, log_key, witness_key},
        proof::tests::HEAD,
        timestamp::Timestamp,
    };

    const ORIGIN: &str = "example.com/ledger";

    fn entry(index: u64) -> Entry {
        Entry {
            index,
            received: Timestamp::from_millis(1_795_470_612_345),
            previous: EntryHash::before_genesis(ORIGIN),
            event: EventDigest::of(b"{}"),
            signatures: vec![Signature { keyid: log_key().keyid(), bytes: [7; 64] }],
        }
    }

    /// The receipt of entry 1 in a tree of two, as the ledger would write it.
    fn receipt_of(entry: &Entry) -> String {
        let (left, leaf) = (leaf_hash(b"entry 0"), leaf_hash(&entry.to_bytes()));
        let root = RootHash::from_bytes(node_hash(left.as_bytes(), leaf.as_bytes()));
        let checkpoint = SignedCheckpoint::sign(&Checkpoint { origin: ORIGIN.to_owned(), size: 2, root }, &log_key());
        Receipt::build(&entry.to_bytes(), 1, &[*left.as_bytes()], &checkpoint)
    }

    fn trust() -> Trust {
        Trust::new(EventDigest::of(b""), &[LOG.parse().unwrap()]).unwrap()
    }

    #[test]
    fn a_receipt_proves_its_event() {
        let text = receipt_of(&entry(1));
        let receipt = Receipt::parse(&text).unwrap();
        assert_eq!(receipt.to_string(), text);
        assert_eq!(receipt.verify(&trust()), Ok(()));
        assert_eq!((receipt.event(), receipt.index()), (EventDigest::of(b"{}"), 1));
        assert!(receipt.is_for(&EventDigest::of(b"{}")) && !receipt.is_for(&EventDigest::of(b"{ }")));
        assert_eq!(receipt.entry_bytes(), receipt.entry().to_bytes());
    }

    #[test]
    fn an_entry_of_another_index_is_refused() {
        assert_eq!(Receipt::parse(&receipt_of(&entry(0))).unwrap_err().code(), "receipt-index-mismatch");
    }

    #[test]
    fn an_index_beyond_the_tree_is_refused() {
        let text = receipt_of(&entry(2)).replace("index 1\n", "index 2\n");
        let refused = Receipt::parse(&text).unwrap().verify(&trust()).unwrap_err();
        assert_eq!(refused.code(), "proof-index-out-of-range");
    }

    #[test]
    fn an_entry_that_is_not_in_the_tree_is_refused() {
        let mut other = entry(1);
        other.event = EventDigest::of(b"another");
        let hashes = [*leaf_hash(b"entry 0").as_bytes()];
        let checkpoint = Receipt::parse(&receipt_of(&entry(1))).unwrap().checkpoint().to_string();
        let forged = Receipt::parse(&Receipt::build(&other.to_bytes(), 1, &hashes, &checkpoint)).unwrap();
        assert_eq!(forged.verify(&trust()).unwrap_err().code(), "proof-root-mismatch");
    }

    #[test]
    fn a_receipt_by_somebody_else_is_refused() {
        let key = crate::note::VerifierKey::new(ORIGIN, witness_key().public().clone()).unwrap();
        let other = Trust::new(EventDigest::of(b""), &[key]).unwrap();
        let receipt = Receipt::parse(&receipt_of(&entry(1))).unwrap();
        assert_eq!(receipt.verify(&other).unwrap_err().code(), "note-unverified");
    }

    #[test]
    fn what_was_verified_for_one_receipt_lets_no_other_through() {
        let trust = trust();
        let mut receipts = Receipts::under(&trust);
        let genuine = Receipt::parse(&receipt_of(&entry(1))).unwrap();
        let checkpoint = genuine.checkpoint().checkpoint();
        let by_another = SignedCheckpoint::sign(checkpoint, &witness_key());
        let hashes = genuine.proof().hashes.clone();
        let forged = Receipt::parse(&Receipt::build(genuine.entry_bytes(), 1, &hashes, &by_another)).unwrap();
        let elsewhere = Receipt::build(genuine.entry_bytes(), 1, &[[9; 32]], &genuine.checkpoint().to_string());
        let elsewhere = Receipt::parse(&elsewhere).unwrap();
        for _round in 0..2 {
            assert_eq!(receipts.verify(&genuine), Ok(()));
            assert_eq!(receipts.verify(&forged).unwrap_err().code(), "note-unverified");
            assert_eq!(receipts.verify(&elsewhere).unwrap_err().code(), "proof-root-mismatch");
        }
    }

    #[test]
    fn a_proof_without_an_entry_is_no_receipt() {
        let text = format!("{HEAD}{CHECKPOINT}");
        assert_eq!(Receipt::parse(&text).unwrap_err().code(), "receipt-no-entry");
        let text = text.replace("index 1", "extra bm90ZQ==\nindex 1");
        assert_eq!(Receipt::parse(&text).unwrap_err().code(), "malformed-entry");
    }

    proptest! {
        #[test]
        fn no_changed_character_goes_unnoticed(at in any::<prop::sample::Index>(), with in "[ -~\n]") {
            let text = receipt_of(&entry(1));
            let at = at.index(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) && text[at..=at] != with {
                let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
                let verified = Receipt::parse(&changed).and_then(|receipt| receipt.verify(&trust()));
                prop_assert!(verified.is_err(), "byte {} changed to {:?}", at, with);
            }
        }
    }
}
