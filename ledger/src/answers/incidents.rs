//! Incidents: which are open, and what they touch, at an answer's moment.
//!
//! What is said later takes the place of what was said before, a list as a whole; what is closed is over until it is
//! opened again. Promises that an incident is found from each service and each artifact that any of its events names.
//! Never tells its story: that is in the ticket. (docs/EVENTS.md)

use std::{collections::BTreeSet, rc::Rc};

use lineal_schemas::vocabulary::{
    Payload,
    artifact::Artifact,
    names::{Code, ServiceName},
};

use super::{
    AnswerError,
    graph::{Identity, Reader, Told},
};

/// The types of incidents' events.
const KINDS: [&str; 3] = ["incident.opened", "incident.updated", "incident.closed"];

/// An incident as it stands at a moment.
#[derive(Debug)]
pub(super) struct Incident {
    name: String,
    severity: Option<Code>,
    services: Vec<ServiceName>,
    artifacts: Vec<Artifact>,
    is_open: bool,
    /// Every event of it, the first said first.
    pub(super) said: Vec<Rc<Told>>,
}

impl Incident {
    fn read(reader: &mut Reader<'_>, name: &str) -> Result<Self, AnswerError> {
        let mut said = reader.told_about(name, &KINDS)?;
        said.retain(|told| reader.has_happened(told));
        said.reverse();
        let mut incident = Self {
            name: name.to_owned(),
            severity: None,
            services: Vec::new(),
            artifacts: Vec::new(),
            is_open: false,
            said: Vec::new(),
        };
        for told in &said {
            match &told.payload {
                Payload::IncidentOpened(opened) => {
                    incident.take(opened.severity.as_ref(), opened.services.as_ref(), opened.artifacts.as_ref());
                    incident.is_open = true;
                }
                Payload::IncidentUpdated(updated) => {
                    incident.take(updated.severity.as_ref(), updated.services.as_ref(), updated.artifacts.as_ref());
                    // Whoever opened it may not be heard yet: what is told of it is not over.
                    incident.is_open |= said.first().is_some_and(|first| first.index == told.index);
                }
                Payload::IncidentClosed(_) => incident.is_open = false,
                _ => {}
            }
        }
        incident.said = said;
        Ok(incident)
    }

    fn take(
        &mut self,
        severity: Option<&Code>,
        services: Option<&Vec<ServiceName>>,
        artifacts: Option<&Vec<Artifact>>,
    ) {
        self.severity = severity.or(self.severity.as_ref()).cloned();
        self.services = services.unwrap_or(&self.services).clone();
        self.artifacts = artifacts.unwrap_or(&self.artifacts).clone();
    }

    /// When it was opened, as often as it was; where nobody is heard to have opened it, when it was first told of.
    pub(super) fn opened(&self) -> Vec<&Rc<Told>> {
        let opened = self.said.iter().filter(|told| matches!(told.payload, Payload::IncidentOpened(_)));
        let opened: Vec<_> = opened.collect();
        if opened.is_empty() { self.said.first().into_iter().collect() } else { opened }
    }

    /// That it is open, as prose.
    fn note(&self) -> String {
        let severity = self.severity.as_ref().map_or_else(String::new, |severity| format!(", {severity}"));
        let since = self.said.iter().rev().find(|told| matches!(told.payload, Payload::IncidentOpened(_)));
        let since = since.or_else(|| self.said.first());
        let since = since.map_or_else(String::new, |told| format!(" since {} (#{})", told.when(), told.index));
        format!("{} is open{since}{severity}", self.name)
    }
}

/// Every incident of which some event names a service.
pub(super) fn of_service(reader: &mut Reader<'_>, service: &str) -> Result<Vec<Incident>, AnswerError> {
    let indices = reader.view().index.incidents_at(service)?;
    read_all(reader, indices)
}

/// Every incident of which some event names an artifact.
pub(super) fn of_artifact(reader: &mut Reader<'_>, identity: &Identity) -> Result<Vec<Incident>, AnswerError> {
    let mut indices = Vec::new();
    for digest in &identity.digests {
        indices.extend(reader.view().index.incidents_about(digest)?);
    }
    read_all(reader, indices)
}

fn read_all(reader: &mut Reader<'_>, indices: Vec<u64>) -> Result<Vec<Incident>, AnswerError> {
    let (mut names, size) = (BTreeSet::new(), reader.moment().size);
    for index in indices.into_iter().filter(|index| *index < size) {
        names.extend(reader.told(index)?.map(|told| told.subject.clone()));
    }
    names.iter().map(|name| Incident::read(reader, name)).collect()
}

/// Open incidents that touch a service, as prose.
pub(super) fn open_at(reader: &mut Reader<'_>, service: &str) -> Result<Vec<String>, AnswerError> {
    let mut all = of_service(reader, service)?;
    all.retain(|incident| incident.is_open && incident.services.iter().any(|one| one.as_str() == service));
    Ok(all.iter().map(Incident::note).collect())
}

/// Open incidents that are about an artifact, as prose.
pub(super) fn open_about(reader: &mut Reader<'_>, identity: &Identity) -> Result<Vec<String>, AnswerError> {
    let mut all = of_artifact(reader, identity)?;
    all.retain(|incident| incident.is_open && incident.artifacts.iter().any(|artifact| identity.is(artifact)));
    Ok(all.iter().map(Incident::note).collect())
}
