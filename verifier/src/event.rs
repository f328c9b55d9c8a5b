//! An event by itself: its form, its signatures under the keys at hand, and its place in a record if there is one.
//!
//! Promises to say what it can't check for want of a key or a record. Never takes a key from the event itself.
//! (DSSE v1.0.2; docs/AUDIT.md)

use lineal_schemas::{
    admission,
    digest::{EventDigest, KeyId},
    dsse::{self, Signature, SignatureError, Signed},
    event::EventError,
    facts::Facts,
    key::PublicKey,
    vocabulary::VocabularyError,
};

use crate::{
    answer::Answer,
    finding::Finding,
    log::Verification,
    report::{Verdict, in_short},
};

/// An event as it lies in a file: with its signatures, or its bytes alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given(Signed);

impl Given {
    /// Reads a file: DSSE envelopes, one a line, or one raw event. `beside` is the text of a file of signatures,
    /// `<keyid>:<base64>` one a line, that belongs to a raw event. A last newline is not part of an event.
    pub fn read(file: &[u8], beside: Option<&str>) -> Result<Vec<Self>, SignatureError> {
        if is_envelope(file) {
            let lines = file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            return lines.map(|line| Signed::from_envelope(line).map(Self)).collect();
        }
        let event = file.strip_suffix(b"\n").unwrap_or(file).to_vec();
        let lines = beside.unwrap_or_default().lines().filter(|line| !line.is_empty());
        let signatures = lines.map(str::parse).collect::<Result<_, _>>()?;
        Ok(vec![Self(Signed { event, signatures })])
    }

    /// SHA-256 of the event's bytes.
    pub fn digest(&self) -> EventDigest {
        self.0.digest()
    }

    /// The signatures that came with it; none with a raw event alone.
    pub fn signatures(&self) -> &[Signature] {
        &self.0.signatures
    }
}

/// An envelope begins with a member that no event has: `payload`, `payloadType` or `signatures`.
fn is_envelope(file: &[u8]) -> bool {
    let name: Vec<u8> = file.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).skip(2).take(7).collect();
    name == b"payload" || name == b"signatu"
}

/// Checks an event under the keys that were brought, and in a record that was checked already.
pub fn check(given: &Given, keys: &[PublicKey], record: Option<&Verification>) -> Answer {
    let digest = given.digest();
    let mut answer = Answer::about(format!("event {digest}"));
    check_form(given, digest, &mut answer);
    check_signatures(given, keys, record, &mut answer);
    match record {
        Some(record) => check_place(digest, record, &mut answer),
        None => {
            answer.leaves_open("whether its signers had the authority, and whether it is on the record: give --trust FILE --record DIR");
        }
    }
    answer
}

fn check_form(given: &Given, digest: EventDigest, answer: &mut Answer) {
    let form = Facts::read(&given.0.event, digest);
    match form {
        Ok(Facts { payload: Ok(_), kind, source, sequence, .. }) => {
            answer.holds(format!("{kind}, number {sequence} of {source}"));
            answer.holds("its form, and its data under the schema of its type");
        }
        Ok(Facts { payload: Err(error), .. }) => answer.fails(of_vocabulary(&error)),
        Err(error) => answer.fails(of_event(&error)),
    }
}

fn of_event(error: &EventError) -> Finding {
    Finding::error(error.code(), "a CloudEvents event in one line of compact JSON", error)
}

fn of_vocabulary(error: &VocabularyError) -> Finding {
    Finding::error(error.code(), "data as its type and subject ask for", error)
}

fn check_signatures(given: &Given, keys: &[PublicKey], record: Option<&Verification>, answer: &mut Answer) {
    if given.0.signatures.is_empty() {
        answer.lacks("its signatures: none are beside it (an envelope has them, or FILE.sig)");
        return;
    }
    if let Err(error) = admission::inspect(given.0.clone()).map(drop) {
        answer.fails(Finding::error(error.code(), "1 to 8 signatures, sorted by key id and distinct", error));
    }
    let registry = record.and_then(|record| record.registry.as_ref());
    let key_of = |keyid: &KeyId| {
        let brought = keys.iter().find(|key| key.keyid() == *keyid);
        brought.or_else(|| registry.and_then(|registry| registry.key(keyid)))
    };
    for signature in &given.0.signatures {
        let keyid = signature.keyid;
        match key_of(&keyid).map(|key| dsse::verify(&given.0.event, signature, key)) {
            Some(Ok(())) => answer.holds(format!("the signature by key {keyid}")),
            Some(Err(error)) => answer.fails(Finding::error(error.code(), "a signature that verifies", error)),
            None => answer.lacks(format!("the signature by key {keyid}: its key is needed (--key PEM)")),
        }
    }
}

fn check_place(digest: EventDigest, record: &Verification, answer: &mut Answer) {
    let report = &record.report;
    match (record.places.get(&digest), report.verdict) {
        (Some(index), Verdict::Verified) => {
            answer.holds(format!("admitted as entry {index} of a verified record of {} entries", report.entries));
        }
        (_, Verdict::NotVerified) => {
            let found = report.findings.first().map_or_else(|| "a finding".to_owned(), in_short);
            answer.fails(Finding::error("record-not-verified", "a record that is verified", found));
        }
        (_, Verdict::CouldNotTell) => answer.lacks("its place: the record itself could not be verified to its end"),
        (None, Verdict::Verified) => {
            let found = format!("no such event among {} entries", report.entries);
            answer.fails(Finding::error("event-not-on-record", "the event on the record", found));
        }
    }
}

/// Checks every event of a file; the answer is verified when each of them is.
pub fn check_all(given: &[Given], keys: &[PublicKey], record: Option<&Verification>) -> Answer {
    let mut answers = given.iter().map(|event| check(event, keys, record));
    match (answers.next(), given.len()) {
        (Some(answer), 1) => answer,
        (Some(first), count) => {
            let mut all = Answer::about(format!("{count} events"));
            all.join(first);
            answers.for_each(|answer| all.join(answer));
            all
        }
        (None, _) => {
            let mut answer = Answer::about("no event");
            answer.lacks("anything: the file holds no event");
            answer
        }
    }
}
