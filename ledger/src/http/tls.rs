//! TLS for the public address: API servers and Gatekeeper ask over nothing else.
//!
//! Promises that a connection is handed on only once its handshake is done, and that one that is slow at it holds up no
//! other. Never asks for a client's certificate: what a request may do is decided by signatures. (RFC 8446)

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::serve::Listener;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject as _},
        },
    },
    server::TlsStream,
};

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many handshakes may be under way; further connections wait to be accepted.
const HANDSHAKES: usize = 256;

/// The pause after a connection could not be accepted, as when files run out.
const PAUSE: Duration = Duration::from_secs(1);

/// Why TLS can't be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or holds no PEM of its kind.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: pem::Error,
    },
    /// There is no certificate.
    #[error("{0} holds no certificate")]
    Empty(String),
    /// The two do not belong together, or are of a kind that can't be used.
    #[error("the certificate and the key: {0}")]
    Pair(#[from] rustls::Error),
}

/// A certificate, the chain behind it, and its key.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads PEM files: the certificate with those that certify it, and its private key.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let wrong = |path: &Path| {
            let path = path.display().to_string();
            |error| TlsError::File { path, error }
        };
        let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(wrong(certificate))?;
        if chain.is_empty() {
            return Err(TlsError::Empty(certificate.display().to_string()));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(wrong(key))?;
        let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Speaks TLS on what a listener accepts.
    pub(super) fn over(self, tcp: TcpListener) -> io::Result<Secured> {
        let address = tcp.local_addr()?;
        let (sender, accepted) = mpsc::channel(1);
        let _accepting = tokio::spawn(accept(tcp, self.0, sender));
        Ok(Secured { accepted, address })
    }
}

/// Connections whose handshake is done.
pub(super) struct Secured {
    accepted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            // The task that accepts ends after this one.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Accepts connections until nobody takes them.
async fn accept(tcp: TcpListener, tls: TlsAcceptor, sender: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    let under_way = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let accepting = async {
            let turn = under_way.clone().acquire_owned().await;
            (turn, tcp.accept().await)
        };
        let (turn, accepted) = tokio::select! {
            () = sender.closed() => return,
            accepted = accepting => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (tls, sender) = (tls.clone(), sender.clone());
        let _shaking = tokio::spawn(async move {
            let stream = shake(stream, tls).await;
            drop(turn);
            match stream {
                Ok(stream) => drop(sender.send((stream, from)).await),
                Err(error) => tracing::debug!(%from, %error, "a handshake failed"),
            }
        });
    }
}

async fn shake(stream: TcpStream, tls: TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    tokio::time::timeout(PATIENCE, tls.accept(stream)).await?
}
