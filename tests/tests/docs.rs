//! What README.md and docs/ say is true: their commands run, their outputs are what comes out, their links lead
//! somewhere, the worked example is what the library writes, and every error code of the formats is explained.
//!
//! How blocks are marked in the texts:
//!
//! - A block ` ```sh ` is run by `bash -euo pipefail`, and must end with 0. The blocks of one page run in their order in
//!   one folder of their own that holds a copy of `docs/example`; the three programs are on `PATH`.
//! - A block ` ```sh no-run (reason) ` is not run.
//! - A block ` ```text ` right after a block that is run is what that prints to standard output. In it `…` stands for
//!   any characters of a line, and a line of `…` alone for any lines.
//!
//! Every other block is left alone.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

#[path = "docs/blocks.rs"]
mod blocks;
#[path = "docs/example_record.rs"]
mod example_record;

use blocks::{Block, matches};

/// The repository.
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ is a folder of the repository").to_owned()
}

/// README.md and every page of docs/, by their paths in the repository.
fn pages() -> BTreeMap<String, String> {
    let mut names = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).expect("docs/ is there") {
        let name = entry.expect("an entry of docs/").file_name().into_string().expect("names are UTF-8");
        names.extend(name.ends_with(".md").then(|| format!("docs/{name}")));
    }
    let text = |name: &String| fs::read_to_string(root().join(name)).expect("a page is text");
    names.into_iter().map(|name| (name.clone(), text(&name))).collect()
}

/// A new, empty folder for one test's files.
fn empty_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("an old folder can be removed");
    }
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("a folder") {
        let (from, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("an entry");
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a file can be copied");
        }
    }
}

/// Every file below `dir`, by its path.
fn files_below(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("names are UTF-8");
        if entry.path().is_dir() {
            let below = files_below(&entry.path()).into_iter();
            files.extend(below.map(|(path, bytes)| (format!("{name}/{path}"), bytes)));
        } else {
            files.insert(name, fs::read(entry.path()).expect("a file"));
        }
    }
    files
}

/// Where the three programs are, built as this test was: `target/<profile>`, two above `target/<profile>/deps/docs-…`.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.current_dir(root()).args(["build", "--locked", "--bins"]);
        build.args(["-p", "lineal-ledger", "-p", "lineal-producers", "-p", "lineal-verifier"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo is there").success(), "the programs do not build");
        let own = std::env::current_exe().expect("a test has a path");
        own.ancestors().nth(2).expect("a test is in target/<profile>/deps").to_owned()
    })
}

/// Runs one block in `folder`; what it printed, or what went wrong.
fn run(block: &Block, folder: &Path) -> Result<String, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(programs().to_owned()).chain(std::env::split_paths(&path));
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &block.text]).current_dir(folder).env_clear();
    bash.env("PATH", std::env::join_paths(folders).expect("PATH can be made"));
    bash.env("HOME", folder).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
    let output = bash.output().map_err(|error| format!("bash: {error}"))?;
    let [printed, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if output.status.success() { Ok(printed) } else { Err(format!("{}\n{printed}{said}", output.status)) }
}

/// Runs the blocks of a page; a line for each that does not do as the page says.
fn faults_of(page: &str, text: &str) -> String {
    let folder = empty_folder(&format!("docs-{}", page.replace(['/', '.'], "-")));
    copy_folder(&root().join("docs/example"), &folder.join("docs/example"));
    let mut faults = String::new();
    for block in blocks::of(text) {
        let fault = match (run(&block, &folder), &block.expected) {
            (Err(error), _) => error,
            (Ok(printed), Some(expected)) if !matches(expected, &printed) => {
                format!("the page says:\n{expected}\nit printed:\n{printed}")
            }
            _ => continue,
        };
        writeln!(faults, "{page}:{}: {}\n{fault}", block.line, block.text).expect("a string takes text");
    }
    faults
}

#[test]
fn every_command_in_the_texts_works_as_written() {
    for tool in ["openssl", "sha256sum", "bash"] {
        let found = Command::new(tool).arg("--help").output();
        assert!(found.is_ok(), "this test needs `{tool}` on PATH: docs/FORMAT.md checks the example by hand with it");
    }
    let faults: String = pages().iter().map(|(page, text)| faults_of(page, text)).collect();
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn the_worked_example_is_what_the_library_writes() {
    let folder = empty_folder("docs-example");
    example_record::write(&folder).expect("a small record is written");
    let (written, committed) = (files_below(&folder), files_below(&root().join("docs/example")));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&committed), "see tests/examples/example-record.rs");
    for (name, bytes) in written {
        assert!(committed[&name] == bytes, "docs/example/{name} is not what tests/examples/example-record.rs writes");
    }
}

#[test]
fn every_link_in_the_texts_leads_somewhere() {
    let pages = pages();
    for (page, text) in &pages {
        let folder = Path::new(page).parent().expect("a page is in a folder");
        for link in blocks::links(text).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { plain(&folder.join(file)) };
            assert!(root().join(&target).exists(), "{page} links to {link}");
            if let Some(target) = pages.get(&target).filter(|_page| !anchor.is_empty()) {
                assert!(blocks::anchors(target).any(|found| found == anchor), "{page} links to {link}");
            }
        }
    }
}

/// A path without `..`.
fn plain(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.to_str().expect("paths are UTF-8").split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[test]
fn every_error_code_is_explained() {
    let pages = pages();
    let sources = ["schemas/src", "ledger/src"].map(|folder| files_below(&root().join(folder)));
    let codes: Vec<String> = sources.iter().flat_map(BTreeMap::values).flat_map(|file| codes_in(file)).collect();
    assert!(codes.len() > 100, "only {} codes found: the search is broken", codes.len());
    for code in codes {
        let quoted = format!("`{code}`");
        assert!(pages["docs/FORMAT.md"].contains(&quoted), "docs/FORMAT.md does not explain {quoted}");
    }
}

/// The texts that `code(&self)` gives in a source file, and the codes of refusals that may be sent again.
fn codes_in(file: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(file);
    let mut codes = Vec::new();
    for function in text.split("fn code(&self) -> &'static str {").skip(1) {
        let body = function.split("\n    }\n").next().unwrap_or_default();
        codes.extend(body.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    let later = text.split("later(\"").skip(1).filter_map(|rest| rest.split('"').next());
    codes.extend(later.map(str::to_owned));
    codes
}
