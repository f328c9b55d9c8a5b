//! What became of an event: the answer that its sender gets.
//!
//! Only `committed`, `duplicate`, and a recorded `rejected` or `conflicted` are acknowledgements: those come with a
//! receipt. `parked` and `refused` never clear a producer's outbox.

use std::borrow::Cow;

use lineal_schemas::{
    admission::Refusal,
    digest::{EventDigest, KeyId},
};
use serde::{Deserialize, Serialize};

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is entry `index`.
    Committed {
        /// The entry.
        index: u64,
    },
    /// It was entry `index` already.
    Duplicate {
        /// The entry.
        index: u64,
    },
    /// It is refused for good, and entry `index` says so.
    Rejected {
        /// The entry of the refusal.
        index: u64,
        /// Why.
        refusal: Refusal,
    },
    /// It contradicts what its source said before, and entry `index` says so.
    Conflicted {
        /// The entry of the finding.
        index: u64,
        /// Why.
        refusal: Refusal,
    },
    /// It waits for its key to be enrolled.
    Parked {
        /// The key.
        keyid: KeyId,
    },
    /// Nothing is recorded.
    Refused {
        /// Why.
        refusal: Refusal,
        /// Whether it makes sense to send it again as it is.
        retry: bool,
    },
    /// Nothing is recorded, and nothing would be now, whatever it is: the ledger takes nothing in.
    Closed {
        /// Why.
        refusal: Refusal,
    },
}

impl Outcome {
    /// The ledger takes nothing in.
    pub fn closed(code: &'static str, message: impl Into<String>) -> Self {
        Self::Closed { refusal: Refusal::new(code, message) }
    }

    /// A refusal that may be sent again.
    pub fn later(code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { refusal: Refusal::new(code, message), retry: true }
    }

    /// The entry whose receipt answers the sender.
    pub const fn index(&self) -> Option<u64> {
        match self {
            Self::Committed { index }
            | Self::Duplicate { index }
            | Self::Rejected { index, .. }
            | Self::Conflicted { index, .. } => Some(*index),
            Self::Parked { .. } | Self::Refused { .. } | Self::Closed { .. } => None,
        }
    }

    /// The name of the outcome.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Committed { .. } => "committed",
            Self::Duplicate { .. } => "duplicate",
            Self::Rejected { .. } => "rejected",
            Self::Conflicted { .. } => "conflicted",
            Self::Parked { .. } => "parked",
            Self::Refused { .. } | Self::Closed { .. } => "refused",
        }
    }
}

/// The answer for one event, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// SHA-256 of the event's bytes; absent where no event could be found in what was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventDigest>,
    /// `committed`, `duplicate`, `rejected`, `conflicted`, `parked` or `refused`.
    pub outcome: Cow<'static, str>,
    /// The entry that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The receipt of that entry: a tlog-proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The exact text of the ledger's own event that says the refusal: the receipt is that of its entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The stable name of the rule that it broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Cow<'static, str>>,
    /// What was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether to send it again as it is.
    pub retry: bool,
}

impl Answer {
    /// The answer that says `outcome`, without its proof: see [`crate::ledger::View::answer`].
    pub fn new(event: Option<EventDigest>, outcome: &Outcome) -> Self {
        let (refusal, retry) = match outcome {
            Outcome::Committed { .. } | Outcome::Duplicate { .. } => (None, false),
            Outcome::Rejected { refusal, .. } | Outcome::Conflicted { refusal, .. } => (Some(refusal.clone()), false),
            Outcome::Parked { keyid } => {
                let message = format!("key {keyid} is not enrolled yet: the event waits until it is");
                (Some(Refusal::new("unknown-key", message)), true)
            }
            Outcome::Refused { refusal, retry } => (Some(refusal.clone()), *retry),
            Outcome::Closed { refusal } => (Some(refusal.clone()), true),
        };
        let (code, message) = refusal.map(|refusal| (refusal.code, refusal.message)).unzip();
        Self {
            event,
            outcome: Cow::Borrowed(outcome.name()),
            index: outcome.index(),
            receipt: None,
            refusal: None,
            code,
            message,
            retry,
        }
    }
}
