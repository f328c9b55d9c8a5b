//! What is said about artifacts and services later: flags, decisions, drift, incidents, inventories.

use lineal_schemas::digest::EventDigest;
use serde_json::json;

use crate::place::Place;

const SERVICE: &str = "service/payments/fraud@eu-1/prod";
const SINCE: &str = "2026-11-20T00:00:00Z";

#[test]
fn a_file_in_hand_is_flagged_and_cleared_by_its_digest() {
    let place = Place::new();
    place.write("data/part-0017.csv", "1,0\n");
    let digest = EventDigest::of(b"1,0\n").to_string();
    let subject = ["--subject", "artifact/payments/part-0017"];
    let flag = ["flag", "data/part-0017.csv", "--category", "poisoned", "--reason", "labels-flipped", "--known-since"];
    let (code, out, err) = place.run(&[&flag[..], &[SINCE, "--severity", "warn"], &subject].concat());
    assert_eq!(code, 0, "{err}");
    let flagged = out.trim_end().strip_prefix("event ").unwrap().to_owned();
    let clear = ["clear", "data/part-0017.csv", "--reason", "false-alarm", "--flag", &flagged];
    let (code, _, err) = place.run(&[&clear[..], &subject].concat());
    assert_eq!(code, 0, "{err}");
    assert_eq!(place.names(), ["artifact.flagged", "artifact.cleared"]);
    let said = |at: usize, member: &str| place.events()[at].4[member].clone();
    let digest = json!({ "sha256": digest });
    assert_eq!((&said(0, "artifact")["digest"], &said(1, "artifact")["digest"]), (&digest, &digest));
    assert_eq!((said(0, "severity"), said(0, "justification")), (json!("warn"), json!("labels-flipped")));
    assert_eq!(said(1, "flag"), json!(flagged));
}

#[test]
fn a_place_is_not_flagged_and_a_weak_digest_not_in_silence() {
    let place = Place::new();
    let flag = |artifact: &str, category: &str| {
        let said = ["--category", category, "--reason", "labels-flipped", "--known-since", SINCE];
        place.run(&[&["flag", artifact], &said[..], &["--subject", "artifact/a/b"]].concat())
    };
    let (code, _, err) = flag("s3://lake/part-0017", "poisoned");
    assert!(code == 2 && err.contains("is a place") && err.contains("hint: "), "{err}");
    let (code, _, err) = flag("md5:653f63f1", "biased");
    assert!(code == 1 && err.contains("`category`") && err.contains("`other`"), "{err}");
    assert!(place.events().is_empty());
    let (code, _, err) = flag("md5:653f63f1", "quality");
    assert!(code == 0 && err.contains("warning: `md5:653f63f1` is no digest of the full content"), "{err}");
    let (code, _, err) = flag(&format!("sha256:{}", EventDigest::of(b"x")), "quality");
    assert!(code == 0 && !err.contains("warning"), "{err}");
}

