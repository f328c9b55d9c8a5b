//! What runs, judged afresh, as text: the answer, what would not be let through now and why, then the rest.

use super::{Colour, Style, as_of_line, at_moment, gate::shown, running::admission};
use crate::answers::{
    gate::running::{GateRunning, Rejudged},
    running::Status,
    text,
};

/// Line 1.
pub(in crate::answers) fn line(running: &GateRunning) -> String {
    let place = running.environment.as_ref().map_or_else(String::new, |place| format!(" in {place}"));
    let parts = &running.parts;
    let no = parts.iter().filter(|part| part.is_decided() && !part.holds).count();
    let undecided = parts.iter().filter(|part| !part.is_decided()).count();
    let unknown = parts.iter().filter(|part| part.status != Status::Running).count();
    let all = text::count(parts.len(), "part");
    let said = match (parts.len(), no) {
        (0, _) => format!("what runs{place}: nothing where a policy speaks"),
        (_, 0) => format!("what runs{place}: none of {all} would be denied now"),
        _ => format!("what runs{place}: {no} of {all} would be DENIED now"),
    };
    let rest = [(undecided, "UNDECIDED"), (unknown, "not known to run"), (running.ungated.len(), "ungated")];
    let rest = rest.into_iter().filter(|(count, _what)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let said: Vec<String> = std::iter::once(said).chain(rest).collect();
    at_moment(&running.as_of) + &said.join(", ")
}

pub(super) fn text(running: &GateRunning, style: Style) -> String {
    let mut out = vec![running.answer.clone(), String::new()];
    for part in &running.parts {
        let (colour, word) = word(part);
        let (service, model, said) = (&part.service, shown(&part.data.model), admission(&part.admission));
        out.push(format!("{}  {service}  {model}  {said}", style.paint(colour, &format!("{word:<9}"))));
        out.extend(part.data.reasons.iter().filter(|_reason| !part.holds).map(|reason| format!("  {reason}")));
    }
    out.extend(running.ungated.iter().map(|service| format!("UNGATED    {service}: no policy speaks for it")));
    out.push(String::new());
    out.push(as_of_line(&running.as_of));
    out.join("\n") + "\n"
}

const fn word(part: &Rejudged) -> (Colour, &'static str) {
    match (part.is_decided(), part.holds) {
        (false, _) => (Colour::Red, "UNDECIDED"),
        (true, false) => (Colour::Red, "DENIED"),
        (true, true) => (Colour::Green, "holds"),
    }
}
