//! One source in the outbox, open and locked: its head, its pending events, and how they are settled.
//!
//! Promises that sequence numbers go up by one and that `previous` is the digest of the event before, across crashes:
//! the head is the newest pending event, or what `head` says when none is pending; `head` is synced before the newest
//! pending file goes. Never gives a number twice. (docs/FORMAT.md, Extension attributes)

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use lineal_schemas::{digest::EventDigest, dsse::Signed, event::Event};

use super::{Attachment, Outbox, OutboxError, durable, sequences};

/// The newest event of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Its sequence number; 0 before the first.
    pub sequence: u64,
    /// Its digest; none before the first.
    pub event: Option<EventDigest>,
    /// Whether it closed the source.
    pub ended: bool,
}

/// An event without a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its sequence number.
    pub sequence: u64,
    /// Its digest.
    pub event: EventDigest,
    /// Its DSSE envelope, one line without the newline.
    pub envelope: String,
    /// Its exact bytes with its signatures.
    pub signed: Signed,
}

/// How an event leaves `pending/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It is in the record: the verified receipt.
    Receipt(String),
    /// It never will be: the ledger's own event that says so, and the verified receipt of that.
    Refused {
        /// Exact bytes of the ledger's `event.rejected` or `event.conflicted`.
        refusal: Vec<u8>,
        /// Its receipt.
        receipt: String,
    },
    /// A file has it, and is the outbox now.
    HandedOver,
}

/// A source that this process alone may write to.
#[derive(Debug)]
pub struct SourceBox {
    outbox: Outbox,
    source: String,
    name: String,
    head: Head,
    /// Set by a failed write: what is on disk is unknown then.
    stale: bool,
    /// Held, never read.
    _lock: File,
}

impl SourceBox {
    pub(super) fn open(outbox: Outbox, source: &str, name: String, lock: File) -> Result<Self, OutboxError> {
        let mut opened =
            Self { outbox, source: source.to_owned(), name, head: Head::default(), stale: false, _lock: lock };
        let name_path = opened.state("name");
        match durable::read_text(&name_path)? {
            None => durable::write(&name_path, source.as_bytes())?,
            Some(found) if found == source => {}
            Some(found) => return Err(damaged(&name_path, format!("it names source `{found}`"))),
        }
        opened.head = opened.recover()?;
        Ok(opened)
    }

    /// The source's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The newest event.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The outbox that this source is part of.
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Fails when nothing may follow.
    pub fn check_open(&self) -> Result<(), OutboxError> {
        let source_name = self.source.clone();
        match (self.stale, self.head.ended) {
            (true, _) => Err(OutboxError::Stale { source_name }),
            (false, true) => Err(OutboxError::SourceEnded { source_name }),
            (false, false) => Ok(()),
        }
    }

    /// Puts the next event and its attachments on disk. When this returns, it may be sent.
    ///
    /// The event must be the one that follows [`Self::head`]. A crash before the rename leaves attachments that the next
    /// owner of the outbox ignores; a crash after it leaves the event pending, to be sent by `flush`.
    pub fn store(&mut self, signed: &Signed, attachments: &[Attachment]) -> Result<(), OutboxError> {
        self.check_open()?;
        let next = head_of(&signed.event).map_err(|what| damaged(&self.pending_directory(), what))?;
        assert_eq!(next.sequence, self.head.sequence + 1, "an event follows the source's head");
        self.stale = true;
        self.outbox.keep(&signed.digest(), attachments)?;
        durable::write(&self.envelope_path(next.sequence), (signed.to_envelope() + "\n").as_bytes())?;
        self.stale = false;
        self.head = next;
        Ok(())
    }

    /// Puts an event that was signed elsewhere on disk, whatever its number. When this returns, it may be sent.
    ///
    /// The same event again changes nothing; another one under the same number is refused while the first is pending.
    pub fn adopt(&mut self, signed: &Signed) -> Result<(), OutboxError> {
        let found = head_of(&signed.event).map_err(|what| damaged(&self.pending_directory(), what))?;
        let path = self.envelope_path(found.sequence);
        if durable::read(&path)?.is_some() {
            let pending = self.read_pending(found.sequence)?;
            let (sequence, source_name) = (found.sequence, self.source.clone());
            let same = Some(pending.event) == found.event;
            return if same { Ok(()) } else { Err(OutboxError::NumberTaken { source_name, sequence }) };
        }
        durable::write(&path, (signed.to_envelope() + "\n").as_bytes())?;
        if found.sequence > self.head.sequence {
            self.head = found;
        }
        Ok(())
    }

    /// Events without a receipt, in sequence order: those after number `after`, at most `limit`.
    pub fn pending(&self, after: u64, limit: usize) -> Result<Vec<Pending>, OutboxError> {
        let numbers = sequences(&self.pending_directory())?.into_iter();
        let numbers = numbers.filter(|sequence| *sequence > after).take(limit);
        numbers.map(|sequence| self.read_pending(sequence)).collect()
    }

