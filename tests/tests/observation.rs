//! What is observed and what is asked for, on their real roads: an API server with TLS on both sides, and notifications
//! over a real NATS server.
#![cfg(test)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    sync::Arc,
};

use async_nats::rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use base64::Engine as _;
use lineal_schemas::digest::EventDigest;
use lineal_tests::{
    nats::{Authority, Certificate, NatsServer, Options},
    programs::{LedgerHome, LedgerProcess, Process, emit, eventually, recorded, run},
    road::reading,
};
use serde_json::{Value, json};

const ENVIRONMENT: [&str; 2] = ["--environment", "environment/eu-1/prod"];

/// `lineal-emit` with a key of its own, in a folder of its own.
fn program(home: &LedgerHome, folder: &Path, to: &str) -> Command {
    let mut program = emit();
    program.current_dir(folder).env("HOME", folder).args(["--key", "own.pem", "--outbox", "outbox", "--to", to]);
    program.args(["--source", "https://own.example/ci", "--trust"]).arg(home.trust_path());
    program
}

/// A ledger, and the folder of a producer `own` that is enrolled there.
fn enrolled(roles: &[&str]) -> (LedgerHome, std::path::PathBuf) {
    let home = LedgerHome::init();
    let folder = home.folder().join("own");
    fs::create_dir(&folder).unwrap();
    run(emit().current_dir(&folder).args(["keygen", "own.pem"])).succeeded();
    let mut enrol = home.lineal("enroll");
    enrol.arg("--root-key").arg(home.root_key()).arg("--key").arg(folder.join("own.pub"));
    enrol.args([
        "--producer",
        "own",
        "--source",
        "https://own.example/**",
        "--name",
        "service/**",
        "--name",
        "environment/**",
    ]);
    run(enrol.args(roles.iter().flat_map(|role| ["--role", role]))).succeeded();
    (home, folder)
}

/// An API server that shows a certificate, wants one, and has one page of pods.
fn api_server(authority: &Authority, requests: usize) -> String {
    let Certificate { certificate, key } = authority.server();
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(authority.ca()).unwrap() {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(clients);
    let config = Arc::new(config.with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for _request in 0..requests {
            let (stream, _peer) = listener.accept().unwrap();
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            // Whoever does not trust us, or is not trusted, says nothing.
            let asked =
                BufReader::new(&mut stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).count();
            if asked > 0 {
                let body = json!({"kind": "PodList", "metadata": {"resourceVersion": "7"}, "items": []}).to_string();
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
                    .unwrap();
                stream.flush().unwrap();
            }
        }
    });
    url
}

#[test]
fn a_cluster_is_asked_over_tls_and_only_where_both_sides_are_who_they_must_be() {
    let (home, folder) = enrolled(&["observer"]);
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (own, foreign) = (authority.client(), stranger.client());
    let url = api_server(&authority, 5);
    let observe = |ca: &str, client: &Certificate| {
        let mut program = program(&home, &folder, "file:events.dsse");
        program.args(["observe", "--kubernetes", &url, "--once", "--api-ca", ca]).args(ENVIRONMENT);
        run(program.args(["--api-cert", &client.certificate, "--api-key", &client.key]))
    };
    observe(&stranger.ca(), &own).with_code(2).saying(&["invalid peer certificate"]);
    observe(&authority.ca(), &foreign).with_code(2).saying(&["error: "]);
    assert!(!folder.join("events.dsse").exists(), "nothing was seen, and nothing is said");
    let seen = observe(&authority.ca(), &own).succeeded();
    assert_eq!(seen, "0 services in environment/eu-1/prod: 0 changed, 0 gone, inventory said\n");
    let data = |path: &str| base64::prelude::BASE64_STANDARD.encode(fs::read(path).unwrap());
    let kubeconfig = |user: Value| {
        let cluster = json!({"server": url, "certificate-authority-data": data(&authority.ca())});
        let config = json!({"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "b", "user": "c"}}],
            "clusters": [{"name": "b", "cluster": cluster}], "users": [{"name": "c", "user": user}]});
        fs::write(folder.join("kubeconfig.json"), config.to_string()).unwrap();
        let mut program = program(&home, &folder, "file:events.dsse");
        program.args(["observe", "--kubernetes", "--once", "--kubeconfig", "kubeconfig.json"]);
        run(program.args(ENVIRONMENT))
    };
    let known = json!({"client-certificate-data": data(&own.certificate), "client-key-data": data(&own.key)});
    let seen = kubeconfig(known).succeeded();
    assert_eq!(seen, "0 services in environment/eu-1/prod: 0 changed, 0 gone\n");
    // A program gives a certificate, and the server's side of it is the same.
    let text = |path: &str| fs::read_to_string(path).unwrap();
    let credential = json!({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"clientCertificateData": text(&own.certificate), "clientKeyData": text(&own.key)}});
    fs::write(folder.join("credential.json"), credential.to_string()).unwrap();
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "cat",
        "args": [folder.join("credential.json")], "interactiveMode": "Never"});
    let seen = kubeconfig(json!({"exec": exec})).succeeded();
    assert_eq!(seen, "0 services in environment/eu-1/prod: 0 changed, 0 gone\n");
    kubeconfig(json!({"auth-provider": {"name": "cloud"}}))
        .with_code(2)
        .saying(&["user.auth-provider", "kubectl proxy"]);
    kubeconfig(json!({"client-certificate-data": "*"})).with_code(2).saying(&["client-certificate-data"]);
    run(home.lineal("append").arg(folder.join("events.dsse"))).succeeded();
    observe("/no/such/ca.pem", &own).with_code(2).saying(&["/no/such/ca.pem"]);
}

