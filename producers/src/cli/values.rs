//! Small values of command lines: `NAME=VALUE` pairs, and JSON taken over as it is.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::Path,
};

use lineal_producers::object::Object;
use serde_json::value::RawValue;

use super::console::Failure;

/// `NAME=VALUE`, split at the first `=`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    if name.is_empty() { Err(format!("`{text}` has no name")) } else { Ok((name.to_owned(), value.to_owned())) }
}

/// Pairs as an object: what is JSON stays as it is written (`0.10`, `true`, `[1,2]`), the rest is text.
pub(crate) fn table(pairs: &[(String, String)]) -> Object {
    pairs.iter().fold(Object::new(), |table, (name, value)| match serde_json::from_str::<&RawValue>(value) {
        Ok(json) => table.with(name, json),
        Err(_text) => table.with(name, value),
    })
}

/// Seeds by library; none given is said, not left out.
pub(crate) fn seeds(pairs: &[(String, String)]) -> Object {
    if pairs.is_empty() { Object::new().with("unknown", "not-recorded") } else { table(pairs) }
}

/// A file's bytes, or standard input's for `-`.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_end(&mut bytes).map(|_count| ())
    } else {
        fs::read(path).map(|contents| bytes = contents)
    };
    read.map(|()| bytes).map_err(|error| Failure::unreadable(path, &error))
}

/// A file's JSON, kept as it is written.
pub(crate) fn read_json(path: &Path) -> Result<Box<RawValue>, Failure> {
    serde_json::from_slice(&read_bytes(path)?)
        .map_err(|error| Failure::refused(format!("{} is not JSON: {error}", path.display())))
}

/// The JSON of a results file: a list, or an object with the list under `results`.
pub(crate) fn read_results(path: &Path) -> Result<Box<RawValue>, Failure> {
    read_list(path, "results")
}

/// The JSON of a file: a list, or an object with the list under `member`.
pub(crate) fn read_list(path: &Path, member: &str) -> Result<Box<RawValue>, Failure> {
    let json = read_json(path)?;
    if !json.get().starts_with('{') {
        return Ok(json);
    }
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json.get())
        .map_err(|error| Failure::refused(format!("{} is not JSON: {error}", path.display())))?;
    members.remove(member).ok_or_else(|| Failure::refused(format!("{} has no `{member}`", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_words_need_no_quotes() {
        let pairs = ["lr=0.10", "model=resnet", "layers=[1,2]", "quoted=\"1\"", "e==="].map(|text| pair(text).unwrap());
        assert_eq!(table(&pairs).to_json(), r#"{"lr":0.10,"model":"resnet","layers":[1,2],"quoted":"1","e":"=="}"#);
        assert!(pair("novalue").is_err() && pair("=x").is_err());
    }
}
