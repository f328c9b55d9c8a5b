//! The index as a history: what the gate asks, looked up.
//!
//! Promises what `lineal_gate::memory` gives over the same entries, found another way (`ledger/tests/answers/gate.rs` holds the two
//! against each other). Never decides anything.

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

use lineal_gate::history::{
    Evidence, History, Identity, IsWanted, MAX_LAST, MAX_POLICIES, Standing, State, Strong, Wanted, strong,
};
use lineal_schemas::{
    digest::EventDigest, strong::StrongDigest, timestamp::Timestamp, vocabulary::artifact::Artifact,
};

use crate::answers::{
    AnswerError,
    graph::{Reader, Told, signers},
    running::history::{History as Seen, Seen as Sighting, Standing as Sure},
};

/// One reader of the index, for one verdict.
pub(super) struct Indexed<'r, 'v> {
    reader: &'r mut Reader<'v>,
    identities: HashMap<Strong, Rc<Identity>>,
}

impl<'r, 'v> Indexed<'r, 'v> {
    pub(super) fn new(reader: &'r mut Reader<'v>) -> Self {
        reader.take_corrections_of_their_own_alone();
        Self::as_read(reader)
    }

    /// With corrections as the reader takes them: for what they have no part in.
    pub(super) fn as_read(reader: &'r mut Reader<'v>) -> Self {
        Self { reader, identities: HashMap::new() }
    }

    /// The entries about a subject of these types, none of which says what runs.
    fn entries(&self, subject: &str, types: &[&str]) -> Result<Vec<u64>, AnswerError> {
        let size = self.size();
        let all = if subject.starts_with("service/") {
            self.reader.view().index.beside(subject)?
        } else {
            self.reader.about(subject)?
        };
        let of_type = all.into_iter().filter(|(index, kind)| *index < size && types.contains(kind));
        Ok(of_type.map(|(index, _kind)| index).collect())
    }

    fn evidence(&mut self, told: &Told) -> Result<Rc<Evidence>, AnswerError> {
        let (_when, source, sequence) = told.order();
        let mut at = |index: Option<u64>| index.map_or(Ok(None), |index| self.reader.told(index));
        let (correction, disputing) = (at(told.corrected_by)?, at(told.disputed_by)?);
        let others = [&correction, &disputing];
        Ok(Rc::new(Evidence {
            index: told.index,
            event: told.entry.event,
            received: told.entry.received,
            time: told.time,
            source: source.to_owned(),
            sequence,
            subject: told.subject.clone(),
            producers: self.producers(told),
            is_ledgers: source == self.reader.registry().ledger_source(),
            payload: told.payload.clone(),
            corrected_by: correction.as_ref().map(|correction| correction.entry.event),
            is_moved: told.is_moved,
            disputed_by: disputing.as_ref().map(|correction| correction.entry.event),
            is_suspect: self.is_suspect(told) || others.into_iter().flatten().any(|told| self.is_suspect(told)),
            correctors: correction.as_ref().map(|correction| self.producers(correction)).unwrap_or_default(),
        }))
    }

    /// Whether somebody else may have had a key of it when the ledger took it, as far as is known.
    fn is_suspect(&self, told: &Told) -> bool {
        signers(self.reader.registry(), &told.entry).iter().any(|signer| signer.suspect)
    }

    fn producers(&self, told: &Told) -> BTreeSet<String> {
        let registry = self.reader.registry();
        let keys = told.entry.signatures.iter().filter_map(|signature| registry.enrolment(&signature.keyid));
        keys.map(|enrolment| enrolment.producer().to_owned()).collect()
    }

    fn state_of(&self, seen: &Sighting) -> State {
        let standing = match seen.standing(self.reader.moment().at) {
            Sure::Runs => Standing::Runs,
            Sure::Partly => Standing::Partly,
            Sure::Unknown(_) => Standing::Unknown,
            Sure::Ended(_) => Standing::Ended,
        };
        let is_disputed = seen.told.disputed_by.is_some();
        State { standing, sets: seen.sets().to_vec(), event: seen.told.entry.event, is_disputed }
    }
}

impl History for Indexed<'_, '_> {
    type Error = AnswerError;

    fn ledger(&self) -> EventDigest {
        self.reader.registry().genesis()
    }

    fn size(&self) -> u64 {
        self.reader.moment().size
    }

    fn moment(&self) -> Timestamp {
        self.reader.moment().at
    }

    fn identity(&mut self, artifact: &Artifact) -> Result<Option<Rc<Identity>>, AnswerError> {
        let first = strong(artifact).next();
        if let Some(known) = first.as_ref().and_then(|first| self.identities.get(first)) {
            return Ok(Some(known.clone()));
        }
        let Some(found) = self.reader.identity(artifact)? else { return Ok(None) };
        let pair = |digest: &StrongDigest| (digest.algorithm().to_owned(), digest.hex());
        let digests = found.digests.iter().map(pair).collect();
        let said = found.said.iter().map(|told| self.evidence(told)).collect::<Result<_, _>>()?;
        let identity = Rc::new(Identity { digests, said });
        let digests = identity.digests.iter().cloned();
        self.identities.extend(digests.map(|digest| (digest, identity.clone())));
        Ok(Some(identity))
    }

    fn about(&mut self, subject: &str, types: &[&str]) -> Result<Vec<Rc<Evidence>>, AnswerError> {
        let mut found = Vec::new();
        for index in self.entries(subject, types)? {
            if let Some(told) = self.reader.told(index)? {
                found.push(self.evidence(&told)?);
            }
        }
        Ok(found)
    }

    fn last_about(
        &mut self,
        subject: &str,
        kind: &str,
        wanted: IsWanted<'_>,
    ) -> Result<Option<Rc<Evidence>>, AnswerError> {
        let mut looked_at = 0;
        for index in self.entries(subject, &[kind])?.into_iter().rev() {
            let Some(told) = self.reader.told(index)? else { continue };
            looked_at += 1;
            let told = self.evidence(&told)?;
            if wanted(&told) {
                return Ok(Some(told));
            }
            if looked_at == MAX_LAST {
                break;
            }
        }
        Ok(None)
    }

    fn subjects(&mut self, prefix: &str) -> Result<Vec<String>, AnswerError> {
        self.reader.subjects(prefix, MAX_POLICIES + 1)
    }

    fn state(&mut self, service: &str, wanted: Wanted<'_>) -> Result<Option<State>, AnswerError> {
        let mut history = Seen::read_until(self.reader, service, self.reader.moment().at)?;
        let newest = history.newest().cloned();
        let Some(wanted) = wanted else { return Ok(newest.map(|seen| self.state_of(&seen))) };
        let is_whole = |seen: &&Sighting| seen.glimpse.sight != crate::index::seen::Sight::Part;
        if let Some(seen) = newest.as_ref().filter(is_whole).filter(|seen| wanted(seen.sets())) {
            return Ok(Some(self.state_of(seen)));
        }
        let before = history.before(self.reader, |_reader, sets| Ok(!wanted(sets)))?;
        Ok(before.map(|seen| self.state_of(&seen)))
    }
}
