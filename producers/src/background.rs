//! The emitter for work that must never wait: an event is durable when `emit` returns, and a thread sends it.
//!
//! Promises what [`Emitter`] promises, and that no call but [`Background::close`] waits for a network. What can't be sent
//! is tried again with growing pauses. Whatever is left when the process ends is in the outbox, for `lineal-emit flush`
//! or for the next emitter of the same source.
//!
//! ```no_run
//! use std::time::Duration;
//! use lineal_producers::{Draft, Emitter, Settings, background::Background};
//! # fn train(_step: u32) -> String { String::new() }
//! # fn example(settings: Settings) -> Result<(), Box<dyn std::error::Error>> {
//! let events = Background::start(Emitter::open(settings)?)?;
//! for step in 0..1_000 {
//!     let data = train(step);
//!     events.emit(&Draft::new("dataset.snapshotted", "dataset/payments/batches", data))?;
//! }
//! // At the end, and only there, wait a little for the ledger.
//! let standing = events.close(Duration::from_secs(30));
//! if standing.waiting > 0 {
//!     eprintln!("{} events wait in the outbox: {:?}", standing.waiting, standing.problem);
//! }
//! # Ok(())
//! # }
//! ```

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use lineal_schemas::digest::EventDigest;

use crate::{
    backoff::Backoff,
    delivery::{Courier, Delivery, Sent, chain},
    draft::Draft,
    emitter::{EmitError, Emitter},
    outbox::{OutboxError, SourceBox},
};

/// How long dropping it waits for what still waits.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);

/// An emitter with a thread that sends.
#[derive(Debug)]
pub struct Background {
    emitter: Mutex<Emitter>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// An event that is on disk, and will be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub event: EventDigest,
    /// Its number within its source.
    pub sequence: u64,
}

