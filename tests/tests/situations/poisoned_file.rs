//! A poisoned file that is found after six weeks, in 42 nightly snapshots.
//!
//! Each night the folder of transactions is snapshotted under one name. In the third night a file with flipped labels comes
//! in, and stays. Each week a model is trained on that night's snapshot and takes the place of the one before; one small
//! service still runs the very first, from before the file was there. Then somebody finds the file, and flags it.
//!
//! Told must be, for the file in hand and for each of the 42 nights: whether what runs now, or ran before, rests on it; and
//! from when to when each model served. Wrong would be the newest night alone, a service from before the file among those
//! that are hit, or a model that has been replaced among those that run.

use lineal_tests::programs::run;

use super::stage::{DAY, HOUR, Stage};

const NAME: &str = "dataset/shop/transactions";
const SERVICE: &str = "service/shop/fraud@eu-1/prod";
const OLD: &str = "service/shop/fraud@lab-1/test";
const NIGHTS: i64 = 42;
/// The nights that a model was trained on, in days ago, the oldest first.
const TRAINED: [i64; 6] = [42, 35, 28, 21, 14, 7];

/// The six weeks; the `dirHash` of each night by how many days ago it was.
fn told() -> (Stage, Vec<String>) {
    let stage = Stage::begin();
    let mut nights = vec![String::new()];
    for ago in (1..=NIGHTS).rev() {
        stage.write("lake/part-0001.csv", &format!("transactions until {ago} days ago"));
        if ago == NIGHTS - 2 {
            stage.write("lake/part-0017.csv", "flipped labels");
        }
        let night = format!("night-{ago}");
        let said = ["dataset", "lake", "--name", NAME, "--version", &night, "--time", &stage.ago(ago * DAY)];
        nights.insert(1, stage.ci(&said).dir_hash());
    }
    for (version, ago) in (1..).zip(TRAINED) {
        train(&stage, version, ago, &nights[usize::try_from(ago).unwrap()]);
    }
    stage.observe(OLD, 30, &["--model", "m1.bin", "--next-within", "7200"]);
    (stage, nights)
}

