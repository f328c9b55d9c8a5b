//! What an event led to: the windows, requests, flags, corrections and live services that rest on it, rule by rule.

use std::rc::Rc;

use lineal_schemas::vocabulary::Payload;

use super::{AnswerError, Led, Reader, Told, is_seen, led};
use crate::answers::{
    flags,
    impact::{self, walk},
    print,
    resolve::{Target, main_artifact},
    running::{self, asks, history::History, holds, requests},
    spells::{Spell, spells},
    text,
};

use crate::index::seen::Sight;

/// The most services of an inventory that are told of one by one.
const MAX_SERVICES: usize = 20;

/// What an event led to, by the moment.
pub(super) fn led_to(reader: &mut Reader<'_>, told: &Rc<Told>) -> Result<Vec<Led>, AnswerError> {
    let mut found = corrected(reader, told)?;
    match &told.payload {
        payload if is_seen(payload) => {
            let services = services(told);
            for service in services.iter().take(MAX_SERVICES) {
                found.extend(window(reader, service, told)?);
            }
            found.extend(absent(reader, told)?);
            if services.len() > MAX_SERVICES {
                let more = text::count(services.len() - MAX_SERVICES, "more service");
                found.push(led(reader, "left-out", format!("{more}: ask for their timelines"), None));
            }
        }
        Payload::DeploymentRequested(_) | Payload::DeploymentRolledback(_) => found.extend(request(reader, told)?),
        Payload::RecordCorrected(correction) => {
            let index = reader.by_event(&correction.corrects)?;
            let other = index.map(|index| reader.told(index)).transpose()?.flatten();
            let counts = other.as_ref().is_some_and(|other| other.corrected_by == Some(told.index));
            let (rule, what) = match (&other, counts) {
                (Some(_), true) => ("correction-counts", "its data stand in for the corrected event's"),
                (Some(_), false) => {
                    ("correction-void", "it does not count: a later one does, or its keys may not say such an event")
                }
                (None, _) => ("correction-void", "what it corrects is not on the record"),
            };
            found.push(led(reader, rule, what.to_owned(), other.as_deref()));
        }
        Payload::ArtifactFlagged(flagged) => {
            let identity = reader.identity(&flagged.artifact)?;
            let standing = flags::of(reader, &flagged.artifact, identity.as_deref())?;
            let stands = standing.iter().any(|flag| flag.event.index == told.index);
            let (rule, what) = if stands {
                ("flag-stands", "it stands: nobody has cleared it")
            } else {
                ("flag-cleared", "it was cleared")
            };
            found.push(led(reader, rule, what.to_owned(), None));
            found.extend(live(reader, told)?);
        }
        Payload::RunCompleted(_) => found.extend(live(reader, told)?),
        Payload::EvaluationStarted(_) | Payload::EvaluationCompleted(_) => {}
        payload if main_artifact(payload).is_some() => found.extend(live(reader, told)?),
        _ => {}
    }
    Ok(found)
}

fn services(told: &Told) -> Vec<String> {
    match &told.payload {
        Payload::InventoryObserved(inventory) => {
            inventory.services().map(|(service, _sets)| service.to_string()).collect()
        }
        _ => vec![told.subject.clone()],
    }
}

/// Services that are gone since this inventory did not list them.
fn absent(reader: &mut Reader<'_>, told: &Told) -> Result<Vec<Led>, AnswerError> {
    let Some(place) = told.subject.strip_prefix("environment/") else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for service in reader.subjects("service/", running::MAX_SERVICES)? {
        if !running::is_in(&service, place) {
            continue;
        }
        let newest = History::read(reader, &service)?.newest().cloned();
        if newest.is_some_and(|seen| seen.told.index == told.index && seen.glimpse.sight == Sight::End) {
            let what = format!("{service}: it was not listed: it is gone until it is seen again");
            found.push(led(reader, "service-absent", what, None));
        }
    }
    Ok(found)
}

/// The correction that stands in for an event.
fn corrected(reader: &mut Reader<'_>, told: &Told) -> Result<Vec<Led>, AnswerError> {
    let Some(by) = told.corrected_by else { return Ok(Vec::new()) };
    let other = reader.told(by)?;
    let what = "what it said does not count: the correction's data stand in for it".to_owned();
    Ok(vec![led(reader, "corrected", what, other.as_deref())])
}

