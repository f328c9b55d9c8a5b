//! One source in the outbox, open and locked: its head, its pending events, and how they are settled.
//!
//! Promises that sequence numbers go up by one and that `previous` is the digest of the event before, across crashes:
//! the head is the newest pending event, or what `head` says when none is pending; `head` is synced before the newest
//! pending event goes. Events that come together are stored, and settled, with a handful of syncs. Never gives a number
//! twice. (docs/FORMAT.md, Extension attributes)

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::PathBuf,
};

use lineal_schemas::{digest::EventDigest, dsse::Signed, event::Event};

use super::{
    Attachment, Outbox, OutboxError, damaged, durable,
    waiting::{self, EVENTS_A_FILE, Pending, Span},
};

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
    /// What `head` on disk says.
    head_on_disk: Head,
    /// Set by a failed write: what is on disk is unknown then.
    stale: bool,
    /// Held, never read.
    _lock: File,
}

impl SourceBox {
    pub(super) fn open(outbox: Outbox, source: &str, name: String, lock: File) -> Result<Self, OutboxError> {
        let (head, head_on_disk) = (Head::default(), Head::default());
        let mut opened =
            Self { outbox, source: source.to_owned(), name, head, head_on_disk, stale: false, _lock: lock };
        durable::remove_unfinished(&opened.pending_directory())?;
        let name_path = opened.state("name");
        match durable::read_text(&name_path)? {
            None => durable::write(&name_path, source.as_bytes())?,
            Some(found) if found == source => {}
            Some(found) => return Err(damaged(&name_path, format!("it names source `{found}`"))),
        }
        opened.head_on_disk = opened.read_head()?;
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

    /// Fails when nothing may follow `head`: this source's, or what it will be.
    pub fn check_open(&self, head: &Head) -> Result<(), OutboxError> {
        let source_name = self.source.clone();
        match (self.stale, head.ended) {
            (true, _) => Err(OutboxError::Stale { source_name }),
            (false, true) => Err(OutboxError::SourceEnded { source_name }),
            (false, false) => Ok(()),
        }
    }

    /// Puts the next event and its attachments on disk. When this returns, it may be sent.
    pub fn store(&mut self, signed: Signed, attachments: &[Attachment]) -> Result<Vec<Pending>, OutboxError> {
        self.store_all(vec![(signed, attachments)])
    }

    /// Puts the next events and their attachments on disk, many in a file. When this returns, they may be sent, and need
    /// not be read again for it.
    ///
    /// They must be the ones that follow [`Self::head`], in order. A crash before the first rename leaves attachments that
    /// the next owner of the outbox ignores; a later one leaves the events of the files before it pending, to be sent by
    /// `flush`. One file is durable before the next is begun, so that no number is missing in between.
    pub fn store_all(&mut self, events: Vec<(Signed, &[Attachment])>) -> Result<Vec<Pending>, OutboxError> {
        self.check_open(&self.head)?;
        let mut stored = Vec::with_capacity(events.len());
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            stored.extend(self.store_file(events.by_ref().take(EVENTS_A_FILE).collect())?);
        }
        Ok(stored)
    }

    fn store_file(&mut self, part: Vec<(Signed, &[Attachment])>) -> Result<Vec<Pending>, OutboxError> {
        let (Some((first, _)), Some((last, _))) = (part.first(), part.last()) else { return Ok(Vec::new()) };
        let (first, head) = (self.head_of(first)?, self.head_of(last)?);
        let span = Span::new(first.sequence, head.sequence);
        assert_eq!(span, Span::following(self.head.sequence, part.len()), "events follow the source's head");
        let with_attachments = part.iter().filter(|(_event, attachments)| !attachments.is_empty());
        let kept: Vec<_> = with_attachments.map(|(event, some)| (event.digest(), *some)).collect();
        let events = (first.sequence..).zip(part);
        let events: Vec<_> = events.map(|(sequence, (signed, _))| Pending::new(sequence, signed, span)).collect();
        self.stale = true;
        self.outbox.keep(&kept)?;
        let lines = waiting::lines_of(events.iter().map(|event| event.envelope.as_str()));
        durable::write(&span.path(&self.pending_directory()), lines.as_bytes())?;
        self.stale = false;
        self.head = head;
        Ok(events)
    }

    /// Puts events that were signed elsewhere on disk, whatever their numbers. When this returns, they may be sent.
    ///
    /// The same event again changes nothing; another one under the same number is refused while the first is pending.
    pub fn adopt(&mut self, events: &[&Signed]) -> Result<(), OutboxError> {
        let mut new = self.not_waiting(events)?;
        new.sort_by_key(|(head, _signed)| head.sequence);
        for part in new.chunks(EVENTS_A_FILE) {
            let (Some((first, _)), Some((last, _))) = (part.first(), part.last()) else { continue };
            let span = Span::new(first.sequence, last.sequence);
            // A file of the same name may hold what was left between the two.
            let mut lines: Vec<_> = self.read(span)?.into_iter().map(|one| (one.sequence, one.envelope)).collect();
            lines.extend(part.iter().map(|(head, signed)| (head.sequence, signed.to_envelope())));
            lines.sort_unstable();
            let text = waiting::lines_of(lines.iter().map(|(_number, envelope)| envelope.as_str()));
            durable::write(&span.path(&self.pending_directory()), text.as_bytes())?;
            if last.sequence > self.head.sequence {
                self.head = *last;
            }
        }
        Ok(())
    }

