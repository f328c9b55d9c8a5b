//! What was seen of one service over time, the newest first, from the answer's moment back.
//!
//! Read from the index backwards, a page at a time and only as far as the answer needs; an event is read where what was
//! seen is new. Promises that late entries stand where they were seen, and corrected ones as what was put in their
//! place. Never looks past the moment or the known size. (docs/DESIGN.md)

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{Payload, deployment::ServedSet, names::Handle},
};

use super::{Status, absent, sets_of};
use crate::{
    answers::{
        AnswerError,
        graph::{Reader, Told},
    },
    index::seen::{Glimpse, SetsPrint, Sight},
};

/// What is known of a service from its newest state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::answers) enum Standing {
    /// All of it was seen, and the next look is not overdue.
    Runs,
    /// A part of it was.
    Partly,
    /// The next look is overdue since then.
    Unknown(Timestamp),
    /// It ended, or nothing was seen there.
    Ended(Timestamp),
}

impl Standing {
    /// Whether it is known to run, and since when that is unknown; nothing where it ended.
    pub(in crate::answers) const fn status(self) -> Option<(Status, Option<Timestamp>)> {
        match self {
            Self::Runs => Some((Status::Running, None)),
            Self::Partly => Some((Status::Partial, None)),
            Self::Unknown(since) => Some((Status::Unknown, Some(since))),
            Self::Ended(_since) => None,
        }
    }
}

/// A state of a service with its event: an observation, or its end.
#[derive(Debug, Clone)]
pub(in crate::answers) struct Seen {
    /// The service.
    pub(in crate::answers) service: Rc<str>,
    /// What the index holds of it.
    pub(in crate::answers) glimpse: Glimpse,
    /// The event.
    pub(in crate::answers) told: Rc<Told>,
}

impl Seen {
    /// When it was seen; never after the ledger took it.
    pub(in crate::answers) const fn at(&self) -> Timestamp {
        self.glimpse.at
    }

    /// The order of states: by when they were seen, then as events are ordered.
    pub(in crate::answers) fn order(&self) -> (Timestamp, &str, u64) {
        self.told.order_at(self.glimpse.at)
    }

    /// What was seen; after the end, nothing.
    pub(in crate::answers) fn sets(&self) -> &[ServedSet] {
        sets_of(&self.told.payload, &self.service)
    }

    /// Who saw it, as a pseudonym; nobody where somebody ended it.
    pub(in crate::answers) fn observer(&self) -> Option<&Handle> {
        match &self.told.payload {
            Payload::DeploymentObserved(observed) => Some(&observed.observer),
            Payload::InventoryObserved(inventory) => Some(&inventory.observer),
            _ => None,
        }
    }

    /// What it says at that moment. Where only a part was seen, the rest may well run something.
    pub(in crate::answers) fn standing(&self, now: Timestamp) -> Standing {
        let overdue = self.glimpse.due().filter(|due| *due < now);
        match (self.glimpse.sight, overdue) {
            (Sight::End, _) => Standing::Ended(self.at()),
            (_, Some(due)) => Standing::Unknown(due),
            (Sight::Whole, None) if self.sets().is_empty() => Standing::Ended(self.at()),
            (Sight::Whole, None) => Standing::Runs,
            (Sight::Part, None) => Standing::Partly,
        }
    }
}

/// A service's complete states, the newest first, as far back as an answer needs them.
#[derive(Debug)]
pub(in crate::answers) struct History {
    service: Rc<str>,
    complete: Vec<Glimpse>,
    /// Corrected entries, which stand elsewhere than the index has them; the oldest first.
    corrected: Vec<Glimpse>,
    /// All of these, also those that were read.
    replaced: Vec<Glimpse>,
    hidden: BTreeSet<u64>,
    /// The first moment that is not looked at.
    end: Timestamp,
    before: Option<Timestamp>,
    /// The environment whose inventories may say that the service was gone; none where there are no inventories of it.
    environment: Option<String>,
    /// When the state after the one that is read next was seen.
    newer: Option<Timestamp>,
    is_read: bool,
    newest: Option<Seen>,
    /// The last incomplete observation, where no complete one is later.
    pub(in crate::answers) partial: Option<Seen>,
}

mod last;

/// States in the first page that is read; each page after it is twice as long.
const PAGE: usize = 16;

impl History {
    /// Reads the newest state of a service at the reader's moment.
    pub(in crate::answers) fn read(reader: &mut Reader<'_>, service: &str) -> Result<Self, AnswerError> {
        let before = reader.moment().next();
        Self::read_before(reader, service, before)
    }

