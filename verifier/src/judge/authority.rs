//! Who said it, whether they may, and where it stands among what they said: admission at an index, again.
//!
//! The registry and every source's state are built here from the record alone, by applying its events in order.
//! Promises the same answer as the ledger's, because the function is the same and nothing else is asked. After a
//! finding, the event is taken as if it were right, so that one fault does not hide behind a hundred others.

use std::collections::BTreeMap;

use lineal_schemas::{
    admission::{self, Authentic, Decision, Refusal},
    digest::EventDigest,
    entry::Entry,
    facts::Facts,
    note::VerifierKey,
    registry::Registry,
    sequence::{Claim, SourceState},
    timestamp::Timestamp,
    trust::Trust,
    vocabulary::{Payload, ledger::EventRejected},
};

use super::ids::Ids;
use crate::{
    finding::{Findings, Place},
    prepare::Body,
    rule::Rule,
    verdicts::Made,
};

/// All that the events so far decide about the next.
#[derive(Debug, Default)]
pub(crate) struct Authority {
    registry: Option<Registry>,
    sources: BTreeMap<String, SourceState>,
    pub ids: Ids,
    pub counts: Counts,
    /// Decisions of the gate, to be made again.
    pub decisions: Vec<Made>,
}

/// How many events of what kind.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub rejected: u64,
    pub conflicted: u64,
    pub withheld: u64,
    /// Events whose authority could not be judged, for want of a genesis.
    pub unjudged: u64,
}

impl Authority {
    pub(crate) const fn registry(&self) -> Option<&Registry> {
        self.registry.as_ref()
    }

    pub(crate) const fn sources(&self) -> &BTreeMap<String, SourceState> {
        &self.sources
    }

    pub(crate) fn into_registry(self) -> Option<Registry> {
        self.registry
    }

    /// The keys that must sign the checkpoint of a batch that begins now.
    pub(crate) fn checkpoint_keys(&self, received: Timestamp) -> Option<Vec<VerifierKey>> {
        self.registry.as_ref().map(|registry| registry.checkpoint_keys(received))
    }

    /// Judges entry `place.index` and applies it.
    pub(crate) fn take(&mut self, entry: &Entry, body: &Body, at: &At<'_>, findings: &mut Findings) {
        self.report_body(entry, body, at.place, findings);
        if at.index == 0 {
            self.create(entry, body, at, findings);
        } else if let Body::Authentic(event) = body {
            self.admit(event, entry, at, findings);
        } else if let Some(facts) = body.facts() {
            self.carry_on(facts, entry.received, at.index);
        }
        if let Some(facts) = body.facts() {
            self.ids.add(&facts.id, at.index);
        }
    }

    fn report_body(&mut self, entry: &Entry, body: &Body, place: Place, findings: &mut Findings) {
        match body {
            Body::Authentic(_) => {}
            // The seam for erasure: once `payload.erased` exists, an index that one covers is no finding.
            Body::Withheld => {
                self.counts.withheld = self.counts.withheld.saturating_add(1);
                let found = "withheld, digest proven; no erasure event covers it";
                findings.add(Rule::BodyWithheld, place, format_args!("the event {}", entry.event), found);
            }
            Body::Altered { found, .. } => findings.add(Rule::EventDigest, place, entry.event, found),
            Body::Wrong { error, .. } => findings.add(Rule::SignatureWrong, place, "signatures that verify", error),
            Body::Unknown { keyid, .. } => {
                findings.add(Rule::UnknownKey, place, "a key that a key event of the record shows", keyid);
            }
        }
    }

    /// Entry 0: the registry begins with it.
    fn create(&mut self, entry: &Entry, body: &Body, at: &At<'_>, findings: &mut Findings) {
        let pinned = at.trust.genesis();
        if entry.event != pinned {
            findings.add(Rule::GenesisMismatch, at.place, pinned, entry.event);
        }
        let Some(facts) = body.facts() else {
            findings.add(Rule::GenesisInvalid, at.place, "a genesis", "an event that can't be read");
            return;
        };
        match Registry::create(facts, &entry.signatures) {
            Ok(registry) => {
                if registry.origin() != at.trust.origin() {
                    findings.add(Rule::GenesisInvalid, at.place, at.trust.origin(), registry.origin());
                }
                self.registry = Some(registry);
            }
            Err(error) => {
                let expected = "a genesis signed by exactly its own roots";
                findings.add(Rule::GenesisInvalid, at.place, expected, format_args!("{}: {error}", error.code()));
            }
        }
        let mut state = SourceState::default();
        match state.place(&facts.claim()) {
            Ok(_) if facts.sequence == 1 => {}
            _ => findings.add(Rule::GenesisInvalid, at.place, "sequence 1", facts.sequence),
        }
        self.sources.insert(facts.source.clone(), state);
    }

