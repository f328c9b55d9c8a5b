//! Sends that are under way: published one after the other, and their answers collected whichever way these come.
//!
//! Answers are published as they are made, and listened to before the first event goes. Nobody keeps them on the way, so
//! when none has come for [`LOOK`] they are asked for. Promises one reply for each event: its answer, as unproved as it
//! came, or why there is none, [`ANSWER_TIMEOUT`] after the last answer at the latest. (docs/FORMAT.md, NATS)

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    pin::Pin,
    sync::{Arc, mpsc},
    time::Duration,
};

use async_nats::Message;
use futures_util::{FutureExt as _, StreamExt as _};
use lineal_schemas::digest::EventDigest;
use tokio::time::{Instant, sleep_until};

use super::{
    NatsError, Outgoing,
    answers::{ASKED, Asked, ask},
    link::Link,
    publish::publish,
};
use crate::target::{Answer, Reply};

/// After so long without an answer, answers are asked for.
const LOOK: Duration = Duration::from_secs(2);

/// How long events wait for answers after the last one that came, before they are left in the outbox.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

type Work<T> = Pin<Box<dyn Future<Output = T>>>;

/// Where the replies of one send go.
type ReplyTo = mpsc::Sender<Result<Vec<Reply>, NatsError>>;

/// All that is under way over one connection.
#[derive(Default)]
pub(super) struct Sends {
    groups: VecDeque<Group>,
    /// Of the first that is not published.
    publishing: Option<Work<Result<(), NatsError>>>,
    asking: Option<Work<Asked>>,
    clock: Option<Clock>,
}

impl fmt::Debug for Sends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sends").field("groups", &self.groups).finish_non_exhaustive()
    }
}

/// When something was heard last, and when to ask.
#[derive(Debug, Clone, Copy)]
struct Clock {
    heard: Instant,
    look: Instant,
}

impl Clock {
    fn now() -> Self {
        let heard = Instant::now();
        Self { heard, look: heard + LOOK }
    }
}

#[derive(Debug)]
struct Group {
    events: Arc<[Outgoing]>,
    collected: Collected,
    is_published: bool,
    reply: ReplyTo,
}

