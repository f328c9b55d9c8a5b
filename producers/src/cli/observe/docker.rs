//! A Docker engine: its containers with their images, from its socket, or as `docker inspect` prints them.
//!
//! Three questions over plain HTTP/1.0, whose answers end with the connection. Never changes anything there.

use std::{
    io::{Read as _, Write as _},
    os::unix::{fs::FileTypeExt as _, net::UnixStream},
    path::Path,
    time::Duration,
};

use lineal_workload::{docker, look::Look, naming::Naming};
use serde_json::Value;

use super::super::{console::Failure, values::read_bytes};

/// Where the engine usually listens.
pub(super) const SOCKET: &str = "/var/run/docker.sock";

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// How long the engine may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What runs there.
pub(super) fn look(place: &Path, naming: &Naming) -> Result<Look, Failure> {
    let is_socket = place.metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    let objects = if is_socket { ask(place)? } else { printed(place)? };
    let mut look = Look { whole: true, ..Look::default() };
    for container in docker::instances(&objects) {
        match container {
            Ok(instance) => look.take(instance, naming),
            Err(error) => look.fails(format!("a container can't be read: {error} ({})", error.code())),
        }
    }
    Ok(look)
}

fn printed(path: &Path) -> Result<Vec<Value>, Failure> {
    let read: Result<Vec<Value>, _> = serde_json::from_slice(&read_bytes(path)?);
    read.map_err(|error| {
        Failure::refused(format!("{} is no list: {error}", path.display()))
            .with_hint("`docker inspect $(docker ps -q) $(docker ps --format '{{.Image}}')` prints one")
    })
}

/// The containers that run, and their images.
fn ask(socket: &Path) -> Result<Vec<Value>, Failure> {
    let (mut objects, mut images) = (Vec::new(), std::collections::BTreeSet::new());
    let list = get(socket, "/containers/json")?;
    let list =
        list.as_array().ok_or_else(|| Failure::refused(format!("{}: no list of containers", socket.display())))?;
    for container in list {
        let id = container.get("Id").and_then(Value::as_str).filter(|id| is_plain(id));
        let id = id.ok_or_else(|| Failure::refused(format!("{}: a container without an id", socket.display())))?;
        // One that has ended in between is not there any more.
        if let Some(container) = find(socket, &format!("/containers/{id}/json"))? {
            images.extend(container.get("Image").and_then(Value::as_str).filter(|id| is_plain(id)).map(str::to_owned));
            objects.push(container);
        }
    }
    for image in images {
        objects.extend(find(socket, &format!("/images/{image}/json"))?);
    }
    Ok(objects)
}

fn is_plain(id: &str) -> bool {
    id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':')
}

fn get(socket: &Path, path: &str) -> Result<Value, Failure> {
    find(socket, path)?.ok_or_else(|| Failure::refused(format!("{}: no {path}", socket.display())))
}

/// An object of the engine; nothing where it is not there.
fn find(socket: &Path, path: &str) -> Result<Option<Value>, Failure> {
    let answer = exchange(socket, path).map_err(|error| Failure::unreadable(socket, &error))?;
    let wrong = |problem: String| Failure::refused(format!("{}{path}: {problem}", socket.display()));
    let at = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or_else(|| wrong("no HTTP".to_owned()))?;
    let (head, body) = answer.split_at(at);
    let head = String::from_utf8_lossy(head);
    match head.split(' ').nth(1) {
        Some("200") => serde_json::from_slice(body).map(Some).map_err(|error| wrong(error.to_string())),
        Some("404") => Ok(None),
        status => Err(wrong(format!("status {}", status.unwrap_or("unknown")))),
    }
}

fn exchange(socket: &Path, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}
