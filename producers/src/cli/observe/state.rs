//! What was last said of an environment, as it is kept beside the outbox.
//!
//! Written after the events are in the outbox: a crash in between says the same once more, which changes nothing. Promises
//! that what was said to another ledger, or of other namespaces, is never taken for what was said here.

use std::collections::BTreeMap;

use lineal_producers::outbox::Outbox;
use lineal_schemas::{digest::EventDigest, timestamp::Timestamp};
use serde::{Deserialize, Serialize};

use super::super::console::Failure;

/// The version of the file.
const VERSION: u32 = 1;

/// What was last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct State {
    version: u32,
    /// The genesis of the ledger that it was said to.
    ledger: String,
    /// The namespaces that the environment is made of; none for all.
    namespaces: Vec<String>,
    /// When the last inventory was seen.
    inventory_at: Option<String>,
    /// The services that run, each with a digest of what was said.
    pub(super) services: BTreeMap<String, String>,
}

impl State {
    /// What was said of an environment to a ledger; nothing yet, if that is so.
    pub(super) fn open(
        outbox: &Outbox,
        environment: &str,
        genesis: EventDigest,
        namespaces: &[String],
    ) -> Result<Self, Failure> {
        let mut namespaces = namespaces.to_vec();
        namespaces.sort();
        let fresh = Self {
            version: VERSION,
            ledger: genesis.to_string(),
            namespaces,
            inventory_at: None,
            services: BTreeMap::new(),
        };
        let path = outbox.observed_path(environment);
        let hint = format!("move {} aside to have everything said anew", path.display());
        let Some(text) = outbox.observed(environment)? else { return Ok(fresh) };
        let kept: Self = serde_json::from_str(&text).map_err(|error| {
            Failure::usage(format!("{} is damaged: {error}", path.display())).with_hint(hint.clone())
        })?;
        if kept.version != VERSION {
            let problem = format!("{} is of version {}, expected {VERSION}", path.display(), kept.version);
            return Err(Failure::usage(problem).with_hint(hint));
        }
        if kept.ledger != fresh.ledger {
            return Ok(fresh);
        }
        if kept.namespaces != fresh.namespaces {
            let problem = format!(
                "{environment} was looked at in {}, and now is in {}: what is in one of them only would be said to be gone",
                shown(&kept.namespaces),
                shown(&fresh.namespaces)
            );
            return Err(Failure::usage(problem)
                .with_hint("give the same --namespace each time, or the part an --environment of its own")
                .with_hint(hint));
        }
        Ok(kept)
    }

    pub(super) fn keep(&self, outbox: &Outbox, environment: &str) -> Result<(), Failure> {
        let text = serde_json::to_string(self).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(outbox.keep_observed(environment, &text)?)
    }

    /// Whether an inventory is due: half of the promised time has passed since the last one, or there is none.
    pub(super) fn is_due(&self, at: Timestamp, next_within_seconds: u64) -> bool {
        let last = self.inventory_at.as_deref().and_then(|text| Timestamp::from_rfc3339(text).ok());
        let half = i64::try_from(next_within_seconds.saturating_mul(500)).unwrap_or(i64::MAX);
        last.is_none_or(|last| at < last || at.as_millis().saturating_sub(last.as_millis()) >= half)
    }

    pub(super) fn said_inventory(&mut self, at: Timestamp) {
        self.inventory_at = Some(at.to_string());
    }
}

fn shown(namespaces: &[String]) -> String {
    if namespaces.is_empty() { "all namespaces".to_owned() } else { format!("namespace {}", namespaces.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_found_again_and_what_is_of_something_else_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        let (ledger, other) = (EventDigest::of(b"1"), EventDigest::of(b"2"));
        let open = |ledger, namespaces: &[String]| State::open(&outbox, "environment/a/b", ledger, namespaces);
        let mut state = open(ledger, &[]).unwrap();
        state.services.insert("service/a/b".to_owned(), "1".to_owned());
        state.keep(&outbox, "environment/a/b").unwrap();
        assert_eq!(open(ledger, &[]).unwrap(), state);
        assert!(open(other, &[]).unwrap().services.is_empty());
        assert_eq!(open(ledger, &["prod".to_owned()]).unwrap_err().code(), 2);
        outbox.keep_observed("environment/a/b", "{").unwrap();
        assert_eq!(open(ledger, &[]).unwrap_err().code(), 2);
    }

    #[test]
    fn an_inventory_is_due_before_the_promise_ends_and_after_a_clock_went_back() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        let mut state = State::open(&outbox, "environment/a/b", EventDigest::of(b"1"), &[]).unwrap();
        let at = Timestamp::from_millis;
        assert!(state.is_due(at(0), 600));
        state.said_inventory(at(1_000_000));
        let due: Vec<bool> =
            [1_000_001, 1_299_999, 1_300_000, 999_999].map(|millis| state.is_due(at(millis), 600)).into();
        assert_eq!(due, [false, false, true, true]);
    }
}
