//! How a command line names an artifact: a file or folder, a digest, an address, or an image by digest.

use std::path::{Path, PathBuf};

use lineal_producers::{
    delivery::chain,
    object::Object,
    outbox::Attachment,
    tree::{hash_file, hash_tree},
};
use lineal_schemas::vocabulary::artifact::{DigestSet, Strength};

use super::console::{self, Failure, advance};

/// The largest attachment that a ledger takes (docs/FORMAT.md).
const MAX_ATTACHMENT_BYTES: usize = 1 << 30;

/// What the help of every such argument says.
pub(crate) const REFERENCE: &str = "a file or folder, `sha256:HEX` (or another digest), a URI, or `IMAGE@sha256:HEX`";

/// An artifact as a command line named it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reference {
    pub(crate) name: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) media_type: Option<String>,
    digest: Option<(String, String)>,
    /// The listing of a folder.
    pub(crate) listing: Option<Attachment>,
    /// Bytes, of what was hashed here.
    pub(crate) size: Option<u64>,
    /// Files, of a folder.
    pub(crate) file_count: Option<u64>,
}

impl Reference {
    /// Finds out what `text` names. What is a path is hashed.
    pub(crate) fn resolve(text: &str) -> Result<Self, Failure> {
        let path = Path::new(text);
        if path.exists() {
            return Self::of_path(path);
        }
        if let Some((name, digest)) = text.rsplit_once('@').filter(|(_, digest)| digest.starts_with("sha256:")) {
            let digest = parse_digest(digest).ok_or_else(|| no_artifact(text))?;
            return Ok(Self { name: Some(name.to_owned()), digest: Some(digest), ..Self::default() });
        }
        if text.contains("://") {
            return Ok(Self { uri: Some(text.to_owned()), ..Self::default() });
        }
        Self::of_digest(text)
    }

    /// What has this digest, as `sha256:HEX`.
    pub(crate) fn of_digest(text: &str) -> Result<Self, Failure> {
        let digest = parse_digest(text).ok_or_else(|| no_artifact(text))?;
        Ok(Self { digest: Some(digest), ..Self::default() })
    }

    /// The same, of `NAME=REFERENCE` or of `REFERENCE` alone.
    pub(crate) fn resolve_named(text: &str) -> Result<Self, Failure> {
        match text.split_once('=') {
            Some((name, rest)) if !Path::new(text).exists() => {
                Ok(Self { name: Some(name.to_owned()), ..Self::resolve(rest)? })
            }
            _ => Self::resolve(text),
        }
    }

    fn of_path(path: &Path) -> Result<Self, Failure> {
        let bar = console::progress();
        let progress = |step| advance(&bar, step);
        let found = Self { name: file_name(path), uri: file_uri(path), ..Self::default() };
        let hashed = if path.is_dir() {
            hash_tree(path, &progress).map(|tree| Self {
                digest: Some(("dirHash".to_owned(), tree.dir_hash)),
                listing: listing(tree.listing),
                size: Some(tree.size),
                file_count: Some(tree.file_count),
                ..found
            })
        } else {
            hash_file(path, &progress).map(|file| Self {
                digest: Some(("sha256".to_owned(), file.sha256)),
                size: Some(file.size),
                ..found
            })
        };
        bar.finish_and_clear();
        hashed.map_err(|error| Failure::refused(format!("{} ({})", chain(&error), error.code())))
    }

    /// The artifact as events write it.
    pub(crate) fn object(&self) -> Object {
        let digest = self.digest.as_ref().map(|(algorithm, digest)| Object::new().with(algorithm, digest));
        Object::new()
            .with_some("name", self.name.as_ref())
            .with_some("uri", self.uri.as_ref())
            .with_some("digest", digest)
            .with_some("mediaType", self.media_type.as_ref())
    }

    /// Whether it is named by more than a place.
    pub(crate) const fn has_digest(&self) -> bool {
        self.digest.is_some()
    }

    /// Whether its digest covers the full content: then whatever has that content is found by it.
    pub(crate) fn is_strong(&self) -> bool {
        self.digest.as_ref().is_some_and(|(algorithm, _)| Strength::of(algorithm) == Strength::Strong)
    }

