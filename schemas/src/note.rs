//! C2SP signed notes: a text that a person can read, and under it one line for each signature.
//!
//! This is how a checkpoint is signed. Promises one spelling for each note, that every signature by a key that the
//! reader knows is checked, and that one failing among them refuses the whole note. Never decides whose keys count:
//! the caller brings them, from a trust file or from the registry. (C2SP signed-note v1.0.0, tlog-cosignature v1.0.1;
//! docs/FORMAT.md, Notes)

use std::fmt;

use crate::{
    key::SecretKey,
    spelling::{parse_base64, print_base64},
};

mod vkey;

use vkey::key_id;
pub use vkey::{KeyKind, VerifierKey, VerifierKeyError};

/// The longest note that is read, in bytes. Other readers of signed notes stop here too.
pub const MAX_NOTE_BYTES: usize = 1_000_000;

/// The most signature lines that are read. The specification asks for at least 16.
pub const MAX_NOTE_SIGNATURES: usize = 100;

/// What every signature line starts with: an em dash (U+2014) and a space.
const LINE_START: &str = "\u{2014} ";

/// Why a note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Over [`MAX_NOTE_BYTES`].
    #[error("note of {0} bytes, at most {MAX_NOTE_BYTES} are read")]
    TooLong(usize),
    /// A control character that is not a newline.
    #[error("note has a control character at byte {0}")]
    ControlCharacter(usize),
    /// No blank line, or nothing after it.
    #[error("note has no signature lines after a blank line")]
    Unsigned,
    /// The last line does not end.
    #[error("last signature line of the note does not end in a newline")]
    Unterminated,
    /// Over [`MAX_NOTE_SIGNATURES`].
    #[error("note has more than {MAX_NOTE_SIGNATURES} signature lines")]
    TooManySignatures,
    /// Not an em dash, a space, a key name, a space and base64.
    #[error("signature line {0} of the note is not `\u{2014} <key name> <base64>`")]
    MalformedLine(usize),
    /// A key name that is empty or holds a space or a plus.
    #[error("signature line {line} of the note names an impossible key `{name}`")]
    KeyName {
        /// Counted from 1.
        line: usize,
        /// The name as found.
        name: String,
    },
    /// Not canonical standard base64.
    #[error("signature line {0} of the note is not canonical base64")]
    Base64(usize),
    /// No room for a key id and a signature.
    #[error("signature line {0} of the note holds less than a key id and one byte")]
    ShortSignature(usize),
    /// A signature by a key that the reader knows does not verify.
    #[error("signature by {name}+{id:08x} does not verify")]
    BadSignature {
        /// The key's name.
        name: String,
        /// The key's id.
        id: u32,
    },
    /// Nobody that the reader knows has signed.
    #[error("note carries no signature by a known key")]
    Unverified,
}

impl NoteError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "note-too-long",
            Self::ControlCharacter(_) => "note-control-character",
            Self::Unsigned => "note-unsigned",
            Self::Unterminated => "note-unterminated",
            Self::TooManySignatures => "note-too-many-signatures",
            Self::MalformedLine(_) => "note-malformed-line",
            Self::KeyName { .. } => "note-key-name",
            Self::Base64(_) => "note-malformed-base64",
            Self::ShortSignature(_) => "note-short-signature",
            Self::BadSignature { .. } => "note-bad-signature",
            Self::Unverified => "note-unverified",
        }
    }
}

/// A text and its signatures, read but not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is signed, with its last newline.
    pub text: String,
    /// The signature lines in their order, known keys and unknown ones.
    pub signatures: Vec<NoteSignature>,
}

impl Note {
    /// Reads a whole note. The last blank line separates text and signatures.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong(note.len()));
        }
        if let Some(at) = note.bytes().position(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::ControlCharacter(at));
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Unsigned)?;
        if lines.is_empty() {
            return Err(NoteError::Unsigned);
        }
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Unterminated)?;
        if lines.split('\n').nth(MAX_NOTE_SIGNATURES).is_some() {
            return Err(NoteError::TooManySignatures);
        }
        let signatures = (1..).zip(lines.split('\n')).map(|(number, line)| NoteSignature::parse(line, number));
        Ok(Self { text: format!("{text}\n"), signatures: signatures.collect::<Result<_, _>>()? })
    }

    /// Checks every signature by one of `keys`, ignores all others, and returns who has signed, in the order of `keys`.
    ///
    /// One failing signature by a known key refuses the note, and so does none at all.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Verified<'k>>, NoteError> {
        let mut verified = Vec::new();
        for key in keys {
            verified.extend(self.verify_by(key)?);
        }
        if verified.is_empty() {
            return Err(NoteError::Unverified);
        }
        Ok(verified)
    }

    /// Checks all lines by one key. A cosigner may have signed again later: the newest time counts.
    fn verify_by<'k>(&self, key: &'k VerifierKey) -> Result<Option<Verified<'k>>, NoteError> {
        let mut newest: Option<Verified<'k>> = None;
        for line in self.signatures.iter().filter(|line| line.id == key.id() && line.name == key.name()) {
            let found = key
                .check(&self.text, &line.bytes)
                .ok_or_else(|| NoteError::BadSignature { name: line.name.clone(), id: line.id })?;
            if newest.as_ref().is_none_or(|known| known.timestamp < found.timestamp) {
                newest = Some(found);
            }
        }
        Ok(newest)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// A signature that verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'k> {
    /// Whose it is.
    pub key: &'k VerifierKey,
    /// When a cosigner says it saw the checkpoint, in seconds since 1970; nothing for a log's own signature.
    pub timestamp: Option<u64>,
}

