//! An S3 folder that is overwritten in place every night.
//!
//! Each night a job writes the orders to `s3://lake/orders/latest` and snapshots them under one name. A model was trained
//! on one of those nights; another was trained by a job that recorded the address alone.
//!
//! Told must be: the digest of the night that the first model was trained on, that its bytes are no longer at the address,
//! what the name meant at any past night, and that it has named others. Of the second model: that nobody can know. Wrong
//! would be what is at the address now, the newest night, or a guess for the second model.

use super::stage::{Answer, DAY, HOUR, Stage};

const NAME: &str = "dataset/shop/orders";
const PLACE: &str = "s3://lake/orders/latest";
const SERVICE: &str = "service/shop/forecast@eu-1/prod";

/// Three nights, the second of which a model was trained on. The `dirHash` of each, the oldest first.
fn nights(stage: &Stage) -> Vec<String> {
    let mut hashes = Vec::new();
    for (night, ago) in [("1", 3), ("2", 2), ("3", 1)] {
        let folder = format!("night-{night}");
        stage.write(&format!("{folder}/orders.csv"), &format!("orders of night {night}\n"));
        stage.write(&format!("{folder}/customers.csv"), "the same every night\n");
        let said = ["dataset", &folder, "--name", NAME, "--uri", PLACE, "--time", &stage.ago(ago * DAY)];
        hashes.push(stage.ci(&said).dir_hash());
    }
    hashes
}

#[test]
fn the_night_that_a_model_was_trained_on_is_told_and_not_what_is_there_now() {
    let stage = Stage::begin();
    let hashes = nights(&stage);
    let short = |night: usize| format!("dirHash:{}…", &hashes[night][..12]);
    stage.job("shop/train", "train", &["training=night-2"], ("model/shop/forecast=m1.bin", "weights"));
    stage.ci(&["model", "m1.bin", "--name", "model/shop/forecast", "--version", "1"]);
    stage.observe(SERVICE, 60, &["--model", "m1.bin", "--next-within", "7200"]);

    let trace = stage.ask(&["trace", SERVICE]);
    trace.exits(0).answers(&["runs model/shop/forecast v1", &short(1), "(complete"]);
    trace.is_silent_on(&[&short(0), &short(2)]);
    let since = stage.ago(DAY);
    trace.has_line(&["!", PLACE, "other bytes", &since]);
    is_of_its_time(&stage, &short);

    // By the name alone it is the newest night; that there were others is said with it.
    let newest = stage.ask(&["impact", NAME]);
    newest.exits(1).answers(&["nothing that is seen to run rests on", &short(2)]);
    newest.has_line(&["warning", "3 different digests", &short(1)]);
    let then = stage.ask(&["impact", &format!("dirHash:{}", hashes[1])]);
    then.exits(0).answers(&["1 LIVE", SERVICE]).is_silent_on(&["different digests"]);
    stage.end();
}

/// What the name meant between two nights.
fn is_of_its_time(stage: &Stage, short: &dyn Fn(usize) -> String) {
    for (night, ago) in [(0, 3 * DAY - HOUR), (1, DAY + HOUR), (2, DAY - HOUR)] {
        let trace = stage.ask(&["trace", NAME, "--at", &stage.ago(ago)]);
        trace.exits(0).answers(&[&short(night)]);
        trace.has_line(&["in doubt", "3 different digests"]);
    }
    let before: Answer = stage.ask(&["trace", NAME, "--at", &stage.ago(4 * DAY)]);
    before.exits(2).fails_with(&["meant nothing at", &stage.ago(3 * DAY)]);
}

#[test]
fn a_model_whose_data_is_known_by_an_address_alone_is_not_guessed_at() {
    let stage = Stage::begin();
    let hashes = nights(&stage);
    stage.job("shop/train", "train", &[&format!("training={PLACE}")], ("model/shop/forecast=m2.bin", "weights"));
    stage.observe(SERVICE, 60, &["--model", "m2.bin", "--next-within", "7200"]);
    let trace = stage.ask(&["trace", SERVICE]);
    trace.exits(1).answers(&["broken", PLACE, "has no strong digest (pointer)"]);
    trace.is_silent_on(&["dirHash:"]);
    for hash in hashes {
        stage.ask(&["impact", &format!("dirHash:{hash}")]).exits(1).is_silent_on(&[SERVICE]);
    }
    stage.end();
}
