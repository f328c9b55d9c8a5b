//! The step at an artifact: what the record says that it was made from.

use std::{collections::BTreeSet, rc::Rc};

use lineal_schemas::vocabulary::{
    Payload,
    artifact::Artifact,
    dataset::{DatasetSnapshotted, TransformPublished},
    lineage::{Place, Relation},
    model::ModelRegistered,
    run::RunCompleted,
};

use super::{EdgeKind, End, Identity, Key, Link, Node, NodeKind, Told, Walk, facts, measured, says_of, spelling};
use crate::answers::{AnswerError, running::all_digests, text};

/// The most events shown of one artifact; the last ones are.
const MAX_EVENTS: usize = 20;

/// The most places of one artifact that are told.
const MAX_PLACES: usize = 20;

/// What accounts for an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Given {
    /// It was made elsewhere, by declaration.
    Outside,
    /// It is a snapshot.
    Snapshot,
    /// It is a published transform.
    Published,
    /// A run made it.
    Made,
    /// It is a part of a snapshot.
    Part,
}

/// What an artifact's events account for.
#[derive(Debug, Default)]
struct Account {
    given: BTreeSet<Given>,
    /// The run that a registration names.
    named_run: Option<String>,
}

/// Whether a model was made elsewhere, by declaration.
pub(super) fn is_outside(registered: &ModelRegistered) -> bool {
    registered.external.unwrap_or_else(|| registered.supplier.is_some())
}

impl Walk<'_, '_> {
    pub(super) fn artifact(&mut self, at: usize, identity: Option<&Rc<Identity>>) -> Result<(), AnswerError> {
        let Some(identity) = identity else {
            let strength = self.node(at).and_then(|node| node.strength);
            let how = strength.map_or("", lineal_schemas::vocabulary::artifact::Strength::as_str);
            let label = self.label(at);
            self.missing(at, format!("{label} has no strong digest ({how}): nothing can be joined to it"));
            return Ok(());
        };
        let mut account = Account::default();
        for told in &identity.said {
            self.take(at, identity, told, &mut account)?;
        }
        if !account.given.contains(&Given::Snapshot) && !account.given.contains(&Given::Made) {
            self.parts_of(at, identity, &mut account)?;
        }
        self.show_events(at, identity);
        self.places(at, identity);
        if self.node(at).is_some_and(|node| node.kind == NodeKind::Model) {
            let measured = measured::of_model(self.reader, identity, at);
            self.walked.measurements.extend(measured);
        }
        self.conclude(at, &account);
        Ok(())
    }

    /// The step at a model of which only this registration is known.
    pub(super) fn outside(
        &mut self,
        at: usize,
        alone: &Identity,
        told: &Rc<Told>,
        registered: &ModelRegistered,
    ) -> Result<(), AnswerError> {
        let mut account = Account::default();
        self.registered(at, alone, told, registered, &mut account)?;
        self.show_events(at, alone);
        self.conclude(at, &account);
        Ok(())
    }

