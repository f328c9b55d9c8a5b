//! Any JSON at all in the place of an object, and in the place of each member of one: read, or an error, never a panic.
#![cfg(test)]

use lineal_schemas::vocabulary::names::EnvironmentName;
use lineal_workload::{asked::Asked, hint, listing, look::Look, naming::Naming, running::Instance, runtime};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Words that readers look for, so that random objects get somewhere.
const WORDS: [&str; 30] = [
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "labels",
    "annotations",
    "spec",
    "template",
    "containers",
    "initContainers",
    "ephemeralContainers",
    "volumes",
    "image",
    "reference",
    "status",
    "containerStatuses",
    "imageID",
    "state",
    "running",
    "items",
    "predictor",
    "model",
    "storageUri",
    "storageUris",
    "uri",
    "Pod",
    "apps/v1",
    "data",
    "object",
];

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![prop::sample::select(&WORDS[..]).prop_map(str::to_owned), ".{0,12}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 96, 8, move |inner| {
        let members = prop::collection::vec((word.clone(), inner.clone()), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A sound object of each kind, with every member that a reader looks at.
fn sound() -> Vec<Value> {
    let hex = "a".repeat(64);
    let pod = json!({"containers": [{"name": "c", "image": "r/x:1", "args": ["s3://a/b", "/m"]}],
        "initContainers": [{"name": "storage-initializer", "image": "i", "args": ["s3://a/b", "/m"]}],
        "ephemeralContainers": [{"name": "e", "image": "i"}], "volumes": [{"name": "v", "image": {"reference": "r/m:1"}}]});
    let metadata = json!({"name": "x", "namespace": "n", "labels": {"component": "predictor", "pod-template-hash": "1",
        "serving.kserve.io/inferenceservice": "x", "app.kubernetes.io/part-of": "llminferenceservice"},
        "annotations": {"lineal.dev/service": "a/b", "lineal.dev/runtime": "8000",
            "internal.serving.kserve.io/storage-initializer-sourceuri": "s3://a/b"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "x-1", "controller": true}]});
    let status = json!({"name": "c", "image": "r/x:1", "imageID": format!("r/x@sha256:{hex}"), "state": {"running": {}},
        "volumeMounts": [{"name": "v", "volumeStatus": {"image": {"imageRef": format!("r/m@sha256:{hex}")}}}]});
    let object = |api_version: &str, kind: &str, spec: Value| {
        json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec, "status": {"phase": "Running",
            "podIP": "10.0.0.1", "containerStatuses": [status], "initContainerStatuses": [status],
            "ephemeralContainerStatuses": [status]}})
    };
    let implementation = json!({"storageUri": "s3://a/b", "image": "i", "storage": {"path": "p"}});
    vec![
        object("v1", "Pod", pod.clone()),
        object("apps/v1", "Deployment", json!({"template": {"spec": pod}})),
        object("argoproj.io/v1alpha1", "Rollout", json!({"template": {"spec": pod}, "workloadRef": {"name": "y"}})),
        object(
            "serving.kserve.io/v1beta1",
            "InferenceService",
            json!({
            "predictor": {"model": implementation, "sklearn": implementation, "storageUris": [{"uri": "s3://a/b"}],
                "canaryTrafficPercent": 10, "workerSpec": pod},
            "transformer": pod, "explainer": {"art": implementation}}),
        ),
        object(
            "serving.kserve.io/v1alpha1",
            "LLMInferenceService",
            json!({"model": {"uri": "hf://a/b",
            "lora": {"adapters": [{"uri": "s3://l/1"}]}}, "template": pod, "prefill": {"template": pod},
            "baseRefs": [{"name": "b"}]}),
        ),
        json!({"involvedObject": {"kind": "Kustomization", "namespace": "n", "name": "x"}, "severity": "info",
            "reason": "UpgradeSucceeded", "timestamp": "2026-08-22T07:26:19Z", "metadata": {"revision": "1", "image": "i",
            "images": "a,b", "model": "s3://a/b", "model_digest": format!("sha256:{hex}"), "service": "a/b"}}),
        json!({"kind": "argocd.app", "app": "a", "phase": "Succeeded", "namespace": "n", "images": ["i"], "revision": "1"}),
        object("mlops.seldon.io/v1alpha1", "Model", json!({"storageUri": "gs://a/b", "artifactVersion": 1})),
    ]
}

/// Every place in a value, as JSON pointers.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                places(value, &format!("{at}/{}", escaped(name)), into);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                places(value, &format!("{at}/{number}"), into);
            }
        }
        _ => {}
    }
}

fn read_every_way(value: &Value) {
    let naming = Naming::default();
    // Whatever becomes of it: that it came back is the claim.
    drop(lineal_workload::docker::instances(std::slice::from_ref(value)));
    drop(Asked::read(value).map(|asked| (asked.serving_set(), asked.service(&naming))));
    drop(Instance::read(value));
    let mut look = Look::of([value], true, &naming);
    look.split(value);
    drop(look.services(&naming));
    let text = value.to_string();
    drop(listing::read(text.as_bytes()));
    drop(runtime::loaded(text.as_bytes(), false));
    let environment = EnvironmentName::try_from("environment/a/b".to_owned()).expect("a name");
    drop(hint::read(text.as_bytes(), &environment, &naming));
    drop(lineal_workload::change::read(text.as_bytes()));
    let event = json!({"type": "MODIFIED", "object": value});
    drop(lineal_workload::change::read(event.to_string().as_bytes()));
}

#[test]
fn null_and_every_other_type_in_every_place_is_survived() {
    let others = [
        json!(null),
        json!(true),
        json!(-1),
        json!(""),
        json!("\u{202e}\0 x"),
        json!([]),
        json!([null]),
        json!({}),
        json!("x".repeat(5000)),
    ];
    for object in sound() {
        let mut all = Vec::new();
        places(&object, "", &mut all);
        assert!(all.len() > 5);
        for place in all {
            for other in &others {
                let mut broken = object.clone();
                *broken.pointer_mut(&place).expect("a place of it") = other.clone();
                read_every_way(&broken);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_json_is_survived(value in any_json()) {
        read_every_way(&value);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(listing::read(&bytes));
        drop(runtime::loaded(&bytes, true));
    }

    #[test]
    fn any_text_as_a_reference_makes_a_sound_artifact_or_none(reference in ".{0,80}", id in ".{0,80}") {
        for (artifact, _binding) in lineal_workload::image::running_image(&reference, &id)
            .into_iter().chain(lineal_workload::storage::asked_model(&reference)) {
            let json = serde_json::to_string(&artifact).unwrap();
            prop_assert!(serde_json::from_str::<lineal_schemas::vocabulary::artifact::Artifact>(&json).is_ok(), "{}", json);
        }
    }
}
