//! The vectors of the log formats (`vectors/{note,checkpoint,proof,head,trust}`): files that any implementation can run.
//!
//! One case a file, each invalid one with exactly one fault and the code of the error that it must give. The expected
//! codes are written by hand. What is valid must also print back to the same bytes.
#![cfg(test)]

use std::{collections::BTreeSet, fs, path::Path};

use lineal_schemas::{
    checkpoint::{CheckpointError, SignedCheckpoint},
    head::{HEAD_BYTES, Head, HeadError, SLOT_BYTES},
    merkle::leaf_hash,
    note::{Note, VerifierKey},
    proof::TlogProof,
    receipt::Receipt,
    trust::Trust,
};
use serde::{Deserialize, de::DeserializeOwned};

/// Why a case was refused: the error's code and its message.
type Refused = (&'static str, String);

macro_rules! refused {
    () => {
        |error| (error.code(), error.to_string())
    };
}

#[derive(Deserialize)]
struct Case {
    name: String,
    what: String,
    error: Option<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// Runs every case of one directory through `check`.
fn run<Input: DeserializeOwned>(directory: &str, check: impl Fn(&Input) -> Result<(), Refused>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(directory);
    let files: BTreeSet<_> = fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path()).collect();
    let mut valid = 0;
    for file in &files {
        let case: Case = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(Some(case.name.as_str()), file.file_stem().and_then(|stem| stem.to_str()), "{}", file.display());
        assert!(!case.what.is_empty(), "{} does not say what it is", file.display());
        let found = check(&serde_json::from_value(case.rest.into()).unwrap());
        let code = found.as_ref().err().map(|(code, _)| *code);
        assert_eq!(code, case.error.as_deref(), "{}: {} {found:?}", file.display(), case.what);
        valid += usize::from(case.error.is_none());
    }
    assert!(valid > 0, "no valid case in {}", directory.display());
    assert!(files.len() > valid, "no invalid case in {}", directory.display());
}

fn keys(texts: &[String]) -> Vec<VerifierKey> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    input: String,
    keys: Vec<String>,
}

#[test]
fn notes() {
    run("note", |case: &Signed| {
        let note = Note::parse(&case.input).map_err(refused!())?;
        assert_eq!(note.to_string(), case.input);
        note.verify(&keys(&case.keys)).map_err(refused!())?;
        Ok(())
    });
}

#[test]
fn checkpoints() {
    run("checkpoint", |case: &Signed| {
        let signed = SignedCheckpoint::parse(&case.input).map_err(refused!())?;
        assert_eq!(signed.to_string(), case.input);
        assert_eq!(signed.checkpoint().to_string(), signed.note().text);
        signed.verify(&keys(&case.keys)).map_err(refused!())?;
        Ok(())
    });
}

/// A tlog-proof of an entry under keys, or a receipt under a trust file.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Proof {
    Entry { input: String, entry: String, keys: Vec<String> },
    Receipt { input: String, trust: String },
}

#[test]
fn proofs_and_receipts() {
    run("proof", |case: &Proof| match case {
        Proof::Entry { input, entry, keys: known } => {
            let proof = TlogProof::parse(input).map_err(refused!())?;
            assert_eq!(proof.to_string(), *input);
            let verified: Result<_, CheckpointError> = proof.checkpoint.verify(&keys(known)).map(drop);
            verified.map_err(refused!())?;
            proof.verify_inclusion(&leaf_hash(entry.as_bytes())).map_err(refused!())
        }
        Proof::Receipt { input, trust } => {
            let receipt = Receipt::parse(input).map_err(refused!())?;
            assert_eq!(receipt.to_string(), *input);
            receipt.verify(&Trust::parse(trust).unwrap()).map_err(refused!())
        }
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    input: String,
    checkpoint: Option<String>,
}

#[test]
fn trust_files() {
    run("trust", |case: &Policy| {
        let trust = Trust::parse(&case.input).map_err(refused!())?;
        assert_eq!(trust.to_string(), case.input);
        let Some(checkpoint) = &case.checkpoint else { return Ok(()) };
        trust.verify_checkpoint(&SignedCheckpoint::parse(checkpoint).unwrap()).map_err(refused!())?;
        Ok(())
    });
}

/// Bytes in pieces, because most of a head is zeros.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pieces {
    input: Vec<Piece>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Piece {
    Hex(String),
    Zeros(usize),
}

#[test]
fn heads() {
    run("head", |case: &Pieces| {
        let bytes = case.input.iter().flat_map(|piece| match piece {
            Piece::Hex(digits) => hex::decode(digits).unwrap(),
            Piece::Zeros(count) => vec![0; *count],
        });
        let bytes: Vec<u8> = bytes.collect();
        check_head(&bytes).map_err(refused!())
    });
}

/// A whole file is two slots, and the newer one counts; anything else is read as one slot.
fn check_head(bytes: &[u8]) -> Result<(), HeadError> {
    if bytes.len() < HEAD_BYTES {
        let head = Head::from_slot(bytes)?;
        assert_eq!(head.to_slot(), bytes);
        return Ok(());
    }
    let head = Head::newest(bytes)?;
    let from = usize::try_from(head.slot_offset()).unwrap();
    assert_eq!(head.to_slot(), bytes[from..from + SLOT_BYTES]);
    Ok(())
}
