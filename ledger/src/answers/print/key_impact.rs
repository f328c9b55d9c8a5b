//! What rests on a key, as text: what is live first.

use std::collections::BTreeSet;

use super::{Colour, Style, as_of_line, at_moment, list, signers};
use crate::answers::{
    key_impact::{KeyImpact, KeyUse, Rests},
    running::Status,
    text::{self, age},
};

/// The answer in one line.
pub(in crate::answers) fn line(impact: &KeyImpact) -> String {
    let since = impact.since.map_or_else(String::new, |since| format!(" since {since}"));
    let events = text::count(usize::try_from(impact.events).unwrap_or(usize::MAX), "event");
    let keys = signers(&impact.keys);
    let names = |unknown: bool| {
        let uses = impact.live.iter().filter(|one| (one.status == Status::Unknown) == unknown);
        let names: BTreeSet<&str> = uses.map(|one| one.name.as_str()).collect();
        names.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (live, unknown) = (names(false), names(true));
    let unknown = if unknown.is_empty() { String::new() } else { format!("; UNKNOWN of {}", list(&unknown)) };
    let rests = match live.len() {
        0 => "nothing that is seen to run rests on them".to_owned(),
        1 => format!("1 LIVE rests on them: {}", list(&live)),
        many => format!("{many} LIVE rest on them: {}", list(&live)),
    };
    let (models, runs) = (text::count(impact.models.len(), "model"), text::count(impact.runs.len(), "run"));
    format!("{}{keys} signed {events}{since}; {rests}{unknown} ({models}, {runs})", at_moment(&impact.as_of))
}

pub(super) fn text(impact: &KeyImpact, style: Style) -> String {
    let mut out = vec![impact.answer.clone(), String::new()];
    out.extend(impact.live.iter().flat_map(|one| live_lines(impact, one, style)));
    let kinds: Vec<String> = impact.by_type.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if !kinds.is_empty() {
        out.push(format!("events: {}", kinds.join(", ")));
    }
    let ends = [("first", &impact.first), ("last", &impact.last)];
    out.extend(ends.into_iter().filter_map(|(what, event)| {
        event.as_ref().map(|event| {
            format!("{what}: #{} {} {} received {}", event.index, event.kind, event.subject, event.received)
        })
    }));
    for (what, names) in [("models", &impact.models), ("runs", &impact.runs), ("data and more", &impact.artifacts)] {
        if !names.is_empty() {
            out.push(format!("{what}:"));
            out.extend(names.iter().map(|name| format!("  {name}")));
        }
    }
    for (what, events) in [("evaluations", &impact.evaluations), ("key events", &impact.key_events)] {
        if !events.is_empty() {
            out.push(format!("{what}:"));
            out.extend(events.iter().map(|event| format!("  #{} {} {}", event.index, event.kind, event.subject)));
        }
    }
    out.extend(impact.undecided.iter().map(|what| style.paint(Colour::Red, &format!("left out: {what}"))));
    out.push(String::new());
    out.push(as_of_line(&impact.as_of));
    out.join("\n") + "\n"
}

fn live_lines(impact: &KeyImpact, one: &KeyUse, style: Style) -> Vec<String> {
    let ago = age(one.last_observed, impact.as_of.at);
    let (status, colour) = match one.status {
        Status::Unknown => (format!("UNKNOWN, last seen {}", one.last_observed), Colour::Yellow),
        Status::Partial => (format!("LIVE, seen in part {ago} ago"), Colour::Red),
        Status::Running => (format!("LIVE, seen {ago} ago"), Colour::Red),
    };
    let how = match one.rests {
        Rests::Made => one.way.join(" <- "),
        Rests::Seen => "that it runs was said by this key".to_owned(),
    };
    vec![format!("  {}  {}", one.name, style.paint(colour, &status)), format!("    {how}")]
}
