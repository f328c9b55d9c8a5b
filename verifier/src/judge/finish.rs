//! The end of the record: what is left open, what the head and the trust file say, and the report.

use lineal_schemas::{registry::Registry, trust::TrustError};

use std::collections::BTreeMap;

use lineal_schemas::digest::EventDigest;

use super::{Judge, authority::open_ranges};
use crate::{
    finding::Place,
    report::{HeadSeen, Report, SourceSeen},
    rule::Rule,
    verdicts,
};

/// How many names a finding about many sources spells out.
const NAMES_SHOWN: usize = 3;

/// How many ranges of missing numbers a finding spells out.
const RANGES_SHOWN: usize = 8;

/// All that a judged record gives.
pub(crate) struct Judged {
    pub report: Report,
    pub registry: Option<Registry>,
    pub places: BTreeMap<EventDigest, u64>,
}

impl Judge<'_> {
    /// Ends the judgement; every line has been seen, or the torn tail was reached.
    pub(crate) fn finish(mut self) -> Judged {
        for name in self.record.extra() {
            self.findings.add(Rule::ExtraFile, Place::default(), "segments only", format_args!("`{name}`"));
        }
        if !self.has_stopped {
            self.finish_batch();
        }
        self.heads.finish(self.record, &self.covered.end, &mut self.findings);
        std::mem::take(&mut self.rollbacks).finish(&mut self.findings);
        self.finish_notes();
        self.finish_trust();
        self.finish_verdicts();
        self.finish_sources();
        self.report()
    }

    /// Lines after the last checkpoint: torn beyond the head, a finding up to it.
    fn finish_batch(&mut self) {
        let Some((segment, offset)) = self.batch.start else {
            // A segment out of order beyond the head has been held back, and has no lines.
            if self.findings.is_holding() {
                self.stop();
            }
            return;
        };
        if self.findings.is_holding() {
            return self.stop();
        }
        let bytes = self.bytes_after(segment, offset);
        let index = self.batch.first.as_ref().map(|(first, _)| *first).or_else(|| Some(self.chain.next()));
        let place = Place { index, segment: Some(segment), offset: Some(offset), ..Place::default() };
        let found = format!("{bytes} bytes after the last checkpoint");
        self.findings.add(Rule::UncoveredBytes, place, "a checkpoint as the last line", found);
    }

    fn finish_notes(&mut self) {
        let nowhere = Place::default();
        if self.chain.next() == 0 {
            self.findings.add(Rule::NoEntries, nowhere, "a genesis at least", "no entry");
        }
        if self.beyond_head > 0 {
            let found = format!("{} whole batches beyond it", self.beyond_head);
            self.findings.add(Rule::BeyondHead, nowhere, "a head that covers the record", found);
        }
        if self.roots_unchecked > 0 {
            let found = format!("{} checkpoints", self.roots_unchecked);
            self.findings.add(Rule::RootsUnchecked, nowhere, "a tree without a damaged leaf", found);
        }
        let counts = self.authority.counts;
        if counts.unjudged > 0 {
            let found = format!("{} events", counts.unjudged);
            self.findings.add(Rule::AuthorityUnchecked, nowhere, "a genesis that can be read", found);
        }
        if counts.rejected > 0 || counts.conflicted > 0 {
            let found = format!("{} rejected, {} in conflict", counts.rejected, counts.conflicted);
            self.findings.add(Rule::Refusals, nowhere, "every event admitted", found);
        }
    }

    fn finish_trust(&mut self) {
        for given in self.given.iter().filter(|given| !given.is_met) {
            let checkpoint = given.signed.checkpoint();
            let expected = format!("size {}, root {}", checkpoint.size, checkpoint.root);
            let found = format!("a record of {} entries", self.tree.size());
            self.findings.add(Rule::GivenCheckpoint, Place::default(), expected, found);
        }
        let Some(signed) = &self.covered.signed else { return };
        let place = Place { index: self.covered.end.size.checked_sub(1), ..Place::default() };
        match self.trust.verify_checkpoint(signed) {
            Ok(_) => {}
            Err(error @ TrustError::QuorumNotMet(_)) => {
                self.findings.add(Rule::QuorumNotMet, place, "cosignatures on the last checkpoint", error);
            }
            Err(error) => {
                let knows =
                    |registry: &Registry| self.trust.log_keys().any(|key| registry.key(&key.key().keyid()).is_some());
                let is_known = self.authority.registry().is_some_and(knows);
                let rule = if is_known { Rule::TrustOutdated } else { Rule::TrustKey };
                self.findings.add(rule, place, "the last checkpoint signed by a key of the trust file", error);
            }
        }
    }

    /// Decisions of the gate that a checkpoint covers, made again.
    fn finish_verdicts(&mut self) {
        let mut decisions = std::mem::take(&mut self.authority.decisions);
        decisions.retain(|decision| decision.index < self.covered.end.size);
        if let Some(registry) = self.authority.registry() {
            verdicts::check(self.record, registry, &decisions, &mut self.findings);
        }
    }

    fn finish_sources(&mut self) {
        std::mem::take(&mut self.authority.ids).finish(&mut self.findings);
        let mut ended = Vec::new();
        for (source, state) in self.authority.sources() {
            let ranges = open_ranges(state);
            if !ranges.is_empty() {
                let found = format!("{source}: {} never arrived", spell(&ranges));
                self.findings.add(
                    Rule::SequenceGap,
                    Place::default(),
                    format_args!("numbers up to {}", state.head()),
                    found,
                );
            }
            if state.end().is_some() {
                ended.push(source.as_str());
            }
        }
        if !ended.is_empty() {
            let names = ended.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
            let more = if ended.len() > NAMES_SHOWN { ", …" } else { "" };
            let found = format!("{} have ended: {names}{more}", ended.len());
            let expected = format!("{} sources", self.authority.sources().len());
            self.findings.add(Rule::SourcesEnded, Place::default(), expected, found);
        }
    }

    fn report(self) -> Judged {
        let sources = self.authority.sources().iter().map(|(source, state)| SourceSeen {
            source: source.clone(),
            head: state.head(),
            missing: open_ranges(state),
            has_ended: state.end().is_some(),
        });
        let sources = sources.collect();
        let verdict = self.findings.verdict();
        let (findings, counts) = self.findings.finish();
        let report = Report {
            verdict,
            origin: self.trust.origin().to_owned(),
            genesis: self.trust.genesis(),
            entries: self.covered.end.size,
            batches: self.batches,
            segments: self.record.segments().len(),
            bytes: self.record.length(),
            root: self.covered.end.root,
            checkpoint: self.covered.signed.as_ref().map(ToString::to_string),
            head: self.heads.newest().map(HeadSeen::from),
            rejected: self.authority.counts.rejected,
            conflicted: self.authority.counts.conflicted,
            withheld: self.authority.counts.withheld,
            keys: self.authority.registry().map_or(0, |registry| registry.enrolments().count()),
            sources,
            counts,
            findings,
        };
        Judged { report, registry: self.authority.into_registry(), places: self.places }
    }
}

fn spell(ranges: &[(u64, u64)]) -> String {
    let one = |(first, last): &(u64, u64)| if first == last { first.to_string() } else { format!("{first}–{last}") };
    let shown = ranges.iter().take(RANGES_SHOWN).map(one).collect::<Vec<_>>().join(", ");
    if ranges.len() > RANGES_SHOWN { format!("{shown}, …") } else { shown }
}
