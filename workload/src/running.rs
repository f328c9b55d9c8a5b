//! What a pod's status says runs: the images with the digests that the kubelet reports, and the models with them.
//!
//! What its spec asks for is for [`crate::asked`]; here the spec only says which containers there are. Promises that a part
//! that has no image id is never taken from the spec: the pod is then known in part. A model that an init container
//! downloaded has only the address that it was given, a pointer.

use lineal_schemas::vocabulary::deployment::{Component, ComponentRole};
use serde_json::Value;

use crate::{
    containers::{Container, ImageVolume, Place, component, ordered},
    image::running_image,
    naming::Owner,
    object::{Metadata, ObjectError, list, object, text},
    storage::{asked_model, image_in, running_model},
    traffic::REVISION,
};

/// The annotation in which KServe hands the model's address to its storage initializer.
pub const SOURCE_URI: &str = "internal.serving.kserve.io/storage-initializer-sourceuri";

/// The annotation that says where a pod's server tells what it has loaded: `PORT` or `PORT/PATH`.
pub const RUNTIME: &str = "lineal.dev/runtime";

/// How a pod stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A container of it runs.
    Runs,
    /// Nothing of it runs: it has ended, or has not begun.
    Idle,
}

/// A pod, as one instance of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its namespace and name.
    pub pod: String,
    /// What it belongs to.
    pub owner: Owner,
    /// Whether it runs.
    pub state: State,
    /// What it consists of, in one order.
    pub components: Vec<Component>,
    /// What could not be seen, a sentence each. With any, the components are not all that runs.
    pub unknown: Vec<String>,
    /// Which revision of its service it is, where a platform says so.
    pub revision: Option<String>,
    /// Where its server tells what it has loaded, `HOST:PORT/PATH`, if the pod says so.
    pub runtime: Option<String>,
}

impl Instance {
    /// Reads a pod.
    pub fn read(pod: &Value) -> Result<Self, ObjectError> {
        let metadata = Metadata::read(pod)?;
        let spec = object(pod, &["spec"])?.ok_or_else(|| ObjectError::Missing { at: "spec".to_owned() })?;
        let owner = Owner::of(pod, &metadata)?;
        let mut reading = Reading { owner: &owner, components: Vec::new(), unknown: Vec::new() };
        let statuses = Statuses::read(pod)?;
        let containers = Container::all(spec)?;
        let state = if statuses.any_runs() && !has_ended(pod)? { State::Runs } else { State::Idle };
        if state == State::Runs {
            reading.images(&containers, &statuses);
            reading.volumes(spec, &statuses)?;
            reading.downloads(&containers, &metadata)?;
        }
        let (components, unknown) = (ordered(reading.components), reading.unknown);
        let runtime = runtime_of(pod, &metadata)?;
        let revision = metadata.label(REVISION)?.map(str::to_owned);
        let pod = format!("{}/{}", metadata.namespace, metadata.name);
        Ok(Self { pod, owner, state, components, unknown, revision, runtime })
    }

    /// With a component more, such as one that the server itself told of.
    pub fn add(&mut self, more: Vec<Component>) {
        let mut components = std::mem::take(&mut self.components);
        components.extend(more);
        self.components = ordered(components);
    }
}

/// A pod that has ended runs nothing, whatever its containers' statuses say.
fn has_ended(pod: &Value) -> Result<bool, ObjectError> {
    Ok(matches!(text(pod, &["status", "phase"])?, Some("Succeeded" | "Failed")))
}

/// `PORT` or `PORT/PATH` of the pod's own address: an annotation never leads anywhere else.
fn runtime_of(pod: &Value, metadata: &Metadata<'_>) -> Result<Option<String>, ObjectError> {
    let (Some(said), Some(address)) = (metadata.annotation(RUNTIME)?, text(pod, &["status", "podIP"])?) else {
        return Ok(None);
    };
    let (port, path) = said.split_once('/').unwrap_or((said, crate::runtime::MODELS_PATH));
    let Ok(port) = port.parse::<u16>() else {
        return Err(ObjectError::Malformed {
            at: format!("metadata.annotations.{RUNTIME}"),
            expected: "a port, or a port and a path",
            found: "another text",
        });
    };
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    Ok(Some(format!("{host}:{port}/{path}")))
}

/// The status of one container.
#[derive(Debug, Clone, Copy)]
struct Status<'a> {
    place: Place,
    name: &'a str,
    image: Option<&'a str>,
    image_id: Option<&'a str>,
    runs: bool,
    value: &'a Value,
}

struct Statuses<'a>(Vec<Status<'a>>);

impl<'a> Statuses<'a> {
    fn read(pod: &'a Value) -> Result<Self, ObjectError> {
        let mut statuses = Vec::new();
        for place in Place::ALL {
            for value in list(pod, &["status", place.in_status()])? {
                statuses.push(Status {
                    place,
                    name: text(value, &["name"])?.unwrap_or_default(),
                    image: text(value, &["image"])?,
                    image_id: text(value, &["imageID"])?,
                    runs: object(value, &["state", "running"])?.is_some(),
                    value,
                });
            }
        }
        Ok(Self(statuses))
    }

