//! A line of a watch: what the API server says has changed since a list was made.
//!
//! Promises that a line that can't be understood ends the watch, so that everything is listed again: a change that was
//! passed over would be one that nobody saw.

use serde_json::Value;

use crate::object::{Metadata, text};

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A pod is there, as it is now.
    There(Box<Value>),
    /// A pod, by namespace and name, is there no more.
    Gone(String),
    /// Nothing but how far the watch has come.
    Bookmark,
    /// The version that was asked from is too old: everything has to be listed again.
    Expired,
}

/// Reads a line, and the version that it brings the watch to. The error says what is wrong with it.
pub fn read(line: &[u8]) -> Result<(Change, Option<String>), String> {
    let mut event: Value = serde_json::from_slice(line).map_err(|error| format!("a line that is not JSON: {error}"))?;
    let kind = text(&event, &["type"]).map_err(|error| error.to_string())?.unwrap_or_default().to_owned();
    let object = event.get_mut("object").map(Value::take).unwrap_or_default();
    if kind == "ERROR" {
        return failure(&object);
    }
    let version = text(&object, &["metadata", "resourceVersion"]).map_err(|error| error.to_string())?;
    let version = version.ok_or("a change without a resourceVersion")?.to_owned();
    let change = match kind.as_str() {
        "BOOKMARK" => Change::Bookmark,
        "DELETED" => Change::Gone(key(&object).ok_or("a deletion of something without a name")?),
        "ADDED" | "MODIFIED" => Change::There(Box::new(object)),
        other => return Err(format!("a change of unknown type `{}`", other.escape_debug())),
    };
    Ok((change, Some(version)))
}

/// 410 is what every watch meets once in a while.
fn failure(status: &Value) -> Result<(Change, Option<String>), String> {
    match status.get("code").and_then(Value::as_u64) {
        Some(410) => Ok((Change::Expired, None)),
        _ => Err(text(status, &["message"]).ok().flatten().unwrap_or("an error without a message").to_owned()),
    }
}

/// What a pod is known by: namespace and name. Nothing where it has none.
pub fn key(pod: &Value) -> Option<String> {
    Metadata::read(pod).ok().map(|metadata| format!("{}/{}", metadata.namespace, metadata.name))
}
