//! `key-impact`: everything that rests on what a key said, what is live first.
//!
//! The question after a key was stolen. A service rests on a key in two ways: what it serves was made by runs, or of data,
//! that the key told of, or the key itself says that it runs. Promises to count every event of the key, also those whose
//! bytes are gone, and to walk from each that describes an artifact. Never says which of them are lies.

use std::collections::BTreeMap;

use lineal_schemas::{digest::KeyId, key::PublicKey, registry::Enrolment, timestamp::Timestamp, vocabulary::Payload};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, EventRef, Signer, When,
    graph::{self, Reader},
    impact::{self, UseKind, walk, way},
    moment, print,
    resolve::{LEAST_DIGITS, Target, is_hex},
    running::{Status, history::History},
    trace::NodeKind,
};
use crate::ledger::View;

/// The most events of the keys that are read; the newest are.
const MAX_EVENTS: usize = 20_000;

/// The most names of one list.
const MAX_LISTED: usize = 1000;

/// The answer to `lineal key-impact KEY`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyImpact {
    /// As asked.
    pub asked: String,
    /// The answer in one line.
    pub answer: String,
    /// The keys, with what has become of them.
    pub keys: Vec<Signer>,
    /// From when on events count, by when the ledger took them, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How many events they signed.
    pub events: u64,
    /// How many of each type.
    pub by_type: BTreeMap<String, u64>,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<EventRef>,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<EventRef>,
    /// Services and batch jobs that rest on them.
    pub live: Vec<KeyUse>,
    /// Models and adapters that rest on them.
    pub models: Vec<String>,
    /// Runs that they tell of, or that used what they tell of.
    pub runs: Vec<String>,
    /// Data and other artifacts that rest on them.
    pub artifacts: Vec<String>,
    /// Evaluations that they tell of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluations: Vec<EventRef>,
    /// Key events that they signed: what these keys said rests on them as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_events: Vec<EventRef>,
    /// What was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<String>,
    /// How far the record had come.
    pub as_of: AsOf,
}

impl KeyImpact {
    /// 0: something that runs rests on it; 1: nothing does; 2: it is unknown of something, or of the rest.
    pub fn exit_code(&self) -> u8 {
        let known = self.live.iter().any(|one| one.status != Status::Unknown);
        match (known, self.live.is_empty() && self.undecided.is_empty()) {
            (true, _) => 0,
            (false, false) => 2,
            (false, true) => 1,
        }
    }
}

/// How a service rests on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rests {
    /// What it serves was made from what the key told of.
    Made,
    /// That it runs was said by the key.
    Seen,
}

/// A service or a batch job that rests on a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyUse {
    /// What kind of use it is.
    pub kind: UseKind,
    /// The service, or the job.
    pub name: String,
    /// How it rests on the key.
    pub rests: Rests,
    /// Whether it is known to run.
    pub status: Status,
    /// The last observation, or the last run.
    pub last_observed: Timestamp,
    /// From what serves upstream to what the key told of; empty where the key said that it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub way: Vec<String>,
}

