//! What was refused, for whoever wants to look at it: bytes of rejected and of unauthenticated events, while room lasts.
//!
//! Nothing here is acknowledged or trusted, and nothing here is ever read by the ledger itself. The counters go on when
//! the room is used up.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use lineal_schemas::{admission::Refusal, dsse::Signed, timestamp::Timestamp};
use serde_json::json;

/// The most bytes kept.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The most events kept.
pub const MAX_FILES: u64 = 10_000;

/// The folder of refused events.
#[derive(Debug)]
pub struct Quarantine {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: u64,
    files: u64,
    counts: BTreeMap<String, u64>,
}

impl Quarantine {
    /// Opens the folder, or makes it.
    pub fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join("quarantine");
        fs::create_dir_all(&folder)?;
        let mut state = State::default();
        for file in fs::read_dir(&folder)? {
            state.bytes += file?.metadata()?.len();
            state.files += 1;
        }
        Ok(Self { folder, state: Mutex::new(state) })
    }

    /// Counts a refusal, and keeps the event if there is room.
    pub fn keep(&self, signed: &Signed, refusal: &Refusal, received: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state.counts.entry(refusal.code.to_string()).or_default() += 1;
        let digest = signed.digest();
        let path = self.folder.join(format!("{digest}.json"));
        if state.files >= MAX_FILES || state.bytes >= MAX_BYTES || path.exists() {
            return;
        }
        let envelope: serde_json::Value = serde_json::from_str(&signed.to_envelope()).unwrap_or_default();
        let text = json!({"event": digest, "received": received, "code": refusal.code, "message": refusal.message, "envelope": envelope});
        let text = format!("{text}\n");
        match fs::write(&path, &text) {
            Ok(()) => {
                state.files += 1;
                state.bytes += text.len() as u64;
            }
            Err(error) => tracing::warn!(%digest, %error, "a refused event was not kept"),
        }
    }

    /// Counts a refusal of something that is no event at all.
    pub fn count(&self, refusal: &Refusal) {
        *self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .counts
            .entry(refusal.code.to_string())
            .or_default() += 1;
    }

    /// How many were refused since the start, by code.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).counts.clone()
    }
}

/// One event in the quarantine of a data directory, as JSON.
pub fn show(data: &Path, digest_prefix: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let Ok(files) = fs::read_dir(data.join("quarantine")) else { return Ok(found) };
    for file in files {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with(digest_prefix) {
            found.push(fs::read_to_string(file.path())?);
        }
    }
    found.sort();
    Ok(found)
}
