//! `inventory`: what runs in a whole environment, in as many events as it takes.

use std::{collections::BTreeSet, path::PathBuf};

use clap::Args;
use lineal_producers::{Draft, clock, object::Object};
use lineal_schemas::event::MAX_EVENT_BYTES;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    console::Failure,
    send::emit,
    session::{Answer, Session},
    values::read_list,
};

/// The most bytes of services in one event; the rest is for the envelope and for what else the event says.
pub(crate) const MAX_SERVICES_BYTES: usize = MAX_EVENT_BYTES - 16 * 1024;

/// Record what runs in a whole environment, and with it that nothing else does there.
///
/// What is too large for one event is split: each then says which part of how many it is.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lineal-emit inventory fleet.json --environment environment/eu-1/prod --observer eu-1-agent --next-within 3600

fleet.json:
  [{\"service\":\"service/shop/camera\",\"servingSet\":[
     {\"instances\":9412,\"components\":[{\"role\":\"model\",\"artifact\":{\"digest\":{\"sha256\":\"9f86…0a08\"}}}]}]},
   {\"service\":\"service/payments/refunds\",\"servingSet\":[]}]")]
pub(crate) struct Arguments {
    /// The file with the services (`-` for standard input): a JSON list, or an object with it under `services`.
    /// Services are named without their place.
    file: PathBuf,
    /// Where, `environment/<cluster>/<environment>`.
    #[arg(long)]
    environment: String,
    /// Who saw it, as a pseudonym.
    #[arg(long, value_name = "HANDLE", env = "LINEAL_OBSERVER", default_value = "lineal-emit")]
    observer: String,
    /// When it was seen; by default now.
    #[arg(long, value_name = "TIME")]
    observed_at: Option<String>,
    /// Not everything there was seen.
    #[arg(long)]
    partial: bool,
    /// When the next inventory is due at the latest; silence after that is unknown.
    #[arg(long, value_name = "SECONDS")]
    next_within: Option<u64>,
}

pub(crate) fn inventory(session: &Session<'_>, arguments: &Arguments) -> Result<u8, Failure> {
    let list = read_list(&arguments.file, "services")?;
    let services: Vec<&RawValue> = serde_json::from_str(list.get())
        .map_err(|error| Failure::refused(format!("{} is no list: {error}", arguments.file.display())))?;
    each_once(&services)?;
    let observed_at = arguments.observed_at.clone().unwrap_or_else(|| clock::now().to_string());
    let inventory = Inventory {
        environment: &arguments.environment,
        observer: &arguments.observer,
        observed_at: &observed_at,
        complete: !arguments.partial,
        next_within: arguments.next_within,
    };
    let drafts = drafts(session, &inventory, &services);
    let of = drafts.len();
    let (source, events) = emit(session, drafts)?;
    let line =
        format!("{} of {} in {}", counted(services.len(), "service"), arguments.environment, counted(of, "event"));
    let object = Object::new().with("environment", &arguments.environment).with("observedAt", &observed_at);
    session.print(Some(Answer { line, object }), &events, &source)
}

/// What an inventory says beside its services.
#[derive(Debug)]
pub(crate) struct Inventory<'a> {
    pub(crate) environment: &'a str,
    pub(crate) observer: &'a str,
    pub(crate) observed_at: &'a str,
    pub(crate) complete: bool,
    pub(crate) next_within: Option<u64>,
}

/// The events of an inventory: one, or as many as it takes.
pub(crate) fn drafts(session: &Session<'_>, inventory: &Inventory<'_>, services: &[&RawValue]) -> Vec<Draft> {
    let parts = parts(services);
    let of = parts.len();
    let numbered = (1_usize..).zip(parts).map(|(number, services)| {
        let part = (of > 1).then(|| Object::new().with("number", number).with("of", of));
        let payload = Object::new()
            .with("environment", inventory.environment)
            .with("observedAt", inventory.observed_at)
            .with("observer", inventory.observer)
            .with("complete", inventory.complete)
            .with("services", services)
            .with_some("part", part)
            .with_some("nextWithinSeconds", inventory.next_within);
        session.draft("inventory.observed", inventory.environment, payload, Vec::new())
    });
    numbered.collect()
}

pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// What is listed twice would be said in two ways.
fn each_once(services: &[&RawValue]) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Listed {
        service: String,
    }
    let mut seen = BTreeSet::new();
    for service in services {
        let listed: Listed = serde_json::from_str(service.get())
            .map_err(|error| Failure::refused(format!("a service of the list has no name: {error}")))?;
        if let Some(twice) = seen.replace(listed.service) {
            return Err(Failure::refused(format!("`{twice}` stands in the list twice")));
        }
    }
    Ok(())
}

/// Cuts the list into parts that fit into an event; one part of nothing, if it is empty.
fn parts<'a, 'b>(services: &'b [&'a RawValue]) -> Vec<&'b [&'a RawValue]> {
    let (mut parts, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, service) in services.iter().enumerate() {
        let more = service.get().len() + 1;
        if at > from && bytes + more > MAX_SERVICES_BYTES {
            parts.extend(services.get(from..at));
            (from, bytes) = (at, 0);
        }
        bytes += more;
    }
    parts.extend(services.get(from..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_every_service_once_and_fit() {
        let text = |length: usize| RawValue::from_string(format!("\"{}\"", "x".repeat(length))).unwrap();
        let owned: Vec<_> =
            [1, MAX_SERVICES_BYTES, 10, 20, MAX_SERVICES_BYTES / 2, MAX_SERVICES_BYTES / 2].map(text).into();
        let services: Vec<&RawValue> = owned.iter().map(AsRef::as_ref).collect();
        let sizes: Vec<usize> = parts(&services).iter().map(|part| part.len()).collect();
        assert_eq!(sizes, [1, 1, 3, 1]);
        assert!(matches!(parts(&[])[..], [[]]), "that nothing is there is said as well");
    }
}
