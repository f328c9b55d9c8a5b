//! `flush` and `outbox`: sends what waits, and shows what does.

use clap::Args;
use lineal_producers::{
    backoff::Backoff,
    delivery::{Courier, Delivery, Flushed, Sent},
    object::Object,
};

use super::{
    console::{self, Failure},
    session::{Session, event_object, fate},
};

/// Send everything that waits in the outbox, and the attachments of what was committed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit flush
  lineal-emit flush --follow
  lineal-emit flush --to nats://nats.example:4222 --producer ci --nats-creds ci.creds

It can be stopped at any moment, and loses nothing.

Exit codes: 0 nothing waits any more, 1 something still waits or was refused.")]
pub(crate) struct FlushArguments {
    /// Go on until nothing waits any more, with growing pauses while nobody takes it.
    #[arg(long)]
    follow: bool,
}

pub(crate) fn flush(session: &Session<'_>, arguments: &FlushArguments) -> Result<u8, Failure> {
    let courier = session.courier()?;
    let mut backoff = Backoff::default();
    let mut flushed = flush_once(&courier)?;
    while arguments.follow && waits(&flushed) {
        let pause = backoff.pause();
        if let Some(reason) = reason(&flushed) {
            console::status(format!("again in {:.1} s: {reason}", pause.as_secs_f64()));
        }
        std::thread::park_timeout(pause);
        let again = flush_once(&courier)?;
        if again.sent.iter().any(|(_, sent)| !matches!(sent.delivery, Delivery::Pending(_))) {
            backoff = Backoff::default();
        }
        flushed = followed_by(flushed, again);
    }
    report(session, &flushed)
}

fn flush_once(courier: &Courier) -> Result<Flushed, Failure> {
    let waiting: usize = courier.outbox.status()?.iter().map(|source| source.pending.len()).sum();
    let bar = console::events(waiting);
    let flushed = courier.flush_watched(&mut |some| bar.inc(some.len() as u64));
    bar.finish_and_clear();
    Ok(flushed?)
}

fn waits(flushed: &Flushed) -> bool {
    reason(flushed).is_some()
}

/// Why something still waits.
fn reason(flushed: &Flushed) -> Option<&str> {
    let events = flushed.sent.iter().find_map(|(_, sent)| match &sent.delivery {
        Delivery::Pending(reason) => Some(reason.as_str()),
        _ => None,
    });
    events.or_else(|| flushed.attachments_left.first().map(|(_attachment, reason)| reason.as_str()))
}

/// What two flushes came to together: what waited after the first was tried in the second.
fn followed_by(before: Flushed, mut after: Flushed) -> Flushed {
    let is_settled = |(_, sent): &(String, Sent)| !matches!(sent.delivery, Delivery::Pending(_));
    let settled = before.sent.into_iter().filter(is_settled);
    after.sent = settled.chain(after.sent).collect();
    after
}

fn report(session: &Session<'_>, flushed: &Flushed) -> Result<u8, Failure> {
    let waits = flushed.sent.iter().filter(|(_, sent)| matches!(sent.delivery, Delivery::Pending(_))).count();
    let refused = flushed.sent.iter().filter(|(_, sent)| matches!(sent.delivery, Delivery::Refused { .. })).count();
    if session.options.json {
        console::answer(object(flushed).to_json())?;
    } else {
        let settled = flushed.sent.len() - waits - refused;
        console::answer(format!("{settled} settled, {refused} refused, {waits} waiting"))?;
    }
    for (source, sent) in &flushed.sent {
        console::status(format!("{source} {} {}: {}", sent.sequence, sent.event, fate(&sent.delivery)));
    }
    for source in &flushed.in_use {
        console::status(format!("{source}: open in another process, which sends it"));
    }
    for (attachment, reason) in &flushed.attachments_left {
        console::status(format!("attachment {attachment} waits: {reason}"));
    }
    Ok(u8::from(waits + refused + flushed.attachments_left.len() > 0))
}

fn object(flushed: &Flushed) -> Object {
    let events: Vec<_> =
        flushed.sent.iter().map(|(source, sent)| event_object("", sent).with("source", source)).collect();
    let attachments: Vec<_> = flushed
        .attachments_left
        .iter()
        .map(|(digest, reason)| Object::new().with("sha256", digest).with("reason", reason))
        .collect();
    Object::new().with("events", events).with("inUse", &flushed.in_use).with("attachments", attachments)
}

/// Show what the outbox holds.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {}

pub(crate) fn status(session: &Session<'_>, _arguments: &StatusArguments) -> Result<u8, Failure> {
    let outbox = session.outbox()?;
    let status = outbox.status()?;
    let attachments: usize = outbox.owed()?.iter().map(|owed| owed.attachments.len()).sum();
    let pending: usize = status.iter().map(|source| source.pending.len()).sum();
    let refused: usize = status.iter().map(|source| source.refused.len()).sum();
    if session.options.json {
        let sources: Vec<_> = status
            .iter()
            .map(|one| {
                Object::new().with("source", &one.source).with("pending", &one.pending).with("refused", &one.refused)
            })
            .collect();
        console::answer(Object::new().with("sources", sources).with("attachments", attachments).to_json())?;
        return Ok(0);
    }
    console::answer(format!("{pending} waiting, {refused} refused, {attachments} attachments to send"))?;
    for source in status.iter().filter(|source| !source.pending.is_empty() || !source.refused.is_empty()) {
        let (pending, refused) = (source.pending.len(), source.refused.len());
        console::answer(format!("{}: {pending} waiting, {refused} refused", source.source))?;
    }
    Ok(0)
}
