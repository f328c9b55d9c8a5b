//! The one task that owns the log: judges events at their index, sequences them, commits them, and tells the rest.
//!
//! Received -> Checked -> judged here -> [`Sequenced`] -> committed. Authority is judged at the index, against
//! `received`. Synchronous: threads and channels are around it (`ledger.rs`), so that a simulator can call it. After a
//! failed commit everything is refused until the ledger is opened again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use lineal_schemas::{
    admission::{self, Authentic, Decision, Inspected, Refusal, Unauthentic},
    checkpoint::SignedCheckpoint,
    digest::{EventDigest, KeyId},
    dsse::Signed,
    facts::Facts,
    key::SecretKey,
    registry::Registry,
    sequence::SourceState,
    timestamp::Timestamp,
    vocabulary::Payload,
};

use crate::{
    clock::Clock,
    index::{Projected, store::StoreError},
    intake::{Checked, Keyring},
    log::{Log, LogError, Sequenced, record::ReadError},
    outcome::Outcome,
    own,
    parked::Parked,
    quarantine::Quarantine,
    sources::{Held, Sources},
    time_guard::TimeGuard,
};

mod refusals;

use refusals::Budget;

/// Why the writer could not judge or commit.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The record.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The index.
    #[error(transparent)]
    Index(#[from] StoreError),
    /// An event of the ledger's own could not be made.
    #[error("an own event could not be made: {0}")]
    Own(String),
    /// The waiting room.
    #[error("parking an event: {0}")]
    Parked(std::io::Error),
}

/// The writer's state.
#[derive(Debug)]
pub struct Writer {
    /// The record.
    pub log: Log,
    /// The keys as they stand after the last entry.
    pub registry: Registry,
    /// The sources as they stand after the last entry.
    pub sources: Sources,
    /// Events that wait for their key.
    pub parked: Parked,
    /// Whether time can be believed.
    pub guard: TimeGuard,
    pub(crate) key: SecretKey,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) budget: HashMap<KeyId, Budget>,
}

/// A batch in the making.
#[derive(Debug, Default)]
struct Draft {
    entries: Vec<Sequenced>,
    projected: Vec<Projected>,
    /// Keys that this batch enrols: what waits for them comes next.
    enrolled: Vec<KeyId>,
}

impl Writer {
    /// Judges and commits events, in order, and gives their outcomes and what is to be projected.
    pub fn process(&mut self, events: Vec<Checked>) -> Result<(Vec<Outcome>, Vec<Projected>), WriterError> {
        if let Some(reason) = self.guard.check(&*self.clock) {
            let hint = format!("{reason}: intake is stopped until `lineal clock accept`");
            return Ok((vec![Outcome::closed("clock-jumped", hint); events.len()], Vec::new()));
        }
        if let Some(reason) = self.log.failure() {
            return Ok((vec![Outcome::closed("intake-stopped", reason); events.len()], Vec::new()));
        }
        let received = self.clock.wall().max(self.log.last_received());
        let mut draft = Draft::default();
        let outcomes = events.into_iter().map(|event| self.judge(event, received, &mut draft));
        let outcomes = outcomes.collect::<Result<Vec<_>, _>>()?;
        self.release(received, &mut draft)?;
        self.commit(&draft.entries)?;
        Ok((outcomes, draft.projected))
    }

    fn commit(&mut self, entries: &[Sequenced]) -> Result<(), LogError> {
        let key = &self.key;
        self.log.commit(entries, &|checkpoint| SignedCheckpoint::sign(checkpoint, key)).map(|_first| ())
    }

    /// Admits what waited for keys that this batch enrols, as if just received.
    fn release(&mut self, received: Timestamp, draft: &mut Draft) -> Result<(), WriterError> {
        while let Some(keyid) = draft.enrolled.pop() {
            for inspected in self.waiting_for(&keyid).map_err(WriterError::Parked)? {
                let digest = inspected.digest();
                match inspected.verify(|keyid| self.registry.key(keyid).cloned()) {
                    Ok(authentic) => {
                        let outcome = self.judge(Checked::Authentic(Box::new(authentic)), received, draft)?;
                        tracing::info!(%digest, outcome = outcome.name(), "a parked event was taken up");
                    }
                    // From now on it waits for the other one.
                    Err(Unauthentic::UnknownKey(inspected, other)) => {
                        let outcome = self.park(other, inspected.signed())?;
                        tracing::info!(%digest, outcome = outcome.name(), "a parked event waits for another key as well");
                    }
                    Err(Unauthentic::Wrong(_, error)) => self.drop_parked(&digest, &(&error).into(), received)?,
                }
            }
        }
        Ok(())
    }

    /// Now that its key is known, it turns out that the key never signed it.
    fn drop_parked(&mut self, digest: &EventDigest, refusal: &Refusal, received: Timestamp) -> Result<(), WriterError> {
        if let Some((_keyid, signed)) = self.parked.find(digest).map_err(WriterError::Parked)? {
            self.quarantine.keep(&signed, refusal, received);
        }
        self.parked.release(digest).map_err(WriterError::Parked)
    }

