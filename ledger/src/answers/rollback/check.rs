//! `rollback-plan --check`: the bytes to restore are read where they are said to be, and hashed.
//!
//! On the asker's own side, never on a server. Files and folders, `http:` and `https:` addresses in whole, objects of S3 and
//! of Cloud Storage as the asker's own account, and of images the manifest that a registry has under the digest. Promises
//! that what was not read is not checked and never a yes.

use lineal_schemas::vocabulary::artifact::Artifact;

use super::{Line, Restorable, Restored, RollbackPlan};
use crate::{
    answers::{
        NamedDigest, print,
        recheck::{self, Recheck, RecheckState},
        text,
    },
    remote::{self, RemoteError},
    stores::Stores,
};

/// Reads every place of what to restore, and says in both lines, and in line 1, what came of it. Objects are asked for as
/// `stores` says.
pub fn check(plan: &mut RollbackPlan, stores: &Stores) {
    let Some(choice) = &mut plan.choice else { return };
    for one in &mut choice.restore {
        one.checks = one.places.iter().map(|place| at(&one.component.digests, place, stores)).collect();
    }
    let line = |is_context| line(choice.restore.iter().filter(|one| one.is_context == is_context));
    let (model, context) = (line(false), line(true));
    plan.model.add(model);
    plan.context.add(context);
    plan.answer = print::rollback_line(plan);
    let count = |state| {
        let all = plan.choice.iter().flat_map(|choice| &choice.restore).flat_map(|one| &one.checks);
        all.filter(|check| check.state == state).count()
    };
    let (same, other) = (count(RecheckState::Rechecked), count(RecheckState::Mismatch));
    let mismatch = if other == 0 { String::new() } else { format!(", {} MISMATCHED", text::count(other, "place")) };
    let unread = count(RecheckState::Unreachable);
    plan.answer =
        format!("{}; bytes of {} checked{mismatch}, {unread} not checked", plan.answer, text::count(same, "place"));
}

/// What the checks of components say: one place with the bytes is enough, and one that was not read is not.
fn line<'r>(restored: impl Iterator<Item = &'r Restored>) -> Line {
    let (mut no, mut unknown) = (Vec::new(), Vec::new());
    for one in restored.filter(|one| !one.checks.is_empty()) {
        let has = |state| one.checks.iter().any(|check| check.state == state);
        if has(RecheckState::Rechecked) {
            continue;
        }
        let told: Vec<String> = one.checks.iter().map(told).collect();
        let told = format!("{}: {}", print::component_in_its_role(&one.component), told.join("; "));
        if !has(RecheckState::Unreachable) {
            no.push(told);
        } else if !one.in_place {
            unknown.push(told);
        }
    }
    Line::of(no, unknown)
}

/// What was found at a place, as prose.
pub(in crate::answers) fn told(check: &Recheck) -> String {
    let place = &check.place;
    match (check.state, &check.found, &check.problem) {
        (RecheckState::Rechecked, ..) => format!("{place} has its bytes"),
        (RecheckState::Mismatch, Some(found), _) => format!("{place} has OTHER bytes, {}", text::short(found)),
        (_, _, Some(problem)) => format!("{place} was not checked: {problem}"),
        (_, _, None) => format!("{place} was not checked"),
    }
}

fn at(digests: &[NamedDigest], place: &str, stores: &Stores) -> Recheck {
    let scheme = place.split_once(':').map_or("", |(scheme, _rest)| scheme);
    if scheme == "file" {
        return recheck::at_place(digests, place);
    }
    if !matches!(scheme, "http" | "https" | "s3" | "gs" | "oci" | "oci+native") {
        return Recheck::unreachable(place, "files, http(s), s3, gs and registries alone are read".to_owned());
    }
    // Nothing is fetched that can't be compared: a folder of a store has a digest of its listing, and none of its bytes.
    let Some(sha256) = digests.iter().find(|digest| digest.algorithm == "sha256") else {
        return Recheck::unreachable(
            place,
            "the record has no sha256 of it, and a folder is not read there".to_owned(),
        );
    };
    let read = match scheme {
        "http" | "https" => remote::sha256_of(place).map_err(|error| error.to_string()),
        "s3" | "gs" => stores.sha256_of(place).map_err(|error| error.to_string()),
        _ => match registry(place) {
            Some((host, repository)) => remote::sha256_of_manifest(&host, &repository, &sha256.value),
            None => Err(RemoteError::Address(place.to_owned())),
        }
        .map_err(|error| error.to_string()),
    };
    match read {
        Ok(value) => Recheck::of(place, digests, NamedDigest { algorithm: "sha256".into(), value }),
        Err(problem) => Recheck::unreachable(place, problem),
    }
}

/// The registry that an image's name implies, as an address: `r.example/serve` with a digest is `oci://r.example/serve@…`.
pub(super) fn registry_place(artifact: &Artifact) -> Option<String> {
    let name = artifact.name.as_ref()?.as_str();
    let digest = artifact.digest.as_ref()?.get("sha256")?;
    let host = name.split_once('/')?.0;
    let is_host = host.contains(['.', ':']) || host == "localhost";
    is_host.then(|| format!("oci://{name}@sha256:{digest}"))
}

/// The host and the repository of an `oci:` address, without tag and digest.
pub(super) fn registry(place: &str) -> Option<(String, String)> {
    let (_scheme, rest) = place.split_once("://")?;
    let rest = rest.split_once('@').map_or(rest, |(name, _digest)| name);
    let (host, repository) = rest.split_once('/')?;
    let repository = match repository.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => repository,
    };
    (!host.is_empty() && !repository.is_empty()).then(|| (host.to_owned(), repository.to_owned()))
}

impl RollbackPlan {
    /// Whether the places of what to restore are known to hold it: each was read, or it runs there now.
    pub fn is_checked(&self) -> bool {
        let has = |one: &Restored| one.checks.iter().any(|check| check.state == RecheckState::Rechecked);
        let all = self.choice.as_ref().is_some_and(|choice| choice.restore.iter().all(|one| one.in_place || has(one)));
        all && self.model.state == Restorable::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_and_a_repository_are_read_from_an_address() {
        for (place, expected) in [
            ("oci://r.example/team/serve@sha256:ab", Some(("r.example", "team/serve"))),
            ("oci://localhost:5000/serve:1.2@sha256:ab", Some(("localhost:5000", "serve"))),
            ("oci+native://r.example/a/b:latest", Some(("r.example", "a/b"))),
            ("oci://r.example", None),
            ("oci:///serve", None),
        ] {
            let found = registry(place);
            assert_eq!(found.as_ref().map(|(host, name)| (host.as_str(), name.as_str())), expected, "{place}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_checked() {
        let nowhere = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("STORAGE_EMULATOR_HOST", "127.0.0.1:1")];
        let nowhere = nowhere.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let stores = Stores::new(nowhere, Box::new(crate::clock::SystemClock::start()));
        for (algorithm, place) in [
            ("sha256", "s3://models/42"),
            ("sha256", "s3://models/42/"),
            ("dirHash", "s3://models/42"),
            ("sha256", "gs://b/k"),
            ("dirHash", "oci://r.example/serve"),
            ("sha256", "oci://r.example"),
            ("sha256", "hf://org/model"),
            ("sha256", "pvc://claim/path"),
        ] {
            let check = at(&[NamedDigest { algorithm: algorithm.into(), value: "ab".repeat(32) }], place, &stores);
            assert_eq!(check.state, RecheckState::Unreachable, "{place}");
            assert!(told(&check).contains("was not checked: "), "{}", told(&check));
        }
    }
}
