//! What people say about a decision: approvals, waivers, the way back, and the broken glass.
//!
//! Promises that none of them hides anything: a waived rule stands in the verdict as waived, and a broken glass leaves the
//! verdict as it is. Never counts what has ended, or what somebody said who may not.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lineal_schemas::{
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        deployment::ServedSet,
        gate::{GateOverride, GateVerdict},
        policy::WaiverGranted,
        values::Time,
    },
};

use super::{Case, Model, result};
use crate::{
    history::{Evidence, History, Used},
    policy::{Approval, NotWho, Rollback, is_from},
    verdict::{Outcome, RuleResult, Verdict, WAY_BACK, time},
};

/// What was said of these models at the service and had happened, in the order of the record. It stands with each model: of
/// other models there may be any number of words.
fn words<'c>(case: &Case, models: impl Iterator<Item = &'c Model>) -> impl Iterator<Item = &'c Rc<Evidence>> {
    let said = models.flat_map(|model| &model.identity).flat_map(|identity| &identity.said);
    let is_here = |told: &&Rc<Evidence>| told.subject == case.service.as_str() && told.when() <= case.now;
    let words: BTreeMap<u64, &Rc<Evidence>> = said.filter(is_here).map(|told| (told.index, told)).collect();
    words.into_values()
}

/// `approval`: enough people who may have said yes, and none no.
pub(super) fn approval_rule(case: &Case, model: &Model, asked: &Approval) -> RuleResult {
    let want = format!("{} as {}, and no refusal", asked.count, asked.role);
    let (mut evidence, mut why) = (Vec::new(), Vec::new());
    let excluded = excluded(model, asked);
    // Of one producer the last word counts.
    let mut last: BTreeMap<&str, &Rc<Evidence>> = BTreeMap::new();
    for told in words(case, std::iter::once(model)).filter(|told| is_about(told, model, asked)) {
        for producer in told.producers.iter().filter(|_producer| is_from(told, asked.from.as_ref())) {
            if let Some(doubt) = doubt(told, model, case.now) {
                evidence.push(told.event);
                why.push(format!("that of {producer} {doubt}"));
            } else {
                last.insert(producer, told);
            }
        }
    }
    let (mut yes, mut no) = (Vec::new(), Vec::new());
    for (producer, told) in last {
        evidence.push(told.event);
        match &told.payload {
            Payload::ApprovalRefused(_) => no.push(producer.to_owned()),
            // Somebody else may have changed what it is about.
            Payload::ApprovalGranted(_) if told.is_corrected() => {
                why.push(format!("that of {producer} was corrected: grant it again"));
            }
            Payload::ApprovalGranted(_) if excluded.contains(producer) => {
                why.push(format!("{producer} made or measured it"));
            }
            Payload::ApprovalGranted(granted) => {
                let open = granted.conditions.iter().flatten().find(|condition| !asked.conditions.contains(condition));
                let ended = granted.expires.as_ref().filter(|expires| has_ended(expires, case.now));
                match (open, ended) {
                    (None, None) => yes.push(producer.to_owned()),
                    (_, Some(ended)) => why.push(format!("that of {producer} ended {ended}")),
                    (Some(open), None) => why.push(format!("that of {producer} is under the condition {open}")),
                }
            }
            _ => {}
        }
    }
    let answer = |outcome, got: String| RuleResult { evidence, ..result("approval", None, outcome, want, got) };
    if !no.is_empty() {
        return answer(Outcome::Fail, format!("refused by {}", no.join(", ")));
    }
    let not = if why.is_empty() { String::new() } else { format!("; not counted: {}", why.join(", ")) };
    if yes.len() < usize::try_from(asked.count).unwrap_or(usize::MAX) {
        let by = if yes.is_empty() { String::new() } else { format!(" by {}", yes.join(", ")) };
        return answer(Outcome::NoEvidence, format!("{} of {}{by}{not}", yes.len(), asked.count));
    }
    answer(Outcome::Pass, format!("approved by {}{not}", yes.join(", ")))
}

fn is_about(told: &Evidence, model: &Model, asked: &Approval) -> bool {
    let (artifact, role) = match &told.payload {
        Payload::ApprovalGranted(granted) => (&granted.artifact, &granted.role),
        Payload::ApprovalRefused(refused) => (&refused.artifact, &refused.role),
        _ => return false,
    };
    *role == asked.role && model.identity.as_ref().is_some_and(|identity| identity.is(artifact))
}

