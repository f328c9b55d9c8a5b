//! The promise of a receipt on the road of NATS, with real processes: three machines send with `lineal-emit`, a
//! `nats-server` carries, `lineal serve` reads, and each of them is killed, cut off or robbed. After each fault, once the
//! outboxes have sent what was left,
//!
//! - every event that a machine ever said is in the record once, and without a gap,
//! - the machine holds a receipt of each, which verifies, and which was true whenever it was given,
//! - `lineal-verify log` says verified.
//!
//! Each fault is made twice by default; `LINEAL_NATS_ROUNDS=100` for more. `LINEAL_NATS_CUT_SECONDS=60` for a longer cut.
#![cfg(test)]

use std::{str::FromStr, time::Duration};

use async_nats::jetstream;
use lineal_tests::{
    nats::{NatsCluster, NatsServer, Options, Proxy, Sync},
    programs::{LedgerProcess, eventually},
};
use serde_json::Value;

#[path = "nats_faults/scene.rs"]
mod scene;

use scene::{A_RUN, Scene};

const STREAM: &str = "LINEAL";

/// Receipts between one fault and the next.
const BETWEEN: usize = 60;

#[expect(clippy::disallowed_methods, reason = "a test has no `main` that could read its configuration")]
fn variable<T: FromStr>(name: &str, default: T) -> T {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|_error| panic!("{name}={text} is no number"))
}

fn rounds() -> u64 {
    variable("LINEAL_NATS_ROUNDS", 2)
}

fn server() -> NatsServer {
    NatsServer::start(&Options { sync: Sync::Always, ..Options::default() })
}

#[test]
fn a_server_that_is_killed_under_load_costs_nothing() {
    let mut server = server();
    let scene = Scene::new(&server.url(), &server.url(), &[]);
    let ledger = scene.serve();
    scene.under_load(|| {
        for _round in 0..rounds() {
            scene.wait_for_more(BETWEEN);
            server.kill();
            server.restart();
        }
        scene.wait_for_more(BETWEEN);
    });
    scene.check(ledger);
}

#[test]
fn a_ledger_that_is_killed_under_load_costs_nothing() {
    let server = server();
    let scene = Scene::new(&server.url(), &server.url(), &[]);
    let ledger = scene.under_load(|| {
        let mut ledger = scene.serve();
        for round in 0..rounds() {
            scene.wait_for_more(BETWEEN);
            ledger.live_for(Duration::from_millis(round * 7919 % 50));
            ledger.kill();
            ledger = scene.serve();
        }
        scene.wait_for_more(BETWEEN);
        ledger
    });
    scene.check(ledger);
}

#[test]
fn producers_that_are_killed_lose_and_double_nothing_and_leave_no_hole() {
    let server = server();
    let scene = Scene::new(&server.url(), &server.url(), &[]);
    let ledger = scene.serve();
    scene.with_killed_producers(4 * rounds());
    scene.check(ledger);
}

/// The server stops in its tracks for longer than anybody waits for a sign of life.
#[test]
fn a_connection_that_is_cut_and_tells_nobody_is_made_again() {
    let server = server();
    let scene = Scene::new(&server.url(), &server.url(), &[]);
    let ledger = scene.serve();
    scene.under_load(|| {
        scene.wait_for_more(BETWEEN);
        server.pause();
        ledger.live_for(Duration::from_secs(variable("LINEAL_NATS_CUT_SECONDS", 12)));
        server.resume();
        scene.wait_for_more(BETWEEN);
    });
    scene.check(ledger);
}

/// JetStream's acknowledgement and the ledger's receipt are both lost on their way to the machines, not the events.
#[test]
fn answers_that_are_lost_are_had_later() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let scene = Scene::new(&proxy.url(), &server.url(), &[]);
    let ledger = scene.serve();
    scene.under_load(|| {
        for _round in 0..rounds() {
            scene.wait_for_more(BETWEEN);
            // The last message of a batch: with it all of the batch is stored.
            proxy.lose_answers_to("Nats-Batch-Commit");
            eventually("entries without receipts", || {
                let (receipts, size) = (u64::try_from(scene.receipts()).unwrap(), ledger.http().size());
                (size > receipts + 2 * A_RUN).then_some(())
            });
            proxy.cut();
        }
        scene.wait_for_more(BETWEEN);
    });
    scene.check(ledger);
}

