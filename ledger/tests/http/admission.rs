//! What clusters ask: `AdmissionReview`s and `ProviderRequest`s, answered by the one gate function, never with a yes by accident.

use std::sync::atomic::Ordering;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::served::{Reply, Served, Source, key};

const POLICY: &str =
    "schema = 1\nname = \"policy/payments/fraud-prod\"\napplies = { service = \"service/payments/fraud\" }\n";
const SERVICE: &str = "service/payments/fraud@eu-1/prod";

fn digest(of: char) -> String {
    format!("sha256:{}", of.to_string().repeat(64))
}

/// A ledger with a policy for one service: that every part has a digest, and nothing of it is flagged.
fn gated() -> (Served, Source) {
    let mut served = Served::start();
    let keyid = key(7).keyid();
    let enrolled = json!({
        "keyid": keyid, "publicKey": key(7).public().to_pem(), "producer": "risk", "sources": ["https://risk.example/**"],
        "roles": ["approver"], "types": ["policy.registered"], "names": ["policy/payments/**"],
    });
    let enrolled = served.root.says("key.enrolled", &format!("key/{keyid}"), &enrolled);
    let reply = served.post(&enrolled);
    assert_eq!(reply.status, 201, "{}", reply.json()["message"]);
    let mut risk = served.source("https://risk.example/desk", &[7]);
    let name = "policy/payments/fraud-prod";
    let policy = risk.says("policy.registered", name, &json!({"policy": name, "text": POLICY}));
    let reply = served.post(&policy);
    assert_eq!(reply.status, 201, "{}", reply.json()["message"]);
    (served, risk)
}

fn inference_service(name: &str, uri: &str) -> Value {
    json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": name, "namespace": "prod"},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": uri}}}})
}

fn deployment(name: &str, annotations: &Value, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "prod"},
        "spec": {"template": {"metadata": {"annotations": annotations},
            "spec": {"containers": [{"name": "main", "image": image}]}}}})
}

fn pinned() -> String {
    format!("oci://r.io/fraud@{}", digest('a'))
}

/// A review of an object that is made, as an API server writes it.
fn review(uid: &str, object: &Value) -> Value {
    let version = object["apiVersion"].as_str().unwrap();
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = json!({"group": group, "version": version, "kind": object["kind"]});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": uid, "kind": kind, "requestKind": kind, "resource": {"group": group, "version": version, "resource": "x"},
        "name": object["metadata"]["name"], "namespace": "prod", "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:argocd:application-controller"},
        "object": object, "oldObject": null, "dryRun": false,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}}})
}

fn post(served: &Served, path: &str, body: &Value) -> Reply {
    served.ask("POST", path, &[("content-type", "application/json".to_owned())], body.to_string().as_bytes())
}

/// What a review is answered with, by an answer that an API server can read.
#[track_caller]
fn answer(served: &Served, body: &Value) -> Value {
    let reply = post(served, "/v1/admission", body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!(answer["apiVersion"], body["apiVersion"]);
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["response"]["uid"], body["request"]["uid"]);
    for warning in answer["response"]["warnings"].as_array().into_iter().flatten() {
        assert!(warning.as_str().unwrap().len() <= 120, "{warning}");
    }
    answer["response"].clone()
}

/// The code and the message of a denial; 200 and nothing for a yes.
#[track_caller]
fn ruled(served: &Served, body: &Value) -> (u64, String) {
    let response = answer(served, body);
    let message = response["status"]["message"].as_str().unwrap_or_default().to_owned();
    let code = if response["allowed"] == true { 200 } else { response["status"]["code"].as_u64().unwrap() };
    (code, message)
}

fn size(served: &Served) -> u64 {
    served.ledger.view.record.size()
}

