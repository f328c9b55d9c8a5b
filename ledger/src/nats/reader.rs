//! Reads the stream in order, hands its events to the ledger in groups, and remembers how far it came.
//!
//! An ordered consumer of our own: nothing is acknowledged to the server, the position is ours. A durable consumer would
//! hold a second position, on the server, that can run ahead of the record; the server would have to be believed.
//! Promises that every message is dealt with in order, that a message that is missing is noticed and asked for again
//! before it is given up, and that whatever disturbs reading leads back to the position. Memory is
//! [`GROUPS_IN_FLIGHT`] groups and one pull of at most [`PULL_BYTES`].

use std::{path::Path, time::Duration};

use async_nats::jetstream::{
    Message,
    consumer::{AckPolicy, DeliverPolicy, pull},
    stream::{RawMessageErrorKind, Stream as JetStream},
};
use futures_util::{StreamExt as _, stream::FuturesOrdered};
use lineal_schemas::digest::EventDigest;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    NatsError, Shared, StreamSettings,
    answers::Judged,
    message::Arrival,
    position::{Position, PositionFile, Start, StreamState},
    stream,
};
use crate::outcome::Outcome;

/// The most messages that are handed to the ledger at once.
const GROUP: usize = 1000;

/// Groups that are committed or answered while the next is checked.
const GROUPS_IN_FLIGHT: usize = 3;

/// What one pull asks for.
const PULL_MESSAGES: usize = 2000;
const PULL_BYTES: usize = 16 * 1024 * 1024;
const PULL_EXPIRES: Duration = Duration::from_secs(30);

/// A server that is silent for twice as long has forgotten the consumer.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long the server keeps the consumer of a ledger that went away.
const INACTIVE: Duration = Duration::from_mins(1);

/// How old the position in the file may become. Written with each event, it would make the commits' syncs wait.
const SAVE_WITHIN: Duration = Duration::from_millis(250);

/// Waiting before another try.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Reader {
    shared: Shared,
    settings: StreamSettings,
    file: PositionFile,
    position: Option<Position>,
    /// When the file must say where we are, if it does not.
    save_by: Option<Instant>,
    disturbances: watch::Receiver<u64>,
    /// Where answers are made and sent.
    answering: mpsc::Sender<Judged>,
    /// Messages from here on were missing once, and are asked for a second time.
    asked_again: Option<u64>,
    /// Whether the stream was ever as it must be.
    was_read: bool,
}

/// A group of messages that the ledger works on.
struct Group {
    arrivals: Vec<Arrival>,
    last: u64,
}

impl Reader {
    pub(super) fn new(
        shared: Shared,
        settings: StreamSettings,
        data_dir: &Path,
        disturbances: watch::Receiver<u64>,
        answering: mpsc::Sender<Judged>,
    ) -> Self {
        let file = PositionFile::new(data_dir);
        let position = file.read();
        Self {
            shared,
            settings,
            file,
            position,
            save_by: None,
            disturbances,
            answering,
            asked_again: None,
            was_read: false,
        }
    }