/// What rests on events that `asked` signed: a key's id or the beginning of it, `key/<id>`, or a producer's name for all
/// of its keys. With `since`, on those that the ledger took from then on.
pub fn key_impact(
    view: &View,
    asked: &str,
    since: Option<Timestamp>,
    when: impl Into<When>,
) -> Result<KeyImpact, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let keys = keys_named(&reader, asked)?;
    let mut signed = signed_by(&reader, &keys, since)?;
    let mut by_type: BTreeMap<String, u64> = BTreeMap::new();
    for kind in signed.values() {
        *by_type.entry(kind.unwrap_or("unknown").to_owned()).or_default() += 1;
    }
    let events = u64::try_from(signed.len()).unwrap_or(u64::MAX);
    let (first, last) = (signed.keys().next().copied(), signed.keys().next_back().copied());
    let mut undecided = Vec::new();
    let left_out = signed.len().saturating_sub(MAX_EVENTS);
    if left_out > 0 {
        undecided.push(format!("the first {left_out} events were counted and not looked at"));
        signed = signed.into_iter().skip(left_out).collect();
    }
    let said = Said::read(&mut reader, &signed)?;
    let mut walked = walk::walk_all(&mut reader, &said.roots, impact::Limits::brief(impact::MAX_NODES))?;
    if walked.truncated {
        undecided.push(format!("more than {} artifacts and runs rest on it", impact::MAX_NODES));
    }
    let mut live = made(&mut reader, &mut walked)?;
    live.extend(seen(&mut reader, &said, &signed)?);
    live.sort_by(|one, other| (one.status, one.rests, &one.name).cmp(&(other.status, other.rests, &other.name)));
    let mut listed = |passes: &dyn Fn(NodeKind) -> bool| {
        let nodes = walked.nodes.iter().filter(|node| passes(node.kind));
        shortened(nodes.map(print::label).collect(), &mut undecided)
    };
    let models = listed(&|kind| kind == NodeKind::Model);
    let runs = listed(&|kind| kind == NodeKind::Run);
    let artifacts = listed(&|kind| !matches!(kind, NodeKind::Model | NodeKind::Run | NodeKind::Service));
    let evaluations = shortened(said.evaluations, &mut undecided);
    let key_events = shortened(said.key_events, &mut undecided);
    let known_at = reader.moment().known_at;
    let mut answer = KeyImpact {
        asked: asked.to_owned(),
        answer: String::new(),
        keys: keys.iter().map(|keyid| graph::signer(reader.registry(), *keyid, known_at)).collect(),
        since,
        events,
        by_type,
        first: event_ref(&mut reader, first)?,
        last: event_ref(&mut reader, last)?,
        live,
        models,
        runs,
        artifacts,
        evaluations,
        key_events,
        undecided,
        as_of: reader.as_of(),
    };
    answer.answer = print::key_impact_line(&answer);
    Ok(answer)
}

/// A list as far as it is given.
fn shortened<T>(mut list: Vec<T>, undecided: &mut Vec<String>) -> Vec<T> {
    let left_out = list.len().saturating_sub(MAX_LISTED);
    if left_out > 0 {
        undecided.push(format!("{left_out} of a list of more than {MAX_LISTED}"));
        list.truncate(MAX_LISTED);
    }
    list
}

fn event_ref(reader: &mut Reader<'_>, index: Option<u64>) -> Result<Option<EventRef>, AnswerError> {
    let told = index.map(|index| reader.told(index)).transpose()?.flatten();
    Ok(told.map(|told| reader.event_ref(&told)))
}

/// The keys that a text names, sorted.
fn keys_named(reader: &Reader<'_>, asked: &str) -> Result<Vec<KeyId>, AnswerError> {
    let registry = reader.registry();
    let of_producer = registry.enrolments().filter(|enrolment| enrolment.producer() == asked);
    let mut found: Vec<KeyId> = of_producer.map(|enrolment| enrolment.key().keyid()).collect();
    if found.is_empty() {
        let prefix = asked.strip_prefix("key/").unwrap_or(asked);
        if is_hex(prefix) && prefix.len() < LEAST_DIGITS {
            return Err(AnswerError::TooShort { asked: asked.to_owned(), least: LEAST_DIGITS });
        }
        let enrolled = registry.enrolments().map(Enrolment::key).chain(registry.roots()).map(PublicKey::keyid);
        found = enrolled.filter(|keyid| keyid.to_string().starts_with(prefix)).collect();
        // The ledger's own key is enrolled nowhere: it is known by its full id.
        found.extend(prefix.parse().ok().filter(|keyid| found.is_empty() && registry.key(keyid).is_some()));
        if found.len() > 1 {
            let found = found.iter().map(|keyid| format!("key/{keyid}")).collect();
            return Err(AnswerError::Ambiguous { asked: asked.to_owned(), found });
        }
    }
    if found.is_empty() {
        let mut near: Vec<String> = registry.enrolments().map(|enrolment| enrolment.producer().to_owned()).collect();
        near.retain(|producer| super::text::distance(producer, asked) <= 2);
        near.dedup();
        return Err(AnswerError::Unknown { asked: asked.to_owned(), near });
    }
    found.sort();
    Ok(found)
}