/// How it stands with the events of one source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Events that are settled: committed with a verified receipt, or handed over to a file.
    pub settled: u64,
    /// Events that the ledger refused for good.
    pub refused: Vec<Sent>,
    /// Events and attachments that still wait.
    pub waiting: u64,
    /// Why, if a try has failed.
    pub problem: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    turn: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Turn {
    standing: Standing,
    /// Events were stored since the last try.
    is_fresh: bool,
    ending: Ending,
    is_over: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Ending {
    #[default]
    No,
    /// When nothing waits any more.
    WhenDone,
    /// Whatever waits.
    Now,
}

impl Background {
    /// Starts the thread, which first sends what still waits of the source.
    pub fn start(emitter: Emitter) -> Result<Self, EmitError> {
        let shared = Arc::new(Shared::default());
        shared.turn().is_fresh = true;
        let sender = Sender { courier: emitter.courier().clone(), source: emitter.shared(), shared: shared.clone() };
        let thread = std::thread::Builder::new().name("lineal-emit".to_owned()).spawn(move || sender.run());
        let thread = Some(thread.map_err(|error| no_thread(&emitter, error))?);
        Ok(Self { emitter: Mutex::new(emitter), shared, thread })
    }

    /// Signs an event and syncs it into the outbox; it is sent later.
    pub fn emit(&self, draft: &Draft) -> Result<Stored, EmitError> {
        let mut stored = self.emit_all(std::slice::from_ref(draft))?;
        stored.pop().ok_or_else(|| unreachable!("one draft is one event"))
    }

    /// The same with many, which cost a handful of syncs together. If one is wrong, none is signed or stored.
    pub fn emit_all(&self, drafts: &[Draft]) -> Result<Vec<Stored>, EmitError> {
        let mut emitter = self.emitter.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = emitter.store_all(drafts)?;
        self.stored(stored.len() as u64);
        Ok(stored.iter().filter_map(|head| Some(Stored { event: head.event?, sequence: head.sequence })).collect())
    }

    /// How it stands now.
    pub fn standing(&self) -> Standing {
        self.shared.turn().standing.clone()
    }

    /// Waits until everything is settled, at most for `deadline`; a request that is on its way then is left to itself.
    pub fn close(mut self, deadline: Duration) -> Standing {
        self.end(deadline);
        self.standing()
    }

    fn stored(&self, count: u64) {
        let mut turn = self.shared.turn();
        turn.standing.waiting += count;
        turn.is_fresh = true;
        self.shared.changed.notify_all();
    }

    fn end(&mut self, deadline: Duration) {
        let Some(thread) = self.thread.take() else { return };
        let mut turn = self.shared.turn();
        turn.ending = Ending::WhenDone;
        self.shared.changed.notify_all();
        let waited = self.shared.changed.wait_timeout_while(turn, deadline, |turn| !turn.is_over);
        let (mut turn, _timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
        turn.ending = Ending::Now;
        self.shared.changed.notify_all();
        let is_over = turn.is_over;
        drop(turn);
        if is_over {
            // It panicked: what it had not settled is in the outbox.
            thread.join().unwrap_or_default();
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.end(DROP_TIMEOUT);
    }
}

impl Shared {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_thread(emitter: &Emitter, source: io::Error) -> EmitError {
    EmitError::Outbox(OutboxError::Io { path: emitter.outbox().directory().to_owned(), source })
}

/// What the thread works with.
struct Sender {
    courier: Courier,
    source: Arc<Mutex<SourceBox>>,
    shared: Arc<Shared>,
}

impl Sender {
    fn run(self) {
        let _over = Over(self.shared.clone());
        let mut backoff = Backoff::default();
        loop {
            self.shared.turn().is_fresh = false;
            let is_done = self.deliver();
            if is_done {
                backoff = Backoff::default();
            }
            if self.must_end(is_done, &mut backoff) {
                return;
            }
        }
    }

    /// Sends what waits. Whether nothing does any more.
    fn deliver(&self) -> bool {
        let (sent, mut problem) = match self.courier.deliver(&self.source) {
            Ok(sent) => (sent, None),
            Err(error) => (Vec::new(), Some(chain(&error))),
        };
        let left = self.courier.send_owed().unwrap_or_else(|error| vec![(String::new(), chain(&error))]);
        let mut settled = 0;
        let mut refused = Vec::new();
        for one in sent {
            match &one.delivery {
                Delivery::Committed { .. } | Delivery::HandedOver => settled += 1,
                Delivery::Refused { .. } => refused.push(one),
                Delivery::Pending(reason) => problem = Some(reason.clone()),
            }
        }
        problem = problem.or_else(|| left.first().map(|(_attachment, reason)| reason.clone()));
        let waiting = self.waiting() + left.len() as u64;
        let mut turn = self.shared.turn();
        turn.standing.settled += settled;
        turn.standing.refused.extend(refused);
        turn.standing.problem = problem;
        turn.standing.waiting = waiting;
        turn.standing.problem.is_none() && waiting == 0
    }

    /// What a failed look at the disk doesn't show is tried again all the same.
    fn waiting(&self) -> u64 {
        let source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.numbers().map_or(1, |numbers| numbers.len() as u64)
    }

    /// Waits for something to do: for events, or after a failed try for the pause to be over.
    fn must_end(&self, is_done: bool, backoff: &mut Backoff) -> bool {
        let turn = self.shared.turn();
        let ending = turn.ending;
        let turn = if is_done {
            let idle = self.shared.changed.wait_while(turn, |turn| !turn.is_fresh && turn.ending == Ending::No);
            idle.unwrap_or_else(PoisonError::into_inner)
        } else {
            // The end that begins now is worth a try at once.
            let pause = backoff.pause();
            let paused = self.shared.changed.wait_timeout_while(turn, pause, |turn| turn.ending == ending);
            paused.unwrap_or_else(PoisonError::into_inner).0
        };
        match turn.ending {
            Ending::No => false,
            Ending::WhenDone => (is_done || self.courier.target.is_none()) && !turn.is_fresh,
            Ending::Now => true,
        }
    }
}

/// Tells whoever waits that the thread ends, however it does.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.turn().is_over = true;
        self.0.changed.notify_all();
    }
}