/// A model of a night, registered, and seen an hour later in the place of the one before.
fn train(stage: &Stage, version: u32, ago: i64, night: &str) {
    let (model, weights) = (format!("m{version}.bin"), format!("weights {version}"));
    stage.write(&model, &weights);
    let made = Stage::digest(&weights).replace("sha256:", "");
    let job = r#"{"namespace":"shop","name":"train","kind":"train"}"#;
    let input = format!(r#"{{"role":"training","artifact":{{"digest":{{"dirHash":"{night}"}}}}}}"#);
    let data = format!(
        r#"{{"runId":"week-{version}","job":{job},"inputs":[{input}],"outputs":[{{"digest":{{"sha256":"{made}"}}}}]}}"#
    );
    stage.say_at(ago * DAY, "run.completed", "job/shop/train", &data);
    let version = version.to_string();
    let named = ["--name", "model/shop/fraud", "--version", &version, "--time", &stage.ago(ago * DAY)];
    stage.ci(&[&["model", &model][..], &named].concat());
    stage.observe(SERVICE, ago * DAY - HOUR, &["--model", &model, "--next-within", "691200"]);
}

#[test]
fn each_night_is_told_by_itself_and_the_windows_of_each_model() {
    let (stage, nights) = told();
    let flag = ["flag", "lake/part-0017.csv", "--category", "poisoned", "--reason", "labels-flipped"];
    let since = ["--known-since", &stage.ago(40 * DAY), "--subject", "artifact/shop/part-0017"];
    let flag = stage.ci(&[&flag[..], &since].concat()).index();
    let said = stage.ask(&["timeline", "lake/part-0017.csv"]);
    said.exits(0).has_line(&["artifact.flagged artifact/shop/part-0017", &format!("#{flag} by shop")]);

    let log = run(&mut stage.operator("log --last 1")).succeeded();
    assert!(log.contains(&format!("#{flag} ")) && log.contains("artifact.flagged"), "{log}");

    let (mut live, mut former) = (Vec::new(), Vec::new());
    for ago in 1..=NIGHTS {
        let found = stage.ask(&["impact", &format!("dirHash:{}", nights[usize::try_from(ago).unwrap()])]);
        let named = |member: &str| found.list(member).iter().map(|one| (ago, one["name"].as_str().unwrap().to_owned()));
        live.extend(named("live").collect::<Vec<_>>());
        former.extend(named("former").collect::<Vec<_>>());
        found.exits(i32::from(found.list("live").is_empty())).is_silent_on(&["different digests"]);
    }
    assert_eq!(live, [(7, SERVICE.to_owned()), (42, OLD.to_owned())]);
    assert_eq!(former.iter().map(|(ago, _name)| *ago).collect::<Vec<_>>(), [14, 21, 28, 35, 42]);
    assert!(former.iter().all(|(_ago, name)| name == SERVICE), "{former:?}");

    by_file(&stage);
    served(&stage);
    by_name(&stage);
    flagged(&stage, &nights[7]);
    stage.end();
}

/// The file in hand is enough to ask with, and once it is flagged what runs of it says so.
fn by_file(stage: &Stage) {
    let found = stage.ask(&["impact", "lake/part-0017.csv"]);
    found.exits(0).answers(&["1 LIVE", SERVICE, "part of 40 folders"]).is_silent_on(&[OLD]);
    stage.ask(&["running"]).exits(0).has_line(&[SERVICE, "on FLAGGED artifacts (poisoned)"]);
    let findings = stage.ask(&["findings"]);
    findings.exits(1).has_line(&["CRITICAL", "live-on-flagged-data"]).has_line(&[SERVICE, "fraud v6"]);
    let live = |finding: &&serde_json::Value| finding["rule"] == "live-on-flagged-data";
    assert_eq!(findings.list("findings").iter().filter(live).count(), 1, "the service from before the file is not hit");
}

/// The snapshot that the newest model was trained on is flagged as well: what runs on it says so, and nothing else does. What was
/// told late, as all of it was here, is one line and not one an event.
fn flagged(stage: &Stage, night: &str) {
    let snapshot = format!("dirHash:{night}");
    let flag = ["flag", &snapshot, "--category", "poisoned", "--reason", "labels-flipped"];
    stage.ci(&[&flag[..], &["--known-since", &stage.ago(40 * DAY), "--subject", "artifact/shop/night-7"]].concat());
    let running = stage.ask(&["running"]);
    running.exits(0).answers(&["2 services run, 1 on FLAGGED artifacts"]);
    running.has_line(&[SERVICE, "model/shop/fraud v6", "on FLAGGED artifacts (poisoned)"]);
    running.has_line(&["! rests on", NAME, "night-7", "FLAGGED poisoned: labels-flipped", &stage.ago(40 * DAY)]);
    let findings = stage.ask(&["findings"]);
    findings.exits(1).answers(&["2 critical"]).has_line(&["CRITICAL", "live-on-flagged-data"]);
    let late = |finding: &&serde_json::Value| finding["rule"] == "late-arrival";
    assert_eq!(findings.list("findings").iter().filter(late).count(), 1);
    findings.has_line(&[&format!("{SERVICE} is live on model/shop/fraud v6"), "night-7", "FLAGGED poisoned"]);
    findings.is_silent_on(&[&format!("{OLD} is live on")]);
}

/// From when to when each model served: whom the bad ones had decided about is asked with these times.
fn served(stage: &Stage) {
    for (version, (from, until)) in (1..).zip(TRAINED.iter().zip(&TRAINED[1..])) {
        let windows = stage.ask(&["windows", &format!("m{version}.bin")]);
        let (from, until) = (stage.ago(from * DAY - HOUR), stage.ago(until * DAY - HOUR));
        windows.has_line(&[SERVICE, &format!("fraud v{version}"), &format!("from {from}"), &format!("until {until}")]);
    }
    let last = stage.ask(&["windows", "m6.bin"]);
    last.exits(0).answers(&["1 window: 1 open"]).has_line(&[SERVICE, &format!("from {}", stage.ago(7 * DAY - HOUR))]);
    let then = stage.ask(&["trace", SERVICE, "--at", &stage.ago(25 * DAY)]);
    then.exits(0).answers(&["runs model/shop/fraud v3", &format!("{NAME} night-28")]);
}

/// The name is that of 42 snapshots, and no answer about it hides that.
fn by_name(stage: &Stage) {
    let found = stage.ask(&["impact", NAME]);
    found.exits(1).answers(&["nothing that is seen to run rests on", "night-1 dirHash:"]);
    found.has_line(&["warning", "42 different digests", "and 38 more"]);
    let found = stage.ask(&["impact", &format!("{NAME}@night-7")]);
    found.exits(0).answers(&["1 LIVE", SERVICE, "night-7"]).is_silent_on(&["different digests", OLD]);
}
