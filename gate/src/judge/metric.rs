//! The rules about numbers: thresholds, change against what runs, and gaps across slices.
//!
//! Promises exact comparison, and a reason wherever there is no number. A relative change is measured by the distance of the
//! baseline from zero, and there is none from a baseline of zero.

use lineal_schemas::{digest::EventDigest, vocabulary::evaluation::MetricResult};

use super::{
    Case, Model,
    attempts::{Attempt, answers},
    incumbent::Incumbents,
    result,
};
use crate::{
    exact::Exact,
    history::Evidence,
    policy::{self, Aggregate, Better, Gap, Metric, Number, OnAbsent, Slice},
    verdict::{Outcome, RuleResult},
};

/// A number that a rule looks at.
struct Found<'c> {
    exact: Exact,
    shown: String,
    attempt: &'c Attempt,
}

/// What became of one look: passed, with what was found; else failed, or without evidence, and why.
type Looked = Result<String, (Outcome, String)>;

const fn nothing(why: String) -> (Outcome, String) {
    (Outcome::NoEvidence, why)
}

/// `metric/<name>`: one metric over one slice.
pub(super) fn metric_rule(case: &Case, model: &Model, asked: &Metric, notes: &mut Vec<String>) -> RuleResult {
    let mut evidence = Vec::new();
    let looked = look(case, model, asked, (notes, &mut evidence));
    let (outcome, got) = looked.map_or_else(|why| why, |got| (Outcome::Pass, got));
    RuleResult { evidence, ..result(&policy::metric_rule(asked), None, outcome, want(asked), got) }
}

fn want(asked: &Metric) -> String {
    let number =
        |words: &str, number: &Option<Number>| number.as_ref().map(|number| format!("{words} {}", number.as_str()));
    let parts = [
        number("at least", &asked.min),
        number("at most", &asked.max),
        number("a drop of at most", &asked.max_drop),
        number("a drop relative to what runs of at most", &asked.max_drop_relative),
        number("a gain of at least", &asked.min_gain),
        number("a gain of at most", &asked.max_gain),
        asked.min_n.map(|least| format!("n at least {least}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn look(
    case: &Case,
    model: &Model,
    asked: &Metric,
    (notes, evidence): (&mut Vec<String>, &mut Vec<EventDigest>),
) -> Looked {
    let numbers = numbers(model, (asked.name.as_str(), &asked.slice, asked.min_n), evidence)?;
    let aggregate = case.applied.policy.table.evaluation.as_ref().map(|asked| asked.get_ref().aggregate);
    let found = aggregated(numbers, aggregate.unwrap_or_default())?;
    let mut got = Vec::new();
    let mut missing = None;
    for found in &found {
        absolute(asked, found)?;
        match relative(case, asked, found, (notes, evidence)) {
            Ok(against) => got.push(format!("{}{against}", found.shown)),
            Err((Outcome::Fail, why)) => return Err((Outcome::Fail, why)),
            Err(why) => missing = Some(why),
        }
    }
    missing.map_or_else(|| Ok(got.join("; ")), Err)
}

/// The number of each attempt that counts.
fn numbers<'c>(
    model: &'c Model,
    (metric, slice, min_n): (&str, &Slice, Option<u64>),
    evidence: &mut Vec<EventDigest>,
) -> Result<Vec<Result<Found<'c>, String>>, (Outcome, String)> {
    if model.identity.is_none() {
        return Err(nothing("no strong digest, so no measurement can be joined to it".to_owned()));
    }
    let mut numbers = Vec::new();
    for (attempt, told) in model.attempts.finished() {
        evidence.push(told.event);
        let read = one(told, metric, slice).and_then(|result| value(result, min_n));
        numbers.push(read.map(|(exact, shown)| Found { exact, shown, attempt }));
    }
    if numbers.is_empty() {
        return Err(nothing("nothing was measured".to_owned()));
    }
    Ok(numbers)
}

fn one<'t>(told: &'t Evidence, metric: &str, slice: &Slice) -> Result<&'t MetricResult, String> {
    let of = if slice.is_everything() { String::new() } else { format!(" for slice {slice}") };
    match answers(told, metric, slice)[..] {
        [only] => Ok(only),
        [] => Err(format!("no result{of}")),
        _ => Err(format!("more than one result{of} in one evaluation")),
    }
}

