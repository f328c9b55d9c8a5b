//! What `lineal rollback-plan --json` printed, as a declared rollback says it: what is restored, with its data context.
//!
//! Promises that a plan of another ledger or of another service is refused, and one without anything to go back to.
//! Never decides whether going back is right: the plan's two lines are for people.

use std::{collections::BTreeMap, path::Path};

use lineal_producers::object::Object;
use serde::Deserialize;

use super::super::{console::Failure, values::read_bytes};

/// What a declared rollback takes from a plan.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) service: String,
    pub(super) restores: String,
    pub(super) data_context: Vec<Object>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    service: String,
    choice: Option<Choice>,
    candidates: Vec<Candidate>,
    as_of: AsOf,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AsOf {
    origin: String,
}

#[derive(Debug, Deserialize)]
struct Choice {
    candidate: usize,
    restore: Vec<Restored>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restored {
    component: Component,
    context_role: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Component {
    name: Option<String>,
    uri: Option<String>,
    digests: Vec<Digest>,
}

#[derive(Debug, Deserialize)]
struct Digest {
    algorithm: String,
    value: String,
}

#[derive(Debug, Deserialize)]
struct Candidate {
    restores: Restores,
}

#[derive(Debug, Deserialize)]
struct Restores {
    event: String,
}

/// Reads a plan for the ledger of that origin, and for that service where one is named.
pub(super) fn read(path: &Path, origin: &str, service: Option<&str>) -> Result<Plan, Failure> {
    let shown = path.display();
    let document: Document = serde_json::from_slice(&read_bytes(path)?).map_err(|error| {
        Failure::refused(format!("{shown} is no plan: {error}"))
            .with_hint("`lineal rollback-plan SERVICE --json` prints one")
    })?;
    if document.as_of.origin != origin {
        let theirs = &document.as_of.origin;
        return Err(Failure::refused(format!(
            "{shown} is a plan of the ledger {theirs}, and the trust file is of {origin}"
        ))
        .with_hint("make the plan again from the ledger that this event goes to"));
    }
    if let Some(service) = service.filter(|service| *service != document.service) {
        let theirs = &document.service;
        return Err(Failure::refused(format!("{shown} is a plan of {theirs}, not of {service}"))
            .with_hint(format!("`lineal rollback-plan {service} --json` makes one")));
    }
    let restores = document.choice.as_ref().and_then(|choice| document.candidates.get(choice.candidate));
    let (Some(choice), Some(candidate)) = (&document.choice, restores) else {
        return Err(Failure::refused(format!("{shown} has nothing to go back to"))
            .with_hint("`lineal rollback-plan … --to WHAT` chooses something that ran before"));
    };
    Ok(Plan {
        restores: candidate.restores.event.clone(),
        data_context: choice.restore.iter().filter_map(Restored::input).collect(),
        service: document.service,
    })
}

impl Restored {
    /// As an input of the event; nothing for the model itself, which what is restored names.
    fn input(&self) -> Option<Object> {
        let role = self.context_role.as_ref()?;
        let Component { name, uri, digests } = &self.component;
        let digests: BTreeMap<&str, &str> =
            digests.iter().map(|one| (one.algorithm.as_str(), one.value.as_str())).collect();
        let artifact = Object::new()
            .with_some("name", name.as_ref())
            .with_some("uri", uri.as_ref())
            .with_some("digest", Some(digests).filter(|digests| !digests.is_empty()));
        Some(Object::new().with("artifact", artifact).with("role", role))
    }
}
