//! The mutations: what stands at a place of a sample, changed in every way that a form, a type or a limit could miss.

use serde_json::{Map, Value, json};

/// Texts that each fit one form or just miss it; every one of them is tried at every place.
const TEXTS: &[&str] = &[
    "",
    " ",
    "x",
    "X",
    "é",
    "日本 v1",
    "a b",
    "a-b",
    "a--b",
    "-a",
    "a-",
    "1a",
    "a.b",
    "a.b.c",
    "A.b",
    "a/b",
    "/a",
    "a/",
    "a//b",
    "a+b",
    "a:b",
    ":a",
    "1:a",
    "a:",
    "a:b c",
    "a:b\"",
    "a:{b}",
    "//x/y",
    "#",
    "[::1]",
    "a<b",
    "a\\b",
    "a^b",
    "a`b",
    "a|b",
    "text/csv",
    "text/csv; charset=utf-8",
    "**",
    "/**",
    "a/**",
    "a/**/b",
    "a/*",
    "jo@example.com",
    "a_b",
    ".a",
    "model/a",
    "model/a/b",
    "model/",
    "models/a",
    "model",
    "dataset/a",
    "transform/a",
    "alias/a/b",
    "service/a@b/c",
    "service/a/b@c/d",
    "service/a@b",
    "service/a@b/c/d",
    "service/a@b@c/d",
    "service/@b/c",
    "service/a@/c",
    "service/a@b/",
    "service@a/b",
    "service/a/@b/c",
    "service/a/b@c/..",
    "service/a/b@./d",
    "service/../b@c/d",
    "service/..a/b@c/d..",
    "a/..",
    "./a",
    "a/../b",
    "...",
    "../**",
    "a/./**",
    "model/a/..",
    "model/../a",
    "model/..a/.b.",
    "dataset/a/b",
    "transform/a/b",
    "environment/a",
    "environment/a/b",
    "environment/a/b/c",
    "environment/a@b/c",
    "environment/../b",
    "incident/a",
    "incident/a/b",
    "incident/a/..",
    "policy/a",
    "policy/a/b",
    "policy/a/..",
    "service/a/b",
    "poisoned",
    "dataset.snapshotted",
    "dataset.snap1",
    "training",
    "Training",
    "gte",
    "0",
    "1",
    "-0",
    "01",
    "+1",
    ".5",
    "1.",
    "0.5",
    "1.0",
    "1.000",
    "1.001",
    "-0.5",
    "1e-1",
    "1E+2",
    "1e1000",
    "1e-999",
    "NaN",
    "2026-11-23T21:50:12Z",
    "2026-11-23T21:50:12.123456789Z",
    "2026-11-23T21:50:12.1234567890Z",
    "2026-11-23T21:50:12.Z",
    "2026-02-29T00:00:00Z",
    "2024-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2000-02-29T00:00:00Z",
    "0000-02-29T23:59:59Z",
    "2026-04-31T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-01-00T00:00:00Z",
    "2026-01-32T00:00:00Z",
    "2026-11-23T24:00:00Z",
    "2026-11-23T23:60:00Z",
    "2026-11-23T23:59:60Z",
    "2026-11-23t21:50:12z",
    "2026-11-23 21:50:12Z",
    "2026-11-23T21:50:12+00:00",
    "2026-11-23",
    "٢026-11-23T21:50:12Z",
    "\u{0}",
    "a\nb",
    "a\tb",
    "a\u{7f}",
    "a\u{85}",
    "a\u{202e}b",
    "\u{2066}a",
    "a\u{200e}",
    "a\u{61c}",
    "a\u{2028}",
    "a\u{200d}b",
    "a\n",
];