    fn admit(&mut self, event: &Authentic, entry: &Entry, at: &At<'_>, findings: &mut Findings) {
        let Some(registry) = &self.registry else {
            self.counts.unjudged = self.counts.unjudged.saturating_add(1);
            return;
        };
        let fresh = SourceState::default();
        let inspected = event.inspected();
        let source = inspected.facts().map_or("", |facts| facts.source.as_str());
        let state = self.sources.get(source).unwrap_or(&fresh);
        // Who holds a number that is taken makes no difference here: an event never stands twice.
        match admission::decide(event, registry, entry.received, state, |_taken| None) {
            Decision::Admit { source: next, .. } => {
                self.set_source(source, next);
                if let Ok(facts) = inspected.facts() {
                    self.apply(facts, entry.received, at, findings);
                }
            }
            refused => {
                let (rule, refusal) = ruled(refused, event);
                findings.add(rule, at.place, "an event that is admitted at its index", describe(&refusal));
                if let Ok(facts) = inspected.facts() {
                    self.carry_on(facts, entry.received, at.index);
                }
            }
        }
    }

    fn set_source(&mut self, source: &str, state: SourceState) {
        match self.sources.get_mut(source) {
            Some(known) => *known = state,
            None => drop(self.sources.insert(source.to_owned(), state)),
        }
    }

    /// What an admitted event changes for those after it.
    fn apply(&mut self, facts: &Facts, received: Timestamp, at: &At<'_>, findings: &mut Findings) {
        let (Ok(payload), Some(registry)) = (&facts.payload, &mut self.registry) else { return };
        if let Err(error) = registry.apply(at.index, received, payload) {
            findings.add(
                Rule::Authority,
                at.place,
                "a key event that can be applied",
                format_args!("{}: {error}", error.code()),
            );
        }
        match payload {
            Payload::EventRejected(refusal) => {
                self.counts.rejected = self.counts.rejected.saturating_add(1);
                if refusal.fills && self.fill(refusal).is_none() {
                    let number =
                        refusal.sequence.as_ref().map_or_else(|| "none".to_owned(), |count| count.get().to_string());
                    findings.add(
                        Rule::RejectionFills,
                        at.place,
                        "an open number of its source",
                        format_args!("number {number}"),
                    );
                }
            }
            Payload::GateDecided(decided) => {
                let (index, place) = (at.index, at.place);
                self.decisions.push(Made { index, place, received, decided: decided.clone() });
            }
            // A conflict fills nothing.
            Payload::EventConflicted(_) => self.counts.conflicted = self.counts.conflicted.saturating_add(1),
            _ => {}
        }
    }

    /// A refused event's number is taken by its refusal, and never ends its source.
    fn fill(&mut self, refusal: &EventRejected) -> Option<()> {
        let (source, sequence) = (refusal.source.as_ref()?, refusal.sequence.as_ref()?.get());
        let claim = Claim { sequence, previous: refusal.previous, digest: refusal.event, end: false };
        let mut state = self.sources.get(source.as_str()).cloned().unwrap_or_default();
        state.place(&claim).ok()?;
        self.set_source(source.as_str(), state);
        Some(())
    }

    /// Takes an event that has a finding as if it had none.
    fn carry_on(&mut self, facts: &Facts, received: Timestamp, index: u64) {
        let mut state = self.sources.get(&facts.source).cloned().unwrap_or_default();
        if state.place(&facts.claim()).is_ok() {
            self.set_source(&facts.source, state);
        }
        if let (Ok(payload), Some(registry)) = (&facts.payload, &mut self.registry) {
            // It may not be applicable: that it is wrong has been said already.
            drop(registry.apply(index, received, payload));
        }
    }
}

/// An entry's index and place, and the trust file.
pub(crate) struct At<'t> {
    pub index: u64,
    pub place: Place,
    pub trust: &'t Trust,
}

/// Which rule a decision other than admission breaks.
fn ruled(decision: Decision, event: &Authentic) -> (Rule, Refusal) {
    let is_readable = event.inspected().facts().is_ok_and(|facts| facts.payload.is_ok());
    match decision {
        Decision::Reject { refusal, .. } if refusal.code == "after-end" => (Rule::Sequence, refusal),
        Decision::Reject { refusal, .. } if is_readable => (Rule::Authority, refusal),
        Decision::Reject { refusal, .. } => (Rule::EventInvalid, refusal),
        Decision::Conflict { refusal, .. } | Decision::Later(refusal) => (Rule::Sequence, refusal),
        Decision::Duplicate | Decision::Admit { .. } => {
            let message = "the event stands in the history already".to_owned();
            (Rule::Sequence, Refusal::new("duplicate", message))
        }
    }
}

fn describe(refusal: &Refusal) -> String {
    format!("{}: {}", refusal.code, refusal.message)
}

/// The numbers of a source that never arrived, as ranges.
pub(crate) fn open_ranges(state: &SourceState) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in state.open() {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

/// The event that a body is of, where it is the one committed to.
pub(crate) const fn proven_event(entry: &Entry, body: &Body) -> Option<EventDigest> {
    match body {
        Body::Withheld | Body::Altered { .. } => None,
        _ => Some(entry.event),
    }
}
