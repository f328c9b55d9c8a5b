//! The thread's loop: one command after the other, over one connection that is made again when it was refused.

use std::sync::{Arc, mpsc};

use async_nats::connection::State;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{NatsError, NatsSettings, Outgoing, answers, attachments, link::Link};
use crate::target::Reply;

/// What the thread is asked to do, and where the result goes.
#[derive(Debug)]
pub(super) enum Command {
    /// Publish events and collect their answers.
    Send { events: Vec<Outgoing>, reply: mpsc::Sender<Result<Vec<Reply>, NatsError>> },
    /// Deliver an attachment.
    Attach { digest: String, bytes: Vec<u8>, reply: mpsc::Sender<Result<(), NatsError>> },
}

#[derive(Debug)]
pub(super) struct Worker {
    settings: Arc<NatsSettings>,
    link: Option<Link>,
}

impl Worker {
    pub(super) const fn new(settings: Arc<NatsSettings>) -> Self {
        Self { settings, link: None }
    }

    /// Works until nobody can send commands any more. Whoever has gone without waiting needs no reply.
    pub(super) async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Send { events, reply } => {
                    let sent = self.send(&events).await;
                    reply.send(sent).unwrap_or_default();
                }
                Command::Attach { digest, bytes, reply } => {
                    let sent = self.attach(&digest, &bytes).await;
                    reply.send(sent).unwrap_or_default();
                }
            }
        }
    }

    async fn send(&mut self, events: &[Outgoing]) -> Result<Vec<Reply>, NatsError> {
        let mut link = self.link().await?;
        let replies = answers::send(&mut link, events).await;
        self.keep(link, replies)
    }

    async fn attach(&mut self, digest: &str, bytes: &[u8]) -> Result<(), NatsError> {
        let mut link = self.link().await?;
        let taken = attachments::attach(&mut link, digest, bytes).await;
        self.keep(link, taken)
    }

    /// The connection. One that was lost is made anew, which says at once why it can't be; the old one would only be slow.
    async fn link(&mut self) -> Result<Link, NatsError> {
        match self.link.take() {
            Some(link) if link.client.connection_state() == State::Connected => Ok(link),
            _lost => Link::open(&self.settings).await,
        }
    }

    /// A connection with too few permissions is made anew: they may be others then.
    fn keep<T>(&mut self, link: Link, done: Result<T, NatsError>) -> Result<T, NatsError> {
        if !matches!(done, Err(NatsError::NotPermitted { .. })) {
            self.link = Some(link);
        }
        done
    }
}
