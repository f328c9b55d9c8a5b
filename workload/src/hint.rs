//! What a GitOps tool says that it has asked a cluster for: notifications of Flux and of Argo CD.
//!
//! A hint, and no more: such feeds lose messages, and say nothing about what runs. Promises that only a success is taken
//! for a request, that nothing is made up that the message does not say, and that a message of any other shape is an
//! error. Free text and names of people in it are never taken over. (gates-and-audit §1.4, §1.5)

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{
        deployment::{Binding, Component, ComponentRole, ServedSet},
        names::{EnvironmentName, Name, ServiceName},
    },
};
use serde_json::Value;

use crate::{
    containers::{component, ordered},
    image::{artifact_of, asked_image},
    naming::{Naming, Owner},
    object::{ObjectError, kind_of, list, object, text},
    storage::asked_model,
};

/// The longest message that is read, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// What Flux calls the end of having applied something new.
const FLUX_SUCCEEDED: [&str; 3] = ["ReconciliationSucceeded", "InstallSucceeded", "UpgradeSucceeded"];

/// A request that a message tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// Through what: `flux` or `argo-cd`.
    pub door: &'static str,
    /// Where.
    pub service: ServiceName,
    /// What.
    pub set: ServedSet,
    /// The revision.
    pub change_ref: Option<Name>,
    /// When it was done, as the message has it.
    pub time: Option<Timestamp>,
}

/// What a message comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Something was asked for.
    Asked(Box<Hint>),
    /// A sound message that asks for nothing that could be recorded, and why.
    Nothing(&'static str),
}

/// Why a message can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HintError {
    /// It is no JSON.
    #[error("not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// It is longer than a message is.
    #[error("more than {MAX_MESSAGE_BYTES} bytes")]
    TooLong,
    /// It is neither Flux's nor Argo CD's.
    #[error("neither an event of Flux nor a message of Argo CD, but {0}")]
    UnknownShape(&'static str),
    /// A member is missing or of another type.
    #[error(transparent)]
    Member(#[from] ObjectError),
    /// What is named is no name.
    #[error("`{0}` can be no service in an environment")]
    NoName(String),
}

impl HintError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "not-json",
            Self::TooLong => "message-too-long",
            Self::UnknownShape(_) => "unknown-message",
            Self::Member(error) => error.code(),
            Self::NoName(_) => "no-service-name",
        }
    }
}

/// Reads a message. `environment` is where services are that do not say it themselves.
pub fn read(message: &[u8], environment: &EnvironmentName, naming: &Naming) -> Result<Heard, HintError> {
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(HintError::TooLong);
    }
    let message: Value = serde_json::from_slice(message)?;
    if object(&message, &["involvedObject"]).is_ok_and(|found| found.is_some()) {
        return flux(&message, environment, naming);
    }
    if text(&message, &["kind"]).is_ok_and(|kind| kind == Some("argocd.app")) {
        return argo_cd(&message, environment, naming);
    }
    Err(HintError::UnknownShape(kind_of(&message)))
}

/// `pkg/apis/event/v1beta1`: what was added by annotations and by the alert is in `metadata`.
fn flux(message: &Value, environment: &EnvironmentName, naming: &Naming) -> Result<Heard, HintError> {
    let missing = |at: &str| ObjectError::Missing { at: at.to_owned() };
    let name = text(message, &["involvedObject", "name"])?.ok_or_else(|| missing("involvedObject.name"))?;
    let reason = text(message, &["reason"])?.ok_or_else(|| missing("reason"))?;
    let severity = text(message, &["severity"])?.ok_or_else(|| missing("severity"))?;
    let kind = text(message, &["involvedObject", "kind"])?.ok_or_else(|| missing("involvedObject.kind"))?;
    if severity != "info" || !FLUX_SUCCEEDED.contains(&reason) {
        return Ok(Heard::Nothing("it was not applied"));
    }
    if !matches!(kind, "Kustomization" | "HelmRelease") {
        return Ok(Heard::Nothing("it is about something that deploys nothing"));
    }
    let said = |member: &str| text(message, &["metadata", member]);
    let mut parts = Parts::default();
    parts.images(said("image")?.into_iter().chain(said("images")?.unwrap_or_default().split(',').map(str::trim)));
    parts.model(said("model")?, said("model_digest")?.or(said("modelDigest")?));
    let of = text(message, &["involvedObject", "namespace"])?;
    let (declared, cluster, env) = (said("service")?, said("cluster")?, said("env")?);
    let place = Place { declared, cluster, env, namespace: of, own: of, name };
    Ok(finish("flux", place.service(environment, naming)?, parts, said("revision")?, text(message, &["timestamp"])?))
}

