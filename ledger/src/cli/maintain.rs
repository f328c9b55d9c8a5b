//! `lineal export`, `rebuild`, `clock`: what an operator does now and then.

use std::{fs, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Failure, Place,
    access::{self, Reading},
    print, print_json,
};
use crate::{
    client::Client,
    clock::SystemClock,
    data_dir::DataDir,
    export,
    ledger::{self, Ledger, Settings},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lineal export --dir ledger --tiles public/\n\nThe folder can be served by any static server; running the command again brings it up to date."
)]
pub(super) struct Export {
    #[command(flatten)]
    place: Place,
    /// The folder to write C2SP tlog-tiles to
    #[arg(long, value_name = "DIR")]
    tiles: PathBuf,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        // A writer only appends, so a record that is being written can be read beside it.
        let view = ledger::read_only(&DataDir::find(&self.place.dir)?)?;
        let exported = export::tiles(&view.record, &self.tiles).map_err(|error| Failure::new(error.to_string()))?;
        if self.place.json {
            print_json(&json!({"size": exported, "tiles": self.tiles}))?;
        } else {
            print(&format!("exported {exported} entries to {}", self.tiles.display()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lineal rebuild --dir ledger\n\nThe record itself is only read. The ledger must not be running."
)]
pub(super) struct Rebuild {
    #[command(flatten)]
    place: Place,
}

impl Rebuild {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let dir = DataDir::find(&self.place.dir)?;
        // Held while files are removed; opened again below.
        drop(dir.lock()?);
        match fs::remove_dir_all(dir.root().join("derived")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let settings = Settings { mirror: None, follow: true };
        let ledger = Ledger::open(&dir, Arc::new(SystemClock::start()), settings)?;
        ledger.wait_for_index();
        // What is not synced yet does not count on disk.
        ledger.view.index.flush().map_err(|error| Failure::new(error.to_string()))?;
        let (size, bytes) = (ledger.view.record.size(), ledger.view.index.bytes());
        ledger.close();
        if self.place.json {
            print_json(&json!({"size": size, "indexBytes": bytes}))?;
        } else {
            print(&format!("made the index again: {size} entries, {bytes} bytes"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum ClockCommand {
    /// Take the clock as it is now, and go on taking in events
    Accept(Accept),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lineal clock accept --dir ledger\n\nA jump of the clock by over 60 s stops intake of a running ledger: a wrong time could expire keys for good. Check the time first."
)]
pub(super) struct Accept {
    #[command(flatten)]
    place: Place,
}

impl ClockCommand {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self::Accept(Accept { place }) = self;
        let dir = DataDir::find(&place.dir)?;
        let Some(client) = Client::connect(&dir.socket()) else {
            return Err(
                Failure::new("no ledger is running here").hint("start it with `lineal serve`, then accept its clock")
            );
        };
        let (status, body) = client.post("/admin/clock/accept", "text/plain", Vec::new())?;
        if status != 200 && status != 204 {
            return Err(Failure::new(String::from_utf8_lossy(&body).into_owned()));
        }
        if place.json {
            print_json(&json!({"accepted": true}))?;
        } else {
            print("accepted: intake goes on")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Reading {
    /// The view, where no process serves; a running ledger is read beside its writer.
    pub(super) fn into_view(self, place: &Place) -> Result<ledger::View, Failure> {
        match self {
            Self::View(view) => Ok(*view),
            Self::Running(_client) => Ok(ledger::read_only(&DataDir::find(&place.dir)?)?),
        }
    }
}

/// A view for commands that read all of the record.
pub(super) fn whole_view(place: &Place) -> Result<ledger::View, Failure> {
    match Reading::open(place)? {
        reading @ Reading::Running(_) => reading.into_view(place),
        Reading::View(_) => access::view(&DataDir::find(&place.dir)?),
    }
}
