//! Who may say what, as it stands: the answer to `lineal keys`.

use lineal_schemas::{
    key::PublicKey,
    registry::{Enrolment, Registry},
    timestamp::Timestamp,
};
use serde_json::{Value, json};

use super::{AnswerError, AsOf, When, graph::Reader};
use crate::ledger::View;

/// All keys as they are known, as JSON; whether each is valid, at the moment that `when` names.
pub fn keys(view: &View, when: impl Into<When>) -> Result<Value, AnswerError> {
    let reader = Reader::new(view, when.into())?;
    Ok(document(reader.registry(), reader.moment().at, &reader.as_of()))
}

fn document(registry: &Registry, now: Timestamp, as_of: &AsOf) -> Value {
    let keys: Vec<Value> = registry.enrolments().map(|enrolment| key_document(enrolment, now)).collect();
    let roots: Vec<_> = registry.roots().map(PublicKey::keyid).collect();
    let ledger: Vec<_> = registry.checkpoint_keys(now).iter().map(ToString::to_string).collect();
    json!({"origin": registry.origin(), "genesis": registry.genesis(), "ledgerKeys": ledger, "roots": roots, "keys": keys, "asOf": as_of})
}

fn key_document(enrolment: &Enrolment, now: Timestamp) -> Value {
    let scope = enrolment.scope();
    let state = enrolment.check_valid(now).map_or_else(|error| error.code().to_owned(), |()| "valid".to_owned());
    json!({
        "keyid": enrolment.key().keyid(),
        "producer": enrolment.producer(),
        "state": state,
        "roles": scope.roles,
        "types": scope.types,
        "sources": scope.sources,
        "names": scope.names,
        "notBefore": enrolment.validity().0,
        "notAfter": enrolment.validity().1,
        "enrolledAt": enrolment.enrolled_at().0,
        "enrolled": enrolment.enrolled_at().1,
        "revoked": enrolment.revocation().map(|(at, reason)| json!({"at": at, "reason": reason})),
        "compromisedSince": enrolment.compromised_since(),
    })
}
