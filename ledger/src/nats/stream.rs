//! The stream that events wait in: made as the settings say, or checked; one that differs is never changed.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    context::GetStreamErrorKind,
    stream::{Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType, Stream},
};

use super::{NatsError, message::EVENT_SUBJECTS};

/// The largest message that the stream takes: the largest event, eight signatures, and headers.
const MAX_MESSAGE_BYTES: i32 = 320 * 1024;

/// What is done where a server may lack the room: then fewer bytes help.
const MAKING: &str = "making the stream, for which --nats-max-bytes are set aside";

/// Error code of a stream that does not exist.
const STREAM_NOT_FOUND: usize = 404;

/// How the stream is made.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct StreamSettings {
    /// Name of the JetStream stream that events wait in; made if it is not there
    #[arg(long = "nats-stream", value_name = "NAME", default_value = "LINEAL", requires = "nats")]
    pub name: String,
    /// On how many servers of a cluster it is kept: 1, 3 or 5
    #[arg(long = "nats-replicas", value_name = "N", default_value_t = 1, requires = "nats")]
    pub replicas: usize,
    /// For how many hours it keeps events, taken in or not
    #[arg(long = "nats-max-age", value_name = "HOURS", default_value_t = 168, requires = "nats")]
    pub max_age_hours: u32,
    /// How many bytes it keeps, taken in or not: the server sets them aside; -1 for as many as come
    #[arg(long = "nats-max-bytes", value_name = "BYTES", default_value_t = 1 << 30, requires = "nats", allow_negative_numbers = true)]
    pub max_bytes: i64,
}

impl StreamSettings {
    /// Old events go when a limit is reached: the outbox of whoever has no receipt brings them back.
    fn config(&self) -> Config {
        Config {
            name: self.name.clone(),
            description: Some("Signed events on their way into a Lineal ledger".to_owned()),
            subjects: vec![EVENT_SUBJECTS.to_owned()],
            storage: StorageType::File,
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            max_age: Duration::from_secs(u64::from(self.max_age_hours) * 3600),
            max_bytes: self.max_bytes,
            max_message_size: MAX_MESSAGE_BYTES,
            num_replicas: self.replicas,
            deny_delete: true,
            deny_purge: true,
            allow_atomic_publish: true,
            ..Config::default()
        }
    }
}

/// The stream, made if it is not there.
pub(super) async fn ensure(jetstream: &Context, settings: &StreamSettings) -> Result<Stream, NatsError> {
    let stream = match jetstream.get_stream(&settings.name).await {
        Ok(stream) => stream,
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(found) if found.code() == STREAM_NOT_FOUND => {
                let made = jetstream.create_stream(settings.config()).await;
                let stream = made.map_err(|error| NatsError::server(MAKING, &error))?;
                tracing::info!(stream = settings.name, "the stream was made");
                stream
            }
            _ => return Err(NatsError::server("looking for the stream", &error)),
        },
    };
    let differences = differences(&stream.cached_info().config, &settings.config());
    if differences.is_empty() {
        return Ok(stream);
    }
    Err(NatsError::StreamDiffers { stream: settings.name.clone(), differences: differences.join("; ") })
}

/// In what matters. How long and how much a stream keeps is its operator's own business.
fn differences(found: &Config, wanted: &Config) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |name: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
        let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
        if found != wanted {
            differences.push(format!("{name} is {found} and must be {wanted}"));
        }
    };
    differ("subjects", &found.subjects, &wanted.subjects);
    differ("storage", &found.storage, &wanted.storage);
    differ("retention", &found.retention, &wanted.retention);
    differ("num_replicas", &found.num_replicas, &wanted.num_replicas);
    differ("deny_delete", &found.deny_delete, &wanted.deny_delete);
    differ("deny_purge", &found.deny_purge, &wanted.deny_purge);
    differ("allow_atomic", &found.allow_atomic_publish, &wanted.allow_atomic_publish);
    differ("no_ack", &found.no_ack, &wanted.no_ack);
    differ("sealed", &found.sealed, &wanted.sealed);
    differ("mirror", &found.mirror.is_some(), &false);
    differ("sources", &found.sources.as_ref().is_some_and(|sources| !sources.is_empty()), &false);
    differ("subject_transform", &found.subject_transform.is_some(), &false);
    differ("a limit of max_msgs_per_subject", &(found.max_messages_per_subject > 0), &false);
    differ("max_msg_size of at least an event", &takes_every_event(found), &true);
    differ("asynchronous persistence", &matches!(found.persist_mode, Some(PersistenceMode::Async)), &false);
    differences
}

fn takes_every_event(found: &Config) -> bool {
    found.max_message_size <= 0 || found.max_message_size >= MAX_MESSAGE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Config);

    fn settings() -> StreamSettings {
        StreamSettings { name: "LINEAL".to_owned(), replicas: 1, max_age_hours: 168, max_bytes: -1 }
    }

    #[test]
    fn limits_are_the_operators_and_everything_else_matters() {
        let wanted = settings().config();
        let mut found = Config { max_age: Duration::from_secs(9), max_bytes: 5, max_messages: 7, ..wanted.clone() };
        assert_eq!(differences(&found, &wanted), Vec::<String>::new());
        found.max_message_size = -1;
        assert_eq!(differences(&found, &wanted), Vec::<String>::new());
        let broken: [(&str, Change); 7] = [
            ("storage", |config| config.storage = StorageType::Memory),
            ("subjects", |config| config.subjects.push("other".to_owned())),
            ("deny_purge", |config| config.deny_purge = false),
            ("allow_atomic", |config| config.allow_atomic_publish = false),
            ("num_replicas", |config| config.num_replicas = 3),
            ("a limit of max_msgs_per_subject", |config| config.max_messages_per_subject = 1),
            ("max_msg_size", |config| config.max_message_size = 1000),
        ];
        for (name, change) in broken {
            let mut found = wanted.clone();
            change(&mut found);
            let said = differences(&found, &wanted);
            assert!(said.len() == 1 && said[0].starts_with(name), "{name}: {said:?}");
        }
    }
}
