//! Rules about one service: what was seen of it, against what the gate decided.
//!
//! Whether something was admitted is [`crate::answers::admission`]'s rule, and what is found of it is here. Promises that the
//! gate is only missed where it is used: where a policy speaks for the service, or the gate was asked about it; elsewhere it
//! is one low finding an environment, and none at all in a record without a policy. Never judges anything again.

use std::rc::Rc;

use lineal_gate::age::is_behind;
use lineal_schemas::vocabulary::{
    Payload,
    artifact::Artifact,
    deployment::ServedSet,
    gate::{GateDecided, GateVerdict},
    lineage::Relation,
};

use super::{
    Rule, Severity,
    deployed::{GRACE_SECONDS, Live, part_named, spellings},
    draft::{Draft, Gathered},
};
use crate::answers::{
    AnswerError,
    admission::{Decisions, Gated, Said, decided, is_about, judged},
    gate,
    graph::{Reader, Told},
    running::{
        history::{History, Seen},
        holds,
    },
};

/// Every rule about what the gate decided of a service that is live; `is_used` says whether the record has a policy at all.
pub(super) fn rules(
    reader: &mut Reader<'_>,
    live: &Live,
    decisions: &Decisions,
    is_used: bool,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    let whole = live.newest.sets();
    for set in whole {
        let said = decisions.about_part(reader, set, whole)?;
        let admission = said.admission(reader);
        match admission.gated {
            // Whether a policy speaks is asked below, and only where it matters.
            Gated::Admitted | Gated::NotCovered => {}
            Gated::Refused => refused(reader, live, set, &said, gathered)?,
            Gated::Overridden | Gated::OverrideEnded => overridden(reader, live, set, &said, gathered)?,
            Gated::Undecided => never(reader, live, set, said.undecided.as_ref(), gathered)?,
            Gated::NeverGated if decisions.is_empty() && !is_used => {}
            Gated::NeverGated if decisions.is_empty() && !gate::is_gated(reader, &live.service)? => {
                ungated(reader, live, gathered);
            }
            Gated::NeverGated => never(reader, live, set, None, gathered)?,
        }
        if let Some(told) = said.last() {
            unregistered(reader, live, set, told, gathered)?;
            behind(reader, live, set, told, gathered)?;
        }
    }
    Ok(())
}

/// A finding about a part of what serves.
fn about_part(rule: Rule, live: &Live, set: &ServedSet, line: String) -> Draft {
    let mut draft = Draft::of(rule, &live.service, line);
    draft.about.extend(spellings(set));
    draft
}

fn refused(
    reader: &mut Reader<'_>,
    live: &Live,
    set: &ServedSet,
    said: &Said,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    let Some(denied) = &said.denied else { return Ok(()) };
    let (service, part, at) = (&live.service, part_named(reader, set)?, denied.when());
    let since = History::read(reader, service)?.since(reader, |reader, seen| holds(reader, seen, set))?;
    // What was let through and ran when it was refused is another thing than what came up all the same.
    let was_admitted = said.allowed.as_ref().filter(|_allowed| since < at);
    let (severity, how) = match was_admitted {
        Some(_) => (Severity::High, "runs on since it was admitted, and the gate has refused it at"),
        None => (Severity::Critical, "runs, and the gate refused it at"),
    };
    let line = format!("{service}: {part} {how} {at}{}", why(denied));
    let mut draft = about_part(Rule::ObservedAfterRefusal, live, set, line);
    draft.severity = Some(severity);
    draft.evidence.extend(was_admitted.map(|allowed| ("allowed", allowed.clone())));
    draft.evidence.extend([("refused", denied.clone()), live.observed()]);
    gathered.add(reader, draft);
    Ok(())
}

/// The rules that did not pass, as the decision names them.
fn why(told: &Told) -> String {
    let reasons = decided(told).into_iter().flat_map(|decided| decided.reasons.iter().flatten());
    let rules: Vec<&str> = reasons.map(|reason| reason.rule.as_str()).collect();
    if rules.is_empty() { String::new() } else { format!(": {}", rules.join(", ")) }
}

