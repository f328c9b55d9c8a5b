//! Many cores, one order: chunks are taken in order, worked through in any order, and judged in order.
//!
//! There is no thread for judging: whichever core finishes a chunk judges all that is ready, if no other one is at it.
//! So no core waits for another, but for one that is [`MAX_WAITING`] chunks behind. Promises that each chunk is judged
//! once, with the keys that the chunks up to it have shown, and that a read error ends the check.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, TryLockError},
};

use crate::{
    chunk::{Chunk, Reader},
    judge::Judge,
    keyring::KeyRing,
    prepare::{Prepared, prepare},
    record::RecordError,
};

/// Chunks that may wait for an earlier one.
const MAX_WAITING: usize = 64;

/// What the cores share. Locks are taken in the order of the fields, and held for no signature but those of late keys.
pub(crate) struct Belt<'r, 'p> {
    judging: Mutex<Judging<'r>>,
    source: Mutex<Source<'r>>,
    /// Worked through, by number, and not yet judged.
    waiting: Mutex<BTreeMap<u64, Prepared>>,
    /// Something was taken from `waiting`.
    taken: Condvar,
    ring: RwLock<KeyRing>,
    progress: &'p (dyn Fn(u64) + Sync),
}

/// Where chunks come from.
struct Source<'r> {
    reader: Reader<'r>,
    /// The next chunk's number.
    next: u64,
    /// Nothing more is wanted or to be had.
    is_over: bool,
    failed: Option<RecordError>,
}

struct Judging<'r> {
    judge: Judge<'r>,
    /// The number of the chunk that it waits for.
    next: u64,
}

impl<'r, 'p> Belt<'r, 'p> {
    pub(crate) fn new(reader: Reader<'r>, judge: Judge<'r>, progress: &'p (dyn Fn(u64) + Sync)) -> Self {
        Self {
            judging: Mutex::new(Judging { judge, next: 0 }),
            source: Mutex::new(Source { reader, next: 0, is_over: false, failed: None }),
            waiting: Mutex::default(),
            taken: Condvar::new(),
            ring: RwLock::default(),
            progress,
        }
    }

    /// Works until there is nothing left to take. Every core calls this.
    pub(crate) fn work(&self) {
        while let Some((number, chunk)) = self.take() {
            let prepared = prepare(&self.ring, &chunk);
            drop(chunk);
            lock(&self.waiting).insert(number, prepared);
            self.judge_what_is_ready();
        }
    }

    /// What was judged, once every core is done.
    pub(crate) fn finish(self) -> Result<Judge<'r>, RecordError> {
        match self.source.into_inner().unwrap_or_else(PoisonError::into_inner).failed {
            Some(error) => Err(error),
            None => Ok(self.judging.into_inner().unwrap_or_else(PoisonError::into_inner).judge),
        }
    }

    fn take(&self) -> Option<(u64, Chunk)> {
        let is_full = |waiting: &mut BTreeMap<u64, Prepared>| waiting.len() >= MAX_WAITING;
        drop(self.taken.wait_while(lock(&self.waiting), is_full).unwrap_or_else(PoisonError::into_inner));
        let mut source = lock(&self.source);
        if source.is_over {
            return None;
        }
        match source.reader.next_chunk() {
            Ok(Some(chunk)) => {
                let number = source.next;
                source.next = number.saturating_add(1);
                Some((number, chunk))
            }
            Ok(None) => {
                source.is_over = true;
                None
            }
            Err(error) => {
                (source.is_over, source.failed) = (true, Some(error));
                None
            }
        }
    }

    fn judge_what_is_ready(&self) {
        // Whoever adds a chunk while another core judges leaves it to that one, which looks again when it has let go.
        loop {
            let mut judging = match self.judging.try_lock() {
                Ok(judging) => judging,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            while let Some(prepared) = self.take_waiting(judging.next) {
                self.judge(&mut judging, prepared);
            }
            let next = judging.next;
            drop(judging);
            if !lock(&self.waiting).contains_key(&next) {
                return;
            }
        }
    }

    fn take_waiting(&self, number: u64) -> Option<Prepared> {
        let prepared = lock(&self.waiting).remove(&number)?;
        self.taken.notify_all();
        Some(prepared)
    }

    fn judge(&self, judging: &mut Judging<'r>, mut prepared: Prepared) {
        judging.next = judging.next.saturating_add(1);
        if judging.judge.has_stopped() {
            return;
        }
        prepared.settle(&self.ring);
        let length = prepared.length;
        judging.judge.take(prepared);
        if judging.judge.has_stopped() {
            lock(&self.source).is_over = true;
        }
        (self.progress)(length);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
