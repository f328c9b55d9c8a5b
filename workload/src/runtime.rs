//! What a model server says of itself: `GET /v1/models`, as OpenAI's interface has it and vLLM answers it.
//!
//! The only way to see an adapter that was loaded while the server ran. Promises that an answer that contradicts itself is
//! refused as a whole: whoever asked then knows a part, and guesses nothing. What is told are names and paths, pointers.

use std::collections::BTreeSet;

use lineal_schemas::vocabulary::{
    deployment::{Binding, Component, ComponentRole},
    names::Name,
    values::Uri,
};
use serde_json::Value;

use crate::{
    containers::component,
    image::artifact_of,
    object::{ObjectError, list, text},
};

/// Where such a server lists its models.
pub const MODELS_PATH: &str = "v1/models";

/// The longest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Why an answer says nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// It is no JSON.
    #[error("the answer is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// It is longer than an answer is.
    #[error("the answer has more than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
    /// It has another shape.
    #[error("the answer is no list of models: {0}")]
    Shape(#[from] ObjectError),
    /// It contradicts itself.
    #[error("the answer contradicts itself: {0}")]
    Contradiction(String),
}

/// The models and adapters that a server has loaded. `models_known` is whether the pod already says what the model is:
/// then the server's own name for it adds nothing.
pub fn loaded(answer: &[u8], models_known: bool) -> Result<Vec<Component>, RuntimeError> {
    if answer.len() > MAX_ANSWER_BYTES {
        return Err(RuntimeError::TooLong);
    }
    let answer: Value = serde_json::from_slice(answer)?;
    let contradiction = |text: String| RuntimeError::Contradiction(text);
    if text(&answer, &["object"])? != Some("list") {
        return Err(contradiction("`object` is not `list`".to_owned()));
    }
    let data = list(&answer, &["data"])?;
    if data.is_empty() {
        return Err(contradiction("a server that serves no model".to_owned()));
    }
    let mut ids = BTreeSet::new();
    for model in data {
        let id = id_of(model)?;
        if !ids.insert(id) {
            return Err(contradiction(format!("`{}` is listed twice", id.escape_debug())));
        }
    }
    let mut components = Vec::new();
    for model in data {
        let (id, parent) = (id_of(model)?, text(model, &["parent"])?);
        if let Some(parent) = parent.filter(|parent| !ids.contains(parent)) {
            let (id, parent) = (id.escape_debug(), parent.escape_debug());
            return Err(contradiction(format!("`{id}` adapts `{parent}`, which is not loaded")));
        }
        let role = if parent.is_some() { ComponentRole::Adapter } else { ComponentRole::Model };
        if role == ComponentRole::Adapter || !models_known {
            components.push(told(role, id, text(model, &["root"])?.unwrap_or(id))?);
        }
    }
    Ok(components)
}

fn id_of(model: &Value) -> Result<&str, RuntimeError> {
    Ok(text(model, &["id"])?.ok_or_else(|| ObjectError::Missing { at: "data[].id".to_owned() })?)
}

/// A part by the server's own name of it, and the place that it says it loaded it from.
fn told(role: ComponentRole, id: &str, root: &str) -> Result<Component, RuntimeError> {
    let place = if root.contains("://") {
        root.to_owned()
    } else if root.starts_with('/') {
        format!("file://{root}")
    } else {
        format!("hf://{root}")
    };
    let unusable = || RuntimeError::Contradiction(format!("`{}` is no place", root.escape_debug()));
    let uri = Uri::try_from(place).map_err(|_error| unusable())?;
    let artifact = artifact_of(Name::try_from(id.to_owned()).ok(), Some(uri), None).ok_or_else(unusable)?;
    Ok(component(role, (artifact, Binding::Floating)))
}