    /// What waits for a key, in the order of each source: the first of a long one would else open too many numbers.
    pub(crate) fn waiting_for(&self, keyid: &KeyId) -> std::io::Result<Vec<Inspected>> {
        let waiting = self.parked.of(keyid)?.into_iter();
        let mut events: Vec<_> = waiting.filter_map(|signed| admission::inspect(signed).ok()).collect();
        events.sort_by_cached_key(|event| event.facts().ok().map(|facts| (facts.source.clone(), facts.sequence)));
        Ok(events)
    }

    /// Removes from the waiting room what the last batch took up. Only after the commit: a crash before leaves it there.
    pub fn forget_parked(&mut self, projected: &[Projected]) {
        let waiting: HashSet<EventDigest> = self.parked.waiting().map(|(_keyid, digest)| *digest).collect();
        let digests = projected.iter().filter_map(|entry| entry.facts.as_ref()).flat_map(|facts| {
            let refused = match &facts.payload {
                Ok(Payload::EventRejected(refused)) => Some(refused.event),
                Ok(Payload::EventConflicted(refused)) => Some(refused.event),
                _ => None,
            };
            [Some(facts.digest), refused].into_iter().flatten()
        });
        let taken_up: Vec<EventDigest> = digests.filter(|digest| waiting.contains(digest)).collect();
        for digest in taken_up {
            if let Err(error) = self.parked.release(&digest) {
                tracing::warn!(%digest, %error, "a parked event that was taken up stays in its folder");
            }
        }
    }

    fn judge(&mut self, event: Checked, received: Timestamp, draft: &mut Draft) -> Result<Outcome, WriterError> {
        let authentic = match event {
            Checked::Authentic(authentic) => *authentic,
            Checked::UnknownKey(inspected, _then) => match inspected.verify(|id| self.registry.key(id).cloned()) {
                Ok(authentic) => authentic,
                Err(Unauthentic::Wrong(_, error)) => {
                    return Ok(Outcome::Refused { refusal: (&error).into(), retry: false });
                }
                Err(Unauthentic::UnknownKey(inspected, keyid)) => return self.park(keyid, inspected.signed()),
            },
        };
        let digest = authentic.inspected().digest();
        if let Some(outcome) = self.earlier_refusal(&digest, draft)? {
            return Ok(outcome);
        }
        let (state, held) = self.look_up(&authentic, draft)?;
        let decision =
            admission::decide(&authentic, &self.registry, received, &state, |_taken| held.map(|held| held.digest));
        match decision {
            // Once admitted, every checkpoint would have to carry a signature that this program can't make.
            Decision::Admit { .. } if rotates_ledger_key(&authentic) => {
                Ok(Outcome::later("ledger-key-absent", "the ledger does not hold the private half of that key"))
            }
            Decision::Admit { .. } => self.admit(authentic, received, draft),
            Decision::Duplicate => Ok(Outcome::Duplicate { index: held.map_or(0, |held| held.index) }),
            Decision::Reject { refusal, fills } => self.reject(&authentic, refusal, fills.is_some(), received, draft),
            Decision::Conflict { refusal, holder } => self.conflict(&authentic, refusal, holder, received, draft),
            Decision::Later(refusal) => Ok(Outcome::Refused { refusal, retry: true }),
        }
    }

    fn park(&mut self, keyid: KeyId, signed: &Signed) -> Result<Outcome, WriterError> {
        if self.parked.keep(keyid, signed).map_err(WriterError::Parked)? {
            Ok(Outcome::Parked { keyid })
        } else {
            Ok(Outcome::later("parked-full", "no room for events under keys that are not enrolled"))
        }
    }

    /// The state of the event's source, and who holds its number there.
    fn look_up(&self, event: &Authentic, draft: &Draft) -> Result<(SourceState, Option<Held>), WriterError> {
        let Ok(facts) = event.inspected().facts() else { return Ok((SourceState::default(), None)) };
        let tracked = self.sources.get(&facts.source)?;
        if facts.sequence > tracked.state.head() {
            return Ok((tracked.state, None));
        }
        let held = match self.sources.holder(tracked.number, facts.sequence)? {
            None => None,
            Some(Ok(held)) => Some(held),
            Some(Err(index)) => Some(self.held_by(index, draft)?),
        };
        Ok((tracked.state, held))
    }

    /// What a committed entry admits or refuses.
    fn held_by(&self, index: u64, draft: &Draft) -> Result<Held, WriterError> {
        let digest = match self.refusal_at(index, draft)? {
            Some((refused, _refusal, _is_conflict)) => refused,
            None => self.log.record().get(index)?.entry().event,
        };
        Ok(Held { index, digest })
    }

    /// The refusal that entry `index` is, if it is one: of which event, why, and whether it is a conflict.
    fn refusal_at(&self, index: u64, draft: &Draft) -> Result<Option<(EventDigest, Refusal, bool)>, WriterError> {
        let first = self.log.size();
        let in_draft = index.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = in_draft.and_then(|at| draft.projected.get(at)) {
            return Ok(entry.facts.as_ref().and_then(|facts| refusal_in(facts)));
        }
        let stored = self.log.record().get(index)?;
        let Some(body) = stored.body() else { return Ok(None) };
        let own = body.windows(14).any(|window| window == b"lineal.event.r" || window == b"lineal.event.c");
        let facts = own.then(|| Facts::read(body, EventDigest::of(body)));
        Ok(facts.and_then(Result::ok).and_then(|facts| refusal_in(&facts)))
    }