/// A result's number on enough examples, and as it is shown.
fn value(result: &MetricResult, min_n: Option<u64>) -> Result<(Exact, String), String> {
    if let Some(missing) = &result.missing {
        return Err(match (missing.n, min_n) {
            (Some(n), Some(least)) if n.get() < least => format!("n={n} < {least}, by the evaluator"),
            (Some(n), _) => format!("{} (n={n}), by the evaluator", missing.reason),
            (None, _) => format!("{}, by the evaluator", missing.reason),
        });
    }
    let Some(value) = &result.value else { return Err("no number".to_owned()) };
    let n = result.sample_size;
    if let Some(least) = min_n {
        match n {
            None => return Err(format!("it is not said on how many examples, wanted {least}")),
            Some(n) if n.get() < least => return Err(format!("n={n} < {least}")),
            Some(_) => {}
        }
    }
    let n = n.map_or_else(String::new, |n| format!(" (n {n})"));
    Ok((Exact::of(value), format!("{value}{n}")))
}

/// The numbers that are compared: each, or one for all.
fn aggregated(
    numbers: Vec<Result<Found<'_>, String>>,
    aggregate: Aggregate,
) -> Result<Vec<Found<'_>>, (Outcome, String)> {
    let mut found = Vec::new();
    for number in numbers {
        found.push(number.map_err(nothing)?);
    }
    let exact: Vec<Exact> = found.iter().map(|found| found.exact.clone()).collect();
    let (word, one) = match aggregate {
        Aggregate::Every => return Ok(found),
        Aggregate::Mean => ("mean", Exact::mean(&exact)),
        Aggregate::Median => ("median", Exact::median(&exact)),
    };
    let Some((one, last)) = one.zip(found.pop()) else { return Ok(Vec::new()) };
    let apart = found.iter().find_map(|other| other.attempt.suite.apart(&last.attempt.suite));
    if let Some(why) = apart {
        return Err(nothing(format!("no {word} of attempts that can't be compared: {why}")));
    }
    let shown = format!("{} ({word} of {})", one.shown(), exact.len());
    Ok(vec![Found { exact: one, shown, attempt: last.attempt }])
}

fn absolute(asked: &Metric, found: &Found<'_>) -> Result<(), (Outcome, String)> {
    let below = asked.min.as_ref().filter(|min| found.exact < min.exact());
    let above = asked.max.as_ref().filter(|max| found.exact > max.exact());
    match (below, above) {
        (Some(min), _) => Err((Outcome::Fail, format!("{} < {}", found.shown, min.as_str()))),
        (None, Some(max)) => {
            Err((Outcome::Fail, format!("{} > {}, too good to be true or too bad", found.shown, max.as_str())))
        }
        (None, None) => Ok(()),
    }
}

/// Against what runs: what to say of it, if it holds.
fn relative(
    case: &Case,
    asked: &Metric,
    found: &Found<'_>,
    (notes, evidence): (&mut Vec<String>, &mut Vec<EventDigest>),
) -> Looked {
    if !asked.compares() {
        return Ok(String::new());
    }
    let incumbents = match &case.incumbents {
        Incumbents::Seen(incumbents, _state) => incumbents,
        Incumbents::Unknown(why, _state) => {
            return Err(nothing(format!("{}, and it is unknown what runs: {why}", found.shown)));
        }
        Incumbents::None(_) => {
            let absent = case.applied.policy.table.incumbent.as_ref().map(|asked| asked.absent);
            if absent == Some(OnAbsent::Note) {
                notes.push(format!("NO INCUMBENT: nothing else was observed running at {}", case.service));
                return Ok(", no incumbent".to_owned());
            }
            return Err(nothing(format!("{}, no incumbent to compare with", found.shown)));
        }
    };
    let (mut against, mut missing) = (String::new(), None);
    for incumbent in incumbents {
        let looked = baselines(incumbent, asked, found, evidence)
            .map_err(|why| nothing(format!("{}, not comparable with {}: {why}", found.shown, incumbent.label)))
            .and_then(|baselines| held(asked, found, &baselines, &incumbent.label));
        match looked {
            Ok(text) => against.push_str(&text),
            Err((Outcome::Fail, why)) => return Err((Outcome::Fail, why)),
            Err(why) => missing = missing.or(Some(why)),
        }
    }
    missing.map_or(Ok(against), Err)
}

/// The numbers of what runs, one for each measurement that can be compared and has one.
fn baselines(
    incumbent: &super::incumbent::Incumbent,
    asked: &Metric,
    found: &Found<'_>,
    evidence: &mut Vec<EventDigest>,
) -> Result<Vec<(Exact, String)>, String> {
    let (mut numbers, mut missing) = (Vec::new(), String::new());
    for told in incumbent.comparable(found.attempt)? {
        evidence.push(told.event);
        match one(told, asked.name.as_str(), &asked.slice).and_then(|result| value(result, asked.min_n)) {
            Ok(number) => numbers.push(number),
            Err(why) => missing = why,
        }
    }
    if numbers.is_empty() { Err(missing) } else { Ok(numbers) }
}

