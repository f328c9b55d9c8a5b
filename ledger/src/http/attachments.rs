//! `PUT` and `GET /attachments/<sha256>`: the bytes that events name, streamed both ways.
//!
//! Stored only once a committed event names the digest, so that nobody fills the disk with what the history knows
//! nothing of; before saying that none does, the index is given time to catch up.

use std::io;

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use http_body_util::channel::{Channel, Sender};
use lineal_schemas::digest::EventDigest;
use tokio::{
    fs::File,
    io::{AsyncReadExt, BufReader},
    sync::mpsc,
};

use super::{
    App, blocking, body, caught_up, digest_of,
    status::{Problem, respond},
};
use crate::attachments::{AttachmentError, MAX_ATTACHMENT_BYTES};

/// How many attachments may arrive at a time; others wait.
pub(super) const UPLOADS_AT_ONCE: usize = 16;

/// Pieces on their way between the connection and the disk.
const PIECES: usize = 16;

const PIECE_BYTES: usize = 64 * 1024;

pub(super) async fn put(
    State(app): State<App>,
    Path(digest): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let digest = match admit(&app, &digest, &headers).await {
        Ok(digest) => digest,
        Err(problem) => {
            body::drain(&headers, body).await;
            return Err(problem);
        }
    };
    // Nobody closes the semaphore, so this only waits for its turn.
    let _turn = app.uploads.acquire().await;
    let was_there = app.attachments.has(&digest);
    let length = receive(&app, digest, &headers, body).await?;
    let status = if was_there { StatusCode::OK } else { StatusCode::CREATED };
    let stored = serde_json::json!({"attachment": digest, "size": length});
    Ok(respond(status, "application/json", format!("{stored}\n")))
}

async fn admit(app: &App, digest: &str, headers: &HeaderMap) -> Result<EventDigest, Problem> {
    let digest = digest_of(digest)?;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_ATTACHMENT_BYTES) {
        return Err(AttachmentError::TooLarge.into());
    }
    if is_named(app, digest).await? {
        return Ok(digest);
    }
    caught_up(app).await?;
    if is_named(app, digest).await? { Ok(digest) } else { Err(Problem::UnnamedAttachment(digest)) }
}

async fn is_named(app: &App, digest: EventDigest) -> Result<bool, Problem> {
    let index = app.ledger.view.index.clone();
    blocking(move || Ok(index.attachment(&digest.to_string())?.is_some())).await
}

/// Takes the body in: this task reads, another thread hashes and writes.
async fn receive(app: &App, digest: EventDigest, headers: &HeaderMap, mut body: Body) -> Result<u64, Problem> {
    let (pieces, mut arriving) = mpsc::channel::<Bytes>(PIECES);
    let app = app.clone();
    // A body that breaks off ends like any other here, but has another digest.
    let storing = blocking(move || Ok(app.attachments.store(&digest, &mut || arriving.blocking_recv())?));
    let storing = tokio::spawn(storing);
    let mut broken = None;
    loop {
        match body::next(&mut body).await {
            Ok(None) => break,
            Ok(Some(piece)) => {
                // The other side has given up, and says below why.
                if pieces.send(piece).await.is_err() {
                    body::drain(headers, body).await;
                    break;
                }
            }
            Err(problem) => {
                broken = Some(problem);
                break;
            }
        }
    }
    drop(pieces);
    let stored = storing.await?;
    broken.map_or(stored, Err)
}

pub(super) async fn get(State(app): State<App>, Path(digest): Path<String>) -> Result<Response, Problem> {
    let digest = digest_of(&digest)?;
    let file = match File::open(app.attachments.path(&digest)).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Problem::NoSuchAttachment(digest)),
        opened => opened?,
    };
    let length = file.metadata().await?.len();
    let (sender, channel) = Channel::<Bytes, io::Error>::new(PIECES);
    tokio::spawn(send(file, sender));
    let mut response = respond(StatusCode::OK, "application/octet-stream", Body::new(channel));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

async fn send(file: File, mut sender: Sender<Bytes, io::Error>) {
    let mut file = BufReader::with_capacity(PIECE_BYTES, file);
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        match (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).await {
            Ok(0) => return,
            Ok(_count) => {
                // The reader went away.
                if sender.send_data(piece.into()).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "an attachment could not be read to its end");
                sender.abort(error);
                return;
            }
        }
    }
}
