//! Questions to the ledger: what it has about events whose answers were lost, and whether an attachment has arrived.
//!
//! Promises to tell a ledger that knows nothing from one that is not there. (docs/FORMAT.md, NATS)

use std::time::Duration;

use async_nats::{
    Client,
    client::{Request, RequestErrorKind},
};
use futures_util::{StreamExt as _, stream};
use lineal_schemas::digest::EventDigest;
use serde::Deserialize;

use crate::target::Answer;

/// Events that are asked about at the same time; the others have their turn when these are answered.
pub(super) const ASKED: usize = 64;

/// How long the ledger may take to say what it has.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// What asking came to.
pub(super) enum Asked {
    /// What the ledger knows, if it knows anything.
    Answered(Vec<Answer>),
    /// No ledger is there.
    Nobody,
}

/// Asks the ledger about events.
pub(super) async fn ask(client: Client, producer: String, events: Vec<EventDigest>) -> Asked {
    let requests = events.into_iter().map(|event| {
        let request = Request::new().payload(Vec::new().into()).timeout(Some(ASK_TIMEOUT));
        client.send_request(format!("lineal.ask.{producer}.receipt.{event}"), request)
    });
    let mut replies = stream::iter(requests).buffer_unordered(ASKED);
    let mut answers = Vec::new();
    while let Some(reply) = replies.next().await {
        match reply {
            // One that says `unknown` is no answer.
            Ok(message) => answers.extend(serde_json::from_slice::<Answer>(&message.payload).ok()),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => return Asked::Nobody,
            Err(_late) => {}
        }
    }
    Asked::Answered(answers)
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

    #[test]
    fn what_the_ledger_does_not_know_is_no_answer() {
        let event = EventDigest::of(b"a");
        for text in [r#"{"outcome":"unknown"}"#.to_owned(), format!(r#"{{"event":"{event}","outcome":"unknown"}}"#)] {
            assert!(serde_json::from_str::<Answer>(&text).is_err());
        }
    }
}
