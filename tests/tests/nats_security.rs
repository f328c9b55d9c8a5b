//! Who says what over NATS is proved by signatures; this is about the road: both programs, with a real server, over TLS with
//! certificates on one side and on both, as users by key, by password and by credentials file.
//!
//! Each way in leads to a verified receipt. What is closed is closed at once, with a reason that a person can act on: the
//! ledger does not start, a producer's event stays in its outbox, and nothing is said in the clear where TLS was asked for.
#![cfg(test)]

use std::fs;

use lineal_tests::{
    nats::{Authority, Certificate, NatsServer, Operator, Options, Permissions},
    programs::{LedgerProcess, run},
    road::{Road, all_committed, all_wait},
};

/// What both programs take for TLS: the authority, with a client's certificate the client's as well, and the user.
fn tls<'a>(ca: &'a str, client: Option<&'a Certificate>, seed: &'a str) -> Vec<&'a str> {
    let mut options = vec!["--nats-ca", ca, "--nats-nkey", seed];
    if let Some(Certificate { certificate, key }) = client {
        options.extend(["--nats-cert", certificate, "--nats-key", key]);
    }
    options
}

fn tls_server(road: &Road, certificate: &Certificate, more: &str) -> NatsServer {
    NatsServer::start(&Options::with(certificate.tls_block(more) + road.users()))
}

#[test]
fn events_go_over_tls_and_their_receipts_come_back() {
    let (road, authority) = (Road::new(), Authority::new());
    let server = tls_server(&road, &authority.server(), "");
    let (url, ca, ledger, ci) = (server.tls_url(), authority.ca(), road.seed("_ledger"), road.seed("ci"));
    let process = road.serve(&url, &tls(&ca, None, &ledger));
    let options = tls(&ca, None, &ci);
    all_committed(&road.send(&url, &options, 1));
    all_committed(&road.send(&url, &options, 30));
    // A listing goes another way, and over TLS as well.
    all_committed(&road.emit(&url, &options, &road.dataset()));
    assert!(road.owes_nothing());
    // A server that has TLS is spoken to in no other way, whatever the URL says.
    all_committed(&road.send(&server.url(), &options, 1));
    road.check(process, 33);
}

/// The ledger took a certificate that can't be trusted for a network that is away, and tried on for ever, saying nothing
/// after the first line.
#[test]
fn a_certificate_that_is_not_to_be_trusted_is_named_and_nothing_is_sent() {
    let (road, authority, stranger) = (Road::new(), Authority::new(), Authority::new());
    let server = tls_server(&road, &authority.server(), "");
    let elsewhere = tls_server(&road, &authority.server_elsewhere(), "");
    let (ledger, ci) = (road.seed("_ledger"), road.seed("ci"));
    let cases = [
        (&server, stranger.ca(), "invalid peer certificate: UnknownIssuer"),
        (&elsewhere, authority.ca(), "invalid peer certificate: certificate not valid for name \"127.0.0.1\""),
    ];
    for (server, ca, words) in &cases {
        let url = server.tls_url();
        road.cannot_serve(&url, &tls(ca, None, &ledger)).saying(&[&url, words, "hint: ", "--nats-ca"]);
        all_wait(road.send(&url, &tls(ca, None, &ci), 1).with_code(0), &[&url, words]);
    }
    // Without an authority of its own, the system's are asked, and know nothing of it.
    let url = server.tls_url();
    let sent = road.send(&url, &["--nats-nkey", &ci], 1);
    all_wait(sent.with_code(0), &["invalid peer certificate: UnknownIssuer"]);
    // All of them waited, and the right authority lets them go.
    let ca = authority.ca();
    let process = road.serve(&url, &tls(&ca, None, &ledger));
    all_committed(&road.emit(&url, &tls(&ca, None, &ci), &["flush"]));
    road.check(process, 3);
}

/// The client said which file it could not read as "No such file or directory", and no more.
#[test]
fn a_file_of_certificates_that_can_not_be_used_is_named() {
    let (road, authority) = (Road::new(), Authority::new());
    let server = tls_server(&road, &authority.server(), "");
    let (away, url) = ("/no/such/file.pem", server.tls_url());
    let (ca, client) = (authority.ca(), authority.client());
    let cases = [
        vec!["--nats-ca", away],
        vec!["--nats-ca", &ca, "--nats-cert", away, "--nats-key", &client.key],
        vec!["--nats-ca", &ca, "--nats-cert", &client.certificate, "--nats-key", away],
    ];
    for options in &cases {
        road.cannot_serve(&url, options).saying(&["/no/such/file.pem: No such file or directory"]);
        all_wait(road.send(&url, options, 1).with_code(0), &["/no/such/file.pem: No such file or directory"]);
        road.emit(&url, options, &["flush"]).with_code(1);
    }
}

