//! What is wrong, as text: the most severe first, each with the events that show it.

use super::{Colour, Style, as_of_line, at_moment, signers};
use crate::answers::{
    findings::{Evidence, Finding, Findings, Severity},
    text,
};

/// The answer in one line.
pub(in crate::answers) fn line(findings: &Findings) -> String {
    let place = findings.environment.as_ref().map_or_else(String::new, |place| format!(" in {place}"));
    let least = findings.severity.map_or_else(String::new, |least| format!(" of severity {} or more", least.as_str()));
    let found = &findings.findings;
    let answer = if found.is_empty() {
        format!("nothing{least} was found{place}")
    } else {
        let count = |severity| found.iter().filter(|finding| finding.severity == severity).count();
        let all = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
        let parts = all.into_iter().filter(|severity| count(*severity) > 0);
        let parts: Vec<String> = parts.map(|severity| format!("{} {}", count(severity), severity.as_str())).collect();
        format!("{}{place}: {}", text::count(found.len(), "finding"), parts.join(", "))
    };
    let doubt = match findings.undecided.len() {
        0 => String::new(),
        _ => format!("; UNDECIDED: {}", super::list(&findings.undecided)),
    };
    format!("{}{answer}{doubt}", at_moment(&findings.as_of))
}

pub(super) fn text(findings: &Findings, style: Style) -> String {
    let colour = if findings.exit_code() == 0 { Colour::Green } else { Colour::Red };
    let mut out = vec![style.paint(colour, &findings.answer)];
    for finding in &findings.findings {
        out.push(String::new());
        out.extend(lines(finding, style));
    }
    out.push(String::new());
    out.push(as_of_line(&findings.as_of));
    out.join("\n") + "\n"
}

fn lines(finding: &Finding, style: Style) -> Vec<String> {
    let colour = match finding.severity {
        Severity::Critical | Severity::High => Colour::Red,
        Severity::Medium => Colour::Yellow,
        Severity::Low => Colour::Dim,
    };
    let severity = style.paint(colour, &finding.severity.as_str().to_uppercase());
    let mut lines =
        vec![format!("{severity}  {}  {}", finding.rule.as_str(), finding.id), format!("  {}", finding.line)];
    let is_said = |service: &&String| finding.line.contains(service.as_str());
    let services: Vec<&str> = finding.services.iter().filter(|one| !is_said(one)).map(String::as_str).collect();
    if !services.is_empty() {
        lines.push(format!("  live at {}", services.join(", ")));
    }
    lines.extend(finding.evidence.iter().map(|evidence| style.paint(Colour::Dim, &evidence_line(evidence))));
    lines
}

/// An event that shows a finding, with what it is to it.
pub(super) fn evidence_line(evidence: &Evidence) -> String {
    let Evidence { role, event } = evidence;
    let (index, kind, subject) = (event.index, &event.kind, &event.subject);
    format!("  {role} #{index} {kind} {subject} at {} by {}", event.time, signers(&event.signers))
}
