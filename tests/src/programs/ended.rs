//! A program that has ended: how, and what it said. A test says how it must end, and sees everything if it did not.

use std::process::Command;

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit status; nothing if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    pub(super) command: String,
}

/// Runs a program to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        command: format!("{command:?}"),
    }
}

impl Ended {
    /// It must have ended with `code`.
    #[track_caller]
    pub fn with_code(&self, code: i32) -> &Self {
        let Self { command, stdout, stderr, .. } = self;
        assert_eq!(self.code, Some(code), "{command}\n{stdout}{stderr}");
        self
    }

    /// It must have ended with 0; what it wrote to standard output.
    #[track_caller]
    pub fn succeeded(&self) -> String {
        self.with_code(0).stdout.clone()
    }

    /// It must have said all of this on standard error.
    #[track_caller]
    pub fn saying(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.stderr.contains(word), "{}\nsaid nothing of `{word}`:\n{}", self.command, self.stderr);
        }
        self
    }
}
