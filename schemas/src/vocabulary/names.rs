//! Names and words of an event's payload: who, what, where it belongs.
//!
//! Promises that what a terminal or a report prints cannot hide or reorder itself: no control and no bidirectional
//! formatting characters, and ASCII wherever a name decides what a key may say. Never resolves a name to an artifact.

use super::object::text;

/// A text that does not have its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {rule}, found `{found}`")]
pub struct TextError {
    /// What is accepted, in words.
    pub rule: &'static str,
    /// The text as found, control characters escaped, cut at 80 characters.
    pub found: String,
}

impl TextError {
    pub(super) fn new(rule: &'static str, found: &str) -> Self {
        Self { rule, found: shown(found, 80) }
    }
}

/// `text` as a message can hold it: hidden characters escaped, cut at `longest` characters.
pub(super) fn shown(text: &str, longest: usize) -> String {
    let escaped = |c: char| if is_hidden(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().take(longest).map(escaped).collect::<String>().chars().take(longest).collect()
}

/// The longest name, in characters.
pub const MAX_NAME: usize = 256;

/// The longest [`Text`], in characters.
pub const MAX_TEXT: usize = 1000;

/// Characters that a name never has: controls, line separators and bidirectional formatting.
pub const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

fn is_shown(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.chars().count() <= longest && !text.contains(is_hidden)
}

/// Whether `text` is 1 to `longest` characters that all pass.
pub(super) fn is_ascii_of(text: &str, longest: usize, passes: fn(u8) -> bool) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(passes)
}

const fn is_segment_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'@' | b'+' | b'=' | b'-')
}

/// A segment of a path. One of dots alone would step out of a pattern, for whoever reads names as files.
fn is_segment(text: &str) -> bool {
    is_ascii_of(text, MAX_NAME, is_segment_byte) && text.bytes().any(|byte| byte != b'.')
}

/// Segments of `[A-Za-z0-9._~@+=-]+` with `/` between, none of dots alone, at most [`MAX_NAME`] characters.
pub(super) fn is_path(text: &str) -> bool {
    text.len() <= MAX_NAME && text.split('/').all(is_segment)
}

/// `<kind>/<owner>/<name>`, where both can be paths.
pub(super) fn is_path_of(kind: &str, text: &str) -> bool {
    is_path(text)
        && text.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| rest.contains('/'))
}

/// `service/<owner>/<name>@<cluster>/<environment>`.
fn is_service(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text.split_once('@').is_some_and(|(name, place)| is_path_of("service", name) && is_place(place))
}

/// `<cluster>/<environment>`, as a service's name ends.
fn is_place(text: &str) -> bool {
    is_path(text) && !text.contains('@') && text.split('/').count() == 2
}

fn is_code(text: &str) -> bool {
    let words = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.split('-').all(|word| !word.is_empty() && word.bytes().all(words))
}

