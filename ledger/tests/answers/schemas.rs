//! Every answer is what its JSON Schema says, and its schema says every member of it.

use jsonschema::{Registry, Validator};
use lineal_ledger::answers::{When, schemas};
use serde::Serialize;
use serde_json::{Value, json};

use super::*;

/// A schema that allows no member beyond those that it describes.
fn closed(name: &str) -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Object(members) => {
                if members.contains_key("properties") {
                    members.insert("additionalProperties".to_owned(), json!(false));
                }
                members.values_mut().for_each(close);
            }
            Value::Array(values) => values.iter_mut().for_each(close),
            _ => {}
        }
    }
    let mut schema = serde_json::from_str(schemas::schema(name).unwrap()).unwrap();
    close(&mut schema);
    schema
}

fn validator(name: &str) -> Validator {
    let common = closed("common.v1.json");
    let id = common["$id"].as_str().unwrap().to_owned();
    let registry = Registry::new().add(id, common).unwrap().prepare().unwrap();
    jsonschema::options().with_registry(&registry).build(&closed(name)).unwrap()
}

pub(crate) fn check(name: &str, answer: &impl Serialize) {
    let answer = serde_json::to_value(answer).unwrap();
    let validator = validator(name);
    let errors: Vec<String> =
        validator.iter_errors(&answer).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{answer:#}");
    // Each member that a schema requires is missed, and each that is not described is noticed.
    let members = answer.as_object().unwrap();
    for required in closed(name)["required"].as_array().unwrap() {
        let mut less = members.clone();
        less.remove(required.as_str().unwrap());
        assert!(!validator.is_valid(&Value::Object(less)), "{name} without {required}");
    }
    let mut more = members.clone();
    more.insert("undescribed".to_owned(), json!(1));
    assert!(!validator.is_valid(&Value::Object(more)), "{name} with another member");
}

/// A ledger whose answers have nearly every member that answers can have.
fn eventful() -> World {
    let mut world = World::deployed();
    let reader = r#"{"model":{"uri":"https://api.vendor.example/reader"},"name":"model/wine/reader","external":true}"#;
    world.send("trainer", "model.registered", "model/wine/reader", reader);
    world.train("run-2", "red", "weights-2");
    world.register("model/wine/quality", "2", "weights-2", r#","supplier":"Vendor","external":true"#);
    for (version, files) in [("1", &[("a", "1"), ("b", "2")]), ("2", &[("a", "1"), ("c", "3")])] {
        let digest = world.store_listing(files);
        let data = format!(
            r#"{{"dataset":{{"digest":{{"dirHash":"{digest}"}}}},"name":"dataset/wine/tree","version":"{version}"}}"#
        );
        world.send("data", "dataset.snapshotted", "dataset/wine/tree", &data);
    }
    let evaluation = r#"{"evaluationId":"ev-1","model":{"digest":{"sha256":"DIGEST(weights-1)"}},"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(held-out)"}},"role":"test"}],"results":[{"metric":"accuracy","value":"0.914"}]}"#;
    world.send("evaluator", "evaluation.completed", "model/wine/quality", evaluation);
    world.run("run-3", "red", "weights-3", r#","environment":{"versions":{"numpy":"2.1.0"}}"#);
    world.announce("ev-2", "weights-2", "held-out");
    let country = r#"{"metric":"accuracy","value":"0.9"},{"metric":"recall","missing":{"reason":"below-min-n","n":4},"slice":{"country":"BR"}}"#;
    world.evaluate("ev-3", "weights-2", "held-out", country);
    world.evaluate("ev-4", "weights-1", "held-out", country);
    let ask = |model: &str| format!(r#"{{"service":"{SERVICE}","servingSet":[{}],"door":"argo-cd"}}"#, serving(model));
    let (_index, first) = world.send_event("deployer", "deployment.requested", SERVICE, &ask("weights-1"));
    world.send("deployer", "deployment.requested", SERVICE, &ask("weights-2"));
    let both = format!("{},{}", shared("0.9", "weights-1"), shared("0.1", "weights-2"));
    world.observe(SERVICE, &both, r#","nextWithinSeconds":60"#);
    world.clock.advance(600);
    world.observe(SERVICE, &serving("weights-2"), "");
    let back = format!(r#"{{"service":"{SERVICE}","restores":"{first}"}}"#);
    world.send("deployer", "deployment.rolledback", SERVICE, &back);
    world.observe(SERVICE, &serving("weights-1"), "");
    world.observe(SERVICE, &serving("weights-2"), r#","nextWithinSeconds":60"#);
    let gone = "service/wine/old@eu-1/prod";
    world.observe(gone, &serving("weights-1"), "");
    world.send("deployer", "deployment.removed", gone, &format!(r#"{{"service":"{gone}"}}"#));
    world.flag("red", "poisoned", r#","advisory":"https://advisories.example/7""#);
    world.flag("weights-2", "quality", r#","severity":"warn""#);
    world.observe("service/wine/absent@eu-1/prod", &serving("weights-1"), "");
    let sets = serving("weights-2");
    world.inventory(&[("service/wine/quality", &sets), ("service/wine/fleet", &sets)], true, "");
    world.incident("opened", &format!(r#","severity":"sev-1","services":["{SERVICE}"]"#));
    world.incident("closed", r#","resolution":"false-alarm""#);
    let keyid = world.senders["trainer"].key.keyid();
    let revoked = format!(r#"{{"keyid":"{keyid}","reason":"lost","compromisedSince":"2020-01-01T00:00:00Z"}}"#);
    world.send("root", "key.revoked", &format!("key/{keyid}"), &revoked);
    world.clock.advance(600);
    world
}

#[test]
fn every_answer_is_as_its_schema_says() {
    let world = eventful();
    let (view, now) = (world.view(), world.clock.wall());
    let past = When { at: Some(Timestamp::from_millis(now.as_millis() - 620_000)), ..now.into() };
    for when in [now.into(), past] {
        check("running.v1.json", &answers::running(&view, Some("prod"), when).unwrap());
        for asked in [SERVICE, "model/wine/quality", "dataset/wine/red", "model/wine/reader"] {
            check("trace.v1.json", &answers::trace(&view, asked, when).unwrap());
            let bounds = (Some(Timestamp::MIN), Some(now));
            check("timeline.v1.json", &answers::timeline(&view, asked, bounds, when).unwrap());
            check("windows.v1.json", &answers::windows(&view, asked, when).unwrap());
        }
        let country = answers::slice_of(["country=BR"]).unwrap();
        for slice in [answers::Slice::new(), country] {
            for asked in [SERVICE, "model/wine/quality@1", "model/wine/quality@2"] {
                check("evals.v1.json", &answers::evals(&view, asked, &slice, when).unwrap());
            }
        }
        let two = Some("model/wine/quality@2");
        check("diff.v1.json", &answers::diff(&view, "model/wine/quality@1", two, when).unwrap());
        check("diff.v1.json", &answers::diff(&view, SERVICE, None, when).unwrap());
        check("diff.v1.json", &answers::diff(&view, "dataset/wine/tree@1", Some("dataset/wine/tree@2"), now).unwrap());
        for asked in ["model/wine/quality", "dataset/wine/red"] {
            check("impact.v1.json", &answers::impact(&view, asked, when).unwrap());
        }
        for to in [None, Some("model/wine/quality@1")] {
            let ask = answers::rollback::Ask { service: SERVICE, to, min_run_seconds: 0 };
            let mut plan = answers::rollback_plan(&view, ask, when).unwrap();
            check("rollback-plan.v1.json", &plan);
            answers::rollback::check::check(&mut plan, &rollback::nowhere());
            check("rollback-plan.v1.json", &plan);
        }
        check("findings.v1.json", &answers::findings(&view, Some("prod"), Some("low".parse().unwrap()), when).unwrap());
        for finding in answers::findings(&view, None, None, when).unwrap().findings {
            check("explain.v1.json", &answers::explain(&view, &finding.id, when).unwrap());
        }
        for producer in ["wine-data", "wine-trainer", "wine-observer", "wine-evaluator"] {
            let impact = answers::key_impact(&view, producer, Some(Timestamp::MIN), when).unwrap();
            check("key-impact.v1.json", &impact);
        }
        let part = format!("sha256:{}", hash("3"));
        for asked in [part.as_str(), "pkg:pypi/numpy@2.1.0", "gitCommit:0123456789012345"] {
            check("impact.v1.json", &answers::impact(&view, asked, when).unwrap());
        }
        let mut trace = answers::trace(&view, &part, when).unwrap();
        check("trace.v1.json", &trace);
        trace.nodes[0].uri = Some("file:///nowhere".to_owned());
        answers::recheck(&mut trace);
        check("trace.v1.json", &trace);
        check("keys.v1.json", &answers::keys(&view, when).unwrap());
    }
    for index in 0..view.record.size() {
        check("explain.v1.json", &answers::explain(&view, &index.to_string(), now).unwrap());
        check("entry.v1.json", &answers::get(&view, &index.to_string(), now).unwrap());
        let stored = view.record.get(index).unwrap();
        check("log.v1.json", &answers::log_line(&view.registry(), &stored).unwrap());
    }
}

#[test]
fn every_file_of_schemas_is_served_under_its_id() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/answers");
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let mut known: Vec<&str> = schemas::SCHEMAS.iter().map(|(name, _text)| *name).collect();
    known.sort_unstable();
    assert_eq!(files, known);
    for (name, text) in schemas::SCHEMAS {
        let schema: Value = serde_json::from_str(text).unwrap();
        assert_eq!(schema["$id"], format!("https://lineal.dev/schemas/answers/{name}"));
    }
}
