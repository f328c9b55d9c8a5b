//! Explanations as text: what it is, what led to it, what it led to.

use super::{Colour, Style, as_of_line, at_moment, findings::evidence_line};
use crate::answers::{
    explain::{EventExplained, Explanation, FindingExplained, Led, Right, Standing},
    text,
};

/// The answer in one line.
pub(in crate::answers) fn line(explanation: &Explanation) -> String {
    let prefix = at_moment(&explanation.as_of);
    match (&explanation.finding, &explanation.event) {
        (Some(explained), _) => {
            let finding = &explained.finding;
            format!("{prefix}{} {}: {}", finding.severity.as_str().to_uppercase(), finding.rule.as_str(), finding.line)
        }
        (None, Some(explained)) => format!("{prefix}#{}: {}", explained.event.index, explained.says),
        (None, None) => format!("{prefix}{} is not explained", explanation.asked),
    }
}

pub(super) fn text(explanation: &Explanation, style: Style) -> String {
    let mut out = vec![explanation.answer.clone(), String::new()];
    out.extend(explanation.finding.iter().flat_map(|finding| finding_lines(finding, style)));
    out.extend(explanation.event.iter().flat_map(|event| event_lines(event, style)));
    out.push(String::new());
    out.push(as_of_line(&explanation.as_of));
    out.join("\n") + "\n"
}

fn finding_lines(explained: &FindingExplained, style: Style) -> Vec<String> {
    let finding = &explained.finding;
    let mut lines = vec![format!("rule {}: {}", finding.rule.as_str(), explained.rule)];
    if !finding.services.is_empty() {
        lines.push(format!("at {}", finding.services.join(", ")));
    }
    lines.push("shown by, in the order in which it happened:".to_owned());
    lines.extend(finding.evidence.iter().map(|evidence| style.paint(Colour::Dim, &evidence_line(evidence))));
    lines.push(format!("to mend it: {}", explained.mend));
    lines.push("to ask on:".to_owned());
    lines.extend(explained.ask_on.iter().map(|command| format!("  {command}")));
    lines
}

fn event_lines(explained: &EventExplained, style: Style) -> Vec<String> {
    let event = &explained.event;
    let late = explained.late_minutes.map_or_else(String::new, |minutes| format!(", {minutes} min late"));
    let mut lines = vec![format!("{} {}", event.kind, event.subject)];
    lines.push(format!("happened {}, received {}{late}", event.time, event.received));
    lines.extend(explained.rights.iter().map(right_line));
    lines.extend(explained.names.iter().map(evidence_line));
    lines.push("led to:".to_owned());
    lines.extend(explained.led_to.iter().map(led_line));
    if explained.led_to.is_empty() {
        lines.push("  nothing that an answer tells by itself".to_owned());
    }
    for finding in &explained.findings {
        let (id, rule, line) = (&finding.id, finding.rule.as_str(), &finding.line);
        lines.push(style.paint(Colour::Red, &format!("shows {id} {rule}: {line}")));
    }
    lines
}

fn right_line(right: &Right) -> String {
    let key = text::short_hex(&right.keyid.to_string());
    match right.standing {
        Standing::Root => format!("said by root key {key}, which the genesis names"),
        Standing::Ledger => format!("said by the ledger's own key {key}"),
        Standing::Producer => {
            let producer = right.producer.as_deref().unwrap_or("unknown");
            let roles = right.roles.join(", ");
            let name = right.name.as_ref().map_or_else(String::new, |name| format!(", for {name}"));
            let enrolled = right.enrolled.zip(right.enrolled_at);
            let enrolled = enrolled.map_or_else(String::new, |(index, at)| format!(", enrolled by #{index} at {at}"));
            format!("said by {producer} (key {key}) as {roles}{name}{enrolled}")
        }
    }
}

fn led_line(led: &Led) -> String {
    let event = led.event.as_ref().map_or_else(String::new, |event| format!(" (#{} {})", event.index, event.kind));
    format!("  {}: {}{event}", led.rule, led.what)
}
