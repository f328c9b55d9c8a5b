//! What the demo does by itself, so as not to take the programs' word: a file's digest, and one byte changed in a copy of
//! the record.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

/// SHA-256 of a file, lower-case hex, and who computed it: `sha256sum` where there is one.
pub(crate) fn sha256(path: &Path) -> Result<(String, &'static str)> {
    let own = hex::encode(Sha256::digest(fs::read(path).with_context(|| path.display().to_string())?));
    let Ok(output) = Command::new("sha256sum").arg("--").arg(path).output() else {
        return Ok((own, "the demo's own hash"));
    };
    let printed = String::from_utf8(output.stdout)?;
    ensure!(output.status.success() && printed.starts_with(&own), "sha256sum prints {printed:?}, not {own}");
    Ok((own, "sha256sum"))
}

/// Copies a folder and the folders and files in it; sockets and the like are left behind.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// One byte that was changed.
pub(crate) struct Changed {
    /// The entry that the byte is in.
    pub(crate) index: u64,
    /// Where in the segment file, in bytes.
    pub(crate) offset: usize,
    pub(crate) from: char,
    pub(crate) to: char,
}

/// Changes the first character of the first `digest` in the record under `ledger` into another hexadecimal digit: the line
/// still reads well, and only its digest tells.
pub(crate) fn change_one_byte(ledger: &Path, digest: &str) -> Result<Changed> {
    for path in segments(ledger)? {
        let mut text = fs::read_to_string(&path)?;
        let Some(offset) = text.find(digest) else { continue };
        let index = index_at(&text, offset)?;
        let from = digest.chars().next().context("an empty digest")?;
        let to = if from == '0' { '1' } else { '0' };
        text.replace_range(offset..offset + from.len_utf8(), to.encode_utf8(&mut [0; 4]));
        fs::write(&path, text)?;
        return Ok(Changed { index, offset, from, to });
    }
    anyhow::bail!("no entry of {} names {digest}", ledger.display())
}

/// The segment files, oldest first.
fn segments(ledger: &Path) -> Result<Vec<PathBuf>> {
    let record = ledger.join("record");
    let mut paths = Vec::new();
    for entry in fs::read_dir(&record).with_context(|| record.display().to_string())? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

/// The index that the line around `offset` begins with.
fn index_at(text: &str, offset: usize) -> Result<u64> {
    let line = text.get(..offset).and_then(|before| before.lines().last()).context("no line")?;
    let rest = line.strip_prefix("{\"index\":").with_context(|| format!("not an entry: {line}"))?;
    let digits = rest.split_once(',').map_or(rest, |(digits, _)| digits);
    digits.parse().with_context(|| format!("not an index: {digits}"))
}
