//! The answer about one file, a receipt, an event or a checkpoint: what was checked, what could not be, and the verdict.
//!
//! Promises that whatever was not checked is said. A file that is in order as far as it goes, with something left that
//! only a record or a key could settle, is "could not tell".

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    finding::{Finding, Severity},
    report::{Verdict, in_short, plain, write_findings},
};

/// What `receipt`, `event` and `checkpoint` print with `--json`.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// `verified`, `not-verified` or `could-not-tell`.
    pub verdict: Verdict,
    /// What it is about, in short.
    pub about: String,
    /// What holds.
    pub checked: Vec<String>,
    /// What could not be checked, and what it would take, each with whether the verdict hangs on it.
    pub unchecked: Vec<String>,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

impl Answer {
    /// An answer about something, before anything was checked.
    pub(crate) fn about(about: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Verified,
            about: about.into(),
            checked: Vec::new(),
            unchecked: Vec::new(),
            findings: Vec::new(),
        }
    }

    pub(crate) fn holds(&mut self, what: impl Into<String>) {
        self.checked.push(what.into());
    }

    /// Something that this file alone can't show, and that the verdict does not claim.
    pub(crate) fn leaves_open(&mut self, what: impl Into<String>) {
        self.unchecked.push(what.into());
    }

    /// Something that the verdict hangs on and that could not be checked.
    pub(crate) fn lacks(&mut self, what: impl Into<String>) {
        self.unchecked.push(what.into());
        if self.verdict == Verdict::Verified {
            self.verdict = Verdict::CouldNotTell;
        }
    }

    pub(crate) fn fails(&mut self, finding: Finding) {
        self.findings.push(finding);
        self.verdict = Verdict::NotVerified;
    }

    /// Takes another answer in.
    pub(crate) fn join(&mut self, other: Self) {
        self.checked.extend(other.checked);
        self.unchecked.extend(other.unchecked);
        self.findings.extend(other.findings);
        self.verdict = match (self.verdict, other.verdict) {
            (Verdict::NotVerified, _) | (_, Verdict::NotVerified) => Verdict::NotVerified,
            (Verdict::CouldNotTell, _) | (_, Verdict::CouldNotTell) => Verdict::CouldNotTell,
            _ => Verdict::Verified,
        };
    }

    /// Prints lines for people; the last one is the verdict.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for what in &self.checked {
            writeln!(out, "checked  {}", plain(what))?;
        }
        for what in &self.unchecked {
            writeln!(out, "not      {}", plain(what))?;
        }
        let errors = u64::try_from(self.findings.len()).unwrap_or(u64::MAX);
        write_findings(out, &self.findings, [(Severity::Error, errors)].into_iter())?;
        self.write_verdict(out)
    }

    /// Prints the verdict alone.
    pub fn write_verdict(&self, out: &mut impl Write) -> io::Result<()> {
        let rest = match (self.verdict, self.findings.first(), self.unchecked.first()) {
            (Verdict::NotVerified, Some(finding), _) => in_short(finding),
            (Verdict::CouldNotTell, _, Some(what)) => format!("{}: {}", plain(&self.about), plain(what)),
            _ => plain(&self.about),
        };
        writeln!(out, "{}  {rest}", self.verdict)
    }
}
