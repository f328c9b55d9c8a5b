//! The NATS target: events to JetStream, and the ledger's answers back.
//!
//! JetStream carries events and is never the record: its acknowledgement settles nothing, only an answer whose receipt
//! verifies does, in [`crate::delivery`]. Promises that a send ends, half a minute after the last answer at the latest,
//! and that what is sent again is the same bytes. The client needs a runtime, which lives on a thread of its own:
//! everything here blocks, like the rest of this crate. (docs/FORMAT.md, NATS)

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};

use lineal_schemas::{digest::EventDigest, event::Event};

use super::{Sending, TargetError};
use crate::outbox::Pending;

mod answers;
mod attachments;
mod link;
mod listen;
mod publish;
mod sends;
mod worker;

use worker::{Command, Worker};

pub use listen::{Heard, Listener};

/// The most events that are on their way at the same time.
pub(crate) const MAX_EVENTS: usize = 8_000;

/// How NATS is reached, and who we are there.
#[derive(Clone, Default)]
pub struct NatsSettings {
    /// The producer's name, under which its keys are enrolled: a part of every subject.
    pub producer: String,
    /// `nats://HOST:PORT`, or `tls://HOST:PORT`; user and password may stand in it.
    pub servers: Vec<String>,
    /// Credentials file: JWT and seed.
    pub credentials: Option<PathBuf>,
    /// File with the seed of an `NKey`, which is never the key that signs events.
    pub nkey: Option<PathBuf>,
    /// User and password.
    pub user: Option<(String, String)>,
    /// Certificates of the authority that the servers' certificates are checked against.
    pub ca: Option<PathBuf>,
    /// Certificate and private key of this client, for mutual TLS.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// What is secret stays out of it.
impl fmt::Debug for NatsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("NatsSettings");
        shown.field("producer", &self.producer).field("servers", &self.shown_servers()).finish_non_exhaustive()
    }
}

impl NatsSettings {
    /// User and password: as given, or as they stand in a URL, which the client itself does not look at.
    fn user_and_password(&self) -> Option<(String, String)> {
        let in_url = || {
            self.servers.iter().find_map(|url| {
                let (secret, _host) = url.split_once("://")?.1.rsplit_once('@')?;
                let (user, password) = secret.split_once(':')?;
                Some((unescaped(user)?, unescaped(password)?))
            })
        };
        self.user.clone().or_else(in_url)
    }

    /// The servers without what is secret in a URL.
    fn shown_servers(&self) -> String {
        let shown = self.servers.iter().map(|url| match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _rest)), Some((_secret, host))) => format!("{scheme}://{host}"),
            _ => url.clone(),
        });
        shown.collect::<Vec<_>>().join(",")
    }
}

/// Why NATS has not taken events, or gave no answer. The events are still in the outbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// Without it there is no subject to publish to.
    #[error("NATS needs the producer's name, as it was enrolled: 1 to 63 of a-z, 0-9 and `-`, found `{found}`")]
    Producer {
        /// The name as found; empty if there is none.
        found: String,
    },
    /// A file of the settings.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No connection.
    #[error("NATS at {servers} can't be reached: {problem}")]
    Unreachable {
        /// The servers, without secrets.
        servers: String,
        /// What went wrong.
        problem: String,
    },
    /// The server knows us, and does not let us.
    #[error(
        "the NATS server does not let producer `{producer}` use the subject `{subject}`: its user needs the permissions \
         that `lineal nats-config` writes"
    )]
    NotPermitted {
        /// The producer.
        producer: String,
        /// The subject.
        subject: String,
    },
    /// Nobody made the stream.
    #[error("no stream takes `{subject}`: is `lineal serve --nats` running?")]
    NoStream {
        /// The subject.
        subject: String,
    },
    /// The server did not say that it has it.
    #[error("the NATS server did not acknowledge `{subject}`: {problem}")]
    NotAcknowledged {
        /// The subject.
        subject: String,
        /// What went wrong.
        problem: String,
    },
    /// An attachment is not with the ledger yet.
    #[error("attachment {digest} over NATS: {problem}")]
    Attachment {
        /// Its SHA-256.
        digest: String,
        /// What went wrong.
        problem: String,
    },
    /// The thread ended, which it never does.
    #[error("the thread that speaks NATS is gone")]
    Gone,
}

impl NatsError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Producer { .. } => "producer-name",
            Self::File { .. } => "nats-settings",
            Self::Unreachable { .. } => "nats-unreachable",
            Self::NotPermitted { .. } => "nats-not-permitted",
            Self::NoStream { .. } => "nats-no-stream",
            Self::NotAcknowledged { .. } => "nats-not-acknowledged",
            Self::Attachment { .. } => "attachment-not-taken",
            Self::Gone => "nats-gone",
        }
    }
}

/// A ledger reached over NATS. Clones share the connection, which is made by the first send.
#[derive(Debug, Clone)]
pub struct NatsTarget {
    settings: Arc<NatsSettings>,
    thread: Arc<Mutex<Option<Thread>>>,
}

/// An event as it goes out.
#[derive(Debug)]
struct Outgoing {
    event: EventDigest,
    subject: String,
    /// The exact bytes.
    body: Vec<u8>,
    /// Values of the header `Lineal-Signature`.
    signatures: Vec<String>,
}

