//! `evals`: every attempt to measure a model, also those that were announced and not finished, against what ran then.
//!
//! From evaluations and observations. Promises that no attempt is left out because of what it found, that a model is
//! compared with the one that was seen to run when it was measured, and only on the same data with the same program; and
//! that a slice nobody measured has no result. Never says whether a number is good enough. (docs/ANSWERS.md)

use lineal_schemas::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, EventRef, When,
    graph::Reader,
    print,
    suite::{Measured, Slice},
};
use crate::ledger::View;

mod attempts;
mod incumbents;
mod models;

/// The most attempts of one answer; the newest are.
pub const MAX_ATTEMPTS: usize = 1000;

/// The answer to `lineal evals X`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evals {
    /// As asked.
    pub asked: String,
    /// The answer in one line.
    pub answer: String,
    /// The slice asked for; empty where none was.
    #[serde(default, skip_serializing_if = "Slice::is_empty")]
    pub slice: Slice,
    /// What was measured, in words.
    pub models: Vec<String>,
    /// Every attempt, in the order in which they began.
    pub attempts: Vec<Attempt>,
    /// How often each suite was tried.
    pub suites: Vec<SuiteCount>,
    /// What puts the answer in doubt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether the limit of attempts was reached: older ones are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// How far the record had come.
    pub as_of: AsOf,
}

impl Evals {
    /// 0: there is a number for what was asked; 1: there is none; 2: there is none, and an attempt is not finished or
    /// left out.
    pub fn exit_code(&self) -> u8 {
        let answers = |found: &Number| found.slice == self.slice || self.slice.is_empty();
        let has_number = |found: &Number| answers(found) && found.measured.value.is_some();
        if self.attempts.iter().any(|attempt| attempt.results.iter().any(has_number)) {
            return 0;
        }
        if self.truncated || self.attempts.iter().any(|attempt| attempt.finished.is_none()) { 2 } else { 1 }
    }
}

/// An attempt to measure a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// What the tool calls it.
    pub evaluation_id: String,
    /// Position of the model.
    pub model: usize,
    /// When it began, as far as is known.
    pub at: Timestamp,
    /// What it is measured with, and on what.
    pub suite: String,
    /// Its announcement; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<EventRef>,
    /// Its results' event; absent where it was not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<EventRef>,
    /// The model that the evaluator compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The policy that it is made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What was found: everything, or where a slice is asked for, that slice and the whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Number>,
    /// How many results there are in all.
    pub result_count: usize,
    /// What was running then, at each service that has to do with the model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incumbents: Vec<Incumbent>,
}

/// What was found of one metric over one slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Number {
    /// What was measured.
    pub metric: String,
    /// The part of the data; everything, where nothing is said.
    #[serde(default, skip_serializing_if = "Slice::is_empty")]
    pub slice: Slice,
    /// The number, or why there is none.
    pub measured: Measured,
}

/// What ran at a service when an attempt was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incumbent {
    /// The service.
    pub service: String,
    /// What is known of it.
    pub state: IncumbentState,
    /// The model that ran; absent where none did, or the measured one itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The observation that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation: Option<EventRef>,
    /// What the incumbent's last comparable measurement found, for the questions of the attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Number>,
    /// Why the two can't be compared, where they can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<String>,
}

/// What is known of what ran when an attempt was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncumbentState {
    /// Another model was seen to run.
    Other,
    /// The measured model itself was seen to run.
    Itself,
    /// Nothing was seen to run.
    Nothing,
    /// The next observation was overdue, or only a part was seen.
    Unknown,
}

/// How often a suite was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SuiteCount {
    /// What was measured with, and on what.
    pub suite: String,
    /// Attempts with it.
    pub attempts: usize,
    /// Those that were finished.
    pub finished: usize,
}

/// The attempts to measure what `asked` means, with the results for a slice, or all where it is empty.
pub fn evals(view: &View, asked: &str, slice: &Slice, when: impl Into<When>) -> Result<Evals, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let found = models::find(&mut reader, asked)?;
    let (mut attempts, truncated) = attempts::find(&mut reader, &found, slice)?;
    incumbents::add(&mut reader, &found, &mut attempts)?;
    let mut evals = Evals {
        asked: asked.to_owned(),
        answer: String::new(),
        slice: slice.clone(),
        models: found.models.iter().map(|model| model.label.clone()).collect(),
        suites: attempts::counts(&attempts),
        attempts: attempts.into_iter().map(|tried| tried.attempt).collect(),
        warnings: found.notes,
        truncated,
        as_of: reader.as_of(),
    };
    evals.answer = print::evals_line(&evals);
    Ok(evals)
}
