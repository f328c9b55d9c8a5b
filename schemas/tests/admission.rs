//! Admission from end to end, `inspect -> verify -> decide`, over a history in memory: a genesis, enrolments, rotation,
//! revocation, delegation and a new ledger key; and what holds for every history: deciding twice gives one answer, a
//! refusal changes nothing but what it says, and the order of arrival leaves no trace.
#![cfg(test)]

use std::borrow::Cow;

use lineal_schemas::{
    admission::{Decision, inspect},
    digest::EventDigest,
    dsse::Signed,
    event::{dataschema_of, type_of},
    key::SecretKey,
    note::VerifierKey,
    sequence::SourceState,
    timestamp::Timestamp,
};
use proptest::prelude::*;
use serde_json::{Value, json};

#[path = "support/history.rs"]
pub mod history;

use history::{History, Outcome};

const ORIGIN: &str = "ledger.example/main";
const SUBJECT: &str = "dataset/payments/transactions";

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32]).unwrap()
}

/// This many minutes after the genesis.
fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_795_470_000_000 + minutes * 60_000)
}

/// A source that counts and signs.
struct Sender {
    source: String,
    keys: Vec<SecretKey>,
    ledger: Option<EventDigest>,
    sequence: u64,
    previous: Option<EventDigest>,
}

impl Sender {
    fn new(source: &str, keys: Vec<SecretKey>, ledger: EventDigest) -> Self {
        Self { source: source.to_owned(), keys, ledger: Some(ledger), sequence: 0, previous: None }
    }

    fn root(seeds: &[u8], ledger: EventDigest) -> Self {
        let source = format!("lineal://{ORIGIN}/root/{}", key(seeds[0]).keyid());
        Self::new(&source, seeds.iter().map(|seed| key(*seed)).collect(), ledger)
    }

    /// The next event, signed by all keys.
    fn says(&mut self, name: &str, subject: &str, data: &Value) -> Signed {
        self.write(name, subject, data, false)
    }

    fn write(&mut self, name: &str, subject: &str, data: &Value, end: bool) -> Signed {
        self.sequence += 1;
        let mut members = vec![
            ("specversion", json!("1.0")),
            ("id", json!(format!("0199aabb-ccdd-7eef-8123-{:012x}", self.sequence))),
            ("source", json!(self.source)),
            ("type", json!(type_of(name))),
            ("subject", json!(subject)),
            ("time", json!("2026-11-23T21:50:12Z")),
            ("datacontenttype", json!("application/json")),
            ("dataschema", json!(dataschema_of(name))),
            ("sequence", json!(format!("{:012}", self.sequence))),
        ];
        members.extend(self.ledger.map(|ledger| ("ledger", json!(ledger))));
        members.extend(self.previous.map(|previous| ("previous", json!(previous))));
        members.extend(end.then_some(("sequenceend", json!(true))));
        members.push(("data", data.clone()));
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let event = format!("{{{}}}", members.join(",")).into_bytes();
        self.previous = Some(EventDigest::of(&event));
        Signed::sign(event, &self.keys.iter().collect::<Vec<_>>())
    }

    fn snapshot(&mut self) -> Signed {
        let digest = EventDigest::of(&self.sequence.to_be_bytes());
        self.says("dataset.snapshotted", SUBJECT, &json!({"dataset": {"digest": {"sha256": digest}}}))
    }
}

fn vkey(key: &SecretKey) -> String {
    VerifierKey::new(ORIGIN, key.public().clone()).unwrap().to_string()
}

fn genesis(roots: &[u8], threshold: usize) -> Signed {
    let roots: Vec<_> = roots.iter().map(|seed| key(*seed)).collect();
    let listed: Vec<_> =
        roots.iter().map(|key| json!({"keyid": key.keyid(), "publicKey": key.public().to_pem()})).collect();
    let data = json!({
        "origin": ORIGIN, "formatVersion": 1, "roots": listed, "threshold": threshold,
        "ledgerKey": {"verifierKey": vkey(&key(200)), "publicKey": key(200).public().to_pem()},
    });
    let source = format!("lineal://{ORIGIN}");
    let mut ledger = Sender { source, keys: roots, ledger: None, sequence: 0, previous: None };
    ledger.says("ledger.created", &format!("ledger/{ORIGIN}"), &data)
}

/// What an enrolment gives, with the differences in `more`.
fn enrolment(seed: u8, more: &Value) -> (String, Value) {
    let keyid = key(seed).keyid();
    let mut data = json!({
        "keyid": keyid, "publicKey": key(seed).public().to_pem(), "producer": "payments-ci",
        "sources": ["https://ci.example/payments/**"], "roles": ["data", "trainer"],
        "types": ["dataset.snapshotted", "run.completed"], "names": ["dataset/payments/**"],
    });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (format!("key/{keyid}"), data)
}

