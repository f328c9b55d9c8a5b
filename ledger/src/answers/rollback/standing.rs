//! Requests that stand at the service, and whether they undo going back.
//!
//! A GitOps controller puts its standing request through again at its next sync, whatever was declared or done past it.
//! Promises that a door of which that is not known is unknown.

use lineal_schemas::vocabulary::{Payload, deployment::ServedSet};

use super::{Standing, Undoes};
use crate::answers::{
    AnswerError,
    graph::Reader,
    running::{are_same, asks, requests as all_requests},
    timeline::parts,
};

/// Doors that ask again and again.
const RECONCILE: [&str; 2] = ["argo-cd", "flux"];

/// Doors through which something is asked for once.
const ONCE: [&str; 3] = ["kubectl", "helm", "api"];

/// The last request through each door, the newest first.
pub(super) fn requests(
    reader: &mut Reader<'_>,
    service: &str,
    choice: &[ServedSet],
) -> Result<Vec<Standing>, AnswerError> {
    let mut found: Vec<Standing> = Vec::new();
    for told in all_requests(reader, service)? {
        if !matches!(told.payload, Payload::DeploymentRequested(_)) {
            continue;
        }
        let Some((door, wanted)) = asks(reader, &told)? else { continue };
        if found.iter().any(|newer| newer.door == door) {
            continue;
        }
        let undoes = if are_same(reader, &wanted, choice)? { Undoes::No } else { again(door.as_deref()) };
        found.push(Standing { door, parts: parts(reader, &wanted)?, event: reader.event_ref(&told), undoes });
    }
    Ok(found)
}

fn again(door: Option<&str>) -> Undoes {
    match door {
        Some(door) if RECONCILE.contains(&door) => Undoes::Yes,
        Some(door) if ONCE.contains(&door) => Undoes::No,
        _ => Undoes::Unknown,
    }
}
