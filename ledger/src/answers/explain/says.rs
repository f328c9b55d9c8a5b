//! What an event says in one line, and which other events it names.

use lineal_schemas::{
    digest::EventDigest,
    vocabulary::{Payload, artifact::Artifact, deployment::ServedSet},
};

use super::{AnswerError, Evidence, Reader, Told};
use crate::answers::{
    print::{self, list},
    resolve::main_artifact,
    text,
    trace::{NodeKind, artifact_node},
};

/// What an event says, in one line.
pub(super) fn says(reader: &mut Reader<'_>, told: &Told) -> Result<String, AnswerError> {
    let subject = &told.subject;
    Ok(match &told.payload {
        Payload::DeploymentObserved(observed) => {
            let what = sets(reader, &observed.serving_set)?;
            let part = if observed.complete { "" } else { ", of a part of it" };
            let next = observed.next_within_seconds.map_or_else(
                || "no next look promised".to_owned(),
                |seconds| format!("the next look within {seconds} s"),
            );
            format!("{} saw {what} at {subject} at {}{part}; {next}", observed.observer, observed.observed_at)
        }
        Payload::DeploymentRequested(request) => {
            let door = request.door.as_ref().map_or_else(String::new, |door| format!(" through {door}"));
            format!("{} was asked for at {subject}{door}", sets(reader, &request.serving_set)?)
        }
        Payload::InventoryObserved(inventory) => {
            let whole = if inventory.complete { "all of" } else { "a part of" };
            let services = text::count(inventory.services.len(), "service");
            format!("{} saw {whole} {subject} at {}: {services}", inventory.observer, inventory.observed_at)
        }
        Payload::RunCompleted(run) => {
            let made = artifacts(reader, run.outputs.iter())?;
            let used = artifacts(reader, run.inputs.iter().flatten().map(|input| &input.artifact))?;
            format!("run {} ({}) made {made} from {used}", run.run_id, run.job.kind)
        }
        Payload::ArtifactFlagged(flagged) => {
            let what = artifacts(reader, [&flagged.artifact])?;
            format!("{what} is {}: {}, known since {}", flagged.category, flagged.justification, flagged.known_since)
        }
        Payload::GateDecided(decided) => {
            let policy = decided.policy.as_ref().map_or_else(String::new, |policy| format!(" under {}", policy.name));
            let glass = if decided.overridden.is_some() { ", OVERRIDDEN" } else { "" };
            let (verdict, size) = (decided.verdict, decided.tree_size);
            format!(
                "{verdict}{glass}: {} at {subject}{policy}, judged at tree size {size}",
                sets(reader, &decided.serving_set)?
            )
        }
        Payload::ApprovalGranted(granted) => {
            format!("{} may run at {subject}, as {} says", artifacts(reader, [&granted.artifact])?, granted.role)
        }
        Payload::ApprovalRefused(refused) => {
            format!("{} may not run at {subject}, as {} says", artifacts(reader, [&refused.artifact])?, refused.role)
        }
        Payload::WaiverGranted(waived) => {
            let (rule, why, end) = (&waived.rule, &waived.reason, &waived.expires);
            format!(
                "`{rule}` is not asked of {} at {subject}: {why}, until {end}",
                artifacts(reader, [&waived.artifact])?
            )
        }
        Payload::ArtifactCleared(cleared) => {
            format!("{} is not bad: {}", artifacts(reader, [&cleared.artifact])?, cleared.justification)
        }
        payload => match main_artifact(payload) {
            Some(artifact) => format!("{} {subject}: {}", told.kind, artifacts(reader, [artifact])?),
            None => format!("{} {subject}", told.kind),
        },
    })
}

fn sets(reader: &mut Reader<'_>, sets: &[ServedSet]) -> Result<String, AnswerError> {
    artifacts(reader, sets.iter().flat_map(|set| &set.components).map(|component| &component.artifact))
}

fn artifacts<'a>(
    reader: &mut Reader<'_>,
    artifacts: impl IntoIterator<Item = &'a Artifact>,
) -> Result<String, AnswerError> {
    let mut labels = Vec::new();
    for artifact in artifacts {
        let identity = reader.identity(artifact)?;
        labels.push(print::label(&artifact_node(reader, artifact, identity.as_deref(), NodeKind::Artifact)?));
    }
    Ok(if labels.is_empty() { "nothing".to_owned() } else { list(&labels) })
}

/// The events that an event names by their digests.
pub(super) fn names(reader: &mut Reader<'_>, told: &Told) -> Result<Vec<Evidence>, AnswerError> {
    let named: Vec<(&str, Option<EventDigest>)> = match &told.payload {
        Payload::RecordCorrected(correction) => vec![("corrects", Some(correction.corrects))],
        Payload::DeploymentRolledback(rollback) => vec![("restores", rollback.restores)],
        Payload::DeploymentRequested(request) => vec![("allowed by", request.gate)],
        Payload::ArtifactCleared(cleared) => vec![("takes back", cleared.flag)],
        Payload::ModelRegistered(registered) => {
            vec![("made by", registered.run.as_ref().and_then(|run| run.event))]
        }
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for (role, digest) in named {
        let index = digest.map(|digest| reader.by_event(&digest)).transpose()?.flatten();
        if let Some(other) = index.map(|index| reader.told(index)).transpose()?.flatten() {
            found.push(Evidence { role: role.to_owned(), event: reader.event_ref(&other) });
        }
    }
    Ok(found)
}
