//! Reading ahead: what an answer is about to need, on all cores.
//!
//! Promises that it changes no answer: what was read ahead is what would have been read later. A walk reads a part of its
//! frontier at a time, so that memory stays bounded.

use std::{
    mem,
    rc::Rc,
    sync::{Mutex, PoisonError},
};

use foldhash::{HashSet, HashSetExt as _};
use lineal_schemas::{strong::StrongDigest, vocabulary::artifact::Artifact};
use rayon::prelude::*;

use super::{MAX_CACHED, Reader, Stored, stored};
use crate::{answers::AnswerError, ledger::View};

/// How many events, or artifacts, a walk reads ahead at a time.
pub(in crate::answers) const AHEAD: usize = 1024;

/// How many events of one ancestry are read at a time.
const MOST_AT_ONCE: usize = MAX_CACHED / 2;

/// How many events another core reads at a time while more are looked for.
const READ_TOGETHER: usize = 8;

/// Fewer are read faster by one core.
pub(super) const WORTH_IT: usize = 4;

impl Reader<'_> {
    /// Reads the events of these entries, where they are not at hand.
    pub(in crate::answers) fn read_ahead(&mut self, indices: &[u64]) -> Result<(), AnswerError> {
        let size = self.moment.size;
        let missing = indices.iter().copied().filter(|index| *index < size && !self.told.contains_key(index));
        let mut missing: Vec<u64> = missing.collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.len() < WORTH_IT {
            return Ok(());
        }
        if self.told.len() + missing.len() > MAX_CACHED {
            self.told.clear();
        }
        let view = self.view;
        let read: Vec<_> = missing.par_iter().map(|index| (*index, stored(view, *index, size))).collect();
        for (index, stored) in read {
            let told = self.tell(index, stored?)?.map(Rc::new);
            self.told.insert(index, told);
        }
        Ok(())
    }

    /// Reads the events that describe these artifacts and what they were made from, all the way up, as far as the index
    /// leads: without what corrections change. At most as many as are kept in memory.
    pub(in crate::answers) fn read_ancestry<'a>(
        &mut self,
        begin: impl IntoIterator<Item = &'a Artifact>,
    ) -> Result<(), AnswerError> {
        if self.told.len() + MOST_AT_ONCE > MAX_CACHED {
            self.told.clear();
        }
        let beside = Beside::new(self.view, self.moment.size);
        rayon::in_place_scope(|scope| {
            let mut some = Vec::new();
            self.look_upstream(begin.into_iter().flat_map(StrongDigest::all_of).collect(), &mut |index| {
                some.push(index);
                if some.len() >= READ_TOGETHER {
                    beside.put(mem::take(&mut some));
                    scope.spawn(|_scope| {
                        beside.read_some();
                    });
                }
            })?;
            beside.put(some);
            while beside.read_some() {}
            Ok::<(), AnswerError>(())
        })?;
        for (index, stored) in beside.into_read() {
            let told = self.tell(index, stored?)?.map(Rc::new);
            self.told.insert(index, told);
        }
        Ok(())
    }

    /// Finds the events that describe these artifacts and what they were made from, each once, where they are not at hand.
    fn look_upstream(&mut self, begin: Vec<StrongDigest>, find: &mut dyn FnMut(u64)) -> Result<(), AnswerError> {
        let mut known: HashSet<StrongDigest> = begin.iter().copied().collect();
        let (mut seen, mut open) = (HashSet::new(), begin);
        while let Some(digest) = open.pop() {
            let lineage = self.view.index.lineage(&digest)?;
            self.describing.insert(digest, lineage.iter().map(|said| said.index).collect());
            for said in lineage.into_iter().filter(|said| said.index < self.moment.size) {
                if seen.len() >= MOST_AT_ONCE || !seen.insert(said.index) {
                    continue;
                }
                open.extend(said.made_from.into_iter().filter(|digest| known.insert(*digest)));
                if !self.told.contains_key(&said.index) {
                    find(said.index);
                }
            }
        }
        Ok(())
    }

    /// Looks up what describes these artifacts, and reads it.
    pub(in crate::answers) fn look_ahead(
        &mut self,
        digests: impl Iterator<Item = StrongDigest>,
    ) -> Result<(), AnswerError> {
        let missing: Vec<StrongDigest> = digests.filter(|digest| !self.describing.contains_key(digest)).collect();
        if missing.len() < WORTH_IT {
            return Ok(());
        }
        let index = &self.view.index;
        let found: Vec<_> = missing.into_par_iter().map(|digest| (index.describing(&digest), digest)).collect();
        let mut all = Vec::with_capacity(found.len());
        for (describing, digest) in found {
            let describing: Rc<[u64]> = describing?.into();
            all.extend_from_slice(&describing);
            self.describing.insert(digest, describing);
        }
        self.read_ahead(&all)
    }

    /// Looks up where these artifacts are mentioned, and reads the events that describe them.
    pub(in crate::answers) fn look_ahead_and_on(
        &mut self,
        digests: impl Iterator<Item = StrongDigest>,
    ) -> Result<(), AnswerError> {
        let missing: Vec<StrongDigest> = digests.filter(|digest| !self.mentions.contains_key(digest)).collect();
        if missing.len() < WORTH_IT {
            return Ok(());
        }
        let index = &self.view.index;
        let found: Vec<_> = missing.into_par_iter().map(|digest| (index.mentions(&digest), digest)).collect();
        let mut all = Vec::with_capacity(found.len());
        for (mentions, digest) in found {
            let mentions = mentions?;
            all.extend_from_slice(&mentions.describing);
            self.mentions.insert(digest, Rc::new(mentions));
        }
        self.read_ahead(&all)
    }
}

/// Events that are read on other cores while more are looked for; what none of them has begun with is left to who looks.
struct Beside<'v> {
    view: &'v View,
    size: u64,
    waiting: Mutex<Vec<Vec<u64>>>,
    read: Mutex<Vec<(u64, Result<Stored, AnswerError>)>>,
}

impl<'v> Beside<'v> {
    const fn new(view: &'v View, size: u64) -> Self {
        Self { view, size, waiting: Mutex::new(Vec::new()), read: Mutex::new(Vec::new()) }
    }

    fn put(&self, some: Vec<u64>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(some);
    }

    /// Reads some that wait; false where none do.
    fn read_some(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(some) = waiting else { return false };
        let read: Vec<_> = some.into_iter().map(|index| (index, stored(self.view, index, self.size))).collect();
        self.read.lock().unwrap_or_else(PoisonError::into_inner).extend(read);
        true
    }

    fn into_read(self) -> Vec<(u64, Result<Stored, AnswerError>)> {
        self.read.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