/// Every message of the stream comes once more, long after its event was committed and whatever a server's window is.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_again_long_after_change_nothing() {
    let server = server();
    let scene = Scene::new(&server.url(), &server.url(), &[]);
    let ledger = scene.serve();
    scene.under_load(|| scene.wait_for_more(BETWEEN));
    let jetstream = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let mut stream = jetstream.get_stream(STREAM).await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    wait_until_read(&ledger, last);
    let size = ledger.http().size();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let mut headers = async_nats::HeaderMap::new();
        for (name, values) in message.headers.iter().filter(|(name, _values)| !name.to_string().starts_with("Nats-")) {
            for value in values {
                headers.append(name.clone(), value.clone());
            }
        }
        let sent = jetstream.publish_with_headers(message.subject, headers, message.payload).await.unwrap();
        sent.await.unwrap();
    }
    wait_until_read(&ledger, 2 * last);
    assert_eq!(ledger.http().size(), size, "nothing new was committed");
    scene.check(ledger);
}

fn wait_until_read(ledger: &LedgerProcess, sequence: u64) {
    eventually("the ledger has read the stream", || {
        let ready: Value = serde_json::from_slice(&ledger.http().get("/readyz").body).unwrap();
        (ready["nats"]["sequence"] == sequence).then_some(())
    });
}

/// The ledger is away, the stream holds events that it has not read, and then the server loses all that it has.
#[test]
fn a_server_that_lost_its_store_gets_everything_from_the_outboxes() {
    let mut server = server();
    let scene = Scene::new(&server.url(), &server.url(), &[]);
    let mut ledger = scene.serve();
    for _round in 0..rounds() {
        scene.under_load(|| scene.wait_for_more(BETWEEN));
        ledger.kill();
        scene.under_load(|| scene.wait_for_unsettled());
        server.kill();
        server.wipe_store();
        server.restart();
        ledger = scene.serve();
    }
    scene.check(ledger);
}

#[test]
fn a_cluster_whose_leader_is_killed_costs_nothing() {
    let mut cluster = NatsCluster::start(3, &Options::default());
    let scene = Scene::new(&cluster.urls(), &cluster.urls(), &["--nats-replicas", "3"]);
    let ledger = scene.serve();
    scene.under_load(|| {
        for _round in 0..rounds() {
            scene.wait_for_more(BETWEEN);
            let leader = cluster.leader_of(STREAM);
            cluster.node(leader).kill();
            scene.wait_for_more(BETWEEN);
            cluster.node(leader).restart();
            cluster.leader();
        }
    });
    scene.check(ledger);
}

/// Without a majority nothing is stored, so nothing is committed and no receipt is given; with it, all comes in.
#[test]
fn a_cluster_without_its_majority_acknowledges_nothing_that_is_not_committed() {
    let mut cluster = NatsCluster::start(3, &Options::default());
    let scene = Scene::new(&cluster.urls(), &cluster.urls(), &["--nats-replicas", "3"]);
    let ledger = scene.serve();
    scene.under_load(|| {
        for _round in 0..rounds() {
            scene.wait_for_more(BETWEEN);
            let leader = cluster.leader_of(STREAM);
            let other = (leader + 1) % 3;
            cluster.node(leader).kill();
            cluster.node(other).kill();
            scene.wait_for_unsettled();
            let (receipts, size) = (scene.receipts(), ledger.http().size());
            assert!(u64::try_from(receipts).unwrap() <= size, "{receipts} receipts, {size} entries");
            cluster.node(leader).restart();
            cluster.node(other).restart();
            cluster.leader();
        }
        scene.wait_for_more(BETWEEN);
    });
    scene.check(ledger);
}
