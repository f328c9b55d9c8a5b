//! Which policy judges: the newest registration of the one that speaks for the service.

use std::rc::Rc;

use lineal_schemas::vocabulary::{
    Payload,
    names::{PolicyName, ServiceName},
    policy::PolicyText,
};

use super::{Applied, Asked, Question};
use crate::{
    history::{Evidence, History, MAX_POLICIES},
    policy::{Policy, owner},
};

/// The policy that is applied, or why there is none.
pub(super) fn policy<H: History>(history: &mut H, question: &Question) -> Result<Result<Applied, String>, H::Error> {
    let found = match &question.policy {
        Asked::Registered => return speaking(history, question),
        Asked::Named(name) => match newest(history, name.as_str())? {
            Some(told) => read(history, told),
            None => Err(format!("no policy {name} is registered: `lineal-emit policy FILE`")),
        },
        Asked::Text(text) => match Policy::parse(text) {
            Ok(policy) => {
                let registered = registration(history, policy.name(), text)?;
                Ok(Applied { policy, registered })
            }
            Err(error) => Err(format!("the policy can't be read: {error}")),
        },
    };
    Ok(found.and_then(|applied| {
        if applied.policy.applies_to(&question.service) {
            return Ok(applied);
        }
        Err(format!("{} does not speak for {}", applied.policy.name(), question.service))
    }))
}

/// Whether a policy speaks for a service, or one that can't be read may.
pub fn is_spoken_for<H: History>(history: &mut H, service: &ServiceName) -> Result<bool, H::Error> {
    let (found, unread) = all(history, service)?;
    Ok(!found.is_empty() || !unread.is_empty())
}

/// Of the policies of the service's owners, the one that speaks for it.
fn speaking<H: History>(history: &mut H, question: &Question) -> Result<Result<Applied, String>, H::Error> {
    let service = &question.service;
    let (mut found, unread) = all(history, service)?;
    if let Some(why) = unread.into_iter().next() {
        return Ok(Err(why));
    }
    let names: Vec<String> = found.iter().map(|applied| applied.policy.name().to_string()).collect();
    Ok(match (found.pop(), names.len()) {
        (Some(applied), 1) => Ok(applied),
        (None, _) => Err(format!("no policy speaks for {service}: register one with `lineal-emit policy FILE`")),
        (Some(_), _) => {
            Err(format!("{} policies speak for {service}: {}; ask for one by name", names.len(), names.join(", ")))
        }
    })
}

/// The policies of the service's owners that speak for it, and why others can't be read: these may speak for it.
fn all<H: History>(history: &mut H, service: &ServiceName) -> Result<(Vec<Applied>, Vec<String>), H::Error> {
    let name = service.as_str();
    let owners = owner(name.split('@').next().unwrap_or(name)).unwrap_or_default();
    let (mut found, mut unread) = (Vec::new(), Vec::new());
    let segments: Vec<&str> = owners.split('/').collect();
    for count in 1..=segments.len() {
        let own = segments.get(..count).unwrap_or_default().join("/");
        let subjects = history.subjects(&format!("policy/{own}/"))?;
        if subjects.len() > MAX_POLICIES {
            unread
                .push(format!("more than {MAX_POLICIES} policies of {own} are not all looked at: ask for one by name"));
        }
        for subject in subjects {
            if owner(&subject) != Some(&own) {
                continue;
            }
            match newest(history, &subject)?.map(|told| read(history, told)) {
                Some(Ok(applied)) if applied.policy.applies_to(service) => found.push(applied),
                Some(Err(why)) => unread.push(why),
                Some(Ok(_)) | None => {}
            }
        }
    }
    Ok((found, unread))
}

/// The newest registration of a policy that had happened: by when the ledger took it.
fn newest<H: History>(history: &mut H, subject: &str) -> Result<Option<Rc<Evidence>>, H::Error> {
    let now = history.moment();
    history.last_about(subject, "policy.registered", &mut |told| told.received <= now)
}

/// The registration of just this text, if it is the newest of its name.
fn registration<H: History>(
    history: &mut H,
    name: &PolicyName,
    text: &PolicyText,
) -> Result<Option<Rc<Evidence>>, H::Error> {
    let is_it = |told: &Rc<Evidence>| matches!(&told.payload, Payload::PolicyRegistered(registered) if registered.text == *text);
    Ok(newest(history, name.as_str())?.filter(|told| is_it(told) && !told.is_corrected() && !told.is_suspect))
}

fn read<H: History>(history: &mut H, told: Rc<Evidence>) -> Result<Applied, String> {
    let Payload::PolicyRegistered(registered) = &told.payload else {
        return Err(format!("{} is no registration of a policy", told.subject));
    };
    if told.is_corrected() {
        return Err(format!("{} was corrected after its registration: register it again", registered.policy));
    }
    if told.is_suspect {
        let policy = &registered.policy;
        return Err(format!("{policy} was registered under a key that somebody else may have had: register it again"));
    }
    match &*history.policy(&registered.text) {
        Ok(policy) if policy.name() == &registered.policy => {
            Ok(Applied { policy: policy.clone(), registered: Some(told) })
        }
        Ok(policy) => Err(format!("{} is registered with the text of {}", registered.policy, policy.name())),
        Err(error) => Err(format!("{} can't be read: {error}", registered.policy)),
    }
}
