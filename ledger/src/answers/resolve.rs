//! What a question is about: a name, a digest or the beginning of one, an entry, an event, a commit, a library, a file or
//! folder in hand.
//!
//! Promises one meaning or none: what is unknown comes back with names that are near, what is ambiguous with all it
//! could mean. Opens no file, except in [`in_hand`], which is for the caller's own side. (docs/DESIGN.md)

use std::path::Path;

use lineal_schemas::{
    event::Event,
    vocabulary::{Payload, artifact::Artifact},
};
use lineal_tree::{TreeError, hash_file, hash_tree};

use super::{
    AnswerError, NamedDigest, When,
    graph::{Reader, strong},
    listings::{InListing, InListings},
    text,
};
use crate::{ledger::View, log::record::ReadError};

mod digests;
mod made_with;
mod others;

pub(super) use digests::artifact_of;
use others::others_named;

/// What a question is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A service, by its full name.
    Service(String),
    /// An artifact, as the event that resolved it spells it.
    Artifact(Box<Artifact>),
    /// The event of an entry.
    Event(u64),
    /// A file that the record knows only as a part of folders.
    Listed(Box<Artifact>, InListings),
    /// A git commit, in full.
    Commit(String),
    /// A library, in one version or in all of them.
    Library {
        /// Its name as asked.
        name: String,
        /// The version; nothing for all of them.
        version: Option<String>,
    },
}

impl Target {
    /// That a question can't be about this.
    pub(super) fn unfit(&self, asked: &str) -> AnswerError {
        match self {
            Self::Listed(_file, listings) => {
                let shown = |listing: &InListing| format!("{} has it as {}", listing.tree, listing.paths.join(", "));
                let found = listings.found.iter().take(MAX_FOUND).map(shown).collect();
                AnswerError::InListings { asked: asked.to_owned(), found }
            }
            _ => AnswerError::NotAbout { asked: asked.to_owned() },
        }
    }
}

/// A target, and what its asker should know about how it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// What the question is about.
    pub target: Target,
    /// For instance that the name has named other digests before.
    pub notes: Vec<String>,
}

impl From<Target> for Resolved {
    fn from(target: Target) -> Self {
        Self { target, notes: Vec::new() }
    }
}

/// The fewest hex digits that are taken for the beginning of a digest.
pub(super) const LEAST_DIGITS: usize = 8;

/// The most meanings that are listed.
const MAX_FOUND: usize = 20;

/// The most names of one kind that are compared with an unknown one.
const MAX_COMPARED: usize = 5000;

/// The most near names that are given.
const MAX_NEAR: usize = 5;

/// Kinds of names that a question can leave out, in the order in which they are tried.
const KINDS: [&str; 6] = ["service/", "model/", "dataset/", "transform/", "alias/", "job/"];

/// The algorithms of strong digests, as questions write them.
const STRONG: [&str; 2] = ["sha256", "dirHash"];

/// Finds what `asked` is: `#17`, an event's id or digest, `sha256:…`, `dirHash:…`, `gitCommit:…`, at least 8 digits of a
/// digest, a package URL, a name with or without its kind, `name@version`, or a service without cluster or environment where that is unique.
pub fn resolve(view: &View, asked: &str, when: impl Into<When>) -> Result<Resolved, AnswerError> {
    resolve_with(&mut Reader::new(view, when.into())?, asked)
}

/// If `asked` is a file or a folder in hand, the digest to ask for instead. Only for the side where it is.
pub fn in_hand(asked: &str) -> Result<Option<String>, AnswerError> {
    let named = KINDS.iter().chain(&["artifact/"]).any(|kind| asked.starts_with(kind));
    let path = Path::new(asked);
    if named || asked.starts_with('#') || !path.exists() {
        return Ok(None);
    }
    // A folder may stand beside a name that is meant: only a path that can be nothing else is hashed.
    if path.is_dir() && !asked.starts_with(['.', '/']) && !asked.ends_with('/') {
        return Ok(None);
    }
    Ok(Some(digest_of(path)?.to_string()))
}

/// The digest of a file or a folder, hashed on all cores.
pub(crate) fn digest_of(path: &Path) -> Result<NamedDigest, TreeError> {
    let (algorithm, value) = if path.is_dir() {
        ("dirHash", hash_tree(path, &|_step| {})?.dir_hash)
    } else {
        ("sha256", hash_file(path, &|_step| {})?.sha256)
    };
    Ok(NamedDigest { algorithm: algorithm.into(), value })
}

pub(super) fn resolve_with(reader: &mut Reader<'_>, asked: &str) -> Result<Resolved, AnswerError> {
    if let Some(index) = asked.strip_prefix('#').and_then(|digits| digits.parse().ok()) {
        return entry(reader, index).map(Resolved::from);
    }
    if is_id(asked) {
        return by_id(reader, asked).map(Resolved::from);
    }
    if let Some(named) = made_with::resolve(reader, asked)? {
        return Ok(named);
    }
    for algorithm in STRONG {
        if let Some(hex) = asked.strip_prefix(algorithm).and_then(|rest| rest.strip_prefix(':')) {
            return digests::resolve(reader, asked, Some(algorithm), hex);
        }
    }
    if let Some(named) = name(reader, asked)? {
        return Ok(named);
    }
    if is_hex(asked) && asked.len() >= LEAST_DIGITS / 2 {
        return digests::resolve(reader, asked, None, asked);
    }
    Err(AnswerError::Unknown { asked: asked.to_owned(), near: near(reader, asked)? })
}

