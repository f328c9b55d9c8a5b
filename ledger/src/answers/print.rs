//! Answers as text: line 1 is the answer, the tree size that it was given at is the last.
//!
//! Promises the same words wherever an answer is printed, and colours only where they are asked for. Never adds a claim
//! that the answer itself does not hold.

use lineal_schemas::vocabulary::flag::FlagSeverity;

use super::{
    NamedDigest, Signer,
    diff::Diff,
    entries::EntryAnswer,
    evals::Evals,
    explain::Explanation,
    findings::Findings,
    flags::{Flag, Flagged},
    gate::{Gate, running::GateRunning},
    impact::Impact,
    key_impact::KeyImpact,
    rollback::RollbackPlan,
    running::Running,
    text,
    timeline::Timeline,
    trace::{Node, Trace},
    windows::Windows,
};

mod diff;
mod evals;
mod explain;
mod findings;
mod gate;
mod gate_running;
mod graph;
mod history;
mod impact;
mod key_impact;
mod lines;
mod rollback;
mod running;
mod tree;

pub(super) use diff::line as diff_line;
pub(super) use evals::line as evals_line;
pub(super) use explain::line as explain_line;
pub(super) use findings::line as findings_line;
pub(super) use gate::line as gate_line;
pub(super) use gate_running::line as gate_running_line;
pub(super) use history::{timeline_line, windows_line};
pub(super) use impact::line as impact_line;
pub(super) use key_impact::line as key_impact_line;
pub(super) use lines::{label, trace_line};
pub(super) use rollback::{difference as difference_line, line as rollback_line};
pub(super) use running::{component_in_its_role, line as running_line};

/// Whether a text has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Letters alone.
    Plain,
    /// With ANSI colours, for a terminal.
    Coloured,
}

#[derive(Debug, Clone, Copy)]
enum Colour {
    Red,
    Yellow,
    Green,
    Dim,
}

impl Style {
    fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Red => "31",
            Colour::Yellow => "33",
            Colour::Green => "32",
            Colour::Dim => "2",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

impl Trace {
    /// As text: the answer, the tree, what was measured, what is in doubt, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        tree::trace(self, style)
    }

    /// As a graph for Graphviz.
    pub fn to_dot(&self) -> String {
        graph::dot(self)
    }

    /// As a flowchart for Mermaid.
    pub fn to_mermaid(&self) -> String {
        graph::mermaid(self)
    }
}

impl Running {
    /// As text: the answer, a block for each service, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        running::text(self, style)
    }
}

impl Findings {
    /// As text: the answer, a block for each finding, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        findings::text(self, style)
    }
}

impl Gate {
    /// As text: the answer, a line for each rule, what should be known, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        gate::text(self, style)
    }
}

impl Timeline {
    /// As text: the answer, a line for each change, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        history::timeline(self, style)
    }
}

impl Windows {
    /// As text: the answer, a line for each interval, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        history::windows(self, style)
    }
}

impl RollbackPlan {
    /// As text: the answer, the two lines, what to restore together, what differs, what would undo it, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        rollback::text(self, style)
    }
}

impl Impact {
    /// As text: the answer, what runs, what is in between, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        impact::text(self, style)
    }
}

impl GateRunning {
    /// As text: the answer, a line for each part and why it would be denied, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        gate_running::text(self, style)
    }
}

impl KeyImpact {
    /// As text: the answer, what runs, what is in between, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        key_impact::text(self, style)
    }
}

impl Explanation {
    /// As text: the answer, what it rests on, what it led to, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        explain::text(self, style)
    }
}

impl Diff {
    /// As text: the answer, both sides, the five blocks, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        diff::text(self, style)
    }
}

impl Evals {
    /// As text: the answer, every attempt with what ran then, the tree size.
    pub fn to_text(&self, style: Style) -> String {
        evals::text(self, style)
    }
}

impl EntryAnswer {
    /// As text: the entry's fields, the event, the receipt.
    pub fn to_text(&self) -> String {
        lines::entry(self)
    }
}

/// The last line of every answer: the tree size, and the moment where one was asked for.
pub(crate) fn as_of_line(as_of: &super::AsOf) -> String {
    let super::AsOf { origin, tree_size, known_at, at, asked } = as_of;
    let moment =
        if *asked { format!(", whose last entry was taken at {known_at}; true at {at}") } else { String::new() };
    format!("as of tree size {tree_size} of {origin}{moment}")
}

/// What line 1 begins with where a moment was asked for: it must not be taken for the present.
fn at_moment(as_of: &super::AsOf) -> String {
    if as_of.asked { format!("at {}: ", as_of.at) } else { String::new() }
}

/// The digest that a line of prose shows: the first strong one, else the first.
fn main_digest(digests: &[NamedDigest]) -> Option<&NamedDigest> {
    let strong = |digest: &&NamedDigest| matches!(&*digest.algorithm, "sha256" | "dirHash");
    digests.iter().find(strong).or_else(|| digests.first())
}

/// `wine-trainer (key ab12…)`, with what has become of the key.
fn signers(signers: &[Signer]) -> String {
    let each = signers.iter().map(|signer| {
        let key = text::short_hex(&signer.keyid.to_string());
        let producer = signer.producer.as_deref().unwrap_or("unknown");
        let state = match (signer.suspect, signer.revoked_at) {
            (true, _) => ", COMPROMISED when it signed",
            (false, Some(_)) => ", revoked since",
            (false, None) => "",
        };
        format!("{producer} (key {key}{state})")
    });
    each.collect::<Vec<_>>().join(", ")
}

/// ` FLAGGED poisoned (#17)`, or nothing.
fn flagged(flags: &[Flag]) -> String {
    let each = flags.iter().map(|flag| format!(" {} {} (#{})", shout(flag), flag.category, flag.event.index));
    each.collect()
}

/// A flag that says not to use something is loud, one that says to look at it is not.
fn shout(flag: &Flag) -> &'static str {
    match flag.severity {
        FlagSeverity::Error => "FLAGGED",
        FlagSeverity::Warn => "flagged",
    }
}

/// What a flag says, as prose.
pub(super) fn flag_line(flag: &Flag) -> String {
    let (index, who, since) = (flag.event.index, signers(&flag.event.signers), flag.known_since);
    let (loud, category, why) = (shout(flag), flag.category, &flag.justification);
    let more = flag.advisory.as_ref().map_or_else(String::new, |place| format!(", see {place}"));
    format!("{loud} {category}: {why}, known since {since} (#{index} by {who}{more})")
}

/// What stands on a node of an ancestry, as prose.
pub(super) fn flagged_node_line(node: &Node) -> String {
    let flags: Vec<String> = node.flags.iter().map(flag_line).collect();
    format!("{}: {}", label(node), flags.join("; "))
}

/// What is flagged of what serves, as prose: the flags, and the way to them.
fn flagged_line(flagged: &Flagged) -> String {
    let flags: Vec<String> = flagged.flags.iter().map(flag_line).collect();
    let how = if flagged.way.len() > 1 {
        format!("rests on {}, by {}", flagged.what, flagged.way.join(" <- "))
    } else {
        flagged.what.clone()
    };
    format!("{how}: {}", flags.join("; "))
}

/// At most three of a list in prose.
pub(super) fn list(items: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = items.get(..SHOWN.min(items.len())).unwrap_or_default().join(", ");
    match items.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
