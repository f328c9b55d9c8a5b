//! One look at an environment: pods, put together to services, each with its serving set.
//!
//! Promises that a look is whole only if every pod of it could be read and named: what is not listed in one that is not
//! whole may still run. Instances of the same parts are one set with a count; the pods of one `InferenceService` that
//! answer together are one set.

use std::collections::BTreeMap;

use lineal_schemas::vocabulary::{
    deployment::{Component, ServedSet},
    names::ServiceBaseName,
    values::Count,
};
use serde_json::Value;

use crate::{
    containers::{key, ordered},
    naming::Naming,
    object::text,
    running::{Instance, State},
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
        let whole = self.whole;
        services.into_iter().map(|(name, instances)| (name, seen(&instances, whole))).collect()
    }
}

/// Whether a pod is known to be of a namespace that is not looked at, whatever else of it can't be read.
fn is_elsewhere(pod: &Value, naming: &Naming) -> bool {
    matches!(text(pod, &["metadata", "namespace"]), Ok(Some(namespace)) if !naming.looks_at(namespace))
}

/// Puts the instances of a service together.
fn seen(instances: &[Instance], whole: bool) -> Seen {
    let complete = whole && instances.iter().all(|instance| instance.unknown.is_empty());
    let running = || instances.iter().filter(|instance| instance.state == State::Runs);
    let is_beside = |instance: &&Instance| instance.owner.part.as_deref().is_some_and(|part| BESIDE.contains(&part));
    let mut main = counted(running().filter(|instance| !is_beside(instance)));
    let beside = BESIDE.map(|part| counted(running().filter(|instance| instance.owner.part.as_deref() == Some(part))));
    for variants in beside {
        match (main.is_empty(), &variants[..]) {
            // Which of several transformers stands before which predictor no pod says.
            (false, [(components, _count)]) => join(&mut main, components),
            _ => main.extend(variants),
        }
    }
    let sets = main
        .into_iter()
        .filter(|(components, _count)| !components.is_empty())
        .map(|(components, count)| ServedSet { components, share: None, instances: Count::try_from(count).ok() });
    Seen { sets: sets.collect(), complete }
}

fn join(main: &mut [(Vec<Component>, u64)], beside: &[Component]) {
    for (components, _count) in main {
        let mut all = std::mem::take(components);
        all.extend_from_slice(beside);
        *components = ordered(all);
    }
}

/// Different sets of components, each with how many instances have it; in one order.
fn counted<'a>(instances: impl Iterator<Item = &'a Instance>) -> Vec<(Vec<Component>, u64)> {
    let mut sets: BTreeMap<Vec<String>, (Vec<Component>, u64)> = BTreeMap::new();
    for instance in instances {
        let keys = instance.components.iter().map(key).collect();
        let (_components, count) = sets.entry(keys).or_insert_with(|| (instance.components.clone(), 0));
        *count = count.saturating_add(1);
    }
    sets.into_values().collect()
}
