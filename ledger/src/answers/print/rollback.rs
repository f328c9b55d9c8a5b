//! What to go back to, as text: the answer, the two lines, what belongs together, what would undo it.

use super::{
    Colour, Style, as_of_line, at_moment, flagged_line, list,
    running::{Shown, sets},
};
use crate::answers::{
    recheck::RecheckState,
    rollback::{
        Candidate, Choice, Difference, Line, Restorable, Restored, RollbackPlan, Standing, Undoes, check, span,
    },
    text::{self, age},
    timeline::Part,
};

/// Candidates that are told of in text; `--json` has all.
const SHOWN: usize = 8;

/// The answer in one line: model, then data context.
pub(in crate::answers) fn line(plan: &RollbackPlan) -> String {
    let (prefix, service) = (at_moment(&plan.as_of), &plan.service);
    let Some(candidate) = chosen(plan) else {
        return format!("{prefix}{service}: Model restorable: {}", told(&plan.model));
    };
    let back = label(&candidate.parts);
    let model = match plan.model.state {
        Restorable::Yes => format!("yes, {back}"),
        state => format!("{}, {back}: {}", state.as_str(), list(&plan.model.reasons)),
    };
    format!("{prefix}{service}: Model restorable: {model}. Context: {}", told(&plan.context))
}

fn told(line: &Line) -> String {
    match line.state {
        Restorable::Yes => "yes, as it was".to_owned(),
        state => format!("{}, {}", state.as_str(), list(&line.reasons)),
    }
}

fn chosen(plan: &RollbackPlan) -> Option<&Candidate> {
    plan.candidates.get(plan.choice.as_ref()?.candidate)
}

fn label(parts: &[Part]) -> String {
    sets(parts.iter().map(|part| Shown { share: part.share.as_deref(), components: &part.components }))
}

/// `feature-pipeline transform/payments/features v41 -> v43, column device_id dropped`.
pub(in crate::answers) fn difference(difference: &Difference) -> String {
    let what = &difference.what;
    let change = match (&difference.before, &difference.after) {
        (Some(before), Some(after)) => match (before.rsplit_once(' '), after.rsplit_once(' ')) {
            (Some((name, was)), Some((same, is))) if name == same => format!("{what} {name} {was} -> {is}"),
            _ => format!("{what} {before} -> {after}"),
        },
        (Some(before), None) => format!("{what} {before} is not there now"),
        (None, Some(after)) => format!("{what} {after} was not there then"),
        (None, None) => what.clone(),
    };
    [vec![change], difference.details.clone()].concat().join(", ")
}

pub(super) fn text(plan: &RollbackPlan, style: Style) -> String {
    let colour = match plan.exit_code() {
        0 => Colour::Green,
        1 => Colour::Red,
        _ => Colour::Yellow,
    };
    let mut out = vec![style.paint(colour, &plan.answer), String::new()];
    out.push(format!("model    {}", full(&plan.model, plan.choice.is_some())));
    out.push(format!("context  {}", full(&plan.context, true)));
    now(plan, &mut out);
    if let (Some(choice), Some(candidate)) = (&plan.choice, chosen(plan)) {
        out.push(format!("back to  {}", came(candidate)));
        restore(choice, style, &mut out);
        differs(choice, style, &mut out);
    }
    requests(&plan.requests, style, &mut out);
    others(plan, &mut out);
    out.extend(plan.warnings.iter().map(|warning| style.paint(Colour::Yellow, &format!("warning: {warning}"))));
    out.push(String::new());
    out.push(as_of_line(&plan.as_of));
    out.join("\n") + "\n"
}

fn full(line: &Line, is_asked: bool) -> String {
    match line.state {
        Restorable::Yes if is_asked => "yes".to_owned(),
        state => format!("{}: {}", state.as_str(), line.reasons.join("; ")),
    }
}

fn now(plan: &RollbackPlan, out: &mut Vec<String>) {
    let seen = &plan.now;
    let (what, ago) = (label(&seen.parts), age(seen.observed_at, plan.as_of.at));
    let doubt = match (seen.unknown_since, seen.partial) {
        (Some(since), _) => format!(", UNKNOWN since {since}"),
        (None, true) => ", seen in part".to_owned(),
        (None, false) => String::new(),
    };
    out.push(format!("now      {what}, observed {ago} ago (#{}){doubt}", seen.observation.index));
}

