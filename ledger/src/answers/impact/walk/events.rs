//! The events that mention an artifact: looked up ahead and on other cores, taken in the order of the record.
//!
//! Promises the same graph whatever was looked up before: what was not is read when the walk comes to it.

use std::{collections::BTreeSet, rc::Rc};

use super::{Identity, Walk, outputs};
use crate::{
    answers::{
        AnswerError,
        graph::{AHEAD, look_up, strong},
    },
    index::brief::InputUse,
};

impl Walk<'_, '_> {
    /// Reads what the next artifacts will need: the events that used them.
    pub(super) fn read_ahead(&mut self, next: &[(usize, Rc<Identity>)]) -> Result<(), AnswerError> {
        let mut using = Vec::new();
        for digest in next.iter().flat_map(|(_at, identity)| &identity.digests) {
            using.extend(self.reader.mentions(digest)?.using.iter().map(|using| using.index));
            if using.len() >= AHEAD {
                break;
            }
        }
        using.truncate(AHEAD);
        self.ahead(&using)
    }

    /// Takes runs in brief ahead, or reads events ahead; and looks up what they made.
    fn ahead(&mut self, indices: &[u64]) -> Result<(), AnswerError> {
        if self.is_brief() { self.reader.briefs_ahead(indices) } else { self.read_with_outputs(indices) }
    }

    /// Reads events ahead, and looks up what these made.
    fn read_with_outputs(&mut self, indices: &[u64]) -> Result<(), AnswerError> {
        self.reader.read_ahead(indices)?;
        let mut made = Vec::new();
        for index in indices {
            let told = self.reader.mentioning(*index)?;
            made.extend(told.iter().flat_map(|told| outputs(told)).flat_map(strong));
        }
        self.reader.look_ahead_and_on(made.into_iter())
    }

    pub(super) fn artifact(&mut self, at: usize, identity: &Rc<Identity>) -> Result<(), AnswerError> {
        let mentions = identity.digests.iter().map(|digest| self.reader.mentions(digest));
        let mentions = mentions.collect::<Result<Vec<_>, _>>()?;
        let mut events: Vec<(u64, &[InputUse])> = Vec::new();
        for mentions in &mentions {
            events.extend(mentions.describing.iter().map(|index| (*index, [].as_slice())));
            events.extend(mentions.using.iter().map(|using| (using.index, mentions.inputs_of(using))));
        }
        events.sort_by_key(|(index, _inputs)| *index);
        for service in self.reader.services_of(identity)? {
            self.walked.services.entry(service).or_default().extend(identity.digests.iter().copied());
        }
        self.walked.reserve(2 * events.len(), self.limits.nodes);
        let (told, brief) = events.split_at(self.room_to_tell().min(events.len()));
        let mut seen = BTreeSet::new();
        for some in told.chunks(AHEAD) {
            self.ahead(&indices_of(some))?;
            self.lead_on(at, identity, some, &mut seen)?;
        }
        if brief.len() > AHEAD {
            return self.lead_on_beside(at, identity, brief, &mut seen);
        }
        self.ahead(&indices_of(brief))?;
        self.lead_on(at, identity, brief, &mut seen)
    }

    /// How many events that mention one artifact are told, as far as each leads to a run and to something that it made.
    fn room_to_tell(&self) -> usize {
        self.limits.told.saturating_sub(self.walked.nodes.len()).div_ceil(2)
    }

    /// As [`Self::lead_on`], of very many: while the walk takes some, the next ones are looked up on other cores.
    fn lead_on_beside(
        &mut self,
        at: usize,
        identity: &Identity,
        events: &[(u64, &[InputUse])],
        seen: &mut BTreeSet<u64>,
    ) -> Result<(), AnswerError> {
        let (view, size) = (self.reader.view(), self.reader.moment().size);
        let mut found = None;
        let mut chunks = events.chunks(AHEAD).peekable();
        while let Some(some) = chunks.next() {
            self.reader.keep(found.take().unwrap_or_default())?;
            let next = chunks.peek().map(|next| indices_of(next));
            rayon::in_place_scope(|scope| {
                if let Some(next) = &next {
                    scope.spawn(|_scope| found = Some(look_up(view, size, next)));
                }
                self.ahead(&indices_of(some))?;
                self.lead_on(at, identity, some, seen)
            })?;
        }
        Ok(())
    }

    /// What these events that mention the artifact at a node lead to.
    fn lead_on(
        &mut self,
        at: usize,
        identity: &Identity,
        some: &[(u64, &[InputUse])],
        seen: &mut BTreeSet<u64>,
    ) -> Result<(), AnswerError> {
        for (index, inputs) in some {
            if self.briefly(at, identity, (*index, inputs))? {
                continue;
            }
            let Some(told) = self.reader.mentioning(*index)? else { continue };
            if seen.insert(told.index) && self.reader.has_happened(&told) {
                for mention in identity.mentions(&told) {
                    self.mention(at, &told, mention)?;
                }
            }
        }
        Ok(())
    }
}

fn indices_of(some: &[(u64, &[InputUse])]) -> Vec<u64> {
    some.iter().map(|(index, _inputs)| *index).collect()
}
