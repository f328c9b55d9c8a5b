//! Delivery: pending events go to the target, answers come back, and what is proved is settled.
//!
//! The step from the outbox to the record. Promises that an event is settled only by a receipt that verified against the
//! trust file: its own, or that of the ledger's `event.rejected` or `event.conflicted` about it. Whatever else happens,
//! the event stays pending with a reason, and no error of a ledger reaches the caller. (docs/FORMAT.md, Receipt)

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::Mutex,
};

use lineal_schemas::{
    digest::EventDigest,
    dsse::Signed,
    event::{Event, EventError},
    receipt::{Receipt, Receipts},
    trust::Trust,
};

use crate::{
    outbox::{Outbox, OutboxError, Owed, Pending, Settlement, SourceBox},
    target::{Answer, FileTarget, Outcome, Reply, Target, TargetError},
};

mod flight;

pub(crate) use flight::Flight;

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It is in the record, and its verified receipt is in the outbox.
    Committed {
        /// Its index.
        index: u64,
    },
    /// A file has it.
    HandedOver,
    /// The ledger refused it for good, and its signature on that was verified.
    Refused {
        /// Stable name of the reason.
        code: String,
        /// The reason.
        message: String,
    },
    /// It is in the outbox, and `flush` sends it again. The text says why it has not been settled.
    Pending(String),
}

/// An event that was sent, or is waiting to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its digest.
    pub event: EventDigest,
    /// Its number within its source.
    pub sequence: u64,
    /// What became of it.
    pub delivery: Delivery,
}

/// What a flush came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flushed {
    /// Every event that was pending, by source, in order.
    pub sent: Vec<(String, Sent)>,
    /// Sources that another process has open, and sends itself.
    pub in_use: Vec<String>,
    /// Attachments of committed events that the target has not taken, with the reason.
    pub attachments_left: Vec<(String, String)>,
}

/// Carries events from an outbox to a target.
#[derive(Debug, Clone)]
pub struct Courier {
    /// Where events wait.
    pub outbox: Outbox,
    /// Where they go; with none they only wait.
    pub target: Option<Target>,
    /// What receipts are verified against.
    pub trust: Trust,
}

impl Courier {
    /// Sends everything that waits, in sequence order within each source.
    pub fn flush(&self) -> Result<Flushed, OutboxError> {
        self.flush_watched(&mut |_sent| {})
    }

    /// The same; `watch` sees events as they are dealt with.
    pub fn flush_watched(&self, watch: &mut dyn FnMut(&[Sent])) -> Result<Flushed, OutboxError> {
        let mut flushed = Flushed::default();
        for source in self.outbox.sources()? {
            match self.outbox.source(&source) {
                Err(OutboxError::SourceInUse { .. }) => flushed.in_use.push(source),
                opened => {
                    let sent = self.deliver_watched(&Mutex::new(opened?), watch)?;
                    flushed.sent.extend(sent.into_iter().map(|one| (source.clone(), one)));
                }
            }
        }
        flushed.attachments_left = self.send_owed()?;
        Ok(flushed)
    }

    /// Puts events that were signed elsewhere into the outbox and sends them, with all that waits of their sources.
    pub fn forward(&self, events: &[Signed], watch: &mut dyn FnMut(&[Sent])) -> Result<Vec<Sent>, ForwardError> {
        let mut sources: BTreeMap<String, Vec<&Signed>> = BTreeMap::new();
        for signed in events {
            let source = Event::parse(&signed.event)?.source.to_owned();
            sources.entry(source).or_default().push(signed);
        }
        let mut sent = BTreeMap::new();
        for (source, events) in sources {
            let mut source = self.outbox.source(&source)?;
            source.adopt(&events)?;
            let delivered = self.deliver_watched(&Mutex::new(source), watch)?;
            sent.extend(delivered.into_iter().map(|one| (one.event, one)));
        }
        Ok(events.iter().filter_map(|signed| sent.get(&signed.digest()).cloned()).collect())
    }

    /// Sends what waits of one source, in sequence order, and says what became of each event.
    ///
    /// The source is locked while the disk is at work, and never while a network is.
    pub fn deliver(&self, source: &Mutex<SourceBox>) -> Result<Vec<Sent>, OutboxError> {
        self.deliver_watched(source, &mut |_sent| {})
    }

