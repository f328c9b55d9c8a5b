//! Our events, envelopes and keys before independent judges: the `dsse` crate, `cloudevents-sdk`, Python's
//! `securesystemslib` and `openssl`. What we write they accept, what they write we accept.
//!
//! Where they differ, we are the stricter side, and each difference has its test here:
//! - The `dsse` crate and the DSSE specification ignore unknown members and let a `keyid` be absent; `dsse` also takes
//!   URL-safe base64, skips signatures that it can't decode, and asks for a threshold where we ask for all.
//! - `cloudevents-sdk` keeps the last of two attributes of one name, takes white space, empty and malformed
//!   attributes, and any depth; what it writes again is other bytes. So it never decides what is an event here.
//! - `securesystemslib` matches keys by `keyid` alone, as we do, and counts a threshold.
#![cfg(test)]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cloudevents::{AttributesReader as _, Data, event::ExtensionValue};
use dsse::Verifier as _;
use lineal_schemas::{
    digest::EventDigest,
    dsse::{PAYLOAD_TYPE, Signed, check_list, pae, verify},
    event::Event,
    key::{PublicKey, SecretKey},
};
use proptest::prelude::*;
use serde_json::{Value, json};

#[path = "support/venv.rs"]
pub mod venv;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32]).unwrap()
}

/// The same key in the `dsse` crate.
fn their_signer(seed: u8) -> dsse::Ed25519Signer {
    dsse::Ed25519Signer::from_bytes(&[seed; 32]).unwrap().with_key_id(key(seed).keyid().to_string())
}

fn their_verdict(envelope: &str, seeds: &[u8]) -> Result<dsse::VerifiedPayload, dsse::Error> {
    let verifiers: Vec<_> = seeds.iter().map(|seed| their_signer(*seed).verifier()).collect();
    let verifiers: Vec<&dyn dsse::Verifier> = verifiers.iter().map(|verifier| verifier as _).collect();
    dsse::verify(&dsse::Envelope::from_json(envelope.as_bytes())?, &verifiers, seeds.len())
}

fn our_verdict(envelope: &str, seeds: &[u8]) -> Result<Signed, String> {
    let signed = Signed::from_envelope(envelope.as_bytes()).map_err(|error| error.code().to_owned())?;
    check_list(&signed.signatures).map_err(|error| error.code().to_owned())?;
    for signature in &signed.signatures {
        let known = seeds.iter().map(|seed| key(*seed)).find(|key| key.keyid() == signature.keyid);
        let known = known.ok_or("unknown-key")?;
        verify(&signed.event, signature, known.public()).map_err(|error| error.code().to_owned())?;
    }
    Ok(signed)
}

proptest! {
    #[test]
    fn the_dsse_crate_encodes_and_verifies_as_we_do(event in prop::collection::vec(any::<u8>(), 0..300), seeds in prop::sample::subsequence(vec![1_u8, 2, 3, 4], 1..=4)) {
        prop_assert_eq!(pae(PAYLOAD_TYPE, &event), dsse::pae(PAYLOAD_TYPE, &event));
        let keys: Vec<_> = seeds.iter().map(|seed| key(*seed)).collect();
        let ours = Signed::sign(event.clone(), &keys.iter().collect::<Vec<_>>());
        let read = their_verdict(&ours.to_envelope(), &seeds).unwrap();
        prop_assert_eq!((read.payload, read.payload_type.as_str()), (event.clone(), PAYLOAD_TYPE));

        let mut signers: Vec<_> = seeds.iter().map(|seed| their_signer(*seed)).collect();
        signers.sort_by_key(dsse::Signer::key_id);
        let signers: Vec<&dyn dsse::Signer> = signers.iter().map(|signer| signer as _).collect();
        let theirs = dsse::sign_with(PAYLOAD_TYPE, &event, &signers).unwrap().to_json().unwrap();
        prop_assert_eq!(our_verdict(&String::from_utf8(theirs).unwrap(), &seeds).unwrap(), ours);
    }

    #[test]
    fn what_was_tampered_with_both_refuse(event in prop::collection::vec(any::<u8>(), 1..100), at in any::<prop::sample::Index>(), flip in 1..=255_u8, in_event: bool) {
        let mut signed = Signed::sign(event, &[&key(1)]);
        if in_event {
            let at = at.index(signed.event.len());
            signed.event[at] ^= flip;
        } else {
            signed.signatures[0].bytes[at.index(64)] ^= flip;
        }
        prop_assert!(their_verdict(&signed.to_envelope(), &[1]).is_err());
        prop_assert_eq!(our_verdict(&signed.to_envelope(), &[1]), Err("wrong-signature".to_owned()));
    }

    #[test]
    fn signatures_are_judged_alike(message in prop::collection::vec(any::<u8>(), 0..50), seed in 1..9_u8, other in 1..9_u8) {
        let signature = key(seed).sign(&message);
        let theirs = their_signer(other).verifier().verify(&message, &signature);
        prop_assert_eq!(key(other).public().verify(&message, &signature), theirs);
    }
}

