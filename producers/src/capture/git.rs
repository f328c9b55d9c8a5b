//! The code of a run: the commit of the work tree, where it came from, and whether it was changed since.
//!
//! A commit id is a pointer, not a digest of content, and a dirty tree is not the commit: both are said as they are.

use std::{ffi::OsStr, path::Path};

use lineal_schemas::vocabulary::values::Uri;

use super::{output_of, without_credentials};
use crate::object::Object;

/// The `code` of a run's events, if the folder is in a git work tree with a commit.
pub fn code(directory: &Path) -> Option<Object> {
    let git =
        |arguments: &[&str]| output_of(OsStr::new("git"), arguments, directory).map(|text| text.trim().to_owned());
    let commit = git(&["rev-parse", "--verify", "HEAD"])?;
    let dirty = git(&["status", "--porcelain"]).map(|changes| !changes.is_empty());
    let remote = git(&["config", "--get", "remote.origin.url"]).and_then(|url| address(&url));
    let artifact = Object::new().with_some("uri", remote).with("digest", Object::new().with("gitCommit", commit));
    Some(Object::new().with("artifact", artifact).with_some("dirty", dirty))
}

/// A remote as a URI without credentials; `host:path`, which git also takes, is written as `ssh://host/path`.
fn address(remote: &str) -> Option<Uri> {
    let clean = without_credentials(remote);
    let uri = match (clean.contains("://"), clean.split_once(':')) {
        (true, _) => clean,
        (false, Some((host, path))) if !host.contains('/') => {
            format!("ssh://{}/{path}", host.rsplit('@').next().unwrap_or(host))
        }
        _ => return None,
    };
    uri.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    fn git(directory: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").args(identity).args(arguments).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn a_changed_work_tree_is_dirty() {
        let root = tempfile::tempdir().unwrap();
        assert!(code(root.path()).is_none());
        git(root.path(), &["init", "-q"]);
        assert!(code(root.path()).is_none(), "no commit yet");
        fs::write(root.path().join("train.py"), "1").unwrap();
        git(root.path(), &["add", "."]);
        git(root.path(), &["commit", "-q", "-m", "one"]);
        git(root.path(), &["remote", "add", "origin", "https://me:secret@example.com/a.git"]);
        let clean = code(root.path()).unwrap().to_json();
        assert!(clean.contains("\"dirty\":false") && clean.contains("\"https://example.com/a.git\""), "{clean}");
        fs::write(root.path().join("train.py"), "2").unwrap();
        assert!(code(root.path()).unwrap().to_json().contains("\"dirty\":true"));
    }

    #[test]
    fn remotes_become_addresses() {
        for (remote, expected) in [
            ("git@github.com:o/r.git", Some("ssh://github.com/o/r.git")),
            ("https://token@github.com/o/r", Some("https://github.com/o/r")),
            ("/srv/r.git", None),
            ("../r:x", None),
        ] {
            assert_eq!(address(remote).as_ref().map(Uri::as_str), expected, "{remote}");
        }
    }
}
