//! What was seen of one service over time, the newest first.
//!
//! Read backwards from the end of the record, and only as far as the answer needs: nothing was seen after the ledger
//! took it, so once the record's own time is before the last change, older entries can't add to the answer.

use std::{cmp::Reverse, rc::Rc};

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{Payload, deployment::ServedSet},
};

use super::{holds, sets_of};
use crate::answers::{
    AnswerError,
    graph::{Reader, Told},
};

/// A complete state of a service: an observation, or its end.
#[derive(Debug, Clone)]
pub(in crate::answers) struct Seen {
    /// When it was seen; never after the ledger took it.
    pub(in crate::answers) at: Timestamp,
    /// The event.
    pub(in crate::answers) told: Rc<Told>,
}

impl Seen {
    /// The order of states: by when they were seen, then by place in the record.
    pub(in crate::answers) fn order(&self) -> (Timestamp, u64) {
        (self.at, self.told.index)
    }

    /// What was seen; after the end, nothing.
    pub(in crate::answers) fn sets(&self) -> &[ServedSet] {
        sets_of(&self.told.payload).unwrap_or_default()
    }
}

/// A service's complete states, the newest first, as far back as an answer needs them.
#[derive(Debug, Default)]
pub(in crate::answers) struct History {
    seen: Vec<Seen>,
    /// The last incomplete observation.
    pub(in crate::answers) partial: Option<Seen>,
}

/// Entries between two looks at whether enough has been read.
const STEP: usize = 64;

impl History {
    /// Reads what was seen of a service.
    pub(in crate::answers) fn read(reader: &mut Reader<'_>, service: &str) -> Result<Self, AnswerError> {
        let mut history = Self::default();
        for (read, (index, kind)) in reader.about(service)?.into_iter().rev().enumerate() {
            if !matches!(kind, "deployment.observed" | "deployment.removed") {
                continue;
            }
            let Some(told) = reader.told(index)? else { continue };
            let received = told.entry.received;
            history.take(told);
            if read % STEP == STEP - 1 && history.is_enough(reader, received)? {
                break;
            }
        }
        history.sort();
        Ok(history)
    }

    fn sort(&mut self) {
        self.seen.sort_by_key(|seen| Reverse(seen.order()));
    }

    fn take(&mut self, told: Rc<Told>) {
        let (at, complete) = match &told.payload {
            Payload::DeploymentObserved(observed) => {
                let at = observed.observed_at.timestamp().unwrap_or(told.time);
                (at.min(told.entry.received), observed.complete)
            }
            Payload::DeploymentRemoved(_) => (told.when(), true),
            _ => return,
        };
        let seen = Seen { at, told };
        if complete {
            self.seen.push(seen);
        } else if self.partial.as_ref().is_none_or(|newest| seen.order() > newest.order()) {
            self.partial = Some(seen);
        }
    }

    /// Whether entries before one received at `received` can't change the newest state or since when its sets run.
    fn is_enough(&mut self, reader: &mut Reader<'_>, received: Timestamp) -> Result<bool, AnswerError> {
        self.sort();
        let Some(newest) = self.seen.first() else { return Ok(false) };
        if newest.at <= received {
            return Ok(false);
        }
        for set in newest.sets() {
            let mut changed = false;
            for seen in self.seen.iter().take_while(|seen| seen.at > received) {
                if !holds(reader, seen, set)? {
                    changed = true;
                    break;
                }
            }
            if !changed {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The newest complete state, or the newest incomplete one where there is no other.
    pub(in crate::answers) fn newest(&self) -> Option<&Seen> {
        self.seen.first().or(self.partial.as_ref())
    }

    /// The oldest state of those that pass, from the newest back without one between that doesn't.
    pub(in crate::answers) fn since(
        &self,
        reader: &mut Reader<'_>,
        newest: &Seen,
        mut passes: impl FnMut(&mut Reader<'_>, &Seen) -> Result<bool, AnswerError>,
    ) -> Result<Timestamp, AnswerError> {
        let mut since = newest.at;
        for seen in &self.seen {
            if !passes(reader, seen)? {
                break;
            }
            since = seen.at;
        }
        Ok(since)
    }
}
