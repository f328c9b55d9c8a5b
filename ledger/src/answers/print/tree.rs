//! A trace as a tree of unicode lines. What was shown above is not shown again.

use std::collections::{BTreeMap, BTreeSet};

use lineal_schemas::vocabulary::{
    artifact::Strength,
    values::{Scalar, Table},
};

use super::{Colour, Style, as_of_line, flag_line, label, main_digest, signers};
use crate::answers::{
    EventRef,
    recheck::{Recheck, RecheckState},
    text,
    trace::{Edge, EdgeKind, End, Measurement, Node, NodeKind, RunFacts, Trace, Verdict},
};

/// Deeper nodes are not indented further: the lines of a long chain would grow without end.
const MAX_INDENT: usize = 40;

/// The most parameters, seeds and versions in a line.
const MAX_VALUES: usize = 8;

struct Frame<'t> {
    at: usize,
    edge: Option<&'t Edge>,
    prefix: String,
    depth: usize,
    last: bool,
}

pub(super) fn trace(trace: &Trace, style: Style) -> String {
    let colour = match trace.verdict {
        Verdict::Complete => Colour::Green,
        Verdict::Boundary => Colour::Yellow,
        Verdict::Broken => Colour::Red,
    };
    let mut out = vec![style.paint(colour, &trace.answer), String::new()];
    branches(trace, style, &mut out);
    if !trace.measurements.is_empty() {
        out.push(String::new());
        out.push("measured (no part of the ancestry):".to_owned());
        out.extend(trace.measurements.iter().map(|measurement| measured(trace, measurement)));
    }
    endings(trace, style, &mut out);
    out.push(String::new());
    out.push(as_of_line(&trace.as_of));
    out.join("\n") + "\n"
}

fn branches(trace: &Trace, style: Style, out: &mut Vec<String>) {
    let mut upstream: BTreeMap<usize, Vec<&Edge>> = BTreeMap::new();
    for edge in &trace.edges {
        upstream.entry(edge.from).or_default().push(edge);
    }
    let mut shown = BTreeSet::new();
    let mut open = vec![Frame { at: 0, edge: None, prefix: String::new(), depth: 0, last: true }];
    while let Some(frame) = open.pop() {
        let Some(node) = trace.nodes.get(frame.at) else { continue };
        let (own, below) = prefixes(&frame);
        let again = !shown.insert(frame.at);
        out.push(format!("{own}{}", head(node, frame.edge, again, style)));
        if again {
            continue;
        }
        let edges = upstream.get(&frame.at).map(Vec::as_slice).unwrap_or_default();
        let bar = if edges.is_empty() { "   " } else { "│  " };
        out.extend(details(node, style).into_iter().map(|line| format!("{below}{bar}{line}")));
        for (position, edge) in edges.iter().enumerate().rev() {
            let last = position + 1 == edges.len();
            open.push(Frame { at: edge.to, edge: Some(edge), prefix: below.clone(), depth: frame.depth + 1, last });
        }
    }
}

/// What stands before a node's own line, and before the lines below it.
fn prefixes(frame: &Frame<'_>) -> (String, String) {
    if frame.edge.is_none() {
        return (String::new(), String::new());
    }
    let branch = if frame.last { "└─ " } else { "├─ " };
    let below = if frame.depth >= MAX_INDENT {
        ""
    } else if frame.last {
        "   "
    } else {
        "│  "
    };
    (format!("{}{branch}", frame.prefix), format!("{}{below}", frame.prefix))
}

fn head(node: &Node, edge: Option<&Edge>, again: bool, style: Style) -> String {
    let relation = edge.map_or_else(String::new, |edge| format!("{}: ", relation(edge)));
    let named = match (node.kind, node.end) {
        (NodeKind::Missing, _) => style.paint(Colour::Red, &format!("MISSING {}", label(node))),
        (_, Some(End::Boundary)) => format!("{} {}", label(node), style.paint(Colour::Yellow, "(outside)")),
        _ => label(node),
    };
    let mark = match (again, edge.is_some_and(|edge| edge.cycle)) {
        (_, true) => style.paint(Colour::Red, " (closes a circle)"),
        (true, false) => style.paint(Colour::Dim, " (see above)"),
        (false, false) => String::new(),
    };
    format!("{relation}{named}{mark}")
}

