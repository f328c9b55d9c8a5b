//! The rules about measurements themselves: that there are some, on which data, by whom, how old, and announced.

use lineal_schemas::timestamp::Timestamp;

use super::{Case, Model, result};
use crate::{
    policy::Aggregate,
    verdict::{Outcome, RuleResult},
};

/// The rules that a policy has about measurements, in its order.
pub(super) fn rules(case: &Case, model: &Model, results: &mut Vec<RuleResult>, notes: &mut Vec<String>) {
    let table = &case.applied.policy.table;
    let asked = table.evaluation.as_ref().map(toml::Spanned::get_ref);
    if asked.is_none() && table.metric.is_empty() && table.gap.is_empty() {
        return;
    }
    results.push(enough(case, model, notes));
    let registered_before = registered_before(case, model);
    if let Some(asked) = asked {
        let all = [
            (asked.disjoint_from_training, disjoint as fn(&Case, &Model) -> RuleResult),
            (asked.independent_signer, independent),
            (asked.max_age.is_some(), fresh),
            (asked.announced, announced),
        ];
        results.extend(all.into_iter().filter(|(asked, _)| *asked).map(|(_, rule)| rule(case, model)));
        if asked.registered_before {
            return results.push(registered_before);
        }
    }
    if registered_before.outcome != Outcome::Pass {
        notes.push(format!("NOT PRE-REGISTERED: {}", registered_before.got));
    }
}

/// Every event of the attempts that count.
fn evidence(model: &Model) -> Vec<lineal_schemas::digest::EventDigest> {
    let attempts = model.attempts.counted.iter();
    let events = attempts.flat_map(super::attempts::Attempt::events);
    let retractions = model.attempts.retracted.iter().map(|(_attempt, by)| by);
    let all = events.chain(retractions);
    all.flat_map(|told| [Some(told.event), told.corrected_by, told.disputed_by]).flatten().collect()
}

/// `evaluation`: as many finished attempts as are asked for, and none that was announced only.
fn enough(case: &Case, model: &Model, notes: &mut Vec<String>) -> RuleResult {
    let asked = case.applied.policy.table.evaluation.as_ref().map(toml::Spanned::get_ref);
    let repeats = asked.and_then(|asked| asked.repeats).unwrap_or(1);
    let how = match asked.map(|asked| asked.aggregate).unwrap_or_default() {
        Aggregate::Every => "every one counts",
        Aggregate::Mean => "their mean counts",
        Aggregate::Median => "their median counts",
    };
    let most = asked.and_then(|asked| asked.max_retracted);
    let at_most = most.map_or_else(String::new, |most| format!(", at most {most} retracted"));
    let want = format!("{repeats} finished or more, none unfinished; {how}{at_most}");
    let attempts = &model.attempts;
    for (attempt, by) in &attempts.retracted {
        let lineal_schemas::vocabulary::Payload::EvaluationRetracted(retraction) = &by.payload else { continue };
        let who: Vec<&str> = by.producers.iter().map(String::as_str).collect();
        notes.push(format!("evaluation {} is retracted by {}: {}", attempt.id, who.join(" and "), retraction.reason));
    }
    let (finished, retracted) = (attempts.finished().count(), attempts.retracted.len());
    let (strayed, open): (Vec<_>, Vec<_>) = attempts.open().partition(|attempt| attempt.strayed.is_some());
    let strayed = strayed.iter().filter_map(|attempt| Some(format!("{}: {}", attempt.id, attempt.strayed.as_ref()?.1)));
    let strayed: Vec<String> = strayed.collect();
    let open: Vec<&str> = open.iter().map(|attempt| attempt.id.as_str()).collect();
    let answer = |outcome, got: String| RuleResult {
        evidence: evidence(model),
        ..result("evaluation", None, outcome, want, got)
    };
    if model.identity.is_none() {
        return answer(Outcome::NoEvidence, "no strong digest, so no measurement can be joined to it".to_owned());
    }
    if !open.is_empty() {
        return answer(Outcome::NoEvidence, format!("announced and not finished: {}", open.join(", ")));
    }
    if !strayed.is_empty() {
        return answer(Outcome::NoEvidence, strayed.join("; "));
    }
    if finished < usize::try_from(repeats).unwrap_or(usize::MAX) {
        let others: Vec<&str> = attempts.other.iter().map(|(why, _attempt)| why.as_str()).collect();
        let others = if others.is_empty() { String::new() } else { format!("; not counted: {}", others.join(", ")) };
        return answer(Outcome::NoEvidence, format!("{finished} finished{others}"));
    }
    if most.is_some_and(|most| retracted > usize::try_from(most).unwrap_or(usize::MAX)) {
        return answer(Outcome::Fail, format!("{retracted} retracted"));
    }
    answer(Outcome::Pass, format!("{finished} finished, {retracted} retracted"))
}

