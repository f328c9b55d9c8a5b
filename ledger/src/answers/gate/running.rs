//! `gate --running`: what runs, judged afresh. A model that was admitted may have lost its evidence since.
//!
//! Each part that was seen to run where a policy speaks is asked about again, as if it was to be let through now: a flag, a
//! retraction, a waiver that ended or a policy that changed shows. The way back is not taken for evidence here. Promises that
//! what could not be judged is said. Never records a decision, and never stops anything. (docs/GATE.md)

use lineal_gate::judge::{Asked, Question, judge};
use lineal_schemas::vocabulary::{deployment::ServedSet, gate::GateVerdict};
use serde::{Deserialize, Serialize};

use super::{Indexed, Short, answer, is_gated};
use crate::{
    answers::{
        AnswerError, AsOf, SetAdmission, When,
        admission::{Decisions, judged},
        graph::Reader,
        print,
        running::{
            MAX_SERVICES, Status,
            history::{History, Standing},
            is_in,
        },
    },
    ledger::View,
};

/// The answer to `lineal gate --running`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateRunning {
    /// The answer in one line.
    pub answer: String,
    /// The environment asked for, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// What runs where a policy speaks, part by part, sorted by service.
    pub parts: Vec<Rejudged>,
    /// Services that run, and for which no policy speaks: they were not judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ungated: Vec<String>,
    /// How far the record had come.
    pub as_of: AsOf,
}

/// A part of what runs, judged afresh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejudged {
    /// The service.
    pub service: String,
    /// Whether it is known to run.
    pub status: Status,
    /// What was decided about it, as `running` has it.
    pub admission: SetAdmission,
    /// Whether it would be let through now, without the way back.
    pub holds: bool,
    /// Whether it would be let through as the way back alone: it was allowed there before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub way_back: bool,
    /// The verdict in short.
    pub data: Short,
    /// SHA-256 of the verdict's bytes.
    pub digest: String,
}

impl Rejudged {
    /// Whether the gate could decide.
    pub const fn is_decided(&self) -> bool {
        !matches!(self.data.verdict, GateVerdict::Undecided)
    }
}

impl GateRunning {
    /// 0: all of it would be let through; 1: some would not; 2: none is known not to be, and something could not be judged
    /// or is not known to run.
    pub fn exit_code(&self) -> u8 {
        let is_no = |part: &Rejudged| part.is_decided() && !part.holds;
        let is_doubtful = |part: &Rejudged| !part.is_decided() || part.status != Status::Running;
        match (self.parts.iter().any(is_no), self.parts.iter().any(is_doubtful)) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 0,
        }
    }
}

/// Judges what runs, in all environments or in those that `environment` names.
pub fn gate_running(view: &View, environment: Option<&str>, when: impl Into<When>) -> Result<GateRunning, AnswerError> {
    let when = when.into();
    let mut reader = super::reader(view, when)?;
    let (mut parts, mut ungated) = (Vec::new(), Vec::new());
    for service in reader.subjects("service/", MAX_SERVICES)? {
        if !environment.is_none_or(|wanted| is_in(&service, wanted)) {
            continue;
        }
        let newest = History::read(&mut reader, &service)?.newest().cloned();
        let Some(newest) = newest.filter(|seen| !seen.sets().is_empty()) else { continue };
        let standing = newest.standing(reader.moment().at);
        let Some((status, _since)) = standing.status().filter(|_status| !matches!(standing, Standing::Ended(_))) else {
            continue;
        };
        if !is_gated(&mut reader, &service)? {
            ungated.push(service);
            continue;
        }
        let decisions = Decisions::read(&mut reader, &service)?;
        for set in newest.sets() {
            let admission = decisions.about_part(&mut reader, set, newest.sets())?.admission(&reader);
            parts.extend(rejudged(&mut reader, (&service, status), set, admission, when)?);
        }
    }
    let mut running = GateRunning {
        answer: String::new(),
        environment: environment.map(str::to_owned),
        parts,
        ungated,
        as_of: super::as_of(&reader, when),
    };
    running.answer = print::gate_running_line(&running);
    Ok(running)
}

/// What the gate says now of the models of a part.
fn rejudged(
    reader: &mut Reader<'_>,
    (service, status): (&str, Status),
    set: &ServedSet,
    admission: SetAdmission,
    when: When,
) -> Result<Option<Rejudged>, AnswerError> {
    let Ok(name) = service.parse() else { return Ok(None) };
    let components = judged(std::slice::from_ref(set)).into_iter().cloned().collect();
    let serving_set = vec![ServedSet { components, ..set.clone() }];
    let question = Question { service: name, serving_set, policy: Asked::Registered };
    let verdict = judge(&mut Indexed::new(reader), &question)?;
    let (way_back, may_run) = (verdict.is_way_back(), verdict.may_run());
    let gate = answer(verdict, super::as_of(reader, when));
    Ok(Some(Rejudged {
        service: service.to_owned(),
        status,
        admission,
        holds: may_run && !way_back,
        way_back,
        data: gate.data,
        digest: gate.digest,
    }))
}
