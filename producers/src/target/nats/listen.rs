//! Listening to subjects that others publish to: core NATS, at most once, nothing acknowledged.
//!
//! What is published while nobody listens is lost, and so is what arrives faster than it is taken. Promises that a server
//! that does not let us listen is an error at once. The connection is made again by itself when it was lost.

use std::{
    sync::mpsc::{Receiver, RecvError, SyncSender, sync_channel},
    time::Duration,
};

use async_nats::{Client, Event, ServerError, Subject, Subscriber};
use futures_util::{StreamExt as _, stream::select_all};
use tokio::sync::watch;

use super::{
    NatsError, NatsSettings,
    link::{denied_subject, options, said},
};

/// Messages that may lie unread.
const UNREAD: usize = 10_000;

/// How long a server has to say that it does not let us listen.
const DENIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// What was published.
#[derive(Debug, Clone)]
pub struct Heard {
    /// To which subject.
    pub subject: String,
    /// The exact bytes.
    pub payload: Vec<u8>,
}

/// Subscriptions, on a thread of their own.
#[derive(Debug)]
pub struct Listener {
    messages: Receiver<Heard>,
}

impl Listener {
    /// Connects and subscribes. When this returns, the server has taken the subscriptions.
    pub fn open(settings: NatsSettings, subjects: Vec<String>) -> Result<Self, NatsError> {
        let servers = settings.shown_servers();
        let failed = move |problem: String| NatsError::Unreachable { servers: servers.clone(), problem };
        let no_thread = |error: std::io::Error| failed(format!("no thread for it: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let (client, subscribers) = runtime.block_on(subscribed(&settings, &subjects))?;
        let (sender, messages) = sync_channel(UNREAD);
        let name = "lineal-listener".to_owned();
        let passing = move || runtime.block_on(pass_on(client, subscribers, sender));
        std::thread::Builder::new().name(name).spawn(passing).map_err(no_thread)?;
        Ok(Self { messages })
    }

    /// Waits for the next message, without end. The error is that the thread is gone, which it never is.
    pub fn hear(&self) -> Result<Heard, NatsError> {
        self.messages.recv().map_err(|RecvError| NatsError::Gone)
    }
}

async fn subscribed(settings: &NatsSettings, subjects: &[String]) -> Result<(Client, Vec<Subscriber>), NatsError> {
    let (denier, mut denied) = watch::channel(None);
    let failed = |problem: String| NatsError::Unreachable { servers: settings.shown_servers(), problem };
    let options = options(settings).await?.name("lineal-emit hints").event_callback(move |event| {
        if let Event::ServerError(ServerError::Other(text)) = event {
            denier.send_if_modified(|first| first.is_none() && first.replace(denied_subject(&text)).is_none());
        }
        std::future::ready(())
    });
    let client = options.connect(&settings.servers[..]).await.map_err(|error| failed(said(&error)))?;
    let mut subscribers = Vec::new();
    for subject in subjects {
        let subscribed = client.subscribe(Subject::from(subject.as_str())).await;
        subscribers.push(subscribed.map_err(|error| failed(error.to_string()))?);
    }
    // What the server says of a subscription comes before its answer to this.
    let flushed = tokio::time::timeout(DENIAL_TIMEOUT, client.flush()).await;
    flushed.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    match tokio::time::timeout(Duration::from_millis(100), denied.wait_for(Option::is_some)).await {
        Ok(Ok(found)) => {
            let subject = found.clone().flatten().unwrap_or_default();
            Err(NatsError::NotPermitted { producer: settings.producer.clone(), subject })
        }
        _ => Ok((client, subscribers)),
    }
}

async fn pass_on(client: Client, subscribers: Vec<Subscriber>, sender: SyncSender<Heard>) {
    let mut messages = select_all(subscribers);
    while let Some(message) = messages.next().await {
        let heard = Heard { subject: message.subject.to_string(), payload: message.payload.to_vec() };
        // Whoever listened has gone.
        if sender.send(heard).is_err() {
            break;
        }
    }
    drop(client);
}