/// One pod that does not come up made every service of its environment partly seen, and unknown ten minutes later.
#[test]
fn a_service_that_was_seen_whole_is_known_whatever_another_does() {
    let (home, folder) = enrolled(&["observer"]);
    let pod = |workload: &str, image_id: &str| {
        json!({"kind": "Pod", "metadata": {"name": workload, "namespace": "prod"},
            "spec": {"containers": [{"name": "serve", "image": "r.io/x:1"}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "serve", "image": "r.io/x:1", "imageID": image_id,
                "state": {"running": {}}}]}})
    };
    let whole = format!("r.io/x@sha256:{}", "ab".repeat(32));
    let list = json!({"kind": "List", "items": [pod("broken", ""), pod("sound", &whole)]});
    fs::write(folder.join("pods.json"), list.to_string()).unwrap();
    let mut observe = program(&home, &folder, "file:events.dsse");
    observe.args(["observe", "--stdin"]).args(ENVIRONMENT).stdin(fs::File::open(folder.join("pods.json")).unwrap());
    run(&mut observe).with_code(0);
    run(home.lineal("append").arg(folder.join("events.dsse"))).succeeded();
    let running = run(home.lineal("running").arg("--json"));
    let running: Value = serde_json::from_str(&running.stdout).unwrap();
    let services = running["services"].as_array().unwrap().iter();
    let found: Vec<(&str, &str)> =
        services.map(|service| (service["service"].as_str().unwrap(), service["status"].as_str().unwrap())).collect();
    assert_eq!(found, [("service/prod/broken@eu-1/prod", "partial"), ("service/prod/sound@eu-1/prod", "running")]);
}

fn flux(revision: &str) -> Vec<u8> {
    let digest = format!("sha256:{}", "4f".repeat(32));
    let message = json!({"involvedObject": {"kind": "Kustomization", "namespace": "apps", "name": "webapp"}, "severity": "info",
        "timestamp": "2026-08-22T07:26:19Z", "message": "by jo@example.com", "reason": "ReconciliationSucceeded",
        "metadata": {"revision": revision, "service": "payments/fraud", "model_digest": digest}});
    message.to_string().into_bytes()
}

/// The events of a type in a record, as `(subject, data)`.
fn of_type(home: &LedgerHome, name: &str) -> Vec<(String, Value)> {
    let events = recorded(home.dir()).into_iter().map(|entry| serde_json::from_slice::<Value>(&entry.event).unwrap());
    let is_of = |event: &Value| event["type"] == format!("dev.lineal.{name}.v1");
    events.filter(is_of).map(|event| (event["subject"].as_str().unwrap().to_owned(), event["data"].clone())).collect()
}

/// What listens, and how far it has come.
fn listening(home: &LedgerHome, folder: &Path, server: &NatsServer, seed: &Path) -> Process {
    let mut program = program(home, folder, &server.url());
    program.args(["--producer", "own", "--nats-nkey"]).arg(seed);
    program.args(["hints", "--nats", &server.url()]).args(ENVIRONMENT);
    let mut process = Process::spawn(program, "listening to ");
    process.settled().unwrap_or_else(|ended| panic!("it ended:\n{}", ended.stderr));
    process
}

