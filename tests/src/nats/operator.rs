//! Users by credentials files, as whoever runs NATS for many has them: an operator, an account with JetStream, users, each
//! a JWT that the one above has signed, in the form that `nsc` writes.
//!
//! The JWT is `{"typ":"JWT","alg":"ed25519-nkey"}` and claims of version 2 (nats-io/jwt); keys come from fixed seeds.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use lineal_schemas::digest::EventDigest;
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};

/// When everything was issued: long ago.
const ISSUED: u64 = 1_700_000_000;

/// What the account may store.
const STORED_BYTES: u64 = 4 << 30;

/// An operator with an account, whose users a test makes.
#[derive(Debug)]
pub struct Operator {
    configuration: String,
    account: KeyPair,
}

/// What a user may do, as lists of subjects.
#[derive(Debug, Clone)]
pub struct Permissions {
    publish: Value,
    subscribe: Value,
}

impl Operator {
    /// An operator, its system account, and an account for Lineal.
    pub fn new() -> Self {
        Self::with_seed(1)
    }

    /// Another one, whose keys come from this seed and those after it.
    pub fn with_seed(seed: u8) -> Self {
        let (operator, system) = (pair(KeyPairType::Operator, seed), pair(KeyPairType::Account, seed + 1));
        let account = pair(KeyPairType::Account, seed + 2);
        let about_operator = json!({"type": "operator", "version": 2, "system_account": system.public_key()});
        let limits = |bytes: u64| {
            json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
                "leaf": -1, "disk_storage": bytes, "streams": -1, "consumer": -1})
        };
        let about = |bytes: u64| json!({"type": "account", "version": 2, "limits": limits(bytes)});
        let operator_jwt = jwt(&operator, "tests", &operator, &about_operator);
        let system_jwt = jwt(&operator, "SYS", &system, &about(0));
        let account_jwt = jwt(&operator, "LINEAL", &account, &about(STORED_BYTES));
        let configuration = format!(
            "operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload: {{\n  {}: {system_jwt}\n  {}: {account_jwt}\n}}\n",
            system.public_key(),
            account.public_key(),
        );
        Self { configuration, account }
    }

    /// For a server's configuration.
    pub fn configuration(&self) -> &str {
        &self.configuration
    }

    /// Writes the credentials file of a new user of the account, whose key is that of the seed.
    #[track_caller]
    pub fn write_credentials(&self, path: &Path, seed: u8, permissions: &Permissions) {
        let user = pair(KeyPairType::User, seed);
        let about = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
            "pub": {"allow": permissions.publish}, "sub": {"allow": permissions.subscribe}});
        let jwt = jwt(&self.account, "a user", &user, &about);
        let seed = user.seed().expect("a key pair from a seed has it");
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        fs::write(path, text).expect("the credentials file can be written");
    }
}

impl Default for Operator {
    fn default() -> Self {
        Self::new()
    }
}

impl Permissions {
    /// Those of a user in what `lineal nats-config` prints, by the comment above it.
    #[track_caller]
    pub fn printed(configuration: &str, user: &str) -> Self {
        let (_before, of_user) = configuration.split_once(&format!("# {user}\n")).expect("the user is in there");
        let list = |verb: &str| {
            let (_before, list) = of_user.split_once(&format!("{verb} {{ allow: ")).expect("it has a list");
            let (list, _after) = list.split_once(" }").expect("the list ends");
            serde_json::from_str(list).expect("the list is one of JSON as well")
        };
        Self { publish: list("publish"), subscribe: list("subscribe") }
    }
}

fn pair(kind: KeyPairType, seed: u8) -> KeyPair {
    KeyPair::new_from_raw(kind, [seed; 32]).expect("any 32 bytes are a seed")
}

/// What `issuer` says about `subject`. The id is any text that no other has.
fn jwt(issuer: &KeyPair, name: &str, subject: &KeyPair, about: &Value) -> String {
    let id = EventDigest::of(format!("{} {about}", subject.public_key()).as_bytes()).to_string();
    let claims = json!({"jti": id, "iat": ISSUED, "iss": issuer.public_key(), "name": name,
        "sub": subject.public_key(), "nats": about});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({"typ": "JWT", "alg": "ed25519-nkey"})), encode(&claims));
    let signature = issuer.sign(signed.as_bytes()).expect("a key pair with its seed signs");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
