//! What the program prints: the answer on standard output, everything else on standard error.

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    path::Path,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lineal_producers::{EmitError, delivery::chain, outbox::OutboxError, tree::Step};
use lineal_schemas::vocabulary::names::is_hidden;

/// Why a command ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hints: Vec<String>,
    code: u8,
}

impl Failure {
    /// Something was refused, or is not so: exit code 1.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), code: 1 }
    }

    /// It could not be tried: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), code: 2 }
    }

    pub(crate) fn unreadable(path: &Path, error: &dyn Error) -> Self {
        Self::usage(format!("{}: {}", path.display(), chain(error)))
    }

    pub(crate) fn console(error: io::Error) -> Self {
        Self::usage(format!("cannot print: {error}"))
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) const fn code(&self) -> u8 {
        self.code
    }
}

impl From<EmitError> for Failure {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Outbox(error) => error.into(),
            other => Self::refused(format!("{} ({})", chain(&other), other.code()))
                .with_hint("nothing was signed or sent; docs/EVENTS.md says what each event holds"),
        }
    }
}

impl From<OutboxError> for Failure {
    fn from(error: OutboxError) -> Self {
        let hint = match &error {
            OutboxError::SourceInUse { .. } => "wait for it, or leave out --fixed-source to get a source of your own",
            OutboxError::SourceEnded { .. } => "take another source",
            OutboxError::Damaged { .. } => "nothing was changed; move the file aside to go on without it",
            _ => "--outbox names the directory",
        };
        Self::usage(format!("{} ({})", chain(&error), error.code())).with_hint(hint)
    }
}

/// A line of the answer.
pub(crate) fn answer(line: impl AsRef<str>) -> Result<(), Failure> {
    writeln!(io::stdout(), "{}", line.as_ref()).map_err(Failure::console)
}

/// Text that ends its own lines.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    write!(io::stdout(), "{text}").map_err(Failure::console)
}

/// A line about how it goes; where nobody reads it, it is lost.
pub(crate) fn status(line: impl AsRef<str>) {
    writeln!(io::stderr(), "{}", line.as_ref()).unwrap_or_default();
}

/// Text that came from elsewhere: what could hide or move the rest of a line stands as a replacement character.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|character| if is_hidden(character) { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

pub(crate) fn fail(failure: &Failure) {
    status(format!("error: {}", failure.message));
    for hint in &failure.hints {
        status(format!("hint: {hint}"));
    }
}

/// A bar over bytes; hidden where standard error is no terminal.
pub(crate) fn progress() -> ProgressBar {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    let template = "{spinner} {bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_wrong| ProgressStyle::default_bar()))
}

/// A bar over events.
pub(crate) fn events(count: usize) -> ProgressBar {
    let bar = progress();
    bar.set_length(count as u64);
    let template = "{spinner} {bar:40} {human_pos}/{human_len} events {per_sec} {eta}";
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_wrong| ProgressStyle::default_bar()))
}

/// Moves a bar along.
pub(crate) fn advance(bar: &ProgressBar, step: Step) {
    match step {
        Step::Found { size, .. } => bar.set_length(size),
        Step::Hashed(count) => bar.inc(count),
    }
}
