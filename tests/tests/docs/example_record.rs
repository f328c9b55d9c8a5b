//! The worked example of docs/FORMAT.md: four events from fixed keys at fixed times, committed by the real log.
//!
//! Promises the same bytes on every machine and every run. The events are written as text, so that what the page shows
//! does not hang on any code that builds events; keys, signatures, entries, checkpoints and receipts are the library's.

use std::{fs, io, path::Path, sync::Arc};

use lineal_ledger::{
    log::{
        HEAD_FILE, Sequenced,
        record::segment_name,
        recover::{self, Mode},
    },
    storage::{Disk, Storage},
};
use lineal_schemas::{
    checkpoint::SignedCheckpoint,
    digest::EventDigest,
    dsse::Signed,
    key::{PublicKey, SecretKey},
    note::VerifierKey,
    timestamp::Timestamp,
    trust::Trust,
};

/// The ledger's name.
const ORIGIN: &str = "ledger.example/payments";

/// The producer's source: one job of a CI system.
const JOB: &str = "https://ci.example/payments/jobs/41";

/// What was snapshotted. Its SHA-256 is the data set's identity.
const DATA: &str = "id,amount,country,label\n1,12.50,FR,0\n2,980.00,BR,1\n3,7.90,DE,0\n4,61.00,FR,0\n";

/// What was trained from it: any bytes do.
const MODEL: &str = "{\"bias\":\"-1.25\",\"weights\":{\"amount\":\"0.004\",\"country=BR\":\"0.75\"}}\n";

/// When each event was received.
const TIMES: [&str; 4] =
    ["2026-11-23T21:50:12.345Z", "2026-11-23T21:52:40.000Z", "2026-11-23T21:55:01.250Z", "2026-11-23T21:55:01.250Z"];

/// The keys, from seeds of one repeated byte: nobody may ever trust them.
struct Keys {
    root: SecretKey,
    ledger: SecretKey,
    producer: SecretKey,
}

impl Keys {
    fn fixed() -> Self {
        let key = |byte| SecretKey::from_seed([byte; 32]).expect("any 32 bytes are an Ed25519 seed");
        Self { root: key(1), ledger: key(2), producer: key(3) }
    }
}

/// Makes every file of the example below `dir`, which must be empty.
pub(crate) fn write(dir: &Path) -> io::Result<()> {
    let keys = Keys::fixed();
    let events = events(&keys);
    let trust = trust(&keys, events[0].digest());
    let receipt = commit(dir, &keys, &events)?;
    fs::remove_dir_all(dir.join("derived"))?;
    let files = [
        ("ledger.trust", trust.to_string()),
        ("root.pub", keys.root.public().to_pem()),
        ("ledger.pub", keys.ledger.public().to_pem()),
        ("producer.pub", keys.producer.public().to_pem()),
        ("transactions.csv", DATA.to_owned()),
        ("model.json", MODEL.to_owned()),
        ("snapshot.dsse", format!("{}\n", events[2].to_envelope())),
        ("snapshot.tlog-proof", receipt),
    ];
    files.iter().try_for_each(|(name, text)| fs::write(dir.join(name), text))
}

fn verifier_key(keys: &Keys) -> VerifierKey {
    VerifierKey::new(ORIGIN, keys.ledger.public().clone()).expect("the origin is a key's name")
}

fn trust(keys: &Keys, genesis: EventDigest) -> Trust {
    Trust::new(genesis, &[verifier_key(keys)]).expect("one key is enough")
}

/// Commits the genesis and the enrolment as batches of their own, the job's two events as one; gives entry 2's receipt.
fn commit(dir: &Path, keys: &Keys, events: &[Signed]) -> io::Result<String> {
    let storage: Arc<dyn Storage> = Arc::new(Disk::new(dir));
    recover::create(&*storage)?;
    let trusted = [verifier_key(keys)];
    let is_ours = |signed: &SignedCheckpoint| signed.verify(&trusted).is_ok();
    let opened = recover::open(&storage, ORIGIN, Mode::Write, &is_ours);
    let (mut log, _recovery) = opened.map_err(io::Error::other)?;
    let all: Vec<Sequenced> = events.iter().zip(TIMES).map(|(signed, time)| sequenced(signed, time)).collect();
    for batch in [&all[..1], &all[1..2], &all[2..]] {
        let sign = |checkpoint: &_| SignedCheckpoint::sign(checkpoint, &keys.ledger);
        log.commit(batch, &sign).map_err(io::Error::other)?;
    }
    assert!(dir.join(HEAD_FILE).is_file() && dir.join(segment_name(0)).is_file(), "the record is where the page says");
    log.record().receipt(2).map_err(io::Error::other)
}

fn sequenced(signed: &Signed, received: &str) -> Sequenced {
    Sequenced {
        received: received.parse().expect("a time in its one spelling"),
        digest: signed.digest(),
        event: signed.event.clone(),
        signatures: signed.signatures.clone(),
    }
}