/// Why a yes says nothing about this model; a no always does.
fn doubt(told: &Evidence, model: &Model, now: Timestamp) -> Option<&'static str> {
    let Payload::ApprovalGranted(granted) = &told.payload else { return None };
    if told.is_suspect {
        return Some("came under a key that somebody else may have had");
    }
    let is_it = model.is_known_as(&granted.artifact, told.index, now);
    (!is_it).then_some("is of another digest, which nobody but its makers had called the same by then")
}

fn excluded(model: &Model, asked: &Approval) -> BTreeSet<String> {
    let mut excluded = BTreeSet::new();
    for who in &asked.not {
        match who {
            NotWho::Trainer => excluded.extend(model.ancestry.trainers.iter().cloned()),
            NotWho::Evaluator => excluded.extend(model.attempts.evaluators()),
        }
    }
    excluded
}

fn has_ended(expires: &Time, now: Timestamp) -> bool {
    expires.timestamp().is_none_or(|end| end <= now)
}

/// A waiver on the record, and the moment at which it ends.
struct Waiver<'t> {
    told: &'t Rc<Evidence>,
    granted: &'t WaiverGranted,
    end: Timestamp,
}

/// The waivers of these models that had happened and name this policy's text; one that was corrected is none, and one under a
/// key that somebody else may have had.
fn waivers<'c>(case: &'c Case, notes: &mut Vec<String>) -> Vec<&'c Rc<Evidence>> {
    let mut all: Vec<&Rc<Evidence>> = words(case, case.models.iter()).collect();
    all.retain(|told| {
        let Payload::WaiverGranted(granted) = &told.payload else { return false };
        !told.is_corrected() && granted.policy.as_str() == case.applied.policy.digest()
    });
    for told in all.iter().filter(|told| told.is_suspect) {
        let note =
            format!("NOT COUNTED: a waiver of {} under a key that somebody else may have had", joined(&told.producers));
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    all.retain(|told| !told.is_suspect);
    all
}

/// Of waivers, one that names a rule; it ends when it says, and never later than the policy allows.
fn waiver<'t>(told: &'t Rc<Evidence>, rule: &str, longest: Option<i64>) -> Option<Waiver<'t>> {
    let Payload::WaiverGranted(granted) = &told.payload else { return None };
    let end = granted.expires.timestamp()?;
    let most = longest.map(|span| Timestamp::from_millis(told.received.as_millis().saturating_add(span)));
    (granted.rule.as_str() == rule).then(|| Waiver { told, granted, end: most.map_or(end, |most| end.min(most)) })
}

/// Rules that did not pass and that somebody waived, of a model that the waiver names.
pub(super) fn waive(case: &Case, verdict: &mut Verdict, used: &mut Used) {
    let Some(asked) = &case.applied.policy.table.waivers else { return };
    let asked = asked.get_ref();
    let all = waivers(case, &mut verdict.notes);
    let longest = asked.expires.as_ref().map(crate::policy::Span::as_millis);
    for result in &mut verdict.rules {
        let may_be = asked.rules.iter().any(|rule| *rule.get_ref() == result.rule);
        if !may_be || result.outcome == Outcome::Pass {
            continue;
        }
        let models = case.models.iter().filter(|model| result.of.as_ref().is_none_or(|of| *of == model.label));
        let models: Vec<&Model> = models.filter(|model| model.identity.is_some()).collect();
        for told in all.iter().rev() {
            let Some(waiver) = waiver(told, &result.rule, longest) else { continue };
            let is_named = |model: &&Model| model.is_known_as(&waiver.granted.artifact, told.index, case.now);
            let names = !models.is_empty() && models.iter().all(is_named);
            if !names || !is_from(told, asked.from.as_ref()) {
                continue;
            }
            used.put(waiver.told);
            if waiver.end <= case.now {
                result.got = format!("{}; a waiver ended {}", result.got, waiver.end);
                continue;
            }
            let (who, why) = (joined(&told.producers), &waiver.granted.reason);
            verdict.notes.push(format!("WAIVED: {} by {who}: {why}, until {}", result.rule, waiver.end));
            result.outcome = Outcome::Waived;
            result.evidence.push(told.event);
            break;
        }
    }
}

