//! How a run ran and how much data a snapshot is: what the answer shows of an event's circumstances.
//!
//! Promises that what nobody recorded is named as unknown.

use lineal_schemas::vocabulary::{
    artifact::Artifact,
    dataset::DatasetSnapshotted,
    names::Name,
    run::{CodeState, Hardware, RunCompleted},
    values::{Count, Table, Uri},
};

use super::{DataFacts, RunFacts};
use crate::answers::text;

pub(in crate::answers) fn of_run(run: &RunCompleted) -> RunFacts {
    let environment = run.environment.as_ref();
    let versions = environment.and_then(|environment| environment.versions.as_ref());
    RunFacts {
        run_id: run.run_id.to_string(),
        job_kind: run.job.kind.as_str().into(),
        brief: false,
        code: run.code.as_ref().map(of_code),
        dirty: run.code.as_ref().and_then(|code| code.dirty),
        parameters: some(run.parameters.as_ref()),
        seeds: some(run.seeds.as_ref()),
        image: environment.and_then(|environment| environment.image.as_ref()).map(identified),
        lockfile: environment.and_then(|environment| environment.lockfile.as_ref()).map(identified),
        versions: some(versions),
        hardware: run.hardware.as_ref().and_then(of_hardware),
        parent: run.parent.as_ref().map(|parent| parent.run_id.to_string()),
        unknown: unknown(run),
    }
}

/// Nothing where there is nothing in it. It is shared, and not copied.
fn some<V>(table: Option<&Table<V>>) -> Option<Table<V>> {
    table.filter(|table| !table.is_empty()).cloned()
}

fn unknown(run: &RunCompleted) -> Vec<String> {
    [
        ("code", run.code.is_none()),
        ("seeds", run.seeds.is_none()),
        ("parameters", run.parameters.is_none()),
        ("environment", run.environment.is_none()),
    ]
    .into_iter()
    .filter(|(_what, absent)| *absent)
    .map(|(what, _absent)| what.to_owned())
    .collect()
}

fn of_code(code: &CodeState) -> String {
    identified(&code.artifact)
}

/// Its place and its first digest, as far as there are any.
pub(in crate::answers) fn identified(artifact: &Artifact) -> String {
    let commit = artifact.digests().find(|(algorithm, _value)| *algorithm == "gitCommit");
    let digest =
        commit.or_else(|| artifact.digests().next()).map(|(algorithm, value)| text::short_of(algorithm, value));
    let name = artifact.name.as_ref().map(Name::as_str);
    match (name.or_else(|| artifact.uri.as_ref().map(Uri::as_str)), digest) {
        (Some(place), Some(digest)) => format!("{place} {digest}"),
        (Some(place), None) => place.to_owned(),
        (None, Some(digest)) => digest,
        (None, None) => "unnamed".to_owned(),
    }
}

fn of_hardware(hardware: &Hardware) -> Option<String> {
    let mut parts = Vec::new();
    match (&hardware.accelerator, hardware.count) {
        (Some(accelerator), Some(count)) => parts.push(format!("{count} x {accelerator}")),
        (Some(accelerator), None) => parts.push(accelerator.to_string()),
        (None, Some(count)) => parts.push(text::count(usize::try_from(count.get()).unwrap_or(usize::MAX), "device")),
        (None, None) => {}
    }
    parts.extend(hardware.driver.as_ref().map(|driver| format!("driver {driver}")));
    parts.extend(hardware.deterministic.map(|on| if on { "deterministic" } else { "not deterministic" }.to_owned()));
    (!parts.is_empty()).then(|| parts.join(", "))
}

pub(super) fn of_data(snapshot: &DatasetSnapshotted) -> Option<DataFacts> {
    let stats = snapshot.stats.as_ref()?;
    Some(DataFacts {
        row_count: stats.row_count.map(Count::get),
        size: stats.size.map(Count::get),
        file_count: stats.file_count.map(Count::get),
    })
}