    /// The same; `watch` sees events as they are dealt with.
    pub fn deliver_watched(
        &self,
        source: &Mutex<SourceBox>,
        watch: &mut dyn FnMut(&[Sent]),
    ) -> Result<Vec<Sent>, OutboxError> {
        let mut flight = Flight::of(self, source, watch);
        flight.add_waiting()?;
        flight.land()
    }

    /// What replies come to: one verdict for each event that has one, from the first; of all of them where there is none.
    fn judged(&self, events: &[Pending], replies: Result<Vec<Reply>, TargetError>) -> Vec<Verdict> {
        let mut receipts = Receipts::under(&self.trust);
        match replies {
            Ok(replies) => {
                replies.into_iter().zip(events).map(|(reply, event)| judged(reply, event, &mut receipts)).collect()
            }
            Err(error) => all_wait(events, &chain(&error)),
        }
    }

    /// A file gets attachments first: once it has the event, the outbox forgets both.
    fn hand_over(&self, target: &FileTarget, events: &[Pending]) -> Result<Vec<Verdict>, OutboxError> {
        let owing = self.outbox.owing()?;
        for event in events.iter().filter(|event| owing.contains(&event.event)) {
            for digest in self.outbox.owed_by(&event.event)?.attachments {
                let Some(bytes) = self.outbox.attachment(&digest)? else { continue };
                if let Err(error) = target.attach(&digest, &bytes) {
                    return Ok(all_wait(events, &chain(&error)));
                }
            }
        }
        if let Err(error) = target.append(events) {
            return Ok(all_wait(events, &chain(&error)));
        }
        let verdict = |_event| Verdict { delivery: Delivery::HandedOver, settlement: Some(Settlement::HandedOver) };
        Ok(events.iter().map(verdict).collect())
    }

    /// A committed event's attachments are sent now; a ledger that can't take them yet gets them with the next flush.
    fn follow_up(&self, settled: &[(Pending, Settlement)]) -> Result<(), OutboxError> {
        let owing = if settled.is_empty() { BTreeSet::new() } else { self.outbox.owing()? };
        for (event, settlement) in settled.iter().filter(|(event, _)| owing.contains(&event.event)) {
            let owed = self.outbox.owed_by(&event.event)?;
            let done = match (settlement, &self.target) {
                (Settlement::Receipt(_), Some(target)) => self.attach(target, &owed)?.is_ok(),
                (Settlement::Receipt(_), None) => false,
                (Settlement::HandedOver | Settlement::Refused { .. }, _) => true,
            };
            if done {
                self.outbox.forget(&owed)?;
            }
        }
        Ok(())
    }

    /// Sends attachments of committed events that the target has not taken yet. What it still does not take, and why.
    pub(crate) fn send_owed(&self) -> Result<Vec<(String, String)>, OutboxError> {
        let mut left = Vec::new();
        let Some(target) = &self.target else { return Ok(left) };
        let owed = self.outbox.owed()?;
        let proved = self.outbox.proved(&owed.iter().map(|one| one.event).collect::<Vec<_>>())?;
        for owed in owed.into_iter().filter(|one| proved.contains(&one.event)) {
            match self.attach(target, &owed)? {
                Ok(()) => self.outbox.forget(&owed)?,
                Err(reason) => {
                    left.extend(owed.attachments.into_iter().map(|one| (one, reason.clone())));
                }
            }
        }
        Ok(left)
    }

    /// Sends the attachments of one event; the inner error is the target's.
    fn attach(&self, target: &Target, owed: &Owed) -> Result<Result<(), String>, OutboxError> {
        for digest in &owed.attachments {
            let Some(bytes) = self.outbox.attachment(digest)? else { continue };
            if let Err(error) = target.attach(digest, &bytes) {
                return Ok(Err(chain(&error)));
            }
        }
        Ok(Ok(()))
    }
}

/// Why an event that was signed elsewhere could not be forwarded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// It is no event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// It could not be kept.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

impl ForwardError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Event(error) => error.code(),
            Self::Outbox(error) => error.code(),
        }
    }
}

struct Verdict {
    delivery: Delivery,
    settlement: Option<Settlement>,
}

fn waits(reason: String) -> Verdict {
    Verdict { delivery: Delivery::Pending(reason), settlement: None }
}

fn all_wait(events: &[Pending], reason: &str) -> Vec<Verdict> {
    events.iter().map(|_event| waits(reason.to_owned())).collect()
}

fn judged(reply: Reply, event: &Pending, receipts: &mut Receipts<'_>) -> Verdict {
    match reply {
        Ok(answer) => judge(answer, event, receipts),
        Err(reason) => waits(reason),
    }
}

