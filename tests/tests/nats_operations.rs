//! What whoever runs NATS may choose: how many servers keep the stream, when they sync, which of them are up; and what both
//! programs make of it.
//!
//! Promises that a choice shows where it must (in the stream, in the log) and that no other one is made behind anybody's back.
#![cfg(test)]

use std::{fs, net::TcpListener};

use async_nats::{
    ConnectOptions,
    jetstream::{self, Context, stream::Config},
};
use lineal_tests::{
    nats::{NatsCluster, NatsServer, Options, Sync},
    programs::{LedgerProcess, eventually},
    road::{Road, all_committed, all_wait, standing},
};

const STREAM: &str = "LINEAL";
const BUCKET: &str = "OBJ_lineal-attachments";

/// A client of the ledger's user.
async fn jetstream(urls: &str, seed: &str) -> Context {
    let seed = fs::read_to_string(seed).unwrap();
    let options = ConnectOptions::with_nkey(seed.trim().to_owned()).custom_inbox_prefix("_INBOX.lineal");
    jetstream::new(options.connect(urls.split(',').collect::<Vec<_>>()).await.unwrap())
}

/// How a stream was made, on how many servers it is, and how many messages it has.
async fn stream(jetstream: &Context, name: &str) -> (Config, usize, u64) {
    let mut stream = jetstream.get_stream(name).await.unwrap();
    let info = stream.info().await.unwrap();
    let others = info.cluster.as_ref().map_or(0, |cluster| cluster.replicas.len());
    (info.config.clone(), 1 + others, info.state.messages)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_keep_the_stream_where_three_were_asked_for() {
    let road = Road::new();
    let mut cluster = NatsCluster::start(3, &Options::with(road.users()));
    let (urls, ledger, ci) = (cluster.urls(), road.seed("_ledger"), road.seed("ci"));
    let process = road.serve(&urls, &["--nats-nkey", &ledger, "--nats-replicas", "3"]);
    let options = ["--nats-nkey", &ci];
    // A server of a cluster hears of the stream a moment after it was made.
    road.send(&urls, &options, 20);
    road.emit(&urls, &options, &["flush", "--follow"]).with_code(0);
    all_committed(&road.emit(&urls, &options, &road.dataset()));
    assert!(road.owes_nothing());
    let jetstream = jetstream(&urls, &ledger).await;
    let before = stream(&jetstream, STREAM).await;
    assert_eq!((before.0.num_replicas, before.1, before.2), (3, 3, 21));
    let bucket = stream(&jetstream, BUCKET).await;
    assert_eq!((bucket.0.num_replicas, bucket.1), (3, 3));
    // Any two of them are enough.
    let leader = cluster.leader_of(STREAM);
    cluster.node(leader).kill();
    cluster.leader_of(STREAM);
    road.send(&urls, &options, 5);
    road.emit(&urls, &options, &["flush", "--follow"]).with_code(0);
    cluster.node(leader).restart();
    cluster.leader();
    road.check(process, 26);

    // Fewer servers are not what was made, and nobody changes that but its operator.
    let before = stream(&jetstream, STREAM).await;
    let fewer = road.serve_command(&urls, &["--nats-nkey", &ledger, "--nats-replicas", "1"]);
    let ended = LedgerProcess::spawn(fewer).ends();
    ended
        .with_code(1)
        .saying(&["the stream LINEAL is not as a ledger needs it: num_replicas is 3 and must be 1", "hint"]);
    let after = stream(&jetstream, STREAM).await;
    assert_eq!((after.0.num_replicas, after.2), (3, before.2));
    assert_eq!(after.0, before.0);
}

/// One server can't keep three copies. That may be mended while the ledger serves, so it is said, and tried again.
#[tokio::test(flavor = "multi_thread")]
async fn more_servers_than_there_are_is_said_and_reads_go_on() {
    let (road, server) = (Road::new(), NatsServer::start(&Options::default()));
    let process = LedgerProcess::start(road.serve_command(&server.url(), &["--nats-replicas", "3"]));
    let problem = eventually("what is wrong with it", || {
        let said = standing(&process)["problem"].as_str()?.to_owned();
        said.contains("replicas").then_some(said)
    });
    assert!(problem.contains("making the stream"), "{problem}");
    assert_eq!(process.http().get("/checkpoint").status, 200);
    all_wait(&road.send(&server.url(), &[], 1), &["no stream takes", "is `lineal serve --nats` running?"]);
    process.stop();
}

/// After ten seconds the reason gave way to that of a request which nobody could have answered.
#[test]
fn a_server_that_is_away_at_the_start_is_named_for_as_long_as_it_is_away() {
    let (road, mut server) = (Road::new(), NatsServer::start(&Options::default()));
    server.stop();
    let process = LedgerProcess::start(road.serve_command(&server.url(), &[]));
    eventually("a try to read", || process.said().contains("reading from NATS stopped").then_some(()));
    let now = standing(&process);
    let problem = now["problem"].as_str().unwrap();
    assert!(problem.contains(&server.url()) && problem.contains("Connection refused"), "{problem}");
    assert_eq!((&now["connected"], &now["reading"]), (&false.into(), &false.into()));
    assert_eq!(process.http().get("/checkpoint").status, 200);
    server.restart();
    eventually("reading", || (standing(&process)["reading"] == true).then_some(()));
    assert!(standing(&process)["problem"].is_null());
    all_committed(&road.send(&server.url(), &[], 1));
    road.check(process, 1);
}

/// Where a server tells how it is.
fn monitor_of(server: &NatsServer) -> String {
    let said = server.said();
    let (_before, address) = said.split_once("Starting http monitor on ").expect("it has a monitoring port");
    format!("http://{}", address.lines().next().unwrap().trim())
}

const SYNCS: &str = "NATS syncs before it acknowledges";
const SYNCS_LATER: &str = "NATS acknowledges before it syncs";
const UNKNOWN: &str = "whether NATS syncs before it acknowledges is not known";

#[test]
fn the_log_says_whether_the_server_syncs_and_serving_goes_on_whatever_it_says() {
    let road = Road::new();
    let with = |sync: Sync| {
        let configuration = "http: \"127.0.0.1:-1\"\n".to_owned();
        NatsServer::start(&Options { sync, configuration })
    };
    let (usual, always) = (with(Sync::Usual), with(Sync::Always));
    let (mute, away) = (TcpListener::bind("127.0.0.1:0").unwrap(), "http://127.0.0.1:1".to_owned());
    let mute = format!("http://{}", mute.local_addr().unwrap());
    let cases = [
        (&usual, Some(monitor_of(&usual)), "WARN", SYNCS_LATER),
        (&always, Some(monitor_of(&always)), "INFO", SYNCS),
        (&always, None, "INFO", UNKNOWN),
        (&always, Some(away), "WARN", UNKNOWN),
        // It speaks, and not HTTP.
        (&always, Some(always.url().replace("nats:", "http:")), "WARN", UNKNOWN),
        (&always, Some("127.0.0.1:8222".to_owned()), "WARN", UNKNOWN),
        // It takes the connection and says nothing.
        (&always, Some(mute), "WARN", UNKNOWN),
    ];
    for (count, (server, monitor, level, words)) in (1..).zip(&cases) {
        let monitor: Vec<&str> = monitor.iter().flat_map(|url| ["--nats-monitor", url]).collect();
        let process = road.serve(&server.url(), &monitor);
        let said = process.said();
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("sync")).collect();
        assert!(matches!(lines[..], [line] if line.contains(level) && line.contains(words)), "{monitor:?}: {lines:?}");
        all_committed(&road.send(&server.url(), &[], 1));
        road.check(process, count);
    }
}

/// Each program of the machine looks for the servers anew, in any order.
#[test]
fn a_server_of_several_that_is_down_or_hangs_is_passed_over() {
    let road = Road::new();
    let mut cluster = NatsCluster::start(3, &Options::default());
    let (urls, first) = (cluster.urls(), 0);
    let process = road.serve(&urls, &["--nats-replicas", "3"]);
    cluster.node(first).kill();
    cluster.leader_of(STREAM);
    for _program in 0..4 {
        all_committed(&road.send(&urls, &[], 2));
    }
    cluster.node(first).restart();
    cluster.leader();
    // The others still lead, so that only whoever comes to it sees that it hangs.
    cluster.node(first).pause();
    for _program in 0..4 {
        all_committed(&road.send(&urls, &[], 2));
    }
    cluster.node(first).resume();
    road.check(process, 16);
}
