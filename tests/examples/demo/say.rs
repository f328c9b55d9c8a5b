//! What the reader of the demo sees: chapters, numbered steps of one line each, and what the programs printed.

use std::io::{IsTerminal as _, Stdout, Write as _, stdout};

use anyhow::Result;

/// Standard output, and how far the story is.
pub(crate) struct Say {
    out: Stdout,
    bold: bool,
    steps: u32,
}

impl Say {
    /// Bold on terminals only, and not where `NO_COLOR` is set.
    pub(crate) fn new() -> Self {
        let out = stdout();
        let bold = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { out, bold, steps: 0 }
    }

    /// A title.
    pub(crate) fn chapter(&mut self, title: &str) -> Result<()> {
        let (on, off) = if self.bold { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        Ok(writeln!(self.out, "\n{on}{title}{off}")?)
    }

    /// One step that went as told: what was done, and what it means.
    pub(crate) fn step(&mut self, what: &str, means: &str) -> Result<()> {
        self.steps += 1;
        Ok(writeln!(self.out, "{:>3}. {what:<11}{means}", self.steps)?)
    }

    /// What a program printed.
    pub(crate) fn output(&mut self, text: &str) -> Result<()> {
        for line in text.lines() {
            writeln!(self.out, "     | {line}")?;
        }
        Ok(())
    }

    /// A command to type.
    pub(crate) fn command(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.out, "  {line}")?)
    }
}