/// An answer counts for what its receipt proves.
fn judge(answer: Answer, event: &Pending, receipts: &mut Receipts<'_>) -> Verdict {
    let proved = match answer.outcome {
        Outcome::Committed | Outcome::Duplicate => committed(&answer, event, receipts),
        Outcome::Rejected | Outcome::Conflicted => refused(&answer, event, receipts),
        Outcome::Parked => Err("parked until its key is enrolled".to_owned()),
        Outcome::Refused => Err(said(&answer)),
    };
    proved.unwrap_or_else(waits)
}

fn committed(answer: &Answer, event: &Pending, receipts: &mut Receipts<'_>) -> Result<Verdict, String> {
    let (text, receipt) = verified(answer, receipts)?;
    if receipt.entry().event != event.event {
        return Err(format!("the ledger's receipt is for event {}", receipt.entry().event));
    }
    let delivery = Delivery::Committed { index: receipt.entry().index };
    Ok(Verdict { delivery, settlement: Some(Settlement::Receipt(text)) })
}

fn refused(answer: &Answer, event: &Pending, receipts: &mut Receipts<'_>) -> Result<Verdict, String> {
    let (receipt_text, receipt) = verified(answer, receipts)?;
    let refusal = answer.refusal.as_deref().ok_or("the ledger sent a refusal without its event")?;
    let parsed = Event::parse(refusal.as_bytes()).map_err(|error| format!("the ledger's refusal: {error}"))?;
    let refuses = matches!(parsed.name(), "event.rejected" | "event.conflicted");
    if !refuses || parsed.subject != format!("event/{}", event.event) || parsed.digest() != receipt.entry().event {
        return Err("the ledger's refusal is not about this event".to_owned());
    }
    let code = answer.code.clone().unwrap_or_else(|| parsed.name().to_owned());
    let message = answer.message.clone().unwrap_or_default();
    let settlement = Settlement::Refused { refusal: refusal.as_bytes().to_vec(), receipt: receipt_text };
    Ok(Verdict { delivery: Delivery::Refused { code, message }, settlement: Some(settlement) })
}

fn verified(answer: &Answer, receipts: &mut Receipts<'_>) -> Result<(String, Receipt), String> {
    let text = answer.receipt.clone().ok_or("the ledger sent no receipt")?;
    let receipt = Receipt::parse(&text).map_err(|error| format!("the ledger's receipt: {}", chain(&error)))?;
    receipts.verify(&receipt).map_err(|error| format!("the ledger's receipt: {}", chain(&error)))?;
    Ok((text, receipt))
}

fn said(answer: &Answer) -> String {
    let code = answer.code.as_deref().unwrap_or("refused");
    let message = answer.message.as_deref().unwrap_or("the ledger gave no reason");
    let advice = if answer.retry { "" } else { " (sending it again will not help)" };
    format!("{code}: {message}{advice}")
}