impl Sends {
    pub(super) fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }

    /// Adds events, to be published after those that are there.
    pub(super) fn add(&mut self, events: Vec<Outgoing>, reply: ReplyTo) {
        let collected = Collected::of(&events);
        self.groups.push_back(Group { events: events.into(), collected, is_published: false, reply });
    }

    /// Goes on until something has happened. Stopped in the middle, it goes on from there the next time. An error is what
    /// the server denies: everything that was under way has been told so.
    pub(super) async fn go_on(&mut self, link: &mut Link) -> Result<(), NatsError> {
        self.publish_next(link);
        let has_sends = !self.is_idle();
        let is_published = self.groups.iter().any(|send| send.is_published);
        let look = self.clock.map_or_else(Instant::now, |clock| clock.look);
        let mut denials = link.denials();
        tokio::select! {
            published = pending_or(&mut self.publishing) => self.published(published),
            Some(message) = link.answers.next() => {
                self.hear(&message);
                while let Some(Some(message)) = link.answers.next().now_or_never() {
                    self.hear(&message);
                }
            }
            denied = denials.denied(), if has_sends => return Err(self.denied(denied)),
            asked = pending_or(&mut self.asking) => self.asked(asked),
            // Publishing ends by itself: every acknowledgement has its time.
            () = sleep_until(look), if is_published && self.asking.is_none() => self.look(link),
        }
        Ok(())
    }

    fn publish_next(&mut self, link: &Link) {
        let next = self.groups.iter().find(|send| !send.is_published);
        if self.publishing.is_none() {
            self.publishing = next.map(|next| Box::pin(publish(link.client.clone(), next.events.clone())) as Work<_>);
        }
    }

    fn published(&mut self, published: Result<(), NatsError>) {
        self.publishing = None;
        self.clock = Some(Clock::now());
        let Some(at) = self.groups.iter().position(|send| !send.is_published) else { return };
        match published {
            Ok(()) => {
                if let Some(send) = self.groups.get_mut(at) {
                    send.is_published = true;
                }
                self.answer_complete();
            }
            Err(error) => self.finish(at, &crate::delivery::chain(&error)),
        }
    }

    /// What is no answer to us is somebody else's.
    fn hear(&mut self, message: &Message) {
        if let Ok(answer) = serde_json::from_slice(&message.payload) {
            self.keep(answer);
        }
    }

    fn keep(&mut self, answer: Answer) {
        let mut answer = Some(answer);
        let is_new = self.groups.iter_mut().any(|send| send.collected.keep(&mut answer));
        if is_new {
            self.clock = Some(Clock::now());
            self.answer_complete();
        }
    }

    /// Asks the ledger about some events that have no answer.
    fn look(&mut self, link: &Link) {
        let published = self.groups.iter().filter(|send| send.is_published);
        let unanswered: Vec<_> =
            published.flat_map(|send| send.collected.unanswered(&send.events)).take(ASKED).collect();
        self.asking = Some(Box::pin(ask(link.client.clone(), link.producer.clone(), unanswered)));
    }

    fn asked(&mut self, asked: Asked) {
        self.asking = None;
        let heard = self.clock.map_or_else(Instant::now, |clock| clock.heard);
        self.clock = Some(Clock { heard, look: Instant::now() + LOOK });
        match asked {
            Asked::Nobody => self.give_up("sent, and no ledger is there: is `lineal serve --nats` running?"),
            Asked::Answered(answers) => {
                let before = self.missing();
                for answer in answers {
                    self.keep(answer);
                }
                if self.missing() < before {
                    // There may be more where that came from.
                    self.clock = Some(Clock { look: Instant::now(), heard: Instant::now() });
                } else if heard.elapsed() >= ANSWER_TIMEOUT {
                    self.give_up(&format!("sent, and not answered in {} seconds", ANSWER_TIMEOUT.as_secs()));
                }
            }
        }
    }

    fn missing(&self) -> usize {
        self.groups.iter().map(|send| send.collected.missing).sum()
    }

    /// Replies to all whose answers are complete.
    fn answer_complete(&mut self) {
        while let Some(at) = self.groups.iter().position(|send| send.is_published && send.collected.missing == 0) {
            self.finish(at, "");
        }
    }

    /// Nothing more is awaited of what was published.
    fn give_up(&mut self, reason: &str) {
        while let Some(at) = self.groups.iter().position(|send| send.is_published) {
            self.finish(at, reason);
        }
    }

    fn finish(&mut self, at: usize, reason: &str) {
        let Some(send) = self.groups.remove(at) else { return };
        let replies = send.collected.answers.into_iter().map(|answer| answer.ok_or_else(|| reason.to_owned()));
        // Whoever has gone without waiting needs no reply.
        send.reply.send(Ok(replies.collect())).unwrap_or_default();
    }

    fn denied(&mut self, denied: NatsError) -> NatsError {
        (self.publishing, self.asking) = (None, None);
        for send in self.groups.drain(..) {
            let error = match &denied {
                NatsError::NotPermitted { producer, subject } => {
                    NatsError::NotPermitted { producer: producer.clone(), subject: subject.clone() }
                }
                _ => NatsError::Gone,
            };
            send.reply.send(Err(error)).unwrap_or_default();
        }
        denied
    }
}

