//! The trust file: which ledger is meant, by the digest of its genesis, and whose signatures on its checkpoints count.
//!
//! A C2SP tlog-policy that other tools read too, with a comment of ours as its first line. Promises to keep every line
//! and to print back what it read, and that a quorum that is asked for is asked of every checkpoint. Never learns a
//! key from the ledger itself. (C2SP tlog-policy; docs/FORMAT.md, Trust file)

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{
    checkpoint::{CheckpointError, SignedCheckpoint},
    digest::EventDigest,
    note::{KeyKind, Verified, VerifierKey, VerifierKeyError},
};

mod line;

use line::Line;

/// The longest trust file that is read, in bytes: far more than the 32 logs, witnesses and groups that readers support.
pub const MAX_TRUST_BYTES: usize = 65_536;

/// What the first line says before the digest.
const HEADER: &str = "# lineal-trust v1 genesis=";

/// Why a trust file was refused, or a checkpoint by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Over [`MAX_TRUST_BYTES`].
    #[error("trust file of {0} bytes, at most {MAX_TRUST_BYTES} are read")]
    TooLong(usize),
    /// A control character that is not a newline.
    #[error("trust file has a control character at byte {0}")]
    ControlCharacter(usize),
    /// The last line does not end.
    #[error("trust file does not end in a newline")]
    Unterminated,
    /// Some other file, or another version.
    #[error("first line is not `{HEADER}<64 hex digits>`")]
    Header,
    /// Not a digest.
    #[error("genesis `{0}` is not 64 lower-case hexadecimal digits")]
    Genesis(String),
    /// A fault in one line.
    #[error("line {line}: {fault}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        fault: LineError,
    },
    /// No ledger key at all.
    #[error("trust file has no `log` line")]
    NoLog,
    /// Whether cosignatures are needed is not said.
    #[error("trust file has no `quorum` line")]
    NoQuorum,
    /// The checkpoint itself, or its signatures.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint of some other log.
    #[error("checkpoint is of `{found}`, the trust file is for `{expected}`")]
    OtherOrigin {
        /// The checkpoint's origin.
        found: String,
        /// The origin of the trusted ledger.
        expected: String,
    },
    /// Not enough witnesses.
    #[error("cosignatures do not meet the quorum `{0}`")]
    QuorumNotMet(String),
}

/// What can be wrong with one line of a trust file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not one of the lines of a tlog-policy, or not in its one spelling: single spaces, none around.
    #[error("`{0}` is not a `log`, `witness`, `group`, `quorum` or comment line with single spaces")]
    Malformed(String),
    /// The verifier key.
    #[error(transparent)]
    Key(#[from] VerifierKeyError),
    /// A cosigner's key for a log, or a log's for a witness.
    #[error("key `{0}` is of the wrong type for this line")]
    WrongKeyType(String),
    /// The same public key again.
    #[error("key `{0}` is listed twice")]
    DuplicateKey(String),
    /// A trust file is for one ledger.
    #[error("log `{found}` has another name than the log `{expected}` before")]
    OtherLog {
        /// The name on this line.
        found: String,
        /// The name on the lines before.
        expected: String,
    },
    /// Two definitions, or a definition of `none`.
    #[error("name `{0}` is taken")]
    NameTaken(String),
    /// Not defined on a line before.
    #[error("name `{0}` is not defined on a line before")]
    UnknownName(String),
    /// Each witness or group counts in one way only.
    #[error("`{0}` is a member already")]
    MemberTwice(String),
    /// Not `any`, `all`, or 1 to the number of members.
    #[error("threshold `{threshold}` of {members} members is not `any`, `all` or a number up to it")]
    Threshold {
        /// As written.
        threshold: String,
        /// How many members follow.
        members: usize,
    },
    /// A second `quorum` line.
    #[error("a second `quorum` line")]
    SecondQuorum,
}

impl TrustError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "trust-too-long",
            Self::ControlCharacter(_) => "trust-control-character",
            Self::Unterminated => "trust-unterminated",
            Self::Header => "trust-header",
            Self::Genesis(_) => "trust-malformed-genesis",
            Self::Line { fault, .. } => fault.code(),
            Self::NoLog => "trust-no-log",
            Self::NoQuorum => "trust-no-quorum",
            Self::Checkpoint(error) => error.code(),
            Self::OtherOrigin { .. } => "trust-other-origin",
            Self::QuorumNotMet(_) => "trust-quorum-not-met",
        }
    }
}

impl LineError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "trust-malformed-line",
            Self::Key(error) => error.code(),
            Self::WrongKeyType(_) => "trust-wrong-key-type",
            Self::DuplicateKey(_) => "trust-duplicate-key",
            Self::OtherLog { .. } => "trust-other-log",
            Self::NameTaken(_) => "trust-name-taken",
            Self::UnknownName(_) => "trust-unknown-name",
            Self::MemberTwice(_) => "trust-member-twice",
            Self::Threshold { .. } => "trust-threshold",
            Self::SecondQuorum => "trust-second-quorum",
        }
    }
}

