//! Attempts to measure a model: which there were, which count, and what they were made with.
//!
//! Promises that every announced attempt counts, whatever it found, until somebody retracts it with a reason. Never picks
//! one: a policy says how several become one.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lineal_schemas::{
    strong::StrongDigest,
    vocabulary::{
        Payload,
        artifact::Artifact,
        evaluation::{Harness, MetricResult},
        lineage::Relation,
        values::Table,
    },
};

use super::{
    label,
    lineage::{DISPUTED, standing},
};
use crate::{
    history::{Evidence, History, Identity},
    policy::{Policy, Slice, is_from},
};

/// The attempts to measure one model.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// Those that count, the first begun first.
    pub(super) counted: Vec<Attempt>,
    /// Those that somebody retracted, with the event that did.
    pub(super) retracted: Vec<(Attempt, Rc<Evidence>)>,
    /// On other data, with another program or by others than the policy asks for: why, for each.
    pub(super) other: Vec<(String, Attempt)>,
    /// Who retracted something under a key that somebody else may have had: that counts for nothing.
    pub(super) suspect: BTreeSet<String>,
    /// Flags that stand on data that it was measured on.
    pub(super) flags: Vec<(String, Rc<Evidence>)>,
}

/// An attempt: what was announced, and what was found.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) id: String,
    pub(super) announced: Option<Rc<Evidence>>,
    pub(super) finished: Option<Rc<Evidence>>,
    /// A result that is none of what was announced, or is in dispute, and why: such an attempt has no evidence.
    pub(super) strayed: Option<(Rc<Evidence>, String)>,
    pub(super) suite: Suite,
}

/// What a measurement was made with and on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Suite {
    pub(super) harness: Option<(String, Option<String>)>,
    program: BTreeSet<String>,
    pub(super) data: Vec<Data>,
    transform: Option<BTreeSet<String>>,
}

/// Data of a measurement.
#[derive(Debug, Clone)]
pub(super) struct Data {
    pub(super) label: String,
    pub(super) identity: Option<Rc<Identity>>,
    /// The wholes that it is a part of.
    pub(super) wholes: Vec<Rc<Identity>>,
    names: BTreeSet<String>,
}

impl PartialEq for Data {
    /// The same bytes, whatever they are called; what has no strong digest is the same as nothing.
    fn eq(&self, other: &Self) -> bool {
        match (&self.identity, &other.identity) {
            (Some(mine), Some(theirs)) => mine.digests == theirs.digests,
            _ => false,
        }
    }
}

impl Attempts {
    /// Every attempt at a model that had begun.
    pub(super) fn read<H: History>(history: &mut H, identity: &Identity, policy: &Policy) -> Result<Self, H::Error> {
        let now = history.moment();
        let (mut starts, mut ends): (ById, ById) = Default::default();
        let (mut retractions, mut suspect) = (Vec::new(), BTreeSet::new());
        for told in identity.said.iter().filter(|told| told.when() <= now && identity.has(told, Relation::Subject)) {
            match &told.payload {
                Payload::EvaluationStarted(started) => {
                    starts.entry(key(&started.evaluation_id, told)).or_default().push(told.clone());
                }
                Payload::EvaluationCompleted(completed) => {
                    ends.entry(key(&completed.evaluation_id, told)).or_default().push(told.clone());
                }
                // Somebody else may have had the key.
                Payload::EvaluationRetracted(_) if told.is_suspect => suspect.extend(told.producers.iter().cloned()),
                Payload::EvaluationRetracted(_) if !told.is_moved => retractions.push(told.clone()),
                _ => {}
            }
        }
        let mut found = Self { suspect, ..Self::default() };
        let keys: BTreeSet<Key> = starts.keys().chain(ends.keys()).cloned().collect();
        for key in keys {
            // The first announcement with an id belongs to the first results with it, and so on.
            let (announced, finished) =
                (starts.remove(&key).unwrap_or_default(), ends.remove(&key).unwrap_or_default());
            for at in 0..announced.len().max(finished.len()) {
                let both = (announced.get(at).cloned(), finished.get(at).cloned());
                found.take(history, &key.0, both, (&retractions, policy))?;
            }
        }
        found.counted.sort_by_key(Attempt::began);
        let data = found.counted.iter().flat_map(|attempt| &attempt.suite.data);
        for data in data {
            let flags = data.identity.iter().flat_map(|identity| standing(identity, now));
            found.flags.extend(flags.map(|told| (format!("{}, on which it was measured,", data.label), told)));
        }
        Ok(found)
    }

