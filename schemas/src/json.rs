//! One pass over JSON text that refuses everything that two readers could understand differently.
//!
//! Promises, at every depth: valid UTF-8, the grammar of RFC 8259, no member twice (compared after unescaping), no lone
//! surrogate, no raw control character, no trailing byte, at most 32 levels, numbers of at most 64 characters; and in
//! compact form no white space outside strings. Never builds a tree and never changes a byte: typed readers run over
//! text that has passed. (docs/FORMAT.md, Compact JSON)

use std::{borrow::Cow, collections::BTreeSet};

mod split;

pub use split::split_object;

/// The deepest nesting; the root is level 1.
pub const MAX_DEPTH: usize = 32;

/// The longest number, in characters.
pub const MAX_NUMBER_CHARS: usize = 64;

/// The most digits of an exponent.
const MAX_EXPONENT_DIGITS: usize = 3;

/// What is wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// Against the grammar.
    #[error("not JSON")]
    Grammar,
    /// A member of that name stands in the object already.
    #[error("a member of this name stands in the object already")]
    DuplicateKey,
    /// Half of a surrogate pair.
    #[error("half of a surrogate pair")]
    LoneSurrogate,
    /// A byte below 0x20 inside a string: a raw newline or tab, say.
    #[error("a raw control character in a string")]
    ControlCharacter,
    /// Something after the value.
    #[error("trailing bytes after the value")]
    TrailingBytes,
    /// Nested deeper than 32 levels.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// White space outside strings where compact JSON is asked for.
    #[error("white space outside a string: compact JSON has none")]
    NotCompact,
    /// A number of more than 64 characters or with an exponent of more than 3 digits.
    #[error("a number of more than {MAX_NUMBER_CHARS} characters, or an exponent of more than 3 digits")]
    NumberTooLong,
    /// The root is not an object.
    #[error("the root is not an object")]
    NotAnObject,
}

/// A fault, where it is in the bytes, and the path of members that leads to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}, at byte {at}{}", if path.is_empty() { String::new() } else { format!(", in `{path}`") })]
pub struct JsonError {
    /// What is wrong.
    pub fault: Fault,
    /// Offset of the first byte concerned, from 0.
    pub at: usize,
    /// Names of the members around it, joined by dots; empty at the root.
    pub path: String,
}

impl JsonError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self.fault {
            Fault::Utf8 => "invalid-utf8",
            Fault::Grammar => "malformed-json",
            Fault::DuplicateKey => "duplicate-key",
            Fault::LoneSurrogate => "lone-surrogate",
            Fault::ControlCharacter => "raw-control-character",
            Fault::TrailingBytes => "trailing-bytes",
            Fault::TooDeep => "too-deep",
            Fault::NotCompact => "not-compact",
            Fault::NumberTooLong => "number-too-long",
            Fault::NotAnObject => "not-an-object",
        }
    }

    /// The same without the names of members, which are the sender's words.
    pub fn without_values(&self) -> String {
        format!("{}, at byte {}", self.fault, self.at)
    }

    fn inside(mut self, name: &str) -> Self {
        self.path = if self.path.is_empty() { name.to_owned() } else { format!("{name}.{}", self.path) };
        self
    }
}

/// A member of the root object, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// The name between its quotes, escapes left as written.
    pub name: &'a str,
    /// The value's exact text.
    pub value: &'a str,
    /// Offset of the value in the text.
    pub at: usize,
}

/// Checks one compact JSON object and returns its members in their order.
pub fn scan_object(bytes: &[u8]) -> Result<Vec<Member<'_>>, JsonError> {
    let mut scanner = Scanner::new(bytes, true)?;
    if scanner.peek() != Some(b'{') {
        return Err(scanner.fault(if scanner.at_space() { Fault::NotCompact } else { Fault::NotAnObject }));
    }
    let mut members = Vec::with_capacity(16);
    scanner.object(1, Some(&mut members))?;
    scanner.end()?;
    Ok(members)
}

/// Checks one JSON value that may have white space between its tokens, and returns it as text.
pub fn scan_relaxed(bytes: &[u8]) -> Result<&str, JsonError> {
    let mut scanner = Scanner::new(bytes, false)?;
    scanner.space()?;
    scanner.value(1)?;
    scanner.space()?;
    scanner.end()?;
    Ok(scanner.text)
}

struct Scanner<'a> {
    text: &'a str,
    rest: &'a [u8],
    compact: bool,
    /// The first names of every object that is open, the innermost last: one list, so that objects cost no allocation.
    names: Vec<Cow<'a, str>>,
}

impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8], compact: bool) -> Result<Self, JsonError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { text, rest: bytes, compact, names: Vec::with_capacity(32) }),
            Err(error) => Err(JsonError { fault: Fault::Utf8, at: error.valid_up_to(), path: String::new() }),
        }
    }

    fn at(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    fn fault(&self, fault: Fault) -> JsonError {
        JsonError { fault, at: self.at(), path: String::new() }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn at_space(&self) -> bool {
        matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r'))
    }

    fn space(&mut self) -> Result<(), JsonError> {
        while self.at_space() {
            if self.compact {
                return Err(self.fault(Fault::NotCompact));
            }
            self.skip(1);
        }
        Ok(())
    }

    fn end(&self) -> Result<(), JsonError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.fault(Fault::TrailingBytes)) }
    }

    fn token(&mut self, byte: u8) -> Result<(), JsonError> {
        self.space()?;
        if self.peek() != Some(byte) {
            return Err(self.fault(Fault::Grammar));
        }
        self.skip(1);
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        self.space()?;
        match self.peek() {
            Some(b'{') => self.object(depth, None),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.literal(),
        }
    }

    fn literal(&mut self) -> Result<(), JsonError> {
        for word in ["true", "false", "null"] {
            if self.rest.starts_with(word.as_bytes()) {
                self.skip(word.len());
                return Ok(());
            }
        }
        Err(self.fault(Fault::Grammar))
    }

    fn enter(&mut self, depth: usize) -> Result<usize, JsonError> {
        if depth > MAX_DEPTH {
            return Err(self.fault(Fault::TooDeep));
        }
        self.skip(1);
        self.space()?;
        Ok(depth.saturating_add(1))
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        let inner = self.enter(depth)?;
        if self.peek() == Some(b']') {
            self.skip(1);
            return Ok(());
        }
        loop {
            self.value(inner)?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    fn object(&mut self, depth: usize, mut members: Option<&mut Vec<Member<'a>>>) -> Result<(), JsonError> {
        let inner = self.enter(depth)?;
        if self.peek() == Some(b'}') {
            self.skip(1);
            return Ok(());
        }
        let mut names = Names { first: self.names.len(), many: BTreeSet::new() };
        loop {
            let name_at = self.at();
            let name = self.name()?;
            if !names.add(&mut self.names, unescape(name)) {
                let fault = JsonError { fault: Fault::DuplicateKey, at: name_at, path: String::new() };
                return Err(fault.inside(name));
            }
            self.token(b':')?;
            self.space()?;
            let at = self.at();
            self.value(inner).map_err(|error| error.inside(name))?;
            if let Some(members) = members.as_deref_mut() {
                members.push(Member { name, value: self.text.get(at..self.at()).unwrap_or_default(), at });
            }
            if !self.more(b'}')? {
                self.names.truncate(names.first);
                return Ok(());
            }
            self.space()?;
        }
    }

    /// After a value: true at a comma, false at the closing bracket.
    fn more(&mut self, close: u8) -> Result<bool, JsonError> {
        self.space()?;
        match self.peek() {
            Some(b',') => {
                self.skip(1);
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.skip(1);
                Ok(false)
            }
            _ => Err(self.fault(Fault::Grammar)),
        }
    }

    fn name(&mut self) -> Result<&'a str, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.fault(Fault::Grammar));
        }
        let start = self.at().saturating_add(1);
        self.string()?;
        Ok(self.text.get(start..self.at().saturating_sub(1)).unwrap_or_default())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.skip(1);
        loop {
            let plain = self.rest.iter().take_while(|byte| **byte >= 0x20 && **byte != b'"' && **byte != b'\\').count();
            self.skip(plain);
            match self.peek() {
                Some(b'"') => {
                    self.skip(1);
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.fault(Fault::ControlCharacter)),
                None => return Err(self.fault(Fault::Grammar)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.rest.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.skip(2);
                Ok(())
            }
            Some(b'u') => self.unicode(),
            _ => Err(self.fault(Fault::Grammar)),
        }
    }

    fn unicode(&mut self) -> Result<(), JsonError> {
        let first = hex4(self.rest.get(2..6)).ok_or_else(|| self.fault(Fault::Grammar))?;
        match first {
            0xD800..=0xDBFF => {
                let second =
                    self.rest.get(6..8).filter(|next| *next == b"\\u").and_then(|_| hex4(self.rest.get(8..12)));
                if !matches!(second, Some(0xDC00..=0xDFFF)) {
                    return Err(self.fault(Fault::LoneSurrogate));
                }
                self.skip(12);
            }
            0xDC00..=0xDFFF => return Err(self.fault(Fault::LoneSurrogate)),
            _ => self.skip(6),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.rest;
        let error = self.fault(Fault::NumberTooLong);
        if self.peek() == Some(b'-') {
            self.skip(1);
        }
        if self.peek() == Some(b'0') {
            self.skip(1);
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.skip(1);
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.skip(1);
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.skip(1);
            }
            if self.digits()? > MAX_EXPONENT_DIGITS {
                return Err(error);
            }
        }
        if start.len().saturating_sub(self.rest.len()) > MAX_NUMBER_CHARS {
            return Err(error);
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<usize, JsonError> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.fault(Fault::Grammar));
        }
        self.skip(count);
        Ok(count)
    }
}

