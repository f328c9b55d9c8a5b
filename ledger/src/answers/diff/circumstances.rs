//! How two runs differ in code, parameters and environment, and what services run in.
//!
//! Promises that what a run does not declare is unknown, and that one commit with changes which nobody kept is not the
//! same code.

use std::collections::{BTreeMap, BTreeSet};

use lineal_schemas::vocabulary::{
    artifact::{Artifact, InputRole},
    names::Name,
    run::{CodeState, Environment, Hardware, RunCompleted},
    values::{Scalar, Table},
};

use super::{
    Block, Sameness,
    artifacts::{self, row},
    rows::Rows,
    runs::{Paired, Ran},
    sides::{Sided, are_same},
    values::{self, Value},
};
use crate::answers::{
    AnswerError,
    graph::Reader,
    print,
    trace::{EdgeKind, Node},
};

/// Source code.
pub(super) fn code(reader: &mut Reader<'_>, paired: &Paired) -> Result<Block, AnswerError> {
    let mut rows = paired.rows();
    for (pair, of, before, after) in paired.each() {
        rows.about(of);
        match (&before.code, &after.code) {
            (Some(mine), Some(theirs)) => {
                row(&mut rows, reader, "commit", (Some(&mine.artifact), Some(&theirs.artifact)))?;
                let place = |code: &CodeState| code.artifact.uri.as_ref().map(ToString::to_string);
                rows.compare_declared("repository", place(mine), place(theirs));
                dirty(&mut rows, (mine, &pair.0), (theirs, &pair.1));
            }
            (mine, theirs) => undeclared(&mut rows, "code", mine.as_ref(), theirs.as_ref()),
        }
        inputs(&mut rows, reader, InputRole::Code, before, after)?;
    }
    Ok(rows.into_block())
}

/// Changes that the commit does not have: the same only where both say what they are.
fn dirty(rows: &mut Rows, mine: (&CodeState, &Ran), theirs: (&CodeState, &Ran)) {
    let what = "changes that the commit does not have";
    let patch = |ran: &Ran| {
        let patch = ran.told.payload.attachments().iter().find(|attachment| attachment.role.as_str() == "diff");
        patch.map(|patch| patch.digest.sha256.to_string())
    };
    match (mine.0.dirty, theirs.0.dirty) {
        (Some(true), Some(true)) => match (patch(mine.1), patch(theirs.1)) {
            (Some(before), Some(after)) => rows.compare(what, Some(before), Some(after)),
            _ => rows.unknown(format!("both ran with {what}, and not both say which")),
        },
        (Some(before), Some(after)) => {
            let shown = |dirty: bool| if dirty { "some" } else { "none" }.to_owned();
            rows.compare(what, Some(shown(before)), Some(shown(after)));
        }
        _ => rows.unknown(format!("{what}: not declared by both")),
    }
}

/// Says which side does not declare something.
fn undeclared<T>(rows: &mut Rows, what: &str, before: Option<&T>, after: Option<&T>) {
    let which = match (before, after) {
        (Some(_), None) => "declared before, not declared after",
        (None, Some(_)) => "not declared before, declared after",
        _ => "not declared",
    };
    rows.unknown(format!("{what}: {which}"));
}

/// Inputs of a role that ancestry does not follow, by what they are called.
fn inputs(
    rows: &mut Rows,
    reader: &mut Reader<'_>,
    role: InputRole,
    before: &RunCompleted,
    after: &RunCompleted,
) -> Result<(), AnswerError> {
    let (mine, theirs) = (of_role(before, role), of_role(after, role));
    let names: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
    for name in names {
        match (mine.get(name), theirs.get(name)) {
            (Some(one), Some(other)) => row(rows, reader, name, (Some(one), Some(other)))?,
            (one, other) => {
                let shown = |artifact: Option<&&Artifact>| artifact.map(|artifact| artifacts::shown(artifact));
                rows.compare(name, shown(one), shown(other));
            }
        }
    }
    Ok(())
}

fn of_role(run: &RunCompleted, role: InputRole) -> BTreeMap<String, &Artifact> {
    let inputs = run.inputs.iter().flatten().filter(|input| input.role == role);
    let name = |artifact: &Artifact| {
        let name = artifact.name.as_ref().map(ToString::to_string);
        name.or_else(|| artifact.uri.as_ref().map(ToString::to_string)).unwrap_or_else(|| format!("{role} input"))
    };
    inputs.map(|input| (name(&input.artifact), &input.artifact)).collect()
}

/// Parameters and seeds, name by name.
pub(super) fn parameters(paired: &Paired) -> Block {
    let mut rows = paired.rows();
    for (_pair, of, before, after) in paired.each() {
        rows.about(of);
        match (&before.parameters, &after.parameters) {
            (Some(mine), Some(theirs)) => {
                let (mine, theirs) = (values::flat(mine), values::flat(theirs));
                rows.any_same |= mine.is_empty() && theirs.is_empty();
                rows.compare_all(&mine, &theirs, Value::is, Value::shown);
                rows.changes.iter_mut().for_each(|change| change.what = values::as_named(&change.what));
            }
            (mine, theirs) => undeclared(&mut rows, "parameters", mine.as_ref(), theirs.as_ref()),
        }
        match (seeds(before), seeds(after)) {
            (Some(mine), Some(theirs)) => rows.compare_all(&mine, &theirs, PartialEq::eq, shown),
            (mine, theirs) => undeclared(&mut rows, "seeds", mine.as_ref(), theirs.as_ref()),
        }
    }
    rows.into_block()
}