/// The entries that these keys signed, each once, with their types.
fn signed_by(
    reader: &Reader<'_>,
    keys: &[KeyId],
    since: Option<Timestamp>,
) -> Result<BTreeMap<u64, Option<&'static str>>, AnswerError> {
    let size = reader.moment().size;
    let before = since.map(|since| Timestamp::from_millis(since.as_millis().saturating_sub(1)));
    let from = before.map(|before| moment::received_by(reader.view(), size, before)).transpose()?.unwrap_or(0);
    let mut signed = BTreeMap::new();
    for keyid in keys {
        signed.extend(reader.view().index.signed_by(keyid, from, size)?);
    }
    Ok(signed)
}

/// What the events of keys say.
#[derive(Debug, Default)]
struct Said {
    /// Events that describe artifacts.
    roots: Vec<Target>,
    evaluations: Vec<EventRef>,
    key_events: Vec<EventRef>,
    /// Services that were seen or ended.
    services: std::collections::BTreeSet<String>,
}

impl Said {
    fn read(reader: &mut Reader<'_>, signed: &BTreeMap<u64, Option<&'static str>>) -> Result<Self, AnswerError> {
        let mut said = Self::default();
        for index in signed.keys() {
            let Some(told) = reader.mentioning(*index)?.filter(|told| reader.has_happened(told)) else { continue };
            match &told.payload {
                Payload::RunCompleted(_)
                | Payload::DatasetSnapshotted(_)
                | Payload::TransformPublished(_)
                | Payload::ModelRegistered(_)
                | Payload::ArtifactEquated(_)
                | Payload::AliasMoved(_) => said.roots.push(Target::Event(told.index)),
                Payload::EvaluationStarted(_) | Payload::EvaluationCompleted(_) => {
                    said.evaluations.push(reader.event_ref(&told));
                }
                Payload::KeyEnrolled(_) | Payload::KeyRotated(_) | Payload::KeyRevoked(_) => {
                    said.key_events.push(reader.event_ref(&told));
                }
                Payload::DeploymentObserved(_) | Payload::DeploymentRemoved(_) => {
                    said.services.insert(told.subject.clone());
                }
                Payload::InventoryObserved(inventory) => {
                    said.services.extend(inventory.services().map(|(service, _sets)| service.to_string()));
                }
                _ => {}
            }
        }
        Ok(said)
    }
}

/// What runs that was made from what the keys told of.
fn made(reader: &mut Reader<'_>, walked: &mut walk::Walked) -> Result<Vec<KeyUse>, AnswerError> {
    let found = impact::live(reader, walked)?;
    let uses = found.into_iter().map(|live| KeyUse {
        kind: live.kind,
        name: live.name,
        rests: Rests::Made,
        status: live.status,
        last_observed: live.last_observed,
        way: way(&walked.edges, live.serves)
            .into_iter()
            .filter_map(|at| walked.nodes.get(at))
            .map(print::label)
            .collect(),
    });
    Ok(uses.collect())
}

/// Services whose newest state is known from the keys.
fn seen(
    reader: &mut Reader<'_>,
    said: &Said,
    signed: &BTreeMap<u64, Option<&'static str>>,
) -> Result<Vec<KeyUse>, AnswerError> {
    let mut uses = Vec::new();
    for service in &said.services {
        let history = History::read(reader, service)?;
        let Some(newest) = history.newest().filter(|seen| signed.contains_key(&seen.glimpse.index)) else { continue };
        let Some((status, _since)) = newest.standing(reader.moment().at).status() else { continue };
        uses.push(KeyUse {
            kind: UseKind::Service,
            name: service.clone(),
            rests: Rests::Seen,
            status,
            last_observed: newest.at(),
            way: Vec::new(),
        });
    }
    Ok(uses)
}