fn never(
    reader: &mut Reader<'_>,
    live: &Live,
    set: &ServedSet,
    undecided: Option<&Rc<Told>>,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    let (service, part) = (&live.service, part_named(reader, set)?);
    let how =
        if undecided.is_some() { "the gate could not decide about it" } else { "the gate never decided about it" };
    let line = format!("{service}: {part} runs, and {how}");
    let mut draft = about_part(Rule::ObservedNeverAdmitted, live, set, line);
    draft.evidence.extend(undecided.map(|told| ("undecided", told.clone())));
    draft.evidence.push(live.observed());
    gathered.add(reader, draft);
    Ok(())
}

/// One finding for all services of an environment that no policy speaks for.
fn ungated(reader: &Reader<'_>, live: &Live, gathered: &mut Gathered) {
    let place = live.service.split_once('@').map_or("", |(_name, place)| place);
    let line = format!("{place}: services run here that no policy speaks for, and the gate was not asked about them");
    let mut draft = Draft::of(Rule::Ungated, &live.service, line);
    draft.about = vec![place.to_owned()];
    draft.evidence = vec![live.observed()];
    gathered.add(reader, draft);
}

fn overridden(
    reader: &mut Reader<'_>,
    live: &Live,
    set: &ServedSet,
    said: &Said,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    let Some((told, glass)) = said.denied.as_ref().zip(said.denied.as_deref().and_then(glass)) else { return Ok(()) };
    let (service, part, reason) = (&live.service, part_named(reader, set)?, &glass.reason);
    let is_over = said.admission(reader).gated == Gated::OverrideEnded;
    let until = if is_over { "ENDED" } else { "until" };
    let (expires, why) = (&glass.expires, why(told));
    let line = format!("{service}: {part} was denied{why}; OVERRIDDEN for {reason}, {until} {expires}");
    let mut draft = about_part(Rule::AdmittedByOverride, live, set, line);
    draft.severity = is_over.then_some(Severity::Critical);
    if let Some(index) = reader.by_event(&glass.waiver)? {
        draft.evidence.extend(reader.told(index)?.map(|waiver| ("waived", waiver)));
    }
    draft.evidence.extend([("overridden", told.clone()), live.observed()]);
    gathered.add(reader, draft);
    Ok(())
}

fn glass(told: &Told) -> Option<&lineal_schemas::vocabulary::gate::GateOverride> {
    decided(told).and_then(|decided| decided.overridden.as_ref())
}

/// A yes about a record as it was long before: what came since may be the flag that would have stopped it.
fn behind(
    reader: &mut Reader<'_>,
    live: &Live,
    set: &ServedSet,
    told: &Rc<Told>,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    let Some(decided) = decided(told).filter(|decided| may_run(decided)) else { return Ok(()) };
    let (recorded, size) = (told.entry.received, decided.tree_size.get());
    let Some(how) = (if decided.judged_at.timestamp().is_none_or(|judged| is_behind(judged, recorded)) {
        Some(format!("as of {}", decided.judged_at))
    } else if size < told.index && is_behind(reader.view().record.get(size)?.entry().received, recorded) {
        Some(format!("of the first {size} entries"))
    } else {
        None
    }) else {
        return Ok(());
    };
    let (service, part) = (&live.service, part_named(reader, set)?);
    let line = format!("{service}: {part} was admitted at {recorded} by a verdict {how}");
    let mut draft = about_part(Rule::DecidedOnOldRecord, live, set, line);
    draft.evidence = vec![("decided", told.clone()), live.observed()];
    gathered.add(reader, draft);
    Ok(())
}

/// A policy that came to the record after the first of the evaluations that it judged.
fn unregistered(
    reader: &mut Reader<'_>,
    live: &Live,
    set: &ServedSet,
    told: &Rc<Told>,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    let Some(decided) = decided(told) else { return Ok(()) };
    let Some(registered) = registration(reader, told, decided)? else { return Ok(()) };
    let mut first: Option<Rc<Told>> = None;
    for component in judged(std::slice::from_ref(set)) {
        let known = first_measured(reader, &component.artifact, told, decided)?;
        first = first.into_iter().chain(known).min_by_key(|told| told.index);
    }
    // The order of the record, and not of clocks, as the gate has it.
    let Some(first) = first.filter(|first| first.index < registered.index) else { return Ok(()) };
    let (service, part, policy) = (&live.service, part_named(reader, set)?, &registered.subject);
    let line =
        format!("{service}: {part} was decided by {policy}, registered after the first evaluation that it judged");
    let mut draft = about_part(Rule::PolicyAfterEvaluation, live, set, line);
    draft.about.push(policy.clone());
    draft.evidence = vec![("measured", first), ("registered", registered), ("decided", told.clone()), live.observed()];
    gathered.add(reader, draft);
    Ok(())
}

