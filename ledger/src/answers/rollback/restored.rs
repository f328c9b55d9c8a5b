//! The components to restore together: where their bytes are, what is gone, what is flagged, and the two lines.
//!
//! Promises that a component which runs there now needs no place to come from, and that one without a digest of its full
//! content is never a yes: what is at its place now may be something else.

use lineal_schemas::vocabulary::{
    Payload,
    artifact::{InputRole, Strength},
    dataset::TransformKind,
    deployment::{Component, ComponentRole, ServedSet},
    flag::FlagSeverity,
    names::Name,
    values::Uri,
};

use super::{Gone, Line, Restored, check, context::Compared};
use crate::answers::{
    AnswerError,
    flags::Tainted,
    graph::{Identity, Reader},
    print,
    running::components,
};

/// Everything that belongs to serving sets.
pub(super) fn all(
    reader: &mut Reader<'_>,
    sets: &[ServedSet],
    now: &[ServedSet],
    tainted: &Tainted,
) -> Result<Vec<Restored>, AnswerError> {
    let mut restored = Vec::new();
    for set in sets {
        let states = components(reader, set)?;
        let share = set.share.as_ref().map(|share| share.as_decimal().as_str().to_owned());
        for (component, state) in set.components.iter().zip(states) {
            let identity = reader.identity(&component.artifact)?;
            let (places, gone) = match &identity {
                Some(identity) => places(reader, component, identity),
                None => (component.artifact.uri.iter().map(ToString::to_string).collect(), Vec::new()),
            };
            restored.push(Restored {
                is_context: is_context(component.role),
                context_role: context_role(component, identity.as_deref()),
                in_place: in_place(reader, component, now)?,
                flagged: tainted.of(reader, &component.artifact)?,
                share: share.clone().filter(|_share| sets.len() > 1),
                checks: Vec::new(),
                observed_places: observed(component).filter(|place| places.contains(place)).collect(),
                component: state,
                places,
                gone,
            });
        }
    }
    Ok(restored)
}

/// Whether a component is data context: what the model answers with.
pub(super) const fn is_context(role: ComponentRole) -> bool {
    matches!(role, ComponentRole::Transform | ComponentRole::Features | ComponentRole::Index)
}

/// What a component is in the data context of a declared rollback.
fn context_role(component: &Component, identity: Option<&Identity>) -> Option<InputRole> {
    match component.role {
        ComponentRole::Model => None,
        ComponentRole::Adapter => Some(InputRole::Adapter),
        ComponentRole::Index => Some(InputRole::Index),
        ComponentRole::Features => Some(InputRole::Features),
        ComponentRole::Image | ComponentRole::Config => Some(InputRole::Environment),
        ComponentRole::Guardrail => Some(InputRole::Preprocessor),
        ComponentRole::Transform => Some(match identity.and_then(kind_of) {
            Some(TransformKind::Tokenizer) => InputRole::Tokenizer,
            Some(TransformKind::Prompt) => InputRole::Prompt,
            _ => InputRole::Preprocessor,
        }),
    }
}

/// What kind of transform something is, as the last event that published it says.
pub(super) fn kind_of(identity: &Identity) -> Option<TransformKind> {
    identity.said.iter().rev().find_map(|told| match &told.payload {
        Payload::TransformPublished(published) => Some(published.kind),
        _ => None,
    })
}

