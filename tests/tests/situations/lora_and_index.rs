//! A `LoRA` fine-tune of a base from Hugging Face, served beside an index that is rebuilt every hour.
//!
//! The base was fetched by its floating reference `@main`, which has moved on since. The adapter was tuned on chats. The
//! documents change, so each hour there is another snapshot, another index, and the same two models.
//!
//! Told must be: all three parts that serve, and for any past hour the documents that its index was built from; that the
//! index changed where only the index did; that the base comes from outside, named, and that it is not what `@main` is now.
//! Wrong would be a history in which nothing ever changes, one that shows the models alone, today's documents for a past
//! answer, or the base of today under the adapter of then.

use super::stage::{Answer, HOUR, Stage};

const SERVICE: &str = "service/shop/assistant@eu-1/prod";
const MAIN: &str = "hf://meta-llama/Llama-3.2-3B@main";

/// The base, the adapter, and three hours: an hour's index was seen two minutes after its documents.
fn told() -> Stage {
    let stage = Stage::begin();
    stage.write("base.safetensors", "weights of the base");
    stage.write("chats.jsonl", "chats");
    let (base, main) = (["base.safetensors"], "alias/shop/llama-main");
    let named = ["--name", "model/shop/llama", "--version", "3b", "--external", "--supplier", "Meta"];
    stage.ci(&[&["model"], &base[..], &named, &["--time", &stage.ago(5 * HOUR)]].concat());
    stage.ci(&["alias", main, base[0], "--uri", MAIN, "--time", &stage.ago(5 * HOUR)]);
    stage.ci(&["dataset", "chats.jsonl", "--name", "dataset/shop/chats"]);
    let inputs = ["base-model=base.safetensors", "training=chats.jsonl"];
    stage.job("shop/lora", "finetune", &inputs, ("adapter.safetensors", "weights of the adapter"));
    stage.ci(&["model", "adapter.safetensors", "--name", "model/shop/assistant", "--version", "1"]);
    stage.write("newer.safetensors", "weights that main points to now");
    stage.ci(&["alias", main, "newer.safetensors", "--from", base[0], "--time", &stage.ago(2 * HOUR)]);
    for hour in [3, 2, 1] {
        let (folder, index) = (format!("docs-{hour}"), format!("hour-{hour}.faiss"));
        stage.write(&format!("{folder}/faq.md"), &format!("answers of hour {hour}"));
        stage.ci(&["dataset", &folder, "--name", "dataset/shop/docs", "--time", &stage.ago(hour * HOUR)]);
        let corpus = format!("corpus={folder}");
        stage.job("shop/index", "index", &[&corpus], (&index, &format!("index of hour {hour}")));
        let (adapter, index) = ("adapter=adapter.safetensors", format!("index={index}"));
        let parts = ["--model", base[0], "--component", adapter, "--component", &index, "--next-within", "5000"];
        stage.observe(SERVICE, hour * HOUR - 2, &parts);
    }
    stage
}

/// What is seen beside the index, in short.
fn index(hour: i64) -> String {
    let digest = Stage::digest(&format!("index of hour {hour}"));
    format!("index hour-{hour}.faiss {}…", &digest[..19])
}

fn docs(answer: &Answer) -> Vec<u64> {
    let nodes = answer.list("nodes").iter().filter(|node| node["name"] == "dataset/shop/docs");
    nodes.map(|node| node["events"][0]["index"].as_u64().unwrap()).collect()
}

#[test]
fn a_past_hour_is_told_with_its_own_index_and_documents() {
    let stage = told();
    let mut seen = Vec::new();
    for hour in [3, 2, 1] {
        let trace = stage.ask(&["trace", SERVICE, "--at", &stage.ago(hour * HOUR - 30)]);
        trace.exits(0).answers(&["runs model/shop/llama v3b", "model/shop/assistant v1", "dataset/shop/docs"]);
        trace.answers(&["dataset/shop/chats", "ends at a declared boundary: model/shop/llama v3b"]);
        trace
            .has_line(&["outside: model/shop/llama v3b"])
            .has_line(&["index, observed", &format!("hour-{hour}.faiss")]);
        let docs = docs(&trace);
        assert_eq!(docs.len(), 1, "the documents of one hour");
        seen.extend(docs);
    }
    assert!(seen.is_sorted_by(|one, next| one < next), "another hour's each time: {seen:?}");
    let hit = stage.ask(&["impact", "chats.jsonl"]);
    hit.exits(0).answers(&["1 LIVE", SERVICE]).has_line(&[
        "model/shop/assistant v1",
        "job/shop/lora",
        "dataset/shop/chats",
    ]);
    // The documents of a past hour are in no answer any more; those of this hour are.
    let hit = stage.ask(&["impact", "hour-2.faiss"]);
    hit.exits(1).has_line(&[SERVICE, "no longer seen"]);
    stage.ask(&["impact", "dataset/shop/docs"]).exits(0).answers(&["1 LIVE", SERVICE]);
    stage.end();
}

#[test]
fn where_only_the_index_changed_that_is_what_is_told() {
    let stage = told();
    let timeline = stage.ask(&["timeline", SERVICE]);
    timeline.exits(0).answers(&["model/shop/assistant v1", &format!("{} -> {}", index(2), index(1))]);
    timeline.has_line(&[&stage.ago(2 * HOUR - 2), &format!("{} -> {}", index(3), index(2))]);
    let windows = stage.ask(&["windows", "hour-2.faiss"]);
    windows.exits(0).answers(&["1 window: 1 closed"]);
    let (from, until) = (stage.ago(2 * HOUR - 2), stage.ago(HOUR - 2));
    windows.has_line(&["model/shop/llama v3b", "with", &index(2), &format!("from {from}"), &format!("until {until}")]);
    let adapter = stage.ask(&["windows", "adapter.safetensors"]);
    adapter.answers(&["3 windows: 1 open, 2 closed"]);
    stage.end();
}

#[test]
fn a_floating_reference_that_moved_takes_nothing_with_it() {
    let stage = told();
    let (base, newer) = (Stage::digest("weights of the base"), Stage::digest("weights that main points to now"));
    let now = stage.ask(&["trace", "alias/shop/llama-main"]);
    now.exits(1).answers(&[&newer[..19], "broken"]).has_line(&["in doubt", "2 different digests", &base[..19]]);
    let then = stage.ask(&["trace", "alias/shop/llama-main", "--at", &stage.ago(3 * HOUR)]);
    then.exits(0)
        .answers(&["model/shop/llama v3b", &base[..19]])
        .has_line(&["names another since", &stage.ago(2 * HOUR)]);
    let trace = stage.ask(&["trace", SERVICE]);
    trace.exits(0).answers(&["model/shop/llama v3b", &base[..19]]).is_silent_on(&[&newer[..19]]);
    stage.ask(&["impact", "newer.safetensors"]).exits(1).answers(&["nothing that is seen to run"]);
    stage.end();
}
