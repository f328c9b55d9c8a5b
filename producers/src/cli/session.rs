//! One invocation: its settings, the emitter that they make, and the report on what it sent.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use lineal_producers::{
    Draft, Emitter, Settings,
    capture::origin,
    delivery::{Courier, Delivery, Sent, chain},
    object::Object,
    outbox::{Attachment, Outbox},
    target::{NatsError, NatsSettings, Target, TargetError},
};
use lineal_schemas::{key::SecretKey, trust::Trust};

use super::{
    console::{self, Failure},
    options::{Options, SettingsFile},
};

/// What a command works with.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) options: Options,
    pub(crate) variables: &'a BTreeMap<String, String>,
}

/// What a command's answer says beside its events.
pub(crate) struct Answer {
    /// First line of the answer in words.
    pub(crate) line: String,
    /// Members of the answer in JSON.
    pub(crate) object: Object,
}

impl Session<'_> {
    /// The emitter of this invocation: a source of its own, unless asked otherwise.
    pub(crate) fn emitter(&self) -> Result<Emitter, Failure> {
        Ok(Emitter::open(self.settings()?)?)
    }

    /// What is wrong with the settings comes out before anything is hashed or run.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let file = settings_file()?;
        let base = self.options.source_base(&file)?;
        let job = || format!("{}/jobs/{}", base.trim_end_matches('/'), uuid::Uuid::now_v7());
        Ok(Settings {
            key: read_key(&self.options.key_path(&file)?)?,
            trust: read_trust(&self.options.trust_path(&file)?)?,
            source: if self.options.fixed_source { base.clone() } else { job() },
            target: self.target(&file)?,
            outbox: self.options.outbox_path(&file, self.variables),
        })
    }

    /// What carries events that are signed already.
    pub(crate) fn courier(&self) -> Result<Courier, Failure> {
        let file = settings_file()?;
        let trust = read_trust(&self.options.trust_path(&file)?)?;
        Ok(Courier { outbox: self.outbox()?, target: self.target(&file)?, trust })
    }

    /// How NATS is reached, without the servers.
    pub(crate) fn nats(&self) -> Result<NatsSettings, Failure> {
        self.options.nats(&settings_file()?)
    }

    pub(crate) fn outbox(&self) -> Result<Outbox, Failure> {
        Ok(Outbox::open(&self.options.outbox_path(&settings_file()?, self.variables))?)
    }

    /// A draft with the members that every event may have.
    pub(crate) fn draft(&self, name: &str, subject: &str, data: Object, attachments: Vec<Attachment>) -> Draft {
        let get = |name: &str| self.variables.get(name).cloned();
        let references: Vec<Object> = attachments.iter().map(reference).collect();
        let data = data
            .with("origin", origin(&get))
            .with_some("actor", self.options.actor.as_ref())
            .with_list("attachments", &references);
        let draft = Draft::new(name, subject, data.to_json()).with_attachments(attachments);
        Draft { time: self.options.time.clone(), ..draft }
    }

    /// Closes the source with the invocation's last event, if it is the invocation's own.
    pub(crate) fn last(&self, draft: Draft) -> Draft {
        if self.options.fixed_source { draft } else { draft.closing() }
    }

    /// Emits the one event of a command, prints the answer, and gives the exit code.
    pub(crate) fn emit_one(&self, draft: Draft, answer: Option<Answer>) -> Result<u8, Failure> {
        let mut emitter = self.emitter()?;
        let name = draft.name.clone();
        let sent = emitter.emit(self.last(draft))?;
        self.print(answer, &[(name, sent)], emitter.source())
    }

    /// Prints the answer on standard output and the fate of each event on standard error.
    pub(crate) fn print(&self, answer: Option<Answer>, events: &[(String, Sent)], source: &str) -> Result<u8, Failure> {
        let answer = answer.unwrap_or_else(|| Answer {
            line: events.last().map(|(_, sent)| format!("event {}", sent.event)).unwrap_or_default(),
            object: Object::new(),
        });
        if self.options.json {
            let events: Vec<Object> = events.iter().map(|(name, sent)| event_object(name, sent)).collect();
            console::answer(answer.object.with("source", source).with("events", events).to_json())?;
        } else {
            console::answer(answer.line)?;
        }
        Ok(report(events))
    }

    /// The answer of a command that wraps another one: standard output is that one's, so it gets JSON only.
    pub(crate) fn print_after(&self, answer: Answer, events: &[(String, Sent)], source: &str) -> Result<(), Failure> {
        if !self.options.json {
            console::status(answer.line);
            return Ok(());
        }
        let events: Vec<Object> = events.iter().map(|(name, sent)| event_object(name, sent)).collect();
        console::answer(answer.object.with("source", source).with("events", events).to_json())
    }

    fn target(&self, file: &SettingsFile) -> Result<Option<Target>, Failure> {
        let Some(text) = self.options.target(file) else { return Ok(None) };
        let target = Target::parse(&text, self.options.nats(file)?);
        target.map(Some).map_err(|error| match &error {
            TargetError::Nats(NatsError::Producer { .. }) => Failure::usage(chain(&error))
                .with_hint("give --producer NAME, or LINEAL_PRODUCER, or `producer = …` in lineal-emit.toml"),
            _ => Failure::usage(chain(&error)),
        })
    }
}

/// Says on standard error what became of each event, and gives the exit code.
pub(crate) fn report(events: &[(String, Sent)]) -> u8 {
    let mut waiting = false;
    for (name, sent) in events {
        console::status(format!("{name} {}: {}", sent.event, fate(&sent.delivery)));
        waiting |= matches!(sent.delivery, Delivery::Pending(_));
    }
    if waiting {
        console::status("hint: `lineal-emit flush` sends what waits in the outbox");
    }
    u8::from(events.iter().any(|(_, sent)| matches!(sent.delivery, Delivery::Refused { .. })))
}

/// What became of an event, in words.
pub(crate) fn fate(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Committed { index } => format!("committed at index {index}, receipt verified"),
        Delivery::HandedOver => "written to the file, which is the outbox now".to_owned(),
        Delivery::Refused { code, message } => format!("refused by the ledger: {code}: {message}"),
        Delivery::Pending(reason) => format!("waits in the outbox: {reason}"),
    }
}

/// What became of an event, as JSON.
pub(crate) fn event_object(name: &str, sent: &Sent) -> Object {
    let event = Object::new().with("type", name).with("event", sent.event).with("sequence", sent.sequence);
    match &sent.delivery {
        Delivery::Committed { index } => event.with("delivery", "committed").with("index", index),
        Delivery::HandedOver => event.with("delivery", "handed-over"),
        Delivery::Refused { code, message } => {
            event.with("delivery", "refused").with("code", code).with("message", message)
        }
        Delivery::Pending(reason) => event.with("delivery", "pending").with("reason", reason),
    }
}

fn settings_file() -> Result<SettingsFile, Failure> {
    let here = std::env::current_dir().map_err(|error| Failure::unreadable(Path::new("."), &error))?;
    SettingsFile::find(&here)
}

fn reference(attachment: &Attachment) -> Object {
    Object::new()
        .with("role", &attachment.role)
        .with("digest", Object::new().with("sha256", attachment.sha256()))
        .with("size", attachment.bytes.len())
        .with("mediaType", &attachment.media_type)
}

fn read_key(path: &PathBuf) -> Result<SecretKey, Failure> {
    let pem = fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    SecretKey::from_pem(&pem).map_err(|error| Failure::unreadable(path, &error))
}

fn read_trust(path: &PathBuf) -> Result<Trust, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    Trust::parse(&text).map_err(|error| Failure::unreadable(path, &error))
}
