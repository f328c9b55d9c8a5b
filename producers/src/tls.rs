//! TLS for requests over HTTP: whom it trusts, and as whom it speaks.
//!
//! Only what somebody gave is trusted, never a list that came with a library. Promises that a server whose certificate is
//! not by a given authority is an error before anything is said to it.

use std::{fs, io, path::Path, sync::Arc};

use async_nats::rustls::crypto::ring;
use ureq::tls::{ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// Why there is no TLS with these files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read.
    #[error("{path}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it must.
    #[error("{path} holds no {what} in PEM")]
    Pem {
        /// The file.
        path: String,
        /// What it must hold.
        what: &'static str,
    },
}

/// For what is spoken in the clear: a redirect to a server with TLS leads nowhere.
pub fn trusting_nobody() -> TlsConfig {
    trusting(&[], None)
}

/// PEM, with what it is called where it is wrong.
#[derive(Debug, Clone)]
pub struct Pem {
    /// A path, or a member of a file.
    pub name: String,
    /// The text.
    pub text: Vec<u8>,
}

impl Pem {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        let name = path.display().to_string();
        let text = fs::read(path).map_err(|source| TlsError::File { path: name.clone(), source })?;
        Ok(Self { name, text })
    }

    fn certificates(&self) -> Result<Vec<ureq::tls::Certificate<'static>>, TlsError> {
        let certificate = |item| if let PemItem::Certificate(certificate) = item { Some(certificate) } else { None };
        let found: Vec<_> = parse_pem(&self.text).filter_map(Result::ok).filter_map(certificate).collect();
        if found.is_empty() { Err(self.lacks("certificate")) } else { Ok(found) }
    }

    fn private_key(&self) -> Result<PrivateKey<'static>, TlsError> {
        PrivateKey::from_pem(&self.text).map_err(|_none| self.lacks("private key"))
    }

    fn lacks(&self, what: &'static str) -> TlsError {
        TlsError::Pem { path: self.name.clone(), what }
    }
}

/// Trusts these authorities, and shows a client's certificate, if one is given with its key.
pub fn trusting_only(ca: &Pem, client: Option<(&Pem, &Pem)>) -> Result<TlsConfig, TlsError> {
    let client = client
        .map(|(certificate, key)| Ok(ClientCert::new_with_certs(&certificate.certificates()?, key.private_key()?)));
    Ok(trusting(&ca.certificates()?, client.transpose()?))
}

fn trusting(authorities: &[ureq::tls::Certificate<'static>], client: Option<ClientCert>) -> TlsConfig {
    TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(authorities))
        .client_cert(client)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build()
}
