//! An open ledger: the one writer on its thread, the index on another, and what readers share.
//!
//! Events come in groups from any thread, through a bounded queue; the writer commits whatever is waiting as one batch
//! and answers after it. The index follows behind; when it lags by more than a bound, intake waits. A panic in the
//! writer ends the process: nothing may be acknowledged by half a program.

use std::{
    io,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use rayon::prelude::*;

use lineal_schemas::{
    checkpoint::SignedCheckpoint,
    digest::EventDigest,
    dsse::Signed,
    registry::{AuthorityError, Registry},
    trust::Trust,
};

use crate::{
    attachments::Stored,
    clock::Clock,
    data_dir::{DataDir, DirError, Lock},
    index::{
        Index,
        store::{MemoryStore, RedbStore, StoreError},
    },
    intake::{self, Checked, Keyring, Unfit},
    log::{
        record::{ReadError, Record},
        recover::{self, Mode, OpenError, Recovery},
    },
    mirror::{Mirror, MirrorError},
    outcome::{Answer, Outcome},
    parked::Parked,
    quarantine::Quarantine,
    room::Room,
    snapshot::Snapshot,
    storage::Storage,
    time_guard::TimeGuard,
    writer::Writer,
};

mod catching_up;
mod following;
pub mod policies;
mod writing;

use catching_up::CatchUp;

use following::Follower;
pub use following::Progress;
use policies::Policies;
use writing::Request;

/// Why a ledger was not opened.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The data directory.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// The record.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something committed could not be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The index.
    #[error(transparent)]
    Index(#[from] StoreError),
    /// A restored backup.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// A committed key event that does not apply.
    #[error("entry {index}: {source}")]
    Registry {
        /// The entry.
        index: u64,
        /// Why not.
        source: AuthorityError,
    },
    /// Entry 0 is not the genesis that the trust file pins.
    #[error("entry 0 is {found}, the trust file pins the genesis {pinned}")]
    OtherGenesis {
        /// The trust file's.
        pinned: EventDigest,
        /// The record's.
        found: EventDigest,
    },
    /// A file.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What readers need to answer: the record, the index over it, the keys, and what is stored beside it.
#[derive(Debug, Clone)]
pub struct View {
    /// The committed record.
    pub record: Arc<Record>,
    /// The projections.
    pub index: Index,
    /// The keys as they stand.
    pub registry: Arc<RwLock<Arc<Registry>>>,
    /// What is stored beside the record.
    pub attachments: Stored,
    /// The policies that verdicts asked for.
    pub policies: Arc<Policies>,
}

impl View {
    /// The keys as they stand.
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys as they stood after the first `size` entries, at least one: made again from the key events.
    pub fn registry_at(&self, size: u64) -> Result<Registry, LedgerError> {
        catching_up::registry_at(self, size)
    }
}

impl View {
    /// The answer that says `outcome`, with the receipt of its entry, and for a refusal the ledger's own event.
    pub fn answer(&self, event: Option<EventDigest>, outcome: &Outcome) -> Result<Answer, ReadError> {
        let receipt = outcome.index().map(|index| self.record.receipt(index)).transpose()?;
        self.answer_with(event, outcome, receipt)
    }

    /// The answers for outcomes in order. What is committed is said to be so even if its receipt can't be read.
    pub fn answers(&self, outcomes: &[(Option<EventDigest>, Outcome)]) -> Vec<Answer> {
        self.answers_with_receipts(outcomes).unwrap_or_else(|error| {
            tracing::error!(%error, "a receipt could not be read");
            let message = Some(format!("the receipt can't be read, send it again for one: {error}"));
            let without = |(event, outcome): &(_, Outcome)| Answer {
                code: Some("receipt-unreadable".into()),
                message: message.clone(),
                retry: true,
                ..Answer::new(*event, outcome)
            };
            outcomes.iter().map(without).collect()
        })
    }

    /// Runs of entries are read in one go.
    fn answers_with_receipts(&self, outcomes: &[(Option<EventDigest>, Outcome)]) -> Result<Vec<Answer>, ReadError> {
        let mut answers = Vec::with_capacity(outcomes.len());
        let follows = |one: &(_, Outcome), next: &(_, Outcome)| {
            one.1.index().is_some_and(|index| next.1.index() == index.checked_add(1))
        };
        for run in outcomes.chunk_by(follows) {
            let receipts = match run.first().and_then(|(_event, outcome)| outcome.index()) {
                Some(first) if run.len() > 1 => self.record.receipts(first, first + run.len() as u64)?,
                Some(first) => vec![self.record.receipt(first)?],
                None => Vec::new(),
            };
            let mut receipts = receipts.into_iter();
            for (event, outcome) in run {
                answers.push(self.answer_with(*event, outcome, receipts.next())?);
            }
        }
        Ok(answers)
    }

    fn answer_with(
        &self,
        event: Option<EventDigest>,
        outcome: &Outcome,
        receipt: Option<String>,
    ) -> Result<Answer, ReadError> {
        let mut answer = Answer::new(event, outcome);
        answer.receipt = receipt;
        if let Outcome::Rejected { index, .. } | Outcome::Conflicted { index, .. } = outcome {
            let stored = self.record.get(*index)?;
            answer.refusal = stored.body().map(|body| String::from_utf8_lossy(body).into_owned());
        }
        Ok(answer)
    }
}

/// How to open a ledger.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the newest head is mirrored; nowhere if absent.
    pub mirror: Option<Mirror>,
    /// Whether the index follows; it can be held for a measurement.
    pub follow: bool,
}

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    /// What readers share.
    pub view: View,
    /// The keys for checking signatures.
    pub keyring: Arc<Keyring>,
    /// What was refused.
    pub quarantine: Arc<Quarantine>,
    /// What opening found beyond the head.
    pub recovery: Recovery,
    /// How far the index has come.
    pub progress: Arc<Progress>,
    clock: Arc<dyn Clock>,
    requests: Option<mpsc::SyncSender<Request>>,
    threads: Vec<JoinHandle<()>>,
    damaged: Arc<AtomicBool>,
    _lock: Lock,
}