/// One signature line: whose it claims to be, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The first four bytes of the key's hash, as a big-endian integer.
    pub id: u32,
    /// What the kind of key says that they are; at least one byte.
    pub bytes: Vec<u8>,
}

impl NoteSignature {
    /// Reads a line without its newline; `number` counts lines from 1.
    fn parse(line: &str, number: usize) -> Result<Self, NoteError> {
        let line = line.strip_prefix(LINE_START).ok_or(NoteError::MalformedLine(number))?;
        let (name, base64) = line.split_once(' ').ok_or(NoteError::MalformedLine(number))?;
        if !is_key_name(name) {
            return Err(NoteError::KeyName { line: number, name: name.to_owned() });
        }
        let bytes = parse_base64(base64).ok_or(NoteError::Base64(number))?;
        match bytes.split_first_chunk() {
            Some((id, bytes)) if !bytes.is_empty() => {
                Ok(Self { name: name.to_owned(), id: u32::from_be_bytes(*id), bytes: bytes.to_vec() })
            }
            _ => Err(NoteError::ShortSignature(number)),
        }
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.bytes);
        write!(f, "{LINE_START}{} {}", self.name, print_base64(&bytes))
    }
}

/// Signs a text that ends in a newline, as the log called `name` (key type 0x01).
pub fn sign(text: &str, name: &str, key: &SecretKey) -> NoteSignature {
    let id = key_id(name, KeyKind::Log, key.public());
    NoteSignature { name: name.to_owned(), id, bytes: key.sign(text.as_bytes()).to_vec() }
}

/// Cosigns a checkpoint's text as the witness called `name`, at `timestamp` seconds since 1970 (key type 0x04).
///
/// Says that no larger tree, and none that contradicts this one, has been seen: the caller has checked it.
pub fn cosign(text: &str, name: &str, key: &SecretKey, timestamp: u64) -> NoteSignature {
    let mut bytes = timestamp.to_be_bytes().to_vec();
    bytes.extend_from_slice(&key.sign(cosigned(text, timestamp).as_bytes()));
    NoteSignature { name: name.to_owned(), id: key_id(name, KeyKind::Cosignature, key.public()), bytes }
}

/// What a cosigner signs: a header, the time, and the whole text.
fn cosigned(text: &str, timestamp: u64) -> String {
    format!("cosignature/v1\ntime {timestamp}\n{text}")
}

