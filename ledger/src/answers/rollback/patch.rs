//! `rollback-plan --format`: the change as a patch for the repository that a GitOps controller reads.
//!
//! What a patch can say is an image by digest and the place of a model; everything else that belongs together is named
//! in it as left out, because a patch that says half of it silently would be taken for all of it. Promises the same bytes
//! for the same plan, and none for several parts with shares of the traffic. Never names a place that somebody merely said
//! to hold the bytes: whoever may register something could steer a rollback to bytes of their own. (docs/ANSWERS.md)

use std::fmt::Write as _;

use lineal_schemas::vocabulary::deployment::ComponentRole;
use serde_json::json;

use super::{Restorable, Restored, RollbackPlan, check::registry};
use crate::answers::{print::component_in_its_role, recheck::RecheckState};

/// In which form a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A Kustomize component: `images` by digest, and a JSON patch (RFC 6902) of an `InferenceService`'s `storageUri`.
    Kustomize,
    /// Values of a Helm chart: `image.repository`, `image.digest`, `model.storageUri`.
    HelmValues,
    /// One JSON document, for programs.
    Json,
}

/// Why there is no patch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// There is nothing to go back to, or it is not to be had.
    #[error("there is nothing to write a patch for: {0}")]
    Nothing(String),
    /// A canary.
    #[error("what to go back to has {0} parts with shares of the traffic: a patch cannot say that, write it by hand")]
    Parts(usize),
    /// Nothing of it is an image or a model with an address that is known to hold it.
    #[error(
        "nothing of what to go back to is an image with a digest or a model with an address that is known to hold it: read the places with --check, or write it by hand"
    )]
    NoPlace,
}

/// An image by digest.
struct Image {
    repository: String,
    digest: String,
}

/// What a patch says, and what it can't.
struct Change<'p> {
    images: Vec<Image>,
    storage_uri: Option<String>,
    left_out: Vec<&'p Restored>,
}

/// The patch of a plan.
pub fn patch(plan: &RollbackPlan, format: Format) -> Result<String, PatchError> {
    let choice = plan.choice.as_ref().filter(|_choice| plan.model.state != Restorable::No);
    let choice = choice.ok_or_else(|| PatchError::Nothing(plan.model.reasons.join("; ")))?;
    let parts = plan.candidates.get(choice.candidate).map_or(0, |candidate| candidate.parts.len());
    if parts > 1 {
        return Err(PatchError::Parts(parts));
    }
    let change = Change::of(&choice.restore);
    if change.images.is_empty() && change.storage_uri.is_none() && format != Format::Json {
        return Err(PatchError::NoPlace);
    }
    Ok(match format {
        Format::Kustomize => kustomize(plan, &change),
        Format::HelmValues => helm_values(plan, &change),
        Format::Json => document(plan, &change),
    })
}

impl<'p> Change<'p> {
    fn of(restore: &'p [Restored]) -> Self {
        let mut change = Self { images: Vec::new(), storage_uri: None, left_out: Vec::new() };
        for one in restore {
            match one.component.role {
                ComponentRole::Image if image(one).is_some() => change.images.extend(image(one)),
                ComponentRole::Model if change.storage_uri.is_none() && storage_uri(one).is_some() => {
                    change.storage_uri = storage_uri(one);
                }
                _ => change.left_out.push(one),
            }
        }
        change
    }
}

fn image(one: &Restored) -> Option<Image> {
    let digest = one.component.digests.iter().find(|digest| digest.algorithm == "sha256")?;
    let mut places = sure_places(one).into_iter().filter(|place| place.starts_with("oci"));
    let (host, repository) = places.find_map(registry)?;
    Some(Image { repository: format!("{host}/{repository}"), digest: format!("sha256:{}", digest.value) })
}

/// An address that a model server in a cluster can load from; a file of somebody's machine is none.
fn storage_uri(one: &Restored) -> Option<String> {
    const SCHEMES: [&str; 8] = ["s3", "gs", "hf", "https", "http", "oci", "oci+native", "pvc"];
    let is_served = |place: &&str| SCHEMES.contains(&place.split_once("://").map_or("", |(scheme, _rest)| scheme));
    sure_places(one).into_iter().find(is_served).map(str::to_owned)
}

/// The places that a patch may name, the surest first: what `--check` has just read and found to hold the bytes, what it was
/// observed to run from, and what carries the digest itself. Never one that is gone, or that was found to hold other bytes.
fn sure_places(one: &Restored) -> Vec<&str> {
    let found = |state: RecheckState| one.checks.iter().filter(move |check| check.state == state);
    let read = found(RecheckState::Rechecked).map(|check| &check.place);
    let pinned = one.places.iter().filter(|place| is_pinned(one, place));
    let all = read.chain(&one.observed_places).chain(pinned);
    let is_wrong = |place: &str| {
        one.gone.iter().any(|gone| gone.uri == place) || found(RecheckState::Mismatch).any(|check| check.place == place)
    };
    all.map(String::as_str).filter(|place| !is_wrong(place)).collect()
}

