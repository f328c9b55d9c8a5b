//! What a service can go back to: candidates from observation, the two lines, what would undo it, checks and patches.

use lineal_ledger::{
    answers::{
        RollbackPlan,
        rollback::{
            Ask, MIN_RUN_SECONDS, Restorable, Undoes,
            check::check,
            patch::{Format, PatchError, patch},
        },
    },
    stores::Stores,
};

use lineal_schemas::vocabulary::Payload;

use super::*;
use Restorable::{No, Unknown, Yes};

const HOUR: i64 = 3600;

impl World {
    pub(crate) fn plan_to(&self, to: Option<&str>) -> RollbackPlan {
        let ask = Ask { service: SERVICE, to, min_run_seconds: MIN_RUN_SECONDS };
        let plan = answers::rollback_plan(&self.view(), ask, self.clock.wall()).unwrap();
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<RollbackPlan>(&json).unwrap(), plan, "the JSON holds all of it");
        assert_eq!(plan.to_text(Style::Plain).lines().next(), Some(plan.answer.as_str()), "line 1 is the answer");
        plan
    }

    pub(crate) fn plan(&self) -> RollbackPlan {
        self.plan_to(None)
    }

    /// A feature pipeline that gives these columns.
    pub(crate) fn pipeline(&mut self, version: &str, columns: &[&str]) {
        let fields: Vec<String> =
            columns.iter().map(|name| format!(r#"{{"name":"{name}","type":"double"}}"#)).collect();
        let data = format!(
            r#"{{"kind":"feature-pipeline","artifact":{{"digest":{{"sha256":"DIGEST(pipeline-{version})"}},"uri":"s3://t/{version}"}},"name":"transform/wine/features","version":"{version}","outputSchema":{{"fields":[{}]}}}}"#,
            fields.join(",")
        );
        self.send("data", "transform.published", "transform/wine/features", &data);
    }

    /// A model with data, a run, a name and a place.
    pub(crate) fn made(&mut self, version: &str) {
        let fields = r#","schema":{"fields":[{"name":"acid","type":"double"}]}"#;
        self.snapshot("dataset/wine/red", &format!("red-{version}"), &format!(r#","version":"{version}"{fields}"#));
        self.train(&format!("run-{version}"), &format!("red-{version}"), &format!("weights-{version}"));
        self.register("model/wine/quality", version, &format!("weights-{version}"), "");
        self.locate(&format!("weights-{version}"), &format!("s3://models/{version}"));
    }

    pub(crate) fn locate(&mut self, content: &str, uri: &str) {
        let data = format!(r#"{{"artifact":{{"digest":{{"sha256":"DIGEST({content})"}}}},"uri":"{uri}"}}"#);
        self.send("data", "artifact.located", "artifact/wine/part", &data);
    }

    fn locate_version(&mut self, content: &str, uri: &str, version: &str) {
        let data = format!(
            r#"{{"artifact":{{"digest":{{"sha256":"DIGEST({content})"}}}},"uri":"{uri}","versionId":"{version}"}}"#
        );
        self.send("data", "artifact.located", "artifact/wine/part", &data);
    }

    pub(crate) fn destroy(&mut self, content: &str, uri: &str) {
        let data = format!(
            r#"{{"artifact":{{"digest":{{"sha256":"DIGEST({content})"}}}},"uri":"{uri}","reason":"retention"}}"#
        );
        self.send("data", "artifact.destroyed", "artifact/wine/part", &data);
    }

    pub(crate) fn runs(&mut self, sets: &str, hours: i64) {
        self.observe(SERVICE, sets, "");
        self.clock.advance(hours * HOUR);
    }

    /// Version 1 behind one pipeline for a day, then version 2 behind another.
    fn went_on(columns: &[&str]) -> Self {
        let mut world = Self::begin();
        world.pipeline("41", &["acid", "sugar"]);
        world.made("1");
        world.runs(&behind("weights-1", "pipeline-41"), 24);
        world.pipeline("43", columns);
        world.made("2");
        world.runs(&behind("weights-2", "pipeline-43"), 1);
        world
    }
}

/// The ledger's own decision about a model.
fn decide(world: &World, model: &str, verdict: &str) {
    let (digest, at) = (hash(model), world.clock.wall());
    let set = format!(r#"[{{"components":[{{"role":"model","artifact":{{"digest":{{"sha256":"{digest}"}}}}}}]}}]"#);
    let data = format!(
        r#"{{"service":"{SERVICE}","servingSet":{set},"verdict":"{verdict}","treeSize":1,"judgedAt":"{at}","document":"{digest}"}}"#
    );
    let payload = Payload::parse("dev.lineal.gate.decided.v1", &data).unwrap();
    world.ledger.as_ref().unwrap().say(SERVICE, payload).unwrap();
    world.ledger.as_ref().unwrap().wait_for_index();
}

#[test]
fn what_the_gate_allowed_is_chosen_before_what_nobody_asked_it_about() {
    use lineal_ledger::answers::rollback::Admission::{Admitted, Refused, Unknown};
    let mut world = World::begin();
    for version in ["1", "2", "3", "4"] {
        world.made(version);
        world.runs(&serving(&format!("weights-{version}")), 2);
    }
    let told = |world: &World| {
        let plan = world.plan();
        let all: Vec<_> = plan.candidates.iter().map(|one| one.admission).collect();
        (all, plan.choice.map(|choice| choice.candidate))
    };
    assert_eq!(told(&world), (vec![Unknown, Unknown, Unknown], Some(0)));
    decide(&world, "weights-3", "undecided");
    assert_eq!(told(&world), (vec![Unknown, Unknown, Unknown], Some(0)), "undecided says nothing");
    decide(&world, "weights-3", "deny");
    assert_eq!(told(&world), (vec![Refused, Unknown, Unknown], Some(1)));
    decide(&world, "weights-1", "allow");
    decide(&world, "weights-1", "deny");
    assert_eq!(told(&world), (vec![Refused, Unknown, Admitted], Some(2)), "allowed once, it may come back");
    let plan = world.plan_to(Some("model/wine/quality@3"));
    let against = "was refused by the gate, and never allowed";
    assert!(plan.warnings.iter().any(|warning| warning.contains(against)), "{:?}", plan.warnings);
}

pub(crate) fn part(role: &str, content: &str) -> String {
    format!(r#"{{"role":"{role}","artifact":{{"digest":{{"sha256":"DIGEST({content})"}}}},"binding":"pinned"}}"#)
}

pub(crate) fn set(parts: &[String]) -> String {
    format!(r#"{{"components":[{}]}}"#, parts.join(","))
}

pub(crate) fn behind(model: &str, pipeline: &str) -> String {
    set(&[part("model", model), part("transform", pipeline)])
}

fn states(plan: &RollbackPlan) -> (Restorable, Restorable, u8) {
    (plan.model.state, plan.context.state, plan.exit_code())
}

#[test]
fn the_two_lines_say_model_yes_and_context_no() {
    let world = World::went_on(&["acid"]);
    let plan = world.plan();
    assert_eq!(states(&plan), (Yes, No, 1), "{}", plan.to_text(Style::Plain));
    let model = format!("model/wine/quality v1 sha256:{}…", &hash("weights-1")[..12]);
    assert_eq!(
        plan.answer,
        format!(
            "{SERVICE}: Model restorable: yes, {model}. Context: NO, feature-pipeline transform/wine/features v41 -> v43, column sugar dropped"
        )
    );
    let choice = plan.choice.as_ref().unwrap();
    let together: Vec<&str> = choice.restore.iter().map(|one| one.component.digests[0].value.as_str()).collect();
    assert_eq!(together, [hash("weights-1"), hash("pipeline-41")], "both or neither");
    let text = plan.to_text(Style::Plain);
    for expected in ["model    yes\n", "context  NO: ", "restore together, all or nothing:", "no gate decision"] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn what_runs_behind_the_same_pipeline_is_a_yes() {
    let mut world = World::begin();
    world.pipeline("41", &["acid"]);
    world.made("1");
    world.runs(&behind("weights-1", "pipeline-41"), 24);
    world.made("2");
    world.runs(&behind("weights-2", "pipeline-41"), 1);
    let plan = world.plan();
    assert_eq!(states(&plan), (Yes, Yes, 0), "{}", plan.to_text(Style::Plain));
    let choice = plan.choice.as_ref().unwrap();
    assert_eq!(choice.restore.iter().map(|one| one.in_place).collect::<Vec<_>>(), [false, true]);
    assert!(choice.differences.is_empty(), "{:?}", choice.differences);
}

/// The published post-mortem of the image changes past the gate: patch after patch, none of which ran for long.
#[test]
fn patches_that_ran_for_minutes_are_no_candidates_and_the_image_of_weeks_is() {
    let mut world = World::begin();
    let image = |name: &str| {
        let digest = format!(r#"{{"name":"r.example/serve","digest":{{"sha256":"DIGEST({name})"}}}}"#);
        format!(r#"{{"components":[{{"role":"image","artifact":{digest},"binding":"pinned"}}]}}"#)
    };
    world.runs(&image("of-weeks"), 57 * 24);
    for patch in 0..6 {
        world.observe(SERVICE, &image(&format!("patch-{patch}")), "");
        world.clock.advance(6 * 60);
    }
    let plan = world.plan();
    let choice = plan.choice.as_ref().unwrap();
    assert_eq!(choice.restore[0].component.digests[0].value, hash("of-weeks"));
    assert_eq!(plan.candidates[0].against, ["ran for 6 min only"], "the newest is told first, and why not");
    assert_eq!((plan.candidates.len(), choice.candidate), (6, 5));
    assert_eq!(plan.model.state, Yes, "an image by digest has a place: {:?}", plan.model);
    assert_eq!(states(&plan).2, 2, "of its context nothing is on the record: {:?}", plan.context);
    let found = patch(&plan, Format::Kustomize).unwrap();
    let expected = format!("  - name: \"r.example/serve\"\n    digest: \"sha256:{}\"\n", hash("of-weeks"));
    assert!(found.contains(&expected), "{found}");
}

#[test]
fn flags_incidents_and_what_holds_all_of_now_speak_against_a_candidate() {
    let mut world = World::begin();
    world.made("1");
    world.runs(&serving("weights-1"), 24);
    world.made("2");
    world.runs(&serving("weights-2"), 2);
    world.incident("opened", &format!(r#","services":["{SERVICE}"]"#));
    world.runs(&serving("weights-2"), 2);
    world.incident("closed", r#","resolution":"rolled-back""#);
    world.made("3");
    world.runs(&format!("{},{}", shared("0.5", "weights-3"), shared("0.5", "weights-4")), 2);
    world.runs(&serving("weights-4"), 1);
    let plan = world.plan();
    assert_eq!(plan.candidates[0].against, ["has all of what runs now"]);
    assert!(plan.candidates[1].against[0].starts_with("ran when incident/wine/INC-7 was opened"), "{plan:?}");
    assert_eq!(plan.choice.as_ref().unwrap().candidate, 2);
    world.flag("red-1", "poisoned", "");
    let plan = world.plan();
    assert!(plan.candidates[2].against[0].contains("FLAGGED poisoned"), "{:?}", plan.candidates[2].against);
    assert_eq!((plan.choice.as_ref(), states(&plan).2), (None, 1), "nothing fit is left");
    let asked = world.plan_to(Some("model/wine/quality@1"));
    assert_eq!(asked.model.state, No, "asked for by name, it is still flagged");
    assert!(asked.warnings.iter().any(|warning| warning.contains("FLAGGED")), "{:?}", asked.warnings);
}

#[test]
fn what_is_gone_from_its_only_place_is_not_restorable() {
    let mut world = World::went_on(&["acid", "sugar"]);
    world.destroy("weights-1", "s3://models/1");
    let plan = world.plan();
    assert_eq!(plan.model.state, No, "{:?}", plan.model);
    assert!(plan.model.reasons[0].contains("is gone from s3://models/1"), "{:?}", plan.model);
    assert!(matches!(patch(&plan, Format::HelmValues), Err(PatchError::Nothing(_))));
    world.locate("weights-1", "s3://elsewhere/1");
    let plan = world.plan();
    assert_eq!(plan.model.state, Yes, "another place has it: {:?}", plan.model);
    assert_eq!(plan.choice.as_ref().unwrap().restore[0].gone.len(), 1, "and the gone one is told");
}

#[test]
fn what_the_record_does_not_say_is_unknown_and_never_a_yes() {
    let mut world = World::begin();
    world.runs(&serving("weights-1"), 24);
    world.runs(&serving("weights-2"), 1);
    let plan = world.plan();
    assert_eq!(states(&plan), (Unknown, Unknown, 2));
    assert!(plan.model.reasons[0].starts_with("no place of "), "{:?}", plan.model);
    assert!(plan.context.reasons[0].contains("no run.completed says what made"), "{:?}", plan.context);
    // Silence: what runs now is not known any more.
    let mut world = World::went_on(&["acid", "sugar"]);
    world.observe(SERVICE, &behind("weights-2", "pipeline-43"), r#","nextWithinSeconds":60"#);
    world.clock.advance(600);
    let plan = world.plan();
    assert!(plan.choice.as_ref().unwrap().unknown.iter().any(|what| what.contains("UNKNOWN since")), "{plan:?}");
    // A place without a digest.
    let mut world = World::begin();
    let floating = r#"{"components":[{"role":"model","artifact":{"uri":"s3://models/latest"},"binding":"floating"}]}"#;
    world.runs(floating, 24);
    world.runs(&serving("weights-2"), 1);
    assert_eq!(world.plan().model.state, Unknown, "what is there now may be something else");
}

#[test]
fn columns_that_the_data_lost_since_are_a_no_and_undeclared_ones_unknown() {
    let world = |newest: &str| {
        let mut world = World::begin();
        world.made("1");
        world.runs(&serving("weights-1"), 24);
        world.made("2");
        world.runs(&serving("weights-2"), 1);
        world.snapshot("dataset/wine/red", "red-3", &format!(r#","version":"3"{newest}"#));
        world.plan()
    };
    let same = world(r#","schema":{"fields":[{"name":"acid","type":"double"},{"name":"more"}]}"#);
    assert_eq!(states(&same), (Yes, Yes, 0), "a column more is no harm: {}", same.to_text(Style::Plain));
    assert_eq!(same.choice.unwrap().differences[0].details, ["column more added"]);
    let lost = world(r#","schema":{"fields":[{"name":"sugar","type":"double"}]}"#);
    assert_eq!(states(&lost), (Yes, No, 1));
    assert!(
        lost.answer.ends_with("NO, schema dataset/wine/red v1 -> v3, column acid dropped, column sugar added"),
        "{}",
        lost.answer
    );
    assert_eq!(states(&world("")), (Yes, Unknown, 2));
}

#[test]
fn a_standing_request_of_a_gitops_controller_undoes_it() {
    let mut world = World::went_on(&["acid", "sugar"]);
    let ask = |door: &str, set: &str| format!(r#"{{"service":"{SERVICE}","servingSet":[{set}],"door":"{door}"}}"#);
    let newer = behind("weights-2", "pipeline-43");
    world.send("deployer", "deployment.requested", SERVICE, &ask("argo-cd", &newer));
    world.send("deployer", "deployment.requested", SERVICE, &ask("kubectl", &newer));
    world.send("deployer", "deployment.requested", SERVICE, &ask("spinnaker", &newer));
    let undoes = |plan: &RollbackPlan| plan.requests.iter().map(|one| one.undoes).collect::<Vec<_>>();
    let plan = world.plan();
    assert_eq!(undoes(&plan), [Undoes::Unknown, Undoes::No, Undoes::Yes]);
    assert!(
        plan.to_text(Style::Plain).contains("argo-cd will put model/wine/quality v2"),
        "{}",
        plan.to_text(Style::Plain)
    );
    world.send("deployer", "deployment.requested", SERVICE, &ask("argo-cd", &behind("weights-1", "pipeline-41")));
    assert_eq!(undoes(&world.plan()), [Undoes::No, Undoes::Unknown, Undoes::No], "it asks for that itself");
    // At the moment before that request nobody had made it, whatever is on the record by now.
    let before = Timestamp::from_millis(world.clock.wall().as_millis() - 1000);
    let ask = Ask { service: SERVICE, to: None, min_run_seconds: MIN_RUN_SECONDS };
    let when = answers::When { at: Some(before), ..world.clock.wall().into() };
    let then = answers::rollback_plan(&world.view(), ask, when).unwrap();
    assert_eq!(undoes(&then), [Undoes::Unknown, Undoes::No, Undoes::Yes], "{}", then.to_text(Style::Plain));
}

#[test]
fn what_to_go_back_to_can_be_named() {
    let mut world = World::went_on(&["acid", "sugar"]);
    world.made("3");
    let old = world.observe(SERVICE, &serving("weights-3"), "");
    world.clock.advance(60);
    world.observe(SERVICE, &behind("weights-2", "pipeline-43"), "");
    for to in ["model/wine/quality@3", &format!("sha256:{}", hash("weights-3")), &format!("#{old}")] {
        let plan = world.plan_to(Some(to));
        let chosen = &plan.candidates[plan.choice.as_ref().unwrap().candidate];
        assert_eq!(chosen.restores.index, old, "{to}");
        assert!(plan.warnings.iter().any(|one| one.contains("ran for 61 s only")), "{:?}", plan.warnings);
    }
    world.made("4");
    let plan = world.plan_to(Some("model/wine/quality@4"));
    assert_eq!((plan.choice.as_ref(), states(&plan).2), (None, 1));
    assert!(plan.answer.contains("was not seen to run at"), "{}", plan.answer);
    let code = |service: &str, to: Option<&str>| {
        let ask = Ask { service, to, min_run_seconds: 0 };
        answers::rollback_plan(&world.view(), ask, world.clock.wall()).unwrap_err().code()
    };
    assert_eq!(code("model/wine/quality", None), "not-a-service");
    assert_eq!(code(SERVICE, Some(SERVICE)), "not-restorable");
    assert_eq!(code("service/wine/nowhere@eu-1/prod", None), "unknown-name");
}

/// Stores that nobody answers for.
pub(crate) fn nowhere() -> Stores {
    let endpoint = ("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:1".to_owned());
    Stores::new([endpoint].into(), Box::new(lineal_ledger::clock::SystemClock::start()))
}

#[test]
fn a_check_reads_files_and_takes_nothing_unread_for_good() {
    let mut world = World::went_on(&["acid", "sugar"]);
    let path = world.dir.path().join("weights");
    std::fs::write(&path, "weights-1").unwrap();
    world.locate("weights-1", &format!("file://{}", path.display()));
    let mut plan = world.plan();
    check(&mut plan, &nowhere());
    assert_eq!(plan.model.state, Yes, "one place was read, and is enough: {:?}", plan.model);
    assert!(plan.answer.ends_with("; bytes of 1 place checked, 2 not checked"), "{}", plan.answer);
    assert!(plan.context.reasons.iter().any(|why| why.contains("s3://t/41 was not checked: ")), "{:?}", plan.context);
    assert!(!plan.is_checked());
    std::fs::write(&path, "other bytes").unwrap();
    let mut plan = world.plan();
    check(&mut plan, &nowhere());
    assert_eq!(plan.model.state, Unknown, "other bytes here, and nobody looked there: {:?}", plan.model);
    world.destroy("weights-1", "s3://models/1");
    let mut plan = world.plan();
    check(&mut plan, &nowhere());
    assert_eq!(plan.model.state, No, "other bytes at its only place: {:?}", plan.model);
    assert!(plan.to_text(Style::Plain).contains("has OTHER bytes, sha256:"), "{}", plan.to_text(Style::Plain));
}

#[test]
fn a_version_of_an_object_is_a_place_of_its_own() {
    let mut world = World::went_on(&["acid", "sugar"]);
    world.locate_version("weights-1", "s3://models/latest", "3/L4");
    world.locate_version("weights-1", "gs://models/latest", "17");
    let places = |world: &World| world.plan().choice.unwrap().restore[0].places.clone();
    assert_eq!(places(&world), ["gs://models/latest#17", "s3://models/1", "s3://models/latest?versionId=3%2FL4"]);
    world.destroy("weights-1", "s3://models/latest");
    assert_eq!(places(&world), ["gs://models/latest#17", "s3://models/1"], "whatever version it was");
}