#[test]
fn what_is_said_about_a_service_is_sound() {
    let place = Place::new();
    place.write("scores.csv", "0.9\n");
    place.write("model.bin", "m");
    place.write("drift.json", r#"{"statistics":[{"test":"psi","value":0.2710,"status":"fail"}],"tool":"x"}"#);
    let window = ["--from", "2026-11-22T00:00:00Z", "--until", "2026-11-23T00:00:00Z", "--service", SERVICE];
    let digest = format!("sha256:{}", EventDigest::of(b"batch"));
    let made = ["--input", "model=model.bin", "--output", "dataset/payments/scores=scores.csv"];
    for (arguments, name) in [
        (vec!["service", SERVICE, "--owner", "team-fraud", "--contact-ref", "oncall"], "service.registered"),
        ([&["decisions", "s3://d/1", "--count", "3", "--digest", &digest], &window[..]].concat(), "decisions.recorded"),
        ([&["decisions", "scores.csv", "--count", "1"], &window[..], &made].concat(), "decisions.recorded"),
        ([&["drift", "--reference", &digest, "--statistics", "drift.json"], &window[..]].concat(), "drift.observed"),
    ] {
        let (code, _, err) = place.run(&arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        assert_eq!(place.names().last().map(String::as_str), Some(name));
    }
    let said = |at: usize| place.events()[at].4.clone();
    assert_eq!(said(1)["pointer"], json!({"uri": "s3://d/1", "digest": {"sha256": EventDigest::of(b"batch")}}));
    assert_eq!(said(2)["inputs"][0]["role"], "model");
    assert_eq!(said(2)["outputs"][0]["digest"], json!({"sha256": EventDigest::of(b"0.9\n")}));
    let text = std::fs::read_to_string(place.path().join("events.jsonl")).unwrap();
    let drift = lineal_schemas::dsse::Signed::from_envelope(text.lines().nth(3).unwrap().as_bytes()).unwrap();
    assert!(String::from_utf8(drift.event).unwrap().contains("\"value\":0.2710"), "digits are kept");

    let (code, _, err) = place.run(&["service", SERVICE, "--contact-ref", "jo@example.com"]);
    assert!(code == 1 && err.contains("`contactRef`"), "{err}");
    let (code, _, err) = place.run(&[&["decisions", &digest, "--count", "3"], &window[..]].concat());
    assert!(code == 2 && err.contains("is no place"), "{err}");
    let (code, _, err) =
        place.run(&[&["decisions", "scores.csv", "--count", "1", "--digest", &digest], &window[..]].concat());
    assert!(code == 2 && err.contains("a file is hashed here"), "{err}");
    assert_eq!(place.events().len(), 4);
}

#[test]
fn an_incident_is_opened_updated_and_closed() {
    let place = Place::new();
    place.write("part.csv", "1\n");
    let incident = "incident/payments/INC-7";
    let touched = ["--service", SERVICE, "--artifact", "part.csv", "--aware-at", SINCE, "--reference", "https://t/7"];
    for arguments in [
        [&["incident", "open", incident, "--severity", "sev-1"], &touched[..]].concat(),
        vec!["incident", "update", incident, "--severity", "sev-2"],
        vec!["incident", "close", incident, "--resolution", "rolled-back"],
    ] {
        let (code, _, err) = place.run(&arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
    }
    let events = place.events();
    let names: Vec<&str> = events.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["incident.opened", "incident.updated", "incident.closed"]);
    assert!(events.iter().all(|(_, subject, ..)| subject == incident));
    let digest = EventDigest::of(b"1\n");
    assert_eq!(events[0].4["artifacts"][0]["digest"], json!({ "sha256": digest }));
    assert_eq!((&events[0].4["services"], &events[1].4["services"]), (&json!([SERVICE]), &json!(null)));
    let (code, _, err) = place.run(&["incident", "open", "INC-7"]);
    assert!(code == 1 && err.contains("incident/owner/name"), "{err}");
}

#[test]
fn an_inventory_is_one_event_or_as_many_parts_as_it_takes() {
    let place = Place::new();
    let digest = EventDigest::of(b"m");
    let listed = |number: usize| {
        format!(
            r#"{{"service":"service/shop/s{number}","servingSet":[{{"instances":10000,"components":[{{"role":"model","artifact":{{"digest":{{"sha256":"{digest}"}}}}}}]}}]}}"#
        )
    };
    let environment = ["--environment", "environment/eu-1/prod", "--observer", "agent"];
    place.write("small.json", &format!("[{}]", listed(0)));
    let (code, out, err) = place.run(&[&["inventory", "small.json"], &environment[..]].concat());
    assert_eq!((code, out.as_str()), (0, "1 service of environment/eu-1/prod in 1 event\n"), "{err}");
    assert_eq!((&place.events()[0].4["part"], &place.events()[0].4["complete"]), (&json!(null), &json!(true)));

    let many: Vec<String> = (0..2000).map(listed).collect();
    place.write("large.json", &format!("{{\"services\":[{}]}}", many.join(",\n")));
    let (code, out, err) = place.run(&[&["inventory", "large.json"], &environment[..]].concat());
    assert_eq!((code, out.as_str()), (0, "2000 services of environment/eu-1/prod in 2 events\n"), "{err}");
    let events = place.events().split_off(1);
    let count: usize = events.iter().map(|(.., data)| data["services"].as_array().unwrap().len()).sum();
    assert_eq!((events.len(), count), (2, 2000));
    assert_eq!(events[0].4["part"], json!({"number": 1, "of": 2}));
    assert_eq!(events[1].4["part"], json!({"number": 2, "of": 2}));
    assert_eq!(events[0].4["observedAt"], events[1].4["observedAt"]);
    assert_eq!((events[0].3, events[1].3), (false, true), "the last closes the source");

    place.write("twice.json", &format!("[{},{}]", listed(1), listed(1)));
    let (code, _, err) = place.run(&[&["inventory", "twice.json"], &environment[..]].concat());
    assert!(code == 1 && err.contains("stands in the list twice"), "{err}");
    place.write("none.json", "[]");
    let (code, _, err) = place.run(&[&["inventory", "none.json", "--partial"], &environment[..]].concat());
    assert_eq!((code, place.events().len()), (0, 4), "{err}");
}

#[test]
fn a_plan_is_recorded_with_its_data_context_and_another_ledgers_is_refused() {
    let place = Place::new();
    let (model, pipeline) = (EventDigest::of(b"model").to_string(), EventDigest::of(b"pipeline").to_string());
    let restores = EventDigest::of(b"observation").to_string();
    let plan = json!({
        "service": SERVICE, "asOf": {"origin": "example.com/ledger", "treeSize": 9},
        "candidates": [{"restores": {"event": EventDigest::of(b"other")}}, {"restores": {"event": restores}}],
        "choice": {"candidate": 1, "restore": [
            {"component": {"role": "model", "digests": [{"algorithm": "sha256", "value": model}]}},
            {"contextRole": "preprocessor", "component": {
                "role": "transform", "name": "transform/payments/features", "digests": [{"algorithm": "sha256", "value": pipeline}]
            }},
        ]},
    });
    place.write("plan.json", &plan.to_string());
    let roll_back = ["rollback", "--plan", "plan.json", "--reason", "recall-drop", "--incident", "INC-7"];
    let (code, _, err) = place.run(&roll_back);
    assert_eq!(code, 0, "{err}");
    let said = place.events()[0].4.clone();
    assert_eq!((&said["service"], &said["restores"]), (&json!(SERVICE), &json!(restores)));
    let context = json!([{
        "artifact": {"name": "transform/payments/features", "digest": {"sha256": pipeline}}, "role": "preprocessor"
    }]);
    assert_eq!((&said["dataContext"], &said["reason"]), (&context, &json!("recall-drop")));

    let refused = |change: &dyn Fn(&mut serde_json::Value), more: &[&str], expected: &str| {
        let mut other = plan.clone();
        change(&mut other);
        place.write("other.json", &other.to_string());
        let (code, _, err) = place.run(&[&["rollback", "--plan", "other.json"], more].concat());
        assert!(code == 1 && err.contains(expected) && err.contains("hint: "), "{err}");
    };
    refused(
        &|plan| plan["asOf"]["origin"] = json!("example.com/staging"),
        &[],
        "a plan of the ledger example.com/staging",
    );
    refused(&|_plan| {}, &["--service", "service/payments/other@eu-1/prod"], "not of service/payments/other@eu-1/prod");
    refused(&|plan| drop(plan.as_object_mut().unwrap().remove("choice")), &[], "nothing to go back to");
    refused(&|plan| plan["choice"]["candidate"] = json!(7), &[], "nothing to go back to");
    refused(&|plan| *plan = json!({"data": {}}), &[], "is no plan");
    assert_eq!(place.events().len(), 1, "nothing else was said");
}
