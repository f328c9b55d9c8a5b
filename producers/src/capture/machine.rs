//! The machine of a run: accelerators in the vocabulary's words, processor and memory as annotations.

use std::{ffi::OsStr, fs, path::Path};

use lineal_schemas::vocabulary::names::Name;

use super::output_of;
use crate::object::Object;

/// The `hardware` of a run's events: what `nvidia-smi` says, where there is one.
pub fn hardware() -> Object {
    let query = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
    let Some(list) = output_of(OsStr::new("nvidia-smi"), &query, Path::new("/")) else { return Object::new() };
    accelerators(&list)
}

/// One line an accelerator, `<name>, <driver>`.
fn accelerators(list: &str) -> Object {
    let Some((name, driver)) = list.lines().next().and_then(|line| line.split_once(',')) else { return Object::new() };
    Object::new()
        .with_some("accelerator", name.trim().parse::<Name>().ok())
        .with("count", list.lines().count())
        .with_some("driver", driver.trim().parse::<Name>().ok())
}

/// Processor, cores and memory, for `annotations`.
pub fn machine() -> Object {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kib: Option<u64> = field(&memory, "MemTotal").and_then(|value| value.split(' ').next()?.parse().ok());
    Object::new()
        .with_some("cpu", field(&cpu, "model name"))
        .with_some("cores", std::thread::available_parallelism().ok())
        .with_some("memoryBytes", memory_kib.map(|kib| kib * 1024))
        .with("architecture", std::env::consts::ARCH)
}

/// Kernel and release: numerical libraries behave by them.
pub(super) fn system() -> Option<Name> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    match release {
        Some(release) => format!("linux {}", release.trim()).parse().ok(),
        None => std::env::consts::OS.parse().ok(),
    }
}

/// The image of the container that we are in, where the container engine left its id (podman does).
pub(super) fn image() -> Option<Object> {
    let left = fs::read_to_string("/run/.containerenv").ok()?;
    let quoted = |name: &str| {
        let line = left.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        line.trim_matches('"').parse::<Name>().ok()
    };
    let digest = Object::new().with("imageId", quoted("imageid")?);
    Some(Object::new().with_some("name", quoted("image")).with("digest", digest))
}

/// The first `name : value` of a file in `/proc`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accelerators_are_counted() {
        let object = accelerators("NVIDIA H100 80GB HBM3, 550.54.15\nNVIDIA H100 80GB HBM3, 550.54.15\n");
        assert_eq!(object.to_json(), r#"{"accelerator":"NVIDIA H100 80GB HBM3","count":2,"driver":"550.54.15"}"#);
        assert!(accelerators("").is_empty());
    }
}