#[test]
fn what_the_gate_lets_through_is_admitted_and_on_the_record_once_for_each_request() {
    let (served, _risk) = gated();
    let before = size(&served);
    let asked = review("uid-1", &inference_service("fraud", &pinned()));
    let first = answer(&served, &asked);
    assert_eq!(first["allowed"], true, "{first}");
    assert_eq!(first["auditAnnotations"]["verdict"], "allow");
    assert_eq!(first["auditAnnotations"]["entry"], before.to_string());
    assert_eq!(size(&served), before + 1);
    assert_eq!(answer(&served, &asked), first, "the same request has the same answer");
    assert_eq!(size(&served), before + 1);
    let entry: Value = served.get(&format!("/v1/entries/{before}")).json();
    let text = entry.to_string();
    for said in ["gate.decided", "uid-1", "kubernetes", SERVICE] {
        assert!(text.contains(said), "{said} in {text}");
    }
    let other = answer(&served, &review("uid-2", &inference_service("fraud", &pinned())));
    assert_eq!(other["auditAnnotations"]["entry"], (before + 1).to_string());
    // The name of a request is no pass for another object.
    let swapped = review("uid-1", &inference_service("fraud", "s3://models/fraud"));
    assert_eq!(ruled(&served, &swapped).0, 403);
}

#[test]
fn what_the_gate_refuses_is_denied_with_its_reason_and_recorded() {
    let (served, _risk) = gated();
    let before = size(&served);
    let (code, message) = ruled(&served, &review("uid-1", &inference_service("fraud", "s3://models/fraud")));
    assert_eq!(code, 403);
    assert!(message.starts_with("DENY") && message.contains("identity"), "{message}");
    assert!(message.contains(&format!("lineal get {before}")), "{message}");
    assert_eq!(size(&served), before + 1);
}

#[test]
fn a_dry_run_is_judged_and_leaves_nothing() {
    let (served, _risk) = gated();
    let before = size(&served);
    for (uri, code) in [(pinned(), 200), ("s3://models/fraud".to_owned(), 403)] {
        let mut asked = review("uid-1", &inference_service("fraud", &uri));
        asked["request"]["dryRun"] = json!(true);
        assert_eq!(ruled(&served, &asked).0, code);
        assert_eq!(answer(&served, &asked)["auditAnnotations"]["entry"], Value::Null);
    }
    assert_eq!(size(&served), before);
}

#[test]
fn an_answer_has_the_version_of_its_request() {
    let (served, _risk) = gated();
    let mut asked = review("uid-1", &inference_service("fraud", &pinned()));
    asked["apiVersion"] = json!("admission.k8s.io/v1beta1");
    assert_eq!(ruled(&served, &asked).0, 200);
}

#[test]
fn what_starts_nothing_is_allowed() {
    let (served, _risk) = gated();
    let before = size(&served);
    let mut gone = review("uid-1", &inference_service("fraud", "s3://models/fraud"));
    gone["request"]["operation"] = json!("DELETE");
    gone["request"]["object"] = Value::Null;
    assert_eq!(ruled(&served, &gone).0, 200);
    for part in ["scale", "status"] {
        let mut asked = review(
            "uid-1",
            &json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "fraud", "namespace": "prod"}}),
        );
        asked["request"]["operation"] = json!("UPDATE");
        asked["request"]["subResource"] = json!(part);
        let response = answer(&served, &asked);
        assert_eq!(response["allowed"], true);
        assert!(response["warnings"][0].as_str().unwrap().contains(part));
    }
    assert_eq!(size(&served), before);
}

#[test]
fn a_workload_without_a_model_is_judged_where_a_policy_speaks_for_it_or_it_says_so_itself() {
    let (served, _risk) = gated();
    let nothing = json!({});
    let other = answer(&served, &review("uid-1", &deployment("web", &nothing, "nginx:1.27")));
    assert_eq!((&other["allowed"], &other["auditAnnotations"]["lineal"]), (&json!(true), &json!("no model")));
    let image = format!("r.io/fraud@{}", digest('b'));
    let (code, message) = ruled(&served, &review("uid-2", &deployment("fraud", &nothing, &image)));
    assert_eq!(code, 403, "a policy speaks for it: {message}");
    assert!(message.contains("without one"), "{message}");
    let says = json!({"lineal.dev/model": "main"});
    assert_eq!(ruled(&served, &review("uid-3", &deployment("fraud", &says, &image))).0, 200);
    assert_eq!(ruled(&served, &review("uid-4", &deployment("fraud", &says, "r.io/fraud:latest"))).0, 403);
    let (code, message) = ruled(&served, &review("uid-5", &deployment("web", &says, &image)));
    assert_eq!(code, 503, "it says that it serves a model, and no policy speaks for it");
    assert!(message.contains("no policy speaks for service/payments/web@eu-1/prod"), "{message}");
    let elsewhere = json!({"lineal.dev/service": "payments/fraud", "lineal.dev/model": "main"});
    assert_eq!(ruled(&served, &review("uid-6", &deployment("web", &elsewhere, &image))).0, 200);
    let (code, message) =
        ruled(&served, &review("uid-7", &deployment("fraud", &json!({"lineal.dev/model": "mian"}), &image)));
    assert_eq!(code, 503, "{message}");
}

