//! The connection to the NATS servers: who we say we are, and what is told when it is lost or disturbed.
//!
//! Promises to reconnect for ever once it was connected, or had only the network against it. Wrong credentials and
//! certificates at the start are an error at once. Whoever gives certificates never speaks in the clear.

use std::{error::Error as _, io, path::PathBuf, sync::Arc};

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, rustls};
use tokio::sync::watch;

use super::{NatsError, Status};

/// Replies to the ledger. A producer's begin with `_INBOX_<producer>`, so no producer can listen here.
const INBOX: &str = "_INBOX.lineal";

/// How the ledger reaches NATS.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Connection {
    /// Read events from NATS JetStream and send receipts back: nats://HOST:PORT, or tls://HOST:PORT; several, by comma
    #[arg(long = "nats", value_name = "URL", env = "LINEAL_NATS", value_delimiter = ',')]
    pub nats: Vec<String>,
    /// Monitoring port of the server, http://HOST:PORT, to see whether it syncs before it acknowledges
    #[arg(long, value_name = "URL", requires = "nats")]
    pub nats_monitor: Option<String>,
    /// Credentials file (JWT and seed)
    #[arg(long, value_name = "FILE", requires = "nats", conflicts_with_all = ["nats_nkey", "nats_user"])]
    pub nats_creds: Option<PathBuf>,
    /// File with the seed of an `NKey`
    #[arg(long, value_name = "FILE", requires = "nats", conflicts_with = "nats_user")]
    pub nats_nkey: Option<PathBuf>,
    /// User
    #[arg(long, value_name = "NAME", env = "LINEAL_NATS_USER", requires = "nats_password")]
    pub nats_user: Option<String>,
    /// Password of the user; better given as a variable, where other users of the machine don't see it
    #[arg(long, value_name = "PASSWORD", env = "LINEAL_NATS_PASSWORD", hide_env_values = true, requires = "nats_user")]
    pub nats_password: Option<String>,
    /// Certificates of the authority that the servers' certificates are checked against
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub nats_ca: Option<PathBuf>,
    /// Certificate of this client, for mutual TLS
    #[arg(long, value_name = "FILE", requires = "nats_key")]
    pub nats_cert: Option<PathBuf>,
    /// Private key of that certificate
    #[arg(long, value_name = "FILE", requires = "nats_cert")]
    pub nats_key: Option<PathBuf>,
}