    /// Reads the newest state of a service that was seen by then, and by the reader's moment.
    pub(in crate::answers) fn read_until(
        reader: &mut Reader<'_>,
        service: &str,
        at: Timestamp,
    ) -> Result<Self, AnswerError> {
        let next = Timestamp::from_millis(at.as_millis().saturating_add(1));
        let before = reader.moment().next().map_or(next, |moment| moment.min(next));
        Self::read_before(reader, service, Some(before))
    }

    fn read_before(reader: &mut Reader<'_>, service: &str, before: Option<Timestamp>) -> Result<Self, AnswerError> {
        let (corrected, hidden) = corrected(reader, service, before)?;
        let mut history = Self {
            service: service.into(),
            complete: Vec::new(),
            replaced: corrected.clone(),
            corrected,
            hidden,
            end: before.unwrap_or(Timestamp::MAX),
            before,
            environment: absent::environment(reader, service)?,
            newer: before,
            is_read: false,
            newest: None,
            partial: None,
        };
        while history.newest.is_none() && history.page(reader)? {}
        Ok(history)
    }

    /// The newest complete state, or the newest incomplete one where there is no other, or where it saw something of
    /// what had ended.
    pub(in crate::answers) fn newest(&self) -> Option<&Seen> {
        let part = self.partial.as_ref();
        let is_back = |part: &&Seen| {
            !part.sets().is_empty()
                && self.newest.as_ref().is_some_and(|newest| newest.sets().is_empty() && part.order() > newest.order())
        };
        part.filter(is_back).or(self.newest.as_ref()).or(part)
    }

