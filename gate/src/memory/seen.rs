//! What was seen of a service, the newest first: observations, ends, and inventories that list it or do not.
//!
//! Promises to look back no further than it has to: an observation stands at every moment at which it, or a correction of it,
//! says that it was made, and counts at the one that is true at the size. Never looks past the moment.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        deployment::ServedSet,
        inventory::InventoryObserved,
        values::{Seconds, Time},
    },
};

use super::AtSize;
use crate::history::{Evidence, MAX_INVENTORIES, Standing, State};

/// Where to look for what was seen.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    /// Of each service: when something may have been seen of it, and by which event.
    services: HashMap<String, BTreeSet<(Timestamp, usize)>>,
    /// Of each environment: its inventories as they were said first, by when and by whom. The parts of one have both in common.
    inventories: HashMap<String, BTreeMap<(Timestamp, String), Vec<usize>>>,
}

impl Sightings {
    /// Takes what an event says, or would say if a correction counted.
    pub(super) fn take(
        &mut self,
        at: usize,
        subject: &str,
        payload: &Payload,
        (time, received): (Timestamp, Timestamp),
    ) {
        let mut put = |service: String, when: Timestamp| {
            self.services.entry(service).or_default().insert((when.min(received), at));
        };
        match payload {
            Payload::DeploymentObserved(seen) => {
                put(subject.to_owned(), seen.observed_at.timestamp().unwrap_or(time));
            }
            Payload::DeploymentRemoved(_) => put(subject.to_owned(), time),
            Payload::InventoryObserved(inventory) => {
                let when = inventory.observed_at.timestamp().unwrap_or(time);
                inventory.services().for_each(|(service, _sets)| put(service.to_string(), when));
            }
            _ => {}
        }
    }

    /// Takes a part of an inventory.
    pub(super) fn take_inventory(&mut self, at: usize, place: &str, inventory: &InventoryObserved, time: Timestamp) {
        let key = (inventory.observed_at.timestamp().unwrap_or(time), inventory.observer.to_string());
        self.inventories.entry(place.to_owned()).or_default().entry(key).or_default().push(at);
    }
}

/// A state, by when it was seen, then as events are ordered.
#[derive(Debug, Clone)]
struct Seen {
    order: (Timestamp, String, u64),
    state: State,
    /// Whether all of it was seen.
    is_whole: bool,
}

/// Looks back at the states of a service that were seen by the moment, the newest first, until `take` has seen enough.
fn look_back(history: &mut AtSize<'_>, service: &str, take: &mut dyn FnMut(Seen) -> bool) {
    let (memory, now) = (history.memory, history.moment);
    let Some(places) = memory.sightings.services.get(service) else { return };
    let mut left = places.range(..=(now, usize::MAX)).rev().peekable();
    let mut newer = after(now);
    while let Some((at, first)) = left.next() {
        let mut events = vec![*first];
        while let Some((_at, event)) = left.next_if(|(other, _event)| other == at) {
            events.push(*event);
        }
        let told: Vec<Rc<Evidence>> = events.into_iter().filter_map(|event| history.told(event)).collect();
        let mut states: Vec<Seen> = told.iter().filter_map(|told| seen(told, service, now)).collect();
        // Elsewhere it stands, or stood, by another correction.
        states.retain(|seen| seen.order.0 == *at);
        states.sort_by(|one, other| other.order.cmp(&one.order));
        for seen in states {
            let is_over = seen.is_whole && seen.state.sets.is_empty();
            let end = if is_over { None } else { end_between(history, service, *at, newer) };
            newer = *at;
            if end.is_some_and(&mut *take) || take(seen) {
                return;
            }
        }
    }
}

fn after(moment: Timestamp) -> Timestamp {
    Timestamp::from_millis(moment.as_millis().saturating_add(1))
}

/// The newest complete state; an incomplete one where there is no other, or where it saw something of what had ended.
pub(super) fn newest(history: &mut AtSize<'_>, service: &str) -> Option<State> {
    let (mut whole, mut part): (Option<Seen>, Option<Seen>) = (None, None);
    look_back(history, service, &mut |seen| {
        let place = if seen.is_whole { &mut whole } else { &mut part };
        place.get_or_insert(seen);
        whole.is_some()
    });
    let found = match (whole, part) {
        (Some(whole), Some(part))
            if whole.state.sets.is_empty() && !part.state.sets.is_empty() && part.order > whole.order =>
        {
            part
        }
        (Some(whole), _) => whole,
        (None, part) => part?,
    };
    Some(found.state)
}

/// The last complete state that is wanted.
pub(super) fn last(
    history: &mut AtSize<'_>,
    service: &str,
    wanted: &mut dyn FnMut(&[ServedSet]) -> bool,
) -> Option<State> {
    let mut found = None;
    look_back(history, service, &mut |seen| {
        if seen.is_whole && !seen.state.sets.is_empty() && wanted(&seen.state.sets) {
            found = Some(seen.state);
        }
        found.is_some()
    });
    found
}