/// Holds a number against every one of what runs, and shows the best of them.
fn held(asked: &Metric, found: &Found<'_>, baselines: &[(Exact, String)], label: &str) -> Looked {
    let mut missing = None;
    for (exact, shown) in baselines {
        let why = match change(asked, &found.exact, exact) {
            Ok(()) => continue,
            Err((outcome, why)) => (outcome, format!("{} against {shown} of {label}: {why}", found.shown)),
        };
        if why.0 == Outcome::Fail {
            return Err(why);
        }
        missing = Some(why);
    }
    let ordered = |one: &&(Exact, String), other: &&(Exact, String)| match asked.better {
        Some(Better::Lower) => other.0.cmp(&one.0),
        Some(Better::Higher) | None => one.0.cmp(&other.0),
    };
    let best = baselines.iter().max_by(ordered).map_or("", |(_exact, shown)| shown);
    missing.map_or_else(|| Ok(format!(" against {best} of {label}")), Err)
}

/// Whether a change from a baseline is within what is asked.
fn change(asked: &Metric, candidate: &Exact, baseline: &Exact) -> Result<(), (Outcome, String)> {
    let gain = match asked.better {
        Some(Better::Lower) => baseline.minus(candidate),
        Some(Better::Higher) | None => candidate.minus(baseline),
    };
    let zero = baseline.minus(baseline);
    let drop = zero.minus(&gain);
    let fail = |why: String| Err((Outcome::Fail, why));
    if asked.max_drop.as_ref().is_some_and(|most| drop > most.exact()) {
        return fail(format!("a drop of {}", drop.shown()));
    }
    if let Some(most) = &asked.max_drop_relative {
        if baseline.is_zero() {
            return Err(nothing("a relative change from 0 is none".to_owned()));
        }
        if drop > most.exact().times(&baseline.magnitude()) {
            return fail(format!("a drop of {}, relative to {}", drop.shown(), baseline.magnitude().shown()));
        }
    }
    if asked.min_gain.as_ref().is_some_and(|least| gain < least.exact()) {
        return fail(format!("a gain of {}", gain.shown()));
    }
    if asked.max_gain.as_ref().is_some_and(|most| gain > most.exact()) {
        return fail(format!("a gain of {}, too good to be true", gain.shown()));
    }
    Ok(())
}

/// `gap/<name>[…]`: one metric, nearly the same in each of some slices.
pub(super) fn gap_rule(_case: &Case, model: &Model, asked: &Gap) -> RuleResult {
    let mut evidence = Vec::new();
    let (outcome, got) = match spread(model, asked, &mut evidence) {
        Ok(got) => (Outcome::Pass, got),
        Err(why) => why,
    };
    let least = asked.min_n.map_or_else(String::new, |least| format!(", n at least {least}"));
    let want = format!("a gap of at most {}{least}", asked.max.as_str());
    RuleResult { evidence, ..result(&policy::gap_rule(asked), None, outcome, want, got) }
}

fn spread(model: &Model, asked: &Gap, evidence: &mut Vec<EventDigest>) -> Looked {
    if model.identity.is_none() {
        return Err(nothing("no strong digest, so no measurement can be joined to it".to_owned()));
    }
    let mut got = Vec::new();
    for (_attempt, told) in model.attempts.finished() {
        evidence.push(told.event);
        let mut numbers = Vec::new();
        for slice in &asked.between {
            let read = one(told, asked.name.as_str(), slice).and_then(|result| value(result, asked.min_n));
            let (exact, shown) = read.map_err(|why| nothing(format!("{slice}: {why}")))?;
            numbers.push((exact, format!("{slice} {shown}")));
        }
        let shown =
            |numbers: &[(Exact, String)]| numbers.iter().map(|(_, shown)| shown.clone()).collect::<Vec<_>>().join(", ");
        let (Some(least), Some(most)) =
            (numbers.iter().map(|(exact, _)| exact).min(), numbers.iter().map(|(exact, _)| exact).max())
        else {
            continue;
        };
        let gap = most.minus(least);
        if gap > asked.max.exact() {
            return Err((Outcome::Fail, format!("{}: a gap of {}", shown(&numbers), gap.shown())));
        }
        got.push(format!("{}: a gap of {}", shown(&numbers), gap.shown()));
    }
    if got.is_empty() { Err(nothing("nothing was measured".to_owned())) } else { Ok(got.join("; ")) }
}