    /// The oldest state of those that pass, from the newest back without one between that doesn't.
    pub(in crate::answers) fn since(
        &mut self,
        reader: &mut Reader<'_>,
        passes: impl FnMut(&mut Reader<'_>, &[ServedSet]) -> Result<bool, AnswerError>,
    ) -> Result<Timestamp, AnswerError> {
        Ok(self.back(reader, passes)?.0)
    }

    /// The last state before the newest ones that pass.
    pub(in crate::answers) fn before(
        &mut self,
        reader: &mut Reader<'_>,
        passes: impl FnMut(&mut Reader<'_>, &[ServedSet]) -> Result<bool, AnswerError>,
    ) -> Result<Option<Seen>, AnswerError> {
        let Some(glimpse) = self.back(reader, passes)?.1 else { return Ok(None) };
        Ok(reader.told(glimpse.index)?.map(|told| Seen { service: self.service.clone(), glimpse, told }))
    }

    /// From the newest state back: when the oldest of those that pass was, and the one before it.
    fn back(
        &mut self,
        reader: &mut Reader<'_>,
        mut passes: impl FnMut(&mut Reader<'_>, &[ServedSet]) -> Result<bool, AnswerError>,
    ) -> Result<(Timestamp, Option<Glimpse>), AnswerError> {
        let mut since = self.newest().map_or(Timestamp::MIN, Seen::at);
        let mut known: HashMap<SetsPrint, bool> = HashMap::new();
        for at in 0.. {
            while self.complete.len() <= at && self.page(reader)? {}
            let Some(glimpse) = self.complete.get(at) else { break };
            let same = match known.get(&glimpse.sets) {
                Some(same) => *same,
                None => match reader.told(glimpse.index)? {
                    Some(told) => passes(reader, sets_of(&told.payload, &self.service))?,
                    None => continue,
                },
            };
            known.insert(glimpse.sets, same);
            if !same {
                return Ok((since, Some(*glimpse)));
            }
            since = glimpse.at;
        }
        Ok((since, None))
    }

    /// Whether some complete state since `from` passes, the one that held then included.
    pub(in crate::answers) fn any_since(
        &mut self,
        reader: &mut Reader<'_>,
        from: Timestamp,
        mut passes: impl FnMut(&mut Reader<'_>, &[ServedSet]) -> Result<bool, AnswerError>,
    ) -> Result<bool, AnswerError> {
        let mut known: BTreeSet<SetsPrint> = BTreeSet::new();
        for at in 0.. {
            while self.complete.len() <= at && self.page(reader)? {}
            let Some(glimpse) = self.complete.get(at).copied() else { break };
            if known.insert(glimpse.sets)
                && let Some(told) = reader.told(glimpse.index)?
                && passes(reader, sets_of(&told.payload, &self.service))?
            {
                return Ok(true);
            }
            if glimpse.at <= from {
                break;
            }
        }
        Ok(false)
    }

    /// Every complete state, the oldest first.
    pub(in crate::answers) fn all(mut self, reader: &mut Reader<'_>) -> Result<Vec<Glimpse>, AnswerError> {
        while self.page(reader)? {}
        self.complete.reverse();
        Ok(self.complete)
    }

    /// Reads one page more; false where there is none.
    fn page(&mut self, reader: &mut Reader<'_>) -> Result<bool, AnswerError> {
        if self.is_read {
            return Ok(false);
        }
        let wanted = self.complete.len().max(PAGE);
        let size = reader.moment().size;
        let mut page = reader.view().index.seen(&self.service, self.before, size, wanted)?;
        self.is_read = page.len() < wanted;
        self.before = page.last().map(|oldest| oldest.at).or(self.before);
        let oldest = page.last().map(|oldest| oldest.at).filter(|_oldest| !self.is_read);
        page.retain(|glimpse| !self.hidden.contains(&glimpse.index));
        while let Some(glimpse) = self.corrected.pop_if(|newest| oldest.is_none_or(|oldest| newest.at >= oldest)) {
            page.push(glimpse);
        }
        for glimpse in in_order(reader, &self.service, page)? {
            if let Some(gone) = self.gone_after(reader, &glimpse)? {
                self.take(reader, gone)?;
            }
            self.take(reader, glimpse)?;
            self.newer = Some(glimpse.at);
        }
        Ok(true)
    }

    /// That the service was not there any more before it was seen again.
    fn gone_after(&self, reader: &mut Reader<'_>, glimpse: &Glimpse) -> Result<Option<Glimpse>, AnswerError> {
        match &self.environment {
            Some(environment) if !glimpse.is_empty() => {
                absent::first(reader, (&self.service, environment), glimpse.at, self.newer)
            }
            _ => Ok(None),
        }
    }

    fn take(&mut self, reader: &mut Reader<'_>, glimpse: Glimpse) -> Result<(), AnswerError> {
        let is_whole = glimpse.sight != Sight::Part;
        let wanted = if is_whole { self.newest.is_none() } else { self.newest.is_none() && self.partial.is_none() };
        if wanted {
            // What is erased is not known any more.
            let Some(told) = reader.told(glimpse.index)? else { return Ok(()) };
            let place = if is_whole { &mut self.newest } else { &mut self.partial };
            *place = Some(Seen { service: self.service.clone(), glimpse, told });
        }
        if is_whole {
            self.complete.push(glimpse);
        }
        Ok(())
    }
}

/// What corrections put in the place of states, the oldest first, and the entries that they replace.
fn corrected(
    reader: &mut Reader<'_>,
    service: &str,
    before: Option<Timestamp>,
) -> Result<(Vec<Glimpse>, BTreeSet<u64>), AnswerError> {
    let (mut corrected, mut hidden) = (Vec::new(), BTreeSet::new());
    let mut events = reader.corrects(service)?;
    if let Some(environment) = absent::place(service) {
        events.extend(reader.corrects(&environment)?);
    }
    for event in events {
        let Some(index) = reader.by_event(&event)? else { continue };
        let Some(told) = reader.told(index)?.filter(|told| told.corrected_by.is_some()) else { continue };
        hidden.insert(index);
        let glimpse = Glimpse::of(index, &told.payload, service, (told.time, told.entry.received));
        corrected.extend(glimpse.filter(|glimpse| before.is_none_or(|before| glimpse.at < before)));
    }
    corrected.sort_by_key(|glimpse| glimpse.at);
    Ok((corrected, hidden))
}

/// The newest first; those of one moment as their events are ordered, which takes reading them.
fn in_order(reader: &mut Reader<'_>, service: &Rc<str>, mut page: Vec<Glimpse>) -> Result<Vec<Glimpse>, AnswerError> {
    page.sort_by_key(|glimpse| std::cmp::Reverse(glimpse.at));
    let mut ordered = Vec::with_capacity(page.len());
    for moment in page.chunk_by(|one, other| one.at == other.at) {
        if let [alone] = moment {
            ordered.push(*alone);
            continue;
        }
        let mut told = Vec::new();
        for glimpse in moment {
            told.extend(reader.told(glimpse.index)?.map(|told| Seen {
                service: service.clone(),
                glimpse: *glimpse,
                told,
            }));
        }
        told.sort_by(|one, other| other.order().cmp(&one.order()));
        ordered.extend(told.into_iter().map(|seen| seen.glimpse));
    }
    Ok(ordered)
}