/// Whoever sits between a client and a server can say that the server has no TLS. A client that was given certificates said
/// everything in the clear then.
#[test]
fn whoever_gave_an_authority_never_speaks_in_the_clear() {
    let (road, authority) = (Road::new(), Authority::new());
    let server = NatsServer::start(&Options::with(road.users()));
    let (ca, ledger, ci) = (authority.ca(), road.seed("_ledger"), road.seed("ci"));
    for url in [server.url(), server.tls_url()] {
        road.cannot_serve(&url, &tls(&ca, None, &ledger)).saying(&[&url, "TLS"]);
        all_wait(road.send(&url, &tls(&ca, None, &ci), 1).with_code(0), &[&url, "TLS"]);
    }
    let process = road.serve(&server.url(), &["--nats-nkey", &ledger]);
    all_committed(&road.emit(&server.url(), &["--nats-nkey", &ci], &["flush"]));
    road.check(process, 2);
}

#[test]
fn a_server_that_wants_certificates_lets_in_who_has_one_and_nobody_else() {
    let (road, authority, stranger) = (Road::new(), Authority::new(), Authority::new());
    let more = format!("ca_file: \"{}\"\n  verify: true", authority.ca());
    let server = tls_server(&road, &authority.server(), &more);
    let (url, ca, ledger, ci) = (server.tls_url(), authority.ca(), road.seed("_ledger"), road.seed("ci"));
    let (client, of_stranger) = (authority.client(), stranger.client());
    for (client, words) in [(None, "CertificateRequired"), (Some(&of_stranger), "received fatal alert")] {
        road.cannot_serve(&url, &tls(&ca, client, &ledger)).saying(&[&url, words, "hint: ", "--nats-cert"]);
        all_wait(road.send(&url, &tls(&ca, client, &ci), 1).with_code(0), &[&url, words]);
    }
    let process = road.serve(&url, &tls(&ca, Some(&client), &ledger));
    all_committed(&road.send(&url, &tls(&ca, Some(&client), &ci), 20));
    all_committed(&road.emit(&url, &tls(&ca, Some(&client), &ci), &road.dataset()));
    assert!(road.owes_nothing());
    road.check(process, 23);
}

/// What `nsc` makes: an operator, an account with JetStream, a file with JWT and seed for each user.
#[test]
fn credentials_files_let_each_user_do_what_its_jwt_says() {
    let (road, operator) = (Road::new(), Operator::new());
    let server = NatsServer::start(&Options::with(operator.configuration()));
    let credentials = |name: &str, user: &str, seed: u8| {
        let path = road.machine().join(format!("{name}.creds"));
        operator.write_credentials(&path, seed, &Permissions::printed(road.users(), user));
        path.display().to_string()
    };
    let ledger = credentials("ledger", "the ledger", 10);
    let (ci, other) = (credentials("ci", "ci", 11), credentials("other", "other", 12));
    let process = road.serve(&server.url(), &["--nats-creds", &ledger]);
    all_committed(&road.send(&server.url(), &["--nats-creds", &ci], 1));
    all_committed(&road.send(&server.url(), &["--nats-creds", &ci], 40));
    all_committed(&road.emit(&server.url(), &["--nats-creds", &ci], &road.dataset()));
    assert!(road.owes_nothing());
    // One cannot speak as the other, whichever way round. (The subject was sometimes that of an inbox.)
    let denied = |name: &str, file: &str| {
        let sent = road.send(&server.url(), &["--producer", name, "--nats-creds", file], 1);
        let words = format!("does not let producer `{name}` use the subject `lineal.receipts.{name}.*`");
        all_wait(sent.with_code(0), &[&words, "lineal nats-config"]);
    };
    denied("other", &ci);
    denied("ci", &other);
    all_committed(&road.emit(&server.url(), &["--nats-creds", &ci], &["flush"]));
    road.check(process, 44);
}

