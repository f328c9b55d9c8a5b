//! Refusals that become entries: `event.rejected` and `event.conflicted`, once a digest and within a budget for a key.
//!
//! Promises that no value of a refused event comes into the record, where it would stay for good: a refusal says which
//! member broke which rule. What was found goes to the sender alone.
//!
//! The budget keeps a broken or hostile producer from filling the record with its refusals: beyond it, it is refused
//! without an entry and told to come back.

use lineal_schemas::{
    admission::{Authentic, Refusal},
    digest::{EventDigest, KeyId},
    timestamp::Timestamp,
    vocabulary::{
        ledger::{EventConflicted, EventRejected},
        names::{Code, Text},
        values::{Count, SourceUri},
    },
};

use super::{Draft, Writer, WriterError};
use crate::outcome::Outcome;

/// Refusals that a key may cause at once.
const BURST: i64 = 60;

/// After which it may cause one more, in milliseconds.
const REFILL_MS: i64 = 1000;

/// How many refusals a key may still cause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    left: i64,
    since: Timestamp,
}

impl Budget {
    fn new(now: Timestamp) -> Self {
        Self { left: BURST, since: now }
    }

    /// Takes one; false if none is left at `now`.
    fn take(&mut self, now: Timestamp) -> bool {
        let passed = (now.as_millis() - self.since.as_millis()) / REFILL_MS;
        if passed > 0 {
            self.left = (self.left + passed).min(BURST);
            // What is left of a second counts towards the next.
            self.since = Timestamp::from_millis(self.since.as_millis() + passed * REFILL_MS);
        }
        let may = self.left > 0;
        self.left -= i64::from(may);
        may
    }
}

impl Writer {
    /// Keeps a refused event's bytes, and gives the key to whose account its refusal goes, if that has any left.
    fn may_record(&mut self, event: &Authentic, refusal: &Refusal, received: Timestamp) -> Option<KeyId> {
        self.quarantine.keep(event.inspected().signed(), refusal, received);
        let signer = first_signer(event);
        self.budget.entry(signer).or_insert_with(|| Budget::new(received)).take(received).then_some(signer)
    }

    fn is_own_source(&self, event: &Authentic, source: &str) -> bool {
        let mut signers = event.inspected().signed().signatures.iter();
        signers.any(|signature| self.registry.is_source_of(source, &signature.keyid))
    }

    /// Records that an authentic event is refused for good.
    pub(super) fn reject(
        &mut self,
        event: &Authentic,
        refusal: Refusal,
        fills: bool,
        received: Timestamp,
        draft: &mut Draft,
    ) -> Result<Outcome, WriterError> {
        let inspected = event.inspected();
        let Some(signer) = self.may_record(event, &refusal, received) else { return Ok(too_many(&refusal)) };
        // Under a source that is none of its own, a key can write anything there.
        let facts = inspected.facts().ok().filter(|facts| self.is_own_source(event, &facts.source));
        let payload = EventRejected {
            event: inspected.digest(),
            keyid: signer,
            reason: code(&refusal)?,
            fills,
            message: Some(Text::cut(&refusal.without_values)),
            source: facts.and_then(|facts| facts.source.parse().ok()),
            sequence: facts.and_then(|facts| Count::try_from(facts.sequence).ok()),
            previous: facts.and_then(|facts| facts.previous),
            origin: None,
            actor: None,
            attachments: None,
            annotations: None,
        };
        let index = self.say(&format!("event/{}", inspected.digest()), payload.into(), received, draft)?;
        Ok(Outcome::Rejected { index, refusal })
    }

    /// Records that an authentic event contradicts its source.
    pub(super) fn conflict(
        &mut self,
        event: &Authentic,
        refusal: Refusal,
        holder: Option<EventDigest>,
        received: Timestamp,
        draft: &mut Draft,
    ) -> Result<Outcome, WriterError> {
        let inspected = event.inspected();
        let Some(signer) = self.may_record(event, &refusal, received) else { return Ok(too_many(&refusal)) };
        let Ok(facts) = inspected.facts() else { return Ok(too_many(&refusal)) };
        let payload = EventConflicted {
            event: inspected.digest(),
            keyid: signer,
            source: facts.source.parse::<SourceUri>().map_err(|error| WriterError::Own(error.to_string()))?,
            sequence: Count::try_from(facts.sequence).map_err(|error| WriterError::Own(error.to_string()))?,
            reason: code(&refusal)?,
            accepted: holder,
            origin: None,
            actor: None,
            attachments: None,
            annotations: None,
        };
        let index = self.say(&format!("event/{}", inspected.digest()), payload.into(), received, draft)?;
        Ok(Outcome::Conflicted { index, refusal })
    }
}

fn code(refusal: &Refusal) -> Result<Code, WriterError> {
    refusal
        .code
        .parse()
        .map_err(|error: lineal_schemas::vocabulary::names::TextError| WriterError::Own(error.to_string()))
}

fn first_signer(event: &Authentic) -> KeyId {
    let signatures = &event.inspected().signed().signatures;
    // The list of an authentic event is never empty.
    signatures.first().map_or(KeyId::from_bytes([0; 32]), |signature| signature.keyid)
}

fn too_many(refusal: &Refusal) -> Outcome {
    let message = format!("too many refused events of this key in a short time; this one: {}", refusal.message);
    Outcome::later("too-many-refusals", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A budget of 60 gave 59, and once empty never gave again to a key that asked every second.
    #[test]
    fn a_budget_of_60_runs_out_and_gives_one_a_second() {
        let at = Timestamp::from_millis;
        let mut budget = Budget::new(at(0));
        assert_eq!((0..100).filter(|_| budget.take(at(0))).count(), 60);
        assert!(!budget.take(at(999)));
        assert_eq!((1..=20).filter(|second| budget.take(at(second * 1000))).count(), 20);
        assert_eq!((1..=20).filter(|half| budget.take(at(20_000 + half * 500))).count(), 10);
    }
}
