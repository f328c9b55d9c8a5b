//! What events were made with, beside artifacts of strong digests: commits, and versions of libraries; the keys `g`, `p`.
//!
//! The step from entry to answer that makes "which runs had this library?" a lookup. Promises every commit that an event
//! mentions anywhere, and every version that a run declares, itself or in the data of a correction. Never judges whether
//! the correction counts: that is the answers' part.

use std::collections::BTreeSet;

use lineal_schemas::vocabulary::{
    Payload,
    run::Environment,
    values::{Table, is_commit},
};
use serde_json::Value;

use super::{Index, StoreError, key, last_index};

/// in-toto's name of the digest that is a commit.
const COMMIT: &str = "gitCommit";

/// A library's name as all of its spellings have it (PEP 503): lower case, one `-` for any run of `-`, `_` and `.`.
pub fn normal(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for character in name.chars().flat_map(char::to_lowercase) {
        match character {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            other => normal.push(other),
        }
    }
    normal
}

/// The environment that an event about a run declares.
pub(crate) const fn environment(payload: &Payload) -> Option<&Environment> {
    match payload {
        Payload::RunStarted(run) => run.environment.as_ref(),
        Payload::RunCompleted(run) => run.environment.as_ref(),
        Payload::RunFailed(run) => run.environment.as_ref(),
        _ => None,
    }
}

/// The keys of an event, without its index.
pub(super) fn keys(payload: &Payload) -> BTreeSet<Vec<u8>> {
    let mut keys = BTreeSet::new();
    for mention in payload.artifacts() {
        let commits = mention.artifact.digests().filter(|(algorithm, _digest)| *algorithm == COMMIT);
        keys.extend(commits.map(|(_algorithm, digest)| commit_key(digest)));
    }
    let versions = environment(payload).and_then(|environment| environment.versions.as_ref()).map(Table::as_map);
    keys.extend(versions.into_iter().flatten().map(|(name, version)| library_key(name.as_str(), version.as_str())));
    if let Payload::RecordCorrected(corrected) = payload {
        keys.extend(corrected_keys(corrected.data.as_str()));
    }
    keys
}

/// The keys of the data of a correction, whatever type it corrects: that is only known from the other event.
fn corrected_keys(data: &str) -> BTreeSet<Vec<u8>> {
    let mut keys = BTreeSet::new();
    let mut waiting = vec![serde_json::from_str(data).unwrap_or_default()];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match (name.as_str(), &value) {
                        (COMMIT, Value::String(digest)) if is_commit(digest) => _ = keys.insert(commit_key(digest)),
                        ("versions", Value::Object(versions)) => {
                            let named = versions.iter().filter_map(|(name, version)| Some((name, version.as_str()?)));
                            keys.extend(named.map(|(name, version)| library_key(name, version)));
                        }
                        _ => {}
                    }
                    waiting.push(value);
                }
            }
            Value::Array(values) => waiting.extend(values),
            _ => {}
        }
    }
    keys
}

fn commit_key(digest: &str) -> Vec<u8> {
    key(b'g', &[digest.as_bytes(), b"\0"])
}

fn library_key(name: &str, version: &str) -> Vec<u8> {
    key(b'p', &[normal(name).as_bytes(), b"\0", version.as_bytes(), b"\0"])
}

impl Index {
    /// Commits that begin with these hex digits and that entries below `size` mention, at most `limit`.
    pub fn commits(&self, hex_prefix: &str, size: u64, limit: usize) -> Result<Vec<String>, StoreError> {
        let found = self.distinct(&key(b'g', &[hex_prefix.as_bytes()]), size, limit)?;
        Ok(found.iter().map(|name| text_of(name.get(1..))).collect())
    }

    /// Indices of events that mention a commit, in order.
    pub fn by_commit(&self, commit: &str) -> Result<Vec<u64>, StoreError> {
        self.indices(&commit_key(commit))
    }

    /// Versions of a library that runs below `size` declare, at most `limit`.
    pub fn versions(&self, library: &str, size: u64, limit: usize) -> Result<Vec<String>, StoreError> {
        let prefix = key(b'p', &[normal(library).as_bytes(), b"\0"]);
        let found = self.distinct(&prefix, size, limit)?;
        Ok(found.iter().map(|name| text_of(name.get(prefix.len()..))).collect())
    }

    /// Indices of events about runs that declare that version of a library, in order.
    pub fn by_library(&self, library: &str, version: &str) -> Result<Vec<u64>, StoreError> {
        self.indices(&library_key(library, version))
    }

    /// The parts of keys before their indices, each once, of those below `size`; at most `limit`.
    pub(super) fn distinct(&self, prefix: &[u8], size: u64, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let (mut found, mut from) = (Vec::new(), prefix.to_vec());
        while found.len() < limit {
            let mut next = None;
            self.store.scan(prefix, &from, &mut |key, _value| {
                let name = key.get(..key.len().saturating_sub(8)).unwrap_or_default();
                next = Some((name.to_vec(), last_index(key)));
                false
            })?;
            let Some((name, first)) = next else { break };
            from = [name.as_slice(), &[0xff; 9]].concat();
            if first.is_some_and(|first| first < size) {
                found.push(name);
            }
        }
        Ok(found)
    }
}

/// A text without the zero byte that ends it.
fn text_of(name: Option<&[u8]>) -> String {
    let name = name.unwrap_or_default();
    String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_librarys_spellings_have_one_name() {
        for name in ["scikit-learn", "Scikit_Learn", "scikit.learn", "scikit-_-learn"] {
            assert_eq!(normal(name), "scikit-learn");
        }
    }

    #[test]
    fn a_correction_puts_the_keys_that_its_data_would() {
        let commit = "0123456789012345678901234567890123456789";
        let data = format!(
            r#"{{"code":{{"artifact":{{"digest":{{"gitCommit":"{commit}"}}}}}},"environment":{{"versions":{{"NumPy":"2.1.0"}}}},"parameters":{{"gitCommit":"HEAD"}}}}"#
        );
        let expected = [commit_key(commit), library_key("numpy", "2.1.0")].into();
        assert_eq!(corrected_keys(&data), expected);
    }
}
