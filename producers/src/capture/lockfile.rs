//! The lockfile of a run: the exact packages that its environment was made of, by digest.
//!
//! The bytes go along as an attachment, unless an address in them has a password.

use std::{fs, path::Path};

use lineal_schemas::digest::sha256;

use super::credentials;
use crate::{object::Object, outbox::Attachment};

/// Names of lockfiles, those that pin most first, with their media types.
const LOCKFILES: [(&str, &str); 10] = [
    ("uv.lock", "application/toml"),
    ("poetry.lock", "application/toml"),
    ("pdm.lock", "application/toml"),
    ("Pipfile.lock", "application/json"),
    ("conda-lock.yml", "application/yaml"),
    ("pixi.lock", "application/yaml"),
    ("Cargo.lock", "application/toml"),
    ("package-lock.json", "application/json"),
    ("environment.yml", "application/yaml"),
    ("requirements.txt", "text/plain"),
];

/// How many folders above the command's own are looked at: a monorepo keeps its lockfile higher up.
const FOLDERS: usize = 4;

/// A lockfile as found.
pub(super) struct Lockfile {
    /// Its name and digest.
    pub(super) artifact: Object,
    /// Its bytes, if they may be shown.
    pub(super) attachment: Option<Attachment>,
}

/// The lockfile of a folder, or of the nearest one above it; never beyond the root of a git work tree.
pub(super) fn find(directory: &Path) -> Option<Lockfile> {
    let directory = directory.canonicalize().ok()?;
    for folder in directory.ancestors().take(FOLDERS) {
        let found = LOCKFILES.iter().find_map(|(name, media_type)| {
            let bytes = fs::read(folder.join(name)).ok()?;
            Some(lockfile(name, media_type, bytes))
        });
        if found.is_some() || folder.join(".git").exists() {
            return found;
        }
    }
    None
}

fn lockfile(name: &str, media_type: &str, bytes: Vec<u8>) -> Lockfile {
    let digest = Object::new().with("sha256", hex::encode(sha256(&bytes)));
    let artifact = Object::new().with("name", name).with("digest", digest).with("mediaType", media_type);
    let shown = std::str::from_utf8(&bytes).is_ok_and(|text| credentials(text).is_none());
    let attachment =
        shown.then(|| Attachment { role: "lockfile".to_owned(), media_type: media_type.to_owned(), bytes });
    Lockfile { artifact, attachment }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_lockfile_is_taken_and_one_with_a_password_is_not_shown() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("train")).unwrap();
        fs::write(root.path().join("requirements.txt"), "--index-url https://me:secret@pypi/\nnumpy==2.0\n").unwrap();
        fs::create_dir(root.path().join(".git")).unwrap();
        let found = find(&root.path().join("train")).unwrap();
        assert!(found.attachment.is_none() && found.artifact.to_json().contains("requirements.txt"));
        fs::write(root.path().join("train/uv.lock"), "version = 1\n").unwrap();
        assert_eq!(find(&root.path().join("train")).unwrap().attachment.unwrap().bytes, b"version = 1\n");
    }
}
