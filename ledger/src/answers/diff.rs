//! `diff`: what differs between two things, in five blocks: data, code, parameters, environment, metrics.
//!
//! Each side is what a trace of it finds; of a service, what was seen to run. Promises that what one side does not say
//! is unknown and never "the same", that numbers are compared exactly and only where they were measured alike, and that
//! a block without a difference is one line. Never compares names where digests are there. (docs/ANSWERS.md)

use lineal_schemas::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, AsOf, EventRef, When,
    graph::Reader,
    print,
    suite::{Measured, Slice},
};
use crate::ledger::View;

mod artifacts;
mod circumstances;
mod data;
mod files;
mod metrics;
pub(super) mod pairs;
mod rows;
mod runs;
mod sides;
mod values;

/// The most files of one snapshot that are listed; all are counted.
pub const MAX_FILES: usize = 100_000;

/// The answer to `lineal diff A B`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// The answer in one line.
    pub answer: String,
    /// What is compared.
    pub before: Side,
    /// What it is compared with.
    pub after: Side,
    /// Whether both are the same thing: the same artifacts, or the same parts with the same shares.
    pub sameness: Sameness,
    /// What went in: data sets down to their files, base models, transforms.
    pub data: DataBlock,
    /// Source code.
    pub code: Block,
    /// Parameters and seeds.
    pub parameters: Block,
    /// Image, lockfile, versions, hardware, and what a service runs in.
    pub environment: Block,
    /// Measurements.
    pub metrics: MetricsBlock,
    /// What puts the answer in doubt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether a limit was reached: the rest is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// How far the record had come.
    pub as_of: AsOf,
}

impl Diff {
    /// The blocks with their names, in order.
    pub fn blocks(&self) -> [(&'static str, BlockState); 5] {
        [
            ("data", self.data.state),
            ("code", self.code.state),
            ("parameters", self.parameters.state),
            ("environment", self.environment.state),
            ("metrics", self.metrics.state),
        ]
    }

    /// 0: the same; 1: something differs; 2: no difference is known, and something is unknown.
    pub fn exit_code(&self) -> u8 {
        let any = |state| self.blocks().iter().any(|(_name, own)| *own == state);
        let in_doubt = self.truncated || [&self.before, &self.after].iter().any(|side| side.is_in_doubt());
        let in_doubt = in_doubt || self.sameness == Sameness::Unknown;
        match (any(BlockState::Changed) || self.sameness == Sameness::Other, any(BlockState::Unknown) || in_doubt) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 0,
        }
    }
}

/// Whether two things are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sameness {
    /// They are not.
    Other,
    /// They have no digests that could tell.
    Unknown,
    /// By their strong digests.
    Same,
}

/// One of the two things that are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// As asked.
    pub asked: String,
    /// What it is.
    pub label: String,
    /// What of it is compared: models, data, a run.
    pub parts: Vec<Part>,
    /// Of a service: how it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

impl Side {
    fn is_in_doubt(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.unknown_since.is_some() || seen.partial)
    }
}

/// What of a side is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Of a service: what it does there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Of a service: its part of the traffic, as the observer wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// What the record calls it.
    pub label: String,
}

/// How a service was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The observation, or the request where one was asked for.
    pub event: EventRef,
    /// When it was seen, or asked for.
    pub at: Timestamp,
    /// When the next observation was due, where that has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
    /// Whether only a part of it was seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// What is known of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockState {
    /// All that is known of it is the same, and nothing is unknown.
    Same,
    /// Something differs.
    Changed,
    /// No difference is known, and something is unknown.
    Unknown,
    /// Neither side has anything of it.
    None,
}

/// A block of differences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// What is known of it.
    pub state: BlockState,
    /// What differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What can't be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What differs: a parameter, a library, a column.
    pub what: String,
    /// How it was; absent where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// How it is; absent where it is not there any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Of several runs: which, before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

/// What went in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataBlock {
    /// What is known of it.
    pub state: BlockState,
    /// What was added, removed or changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<DataChange>,
    /// What went into both sides.
    pub unchanged: usize,
    /// What can't be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// A data set, or something else that went in, that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataChange {
    /// What it is: `dataset`, `model`, `transform`, ….
    pub kind: super::trace::NodeKind,
    /// What it was; absent where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is; absent where it is not there any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What differs in what is said of it: version, rows, bytes, columns, sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Of two folders: which files differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
    /// What can't be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// Which files of two folders differ, from their stored listings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Files {
    /// Files that are in the second alone.
    pub added: u64,
    /// Files that are in the first alone.
    pub removed: u64,
    /// Files of the same path with other bytes.
    pub changed: u64,
    /// Files that are the same.
    pub unchanged: u64,
    /// What was added, removed or changed, by path; the first of them where there are more than the limit.
    pub listed: Vec<FileChange>,
    /// Whether some are left out of the list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// A file that is not the same in two folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// Its path below the root.
    pub path: String,
    /// SHA-256 of its bytes before; absent where it was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// SHA-256 of its bytes after; absent where it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Measurements of both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricsBlock {
    /// What is known of it.
    pub state: BlockState,
    /// Each number that at least one side has, by suite, slice and metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<NumberPair>,
}

/// A number of both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberPair {
    /// What it was measured with, and on what.
    pub suite: String,
    /// What was measured.
    pub metric: String,
    /// The part of the data; everything, where nothing is said.
    #[serde(default, skip_serializing_if = "Slice::is_empty")]
    pub slice: Slice,
    /// The last number of the first side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Measured>,
    /// The last number of the second side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Measured>,
    /// Whether the value differs.
    pub differs: bool,
    /// Why the two can't be compared, where they can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<String>,
}

/// Compares two things, or where one is given, what ran at a service before with what runs now.
pub fn diff(view: &View, one: &str, other: Option<&str>, when: impl Into<When>) -> Result<Diff, AnswerError> {
    let mut reader = Reader::new(view, when.into())?;
    let (before, after) = sides::find(&mut reader, one, other)?;
    let sameness = sides::sameness(&mut reader, &before, &after)?;
    let paired = runs::pair(&mut reader, &before, &after)?;
    let data = data::block(&mut reader, &before, &after)?;
    let metrics = metrics::block(&mut reader, &before, &after)?;
    let warnings = before.notes.iter().chain(&after.notes).cloned().collect();
    let mut diff = Diff {
        answer: String::new(),
        sameness,
        data,
        code: circumstances::code(&mut reader, &paired)?,
        parameters: circumstances::parameters(&paired),
        environment: circumstances::environment(&mut reader, &paired, &before, &after)?,
        metrics,
        warnings,
        truncated: before.walked.truncated || after.walked.truncated,
        before: before.side,
        after: after.side,
        as_of: reader.as_of(),
    };
    diff.answer = print::diff_line(&diff);
    Ok(diff)
}