fn is_handle(text: &str) -> bool {
    let passes = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    is_ascii_of(text, 128, passes) && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn is_type_name(text: &str) -> bool {
    let word = |text: &str| is_ascii_of(text, 32, |byte| byte.is_ascii_lowercase());
    text.split_once('.').is_some_and(|(noun, participle)| word(noun) && word(participle))
}

text! {
    /// What something is called, for people: any script.
    pub struct Name; "1 to 256 characters without control and bidirectional ones", |text| is_shown(text, MAX_NAME)
}
text! {
    /// A sentence for people; what is longer, or could hold personal data, is an attachment.
    pub struct Text; "1 to 1000 characters without control and bidirectional ones", |text| is_shown(text, MAX_TEXT)
}
text! {
    /// A reason, a door, a kind: a word of an open list.
    pub struct Code; "a lower-case word of at most 64 characters like `below-min-n`", is_code
}
text! {
    /// Who, as a pseudonym: a key id or a handle in a side registry. An e-mail address is none.
    pub struct Handle; "a pseudonym of at most 128 characters out of a-z, 0-9, `.`, `_` and `-`", is_handle
}
text! {
    /// What a tool calls one of its runs.
    pub struct Id; "1 to 200 characters out of A-Z, a-z, 0-9 and `._~@+=:/-`",
    |text| is_ascii_of(text, 200, |byte| is_segment_byte(byte) || matches!(byte, b':' | b'/'))
}
text! {
    /// A path of ASCII segments, none of dots alone: a job's namespace or name.
    pub struct PathName; "a path of A-Z, a-z, 0-9 and `._~@+=-`, at most 256 characters, no segment of dots alone", is_path
}
text! {
    /// `dataset/<owner>/<name>`.
    pub struct DatasetName; "a name like `dataset/owner/name`", |text| is_path_of("dataset", text)
}
text! {
    /// `transform/<owner>/<name>`.
    pub struct TransformName; "a name like `transform/owner/name`", |text| is_path_of("transform", text)
}
text! {
    /// `model/<owner>/<name>`.
    pub struct ModelName; "a name like `model/owner/name`", |text| is_path_of("model", text)
}
text! {
    /// `alias/<owner>/<name>`.
    pub struct AliasName; "a name like `alias/owner/name`", |text| is_path_of("alias", text)
}
text! {
    /// `service/<owner>/<name>@<cluster>/<environment>`.
    pub struct ServiceName; "a name like `service/owner/name@cluster/environment`", is_service
}
text! {
    /// `service/<owner>/<name>`: a service without its place.
    pub struct ServiceBaseName; "a name like `service/owner/name`, without a place",
    |text| is_path_of("service", text) && !text.contains('@')
}
text! {
    /// `environment/<cluster>/<environment>`: the place of services.
    pub struct EnvironmentName; "a name like `environment/cluster/environment`",
    |text| text.len() <= MAX_NAME && text.strip_prefix("environment/").is_some_and(is_place)
}
text! {
    /// `incident/<owner>/<name>`.
    pub struct IncidentName; "a name like `incident/owner/name`", |text| is_path_of("incident", text)
}
text! {
    /// `policy/<owner>/<name>`.
    pub struct PolicyName; "a name like `policy/owner/name`", |text| is_path_of("policy", text)
}
text! {
    /// A producer, kept across its keys.
    pub struct ProducerName; "1 to 63 characters out of a-z, 0-9 and `-`",
    |text| is_ascii_of(text, 63, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
text! {
    /// The name of an event type, like `dataset.snapshotted`.
    pub struct TypeName; "the name of an event type, like `dataset.snapshotted`", is_type_name
}
text! {
    /// Names that a key may speak of: one name, or everything below a path (`model/payments/**`).
    pub struct NamePattern; "a name, or a path and `/**`",
    |text| text.len() <= MAX_NAME && is_path(text.strip_suffix("/**").unwrap_or(text))
}
text! {
    /// The ledger's origin, as its checkpoints and its sources name it.
    pub struct LedgerOrigin; "a path of A-Z, a-z, 0-9 and `._~@=-`, at most 128 characters",
    |text| is_path(text) && text.len() <= 128 && !text.contains('+')
}

impl EnvironmentName {
    /// The environment that a service is in.
    pub fn of(service: &ServiceName) -> Option<Self> {
        let (_, place) = service.as_str().split_once('@')?;
        Self::try_from(format!("environment/{place}")).ok()
    }

    /// The full name of a service that is here; none, if it would be longer than names are.
    pub fn service(&self, name: &ServiceBaseName) -> Option<ServiceName> {
        let place = self.as_str().strip_prefix("environment/")?;
        ServiceName::try_from(format!("{name}@{place}")).ok()
    }
}

impl Text {
    /// Any message as a text: hidden characters escaped, what is too long cut off.
    pub fn cut(message: &str) -> Self {
        let text = shown(message, MAX_TEXT);
        Self(if text.is_empty() { "-".to_owned() } else { text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_path_and_perhaps_all_below_it() {
        for right in ["model/payments/**", "model/payments/fraud"] {
            assert!(right.parse::<NamePattern>().is_ok(), "{right}");
        }
        for wrong in ["**", "/**", "model/*", "model/**/x", "model//**", "model/a b", "model/../**", "model/./x", ".."]
        {
            assert!(wrong.parse::<NamePattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_service_names_its_place() {
        assert!("service/payments/fraud@eu-1/prod".parse::<ServiceName>().is_ok());
        for wrong in [
            "service/payments/fraud",
            "service/f@a/b",
            "service/p/f@eu-1",
            "service/p/f@@a/b",
            "service/p/@a/b",
            "service/p/f@/b",
            "service/p/f@a/b/c",
            "service/p/f@a/..",
            "service/../f@a/b",
            "model/p/f@a/b",
        ] {
            assert!(wrong.parse::<ServiceName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_environment_is_the_place_of_its_services() {
        let service: ServiceName = "service/payments/fraud@eu-1/prod".parse().unwrap();
        let environment = EnvironmentName::of(&service).unwrap();
        assert_eq!(environment.as_str(), "environment/eu-1/prod");
        assert_eq!(environment.service(&"service/payments/fraud".parse().unwrap()), Some(service));
        let long = format!("service/payments/{}", "f".repeat(MAX_NAME - "service/payments/".len()));
        assert_eq!(environment.service(&long.parse().unwrap()), None);
        for wrong in ["environment/eu-1", "environment/eu-1/prod/x", "environment/eu@1/prod", "eu-1/prod"] {
            assert!(wrong.parse::<EnvironmentName>().is_err(), "{wrong}");
        }
        assert!("service/payments/fraud@eu-1/prod".parse::<ServiceBaseName>().is_err());
    }

    #[test]
    fn a_name_has_an_owner_and_steps_nowhere() {
        for right in ["model/payments/fraud", "model/a/b/c", "model/.a/b..c", "model/a/...b"] {
            assert!(right.parse::<ModelName>().is_ok(), "{right}");
        }
        for wrong in
            ["model/fraud", "model/", "model//x", "model/a/", "model/../x", "model/a/./x", "model/a/..", "models/a/b"]
        {
            assert!(wrong.parse::<ModelName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn hidden_characters_are_refused_and_never_echoed() {
        let error = "fraud\u{202e}gnp.exe".parse::<Name>().unwrap_err();
        assert_eq!(error.found, "fraud\\u{202e}gnp.exe");
        assert!("不正検知 v1".parse::<Name>().is_ok());
    }

    #[test]
    fn an_address_is_no_pseudonym() {
        assert!("jo@example.com".parse::<Handle>().is_err());
    }
}
