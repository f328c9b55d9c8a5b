//! Containers of a Docker engine, as `docker inspect` describes them, together with their images.
//!
//! A container says the id of its image, and the image by which digests it was pulled. Promises that an image that nobody
//! described, or that was built there, is known by its id alone, which is weak.

use std::collections::BTreeMap;

use lineal_schemas::vocabulary::deployment::ComponentRole;
use serde_json::Value;

use crate::{
    containers::{component, ordered},
    image::{ImageReference, running_image},
    naming::{Owner, SERVICE},
    object::{ObjectError, at, list, object, text},
    running::{Instance, State},
};

/// How Compose marks what it started.
const COMPOSE: [&str; 2] = ["com.docker.compose.project", "com.docker.compose.service"];

/// The containers among what was described, each read or not; images only say more about them.
pub fn instances(objects: &[Value]) -> Vec<Result<Instance, ObjectError>> {
    let images: BTreeMap<&str, &Value> = objects
        .iter()
        .filter(|object| is_image(object))
        .filter_map(|image| Some((image.get("Id")?.as_str()?, image)))
        .collect();
    objects.iter().filter(|object| !is_image(object)).map(|container| instance(container, &images)).collect()
}

fn is_image(object: &Value) -> bool {
    object.get("RepoDigests").is_some() || object.get("RepoTags").is_some()
}

fn instance(container: &Value, images: &BTreeMap<&str, &Value>) -> Result<Instance, ObjectError> {
    let missing = |at: &str| ObjectError::Missing { at: at.to_owned() };
    let name = text(container, &["Name"])?.map(|name| name.trim_start_matches('/')).ok_or_else(|| missing("Name"))?;
    let reference = text(container, &["Config", "Image"])?.ok_or_else(|| missing("Config.Image"))?;
    let id = text(container, &["Image"])?.ok_or_else(|| missing("Image"))?;
    let label = |name: &str| text(container, &["Config", "Labels", name]);
    object(container, &["State"])?.ok_or_else(|| missing("State"))?;
    let runs = at(container, &["State", "Running"])?.and_then(Value::as_bool) == Some(true);
    let [project, service] = COMPOSE;
    let owner = Owner {
        namespace: label(project)?.unwrap_or("docker").to_owned(),
        kind: "Container".to_owned(),
        workload: label(service)?.unwrap_or(name).to_owned(),
        part: None,
        declared: label(SERVICE)?.map(str::to_owned),
        models: Vec::new(),
    };
    let (mut components, mut unknown) = (Vec::new(), Vec::new());
    if runs {
        let pulled = match images.get(id) {
            Some(image) => pulled(image, reference)?,
            None => None,
        };
        match running_image(reference, pulled.unwrap_or(id)) {
            Some(image) => components.push(component(ComponentRole::Image, image)),
            None => unknown.push("the image of the container".to_owned()),
        }
    }
    let state = if runs { State::Runs } else { State::Idle };
    let (pod, components) = (name.to_owned(), ordered(components));
    Ok(Instance { pod, owner, state, components, unknown, revision: None, runtime: None })
}

/// `REPOSITORY@sha256:…` of an image: of the container's own repository, or the only one.
fn pulled<'a>(image: &'a Value, reference: &str) -> Result<Option<&'a str>, ObjectError> {
    let digests = list(image, &["RepoDigests"])?;
    let repository = ImageReference::parse(reference).repository;
    let is_own = |digest: &&str| ImageReference::parse(digest).repository == repository;
    let texts: Vec<&str> = digests.iter().filter_map(Value::as_str).collect();
    let only = texts.first().filter(|_first| texts.len() == 1);
    Ok(texts.iter().find(|digest| is_own(digest)).or(only).copied())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_image_that_was_pulled_has_its_digest_and_one_that_was_built_there_its_id() {
        let (id, manifest) = ("a".repeat(64), "b".repeat(64));
        let container = |labels: Value| {
            json!({"Name": "/fraud-1", "Image": format!("sha256:{id}"), "State": {"Running": true},
            "Config": {"Image": "r.io/fraud:2", "Labels": labels}})
        };
        let image = json!({"Id": format!("sha256:{id}"), "RepoTags": ["r.io/fraud:2"],
            "RepoDigests": [format!("other/x@sha256:{id}"), format!("r.io/fraud@sha256:{manifest}")]});
        let digests = |objects: &[Value]| {
            let instance = instances(objects).remove(0).unwrap();
            let digests = instance.components[0].artifact.digests();
            (digests.map(|(name, digits)| format!("{name}:{digits}")).collect::<Vec<_>>().join(" "), instance.owner)
        };
        let (digest, owner) = digests(&[container(json!(null)), image]);
        assert_eq!(
            (digest, owner.namespace, owner.workload),
            (format!("sha256:{manifest}"), "docker".into(), "fraud-1".into())
        );
        let compose = json!({"com.docker.compose.project": "shop", "com.docker.compose.service": "camera"});
        let (digest, owner) = digests(&[container(compose)]);
        assert_eq!(
            (digest, owner.namespace, owner.workload),
            (format!("imageId:{id}"), "shop".into(), "camera".into())
        );
        for wrong in [json!(null), json!({}), json!({"Name": "x", "Config": 7})] {
            assert!(instances(&[wrong]).remove(0).is_err());
        }
    }
}
