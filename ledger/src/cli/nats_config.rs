//! `lineal nats-config`: a server configuration in which each producer may only speak as itself.

use std::{collections::BTreeMap, fs, io, path::PathBuf, process::ExitCode};

use clap::Args;
use nkeys::{KeyPair, KeyPairType};
use rand_core::{OsRng, RngCore as _};

use super::{Failure, Place, note, print};
use crate::{
    clock::{Clock as _, SystemClock},
    data_dir::{self, DataDir},
    ledger,
    nats::config::{ServerConfig, is_hint_name, producers},
};

/// The file of the ledger's own seed, which is no producer's name.
const LEDGER: &str = "_ledger";

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lineal nats-config --dir ledger --seeds nats-seeds > nats.conf\n  nats-server -c nats.conf\n  lineal serve --dir ledger --nats nats://127.0.0.1:4222 --nats-nkey nats-seeds/_ledger.nk\n  lineal-emit flush --to nats://127.0.0.1:4222 --producer ci --nats-nkey nats-seeds/ci.nk\n\nSeeds that are in the folder already are kept, so the command can be run again after each enrolment."
)]
pub(super) struct NatsConfig {
    #[command(flatten)]
    place: Place,
    /// Folder of the users' seeds, `<producer>.nk` and `_ledger.nk`; those that are missing are made
    #[arg(long, value_name = "DIR", default_value = "nats-seeds")]
    seeds: PathBuf,
    /// A user for a GitOps tool, such as `flux.eu-1`: it may publish to `lineal.hints.flux.eu-1`, and nothing else; repeatable
    #[arg(long, value_name = "NAME")]
    hints: Vec<String>,
    /// The producer that `lineal-emit hints` runs as: it hears what these tools publish; repeatable
    #[arg(long, value_name = "PRODUCER")]
    hints_to: Vec<String>,
}

impl NatsConfig {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let view = ledger::read_only(&DataDir::find(&self.place.dir)?)?;
        let registry = view.registry();
        fs::create_dir_all(&self.seeds)?;
        let mut users = BTreeMap::new();
        for producer in producers(&registry, SystemClock::start().wall()) {
            users.insert(producer.to_owned(), self.user(producer)?);
        }
        if users.is_empty() {
            note("hint: no producer is enrolled yet; `lineal enroll` admits one");
        }
        if let Some(unknown) = self.hints_to.iter().find(|producer| !users.contains_key(*producer)) {
            let failure = Failure::new(format!("no producer `{unknown}` is enrolled"));
            return Err(failure.hint("`lineal keys` lists them; --hints-to names one"));
        }
        let mut hints = BTreeMap::new();
        for name in &self.hints {
            if !is_hint_name(name) {
                let failure = Failure::new(format!("`{name}` can be no part of a subject"));
                return Err(failure.hint("a name is of a-z, 0-9 and `-`, with dots between, like `flux.eu-1`"));
            }
            hints.insert(name.clone(), self.user(&format!("_hints.{name}"))?);
        }
        let ledger = self.user(LEDGER)?;
        let origin = registry.origin();
        let (producers, hints_to) = (&users, &self.hints_to[..]);
        print(&ServerConfig { origin, ledger: &ledger, producers, hints: &hints, hints_to }.to_text())?;
        Ok(ExitCode::SUCCESS)
    }

    /// The public `NKey` of a user, whose seed is made if it is not there.
    fn user(&self, name: &str) -> Result<String, Failure> {
        let path = self.seeds.join(format!("{name}.nk"));
        let pair = match fs::read_to_string(&path) {
            Ok(seed) => {
                let pair = KeyPair::from_seed(seed.trim());
                pair.map_err(|error| Failure::new(format!("{}: no seed of an NKey: {error}", path.display())))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut random = [0; 32];
                OsRng.fill_bytes(&mut random);
                let unusable = |error: nkeys::error::Error| Failure::new(format!("making an NKey: {error}"));
                let pair = KeyPair::new_from_raw(KeyPairType::User, random).map_err(unusable)?;
                data_dir::write_private(&path, &(pair.seed().map_err(unusable)? + "\n"))?;
                note(&format!("made the seed {}", path.display()));
                pair
            }
            Err(error) => return Err(error.into()),
        };
        Ok(pair.public_key())
    }
}
