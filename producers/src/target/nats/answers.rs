//! Sending events and collecting their answers, whichever way these come.
//!
//! Answers are published as they are made, and listened to before the first event goes. Nobody keeps them on the way, so
//! what stays away for [`LOOK`] is asked for. Promises one reply for each event: its answer, as unproved as it came, or
//! why there is none. (docs/FORMAT.md, NATS)

use std::{collections::HashMap, time::Duration};

use async_nats::{
    Client, Message,
    client::{Request, RequestErrorKind},
};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use lineal_schemas::digest::EventDigest;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::{NatsError, Outgoing, link::Link, publish::publish};
use crate::target::{Answer, Reply};

/// After so long without an answer, answers are asked for.
const LOOK: Duration = Duration::from_secs(2);

/// How long events wait for answers after the last one that came, before they are left in the outbox.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Events that are asked about at the same time; the others have their turn when these are answered.
const ASKED: usize = 64;

/// How long the ledger may take to say what it has.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// Publishes events and gives a reply for each.
pub(super) async fn send(link: &mut Link, events: &[Outgoing]) -> Result<Vec<Reply>, NatsError> {
    // What lies there is about events that nobody waits for any more.
    while link.answers.next().now_or_never().flatten().is_some() {}
    let mut collected = Collected::of(events);
    let mut denials = link.denials();
    let (client, producer) = (link.client.clone(), link.producer.clone());
    let mut publishing = std::pin::pin!(publish(&client, events));
    let mut is_published = false;
    let (mut heard, mut look) = (Instant::now(), Instant::now() + LOOK);
    let reason = loop {
        if is_published && collected.missing == 0 {
            break String::new();
        }
        tokio::select! {
            published = &mut publishing, if !is_published => {
                if let Err(error) = published {
                    break crate::delivery::chain(&error);
                }
                (is_published, heard, look) = (true, Instant::now(), Instant::now() + LOOK);
            }
            Some(message) = link.answers.next() => {
                if collected.take(&message) {
                    (heard, look) = (Instant::now(), Instant::now() + LOOK);
                }
            }
            denied = denials.denied() => return Err(denied),
            // Publishing ends by itself: every acknowledgement has its time.
            () = sleep_until(look), if is_published => {
                look = Instant::now();
                match ask(&client, &producer, &mut collected, events).await {
                    // There may be more where that came from.
                    Asked::Answered => heard = look,
                    Asked::Nothing => look += LOOK,
                    Asked::Nobody => break "sent, and no ledger is there: is `lineal serve --nats` running?".to_owned(),
                }
                if heard.elapsed() >= ANSWER_TIMEOUT {
                    break format!("sent, and not answered in {} seconds", ANSWER_TIMEOUT.as_secs());
                }
            }
        }
    };
    Ok(collected.answers.into_iter().map(|answer| answer.ok_or_else(|| reason.clone())).collect())
}

/// What has come so far.
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

    /// Whether this brings something new. What is no answer to us is somebody else's.
    fn take(&mut self, message: &Message) -> bool {
        let answer = serde_json::from_slice::<Answer>(&message.payload);
        answer.is_ok_and(|answer| self.keep(answer))
    }

    /// An answer with a receipt takes the place of one without.
    fn keep(&mut self, answer: Answer) -> bool {
        let place = answer.event.and_then(|event| self.places.get(&event));
        let Some(kept) = place.and_then(|place| self.answers.get_mut(*place)) else { return false };
        match kept {
            None => self.missing -= 1,
            Some(before) if before.receipt.is_none() && answer.receipt.is_some() => {}
            Some(_) => return false,
        }
        *kept = Some(answer);
        true
    }
}

enum Asked {
    Answered,
    Nothing,
    Nobody,
}

/// Asks the ledger about some events that have no answer.
async fn ask(client: &Client, producer: &str, collected: &mut Collected, events: &[Outgoing]) -> Asked {
    let unanswered = events.iter().zip(&collected.answers).filter(|(_event, answer)| answer.is_none());
    let unanswered: Vec<EventDigest> = unanswered.map(|(event, _)| event.event).take(ASKED).collect();
    let requests = unanswered.into_iter().map(|event| async move {
        let request = Request::new().payload(Vec::new().into()).timeout(Some(ASK_TIMEOUT));
        client.send_request(format!("lineal.ask.{producer}.receipt.{event}"), request).await
    });
    let mut replies = stream::iter(requests).buffer_unordered(ASKED);
    let mut asked = Asked::Nothing;
    while let Some(reply) = replies.next().await {
        match reply {
            Ok(message) if collected.take(&message) => asked = Asked::Answered,
            Err(error) if error.kind() == RequestErrorKind::NoResponders => return Asked::Nobody,
            _unknown => {}
        }
    }
    asked
}

/// Whether the ledger has an attachment.
pub(super) async fn is_stored(client: &Client, producer: &str, digest: &str) -> Result<bool, String> {
    #[derive(Deserialize)]
    struct Said {
        stored: bool,
    }
    let request = Request::new().payload(Vec::new().into()).timeout(Some(ASK_TIMEOUT));
    let reply = client.send_request(format!("lineal.ask.{producer}.attachment.{digest}"), request).await;
    let reply = reply.map_err(|error| match error.kind() {
        RequestErrorKind::NoResponders => "no ledger is there: is `lineal serve --nats` running?".to_owned(),
        _ => format!("asking the ledger: {error}"),
    })?;
    let said: Said = serde_json::from_slice(&reply.payload).map_err(|error| format!("the ledger's reply: {error}"))?;
    Ok(said.stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Outcome;

    fn outgoing(text: &[u8]) -> Outgoing {
        Outgoing { event: EventDigest::of(text), subject: String::new(), body: Vec::new(), signatures: Vec::new() }
    }

    fn answer(text: &[u8], outcome: Outcome, receipt: Option<&str>) -> Answer {
        let (receipt, event) = (receipt.map(str::to_owned), Some(EventDigest::of(text)));
        Answer { event, outcome, index: None, receipt, refusal: None, code: None, message: None, retry: false }
    }

    #[test]
    fn an_answer_counts_once_and_one_with_a_receipt_counts_more() {
        let mut collected = Collected::of(&[outgoing(b"a"), outgoing(b"b")]);
        assert!(!collected.keep(answer(b"other", Outcome::Committed, Some("r"))));
        assert!(collected.keep(answer(b"b", Outcome::Refused, None)));
        assert!(!collected.keep(answer(b"b", Outcome::Parked, None)));
        assert_eq!(collected.missing, 1);
        assert!(collected.keep(answer(b"b", Outcome::Committed, Some("r"))));
        assert!(!collected.keep(answer(b"b", Outcome::Refused, None)));
        assert!(!collected.keep(answer(b"b", Outcome::Committed, Some("forged"))));
        assert!(collected.keep(answer(b"a", Outcome::Parked, None)));
        assert_eq!(collected.missing, 0);
        assert_eq!(collected.answers[1].as_ref().unwrap().receipt.as_deref(), Some("r"));
    }

    #[test]
    fn what_the_ledger_does_not_know_is_no_answer() {
        let event = EventDigest::of(b"a");
        for text in [r#"{"outcome":"unknown"}"#.to_owned(), format!(r#"{{"event":"{event}","outcome":"unknown"}}"#)] {
            assert!(serde_json::from_str::<Answer>(&text).is_err());
        }
    }
}