/// What an event saw of a service, if it did.
fn seen(told: &Evidence, service: &str, now: Timestamp) -> Option<Seen> {
    let (at, sets, is_whole, next) = match &told.payload {
        Payload::DeploymentObserved(seen) if told.subject == service => {
            (moment(&seen.observed_at, told), seen.serving_set.clone(), seen.complete, seen.next_within_seconds)
        }
        Payload::DeploymentRemoved(_) if told.subject == service => (told.when(), Vec::new(), true, None),
        Payload::InventoryObserved(inventory) => {
            let sets = inventory.listed(service)?.to_vec();
            (moment(&inventory.observed_at, told), sets, inventory.complete, inventory.next_within_seconds)
        }
        _ => return None,
    };
    let standing = standing((at, next), (&sets, is_whole), now);
    let order = (at, told.source.clone(), told.sequence);
    let state = State { standing, sets, event: told.event, is_disputed: told.disputed_by.is_some() };
    Some(Seen { order, state, is_whole })
}

fn moment(observed_at: &Time, told: &Evidence) -> Timestamp {
    observed_at.timestamp().unwrap_or(told.time).min(told.received)
}

fn standing(
    (at, next): (Timestamp, Option<Seconds>),
    (sets, is_whole): (&[ServedSet], bool),
    now: Timestamp,
) -> Standing {
    let due = next.and_then(|next| {
        let millis = i64::try_from(next.get()).ok()?.saturating_mul(1000);
        Some(Timestamp::from_millis(at.as_millis().saturating_add(millis)))
    });
    match due {
        Some(due) if due < now => Standing::Unknown,
        _ if is_whole && sets.is_empty() => Standing::Ended,
        _ if is_whole => Standing::Runs,
        _ => Standing::Partly,
    }
}

/// The first time that a service was not there after it was seen and before it was seen again: an inventory that is whole
/// and does not list it. What was never seen has no end.
fn end_between(history: &mut AtSize<'_>, service: &str, seen: Timestamp, newer: Timestamp) -> Option<Seen> {
    let (_name, place) = service.split_once('@')?;
    let inventories = history.memory.sightings.inventories.get(&format!("environment/{place}"))?;
    let (from, to) = (after(seen), newer);
    if from >= to {
        return None;
    }
    let mut between = inventories.range((from, String::new())..(to, String::new())).peekable();
    for _moment in 0..MAX_INVENTORIES {
        let ((at, _observer), parts) = between.next()?;
        let mut ends: Vec<Seen> = end(history, *at, parts, service).into_iter().collect();
        while let Some((_key, parts)) = between.next_if(|((other, _observer), _parts)| other == at) {
            ends.extend(end(history, *at, parts, service));
        }
        // Of several who looked at one moment, the events say which is first, and not who looked.
        let first = ends.into_iter().filter(|end| end.order.0 > seen).min_by(|one, other| one.order.cmp(&other.order));
        if first.is_some() {
            return first;
        }
    }
    None
}

/// That none of an inventory's events lists a service, where it is whole; with the first of its parts.
///
/// What a correction moved to another time or made incomplete proves nothing, and neither does one that is in dispute.
fn end(history: &mut AtSize<'_>, at: Timestamp, parts: &[usize], service: &str) -> Option<Seen> {
    let mut numbered = Vec::new();
    let (mut numbers, mut of) = (BTreeSet::new(), None);
    for part in parts {
        let Some(kept) = history.kept(*part) else { continue };
        let Ok(Payload::InventoryObserved(inventory)) = &kept.facts.payload else { return None };
        let (number, count) = inventory.part.as_ref().map_or((1, 1), |part| (part.number.get(), part.of.get()));
        if !inventory.complete || *of.get_or_insert(count) != count {
            return None;
        }
        numbers.insert(number);
        numbered.push((number, *part));
    }
    let is_whole = u64::try_from(numbers.len()).ok() == of && numbers.last() == of.as_ref();
    numbered.sort_unstable();
    let mut told = Vec::new();
    for (_number, part) in numbered.into_iter().filter(|_part| is_whole) {
        let part = history.told(part)?;
        let Payload::InventoryObserved(inventory) = &part.payload else { return None };
        let is_there = inventory.observed_at.timestamp().unwrap_or(part.time) == at;
        if !is_there || !inventory.complete || part.disputed_by.is_some() || inventory.listed(service).is_some() {
            return None;
        }
        told.push(part);
    }
    let received = told.iter().map(|told| told.received).max()?;
    let first = told.first()?;
    let order = (at.min(received), first.source.clone(), first.sequence);
    let state = State { standing: Standing::Ended, sets: Vec::new(), event: first.event, is_disputed: false };
    Some(Seen { order, state, is_whole: true })
}
