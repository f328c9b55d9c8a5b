//! `hints`: what Flux and Argo CD notify of becomes `deployment.requested`, signed by whoever runs this.
//!
//! Their feeds lose messages and are nobody's proof: what runs is for `observe`. Promises that each event carries the
//! digest of the message that it was made of, with the message itself as an attachment, and that a message that can't be
//! read is counted and said, and stops nothing.

use std::collections::BTreeSet;

use clap::Args;
use lineal_producers::{
    Draft, EmitError, Emitter,
    delivery::Sent,
    object::Object,
    outbox::Attachment,
    target::{Heard as Message, Listener, servers},
};
use lineal_schemas::{digest::sha256, vocabulary::names::EnvironmentName};
use lineal_workload::{
    hint::{self, Heard, Hint},
    naming::Naming,
};

use super::{
    console::{self, Failure, shown},
    send::emit,
    session::{Answer, Session, report},
    values::read_bytes,
};

/// The subjects that the shipped NATS configuration has for it.
const SUBJECT: &str = "lineal.hints.>";

/// Messages that are remembered, so that one that comes twice is one.
const REMEMBERED: usize = 10_000;

/// Take what GitOps tools notify of for what was asked for: a hint, where nobody says it better.
///
/// A message that was applied and names what is to serve becomes `deployment.requested`. Whatever else arrives is counted
/// and said on standard error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit hints --nats nats://127.0.0.1:4222 --nats-nkey gitops.nk --environment environment/eu-1/prod
  kubectl logs deploy/webhook-printer | lineal-emit hints --stdin --environment environment/eu-1/prod --map argocd/fraud=payments/fraud")]
pub(crate) struct Arguments {
    /// Listen at a NATS server, as the user of the options --nats-…, until stopped.
    #[arg(long, value_name = "URL", required_unless_present = "stdin")]
    nats: Option<String>,
    /// To which subject; repeatable.
    #[arg(long = "subject", value_name = "SUBJECT", default_value = SUBJECT)]
    subjects: Vec<String>,
    /// Read messages from standard input, one a line.
    #[arg(long, conflicts_with = "nats")]
    stdin: bool,
    /// Where services are whose messages do not say it, `environment/<cluster>/<environment>`.
    #[arg(long, env = "LINEAL_ENVIRONMENT", value_name = "NAME")]
    environment: EnvironmentName,
    /// What services are called: NAMESPACE=OWNER, or NAMESPACE/NAME=OWNER/NAME of the object that is notified of; repeatable.
    #[arg(long = "map", value_name = "FROM=TO")]
    mapped: Vec<String>,
}

pub(crate) fn hints(session: &Session<'_>, arguments: &Arguments) -> Result<u8, Failure> {
    let naming = Naming::new(Vec::new(), &arguments.mapped).map_err(Failure::usage)?;
    let mut hearing = Hearing { session, environment: &arguments.environment, naming, counts: Counts::default() };
    match &arguments.nats {
        Some(url) => {
            let listener = listen(session, url, &arguments.subjects)?;
            hearing.listen(&listener, session.emitter()?)
        }
        None => hearing.read(&read_bytes("-".as_ref())?),
    }
}

fn listen(session: &Session<'_>, url: &str, subjects: &[String]) -> Result<Listener, Failure> {
    let mut settings = session.nats()?;
    settings.servers = servers(url);
    let listener = Listener::open(settings, subjects.to_vec()).map_err(|error| {
        Failure::usage(error.to_string())
            .with_hint("`lineal nats-config --hints-to PRODUCER` lets a producer's user listen to hints")
    })?;
    console::status(format!("listening to {}; a signal ends it", subjects.join(", ")));
    Ok(listener)
}

/// What came of the messages.
#[derive(Debug, Default)]
struct Counts {
    messages: u64,
    asked: u64,
    nothing: u64,
    malformed: u64,
    again: u64,
    seen: BTreeSet<[u8; 32]>,
}