    /// An attempt is another one than the policy asks for only where it was announced as such, too.
    fn take<H: History>(
        &mut self,
        history: &mut H,
        id: &str,
        (announced, mut finished): (Option<Rc<Evidence>>, Option<Rc<Evidence>>),
        (retractions, policy): (&[Rc<Evidence>], &Policy),
    ) -> Result<(), H::Error> {
        let Some(told) = finished.as_ref().or(announced.as_ref()) else { return Ok(()) };
        let suite = Suite::read(history, told)?;
        let mut other = suite.is_other(told, policy, finished.is_none());
        let mut strayed = None;
        if let Some(result) = finished.clone() {
            let is_announced_other = match &announced {
                Some(begun) => Suite::read(history, begun)?.is_other(begun, policy, true).is_some(),
                None => true,
            };
            if result.is_moved {
                (finished, strayed) =
                    (None, Some((result, "its result was corrected to one of another model".to_owned())));
                other = other.filter(|_why| is_announced_other);
            } else if result.disputed_by.is_some() {
                (finished, strayed) = (None, Some((result, format!("its result {DISPUTED}"))));
                other = other.filter(|_why| is_announced_other);
            } else if let Some(why) = other.take_if(|_why| !is_announced_other) {
                (finished, strayed) = (None, Some((result, format!("finished otherwise than announced: {why}"))));
            }
        }
        let attempt = Attempt { id: id.to_owned(), announced, finished, strayed, suite };
        if let Some(why) = other {
            self.other.push((why, attempt));
        } else if let Some(by) = retractions.iter().find(|told| attempt.is_retracted_by(told)) {
            self.retracted.push((attempt, by.clone()));
        } else {
            self.counted.push(attempt);
        }
        Ok(())
    }

    /// Those that count and have results.
    pub(super) fn finished(&self) -> impl Iterator<Item = (&Attempt, &Rc<Evidence>)> {
        self.counted.iter().filter_map(|attempt| Some((attempt, attempt.finished.as_ref()?)))
    }

    /// Those that count and have no results.
    pub(super) fn open(&self) -> impl Iterator<Item = &Attempt> {
        self.counted.iter().filter(|attempt| attempt.finished.is_none())
    }

    /// Whoever signed the results that count, or corrected them.
    pub(super) fn evaluators(&self) -> BTreeSet<String> {
        self.finished().flat_map(|(_attempt, told)| told.producers.union(&told.correctors).cloned()).collect()
    }
}

/// What an announcement and its results have in common: the id, the source and the subject.
type Key = (String, String, String);

/// Events by what they have in common.
type ById = BTreeMap<Key, Vec<Rc<Evidence>>>;

fn key(id: &impl ToString, told: &Evidence) -> Key {
    (id.to_string(), told.source.clone(), told.subject.clone())
}

impl Attempt {
    /// Everything that was said of it.
    pub(super) fn events(&self) -> impl Iterator<Item = &Rc<Evidence>> {
        let strayed = self.strayed.iter().map(|(told, _why)| told);
        [&self.announced, &self.finished].into_iter().flatten().chain(strayed)
    }

    /// The order in which attempts began.
    fn began(&self) -> Option<(lineal_schemas::timestamp::Timestamp, String, u64)> {
        let orders = self.events().map(|told| (told.when(), told.source.clone(), told.sequence));
        orders.min()
    }

    /// The first of it that the ledger took.
    pub(super) fn first_known(&self) -> Option<&Rc<Evidence>> {
        self.events().min_by_key(|told| told.index)
    }

    /// Whether a retraction means this attempt: its id, under the same name, and known before.
    fn is_retracted_by(&self, by: &Evidence) -> bool {
        let Payload::EvaluationRetracted(retraction) = &by.payload else { return false };
        let strayed = self.strayed.as_ref().map(|(told, _why)| told);
        let Some(told) = self.finished.as_ref().or(strayed).or(self.announced.as_ref()) else { return false };
        retraction.evaluation_id.as_str() == self.id
            && by.subject == told.subject
            && told.index < by.index
            && retraction.event.is_none_or(|event| event == told.event)
    }
}

impl Data {
    /// Whether a policy means these data: a name, or a digest.
    fn is(&self, wanted: &str) -> bool {
        let Some(identity) = &self.identity else { return false };
        match wanted.split_once(':') {
            Some((algorithm, digest)) => {
                StrongDigest::of(algorithm, digest).is_some_and(|digest| identity.digests.contains(&digest))
            }
            None => self.names.contains(wanted),
        }
    }

    fn read<H: History>(history: &mut H, artifact: &Artifact) -> Result<Self, H::Error> {
        let now = history.moment();
        let identity = history.identity(artifact)?;
        let (mut wholes, mut names) = (Vec::<Rc<Identity>>::new(), BTreeSet::new());
        let mut open: Vec<Rc<Identity>> = identity.iter().cloned().collect();
        // A whole may be a part of a larger one.
        while let Some(own) = open.pop() {
            let is_itself = own.is(artifact);
            for told in own.said.iter().filter(|told| told.when() <= now) {
                let Payload::DatasetSnapshotted(snapshot) = &told.payload else { continue };
                let is_subject = own.has(told, Relation::Subject);
                if is_subject && is_itself {
                    names.insert(told.subject.clone());
                }
                let subset = snapshot.subset.iter().filter_map(|subset| subset.of.as_ref());
                let of: Vec<&Artifact> = if is_subject { subset.collect() } else { vec![&snapshot.dataset] };
                for whole in of {
                    let Some(whole) = history.identity(whole)? else { continue };
                    let is_known = wholes.iter().any(|known| known.digests == whole.digests);
                    if !is_known && !whole.is(artifact) {
                        wholes.push(whole.clone());
                        open.push(whole);
                    }
                }
            }
        }
        Ok(Self { label: label(artifact), identity, wholes, names })
    }
}

