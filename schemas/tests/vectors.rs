//! Every file of schemas/vectors/{event,envelope,signature,authority,sequence,entry,line} gives the error that was
//! written by hand into it. The folders of C2SP formats are run by their own tests. (schemas/vectors/README.md)
#![cfg(test)]

use std::{collections::BTreeSet, fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lineal_schemas::{
    admission::{Unauthentic, inspect},
    digest::{EntryHash, EventDigest},
    dsse::{Signature, Signed, check_list},
    entry::Entry,
    facts::Facts,
    key::{PublicKey, SecretKey},
    line::{self, Line},
};
use serde::Deserialize;
use serde_json::Value;

#[path = "support/history.rs"]
pub mod history;

use history::{History, Outcome};

/// Fewer invalid files than this in these folders together means that some got lost.
const LEAST_INVALID: usize = 250;

const FOLDERS: [&str; 7] = ["event", "envelope", "signature", "authority", "sequence", "entry", "line"];

/// Bytes as a text, as base64, as a repeated text, or as a list of these.
#[derive(Deserialize)]
#[serde(untagged)]
enum Bytes {
    Text(String),
    Base64 { base64: String },
    Repeat { repeat: String, times: usize },
    List(Vec<Self>),
}

impl Bytes {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Base64 { base64 } => STANDARD.decode(base64).unwrap(),
            Self::Repeat { repeat, times } => repeat.repeat(*times).into_bytes(),
            Self::List(parts) => parts.iter().flat_map(Self::bytes).collect(),
        }
    }
}

#[derive(Deserialize)]
struct Key {
    seed: Option<String>,
    #[serde(rename = "publicKey")]
    pem: String,
    keyid: Option<String>,
}

impl Key {
    /// Reads the key; its seed, where there is one, makes the same key and the same id.
    fn read(&self) -> Result<PublicKey, &'static str> {
        let key = PublicKey::from_pem(&self.pem).map_err(|error| error.code())?;
        if let Some(seed) = &self.seed {
            let secret = SecretKey::from_seed(hex::decode(seed).unwrap().try_into().unwrap()).unwrap();
            assert_eq!(*secret.public(), key);
        }
        if let Some(keyid) = &self.keyid {
            assert_eq!(key.keyid().to_string(), *keyid);
        }
        Ok(key)
    }
}

fn read_all<T: for<'de> Deserialize<'de>>(folder: &str) -> Vec<(String, Option<String>, T)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(folder);
    let mut cases = Vec::new();
    for file in fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = value["name"].as_str().unwrap().to_owned();
        assert_eq!(path.file_stem().unwrap().to_str().unwrap(), name, "a file is named like its case");
        assert!(!value["what"].as_str().unwrap().is_empty(), "{name} says what it is");
        let error = value["error"].as_str().map(str::to_owned);
        assert!(error.is_some() || value["error"].is_null(), "{name} has an `error`, null if it is valid");
        assert_eq!(error.is_none(), name.starts_with("valid"), "{name}: valid ones are named so");
        cases.push((name, error, serde_json::from_value(value).unwrap()));
    }
    assert!(!cases.is_empty(), "no vectors in {}", path.display());
    cases.sort_by(|(left, ..), (right, ..)| left.cmp(right));
    cases
}

