//! `lineal init`: keys, genesis, trust file.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use lineal_schemas::key::SecretKey;
use rand_core::{OsRng, RngCore as _};
use serde_json::json;

use super::{Failure, Place, note, print, print_json};
use crate::{
    clock::{Clock as _, SystemClock},
    data_dir::{self, Beginning},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lineal init --dir ledger --origin ledger.example/prod --root-key root.pem\n\nThe root key decides about all other keys: keep it away from the data directory."
)]
pub(super) struct Init {
    #[command(flatten)]
    place: Place,
    /// The ledger's name: like a URL without its scheme, unique to this ledger
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// A root's private key (PKCS#8 PEM); made if there is no such file. Repeat for several roots
    #[arg(long = "root-key", value_name = "FILE")]
    root_keys: Vec<PathBuf>,
    /// How many roots must sign a decision about keys
    #[arg(long, default_value_t = 1)]
    threshold: u64,
}

impl Init {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let dir = &self.place.dir;
        let paths = if self.root_keys.is_empty() { vec![beside(dir)] } else { self.root_keys.clone() };
        if paths.iter().any(|path| path.starts_with(dir)) {
            return Err(Failure::undecided("a root key inside the data directory")
                .hint("who can write the record must not be able to enrol keys: name another place with --root-key"));
        }
        if dir.exists() && std::fs::read_dir(dir)?.next().is_some() {
            return Err(data_dir::DirError::Exists(dir.clone()).into());
        }
        let roots = paths.iter().map(|path| root_key(path)).collect::<Result<Vec<_>, _>>()?;
        let key = random_key()?;
        let now = SystemClock::start().wall();
        let beginning =
            Beginning { dir, origin: &self.origin, roots: &roots, threshold: self.threshold, key: &key, now };
        let trust = data_dir::init(&beginning)?;
        let verifier = trust.verifier_keys().first().map(ToString::to_string).unwrap_or_default();
        let trust_path = dir.join("ledger.trust");
        if self.place.json {
            let roots: Vec<_> = roots.iter().map(SecretKey::keyid).collect();
            let document = json!({"origin": self.origin, "genesis": trust.genesis(), "verifierKey": verifier,
                "trust": trust_path, "roots": roots});
            print_json(&document)?;
            return Ok(ExitCode::SUCCESS);
        }
        print(&format!(
            "{verifier}\n\nledger      {}\ngenesis     {}\ntrust file  {}   (give it to producers and auditors)\nroot key    {}   (keep it away from this machine)",
            self.origin,
            trust.genesis(),
            trust_path.display(),
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// `ledger-root.pem` beside a data directory `ledger`.
fn beside(dir: &Path) -> PathBuf {
    let name = dir.file_name().map_or_else(|| "lineal".to_owned(), |name| name.to_string_lossy().into_owned());
    dir.with_file_name(format!("{name}-root.pem"))
}

fn root_key(path: &Path) -> Result<SecretKey, Failure> {
    if path.exists() {
        return Ok(data_dir::read_secret_key(path)?);
    }
    let key = random_key()?;
    let pem = key.to_pem().map_err(|error| Failure::new(error.to_string()))?;
    data_dir::write_private(path, &pem)?;
    note(&format!("made the root key {}", path.display()));
    Ok(key)
}

fn random_key() -> Result<SecretKey, Failure> {
    let mut seed = [0; 32];
    OsRng.try_fill_bytes(&mut seed).map_err(|error| Failure::new(format!("no randomness: {error}")))?;
    SecretKey::from_seed(seed).map_err(|error| Failure::new(error.to_string()))
}