impl Suite {
    fn read<H: History>(history: &mut H, told: &Evidence) -> Result<Self, H::Error> {
        let (inputs, harness, transform) = match &told.payload {
            Payload::EvaluationStarted(started) => (&started.inputs, &started.harness, &started.transform),
            Payload::EvaluationCompleted(completed) => (&completed.inputs, &completed.harness, &completed.transform),
            _ => (&None, &None, &None),
        };
        let mut data = Vec::new();
        for input in inputs.iter().flatten().filter(|input| input.role.is_data()) {
            let read = Data::read(history, &input.artifact)?;
            if !data.contains(&read) {
                data.push(read);
            }
        }
        data.sort_by(|one: &Data, other| one.key().cmp(&other.key()));
        let program = harness.iter().filter_map(|harness| harness.artifact.as_ref()).flat_map(named).collect();
        let transform = transform.as_ref().map(|transform| named(transform).collect());
        Ok(Self { harness: harness.as_ref().map(spelled), program, data, transform })
    }

    /// Why it is none that the policy asks for; an announcement that leaves something open may be of anything.
    fn is_other(&self, told: &Evidence, policy: &Policy, is_announcement: bool) -> Option<String> {
        let asked = policy.table.evaluation.as_ref()?.get_ref();
        if let Some(wanted) = &asked.data {
            let is_wanted = |data: &Data| wanted.iter().any(|wanted| data.is(wanted.get_ref()));
            if self.data.is_empty() && !is_announcement {
                return Some("says not on which data".to_owned());
            }
            if let Some(other) = self.data.iter().find(|data| !is_wanted(data)) {
                return Some(format!("other data: {}", other.label));
            }
        }
        let is_open = |said: Option<&str>| said.is_none() && is_announcement;
        let name = self.harness.as_ref().map(|(name, _version)| name.as_str());
        let version = self.harness.as_ref().and_then(|(_name, version)| version.as_deref());
        let other_name = asked.harness.as_ref().is_some_and(|wanted| name != Some(wanted.as_str()) && !is_open(name));
        let other_version =
            asked.harness_version.as_ref().is_some_and(|wanted| version != Some(wanted.as_str()) && !is_open(version));
        if other_name || other_version {
            return Some("another program".to_owned());
        }
        (!is_from(told, asked.from.as_ref())).then(|| "by another producer".to_owned())
    }

    /// Why numbers of the two can't be compared; nothing where they can.
    pub(super) fn apart(&self, other: &Self) -> Option<String> {
        let all = [self, other];
        if all.iter().any(|suite| suite.data.is_empty()) {
            return Some("not both say on which data".to_owned());
        }
        if let Some(unproven) = all.iter().flat_map(|suite| &suite.data).find(|data| data.identity.is_none()) {
            return Some(format!("{} has no strong digest", unproven.label));
        }
        if self.data != other.data {
            let labels = |suite: &Self| suite.data.iter().map(|data| data.label.clone()).collect::<Vec<_>>().join(", ");
            return Some(format!("other data, {} and {}", labels(self), labels(other)));
        }
        if all.iter().any(|suite| suite.harness.is_none()) {
            return Some("not both say with which program".to_owned());
        }
        let other_program = !self.program.is_empty() && !other.program.is_empty() && self.program != other.program;
        if self.harness != other.harness || other_program {
            return Some("another program".to_owned());
        }
        if all.iter().any(|suite| suite.transform.as_ref().is_some_and(BTreeSet::is_empty)) {
            return Some("preprocessing that has no digest and no place".to_owned());
        }
        (self.transform != other.transform).then(|| "other preprocessing".to_owned())
    }
}

impl Data {
    fn key(&self) -> (Option<&BTreeSet<StrongDigest>>, &str) {
        (self.identity.as_ref().map(|identity| &identity.digests), &self.label)
    }
}

fn spelled(harness: &Harness) -> (String, Option<String>) {
    (harness.name.to_string(), harness.version.as_ref().map(ToString::to_string))
}

/// What an artifact is told apart by: its strong digests, else its place.
fn named(artifact: &Artifact) -> impl Iterator<Item = String> + '_ {
    let digests = StrongDigest::all_of(artifact).map(|digest| digest.to_string());
    let is_weak = artifact.strong_digests().next().is_none();
    digests.chain(artifact.uri.iter().filter(move |_uri| is_weak).map(ToString::to_string))
}

/// The results of an event for one question.
pub(super) fn answers<'t>(told: &'t Evidence, metric: &str, slice: &Slice) -> Vec<&'t MetricResult> {
    let Payload::EvaluationCompleted(completed) = &told.payload else { return Vec::new() };
    let is_it = |result: &&MetricResult| {
        result.metric.as_str() == metric && slice.is(result.slice.iter().flat_map(Table::as_map))
    };
    completed.results.iter().filter(is_it).collect()
}
