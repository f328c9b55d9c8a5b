//! What a history is about: one service, or artifacts with the services that they were asked to serve in.
//!
//! A name may have meant several artifacts, one after the other: its history is that of all of them. Joins are on strong
//! digests only. Never reads what was seen: that is the part of [`super::spells`].

use std::{collections::BTreeSet, rc::Rc};

use lineal_schemas::vocabulary::{Payload, artifact::Artifact, deployment::ServedSet};

use super::{
    AnswerError,
    graph::{Identity, Reader, Told},
    resolve::{self, Target, main_artifact},
    trace::facts::identified,
};

/// What is asked about.
#[derive(Debug, Default)]
pub(super) struct About {
    /// The artifacts; none where a service is asked about.
    pub(super) artifacts: Vec<Rc<Identity>>,
    /// The services, sorted.
    pub(super) services: BTreeSet<String>,
    /// What else is said under the name that was asked about.
    pub(super) named: Vec<Rc<Told>>,
    /// What can't be joined to anything: it has no strong digest.
    unjoined: Vec<String>,
}

impl About {
    /// Whether a part of a serving set belongs to the history.
    pub(super) fn holds(&self, set: &ServedSet) -> bool {
        let is_it = |artifact: &Artifact| self.artifacts.iter().any(|identity| identity.is(artifact));
        self.artifacts.is_empty() || set.components.iter().any(|component| is_it(&component.artifact))
    }

    /// Whether what was asked about has no strong digest at all: then its history is not known.
    pub(super) fn is_unjoined(&self) -> bool {
        self.artifacts.is_empty() && !self.unjoined.is_empty()
    }

    /// What the asker should know: that it is several things, or that something of it can't be followed.
    pub(super) fn warnings(&self, asked: &str) -> Vec<String> {
        let several = self.artifacts.len();
        let several = (several > 1)
            .then(|| format!("`{asked}` has named {several} different digests: this is the history of all of them"));
        let unjoined =
            self.unjoined.iter().map(|what| format!("{what} has no strong digest: nothing can be joined to it"));
        several.into_iter().chain(unjoined).collect()
    }
}

/// Finds what `asked` is about.
pub(super) fn about(reader: &mut Reader<'_>, asked: &str) -> Result<About, AnswerError> {
    let mut about = About::default();
    match resolve::resolve_with(reader, asked)?.target {
        Target::Service(service) => {
            about.services.insert(service);
            return Ok(about);
        }
        Target::Artifact(artifact) => about.take(reader, &artifact)?,
        other @ (Target::Listed(..) | Target::Commit(_) | Target::Library { .. }) => return Err(other.unfit(asked)),
        Target::Event(index) => {
            let told = reader.told(index)?.ok_or(AnswerError::Erased { index })?;
            if told.subject.starts_with("service/") {
                about.services.insert(told.subject.clone());
                return Ok(about);
            }
            about.take_all(reader, &told)?;
            about.named.push(told);
        }
    }
    for subject in resolve::spellings(asked) {
        for (index, _kind) in reader.about(&subject)? {
            let Some(told) = reader.told(index)? else { continue };
            about.take_all(reader, &told)?;
            about.named.push(told);
        }
    }
    about.find_services(reader)?;
    Ok(about)
}

impl About {
    fn take_all(&mut self, reader: &mut Reader<'_>, told: &Told) -> Result<(), AnswerError> {
        match &told.payload {
            Payload::RunCompleted(run) => run.outputs.iter().try_for_each(|output| self.take(reader, output)),
            payload => main_artifact(payload).map_or(Ok(()), |artifact| self.take(reader, artifact)),
        }
    }

    fn take(&mut self, reader: &mut Reader<'_>, artifact: &Artifact) -> Result<(), AnswerError> {
        match reader.identity(artifact)? {
            Some(identity) if !self.artifacts.iter().any(|known| known.is(artifact)) => self.artifacts.push(identity),
            Some(_known) => {}
            None => {
                let spelling = identified(artifact);
                if !self.unjoined.contains(&spelling) {
                    self.unjoined.push(spelling);
                }
            }
        }
        Ok(())
    }

    fn find_services(&mut self, reader: &mut Reader<'_>) -> Result<(), AnswerError> {
        for identity in self.artifacts.clone() {
            for service in reader.services_of(&identity)? {
                if reader.is_known(&service)? {
                    self.services.insert(service);
                }
            }
        }
        Ok(())
    }
}
