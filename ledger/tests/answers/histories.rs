//! Timelines and windows: one line a change, silence and reversions included, and intervals with what bounds them.

use lineal_ledger::answers::{Timeline, Windows, timeline::LineKind, windows::WindowState};

use super::*;
use LineKind::{Observed, Requested, Reverted, RolledBack};

impl World {
    pub(crate) fn timeline(&self, asked: &str) -> Timeline {
        let timeline = answers::timeline(&self.view(), asked, (None, None), self.clock.wall()).unwrap();
        let json = serde_json::to_string(&timeline).unwrap();
        assert_eq!(serde_json::from_str::<Timeline>(&json).unwrap(), timeline, "the JSON holds all of it");
        assert_eq!(timeline.to_text(Style::Plain).lines().next(), Some(timeline.answer.as_str()));
        timeline
    }

    pub(crate) fn windows(&self, asked: &str) -> Windows {
        let windows = answers::windows(&self.view(), asked, self.clock.wall()).unwrap();
        let json = serde_json::to_string(&windows).unwrap();
        assert_eq!(serde_json::from_str::<Windows>(&json).unwrap(), windows, "the JSON holds all of it");
        assert_eq!(windows.to_text(Style::Plain).lines().next(), Some(windows.answer.as_str()));
        windows
    }

    fn request(&mut self, model: &str) -> (u64, EventDigest) {
        self.request_through("argo-cd", model)
    }

