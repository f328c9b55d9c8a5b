//! The Python of a run: the interpreter's version, the versions of the libraries that models depend on most, and the
//! whole list of packages as an attachment.

use std::{ffi::OsStr, path::Path};

use lineal_schemas::vocabulary::names::Name;

use super::{output_of, without_credentials};
use crate::{object::Object, outbox::Attachment};

/// Libraries whose versions stand in the event itself, so that two runs can be compared without attachments.
const NAMED: [&str; 18] = [
    "catboost",
    "cuml",
    "datasets",
    "flax",
    "jax",
    "keras",
    "lightgbm",
    "mlflow",
    "numpy",
    "onnx",
    "pandas",
    "polars",
    "scikit-learn",
    "scipy",
    "tensorflow",
    "torch",
    "transformers",
    "xgboost",
];

/// What an interpreter says of itself.
#[derive(Default)]
pub(super) struct Python {
    /// Versions by name.
    pub(super) versions: Object,
    /// The list of packages.
    pub(super) packages: Option<Attachment>,
}

/// Asks the interpreter, if the command is one.
pub(super) fn look_at(program: &OsStr, directory: &Path) -> Option<Python> {
    let name = Path::new(program).file_name()?.to_str()?;
    if !name.starts_with("python") && !name.starts_with("pypy") {
        return None;
    }
    let version = output_of(program, &["--version"], directory)?;
    let list = output_of(program, &["-m", "pip", "freeze", "--all", "--disable-pip-version-check"], directory);
    let list = list.map(|list| without_credentials(&list));
    let version = version.trim().rsplit(' ').next().and_then(|version| version.parse::<Name>().ok());
    let versions = Object::new().with_some("python", version);
    let versions = list.as_deref().map_or_else(|| versions.clone(), |list| named(versions.clone(), list));
    let packages = list.filter(|list| !list.is_empty()).map(|list| Attachment {
        role: "packages".to_owned(),
        media_type: "text/plain".to_owned(),
        bytes: list.into_bytes(),
    });
    Some(Python { versions, packages })
}

/// Adds the libraries of [`NAMED`] that the list has as `name==version`.
fn named(versions: Object, list: &str) -> Object {
    let pinned = list.lines().filter_map(|line| line.split_once("=="));
    pinned.fold(versions, |versions, (name, version)| {
        let name = name.to_ascii_lowercase().replace('_', "-");
        match version.trim().parse::<Name>() {
            Ok(version) if NAMED.contains(&name.as_str()) => versions.with(&name, version),
            _ => versions,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_that_matter_stand_in_the_event() {
        let list = "numpy==2.1.0\nsix==1.16\nScikit_Learn==1.5\ntorch @ file:///x\n";
        assert_eq!(named(Object::new(), list).to_json(), r#"{"numpy":"2.1.0","scikit-learn":"1.5"}"#);
    }

    #[test]
    fn a_command_that_is_no_python_is_not_run() {
        assert!(look_at(OsStr::new("/bin/rm"), Path::new(".")).is_none());
    }
}
