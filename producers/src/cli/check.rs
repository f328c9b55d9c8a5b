//! `check`: looks at events, envelopes or drafts as the ledger will, without sending anything.

use std::path::PathBuf;

use clap::Args;
use lineal_producers::{
    check::{check_draft, check_event},
    object::Object,
};
use lineal_schemas::{digest::EventDigest, dsse, key::PublicKey};

use super::{
    console::{self, Failure},
    documents::{Document, Kind, documents},
    session::Session,
    values::read_bytes,
};

/// Check events, envelopes or drafts without sending them: each fault is named with field, rule and place.
///
/// Reads one document a line: an event, a DSSE envelope, or a draft `{"type","subject","data"}`. What only the ledger
/// knows is not checked: whether the key may say it, and whether the number follows.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit check events.jsonl
  lineal-emit check --public-key ci.pub envelopes.jsonl")]
pub(crate) struct Arguments {
    /// The file, or `-` for standard input.
    file: PathBuf,
    /// A public key that signatures under its id are verified with; repeatable.
    #[arg(long, value_name = "FILE")]
    public_key: Vec<PathBuf>,
}

/// What was found about one document.
struct Finding {
    line: usize,
    what: Result<String, (&'static str, String)>,
    event: Option<EventDigest>,
}

pub(crate) fn check(session: &Session<'_>, arguments: &Arguments) -> Result<u8, Failure> {
    let keys = arguments.public_key.iter().map(read_public_key).collect::<Result<Vec<_>, _>>()?;
    let bytes = read_bytes(&arguments.file)?;
    let findings: Vec<Finding> = documents(&bytes).iter().map(|document| look(document, &keys)).collect();
    if findings.is_empty() {
        return Err(Failure::refused(format!("{} holds nothing to check", arguments.file.display())));
    }
    let faults = findings.iter().filter(|finding| finding.what.is_err()).count();
    if !session.options.json {
        console::answer(format!("{} checked, {faults} refused", findings.len()))?;
    }
    for finding in &findings {
        console::answer(if session.options.json { finding.object().to_json() } else { finding.text() })?;
    }
    Ok(u8::from(faults > 0))
}

impl Finding {
    fn text(&self) -> String {
        let event = self.event.map(|event| format!(" event {event}")).unwrap_or_default();
        match &self.what {
            Ok(what) => format!("line {}: ok, {what}{event}", self.line),
            Err((code, message)) => format!("line {}: {code}: {message}", self.line),
        }
    }

    fn object(&self) -> Object {
        let object = Object::new().with("line", self.line).with("ok", self.what.is_ok()).with_some("event", self.event);
        match &self.what {
            Ok(what) => object.with("what", what),
            Err((code, message)) => object.with("code", code).with("message", message),
        }
    }
}

fn look(document: &Document<'_>, keys: &[PublicKey]) -> Finding {
    let found = document.kind().and_then(|kind| match kind {
        Kind::Draft(draft) => match check_draft(&draft) {
            Ok(()) => Ok((format!("draft of {} about {}", draft.name, draft.subject), None)),
            Err(error) => Err((error.code(), error.to_string())),
        },
        Kind::Event => sound(document.bytes).map(|what| (what, Some(EventDigest::of(document.bytes)))),
        Kind::Envelope(signed) => {
            let what = sound(&signed.event)?;
            let verified = signatures(&signed, keys)?;
            Ok((
                format!("{what}, {verified} of {} signatures verified,", signed.signatures.len()),
                Some(signed.digest()),
            ))
        }
    });
    let (what, event) = match found {
        Ok((what, event)) => (Ok(what), event),
        Err(fault) => (Err(fault), None),
    };
    Finding { line: document.line, what, event }
}

fn sound(bytes: &[u8]) -> Result<String, (&'static str, String)> {
    match check_event(bytes) {
        Ok((event, _payload)) => Ok(format!("{} about {}", event.name(), event.subject)),
        Err(error) => Err((error.code(), error.to_string())),
    }
}

/// How many signatures are of a key that we were given; one that does not verify is a fault.
fn signatures(signed: &dsse::Signed, keys: &[PublicKey]) -> Result<usize, (&'static str, String)> {
    let mut verified = 0;
    for signature in &signed.signatures {
        if let Some(key) = keys.iter().find(|key| key.keyid() == signature.keyid) {
            dsse::verify(&signed.event, signature, key).map_err(|error| (error.code(), error.to_string()))?;
            verified += 1;
        }
    }
    Ok(verified)
}

pub(crate) fn read_public_key(path: &PathBuf) -> Result<PublicKey, Failure> {
    let pem = std::fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    PublicKey::from_pem(&pem).map_err(|error| Failure::unreadable(path, &error))
}