#[test]
fn the_dsse_crate_is_less_strict() {
    let envelope = Signed::sign(b"{\"a\":\">>>???\"}".to_vec(), &[&key(1)]).to_envelope();
    let url_safe = envelope.replacen('/', "_", envelope.matches('/').count()).replace('+', "-");
    let url_safe = url_safe.replace("application_vnd.lineal.event.v1-json", PAYLOAD_TYPE);
    let keyid = format!("\"keyid\":\"{}\",", key(1).keyid());
    for (lenient, code) in [
        (envelope.replacen('{', "{\"note\":1,", 1), "malformed-envelope"),
        (envelope.replace(&keyid, ""), "malformed-envelope"),
        (url_safe, "malformed-base64"),
        (envelope.replace("]}", &format!(",{{{keyid}\"sig\":\"!\"}}]}}")), "malformed-signature"),
    ] {
        assert!(their_verdict(&lenient, &[1]).is_ok(), "{lenient}");
        assert_eq!(our_verdict(&lenient, &[1]), Err(code.to_owned()), "{lenient}");
    }
    let two = Signed::sign(b"{}".to_vec(), &[&key(1), &key(2)]).to_envelope();
    assert!(their_verdict(&two, &[1]).is_ok());
    assert_eq!(our_verdict(&two, &[1]), Err("unknown-key".to_owned()));
}

/// Name and bytes of the event vectors whose bytes are given as text; `valid` ones only, or the others.
fn event_vectors(valid: bool) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/event");
    let mut events = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let case: Value = serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
        if let (Some(event), true) = (case["event"].as_str(), case["error"].is_null() == valid) {
            events.push((case["name"].as_str().unwrap().to_owned(), event.to_owned()));
        }
    }
    events.sort();
    assert!(events.len() >= 10, "event vectors");
    events
}

#[test]
fn the_sdk_reads_the_same_attributes_from_every_valid_event() {
    for (name, text) in event_vectors(true) {
        let ours = Event::parse(text.as_bytes()).unwrap();
        let theirs: cloudevents::Event = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((theirs.id(), theirs.source().as_str(), theirs.ty()), (ours.id, ours.source, ours.kind), "{name}");
        assert_eq!(
            (theirs.subject(), theirs.datacontenttype()),
            (Some(ours.subject), Some("application/json")),
            "{name}"
        );
        let schema = format!("https://lineal.dev/schemas/{}.v1.json", ours.name());
        assert_eq!(theirs.dataschema().map(ToString::to_string), Some(schema), "{name}");
        assert_eq!(theirs.time().unwrap().timestamp_millis(), ours.time.as_millis(), "{name}");
        let digest = |attribute| match theirs.extension(attribute) {
            Some(ExtensionValue::String(text)) => Some(text.parse::<EventDigest>().unwrap()),
            _ => None,
        };
        assert_eq!((digest("ledger"), digest("previous")), (ours.ledger, ours.previous), "{name}");
        let sequence = Some(ExtensionValue::String(format!("{:012}", ours.sequence)));
        assert_eq!(theirs.extension("sequence").cloned(), sequence, "{name}");
        let end = theirs.extension("sequenceend") == Some(&ExtensionValue::Boolean(true));
        assert_eq!(end, ours.sequence_end, "{name}");
        let Some(Data::Json(data)) = theirs.data() else { panic!("{name} has JSON data") };
        assert_eq!(*data, serde_json::from_str::<Value>(ours.data).unwrap(), "{name}");
    }
}

#[test]
fn the_sdk_is_less_strict() {
    let refused = event_vectors(false);
    let sdk = |name: &str| {
        let (_, text) = refused.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no vector {name}"));
        assert!(Event::parse(text.as_bytes()).is_err(), "{name}");
        serde_json::from_str::<cloudevents::Event>(text)
    };
    for name in [
        "duplicate-attribute",
        "duplicate-attribute-escaped",
        "duplicate-metric",
        "space-after-colon",
        "trailing-newline",
        "depth-33",
        "empty-subject",
        "empty-extension",
        "attribute-with-underscore",
        "control-in-extension",
        "bidi-in-subject",
        "id-of-version-4",
        "time-with-offset",
        "binary-data",
    ] {
        assert!(sdk(name).is_ok(), "{name}");
    }
    assert_eq!(sdk("duplicate-attribute").unwrap().subject(), Some("dataset/other"), "the last one wins");
    for name in ["nan", "lone-high-surrogate", "raw-newline", "two-events", "an-array", "extension-float"] {
        assert!(sdk(name).is_err(), "{name}");
    }
}