impl NatsTarget {
    /// Checks the name; connects later.
    pub fn new(settings: NatsSettings) -> Result<Self, NatsError> {
        if !is_producer(&settings.producer) {
            return Err(NatsError::Producer { found: settings.producer });
        }
        Ok(Self { settings: Arc::new(settings), thread: Arc::default() })
    }

    /// Has events published, after those that were before. One reply for each comes later.
    pub(super) fn start(&self, events: &[Pending]) -> Sending {
        let events = events.iter().map(|event| self.outgoing(event)).collect();
        match self.order(|reply| Command::Send { events, reply }) {
            Ok(replies) => Sending::UnderWay(replies),
            Err(error) => Sending::Done(Err(error.into())),
        }
    }

    /// Puts an attachment where the ledger fetches it, and waits until it has.
    pub(super) fn attach(&self, digest: &str, bytes: &[u8]) -> Result<(), TargetError> {
        let (digest, bytes) = (digest.to_owned(), bytes.to_vec());
        let taken = self.order(|reply| Command::Attach { digest, bytes, reply })?;
        Ok(taken.recv().map_err(|_hung_up| NatsError::Gone).flatten()?)
    }

    fn outgoing(&self, pending: &Pending) -> Outgoing {
        // What is no event was never stored; nobody would read the subject of nothing.
        let name = Event::parse(&pending.signed.event).map(|event| event.name().to_owned()).unwrap_or_default();
        Outgoing {
            event: pending.event,
            subject: format!("lineal.events.{}.{name}", self.settings.producer),
            body: pending.signed.event.clone(),
            signatures: pending.signed.signatures.iter().map(ToString::to_string).collect(),
        }
    }

    /// Hands a command to the thread, which bounds how long its result takes.
    fn order<T>(
        &self,
        command: impl FnOnce(mpsc::Sender<Result<T, NatsError>>) -> Command,
    ) -> Result<mpsc::Receiver<Result<T, NatsError>>, NatsError> {
        let (reply, replies) = mpsc::channel();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match thread.take() {
            Some(running) => running,
            None => Thread::start(&self.settings)?,
        };
        thread.insert(running).send(command(reply))?;
        Ok(replies)
    }
}

/// The thread with the runtime. It ends with the last clone of its target.
#[derive(Debug)]
struct Thread {
    commands: Option<tokio::sync::mpsc::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    fn start(settings: &Arc<NatsSettings>) -> Result<Self, NatsError> {
        let failed = |error: io::Error| NatsError::Unreachable {
            servers: settings.shown_servers(),
            problem: format!("no thread for it: {error}"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (commands, arriving) = tokio::sync::mpsc::unbounded_channel();
        let ours = settings.clone();
        let builder = std::thread::Builder::new().name("lineal-nats".to_owned());
        let thread = builder.spawn(move || runtime.block_on(Worker::new(ours).run(arriving))).map_err(failed)?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    fn send(&self, command: Command) -> Result<(), NatsError> {
        let commands = self.commands.as_ref().ok_or(NatsError::Gone)?;
        commands.send(command).map_err(|_hung_up| NatsError::Gone)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            // It panicked: whoever waited for it was told.
            thread.join().unwrap_or_default();
        }
    }
}

/// A part of a URL without its `%XX`.
fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (escaped, rest) = part.split_at_checked(2)?;
        bytes.extend(hex::decode(escaped).ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// A producer's name, which is one token of a subject (docs/EVENTS.md, `key.enrolled`).
fn is_producer(name: &str) -> bool {
    let is_of_a_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(is_of_a_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(producer: &str) -> NatsSettings {
        let servers = vec!["nats://ci:secret@127.0.0.1:1".to_owned(), "tls://b.example:4222".to_owned()];
        NatsSettings { producer: producer.to_owned(), servers, ..NatsSettings::default() }
    }

    #[test]
    fn a_producers_name_is_one_token_of_a_subject() {
        for name in ["", "CI", "a.b", "a*", "a b", &"x".repeat(64)] {
            let error = NatsTarget::new(settings(name)).unwrap_err();
            assert_eq!(error.code(), "producer-name");
        }
        assert!(NatsTarget::new(settings("ci-1")).is_ok());
    }

    #[test]
    fn user_and_password_may_stand_in_the_url() {
        let of = |url: &str, user: Option<(&str, &str)>| {
            let user = user.map(|(user, password)| (user.to_owned(), password.to_owned()));
            NatsSettings { servers: vec![url.to_owned()], user, ..settings("ci") }.user_and_password()
        };
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(of("nats://ci:p%40ss:w@host:4222", None), pair("ci", "p@ss:w"));
        assert_eq!(of("nats://ci:one@host", Some(("other", "two"))), pair("other", "two"));
        for url in ["nats://host:4222", "nats://ci@host", "nats://ci:%4@host", "nats://ci:%ff@host"] {
            assert_eq!(of(url, None), None, "{url}");
        }
    }

    #[test]
    fn a_server_that_is_away_is_named_without_its_password() {
        let target = NatsTarget::new(NatsSettings { servers: settings("ci").servers[..1].to_vec(), ..settings("ci") });
        let error = target.unwrap().start(&[]).wait().unwrap_err();
        assert_eq!(error.code(), "nats-unreachable");
        let said = format!("{error} {error:?} {:?}", settings("ci"));
        assert!(said.contains("nats://127.0.0.1:1") && !said.contains("secret"), "{said}");
    }
}
