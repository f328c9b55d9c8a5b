//! One line of a tlog-policy, and how the lines may refer to one another.
//!
//! Promises single-space spelling, and that a name is used only after its definition and in one place. Never reads the
//! first line of a trust file. (C2SP tlog-policy, Policy file syntax)

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::LineError;
use crate::{
    note::{KeyKind, VerifierKey},
    spelling::parse_integer,
};

/// The name that stands for no quorum at all.
pub(super) const NONE: &str = "none";

/// A line as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// Empty, or from its `#` on.
    Comment(String),
    Log {
        key: VerifierKey,
        url: Option<String>,
    },
    Witness {
        name: String,
        key: VerifierKey,
        url: Option<String>,
    },
    Group {
        name: String,
        threshold: Threshold,
        members: Vec<String>,
    },
    Quorum(String),
}

/// How many members of a group must have cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threshold {
    Any,
    All,
    Count(usize),
}

impl Threshold {
    /// As a number, for a group of `members`.
    pub(super) const fn of(self, members: usize) -> usize {
        match self {
            Self::Any => 1,
            Self::All => members,
            Self::Count(count) => count,
        }
    }

    fn parse(text: &str, members: usize) -> Option<Self> {
        match text {
            "any" => Some(Self::Any),
            "all" => Some(Self::All),
            number => {
                let count = usize::try_from(parse_integer(number)?).ok()?;
                (1..=members).contains(&count).then_some(Self::Count(count))
            }
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::All => f.write_str("all"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

impl Line {
    /// Reads a line without its newline.
    pub(super) fn parse(line: &str) -> Result<Self, LineError> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(Self::Comment(line.to_owned()));
        }
        let malformed = || LineError::Malformed(line.chars().take(200).collect());
        let words: Vec<&str> = line.split(' ').collect();
        if words.contains(&"") {
            return Err(malformed());
        }
        match *words {
            ["log", key] => Ok(Self::Log { key: parse_key(key, KeyKind::Log)?, url: None }),
            ["log", key, url] => Ok(Self::Log { key: parse_key(key, KeyKind::Log)?, url: Some(url.to_owned()) }),
            ["witness", name, key] => Self::witness(name, key, None),
            ["witness", name, key, url] => Self::witness(name, key, Some(url)),
            ["group", name, threshold, first, ref others @ ..] => Self::group(name, threshold, first, others),
            ["quorum", name] => Ok(Self::Quorum(name.to_owned())),
            _ => Err(malformed()),
        }
    }

    fn witness(name: &str, key: &str, url: Option<&str>) -> Result<Self, LineError> {
        let key = parse_key(key, KeyKind::Cosignature)?;
        Ok(Self::Witness { name: name.to_owned(), key, url: url.map(str::to_owned) })
    }

    fn group(name: &str, threshold: &str, first: &str, others: &[&str]) -> Result<Self, LineError> {
        let members: Vec<String> = std::iter::once(&first).chain(others).map(|&member| member.to_owned()).collect();
        let refused = || LineError::Threshold { threshold: threshold.to_owned(), members: members.len() };
        let threshold = Threshold::parse(threshold, members.len()).ok_or_else(refused)?;
        Ok(Self::Group { name: name.to_owned(), threshold, members })
    }
}

fn parse_key(text: &str, kind: KeyKind) -> Result<VerifierKey, LineError> {
    let key: VerifierKey = text.parse()?;
    if key.kind() == kind { Ok(key) } else { Err(LineError::WrongKeyType(text.to_owned())) }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match self {
            Self::Comment(text) => return f.write_str(text),
            Self::Quorum(name) => return write!(f, "quorum {name}"),
            Self::Group { name, threshold, members } => {
                return write!(f, "group {name} {threshold} {}", members.join(" "));
            }
            Self::Log { key, url } => {
                write!(f, "log {key}")?;
                url
            }
            Self::Witness { name, key, url } => {
                write!(f, "witness {name} {key}")?;
                url
            }
        };
        url.iter().try_for_each(|url| write!(f, " {url}"))
    }
}

/// What the lines so far have defined, used and listed.
#[derive(Debug, Default)]
pub(super) struct Rules<'l> {
    logs: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
    names: BTreeSet<&'l str>,
    members: BTreeMap<&'l str, &'l str>,
    quorum: Option<&'l str>,
}

impl<'l> Rules<'l> {
    /// Takes the next line, or says which rule it breaks.
    pub(super) fn admit(&mut self, line: &'l Line) -> Result<(), LineError> {
        match line {
            Line::Comment(_) => Ok(()),
            Line::Log { key, .. } => self.admit_log(key),
            Line::Witness { name, key, .. } => {
                list(&mut self.witnesses, key)?;
                self.define(name)
            }
            Line::Group { name, members, .. } => {
                members.iter().try_for_each(|member| self.join(member, name))?;
                self.define(name)
            }
            Line::Quorum(name) => self.admit_quorum(name),
        }
    }

    /// Whether the `quorum` line has come.
    pub(super) const fn has_quorum(&self) -> bool {
        self.quorum.is_some()
    }

    /// The keys of logs and of witnesses, in the order of their lines.
    pub(super) fn into_keys(self) -> (Vec<VerifierKey>, Vec<VerifierKey>) {
        (self.logs, self.witnesses)
    }

    fn admit_log(&mut self, key: &VerifierKey) -> Result<(), LineError> {
        if let Some(first) = self.logs.first()
            && first.name() != key.name()
        {
            return Err(LineError::OtherLog { found: key.name().to_owned(), expected: first.name().to_owned() });
        }
        if key.kind() != KeyKind::Log {
            return Err(LineError::WrongKeyType(key.to_string()));
        }
        list(&mut self.logs, key)
    }

    fn admit_quorum(&mut self, name: &'l str) -> Result<(), LineError> {
        if self.quorum.is_some() {
            return Err(LineError::SecondQuorum);
        }
        if name != NONE && !self.names.contains(name) {
            return Err(LineError::UnknownName(name.to_owned()));
        }
        self.quorum = Some(name);
        Ok(())
    }

    fn define(&mut self, name: &'l str) -> Result<(), LineError> {
        if name == NONE || !self.names.insert(name) {
            return Err(LineError::NameTaken(name.to_owned()));
        }
        Ok(())
    }

    fn join(&mut self, member: &'l str, group: &'l str) -> Result<(), LineError> {
        if !self.names.contains(member) {
            return Err(LineError::UnknownName(member.to_owned()));
        }
        match self.members.insert(member, group) {
            Some(_) => Err(LineError::MemberTwice(member.to_owned())),
            None => Ok(()),
        }
    }
}

/// Two lines may not wrap the same public key, whatever they call it.
fn list(keys: &mut Vec<VerifierKey>, key: &VerifierKey) -> Result<(), LineError> {
    if keys.iter().any(|listed| listed.key() == key.key()) {
        return Err(LineError::DuplicateKey(key.name().to_owned()));
    }
    keys.push(key.clone());
    Ok(())
}
