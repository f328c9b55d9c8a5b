//! What NATS needs to know beside its address: who we are there. Options, then the environment, then `lineal-emit.toml`.

use std::path::{Path, PathBuf};

use clap::Args;
use lineal_producers::target::NatsSettings;
use serde::Deserialize;

use super::console::Failure;

#[derive(Debug, Args)]
pub(crate) struct NatsOptions {
    /// The name that the key was enrolled under, `--producer` of `lineal enroll`: a part of every subject on NATS.
    #[arg(long, global = true, env = "LINEAL_PRODUCER", value_name = "NAME", help_heading = HEADING)]
    producer: Option<String>,
    /// Credentials file: JWT and seed.
    #[arg(long, global = true, env = "LINEAL_NATS_CREDS", value_name = "FILE", help_heading = HEADING)]
    nats_creds: Option<PathBuf>,
    /// File with the seed of an `NKey`. Never the key that signs events.
    #[arg(long, global = true, env = "LINEAL_NATS_NKEY", value_name = "FILE", help_heading = HEADING)]
    nats_nkey: Option<PathBuf>,
    /// User.
    #[arg(long, global = true, env = "LINEAL_NATS_USER", value_name = "NAME", help_heading = HEADING)]
    nats_user: Option<String>,
    /// Password of the user; better given as a variable, where other users of the machine don't see it.
    #[arg(
        long,
        global = true,
        env = "LINEAL_NATS_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD",
        help_heading = HEADING
    )]
    nats_password: Option<String>,
    /// Certificates of the authority that the servers' certificates are checked against.
    #[arg(long, global = true, env = "LINEAL_NATS_CA", value_name = "FILE", help_heading = HEADING)]
    nats_ca: Option<PathBuf>,
    /// Certificate of this client, for mutual TLS.
    #[arg(long, global = true, env = "LINEAL_NATS_CERT", value_name = "FILE", help_heading = HEADING)]
    nats_cert: Option<PathBuf>,
    /// Private key of that certificate.
    #[arg(long, global = true, env = "LINEAL_NATS_KEY", value_name = "FILE", help_heading = HEADING)]
    nats_key: Option<PathBuf>,
}

const HEADING: &str = "NATS";

/// What `lineal-emit.toml` may say about it. No password: files get copied.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct NatsFile {
    creds: Option<PathBuf>,
    nkey: Option<PathBuf>,
    user: Option<String>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl NatsOptions {
    /// Paths in the file are relative to its folder.
    pub(crate) fn settings(
        &self,
        producer: Option<&String>,
        file: &NatsFile,
        folder: &Path,
    ) -> Result<NatsSettings, Failure> {
        let path = |option: &Option<PathBuf>, file: &Option<PathBuf>| {
            option.clone().or_else(|| file.as_ref().map(|path| folder.join(path)))
        };
        let user = both(
            "--nats-user",
            "--nats-password",
            self.nats_user.clone().or_else(|| file.user.clone()),
            self.nats_password.clone(),
        );
        let certificate =
            both("--nats-cert", "--nats-key", path(&self.nats_cert, &file.cert), path(&self.nats_key, &file.key));
        Ok(NatsSettings {
            producer: self.producer.as_ref().or(producer).cloned().unwrap_or_default(),
            servers: Vec::new(),
            credentials: path(&self.nats_creds, &file.creds),
            nkey: path(&self.nats_nkey, &file.nkey),
            user: user?,
            ca: path(&self.nats_ca, &file.ca),
            certificate: certificate?,
        })
    }
}

fn both<T>(one: &str, other: &str, first: Option<T>, second: Option<T>) -> Result<Option<(T, T)>, Failure> {
    match (first, second) {
        (Some(first), Some(second)) => Ok(Some((first, second))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Failure::usage(format!("{one} needs {other}"))),
        (None, Some(_)) => Err(Failure::usage(format!("{other} needs {one}"))),
    }
}
