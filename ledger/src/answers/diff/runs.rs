//! The runs of both sides: which is compared with which.
//!
//! A run that both sides have is the same; the others are compared with the one of the same job, the nearest first, and
//! the last two left of one kind with each other.

use std::rc::Rc;

use lineal_schemas::vocabulary::{Payload, run::RunCompleted};

use super::{
    pairs::{self, Which},
    rows::Rows,
    sides::Sided,
};
use crate::answers::{
    AnswerError,
    graph::{Reader, Told},
    print,
    trace::{End, NodeKind},
};

/// A run of a side.
pub(super) struct Ran {
    pub(super) told: Rc<Told>,
}

impl Ran {
    fn run(&self) -> Option<&RunCompleted> {
        match &self.told.payload {
            Payload::RunCompleted(run) => Some(run),
            _ => None,
        }
    }

    fn id(&self) -> String {
        self.run().map_or_else(String::new, |run| run.run_id.to_string())
    }

    fn label(&self) -> String {
        format!("{} run {}", self.told.subject, self.id())
    }
}

/// The runs of both sides.
pub(super) struct Paired {
    pairs: Vec<(Ran, Ran)>,
    removed: Vec<Ran>,
    added: Vec<Ran>,
    /// Whether both sides have a run in common.
    any_same: bool,
    /// What should have a run and has none.
    without: Vec<String>,
}

/// Says which run is compared with which.
pub(super) fn pair(reader: &mut Reader<'_>, before: &Sided, after: &Sided) -> Result<Paired, AnswerError> {
    let (mut mine, mut theirs) = (runs(reader, before)?, runs(reader, after)?);
    let without = [(before, mine.is_empty()), (after, theirs.is_empty())].into_iter();
    let without = without.filter(|(_side, none)| *none).flat_map(|(side, _none)| unaccounted(side)).collect();
    let mut pairs = pairs::take(&mut mine, &mut theirs, |ran| Some(ran.told.index), Which::InOrder);
    let any_same = !pairs.is_empty();
    pairs.clear();
    pairs.extend(pairs::take(&mut mine, &mut theirs, |ran| Some(ran.told.subject.clone()), Which::InOrder));
    pairs.extend(pairs::take(&mut mine, &mut theirs, |ran| Some(ran.run()?.job.kind), Which::TheOnly));
    Ok(Paired { pairs, removed: mine, added: theirs, any_same, without })
}

fn runs(reader: &mut Reader<'_>, side: &Sided) -> Result<Vec<Ran>, AnswerError> {
    let mut runs = Vec::new();
    for node in side.walked.nodes.iter().filter(|node| node.kind == NodeKind::Run) {
        if let Some(event) = node.events.first() {
            runs.extend(reader.told(event.index)?.map(|told| Ran { told }));
        }
    }
    Ok(runs)
}

/// What is compared, and neither an end of its own nor made by a run that is known.
fn unaccounted(side: &Sided) -> Vec<String> {
    let open = side.subjects().filter(|node| matches!(node.end, None | Some(End::Missing)));
    open.map(|node| format!("no run is recorded that made {}", print::label(node))).collect()
}

impl Paired {
    /// Rows to which runs without a counterpart are added already.
    pub(super) fn rows(&self) -> Rows {
        let mut rows = Rows::default();
        rows.any_same = self.any_same;
        for ran in &self.removed {
            rows.compare("run", Some(ran.label()), None);
        }
        for ran in &self.added {
            rows.compare("run", None, Some(ran.label()));
        }
        for what in &self.without {
            rows.unknown(what.clone());
        }
        rows
    }

    /// Each pair, and what names it where there are several.
    pub(super) fn each(&self) -> impl Iterator<Item = (&(Ran, Ran), Option<String>, &RunCompleted, &RunCompleted)> {
        let several = self.pairs.len() > 1;
        self.pairs.iter().filter_map(move |pair| {
            let name = || format!("{} {} -> {}", pair.1.told.subject, pair.0.id(), pair.1.id());
            Some((pair, several.then(name), pair.0.run()?, pair.1.run()?))
        })
    }
}
