//! A canary, a rollback at three in the morning with `kubectl`, and the GitOps sync that undoes it.
//!
//! Version 2 got a tenth of the traffic, then all of it, each step asked for through `argo-cd`. At night somebody put
//! version 1 back by hand. Ten minutes later the controller synced, and version 2 answers again. The hand on `kubectl` is
//! told of in three ways: as a request through another door, as a declared rollback, and not at all.
//!
//! Told must be, in all three: that version 2 runs and not what was rolled back to, when the sync undid the change, and
//! which request it put through again; and of the canary, which part of the traffic each version had, and when. Wrong
//! would be "version 1 runs, as it was asked for last", or a return of version 2 that looks like one more deploy.

use super::stage::{Said, Stage};

const SERVICE: &str = "service/shop/fraud@eu-1/prod";
const V1: &str = "model/shop/fraud v1";
const V2: &str = "model/shop/fraud v2";

/// Minutes ago: each step was seen five minutes after it had been asked for.
const FIRST: i64 = 1200;
const CANARY: i64 = 600;
const FULL: i64 = 400;
const KUBECTL: i64 = 300;
const SYNC: i64 = 290;

struct Night {
    stage: Stage,
    first: Said,
    full: Said,
}

impl Night {
    /// Up to the moment at which somebody takes `kubectl`.
    fn begin() -> Self {
        let stage = Stage::begin();
        for version in ["1", "2"] {
            let file = format!("m{version}.bin");
            stage.write(&file, &format!("weights {version}"));
            stage.ci(&[
                "model",
                &file,
                "--name",
                "model/shop/fraud",
                "--version",
                version,
                "--supplier",
                "Example Inc.",
            ]);
        }
        let part = |share: &str, content: &str| {
            let digest = Stage::digest(content).replace("sha256:", "");
            format!(
                r#"{{"share":"{share}","components":[{{"role":"model","artifact":{{"digest":{{"sha256":"{digest}"}}}}}}]}}"#
            )
        };
        stage.write("canary.json", &format!("[{},{}]", part("0.90", "weights 1"), part("0.10", "weights 2")));
        let first = Self::step(&stage, FIRST, &["--model", "m1.bin"]);
        Self::step(&stage, CANARY, &["--serving-set", "canary.json"]);
        let full = Self::step(&stage, FULL, &["--model", "m2.bin"]);
        Self { stage, first, full }
    }

    /// Asked for through `argo-cd`, and seen five minutes later.
    fn step(stage: &Stage, ago: i64, what: &[&str]) -> Said {
        let at = stage.ago(ago);
        let asked = stage.ci(&[&["deploy", "--service", SERVICE, "--door", "argo-cd", "--time", &at], what].concat());
        stage.observe(SERVICE, ago - 5, &[what, &["--next-within", "86400"]].concat());
        asked
    }

    /// What was seen after the hand and after the sync; then what must be told, however the hand was told of.
    fn must_tell(self, asked_by_hand: &str) -> Stage {
        let Self { stage, full, .. } = self;
        let seen = stage.observe(SERVICE, KUBECTL - 1, &["--model", "m1.bin", "--next-within", "86400"]).index();
        stage.observe(SERVICE, SYNC, &["--model", "m2.bin", "--next-within", "86400"]);
        let now = stage.ask(&["running"]);
        now.exits(0).answers(&[SERVICE, V2, &format!("since {}", stage.ago(SYNC))]).is_silent_on(&[V1]);
        let timeline = stage.ask(&["timeline", SERVICE]);
        timeline.exits(0).answers(&["the last change that was seen", V1, "->", V2, "REVERTED 1 time"]);
        let back = format!("back to what #{} asks for", full.index());
        timeline.has_line(&[&stage.ago(SYNC), "REVERTED", V1, "->", V2, &back]);
        let reverted = timeline.list("lines").iter().find(|line| line["kind"] == "reverted").unwrap();
        assert_eq!(reverted["regarding"].as_u64(), Some(full.index()));
        // Between the hand and the sync, the old one did run.
        let between = stage.ask(&["running", "--at", &stage.ago(KUBECTL - 5)]);
        between.exits(0).answers(&[V1, asked_by_hand]).is_silent_on(&[V2]);
        // Whoever asked before the sync was seen could not know of it.
        let known = stage.ask(&["timeline", SERVICE, "--known-at", &seen.to_string()]);
        known.exits(0).answers(&["->", V1]).is_silent_on(&["REVERTED"]);
        stage
    }
}

#[test]
fn each_version_has_its_share_for_as_long_as_it_was_seen() {
    let Night { stage, .. } = Night::begin();
    let canary = stage.ask(&["running", "--at", &stage.ago(CANARY - 60)]);
    canary.exits(0).answers(&["0.90 model/shop/fraud v1", "0.10 model/shop/fraud v2", "requested", "argo-cd"]);
    let windows = stage.ask(&["windows", "m2.bin"]);
    windows.exits(0).answers(&["2 windows: 1 open, 1 closed"]);
    let (from, until) = (stage.ago(CANARY - 5), stage.ago(FULL - 5));
    windows.has_line(&[SERVICE, "share 0.10", &format!("from {from}"), &format!("until {until}")]);
    // Asked for is not seen: nothing of it runs until the observer has it.
    stage.ask(&["running", "--at", &stage.ago(CANARY - 4)]).answers(&[V1]).is_silent_on(&["0.10"]);
    stage.ask(&["running", "--at", &stage.ago(CANARY - 5)]).answers(&["0.10"]);
    let hit = stage.ask(&["impact", "m2.bin", "--at", &stage.ago(CANARY - 60)]);
    hit.exits(0).answers(&["1 LIVE", &format!("{SERVICE} (share 0.10)")]);
    stage.end();
}

#[test]
fn a_sync_undoes_what_was_asked_for_with_kubectl() {
    let night = Night::begin();
    let at = night.stage.ago(KUBECTL);
    let by_hand = ["deploy", "--service", SERVICE, "--model", "m1.bin", "--door", "kubectl", "--time", &at];
    let by_hand = night.stage.ci(&by_hand).index();
    night.must_tell(&format!("requested (#{by_hand}) through kubectl")).end();
}

#[test]
fn a_sync_undoes_what_was_declared_a_rollback() {
    let night = Night::begin();
    let (first, at) = (night.first.event(), night.stage.ago(KUBECTL));
    let rollback = ["rollback", "--service", SERVICE, "--restores", &first, "--reason", "recall-drop", "--time", &at];
    let rollback = night.stage.ci(&rollback).index();
    let stage = night.must_tell(&format!("requested (#{rollback})"));
    let findings = stage.ask(&["findings"]);
    findings.exits(1).has_line(&["HIGH", "rollback-undone"]);
    findings.has_line(&[SERVICE, "is back since", &stage.ago(SYNC)]);
    stage.end();
}

#[test]
fn a_sync_undoes_what_nobody_told_of() {
    let night = Night::begin();
    let first = night.first.index();
    night.must_tell(&format!("requested before (#{first}), not by the request that stands")).end();
}
