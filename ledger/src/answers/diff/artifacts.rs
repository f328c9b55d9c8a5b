//! Whether two artifacts are the same, where the record may know them by no strong digest: commits, images, lockfiles.

use lineal_schemas::vocabulary::artifact::{Artifact, Strength};

use super::rows::Rows;
use crate::answers::{AnswerError, graph::Reader, running::all_digests};

/// What two artifacts are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    Same,
    Other,
    Unknown(&'static str),
}

/// Adds the row of an artifact that either side may name.
pub(super) fn row(
    rows: &mut Rows,
    reader: &mut Reader<'_>,
    what: &str,
    sides: (Option<&Artifact>, Option<&Artifact>),
) -> Result<(), AnswerError> {
    let (Some(before), Some(after)) = sides else {
        rows.compare_declared(what, sides.0.map(shown), sides.1.map(shown));
        return Ok(());
    };
    match compared(reader, before, after)? {
        Compared::Same => rows.any_same = true,
        Compared::Other => rows.compare(what, Some(shown(before)), Some(shown(after))),
        Compared::Unknown(why) => rows.unknown(format!("{what}: {} and {}: {why}", shown(before), shown(after))),
    }
    Ok(())
}

fn compared(reader: &mut Reader<'_>, one: &Artifact, other: &Artifact) -> Result<Compared, AnswerError> {
    if one.strength() == Strength::Strong && other.strength() == Strength::Strong {
        if reader.same(one, other)? {
            return Ok(Compared::Same);
        }
        let alike = |(name, _hex): &(&str, &str)| other.strong_digests().any(|(theirs, _)| theirs == *name);
        let any = one.strong_digests().any(|digest| alike(&digest));
        return Ok(if any { Compared::Other } else { Compared::Unknown("no digest of the same kind") });
    }
    let pairs = one.digests().filter_map(|(name, mine)| {
        let theirs = other.digests().find(|(theirs, _)| *theirs == name)?.1;
        Some((name, mine == theirs))
    });
    let pairs: Vec<(&str, bool)> = pairs.collect();
    let same_place = one.uri.is_some() && one.uri == other.uri;
    Ok(match pairs.as_slice() {
        [] if same_place => Compared::Unknown("the same place, and no digest says what was there"),
        [] if one.digest.is_none() && other.digest.is_none() => Compared::Other,
        [] => Compared::Unknown("no digest of the same kind"),
        pairs if pairs.iter().any(|(_name, equal)| !equal) => Compared::Other,
        pairs if pairs.iter().any(|(name, _equal)| name.starts_with("git")) || same_place => Compared::Same,
        _ => Compared::Unknown("only a weak digest is the same"),
    })
}

/// Where it is, and its best digest in full: what differs may differ in its last digits alone.
pub(super) fn shown(artifact: &Artifact) -> String {
    let digests = all_digests(artifact);
    let digest = digests.iter().max_by_key(|digest| Strength::of(&digest.algorithm));
    let digest = digest.map(|digest| format!("{}:{}", digest.algorithm, digest.value));
    let place =
        artifact.name.as_ref().map(ToString::to_string).or_else(|| artifact.uri.as_ref().map(ToString::to_string));
    [place, digest].into_iter().flatten().collect::<Vec<_>>().join(" ")
}