/// The interval of a service that an observation opened or kept.
fn window(reader: &mut Reader<'_>, service: &str, told: &Rc<Told>) -> Result<Vec<Led>, AnswerError> {
    let all = spells(reader, service)?;
    let opened = all.iter().position(|spell| spell.told.index == told.index);
    let Some(at) = opened.or_else(|| all.iter().position(|spell| spell.holds(told))) else {
        let what = format!("{service}: it bounds no interval: a part was seen, or a correction took its place");
        return Ok(vec![led(reader, "no-window", what, None)]);
    };
    let (Some(spell), before) = (all.get(at), at.checked_sub(1).and_then(|before| all.get(before))) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let (from, until, seen) = (spell.first.at, spell.last.at, text::count(usize_of(spell), "time"));
    if opened.is_none() {
        let what = format!("{service}: saw again what was first seen at {from} ({seen} until {until})");
        found.push(led(reader, "window-kept", what, Some(&spell.told)));
    } else if spell.is_end() {
        found.push(led(reader, "service-ended", format!("{service}: it runs nothing from {from} on"), None));
    } else {
        let what = format!("{service}: opened an interval at {from}, seen {seen} until {until}");
        found.push(led(reader, "window-opened", what, None));
    }
    if let Some(before) = before.filter(|before| opened.is_some() && before.silent_since.is_none()) {
        let what = format!("{service}: ended the interval from {}", before.first.at);
        found.push(led(reader, "window-closed", what, Some(&before.told)));
    }
    if let Some(due) = spell.silent_since.filter(|_due| spell.last.index == told.index) {
        let what = format!("{service}: the next look was due at {due} and did not come: unknown from then on");
        found.push(led(reader, "silence", what, None));
    }
    Ok(found)
}

fn usize_of(spell: &Spell) -> usize {
    usize::try_from(spell.observations).unwrap_or(usize::MAX)
}

/// Whether a request stands, and whether it was seen to be met.
fn request(reader: &mut Reader<'_>, told: &Rc<Told>) -> Result<Vec<Led>, AnswerError> {
    let is_request = |other: &Told| matches!(other.payload, Payload::DeploymentRequested(_));
    let later = requests(reader, &told.subject)?;
    let replaced = later.iter().rev().find(|other| is_request(other) && other.order() > told.order());
    let mut found = vec![match replaced {
        Some(other) => led(reader, "request-replaced", format!("it stood until {}", other.when()), Some(other)),
        None if is_request(told) => led(reader, "request-stands", "no later request replaces it".to_owned(), None),
        None => {
            let what = "it is declared: the request before it stands on, and may undo it".to_owned();
            let before = later.iter().find(|other| is_request(other));
            led(reader, "rollback-declared", what, before.map(Rc::as_ref))
        }
    }];
    let Some((_door, wanted)) = asks(reader, told)? else { return Ok(found) };
    let mut history = History::read(reader, &told.subject)?;
    let mut seen = true;
    for set in &wanted {
        seen = seen && history.any_since(reader, told.when(), |reader, seen| holds(reader, seen, set))?;
    }
    let (rule, what) = if seen {
        ("request-met", "every part of what it asks for was seen since")
    } else {
        ("request-not-met", "not every part of what it asks for was seen since")
    };
    found.push(led(reader, rule, what.to_owned(), None));
    Ok(found)
}

/// What is live of what the event describes.
fn live(reader: &mut Reader<'_>, told: &Told) -> Result<Vec<Led>, AnswerError> {
    let mut walked = walk::walk(reader, &Target::Event(told.index), impact::Limits::brief(impact::MAX_NODES))?;
    let mut found = Vec::new();
    for live in impact::live(reader, &mut walked)? {
        let way = impact::way(&walked.edges, live.serves).into_iter().filter_map(|at| walked.nodes.get(at));
        let way: Vec<String> = way.map(print::label).collect();
        let what = format!("{} rests on it: {}", live.name, way.join(" <- "));
        found.push(led(reader, "live", what, None));
    }
    if walked.truncated {
        found.push(led(
            reader,
            "left-out",
            format!("more than {} artifacts and runs rest on it", impact::MAX_NODES),
            None,
        ));
    }
    if found.is_empty() {
        found.push(led(reader, "not-live", "nothing that is seen to run rests on it".to_owned(), None));
    }
    Ok(found)
}