#[test]
fn what_can_not_be_decided_is_denied() {
    let (served, _risk) = gated();
    let before = size(&served);
    let mut stored = inference_service("fraud", "");
    stored["spec"]["predictor"]["model"]["storage"] = json!({"path": "fraud/1"});
    let rollout = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "fraud", "namespace": "prod"},
        "spec": {"workloadRef": {"kind": "Deployment", "name": "fraud"}}});
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "prod"}});
    let mut text = deployment("web", &json!({}), "nginx");
    text["spec"]["template"]["spec"]["containers"] = json!("none");
    for object in [stored, rollout, config, text] {
        let (code, message) = ruled(&served, &review("uid-1", &object));
        assert_eq!(code, 503, "{object}: {message}");
        assert!(message.contains("no yes"), "{message}");
    }
    let asked = review("uid-1", &inference_service("fraud", &pinned()));
    let elsewhere = post(&served, "/v1/admission/us-1/prod", &asked).json();
    assert_eq!(elsewhere["response"]["allowed"], false);
    assert_eq!(size(&served), before, "what was not judged is not recorded");
    assert_eq!(post(&served, "/v1/admission/eu-1/prod", &asked).json()["response"]["allowed"], true);
    // A ledger that takes nothing any more may lack the flag that would stop it.
    served.clock.0.fetch_add(26 * 60 * 1000, Ordering::SeqCst);
    let (code, message) = ruled(&served, &review("uid-2", &inference_service("fraud", &pinned())));
    assert_eq!(code, 503);
    assert!(message.contains("intake is stopped"), "{message}");
}

#[test]
fn what_is_no_review_is_refused_and_a_review_that_contradicts_itself_is_denied() {
    let (served, _risk) = gated();
    let sound = review("uid-1", &inference_service("fraud", &pinned()));
    let with = |at: &str, value: Value| {
        let mut asked = sound.clone();
        *asked.pointer_mut(at).unwrap() = value;
        asked
    };
    let mut no_uid = sound.clone();
    no_uid["request"].as_object_mut().unwrap().remove("uid");
    for body in [
        Value::Null,
        json!([]),
        json!({}),
        no_uid,
        with("/request", Value::Null),
        with("/request/uid", json!("")),
        with("/request/uid", json!(7)),
        with("/request/operation", json!("PATCH")),
        with("/request/dryRun", json!("no")),
        with("/apiVersion", json!("admission.k8s.io/v2")),
        with("/kind", json!("Pod")),
    ] {
        let reply = post(&served, "/v1/admission", &body);
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
    }
    for (at, value) in [
        ("/request/object", Value::Null),
        ("/request/object", json!([])),
        ("/request/object/kind", json!("Deployment")),
        ("/request/object/metadata/namespace", json!("other")),
        ("/request/object/metadata/name", json!("other")),
        ("/request/operation", json!("CONNECT")),
    ] {
        assert_eq!(ruled(&served, &with(at, value)).0, 400, "{at}");
    }
    for body in ["", "{", "\u{feff}{}", &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))] {
        assert_eq!(served.ask("POST", "/v1/admission", &[], body.as_bytes()).status, 400);
    }
    // Also where nobody reads it, as in who asks.
    let mut bytes = review("uid-9", &inference_service("fraud", &pinned())).to_string().into_bytes();
    let at = bytes.windows(8).position(|window| window == b"username").unwrap();
    bytes[at] = 0xff;
    assert_eq!(served.ask("POST", "/v1/admission", &[], &bytes).status, 400);
}

#[test]
fn an_object_of_the_size_that_clusters_store_is_judged_and_a_larger_one_refused() {
    let (served, _risk) = gated();
    let mut object = inference_service("fraud", &pinned());
    object["metadata"]["annotations"] = json!({"note": "x".repeat(1024 * 1024)});
    let mut asked = review("uid-1", &object);
    asked["request"]["oldObject"] = object.clone();
    assert_eq!(ruled(&served, &asked).0, 200);
    object["metadata"]["annotations"] = json!({"note": "x".repeat(9 * 1024 * 1024)});
    assert_eq!(post(&served, "/v1/admission", &review("uid-2", &object)).status, 413);
}

