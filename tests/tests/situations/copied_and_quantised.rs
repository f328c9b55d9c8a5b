//! A model that is copied to another registry, then quantised there.
//!
//! It was trained and registered; unpacked from its manifest in the other registry it is the same file under another digest,
//! which the copying job said. The place that it came from has been cleared. The quantised file is served at the edge, the
//! full one in the cloud, under the digest of the manifest. A second copy was quantised without anybody having said that it
//! is one.
//!
//! Told must be: that the edge and the cloud rest on the same data, the way over the copy and the quantising, and where the
//! bytes are no longer; and that the second one's origin is not known. Wrong would be a trace that ends at the copy, a
//! quantised file that counts as the model itself, or a guess for the second.

use super::stage::Stage;

const CLOUD: &str = "service/shop/vision@cloud-1/prod";
const EDGE: &str = "service/shop/vision@edge-1/prod";
const STRAY: &str = "service/shop/vision@edge-2/prod";
const FIRST: &str = "s3://models/vision/1/model.safetensors";

/// The manifest under which a registry has a model.
fn manifest(name: &str) -> String {
    format!("registry.example/vision@{}", Stage::digest(name))
}

fn told() -> Stage {
    let stage = Stage::begin();
    stage.write("images.tar", "images");
    stage.ci(&["dataset", "images.tar", "--name", "dataset/shop/images", "--version", "2026-11"]);
    stage.job("shop/train", "train", &["training=images.tar"], ("model.safetensors", "weights"));
    let model = ["model", "model.safetensors", "--name", "model/shop/vision", "--version", "1", "--uri", FIRST];
    stage.ci(&model);
    let (copy, subject) = (manifest("manifest"), ["--subject", "artifact/shop/vision"]);
    let same = ["equate", &copy, "model.safetensors", "--method", "oci-unpacked", "--basis", "observed"];
    stage.ci(&[&same[..], &subject].concat());
    stage.ci(&[&["destroy", "model.safetensors", FIRST, "--reason", "retention"][..], &subject].concat());
    stage.job("shop/quantise", "quantize", &[&format!("source-model={copy}")], ("model.q8", "small weights"));
    stage.ci(&["model", "model.q8", "--name", "model/shop/vision-q8", "--version", "1"]);
    let stray = format!("source-model={}", manifest("another manifest"));
    stage.job("shop/quantise", "quantize", &[&stray], ("stray.q8", "stray weights"));
    for (service, model) in [(CLOUD, copy.as_str()), (EDGE, "model.q8"), (STRAY, "stray.q8")] {
        stage.observe(service, 30, &["--model", model, "--next-within", "7200"]);
    }
    stage
}

#[test]
fn what_was_copied_and_quantised_leads_back_to_its_data() {
    let stage = told();
    let edge = stage.ask(&["trace", EDGE]);
    edge.exits(0).answers(&["runs model/shop/vision-q8 v1", "made from dataset/shop/images v2026-11", "(complete"]);
    edge.has_line(&["source-model", "model/shop/vision v1"]).has_line(&["joined"]);
    edge.has_line(&["! its bytes are gone from", FIRST, "(retention)"]);
    let cloud = stage.ask(&["trace", CLOUD]);
    cloud.exits(0).answers(&["runs model/shop/vision v1", "made from dataset/shop/images", "(complete"]);
    cloud.is_silent_on(&["vision-q8"]);
    let impact = stage.ask(&["impact", "images.tar"]);
    impact.exits(0).answers(&["2 LIVE", CLOUD, EDGE, "(2 models, 2 runs)"]).is_silent_on(&[STRAY]);
    impact.has_line(&["model/shop/vision-q8", "<- job/shop/quantise", "<- model/shop/vision v1", "<- job/shop/train"]);
    // The quantised one is made of the model, and is not the model.
    for asked in ["model.safetensors", "model/shop/vision"] {
        let windows = stage.ask(&["windows", asked]);
        windows.exits(0).answers(&["1 window: 1 open"]).has_line(&[CLOUD]).is_silent_on(&[EDGE]);
    }
    let named = stage.ask(&["running", "--env", "cloud-1"]);
    named.exits(0).answers(&["model/shop/vision v1", &Stage::digest("manifest")[..19]]);
    stage.end();
}

#[test]
fn a_copy_that_nobody_told_of_is_not_taken_for_one() {
    let stage = told();
    let trace = stage.ask(&["trace", STRAY]);
    let source = &Stage::digest("another manifest")[..19];
    trace.exits(1).answers(&["runs stray.q8", "broken: no run.completed says what made", source]);
    trace.is_silent_on(&["dataset/shop/images"]);
    let impact = stage.ask(&["impact", &Stage::digest("another manifest")]);
    impact.exits(0).answers(&["1 LIVE", STRAY]);
    stage.end();
}
