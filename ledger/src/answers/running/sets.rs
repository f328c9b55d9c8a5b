//! Serving sets: what an event names, and which are the same.
//!
//! Promises that two parts are the same where their components are, role by role, by what strong digests join; a share is
//! no part of it.

use lineal_schemas::vocabulary::{
    Payload,
    deployment::{Component, ServedSet},
};

use crate::answers::{AnswerError, graph::Reader};

/// The serving set that an event names for a service; none where it names nothing there.
pub(in crate::answers) fn sets_of<'t>(payload: &'t Payload, service: &str) -> &'t [ServedSet] {
    match payload {
        Payload::DeploymentRequested(request) => &request.serving_set,
        Payload::DeploymentObserved(observed) => &observed.serving_set,
        Payload::InventoryObserved(inventory) => inventory.listed(service).unwrap_or_default(),
        _ => &[],
    }
}

/// Whether an observation has a part of just these components, of whatever share.
pub(in crate::answers) fn holds(
    reader: &mut Reader<'_>,
    seen: &[ServedSet],
    set: &ServedSet,
) -> Result<bool, AnswerError> {
    for other in seen {
        if same_set(reader, set, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether two serving sets have the same parts, of whatever shares.
pub(in crate::answers) fn are_same(
    reader: &mut Reader<'_>,
    ours: &[ServedSet],
    theirs: &[ServedSet],
) -> Result<bool, AnswerError> {
    if ours.len() != theirs.len() {
        return Ok(false);
    }
    let mut left: Vec<&ServedSet> = theirs.iter().collect();
    for set in ours {
        let mut at = None;
        for (position, other) in left.iter().enumerate() {
            if same_set(reader, set, other)? {
                at = Some(position);
                break;
            }
        }
        let Some(at) = at else { return Ok(false) };
        left.swap_remove(at);
    }
    Ok(true)
}

pub(in crate::answers) fn same_set(
    reader: &mut Reader<'_>,
    one: &ServedSet,
    other: &ServedSet,
) -> Result<bool, AnswerError> {
    if one.components.len() != other.components.len() {
        return Ok(false);
    }
    // Each stands for one: an ensemble can have a member twice.
    let mut left: Vec<&Component> = other.components.iter().collect();
    for component in &one.components {
        let mut at = None;
        for (position, theirs) in left.iter().enumerate() {
            if theirs.role == component.role && reader.same(&component.artifact, &theirs.artifact)? {
                at = Some(position);
                break;
            }
        }
        let Some(at) = at else { return Ok(false) };
        left.swap_remove(at);
    }
    Ok(true)
}
