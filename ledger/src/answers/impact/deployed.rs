//! Which services and batch jobs use something in the graph now, and which did before.
//!
//! Promises to take it from the newest observation of each service, as `running` does. A batch job counts as live as long
//! as its newest run used something in the graph: its outputs are in use until the next.

use std::collections::BTreeSet;

use lineal_schemas::{
    strong::StrongDigest,
    vocabulary::{Payload, artifact::Basis, service::ServiceRegistered, values::Count},
};

use super::{
    FormerUse, LiveUse, UseKind,
    walk::{Walked, edge_of},
};
use crate::{
    answers::{
        AnswerError,
        graph::{Reader, Told},
        running::{
            Status,
            history::{History, Seen},
            holds, sets_of,
        },
        trace::{Edge, EdgeKind, Node, NodeKind},
    },
    index::seen::{Glimpse, Span},
};

/// The most looks at one service among which the last one that named something is searched for.
const MOST_LOOKS: usize = 10_000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) live: Vec<LiveUse>,
    pub(super) former: Vec<FormerUse>,
}

pub(super) fn find(reader: &mut Reader<'_>, walked: &mut Walked) -> Result<Found, AnswerError> {
    let mut found = Found::default();
    for (service, digests) in walked.services.clone() {
        let mut history = History::read(reader, &service)?;
        let live = match history.newest().cloned() {
            Some(newest) => uses(reader, walked, &service, (&mut history, &newest))?,
            None => Vec::new(),
        };
        if live.is_empty() {
            found.former.extend(former(reader, walked, &service, &digests)?);
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
            let (role, event) = (component.role.as_str(), newest.told.index);
            walked.edges.push(Edge {
                from: node,
                to: serves,
                role: Some(role.into()),
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
                role: Some(role.to_owned()),
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
    let last = reader.happened(service, &["service.registered"])?.into_iter().next();
    Ok(last.and_then(|told| match &told.payload {
        Payload::ServiceRegistered(registered) => Some((**registered).clone()),
        _ => None,
    }))
}

/// The last event of a service that named something in the graph, of which these are the digests; what was seen before what
/// was asked for.
fn former(
    reader: &mut Reader<'_>,
    walked: &Walked,
    service: &str,
    digests: &BTreeSet<StrongDigest>,
) -> Result<Option<FormerUse>, AnswerError> {
    for index in seen_with(reader, service, digests)? {
        let Some(told) = reader.told(index)? else { continue };
        // What was seen then can have been told later.
        let seen = Glimpse::of(index, &told.payload, service, (told.time, told.entry.received));
        let at = seen.map_or_else(|| told.when(), |seen| seen.at);
        if reader.moment().is_past(at)
            && let Some(serves) = names(reader, walked, &told, service)?
        {
            let event = reader.event_ref(&told);
            return Ok(Some(FormerUse { name: service.to_owned(), serves, at, event, observed: true }));
        }
    }
    for told in reader.happened(service, &["deployment.requested"])? {
        if let Some(serves) = names(reader, walked, &told, service)? {
            let (at, event) = (told.when(), reader.event_ref(&told));
            return Ok(Some(FormerUse { name: service.to_owned(), serves, at, event, observed: false }));
        }
    }
    Ok(None)
}

/// Entries that saw a service while artifacts with these digests were seen there, the newest first, one for all that look
/// the same.
fn seen_with(
    reader: &mut Reader<'_>,
    service: &str,
    digests: &BTreeSet<StrongDigest>,
) -> Result<Vec<u64>, AnswerError> {
    let index = &reader.view().index;
    let mut span: Option<Span> = None;
    for digest in digests {
        let own = index.span(digest, service)?;
        span = Some(span.map_or(own, |span| span.and(own)));
    }
    let (Some(span), moment) = (span, reader.moment()) else { return Ok(Vec::new()) };
    // What is corrected looks the same as what is not.
    let is_corrected = !reader.corrects(service)?.is_empty();
    let (mut looks, mut seen) = (BTreeSet::new(), Vec::new());
    reader.view().index.seen_within(service, span, moment.next(), moment.size, &mut |glimpse| {
        if looks.insert(glimpse.sets) || is_corrected {
            seen.push(glimpse.index);
        }
        seen.len() < MOST_LOOKS
    })?;
    Ok(seen)
}

/// The node in the graph that an event names as a part of what a service serves.
fn names(reader: &mut Reader<'_>, walked: &Walked, told: &Told, service: &str) -> Result<Option<usize>, AnswerError> {
    for component in sets_of(&told.payload, service).iter().flat_map(|set| &set.components) {
        let identity = reader.identity(&component.artifact)?;
        if let Some(serves) = identity.and_then(|identity| walked.place_of(&identity)) {
            return Ok(Some(serves));
        }
    }
    Ok(None)
}

fn batch(
    reader: &mut Reader<'_>,
    walked: &Walked,
    job: &str,
    runs: &std::collections::BTreeMap<u64, usize>,
) -> Result<Option<LiveUse>, AnswerError> {
    let mut all = reader.told_about(job, &["run.completed"])?;
    all.retain(|told| reader.has_happened(told));
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
