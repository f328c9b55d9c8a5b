//! An ensemble: two models and the weights that their votes get answer together; one member is replaced.
//!
//! Member `left` got a second version, `right` and the weights stayed. Later a deploy puts `right` in twice, by a mistake in
//! a template, and by hand it is put right.
//!
//! Told must be: every member with its own data, the member that changed and when, that what the old member was made from is
//! no longer live and the others' is; and that twice `right` is not the pair, neither when it came nor when it went. Wrong
//! would be an answer about the first member alone, shares of traffic where all answer together, or a doubled member that
//! passes for the pair.

use super::stage::{HOUR, Stage};

const SERVICE: &str = "service/shop/price@eu-1/prod";
const DUE: [&str; 2] = ["--next-within", "7200"];

/// A member, trained on data of its own.
fn member(stage: &Stage, name: &str, version: &str) {
    let (data, model) = (format!("{name}-{version}.csv"), format!("{name}-{version}.bin"));
    stage.write(&data, &format!("data of {name} {version}"));
    stage.ci(&["dataset", &data, "--name", &format!("dataset/shop/{name}"), "--version", version]);
    let (training, weights) = (format!("training={data}"), format!("weights of {name} {version}"));
    stage.job(&format!("shop/train-{name}"), "train", &[&training], (&model, &weights));
    stage.ci(&["model", &model, "--name", &format!("model/shop/{name}"), "--version", version]);
}

/// What answers together, as the commands take it.
fn together<'a>(one: &'a str, other: &'a str) -> [&'a str; 6] {
    ["--component", one, "--component", other, "--component", "transform=votes.json"]
}

fn told() -> Stage {
    let stage = Stage::begin();
    for (name, version) in [("left", "1"), ("right", "1"), ("left", "2")] {
        member(&stage, name, version);
    }
    stage.write("votes.json", "[0.4,0.6]");
    stage.ci(&[
        "transform",
        "votes.json",
        "--kind",
        "postprocessor",
        "--name",
        "transform/shop/votes",
        "--version",
        "1",
    ]);
    for (ago, left) in [(3, "model=left-1.bin"), (1, "model=left-2.bin")] {
        let parts = together(left, "model=right-1.bin");
        let asked = ["deploy", "--service", SERVICE, "--door", "helm", "--time", &stage.ago(ago * HOUR + 5)];
        stage.ci(&[&asked[..], &parts].concat());
        stage.observe(SERVICE, ago * HOUR, &[&parts[..], &["--next-within", "14400"]].concat());
    }
    stage
}

#[test]
fn every_member_is_told_with_its_own_data() {
    let stage = told();
    let running = stage.ask(&["running"]);
    running.exits(0).answers(&["model/shop/left v2", "+ model/shop/right v1", "requested", "helm"]);
    running.has_line(&["transform", "transform/shop/votes v1"]);
    let trace = stage.ask(&["trace", SERVICE]);
    trace.exits(0).answers(&[
        "model/shop/left v2",
        "model/shop/right v1",
        "dataset/shop/left v2",
        "dataset/shop/right v1",
    ]);
    trace.answers(&["(complete"]).has_line(&["transform, observed", "transform/shop/votes v1"]);
    trace.is_silent_on(&["left v1", "share"]);
    stage.ask(&["impact", "right-1.csv"]).exits(0).answers(&["1 LIVE", SERVICE, "dataset/shop/right v1"]);
    let replaced = stage.ask(&["impact", "left-1.csv"]);
    replaced.exits(1).answers(&["nothing that is seen to run"]).has_line(&[
        SERVICE,
        "no longer seen",
        "left v1",
        &stage.ago(3 * HOUR),
    ]);
    stage.ask(&["impact", "votes.json"]).exits(0).answers(&["1 LIVE", SERVICE]);
    stage.end();
}

#[test]
fn a_member_that_was_replaced_is_a_change_of_the_whole() {
    let stage = told();
    let timeline = stage.ask(&["timeline", SERVICE]);
    let at = stage.ago(HOUR);
    timeline.has_line(&[&at, "observed", "left v1", "+ model/shop/right v1", "-> model/shop/left v2"]);
    let left = stage.ask(&["windows", "left-1.bin"]);
    left.exits(0)
        .answers(&["1 window: 1 closed"])
        .has_line(&[&format!("until {at}"), "with transform transform/shop/votes v1"]);
    // The other member served on, with another beside it: two intervals without a gap.
    let right = stage.ask(&["windows", "right-1.bin"]);
    right.exits(0).answers(&["2 windows: 1 open, 1 closed"]);
    right.has_line(&["left v1", &format!("until {at}")]).has_line(&["left v2", &format!("from {at}")]);
    stage.end();
}

/// Each of the two that were asked for is one of the pair, and so the pair passed for them: the mistake for what was seen
/// before it came, and the repair for no change at all.
#[test]
fn a_member_that_is_there_twice_is_not_the_pair() {
    let stage = told();
    let (twice, pair) =
        (together("model=right-1.bin", "model=right-1.bin"), together("model=left-2.bin", "model=right-1.bin"));
    let asked = ["deploy", "--service", SERVICE, "--door", "helm", "--time", &stage.ago(40)];
    stage.ci(&[&asked[..], &twice].concat());
    stage.observe(SERVICE, 30, &[&twice[..], &DUE].concat());
    stage.observe(SERVICE, 10, &[&pair[..], &DUE].concat());
    let not_yet = stage.ask(&["running", "--at", &stage.ago(35)]);
    not_yet.exits(0).answers(&["left v2", "right v1", "not by the request that stands"]);
    let then = stage.ask(&["running", "--at", &stage.ago(20)]);
    then.exits(0).answers(&["right v1", "requested", "helm"]).is_silent_on(&["left"]);
    let repaired = stage.ask(&["running"]);
    repaired.exits(0).answers(&["left v2", &format!("since {}", stage.ago(10)), "not by the request that stands"]);
    let timeline = stage.ask(&["timeline", SERVICE]);
    timeline.has_line(&[&stage.ago(30), "observed", "left v2", "->", "right v1"]);
    timeline.has_line(&[&stage.ago(10), "observed", "right v1", "-> model/shop/left v2"]);
    let windows = stage.ask(&["windows", "left-2.bin"]);
    windows.exits(0).answers(&["2 windows: 1 open, 1 closed"]);
    windows.has_line(&[&format!("until {}", stage.ago(30))]).has_line(&[&format!("from {}", stage.ago(10))]);
    stage.end();
}