/// A ledger with one root (1) and one producer (10), and the root to go on with.
fn begun() -> (History, Sender, EventDigest) {
    let genesis = genesis(&[1], 1);
    let digest = genesis.digest();
    let (mut history, mut root) = (History::default(), Sender::root(&[1], digest));
    assert_eq!(history.offer(genesis, minute(0)), Outcome::Admitted);
    let (subject, data) = enrolment(10, &json!({}));
    assert_eq!(history.offer(root.says("key.enrolled", &subject, &data), minute(1)), Outcome::Admitted);
    (history, root, digest)
}

fn producer(seed: u8, ledger: EventDigest) -> Sender {
    Sender::new("https://ci.example/payments/train", vec![key(seed)], ledger)
}

const fn rejected(code: &'static str, fills: bool) -> Outcome {
    Outcome::Rejected { code: Cow::Borrowed(code), fills }
}

#[test]
fn a_parked_event_is_admitted_once_its_key_is_enrolled() {
    let (mut history, mut root, ledger) = begun();
    let mut newcomer = Sender::new("https://ci.example/payments/new", vec![key(11)], ledger);
    let first = newcomer.snapshot();
    let before = history.clone();
    assert_eq!(history.offer(first.clone(), minute(2)), Outcome::Parked);
    assert_eq!(history, before, "what is parked touches no state");
    let (subject, data) = enrolment(11, &json!({}));
    assert_eq!(history.offer(root.says("key.enrolled", &subject, &data), minute(3)), Outcome::Admitted);
    assert_eq!(history.offer(first.clone(), minute(4)), Outcome::Admitted);
    assert_eq!(history.offer(first, minute(5)), Outcome::Duplicate);
    assert_eq!(history.offer(newcomer.snapshot(), minute(5)), Outcome::Admitted);
}

#[test]
fn a_source_goes_on_under_the_key_that_took_its_key_s_place() {
    let (mut history, mut root, ledger) = begun();
    let mut sender = producer(10, ledger);
    assert_eq!(history.offer(sender.snapshot(), minute(2)), Outcome::Admitted);
    let data = json!({"keyid": key(11).keyid(), "publicKey": key(11).public().to_pem(), "replaces": key(10).keyid(),
        "retiresAt": minute(10)});
    let rotated = root.says("key.rotated", &format!("key/{}", key(11).keyid()), &data);
    assert_eq!(history.offer(rotated, minute(3)), Outcome::Admitted);
    assert_eq!(history.offer(sender.snapshot(), minute(9)), Outcome::Admitted, "the old key until it retires");
    let too_late = sender.snapshot();
    assert_eq!(history.offer(too_late.clone(), minute(10)), rejected("key-retired", false));
    let again = Signed::sign(too_late.event, &[&key(11)]);
    assert_eq!(history.offer(again, minute(10)), Outcome::Admitted, "the same event under the new key");
    let old = key(10).keyid();
    let enrolment = history.registry.as_ref().unwrap().enrolment(&old).unwrap();
    assert_eq!(enrolment.replaced(), Some((key(11).keyid(), minute(10))));
}

#[test]
fn what_was_admitted_before_a_revocation_stays_and_nothing_comes_after() {
    let (mut history, mut root, ledger) = begun();
    let mut sender = producer(10, ledger);
    let before = sender.snapshot();
    assert_eq!(history.offer(before.clone(), minute(2)), Outcome::Admitted);
    let data = json!({"keyid": key(10).keyid(), "reason": "compromised", "compromisedSince": minute(1)});
    let subject = format!("key/{}", key(10).keyid());
    assert_eq!(history.offer(root.says("key.revoked", &subject, &data), minute(3)), Outcome::Admitted);
    assert_eq!(history.offer(sender.snapshot(), minute(4)), rejected("key-revoked", false));
    assert_eq!(history.offer(before, minute(4)), Outcome::Duplicate);
    assert_eq!(history.offer(root.says("key.revoked", &subject, &data), minute(5)), rejected("key-revoked", true));
    let registry = history.registry.unwrap();
    let enrolment = registry.enrolment(&key(10).keyid()).unwrap();
    assert_eq!(enrolment.revocation(), Some((minute(3), Some("compromised"))));
    assert_eq!(enrolment.compromised_since(), Some(minute(1)));
}

