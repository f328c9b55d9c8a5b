//! How a command asks a ledger that runs elsewhere: HTTP over the local socket or to an address, one request at a time.
//!
//! Blocking, because commands are. Promises an end: an address that does not answer is given up. Never retries: whether
//! to ask again is the command's to decide.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{body::Bytes, http::Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::{local, remote};

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
    /// An address did not answer in time.
    #[error("{address} did not answer within {} s", PATIENCE.as_secs())]
    Slow {
        /// The address.
        address: String,
    },
    /// An address that can't be asked.
    #[error("asking {address}: {source}")]
    Address {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Not an address.
    #[error(
        "`{0}` is not the address of a ledger: http://HOST[:PORT][/PATH], or https where a proxy before it speaks TLS"
    )]
    NotAnAddress(String),
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
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    /// A local socket.
    Socket(PathBuf),
    /// A host with its port, and what goes before every path.
    Address { host: String, port: u16, base: String, is_secured: bool },
}

/// How long an address may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// The port of `http` where none is named (RFC 9110 section 4.2.1).
const PORT: u16 = 80;

/// The port of `https` where none is named (RFC 9110 section 4.2.2).
const SECURED_PORT: u16 = 443;

impl Client {
    /// The ledger that listens on this socket; nothing if none does.
    pub fn connect(socket: &Path) -> Option<Self> {
        local::is_served(socket).then(|| Self { way: Way::Socket(socket.to_owned()) })
    }

    /// The ledger at an address like `http://ledger.example:7311`, or `https://ledger.example`, whose certificate is checked.
    pub fn at(url: &str) -> Result<Self, ClientError> {
        let wrong = || ClientError::NotAnAddress(url.chars().take(200).collect());
        let uri: axum::http::Uri = url.parse().map_err(|_not_a_uri| wrong())?;
        let is_secured = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let host = uri.host().filter(|host| !host.is_empty() && uri.query().is_none());
        let host = host.ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if is_secured { SECURED_PORT } else { PORT });
        Ok(Self { way: Way::Address { host, port, base: uri.path().trim_end_matches('/').to_owned(), is_secured } })
    }

    /// Asks for a path; the HTTP status and the body.
    pub fn get(&self, path: &str) -> Result<(u16, Vec<u8>), ClientError> {
        let path = self.full(path);
        self.send(&path, Request::get(&path).body(Full::default()))
    }

    /// Sends a body to a path; the HTTP status and the body of the answer.
    pub fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>), ClientError> {
        let path = self.full(path);
        self.send(&path, Request::post(&path).header("content-type", content_type).body(Full::from(body)))
    }

    fn full(&self, path: &str) -> String {
        match &self.way {
            Way::Socket(_) => path.to_owned(),
            Way::Address { base, .. } => format!("{base}{path}"),
        }
    }

    fn host(&self) -> String {
        match &self.way {
            Way::Socket(_) => "localhost".to_owned(),
            Way::Address { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Way::Address { host, port, .. } => format!("{host}:{port}"),
        }
    }

    fn send(
        &self,
        path: &str,
        request: Result<Request<Full<Bytes>>, axum::http::Error>,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let named = |source| ClientError::Path { path: path.to_owned(), source };
        let mut request = request.map_err(named)?;
        let host = axum::http::HeaderValue::try_from(self.host()).map_err(|error| named(error.into()))?;
        request.headers_mut().insert("host", host);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(self.failed())?.block_on(self.exchange(request))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(u16, Vec<u8>), ClientError> {
        match &self.way {
            Way::Socket(path) => over(local::connect(path).await.map_err(self.failed())?, request).await,
            Way::Address { host, port, is_secured, .. } => {
                let asking = async {
                    let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(self.failed())?;
                    if *is_secured {
                        return over(remote::secured(host, stream).await.map_err(self.failed())?, request).await;
                    }
                    over(stream, request).await
                };
                let slow = |_elapsed| ClientError::Slow { address: self.host() };
                tokio::time::timeout(PATIENCE, asking).await.map_err(slow)?
            }
        }
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> ClientError {
        let (way, address) = (self.way.clone(), self.host());
        |source| match (way, source.kind()) {
            (Way::Socket(path), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                ClientError::NotRunning(path)
            }
            (Way::Socket(path), _) => ClientError::Io { path, source },
            (Way::Address { .. }, _) => ClientError::Address { address, source },
        }
    }
}

/// One request and its answer over an open stream.
async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Vec<u8>), ClientError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    driving.abort();
    Ok((status, body.into()))
}
