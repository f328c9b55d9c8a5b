//! Asked for again: what the record has on an event, as the answer that its sender got.
//!
//! Promises the same bytes each time, and never more than the record proves: an event that it does not hold, and has not
//! refused, is nothing to it. (docs/FORMAT.md, Receipt)

use lineal_schemas::{admission::Refusal, digest::EventDigest, facts::Facts, vocabulary::Payload};

use crate::{
    index::store::StoreError,
    ledger::View,
    log::record::ReadError,
    outcome::{Answer, Outcome},
};

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The record.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The index.
    #[error(transparent)]
    Index(#[from] StoreError),
}

/// What the record has on an event, as the answer to its sender.
pub fn answer_about(view: &View, digest: &EventDigest) -> Result<Option<Answer>, ReceiptError> {
    let outcome = match committed(view, digest)? {
        Some(index) => Some(Outcome::Committed { index }),
        None => view.index.refusal(digest)?.map(|index| refused(view, index)).transpose()?,
    };
    Ok(outcome.map(|outcome| view.answer(Some(*digest), &outcome)).transpose()?)
}

fn committed(view: &View, digest: &EventDigest) -> Result<Option<u64>, ReceiptError> {
    for index in view.index.by_digest(digest.as_bytes())? {
        if view.record.get(index)?.entry().event == *digest {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// The refusal that entry `index` is.
fn refused(view: &View, index: u64) -> Result<Outcome, ReceiptError> {
    let stored = view.record.get(index)?;
    let body = stored.body().unwrap_or_default();
    let facts = Facts::read(body, EventDigest::of(body)).ok();
    Ok(match facts.and_then(|facts| facts.payload.ok()) {
        Some(Payload::EventConflicted(said)) => {
            let message = format!("sequence {} of {} was told otherwise before", said.sequence.get(), said.source);
            Outcome::Conflicted { index, refusal: Refusal::new(said.reason.to_string(), message) }
        }
        Some(Payload::EventRejected(said)) => {
            let message = said.message.as_ref().map(ToString::to_string).unwrap_or_default();
            Outcome::Rejected { index, refusal: Refusal::new(said.reason.to_string(), message) }
        }
        _ => Outcome::Rejected { index, refusal: Refusal::new("erased", "") },
    })
}
