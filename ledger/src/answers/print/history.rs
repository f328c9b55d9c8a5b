//! Timelines and windows, as text: a line each, in columns.

use super::{
    Colour, Style, as_of_line, at_moment,
    running::{Shown, component_in_its_role, everything, sets},
    signers,
};
use crate::answers::{
    running::ComponentState,
    text,
    timeline::{Line, LineKind, Part, Timeline},
    windows::{Window, WindowState, Windows},
};

fn label(parts: &[Part]) -> String {
    sets(parts.iter().map(|part| Shown { share: part.share.as_deref(), components: &part.components }))
}

/// From what to what: by its models, or where these stayed, by what changed beside them.
fn change(before: &[Part], after: &[Part]) -> String {
    let (from, to) = (label(before), label(after));
    if from != to {
        return format!("{from} -> {to}");
    }
    let (gone, new) = (without(before, after), without(after, before));
    if gone == new { format!("{from} -> {to}") } else { format!("{to}: {gone} -> {new}") }
}

/// The components of some parts that the others do not have.
fn without(parts: &[Part], others: &[Part]) -> String {
    let is_there = |one: &ComponentState| others.iter().flat_map(|part| &part.components).any(|other| other == one);
    let all = parts.iter().flat_map(|part| &part.components).filter(|component| !is_there(component));
    let named: Vec<String> = all.map(component_in_its_role).collect();
    if named.is_empty() { "nothing".to_owned() } else { named.join(" + ") }
}

/// The answer of a timeline in one line: where it ends.
pub(in crate::answers) fn timeline_line(timeline: &Timeline) -> String {
    let events = text::count(timeline.lines.len(), "line");
    let asked = &timeline.asked;
    let reverted = timeline.lines.iter().filter(|line| line.kind == LineKind::Reverted).count();
    let reverted = if reverted > 0 { format!(", REVERTED {}", text::count(reverted, "time")) } else { String::new() };
    let silent: Vec<&Line> =
        timeline.lines.iter().filter(|line| line.kind == LineKind::Unknown && line.until.is_none()).collect();
    let last = timeline.lines.iter().rev().find(|line| {
        matches!(line.kind, LineKind::Observed | LineKind::Reverted | LineKind::Removed | LineKind::Absent)
    });
    let end = match (silent.as_slice(), last) {
        ([one, ..], _) => {
            let service = one.service.as_deref().unwrap_or(asked);
            format!("{service} is UNKNOWN since {}", one.at)
        }
        ([], Some(line)) => {
            let service = line.service.as_ref().filter(|service| *service != asked);
            let service = service.map_or_else(String::new, |service| format!("{service}  "));
            format!("the last change that was seen: {service}{} at {}", change(&line.before, &line.after), line.at)
        }
        ([], None) if timeline.lines.is_empty() => "nothing is known to have happened".to_owned(),
        ([], None) => "never seen to serve".to_owned(),
    };
    format!("{}{asked}: {end} ({events}{reverted})", at_moment(&timeline.as_of))
}

pub(super) fn timeline(timeline: &Timeline, style: Style) -> String {
    let mut out = vec![style.paint(Colour::Green, &timeline.answer), String::new()];
    let several = timeline.services.len() != 1;
    out.extend(timeline.lines.iter().map(|line| timeline_row(line, several, style)));
    out.extend(warnings(&timeline.warnings, style));
    out.push(String::new());
    out.push(as_of_line(&timeline.as_of));
    out.join("\n") + "\n"
}