    fn take(
        &mut self,
        at: usize,
        identity: &Identity,
        told: &Rc<Told>,
        account: &mut Account,
    ) -> Result<(), AnswerError> {
        match &told.payload {
            Payload::RunCompleted(run) if says_of(identity, told, Relation::Output) => {
                self.made_by(at, identity, told, run, account);
            }
            Payload::DatasetSnapshotted(snapshot) if says_of(identity, told, Relation::Subject) => {
                account.given.insert(Given::Snapshot);
                self.snapshot(at, identity, told, snapshot)?;
            }
            Payload::TransformPublished(published) if says_of(identity, told, Relation::Subject) => {
                account.given.insert(Given::Published);
                self.published(at, told, published)?;
            }
            Payload::ModelRegistered(registered) if says_of(identity, told, Relation::Subject) => {
                self.registered(at, identity, told, registered, account)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn made_by(&mut self, at: usize, identity: &Identity, told: &Rc<Told>, run: &RunCompleted, account: &mut Account) {
        if run.inputs.iter().flatten().any(|input| identity.is(&input.artifact)) {
            self.note(at, format!("run {} (#{}) passed it through unchanged", run.run_id, told.index));
            return;
        }
        account.given.insert(Given::Made);
        if let Some(to) = self.place_run(told, run) {
            self.draw(at, to, Link::declared(EdgeKind::Run, told.index));
        }
    }

    fn snapshot(
        &mut self,
        at: usize,
        identity: &Identity,
        told: &Rc<Told>,
        snapshot: &DatasetSnapshotted,
    ) -> Result<(), AnswerError> {
        if let Some(node) = self.node(at) {
            node.data = facts::of_data(snapshot).or_else(|| node.data.take());
        }
        self.overwritten(at, identity, told, snapshot)?;
        for artifact in snapshot.derived_from.iter().flatten() {
            self.follow(at, artifact, NodeKind::Dataset, Link::declared(EdgeKind::DerivedFrom, told.index))?;
        }
        for artifact in snapshot.subset.iter().flat_map(|subset| &subset.of) {
            self.follow(at, artifact, NodeKind::Dataset, Link::declared(EdgeKind::SubsetOf, told.index))?;
        }
        for artifact in snapshot.sources.iter().flatten() {
            self.source(at, told, artifact)?;
        }
        if let Some(artifact) = &snapshot.transform {
            self.follow(at, artifact, NodeKind::Transform, Link::aside(EdgeKind::Transform, told.index))?;
        }
        for artifact in snapshot.splits.iter().flatten().flat_map(|split| &split.artifact) {
            // A part that has a history of its own brings it in; one that hasn't is described by the whole.
            if !identity.is(artifact) && self.has_own_history(artifact)? {
                self.follow(at, artifact, NodeKind::Dataset, Link::declared(EdgeKind::Part, told.index))?;
            }
        }
        Ok(())
    }

    fn has_own_history(&mut self, artifact: &Artifact) -> Result<bool, AnswerError> {
        let Some(identity) = self.reader.identity(artifact)? else { return Ok(false) };
        Ok(identity.said.iter().any(|told| match &told.payload {
            Payload::RunCompleted(_) => says_of(&identity, told, Relation::Output),
            Payload::DatasetSnapshotted(_) | Payload::ModelRegistered(_) | Payload::TransformPublished(_) => {
                says_of(&identity, told, Relation::Subject)
            }
            _ => false,
        }))
    }

    /// Where data came from, outside; unless the record knows it after all.
    fn source(&mut self, at: usize, told: &Rc<Told>, artifact: &Artifact) -> Result<(), AnswerError> {
        let link = Link::declared(EdgeKind::Source, told.index);
        if self.has_own_history(artifact)? {
            return self.follow(at, artifact, NodeKind::Dataset, link);
        }
        let key = Key::Loose(format!("source {}", spelling(artifact)));
        let node = Node {
            name: artifact.name.as_ref().map(ToString::to_string),
            digests: all_digests(artifact),
            uri: artifact.uri.as_ref().map(ToString::to_string),
            strength: Some(artifact.strength()),
            end: Some(End::Boundary),
            ..Node::new(NodeKind::Source)
        };
        let known = self.places.get(&key).copied();
        if let Some(to) = known.or_else(|| self.place(key, node)) {
            self.draw(at, to, link);
        }
        Ok(())
    }

    fn published(&mut self, at: usize, told: &Rc<Told>, published: &TransformPublished) -> Result<(), AnswerError> {
        match &published.code {
            Some(artifact) => self.follow(at, artifact, NodeKind::Artifact, Link::aside(EdgeKind::Code, told.index)),
            None => Ok(()),
        }
    }

    fn registered(
        &mut self,
        at: usize,
        identity: &Identity,
        told: &Rc<Told>,
        registered: &ModelRegistered,
        account: &mut Account,
    ) -> Result<(), AnswerError> {
        let outside = is_outside(registered);
        if outside {
            account.given.insert(Given::Outside);
            let supplier = registered.supplier.as_ref().map_or("somebody else", |supplier| supplier.as_str());
            self.note(at, format!("made outside, supplied by {supplier} (#{})", told.index));
        }
        if let Some(artifact) = &registered.base_model
            && !identity.is(artifact)
        {
            // What an outside model goes back to is outside as well, unless the record knows it.
            let link = Link::declared(EdgeKind::BaseModel, told.index);
            let ancestry = !outside || self.has_own_history(artifact)?;
            self.follow(at, artifact, NodeKind::Model, Link { ancestry, ..link })?;
        }
        let Some(reference) = &registered.run else { return Ok(()) };
        account.named_run = Some(reference.run_id.to_string());
        let Some(digest) = &reference.event else { return Ok(()) };
        let Some(index) = self.reader.by_event(digest)? else {
            self.missing(at, format!("event {digest} of run {} is not in the record", reference.run_id));
            return Ok(());
        };
        if let Some(run_told) = self.reader.told(index)?
            && let Payload::RunCompleted(run) = &run_told.payload
        {
            account.given.insert(Given::Made);
            if !run.outputs.iter().any(|output| identity.is(output)) {
                let (by, run_at) = (told.index, run_told.index);
                self.note(at, format!("#{by} says that run #{run_at} made it, whose own outputs do not have it"));
            }
            if let Some(to) = self.place_run(&run_told, run) {
                self.draw(at, to, Link::declared(EdgeKind::Run, told.index));
            }
        }
        Ok(())
    }

    /// The data sets that name it as one of their parts.
    fn parts_of(&mut self, at: usize, identity: &Identity, account: &mut Account) -> Result<(), AnswerError> {
        for told in &identity.said {
            if let Payload::DatasetSnapshotted(snapshot) = &told.payload
                && says_of(identity, told, Relation::Other(Place::Split))
                && !identity.is(&snapshot.dataset)
            {
                account.given.insert(Given::Part);
                self.follow(at, &snapshot.dataset, NodeKind::Dataset, Link::declared(EdgeKind::PartOf, told.index))?;
            }
        }
        Ok(())
    }

    fn show_events(&mut self, at: usize, identity: &Identity) {
        let own_nodes = |told: &&Rc<Told>| {
            !matches!(
                told.payload,
                Payload::RunCompleted(_) | Payload::EvaluationStarted(_) | Payload::EvaluationCompleted(_)
            )
        };
        let events: Vec<_> = identity.said.iter().filter(own_nodes).map(|told| self.reader.event_ref(told)).collect();
        let left_out = events.len().saturating_sub(MAX_EVENTS);
        if left_out > 0 {
            self.note(at, format!("{} of it are left out here", text::count(left_out, "earlier event")));
        }
        if let Some(node) = self.node(at) {
            node.events = events.into_iter().skip(left_out).collect();
        }
    }

    /// Where the bytes are said to be. A digest proves identity, not survival: places that they are gone from are noted.
    fn places(&mut self, at: usize, identity: &Identity) {
        let mut gone: Vec<(String, String)> = Vec::new();
        let mut places: Vec<String> = Vec::new();
        for told in identity.said.iter().filter(|told| self.reader.has_happened(told)) {
            match &told.payload {
                Payload::ArtifactDestroyed(destroyed) => {
                    let why = destroyed.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
                    let note = format!("its bytes are gone from {} since {}{why}", destroyed.uri, told.when());
                    gone.push((destroyed.uri.to_string(), note));
                    places.retain(|place| place != destroyed.uri.as_str());
                }
                Payload::ArtifactLocated(located) => {
                    gone.retain(|(uri, _note)| uri != located.uri.as_str());
                    places.push(located.uri.to_string());
                }
                _ => places.extend(
                    identity.mentions(told).filter_map(|own| own.artifact.uri.as_ref()).map(ToString::to_string),
                ),
            }
        }
        places.sort();
        places.dedup();
        places.truncate(MAX_PLACES);
        if let Some(node) = self.node(at) {
            places.retain(|place| Some(place) != node.uri.as_ref());
            node.places = places;
        }
        for (_uri, note) in gone {
            self.note(at, note);
        }
    }

    fn conclude(&mut self, at: usize, account: &Account) {
        let goes_on = self
            .walked
            .edges
            .iter()
            .rev()
            .take_while(|edge| edge.from == at)
            .any(|edge| edge.ancestry && !matches!(edge.relation, EdgeKind::Source | EdgeKind::Missing));
        if account.given.is_empty() {
            self.unaccounted(at, account);
            return;
        }
        let end = account.given.iter().find_map(|given| match given {
            Given::Outside => Some(End::Boundary),
            Given::Snapshot => (!goes_on).then_some(End::Snapshot),
            Given::Published => (!goes_on).then_some(End::Published),
            Given::Made | Given::Part => None,
        });
        if let Some(node) = self.node(at) {
            node.end = end;
        }
    }

    fn unaccounted(&mut self, at: usize, account: &Account) {
        let label = self.label(at);
        let kind = self.node(at).map_or(NodeKind::Artifact, |node| node.kind);
        let what = match (kind, &account.named_run) {
            (_, Some(run)) => format!("no run.completed of run {run} says that it made {label}"),
            (NodeKind::Dataset, None) => format!("no dataset.snapshotted and no run describes {label}"),
            (NodeKind::Transform, None) => format!("no transform.published and no run describes {label}"),
            _ => format!("no run.completed says what made {label}"),
        };
        self.missing(at, what);
    }

    fn label(&self, at: usize) -> String {
        self.walked.nodes.get(at).map_or_else(String::new, crate::answers::print::label)
    }
}
