//! KServe: `InferenceService` v1beta1 with its older predictors, and `LLMInferenceService`.
//!
//! Field paths as in KServe's `pkg/apis/serving/v1beta1/predictor.go` and `v1alpha1/llm_inference_service_types.go`. The
//! image of a runtime that KServe picks itself is in no spec, and said to be unknown.

use lineal_schemas::vocabulary::deployment::ComponentRole;
use serde_json::Value;

use super::Parts;
use crate::{
    object::{ObjectError, at, list, object, text},
    traffic::share,
};

/// The predictors of the time before `model`, each a member of its own.
const LEGACY: [&str; 10] =
    ["sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface", "pmml", "lightgbm", "paddle"];

/// `spec.predictor`, `spec.transformer`, `spec.explainer`.
pub(super) fn inference_service(service: &Value, parts: &mut Parts) -> Result<(), ObjectError> {
    let missing = || ObjectError::Missing { at: "spec.predictor".to_owned() };
    let predictor = object(service, &["spec", "predictor"])?.ok_or_else(missing)?;
    for member in std::iter::once("model").chain(LEGACY) {
        if let Some(model) = object(predictor, &[member])? {
            implementation(model, member, parts)?;
        }
    }
    parts.storages(predictor, &["storageUris"], ComponentRole::Model)?;
    parts.pod(service, &["spec", "predictor"], ComponentRole::Image)?;
    parts.pod(predictor, &["workerSpec"], ComponentRole::Image)?;
    if let Some(percent) = at(predictor, &["canaryTrafficPercent"])? {
        parts.share = percent.as_u64().and_then(share);
    }
    parts.pod(service, &["spec", "transformer"], ComponentRole::Transform)?;
    explainer(service, parts)
}

/// One predictor: where its model is, and the image that serves it.
fn implementation(model: &Value, member: &str, parts: &mut Parts) -> Result<(), ObjectError> {
    match (text(model, &["storageUri"])?, text(model, &["storage", "path"])?) {
        (Some(uri), _) => parts.storage(ComponentRole::Model, uri),
        (None, Some(path)) => parts.hide(format!("the address of the model: `{path}` in a configured storage")),
        (None, None) => {}
    }
    match text(model, &["image"])? {
        Some(image) => parts.image(ComponentRole::Image, image),
        None => parts.unknown.push(format!("the image of the runtime that KServe picks for `{member}`")),
    }
    Ok(())
}

fn explainer(service: &Value, parts: &mut Parts) -> Result<(), ObjectError> {
    let Some(explainer) = object(service, &["spec", "explainer"])? else { return Ok(()) };
    parts.pod(service, &["spec", "explainer"], ComponentRole::Image)?;
    if let Some(art) = object(explainer, &["art"])? {
        implementation(art, "art", parts)?;
    }
    Ok(())
}

/// `spec.model`, its adapters, and the pods that serve it.
pub(super) fn llm_inference_service(service: &Value, parts: &mut Parts) -> Result<(), ObjectError> {
    let bases = list(service, &["spec", "baseRefs"])?;
    for base in bases {
        let name = text(base, &["name"])?.unwrap_or("without a name");
        parts.hide(format!("what the base `{name}` adds"));
    }
    match text(service, &["spec", "model", "uri"])? {
        Some(uri) => parts.storage(ComponentRole::Model, uri),
        None if bases.is_empty() => return Err(ObjectError::Missing { at: "spec.model.uri".to_owned() }),
        None => {}
    }
    parts.storages(service, &["spec", "model", "lora", "adapters"], ComponentRole::Adapter)?;
    let mut templates = 0_usize;
    for path in [
        &["spec", "template"][..],
        &["spec", "worker"],
        &["spec", "prefill", "template"],
        &["spec", "prefill", "worker"],
    ] {
        templates = templates.saturating_add(usize::from(object(service, path)?.is_some()));
        parts.pod(service, path, ComponentRole::Image)?;
    }
    if templates == 0 {
        parts.unknown.push("the image of the runtime that KServe picks".to_owned());
    }
    Ok(())
}
