//! What was asked for at a service, as it is compared with what was seen. Asking is not running.

use std::rc::Rc;

use lineal_schemas::vocabulary::{Payload, deployment::ServedSet};

use super::{Requested, are_same, sets_of};
use crate::answers::{
    AnswerError,
    graph::{Reader, Told},
};

/// Requests and declared rollbacks that had happened, the last said first.
pub(in crate::answers) fn requests(reader: &mut Reader<'_>, service: &str) -> Result<Vec<Rc<Told>>, AnswerError> {
    reader.happened(service, &["deployment.requested", "deployment.rolledback"])
}

/// The last request, or declared rollback, for just this serving set.
pub(super) fn requested(
    reader: &mut Reader<'_>,
    service: &str,
    sets: &[ServedSet],
) -> Result<Option<Requested>, AnswerError> {
    let mut standing = true;
    for told in requests(reader, service)? {
        let Some((door, asks)) = asks(reader, &told)? else { continue };
        if are_same(reader, &asks, sets)? {
            return Ok(Some(Requested { standing, door, event: reader.event_ref(&told) }));
        }
        standing = false;
    }
    Ok(None)
}

pub(in crate::answers) type Asked = (Option<String>, Vec<ServedSet>);

/// The door and the serving set of a request, or of a rollback that says what it restores.
pub(in crate::answers) fn asks(reader: &mut Reader<'_>, told: &Rc<Told>) -> Result<Option<Asked>, AnswerError> {
    match &told.payload {
        Payload::DeploymentRequested(request) => {
            Ok(Some((request.door.as_ref().map(ToString::to_string), request.serving_set.clone())))
        }
        Payload::DeploymentRolledback(rollback) => {
            let Some(index) = rollback.restores.as_ref().map(|event| reader.by_event(event)).transpose()?.flatten()
            else {
                return Ok(None);
            };
            let restored = reader.told(index)?;
            let sets = restored.map(|restored| sets_of(&restored.payload, &told.subject).to_vec());
            Ok(sets.filter(|sets| !sets.is_empty()).map(|sets| (None, sets)))
        }
        _ => Ok(None),
    }
}
