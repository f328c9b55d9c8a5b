//! What the ledger itself has to say: genesis, refusals, conflicts and heartbeats, as events of its own source and key.
//!
//! A rejection or an equivocation stands in the record like everything else, so that nobody can hide it. These events
//! are built here once, as one line of compact JSON, and signed over those bytes.

use lineal_schemas::{
    digest::EventDigest,
    dsse::Signed,
    event::{dataschema_of, type_of},
    key::SecretKey,
    timestamp::Timestamp,
    vocabulary::Payload,
};

/// Where an own event stands.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// The source that speaks.
    pub source: &'a str,
    /// Its number there.
    pub sequence: u64,
    /// The event before; absent on the first.
    pub previous: Option<EventDigest>,
    /// The genesis; absent in the genesis itself.
    pub ledger: Option<EventDigest>,
    /// When.
    pub time: Timestamp,
}

/// The bytes of an event, attributes in a fixed order and `data` last.
pub fn event_bytes(place: &Place<'_>, subject: &str, name: &str, data: &str) -> Vec<u8> {
    let millis = u64::try_from(place.time.as_millis()).unwrap_or(0);
    let instant = uuid::Timestamp::from_unix_time(millis / 1000, nanos(millis), 0, 0);
    let id = uuid::Uuid::new_v7(instant);
    let mut text = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"{}","type":"{}","subject":"{subject}","time":"{}","datacontenttype":"application/json","dataschema":"{}""#,
        place.source,
        type_of(name),
        place.time,
        dataschema_of(name),
    );
    if let Some(ledger) = place.ledger {
        text.push_str(&format_member("ledger", &ledger.to_string()));
    }
    text.push_str(&format_member("sequence", &format!("{:012}", place.sequence)));
    if let Some(previous) = place.previous {
        text.push_str(&format_member("previous", &previous.to_string()));
    }
    text.push_str(r#","data":"#);
    text.push_str(data);
    text.push('}');
    text.into_bytes()
}

fn nanos(millis: u64) -> u32 {
    u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000
}

fn format_member(name: &str, value: &str) -> String {
    format!(r#","{name}":"{value}""#)
}

/// Builds and signs an own event.
pub fn sign(
    place: &Place<'_>,
    subject: &str,
    payload: &Payload,
    keys: &[&SecretKey],
) -> Result<Signed, serde_json::Error> {
    let data = payload.to_json()?;
    Ok(Signed::sign(event_bytes(place, subject, payload.name(), &data), keys))
}