    /// Takes events out of `pending/`, each with what settled it.
    ///
    /// First what proves the settlement is synced, then the head, and only then do the envelopes go: a crash between any
    /// two of these leaves an event pending that is sent again, and answered with the same receipt.
    pub fn settle(&mut self, settled: &[(Pending, Settlement)]) -> Result<(), OutboxError> {
        if settled.is_empty() {
            return Ok(());
        }
        self.keep_proofs(settled)?;
        durable::write(&self.state("head"), head_text(&self.head).as_bytes())?;
        durable::remove_many(&settled.iter().map(|(one, _)| self.envelope_path(one.sequence)).collect::<Vec<_>>())?;
        self.prune()
    }

    fn keep_proofs(&self, settled: &[(Pending, Settlement)]) -> Result<(), OutboxError> {
        let mut receipts = Vec::new();
        for (pending, settlement) in settled {
            match settlement {
                Settlement::Receipt(text) => {
                    receipts.push((self.outbox.receipt_path(&pending.event), text.as_bytes()));
                }
                Settlement::Refused { refusal, receipt } => self.keep_refused(pending, refusal, receipt)?,
                Settlement::HandedOver => {}
            }
        }
        durable::write_many(&receipts)
    }

    fn keep_refused(&self, pending: &Pending, refusal: &[u8], receipt: &str) -> Result<(), OutboxError> {
        let directory = self.outbox.directory.join("refused").join(&self.name);
        durable::create_directory(&directory)?;
        let path = |ending: &str| directory.join(format!("{:012}.{ending}", pending.sequence));
        durable::write_many(&[
            (path("json"), refusal),
            (path("tlog-proof"), receipt.as_bytes()),
            (path("dsse"), format!("{}\n", pending.envelope).as_bytes()),
        ])
    }

    /// A job's source is never opened again: once it is closed and settled, its state is of no use.
    fn prune(&self) -> Result<(), OutboxError> {
        if self.is_job() && self.head.ended && sequences(&self.pending_directory())?.is_empty() {
            self.remove_state()?;
        }
        Ok(())
    }

    /// A source of one invocation, `…/jobs/<id>`: nobody else ever has it.
    fn is_job(&self) -> bool {
        self.source.rsplit('/').nth(1) == Some("jobs")
    }

    fn remove_state(&self) -> Result<(), OutboxError> {
        for directory in [self.pending_directory(), self.outbox.directory.join("sources").join(&self.name)] {
            fs::remove_dir_all(&directory).map_err(durable::failed(&directory))?;
        }
        Ok(())
    }

    /// The newest of what is pending and of what `head` says.
    fn recover(&self) -> Result<Head, OutboxError> {
        let path = self.state("head");
        let settled = match durable::read_text(&path)? {
            None => Head::default(),
            Some(text) => parse_head(&text).ok_or_else(|| damaged(&path, format!("`{}`", text.trim_end())))?,
        };
        match sequences(&self.pending_directory())?.last() {
            Some(sequence) if *sequence > settled.sequence => {
                let path = self.envelope_path(*sequence);
                head_of(&self.read_pending(*sequence)?.signed.event).map_err(|what| damaged(&path, what))
            }
            _ => Ok(settled),
        }
    }

    fn read_pending(&self, sequence: u64) -> Result<Pending, OutboxError> {
        let path = self.envelope_path(sequence);
        let text = durable::read_text(&path)?.ok_or_else(|| damaged(&path, "it is gone".to_owned()))?;
        let envelope = text.trim_end_matches('\n').to_owned();
        let signed = Signed::from_envelope(envelope.as_bytes()).map_err(|error| damaged(&path, error.to_string()))?;
        Ok(Pending { sequence, event: signed.digest(), envelope, signed })
    }

    fn state(&self, name: &str) -> PathBuf {
        self.outbox.directory.join("sources").join(&self.name).join(name)
    }

    fn pending_directory(&self) -> PathBuf {
        self.outbox.directory.join("pending").join(&self.name)
    }

    fn envelope_path(&self, sequence: u64) -> PathBuf {
        self.pending_directory().join(format!("{sequence:012}.dsse"))
    }
}

impl Drop for SourceBox {
    /// A job whose first event was refused before it was signed leaves nothing behind.
    fn drop(&mut self) {
        if self.is_job() && self.head.sequence == 0 && !self.stale {
            // Two empty folders that stay harm nobody.
            self.remove_state().unwrap_or_default();
        }
    }
}

fn head_of(event: &[u8]) -> Result<Head, String> {
    let parsed = Event::parse(event).map_err(|error| error.to_string())?;
    Ok(Head { sequence: parsed.sequence, event: Some(parsed.digest()), ended: parsed.sequence_end })
}

/// `<sequence> <digest> open|ended`, one line.
fn head_text(head: &Head) -> String {
    let state = if head.ended { "ended" } else { "open" };
    let event = head.event.map_or_else(|| "-".to_owned(), |event| event.to_string());
    format!("{:012} {event} {state}\n", head.sequence)
}

fn parse_head(text: &str) -> Option<Head> {
    let mut fields = text.strip_suffix('\n')?.split(' ');
    let (sequence, event, state) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?, fields.next()?);
    let head = Head { sequence, event: Some(event), ended: state == "ended" };
    (head_text(&head) == text).then_some(head)
}

fn damaged(path: &Path, what: String) -> OutboxError {
    OutboxError::Damaged { path: path.to_owned(), what }
}
