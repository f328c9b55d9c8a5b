//! Notifications of Flux and of Argo CD, and whatever else arrives where they are expected.
#![cfg(test)]

use lineal_schemas::vocabulary::names::EnvironmentName;
use lineal_workload::{
    hint::{self, Heard},
    naming::Naming,
    yaml,
};
use serde_json::{Value, json};

const HEX: &str = "4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f";

/// As `door service role:digest@uri,… changeRef time`, why it asks for nothing, or the code of the error.
fn heard(message: &Value, map: &[&str]) -> Result<String, &'static str> {
    let environment = EnvironmentName::try_from("environment/eu-1/prod".to_owned()).unwrap();
    let map: Vec<String> = map.iter().map(|entry| (*entry).to_owned()).collect();
    let naming = Naming::new(Vec::new(), &map).unwrap();
    let hint = match hint::read(message.to_string().as_bytes(), &environment, &naming).map_err(|error| error.code())? {
        Heard::Asked(hint) => hint,
        Heard::Nothing(why) => return Ok(why.to_owned()),
    };
    let parts = hint.set.components.iter().map(|component| {
        let digest: String =
            component.artifact.digests().map(|(_name, digits)| digits.get(..4).unwrap_or_default()).collect();
        let uri = component.artifact.uri.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{}:{digest}@{uri}", component.role.as_str())
    });
    let parts = parts.collect::<Vec<_>>().join(",");
    let (change, time) = (hint.change_ref.map(|name| name.to_string()), hint.time.map(|time| time.to_string()));
    Ok(format!("{} {} {parts} {} {}", hint.door, hint.service, change.unwrap_or_default(), time.unwrap_or_default()))
}

