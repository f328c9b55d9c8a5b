//! What pods' statuses say runs, and how pods become services.
#![cfg(test)]

use std::collections::BTreeMap;

use lineal_schemas::vocabulary::{deployment::ServedSet, values::Count};
use lineal_workload::{look::Look, naming::Naming, running::Instance};
use serde_json::{Value, json};

fn hex(of: char) -> String {
    of.to_string().repeat(64)
}

/// A pod of a workload, whose one container runs an image.
fn pod(name: &str, image: &str, digest: char) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "prod", "labels": {"pod-template-hash": "6d4b75cb6d"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "fraud-6d4b75cb6d", "controller": true}]},
        "spec": {"containers": [{"name": "serve", "image": image}]},
        "status": {"phase": "Running", "podIP": "10.0.0.7", "containerStatuses": [{"name": "serve", "image": image,
            "imageID": format!("r.io/fraud@sha256:{}", hex(digest)), "state": {"running": {}}}]},
    })
}

fn with(mut pod: Value, at: &str, value: Value) -> Value {
    *pod.pointer_mut(at).unwrap_or_else(|| panic!("no {at}")) = value;
    pod
}

fn push(list: &mut Value, item: Value) {
    list.as_array_mut().expect("a list").push(item);
}

/// The parts of a pod, as `role digests`; and what is unknown.
fn parts(pod: &Value) -> (Vec<String>, Vec<String>) {
    let instance = Instance::read(pod).unwrap_or_else(|error| panic!("{error}: {pod}"));
    let said = |component: &lineal_schemas::vocabulary::deployment::Component| {
        let digests: Vec<_> = component.artifact.digests().map(|(name, digits)| format!("{name}:{digits}")).collect();
        let uri = component.artifact.uri.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{} {uri} {}", component.role.as_str(), digests.join(","))
    };
    (instance.components.iter().map(said).collect(), instance.unknown)
}

/// Each service as `instances x number of components` of each set, and whether it was seen whole.
fn services(pods: &[Value], naming: &Naming) -> BTreeMap<String, (Vec<(u64, usize)>, bool)> {
    let mut look = Look::of(pods, true, naming);
    let services = look.services(naming).into_iter().map(|(name, seen)| {
        let sets = seen.sets.iter().map(|set| (set.instances.map_or(0, Count::get), set.components.len()));
        (name.to_string(), (sets.collect(), seen.complete))
    });
    services.collect()
}

