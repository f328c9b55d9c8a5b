//! The writer's thread: takes everything that is waiting as one batch, and answers after the commit.

use std::{
    io,
    sync::{Arc, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use lineal_schemas::{
    digest::{EventDigest, KeyId},
    vocabulary::{Payload, ledger::ProducerHeartbeat, values::Seconds},
};

use super::{Progress, View, following::Follower};
use crate::{index::Projected, intake::Checked, outcome::Outcome, room::Room, sources::MAX_LAG, writer::Writer};

/// The most events of one batch.
const MAX_BATCH_EVENTS: usize = 8192;

/// After so much quiet the ledger says that it is still here, so that a checkpoint's age means something.
const HEARTBEAT: Duration = Duration::from_mins(10);

/// What a sender gets its outcomes through.
pub(super) type Reply = Box<dyn FnOnce(Vec<Outcome>) + Send>;

/// What the writer can be asked.
pub(super) enum Request {
    /// Events, in order, and where their outcomes go.
    Events(Vec<Checked>, Reply),
    /// Look for events that wait for keys that are enrolled by now.
    TakeUpParked,
    /// The clock is right as it is.
    AcceptClock,
    /// Which events wait for their keys?
    Parked(mpsc::Sender<Vec<(KeyId, EventDigest)>>),
    /// Why is intake stopped, if it is?
    Status(mpsc::Sender<Option<String>>),
    /// Commit an event of the ledger's own about a subject, and say where it stands, or why it does not.
    Say(String, Box<Payload>, mpsc::Sender<Result<u64, String>>),
    /// Refuse everything from now on.
    Stop(String),
}

pub(super) struct Shared {
    pub(super) view: View,
    pub(super) progress: Arc<Progress>,
    pub(super) room: Room,
}

struct Writing {
    writer: Writer,
    follower: Follower,
    shared: Shared,
    stopped: Option<String>,
}

pub(super) fn spawn(
    writer: Writer,
    waiting: mpsc::Receiver<Request>,
    follower: Follower,
    shared: Shared,
) -> io::Result<JoinHandle<()>> {
    let mut writing = Writing { writer, follower, shared, stopped: None };
    std::thread::Builder::new().name("lineal-writer".to_owned()).spawn(move || {
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writing.run(&waiting)));
        if ran.is_err() {
            tracing::error!("the writer panicked: the process ends, so that nothing is acknowledged by half of it");
            std::process::abort();
        }
    })
}