    /// Reads for ever. Ends with an error that only a person can mend: a stream that is not as it must be at the start.
    pub(super) async fn run(&mut self) -> Result<(), NatsError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.position.as_ref().map(|position| position.sequence);
            let Err(error) = self.read().await;
            self.shared.status.change(|now| now.reading = false);
            match &error {
                NatsError::StreamDiffers { .. } if !self.was_read => return Err(error),
                NatsError::Disturbed => tracing::debug!("reading goes on from the position"),
                _ => {
                    tracing::warn!(%error, "reading from NATS stopped: trying on");
                    self.shared.status.trouble(error.to_string());
                }
            }
            if self.position.as_ref().map(|position| position.sequence) != before {
                pause = FIRST_PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Reads until something disturbs it.
    async fn read(&mut self) -> Result<std::convert::Infallible, NatsError> {
        self.disturbances.mark_unchanged();
        let stream = stream::ensure(&self.shared.jetstream, &self.settings).await?;
        self.was_read = true;
        let state = state_of(&stream);
        let mut next = self.start(&stream, &state).await? + 1;
        let consumer = stream.create_consumer(consumer_from(next)).await;
        let consumer = consumer.map_err(|error| NatsError::server("making the consumer", &error))?;
        let messages = consumer.stream().max_messages_per_batch(PULL_MESSAGES).max_bytes_per_batch(PULL_BYTES);
        let messages = messages.heartbeat(HEARTBEAT).expires(PULL_EXPIRES).messages().await;
        let messages = messages.map_err(|error| NatsError::server("asking for messages", &error))?;
        self.shared.status.change(|now| {
            (now.sequence, now.last_sequence, now.problem, now.reading) = (next - 1, state.last, None, true);
        });
        let mut groups = messages.ready_chunks(GROUP);
        let mut in_flight = FuturesOrdered::new();
        loop {
            tokio::select! {
                changed = self.disturbances.changed() => {
                    return Err(changed.map_or(NatsError::Disturbed, |()| NatsError::Disturbed));
                }
                Some(dealt_with) = in_flight.next(), if !in_flight.is_empty() => {
                    let (group, outcomes) = dealt_with;
                    self.dealt_with(group, outcomes, &state).await?;
                }
                () = sleep_until(self.save_by.unwrap_or_else(Instant::now)), if self.save_by.is_some() => self.save(),
                group = groups.next(), if in_flight.len() < GROUPS_IN_FLIGHT => {
                    let messages = group.ok_or(NatsError::Disturbed)?;
                    let group = self.group(messages, &mut next)?;
                    // One after the other: handed over side by side, groups would overtake each other on their way to the
                    // writer, and leave gaps in their sources for a moment.
                    in_flight.push_back(self.submit(group).await?);
                }
            }
        }
    }

    /// The last message that needs no reading.
    async fn start(&mut self, stream: &JetStream, state: &StreamState) -> Result<u64, NatsError> {
        let Some(position) = &self.position else {
            return Ok(state.first.saturating_sub(1));
        };
        let at = match stream.get_raw_message(position.sequence).await {
            Ok(message) => Some(EventDigest::of(&message.payload)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => None,
            Err(error) => return Err(NatsError::server("looking for the last message that was read", &error)),
        };
        match position.resume(state, at, self.shared.ledger.view.record.size()) {
            Start::After(sequence) => Ok(sequence),
            Start::Anew(reason) => {
                tracing::warn!(
                    reason,
                    stream = state.name,
                    from = state.first,
                    "the stream is read from its first message"
                );
                self.position = None;
                Ok(state.first.saturating_sub(1))
            }
        }
    }

    /// Takes messages whose numbers follow each other.
    fn group(
        &mut self,
        messages: Vec<Result<Message, pull::MessagesError>>,
        next: &mut u64,
    ) -> Result<Group, NatsError> {
        let mut arrivals = Vec::with_capacity(messages.len());
        for message in messages {
            let message = message.map_err(|error| NatsError::server("reading messages", &error))?;
            let info = message.info().map_err(|error| NatsError::server("reading a message's number", &*error))?;
            self.follows(info.stream_sequence, *next)?;
            let last = info.stream_sequence.saturating_add(info.pending);
            self.shared.status.change(|now| now.last_sequence = now.last_sequence.max(last));
            *next = info.stream_sequence.saturating_add(1);
            arrivals.push(Arrival::of(&message.message));
        }
        Ok(Group { arrivals, last: next.saturating_sub(1) })
    }

    /// Whether the message may be next. What is missing is asked for again first: a full channel drops messages without
    /// a word, and only what a second reading does not bring either is gone from the stream.
    fn follows(&mut self, found: u64, next: u64) -> Result<(), NatsError> {
        if found == next {
            return Ok(());
        }
        if found < next || self.asked_again != Some(next) {
            self.asked_again = Some(next);
            tracing::warn!(expected = next, found, "messages are missing: reading them again");
            return Err(NatsError::Disturbed);
        }
        let missing = found.saturating_sub(next);
        tracing::warn!(
            from = next,
            to = found - 1,
            "the stream lost messages that were not read: outboxes bring them back"
        );
        self.shared.status.change(|now| now.missing = now.missing.saturating_add(missing));
        Ok(())
    }

    /// Has a group checked, and put in the writer's queue behind those before it; its outcomes come once it is committed.
    async fn submit(&self, group: Group) -> Result<impl Future<Output = (Group, Vec<Outcome>)> + use<>, NatsError> {
        let ledger = self.shared.ledger.clone();
        let (reply, replied) = oneshot::channel();
        let handed = tokio::task::spawn_blocking(move || {
            let mut group = group;
            for refusal in group.arrivals.iter().filter_map(|arrival| arrival.refusal.as_ref()) {
                ledger.quarantine.count(refusal);
            }
            let events = group.arrivals.iter_mut().filter_map(|arrival| arrival.event.take()).collect();
            ledger.submit(events, move |outcomes| {
                if reply.send(outcomes).is_err() {
                    tracing::debug!("reading was disturbed: these messages are read again, as duplicates");
                }
            });
            group
        });
        let group = handed.await.map_err(|error| NatsError::server("checking events", &error))?;
        Ok(async move { (group, replied.await.unwrap_or_default()) })
    }

    /// Has the producers answered, and moves the position.
    async fn dealt_with(&mut self, group: Group, judged: Vec<Outcome>, state: &StreamState) -> Result<(), NatsError> {
        let outcomes = outcomes_of(&group, judged)?;
        self.shared.status.count(&outcomes);
        let Some(digest) = group.arrivals.last().map(|arrival| arrival.digest) else { return Ok(()) };
        let judged = Judged { arrivals: group.arrivals, outcomes };
        self.answering.send(judged).await.map_err(|_over| NatsError::Panicked("nobody answers".to_owned()))?;
        let size = self.shared.ledger.view.record.size();
        let (stream, created) = (state.name.clone(), state.created.clone());
        let position = Position { stream, created, sequence: group.last, digest, size };
        self.shared.status.change(|now| now.sequence = position.sequence);
        self.position = Some(position);
        self.save_by.get_or_insert_with(|| Instant::now() + SAVE_WITHIN);
        Ok(())
    }

    /// Writes down how far the stream was read. What a crash takes of that is read again, as duplicates.
    pub(super) fn save(&mut self) {
        if self.save_by.take().is_none() {
            return;
        }
        if let Some(Err(error)) = self.position.as_ref().map(|position| self.file.write(position)) {
            tracing::warn!(%error, "how far the stream was read is not remembered");
        }
    }
}

/// One outcome for each message; none at all where the ledger takes nothing in, and the messages are read again later.
fn outcomes_of(group: &Group, judged: Vec<Outcome>) -> Result<Vec<Outcome>, NatsError> {
    let mut judged = judged.into_iter();
    let outcomes = group.arrivals.iter().map(|arrival| match &arrival.refusal {
        Some(refusal) => Outcome::Refused { refusal: refusal.clone(), retry: false },
        None => judged.next().unwrap_or_else(|| Outcome::closed("intake-stopped", "the writer has stopped")),
    });
    let outcomes: Vec<_> = outcomes.collect();
    match outcomes
        .iter()
        .find_map(|outcome| if let Outcome::Closed { refusal } = outcome { Some(refusal) } else { None })
    {
        Some(refusal) => Err(NatsError::Closed { code: refusal.code.to_string(), problem: refusal.message.clone() }),
        None => Ok(outcomes),
    }
}

fn consumer_from(sequence: u64) -> pull::Config {
    pull::Config {
        description: Some("a Lineal ledger".to_owned()),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: sequence.max(1) },
        ack_policy: AckPolicy::None,
        inactive_threshold: INACTIVE,
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    }
}

fn state_of(stream: &JetStream) -> StreamState {
    let info = stream.cached_info();
    StreamState {
        name: info.config.name.clone(),
        created: info.created.to_string(),
        first: info.state.first_sequence,
        last: info.state.last_sequence,
    }
}
