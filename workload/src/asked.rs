//! What a spec asks for: of a pod, of what makes pods, and of the objects of KServe and Seldon.
//!
//! What runs may differ from it, and is for [`crate::running`]. An admission check asks this module of an object that does
//! not run yet. Promises that what a spec leaves to something else (a base, a template elsewhere, a storage key) is said
//! to be unknown. (gates-and-audit §1.1)

use lineal_schemas::vocabulary::{
    deployment::{Component, ComponentRole, ServedSet},
    names::ServiceBaseName,
    values::Share,
};
use serde_json::Value;

use crate::{
    containers::{Container, ImageVolume, component, ordered},
    image::{artifact_of, asked_image},
    naming::{Naming, Owner},
    object::{Metadata, ObjectError, group, list, object, text},
    storage::asked_model,
};

mod kserve;

/// What an object asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Its kind.
    pub kind: String,
    /// Its namespace; `default` where it says none.
    pub namespace: String,
    /// Its name, or the beginning of one that is going to be made up.
    pub name: String,
    /// What it consists of; empty where the spec names nothing.
    pub components: Vec<Component>,
    /// Its part of the traffic, where the spec gives it one.
    pub share: Option<Share>,
    /// What the spec does not say, a sentence each. With any, the components are not all that will run.
    pub unknown: Vec<String>,
    /// Of these, what may be a model: with any, a model may serve that is not among the components.
    pub unknown_models: Vec<String>,
    owner: Owner,
    serves_a_model: bool,
}

impl Asked {
    /// Reads an object. What is no object, of no known kind, or has members of other types than Kubernetes gives them,
    /// is an error.
    pub fn read(object: &Value) -> Result<Self, ObjectError> {
        let metadata = Metadata::read(object)?;
        let missing = |at: &str| ObjectError::Missing { at: at.to_owned() };
        let api_version = text(object, &["apiVersion"])?.ok_or_else(|| missing("apiVersion"))?;
        let kind = text(object, &["kind"])?.ok_or_else(|| missing("kind"))?;
        // A pod says what made it; everything else makes pods, and names them.
        let owner = match (group(api_version), kind) {
            ("", "Pod") => Owner::of(object, &metadata)?,
            _ => Owner::of_workload(object, &metadata)?,
        };
        let mut parts = Parts { owner, ..Parts::default() };
        match (group(api_version), kind) {
            ("", "Pod") => parts.pod(object, &["spec"], ComponentRole::Image)?,
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("serving.knative.dev", "Service") => parts.template(object)?,
            ("argoproj.io", "Rollout") => parts.rollout(object)?,
            ("serving.kserve.io", "InferenceService") => kserve::inference_service(object, &mut parts)?,
            ("serving.kserve.io", "LLMInferenceService") => kserve::llm_inference_service(object, &mut parts)?,
            ("mlops.seldon.io", "Model") => parts.seldon(object)?,
            _ => return Err(ObjectError::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() }),
        }
        parts.miss_models();
        let is_platform = matches!(group(api_version), "serving.kserve.io" | "mlops.seldon.io");
        let components = ordered(parts.components);
        let has_model =
            components.iter().any(|part| matches!(part.role, ComponentRole::Model | ComponentRole::Adapter));
        Ok(Self {
            kind: kind.to_owned(),
            namespace: metadata.namespace.to_owned(),
            name: metadata.name.to_owned(),
            serves_a_model: is_platform || has_model || parts.names_a_model || parts.owner.is_declared(),
            components,
            share: parts.share,
            unknown: parts.unknown,
            unknown_models: parts.unknown_models,
            owner: parts.owner,
        })
    }

    /// Whether it says itself that it serves a model: by its kind, by a model among its parts, or by an annotation of ours.
    pub const fn serves_a_model(&self) -> bool {
        self.serves_a_model
    }

    /// The service that it is a workload of, by the rules that its pods are named by; nothing where it can have no name.
    pub fn service(&self, naming: &Naming) -> Option<ServiceBaseName> {
        naming.service(&self.owner)
    }

    /// The serving set; none where the spec names nothing.
    pub fn serving_set(&self) -> Option<ServedSet> {
        let components = self.components.clone();
        (!components.is_empty()).then(|| ServedSet { components, share: self.share.clone(), instances: None })
    }
}

