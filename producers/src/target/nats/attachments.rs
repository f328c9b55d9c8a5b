//! An attachment over NATS: put into the bucket of which the ledger fetches it, and asked about until it has.
//!
//! Comes after the receipt of the event that names it. Promises to be done only when the ledger says that it has stored
//! the bytes: a bucket is no archive. (docs/FORMAT.md, NATS)

use std::time::Duration;

use async_nats::{Client, jetstream};
use tokio::time::{Instant, sleep};

use super::{NatsError, answers::is_stored, link::Link};

/// The bucket, which the ledger makes.
const BUCKET: &str = "lineal-attachments";

/// How long the ledger may take to fetch it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is asked.
const ASK_AGAIN: Duration = Duration::from_millis(100);

pub(super) async fn attach(link: &mut Link, digest: &str, bytes: &[u8]) -> Result<(), NatsError> {
    let mut denials = link.denials();
    let work = deliver(&link.client, &link.producer, digest, bytes);
    let done = denials.unless_denied(work).await?;
    done.map_err(|problem| NatsError::Attachment { digest: digest.to_owned(), problem })
}

async fn deliver(client: &Client, producer: &str, digest: &str, bytes: &[u8]) -> Result<(), String> {
    if is_stored(client, producer, digest).await? {
        return Ok(());
    }
    put(client, digest, bytes).await?;
    let until = Instant::now() + FETCH_TIMEOUT;
    while !is_stored(client, producer, digest).await? {
        if Instant::now() > until {
            return Err(format!("the ledger has not fetched it in {} seconds", FETCH_TIMEOUT.as_secs()));
        }
        sleep(ASK_AGAIN).await;
    }
    Ok(())
}

/// What is there already has the same name, so it has the same bytes, or the ledger deletes it.
async fn put(client: &Client, digest: &str, mut bytes: &[u8]) -> Result<(), String> {
    let bucket = jetstream::new(client.clone()).get_object_store(BUCKET).await;
    let bucket = bucket.map_err(|error| format!("the bucket {BUCKET}: {error}"))?;
    if bucket.info(digest).await.is_ok_and(|object| !object.deleted) {
        return Ok(());
    }
    bucket.put(digest, &mut bytes).await.map(drop).map_err(|error| crate::delivery::chain(&error))
}
