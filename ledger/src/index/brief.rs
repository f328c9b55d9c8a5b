//! Completed runs in brief: what a walk downstream needs of them, so that it reads none of their events; the key `r`.
//!
//! The step from entry to answer that makes "what came of this?" fast. Promises that a run in brief says exactly what its
//! event says of who told it when, and of what it made; a run that can't be told so has none, and its event is read.
//! Never follows a correction: whoever asks looks whether the run was corrected. (docs/DESIGN.md)

use std::{collections::BTreeSet, str};

use lineal_schemas::{
    digest::{EventDigest, KeyId},
    strong::StrongDigest,
    timestamp::Timestamp,
    vocabulary::{
        Payload,
        artifact::{Artifact, Basis, Influence, InputRole},
        lineage::{Mention, Relation},
        run::{JobKind, RunCompleted},
    },
};

use super::{Index, Projected, StoreError, key, tagged, take_u64, untagged};

/// What an artifact was to a run that used it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputUse {
    /// What it was used as.
    pub role: InputRole,
    /// What it had influence on.
    pub influence: Influence,
    /// How the producer knows.
    pub basis: Basis,
}

/// An artifact that a run made, by its one strong digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its digest.
    pub digest: StrongDigest,
    /// What the run calls it.
    pub name: Option<String>,
    /// Where it is.
    pub uri: Option<String>,
}

/// A completed run in brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// When it ended, as the producer says.
    pub time: Timestamp,
    /// When the ledger took the event.
    pub received: Timestamp,
    /// The event.
    pub event: EventDigest,
    /// Whose keys signed it.
    pub signers: Vec<KeyId>,
    /// What the job does.
    pub kind: JobKind,
    /// What the tool calls the run.
    pub run_id: String,
    /// The job.
    pub subject: String,
    /// What it made.
    pub outputs: Vec<Made>,
}

impl Index {
    /// A completed run in brief, by its entry; nothing where the event has to be read.
    pub fn brief(&self, index: u64) -> Result<Option<Brief>, StoreError> {
        let Some(value) = self.store.get(&key(b'r', &[&index.to_be_bytes()]))? else { return Ok(None) };
        match Brief::read(&value) {
            Some(brief) => Ok(Some(brief)),
            None => Err(StoreError(format!("a malformed run in brief, of entry {index}"))),
        }
    }
}

impl Brief {
    /// The key and the value of a run; nothing where it says more than that has room for.
    pub(super) fn pair(entry: &Projected) -> Option<(Vec<u8>, Vec<u8>)> {
        let facts = entry.facts.as_ref()?;
        let payload = facts.payload.as_ref().ok()?;
        let Payload::RunCompleted(run) = payload else { return None };
        if !is_plain(&payload.artifacts()) {
            return None;
        }
        let mut value = Vec::with_capacity(256);
        value.extend(facts.time.as_millis().to_be_bytes());
        value.extend(entry.received.as_millis().to_be_bytes());
        value.extend(facts.digest.as_bytes());
        value.push(u8::try_from(entry.signers.len()).ok()?);
        value.extend(entry.signers.iter().flat_map(KeyId::as_bytes));
        value.push(place_of(JobKind::ALL, &run.job.kind)?);
        put_text(&mut value, run.run_id.as_str())?;
        put_text(&mut value, &facts.subject)?;
        for output in &run.outputs {
            value.extend(tagged(&StrongDigest::all_of(output).next()?));
            put_text(&mut value, output.name.as_ref().map_or("", |name| name.as_str()))?;
            put_text(&mut value, output.uri.as_ref().map_or("", |uri| uri.as_str()))?;
        }
        Some((key(b'r', &[&entry.index.to_be_bytes()]), value))
    }

    fn read(mut value: &[u8]) -> Option<Self> {
        let rest = &mut value;
        let (time, received) = (take_time(rest)?, take_time(rest)?);
        let event = EventDigest::from_bytes(take(rest)?);
        let [count] = take::<1>(rest)?;
        let signers = (0..count).map(|_| take(rest).map(KeyId::from_bytes)).collect::<Option<_>>()?;
        let [kind] = take::<1>(rest)?;
        let kind = *JobKind::ALL.get(usize::from(kind))?;
        let (run_id, subject) = (take_text(rest)?, take_text(rest)?);
        let mut outputs = Vec::new();
        while !rest.is_empty() {
            let digest = untagged(&take(rest)?)?;
            let (name, uri) = (take_text(rest)?, take_text(rest)?);
            let said = |text: String| Some(text).filter(|text| !text.is_empty());
            outputs.push(Made { digest, name: said(name), uri: said(uri) });
        }
        Some(Self { time, received, event, signers, kind, run_id, subject, outputs })
    }
}

/// Whether a run can be told in brief: all that it made has one digest, a strong one, and is nothing else to it.
fn is_plain(mentions: &[Mention<'_>]) -> bool {
    let is_output = |mention: &&Mention<'_>| mention.relation == Relation::Output;
    let mut made = BTreeSet::new();
    let is_one = |artifact: &Artifact| artifact.digests().count() == 1 && artifact.strong_digests().count() == 1;
    let mut outputs = mentions.iter().filter(is_output).map(|mention| mention.artifact);
    outputs.all(|artifact| is_one(artifact) && StrongDigest::all_of(artifact).all(|digest| made.insert(digest)))
        && mentions.iter().filter(|mention| !is_output(mention)).all(|mention| {
            let mut digests = StrongDigest::all_of(mention.artifact);
            digests.next().is_none_or(|digest| !made.contains(&digest)) && digests.next().is_none()
        })
}

/// What a run used each of these artifacts as, in the order of its inputs: a value of the key `a`.
pub(super) fn uses(run: &RunCompleted, artifact: &StrongDigest) -> Vec<u8> {
    let inputs = run.inputs.iter().flatten();
    let of_it = inputs.filter(|input| StrongDigest::all_of(&input.artifact).any(|own| own == *artifact));
    of_it
        .filter_map(|input| {
            Some([
                place_of(InputRole::ALL, &input.role)?,
                place_of(Influence::ALL, &input.influence())?,
                place_of(Basis::ALL, &input.basis())?,
            ])
        })
        .flatten()
        .collect()
}

/// What stands in a value of the key `a`.
pub(super) fn read_uses(value: &[u8]) -> impl Iterator<Item = InputUse> {
    let use_of = |places: &[u8]| {
        let [role, influence, basis] = *places.first_chunk()?;
        Some(InputUse {
            role: *InputRole::ALL.get(usize::from(role))?,
            influence: *Influence::ALL.get(usize::from(influence))?,
            basis: *Basis::ALL.get(usize::from(basis))?,
        })
    };
    value.chunks(3).filter_map(use_of)
}

/// The place of a word among its kind: another order of these is another format of the index.
fn place_of<T: PartialEq>(words: &[T], word: &T) -> Option<u8> {
    words.iter().position(|known| known == word).and_then(|at| u8::try_from(at).ok())
}

fn put_text(value: &mut Vec<u8>, text: &str) -> Option<()> {
    value.extend(u16::try_from(text.len()).ok()?.to_be_bytes());
    value.extend(text.as_bytes());
    Some(())
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn take_time(bytes: &mut &[u8]) -> Option<Timestamp> {
    take_u64(bytes).map(|millis| Timestamp::from_millis(millis.cast_signed()))
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes(take(bytes)?));
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    str::from_utf8(text).ok().map(str::to_owned)
}
