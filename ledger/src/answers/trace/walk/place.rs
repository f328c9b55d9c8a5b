//! Where a snapshot's bytes were, and whether they can be there still: a place that is written anew holds others.
//!
//! A digest proves identity, not survival. Never looks at the place: it is told from what later snapshots say.

use std::rc::Rc;

use lineal_schemas::vocabulary::{Payload, dataset::DatasetSnapshotted};

use super::{Identity, Told, Walk};
use crate::{answers::AnswerError, index::places::print_of};

/// The most later snapshots that are looked at; nearly always the first is of other bytes.
const MAX_LOOKED: usize = 100;

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
        let Some(other) = self.other_bytes(identity, told, snapshot, uri.as_str())? else { return Ok(()) };
        let note = format!("{uri} holds other bytes since {} (#{})", other.when(), other.index);
        // Several snapshots of the same bytes say the same.
        if self.node(at).is_some_and(|node| !node.notes.contains(&note)) {
            self.note(at, note);
        }
        Ok(())
    }

    /// The first snapshot of other bytes at a place, after the last one of these.
    fn other_bytes(
        &mut self,
        identity: &Identity,
        told: &Told,
        snapshot: &DatasetSnapshotted,
        uri: &str,
    ) -> Result<Option<Rc<Told>>, AnswerError> {
        let last = identity
            .said
            .iter()
            .filter(|said| self.reader.has_happened(said) && said.subject == told.subject && is_at(said, uri));
        let after = last.map(|said| said.when()).max().unwrap_or_else(|| told.when());
        let (size, mut later) = (self.reader.moment().size, Vec::new());
        self.reader.view().index.others_at(
            (&told.subject, uri),
            (after, print_of(&snapshot.dataset)),
            size,
            &mut |index| {
                later.push(index);
                later.len() < MAX_LOOKED
            },
        )?;
        for index in later {
            let Some(other) = self.reader.told(index)?.filter(|other| self.reader.has_happened(other)) else {
                continue;
            };
            if let Payload::DatasetSnapshotted(snapshot) = &other.payload
                && is_at(&other, uri)
                && !identity.is(&snapshot.dataset)
            {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }
}

fn is_at(told: &Told, uri: &str) -> bool {
    let Payload::DatasetSnapshotted(snapshot) = &told.payload else { return false };
    snapshot.dataset.uri.as_ref().is_some_and(|place| place.as_str() == uri)
}
