//! What else a name meant: identity is the digest, and whoever asks by a name is told so.
//!
//! Promises that a name that meant several digests is never taken for one in silence. Never chooses: that is
//! [`super::resolve`]'s part.

use std::{collections::BTreeSet, rc::Rc};

use lineal_schemas::strong::StrongDigest;

use super::main_artifact;
use crate::answers::{
    graph::{Reader, Told, strong},
    print, text,
};

/// That the name meant other digests at other times: until when, since when, which, and who says so.
pub(super) fn others_named(reader: &Reader<'_>, subject: &str, taken: &Told, told: &[Rc<Told>]) -> Option<String> {
    let digests: BTreeSet<Vec<StrongDigest>> =
        told.iter().filter_map(|told| main_artifact(&told.payload)).map(strong).collect();
    let (count, index) = (digests.len(), taken.index);
    if count < 2 {
        return None;
    }
    let own = main_artifact(&taken.payload).map(strong);
    let is_other = |told: &&Rc<Told>| main_artifact(&told.payload).map(strong) != own;
    let later = told.iter().rev().filter(|told| told.order() > taken.order()).find(is_other);
    let which = later.map_or_else(
        || format!("the last one, of entry #{index}"),
        |later| {
            let (at, other) = (later.when(), later.index);
            format!("what it named then, by entry #{index}; it names another since {at} (#{other})")
        },
    );
    let mut seen = BTreeSet::new();
    let others = told.iter().filter(is_other).filter_map(|told| {
        let digest = main_artifact(&told.payload).map(strong)?.into_iter().next()?;
        let by = reader.event_ref(told).producers();
        seen.insert(digest).then(|| format!("{} (#{} by {by})", text::short(&digest.into()), told.index))
    });
    let others: Vec<String> = others.collect();
    let not = if others.is_empty() { String::new() } else { format!(", and not {}", print::list(&others)) };
    Some(format!("`{subject}` has named {count} different digests; this answer takes {which}{not}"))
}
