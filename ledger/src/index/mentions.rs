//! Where artifacts are mentioned, by strong digest: the keys `a`, `h` and `v`.
//!
//! Promises every event that describes an artifact or used it, in order, and every service about which an event mentions
//! it. Never reads an event: what it says of the artifact is the answers' part.

use lineal_schemas::{
    digest::EventDigest,
    strong::{StrongDigest, StrongKind},
    vocabulary::{
        Payload,
        artifact::{Artifact, Influence, Input, InputRole},
    },
};

use super::{
    Index, StoreError,
    brief::{InputUse, read_uses},
    key, last_index,
    project::Says,
    tagged, untagged,
};

/// An event that used an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Using {
    /// Its index.
    pub index: u64,
    /// Where in [`Mentions`] its uses begin, and how many there are.
    uses: (usize, usize),
}

/// An event that describes an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Describing {
    /// Its index.
    pub index: u64,
    /// What the artifact was made from, as it says.
    pub made_from: Vec<StrongDigest>,
}

/// Where an artifact is mentioned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Indices of the events that describe it, or give it another digest, in order.
    pub describing: Vec<u64>,
    /// Those that used it, in order.
    pub using: Vec<Using>,
    /// What the artifact was to them, one after another.
    uses: Vec<InputUse>,
    /// Whether there are also events about services that mention it.
    pub has_services: bool,
}

impl Mentions {
    /// What the artifact was to an event that used it, where that is a completed run; nothing where it is no input of one.
    pub fn inputs_of(&self, using: &Using) -> &[InputUse] {
        let (begin, count) = using.uses;
        self.uses.get(begin..begin + count).unwrap_or_default()
    }

    fn add_using(&mut self, index: u64, value: &[u8]) {
        let begin = self.uses.len();
        self.uses.extend(read_uses(value));
        self.using.push(Using { index, uses: (begin, self.uses.len() - begin) });
    }
}

impl Index {
    /// The events that mention the artifact of this strong digest. Those that only see it serve are not listed: there
    /// may be any number of observations of one model, and [`Self::services_of`] leads to these.
    pub fn mentions(&self, artifact: &StrongDigest) -> Result<Mentions, StoreError> {
        let mut found = Mentions::default();
        let prefix = key(b'a', &[&tagged(artifact)]);
        self.store.scan(&prefix, &prefix, &mut |key, value| {
            match key.get(prefix.len()).copied().and_then(Says::of) {
                Some(Says::Describes) => found.describing.extend(last_index(key)),
                Some(Says::Uses) => {
                    if let Some(index) = last_index(key) {
                        found.add_using(index, value);
                    }
                }
                Some(Says::OfService) | None => found.has_services = true,
            }
            !found.has_services
        })?;
        Ok(found)
    }

    /// The events that describe the artifact of this strong digest, or give it another one, in order: however often it was
    /// used, nothing of that is looked at.
    pub fn describing(&self, artifact: &StrongDigest) -> Result<Vec<u64>, StoreError> {
        self.indices(&key(b'a', &[&tagged(artifact), &[Says::Describes as u8]]))
    }

    /// As [`Self::describing`], with what each of them says that the artifact was made from: what a walk upstream comes to
    /// next, so that it needs no event to go on.
    pub fn lineage(&self, artifact: &StrongDigest) -> Result<Vec<Describing>, StoreError> {
        let prefix = key(b'a', &[&tagged(artifact), &[Says::Describes as u8]]);
        let mut found = Vec::new();
        self.store.scan(&prefix, &prefix, &mut |key, value| {
            let (made_from, _) = value.as_chunks();
            let made_from = made_from.iter().filter_map(untagged).collect();
            found.extend(last_index(key).map(|index| Describing { index, made_from }));
            true
        })?;
        Ok(found)
    }

    /// Services about which events mention an artifact by this strong digest, sorted.
    pub fn services_of(&self, artifact: &StrongDigest) -> Result<Vec<String>, StoreError> {
        let prefix = key(b'v', &[&tagged(artifact)]);
        let mut found = Vec::new();
        self.store.scan(&prefix, &prefix, &mut |key, _value| {
            let subject = key.get(prefix.len()..).unwrap_or_default();
            found.push(String::from_utf8_lossy(subject).into_owned());
            true
        })?;
        Ok(found)
    }

