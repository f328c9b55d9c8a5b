//! How a payload breaks its schema, told twice: to the sender with what was found, and to the record without.
//!
//! Promises that the second telling holds no text of the event's: only members and rules of the vocabulary. A refusal
//! stands in the record for good, and what was found may be somebody's address, also as the name of a member.

use std::{collections::BTreeSet, sync::LazyLock};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::{
    TYPES, VocabularyError,
    names::shown,
    schemas::{COMMON, json_schema},
};

/// The longest rule and the longest path in a message, in characters.
pub(super) const LONGEST_SHOWN: usize = 300;

pub(super) const EMPTY_LIST: &str = "the list is empty, expected at least one";
pub(super) const TWICE_IN_LIST: &str = "something stands in the list twice";
pub(super) const TWICE_IN_OBJECT: &str = "a member stands twice";
pub(super) const NO_IDENTITY: &str = "an artifact has a uri or a digest";
pub(super) const NO_OUTCOME: &str = "a result has either a value or a reason why it is missing";
pub(super) const EMPTY_SLICE: &str = "`slice` is empty, expected at least one member";

/// Rules that are said without what was found.
const SAID_AS_THEY_ARE: [&str; 6] = [EMPTY_LIST, TWICE_IN_LIST, TWICE_IN_OBJECT, NO_IDENTITY, NO_OUTCOME, EMPTY_SLICE];

/// What a rule is called that this module does not know.
const ANOTHER_RULE: &str = "it does not have its form";

/// Reads a payload that is broken a second time, slowly, to say where.
pub(super) fn locate<T: DeserializeOwned>(
    kind: &'static str,
    data: &str,
    error: &serde_json::Error,
) -> VocabularyError {
    let mut reader = serde_json::Deserializer::from_str(data);
    let (path, known, rule) = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => (".".to_owned(), ".".to_owned(), error.to_string()),
        Err(located) => (located.path().to_string(), known_part(located.path()), located.into_inner().to_string()),
    };
    let without_values = format!("`data` of {kind} at `{known}`: {}", without_values(&rule));
    let (path, rule) = (shown(&path, LONGEST_SHOWN), shown(&rule, LONGEST_SHOWN));
    VocabularyError::SchemaViolation { kind, path, rule, without_values }
}

/// Every member that the schemas name.
static MEMBERS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut members = BTreeSet::new();
    for schema in TYPES.iter().filter_map(|rule| json_schema(rule.kind)).chain([COMMON]) {
        collect_members(&serde_json::from_str(schema).unwrap_or_default(), &mut members);
    }
    members
});

fn collect_members(schema: &Value, members: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            let properties = parts.get("properties").and_then(Value::as_object);
            members.extend(properties.into_iter().flat_map(|properties| properties.keys().cloned()));
            parts.values().for_each(|part| collect_members(part, members));
        }
        Value::Array(parts) => parts.iter().for_each(|part| collect_members(part, members)),
        _ => {}
    }
}

/// A path up to its first member that the vocabulary does not name: the producer's own words begin there.
fn known_part(path: &Path) -> String {
    let mut known = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => known.extend(["[", &index.to_string(), "]"]),
            Segment::Map { key } if MEMBERS.contains(key) => {
                known.push_str(if known.is_empty() { "" } else { "." });
                known.push_str(key);
            }
            _ => break,
        }
    }
    if known.is_empty() { ".".to_owned() } else { known }
}

/// A rule as a reader said it, without what it found: our own rules stand before that, serde's expectation after it.
fn without_values(rule: &str) -> &str {
    if rule.starts_with("unknown field ") {
        return "a member that it does not have";
    }
    let ours = ["expected ", "a decimal is ", "a digest is "].iter().any(|start| rule.starts_with(start));
    if ours && let Some((said, _found)) = rule.split_once(", found `") {
        return said;
    }
    let unplaced = rule.split(" at line ").next().unwrap_or_default();
    let fixed = ours || rule.starts_with("missing field ") || rule.starts_with("duplicate field ");
    if fixed || SAID_AS_THEY_ARE.contains(&unplaced) {
        return unplaced;
    }
    let expectation = rule.starts_with("invalid ").then(|| rule.rsplit_once(", expected ")).flatten();
    expectation.map_or(ANOTHER_RULE, |(_found, expected)| expected.split(" at line ").next().unwrap_or_default())
}
