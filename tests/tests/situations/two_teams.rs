//! One model name, two teams.
//!
//! Teams `red` and `blue` each have a model that they call `fraud`. Names have an owner, so theirs are two names; but both
//! also register into a shared one, `model/shop/fraud` version 3, an hour apart. And once, blue's pipeline is set up with
//! red's name.
//!
//! Told must be: whose model a service runs, by its digest; that the shared name and version mean two digests, which, and
//! whose; what the name meant at a moment; and that blue may not speak for red. Wrong would be one team's ancestry under
//! the other's service, or one of the two in silence.

use lineal_tests::programs::run;

use super::stage::{HOUR, Stage};

const SHARED: &str = "model/shop/fraud";

/// Both models, trained, registered under both names, and running.
fn told() -> Stage {
    let stage = Stage::begin();
    for (team, ago) in [("red", 3), ("blue", 2)] {
        let names: Vec<String> = ["dataset", "model", "job"].iter().map(|kind| format!("{kind}/{team}/**")).collect();
        stage.enrol(team, &["data", "trainer"], &[names, vec![SHARED.to_owned()]].concat());
        let (data, model) = (format!("{team}.csv"), format!("{team}.bin"));
        stage.write(&data, &format!("data of {team}"));
        stage.tell(team, &["dataset", &data, "--name", &format!("dataset/{team}/cards")]);
        let (training, output) = (format!("training={data}"), format!("printf %s 'weights of {team}' > {model}"));
        let run = ["run", "--no-capture", "--job", &format!("{team}/train"), "--input", &training, "--output", &model];
        stage.tell(team, &[&run[..], &["--", "sh", "-c", &output]].concat());
        let own = format!("model/{team}/fraud");
        stage.tell(team, &["model", &model, "--name", &own, "--version", "1", "--time", &stage.ago(5 * HOUR)]);
        stage.tell(team, &["model", &model, "--name", SHARED, "--version", "3", "--time", &stage.ago(ago * HOUR)]);
        stage.observe(&format!("service/{team}/scoring@eu-1/prod"), 30, &["--model", &model, "--next-within", "7200"]);
    }
    stage
}

fn digest(team: &str) -> String {
    format!("{}…", &Stage::digest(&format!("weights of {team}"))[..19])
}

#[test]
fn a_name_of_two_models_is_never_taken_for_one_in_silence() {
    let stage = told();
    for asked in [SHARED, "model/shop/fraud@3"] {
        let trace = stage.ask(&["trace", asked]);
        trace.exits(0).answers(&[&digest("blue"), "dataset/blue/cards"]).is_silent_on(&["dataset/red"]);
        trace.has_line(&["in doubt", "2 different digests", &digest("red"), "by red"]);
    }
    let then = stage.ask(&["trace", SHARED, "--at", &stage.ago(2 * HOUR + 30)]);
    then.exits(0).answers(&[&digest("red"), "dataset/red/cards"]);
    then.has_line(&["in doubt", "names another since", &stage.ago(2 * HOUR), &digest("blue"), "by blue"]);
    let impact = stage.ask(&["impact", SHARED]);
    impact.exits(0).answers(&["1 LIVE", "service/blue/scoring"]);
    impact.has_line(&["warning", "2 different digests", &digest("red"), "by red"]);
    // A history under the name is that of both, and says so.
    for command in ["windows", "timeline"] {
        let history = stage.ask(&[command, SHARED]);
        history.exits(0).has_line(&["service/red/scoring", &digest("red")]);
        history.has_line(&["service/blue/scoring", &digest("blue")]).has_line(&["warning", "2 different digests"]);
        assert_eq!(history.list("warnings").len(), 1, "{}", history.json);
    }
    let findings = stage.ask(&["findings"]);
    findings.exits(1).has_line(&["version-with-two-digests"]);
    findings.has_line(&["model/shop/fraud", "3 was said of artifacts with different digests"]);
    stage.end();
}

#[test]
fn each_service_runs_its_own_teams_model() {
    let stage = told();
    stage.ask(&["running"]).exits(0).answers(&["2 services run"]);
    for (team, other) in [("red", "blue"), ("blue", "red")] {
        let trace = stage.ask(&["trace", &format!("service/{team}/scoring@eu-1/prod")]);
        trace.exits(0).answers(&[&digest(team), &format!("dataset/{team}/cards"), "(complete"]);
        trace.is_silent_on(&[&digest(other), &format!("dataset/{other}"), "in doubt"]);
        // The name of one owner means one model.
        let own = stage.ask(&["trace", &format!("{team}/fraud")]);
        own.exits(0).answers(&[&digest(team)]).is_silent_on(&["different digests"]);
        let impact = stage.ask(&["impact", &format!("{team}.csv")]);
        impact
            .exits(0)
            .answers(&["1 LIVE", &format!("service/{team}/scoring")])
            .is_silent_on(&[&format!("service/{other}")]);
    }
    // Without an owner it is no name; what it could mean is said.
    let bare = stage.ask(&["trace", "fraud"]);
    bare.exits(2).fails_with(&["model/red/fraud", "model/blue/fraud", SHARED]);
    stage.end();
}

#[test]
fn a_team_may_not_speak_for_another() {
    let stage = told();
    let said = stage.emitted("blue", &["model", "blue.bin", "--name", "model/red/fraud", "--version", "2"], 1);
    assert_eq!(said.last()["code"].as_str(), Some("name-not-allowed"), "{}", said.last());
    let refused = run(&mut stage.operator("rejected list")).succeeded();
    assert!(refused.contains("name-not-allowed"), "{refused}");
    let trace = stage.ask(&["trace", "model/red/fraud"]);
    trace.exits(0).answers(&[&digest("red")]).is_silent_on(&[&digest("blue"), "different digests"]);
    stage.end();
}