/// The four events, each signed by whoever says it.
fn events(keys: &Keys) -> Vec<Signed> {
    let root_source = format!("lineal://{ORIGIN}/root/{}", keys.root.keyid());
    let genesis = Draft {
        number: 0,
        source: &format!("lineal://{ORIGIN}"),
        name: "ledger.created",
        subject: &format!("ledger/{ORIGIN}"),
        place: place(None, 1, None),
        data: &genesis_data(keys),
    }
    .signed(&keys.root);
    let ledger = Some(genesis.digest());
    let enrolled = Draft {
        number: 1,
        source: &root_source,
        name: "key.enrolled",
        subject: &format!("key/{}", keys.producer.keyid()),
        place: place(ledger, 1, None),
        data: &enrolment_data(keys),
    }
    .signed(&keys.root);
    let snapshot = Draft {
        number: 2,
        source: JOB,
        name: "dataset.snapshotted",
        subject: "dataset/payments/transactions",
        place: place(ledger, 1, None),
        data: &snapshot_data(),
    }
    .signed(&keys.producer);
    let run = Draft {
        number: 3,
        source: JOB,
        name: "run.completed",
        subject: "job/payments/train-fraud",
        place: place(ledger, 2, Some(snapshot.digest())) + r#","sequenceend":true"#,
        data: &run_data(),
    }
    .signed(&keys.producer);
    vec![genesis, enrolled, snapshot, run]
}

/// One event, before it is text.
struct Draft<'a> {
    number: usize,
    source: &'a str,
    name: &'a str,
    subject: &'a str,
    /// `ledger`, `sequence`, `previous` and `sequenceend`, as text.
    place: String,
    data: &'a str,
}

impl Draft<'_> {
    fn signed(&self, key: &SecretKey) -> Signed {
        let Self { number, source, name, subject, place, data } = self;
        let time: Timestamp = TIMES[*number].parse().expect("a time in its one spelling");
        let millis = time.as_millis();
        let id = format!("{:08x}-{:04x}-7000-8000-{number:012x}", millis >> 16, millis & 0xffff);
        let event = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"{source}","type":"dev.lineal.{name}.v1","subject":"{subject}","time":"{time}","datacontenttype":"application/json","dataschema":"https://lineal.dev/schemas/{name}.v1.json"{place},"data":{data}}}"#
        );
        Signed::sign(event.into_bytes(), &[key])
    }
}

fn place(ledger: Option<EventDigest>, sequence: u64, previous: Option<EventDigest>) -> String {
    let digest = |name: &str, digest: Option<EventDigest>| {
        digest.map_or_else(String::new, |digest| format!(r#","{name}":"{digest}""#))
    };
    format!(r#"{},"sequence":"{sequence:012}"{}"#, digest("ledger", ledger), digest("previous", previous))
}

/// A PEM file inside a JSON string.
fn pem(key: &PublicKey) -> String {
    key.to_pem().replace('\n', "\\n")
}

fn genesis_data(keys: &Keys) -> String {
    format!(
        r#"{{"origin":"{ORIGIN}","formatVersion":1,"ledgerKey":{{"verifierKey":"{}","publicKey":"{}"}},"roots":[{{"keyid":"{}","publicKey":"{}"}}],"threshold":1}}"#,
        verifier_key(keys),
        pem(keys.ledger.public()),
        keys.root.keyid(),
        pem(keys.root.public()),
    )
}

fn enrolment_data(keys: &Keys) -> String {
    format!(
        r#"{{"keyid":"{}","publicKey":"{}","producer":"payments-ci","sources":["https://ci.example/payments/**"],"roles":["data","trainer"],"types":["dataset.snapshotted","run.completed"],"names":["dataset/payments/**","job/payments/**"]}}"#,
        keys.producer.keyid(),
        pem(keys.producer.public()),
    )
}

fn snapshot_data() -> String {
    format!(
        r#"{{"dataset":{{"name":"transactions.csv","digest":{{"sha256":"{}"}},"mediaType":"text/csv"}},"name":"dataset/payments/transactions","version":"2026-11-23","stats":{{"rowCount":4,"size":{}}}}}"#,
        EventDigest::of(DATA.as_bytes()),
        DATA.len(),
    )
}

fn run_data() -> String {
    format!(
        r#"{{"runId":"41","job":{{"namespace":"payments","name":"train-fraud","kind":"train"}},"inputs":[{{"artifact":{{"name":"transactions.csv","digest":{{"sha256":"{}"}}}},"role":"training","influence":"weights","basis":"observed"}}],"outputs":[{{"name":"model.json","digest":{{"sha256":"{}"}}}}],"seeds":{{"unknown":"not-recorded"}}}}"#,
        EventDigest::of(DATA.as_bytes()),
        EventDigest::of(MODEL.as_bytes()),
    )
}