    /// `sha256:HEX`, or the address.
    pub(crate) fn text(&self) -> String {
        match (&self.digest, &self.uri) {
            (Some((algorithm, digest)), _) => format!("{algorithm}:{digest}"),
            (None, uri) => uri.clone().unwrap_or_default(),
        }
    }

    /// A subject below `kind`: its own name if that begins so, else `<kind>/<owner>/<name>` after the last two parts of
    /// its name or address. Where there is no owner in it, `option` has to say the subject.
    pub(crate) fn subject(&self, kind: &str, option: &str) -> Result<String, Failure> {
        let name = self.name.clone().unwrap_or_else(|| self.text());
        let path: String =
            name.chars().map(|character| if is_path_character(character) { character } else { '-' }).collect();
        if path.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/')) {
            return Ok(path);
        }
        let mut parts = path.rsplit('/');
        match (parts.next(), parts.next()) {
            (Some(name), Some(owner)) if !name.is_empty() && !owner.is_empty() => Ok(format!("{kind}/{owner}/{name}")),
            _ => Err(Failure::usage(format!("`{name}` does not say whose it is"))
                .with_hint(format!("give it a name with an owner: {option} {kind}/<owner>/<name>"))),
        }
    }
}

/// A digest like `sha256:HEX`, by the vocabulary's own rule.
fn parse_digest(text: &str) -> Option<(String, String)> {
    let (algorithm, digest) = text.split_once(':')?;
    let pair = (algorithm.to_owned(), digest.to_owned());
    DigestSet::new([pair.clone()].into()).ok().map(|_sound| pair)
}

fn no_artifact(text: &str) -> Failure {
    Failure::usage(format!("`{text}` names no artifact")).with_hint(format!("it is {REFERENCE}"))
}

fn listing(bytes: Vec<u8>) -> Option<Attachment> {
    if bytes.len() > MAX_ATTACHMENT_BYTES {
        console::status("warning: the listing is larger than an attachment may be, and is left out");
        return None;
    }
    Some(Attachment { role: "listing".to_owned(), media_type: "text/plain".to_owned(), bytes })
}

fn file_name(path: &Path) -> Option<String> {
    let whole: PathBuf = path.canonicalize().ok()?;
    let own = path.file_name().or_else(|| whole.file_name())?;
    own.to_str().map(str::to_owned)
}

/// `file:///…` of the absolute path, with everything outside RFC 3986's unreserved characters escaped.
fn file_uri(path: &Path) -> Option<String> {
    let whole = std::path::absolute(path).ok()?;
    let mut uri = "file://".to_owned();
    for byte in whole.to_str()?.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push('%');
            uri.push_str(&hex::encode_upper([byte]));
        }
    }
    Some(uri)
}

const fn is_path_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '~' | '@' | '+' | '=' | '-' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<String, Failure> {
        Reference::resolve_named(text).map(|found| found.object().to_json())
    }

    #[test]
    fn an_artifact_is_named_by_digest_address_or_path() {
        let hex = "ab".repeat(32);
        assert_eq!(resolve(&format!("sha256:{hex}")).unwrap(), format!(r#"{{"digest":{{"sha256":"{hex}"}}}}"#));
        assert_eq!(resolve("s3://b/k").unwrap(), r#"{"uri":"s3://b/k"}"#);
        assert_eq!(
            resolve(&format!("r.io/img@sha256:{hex}")).unwrap(),
            format!(r#"{{"name":"r.io/img","digest":{{"sha256":"{hex}"}}}}"#)
        );
        assert!(resolve("sha256:12").is_err() && resolve("no-such-file").is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b.bin");
        std::fs::write(&path, "abc").unwrap();
        let found = Reference::resolve_named(&format!("model/a/b={}", path.display())).unwrap();
        assert_eq!(found.text(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(found.uri.as_ref().unwrap().ends_with("/a%20b.bin"));
        let named = |kind: &str| found.subject(kind, "--name").unwrap();
        assert_eq!((named("model"), named("dataset")), ("model/a/b".into(), "dataset/a/b".into()));
    }
}
