//! Settings that all commands share: from options, from the environment, from the nearest `lineal-emit.toml`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Deserialize;

use lineal_producers::target::NatsSettings;

use super::{
    console::Failure,
    nats::{NatsFile, NatsOptions},
};

/// The name of the settings file.
const FILE_NAME: &str = "lineal-emit.toml";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Private key that signs, PKCS#8 PEM.
    #[arg(long, global = true, env = "LINEAL_KEY", value_name = "FILE", help_heading = "Settings")]
    pub(crate) key: Option<PathBuf>,
    /// Trust file of the ledger that the events are meant for.
    #[arg(long, global = true, env = "LINEAL_TRUST", value_name = "FILE", help_heading = "Settings")]
    pub(crate) trust: Option<PathBuf>,
    /// CloudEvents source; each invocation is a source of its own below it, `<SOURCE>/jobs/<id>`, and closes it.
    #[arg(long, global = true, env = "LINEAL_SOURCE", value_name = "URI", help_heading = "Settings")]
    pub(crate) source: Option<String>,
    /// Use the source as it is, and leave it open. Its outbox must never be lost.
    #[arg(long, global = true, help_heading = "Settings")]
    pub(crate) fixed_source: bool,
    /// Where events go: `nats://HOST:PORT` (several by comma) or `tls://HOST:PORT`, `http://HOST:PORT`, or `file:PATH` for
    /// `lineal append`.
    #[arg(long, global = true, env = "LINEAL_TO", value_name = "TARGET", help_heading = "Settings")]
    pub(crate) to: Option<String>,
    /// Directory where events stay until their receipts are verified.
    #[arg(long, global = true, env = "LINEAL_OUTBOX", value_name = "DIR", help_heading = "Settings")]
    pub(crate) outbox: Option<PathBuf>,
    /// Who or what caused the event, as a pseudonym.
    #[arg(long, global = true, value_name = "HANDLE", help_heading = "Settings")]
    pub(crate) actor: Option<String>,
    /// When it happened, if not now: RFC 3339 in UTC. For what is told later; not for a command that is run now.
    #[arg(long, global = true, value_name = "TIME", help_heading = "Settings")]
    pub(crate) time: Option<String>,
    /// Print the answer as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    nats: NatsOptions,
}

/// What `lineal-emit.toml` may say. Paths are relative to its folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsFile {
    #[serde(skip)]
    folder: PathBuf,
    key: Option<PathBuf>,
    trust: Option<PathBuf>,
    source: Option<String>,
    to: Option<String>,
    outbox: Option<PathBuf>,
    producer: Option<String>,
    #[serde(default)]
    nats: NatsFile,
}

impl SettingsFile {
    /// The nearest one, in `directory` or above; empty if there is none.
    pub(crate) fn find(directory: &Path) -> Result<Self, Failure> {
        let Some(folder) = directory.ancestors().find(|folder| folder.join(FILE_NAME).is_file()) else {
            return Ok(Self::default());
        };
        let path = folder.join(FILE_NAME);
        let text = fs::read_to_string(&path).map_err(|error| Failure::unreadable(&path, &error))?;
        let file: Self = toml::from_str(&text)
            .map_err(|error| Failure::usage(format!("{}: {}", path.display(), error.to_string().trim_end())))?;
        Ok(Self { folder: folder.to_owned(), ..file })
    }

    fn path(&self, path: Option<&PathBuf>) -> Option<PathBuf> {
        path.map(|path| self.folder.join(path))
    }

    /// A `file:` target with a relative path is relative to this file, too.
    fn target(&self) -> Option<String> {
        let to = self.to.as_ref()?;
        Some(match to.strip_prefix("file:") {
            Some(path) => format!("file:{}", self.folder.join(path.trim_start_matches("//")).display()),
            None => to.clone(),
        })
    }
}

impl Options {
    pub(crate) fn key_path(&self, file: &SettingsFile) -> Result<PathBuf, Failure> {
        self.key.clone().or_else(|| file.path(file.key.as_ref())).ok_or_else(|| {
            missing("key", "--key FILE").with_hint("`lineal-emit keygen FILE` makes one, `lineal enroll` admits it")
        })
    }

    pub(crate) fn trust_path(&self, file: &SettingsFile) -> Result<PathBuf, Failure> {
        self.trust.clone().or_else(|| file.path(file.trust.as_ref())).ok_or_else(|| {
            missing("trust file", "--trust FILE")
                .with_hint("`lineal init` writes one, `ledger.trust` in its data directory")
        })
    }

    pub(crate) fn source_base(&self, file: &SettingsFile) -> Result<String, Failure> {
        let source = self.source.clone().or_else(|| file.source.clone());
        source.ok_or_else(|| missing("source", "--source URI").with_hint("it is what the key was enrolled for"))
    }

    pub(crate) fn target(&self, file: &SettingsFile) -> Option<String> {
        self.to.clone().or_else(|| file.target())
    }

    pub(crate) fn nats(&self, file: &SettingsFile) -> Result<NatsSettings, Failure> {
        self.nats.settings(file.producer.as_ref(), &file.nats, &file.folder)
    }

    /// By default where the XDG base directories keep state.
    pub(crate) fn outbox_path(&self, file: &SettingsFile, variables: &BTreeMap<String, String>) -> PathBuf {
        let set = |name: &str| variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let default = || {
            let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
            state.map_or_else(|| PathBuf::from(".lineal-outbox"), |state| state.join("lineal/outbox"))
        };
        self.outbox.clone().or_else(|| file.path(file.outbox.as_ref())).unwrap_or_else(default)
    }
}

fn missing(what: &str, option: &str) -> Failure {
    let name = option.split(' ').next().unwrap_or_default().trim_start_matches('-');
    Failure::usage(format!("no {what} is set"))
        .with_hint(format!("give {option}, or LINEAL_{}, or `{name} = …` in {FILE_NAME}", name.to_uppercase()))
}