/// What has been found so far.
#[derive(Debug, Default)]
struct Parts {
    components: Vec<Component>,
    share: Option<Share>,
    unknown: Vec<String>,
    unknown_models: Vec<String>,
    names_a_model: bool,
    containers: Vec<String>,
    owner: Owner,
}

impl Parts {
    /// Notes something that may be a model and is not in the spec.
    fn hide(&mut self, unknown: String) {
        self.unknown.push(unknown.clone());
        self.unknown_models.push(unknown);
    }

    /// A container that is said to hold the model, and is in no spec, holds something that is not known.
    fn miss_models(&mut self) {
        for name in self.owner.models.clone() {
            if !self.containers.contains(&name) {
                self.hide(format!("container `{}`, which is said to hold the model", shown(&name)));
            }
        }
    }

    /// A pod spec at a path; nothing where there is none.
    fn pod(&mut self, holder: &Value, path: &[&str], role: ComponentRole) -> Result<(), ObjectError> {
        let Some(spec) = object(holder, path)? else { return Ok(()) };
        for container in Container::all(spec)? {
            self.containers.push(container.name.to_owned());
            let role = self.owner.role_of(&container, role);
            match container.image {
                Some(image) => self.image(role, image),
                None if role == ComponentRole::Model => {
                    self.hide(format!("container `{}` has no image", container.name));
                }
                None => self.unknown.push(format!("container `{}` has no image", container.name)),
            }
            for (role, uri) in container.downloads()? {
                self.storage(role, uri);
            }
        }
        for volume in ImageVolume::all(spec)? {
            self.image(ComponentRole::Model, volume.reference);
        }
        Ok(())
    }

    /// The template of what makes pods. It has to be there.
    fn template(&mut self, object: &Value) -> Result<(), ObjectError> {
        let path = ["spec", "template", "spec"];
        if crate::object::object(object, &path)?.is_none() {
            return Err(ObjectError::Missing { at: path.join(".") });
        }
        self.pod(object, &path, ComponentRole::Image)
    }

    fn rollout(&mut self, object: &Value) -> Result<(), ObjectError> {
        match text(object, &["spec", "workloadRef", "name"])? {
            None => self.template(object),
            Some(name) => {
                let kind = text(object, &["spec", "workloadRef", "kind"])?.unwrap_or("workload");
                self.hide(format!("the template is that of the {kind} `{name}`"));
                Ok(())
            }
        }
    }

    /// Seldon Core 2: the model alone. Which server loads it is not in the object.
    fn seldon(&mut self, object: &Value) -> Result<(), ObjectError> {
        let missing = || ObjectError::Missing { at: "spec.storageUri".to_owned() };
        let uri = text(object, &["spec", "storageUri"])?.ok_or_else(missing)?;
        let version = crate::object::at(object, &["spec", "artifactVersion"])?.and_then(Value::as_u64);
        match (version, asked_model(uri)) {
            (Some(version), Some((found, binding))) if found.digest.is_none() => {
                let named = artifact_of(None, found.uri, Some(("artifactVersion", &version.to_string())));
                self.components.extend(named.map(|artifact| component(ComponentRole::Model, (artifact, binding))));
            }
            _ => self.storage(ComponentRole::Model, uri),
        }
        self.unknown.push("the image of the server that loads the model".to_owned());
        Ok(())
    }

    fn image(&mut self, role: ComponentRole, reference: &str) {
        match asked_image(reference) {
            Some(image) => self.components.push(component(role, image)),
            None if role == ComponentRole::Model => {
                self.names_a_model = true;
                self.hide(format!("`{}` is no image", shown(reference)));
            }
            None => self.unknown.push(format!("`{}` is no image", shown(reference))),
        }
    }

    fn storage(&mut self, role: ComponentRole, uri: &str) {
        if let Some(model) = asked_model(uri) {
            return self.components.push(component(role, model));
        }
        self.names_a_model = true;
        self.hide(format!("`{}` is no address of a model", shown(uri)));
    }

    /// The `uri` of each item of a list.
    fn storages(&mut self, holder: &Value, path: &[&str], role: ComponentRole) -> Result<(), ObjectError> {
        for item in list(holder, path)? {
            match text(item, &["uri"])? {
                Some(uri) => self.storage(role, uri),
                None => self.hide(format!("an item of `{}` has no uri", path.join("."))),
            }
        }
        Ok(())
    }
}

/// Text out of an object as a message can hold it.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
