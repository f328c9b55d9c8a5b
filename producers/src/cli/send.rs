//! `send`: drafts that another tool wrote, or envelopes that were signed elsewhere.

use std::path::PathBuf;

use clap::Args;
use lineal_producers::{
    Draft,
    check::{check_draft, check_event},
    delivery::{Courier, Sent, chain},
    object::Object,
};
use lineal_schemas::dsse::Signed;

use super::{
    console::{Failure, events},
    documents::{Document, Kind, documents},
    session::{Answer, Session},
    values::read_bytes,
};

/// Send drafts `{"type","subject","data"}`, which are signed here, or DSSE envelopes, which are sent as they are.
///
/// All of them are checked before the first is sent. `type` may be the full one or its name, `dataset.snapshotted`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit send drafts.jsonl --to nats://127.0.0.1:4222 --producer ci --nats-nkey ci.nk
  echo '{\"type\":\"alias.moved\",\"subject\":\"alias/a/b\",\"data\":{…}}' | lineal-emit send -")]
pub(crate) struct Arguments {
    /// The file, one document a line, or `-` for standard input.
    file: PathBuf,
}

pub(crate) fn send(session: &Session<'_>, arguments: &Arguments) -> Result<u8, Failure> {
    let bytes = read_bytes(&arguments.file)?;
    let (mut drafts, mut envelopes) = (Vec::new(), Vec::new());
    for document in documents(&bytes) {
        match sound(&document)? {
            Kind::Draft(draft) => drafts.push(draft),
            Kind::Envelope(signed) => envelopes.push(signed),
            Kind::Event => {
                return Err(at(&document, "unsigned", "an event without signatures")
                    .with_hint("send a draft {\"type\",\"subject\",\"data\"} to have it signed, or an envelope"));
            }
        }
    }
    let mut events = if envelopes.is_empty() { Vec::new() } else { forward(&session.courier()?, &envelopes)? };
    let (source, emitted) = emit(session, drafts)?;
    events.extend(emitted);
    let answer = Answer { line: format!("{} sent", events.len()), object: Object::new() };
    session.print(Some(answer), &events, &source)
}

fn sound(document: &Document<'_>) -> Result<Kind, Failure> {
    let kind = document.kind().map_err(|(code, message)| at(document, code, &message))?;
    let checked = match &kind {
        Kind::Draft(draft) => check_draft(draft),
        Kind::Envelope(signed) => check_event(&signed.event).map(|_sound| ()),
        Kind::Event => Ok(()),
    };
    checked.map(|()| kind).map_err(|error| at(document, error.code(), &error.to_string()))
}

fn at(document: &Document<'_>, code: &str, message: &str) -> Failure {
    Failure::refused(format!("line {}: {message} ({code})", document.line)).with_hint("nothing was sent")
}

fn forward(courier: &Courier, envelopes: &[Signed]) -> Result<Vec<(String, Sent)>, Failure> {
    let bar = events(envelopes.len());
    let sent = courier.forward(envelopes, &mut |some| bar.inc(some.len() as u64));
    bar.finish_and_clear();
    let sent = sent.map_err(|error| Failure::refused(format!("{} ({})", chain(&error), error.code())))?;
    Ok(sent.into_iter().map(|one| ("envelope".to_owned(), one)).collect())
}

/// All drafts are of one source, which the last one closes.
pub(crate) fn emit(session: &Session<'_>, mut drafts: Vec<Draft>) -> Result<(String, Vec<(String, Sent)>), Failure> {
    let Some(last) = drafts.pop() else { return Ok((String::new(), Vec::new())) };
    drafts.push(session.last(last));
    let mut emitter = session.emitter()?;
    let bar = events(drafts.len());
    let sent = emitter.emit_watched(&drafts, &mut |some| bar.inc(some.len() as u64));
    bar.finish_and_clear();
    let sent = sent?;
    let named = drafts.into_iter().map(|draft| draft.name).zip(sent);
    Ok((emitter.source().to_owned(), named.collect()))
}
