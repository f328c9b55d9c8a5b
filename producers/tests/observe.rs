//! What runs, as the program sees it: lists on standard input, a Docker engine, a model's folder, servers that are asked.
#![expect(clippy::unwrap_used, reason = "a test fails where its own set-up does")]

#[path = "observe/api_server.rs"]
mod api_server;
#[path = "observe/cluster.rs"]
mod cluster;
#[path = "observe/objects.rs"]
mod objects;
#[path = "emit/place.rs"]
mod place;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use serde_json::{Value, json};

use objects::{digest, list, pod};
use place::Place;

/// `observe --stdin` of an environment.
fn observe(place: &Place, list: &str, options: &[&str]) -> (i32, String, String) {
    let arguments = [&["observe", "--stdin", "--environment", "environment/eu-1/prod"], options].concat();
    let output = place.command(&arguments).write_stdin(list).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// Events as `name subject`, with how many sets each says and whether it is complete.
fn said(place: &Place) -> Vec<(String, usize, bool)> {
    let sets = |data: &Value| data["servingSet"].as_array().or_else(|| data["services"].as_array()).map_or(0, Vec::len);
    let said = |(name, subject, _source, _last, data): (String, String, String, bool, Value)| {
        (format!("{name} {subject}"), sets(&data), data["complete"] == true)
    };
    place.events().into_iter().map(said).collect()
}

const FRAUD: &str = "deployment.observed service/prod/fraud@eu-1/prod";
const INVENTORY: &str = "inventory.observed environment/eu-1/prod";

#[test]
fn a_service_is_said_when_it_changes_and_an_environment_before_its_promise_ends() {
    let place = Place::new();
    let at = |minute: u32| format!("2026-04-02T10:{minute:02}:00.000Z");
    let look = |pods: &[Value], minute: u32| {
        let (code, out, err) = observe(&place, &list(pods), &["--observed-at", &at(minute)]);
        assert_eq!(code, 0, "{err}");
        out
    };
    let one = [pod("prod", "fraud", "a", 'a'), pod("prod", "fraud", "b", 'a')];
    assert_eq!(look(&one, 0), "1 service in environment/eu-1/prod: 1 changed, 0 gone, inventory said\n");
    assert_eq!(said(&place), [(INVENTORY.to_owned(), 1, true), (FRAUD.to_owned(), 1, true)]);
    let (_name, _subject, _source, last, data) = place.events().remove(1);
    assert_eq!(data["servingSet"][0]["instances"], 2);
    assert_eq!(data["servingSet"][0]["components"][0]["artifact"]["digest"]["sha256"], digest('a'));
    assert_eq!(
        (data["observedAt"].as_str(), data["nextWithinSeconds"].as_u64(), last),
        (Some(&*at(0)), Some(600), true)
    );
    // The same, and another count of instances: nothing to say before half of the ten minutes has passed.
    assert_eq!(look(&one, 1), "1 service in environment/eu-1/prod: 0 changed, 0 gone\n");
    look(&one[..1], 4);
    assert_eq!(place.events().len(), 2);
    look(&one, 5);
    assert_eq!(place.names()[2..], ["inventory.observed"]);
    // Half of the pods are replaced.
    look(&[pod("prod", "fraud", "a", 'a'), pod("prod", "fraud", "b", 'b')], 6);
    assert_eq!(said(&place)[3], (FRAUD.to_owned(), 2, true));
    // All are gone, and that is said once.
    assert_eq!(look(&[], 7), "0 services in environment/eu-1/prod: 0 changed, 1 gone\n");
    assert_eq!(said(&place)[4], (FRAUD.to_owned(), 0, true));
    assert!(place.events()[4].4.get("nextWithinSeconds").is_none(), "what is gone stays gone until it is seen");
    look(&[], 8);
    assert_eq!(place.events().len(), 5);
}

#[test]
fn what_was_not_all_seen_says_so_and_proves_no_absence() {
    let place = Place::new();
    observe(&place, &list(&[pod("prod", "fraud", "a", 'a'), pod("prod", "spam", "a", 'c')]), &[]);
    assert_eq!(place.events().len(), 3);
    // A single pod is no list: the other service is not gone, and there is no inventory.
    observe(&place, &pod("prod", "fraud", "a", 'b').to_string(), &["--inventory"]);
    assert_eq!(said(&place)[3..], [(FRAUD.to_owned(), 1, false)]);
    // A pod that can't be read may be any service's.
    let (code, out, err) = observe(&place, &list(&[json!({"kind": "Pod", "metadata": {"name": 7}})]), &["--inventory"]);
    assert!(
        code == 0 && err.contains("warning: a pod can't be read") && out.contains("not all was seen"),
        "{out}{err}"
    );
    assert_eq!(said(&place)[4..], [(INVENTORY.to_owned(), 0, false)]);
    // A part that has no image yet.
    let mut starting = pod("prod", "fraud", "a", 'a');
    starting["status"]["containerStatuses"][0]["imageID"] = json!("");
    let (_code, _out, err) = observe(&place, &list(&[starting, pod("prod", "spam", "a", 'c')]), &[]);
    assert!(err.contains("the image of container `serve` is unknown"), "{err}");
    assert_eq!(said(&place)[5..], [(FRAUD.to_owned(), 0, false)]);
}

/// One pod that does not come up made every service of the environment partly seen, and overdue after ten minutes.
#[test]
fn what_is_unknown_of_one_service_is_not_unknown_of_another() {
    let place = Place::new();
    let mut starting = pod("prod", "fraud", "a", 'a');
    starting["status"]["containerStatuses"][0]["imageID"] = json!("");
    let pods = list(&[starting, pod("prod", "spam", "a", 'c')]);
    let spam = ("deployment.observed service/prod/spam@eu-1/prod".to_owned(), 1, true);
    for at in ["2026-04-02T10:00:00Z", "2026-04-02T10:06:00Z"] {
        let before = said(&place).len();
        observe(&place, &pods, &["--observed-at", at]);
        let said = &said(&place)[before..];
        assert_eq!(said.first(), Some(&(INVENTORY.to_owned(), 2, false)));
        assert_eq!(said.last(), Some(&spam), "what is said last of one time stands");
    }
}

#[test]
fn a_list_with_its_services_says_what_a_canary_gets() {
    let place = Place::new();
    let of_revision = |revision: &str, of: char| {
        let mut pod = pod("prod", "fraud", revision, of);
        pod["metadata"]["labels"]["serving.knative.dev/revision"] = json!(revision);
        pod
    };
    let traffic = json!([{"revisionName": "f-1", "percent": 95}, {"revisionName": "f-2", "percent": 5}]);
    let service = json!({"kind": "InferenceService", "metadata": {"name": "fraud", "namespace": "prod"},
        "status": {"components": {"predictor": {"traffic": traffic}}}});
    let (code, _out, err) = observe(&place, &list(&[of_revision("f-1", 'a'), of_revision("f-2", 'b'), service]), &[]);
    assert_eq!(code, 0, "{err}");
    let sets = place.events()[1].4["servingSet"].clone();
    assert_eq!((&sets[0]["share"], &sets[1]["share"]), (&json!("0.95"), &json!("0.05")), "{sets}");
}

#[test]
fn names_out_of_a_list_can_not_write_over_the_screen() {
    let place = Place::new();
    let mut starting = pod("prod", "fraud", "a", 'a');
    starting["spec"]["containers"][0]["name"] = json!("\u{1b}[2Jserve\u{202e}");
    starting["status"]["containerStatuses"][0]["name"] = json!("\u{1b}[2Jserve\u{202e}");
    starting["status"]["containerStatuses"][0]["imageID"] = json!("");
    let (_code, _out, err) = observe(&place, &list(&[starting]), &[]);
    assert!(err.contains("the image of container `\u{fffd}[2Jserve\u{fffd}` is unknown"), "{err:?}");
}

#[test]
fn what_is_no_list_of_pods_says_nothing() {
    let place = Place::new();
    for (text, words) in [
        ("", "nothing to read"),
        ("error: You must be logged in to the server", "not JSON"),
        (r#"{"kind":"List","items":null}"#, "without `items`"),
        (r#"{"kind":"List","items":[{"kind":"Deployment"}]}"#, "no pod but Deployment"),
    ] {
        let (code, _out, err) = observe(&place, text, &[]);
        assert!(code == 1 && err.contains(words) && err.contains("nothing was said"), "{text}: {err}");
    }
    assert!(place.events().is_empty());
    let (code, _out, err) = place.run(&["observe"]);
    assert!(code == 2 && err.contains("--service"), "{err}");
    let (code, _out, err) = observe(&place, &list(&[]), &["--map", "prod"]);
    assert!(code == 2 && err.contains("NAMESPACE=OWNER"), "{err}");
}

#[test]
fn another_choice_of_namespaces_would_say_that_the_others_are_gone() {
    let place = Place::new();
    let pods = list(&[pod("prod", "fraud", "a", 'a'), pod("test", "fraud", "a", 'b')]);
    let (code, ..) = observe(&place, &pods, &["--namespace", "prod", "--map", "prod=payments"]);
    assert_eq!((code, said(&place).len()), (0, 2));
    assert_eq!(place.events()[1].1, "service/payments/fraud@eu-1/prod");
    let (code, _out, err) = observe(&place, &pods, &["--namespace", "test"]);
    assert!(code == 2 && err.contains("said to be gone") && err.contains("hint: move "), "{err}");
}

#[test]
fn containers_are_known_by_what_they_were_pulled_as() {
    let place = Place::new();
    let id = format!("sha256:{}", digest('1'));
    let container = json!({"Id": "c1", "Name": "/camera-1", "Image": id, "State": {"Running": true},
        "Config": {"Image": "r.io/camera:2", "Labels": {"com.docker.compose.project": "shop",
            "com.docker.compose.service": "camera"}}});
    let image = json!({"Id": id, "RepoTags": ["r.io/camera:2"], "RepoDigests": [format!("r.io/camera@sha256:{}", digest('2'))]});
    place.write("inspected.json", &json!([container, image]).to_string());
    let look = |docker: &str| {
        let (code, _out, err) =
            place.run(&["observe", "--docker", docker, "--environment", "environment/edge-7/prod", "--inventory"]);
        assert_eq!(code, 0, "{err}");
    };
    look("inspected.json");
    let (_name, subject, _source, _last, data) = place.events().remove(1);
    assert_eq!(subject, "service/shop/camera@edge-7/prod");
    assert_eq!(data["servingSet"][0]["components"][0]["artifact"]["digest"]["sha256"], digest('2'));
    // The engine itself says the same.
    let socket = place.path().join("docker.sock");
    let engine = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let answers = [json!([{"Id": "c1"}]), container, image];
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _peer) = engine.accept().unwrap();
                let mut request = [0; 512];
                let read = stream.read(&mut request).unwrap();
                let line = String::from_utf8_lossy(&request[..read]).lines().next().unwrap().to_owned();
                asked.push(line);
                write!(stream, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{answer}").unwrap();
            }
            asked
        });
        look("docker.sock");
        let paths = ["/containers/json", "/containers/c1/json", &format!("/images/{id}/json")];
        assert_eq!(asked.join().unwrap(), paths.map(|path| format!("GET {path} HTTP/1.0")));
    });
    let names = place.names();
    assert_eq!(
        names,
        ["inventory.observed", "deployment.observed", "inventory.observed"],
        "the same is not said again"
    );
}

