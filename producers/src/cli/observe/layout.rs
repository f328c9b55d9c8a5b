//! A model in a folder of OCI image layout: the manifest's digest is its identity, and every blob of it is hashed.
//!
//! Promises that what is named is whole: a blob that is missing or has other bytes than its name says is an error.

use std::path::Path;

use lineal_producers::{object::Object, tree::hash_file};
use serde_json::Value;

use super::super::{console::Failure, values::read_bytes};

/// The annotation with which a layout names what it holds.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The component that a layout holds, at `DIR` or `DIR:NAME`.
pub(super) fn component(place: &str) -> Result<Object, Failure> {
    let (folder, name) = match place.rsplit_once(':') {
        Some((folder, name)) if !Path::new(place).is_dir() => (Path::new(folder), Some(name)),
        _ => (Path::new(place), None),
    };
    let index = json(&folder.join("index.json"))?;
    let manifests = index.get("manifests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_named = |manifest: &&Value| {
        let found = manifest.get("annotations").and_then(|all| all.get(REF_NAME)).and_then(Value::as_str);
        name.is_none() || found == name
    };
    let found: Vec<&Value> = manifests.iter().filter(is_named).collect();
    let [manifest] = found[..] else {
        return Err(Failure::usage(format!("{} holds {} manifests of that name", folder.display(), found.len()))
            .with_hint("name one: --oci-layout DIR:NAME, as `org.opencontainers.image.ref.name` has it"));
    };
    let sha256 = blob(folder, manifest)?;
    let parts = json(&folder.join("blobs/sha256").join(&sha256))?;
    let layers = parts.get("layers").and_then(Value::as_array).into_iter().flatten();
    for part in parts.get("config").into_iter().chain(layers) {
        blob(folder, part)?;
    }
    let artifact = Object::new()
        .with_some("name", name)
        .with("digest", Object::new().with("sha256", sha256))
        .with_some("mediaType", manifest.get("mediaType").and_then(Value::as_str));
    Ok(Object::new().with("role", "model").with("artifact", artifact).with("binding", "pinned"))
}

/// The digest of a descriptor, whose blob is there and has it.
fn blob(folder: &Path, descriptor: &Value) -> Result<String, Failure> {
    let digest = descriptor.get("digest").and_then(Value::as_str).unwrap_or_default();
    let is_hex = |digits: &&str| digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let sha256 = digest
        .strip_prefix("sha256:")
        .filter(is_hex)
        .ok_or_else(|| Failure::refused(format!("{}: `{}` is no SHA-256", folder.display(), digest.escape_debug())))?;
    let path = folder.join("blobs/sha256").join(sha256);
    let hashed = hash_file(&path, &|_step| {}).map_err(|error| Failure::unreadable(&path, &error))?;
    if hashed.sha256 == sha256 {
        return Ok(sha256.to_owned());
    }
    Err(Failure::refused(format!("{} holds other bytes, sha256:{}", path.display(), hashed.sha256))
        .with_hint("nothing was said: the layout is damaged"))
}

fn json(path: &Path) -> Result<Value, Failure> {
    serde_json::from_slice(&read_bytes(path)?)
        .map_err(|error| Failure::refused(format!("{} is not JSON: {error}", path.display())))
}
