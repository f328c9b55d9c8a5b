//! `inventory.observed`: a whole environment at once, so that what is not there is on the record as well.
//!
//! Promises that an inventory speaks of its own environment only: it lists services without their place. Never says that
//! something is gone where not everything was seen: that takes `complete`, and every part.

use super::{
    deployment::ServedSet,
    lineage::{Mentions, Says},
    names::{EnvironmentName, Handle, ServiceBaseName, ServiceName},
    object::{event, object},
    values::{PartNumber, Seconds, Time},
};

event! {
    /// `inventory.observed`: what runs in an environment, and that nothing else does.
    pub struct InventoryObserved {
        required {
            /// Where; the event's subject.
            environment: EnvironmentName,
            /// When it was seen.
            observed_at: Time,
            /// Who saw it.
            observer: Handle,
            /// Whether everything there was seen: then a service that is not listed was not there.
            complete: bool,
            /// What was seen, a service at most once; what the list says of one is what `deployment.observed` would.
            services: Vec<InventoryService>,
        }
        optional {
            /// Which part of the inventory this is, where it is too large for one event.
            part: InventoryPart,
            /// When the next inventory is due at the latest; silence after that is unknown.
            next_within_seconds: Seconds,
        }
    }
}

object! {
    /// A service of an inventory.
    pub struct InventoryService {
        required {
            /// Which, without its place: that is the inventory's own.
            service: ServiceBaseName,
            /// What runs: the serving set. An empty list says that the service is there and nothing runs.
            serving_set: Vec<ServedSet>,
        }
        optional {}
    }
}

object! {
    /// A part of an inventory: the events with one environment, observer and time of observation belong together.
    pub struct InventoryPart {
        required {
            /// Which, from 1.
            number: PartNumber,
            /// Of how many.
            of: PartNumber,
        }
        optional {}
    }
}

impl InventoryObserved {
    /// The services by their full names, each with its serving set. A service whose full name would be longer than names
    /// are is none that a deployment could name either, and is left out.
    pub fn services(&self) -> impl Iterator<Item = (ServiceName, &[ServedSet])> {
        self.services
            .iter()
            .filter_map(|listed| Some((self.environment.service(&listed.service)?, listed.serving_set.as_slice())))
    }

    /// What is listed of a service, by its full name; nothing where it is not listed, or is somewhere else.
    pub fn listed(&self, service: &str) -> Option<&[ServedSet]> {
        let (name, place) = service.split_once('@')?;
        if self.environment.as_str().strip_prefix("environment/") != Some(place) {
            return None;
        }
        let listed = self.services.iter().find(|listed| listed.service.as_str() == name)?;
        Some(&listed.serving_set)
    }
}

impl Says for InventoryObserved {
    fn subject(&self) -> Option<String> {
        Some(self.environment.to_string())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        for listed in &self.services {
            mentions.serving(&listed.serving_set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Payload, *};

    const FLEET: &str = r#"{"environment":"environment/edge/eu","observedAt":"2026-11-23T21:50:12Z","observer":"agent",
        "complete":true,"services":[
            {"service":"service/shop/vision","servingSet":[
                {"instances":9412,"components":[{"role":"model","artifact":{"uri":"s3://m/1"}}]},
                {"instances":588,"components":[{"role":"model","artifact":{"uri":"s3://m/2"}}]}]},
            {"service":"service/shop/speech","servingSet":[]}]}"#;

    #[test]
    fn a_fleet_is_counted_and_its_services_have_full_names() {
        let inventory: InventoryObserved = serde_json::from_str(FLEET).unwrap();
        let names: Vec<_> = inventory.services().map(|(name, sets)| (name.to_string(), sets.len())).collect();
        assert_eq!(names, [("service/shop/vision@edge/eu".into(), 2), ("service/shop/speech@edge/eu".into(), 0)]);
        for (service, parts) in [
            ("service/shop/vision@edge/eu", Some(2)),
            ("service/shop/speech@edge/eu", Some(0)),
            ("service/shop/vision@edge/us", None),
            ("service/shop/other@edge/eu", None),
            ("service/shop/vision", None),
        ] {
            assert_eq!(inventory.listed(service).map(<[_]>::len), parts, "{service}");
        }
        let payload = Payload::parse("dev.lineal.inventory.observed.v1", FLEET).unwrap();
        assert_eq!(payload.required_subject().as_deref(), Some("environment/edge/eu"));
        assert_eq!(payload.artifacts().len(), 2);
    }

    #[test]
    fn an_inventory_speaks_of_no_other_place() {
        let elsewhere = FLEET.replace("service/shop/vision", "service/shop/vision@edge/us");
        assert!(serde_json::from_str::<InventoryObserved>(&elsewhere).is_err());
        assert!(serde_json::from_str::<InventoryObserved>(&FLEET.replace("edge/eu", "edge")).is_err());
    }
}
