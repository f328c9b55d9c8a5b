//! A pod spec's containers and image volumes, and what each is in a serving set.
//!
//! The one place that knows which container carries a model: KServe's names for its own containers, and image volumes.
//! Promises to go through `containers`, `initContainers` and `ephemeralContainers` and `volumes[].image`: an image that
//! is in none of these does not run in a pod.

use lineal_schemas::vocabulary::{
    artifact::Artifact,
    deployment::{Binding, Component, ComponentRole},
};
use serde_json::Value;

use crate::object::{ObjectError, list, text};

/// KServe's container whose image is the model.
const MODELCAR: &str = "modelcar";

/// KServe's init container with the same image, which fetches it before anything else starts.
const MODELCAR_INIT: &str = "modelcar-init";

/// KServe's init container that downloads models: its arguments are addresses and paths, in turn.
const STORAGE_INITIALIZER: &str = "storage-initializer";

/// KServe's container of a transformer that is in the predictor's own pod.
const TRANSFORMER: &str = "transformer-container";

/// Which list a container stands in, and where its status does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Main,
    Init,
    Ephemeral,
}

impl Place {
    pub(crate) const ALL: [Self; 3] = [Self::Main, Self::Init, Self::Ephemeral];

    const fn in_spec(self) -> &'static str {
        match self {
            Self::Main => "containers",
            Self::Init => "initContainers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }

    pub(crate) const fn in_status(self) -> &'static str {
        match self {
            Self::Main => "containerStatuses",
            Self::Init => "initContainerStatuses",
            Self::Ephemeral => "ephemeralContainerStatuses",
        }
    }
}

/// A container of a pod spec.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Container<'a> {
    pub(crate) place: Place,
    pub(crate) name: &'a str,
    /// Absent in a template that something else fills in.
    pub(crate) image: Option<&'a str>,
    spec: &'a Value,
}

impl<'a> Container<'a> {
    /// Every container of a pod spec.
    pub(crate) fn all(spec: &'a Value) -> Result<Vec<Self>, ObjectError> {
        let mut containers = Vec::new();
        for place in Place::ALL {
            for container in list(spec, &[place.in_spec()])? {
                containers.push(Self::read(place, container)?);
            }
        }
        Ok(containers)
    }

    fn read(place: Place, spec: &'a Value) -> Result<Self, ObjectError> {
        let name = text(spec, &["name"])?;
        let name = name.ok_or_else(|| ObjectError::Missing { at: format!("{}[].name", place.in_spec()) })?;
        Ok(Self { place, name, image: text(spec, &["image"])?, spec })
    }

    /// What its image is in a serving set; `otherwise`, where nothing about the container says it.
    pub(crate) fn role(&self, otherwise: ComponentRole) -> ComponentRole {
        match self.name {
            MODELCAR | MODELCAR_INIT => ComponentRole::Model,
            TRANSFORMER => ComponentRole::Transform,
            _ => otherwise,
        }
    }

    /// Whether its image is a model by itself.
    pub(crate) fn is_modelcar(&self) -> bool {
        matches!(self.name, MODELCAR | MODELCAR_INIT)
    }

    /// What KServe's storage initializer downloads, with what it is; nothing for any other container.
    pub(crate) fn downloads(&self) -> Result<Vec<(ComponentRole, &'a str)>, ObjectError> {
        if self.name != STORAGE_INITIALIZER {
            return Ok(Vec::new());
        }
        let mut downloads = Vec::new();
        for pair in list(self.spec, &["args"])?.chunks(2) {
            let said = |at: usize| pair.get(at).and_then(Value::as_str).filter(|text| !text.is_empty());
            if let Some(uri) = said(0) {
                let is_adapter = said(1).is_some_and(|path| path.contains("/adapters/") || path.contains("/lora/"));
                downloads.push((if is_adapter { ComponentRole::Adapter } else { ComponentRole::Model }, uri));
            }
        }
        Ok(downloads)
    }
}

/// An image that a pod mounts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImageVolume<'a> {
    pub(crate) name: &'a str,
    pub(crate) reference: &'a str,
}

impl<'a> ImageVolume<'a> {
    /// Every image volume of a pod spec. One without a reference mounts nothing.
    pub(crate) fn all(spec: &'a Value) -> Result<Vec<Self>, ObjectError> {
        let mut volumes = Vec::new();
        for volume in list(spec, &["volumes"])? {
            let name = text(volume, &["name"])?.unwrap_or_default();
            if let Some(reference) = text(volume, &["image", "reference"])? {
                volumes.push(Self { name, reference });
            }
        }
        Ok(volumes)
    }
}

/// A component, of an artifact as [`crate::image`] and [`crate::storage`] name it.
pub(crate) fn component(role: ComponentRole, (artifact, binding): (Artifact, Binding)) -> Component {
    Component { role, artifact, binding: Some(binding) }
}

/// Components in one order, each once: the same two of a pod are one part of what it serves.
pub(crate) fn ordered(components: Vec<Component>) -> Vec<Component> {
    let mut keyed: Vec<(String, Component)> =
        components.into_iter().map(|component| (key(&component), component)).collect();
    keyed.sort_by(|one, other| one.1.role.cmp(&other.1.role).then_with(|| one.0.cmp(&other.0)));
    keyed.dedup_by(|one, other| one.0 == other.0);
    keyed.into_iter().map(|(_key, component)| component).collect()
}

/// A component as JSON: what makes it the same as another.
pub(crate) fn key(component: &Component) -> String {
    // Components of this crate are texts alone, which always have a JSON form.
    serde_json::to_string(component).unwrap_or_default()
}