#[test]
fn gatekeeper_gets_a_verdict_or_an_error_for_each_key() {
    let (served, _risk) = gated();
    let before = size(&served);
    let keys = [
        format!("eu-1/prod|{}", inference_service("fraud", &pinned())),
        format!("eu-1/prod|{}", inference_service("fraud", "s3://models/fraud")),
        format!("eu-1/prod|{}", deployment("web", &json!({}), "nginx")),
        format!("eu-1/prod|{}", inference_service("web", &pinned())),
        format!("{SERVICE}|{}", pinned()),
        format!("{SERVICE}|s3://models/fraud"),
        format!("prod|{}", pinned()),
        "eu-1/prod|[]".to_owned(),
        "no key".to_owned(),
    ];
    let asked = |keys: &[String]| json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest", "request": {"keys": keys}});
    let answer = post(&served, "/v1/gatekeeper", &asked(&keys)).json();
    assert_eq!(answer["apiVersion"], "externaldata.gatekeeper.sh/v1beta1");
    assert_eq!((&answer["kind"], &answer["response"]["systemError"]), (&json!("ProviderResponse"), &json!("")));
    let items = answer["response"]["items"].as_array().unwrap();
    let said = |item: &Value| match item["error"].as_str() {
        Some(_error) => "error".to_owned(),
        None => format!("{} {}", item["value"]["ok"], item["value"]["verdict"].as_str().unwrap()),
    };
    let found: Vec<(String, String)> =
        items.iter().map(|item| (item["key"].as_str().unwrap().to_owned(), said(item))).collect();
    let expected = [
        "true allow",
        "false deny",
        "true no-model",
        "false undecided",
        "true allow",
        "false deny",
        "error",
        "false undecided",
        "error",
    ];
    assert_eq!(found, keys.iter().cloned().zip(expected.map(str::to_owned)).collect::<Vec<_>>());
    assert_eq!(size(&served), before, "nothing is recorded");
    for body in [
        json!(null),
        json!({}),
        json!({"apiVersion": "externaldata.gatekeeper.sh/v1alpha1", "kind": "ProviderRequest", "request": {"keys": []}}),
    ] {
        assert_eq!(post(&served, "/v1/gatekeeper", &body).status, 400, "{body}");
    }
    served.clock.0.fetch_add(26 * 60 * 1000, Ordering::SeqCst);
    let stale = post(&served, "/v1/gatekeeper", &asked(&keys)).json();
    assert!(stale["response"]["systemError"].as_str().unwrap().contains("intake is stopped"), "{stale}");
    assert_eq!(stale["response"]["items"], json!([]));
}

const WORDS: [&str; 10] =
    ["request", "object", "uid", "kind", "metadata", "name", "spec", "CREATE", "containers", "predictor"];

/// Any JSON, with words that a review has.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![prop::sample::select(&WORDS[..]).prop_map(str::to_owned), ".{0,8}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        let members = prop::collection::vec((word.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Every member of a value that a reader may look at, as JSON pointers.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    if let Value::Object(members) = value {
        for (name, value) in members {
            places(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), into);
        }
    }
}

/// Any JSON in the place of a review, and of each member of one that is denied: never a yes, and never no answer.
#[test]
fn whatever_is_sent_is_never_let_through() {
    let (served, _risk) = gated();
    let sound = review("uid-1", &inference_service("fraud", "s3://models/fraud"));
    let mut all = Vec::new();
    places(&sound, "", &mut all);
    let denied = |body: &Value| {
        let reply = post(&served, "/v1/admission", body);
        match reply.status {
            400 => {}
            200 => assert_eq!(reply.json()["response"]["allowed"], false, "{body}"),
            other => panic!("{other} for {body}: {}", reply.text()),
        }
    };
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) };
    proptest!(config, |(value in any_json(), place in prop::sample::select(all))| {
        denied(&value);
        let mut asked = sound.clone();
        *asked.pointer_mut(&place).unwrap() = value;
        denied(&asked);
    });
}
