//! Looks become events: a service that changed, a service that is gone, and the inventory of all of them.
//!
//! A change is another set of parts, or whether all was seen: how many instances there are is in the next inventory.
//! Promises that only a look at all there is says that something is gone, and that what is said fits into an event.

use std::collections::BTreeMap;

use lineal_producers::{Draft, Emitter, delivery::Sent, object::Object, outbox::Outbox};
use lineal_schemas::{
    digest::sha256,
    timestamp::Timestamp,
    vocabulary::{
        deployment::ServedSet,
        names::{EnvironmentName, ServiceBaseName},
    },
};
use lineal_workload::{
    look::{Look, Seen},
    naming::Naming,
};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    super::{
        console::{self, Failure, shown},
        inventory::{self, Inventory, MAX_SERVICES_BYTES},
        session::{Answer, Session},
    },
    NEXT_WITHIN_SECONDS, ObserveArguments,
    state::State,
};

/// The most remarks that are printed of one look.
const MAX_PRINTED: usize = 20;

/// Says what looks have seen.
pub(super) struct Reporter<'a> {
    session: &'a Session<'a>,
    environment: EnvironmentName,
    observer: String,
    next_within_seconds: u64,
    say_inventory: bool,
    naming: Naming,
    outbox: Outbox,
    state: State,
    warned: Vec<String>,
    drafts: Vec<Draft>,
    counts: Counts,
}

/// What the answer tells.
#[derive(Debug, Default)]
struct Counts {
    services: usize,
    changed: usize,
    gone: usize,
    inventories: usize,
    whole: bool,
}

impl<'a> Reporter<'a> {
    pub(super) fn open(
        session: &'a Session<'a>,
        arguments: &ObserveArguments,
        naming: Naming,
    ) -> Result<Self, Failure> {
        let environment = arguments.looking.environment.clone();
        let environment = environment.ok_or_else(|| {
            Failure::usage("no environment is named")
                .with_hint("give --environment environment/<cluster>/<environment>")
        })?;
        let (outbox, genesis) = (session.outbox()?, session.settings()?.trust.genesis());
        let state = State::open(&outbox, environment.as_str(), genesis, &naming.namespaces)?;
        Ok(Self {
            session,
            environment,
            observer: arguments.observer.clone(),
            next_within_seconds: arguments.next_within.unwrap_or(NEXT_WITHIN_SECONDS),
            say_inventory: arguments.looking.inventory,
            naming,
            outbox,
            state,
            warned: Vec::new(),
            drafts: Vec::new(),
            counts: Counts { whole: true, ..Counts::default() },
        })
    }

    pub(super) const fn naming(&self) -> &Naming {
        &self.naming
    }

    pub(super) const fn next_within_seconds(&self) -> u64 {
        self.next_within_seconds
    }

    /// Takes a look in, at that time. `listed` is whether it is of all that there is; only then there is an inventory.
    pub(super) fn see(&mut self, mut look: Look, listed: bool, at: Timestamp) {
        look.whole &= listed;
        let services = look.services(&self.naming);
        self.warn(std::mem::take(&mut look.remarks));
        let services: BTreeMap<ServiceBaseName, Seen> =
            services.into_iter().map(|(name, seen)| (name, fitting(seen))).collect();
        self.counts.services = services.len();
        self.counts.whole &= look.whole;
        let all_seen = look.whole && services.values().all(|seen| seen.complete);
        let is_due = listed && (self.say_inventory || self.state.is_due(at, self.next_within_seconds));
        // It comes first: of what was seen at one time, what is said last stands.
        if is_due {
            self.inventory(&services, all_seen, at);
        }
        for (name, seen) in &services {
            let said = digest(seen);
            let is_changed = self.state.services.get(name.as_str()) != Some(&said);
            // An inventory that is not complete says so of every service: those that were seen whole are said by themselves.
            if is_changed || (is_due && !all_seen && seen.complete) {
                self.observed(name, &seen.sets, seen.complete, at);
            }
            self.state.services.insert(name.to_string(), said);
            self.counts.changed += usize::from(is_changed);
        }
        if look.whole {
            self.gone(&services, at);
        }
    }

    /// What ran and is not there any more.
    fn gone(&mut self, services: &BTreeMap<ServiceBaseName, Seen>, at: Timestamp) {
        let is_gone = |name: &&String| !services.keys().any(|service| service.as_str() == name.as_str());
        let gone: Vec<String> = self.state.services.keys().filter(is_gone).cloned().collect();
        for name in gone {
            self.state.services.remove(&name);
            if let Ok(name) = ServiceBaseName::try_from(name) {
                self.observed(&name, &[], true, at);
                self.counts.gone += 1;
            }
        }
    }