#[test]
fn an_enroller_enrols_within_its_scope_and_its_keys_enrol_nobody() {
    let (mut history, mut root, ledger) = begun();
    let (subject, data) = enrolment(
        20,
        &json!({"roles": ["enroller", "trainer"], "types": ["key.enrolled", "run.completed", "dataset.snapshotted"],
            "sources": ["https://ci.example/**"]}),
    );
    assert_eq!(history.offer(root.says("key.enrolled", &subject, &data), minute(2)), Outcome::Admitted);
    let mut enroller = Sender::new("https://ci.example/enroller", vec![key(20)], ledger);
    let job = json!({"sources": ["https://ci.example/payments/job-17"], "roles": ["trainer"],
        "types": ["dataset.snapshotted"], "notAfter": minute(63)});
    let (subject, data) = enrolment(21, &job);
    assert_eq!(history.offer(enroller.says("key.enrolled", &subject, &data), minute(3)), Outcome::Admitted);
    let mut sender = Sender::new("https://ci.example/payments/job-17", vec![key(21)], ledger);
    assert_eq!(history.offer(sender.snapshot(), minute(4)), Outcome::Admitted);
    let (subject, data) = enrolment(22, &job);
    let enrolled = sender.says("key.enrolled", &subject, &data);
    assert_eq!(history.offer(enrolled, minute(5)), rejected("type-not-allowed", true));
    assert_eq!(history.offer(sender.snapshot(), minute(63)), rejected("key-expired", false));
    let (subject, wider) = enrolment(22, &json!({"sources": ["https://**"], "notAfter": minute(63)}));
    let wider = enroller.says("key.enrolled", &subject, &wider);
    assert_eq!(history.offer(wider, minute(6)), rejected("outside-delegation", true));
    let (subject, data) = enrolment(22, &job);
    let next = enroller.says("key.enrolled", &subject, &data);
    assert_eq!(history.offer(next, minute(7)), Outcome::Admitted, "its refused event filled its number");
}

#[test]
fn the_ledger_s_next_key_signs_beside_the_old_one_until_that_retires() {
    let (mut history, mut root, ledger) = begun();
    let signers = |history: &History, at| -> Vec<String> {
        history.registry.as_ref().unwrap().checkpoint_keys(at).iter().map(ToString::to_string).collect()
    };
    assert_eq!(signers(&history, minute(2)), [vkey(&key(200))]);
    let data = json!({"verifierKey": vkey(&key(201)), "publicKey": key(201).public().to_pem(),
        "replaces": key(200).keyid(), "retiresAt": minute(20)});
    let rotated = root.says("ledgerkey.rotated", &format!("ledger/{ORIGIN}"), &data);
    assert_eq!(history.offer(rotated, minute(3)), Outcome::Admitted);
    assert_eq!(signers(&history, minute(4)), [vkey(&key(200)), vkey(&key(201))]);
    assert_eq!(signers(&history, minute(20)), [vkey(&key(201))]);
    let source = format!("lineal://{ORIGIN}");
    let mut old = Sender::new(&source, vec![key(200)], ledger);
    // The genesis is number 1 of the ledger's own source.
    old.sequence = 1;
    old.previous = Some(ledger);
    let subject = format!("ledger/{ORIGIN}");
    let heartbeat = |sender: &mut Sender| sender.says("producer.heartbeat", &subject, &json!({}));
    assert_eq!(history.offer(heartbeat(&mut old), minute(19)), Outcome::Admitted);
    let mut new = Sender { keys: vec![key(201)], sequence: old.sequence, previous: old.previous, ..old };
    assert_eq!(history.offer(heartbeat(&mut new), minute(20)), Outcome::Admitted);
    let mut old = Sender { keys: vec![key(200)], sequence: new.sequence, previous: new.previous, ..new };
    assert_eq!(history.offer(heartbeat(&mut old), minute(20)), rejected("not-the-ledger", false));
}

#[test]
fn two_of_three_roots_decide_together() {
    let genesis = genesis(&[1, 2, 3], 2);
    let ledger = genesis.digest();
    let mut history = History::default();
    assert_eq!(history.offer(genesis, minute(0)), Outcome::Admitted);
    let (subject, data) = enrolment(10, &json!({}));
    let mut alone = Sender::root(&[2], ledger);
    let enrolled = alone.says("key.enrolled", &subject, &data);
    assert_eq!(history.offer(enrolled.clone(), minute(1)), rejected("threshold-not-met", false));
    let together = Signed::sign(enrolled.event, &[&key(2), &key(3)]);
    assert_eq!(history.offer(together, minute(1)), Outcome::Admitted);
}

/// An event of any kind and quality, as a recipe.
#[derive(Debug, Clone, Copy)]
struct Recipe {
    signer: u8,
    source: u8,
    sequence: u64,
    previous: u8,
    ledger: bool,
    data: bool,
    end: bool,
    minute: i64,
}

fn any_recipe() -> impl Strategy<Value = Recipe> {
    let flags = (prop::bool::weighted(0.95), prop::bool::weighted(0.8), prop::bool::weighted(0.1));
    (9..13_u8, 0..3_u8, 1..6_u64, 0..6_u8, flags, 0..90_i64).prop_map(
        |(signer, source, sequence, previous, (ledger, data, end), minute)| Recipe {
            signer,
            source,
            sequence,
            previous,
            ledger,
            data,
            end,
            minute,
        },
    )
}

