//! A ledger with enrolled producers, and their signed events of about 1 KiB: what the benchmarks work on.

use std::{path::PathBuf, sync::Arc};

use lineal_ledger::{
    clock::SystemClock,
    data_dir::{self, Beginning, DataDir},
    ledger::{Ledger, Settings},
    outcome::Outcome,
    own,
};
use lineal_schemas::{
    digest::EventDigest,
    dsse::Signed,
    key::SecretKey,
    timestamp::Timestamp,
    vocabulary::{Payload, Role, TYPES, key::KeyEnrolled},
};
use rayon::prelude::*;

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32]).unwrap()
}

pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) ledger: Ledger,
    pub(crate) genesis: EventDigest,
}

pub(crate) fn begin(keys: &[SecretKey], follow: bool) -> Bench {
    begin_as(keys, follow, Role::Data, TYPES[0].name, "dataset/bench/**")
}

pub(crate) fn begin_as(keys: &[SecretKey], follow: bool, role: Role, kind: &str, names: &str) -> Bench {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target");
    let folder = tempfile::tempdir_in(target).unwrap();
    let dir = folder.path().join("ledger");
    let root = key(100);
    let own_key = key(101);
    let now = Timestamp::from_millis(1_790_000_000_000);
    let roots = [root];
    let beginning =
        Beginning { dir: &dir, origin: "bench.example/log", roots: &roots, threshold: 1, key: &own_key, now };
    let trust = data_dir::init(&beginning).unwrap();
    let settings = Settings { mirror: None, follow };
    let dir = DataDir::find(&dir).unwrap();
    let ledger = Ledger::open(&dir, Arc::new(SystemClock::start()), settings).unwrap();
    let bench = Bench { folder, ledger, genesis: trust.genesis() };
    bench.enroll(&roots[0], keys, (role, kind, names));
    bench
}

impl Bench {
    fn enroll(&self, root: &SecretKey, keys: &[SecretKey], (role, kind, names): (Role, &str, &str)) {
        let source = format!("lineal://bench.example/log/root/{}", root.keyid());
        let mut previous = None;
        for (sequence, key) in (1..).zip(keys) {
            let payload: Payload = KeyEnrolled {
                keyid: key.keyid(),
                public_key: key.public().to_pem().parse().unwrap(),
                producer: format!("p{sequence}").parse().unwrap(),
                sources: vec!["https://bench.example/**".parse().unwrap()],
                roles: vec![role],
                types: vec![kind.parse().unwrap()],
                names: vec![names.parse().unwrap()],
                not_before: None,
                not_after: None,
                origin: None,
                actor: None,
                attachments: None,
                annotations: None,
            }
            .into();
            let time = Timestamp::from_millis(1_790_000_000_000);
            let place = own::Place { source: &source, sequence, previous, ledger: Some(self.genesis), time };
            let signed = own::sign(&place, &format!("key/{}", key.keyid()), &payload, &[root]).unwrap();
            previous = Some(signed.digest());
            let outcomes = self.ledger.submit_and_wait(vec![signed]);
            assert!(matches!(outcomes[0], Outcome::Committed { .. }), "{outcomes:?}");
        }
    }

    /// Signed events of each producer, in order, of about 1 KiB, from sources that each round has for itself.
    pub(crate) fn events(&self, keys: &[SecretKey], count: usize, round: usize) -> Vec<Vec<Signed>> {
        let make = |(at, key): (usize, &SecretKey)| {
            let source = format!("https://bench.example/p{at}/r{round}");
            let (mut previous, mut events) = (None, Vec::new());
            for sequence in 1..=(count / keys.len()) as u64 {
                let time = Timestamp::from_millis(1_790_000_000_000);
                let place = own::Place { source: &source, sequence, previous, ledger: Some(self.genesis), time };
                let digest = EventDigest::of(format!("{at} {round} {sequence}").as_bytes());
                let data = format!(
                    r#"{{"dataset":{{"name":"transactions","uri":"s3://bench/p{at}/{sequence}","digest":{{"sha256":"{digest}"}},"annotations":{{"note":"{}"}}}},"version":"{sequence}"}}"#,
                    "x".repeat(321)
                );
                let bytes = own::event_bytes(&place, "dataset/bench/transactions", "dataset.snapshotted", &data);
                let signed = Signed::sign(bytes, &[key]);
                previous = Some(signed.digest());
                events.push(signed);
            }
            events
        };
        keys.par_iter().enumerate().map(|(at, key)| make((at, key))).collect()
    }
}
