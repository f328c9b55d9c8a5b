//! Attachments in the outbox: bytes that an event names by digest and that follow it once it is committed.
//!
//! Promises that the bytes, and the note of what an event owes, are on disk before the event is. They stay until the
//! target has taken them. A crash in between leaves bytes that nobody owes, or sends bytes twice: both are harmless,
//! since an attachment is addressed by its digest. (docs/EVENTS.md; docs/FORMAT.md)

use std::collections::BTreeSet;

use lineal_schemas::digest::{EventDigest, sha256};

use super::{Outbox, OutboxError, damaged, durable};

/// Bytes beside the record, to which an event's `data` refers by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// What it is to the event: `listing`, `lockfile`, `diff`, …
    pub role: String,
    /// Its media type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Attachment {
    /// SHA-256 of the bytes, as lower-case hex: its address.
    pub fn sha256(&self) -> String {
        hex::encode(sha256(&self.bytes))
    }
}

/// What a settled event still has to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The event that names them.
    pub event: EventDigest,
    /// Their SHA-256 digests, as lower-case hex.
    pub attachments: Vec<String>,
}

impl Outbox {
    /// Keeps attachments, and which events they belong to. Comes before those events are stored.
    pub(super) fn keep(&self, of: &[(EventDigest, &[Attachment])]) -> Result<(), OutboxError> {
        let (attachments, owed) = (self.directory.join("attachments"), self.directory.join("owed"));
        let (mut files, mut notes) = (Vec::new(), Vec::new());
        for (event, some) in of.iter().filter(|(_event, some)| !some.is_empty()) {
            let addressed: Vec<_> = some.iter().map(|one| (one.sha256(), one.bytes.as_slice())).collect();
            let note: String = addressed.iter().flat_map(|(digest, _)| [digest.as_str(), "\n"]).collect();
            notes.push((owed.join(event.to_string()), note));
            files.extend(addressed.into_iter().map(|(digest, bytes)| (attachments.join(digest), bytes)));
        }
        durable::write_many(&files)?;
        durable::write_many(&notes.iter().map(|(path, note)| (path.clone(), note.as_bytes())).collect::<Vec<_>>())
    }

    /// What one event owes; nothing, if it had no attachments or has sent them.
    pub fn owed_by(&self, event: &EventDigest) -> Result<Owed, OutboxError> {
        let note = durable::read_text(&self.directory.join("owed").join(event.to_string()))?.unwrap_or_default();
        Ok(Owed { event: *event, attachments: note.lines().map(str::to_owned).collect() })
    }

    /// The events that owe something, whether they are settled or not.
    pub(crate) fn owing(&self) -> Result<BTreeSet<EventDigest>, OutboxError> {
        let directory = self.directory.join("owed");
        let names = durable::names(&directory)?.into_iter();
        let digest = |name: String| {
            name.parse().map_err(|_malformed| damaged(&directory.join(&name), "its name is no event digest".to_owned()))
        };
        names.map(digest).collect()
    }

    /// What each event owes, whether it is settled or not, sorted by event.
    pub fn owed(&self) -> Result<Vec<Owed>, OutboxError> {
        self.owing()?.iter().map(|event| self.owed_by(event)).collect()
    }

    /// The bytes of an attachment that is still here.
    pub fn attachment(&self, digest: &str) -> Result<Option<Vec<u8>>, OutboxError> {
        durable::read(&self.directory.join("attachments").join(digest))
    }

    /// Forgets what an event owed, and the bytes that no other event owes.
    pub(crate) fn forget(&self, owed: &Owed) -> Result<(), OutboxError> {
        if owed.attachments.is_empty() {
            return Ok(());
        }
        durable::remove_many(&[self.directory.join("owed").join(owed.event.to_string())])?;
        let others = self.owed()?;
        let needed = |digest: &&String| others.iter().any(|other| other.attachments.contains(digest));
        let gone = owed.attachments.iter().filter(|digest| !needed(digest));
        durable::remove_many(&gone.map(|digest| self.directory.join("attachments").join(digest)).collect::<Vec<_>>())
    }
}
