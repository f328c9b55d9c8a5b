//! `lineal enroll`, `rotate`, `revoke`, `keys`: who may say what, decided by a root's signature.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use lineal_schemas::{
    digest::KeyId,
    dsse::Signed,
    key::SecretKey,
    registry::LEDGER_SCHEME,
    vocabulary::{
        Payload, Role, TYPES,
        key::{KeyEnrolled, KeyRevoked, KeyRotated},
        names::TypeName,
    },
};
use serde_json::Value;

use super::{
    Asked, Failure, Place,
    access::{Reading, Writing, get_json},
    print, print_json, when,
};
use crate::{
    answers,
    clock::{Clock as _, SystemClock},
    data_dir::{self, DataDir},
    own,
};

#[derive(Debug, Args)]
struct Root {
    /// The root's private key (PKCS#8 PEM)
    #[arg(long = "root-key", value_name = "FILE", env = "LINEAL_ROOT_KEY")]
    root_key: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lineal enroll --dir ledger --root-key root.pem --key trainer.pub.pem --producer trainer \\\n    --source 'https://ci.example/payments/**' --role trainer --name 'model/payments/**' --name 'job/payments/**'\n\nA pattern is a literal, optionally ending in /**. Without --type the key may say every type of its roles."
)]
pub(super) struct Enroll {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    root: Root,
    /// The producer's public key (PEM)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Whose key it is: a-z, 0-9 and `-`; kept when the key is rotated
    #[arg(long, value_name = "NAME")]
    producer: String,
    /// A source that it may send as. Repeat for more
    #[arg(long = "source", value_name = "PATTERN", required = true)]
    sources: Vec<String>,
    /// data, trainer, evaluator, approver, deployer, observer, enroller or admin. Repeat for more
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<String>,
    /// A subject that it may speak about. Repeat for more
    #[arg(long = "name", value_name = "PATTERN", required = true)]
    names: Vec<String>,
    /// An event type that it may say, like dataset.snapshotted. Repeat for more
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Valid from this time on (UTC, like 2026-11-23T00:00:00Z)
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// Valid before this time
    #[arg(long, value_name = "TIME")]
    not_after: Option<String>,
}

impl Enroll {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let key = data_dir::read_public_key(&self.key)?;
        let roles = all::<Role>("role", &self.roles)?;
        let types = if self.types.is_empty() { types_of(&roles)? } else { all("type", &self.types)? };
        let payload = KeyEnrolled {
            keyid: key.keyid(),
            public_key: one("key", &key.to_pem())?,
            producer: one("producer", &self.producer)?,
            sources: all("source", &self.sources)?,
            roles,
            types,
            names: all("name", &self.names)?,
            not_before: self.not_before.as_deref().map(|text| one("not-before", text)).transpose()?,
            not_after: self.not_after.as_deref().map(|text| one("not-after", text)).transpose()?,
            origin: None,
            actor: None,
            attachments: None,
            annotations: None,
        };
        decide(&self.place, &self.root, key.keyid(), payload.into(), "enrolled")
    }
}

/// Every type that one of these roles may say.
fn types_of(roles: &[Role]) -> Result<Vec<TypeName>, Failure> {
    let names = TYPES.iter().filter(|rule| rule.roles.iter().any(|role| roles.contains(role)));
    names.map(|rule| one("type", rule.name)).collect()
}

fn one<T>(field: &str, text: &str) -> Result<T, Failure>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| Failure::undecided(format!("--{field} `{text}`: {error}")))
}

fn all<T>(field: &str, texts: &[String]) -> Result<Vec<T>, Failure>
where
    T: std::str::FromStr + Ord,
    T::Err: std::fmt::Display,
{
    let distinct = texts.iter().map(|text| one(field, text)).collect::<Result<BTreeSet<T>, _>>()?;
    Ok(distinct.into_iter().collect())
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lineal rotate --dir ledger --root-key root.pem --old trainer.pub.pem --key trainer-2.pub.pem"
)]
pub(super) struct Rotate {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    root: Root,
    /// The old key: its id, or its public key file
    #[arg(long, value_name = "KEYID|FILE")]
    old: String,
    /// The new public key (PEM)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Until when the old key is still valid (UTC); at once invalid if not given
    #[arg(long, value_name = "TIME")]
    retires_at: Option<String>,
}

impl Rotate {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let key = data_dir::read_public_key(&self.key)?;
        let payload = KeyRotated {
            keyid: key.keyid(),
            public_key: one("key", &key.to_pem())?,
            replaces: keyid(&self.old)?,
            retires_at: self.retires_at.as_deref().map(|text| one("retires-at", text)).transpose()?,
            origin: None,
            actor: None,
            attachments: None,
            annotations: None,
        };
        decide(&self.place, &self.root, key.keyid(), payload.into(), "rotated in")
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lineal revoke --dir ledger --root-key root.pem --key trainer.pub.pem --reason compromised --compromised-since 2026-11-20T00:00:00Z"
)]
pub(super) struct Revoke {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    root: Root,
    /// The key: its id, or its public key file
    #[arg(long, value_name = "KEYID|FILE")]
    key: String,
    /// Why: compromised, retired, ...
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Since when somebody else may have had it (UTC)
    #[arg(long, value_name = "TIME")]
    compromised_since: Option<String>,
}

impl Revoke {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let keyid = keyid(&self.key)?;
        let payload = KeyRevoked {
            keyid,
            reason: self.reason.as_deref().map(|text| one("reason", text)).transpose()?,
            compromised_since: self
                .compromised_since
                .as_deref()
                .map(|text| one("compromised-since", text))
                .transpose()?,
            origin: None,
            actor: None,
            attachments: None,
            annotations: None,
        };
        decide(&self.place, &self.root, keyid, payload.into(), "revoked")
    }
}

fn keyid(text: &str) -> Result<KeyId, Failure> {
    if let Ok(keyid) = text.parse() {
        return Ok(keyid);
    }
    Ok(data_dir::read_public_key(Path::new(text))?.keyid())
}

/// Signs a decision about a key as a root, and takes it in.
fn decide(place: &Place, root: &Root, keyid: KeyId, payload: Payload, done: &str) -> Result<ExitCode, Failure> {
    let root = data_dir::read_secret_key(&root.root_key)?;
    let trust = DataDir::find(&place.dir)?.trust()?;
    let ledger = Writing::open(place)?;
    let answered = sign(&ledger, &trust, &root, keyid, &payload).and_then(|signed| ledger.submit(&[signed]));
    ledger.close();
    let answers = answered?;
    let answer = answers.first().ok_or_else(|| Failure::new("no answer"))?;
    if place.json {
        print_json(answer)?;
    }
    let Some(index) = answer.index.filter(|_index| answer.outcome == "committed") else {
        let why = answer.message.clone().unwrap_or_else(|| answer.outcome.to_string());
        let code = answer.code.clone().unwrap_or_default();
        return Err(Failure::new(format!("{}: {why} ({code})", answer.outcome)));
    };
    if !place.json {
        print(&format!("{done} {keyid}\nentry {index}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn sign(
    ledger: &Writing,
    trust: &lineal_schemas::trust::Trust,
    root: &SecretKey,
    keyid: KeyId,
    payload: &Payload,
) -> Result<Signed, Failure> {
    let source = format!("{LEDGER_SCHEME}{}/root/{}", trust.origin(), root.keyid());
    let head = ledger.source_head(&source)?;
    let place = own::Place {
        source: &source,
        sequence: head.sequence + 1,
        previous: head.digest,
        ledger: Some(trust.genesis()),
        time: SystemClock::start().wall(),
    };
    own::sign(&place, &format!("key/{keyid}"), payload, &[root]).map_err(|error| Failure::new(error.to_string()))
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal keys --dir ledger\n  lineal keys --known-at 03:12 --dir ledger\n\n--at says at which moment a key must be valid, --known-at which key events are known."
)]
pub(super) struct Keys {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
}

impl Keys {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let when = self.moment.when()?;
        let document = match Reading::of(&self.asked)? {
            Reading::Running(client) => get_json(&client, &when::path("/v1/keys", &[], when))?,
            Reading::View(view) => answers::keys(&view, when)?,
        };
        if self.asked.place.json {
            print_json(&document)?;
        } else {
            print(&text(&document))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn text(document: &Value) -> String {
    let field = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let list = |value: &Value, name: &str| {
        let items = value.get(name).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
    };
    let keys: Vec<&Value> = document.get("keys").and_then(Value::as_array).into_iter().flatten().collect();
    let number = if keys.len() == 1 { "1 key".to_owned() } else { format!("{} keys", keys.len()) };
    let mut lines = vec![format!("{number} enrolled in {}", field(document, "origin"))];
    for key in keys {
        let keyid = field(key, "keyid");
        lines.push(format!(
            "{:<16} {:<12} {}  roles {}  names {}  sources {}",
            field(key, "producer"),
            field(key, "state"),
            keyid.get(..16).unwrap_or(&keyid),
            list(key, "roles"),
            list(key, "names"),
            list(key, "sources"),
        ));
    }
    if let Some(as_of) = document.get("asOf").filter(|as_of| as_of.get("asked").is_some()) {
        let as_of = serde_json::from_value(as_of.clone());
        lines.extend(as_of.ok().map(|as_of| answers::print::as_of_line(&as_of)));
    }
    lines.join("\n")
}
