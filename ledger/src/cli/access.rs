//! How a command reaches the ledger: the running one over its local socket, else the data directory itself.

use std::{path::PathBuf, sync::Arc};

use lineal_schemas::{digest::EventDigest, dsse::Signed};
use serde::{Deserialize, de::DeserializeOwned};

use super::{Asked, Failure, Place};
use crate::{
    client::Client,
    clock::SystemClock,
    data_dir::{DataDir, DirError},
    ledger::{self, Ledger, LedgerError, Settings, View},
    log::recover::OpenError,
    mirror::Mirror,
    outcome::Answer,
};

/// Events sent to a running ledger at a time.
const PIECE: usize = 1000;

/// The head of a source, as a sender needs it for its next event.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct SourceHead {
    /// The highest number taken; 0 before the first.
    pub(super) sequence: u64,
    /// The digest that the next event calls `previous`.
    pub(super) digest: Option<EventDigest>,
}

impl SourceHead {
    /// As a view's index has it.
    fn of(view: &View, source: &str) -> Result<Self, crate::index::store::StoreError> {
        let tracked = view.index.source(source)?;
        Ok(tracked.map_or_else(Self::default, |tracked| Self {
            sequence: tracked.state.head(),
            digest: tracked.state.head_digest(),
        }))
    }
}

/// A ledger that takes events.
#[derive(Debug)]
pub(super) enum Writing {
    /// Another process has it open.
    Running(Client),
    /// This process has it open.
    Own(Box<Ledger>),
}

impl Writing {
    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        let dir = DataDir::find(&place.dir)?;
        if let Some(client) = Client::connect(&dir.socket()) {
            return Ok(Self::Running(client));
        }
        let settings = Settings { mirror: mirror(), follow: true };
        Ok(Self::Own(Box::new(Ledger::open(&dir, Arc::new(SystemClock::start()), settings)?)))
    }

    /// Sends events in order, and gives an answer for each.
    pub(super) fn submit(&self, events: &[Signed]) -> Result<Vec<Answer>, Failure> {
        match self {
            Self::Own(ledger) => {
                let outcomes = ledger.submit_and_wait(events.to_vec());
                let outcomes: Vec<_> = events.iter().map(|signed| Some(signed.digest())).zip(outcomes).collect();
                Ok(ledger.view.answers(&outcomes))
            }
            Self::Running(client) => {
                let mut answers = Vec::with_capacity(events.len());
                for piece in events.chunks(PIECE) {
                    let lines: String = piece.iter().map(|signed| signed.to_envelope() + "\n").collect();
                    let (_status, body) = client.post("/events", "application/x-ndjson", lines.into_bytes())?;
                    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                        answers.push(parse(line)?);
                    }
                }
                Ok(answers)
            }
        }
    }

    /// The head of a source.
    pub(super) fn source_head(&self, source: &str) -> Result<SourceHead, Failure> {
        match self {
            Self::Own(ledger) => {
                ledger.wait_for_index();
                SourceHead::of(&ledger.view, source).map_err(|error| Failure::new(error.to_string()))
            }
            Self::Running(client) => get_json(client, &format!("/v1/source?name={}", escape(source))),
        }
    }

    /// Lets an own ledger finish.
    pub(super) fn close(self) {
        if let Self::Own(ledger) = self {
            ledger.close();
        }
    }
}

/// A ledger that is asked.
#[derive(Debug)]
pub(super) enum Reading {
    /// Another process has it open.
    Running(Client),
    /// Nobody has it open, or it is a copy.
    View(Box<View>),
}

impl Reading {
    /// The ledger at the address that was given, else the one in the data directory.
    pub(super) fn of(asked: &Asked) -> Result<Self, Failure> {
        match &asked.url {
            Some(url) => Ok(Self::Running(Client::at(url).map_err(|error| Failure::undecided(error.to_string()))?)),
            None => Self::open(&asked.place),
        }
    }

    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        let dir = DataDir::find(&place.dir)?;
        if let Some(client) = Client::connect(&dir.socket()) {
            return Ok(Self::Running(client));
        }
        Ok(Self::View(Box::new(view(&dir)?)))
    }
}

/// A view of a data directory that no process serves: with its index where that can be had, else in memory.
pub(super) fn view(dir: &DataDir) -> Result<View, Failure> {
    let settings = Settings { mirror: None, follow: true };
    match Ledger::open(dir, Arc::new(SystemClock::start()), settings) {
        Ok(ledger) => {
            ledger.wait_for_index();
            let view = ledger.view.clone();
            ledger.close();
            Ok(view)
        }
        // Served by somebody since, not ours to write, or no room on the disk: it can be read all the same.
        Err(
            LedgerError::Dir(DirError::InUse(_) | DirError::Io { .. })
            | LedgerError::Open(OpenError::Io { .. })
            | LedgerError::Index(_)
            | LedgerError::Io(_),
        ) => Ok(ledger::read_only(dir)?),
        Err(other) => Err(other.into()),
    }
}

/// Asks a running ledger for a document.
pub(super) fn get_json<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, Failure> {
    let (status, body) = client.get(path).map_err(|error| Failure::undecided(error.to_string()))?;
    if status == 200 {
        return parse(&body);
    }
    let text = String::from_utf8_lossy(&body).trim().to_owned();
    Err(Failure::undecided(text))
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::new(format!("an answer that can't be read: {error}")))
}

/// Percent-encodes a query value (RFC 3986 section 2.1).
pub(super) fn escape(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Where heads are mirrored: `LINEAL_MIRROR`, or the user's state folder; `off` for nowhere.
pub(super) fn mirror() -> Option<Mirror> {
    let named = std::env::var_os("LINEAL_MIRROR").map(PathBuf::from);
    if named.as_deref().is_some_and(|path| path.as_os_str() == "off") {
        return None;
    }
    let state = || {
        let xdg = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        xdg.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))
            .map(|state| state.join("lineal/heads"))
    };
    named.or_else(state).map(|folder| Mirror::new(&folder))
}
