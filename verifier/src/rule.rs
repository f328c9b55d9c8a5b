//! The rules that a record is checked against: each with the stable name that findings carry.
//!
//! Promises that a name never changes its meaning. docs/AUDIT.md lists the same names; a test compares the two.

use serde::{Serialize, Serializer};

/// What breaking a rule does to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Not verified.
    Fails,
    /// Could not tell, unless something else fails.
    Undecided,
    /// Reported; the verdict stands.
    Warns,
    /// Good to know.
    Notes,
}

macro_rules! rules {
    ($($variant:ident $name:literal $effect:ident $meaning:literal;)*) => {
        /// A rule. The text of each says what holds when it is not broken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $meaning] $variant,)*
        }

        impl Rule {
            /// Every rule, in the order in which they are checked.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What breaking it does to the verdict.
            pub const fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect,)* }
            }

            /// What holds, or is the case.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

rules! {
    ExtraFile "extra-file" Warns "the folder of segments holds nothing but segments";
    SegmentMissing "segment-missing" Fails "a segment is named by the index that follows the segment before; one or more are missing";
    SegmentName "segment-name" Fails "a segment is named by the index of its first entry";
    SegmentUnfinished "segment-unfinished" Fails "a segment that another follows ends with a checkpoint";
    UnreadableLine "unreadable-line" Fails "every line is an entry or a checkpoint, in its one spelling";
    UnterminatedLine "unterminated-line" Fails "every line ends in a newline";
    LineTooLong "line-too-long" Fails "no line is longer than the longest entry with the largest event";
    EntryIndex "entry-index" Fails "entries count up from 0 without holes";
    ChainBroken "chain-broken" Fails "each entry names the SHA-256 of the entry before";
    ReceivedOrder "received-order" Fails "no entry was received before the entry before it";
    EventDigest "event-digest" Fails "the body's SHA-256 is the digest that the entry commits to";
    BodyWithheld "body-withheld" Fails "a body is there unless an erasure event covers its absence";
    GenesisMismatch "genesis-mismatch" Fails "entry 0 is the genesis that the trust file pins";
    GenesisInvalid "genesis-invalid" Fails "entry 0 is a genesis of the trusted origin, signed by exactly its own roots";
    EventInvalid "event-invalid" Fails "an event is well formed and its data is what its type and subject ask for";
    SignatureWrong "signature-wrong" Fails "every signature of an event verifies over its exact bytes";
    UnknownKey "unknown-key" Fails "every signing key stands in a key event of the record";
    Authority "authority" Fails "at its index every signing key may say this, about this, as this source";
    Sequence "sequence" Fails "an event has its place among its source's events";
    RejectionFills "rejection-fills" Fails "a refusal that fills a number names an open number of its source";
    CheckpointMalformed "checkpoint-malformed" Fails "a checkpoint is a signed note of three lines";
    CheckpointOrigin "checkpoint-origin" Fails "a checkpoint is of the trusted origin";
    CheckpointSize "checkpoint-size" Fails "a checkpoint's size is the last index and one";
    CheckpointRoot "checkpoint-root" Fails "a checkpoint's root is that of the entries before it";
    CheckpointSignature "checkpoint-signature" Fails "a checkpoint is signed by exactly the keys that were current when its batch began";
    EmptyBatch "empty-batch" Fails "no checkpoint follows another without an entry between them";
    RootsUnchecked "roots-unchecked" Notes "checkpoints after a damaged place could not be compared with a tree";
    AuthorityUnchecked "authority-unchecked" Notes "without a readable genesis nobody's authority could be judged";
    UncoveredBytes "uncovered-bytes" Fails "the record ends with a checkpoint that covers every byte up to the head";
    UncoveredTail "uncovered-tail" Undecided "beyond the head: bytes that no valid checkpoint covers; they were never acknowledged";
    BeyondHead "beyond-head" Notes "whole batches beyond the head, as a crash between two syncs leaves them";
    NoHead "no-head" Notes "there is no head file: the whole record counts as committed, and a cut at a batch's end would not show";
    HeadDamaged "head-damaged" Fails "a slot of the head is whole";
    HeadTorn "head-torn" Undecided "a slot of the head is not whole, but the record reaches beyond the other: a crash leaves this too";
    RecordShortened "record-shortened" Fails "the record reaches as far as the head says";
    HeadMismatch "head-mismatch" Fails "size, root, segment and length of the head are those of a checkpoint in the record";
    HeadBatches "head-batches" Fails "up to where the head ends, the record holds exactly as many checkpoints as it counts batches";
    GivenCheckpoint "given-checkpoint" Fails "a checkpoint obtained elsewhere is part of this history";
    TrustKey "trust-key" Fails "a key of the trust file is a key of this ledger";
    TrustOutdated "trust-outdated" Warns "the trust file has the key that signed the last checkpoint";
    QuorumNotMet "quorum-not-met" Undecided "the last checkpoint carries the cosignatures that the trust file asks for";
    NoEntries "no-entries" Undecided "the record has entries";
    VerdictDiffers "verdict-differs" Fails "a decision of the gate is what its policy and the record at its size and moment give again";
    VerdictUnchecked "verdict-unchecked" Undecided "every event that a decision of the gate can rest on is there, so that it can be made again";
    VerdictBehind "verdict-behind" Warns "a decision of the gate is about the record and the moment at which it was recorded, or at most 25 minutes before";
    IdTwice "id-twice" Warns "no two events have the same `id` (compared by 80 bits of its SHA-256)";
    RollbackUnfounded "rollback-unfounded" Warns "what a declared rollback restores is an earlier deployment event of its service";
    RollbackDiffers "rollback-differs" Warns "the data context of a declared rollback is that of what it restores, role by role";
    RollbackUnseen "rollback-unseen" Notes "what was seen after a declared rollback was never what it restores";
    SequenceGap "sequence-gap" Notes "numbers of a source that never arrived";
    SourcesEnded "sources-ended" Notes "sources that said that nothing follows";
    Refusals "refusals" Notes "events that the ledger refused or found in conflict, on the record";
}

impl Rule {
    /// Whether bytes are not as they were written: beyond the head, a crash explains that.
    pub(crate) const fn is_damage(self) -> bool {
        matches!(
            self,
            Self::SegmentMissing
                | Self::SegmentName
                | Self::SegmentUnfinished
                | Self::UnreadableLine
                | Self::UnterminatedLine
                | Self::LineTooLong
                | Self::EntryIndex
                | Self::ChainBroken
                | Self::EventDigest
                | Self::BodyWithheld
                | Self::CheckpointMalformed
                | Self::CheckpointOrigin
                | Self::CheckpointSize
                | Self::CheckpointRoot
                | Self::CheckpointSignature
                | Self::EmptyBatch
        )
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_auditors_page_lists_every_rule_with_its_meaning() {
        let page = include_str!("../../docs/AUDIT.md");
        for rule in Rule::ALL {
            let row = format!("| `{}` |", rule.name());
            let line = page.lines().find(|line| line.starts_with(&row));
            assert!(line.is_some_and(|line| line.contains(rule.meaning())), "{row} {}", rule.meaning());
        }
    }

    #[test]
    fn names_are_distinct_and_in_kebab_case() {
        for (at, rule) in Rule::ALL.iter().enumerate() {
            assert!(rule.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(Rule::ALL[at + 1..].iter().all(|other| other.name() != rule.name()));
        }
    }
}
