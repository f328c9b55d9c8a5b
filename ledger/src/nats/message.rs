//! A message becomes a signed event, or a refusal that says why it is none.
//!
//! Promises to take the body as it is, and never to fail: one poisonous message is one refusal. The subject is routing:
//! who said it is what the signatures prove. (docs/FORMAT.md, NATS)

use async_nats::{HeaderMap, Message};
use lineal_schemas::{
    admission::Refusal,
    digest::{EventDigest, KeyId},
    dsse::Signed,
};

use crate::binding::{self, BindingError, EVENT_MEDIA_TYPE, Form};

/// All that producers may publish to.
pub(super) const EVENT_SUBJECTS: &str = "lineal.events.>";

/// What a message holds.
#[derive(Debug)]
pub(super) struct Arrival {
    /// The body's digest.
    pub(super) digest: EventDigest,
    /// The producer that its subject names; the server's permissions decide who may use it.
    pub(super) token: Option<String>,
    /// The keys that its signatures claim.
    pub(super) signers: Vec<KeyId>,
    /// The event, until the ledger has it.
    pub(super) event: Option<Signed>,
    /// Why it is none.
    pub(super) refusal: Option<Refusal>,
}

impl Arrival {
    pub(super) fn of(message: &Message) -> Self {
        let (event, refusal) = match signed(message) {
            Ok(event) => (Some(event), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let signers = event.iter().flat_map(|signed| signed.signatures.iter().map(|one| one.keyid)).collect();
        let token = message.subject.split('.').nth(2).filter(|token| is_producer(token)).map(str::to_owned);
        Self { digest: EventDigest::of(&message.payload), token, signers, event, refusal }
    }
}

/// A producer's name, which is one token of a subject (docs/EVENTS.md, `key.enrolled`).
pub(super) fn is_producer(token: &str) -> bool {
    let is_of_a_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&token.len()) && token.bytes().all(is_of_a_name)
}

fn signed(message: &Message) -> Result<Signed, Refusal> {
    let none = HeaderMap::new();
    let headers = message.headers.as_ref().unwrap_or(&none);
    // The first version of the binding had no content type: everything was structured.
    let content_type = values(headers, "content-type").next().unwrap_or(EVENT_MEDIA_TYPE);
    match binding::form_of(content_type, values(headers, "ce-specversion").next().is_some()) {
        Ok(Form::Single) => {}
        Ok(Form::Many) => return Err(refusal(&BindingError::MediaType(content_type.chars().take(80).collect()))),
        Err(error) => return Err(refusal(&error)),
    }
    let signatures =
        binding::signatures_of(values(headers, binding::SIGNATURE)).map_err(|error| Refusal::from(&error))?;
    Ok(Signed { event: message.payload.to_vec(), signatures })
}

/// The values of a header, whatever the case of its name.
fn values<'h>(headers: &'h HeaderMap, name: &'static str) -> impl Iterator<Item = &'h str> {
    let named = headers.iter().filter(move |(found, _values)| AsRef::<str>::as_ref(found).eq_ignore_ascii_case(name));
    named.flat_map(|(_name, values)| values.iter().map(async_nats::HeaderValue::as_str))
}

fn refusal(error: &BindingError) -> Refusal {
    Refusal::new(error.code(), error.to_string())
}

#[cfg(test)]
mod tests {
    use lineal_schemas::key::SecretKey;

    use super::*;

    fn message(subject: &str, headers: &[(&str, &str)], body: &'static [u8]) -> Message {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let payload = axum::body::Bytes::from_static(body);
        let length = payload.len();
        let headers = Some(headers);
        Message { subject: subject.into(), reply: None, payload, headers, status: None, description: None, length }
    }

    fn signature() -> String {
        let key = SecretKey::from_seed([1; 32]).unwrap();
        Signed::sign(b"{}".to_vec(), &[&key]).signatures[0].to_string()
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let signature = signature();
        for (content_type, name) in [
            ("Content-Type", "Lineal-Signature"),
            ("content-type", "lineal-signature"),
            ("CONTENT-TYPE", "LINEAL-SIGNATURE"),
        ] {
            let headers = [(content_type, "application/cloudevents+json; charset=utf-8"), (name, signature.as_str())];
            let arrival = Arrival::of(&message("lineal.events.ci.dataset.snapshotted", &headers, b"{}"));
            assert_eq!(arrival.event.unwrap().signatures[0].to_string(), signature, "{name}");
            assert_eq!((arrival.token.as_deref(), arrival.signers.len()), (Some("ci"), 1));
        }
    }

    #[test]
    fn what_is_no_structured_event_says_why() {
        let signature = signature();
        let cases: [(&[(&str, &str)], &str); 5] = [
            (&[("ce-specversion", "1.0"), ("content-type", "application/json")], "binary-mode"),
            (&[("content-type", "application/cloudevents-batch+json")], "batch-mode"),
            (&[("content-type", "application/x-ndjson"), ("lineal-signature", &signature)], "media-type"),
            (&[("content-type", "text/plain")], "media-type"),
            (&[("lineal-signature", "nonsense")], "malformed-signature"),
        ];
        for (headers, code) in cases {
            let arrival = Arrival::of(&message("lineal.events.ci.x.y", headers, b"{}"));
            assert_eq!(arrival.refusal.unwrap().code, code);
            assert!(arrival.event.is_none() && arrival.digest == EventDigest::of(b"{}"));
        }
    }

    #[test]
    fn a_subject_names_a_producer_or_nobody() {
        for (subject, token) in [
            ("lineal.events.payments-ci.run.completed", Some("payments-ci")),
            ("lineal.events.Payments.run.completed", None),
            ("lineal.events", None),
            ("lineal.events.a\u{202e}b.run.completed", None),
        ] {
            assert_eq!(Arrival::of(&message(subject, &[], b"{}")).token.as_deref(), token);
        }
    }
}
