//! Admission: one pure function that says what becomes of an event, for the ledger, the verifier and third parties.
//!
//! [`inspect`] reads it, [`Inspected::verify`] checks its signatures, [`decide`] judges authority and sequence at an
//! index. Each step is a type, so that none can be skipped. Promises that the same bytes, registry and source state
//! always get the same answer, and that nothing undecidable is a yes. Never asks a clock: `received` is brought.
//! (docs/FORMAT.md, Admission)

use std::borrow::Cow;

use crate::{
    digest::{EventDigest, KeyId},
    dsse::{self, Signature, SignatureError, Signed},
    event::EventError,
    facts::Facts,
    key::PublicKey,
    registry::Registry,
    sequence::{Placement, SequenceError, SourceState},
    timestamp::Timestamp,
    vocabulary::VocabularyError,
};

/// An event with a well-formed list of signatures, read but not yet verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspected {
    signed: Signed,
    digest: EventDigest,
    facts: Result<Facts, EventError>,
}

/// Reads an event. Refused are only signature lists that could not be checked at all.
pub fn inspect(signed: Signed) -> Result<Inspected, SignatureError> {
    inspect_or_return(signed).map_err(|(_signed, error)| error)
}

/// As [`inspect`]; what is refused is given back with the reason.
pub fn inspect_or_return(signed: Signed) -> Result<Inspected, (Signed, SignatureError)> {
    if let Err(error) = dsse::check_list(&signed.signatures) {
        return Err((signed, error));
    }
    let digest = signed.digest();
    let facts = Facts::read(&signed.event, digest);
    Ok(Inspected { signed, digest, facts })
}

/// Why an event could not be authenticated.
#[derive(Debug, Clone, PartialEq)]
pub enum Unauthentic {
    /// A signature under a known key does not verify.
    Wrong(Box<Inspected>, SignatureError),
    /// Nobody enrolled this key yet; all other signatures verify.
    UnknownKey(Box<Inspected>, KeyId),
}

impl Inspected {
    /// SHA-256 of the event's bytes.
    pub const fn digest(&self) -> EventDigest {
        self.digest
    }

    /// The bytes and signatures.
    pub const fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The bytes and signatures, given away.
    pub fn into_signed(self) -> Signed {
        self.signed
    }

    /// The bytes and signatures, and what they say, given away.
    pub fn into_parts(self) -> (Signed, Result<Facts, EventError>) {
        (self.signed, self.facts)
    }

    /// What it says, or why it can't be read.
    pub const fn facts(&self) -> Result<&Facts, &EventError> {
        self.facts.as_ref()
    }

    /// Whether nothing but its key's enrolment stands in the way: then it may wait for that.
    pub fn is_sound(&self) -> bool {
        self.facts.as_ref().is_ok_and(|facts| facts.payload.is_ok())
    }

    /// Checks every signature under the keys that `key_of` knows.
    pub fn verify(self, key_of: impl Fn(&KeyId) -> Option<PublicKey>) -> Result<Authentic, Unauthentic> {
        self.verify_with(&mut Vec::new(), key_of)
    }

    /// As [`Self::verify`], with a buffer for the signed bytes that many calls can share.
    pub fn verify_with(
        self,
        message: &mut Vec<u8>,
        key_of: impl Fn(&KeyId) -> Option<PublicKey>,
    ) -> Result<Authentic, Unauthentic> {
        dsse::write_pae(message, dsse::PAYLOAD_TYPE, &self.signed.event);
        let mut unknown = None;
        for Signature { keyid, bytes } in &self.signed.signatures {
            match key_of(keyid) {
                Some(key) if key.keyid() == *keyid && key.verify(message, bytes) => {}
                Some(_) => {
                    let error = SignatureError::Wrong(*keyid);
                    return Err(Unauthentic::Wrong(Box::new(self), error));
                }
                None => unknown = unknown.or(Some(*keyid)),
            }
        }
        match unknown {
            Some(keyid) => Err(Unauthentic::UnknownKey(Box::new(self), keyid)),
            None => Ok(Authentic(self)),
        }
    }
}