/// What a work comes to, if there is one.
async fn pending_or<T>(work: &mut Option<Work<T>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// The answers to one send so far.
#[derive(Debug)]
struct Collected {
    places: HashMap<EventDigest, usize>,
    answers: Vec<Option<Answer>>,
    missing: usize,
}

impl Collected {
    fn of(events: &[Outgoing]) -> Self {
        let places: HashMap<_, _> = events.iter().enumerate().map(|(place, event)| (event.event, place)).collect();
        Self { answers: events.iter().map(|_event| None).collect(), missing: places.len(), places }
    }

    /// Takes an answer that brings something new: one with a receipt takes the place of one without.
    fn keep(&mut self, answer: &mut Option<Answer>) -> bool {
        let event = answer.as_ref().and_then(|answer| answer.event);
        let place = event.and_then(|event| self.places.get(&event));
        let Some(kept) = place.and_then(|place| self.answers.get_mut(*place)) else { return false };
        let proves = |answer: &Option<Answer>| answer.as_ref().is_some_and(|answer| answer.receipt.is_some());
        match kept {
            None => self.missing -= 1,
            Some(before) if before.receipt.is_none() && proves(answer) => {}
            Some(_) => return false,
        }
        *kept = answer.take();
        true
    }

    fn unanswered(&self, events: &[Outgoing]) -> Vec<EventDigest> {
        let unanswered = events.iter().zip(&self.answers).filter(|(_event, answer)| answer.is_none());
        unanswered.map(|(event, _answer)| event.event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Outcome;

    fn outgoing(text: &[u8]) -> Outgoing {
        let (body, signatures) = (Vec::new(), Vec::new());
        Outgoing { event: EventDigest::of(text), subject: String::new(), body, signatures }
    }

    fn answer(text: &[u8], outcome: Outcome, receipt: Option<&str>) -> Answer {
        let (receipt, event) = (receipt.map(str::to_owned), Some(EventDigest::of(text)));
        Answer { event, outcome, index: None, receipt, refusal: None, code: None, message: None, retry: false }
    }

    #[test]
    fn an_answer_counts_once_and_one_with_a_receipt_counts_more() {
        let mut collected = Collected::of(&[outgoing(b"a"), outgoing(b"b")]);
        let mut keep = |text: &[u8], outcome, receipt| {
            let kept = collected.keep(&mut Some(answer(text, outcome, receipt)));
            (kept, collected.missing)
        };
        assert_eq!(keep(b"other", Outcome::Committed, Some("r")), (false, 2));
        assert_eq!(keep(b"b", Outcome::Refused, None), (true, 1));
        assert_eq!(keep(b"b", Outcome::Parked, None), (false, 1));
        assert_eq!(keep(b"b", Outcome::Committed, Some("r")), (true, 1));
        assert_eq!(keep(b"b", Outcome::Refused, None), (false, 1));
        assert_eq!(keep(b"b", Outcome::Committed, Some("forged")), (false, 1));
        assert_eq!(keep(b"a", Outcome::Parked, None), (true, 0));
        assert_eq!(collected.answers[1].as_ref().unwrap().receipt.as_deref(), Some("r"));
    }

    #[test]
    fn answers_find_the_send_that_waits_for_them_and_complete_it() {
        let mut sends = Sends::default();
        let (first, first_replies) = mpsc::channel();
        let (second, second_replies) = mpsc::channel();
        sends.add(vec![outgoing(b"a"), outgoing(b"b")], first);
        sends.add(vec![outgoing(b"c")], second);
        sends.published(Ok(()));
        sends.keep(answer(b"c", Outcome::Committed, Some("c")));
        sends.keep(answer(b"a", Outcome::Committed, Some("a")));
        // Its answer is there, and its acknowledgement is not yet.
        assert!(second_replies.try_recv().is_err());
        sends.published(Ok(()));
        assert_eq!(second_replies.try_recv().unwrap().unwrap().len(), 1);
        assert!(first_replies.try_recv().is_err());
        sends.give_up("nobody is there");
        let replies = first_replies.try_recv().unwrap().unwrap();
        assert!(replies[0].is_ok() && replies[1].as_ref().is_err_and(|reason| reason == "nobody is there"));
        assert!(sends.is_idle());
    }

    #[test]
    fn what_could_not_be_published_is_told_and_what_follows_has_its_turn() {
        let mut sends = Sends::default();
        let (first, first_replies) = mpsc::channel();
        let (second, second_replies) = mpsc::channel();
        sends.add(vec![outgoing(b"a")], first);
        sends.add(vec![outgoing(b"b")], second);
        sends.published(Err(NatsError::Gone));
        assert!(first_replies.try_recv().unwrap().unwrap()[0].is_err());
        sends.published(Ok(()));
        sends.keep(answer(b"b", Outcome::Committed, Some("b")));
        assert!(second_replies.try_recv().unwrap().unwrap()[0].is_ok());
    }
}