fn came(candidate: &Candidate) -> String {
    let Candidate { from, until, times, ran_seconds, admission, .. } = candidate;
    let what = label(&candidate.parts);
    let times = if *times > 1 { format!(" in {times} times") } else { String::new() };
    let (ran, index) = (span(*ran_seconds), candidate.restores.index);
    format!("{what}, ran {ran}{times}, last from {from} (#{index}) until {until}; {}", admission.as_str())
}

fn restore(choice: &Choice, style: Style, out: &mut Vec<String>) {
    out.extend([String::new(), "restore together, all or nothing:".to_owned()]);
    for one in &choice.restore {
        out.push(format!("  {}", component(one)));
        out.extend(one.places.iter().filter(|_place| one.checks.is_empty()).map(|place| format!("    at {place}")));
        for found in &one.checks {
            let line = format!("    {}", check::told(found));
            let is_bad = found.state == RecheckState::Mismatch;
            out.push(if is_bad { style.paint(Colour::Red, &line) } else { line });
        }
        for gone in &one.gone {
            let why = gone.reason.as_ref().map_or_else(String::new, |reason| format!(", {reason}"));
            let line = format!("    gone from {} since {} (#{}{why})", gone.uri, gone.event.time, gone.event.index);
            out.push(style.paint(Colour::Red, &line));
        }
        out.extend(one.flagged.iter().map(|one| style.paint(Colour::Red, &format!("    ! {}", flagged_line(one)))));
    }
}

fn component(one: &Restored) -> String {
    let component = &one.component;
    let digest = component.digests.first().map(ToString::to_string).or_else(|| component.uri.clone());
    let version = component.version.as_deref().map(text::version);
    let named = [component.name.clone(), version, digest].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let share = one.share.as_ref().map_or_else(String::new, |share| format!(", share {share}"));
    let in_place = if one.in_place { ", as it is now" } else { "" };
    format!("{} {named}{share}{in_place}", component.role)
}

fn differs(choice: &Choice, style: Style, out: &mut Vec<String>) {
    if choice.differences.is_empty() && choice.unknown.is_empty() {
        return;
    }
    out.extend([String::new(), "not as it was:".to_owned()]);
    for one in &choice.differences {
        let line = format!("  {}", difference(one));
        out.push(if one.is_context { style.paint(Colour::Red, &line) } else { line });
    }
    out.extend(choice.unknown.iter().map(|what| style.paint(Colour::Yellow, &format!("  ? {what}"))));
}

fn requests(requests: &[Standing], style: Style, out: &mut Vec<String>) {
    if requests.is_empty() {
        return;
    }
    out.push(String::new());
    for one in requests {
        let door = one.door.as_deref().unwrap_or("a door without a name");
        let (index, what) = (one.event.index, label(&one.parts));
        out.push(match one.undoes {
            Undoes::Yes => style.paint(
                Colour::Red,
                &format!(
                    "{door} will put {what} back (#{index}): commit the patch (--format), or pause its sync, first"
                ),
            ),
            Undoes::Unknown => style.paint(
                Colour::Yellow,
                &format!("{what} was asked for through {door} (#{index}): whether it asks again is not known"),
            ),
            Undoes::No => format!("{what} was asked for through {door} (#{index}), which does not undo it"),
        });
    }
}

fn others(plan: &RollbackPlan, out: &mut Vec<String>) {
    let own = plan.choice.as_ref().map(|choice| choice.candidate);
    let others: Vec<&Candidate> =
        plan.candidates.iter().enumerate().filter(|(at, _one)| Some(*at) != own).map(|(_at, one)| one).collect();
    if others.is_empty() {
        return;
    }
    out.extend([String::new(), "what else ran before:".to_owned()]);
    for one in others.iter().take(SHOWN) {
        let against =
            if one.against.is_empty() { String::new() } else { format!("; it {}", one.against.join(", and ")) };
        out.push(format!("  {}{against}", came(one)));
    }
    if others.len() > SHOWN {
        out.push(format!("  … and {} more; --json has all", others.len() - SHOWN));
    }
}
