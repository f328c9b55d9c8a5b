//! A cluster that is watched: what is said as it changes, and what is not said while nobody answers.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    FRAUD, INVENTORY,
    api_server::{ApiServer, Reply, event, expired, page},
    objects::{digest, pod},
    place::Place,
    said,
};

const ENVIRONMENT: [&str; 2] = ["--environment", "environment/eu-1/prod"];

/// A program that watches, until the test ends.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn watch(place: &Place, server: &ApiServer, options: &[&str]) -> Watching {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("lineal-emit"));
    command.args(["observe", "--kubernetes", &server.url]).args(ENVIRONMENT).args(options);
    command
        .current_dir(place.path())
        .stdout(Stdio::null())
        .stderr(fs::File::create(place.path().join("said")).unwrap());
    Watching(command.spawn().unwrap())
}

/// Asks until it is so; half a minute is long enough for anything here.
fn eventually(place: &Place, what: &str, mut is_so: impl FnMut() -> bool) {
    for _try in 0..600 {
        if is_so() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    panic!("{what}: {}\n{:?}", fs::read_to_string(place.path().join("said")).unwrap(), said(place));
}

/// The digest in each observation of `service/prod/fraud`, in order; `-` where nothing runs.
fn digests(place: &Place) -> Vec<String> {
    let observed = place.events().into_iter().filter(|event| event.0 == "deployment.observed");
    let digest = |data: Value| {
        let found = &data["servingSet"][0]["components"][0]["artifact"]["digest"]["sha256"];
        found.as_str().map_or_else(|| "-".to_owned(), |digits| digits[..1].to_owned())
    };
    observed.map(|event| digest(event.4)).collect()
}

/// Pages of a list, changes cut in the middle of a line, a bookmark, a disconnection, a version that is gone, a deletion.
#[test]
fn a_cluster_is_followed_through_everything_that_befalls_a_watch() {
    let place = Place::new();
    let fraud = |of: char| pod("prod", "fraud", "a", of);
    let other = pod("prod", "other", "a", '0');
    let server = ApiServer::start(move |number, path| match number {
        0 => page(&[fraud('a')], "10", Some("to/2?&")),
        1 => page(std::slice::from_ref(&other), "10", None),
        2 => {
            let line = event("MODIFIED", fraud('b'), "11");
            let (start, rest) = line.split_at(40);
            let bookmark = event("BOOKMARK", json!({"kind": "Pod", "metadata": {}}), "15");
            Reply::Cut(vec![start.to_owned(), format!("{rest}{bookmark}"), "{\"type\":\"MOD".to_owned()])
        }
        3 => Reply::End(vec![event("ADDED", fraud('c'), "16")]),
        4 => Reply::End(vec![expired()]),
        5 => page(&[fraud('d')], "30", None),
        6 => Reply::Body(410, json!({"kind": "Status", "code": 410}).to_string()),
        7 => page(&[fraud('d')], "40", None),
        8 => Reply::Silence(vec![event("DELETED", fraud('d'), "41")]),
        _ => panic!("nobody asks {path}"),
    });
    let _watching = watch(&place, &server, &[]);
    eventually(&place, "the deletion is said", || {
        digests(&place).last().is_some_and(|last| last == "-") && digests(&place).len() == 7
    });
    // `other` was there once, and the list after the gap did not have it any more.
    assert_eq!(digests(&place), ["a", "0", "b", "c", "d", "-", "-"]);
    assert_eq!(said(&place).iter().filter(|event| event.0 == INVENTORY).count(), 1, "one promise of ten minutes");
    let asked: Vec<String> =
        server.asked().iter().map(|request| request.lines().next().unwrap().replace(" HTTP/1.1", "")).collect();
    let pods = "GET /api/v1/pods?";
    assert_eq!(asked[0], format!("{pods}limit=500"));
    assert_eq!(asked[1], format!("{pods}limit=500&continue=to%2F2%3F%26"));
    let from =
        |request: &str| request.split("resourceVersion=").nth(1).map(|rest| rest.split('&').next().unwrap().to_owned());
    let versions: Vec<_> = asked.iter().map(|request| from(request)).collect();
    let expected = [None, None, Some("10"), Some("15"), Some("16"), None, Some("30"), None, Some("40")];
    assert_eq!(versions, expected.map(|version| version.map(str::to_owned)));
}

/// A watch that says nothing looks the same whether nothing happens or the connection is dead.
#[test]
fn an_inventory_is_of_a_new_list_and_never_of_a_silent_watch() {
    let place = Place::new();
    let server = ApiServer::start(|_number, path| {
        let is_watch = path.contains("watch=1");
        if is_watch { Reply::End(Vec::new()) } else { page(&[pod("prod", "fraud", "a", 'a')], "10", None) }
    });
    let _watching = watch(&place, &server, &["--next-within", "4"]);
    eventually(&place, "a second inventory", || said(&place).iter().filter(|event| event.0 == INVENTORY).count() >= 2);
    assert_eq!(said(&place).iter().filter(|event| event.0 == FRAUD).count(), 1);
    let lists = server.asked().iter().filter(|request| !request.contains("watch=1")).count();
    assert!(lists >= 2, "{lists}");
}

/// While the server is away nothing is said; what changed meanwhile is said afterwards.
#[test]
fn a_server_that_is_away_is_not_a_cluster_in_which_nothing_runs() {
    let place = Place::new();
    let server = ApiServer::start(|number, _path| match number {
        0 => page(&[pod("prod", "fraud", "a", 'a')], "10", None),
        1 | 2 => Reply::Body(503, "upstream is away".to_owned()),
        3 => Reply::Body(200, "<html>".to_owned()),
        4 => page(&[pod("prod", "fraud", "a", 'b')], "20", None),
        _ => Reply::Silence(Vec::new()),
    });
    let _watching = watch(&place, &server, &[]);
    eventually(&place, "the change", || digests(&place).len() >= 2);
    assert_eq!(digests(&place), ["a", "b"]);
    let text = fs::read_to_string(place.path().join("said")).unwrap();
    assert_eq!(text.matches("warning: the pods can't be seen").count(), 3, "{text}");
}

#[test]
fn a_restart_says_only_what_changed_and_a_token_is_shown() {
    let place = Place::new();
    place.write("token", "secret\n");
    let server = ApiServer::start(|number, _path| {
        page(&[pod("prod", "fraud", "a", if number < 2 { 'a' } else { 'b' })], "10", None)
    });
    let once = || {
        let options = ["observe", "--kubernetes", &server.url, "--once", "--namespace", "prod", "--api-token", "token"];
        let (code, _out, err) = place.run(&[&options[..], &ENVIRONMENT].concat());
        assert_eq!(code, 0, "{err}");
    };
    once();
    once();
    assert_eq!(said(&place).len(), 2);
    once();
    assert_eq!(digests(&place), ["a", "b"]);
    let asked = server.asked();
    assert!(asked[0].starts_with("GET /api/v1/namespaces/prod/pods?limit=500 "), "{}", asked[0]);
    assert!(asked[0].to_lowercase().contains("authorization: bearer secret"), "{}", asked[0]);
    assert_eq!(digest('a').len(), 64);
}

#[test]
fn a_server_that_refuses_is_said_at_once() {
    let place = Place::new();
    let forbidden =
        r#"{"kind":"Status","code":403,"message":"pods is forbidden: User \"x\" cannot list resource \"pods\""}"#;
    let server = ApiServer::start(move |_number, _path| Reply::Body(403, forbidden.to_owned()));
    let observe = |options: &[&str]| place.run(&[&["observe", "--kubernetes"], options, &ENVIRONMENT].concat());
    for (options, words) in [
        (vec![&*server.url], "cannot list resource"),
        (vec![], "KUBERNETES_SERVICE_HOST is not set"),
        (vec!["https://127.0.0.1:1"], "--api-ca"),
        (vec!["http://127.0.0.1:1", "--once"], "kubectl proxy"),
    ] {
        let (code, _out, err) = observe(&options);
        assert!(code == 2 && err.contains(words), "{options:?}: {err}");
    }
    assert!(place.events().is_empty());
}

/// A kubeconfig as managed clusters have it: YAML, and a program that says who we are.
fn kubeconfig(place: &Place, server: &ApiServer, script: &str) {
    place.write(
        "kube/config",
        &format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: prod\ncontexts:\n- name: prod\n  context: {{cluster: eu, user: cloud}}\n\
             clusters:\n- name: eu\n  cluster:\n    server: {}\n    extensions:\n    - name: client.authentication.k8s.io/exec\n\
             \x20     extension: {{audience: ours}}\nusers:\n- name: cloud\n  user:\n    exec:\n\
             \x20     apiVersion: client.authentication.k8s.io/v1beta1\n      command: ./bin/cloud\n      args: [get-token, --now]\n\
             \x20     env:\n      - {{name: CLOUD_REGION, value: eu-1}}\n      installHint: install the cloud's tools\n\
             \x20     interactiveMode: IfAvailable\n      provideClusterInfo: true\n",
            server.url
        ),
    );
    place.write("kube/bin/cloud", &format!("#!/bin/sh\n{script}\n"));
    let program = place.path().join("kube/bin/cloud");
    fs::set_permissions(program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

/// Prints a token that counts how often it was asked for.
const COUNTS: &str = r#"echo "$* $CLOUD_REGION $KUBERNETES_EXEC_INFO" >> asked
token="t$(grep -c . asked)"
printf '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"%s"%s}}' "$token" "$UNTIL""#;

fn with_kubeconfig(place: &Place, until: &str) -> (i32, String, String) {
    let options = ["observe", "--kubernetes", "--kubeconfig", "kube/config", "--once"];
    let output = place.command(&[&options[..], &ENVIRONMENT].concat()).env("UNTIL", until).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn tokens(server: &ApiServer) -> Vec<String> {
    let token = |request: &String| {
        let line = request.lines().find(|line| line.to_lowercase().starts_with("authorization: bearer ")).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    server.asked().iter().map(token).collect()
}

/// Two pages, so that one credential is used twice: as long as nothing says that it has run out.
fn two_pages(number: usize) -> Reply {
    if number.is_multiple_of(2) { page(&[], "10", Some("more")) } else { page(&[], "10", None) }
}

#[test]
fn a_program_says_who_we_are_and_is_asked_again_when_that_has_run_out() {
    let place = Place::new();
    let server = ApiServer::start(|number, _path| two_pages(number));
    kubeconfig(&place, &server, COUNTS);
    let (code, _out, err) = with_kubeconfig(&place, "");
    assert_eq!(code, 0, "{err}");
    assert_eq!(tokens(&server), ["t1", "t1"]);
    let asked = fs::read_to_string(place.path().join("asked")).unwrap();
    let (words, info) = asked.trim().split_once('{').unwrap();
    assert_eq!(words, "get-token --now eu-1 ");
    let info: Value = serde_json::from_str(&format!("{{{info}")).unwrap();
    let expected = json!({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1",
        "spec": {"interactive": false, "cluster": {"server": server.url, "config": {"audience": "ours"}}}});
    assert_eq!(info, expected);
    // Asked once for the first request, and again for each, since it had run out before it was given.
    let (code, _out, err) = with_kubeconfig(&place, r#","expirationTimestamp":"2020-01-01T00:00:00Z""#);
    assert_eq!(code, 0, "{err}");
    assert_eq!(tokens(&server)[2..], ["t3", "t4"]);
    let (code, _out, err) = with_kubeconfig(&place, r#","expirationTimestamp":"2999-01-01T00:00:00Z""#);
    assert_eq!(code, 0, "{err}");
    assert_eq!(tokens(&server)[4..], ["t5", "t5"]);
}

#[test]
fn a_server_that_knows_a_token_no_longer_is_asked_with_a_new_one_once() {
    let place = Place::new();
    let no = || Reply::Body(401, json!({"kind": "Status", "code": 401, "message": "Unauthorized"}).to_string());
    let server = ApiServer::start(move |number, _path| match number {
        0 => page(&[], "10", Some("more")),
        2 => page(&[], "10", None),
        _ => no(),
    });
    kubeconfig(&place, &server, COUNTS);
    let (code, _out, err) = with_kubeconfig(&place, "");
    assert_eq!(code, 0, "{err}");
    assert_eq!(tokens(&server), ["t1", "t1", "t2"]);
    let (code, _out, err) = with_kubeconfig(&place, "");
    assert!(code == 2 && err.contains("status 401: Unauthorized"), "{err}");
    assert_eq!(tokens(&server)[3..], ["t3", "t4"], "no more than twice");
}

#[test]
fn a_program_that_fails_or_is_missing_says_so_and_nothing_is_asked() {
    let place = Place::new();
    let server = ApiServer::start(|_number, path| panic!("nobody asks {path}"));
    kubeconfig(&place, &server, "echo 'session expired: log in' >&2; exit 255");
    let (code, _out, err) = with_kubeconfig(&place, "");
    assert!(code == 2 && err.contains("cloud` of the kubeconfig's `user.exec` ended with exit status: 255"), "{err}");
    assert!(err.contains("session expired: log in") && err.contains("hint: `kubectl get pods`"), "{err}");
    fs::remove_file(place.path().join("kube/bin/cloud")).unwrap();
    let (code, _out, err) = with_kubeconfig(&place, "");
    assert!(code == 2 && err.contains("can't be run") && err.contains("hint: install the cloud's tools"), "{err}");
    // An option says it instead.
    let server = ApiServer::start(|number, _path| two_pages(number));
    kubeconfig(&place, &server, "exit 1");
    place.write("token", "mine");
    let options = ["observe", "--kubernetes", "--kubeconfig", "kube/config", "--once", "--api-token", "token"];
    let (code, _out, err) = place.run(&[&options[..], &ENVIRONMENT].concat());
    assert_eq!((code, tokens(&server)), (0, vec!["mine".to_owned(), "mine".to_owned()]), "{err}");
}

#[test]
fn a_kubeconfig_that_asks_for_more_than_is_done_is_refused() {
    let place = Place::new();
    let config = |cluster: &str, user: &str| {
        place.write(
            "kube/config",
            &format!(
                "current-context: a\ncontexts: [{{name: a, context: {{cluster: b, user: c}}}}]\n\
                 clusters: [{{name: b, cluster: {{server: 'http://127.0.0.1:1', {cluster}}}}}]\nusers: [{{name: c, user: {{{user}}}}}]\n"
            ),
        );
        let (code, _out, err) = with_kubeconfig(&place, "");
        assert_eq!(code, 2, "{err}");
        err
    };
    for (cluster, user, words) in [
        ("proxy-url: 'http://p'", "", "`cluster.proxy-url` is not followed here"),
        ("insecure-skip-tls-verify: true", "", "`cluster.insecure-skip-tls-verify`"),
        ("", "auth-provider: {name: x}", "`user.auth-provider`"),
        ("", "as: admin", "`user.as`"),
        ("certificate-authority: ca.pem", "", "kube/ca.pem"),
        ("certificate-authority-data: '*'", "", "`certificate-authority-data`"),
        ("", "exec: {command: x}", "`apiVersion` is none of"),
        ("", "tokenFile: tok, token: text", "kube/tok"),
        ("insecure-skip-tls-verify: false", "as: ", "127.0.0.1:1"),
    ] {
        let err = config(cluster, user);
        assert!(err.contains(words), "{cluster} {user}: {err}");
    }
    for text in ["", "a: [", "current-context: a\n---\nb: c\n"] {
        place.write("kube/config", text);
        let (code, _out, err) = with_kubeconfig(&place, "");
        assert!(code == 1 && err.contains("kubectl config view"), "{text}: {err}");
    }
}

/// A canary of KServe: what each revision gets is asked for, and said again once it is another.
#[test]
fn a_canary_is_said_with_the_share_that_its_service_gives_it() {
    let place = Place::new();
    let revision = |name: &str, of: char| {
        let mut pod = pod("prod", "fraud", name, of);
        pod["metadata"]["labels"] = json!({"serving.kserve.io/inferenceservice": "fraud", "component": "predictor",
            "serving.knative.dev/revision": name});
        pod
    };
    let percent = std::sync::atomic::AtomicU64::new(10);
    let server = ApiServer::start(move |_number, path| {
        if !path.starts_with("/apis/serving.kserve.io/v1beta1/inferenceservices?limit=500") {
            return page(&[revision("f-1", 'a'), revision("f-2", 'b')], "10", None);
        }
        let canary = percent.fetch_add(15, std::sync::atomic::Ordering::SeqCst);
        let traffic = json!([{"revisionName": "f-1", "percent": 100 - canary},
            {"revisionName": "f-2", "percent": canary, "latestRevision": true}]);
        let service = json!({"metadata": {"name": "fraud", "namespace": "prod"},
            "status": {"components": {"predictor": {"traffic": traffic}}}});
        Reply::Body(200, json!({"kind": "InferenceServiceList", "metadata": {}, "items": [service]}).to_string())
    });
    let once = || {
        let (code, out, err) =
            place.run(&[&["observe", "--kubernetes", &server.url, "--once"], &ENVIRONMENT[..]].concat());
        assert!(code == 0 && !err.contains("warning"), "{err}");
        out
    };
    once();
    assert_eq!(once(), "1 service in environment/eu-1/prod: 1 changed, 0 gone\n");
    let shares = |event: usize| {
        let sets = place.events()[event].4["servingSet"].clone();
        [0, 1].map(|set| sets[set]["share"].as_str().unwrap().to_owned())
    };
    assert_eq!((shares(1), shares(2)), (["0.90", "0.10"].map(str::to_owned), ["0.75", "0.25"].map(str::to_owned)));
}

#[test]
fn without_kserve_or_the_right_to_look_no_share_is_said_and_everything_else_is() {
    for (status, warns) in [(404, false), (403, true)] {
        let place = Place::new();
        let server = ApiServer::start(move |_number, path| {
            if path.contains("inferenceservices") {
                return Reply::Body(status, json!({"kind": "Status", "message": "no"}).to_string());
            }
            let mut pod = pod("prod", "fraud", "a", 'a');
            pod["metadata"]["labels"]["serving.knative.dev/revision"] = json!("f-1");
            page(&[pod], "10", None)
        });
        let (code, _out, err) =
            place.run(&[&["observe", "--kubernetes", &server.url, "--once"], &ENVIRONMENT[..]].concat());
        assert_eq!((code, err.contains("split their traffic can't be seen")), (0, warns), "{err}");
        assert_eq!(said(&place), [(INVENTORY.to_owned(), 1, true), (FRAUD.to_owned(), 1, true)]);
        assert!(place.events()[1].4["servingSet"][0].get("share").is_none());
    }
}
