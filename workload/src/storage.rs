//! Where a model server fetches its model from: `storageUri` and its like, and the artifact that it names.
//!
//! Promises that an address is a pointer. Whoever downloads takes what is there at that moment, so only an OCI reference
//! by digest, and a Git revision written out in full, name bytes.

use lineal_schemas::vocabulary::{artifact::Artifact, deployment::Binding, values::Uri};

use crate::image::{OCI, artifact_of, asked_image, running_image};

/// What KServe writes for an image that the kubelet mounts itself.
const OCI_NATIVE: &str = "oci+native://";

/// The artifact at an address, as a spec asks for it; nothing where it is no address.
pub fn asked_model(uri: &str) -> Option<(Artifact, Binding)> {
    if let Some(reference) = image_in(uri) {
        return asked_image(reference);
    }
    if let Some(revision) = revision_of(uri) {
        let place = Uri::try_from(uri.to_owned()).ok();
        return Some((artifact_of(None, place, Some(("gitCommit", revision)))?, Binding::Pinned));
    }
    let is_place = uri.split_once("://").is_some_and(|(_scheme, rest)| !rest.is_empty());
    let place = Uri::try_from(uri.to_owned()).ok().filter(|_uri| is_place);
    Some((artifact_of(None, place, None)?, Binding::Floating))
}

/// The same, where a kubelet says which image it mounted.
pub fn running_model(uri: &str, image_id: &str) -> Option<(Artifact, Binding)> {
    running_image(image_in(uri).unwrap_or(uri), image_id)
}

/// The reference in an address of an OCI registry.
pub(crate) fn image_in(uri: &str) -> Option<&str> {
    uri.strip_prefix(OCI).or_else(|| uri.strip_prefix(OCI_NATIVE)).filter(|reference| !reference.is_empty())
}

/// The commit in `hf://<owner>/<model>:<40 hexadecimal digits>`; a branch is none.
fn revision_of(uri: &str) -> Option<&str> {
    let (_model, revision) = uri.strip_prefix("hf://")?.rsplit_once(':')?;
    let is_commit = revision.len() == 40 && revision.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_commit.then_some(revision)
}

#[cfg(test)]
mod tests {
    use lineal_schemas::vocabulary::artifact::Strength;

    use super::*;

    #[test]
    fn an_address_that_can_move_is_a_pointer() {
        let (hex, commit) = ("4f".repeat(32), "9c".repeat(20));
        for (uri, strength, binding) in [
            ("s3://models/fraud/42", Strength::Pointer, Binding::Floating),
            ("pvc://models/fraud", Strength::Pointer, Binding::Floating),
            ("hf://org/model", Strength::Pointer, Binding::Floating),
            ("hf://org/model:main", Strength::Pointer, Binding::Floating),
            (&format!("hf://org/model:{commit}"), Strength::Pointer, Binding::Pinned),
            ("oci://r.io/fraud:v2", Strength::Pointer, Binding::Floating),
            (&format!("oci://r.io/fraud@sha256:{hex}"), Strength::Strong, Binding::Pinned),
            (&format!("oci+native://r.io/fraud@sha256:{hex}"), Strength::Strong, Binding::Pinned),
        ] {
            let (artifact, found) = asked_model(uri).unwrap();
            assert_eq!((artifact.strength(), found), (strength, binding), "{uri}");
        }
        for wrong in ["", "models/fraud", "oci://", "s3://with space/x"] {
            assert_eq!(asked_model(wrong), None, "{wrong}");
        }
    }
}