fn relation(edge: &Edge) -> String {
    let role = edge.role.as_deref().unwrap_or("");
    let basis = edge.basis.as_str();
    match edge.relation {
        EdgeKind::Component => match &edge.share {
            Some(share) => format!("{share} {role}, {basis}"),
            None => format!("{role}, {basis}"),
        },
        EdgeKind::Input if edge.ancestry => format!("{role}, {basis}"),
        EdgeKind::Input => format!("{role} (not followed), {basis}"),
        EdgeKind::Run => "made by".to_owned(),
        EdgeKind::DerivedFrom => format!("derived from, {basis}"),
        EdgeKind::Source => format!("source, {basis}"),
        EdgeKind::PartOf => format!("part of, {basis}"),
        EdgeKind::Part => format!("part, {basis}"),
        EdgeKind::SubsetOf => format!("subset of, {basis}"),
        EdgeKind::BaseModel => format!("base model, {basis}"),
        EdgeKind::Transform => format!("went through, {basis}"),
        EdgeKind::Code => format!("built from, {basis}"),
        EdgeKind::Environment => format!("ran with, {basis}"),
        EdgeKind::Missing => "?".to_owned(),
    }
}

fn details(node: &Node, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for (position, digest) in node.digests.iter().enumerate() {
        let strength = Strength::of(&digest.algorithm);
        let rechecked = node
            .rechecks
            .iter()
            .any(|recheck| recheck.state == RecheckState::Rechecked && recheck.found.as_ref() == Some(digest));
        let said = match (strength, rechecked) {
            (Strength::Strong, true) => "strong, rechecked",
            (Strength::Strong, false) => "strong, declared",
            (other, _) => other.as_str(),
        };
        let same = if position > 0 && strength == Strength::Strong { ", joined" } else { "" };
        lines.push(format!("{}:{} ({said}{same})", digest.algorithm, digest.value));
    }
    lines.extend(node.rechecks.iter().filter_map(|recheck| recheck_line(recheck, style)));
    if main_digest(&node.digests).is_none()
        && let (Some(uri), Some(strength)) = (&node.uri, node.strength)
    {
        lines.push(format!("{uri} ({})", strength.as_str()));
    }
    lines.extend(node.data.as_ref().map(|data| {
        let parts = [(data.row_count, "rows"), (data.size, "bytes"), (data.file_count, "files")];
        let told = parts.iter().filter_map(|(count, what)| count.map(|count| format!("{count} {what}")));
        told.collect::<Vec<_>>().join(", ")
    }));
    if !node.other_names.is_empty() {
        lines.push(format!("also called {}", node.other_names.join(", ")));
    }
    lines.extend(node.run.as_deref().map(run_lines).into_iter().flatten());
    lines.extend(node.events.iter().map(|event| style.paint(Colour::Dim, &event_line(event))));
    lines.extend(node.flags.iter().map(|flag| style.paint(Colour::Red, &format!("! {}", flag_line(flag)))));
    lines.extend(node.notes.iter().map(|note| style.paint(Colour::Yellow, &format!("! {note}"))));
    lines
}

/// What a place holds that does not hold what it should.
fn recheck_line(recheck: &Recheck, style: Style) -> Option<String> {
    let place = &recheck.place;
    match (recheck.state, &recheck.found) {
        (RecheckState::Rechecked, _) => None,
        (RecheckState::Mismatch, found) => {
            let found = found.as_ref().map(ToString::to_string).unwrap_or_default();
            Some(style.paint(Colour::Red, &format!("MISMATCH: the bytes at {place} have {found}")))
        }
        (RecheckState::Unreachable, _) => {
            let why = recheck.problem.as_deref().unwrap_or_default();
            Some(style.paint(Colour::Yellow, &format!("not reachable: {place}: {why}")))
        }
    }
}

