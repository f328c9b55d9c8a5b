//! `--at` and `--known-at`: a question's place in time, as a person types it and as another ledger is asked.

use clap::Args;

use super::{Failure, access::escape};
use crate::{
    answers::{AnswerError, Known, When, moment::spelling},
    clock::{Clock as _, SystemClock},
};

/// What may be known.
#[derive(Debug, Clone, Args)]
pub(super) struct KnownAt {
    /// Only what the ledger had taken by that time, or up to that entry
    ///
    /// Then the answer is the one that could have been given at that time: what arrived later, with its corrections and
    /// revocations, does not exist.
    #[arg(long, value_name = "TIME|INDEX")]
    known_at: Option<String>,
}

/// The moment, and what may be known.
#[derive(Debug, Clone, Args)]
pub(super) struct Moment {
    /// The moment to ask about: what was true then
    ///
    /// RFC 3339, `2026-11-24`, `03:12` (the last one that has passed), `yesterday 03:12` or `2h ago`; in UTC unless an
    /// offset is given.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    known: KnownAt,
}

impl KnownAt {
    pub(super) fn when(&self) -> Result<When, Failure> {
        let now = SystemClock::start().wall();
        let known = self.known_at.as_deref().map(|text| spelling::known(text, now)).transpose();
        Ok(When { known: known.map_err(AnswerError::Moment)?, ..now.into() })
    }

    pub(super) const fn is_given(&self) -> bool {
        self.known_at.is_some()
    }
}

impl Moment {
    pub(super) fn when(&self) -> Result<When, Failure> {
        let when = self.known.when()?;
        let at = self.at.as_deref().map(|text| spelling::moment(text, when.now)).transpose();
        Ok(When { at: at.map_err(AnswerError::Moment)?, ..when })
    }
}

/// A path of the HTTP API with its parameters and a place in time.
pub(super) fn path(path: &str, parameters: &[(&str, Option<&str>)], when: When) -> String {
    let at = when.at.map(|at| at.to_string());
    let known = when.known.map(|known| match known {
        Known::At(time) => time.to_string(),
        Known::Entry(index) => index.to_string(),
    });
    let times = [("at", at.as_deref()), ("knownAt", known.as_deref())];
    let given = parameters.iter().chain(&times).filter_map(|(name, value)| Some((name, (*value)?)));
    let query: Vec<String> = given.map(|(name, value)| format!("{name}={}", escape(value))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}
