//! What runs, as text.

use std::collections::BTreeSet;

use super::{Colour, Style, as_of_line, at_moment, flagged, flagged_line, main_digest, signers};
use crate::answers::{
    Gated, SetAdmission,
    running::{ComponentState, Running, ServiceState, SetState, Status},
    text::{self, age},
};

/// The answer in one line.
pub(in crate::answers) fn line(running: &Running) -> String {
    let place = running.environment.as_ref().map_or_else(String::new, |place| format!(" in {place}"));
    let answer = match running.services.as_slice() {
        [] => format!("nothing is known to run{place}"),
        [service] => service_line(service, running),
        services => {
            let count = |status| services.iter().filter(|service| service.status == status).count();
            let known = text::count(count(Status::Running), "service");
            let verb = if count(Status::Running) == 1 { "runs" } else { "run" };
            let mut parts = vec![format!("{known} {verb}{place}")];
            for (status, what) in [(Status::Partial, "seen in part"), (Status::Unknown, "UNKNOWN")] {
                if count(status) > 0 {
                    parts.push(format!("{} {what}", count(status)));
                }
            }
            let refused = services.iter().filter(|service| is_missed(service)).count();
            if refused > 0 {
                parts.push(format!("{refused} NOT ADMITTED"));
            }
            let flagged = services.iter().filter(|service| !service.flagged.is_empty()).count();
            if flagged > 0 {
                parts.push(format!("{flagged} on FLAGGED artifacts"));
            }
            parts.join(", ")
        }
    };
    at_moment(&running.as_of) + &answer
}

fn service_line(service: &ServiceState, running: &Running) -> String {
    let (name, since, seen) = (&service.service, service.since, service.last_observed);
    let models = sets(service.serving_sets.iter().map(Shown::of));
    let line = match (service.status, service.unknown_since) {
        (Status::Unknown, Some(unknown)) => format!("{name}  UNKNOWN since {unknown}; last seen {seen} with {models}"),
        (Status::Partial, _) => format!("{name}  seen in part: {models}, observed {} ago", age(seen, running.at)),
        _ => {
            let (running_for, ago) = (age(since, running.at), age(seen, running.at));
            format!("{name}  {models}  since {since} ({running_for}), observed {ago} ago, {}", requested(service))
        }
    };
    line + &admitted(service) + &on_flagged(service)
}

fn is_missed(service: &ServiceState) -> bool {
    service.serving_sets.iter().any(|set| set.admission.gated.is_missed())
}

/// `, ADMITTED (#5, policy/payments/fraud-prod)`; part by part where they differ.
fn admitted(service: &ServiceState) -> String {
    let each = || service.serving_sets.iter().map(|set| (set.share.as_deref(), admission(&set.admission)));
    let mut said = each();
    let Some((_share, first)) = said.next() else { return String::new() };
    if said.all(|(_share, other)| other == first) {
        return format!(", {first}");
    }
    let parts: Vec<String> = each().map(|(share, what)| format!("{} {what}", share.unwrap_or("a part"))).collect();
    format!(", {}", parts.join(", "))
}

/// What the gate decided, as a line has it.
pub(super) fn admission(admission: &SetAdmission) -> String {
    let policy = admission.policy.as_ref().map_or_else(String::new, |policy| format!(", {policy}"));
    let by = admission.decision.as_ref().map_or_else(String::new, |event| format!("#{}{policy}", event.index));
    let reason = admission.reason.as_deref().unwrap_or("no reason");
    let until = admission.until.map_or_else(|| "an unknown time".to_owned(), |until| until.to_string());
    match admission.gated {
        Gated::Admitted => format!("ADMITTED ({by})"),
        Gated::Overridden => format!("ADMITTED BY OVERRIDE ({by}) for {reason}, until {until}"),
        Gated::OverrideEnded => format!("NOT ADMITTED: the override ended {until} ({by})"),
        Gated::Refused => {
            let before = admission.allowed_before.as_ref();
            let before = before.map_or_else(String::new, |event| format!(", allowed before (#{})", event.index));
            format!("NOT ADMITTED: refused ({by}){before}")
        }
        Gated::Undecided => format!("NOT ADMITTED: the gate could not decide ({by})"),
        Gated::NeverGated => "NOT ADMITTED: never gated".to_owned(),
        Gated::NotCovered => "never gated: no policy speaks for it".to_owned(),
    }
}

/// `, on FLAGGED poisoned`, or nothing.
fn on_flagged(service: &ServiceState) -> String {
    let categories: BTreeSet<&str> =
        service.flagged.iter().flat_map(|flagged| &flagged.flags).map(|flag| flag.category.as_str()).collect();
    if categories.is_empty() {
        return String::new();
    }
    format!(", on FLAGGED artifacts ({})", categories.into_iter().collect::<Vec<_>>().join(", "))
}

/// A part of a serving set, for prose.
pub(super) struct Shown<'a> {
    pub(super) share: Option<&'a str>,
    pub(super) components: &'a [ComponentState],
}

impl<'a> Shown<'a> {
    fn of(set: &'a SetState) -> Self {
        Self { share: set.share.as_deref(), components: &set.components }
    }
}