#[tokio::test]
async fn notifications_become_requests_and_their_user_can_do_nothing_else() {
    let (home, folder) = enrolled(&["deployer"]);
    let seeds = home.folder().join("seeds");
    let mut config = home.lineal("nats-config");
    config.arg("--seeds").arg(&seeds).args(["--hints", "flux.eu-1", "--hints-to", "own"]);
    let printed = run(&mut config).succeeded();
    let users = &printed[printed.find("authorization {").unwrap()..];
    let server = NatsServer::start(&Options::with(users));
    let mut serve = home.serve_command();
    serve.args(["--nats", &server.url(), "--nats-nkey"]).arg(seeds.join("_ledger.nk"));
    let ledger = reading(LedgerProcess::start(serve));
    let adapter = listening(&home, &folder, &server, &seeds.join("own.nk"));

    let seed = fs::read_to_string(seeds.join("_hints.flux.eu-1.nk")).unwrap();
    let (denied, mut denials) = tokio::sync::mpsc::unbounded_channel();
    let gitops = async_nats::ConnectOptions::with_nkey(seed.trim().to_owned()).event_callback(move |event| {
        if let async_nats::Event::ServerError(error) = event {
            // A test that has gone does not want it any more.
            drop(denied.send(error.to_string()));
        }
        std::future::ready(())
    });
    let gitops = gitops.connect(server.url()).await.unwrap();
    let first = flux("main@sha1:1");
    for message in [first.clone(), b"{\"broken\":".to_vec(), first.clone(), b"{}".to_vec(), flux("main@sha1:2")] {
        gitops.publish("lineal.hints.flux.eu-1", message.into()).await.unwrap();
    }
    gitops.flush().await.unwrap();
    eventually("five messages", || {
        adapter.said().contains("5 messages: 2 requested, 0 asked for nothing, 2 malformed, 1 again").then_some(())
    });
    // Neither another's notifications, nor events, nor anything to hear.
    for subject in
        ["lineal.hints.argo.eu-1", "lineal.events.own.deployment.requested", "lineal.ask.own.receipt.x", "$JS.API.INFO"]
    {
        gitops.publish(subject, "x".into()).await.unwrap();
        gitops.flush().await.unwrap();
        let said = denials.recv().await.unwrap();
        assert!(said.to_lowercase().contains("permissions violation for publish") && said.contains(subject), "{said}");
    }
    for subject in [">", "lineal.hints.>", "lineal.receipts.own.*"] {
        let heard = gitops.subscribe(subject).await.unwrap();
        gitops.flush().await.unwrap();
        let said = denials.recv().await.unwrap();
        assert!(said.to_lowercase().contains("permissions violation for subscription"), "{said}");
        drop(heard);
    }
    adapter.stop();
    ledger.stop();
    let requested = of_type(&home, "deployment.requested");
    assert_eq!(requested.len(), 2);
    let (subject, data) = &requested[0];
    assert_eq!(
        (subject.as_str(), &data["door"], &data["changeRef"]),
        ("service/payments/fraud@eu-1/prod", &json!("flux"), &json!("main@sha1:1"))
    );
    let original = EventDigest::of(&first).to_string();
    assert_eq!(
        (&data["attachments"][0]["role"], &data["attachments"][0]["digest"]["sha256"]),
        (&json!("original"), &json!(original))
    );
    assert!(!data.to_string().contains("jo@example.com"), "who did it is in the message alone");
    home.verify(&["--quiet"]).succeeded();
}

/// A user without the permission would listen for ever, and hear nothing.
#[test]
fn whoever_may_not_listen_is_told_at_once() {
    let (home, folder) = enrolled(&["deployer"]);
    let (users, seeds) = home.nats_users();
    let server = NatsServer::start(&Options::with(users));
    let mut hints = program(&home, &folder, "file:events.dsse");
    hints.args(["--producer", "own", "--nats-nkey"]).arg(seeds.join("own.nk"));
    let ended = run(hints.args(["hints", "--nats", &server.url()]).args(ENVIRONMENT));
    ended.with_code(2).saying(&["lineal.hints.>", "lineal nats-config --hints-to"]);
    for (options, words) in
        [(["--hints", "flux eu"], "no part of a subject"), (["--hints-to", "nobody"], "no producer `nobody`")]
    {
        run(home.lineal("nats-config").arg("--seeds").arg(&seeds).args(options)).with_code(1).saying(&[words]);
    }
}
