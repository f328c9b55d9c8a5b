//! Container images: a reference as people write it, the image id that a kubelet reports, and the artifact that both name.
//!
//! The digest of an image is that of its manifest (events.md, Artifact). Promises that nothing else is ever called
//! `sha256`: the id of a locally loaded image is the digest of its configuration, and is carried as the weak `imageId`. A
//! tag moves, so a reference by tag is floating. Names are kept as written: no registry is added to a short one.

use std::collections::BTreeMap;

use lineal_schemas::vocabulary::{
    artifact::{Artifact, DigestSet},
    deployment::Binding,
    names::Name,
    values::Uri,
};

/// The digest of an image's configuration: says which image, and joins with no manifest.
const IMAGE_ID: &str = "imageId";

/// What [`ImageReference::uri`] begins with.
pub(crate) const OCI: &str = "oci://";

/// An image's reference, cut into its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageReference<'a> {
    text: &'a str,
    /// Registry and path.
    pub repository: &'a str,
    /// The tag, which can move.
    pub tag: Option<&'a str>,
    /// SHA-256 of the manifest, 64 hexadecimal digits.
    pub sha256: Option<&'a str>,
}

impl<'a> ImageReference<'a> {
    /// Cuts a reference. Where there is no sound digest behind an `@`, there is none.
    pub fn parse(text: &'a str) -> Self {
        let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
        let path = rest.rfind('/').unwrap_or_default();
        let tag = rest.rfind(':').filter(|colon| *colon > path);
        let (repository, tag) = tag.and_then(|colon| rest.split_at_checked(colon)).unwrap_or((rest, ""));
        let tag = tag.strip_prefix(':').filter(|tag| !tag.is_empty());
        Self { text, repository, tag, sha256: digest.and_then(sha256_of) }
    }

    /// Where it is, as a URI; nothing if it holds what no URI does.
    fn uri(&self) -> Option<Uri> {
        let uri = Uri::try_from(format!("{OCI}{}", self.text)).ok();
        uri.filter(|_uri| !self.repository.is_empty())
    }

    /// Whether it names one image for good.
    pub const fn binding(&self) -> Binding {
        if self.sha256.is_some() { Binding::Pinned } else { Binding::Floating }
    }
}

/// The hexadecimal digits of `sha256:<64 digits>`.
fn sha256_of(digest: &str) -> Option<&str> {
    let digits = digest.strip_prefix("sha256:")?;
    let is_hex = digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then_some(digits)
}

/// What a kubelet says that it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ImageId<'a> {
    /// The digest of the manifest that was pulled.
    Manifest(&'a str),
    /// The digest of the configuration: nothing was pulled by digest, or the runtime does not say.
    Configuration(&'a str),
}

impl<'a> ImageId<'a> {
    /// `REPOSITORY@sha256:…`, `docker-pullable://REPOSITORY@sha256:…`, or an id alone.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.split_once("://").map_or(text, |(_scheme, rest)| rest);
        match text.rsplit_once('@') {
            Some((_repository, digest)) => sha256_of(digest).map(Self::Manifest),
            None => sha256_of(text).map(Self::Configuration),
        }
    }

    const fn named(self) -> (&'static str, &'a str) {
        match self {
            Self::Manifest(digits) => ("sha256", digits),
            Self::Configuration(digits) => (IMAGE_ID, digits),
        }
    }
}

/// The artifact that a reference asks for; nothing where it is not one.
pub fn asked_image(reference: &str) -> Option<(Artifact, Binding)> {
    let reference = ImageReference::parse(reference);
    let digest = reference.sha256.map(|digits| ("sha256", digits));
    let artifact = artifact(&reference, digest)?;
    Some((artifact, reference.binding()))
}

/// The artifact that runs: named as `reference` says, and with the digest that the kubelet reports in `image_id`, whatever
/// the reference asks for. Nothing where `image_id` says no digest.
pub fn running_image(reference: &str, image_id: &str) -> Option<(Artifact, Binding)> {
    let reference = ImageReference::parse(reference);
    let artifact = artifact(&reference, Some(ImageId::parse(image_id)?.named()))?;
    Some((artifact, reference.binding()))
}

fn artifact(reference: &ImageReference<'_>, digest: Option<(&str, &str)>) -> Option<Artifact> {
    let name = Name::try_from(reference.repository.to_owned()).ok();
    artifact_of(name, reference.uri(), digest)
}

/// An artifact; nothing where it has neither an address nor a digest.
pub(crate) fn artifact_of(name: Option<Name>, uri: Option<Uri>, digest: Option<(&str, &str)>) -> Option<Artifact> {
    let digest = digest.and_then(|(algorithm, digits)| {
        DigestSet::new(BTreeMap::from([(algorithm.to_owned(), digits.to_owned())])).ok()
    });
    if uri.is_none() && digest.is_none() {
        return None;
    }
    Some(Artifact { name, uri, digest, media_type: None, download_location: None, annotations: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(of: char) -> String {
        of.to_string().repeat(64)
    }

    #[test]
    fn a_reference_is_cut_where_registries_cut_it() {
        let a = digits('a');
        let pinned = format!("r.io:5000/team/fraud:v2@sha256:{a}");
        for (text, repository, tag, sha256) in [
            ("fraud", "fraud", None, None),
            ("fraud:v2", "fraud", Some("v2"), None),
            ("r.io:5000/team/fraud", "r.io:5000/team/fraud", None, None),
            (&pinned, "r.io:5000/team/fraud", Some("v2"), Some(&*a)),
            ("fraud@sha256:12", "fraud", None, None),
            ("fraud:", "fraud", None, None),
            ("", "", None, None),
        ] {
            let found = ImageReference::parse(text);
            assert_eq!((found.repository, found.tag, found.sha256), (repository, tag, sha256), "{text}");
        }
    }

    #[test]
    fn the_digest_is_the_kubelets_and_the_id_of_a_configuration_is_no_manifest() {
        let (a, b) = (digits('a'), digits('b'));
        let strong = |reference: &str, id: &str| {
            let (artifact, binding) = running_image(reference, id).unwrap();
            (artifact.digests().map(|(name, digits)| format!("{name}:{digits}")).collect::<Vec<_>>(), binding)
        };
        let pulled = format!("docker-pullable://r.io/fraud@sha256:{b}");
        assert_eq!(strong("r.io/fraud:v2", &pulled), (vec![format!("sha256:{b}")], Binding::Floating));
        let pinned = format!("r.io/fraud@sha256:{a}");
        assert_eq!(strong(&pinned, &pulled), (vec![format!("sha256:{b}")], Binding::Pinned));
        for id in [format!("sha256:{b}"), format!("docker://sha256:{b}")] {
            assert_eq!(strong("fraud:v2", &id), (vec![format!("imageId:{b}")], Binding::Floating));
        }
        assert_eq!(running_image("fraud:v2", ""), None, "not pulled yet");
        assert_eq!(running_image("fraud:v2", "fraud:v2"), None);
    }
}