fn entry(reader: &Reader<'_>, index: u64) -> Result<Target, AnswerError> {
    let size = reader.as_of().tree_size;
    if index < size { Ok(Target::Event(index)) } else { Err(ReadError::NoSuchEntry { index, size }.into()) }
}

pub(super) fn is_hex(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

pub(super) fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4 && is_hex(&text.replace('-', ""))
}

pub(super) fn by_id(reader: &Reader<'_>, id: &str) -> Result<Target, AnswerError> {
    let size = reader.as_of().tree_size;
    let mut found = Vec::new();
    for index in reader.view().index.by_id(id)?.into_iter().filter(|index| *index < size) {
        let stored = reader.view().record.get(index)?;
        if stored.body().and_then(|body| Event::parse(body).ok()).is_some_and(|event| event.id == id) {
            found.push(index);
        }
    }
    one_event(id, &found)
}

fn one_event(asked: &str, found: &[u64]) -> Result<Target, AnswerError> {
    match found {
        [] => Err(AnswerError::Unknown { asked: asked.to_owned(), near: Vec::new() }),
        [index] => Ok(Target::Event(*index)),
        more => {
            let found = more.iter().take(MAX_FOUND).map(|index| format!("#{index}")).collect();
            Err(AnswerError::Ambiguous { asked: asked.to_owned(), found })
        }
    }
}

/// Entries whose event's digest begins with these hex digits.
pub(super) fn by_event_digest(reader: &Reader<'_>, hex_prefix: &str) -> Result<Vec<u64>, AnswerError> {
    let even = hex_prefix.get(..hex_prefix.len() / 2 * 2).unwrap_or_default();
    let Ok(bytes) = hex::decode(even) else { return Ok(Vec::new()) };
    let size = reader.as_of().tree_size;
    let mut found = Vec::new();
    for index in reader.view().index.by_digest(&bytes)? {
        if index < size && reader.view().record.get(index)?.entry().event.to_string().starts_with(hex_prefix) {
            found.push(index);
        }
    }
    Ok(found)
}

/// The one event whose digest begins with these hex digits.
pub(super) fn event_by_prefix(reader: &Reader<'_>, asked: &str) -> Result<Target, AnswerError> {
    if asked.len() < LEAST_DIGITS {
        return Err(AnswerError::TooShort { asked: asked.to_owned(), least: LEAST_DIGITS });
    }
    one_event(asked, &by_event_digest(reader, asked)?)
}

/// What a name means, with its kind or without.
fn name(reader: &mut Reader<'_>, asked: &str) -> Result<Option<Resolved>, AnswerError> {
    let mut found = Vec::new();
    let mut later = None;
    for subject in spellings(asked) {
        match subject_named(reader, &subject) {
            Ok(Some(resolved)) => found.push((subject, resolved)),
            Ok(None) => {}
            Err(not_yet @ AnswerError::NotYet { .. }) => later = Some(not_yet),
            Err(other) => return Err(other),
        }
    }
    if let Some(not_yet) = later.filter(|_later| found.is_empty()) {
        return Err(not_yet);
    }
    if found.is_empty() {
        return service_without_place(reader, asked);
    }
    if found.len() > 1 {
        let found = found.into_iter().map(|(subject, _resolved)| subject).collect();
        return Err(AnswerError::Ambiguous { asked: asked.to_owned(), found });
    }
    Ok(found.pop().map(|(_subject, resolved)| resolved))
}

pub(super) fn spellings(asked: &str) -> Vec<String> {
    if KINDS.iter().any(|kind| asked.starts_with(kind)) {
        return vec![asked.to_owned()];
    }
    let with_kind = KINDS.iter().map(|kind| format!("{kind}{asked}"));
    std::iter::once(asked.to_owned()).chain(with_kind).collect()
}

fn subject_named(reader: &mut Reader<'_>, subject: &str) -> Result<Option<Resolved>, AnswerError> {
    if let Some(resolved) = newest(reader, subject, None)? {
        return Ok(Some(resolved));
    }
    match subject.rsplit_once('@') {
        Some((name, version)) if !version.is_empty() => newest(reader, name, Some(version)),
        _ => Ok(None),
    }
}

