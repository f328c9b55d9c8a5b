//! Artifacts and events by their digests, in full or by the beginning; and files that only listings know.

use lineal_schemas::vocabulary::artifact::{Artifact, DigestSet};

use super::{LEAST_DIGITS, MAX_FOUND, Resolved, Target, by_event_digest, is_hex, one_event};
use crate::answers::{
    AnswerError, NamedDigest,
    graph::{Reader, strong},
    listings,
};

/// What a digest, or the beginning of one, is of.
pub(super) fn resolve(
    reader: &mut Reader<'_>,
    asked: &str,
    algorithm: Option<&str>,
    hex_prefix: &str,
) -> Result<Resolved, AnswerError> {
    if !is_hex(hex_prefix) {
        return Err(AnswerError::Unknown { asked: asked.to_owned(), near: Vec::new() });
    }
    if hex_prefix.len() < LEAST_DIGITS {
        return Err(AnswerError::TooShort { asked: asked.to_owned(), least: LEAST_DIGITS });
    }
    let mut artifacts = Vec::new();
    for digest in reader.view().index.artifacts(hex_prefix, reader.moment().size, MAX_FOUND)? {
        if algorithm.is_none_or(|wanted| wanted == digest.algorithm()) {
            artifacts.extend(artifact_of(&digest.into()));
        }
    }
    let events = if algorithm.is_none() { by_event_digest(reader, hex_prefix)? } else { Vec::new() };
    if let ([], events) = (artifacts.as_slice(), events.as_slice()) {
        return match one_event(asked, events) {
            Err(unknown @ AnswerError::Unknown { .. }) => listed(reader, hex_prefix, algorithm)?.ok_or(unknown),
            found => found.map(Resolved::from),
        };
    }
    if events.is_empty()
        && let Some((first, others)) = artifacts.split_first()
    {
        let is_one = others.is_empty()
            || reader.identity(first)?.is_some_and(|identity| others.iter().all(|other| identity.is(other)));
        if is_one {
            return Ok(Target::Artifact(Box::new(first.clone())).into());
        }
    }
    let mut found = Vec::new();
    for artifact in &artifacts {
        found.push(shown(reader, artifact)?);
    }
    found.extend(events.iter().map(|index| format!("#{index}")));
    found.truncate(MAX_FOUND);
    Err(AnswerError::Ambiguous { asked: asked.to_owned(), found })
}

/// A file that only stored listings have; by its whole digest.
fn listed(reader: &Reader<'_>, hex: &str, algorithm: Option<&str>) -> Result<Option<Resolved>, AnswerError> {
    if hex.len() != 64 || algorithm.is_some_and(|algorithm| algorithm != "sha256") {
        return Ok(None);
    }
    let listings = listings::containing(reader, hex)?;
    let Some(first) = listings.found.first() else { return Ok(None) };
    let file = listings::file(hex, first.paths.first());
    let notes = listings.unread.clone();
    Ok(file.map(|file| Resolved { target: Target::Listed(Box::new(file), listings), notes }))
}

/// An artifact of which a digest is all that is known.
pub(in crate::answers) fn artifact_of(digest: &NamedDigest) -> Option<Artifact> {
    let digests = [(digest.algorithm.to_string(), digest.value.clone())].into();
    let digest = DigestSet::new(digests).ok();
    digest.map(|digest| Artifact {
        name: None,
        uri: None,
        digest: Some(digest),
        media_type: None,
        download_location: None,
        annotations: None,
    })
}

fn shown(reader: &mut Reader<'_>, artifact: &Artifact) -> Result<String, AnswerError> {
    let digest = strong(artifact).first().map_or_else(String::new, ToString::to_string);
    let identity = reader.identity(artifact)?;
    let subject = identity.and_then(|identity| identity.said.last().map(|told| told.subject.clone()));
    Ok(subject.map_or_else(|| digest.clone(), |subject| format!("{digest} ({subject})")))
}
