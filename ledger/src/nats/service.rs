//! The service that producers ask: for the receipt of an event, and whether an attachment has arrived.
//!
//! A service of the NATS micro protocol, so `nats micro ls` shows it. Subjects begin with `lineal.ask.<producer>`, which
//! a server lets only that producer use; it hears about events that its keys signed, or tried to say, and nothing else.
//! Promises to reply to inboxes only: a sender could name any subject to reply to.

use std::sync::Arc;

use async_nats::{
    Client,
    service::{Request, ServiceExt as _, endpoint::Endpoint},
};
use futures_util::{StreamExt as _, stream};
use lineal_schemas::{
    digest::EventDigest,
    registry::{Enrolment, Registry},
    vocabulary::Payload,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Shared, chain};
use crate::{
    log::record::StoredEntry,
    outcome::{Answer, Outcome},
    receipts::{self, ReceiptError},
};

/// Requests that are worked on at the same time; others wait.
const AT_ONCE: usize = 64;

/// What every reply subject begins with.
const INBOXES: &str = "_INBOX";

/// Answers requests for as long as there is a connection.
pub(super) async fn serve(shared: Shared) {
    if let Err(error) = run(shared).await {
        tracing::error!(error, "nobody can ask for receipts over NATS");
    }
}

async fn run(shared: Shared) -> Result<(), String> {
    let said = |error: async_nats::Error| chain(&*error);
    let service = shared.client.service_builder().description("receipts of a Lineal ledger").queue_group("lineal");
    let service = service.start("lineal", env!("CARGO_PKG_VERSION")).await.map_err(said)?;
    let add = async |name: &str, subject: &str| service.endpoint_builder().name(name).add(subject).await.map_err(said);
    let receipts = add("receipt", "lineal.ask.*.receipt.*").await?;
    let attachments = add("attachment", "lineal.ask.*.attachment.*").await?;
    let mut requests = stream::select(kind(receipts, Ask::Receipt), kind(attachments, Ask::Attachment));
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    while let Some((ask, request)) = requests.next().await {
        let Ok(turn) = turns.clone().acquire_owned().await else { break };
        let shared = shared.clone();
        tokio::spawn(async move {
            answer(&shared, ask, &request).await;
            drop(turn);
        });
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Ask {
    Receipt,
    Attachment,
}

fn kind(endpoint: Endpoint, ask: Ask) -> impl stream::Stream<Item = (Ask, Request)> {
    endpoint.map(move |request| (ask, request))
}

async fn answer(shared: &Shared, ask: Ask, request: &Request) {
    let is_inbox = request.message.reply.as_ref().is_some_and(|reply| reply.starts_with(INBOXES));
    if !is_inbox {
        tracing::debug!(subject = %request.message.subject, "a request that wants its reply elsewhere is not answered");
        return;
    }
    let mut tokens = request.message.subject.split('.').skip(2);
    let (producer, digest) = (tokens.next().unwrap_or_default().to_owned(), tokens.nth(1).unwrap_or_default());
    let Ok(digest) = digest.parse::<EventDigest>() else {
        return reply(shared, request, &json!({"error": "not a SHA-256 in 64 lower-case hex digits"})).await;
    };
    let asked = shared.clone();
    let found = tokio::task::spawn_blocking(move || match ask {
        Ask::Receipt => receipt(&asked, &producer, &digest),
        Ask::Attachment => Ok(json!({"stored": asked.attachments.has(&digest)})),
    });
    match found.await {
        Ok(Ok(said)) => reply(shared, request, &said).await,
        Ok(Err(error)) => {
            tracing::error!(%error, "a receipt could not be looked up");
            reply(shared, request, &json!({"error": "the record could not be read"})).await;
        }
        Err(error) => tracing::error!(%error, "a request was not answered"),
    }
}

async fn reply(shared: &Shared, request: &Request, said: &Value) {
    let client: &Client = &shared.client;
    let Some(to) = request.message.reply.clone() else { return };
    if let Err(error) = client.publish(to, said.to_string().into()).await {
        tracing::debug!(%error, "a reply was not sent: it will be asked for again");
    }
}

/// What the record has about the event, as far as it concerns the producer.
fn receipt(shared: &Shared, producer: &str, digest: &EventDigest) -> Result<Value, ReceiptError> {
    let view = &shared.ledger.view;
    let about = |answer: &Answer| serde_json::to_value(answer).unwrap_or_else(|_error| json!({"outcome": "unknown"}));
    if let Some(answer) = receipts::answer_about(view, digest)? {
        let stored = view.record.get(answer.index.unwrap_or(0))?;
        let is_theirs = concerns(&view.registry(), producer, &stored);
        return Ok(if is_theirs { about(&answer) } else { json!({"outcome": "unknown"}) });
    }
    let parked = shared.ledger.parked().into_iter().find(|(_keyid, parked)| parked == digest);
    let parked = parked.map(|(keyid, _digest)| Answer::new(Some(*digest), &Outcome::Parked { keyid }));
    Ok(parked.as_ref().map_or_else(|| json!({"outcome": "unknown"}), about))
}

/// Whether an entry is about an event of the producer: signed by one of its keys, or refused and of one of its sources.
fn concerns(registry: &Registry, producer: &str, stored: &StoredEntry) -> bool {
    let entry = stored.entry();
    let is_theirs = |enrolment: &Enrolment| enrolment.producer() == producer;
    let signers = entry.signatures.iter().filter_map(|signature| registry.enrolment(&signature.keyid));
    if signers.into_iter().any(is_theirs) {
        return true;
    }
    let source = match stored.facts().and_then(|facts| facts.payload.ok()) {
        Some(Payload::EventRejected(said)) => said.source.map(|source| source.to_string()),
        Some(Payload::EventConflicted(said)) => Some(said.source.to_string()),
        _ => None,
    };
    let may_say = |source: &str| {
        let mut sources = registry.enrolments().filter(|one| is_theirs(one)).flat_map(|one| &one.scope().sources);
        sources.any(|pattern| pattern.matches(source))
    };
    source.is_some_and(|source| may_say(&source))
}
