//! The answers: what a reader asks the record, each from the projections and the committed events alone.
//!
//! The last step of a committed event. Promises that every answer names the tree size that it was given at, that line 1
//! of its text is the answer, and that what is not known is said and never left out. Never writes, never opens a file
//! for a caller that may be far away ([`in_hand`] and [`recheck()`] are for the caller's own side). (docs/DESIGN.md)

use std::{borrow::Cow, error::Error as _, fmt};

use lineal_schemas::{
    digest::{EventDigest, KeyId},
    strong::{StrongDigest, StrongKind},
    timestamp::Timestamp,
};
use lineal_tree::TreeError;
use serde::{Deserialize, Serialize};

use crate::{index::store::StoreError, ledger::LedgerError, log::record::ReadError};

mod about;
mod admission;
mod graph;
mod incidents;
mod listings;
mod resolve;
mod spells;
mod suite;
mod text;

pub mod diff;
pub mod entries;
pub mod evals;
pub mod explain;
pub mod findings;
pub mod flags;
pub mod gate;
pub mod impact;
pub mod key_impact;
pub mod keys;
pub mod moment;
pub mod print;
pub mod recheck;
pub mod rollback;
pub mod running;
pub mod schemas;
pub mod timeline;
pub mod trace;
pub mod vsa;
pub mod windows;
pub mod workload;

pub use admission::{Admission, Gated, SetAdmission};
pub use diff::{Diff, diff};
pub use entries::{EntryAnswer, LogLine, get, log_line};
pub use evals::{Evals, evals};
pub use explain::{Explanation, explain};
pub use findings::{Findings, findings};
pub use gate::{
    Gate, GateQuestion, gate, gate_again, gate_set,
    running::{GateRunning, gate_running},
};
pub use impact::{Impact, impact};
pub use key_impact::{KeyImpact, key_impact};
pub use keys::keys;
pub use listings::{InListing, InListings};
pub use moment::{Known, Moment, When};
pub use print::Style;
pub use recheck::recheck;
pub use resolve::{Resolved, Target, in_hand, resolve};
pub use rollback::{RollbackPlan, rollback_plan};
pub use running::{Running, running};
pub use suite::{Measured, Slice, slice_of};
pub use timeline::{Timeline, timeline};
pub use trace::{MAX_NODES, Trace, Verdict, trace, trace_within};
pub use windows::{Windows, windows};

