//! A verdict as text: the answer, a line a rule, what should be known, its digest, the tree size.

use lineal_gate::verdict::{Outcome, RuleResult};
use lineal_schemas::vocabulary::gate::GateVerdict;

use super::{Colour, Style, as_of_line, at_moment};
use crate::answers::{
    gate::{Gate, word},
    text,
};

/// Line 1.
pub(in crate::answers) fn line(gate: &Gate) -> String {
    let document = &gate.document;
    let policy = document.policy.as_ref().map_or_else(
        || "no policy".to_owned(),
        |applied| format!("{} sha256:{}", applied.policy.name, text::short_hex(applied.policy.sha256.as_str())),
    );
    let unmet = document.rules.iter().filter(|rule| matches!(rule.outcome, Outcome::Fail | Outcome::NoEvidence));
    let all = text::count(document.rules.len(), "rule");
    let what = match (document.verdict, &document.overridden) {
        (GateVerdict::Allow, _) => format!("ALLOW: {all} passed or were waived"),
        (GateVerdict::Deny, None) => format!("DENY: {} of {all} did not pass", unmet.count()),
        (GateVerdict::Deny, Some(glass)) => {
            let unmet = unmet.count();
            format!("DENY, OVERRIDDEN until {} for {}: {unmet} of {all} did not pass", glass.expires, glass.reason)
        }
        (GateVerdict::Undecided, _) => {
            format!("UNDECIDED: {}", document.notes.first().map_or("nothing was judged", String::as_str))
        }
    };
    format!("{}{what} ({} at {}, {policy})", at_moment(&gate.as_of), shown(&gate.data.model), document.service)
}

/// A digest in a line, cut.
pub(super) fn shown(model: &str) -> String {
    match model.split_once(':') {
        Some((algorithm, hex)) if hex.len() == 64 => format!("{algorithm}:{}", text::short_hex(hex)),
        _ => model.to_owned(),
    }
}

pub(super) fn text(gate: &Gate, style: Style) -> String {
    let mut lines = vec![gate.answer.clone(), String::new()];
    let width = gate.document.rules.iter().map(|rule| name(rule).chars().count()).max().unwrap_or_default();
    lines.extend(gate.document.rules.iter().map(|rule| rule_line(rule, width, style)));
    lines.extend(gate.document.notes.iter().map(|note| style.paint(Colour::Yellow, &format!("  ! {note}"))));
    lines.push(String::new());
    let (digest, count) = (&gate.digest, gate.document.inputs.len());
    lines.push(format!("verdict sha256:{digest}, resting on {}", text::count(count, "event")));
    lines.push(as_of_line(&gate.as_of));
    lines.join("\n") + "\n"
}

fn name(rule: &RuleResult) -> String {
    rule.of.as_ref().map_or_else(|| rule.rule.clone(), |of| format!("{} ({of})", rule.rule))
}

/// The most events that a line names.
const SHOWN: usize = 3;

fn rule_line(rule: &RuleResult, width: usize, style: Style) -> String {
    let colour = match rule.outcome {
        Outcome::Pass => Colour::Green,
        Outcome::Fail | Outcome::NoEvidence => Colour::Red,
        Outcome::Waived => Colour::Yellow,
    };
    let outcome = style.paint(colour, &format!("{:<11}", word(rule.outcome)));
    let mut events: Vec<String> =
        rule.evidence.iter().take(SHOWN).map(|event| text::short_hex(&event.to_string())).collect();
    if rule.evidence.len() > SHOWN {
        events.push(format!("and {} more", rule.evidence.len() - SHOWN));
    }
    let by = if events.is_empty() { String::new() } else { format!("  by {}", events.join(", ")) };
    format!("  {outcome} {:<width$}  {}  (wanted: {}){by}", name(rule), rule.got, rule.want)
}