fn in_place(reader: &mut Reader<'_>, component: &Component, now: &[ServedSet]) -> Result<bool, AnswerError> {
    if component.artifact.strength() != Strength::Strong {
        return Ok(false);
    }
    for other in now.iter().flat_map(|set| &set.components) {
        if other.role == component.role && reader.same(&component.artifact, &other.artifact)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where the bytes came from when it ran, as its observation says.
fn observed(component: &Component) -> impl Iterator<Item = String> {
    let own = component.artifact.uri.as_ref().map(ToString::to_string);
    own.into_iter().chain(check::registry_place(&component.artifact))
}

/// Where the bytes are said to be, and where they are said to be gone from, in the order in which that happened.
fn places(reader: &Reader<'_>, component: &Component, identity: &Identity) -> (Vec<String>, Vec<Gone>) {
    let (mut places, mut gone): (Vec<String>, Vec<Gone>) = (Vec::new(), Vec::new());
    places.extend(observed(component));
    for told in identity.said.iter().filter(|told| reader.has_happened(told)) {
        match &told.payload {
            Payload::ArtifactDestroyed(destroyed) => {
                let uri = place(&destroyed.uri, destroyed.version_id.as_ref());
                // Without a version, whatever was at that place.
                let is_all = destroyed.version_id.is_none();
                places.retain(|place| *place != uri && !(is_all && unversioned(place) == uri));
                let reason = destroyed.reason.as_ref().map(ToString::to_string);
                gone.push(Gone { uri, reason, event: reader.event_ref(told) });
            }
            Payload::ArtifactLocated(located) => {
                let uri = place(&located.uri, located.version_id.as_ref());
                gone.retain(|gone| gone.uri != uri && gone.uri != located.uri.as_str());
                places.push(uri);
            }
            _ => {
                let own = identity.mentions(told).filter_map(|own| own.artifact.uri.as_ref()).map(ToString::to_string);
                places.extend(own.filter(|uri| !gone.iter().any(|gone| gone.uri == *uri)).collect::<Vec<_>>());
            }
        }
    }
    places.sort();
    places.dedup();
    (places, gone)
}

/// A place, with the store's version of what is there as its own tools write it into an address.
fn place(uri: &Uri, version: Option<&Name>) -> String {
    let uri = uri.as_str();
    let scheme = uri.split_once(':').map(|(scheme, _rest)| scheme);
    match (scheme, version) {
        (Some("s3"), Some(version)) if !uri.contains('?') => format!("{uri}?versionId={}", escaped(version.as_str())),
        (Some("gs"), Some(version)) if !uri.contains('#') => format!("{uri}#{}", escaped(version.as_str())),
        _ => uri.to_owned(),
    }
}

/// The place without a version.
fn unversioned(place: &str) -> &str {
    match place.split_once(':') {
        Some(("s3", _rest)) => place.split_once("?versionId=").map_or(place, |(uri, _version)| uri),
        Some(("gs", _rest)) => place.split_once('#').map_or(place, |(uri, _version)| uri),
        _ => place,
    }
}

/// As a part of an address: everything but RFC 3986's unreserved characters is escaped.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escape).collect()
}

/// Whether the model, and what it runs in, can be put back.
pub(super) fn model_line(restored: &[Restored], is_cut: bool) -> Line {
    let (no, mut unknown) = judged(restored.iter().filter(|one| !one.is_context));
    if is_cut {
        unknown.push("more is flagged than was looked at".to_owned());
    }
    Line::of(no, unknown)
}

/// Whether what it answered with is as it was.
pub(super) fn context_line(restored: &[Restored], compared: &Compared) -> Line {
    let mut no: Vec<String> =
        compared.differences.iter().filter(|one| one.is_context).map(print::difference_line).collect();
    let (own, mut unknown) = judged(restored.iter().filter(|one| one.is_context));
    no.extend(own);
    unknown.extend(compared.unknown.iter().cloned());
    if no.is_empty() && unknown.is_empty() && compared.same.is_empty() && compared.differences.is_empty() {
        unknown.push("nothing of it is on the record".to_owned());
    }
    Line::of(no, unknown)
}

/// What speaks against components, and what is not known of them.
fn judged<'r>(restored: impl Iterator<Item = &'r Restored>) -> (Vec<String>, Vec<String>) {
    let (mut no, mut unknown) = (Vec::new(), Vec::new());
    for one in restored {
        let label = print::component_in_its_role(&one.component);
        for flagged in &one.flagged {
            for flag in flagged.flags.iter().filter(|flag| flag.severity == FlagSeverity::Error) {
                let (what, category, index) = (&flagged.what, flag.category, flag.event.index);
                no.push(format!("{label} rests on {what}, FLAGGED {category} (#{index})"));
            }
        }
        if one.component.strength != Strength::Strong {
            unknown.push(format!("{label} has no digest of its full content: what is there now may be something else"));
            continue;
        }
        if !one.in_place && one.places.is_empty() {
            match one.gone.last() {
                Some(gone) => no.push(format!("{label} is gone from {} (#{})", gone.uri, gone.event.index)),
                None => unknown.push(format!("no place of {label} is on the record")),
            }
        }
    }
    no.sort();
    no.dedup();
    (no, unknown)
}
