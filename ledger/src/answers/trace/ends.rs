//! Where a walk ended: complete, at a declared boundary, or broken; circles, doubts, and the answer in one line.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, End, Node, Trace, Verdict, walk::Walked};
use crate::answers::{AsOf, EventRef, NamedDigest, Signer, print, text};

/// The most circles that are listed; all are marked.
const MAX_CYCLES: usize = 20;

/// Draws the conclusion of a walk.
pub(super) fn conclude(asked: &str, walked: Walked, warnings: Vec<String>, as_of: AsOf) -> Trace {
    let Walked { nodes, mut edges, measurements, serving, truncated } = walked;
    let cycles = find_cycles(nodes.len(), &mut edges);
    let mut missing = named(&nodes, End::Missing);
    missing.extend(cycles.iter().map(|cycle| circle(&nodes, cycle)));
    if truncated {
        missing.push(format!(
            "the limit of {} is reached: ask for something further upstream",
            text::count(nodes.len(), "node")
        ));
    }
    let boundaries = named(&nodes, End::Boundary);
    let verdict = match (missing.is_empty(), boundaries.is_empty()) {
        (false, _) => Verdict::Broken,
        (true, false) => Verdict::Boundary,
        (true, true) => Verdict::Complete,
    };
    let mut trace = Trace {
        asked: asked.to_owned(),
        answer: String::new(),
        verdict,
        snapshots: positions(&nodes, End::Snapshot).collect(),
        boundaries,
        missing,
        cycles,
        measurements,
        events: events(&nodes, &edges),
        warnings,
        truncated,
        as_of,
        nodes,
        edges,
    };
    mark_measured(&mut trace);
    trace.warnings.extend(doubtful_keys(&trace));
    let flags: Vec<String> = flagged(&trace).into_iter().map(print::flagged_node_line).collect();
    trace.warnings.extend(flags);
    trace.answer = print::trace_line(&trace, serving);
    trace
}

fn positions(nodes: &[Node], end: End) -> impl Iterator<Item = usize> {
    nodes.iter().enumerate().filter(move |(_at, node)| node.end == Some(end)).map(|(at, _node)| at)
}

fn named(nodes: &[Node], end: End) -> Vec<String> {
    positions(nodes, end).filter_map(|at| nodes.get(at)).map(print::label).collect()
}

fn circle(nodes: &[Node], cycle: &[usize]) -> String {
    let labels: Vec<String> =
        cycle.iter().chain(cycle.first()).filter_map(|at| nodes.get(*at)).map(print::label).collect();
    format!("the declared lineage goes in a circle: {}", labels.join(" <- "))
}

fn events(nodes: &[Node], edges: &[Edge]) -> usize {
    let of_nodes = nodes.iter().flat_map(|node| node.events.iter().map(|event| event.index));
    let mut all: Vec<u64> = of_nodes.chain(edges.iter().filter_map(|edge| edge.event)).collect();
    all.sort_unstable();
    all.dedup();
    all.len()
}

/// Marks the edges that close circles, and gives the circles. Depth first, without recursion: chains can be long.
fn find_cycles(nodes: usize, edges: &mut [Edge]) -> Vec<Vec<usize>> {
    let mut upstream: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for (position, edge) in edges.iter().enumerate().filter(|(_position, edge)| edge.ancestry) {
        if let Some(list) = upstream.get_mut(edge.from) {
            list.push(position);
        }
    }
    let mut cycles = Vec::new();
    let mut on_path = vec![None; nodes];
    let mut done = vec![false; nodes];
    for start in 0..nodes {
        let mut path: Vec<(usize, usize)> = Vec::new();
        if done.get(start) == Some(&false) {
            path.push((start, 0));
            set(&mut on_path, start, Some(0));
        }
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            let Some(position) = upstream.get(node).and_then(|list| list.get(*next)).copied() else {
                set(&mut on_path, node, None);
                set(&mut done, node, true);
                path.pop();
                continue;
            };
            *next += 1;
            let Some(edge) = edges.get_mut(position) else { continue };
            if let Some(Some(from)) = on_path.get(edge.to) {
                edge.cycle = true;
                if cycles.len() < MAX_CYCLES {
                    cycles.push(path.iter().skip(*from).map(|(node, _next)| *node).collect());
                }
            } else if done.get(edge.to) == Some(&false) {
                set(&mut on_path, edge.to, Some(path.len()));
                path.push((edge.to, 0));
            }
        }
    }
    cycles
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(place) = list.get_mut(at) {
        *place = value;
    }
}

/// Marks measurements on data that is also in the ancestry.
fn mark_measured(trace: &mut Trace) {
    if trace.measurements.is_empty() {
        return;
    }
    let upstream: BTreeSet<usize> = trace.edges.iter().filter(|edge| edge.ancestry).map(|edge| edge.to).collect();
    let digests: BTreeSet<&NamedDigest> =
        upstream.iter().filter_map(|at| trace.nodes.get(*at)).flat_map(|node| &node.digests).collect();
    let is_strong = |digest: &&NamedDigest| matches!(&*digest.algorithm, "sha256" | "dirHash");
    for measurement in &mut trace.measurements {
        for input in &mut measurement.inputs {
            input.in_ancestry = input.digests.iter().filter(is_strong).any(|digest| digests.contains(digest));
        }
    }
}

/// What is flagged of what was asked for and of its ancestry.
pub(in crate::answers) fn flagged(trace: &Trace) -> Vec<&Node> {
    if trace.nodes.iter().all(|node| node.flags.is_empty()) {
        return Vec::new();
    }
    let ancestry: BTreeSet<usize> = trace.edges.iter().filter(|edge| edge.ancestry).map(|edge| edge.to).collect();
    let counts = |at: &usize| *at == 0 || ancestry.contains(at);
    let nodes = trace.nodes.iter().enumerate().filter(|(at, node)| counts(at) && !node.flags.is_empty());
    nodes.map(|(_at, node)| node).collect()
}

/// One warning for each revoked key that the answer rests on.
fn doubtful_keys(trace: &Trace) -> Vec<String> {
    let mut keys: BTreeMap<String, (Signer, BTreeSet<u64>, usize)> = BTreeMap::new();
    for event in trace.nodes.iter().flat_map(|node| &node.events) {
        for signer in event.signers.iter().filter(|signer| signer.revoked_at.is_some()) {
            count_key(&mut keys, event, signer);
        }
    }
    keys.into_values().map(|(signer, events, suspect)| key_warning(&signer, events.len(), suspect)).collect()
}

fn count_key(keys: &mut BTreeMap<String, (Signer, BTreeSet<u64>, usize)>, event: &EventRef, signer: &Signer) {
    let seen = keys.entry(signer.keyid.to_string()).or_insert_with(|| (signer.clone(), BTreeSet::new(), 0));
    if seen.1.insert(event.index) && signer.suspect {
        seen.2 += 1;
    }
}

fn key_warning(signer: &Signer, events: usize, suspect: usize) -> String {
    let key = text::short_hex(&signer.keyid.to_string());
    let producer = signer.producer.as_deref().unwrap_or("unknown");
    let reason = signer.revoked_for.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let rests = format!("rests on {} of key {key} ({producer}), revoked since{reason}", text::count(events, "event"));
    match signer.compromised_since {
        Some(since) => format!("{rests}, compromised since {since}; {suspect} of them were received after that"),
        None => rests,
    }
}
