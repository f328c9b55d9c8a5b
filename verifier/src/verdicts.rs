//! Decisions of the gate, made again: a second pass over a record that has some, and the gate function over what it gives.
//!
//! Promises that a decision stands only where its policy, the entries before it and its moment give it again, to the byte.
//! A record without decisions is read once, and nothing of it is kept. Never looks at what an index says: events are looked
//! through. (docs/GATE.md)

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
};

use lineal_gate::{
    age::is_behind,
    judge::{Asked, Question, judge},
    memory::Memory,
    verdict::Verdict,
};
use lineal_schemas::{
    digest::EventDigest, facts::Facts, line::Line, registry::Registry, timestamp::Timestamp,
    vocabulary::gate::GateDecided,
};

use crate::{
    finding::{Findings, Place},
    record::{Record, RecordError},
    rule::Rule,
};

/// A decision on the record.
#[derive(Debug)]
pub(crate) struct Made {
    pub index: u64,
    pub place: Place,
    pub received: Timestamp,
    pub decided: Box<GateDecided>,
}

/// Makes every decision again that a checkpoint covers.
pub(crate) fn check(record: &Record, registry: &Registry, decisions: &[Made], findings: &mut Findings) {
    let Some(last) = decisions.iter().map(|decision| decision.index).max() else { return };
    let sizes = decisions.iter().map(|decision| decision.decided.tree_size.get()).collect();
    let history = match read(record, last, &sizes) {
        Ok(history) => history,
        Err(error) => {
            let place = decisions.first().map_or_else(Place::default, |decision| decision.place);
            return findings.add(Rule::VerdictUnchecked, place, "a record that can be read twice", error);
        }
    };
    for decision in decisions {
        history.check(registry, decision, findings);
    }
}

/// A record's events in memory, and the first of which there is none.
struct Events {
    memory: Memory,
    withheld: Option<u64>,
    /// When the first entry was taken that a decision left out.
    left_out: BTreeMap<u64, Timestamp>,
}

/// Reads the events up to an entry. What is wrong with a line has been said on the first pass.
fn read(record: &Record, last: u64, sizes: &BTreeSet<u64>) -> Result<Events, RecordError> {
    let mut events = Events { memory: Memory::default(), withheld: None, left_out: BTreeMap::new() };
    let mut line = Vec::new();
    for segment in record.segments().iter().filter(|segment| segment.first <= last) {
        let mut reader = BufReader::new(segment.open()?);
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).map_err(|error| segment.failed(error))? == 0 {
                break;
            }
            let Ok(Line::Entry { entry, body, .. }) = Line::parse(line.strip_suffix(b"\n").unwrap_or(&line)) else {
                continue;
            };
            if sizes.contains(&entry.index) {
                events.left_out.insert(entry.index, entry.received);
            }
            let proven = body.filter(|body| EventDigest::of(body) == entry.event);
            match proven.and_then(|body| Facts::read(body, entry.event).ok()) {
                Some(facts) => events.memory.push(entry.index, &entry, facts),
                None => events.withheld = events.withheld.or(Some(entry.index)),
            }
        }
    }
    Ok(events)
}

impl Events {
    fn check(&self, registry: &Registry, decision: &Made, findings: &mut Findings) {
        let (place, decided) = (decision.place, &decision.decided);
        let size = decided.tree_size.get();
        let differs = |findings: &mut Findings, expected: &str, found: String| {
            findings.add(Rule::VerdictDiffers, place, expected, found);
        };
        if size > decision.index {
            let found = format!("size {size} at entry {}", decision.index);
            return differs(findings, "a size that the record had then", found);
        }
        let moment = match decided.judged_at.timestamp() {
            Some(moment) if moment <= decision.received => moment,
            _ => return differs(findings, "a moment that had come", format!("judged at {}", decided.judged_at)),
        };
        self.behind(decision, moment, findings);
        if let Some(index) = self.withheld.filter(|index| *index < size) {
            let found = format!("the event of entry {index} is withheld or altered");
            return findings.add(Rule::VerdictUnchecked, place, "every event that it can rest on", found);
        }
        let policy = decided.policy.as_ref().map_or(Asked::Registered, |policy| Asked::Named(policy.name.clone()));
        let (service, serving_set) = (decided.service.clone(), decided.serving_set.clone());
        let question = Question { service, serving_set, policy };
        let Ok(verdict) = judge(&mut self.memory.at(registry, size, moment), &question);
        if let Some((expected, found)) = difference(&verdict, decided) {
            differs(findings, &expected, found);
        }
    }
}

impl Events {
    /// Says where a decision is about long before it was recorded: by its moment, or by what it left out. A tool's own may have
    /// waited in an outbox, and that is not known from the record: so it is said, and the verdict stands.
    fn behind(&self, decision: &Made, moment: Timestamp, findings: &mut Findings) {
        let (place, received, size) = (decision.place, decision.received, decision.decided.tree_size.get());
        let left_out = self.left_out.get(&size).filter(|_taken| size < decision.index);
        let found = if is_behind(moment, received) {
            format!("judged at {moment}, recorded at {received}")
        } else if let Some(taken) = left_out.filter(|taken| is_behind(**taken, received)) {
            format!("without entry {size}, taken at {taken}, and recorded at {received}")
        } else {
            return;
        };
        findings.add(Rule::VerdictBehind, place, "a decision about now", found);
    }
}

/// What a decision says otherwise than its verdict: what was expected, and what was found.
fn difference(verdict: &Verdict, decided: &GateDecided) -> Option<(String, String)> {
    let Ok(expected) = verdict.decided() else {
        return Some(("a verdict that an event can hold".into(), "none".into()));
    };
    if (expected.verdict, &expected.document) != (decided.verdict, &decided.document) {
        let shown = |decided: &GateDecided| format!("{}, document {}", decided.verdict, decided.document);
        return Some((shown(&expected), shown(decided)));
    }
    // The document says all of it; what an event repeats of it has to be the same.
    let same = expected.policy == decided.policy
        && expected.incumbent == decided.incumbent
        && expected.overridden == decided.overridden
        && (decided.inputs.is_none() || expected.inputs == decided.inputs)
        && (decided.reasons.is_none() || expected.reasons == decided.reasons);
    (!same).then(|| ("what its document says".into(), "another policy, incumbent, override, reason or input".into()))
}