/// `evaluation/disjoint`: what it was measured on is nothing that it was made from.
fn disjoint(_case: &Case, model: &Model) -> RuleResult {
    let rule = "evaluation/disjoint";
    let want = "evaluation data that it was not made from".to_owned();
    let data: Vec<_> = model.attempts.finished().flat_map(|(attempt, _told)| &attempt.suite.data).collect();
    let is_used = |data: &&&super::attempts::Data| {
        data.identity.iter().any(|identity| model.ancestry.has_any_of(identity))
            || data.wholes.iter().any(|identity| model.ancestry.has(identity))
    };
    let answer =
        |outcome, got: String| RuleResult { evidence: evidence(model), ..result(rule, None, outcome, want, got) };
    if let Some(used) = data.iter().find(is_used) {
        return answer(Outcome::Fail, format!("{} is in its ancestry", used.label));
    }
    if let Some(weak) = data.iter().find(|data| data.identity.is_none()) {
        return answer(Outcome::NoEvidence, format!("{} has no digest of its full content", weak.label));
    }
    let says_nothing = model.attempts.finished().any(|(attempt, _told)| attempt.suite.data.is_empty());
    if data.is_empty() || says_nothing {
        return answer(Outcome::NoEvidence, "it is not said on which data it was measured".to_owned());
    }
    if let Some(why) = model.ancestry.hidden() {
        return answer(Outcome::NoEvidence, why.to_owned());
    }
    if !model.ancestry.is_made {
        return answer(Outcome::NoEvidence, "it is not known what it was made from".to_owned());
    }
    let labels: Vec<&str> = data.iter().map(|data| data.label.as_str()).collect();
    answer(Outcome::Pass, labels.join(", "))
}

/// `evaluation/independent-signer`: no producer that measured it made it.
fn independent(_case: &Case, model: &Model) -> RuleResult {
    let want = "measured by none of those who trained it".to_owned();
    let (trainers, evaluators) = (&model.ancestry.trainers, model.attempts.evaluators());
    let joined = |names: &mut dyn Iterator<Item = &String>| names.cloned().collect::<Vec<_>>().join(", ");
    let both = joined(&mut evaluators.intersection(trainers));
    let (outcome, got) = if !both.is_empty() {
        (Outcome::Fail, format!("{both} did both"))
    } else if !model.ancestry.is_made || trainers.is_empty() {
        (Outcome::NoEvidence, "no run says who trained it".to_owned())
    } else if let Some(why) = model.ancestry.hidden() {
        (Outcome::NoEvidence, why.to_owned())
    } else if evaluators.is_empty() {
        (Outcome::NoEvidence, "nobody measured it".to_owned())
    } else {
        (
            Outcome::Pass,
            format!("{} measured what {} trained", joined(&mut evaluators.iter()), joined(&mut trainers.iter())),
        )
    };
    RuleResult { evidence: evidence(model), ..result("evaluation/independent-signer", None, outcome, want, got) }
}

/// `evaluation/max-age`: the results are not too old.
fn fresh(case: &Case, model: &Model) -> RuleResult {
    let asked = case.applied.policy.table.evaluation.as_ref().and_then(|asked| asked.get_ref().max_age.as_ref());
    let (text, millis) = asked.map_or(("", 0), |span| (span.as_str(), span.as_millis()));
    let oldest: Option<Timestamp> = model.attempts.finished().map(|(_attempt, told)| told.when()).min();
    let (outcome, got) = match oldest {
        None => (Outcome::NoEvidence, "nothing was measured".to_owned()),
        Some(at) => {
            let is_old = at.as_millis().saturating_add(millis) < case.now.as_millis();
            (if is_old { Outcome::Fail } else { Outcome::Pass }, format!("measured {at}"))
        }
    };
    let want = format!("no older than {text}");
    RuleResult { evidence: evidence(model), ..result("evaluation/max-age", None, outcome, want, got) }
}

/// `evaluation/announced`: every result was announced before.
fn announced(_case: &Case, model: &Model) -> RuleResult {
    let mut unannounced = model
        .attempts
        .finished()
        .filter(|(attempt, told)| attempt.announced.as_ref().is_none_or(|announced| announced.index > told.index));
    let (outcome, got) = match (unannounced.next(), model.attempts.finished().count()) {
        (Some((attempt, _told)), _) => (Outcome::Fail, format!("{} was not announced", attempt.id)),
        (None, 0) => (Outcome::NoEvidence, "nothing was measured".to_owned()),
        (None, count) => (Outcome::Pass, format!("{count} announced")),
    };
    let want = "announced before it was measured".to_owned();
    RuleResult { evidence: evidence(model), ..result("evaluation/announced", None, outcome, want, got) }
}

/// `evaluation/registered-before`: the ledger had this policy's text before it heard of any measurement.
fn registered_before(case: &Case, model: &Model) -> RuleResult {
    let want = "registered before the evaluations that it judges".to_owned();
    let all = model.attempts.counted.iter().filter_map(super::attempts::Attempt::first_known);
    let first = all.min_by_key(|told| told.index);
    let registered = case.applied.registered.as_deref();
    // The order of the record, and not of clocks: of one batch, all are received at once.
    let (outcome, got) = match (registered, first) {
        (None, _) => (Outcome::Fail, "the policy is not registered".to_owned()),
        (Some(_), None) => (Outcome::NoEvidence, "nothing was measured".to_owned()),
        (Some(told), Some(first)) if told.index < first.index => {
            (Outcome::Pass, format!("registered as entry {}", told.index))
        }
        (Some(told), Some(first)) => {
            let (own, other) = (told.index, first.index);
            (Outcome::Fail, format!("registered as entry {own}, the first evaluation is entry {other}"))
        }
    };
    result("evaluation/registered-before", registered, outcome, want, got)
}
