//! Python packages for tests: pinned by their hashes, in virtual environments below `target/` that all tests share.
//!
//! Used by whatever test needs a judge or a program that is not ours; the tests of the whole take it by its path.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const HINT: &str = "this needs python3 with venv and pip (Debian, Ubuntu: apt-get install python3-venv), and PyPI once";

/// The programs of `target/python/<name>`, an environment with the packages of a requirements file. It is made on first
/// use, by whoever holds its lock. One that was left half made, or made for other requirements, is made again.
///
/// # Errors
///
/// Where it can't be made: which command failed, what it said, and what to install.
pub fn programs(name: &str, requirements: &Path) -> Result<PathBuf, String> {
    let folder = target().join("python");
    let (venv, stamp) = (folder.join(name), folder.join(name).join("made-for.txt"));
    fs::create_dir_all(&folder).expect("target/ can be written");
    let lock = fs::File::create(folder.join(format!("{name}.lock"))).expect("target/ can be written");
    lock.lock().expect("a file can be locked");
    let wanted = fs::read(requirements).expect("the requirements are in the repository");
    let programs = venv.join("bin");
    if fs::read(&stamp).ok().as_ref() != Some(&wanted) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        let mut install = Command::new(programs.join("python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]);
        run(install.arg(requirements))?;
        fs::write(&stamp, wanted).expect("target/ can be written");
    }
    Ok(programs)
}

/// The folder `target`: a test is `target/<profile>/deps/<name>`, an example `target/<profile>/examples/<name>`.
fn target() -> PathBuf {
    let own = std::env::current_exe().expect("a running test has a path");
    own.ancestors().nth(3).expect("a test is in target/<profile>/deps").to_owned()
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?} does not start ({error}): {HINT}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{command:?}: {}\n{HINT}", String::from_utf8_lossy(&said)))
}