/// Every place in `value`, as a JSON pointer.
pub(crate) fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                pointers(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// What stands at a place, changed in every way; `None` takes it away.
pub(crate) fn mutations(original: &Value) -> Vec<(String, Option<Value>)> {
    let mut list: Vec<(String, Option<Value>)> = vec![("removed".into(), None)];
    let mut put = |value: Value| list.push((value.to_string().chars().take(60).collect(), Some(value)));
    for text in TEXTS {
        put(json!(text));
    }
    for wrong in
        [json!(null), json!(true), json!(false), json!([]), json!({}), json!([original]), json!({"x": original})]
    {
        put(wrong);
    }
    for number in [json!(0), json!(1), json!(8), json!(9), json!(-1), json!(0.5), json!(1.5), json!(-0.5), json!(1e300)]
    {
        put(number);
    }
    for number in [10_000_u64, 10_001, 31_536_000, 31_536_001, 9_007_199_254_740_991, 9_007_199_254_740_992, u64::MAX] {
        put(json!(number));
    }
    for length in [32, 33, 39, 40, 41, 63, 64, 65, 127, 128, 129, 200, 201, 256, 257, 1000, 1001, 2048, 2049] {
        put(json!("a".repeat(length)));
        put(json!(format!("a:{}", "é".repeat(length))));
        put(json!(format!("a:{}", "b".repeat(length - 2))));
        put(json!(format!("model/{}", "b".repeat(length - 6))));
        put(json!(format!("0.{}", "1".repeat(length - 2))));
    }
    match original {
        Value::String(text) => {
            put(json!({ text.as_str(): null }));
            for text in texts_from(text) {
                put(json!(text));
            }
        }
        Value::Number(number) => put(json!(number.to_string())),
        Value::Array(items) => {
            put(Value::Array(items.iter().chain(items.first()).cloned().collect()));
            put(Value::Array(items.iter().cycle().take(9).cloned().collect()));
            put(Value::Array(items.iter().rev().cloned().collect()));
        }
        Value::Object(members) => {
            put(Value::Array(members.values().cloned().collect()));
            objects_from(members).into_iter().for_each(&mut put);
        }
        _ => {}
    }
    list
}

fn texts_from(text: &str) -> Vec<String> {
    let mut list: Vec<String> =
        ["{}x", "{} ", "{}\n", "\n{}", "{}\r\n", "{}\u{202e}", "{}\u{1}", "x{}", "{}=", "{}/", "{}/**", "{}{}"]
            .iter()
            .map(|pattern| pattern.replace("{}", text))
            .collect();
    list.extend([text.to_uppercase(), text.to_lowercase(), text.replace('\n', "\r\n"), text.replace('/', "//")]);
    list.push(text.chars().skip(1).collect());
    list.push(text.chars().take(text.chars().count() - 1).collect());
    let swapped =
        |at: usize, new: char| text.chars().enumerate().map(|(i, old)| if i == at { new } else { old }).collect();
    let last = text.chars().count() - 1;
    for at in [0, 1, last / 2, last.saturating_sub(1), last] {
        list.extend(['g', 'F', '0', '+', '=', ' ', 'é', '\n'].map(|new| swapped(at, new)));
    }
    list
}

fn objects_from(members: &Map<String, Value>) -> Vec<Value> {
    let with = |name: &str, value: Value| {
        let mut changed = members.clone();
        changed.insert(name.to_owned(), value);
        Value::Object(changed)
    };
    let long = "a".repeat(257);
    let names = [
        "x",
        "X",
        "_x",
        "1x",
        "",
        "x y",
        "x\u{202e}",
        "x\n",
        "sha512",
        "sha256",
        "gitTree",
        "annotations",
        "uri",
        "slice",
        &long,
    ];
    let mut list: Vec<Value> = names.iter().map(|name| with(name, json!("x"))).collect();
    list.extend(names.iter().map(|name| with(name, json!({}))));
    for name in members.keys() {
        for renamed in [name.to_uppercase(), format!("{name} "), format!("{name}\u{202e}"), format!("_{name}")] {
            let mut changed = members.clone();
            let value = changed.remove(name).unwrap();
            changed.insert(renamed, value);
            list.push(Value::Object(changed));
        }
    }
    list
}

/// `sample` with `value` at `pointer`, or without what stands there.
pub(crate) fn mutate(sample: &Value, pointer: &str, value: Option<Value>) -> Option<Value> {
    let mut mutant = sample.clone();
    if let Some(value) = value {
        *mutant.pointer_mut(pointer)? = value;
        return Some(mutant);
    }
    let (parent, name) = pointer.rsplit_once('/')?;
    match mutant.pointer_mut(parent)? {
        Value::Object(members) => drop(members.remove(name)?),
        Value::Array(items) => drop(items.remove(name.parse().ok()?)),
        _ => return None,
    }
    Some(mutant)
}
