//! `lineal doctor`: reads the files that were named, or those below a folder, and says what leaves a gate open.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{Failure, print, print_json};
use crate::doctor::{MAX_BYTES, examine};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal doctor deploy/\n  lineal doctor .github/workflows/deploy.yml .gitlab-ci.yml\n  kubectl get validatingwebhookconfigurations -o yaml > webhooks.yaml && lineal doctor webhooks.yaml\n\nThe files are those of a cluster and of pipelines, as they are applied: render templates first. Exit status: 0 no known mistake; 1 at least one; 2 none, and some file cannot be read or has nothing in it that is known."
)]
pub(super) struct Doctor {
    /// Files in YAML or JSON; of a folder, those below it
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut files = Vec::new();
        for path in &self.files {
            if path.is_dir() { below(path, &mut files)? } else { files.push(path.clone()) }
        }
        if files.is_empty() {
            return Err(Failure::undecided("no file in YAML or JSON is there"));
        }
        let read = files.iter().map(|path| (path.display().to_string(), text(path))).collect();
        let diagnosis = examine(read);
        if self.json {
            print_json(&diagnosis)?;
        } else {
            print(&diagnosis.to_text())?;
        }
        Ok(ExitCode::from(diagnosis.exit_code()))
    }
}

/// The files below a folder, by name. Links are not followed: they may go round.
fn below(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(folder)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        let is_known =
            path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|one| extension == *one));
        if kind.is_dir() {
            below(&path, into)?;
        } else if kind.is_file() && is_known {
            into.push(path);
        }
    }
    Ok(())
}

/// A file's text, or why it has none.
fn text(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_BYTES {
        return Err(format!("it has {size} bytes, and at most {MAX_BYTES} are read"));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}
