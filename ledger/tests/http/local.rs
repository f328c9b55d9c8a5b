//! Attachments, health, answers, and the local socket.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    sync::{Arc, atomic::AtomicI64},
};

use lineal_ledger::{
    answers::{self, Known, When},
    client::{Client, ClientError},
    data_dir::{self, Beginning, DataDir},
    http::{Server, Serving},
    ledger::{Ledger, Settings, read_only},
};
use lineal_schemas::{digest::EventDigest, dsse::Signed, timestamp::Timestamp};
use serde_json::json;
use tokio::sync::oneshot;

use crate::served::{ORIGIN, SUBJECT, Served, StoppedClock, key};

#[test]
fn an_attachment_is_stored_once_an_event_names_it_and_only_as_it_was_named() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let listing: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_be_bytes).collect();
    let digest = EventDigest::of(&listing);
    let path = format!("/attachments/{digest}");
    let early = served.ask("PUT", &path, &[], &listing);
    assert_eq!((early.status, early.header("lineal-error")), (404, Some("unnamed-attachment")));
    assert!(early.text().contains("no committed event names the attachment"));
    let data = json!({
        "dataset": {"digest": {"sha256": EventDigest::of(b"")}},
        "attachments": [{"role": "listing", "digest": {"sha256": digest}, "size": listing.len(), "mediaType": "text/plain"}],
    });
    let event = served.post(&source.says("dataset.snapshotted", SUBJECT, &data));
    assert_eq!(event.status, 201, "{}", event.text());
    assert_eq!(served.get(&path).header("lineal-error"), Some("no-such-attachment"));
    let changed = served.ask("PUT", &path, &[], &listing[1..]);
    assert_eq!((changed.status, changed.header("lineal-error")), (422, Some("attachment-digest")));
    assert_eq!(served.get(&path).status, 404);
    let stored = served.ask("PUT", &path, &[], &listing);
    assert_eq!((stored.status, stored.json()), (201, json!({"attachment": digest, "size": listing.len()})));
    assert_eq!(served.ask("PUT", &path, &[], &listing).status, 200);
    assert!(served.found(&path) == listing);
    let hex = digest.to_string();
    assert!(fs::read(served.dir().root().join("attachments").join(&hex[..2]).join(&hex)).unwrap() == listing);
    assert_eq!(served.get("/attachments/ABC").status, 400);
    let mut stream = TcpStream::connect(served.address).unwrap();
    let asks_first = "host: t\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 1073741825";
    write!(stream, "PUT {path} HTTP/1.1\r\n{asks_first}\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
}

/// Only the corrected event's own attachments were taken: the listing that a correction put in their place was not.
#[test]
fn an_attachment_that_only_a_correction_names_is_stored() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let snapshot = source.snapshot();
    assert_eq!(served.post(&snapshot).status, 201);
    let listing = b"the right one";
    let digest = EventDigest::of(listing);
    let data = json!({
        "dataset": {"digest": {"sha256": EventDigest::of(b"")}},
        "attachments": [{"role": "listing", "digest": {"sha256": digest}, "size": listing.len()}],
    });
    let correction = json!({"corrects": snapshot.digest(), "data": data});
    let corrected = served.post(&source.says("record.corrected", SUBJECT, &correction));
    assert_eq!(corrected.status, 201, "{}", corrected.text());
    let path = format!("/attachments/{digest}");
    assert_eq!(served.ask("PUT", &path, &[], listing).status, 201);
    assert_eq!(served.found(&path), listing);
}

