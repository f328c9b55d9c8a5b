//! Receipts in the outbox: what proves that an event is in the record, for as long as anybody may ask.
//!
//! A few receipts are a file each, ready for `lineal-verify receipt`; many that came together are the lines of one file,
//! since each file costs a sync. Promises that a receipt that was kept is never written over by anything else: a file of
//! many is named by what it holds. Never judges one: it was verified before. (docs/FORMAT.md, "An outbox on disk")

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use lineal_schemas::digest::{EventDigest, sha256};
use serde::Deserialize;

use super::{Outbox, OutboxError, damaged, durable};

/// So few receipts get a file each.
const EACH_A_FILE: usize = 8;

const FILE_OF_ONE: &str = ".tlog-proof";
const FILE_OF_MANY: &str = ".jsonl";

/// A line of a file of many: `{"event":"<digest>","receipt":"<tlog-proof>"}`.
#[derive(Deserialize)]
struct Line {
    receipt: String,
}

/// Of a digest in hex.
const DIGEST_CHARS: usize = 64;

const LINE_START: &[u8] = b"{\"event\":\"";

impl Outbox {
    /// The verified receipt of an event, as C2SP tlog-proof text. Looks through the files of many, newest or not.
    pub fn receipt(&self, event: &EventDigest) -> Result<Option<String>, OutboxError> {
        if let Some(text) = durable::read_text(&self.receipt_path(event))? {
            return Ok(Some(text));
        }
        let wanted = event.to_string();
        for path in self.files_of_many()? {
            let mut found = None;
            each_line(&path, |event, line| {
                if event == wanted.as_bytes() {
                    found = Some(line.to_vec());
                }
                found.is_none()
            })?;
            if let Some(line) = found {
                let line: Line = serde_json::from_slice(&line).map_err(|error| damaged(&path, error.to_string()))?;
                return Ok(Some(line.receipt));
            }
        }
        Ok(None)
    }

    /// Which of these events have a receipt; looks through each file once.
    pub(crate) fn proved(&self, events: &[EventDigest]) -> Result<BTreeSet<EventDigest>, OutboxError> {
        let mut proved: BTreeSet<_> =
            events.iter().filter(|event| self.receipt_path(event).is_file()).copied().collect();
        if proved.len() == events.len() {
            return Ok(proved);
        }
        let wanted: BTreeSet<_> = events.iter().map(EventDigest::to_string).collect();
        let is_wanted = |event: &str| wanted.contains(event);
        for path in self.files_of_many()? {
            each_line(&path, |event, _line| {
                let event = std::str::from_utf8(event).ok().filter(|event| is_wanted(event));
                proved.extend(event.and_then(|event| event.parse::<EventDigest>().ok()));
                true
            })?;
        }
        Ok(proved)
    }

    /// Syncs receipts. They count from here on, whatever happens to the events that they settle.
    pub(super) fn keep_receipts(&self, receipts: &[(EventDigest, &str)]) -> Result<(), OutboxError> {
        if receipts.len() <= EACH_A_FILE {
            let files = receipts.iter().map(|(event, text)| (self.receipt_path(event), text.as_bytes()));
            return durable::write_many(&files.collect::<Vec<_>>());
        }
        let mut text = String::new();
        for (event, receipt) in receipts {
            let quoted = serde_json::Value::from(*receipt);
            // Writing to a String can't fail.
            writeln!(text, "{{\"event\":\"{event}\",\"receipt\":{quoted}}}").unwrap_or_default();
        }
        let name = hex::encode(sha256(text.as_bytes()));
        durable::write(&self.receipts().join(format!("{name}{FILE_OF_MANY}")), text.as_bytes())
    }

    fn receipt_path(&self, event: &EventDigest) -> PathBuf {
        self.receipts().join(format!("{event}{FILE_OF_ONE}"))
    }

    fn receipts(&self) -> PathBuf {
        self.directory.join("receipts")
    }

    fn files_of_many(&self) -> Result<Vec<PathBuf>, OutboxError> {
        let directory = self.receipts();
        let names = durable::names(&directory)?.into_iter().filter(|name| name.ends_with(FILE_OF_MANY));
        Ok(names.map(|name| directory.join(name)).collect())
    }
}

/// Calls `see` with the event and the text of each line, until it says no.
fn each_line(path: &Path, mut see: impl FnMut(&[u8], &[u8]) -> bool) -> Result<(), OutboxError> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(durable::failed(path))?);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line).map_err(durable::failed(path))? > 0 {
        let event = line.strip_prefix(LINE_START).and_then(|rest| rest.get(..DIGEST_CHARS));
        let event = event.ok_or_else(|| damaged(path, "a line that is no receipt".to_owned()))?;
        if !see(event, &line) {
            break;
        }
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_found_whether_they_came_alone_or_with_many() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        let digest = |number: u8| EventDigest::of(&[number]);
        let texts: Vec<String> = (0..40).map(|number| format!("receipt \"{number}\"\n— é\n")).collect();
        let all: Vec<_> = (0..).map(digest).zip(texts.iter().map(String::as_str)).collect();
        outbox.keep_receipts(&all[..2]).unwrap();
        outbox.keep_receipts(&all[2..20]).unwrap();
        outbox.keep_receipts(&all[20..]).unwrap();
        // The same once more, as after a crash, and another group with the same ends: neither takes anything away.
        outbox.keep_receipts(&all[20..]).unwrap();
        outbox.keep_receipts(&[&all[20..28], &all[39..]].concat()).unwrap();
        assert_eq!(durable::names(&folder.path().join("receipts")).unwrap().len(), 2 + 3);
        for (event, text) in &all {
            assert_eq!(outbox.receipt(event).unwrap().as_deref(), Some(*text));
        }
        assert_eq!(outbox.receipt(&digest(99)).unwrap(), None);
        let asked = [digest(1), digest(30), digest(99)];
        assert_eq!(outbox.proved(&asked).unwrap(), BTreeSet::from([digest(1), digest(30)]));
        assert_eq!(outbox.proved(&[digest(0)]).unwrap(), BTreeSet::from([digest(0)]));
    }
}
