//! What does not hold, and where: the findings of a check, counted without limit and kept up to one.
//!
//! Promises that every finding is counted under its rule, that the first ones are kept, and that what lies beyond the
//! head can be held back until it is known whether a checkpoint covers it. Never decides what a finding is.

use std::{collections::BTreeMap, fmt::Display};

use serde::Serialize;

use crate::{
    report::Verdict,
    rule::{Effect, Rule},
};

/// How many findings of each severity are kept; more are only counted.
pub const KEPT_PER_SEVERITY: usize = 1000;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is wrong.
    Error,
    /// Something should be looked at.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl From<Effect> for Severity {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Fails => Self::Error,
            Effect::Undecided | Effect::Warns => Self::Warning,
            Effect::Notes => Self::Note,
        }
    }
}

/// One thing that does not hold, or is good to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The stable name of the rule: of [`Rule`], or the code of the format that was broken.
    pub rule: &'static str,
    /// The entry concerned; for a checkpoint, the last entry of its batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The other end, where a link between two entries is broken.
    #[serde(rename = "otherEnd", skip_serializing_if = "Option::is_none")]
    pub other_end: Option<u64>,
    /// The file: a segment's name, or `head`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// Where its line begins in that file, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Finding {
    /// An error about something that has no place in a record.
    pub fn error(rule: &'static str, expected: impl Display, found: impl Display) -> Self {
        Self {
            severity: Severity::Error,
            rule,
            index: None,
            other_end: None,
            segment: None,
            offset: None,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// Where it is, in words.
    pub fn place(&self) -> String {
        let index = match (self.other_end, self.index) {
            (Some(other), Some(index)) => format!("between entries {other} and {index}"),
            (None, Some(index)) => format!("at entry {index}"),
            (_, None) => String::new(),
        };
        let file = match (&self.segment, self.offset) {
            (Some(segment), Some(offset)) => format!("({segment}, byte {offset})"),
            (Some(segment), None) => format!("({segment})"),
            (None, _) => String::new(),
        };
        let space = if index.is_empty() || file.is_empty() { "" } else { " " };
        format!("{index}{space}{file}")
    }
}

/// Where in a record something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub index: Option<u64>,
    pub other_end: Option<u64>,
    /// The segment, by its first index.
    pub segment: Option<u64>,
    pub offset: Option<u64>,
}

/// Findings, counted by rule.
#[derive(Debug, Default)]
struct Tally {
    kept: Vec<Finding>,
    kept_of: BTreeMap<Severity, usize>,
    counts: BTreeMap<Rule, u64>,
    /// The first finding of damage, as a text.
    damage: Option<String>,
}

impl Tally {
    fn add(&mut self, rule: Rule, finding: Finding) {
        if self.damage.is_none() && rule.is_damage() {
            self.damage = Some(format!("{} {}: {}", finding.rule, finding.place(), finding.found));
        }
        let count = self.counts.entry(rule).or_default();
        *count = count.saturating_add(1);
        self.keep(finding);
    }

    fn keep(&mut self, finding: Finding) {
        let kept = self.kept_of.entry(finding.severity).or_default();
        if *kept < KEPT_PER_SEVERITY {
            *kept = kept.saturating_add(1);
            self.kept.push(finding);
        }
    }

    fn count(&self, effect: Effect) -> u64 {
        self.counts.iter().filter(|(rule, _)| rule.effect() == effect).fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }
}

/// The findings so far, and those held back.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    told: Tally,
    held: Option<Tally>,
}

impl Findings {
    pub(crate) fn add(&mut self, rule: Rule, place: Place, expected: impl Display, found: impl Display) {
        let segment = place.segment.map(|first| format!("{first:020}.log"));
        self.add_in_file(rule, place, segment, expected, found);
    }

    /// A finding in the head file, at `offset`.
    pub(crate) fn add_in_head(&mut self, rule: Rule, place: Place, expected: impl Display, found: impl Display) {
        self.add_in_file(rule, place, Some("head".to_owned()), expected, found);
    }

    fn add_in_file(
        &mut self,
        rule: Rule,
        place: Place,
        segment: Option<String>,
        expected: impl Display,
        found: impl Display,
    ) {
        let finding = Finding {
            severity: rule.effect().into(),
            rule: rule.name(),
            index: place.index,
            other_end: place.other_end,
            segment,
            offset: place.offset,
            expected: expected.to_string(),
            found: found.to_string(),
        };
        self.held.as_mut().unwrap_or(&mut self.told).add(rule, finding);
    }

    /// Holds back what is found from here on.
    pub(crate) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    pub(crate) const fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Whether what is held back shows damage.
    pub(crate) fn holds_damage(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.damage.is_some())
    }

    /// Tells what was held back.
    pub(crate) fn release(&mut self) {
        let Some(held) = self.held.take() else { return };
        for (rule, count) in held.counts {
            let told = self.told.counts.entry(rule).or_default();
            *told = told.saturating_add(count);
        }
        held.kept.into_iter().for_each(|finding| self.told.keep(finding));
    }

    /// Drops what was held back; gives the first damage in it, in words.
    pub(crate) fn drop_held(&mut self) -> Option<String> {
        self.held.take()?.damage
    }

    pub(crate) fn verdict(&self) -> Verdict {
        if self.told.count(Effect::Fails) > 0 {
            Verdict::NotVerified
        } else if self.told.count(Effect::Undecided) > 0 {
            Verdict::CouldNotTell
        } else {
            Verdict::Verified
        }
    }

    /// The findings kept, the worst first and else in the order of the record; and the count of each rule.
    pub(crate) fn finish(self) -> (Vec<Finding>, BTreeMap<Rule, u64>) {
        let Tally { mut kept, counts, .. } = self.told;
        kept.sort_by_key(|finding| finding.severity);
        (kept, counts)
    }
}
