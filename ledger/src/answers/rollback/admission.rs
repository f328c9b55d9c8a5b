//! What a gate said of a serving set: the one place where a plan asks for it.
//!
//! Promises that a set of which no decision is on the record is unknown, and never taken for an admitted one.

use lineal_schemas::vocabulary::deployment::ServedSet;
use serde::{Deserialize, Serialize};

use crate::answers::graph::Reader;

/// What a gate said of a serving set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// The last decision allowed it.
    Admitted,
    /// The last decision did not.
    Refused,
    /// No decision about it is on the record.
    Unknown,
}

impl Admission {
    /// As prose has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted by the gate",
            Self::Refused => "REFUSED by the gate",
            Self::Unknown => "no gate decision on the record",
        }
    }
}

/// What the record says of a serving set at a service: no event of this vocabulary is a gate's decision about one yet.
pub(super) const fn of(_reader: &Reader<'_>, _service: &str, _sets: &[ServedSet]) -> Admission {
    Admission::Unknown
}