/// Groups of events that may wait for the writer.
const QUEUE: usize = 1024;

impl Ledger {
    /// Opens the ledger in `dir` as its one writer.
    pub fn open(dir: &DataDir, clock: Arc<dyn Clock>, settings: Settings) -> Result<Self, LedgerError> {
        let lock = dir.lock()?;
        let (trust, key) = (dir.trust()?, dir.ledger_key()?);
        let storage: Arc<dyn Storage> = Arc::new(dir.storage());
        let (log, recovery) = recover::open(&storage, trust.origin(), Mode::Write, &is_signed_by(&trust))?;
        if let Some(mirror) = &settings.mirror {
            mirror.check(trust.genesis(), &log.record().committed().head)?;
        }
        let index = open_index(dir, log.size())?;
        let record = log.record().clone();
        let mut catching_up = CatchUp::start(&record, index.clone(), trust.genesis())?;
        let keyring = Arc::new(Keyring::default());
        let quarantine = Arc::new(Quarantine::open(dir.root())?);
        let progress = Arc::new(Progress::new(index.stamp()?.size));
        let follower = Follower::start(index.clone(), record.clone(), progress.clone(), &settings, trust.genesis());
        catching_up.run(&mut |entries, numbered| {
            let reached = entries.last().map_or(0, |entry| entry.index);
            follower.send(entries, numbered);
            progress.wait_for(reached.saturating_sub(crate::sources::MAX_LAG / 2));
            progress.applied()
        })?;
        let CatchUp { registry, sources, .. } = catching_up;
        add_keys(&keyring, &registry);
        let shared = Arc::new(RwLock::new(Arc::new(registry.clone())));
        let view = View { record, index, registry: shared, attachments: Stored::of(dir), policies: Arc::default() };
        let guard = TimeGuard::start(&*clock, log.last_received());
        let writer = Writer {
            log,
            registry,
            sources,
            parked: Parked::open(storage)?,
            guard,
            key,
            keyring: keyring.clone(),
            quarantine: quarantine.clone(),
            clock: clock.clone(),
            budget: std::collections::HashMap::new(),
        };
        let damaged = Arc::new(AtomicBool::new(false));
        let (requests, waiting) = mpsc::sync_channel(QUEUE);
        let room = Room::under(dir.root());
        let shared = writing::Shared { view: view.clone(), progress: progress.clone(), room };
        let threads = vec![writing::spawn(writer, waiting, follower, shared)?];
        let ledger = Self {
            view,
            keyring,
            quarantine,
            recovery,
            progress,
            clock,
            requests: Some(requests),
            threads,
            damaged,
            _lock: lock,
        };
        ledger.ask(Request::TakeUpParked);
        Ok(ledger)
    }

