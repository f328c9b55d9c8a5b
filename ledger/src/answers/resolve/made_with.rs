//! Commits and libraries as questions spell them: `gitCommit:0123abcd`, `pkg:pypi/numpy@2.1.0`.
//!
//! A package URL's type is not compared: runs declare versions by the library's name alone.

use super::{LEAST_DIGITS, MAX_FOUND, MAX_NEAR, Resolved, Target, is_hex};
use crate::answers::{AnswerError, graph::Reader};

/// What begins a commit, and a package URL.
const COMMIT: &str = "gitCommit:";
const PACKAGE: &str = "pkg:";

/// A commit or a library, where the question is spelled as one.
pub(super) fn resolve(reader: &Reader<'_>, asked: &str) -> Result<Option<Resolved>, AnswerError> {
    if let Some(hex) = asked.strip_prefix(COMMIT) {
        return commit(reader, asked, hex).map(Some);
    }
    match asked.strip_prefix(PACKAGE) {
        Some(package) => library(reader, asked, package).map(Some),
        None => Ok(None),
    }
}

fn commit(reader: &Reader<'_>, asked: &str, hex: &str) -> Result<Resolved, AnswerError> {
    if !is_hex(hex) {
        return Err(AnswerError::Unknown { asked: asked.to_owned(), near: Vec::new() });
    }
    if hex.len() < LEAST_DIGITS {
        return Err(AnswerError::TooShort { asked: asked.to_owned(), least: LEAST_DIGITS });
    }
    let mut found = reader.view().index.commits(hex, reader.moment().size, MAX_FOUND)?;
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(AnswerError::Unknown { asked: asked.to_owned(), near: Vec::new() }),
        (Some(commit), true) => Ok(Target::Commit(commit).into()),
        (Some(last), false) => {
            found.push(last);
            let found = found.into_iter().map(|commit| format!("{COMMIT}{commit}")).collect();
            Err(AnswerError::Ambiguous { asked: asked.to_owned(), found })
        }
    }
}

fn library(reader: &Reader<'_>, asked: &str, package: &str) -> Result<Resolved, AnswerError> {
    let unknown = |near| AnswerError::Unknown { asked: asked.to_owned(), near };
    let (kind, rest) = package.split_once('/').ok_or_else(|| unknown(Vec::new()))?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    // Of a scoped name, `%40scope/name`, the `@` is encoded: the last one begins the version.
    let (name, version) = rest.rsplit_once('@').map_or((rest, None), |(name, version)| (name, Some(version)));
    let (name, version) = (decoded(name), version.map(decoded));
    let known = reader.view().index.versions(&name, reader.moment().size, MAX_FOUND)?;
    let is_known = match &version {
        Some(version) => known.contains(version) || reader.is_declared(&name, version)?,
        None => !known.is_empty(),
    };
    if !is_known {
        let near = known.iter().take(MAX_NEAR).map(|version| format!("{PACKAGE}{kind}/{name}@{version}"));
        return Err(unknown(near.collect()));
    }
    Ok(Target::Library { name, version }.into())
}

/// A part of a package URL, percent-decoded.
fn decoded(part: &str) -> String {
    // As a query's value it would read `+` as a space.
    let escaped = part.replace('+', "%2B");
    let mut pairs = form_urlencoded::parse(escaped.as_bytes());
    pairs.next().map(|(name, _value)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_package_url_are_decoded() {
        for (part, meant) in [("numpy", "numpy"), ("%40scope/name", "@scope/name"), ("2.4.1+cu121", "2.4.1+cu121")] {
            assert_eq!(decoded(part), meant);
        }
    }
}
