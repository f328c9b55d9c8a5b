//! Spells: how long a service was seen with the same serving set, each ended by another one, by its end, or by silence.
//!
//! The step between single observations and what is told of them. Promises that silence ends a spell when the next
//! observation was due, and that nothing is taken to run on over it. Never reads an event whose observation says what
//! the one before it said.

use std::rc::Rc;

use lineal_schemas::{timestamp::Timestamp, vocabulary::deployment::ServedSet};

use super::{
    AnswerError,
    graph::{Reader, Told},
    running::{history::History, same_set, sets_of},
};
use crate::index::seen::{Glimpse, Sight};

/// Observations of the same serving set with the same shares, without another and without silence between.
#[derive(Debug, Clone)]
pub(super) struct Spell {
    /// The service.
    service: Rc<str>,
    /// The event of the first observation.
    pub(super) told: Rc<Told>,
    /// The first observation.
    pub(super) first: Glimpse,
    /// The last one.
    pub(super) last: Glimpse,
    /// How many there are.
    pub(super) observations: u64,
    /// When the next one was due, where it was not there by then.
    pub(super) silent_since: Option<Timestamp>,
}

impl Spell {
    /// What was seen.
    pub(super) fn sets(&self) -> &[ServedSet] {
        sets_of(&self.told.payload, &self.service)
    }

    /// Whether what an event saw belongs to it.
    pub(super) fn holds(&self, told: &Told) -> bool {
        let times = (told.time, told.entry.received);
        let glimpse = Glimpse::of(told.index, &told.payload, &self.service, times);
        glimpse.is_some_and(|glimpse| (self.first.at..=self.last.at).contains(&glimpse.at))
    }

    /// Whether it is the service's end.
    pub(super) fn is_end(&self) -> bool {
        self.first.sight == Sight::End
    }
}

/// Every spell of a service up to the reader's moment, the oldest first.
pub(super) fn spells(reader: &mut Reader<'_>, service: &str) -> Result<Vec<Spell>, AnswerError> {
    let seen = History::read(reader, service)?.all(reader)?;
    let mut spells: Vec<Spell> = Vec::new();
    for glimpse in seen {
        let mut same = false;
        if let Some(spell) = spells.last_mut() {
            spell.silent_since = spell.last.due().filter(|due| *due < glimpse.at);
            same = spell.last.sets == glimpse.sets && spell.last.sight == glimpse.sight;
        }
        let told = if same { None } else { reader.told(glimpse.index)? };
        if let (Some(spell), Some(told)) = (spells.last(), &told) {
            let sets = sets_of(&told.payload, service);
            same = spell.last.sight == glimpse.sight && are_alike(reader, spell.sets(), sets)?;
        }
        match spells.last_mut().filter(|spell| same && spell.silent_since.is_none()) {
            Some(spell) => {
                spell.last = glimpse;
                spell.observations += 1;
            }
            None => spells.extend(begun(reader, service, glimpse)?),
        }
    }
    let at = reader.moment().at;
    if let Some(spell) = spells.last_mut() {
        spell.silent_since = spell.last.due().filter(|due| *due < at);
    }
    Ok(spells)
}

fn begun(reader: &mut Reader<'_>, service: &str, glimpse: Glimpse) -> Result<Option<Spell>, AnswerError> {
    let told = reader.told(glimpse.index)?;
    Ok(told.map(|told| Spell {
        service: service.into(),
        told,
        first: glimpse,
        last: glimpse,
        observations: 1,
        silent_since: None,
    }))
}

/// Whether two serving sets have the same parts with the same shares.
pub(super) fn are_alike(
    reader: &mut Reader<'_>,
    ours: &[ServedSet],
    theirs: &[ServedSet],
) -> Result<bool, AnswerError> {
    if ours.len() != theirs.len() {
        return Ok(false);
    }
    for set in ours {
        if !has_alike(reader, theirs, set)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_alike(reader: &mut Reader<'_>, sets: &[ServedSet], set: &ServedSet) -> Result<bool, AnswerError> {
    for other in sets {
        if is_alike(reader, set, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether two parts are the same, with the same share.
pub(super) fn is_alike(reader: &mut Reader<'_>, one: &ServedSet, other: &ServedSet) -> Result<bool, AnswerError> {
    let share = |set: &ServedSet| set.share.as_ref().map(|share| share.as_decimal().clone());
    Ok(share(one) == share(other) && same_set(reader, one, other)?)
}
