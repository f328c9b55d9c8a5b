//! An event of the record as corrections leave it at a size.
//!
//! Promises that a correction counts only where its signers could all have said that event themselves; what becomes of the event
//! then is [`crate::history::corrected`]'s rule.

use std::{collections::BTreeSet, rc::Rc};

use lineal_schemas::{digest::KeyId, registry::Enrolment, vocabulary::Payload};

use super::{AtSize, Kept};
use crate::history::{Corrected, Correction, Evidence, corrected, is_corrected_by_its_own_alone};

impl AtSize<'_> {
    /// An event as corrections leave it.
    pub(super) fn told(&mut self, at: usize) -> Option<Rc<Evidence>> {
        if let Some(told) = self.told.get(&at) {
            return Some(told.clone());
        }
        let kept = self.kept(at)?;
        let Corrected { payload, by, is_moved, disputed_by } = self.corrected(kept)?;
        let signed = [Some(kept), by, disputed_by];
        let producer = |keyid: &KeyId| self.registry.enrolment(keyid).map(|enrolment| enrolment.producer().to_owned());
        let told = Rc::new(Evidence {
            index: kept.index,
            event: kept.facts.digest,
            received: kept.received,
            time: kept.facts.time,
            source: kept.facts.source.clone(),
            sequence: kept.facts.sequence,
            subject: kept.facts.subject.clone(),
            producers: kept.keys.iter().filter_map(producer).collect(),
            is_ledgers: kept.facts.source == self.registry.ledger_source(),
            payload,
            corrected_by: by.map(|correction| correction.facts.digest),
            correctors: by.iter().flat_map(|correction| &correction.keys).filter_map(producer).collect(),
            is_moved,
            disputed_by: disputed_by.map(|correction| correction.facts.digest),
            is_suspect: signed.into_iter().flatten().any(|kept| self.is_suspect(kept)),
        });
        self.told.insert(at, told.clone());
        Some(told)
    }

    /// Whether somebody else may have had a key of it when the ledger took it, as far as is known at the size.
    fn is_suspect(&self, kept: &Kept) -> bool {
        kept.keys.iter().any(|keyid| {
            let mut revocations = self.memory.revocations.get(keyid).into_iter().flatten();
            let last = revocations.rfind(|(index, _since)| *index < self.size);
            last.and_then(|(_index, since)| *since).is_some_and(|since| kept.received >= since)
        })
    }

    fn producers(&self, keys: &[KeyId]) -> BTreeSet<&str> {
        keys.iter().filter_map(|keyid| self.registry.enrolment(keyid)).map(Enrolment::producer).collect()
    }

    /// What an event says, with the corrections whose signers could all have said it themselves.
    fn corrected<'k>(&'k self, kept: &Kept) -> Option<Corrected<&'k Kept>> {
        let payload = kept.facts.payload.as_ref().ok()?;
        let known = match payload {
            Payload::RecordCorrected(_) => &[][..],
            _ => self.memory.corrections.get(&kept.facts.digest).map_or(&[][..], Vec::as_slice),
        };
        let counting = known.iter().rev().filter_map(|at| self.correction(*at, kept, payload));
        Some(corrected(payload, counting))
    }

    /// A correction that counts for an event.
    fn correction<'k>(&'k self, at: usize, kept: &Kept, payload: &Payload) -> Option<Correction<&'k Kept>> {
        let correction = self.kept(at)?;
        let Ok(Payload::RecordCorrected(says)) = &correction.facts.payload else { return None };
        let may_say = |keyid: &KeyId| self.registry.may_say(keyid, payload, &kept.facts.subject);
        if correction.facts.subject != kept.facts.subject || !correction.keys.iter().all(may_say) {
            return None;
        }
        let of_its_own = || self.producers(&correction.keys).is_subset(&self.producers(&kept.keys));
        if is_corrected_by_its_own_alone(payload) && !of_its_own() {
            return None;
        }
        let replacement = says.replacement(&kept.facts.kind).ok()?;
        replacement.check_subject(&kept.facts.subject).ok()?;
        Some(Correction { by: correction, replacement, is_suspect: self.is_suspect(correction) })
    }
}
