//! `lineal rejected` and `lineal parked`: what did not become part of the history, and why.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use lineal_schemas::{digest::EventDigest, facts::Facts, vocabulary::Payload};
use serde_json::{Value, json};

use super::{Failure, Place, maintain::whole_view, print, print_json};
use crate::{data_dir::DataDir, parked, quarantine};

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    place: Place,
    /// The event's digest, or the beginning of it
    #[arg(value_name = "DIGEST")]
    digest: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum Rejected {
    /// List refusals and conflicts, as they stand in the record
    List(List),
    /// Show a refused event, if its bytes were kept
    Show(Show),
}

impl Rejected {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::List(list) => list_rejected(&list.place),
            Self::Show(show) => show_rejected(&show),
        }
    }
}

fn list_rejected(place: &Place) -> Result<ExitCode, Failure> {
    let view = whole_view(place)?;
    let mut refusals = Vec::new();
    let size = view.record.size();
    view.record
        .scan(0, size, &mut |stored| {
            let entry = stored.entry();
            let facts = stored.facts();
            refusals.extend(facts.and_then(|facts| refusal(stored.index, &entry.received.to_string(), &facts)));
            Ok(())
        })
        .map_err(|error| Failure::new(error.to_string()))?;
    if place.json {
        print_json(&json!({"refusals": refusals, "size": size}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines = vec![format!("{} refused or conflicting events in {size} entries", refusals.len())];
    let field = |value: &Value, name: &str| value.get(name).map_or_else(|| "-".to_owned(), plain);
    lines.extend(refusals.iter().map(|refusal| {
        let [index, received, outcome, event, reason, message] =
            ["index", "received", "outcome", "event", "reason", "message"].map(|name| field(refusal, name));
        format!("{index:>8}  {received}  {outcome:<10}  {event}  {reason}: {message}")
    }));
    print(&lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn refusal(index: u64, received: &str, facts: &Facts) -> Option<Value> {
    match facts.payload.as_ref().ok()? {
        Payload::EventRejected(refused) => Some(json!({
            "index": index, "received": received, "outcome": "rejected", "event": refused.event, "keyid": refused.keyid,
            "reason": refused.reason, "message": refused.message, "source": refused.source, "sequence": refused.sequence,
        })),
        Payload::EventConflicted(refused) => Some(json!({
            "index": index, "received": received, "outcome": "conflicted", "event": refused.event, "keyid": refused.keyid,
            "reason": refused.reason, "message": format!("sequence {} of {}", refused.sequence.get(), refused.source),
            "source": refused.source, "sequence": refused.sequence, "accepted": refused.accepted,
        })),
        _ => None,
    }
}

fn show_rejected(show: &Show) -> Result<ExitCode, Failure> {
    let dir = DataDir::find(&show.place.dir)?;
    let found = quarantine::show(dir.root(), &show.digest)?;
    if found.is_empty() {
        return Err(Failure::new(format!("no refused event {} was kept", show.digest))
            .hint("`lineal rejected list` shows the refusals that stand in the record"));
    }
    print(&found.concat())?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Subcommand)]
pub(super) enum Parked {
    /// List the events that wait, with the key that each waits for
    List(List),
    /// Show a waiting event as its DSSE envelope
    Show(Show),
}

impl Parked {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let place = match &self {
            Self::List(list) => &list.place,
            Self::Show(show) => &show.place,
        };
        let dir = DataDir::find(&place.dir)?;
        let waiting = parked::Parked::open(std::sync::Arc::new(dir.storage()))?;
        match &self {
            Self::List(list) => list_parked(&list.place, &waiting),
            Self::Show(show) => show_parked(show, &waiting),
        }
    }
}

fn list_parked(place: &Place, waiting: &parked::Parked) -> Result<ExitCode, Failure> {
    let all: Vec<_> = waiting.waiting().copied().collect();
    if place.json {
        let events: Vec<_> = all.iter().map(|(keyid, event)| json!({"keyid": keyid, "event": event})).collect();
        print_json(&json!({"parked": events}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines = vec![format!("{} events wait for their key to be enrolled", all.len())];
    lines.extend(all.iter().map(|(keyid, event)| format!("{event}  key {keyid}")));
    print(&lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn show_parked(show: &Show, waiting: &parked::Parked) -> Result<ExitCode, Failure> {
    let digests: Vec<EventDigest> = waiting
        .waiting()
        .map(|(_keyid, digest)| *digest)
        .filter(|digest| digest.to_string().starts_with(&show.digest))
        .collect();
    for digest in &digests {
        if let Some((_keyid, signed)) = waiting.find(digest)? {
            print(&signed.to_envelope())?;
        }
    }
    if digests.is_empty() {
        return Err(Failure::new(format!("no event {} is waiting", show.digest))
            .hint("`lineal parked list` shows those that do"));
    }
    Ok(ExitCode::SUCCESS)
}