/// A user of another operator's account, a file that is no credentials file, and none at all.
#[test]
fn credentials_that_the_server_does_not_take_are_said_at_once() {
    let (road, operator) = (Road::new(), Operator::new());
    let server = NatsServer::start(&Options::with(operator.configuration()));
    let (foreign, broken) = (road.machine().join("foreign.creds"), road.machine().join("broken.creds"));
    let all = Permissions::printed(road.users(), "the ledger");
    Operator::with_seed(7).write_credentials(&foreign, 10, &all);
    fs::write(&broken, "-----BEGIN NATS USER JWT-----\n").unwrap();
    let (foreign, broken) = (foreign.display().to_string(), broken.display().to_string());
    let cases = [
        (vec!["--nats-creds", &foreign], "authorization violation"),
        (vec!["--nats-creds", &broken], "broken.creds: cannot parse"),
        (vec!["--nats-creds", "/no/such.creds"], "/no/such.creds"),
        (vec![], "authorization violation"),
    ];
    for (options, words) in &cases {
        road.cannot_serve(&server.url(), options).saying(&[words]);
        all_wait(road.send(&server.url(), options, 1).with_code(0), &[words]);
    }
}

/// As options, as variables, and in the URL, where what a URL can't hold is escaped. The password is never shown.
#[test]
fn users_with_a_password_are_let_in_and_a_wrong_one_is_not_shown() {
    let road = Road::new();
    let users = r#"authorization { users: [
        { user: ledger, password: "l@dger/1" }
        { user: "ci", password: "se cret:2" }
    ] }"#;
    let server = NatsServer::start(&Options::with(users));
    let within = |secret: &str| server.url().replace("nats://", &format!("nats://{secret}@"));
    for (secret, words) in [("ledger:wrong-one", "authorization violation"), ("nobody:wrong-one", "authorization")] {
        let ended = road.cannot_serve(&within(secret), &[]);
        let sent = road.send(&within(secret), &[], 1);
        ended.saying(&[&server.url(), words]);
        all_wait(sent.with_code(0), &[&server.url(), words]);
        assert!(!format!("{}{}{}", ended.stderr, sent.stdout, sent.stderr).contains("wrong-one"));
    }
    // Twice three ways in.
    let password = ["--nats-user", "ledger", "--nats-password", "l@dger/1"];
    let mut by_variables = road.serve_command(&server.url(), &[]);
    by_variables.env("LINEAL_NATS_USER", "ledger").env("LINEAL_NATS_PASSWORD", "l@dger/1");
    let served = [
        road.serve_command(&server.url(), &password),
        by_variables,
        road.serve_command(&within("ledger:l%40dger%2F1"), &[]),
    ];
    for (round, command) in (0..).zip(served) {
        let process = LedgerProcess::start(command);
        let mut by_variables = road.emit_command(&server.url(), &[], &["send", &road.drafts(1)]);
        by_variables.env("LINEAL_NATS_USER", "ci").env("LINEAL_NATS_PASSWORD", "se cret:2");
        all_committed(&run(&mut by_variables));
        let password = ["--nats-user", "ci", "--nats-password", "se cret:2"];
        all_committed(&road.send(&server.url(), &password, 1));
        all_committed(&road.send(&within("ci:se%20cret:2"), &[], 1));
        road.check(process, 2 + 3 * (round + 1));
    }
}

/// An `NKey` that the server does not know, and a file that holds none.
#[test]
fn a_key_that_the_server_does_not_know_is_said_at_once() {
    let road = Road::new();
    let server = NatsServer::start(&Options::with(road.users()));
    let unknown = road.machine().join("unknown.nk");
    fs::write(&unknown, nkeys::KeyPair::new_user().seed().unwrap()).unwrap();
    let none = road.machine().join("none.nk");
    fs::write(&none, "no seed\n").unwrap();
    for (file, words) in [(&unknown, "authorization violation"), (&none, "none.nk: ")] {
        let options = ["--nats-nkey", file.to_str().unwrap()];
        road.cannot_serve(&server.url(), &options).saying(&[words]);
        all_wait(road.send(&server.url(), &options, 1).with_code(0), &[words]);
    }
    let process = road.serve(&server.url(), &["--nats-nkey", &road.seed("_ledger")]);
    all_committed(&road.emit(&server.url(), &["--nats-nkey", &road.seed("ci")], &["flush"]));
    road.check(process, 2);
}
