//! Which service a pod belongs to, and what it is called: `service/<owner>/<name>`.
//!
//! Promises one name for one workload, whatever its pods are called. In this order: what whoever observes has mapped, the
//! pod's annotation, the names that KServe and Knative write on their pods, the workload that made the pod. The owner is
//! the namespace, unless something said otherwise.

use std::collections::BTreeMap;

use lineal_schemas::vocabulary::{deployment::ComponentRole, names::ServiceBaseName};
use serde_json::Value;

use crate::{
    containers::Container,
    object::{Metadata, ObjectError, list, text},
};

/// The annotation with which a pod says its service: `payments/fraud`.
pub const SERVICE: &str = "lineal.dev/service";

/// The annotation that says which containers' images hold a model, by their names: `main`, or several with commas between.
pub const MODEL: &str = "lineal.dev/model";

/// Names that say on a pod which object of a serving platform it belongs to.
const PLATFORMS: [&str; 2] = ["serving.kserve.io/inferenceservice", "serving.knative.dev/service"];

/// Labels with the hash that ends the name of a `ReplicaSet`, of a `Deployment` and of a `Rollout`.
const HASHES: [&str; 2] = ["pod-template-hash", "rollouts-pod-template-hash"];

/// Namespaces of the cluster itself, which are left out unless they are asked for.
const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// What a pod belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// The namespace.
    pub namespace: String,
    /// The kind of what made it; `Pod` where nothing did.
    pub kind: String,
    /// The name of the workload.
    pub workload: String,
    /// Which part of an `InferenceService` it is: `predictor`, `transformer`, `explainer`.
    pub part: Option<String>,
    /// What the pod's own annotation says.
    pub(crate) declared: Option<String>,
    /// The containers whose images hold a model, as its annotation says.
    pub(crate) models: Vec<String>,
}

impl Owner {
    pub(crate) fn of(pod: &Value, metadata: &Metadata<'_>) -> Result<Self, ObjectError> {
        let (kind, owner) = controller(pod)?.unwrap_or(("Pod", metadata.name));
        let mut workload = owner.to_owned();
        if kind == "ReplicaSet" {
            for label in HASHES {
                let hash = metadata.label(label)?.map(|hash| format!("-{hash}"));
                if let Some(name) = hash.and_then(|hash| owner.strip_suffix(&hash).map(str::to_owned)) {
                    workload = name;
                }
            }
        }
        if let Some(name) = platform(metadata)? {
            name.clone_into(&mut workload);
        }
        Ok(Self {
            namespace: metadata.namespace.to_owned(),
            kind: kind.to_owned(),
            workload,
            part: metadata.label("component")?.map(str::to_owned),
            declared: metadata.annotation(SERVICE)?.map(str::to_owned),
            models: names(metadata.annotation(MODEL)?),
        })
    }

    /// What the pods of a workload will belong to: what they carry stands in its template, or, with a serving platform, on
    /// the object itself.
    pub(crate) fn of_workload(object: &Value, metadata: &Metadata<'_>) -> Result<Self, ObjectError> {
        let template = crate::object::object(object, &["spec", "template"])?.unwrap_or(object);
        let carried = Metadata { object: template, ..*metadata };
        let declared = carried.annotation(SERVICE)?.or(metadata.annotation(SERVICE)?);
        let workload = match platform(&carried)? {
            Some(name) => name,
            None => platform(metadata)?.unwrap_or(metadata.name),
        };
        let models = names(carried.annotation(MODEL)?.or(metadata.annotation(MODEL)?));
        Ok(Self { models, ..Self::named(metadata.namespace, workload, declared) })
    }

