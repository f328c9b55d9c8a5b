//! A Kubernetes object as loose JSON: members that may be absent, null, or something else altogether.
//!
//! `null` is absent, as the API server reads it. Promises that a member of another type than Kubernetes gives it is an
//! error that names the place, and never an empty list: an object that can't be read says nothing.

use serde_json::Value;

/// Why an object can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// It is some other JSON.
    #[error("not a JSON object, found {found}")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// A member has another type than Kubernetes gives it.
    #[error("`{at}` is {found}, expected {expected}")]
    Malformed {
        /// The member.
        at: String,
        /// What Kubernetes has there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A member that every such object has is not there.
    #[error("no `{at}`")]
    Missing {
        /// The member.
        at: String,
    },
    /// No rule says what such an object serves.
    #[error(
        "what a {kind} of `{api_version}` serves is not known; known are Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, \
         Rollout, Knative Service, InferenceService, LLMInferenceService and Seldon Model"
    )]
    UnknownKind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
}

impl ObjectError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAnObject { .. } => "not-an-object",
            Self::Malformed { .. } => "malformed-member",
            Self::Missing { .. } => "missing-member",
            Self::UnknownKind { .. } => "unknown-kind",
        }
    }
}

/// What kind of JSON a value is, for messages.
pub(crate) const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The member at the end of a path of members; nothing where one of them is absent or null.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Result<Option<&'a Value>, ObjectError> {
    let (mut value, mut walked) = (value, String::new());
    for member in path {
        let Value::Object(members) = value else {
            return Err(ObjectError::Malformed { at: walked, expected: "an object", found: kind_of(value) });
        };
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(member);
        match members.get(*member) {
            None | Some(Value::Null) => return Ok(None),
            Some(found) => value = found,
        }
    }
    Ok(Some(value))
}

/// The text at the end of a path; an empty one is as good as none.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> Result<Option<&'a str>, ObjectError> {
    match at(value, path)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(other) => Err(malformed(path, "a text", other)),
    }
}

/// The list at the end of a path; none is an empty one.
pub(crate) fn list<'a>(value: &'a Value, path: &[&str]) -> Result<&'a [Value], ObjectError> {
    match at(value, path)? {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(malformed(path, "a list", other)),
    }
}

/// The object at the end of a path.
pub(crate) fn object<'a>(value: &'a Value, path: &[&str]) -> Result<Option<&'a Value>, ObjectError> {
    match at(value, path)? {
        None => Ok(None),
        Some(found @ Value::Object(_)) => Ok(Some(found)),
        Some(other) => Err(malformed(path, "an object", other)),
    }
}

fn malformed(path: &[&str], expected: &'static str, found: &Value) -> ObjectError {
    ObjectError::Malformed { at: path.join("."), expected, found: kind_of(found) }
}

/// What an object is called, and what it says of itself beside its spec.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metadata<'a> {
    pub(crate) object: &'a Value,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl<'a> Metadata<'a> {
    /// Reads the metadata. An object that is about to be made has no name yet, only a beginning of one.
    pub(crate) fn read(object: &'a Value) -> Result<Self, ObjectError> {
        if !object.is_object() {
            return Err(ObjectError::NotAnObject { found: kind_of(object) });
        }
        let name = text(object, &["metadata", "name"])?.or(text(object, &["metadata", "generateName"])?);
        let name = name.ok_or_else(|| ObjectError::Missing { at: "metadata.name".to_owned() })?;
        let namespace = text(object, &["metadata", "namespace"])?.unwrap_or("default");
        Ok(Self { object, namespace, name })
    }

    /// A label.
    pub(crate) fn label(&self, name: &str) -> Result<Option<&'a str>, ObjectError> {
        text(self.object, &["metadata", "labels", name])
    }

    /// An annotation.
    pub(crate) fn annotation(&self, name: &str) -> Result<Option<&'a str>, ObjectError> {
        text(self.object, &["metadata", "annotations", name])
    }
}

/// The API group of an object, without its version; empty for the core group.
pub(crate) fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _version)| group)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_is_absent_and_another_type_is_an_error_that_names_the_place() {
        let object = json!({"spec": {"containers": "none", "volumes": null}});
        assert_eq!(list(&object, &["spec", "volumes"]), Ok(&[][..]));
        assert_eq!(list(&object, &["spec", "initContainers"]), Ok(&[][..]));
        let error = list(&object, &["spec", "containers"]).unwrap_err();
        assert_eq!(error.to_string(), "`spec.containers` is a text, expected a list");
        let error = text(&object, &["spec", "containers", "name"]).unwrap_err();
        assert_eq!(error.to_string(), "`spec.containers` is a text, expected an object");
    }
}