#[test]
fn it_says_how_it_is() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    served.post(&source.snapshot());
    served.post(&Signed { signatures: Vec::new(), ..source.snapshot() });
    served.ledger.wait_for_index();
    assert_eq!(served.found("/healthz"), b"ok\n");
    let ready = served.get("/readyz").json();
    let expected = json!({"ready": true, "size": 3, "checkpointAgeMs": 0, "indexSize": 3, "indexLag": 0,
        "indexFailed": null, "intakeStopped": null, "damaged": false});
    assert_eq!(ready, expected);
    let metrics = served.get("/metrics").text();
    for line in [
        "lineal_entries 3\n",
        "lineal_batches 3\n",
        "lineal_index_lag 0\n",
        "lineal_events_total{outcome=\"committed\"} 2\n",
        "lineal_events_total{outcome=\"refused\"} 1\n",
        "lineal_quarantined_total{code=\"unsigned\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(served.get("/").text().contains("POST /events"));
    served.ledger.stop_intake("a flipped byte".to_owned());
    let ready = served.get("/readyz");
    assert_eq!((ready.status, &ready.json()["damaged"]), (503, &json!(true)));
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn a_command_learns_the_head_of_a_source() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let head = |name: &str| served.get(&format!("/v1/source?name={name}")).json();
    assert_eq!(head("https%3A//nobody.example"), json!({"sequence": 0, "digest": null}));
    let event = source.snapshot();
    served.post(&event);
    assert_eq!(head("https%3A%2F%2Fci.example/payments/10"), json!({"sequence": 1, "digest": event.digest()}));
    assert_eq!(served.get("/v1/source").status, 400);
}

#[test]
fn answers_are_documents_and_a_question_about_nothing_says_so() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let event = source.snapshot();
    served.post(&event);
    let trace = served.get("/v1/trace?x=dataset%2Fpayments%2Ftransactions");
    assert_eq!((trace.status, trace.header("content-type")), (200, Some("application/json")), "{}", trace.text());
    assert!(trace.json().is_object());
    assert!(served.get("/v1/running?env=prod").json().is_object());
    let entry = served.get("/v1/entries/2");
    assert!(entry.text().contains(&event.digest().to_string()));
    assert_eq!(served.get(&format!("/v1/entries/{}", event.digest())).body, entry.body);
    let nothing = served.get("/v1/trace?x=model/payments/nothing");
    assert_eq!((nothing.status, nothing.header("lineal-error")), (404, Some("unknown-name")));
    assert_eq!(served.get("/v1/entries/99").status, 404);
    assert_eq!(served.get("/v1/trace").status, 400);
}

