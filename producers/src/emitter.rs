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
    delivery::{Courier, Delivery, Flight, Flushed, Sent, chain},
    draft::{Draft, Place},
    outbox::{EVENTS_A_FILE, Head, Outbox, OutboxError, Pending, SourceBox},
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
        let mut sent = self.emit_all(std::slice::from_ref(&draft))?;
        sent.pop().ok_or_else(|| unreachable!("one draft is one event"))
    }

    /// Emits events in their order: the first are on their way while the next are signed. If one is wrong, none is signed
    /// or stored.
    pub fn emit_all(&mut self, drafts: &[Draft]) -> Result<Vec<Sent>, EmitError> {
        self.emit_watched(drafts, &mut |_sent| {})
    }

    /// The same; `watch` sees events as they are dealt with.
    pub fn emit_watched(&mut self, drafts: &[Draft], watch: &mut dyn FnMut(&[Sent])) -> Result<Vec<Sent>, EmitError> {
        let lines = self.lines(drafts)?;
        let emitted: Vec<Head> = lines.iter().map(|(_line, head)| *head).collect();
        let mut flight = Flight::of(&self.courier, &self.source, watch);
        // From here on trouble with sending is no error: the events are on disk, and a flush will try again.
        let mut under_way = flight.add_waiting();
        self.store(lines, drafts, |stored| {
            if under_way.is_ok() {
                under_way = flight.add(stored);
            }
        })?;
        Ok(fates(&emitted, under_way.and_then(|()| flight.land())))
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

    /// Checks events, signs them on all cores and syncs them. When this returns, they may be sent.
    pub(crate) fn store_all(&mut self, drafts: &[Draft]) -> Result<Vec<Head>, EmitError> {
        let lines = self.lines(drafts)?;
        let heads = lines.iter().map(|(_line, head)| *head).collect();
        self.store(lines, drafts, |_stored| {})?;
        Ok(heads)
    }

    /// The checked bytes of events that follow each other, each with the head that it makes.
    fn lines(&self, drafts: &[Draft]) -> Result<Vec<(Vec<u8>, Head)>, EmitError> {
        let mut head = self.locked().head();
        let mut lines = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let (line, next) = self.line(draft, &head)?;
            lines.push((line, next));
            head = next;
        }
        Ok(lines)
    }

    /// Signs and syncs events, a file of them after the other, and shows those that may be sent.
    fn store(
        &self,
        lines: Vec<(Vec<u8>, Head)>,
        drafts: &[Draft],
        mut stored: impl FnMut(Vec<Pending>),
    ) -> Result<(), EmitError> {
        let mut lines = lines.into_iter();
        for drafts in drafts.chunks(EVENTS_A_FILE) {
            let part: Vec<_> = lines.by_ref().take(drafts.len()).collect();
            let signed = part.into_par_iter().map(|(line, _head)| Signed::sign(line, &[&self.key]));
            let signed: Vec<_> = signed.collect();
            let attachments = drafts.iter().map(|draft| draft.attachments.as_slice());
            let part = self.locked().store_all(signed.into_iter().zip(attachments).collect())?;
            stored(part);
        }
        Ok(())
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

/// What became of each event that was emitted.
fn fates(emitted: &[Head], sent: Result<Vec<Sent>, OutboxError>) -> Vec<Sent> {
    let (sent, reason) = match sent {
        Ok(sent) => (sent, "it was not sent".to_owned()),
        Err(error) => (Vec::new(), chain(&error)),
    };
    let mut sent: HashMap<EventDigest, Sent> = sent.into_iter().map(|one| (one.event, one)).collect();
    let fate = |head: &Head| {
        let event = head.event?;
        let delivery = || Delivery::Pending(reason.clone());
        let unsent = || Sent { event, sequence: head.sequence, delivery: delivery() };
        Some(sent.remove(&event).unwrap_or_else(unsent))
    };
    emitted.iter().filter_map(fate).collect()
}
