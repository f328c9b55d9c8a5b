//! `convert`: an event with detached signatures to a DSSE envelope, and back. The event's bytes stay the same.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use lineal_schemas::dsse::{Signature, Signed, check_list};

use super::{
    console::{self, Failure},
    values::read_bytes,
};

/// Convert between an event with detached signatures and a DSSE envelope.
///
/// An envelope becomes the event's exact bytes, on standard output or in --event FILE, and its signatures, one
/// `<keyid>:<base64>` a line, on standard error or in --signatures FILE. An event and its signatures become an envelope.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit convert event.dsse --event event.json --signatures event.sig && sha256sum event.json
  lineal-emit convert event.json --signatures event.sig > event.dsse")]
pub(crate) struct Arguments {
    /// An envelope, or an event; `-` for standard input.
    file: PathBuf,
    /// Where an envelope's event goes.
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    /// Where an envelope's signatures go, or where an event's signatures are.
    #[arg(long, value_name = "FILE")]
    signatures: Option<PathBuf>,
    /// A signature of the event, `<keyid>:<base64>` as in a `Lineal-Signature` header; repeatable.
    #[arg(long, value_name = "SIGNATURE")]
    signature: Vec<Signature>,
}

pub(crate) fn convert(arguments: &Arguments) -> Result<u8, Failure> {
    let bytes = read_bytes(&arguments.file)?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let has_signatures = arguments.signatures.is_some() || !arguments.signature.is_empty();
    match Signed::from_envelope(line) {
        Ok(signed) => take_apart(arguments, &signed),
        Err(_event) if has_signatures && arguments.event.is_none() && !line.starts_with(b"{\"payload\"") => {
            put_together(arguments, line)
        }
        Err(error) => Err(Failure::refused(format!("no envelope: {error} ({})", error.code()))
            .with_hint("an event needs its signatures: --signatures FILE or --signature KEYID:BASE64")),
    }
}

fn take_apart(arguments: &Arguments, signed: &Signed) -> Result<u8, Failure> {
    match &arguments.event {
        Some(path) => write(path, &signed.event)?,
        None => io::stdout().write_all(&signed.event).map_err(Failure::console)?,
    }
    let lines: String =
        signed.signatures.iter().flat_map(|signature| [signature.to_string(), "\n".to_owned()]).collect();
    match &arguments.signatures {
        Some(path) => write(path, lines.as_bytes())?,
        None => console::status(lines.trim_end()),
    }
    Ok(0)
}

fn put_together(arguments: &Arguments, event: &[u8]) -> Result<u8, Failure> {
    let mut signatures = arguments.signature.clone();
    if let Some(path) = &arguments.signatures {
        let text = fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
        for line in text.lines().filter(|line| !line.is_empty()) {
            signatures.push(line.parse().map_err(|error| Failure::unreadable(path, &error))?);
        }
    }
    signatures.sort_by_key(|signature| signature.keyid);
    check_list(&signatures).map_err(|error| Failure::refused(format!("{error} ({})", error.code())))?;
    console::answer(Signed { event: event.to_vec(), signatures }.to_envelope())?;
    Ok(0)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| Failure::unreadable(path, &error))
}
