//! Servers that are asked what they have loaded: what no pod spec knows, such as adapters that came later.
//!
//! Promises that a server that does not answer, or answers what can't be, makes what was seen of its service incomplete.
//! Nothing is asked that was not named: a URL on the command line, or a pod's own address where that is allowed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    time::Duration,
};

use lineal_producers::tls;
use lineal_schemas::vocabulary::deployment::{Component, ComponentRole};
use lineal_workload::{
    look::Look,
    naming::Naming,
    running::{Instance, State},
    runtime::{MAX_ANSWER_BYTES, MODELS_PATH, loaded},
};
use rayon::prelude::*;
use serde_json::value::RawValue;

use super::super::{
    console::{self, Failure},
    deployment::raw,
};

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Which servers are asked.
#[derive(Debug)]
pub(super) struct Runtimes {
    agent: ureq::Agent,
    /// By the service's name without its place.
    named: BTreeMap<String, String>,
    /// Whether the pods that say so are asked.
    ask_pods: bool,
}

impl Runtimes {
    pub(super) fn new(named: &[String], ask_pods: bool) -> Result<Self, Failure> {
        let pair = |text: &String| {
            let wrong = || Failure::usage(format!("--runtime {text} is not SERVICE=URL"));
            let (service, url) = text.split_once('=').ok_or_else(wrong)?;
            let service =
                if service.starts_with("service/") { service.to_owned() } else { format!("service/{service}") };
            let service = service.split('@').next().unwrap_or_default().to_owned();
            Ok((service, models_url(url)?))
        };
        let named = named.iter().map(pair).collect::<Result<_, Failure>>()?;
        Ok(Self { agent: agent(), named, ask_pods })
    }

    /// Asks the servers of a look's instances, all at once, and adds what they tell.
    pub(super) fn ask(&self, look: &mut Look, naming: &Naming) {
        let urls: Vec<Option<String>> = look.instances.iter().map(|instance| self.url(instance, naming)).collect();
        let distinct: BTreeSet<&String> = urls.iter().flatten().collect();
        let answers: BTreeMap<&String, Result<Vec<u8>, String>> =
            distinct.into_par_iter().map(|url| (url, get(&self.agent, url))).collect();
        for (instance, url) in look.instances.iter_mut().zip(&urls) {
            let Some(answer) = url.as_ref().and_then(|url| answers.get(url)) else {
                if instance.state == State::Runs && instance.runtime.is_some() {
                    instance.unknown.push("what its server has loaded (--ask-runtimes asks it)".to_owned());
                }
                continue;
            };
            match answer.as_ref().map_err(Clone::clone).and_then(|answer| told(answer, &instance.components)) {
                Ok(components) => instance.add(components),
                Err(problem) => instance.unknown.push(format!("what its server has loaded ({problem})")),
            }
        }
    }

    /// Where an instance is asked: as the command line says, else as the pod does, if that is allowed.
    fn url(&self, instance: &Instance, naming: &Naming) -> Option<String> {
        if instance.state != State::Runs {
            return None;
        }
        let service = naming.service(&instance.owner).map(|name| name.to_string());
        let named = service.and_then(|service| self.named.get(&service)).cloned();
        named
            .or_else(|| instance.runtime.as_ref().filter(|_place| self.ask_pods).map(|place| format!("http://{place}")))
    }
}

/// What the server of a single service tells that it has loaded; nothing, where it does not tell.
pub(super) fn ask_one(url: &str, names_a_model: bool) -> Result<Option<Vec<Box<RawValue>>>, Failure> {
    let url = models_url(url)?;
    let answer = get(&agent(), &url);
    match answer.and_then(|answer| loaded(&answer, names_a_model).map_err(|error| error.to_string())) {
        Ok(components) => components.iter().map(raw).collect::<Result<_, _>>().map(Some),
        Err(problem) => {
            console::status(format!("warning: {url}: {problem}: what the server has loaded is unknown"));
            Ok(None)
        }
    }
}

fn told(answer: &[u8], components: &[Component]) -> Result<Vec<Component>, String> {
    let known = components.iter().any(|component| component.role == ComponentRole::Model);
    loaded(answer, known).map_err(|error| error.to_string())
}

/// Where a server lists its models: as given, or at the usual path of what is given.
fn models_url(url: &str) -> Result<String, Failure> {
    let rest = url.strip_prefix("http://");
    let rest = rest.ok_or_else(|| {
        Failure::usage(format!("{url} is not http://HOST:PORT"))
            .with_hint("a server is asked from beside it, without TLS")
    })?;
    Ok(match rest.split_once('/') {
        Some((_host, path)) if !path.is_empty() => url.to_owned(),
        _ => format!("{}/{MODELS_PATH}", url.trim_end_matches('/')),
    })
}

/// One that follows nobody elsewhere.
fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).max_redirects(0).proxy(None);
    config.http_status_as_error(false).tls_config(tls::trusting_nobody()).build().into()
}

fn get(agent: &ureq::Agent, url: &str) -> Result<Vec<u8>, String> {
    let response = agent.get(url).call().map_err(|error| error.to_string())?;
    if response.status() != 200 {
        return Err(format!("it answers with status {}", response.status().as_u16()));
    }
    let limit = u64::try_from(MAX_ANSWER_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut answer = Vec::new();
    response.into_body().into_reader().take(limit).read_to_end(&mut answer).map_err(|error| error.to_string())?;
    Ok(answer)
}