#[test]
fn a_model_in_an_oci_layout_is_checked_to_its_last_byte() {
    let place = Place::new();
    let blob = |text: &str| {
        let digest = hex_of(text);
        place.write(&format!("layout/blobs/sha256/{digest}"), text);
        digest
    };
    let layer = blob("weights");
    let manifest = json!({"config": {"digest": format!("sha256:{}", blob("{}"))}, "layers": [{"digest": format!("sha256:{layer}")}]});
    let manifest = blob(&manifest.to_string());
    let entry = |name: &str| {
        json!({"digest": format!("sha256:{manifest}"), "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "annotations": {"org.opencontainers.image.ref.name": name}})
    };
    place.write("layout/index.json", &json!({"manifests": [entry("v1"), entry("v2")]}).to_string());
    let observe = |layout: &str| {
        place.run(&[
            "observe",
            "--service",
            "service/payments/fraud@eu-1/prod",
            "--oci-layout",
            layout,
            "--next-within",
            "60",
        ])
    };
    let (code, _out, err) = observe("layout:v2");
    assert_eq!(code, 0, "{err}");
    assert_eq!(place.events()[0].4["servingSet"][0]["components"][0]["artifact"]["digest"]["sha256"], manifest);
    let (code, _out, err) = observe("layout");
    assert!(code == 2 && err.contains("holds 2 manifests"), "{err}");
    place.write(&format!("layout/blobs/sha256/{layer}"), "Weights");
    let (code, _out, err) = observe("layout:v2");
    assert!(code == 1 && err.contains("holds other bytes"), "{err}");
    assert_eq!(place.events().len(), 1);
}

fn hex_of(text: &str) -> String {
    lineal_schemas::digest::EventDigest::of(text.as_bytes()).to_string()
}

/// Answers so many requests with the same status and body, and gives its address.
fn server(status: &'static str, body: String, requests: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for _request in 0..requests {
            let (mut stream, _peer) = listener.accept().unwrap();
            let mut request = [0; 2048];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /v1/models "), "{}", String::from_utf8_lossy(&request));
            let length = body.len();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
        }
    });
    address
}

