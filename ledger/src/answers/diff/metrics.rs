//! Measurements of both sides: the last of each suite, number by number, and which of them can be compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lineal_schemas::{
    decimal::Decimal,
    vocabulary::{Payload, artifact::Artifact, evaluation::MetricResult, lineage::Relation},
};

use super::{
    BlockState, MetricsBlock, NumberPair,
    sides::{Sided, strong},
};
use crate::answers::{
    AnswerError,
    graph::{Reader, Told},
    resolve::artifact_of,
    suite::{Question, Suite, measured},
};

/// The last measurement with a suite.
struct Last {
    suite: Suite,
    label: String,
    told: Rc<Told>,
}

impl Last {
    fn results(&self) -> &[MetricResult] {
        match &self.told.payload {
            Payload::EvaluationCompleted(completed) => &completed.results,
            Payload::RunCompleted(run) => run.metrics.as_deref().unwrap_or_default(),
            _ => &[],
        }
    }
}

/// Measurements, compared.
pub(super) fn block(reader: &mut Reader<'_>, before: &Sided, after: &Sided) -> Result<MetricsBlock, AnswerError> {
    let (mine, mut theirs) = (measurements(reader, before)?, measurements(reader, after)?);
    let mut numbers = Vec::new();
    let mut left = Vec::new();
    for one in mine {
        match theirs.iter().position(|other| one.suite.apart(&other.suite).is_none()) {
            Some(at) => numbers.extend(pairs(Some(&one), Some(&theirs.remove(at)), None)),
            None => left.push(one),
        }
    }
    for one in left {
        let same_program = theirs.iter().position(|other| one.suite.harness == other.suite.harness);
        match same_program.map(|at| theirs.remove(at)) {
            Some(other) => numbers.extend(pairs(Some(&one), Some(&other), one.suite.apart(&other.suite))),
            None => numbers.extend(pairs(Some(&one), None, Some("measured before alone".to_owned()))),
        }
    }
    for other in theirs {
        numbers.extend(pairs(None, Some(&other), Some("measured after alone".to_owned())));
    }
    let doubt = numbers.iter().any(|pair| pair.not_comparable.is_some());
    let state = match (numbers.iter().any(|pair| pair.differs && pair.not_comparable.is_none()), doubt) {
        (true, _) => BlockState::Changed,
        (false, true) => BlockState::Unknown,
        (false, false) if numbers.is_empty() => BlockState::None,
        (false, false) => BlockState::Same,
    };
    Ok(MetricsBlock { state, numbers })
}

/// The last measurement of each model with each suite, and what runs measured by themselves.
fn measurements(reader: &mut Reader<'_>, side: &Sided) -> Result<Vec<Last>, AnswerError> {
    let mut last: BTreeMap<(usize, Suite), Last> = BTreeMap::new();
    for (at, artifact) in models(reader, side)?.into_iter().enumerate() {
        let Some(identity) = reader.identity(&artifact)? else { continue };
        for told in &identity.said {
            let is_about = identity.mentions(told).any(|mention| match &told.payload {
                Payload::EvaluationCompleted(_) => mention.relation == Relation::Subject,
                Payload::RunCompleted(run) => run.metrics.is_some() && mention.relation == Relation::Output,
                _ => false,
            });
            if !is_about || !reader.has_happened(told) {
                continue;
            }
            let named = match &told.payload {
                Payload::RunCompleted(run) => Some(Suite::of_run(reader, run)?),
                _ => Suite::of(reader, told)?,
            };
            // What is said of an artifact stands in the order in which it happened.
            last.extend(named.map(|named| {
                let (label, suite) = (named.label(), named.suite);
                ((at, suite.clone()), Last { suite, label, told: told.clone() })
            }));
        }
    }
    Ok(last.into_values().collect())
}

/// What of a side can have been measured: its models, or what its run made.
fn models(reader: &mut Reader<'_>, side: &Sided) -> Result<Vec<Artifact>, AnswerError> {
    let mut models = Vec::new();
    for node in side.subjects() {
        match (&node.run, node.events.first()) {
            (Some(_), Some(event)) => {
                if let Some(told) = reader.told(event.index)?
                    && let Payload::RunCompleted(run) = &told.payload
                {
                    models.extend(run.outputs.iter().cloned());
                }
            }
            _ => models.extend(strong(node).into_iter().next().and_then(artifact_of)),
        }
    }
    Ok(models)
}

fn pairs(before: Option<&Last>, after: Option<&Last>, not_comparable: Option<String>) -> Vec<NumberPair> {
    let by_question = |last: Option<&Last>| {
        let results = last.map(Last::results).unwrap_or_default().iter();
        results.map(|result| (Question::of(result), result.clone())).collect::<BTreeMap<_, _>>()
    };
    let (mine, theirs) = (by_question(before), by_question(after));
    let suite = after.or(before).map_or_else(String::new, |last| last.label.clone());
    let entry = |last: Option<&Last>| last.map_or(0, |last| last.told.index);
    let questions: BTreeSet<&Question> = mine.keys().chain(theirs.keys()).collect();
    let each = questions.into_iter().map(|question| {
        let (one, other) = (mine.get(question), theirs.get(question));
        let value = |result: Option<&MetricResult>| -> Option<Decimal> { result?.value.clone() };
        NumberPair {
            suite: suite.clone(),
            metric: question.metric.clone(),
            slice: question.slice.clone(),
            before: one.map(|result| measured(result, entry(before))),
            after: other.map(|result| measured(result, entry(after))),
            differs: value(one) != value(other),
            not_comparable: not_comparable.clone().or_else(|| lacking(one, other)),
        }
    });
    each.collect()
}

/// That one side has no number for a question that the other answers.
fn lacking(one: Option<&MetricResult>, other: Option<&MetricResult>) -> Option<String> {
    let has_number = |result: Option<&MetricResult>| result.is_some_and(|result| result.value.is_some());
    match (has_number(one), has_number(other)) {
        (true, true) => None,
        (true, false) => Some("no number after".to_owned()),
        (false, true) => Some("no number before".to_owned()),
        (false, false) => Some("no number on either side".to_owned()),
    }
}
