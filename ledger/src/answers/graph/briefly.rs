//! Completed runs in brief, as a walk downstream takes them: from the index, without reading their events.
//!
//! Promises that a run is taken so only where that is all that its event says today: what is corrected is read.

use std::rc::Rc;

use lineal_schemas::{digest::KeyId, strong::StrongDigest};
use rayon::prelude::*;

use super::{MAX_CACHED, Reader, Stored, ahead::WORTH_IT, signer, stored};
use crate::{
    answers::{AnswerError, EventRef},
    index::{Mentions, brief::Brief},
    ledger::View,
};

/// A completed run in brief.
#[derive(Debug)]
pub(in crate::answers) struct InBrief {
    pub(in crate::answers) brief: Brief,
    /// Whether nothing but this run mentions what it made, output by output; shorter where that was not looked up.
    pub(in crate::answers) alone: Vec<bool>,
}

/// A run that was looked up: in brief, with where else what it made is mentioned, and with the events that will have to be
/// read.
pub(in crate::answers) struct LookedUp {
    index: u64,
    brief: Option<InBrief>,
    mentions: Vec<(StrongDigest, Mentions)>,
    stored: Vec<(u64, Stored)>,
}

/// Runs that were looked up.
pub(in crate::answers) type Found = Vec<Result<LookedUp, AnswerError>>;

/// Looks up completed runs, those of the first `size` entries, on all cores. Needs no reader: an answer can go on meanwhile.
pub(in crate::answers) fn look_up(view: &View, size: u64, indices: &[u64]) -> Found {
    let known = indices.par_iter().copied().filter(|index| *index < size);
    known.map(|index| look_up_one(view, size, index)).collect()
}

fn look_up_one(view: &View, size: u64, index: u64) -> Result<LookedUp, AnswerError> {
    let Some(brief) = view.index.brief(index)? else {
        let stored = vec![(index, stored(view, index, size)?)];
        return Ok(LookedUp { index, brief: None, mentions: Vec::new(), stored });
    };
    let mut alone = Vec::with_capacity(brief.outputs.len());
    let (mut elsewhere, mut unread) = (Vec::new(), Vec::new());
    for made in &brief.outputs {
        let mentions = view.index.mentions(&made.digest)?;
        let is_alone = mentions.describing == [index] && mentions.using.is_empty() && !mentions.has_services;
        alone.push(is_alone);
        if !is_alone {
            if mentions.describing.len() > 1 {
                unread.extend(mentions.describing.iter().filter(|index| **index < size));
            }
            elsewhere.push((made.digest, mentions));
        }
    }
    let stored = unread.into_iter().map(|index| Ok((index, stored(view, index, size)?)));
    let stored = stored.collect::<Result<_, AnswerError>>()?;
    Ok(LookedUp { index, brief: Some(InBrief { brief, alone }), mentions: elsewhere, stored })
}

impl Reader<'_> {
    /// A completed run in brief, by its entry; nothing where its event has to be read, or is not known.
    pub(in crate::answers) fn brief(&mut self, index: u64) -> Result<Option<Rc<InBrief>>, AnswerError> {
        if let Some(known) = self.briefs.get(&index) {
            return Ok(known.clone());
        }
        let found = if index < self.moment.size { self.view.index.brief(index)? } else { None };
        self.keep_brief(index, found.map(|brief| InBrief { brief, alone: Vec::new() }))
    }

    /// Takes these runs in brief, with what is known of what they made, where they are not at hand.
    pub(in crate::answers) fn briefs_ahead(&mut self, indices: &[u64]) -> Result<(), AnswerError> {
        let missing = indices.iter().copied().filter(|index| !self.briefs.contains_key(index));
        let missing: Vec<u64> = missing.collect();
        if missing.len() < WORTH_IT {
            return Ok(());
        }
        self.keep(look_up(self.view, self.moment.size, &missing))
    }

    /// Keeps what was looked up beside.
    pub(in crate::answers) fn keep(&mut self, found: Found) -> Result<(), AnswerError> {
        for found in found {
            let LookedUp { index, brief, mentions, stored } = found?;
            self.keep_brief(index, brief)?;
            self.mentions.extend(mentions.into_iter().map(|(digest, mentions)| (digest, Rc::new(mentions))));
            for (index, stored) in stored {
                if !self.told.contains_key(&index) {
                    let told = self.tell(index, stored)?.map(Rc::new);
                    self.keep_told(index, told);
                }
            }
        }
        Ok(())
    }

    fn keep_brief(&mut self, index: u64, found: Option<InBrief>) -> Result<Option<Rc<InBrief>>, AnswerError> {
        let brief = match found {
            Some(run) if self.corrects(&run.brief.subject)?.is_empty() => Some(Rc::new(run)),
            _ => None,
        };
        if self.briefs.len() >= MAX_CACHED {
            self.briefs.clear();
        }
        self.briefs.insert(index, brief.clone());
        Ok(brief)
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
            kind: "run.completed".into(),
            subject: brief.subject.clone(),
            time: brief.time,
            received: brief.received,
            signers: brief.signers.iter().map(signer).collect(),
            corrected_by: None,
        }
    }
}
