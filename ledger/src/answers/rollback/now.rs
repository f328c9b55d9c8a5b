//! What runs at the service that is to go back: what the plan compares with.
//!
//! From observation alone. Promises that silence makes it unknown, and that a service nobody ever saw has no plan.

use std::rc::Rc;

use lineal_schemas::{timestamp::Timestamp, vocabulary::deployment::ServedSet};

use crate::answers::{
    AnswerError,
    graph::{Reader, Told},
    running::{
        Status,
        history::{History, Standing},
        sets_of,
    },
};

/// What was seen last.
pub(super) struct SeenNow {
    service: String,
    pub(super) told: Rc<Told>,
    pub(super) at: Timestamp,
    pub(super) unknown_since: Option<Timestamp>,
    pub(super) partial: bool,
    is_ended: bool,
}

impl SeenNow {
    /// What was seen; nothing where the service ended.
    pub(super) fn sets(&self) -> &[ServedSet] {
        if self.is_ended { &[] } else { sets_of(&self.told.payload, &self.service) }
    }

    /// Why what runs is in doubt.
    pub(super) fn doubt(&self) -> Option<String> {
        match (self.unknown_since, self.partial) {
            (Some(since), _) => Some(format!("what runs now is UNKNOWN since {since}")),
            (None, true) => Some("what runs now was seen in part".to_owned()),
            (None, false) => None,
        }
    }
}

/// What runs at a service.
pub(super) fn seen(reader: &mut Reader<'_>, service: &str) -> Result<SeenNow, AnswerError> {
    let history = History::read(reader, service)?;
    let Some(newest) = history.newest() else {
        return Err(AnswerError::NeverSeen { service: service.to_owned() });
    };
    let standing = newest.standing(reader.moment().at);
    let status = standing.status();
    Ok(SeenNow {
        service: service.to_owned(),
        told: newest.told.clone(),
        at: newest.at(),
        unknown_since: status.and_then(|(_status, since)| since),
        partial: matches!(status, Some((Status::Partial, _))),
        is_ended: matches!(standing, Standing::Ended(_)),
    })
}