/// Whether a decision rests on an event: as it says, or where it does not, by what was on the record then.
fn rests_on(decision: &Told, decided: &GateDecided, told: &Told) -> bool {
    let inputs = decided.inputs.as_ref();
    told.index < decision.index && inputs.is_none_or(|inputs| inputs.contains(&told.entry.event))
}

/// The registration of the policy that was applied.
fn registration(
    reader: &mut Reader<'_>,
    decision: &Told,
    decided: &GateDecided,
) -> Result<Option<Rc<Told>>, AnswerError> {
    let Some(policy) = &decided.policy else { return Ok(None) };
    let all = reader.told_about(policy.name.as_str(), &["policy.registered"])?;
    let is_it = |told: &&Rc<Told>| match &told.payload {
        Payload::PolicyRegistered(registered) => {
            registered.text.digest() == policy.sha256.as_str() && rests_on(decision, decided, told)
        }
        _ => false,
    };
    Ok(all.iter().filter(is_it).max_by_key(|told| told.index).cloned())
}

/// The first that was heard of a measurement of an artifact, of those that a decision rests on.
fn first_measured(
    reader: &mut Reader<'_>,
    artifact: &Artifact,
    decision: &Told,
    decided: &GateDecided,
) -> Result<Option<Rc<Told>>, AnswerError> {
    let Some(identity) = reader.identity(artifact)? else { return Ok(None) };
    let is_measured = |told: &&Rc<Told>| {
        matches!(told.payload, Payload::EvaluationStarted(_) | Payload::EvaluationCompleted(_))
            && identity.mentions(told).any(|mention| mention.relation == Relation::Subject)
            && rests_on(decision, decided, told)
    };
    Ok(identity.said.iter().filter(is_measured).min_by_key(|told| told.index).cloned())
}

/// What the gate let through last and was not seen since.
pub(super) fn waiting(
    reader: &mut Reader<'_>,
    service: &str,
    decisions: &Decisions,
    gathered: &mut Gathered,
) -> Result<(), AnswerError> {
    let Some((told, decided)) = decisions.all().find(|(_told, decided)| may_run(decided)) else { return Ok(()) };
    let from = told.when();
    if reader.moment().at.as_millis().saturating_sub(from.as_millis()) < GRACE_SECONDS * 1000 {
        return Ok(());
    }
    let mut history = History::read(reader, service)?;
    let newest = history.newest().cloned();
    let was_removed = |seen: &Seen| matches!(seen.told.payload, Payload::DeploymentRemoved(_)) && seen.at() >= from;
    if newest.as_ref().is_some_and(was_removed) {
        return Ok(());
    }
    let wanted = &decided.serving_set;
    let in_part = match history.partial.clone() {
        Some(part) => has(reader, part.sets(), wanted)?,
        None => false,
    };
    if in_part || history.any_since(reader, from, |reader, seen| has(reader, seen, wanted))? {
        return Ok(());
    }
    let mut named = Vec::new();
    for set in wanted {
        named.push(part_named(reader, set)?);
    }
    let line = format!("{service}: {} was admitted at {from}, and not seen since", named.join(", "));
    let mut draft = Draft::of(Rule::AdmittedNeverObserved, service, line);
    draft.about.extend(wanted.iter().flat_map(spellings));
    draft.evidence = vec![("admitted", told.clone())];
    draft.evidence.extend(newest.map(|seen| ("observed", seen.told)));
    gathered.add(reader, draft);
    Ok(())
}

fn may_run(decided: &GateDecided) -> bool {
    decided.verdict == GateVerdict::Allow || decided.overridden.is_some()
}

/// Whether what was seen, or a part of it, is what a decision was about.
fn has(reader: &mut Reader<'_>, seen: &[ServedSet], wanted: &[ServedSet]) -> Result<bool, AnswerError> {
    if is_about(reader, wanted, seen)? {
        return Ok(true);
    }
    for set in seen {
        if is_about(reader, wanted, std::slice::from_ref(set))? {
            return Ok(true);
        }
    }
    Ok(false)
}