/// Parts in prose: the models of each, or everything where there are none; shares where there are several.
pub(super) fn sets<'a>(parts: impl IntoIterator<Item = Shown<'a>>) -> String {
    let parts: Vec<Shown<'_>> = parts.into_iter().collect();
    let several = parts.len() > 1;
    let each = parts.iter().map(|part| {
        let shown: Vec<&ComponentState> = main_components(part.components);
        let named = shown.iter().map(|component| component_label(component)).collect::<Vec<_>>().join(" + ");
        match part.share.filter(|_share| several) {
            Some(share) => format!("{share} {named}"),
            None => named,
        }
    });
    let sets = each.collect::<Vec<_>>().join(", ");
    if sets.is_empty() { "nothing".to_owned() } else { sets }
}

/// All components of a part: its models, and what they serve with.
pub(super) fn everything(components: &[ComponentState]) -> String {
    let main = main_components(components);
    let models = main.iter().map(|component| component_label(component)).collect::<Vec<_>>().join(" + ");
    let others: Vec<String> =
        components.iter().filter(|component| !main.contains(component)).map(component_in_its_role).collect();
    if others.is_empty() { models } else { format!("{models} with {}", others.join(", ")) }
}

/// `index docs.faiss sha256:ab12cd34ef56…`.
pub(in crate::answers) fn component_in_its_role(component: &ComponentState) -> String {
    format!("{} {}", component.role, component_label(component))
}

fn main_components(components: &[ComponentState]) -> Vec<&ComponentState> {
    let is_model = |component: &&ComponentState| matches!(component.role.as_str(), "model" | "adapter");
    let models: Vec<_> = components.iter().filter(is_model).collect();
    if models.is_empty() { components.iter().collect() } else { models }
}

fn component_label(component: &ComponentState) -> String {
    let digest = main_digest(&component.digests).map(text::short).or_else(|| component.uri.clone());
    let version = component.version.as_deref().map(text::version);
    [component.name.clone(), version, digest].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn requested(service: &ServiceState) -> String {
    match &service.requested {
        Some(request) if request.standing => {
            let door = request.door.as_ref().map_or_else(String::new, |door| format!(" through {door}"));
            format!("requested (#{}){door}", request.event.index)
        }
        Some(request) => format!("requested before (#{}), not by the request that stands", request.event.index),
        None => "NEVER REQUESTED".to_owned(),
    }
}

pub(super) fn text(running: &Running, style: Style) -> String {
    let worst = running.services.iter().map(|service| service.status).max();
    let colour = match worst {
        Some(Status::Running) => Colour::Green,
        Some(Status::Partial | Status::Unknown) => Colour::Red,
        None => Colour::Yellow,
    };
    let mut out = vec![style.paint(colour, &running.answer)];
    for service in &running.services {
        out.push(String::new());
        if running.services.len() > 1 {
            out.push(service_line(service, running));
        }
        details(service, style, &mut out);
    }
    if running.services.is_empty() && !running.ended.is_empty() {
        out.push(String::new());
        out.extend(running.ended.iter().map(|ended| {
            let (service, since, index, kind) = (&ended.service, ended.since, ended.event.index, &ended.event.kind);
            format!("  {service} runs nothing since {since} (#{index} {kind})")
        }));
    }
    out.extend(running.warnings.iter().map(|warning| style.paint(Colour::Yellow, &format!("warning: {warning}"))));
    out.push(String::new());
    out.push(as_of_line(&running.as_of));
    out.join("\n") + "\n"
}

fn details(service: &ServiceState, style: Style, out: &mut Vec<String>) {
    for set in &service.serving_sets {
        let share = set.share.as_ref().map(|share| format!("share {share}"));
        let instances = set.instances.map(|count| format!("{count} instances"));
        let said = [format!("since {}", set.since), admission(&set.admission)];
        let head: Vec<String> = share.into_iter().chain(instances).chain(said).collect();
        out.push(format!("  {}", head.join(", ")));
        for component in &set.components {
            let digest = component.digests.first().map(|digest| format!("{}:{}", digest.algorithm, digest.value));
            let place = digest.or_else(|| component.uri.clone()).unwrap_or_default();
            let version = component.version.as_deref().map(text::version);
            let name: Vec<String> = component.name.iter().cloned().chain(version).collect();
            let floating = component.binding.map_or_else(String::new, |binding| format!(", {binding}"));
            let (role, strength) = (component.role, component.strength.as_str());
            let flags = flagged(&component.flags);
            out.push(format!("    {role} {} {place} ({strength}{floating}){flags}", name.join(" ")));
        }
    }
    let event = &service.observation;
    let (index, observer, signed) = (event.index, &service.observer, signers(&event.signers));
    out.push(style.paint(Colour::Dim, &format!("  #{index} observed by {observer}, signed by {signed}")));
    out.extend(service.flagged.iter().map(|one| style.paint(Colour::Red, &format!("  ! {}", flagged_line(one)))));
    out.extend(service.notes.iter().map(|note| style.paint(Colour::Yellow, &format!("  ! {note}"))));
}
