//! The index as a history: what the gate asks, looked up.
//!
//! Promises what `lineal_gate::memory` gives over the same entries, found another way (`ledger/tests/answers/gate.rs` holds the two
//! against each other). Never decides anything.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
};

use lineal_gate::{
    history::{Evidence, History, Identity, IsAllowed, IsWanted, MAX_LAST, MAX_POLICIES, Standing, State, Wanted},
    judge::Question,
    policy::{Policy, PolicyError},
};
use lineal_schemas::{
    digest::EventDigest,
    strong::StrongDigest,
    timestamp::Timestamp,
    vocabulary::{artifact::Artifact, gate::GateVerdict, policy::PolicyText},
};

use crate::{
    answers::{
        AnswerError,
        graph::{Reader, Told, signers},
        running::history::{History as Seen, Seen as Sighting, Standing as Sure},
    },
    index::{beside::Decision, store::StoreError},
    ledger::View,
};

/// One reader of the index, for one verdict.
pub(super) struct Indexed<'r, 'v> {
    reader: &'r mut Reader<'v>,
    identities: HashMap<StrongDigest, Rc<Identity>>,
    /// What was seen of the service that was last asked about.
    seen: Option<(String, Seen)>,
}

impl<'r, 'v> Indexed<'r, 'v> {
    pub(super) fn new(reader: &'r mut Reader<'v>) -> Self {
        reader.take_corrections_of_their_own_alone();
        Self::as_read(reader)
    }

    /// Reads what the parts of a serving set were made from, at once: it changes no verdict.
    pub(super) fn read_ancestry(&mut self, question: &Question) -> Result<(), AnswerError> {
        let components = question.serving_set.iter().flat_map(|set| &set.components);
        self.reader.read_ancestry(components.map(|one| &one.artifact))
    }

    /// With corrections as the reader takes them: for what they have no part in.
    pub(super) fn as_read(reader: &'r mut Reader<'v>) -> Self {
        Self { reader, identities: HashMap::new(), seen: None }
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

/// The last [`MAX_LAST`] decisions that allowed something at a service, the newest first; the newest alone, where no more are
/// asked for.
struct Decisions<'v> {
    view: &'v View,
    service: &'v str,
    size: u64,
    left: usize,
    page: VecDeque<Decision>,
    /// How many are read at a time: each time twice as many.
    wanted: usize,
}

impl<'v> Decisions<'v> {
    fn new(view: &'v View, service: &'v str, size: u64) -> Self {
        Self { view, service, size, left: MAX_LAST, page: VecDeque::new(), wanted: 1 }
    }
}

impl Iterator for Decisions<'_> {
    type Item = Result<Decision, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() && self.left > 0 {
            let wanted = self.wanted.min(self.left);
            match self.view.index.decisions(self.service, GateVerdict::Allow, self.size, wanted) {
                Ok(page) => self.page = page.into(),
                Err(error) => return Some(Err(error)),
            }
            (self.left, self.wanted) = (self.left - wanted, self.wanted * 2);
        }
        let decision = self.page.pop_front()?;
        self.size = decision.index;
        Some(Ok(decision))
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
        let first = StrongDigest::all_of(artifact).next();
        if let Some(known) = first.as_ref().and_then(|first| self.identities.get(first)) {
            return Ok(Some(known.clone()));
        }
        let Some(found) = self.reader.identity(artifact)? else { return Ok(None) };
        let digests = found.digests.iter().copied().collect();
        let said = found.said.iter().map(|told| self.evidence(told)).collect::<Result<_, _>>()?;
        let identity = Rc::new(Identity { digests, said });
        let digests = identity.digests.iter().copied();
        self.identities.extend(digests.map(|digest| (digest, identity.clone())));
        Ok(Some(identity))
    }

    fn last_about(
        &mut self,
        subject: &str,
        kind: &str,
        wanted: IsWanted<'_>,
    ) -> Result<Option<Rc<Evidence>>, AnswerError> {
        for (index, name) in self.reader.about(subject)?.into_iter().rev() {
            let told = match name {
                _ if name != kind => None,
                "policy.registered" => self.reader.registration(index)?,
                _ => self.reader.told(index)?,
            };
            let Some(told) = told else { continue };
            let told = self.evidence(&told)?;
            if wanted(&told) {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }

    fn policy(&mut self, text: &PolicyText) -> Arc<Result<Policy, PolicyError>> {
        self.reader.view().policies.read(text)
    }

    fn last_allowed(&mut self, service: &str, wanted: IsAllowed<'_>) -> Result<Option<Rc<Evidence>>, AnswerError> {
        let now = self.moment();
        let mut refused = BTreeSet::new();
        for decision in Decisions::new(self.reader.view(), service, self.size()) {
            let decision = decision?;
            if refused.contains(&decision.sets) {
                continue;
            }
            let Some(told) = self.reader.told(decision.index)? else { continue };
            let told = self.evidence(&told)?;
            let Some(allowed) = told.allowed(now) else { continue };
            if wanted(allowed, told.index) {
                return Ok(Some(told));
            }
            refused.insert(decision.sets);
        }
        Ok(None)
    }

    fn subjects(&mut self, prefix: &str) -> Result<Vec<String>, AnswerError> {
        self.reader.subjects(prefix, MAX_POLICIES + 1)
    }

    fn state(&mut self, service: &str, wanted: Wanted<'_>) -> Result<Option<State>, AnswerError> {
        if self.seen.as_ref().is_none_or(|(of, _seen)| of != service) {
            let history = Seen::read_until(self.reader, service, self.reader.moment().at)?;
            self.seen = Some((service.to_owned(), history));
        }
        let Some((_of, history)) = &self.seen else { return Ok(None) };
        let found = match wanted {
            Some(wanted) => history.last(self.reader, wanted)?,
            None => history.newest().cloned(),
        };
        Ok(found.map(|seen| self.state_of(&seen)))
    }
}
