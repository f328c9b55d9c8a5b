//! `keygen`: a new Ed25519 key for a producer.

use std::{
    fs::File,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::Args;
use lineal_producers::object::Object;
use lineal_schemas::key::SecretKey;
use rand_core::{OsRng, RngCore};

use super::{
    console::{self, Failure},
    session::Session,
};

/// Make a new Ed25519 key: FILE (private, PKCS#8 PEM) and FILE with the ending `.pub` (public).
///
/// `openssl pkey -in FILE -pubout -outform DER | openssl pkey -pubin -inform DER` reads it, and so does every other tool
/// for PKCS#8. The ledger takes events under it once `lineal enroll` has admitted the public half.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lineal-emit keygen ci.pem\n  openssl pkey -in ci.pem -pubout -outform DER | sha256sum"
)]
pub(crate) struct Arguments {
    /// Where the private key goes; must not exist.
    file: PathBuf,
}

pub(crate) fn keygen(session: &Session<'_>, arguments: &Arguments) -> Result<u8, Failure> {
    let mut seed = [0; 32];
    OsRng.try_fill_bytes(&mut seed).map_err(|error| Failure::usage(format!("no randomness: {error}")))?;
    let key = SecretKey::from_seed(seed).map_err(|error| Failure::usage(error.to_string()))?;
    let public_path = arguments.file.with_extension("pub");
    if public_path == arguments.file {
        return Err(Failure::usage("the private key's name can't end in `.pub`"));
    }
    let pem = key.to_pem().map_err(|error| Failure::usage(error.to_string()))?;
    write_new(&arguments.file, pem.as_bytes(), 0o600)?;
    write_new(&public_path, key.public().to_pem().as_bytes(), 0o644)?;
    if session.options.json {
        let answer = Object::new().with("keyid", key.keyid()).with("publicKey", key.public().to_pem());
        console::answer(answer.with("file", &arguments.file).with("publicFile", &public_path).to_json())?;
    } else {
        console::answer(format!("key {}", key.keyid()))?;
    }
    console::status(format!("private key {}, public key {}", arguments.file.display(), public_path.display()));
    console::status(format!("hint: `lineal enroll` admits {}", public_path.display()));
    Ok(0)
}

/// Never writes over a key: what it signed could not be continued.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|error| Failure::unreadable(path, &error))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| Failure::unreadable(path, &error))
}