/// Why there is no answer. All of these exit with 2: could not decide.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// Nothing in the record has this name, digest or id.
    #[error("nothing in the record is called `{asked}`")]
    Unknown {
        /// As asked.
        asked: String,
        /// Names that come near, the nearest first.
        near: Vec<String>,
    },
    /// More than one thing has this name or prefix.
    #[error("`{asked}` is ambiguous: {} things match", found.len())]
    Ambiguous {
        /// As asked.
        asked: String,
        /// What it could mean, at most [`resolve`]'s limit.
        found: Vec<String>,
    },
    /// Too short to be a prefix of a digest.
    #[error("`{asked}` is too short for a digest: give at least {least} of its hex digits")]
    TooShort {
        /// As asked.
        asked: String,
        /// How many digits are needed.
        least: usize,
    },
    /// The event made nothing and describes nothing that has an ancestry.
    #[error("entry {index} is a {kind} about `{subject}`: it has no ancestry to trace")]
    NotTraceable {
        /// The entry.
        index: u64,
        /// The name of its type.
        kind: String,
        /// Its subject.
        subject: String,
    },
    /// Nothing can be made from it.
    #[error("nothing is made from {what}: ask for a data set, a model, a transform or a file")]
    NothingDownstream {
        /// What it is.
        what: String,
    },
    /// A text that is no part of a slice.
    #[error("a slice is `name=value`, found `{found}`")]
    Slice {
        /// The text, cut at 80 characters.
        found: String,
    },
    /// There are not two things to compare.
    #[error("there is nothing to compare {what} with: {why}")]
    NothingToCompare {
        /// What it is.
        what: String,
        /// Why not.
        why: String,
    },
    /// What goes back is a service.
    #[error("`{asked}` is no service, and only a service goes back to what it ran before")]
    NoService {
        /// As asked.
        asked: String,
    },
    /// There is nothing to go back from.
    #[error("{service} was never observed: what runs there, and what ran before, is unknown")]
    NeverSeen {
        /// The service.
        service: String,
    },
    /// What a service goes back to is something that it ran.
    #[error("{what} is a service: name a model, a digest or an entry to go back to")]
    NotRestorable {
        /// What it is.
        what: String,
    },
    /// A commit or a library, of which there is no such answer.
    #[error("`{asked}` is a commit or a library: ask what rests on it with `impact`")]
    NotAbout {
        /// As asked.
        asked: String,
    },
    /// Only listings of folders know this file.
    #[error("`{asked}` is known as a part of {} alone: ask for one of them", text::count(found.len(), "folder"))]
    InListings {
        /// As asked.
        asked: String,
        /// The folders, with the file's path in each.
        found: Vec<String>,
    },
    /// The event's bytes have been erased.
    #[error("the event of entry {index} has been erased: only its digest is left")]
    Erased {
        /// The entry.
        index: u64,
    },
    /// A file or folder in hand has no digest.
    #[error("{}", with_source(.0))]
    InHand(#[from] TreeError),
    /// The name had no meaning yet at the moment asked about.
    #[error("`{asked}` meant nothing at {at}: the first to say what it is happened at {first} (#{index})")]
    NotYet {
        /// As asked.
        asked: String,
        /// The moment.
        at: Timestamp,
        /// When it first had a meaning.
        first: Timestamp,
        /// The entry that says so.
        index: u64,
    },
    /// A moment that has not come.
    #[error("{at} has not come yet: it is {now}")]
    Future {
        /// The moment.
        at: Timestamp,
        /// When it was asked about.
        now: Timestamp,
    },
    /// Nothing was known at that time.
    #[error("nothing was known at {at}: the record begins at {begins}")]
    BeforeTheRecord {
        /// The moment.
        at: Timestamp,
        /// When the first entry was taken.
        begins: Timestamp,
    },
    /// A word that is no severity.
    #[error("`{asked}` is no severity: it is one of low, medium, high, critical")]
    Severity {
        /// As asked.
        asked: String,
    },
    /// A decision under a policy that is not on the record could not be made again.
    #[error("a decision is recorded under a registered policy only: register it with `lineal-emit policy FILE`")]
    Unregistered,
    /// A verdict that no event can hold.
    #[error("the verdict can't be recorded: {0}")]
    Decision(String),
    /// A question to the gate that makes no sense.
    #[error("{0}")]
    Question(String),
    /// A text that is no moment.
    #[error(transparent)]
    Moment(#[from] moment::spelling::MomentError),
    /// The keys of an earlier time can't be made again.
    #[error("the keys as they were: {0}")]
    Keys(#[from] Box<LedgerError>),
    /// The record.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The projections.
    #[error(transparent)]
    Index(#[from] StoreError),
}

/// An error with what the system said.
fn with_source(error: &TreeError) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

impl AnswerError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown-name",
            Self::Ambiguous { .. } => "ambiguous-name",
            Self::TooShort { .. } => "prefix-too-short",
            Self::NotTraceable { .. } => "not-traceable",
            Self::NothingDownstream { .. } => "nothing-downstream",
            Self::NotAbout { .. } => "impact-only",
            Self::InListings { .. } => "only-in-listings",
            Self::Slice { .. } => "malformed-slice",
            Self::NothingToCompare { .. } => "nothing-to-compare",
            Self::NoService { .. } => "not-a-service",
            Self::NeverSeen { .. } => "never-observed",
            Self::NotRestorable { .. } => "not-restorable",
            Self::Erased { .. } => "event-erased",
            Self::InHand(_) => "file-unreadable",
            Self::NotYet { .. } => "not-yet-named",
            Self::Future { .. } => "moment-in-the-future",
            Self::BeforeTheRecord { .. } => "before-the-record",
            Self::Severity { .. } => "unknown-severity",
            Self::Unregistered => "unregistered-policy",
            Self::Decision(_) => "unrecordable-verdict",
            Self::Question(_) => "malformed-question",
            Self::Moment(error) => error.code(),
            Self::Keys(_) => "keys-unreadable",
            Self::Read(ReadError::NoSuchEntry { .. }) => "no-such-entry",
            Self::Read(_) => "record-unreadable",
            Self::Index(_) => "index-failed",
        }
    }

    /// What to try next, one hint a line.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Unknown { near, .. } if near.is_empty() => {
                vec!["it is no name, digest or entry of the record, and no file or folder in hand".to_owned()]
            }
            Self::Unknown { near, .. } => near.iter().map(|name| format!("did you mean `{name}`?")).collect(),
            Self::Ambiguous { found, .. } | Self::InListings { found, .. } => found.clone(),
            Self::TooShort { .. } => vec!["an entry is asked for as `#17`".to_owned()],
            Self::Index(_) => vec!["`lineal rebuild` makes the index again".to_owned()],
            Self::NeverSeen { .. } => vec!["`lineal-emit observe` says what runs".to_owned()],
            Self::NoService { .. }
            | Self::NotRestorable { .. }
            | Self::NotYet { .. }
            | Self::Future { .. }
            | Self::BeforeTheRecord { .. }
            | Self::Severity { .. }
            | Self::Unregistered
            | Self::Decision(_)
            | Self::Question(_)
            | Self::Moment(_)
            | Self::Keys(_)
            | Self::NotTraceable { .. }
            | Self::NothingDownstream { .. }
            | Self::NothingToCompare { .. }
            | Self::Slice { .. }
            | Self::NotAbout { .. }
            | Self::Erased { .. }
            | Self::InHand(_)
            | Self::Read(_) => Vec::new(),
        }
    }

    /// The exit code of a program that has no answer for this reason.
    pub const fn exit_code(&self) -> u8 {
        2
    }
}

