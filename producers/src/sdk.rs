//! Events of `cloudevents-sdk`, for tools that build theirs with it.
//!
//! An SDK event becomes a draft, which is written once, in our order, and those bytes are signed: the SDK's own output
//! differs from run to run and rewrites times. What an SDK event has no place for (source and number of an emitter,
//! binary data) is refused by name. Never reads an event from bytes: the SDK drops duplicate keys. (docs/FORMAT.md)

use chrono::SecondsFormat;
use cloudevents::{
    AttributesReader, Data, Event,
    event::{ExtensionValue, SpecVersion},
};
use lineal_schemas::event::{dataschema_of, name_of};

use crate::draft::Draft;

/// Attributes that the emitter adds.
const ADDED: [&str; 3] = ["ledger", "sequence", "previous"];

/// Why an SDK event can't be emitted as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("attribute `{attribute}` of the SDK event: {rule}, found `{found}`")]
pub struct SdkError {
    /// The attribute.
    pub attribute: String,
    /// What it must be.
    pub rule: &'static str,
    /// What it is.
    pub found: String,
}

impl SdkError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        "sdk-event"
    }
}

/// Takes an SDK event as what the emitter of `source` will say.
pub(crate) fn draft_of(event: &Event, source: &str) -> Result<Draft, SdkError> {
    check_fixed(event, source)?;
    let name = name_of(event.ty()).ok_or_else(|| refuse("type", "it is `dev.lineal.<name>.v1`", event.ty()))?;
    if let Some(schema) = event.dataschema().filter(|schema| schema.as_str() != dataschema_of(name)) {
        return Err(refuse("dataschema", "it is absent or names the type's schema", schema));
    }
    let mut draft = Draft::new(name, event.subject().unwrap_or_default(), data_of(event)?);
    draft.id = Some(event.id().to_owned());
    draft.time = event.time().map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    add_extensions(event, &mut draft)?;
    Ok(draft)
}

fn check_fixed(event: &Event, source: &str) -> Result<(), SdkError> {
    if event.specversion() != SpecVersion::V10 {
        return Err(refuse("specversion", "it is `1.0`", event.specversion()));
    }
    if event.source() != source {
        return Err(refuse("source", "it is the emitter's own source", event.source()));
    }
    match event.datacontenttype() {
        None | Some("application/json") => Ok(()),
        Some(other) => Err(refuse("datacontenttype", "it is `application/json`", other)),
    }
}

fn data_of(event: &Event) -> Result<String, SdkError> {
    match event.data() {
        Some(Data::Json(value)) => Ok(value.to_string()),
        Some(Data::String(text)) => Ok(text.clone()),
        Some(Data::Binary(_)) => Err(refuse("data", "it is a JSON object", "binary data")),
        None => Err(refuse("data", "it is a JSON object", "nothing")),
    }
}

/// The SDK keeps extensions in a hash map; they are written sorted by name.
fn add_extensions(event: &Event, draft: &mut Draft) -> Result<(), SdkError> {
    for (name, value) in event.iter_extensions() {
        match value {
            _ if ADDED.contains(&name) => return Err(refuse(name, "it is added by the emitter", value)),
            ExtensionValue::Boolean(true) if name == "sequenceend" => draft.last = true,
            ExtensionValue::Boolean(flag) => draft.extensions.push((name.to_owned(), (*flag).into())),
            ExtensionValue::Integer(number) => draft.extensions.push((name.to_owned(), (*number).into())),
            ExtensionValue::String(text) => draft.extensions.push((name.to_owned(), text.as_str().into())),
        }
    }
    draft.extensions.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(())
}

fn refuse(attribute: &str, rule: &'static str, found: impl ToString) -> SdkError {
    SdkError { attribute: attribute.to_owned(), rule, found: found.to_string() }
}
