//! What an object of a cluster asks of the gate: which service, which serving set, or nothing.
//!
//! The step from an object that does not run yet to a question, for every face that a cluster asks. Services are named by
//! the rules that observation names them by (`lineal-workload`). Promises that an object which serves a model is judged
//! whole or not at all: what may be a model and is not in the object makes it undecidable. Never asks a cluster.
//! (docs/GATE.md, In a cluster)

use lineal_gate::judge::{Asked as AskedPolicy, Question};
use lineal_schemas::vocabulary::names::EnvironmentName;
use lineal_workload::{asked::Asked, naming::Naming, object::ObjectError};
use serde_json::Value;

use super::{AnswerError, When, gate::has_policy};
use crate::ledger::View;

/// How a ledger's operator names what clusters ask about.
#[derive(Debug, Clone, Default)]
pub struct Clusters {
    /// The places that may ask.
    pub environments: Vec<EnvironmentName>,
    /// The names of services, as observation has them.
    pub naming: Naming,
}

/// What an object asks.
#[derive(Debug)]
pub enum Asks {
    /// Nothing: it serves no model, and no policy speaks for it.
    Nothing,
    /// Something that can't be decided, and why.
    Undecidable(String),
    /// Whether it may run.
    Gate {
        /// What is asked.
        question: Box<Question>,
        /// What the object leaves open and is no model: such as the image that KServe picks.
        open: Vec<String>,
    },
}

impl Clusters {
    /// The environment that asks: the one that is named, or the only one; or what to do about it.
    pub fn environment(&self, named: Option<&str>) -> Result<&EnvironmentName, String> {
        let known = || self.environments.iter().map(|known| known.as_str().trim_start_matches("environment/"));
        match (named, &self.environments[..]) {
            (_, []) => {
                Err("no cluster may ask: start the ledger with `--environment environment/CLUSTER/ENVIRONMENT`"
                    .to_owned())
            }
            (None, [only]) => Ok(only),
            (None, _) => Err(format!("which environment asks is not said: end the path with one of {}", list(known()))),
            (Some(named), all) => {
                let found = all.iter().zip(known()).find(|(_environment, known)| *known == named);
                let unknown = || format!("`{named}` is none of the environments of this ledger: {}", list(known()));
                found.map(|(environment, _known)| environment).ok_or_else(unknown)
            }
        }
    }

    /// What an object of an environment asks, at a moment.
    pub fn asks(
        &self,
        view: &View,
        environment: &EnvironmentName,
        object: &Value,
        when: When,
    ) -> Result<Asks, AnswerError> {
        let asked = match Asked::read(object) {
            Ok(asked) => asked,
            Err(error @ ObjectError::UnknownKind { .. }) => {
                let hint = "let the gate be asked about kinds that serve models alone";
                return Ok(Asks::Undecidable(format!("{error}; {hint}")));
            }
            Err(error) => return Ok(Asks::Undecidable(format!("the object can't be read: {error}"))),
        };
        let base = asked.service(&self.naming);
        let Some(service) = base.and_then(|base| environment.service(&base)) else {
            let name = format!("{}/{}", asked.namespace, asked.name);
            return Ok(Asks::Undecidable(format!("{name} can be no service's name: map it with `lineal serve --map`")));
        };
        if !asked.serves_a_model() && !has_policy(view, &service, when)? {
            return Ok(Asks::Nothing);
        }
        if !asked.unknown_models.is_empty() {
            let unknown = list(asked.unknown_models.iter().map(String::as_str));
            return Ok(Asks::Undecidable(format!("what {service} would serve is not in the object: {unknown}")));
        }
        let Some(set) = asked.serving_set() else {
            return Ok(Asks::Undecidable(format!("what {service} would serve is not in the object: it names nothing")));
        };
        let question = Question { service, serving_set: vec![set], policy: AskedPolicy::Registered };
        Ok(Asks::Gate { question: Box::new(question), open: asked.unknown })
    }
}

fn list<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_named_unless_there_is_only_one() {
        let clusters = |names: &[&str]| Clusters {
            environments: names.iter().map(|name| name.parse().unwrap()).collect(),
            naming: Naming::default(),
        };
        let (one, two) =
            (clusters(&["environment/eu-1/prod"]), clusters(&["environment/eu-1/prod", "environment/us-1/prod"]));
        assert_eq!(one.environment(None).unwrap().as_str(), "environment/eu-1/prod");
        assert_eq!(two.environment(Some("us-1/prod")).unwrap().as_str(), "environment/us-1/prod");
        assert!(two.environment(None).unwrap_err().contains("eu-1/prod, us-1/prod"));
        assert!(one.environment(Some("us-1/prod")).is_err());
        assert!(clusters(&[]).environment(Some("eu-1/prod")).unwrap_err().contains("--environment"));
    }
}
