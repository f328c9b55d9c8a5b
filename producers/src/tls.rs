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

/// Trusts the authorities in a file, and shows a client's certificate, if one is given with its key.
pub fn from_files(ca: &Path, client: Option<(&Path, &Path)>) -> Result<TlsConfig, TlsError> {
    let authorities = certificates(ca)?;
    let client = client.map(|(certificate, key)| {
        let private = PrivateKey::from_pem(&read(key)?);
        let private = private.map_err(|_none| TlsError::Pem { path: shown(key), what: "private key" })?;
        Ok(ClientCert::new_with_certs(&certificates(certificate)?, private))
    });
    Ok(trusting(&authorities, client.transpose()?))
}

fn trusting(authorities: &[ureq::tls::Certificate<'static>], client: Option<ClientCert>) -> TlsConfig {
    TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(authorities))
        .client_cert(client)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build()
}

fn certificates(path: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>, TlsError> {
    let pem = read(path)?;
    let certificate = |item| if let PemItem::Certificate(certificate) = item { Some(certificate) } else { None };
    let found: Vec<_> = parse_pem(&pem).filter_map(Result::ok).filter_map(certificate).collect();
    if found.is_empty() { Err(TlsError::Pem { path: shown(path), what: "certificate" }) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File { path: shown(path), source })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
