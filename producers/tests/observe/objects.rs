//! Pods as a cluster has them.

use serde_json::{Value, json};

/// 64 times the same digit.
pub(crate) fn digest(of: char) -> String {
    of.to_string().repeat(64)
}

/// A pod of a deployment, which runs `r.io/<workload>:v1` with a digest.
pub(crate) fn pod(namespace: &str, workload: &str, suffix: &str, of: char) -> Value {
    let (replica_set, image) = (format!("{workload}-6d4b"), format!("r.io/{workload}:v1"));
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("{replica_set}-{suffix}"),
            "namespace": namespace,
            "labels": {"pod-template-hash": "6d4b"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": replica_set, "controller": true}],
        },
        "spec": {"containers": [{"name": "serve", "image": image}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{
                "name": "serve",
                "image": image,
                "imageID": format!("r.io/{workload}@sha256:{}", digest(of)),
                "state": {"running": {"startedAt": "2026-04-02T10:00:00Z"}},
            }],
        },
    })
}

/// What `kubectl get pods -o json` prints.
pub(crate) fn list(pods: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": pods}).to_string()
}
