//! Rows of a block: what was compared, and what it makes of the block.

use std::collections::BTreeMap;

use super::{Block, BlockState, Change};

/// What was compared so far.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) changes: Vec<Change>,
    pub(super) unknown: Vec<String>,
    /// Whether anything was the same.
    pub(super) any_same: bool,
    /// What the next rows are about, where there are several.
    of: Option<String>,
}

impl Rows {
    /// What the rows after this are about.
    pub(super) fn about(&mut self, of: Option<String>) {
        self.of = of;
    }

    /// Both sides as texts that are equal where the things are; a side that lacks it differs.
    pub(super) fn compare(&mut self, what: &str, before: Option<String>, after: Option<String>) {
        if before == after {
            self.any_same |= before.is_some();
        } else {
            self.changes.push(Change { what: what.to_owned(), before, after, of: self.of.clone() });
        }
    }

    /// As [`Self::compare`], of what a side may well have without saying so.
    pub(super) fn compare_declared(&mut self, what: &str, before: Option<String>, after: Option<String>) {
        match (&before, &after) {
            (Some(told), None) => self.unknown(format!("{what}: {told} before, not declared after")),
            (None, Some(told)) => self.unknown(format!("{what}: not declared before, {told} after")),
            _ => self.compare(what, before, after),
        }
    }

    /// Both sides' values by name.
    pub(super) fn compare_all<V: Clone>(
        &mut self,
        before: &BTreeMap<String, V>,
        after: &BTreeMap<String, V>,
        are_equal: impl Fn(&V, &V) -> bool,
        shown: impl Fn(&V) -> String,
    ) {
        let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            match (before.get(name), after.get(name)) {
                (Some(one), Some(other)) if are_equal(one, other) => self.any_same = true,
                (one, other) => self.compare(name, one.map(&shown), other.map(&shown)),
            }
        }
    }

    /// Says what can't be told.
    pub(super) fn unknown(&mut self, what: String) {
        let what = match &self.of {
            Some(of) => format!("{of}: {what}"),
            None => what,
        };
        self.unknown.push(what);
    }

    /// What the block is, whatever else is said of it.
    pub(super) fn state(&self) -> BlockState {
        match (self.changes.is_empty(), self.unknown.is_empty(), self.any_same) {
            (false, ..) => BlockState::Changed,
            (true, false, _) => BlockState::Unknown,
            (true, true, true) => BlockState::Same,
            (true, true, false) => BlockState::None,
        }
    }

    pub(super) fn into_block(self) -> Block {
        Block { state: self.state(), changes: self.changes, unknown: self.unknown }
    }
}
