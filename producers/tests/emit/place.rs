//! A folder with settings and a key, in which the program runs.

use std::{fs, path::Path, process::Output};

use assert_cmd::Command;
use lineal_schemas::{
    digest::EventDigest, dsse::Signed, event::Event, key::SecretKey, note::VerifierKey, trust::Trust,
};
use serde_json::Value;

/// A folder with settings, as somebody has it who was just enrolled.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SecretKey::from_seed([1; 32]).unwrap();
        let verifier_key = VerifierKey::new("example.com/ledger", ledger.public().clone()).unwrap();
        let trust = Trust::new(EventDigest::of(b"genesis"), &[verifier_key]).unwrap();
        fs::write(folder.path().join("ledger.trust"), trust.to_string()).unwrap();
        let key = SecretKey::from_seed([2; 32]).unwrap();
        fs::write(folder.path().join("key.pem"), key.to_pem().unwrap()).unwrap();
        let settings = "key = \"key.pem\"\ntrust = \"ledger.trust\"\nsource = \"https://ci.example.com/payments\"\n\
                        to = \"file:events.jsonl\"\noutbox = \"outbox\"\n";
        fs::write(folder.path().join("lineal-emit.toml"), settings).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, contents: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("lineal-emit").unwrap();
        command.args(arguments).current_dir(self.path());
        for name in ["GITHUB_ACTIONS", "GITLAB_CI", "LINEAL_KEY", "LINEAL_TRUST", "LINEAL_SOURCE", "LINEAL_TO"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command to its end and gives its exit code with what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// The events that were written so far: name, subject, source, whether the last, `data`.
    pub(crate) fn events(&self) -> Vec<(String, String, String, bool, Value)> {
        let text = fs::read_to_string(self.path().join("events.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| {
                let signed = Signed::from_envelope(line.as_bytes()).unwrap();
                let event = Event::parse(&signed.event).unwrap();
                let data = serde_json::from_str(event.data).unwrap();
                (event.name().into(), event.subject.into(), event.source.into(), event.sequence_end, data)
            })
            .collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.events().into_iter().map(|(name, ..)| name).collect()
    }
}
