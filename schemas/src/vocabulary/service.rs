//! Services at work: who answers for one, what it decided, and how far its data moved.
//!
//! Promises that decisions stay where they are: the record holds a count, a span of time and a pointer, never an answer
//! and never whom it was about. Never says whether a drift is too large: the producer's own test does.

use super::{
    artifact::{Artifact, Input, located},
    lineage::{Mentions, Place, Relation, Says},
    names::{Code, Handle, Name, ServiceName},
    object::{event, non_empty, object, words},
    values::{Count, Time},
};
use crate::{decimal::Decimal, digest::EventDigest};

event! {
    /// `service.registered`: a service has an owner, a tier and somebody to call.
    pub struct ServiceRegistered {
        required {
            /// Which; the event's subject.
            service: ServiceName,
        }
        optional {
            /// Who answers for it, as a pseudonym.
            owner: Handle,
            /// How much depends on it, in your own words: `tier-1`, `critical`.
            tier: Code,
            /// Whom to call: an entry of your own register, never a person's name or address.
            contact_ref: Handle,
        }
    }
}

event! {
    /// `decisions.recorded`: a service decided, and this is where its decisions are.
    pub struct DecisionsRecorded {
        required {
            /// Which service; the event's subject.
            service: ServiceName,
            /// The first moment of the batch.
            from: Time,
            /// The moment after its last.
            to: Time,
            /// How many decisions or predictions it holds.
            count: Count,
            /// Where the batch is, with a digest where there is one.
            #[serde(deserialize_with = "located")]
            pointer: Artifact,
        }
        optional {
            /// The deployment event whose serving set decided.
            deployment: EventDigest,
            /// What decided, and on what: of a batch that was scored, the model.
            inputs: Vec<Input>,
            /// What was made of it, such as a table of scores; made from the inputs.
            outputs: Vec<Artifact>,
        }
    }
}

event! {
    /// `drift.observed`: the data of a service was compared with data to compare with.
    pub struct DriftObserved {
        required {
            /// Which service; the event's subject.
            service: ServiceName,
            /// The data that it is compared with.
            reference_data: Artifact,
            /// The span of time that was looked at.
            window: Window,
            /// What was found; at least one.
            #[serde(deserialize_with = "non_empty")]
            statistics: Vec<DriftStatistic>,
        }
        optional {
            /// The data that was looked at.
            current_data: Artifact,
        }
    }
}

object! {
    /// A span of time with both of its ends.
    pub struct Window {
        required {
            /// Its first moment.
            from: Time,
            /// The moment after its last.
            to: Time,
        }
        optional {}
    }
}

object! {
    /// One number of a comparison, and what its test made of it.
    pub struct DriftStatistic {
        required {
            /// The test: `psi`, `ks-p-value`, `wasserstein`.
            test: Name,
            /// The number.
            value: Decimal,
            /// What the test made of it.
            status: DriftStatus,
        }
        optional {
            /// The column that this is about; the data as a whole, where nothing is said.
            feature: Name,
            /// What the test compared the number with.
            threshold: Decimal,
        }
    }
}

words! {
    /// What a test made of a number.
    pub enum DriftStatus {
        /// Near enough.
        Pass = "pass",
        /// Too far away.
        Fail = "fail",
    }
}

impl Says for ServiceRegistered {
    fn subject(&self) -> Option<String> {
        Some(self.service.to_string())
    }
}

impl Says for DecisionsRecorded {
    fn subject(&self) -> Option<String> {
        Some(self.service.to_string())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.place(Place::Pointer, [&self.pointer]);
        mentions.inputs(self.inputs.as_ref());
        mentions.add(Relation::Output, self.outputs.iter().flatten());
    }
}

impl Says for DriftObserved {
    fn subject(&self) -> Option<String> {
        Some(self.service.to_string())
    }

    fn mention<'a>(&'a self, mentions: &mut Mentions<'a>) {
        mentions.place(Place::ReferenceData, [&self.reference_data]);
        mentions.place(Place::CurrentData, &self.current_data);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Payload,
            artifact::{Basis, Influence, InputRole},
        },
        *,
    };

    #[test]
    fn what_a_batch_made_descends_from_the_model_that_ran() {
        let text = r#"{"service":"service/payments/fraud@eu-1/batch","from":"2026-11-23T00:00:00Z",
            "to":"2026-11-24T00:00:00Z","count":3,"pointer":{"uri":"s3://scores/1"},"outputs":[{"uri":"s3://scores/1"}],
            "inputs":[{"artifact":{"uri":"s3://models/42"},"role":"model"}]}"#;
        let payload = Payload::parse("dev.lineal.decisions.recorded.v1", text).unwrap();
        let relations: Vec<Relation> = payload.artifacts().iter().map(|mention| mention.relation).collect();
        let (role, influence, basis) = (InputRole::Model, Influence::Serving, Basis::Declared);
        let expected = [Relation::Other(Place::Pointer), Relation::Input { role, influence, basis }, Relation::Output];
        assert_eq!(relations, expected);
    }

    #[test]
    fn a_batch_of_decisions_is_somewhere() {
        let text = r#"{"service":"service/payments/fraud@eu-1/batch","from":"2026-11-23T00:00:00Z",
            "to":"2026-11-24T00:00:00Z","count":3,"pointer":{"digest":{"md5":"x"}}}"#;
        let error = Payload::parse("dev.lineal.decisions.recorded.v1", text).unwrap_err();
        assert!(error.to_string().contains("at `pointer`: expected a place"), "{error}");
    }

    #[test]
    fn a_statistic_keeps_its_digits() {
        let text = r#"{"feature":"amount","test":"psi","value":"0.250","threshold":0.2,"status":"fail"}"#;
        let statistic: DriftStatistic = serde_json::from_str(text).unwrap();
        assert_eq!((statistic.value.as_str(), statistic.status), ("0.250", DriftStatus::Fail));
        assert!(statistic.threshold.is_some_and(|threshold| threshold < statistic.value));
    }
}