/// An error and what caused it, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use lineal_schemas::{
        checkpoint::{Checkpoint, SignedCheckpoint},
        digest::{EntryHash, RootHash},
        entry::Entry,
        key::SecretKey,
        merkle::leaf_hash,
        note::VerifierKey,
        timestamp::Timestamp,
    };

    use super::*;
    use crate::outbox::Span;

    const ORIGIN: &str = "example.com/ledger";

    fn ledger_key() -> SecretKey {
        SecretKey::from_seed([1; 32]).unwrap()
    }

    fn trust() -> Trust {
        let key = VerifierKey::new(ORIGIN, ledger_key().public().clone()).unwrap();
        Trust::new(EventDigest::of(b"genesis"), &[key]).unwrap()
    }

    fn line(kind: &str, subject: &str, source: &str) -> Vec<u8> {
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"01938f6e-5c7a-7000-8000-000000000001\",\"source\":\"{source}\",\
             \"type\":\"dev.lineal.{kind}.v1\",\"subject\":\"{subject}\",\"time\":\"2026-11-23T21:50:12Z\",\
             \"datacontenttype\":\"application/json\",\"dataschema\":\"https://lineal.dev/schemas/{kind}.v1.json\",\
             \"ledger\":\"{}\",\"sequence\":\"000000000001\",\"data\":{{}}}}",
            EventDigest::of(b"genesis")
        )
        .into_bytes()
    }

    fn pending() -> Pending {
        let key = SecretKey::from_seed([2; 32]).unwrap();
        let signed = Signed::sign(line("dataset.snapshotted", "dataset/a/b", "ci"), &[&key]);
        Pending { sequence: 1, event: signed.digest(), envelope: signed.to_envelope(), signed, span: Span::new(1, 1) }
    }

    /// The receipt of the only entry of a ledger that `key` signs for.
    fn receipt(event: EventDigest, key: &SecretKey) -> String {
        let entry = Entry {
            index: 0,
            received: Timestamp::from_millis(0),
            previous: EntryHash::before_genesis(ORIGIN),
            event,
            signatures: pending().signed.signatures,
        };
        let root = RootHash::from_bytes(*leaf_hash(&entry.to_bytes()).as_bytes());
        let checkpoint = SignedCheckpoint::sign(&Checkpoint { origin: ORIGIN.to_owned(), size: 1, root }, key);
        Receipt::build(&entry.to_bytes(), 0, &[], &checkpoint)
    }

    fn answer(outcome: Outcome, receipt: Option<String>, refusal: Option<Vec<u8>>) -> Answer {
        let refusal = refusal.map(|bytes| String::from_utf8(bytes).unwrap());
        let (code, message) = (Some("why".to_owned()), Some("because".to_owned()));
        Answer { event: None, outcome, index: Some(0), receipt, refusal, code, message, retry: false }
    }

    fn waiting(answer: Answer) -> String {
        match judge(answer, &pending(), &mut Receipts::under(&trust())) {
            Verdict { delivery: Delivery::Pending(reason), settlement: None } => reason,
            Verdict { delivery, .. } => panic!("settled: {delivery:?}"),
        }
    }

    #[test]
    fn a_receipt_that_verifies_settles_its_event() {
        for outcome in [Outcome::Committed, Outcome::Duplicate] {
            let text = receipt(pending().event, &ledger_key());
            let verdict = judge(answer(outcome, Some(text.clone()), None), &pending(), &mut Receipts::under(&trust()));
            assert_eq!(verdict.delivery, Delivery::Committed { index: 0 });
            assert_eq!(verdict.settlement, Some(Settlement::Receipt(text)));
        }
    }

    #[test]
    fn an_answer_without_proof_settles_nothing() {
        let other = receipt(EventDigest::of(b"another"), &ledger_key());
        let forged = receipt(pending().event, &SecretKey::from_seed([3; 32]).unwrap());
        assert!(waiting(answer(Outcome::Committed, None, None)).contains("no receipt"));
        assert!(waiting(answer(Outcome::Committed, Some("receipt".to_owned()), None)).contains("the ledger's receipt"));
        assert!(waiting(answer(Outcome::Committed, Some(other), None)).contains("is for event"));
        assert!(waiting(answer(Outcome::Committed, Some(forged), None)).contains("the ledger's receipt"));
        assert!(waiting(answer(Outcome::Parked, None, None)).contains("parked"));
        assert!(waiting(answer(Outcome::Refused, None, None)).contains("why: because"));
    }

    #[test]
    fn a_signed_refusal_settles_the_event_that_it_names_and_no_other() {
        for (outcome, kind) in [(Outcome::Rejected, "event.rejected"), (Outcome::Conflicted, "event.conflicted")] {
            let refusal = line(kind, &format!("event/{}", pending().event), "lineal://example.com/ledger");
            let proof = receipt(EventDigest::of(&refusal), &ledger_key());
            let verdict = judge(
                answer(outcome, Some(proof.clone()), Some(refusal.clone())),
                &pending(),
                &mut Receipts::under(&trust()),
            );
            assert!(matches!(verdict.delivery, Delivery::Refused { code, .. } if code == "why"));
            assert!(matches!(verdict.settlement, Some(Settlement::Refused { .. })));

            assert!(waiting(answer(outcome, Some(proof.clone()), None)).contains("without its event"));
            let other = line(kind, &format!("event/{}", EventDigest::of(b"x")), "lineal://example.com/ledger");
            let other_proof = receipt(EventDigest::of(&other), &ledger_key());
            assert!(waiting(answer(outcome, Some(other_proof), Some(other))).contains("not about this event"));
            assert!(
                waiting(answer(outcome, Some(proof), Some(refusal[..refusal.len() - 1].to_vec()))).contains("refusal")
            );
        }
        let no_refusal = line("event.accepted", &format!("event/{}", pending().event), "x");
        let proof = receipt(EventDigest::of(&no_refusal), &ledger_key());
        assert!(waiting(answer(Outcome::Rejected, Some(proof), Some(no_refusal))).contains("not about this event"));
    }
}
