//! Suites: what a measurement was made with and on, and whether two measurements can be compared.
//!
//! Promises that numbers count as comparable only where the same program measured on data of the same strong digests,
//! through the same preprocessing. Never computes with a number: it stands as it was written.

use std::collections::{BTreeMap, BTreeSet};

use lineal_schemas::{
    strong::StrongDigest,
    vocabulary::{
        Payload,
        artifact::{Artifact, Influence, Input, InputRole},
        evaluation::{Harness, MetricResult},
        run::RunCompleted,
        values::{Count, Table},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    AnswerError,
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

/// A suite, with what its data are called.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) suite: Suite,
    data: BTreeSet<String>,
}

/// What a measurement was made with and on, whatever its data are called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Suite {
    /// The program and its version; nothing where none is named.
    pub(super) harness: Option<String>,
    /// The program's own digest, where it is known.
    program: Option<String>,
    /// The data, one digest for each artifact.
    data: BTreeSet<StrongDigest>,
    /// Data that have no strong digest.
    unproven: BTreeSet<String>,
    transform: Option<String>,
}

impl Named {
    /// What it is called: `evalkit 2.1 on dataset/wine/held-out sha256:ab12…`.
    pub(super) fn label(&self) -> String {
        let harness = self.suite.harness.as_deref().unwrap_or("a program that is not named");
        let data: Vec<&str> = self.data.iter().map(String::as_str).collect();
        let data = if data.is_empty() { "data that are not named".to_owned() } else { data.join(", ") };
        format!("{harness} on {data}")
    }
}

impl Suite {
    /// Of an event that announces or makes a measurement.
    pub(super) fn of(reader: &mut Reader<'_>, told: &Told) -> Result<Option<Named>, AnswerError> {
        let (inputs, harness, transform) = match &told.payload {
            Payload::EvaluationStarted(started) => (&started.inputs, &started.harness, &started.transform),
            Payload::EvaluationCompleted(completed) => (&completed.inputs, &completed.harness, &completed.transform),
            _ => return Ok(None),
        };
        let data = inputs.iter().flatten().filter(|input| input.role.is_data());
        let program = harness.as_ref().and_then(|harness| harness.artifact.as_ref());
        let program = program.map(|artifact| key(reader, artifact)).transpose()?;
        let transform = transform.as_ref().map(|artifact| key(reader, artifact)).transpose()?;
        let suite = Self { program, transform, ..Self::by(harness.as_ref().map(named)) };
        suite.on(reader, data).map(Some)
    }

    /// Of what a run measured by itself.
    pub(super) fn of_run(reader: &mut Reader<'_>, run: &RunCompleted) -> Result<Named, AnswerError> {
        let measures =
            |input: &&Input| input.role == InputRole::Validation || input.influence() == Influence::Measurement;
        let data = run.inputs.iter().flatten().filter(measures).filter(|input| input.role.is_data());
        Self::by(Some("the run itself".to_owned())).on(reader, data)
    }

    const fn by(harness: Option<String>) -> Self {
        Self { harness, program: None, data: BTreeSet::new(), unproven: BTreeSet::new(), transform: None }
    }

    /// The suite on these data, with what they are called.
    fn on<'i>(mut self, reader: &mut Reader<'_>, data: impl Iterator<Item = &'i Input>) -> Result<Named, AnswerError> {
        let mut named = BTreeSet::new();
        for input in data {
            let label = label(reader, &input.artifact)?;
            match reader.identity(&input.artifact)?.and_then(|identity| identity.digests.first().copied()) {
                Some(first) => _ = self.data.insert(first),
                None => _ = self.unproven.insert(label.clone()),
            }
            named.insert(label);
        }
        Ok(Named { suite: self, data: named })
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
        let other_program = self.program.is_some() && other.program.is_some() && self.program != other.program;
        if self.harness != other.harness || other_program {
            let name = |suite: &Self| suite.harness.clone().unwrap_or_else(|| "one that is not named".to_owned());
            return Some(format!("not comparable: another program, {} and {}", name(self), name(other)));
        }
        (self.transform != other.transform).then(|| "not comparable: other preprocessing".to_owned())
    }
}

fn named(harness: &Harness) -> String {
    let version = harness.version.as_ref().map(ToString::to_string);
    [Some(harness.name.to_string()), version].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// What equal artifacts have in common: a strong digest that stands for all that are joined to it, else the spelling.
fn key(reader: &mut Reader<'_>, artifact: &Artifact) -> Result<String, AnswerError> {
    let first = reader.identity(artifact)?.and_then(|identity| identity.digests.first().copied());
    let digests = first.map_or_else(|| all_digests(artifact), |first| vec![first.into()]);
    let uri = if digests.is_empty() { artifact.uri.as_ref().map(ToString::to_string) } else { None };
    let digests = digests.into_iter().map(|digest| digest.to_string());
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
