//! Corrections: which `record.corrected` stands in for an event.
//!
//! Promises that a correction counts only where its signers could have said the corrected event themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lineal_gate::history::{
    Corrected, Correction as Counting, corrected as by_corrections, is_corrected_by_its_own_alone,
};
use lineal_schemas::{
    digest::{EventDigest, KeyId},
    facts::Facts,
    registry::Enrolment,
    timestamp::Timestamp,
    vocabulary::{Payload, ledger::RecordCorrected},
};

use super::{Reader, signer, stored};
use crate::answers::AnswerError;

/// A correction as it was said.
pub(super) struct Correction {
    index: u64,
    received: Timestamp,
    order: (Timestamp, String, u64),
    keys: Vec<KeyId>,
    payload: RecordCorrected,
}

/// By the event that they correct, the last said last.
pub(super) type Corrections = BTreeMap<EventDigest, Vec<Correction>>;

impl Reader<'_> {
    /// An event as the corrections that count leave it; nothing where there is none. The newest is taken, and read as the gate
    /// does what the gate's rule says.
    pub(super) fn corrected(&mut self, facts: &Facts) -> Result<Option<Corrected<u64>>, AnswerError> {
        let payload = match &facts.payload {
            Ok(Payload::RecordCorrected(_)) | Err(_) => return Ok(None),
            Ok(payload) => payload,
        };
        let corrections = self.corrections_about(&facts.subject)?;
        let mut counting = Vec::new();
        for correction in corrections.get(&facts.digest).into_iter().flatten().rev() {
            if !correction.keys.iter().all(|keyid| self.registry.may_say(keyid, payload, &facts.subject)) {
                continue;
            }
            let is_strict = self.is_strict && is_corrected_by_its_own_alone(payload);
            if is_strict && !self.is_of_its_own(correction, facts)? {
                continue;
            }
            if let Ok(replacement) = correction.payload.replacement(&facts.kind)
                && replacement.check_subject(&facts.subject).is_ok()
            {
                let by = correction.index;
                if !self.is_strict {
                    return Ok(Some(Corrected {
                        payload: replacement,
                        by: Some(by),
                        is_moved: false,
                        disputed_by: None,
                    }));
                }
                let is_suspect = self.is_suspect(correction);
                counting.push(Counting { by, replacement, is_suspect });
                if !is_suspect {
                    break;
                }
            }
        }
        Ok((!counting.is_empty()).then(|| by_corrections(payload, counting.into_iter())))
    }

    /// Whether somebody else may have had a key of a correction when the ledger took it.
    fn is_suspect(&self, correction: &Correction) -> bool {
        correction.keys.iter().any(|keyid| signer(&self.registry, *keyid, correction.received).suspect)
    }

    /// Reads what follows as the gate does: what speaks against a model is corrected by those who said it alone.
    pub(in crate::answers) fn take_corrections_of_their_own_alone(&mut self) {
        self.is_strict = true;
        self.told.clear();
        self.identities.clear();
        self.flags = None;
    }

    /// Whether those who signed a correction are among those who signed what it corrects.
    fn is_of_its_own(&mut self, correction: &Correction, facts: &Facts) -> Result<bool, AnswerError> {
        let Some(index) = self.by_event(&facts.digest)? else { return Ok(false) };
        let entry = self.view.record.get(index)?;
        let own: BTreeSet<&str> =
            entry.entry().signatures.iter().filter_map(|signature| self.producer(&signature.keyid)).collect();
        Ok(correction.keys.iter().filter_map(|keyid| self.producer(keyid)).all(|producer| own.contains(producer)))
    }

    fn producer(&self, keyid: &KeyId) -> Option<&str> {
        self.registry.enrolment(keyid).map(Enrolment::producer)
    }

    fn corrections_about(&mut self, subject: &str) -> Result<Rc<Corrections>, AnswerError> {
        if let Some(known) = self.corrections.get(subject) {
            return Ok(known.clone());
        }
        let mut corrections = Corrections::new();
        if !self.view.index.is_corrected(subject) {
            return Ok(Rc::new(corrections));
        }
        for index in self.view.index.beside(subject, &["record.corrected"], self.moment.size)? {
            if let Some((entry, facts)) = stored(self.view, index, self.moment.size)?
                && let Ok(Payload::RecordCorrected(payload)) = facts.payload
            {
                let keys = entry.signatures.iter().map(|signature| signature.keyid).collect();
                let received = entry.received;
                let order = (facts.time.min(received), facts.source, facts.sequence);
                let correction = Correction { index, received, order, keys, payload: *payload };
                corrections.entry(correction.payload.corrects).or_default().push(correction);
            }
        }
        for list in corrections.values_mut() {
            list.sort_by(|one, other| one.order.cmp(&other.order));
        }
        let corrections = Rc::new(corrections);
        self.corrections.insert(subject.to_owned(), corrections.clone());
        Ok(corrections)
    }

    /// Entries that correct events about a subject: what each corrects.
    pub(in crate::answers) fn corrects(&mut self, subject: &str) -> Result<Vec<EventDigest>, AnswerError> {
        Ok(self.corrections_about(subject)?.keys().copied().collect())
    }
}