/// The way back: what the ledger's gate allowed there before, and what ran there, needs no fresh evidence.
pub(super) fn roll_back<H: History>(
    history: &mut H,
    case: &Case,
    verdict: &mut Verdict,
    used: &mut Used,
) -> Result<(), H::Error> {
    let clause = case.applied.policy.table.rollback.as_ref().map(|clause| clause.allow);
    let denied = verdict.verdict == GateVerdict::Deny;
    let stands =
        |rule: &RuleResult| rule.outcome == Outcome::Pass || !(rule.rule == "identity" || rule.rule == "flags");
    if clause != Some(Rollback::PreviouslyAdmitted) || !denied || !verdict.rules.iter().all(stands) {
        return Ok(());
    }
    let refused = |rule: &RuleResult| rule.rule == "approval" && rule.outcome == Outcome::Fail;
    if verdict.rules.iter().any(refused) {
        return Ok(());
    }
    let mut is_same = |sets: &[ServedSet], before: u64| has_just(sets, case, before);
    let Some(allowed) = history.last_allowed(case.service.as_str(), &mut is_same)? else { return Ok(()) };
    let mut ran = |sets: &[ServedSet]| has_just(sets, case, allowed.index);
    let state = history.state(case.service.as_str(), Some(&mut ran))?;
    let Some(state) = state.filter(|state| !state.is_disputed) else { return Ok(()) };
    used.put(&allowed);
    used.put_digest(state.event);
    let unmet: Vec<&str> =
        verdict.reasons().filter(|rule| rule.outcome != Outcome::Waived).map(|rule| rule.rule.as_str()).collect();
    verdict.notes.push(format!(
        "{WAY_BACK}allowed there on {} and observed running since or before; not judged afresh: {}",
        allowed.when(),
        unmet.join(", ")
    ));
    for result in &mut verdict.rules {
        if matches!(result.outcome, Outcome::Fail | Outcome::NoEvidence) {
            result.outcome = Outcome::Waived;
            result.got.push_str("; previously admitted");
            result.evidence.push(allowed.event);
        }
    }
    verdict.verdict = GateVerdict::Allow;
    Ok(())
}

/// Whether the models of a serving set are just these.
fn has_just(sets: &[ServedSet], case: &Case, before: u64) -> bool {
    use lineal_schemas::vocabulary::deployment::ComponentRole::{Adapter, Model};
    let components = sets.iter().flat_map(|set| &set.components);
    let served: Vec<_> = components.filter(|part| matches!(part.role, Model | Adapter)).collect();
    let is_part = |part: &lineal_schemas::vocabulary::deployment::Component, model: &super::Model| {
        model.is_known_as(&part.artifact, before, case.now)
    };
    !served.is_empty()
        && served.iter().all(|part| case.models.iter().any(|model| is_part(part, model)))
        && case.models.iter().all(|model| served.iter().any(|part| is_part(part, model)))
}

/// Break-glass: the verdict stays `deny`, and says who lets it run all the same, until when.
pub(super) fn break_glass(case: &Case, verdict: &mut Verdict, used: &mut Used) {
    let Some(asked) = &case.applied.policy.table.override_ else { return };
    if verdict.verdict != GateVerdict::Deny {
        return;
    }
    let all = waivers(case, &mut verdict.notes);
    let longest = Some(asked.expires.as_millis());
    for told in all.iter().rev() {
        let Some(waiver) = waiver(told, lineal_schemas::vocabulary::policy::OVERRIDE, longest) else { continue };
        let names = case.models.iter().all(|model| model.is_known_as(&waiver.granted.artifact, told.index, case.now));
        if !names || case.models.is_empty() || !is_from(told, asked.from.as_ref()) {
            continue;
        }
        used.put(told);
        let Some(expires) = time(waiver.end).filter(|_expires| waiver.end > case.now) else { continue };
        let (who, why) = (joined(&told.producers), waiver.granted.reason.clone());
        verdict.notes.push(format!("OVERRIDDEN by {who}: {why}, until {expires}"));
        verdict.overridden = Some(GateOverride { waiver: told.event, reason: why, expires });
        return;
    }
}

fn joined(producers: &BTreeSet<String>) -> String {
    producers.iter().map(String::as_str).collect::<Vec<_>>().join(" and ")
}
