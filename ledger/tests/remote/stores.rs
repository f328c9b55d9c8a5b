//! Objects of stores, from servers that check who asks: of S3 by the signature, made again by code of its own from
//! "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)"; of Cloud Storage by nothing, as its emulators.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use lineal_ledger::{
    clock::Clock,
    stores::{StoreError, Stores},
};
use lineal_schemas::{digest::sha256, timestamp::Timestamp};

use super::{MODEL, RemoteError, bound, hash, serve};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// HMAC-SHA256 (RFC 2104); no key here is longer than a block.
fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let pad = |of: u8| (0..64).map(move |at| key.get(at).copied().unwrap_or_default() ^ of);
    let inner = sha256(&pad(0x36).chain(text.bytes()).collect::<Vec<_>>());
    sha256(&pad(0x5c).chain(inner).collect::<Vec<_>>())
}

/// What a query must be signed with: the canonical request from what was received, decoded and encoded again.
fn signature(uri: &Uri, host: &str, query: &BTreeMap<String, String>) -> String {
    let encoded = |text: &str, plain: &[u8]| -> String {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || plain.contains(byte);
        text.bytes()
            .map(|byte| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    let path = percent_decoded(uri.path());
    let signed = query.iter().filter(|(name, _value)| *name != "X-Amz-Signature");
    let pairs: Vec<String> =
        signed.map(|(name, value)| format!("{}={}", encoded(name, b""), encoded(value, b""))).collect();
    let request = format!("GET\n{}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", encoded(&path, b"/"), pairs.join("&"));
    let (_key, scope) = query["X-Amz-Credential"].split_once('/').unwrap();
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", query["X-Amz-Date"], hash(&request));
    let key = scope.split('/').fold(format!("AWS4{SECRET}").into_bytes(), |key, part| hmac(&key, part).to_vec());
    hex::encode(hmac(&key, &text))
}

fn percent_decoded(text: &str) -> String {
    // A plus is a plus in a path.
    let query = format!("x={}", text.replace('+', "%2B"));
    form_urlencoded::parse(query.as_bytes()).next().unwrap().1.into_owned()
}

/// Everything that was asked for, with what it was asked with.
type Asked = Arc<Mutex<Vec<String>>>;

async fn object(State(asked): State<Asked>, uri: Uri, headers: HeaderMap) -> Response {
    asked.lock().unwrap().push(format!("{uri} {headers:?}"));
    let query: BTreeMap<String, String> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let host = headers[header::HOST].to_str().unwrap();
    let no = |status: StatusCode, code: &str| {
        (status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>")).into_response()
    };
    match percent_decoded(uri.path()).as_str() {
        "/public/model" => return MODEL.into_response(),
        "/moved/model" => {
            let place =
                [(header::LOCATION, "/public/model"), (header::HeaderName::from_static("x-amz-bucket-region"), "eu-2")];
            return (StatusCode::TEMPORARY_REDIRECT, place).into_response();
        }
        _ => {}
    }
    if query.get("X-Amz-Credential").is_none_or(|scope| scope != "AKIDEXAMPLE/20261122/eu-1/s3/aws4_request") {
        return no(StatusCode::FORBIDDEN, "AccessDenied");
    }
    let expected =
        [("X-Amz-Date", "20261122T101500Z"), ("X-Amz-Expires", "900"), ("X-Amz-Algorithm", "AWS4-HMAC-SHA256")];
    let is_now = expected.iter().all(|(name, value)| query.get(*name).is_some_and(|own| own == value));
    if !is_now || query["X-Amz-Signature"] != signature(&uri, host, &query) {
        return no(StatusCode::FORBIDDEN, "SignatureDoesNotMatch");
    }
    match (percent_decoded(uri.path()).as_str(), query.get("versionId").map(String::as_str)) {
        ("/models/a/f\u{fc}r +$&' 42", None) => MODEL.into_response(),
        ("/models/a/f\u{fc}r +$&' 42", Some("old/1")) => "older weights".into_response(),
        _ => no(StatusCode::NOT_FOUND, "NoSuchKey"),
    }
}

#[derive(Debug)]
struct Standing;

impl Clock for Standing {
    fn wall(&self) -> Timestamp {
        Timestamp::from_rfc3339("2026-11-22T10:15:00Z").unwrap()
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

fn stores(variables: &[(&str, &str)]) -> Stores {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Stores::new(variables, Box::new(Standing))
}

fn store() -> (String, Asked) {
    let (listener, at) = bound();
    let asked = Asked::default();
    serve(listener, Router::new().fallback(object).with_state(Arc::clone(&asked)));
    (format!("http://{at}"), asked)
}

const KEY: &str = "s3://models/a/f%C3%BCr%20+$&'%2042";

#[test]
fn an_object_is_read_by_who_may_read_it() {
    let (at, _asked) = store();
    let account = |secret, token| {
        let named =
            [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_SESSION_TOKEN", token)];
        stores(&[&named[..], &[("AWS_REGION", "eu-1"), ("AWS_ENDPOINT_URL", &at)]].concat())
    };
    let known = account(SECRET, "");
    assert_eq!(known.sha256_of(KEY).unwrap(), hash(MODEL));
    assert_eq!(known.sha256_of(&format!("{KEY}?versionId=old/1")).unwrap(), hash("older weights"));
    assert_eq!(account(SECRET, "to/ken+=").sha256_of(KEY).unwrap(), hash(MODEL), "with the token of a session");
    let told = |stores: &Stores, place: &str| stores.sha256_of(place).unwrap_err().to_string();
    assert_eq!(told(&known, "s3://models/gone"), "it answered with status 404 (NoSuchKey)");
    assert_eq!(told(&account("wrong", ""), KEY), "it answered with status 403 (SignatureDoesNotMatch)");
    let anybody = stores(&[("AWS_ENDPOINT_URL", &at), ("HOME", "/nonexistent")]);
    assert_eq!(anybody.sha256_of("s3://public/model").unwrap(), hash(MODEL));
    let refused = told(&anybody, KEY);
    assert!(refused.contains("(AccessDenied), and no account is set: AWS_ACCESS_KEY_ID"), "{refused}");
    let cloud = stores(&[("STORAGE_EMULATOR_HOST", &at)]);
    assert_eq!(cloud.sha256_of("gs://public/model").unwrap(), hash(MODEL));
    assert!(told(&cloud, "gs://models/gone").contains("no account is set: GOOGLE_OAUTH_ACCESS_TOKEN"));
}

/// A signature, and the token of a session with it, would go wherever a store sends its reader.
#[test]
fn a_signed_request_is_sent_on_to_nobody_and_shown_to_nobody() {
    let (at, asked) = store();
    let account =
        [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", "hidden")];
    let known = stores(&[&account[..], &[("AWS_REGION", "eu-1"), ("AWS_ENDPOINT_URL", &at)]].concat());
    let error = known.sha256_of("s3://moved/model").unwrap_err();
    assert!(matches!(&error, StoreError::Remote(RemoteError::Store { status: 307, .. })), "{error:?}");
    assert_eq!(
        error.to_string(),
        "it answered with status 307; the bucket is in the region `eu-2`: set AWS_REGION to it"
    );
    let asked = asked.lock().unwrap();
    assert!(asked.len() == 1 && !asked[0].contains(SECRET), "{asked:?}");
    let nowhere = stores(&[&account[..], &[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]].concat());
    let error = nowhere.sha256_of("s3://models/42").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("X-Amz") && !format!("{error:?}").contains("hidden"), "{error:?}");
}
