//! The part of a walk downstream that reads no events: completed runs in brief, and what only they made.
//!
//! Promises the graph that the events would give, node for node and edge for edge; only how a run ran is left out. What
//! anything else says something about is left to the rest of the walk.

use std::rc::Rc;

use lineal_schemas::{
    strong::StrongDigest,
    vocabulary::{
        artifact::{Influence, Strength},
        run::JobKind,
    },
};

use super::{Edge, EdgeKind, Identity, Key, Node, NodeKind, Walk, edge_of, outputs};
use crate::{
    answers::{
        AnswerError,
        graph::InBrief,
        trace::{RunFacts, described::made_by_job},
    },
    index::brief::{Brief, InputUse, Made},
};

impl Walk<'_, '_> {
    /// Whether enough is told already.
    pub(super) const fn is_brief(&self) -> bool {
        self.walked.nodes.len() >= self.limits.told
    }

    /// What a completed run that mentions the artifact at a node leads to; false where its event has to be read.
    pub(super) fn briefly(
        &mut self,
        at: usize,
        identity: &Identity,
        (index, inputs): (u64, &[InputUse]),
    ) -> Result<bool, AnswerError> {
        if !self.is_brief() || identity.digests.len() != 1 {
            return Ok(false);
        }
        let Some(run) = self.reader.brief(index)? else { return Ok(false) };
        if self.reader.has_ended(&run.brief) {
            let distance = self.distance(at) + 1;
            for input in inputs.iter().filter(|input| input.influence != Influence::Measurement) {
                let role = Some(input.role.as_str().into());
                let (influence, basis) = (Some(input.influence), input.basis);
                let edge = Edge { role, influence, basis, ..edge_of(index, EdgeKind::Input) };
                self.brief_run(index, &run, (at, edge), distance)?;
            }
        }
        Ok(true)
    }

    fn brief_run(
        &mut self,
        index: u64,
        InBrief { brief, alone }: &InBrief,
        (upstream, edge): (usize, Edge),
        distance: usize,
    ) -> Result<(), AnswerError> {
        let known = self.walked.places.get(&Key::Run(index)).copied();
        let at = match known {
            Some(at) => at,
            None => match self.place(Key::Run(index), self.brief_node(index, brief), distance) {
                Some(at) => at,
                None => return Ok(()),
            },
        };
        self.draw(Edge { from: at, to: upstream, ..edge });
        if known.is_some() {
            return Ok(());
        }
        if brief.kind == JobKind::Score {
            self.walked.batches.entry(brief.subject.clone()).or_default().insert(index, at);
        }
        for (position, made) in brief.outputs.iter().enumerate() {
            let is_alone = alone.get(position) == Some(&true);
            self.brief_output(at, (made, is_alone), (index, brief.kind), distance + 1)?;
        }
        Ok(())
    }

    fn brief_node(&self, index: u64, brief: &Brief) -> Node {
        let run = RunFacts {
            run_id: brief.run_id.clone(),
            job_kind: brief.kind.as_str().into(),
            brief: true,
            ..RunFacts::default()
        };
        Node {
            name: Some(brief.subject.clone()),
            events: vec![self.reader.brief_ref(index, brief)],
            run: Some(Box::new(run)),
            ..Node::new(NodeKind::Run)
        }
    }

    /// What a run made, where nothing but that run says anything about it; else its event is read.
    fn brief_output(
        &mut self,
        run: usize,
        (made, is_alone): (&Made, bool),
        (index, kind): (u64, JobKind),
        distance: usize,
    ) -> Result<(), AnswerError> {
        let digest = made.digest;
        let key = Key::Digest(digest);
        let edge = edge_of(index, EdgeKind::Run);
        if let Some(at) = self.walked.places.get(&key).copied() {
            if at != run {
                self.draw(Edge { from: at, to: run, ..edge });
            }
            return Ok(());
        }
        let mut leads_on = false;
        if !is_alone {
            let size = self.reader.moment().size;
            let mentions = self.reader.mentions(&digest)?;
            if !mentions.describing.iter().filter(|said| **said < size).eq([&index]) {
                return self.read_output(run, &digest, index, distance);
            }
            leads_on = mentions.has_services || !mentions.using.is_empty();
        }
        let node = Node {
            name: made.name.clone(),
            digests: vec![digest.into()],
            uri: made.uri.clone(),
            strength: Some(Strength::Strong),
            ..Node::new(made_by_job(kind))
        };
        if let Some(at) = self.place(key, node, distance) {
            if leads_on {
                let identity = Identity { digests: vec![digest], said: Vec::new() };
                self.open.push_back((at, Rc::new(identity)));
            }
            self.draw(Edge { from: at, to: run, ..edge });
        }
        Ok(())
    }

    fn read_output(
        &mut self,
        run: usize,
        digest: &StrongDigest,
        index: u64,
        distance: usize,
    ) -> Result<(), AnswerError> {
        let Some(told) = self.reader.told(index)? else { return Ok(()) };
        let is_it = |made: &&lineal_schemas::vocabulary::artifact::Artifact| {
            StrongDigest::all_of(made).any(|own| own == *digest)
        };
        match outputs(&told).find(is_it) {
            Some(made) => self.follow(run, made, NodeKind::Artifact, edge_of(index, EdgeKind::Run), distance),
            None => Ok(()),
        }
    }
}
