//! Which services and batch jobs use something in the graph now, and which did before.
//!
//! Promises to take it from the newest observation of each service, as `running` does. A batch job counts as live as long
//! as its newest run used something in the graph: its outputs are in use until the next.

use lineal_schemas::vocabulary::{Payload, artifact::Basis, service::ServiceRegistered, values::Count};

use super::{
    FormerUse, LiveUse, UseKind,
    walk::{Walked, edge_of},
};
use crate::answers::{
    AnswerError,
    graph::Reader,
    running::{
        Status,
        history::{History, Seen},
        holds, sets_of,
    },
    trace::{Edge, EdgeKind, Node, NodeKind},
};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) live: Vec<LiveUse>,
    pub(super) former: Vec<FormerUse>,
}

pub(super) fn find(reader: &mut Reader<'_>, walked: &mut Walked) -> Result<Found, AnswerError> {
    let mut found = Found::default();
    for service in walked.services.clone() {
        let mut history = History::read(reader, &service)?;
        let live = match history.newest().cloned() {
            Some(newest) => uses(reader, walked, &service, (&mut history, &newest))?,
            None => Vec::new(),
        };
        if live.is_empty() {
            found.former.extend(former(reader, walked, &service)?);
        }
        found.live.extend(live);
    }
    for (job, runs) in &walked.batches {
        found.live.extend(batch(reader, walked, job, runs)?);
    }
    // What runs for sure first, then what is nearest to what was asked for.
    let rank = |status| match status {
        Status::Running => 0,
        Status::Partial => 1,
        Status::Unknown => 2,
    };
    found.live.sort_by(|one, other| {
        let key = |live: &LiveUse| (rank(live.status), live.distance);
        key(one).cmp(&key(other)).then_with(|| one.name.cmp(&other.name))
    });
    Ok(found)
}

/// The parts of a service's newest state that hold something in the graph.
fn uses(
    reader: &mut Reader<'_>,
    walked: &mut Walked,
    service: &str,
    (history, newest): (&mut History, &Seen),
) -> Result<Vec<LiveUse>, AnswerError> {
    let Some((status, unknown_since)) = newest.standing(reader.moment().at).status() else { return Ok(Vec::new()) };
    let registered = registration(reader, service)?;
    let (mut live, mut node) = (Vec::new(), None);
    for (position, set) in newest.sets().iter().enumerate() {
        for component in &set.components {
            let Some(serves) = reader.identity(&component.artifact)?.and_then(|identity| walked.place_of(&identity))
            else {
                continue;
            };
            let distance = walked.distances.get(serves).copied().unwrap_or_default() + 1;
            let node = *node.get_or_insert_with(|| walked.add(service_node(service), distance));
            let share = set.share.as_ref().map(|share| share.as_decimal().as_str().to_owned());
            let (role, event) = (component.role.to_string(), newest.told.index);
            walked.edges.push(Edge {
                from: node,
                to: serves,
                role: Some(role.clone()),
                serving_set: Some(position),
                share: share.clone(),
                basis: Basis::Observed,
                ..edge_of(event, EdgeKind::Component)
            });
            live.push(LiveUse {
                kind: UseKind::Service,
                name: service.to_owned(),
                owner: registered.as_ref().and_then(|said| said.owner.as_ref()).map(ToString::to_string),
                contact: registered.as_ref().and_then(|said| said.contact_ref.as_ref()).map(ToString::to_string),
                status,
                node,
                serves,
                role: Some(role),
                share,
                instances: set.instances.map(Count::get),
                since: history.since(reader, |reader, seen| holds(reader, seen, set))?,
                last_observed: newest.at(),
                unknown_since,
                distance,
            });
        }
    }
    Ok(live)
}

fn service_node(service: &str) -> Node {
    Node { name: Some(service.to_owned()), ..Node::new(NodeKind::Service) }
}

/// What the last `service.registered` says, by the answer's moment.
fn registration(reader: &mut Reader<'_>, service: &str) -> Result<Option<ServiceRegistered>, AnswerError> {
    for told in reader.told_about(service, &["service.registered"])? {
        if let Payload::ServiceRegistered(registered) = &told.payload
            && reader.has_happened(&told)
        {
            return Ok(Some((**registered).clone()));
        }
    }
    Ok(None)
}

/// The last event of a service that named something in the graph.
fn former(reader: &mut Reader<'_>, walked: &mut Walked, service: &str) -> Result<Option<FormerUse>, AnswerError> {
    let mut asked = None;
    for told in reader.told_about(service, &["deployment.observed", "inventory.observed", "deployment.requested"])? {
        if !reader.has_happened(&told) {
            continue;
        }
        let observed = !matches!(told.payload, Payload::DeploymentRequested(_));
        for component in sets_of(&told.payload, service).iter().flat_map(|set| &set.components) {
            let Some(serves) = reader.identity(&component.artifact)?.and_then(|identity| walked.place_of(&identity))
            else {
                continue;
            };
            let former = FormerUse { name: service.to_owned(), serves, event: reader.event_ref(&told), observed };
            if observed {
                return Ok(Some(former));
            }
            asked = asked.or(Some(former));
        }
    }
    Ok(asked)
}

fn batch(
    reader: &mut Reader<'_>,
    walked: &Walked,
    job: &str,
    runs: &std::collections::BTreeMap<u64, usize>,
) -> Result<Option<LiveUse>, AnswerError> {
    let all = reader.told_about(job, &["run.completed"])?;
    let affected = |index: u64| runs.get(&index).copied();
    let Some((newest, node)) = all.first().and_then(|newest| Some((newest, affected(newest.index)?))) else {
        return Ok(None);
    };
    let since = all.iter().take_while(|told| affected(told.index).is_some()).last().map(|told| told.when());
    Ok(Some(LiveUse {
        kind: UseKind::Batch,
        name: job.to_owned(),
        owner: None,
        contact: None,
        status: Status::Running,
        node,
        serves: walked.edges.iter().find(|edge| edge.from == node).map_or(0, |edge| edge.to),
        role: None,
        share: None,
        instances: None,
        since: since.unwrap_or_else(|| newest.when()),
        last_observed: newest.when(),
        unknown_since: None,
        distance: walked.distances.get(node).copied().unwrap_or_default(),
    }))
}
