//! `explain`: which rule and which events led to a finding; by which right an event was said, and what it led to.
//!
//! The answers rest on rules over events; here they are named one by one. Promises that a finding is found again by its
//! id at the moment that it was given for, and that each consequence of an event names the rule that makes it one. Never
//! says why somebody did something: that is not on the record. (docs/ANSWERS.md)

use lineal_schemas::{
    digest::KeyId,
    registry::Registry,
    timestamp::Timestamp,
    vocabulary::{Payload, TYPES},
};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, EventRef, When,
    entries::index_of,
    findings::{self, Evidence, Finding, ID_PREFIX},
    graph::{self, Reader, Told},
    print,
};
use crate::{index::LATE_MINUTES, ledger::View};

mod led;
mod says;

/// The answer to `lineal explain FINDING|EVENT`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// As asked.
    pub asked: String,
    /// The answer in one line.
    pub answer: String,
    /// The finding, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<FindingExplained>,
    /// The event, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventExplained>,
    /// How far the record had come.
    pub as_of: AsOf,
}

/// What led to a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingExplained {
    /// The finding, with its events in the order in which they happened.
    pub finding: Finding,
    /// What its rule says, in words.
    pub rule: String,
    /// How to mend it.
    pub mend: String,
    /// What to ask next.
    pub ask_on: Vec<String>,
}

/// An event, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventExplained {
    /// The event.
    pub event: EventRef,
    /// What it says, in one line; corrected where a correction counts.
    pub says: String,
    /// By which right each key said it.
    pub rights: Vec<Right>,
    /// How many minutes after it happened it arrived, where that is late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_minutes: Option<u64>,
    /// Other events that it names: what it corrects, restores, clears, or was asked for by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Evidence>,
    /// What it led to.
    pub led_to: Vec<Led>,
    /// Findings that it shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// By which right a key said something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Right {
    /// The key.
    pub keyid: KeyId,
    /// `producer`, `root` or `ledger`.
    pub standing: Standing,
    /// Whose key it is, where it is a producer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<String>,
    /// Its roles, of those that may say this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The pattern of its scope that the subject fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The entry that enrolled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled: Option<u64>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled_at: Option<Timestamp>,
}

/// What a key is to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// A producer's, enrolled.
    Producer,
    /// A root, of the genesis.
    Root,
    /// The ledger's own.
    Ledger,
}

/// Something that an event led to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Led {
    /// The rule: `window-opened`, `request-stands`, `flag-stands`, ….
    pub rule: String,
    /// What it led to, in one line.
    pub what: String,
    /// The other event that has a part in it, where one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventRef>,
}

/// What led to the finding of that id, or what the event that `asked` names rests on and led to.
pub fn explain(view: &View, asked: &str, when: impl Into<When>) -> Result<Explanation, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let (finding, event) = if asked.starts_with(ID_PREFIX) {
        (Some(of_finding(&mut reader, asked)?), None)
    } else {
        let index = index_of(&reader, asked)?;
        (None, Some(of_event(&mut reader, index)?))
    };
    let as_of = reader.as_of();
    let mut explanation = Explanation { asked: asked.to_owned(), answer: String::new(), finding, event, as_of };
    explanation.answer = print::explain_line(&explanation);
    Ok(explanation)
}

fn of_finding(reader: &mut Reader<'_>, asked: &str) -> Result<FindingExplained, AnswerError> {
    let found = findings::of_any(reader)?;
    let known: Vec<String> = found.iter().map(|finding| format!("{} ({})", finding.id, finding.line)).collect();
    let Some(mut finding) = found.into_iter().find(|finding| finding.id == asked) else {
        let near = known.into_iter().filter(|line| line.starts_with(asked)).collect();
        return Err(AnswerError::Unknown { asked: asked.to_owned(), near });
    };
    let mut order = Vec::new();
    for evidence in std::mem::take(&mut finding.evidence) {
        let told = reader.told(evidence.event.index)?;
        order.extend(told.map(|told| (told, evidence)));
    }
    order.sort_by(|one, other| one.0.order().cmp(&other.0.order()));
    finding.evidence = order.into_iter().map(|(_told, evidence)| evidence).collect();
    let services = finding.services.iter().map(|service| format!("lineal timeline {service}"));
    let digests = finding.digests.first().map(|digest| format!("lineal impact {}:{}", digest.algorithm, digest.value));
    let events = finding.evidence.iter().map(|evidence| format!("lineal explain {}", evidence.event.index));
    Ok(FindingExplained {
        rule: finding.rule.words().to_owned(),
        mend: finding.rule.mend().to_owned(),
        ask_on: services.chain(digests).chain(events).collect(),
        finding,
    })
}

fn of_event(reader: &mut Reader<'_>, index: u64) -> Result<EventExplained, AnswerError> {
    let told = reader.told(index)?.ok_or(AnswerError::Erased { index })?;
    let late = told.entry.received.as_millis().saturating_sub(told.time.as_millis()) / 60_000;
    let mut findings = findings::of_any(reader)?;
    findings.retain(|finding| finding.evidence.iter().any(|evidence| evidence.event.index == index));
    Ok(EventExplained {
        event: reader.event_ref(&told),
        says: says::says(reader, &told)?,
        rights: rights(reader.registry(), &told),
        late_minutes: u64::try_from(late).ok().filter(|minutes| *minutes >= u64::from(LATE_MINUTES)),
        names: says::names(reader, &told)?,
        led_to: led::led_to(reader, &told)?,
        findings,
    })
}

/// By which right each key said it. It was judged when the ledger took it: what is enrolled stays on the record.
fn rights(registry: &Registry, told: &Told) -> Vec<Right> {
    let rule = TYPES.iter().find(|rule| rule.name == told.kind);
    let signers = graph::signers(registry, &told.entry).into_iter();
    let rights = signers.map(|signer| {
        let Some(enrolment) = registry.enrolment(&signer.keyid) else {
            let is_root = registry.roots().any(|root| root.keyid() == signer.keyid);
            let standing = if is_root { Standing::Root } else { Standing::Ledger };
            return Right {
                keyid: signer.keyid,
                standing,
                producer: None,
                roles: Vec::new(),
                name: None,
                enrolled: None,
                enrolled_at: None,
            };
        };
        let scope = enrolment.scope();
        let fits = |role: &&lineal_schemas::vocabulary::Role| rule.is_some_and(|rule| rule.roles.contains(role));
        let (enrolled, enrolled_at) = enrolment.enrolled_at();
        Right {
            keyid: signer.keyid,
            standing: Standing::Producer,
            producer: signer.producer,
            roles: scope.roles.iter().filter(fits).map(ToString::to_string).collect(),
            name: scope.names.iter().find(|pattern| pattern.matches(&told.subject)).map(ToString::to_string),
            enrolled: Some(enrolled),
            enrolled_at: Some(enrolled_at),
        }
    });
    rights.collect()
}

/// A consequence, and the event that has a part in it.
fn led(reader: &Reader<'_>, rule: &str, what: String, other: Option<&Told>) -> Led {
    Led { rule: rule.to_owned(), what, event: other.map(|told| reader.event_ref(told)) }
}

/// Whether an event is about what a service serves, as it was seen.
fn is_seen(payload: &Payload) -> bool {
    matches!(payload, Payload::DeploymentObserved(_) | Payload::DeploymentRemoved(_) | Payload::InventoryObserved(_))
}
