//! Completed runs in brief, as a walk downstream takes them: from the index, without reading their events.
//!
//! Promises that a run is taken so only where that is all that its event says today: what is corrected is read.

use std::rc::Rc;

use lineal_schemas::{digest::KeyId, strong::StrongDigest};
use rayon::prelude::*;

use super::{MAX_CACHED, Reader, ahead::WORTH_IT, signer};
use crate::{
    answers::{AnswerError, EventRef},
    index::brief::Brief,
};

impl Reader<'_> {
    /// A completed run in brief, by its entry; nothing where its event has to be read, or is not known.
    pub(in crate::answers) fn brief(&mut self, index: u64) -> Result<Option<Rc<Brief>>, AnswerError> {
        if let Some(known) = self.briefs.get(&index) {
            return Ok(known.clone());
        }
        let found = if index < self.moment.size { self.view.index.brief(index)? } else { None };
        self.keep_brief(index, found)
    }

    /// Takes these runs in brief, where they are not at hand.
    pub(in crate::answers) fn briefs_ahead(&mut self, indices: &[u64]) -> Result<(), AnswerError> {
        let size = self.moment.size;
        let missing = indices.iter().copied().filter(|index| *index < size && !self.briefs.contains_key(index));
        let missing: Vec<u64> = missing.collect();
        if missing.len() < WORTH_IT {
            return Ok(());
        }
        let index = &self.view.index;
        let found: Vec<_> = missing.par_iter().map(|entry| (*entry, index.brief(*entry))).collect();
        for (entry, brief) in found {
            self.keep_brief(entry, brief?)?;
        }
        Ok(())
    }

    fn keep_brief(&mut self, index: u64, found: Option<Brief>) -> Result<Option<Rc<Brief>>, AnswerError> {
        let brief = match found {
            Some(brief) if self.corrects(&brief.subject)?.is_empty() => Some(Rc::new(brief)),
            _ => None,
        };
        if self.briefs.len() >= MAX_CACHED {
            self.briefs.clear();
        }
        self.briefs.insert(index, brief.clone());
        Ok(brief)
    }

    /// Looks up where these artifacts are mentioned.
    pub(in crate::answers) fn mentions_ahead(
        &mut self,
        digests: impl Iterator<Item = StrongDigest>,
    ) -> Result<(), AnswerError> {
        self.looked_up(digests).map(drop)
    }

    /// Whether a run had ended by the answer's moment.
    pub(in crate::answers) fn has_ended(&self, brief: &Brief) -> bool {
        self.moment.is_past(brief.time.min(brief.received))
    }

    /// The event of a run in brief as an answer names it.
    pub(in crate::answers) fn brief_ref(&self, index: u64, brief: &Brief) -> EventRef {
        let signer = |keyid: &KeyId| signer(&self.registry, *keyid, brief.received);
        EventRef {
            index,
            event: brief.event,
            kind: "run.completed".to_owned(),
            subject: brief.subject.clone(),
            time: brief.time,
            received: brief.received,
            signers: brief.signers.iter().map(signer).collect(),
            corrected_by: None,
        }
    }
}
