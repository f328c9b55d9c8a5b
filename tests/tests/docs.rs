//! What README.md and docs/ say is true: their commands run, their outputs are what comes out, their links lead
//! somewhere, the worked example is what the library writes, and every error code of the formats is explained.
//!
//! How blocks are marked in the texts:
//!
//! - A block ` ```sh ` is run by `bash -euo pipefail`, and must end with 0. The blocks of one page run in their order, in
//!   one shell and one folder of their own, which holds a copy of `docs/example` (for DEPLOY.md of `docs/deploy`, too); the
//!   three programs are on `PATH`.
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
};

use lineal_schemas::line::Line;
use lineal_tests::programs;

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

/// Whether a file's name ends so.
fn is_of(extension: &str, name: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

/// README.md and every page of docs/, by their paths in the repository.
fn pages() -> BTreeMap<String, String> {
    let mut names = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).expect("docs/ is there") {
        let name = entry.expect("an entry of docs/").file_name().into_string().expect("names are UTF-8");
        names.extend(is_of("md", &name).then(|| format!("docs/{name}")));
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

/// What the blocks of a page find in their folder, beside the worked example.
fn prepare(page: &str, folder: &Path) {
    let example = folder.join("docs/example");
    copy_folder(&root().join("docs/example"), &example);
    if page == "docs/DEPLOY.md" {
        copy_folder(&root().join("docs/deploy"), &folder.join("docs/deploy"));
    }
    if page != "docs/AUDIT.md" {
        return;
    }
    // The auditor's page has a copy of a record, what a producer and an older visit left, and names of its own.
    copy_folder(&example, &folder.join("copy"));
    let given = [
        ("ledger.trust", "ledger.trust"),
        ("snapshot.tlog-proof", "run-42.receipt"),
        ("snapshot.dsse", "run-42.dsse.json"),
        ("producer.pub", "trainer.pub.pem"),
    ];
    for (from, to) in given {
        fs::copy(example.join(from), folder.join(to)).expect("a file can be copied");
    }
    let record = fs::read(example.join("record/00000000000000000000.log")).expect("the example has a record");
    let checkpoints: Vec<String> = record.split(|byte| *byte == b'\n').filter_map(checkpoint).collect();
    for (name, checkpoint) in ["checkpoint.txt", "last-year.txt"].into_iter().zip(checkpoints.iter().rev()) {
        fs::write(folder.join(name), checkpoint).expect("a file can be written");
    }
}

fn checkpoint(line: &[u8]) -> Option<String> {
    match Line::parse(line) {
        Ok(Line::Checkpoint(note)) => Some(note),
        _ => None,
    }
}

/// Runs the blocks in one shell in `folder`, and gives what each printed; less than all where one has failed, and why.
fn run(blocks: &[Block], folder: &Path) -> (Vec<String>, String) {
    let mut script = "set -euo pipefail\n".to_owned();
    for (number, block) in blocks.iter().enumerate() {
        writeln!(script, "exec > .printed-{number} 2> .said-{number}\n{}", block.text).expect("a string takes text");
    }
    let own = Path::new(programs::lineal().get_program()).parent().expect("a program is in a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path)));
    let mut bash = programs::isolated("bash");
    bash.args(["-c", &script]).current_dir(folder).env("PATH", path.expect("PATH can be made"));
    // The mirror is where it is by default, in a home of the page's own.
    bash.env_remove("LINEAL_MIRROR").env("HOME", folder).env("LC_ALL", "C.UTF-8");
    let ended = programs::run(&mut bash);
    let read = |number: usize, what: &str| fs::read_to_string(folder.join(format!(".{what}-{number}"))).ok();
    let mut printed: Vec<String> = (0..blocks.len()).map_while(|number| read(number, "printed")).collect();
    if ended.code == Some(0) {
        return (printed, String::new());
    }
    let last = printed.pop().unwrap_or_default();
    let said = read(printed.len(), "said").unwrap_or_default();
    (printed, format!("ended with {:?}\n{last}{said}{}", ended.code, ended.stderr))
}

/// Runs the blocks of a page; says of each that does not do as the page says what it did.
fn faults_of(page: &str, text: &str) -> String {
    let folder = empty_folder(&format!("docs-{}", page.replace(['/', '.'], "-")));
    prepare(page, &folder);
    let blocks = blocks::of(text);
    let (printed, failure) = run(&blocks, &folder);
    let mut faults = String::new();
    for (number, block) in blocks.iter().enumerate() {
        let fault = match (printed.get(number), &block.expected) {
            (None, _) => failure.clone(),
            (Some(printed), Some(expected)) if !matches(expected, printed) => {
                format!("the page says:\n{expected}\nit printed:\n{printed}")
            }
            _ => continue,
        };
        writeln!(faults, "{page}:{}: {}\n{fault}", block.line, block.text).expect("a string takes text");
        if number >= printed.len() {
            break;
        }
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

#[test]
fn every_file_on_the_map_is_there() {
    let map = &pages()["docs/ARCHITECTURE.md"];
    let files: Vec<&str> =
        map.split('`').skip(1).step_by(2).filter(|text| is_of("rs", text) && text.contains('/')).collect();
    assert!(files.len() > 20, "only {} files found: the search is broken", files.len());
    for file in files {
        assert!(root().join(file).is_file(), "docs/ARCHITECTURE.md names {file}");
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
