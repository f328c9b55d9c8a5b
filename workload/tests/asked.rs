//! What specs ask for, kind by kind: the table of where a model's identity sits.
#![cfg(test)]

use lineal_schemas::vocabulary::deployment::{Binding, Component};
use lineal_workload::{asked::Asked, naming::Naming, object::ObjectError, running::Instance};
use serde_json::{Value, json};

const HEX: &str = "4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f";

/// `role uri digests binding` of each component, and what is unknown.
fn asked(object: &Value) -> (Vec<String>, Vec<String>) {
    let asked = Asked::read(object).unwrap_or_else(|error| panic!("{error}: {object}"));
    let said = |component: &Component| {
        let digests: Vec<_> = component.artifact.digests().map(|(name, digits)| format!("{name}:{digits}")).collect();
        let uri = component.artifact.uri.as_ref().map(ToString::to_string).unwrap_or_default();
        let binding = component.binding.map(Binding::as_str).unwrap_or_default();
        format!("{} {uri} {} {binding}", component.role.as_str(), digests.join(","))
    };
    (asked.components.iter().map(said).collect(), asked.unknown)
}

fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fraud", "namespace": "prod"},
        "spec": {"template": {"spec": spec}}})
}

fn kserve(kind: &str, spec: Value) -> Value {
    json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": kind, "metadata": {"name": "fraud"}, "spec": spec})
}

#[test]
fn every_list_of_containers_and_every_image_volume_is_read() {
    let pinned = format!("r.io/model@sha256:{HEX}");
    let (components, unknown) = asked(&deployment(json!({
        "containers": [{"name": "serve", "image": "r.io/serve:1"}],
        "initContainers": [{"name": "fetch", "image": "r.io/fetch:1"}],
        "ephemeralContainers": [{"name": "debug", "image": "r.io/debug:1"}],
        "volumes": [{"name": "w", "image": {"reference": pinned}}, {"name": "tmp", "emptyDir": {}}],
    })));
    assert_eq!(
        components,
        [
            format!("model oci://{pinned} sha256:{HEX} pinned"),
            "image oci://r.io/debug:1  floating".to_owned(),
            "image oci://r.io/fetch:1  floating".to_owned(),
            "image oci://r.io/serve:1  floating".to_owned(),
        ]
    );
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn kinds_that_make_pods_are_read_by_their_template() {
    let spec = json!({"containers": [{"name": "serve", "image": "r.io/serve:1"}]});
    let template = json!({"template": {"spec": spec}});
    for (api_version, kind) in [
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("argoproj.io/v1alpha1", "Rollout"),
        ("serving.knative.dev/v1", "Service"),
    ] {
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": template});
        assert_eq!(asked(&object).0, ["image oci://r.io/serve:1  floating"], "{kind}");
        let empty = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": {}});
        assert!(matches!(Asked::read(&empty), Err(ObjectError::Missing { .. })), "{kind}");
    }
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "x-"}, "spec": spec});
    assert_eq!(asked(&pod).0, ["image oci://r.io/serve:1  floating"]);
    let elsewhere = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "x"},
        "spec": {"workloadRef": {"kind": "Deployment", "name": "y"}}});
    assert_eq!(asked(&elsewhere).1, ["the template is that of the Deployment `y`"]);
}

#[test]
fn an_inference_service_names_its_model_its_runtime_and_what_stands_before_it() {
    let (components, unknown) = asked(&kserve(
        "InferenceService",
        json!({
            "predictor": {"canaryTrafficPercent": 10,
                "model": {"modelFormat": {"name": "sklearn"}, "storageUri": format!("oci://r.io/fraud@sha256:{HEX}")}},
            "transformer": {"containers": [{"name": "kserve-container", "image": "r.io/features:7"}]},
            "explainer": {"containers": [{"name": "kserve-container", "image": "r.io/why:1"}]},
        }),
    ));
    assert_eq!(
        components,
        [
            format!("model oci://r.io/fraud@sha256:{HEX} sha256:{HEX} pinned"),
            "transform oci://r.io/features:7  floating".to_owned(),
            "image oci://r.io/why:1  floating".to_owned(),
        ]
    );
    assert_eq!(unknown, ["the image of the runtime that KServe picks for `model`"]);
    let object = kserve("InferenceService", json!({"predictor": {"canaryTrafficPercent": 5, "containers": []}}));
    assert_eq!(Asked::read(&object).unwrap().share.unwrap().as_decimal().as_str(), "0.05");
}