impl Connection {
    /// Connects, or goes on trying in the background where only the network is against it. `disturbed` is told whenever
    /// messages may have been missed.
    pub(super) async fn open(&self, status: &Arc<Status>, disturbed: &watch::Sender<u64>) -> Result<Client, NatsError> {
        match self.options(status, disturbed).await?.connect(&self.nats[..]).await {
            Ok(client) => Ok(client),
            Err(error) if tls_problem(&error).is_some() => Err(self.failed(&error)),
            Err(error)
                if matches!(
                    error.kind(),
                    ConnectErrorKind::Io | ConnectErrorKind::TimedOut | ConnectErrorKind::Dns
                ) =>
            {
                tracing::warn!(%error, servers = self.servers(), "NATS can't be reached: trying on");
                status.server_trouble(format!("{}: {error}", self.servers()));
                let options = self.options(status, disturbed).await?.retry_on_initial_connect();
                options.connect(&self.nats[..]).await.map_err(|error| self.failed(&error))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The servers without what is secret in a URL.
    pub(super) fn servers(&self) -> String {
        let shown = self.nats.iter().map(|url| match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _rest)), Some((_secret, host))) => format!("{scheme}://{host}"),
            _ => url.clone(),
        });
        shown.collect::<Vec<_>>().join(",")
    }

    /// The client does not look for them in the URL.
    fn user_and_password(&self) -> Option<(String, String)> {
        let in_url = || {
            self.nats.iter().find_map(|url| {
                let (secret, _host) = url.split_once("://")?.1.rsplit_once('@')?;
                let (user, password) = secret.split_once(':')?;
                Some((unescaped(user), unescaped(password)))
            })
        };
        self.nats_user.clone().zip(self.nats_password.clone()).or_else(in_url)
    }

    fn failed(&self, error: &ConnectError) -> NatsError {
        let servers = self.servers();
        match (tls_problem(error), &self.nats_nkey) {
            (Some(problem), _) => NatsError::Tls { servers, problem },
            // What it has to sign with is no seed.
            (None, Some(path)) if error.kind() == ConnectErrorKind::Authentication => {
                let error = io::Error::new(io::ErrorKind::InvalidData, "not the seed of an NKey");
                NatsError::File { path: path.clone(), error }
            }
            (None, _) => NatsError::Connect { servers, problem: error.to_string() },
        }
    }

    async fn options(&self, status: &Arc<Status>, disturbed: &watch::Sender<u64>) -> Result<ConnectOptions, NatsError> {
        let (status, disturbed) = (status.clone(), disturbed.clone());
        let mut options =
            ConnectOptions::new().name("lineal").custom_inbox_prefix(INBOX).event_callback(move |event| {
                heard(&event, &status, &disturbed);
                std::future::ready(())
            });
        if let Some(path) = &self.nats_creds {
            options =
                options.credentials_file(path).await.map_err(|error| NatsError::File { path: path.clone(), error })?;
        }
        if let Some(path) = &self.nats_nkey {
            let seed = tokio::fs::read_to_string(path).await;
            let seed = seed.map_err(|error| NatsError::File { path: path.clone(), error })?;
            options = options.nkey(seed.trim().to_owned());
        }
        if let Some((user, password)) = self.user_and_password() {
            options = options.user_and_password(user, password);
        }
        // The client would say of a file that it can't read only that there is one.
        for path in [&self.nats_ca, &self.nats_cert, &self.nats_key].into_iter().flatten() {
            tokio::fs::File::open(path).await.map_err(|error| NatsError::File { path: path.clone(), error })?;
            options = options.require_tls(true);
        }
        if let Some(path) = &self.nats_ca {
            options = options.add_root_certificates(path.clone());
        }
        if let (Some(certificate), Some(key)) = (&self.nats_cert, &self.nats_key) {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        Ok(options)
    }
}

/// What is wrong with TLS, if that is what is wrong: certificates, or a server that has none. The client tells of most of it
/// as of trouble with the network.
fn tls_problem(error: &ConnectError) -> Option<String> {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.and_then(io::Error::get_ref).and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
        Some(problem) => Some(problem.to_string()),
        None => (error.kind() == ConnectErrorKind::Tls).then(|| super::chain(error)),
    }
}

fn heard(event: &Event, status: &Status, disturbed: &watch::Sender<u64>) {
    match event {
        Event::Connected => {
            tracing::info!("connected to NATS");
            status.connected(true);
        }
        Event::Disconnected => {
            tracing::warn!("the connection to NATS is lost: trying on");
            status.connected(false);
        }
        Event::SlowConsumer(_) => {
            tracing::warn!("messages of NATS were dropped before they could be read: reading them again");
        }
        Event::ServerError(error) => {
            tracing::warn!(%error, "the NATS server refuses something");
            status.server_trouble(error.to_string());
            return;
        }
        Event::ClientError(error) => {
            tracing::debug!(%error, "NATS");
            return;
        }
        Event::LameDuckMode | Event::Draining | Event::Closed => {
            tracing::debug!(%event, "NATS");
            return;
        }
    }
    disturbed.send_modify(|count| *count = count.wrapping_add(1));
}

/// A part of a URL, decoded: as a value of a query, in which `+` and `&` stand for themselves here.
fn unescaped(text: &str) -> String {
    let value = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(value.as_bytes()).map(|(_name, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They were passed on as they stood there, and the client never looked at them.
    #[test]
    fn user_and_password_may_stand_in_the_url_and_are_never_shown() {
        let of = |url: &str| Connection { nats: vec![url.to_owned()], ..Connection::default() };
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(of("nats://led:p%40s+&=s:w@host:4222").user_and_password(), pair("led", "p@s+&=s:w"));
        assert_eq!(of("nats://host:4222").user_and_password(), None);
        assert_eq!(of("nats://led:secret@host:4222").servers(), "nats://host:4222");
        let given = Connection {
            nats_user: Some("a".to_owned()),
            nats_password: Some("b".to_owned()),
            ..of("nats://c:d@host")
        };
        assert_eq!(given.user_and_password(), pair("a", "b"));
    }
}