/// The message of the template docs/deploy/argo-cd/notifications.yaml.
fn argo_cd(message: &Value, environment: &EnvironmentName, naming: &Naming) -> Result<Heard, HintError> {
    let missing = |at: &str| ObjectError::Missing { at: at.to_owned() };
    let name = text(message, &["app"])?.ok_or_else(|| missing("app"))?;
    if text(message, &["phase"])?.ok_or_else(|| missing("phase"))? != "Succeeded" {
        return Ok(Heard::Nothing("it was not applied"));
    }
    let said = |member: &str| text(message, &[member]);
    let mut parts = Parts::default();
    parts.images(list(message, &["images"])?.iter().map(|image| image.as_str().unwrap_or("not a text")));
    parts.model(said("model")?, said("modelDigest")?);
    let (declared, namespace) = (said("service")?, said("namespace")?);
    let (cluster, env, own) = (said("cluster")?, said("env")?, said("ns")?);
    let place = Place { declared, cluster, env, namespace, own, name };
    Ok(finish("argo-cd", place.service(environment, naming)?, parts, said("revision")?, said("finishedAt")?))
}

fn finish(
    door: &'static str,
    service: Option<ServiceName>,
    parts: Parts,
    revision: Option<&str>,
    time: Option<&str>,
) -> Heard {
    let Some(service) = service else { return Heard::Nothing("it does not say which service it is about") };
    if parts.unknown {
        return Heard::Nothing("it names something that is neither an image nor an address");
    }
    if parts.components.is_empty() {
        return Heard::Nothing("it does not say what is to serve");
    }
    let set = ServedSet { components: ordered(parts.components), share: None, instances: None };
    let change_ref = revision.and_then(|revision| Name::try_from(revision.to_owned()).ok());
    let time = time.and_then(|time| Timestamp::from_rfc3339(time).ok());
    Heard::Asked(Box::new(Hint { door, service, set, change_ref, time }))
}

/// Where a message is about.
struct Place<'a> {
    declared: Option<&'a str>,
    cluster: Option<&'a str>,
    env: Option<&'a str>,
    /// Where what it deploys goes.
    namespace: Option<&'a str>,
    /// Where the object itself is, by which it may have been mapped.
    own: Option<&'a str>,
    name: &'a str,
}

impl Place<'_> {
    /// By the map, by what the message declares, by namespace and name; nothing where it says none of these.
    fn service(&self, environment: &EnvironmentName, naming: &Naming) -> Result<Option<ServiceName>, HintError> {
        let place = environment.as_str().strip_prefix("environment/").unwrap_or_default();
        let (cluster, env) = place.split_once('/').unwrap_or_default();
        let (cluster, env) = (self.cluster.unwrap_or(cluster), self.env.unwrap_or(env));
        let (declared, said_place) = match self.declared.and_then(|declared| declared.split_once('@')) {
            Some((name, place)) => (Some(name), Some(place.to_owned())),
            None => (self.declared, None),
        };
        let owner = Owner::named(self.namespace.or(self.own).unwrap_or_default(), self.name, declared);
        if self.namespace.is_none() && declared.is_none() && !naming.maps(&owner) {
            return Ok(None);
        }
        let place = said_place.unwrap_or_else(|| format!("{cluster}/{env}"));
        let shown = || {
            let all = format!("{}/{}@{place}", self.namespace.unwrap_or_default(), declared.unwrap_or(self.name));
            all.chars().take(80).flat_map(char::escape_debug).collect()
        };
        let base = naming.service(&owner).ok_or_else(|| HintError::NoName(shown()))?;
        ServiceName::try_from(format!("{base}@{place}")).map(Some).map_err(|_error| HintError::NoName(shown()))
    }
}

/// What is to serve, as far as a message says it.
#[derive(Default)]
struct Parts {
    components: Vec<Component>,
    unknown: bool,
}

impl Parts {
    fn images<'a>(&mut self, references: impl IntoIterator<Item = &'a str>) {
        for reference in references.into_iter().filter(|reference| !reference.is_empty()) {
            match asked_image(reference) {
                Some(image) => self.components.push(component(ComponentRole::Image, image)),
                None => self.unknown = true,
            }
        }
    }

    /// A model by its address, by a digest (`sha256:…`, `dirHash:…`), or by both.
    fn model(&mut self, uri: Option<&str>, digest: Option<&str>) {
        let asked = uri.map(asked_model);
        self.unknown |= asked.as_ref().is_some_and(Option::is_none);
        let place = asked.flatten();
        let Some(digest) = digest else {
            self.components.extend(place.map(|model| component(ComponentRole::Model, model)));
            return;
        };
        let uri = place.and_then(|(artifact, _binding)| artifact.uri);
        let pair = digest.split_once(':').filter(|(name, _digits)| matches!(*name, "sha256" | "dirHash"));
        match pair.and_then(|pair| artifact_of(None, uri, Some(pair)).filter(|found| found.digest.is_some())) {
            Some(artifact) => {
                self.components.push(component(ComponentRole::Model, (artifact, Binding::Pinned)));
            }
            None => self.unknown = true,
        }
    }
}