/// What the last event about a subject says it is; with a version, the last one of that version.
fn newest(reader: &mut Reader<'_>, subject: &str, version: Option<&str>) -> Result<Option<Resolved>, AnswerError> {
    let kinds: &[&str] = match subject.split_once('/').map(|(kind, _rest)| kind) {
        Some("service") => {
            let any = version.is_none() && reader.is_known(subject)?;
            return Ok(any.then(|| Target::Service(subject.to_owned()).into()));
        }
        Some("model") => &["model.registered"],
        Some("dataset") => &["dataset.snapshotted"],
        Some("transform") => &["transform.published"],
        Some("alias") => &["alias.moved"],
        Some("artifact") => {
            &["artifact.equated", "artifact.located", "artifact.destroyed", "artifact.flagged", "artifact.cleared"]
        }
        Some("job") => &["run.completed"],
        _ => return Ok(None),
    };
    let mut told = reader.told_about(subject, kinds)?;
    if told.is_empty() && version.is_none() && subject.starts_with("model/") {
        told = reader.told_about(subject, &["evaluation.completed", "evaluation.started"])?;
    }
    told.retain(|told| {
        version.is_none_or(|version| version_of(&told.payload).is_some_and(|own| is_version(own, version)))
    });
    let Some(oldest) = told.last() else { return Ok(None) };
    // What happened last by then is first among what had happened.
    let Some(first) = told.iter().find(|told| reader.has_happened(told)) else {
        let (at, first, index) = (reader.moment().at, oldest.when(), oldest.index);
        return Err(AnswerError::NotYet { asked: subject.to_owned(), at, first, index });
    };
    let notes = others_named(reader, subject, first, &told).into_iter().collect();
    let target = match &first.payload {
        Payload::RunCompleted(_) => Some(Target::Event(first.index)),
        // What nobody has a digest of is known by its registration alone.
        Payload::ModelRegistered(registered) if strong(&registered.model).is_empty() => {
            Some(Target::Event(first.index))
        }
        payload => main_artifact(payload).cloned().map(Box::new).map(Target::Artifact),
    };
    Ok(target.map(|target| Resolved { target, notes }))
}

fn is_version(own: &str, asked: &str) -> bool {
    own == asked || own.strip_prefix('v') == Some(asked) || asked.strip_prefix('v') == Some(own)
}

pub(super) fn version_of(payload: &Payload) -> Option<&str> {
    match payload {
        Payload::ModelRegistered(registered) => registered.version.as_ref(),
        Payload::DatasetSnapshotted(snapshot) => snapshot.version.as_ref(),
        Payload::TransformPublished(published) => published.version.as_ref(),
        _ => None,
    }
    .map(lineal_schemas::vocabulary::names::Name::as_str)
}

/// The artifact that an event is about.
pub(super) fn main_artifact(payload: &Payload) -> Option<&Artifact> {
    match payload {
        Payload::ModelRegistered(registered) => Some(&registered.model),
        Payload::DatasetSnapshotted(snapshot) => Some(&snapshot.dataset),
        Payload::TransformPublished(published) => Some(&published.artifact),
        Payload::AliasMoved(moved) => Some(&moved.to),
        Payload::ArtifactEquated(equated) => Some(&equated.a),
        Payload::ArtifactLocated(located) => Some(&located.artifact),
        Payload::ArtifactDestroyed(destroyed) => Some(&destroyed.artifact),
        Payload::ArtifactFlagged(flagged) => Some(&flagged.artifact),
        Payload::ArtifactCleared(cleared) => Some(&cleared.artifact),
        Payload::EvaluationStarted(evaluation) => Some(&evaluation.model),
        Payload::EvaluationCompleted(evaluation) => Some(&evaluation.model),
        _ => None,
    }
}

/// `payments/fraud`, `payments/fraud@prod` or `payments/fraud@eu-1`, where only one service fits.
fn service_without_place(reader: &Reader<'_>, asked: &str) -> Result<Option<Resolved>, AnswerError> {
    let asked_name = asked.strip_prefix("service/").unwrap_or(asked);
    let (name, place) = asked_name.split_once('@').map_or((asked_name, None), |(name, place)| (name, Some(place)));
    let fits = |subject: &String| {
        let own = subject.split_once('@').map_or("", |(_name, own)| own);
        place.is_none_or(|place| own == place || own.split('/').any(|part| part == place))
    };
    let mut found = reader.subjects(&format!("service/{name}@"), MAX_COMPARED)?;
    found.retain(fits);
    match found.as_slice() {
        [] => Ok(None),
        [service] => Ok(Some(Target::Service(service.clone()).into())),
        more => {
            let found = more.iter().take(MAX_FOUND).cloned().collect();
            Err(AnswerError::Ambiguous { asked: asked.to_owned(), found })
        }
    }
}

/// Names that come near an unknown one: those that hold it, then those that few changes lead to.
fn near(reader: &Reader<'_>, asked: &str) -> Result<Vec<String>, AnswerError> {
    let mut ranked = Vec::new();
    for kind in KINDS {
        for subject in reader.subjects(kind, MAX_COMPARED)? {
            let bare = subject.strip_prefix(kind).unwrap_or(&subject);
            let changes = text::distance(asked, &subject).min(text::distance(asked, bare));
            let rank = if !asked.is_empty() && subject.contains(asked) { 0 } else { changes };
            if rank <= (asked.len() / 3).max(2) {
                ranked.push((rank, subject));
            }
        }
    }
    ranked.sort();
    Ok(ranked.into_iter().take(MAX_NEAR).map(|(_rank, subject)| subject).collect())
}
