//! Which models a question about evaluations means, and at which services they are compared with what runs.

use std::{collections::BTreeSet, rc::Rc};

use lineal_schemas::vocabulary::{
    Payload,
    artifact::Artifact,
    deployment::{ComponentRole, ServedSet},
};

use crate::answers::{
    AnswerError,
    graph::{Identity, Reader},
    print,
    resolve::{self, Target, main_artifact},
    running::{history::History, sets_of},
    trace::{NodeKind, artifact_node},
};

/// A model that was asked about.
pub(super) struct Model {
    pub(super) label: String,
    pub(super) identity: Rc<Identity>,
}

/// What a question means.
pub(super) struct Found {
    pub(super) models: Vec<Model>,
    pub(super) services: BTreeSet<String>,
    pub(super) notes: Vec<String>,
}

/// Finds the models; of a service, those that are seen to run there.
pub(super) fn find(reader: &mut Reader<'_>, asked: &str) -> Result<Found, AnswerError> {
    let resolved = resolve::resolve_with(reader, asked)?;
    let mut found = Found { models: Vec::new(), services: BTreeSet::new(), notes: resolved.notes };
    let artifacts = match resolved.target {
        Target::Service(service) => {
            let history = History::read(reader, &service)?;
            let artifacts = history.newest().map(|newest| models_of(newest.sets())).unwrap_or_default();
            found.services.insert(service);
            artifacts
        }
        Target::Artifact(artifact) => vec![*artifact],
        other @ (Target::Listed(..) | Target::Commit(_) | Target::Library { .. }) => return Err(other.unfit(asked)),
        Target::Event(index) => {
            let told = reader.told(index)?.ok_or(AnswerError::Erased { index })?;
            match &told.payload {
                Payload::DeploymentObserved(_) | Payload::DeploymentRequested(_) => {
                    found.services.insert(told.subject.clone());
                    models_of(sets_of(&told.payload, &told.subject))
                }
                Payload::RunCompleted(run) => run.outputs.clone(),
                payload => main_artifact(payload).cloned().into_iter().collect(),
            }
        }
    };
    for artifact in &artifacts {
        found.take(reader, artifact)?;
    }
    if found.services.is_empty() {
        found.find_services(reader)?;
    }
    Ok(found)
}

impl Found {
    fn take(&mut self, reader: &mut Reader<'_>, artifact: &Artifact) -> Result<(), AnswerError> {
        let Some(identity) = reader.identity(artifact)? else {
            let label = label(reader, artifact, None)?;
            self.notes.push(format!("{label} has no strong digest: no measurement can be joined to it"));
            return Ok(());
        };
        if !self.models.iter().any(|model| Rc::ptr_eq(&model.identity, &identity)) {
            let label = label(reader, artifact, Some(&identity))?;
            self.models.push(Model { label, identity });
        }
        Ok(())
    }

    fn find_services(&mut self, reader: &mut Reader<'_>) -> Result<(), AnswerError> {
        for model in &self.models {
            for service in reader.services_of(&model.identity)? {
                if reader.is_known(&service)? {
                    self.services.insert(service);
                }
            }
        }
        Ok(())
    }
}

/// What the record calls a model.
pub(super) fn label(
    reader: &mut Reader<'_>,
    artifact: &Artifact,
    identity: Option<&Identity>,
) -> Result<String, AnswerError> {
    Ok(print::label(&artifact_node(reader, artifact, identity, NodeKind::Model)?))
}

/// The models and adapters of a serving set.
pub(super) fn models_of(sets: &[ServedSet]) -> Vec<Artifact> {
    let components = sets.iter().flat_map(|set| &set.components);
    let models = components.filter(|part| matches!(part.role, ComponentRole::Model | ComponentRole::Adapter));
    models.map(|component| component.artifact.clone()).collect()
}
