//! The members of a JSON object that has passed [`scan_object`](super::scan_object) before, without its rules.
//!
//! For bytes that were scanned when they were taken in, and that are known by their digest to be the same. Promises the
//! members that the scan gives for these. Never panics on others: it gives nothing for some and members for the rest.

use super::Member;

/// The members of an object that was scanned before, in their order; nothing for some bytes that would not have passed.
pub fn split_object(bytes: &[u8]) -> Option<Vec<Member<'_>>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut members = Vec::with_capacity(16);
    let mut at = 1;
    if bytes == b"{}" {
        return Some(members);
    }
    if bytes.first() != Some(&b'{') {
        return None;
    }
    loop {
        let name_end = end_of_string(bytes, at)?;
        let name = text.get(at.checked_add(1)?..name_end.checked_sub(1)?)?;
        if bytes.get(name_end) != Some(&b':') {
            return None;
        }
        let begin = name_end.checked_add(1)?;
        let end = end_of_value(bytes, begin)?;
        members.push(Member { name, value: text.get(begin..end)?, at: begin });
        match bytes.get(end)? {
            b',' => at = end.checked_add(1)?,
            b'}' => return (bytes.len() == end.checked_add(1)?).then_some(members),
            _ => return None,
        }
    }
}

/// Where the value that begins there ends.
fn end_of_value(bytes: &[u8], begin: usize) -> Option<usize> {
    match bytes.get(begin)? {
        b'"' => end_of_string(bytes, begin),
        b'{' | b'[' => end_of_nested(bytes, begin),
        _ => {
            let length = bytes.get(begin..)?.iter().position(|byte| matches!(byte, b',' | b'}' | b']'))?;
            begin.checked_add(length)
        }
    }
}

/// Where the object or the array that begins there ends: its brackets are those outside of strings.
fn end_of_nested(bytes: &[u8], begin: usize) -> Option<usize> {
    let (mut at, mut depth) = (begin, 0_usize);
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = end_of_string(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth = depth.checked_add(1)?,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return at.checked_add(1);
                }
            }
            _ => {}
        }
        at = at.checked_add(1)?;
    }
}

/// Where the string that begins there ends, after its quote.
fn end_of_string(bytes: &[u8], begin: usize) -> Option<usize> {
    if bytes.get(begin) != Some(&b'"') {
        return None;
    }
    let mut at = begin.checked_add(1)?;
    loop {
        at = at.checked_add(bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?)?;
        if bytes.get(at) == Some(&b'"') {
            return at.checked_add(1);
        }
        at = at.checked_add(2)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::scan_object, *};

    #[track_caller]
    fn same(text: &[u8]) {
        let scanned = scan_object(text).ok();
        let split = split_object(text);
        assert!(scanned.is_none() || scanned == split, "{}: {scanned:?} {split:?}", String::from_utf8_lossy(text));
    }

    #[test]
    fn what_passed_the_scan_is_split_as_it_was_scanned() {
        for text in [
            r"{}",
            r#"{"a":1}"#,
            r#"{"a":"x","b":[1,{"c":"]}"},[]],"d":{"e":{}},"f":null,"g":-1.5e3,"h":true}"#,
            r#"{"a\"b":"c\\","d":"\u00e9\\\"}"}"#,
            r#"{"é":"ü"}"#,
        ] {
            assert!(scan_object(text.as_bytes()).is_ok(), "{text}");
            same(text.as_bytes());
        }
    }

    #[test]
    fn what_is_cut_off_has_no_members() {
        let text = r#"{"a":"x\\","b":[1,{"c":"]}"},[]],"d":{"e":{}},"f":null}"#;
        for end in 0..text.len() {
            assert_eq!(split_object(&text.as_bytes()[..end]), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_object_that_passes_is_split_as_it_was_scanned(
            text in r#"\{("[ab\\"nu0-9]{0,4}":("[a\\"\]}{\[]{0,5}"|[0-9]{1,3}|\[[0-9,{}"a:]{0,8}\]|\{("a":[0-9])?\}),?){0,4}\}"#,
        ) {
            same(text.as_bytes());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _members = split_object(&bytes);
        }
    }
}
