//! What a check came to: the verdict, what was seen, and every finding; for people as lines, for programs as one
//! JSON object.
//!
//! Promises that the last line for people is the verdict, and that nothing which a record says reaches a terminal as
//! anything but plain text.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write},
};

use lineal_schemas::{
    digest::{EventDigest, RootHash},
    head::Head,
};
use serde::Serialize;

use crate::{
    finding::{Finding, Severity},
    rule::Rule,
};

/// The answer. Exit codes are 0, 1 and 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that can be checked holds.
    Verified,
    /// Something does not hold.
    NotVerified,
    /// Nothing is known to be wrong, but not all could be checked.
    CouldNotTell,
}

impl Verdict {
    /// The exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::NotVerified => 1,
            Self::CouldNotTell => 2,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verified => "VERIFIED",
            Self::NotVerified => "NOT VERIFIED",
            Self::CouldNotTell => "COULD NOT TELL",
        })
    }
}

/// What `lineal-verify log --json` prints. Member names are these, in camel case.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `verified`, `not-verified` or `could-not-tell`.
    pub verdict: Verdict,
    /// The trusted ledger's name.
    pub origin: String,
    /// Digest of the genesis that the trust file pins.
    pub genesis: EventDigest,
    /// Entries that a valid checkpoint covers.
    pub entries: u64,
    /// Checkpoints in the record.
    pub batches: u64,
    /// Segment files.
    pub segments: usize,
    /// Bytes of all segments.
    pub bytes: u64,
    /// The root over those entries.
    pub root: RootHash,
    /// The last valid checkpoint, as its signed note.
    pub checkpoint: Option<String>,
    /// What the newest whole slot of the head says.
    pub head: Option<HeadSeen>,
    /// Refused events on the record.
    pub rejected: u64,
    /// Conflicting events on the record.
    pub conflicted: u64,
    /// Entries without a body.
    pub withheld: u64,
    /// Producers' keys that were ever enrolled.
    pub keys: usize,
    /// Every source, by name.
    pub sources: Vec<SourceSeen>,
    /// How often each rule was broken or noted; complete, unlike `findings`.
    pub counts: BTreeMap<Rule, u64>,
    /// The first findings of each severity, the worst first, each severity in the order of the record.
    pub findings: Vec<Finding>,
}

/// A slot of the head.
#[derive(Debug, Clone, Serialize)]
pub struct HeadSeen {
    /// The batch's number.
    pub batch: u64,
    /// Entries committed.
    pub size: u64,
    /// The root over them.
    pub root: RootHash,
    /// First index of the last segment.
    pub segment: u64,
    /// Bytes of it that are committed.
    pub length: u64,
}

impl From<&Head> for HeadSeen {
    fn from(head: &Head) -> Self {
        Self { batch: head.batch, size: head.size, root: head.root, segment: head.segment, length: head.length }
    }
}

/// A source of events.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceSeen {
    /// Its URI.
    pub source: String,
    /// The highest number that arrived.
    pub head: u64,
    /// Numbers below it that never did, as pairs of first and last.
    pub missing: Vec<(u64, u64)>,
    /// Whether it said that nothing follows.
    pub has_ended: bool,
}

/// How many findings of each severity are printed for people.
const SHOWN_PER_SEVERITY: usize = 10;

impl Report {
    /// Prints lines for people; the last one is the verdict.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "ledger   {}, genesis {}", plain(&self.origin), self.genesis)?;
        writeln!(
            out,
            "record   {} entries in {} batches, {} segments, {} bytes",
            self.entries, self.batches, self.segments, self.bytes
        )?;
        writeln!(out, "said by  {} sources, {} enrolled keys", self.sources.len(), self.keys)?;
        let counts = self.counts.iter().map(|(rule, count)| (Severity::from(rule.effect()), *count));
        write_findings(out, &self.findings, counts)?;
        self.write_verdict(out)
    }

    /// Prints the verdict alone.
    pub fn write_verdict(&self, out: &mut impl Write) -> io::Result<()> {
        let rest = match self.verdict {
            Verdict::Verified => format!(
                "{} entries, {} sources, root {}, checkpoint {}",
                self.entries,
                self.sources.len(),
                self.root,
                self.signers()
            ),
            Verdict::NotVerified => self.first(|finding| finding.severity == Severity::Error),
            Verdict::CouldNotTell => {
                let undecided = |finding: &&Finding| {
                    let rule = Rule::ALL.iter().find(|rule| rule.name() == finding.rule);
                    rule.is_some_and(|rule| rule.effect() == crate::rule::Effect::Undecided)
                };
                self.first(|finding| undecided(&finding))
            }
        };
        writeln!(out, "{}  {rest}", self.verdict)
    }

    /// Size of the last checkpoint, and whose signatures it carries.
    fn signers(&self) -> String {
        let note = self.checkpoint.as_deref().unwrap_or_default();
        let lines = note.lines().filter_map(|line| line.strip_prefix("\u{2014} ")?.split_once(' '));
        let names: Vec<_> = lines.map(|(name, _)| plain(name)).collect();
        format!("{} by {}", self.entries, names.join(", "))
    }

    fn first(&self, is_it: impl Fn(&Finding) -> bool) -> String {
        self.findings.iter().find(|finding| is_it(finding)).map_or_else(String::new, in_short)
    }
}

/// Prints findings, a limited number of each severity.
pub(crate) fn write_findings(
    out: &mut impl Write,
    findings: &[Finding],
    counts: impl Iterator<Item = (Severity, u64)> + Clone,
) -> io::Result<()> {
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let of_it = findings.iter().filter(|finding| finding.severity == severity);
        for finding in of_it.clone().take(SHOWN_PER_SEVERITY) {
            let place = finding.place();
            let gap = if place.is_empty() { "" } else { "  " };
            writeln!(out, "{:<8} {}{gap}{}", severity.as_str(), finding.rule, plain(&place))?;
            writeln!(out, "         expected {}", plain(&finding.expected))?;
            writeln!(out, "         found    {}", plain(&finding.found))?;
        }
        let all =
            counts.clone().filter(|(other, _)| *other == severity).fold(0_u64, |sum, (_, n)| sum.saturating_add(n));
        let shown = u64::try_from(of_it.take(SHOWN_PER_SEVERITY).count()).unwrap_or(u64::MAX);
        let more = all.saturating_sub(shown);
        if more > 0 {
            writeln!(out, "         … and {more} more of this kind (--json lists the first 1000)")?;
        }
    }
    Ok(())
}

/// One finding on one line.
pub(crate) fn in_short(finding: &Finding) -> String {
    let place = finding.place();
    let gap = if place.is_empty() { "" } else { " " };
    plain(&format!("{}{gap}{place}: expected {}, found {}", finding.rule, finding.expected, finding.found))
}

/// A text without anything that a terminal would obey or that changes the order of reading.
pub(crate) fn plain(text: &str) -> String {
    let is_plain = |c: char| matches!(c, ' '..='~' | '–' | '…');
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) {
            plain.push(c);
        } else {
            plain.extend(c.escape_default());
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_record_reaches_a_terminal_as_more_than_text() {
        assert_eq!(plain("a\u{1b}[2Jb\n\u{202e}c–é"), "a\\u{1b}[2Jb\\n\\u{202e}c–\\u{e9}");
    }
}