    /// Strong digests that begin with these hex digits and that entries below `size` mention, at most `limit`.
    pub fn artifacts(&self, hex_prefix: &str, size: u64, limit: usize) -> Result<Vec<StrongDigest>, StoreError> {
        let mut found: Vec<StrongDigest> = Vec::new();
        if hex_prefix.len() == 64 {
            for kind in StrongKind::ALL.into_iter().rev() {
                if let Some(artifact) = StrongDigest::of(kind.as_str(), hex_prefix)
                    && self.is_mentioned(&artifact, size)?
                {
                    found.push(artifact);
                }
            }
            return Ok(found);
        }
        let even = hex_prefix.get(..hex_prefix.len() / 2 * 2).unwrap_or_default();
        let Ok(bytes) = hex::decode(even) else { return Ok(found) };
        for kind in [StrongKind::Sha256, StrongKind::DirHash] {
            let [tag, ..] = tagged(&StrongDigest { kind, bytes: [0; 32] });
            let prefix = key(b'a', &[&[tag], &bytes]);
            let mut from = prefix.clone();
            while found.len() < limit {
                let mut next = None;
                self.store.scan(&prefix, &from, &mut |key, _value| {
                    let artifact = key.get(1..).and_then(<[u8]>::first_chunk).and_then(untagged);
                    // The first entry is not the first of all: what describes it comes first, and what uses it then.
                    let known = last_index(key).is_some_and(|index| index < size);
                    next = artifact.map(|artifact| (artifact, known));
                    false
                })?;
                let Some((artifact, known)) = next else { break };
                if artifact.hex().starts_with(hex_prefix) && (known || self.is_mentioned(&artifact, size)?) {
                    found.push(artifact);
                }
                // Past all that mention this one.
                from = key(b'a', &[&tagged(&artifact), &[u8::MAX; 10]]);
            }
        }
        Ok(found)
    }

    /// Whether an entry below `size` mentions an artifact.
    fn is_mentioned(&self, artifact: &StrongDigest, size: u64) -> Result<bool, StoreError> {
        let prefix = key(b'a', &[&tagged(artifact)]);
        let mut known = false;
        self.store.scan(&prefix, &prefix, &mut |key, _value| {
            known = last_index(key).is_some_and(|index| index < size);
            !known
        })?;
        Ok(known)
    }

    /// Trees that entries below `size` mention, by `dirHash`, at most `limit`.
    pub fn trees(&self, size: u64, limit: usize) -> Result<Vec<EventDigest>, StoreError> {
        let mut found = Vec::new();
        self.store.scan(b"h", b"h", &mut |key, first| {
            let tree = key.get(1..).and_then(<[u8]>::first_chunk);
            if last_index(first).is_some_and(|first| first < size) {
                found.extend(tree.map(|tree| EventDigest::from_bytes(*tree)));
            }
            found.len() < limit
        })?;
        Ok(found)
    }
}

/// What an event says that an artifact was made from, without corrections: a value of the key `a`.
pub(super) fn made_from(payload: &Payload, artifact: &StrongDigest) -> Vec<u8> {
    let is_it = |about: &Artifact| StrongDigest::all_of(about).any(|own| own == *artifact);
    let from: Vec<&Artifact> = match payload {
        Payload::RunCompleted(run) if run.outputs.iter().any(is_it) => {
            run.inputs.iter().flatten().filter(|input| is_ancestor(input)).map(|input| &input.artifact).collect()
        }
        Payload::DatasetSnapshotted(snapshot) if is_it(&snapshot.dataset) => {
            let larger = snapshot.subset.iter().flat_map(|subset| &subset.of);
            snapshot.derived_from.iter().flatten().chain(larger).chain(snapshot.sources.iter().flatten()).collect()
        }
        Payload::ModelRegistered(registered) if is_it(&registered.model) => registered.base_model.iter().collect(),
        _ => Vec::new(),
    };
    from.into_iter().flat_map(StrongDigest::all_of).flat_map(|digest| tagged(&digest)).collect()
}

/// Whether ancestry goes through an input of a run: not through what it only measured with, and not through what it ran in.
pub(crate) fn is_ancestor(input: &Input) -> bool {
    !matches!(input.role, InputRole::Code | InputRole::Environment) && input.influence() != Influence::Measurement
}
