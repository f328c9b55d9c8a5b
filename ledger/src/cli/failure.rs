//! A command that failed: what was wrong, and what to do next.

use std::{io, process::ExitCode};

use crate::{
    answers::AnswerError,
    client::ClientError,
    data_dir::DirError,
    ledger::LedgerError,
    log::{record::ReadError, recover::OpenError},
};

/// What to tell the person.
#[derive(Debug)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    status: u8,
    quiet: bool,
}

impl Failure {
    /// A failure with exit status 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, status: super::NO, quiet: false }
    }

    /// A question that can't be decided, or a command that makes no sense: exit status 2.
    pub fn undecided(message: impl Into<String>) -> Self {
        Self { status: super::UNDECIDED, ..Self::new(message) }
    }

    /// With a word on what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints it, and gives the exit status.
    pub(super) fn report(self) -> ExitCode {
        if !self.quiet {
            super::note(&format!("error: {}", self.message));
            if let Some(hint) = self.hint {
                super::note(&format!("hint: {hint}"));
            }
        }
        ExitCode::from(self.status)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { quiet: error.kind() == io::ErrorKind::BrokenPipe, ..Self::new(error.to_string()) }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        let hints = error.hints();
        let failure = Self { status: error.exit_code(), ..Self::new(error.to_string()) };
        if hints.is_empty() { failure } else { failure.hint(hints.join("\nhint: ")) }
    }
}

impl From<DirError> for Failure {
    fn from(error: DirError) -> Self {
        let hint = match &error {
            DirError::InUse(_) => Some("stop the other process, or ask it: it answers on its local socket"),
            DirError::NotADataDir(_) => Some("name the ledger with --dir DIR or LINEAL_DIR"),
            _ => None,
        };
        let failure = Self::new(error.to_string());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Dir(error) => error.into(),
            LedgerError::Open(error @ (OpenError::Damaged(_) | OpenError::Short { .. } | OpenError::Head(_))) => {
                Self::new(error.to_string()).hint(
                    "nothing was changed. `lineal-verify log DIR --trust FILE` lists all damage; restore the file from a copy",
                )
            }
            other => Self::new(other.to_string()),
        }
    }
}