/// What an auditor or a producer holds against a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    genesis: EventDigest,
    origin: String,
    lines: Vec<Line>,
    /// All keys of the lines, logs first.
    keys: Vec<VerifierKey>,
}

impl Trust {
    /// Trust in a ledger by its genesis and its keys, without witnesses. The keys share one name, the origin.
    pub fn new(genesis: EventDigest, logs: &[VerifierKey]) -> Result<Self, TrustError> {
        let logs = logs.iter().map(|key| Line::Log { key: key.clone(), url: None });
        let quorum = Line::Quorum(line::NONE.to_owned());
        Self::of_lines(genesis, logs.chain([quorum]).collect())
    }

    /// Reads a trust file.
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        if text.len() > MAX_TRUST_BYTES {
            return Err(TrustError::TooLong(text.len()));
        }
        if let Some(at) = text.bytes().position(|byte| (byte < 0x20 && byte != b'\n') || byte == 0x7f) {
            return Err(TrustError::ControlCharacter(at));
        }
        let (first, rest) = text.split_once('\n').ok_or(TrustError::Header)?;
        let genesis = first.strip_prefix(HEADER).ok_or(TrustError::Header)?;
        let genesis = genesis.parse().map_err(|_not_hex| TrustError::Genesis(genesis.to_owned()))?;
        let rest = match rest.strip_suffix('\n') {
            Some(rest) => rest,
            None if rest.is_empty() => return Err(TrustError::NoLog),
            None => return Err(TrustError::Unterminated),
        };
        let lines = (2..).zip(rest.split('\n')).map(|(number, line)| at_line(number, Line::parse(line)));
        Self::of_lines(genesis, lines.collect::<Result<_, _>>()?)
    }

    /// Checks the lines against one another.
    fn of_lines(genesis: EventDigest, lines: Vec<Line>) -> Result<Self, TrustError> {
        let mut rules = line::Rules::default();
        for (number, line) in (2..).zip(&lines) {
            at_line(number, rules.admit(line))?;
        }
        let has_quorum = rules.has_quorum();
        let (logs, witnesses) = rules.into_keys();
        let origin = logs.first().ok_or(TrustError::NoLog)?.name().to_owned();
        if !has_quorum {
            return Err(TrustError::NoQuorum);
        }
        Ok(Self { genesis, origin, lines, keys: [logs, witnesses].concat() })
    }

    /// Digest of the genesis event: entry 0 must commit to it.
    pub const fn genesis(&self) -> EventDigest {
        self.genesis
    }

    /// The ledger's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Every key of the file: the ledger's own (several after a rotation), then the witnesses'.
    pub fn verifier_keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// The ledger's own keys.
    pub fn log_keys(&self) -> impl Iterator<Item = &VerifierKey> {
        self.keys.iter().filter(|key| key.kind() == KeyKind::Log)
    }

    /// Each witness's name in this file, its key, and where to reach it, if the file says.
    pub fn witnesses(&self) -> impl Iterator<Item = (&str, &VerifierKey, Option<&str>)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Witness { name, key, url } => Some((name.as_str(), key, url.as_deref())),
            _ => None,
        })
    }

    /// Checks a checkpoint: of this ledger, signed by it, no known signature failing, and the quorum met.
    pub fn verify_checkpoint(&self, signed: &SignedCheckpoint) -> Result<Vec<Verified<'_>>, TrustError> {
        let found = &signed.checkpoint().origin;
        if *found != self.origin {
            return Err(TrustError::OtherOrigin { found: found.clone(), expected: self.origin.clone() });
        }
        let verified = signed.verify(&self.keys)?;
        match self.missing_quorum(&verified) {
            Some(quorum) => Err(TrustError::QuorumNotMet(quorum.to_owned())),
            None => Ok(verified),
        }
    }

    /// The quorum's name, if the signatures do not meet it. Every line refers to lines before, so once through is enough.
    fn missing_quorum(&self, verified: &[Verified<'_>]) -> Option<&str> {
        let mut met = BTreeSet::from([line::NONE]);
        for line in &self.lines {
            match line {
                Line::Witness { name, key, .. } if verified.iter().any(|by| by.key == key) => {
                    met.insert(name);
                }
                Line::Group { name, threshold, members } => {
                    let count = members.iter().filter(|member| met.contains(member.as_str())).count();
                    if count >= threshold.of(members.len()) {
                        met.insert(name);
                    }
                }
                _ => {}
            }
        }
        let quorum = self.lines.iter().find_map(|line| if let Line::Quorum(name) = line { Some(name) } else { None });
        quorum.map(String::as_str).filter(|name| !met.contains(name))
    }
}

