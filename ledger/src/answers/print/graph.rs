//! A trace as a graph for other programs: Graphviz's `dot`, and Mermaid for a page or a ticket.
//!
//! Promises every node and every edge, named by position, and text that can't end its own quotes. What is shown and not
//! followed is drawn dashed.

use std::fmt::Write as _;

use super::{as_of_line, flagged, lines::label};
use crate::answers::trace::{Edge, EdgeKind, Node, NodeKind, Trace};

fn relation(edge: &Edge) -> String {
    let name = match edge.relation {
        EdgeKind::Component => "serves",
        EdgeKind::Run => "made by",
        EdgeKind::Input => "input",
        EdgeKind::DerivedFrom => "derived from",
        EdgeKind::Source => "source",
        EdgeKind::PartOf => "part of",
        EdgeKind::Part => "part",
        EdgeKind::SubsetOf => "subset of",
        EdgeKind::BaseModel => "base model",
        EdgeKind::Transform => "transform",
        EdgeKind::Code => "code",
        EdgeKind::Environment => "environment",
        EdgeKind::Missing => "missing",
    };
    [Some(name), edge.role.as_deref(), edge.share.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn named(node: &Node) -> String {
    label(node) + &flagged(&node.flags)
}

pub(super) fn dot(trace: &Trace) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut out = format!("// {}\n// {}\ndigraph trace {{\n  rankdir=RL;\n", trace.answer, as_of_line(&trace.as_of));
    for (at, node) in trace.nodes.iter().enumerate() {
        let shape = match node.kind {
            NodeKind::Run => "ellipse",
            NodeKind::Service => "house",
            NodeKind::Missing => "octagon",
            NodeKind::Dataset => "cylinder",
            _ => "box",
        };
        line(&mut out, format_args!("  n{at} [shape={shape}, label=\"{}\"];", quoted(&named(node))));
    }
    for edge in &trace.edges {
        let style = if edge.ancestry { "solid" } else { "dashed" };
        let (from, to, text) = (edge.from, edge.to, quoted(&relation(edge)));
        line(&mut out, format_args!("  n{from} -> n{to} [style={style}, label=\"{text}\"];"));
    }
    out + "}\n"
}

pub(super) fn mermaid(trace: &Trace) -> String {
    // Mermaid has no escape inside quotes but its own entities.
    let quoted = |text: &str| text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;");
    let mut out = format!("%% {}\n%% {}\nflowchart RL\n", trace.answer, as_of_line(&trace.as_of));
    for (at, node) in trace.nodes.iter().enumerate() {
        let (open, close) = match node.kind {
            NodeKind::Run => ("([", "])"),
            NodeKind::Missing => ("{{", "}}"),
            NodeKind::Dataset => ("[(", ")]"),
            _ => ("[", "]"),
        };
        line(&mut out, format_args!("  n{at}{open}\"{}\"{close}", quoted(&named(node))));
    }
    for edge in &trace.edges {
        let arrow = if edge.ancestry { "-->" } else { "-.->" };
        let (from, to, text) = (edge.from, edge.to, quoted(&relation(edge)));
        line(&mut out, format_args!("  n{from} {arrow}|\"{text}\"| n{to}"));
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").unwrap_or_default();
}