impl Recipe {
    fn cook(self, ledger: EventDigest, chain: &[EventDigest]) -> Signed {
        let source = ["https://ci.example/payments/a", "https://ci.example/payments/b", "https://ci.example/x"];
        let mut sender = Sender::new(source[usize::from(self.source)], vec![key(self.signer)], ledger);
        if !self.ledger {
            sender.ledger = Some(EventDigest::of(b"another"));
        }
        sender.sequence = self.sequence - 1;
        let named = chain.get(usize::from(self.previous)).copied().unwrap_or(ledger);
        sender.previous = (self.sequence > 1).then_some(named);
        let data = if self.data { json!({"dataset": {"digest": {"sha256": ledger}}}) } else { json!({}) };
        sender.write("dataset.snapshotted", SUBJECT, &data, self.end)
    }
}

proptest! {
    #[test]
    fn the_same_event_at_the_same_place_gets_the_same_answer_and_a_refusal_changes_nothing(
        recipes in prop::collection::vec(any_recipe(), 1..25),
    ) {
        let (mut history, mut root, ledger) = begun();
        let (subject, data) = enrolment(11, &json!({"notBefore": minute(20), "notAfter": minute(60)}));
        history.offer(root.says("key.enrolled", &subject, &data), minute(2));
        let mut chain = Vec::new();
        for recipe in recipes {
            let signed = recipe.cook(ledger, &chain);
            chain.push(signed.digest());
            let received = minute(3 + recipe.minute);
            let (before, mut twin) = (history.clone(), history.clone());
            if let Ok(authentic) = inspect(signed.clone()).unwrap().verify(|keyid| before.registry.as_ref().unwrap().key(keyid).cloned()) {
                prop_assert_eq!(before.decide(&authentic, received), before.decide(&authentic, received));
            }
            let outcome = history.offer(signed.clone(), received);
            prop_assert_eq!(&twin.offer(signed.clone(), received), &outcome);
            prop_assert_eq!(&twin, &history);
            match outcome {
                Outcome::Admitted => prop_assert_eq!(history.offer(signed, received), Outcome::Duplicate),
                Outcome::Rejected { fills: true, .. } => {
                    prop_assert_eq!(&history.registry, &before.registry);
                    prop_assert_eq!(history.admitted, before.admitted);
                    prop_assert_eq!(history.offer(signed, received), Outcome::Duplicate);
                }
                _ => prop_assert_eq!(&history, &before),
            }
        }
    }

    #[test]
    fn any_order_of_a_source_s_events_ends_in_the_same_state(
        order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
        broken in prop::collection::btree_set(0..11_usize, 0..4),
    ) {
        let (mut history, _, ledger) = begun();
        let mut sender = producer(10, ledger);
        let sent: Vec<_> = (0..12)
            .map(|number| match number {
                11 => sender.write("dataset.snapshotted", SUBJECT, &json!({"dataset": {"digest": {"sha256": ledger}}}), true),
                _ if broken.contains(&number) => sender.says("dataset.snapshotted", SUBJECT, &json!({})),
                _ => sender.snapshot(),
            })
            .collect();
        let mut in_order = history.clone();
        for signed in &sent {
            in_order.offer(signed.clone(), minute(2));
        }
        for number in order {
            let expected = if broken.contains(&number) { rejected("schema-violation", true) } else { Outcome::Admitted };
            prop_assert_eq!(history.offer(sent[number].clone(), minute(2)), expected);
        }
        prop_assert_eq!(history, in_order);
    }

    #[test]
    fn nobody_but_its_key_s_holder_moves_a_source(recipe in any_recipe(), flip in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (mut history, _, ledger) = begun();
        let mut signed = recipe.cook(ledger, &[]);
        let at = flip.index(64);
        signed.signatures[0].bytes[at] ^= 1 << bit;
        let before = history.clone();
        let outcome = history.offer(signed, minute(3));
        prop_assert!(matches!(outcome, Outcome::Refused(_) | Outcome::Parked));
        prop_assert_eq!(history, before);
    }
}

#[test]
fn a_decision_carries_the_state_that_follows() {
    let (history, _, ledger) = begun();
    let mut sender = producer(10, ledger);
    let signed = sender.snapshot();
    let registry = history.registry.as_ref().unwrap();
    let authentic = inspect(signed).unwrap().verify(|keyid| registry.key(keyid).cloned()).unwrap();
    let Decision::Admit { source, .. } = history.decide(&authentic, minute(2)) else { panic!("not admitted") };
    assert_eq!((source.head(), source.open().count()), (1, 0));
    assert_ne!(source, SourceState::default());
}
