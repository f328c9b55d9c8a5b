//! Declared rollbacks: whether what is restored ran or was asked for before, and whether the bundle is the same.
//!
//! A rollback names an earlier event of its service and a data context. Promises that the serving set of that event is
//! what it is compared with, digest by digest and role by role, and that of an event whose body is withheld nothing is
//! said. A few bytes are kept of each deployment event, and each serving set once. Never follows corrections or equations:
//! what only these make the same is `lineal`'s to tell. (docs/AUDIT.md)

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use lineal_schemas::{
    digest::EventDigest,
    facts::Facts,
    vocabulary::{
        Payload,
        artifact::{Artifact, Input, InputRole},
        deployment::{ComponentRole, DeploymentRolledback, ServedSet},
    },
};

use crate::{
    finding::{Findings, Place},
    rule::Rule,
};

/// What a component is called: its strong digests, else as it is spelled.
type Spelling = String;

/// A serving set without shares: its components by role.
type Bundle = BTreeSet<(ComponentRole, Spelling)>;

/// The bundles that an event names, by service.
type Named = Vec<(Arc<str>, Arc<Bundle>)>;

/// What the lines so far say of deployments.
#[derive(Debug, Default)]
pub(crate) struct Rollbacks {
    events: HashMap<EventDigest, Arc<Named>>,
    /// What events name, each once: inventories say the same every few minutes.
    lists: BTreeSet<Arc<Named>>,
    withheld: BTreeSet<EventDigest>,
    services: BTreeMap<String, Arc<str>>,
    bundles: BTreeSet<Arc<Bundle>>,
    /// The last declared rollback of a service that nothing has replaced.
    declared: BTreeMap<Arc<str>, Declared>,
}

/// A rollback, and what was seen since.
#[derive(Debug)]
struct Declared {
    place: Place,
    restores: Arc<Bundle>,
    is_seen: bool,
    looks: u64,
}

impl Rollbacks {
    /// Takes the event of an entry; `facts` are none where its body is withheld or unreadable.
    pub(crate) fn take(&mut self, event: EventDigest, facts: Option<&Facts>, place: Place, findings: &mut Findings) {
        let Some(payload) = facts.and_then(|facts| facts.payload.as_ref().ok()) else {
            if facts.is_none() {
                self.withheld.insert(event);
            }
            return;
        };
        let named = match payload {
            Payload::DeploymentRequested(request) => {
                let named = vec![self.named(request.service.as_str(), &request.serving_set)];
                self.end(&named, findings);
                named
            }
            Payload::DeploymentObserved(observed) => {
                let named = vec![self.named(observed.service.as_str(), &observed.serving_set)];
                if observed.complete {
                    self.see(&named);
                }
                named
            }
            Payload::InventoryObserved(inventory) => {
                let named: Named =
                    inventory.services().map(|(service, sets)| self.named(service.as_str(), sets)).collect();
                if inventory.complete {
                    self.see(&named);
                }
                named
            }
            Payload::DeploymentRolledback(rollback) => return self.declare(rollback, place, findings),
            _ => return,
        };
        let named = Arc::new(named);
        let known = self.lists.get(&named).cloned();
        let named = known.unwrap_or_else(|| {
            self.lists.insert(named.clone());
            named
        });
        self.events.insert(event, named);
    }

    fn named(&mut self, service: &str, sets: &[ServedSet]) -> (Arc<str>, Arc<Bundle>) {
        let service = self.service(service);
        let components = sets.iter().flat_map(|set| &set.components);
        let bundle: Arc<Bundle> =
            Arc::new(components.map(|component| (component.role, spelling(&component.artifact))).collect());
        let bundle = self.bundles.get(&bundle).cloned().unwrap_or_else(|| {
            self.bundles.insert(bundle.clone());
            bundle
        });
        (service, bundle)
    }

    fn service(&mut self, service: &str) -> Arc<str> {
        self.services.entry(service.to_owned()).or_insert_with(|| service.into()).clone()
    }