/// A run's seeds; nothing where it says that nobody knows them.
fn seeds(run: &RunCompleted) -> Option<BTreeMap<String, Scalar>> {
    let seeds = run.seeds.as_ref().map(Table::as_map)?;
    let known = !seeds.keys().any(|name| name.as_str() == "unknown");
    known.then(|| seeds.iter().map(|(name, seed)| (format!("seed {name}"), seed.clone())).collect())
}

fn shown(seed: &Scalar) -> String {
    match seed {
        Scalar::Number(number) => number.as_str().to_owned(),
        Scalar::Text(text) => text.to_string(),
    }
}

/// What runs ran in and on, and what services run in.
pub(super) fn environment(
    reader: &mut Reader<'_>,
    paired: &Paired,
    before: &Sided,
    after: &Sided,
) -> Result<Block, AnswerError> {
    let mut rows = paired.rows();
    for (_pair, of, mine, theirs) in paired.each() {
        rows.about(of);
        match (&mine.environment, &theirs.environment) {
            (Some(mine), Some(theirs)) => surroundings(&mut rows, reader, mine, theirs)?,
            (mine, theirs) => undeclared(&mut rows, "environment", mine.as_ref(), theirs.as_ref()),
        }
        match (&mine.hardware, &theirs.hardware) {
            (Some(mine), Some(theirs)) => hardware(&mut rows, mine, theirs),
            (mine, theirs) => undeclared(&mut rows, "hardware", mine.as_ref(), theirs.as_ref()),
        }
        inputs(&mut rows, reader, InputRole::Environment, mine, theirs)?;
    }
    rows.about(None);
    for role in ["image", "config"] {
        served(&mut rows, role, before, after);
    }
    Ok(rows.into_block())
}

fn surroundings(
    rows: &mut Rows,
    reader: &mut Reader<'_>,
    mine: &Environment,
    theirs: &Environment,
) -> Result<(), AnswerError> {
    row(rows, reader, "image", (mine.image.as_ref(), theirs.image.as_ref()))?;
    row(rows, reader, "lockfile", (mine.lockfile.as_ref(), theirs.lockfile.as_ref()))?;
    let versions = |environment: &Environment| {
        let table = environment.versions.as_ref().map(Table::as_map)?;
        Some(table.iter().map(|(name, version)| (name.to_string(), version.to_string())).collect::<BTreeMap<_, _>>())
    };
    match (versions(mine), versions(theirs)) {
        (Some(mine), Some(theirs)) => rows.compare_all(&mine, &theirs, PartialEq::eq, Clone::clone),
        (None, None) => {}
        (mine, theirs) => undeclared(rows, "versions", mine.as_ref(), theirs.as_ref()),
    }
    Ok(())
}

fn hardware(rows: &mut Rows, mine: &Hardware, theirs: &Hardware) {
    let text = |value: &Option<Name>| value.as_ref().map(ToString::to_string);
    rows.compare_declared("accelerator", text(&mine.accelerator), text(&theirs.accelerator));
    let count = |hardware: &Hardware| hardware.count.map(|count| count.get().to_string());
    rows.compare_declared("accelerators", count(mine), count(theirs));
    rows.compare_declared("driver", text(&mine.driver), text(&theirs.driver));
    let deterministic = |hardware: &Hardware| hardware.deterministic.map(|on| if on { "yes" } else { "no" }.to_owned());
    rows.compare_declared("deterministic", deterministic(mine), deterministic(theirs));
}

/// What services run in: their components of a role that ancestry does not follow.
fn served(rows: &mut Rows, role: &str, before: &Sided, after: &Sided) {
    let (mut mine, mut theirs) = (components(before, role), components(after, role));
    let mut same = Vec::new();
    mine.retain(|node| match theirs.iter().position(|other| are_same(node, other) == Sameness::Same) {
        Some(at) => {
            same.push(theirs.swap_remove(at));
            false
        }
        None => true,
    });
    rows.any_same |= !same.is_empty();
    for at in 0..mine.len().max(theirs.len()) {
        let (one, other) = (mine.get(at), theirs.get(at));
        let what = format!("serving {role}");
        match (one, other) {
            (Some(one), Some(other)) if are_same(one, other) == Sameness::Unknown => {
                rows.unknown(format!("{what}: {} has no strong digest on both sides", print::label(one)));
            }
            _ => rows.compare(&what, one.map(|node| print::label(node)), other.map(|node| print::label(node))),
        }
    }
}

fn components<'s>(side: &'s Sided, role: &str) -> Vec<&'s Node> {
    let edges = side.walked.edges.iter().filter(|edge| edge.relation == EdgeKind::Component);
    let own = edges.filter(|edge| edge.role.as_deref() == Some(role));
    own.filter_map(|edge| side.walked.nodes.get(edge.to)).collect()
}
