//! The last state that is wanted, past any number of states that are alike.
//!
//! Promises what a walk over every state finds, while it reads one event for each serving set that is not wanted, and no more
//! of the index than the days on which something else was seen. Never looks at a part, or at what an end leaves: nothing.

use std::collections::BTreeSet;

use lineal_schemas::{timestamp::Timestamp, vocabulary::deployment::ServedSet};

use super::{History, Seen, in_order};
use crate::{
    answers::{AnswerError, graph::Reader},
    index::seen::{Glimpse, SetsPrint, Sight, print_of},
};

impl History {
    /// The newest complete state of something that runs and that is wanted.
    pub(in crate::answers) fn last(
        &self,
        reader: &mut Reader<'_>,
        wanted: &mut dyn FnMut(&[ServedSet]) -> bool,
    ) -> Result<Option<Seen>, AnswerError> {
        let mut refused = BTreeSet::from([print_of(&[])]);
        let mut before = self.end;
        while let Some((at, moment)) = self.moment_before(reader, &refused, before)? {
            for glimpse in in_order(reader, &self.service, moment)? {
                let is_refused = refused.contains(&glimpse.sets);
                let told = if is_refused { None } else { reader.told(glimpse.index)? };
                let Some(told) = told else { continue };
                let seen = Seen { service: self.service.clone(), glimpse, told };
                if wanted(seen.sets()) {
                    return Ok(Some(seen));
                }
                refused.insert(glimpse.sets);
            }
            before = at;
        }
        Ok(None)
    }

    /// The newest moment before another one at which something complete was seen that is not refused: all of that, as
    /// corrections leave it, which may be nothing.
    fn moment_before(
        &self,
        reader: &Reader<'_>,
        refused: &BTreeSet<SetsPrint>,
        before: Timestamp,
    ) -> Result<Option<(Timestamp, Vec<Glimpse>)>, AnswerError> {
        let size = reader.moment().size;
        let mut seen = reader.view().index.seen_other(&self.service, refused, before, size)?;
        let is_open = |glimpse: &&Glimpse| {
            glimpse.at < before && glimpse.sight == Sight::Whole && !refused.contains(&glimpse.sets)
        };
        let replaced: Vec<&Glimpse> = self.replaced.iter().filter(is_open).collect();
        let Some(at) = replaced.iter().copied().chain(&seen).map(|glimpse| glimpse.at).max() else { return Ok(None) };
        seen.retain(|glimpse| !self.hidden.contains(&glimpse.index));
        seen.extend(replaced);
        seen.retain(|glimpse| glimpse.at == at);
        Ok(Some((at, seen)))
    }
}
