//! Lists as `kubectl` prints them, and what servers tell of themselves.
#![cfg(test)]

use lineal_workload::{listing, runtime};
use serde_json::json;

fn whole(text: &str) -> Result<Vec<(usize, bool)>, &'static str> {
    let looks = listing::read(text.as_bytes()).map_err(|error| error.code())?;
    Ok(looks.iter().map(|pods| (pods.items.len(), pods.whole)).collect())
}

#[test]
fn only_a_whole_list_is_taken_for_all_there_is() {
    let pod = r#"{"kind":"Pod"}"#;
    for (text, expected) in [
        (format!(r#"{{"kind":"List","items":[{pod},{pod}]}}"#), vec![(2, true)]),
        (r#"{"kind":"PodList","items":[{}]}"#.to_owned(), vec![(1, true)]),
        (r#"{"kind":"List","items":[]}"#.to_owned(), vec![(0, true)]),
        (format!(r#"{{"kind":"PodList","metadata":{{"continue":"x"}},"items":[{pod}]}}"#), vec![(1, false)]),
        (format!("{pod}\n{pod}"), vec![(2, false)]),
        (format!(r#"{{"kind":"List","items":[{pod},{{"kind":"Service"}}]}} {pod}"#), vec![(1, true), (1, false)]),
    ] {
        assert_eq!(whole(&text), Ok(expected), "{text}");
    }
    for (text, code) in [
        ("", "empty-input"),
        ("{", "not-json"),
        ("[]", "not-an-object"),
        ("{}", "malformed-list"),
        (r#"{"kind":"List"}"#, "malformed-list"),
        (r#"{"kind":"List","items":null}"#, "malformed-list"),
        (r#"{"kind":"List","items":[{"kind":"Deployment"}]}"#, "no-pods"),
        (r#"{"kind":"List","items":[{"kind":"InferenceService"}]}"#, "no-pods"),
        (r#"{"kind":"InferenceServiceList","items":[{}]}"#, "no-pods"),
        (r#"{"kind":"List","items":[{}]}"#, "no-pods"),
        (r#"{"kind":"Status"}"#, "no-pods"),
    ] {
        assert_eq!(whole(text), Err(code), "{text}");
    }
}

#[test]
fn a_server_tells_its_adapters_and_one_that_contradicts_itself_tells_nothing() {
    let answer = json!({"object": "list", "data": [
        {"id": "llm", "root": "org/llm", "parent": null},
        {"id": "sql", "root": "/adapters/sql", "parent": "llm"}]});
    let told = |known| {
        let components = runtime::loaded(answer.to_string().as_bytes(), known).unwrap();
        components
            .iter()
            .map(|component| format!("{} {}", component.role.as_str(), component.artifact.uri.as_ref().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(false), ["model hf://org/llm", "adapter file:///adapters/sql"]);
    assert_eq!(told(true), ["adapter file:///adapters/sql"]);
    for wrong in [
        json!({}),
        json!({"object": "list"}),
        json!({"object": "list", "data": []}),
        json!({"object": "list", "data": {}}),
        json!({"object": "list", "data": [{}]}),
        json!({"object": "error", "data": [{"id": "llm"}]}),
        json!({"object": "list", "data": [{"id": "llm"}, {"id": "llm"}]}),
        json!({"object": "list", "data": [{"id": "sql", "parent": "gone"}]}),
        json!({"object": "list", "data": [{"id": "llm", "root": "a b"}]}),
    ] {
        assert!(runtime::loaded(wrong.to_string().as_bytes(), false).is_err(), "{wrong}");
    }
    assert!(runtime::loaded(&vec![b' '; runtime::MAX_ANSWER_BYTES + 1], false).is_err());
}
