//! How an `InferenceService` splits its traffic between its revisions, as its status says. (KServe v1beta1,
//! `status.components.predictor.traffic`; Knative writes the revision on each pod)
//!
//! Promises a share only where all that runs of a service has one: pods that say no revision, revisions that cannot be told
//! apart, and numbers that are no split leave every share of that service unsaid.

use std::collections::{BTreeMap, BTreeSet};

use lineal_schemas::vocabulary::values::Share;
use serde_json::Value;

use crate::object::{Metadata, ObjectError, at, list, object, text};

/// The label with a pod's revision.
pub(crate) const REVISION: &str = "serving.knative.dev/revision";

/// Percentages of revisions, of each service by namespace and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic(BTreeMap<String, BTreeMap<String, u64>>);

impl Traffic {
    /// Takes an `InferenceService` in. One whose status says nothing of traffic, as where no Knative is, adds nothing.
    pub fn read(&mut self, service: &Value) -> Result<(), ObjectError> {
        let metadata = Metadata::read(service)?;
        let Some(predictor) = object(service, &["status", "components", "predictor"])? else { return Ok(()) };
        let latest = text(predictor, &["latestReadyRevision"])?;
        let mut split: BTreeMap<String, u64> = BTreeMap::new();
        for target in list(predictor, &["traffic"])? {
            let percent = at(target, &["percent"])?.and_then(Value::as_u64).unwrap_or_default();
            let is_latest = at(target, &["latestRevision"])?.and_then(Value::as_bool) == Some(true);
            let Some(revision) = text(target, &["revisionName"])?.or_else(|| latest.filter(|_name| is_latest)) else {
                return Ok(());
            };
            let sum = split.entry(revision.to_owned()).or_default();
            *sum = sum.saturating_add(percent);
        }
        if split.values().fold(0_u64, |sum, percent| sum.saturating_add(*percent)) == 100 {
            self.0.insert(format!("{}/{}", metadata.namespace, metadata.name), split);
        }
        Ok(())
    }

    /// The share of each of several sets, of which each answers for these revisions; nothing where one of them has none, or
    /// where one alone has everything, which needs no word.
    pub(crate) fn shares(&self, service: &str, sets: &[BTreeSet<Option<&str>>]) -> Option<Vec<Share>> {
        let split = self.0.get(service)?;
        let mut seen = BTreeSet::new();
        let mut shares = Vec::new();
        for revisions in sets {
            let mut sum = 0_u64;
            for revision in revisions {
                let revision = (*revision)?;
                // One revision in two sets: what it is was replaced under it.
                if !seen.insert(revision) {
                    return None;
                }
                sum = sum.saturating_add(split.get(revision).copied().unwrap_or_default());
            }
            shares.push(share(sum)?);
        }
        (!matches!(sets, [_only] if split.keys().all(|name| seen.contains(name.as_str())))).then_some(shares)
    }
}

/// A percentage of the traffic as a share; nothing for what is none.
pub(crate) fn share(percent: u64) -> Option<Share> {
    let text = match percent {
        0..=99 => format!("0.{percent:02}"),
        100 => "1".to_owned(),
        _ => return None,
    };
    serde_json::from_value(Value::String(text)).ok()
}
