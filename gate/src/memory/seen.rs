//! What was seen of a service, the newest first: observations, ends, and inventories that list it or do not.

use std::{
    collections::{BTreeMap, BTreeSet},
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
use crate::history::{Evidence, Standing, State};

/// A state, by when it was seen, then as events are ordered.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    order: (Timestamp, String, u64),
    pub(super) state: State,
    /// Whether all of it was seen.
    pub(super) is_whole: bool,
}

/// Every state that was seen by the moment, the newest first.
pub(super) fn states(history: &mut AtSize<'_>, service: &str) -> Vec<Seen> {
    let environment = service.split_once('@').map(|(_name, place)| format!("environment/{place}"));
    let subjects = [Some(service.to_owned()), environment];
    let known = subjects.iter().flatten().filter_map(|subject| history.memory.by_subject.get(subject));
    let places: BTreeSet<usize> = known.flatten().copied().collect();
    let (mut states, mut inventories) = (Vec::new(), Inventories::default());
    let now = history.moment;
    for told in places.into_iter().filter_map(|at| history.told(at)) {
        if let Payload::InventoryObserved(inventory) = &told.payload {
            inventories.take(inventory, &told);
        }
        states.extend(seen(&told, service, now));
    }
    states.retain(|seen| seen.order.0 <= now);
    states.sort_by(|one, other| other.order.cmp(&one.order));
    let (mut all, mut newer) = (Vec::new(), None);
    for seen in states {
        let at = seen.order.0;
        if !seen.state.sets.is_empty() {
            all.extend(inventories.end(service, at, newer).filter(|end| end.order.0 <= now));
        }
        newer = Some(at);
        all.push(seen);
    }
    all
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
    Some(Seen { order, state: State { standing, sets, event: told.event }, is_whole })
}

/// The newest complete state; an incomplete one where there is no other, or where it saw something of what had ended.
pub(super) fn newest(states: &[Seen]) -> Option<&State> {
    let whole = states.iter().find(|seen| seen.is_whole);
    let part = states.iter().find(|seen| !seen.is_whole);
    let found = match (whole, part) {
        (Some(whole), Some(part))
            if whole.state.sets.is_empty() && !part.state.sets.is_empty() && part.order > whole.order =>
        {
            part
        }
        (Some(whole), _) => whole,
        (None, part) => part?,
    };
    Some(&found.state)
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

/// Inventories of an environment: the parts of one have its observer and its time.
#[derive(Debug, Default)]
struct Inventories(BTreeMap<(Timestamp, String), Vec<Rc<Evidence>>>);

impl Inventories {
    fn take(&mut self, inventory: &InventoryObserved, told: &Rc<Evidence>) {
        let at = inventory.observed_at.timestamp().unwrap_or(told.time);
        self.0.entry((at, inventory.observer.to_string())).or_default().push(told.clone());
    }

    /// The first time that a service was not there after it was seen and before it was seen again: an inventory that is whole
    /// and does not list it. What was never seen has no end.
    fn end(&self, service: &str, after: Timestamp, before: Option<Timestamp>) -> Option<Seen> {
        let between =
            self.0.iter().filter(|((at, _observer), _parts)| *at > after && before.is_none_or(|before| *at < before));
        let mut ends = between.filter_map(|((at, _observer), parts)| end(*at, parts, service));
        ends.find(|end| end.order.0 > after)
    }
}

/// The number of a part; the whole is part 1.
fn number(told: &Evidence) -> u64 {
    match &told.payload {
        Payload::InventoryObserved(inventory) => inventory.part.as_ref().map_or(1, |part| part.number.get()),
        _ => 1,
    }
}

fn end(at: Timestamp, parts: &[Rc<Evidence>], service: &str) -> Option<Seen> {
    let mut numbers = BTreeSet::new();
    let (mut of, mut received) = (None, Timestamp::MIN);
    for told in parts {
        let Payload::InventoryObserved(inventory) = &told.payload else { return None };
        let (number, count) = inventory.part.as_ref().map_or((1, 1), |part| (part.number.get(), part.of.get()));
        if !inventory.complete || inventory.listed(service).is_some() || *of.get_or_insert(count) != count {
            return None;
        }
        numbers.insert(number);
        received = received.max(told.received);
    }
    let of = of?;
    let is_whole = u64::try_from(numbers.len()) == Ok(of) && numbers.last() == Some(&of);
    let first = parts.iter().min_by_key(|told| (number(told), told.index))?;
    let order = (at.min(received), first.source.clone(), first.sequence);
    let state = State { standing: Standing::Ended, sets: Vec::new(), event: first.event };
    is_whole.then_some(Seen { order, state, is_whole })
}
