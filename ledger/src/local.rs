//! The local socket, on which the one writer of a data directory answers other commands of the same user.
//!
//! Promises that nobody else can connect at any moment: the socket is made in a folder of its owner's, closed to
//! others, and only then moved into its place, where it takes over from one that a killed process left behind.

use std::{
    fs, io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{DirBuilderExt, PermissionsExt},
            net::UnixStream as StdStream,
        },
    },
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

/// The longest path that a socket's address can hold everywhere, in bytes.
const MAX_PATH_BYTES: usize = 100;

/// Listens at `path`. The caller is the one writer, so whatever stands there is stale.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    let making = path.with_extension("making");
    match fs::remove_dir_all(&making) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::DirBuilder::new().mode(0o700).create(&making)?;
    let made = making.join("sock");
    let listener = with_short_path(&made, UnixListener::bind)?;
    fs::set_permissions(&made, fs::Permissions::from_mode(0o600))?;
    fs::rename(&made, path)?;
    fs::remove_dir(&making)?;
    Ok(listener)
}

/// Connects to whoever listens at `path`.
pub(crate) async fn connect(path: &Path) -> io::Result<UnixStream> {
    // Connecting to a local socket does not wait, so the blocking call is as good, and the folder stays open over it.
    let stream = with_short_path(path, StdStream::connect)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Whether somebody listens at `path`.
pub(crate) fn is_served(path: &Path) -> bool {
    with_short_path(path, StdStream::connect).is_ok()
}

/// Calls `with` with a path that fits into an address: a long one is reached through its open folder (on Linux).
fn with_short_path<T>(path: &Path, with: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if path.as_os_str().len() <= MAX_PATH_BYTES {
        return with(path.to_owned());
    }
    let folder = fs::File::open(folder)?;
    with(PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}
