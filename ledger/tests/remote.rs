//! Bytes elsewhere, read by a command: over HTTP with redirections, a registry's manifest behind its anonymous token, objects
//! of stores that check who asks.

#![expect(clippy::unwrap_used, reason = "a test fails where it breaks")]

#[path = "remote/stores.rs"]
mod stores;

use std::net::SocketAddr;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use lineal_ledger::remote::{RemoteError, sha256_of, sha256_of_manifest};
use lineal_schemas::digest::sha256;

const MODEL: &str = "weights";
const MANIFEST: &str = r#"{"schemaVersion":2}"#;

fn hash(text: &str) -> String {
    hex::encode(sha256(text.as_bytes()))
}

async fn manifest(State(at): State<SocketAddr>, headers: HeaderMap) -> Response {
    let accepts = |kind| headers.get(header::ACCEPT).is_some_and(|value| value.to_str().unwrap().contains(kind));
    if !accepts("vnd.oci.image.manifest.v1+json") {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value != "Bearer for-anybody") {
        let challenge = format!(r#"Bearer realm="http://{at}/token",service="r",scope="repository:team/serve:pull""#);
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
    }
    MANIFEST.into_response()
}

fn served() -> SocketAddr {
    let (listener, at) = bound();
    let app = Router::new()
        .route("/model", get(|| async { MODEL }))
        .route("/moved", get(|| async { Redirect::temporary("/model") }))
        .route("/circle", get(|| async { Redirect::temporary("/circle") }))
        .route("/token", get(|| async { r#"{"token":"for-anybody"}"# }))
        .route(&format!("/v2/team/serve/manifests/sha256:{}", hash(MANIFEST)), get(manifest))
        .with_state(at);
    serve(listener, app);
    at
}

/// A port of its own.
fn bound() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// Serves as long as the test's process lives.
fn serve(listener: std::net::TcpListener, app: Router) {
    let _server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime
            .block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap() });
    });
}

#[test]
fn what_an_address_holds_is_hashed_in_whole() {
    let at = served();
    for path in ["model", "moved"] {
        assert_eq!(sha256_of(&format!("http://{at}/{path}")).unwrap(), hash(MODEL), "{path}");
    }
    assert!(matches!(sha256_of(&format!("http://{at}/gone")), Err(RemoteError::Status(404))));
    assert!(matches!(sha256_of(&format!("http://{at}/circle")), Err(RemoteError::Redirections)));
    assert!(matches!(sha256_of("ftp://127.0.0.1/x"), Err(RemoteError::Address(_))));
    assert!(sha256_of(&format!("https://{at}/model")).is_err(), "no TLS is spoken there, and none is left out");
}

#[test]
fn a_manifest_is_read_with_the_token_that_a_registry_gives_to_anybody() {
    let at = served();
    assert_eq!(sha256_of_manifest(&at.to_string(), "team/serve", &hash(MANIFEST)).unwrap(), hash(MANIFEST));
    let other = sha256_of_manifest(&at.to_string(), "team/serve", &hash("other"));
    assert!(matches!(other, Err(RemoteError::Status(404))), "{other:?}");
}