#[test]
fn older_predictors_several_addresses_and_configured_storages_are_read() {
    let (components, unknown) = asked(&kserve(
        "InferenceService",
        json!({"predictor": {"sklearn": {"storageUri": "gs://m/1", "image": "s:1"}}}),
    ));
    assert_eq!(components, ["model gs://m/1  floating", "image oci://s:1  floating"]);
    assert_eq!(unknown, [""; 0]);
    let several = json!({"predictor": {"storageUris": [{"uri": "s3://m/1"}, {"uri": "hf://o/m"}, {}], "model": {
        "storage": {"path": "models/1"}, "image": "s:1"}}});
    let (components, unknown) = asked(&kserve("InferenceService", several));
    assert_eq!(components, ["model hf://o/m  floating", "model s3://m/1  floating", "image oci://s:1  floating"]);
    assert_eq!(unknown.len(), 2, "{unknown:?}");
}

#[test]
fn a_language_model_has_adapters_and_what_a_base_adds_is_unknown() {
    let (components, unknown) = asked(&kserve(
        "LLMInferenceService",
        json!({
            "model": {"uri": "hf://org/llm", "lora": {"adapters": [{"name": "sql", "uri": "s3://a/sql"}]}},
            "template": {"containers": [{"name": "main", "image": "vllm:1"}]},
            "prefill": {"template": {"containers": [{"name": "main", "image": "vllm:2"}]}},
            "baseRefs": [{"name": "gpu"}],
        }),
    ));
    assert_eq!(
        components,
        [
            "model hf://org/llm  floating",
            "adapter s3://a/sql  floating",
            "image oci://vllm:1  floating",
            "image oci://vllm:2  floating",
        ]
    );
    assert_eq!(unknown, ["what the base `gpu` adds"]);
}

#[test]
fn a_seldon_model_is_its_address_and_its_version() {
    let model = json!({"apiVersion": "mlops.seldon.io/v1alpha1", "kind": "Model", "metadata": {"name": "fraud"},
        "spec": {"storageUri": "gs://m/fraud", "artifactVersion": 3}});
    assert_eq!(asked(&model).0, ["model gs://m/fraud artifactVersion:3 floating"]);
}

#[test]
fn what_can_not_be_read_is_an_error_or_unknown() {
    for (object, code) in [
        (json!(null), "not-an-object"),
        (json!([]), "not-an-object"),
        (json!({"kind": "Pod", "apiVersion": "v1"}), "missing-member"),
        (json!({"kind": "Pod", "metadata": {"name": "x"}}), "missing-member"),
        (json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}), "unknown-kind"),
        (deployment(json!({"containers": {"name": "x"}})), "malformed-member"),
        (deployment(json!({"containers": [{"image": "x"}]})), "missing-member"),
        (deployment(json!({"containers": [{"name": "x", "image": 7}]})), "malformed-member"),
        (deployment(json!({"containers": [null]})), "malformed-member"),
        (deployment(json!({"volumes": [{"name": "v", "image": "r"}]})), "malformed-member"),
        (kserve("InferenceService", json!({})), "missing-member"),
        (kserve("InferenceService", json!({"predictor": {"model": []}})), "malformed-member"),
        (kserve("LLMInferenceService", json!({"model": {"name": "x"}})), "missing-member"),
    ] {
        assert_eq!(Asked::read(&object).map_err(|error| error.code()), Err(code), "{object}");
    }
    let (components, unknown) =
        asked(&deployment(json!({"containers": [{"name": "a"}, {"name": "b", "image": "x y"}]})));
    assert_eq!((components.len(), unknown.len()), (0, 2), "{unknown:?}");
}

