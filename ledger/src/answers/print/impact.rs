//! What rests on something, as text: what runs first.

use super::{Colour, Style, as_of_line, at_moment, flagged, label, list};
use crate::answers::{
    impact::{Impact, LiveUse, UseKind, way},
    running::Status,
    text::{self, age},
    trace::Node,
};

/// The most nodes that are listed. What runs is listed whole.
const MOST_LINES: usize = 1000;

/// The answer in one line.
pub(in crate::answers) fn line(impact: &Impact) -> String {
    at_moment(&impact.as_of) + &answer(impact)
}

fn answer(impact: &Impact) -> String {
    let what = impact.nodes.first().map_or_else(|| impact.asked.clone(), label);
    let count = |status| {
        let uses = impact.live.iter().filter(|live| live.status == status);
        uses.map(|live| &live.name).collect::<std::collections::BTreeSet<_>>().len()
    };
    let (sure, partly, unknown) = (count(Status::Running), count(Status::Partial), count(Status::Unknown));
    let folders = match impact.listings.len() {
        0 => String::new(),
        count => format!("part of {}, ", text::count(count, "folder")),
    };
    let beside = format!("{folders}{}, {}", text::count(impact.models, "model"), text::count(impact.runs, "run"));
    if let Some(strength) = impact.unjoined() {
        let how = strength.as_str();
        return format!(
            "UNKNOWN what rests on {what}: it has no strong digest ({how}), and nothing can be joined to it"
        );
    }
    if sure + partly == 0 && impact.truncated {
        let limit = impact.nodes.len();
        return format!(
            "UNKNOWN what that runs rests on {what}: nothing among the first {limit} nodes, the limit ({beside})"
        );
    }
    if sure + partly == 0 {
        let doubt = if unknown == 0 {
            String::new()
        } else {
            format!("; UNKNOWN of {}", list(&names(impact, Status::Unknown)))
        };
        return format!("nothing that is seen to run rests on {what}{doubt} ({beside})");
    }
    let least = if impact.truncated { "at least " } else { "" };
    let mut parts = vec![format!("{least}{} LIVE", sure + partly)];
    if unknown > 0 {
        parts.push(format!("{unknown} UNKNOWN"));
    }
    let mut named = names(impact, Status::Running);
    named.extend(names(impact, Status::Partial));
    let rest = if sure + partly == 1 { "rests" } else { "rest" };
    format!("{}: {} {rest} on {what} ({beside})", parts.join(", "), list(&named))
}

/// Each name once, with its share where it has one.
fn names(impact: &Impact, status: Status) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for live in impact.live.iter().filter(|live| live.status == status) {
        let name = match &live.share {
            Some(share) if share != "1" => format!("{} (share {share})", live.name),
            _ => live.name.clone(),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

pub(super) fn text(impact: &Impact, style: Style) -> String {
    let mut lines = vec![impact.answer.clone()];
    if !impact.live.is_empty() {
        lines.push(String::new());
        lines.extend(impact.live.iter().flat_map(|live| live_lines(impact, live, style)));
    }
    for former in &impact.former {
        let what = impact.nodes.get(former.serves).map_or_else(String::new, label);
        let how = if former.observed { "no longer seen" } else { "asked for, never seen" };
        let (name, at, index) = (&former.name, former.at, former.event.index);
        lines.push(format!("  {name}  {how}: {what} (last at {at}, #{index})"));
    }
    let middle: Vec<&Node> = impact.nodes.iter().skip(1).filter(|node| !is_service(node)).collect();
    if !middle.is_empty() {
        lines.push(String::new());
        lines.push("what rests on it:".to_owned());
        lines.extend(middle.iter().take(MOST_LINES).map(|node| node_line(node)));
        if let Some(more) = middle.len().checked_sub(MOST_LINES).filter(|more| *more > 0) {
            lines.push(format!("  ... and {more} more; --json has all"));
        }
    }
    if !impact.evaluations.is_empty() {
        lines.push(String::new());
        lines.push("measured with it:".to_owned());
        lines.extend(impact.evaluations.iter().map(|event| format!("  {} #{}", event.subject, event.index)));
    }
    lines.extend(impact.warnings.iter().map(|warning| style.paint(Colour::Yellow, &format!("warning: {warning}"))));
    if impact.truncated {
        let limit = format!("the limit of {} nodes was reached, the rest is left out", impact.nodes.len());
        let narrower = "ask about something nearer to what runs, or with --known-at";
        lines.push(style.paint(Colour::Red, &format!("{limit}: {narrower}")));
    }
    lines.push(String::new());
    lines.push(as_of_line(&impact.as_of));
    lines.join("\n") + "\n"
}

fn is_service(node: &Node) -> bool {
    node.kind == crate::answers::trace::NodeKind::Service
}

fn node_line(node: &Node) -> String {
    let note = if node.notes.is_empty() { String::new() } else { format!(" ({})", node.notes.join("; ")) };
    let events: Vec<String> = node.events.iter().map(|event| format!("#{}", event.index)).collect();
    let line = format!("  {} {} {}", node.kind.as_str(), label(node), events.join(" "));
    line.trim_end().to_owned() + &flagged(&node.flags) + &note
}

fn live_lines(impact: &Impact, live: &LiveUse, style: Style) -> Vec<String> {
    let share = live.share.as_ref().map_or_else(String::new, |share| format!("  share {share}"));
    let instances = live.instances.map_or_else(String::new, |count| format!("  {count} instances"));
    let ago = age(live.last_observed, impact.as_of.at);
    let (status, colour) = match (live.status, live.kind, live.unknown_since) {
        (Status::Unknown, _, since) => {
            let since = since.map_or_else(String::new, |since| format!(" since {since}"));
            (format!("UNKNOWN{since}, last seen {}", live.last_observed), Colour::Yellow)
        }
        (_, UseKind::Batch, _) => (format!("LIVE  batch job, last run {ago} ago"), Colour::Red),
        (Status::Partial, ..) => (format!("LIVE, seen in part {ago} ago"), Colour::Red),
        (Status::Running, ..) => (format!("LIVE since {}, seen {ago} ago", live.since), Colour::Red),
    };
    let path: Vec<String> =
        way(&impact.edges, live.serves).into_iter().filter_map(|at| impact.nodes.get(at)).map(label).collect();
    let owner = live.owner.as_ref().map(|owner| format!("owner {owner}"));
    let contact = live.contact.as_ref().map(|contact| format!("contact {contact}"));
    let people: Vec<String> = owner.into_iter().chain(contact).collect();
    let people = if people.is_empty() { String::new() } else { format!("  ({})", people.join(", ")) };
    vec![
        format!("  {}{share}{instances}  {}", live.name, style.paint(colour, &status)) + &people,
        format!("    {}", path.join(" <- ")),
    ]
}
