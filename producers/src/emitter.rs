//! The emitter: the one call that turns what a tool has to say into a signed event in the ledger.
//!
//! Drafted, numbered, checked with the ledger's own parser, signed once, synced into the outbox, sent: in that order, and
//! every event takes all of it. Promises that a ledger that is away, slow or wrong is never an error of [`Emitter::emit`]:
//! the event is [`Delivery::Pending`] then. What is an error is a wrong event, or an outbox that can't be written.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lineal_schemas::{digest::EventDigest, dsse::Signed, key::SecretKey, trust::Trust};
use rayon::prelude::*;

use crate::{
    check::{CheckError, check_event},
    clock,
    delivery::{Courier, Delivery, Flushed, Sent, chain},
    draft::{Draft, Place},
    outbox::{Head, Outbox, OutboxError, SourceBox},
    sdk::{SdkError, draft_of},
    target::Target,
};

/// What an emitter needs.
#[derive(Debug)]
pub struct Settings {
    /// Signs every event; enrolled at the ledger for `source`.
    pub key: SecretKey,
    /// The ledger that the events are meant for, and whose receipts count.
    pub trust: Trust,
    /// The CloudEvents source: this emitter's alone, and never that of one whose outbox was lost.
    pub source: String,
    /// Where events are sent; with none they wait in the outbox.
    pub target: Option<Target>,
    /// Directory of the outbox.
    pub outbox: PathBuf,
}

const NOT_SENT: &str = "it was not sent";

/// Signs events of one source and sends them. It has the source to itself until it is dropped.
#[derive(Debug)]
pub struct Emitter {
    key: SecretKey,
    courier: Courier,
    name: String,
    /// Shared with a thread that sends, if there is one.
    source: Arc<Mutex<SourceBox>>,
}

/// Why an event was not emitted. Nothing was signed or stored then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The event would be refused.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The SDK event has something that can't be carried over.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// The outbox can't keep it.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

impl EmitError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Check(error) => error.code(),
            Self::Sdk(error) => error.code(),
            Self::Outbox(error) => error.code(),
        }
    }
}

impl Emitter {
    /// Opens the outbox and takes the source.
    pub fn open(settings: Settings) -> Result<Self, EmitError> {
        let outbox = Outbox::open(&settings.outbox)?;
        let source = outbox.source(&settings.source)?;
        let courier = Courier { outbox, target: settings.target, trust: settings.trust };
        let source = Arc::new(Mutex::new(source));
        Ok(Self { key: settings.key, courier, name: settings.source, source })
    }

    /// Emits one event, after all that still waits of this source.
    pub fn emit(&mut self, draft: Draft) -> Result<Sent, EmitError> {
        let (event, sequence) = self.store(&draft)?;
        Ok(self
            .deliver(&[(event, sequence)], &mut |_sent| {})
            .pop()
            .unwrap_or_else(|| unsettled(event, sequence, NOT_SENT)))
    }

    /// Emits events in their order, and sends them together. If one is wrong, none is signed or stored.
    pub fn emit_all(&mut self, drafts: &[Draft]) -> Result<Vec<Sent>, EmitError> {
        self.emit_watched(drafts, &mut |_sent| {})
    }

    /// The same; `watch` sees events as they are dealt with.
    pub fn emit_watched(&mut self, drafts: &[Draft], watch: &mut dyn FnMut(&[Sent])) -> Result<Vec<Sent>, EmitError> {
        let stored = self.store_all(drafts)?;
        Ok(self.deliver(&stored, watch))
    }

    /// Emits an event of `cloudevents-sdk`. Its source is this emitter's, its id a `UUIDv7`, its data a JSON object.
    ///
    /// The SDK holds JSON numbers as binary floats: values that a gate compares are better given as decimal strings.
    pub fn emit_cloudevent(&mut self, event: &cloudevents::Event) -> Result<Sent, EmitError> {
        let draft = draft_of(event, &self.name)?;
        self.emit(draft)
    }

