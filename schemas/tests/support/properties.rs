//! What must hold for any bytes that a parser is given: it refuses them, or what it read prints back to the same bytes.
//!
//! One function for each parser, shared by `tests/properties.rs`, which always runs, and by the targets of `tests/fuzz/`.
//! Each says whether the bytes were read, so that a test can see that some were.

use lineal_schemas::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    digest::{EventDigest, sha256},
    dsse::Signed,
    entry::Entry,
    event::{Event, MAX_EVENT_BYTES},
    facts::Facts,
    head::{Head, SLOT_BYTES},
    json,
    line::{self, Line},
    note::Note,
    proof::TlogProof,
    receipt::Receipt,
    trust::Trust,
    vocabulary::Payload,
};
use serde_json::value::RawValue;

/// A property of a parser: whether the bytes were read.
pub type Property = fn(&[u8]) -> bool;

/// Every parser that takes bytes from outside, by the name of its fuzz target.
pub const ALL: [(&str, Property); 10] = [
    ("json", json),
    ("event", event),
    ("envelope", envelope),
    ("entry", entry),
    ("line", line),
    ("note", note),
    ("checkpoint", checkpoint),
    ("proof", proof),
    ("trust", trust),
    ("head", head),
];

/// What passes is JSON to any reader, and means the same to all: no member stands twice.
pub fn json(bytes: &[u8]) -> bool {
    let relaxed = json::scan_relaxed(bytes);
    if let Ok(text) = relaxed {
        assert_eq!(text.as_bytes(), bytes);
        serde_json::from_str::<&RawValue>(text).unwrap();
    }
    let Ok(members) = json::scan_object(bytes) else { return relaxed.is_ok() };
    relaxed.unwrap();
    let written: Vec<_> = members.iter().map(|member| format!("\"{}\":{}", member.name, member.value)).collect();
    assert_eq!(format!("{{{}}}", written.join(",")).as_bytes(), bytes);
    let read: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes).unwrap();
    assert_eq!(read.len(), members.len());
    true
}

/// An event is a view: its parts stand in the bytes, and a payload that is read comes back from its own JSON.
pub fn event(bytes: &[u8]) -> bool {
    let Ok(event) = Event::parse(bytes) else { return false };
    assert!(bytes.len() <= MAX_EVENT_BYTES);
    assert_eq!(event.bytes, bytes);
    let text = std::str::from_utf8(bytes).unwrap();
    for part in [event.id, event.source, event.kind, event.subject, event.data] {
        assert!(!part.is_empty() && text.contains(part));
    }
    assert_eq!(event.ledger.is_none(), event.kind == lineal_schemas::event::GENESIS_TYPE);
    assert_eq!(event.previous.is_none(), event.sequence == 1);
    assert!(Event::parse(&[bytes, b"\n"].concat()).is_err());
    let facts = Facts::read(bytes, EventDigest::of(bytes)).unwrap();
    assert_eq!(facts.sequence, event.sequence);
    if let Ok(payload) = facts.payload {
        let again = payload.to_json().unwrap();
        assert_eq!(Payload::parse(event.kind, &again).unwrap(), payload);
    }
    true
}

/// An envelope may be spelled in many ways; what it holds is the same after it was written in ours.
pub fn envelope(bytes: &[u8]) -> bool {
    let Ok(signed) = Signed::from_envelope(bytes) else { return false };
    assert_eq!(Signed::from_envelope(signed.to_envelope().as_bytes()), Ok(signed));
    true
}

/// One spelling.
pub fn entry(bytes: &[u8]) -> bool {
    let Ok(entry) = Entry::parse(bytes) else { return false };
    assert_eq!(entry.to_bytes(), bytes);
    true
}

/// One spelling.
pub fn line(bytes: &[u8]) -> bool {
    let Ok(read) = Line::parse(bytes) else { return false };
    let mut again = Vec::new();
    match read {
        Line::Entry { entry, entry_bytes, body } => {
            assert_eq!(entry.to_bytes(), entry_bytes);
            line::write_entry(&mut again, entry_bytes, body.unwrap_or_default());
        }
        Line::Checkpoint(note) => line::write_checkpoint(&mut again, &note),
    }
    assert_eq!(again.strip_suffix(b"\n").unwrap(), bytes);
    true
}

/// One spelling.
pub fn note(bytes: &[u8]) -> bool {
    let Some(note) = std::str::from_utf8(bytes).ok().and_then(|text| Note::parse(text).ok()) else { return false };
    assert_eq!(note.to_string().as_bytes(), bytes);
    true
}

/// One spelling, signed or not.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let bare = Checkpoint::parse(text);
    if let Ok(checkpoint) = &bare {
        assert_eq!(checkpoint.to_string(), text);
    }
    let signed = SignedCheckpoint::parse(text);
    if let Ok(signed) = &signed {
        assert_eq!(signed.note().to_string(), text);
        assert_eq!(signed.checkpoint().to_string(), signed.note().text);
    }
    bare.is_ok() || signed.is_ok()
}

/// One spelling; a receipt is a proof, and its entry is read from it.
pub fn proof(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let proof = TlogProof::parse(text);
    if let Ok(proof) = &proof {
        assert_eq!(proof.to_string(), text);
    }
    if let Ok(receipt) = Receipt::parse(text) {
        assert_eq!(Some(receipt.proof()), proof.as_ref().ok());
        assert_eq!(receipt.entry().to_bytes(), receipt.entry_bytes());
    }
    proof.is_ok()
}

/// One spelling of the lines that are kept: what is printed reads back alike and prints the same again.
pub fn trust(bytes: &[u8]) -> bool {
    let Some(trust) = std::str::from_utf8(bytes).ok().and_then(|text| Trust::parse(text).ok()) else { return false };
    let printed = trust.to_string();
    let again = Trust::parse(&printed).unwrap();
    assert_eq!((again.genesis(), again.to_string()), (trust.genesis(), printed));
    true
}

/// One spelling. No search finds a checksum by itself, so the bytes are tried once more under a right one.
pub fn head(bytes: &[u8]) -> bool {
    let round_trip = |slot: &[u8]| {
        let Ok(head) = Head::from_slot(slot) else { return false };
        assert_eq!(head.to_slot(), slot);
        true
    };
    let as_is = round_trip(bytes);
    let content = SLOT_BYTES - 32;
    let mut slot = bytes.iter().copied().chain(std::iter::repeat(0)).take(content).collect::<Vec<_>>();
    slot.extend(sha256(&slot));
    let mended = round_trip(&slot);
    if let Ok(head) = Head::newest(bytes) {
        assert!(bytes.chunks(SLOT_BYTES).any(|slot| *slot == head.to_slot()));
    }
    as_is || mended
}