/// An event all of whose signatures verify.
#[derive(Debug, Clone, PartialEq)]
pub struct Authentic(Inspected);

impl Authentic {
    /// The event as read.
    pub const fn inspected(&self) -> &Inspected {
        &self.0
    }

    /// The event as read, given away.
    pub fn into_inspected(self) -> Inspected {
        self.0
    }
}

/// A refusal: its stable name and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable name of the rule.
    pub code: Cow<'static, str>,
    /// What was wrong, with the values: for the sender alone.
    pub message: String,
    /// What was wrong, without any value of the event: for the record, which keeps it for good.
    pub without_values: String,
}

impl Refusal {
    /// A refusal whose words hold nothing of an event's.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code: code.into(), without_values: message.clone(), message }
    }
}

macro_rules! refusal_from {
    ($($error:ty),*) => {$(
        impl From<&$error> for Refusal {
            fn from(error: &$error) -> Self {
                Self {
                    code: Cow::Borrowed(error.code()),
                    message: error.to_string(),
                    without_values: error.without_values(),
                }
            }
        }
    )*};
}
refusal_from!(EventError, SignatureError, VocabularyError, SequenceError, crate::registry::AuthorityError);

/// What becomes of an authentic event.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It becomes the next entry.
    Admit {
        /// How it found its place.
        placement: Placement,
        /// Its source's state with it.
        source: SourceState,
    },
    /// It stands in the history already, or its refusal does.
    Duplicate,
    /// It is refused, and the refusal becomes an entry.
    Reject {
        /// Why.
        refusal: Refusal,
        /// Its source's state, if the refusal fills its number there.
        fills: Option<SourceState>,
    },
    /// It contradicts what its source said before; that becomes an entry.
    Conflict {
        /// Why.
        refusal: Refusal,
        /// The event that holds the number.
        holder: Option<EventDigest>,
    },
    /// Not now: nothing is recorded, and it may be sent again.
    Later(Refusal),
}

/// Judges an event against the registry and its source's state as they stand before index and time `received`.
///
/// `holder` tells which event, or refused event, holds a number of this source that is taken.
pub fn decide(
    event: &Authentic,
    registry: &Registry,
    received: Timestamp,
    source: &SourceState,
    holder: impl FnOnce(u64) -> Option<EventDigest>,
) -> Decision {
    let Inspected { signed, digest, facts } = event.inspected();
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => return Decision::Reject { refusal: error.into(), fills: None },
    };
    let mut placed = source.clone();
    let placement = placed.place(&facts.claim());
    let held = match &placement {
        Err(SequenceError::Filled { sequence }) => holder(*sequence),
        _ => None,
    };
    if held == Some(*digest) {
        return Decision::Duplicate;
    }
    if let Err(error) = registry.authorise_source(facts, &signed.signatures, received) {
        return Decision::Reject { refusal: (&error).into(), fills: None };
    }
    let placement = match placement {
        Ok(placement) => placement,
        Err(error @ SequenceError::TooManyOpen { .. }) => return Decision::Later((&error).into()),
        Err(error @ SequenceError::AfterEnd { .. }) => {
            return Decision::Reject { refusal: (&error).into(), fills: None };
        }
        Err(error) => return Decision::Conflict { refusal: (&error).into(), holder: held },
    };
    let claim = match &facts.payload {
        Ok(payload) => {
            registry.authorise_claim(facts, payload, &signed.signatures).map_err(|error| Refusal::from(&error))
        }
        Err(error) => Err(error.into()),
    };
    match claim {
        Ok(()) => Decision::Admit { placement, source: placed },
        Err(refusal) => Decision::Reject { refusal, fills: filled(source, facts) },
    }
}

/// The source's state with a refused event's number filled. A refused event never ends its source.
fn filled(source: &SourceState, facts: &Facts) -> Option<SourceState> {
    let mut state = source.clone();
    let claim = crate::sequence::Claim { end: false, ..facts.claim() };
    state.place(&claim).ok().map(|_placement| state)
}
