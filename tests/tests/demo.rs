//! The README's first command, as a person sees it.
//!
//! The demo once broke unseen: it had cargo lay its own file anew, and then could not start itself for the training.
#![cfg(test)]

use std::{path::Path, process::Command};

/// Runs the demo with these options, and gives what it told.
fn told(options: &[&str]) -> String {
    let own = std::env::current_exe().unwrap();
    let demo = own.parent().and_then(Path::parent).unwrap().join("examples/demo");
    let folder = tempfile::tempdir().unwrap();
    let told = Command::new(&demo).args(options).arg("--dir").arg(folder.path().join("demo")).output();
    let told = told.unwrap_or_else(|error| panic!("{}: {error}", demo.display()));
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success(), "{text}\n{}", String::from_utf8_lossy(&told.stderr));
    for part in ["(complete, 3 events)", "VERIFIED  21 entries", "NOT VERIFIED  event-digest", "All as it should be"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    text
}

#[test]
fn the_demo_tells_its_story_to_the_end() {
    assert!(told(&[]).contains("each producer may only speak as itself"));
}

#[test]
fn without_nats_the_demo_goes_on_and_says_so() {
    assert!(told(&["--no-nats"]).contains("(without NATS: --no-nats)"));
}