/// The names met in one object: the first few in the scanner's list, searched in order; the others in a set.
struct Names<'a> {
    first: usize,
    many: BTreeSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    const FEW: usize = 24;

    /// False when the name is there already.
    fn add(&mut self, list: &mut Vec<Cow<'a, str>>, name: Cow<'a, str>) -> bool {
        let few = list.get(self.first..).unwrap_or_default();
        if few.contains(&name) {
            return false;
        }
        if few.len() < Self::FEW {
            list.push(name);
            return true;
        }
        self.many.insert(name)
    }
}

fn hex4(digits: Option<&[u8]>) -> Option<u32> {
    let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The text that the inside of a checked JSON string stands for.
pub(crate) fn unescape(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    // The scanner has checked every escape: a reader of the quoted text can't fail on it.
    serde_json::from_str(&format!("\"{inside}\"")).map_or(Cow::Borrowed(inside), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn refuses(text: &[u8], code: &str) {
        assert_eq!(scan_object(text).unwrap_err().code(), code, "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn members_come_back_as_written() {
        let members = scan_object(br#"{"a":[1,-0.5e+3,"\u00e9\ud83d\ude00"],"b":{},"c":null}"#).unwrap();
        let values: Vec<_> = members.iter().map(|member| (member.name, member.value)).collect();
        assert_eq!(values, [("a", r#"[1,-0.5e+3,"\u00e9\ud83d\ude00"]"#), ("b", "{}"), ("c", "null")]);
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        refuses(br#"{"auc":"0.10","auc":"0.99"}"#, "duplicate-key");
        refuses(br#"{"a":{"b":[{"auc":1,"a\u0075c":2}]}}"#, "duplicate-key");
        refuses(br#"{"a":"\ud800"}"#, "lone-surrogate");
        refuses(br#"{"a":"\udc00\ud800"}"#, "lone-surrogate");
        refuses(b"{\"a\":\"\n\"}", "raw-control-character");
        refuses(b"{\"a\":\"\t\"}", "raw-control-character");
        refuses(br#"{"a":1} "#, "trailing-bytes");
        refuses(br#"{"a": 1}"#, "not-compact");
        refuses(b"\n{}", "not-compact");
        refuses(br#"{"a":NaN}"#, "malformed-json");
        refuses(br#"{"a":01}"#, "malformed-json");
        refuses(br#"{"a":1e9999}"#, "number-too-long");
        refuses(br"[1]", "not-an-object");
        refuses(b"{\"a\":\"\xff\"}", "invalid-utf8");
        refuses(br#"{"a":"#, "malformed-json");
        refuses(b"", "not-an-object");
    }

    #[test]
    fn nesting_of_ten_thousand_is_refused_without_recursing_into_it() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        refuses(deep.as_bytes(), "too-deep");
        let allowed = format!("{{\"a\":{}{}}}", "[".repeat(31), "]".repeat(31));
        scan_object(allowed.as_bytes()).unwrap();
        let one_more = format!("{{\"a\":{}{}}}", "[".repeat(32), "]".repeat(32));
        refuses(one_more.as_bytes(), "too-deep");
    }

    #[test]
    fn a_fault_names_its_place() {
        let error = scan_object(br#"{"data":{"results":[{"auc":1,"auc":2}]}}"#).unwrap_err();
        assert_eq!(error.path, "data.results.auc");
        assert_eq!(error.at, 29);
    }

    #[test]
    fn a_duplicate_among_many_names_is_found() {
        let names: Vec<_> = (0..200).chain([150]).map(|name| format!("\"{name}\":0")).collect();
        refuses(format!("{{{}}}", names.join(",")).as_bytes(), "duplicate-key");
    }

    proptest! {
        #[test]
        fn what_passes_is_json_to_serde_as_well(text in r#"[\[\]{}",:0-9a\\u .eE+-]{0,40}"#) {
            if scan_relaxed(text.as_bytes()).is_ok() {
                prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok());
            }
        }

        #[test]
        fn what_serde_writes_passes(value in prop::collection::btree_map(".*", ".*", 0..30)) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert!(scan_object(text.as_bytes()).is_ok());
        }
    }
}
