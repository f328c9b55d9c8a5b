//! Several NATS servers that keep their streams together.

use serde_json::Value;

use super::{NatsServer, Options, server::free_ports};
use crate::programs::{Http, eventually};

/// A cluster, whose servers a test takes down and brings back one by one.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<NatsServer>,
    /// Where each server tells how it is.
    monitors: Vec<Http>,
}

impl NatsCluster {
    /// Starts `size` servers, and waits until JetStream has a leader whom all follow.
    #[track_caller]
    pub fn start(size: usize, options: &Options) -> Self {
        let places: Vec<Place> = free_ports(3 * size).chunks_exact(3).map(Place::of).collect();
        let mut nodes: Vec<NatsServer> = (0..size).map(|number| place_node(number, &places, options)).collect();
        nodes.iter_mut().for_each(NatsServer::restart);
        let monitors = places.iter().map(|place| Http::new(&format!("http://127.0.0.1:{}", place.monitor))).collect();
        let cluster = Self { nodes, monitors };
        cluster.leader();
        cluster
    }

    /// A server, by its number.
    #[track_caller]
    pub fn node(&mut self, number: usize) -> &mut NatsServer {
        self.nodes.get_mut(number).expect("a server of the cluster")
    }

    /// Where clients find its servers, all of them.
    pub fn urls(&self) -> String {
        self.nodes.iter().map(NatsServer::url).collect::<Vec<_>>().join(",")
    }

    /// The server that leads JetStream; waits until there is one whom all that are up follow.
    #[track_caller]
    pub fn leader(&self) -> usize {
        let followers = self.nodes.iter().filter(|node| node.is_up()).count() - 1;
        eventually("a leader of JetStream", || {
            self.who(|node| {
                let meta = self.tells(node, "/jsz")?.get("meta_cluster")?.clone();
                let current = |replica: &&Value| replica["current"] == true;
                let follow = meta["replicas"].as_array()?.iter().filter(current).count();
                Some(leads(node, &meta) && follow >= followers)
            })
        })
    }

    /// The server that leads a stream; waits until there is one.
    #[track_caller]
    pub fn leader_of(&self, stream: &str) -> usize {
        eventually(&format!("a leader of {stream}"), || {
            self.who(|node| {
                let told = self.tells(node, "/jsz?streams=true")?;
                let accounts = told["account_details"].as_array()?;
                let mut streams = accounts.iter().filter_map(|account| account["stream_detail"].as_array()).flatten();
                streams.find(|found| found["name"] == stream).map(|found| leads(node, &found["cluster"]))
            })
        })
    }

    /// The server that is up and says of itself what is asked. What it says of others may be long past.
    fn who(&self, says: impl Fn(usize) -> Option<bool>) -> Option<usize> {
        (0..self.nodes.len()).find(|node| self.nodes[*node].is_up() && says(*node) == Some(true))
    }

    fn tells(&self, node: usize, path: &str) -> Option<Value> {
        let response = self.monitors[node].try_get(path).ok()?;
        serde_json::from_slice(&response.body).ok()
    }
}

/// The ports of a server.
struct Place {
    client: u16,
    route: u16,
    monitor: u16,
}

impl Place {
    fn of(ports: &[u16]) -> Self {
        Self { client: ports[0], route: ports[1], monitor: ports[2] }
    }
}

fn name_of(number: usize) -> String {
    format!("node-{number}")
}

fn leads(node: usize, cluster: &Value) -> bool {
    cluster["leader"] == name_of(node)
}

fn place_node(number: usize, places: &[Place], options: &Options) -> NatsServer {
    let Place { client, route, monitor } = &places[number];
    let routes: Vec<String> = places.iter().map(|place| format!("\"nats://127.0.0.1:{}\"", place.route)).collect();
    let configuration = format!(
        "http: \"127.0.0.1:{monitor}\"\ncluster {{\n  name: tests\n  listen: \"127.0.0.1:{route}\"\n  routes: [{}]\n}}\n{}",
        routes.join(", "),
        options.configuration,
    );
    NatsServer::new(&name_of(number), *client, &Options { configuration, ..options.clone() })
}