fn flux(metadata: Value) -> Value {
    json!({"involvedObject": {"kind": "Kustomization", "namespace": "apps", "name": "webapp", "uid": "7d0cdc51",
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1"},
        "severity": "info", "timestamp": "2026-08-22T07:26:19Z", "message": "applied by jo@example.com",
        "reason": "ReconciliationSucceeded", "metadata": metadata, "reportingController": "kustomize-controller"})
}

fn argo(more: &Value) -> Value {
    let mut message = json!({"kind": "argocd.app", "app": "fraud", "ns": "argocd", "uid": "1", "revision": "9c1f0d7e",
        "phase": "Succeeded", "startedAt": "2026-08-22T07:26:00Z", "finishedAt": "2026-08-22T07:26:19Z",
        "images": [format!("r.io/fraud@sha256:{HEX}")], "initiatedBy": {"username": "jo@example.com"}});
    for (name, value) in more.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

#[test]
fn flux_says_its_service_and_its_model_in_the_metadata_of_its_events() {
    let message =
        flux(json!({"revision": "main@sha1:731f7ead", "env": "prod", "cluster": "us-2", "service": "payments/fraud",
        "model_digest": format!("sha256:{HEX}"), "model": "s3://m/1", "image": "r.io/serve:1"}));
    let expected = "flux service/payments/fraud@us-2/prod model:4f4f@s3://m/1,image:@oci://r.io/serve:1 main@sha1:731f7ead \
                    2026-08-22T07:26:19.000Z";
    assert_eq!(heard(&message, &[]).unwrap(), expected);
    let images = flux(json!({"images": "r.io/a:1, r.io/b:2"}));
    assert_eq!(
        heard(&images, &["apps=payments"]).unwrap(),
        "flux service/payments/webapp@eu-1/prod image:@oci://r.io/a:1,image:@oci://r.io/b:2  2026-08-22T07:26:19.000Z"
    );
}

#[test]
fn argo_says_its_images_and_where_they_go() {
    let expected = |service: &str| {
        format!("argo-cd {service} image:4f4f@oci://r.io/fraud@sha256:{HEX} 9c1f0d7e 2026-08-22T07:26:19.000Z")
    };
    let named = argo(&json!({"namespace": "prod"}));
    assert_eq!(heard(&named, &[]).unwrap(), expected("service/prod/fraud@eu-1/prod"));
    assert_eq!(heard(&named, &["prod/fraud=payments/fraud"]).unwrap(), expected("service/payments/fraud@eu-1/prod"));
    let declared = argo(&json!({"service": "service/payments/fraud@us-2/test"}));
    assert_eq!(heard(&declared, &[]).unwrap(), expected("service/payments/fraud@us-2/test"));
    let mapped = argo(&json!({}));
    assert_eq!(heard(&mapped, &["argocd/fraud=payments/fraud"]).unwrap(), expected("service/payments/fraud@eu-1/prod"));
    assert_eq!(heard(&argo(&json!({})), &["argocd=payments"]).unwrap(), "it does not say which service it is about");
}

#[test]
fn what_was_not_applied_or_says_too_little_asks_for_nothing() {
    let mut failed = flux(json!({"image": "r.io/a:1"}));
    failed["severity"] = json!("error");
    let mut source = flux(json!({"image": "r.io/a:1"}));
    source["involvedObject"]["kind"] = json!("GitRepository");
    for (message, words) in [
        (failed, "not applied"),
        (source, "deploys nothing"),
        (flux(json!({})), "what is to serve"),
        (flux(json!({"image": "a b"})), "neither an image"),
        (flux(json!({"model_digest": "sha256:12"})), "neither an image"),
        (flux(json!({"model_digest": format!("md5:{HEX}")})), "neither an image"),
        (argo(&json!({"phase": "Failed", "namespace": "prod"})), "not applied"),
        (argo(&json!({"images": [], "namespace": "prod"})), "what is to serve"),
    ] {
        let found = heard(&message, &[]).unwrap();
        assert!(found.contains(words), "{found}: {message}");
    }
}

#[test]
fn what_is_neither_is_an_error() {
    let mut no_reason = flux(json!({}));
    no_reason["reason"] = json!(null);
    for (message, code) in [
        (json!("hello"), "unknown-message"),
        (json!(null), "unknown-message"),
        (json!({"kind": "argocd.app"}), "missing-member"),
        (json!({"involvedObject": {}}), "missing-member"),
        (json!({"involvedObject": "x"}), "unknown-message"),
        (no_reason, "missing-member"),
        (flux(json!("x")), "malformed-member"),
        (flux(json!({"image": 7})), "malformed-member"),
        (flux(json!({"image": "a", "service": "no name"})), "no-service-name"),
        (flux(json!({"image": "a", "cluster": "a/b"})), "no-service-name"),
        (argo(&json!({"images": "r.io/a"})), "malformed-member"),
    ] {
        assert_eq!(heard(&message, &[]), Err(code), "{message}");
    }
    assert_eq!(heard(&json!("x".repeat(hint::MAX_MESSAGE_BYTES)), &[]), Err("message-too-long"));
}

/// What a template of Go's makes of an object, as far as ours go: `toJson` and `with` of paths, `index` of what `with` is at.
fn rendered(template: &str, object: &Value) -> String {
    let (mut out, mut at) = (String::new(), vec![Some(object)]);
    for (number, part) in template.split("{{").enumerate() {
        let (action, text) = if number == 0 { ("", part) } else { part.split_once("}}").unwrap() };
        let of = |path: &str| match path.strip_prefix(".app") {
            // At the top a path begins at the object, and inside of `with` there is no other path than the dot itself.
            Some(path) => object.pointer(&path.replace('.', "/")),
            None => at.last().copied().flatten().filter(|_dot| path == "."),
        };
        match action.split_once(' ') {
            None if action == "end" => drop(at.pop()),
            None => assert_eq!(action, ""),
            // What is inside is left out, where there is nothing.
            Some(_action) if at.last().unwrap().is_none() && !action.starts_with("with") => {}
            Some(("toJson", path)) => out.push_str(&of(path).unwrap_or(&Value::Null).to_string()),
            Some(("with", path)) => at.push(match path.strip_prefix("index . ") {
                Some(key) => at.last().unwrap().and_then(|map| map.get(key.trim_matches('"'))),
                None => of(path),
            }),
            Some(_other) => panic!("{action}"),
        }
        if at.last().unwrap().is_some() {
            out.push_str(text);
        }
    }
    out
}

#[test]
fn the_template_of_our_documents_says_the_service_and_where_it_deploys_to() {
    let file = include_str!("../../docs/deploy/argo-cd/notifications.yaml");
    let config = yaml::parse(file).unwrap().remove(0);
    let template = yaml::parse(config.at(&["data", "template.lineal"]).unwrap().text().unwrap()).unwrap().remove(0);
    let message = |application: &Value| -> Value {
        let text = rendered(template.text_at("message").unwrap(), application);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let operation = json!({"phase": "Succeeded", "startedAt": "2026-08-22T07:26:00Z", "finishedAt": "2026-08-22T07:26:19Z",
        "syncResult": {"revision": "9c1f0d7e"}});
    let mut application = json!({"metadata": {"name": "fraud-eu", "namespace": "argocd", "uid": "1",
            "annotations": {"lineal.dev/service": "payments/fraud", "notifications.argoproj.io/subscribe.lineal.nats": "x"}},
        "spec": {"destination": {"namespace": "prod"}},
        "status": {"operationState": operation, "summary": {"images": ["r.io/fraud:2"]}}});
    let asked = |service: &str| {
        format!("argo-cd {service}@eu-1/prod image:@oci://r.io/fraud:2 9c1f0d7e 2026-08-22T07:26:19.000Z")
    };
    assert_eq!(heard(&message(&application), &[]).unwrap(), asked("service/payments/fraud"));
    application["metadata"]["annotations"].as_object_mut().unwrap().remove("lineal.dev/service");
    assert_eq!(heard(&message(&application), &[]).unwrap(), asked("service/prod/fraud-eu"));
    application["metadata"].as_object_mut().unwrap().remove("annotations");
    application["spec"]["destination"].as_object_mut().unwrap().remove("namespace");
    assert_eq!(heard(&message(&application), &[]).unwrap(), "it does not say which service it is about");
    // Argo CD's own namespace is where it may have been mapped.
    assert_eq!(
        heard(&message(&application), &["argocd/fraud-eu=payments/fraud"]).unwrap(),
        asked("service/payments/fraud")
    );
}
