//! How a command asks the ledger that is running in another process: HTTP over the local socket, one request at a time.
//!
//! Blocking, because commands are. Never retries: whether to ask again is the command's to decide.

use std::{
    io,
    path::{Path, PathBuf},
};

use axum::{body::Bytes, http::Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;

use crate::local;

/// Why a running ledger gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no ledger is running at {0}")]
    NotRunning(PathBuf),
    /// The socket failed.
    #[error("asking the ledger at {path}: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The exchange broke off.
    #[error("asking the ledger: {0}")]
    Exchange(#[from] hyper::Error),
    /// Not a path that can be asked for.
    #[error("asking for `{path}`: {source}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        source: axum::http::Error,
    },
}

/// The way to a running ledger.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// The ledger that listens on this socket; nothing if none does.
    pub fn connect(socket: &Path) -> Option<Self> {
        local::is_served(socket).then(|| Self { socket: socket.to_owned() })
    }

    /// Asks for a path; the HTTP status and the body.
    pub fn get(&self, path: &str) -> Result<(u16, Vec<u8>), ClientError> {
        self.send(path, Request::get(path).body(Full::default()))
    }

    /// Sends a body to a path; the HTTP status and the body of the answer.
    pub fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>), ClientError> {
        self.send(path, Request::post(path).header("content-type", content_type).body(Full::from(body)))
    }

    fn send(
        &self,
        path: &str,
        request: Result<Request<Full<Bytes>>, axum::http::Error>,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let mut request = request.map_err(|source| ClientError::Path { path: path.to_owned(), source })?;
        request.headers_mut().insert("host", axum::http::HeaderValue::from_static("localhost"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(self.failed())?.block_on(self.exchange(request))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(u16, Vec<u8>), ClientError> {
        let stream = local::connect(&self.socket).await.map_err(self.failed())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driving = tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        driving.abort();
        Ok((status, body.into()))
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> ClientError {
        let path = self.socket.clone();
        |source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NotRunning(path),
            _ => ClientError::Io { path, source },
        }
    }
}