    /// Whether the background check found the record damaged.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    /// Says that the record is damaged: intake stops.
    pub fn stop_intake(&self, reason: String) {
        self.damaged.store(true, Ordering::Release);
        self.ask(Request::Stop(reason));
    }

    /// Checks events on all cores, hands them to the writer as one group, and calls `reply` with their outcomes in
    /// order. Blocks while the queue is full.
    pub fn submit(&self, events: Vec<Signed>, reply: impl FnOnce(Vec<Outcome>) + Send + 'static) {
        let mut outcomes = Vec::with_capacity(events.len());
        let mut checked = Vec::with_capacity(events.len());
        for result in self.check_all(events) {
            match result {
                Ok(event) => {
                    outcomes.push(None);
                    checked.push(event);
                }
                Err(unfit) => {
                    let Unfit { signed, refusal } = *unfit;
                    self.quarantine.keep(&signed, &refusal, self.clock.wall());
                    outcomes.push(Some(Outcome::Refused { refusal, retry: false }));
                }
            }
        }
        let answer = move |judged: Vec<Outcome>| {
            let mut judged = judged.into_iter();
            let stopped = || Outcome::closed("intake-stopped", "the writer has stopped");
            let all = outcomes.into_iter().map(|refused| refused.or_else(|| judged.next()).unwrap_or_else(stopped));
            reply(all.collect());
        };
        self.ask(Request::Events(checked, Box::new(answer)));
    }

    fn check_all(&self, events: Vec<Signed>) -> Vec<Result<Checked, Box<Unfit>>> {
        let check = |signed| intake::check(signed, &self.keyring);
        if events.len() < 4 {
            return events.into_iter().map(check).collect();
        }
        events.into_par_iter().with_min_len(8).map(check).collect()
    }

    /// As [`Self::submit`], waiting for the outcomes.
    pub fn submit_and_wait(&self, events: Vec<Signed>) -> Vec<Outcome> {
        let (sender, receiver) = mpsc::channel();
        let count = events.len();
        self.submit(events, move |outcomes| drop(sender.send(outcomes)));
        let stopped = || vec![Outcome::closed("intake-stopped", "the writer has stopped"); count];
        receiver.recv().unwrap_or_else(|_stopped| stopped())
    }

    /// The time by the ledger's clock.
    pub fn now(&self) -> lineal_schemas::timestamp::Timestamp {
        self.clock.wall()
    }

    /// Takes the clock as it is now, after a jump.
    pub fn accept_clock(&self) {
        self.ask(Request::AcceptClock);
    }

    /// Commits an event of the ledger's own about a subject, such as a decision of its gate, and gives its entry; or says why
    /// it does not.
    pub fn say(&self, subject: &str, payload: lineal_schemas::vocabulary::Payload) -> Result<u64, String> {
        let (sender, receiver) = mpsc::channel();
        self.ask(Request::Say(subject.to_owned(), Box::new(payload), sender));
        receiver.recv().unwrap_or_else(|_gone| Err("the writer has stopped".to_owned()))
    }

