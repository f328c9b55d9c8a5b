//! Where a snapshot's bytes were, and whether they can be there still: a place that is written anew holds others.
//!
//! A digest proves identity, not survival. Never looks at the place: it is told from what later snapshots say.

use std::rc::Rc;

use lineal_schemas::vocabulary::{Payload, dataset::DatasetSnapshotted};

use super::{Identity, Told, Walk};
use crate::answers::AnswerError;

/// The most events of a name that are looked through.
const MAX_LOOKED: usize = 10_000;

impl Walk<'_, '_> {
    /// Says of a snapshot since when its place holds other bytes, as a later snapshot of the same name has it.
    pub(super) fn overwritten(
        &mut self,
        at: usize,
        identity: &Identity,
        told: &Told,
        snapshot: &DatasetSnapshotted,
    ) -> Result<(), AnswerError> {
        let Some(uri) = &snapshot.dataset.uri else { return Ok(()) };
        let note = if self.reader.about(&told.subject)?.len() > MAX_LOOKED {
            Some(format!(
                "more than {MAX_LOOKED} events name it: whether its bytes are still at {uri} was not looked for"
            ))
        } else {
            let since = self.other_bytes(identity, &told.subject, uri.as_str())?;
            since.map(|other| format!("{uri} holds other bytes since {} (#{})", other.when(), other.index))
        };
        // Several snapshots of the same bytes say the same.
        if let Some(note) = note
            && self.node(at).is_some_and(|node| !node.notes.contains(&note))
        {
            self.note(at, note);
        }
        Ok(())
    }

    /// The first snapshot of other bytes at a place, after the last one of these.
    fn other_bytes(&mut self, identity: &Identity, name: &str, uri: &str) -> Result<Option<Rc<Told>>, AnswerError> {
        let mut since = None;
        for told in self.reader.told_about(name, &["dataset.snapshotted"])? {
            let Payload::DatasetSnapshotted(snapshot) = &told.payload else { continue };
            let is_there = snapshot.dataset.uri.as_ref().is_some_and(|place| place.as_str() == uri);
            if !is_there || !self.reader.has_happened(&told) {
                continue;
            }
            if identity.is(&snapshot.dataset) {
                break;
            }
            since = Some(told);
        }
        Ok(since)
    }
}
