//! One small ledger for all tests of the log: its keys, its events, and how it is opened and written.
//!
//! The log does not look into events, so these are plain text, of lengths that put batches across sectors.

use lineal_ledger::log::{
    Log, LogError, Sequenced,
    recover::{self, Mode, OpenError, Recovery},
};
use lineal_schemas::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    digest::{EventDigest, KeyId, sha256},
    dsse::Signature,
    key::SecretKey,
    note::VerifierKey,
    timestamp::Timestamp,
    trust::Trust,
};

use crate::simdisk::{Image, SimDisk};

/// The ledger's name.
pub const ORIGIN: &str = "example.com/ledger";

/// Segments are rolled here, so that a few batches fill one.
pub const ROLL_BYTES: u64 = 6000;

/// The ledger's key.
pub fn key() -> SecretKey {
    SecretKey::from_seed([7; 32]).expect("any 32 bytes are an Ed25519 seed")
}

/// The ledger's key, for whoever checks.
pub fn verifier_key() -> VerifierKey {
    VerifierKey::new(ORIGIN, key().public().clone()).expect("the origin is a key's name")
}

/// Trust in this ledger.
pub fn trust() -> Trust {
    Trust::new(EventDigest::of(b"genesis"), &[verifier_key()]).expect("one key is enough")
}

/// Event `number`: always the same bytes.
pub fn event(number: u64) -> Sequenced {
    let length = usize::try_from(number * 197 % 450).expect("below 450");
    let event = format!(r#"{{"number":{number},"text":"{}"}}"#, "x".repeat(length)).into_bytes();
    let half = sha256(&event);
    let mut bytes = [0; 64];
    bytes.iter_mut().zip(half.iter().chain(&half)).for_each(|(to, from)| *to = *from);
    Sequenced {
        received: Timestamp::from_millis(1_795_470_612_345 + i64::try_from(number / 3).expect("few events")),
        digest: EventDigest::of(&event),
        event,
        signatures: vec![Signature { keyid: KeyId::from_bytes(half), bytes }],
    }
}

/// `count` events from number `first` on.
pub fn events(first: u64, count: u64) -> Vec<Sequenced> {
    (first..first + count).map(event).collect()
}

/// The same events, received no earlier than the log's last entry.
pub fn received_by(log: &Log, mut batch: Vec<Sequenced>) -> Vec<Sequenced> {
    for event in &mut batch {
        event.received = event.received.max(log.last_received());
    }
    batch
}

/// A disk with a new, empty record, all of it synced.
pub fn new_record() -> Image {
    let disk = SimDisk::of(Image::default());
    recover::create(&disk).expect("nothing was planned to fail");
    disk.image()
}

/// Opens as the one writer, rolling at [`ROLL_BYTES`].
pub fn open(disk: &SimDisk) -> Result<(Log, Recovery), OpenError> {
    let (mut log, recovery) = open_as(disk, Mode::Write)?;
    log.roll_at(ROLL_BYTES);
    Ok((log, recovery))
}

/// Opens for reading alone.
pub fn open_to_read(disk: &SimDisk) -> Result<(Log, Recovery), OpenError> {
    open_as(disk, Mode::Read)
}

fn open_as(disk: &SimDisk, mode: Mode) -> Result<(Log, Recovery), OpenError> {
    let keys = [verifier_key()];
    recover::open(&disk.storage(), ORIGIN, mode, &|signed| signed.verify(&keys).is_ok())
}

/// Commits a batch, signed by the ledger.
pub fn commit(log: &mut Log, batch: &[Sequenced]) -> Result<u64, LogError> {
    log.commit(batch, &sign)
}

/// The ledger's signature.
pub fn sign(checkpoint: &Checkpoint) -> String {
    SignedCheckpoint::sign(checkpoint, &key())
}
