//! Reads the files that the commands are given.

use std::{fs, io, path::Path};

use lineal_schemas::{
    checkpoint::SignedCheckpoint,
    dsse::SignatureError,
    key::{KeyError, PublicKey},
    trust::{Trust, TrustError},
};
use lineal_verifier::{event::Given, finding::Finding, record::RecordError};

/// What keeps a command from an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("reading {path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("{path}: {error}")]
    Trust { path: String, error: TrustError },
    #[error("{path}: {error}")]
    Key { path: String, error: KeyError },
    #[error("{path}: {error}")]
    Event { path: String, error: SignatureError },
    #[error("{path} ({}): {}", .finding.rule, .finding.found)]
    Checkpoint { path: String, finding: Box<Finding> },
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("writing the answer: {0}")]
    Output(io::Error),
    #[error("writing the answer as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CliError {
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the path and whether you may read it",
            Self::Trust { .. } => {
                "a trust file is what `lineal init` writes; get it from whom you trust, not from the ledger's host"
            }
            Self::Key { .. } => "a public key is a PEM file, as `openssl pkey -pubout` writes it",
            Self::Event { .. } => {
                "give DSSE envelopes, one a line, or one event with `<keyid>:<base64>` lines in FILE.sig"
            }
            Self::Checkpoint { .. } => {
                "a checkpoint is the text that the ledger serves at /checkpoint, signed as the trust file asks"
            }
            Self::Record(RecordError::NoSegments(_)) => {
                "give the ledger's data directory, or the folder with its *.log files"
            }
            Self::Record(_) => "nothing is known of the rest: check the disk, or verify a copy",
            Self::Output(_) | Self::Json(_) => "the exit code says that there is no answer",
        }
    }

    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(path).map_err(|source| CliError::Read { path: shown(path), source })
}

pub(crate) fn text(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|source| CliError::Read { path: shown(path), source })
}

pub(crate) fn trust(path: &Path) -> Result<Trust, CliError> {
    Trust::parse(&text(path)?).map_err(|error| CliError::Trust { path: shown(path), error })
}

pub(crate) fn key(path: &Path) -> Result<PublicKey, CliError> {
    PublicKey::from_pem(&text(path)?).map_err(|error| CliError::Key { path: shown(path), error })
}

/// Events, with the signatures of a raw one from the file beside it.
pub(crate) fn events(path: &Path) -> Result<Vec<Given>, CliError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".sig");
    let beside = Path::new(&beside);
    let signatures = if beside.is_file() { Some(text(beside)?) } else { None };
    Given::read(&bytes(path)?, signatures.as_deref()).map_err(|error| CliError::Event { path: shown(path), error })
}

/// A checkpoint from elsewhere, believed only as far as the trust file goes.
pub(crate) fn checkpoint(path: &Path, trust: &Trust) -> Result<SignedCheckpoint, CliError> {
    lineal_verifier::checkpoint::read(&text(path)?, trust)
        .map_err(|finding| CliError::Checkpoint { path: shown(path), finding })
}
