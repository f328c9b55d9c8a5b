//! The NATS servers that other tests rely on: what they acknowledge they keep over a restart, they take batches whole or
//! not at all, and a cluster goes on when its leader dies.
#![cfg(test)]

use std::time::Duration;

use async_nats::{
    Client, ConnectOptions, HeaderMap, Request,
    header::{NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE},
    jetstream::{
        self,
        publish::PublishAck,
        response::Response,
        stream::{Config, Stream},
    },
};
use lineal_tests::{
    nats::{NatsCluster, NatsServer, Options, Sync},
    programs::PATIENCE,
};

const STREAM: &str = "TESTED";
const SUBJECT: &str = "tested.it";

async fn connect(urls: &str) -> Client {
    let urls: Vec<&str> = urls.split(',').collect();
    let options = ConnectOptions::new().connection_timeout(PATIENCE).request_timeout(Some(Duration::from_secs(10)));
    options.retry_on_initial_connect().connect(urls).await.unwrap()
}

async fn stream(client: &Client, replicas: usize) -> Stream {
    let config = Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECT.to_owned()],
        num_replicas: replicas,
        allow_atomic_publish: true,
        ..Config::default()
    };
    jetstream::new(client.clone()).get_or_create_stream(config).await.unwrap()
}

async fn publish(client: &Client, body: &'static str) -> Option<PublishAck> {
    let sent = jetstream::new(client.clone()).publish(SUBJECT, body.into()).await.unwrap();
    sent.await.ok()
}

async fn count(client: &Client) -> u64 {
    stream(client, 1).await.info().await.unwrap().state.messages
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart_a_stop_and_a_kill() {
    let mut server = NatsServer::start(&Options { sync: Sync::Always, ..Options::default() });
    let (url, client) = (server.url(), connect(&server.url()).await);
    stream(&client, 1).await;
    let acknowledged = publish(&client, "one").await.unwrap();
    assert_eq!((&*acknowledged.stream, acknowledged.sequence), (STREAM, 1));
    server.restart();
    assert_eq!(server.url(), url);
    assert_eq!(publish(&connect(&url).await, "two").await.unwrap().sequence, 2);
    server.kill();
    assert!(!server.is_up());
    server.restart();
    assert_eq!(count(&connect(&url).await).await, 2);
    server.stop();
    server.wipe_store();
    server.restart();
    assert_eq!(count(&connect(&url).await).await, 0);
}

#[tokio::test]
async fn a_server_that_is_paused_answers_nobody_until_it_goes_on() {
    let server = NatsServer::start(&Options::default());
    let client = connect(&server.url()).await;
    server.pause();
    let flushed = tokio::spawn(async move { client.flush().await });
    let request = connect_once(&server.url(), Duration::from_millis(300)).await;
    assert!(request.is_err(), "nobody answers");
    server.resume();
    flushed.await.unwrap().unwrap();
    connect_once(&server.url(), PATIENCE).await.unwrap();
}

async fn connect_once(url: &str, patience: Duration) -> Result<Client, async_nats::ConnectError> {
    ConnectOptions::new().connection_timeout(patience).connect(url).await
}

/// One message of an atomic batch (ADR-50).
fn part(id: &str, number: u64, last: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_BATCH_ID, id);
    headers.insert(NATS_BATCH_SEQUENCE, number.to_string());
    if last {
        headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
    }
    headers
}

#[tokio::test]
async fn a_batch_is_stored_as_a_whole_or_not_at_all() {
    let server = NatsServer::start(&Options::default());
    let client = connect(&server.url()).await;
    stream(&client, 1).await;
    let begin = Request::new().headers(part("whole", 1, false)).payload("1".into());
    client.send_request(SUBJECT, begin).await.unwrap();
    client.publish_with_headers(SUBJECT, part("whole", 2, false), "2".into()).await.unwrap();
    let end = Request::new().headers(part("whole", 3, true)).payload("3".into());
    assert_eq!(count(&client).await, 0);
    let reply = client.send_request(SUBJECT, end).await.unwrap();
    let Response::Ok::<PublishAck>(acknowledged) = serde_json::from_slice(&reply.payload).unwrap() else {
        panic!("{reply:?}");
    };
    assert_eq!((acknowledged.sequence, acknowledged.batch_size), (3, Some(3)));

    let begin = Request::new().headers(part("torn", 1, false)).payload("1".into());
    client.send_request(SUBJECT, begin).await.unwrap();
    let end = Request::new().headers(part("torn", 3, true)).payload("3".into());
    let reply = client.send_request(SUBJECT, end).await.unwrap();
    let answer: Response<PublishAck> = serde_json::from_slice(&reply.payload).unwrap();
    assert!(matches!(answer, Response::Err { .. }), "{answer:?}");
    assert_eq!(count(&client).await, 3);
}

#[tokio::test]
async fn a_cluster_goes_on_without_its_leader_and_stops_without_its_majority() {
    let mut cluster = NatsCluster::start(3, &Options::default());
    let client = connect(&cluster.urls()).await;
    stream(&client, 3).await;
    assert!(publish(&client, "one").await.is_some());
    let first = cluster.leader_of(STREAM);
    cluster.node(first).kill();
    let second = cluster.leader_of(STREAM);
    assert_ne!(first, second);
    until_acknowledged(&client).await;
    cluster.node(second).kill();
    // What is published now may be stored later on, and is not acknowledged.
    assert!(publish(&client, "to a minority").await.is_none());
    cluster.node(first).restart();
    cluster.node(second).restart();
    cluster.leader();
    until_acknowledged(&client).await;
}

/// A client that lost its server finds another, and its first messages may be lost on the way.
async fn until_acknowledged(client: &Client) {
    let acknowledged = async {
        while publish(client, "again").await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, acknowledged).await.expect("what is published again is acknowledged");
}