/// How far the record had come when an answer was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AsOf {
    /// The ledger's origin.
    pub origin: String,
    /// Entries that the answer could take into account: what was known.
    pub tree_size: u64,
    /// When the ledger took the last of them.
    pub known_at: Timestamp,
    /// The moment that the answer is about: what was true then.
    pub at: Timestamp,
    /// Whether that moment, or what was known, was asked for; else it is the present.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
}

/// A digest and how it was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NamedDigest {
    /// in-toto's name of how it was made: `sha256`, `dirHash`, `gitCommit`.
    pub algorithm: Cow<'static, str>,
    /// The digest as the event spells it.
    pub value: String,
}

impl NamedDigest {
    /// A digest as an event names and spells it.
    pub(crate) fn new(algorithm: &str, value: &str) -> Self {
        let strong = StrongKind::of(algorithm).map(|kind| Cow::Borrowed(kind.as_str()));
        Self { algorithm: strong.unwrap_or_else(|| algorithm.to_owned().into()), value: value.to_owned() }
    }

    /// The digest that identities are joined on, where it is one.
    pub(crate) fn strong(&self) -> Option<StrongDigest> {
        StrongDigest::of(&self.algorithm, &self.value)
    }
}

impl From<StrongDigest> for NamedDigest {
    fn from(digest: StrongDigest) -> Self {
        Self { algorithm: digest.algorithm().into(), value: digest.hex() }
    }
}

impl fmt::Display for NamedDigest {
    /// As a question spells it: `sha256:…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.value)
    }
}

/// An event that an answer rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventRef {
    /// The entry.
    pub index: u64,
    /// SHA-256 of the event's bytes.
    pub event: EventDigest,
    /// The name of its type, like `run.completed`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// What it is about.
    pub subject: String,
    /// When it happened, as the producer says.
    pub time: Timestamp,
    /// When the ledger took it.
    pub received: Timestamp,
    /// Who signed it.
    pub signers: Vec<Signer>,
    /// The entry of the `record.corrected` whose data stand in for this event's, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected_by: Option<u64>,
}

impl EventRef {
    /// Whose keys signed it, in prose.
    fn producers(&self) -> String {
        let each = self.signers.iter().map(|signer| signer.producer.as_deref().unwrap_or("unknown"));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// A key that signed an event, and what has become of it since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// The key.
    pub keyid: KeyId,
    /// Whose key it is: a producer's name, `root` or `ledger`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<String>,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Why it was revoked, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_for: Option<String>,
    /// Since when somebody else may have had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromised_since: Option<Timestamp>,
    /// Whether the event was received at or after that moment: its claims may be somebody else's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspect: bool,
}
