//! Incidents: opened, updated, closed. What they touch, since when somebody knew, and how they ended.
//!
//! Promises names, codes and references. Never a story: that is in the ticket, or in an attachment, which can be erased.

use super::{
    artifact::Artifact,
    lineage::{Mentions, Place, Says},
    names::{Code, IncidentName, ServiceName},
    object::event,
    values::{Time, Uri},
};

/// The members that an incident has while it is open.
macro_rules! incident {
    ($(#[$meta:meta])* pub struct $name:ident;) => {
        event! {
            $(#[$meta])*
            pub struct $name {
                required {
                    /// What it is called; the event's subject.
                    incident: IncidentName,
                }
                optional {
                    /// How bad it is, in your own words: `sev-1`, `critical`.
                    severity: Code,
                    /// The services that it touches.
                    services: Vec<ServiceName>,
                    /// The artifacts that it is about.
                    artifacts: Vec<Artifact>,
                    /// When somebody became aware of it: periods for reports count from here.
                    aware_at: Time,
                    /// Where more is said about it: tickets, advisories, reports.
                    references: Vec<Uri>,
                }
            }
        }

        impl Says for $name {
            fn subject(&self) -> Option<String> {
                Some(self.incident.to_string())
            }

            fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
                mentions.place(Place::Affected, self.artifacts.iter().flatten());
            }
        }
    };
}

incident! {
    /// `incident.opened`: something is wrong.
    pub struct IncidentOpened;
}

incident! {
    /// `incident.updated`: more is known. What is given takes the place of what was said before, a list as a whole.
    pub struct IncidentUpdated;
}

event! {
    /// `incident.closed`: it is over.
    pub struct IncidentClosed {
        required {
            /// What it is called; the event's subject.
            incident: IncidentName,
            /// How it ended: `rolled-back`, `false-alarm`, `unknown`.
            resolution: Code,
        }
        optional {
            /// Where more is said about it.
            references: Vec<Uri>,
        }
    }
}

impl Says for IncidentClosed {
    fn subject(&self) -> Option<String> {
        Some(self.incident.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Payload, lineage::Relation, *};

    #[test]
    fn an_incident_is_its_own_subject_and_names_what_it_touches() {
        let text = r#"{"incident":"incident/payments/INC-2291","services":["service/payments/fraud@eu-1/prod"],
            "artifacts":[{"uri":"s3://models/42"}]}"#;
        let opened = Payload::parse("dev.lineal.incident.opened.v1", text).unwrap();
        assert_eq!(opened.required_subject().as_deref(), Some("incident/payments/INC-2291"));
        assert_eq!(opened.artifacts()[0].relation, Relation::Other(lineage::Place::Affected));
        let text = r#"{"incident":"INC-2291","resolution":"rolled-back"}"#;
        assert_eq!(Payload::parse("dev.lineal.incident.closed.v1", text).unwrap_err().code(), "schema-violation");
    }
}