    fn see(&mut self, named: &Named) {
        for (service, bundle) in named {
            if let Some(declared) = self.declared.get_mut(service) {
                declared.looks = declared.looks.saturating_add(1);
                declared.is_seen |= declared.restores == *bundle;
            }
        }
    }

    fn declare(&mut self, rollback: &DeploymentRolledback, place: Place, findings: &mut Findings) {
        let service = self.service(rollback.service.as_str());
        if let Some(earlier) = self.declared.remove(&service) {
            earlier.end(findings);
        }
        let Some(restores) = rollback.restores else { return };
        let expected = "an earlier event that names a serving set of the service";
        let named = match self.events.get(&restores) {
            Some(named) => named.iter().find(|(own, _bundle)| *own == service),
            None if self.withheld.contains(&restores) => return,
            None => {
                let found = format!("{restores}, which is no deployment event before it");
                return findings.add(Rule::RollbackUnfounded, place, expected, found);
            }
        };
        let Some((_service, bundle)) = named.filter(|(_service, bundle)| !bundle.is_empty()).cloned() else {
            let found = format!("{restores}, which names nothing that served there");
            return findings.add(Rule::RollbackUnfounded, place, expected, found);
        };
        for input in rollback.data_context.iter().flatten() {
            compare(&bundle, input, place, findings);
        }
        self.declared.insert(service, Declared { place, restores: bundle, is_seen: false, looks: 0 });
    }

    fn end(&mut self, named: &Named, findings: &mut Findings) {
        for (service, _bundle) in named {
            if let Some(declared) = self.declared.remove(service) {
                declared.end(findings);
            }
        }
    }

    /// No line follows.
    pub(crate) fn finish(self, findings: &mut Findings) {
        self.declared.into_values().for_each(|declared| declared.end(findings));
    }
}

impl Declared {
    fn end(self, findings: &mut Findings) {
        if self.looks > 0 && !self.is_seen {
            let found = format!("{} looks since, none of which saw it", self.looks);
            findings.add(Rule::RollbackUnseen, self.place, "what is restored is seen to run", found);
        }
    }
}

/// Whether the restored bundle has what the data context says, where it has anything of that role.
fn compare(bundle: &Bundle, input: &Input, place: Place, findings: &mut Findings) {
    let roles = components_of(input.role);
    let own: Vec<&Spelling> =
        bundle.iter().filter(|(role, _own)| roles.contains(role)).map(|(_role, own)| own).collect();
    let named = spelling(&input.artifact);
    if !own.is_empty() && !own.contains(&&named) {
        let of_all = |spellings: &[&Spelling]| spellings.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ");
        let (role, own) = (input.role, of_all(&own));
        findings.add(Rule::RollbackDiffers, place, format_args!("{role} {own}"), format_args!("{role} {named}"));
    }
}

/// What serves as that.
const fn components_of(role: InputRole) -> &'static [ComponentRole] {
    match role {
        InputRole::Model | InputRole::BaseModel | InputRole::SourceModel => &[ComponentRole::Model],
        InputRole::Adapter => &[ComponentRole::Adapter],
        InputRole::Features => &[ComponentRole::Features],
        InputRole::Index => &[ComponentRole::Index],
        InputRole::Tokenizer | InputRole::Preprocessor | InputRole::Prompt => {
            &[ComponentRole::Transform, ComponentRole::Guardrail]
        }
        InputRole::Environment => &[ComponentRole::Image, ComponentRole::Config],
        _ => &[],
    }
}

fn spelling(artifact: &Artifact) -> Spelling {
    let strong: Vec<String> = artifact.strong_digests().map(|(name, hex)| format!("{name}:{hex}")).collect();
    if !strong.is_empty() {
        return strong.join(" ");
    }
    let digests = artifact.digests().map(|(name, hex)| format!("{name}:{hex}"));
    artifact.uri.iter().map(ToString::to_string).chain(digests).collect::<Vec<_>>().join(" ")
}
