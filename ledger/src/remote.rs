//! Bytes elsewhere, for whoever asks from a command: read over HTTP or HTTPS, hashed while they arrive, and dropped.
//!
//! Promises a digest of all bytes of a successful answer, or an error; a limit for every wait. Never sends credentials,
//! except the token that a registry gives to anybody (the distribution specification's anonymous pull) and what
//! [`stores`](crate::stores) puts into a request of its own, and never used by a server: which address is read is the
//! asker's to decide.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Request, Uri, header},
};
use http_body_util::{BodyExt, Empty};
use hyper::{Response, body::Incoming};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};

/// How long any one step may take: a connection, an answer's head, the next piece of its body.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most redirections that are followed.
const MAX_REDIRECTIONS: usize = 5;

/// The largest answer of a registry's token service.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// What a registry may answer with: the manifest types of the OCI image and the Docker formats.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// How much of a store's refusal is looked at for its reason.
const MAX_REASON_BYTES: usize = 16 * 1024;

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Not an address that can be read.
    #[error("`{0}` is no address that can be read")]
    Address(String),
    /// An answer that is no success.
    #[error("it answered with status {0}")]
    Status(u16),
    /// A store's answer that is no success, with what it says about it.
    #[error("it answered with status {status}{told}")]
    Store {
        /// The status of HTTP.
        status: u16,
        /// Its own code and what follows from it, as the end of a sentence; empty where it gave no reason.
        told: String,
    },
    /// More redirections than are followed.
    #[error("it redirects more than {MAX_REDIRECTIONS} times")]
    Redirections,
    /// It took too long.
    #[error("it did not answer within {} s", PATIENCE.as_secs())]
    Slow,
    /// The connection.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The exchange.
    #[error("{0}")]
    Exchange(#[from] hyper::Error),
    /// The request.
    #[error("{0}")]
    Request(#[from] axum::http::Error),
}

/// SHA-256 of what an address holds, in hex.
pub fn sha256_of(url: &str) -> Result<String, RemoteError> {
    run(async { hash(get(url, &HeaderMap::new()).await?).await })
}

/// SHA-256 of the manifest that a registry has under a digest, in hex.
pub fn sha256_of_manifest(host: &str, repository: &str, sha256: &str) -> Result<String, RemoteError> {
    let (host, repository) = match (host, repository.contains('/')) {
        ("docker.io" | "index.docker.io", true) => ("registry-1.docker.io", repository.to_owned()),
        ("docker.io" | "index.docker.io", false) => ("registry-1.docker.io", format!("library/{repository}")),
        _ => (host, repository.to_owned()),
    };
    let name = host.split(':').next().unwrap_or_default();
    let scheme = if matches!(name, "localhost" | "127.0.0.1") { "http" } else { "https" };
    let url = format!("{scheme}://{host}/v2/{repository}/manifests/sha256:{sha256}");
    run(async {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(MANIFESTS));
        match get(&url, &headers).await {
            Ok(answer) => hash(answer).await,
            Err(Refused::Unauthorised(challenge)) => {
                let token = token(&challenge).await?;
                let value = HeaderValue::try_from(format!("Bearer {token}")).map_err(axum::http::Error::from)?;
                headers.insert(header::AUTHORIZATION, value);
                hash(get(&url, &headers).await?).await
            }
            Err(Refused::Other(error)) => Err(error),
        }
    })
}

/// SHA-256 of the object that a store gives for one request, in hex. It may be signed, so it is sent there and nowhere else:
/// a redirection is a refusal.
pub fn sha256_of_object(url: &str, headers: &HeaderMap) -> Result<String, RemoteError> {
    run(async {
        let at: Uri = url.parse().map_err(|_not_a_uri| RemoteError::Address(url.to_owned()))?;
        let answer = exchange(&at, headers).await?;
        if answer.status().is_success() { hash(answer).await } else { Err(refusal(answer).await?) }
    })
}

/// What a store says with a refusal: its code (`NoSuchKey`), and the region that a bucket is in, where it is another.
async fn refusal(answer: Response<Incoming>) -> Result<RemoteError, RemoteError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_word = |text: &&str| (1..=64).contains(&text.len()) && text.bytes().all(plain);
    let status = answer.status();
    let region = answer.headers().get("x-amz-bucket-region").and_then(|value| value.to_str().ok()).filter(is_word);
    let region = region.filter(|_region| matches!(status.as_u16(), 301 | 307 | 400));
    let region = region.map(|region| format!("; the bucket is in the region `{region}`: set AWS_REGION to it"));
    let bytes = body(answer, MAX_REASON_BYTES).await?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let code = text.split_once("<Code>").and_then(|(_before, rest)| rest.split_once("</Code>"));
    let code = code.map(|(code, _rest)| code).filter(is_word).map(|code| format!(" ({code})"));
    let told = code.unwrap_or_default() + &region.unwrap_or_default();
    Ok(RemoteError::Store { status: status.as_u16(), told })
}

fn run<T>(reading: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(reading)
}

/// Why there is no body.
enum Refused {
    /// It wants to know who asks; how, as it says.
    Unauthorised(String),
    Other(RemoteError),
}

impl From<RemoteError> for Refused {
    fn from(error: RemoteError) -> Self {
        Self::Other(error)
    }
}

impl From<Refused> for RemoteError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unauthorised(_challenge) => Self::Status(401),
            Refused::Other(error) => error,
        }
    }
}

