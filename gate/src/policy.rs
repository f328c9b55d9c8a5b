//! Policies: what a gate asks for, as a closed table of TOML.
//!
//! Promises that a policy that is read means something: no unknown key, no rule that can never pass or never fail, nothing
//! twice, no number that was a binary float; each refusal names its line and column. Never runs anything: there is no
//! expression in a policy. (docs/GATE.md)

use std::collections::BTreeSet;

use lineal_schemas::vocabulary::{
    names::{PolicyName, ProducerName, ServiceName},
    policy::{OVERRIDE, PolicyText},
};

use crate::history::Evidence;

mod check;
mod table;
mod words;

use self::{check::Checker, table::Table};
pub(crate) use self::{
    check::{gap_rule, metric_rule},
    table::{Approval, Gap, Lineage, Metric, NotWho, Severity},
};
pub use self::{
    table::{Aggregate, Better, DigestRule, OnAbsent, OnBoundary, Rollback},
    words::{Number, Slice, Span},
};

/// The JSON Schema of a policy, for editors; what it can't say, [`Policy::parse`] refuses.
pub const JSON_SCHEMA: &str = include_str!("../json/policy.v1.json");

/// A text that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct PolicyError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong there, and what to do about it.
    pub what: String,
}

impl PolicyError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        "malformed-policy"
    }

    /// At a byte of a text.
    fn at(text: &str, byte: usize, what: String) -> Self {
        let before = text.get(..byte.min(text.len())).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column, what }
    }
}

/// A policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub(crate) table: Table,
    digest: String,
    name: PolicyName,
}

impl Policy {
    /// Reads a policy's text.
    pub fn parse(text: &PolicyText) -> Result<Self, PolicyError> {
        let table: Table = toml::from_str(text.as_str()).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            PolicyError::at(text.as_str(), at, error.message().trim_end().replace('\n', ", "))
        })?;
        let checker = Checker::new(text.as_str());
        let name = checker.check(&table)?;
        Ok(Self { name, digest: text.digest(), table })
    }

    /// What it is called.
    pub const fn name(&self) -> &PolicyName {
        &self.name
    }

    /// SHA-256 of its text.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether it speaks for a service.
    pub fn applies_to(&self, service: &ServiceName) -> bool {
        let Some((name, place)) = service.as_str().split_once('@') else { return false };
        let applies = self.table.applies.get_ref();
        let named = match applies.service.strip_suffix("/**") {
            Some(prefix) => name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')),
            None => applies.service == name,
        };
        let environment = place.rsplit('/').next();
        named && applies.environment.as_deref().is_none_or(|wanted| wanted == place || Some(wanted) == environment)
    }

    /// Why a waiver of that rule could never count under this policy; nothing where it could.
    pub fn refuses_waiver(&self, rule: &str) -> Option<String> {
        let name = &self.name;
        if rule == OVERRIDE {
            let none = format!("{name} has no `[override]`: nobody may break its glass");
            return self.table.override_.is_none().then_some(none);
        }
        let listed = self.table.waivers.iter().flat_map(|waivers| &waivers.get_ref().rules);
        let listed: Vec<&str> = listed.map(|rule| rule.get_ref().as_str()).collect();
        if listed.contains(&rule) {
            return None;
        }
        let what = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
        Some(format!("{name} lets nobody waive `{rule}`: its `[waivers]` have {what}"))
    }

    /// The names of the rules that it asks for, in the order in which they are judged.
    pub fn rules(&self) -> Vec<String> {
        check::rules(&self.table)
    }
}

/// The owner of what has a name: everything between its kind and its last segment.
pub(crate) fn owner(name: &str) -> Option<&str> {
    let (_kind, rest) = name.split_once('/')?;
    rest.rsplit_once('/').map(|(owner, _name)| owner)
}

/// Whether one of those who said something is on a list, and of those who corrected it as well; anybody is, where there is
/// no list.
pub(crate) fn is_from(told: &Evidence, listed: Option<&Vec<ProducerName>>) -> bool {
    let has = |producers: &BTreeSet<String>, listed: &[ProducerName]| {
        listed.iter().any(|name| producers.contains(name.as_str()))
    };
    listed.is_none_or(|listed| {
        has(&told.producers, listed) && (told.corrected_by.is_none() || has(&told.correctors, listed))
    })
}
