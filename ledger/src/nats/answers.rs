//! Answers go back to whoever signed: with a receipt to `lineal.receipts.<producer>.<event digest>`.
//!
//! Promises that a receipt is sent to the producers under whose names the signing keys are enrolled, and to no subject
//! that a sender chose. What proves nothing (parked, refused) goes to the producer that the message's own subject names,
//! which the server's permissions bind to the sender; no outbox is cleared by it. Answers are not kept on the way: one
//! that is lost is asked for, or comes again when the event does.

use std::collections::BTreeSet;

use axum::body::Bytes;
use lineal_schemas::registry::{Enrolment, Registry};
use rayon::prelude::*;
use tokio::sync::mpsc;

use super::{NatsError, Shared, message::Arrival};
use crate::outcome::{Answer, Outcome};

/// Answers made by one core at a time.
const ANSWERS_A_PIECE: usize = 128;

/// A message that is ready to go.
type Outgoing = (String, Bytes);

/// Groups that wait for their answers; the reader waits when there are more.
const WAITING_GROUPS: usize = 2;

/// A group that the ledger is done with.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) arrivals: Vec<Arrival>,
    pub(super) outcomes: Vec<Outcome>,
}

/// The way to whoever answers, and what comes out at its other end.
pub(super) fn queue() -> (mpsc::Sender<Judged>, mpsc::Receiver<Judged>) {
    mpsc::channel(WAITING_GROUPS)
}

/// Answers groups, in their order, beside the reading of the next, until nobody can add one. What can't be sent is asked
/// for.
pub(super) async fn run(shared: Shared, mut waiting: mpsc::Receiver<Judged>) {
    while let Some(Judged { arrivals, outcomes }) = waiting.recv().await {
        if let Err(error) = send(&shared, arrivals, outcomes).await {
            tracing::warn!(%error, "answers were not sent: producers will ask for them");
        }
    }
}

/// Publishes the answers of a group.
async fn send(shared: &Shared, arrivals: Vec<Arrival>, outcomes: Vec<Outcome>) -> Result<(), NatsError> {
    let view = shared.ledger.view.clone();
    let making = tokio::task::spawn_blocking(move || {
        let registry = view.registry();
        let judged: Vec<_> = arrivals.iter().map(|arrival| Some(arrival.digest)).zip(outcomes).collect();
        let pieces = judged.par_chunks(ANSWERS_A_PIECE).zip(arrivals.par_chunks(ANSWERS_A_PIECE));
        let made = pieces.map(|(judged, arrivals)| {
            let answers = view.answers(judged);
            arrivals.iter().zip(answers).flat_map(|(arrival, answer)| outgoing(arrival, &answer, &registry)).collect()
        });
        made.collect::<Vec<Vec<Outgoing>>>().concat()
    });
    let outgoing = making.await.map_err(|error| NatsError::server("making answers", &error))?;
    for (subject, answer) in outgoing {
        let sent = shared.client.publish(subject, answer).await;
        sent.map_err(|error| NatsError::server("sending answers", &error))?;
    }
    Ok(())
}

fn outgoing(arrival: &Arrival, answer: &Answer, registry: &Registry) -> Vec<Outgoing> {
    let mut producers = BTreeSet::new();
    if answer.receipt.is_some() {
        let enrolments = arrival.signers.iter().filter_map(|keyid| registry.enrolment(keyid));
        producers.extend(enrolments.map(Enrolment::producer));
    }
    if producers.is_empty() {
        // Nothing is proved, or by a root alone, which has no producer's name.
        producers.extend(arrival.token.as_deref());
    }
    let Ok(text) = serde_json::to_vec(answer) else { return Vec::new() };
    let text = Bytes::from(text);
    let subject = |producer: &str| format!("lineal.receipts.{producer}.{}", arrival.digest);
    producers.into_iter().map(|producer| (subject(producer), text.clone())).collect()
}