/// The same question has the same JSON over the address, over the socket, and over the folder.
#[test]
fn a_moment_is_the_same_over_every_road() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    served.post(&source.snapshot());
    let view = read_only(&served.dir()).unwrap();
    let now = served.ledger.now();
    let roads = [Client::at(&format!("http://{}", served.address)).unwrap(), served.client()];
    let time = now.to_string();
    for (query, when) in [
        ("knownAt=2".to_owned(), When { known: Some(Known::Entry(2)), ..now.into() }),
        (format!("at={time}&knownAt=%231"), When { at: Some(now), known: Some(Known::Entry(1)), now }),
        (format!("at={time}"), When { at: Some(now), ..now.into() }),
    ] {
        let asked = |path: &str| {
            roads.each_ref().map(|road| {
                let (status, body) = road.get(&format!("{path}{query}")).unwrap();
                assert_eq!(status, 200, "{path}{query}: {}", String::from_utf8_lossy(&body));
                serde_json::from_slice::<serde_json::Value>(&body).unwrap()
            })
        };
        let same = |found: [serde_json::Value; 2], expected: serde_json::Value| {
            assert_eq!(found, [expected.clone(), expected], "{query}");
        };
        same(asked("/v1/running?"), json!(answers::running(&view, None, when).unwrap()));
        same(asked("/v1/keys?"), answers::keys(&view, when).unwrap());
        same(asked("/v1/findings?"), json!(answers::findings(&view, None, None, when).unwrap()));
        same(asked("/v1/explain?x=1&"), json!(answers::explain(&view, "1", when).unwrap()));
        let impact = answers::key_impact(&view, "payments-ci", Some(Timestamp::MIN), when).unwrap();
        same(asked(&format!("/v1/key-impact?x=payments-ci&since={}&", Timestamp::MIN)), json!(impact));
        same(asked("/v1/entries/1?"), json!(answers::get(&view, "1", when).unwrap()));
        if query != format!("at={time}&knownAt=%231") {
            let x = format!("x={SUBJECT}&");
            same(asked(&format!("/v1/trace?{x}")), json!(answers::trace(&view, SUBJECT, when).unwrap()));
            same(asked(&format!("/v1/windows?{x}")), json!(answers::windows(&view, SUBJECT, when).unwrap()));
            let diff = answers::diff(&view, SUBJECT, Some(SUBJECT), when).unwrap();
            same(asked(&format!("/v1/diff?y={SUBJECT}&{x}")), json!(diff));
            let slice = answers::slice_of(["country=BR"]).unwrap();
            let evals = answers::evals(&view, SUBJECT, &slice, when).unwrap();
            same(asked(&format!("/v1/evals?slice=country%3DBR&{x}")), json!(evals));
            let bounds = (Some(Timestamp::MIN), Some(now));
            let timeline = answers::timeline(&view, SUBJECT, bounds, when).unwrap();
            same(asked(&format!("/v1/timeline?from={}&to={time}&{x}", Timestamp::MIN)), json!(timeline));
        }
    }
    for (path, status, code) in [
        ("/v1/running?at=tomorrow", 400, "malformed-moment"),
        ("/v1/running?at=9999-01-01", 400, "moment-in-the-future"),
        ("/v1/running?knownAt=1999-01-01", 404, "before-the-record"),
        ("/v1/running?knownAt=4711", 404, "no-such-entry"),
        ("/v1/findings?severity=urgent", 400, "unknown-severity"),
        ("/v1/explain?x=f-000000000000", 404, "unknown-name"),
        ("/v1/key-impact?x=payments-ci&since=tomorrow", 400, "malformed-moment"),
        ("/v1/schemas/none.v1.json", 404, "no-such-path"),
        ("/v1/diff?x=dataset/payments/transactions", 409, "nothing-to-compare"),
        ("/v1/rollback-plan?x=dataset/payments/transactions", 409, "not-a-service"),
        ("/v1/rollback-plan?x=dataset/payments/transactions&minRun=soon", 400, "not-a-number"),
        ("/v1/rollback-plan", 400, "missing-parameter"),
        ("/v1/evals?x=dataset/payments/transactions&slice=BR", 400, "malformed-slice"),
    ] {
        let reply = served.get(path);
        assert_eq!((reply.status, reply.header("lineal-error")), (status, Some(code)), "{path}");
    }
    let schema = served.get("/v1/schemas/running.v1.json");
    assert_eq!(schema.header("content-type"), Some("application/schema+json"));
    for wrong in ["ftp://ledger.example", "https://", "ledger.example:7311", "http://", "http://h/?x=1"] {
        assert!(matches!(Client::at(wrong), Err(ClientError::NotAnAddress(_))), "{wrong}");
    }
}

#[test]
fn the_socket_is_its_owner_s_and_outlives_no_server() {
    let served = Served::start();
    let socket = served.dir().socket();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(served.client().get("/healthz").unwrap(), (200, b"ok\n".to_vec()));
    let (folder, trust, root) = served.stop();
    assert!(!socket.exists());
    assert!(Client::connect(&socket).is_none());
    // What a killed process leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(Client::connect(&socket).is_none());
    let served = Served::open(folder, trust, root, Timestamp::from_millis(1_795_000_000_000));
    let client = served.client();
    assert_eq!(client.get("/readyz").unwrap().0, 200);
    served.stop();
    assert!(matches!(client.get("/healthz"), Err(ClientError::NotRunning(_))));
}

#[test]
fn a_data_directory_deep_down_has_a_socket_too() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(90)).join("data");
    fs::create_dir_all(deep.parent().unwrap()).unwrap();
    let now = Timestamp::from_millis(1_795_000_000_000);
    data_dir::init(&Beginning { dir: &deep, origin: ORIGIN, roots: &[key(1)], threshold: 1, key: &key(200), now })
        .unwrap();
    let dir = DataDir::find(&deep).unwrap();
    let clock = Arc::new(StoppedClock(AtomicI64::new(now.as_millis())));
    let ledger = Arc::new(Ledger::open(&dir, clock, Settings { mirror: None, follow: true }).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::bind(ledger, &dir, Serving::default())).unwrap();
    assert_eq!(server.address(), None);
    let (stop, stopped) = oneshot::channel::<()>();
    let running = runtime.spawn(server.run(async move { stopped.await.unwrap_or_default() }));
    assert_eq!(Client::connect(&dir.socket()).unwrap().get("/healthz").unwrap().0, 200);
    stop.send(()).unwrap();
    runtime.block_on(running).unwrap().unwrap();
}
