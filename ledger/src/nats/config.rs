//! The permissions that ship: a server configuration with one user for each producer, and the ledger's.
//!
//! The first line of defence, never the last: who said what is proved by signatures. Promises that a producer may publish
//! to its own subjects alone, and hears its own answers alone. The users' `NKey`s are never the keys that sign events: a
//! server asks a client to sign whatever it likes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use lineal_schemas::{
    registry::{Enrolment, Registry},
    timestamp::Timestamp,
};

use super::attachments::BUCKET;

/// The producers that have a key which may speak at `now`.
pub fn producers(registry: &Registry, now: Timestamp) -> BTreeSet<&str> {
    let valid = registry.enrolments().filter(|enrolment| enrolment.check_valid(now).is_ok());
    valid.map(Enrolment::producer).collect()
}

/// What the configuration is about.
#[derive(Debug)]
pub struct ServerConfig<'a> {
    /// The ledger's origin.
    pub origin: &'a str,
    /// The public `NKey` of the ledger's user.
    pub ledger: &'a str,
    /// The public `NKey` of each producer's user.
    pub producers: &'a BTreeMap<String, String>,
    /// The public `NKey` of each GitOps tool's user, by the rest of the subject that its notifications go to.
    pub hints: &'a BTreeMap<String, String>,
    /// The producers that hear these notifications.
    pub hints_to: &'a [String],
}

/// Where GitOps tools publish their notifications: apart from everything that counts.
const HINTS: &str = "lineal.hints";

/// Whether `name` can stand behind `HINTS`: tokens of `a-z`, `0-9` and `-`, with dots between.
pub fn is_hint_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 63 && name.split('.').all(|token| !token.is_empty() && token.bytes().all(plain))
}

impl ServerConfig<'_> {
    /// The text for `nats-server -c`.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "# NATS server configuration for the ledger {}, made by `lineal nats-config`. Make it again after each enrolment.\n\
             # Without TLS others on the network can read events; they can't change what is signed.\n\
             jetstream {{\n  store_dir: \"jetstream\"\n  # Without this the server acknowledges what a power cut may take again.\n  \
             sync_interval: always\n}}\n\
             authorization {{\n  users: [\n",
            self.origin
        );
        user(&mut text, "the ledger", self.ledger, &self.ledger_publishes(), &LEDGER_HEARS.map(str::to_owned));
        for (producer, nkey) in self.producers {
            let mut own = hears(producer).to_vec();
            own.extend(self.hints_to.contains(producer).then(|| format!("{HINTS}.>")));
            user(&mut text, producer, nkey, &publishes(producer), &own);
        }
        for (name, nkey) in self.hints {
            user(&mut text, &format!("notifications of {name}"), nkey, &[format!("{HINTS}.{name}")], &[]);
        }
        text.push_str("  ]\n}\n");
        text
    }

    fn ledger_publishes(&self) -> Vec<String> {
        let fixed = ["lineal.receipts.>", "$JS.API.>", "$JS.FC.>", "$O.lineal-attachments.>", "_INBOX.>"];
        let inboxes = self.producers.keys().map(|producer| format!("_INBOX_{producer}.>"));
        fixed.into_iter().map(str::to_owned).chain(inboxes).collect()
    }
}

const LEDGER_HEARS: [&str; 3] = ["lineal.ask.>", "_INBOX.lineal.>", "$SRV.>"];

fn publishes(producer: &str) -> Vec<String> {
    let own = [format!("lineal.events.{producer}.>"), format!("lineal.ask.{producer}.>")];
    let bucket = [
        format!("$O.{BUCKET}.>"),
        format!("$JS.API.STREAM.INFO.OBJ_{BUCKET}"),
        format!("$JS.API.DIRECT.GET.OBJ_{BUCKET}.>"),
        format!("$JS.API.STREAM.MSG.GET.OBJ_{BUCKET}"),
    ];
    own.into_iter().chain(bucket).collect()
}

fn hears(producer: &str) -> [String; 2] {
    [format!("lineal.receipts.{producer}.>"), format!("_INBOX_{producer}.>")]
}

fn user(text: &mut String, name: &str, nkey: &str, publishes: &[String], hears: &[String]) {
    let list = |subjects: &[String]| subjects.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ");
    // An empty list of what is allowed would allow everything.
    let hears = if hears.is_empty() { "deny: \">\"".to_owned() } else { format!("allow: [{}]", list(hears)) };
    let written = write!(
        text,
        "    # {name}\n    {{\n      nkey: {nkey}\n      permissions {{\n        publish {{ allow: [{}] }}\n        \
         subscribe {{ {hears} }}\n      }}\n    }}\n",
        list(publishes),
    );
    debug_assert!(written.is_ok(), "writing into a string does not fail");
}
