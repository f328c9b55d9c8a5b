//! The connection to NATS: who we say we are, the subscription to our answers, and what the server refuses.
//!
//! The client reports a denied subject only to a callback, while whoever published waits for an acknowledgement that
//! never comes: [`Link::unless_denied`] brings the two together.

use std::{error::Error as _, io, time::Duration};

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerError, Subscriber, rustls};
use tokio::sync::watch;

use super::{NatsError, NatsSettings};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the server may take to acknowledge a message.
pub(super) const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers that may lie unread; more than are ever on their way. What is dropped is asked for.
const UNREAD_ANSWERS: usize = 65_536;
const _: () = assert!(UNREAD_ANSWERS > super::MAX_EVENTS, "no answer is dropped while others are read");

/// An open connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) producer: String,
    pub(super) client: Client,
    /// Answers to this producer, of this process and of others.
    pub(super) answers: Subscriber,
    /// The subject that the server refused first.
    denied: watch::Receiver<Option<String>>,
}

impl Link {
    pub(super) async fn open(settings: &NatsSettings) -> Result<Self, NatsError> {
        let (sender, denied) = watch::channel(None);
        let failed = |problem: String| NatsError::Unreachable { servers: settings.shown_servers(), problem };
        let options = options(settings).await?.event_callback(move |event| {
            if let Event::ServerError(ServerError::Other(text)) = event
                && let Some(subject) = denied_subject(&text)
            {
                // The first is our own: those after it may be inboxes, whose names say nothing to anybody.
                sender.send_if_modified(|first| first.is_none() && first.replace(subject).is_none());
            }
            std::future::ready(())
        });
        let client = options.connect(&settings.servers[..]).await.map_err(|error| match &settings.nkey {
            // What it has to sign with is no seed.
            Some(path) if error.kind() == ConnectErrorKind::Authentication => {
                let source = io::Error::new(io::ErrorKind::InvalidData, "not the seed of an NKey");
                NatsError::File { path: path.clone(), source }
            }
            _ => failed(said(&error)),
        })?;
        let subject = format!("lineal.receipts.{}.*", settings.producer);
        let answers = client.subscribe(subject).await.map_err(|error| failed(error.to_string()))?;
        Ok(Self { producer: settings.producer.clone(), client, answers, denied })
    }

    /// A watch on what is denied from now on, and on what was denied when the connection was made.
    pub(super) fn denials(&self) -> Denials {
        Denials { producer: self.producer.clone(), denied: self.denied.clone() }
    }
}

/// What the server refuses.
#[derive(Debug, Clone)]
pub(super) struct Denials {
    producer: String,
    denied: watch::Receiver<Option<String>>,
}

impl Denials {
    /// Does the work, unless the server denies a subject meanwhile.
    pub(super) async fn unless_denied<T>(&mut self, work: impl Future<Output = T>) -> Result<T, NatsError> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            denied = self.denied() => Err(denied),
        }
    }

    /// Waits for a denial.
    pub(super) async fn denied(&mut self) -> NatsError {
        let subject = match self.denied.wait_for(Option::is_some).await {
            Ok(subject) => subject.clone().unwrap_or_default(),
            Err(_closed) => std::future::pending().await,
        };
        NatsError::NotPermitted { producer: self.producer.clone(), subject }
    }
}

pub(super) async fn options(settings: &NatsSettings) -> Result<ConnectOptions, NatsError> {
    let mut options = ConnectOptions::new()
        .name("lineal-emit")
        .custom_inbox_prefix(format!("_INBOX_{}", settings.producer))
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(ACK_TIMEOUT))
        .subscription_capacity(UNREAD_ANSWERS);
    if let Some(path) = &settings.credentials {
        let read = options.credentials_file(path).await;
        options = read.map_err(|source| NatsError::File { path: path.clone(), source })?;
    }
    if let Some(path) = &settings.nkey {
        let seed = std::fs::read_to_string(path);
        let seed = seed.map_err(|source| NatsError::File { path: path.clone(), source })?;
        options = options.nkey(seed.trim().to_owned());
    }
    if let Some((user, password)) = settings.user_and_password() {
        options = options.user_and_password(user, password);
    }
    let certificate = settings.certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
    for path in settings.ca.iter().chain(certificate) {
        // The client would say of a file that it can't read only that there is one. Whoever gives certificates never speaks
        // in the clear.
        std::fs::File::open(path).map_err(|source| NatsError::File { path: path.clone(), source })?;
        options = options.require_tls(true);
    }
    if let Some(path) = &settings.ca {
        options = options.add_root_certificates(path.clone());
    }
    if let Some((certificate, key)) = &settings.certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

/// What went wrong; of TLS, which the client tells as trouble with the network, in its own words.
pub(super) fn said(error: &ConnectError) -> String {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let tls = cause.and_then(io::Error::get_ref).and_then(|cause| cause.downcast_ref::<rustls::Error>());
    tls.map_or_else(|| error.to_string(), |problem| format!("TLS: {problem}"))
}

/// `Permissions Violation for Publish to "<subject>"`, or `… for Subscription to "<subject>"`.
pub(super) fn denied_subject(text: &str) -> Option<String> {
    if !text.to_ascii_lowercase().contains("permissions violation") {
        return None;
    }
    let (_before, quoted) = text.split_once('"')?;
    Some(quoted.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_subject_is_read_out_of_the_servers_words() {
        for (text, subject) in [
            ("Permissions Violation for Publish to \"lineal.events.ci.x\"", Some("lineal.events.ci.x")),
            ("permissions violation for subscription to \"lineal.receipts.ci.*\"", Some("lineal.receipts.ci.*")),
            ("Permissions Violation for Subscription to \"a\" using queue \"b\"", Some("a")),
            ("stale connection", None),
            ("Permissions Violation", None),
        ] {
            assert_eq!(denied_subject(text).as_deref(), subject);
        }
    }
}
