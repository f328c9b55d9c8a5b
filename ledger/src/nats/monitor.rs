//! Whether the servers sync each message before they acknowledge it, which only their monitoring port says.
//!
//! Nothing depends on the answer: a receipt is the one durability that is promised. But where the server does not sync, a
//! power cut costs resends that an operator may not expect.

use std::time::Duration;

use axum::http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// The port that servers use unless told otherwise.
const MONITORING_PORT: u16 = 8222;

/// The largest answer that is read.
const MAX_BYTES: usize = 1024 * 1024;

/// How long it may take to answer: the ledger serves nobody meanwhile.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks `http://HOST:PORT/varz`; whether it syncs always, or why that is not known.
pub(super) async fn syncs_always(monitor: &str) -> Result<bool, String> {
    let answer = tokio::time::timeout(TIMEOUT, varz(monitor)).await;
    let answer = answer.map_err(|_late| format!("{monitor}: no answer in {} seconds", TIMEOUT.as_secs()))?;
    let answer: Value = serde_json::from_slice(&answer?).map_err(|error| format!("{monitor}: {error}"))?;
    let config =
        answer.pointer("/jetstream/config").ok_or_else(|| format!("{monitor}: JetStream is not enabled there"))?;
    Ok(config.get("sync_always").and_then(Value::as_bool).unwrap_or(false))
}

async fn varz(monitor: &str) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn std::error::Error| format!("{monitor}: {}", super::chain(error));
    let url: Uri = monitor.parse().map_err(|_error| format!("{monitor}: it is http://HOST:PORT"))?;
    let (Some(host), Some("http")) = (url.host(), url.scheme_str()) else {
        return Err(format!("{monitor}: it is http://HOST:PORT"));
    };
    let port = url.port_u16().unwrap_or(MONITORING_PORT);
    let stream = TcpStream::connect((host, port)).await.map_err(|error| failed(&error))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
    let driving = tokio::spawn(connection);
    let request = Request::get("/varz").header("host", host).body(Empty::<axum::body::Bytes>::new());
    let response =
        sender.send_request(request.map_err(|error| failed(&error))?).await.map_err(|error| failed(&error))?;
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await.map_err(|error| failed(&*error))?;
    driving.abort();
    Ok(body.to_bytes().into())
}
