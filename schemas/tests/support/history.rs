//! A ledger in memory, as small as one can be: it takes signed events through `inspect -> verify -> decide` and applies
//! what is admitted. It has no log, no tree and no clock; what it decides is what any ledger must decide.

use std::{borrow::Cow, collections::BTreeMap};

use lineal_schemas::{
    admission::{Authentic, Decision, Inspected, Unauthentic, decide, inspect},
    digest::EventDigest,
    dsse::Signed,
    registry::Registry,
    sequence::SourceState,
    timestamp::Timestamp,
};

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is the next entry.
    Admitted,
    /// It, or its refusal, stands there already.
    Duplicate,
    /// Its refusal is the next entry.
    Rejected {
        /// The name of the rule.
        code: Cow<'static, str>,
        /// Whether the refusal fills its number.
        fills: bool,
    },
    /// Its conflict is the next entry.
    Conflicted(Cow<'static, str>),
    /// Not now.
    Later(Cow<'static, str>),
    /// Waits for its key's enrolment.
    Parked,
    /// Not authenticated, or no genesis: nothing becomes of it.
    Refused(Cow<'static, str>),
}

const fn refused(code: &'static str) -> Outcome {
    Outcome::Refused(Cow::Borrowed(code))
}

/// What the events so far have led to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The keys; nothing before the genesis.
    pub registry: Option<Registry>,
    /// Each source's state.
    pub sources: BTreeMap<String, SourceState>,
    /// Which event, or refused event, holds a number.
    pub holders: BTreeMap<(String, u64), EventDigest>,
    /// How many events were admitted.
    pub admitted: u64,
}

impl History {
    /// Judges an event and applies what follows from it.
    pub fn offer(&mut self, signed: Signed, received: Timestamp) -> Outcome {
        let inspected = match inspect(signed) {
            Ok(inspected) => inspected,
            Err(error) => return refused(error.code()),
        };
        let Some(registry) = &self.registry else { return self.begin(inspected) };
        let authentic = match inspected.verify(|keyid| registry.key(keyid).cloned()) {
            Ok(authentic) => authentic,
            Err(Unauthentic::Wrong(_, error)) => return refused(error.code()),
            Err(Unauthentic::UnknownKey(inspected, _)) if inspected.is_sound() => return Outcome::Parked,
            Err(Unauthentic::UnknownKey(..)) => return refused("unknown-key"),
        };
        let decision = self.decide(&authentic, received);
        self.apply(&authentic, decision, received)
    }

    /// Judges an authentic event; changes nothing.
    pub fn decide(&self, authentic: &Authentic, received: Timestamp) -> Decision {
        let source = authentic.inspected().facts().map_or("", |facts| &facts.source);
        let state = self.sources.get(source).cloned().unwrap_or_default();
        let holder = |number| self.holders.get(&(source.to_owned(), number)).copied();
        decide(authentic, self.registry.as_ref().unwrap(), received, &state, holder)
    }

    fn begin(&mut self, genesis: Inspected) -> Outcome {
        let facts = match genesis.facts() {
            Ok(facts) => facts.clone(),
            Err(error) => return refused(error.code()),
        };
        if let Err(error) = &facts.payload {
            return refused(error.code());
        }
        let registry = match Registry::create(&facts, &genesis.signed().signatures) {
            Ok(registry) => registry,
            Err(error) => return refused(error.code()),
        };
        if genesis.verify(|keyid| registry.key(keyid).cloned()).is_err() {
            return refused("wrong-signature");
        }
        let mut state = SourceState::default();
        state.place(&facts.claim()).unwrap();
        self.holders.insert((facts.source.clone(), facts.sequence), facts.digest);
        self.sources.insert(facts.source, state);
        self.registry = Some(registry);
        self.admitted = 1;
        Outcome::Admitted
    }

    fn apply(&mut self, authentic: &Authentic, decision: Decision, received: Timestamp) -> Outcome {
        let mut fill = |state: SourceState| {
            let facts = authentic.inspected().facts().unwrap();
            self.holders.insert((facts.source.clone(), facts.sequence), facts.digest);
            self.sources.insert(facts.source.clone(), state);
        };
        match decision {
            Decision::Admit { source, .. } => {
                fill(source);
                let payload = authentic.inspected().facts().unwrap().payload.as_ref().unwrap();
                self.registry.as_mut().unwrap().apply(self.admitted, received, payload).unwrap();
                self.admitted += 1;
                Outcome::Admitted
            }
            Decision::Reject { refusal, fills } => {
                let filled = fills.is_some();
                fills.into_iter().for_each(&mut fill);
                Outcome::Rejected { code: refusal.code, fills: filled }
            }
            Decision::Duplicate => Outcome::Duplicate,
            Decision::Conflict { refusal, .. } => Outcome::Conflicted(refusal.code),
            Decision::Later(refusal) => Outcome::Later(refusal.code),
        }
    }
}
