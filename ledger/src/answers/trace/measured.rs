//! Measurements of a model: shown apart, because what is measured with made nothing.

use std::{collections::BTreeSet, rc::Rc};

use lineal_schemas::vocabulary::{Payload, artifact::Input, evaluation::MetricResult, lineage::Relation};

use super::{MeasuredOn, Measurement};
use crate::answers::{
    graph::{Identity, Reader, Told},
    running::all_digests,
};

/// The most measurements shown of one model; the newest are.
const MAX_SHOWN: usize = 50;

/// The measurements of a model: completed ones, and announced ones without a result.
pub(super) fn of_model(reader: &Reader<'_>, identity: &Identity, model: usize) -> Vec<Measurement> {
    let is_about = |told: &&Rc<Told>| {
        reader.has_happened(told) && identity.mentions(told).any(|mention| mention.relation == Relation::Subject)
    };
    let said: Vec<&Rc<Told>> = identity.said.iter().filter(is_about).collect();
    let completed: BTreeSet<&str> = said
        .iter()
        .filter_map(|told| match &told.payload {
            Payload::EvaluationCompleted(evaluation) => Some(evaluation.evaluation_id.as_str()),
            _ => None,
        })
        .collect();
    let mut measured = Vec::new();
    for told in said {
        let (id, inputs, results): (_, _, &[MetricResult]) = match &told.payload {
            Payload::EvaluationCompleted(evaluation) => {
                (&evaluation.evaluation_id, &evaluation.inputs, &evaluation.results)
            }
            Payload::EvaluationStarted(evaluation) if !completed.contains(evaluation.evaluation_id.as_str()) => {
                (&evaluation.evaluation_id, &evaluation.inputs, &[])
            }
            _ => continue,
        };
        measured.push(Measurement {
            model,
            evaluation_id: id.to_string(),
            completed: matches!(told.payload, Payload::EvaluationCompleted(_)),
            inputs: inputs.iter().flatten().map(measured_on).collect(),
            overall: results.iter().filter_map(overall).collect(),
            results: results.len(),
            event: reader.event_ref(told),
        });
    }
    measured.split_off(measured.len().saturating_sub(MAX_SHOWN))
}

fn measured_on(input: &Input) -> MeasuredOn {
    MeasuredOn {
        role: input.role.to_string(),
        name: input.artifact.name.as_ref().map(ToString::to_string),
        digests: all_digests(&input.artifact),
        in_ancestry: false,
    }
}

fn overall(result: &MetricResult) -> Option<(String, String)> {
    let value = result.value.as_ref().filter(|_value| result.slice.is_none())?;
    Some((result.metric.to_string(), value.as_str().to_owned()))
}
