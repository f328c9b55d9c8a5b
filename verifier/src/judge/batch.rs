//! Checkpoints: of the trusted origin, over exactly the entries before, signed by exactly the keys that had to.
//!
//! Promises that no part of a checkpoint's line is left unchecked, down to a signature that should not be there. Since
//! every root is computed over the entries from the first, checkpoints that are right are consistent with one another.

use lineal_schemas::{checkpoint::SignedCheckpoint, note::VerifierKey};

use super::Judge;
use crate::{finding::Place, prepare::CheckpointLine, rule::Rule};

/// A checkpoint that somebody else has of this ledger.
#[derive(Debug)]
pub(super) struct Given<'r> {
    pub signed: &'r SignedCheckpoint,
    /// Whether the record got as far.
    pub is_met: bool,
}

impl<'r> Given<'r> {
    pub(super) fn sorted(given: &'r [SignedCheckpoint]) -> Vec<Self> {
        given.iter().map(|signed| Given { signed, is_met: signed.checkpoint().size == 0 }).collect()
    }
}

impl Judge<'_> {
    /// Whether the checkpoint covers what stands before it; all that does not fit is found.
    pub(super) fn check_checkpoint(&mut self, line: &CheckpointLine, place: Place) -> bool {
        let place = Place { index: self.chain.next().checked_sub(1), ..place };
        let signed = match &line.signed {
            Ok(signed) => signed,
            Err(error) => {
                let found = format!("{}: {error}", error.code());
                self.findings.add(Rule::CheckpointMalformed, place, "a checkpoint in a signed note", found);
                return false;
            }
        };
        if self.batch.first.is_none() && !self.batch.is_damaged {
            self.findings.add(Rule::EmptyBatch, place, "an entry since the last checkpoint", "none");
        }
        let fits = [
            self.check_origin(signed, place),
            self.check_size(signed, place),
            self.check_root(signed, place),
            self.check_signatures(line, signed, place),
        ];
        fits.iter().all(|fits| *fits) && self.batch.first.is_some()
    }

    fn check_origin(&mut self, signed: &SignedCheckpoint, place: Place) -> bool {
        let (expected, found) = (self.trust.origin(), signed.checkpoint().origin.as_str());
        if expected != found {
            self.findings.add(Rule::CheckpointOrigin, place, expected, found);
        }
        expected == found
    }

    fn check_size(&mut self, signed: &SignedCheckpoint, place: Place) -> bool {
        let size = signed.checkpoint().size;
        if self.chain.may_be_next(size) {
            self.chain.settle(size);
            return true;
        }
        let place = Place { index: size.checked_sub(1), other_end: place.index, ..place };
        self.findings.add(
            Rule::CheckpointSize,
            place,
            format_args!("size {}", self.chain.next()),
            format_args!("size {size}"),
        );
        false
    }

    fn check_root(&mut self, signed: &SignedCheckpoint, place: Place) -> bool {
        let (root, found) = (self.tree.root(), signed.checkpoint().root);
        if root == found {
            self.tree_is_off = false;
            return true;
        }
        if self.tree_is_off {
            self.roots_unchecked = self.roots_unchecked.saturating_add(1);
        } else {
            let what = format!("root {root}, that of the {} entries before", self.tree.size());
            self.findings.add(Rule::CheckpointRoot, place, what, format_args!("root {found}"));
            // What is wrong may be a leaf: then no later root is right, and this finding says it for all of them.
            self.tree_is_off = true;
        }
        false
    }

    /// Without a registry, some key of the trust file must have signed.
    fn check_signatures(&mut self, line: &CheckpointLine, signed: &SignedCheckpoint, place: Place) -> bool {
        let required = match &self.batch.first {
            Some((_, keys)) => keys.clone(),
            None => self.authority.checkpoint_keys(self.chain.received()),
        };
        let Some(required) = required else {
            return self.check_by_trust(signed, place);
        };
        let has_signed = |key: &VerifierKey| line.signers.contains(&key.key().keyid());
        for key in required.iter().filter(|key| !has_signed(key)) {
            let by_it = signed.note().signatures.iter().any(|line| line.id == key.id() && line.name == key.name());
            let found = if by_it { "one that does not verify" } else { "none" };
            self.findings.add(Rule::CheckpointSignature, place, format_args!("a signature by {key}"), found);
        }
        let lines = signed.note().signatures.len();
        if lines != required.len() || required.is_empty() {
            let expected = format!("{} signatures, of the keys that were current", required.len());
            self.findings.add(Rule::CheckpointSignature, place, expected, format_args!("{lines}"));
            return false;
        }
        required.iter().all(has_signed)
    }

    fn check_by_trust(&mut self, signed: &SignedCheckpoint, place: Place) -> bool {
        let keys: Vec<_> = self.trust.log_keys().cloned().collect();
        let verified = signed.verify(&keys);
        if let Err(error) = &verified {
            let found = format!("{}: {error}", error.code());
            self.findings.add(Rule::CheckpointSignature, place, "a signature by a key of the trust file", found);
        }
        verified.is_ok()
    }

    /// Compares the tree, as it stands now, with the checkpoints that were brought.
    pub(super) fn compare_given(&mut self) {
        let size = self.tree.size();
        for given in &mut self.given {
            let checkpoint = given.signed.checkpoint();
            if checkpoint.size != size || self.tree_is_off {
                continue;
            }
            given.is_met = true;
            let root = self.tree.root();
            if checkpoint.root != root {
                let place = Place { index: size.checked_sub(1), ..Place::default() };
                let (expected, found) = (format!("size {size}, root {}", checkpoint.root), format!("root {root}"));
                self.findings.add(Rule::GivenCheckpoint, place, expected, found);
            }
        }
    }
}