    /// The same refusal again for an event that was refused before.
    fn earlier_refusal(&self, digest: &EventDigest, draft: &Draft) -> Result<Option<Outcome>, WriterError> {
        let Some(index) = self.sources.refusal(digest)? else { return Ok(None) };
        Ok(self.refusal_at(index, draft)?.map(|(_event, refusal, is_conflict)| {
            if is_conflict { Outcome::Conflicted { index, refusal } } else { Outcome::Rejected { index, refusal } }
        }))
    }

    fn admit(&mut self, event: Authentic, received: Timestamp, draft: &mut Draft) -> Result<Outcome, WriterError> {
        let (signed, facts) = event.into_inspected().into_parts();
        let Ok(facts) = facts.map(Arc::new) else { return Ok(Outcome::later("unreadable", "an unread event")) };
        let index = self.push(signed, facts.clone(), received, draft)?;
        if let Ok(payload) = &facts.payload {
            self.apply_key_event(index, received, payload, draft);
        }
        Ok(Outcome::Committed { index })
    }

    /// Takes an event as the next entry, and gives its index.
    fn push(
        &mut self,
        signed: Signed,
        facts: Arc<Facts>,
        received: Timestamp,
        draft: &mut Draft,
    ) -> Result<u64, WriterError> {
        let index = self.log.size() + draft.entries.len() as u64;
        let touches = self.sources.follow(index, &facts)?;
        let Signed { event, signatures } = signed;
        let signers = signatures.iter().map(|signature| signature.keyid).collect();
        draft.entries.push(Sequenced { received, digest: facts.digest, event, signatures });
        draft.projected.push(Projected { index, received, signers, facts: Some(facts), touches });
        Ok(index)
    }

    fn apply_key_event(&mut self, index: u64, received: Timestamp, payload: &Payload, draft: &mut Draft) {
        let enrolled = match payload {
            Payload::KeyEnrolled(event) => Some(event.keyid),
            Payload::KeyRotated(event) => Some(event.keyid),
            Payload::KeyRevoked(_) | Payload::LedgerKeyRotated(_) => None,
            _ => return,
        };
        // Admission has found it applicable to this very registry.
        if let Err(error) = self.registry.apply(index, received, payload) {
            tracing::error!(index, %error, "an admitted key event does not apply");
        }
        if let Some(keyid) = enrolled {
            self.keyring.add(self.registry.key(&keyid).cloned());
            draft.enrolled.push(keyid);
        }
    }

    /// Takes an event of the ledger's own into the batch, and gives its index.
    fn say(
        &mut self,
        subject: &str,
        payload: Payload,
        received: Timestamp,
        draft: &mut Draft,
    ) -> Result<u64, WriterError> {
        let source = self.registry.ledger_source();
        let state = self.sources.get(&source)?.state;
        let place = own::Place {
            source: &source,
            sequence: state.head() + 1,
            previous: state.head_digest(),
            ledger: Some(self.registry.genesis()),
            time: received,
        };
        let signed =
            own::sign(&place, subject, &payload, &[&self.key]).map_err(|error| WriterError::Own(error.to_string()))?;
        let facts = Facts::read(&signed.event, signed.digest()).map_err(|error| WriterError::Own(error.to_string()))?;
        self.push(signed, Arc::new(facts), received, draft)
    }

    /// Commits an event of the ledger's own: a heartbeat, a decision of its gate. Nothing is committed while intake is
    /// stopped.
    pub fn say_alone(&mut self, subject: &str, payload: Payload) -> Result<Vec<Projected>, WriterError> {
        if self.guard.check(&*self.clock).is_some() || self.log.failure().is_some() {
            return Ok(Vec::new());
        }
        let received = self.clock.wall().max(self.log.last_received());
        let mut draft = Draft::default();
        self.say(subject, payload, received, &mut draft)?;
        self.commit(&draft.entries)?;
        Ok(draft.projected)
    }
}

fn rotates_ledger_key(event: &Authentic) -> bool {
    let facts = event.inspected().facts();
    facts.is_ok_and(|facts| matches!(facts.payload, Ok(Payload::LedgerKeyRotated(_))))
}

fn refusal_in(facts: &Facts) -> Option<(EventDigest, Refusal, bool)> {
    match facts.payload.as_ref().ok()? {
        Payload::EventRejected(refused) => {
            let message = refused.message.as_ref().map(ToString::to_string).unwrap_or_default();
            Some((refused.event, Refusal::new(refused.reason.to_string(), message), false))
        }
        Payload::EventConflicted(refused) => {
            let message =
                format!("sequence {} of {} was told otherwise before", refused.sequence.get(), refused.source);
            Some((refused.event, Refusal::new(refused.reason.to_string(), message), true))
        }
        _ => None,
    }
}