fn timeline_row(line: &Line, several: bool, style: Style) -> String {
    let service =
        line.service.as_deref().filter(|_service| several).map_or_else(String::new, |name| format!("{name} "));
    let event = &line.event;
    let what = match line.kind {
        LineKind::Unknown => {
            let until = line.until.map_or_else(|| "now".to_owned(), |until| until.to_string());
            return style.paint(
                Colour::Red,
                &format!(
                    "{}  UNKNOWN      {service}from {} to {until}: no observation after #{}",
                    line.at, line.at, event.index
                ),
            );
        }
        LineKind::Said | LineKind::Flagged | LineKind::Cleared | LineKind::Incident => {
            format!("{} {}", event.kind, event.subject)
        }
        LineKind::Allowed
        | LineKind::Denied
        | LineKind::Undecided
        | LineKind::Approved
        | LineKind::Refused
        | LineKind::Waived => label(&line.after),
        LineKind::Corrected => {
            let which = line.regarding.map_or_else(String::new, |index| format!("#{index} of "));
            format!("{which}{}", event.subject)
        }
        LineKind::Observed if line.before == line.after => format!("{} again", label(&line.after)),
        LineKind::RolledBack => {
            let which = line.regarding.map_or_else(String::new, |index| format!(" of #{index}"));
            format!("to {}{which}", label(&line.after))
        }
        LineKind::Requested | LineKind::Observed | LineKind::Reverted | LineKind::Removed | LineKind::Absent => {
            change(&line.before, &line.after)
        }
    };
    let against = match (line.kind, line.regarding) {
        (LineKind::Reverted, Some(index)) => format!(", back to what #{index} asks for"),
        _ => String::new(),
    };
    let door = line.door.as_ref().map_or_else(String::new, |door| format!(" through {door}"));
    let seen = line.observations.filter(|count| *count > 1).zip(line.until);
    let seen = seen.map_or_else(String::new, |(count, until)| format!(", seen {count} times until {until}"));
    let colour = if line.kind == LineKind::Reverted { Colour::Red } else { Colour::Dim };
    let tail = format!("  #{} by {}, received {}", event.index, signers(&event.signers), event.received);
    let row = format!("{}  {:<12} {service}{what}{against}{door}{seen}", line.at, line.kind.as_str());
    let row = if line.kind == LineKind::Reverted { style.paint(colour, &row) } else { row };
    row + &style.paint(Colour::Dim, &tail)
}

/// The answer of windows in one line.
pub(in crate::answers) fn windows_line(windows: &Windows) -> String {
    let asked = &windows.asked;
    let count = |state| windows.windows.iter().filter(|window| window.state == state).count();
    let prefix = at_moment(&windows.as_of);
    if windows.unjoined {
        return format!(
            "{prefix}UNKNOWN where {asked} serves: it has no strong digest, and nothing can be joined to it"
        );
    }
    if windows.windows.is_empty() {
        return format!("{prefix}{asked} was never seen to serve");
    }
    let mut parts = Vec::new();
    for (state, what) in
        [(WindowState::Open, "open"), (WindowState::Closed, "closed"), (WindowState::Unknown, "UNKNOWN in the end")]
    {
        if count(state) > 0 {
            parts.push(format!("{} {what}", count(state)));
        }
    }
    let all = text::count(windows.windows.len(), "window");
    format!("{prefix}{asked} was seen to serve in {all}: {}", parts.join(", "))
}

pub(super) fn windows(windows: &Windows, style: Style) -> String {
    let mut out = vec![style.paint(Colour::Green, &windows.answer), String::new()];
    out.extend(windows.windows.iter().map(|window| window_row(window, style)));
    out.extend(warnings(&windows.warnings, style));
    out.push(String::new());
    out.push(as_of_line(&windows.as_of));
    out.join("\n") + "\n"
}

fn warnings(warnings: &[String], style: Style) -> impl Iterator<Item = String> {
    warnings.iter().map(move |warning| style.paint(Colour::Yellow, &format!("warning: {warning}")))
}

fn window_row(window: &Window, style: Style) -> String {
    let what = everything(&window.components);
    let share = window.share.as_ref().map_or_else(String::new, |share| format!(" share {share}"));
    let end = match (window.until, window.unknown_since, &window.closed_by) {
        (Some(until), _, Some(by)) => {
            format!("until {until} (#{}), last seen {} (#{})", by.index, window.last_seen, window.last.index)
        }
        (_, Some(since), _) => {
            let end = format!("until unknown since {since}, last seen {} (#{})", window.last_seen, window.last.index);
            style.paint(Colour::Red, &end)
        }
        _ => format!("seen still at {} (#{})", window.last_seen, window.last.index),
    };
    format!("{}{share}  {what}  from {} (#{}) {end}", window.service, window.from, window.first.index)
}