    fn any_runs(&self) -> bool {
        self.0.iter().any(|status| status.place == Place::Main && status.runs)
    }

    fn of(&self, container: &Container<'_>) -> Option<Status<'a>> {
        self.0.iter().find(|status| status.place == container.place && status.name == container.name).copied()
    }

    /// What the kubelet says of an image volume, to any container that mounts it.
    fn volume(&self, name: &str) -> Result<Option<&'a str>, ObjectError> {
        for status in &self.0 {
            for mount in list(status.value, &["volumeMounts"])? {
                let found = text(mount, &["volumeStatus", "image", "imageRef"])?;
                if text(mount, &["name"])? == Some(name) && found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }
}

struct Reading<'a> {
    owner: &'a Owner,
    components: Vec<Component>,
    unknown: Vec<String>,
}

impl Reading<'_> {
    /// Containers that run or have run: an init container is done, and what it did is still there.
    fn images(&mut self, containers: &[Container<'_>], statuses: &Statuses<'_>) {
        for container in containers {
            let role = self.owner.role_of(container, self.owner.role());
            let status = statuses.of(container);
            let image_id = status.and_then(|status| status.image_id);
            let Some(reference) = status.and_then(|status| running_reference(container, &status)) else {
                self.unseen(container);
                continue;
            };
            let found = image_id.and_then(|id| match role {
                ComponentRole::Model => running_model(reference, id),
                _ => running_image(reference, id),
            });
            match found {
                Some(image) => self.components.push(component(role, image)),
                None => self.unseen(container),
            }
        }
    }

    /// A debug container that never came up is nothing that serves.
    fn unseen(&mut self, container: &Container<'_>) {
        if container.place != Place::Ephemeral {
            self.unknown.push(format!("the image of container `{}`", container.name));
        }
    }

    fn volumes(&mut self, spec: &Value, statuses: &Statuses<'_>) -> Result<(), ObjectError> {
        for volume in ImageVolume::all(spec)? {
            let seen = statuses.volume(volume.name)?.and_then(|id| running_image(volume.reference, id));
            // Without a status there is what was asked for, which by digest is also what was mounted.
            match seen.or_else(|| crate::image::asked_image(volume.reference)) {
                Some(image) => self.components.push(component(ComponentRole::Model, image)),
                None => self.unknown.push(format!("the image of volume `{}`", volume.name)),
            }
        }
        Ok(())
    }

    /// The arguments of the initializer are what was downloaded. The annotation that they were made from can be changed
    /// under a pod that runs, so it counts only where there is no such container.
    fn downloads(&mut self, containers: &[Container<'_>], metadata: &Metadata<'_>) -> Result<(), ObjectError> {
        let mut downloads = Vec::new();
        for container in containers {
            downloads.extend(container.downloads()?);
        }
        let is_mounted = containers.iter().any(Container::is_modelcar);
        if downloads.is_empty()
            && let Some(uri) = metadata.annotation(SOURCE_URI)?
            && !(is_mounted && image_in(uri).is_some())
        {
            downloads.push((ComponentRole::Model, uri));
        }
        for (role, uri) in downloads {
            // What the kubelet mounts itself is there as a volume, with its digest.
            if self.components.iter().any(|other| is_image_at(other, role, uri)) {
                continue;
            }
            match asked_model(uri) {
                Some(model) => self.components.push(component(role, model)),
                None => self.unknown.push("the address of the model".to_owned()),
            }
        }
        Ok(())
    }
}

fn is_image_at(other: &Component, role: ComponentRole, uri: &str) -> bool {
    let place = other.artifact.uri.as_ref().map(ToString::to_string);
    other.role == role && image_in(uri).is_some_and(|reference| place == Some(format!("oci://{reference}")))
}

/// The reference of what runs: the spec's, unless the status has another one, as while an image is being replaced.
fn running_reference<'a>(container: &Container<'a>, status: &Status<'a>) -> Option<&'a str> {
    match (container.image, status.image.filter(|image| !image.starts_with("sha256:"))) {
        (Some(asked), Some(seen)) if !is_same_reference(asked, seen) => Some(seen),
        (asked, seen) => asked.or(seen),
    }
}

/// Runtimes write short names out (`docker.io/library/…:latest`), and drop the tag or the digest where there are both.
fn is_same_reference(asked: &str, seen: &str) -> bool {
    use crate::image::ImageReference;
    let (asked, seen) = (ImageReference::parse(asked), ImageReference::parse(seen));
    let is_path = seen.repository == asked.repository || seen.repository.ends_with(&format!("/{}", asked.repository));
    let tags = [asked.tag, seen.tag].map(|tag| tag.unwrap_or("latest"));
    let digests = asked.sha256.zip(seen.sha256).is_none_or(|(one, other)| one == other);
    is_path && digests && (asked.sha256.is_some() || seen.sha256.is_some() || tags[0] == tags[1])
}