    /// Sends what waits, of this source and of all others that nobody has open.
    pub fn flush(&mut self) -> Result<Flushed, EmitError> {
        let source = self.name.clone();
        let own = self.courier.deliver(&self.source)?;
        let mut flushed = self.courier.flush()?;
        flushed.in_use.retain(|other| *other != source);
        flushed.sent.extend(own.into_iter().map(|one| (source.clone(), one)));
        Ok(flushed)
    }

    /// The source.
    pub fn source(&self) -> &str {
        &self.name
    }

    /// The outbox, where receipts are.
    pub const fn outbox(&self) -> &Outbox {
        &self.courier.outbox
    }

    pub(crate) const fn courier(&self) -> &Courier {
        &self.courier
    }

    /// The source, for a thread that sends what waits of it.
    pub(crate) fn shared(&self) -> Arc<Mutex<SourceBox>> {
        self.source.clone()
    }

    fn locked(&self) -> MutexGuard<'_, SourceBox> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks, signs and syncs one event. When this returns, it may be sent.
    pub(crate) fn store(&mut self, draft: &Draft) -> Result<(EventDigest, u64), EmitError> {
        let before = self.locked().head();
        let (line, head) = self.line(draft, &before)?;
        let signed = Signed::sign(line, &[&self.key]);
        self.locked().store(&signed, &draft.attachments)?;
        Ok((signed.digest(), head.sequence))
    }

    /// Checks all events, signs them on all cores and syncs them. When this returns, they may be sent.
    pub(crate) fn store_all(&mut self, drafts: &[Draft]) -> Result<Vec<(EventDigest, u64)>, EmitError> {
        let mut head = self.locked().head();
        let mut lines = Vec::with_capacity(drafts.len());
        let mut stored = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let (line, next) = self.line(draft, &head)?;
            stored.extend(next.event.map(|event| (event, next.sequence)));
            lines.push(line);
            head = next;
        }
        let signed: Vec<_> = lines.into_par_iter().map(|line| Signed::sign(line, &[&self.key])).collect();
        let with_attachments = signed.iter().zip(drafts).map(|(one, draft)| (one, draft.attachments.as_slice()));
        self.locked().store_all(&with_attachments.collect::<Vec<_>>())?;
        Ok(stored)
    }

    /// From here on nothing is an error: the events are on disk, and a flush will try again.
    fn deliver(&mut self, stored: &[(EventDigest, u64)], watch: &mut dyn FnMut(&[Sent])) -> Vec<Sent> {
        let (delivered, reason) = match self.courier.deliver_watched(&self.source, watch) {
            Ok(sent) => (sent, NOT_SENT.to_owned()),
            Err(error) => (Vec::new(), chain(&error)),
        };
        let mut delivered: HashMap<EventDigest, Sent> = delivered.into_iter().map(|one| (one.event, one)).collect();
        let fate = |(event, sequence): &(EventDigest, u64)| {
            delivered.remove(event).unwrap_or_else(|| unsettled(*event, *sequence, &reason))
        };
        stored.iter().map(fate).collect()
    }

    /// The bytes of the event that follows `head`, checked, and the head that it makes.
    fn line(&self, draft: &Draft, head: &Head) -> Result<(Vec<u8>, Head), EmitError> {
        self.locked().check_open(head)?;
        let line = draft.to_line(&Place {
            source: &self.name,
            ledger: self.courier.trust.genesis(),
            sequence: head.sequence + 1,
            previous: head.event,
            now: clock::now(),
        });
        let (event, _payload) = check_event(&line)?;
        let head = Head { sequence: event.sequence, event: Some(event.digest()), ended: event.sequence_end };
        Ok((line, head))
    }
}

fn unsettled(event: EventDigest, sequence: u64, reason: &str) -> Sent {
    Sent { event, sequence, delivery: Delivery::Pending(reason.to_owned()) }
}