/// Runs every file of a folder, and reports all that differ at once.
fn run<T: for<'de> Deserialize<'de>>(folder: &str, verdict: impl Fn(&T) -> Result<(), String>) {
    let mut wrong = Vec::new();
    for (name, expected, case) in read_all::<T>(folder) {
        let found = verdict(&case).err();
        if found != expected {
            wrong.push(format!("{folder}/{name}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[derive(Deserialize)]
struct EventCase {
    event: Bytes,
    digest: Option<String>,
}

#[test]
fn events_are_judged_as_written() {
    run("event", |case: &EventCase| {
        let bytes = case.event.bytes();
        let digest = EventDigest::of(&bytes);
        let facts = Facts::read(&bytes, digest).map_err(|error| error.code().to_owned())?;
        facts.payload.map_err(|error| error.code().to_owned())?;
        assert!(case.digest.as_ref().is_none_or(|expected| *expected == digest.to_string()));
        Ok(())
    });
}

#[derive(Deserialize)]
struct EnvelopeCase {
    envelope: Bytes,
    event: Option<Bytes>,
}

#[test]
fn envelopes_are_judged_as_written() {
    run("envelope", |case: &EnvelopeCase| {
        let signed = Signed::from_envelope(&case.envelope.bytes()).map_err(|error| error.code().to_owned())?;
        check_list(&signed.signatures).map_err(|error| error.code().to_owned())?;
        assert!(case.event.as_ref().is_none_or(|expected| expected.bytes() == signed.event));
        assert_eq!(Signed::from_envelope(signed.to_envelope().as_bytes()), Ok(signed));
        Ok(())
    });
}

#[derive(Deserialize)]
struct SignatureCase {
    keys: Vec<Key>,
    event: Bytes,
    signatures: Vec<String>,
}

fn signatures(texts: &[String]) -> Result<Vec<Signature>, String> {
    texts
        .iter()
        .map(|text| text.parse().map_err(|error: lineal_schemas::dsse::SignatureError| error.code().to_owned()))
        .collect()
}

#[test]
fn signatures_are_judged_as_written() {
    run("signature", |case: &SignatureCase| {
        let keys = case.keys.iter().map(Key::read).collect::<Result<Vec<_>, _>>()?;
        let signed = Signed { event: case.event.bytes(), signatures: signatures(&case.signatures)? };
        let inspected = inspect(signed).map_err(|error| error.code().to_owned())?;
        match inspected.verify(|keyid| keys.iter().find(|key| key.keyid() == *keyid).cloned()) {
            Ok(_) => Ok(()),
            Err(Unauthentic::Wrong(_, error)) => Err(error.code().to_owned()),
            Err(Unauthentic::UnknownKey(..)) => Err("unknown-key".to_owned()),
        }
    });
}

#[derive(Deserialize)]
struct Sent {
    received: String,
    event: Bytes,
    signatures: Vec<String>,
    outcome: String,
    #[serde(default)]
    fills: Option<bool>,
}

#[derive(Deserialize)]
struct AdmissionCase {
    keys: Vec<Key>,
    history: Vec<Sent>,
    #[serde(flatten)]
    sent: Sent,
}

impl Sent {
    fn offer_to(&self, history: &mut History) -> Outcome {
        let signed = Signed { event: self.event.bytes(), signatures: signatures(&self.signatures).unwrap() };
        history.offer(signed, self.received.parse().unwrap())
    }
}

/// The outcome as the vectors spell it, and the code.
fn spelled(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Admitted => ("admitted", None),
        Outcome::Duplicate => ("duplicate", None),
        Outcome::Rejected { code, .. } => ("rejected", Some(code)),
        Outcome::Conflicted(code) => ("conflicted", Some(code)),
        Outcome::Later(code) => ("later", Some(code)),
        Outcome::Parked => ("parked", Some("unknown-key")),
        Outcome::Refused(code) => ("refused", Some(code)),
    }
}

fn judge_admission(case: &AdmissionCase) -> Result<(), String> {
    case.keys.iter().for_each(|key| assert!(key.read().is_ok() || key.keyid.is_some()));
    let mut history = History::default();
    for sent in &case.history {
        assert_eq!(spelled(&sent.offer_to(&mut history)).0, sent.outcome, "an event of the history");
    }
    let before = history.clone();
    let outcome = case.sent.offer_to(&mut history);
    let (spelling, code) = spelled(&outcome);
    if let Outcome::Rejected { code, fills } = &outcome {
        if Some(*fills) != case.sent.fills {
            return Err(format!("{code}, fills: {fills}"));
        }
        assert_eq!(history == before, !*fills, "a refusal changes its source's state alone, and only if it fills");
    } else if spelling != "admitted" {
        assert_eq!(history, before, "what is not admitted changes nothing");
    }
    if spelling != case.sent.outcome {
        return Err(format!("{spelling}: {}", code.unwrap_or_default()));
    }
    code.map_or(Ok(()), |code| Err(code.to_owned()))
}

#[test]
fn authority_is_judged_as_written() {
    run("authority", judge_admission);
}

#[test]
fn sequences_are_judged_as_written() {
    run("sequence", judge_admission);
}

#[derive(Deserialize)]
struct EntryCase {
    entry: Bytes,
    hash: Option<String>,
}

#[test]
fn entries_are_judged_as_written() {
    run("entry", |case: &EntryCase| {
        let bytes = case.entry.bytes();
        let entry = Entry::parse(&bytes).map_err(|error| error.code().to_owned())?;
        assert_eq!(entry.to_bytes(), bytes);
        assert_eq!(entry.hash(), EntryHash::of(&bytes));
        assert!(case.hash.as_ref().is_none_or(|expected| *expected == entry.hash().to_string()));
        Ok(())
    });
}

#[derive(Deserialize)]
struct LineCase {
    line: Bytes,
    kind: Option<String>,
}

#[test]
fn lines_are_judged_as_written() {
    run("line", |case: &LineCase| {
        let bytes = case.line.bytes();
        let read = Line::parse(&bytes).map_err(|error| error.code().to_owned())?;
        let mut again = Vec::new();
        let kind = match &read {
            Line::Entry { entry, body, .. } => {
                line::write_entry(&mut again, &entry.to_bytes(), body.unwrap_or_default());
                if body.is_some() { "entry" } else { "erased" }
            }
            Line::Checkpoint(note) => {
                line::write_checkpoint(&mut again, note);
                "checkpoint"
            }
        };
        assert_eq!(again.strip_suffix(b"\n").unwrap(), bytes);
        assert!(case.kind.as_ref().is_none_or(|expected| expected == kind));
        Ok(())
    });
}

#[test]
fn there_are_enough_invalid_ones_each_with_a_fault_of_its_own() {
    let mut invalid = BTreeSet::new();
    for folder in FOLDERS {
        let cases = read_all::<Value>(folder);
        assert!(cases.iter().any(|(_, error, _)| error.is_none()), "{folder} has a valid one");
        invalid.extend(cases.into_iter().filter(|(_, error, _)| error.is_some()).map(|(name, ..)| (folder, name)));
    }
    assert!(invalid.len() >= LEAST_INVALID, "{} invalid vectors", invalid.len());
}