/// Key names are not empty and hold no Unicode space, plus or control character.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|char| char.is_whitespace() || char == '+' || char < ' ')
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) const LOG: &str = "example.com/ledger+93727de6+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    pub(crate) const WITNESS: &str = "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X";
    pub(crate) const CHECKPOINT: &str = "example.com/ledger\n3\n1BhuPAWmIM5hOX6Di/vXbm8n5tfaoTxZ64Ko4JRgjhw=\n\n\
        \u{2014} example.com/ledger k3J95onrqIdJZ4Kf9bQsRUZxrIuHUPQe19Rli9nn/NKYxY5pbqq2bhuIefPZIMyktrB+1KMI+tuYmZ+DuEW1s1iv8Ac=\n\
        \u{2014} witness.example/w1 IDJKvgAAAABkGFDLiImgaU3PSk7fCjaEyVX9A5leUEm/zqkp+uoBzKnriO8wKTaFabTb426IIXs27viw6OgwiqPUREAbMx1vV2wfAw==\n";

    pub(crate) fn log_key() -> SecretKey {
        SecretKey::from_seed(std::array::from_fn(|i| u8::try_from(i).unwrap())).unwrap()
    }

    pub(crate) fn witness_key() -> SecretKey {
        SecretKey::from_seed(std::array::from_fn(|i| u8::try_from(i + 32).unwrap())).unwrap()
    }

    fn keys() -> Vec<VerifierKey> {
        vec![LOG.parse().unwrap(), WITNESS.parse().unwrap()]
    }

    #[test]
    fn the_vector_verifies_and_prints_back() {
        let note = Note::parse(CHECKPOINT).unwrap();
        assert_eq!(note.to_string(), CHECKPOINT);
        let keys = keys();
        let verified = note.verify(&keys).unwrap();
        assert_eq!(verified[0], Verified { key: &keys[0], timestamp: None });
        assert_eq!(verified[1], Verified { key: &keys[1], timestamp: Some(1_679_315_147) });
    }

    #[test]
    fn signing_again_gives_the_same_bytes() {
        let text = Note::parse(CHECKPOINT).unwrap().text;
        let log = sign(&text, "example.com/ledger", &log_key());
        let witness = cosign(&text, "witness.example/w1", &witness_key(), 1_679_315_147);
        assert_eq!(Note { text, signatures: vec![log, witness] }.to_string(), CHECKPOINT);
    }

    #[test]
    fn a_failing_signature_by_a_known_key_refuses_the_note_and_an_unknown_one_does_not() {
        let mut note = Note::parse(CHECKPOINT).unwrap();
        note.signatures[1].bytes[20] ^= 1;
        assert_eq!(note.verify(&keys()).unwrap_err().code(), "note-bad-signature");
        assert_eq!(note.verify(&keys()[..1]).unwrap().len(), 1);
        note.signatures[1].bytes.truncate(8);
        assert_eq!(note.verify(&keys()).unwrap_err().code(), "note-bad-signature");
    }

    #[test]
    fn a_second_failing_line_by_the_same_key_is_not_overlooked() {
        let mut note = Note::parse(CHECKPOINT).unwrap();
        let mut again = note.signatures[0].clone();
        again.bytes[0] ^= 1;
        note.signatures.push(again);
        assert_eq!(note.verify(&keys()).unwrap_err().code(), "note-bad-signature");
    }

    #[test]
    fn a_cosigner_counts_once_with_its_newest_time() {
        let mut note = Note::parse(CHECKPOINT).unwrap();
        note.signatures.push(cosign(&note.text, "witness.example/w1", &witness_key(), 1_679_315_148));
        note.signatures.push(cosign(&note.text, "witness.example/w1", &witness_key(), 9));
        let keys = keys();
        let verified = note.verify(&keys).unwrap();
        assert_eq!(verified.len(), 2);
        assert_eq!(verified[1].timestamp, Some(1_679_315_148));
    }

    #[test]
    fn a_cosignature_beyond_the_end_of_time_is_refused() {
        let mut note = Note::parse(CHECKPOINT).unwrap();
        note.signatures[1] = cosign(&note.text, "witness.example/w1", &witness_key(), 1 << 63);
        assert_eq!(note.verify(&keys()).unwrap_err().code(), "note-bad-signature");
    }

    #[test]
    fn a_note_that_no_known_key_signed_is_refused() {
        let other = VerifierKey::new("example.com/ledger", witness_key().public().clone()).unwrap();
        assert_eq!(Note::parse(CHECKPOINT).unwrap().verify(&[other]).unwrap_err(), NoteError::Unverified);
        assert_eq!(Note::parse(CHECKPOINT).unwrap().verify(&[]).unwrap_err(), NoteError::Unverified);
    }

    #[test]
    fn the_last_blank_line_separates() {
        let text = "a\n\n\u{2014} not a signature\n\n\n";
        let note = Note { text: text.to_owned(), signatures: vec![sign(text, "n", &log_key())] };
        assert_eq!(Note::parse(&note.to_string()).unwrap(), note);
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let signature = sign("a\n", "n", &log_key());
        let mut note = Note { text: "a\n".to_owned(), signatures: vec![signature.clone(); MAX_NOTE_SIGNATURES] };
        assert_eq!(Note::parse(&note.to_string()).unwrap().signatures.len(), MAX_NOTE_SIGNATURES);
        note.signatures.push(signature);
        assert_eq!(Note::parse(&note.to_string()).unwrap_err(), NoteError::TooManySignatures);
        let long = format!("{}\n\n\u{2014} n AAAAAAA=\n", "a".repeat(MAX_NOTE_BYTES));
        assert_eq!(Note::parse(&long).unwrap_err().code(), "note-too-long");
    }

    proptest! {
        #[test]
        fn what_is_read_prints_back(note in "[a\n]{0,9}\n\n(\u{2014} [a+ ]{1,3} [A-D=]{0,12}\n){0,3}[\n ]?") {
            if let Ok(parsed) = Note::parse(&note) {
                prop_assert_eq!(parsed.to_string(), note);
            }
        }

        #[test]
        fn what_is_printed_reads_back(
            text in "[^\\x00-\\x1f]{0,20}(\n[^\\x00-\\x1f]{0,9}){0,3}\n",
            lines in prop::collection::vec(
                ("[!-*,-~]{1,12}", any::<u32>(), prop::collection::vec(any::<u8>(), 1..80)), 1..4),
        ) {
            let signatures = lines.into_iter().map(|(name, id, bytes)| NoteSignature { name, id, bytes }).collect();
            let note = Note { text, signatures };
            prop_assert_eq!(Note::parse(&note.to_string()).unwrap(), note);
        }
    }
}
