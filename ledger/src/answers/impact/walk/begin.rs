//! Where a walk downstream begins that does not begin at an artifact: a commit, a library, a listing that has a file.

use std::{collections::BTreeSet, rc::Rc};

use lineal_schemas::vocabulary::{
    Payload,
    artifact::{Basis, Strength},
    values::Table,
};

use super::{Edge, EdgeKind, InListing, Node, NodeKind, Told, Walk, edge_of};
use crate::{
    answers::{AnswerError, NamedDigest, resolve::main_artifact},
    index::made_with,
};

/// The most versions of a library that are asked for together.
const MAX_VERSIONS: usize = 1000;

impl Walk<'_, '_> {
    /// A folder whose listing has the file that was asked for, which is the first node.
    pub(super) fn listed(&mut self, listing: &InListing) -> Result<(), AnswerError> {
        let Some(tree) = listing.artifact() else { return Ok(()) };
        // The listing was read: its bytes say so, and no event.
        let edge = Edge { basis: Basis::Observed, event: None, ..edge_of(0, EdgeKind::Part) };
        self.follow(0, &tree, NodeKind::Dataset, edge, 1)
    }

    /// Events that mention a commit: runs of it, and what was built from it.
    pub(super) fn begin_at_commit(&mut self, commit: &str) -> Result<(), AnswerError> {
        let digest = NamedDigest { algorithm: "gitCommit".into(), value: commit.to_owned() };
        let strength = Some(Strength::Pointer);
        let node = Node { digests: vec![digest], strength, ..Node::new(NodeKind::Artifact) };
        let at = self.walked.add(node, 0);
        let names_it = |told: &Told| {
            let mentions = told.payload.artifacts();
            mentions.iter().any(|mention| mention.artifact.digests().any(|own| own == ("gitCommit", commit)))
        };
        for told in self.told_by(self.reader.view().index.by_commit(commit)?, names_it)? {
            let edge = edge_of(told.index, EdgeKind::Code);
            match &told.payload {
                Payload::RunCompleted(_) | Payload::RunStarted(_) => self.run(&told, Some((at, edge)), 1)?,
                Payload::EvaluationStarted(_) | Payload::EvaluationCompleted(_) => {
                    if self.measured.insert(told.index) {
                        self.walked.evaluations.push(self.reader.event_ref(&told));
                    }
                }
                payload => {
                    if let Some(artifact) = main_artifact(payload) {
                        self.follow(at, artifact, NodeKind::Artifact, edge, 1)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs that declare a version of a library, or any.
    pub(super) fn begin_at_library(&mut self, name: &str, version: Option<&str>) -> Result<(), AnswerError> {
        let (own, owned) = (Some(name.to_owned()), version.map(str::to_owned));
        let at = self.walked.add(Node { name: own, version: owned, ..Node::new(NodeKind::Artifact) }, 0);
        let index = &self.reader.view().index;
        let versions = match version {
            Some(version) => vec![version.to_owned()],
            None => index.versions(name, self.reader.moment().size, MAX_VERSIONS)?,
        };
        self.walked.truncated |= versions.len() >= MAX_VERSIONS;
        let mut indices = BTreeSet::new();
        for version in &versions {
            indices.extend(index.by_library(name, version)?);
        }
        let declares = |told: &Told| {
            if matches!(told.payload, Payload::RunFailed(_)) {
                return false;
            }
            let declared = made_with::environment(&told.payload).and_then(|environment| environment.versions.as_ref());
            let mut declared = declared.map(Table::as_map).into_iter().flatten();
            declared.any(|(own, declared)| {
                made_with::normal(own.as_str()) == made_with::normal(name)
                    && version.is_none_or(|version| version == declared.as_str())
            })
        };
        for told in self.told_by(indices.into_iter().collect(), declares)? {
            self.run(&told, Some((at, edge_of(told.index, EdgeKind::Environment))), 1)?;
        }
        Ok(())
    }

    /// Events of these entries that had happened and still say what they were found by; a correction leads to its event.
    fn told_by(&mut self, indices: Vec<u64>, says: impl Fn(&Told) -> bool) -> Result<Vec<Rc<Told>>, AnswerError> {
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        for index in indices {
            let Some(told) = self.reader.mentioning(index)? else { continue };
            if self.reader.has_happened(&told) && says(&told) && seen.insert(told.index) {
                found.push(told);
            }
        }
        Ok(found)
    }
}
