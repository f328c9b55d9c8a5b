//! The index's thread: applies committed entries behind the acknowledgement, syncs now and then, mirrors the head.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use lineal_schemas::digest::EventDigest;

use super::Settings;
use crate::{
    index::{Index, IndexStamp, Projected},
    log::record::Record,
    mirror::Mirror,
};

/// How far the index has come.
#[derive(Debug)]
pub struct Progress {
    applied: Mutex<u64>,
    moved: Condvar,
    failed: Mutex<Option<String>>,
}

impl Progress {
    pub(super) fn new(applied: u64) -> Self {
        Self { applied: Mutex::new(applied), moved: Condvar::new(), failed: Mutex::new(None) }
    }

    /// Entries reflected.
    pub fn applied(&self) -> u64 {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the index does not follow any more, if it does not.
    pub fn failed(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until at least `size` entries are reflected, or the index has failed.
    pub fn wait_for(&self, size: u64) {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        while *applied < size && self.failed().is_none() {
            applied = self.moved.wait(applied).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn reach(&self, size: u64) {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = size;
        self.moved.notify_all();
    }

    fn fail(&self, reason: String) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        drop(self.applied.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.notify_all();
    }
}

/// Entries applied in one batch of the store, at most.
const APPLY_ENTRIES: usize = 2048;

/// Entries between two syncs of derived state, under load.
const SYNC_ENTRIES: u64 = 32_768;

/// Quiet time after which derived state is synced.
const QUIET: Duration = Duration::from_millis(500);

/// The way to the index's thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Follower {
    entries: Option<mpsc::Sender<(Vec<Projected>, u32)>>,
    thread: Option<JoinHandle<()>>,
}

struct Following {
    index: Index,
    record: Arc<Record>,
    progress: Arc<Progress>,
    mirror: Option<Mirror>,
    genesis: EventDigest,
    synced: u64,
}

impl Follower {
    pub(super) fn start(
        index: Index,
        record: Arc<Record>,
        progress: Arc<Progress>,
        settings: &Settings,
        genesis: EventDigest,
    ) -> Self {
        let (sender, receiver) = mpsc::channel();
        let (follow, mirror) = (settings.follow, settings.mirror.clone());
        let synced = progress.applied();
        let mut following = Following { index, record, progress, mirror, genesis, synced };
        let thread = std::thread::spawn(move || {
            if follow {
                following.run(&receiver);
            }
        });
        Self { entries: follow.then_some(sender), thread: Some(thread) }
    }

    /// Hands committed entries over. The writer keeps the queue short by watching the lag.
    pub(super) fn send(&self, entries: Vec<Projected>, numbered: u32) {
        if let Some(sender) = &self.entries
            && sender.send((entries, numbered)).is_err()
        {
            tracing::error!("the index's thread has ended");
        }
    }

    /// Whether anybody follows.
    pub(super) const fn follows(&self) -> bool {
        self.entries.is_some()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.entries = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the index's thread panicked");
        }
    }
}

impl Following {
    fn run(&mut self, waiting: &mpsc::Receiver<(Vec<Projected>, u32)>) {
        loop {
            match waiting.recv_timeout(QUIET) {
                Ok((mut entries, mut numbered)) => {
                    while entries.len() < APPLY_ENTRIES
                        && let Ok((more, newer)) = waiting.try_recv()
                    {
                        entries.extend(more);
                        numbered = newer;
                    }
                    self.apply(&entries, numbered);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => self.sync(),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    self.sync();
                    return;
                }
            }
        }
    }

    fn apply(&mut self, entries: &[Projected], sources: u32) {
        let Some(last) = entries.last() else { return };
        if self.progress.failed().is_some() {
            return;
        }
        let stamp = IndexStamp { size: last.index + 1, sources };
        match self.index.apply(entries, stamp) {
            Ok(()) => self.progress.reach(stamp.size),
            Err(error) => {
                tracing::error!(%error, "the index does not follow any more");
                self.progress.fail(error.to_string());
            }
        }
        if stamp.size - self.synced >= SYNC_ENTRIES {
            self.sync();
        }
    }

    fn sync(&mut self) {
        let applied = self.progress.applied();
        if applied == self.synced {
            return;
        }
        if let Err(error) = self.index.flush() {
            tracing::error!(%error, "the index could not be synced");
        }
        if let Err(error) = self.record.stamp_derived() {
            tracing::error!(%error, "the derived files could not be synced");
        }
        if let Some(mirror) = &self.mirror
            && let Err(error) = mirror.write(self.genesis, &self.record.committed().head)
        {
            tracing::warn!(%error, "the head could not be mirrored");
        }
        self.synced = applied;
    }
}
