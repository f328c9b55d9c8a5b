//! What surrounded a run: code, environment, hardware, and the tool that started it.
//!
//! Gathered before a `run.started` is drafted, because no commit holds it (docs/FORMAT.md). Promises to leave out what it
//! can't find rather than guess, and that no credential in an address gets through. Never records the values of
//! environment variables (but for those that a CI system names its own runs by) and never a command line.

mod git;
mod lockfile;
mod machine;
mod origin;
mod python;

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Stdio},
};

pub use git::code;
pub use machine::{hardware, machine};
pub use origin::origin;

use crate::{object::Object, outbox::Attachment};

/// What a run runs in.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// The `environment` of a run's events.
    pub object: Object,
    /// The lockfile and the list of packages.
    pub attachments: Vec<Attachment>,
}

/// Looks at the folder and the command of a run. `image` is what the caller knows of the container.
pub fn environment(directory: &Path, command: &[impl AsRef<OsStr>], image: Option<Object>) -> Environment {
    let interpreter = command.first().and_then(|program| python::look_at(program.as_ref(), directory));
    let (versions, packages) = interpreter.map_or_else(Default::default, |found| (found.versions, found.packages));
    let lockfile = lockfile::find(directory);
    let (artifact, bytes) = lockfile.map_or((None, None), |found| (Some(found.artifact), found.attachment));
    let object = Object::new()
        .with_some("image", image.or_else(machine::image))
        .with_some("lockfile", artifact)
        .with_object("versions", versions.with_some("os", machine::system()));
    Environment { object, attachments: bytes.into_iter().chain(packages).collect() }
}

/// What a program prints, if it is there and ends well.
fn output_of(program: &OsStr, arguments: &[&str], directory: &Path) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// Where an address has a user or a password in it, as `(start, end)` of that part, `@` included.
fn credentials(text: &str) -> Option<(usize, usize)> {
    text.match_indices("://").find_map(|(at, mark)| {
        let start = at + mark.len();
        let authority = text.get(start..)?.split(|c: char| c == '/' || c.is_whitespace()).next()?;
        authority.rfind('@').map(|end| (start, start + end + 1))
    })
}

/// The text without the user and password of any address in it.
fn without_credentials(text: &str) -> String {
    let mut clean = text.to_owned();
    while let Some((start, end)) = credentials(&clean) {
        clean.replace_range(start..end, "");
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_addresses_are_cut_out() {
        let text =
            "a @ git+https://me:tok@en@host/a@v1\n--index-url http://user@pypi/simple\nb==1 # me@home https://ok/x@y";
        let clean = "a @ git+https://host/a@v1\n--index-url http://pypi/simple\nb==1 # me@home https://ok/x@y";
        assert_eq!(without_credentials(text), clean);
        assert_eq!(credentials(clean), None);
    }
}
