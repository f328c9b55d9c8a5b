//! One look at an environment: pods, put together to services, each with its serving set.
//!
//! Promises that a look is whole only if every pod of it could be read and named: what is not listed in one that is not
//! whole may still run. Instances of the same parts are one set with a count; the pods of one `InferenceService` that
//! answer together are one set.

use std::collections::{BTreeMap, BTreeSet};

use lineal_schemas::vocabulary::{
    deployment::{Component, ServedSet},
    names::ServiceBaseName,
    values::{Count, Share},
};
use serde_json::Value;

use crate::{
    containers::{key, ordered},
    naming::Naming,
    object::text,
    running::{Instance, State},
    traffic::Traffic,
};

/// The most remarks of a look that are kept; they are for people.
const MAX_REMARKS: usize = 100;

/// The parts of an `InferenceService` that answer beside its predictor.
const BESIDE: [&str; 2] = ["transformer", "explainer"];

/// A service as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What runs; nothing where its pods do not.
    pub sets: Vec<ServedSet>,
    /// Whether every instance and every part of it was seen.
    pub complete: bool,
}

/// What was seen at one time.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The instances, before they are put together.
    pub instances: Vec<Instance>,
    /// How services split their traffic.
    pub traffic: Traffic,
    /// Whether all pods were listed, read and named.
    pub whole: bool,
    /// What was not, and why, a sentence each.
    pub remarks: Vec<String>,
}

impl Look {
    /// Reads pods. `whole` is whether these are all that there are.
    pub fn of<'a>(pods: impl IntoIterator<Item = &'a Value>, whole: bool, naming: &Naming) -> Self {
        let mut look = Self { whole, ..Self::default() };
        for pod in pods {
            look.add(Self::read(pod, naming));
        }
        look
    }

    /// Reads one pod: an instance, or why it can't be read. Nothing, where it is known not to be looked at.
    pub fn read(pod: &Value, naming: &Naming) -> Option<Result<Instance, String>> {
        if is_elsewhere(pod, naming) {
            return None;
        }
        Some(Instance::read(pod).map_err(|error| format!("a pod can't be read: {error} ({})", error.code())))
    }

    /// Takes in what was read of one pod.
    pub fn add(&mut self, read: Option<Result<Instance, String>>) {
        match read {
            Some(Ok(instance)) if !instance.owner.is_job() => self.instances.push(instance),
            Some(Err(remark)) => self.fails(remark),
            Some(Ok(_job)) => {}
            None => {}
        }
    }

    /// Takes in what an `InferenceService` says of its traffic. Where that can't be read it is unknown, and what runs is not.
    pub fn split(&mut self, service: &Value) {
        if let Err(error) = self.traffic.read(service)
            && self.remarks.len() < MAX_REMARKS
        {
            self.remarks.push(format!("how an InferenceService splits its traffic can't be read: {error}"));
        }
    }

    /// Takes an instance in, if it is one of a service that is looked at.
    pub fn take(&mut self, instance: Instance, naming: &Naming) {
        if naming.looks_at(&instance.owner.namespace) && !instance.owner.is_job() {
            self.instances.push(instance);
        }
    }

    /// Notes something that was not seen: the look is not whole.
    pub fn fails(&mut self, remark: String) {
        self.whole = false;
        if self.remarks.len() < MAX_REMARKS {
            self.remarks.push(remark);
        }
    }

    /// The services, each with what runs.
    pub fn services(&mut self, naming: &Naming) -> BTreeMap<ServiceBaseName, Seen> {
        let mut services: BTreeMap<ServiceBaseName, Vec<Instance>> = BTreeMap::new();
        for instance in std::mem::take(&mut self.instances) {
            for unknown in &instance.unknown {
                self.remarks.push(format!("{}: {unknown} is unknown", instance.pod));
            }
            match naming.service(&instance.owner) {
                Some(name) => services.entry(name).or_default().push(instance),
                None => self.fails(format!("{} has no name that a service can have", instance.pod)),
            }
        }
        self.remarks.truncate(MAX_REMARKS);
        let (whole, traffic) = (self.whole, &self.traffic);
        services.into_iter().map(|(name, instances)| (name, seen(&instances, whole, traffic))).collect()
    }
}

/// Whether a pod is known to be of a namespace that is not looked at, whatever else of it can't be read.
fn is_elsewhere(pod: &Value, naming: &Naming) -> bool {
    matches!(text(pod, &["metadata", "namespace"]), Ok(Some(namespace)) if !naming.looks_at(namespace))
}

/// Puts the instances of a service together.
fn seen(instances: &[Instance], whole: bool, traffic: &Traffic) -> Seen {
    let complete = whole && instances.iter().all(|instance| instance.unknown.is_empty());
    let running = || instances.iter().filter(|instance| instance.state == State::Runs);
    let is_beside = |instance: &&Instance| instance.owner.part.as_deref().is_some_and(|part| BESIDE.contains(&part));
    let mut main = counted(running().filter(|instance| !is_beside(instance)));
    let shares = shares(&main, instances, traffic);
    let beside = BESIDE.map(|part| counted(running().filter(|instance| instance.owner.part.as_deref() == Some(part))));
    for variants in beside {
        match (main.is_empty(), &variants[..]) {
            // Which of several transformers stands before which predictor no pod says.
            (false, [variant]) => join(&mut main, &variant.components),
            _ => main.extend(variants),
        }
    }
    let shares = shares.into_iter().flatten().map(Some).chain(std::iter::repeat(None));
    let sets = main.into_iter().zip(shares).filter(|(variant, _share)| !variant.components.is_empty()).map(
        |(Variant { components, count, .. }, share)| ServedSet {
            components,
            share,
            instances: Count::try_from(count).ok(),
        },
    );
    Seen { sets: sets.collect(), complete }
}

/// What the sets of a service have of its traffic, where it is one object's.
fn shares(main: &[Variant<'_>], instances: &[Instance], traffic: &Traffic) -> Option<Vec<Share>> {
    let objects: BTreeSet<(&str, &str)> = instances
        .iter()
        .map(|instance| (instance.owner.namespace.as_str(), instance.owner.workload.as_str()))
        .collect();
    let mut objects = objects.into_iter();
    let (Some((namespace, workload)), None) = (objects.next(), objects.next()) else { return None };
    let revisions: Vec<_> = main.iter().map(|variant| variant.revisions.clone()).collect();
    traffic.shares(&format!("{namespace}/{workload}"), &revisions)
}

/// Instances that consist of the same.
struct Variant<'a> {
    components: Vec<Component>,
    count: u64,
    revisions: BTreeSet<Option<&'a str>>,
}

fn join(main: &mut [Variant<'_>], beside: &[Component]) {
    for variant in main {
        let mut all = std::mem::take(&mut variant.components);
        all.extend_from_slice(beside);
        variant.components = ordered(all);
    }
}

/// Different sets of components, each with how many instances have it; in one order.
fn counted<'a>(instances: impl Iterator<Item = &'a Instance>) -> Vec<Variant<'a>> {
    let mut sets: BTreeMap<Vec<String>, Variant<'a>> = BTreeMap::new();
    for instance in instances {
        let keys = instance.components.iter().map(key).collect();
        let new = || Variant { components: instance.components.clone(), count: 0, revisions: BTreeSet::new() };
        let variant = sets.entry(keys).or_insert_with(new);
        variant.count = variant.count.saturating_add(1);
        variant.revisions.insert(instance.revision.as_deref());
    }
    sets.into_values().collect()
}