/// Whether a place is in a registry and under the component's own digest: then the registry has those bytes or none.
fn is_pinned(one: &Restored, place: &str) -> bool {
    let is_registry = ["oci://", "oci+native://"].iter().any(|scheme| place.starts_with(scheme));
    let own = one.component.digests.iter().filter(|digest| digest.algorithm == "sha256");
    is_registry && own.into_iter().any(|digest| place.ends_with(&format!("@sha256:{}", digest.value)))
}

/// What is to be said of a component that a patch could say, and does not.
fn unsure(one: &Restored) -> Option<String> {
    let is_said = matches!(one.component.role, ComponentRole::Image | ComponentRole::Model) && !one.places.is_empty();
    is_said.then(|| format!("no place is known to hold it; `--check` reads what is said to: {}", one.places.join(", ")))
}

/// What every patch begins with: what it does, from which answer, and what it leaves out.
fn head(plan: &RollbackPlan, change: &Change<'_>) -> String {
    let mut head = String::new();
    let restores = plan.choice.as_ref().and_then(|choice| plan.candidates.get(choice.candidate));
    let index = restores.map_or(0, |candidate| candidate.restores.index);
    let (service, size, origin) = (&plan.service, plan.as_of.tree_size, &plan.as_of.origin);
    let lines = [format!("Takes {service} back to what entry #{index} saw, as of tree size {size} of {origin}.")];
    let context = (plan.context.state != Restorable::Yes)
        .then(|| format!("Context {}: {}", plan.context.state.as_str(), plan.context.reasons.join("; ")));
    let left_out = change.left_out.iter().filter(|one| !one.in_place);
    let left_out = left_out.map(|one| {
        let why = unsure(one).map_or_else(String::new, |why| format!(": {why}"));
        format!("Not in this patch, restore it too: {}{why}", component_in_its_role(&one.component))
    });
    for line in lines.into_iter().chain(context).chain(left_out) {
        writeln!(head, "# {}", line.replace(['\n', '\r'], " ")).unwrap_or_default();
    }
    head
}

/// A text as YAML: a JSON string is one.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

fn kustomize(plan: &RollbackPlan, change: &Change<'_>) -> String {
    let mut out = head(plan, change);
    out.push_str(
        "# A Kustomize component: keep it as kustomization.yaml of a folder, and list that under `components`.\n",
    );
    out.push_str("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n");
    if !change.images.is_empty() {
        out.push_str("images:\n");
    }
    for Image { repository, digest } in &change.images {
        writeln!(out, "  - name: {}\n    digest: {}", quoted(repository), quoted(digest)).unwrap_or_default();
    }
    if let Some(uri) = &change.storage_uri {
        let name = plan.service.split('@').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        out.push_str("patches:\n  - target:\n      group: serving.kserve.io\n      kind: InferenceService\n");
        writeln!(out, "      name: {}\n    patch: |-", quoted(name)).unwrap_or_default();
        out.push_str("      - op: add\n        path: /spec/predictor/model/storageUri\n");
        writeln!(out, "        value: {}", quoted(uri)).unwrap_or_default();
    }
    out
}

fn helm_values(plan: &RollbackPlan, change: &Change<'_>) -> String {
    let mut out = head(plan, change);
    let values = |image: &Image| (quoted(&image.repository), quoted(&image.digest));
    match change.images.as_slice() {
        [] => {}
        [one] => {
            let (repository, digest) = values(one);
            writeln!(out, "image:\n  repository: {repository}\n  digest: {digest}").unwrap_or_default();
        }
        several => {
            out.push_str("images:\n");
            for (repository, digest) in several.iter().map(values) {
                writeln!(out, "  - repository: {repository}\n    digest: {digest}").unwrap_or_default();
            }
        }
    }
    if let Some(uri) = &change.storage_uri {
        writeln!(out, "model:\n  storageUri: {}", quoted(uri)).unwrap_or_default();
    }
    out
}

fn document(plan: &RollbackPlan, change: &Change<'_>) -> String {
    let restores = plan.choice.as_ref().and_then(|choice| plan.candidates.get(choice.candidate));
    let images = change.images.iter().map(|image| json!({"repository": image.repository, "digest": image.digest}));
    let left_out = change.left_out.iter().map(|one| {
        let digests: Vec<String> = one.component.digests.iter().map(ToString::to_string).collect();
        let (component, why) = (&one.component, unsure(one));
        json!({"role": component.role, "name": component.name, "digests": digests, "inPlace": one.in_place, "why": why})
    });
    let document = json!({
        "service": plan.service,
        "restores": restores.map(|candidate| candidate.restores.event),
        "treeSize": plan.as_of.tree_size,
        "origin": plan.as_of.origin,
        "images": images.collect::<Vec<_>>(),
        "storageUri": change.storage_uri,
        "leftOut": left_out.collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}
