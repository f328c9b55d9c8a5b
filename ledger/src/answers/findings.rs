//! `findings`: what is wrong with what runs and with the record of it, by rules that have names.
//!
//! A rule is a function (`findings/deployed.rs`, `admitted.rs`, `made.rs`, `recorded.rs`) over what the other answers read; a finding
//! names the rule, what it is about, and the events that show it. Promises that a finding has the same id as long as it
//! is about the same, and that what could not be looked at is said. Never takes silence for health. (docs/ANSWERS.md)

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, EventRef, NamedDigest, When,
    admission::Decisions,
    flags::Tainted,
    gate,
    graph::Reader,
    print,
    running::{MAX_SERVICES, is_in},
};
use crate::ledger::View;

mod admitted;
mod deployed;
mod draft;
mod made;
mod recorded;
pub mod rule;

use draft::Gathered;
pub use rule::Rule;

/// The most artifacts and runs that are looked at downstream of what is flagged.
const MAX_TAINTED: usize = 100_000;

/// What an id begins with, so that no digest is taken for one.
pub(super) const ID_PREFIX: &str = "f-";

/// Hex digits of an id.
const ID_DIGITS: usize = 12;

/// The answer to `lineal findings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The answer in one line.
    pub answer: String,
    /// The environment asked for, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The least severity asked for, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// What was found, the most severe first.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<String>,
    /// How far the record had come.
    pub as_of: AsOf,
}

impl Findings {
    /// 0: nothing was found; 1: something was; 2: nothing was, and something is unknown or could not be looked at.
    pub fn exit_code(&self) -> u8 {
        let (unknown, known): (Vec<_>, Vec<_>) =
            self.findings.iter().partition(|finding| finding.rule == Rule::ObserverSilent);
        match (known.is_empty(), unknown.is_empty() && self.undecided.is_empty()) {
            (false, _) => 1,
            (true, false) => 2,
            (true, true) => 0,
        }
    }
}

/// How much a finding matters, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// To be known.
    Low,
    /// To be mended.
    Medium,
    /// To be looked at today: what runs may not be what somebody thinks.
    High,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// As it is spelled.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl FromStr for Severity {
    type Err = AnswerError;

    fn from_str(asked: &str) -> Result<Self, AnswerError> {
        let all = [Self::Low, Self::Medium, Self::High, Self::Critical];
        let found = all.into_iter().find(|severity| severity.as_str() == asked);
        found.ok_or_else(|| AnswerError::Severity { asked: asked.to_owned() })
    }
}

/// Something that a rule found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `f-` and 12 hex digits: the same as long as the same rule finds the same.
    pub id: String,
    /// The rule.
    pub rule: Rule,
    /// How much it matters.
    pub severity: Severity,
    /// What is the matter, in one line.
    pub line: String,
    /// The services that it touches, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// The artifact that it is about, as prose names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// Its digests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<NamedDigest>,
    /// The events that show it.
    pub evidence: Vec<Evidence>,
}

/// An event that shows a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// What the event is to the finding: `observed`, `requested`, `flagged`, ….
    pub role: String,
    /// The event.
    pub event: EventRef,
}

/// What is wrong, in all environments or in those that `environment` names, at least as severe as `least`. What belongs
/// to no service, like a gap in what a producer sent, is given for any environment: it may be about any of them.
pub fn findings(
    view: &View,
    environment: Option<&str>,
    least: Option<Severity>,
    when: impl Into<When>,
) -> Result<Findings, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let is_production = |service: &str| environment.is_some() || is_production(service);
    let (mut found, undecided) = all(&mut reader, environment, &is_production)?;
    found.retain(|finding| least.is_none_or(|least| finding.severity >= least));
    let mut findings = Findings {
        answer: String::new(),
        environment: environment.map(str::to_owned),
        severity: least,
        findings: found,
        undecided,
        as_of: reader.as_of(),
    };
    findings.answer = print::findings_line(&findings);
    Ok(findings)
}

/// Whether a service's environment calls itself production.
fn is_production(service: &str) -> bool {
    ["prod", "production"].iter().any(|one| is_in(service, one))
}

/// Every finding of any environment, whichever was asked about when it was given.
pub(super) fn of_any(reader: &mut Reader<'_>) -> Result<Vec<Finding>, AnswerError> {
    Ok(all(reader, None, &|_service| true)?.0)
}

/// Every finding, the most severe first, and what could not be looked at.
fn all(
    reader: &mut Reader<'_>,
    environment: Option<&str>,
    is_production: &dyn Fn(&str) -> bool,
) -> Result<(Vec<Finding>, Vec<String>), AnswerError> {
    let tainted = Tainted::find(reader, MAX_TAINTED)?;
    let mut gathered = Gathered::default();
    if tainted.is_cut {
        gathered.undecided(format!("more is flagged than the {MAX_TAINTED} artifacts and runs that were looked at"));
    }
    let mut made = made::Made::default();
    let is_used = gate::is_any_registered(reader)?;
    for service in reader.subjects("service/", MAX_SERVICES)? {
        if !environment.is_none_or(|wanted| is_in(&service, wanted)) {
            continue;
        }
        deployed::asked(reader, &service, &mut gathered)?;
        let decisions = Decisions::read(reader, &service)?;
        admitted::waiting(reader, &service, &decisions, &mut gathered)?;
        let Some(live) = deployed::Live::read(reader, &service)? else { continue };
        deployed::rules(reader, &live, is_production(&service), &mut gathered)?;
        admitted::rules(reader, &live, &decisions, is_used, &mut gathered)?;
        made::rules(reader, &live, &tainted, &mut made, &mut gathered)?;
    }
    recorded::gaps(reader, &mut gathered)?;
    recorded::late(reader, &mut gathered)?;
    Ok(gathered.finish())
}