fn event_line(event: &EventRef) -> String {
    let corrected = event.corrected_by.map_or_else(String::new, |index| format!(", corrected by #{index}"));
    let digest = text::short_hex(&event.event.to_string());
    let (index, kind, received) = (event.index, &event.kind, event.received);
    format!("#{index} {kind} {digest} received {received} by {}{corrected}", signers(&event.signers))
}

fn run_lines(run: &RunFacts) -> Vec<String> {
    let dirty = match run.dirty {
        Some(true) => ", with changes that the commit does not have",
        Some(false) => ", clean",
        None => "",
    };
    let seeds = run.seeds.iter().flat_map(Table::as_map).map(|(name, seed)| {
        let seed = match seed {
            Scalar::Number(number) => number.as_str().to_owned(),
            Scalar::Text(text) => text.to_string(),
        };
        format!("{name}={seed}")
    });
    let parameters =
        run.parameters.iter().flat_map(Table::as_map).map(|(name, value)| format!("{name}={}", value.as_str()));
    let versions = run.versions.iter().flat_map(Table::as_map).map(|(name, version)| format!("{name} {version}"));
    let environment = run.image.iter().map(|image| format!("image {image}"));
    let environment =
        environment.chain(run.lockfile.iter().map(|lockfile| format!("lockfile {lockfile}"))).chain(versions);
    [
        ("code", run.code.as_ref().map(|code| format!("{code}{dirty}"))),
        ("parameters", values(parameters.collect())),
        ("seeds", values(seeds.collect())),
        ("environment", values(environment.collect())),
        ("hardware", run.hardware.clone()),
        ("part of run", run.parent.clone()),
        ("unknown", values(run.unknown.clone())),
    ]
    .into_iter()
    .filter_map(|(what, value)| value.map(|value| format!("{what}: {value}")))
    .collect()
}

fn values(values: Vec<String>) -> Option<String> {
    let shown = values.get(..MAX_VALUES.min(values.len())).unwrap_or_default().join(", ");
    match (values.len(), values.len().saturating_sub(MAX_VALUES)) {
        (0, _) => None,
        (_, 0) => Some(shown),
        (_, more) => Some(format!("{shown} and {more} more")),
    }
}

fn measured(trace: &Trace, measurement: &Measurement) -> String {
    let model = trace.nodes.get(measurement.model).map_or_else(String::new, label);
    let overall: Vec<String> = measurement.overall.iter().map(|(metric, value)| format!("{metric} {value}")).collect();
    let results = match (measurement.completed, values(overall)) {
        (false, _) => "announced, no result".to_owned(),
        (true, None) => text::count(measurement.results, "result"),
        (true, Some(overall)) => format!("{overall} ({})", text::count(measurement.results, "result")),
    };
    let inputs = measurement.inputs.iter().map(|input| {
        let digest = main_digest(&input.digests).map(text::short);
        let named: Vec<String> = input.name.iter().cloned().chain(digest).collect();
        let warning = if input.in_ancestry { " (ALSO IN THE ANCESTRY)" } else { "" };
        format!("{} {}{warning}", input.role, named.join(" "))
    });
    let on = values(inputs.collect()).map_or_else(String::new, |inputs| format!(" on {inputs}"));
    let (id, event) = (&measurement.evaluation_id, &measurement.event);
    format!("  #{} {id} of {model}{on}: {results}, by {}", event.index, signers(&event.signers))
}

fn endings(trace: &Trace, style: Style, out: &mut Vec<String>) {
    let groups = [
        ("missing", Colour::Red, &trace.missing),
        ("outside", Colour::Yellow, &trace.boundaries),
        ("in doubt", Colour::Yellow, &trace.warnings),
    ];
    for (what, colour, lines) in groups.into_iter().filter(|(_what, _colour, lines)| !lines.is_empty()) {
        out.push(String::new());
        out.extend(lines.iter().map(|line| style.paint(colour, &format!("{what}: {line}"))));
    }
}
