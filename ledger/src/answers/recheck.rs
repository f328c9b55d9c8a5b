//! `trace --recheck`: the bytes that can be reached are hashed again and compared with the digests of the trace.
//!
//! On the asker's own side, where the bytes are: a server never does this. Promises that a digest counts as rechecked
//! only where bytes of it were read in whole just now, and that what could not be read is neither good nor bad.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    NamedDigest, Trace,
    resolve::digest_of,
    text,
    trace::{Node, is_strong},
};
use crate::remote::percent_decoded;

/// What stands at a place where bytes are said to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recheck {
    /// The place, as an event spells it.
    pub place: String,
    /// What was found there.
    pub state: RecheckState,
    /// The digest of the bytes that are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<NamedDigest>,
    /// Why nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What was found at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecheckState {
    /// The bytes that the trace says.
    Rechecked,
    /// Other bytes.
    Mismatch,
    /// Nothing could be read, or nothing that can be compared.
    Unreachable,
}

/// Hashes what each node's places hold, as far as they are files or folders here, and says in line 1 what came of it.
pub fn recheck(trace: &mut Trace) {
    for node in &mut trace.nodes {
        node.rechecks = rechecks(node);
    }
    let count = |state| {
        let all = trace.nodes.iter().flat_map(|node| &node.rechecks);
        all.filter(|recheck| recheck.state == state).count()
    };
    let (same, other) = (count(RecheckState::Rechecked), count(RecheckState::Mismatch));
    let mismatch = if other == 0 { String::new() } else { format!(", {} MISMATCHED", text::count(other, "place")) };
    let unreachable = count(RecheckState::Unreachable);
    trace.answer = format!(
        "{}; bytes of {} rechecked{mismatch}, {unreachable} not reachable",
        trace.answer,
        text::count(same, "place")
    );
}

fn rechecks(node: &Node) -> Vec<Recheck> {
    if !node.digests.iter().any(is_strong) {
        return Vec::new();
    }
    let mut places: Vec<&String> = node.uri.iter().chain(&node.places).collect();
    places.sort();
    places.dedup();
    places.into_iter().map(|place| at_place(&node.digests, place)).collect()
}

/// What stands at a place of something with these digests.
pub(super) fn at_place(digests: &[NamedDigest], place: &str) -> Recheck {
    let Some(path) = path_of(place) else {
        return Recheck::unreachable(place, "it is no file or folder here".to_owned());
    };
    if !path.exists() {
        return Recheck::unreachable(place, "nothing is there".to_owned());
    }
    match digest_of(&path) {
        Ok(found) => Recheck::of(place, digests, found),
        Err(error) => Recheck::unreachable(place, super::with_source(&error)),
    }
}

impl Recheck {
    /// Of a place that could not be read.
    pub(super) fn unreachable(place: &str, problem: String) -> Self {
        Self { place: place.to_owned(), state: RecheckState::Unreachable, found: None, problem: Some(problem) }
    }

    /// Of a place whose bytes were read in whole, and have this digest.
    pub(super) fn of(place: &str, digests: &[NamedDigest], found: NamedDigest) -> Self {
        if !digests.iter().any(|own| own.algorithm == found.algorithm) {
            return Self::unreachable(place, format!("the record has no {} to compare with", found.algorithm));
        }
        // What is joined has several digests of one kind: any of them is the thing.
        let is_it = digests.contains(&found);
        let state = if is_it { RecheckState::Rechecked } else { RecheckState::Mismatch };
        Self { place: place.to_owned(), state, found: Some(found), problem: None }
    }
}

/// The path that a `file:` address means on this machine.
fn path_of(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file:")?;
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    };
    path.starts_with('/').then(|| percent_decoded(path)).flatten().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_address_means_a_path_here() {
        for (uri, path) in [
            ("file:///data/a%20b", Some("/data/a b")),
            ("file:/data/x", Some("/data/x")),
            ("file://localhost/data/x", Some("/data/x")),
            ("file://elsewhere/data/x", None),
            ("file:///bad%2", None),
            ("s3://bucket/x", None),
        ] {
            assert_eq!(path_of(uri), path.map(PathBuf::from), "{uri}");
        }
    }
}
