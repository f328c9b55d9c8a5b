//! Evaluations, as text: every attempt, what it found, and what ran then.

use super::{
    Colour, Style, as_of_line, at_moment,
    diff::{number, slice},
    list, signers,
};
use crate::answers::{
    evals::{Attempt, Evals, Incumbent, IncumbentState, Number},
    text,
};

/// The most results of an attempt that are shown; `--json` has all of them.
const SHOWN: usize = 12;

/// The answer in one line.
pub(in crate::answers) fn line(evals: &Evals) -> String {
    let of = if evals.models.is_empty() { evals.asked.clone() } else { list(&evals.models) };
    let open = evals.attempts.iter().filter(|attempt| attempt.finished.is_none()).count();
    let open = if open == 0 { String::new() } else { format!(", {open} NOT FINISHED") };
    let count = format!("{} of {of}{open}", text::count(evals.attempts.len(), "attempt"));
    let limit = if evals.truncated { "; older attempts are left out" } else { "" };
    // The last one that answers what is asked, whatever it found.
    let answering = |attempt: &&Attempt| main_number(evals, attempt).is_some();
    let Some(last) = evals.attempts.iter().rev().find(answering) else {
        let what = if evals.slice.is_empty() { String::new() } else { format!(" for{}", slice(&evals.slice)) };
        return format!("{}no result{what}: {count}{}{limit}", at_moment(&evals.as_of), overall(evals));
    };
    let shown = main_number(evals, last).map(numbered).unwrap_or_default();
    let against = last.incumbents.first().map_or_else(String::new, |incumbent| beside(evals, last, incumbent));
    format!("{}{shown}{against}: the last result of {count}{limit}", at_moment(&evals.as_of))
}

/// The result of an attempt that line 1 shows: the first one for the slice asked for, or over everything.
fn main_number<'e>(evals: &Evals, attempt: &'e Attempt) -> Option<&'e Number> {
    attempt.results.iter().find(|number| number.slice == evals.slice)
}

fn overall(evals: &Evals) -> String {
    let whole = evals.attempts.iter().rev().find_map(|attempt| attempt.results.iter().find(|own| own.slice.is_empty()));
    whole
        .filter(|_whole| !evals.slice.is_empty())
        .map_or_else(String::new, |whole| format!("; overall {}", numbered(whole)))
}

fn numbered(found: &Number) -> String {
    format!("{}{} {}", found.metric, slice(&found.slice), number(Some(&found.measured)))
}

fn beside(evals: &Evals, attempt: &Attempt, incumbent: &Incumbent) -> String {
    let own = main_number(evals, attempt);
    let same = |number: &&Number| own.is_some_and(|own| own.metric == number.metric && own.slice == number.slice);
    let model = incumbent.model.as_deref().unwrap_or_default();
    match (incumbent.state, incumbent.results.iter().find(same), &incumbent.not_comparable) {
        (IncumbentState::Other, Some(theirs), _) => {
            format!(", incumbent {model} {}", number(Some(&theirs.measured)))
        }
        (IncumbentState::Other, None, why) => {
            let why = why.as_deref().unwrap_or("it has no such number");
            format!(", incumbent {model} {why}")
        }
        (IncumbentState::Itself, ..) => ", it ran itself then".to_owned(),
        (IncumbentState::Nothing, ..) => ", nothing ran then".to_owned(),
        (IncumbentState::Unknown, ..) => ", what ran then is UNKNOWN".to_owned(),
    }
}

pub(super) fn text(evals: &Evals, style: Style) -> String {
    let colour = match evals.exit_code() {
        0 => Colour::Green,
        1 => Colour::Red,
        _ => Colour::Yellow,
    };
    let mut out = vec![style.paint(colour, &evals.answer), String::new()];
    for attempt in &evals.attempts {
        attempt_lines(evals, attempt, style, &mut out);
    }
    if evals.suites.iter().any(|suite| suite.attempts > 1) {
        out.push(String::new());
        let count = |attempts| text::count(attempts, "attempt");
        let line = evals
            .suites
            .iter()
            .map(|suite| format!("{}: {}, {} finished", suite.suite, count(suite.attempts), suite.finished));
        out.extend(line);
    }
    out.extend(evals.warnings.iter().map(|warning| style.paint(Colour::Yellow, &format!("in doubt: {warning}"))));
    out.push(String::new());
    out.push(as_of_line(&evals.as_of));
    out.join("\n") + "\n"
}

fn attempt_lines(evals: &Evals, attempt: &Attempt, style: Style, out: &mut Vec<String>) {
    let (id, suite) = (&attempt.evaluation_id, &attempt.suite);
    let model = evals.models.get(attempt.model).filter(|_model| evals.models.len() > 1);
    let model = model.map_or_else(String::new, |model| format!(" of {model}"));
    let announced = attempt.announced.as_ref().map(|event| format!("announced (#{})", event.index));
    let announced = announced.unwrap_or_else(|| "never announced".to_owned());
    let end = match &attempt.finished {
        Some(event) => format!("{announced}, finished (#{}) by {}", event.index, signers(&event.signers)),
        None => style.paint(Colour::Yellow, &format!("{announced}, NOT FINISHED")),
    };
    out.push(format!("{}  {id}{model}, {suite}: {end}", attempt.at));
    let wanted = attempt.results.iter().filter(|own| evals.slice.is_empty() || own.slice == evals.slice);
    let count = wanted.clone().count();
    out.extend(wanted.take(SHOWN).map(|found| format!("    {}", numbered(found))));
    if count > SHOWN {
        out.push(format!("    … and {} more; --json has all", count - SHOWN));
    }
    if count == 0 && attempt.finished.is_some() {
        out.push(format!(
            "    no result for{} among {}",
            slice(&evals.slice),
            text::count(attempt.result_count, "result")
        ));
    }
    out.extend(attempt.incumbents.iter().map(|incumbent| format!("    {}", incumbent_line(evals, incumbent))));
}

fn incumbent_line(evals: &Evals, incumbent: &Incumbent) -> String {
    let service = &incumbent.service;
    let seen = incumbent.observation.as_ref().map_or_else(String::new, |event| format!(" (#{})", event.index));
    let told = match incumbent.state {
        IncumbentState::Itself => "it ran itself then".to_owned(),
        IncumbentState::Nothing => "nothing was seen to run then".to_owned(),
        IncumbentState::Unknown => "UNKNOWN what ran then".to_owned(),
        IncumbentState::Other => {
            let results = incumbent.results.iter().filter(|own| evals.slice.is_empty() || own.slice == evals.slice);
            let results: Vec<String> = results.map(numbered).collect();
            let results = match (&incumbent.not_comparable, results.is_empty()) {
                (Some(why), _) => why.clone(),
                (None, true) => "no such number on the same data".to_owned(),
                (None, false) => format!("had {}", list(&results)),
            };
            format!("incumbent {} {results}", incumbent.model.as_deref().unwrap_or_default())
        }
    };
    format!("{service}{seen}: {told}")
}