fn at_line<T>(line: usize, result: Result<T, LineError>) -> Result<T, TrustError> {
    result.map_err(|fault| TrustError::Line { line, fault })
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}{}", self.genesis)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Trust {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, TrustError> {
        Self::parse(text)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        key::SecretKey,
        note::{
            self, Note,
            tests::{CHECKPOINT, LOG, WITNESS, log_key},
        },
    };

    pub(crate) fn trust(lines: &str) -> String {
        format!("{HEADER}{}\n{lines}", "5a".repeat(32))
    }

    fn witness(seed: u8) -> (String, SecretKey, VerifierKey) {
        let (name, key) = (format!("w{seed}.example"), SecretKey::from_seed([seed; 32]).unwrap());
        let vkey = VerifierKey::cosigner(&name, key.public().clone()).unwrap();
        (name, key, vkey)
    }

    /// The vector's checkpoint, cosigned by the witnesses of these seeds.
    fn cosigned(seeds: &[u8]) -> SignedCheckpoint {
        let text = Note::parse(CHECKPOINT).unwrap().text;
        let mut signatures = vec![note::sign(&text, "example.com/ledger", &log_key())];
        signatures.extend(seeds.iter().map(|&seed| {
            let (name, key, _) = witness(seed);
            note::cosign(&text, &name, &key, 1)
        }));
        SignedCheckpoint::parse(&Note { text, signatures }.to_string()).unwrap()
    }

    #[test]
    fn a_new_trust_file_is_three_lines() {
        let trust = Trust::new(EventDigest::of(b"genesis"), &[LOG.parse().unwrap()]).unwrap();
        let text = format!("# lineal-trust v1 genesis={}\nlog {LOG}\nquorum none\n", EventDigest::of(b"genesis"));
        assert_eq!(trust.to_string(), text);
        assert_eq!(Trust::parse(&text).unwrap(), trust);
        assert_eq!(trust.origin(), "example.com/ledger");
        assert_eq!(Trust::new(trust.genesis(), &[]).unwrap_err(), TrustError::NoLog);
    }

    #[test]
    fn a_rotated_ledger_has_several_keys_and_either_counts() {
        let old = VerifierKey::new("example.com/ledger", SecretKey::from_seed([9; 32]).unwrap().public().clone());
        let trust = Trust::new(EventDigest::of(b""), &[old.unwrap(), LOG.parse().unwrap()]).unwrap();
        assert_eq!(trust.log_keys().count(), 2);
        let signed = cosigned(&[]);
        let verified = trust.verify_checkpoint(&signed).unwrap();
        assert_eq!(verified[0].key.to_string(), LOG);
    }

    #[test]
    fn every_line_is_kept() {
        let text = trust(&format!(
            "# ours\nlog {LOG} https://example.com/\n\nwitness W1 {WITNESS} https://witness.example/\n\
             group all-of-them all W1\nquorum all-of-them\n# end\n"
        ));
        let trust = Trust::parse(&text).unwrap();
        assert_eq!(trust.to_string(), text);
        assert_eq!(trust.verifier_keys().len(), 2);
        assert_eq!(trust.witnesses().next().unwrap().2, Some("https://witness.example/"));
        assert_eq!(trust.verify_checkpoint(&SignedCheckpoint::parse(CHECKPOINT).unwrap()).unwrap().len(), 2);
    }

    #[test]
    fn a_quorum_of_groups_is_met_exactly_when_it_is() {
        let lines: Vec<_> = (1..=5).map(|seed| format!("witness {} {}\n", witness(seed).0, witness(seed).2)).collect();
        let lines = lines.concat();
        let text = trust(&format!(
            "log {LOG}\n{lines}group X 2 w1.example w2.example w3.example\ngroup Y any w4.example w5.example\n\
             group both all X Y\nquorum both\n"
        ));
        let trust = Trust::parse(&text).unwrap();
        for (seeds, met) in
            [(&[1, 2, 4][..], true), (&[2, 3, 5], true), (&[1, 2, 3], false), (&[1, 4, 5], false), (&[], false)]
        {
            let code = trust.verify_checkpoint(&cosigned(seeds)).map(|by| by.len()).map_err(|error| error.code());
            assert_eq!(code, if met { Ok(seeds.len() + 1) } else { Err("trust-quorum-not-met") }, "{seeds:?}");
        }
    }

    #[test]
    fn a_cosigner_of_no_name_here_does_not_count() {
        let text = trust(&format!("log {LOG}\nwitness W {}\nquorum W\n", witness(1).2));
        let trust = Trust::parse(&text).unwrap();
        assert!(trust.verify_checkpoint(&cosigned(&[1])).is_ok());
        assert_eq!(trust.verify_checkpoint(&cosigned(&[2])).unwrap_err().code(), "trust-quorum-not-met");
    }

    #[test]
    fn another_log_is_refused() {
        let other = LOG.parse::<VerifierKey>().unwrap().key().clone();
        let trust = Trust::new(EventDigest::of(b""), &[VerifierKey::new("example.com/other", other).unwrap()]).unwrap();
        assert_eq!(trust.verify_checkpoint(&cosigned(&[])).unwrap_err().code(), "trust-other-origin");
    }

    proptest! {
        #[test]
        fn what_is_read_prints_back(
            lines in prop::collection::vec("#[a ]{0,3}|[ ]?|log V( u)?[ ]?|witness [ab] W|group [cd] (any|01|1) [abc]|quorum (none|[abc])", 0..6)
        ) {
            let text = trust(&(lines.join("\n").replace('V', LOG).replace('W', WITNESS) + "\n"));
            if let Ok(trust) = Trust::parse(&text) {
                prop_assert_eq!(trust.to_string(), text);
            }
        }
    }
}
