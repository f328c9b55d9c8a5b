//! How a signed event travels by the CloudEvents bindings: its media type, and its signatures as headers.
//!
//! One rule for HTTP and NATS. Only structured mode is taken: the body is the very bytes that were signed. Header names
//! are compared without case, which CloudEvents asks for and NATS does not. (docs/FORMAT.md, HTTP and NATS)

use lineal_schemas::dsse::{Signature, SignatureError};

/// A header with a signature: `<keyid>:<base64>`, repeated or in a list.
pub const SIGNATURE: &str = "lineal-signature";

/// A structured event.
pub const EVENT_MEDIA_TYPE: &str = "application/cloudevents+json";

/// How events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One event; its signatures are headers.
    Single,
    /// DSSE envelopes, one a line.
    Many,
}

/// Why what was sent can't be an event that was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// Attributes as headers.
    #[error(
        "CloudEvents binary mode: attributes that travel as headers can't be signed as sent; send the event in \
         structured mode (Content-Type application/cloudevents+json) with its signatures as `Lineal-Signature` headers"
    )]
    BinaryMode,
    /// Events in a JSON array.
    #[error(
        "CloudEvents batch mode: a JSON array has no place for the signatures of each event; send DSSE envelopes, one a \
         line (Content-Type application/x-ndjson)"
    )]
    BatchMode,
    /// Something else.
    #[error(
        "Content-Type `{0}`: send application/cloudevents+json with `Lineal-Signature` headers, or application/x-ndjson \
         with a DSSE envelope on each line"
    )]
    MediaType(String),
}

impl BindingError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BinaryMode => "binary-mode",
            Self::BatchMode => "batch-mode",
            Self::MediaType(_) => "media-type",
        }
    }
}

/// The content type decides first: a structured event stays one, whatever headers somebody added on the way.
pub fn form_of(content_type: &str, has_attribute_headers: bool) -> Result<Form, BindingError> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        EVENT_MEDIA_TYPE => Ok(Form::Single),
        batch if batch.starts_with("application/cloudevents-batch") => Err(BindingError::BatchMode),
        _ if has_attribute_headers => Err(BindingError::BinaryMode),
        "application/x-ndjson" => Ok(Form::Many),
        _ => Err(BindingError::MediaType(content_type.chars().take(80).collect())),
    }
}

/// The signatures of a single event: the header may be repeated, or hold a list (RFC 9110 section 5.3).
pub fn signatures_of<V: AsRef<str>>(values: impl Iterator<Item = V>) -> Result<Vec<Signature>, SignatureError> {
    let mut signatures = Vec::new();
    for value in values {
        for one in value.as_ref().split(',') {
            signatures.push(one.trim().parse()?);
        }
    }
    Ok(signatures)
}
