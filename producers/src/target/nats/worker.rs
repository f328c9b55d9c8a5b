//! The thread's loop: commands over one connection, which is made again when it was refused, or lost with nothing under way.

use std::sync::{Arc, mpsc};

use async_nats::connection::State;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{NatsError, NatsSettings, Outgoing, attachments, link::Link, sends::Sends};
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
    sends: Sends,
}

impl Worker {
    pub(super) fn new(settings: Arc<NatsSettings>) -> Self {
        Self { settings, link: None, sends: Sends::default() }
    }

    /// Works until nobody can send commands any more. Whoever has gone without waiting needs no reply.
    pub(super) async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        loop {
            let command = match &mut self.link {
                None => commands.recv().await,
                Some(link) => tokio::select! {
                    command = commands.recv() => command,
                    went_on = self.sends.go_on(link) => {
                        if went_on.is_err() {
                            // They may be other permissions when it is made anew.
                            self.link = None;
                        }
                        continue;
                    }
                },
            };
            match command {
                Some(command) => self.take(command).await,
                None => return,
            }
        }
    }

    async fn take(&mut self, command: Command) {
        // One that was lost is made anew, which says at once why it can't be; the old one would only be slow. Where
        // something is under way it is the old one that goes on.
        let is_lost = |link: &Link| link.client.connection_state() != State::Connected;
        if self.sends.is_idle() && self.link.as_ref().is_none_or(is_lost) {
            self.link = None;
            match Link::open(&self.settings).await {
                Ok(link) => self.link = Some(link),
                Err(error) => return refuse(command, error),
            }
        }
        let Some(link) = &mut self.link else { return refuse(command, NatsError::Gone) };
        match command {
            Command::Send { events, reply } => self.sends.add(events, reply),
            Command::Attach { digest, bytes, reply } => {
                let taken = attachments::attach(link, &digest, &bytes).await;
                if matches!(taken, Err(NatsError::NotPermitted { .. })) && self.sends.is_idle() {
                    self.link = None;
                }
                reply.send(taken).unwrap_or_default();
            }
        }
    }
}

fn refuse(command: Command, error: NatsError) {
    match command {
        Command::Send { reply, .. } => reply.send(Err(error)).unwrap_or_default(),
        Command::Attach { reply, .. } => reply.send(Err(error)).unwrap_or_default(),
    }
}