/// Runs a program that a fresh machine may not have; the message says how to get it.
fn run(program: &str, hint: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| panic!("`{program}` does not start ({error}): {hint}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{program} {}`: {said}\n{hint}", arguments.join(" "));
    output.stdout
}

const OPENSSL_HINT: &str = "this test needs openssl 3 (Debian, Ubuntu: apt-get install openssl)";

fn python_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python")
}

/// An interpreter that has the packages.
fn python() -> PathBuf {
    let programs = venv::programs("oracles", &python_folder().join("requirements.txt"));
    programs.unwrap_or_else(|error| panic!("{error}")).join("python")
}

#[test]
fn securesystemslib_verifies_our_envelopes_and_refuses_tampered_ones() {
    let keys: Vec<_> = (1..=8).map(key).collect();
    let (mut envelopes, mut expected) = (Vec::new(), Vec::new());
    for (number, (_, event)) in event_vectors(true).into_iter().enumerate() {
        let signers: Vec<_> = keys.iter().take(1 + number % 8).collect();
        let signed = Signed::sign(event.into_bytes(), &signers);
        let keyids: Vec<_> = signed.signatures.iter().map(|signature| signature.keyid.to_string()).collect();
        expected.push(format!("verified {} {}", keyids.join(","), signed.digest()));
        envelopes.push(signed.to_envelope());
    }
    let whole = envelopes.len();
    let mut tampered = Signed::from_envelope(envelopes[0].as_bytes()).unwrap();
    tampered.event[10] ^= 1;
    envelopes.push(tampered.to_envelope());
    let mut tampered = Signed::from_envelope(envelopes[1].as_bytes()).unwrap();
    tampered.signatures[1].bytes[5] ^= 1;
    envelopes.push(tampered.to_envelope());
    let pems: Vec<_> = keys.iter().map(|key| key.public().to_pem()).collect();
    let input = json!({"keys": pems, "envelopes": envelopes}).to_string();
    let script = python_folder().join("verify_envelope.py");
    let output = run(
        python().to_str().unwrap(),
        "is target/python/oracles broken? remove it",
        &[script.to_str().unwrap()],
        input.as_bytes(),
    );
    let lines: Vec<_> = std::str::from_utf8(&output).unwrap().lines().collect();
    assert_eq!(lines.len(), envelopes.len());
    assert_eq!(lines[..whole], expected);
    for line in &lines[whole..] {
        assert!(line.starts_with("refused "), "{line}");
    }
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    run("openssl", OPENSSL_HINT, arguments, input)
}

fn openssl_text(arguments: &[&str], input: &[u8]) -> String {
    String::from_utf8(openssl(arguments, input)).unwrap()
}

#[test]
fn openssl_s_keys_are_ours_and_ours_are_openssl_s() {
    for _ in 0..4 {
        let pem = openssl_text(&["genpkey", "-algorithm", "ed25519"], b"");
        let secret = SecretKey::from_pem(&pem).unwrap();
        assert_eq!(secret.to_pem().unwrap(), pem);
        let public = openssl_text(&["pkey", "-pubout"], pem.as_bytes());
        assert_eq!(secret.public().to_pem(), public);
        assert_eq!(PublicKey::from_pem(&public).unwrap(), *secret.public());
        let der = openssl(&["pkey", "-pubin", "-outform", "DER"], public.as_bytes());
        assert_eq!(PublicKey::from_der(&der).unwrap(), *secret.public());
        let digest = openssl_text(&["dgst", "-sha256", "-r"], &der);
        assert_eq!(digest.split_whitespace().next().unwrap(), secret.keyid().to_string());
    }
    let ours = key(7);
    assert_eq!(openssl_text(&["pkey", "-pubout"], ours.to_pem().unwrap().as_bytes()), ours.public().to_pem());
}

#[test]
fn openssl_verifies_our_signatures_and_we_verify_openssl_s() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openssl-oracle");
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (_, event) = event_vectors(true).remove(0);
    let (secret, event) = (key(9), event.into_bytes());
    let signed = Signed::sign(event.clone(), &[&secret]);
    let message = file("message", &pae(PAYLOAD_TYPE, &event));
    let signature = file("signature", &signed.signatures[0].bytes);
    let public = file("public.pem", secret.public().to_pem().as_bytes());
    let private = file("private.pem", secret.to_pem().unwrap().as_bytes());
    let check = ["pkeyutl", "-verify", "-pubin", "-inkey", &public, "-rawin", "-in", &message, "-sigfile", &signature];
    assert!(openssl_text(&check, b"").contains("Verified Successfully"));
    let theirs = openssl(&["pkeyutl", "-sign", "-inkey", &private, "-rawin", "-in", &message], b"");
    assert_eq!(theirs, signed.signatures[0].bytes, "Ed25519 is deterministic");
}