#[test]
fn the_digest_is_what_the_kubelet_says_and_not_what_the_spec_asks_for() {
    let asked = format!("r.io/fraud@sha256:{}", hex('a'));
    let (parts, unknown) = parts(&pod("fraud-1", &asked, 'b'));
    assert_eq!(parts, [format!("image oci://{asked} sha256:{}", hex('b'))]);
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn a_part_without_an_image_id_is_unknown_and_a_pod_that_runs_nothing_is_no_instance() {
    let mut starting = pod("fraud-1", "r.io/fraud:2", 'a');
    push(&mut starting["spec"]["containers"], json!({"name": "cache", "image": format!("r.io/c@sha256:{}", hex('c'))}));
    let (found, unknown) = parts(&starting);
    assert_eq!(found.len(), 1);
    assert_eq!(unknown, ["the image of container `cache`"], "the spec is not what runs");
    let waits = with(pod("fraud-1", "x", 'a'), "/status/containerStatuses/0/state", json!({"waiting": {}}));
    let ended = with(pod("fraud-1", "x", 'a'), "/status/phase", json!("Succeeded"));
    for idle in [waits, ended, with(pod("fraud-1", "x", 'a'), "/status", json!(null))] {
        assert_eq!(parts(&idle), (vec![], vec![]), "{idle}");
        assert_eq!(services(&[idle], &Naming::default())["service/prod/fraud"], (vec![], true));
    }
}

#[test]
fn while_an_image_is_replaced_what_runs_is_called_what_it_was() {
    let pod = with(pod("fraud-1", "r.io/fraud:2", 'a'), "/status/containerStatuses/0/image", json!("r.io/fraud:1"));
    assert!(parts(&pod).0[0].starts_with("image oci://r.io/fraud:1 "));
    let written_out = self::pod("fraud-1", "fraud", 'a');
    let written_out = with(written_out, "/status/containerStatuses/0/image", json!("docker.io/library/fraud:latest"));
    assert!(parts(&written_out).0[0].starts_with("image oci://fraud "));
}

#[test]
fn init_and_debug_containers_and_image_volumes_run_as_well() {
    let mut pod = pod("fraud-1", "r.io/fraud:2", 'a');
    let status = |name: &str, digest: char| {
        json!({"name": name, "imageID": format!("r.io/x@sha256:{}", hex(digest)),
        "state": {"terminated": {"exitCode": 0}}})
    };
    pod["spec"]["initContainers"] = json!([{"name": "fetch", "image": "r.io/weights:3"}]);
    pod["status"]["initContainerStatuses"] = json!([status("fetch", 'b')]);
    pod["spec"]["ephemeralContainers"] =
        json!([{"name": "shell", "image": "busybox"}, {"name": "never", "image": "y"}]);
    pod["status"]["ephemeralContainerStatuses"] = json!([status("shell", 'c')]);
    pod["spec"]["volumes"] = json!([{"name": "w", "image": {"reference": "r.io/model:9"}}]);
    pod["status"]["containerStatuses"][0]["volumeMounts"] = json!([{"name": "w", "mountPath": "/m",
        "volumeStatus": {"image": {"imageRef": format!("r.io/model@sha256:{}", hex('d'))}}}]);
    let (found, unknown) = parts(&pod);
    assert_eq!(
        found,
        [
            format!("model oci://r.io/model:9 sha256:{}", hex('d')),
            format!("image oci://busybox sha256:{}", hex('c')),
            format!("image oci://r.io/fraud:2 sha256:{}", hex('a')),
            format!("image oci://r.io/weights:3 sha256:{}", hex('b')),
        ]
    );
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn what_kserve_downloads_is_a_pointer_and_what_it_mounts_has_a_digest() {
    let mut pod = pod("fraud-1", "r.io/serve:2", 'a');
    pod["metadata"]["annotations"] =
        json!({"internal.serving.kserve.io/storage-initializer-sourceuri": "s3://models/elsewhere"});
    pod["spec"]["initContainers"] = json!([{"name": "storage-initializer", "image": "kserve/si:1",
        "args": ["s3://models/fraud/42", "/mnt/models", "s3://models/sql", "/mnt/models/adapters/sql"]}]);
    pod["status"]["initContainerStatuses"] = json!([{"name": "storage-initializer", "imageID":
        format!("kserve/si@sha256:{}", hex('e')), "state": {"terminated": {}}}]);
    let (found, _unknown) = parts(&pod);
    assert_eq!(
        found[..2],
        ["model s3://models/fraud/42 ", "adapter s3://models/sql "],
        "what it was told, not the note"
    );
    pod["spec"]["initContainers"] = json!(null);
    assert_eq!(parts(&pod).0[0], "model s3://models/elsewhere ");
    let reference = format!("oci://r.io/model@sha256:{}", hex('f'));
    pod["metadata"]["annotations"] =
        json!({"internal.serving.kserve.io/storage-initializer-sourceuri": "oci://r.io/model:1"});
    push(&mut pod["spec"]["containers"], json!({"name": "modelcar", "image": "r.io/model:1"}));
    push(
        &mut pod["status"]["containerStatuses"],
        json!({"name": "modelcar", "imageID": &reference[6..], "state": {"running": {}}}),
    );
    let (found, _unknown) = parts(&pod);
    assert_eq!(found[0], format!("model oci://r.io/model:1 sha256:{}", hex('f')));
    assert_eq!(found.iter().filter(|part| part.starts_with("model")).count(), 1, "{found:?}");
}

#[test]
fn pods_of_one_workload_are_one_service_and_a_canary_is_a_set_of_its_own() {
    let canary = |name: &str| {
        let canary = with(pod(name, "r.io/fraud:3", 'c'), "/metadata/ownerReferences/0/name", json!("fraud-abc"));
        with(canary, "/metadata/labels", json!({"rollouts-pod-template-hash": "abc"}))
    };
    let pods = [pod("fraud-1", "r.io/fraud:2", 'a'), canary("fraud-3"), pod("fraud-2", "r.io/fraud:2", 'a')];
    let found = services(&pods, &Naming::default());
    let (sets, complete) = &found["service/prod/fraud"];
    assert_eq!(found.len(), 1);
    assert!(sets.contains(&(2, 1)) && sets.contains(&(1, 1)) && sets.len() == 2 && *complete, "{sets:?}");
}

#[test]
fn the_pods_of_an_inference_service_answer_together() {
    let isvc = |name: &str, part: &str, digest: char| {
        let labels = json!({"serving.kserve.io/inferenceservice": "fraud", "component": part});
        with(pod(name, &format!("r.io/{part}:1"), digest), "/metadata/labels", labels)
    };
    let pods = [isvc("p1", "predictor", 'a'), isvc("p2", "predictor", 'a'), isvc("t1", "transformer", 'b')];
    let mut look = Look::of(&pods, true, &Naming::default());
    let services = look.services(&Naming::default());
    let sets = &services.values().next().unwrap().sets;
    let roles: Vec<_> = sets[0].components.iter().map(|component| component.role.as_str()).collect();
    assert_eq!((sets.len(), sets[0].instances.unwrap().get(), roles), (1, 2, vec!["transform", "image"]));
    let two_before = [isvc("p1", "predictor", 'a'), isvc("t1", "transformer", 'b'), isvc("t2", "transformer", 'c')];
    assert_eq!(
        self::services(&two_before, &Naming::default())["service/prod/fraud"].0.len(),
        3,
        "nobody can say which"
    );
}

/// Shares by model, of two revisions of an `InferenceService` and what its status says of them; `-` where none is said.
fn shares(revisions: &[(&str, char)], traffic: &Value, latest: &str) -> Vec<String> {
    let pods = revisions.iter().enumerate().map(|(number, (revision, of))| {
        let labels = json!({"serving.kserve.io/inferenceservice": "fraud", "component": "predictor",
            "serving.knative.dev/revision": revision});
        with(pod(&format!("p{number}"), "r.io/serve:1", *of), "/metadata/labels", labels)
    });
    let pods: Vec<Value> = pods.collect();
    let mut look = Look::of(&pods, true, &Naming::default());
    look.split(&json!({"kind": "InferenceService", "metadata": {"name": "fraud", "namespace": "prod"},
        "status": {"components": {"predictor": {"latestReadyRevision": latest, "traffic": traffic}}}}));
    let services = look.services(&Naming::default());
    let said = |set: &ServedSet| {
        let digest = set.components[0].artifact.digests().next().unwrap().1[..1].to_owned();
        let share = set.share.as_ref().map_or("-", |share| share.as_decimal().as_str());
        format!("{digest} {share}")
    };
    assert!(look.remarks.is_empty(), "{:?}", look.remarks);
    services.values().next().unwrap().sets.iter().map(said).collect()
}

#[test]
fn a_canary_has_the_share_that_its_service_says() {
    let named = json!([{"revisionName": "f-1", "percent": 90, "tag": "prev"},
        {"revisionName": "f-2", "percent": 10, "latestRevision": true}]);
    assert_eq!(shares(&[("f-1", 'a'), ("f-2", 'b'), ("f-1", 'a')], &named, "f-2"), ["a 0.90", "b 0.10"]);
    let unnamed = json!([{"revisionName": "f-1", "percent": 90}, {"percent": 10, "latestRevision": true}]);
    assert_eq!(shares(&[("f-1", 'a'), ("f-2", 'b')], &unnamed, "f-2"), ["a 0.90", "b 0.10"]);
    // Two revisions of the same; one that gets nothing any more; one that has no pod now; one alone.
    assert_eq!(shares(&[("f-1", 'a'), ("f-2", 'a'), ("f-0", 'c')], &named, "f-2"), ["a 1", "c 0.00"]);
    assert_eq!(shares(&[("f-1", 'a')], &named, "f-2"), ["a 0.90"]);
    assert_eq!(shares(&[("f-1", 'a')], &json!([{"revisionName": "f-1", "percent": 100}]), "f-1"), ["a -"]);
}

#[test]
fn what_is_no_split_of_all_that_runs_says_no_share() {
    let named = json!([{"revisionName": "f-1", "percent": 90}, {"revisionName": "f-2", "percent": 10}]);
    for (revisions, traffic) in [
        // A revision whose image is replaced under it is two things with one number.
        (&[("f-1", 'a'), ("f-1", 'b')][..], named),
        (&[("f-1", 'a'), ("f-2", 'b')], json!([{"revisionName": "f-1", "percent": 90}])),
        (&[("f-1", 'a'), ("f-2", 'b')], json!([{"percent": 100}])),
        (
            &[("f-1", 'a'), ("f-2", 'b')],
            json!([{"revisionName": "f-1", "percent": 50}, {"revisionName": "f-2", "percent": -1}]),
        ),
        (&[("f-1", 'a'), ("f-2", 'b')], json!(null)),
    ] {
        assert_eq!(shares(revisions, &traffic, "f-9"), ["a -", "b -"], "{traffic}");
    }
}

#[test]
fn names_come_from_the_map_then_from_the_pod_then_from_the_workload() {
    let said = json!({"lineal.dev/service": "payments/fraud-eu"});
    let mut pod = pod("fraud-1", "r.io/fraud:2", 'a');
    let name = |pod: &Value, map: &[&str]| {
        let map: Vec<String> = map.iter().map(|entry| (*entry).to_owned()).collect();
        let naming = Naming::new(Vec::new(), &map).unwrap();
        services(std::slice::from_ref(pod), &naming).into_keys().next().unwrap()
    };
    assert_eq!(name(&pod, &[]), "service/prod/fraud");
    assert_eq!(name(&pod, &["prod=payments"]), "service/payments/fraud");
    pod["metadata"]["annotations"] = said;
    assert_eq!(name(&pod, &["prod=payments"]), "service/payments/fraud-eu");
    assert_eq!(name(&pod, &["prod=payments", "prod/fraud=risk/fraud"]), "service/risk/fraud");
    for wrong in ["prod", "prod=", "prod/fraud=risk", "prod=a b", "prod/fraud=service/a/b@eu-1/prod/x y"] {
        assert!(Naming::new(Vec::new(), &[wrong.to_owned()]).is_err(), "{wrong}");
    }
}

#[test]
fn a_pod_that_can_not_be_read_or_named_makes_the_look_partial() {
    let good = pod("fraud-1", "r.io/fraud:2", 'a');
    for bad in [
        json!(null),
        json!({"metadata": {"name": "x"}}),
        with(good.clone(), "/spec/containers", json!(7)),
        with(good.clone(), "/status/containerStatuses", json!({})),
        with(good.clone(), "/metadata/labels", json!({"serving.kserve.io/inferenceservice": "no name"})),
    ] {
        let mut look = Look::of([&good, &bad], true, &Naming::default());
        let services = look.services(&Naming::default());
        assert!(!look.whole && !look.remarks.is_empty(), "{bad}");
        assert!(services.values().all(|seen| !seen.complete) || bad.get("spec").is_some(), "{bad}");
    }
}

#[test]
fn jobs_and_the_clusters_own_pods_are_left_out() {
    let job = with(pod("j", "x", 'a'), "/metadata/ownerReferences/0/kind", json!("Job"));
    let system = with(pod("dns", "x", 'a'), "/metadata/namespace", json!("kube-system"));
    assert!(services(&[job, system.clone()], &Naming::default()).is_empty());
    let naming = Naming::new(vec!["kube-system".to_owned()], &[]).unwrap();
    assert_eq!(services(&[system, pod("fraud-1", "x", 'a')], &naming).len(), 1);
}
