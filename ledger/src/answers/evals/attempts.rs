//! Attempts: announcements and results with the same id, in the order in which they began.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lineal_schemas::vocabulary::{Payload, artifact::Artifact, evaluation::MetricResult, lineage::Relation};

use super::{
    Attempt, MAX_ATTEMPTS, Number, SuiteCount,
    models::{Found, Model},
};
use crate::answers::{
    AnswerError,
    graph::{Reader, Told},
    suite::{Question, Slice, Suite, measured},
    trace::facts::identified,
};

/// An attempt, with what it was made with.
pub(super) struct Tried {
    pub(super) attempt: Attempt,
    pub(super) suite: Suite,
}

/// The events of an attempt: at least one.
struct Events {
    model: usize,
    announced: Option<Rc<Told>>,
    finished: Option<Rc<Told>>,
}

impl Events {
    /// The event that it begins with, as far as is known.
    fn first(&self) -> Option<&Rc<Told>> {
        [&self.announced, &self.finished].into_iter().flatten().min_by(|one, other| one.order().cmp(&other.order()))
    }
}

/// Every attempt at these models, and whether older ones are left out.
pub(super) fn find(reader: &mut Reader<'_>, found: &Found, slice: &Slice) -> Result<(Vec<Tried>, bool), AnswerError> {
    let mut all = Vec::new();
    for (at, model) in found.models.iter().enumerate() {
        all.extend(of_model(reader, at, model));
    }
    all.sort_by(|one, other| one.first().map(|told| told.order()).cmp(&other.first().map(|told| told.order())));
    let left_out = all.len().saturating_sub(MAX_ATTEMPTS);
    let mut attempts = Vec::new();
    for events in all.into_iter().skip(left_out) {
        attempts.extend(tried(reader, &events, slice)?);
    }
    Ok((attempts, left_out > 0))
}

/// Events by the id of their evaluation.
type ById = BTreeMap<String, Vec<Rc<Told>>>;

/// The first announcement with an id belongs to the first results with it, and so on.
fn of_model(reader: &Reader<'_>, at: usize, model: &Model) -> Vec<Events> {
    let (mut starts, mut ends): (ById, ById) = Default::default();
    for told in &model.identity.said {
        let is_about = || model.identity.mentions(told).any(|mention| mention.relation == Relation::Subject);
        match &told.payload {
            _ if !reader.has_happened(told) || !is_about() => {}
            Payload::EvaluationStarted(started) => {
                starts.entry(started.evaluation_id.to_string()).or_default().push(told.clone());
            }
            Payload::EvaluationCompleted(completed) => {
                ends.entry(completed.evaluation_id.to_string()).or_default().push(told.clone());
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    let ids: BTreeSet<String> = starts.keys().chain(ends.keys()).cloned().collect();
    for id in ids {
        let (announced, finished) = (starts.remove(&id).unwrap_or_default(), ends.remove(&id).unwrap_or_default());
        let count = announced.len().max(finished.len());
        let (mut announced, mut finished) = (announced.into_iter(), finished.into_iter());
        all.extend((0..count).map(|_| Events { model: at, announced: announced.next(), finished: finished.next() }));
    }
    all
}

fn tried(reader: &mut Reader<'_>, events: &Events, slice: &Slice) -> Result<Option<Tried>, AnswerError> {
    // What was done counts; where nothing was, what was announced.
    let Some(told) = events.finished.as_ref().or(events.announced.as_ref()) else { return Ok(None) };
    let Some(named) = Suite::of(reader, told)? else { return Ok(None) };
    let shown = |artifact: &Option<Artifact>| artifact.as_ref().map(identified);
    let (id, baseline, policy) = match &told.payload {
        Payload::EvaluationStarted(started) => (&started.evaluation_id, &started.baseline, &started.policy),
        Payload::EvaluationCompleted(completed) => (&completed.evaluation_id, &completed.baseline, &completed.policy),
        _ => return Ok(None),
    };
    let results = results(told);
    let attempt = Attempt {
        evaluation_id: id.to_string(),
        model: events.model,
        at: events.first().map_or_else(|| told.when(), |first| first.when()),
        suite: named.label(),
        announced: events.announced.as_ref().map(|told| reader.event_ref(told)),
        finished: events.finished.as_ref().map(|told| reader.event_ref(told)),
        baseline: shown(baseline),
        policy: shown(policy),
        results: numbers(results, told.index, |question| {
            slice.is_empty() || question.slice.is_empty() || question.slice == *slice
        }),
        result_count: results.len(),
        incumbents: Vec::new(),
    };
    Ok(Some(Tried { attempt, suite: named.suite }))
}

/// What an event found.
pub(super) fn results(told: &Told) -> &[MetricResult] {
    match &told.payload {
        Payload::EvaluationCompleted(completed) => &completed.results,
        _ => &[],
    }
}

/// Results for the questions that are wanted, as answers give them.
pub(super) fn numbers(results: &[MetricResult], event: u64, is_wanted: impl Fn(&Question) -> bool) -> Vec<Number> {
    let questions = results.iter().map(|result| (Question::of(result), result));
    let wanted = questions.filter(|(question, _result)| is_wanted(question));
    wanted
        .map(|(question, result)| Number {
            metric: question.metric,
            slice: question.slice,
            measured: measured(result, event),
        })
        .collect()
}

/// How often each suite was tried, the first tried first.
pub(super) fn counts(attempts: &[Tried]) -> Vec<SuiteCount> {
    let mut counts: Vec<(&Suite, SuiteCount)> = Vec::new();
    for tried in attempts {
        let at = counts.iter().position(|(suite, _count)| **suite == tried.suite);
        let at = at.unwrap_or_else(|| {
            counts.push((&tried.suite, SuiteCount { suite: tried.attempt.suite.clone(), attempts: 0, finished: 0 }));
            counts.len() - 1
        });
        if let Some((_suite, count)) = counts.get_mut(at) {
            count.attempts += 1;
            count.finished += usize::from(tried.attempt.finished.is_some());
        }
    }
    counts.into_iter().map(|(_suite, count)| count).collect()
}
