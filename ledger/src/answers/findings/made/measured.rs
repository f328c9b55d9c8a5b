//! Rules about the evaluations of a live model: on what they were made, how often, and whether they were reported.

use std::{collections::BTreeMap, rc::Rc};

use lineal_schemas::strong::StrongDigest;

use super::{
    AnswerError, Draft, Edge, EdgeKind, Identity, Influence, Input, MAX_EVIDENCE, Payload, Place, Reader, Relation,
    Rule, Told, Trace, named, strong,
};
use crate::answers::running::all_digests;

/// How long after its announcement an evaluation is missed.
const MISSED_SECONDS: i64 = 24 * 3600;

/// Where strong digests stand in an ancestry that had an influence on what was learnt.
struct Ancestry<'t> {
    nodes: BTreeMap<StrongDigest, usize>,
    into: BTreeMap<usize, Vec<&'t Edge>>,
}

impl<'t> Ancestry<'t> {
    fn of(trace: &'t Trace) -> Self {
        let mut into: BTreeMap<usize, Vec<&Edge>> = BTreeMap::new();
        for edge in trace.edges.iter().filter(|edge| edge.ancestry && edge.influence != Some(Influence::Serving)) {
            into.entry(edge.to).or_default().push(edge);
        }
        let mut nodes = BTreeMap::new();
        for at in into.keys() {
            nodes.extend(
                trace
                    .nodes
                    .get(*at)
                    .into_iter()
                    .flat_map(|node| &node.digests)
                    .filter_map(|digest| Some((digest.strong()?, *at))),
            );
        }
        Self { nodes, into }
    }

    /// The edges to what these digests name, of the relations that pass.
    fn edges(&self, digests: &[StrongDigest], passes: impl Fn(EdgeKind) -> bool) -> Vec<&'t Edge> {
        let found = digests.iter().filter_map(|digest| self.nodes.get(digest)).filter_map(|at| self.into.get(at));
        found.flatten().copied().filter(|edge| passes(edge.relation)).collect()
    }
}

/// Evaluations on data that the model was made from: that very data, or a part of what was used whole. What is no data, such as
/// a tokenizer, is used in training and in measuring, and that is as it should be.
pub(super) fn leaks(
    reader: &mut Reader<'_>,
    identity: &Rc<Identity>,
    trace: &Trace,
    label: &str,
    draft: &dyn Fn(Rule, String) -> Draft,
) -> Result<Vec<Draft>, AnswerError> {
    let ancestry = Ancestry::of(trace);
    let mut drafts = Vec::new();
    for told in of_model(reader, identity) {
        let Payload::EvaluationCompleted(evaluation) = &told.payload else { continue };
        for input in evaluation.inputs.iter().flatten().filter(|input| input.role.is_data()) {
            let mut edges = ancestry.edges(&strong(&input.artifact), |_relation| true);
            if edges.is_empty() {
                for whole in wholes(reader, input)? {
                    edges.extend(ancestry.edges(&whole, |relation| relation != EdgeKind::PartOf));
                }
            }
            if edges.is_empty() {
                continue;
            }
            let (data, id) = (named(reader, &input.artifact)?, &evaluation.evaluation_id);
            let line = format!("{label}: evaluation {id} measured it on {data}, which it was made from");
            let mut found = draft(Rule::EvaluatedOnTrainingData, line);
            found.about.extend([id.to_string(), data]);
            found.evidence.push(("measured", told.clone()));
            for index in edges.iter().filter_map(|edge| edge.event).take(MAX_EVIDENCE) {
                found.evidence.extend(reader.told(index)?.map(|told| ("used", told)));
            }
            drafts.push(found);
        }
    }
    Ok(drafts)
}

/// What the events about a model's evaluations say, in the order in which they were said.
fn of_model(reader: &Reader<'_>, identity: &Identity) -> Vec<Rc<Told>> {
    let is_about = |told: &&Rc<Told>| {
        reader.has_happened(told) && identity.mentions(told).any(|mention| mention.relation == Relation::Subject)
    };
    identity.said.iter().filter(is_about).cloned().collect()
}

/// The strong digests of each snapshot that has an input as one of its named parts.
fn wholes(reader: &mut Reader<'_>, input: &Input) -> Result<Vec<Vec<StrongDigest>>, AnswerError> {
    let Some(identity) = reader.identity(&input.artifact)? else { return Ok(Vec::new()) };
    let mut wholes = Vec::new();
    for told in &identity.said {
        let is_part = identity.mentions(told).any(|mention| mention.relation == Relation::Other(Place::Split));
        if let Payload::DatasetSnapshotted(snapshot) = &told.payload
            && is_part
            && let Some(whole) = reader.identity(&snapshot.dataset)?
        {
            wholes.push(whole.digests.clone());
        }
    }
    Ok(wholes)
}

/// Evaluations that were made again, and those that were announced and never reported.
pub(super) fn repeats(
    reader: &Reader<'_>,
    identity: &Rc<Identity>,
    label: &str,
    draft: &dyn Fn(Rule, String) -> Draft,
) -> Vec<Draft> {
    let mut suites: BTreeMap<String, Vec<(String, Rc<Told>)>> = BTreeMap::new();
    let mut open: BTreeMap<String, Rc<Told>> = BTreeMap::new();
    let said = of_model(reader, identity);
    for told in &said {
        match &told.payload {
            Payload::EvaluationStarted(evaluation) => {
                open.insert(evaluation.evaluation_id.to_string(), told.clone());
            }
            Payload::EvaluationCompleted(evaluation) => {
                let id = evaluation.evaluation_id.to_string();
                let harness = evaluation.harness.as_ref().map(|harness| harness.name.to_string());
                let inputs = suite(evaluation.inputs.iter().flatten());
                let attempts = suites.entry(format!("{} {inputs}", harness.unwrap_or_default())).or_default();
                if attempts.iter().all(|(other, _told)| *other != id) {
                    attempts.push((id, told.clone()));
                }
            }
            _ => {}
        }
    }
    for told in &said {
        if let Payload::EvaluationCompleted(evaluation) = &told.payload {
            open.remove(evaluation.evaluation_id.as_str());
        }
    }
    let mut drafts = Vec::new();
    for (suite, attempts) in suites.into_iter().filter(|(_suite, attempts)| attempts.len() > 1) {
        let line = format!("{label}: the same evaluation was made {} times", attempts.len());
        let mut found = draft(Rule::RepeatedEvaluation, line);
        found.about.push(suite);
        found.evidence = attempts.into_iter().map(|(_id, told)| ("measured", told)).take(MAX_EVIDENCE).collect();
        drafts.push(found);
    }
    let now = reader.moment().at.as_millis();
    for (id, told) in open {
        if now.saturating_sub(told.when().as_millis()) >= MISSED_SECONDS * 1000 {
            let line = format!("{label}: evaluation {id} was announced at {}, and has no result", told.when());
            let mut found = draft(Rule::EvaluationWithoutResult, line);
            found.about.push(id);
            found.evidence.push(("announced", told));
            drafts.push(found);
        }
    }
    drafts
}

/// What an evaluation was made on, as a text that is the same for the same data.
fn suite<'i>(inputs: impl Iterator<Item = &'i Input>) -> String {
    let mut parts: Vec<String> = inputs
        .map(|input| {
            let digests = all_digests(&input.artifact);
            let digests: Vec<String> = digests.iter().map(|one| format!("{}:{}", one.algorithm, one.value)).collect();
            format!("{} {}", input.role, digests.join(" "))
        })
        .collect();
    parts.sort();
    parts.join("; ")
}
