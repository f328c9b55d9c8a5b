//! Parameters as they are compared: objects taken apart by name, numbers by their exact value.

use std::collections::BTreeMap;

use lineal_schemas::{
    decimal::Decimal,
    vocabulary::values::{Json, Table},
};
use serde_json::value::RawValue;

/// A parameter's value.
#[derive(Debug, Clone)]
pub(super) struct Value(Box<RawValue>);

impl Value {
    /// Whether two values are the same, however they are spelled: `3` is `3.0`.
    pub(super) fn is(&self, other: &Self) -> bool {
        let number = |value: &Self| serde_json::from_str::<Decimal>(value.0.get()).ok().filter(|_| !value.is_text());
        let text = |value: &Self| serde_json::from_str::<String>(value.0.get()).ok();
        match ((number(self), number(other)), (text(self), text(other))) {
            ((Some(mine), Some(theirs)), _) => mine == theirs,
            (_, (Some(mine), Some(theirs))) => mine == theirs,
            _ => compact(self.0.get()) == compact(other.0.get()),
        }
    }

    fn is_text(&self) -> bool {
        self.0.get().starts_with('"')
    }

    /// As it was written.
    pub(super) fn shown(&self) -> String {
        self.0.get().to_owned()
    }
}

/// Every value by its path, `optimizer.lr`. A dot within a name is escaped: `{"a.b":1}` is not `{"a":{"b":1}}`.
pub(super) fn flat(parameters: &Table<Json>) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    let named = parameters.as_map().iter();
    let mut open: Vec<(String, Box<RawValue>)> = named
        .filter_map(|(name, json)| {
            Some((escaped(name.as_str()), RawValue::from_string(json.as_str().to_owned()).ok()?))
        })
        .collect();
    while let Some((path, raw)) = open.pop() {
        match serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(raw.get()) {
            Ok(members) if !members.is_empty() => {
                open.extend(members.into_iter().map(|(name, raw)| (format!("{path}.{}", escaped(&name)), raw)));
            }
            _ => {
                values.insert(path, Value(raw));
            }
        }
    }
    values
}

fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('.', "\\.")
}

/// A path as people write it.
pub(super) fn as_named(path: &str) -> String {
    path.replace("\\.", ".").replace("\\\\", "\\")
}

/// JSON without the white space between its tokens.
fn compact(json: &str) -> String {
    let (mut out, mut in_text, mut escaped) = (String::with_capacity(json.len()), false, false);
    for character in json.chars() {
        if in_text {
            in_text = escaped || character != '"';
            escaped = character == '\\' && !escaped;
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            in_text = character == '"';
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat_of(json: &str) -> BTreeMap<String, Value> {
        flat(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn objects_are_taken_apart_and_numbers_are_exact() {
        let found = flat_of(r#"{"optimizer":{"lr":0.10,"betas":[0.9, 0.999],"none":{}},"depth":3,"a.b":"x"}"#);
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            ["a\\.b", "depth", "optimizer.betas", "optimizer.lr", "optimizer.none"]
        );
        let other = flat_of(r#"{"optimizer":{"lr":1e-1,"betas":[0.9,0.999],"none":{ }},"depth":3.0,"a.b":"\u0078"}"#);
        for (name, value) in &found {
            assert!(value.is(&other[name]), "{name}");
        }
        let exact = flat_of(r#"{"lr":0.10000000000000001}"#);
        assert!(!exact["lr"].is(&found["optimizer.lr"]), "a binary float would not see it");
        let text = flat_of(r#"{"lr":"0.10"}"#);
        assert!(!text["lr"].is(&found["optimizer.lr"]), "a text is no number");
        assert_eq!(as_named("a\\.b.c"), "a.b.c");
        assert!(!flat_of(r#"{"x":["a b"]}"#)["x"].is(&flat_of(r#"{"x":["ab"]}"#)["x"]));
        assert_eq!(flat_of(r#"{"a":{"b.c":1,"b":{"c":2}},"a.b.c":3}"#).len(), 3);
    }
}
