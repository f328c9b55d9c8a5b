//! Line 1 of a trace, and an entry as lines.

use std::collections::{BTreeSet, VecDeque};

use super::{as_of_line, at_moment, list, main_digest, signers};
use crate::answers::{
    entries::EntryAnswer,
    text,
    trace::{EdgeKind, Node, NodeKind, Trace, Verdict, ends::flagged, walk::Serving},
};

/// A node in prose: `model/wine/quality v2 sha256:ab12cd34ef56…`.
pub(in crate::answers) fn label(node: &Node) -> String {
    let name = node.name.clone();
    let version = node.version.as_deref().map(text::version);
    let run = node.run.as_ref().map(|run| format!("run {}", run.run_id));
    let digest = main_digest(&node.digests).map(text::short);
    let parts: Vec<String> = [name, version, run, digest].into_iter().flatten().collect();
    match (parts.is_empty(), &node.uri) {
        (false, _) => parts.join(" "),
        (true, Some(uri)) => uri.clone(),
        (true, None) => format!("an unnamed {}", node.kind.as_str()),
    }
}

/// The answer of a trace in one line.
pub(in crate::answers) fn trace_line(trace: &Trace, serving: Option<Serving>) -> String {
    let root = trace.nodes.first();
    let name = root.map_or_else(String::new, label);
    let made: Vec<String> = nearest_data(trace).into_iter().filter_map(|at| trace.nodes.get(at)).map(label).collect();
    let from = match (root.map(|node| node.kind), made.is_empty()) {
        (_, true) => String::new(),
        (Some(NodeKind::Service), false) => format!(", made from {}", list(&made)),
        (Some(NodeKind::Run), false) => format!(" used {}", list(&made)),
        (_, false) => format!(" was made from {}", list(&made)),
    };
    let first = match serving {
        Some(serving) => serves(&name, serving, trace),
        None if made.is_empty() && trace.snapshots.contains(&0) => {
            format!("{name} is a snapshot, and nothing within the record is said to be before it")
        }
        None => name,
    };
    let (prefix, flagged) = (at_moment(&trace.as_of), on_flagged(trace));
    format!("{prefix}{first}{from}{} ({}){flagged}", goes_back(trace), ending(trace))
}

/// `; FLAGGED: dataset/wine/red …`, or nothing.
fn on_flagged(trace: &Trace) -> String {
    let labels: Vec<String> = flagged(trace).into_iter().map(label).collect();
    if labels.is_empty() { String::new() } else { format!("; FLAGGED: {}", list(&labels)) }
}

fn serves(service: &str, serving: Serving, trace: &Trace) -> String {
    let models = served(trace);
    let models = if models.is_empty() { "nothing".to_owned() } else { list(&models) };
    match serving {
        Serving::Runs => format!("{service} runs {models}"),
        Serving::Partly => format!("{service} runs, as far as it was seen, {models}"),
        Serving::Unknown(since) => format!("{service} is UNKNOWN since {since}; last seen with {models}"),
        Serving::Ended(since) => format!("{service} runs nothing since {since}"),
        Serving::Asked => format!("{service} was asked to run {models}"),
        Serving::Unseen => format!("{service} was never observed"),
    }
}

fn served(trace: &Trace) -> Vec<String> {
    let components = || trace.edges.iter().filter(|edge| edge.from == 0 && edge.relation == EdgeKind::Component);
    let is_model = |role: Option<&str>| matches!(role, Some("model" | "adapter"));
    let any_model = components().any(|edge| is_model(edge.role.as_deref()));
    let sets: BTreeSet<_> = components().map(|edge| edge.serving_set).collect();
    let shown = components().filter(|edge| !any_model || is_model(edge.role.as_deref())).filter_map(|edge| {
        let label = label(trace.nodes.get(edge.to)?);
        let share = edge.share.as_ref().filter(|_share| sets.len() > 1);
        Some(share.map_or_else(|| label.clone(), |share| format!("{label} (share {share})")))
    });
    shown.collect()
}

/// The data sets that one comes to first, going upstream.
fn nearest_data(trace: &Trace) -> BTreeSet<usize> {
    let upstream = upstream(trace);
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::from([0]));
    let mut open = VecDeque::from([0]);
    while let Some(at) = open.pop_front() {
        for to in upstream.get(at).into_iter().flatten() {
            if !seen.insert(*to) {
                continue;
            }
            if trace.nodes.get(*to).is_some_and(|node| node.kind == NodeKind::Dataset) {
                found.insert(*to);
            } else {
                open.push_back(*to);
            }
        }
    }
    found
}

fn upstream(trace: &Trace) -> Vec<Vec<usize>> {
    let mut upstream = vec![Vec::new(); trace.nodes.len()];
    for edge in trace.edges.iter().filter(|edge| edge.ancestry) {
        if let Some(list) = upstream.get_mut(edge.from) {
            list.push(edge.to);
        }
    }
    upstream
}

/// Snapshots further upstream than the nearest data.
fn goes_back(trace: &Trace) -> String {
    let nearest = nearest_data(trace);
    let deeper = trace.snapshots.iter().filter(|at| **at != 0 && !nearest.contains(at));
    let labels: Vec<String> = deeper.filter_map(|at| trace.nodes.get(*at)).map(label).collect();
    if labels.is_empty() { String::new() } else { format!(", which goes back to {}", list(&labels)) }
}

fn ending(trace: &Trace) -> String {
    let events = text::count(trace.events, "event");
    let verdict = trace.verdict.as_str();
    let what = match trace.verdict {
        Verdict::Complete => return format!("{verdict}, {events}"),
        Verdict::Boundary => &trace.boundaries,
        Verdict::Broken => &trace.missing,
    };
    let first = what.first().map_or("", String::as_str);
    match what.len().saturating_sub(1) {
        0 => format!("{verdict}: {first}; {events}"),
        more => format!("{verdict}: {first} and {more} more; {events}"),
    }
}

/// An entry as lines.
pub(super) fn entry(entry: &EntryAnswer) -> String {
    let mut lines = vec![
        format!("entry {} received {} by {}", entry.index, entry.received, signers(&entry.signers)),
        format!("previous   {}", entry.previous),
        format!("event      {}", entry.event),
    ];
    lines.extend(entry.signatures.iter().map(|signature| format!("signature  {signature}")));
    lines.extend(entry.corrected_by.iter().map(|index| format!("corrected by #{index}")));
    lines.push(String::new());
    lines.push(entry.body.as_ref().map_or_else(|| "(erased)".to_owned(), |body| body.as_str().to_owned()));
    lines.push(String::new());
    lines.push(entry.receipt.trim_end().to_owned());
    lines.push(String::new());
    lines.push(as_of_line(&entry.as_of));
    lines.join("\n") + "\n"
}
