//! Where a walk upstream begins: at a service, an artifact, an event, a file in hand.

use std::rc::Rc;

use lineal_schemas::vocabulary::{
    Payload,
    artifact::{Artifact, Basis},
    deployment::{ComponentRole, ServedSet},
    model::ModelRegistered,
};

use super::{
    EdgeKind, Identity, Link, Node, NodeKind, Serving, Told, Walk, artifact::is_outside, artifact_node,
    kind_of_component,
};
use crate::{
    answers::{
        AnswerError, InListing, InListings,
        graph::strong,
        resolve::{Target, main_artifact},
        running::history::{History, Standing},
    },
    index::is_ancestor,
};

impl Walk<'_, '_> {
    pub(super) fn begin(&mut self, target: &Target) -> Result<(), AnswerError> {
        match target {
            Target::Service(service) => self.begin_at_service(service),
            Target::Artifact(artifact) => self.begin_at_artifact(artifact),
            Target::Event(index) => self.begin_at_event(*index),
            Target::Listed(file, listings) => self.begin_at_file(file, listings),
            Target::Commit(name) | Target::Library { name, .. } => Err(AnswerError::NotAbout { asked: name.clone() }),
        }
    }

    fn begin_at_artifact(&mut self, artifact: &Artifact) -> Result<(), AnswerError> {
        self.reader.read_ancestry([artifact])?;
        if let Some((at, identity)) = self.place_artifact(artifact, NodeKind::Artifact)? {
            self.step_into(at, identity);
        }
        Ok(())
    }

    /// At a file that only folders have: their ancestry is its own.
    fn begin_at_file(&mut self, file: &Artifact, listings: &InListings) -> Result<(), AnswerError> {
        let trees: Vec<Artifact> = listings.found.iter().filter_map(InListing::artifact).collect();
        self.reader.read_ancestry(&trees)?;
        let Some((at, _identity)) = self.place_artifact(file, NodeKind::Artifact)? else { return Ok(()) };
        for listing in &listings.found {
            self.note(at, format!("{} has it as {}", listing.tree, listing.paths.join(", ")));
            // The listing was read: its bytes say so, and no event.
            let link = Link { basis: Basis::Observed, event: None, ..Link::declared(EdgeKind::PartOf, 0) };
            if let Some(tree) = listing.artifact() {
                self.follow(at, &tree, NodeKind::Dataset, link)?;
            }
        }
        Ok(())
    }

    fn begin_at_event(&mut self, index: u64) -> Result<(), AnswerError> {
        let told = self.reader.told(index)?.ok_or(AnswerError::Erased { index })?;
        match &told.payload {
            Payload::RunCompleted(run) => {
                let ancestors = run.inputs.iter().flatten().filter(|input| is_ancestor(input));
                self.reader.read_ancestry(ancestors.map(|input| &input.artifact))?;
                self.place_run(&told, run);
                Ok(())
            }
            Payload::DeploymentObserved(observed) => {
                let status = if observed.complete { Serving::Runs } else { Serving::Partly };
                self.service(&told.subject, &told, &observed.serving_set, Basis::Observed, status)
            }
            Payload::DeploymentRequested(request) => {
                self.service(&told.subject, &told, &request.serving_set, Basis::Declared, Serving::Asked)
            }
            Payload::ModelRegistered(registered) if is_outside(registered) && strong(&registered.model).is_empty() => {
                self.begin_outside(&told, registered)
            }
            payload => match main_artifact(payload) {
                Some(artifact) => self.begin_at_artifact(artifact),
                None => {
                    Err(AnswerError::NotTraceable { index, kind: told.kind.to_owned(), subject: told.subject.clone() })
                }
            },
        }
    }

    /// At a model that was made outside and that nobody has a digest of: its registration says all that is known.
    fn begin_outside(&mut self, told: &Rc<Told>, registered: &ModelRegistered) -> Result<(), AnswerError> {
        let alone = Identity { digests: Vec::new(), said: vec![told.clone()] };
        let node = artifact_node(self.reader, &registered.model, Some(&alone), NodeKind::Model)?;
        let at = self.add(node);
        self.outside(at, &alone, told, registered)
    }

    fn begin_at_service(&mut self, service: &str) -> Result<(), AnswerError> {
        let history = History::read(self.reader, service)?;
        let Some(newest) = history.newest() else {
            let node = Node { name: Some(service.to_owned()), ..Node::new(NodeKind::Service) };
            let at = self.add(node);
            self.walked.serving = Some(Serving::Unseen);
            self.missing(at, format!("no deployment.observed says what runs at {service}"));
            return Ok(());
        };
        let status = match newest.standing(self.reader.moment().at) {
            Standing::Runs => Serving::Runs,
            Standing::Partly => Serving::Partly,
            Standing::Unknown(since) => Serving::Unknown(since),
            Standing::Ended(since) => Serving::Ended(since),
        };
        self.service(service, &newest.told, newest.sets(), Basis::Observed, status)
    }

    pub(super) fn service(
        &mut self,
        service: &str,
        told: &Rc<Told>,
        sets: &[ServedSet],
        basis: Basis,
        status: Serving,
    ) -> Result<(), AnswerError> {
        let components = sets.iter().flat_map(|set| &set.components);
        self.reader.read_ancestry(components.map(|component| &component.artifact))?;
        let event = self.reader.event_ref(told);
        let node = Node { name: Some(service.to_owned()), events: vec![event], ..Node::new(NodeKind::Service) };
        let at = self.add(node);
        self.walked.serving = Some(status);
        if sets.iter().all(|set| set.components.is_empty()) {
            let what =
                if status == Serving::Partly { "was seen in part, with nothing that serves" } else { "serves nothing" };
            self.missing(at, format!("{service} {what}"));
        }
        for (position, set) in sets.iter().enumerate() {
            for component in &set.components {
                let share = set.share.as_ref().map(|share| share.as_decimal().as_str().to_owned());
                let link = Link {
                    role: Some(component.role.as_str().into()),
                    serving: Some((position, share)),
                    basis,
                    // What a service runs in is shown; what it answers with is followed.
                    ancestry: !matches!(component.role, ComponentRole::Image | ComponentRole::Config),
                    ..Link::declared(EdgeKind::Component, told.index)
                };
                self.follow(at, &component.artifact, kind_of_component(component.role), link)?;
            }
        }
        Ok(())
    }
}
