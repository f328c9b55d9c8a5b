//! Incumbents: what was seen to run when an attempt was made, and what the same suite had found of it.
//!
//! Promises that silence is no incumbent and no absence of one, and that numbers stand beside each other only where the
//! same program measured on the same data.

use std::{collections::HashMap, rc::Rc};

use lineal_schemas::{
    strong::StrongDigest,
    timestamp::Timestamp,
    vocabulary::{Payload, artifact::Artifact, lineage::Relation},
};

use super::{
    Incumbent, IncumbentState,
    attempts::{Tried, numbers, results},
    models::{Found, label, models_of},
};
use crate::answers::{
    AnswerError,
    graph::{Identity, Reader, Told},
    running::history::{History, Seen},
    suite::{Question, Suite},
};

/// The most services that an attempt is compared at.
const MAX_SERVICES: usize = 20;

/// The finished measurements of a model, the last first.
type Measured = Rc<Vec<(Suite, Rc<Told>)>>;

/// Those of models, by the first of their digests.
type Measurements = HashMap<StrongDigest, Measured>;

/// Adds what ran at each service when each attempt began.
pub(super) fn add(reader: &mut Reader<'_>, found: &Found, attempts: &mut [Tried]) -> Result<(), AnswerError> {
    let mut measured = Measurements::new();
    for tried in attempts {
        let Some(model) = found.models.get(tried.attempt.model) else { continue };
        for service in found.services.iter().take(MAX_SERVICES) {
            let all = at_service(reader, &mut measured, service, tried, &model.identity)?;
            tried.attempt.incumbents.extend(all);
        }
    }
    Ok(())
}

fn at_service(
    reader: &mut Reader<'_>,
    measured: &mut Measurements,
    service: &str,
    tried: &Tried,
    own: &Identity,
) -> Result<Vec<Incumbent>, AnswerError> {
    let at = tried.attempt.at;
    let history = History::read_until(reader, service, at)?;
    let alone = |state| Incumbent {
        service: service.to_owned(),
        state,
        model: None,
        observation: None,
        results: Vec::new(),
        not_comparable: None,
    };
    let Some(newest) = history.newest() else { return Ok(vec![alone(IncumbentState::Nothing)]) };
    let observation = Some(reader.event_ref(&newest.told));
    if is_unknown(newest, at) {
        return Ok(vec![Incumbent { observation, ..alone(IncumbentState::Unknown) }]);
    }
    let models = models_of(newest.sets());
    let others: Vec<&Artifact> = models.iter().filter(|artifact| !own.is(artifact)).collect();
    if others.is_empty() {
        let state = if models.is_empty() { IncumbentState::Nothing } else { IncumbentState::Itself };
        return Ok(vec![Incumbent { observation, ..alone(state) }]);
    }
    let mut incumbents = Vec::new();
    for artifact in others {
        let incumbent = Incumbent { observation: observation.clone(), ..alone(IncumbentState::Other) };
        incumbents.push(compared(reader, measured, incumbent, tried, artifact)?);
    }
    Ok(incumbents)
}

/// Whether it is not known what ran: the observer was overdue, or saw only a part.
fn is_unknown(newest: &Seen, at: Timestamp) -> bool {
    let in_part = matches!(&newest.told.payload, Payload::DeploymentObserved(observed) if !observed.complete);
    in_part || newest.glimpse.due().is_some_and(|due| due < at)
}

fn compared(
    reader: &mut Reader<'_>,
    measured: &mut Measurements,
    incumbent: Incumbent,
    tried: &Tried,
    artifact: &Artifact,
) -> Result<Incumbent, AnswerError> {
    let identity = reader.identity(artifact)?;
    let model = Some(label(reader, artifact, identity.as_deref())?);
    let Some(identity) = identity else {
        let why = "not comparable: it has no strong digest, so no measurement can be joined to it".to_owned();
        return Ok(Incumbent { model, not_comparable: Some(why), ..incumbent });
    };
    let all = measurements(reader, measured, &identity)?;
    let Some((_suite, told)) = all.iter().find(|(suite, _told)| suite.apart(&tried.suite).is_none()) else {
        let why = all.first().and_then(|(suite, _told)| suite.apart(&tried.suite));
        let why = why.unwrap_or_else(|| "not comparable: it was never measured".to_owned());
        return Ok(Incumbent { model, not_comparable: Some(why), ..incumbent });
    };
    let asked: Vec<Question> = tried
        .attempt
        .results
        .iter()
        .map(|number| Question { metric: number.metric.clone(), slice: number.slice.clone() })
        .collect();
    Ok(Incumbent {
        model,
        results: numbers(results(told), told.index, |question| asked.contains(question)),
        ..incumbent
    })
}

fn measurements(
    reader: &mut Reader<'_>,
    known: &mut Measurements,
    identity: &Rc<Identity>,
) -> Result<Measured, AnswerError> {
    let Some(first) = identity.digests.first() else { return Ok(Rc::default()) };
    if let Some(known) = known.get(first) {
        return Ok(known.clone());
    }
    let mut all = Vec::new();
    for told in identity.said.iter().rev() {
        let is_about = matches!(told.payload, Payload::EvaluationCompleted(_))
            && identity.mentions(told).any(|mention| mention.relation == Relation::Subject);
        if is_about && reader.has_happened(told) {
            all.extend(Suite::of(reader, told)?.map(|named| (named.suite, told.clone())));
        }
    }
    let all = Rc::new(all);
    known.insert(*first, all.clone());
    Ok(all)
}