impl Writing {
    fn run(&mut self, waiting: &mpsc::Receiver<Request>) {
        loop {
            match waiting.recv_timeout(HEARTBEAT) {
                Ok(Request::Events(events, reply)) => self.batch(events, reply, waiting),
                Ok(other) => self.answer(other),
                Err(mpsc::RecvTimeoutError::Timeout) => self.heartbeat(),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// One batch of all that is waiting, up to the limit.
    fn batch(&mut self, events: Vec<Checked>, reply: Reply, waiting: &mpsc::Receiver<Request>) {
        let mut replies = vec![(events.len(), reply)];
        let (mut all, mut others) = (events, Vec::new());
        while all.len() < MAX_BATCH_EVENTS {
            match waiting.try_recv() {
                Ok(Request::Events(events, reply)) => {
                    replies.push((events.len(), reply));
                    all.extend(events);
                }
                Ok(other) => others.push(other),
                Err(_empty_or_gone) => break,
            }
        }
        let mut outcomes = self.process(all).into_iter();
        for (count, reply) in replies {
            reply(outcomes.by_ref().take(count).collect());
        }
        for other in others {
            self.answer(other);
        }
    }

    fn process(&mut self, events: Vec<Checked>) -> Vec<Outcome> {
        let count = events.len();
        if let Some(reason) = &self.stopped {
            return vec![Outcome::closed("intake-stopped", reason.clone()); count];
        }
        let bytes = events.iter().map(|event| event.inspected().signed().event.len() as u64).sum();
        if let Some(shortage) = self.shared.room.shortage(count, bytes) {
            return vec![Outcome::closed("disk-full", shortage); count];
        }
        if self.follower.follows() {
            // A full overlay stalls intake until the index has caught up.
            self.shared.progress.wait_for(self.writer.log.size().saturating_sub(MAX_LAG));
            if let Some(reason) = self.shared.progress.failed() {
                return vec![Outcome::closed("index-failed", format!("{reason}: restart to make it again")); count];
            }
            self.writer.sources.forget(self.shared.progress.applied());
        }
        match self.writer.process(events) {
            Ok((outcomes, projected)) => {
                self.publish(projected);
                outcomes
            }
            Err(error) => {
                tracing::error!(%error, "intake is stopped");
                self.stopped = Some(format!("{error}: restart to recover"));
                vec![Outcome::closed("intake-stopped", error.to_string()); count]
            }
        }
    }

    fn publish(&mut self, projected: Vec<Projected>) {
        if projected.is_empty() {
            return;
        }
        self.writer.forget_parked(&projected);
        let keys_changed = projected.iter().filter_map(|entry| entry.facts.as_ref()).any(|facts| {
            facts.subject.starts_with("key/") || matches!(facts.payload, Ok(Payload::LedgerKeyRotated(_)))
        });
        if keys_changed {
            let registry = Arc::new(self.writer.registry.clone());
            *self.shared.view.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
        }
        self.follower.send(projected, self.writer.sources.numbered());
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Events(events, reply) => reply(self.process(events)),
            Request::TakeUpParked => self.take_up_parked(),
            Request::AcceptClock => {
                let clock = self.writer.clock.clone();
                self.writer.guard.accept(&*clock);
            }
            Request::Parked(to) => send(&to, self.writer.parked.waiting().copied().collect()),
            Request::Status(to) => {
                let clock = self.writer.clock.clone();
                let jumped = self.writer.guard.check(&*clock).map(str::to_owned);
                let failed = self.writer.log.failure().map(str::to_owned);
                let full = self.shared.room.shortage(0, 0);
                send(&to, self.stopped.clone().or(failed).or(jumped).or(full));
            }
            Request::Say(subject, payload, to) => send(&to, self.say(&subject, *payload)),
            Request::Stop(reason) => self.stopped = Some(reason),
        }
    }

    /// A crash may have come between an enrolment and what waited for it.
    fn take_up_parked(&mut self) {
        let known: Vec<KeyId> = self.writer.parked.waiting().map(|(keyid, _digest)| *keyid).collect();
        let enrolled = known.into_iter().filter(|keyid| self.writer.registry.key(keyid).is_some());
        let mut events = Vec::new();
        for keyid in enrolled.collect::<std::collections::BTreeSet<_>>() {
            match self.writer.waiting_for(&keyid) {
                Ok(waiting) => {
                    events.extend(waiting.into_iter().map(|event| Checked::UnknownKey(Box::new(event), keyid)));
                }
                Err(error) => tracing::warn!(%keyid, %error, "parked events could not be read"),
            }
        }
        if events.is_empty() {
            return;
        }
        let digests: Vec<EventDigest> = events.iter().map(|event| event.inspected().digest()).collect();
        for (digest, outcome) in digests.iter().zip(self.process(events)) {
            let is_settled = outcome.index().is_some() || matches!(outcome, Outcome::Refused { retry: false, .. });
            if is_settled && let Err(error) = self.writer.parked.release(digest) {
                tracing::warn!(%digest, %error, "a parked event that was taken up stays in its folder");
            }
        }
    }

    fn heartbeat(&mut self) {
        if self.stopped.is_some() || self.shared.room.shortage(1, 0).is_some() {
            return;
        }
        let next = Seconds::try_from(HEARTBEAT.as_secs() * 2).ok();
        let payload = ProducerHeartbeat { next_within_seconds: next, ..ProducerHeartbeat::default() };
        let subject = format!("ledger/{}", self.writer.registry.origin());
        if let Err(error) = self.commit_own(&subject, payload.into()) {
            tracing::debug!(error, "no heartbeat");
        }
    }

    /// An event of the ledger's own, on somebody's behalf: refused as an event of a producer would be.
    fn say(&mut self, subject: &str, payload: Payload) -> Result<u64, String> {
        if let Some(reason) = self.stopped.clone().or_else(|| self.shared.room.shortage(1, 0)) {
            return Err(reason);
        }
        self.commit_own(subject, payload)?.ok_or_else(|| "intake is stopped".to_owned())
    }

    /// Commits an event of the ledger's own, and gives its entry; none while intake is stopped.
    fn commit_own(&mut self, subject: &str, payload: Payload) -> Result<Option<u64>, String> {
        match self.writer.say_alone(subject, payload) {
            Ok(projected) => {
                let index = projected.first().map(|entry| entry.index);
                self.publish(projected);
                Ok(index)
            }
            Err(error) => {
                tracing::error!(%error, "intake is stopped");
                self.stopped = Some(error.to_string());
                Err(error.to_string())
            }
        }
    }
}

fn send<T>(to: &mpsc::Sender<T>, answer: T) {
    if to.send(answer).is_err() {
        tracing::debug!("nobody waits for the answer any more");
    }
}
