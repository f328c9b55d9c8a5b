//! A batch scorer: no service, no observer, a job that scores all customers every night and writes a file.
//!
//! It scored two nights with version 1 of a model and the third with version 2; the data of version 1 turns out bad.
//!
//! Told must be: while version 1 was the scorer's, that the job is a live use of the bad data though no service is; after
//! the third night, that it no longer is, and that the files of the first two nights still descend from it. Wrong would be
//! "nothing runs, so nothing is hit", a job that stays live for good, or one that is forgotten when asked about a past night.

use super::stage::{DAY, HOUR, Stage};

const JOB: &str = "job/shop/score";

/// A night's customers, and the scores that the model of a version gives them.
fn night(stage: &Stage, ago: i64, version: &str) {
    let (customers, scores) = (format!("customers {ago}"), format!("scores {ago}"));
    stage.write(&format!("customers-{ago}.csv"), &customers);
    let features = format!("customers-{ago}.csv");
    stage.ci(&["dataset", &features, "--name", "dataset/shop/customers", "--time", &stage.ago(ago * DAY)]);
    let artifact = |content: &str| Stage::digest(content).replace("sha256:", "");
    let input = |role: &str, content: &str| {
        format!(
            r#"{{"role":"{role}","basis":"observed","artifact":{{"digest":{{"sha256":"{}"}}}}}}"#,
            artifact(content)
        )
    };
    let inputs = [input("model", &format!("weights {version}")), input("features", &customers)].join(",");
    let made = format!(r#"{{"name":"dataset/shop/scores","digest":{{"sha256":"{}"}}}}"#, artifact(&scores));
    let job = r#"{"namespace":"shop","name":"score","kind":"score"}"#;
    let data = format!(r#"{{"runId":"night-{ago}","job":{job},"inputs":[{inputs}],"outputs":[{made}]}}"#);
    stage.say_at(ago * DAY - HOUR, "run.completed", JOB, &data);
    stage.write(&format!("scores-{ago}.csv"), &scores);
    let file = format!("scores-{ago}.csv");
    stage.ci(&["dataset", &file, "--name", "dataset/shop/scores", "--time", &stage.ago(ago * DAY - HOUR)]);
}

#[test]
fn a_job_is_live_with_what_it_used_last_and_its_files_descend() {
    let stage = Stage::begin();
    for version in ["1", "2"] {
        let file = format!("data-{version}.csv");
        stage.write(&file, &format!("data {version}"));
        let data = Stage::digest(&format!("data {version}")).replace("sha256:", "");
        let weights = Stage::digest(&format!("weights {version}")).replace("sha256:", "");
        stage.ci(&[
            "dataset",
            &file,
            "--name",
            "dataset/shop/churn",
            "--version",
            version,
            "--time",
            &stage.ago(9 * DAY),
        ]);
        let trained = format!(
            r#"{{"runId":"train-{version}","job":{{"namespace":"shop","name":"train","kind":"train"}},"inputs":[{{"role":"training","artifact":{{"digest":{{"sha256":"{data}"}}}}}}],"outputs":[{{"digest":{{"sha256":"{weights}"}}}}]}}"#
        );
        stage.say_at(8 * DAY, "run.completed", "job/shop/train", &trained);
        stage.write(&format!("m{version}.bin"), &format!("weights {version}"));
        let model = format!("m{version}.bin");
        stage.ci(&["model", &model, "--name", "model/shop/churn", "--version", version, "--time", &stage.ago(8 * DAY)]);
    }
    night(&stage, 3, "1");
    night(&stage, 2, "1");
    let hit = stage.ask(&["impact", "data-1.csv"]);
    hit.exits(0).answers(&["1 LIVE", JOB, "rest", "dataset/shop/churn v1"]);
    hit.has_line(&[JOB, "LIVE", "batch job"]).has_line(&[
        "model/shop/churn v1",
        "job/shop/train",
        "dataset/shop/churn v1",
    ]);
    assert_eq!((hit.list("live")[0]["kind"].as_str(), hit.list("live").len()), (Some("batch"), 1));
    assert_eq!(scores_of(&hit), 2);
    // No service: what runs is another question, and says so.
    stage.ask(&["running"]).exits(1).answers(&["nothing is known to run"]);

    night(&stage, 1, "2");
    let after = stage.ask(&["impact", "data-1.csv"]);
    after.exits(1).answers(&["nothing that is seen to run rests on dataset/shop/churn v1"]);
    assert_eq!(scores_of(&after), 2, "what was written is still made of it");
    stage.ask(&["impact", "data-2.csv"]).exits(0).answers(&["1 LIVE", JOB]);
    let then = stage.ask(&["impact", "data-1.csv", "--at", &stage.ago(2 * DAY - 2 * HOUR)]);
    then.exits(0).answers(&["at ", "1 LIVE", JOB]);

    let trace = stage.ask(&["trace", "scores-2.csv"]);
    trace.exits(0).answers(&[
        "dataset/shop/scores",
        "was made from",
        "dataset/shop/customers",
        "dataset/shop/churn v1",
    ]);
    trace.is_silent_on(&["churn v2"]);
    let newest = stage.ask(&["trace", "dataset/shop/scores"]);
    newest.exits(0).answers(&["dataset/shop/churn v2"]).has_line(&["in doubt", "3 different digests"]);
    stage.end();
}

/// How many files of scores are in an answer.
fn scores_of(answer: &super::stage::Answer) -> usize {
    answer.list("nodes").iter().filter(|node| node["name"] == "dataset/shop/scores").count()
}
