//! The incumbent: what was observed running at the service, and how it was measured.
//!
//! Promises to take what runs from observations alone. A candidate that runs already is compared with what ran before it, so
//! that going past the gate does not make a comparison with oneself.

use std::rc::Rc;

use lineal_schemas::vocabulary::{
    artifact::Artifact,
    deployment::{ComponentRole, ServedSet},
    names::ServiceName,
};

use super::{
    Model,
    attempts::{Attempt, Attempts},
    label,
    lineage::DISPUTED,
};
use crate::{
    history::{Evidence, History, Identity, Standing, State, Used},
    policy::Policy,
};

/// What is known of what runs.
#[derive(Debug)]
pub(super) enum Incumbents {
    /// Nothing was ever seen there but the candidate itself.
    None(Option<State>),
    /// It is not known what runs: why.
    Unknown(String, State),
    /// These models.
    Seen(Vec<Incumbent>, State),
}

/// A model that runs.
#[derive(Debug)]
pub(super) struct Incumbent {
    pub(super) label: String,
    artifact: Artifact,
    /// Nothing where it has no strong digest.
    identity: Option<Rc<Identity>>,
    /// Nothing where it has no strong digest.
    attempts: Option<Attempts>,
}

impl Incumbents {
    /// What is observed running at a service, without the candidates themselves.
    pub(super) fn read<H: History>(
        history: &mut H,
        service: &ServiceName,
        candidates: &[Model],
        policy: &Policy,
    ) -> Result<Self, H::Error> {
        let Some(state) = history.state(service.as_str(), None)? else { return Ok(Self::None(None)) };
        match state.standing {
            Standing::Unknown => return Ok(Self::Unknown("the next observation is overdue".to_owned(), state)),
            Standing::Partly => return Ok(Self::Unknown("only a part of what runs was seen".to_owned(), state)),
            Standing::Runs | Standing::Ended if state.is_disputed => return Ok(Self::disputed(state)),
            Standing::Runs | Standing::Ended => {}
        }
        let own: Vec<Rc<Identity>> = candidates.iter().filter_map(|model| model.identity.clone()).collect();
        if others(&state.sets, &own).next().is_some() {
            return Self::of(history, state, &own, policy);
        }
        let mut is_another = |sets: &[ServedSet]| others(sets, &own).next().is_some();
        match history.state(service.as_str(), Some(&mut is_another))? {
            Some(before) if before.is_disputed => Ok(Self::disputed(before)),
            Some(before) => Self::of(history, before, &own, policy),
            None => Ok(Self::None(Some(state))),
        }
    }

    fn disputed(state: State) -> Self {
        Self::Unknown(format!("what was seen {DISPUTED}"), state)
    }

    fn of<H: History>(history: &mut H, state: State, own: &[Rc<Identity>], policy: &Policy) -> Result<Self, H::Error> {
        let mut incumbents: Vec<Incumbent> = Vec::new();
        for artifact in others(&state.sets, own) {
            let identity = history.identity(artifact)?;
            let is_known = |known: &Incumbent| match (&known.identity, &identity) {
                (Some(known), Some(_)) => known.is(artifact),
                (None, None) => known.artifact == *artifact,
                _ => false,
            };
            if incumbents.iter().any(is_known) {
                continue;
            }
            let attempts = match &identity {
                Some(identity) => Some(Attempts::read(history, identity, policy)?),
                None => None,
            };
            incumbents.push(Incumbent { label: label(artifact), artifact: artifact.clone(), identity, attempts });
        }
        Ok(Self::Seen(incumbents, state))
    }

    const fn state(&self) -> Option<&State> {
        match self {
            Self::None(state) => state.as_ref(),
            Self::Unknown(_, state) | Self::Seen(_, state) => Some(state),
        }
    }

    /// What was seen; nothing where nothing ever was.
    pub(super) fn sets(&self) -> Option<Vec<ServedSet>> {
        self.state().map(|state| state.sets.clone())
    }

    /// Takes the observation into account.
    pub(super) fn put(&self, used: &mut Used) {
        if let Some(state) = self.state() {
            used.put_digest(state.event);
        }
    }
}

/// Models and adapters that are none of the candidates.
fn others<'s>(sets: &'s [ServedSet], own: &'s [Rc<Identity>]) -> impl Iterator<Item = &'s Artifact> {
    let components = sets.iter().flat_map(|set| &set.components);
    let models = components.filter(|part| matches!(part.role, ComponentRole::Model | ComponentRole::Adapter));
    let artifacts = models.map(|component| &component.artifact);
    artifacts.filter(|artifact| !own.iter().any(|identity| identity.is(artifact)))
}

impl Incumbent {
    /// Its measurements that can be compared with an attempt, or why there is none. Every one counts: who measures again does
    /// not make what runs worse than it is.
    pub(super) fn comparable(&self, attempt: &Attempt) -> Result<Vec<&Rc<Evidence>>, String> {
        let Some(attempts) = &self.attempts else { return Err("it has no strong digest".to_owned()) };
        let other = attempts.other.iter().map(|(_why, attempt)| attempt);
        let all: Vec<&Attempt> =
            attempts.counted.iter().chain(other).filter(|other| other.finished.is_some()).collect();
        let comparable = attempts.finished().filter(|(other, _told)| other.suite.apart(&attempt.suite).is_none());
        let comparable: Vec<&Rc<Evidence>> = comparable.map(|(_other, told)| told).collect();
        if !comparable.is_empty() {
            return Ok(comparable);
        }
        let why = all.last().and_then(|other| other.suite.apart(&attempt.suite));
        Err(why.unwrap_or_else(|| "it was never measured so".to_owned()))
    }
}