#[test]
fn a_server_is_asked_for_adapters_and_one_that_fails_or_lies_is_not_all_seen() {
    let place = Place::new();
    let models = json!({"object": "list", "data": [{"id": "llm", "root": "org/llm"}, {"id": "sql", "root": "/a/sql", "parent": "llm"}]});
    let roles = |event: usize| -> Vec<String> {
        let components = place.events()[event].4["servingSet"][0]["components"].clone();
        let components = components.as_array().unwrap().clone();
        components.iter().map(|component| component["role"].as_str().unwrap().to_owned()).collect()
    };
    // Asked by name, for every pod of the service, once.
    let address = server("200 OK", models.to_string(), 1);
    let asked = format!("prod/llm=http://{address}");
    let pods = list(&[pod("prod", "llm", "a", 'a'), pod("prod", "llm", "b", 'a')]);
    let (code, _out, err) = observe(&place, &pods, &["--runtime", &asked]);
    assert_eq!(code, 0, "{err}");
    assert_eq!((roles(1), said(&place)[1].2), (vec!["model".into(), "adapter".into(), "image".into()], true));
    for (status, body) in
        [("500 Internal Server Error", models.to_string()), ("200 OK", r#"{"object":"list","data":[{}]}"#.to_owned())]
    {
        let place = Place::new();
        let address = server(status, body, 1);
        let (code, _out, err) = observe(&place, &pods, &["--runtime", &format!("prod/llm=http://{address}")]);
        assert!(code == 0 && err.contains("what its server has loaded"), "{err}");
        assert_eq!(
            said(&place),
            [(INVENTORY.to_owned(), 1, false), ("deployment.observed service/prod/llm@eu-1/prod".to_owned(), 1, false),]
        );
    }
    // The pod says where, and is asked only where that was allowed.
    let address = server("200 OK", models.to_string(), 1);
    let (host, port) = address.split_once(':').unwrap();
    let mut says = pod("prod", "says", "a", 'a');
    says["metadata"]["annotations"] = json!({"lineal.dev/runtime": port});
    says["status"]["podIP"] = json!(host);
    let pods = list(&[says]);
    let (_code, _out, err) = observe(&place, &pods, &[]);
    assert!(err.contains("--ask-runtimes asks it"), "{err}");
    let before = place.events().len();
    observe(&place, &pods, &["--ask-runtimes"]);
    assert_eq!((roles(before), said(&place)[before].2), (vec!["model".into(), "adapter".into(), "image".into()], true));
    // Without a cluster.
    let place = Place::new();
    place.write("model.bin", "weights");
    let one = |url: &str| {
        place.run(&["observe", "--service", "service/a/llm@eu-1/prod", "--model", "model.bin", "--runtime", url]).0
    };
    assert_eq!(one(&format!("http://{}", server("200 OK", models.to_string(), 1))), 0);
    assert_eq!(one("http://127.0.0.1:1"), 0);
    let complete: Vec<(usize, bool)> = place
        .events()
        .iter()
        .map(|event| (event.4["servingSet"][0]["components"].as_array().unwrap().len(), event.4["complete"] == true))
        .collect();
    assert_eq!(complete, [(2, true), (1, false)]);
}

#[test]
fn notifications_in_a_file_become_requests_and_those_that_can_not_be_read_are_counted() {
    let place = Place::new();
    let argo = json!({"kind": "argocd.app", "app": "fraud", "namespace": "prod", "phase": "Succeeded", "revision": "9c1f0d7e",
        "finishedAt": "2026-08-22T07:26:19Z", "images": [format!("r.io/fraud@sha256:{}", digest('a'))]});
    let lines = format!("{argo}\n\nnot JSON\n{argo}\n{{\"kind\":\"argocd.app\",\"app\":\"x\",\"phase\":\"Failed\"}}\n");
    let arguments = ["hints", "--stdin", "--environment", "environment/eu-1/prod", "--map", "prod=payments"];
    let output = place.command(&arguments).write_stdin(lines).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(out, "4 messages: 1 requested, 1 asked for nothing, 1 malformed, 1 again\n", "{err}");
    assert!(err.contains("warning: line 3: message sha256:") && err.contains("line 5: asks for nothing"), "{err}");
    let (name, subject, _source, last, data) = place.events().remove(0);
    assert_eq!(
        (name.as_str(), subject.as_str(), last),
        ("deployment.requested", "service/payments/fraud@eu-1/prod", true)
    );
    let original = hex_of(&argo.to_string());
    assert_eq!(data["attachments"][0]["digest"]["sha256"], original);
    let kept = std::fs::read(place.path().join("events.jsonl.attachments").join(original)).unwrap();
    assert_eq!(kept, argo.to_string().into_bytes());
}