#[test]
fn a_workload_has_the_name_that_its_pods_will_have() {
    let name = |object: &Value| Asked::read(object).unwrap().service(&Naming::default()).unwrap().to_string();
    let mut object = deployment(json!({"containers": []}));
    assert_eq!(name(&object), "service/prod/fraud");
    object["spec"]["template"]["metadata"] = json!({"labels": {"serving.kserve.io/inferenceservice": "isvc"}});
    assert_eq!(name(&object), "service/prod/isvc");
    object["spec"]["template"]["metadata"]["annotations"] = json!({"lineal.dev/service": "payments/fraud"});
    assert_eq!(name(&object), "service/payments/fraud");
    let mut service = kserve("InferenceService", json!({"predictor": {"model": {"storageUri": "s3://m/1"}}}));
    service["metadata"]["annotations"] = json!({"lineal.dev/service": "payments/fraud"});
    assert_eq!(name(&service), "service/payments/fraud");
}

/// An object as large as the API server takes them.
#[test]
fn an_object_of_a_mebibyte_is_read() {
    let container =
        |number: usize| json!({"name": format!("c{number}"), "image": format!("r.io/{}:{number}", "x".repeat(200))});
    let object = deployment(json!({"containers": (0..5_000).map(container).collect::<Vec<_>>()}));
    assert!(object.to_string().len() > 1024 * 1024);
    assert_eq!(asked(&object).0.len(), 5_000);
}

#[test]
fn an_annotation_says_which_container_holds_the_model_when_it_is_asked_for_and_when_it_runs() {
    let image = format!("r.io/fraud@sha256:{HEX}");
    let spec = json!({"containers": [{"name": "main", "image": image}, {"name": "proxy", "image": "r.io/proxy:1"}]});
    let metadata = json!({"name": "fraud-x", "namespace": "prod", "annotations": {"lineal.dev/model": "main"}});
    let template = json!({"metadata": metadata, "spec": spec});
    let mut object = deployment(spec.clone());
    let plain = Asked::read(&object).unwrap();
    assert!(!plain.serves_a_model());
    object["spec"]["template"] = template;
    let says = Asked::read(&object).unwrap();
    assert!(says.serves_a_model());
    let roles = |components: &[Component]| components.iter().map(|part| part.role.as_str()).collect::<Vec<_>>();
    assert_eq!(roles(&says.components), ["model", "image"]);
    let status = |name: &str| json!({"name": name, "image": "x", "imageID": format!("x@sha256:{HEX}"), "state": {"running": {}}});
    let pod =
        json!({"metadata": metadata, "spec": spec, "status": {"containerStatuses": [status("main"), status("proxy")]}});
    assert_eq!(roles(&Instance::read(&pod).unwrap().components), ["model", "image"]);
    object["spec"]["template"]["metadata"]["annotations"]["lineal.dev/model"] = json!("main, mian");
    let misspelt = Asked::read(&object).unwrap();
    assert_eq!(misspelt.unknown_models, ["container `mian`, which is said to hold the model"]);
}

#[test]
fn what_may_be_a_model_and_is_in_no_spec_is_told_apart_from_an_image_that_something_picks() {
    let hidden = |object: &Value| Asked::read(object).unwrap().unknown_models.len();
    let model = |model: Value| kserve("InferenceService", json!({"predictor": {"model": model}}));
    assert_eq!(hidden(&model(json!({"storageUri": "s3://m/1"}))), 0, "the image of the runtime is no model");
    assert_eq!(hidden(&model(json!({"storage": {"path": "m/1"}}))), 1);
    assert_eq!(hidden(&model(json!({"storageUri": "nowhere"}))), 1);
    let based = json!({"model": {"uri": "hf://a/b"}, "baseRefs": [{"name": "gpu"}]});
    assert_eq!(hidden(&kserve("LLMInferenceService", based)), 1);
}

#[test]
fn a_pod_is_named_by_what_made_it() {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "fraud-5d8-", "namespace": "prod",
        "labels": {"pod-template-hash": "5d8"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "fraud-5d8", "controller": true}]},
        "spec": {"containers": [{"name": "main", "image": "r.io/fraud:1"}]}});
    let name = |pod: &Value| Asked::read(pod).unwrap().service(&Naming::default()).unwrap().to_string();
    assert_eq!(name(&pod), "service/prod/fraud");
    pod["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    assert_eq!(name(&pod), "service/prod/fraud-5d8-");
}
