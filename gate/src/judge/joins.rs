//! What joined a model to other digests, and who said so.
//!
//! Anybody who may describe an artifact can say that it is another one: evidence is gathered over everything that is joined.
//! Promises that a yes of somebody else never comes over such a bridge, unless it stood before and somebody else than the
//! model's makers built it. Never takes joins through events that only use the model. (docs/GATE.md)

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lineal_schemas::{
    strong::StrongDigest,
    timestamp::Timestamp,
    vocabulary::{Payload, artifact::Artifact, lineage::Relation},
};

use super::{Case, Model};
use crate::history::{Evidence, Used};

impl Model {
    /// Whether an artifact is this model: by its own digests, or by such as others than its makers joined to it before an entry.
    pub(super) fn is_known_as(&self, artifact: &Artifact, before: u64, now: Timestamp) -> bool {
        let known = self.known(before, now);
        StrongDigest::all_of(artifact).any(|digest| known.contains(&digest))
    }

    /// Its own digests, and those that others than its makers joined to them before an entry.
    fn known(&self, before: u64, now: Timestamp) -> BTreeSet<StrongDigest> {
        let makers = self.makers();
        let is_others = |told: &Evidence| {
            let signers = || told.producers.union(&told.correctors);
            !makers.is_empty() && !told.is_suspect && told.index < before && !signers().any(|who| makers.contains(who))
        };
        self.joined(now, is_others).0
    }

    /// Whoever made it, or said that it is a model; where nobody is known, nobody is another.
    fn makers(&self) -> BTreeSet<&String> {
        let said = self.identity.iter().flat_map(|identity| &identity.said);
        let registered = said.filter(|told| matches!(told.payload, Payload::ModelRegistered(_)));
        registered.flat_map(|told| &told.producers).chain(&self.ancestry.trainers).collect()
    }

    /// The digests that events join to its own, and those events.
    fn joined(
        &self,
        now: Timestamp,
        counts: impl Fn(&Evidence) -> bool,
    ) -> (BTreeSet<StrongDigest>, Vec<Rc<Evidence>>) {
        let mut digests: BTreeSet<StrongDigest> = StrongDigest::all_of(&self.artifact).collect();
        let said = self.identity.iter().flat_map(|identity| &identity.said);
        let open: Vec<&Rc<Evidence>> = said.filter(|told| told.when() <= now && counts(told)).collect();
        let mut joins = Vec::new();
        loop {
            let before = digests.len();
            for told in &open {
                let more = added(told, &digests);
                if !more.is_empty() {
                    joins.push((*told).clone());
                    digests.extend(more);
                }
            }
            if digests.len() == before {
                return (digests, joins);
            }
        }
    }

    /// The kinds of digest of which it has two, where its makers alone say that they are the same.
    pub(super) fn doubled(&self, now: Timestamp) -> Vec<String> {
        let known = self.known(u64::MAX, now);
        let mut values: BTreeMap<&str, Vec<&StrongDigest>> = BTreeMap::new();
        for digest in self.identity.iter().flat_map(|identity| &identity.digests) {
            values.entry(digest.algorithm()).or_default().push(digest);
        }
        values.retain(|_algorithm, all| all.len() > 1 && all.iter().any(|digest| !known.contains(*digest)));
        values.into_keys().map(str::to_owned).collect()
    }
}

/// The digests that an event adds to some.
fn added(told: &Evidence, digests: &BTreeSet<StrongDigest>) -> BTreeSet<StrongDigest> {
    let artifacts = told.payload.artifacts();
    let has = |artifact: &Artifact| StrongDigest::all_of(artifact).any(|digest| digests.contains(&digest));
    let is_side = artifacts.iter().any(|mention| mention.relation == Relation::Same && has(mention.artifact));
    let joined =
        artifacts.iter().filter(|mention| has(mention.artifact) || (is_side && mention.relation == Relation::Same));
    joined
        .flat_map(|mention| StrongDigest::all_of(mention.artifact))
        .filter(|digest| !digests.contains(digest))
        .collect()
}

/// Says what every model is joined to, and takes the events that join it into account.
pub(super) fn tell(case: &Case, notes: &mut Vec<String>, used: &mut Used) {
    for model in &case.models {
        let own: BTreeSet<StrongDigest> = StrongDigest::all_of(&model.artifact).collect();
        let (digests, joins) = model.joined(case.now, |_told| true);
        if joins.is_empty() {
            continue;
        }
        for told in &joins {
            used.put(told);
        }
        let spelled = |digest: &StrongDigest| {
            let short: String = digest.hex().chars().take(12).collect();
            format!("{}:{short}", digest.algorithm())
        };
        let others: Vec<String> = digests.difference(&own).map(spelled).collect();
        let who: BTreeSet<&str> = joins.iter().flat_map(|told| &told.producers).map(String::as_str).collect();
        let who: Vec<&str> = who.into_iter().collect();
        notes.push(format!("JOINED: {} is also {}, says {}", model.label, others.join(", "), who.join(" and ")));
    }
}
