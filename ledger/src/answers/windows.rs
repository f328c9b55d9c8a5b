//! `windows`: from when to when something served, for each service and share, and how each interval is known to end.
//!
//! From observations alone. Promises that an interval ends with the observation that no longer saw it, or in silence:
//! then it is unknown since the next look was due, and never taken to have gone on. (docs/ANSWERS.md)

use std::rc::Rc;

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{deployment::ServedSet, values::Count},
};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, EventRef, When,
    about::{About, about},
    graph::{Reader, Told},
    print,
    running::{ComponentState, components},
    spells::{Spell, is_alike, spells},
};
use crate::{index::seen::Glimpse, ledger::View};

/// The answer to `lineal windows X`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Windows {
    /// As asked.
    pub asked: String,
    /// The answer in one line.
    pub answer: String,
    /// The intervals, by service and then by their beginning.
    pub windows: Vec<Window>,
    /// What the asker should know: that the name has meant several things, or that it can't be followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether finding none says nothing: what was asked for has no strong digest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unjoined: bool,
    /// How far the record had come.
    pub as_of: AsOf,
}

impl Windows {
    /// 0: it served, and how each interval ended is known; 1: it was never seen to serve; 2: some interval ends in
    /// silence, or nothing can be joined to it.
    pub fn exit_code(&self) -> u8 {
        let is_unknown = self.windows.iter().any(|window| window.state == WindowState::Unknown);
        if is_unknown || self.unjoined { 2 } else { u8::from(self.windows.is_empty()) }
    }
}

/// How an interval ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowState {
    /// It is seen still, and the next look is not overdue.
    Open,
    /// An observation no longer saw it.
    Closed,
    /// The next observation was not there when it was due.
    Unknown,
}

/// An interval in which a part of a service was seen, of one share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The service.
    pub service: String,
    /// Its environment: the last part of its name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Its part of the traffic, as the observer wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// How many instances there were at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<u64>,
    /// What served.
    pub components: Vec<ComponentState>,
    /// The first observation that saw it.
    pub from: Timestamp,
    /// Its event.
    pub first: EventRef,
    /// The last observation that saw it.
    pub last_seen: Timestamp,
    /// Its event.
    pub last: EventRef,
    /// How many observations saw it.
    pub observations: u64,
    /// How it ends.
    pub state: WindowState,
    /// When it was no longer seen: it ended after `lastSeen`, and by then at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The observation that no longer saw it, or the service's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<EventRef>,
    /// Since when it is unknown whether it served on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
}

/// The intervals in which what `asked` means was seen to serve; of a service, all of its parts'.
pub fn windows(view: &View, asked: &str, when: impl Into<When>) -> Result<Windows, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let about = about(&mut reader, asked)?;
    let mut found = Vec::new();
    for service in &about.services {
        found.extend(of_service(&mut reader, service, &about)?);
    }
    let as_of = reader.as_of();
    let (warnings, unjoined) = (about.warnings(asked), about.is_unjoined());
    let asked = asked.to_owned();
    let mut windows = Windows { asked, answer: String::new(), windows: found, warnings, unjoined, as_of };
    windows.answer = print::windows_line(&windows);
    Ok(windows)
}

/// A window whose end has not been found yet.
struct Begun {
    set: ServedSet,
    told: Rc<Told>,
    first: Glimpse,
    last: Glimpse,
    observations: u64,
}

enum End<'a> {
    Open,
    Closed(&'a Spell),
    Unknown(Timestamp),
}

fn of_service(reader: &mut Reader<'_>, service: &str, about: &About) -> Result<Vec<Window>, AnswerError> {
    let (mut open, mut ended): (Vec<Begun>, Vec<Window>) = (Vec::new(), Vec::new());
    for spell in spells(reader, service)? {
        let mut still = Vec::new();
        for set in spell.sets().iter().filter(|set| about.holds(set)) {
            let mut at = None;
            for (position, begun) in open.iter().enumerate() {
                if is_alike(reader, &begun.set, set)? {
                    at = Some(position);
                    break;
                }
            }
            still.push(match at.map(|at| open.swap_remove(at)) {
                Some(begun) => {
                    Begun { last: spell.last, observations: begun.observations + spell.observations, ..begun }
                }
                None => Begun {
                    set: set.clone(),
                    told: spell.told.clone(),
                    first: spell.first,
                    last: spell.last,
                    observations: spell.observations,
                },
            });
        }
        for begun in std::mem::replace(&mut open, still) {
            ended.extend(window(reader, service, &begun, &End::Closed(&spell))?);
        }
        if let Some(due) = spell.silent_since {
            for begun in std::mem::take(&mut open) {
                ended.extend(window(reader, service, &begun, &End::Unknown(due))?);
            }
        }
    }
    for begun in open {
        ended.extend(window(reader, service, &begun, &End::Open)?);
    }
    ended.sort_by(|one, other| (one.from, &one.share).cmp(&(other.from, &other.share)));
    Ok(ended)
}

fn window(reader: &mut Reader<'_>, service: &str, begun: &Begun, end: &End<'_>) -> Result<Option<Window>, AnswerError> {
    let Some(last) = reader.told(begun.last.index)? else { return Ok(None) };
    let (state, until, closed_by, unknown_since) = match end {
        End::Open => (WindowState::Open, None, None, None),
        End::Closed(spell) => (WindowState::Closed, Some(spell.first.at), Some(reader.event_ref(&spell.told)), None),
        End::Unknown(due) => (WindowState::Unknown, None, None, Some(*due)),
    };
    let place = service.split_once('@').map(|(_name, place)| place);
    Ok(Some(Window {
        service: service.to_owned(),
        environment: place.and_then(|place| place.rsplit('/').next()).map(str::to_owned),
        share: begun.set.share.as_ref().map(|share| share.as_decimal().as_str().to_owned()),
        instances: begun.set.instances.map(Count::get),
        components: components(reader, &begun.set)?,
        from: begun.first.at,
        first: reader.event_ref(&begun.told),
        last_seen: begun.last.at,
        last: reader.event_ref(&last),
        observations: begun.observations,
        state,
        until,
        closed_by,
        unknown_since,
    }))
}
