//! Request bodies, read with a limit and without waiting for ever.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
};
use http_body_util::BodyExt;

use super::status::Problem;

/// How long a body may pause.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of an unwanted body is read, so that its sender gets to read the answer.
const DRAIN_BYTES: usize = 64 * 1024 * 1024;

/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// The next piece of a body; nothing at its end.
pub(super) async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await;
        match frame.map_err(|_elapsed| Problem::Slow(PATIENCE))? {
            None => return Ok(None),
            Some(Err(error)) => return Err(Problem::Interrupted(error)),
            Some(Ok(frame)) => {
                // Trailers say nothing to us.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// A whole body of at most `limit` bytes.
pub(super) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    limit: usize,
    what: &'static str,
) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = next(&mut body).await? {
        if bytes.len() + piece.len() > limit {
            drain(headers, body).await;
            return Err(Problem::BodyTooLarge { limit, what });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Reads what is left of a body that nobody wants: a sender whose connection is closed while it sends may never see
/// the answer. One that asks first (`Expect`) sees it anyway.
pub(super) async fn drain(headers: &HeaderMap, mut body: Body) {
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let reading = async {
        let mut left = DRAIN_BYTES;
        while let Ok(Some(piece)) = next(&mut body).await
            && piece.len() <= left
        {
            left -= piece.len();
        }
    };
    if tokio::time::timeout(DRAIN_TIME, reading).await.is_err() {
        tracing::debug!("a body that nobody wants was not read to its end");
    }
}
