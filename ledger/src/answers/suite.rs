//! Suites: what a measurement was made with and on, and whether two measurements can be compared.
//!
//! Promises that numbers count as comparable only where the same program measured on data of the same strong digests,
//! through the same preprocessing. Never computes with a number: it stands as it was written.

use std::collections::{BTreeMap, BTreeSet};

use lineal_schemas::vocabulary::{
    Payload,
    artifact::{Artifact, Influence, Input, InputRole},
    evaluation::{Harness, MetricResult},
    run::RunCompleted,
    values::{Count, Table},
};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError, NamedDigest,
    graph::{Reader, Told},
    running::all_digests,
    text,
    trace::described::Described,
};

/// A part of the data, by its features; everything, where there are none.
pub type Slice = BTreeMap<String, String>;

/// Reads a slice, `name=value` for each feature.
pub fn slice_of<'t>(parts: impl IntoIterator<Item = &'t str>) -> Result<Slice, AnswerError> {
    let read = |part: &str| match part.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(AnswerError::Slice { found: part.chars().take(80).collect() }),
    };
    parts.into_iter().map(read).collect()
}

/// A number, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// The number as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Why there is no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// How many examples it was measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_size: Option<u64>,
    /// The entry that says so.
    pub event: u64,
}

/// A metric over a slice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Question {
    pub(super) metric: String,
    pub(super) slice: Slice,
}

impl Question {
    pub(super) fn of(result: &MetricResult) -> Self {
        let slice = result.slice.as_ref().map(Table::as_map).into_iter().flatten();
        Self {
            metric: result.metric.to_string(),
            slice: slice.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        }
    }
}

/// A result as answers give it.
pub(super) fn measured(result: &MetricResult, event: u64) -> Measured {
    Measured {
        value: result.value.as_ref().map(|value| value.as_str().to_owned()),
        missing: result.missing.as_ref().map(|missing| missing.reason.to_string()),
        sample_size: result.sample_size.or_else(|| result.missing.as_ref()?.n).map(Count::get),
        event,
    }
}

/// What a measurement was made with and on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Suite {
    /// The program and its version; nothing where none is named.
    pub(super) harness: Option<String>,
    /// The data, one digest for each artifact.
    data: BTreeSet<NamedDigest>,
    /// Data that have no strong digest.
    unproven: BTreeSet<String>,
    transform: Option<String>,
    named: BTreeSet<String>,
}

impl Suite {
    /// Of an event that announces or makes a measurement.
    pub(super) fn of(reader: &mut Reader<'_>, told: &Told) -> Result<Option<Self>, AnswerError> {
        let (inputs, harness, transform) = match &told.payload {
            Payload::EvaluationStarted(started) => (&started.inputs, &started.harness, &started.transform),
            Payload::EvaluationCompleted(completed) => (&completed.inputs, &completed.harness, &completed.transform),
            _ => return Ok(None),
        };
        let data = inputs.iter().flatten().filter(|input| is_data(input.role));
        Self::new(reader, harness.as_ref().map(named), data, transform.as_ref()).map(Some)
    }

    /// Of what a run measured by itself.
    pub(super) fn of_run(reader: &mut Reader<'_>, run: &RunCompleted) -> Result<Self, AnswerError> {
        let measures =
            |input: &&Input| input.role == InputRole::Validation || input.influence() == Influence::Measurement;
        let data = run.inputs.iter().flatten().filter(measures).filter(|input| is_data(input.role));
        Self::new(reader, Some("the run itself".to_owned()), data, None)
    }

    fn new<'i>(
        reader: &mut Reader<'_>,
        harness: Option<String>,
        data: impl Iterator<Item = &'i Input>,
        transform: Option<&Artifact>,
    ) -> Result<Self, AnswerError> {
        let mut suite = Self {
            harness,
            data: BTreeSet::new(),
            unproven: BTreeSet::new(),
            transform: transform.map(|artifact| key(reader, artifact)).transpose()?,
            named: BTreeSet::new(),
        };
        for input in data {
            let label = label(reader, &input.artifact)?;
            match reader.identity(&input.artifact)?.and_then(|identity| identity.digests.first().cloned()) {
                Some(first) => _ = suite.data.insert(first),
                None => _ = suite.unproven.insert(label.clone()),
            }
            suite.named.insert(label);
        }
        Ok(suite)
    }

    /// What it is called: `evalkit 2.1 on dataset/wine/held-out sha256:ab12…`.
    pub(super) fn label(&self) -> String {
        let harness = self.harness.as_deref().unwrap_or("a program that is not named");
        let data: Vec<&str> = self.named.iter().map(String::as_str).collect();
        let data = if data.is_empty() { "data that are not named".to_owned() } else { data.join(", ") };
        format!("{harness} on {data}")
    }

    /// Why numbers of the two can't be compared; nothing where they can.
    pub(super) fn apart(&self, other: &Self) -> Option<String> {
        let all = [self, other];
        if let Some(unproven) = all.iter().find_map(|suite| suite.unproven.first()) {
            return Some(format!("not comparable: {unproven} has no strong digest"));
        }
        if all.iter().any(|suite| suite.data.is_empty()) {
            return Some("not comparable: not both say on which data".to_owned());
        }
        if self.data != other.data {
            return Some("not comparable: other data".to_owned());
        }
        if self.harness != other.harness {
            let name = |suite: &Self| suite.harness.clone().unwrap_or_else(|| "one that is not named".to_owned());
            return Some(format!("not comparable: another program, {} and {}", name(self), name(other)));
        }
        (self.transform != other.transform).then(|| "not comparable: other preprocessing".to_owned())
    }
}

/// Whether an input of a measurement is what it measures on, and not what it measures with.
const fn is_data(role: InputRole) -> bool {
    matches!(
        role,
        InputRole::Training
            | InputRole::Validation
            | InputRole::Test
            | InputRole::Evaluation
            | InputRole::Reference
            | InputRole::Calibration
            | InputRole::Features
            | InputRole::Corpus
    )
}

fn named(harness: &Harness) -> String {
    let version = harness.version.as_ref().map(ToString::to_string);
    [Some(harness.name.to_string()), version].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// What equal artifacts have in common: a strong digest that stands for all that are joined to it, else the spelling.
fn key(reader: &mut Reader<'_>, artifact: &Artifact) -> Result<String, AnswerError> {
    let first = reader.identity(artifact)?.and_then(|identity| identity.digests.first().cloned());
    let digests = first.map_or_else(|| all_digests(artifact), |first| vec![first]);
    let uri = if digests.is_empty() { artifact.uri.as_ref().map(ToString::to_string) } else { None };
    let digests = digests.into_iter().map(|digest| format!("{}:{}", digest.algorithm, digest.value));
    Ok(digests.chain(uri).collect::<Vec<_>>().join(" "))
}

fn label(reader: &mut Reader<'_>, artifact: &Artifact) -> Result<String, AnswerError> {
    let described = match reader.identity(artifact)? {
        Some(identity) => Described::of(&identity, reader.moment()),
        None => Described::default(),
    };
    let name = described.name.or_else(|| artifact.name.as_ref().map(ToString::to_string));
    let version = described.version.as_deref().map(text::version);
    let digest = all_digests(artifact).first().map(text::short);
    let uri = if name.is_none() && digest.is_none() { artifact.uri.as_ref().map(ToString::to_string) } else { None };
    Ok([name, version, digest, uri].into_iter().flatten().collect::<Vec<_>>().join(" "))
}