    /// Says what was not seen, unless that is what it said last.
    fn warn(&mut self, remarks: Vec<String>) {
        if remarks != self.warned {
            for remark in remarks.iter().take(MAX_PRINTED) {
                console::status(format!("warning: {}", shown(remark)));
            }
            if remarks.len() > MAX_PRINTED {
                console::status(format!("warning: and {} more", remarks.len() - MAX_PRINTED));
            }
            self.warned = remarks;
        }
    }

    fn observed(&mut self, name: &ServiceBaseName, sets: &[ServedSet], complete: bool, at: Timestamp) {
        let Some(service) = self.environment.service(name) else {
            console::status(format!("warning: {name} in {} is longer than a name may be", self.environment));
            return;
        };
        // That something is gone needs no second look to stay so.
        let next_within = (!complete || !sets.is_empty()).then_some(self.next_within_seconds);
        let payload = Object::new()
            .with("service", &service)
            .with("servingSet", sets)
            .with("observedAt", at.to_string())
            .with("observer", &self.observer)
            .with("complete", complete)
            .with_some("nextWithinSeconds", next_within);
        self.drafts.push(self.session.draft("deployment.observed", service.as_str(), payload, Vec::new()));
    }

    fn inventory(&mut self, services: &BTreeMap<ServiceBaseName, Seen>, complete: bool, at: Timestamp) {
        let listed: Vec<Box<RawValue>> = services
            .iter()
            .filter_map(|(name, seen)| {
                to_raw_value(&Object::new().with("service", name).with("servingSet", &seen.sets)).ok()
            })
            .collect();
        let inventory = Inventory {
            environment: self.environment.as_str(),
            observer: &self.observer,
            observed_at: &at.to_string(),
            complete,
            next_within: Some(self.next_within_seconds),
        };
        let listed: Vec<&RawValue> = listed.iter().map(AsRef::as_ref).collect();
        self.drafts.extend(inventory::drafts(self.session, &inventory, &listed));
        self.state.said_inventory(at);
        self.counts.inventories += 1;
    }

    /// Emits what was seen, all of it with a source of its own, and prints the answer.
    pub(super) fn say(mut self) -> Result<u8, Failure> {
        let drafts = std::mem::take(&mut self.drafts);
        let (source, events) = super::super::send::emit(self.session, drafts)?;
        self.state.keep(&self.outbox, self.environment.as_str())?;
        self.session.print(Some(self.answer()), &events, &source)
    }

    /// Emits what was seen over an emitter that stays open, and says what was sent.
    pub(super) fn say_over(&mut self, emitter: &mut Emitter) -> Result<Vec<(String, Sent)>, Failure> {
        let drafts = std::mem::take(&mut self.drafts);
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let sent = emitter.emit_all(&drafts)?;
        self.state.keep(&self.outbox, self.environment.as_str())?;
        let events = drafts.into_iter().map(|draft| draft.name).zip(sent).collect();
        console::status(self.answer().line);
        (self.counts.changed, self.counts.gone, self.counts.inventories, self.counts.whole) = (0, 0, 0, true);
        Ok(events)
    }

    fn answer(&self) -> Answer {
        let Counts { services, changed, gone, inventories, whole } = &self.counts;
        let seen = inventory::counted(*services, "service");
        let inventory = if *inventories > 0 { ", inventory said" } else { "" };
        let partly = if *whole { "" } else { "; not all was seen" };
        let line = format!("{seen} in {}: {changed} changed, {gone} gone{inventory}{partly}", self.environment);
        let object = Object::new()
            .with("environment", &self.environment)
            .with("services", services)
            .with("changed", changed)
            .with("gone", gone)
            .with("inventories", inventories)
            .with("complete", whole);
        Answer { line, object }
    }
}

/// What makes one observation the same as another.
fn digest(seen: &Seen) -> String {
    let parts: Vec<_> = seen.sets.iter().map(|set| (&set.components, &set.share)).collect();
    hex::encode(sha256(serde_json::to_string(&(parts, seen.complete)).unwrap_or_default().as_bytes()))
}

/// As much of a service as fits into an event; the rest was not seen.
fn fitting(mut seen: Seen) -> Seen {
    let bytes = |set: &ServedSet| serde_json::to_string(set).map_or(usize::MAX, |text| text.len() + 1);
    // The envelope and the name take their part of what an event may have.
    let mut left = MAX_SERVICES_BYTES - 1024;
    let before = seen.sets.len();
    seen.sets.retain(|set| {
        let needed = bytes(set);
        let fits = needed <= left;
        left -= if fits { needed } else { 0 };
        fits
    });
    seen.complete &= seen.sets.len() == before;
    seen
}