    fn request_through(&mut self, door: &str, model: &str) -> (u64, EventDigest) {
        let data = format!(r#"{{"service":"{SERVICE}","servingSet":[{}],"door":"{door}"}}"#, serving(model));
        self.send_event("deployer", "deployment.requested", SERVICE, &data)
    }
}

fn of_kind(timeline: &Timeline) -> Vec<LineKind> {
    timeline.lines.iter().map(|line| line.kind).collect()
}

#[test]
fn a_rollback_that_a_sync_undoes_is_reverted() {
    let mut world = World::begin();
    let (_old, first) = world.request("weights-1");
    world.observe(SERVICE, &serving("weights-1"), "");
    let (standing, _digest) = world.request("weights-2");
    world.observe(SERVICE, &serving("weights-2"), "");
    world.observe(SERVICE, &serving("weights-2"), "");
    let back = format!(r#"{{"service":"{SERVICE}","restores":"{first}","reason":"incident"}}"#);
    world.send("deployer", "deployment.rolledback", SERVICE, &back);
    world.observe(SERVICE, &serving("weights-1"), "");
    world.observe(SERVICE, &serving("weights-2"), "");
    let timeline = world.timeline(SERVICE);
    assert_eq!(
        of_kind(&timeline),
        [Requested, Observed, Requested, Observed, RolledBack, Observed, Reverted],
        "{}",
        timeline.to_text(Style::Plain)
    );
    assert_eq!((timeline.lines[3].observations, timeline.lines[3].before.len()), (Some(2), 1));
    assert_eq!(timeline.lines[6].regarding, Some(standing), "the request that stands");
    assert!(timeline.answer.contains("REVERTED 1 time"), "{}", timeline.answer);
    assert_eq!(timeline.lines[0].door.as_deref(), Some("argo-cd"));
    assert_eq!(timeline.exit_code(), 0);
    // What is asked for anew has not been reverted to.
    world.request("weights-1");
    world.observe(SERVICE, &serving("weights-1"), "");
    assert_eq!(of_kind(&world.timeline(SERVICE)).iter().filter(|kind| **kind == Reverted).count(), 1);
}

#[test]
fn a_change_that_nobody_asked_for_is_reverted_too() {
    let mut world = World::begin();
    world.observe(SERVICE, &serving("weights-1"), "");
    world.request("weights-1");
    world.observe(SERVICE, &serving("weights-3"), "");
    world.observe(SERVICE, &serving("weights-1"), "");
    let kinds = of_kind(&world.timeline(SERVICE));
    assert_eq!(kinds.last(), Some(&Reverted), "{kinds:?}");
}

/// No door knows of another: what was asked for with `kubectl` did not replace what `argo-cd` was asked for, and hid that
/// the sync had put it back.
#[test]
fn what_one_door_put_through_again_against_another_is_reverted() {
    let mut world = World::begin();
    let (by_argo, _digest) = world.request("weights-2");
    world.observe(SERVICE, &serving("weights-2"), "");
    world.request_through("kubectl", "weights-1");
    // Before the one that was asked for last was there, the other one is only still there.
    world.observe(SERVICE, &serving("weights-3"), "");
    world.observe(SERVICE, &serving("weights-2"), "");
    assert!(!of_kind(&world.timeline(SERVICE)).contains(&Reverted));
    world.observe(SERVICE, &serving("weights-1"), "");
    world.observe(SERVICE, &serving("weights-2"), "");
    let timeline = world.timeline(SERVICE);
    let last = timeline.lines.last().unwrap();
    assert_eq!((last.kind, last.regarding), (Reverted, Some(by_argo)), "{}", timeline.to_text(Style::Plain));
    // It goes on: what was asked for last is back, and so is what stands in its way.
    world.observe(SERVICE, &serving("weights-1"), "");
    world.observe(SERVICE, &serving("weights-3"), "");
    let kinds = of_kind(&world.timeline(SERVICE));
    assert_eq!(kinds[kinds.len() - 2..], [Reverted, Observed], "nobody had asked for the third");
}

#[test]
fn what_the_same_door_was_asked_for_before_is_replaced() {
    let mut world = World::begin();
    world.request("weights-1");
    world.observe(SERVICE, &serving("weights-1"), "");
    world.request("weights-2");
    world.observe(SERVICE, &serving("weights-2"), "");
    world.observe(SERVICE, &serving("weights-1"), "");
    let kinds = of_kind(&world.timeline(SERVICE));
    assert_eq!(kinds.last(), Some(&Observed), "{kinds:?}");
}

#[test]
fn what_has_no_strong_digest_is_unknown_and_not_a_no() {
    let mut world = World::deployed();
    let vendor = r#"{"model":{"uri":"https://api.vendor.example/reader"},"name":"model/wine/reader","external":true}"#;
    world.send("trainer", "model.registered", "model/wine/reader", vendor);
    let windows = world.windows("model/wine/reader");
    assert_eq!((windows.exit_code(), windows.unjoined, windows.warnings.len()), (2, true, 1));
    assert!(windows.answer.starts_with("UNKNOWN where"), "{}", windows.answer);
    assert_eq!(world.timeline("model/wine/reader").warnings, windows.warnings);
    let impact = answers::impact(&world.view(), "model/wine/reader", world.clock.wall()).unwrap();
    assert_eq!((impact.exit_code(), impact.answer.starts_with("UNKNOWN what rests on")), (2, true));
    // A later registration under the same name has one: it has a history, and the other is not forgotten.
    world.register("model/wine/reader", "2", "weights-1", "");
    let windows = world.windows("model/wine/reader");
    assert_eq!((windows.exit_code(), windows.unjoined, windows.warnings.len()), (0, false, 1));
}

#[test]
fn a_name_of_several_has_the_history_of_all_and_says_so() {
    let mut world = World::deployed();
    assert_eq!(world.windows("model/wine/quality").warnings, [""; 0]);
    world.train("run-2", "red", "weights-2");
    world.register("model/wine/quality", "2", "weights-2", "");
    world.observe(SERVICE, &serving("weights-2"), "");
    let windows = world.windows("model/wine/quality");
    assert_eq!(windows.windows.len(), 2);
    assert!(windows.warnings[0].contains("has named 2 different digests"), "{:?}", windows.warnings);
    assert_eq!(world.timeline("model/wine/quality").warnings, windows.warnings);
    assert_eq!(world.windows(&hash("weights-2")).warnings, [""; 0]);
}

#[test]
fn silence_is_a_line_and_an_end() {
    let mut world = World::deployed();
    world.observe(SERVICE, &serving("weights-1"), r#","nextWithinSeconds":60"#);
    let seen = world.running().services[0].last_observed;
    let due = Timestamp::from_millis(seen.as_millis() + 60_000);
    world.clock.advance(600);
    let timeline = world.timeline(SERVICE);
    let silent = timeline.lines.last().unwrap();
    assert_eq!((silent.kind, silent.at, silent.until), (LineKind::Unknown, due, None));
    assert_eq!(timeline.exit_code(), 2);
    assert!(timeline.answer.contains(&format!("is UNKNOWN since {due}")), "{}", timeline.answer);
    let windows = world.windows("model/wine/quality");
    assert_eq!((windows.windows.len(), windows.exit_code()), (1, 2));
    assert_eq!((windows.windows[0].state, windows.windows[0].unknown_since), (WindowState::Unknown, Some(due)));
    assert_eq!((windows.windows[0].last_seen, windows.windows[0].observations), (seen, 2));
    world.observe(SERVICE, &serving("weights-1"), "");
    let again = world.running().services[0].last_observed;
    let timeline = world.timeline(SERVICE);
    let silent = timeline.lines.iter().find(|line| line.kind == LineKind::Unknown).unwrap();
    assert_eq!((silent.at, silent.until, timeline.exit_code()), (due, Some(again), 0));
    assert!(timeline.to_text(Style::Plain).contains(&format!("from {due} to {again}")));
    let windows = world.windows(SERVICE).windows;
    assert_eq!(
        windows.iter().map(|window| window.state).collect::<Vec<_>>(),
        [WindowState::Unknown, WindowState::Open]
    );
    assert_eq!(windows[1].from, again, "nothing is taken to have run on over silence");
}

#[test]
fn windows_are_bounded_by_observations_for_each_share() {
    let mut world = World::deployed();
    world.train("run-2", "red", "weights-2");
    world.register("model/wine/next", "1", "weights-2", "");
    let both = |new: &str, old: &str| format!("{},{}", shared(old, "weights-1"), shared(new, "weights-2"));
    let canary = world.observe(SERVICE, &both("0.10", "0.90"), "");
    world.observe(SERVICE, &both("0.1", "0.9"), "");
    let half = world.observe(SERVICE, &both("0.50", "0.50"), "");
    let full = world.observe(SERVICE, &serving("weights-2"), "");
    let removed = world.send("deployer", "deployment.removed", SERVICE, &format!(r#"{{"service":"{SERVICE}"}}"#));
    let found = world.windows("model/wine/next");
    let shares: Vec<_> = found.windows.iter().map(|window| window.share.as_deref()).collect();
    assert_eq!(shares, [Some("0.10"), Some("0.50"), None]);
    let bounds: Vec<_> = found
        .windows
        .iter()
        .map(|window| (window.first.index, window.closed_by.as_ref().unwrap().index, window.observations))
        .collect();
    assert_eq!(bounds, [(canary, half, 2), (half, full, 1), (full, removed, 1)]);
    assert_eq!(found.windows[0].until, Some(found.windows[1].from));
    assert_eq!((found.windows[0].environment.as_deref(), found.exit_code()), (Some("prod"), 0));
    assert_eq!(world.windows(SERVICE).windows.len(), 6, "both models, at each share");
    let error = answers::windows(&world.view(), "model/wine/none", world.clock.wall()).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(world.windows("dataset/wine/red").exit_code(), 1, "data never served");
}

#[test]
fn an_artifact_has_its_own_history_and_that_of_its_services() {
    let mut world = World::deployed();
    world.train("run-2", "red", "weights-2");
    world.observe(SERVICE, &serving("weights-2"), "");
    world.observe(SERVICE, &serving("weights-3"), "");
    let timeline = world.timeline("model/wine/quality");
    let said: Vec<&str> =
        timeline.lines.iter().filter(|line| line.kind == LineKind::Said).map(|line| &*line.event.kind).collect();
    assert_eq!(said, ["run.completed", "model.registered"]);
    let seen = timeline.lines.iter().filter(|line| line.kind == Observed).count();
    assert_eq!((seen, timeline.services.len()), (2, 1), "it came and it went; what came after is not its history");
    let (from, to) = (timeline.lines[1].at, timeline.lines[2].at);
    let part = answers::timeline(&world.view(), "model/wine/quality", (Some(from), Some(to)), world.clock.wall());
    assert_eq!(part.unwrap().lines, timeline.lines[1..3]);
}
