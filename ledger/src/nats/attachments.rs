//! Attachments that come over NATS: objects of a bucket, fetched once a committed event names them.
//!
//! Admission never waits for them. Promises that what is stored has the digest that its name says, and that an object
//! leaves the bucket only once it is stored, or is not what its name says.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_nats::jetstream::object_store::{self, ObjectInfo, ObjectStore};
use axum::body::Bytes;
use futures_util::StreamExt as _;
use lineal_schemas::digest::EventDigest;
use tokio::{io::AsyncReadExt as _, sync::mpsc};

use super::{NatsError, Shared};
use crate::attachments::{AttachmentError, Attachments};

/// The bucket.
pub(super) const BUCKET: &str = "lineal-attachments";

/// For how long an object waits for an event that names it.
const MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// Objects that wait for the events that name them; the bucket is looked through again when one of them is done.
const MAX_WAITING: usize = 10_000;

/// How often it is looked whether an event names them by now.
const LOOK: Duration = Duration::from_millis(500);

/// Waiting after the bucket could not be used.
const PAUSE: Duration = Duration::from_secs(2);

/// Pieces between the connection and the disk.
const PIECES: usize = 16;
const PIECE_BYTES: usize = 64 * 1024;

/// Fetches for ever.
pub(super) async fn fetch(shared: Shared, replicas: usize) {
    loop {
        if let Err(error) = follow(&shared, replicas).await {
            tracing::debug!(%error, "attachments on NATS can't be fetched: trying on");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow(shared: &Shared, replicas: usize) -> Result<(), NatsError> {
    let bucket = bucket(shared, replicas).await?;
    let mut changes =
        bucket.watch_with_history().await.map_err(|error| NatsError::server("watching attachments", &error))?;
    let mut waiting = BTreeSet::new();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            change = changes.next() => {
                let change = change.ok_or(NatsError::Disturbed)?;
                let object = change.map_err(|error| NatsError::server("watching attachments", &error))?;
                if let Some(digest) = digest_of(&object) && waiting.len() < MAX_WAITING {
                    waiting.insert(digest);
                }
            }
            _ = look.tick(), if !waiting.is_empty() => {
                let mut done = Vec::new();
                for digest in &waiting {
                    if take(shared, &bucket, digest).await? {
                        done.push(*digest);
                    }
                }
                waiting.retain(|digest| !done.contains(digest));
            }
        }
    }
}

async fn bucket(shared: &Shared, replicas: usize) -> Result<ObjectStore, NatsError> {
    if let Ok(bucket) = shared.jetstream.get_object_store(BUCKET).await {
        return Ok(bucket);
    }
    let config = object_store::Config {
        bucket: BUCKET.to_owned(),
        description: Some("Attachments on their way into a Lineal ledger".to_owned()),
        max_age: MAX_AGE,
        num_replicas: replicas,
        ..object_store::Config::default()
    };
    let made = shared.jetstream.create_object_store(config).await;
    made.map_err(|error| NatsError::server("making the bucket of attachments", &error))
}

/// A whole object under a digest's name. A link could point anywhere.
fn digest_of(object: &ObjectInfo) -> Option<EventDigest> {
    let is_link = object.options.as_ref().is_some_and(|options| options.link.is_some());
    if object.deleted || is_link { None } else { object.name.parse().ok() }
}

/// Stores an object that a committed event names; whether it is done with.
async fn take(shared: &Shared, bucket: &ObjectStore, digest: &EventDigest) -> Result<bool, NatsError> {
    let name = digest.to_string();
    let (index, asked) = (shared.ledger.view.index.clone(), name.clone());
    let named = tokio::task::spawn_blocking(move || index.attachment(&asked)).await;
    let named = named.map_err(|error| NatsError::server("looking for an attachment's event", &error))?;
    if named.map_err(|error| NatsError::server("looking for an attachment's event", &error))?.is_none() {
        return Ok(false);
    }
    match store(shared.attachments.clone(), bucket, *digest).await? {
        Ok(_length) => tracing::debug!(%digest, "an attachment arrived"),
        Err(error @ (AttachmentError::Full(_) | AttachmentError::Io(_))) => {
            tracing::warn!(%digest, %error, "an attachment waits in its bucket");
            return Ok(false);
        }
        Err(error) => {
            tracing::warn!(%digest, %error, "an object is not the attachment that its name says: it is deleted");
        }
    }
    bucket.delete(&name).await.map_err(|error| NatsError::server("deleting an attachment's object", &error))?;
    Ok(true)
}

/// This task reads, another thread hashes and writes.
async fn store(
    attachments: Arc<Attachments>,
    bucket: &ObjectStore,
    digest: EventDigest,
) -> Result<Result<u64, AttachmentError>, NatsError> {
    let object = bucket.get(digest.to_string()).await;
    let mut object = object.map_err(|error| NatsError::server("getting an attachment's object", &error))?;
    let (pieces, mut arriving) = mpsc::channel::<Bytes>(PIECES);
    let storing = tokio::task::spawn_blocking(move || attachments.store(&digest, &mut || arriving.blocking_recv()));
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = (&mut object).take(PIECE_BYTES as u64).read_to_end(&mut piece).await;
        // An object that breaks off has another digest.
        if read.map_err(|error| NatsError::server("reading an attachment's object", &error))? == 0 {
            break;
        }
        if pieces.send(piece.into()).await.is_err() {
            break;
        }
    }
    drop(pieces);
    storing.await.map_err(|error| NatsError::server("storing an attachment", &error))
}