    /// What is known by its names alone, and not by a pod.
    pub(crate) fn named(namespace: &str, workload: &str, declared: Option<&str>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            kind: String::new(),
            workload: workload.to_owned(),
            part: None,
            declared: declared.map(str::to_owned),
            models: Vec::new(),
        }
    }

    /// What the image of a container is: what an annotation says of it, else what its name or its place does.
    pub(crate) fn role_of(&self, container: &Container<'_>, otherwise: ComponentRole) -> ComponentRole {
        if self.models.iter().any(|name| name == container.name) {
            return ComponentRole::Model;
        }
        container.role(otherwise)
    }

    /// Whether one of our annotations says that it serves a model.
    pub(crate) fn is_declared(&self) -> bool {
        self.declared.is_some() || !self.models.is_empty()
    }

    /// What the images of such a pod are, where nothing about the container says it.
    pub(crate) fn role(&self) -> ComponentRole {
        if self.is_transformer() { ComponentRole::Transform } else { ComponentRole::Image }
    }

    fn is_transformer(&self) -> bool {
        self.part.as_deref() == Some("transformer")
    }

    /// Whether it is a run and no service: a job ends, and what it made is a run's to tell.
    pub fn is_job(&self) -> bool {
        self.kind == "Job"
    }
}

/// The object that made a pod.
fn controller(pod: &Value) -> Result<Option<(&str, &str)>, ObjectError> {
    let owners = list(pod, &["metadata", "ownerReferences"])?;
    let is_controller = |owner: &&Value| owner.get("controller").and_then(Value::as_bool) == Some(true);
    let Some(owner) = owners.iter().find(is_controller).or_else(|| owners.first()) else { return Ok(None) };
    Ok(text(owner, &["kind"])?.zip(text(owner, &["name"])?))
}

/// The object of a serving platform that a pod belongs to.
fn platform<'a>(metadata: &Metadata<'a>) -> Result<Option<&'a str>, ObjectError> {
    for label in PLATFORMS {
        if let Some(name) = metadata.label(label)? {
            return Ok(Some(name));
        }
    }
    if metadata.label("app.kubernetes.io/part-of")? == Some("llminferenceservice") {
        return metadata.label("app.kubernetes.io/name");
    }
    Ok(None)
}

/// What whoever observes says about names.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    /// Namespaces that are looked at; all but the cluster's own, where none are named.
    pub namespaces: Vec<String>,
    /// `NAMESPACE` to an owner, `NAMESPACE/WORKLOAD` to an owner and a name.
    mapped: BTreeMap<String, String>,
}

impl Naming {
    /// Looks at these namespaces, with names as mapped: `NAMESPACE=OWNER` or `NAMESPACE/WORKLOAD=OWNER/NAME`. The error says
    /// what is wrong with an entry.
    pub fn new(namespaces: Vec<String>, mapped: &[String]) -> Result<Self, String> {
        let mut naming = Self { namespaces, mapped: BTreeMap::new() };
        for entry in mapped {
            let wrong = || format!("`{entry}` is neither NAMESPACE=OWNER nor NAMESPACE/WORKLOAD=OWNER/NAME");
            let (from, to) = entry.split_once('=').ok_or_else(wrong)?;
            let to = to.strip_prefix("service/").unwrap_or(to);
            let probe = if from.contains('/') { to.to_owned() } else { format!("{to}/x") };
            base_name(&probe).ok_or_else(wrong)?;
            naming.mapped.insert(from.to_owned(), to.to_owned());
        }
        Ok(naming)
    }

    /// Whether a namespace is looked at.
    pub fn looks_at(&self, namespace: &str) -> bool {
        if self.namespaces.is_empty() {
            return !SYSTEM.contains(&namespace);
        }
        self.namespaces.iter().any(|name| name == namespace)
    }

    /// Whether somebody has mapped it by its own name, and not by its namespace alone.
    pub(crate) fn maps(&self, owner: &Owner) -> bool {
        self.mapped.contains_key(&format!("{}/{}", owner.namespace, owner.workload))
    }

    /// The service of a pod; nothing where what it is called can be no name.
    pub fn service(&self, owner: &Owner) -> Option<ServiceBaseName> {
        let Owner { namespace, workload, .. } = owner;
        if let Some(name) = self.mapped.get(&format!("{namespace}/{workload}")) {
            return base_name(name);
        }
        if let Some(declared) = &owner.declared {
            return base_name(declared.strip_prefix("service/").unwrap_or(declared));
        }
        let of = self.mapped.get(namespace).unwrap_or(namespace);
        base_name(&format!("{of}/{workload}"))
    }
}

/// The names in a list with commas between them.
fn names(list: Option<&str>) -> Vec<String> {
    let names = list.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn base_name(path: &str) -> Option<ServiceBaseName> {
    ServiceBaseName::try_from(format!("service/{path}")).ok()
}
