//! Absence: that a whole inventory of its environment does not list a service.
//!
//! Promises that absence takes an inventory that says of itself that all was seen, with every part of it on the record and
//! none of them erased: what was seen in part proves nothing of the rest. What is absent has ended until it is seen again.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lineal_gate::history::MAX_INVENTORIES;
use lineal_schemas::{timestamp::Timestamp, vocabulary::Payload};

use crate::{
    answers::{
        AnswerError,
        graph::{Reader, Told},
    },
    index::{
        inventories::{Part, Parts},
        seen::Glimpse,
    },
};

/// The environment that a service is in.
pub(super) fn place(service: &str) -> Option<String> {
    service.split_once('@').map(|(_name, place)| format!("environment/{place}"))
}

/// As [`place`], where there is any inventory of it.
pub(super) fn environment(reader: &Reader<'_>, service: &str) -> Result<Option<String>, AnswerError> {
    let Some(environment) = place(service) else { return Ok(None) };
    let any = reader.view().index.next_inventory(&environment, Timestamp::MIN, reader.moment().size)?;
    Ok(any.map(|_parts| environment))
}

/// The first time after `after` and before `before` that a service was not there, as its environment's inventories say.
pub(super) fn first(
    reader: &mut Reader<'_>,
    (service, environment): (&str, &str),
    after: Timestamp,
    before: Option<Timestamp>,
) -> Result<Option<Glimpse>, AnswerError> {
    let mut last = after;
    for _inventory in 0..MAX_INVENTORIES {
        let Some(parts) = reader.view().index.next_inventory(environment, last, reader.moment().size)? else { break };
        let Some(at) = parts.first().map(|(_index, part)| part.at) else { break };
        if before.is_some_and(|before| at >= before) {
            break;
        }
        // Of several who looked at one moment, the events say which is first, and not who looked.
        let mut first: Option<(Rc<Told>, Glimpse)> = None;
        for whole in wholes(&parts) {
            let Some((told, gone)) = does_not_list(reader, &whole, at, service)? else { continue };
            let is_before = |(other, known): &(Rc<Told>, Glimpse)| told.order_at(gone.at) < other.order_at(known.at);
            if gone.at > after && first.as_ref().is_none_or(is_before) {
                first = Some((told, gone));
            }
        }
        if let Some((_told, gone)) = first {
            return Ok(Some(gone));
        }
        last = at;
    }
    Ok(None)
}

/// The entries of each inventory that is whole, by its observers.
fn wholes(parts: &Parts) -> Vec<Vec<u64>> {
    let mut observers: BTreeMap<[u8; 8], Vec<(u64, Part)>> = BTreeMap::new();
    for (index, part) in parts {
        observers.entry(part.observer).or_default().push((*index, *part));
    }
    observers
        .into_values()
        .filter_map(|mut parts| {
            parts.sort_by_key(|(_index, part)| part.number);
            let of = parts.first().map_or(0, |(_index, part)| part.of.max(1));
            let numbers: BTreeSet<u32> = parts.iter().map(|(_index, part)| part.number.max(1)).collect();
            // Said twice is said: numbers from 1 to `of`, each at least once.
            let numbered = usize::try_from(of) == Ok(numbers.len()) && numbers.last() == Some(&of);
            let is_whole = numbered && parts.iter().all(|(_index, part)| part.complete && part.of.max(1) == of);
            is_whole.then(|| parts.into_iter().map(|(index, _part)| index).collect())
        })
        .collect()
}

/// That none of an inventory's events lists a service, as they are known now; with the first of them.
fn does_not_list(
    reader: &mut Reader<'_>,
    indices: &[u64],
    at: Timestamp,
    service: &str,
) -> Result<Option<(Rc<Told>, Glimpse)>, AnswerError> {
    let (mut last_received, mut first) = (Timestamp::MIN, None);
    for index in indices {
        let Some(told) = reader.told(*index)? else { return Ok(None) };
        let Payload::InventoryObserved(inventory) = &told.payload else { return Ok(None) };
        // What a correction moved to another time or made incomplete proves nothing here, and neither does one in dispute.
        let is_there = inventory.observed_at.timestamp().unwrap_or(told.time) == at;
        if !is_there || !inventory.complete || told.disputed_by.is_some() || inventory.listed(service).is_some() {
            return Ok(None);
        }
        last_received = last_received.max(told.entry.received);
        first.get_or_insert(told);
    }
    Ok(first.map(|first| (first.clone(), Glimpse::end(first.index, at.min(last_received)))))
}