/// A successful answer, after redirections. What was sent to one host is not sent to another.
async fn get(url: &str, headers: &HeaderMap) -> Result<Response<Incoming>, Refused> {
    let mut at: Uri = url.parse().map_err(|_not_a_uri| RemoteError::Address(url.to_owned()))?;
    let mut headers = headers.clone();
    for _redirection in 0..=MAX_REDIRECTIONS {
        let answer = exchange(&at, &headers).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = |name| answer.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if status.as_u16() == 401
            && let Some(challenge) = text(header::WWW_AUTHENTICATE)
        {
            return Err(Refused::Unauthorised(challenge.to_owned()));
        }
        let Some(place) = text(header::LOCATION).filter(|_place| status.is_redirection()) else {
            return Err(RemoteError::Status(status.as_u16()).into());
        };
        let next = resolved(&at, place).ok_or_else(|| RemoteError::Address(place.to_owned()))?;
        if next.authority() != at.authority() || next.scheme() != at.scheme() {
            headers.remove(header::AUTHORIZATION);
        }
        at = next;
    }
    Err(RemoteError::Redirections.into())
}

/// Where a redirection leads: an address, or a path of the same host.
fn resolved(base: &Uri, place: &str) -> Option<Uri> {
    if place.starts_with('/') && !place.starts_with("//") {
        return format!("{}://{}{place}", base.scheme_str()?, base.authority()?).parse().ok();
    }
    place.parse().ok().filter(|uri: &Uri| uri.scheme().is_some())
}

async fn exchange(at: &Uri, headers: &HeaderMap) -> Result<Response<Incoming>, RemoteError> {
    let wrong = || RemoteError::Address(at.to_string());
    let host = at.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
    let path = at.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    let authority = at.authority().ok_or_else(wrong)?.as_str();
    let mut request = Request::get(path).header(header::HOST, authority).body(Empty::<Bytes>::new())?;
    request.headers_mut().extend(headers.clone());
    let tls = match at.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(wrong()),
    };
    let port = at.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let stream = within(async { Ok(TcpStream::connect((host.as_str(), port)).await?) }).await?;
    if !tls {
        return send(TokioIo::new(stream), request).await;
    }
    let stream = within(async { Ok(secured(&host, stream).await?) }).await?;
    send(TokioIo::new(stream), request).await
}

/// TLS over a connection to a host, whose certificate has to be for that name, from an authority that the machine trusts.
pub(crate) async fn secured(host: &str, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let wrong = |error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error);
    let name = ServerName::try_from(host.to_owned()).map_err(wrong)?;
    TlsConnector::from(Arc::new(trusting())).connect(name, stream).await
}

/// The certificates that this machine trusts.
fn trusting() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let _counts = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

async fn send<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Response<Incoming>, RemoteError>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = within(async { Ok(hyper::client::conn::http1::handshake(stream).await?) }).await?;
    let _driving = tokio::spawn(connection);
    within(async { Ok(sender.send_request(request).await?) }).await
}

async fn within<T>(step: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
    timeout(PATIENCE, step).await.map_err(|_elapsed| RemoteError::Slow)?
}

async fn hash(answer: Response<Incoming>) -> Result<String, RemoteError> {
    let mut body = answer.into_body();
    let mut hasher = Sha256::new();
    while let Some(frame) = within(async { Ok(body.frame().await.transpose()?) }).await? {
        if let Some(piece) = frame.data_ref() {
            hasher.update(piece);
        }
    }
    Ok(hex::encode(hasher.finalize()))
}

/// A short body in whole; nothing where it is longer.
async fn body(answer: Response<Incoming>, most: usize) -> Result<Option<Vec<u8>>, RemoteError> {
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = within(async { Ok(body.frame().await.transpose()?) }).await? {
        bytes.extend(frame.data_ref().into_iter().flatten());
        if bytes.len() > most {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

/// The token that a registry's challenge leads to: `Bearer realm="…",service="…",scope="…"`.
async fn token(challenge: &str) -> Result<String, RemoteError> {
    let url = token_url(challenge).ok_or(RemoteError::Status(401))?;
    let bytes = body(get(&url, &HeaderMap::new()).await?, MAX_TOKEN_BYTES).await?.ok_or(RemoteError::Status(401))?;
    let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let token = ["token", "access_token"].iter().find_map(|name| answer.get(name)?.as_str());
    token.map(str::to_owned).ok_or(RemoteError::Status(401))
}

/// A text, percent-decoded (RFC 3986 section 2.1); nothing where that is no text.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.extend(hex::decode(digits).ok()?);
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).ok()
}

fn token_url(challenge: &str) -> Option<String> {
    let parameters = challenge.strip_prefix("Bearer ")?;
    let value = |name: &str| {
        let rest = parameters.split_once(&format!("{name}=\""))?.1;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in ["service", "scope"] {
        if let Some(value) = value(name) {
            query.append_pair(name, &value);
        }
    }
    Some(format!("{}?{}", value("realm")?, query.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_leads_to_the_token_service() {
        let challenge =
            r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull""#;
        let expected = "https://auth.example/token?service=registry.example&scope=repository%3Aa%2Fb%3Apull";
        assert_eq!(token_url(challenge).as_deref(), Some(expected));
        assert_eq!(token_url("Basic realm=\"x\""), None);
    }

    #[test]
    fn a_redirection_leads_to_an_address_or_a_path() {
        let base: Uri = "https://a.example/x?y".parse().unwrap();
        let at = |place| resolved(&base, place).map(|uri| uri.to_string());
        assert_eq!(at("/z"), Some("https://a.example/z".to_owned()));
        assert_eq!(at("http://b.example/z"), Some("http://b.example/z".to_owned()));
        assert_eq!(at("//b.example/z"), None);
        assert_eq!(at("z"), None);
    }
}