struct Hearing<'a> {
    session: &'a Session<'a>,
    environment: &'a EnvironmentName,
    naming: Naming,
    counts: Counts,
}

impl Hearing<'_> {
    /// Messages of a file, one a line.
    fn read(&mut self, text: &[u8]) -> Result<u8, Failure> {
        let lines = (1_usize..).zip(text.split(|byte| *byte == b'\n'));
        let lines = lines.filter(|(_number, line)| !line.trim_ascii().is_empty());
        let drafts: Vec<Draft> =
            lines.filter_map(|(number, line)| self.draft(line.trim_ascii(), &format!("line {number}"))).collect();
        let (source, events) = emit(self.session, drafts)?;
        self.session.print(Some(self.answer()), &events, &source)
    }

    /// Messages as they come.
    fn listen(&mut self, listener: &Listener, mut emitter: Emitter) -> Result<u8, Failure> {
        loop {
            let message = listener.hear().map_err(|error| Failure::usage(error.to_string()))?;
            let Message { subject, payload } = message;
            let Some(draft) = self.draft(&payload, &subject) else {
                console::status(self.answer().line);
                continue;
            };
            let name = draft.name.clone();
            match emitter.emit(draft) {
                Ok(sent) => self.said(name, sent),
                Err(EmitError::Check(error)) => {
                    self.counts.asked -= 1;
                    self.malformed(&subject, &payload, &format!("{error} ({})", error.code()));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn said(&self, name: String, sent: Sent) {
        // A refusal is said, and the next message may fare better.
        report(&[(name, sent)]);
        console::status(self.answer().line);
    }

    /// The event that a message comes to.
    fn draft(&mut self, message: &[u8], from: &str) -> Option<Draft> {
        self.counts.messages += 1;
        let digest = sha256(message);
        if self.counts.seen.len() >= REMEMBERED {
            self.counts.seen.clear();
        }
        if !self.counts.seen.insert(digest) {
            self.counts.again += 1;
            return None;
        }
        match hint::read(message, self.environment, &self.naming) {
            Ok(Heard::Asked(hint)) => {
                self.counts.asked += 1;
                Some(self.requested(*hint, message))
            }
            Ok(Heard::Nothing(why)) => {
                self.counts.nothing += 1;
                console::status(format!("{from}: asks for nothing: {why}"));
                None
            }
            Err(error) => {
                self.malformed(from, message, &format!("{error} ({})", error.code()));
                None
            }
        }
    }

    fn malformed(&mut self, from: &str, message: &[u8], problem: &str) {
        self.counts.malformed += 1;
        let digest = hex::encode(sha256(message));
        console::status(format!("warning: {from}: message sha256:{digest} is passed over: {}", shown(problem)));
    }

    fn requested(&self, hint: Hint, message: &[u8]) -> Draft {
        let payload = Object::new()
            .with("service", &hint.service)
            .with("servingSet", [&hint.set])
            .with("door", hint.door)
            .with_some("changeRef", hint.change_ref);
        let original = Attachment {
            role: "original".to_owned(),
            media_type: "application/json".to_owned(),
            bytes: message.to_vec(),
        };
        let draft = self.session.draft("deployment.requested", hint.service.as_str(), payload, vec![original]);
        Draft { time: hint.time.map(|time| time.to_string()), ..draft }
    }

    fn answer(&self) -> Answer {
        let Counts { messages, asked, nothing, malformed, again, seen: _ } = &self.counts;
        let counted = super::inventory::counted(usize::try_from(*messages).unwrap_or(usize::MAX), "message");
        let line =
            format!("{counted}: {asked} requested, {nothing} asked for nothing, {malformed} malformed, {again} again");
        let object = Object::new()
            .with("messages", messages)
            .with("requested", asked)
            .with("nothing", nothing)
            .with("malformed", malformed)
            .with("again", again);
        Answer { line, object }
    }
}