    /// The events that are not pending yet, each once.
    fn not_waiting<'e>(&self, events: &[&'e Signed]) -> Result<Vec<(Head, &'e Signed)>, OutboxError> {
        let heads = events.iter().map(|signed| self.head_of(signed)).collect::<Result<Vec<_>, _>>()?;
        let mut taken = BTreeMap::new();
        for span in self.waiting()? {
            if heads.iter().any(|head| span.covers(head.sequence)) {
                taken.extend(self.read(span)?.into_iter().map(|one| (one.sequence, Some(one.event))));
            }
        }
        let mut new = Vec::new();
        for (head, signed) in heads.into_iter().zip(events) {
            match taken.insert(head.sequence, head.event) {
                None => new.push((head, *signed)),
                Some(found) if found == head.event => {}
                Some(_other) => {
                    let (sequence, source_name) = (head.sequence, self.source.clone());
                    return Err(OutboxError::NumberTaken { source_name, sequence });
                }
            }
        }
        Ok(new)
    }

    /// The files of events without a receipt, in the order of the source.
    pub fn waiting(&self) -> Result<Vec<Span>, OutboxError> {
        waiting::spans(&self.pending_directory())
    }

    /// The numbers of all events without a receipt.
    pub fn numbers(&self) -> Result<Vec<u64>, OutboxError> {
        waiting::numbers(&self.pending_directory())
    }

    /// The events of one file that have no receipt, in sequence order.
    pub fn read(&self, span: Span) -> Result<Vec<Pending>, OutboxError> {
        waiting::read(&self.pending_directory(), span)
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
        if self.head_on_disk != self.head {
            durable::write(&self.state("head"), head_text(&self.head).as_bytes())?;
            self.head_on_disk = self.head;
        }
        let mut files: BTreeMap<Span, BTreeSet<EventDigest>> = BTreeMap::new();
        for (event, _settlement) in settled {
            files.entry(event.span).or_default().insert(event.event);
        }
        let directory = self.pending_directory();
        files.iter().try_for_each(|(span, events)| waiting::take_out(&directory, *span, events))?;
        self.prune()
    }

    fn keep_proofs(&self, settled: &[(Pending, Settlement)]) -> Result<(), OutboxError> {
        let (mut receipts, mut refused) = (Vec::new(), Vec::new());
        for (pending, settlement) in settled {
            match settlement {
                Settlement::Receipt(text) => receipts.push((pending.event, text.as_str())),
                Settlement::Refused { refusal, receipt } => refused.push((pending, refusal, receipt)),
                Settlement::HandedOver => {}
            }
        }
        self.outbox.keep_receipts(&receipts)?;
        self.keep_refused(&refused)
    }

    fn keep_refused(&self, refused: &[(&Pending, &Vec<u8>, &String)]) -> Result<(), OutboxError> {
        if refused.is_empty() {
            return Ok(());
        }
        let directory = self.outbox.directory.join("refused").join(&self.name);
        durable::create_directory(&directory)?;
        let path = |sequence: u64, ending: &str| directory.join(format!("{sequence:012}.{ending}"));
        let envelopes: Vec<_> = refused.iter().map(|(one, ..)| format!("{}\n", one.envelope)).collect();
        let mut files = Vec::new();
        for ((one, refusal, receipt), envelope) in refused.iter().zip(&envelopes) {
            files.push((path(one.sequence, "json"), refusal.as_slice()));
            files.push((path(one.sequence, "tlog-proof"), receipt.as_bytes()));
            files.push((path(one.sequence, "dsse"), envelope.as_bytes()));
        }
        durable::write_many(&files)
    }

    /// A job's source is never opened again: once it is closed and settled, its state is of no use.
    fn prune(&self) -> Result<(), OutboxError> {
        if self.is_job() && self.head.ended && self.waiting()?.is_empty() {
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

    fn read_head(&self) -> Result<Head, OutboxError> {
        let path = self.state("head");
        let Some(text) = durable::read_text(&path)? else { return Ok(Head::default()) };
        parse_head(&text).ok_or_else(|| damaged(&path, format!("`{}`", text.trim_end())))
    }

    /// The newest of what is pending and of what `head` says. Where a file names a newer number than `head` does, nothing
    /// was taken out of it yet: its last line has that number.
    fn recover(&self) -> Result<Head, OutboxError> {
        let settled = self.head_on_disk;
        let newest = self.waiting()?.into_iter().max_by_key(|span| span.last());
        let Some(span) = newest.filter(|span| span.last() > settled.sequence) else { return Ok(settled) };
        let path = span.path(&self.pending_directory());
        let last = self.read(span)?.pop().ok_or_else(|| damaged(&path, "it is empty".to_owned()))?;
        let head = head_of(&last.signed.event).map_err(|what| damaged(&path, what))?;
        if head.sequence == span.last() {
            Ok(head)
        } else {
            Err(damaged(&path, format!("its last event is number {}", head.sequence)))
        }
    }

    fn head_of(&self, signed: &Signed) -> Result<Head, OutboxError> {
        head_of(&signed.event).map_err(|what| damaged(&self.pending_directory(), what))
    }

    fn state(&self, name: &str) -> PathBuf {
        self.outbox.directory.join("sources").join(&self.name).join(name)
    }

    fn pending_directory(&self) -> PathBuf {
        self.outbox.directory.join("pending").join(&self.name)
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
