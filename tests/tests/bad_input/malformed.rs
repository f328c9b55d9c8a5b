//! Events of an enrolled key that are not what an event must be: each becomes a signed refusal in the record.
//!
//! What can't be read fills no number, since nobody could tell which. What can be read, but says what its schema does not
//! have, fills its number: the next event names it as the previous one.

use lineal_schemas::vocabulary::{ledger::EventRejected, values::Count};
use lineal_tests::signing::{Parts, sign};

use crate::scene::{Expected, Scene, with_data};

/// How a sound event's text is spoilt, and the rule that this breaks.
struct Spoilt {
    name: &'static str,
    from: &'static str,
    to: String,
    code: &'static str,
    says: &'static [&'static str],
}

fn spoilt(
    name: &'static str,
    from: &'static str,
    to: impl Into<String>,
    code: &'static str,
    says: &'static [&'static str],
) -> Spoilt {
    Spoilt { name, from, to: to.into(), code, says }
}

/// A rule for each kind of text that can't be read as an event.
fn unreadable() -> Vec<Spoilt> {
    let data = r#""data":{"#;
    let deep = format!(r#"{data}"annotations":{}{},"#, "[".repeat(10_000), "]".repeat(10_000));
    let large = format!(r#"{data}"version":"{}","#, "x".repeat(257 * 1024));
    vec![
        spoilt("member-twice", data, r#""data":{"name":"dataset/worker/x","#, "duplicate-key", &["data", "already"]),
        spoilt("twice-escaped", data, r#""data":{"n\u0061me":"dataset/worker/x","#, "duplicate-key", &["data"]),
        spoilt("attribute-twice", r#""data""#, r#""subject":"dataset/worker/x","data""#, "duplicate-key", &["subject"]),
        spoilt("raw-newline", data, "\"data\":{\"version\":\"1\n2\",", "raw-control-character", &["data.version"]),
        spoilt("newline-between", data, "\"data\":\n{", "not-compact", &["white space", "byte"]),
        spoilt("trailing", "trailing\"}}", "trailing\"}} ", "trailing-bytes", &["trailing", "byte"]),
        spoilt("two-events", "two-events\"}}", "two-events\"}}{}", "trailing-bytes", &["trailing", "byte"]),
        spoilt("deep", data, deep, "too-deep", &["data.annotations", "32"]),
        spoilt("large", data, large, "too-large", &["262144"]),
        spoilt("nan", data, r#""data":{"stats":{"rowCount":NaN},"#, "malformed-json", &["data.stats.rowCount", "byte"]),
        spoilt("half-pair", data, r#""data":{"version":"\ud800","#, "lone-surrogate", &["data.version"]),
        spoilt("empty-subject", r#""time""#, r#""traceparent":"","time""#, "attribute-empty", &["traceparent"]),
        spoilt("bidi", "subject\":\"", "subject\":\"\u{202e}", "attribute-characters", &["subject"]),
        spoilt("control", "subject\":\"", "subject\":\"\u{7}", "raw-control-character", &["subject"]),
        spoilt("upper-case", r#""time""#, r#""traceParent":"x","time""#, "attribute-name", &["traceParent", "a-z"]),
        spoilt("binary", r#""data""#, r#""data_base64":"e30=","data""#, "attribute-forbidden", &["data_base64"]),
        spoilt("short-number", "000000000001", "1", "attribute-malformed", &["sequence", "12 digits"]),
        spoilt("number-zero", "000000000001", "000000000000", "attribute-malformed", &["sequence"]),
        spoilt("local-time", "12Z", "12+01:00", "attribute-malformed", &["time", "UTC"]),
        spoilt("no-time", r#""time":"2026-11-23T21:50:12Z","#, "", "attribute-missing", &["time"]),
        spoilt("version", r#""1.0""#, r#""0.3""#, "attribute-malformed", &["specversion", "1.0"]),
    ]
}

#[test]
fn what_cannot_be_read_is_rejected_in_the_record_and_fills_nothing() {
    let mut scene = Scene::new();
    for case in unreadable() {
        scene.others_go_on();
        let mut producer = scene.worker(case.name);
        let text = producer.draft().text().replacen(case.from, &case.to, 1);
        assert_ne!(text, producer.draft().text(), "{}", case.name);
        let event = sign(&text, producer.key());
        let expected = Expected { status: 422, code: case.code, says: case.says };
        let said = scene.is_rejected(&event, &expected);
        assert_eq!((said.fills, said.keyid), (false, producer.key().keyid()), "{}", case.name);
        assert!(!scene.has(&event), "{}", case.name);
        scene.is_committed(&producer.next_event());
    }
    scene.others_go_on();
    scene.is_verified();
}

/// `data` that the vocabulary does not have, and what the refusal names.
const SCHEMA: &[(&str, &str, &str, &[&str])] = &[
    (
        "no-digest",
        r#"{"dataset":{"uri":"s3://b/k"}}"#,
        "schema-violation",
        &["dataset.snapshotted", "dataset", "digest"],
    ),
    ("weak-digest", r#"{"dataset":{"digest":{"md5":"00"}}}"#, "schema-violation", &["dataset"]),
    ("unknown", r#"{"dataset":D,"owner":"x"}"#, "schema-violation", &["owner"]),
    ("number", r#"{"dataset":D,"stats":{"rowCount":1.5}}"#, "schema-violation", &["stats.rowCount"]),
    (
        "bidi-name",
        "{\"dataset\":D,\"version\":\"v1\u{202e}2v\"}",
        "schema-violation",
        &["version", "bidirectional", "202e"],
    ),
    ("bidi-escaped", r#"{"dataset":D,"version":"v1\u202e2v"}"#, "schema-violation", &["version", "bidirectional"]),
    ("control-name", r#"{"dataset":D,"version":"v1\u00072v"}"#, "schema-violation", &["version", "control"]),
    ("empty-name", r#"{"dataset":D,"version":""}"#, "schema-violation", &["version"]),
    (
        "other-subject",
        r#"{"dataset":D,"name":"dataset/worker/y"}"#,
        "subject-mismatch",
        &["subject", "dataset/worker/y"],
    ),
];

#[test]
fn what_breaks_its_schema_is_rejected_and_fills_its_number() {
    let mut scene = Scene::new();
    let digest = format!(r#"{{"digest":{{"sha256":"{}"}}}}"#, "ab".repeat(32));
    let mut producer = scene.worker("schema");
    for (name, data, code, says) in SCHEMA {
        scene.others_go_on();
        let event = producer.say(&with_data(&producer, &data.replace('D', &digest)));
        let said = scene.is_rejected(&event, &Expected { status: 422, code, says });
        assert!(said.fills, "{name}");
        assert_eq!(said.sequence.map(Count::get), Some(producer.sequence()), "{name}");
        assert_eq!(said.source.map(|source| source.to_string()).as_deref(), Some(producer.source()), "{name}");
        // The next one names the refused event as its previous.
        scene.is_committed(&producer.next_event());
    }
    let unknown = Parts { name: "coffee.brewed".to_owned(), ..producer.draft() };
    let event = producer.say(&unknown);
    let expected = Expected { status: 422, code: "unknown-type", says: &["dev.lineal.coffee.brewed.v1"] };
    assert!(scene.is_rejected(&event, &expected).fills);
    scene.is_committed(&producer.next_event());
    scene.is_verified();
}

/// The record once held for good what a refused event said: the refusal's message repeated the value found.
#[test]
fn a_refusal_repeats_nothing_of_the_event_on_the_record() {
    let scene = Scene::new();
    let digest = format!(r#"{{"digest":{{"sha256":"{}"}}}}"#, "ab".repeat(32));
    let mut producer = scene.worker("address");
    let cases = [
        (
            "schema-violation",
            r#"{"dataset":D,"steward":"jo@example.com"}"#,
            "`steward`: expected a pseudonym",
            "jo@example.com",
        ),
        ("schema-violation", r#"{"dataset":D,"jo@example.com":1}"#, "a member that it does not have", "jo@example.com"),
        ("schema-violation", r#"{"dataset":D,"stats":{"jo@example.com":1}}"#, "`stats`", "jo@example.com"),
        (
            "subject-mismatch",
            r#"{"dataset":D,"name":"dataset/jo@example.com/x"}"#,
            "`subject`",
            "dataset/jo@example.com",
        ),
    ];
    for (code, data, recorded, answered) in cases {
        let event = producer.say(&with_data(&producer, &data.replace('D', &digest)));
        let said = scene.is_rejected(&event, &Expected { status: 422, code, says: &[answered] });
        says_without_address(&said, recorded);
    }
    let text = producer.draft().text();
    let unreadable = [
        ("attribute-name", text.replacen(r#""time""#, r#""jo@example.com":"x","time""#, 1), "attribute name at byte"),
        ("attribute-malformed", text.replacen("000000000005", "jo@example.com", 1), "attribute `sequence`"),
        (
            "duplicate-key",
            text.replacen(r#""data":{"#, r#""data":{"jo@example.com":{"a":1,"a":2},"#, 1),
            "stands in the object",
        ),
    ];
    for (code, text, recorded) in unreadable {
        let event = sign(&text, producer.key());
        says_without_address(
            &scene.is_rejected(&event, &Expected { status: 422, code, says: &["jo@example.com"] }),
            recorded,
        );
    }
    let elsewhere = text.replacen(producer.source(), "mailto:jo@example.com", 1);
    let expected = Expected { status: 422, code: "source-not-allowed", says: &["mailto:jo@example.com"] };
    says_without_address(&scene.is_rejected(&sign(&elsewhere, producer.key()), &expected), "`source`");
    let about = Parts {
        subject: "dataset/jo@example.com/x".to_owned(),
        ..with_data(&producer, &format!(r#"{{"dataset":{digest}}}"#))
    };
    let expected = Expected { status: 422, code: "name-not-allowed", says: &["dataset/jo@example.com/x"] };
    says_without_address(&scene.is_rejected(&producer.say(&about), &expected), "`subject`");
    scene.is_verified();
}

#[track_caller]
fn says_without_address(said: &EventRejected, recorded: &str) {
    let message = said.message.as_ref().expect("a refusal has its words").as_str();
    assert!(message.contains(recorded), "`{recorded}` is not in: {message}");
    assert!(!serde_json::to_string(said).expect("it is JSON").contains("jo@example.com"), "{said:?}");
}
