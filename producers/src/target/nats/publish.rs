//! Publishing: each event with its signatures as headers, acknowledged by JetStream.
//!
//! A few events go one by one, [`WINDOW`] of them at a time; many as atomic batches, which the server keeps whole or
//! not at all. An acknowledgement says that the stream has the bytes, and nothing about the record. No message id: the
//! server would swallow what is sent again on purpose. (docs/FORMAT.md, NATS; ADR-50)

use std::sync::Arc;

use async_nats::{
    Client, HeaderMap, Message,
    client::{Request, RequestError, RequestErrorKind},
};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use super::{NatsError, Outgoing};

/// Messages without an acknowledgement at any moment, when they go one by one.
const WINDOW: usize = 256;

/// From so many on, events go as batches.
const BATCH_FROM: usize = 16;

/// The most events in a batch: what a server takes.
const BATCH_EVENTS: usize = 1000;

/// The most bytes of events in a batch, unless a single one is larger.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Publishes all, in order.
pub(super) async fn publish(client: Client, events: Arc<[Outgoing]>) -> Result<(), NatsError> {
    if events.len() < BATCH_FROM {
        return one_by_one(&client, &events).await;
    }
    let mut rest = &events[..];
    while !rest.is_empty() {
        let (some, later) = rest.split_at(fitting(rest));
        match batch(&client, some).await {
            // Too many batches at once, or a server that takes none: single messages always go.
            Err(NatsError::NotAcknowledged { .. }) => one_by_one(&client, some).await?,
            done => done?,
        }
        rest = later;
    }
    Ok(())
}

/// How many of these events go into one batch.
fn fitting(events: &[Outgoing]) -> usize {
    let mut bytes = 0;
    let fits = events.iter().take(BATCH_EVENTS).take_while(|event| {
        bytes += event.body.len();
        bytes <= BATCH_BYTES
    });
    fits.count().max(1).min(events.len())
}

async fn one_by_one(client: &Client, events: &[Outgoing]) -> Result<(), NatsError> {
    let requests = events.iter().map(|event| async move {
        let message = request(client, event, headers(event)).await?;
        acknowledged(&message).map_err(|problem| not_acknowledged(event, problem))
    });
    let mut acknowledgements = stream::iter(requests).buffered(WINDOW);
    while let Some(acknowledged) = acknowledgements.next().await {
        acknowledged?;
    }
    Ok(())
}

/// The first message opens the batch and the last commits it; those in between are only sent.
async fn batch(client: &Client, events: &[Outgoing]) -> Result<(), NatsError> {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let last = events.len();
    for (number, event) in (1..).zip(events) {
        let mut headers = headers(event);
        headers.insert("Nats-Batch-Id", id.as_str());
        headers.insert("Nats-Batch-Sequence", number.to_string());
        if number == last {
            headers.insert("Nats-Batch-Commit", "1");
        }
        if number == 1 || number == last {
            let message = request(client, event, headers).await?;
            // A batch that is open is acknowledged with nothing.
            if number == last || !message.payload.is_empty() {
                acknowledged(&message).map_err(|problem| not_acknowledged(event, problem))?;
            }
        } else {
            let sent = client.publish_with_headers(event.subject.clone(), headers, event.body.clone().into()).await;
            sent.map_err(|error| not_acknowledged(event, error.to_string()))?;
        }
    }
    Ok(())
}

async fn request(client: &Client, event: &Outgoing, headers: HeaderMap) -> Result<Message, NatsError> {
    let request = Request::new().headers(headers).payload(event.body.clone().into());
    client.send_request(event.subject.clone(), request).await.map_err(|error| failed(event, &error))
}

fn headers(event: &Outgoing) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", "application/cloudevents+json");
    for signature in &event.signatures {
        headers.append("Lineal-Signature", signature.as_str());
    }
    headers
}

fn failed(event: &Outgoing, error: &RequestError) -> NatsError {
    match error.kind() {
        RequestErrorKind::NoResponders => NatsError::NoStream { subject: event.subject.clone() },
        _ => not_acknowledged(event, error.to_string()),
    }
}

fn not_acknowledged(event: &Outgoing, problem: String) -> NatsError {
    NatsError::NotAcknowledged { subject: event.subject.clone(), problem }
}

/// What JetStream replies to a message; an error, or where the message stands.
#[derive(Deserialize)]
struct Acknowledgement {
    error: Option<Problem>,
    stream: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    description: Option<String>,
    err_code: Option<u64>,
}

fn acknowledged(message: &Message) -> Result<(), String> {
    let said: Acknowledgement = serde_json::from_slice(&message.payload)
        .map_err(|error| format!("an acknowledgement that is none: {error}"))?;
    match said {
        Acknowledgement { error: Some(Problem { description, err_code }), .. } => {
            Err(format!("{} ({})", description.unwrap_or_default(), err_code.unwrap_or_default()))
        }
        Acknowledgement { stream: Some(_), .. } => Ok(()),
        Acknowledgement { .. } => Err("an acknowledgement without a stream".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use lineal_schemas::digest::EventDigest;

    use super::*;

    fn outgoing(bytes: usize) -> Outgoing {
        let signatures = vec!["a:b".to_owned(), "c:d".to_owned()];
        Outgoing { event: EventDigest::of(b"x"), subject: "s".to_owned(), body: vec![b'x'; bytes], signatures }
    }

    #[test]
    fn a_batch_holds_what_a_server_takes() {
        let sizes = |sizes: &[usize]| fitting(&sizes.iter().map(|size| outgoing(*size)).collect::<Vec<_>>());
        assert_eq!(sizes(&vec![1; 2_500]), 1_000);
        assert_eq!(sizes(&[BATCH_BYTES, 1]), 1);
        assert_eq!(sizes(&[BATCH_BYTES + 1, 1]), 1);
        assert_eq!(sizes(&[BATCH_BYTES / 2, BATCH_BYTES / 2, 1]), 2);
    }

    #[test]
    fn each_signature_is_a_header() {
        let headers = headers(&outgoing(1));
        let signatures: Vec<_> = headers.get_all("Lineal-Signature").map(|value| value.as_str().to_owned()).collect();
        assert_eq!(signatures, ["a:b", "c:d"]);
        assert!(headers.get("Nats-Msg-Id").is_none());
    }
}