    /// Events that wait for their key: key and digest of each.
    pub fn parked(&self) -> Vec<(lineal_schemas::digest::KeyId, EventDigest)> {
        let (sender, receiver) = mpsc::channel();
        self.ask(Request::Parked(sender));
        receiver.recv().unwrap_or_default()
    }

    /// Why intake is stopped, if it is.
    pub fn stopped(&self) -> Option<String> {
        let (sender, receiver) = mpsc::channel();
        self.ask(Request::Status(sender));
        receiver.recv().unwrap_or_else(|_gone| Some("the writer has stopped".to_owned()))
    }

    fn ask(&self, request: Request) {
        if let Some(requests) = &self.requests
            && let Err(mpsc::SendError(Request::Events(_, reply))) = requests.send(request)
        {
            reply(Vec::new());
        }
    }

    /// Waits until the index reflects everything that is committed.
    pub fn wait_for_index(&self) {
        self.progress.wait_for(self.view.record.size());
    }

    /// Lets the writer finish what is waiting, and the index catch up and sync.
    pub fn close(mut self) {
        self.requests = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the ledger panicked");
            }
        }
    }
}

/// Whether a checkpoint is signed by a key that the ledger has, or had. Witnesses sign later, and elsewhere.
pub(crate) fn is_signed_by(trust: &Trust) -> impl Fn(&SignedCheckpoint) -> bool + '_ {
    |signed| signed.verify(trust.verifier_keys()).is_ok()
}

fn add_keys(keyring: &Keyring, registry: &Registry) {
    keyring.add(registry.enrolments().map(|enrolment| enrolment.key().clone()));
    keyring.add(registry.roots().cloned());
    let now = lineal_schemas::timestamp::Timestamp::MAX;
    keyring.add(registry.checkpoint_keys(now).iter().map(|key| key.key().clone()));
}

/// Opens the index, or begins a new one beside the old where it can't be used.
fn open_index(dir: &DataDir, size: u64) -> Result<Index, LedgerError> {
    let folder = dir.index();
    let usable = |index: Index| match index.stamp() {
        Ok(stamp) if stamp.size <= size => Ok(index),
        Ok(stamp) => Err(StoreError(format!("it reflects {} entries of {size}", stamp.size))),
        Err(error) => Err(error),
    };
    match RedbStore::open(&folder).and_then(|store| Index::new(Arc::new(store))).and_then(usable) {
        Ok(index) => Ok(index),
        Err(error) => {
            let aside = folder.with_extension("unusable");
            tracing::warn!(%error, moved_to = %aside.display(), "the index is made again");
            if aside.exists() {
                std::fs::remove_dir_all(&aside)?;
            }
            std::fs::rename(&folder, &aside)?;
            Ok(Index::new(Arc::new(RedbStore::open(&folder)?))?)
        }
    }
}

/// Opens the record in `dir` for reading alone, with everything derived in memory.
pub fn read_only(dir: &DataDir) -> Result<View, LedgerError> {
    let trust = dir.trust()?;
    let storage: Arc<dyn Storage> = Arc::new(Snapshot::new(dir.storage()));
    let (log, _recovery) = recover::open(&storage, trust.origin(), Mode::Read, &is_signed_by(&trust))?;
    let index = Index::new(Arc::new(MemoryStore::default()))?;
    let record = log.record().clone();
    let mut catching_up = CatchUp::start(&record, index.clone(), trust.genesis())?;
    let follow = index.clone();
    let mut failed = None;
    catching_up.run(&mut |entries, numbered| {
        let size = entries.last().map_or(0, |entry| entry.index + 1);
        let stamp = crate::index::IndexStamp { size, sources: numbered };
        failed = follow.apply(&entries, stamp).err().or_else(|| failed.take());
        size
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let registry = Arc::new(RwLock::new(Arc::new(catching_up.registry)));
    Ok(View { record, index, registry, attachments: Stored::of(dir), policies: Arc::default() })
}
